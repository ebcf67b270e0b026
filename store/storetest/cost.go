package storetest

import (
	"context"
	"fmt"

	"github.com/scimkit/scim/patch"
	"github.com/scimkit/scim/store"
)

var costTests = []test{
	{"does not grow with the directory", statements, true, testCost},
	{"of members does not grow with the group", statements | users | groups, false, testMemberCost},
}

// Directories in which costs are compared.
const (
	smallDirectory = 20
	largeDirectory = 400
)

// step is one operation with the most SQL statements that it may take, those that begin and end its transaction included.
type step struct {
	name  string
	limit int64
	do    func()
}

// statementsOf returns the fewest statements that an operation takes: now and then a store may tidy up.
func (r *rig) statementsOf(do func()) (fewest int64) {
	r.Helper()
	for n := range 3 {
		before := r.Statements()
		do()
		if count := r.Statements() - before; n == 0 || count < fewest {
			fewest = count
		}
	}
	return fewest
}

// costs compares the cost of operations in a small and in a large directory.
func (r *rig) costs(steps func(size int) []step) {
	r.Helper()
	r.scope = r.Scope()
	small := steps(smallDirectory)
	counts := make([]int64, len(small))
	for i, s := range small {
		counts[i] = r.statementsOf(s.do)
	}
	r.scope = r.Scope()
	for i, s := range steps(largeDirectory) {
		count := r.statementsOf(s.do)
		r.Logf("%s: %d statements", s.name, count)
		if count > s.limit || count == 0 {
			r.Errorf("%s takes %d statements, want 1 to %d", s.name, count, s.limit)
		}
		if count > counts[i] {
			r.Errorf("%s takes %d statements among %d resources and %d among %d, want the same",
				s.name, counts[i], smallDirectory, count, largeDirectory)
		}
	}
}

// fill creates resources, in one transaction if there are any, and returns them.
func (r *rig) fill(typ string, size int, members func(n int) []string) (list []store.Resource) {
	r.Helper()
	create := func(ctx context.Context) error {
		list = nil
		for n := range size {
			var ids []string
			if members != nil {
				ids = members(n)
			}
			applied, err := r.Create(ctx, r.scope, r.draft(typ, rich(typ, fmt.Sprint("name ", n)), ids...))
			if err != nil {
				return err
			}
			list = append(list, applied.Resource)
		}
		return nil
	}
	if r.tx != nil {
		r.ok(r.tx.InTx(r.Context(), create), "filling the directory")
		return list
	}
	r.ok(create(r.Context()), "filling the directory")
	return list
}

func testCost(r *rig) {
	r.costs(func(size int) []step {
		list := r.fill(r.typ, size, nil)
		half := list[size/2]
		next := 0
		page := func(start, count int, text string) func() {
			query := store.Query{Type: r.typ, Start: start, Count: count}
			if text != "" {
				query.Filter = r.filter(r.typ, text)
			}
			return func() { r.list(r.Context(), r.scope, query) }
		}
		return []step{
			{"Get", 2, func() { r.get(half.Ref) }},
			{"List of 10 from 1", 4, page(1, 10, "")},
			{"List of 10 from the middle", 4, page(size/2, 10, "")},
			{"List of a name", 4, page(1, 10, nameOf(r.typ)+` eq "name 7"`)},
			{"List of the total", 3, page(1, 0, "")},
			{"Create", 12, func() { next++; r.create(r.typ, rich(r.typ, fmt.Sprint("new ", next))) }},
			{"Update", 14, func() {
				next++
				half = r.update(half.Ref, r.change(half, rich(r.typ, fmt.Sprint("new ", next)))).Resource
			}},
			{"Delete", 12, func() { r.remove(list[0].Ref); list = list[1:] }},
		}
	})
}

func testMemberCost(r *rig) {
	r.costs(func(size int) []step {
		people := r.fill("User", size, nil)
		ids := make([]string, size)
		for i, x := range people {
			ids[i] = x.ID
		}
		all := r.group("all", ids[1:]...)
		many := size / 8 // 2 and 50
		var groups []string
		some := ids[size/2 : size/2+10]
		for _, x := range r.fill("Group", many, func(int) []string { return some }) {
			groups = append(groups, x.ID)
		}
		update := func(change patch.Delta) func() {
			return func() {
				r.update(all.Ref, delta(change))
				r.update(all.Ref, delta(patch.Delta{Add: change.Remove, Remove: change.Add}))
			}
		}
		leaver := size / 2
		return []step{
			{"Update that adds one member, and its opposite", 28, update(patch.Delta{Add: ids[:1]})},
			{"Update that removes 8 members, and its opposite", 28, update(patch.Delta{Remove: ids[2:10]})},
			{"Members of one group", 3, func() { r.pageOf(10, all.ID) }},
			{"Members of many groups", 3, func() { r.pageOf(1000, groups...) }},
			{"Groups of 10 members", 2, func() { r.groupsOfMany(some) }},
			{"List of the groups of a member", 4, func() {
				r.list(r.Context(), r.scope, store.Query{
					Type: "Group", Start: 1, Count: everything, Filter: r.filter("Group", fmt.Sprintf("members.value eq %q", some[9])),
				})
			}},
			{"Delete of a member of many groups", 20, func() { r.remove(people[leaver].Ref); leaver++ }},
		}
	})
}

// pageOf reads one page of memberships.
func (r *rig) pageOf(limit int, groups ...string) {
	r.Helper()
	_, err := r.lister.Members(r.Context(), r.scope, store.MemberQuery{Groups: groups, Limit: limit})
	r.ok(err, "Members")
}

func (r *rig) groupsOfMany(ids []string) {
	r.Helper()
	if r.grouper == nil {
		r.get(store.Ref{Type: "User", ID: ids[0]})
		return
	}
	_, err := r.grouper.Groups(r.Context(), r.scope, ids)
	r.ok(err, "Groups")
}
