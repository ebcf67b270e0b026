package scim_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/internal/claim"
)

// optionalGroups are the groups of the checklist that need no test: what they describe is not offered unless a test shows it.
var optionalGroups = []string{
	"I",  // sorting
	"S",  // bulk
	"T",  // /Me
	"AA", // cursor pagination
}

// attackedGroups are the groups of threats whose blockers a handler, a filter or a patch can show without a database.
var attackedGroups = []string{
	"A",      // authentication
	"T",      // tenants
	"ID",     // identity
	"E", "S", // deprovisioning, secrets
	"M", "P", "F", // mutability, PATCH, filters
	"J", "H", // JSON, HTTP
}

// isRequired reports whether the suite must show a case, or say in testdata/exceptions.json why not.
func isRequired(c claim.Case) bool {
	switch c.Source {
	case claim.Checklist:
		return !slices.Contains(optionalGroups, c.Group)
	case claim.Threat:
		return c.Priority == 0 && !c.Database && slices.Contains(attackedGroups, c.Group)
	default:
		return false
	}
}

// TestRequirements holds the claims of all test files against the catalogues. That a claim really runs is the job of claim.Main in
// the package that makes it.
func TestRequirements(t *testing.T) {
	t.Parallel()
	cases, err := claim.Cases()
	require.NoError(t, err)
	claims := claimsOfModule(t)
	exceptions := readExceptions(t)

	known := map[string]claim.Case{}
	for _, c := range cases {
		known[c.ID] = c
	}
	for _, id := range slices.Sorted(maps.Keys(claims)) {
		if _, ok := known[id]; !ok {
			t.Errorf("%s: no catalogue holds the claimed id %q", claims[id], id)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(exceptions)) {
		c, ok := known[id]
		switch {
		case !ok:
			t.Errorf("exceptions.json: no catalogue holds %q", id)
		case !isRequired(c):
			t.Errorf("exceptions.json: %s needs no exception, nothing requires it", id)
		case claims[id] != "":
			t.Errorf("exceptions.json: %s is claimed at %s", id, claims[id])
		case strings.TrimSpace(exceptions[id]) == "":
			t.Errorf("exceptions.json: %s has no reason", id)
		}
	}
	reportMissing(t, cases, claims, exceptions)
}

// reportMissing fails for each group with cases that are neither claimed nor excepted, and logs how many there are of each kind.
func reportMissing(t *testing.T, cases []claim.Case, claims, exceptions map[string]string) {
	missing := map[string][]string{}
	var all, claimed, excepted, beyond int
	for _, c := range cases {
		isClaimed := claims[c.ID] != ""
		_, isExcepted := exceptions[c.ID]
		switch {
		case !isRequired(c):
			if isClaimed {
				beyond++
			}
			continue
		case isClaimed:
			claimed++
		case isExcepted:
			excepted++
		default:
			group := string(c.Source) + " " + c.Group
			missing[group] = append(missing[group], c.ID)
		}
		all++
	}
	for _, group := range slices.Sorted(maps.Keys(missing)) {
		t.Errorf("%s: %d neither claimed nor excepted: %s", group, len(missing[group]), strings.Join(missing[group], " "))
	}
	t.Logf("%d required: %d claimed, %d excepted, %d missing; %d claimed beyond",
		all, claimed, excepted, all-claimed-excepted, beyond)
}

// claimsOfModule returns where each claimed id stands, one place an id, and fails for a package whose claims nothing checks at run
// time.
func claimsOfModule(t *testing.T) map[string]string {
	places := map[string]string{}
	for _, dir := range packageDirs(t) {
		tests, err := claim.Scan(dir)
		require.NoError(t, err)
		if len(tests.Claims) > 0 && !tests.Main {
			t.Errorf("%s: its tests claim something, but no TestMain calls claim.Main", dir)
		}
		for _, c := range tests.Claims {
			places[c.ID] = fmt.Sprintf("%s:%d", filepath.Join(dir, c.File), c.Line)
		}
	}
	return places
}

// readExceptions returns the reasons in testdata/exceptions.json by id.
func readExceptions(t *testing.T) map[string]string {
	data, err := os.ReadFile(filepath.Join("testdata", "exceptions.json"))
	require.NoError(t, err)
	var reasons map[string]string
	require.NoError(t, json.Unmarshal(data, &reasons))
	return reasons
}

// packageDirs returns the directories of the module that the go command takes for packages, relative to its root.
func packageDirs(t *testing.T) []string {
	var dirs []string
	require.NoError(t, filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		name := entry.Name()
		if path != "." && (name == "testdata" || name == "vendor" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")) {
			return filepath.SkipDir
		}
		dirs = append(dirs, path)
		return nil
	}))
	return dirs
}
