package claim

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// Source names the catalogue that an id comes from.
type Source string

// The catalogues. Their ids never overlap: where two catalogues use the same one, Threat's carries the prefix "threat:".
const (
	Checklist Source = "checklist" // testdata/rfc-checklist.json: requirements of the RFCs, "7644-3.4.2.2-05"
	Threat    Source = "threat"    // testdata/threats.json: attacks and faults, "F-07"; those of letter S are "threat:S-01"
	Provider  Source = "provider"  // testdata/idp-catalogue.json: what identity providers send, "ENTRA-34"
	Product   Source = "product"   // what the library does for its host, "S-01" to "S-80"
)

// productIDs is the number of product requirements; they are numbered without gaps.
const productIDs = 80

// Case is one thing that a test can claim to show.
type Case struct {
	ID       string
	Source   Source
	Group    string // Checklist: "A" to "AA"; Threat: the letters of the id, "S2x" for faults of a store; else ""
	Priority int    // Threat: 0 blocks a release, 1 blocks version 1.0, 2 is nightly; else 0
	Database bool   // Threat: can only be shown on SQLite and PostgreSQL
}

// Cases returns every case, catalogue by catalogue. The error is a catalogue that cannot be read, which includes a test that does
// not run in the directory of its package.
func Cases() ([]Case, error) { return cases() }

var cases = sync.OnceValues(load)

// start is the directory of the package under test; it is read before a test can change it.
var start, errStart = os.Getwd()

// Root returns the directory that holds the go.mod of the module under test.
func Root() (string, error) {
	if errStart != nil {
		return "", errStart
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no go.mod in or above %s", start)
		}
	}
}

func load() ([]Case, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	var checklist []struct{ ID, Group string }
	var threats []struct {
		ID, Group string
		Priority  int
		Database  bool
	}
	var providers []string
	for name, into := range map[string]any{
		"rfc-checklist.json": &checklist,
		"threats.json":       &threats,
		"idp-catalogue.json": &providers,
	} {
		data, err := os.ReadFile(filepath.Join(root, "testdata", name))
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(data, into); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}

	var all []Case
	for _, c := range checklist {
		all = append(all, Case{ID: c.ID, Source: Checklist, Group: c.Group})
	}
	for _, c := range threats {
		id := c.ID
		if id[:2] == "S-" {
			id = "threat:" + id
		}
		all = append(all, Case{ID: id, Source: Threat, Group: c.Group, Priority: c.Priority, Database: c.Database})
	}
	for _, id := range providers {
		all = append(all, Case{ID: id, Source: Provider})
	}
	for n := range productIDs {
		all = append(all, Case{ID: fmt.Sprintf("S-%02d", n+1), Source: Product})
	}
	return all, nil
}

// index maps the id of every case to nothing but its presence, and refuses an id that two cases share.
var index = sync.OnceValues(func() (map[string]struct{}, error) {
	all, err := Cases()
	if err != nil {
		return nil, err
	}
	known := make(map[string]struct{}, len(all))
	for _, c := range all {
		if _, twice := known[c.ID]; twice {
			return nil, fmt.Errorf("two cases have the id %s", c.ID)
		}
		known[c.ID] = struct{}{}
	}
	return known, nil
})
