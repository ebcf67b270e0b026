package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/scimkit/scim/patch"
	"github.com/scimkit/scim/store"
)

var transactionTests = []test{
	{"commit", transactions, true, testCommit},
	{"roll back on an error", transactions, true, testRollback},
	{"roll back on a panic", transactions, true, testPanic},
	{"roll back memberships", transactions | users | groups, false, testRollbackMembers},
	{"read their own writes", transactions | users | groups, false, testOwnWrites},
	{"nest", transactions, true, testNesting},
	{"go on after a failed call", transactions | users, false, testFailedCalls},
	{"go on after unknown members", transactions | users | groups, false, testFailedMembers},
	{"that are canceled", transactions, true, testCanceled},
	{"hide what is not committed", transactions, true, testHidden},
	{"run hooks after the commit", transactions, true, testHooks},
	{"with connections", transactions | connections, false, testLinkTransactions},
	{"go on after refused changes of connections", transactions | connections, false, testRefusalsInTx},
	{"with a purge", transactions | purging, false, testPurgeInTx},
	{"with what is known of members", transactions | standings, false, testStandingInTx},
}

var errFailed = errors.New("storetest: the transaction fails")

// changes writes in every way: it creates a resource, changes one and deletes one.
func (r *rig) changes(ctx context.Context, change, remove store.Resource) (created store.Resource) {
	r.Helper()
	applied, err := r.Create(ctx, r.scope, r.draft(r.typ, rich(r.typ, "created")))
	r.ok(err, "Create in a transaction")
	_, err = r.Update(ctx, r.scope, change.Ref, r.change(change, rich(r.typ, "changed")), r.write())
	r.ok(err, "Update in a transaction")
	_, err = r.Delete(ctx, r.scope, remove.Ref, r.write())
	r.ok(err, "Delete in a transaction")
	return applied.Resource
}

func testCommit(r *rig) {
	ann, bea := r.create(r.typ, named(r.typ, "ann")), r.create(r.typ, named(r.typ, "bea"))
	var created store.Resource
	r.inTx(nil, func(ctx context.Context) error {
		created = r.changes(ctx, ann, bea)
		return nil
	})
	equal(r, "what a transaction created", r.describe(r.get(created.Ref)), r.describe(created))
	equal(r, "the version of what a transaction changed", r.get(ann.Ref).Version, 2)
	r.gone(bea.Ref, "what a transaction deleted")
}

func testRollback(r *rig) {
	ann, bea := r.create(r.typ, named(r.typ, "ann")), r.create(r.typ, named(r.typ, "bea"))
	r.unchanged("a transaction that fails, twice", func() {
		for range 2 {
			var created store.Resource
			r.inTx(errFailed, func(ctx context.Context) error {
				created = r.changes(ctx, ann, bea)
				return fmt.Errorf("wrapped: %w", errFailed)
			})
			r.gone(created.Ref, "what a failed transaction created")
		}
	})
	// Unique values are as they were, too.
	for _, name := range []string{"created", "changed"} {
		r.create(r.typ, named(r.typ, name))
	}
	if r.typ == "User" {
		for _, name := range []string{"ann", "bea"} {
			_, err := r.Create(r.Context(), r.scope, r.draft("User", named("User", name)))
			r.conflicts(err, "userName", "Create with a userName that a failed transaction wanted to free")
		}
	}
}

func testPanic(r *rig) {
	ann, bea := r.create(r.typ, named(r.typ, "ann")), r.create(r.typ, named(r.typ, "bea"))
	r.unchanged("a transaction that panics", func() {
		defer func() {
			r.Helper()
			if p := recover(); p != "half-way" {
				r.Fatalf("a panic in a transaction arrives as %v", p)
			}
		}()
		err := r.tx.InTx(r.Context(), func(ctx context.Context) error {
			r.changes(ctx, ann, bea)
			panic("half-way")
		})
		r.Fatalf("a transaction that panics returns %v", err)
	})
	r.inTx(nil, func(ctx context.Context) error {
		r.changes(ctx, ann, bea)
		return nil
	})
}

func testRollbackMembers(r *rig) {
	people := r.people(4)
	a, b, c := r.group("a", people[0], people[1]), r.group("b", people[1]), r.group("c", people...)
	r.update(a.Ref, adding(b.ID, a.ID))
	r.unchanged("a transaction that fails", func() {
		r.inTx(errFailed, func(ctx context.Context) error {
			for _, change := range []patch.Delta{{Add: people[2:]}, patchRemove(people[0]), {Clear: true, Add: people[3:]}} {
				_, err := r.Update(ctx, r.scope, a.Ref, delta(change), r.write())
				r.ok(err, "Update in a transaction")
			}
			for _, ref := range []store.Ref{{Type: "User", ID: people[1]}, c.Ref, {Type: "User", ID: people[3]}} {
				_, err := r.Delete(ctx, r.scope, ref, r.write())
				r.ok(err, "Delete in a transaction")
			}
			_, err := r.Create(ctx, r.scope, r.draft("Group", named("Group", "new"), people[0], b.ID))
			r.ok(err, "Create in a transaction")
			return errFailed
		})
	})
}

// testOwnWrites checks that every read in a transaction sees what the transaction wrote.
func testOwnWrites(r *rig) {
	people := r.people(2)
	group := r.group("ops", people[0])
	r.inTx(nil, func(ctx context.Context) error {
		applied, err := r.Create(ctx, r.scope, r.draft("User", named("User", "new")))
		r.ok(err, "Create in a transaction")
		id := applied.Resource.ID
		_, err = r.Update(ctx, r.scope, group.Ref, adding(id), r.write())
		r.ok(err, "Update in a transaction that adds whom it created")
		_, err = r.Delete(ctx, r.scope, store.Ref{Type: "User", ID: people[0]}, r.write())
		r.ok(err, "Delete in a transaction")

		got, err := r.Get(ctx, r.scope, group.Ref)
		r.ok(err, "Get in a transaction")
		equal(r, "the version of the group in the transaction", got.Version, 3)
		_, err = r.Get(ctx, r.scope, store.Ref{Type: "User", ID: people[0]})
		r.fails(err, store.ErrNotFound, "Get in a transaction of whom it deleted")
		ids, total := r.list(ctx, r.scope, store.Query{Type: "User", Start: 1, Count: 10})
		same(r, "the users in the transaction", sorted(ids), sorted([]string{people[1], id}))
		equal(r, "the total in the transaction", total, 2)
		ids, _ = r.list(ctx, r.scope, store.Query{Type: "User", Start: 1, Count: 10, Filter: r.filter("User", `userName eq "new"`)})
		same(r, "the users with the new name in the transaction", ids, []string{id})
		same(r, "the members in the transaction", memberIDs(r.memberships(ctx, r.scope, 1, group.ID)), []string{id})
		if r.grouper != nil {
			found, err := r.grouper.Groups(ctx, r.scope, []string{id, people[0]})
			r.ok(err, "Groups in a transaction")
			equal(r, "the number of groups of the new member in the transaction", len(found[id]), 1)
			equal(r, "the number of groups of whom the transaction deleted", len(found[people[0]]), 0)
		}
		return nil
	})
	equal(r, "the number of members afterwards", len(r.members(group.ID)), 1)
}

// testNesting checks that a transaction in a transaction is part of it.
func testNesting(r *rig) {
	ann := r.create(r.typ, named(r.typ, "ann"))
	nested := func(outcome error) (inner, outer store.Ref) {
		drafts := []store.Draft{r.draft(r.typ, named(r.typ, "inner")), r.draft(r.typ, named(r.typ, "outer"))}
		r.inTx(outcome, func(ctx context.Context) error {
			applied, err := r.Create(ctx, r.scope, drafts[1])
			r.ok(err, "Create in the outer transaction")
			outer = applied.Resource.Ref
			err = r.tx.InTx(ctx, func(ctx context.Context) error {
				_, err := r.Get(ctx, r.scope, outer)
				r.ok(err, "Get in the inner transaction of what the outer one created")
				applied, err = r.Create(ctx, r.scope, drafts[0])
				r.ok(err, "Create in the inner transaction")
				inner = applied.Resource.Ref
				return nil
			})
			r.ok(err, "the inner transaction")
			_, err = r.Get(ctx, r.scope, inner)
			r.ok(err, "Get in the outer transaction of what the inner one created")
			return outcome
		})
		return inner, outer
	}
	r.unchanged("an outer transaction that fails", func() { nested(errFailed) })
	r.unchanged("an inner transaction that fails, and the outer one with it", func() {
		r.inTx(errFailed, func(ctx context.Context) error {
			_, err := r.Update(ctx, r.scope, ann.Ref, r.change(ann, named(r.typ, "bea")), r.write())
			r.ok(err, "Update in the outer transaction")
			return r.tx.InTx(ctx, func(ctx context.Context) error {
				_, err := r.Delete(ctx, r.scope, ann.Ref, r.write())
				r.ok(err, "Delete in the inner transaction")
				return errFailed
			})
		})
	})
	inner, outer := nested(nil)
	r.get(inner)
	r.get(outer)
}

// testFailedCalls checks that a call that fails leaves nothing of itself, and that the transaction can go on.
func testFailedCalls(r *rig) {
	ann, bea := r.create("User", named("User", "ann")), r.create("User", named("User", "bea"))
	r.inTx(nil, func(ctx context.Context) error {
		_, err := r.Create(ctx, r.scope, r.draft("User", named("User", "ANN")))
		r.conflicts(err, "userName", "Create in a transaction")
		_, err = r.Create(ctx, r.scope, r.draft("User", named("User", "cleo")))
		r.ok(err, "Create after a failed one in a transaction")
		_, err = r.Update(ctx, r.scope, bea.Ref, r.change(bea, named("User", "Cleo")), r.write())
		r.conflicts(err, "userName", "Update in a transaction")
		_, err = r.Update(ctx, r.scope, bea.Ref, r.change(bea, named("User", "dora")), store.Write{At: r.now(), IfVersion: 9})
		r.fails(err, store.ErrVersion, "Update in a transaction with a wrong version")
		_, err = r.Get(ctx, r.scope, store.Ref{Type: "User", ID: newID()})
		r.fails(err, store.ErrNotFound, "Get in a transaction")
		_, err = r.Delete(ctx, r.scope, ann.Ref, store.Write{At: r.now(), IfVersion: 9})
		r.fails(err, store.ErrVersion, "Delete in a transaction with a wrong version")
		_, err = r.Update(ctx, r.scope, bea.Ref, r.change(bea, named("User", "eve")), store.Write{At: r.now(), IfVersion: 1})
		r.ok(err, "Update after failed ones in a transaction")
		return nil
	})
	equal(r, "a user whom failed calls were about", r.describe(r.get(ann.Ref)), r.describe(ann))
	equal(r, "the version of a user who was changed once", r.get(bea.Ref).Version, 2)
	equal(r, "the number of users", len(r.all("User")), 3)
	r.create("User", named("User", "dora"))
	_, err := r.Create(r.Context(), r.scope, r.draft("User", named("User", "cleo")))
	r.conflicts(err, "userName", "Create with the name of a user from the transaction")
}

// testFailedMembers does what the handler does where a connection's policy skips unknown members: it tries again without them, in the
// same transaction.
func testFailedMembers(r *rig) {
	people := r.people(3)
	group := r.group("ops", people[0])
	for range 2 {
		draft := r.draft("Group", named("Group", "dev"), people[0], "ghost", people[1])
		change := r.change(group, named("Group", "renamed"))
		change.Members = patch.Delta{Clear: true, Add: []string{people[2], "ghost", people[1]}}
		var created store.Resource
		r.inTx(nil, func(ctx context.Context) error {
			draft, change := draft, change // the transaction may run again
			_, err := r.Create(ctx, r.scope, draft)
			r.unknown(err, []string{"ghost"}, "Create in a transaction")
			draft.Members = people[:2]
			applied, err := r.Create(ctx, r.scope, draft)
			r.ok(err, "the second Create in a transaction")
			created = applied.Resource

			_, err = r.Update(ctx, r.scope, group.Ref, change, r.write())
			r.unknown(err, []string{"ghost"}, "Update in a transaction")
			got, err := r.Get(ctx, r.scope, group.Ref)
			r.ok(err, "Get after a failed Update in a transaction")
			equal(r, "the group after a failed Update in a transaction", r.describe(got), r.describe(group))
			change.Members.Add = []string{people[2], people[1]}
			applied, err = r.Update(ctx, r.scope, group.Ref, change, r.write())
			r.ok(err, "the second Update in a transaction")
			equal(r, "the version", applied.Resource.Version, group.Version+1)
			return nil
		})
		same(r, "the members of the new group", r.members(created.ID), people[:2])
		same(r, "the members of the old group", r.members(group.ID), people[1:])
		r.remove(created.Ref)
		group = r.update(group.Ref, delta(patch.Delta{Clear: true, Add: people[:1]})).Resource
		group = r.update(group.Ref, r.change(group, named("Group", "ops"))).Resource
	}
}

// testCanceled checks transactions whose request has ended: before they begin, nothing is stored; before they commit, all or nothing.
func testCanceled(r *rig) {
	ann, bea := r.create(r.typ, named(r.typ, "ann")), r.create(r.typ, named(r.typ, "bea"))
	r.unchanged("a transaction that is canceled before it begins", func() {
		ctx, cancel := context.WithCancel(r.Context())
		cancel()
		err := r.tx.InTx(ctx, func(ctx context.Context) error {
			_, err := r.Delete(ctx, r.scope, ann.Ref, r.write())
			return err
		})
		r.fails(err, context.Canceled, "a transaction that is canceled before it begins")
	})
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	var created store.Resource
	err := r.tx.InTx(ctx, func(ctx context.Context) error {
		if err := ctx.Err(); err != nil { // the transaction runs again
			return err
		}
		created = r.changes(ctx, ann, bea)
		cancel()
		return nil
	})
	_, createError := r.Get(r.Context(), r.scope, created.Ref)
	_, deleteError := r.Get(r.Context(), r.scope, bea.Ref)
	if err == nil {
		r.ok(createError, "Get of what a transaction created that was canceled and committed")
		r.fails(deleteError, store.ErrNotFound, "Get of what a transaction deleted that was canceled and committed")
		return
	}
	r.fails(createError, store.ErrNotFound, "Get of what a transaction created that ended with %v", err)
	r.ok(deleteError, "Get of what a transaction deleted that ended with %v", err)
}

// testHidden checks that others never see what is rolled back: they wait for the transaction, or see what was before.
func testHidden(r *rig) {
	ann, bea := r.create(r.typ, named(r.typ, "ann")), r.create(r.typ, named(r.typ, "bea"))
	before := r.snapshot(r.Context(), r.scope)
	started, done := make(chan struct{}), make(chan error, 1)
	read := func() error {
		close(started)
		for range 20 {
			page, err := r.List(r.Context(), r.scope, store.Query{Type: r.typ, Start: 1, Count: everything})
			if err != nil {
				return err
			}
			for _, x := range page.Resources {
				if x.Version != 1 || x.ID != ann.ID && x.ID != bea.ID {
					return fmt.Errorf("a resource with version %d that no transaction committed", x.Version)
				}
			}
			if page.Total != 2 || len(page.Resources) != 2 {
				return fmt.Errorf("%d resources and a total of %d, while 2 were committed", len(page.Resources), page.Total)
			}
		}
		return nil
	}
	var once sync.Once
	r.inTx(errFailed, func(ctx context.Context) error {
		created := r.changes(ctx, ann, bea)
		once.Do(func() { go func() { done <- read() }() })
		<-started
		_, err := r.Get(ctx, r.scope, created.Ref)
		r.ok(err, "Get in a transaction while others read")
		return errFailed
	})
	r.ok(<-done, "reading while a transaction writes")
	equal(r, "the directory", r.snapshot(r.Context(), r.scope), before)
}

// testHooks checks that store.AfterCommit runs when others can see the change, in order, and not at all without a commit.
func testHooks(r *rig) {
	ann := r.create(r.typ, named(r.typ, "ann"))
	var ran []string
	write := func(outcome error) {
		r.inTx(outcome, func(ctx context.Context) error {
			store.AfterCommit(ctx, func() { ran = append(ran, fmt.Sprint("first, version ", r.get(ann.Ref).Version)) })
			_, err := r.Update(ctx, r.scope, ann.Ref, r.change(ann, named(r.typ, "bea")), r.write())
			r.ok(err, "Update in a transaction")
			store.AfterCommit(ctx, func() { ran = append(ran, fmt.Sprint("second, version ", r.get(ann.Ref).Version)) })
			equal(r, "the number of hooks that ran in the transaction", len(ran), 0)
			return outcome
		})
	}
	write(errFailed)
	same(r, "the hooks that ran after a rollback", ran, nil)
	write(nil)
	same(r, "the hooks that ran after a commit", ran, []string{"first, version 2", "second, version 2"})
}

// testLinkTransactions changes connections and tokens in every way, and checks what a transaction sees of that, and what is left of it
// when it fails.
func testLinkTransactions(r *rig) {
	link, gone := r.link(), r.link()
	gone.Tenant = link.Tenant
	one, two, old, lost := r.token(link.ID), r.token(link.ID), r.token(link.ID), r.token(gone.ID)
	spare := r.token(link.ID)
	old.RevokedAt = longAgo.AddDate(1, 0, 0)
	r.add(link, one, old, spare)
	r.add(gone, lost)
	gone = r.end(gone, longAgo.Add(5*time.Hour))
	added := r.linkOf(link.Tenant)
	first := r.token(added.ID)
	before := r.state(r.Context(), link.Tenant)
	change, used := link, r.now()
	change.DisplayName, change.Status = "changed", store.StatusDisabled
	next := one
	next.Name, next.Slot = "changed", store.SlotNext
	var within string
	write := func(outcome error) {
		r.Helper()
		r.inTx(outcome, func(ctx context.Context) error {
			r.ok(r.links.CreateConnection(ctx, added, []store.Token{first}, 2), "CreateConnection in a transaction")
			r.ok(r.links.UpdateConnection(ctx, change, []store.Token{next, two}, 0), "UpdateConnection in a transaction")
			r.ok(r.links.UseTokens(ctx, map[string]time.Time{one.ID: used, spare.ID: used}), "UseTokens in a transaction")
			if outcome != nil { // once committed, it would take tokens of other tests along
				r.ok(r.links.ForgetTokens(ctx, old.RevokedAt.Add(time.Hour)), "ForgetTokens in a transaction")
				_, _, err := r.links.FindToken(ctx, old.ID, store.Digest{})
				r.fails(err, store.ErrNotFound, "FindToken in a transaction of a token that it forgot")
			}
			r.ok(r.links.Forget(ctx, gone.Scope()), "Forget in a transaction")
			r.foundIn(ctx, "a token of a connection from the transaction", first, added)
			own, _ := r.deleted(ctx, everything, gone)
			equal(r, "the number of deleted connections in a transaction that forgot one", len(own), 0)
			within = r.state(ctx, link.Tenant)
			return outcome
		})
	}
	for range 2 {
		write(errFailed)
		equal(r, "the connections after a rollback", r.state(r.Context(), link.Tenant), before)
		r.found("a token that a failed transaction forgot", old, link)
		r.nobody("a token of a failed transaction", "", first.Digest)
		own, _ := r.deleted(r.Context(), everything, gone)
		equal(r, "the number of deleted connections after a rollback", len(own), 1)
		again := r.linkOf(gone.Tenant)
		err := r.links.CreateConnection(r.Context(), again, []store.Token{lost}, 0)
		r.fails(err, store.ErrExists, "CreateConnection with a token that a failed transaction forgot")
	}
	write(nil)
	equal(r, "the connections after the commit", r.state(r.Context(), link.Tenant), within)
	change.Revision++
	r.sameLinks("the connections after the commit", link.Tenant, change, added)
	next.LastUsedAt, spare.LastUsedAt = used, used
	r.sameTokens("the tokens after the commit", []string{link.ID, added.ID}, next, old, spare, first, two)
	r.nobody("a token of a connection that the transaction forgot", "", lost.Digest)
}
