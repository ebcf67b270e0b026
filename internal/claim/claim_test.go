package claim_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/internal/claim"
)

func TestMain(m *testing.M) { claim.Main(m) }

// Each folder of testdata is a package whose tests pass or fail by what Main finds.
func TestMainJudgesAPackage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		args     []string
		postgres string
		red      []string // what the output must say; empty: the package is green
	}{
		{name: "every claim ran", args: []string{"./testdata/good"}},
		{name: "claims that nothing reaches", args: []string{"./testdata/dead"}, red: []string{
			"dead_test.go:16: A-01", "dead_test.go:16: A-02", "dead_test.go:18: A-04",
		}},
		{name: "one test of the package", args: []string{"-run", "Nothing", "./testdata/dead"}},
		{name: "all but one test of the package", args: []string{"-skip", "TestClaims", "./testdata/dead"}},
		{name: "short", args: []string{"-short", "./testdata/dead"}},
		{name: "list", args: []string{"-list", ".", "./testdata/dead"}},
		{name: "fuzzing", args: []string{"-fuzz", "Nothing", "-fuzztime", "1x", "./testdata/dead"}},
		{name: "count 0", args: []string{"-count", "0", "./testdata/dead"}},
		{name: "a skip for want of a database", args: []string{"./testdata/skipping"}},
		{name: "no excuse with a database", args: []string{"./testdata/skipping"}, postgres: "dsn", red: []string{
			"skipping_test.go:19: K-02",
		}},
		{name: "reached with a database", args: []string{"./testdata/skipping"}, postgres: "reach"},
		{name: "a claim that no reader of the source finds", args: []string{"./testdata/indirect"}, red: []string{
			"indirect_test.go:18: A-01",
		}},
		{name: "an unknown id", args: []string{"./testdata/unknown"}, red: []string{`no catalogue holds "S-81"`}},
		{name: "a goroutine left behind", args: []string{"./testdata/leaking"}, red: []string{"unexpected goroutines"}},
		{name: "a file outside of the build", args: []string{"./testdata/tagged"}},
		{name: "a file that a tag brings in", args: []string{"-tags", "extra", "./testdata/tagged"}, red: []string{
			"extra_test.go:11: A-01",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command("go", append([]string{"test"}, c.args...)...)
			cmd.Env = append(os.Environ(), "SCIM_TEST_POSTGRES="+c.postgres)
			out, err := cmd.CombinedOutput()
			if len(c.red) == 0 {
				require.NoError(t, err, "%s", out)
				return
			}
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit, "%s", out)
			for _, say := range c.red {
				require.Contains(t, string(out), say)
			}
		})
	}
}

func TestCases(t *testing.T) {
	t.Parallel()
	cases, err := claim.Cases()
	require.NoError(t, err)
	count, byID := map[claim.Source]int{}, map[string]claim.Case{}
	for _, c := range cases {
		count[c.Source]++
		require.NotContains(t, byID, c.ID)
		byID[c.ID] = c
	}
	require.Equal(t, map[claim.Source]int{claim.Checklist: 463, claim.Threat: 225, claim.Provider: 151, claim.Product: 80}, count)
	require.Equal(t, claim.Case{ID: "threat:S-20", Source: claim.Threat, Group: "S2x"}, byID["threat:S-20"])
	require.Equal(t, claim.Case{ID: "A-12", Source: claim.Threat, Group: "A", Priority: 2}, byID["A-12"])
	require.Equal(t, claim.Case{ID: "S-20", Source: claim.Product}, byID["S-20"])
	require.Equal(t, "H", byID["7644-3.4.2.2-05"].Group)
}

func TestScan(t *testing.T) {
	t.Parallel()
	tests, err := claim.Scan(filepath.Join("testdata", "good"))
	require.NoError(t, err)
	require.True(t, tests.Main)
	require.False(t, tests.Skips)
	var ids []string
	for _, c := range tests.Claims {
		ids = append(ids, c.ID)
	}
	require.Equal(t, []string{"7644-3.4.2.2-05", "F-07", "ENTRA-34", "threat:S-01", "S-01", "S-80"}, ids)

	tests, err = claim.Scan(filepath.Join("testdata", "skipping"))
	require.NoError(t, err)
	require.True(t, tests.Skips)

	_, err = claim.Scan(filepath.Join("testdata", "nowhere"))
	require.Error(t, err)
}
