package storetest

import (
	"slices"

	"github.com/scimkit/scim/patch"
	"github.com/scimkit/scim/store"
)

var sharingTests = []test{
	{"what was returned stays", 0, true, testReturned},
	{"what was returned may be changed", users | groups, false, testReturnedLists},
	{"what was passed in may be changed", users | groups, false, testPassedIn},
}

// testReturned checks that a resource that was handed out stays what it was when the stored one changes.
func testReturned(r *rig) {
	first := r.create(r.typ, rich(r.typ, "ann"))
	page, err := r.List(r.Context(), r.scope, store.Query{Type: r.typ, Start: 1, Count: 1})
	r.ok(err, "List")
	returned := []store.Resource{first, r.get(first.Ref), page.Resources[0]}
	var before []string
	for _, x := range returned {
		before = append(before, string(x.Document.JSON())) // a document that was read once would not look at its text again
	}
	updated := r.update(first.Ref, r.change(r.get(first.Ref), rich(r.typ, "bea"))).Resource
	r.remove(first.Ref)
	for i, from := range []string{"Create", "Get", "List"} {
		equal(r, "the document that "+from+" returned, after an Update and a Delete", string(returned[i].Document.JSON()), before[i])
		equal(r, "the version that "+from+" returned, after an Update and a Delete", returned[i].Version, 1)
	}
	equal(r, "the version that Update returned, after a Delete", updated.Version, 2)
}

// testReturnedLists changes every list that the store hands out.
func testReturnedLists(r *rig) {
	people := r.people(3)
	group := r.group("ops", people...)
	other := r.group("dev", people[0])
	r.unchanged("changes of what was returned", func() {
		page, err := r.List(r.Context(), r.scope, store.Query{Type: "User", Start: 1, Count: everything})
		r.ok(err, "List")
		clear(page.Resources)
		got, err := r.lister.Members(r.Context(), r.scope, store.MemberQuery{Groups: []string{group.ID, other.ID}, Limit: 100})
		r.ok(err, "Members")
		clear(got.Memberships)
		if r.grouper != nil {
			found, err := r.grouper.Groups(r.Context(), r.scope, people)
			r.ok(err, "Groups")
			for _, list := range found {
				clear(list)
			}
			clear(found)
		}
	})
	applied := r.update(group.Ref, delta(patch.Delta{Clear: true, Add: people[2:]}))
	clear(applied.Removed)
	applied = r.update(group.Ref, adding(people...))
	clear(applied.Added)
	same(r, "the members", r.members(group.ID), people)
	deleted := r.remove(store.Ref{Type: "User", ID: people[0]})
	clear(deleted.Lost)
	same(r, "the members of one group", r.members(group.ID), people[1:])
	equal(r, "the number of members of the other group", len(r.members(other.ID)), 0)
}

// testPassedIn changes every list that the store was given: they belong to the caller.
func testPassedIn(r *rig) {
	people := r.people(4)
	draft := r.draft("Group", named("Group", "ops"), slices.Clone(people[:2])...)
	draft.Unique = []store.Key{{Path: "displayName", Value: "ops"}}
	applied, err := r.Create(r.Context(), r.scope, draft)
	r.ok(err, "Create")
	group := applied.Resource
	clear(draft.Members)
	draft.Unique[0].Value = "other"
	same(r, "the members after the draft was changed", r.members(group.ID), people[:2])

	change := r.change(group, named("Group", "dev"))
	change.Unique = []store.Key{{Path: "displayName", Value: "dev"}}
	change.Members = patch.Delta{Remove: slices.Clone(people[:1]), Add: slices.Clone(people[2:])}
	want := r.update(group.Ref, change).Resource
	for _, c := range change.Changes {
		for _, raw := range [][]byte{c.Before, c.After} {
			for i := range raw {
				raw[i] = 'x'
			}
		}
	}
	clear(change.Changes)
	clear(change.Members.Remove)
	clear(change.Members.Add)
	change.Unique[0].Value = "another"
	same(r, "the members after the change set was changed", r.members(group.ID), people[1:])
	equal(r, "the group after the change set was changed", r.describe(r.get(group.Ref)), r.describe(want))

	again := r.draft("Group", named("Group", "Dev"))
	again.Unique = []store.Key{{Path: "displayName", Value: "dev"}}
	_, err = r.Create(r.Context(), r.scope, again)
	r.conflicts(err, "displayName", "Create with a value that was passed in before")
}
