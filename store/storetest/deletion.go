package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/scimkit/scim/store"
)

var deletionTests = []test{
	{"of members", users | groups, false, testDeleteMember},
	{"of groups", users | groups, false, testDeleteGroup},
	{"of who is in many groups", users | groups, false, testDeleteInManyGroups},
}

// testDeleteMember checks that whoever is deleted leaves their groups, which learn of it, and that no other group does.
func testDeleteMember(r *rig) {
	people := r.people(3)
	a, b, c := r.group("a", people[0], people[1]), r.group("b", people[1]), r.group("c", people[0])
	c = r.update(c.Ref, adding(a.ID)).Resource
	user := r.get(store.Ref{Type: "User", ID: people[0]})
	w := r.write()
	deleted, err := r.Delete(r.Context(), r.scope, user.Ref, w)
	r.ok(err, "Delete")
	equal(r, "Deleted.Resource", r.describe(deleted.Resource), r.describe(user))
	r.losses(deleted.Lost, []store.Resource{a, c}, store.Member{ID: user.ID, Type: "User", Display: "user-000"}, w.At)
	same(r, "the members of one group", r.members(a.ID), people[1:2])
	same(r, "the members of the other group", r.members(c.ID), []string{a.ID})
	same(r, "the members of a group that is not concerned", r.members(b.ID), people[1:2])
	equal(r, "a group that is not concerned", r.describe(r.get(b.Ref)), r.describe(b))
	if r.grouper != nil {
		same(r, "the groups of who was deleted", r.groupsOf(user.ID), nil)
		same(r, "the groups of another member", r.groupsOf(people[1]), sorted([]string{a.ID, b.ID}))
	}
	_, err = r.Update(r.Context(), r.scope, a.Ref, adding(user.ID), r.write())
	r.unknown(err, []string{user.ID}, "Update that adds who was deleted")
}

// losses checks Deleted.Lost against the groups as they were.
func (r *rig) losses(lost []store.Loss, groups []store.Resource, member store.Member, at time.Time) {
	r.Helper()
	byID := func(a, b store.Loss) int { return strings.Compare(a.Group.ID, b.Group.ID) }
	lost = slices.SortedFunc(slices.Values(lost), byID)
	groups = slices.SortedFunc(slices.Values(groups), func(a, b store.Resource) int { return strings.Compare(a.ID, b.ID) })
	equal(r, "the number of groups that lost the member", len(lost), len(groups))
	for i, loss := range lost {
		before := groups[i]
		equal(r, "Loss.Before", r.describe(loss.Before), r.describe(before))
		equal(r, "Loss.Member", loss.Member, member)
		equal(r, "the version in Loss.Group", loss.Group.Version, before.Version+1)
		modified := at
		if !at.After(before.LastModified) {
			modified = before.LastModified.Add(time.Microsecond)
		}
		r.instant("LastModified in Loss.Group", loss.Group.LastModified, modified)
		equal(r, "what Get finds of a group that lost the member", r.describe(r.get(before.Ref)), r.describe(loss.Group))
		want := before
		want.Version, want.LastModified = loss.Group.Version, loss.Group.LastModified
		equal(r, "the rest of Loss.Group", r.describe(loss.Group), r.describe(want))
	}
}

// testDeleteGroup checks that a deleted group lets its members go, who are not changed by it.
func testDeleteGroup(r *rig) {
	people := r.people(2)
	a, b := r.group("a", people...), r.group("b", people[1])
	outer := r.group("outer", a.ID, people[0])
	a = r.update(a.Ref, adding(a.ID, b.ID)).Resource // in itself, too
	w := r.write()
	deleted, err := r.Delete(r.Context(), r.scope, a.Ref, w)
	r.ok(err, "Delete")
	equal(r, "Deleted.Resource", r.describe(deleted.Resource), r.describe(a))
	r.losses(deleted.Lost, []store.Resource{outer}, store.Member{ID: a.ID, Type: "Group", Display: "a"}, w.At)
	equal(r, "the number of members of a deleted group", len(r.members(a.ID)), 0)
	same(r, "the members of the outer group", r.members(outer.ID), people[:1])
	same(r, "the members of the inner group", r.members(b.ID), people[1:])
	equal(r, "the inner group", r.describe(r.get(b.Ref)), r.describe(b))
	for _, id := range people {
		equal(r, "the version of a member of a deleted group", r.get(store.Ref{Type: "User", ID: id}).Version, 1)
	}
	if r.grouper != nil {
		same(r, "the groups of one member", r.groupsOf(people[0]), []string{outer.ID})
		same(r, "the groups of the other member", r.groupsOf(people[1]), []string{b.ID})
		same(r, "the groups of the inner group", r.groupsOf(b.ID), nil)
	}
	again := r.group("a")
	equal(r, "the number of members of a new group with the name of a deleted one", len(r.members(again.ID)), 0)
}

// testDeleteInManyGroups checks that times go on in every group, each by its own.
func testDeleteInManyGroups(r *rig) {
	people := r.people(2)
	user := r.get(store.Ref{Type: "User", ID: people[0]})
	var groups []store.Resource
	for n := range 40 {
		group := r.group(fmt.Sprint("group ", n), people...)
		for range n % 3 {
			group = r.update(group.Ref, r.change(group, named("Group", fmt.Sprint("group ", n, " v", group.Version)))).Resource
		}
		groups = append(groups, group)
	}
	at := groups[20].LastModified // the caller's clock is behind the times of half of the groups
	deleted, err := r.Delete(r.Context(), r.scope, user.Ref, store.Write{At: at})
	r.ok(err, "Delete")
	r.losses(deleted.Lost, groups, store.Member{ID: user.ID, Type: "User", Display: "user-000"}, at)
	for _, group := range groups {
		same(r, "the members of a group", r.members(group.ID), people[1:])
	}
}
