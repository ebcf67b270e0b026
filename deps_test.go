package scim_test

import (
	"bytes"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	modulePath   = "github.com/scimkit/scim"
	maxFileLines = 500 // of a file that is not a test
)

// importRow is what the files of a package may import beside the standard library. Test files are free.
type importRow struct {
	ours   []string // packages of this module by directory, "." is package scim
	theirs []string // import paths of other modules; one that ends in a slash stands for all packages below it
}

const (
	pkgElimity   = "github.com/elimity-com/scim/schema"
	pkgFilterAST = "github.com/scim2/filter-parser/v2"
	pkgJSONText  = "github.com/go-json-experiment/json/jsontext"
	pkgJSON      = "github.com/go-json-experiment/json" // bodies of the management API: neither repeated nor unknown names
	pkgText      = "golang.org/x/text/"
	pkgLiquid    = "github.com/osteele/liquid"
	pkgWebhooks  = "github.com/standard-webhooks/standard-webhooks/libraries/go"
	pkgSQLite    = "modernc.org/sqlite"
	pkgPGX       = "github.com/jackc/pgx/v5/stdlib"
)

// beneathPatch and upToStore are the lower rungs of the ladder, which all stores and all parts of the handler stand on.
var (
	beneathPatch = []string{"dialect", "internal/strict", "internal/schema", "filter"}
	upToStore    = append(slices.Clone(beneathPatch), "patch", "store")
)

// ladder has a row for every package with files that are not tests: imports run one way, from later rows to earlier ones. A row
// for a folder ends in a slash. Database drivers appear in examples only, internal packages never do: examples show what a host
// can write.
var ladder = map[string]importRow{
	"dialect":            {},
	"internal/uuid":      {},
	"internal/strict":    {theirs: []string{pkgJSONText}},
	"internal/schema":    {ours: []string{"dialect", "internal/strict"}, theirs: []string{pkgElimity, pkgJSONText, pkgText}},
	"filter":             {ours: []string{"dialect", "internal/strict", "internal/schema"}, theirs: []string{pkgFilterAST}},
	"patch":              {ours: beneathPatch, theirs: []string{pkgFilterAST, pkgJSONText}},
	"store":              {ours: append(slices.Clone(beneathPatch), "patch")},
	"store/memstore":     {ours: upToStore},
	"store/sqlstore":     {ours: upToStore},
	"store/storetest":    {ours: upToStore, theirs: []string{pkgElimity}},
	"internal/token":     {ours: []string{"store"}},
	"internal/wire":      {ours: upToStore, theirs: []string{pkgJSONText}},
	"internal/discovery": {ours: append(slices.Clone(upToStore), "internal/wire")},
	"internal/directory": {ours: upToStore},
	"internal/mapping":   {ours: []string{"internal/schema", "filter"}, theirs: []string{pkgLiquid}},
	"internal/openapi":   {},
	".": {
		ours: append(slices.Clone(upToStore),
			"internal/uuid", "internal/token", "internal/wire", "internal/discovery", "internal/directory", "internal/openapi",
			"internal/mapping"),
		theirs: []string{pkgElimity, pkgJSON, pkgText},
	},
	"webhook": {ours: append(slices.Clone(upToStore), "."), theirs: []string{pkgWebhooks}},
	"examples/": {
		ours:   []string{".", "dialect", "filter", "patch", "store", "store/memstore", "store/sqlstore", "webhook"},
		theirs: []string{pkgElimity, pkgSQLite, pkgPGX},
	},
	// No row names these: for tests only.
	"internal/claim":  {theirs: []string{"go.uber.org/goleak"}},
	"internal/dbtest": {ours: []string{"filter", "internal/claim", "store/sqlstore"}, theirs: []string{pkgSQLite, pkgPGX}},
}

// knownModules is all that go.mod may require. A module that comes along with a new version of another is a line here, and a
// look at it.
var knownModules = [][]string{
	{ // what the library is made of
		"github.com/elimity-com/scim",        // core schemas, and the types in which hosts declare their own
		"github.com/scim2/filter-parser/v2",  // the syntax tree of filters and paths
		"github.com/go-json-experiment/json", // strict tokenizer
		"github.com/osteele/liquid",          // reads the expressions of attribute mappings, which admins write in its language
		"github.com/standard-webhooks/standard-webhooks/libraries",
		"golang.org/x/text", // Unicode case, width and normal forms
	},
	{ // tests and examples
		"github.com/anishathalye/porcupine",
		"github.com/jackc/pgx/v5",
		"github.com/santhosh-tekuri/jsonschema/v6", // answers of the management API against its OpenAPI document
		"github.com/stretchr/testify",
		"go.uber.org/goleak",
		"modernc.org/sqlite",
		"pgregory.net/rapid",
	},
	{ // what the others bring along
		"github.com/di-wu/parser",       // filter-parser
		"github.com/di-wu/xsd-datetime", // elimity-com/scim
		"github.com/dustin/go-humanize", // modernc.org/sqlite, and so on to modernc.org
		"github.com/google/uuid",
		"github.com/mattn/go-isatty",
		"github.com/ncruces/go-strftime",
		"github.com/remyoudompheng/bigfft",
		"golang.org/x/sys",
		"modernc.org/libc",
		"modernc.org/mathutil",
		"modernc.org/memory",
		"github.com/jackc/pgpassfile", // pgx, and so on to golang.org
		"github.com/jackc/pgservicefile",
		"github.com/jackc/puddle/v2",
		"github.com/kr/text",
		"github.com/rogpeppe/go-internal",
		"golang.org/x/sync",
		"github.com/osteele/tuesday", // liquid
		"gopkg.in/yaml.v2",
		"go.yaml.in/yaml/v3", // testify
	},
}

func TestImportsRunOneWay(t *testing.T) {
	t.Parallel()
	for _, dir := range packageDirs(t) {
		files := packageFiles(t, dir)
		if len(files) == 0 {
			continue
		}
		row, ok := ladderRow(dir)
		if !ok {
			t.Errorf("%s: a new package needs a row in ladder", dir)
			continue
		}
		for _, file := range files {
			tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
			require.NoError(t, err)
			for _, spec := range tree.Imports {
				path, err := strconv.Unquote(spec.Path.Value)
				require.NoError(t, err)
				if !row.allows(path) {
					t.Errorf("%s: package %s may not import %s", file, dir, path)
				}
			}
		}
	}
}

func TestFilesStayShort(t *testing.T) {
	t.Parallel()
	for _, dir := range packageDirs(t) {
		for _, file := range packageFiles(t, dir) {
			src, err := os.ReadFile(file)
			require.NoError(t, err)
			if n := bytes.Count(src, []byte("\n")); n > maxFileLines {
				t.Errorf("%s: %d lines, at most %d", file, n, maxFileLines)
			}
		}
	}
}

func TestModulesAreKnown(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	// "require PATH VERSION" on one line, or "PATH VERSION" in a block. A replace or exclude has no place in a library's go.mod.
	required := regexp.MustCompile(`(?m)^(?:require )?\s*([\w.-]+\.[\w-]+/\S+) v\S+`).FindAllStringSubmatch(string(src), -1)
	require.NotEmpty(t, required)
	for _, r := range required {
		if !slices.ContainsFunc(knownModules, func(list []string) bool { return slices.Contains(list, r[1]) }) {
			t.Errorf("go.mod: %s is not a known module", r[1])
		}
	}
	require.NotRegexp(t, `(?m)^(replace|exclude|tool|toolchain)\b`, string(src))
}

// ladderRow returns the row of a directory.
func ladderRow(dir string) (importRow, bool) {
	if row, ok := ladder[filepath.ToSlash(dir)]; ok {
		return row, true
	}
	folder, _, below := strings.Cut(filepath.ToSlash(dir), "/")
	row, ok := ladder[folder+"/"]
	return row, ok && below
}

func (r importRow) allows(path string) bool {
	if path == modulePath {
		return slices.Contains(r.ours, ".")
	}
	if own, ok := strings.CutPrefix(path, modulePath+"/"); ok {
		return slices.Contains(r.ours, own)
	}
	if first, _, _ := strings.Cut(path, "/"); !strings.Contains(first, ".") {
		return path != "C"
	}
	return slices.ContainsFunc(r.theirs, func(allowed string) bool {
		return path == allowed || strings.HasSuffix(allowed, "/") && strings.HasPrefix(path, allowed)
	})
}

// packageFiles returns the Go files of a directory that are not tests, whatever system or tag they are for.
func packageFiles(t *testing.T, dir string) []string {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var files []string
	for _, entry := range entries {
		if name := entry.Name(); strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			files = append(files, filepath.Join(dir, name))
		}
	}
	return files
}
