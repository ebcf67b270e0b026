// Package storetest holds a host's own store.Store to the contracts of package store:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, storetest.Harness{
//			Open: func(t *testing.T) store.Store { return openAccounts(t) },
//		})
//	}
//
// [Run] tests all that the store says it can do and nothing else: what it does not have, by its methods or by the [Harness], is
// skipped, and go test -v says "short of" and what. A store that passes can be given to scim.New.
//
// [FaultStore] and [StaleStore] wrap any store: with calls that fail, and with reads that lag behind. They are for the tests of whoever
// calls a store.
//
// Limits: the suite knows users and groups of the core schemas and writes a few thousand resources. It uses package testing and
// nothing beyond what package store itself depends on. Speed is not tested, cost is, as a number of SQL statements. What reaches all
// tenants (ForgetTokens, ExpireJournal, ForgetTombstones) is called with times before 1973.
package storetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/scimkit/scim/store"
)

// Harness opens a store for Run and declares what the store cannot do. Without declarations, it keeps users and groups, as whole
// documents.
type Harness struct {
	// Open returns a store that holds nothing, or one in whose fresh scopes nobody else writes; required. It is called once per
	// test and may return the same store every time: tests run in parallel, each in scopes of its own. What it opens it closes,
	// through t.Cleanup.
	Open func(t *testing.T) store.Store

	// Types are the names of the resource types that the store keeps, of "User" and "Group"; nil: both. Groups need a
	// store.MemberLister.
	Types []string

	// Attributes are the canonical paths of the attributes that the store keeps, for all types: "userName", "active",
	// "name.givenName", "emails"; nil: whole documents, schema extensions included. Others are sent too, and may be lost. Of a
	// multi-valued attribute with only a sub-attribute listed, as in "emails.value", the store keeps one value. Users need "userName",
	// groups "displayName". With Attributes, no other attributes are unique.
	Attributes []string

	// OwnIDs says that the store mints its own ids and ignores Draft.ID.
	OwnIDs bool

	// Scope returns a scope that no call has returned before: for stores whose tenants or connections must exist beforehand. It must
	// be safe for concurrent use. nil: random names.
	Scope func() store.Scope

	// Statements returns how many SQL statements the stores that Open returned have run so far; nil: cost is not tested.
	// The tests of cost run alone, before the others.
	Statements func() int64
}

// Run tests the store that h opens. Its subtests run in parallel, so the stores must be safe for that: the contract asks for it.
func Run(t *testing.T, h Harness) {
	t.Helper()
	k := h.check(t)
	for _, g := range contract {
		t.Run(g.name, func(t *testing.T) {
			for _, c := range g.tests {
				t.Run(c.name, func(t *testing.T) { k.run(t, c) })
			}
		})
	}
}

// group is the tests of one part of the contract.
type group struct {
	name  string
	tests []test
}

var contract = []group{
	{"Cost", costTests}, // alone, and therefore first
	{"Resources", resourceTests},
	{"Versions", versionTests},
	{"Uniqueness", uniquenessTests},
	{"Lists", listTests},
	{"Filters", filterTests},
	{"Values", valueTests},
	{"Sharing", sharingTests},
	{"Scopes", scopeTests},
	{"Members", memberTests},
	{"Deletion", deletionTests},
	{"Transactions", transactionTests},
	{"Concurrency", concurrencyTests},
	{"Connections", connectionTests},
	{"Tokens", tokenTests},
	{"Journal", journalTests},
	{"Standing", standingTests},
	{"Purge", purgeTests},
}

// test is one property of stores. It runs for each type that the store keeps, if eachType is set, and otherwise once.
type test struct {
	name     string
	needs    need
	eachType bool
	f        func(r *rig)
}

// need is what a test needs of a store, beyond the contract of Store.
type need uint16

const (
	users          need = 1 << iota
	groups              // with members
	memberGroups        // store.GroupLister
	transactions        // store.Transactor
	connections         // store.ConnectionStore
	journals            // store.JournalStore
	purging             // store.Purger
	wholeDocuments      // Harness.Attributes is nil
	mintedOutside       // Harness.OwnIDs is not set
	statements          // Harness.Statements
	standings           // store.MemberStore
)

// shortOf says what a store without a need lacks.
var shortOf = []struct {
	need need
	text string
}{
	{users, "users: Harness.Types does not list them"},
	{groups, "groups: Harness.Types does not list them"},
	{memberGroups, "groups of members: the store is no store.GroupLister, or declines"},
	{transactions, "transactions: the store is no store.Transactor, or declines"},
	{connections, "connections: the store is no store.ConnectionStore, or declines"},
	{journals, "journals: the store is no store.JournalStore, or declines"},
	{purging, "purging: the store is no store.Purger, or declines"},
	{standings, "what is known of members: the store is no store.MemberStore, or declines"},
	{wholeDocuments, "whole documents: Harness.Attributes lists what the store keeps"},
	{mintedOutside, "ids of the caller's: Harness.OwnIDs is set"},
	{statements, "counted statements: Harness.Statements is nil"},
}

// kit is a checked Harness with what its stores can do.
type kit struct {
	Harness
	has  need
	keep map[string]bool // by canonical path; nil: everything
}

// check probes a store as the handler does, and reports a harness that cannot be right.
func (h Harness) check(t *testing.T) *kit {
	t.Helper()
	if h.Open == nil {
		t.Fatal("storetest: Harness.Open is nil")
	}
	if h.Types == nil {
		h.Types = []string{"User", "Group"}
	}
	if h.Scope == nil {
		h.Scope = randomScope
	}
	k := &kit{Harness: h}
	for _, typ := range h.Types {
		if typ != "User" && typ != "Group" {
			t.Fatalf("storetest: Harness.Types holds %q: the suite knows User and Group", typ)
		}
	}
	k.checkAttributes(t)
	k.probe(t)
	if slices.Contains(h.Types, "Group") && k.has&groups == 0 {
		t.Fatal("storetest: the store is no store.MemberLister, or declines, and groups need one: set Harness.Types to User")
	}
	return k
}

func (k *kit) checkAttributes(t *testing.T) {
	t.Helper()
	if k.Attributes == nil {
		return
	}
	k.keep = map[string]bool{}
	for _, path := range k.Attributes {
		k.keep[path] = true
		known := slices.ContainsFunc(k.Types, func(typ string) bool {
			target, err := typeNamed(typ).ResolvePath(path, nil)
			return err == nil && target.Leaf().Path == path
		})
		if !known {
			t.Fatalf("storetest: Harness.Attributes holds %q, which is no canonical path of an attribute of %v", path, k.Types)
		}
	}
	for _, typ := range k.Types {
		if name := nameOf(typ); !k.keep[name] {
			t.Fatalf("storetest: Harness.Attributes lacks %q, which the type %s needs", name, typ)
		}
	}
}

// probe finds out which optional interfaces the store has and does not decline.
func (k *kit) probe(t *testing.T) {
	t.Helper()
	s := k.Open(t)
	ctx, nobody := t.Context(), k.Scope()
	set := func(n need, on bool) {
		if on {
			k.has |= n
		}
	}
	accepts := func(err error) bool { return !errors.Is(err, errors.ErrUnsupported) }
	set(users, slices.Contains(k.Types, "User"))
	set(wholeDocuments, k.Attributes == nil)
	set(mintedOutside, !k.OwnIDs)
	set(statements, k.Statements != nil)
	if x, ok := s.(store.Transactor); ok {
		set(transactions, accepts(x.InTx(ctx, func(context.Context) error { return nil })))
	}
	if x, ok := s.(store.MemberLister); ok && slices.Contains(k.Types, "Group") {
		_, err := x.Members(ctx, nobody, store.MemberQuery{Groups: []string{"probe"}, Limit: 1})
		set(groups, accepts(err))
	}
	if x, ok := s.(store.GroupLister); ok && k.has&groups != 0 {
		_, err := x.Groups(ctx, nobody, []string{"probe"})
		set(memberGroups, accepts(err))
	}
	if x, ok := s.(store.ConnectionStore); ok {
		_, err := x.Connections(ctx, nobody.Tenant)
		set(connections, accepts(err))
	}
	if x, ok := s.(store.JournalStore); ok {
		_, err := x.Journal(ctx, nobody.Connection, store.JournalQuery{Limit: 1})
		set(journals, accepts(err))
	}
	if x, ok := s.(store.MemberStore); ok {
		_, err := x.AttributeMapping(ctx, nobody)
		set(standings, accepts(err))
	}
	if x, ok := s.(store.Purger); ok {
		_, err := x.Purge(ctx, nobody, 1)
		set(purging, accepts(err))
	}
}

// run runs one test, or says what the store is short of.
func (k *kit) run(t *testing.T, c test) {
	t.Helper()
	var missing []string
	for _, s := range shortOf {
		if c.needs&s.need&^k.has != 0 {
			missing = append(missing, s.text)
		}
	}
	if len(missing) > 0 {
		t.Skip("short of " + strings.Join(missing, "; short of "))
	}
	run := func(t *testing.T, typ string) {
		t.Helper()
		if c.needs&statements == 0 {
			t.Parallel()
		}
		c.f(k.rig(t, typ))
	}
	if !c.eachType {
		run(t, k.Types[0])
		return
	}
	for _, typ := range k.Types {
		t.Run(typ, func(t *testing.T) { run(t, typ) })
	}
}
