// Package claim ties tests to what they show: requirements of the SCIM RFCs, attacks and faults, quirks of identity providers and
// requirements of the product.
//
// A test calls [Covers] right after the assertion that would fail without the behaviour. Each test package declares
//
//	var covers = claim.Covers
//
//	func TestMain(m *testing.M) { claim.Main(m) }
//
// and [Main] turns the package red when one of its claims stands where no test reaches it. requirements_test.go in the root of the
// module sums the claims of all packages up.
//
// Limits: only test files may import it, only tests inside this module work with it (the catalogues are in testdata beside
// go.mod), and it does not see what an assertion asserts.
package claim

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

// site is where covers was called.
type site struct {
	file string // base name
	line int
}

var ran = struct {
	sync.Mutex
	sites map[string]map[site]struct{} // by claimed id
}{sites: map[string]map[site]struct{}{}}

// Covers claims that the test has just shown the cases with the given ids; see [Source] for how ids are written. An id that no
// catalogue holds fails the test. A test may claim an id many times, and several tests may claim the same.
func Covers(t testing.TB, ids ...string) {
	t.Helper()
	known, err := index()
	if err != nil {
		t.Errorf("claim: %v", err)
		return
	}
	_, file, line, _ := runtime.Caller(1)
	for _, id := range ids {
		if _, ok := known[id]; !ok {
			t.Errorf("claim: no catalogue holds %q", id)
			continue
		}
		record(id, site{filepath.Base(file), line})
	}
}

func record(id string, at site) {
	ran.Lock()
	defer ran.Unlock()
	if ran.sites[id] == nil {
		ran.sites[id] = map[site]struct{}{}
	}
	ran.sites[id][at] = struct{}{}
}

// Main runs the tests of a package and exits. Beyond what the tests themselves say, it fails the package if
//
//   - a goroutine that a test started still runs,
//   - a claim that stands in the package's test files never ran, or
//   - a claim ran whose literal stands neither in a call of covers nor in a field called covers (see [Scan]).
//
// Claims are only checked when the tests passed and all of them ran: not with -run, -skip, -short, -list, -fuzz or -count=0.
// Tests that skip for want of a database are no failure: without SCIM_TEST_POSTGRES in the environment, a package with a test
// that can skip is excused from claims that never ran.
func Main(m *testing.M) {
	code := m.Run()
	for _, f := range afterwards {
		f()
	}
	if code == 0 {
		if problems := check(); len(problems) > 0 {
			fmt.Fprintln(os.Stderr, "claim: "+strings.Join(problems, "\nclaim: "))
			code = 1
		}
	}
	os.Exit(code)
}

var (
	afterwardsMu sync.Mutex
	afterwards   []func()
)

// Afterwards has Main call f when all tests are done: for what tests share, and goleak must not find.
func Afterwards(f func()) {
	afterwardsMu.Lock()
	defer afterwardsMu.Unlock()
	afterwards = append(afterwards, f)
}

func check() []string {
	if set("test.fuzz") || set("test.fuzzworker") || set("test.list") {
		return nil
	}
	var problems []string
	if err := goleak.Find(); err != nil {
		problems = append(problems, err.Error())
	}
	if set("test.run") || set("test.skip") || set("test.short") || flagValue("test.count") == "0" {
		return problems
	}
	tests, err := Scan(start)
	if err != nil {
		return append(problems, err.Error())
	}
	excused := tests.Skips && os.Getenv("SCIM_TEST_POSTGRES") == ""
	return append(problems, compare(tests.Claims, excused)...)
}

// compare holds the claims that stand in the files against those that ran.
func compare(claims []Standing, excused bool) []string {
	ran.Lock()
	defer ran.Unlock()

	var problems []string
	for _, c := range claims {
		if !excused && !reached(c, claims) {
			problems = append(problems, c.String()+" is claimed here, but the tests never come by")
		}
	}
	for id, sites := range ran.sites {
		for at := range sites {
			inTable := func(c Standing) bool { return c.ID == id && c.call == span{} }
			if !inCall(id, at, claims) && !slices.ContainsFunc(claims, inTable) {
				problems = append(problems, fmt.Sprintf("%s:%d: %s is claimed here, but stands neither as a literal in the call "+
					"nor in a field called covers", at.file, at.line, id))
			}
		}
	}
	slices.Sort(problems)
	return problems
}

// reached reports whether a claim ran: at its own call or, for a literal in a table, at one that does not name the id itself.
func reached(c Standing, claims []Standing) bool {
	for at := range ran.sites[c.ID] {
		if c.call != (span{}) {
			if at.file == c.File && c.call.holds(at.line) {
				return true
			}
		} else if !inCall(c.ID, at, claims) {
			return true
		}
	}
	return false
}

// inCall reports whether a claim that ran at a place stands there as a literal.
func inCall(id string, at site, claims []Standing) bool {
	return slices.ContainsFunc(claims, func(c Standing) bool {
		return c.ID == id && c.File == at.file && c.call.holds(at.line)
	})
}

// set reports whether a flag of the test binary differs from its default.
func set(name string) bool {
	f := flag.Lookup(name)
	return f != nil && f.Value.String() != f.DefValue
}

func flagValue(name string) string {
	if f := flag.Lookup(name); f != nil {
		return f.Value.String()
	}
	return ""
}
