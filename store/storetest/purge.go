package storetest

import (
	"context"
	"fmt"

	"github.com/scimkit/scim/store"
)

var purgeTests = []test{
	{"removes everything of a scope", purging, true, testPurge},
	{"removes groups and their members", purging | users | groups, false, testPurgeGroups},
	{"in rounds", purging, true, testPurgeRounds},
	{"of nothing", purging, true, testPurgeNothing},
	{"of other scopes removes nothing", purging, true, testPurgeScopes},
	{"by many at once", purging, true, testParallelPurge},
}

// purge removes a scope's resources, round by round.
func (r *rig) purge(ctx context.Context, scope store.Scope, limit int) {
	r.Helper()
	for range 1000 {
		more, err := r.purger.Purge(ctx, scope, limit)
		r.ok(err, "Purge of %d", limit)
		if !more {
			return
		}
	}
	r.Fatalf("Purge of %d at a time says after 1000 rounds that there may be more", limit)
}

// purged ends the test if anything of a directory is found by any way.
func (r *rig) purged(ctx context.Context, list []store.Resource) {
	r.Helper()
	var ids []string
	for _, x := range list {
		ids = append(ids, x.ID)
		_, err := r.Get(ctx, r.scope, x.Ref)
		r.fails(err, store.ErrNotFound, "Get of %v after a Purge", x.Ref)
	}
	for _, typ := range r.Types {
		texts := []string{"", nameOf(typ) + " pr", nameOf(typ) + ` eq "name 1"`}
		if typ == "User" && r.keep == nil {
			texts = append(texts, `emails.value eq "name 1@example.test"`)
		}
		for _, text := range texts {
			query := store.Query{Type: typ, Start: 1, Count: everything}
			if text != "" {
				query.Filter = r.filter(typ, text)
			}
			found, total := r.list(ctx, r.scope, query)
			equal(r, "the number of resources after a Purge, filter "+text, len(found), 0)
			equal(r, "the total after a Purge, filter "+text, total, 0)
		}
	}
	if r.lister != nil {
		equal(r, "the number of memberships after a Purge", len(r.memberships(ctx, r.scope, 100, ids...)), 0)
	}
	if r.grouper != nil {
		found, err := r.grouper.Groups(ctx, r.scope, ids)
		r.ok(err, "Groups")
		equal(r, "the number of members with groups after a Purge", len(found), 0)
	}
}

// testPurge checks that nothing is found of what was there, that its unique values are free, and that the scope can be filled again.
func testPurge(r *rig) {
	for _, limit := range []int{1, 3, 1000, 0} {
		list := r.fill(r.typ, 7, nil)
		if r.keep == nil {
			draft := r.draft(r.typ, rich(r.typ, "ann"))
			draft.Unique = append(draft.Unique, store.Key{Path: "badge", Value: "1"})
			applied, err := r.Create(r.Context(), r.scope, draft)
			r.ok(err, "Create with a unique value that was purged")
			list = append(list, applied.Resource)
		}
		r.update(list[2].Ref, r.change(list[2], rich(r.typ, "changed")))
		r.remove(list[3].Ref)
		r.purge(r.Context(), r.scope, limit)
		r.purged(r.Context(), list)
		_, err := r.Update(r.Context(), r.scope, list[0].Ref, r.change(list[0], rich(r.typ, "ghost")), r.write())
		r.fails(err, store.ErrNotFound, "Update after a Purge")
		_, err = r.Delete(r.Context(), r.scope, list[0].Ref, r.write())
		r.fails(err, store.ErrNotFound, "Delete after a Purge")
	}
	again := r.fill(r.typ, 7, nil)
	equal(r, "the number of resources in a scope that was filled again", len(r.all(r.typ)), len(again))
}

// testPurgeGroups purges groups with users, with each other and with themselves.
func testPurgeGroups(r *rig) {
	for _, limit := range []int{1, 4, 1000} {
		people := r.people(5)
		all, some := r.group("all", people...), r.group("some", people[:2]...)
		empty := r.group("empty")
		r.update(all.Ref, adding(some.ID, all.ID))
		r.update(some.Ref, adding(all.ID))
		list := []store.Resource{all, some, empty}
		for _, id := range people {
			list = append(list, r.get(store.Ref{Type: "User", ID: id}))
		}
		r.purge(r.Context(), r.scope, limit)
		r.purged(r.Context(), list)
		_, err := r.Create(r.Context(), r.scope, r.draft("Group", named("Group", "ghosts"), people[0], all.ID))
		r.unknown(err, []string{people[0], all.ID}, "Create with members that were purged")
	}
}

// testPurgeRounds checks that every round removes a resource, and that none says too early that nothing is left.
func testPurgeRounds(r *rig) {
	const size = 9
	list := r.fill(r.typ, size, nil)
	left := func() (n int) {
		r.Helper()
		for _, x := range list {
			if _, err := r.Get(r.Context(), r.scope, x.Ref); err == nil {
				n++
			}
		}
		return n
	}
	for before := size; before > 0; {
		more, err := r.purger.Purge(r.Context(), r.scope, 2)
		r.ok(err, "Purge")
		now := left()
		if now >= before {
			r.Fatalf("Purge of 2: %d resources are left, and there were %d before", now, before)
		}
		if now > 0 {
			equal(r, "whether there may be more while there is", more, true)
		}
		before = now
	}
	r.purge(r.Context(), r.scope, 2) // what belonged to them may take a few rounds more
	r.purged(r.Context(), list)
}

// testPurgeNothing checks that a Purge may come again, and that a scope that nobody wrote to has one too.
func testPurgeNothing(r *rig) {
	for range 2 {
		r.purge(r.Context(), r.scope, 10)
	}
	ann := r.create(r.typ, named(r.typ, "ann"))
	r.remove(ann.Ref)
	for range 3 {
		r.purge(r.Context(), r.scope, 1)
		r.purged(r.Context(), []store.Resource{ann})
	}
}

// testPurgeScopes checks that a Purge reaches no other scope, not even one that shares a half.
func testPurgeScopes(r *rig) {
	here := r.fill(r.typ, 3, nil)
	var others []*rig
	var before []string
	foreign := r.Scope()
	for _, scope := range []store.Scope{
		{Connection: r.scope.Connection, Tenant: foreign.Tenant}, {Connection: foreign.Connection, Tenant: r.scope.Tenant}, foreign,
	} {
		if scope == r.scope {
			continue
		}
		other := *r
		other.scope = scope
		list := other.fill(r.typ, 3, nil)
		if r.typ == "Group" {
			other.update(list[0].Ref, adding(list[0].ID, list[2].ID))
		}
		others = append(others, &other)
		before = append(before, other.snapshot(r.Context(), scope))
	}
	r.purge(r.Context(), r.scope, 2)
	r.purged(r.Context(), here)
	for i, other := range others {
		equal(r, "another scope after a Purge", other.snapshot(r.Context(), other.scope), before[i])
	}
}

// testParallelPurge checks that whoever is told that nothing is left can rely on it.
func testParallelPurge(r *rig) {
	list := r.fill(r.typ, 40, nil)
	r.allWin("Purge", together(func(int) error {
		for more := true; more; {
			var err error
			if more, err = r.purger.Purge(r.Context(), r.scope, 3); err != nil {
				return err
			}
		}
		page, err := r.List(r.Context(), r.scope, store.Query{Type: r.typ, Start: 1})
		if err == nil && page.Total > 0 {
			err = fmt.Errorf("%d resources are left", page.Total)
		}
		return err
	}))
	r.purged(r.Context(), list)
}

// testPurgeInTx checks that a Purge is part of the transaction.
func testPurgeInTx(r *rig) {
	list := r.fill(r.typ, 5, nil)
	if r.has&groups != 0 {
		list = append(list, r.group("all", list[0].ID, list[1].ID))
	}
	purge := func(outcome error) {
		r.Helper()
		r.inTx(outcome, func(ctx context.Context) error {
			_, err := r.Get(ctx, r.scope, list[0].Ref)
			r.ok(err, "Get before a Purge in a transaction")
			r.purge(ctx, r.scope, 2)
			r.purged(ctx, list)
			_, err = r.Create(ctx, r.scope, r.draft(r.typ, rich(r.typ, "name 1")))
			r.ok(err, "Create after a Purge in a transaction")
			return outcome
		})
	}
	for range 2 {
		r.unchanged("a transaction with a Purge that fails", func() { purge(errFailed) })
	}
	purge(nil)
	equal(r, "the number of resources after the transaction", len(r.all(r.typ)), 1)
}
