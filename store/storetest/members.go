package storetest

import (
	"context"
	"fmt"
	"slices"

	"github.com/scimkit/scim/patch"
	"github.com/scimkit/scim/store"
)

var memberTests = []test{
	{"deltas", users | groups, false, testDeltas},
	{"first members", users | groups, false, testFirstMembers},
	{"unknown ones", users | groups, false, testUnknownMembers},
	{"order", users | groups, false, testMemberOrder},
	{"pages", users | groups, false, testMemberPages},
	{"pages while members change", users | groups, false, testMovingPages},
	{"names", users | groups, false, testMemberNames},
	{"groups of members", users | groups | memberGroups, false, testGroups},
	{"groups without users", groups, false, testNestedGroups},
}

// patchRemove is the delta that removes members.
func patchRemove(ids ...string) patch.Delta { return patch.Delta{Remove: ids} }

func memberIDs(list []store.Membership) (ids []string) {
	for _, m := range list {
		ids = append(ids, m.ID)
	}
	return ids
}

func idsOf(list []store.Member) []string {
	var ids []string
	for _, m := range list {
		ids = append(ids, m.ID)
	}
	return sorted(ids)
}

// testDeltas checks final = ((Clear ? nothing : current) without Remove) and Add, and that what is repeated changes nothing.
func testDeltas(r *rig) {
	people := r.people(4)
	a, b, c, d := people[0], people[1], people[2], people[3]
	nested := r.group("nested").ID
	list := func(ids ...string) []string { return sorted(ids) }
	for i, x := range []struct {
		delta                patch.Delta
		want, added, removed []string
	}{
		{patch.Delta{Add: list(c, d)}, list(a, b, c, d), list(c, d), nil},
		{patch.Delta{Add: list(a)}, list(a, b), nil, nil},
		{patch.Delta{Add: list(b, c)}, list(a, b, c), list(c), nil},
		{patch.Delta{Remove: list(a)}, list(b), nil, list(a)},
		{patch.Delta{Remove: list(c)}, list(a, b), nil, nil},
		{patch.Delta{Remove: list("ghost", "", "'", newID(), b)}, list(a), nil, list(b)},
		{patch.Delta{Remove: list(a), Add: list(c)}, list(b, c), list(c), list(a)},
		{patch.Delta{Clear: true}, nil, nil, list(a, b)},
		{patch.Delta{Clear: true, Add: list(c, b)}, list(b, c), list(c), list(a)},
		{patch.Delta{Clear: true, Add: list(b, a)}, list(a, b), nil, nil},
		{patch.Delta{Clear: true, Remove: list(a), Add: list(b)}, list(b), nil, list(a)},
		{patch.Delta{Add: list(nested)}, list(a, b, nested), list(nested), nil},
		{patch.Delta{}, list(a, b), nil, nil},
	} {
		group := r.group(fmt.Sprint("group ", i), a, b)
		what := func(text string) string { return fmt.Sprintf("%s of %+v on a and b", text, x.delta) }
		applied := r.update(group.Ref, delta(x.delta))
		same(r, what("the members afterwards"), sorted(r.members(group.ID)), x.want)
		same(r, what("Applied.Added"), idsOf(applied.Added), x.added)
		same(r, what("Applied.Removed"), idsOf(applied.Removed), x.removed)
		changed := len(x.added)+len(x.removed) > 0
		equal(r, what("Applied.Changed"), applied.Changed, changed)
		equal(r, what("the version"), applied.Resource.Version, map[bool]store.Version{false: 1, true: 2}[changed])
		equal(r, what("what Get finds"), r.describe(r.get(group.Ref)), r.describe(applied.Resource))
		r.unchanged(what("a repetition"), func() {
			again := r.update(group.Ref, delta(x.delta))
			equal(r, what("Applied.Changed of a repetition"), again.Changed, false)
			equal(r, what("the members that came and went in a repetition"), len(again.Added)+len(again.Removed), 0)
		})
		r.reverse(group.ID, x.want, append(people, nested, group.ID))
	}
}

// reverse checks that store.GroupLister says the same as the group's members.
func (r *rig) reverse(group string, members, all []string) {
	r.Helper()
	if r.grouper == nil {
		return
	}
	for _, id := range all {
		equal(r, fmt.Sprintf("whether Groups finds the group %s for %s", group, id), slices.Contains(r.groupsOf(id), group), slices.Contains(members, id))
	}
}

func testFirstMembers(r *rig) {
	people := r.people(3)
	for i, members := range [][]string{nil, people[1:2], people} {
		applied, err := r.Create(r.Context(), r.scope, r.draft("Group", named("Group", fmt.Sprint("group ", i)), members...))
		r.ok(err, "Create with %d members", len(members))
		same(r, "Applied.Added", idsOf(applied.Added), sorted(members))
		equal(r, "the number of members that Create removed", len(applied.Removed), 0)
		equal(r, "the version", applied.Resource.Version, 1)
		same(r, "the members", sorted(r.members(applied.Resource.ID)), sorted(members))
		r.reverse(applied.Resource.ID, members, people)
	}
	for _, id := range people {
		equal(r, "the version of a user that was put into groups", r.get(store.Ref{Type: "User", ID: id}).Version, 1)
	}
}

// testUnknownMembers checks that ids that nobody has make the whole change fail, and that the error names these and no others.
func testUnknownMembers(r *rig) {
	people := r.people(3)
	gone := people[2]
	r.remove(store.Ref{Type: "User", ID: gone})
	group := r.group("ops", people[0])
	r.unchanged("changes with members that do not exist", func() {
		for _, odd := range slices.Concat(oddIDs(), []string{gone}) {
			_, err := r.Create(r.Context(), r.scope, r.draft("Group", named("Group", "new"), people[0], odd, people[1]))
			r.unknown(err, []string{odd}, fmt.Sprintf("Create with the member %.50q", odd))
			both := r.change(group, named("Group", "renamed"))
			both.Members = patch.Delta{Clear: true, Add: []string{people[1], odd}}
			_, err = r.Update(r.Context(), r.scope, group.Ref, both, r.write())
			r.unknown(err, []string{odd}, fmt.Sprintf("Update with the member %.50q", odd))
		}
		all := slices.Concat(oddIDs(), []string{gone})
		_, err := r.Update(r.Context(), r.scope, group.Ref, adding(slices.Concat(all, people[:2])...), r.write())
		r.unknown(err, all, "Update with many members that do not exist")
		_, err = r.Update(r.Context(), r.scope, store.Ref{Type: "Group", ID: newID()}, adding("ghost"), r.write())
		r.fails(err, store.ErrNotFound, "Update of a group that does not exist with a member that does not exist")
		_, err = r.Update(r.Context(), r.scope, group.Ref, adding("ghost"), store.Write{At: r.now(), IfVersion: 7})
		r.fails(err, store.ErrVersion, "Update with a wrong version and a member that does not exist")
	})
}

// testMemberOrder checks that members come in the order of their creation, however they joined.
func testMemberOrder(r *rig) {
	people := r.people(6)
	nested := r.group("nested").ID
	last := r.create("User", named("User", "last")).ID
	group := r.group("ops", last, people[4], people[1])
	for _, ids := range [][]string{{people[5], people[0]}, {nested}, {people[3], group.ID, people[2]}} {
		r.update(group.Ref, adding(ids...))
	}
	want := append(slices.Clone(people), nested, last, group.ID)
	for _, limit := range []int{1, 2, 100} {
		same(r, "the members in the order of their creation", memberIDs(r.memberships(r.Context(), r.scope, limit, group.ID)), want)
	}
	r.update(group.Ref, delta(patchRemove(people[1], people[3])))
	r.update(group.Ref, adding(people[3], people[1]))
	x := r.get(store.Ref{Type: "User", ID: people[0]})
	r.update(x.Ref, r.change(x, named("User", "zzz")))
	same(r, "the members after some left and came back", r.members(group.ID), want)
}

// testMemberPages reads several groups with pages of every size.
func testMemberPages(r *rig) {
	people := r.people(7)
	all, none, some := r.group("all", people...), r.group("none"), r.group("some", people[5], people[2])
	flat := func(list []store.Membership) (pairs []string) {
		for _, m := range list {
			pairs = append(pairs, m.Group+" has "+m.ID)
		}
		return pairs
	}
	in := func(group store.Resource, ids ...string) (list []store.Membership) {
		for _, id := range ids {
			list = append(list, store.Membership{Group: group.ID, Member: store.Member{ID: id}})
		}
		return list
	}
	for _, c := range []struct {
		groups []string
		want   []store.Membership
	}{
		{[]string{all.ID}, in(all, people...)},
		{[]string{none.ID, some.ID, "ghost", all.ID, newID()}, slices.Concat(in(some, people[2], people[5]), in(all, people...))},
		{[]string{all.ID, some.ID}, slices.Concat(in(all, people...), in(some, people[2], people[5]))},
		{[]string{none.ID, "", "'"}, nil},
		{[]string{people[0], people[1]}, nil},
		{nil, nil},
	} {
		for limit := 1; limit <= len(c.want)+1; limit++ {
			got := r.memberships(r.Context(), r.scope, limit, c.groups...)
			same(r, fmt.Sprintf("the members of %v, %d at a time", c.groups, limit), flat(got), flat(c.want))
		}
	}
}

// testMovingPages changes the members between two pages: who stays is neither left out nor there twice.
func testMovingPages(r *rig) {
	people := r.people(8)
	first, second := r.group("first", people[:6]...), r.group("second", people...)
	query := store.MemberQuery{Groups: []string{first.ID, second.ID}, Limit: 2}
	page, err := r.lister.Members(r.Context(), r.scope, query)
	r.ok(err, "Members")
	same(r, "the first page", memberIDs(page.Memberships), people[:2])
	r.update(first.Ref, delta(patch.Delta{Remove: []string{people[1], people[3]}, Add: []string{people[7]}}))
	r.remove(store.Ref{Type: "User", ID: people[0]})
	query.After, query.Limit = page.Next, 3
	page, err = r.lister.Members(r.Context(), r.scope, query)
	r.ok(err, "Members")
	same(r, "the second page", memberIDs(page.Memberships), []string{people[2], people[4], people[5]})
	r.remove(first.Ref)
	query.After, query.Limit = page.Next, 100
	page, err = r.lister.Members(r.Context(), r.scope, query)
	r.ok(err, "Members")
	same(r, "the third page, after the first group is gone", memberIDs(page.Memberships), people[1:])
	equal(r, "Next of the last page", page.Next, "")
}

// testMemberNames checks that members and groups are called what they are called today.
func testMemberNames(r *rig) {
	user, nested := r.create("User", named("User", "ann")), r.group("nested")
	group := r.group("ops")
	applied := r.update(group.Ref, adding(user.ID, nested.ID))
	check := func(userName, groupName string) {
		r.Helper()
		want := []store.Membership{{Group: group.ID, Member: store.Member{ID: user.ID, Type: "User", Display: userName}}}
		want = append(want, store.Membership{Group: group.ID, Member: store.Member{ID: nested.ID, Type: "Group", Display: "nested"}})
		same(r, "the members", r.memberships(r.Context(), r.scope, 10, group.ID), want)
		if r.grouper == nil {
			return
		}
		found, err := r.grouper.Groups(r.Context(), r.scope, []string{user.ID})
		r.ok(err, "Groups")
		same(r, "the groups", found[user.ID], []store.Group{{ID: group.ID, Type: "Group", Display: groupName}})
	}
	check("ann", "ops")
	added := map[string]store.Member{}
	for _, m := range applied.Added {
		added[m.ID] = m
	}
	equal(r, "Applied.Added of a user", added[user.ID], store.Member{ID: user.ID, Type: "User", Display: "ann"})
	equal(r, "Applied.Added of a group", added[nested.ID], store.Member{ID: nested.ID, Type: "Group", Display: "nested"})

	user = r.update(user.Ref, r.change(user, named("User", "ann").with("displayName", "Ann"))).Resource
	shown := map[bool]string{true: "Ann", false: "ann"}[r.keep == nil || r.keep["displayName"]]
	check(shown, "ops")
	user = r.update(user.Ref, r.change(user, named("User", "bea"))).Resource
	check("bea", "ops")
	r.update(group.Ref, r.change(r.get(group.Ref), named("Group", "dev")))
	check("bea", "dev")
	applied = r.update(group.Ref, delta(patchRemove(user.ID)))
	same(r, "Applied.Removed", applied.Removed, []store.Member{{ID: user.ID, Type: "User", Display: "bea"}})
}

func testGroups(r *rig) {
	people := r.people(3)
	a := r.group("a", people[0], people[1])
	b := r.group("b", people[1], a.ID)
	for _, c := range []struct {
		id   string
		want []string
	}{{people[0], []string{a.ID}}, {people[1], []string{a.ID, b.ID}}, {people[2], nil}, {a.ID, []string{b.ID}}, {b.ID, nil}, {"ghost", nil}, {newID(), nil}} {
		same(r, "the direct groups of "+c.id, r.groupsOf(c.id), sorted(c.want))
	}
	found, err := r.grouper.Groups(r.Context(), r.scope, append(people, a.ID, "ghost", people[0], ""))
	r.ok(err, "Groups of many")
	for id, want := range map[string]int{people[0]: 1, people[1]: 2, people[2]: 0, a.ID: 1, "ghost": 0, "": 0} {
		equal(r, "the number of groups of "+id, len(found[id]), want)
	}
	found, err = r.grouper.Groups(context.WithoutCancel(r.Context()), r.scope, nil)
	r.ok(err, "Groups of nobody")
	equal(r, "the groups of nobody", len(found), 0)
}

// testNestedGroups checks groups in groups, in circles and in themselves: a store follows none of them.
func testNestedGroups(r *rig) {
	a, b := r.group("a"), r.group("b")
	r.update(a.Ref, adding(b.ID, a.ID))
	r.update(b.Ref, adding(a.ID))
	same(r, "the members of a group in itself", r.members(a.ID), []string{a.ID, b.ID})
	same(r, "the members of a group in a circle", r.members(b.ID), []string{a.ID})
	if r.grouper != nil {
		same(r, "the groups of a group in itself", r.groupsOf(a.ID), sorted([]string{a.ID, b.ID}))
	}
	deleted := r.remove(a.Ref)
	equal(r, "the number of groups that lost the group, itself excepted", len(deleted.Lost), 1)
	equal(r, "the group that lost it", deleted.Lost[0].Group.ID, b.ID)
	equal(r, "the members of the other group", len(r.members(b.ID)), 0)
	r.update(b.Ref, adding(b.ID))
	equal(r, "the number of groups that lost a group that was only in itself", len(r.remove(b.Ref).Lost), 0)
}
