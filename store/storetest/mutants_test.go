package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/patch"
	"github.com/scimkit/scim/store"
)

// mutant is a store with one mistake in it, and the tests that must find it.
type mutant struct {
	name  string
	finds []string // group/test
	spoil func(h *hooked)
}

var errLock = errors.New("deadlock detected")

// barrier lets nobody pass before so many have come.
func barrier(n int) (pass func()) {
	var come atomic.Int64
	all := make(chan struct{})
	return func() {
		if come.Add(1) == int64(n) {
			close(all)
		}
		<-all
	}
}

// inside marks the context of a transaction that is none.
type inside struct{}

// noTransactions runs the closure without any.
func noTransactions(h *hooked) {
	h.inTx = func(ctx context.Context, f func(context.Context) error) error {
		return f(context.WithValue(ctx, inside{}, true))
	}
}

// matched answers a query with what matches, as some condition on it says.
func matched(h *hooked, match func(f *filter.Filter, r store.Resource) bool) {
	h.list = func(ctx context.Context, scope store.Scope, query store.Query) (page store.Page, err error) {
		if query.Filter == nil {
			return h.Store.List(ctx, scope, query)
		}
		all, err := h.Store.List(ctx, scope, store.Query{Type: query.Type, Start: 1, Count: everything})
		if err != nil {
			return page, err
		}
		for _, r := range all.Resources {
			if match(query.Filter, r) {
				if page.Total++; page.Total >= query.Start && len(page.Resources) < query.Count {
					page.Resources = append(page.Resources, r)
				}
			}
		}
		return page, nil
	}
}

func recordOf(r store.Resource, related bool) filter.Record {
	return filter.Record{
		ID: r.ID, Version: int64(r.Version), Created: r.Created, LastModified: r.LastModified, Document: r.Document,
		Related: func(string, string) (bool, error) { return related, nil },
	}
}

// holding refuses every unique value that somebody held before, by a name for scope, type and value.
func holding(h *hooked, name func(store.Scope, string, store.Key) string) {
	var held sync.Map
	h.create = func(ctx context.Context, scope store.Scope, draft store.Draft) (store.Applied, error) {
		for _, key := range draft.Unique {
			if _, taken := held.LoadOrStore(name(scope, draft.Type, key), true); taken {
				return store.Applied{}, &store.UniquenessError{Path: key.Path}
			}
		}
		return h.Store.Create(ctx, scope, draft)
	}
}

// rewritten passes documents through an edit of their JSON.
func rewritten(h *hooked, edit func([]byte) []byte) {
	h.create = func(ctx context.Context, scope store.Scope, draft store.Draft) (store.Applied, error) {
		draft.Document = store.NewDocument(edit(draft.Document.JSON()))
		return h.Store.Create(ctx, scope, draft)
	}
	h.update = func(ctx context.Context, scope store.Scope, ref store.Ref, change patch.ChangeSet, w store.Write) (store.Applied, error) {
		if change.After != nil {
			change.After = store.NewDocument(edit(change.After.JSON()))
		}
		return h.Store.Update(ctx, scope, ref, change, w)
	}
}

// bounded refuses documents that are longer.
func bounded(h *hooked, length int) {
	h.create = func(ctx context.Context, scope store.Scope, draft store.Draft) (store.Applied, error) {
		if len(draft.Document.JSON()) > length {
			return store.Applied{}, errors.New("value too long")
		}
		return h.Store.Create(ctx, scope, draft)
	}
}

// keyed changes the unique values that are held.
func keyed(h *hooked, edit func(*store.Document, []store.Key) []store.Key) {
	h.create = func(ctx context.Context, scope store.Scope, draft store.Draft) (store.Applied, error) {
		draft.Unique = edit(draft.Document, draft.Unique)
		return h.Store.Create(ctx, scope, draft)
	}
	h.update = func(ctx context.Context, scope store.Scope, ref store.Ref, change patch.ChangeSet, w store.Write) (store.Applied, error) {
		if change.After != nil {
			change.Unique = edit(change.After, change.Unique)
		}
		return h.Store.Update(ctx, scope, ref, change, w)
	}
}

// scoped calls the store with another scope than it was called with.
func scoped(h *hooked, edit func(store.Scope) store.Scope) {
	h.create = func(ctx context.Context, scope store.Scope, draft store.Draft) (store.Applied, error) {
		return h.Store.Create(ctx, edit(scope), draft)
	}
	h.get = func(ctx context.Context, scope store.Scope, ref store.Ref) (store.Resource, error) {
		return h.Store.Get(ctx, edit(scope), ref)
	}
	h.list = func(ctx context.Context, scope store.Scope, query store.Query) (store.Page, error) {
		return h.Store.List(ctx, edit(scope), query)
	}
	h.update = func(ctx context.Context, scope store.Scope, ref store.Ref, change patch.ChangeSet, w store.Write) (store.Applied, error) {
		return h.Store.Update(ctx, edit(scope), ref, change, w)
	}
	h.delete = func(ctx context.Context, scope store.Scope, ref store.Ref, w store.Write) (store.Deleted, error) {
		return h.Store.Delete(ctx, edit(scope), ref, w)
	}
	h.members = func(ctx context.Context, scope store.Scope, query store.MemberQuery) (store.MemberPage, error) {
		return h.Store.Members(ctx, edit(scope), query)
	}
	h.groups = func(ctx context.Context, scope store.Scope, members []string) (map[string][]store.Group, error) {
		return h.Store.Groups(ctx, edit(scope), members)
	}
}

// identified reads ids in another way.
func identified(h *hooked, edit func(string) string) {
	h.get = func(ctx context.Context, scope store.Scope, ref store.Ref) (store.Resource, error) {
		return h.Store.Get(ctx, scope, store.Ref{Type: ref.Type, ID: edit(ref.ID)})
	}
}

// updating is an update with another change set or condition.
func updating(h *hooked, edit func(ctx context.Context, scope store.Scope, ref store.Ref, change *patch.ChangeSet, w *store.Write) error) {
	h.update = func(ctx context.Context, scope store.Scope, ref store.Ref, change patch.ChangeSet, w store.Write) (store.Applied, error) {
		if err := edit(ctx, scope, ref, &change, &w); err != nil {
			return store.Applied{}, err
		}
		return h.Store.Update(ctx, scope, ref, change, w)
	}
}

// deleting changes what a deletion reports.
func deleting(h *hooked, edit func(*store.Deleted)) {
	h.delete = func(ctx context.Context, scope store.Scope, ref store.Ref, w store.Write) (store.Deleted, error) {
		deleted, err := h.Store.Delete(ctx, scope, ref, w)
		edit(&deleted)
		return deleted, err
	}
}

// listing changes the pages of lists.
func listing(h *hooked, query func(*store.Query), page func(store.Query, *store.Page)) {
	h.list = func(ctx context.Context, scope store.Scope, q store.Query) (store.Page, error) {
		query(&q)
		p, err := h.Store.List(ctx, scope, q)
		page(q, &p)
		return p, err
	}
}

// paging changes the pages of members.
func paging(h *hooked, edit func(*store.MemberPage)) {
	h.members = func(ctx context.Context, scope store.Scope, query store.MemberQuery) (store.MemberPage, error) {
		page, err := h.Store.Members(ctx, scope, query)
		edit(&page)
		return page, err
	}
}

// timed changes the times of every resource that is returned.
func timed(h *hooked, edit func(time.Time) time.Time) {
	stamp := func(r *store.Resource) { r.Created, r.LastModified = edit(r.Created), edit(r.LastModified) }
	h.create = func(ctx context.Context, scope store.Scope, draft store.Draft) (store.Applied, error) {
		applied, err := h.Store.Create(ctx, scope, draft)
		stamp(&applied.Resource)
		return applied, err
	}
	h.get = func(ctx context.Context, scope store.Scope, ref store.Ref) (store.Resource, error) {
		r, err := h.Store.Get(ctx, scope, ref)
		stamp(&r)
		return r, err
	}
}

// lostUpdates reads the members, waits until so many have read them, and writes them as a whole.
func lostUpdates(h *hooked) {
	var first atomic.Int64
	wait := barrier(crowd)
	updating(h, func(ctx context.Context, scope store.Scope, ref store.Ref, change *patch.ChangeSet, _ *store.Write) error {
		if len(change.Changes) > 0 {
			return nil
		}
		page, err := h.Store.Members(ctx, scope, store.MemberQuery{Groups: []string{ref.ID}, Limit: everything})
		if err != nil {
			return err
		}
		if first.Add(1) <= crowd {
			wait()
		}
		final := change.Members.Add
		for _, m := range page.Memberships {
			if !slices.Contains(change.Members.Remove, m.ID) && !slices.Contains(final, m.ID) {
				final = append(final, m.ID)
			}
		}
		change.Members = patch.Delta{Clear: true, Add: final}
		return nil
	})
}

// ghosts keeps the members that were ever added, in the answers.
func ghosts(h *hooked) {
	var mu sync.Mutex
	var added []store.Membership
	h.update = func(ctx context.Context, scope store.Scope, ref store.Ref, change patch.ChangeSet, w store.Write) (store.Applied, error) {
		applied, err := h.Store.Update(ctx, scope, ref, change, w)
		mu.Lock()
		defer mu.Unlock()
		for _, id := range change.Members.Add {
			added = append(added, store.Membership{Group: ref.ID, Member: store.Member{ID: id}})
		}
		return applied, err
	}
	h.members = func(context.Context, store.Scope, store.MemberQuery) (store.MemberPage, error) {
		return store.MemberPage{Memberships: added}, nil
	}
}

// halfSeen keeps writers apart, but shows lists the first half of a pair: the first creation is not over before a list has ended, and no
// list begins before it.
func halfSeen(h *hooked) {
	var tx sync.Mutex
	var creates atomic.Int64
	created, listed := make(chan struct{}), make(chan struct{})
	var once sync.Once
	noTransactions(h)
	run := h.inTx
	h.inTx = func(ctx context.Context, f func(context.Context) error) error {
		tx.Lock()
		defer tx.Unlock()
		return run(ctx, f)
	}
	h.list = func(ctx context.Context, scope store.Scope, query store.Query) (store.Page, error) {
		<-created
		defer once.Do(func() { close(listed) })
		return h.Store.List(ctx, scope, query)
	}
	h.create = func(ctx context.Context, scope store.Scope, draft store.Draft) (store.Applied, error) {
		applied, err := h.Store.Create(ctx, scope, draft)
		if creates.Add(1) == 1 {
			close(created)
			<-listed
		}
		return applied, err
	}
}

// aborted is a transaction in which nothing works any more after a call that failed.
func aborted(h *hooked) {
	type failed struct{}
	h.inTx = func(ctx context.Context, f func(context.Context) error) error {
		return h.Store.InTx(ctx, func(ctx context.Context) error { return f(context.WithValue(ctx, failed{}, new(error))) })
	}
	spoil := func(ctx context.Context, err error) error {
		if state, ok := ctx.Value(failed{}).(*error); ok {
			if *state != nil {
				return errors.New("current transaction is aborted")
			}
			*state = err
		}
		return err
	}
	h.create = func(ctx context.Context, scope store.Scope, draft store.Draft) (store.Applied, error) {
		applied, err := h.Store.Create(ctx, scope, draft)
		return applied, spoil(ctx, err)
	}
	h.update = func(ctx context.Context, scope store.Scope, ref store.Ref, change patch.ChangeSet, w store.Write) (store.Applied, error) {
		applied, err := h.Store.Update(ctx, scope, ref, change, w)
		return applied, spoil(ctx, err)
	}
	h.connect = func(ctx context.Context, c store.Connection, tokens []store.Token, limit int) error {
		return spoil(ctx, h.Store.CreateConnection(ctx, c, tokens, limit))
	}
}

const inner = "STORETEST_MUTANTS"

// TestSuiteFindsMistakes runs the suite on stores with mistakes, in a process of its own, since the tests fail there. Every test of the
// suite finds one at least.
func TestSuiteFindsMistakes(t *testing.T) {
	if os.Getenv(inner) != "" {
		runMutants(t)
		return
	}
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), self, "-test.run=^TestSuiteFindsMistakes$", "-test.v")
	command.Env = append(os.Environ(), inner+"=1")
	out, err := command.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || bytes.Contains(out, []byte("\npanic: ")) {
		t.Fatalf("%v\n%s", err, out)
	}
	found := map[string]bool{}
	for _, m := range slices.Concat(mutants, ledgerMutants) {
		for _, test := range m.finds {
			found[test] = true
			name := strings.ReplaceAll(m.name+"/"+test, " ", "_")
			if !bytes.Contains(out, []byte("--- FAIL: TestSuiteFindsMistakes/"+name+" ")) {
				t.Errorf("%s: the test %s does not find it", m.name, test)
			}
		}
	}
	for _, g := range contract {
		for _, c := range g.tests {
			if !found[g.name+"/"+c.name] {
				t.Errorf("no store has a mistake that the test %s/%s must find", g.name, c.name)
			}
		}
	}
	for _, m := range badHarnesses {
		if !bytes.Contains(out, []byte("storetest: "+m.says)) {
			t.Errorf("a harness is not refused with %q", m.says)
		}
	}
}

func runMutants(t *testing.T) {
	for _, m := range slices.Concat(mutants, ledgerMutants) {
		t.Run(m.name, func(t *testing.T) {
			for _, name := range m.finds {
				t.Run(name, func(t *testing.T) {
					var statements atomic.Int64
					open := func(*testing.T) store.Store {
						h := newHooked()
						h.before = func() { statements.Add(1) }
						m.spoil(h)
						return h
					}
					k := Harness{Open: open, Statements: statements.Load}.check(t)
					group, test, _ := strings.Cut(name, "/")
					for _, g := range contract {
						for _, c := range g.tests {
							if g.name == group && c.name == test {
								k.run(t, c)
								return
							}
						}
					}
					fmt.Fprintln(os.Stderr, "no such test:", name)
					os.Exit(3)
				})
			}
		})
	}
	for _, b := range badHarnesses {
		t.Run("harness", func(t *testing.T) { Run(t, b.harness) })
	}
}

// badHarnesses cannot be right.
var badHarnesses = []struct {
	harness Harness
	says    string
}{
	{Harness{}, "Harness.Open is nil"},
	{Harness{Open: opening(memory), Types: []string{"Device"}}, `Harness.Types holds "Device"`},
	{Harness{Open: opening(func() store.Store { return plain{memory()} })}, "the store is no store.MemberLister"},
	{Harness{Open: opening(memory), Attributes: []string{"displayName"}}, `Harness.Attributes lacks "userName"`},
	{Harness{Open: opening(memory), Attributes: []string{"userName"}}, `Harness.Attributes lacks "displayName"`},
	{Harness{Open: opening(memory), Attributes: []string{"userName", "displayName", "colour"}}, `Harness.Attributes holds "colour"`},
	{Harness{Open: opening(memory), Attributes: []string{"username", "displayName"}}, `Harness.Attributes holds "username"`},
}
