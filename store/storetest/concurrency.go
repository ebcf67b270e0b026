package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/scimkit/scim/patch"
	"github.com/scimkit/scim/store"
)

var concurrencyTests = []test{
	{"one of many writes of a version wins", 0, true, testOneVersion},
	{"one of many deletions wins", 0, true, testOneDeletion},
	{"one of many gets the name", users, false, testOneName},
	{"one of many takes the name", users, false, testOneRename},
	{"members are added at once", users | groups, false, testParallelAdds},
	{"members come and go at once", users | groups, false, testParallelDeltas},
	{"who is deleted joins no group", users | groups, false, testDeleteAgainstAdd},
	{"members of the same groups are deleted at once", users | groups, false, testParallelDeletes},
	{"nobody comes between read and write", transactions, true, testCounter},
	{"nobody comes between read and change of a connection", transactions | connections, false, testLinkCounter},
	{"transactions meet in two groups", transactions | users | groups, false, testCrossing},
	{"transactions are seen as a whole", transactions, true, testWholeTransactions},
}

// crowd is how many calls come at once.
const crowd = 24

// together calls f in many goroutines that start at once, and returns their errors.
func together(f func(n int) error) []error { return togetherOf(crowd, f) }

func togetherOf(many int, f func(n int) error) []error {
	errs := make([]error, many)
	var ready, done sync.WaitGroup
	ready.Add(many)
	for n := range errs {
		done.Go(func() {
			ready.Done()
			ready.Wait()
			errs[n] = f(n)
		})
	}
	done.Wait()
	return errs
}

// oneWins ends the test unless one call succeeded and all others failed with that error.
func (r *rig) oneWins(what string, errs []error, lost error) {
	r.Helper()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else {
			r.fails(err, lost, "%s, at once", what)
		}
	}
	equal(r, "the number of calls that succeed: "+what, won, 1)
}

// allWin ends the test unless every call succeeded.
func (r *rig) allWin(what string, errs []error) {
	r.Helper()
	r.ok(errors.Join(errs...), "%s, at once", what)
}

func testOneVersion(r *rig) {
	x := r.create(r.typ, named(r.typ, "ann"))
	for round := range 3 {
		changes := make([]patch.ChangeSet, crowd)
		for n := range changes {
			changes[n] = r.change(x, named(r.typ, fmt.Sprintf("round %d name %d", round, n)))
		}
		at := r.now()
		r.oneWins("Update of one version", together(func(n int) error {
			_, err := r.Update(r.Context(), r.scope, x.Ref, changes[n], store.Write{At: at, IfVersion: x.Version})
			return err
		}), store.ErrVersion)
		equal(r, "the version", r.get(x.Ref).Version, x.Version+1)
		x = r.get(x.Ref)
	}
}

func testOneDeletion(r *rig) {
	x, at := r.create(r.typ, named(r.typ, "ann")), r.now()
	r.oneWins("Delete of one resource", together(func(int) error {
		_, err := r.Delete(r.Context(), r.scope, x.Ref, store.Write{At: at})
		return err
	}), store.ErrNotFound)
	equal(r, "the number of resources", len(r.all(r.typ)), 0)
}

func testOneName(r *rig) {
	drafts := make([]store.Draft, crowd)
	for n := range drafts {
		drafts[n] = r.draft("User", named("User", spellings[n%len(spellings)]))
	}
	r.oneWins("Create with one userName", together(func(n int) error {
		_, err := r.Create(r.Context(), r.scope, drafts[n])
		return err
	}), store.ErrUniqueness)
	equal(r, "the number of users", len(r.all("User")), 1)
}

func testOneRename(r *rig) {
	people := r.people(crowd)
	changes, at := make([]patch.ChangeSet, crowd), r.now()
	for n, id := range people {
		changes[n] = r.change(r.get(store.Ref{Type: "User", ID: id}), named("User", "the name"))
	}
	r.oneWins("Update to one userName", together(func(n int) error {
		_, err := r.Update(r.Context(), r.scope, store.Ref{Type: "User", ID: people[n]}, changes[n], store.Write{At: at})
		return err
	}), store.ErrUniqueness)
	ids, _ := r.list(r.Context(), r.scope, store.Query{Type: "User", Start: 1, Count: 10, Filter: r.filter("User", `userName eq "the name"`)})
	equal(r, "the number of users with the name", len(ids), 1)
	equal(r, "the number of users", len(r.all("User")), crowd)
}

// testParallelAdds checks that deltas commute: no member is lost, and each is one version.
func testParallelAdds(r *rig) {
	people := r.people(crowd)
	group, at := r.group("ops"), r.now()
	r.allWin("Update that adds one member", together(func(n int) error {
		applied, err := r.Update(r.Context(), r.scope, group.Ref, adding(people[n]), store.Write{At: at})
		if err == nil && len(applied.Added) != 1 {
			err = fmt.Errorf("%d members are added", len(applied.Added))
		}
		return err
	}))
	same(r, "the members", r.members(group.ID), people)
	equal(r, "the version", r.get(group.Ref).Version, 1+crowd)
}

// testParallelDeltas adds members, removes others, repeats and renames, all at once.
func testParallelDeltas(r *rig) {
	people := r.people(crowd)
	half := crowd / 2
	group, at := r.group("ops", people[half:]...), r.now()
	rename := r.change(group, named("Group", "dev"))
	r.allWin("Update of members", together(func(n int) error {
		change := adding(people[n])
		if n >= half {
			change = delta(patchRemove(people[n]))
		}
		for range 2 {
			if _, err := r.Update(r.Context(), r.scope, group.Ref, change, store.Write{At: at}); err != nil {
				return err
			}
		}
		if n%half != 0 {
			return nil
		}
		_, err := r.Update(r.Context(), r.scope, group.Ref, rename, store.Write{At: at})
		return err
	}))
	same(r, "the members", r.members(group.ID), people[:half])
	equal(r, "the version, with two renames", r.get(group.Ref).Version, 1+crowd+2)
}

// testDeleteAgainstAdd adds users to a group while they are deleted: either order is right, and no membership of a ghost is left.
func testDeleteAgainstAdd(r *rig) {
	people := r.people(crowd / 2)
	group, at := r.group("ops"), r.now()
	losses, steps := make([]int, crowd), 0
	added := make([]bool, crowd)
	errs := together(func(n int) error {
		id := people[n/2]
		if n%2 == 0 {
			deleted, err := r.Delete(r.Context(), r.scope, store.Ref{Type: "User", ID: id}, store.Write{At: at})
			losses[n] = len(deleted.Lost)
			return err
		}
		_, err := r.Update(r.Context(), r.scope, group.Ref, adding(id), store.Write{At: at})
		added[n] = err == nil
		if _, unknown := errors.AsType[*store.UnknownMembersError](err); unknown {
			return nil
		}
		return err
	})
	r.allWin("Delete of users and Update that adds them", errs)
	for n := range crowd {
		steps += losses[n]
		if added[n] {
			steps++
			equal(r, "the groups that lost a member that had been added", losses[n-1], 1)
		}
	}
	equal(r, "the number of users", len(r.all("User")), 0)
	equal(r, "the number of members", len(r.members(group.ID)), 0)
	equal(r, "the version of the group", r.get(group.Ref).Version, store.Version(1+steps))
}

// testParallelDeletes deletes the members of the same groups, which databases lock in some order.
func testParallelDeletes(r *rig) {
	people := r.people(crowd)
	var groups []store.Resource
	for n := range 4 {
		groups = append(groups, r.group(fmt.Sprint("group ", n), people...))
	}
	at := r.now()
	r.allWin("Delete of members", together(func(n int) error {
		deleted, err := r.Delete(r.Context(), r.scope, store.Ref{Type: "User", ID: people[n]}, store.Write{At: at})
		if err == nil && len(deleted.Lost) != len(groups) {
			err = fmt.Errorf("%d groups lost the member", len(deleted.Lost))
		}
		return err
	}))
	for _, group := range groups {
		equal(r, "the number of members", len(r.members(group.ID)), 0)
		equal(r, "the version of a group", r.get(group.Ref).Version, 1+crowd)
	}
}

// testCounter reads, computes and writes in transactions: each must see what the one before it wrote.
func testCounter(r *rig) {
	x := r.create(r.typ, named(r.typ, "0"))
	at := r.now()
	changes := map[store.Version]patch.ChangeSet{}
	for n := range crowd { // what a transaction writes that reads that version
		changes[store.Version(n+1)] = r.change(x, named(r.typ, fmt.Sprint(n+1)))
	}
	var mu sync.Mutex
	committed := map[store.Version]int{}
	r.allWin("transactions that read and write", together(func(int) error {
		var read store.Version
		err := r.tx.InTx(r.Context(), func(ctx context.Context) error {
			got, err := r.Get(ctx, r.scope, x.Ref)
			if err != nil {
				return err
			}
			read = got.Version
			_, err = r.Update(ctx, r.scope, x.Ref, changes[read], store.Write{At: at})
			return err
		})
		mu.Lock()
		defer mu.Unlock()
		committed[read]++
		return err
	}))
	for version, n := range committed {
		equal(r, fmt.Sprintf("the number of transactions that read version %d and committed", version), n, 1)
	}
	last := r.get(x.Ref)
	equal(r, "the version", last.Version, 1+crowd)
	equal(r, "the count", r.kept(r.typ, last.Document).Get(nameAttribute(r.typ)).Text(), fmt.Sprint(crowd))
}

// testLinkCounter is testCounter for a connection: the transaction that reads it keeps others from it.
func testLinkCounter(r *rig) {
	link := r.link()
	r.add(link)
	r.allWin("transactions that read and change a connection", together(func(int) error {
		return r.tx.InTx(r.Context(), func(ctx context.Context) error {
			got, err := r.links.Connection(ctx, link.Scope())
			if err != nil {
				return err
			}
			got.DisplayName = fmt.Sprint(got.Revision)
			return r.links.UpdateConnection(ctx, got, nil, 0)
		})
	}))
	link.DisplayName, link.Revision = fmt.Sprint(crowd), crowd+1
	r.linked("the connection", link)
}

// testCrossing writes to two groups in opposite orders: a deadlock is the store's to resolve. There are few of them, since a
// database may take a second to notice each.
func testCrossing(r *rig) {
	const few = 4
	people := r.people(few)
	groups := []store.Resource{r.group("a"), r.group("b")}
	at := r.now()
	r.allWin("transactions that write to two groups", togetherOf(few, func(n int) error {
		return r.tx.InTx(r.Context(), func(ctx context.Context) error {
			for i := range groups {
				if _, err := r.Update(ctx, r.scope, groups[(n+i)%2].Ref, adding(people[n]), store.Write{At: at}); err != nil {
					return err
				}
			}
			return nil
		})
	}))
	for _, group := range groups {
		same(r, "the members", r.members(group.ID), people)
		equal(r, "the version", r.get(group.Ref).Version, 1+few)
	}
}

// testWholeTransactions creates and deletes in pairs while others count.
func testWholeTransactions(r *rig) {
	drafts := make([]store.Draft, crowd)
	for n := range drafts {
		drafts[n] = r.draft(r.typ, named(r.typ, fmt.Sprint("name ", n)))
	}
	pair := func(n int) error {
		return r.tx.InTx(r.Context(), func(ctx context.Context) error {
			for _, draft := range drafts[n : n+2] {
				applied, err := r.Create(ctx, r.scope, draft)
				if err != nil {
					return err
				}
				if n%4 != 0 {
					continue
				}
				if _, err = r.Delete(ctx, r.scope, applied.Resource.Ref, store.Write{At: draft.At}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	r.allWin("transactions and lists", together(func(n int) error {
		if n%2 == 0 {
			return pair(n)
		}
		for range 5 {
			page, err := r.List(r.Context(), r.scope, store.Query{Type: r.typ, Start: 1})
			if err != nil {
				return err
			}
			if page.Total%2 != 0 {
				return fmt.Errorf("a total of %d, while resources are created in pairs", page.Total)
			}
		}
		return nil
	}))
	equal(r, "the number of resources", len(r.all(r.typ)), crowd/2)
}
