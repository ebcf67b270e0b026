package scim_test

import (
	"context"
	"crypto/sha256"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/store"
)

// What a wrong token tells about the right one.

// lookups is a ConnectionStore that notes what tokens are looked up by.
type lookups struct {
	store.ConnectionStore
	mu      sync.Mutex
	ids     []string
	digests []store.Digest
}

func (a *lookups) FindToken(ctx context.Context, id string, digest store.Digest) (store.Token, store.Connection, error) {
	a.mu.Lock()
	a.ids, a.digests = append(a.ids, id), append(a.digests, digest)
	a.mu.Unlock()
	return a.ConnectionStore.FindToken(ctx, id, digest)
}

// However much of a token somebody has guessed, nothing that is compared has more in common with what is stored than by chance: only
// digests are, after one look-up by what is no secret, and in constant time.
func TestAWrongTokenTellsNothing(t *testing.T) {
	t.Parallel()
	for _, backend := range backends {
		t.Run(backend.name, func(t *testing.T) {
			t.Parallel()
			a := &lookups{}
			e := openEstate(t, backend.name, 1, func(k *scim.ConnectionsConfig, _ *scim.Config) { a.ConnectionStore, k.Store = k.Store, a })
			l := e.connect("tenant", "")
			right := sha256.Sum256([]byte(l.token))
			want := ""
			for n := range len(l.token) {
				wrong := []byte(l.token)
				for i := n; i < len(wrong); i++ { // it shares n bytes
					wrong[i] = 'a' + (wrong[i]+1)%26
				}
				a.ids, a.digests = nil, nil
				got := e.scim(0, string(wrong), "GET", "/Users", "")
				got.decode(t, 401)
				if n == 0 {
					want = got.body
				}
				require.Equal(t, want, got.body)
				require.Len(t, a.digests, 1, "one look-up")
				require.Equal(t, store.Digest(sha256.Sum256(wrong)), a.digests[0])
				require.Less(t, inCommon(right[:], a.digests[0][:]), 4)
				require.Empty(t, strings.TrimSuffix(a.ids[0], strings.Split(l.token, "_")[1]), "only the id inside a token is looked up by")
			}
			e.scim(0, l.token, "GET", "/Users", "").decode(t, 200)
			require.Equal(t, store.Digest(right), a.digests[len(a.digests)-1])
		})
	}
	t.Run("in constant time", func(t *testing.T) {
		t.Parallel()
		require.Empty(t, comparedDigests(t, os.DirFS(".")))
		match := functions(t, "internal/token/token.go")["Match"]
		require.Contains(t, match, "ConstantTimeCompare")
		require.Contains(t, functions(t, "token.go")["VerifyToken"], "Match")
		covers(t, "A-12")
	})
}

// inCommon returns how many bytes two texts begin with in common.
func inCommon(a, b []byte) (n int) {
	for n < len(a) && a[n] == b[n] {
		n++
	}
	return n
}

// comparedDigests returns the places of the package at which digests are compared by an operator.
func comparedDigests(t testing.TB, dir fs.FS) (places []string) {
	t.Helper()
	files, err := fs.Glob(dir, "*.go")
	require.NoError(t, err)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		content, err := fs.ReadFile(dir, name)
		require.NoError(t, err)
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, content, 0)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			if b, ok := n.(*ast.BinaryExpr); ok && (b.Op == token.EQL || b.Op == token.NEQ) && (isDigest(b.X) || isDigest(b.Y)) {
				places = append(places, set.Position(b.Pos()).String())
			}
			return true
		})
	}
	return places
}

// isDigest reports whether an expression is named as a digest.
func isDigest(x ast.Expr) bool {
	switch x := x.(type) {
	case *ast.SelectorExpr:
		return strings.EqualFold(x.Sel.Name, "digest")
	case *ast.Ident:
		return strings.EqualFold(x.Name, "digest")
	}
	return false
}

// functions returns the names that the functions of a file use, joined, by function.
func functions(t testing.TB, name string) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
	require.NoError(t, err)
	used := map[string]string{}
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok {
			ast.Inspect(f, func(n ast.Node) bool {
				if id, ok := n.(*ast.Ident); ok {
					used[f.Name.Name] += id.Name + " "
				}
				return true
			})
		}
	}
	return used
}
