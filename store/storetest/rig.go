package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scimkit/scim/patch"
	"github.com/scimkit/scim/store"
)

// rig is what one test works with: a store, a scope of its own and a clock.
type rig struct {
	*testing.T
	*kit
	store.Store
	tx      store.Transactor
	lister  store.MemberLister
	grouper store.GroupLister
	links   store.ConnectionStore
	journal store.JournalStore
	purger  store.Purger
	known   store.MemberStore
	scope   store.Scope
	typ     string // what tests of resources in general use
	ticks   int
}

// start is the time of the first request of every test.
var start = time.Date(2026, 3, 14, 9, 26, 53, 589793000, time.UTC)

func (k *kit) rig(t *testing.T, typ string) *rig {
	t.Helper()
	s := k.Open(t)
	r := &rig{T: t, kit: k, Store: s, scope: k.Scope(), typ: typ}
	if k.has&transactions != 0 {
		r.tx = s.(store.Transactor)
	}
	if k.has&groups != 0 {
		r.lister = s.(store.MemberLister)
	}
	if k.has&memberGroups != 0 {
		r.grouper = s.(store.GroupLister)
	}
	if k.has&connections != 0 {
		r.links = s.(store.ConnectionStore)
	}
	if k.has&journals != 0 {
		r.journal = s.(store.JournalStore)
	}
	if k.has&standings != 0 {
		r.known = s.(store.MemberStore)
	}
	if k.has&purging != 0 {
		r.purger = s.(store.Purger)
	}
	return r
}

// now returns the time of the next request, in whole microseconds.
func (r *rig) now() time.Time {
	r.ticks++
	return start.Add(time.Duration(r.ticks) * 1001 * time.Microsecond)
}

// write is an unconditional write at the time of the next request.
func (r *rig) write() store.Write { return store.Write{At: r.now()} }

// ok ends the test unless err is nil.
func (r *rig) ok(err error, what string, args ...any) {
	r.Helper()
	if err != nil {
		r.Fatalf("%s: %v", fmt.Sprintf(what, args...), err)
	}
}

// fails ends the test unless err is target.
func (r *rig) fails(err, target error, what string, args ...any) {
	r.Helper()
	if !errors.Is(err, target) {
		r.Fatalf("%s: the error is %q, want %q", fmt.Sprintf(what, args...), fmt.Sprint(err), target)
	}
}

// conflicts ends the test unless err is a UniquenessError about that attribute.
func (r *rig) conflicts(err error, path, what string, args ...any) {
	r.Helper()
	var unique *store.UniquenessError
	if !errors.As(err, &unique) {
		r.Fatalf("%s: the error is %q, want a *store.UniquenessError", fmt.Sprintf(what, args...), fmt.Sprint(err))
	}
	if unique.Path != path {
		r.Fatalf("%s: the UniquenessError names %q, want %q", fmt.Sprintf(what, args...), unique.Path, path)
	}
}

// unknown ends the test unless err is an UnknownMembersError with these ids.
func (r *rig) unknown(err error, ids []string, what string) {
	r.Helper()
	var unknown *store.UnknownMembersError
	if !errors.As(err, &unknown) {
		r.Fatalf("%s: the error is %q, want a *store.UnknownMembersError", what, fmt.Sprint(err))
	}
	same(r, what+": the ids of the UnknownMembersError", sorted(unknown.IDs), sorted(ids))
}

// equal ends the test unless two values are equal.
func equal[T comparable](r *rig, what string, got, want T) {
	r.Helper()
	if got != want {
		r.Fatalf("%s: %v, want %v", what, got, want)
	}
}

// same ends the test unless two lists are equal.
func same[T comparable](r *rig, what string, got, want []T) {
	r.Helper()
	if !slices.Equal(got, want) {
		r.Fatalf("%s: %v, want %v", what, got, want)
	}
}

func sorted[T cmp.Ordered](list []T) []T { return slices.Sorted(slices.Values(list)) }

// create stores a resource of the test's own scope.
func (r *rig) create(typ string, a attributes, members ...string) store.Resource {
	r.Helper()
	applied, err := r.Create(r.Context(), r.scope, r.draft(typ, a, members...))
	r.ok(err, "Create of a %s with %v", typ, a)
	return applied.Resource
}

// people creates users that are named by their number, and returns their ids in the order of creation.
func (r *rig) people(n int) []string {
	r.Helper()
	ids := make([]string, n)
	for i := range ids {
		ids[i] = r.create("User", named("User", fmt.Sprintf("user-%03d", i))).ID
	}
	return ids
}

func (r *rig) group(name string, members ...string) store.Resource {
	r.Helper()
	return r.create("Group", named("Group", name), members...)
}

func (r *rig) get(ref store.Ref) store.Resource {
	r.Helper()
	got, err := r.Get(r.Context(), r.scope, ref)
	r.ok(err, "Get of %v", ref)
	return got
}

// update writes an unconditional change.
func (r *rig) update(ref store.Ref, change patch.ChangeSet) store.Applied {
	r.Helper()
	applied, err := r.Update(r.Context(), r.scope, ref, change, r.write())
	r.ok(err, "Update of %v", ref)
	return applied
}

func (r *rig) remove(ref store.Ref) store.Deleted {
	r.Helper()
	deleted, err := r.Delete(r.Context(), r.scope, ref, r.write())
	r.ok(err, "Delete of %v", ref)
	return deleted
}

// gone ends the test unless a resource is not found.
func (r *rig) gone(ref store.Ref, what string) {
	r.Helper()
	_, err := r.Get(r.Context(), r.scope, ref)
	r.fails(err, store.ErrNotFound, "Get of %s", what)
}

// everything is more than any test stores.
const everything = 1 << 20

// list returns the ids on a page, and the total.
func (r *rig) list(ctx context.Context, scope store.Scope, query store.Query) (ids []string, total int) {
	r.Helper()
	page, err := r.List(ctx, scope, query)
	r.ok(err, "List of %+v", query)
	if len(page.Resources) > query.Count || page.Total < len(page.Resources) {
		r.Fatalf("List of %d from %d: %d resources of a total of %d", query.Count, query.Start, len(page.Resources), page.Total)
	}
	for _, x := range page.Resources {
		equal(r, "the type of a resource on a page", x.Type, query.Type)
		if slices.Contains(ids, x.ID) {
			r.Fatalf("List of %+v: the resource %s is there twice", query, x.ID)
		}
		ids = append(ids, x.ID)
	}
	return ids, page.Total
}

// all returns the ids of a type's resources in their order.
func (r *rig) all(typ string) []string {
	r.Helper()
	ids, total := r.list(r.Context(), r.scope, store.Query{Type: typ, Start: 1, Count: everything})
	equal(r, "the total of a list of all", total, len(ids))
	return ids
}

// memberships reads all pages of a query.
func (r *rig) memberships(ctx context.Context, scope store.Scope, limit int, groups ...string) (list []store.Membership) {
	r.Helper()
	query := store.MemberQuery{Groups: groups, Limit: limit}
	for range 10_000 {
		page, err := r.lister.Members(ctx, scope, query)
		r.ok(err, "Members of %+v", query)
		if len(page.Memberships) > limit {
			r.Fatalf("Members of %+v: %d memberships", query, len(page.Memberships))
		}
		list = append(list, page.Memberships...)
		if page.Next == "" {
			return list
		}
		query.After = page.Next
	}
	r.Fatalf("Members of %d groups, %d at a time: the pages never end", len(groups), limit)
	return nil
}

// members returns the ids of a group's members in their order.
func (r *rig) members(group string) (ids []string) {
	r.Helper()
	for _, m := range r.memberships(r.Context(), r.scope, 3, group) {
		equal(r, "the group of a membership", m.Group, group)
		ids = append(ids, m.ID)
	}
	return ids
}

// groupsOf returns the ids of the groups that have a resource as a direct member.
func (r *rig) groupsOf(id string) (ids []string) {
	r.Helper()
	found, err := r.grouper.Groups(r.Context(), r.scope, []string{id})
	r.ok(err, "Groups of %s", id)
	for _, g := range found[id] {
		ids = append(ids, g.ID)
	}
	return sorted(ids)
}

// describe renders a resource with all that the store keeps of it.
func (r *rig) describe(x store.Resource) string {
	r.Helper()
	return fmt.Sprintf("%s %s version %d created %s modified %s: %s", x.Type, x.ID, x.Version,
		x.Created.Format(time.RFC3339Nano), x.LastModified.Format(time.RFC3339Nano), r.text(x.Type, x.Document))
}

// snapshot renders all that can be read in a scope.
func (r *rig) snapshot(ctx context.Context, scope store.Scope) string {
	r.Helper()
	var b strings.Builder
	var ids, groupIDs []string
	for _, typ := range r.Types {
		page, err := r.List(ctx, scope, store.Query{Type: typ, Start: 1, Count: everything})
		r.ok(err, "List of all of type %s", typ)
		fmt.Fprintf(&b, "%d of type %s\n", page.Total, typ)
		for _, x := range page.Resources {
			fmt.Fprintln(&b, r.describe(x))
			ids = append(ids, x.ID)
			if typ == "Group" {
				groupIDs = append(groupIDs, x.ID)
			}
		}
	}
	if r.lister != nil {
		for _, m := range r.memberships(ctx, scope, 100, groupIDs...) {
			fmt.Fprintln(&b, m)
		}
	}
	if r.grouper != nil {
		found, err := r.grouper.Groups(ctx, scope, ids)
		r.ok(err, "Groups of all")
		for _, id := range ids {
			fmt.Fprintln(&b, id, found[id])
		}
	}
	return b.String()
}

// unchanged ends the test if f changes anything that can be read.
func (r *rig) unchanged(what string, f func()) {
	r.Helper()
	before := r.snapshot(r.Context(), r.scope)
	f()
	if after := r.snapshot(r.Context(), r.scope); after != before {
		r.Fatalf("%s: the directory was\n%s\nand now is\n%s", what, before, after)
	}
}

// inTx runs f in a transaction that must end with that error, nil for a commit.
func (r *rig) inTx(want error, f func(ctx context.Context) error) {
	r.Helper()
	err := store.InTx(r.Context(), r.tx, f)
	if !errors.Is(err, want) || want == nil && err != nil {
		r.Fatalf("the transaction ends with %q, want %q", fmt.Sprint(err), fmt.Sprint(want))
	}
}
