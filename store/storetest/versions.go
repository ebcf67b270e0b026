package storetest

import (
	"fmt"

	"github.com/scimkit/scim/patch"
	"github.com/scimkit/scim/store"
)

var versionTests = []test{
	{"count changes", 0, true, testVersions},
	{"guard writes", 0, true, testGuards},
	{"nothing to change", 0, true, testNoChange},
	{"no members to change", users | groups, false, testNoMemberChange},
	{"members and attributes are one change", users | groups, false, testOneStep},
}

func testVersions(r *rig) {
	last, other := r.create(r.typ, named(r.typ, "ann")), r.create(r.typ, named(r.typ, "bea"))
	for n := range 5 {
		last = r.update(last.Ref, r.change(last, named(r.typ, fmt.Sprint("name ", n)))).Resource
		equal(r, "the version after an Update", last.Version, store.Version(n+2))
		equal(r, "the version that Get finds", r.get(last.Ref).Version, last.Version)
	}
	equal(r, "the version of a resource that was not changed", r.get(other.Ref).Version, 1)
	r.remove(last.Ref)
	equal(r, "the version of a new resource with the name of a deleted one", r.create(r.typ, named(r.typ, "name 4")).Version, 1)
}

// testGuards checks IfVersion: another version refuses the write, the right one lets it pass.
func testGuards(r *rig) {
	last := r.create(r.typ, named(r.typ, "ann"))
	for n := range 3 {
		r.unchanged("writes with a wrong IfVersion", func() {
			for _, wrong := range []store.Version{last.Version - 1, last.Version + 1, -1, -last.Version, last.Version << 32, 1 << 62} {
				if wrong == 0 {
					continue
				}
				w := store.Write{At: r.now(), IfVersion: wrong}
				_, err := r.Update(r.Context(), r.scope, last.Ref, r.change(last, named(r.typ, "bea")), w)
				r.fails(err, store.ErrVersion, "Update of version %d with IfVersion %d", last.Version, wrong)
				_, err = r.Update(r.Context(), r.scope, last.Ref, patch.ChangeSet{After: last.Document}, w)
				r.fails(err, store.ErrVersion, "Update of version %d with IfVersion %d that changes nothing", last.Version, wrong)
				_, err = r.Delete(r.Context(), r.scope, last.Ref, w)
				r.fails(err, store.ErrVersion, "Delete of version %d with IfVersion %d", last.Version, wrong)
			}
		})
		change := r.change(last, named(r.typ, fmt.Sprint("name ", n)))
		applied, err := r.Update(r.Context(), r.scope, last.Ref, change, store.Write{At: r.now(), IfVersion: last.Version})
		r.ok(err, "Update with the right IfVersion")
		equal(r, "the version afterwards", applied.Resource.Version, last.Version+1)
		last = applied.Resource
	}
	_, err := r.Delete(r.Context(), r.scope, last.Ref, store.Write{At: r.now(), IfVersion: last.Version})
	r.ok(err, "Delete with the right IfVersion")
	r.gone(last.Ref, "what was deleted")
}

// testNoChange checks that a change set without changes moves neither version nor time.
func testNoChange(r *rig) {
	last := r.create(r.typ, rich(r.typ, "ann"))
	for n := range 2 {
		r.unchanged("an Update without changes", func() {
			for _, version := range []store.Version{0, last.Version} {
				change := r.change(last, rich(r.typ, "ann"))
				change.Changes = nil // of attributes that the store loses
				applied, err := r.Update(r.Context(), r.scope, last.Ref, change, store.Write{At: r.now(), IfVersion: version})
				r.ok(err, "Update without changes")
				equal(r, "Applied.Changed of an Update without changes", applied.Changed, false)
				equal(r, "Applied.Resource of an Update without changes", r.describe(applied.Resource), r.describe(last))
			}
		})
		last = r.update(last.Ref, r.change(last, rich(r.typ, fmt.Sprint("bea", n)))).Resource
		last = r.update(last.Ref, r.change(last, rich(r.typ, "ann"))).Resource
	}
}

func testNoMemberChange(r *rig) {
	people := r.people(3)
	group := r.group("ops", people[0], people[1])
	r.unchanged("deltas that are as good as none", func() {
		for _, d := range []patch.Delta{
			{}, {Add: people[:1]}, {Add: []string{people[1], people[0]}}, {Remove: people[2:]}, {Remove: []string{newID(), "ghost", ""}},
			{Clear: true, Add: []string{people[1], people[0]}}, {Add: people[:1], Remove: people[2:]},
		} {
			applied := r.update(group.Ref, delta(d))
			equal(r, fmt.Sprintf("Applied.Changed of %+v", d), applied.Changed, false)
			equal(r, fmt.Sprintf("the members that %+v adds and removes", d), len(applied.Added)+len(applied.Removed), 0)
			equal(r, fmt.Sprintf("the group after %+v", d), r.describe(applied.Resource), r.describe(group))
		}
	})
}

// testOneStep checks that attributes and members move the version by one step together, and each of them alone by one.
func testOneStep(r *rig) {
	people := r.people(2)
	group := r.group("ops")
	both := r.change(group, named("Group", "dev"))
	both.Members.Add = people
	for i, change := range []patch.ChangeSet{both, delta(patch.Delta{Remove: people}), adding(people...)} {
		applied := r.update(group.Ref, change)
		equal(r, "Applied.Changed", applied.Changed, true)
		equal(r, fmt.Sprintf("the version after %d changes", i+1), applied.Resource.Version, store.Version(i+2))
		equal(r, "what Get finds", r.describe(r.get(group.Ref)), r.describe(applied.Resource))
		equal(r, "the number of members that came and went", len(applied.Added)+len(applied.Removed), 2)
	}
	same(r, "the members", r.members(group.ID), people)
}
