package storetest

import (
	"github.com/scimkit/scim/patch"
	"github.com/scimkit/scim/store"
)

var uniquenessTests = []test{
	{"of what is created", users, false, testUniqueCreate},
	{"of what is changed", users, false, testUniqueUpdate},
	{"values become free", users, false, testFreedValues},
	{"per scope", users, false, testUniquePerScope},
	{"per type", users | groups | wholeDocuments, false, testUniquePerType},
	{"of several values", users | wholeDocuments, false, testSeveralKeys},
	{"of group names where a policy says so", groups, false, testUniqueGroupNames},
}

// spellings are user names that are the same when they are folded.
var spellings = []string{"Ann@Example.test", "ann@example.test", "ANN@EXAMPLE.TEST", "\uff21nn@example.test"}

func testUniqueCreate(r *rig) {
	for _, first := range spellings {
		ref := r.create("User", named("User", first)).Ref
		r.unchanged("Creates with a userName that is taken", func() {
			for _, second := range spellings {
				_, err := r.Create(r.Context(), r.scope, r.draft("User", rich("User", "other").with("userName", second)))
				r.conflicts(err, "userName", "Create with the userName %q where %q lives", second, first)
				r.fails(err, store.ErrUniqueness, "the UniquenessError")
			}
		})
		r.remove(ref)
	}
	// What only looks alike, or is not unique, is no conflict.
	for _, name := range []string{"strasse", "straße", "ann", "anna", "ann ", "a%", "a_", "ann@example.tes", "é", "e"} {
		r.create("User", rich("User", "other").with("userName", name))
	}
}

func testUniqueUpdate(r *rig) {
	ann, bea := r.create("User", rich("User", "ann")), r.create("User", rich("User", "bea"))
	r.unchanged("Updates to a userName that is taken", func() {
		for _, name := range []string{"ann", "ANN"} {
			for _, version := range []store.Version{0, 1} {
				change := r.change(bea, rich("User", "cleo").with("userName", name))
				_, err := r.Update(r.Context(), r.scope, bea.Ref, change, store.Write{At: r.now(), IfVersion: version})
				r.conflicts(err, "userName", "Update to the userName %q of another user", name)
			}
		}
	})
	// A resource's own value is no conflict, however it is spelled.
	ann = r.update(ann.Ref, r.change(ann, rich("User", "cleo").with("userName", "ANN"))).Resource
	ann = r.update(ann.Ref, r.change(ann, rich("User", "dora").with("userName", "ANN"))).Resource
	equal(r, "the version", ann.Version, 3)
	_, err := r.Create(r.Context(), r.scope, r.draft("User", named("User", "ann")))
	r.conflicts(err, "userName", "Create with a userName that its owner spelled anew")
}

// testFreedValues checks that deleted resources hold nothing, nor does a resource hold what it had before.
func testFreedValues(r *rig) {
	ann := r.create("User", named("User", "ann"))
	r.remove(ann.Ref)
	ann = r.create("User", named("User", "Ann"))
	bea := r.create("User", named("User", "bea"))
	ann = r.update(ann.Ref, r.change(ann, named("User", "between"))).Resource
	bea = r.update(bea.Ref, r.change(bea, named("User", "ann"))).Resource
	ann = r.update(ann.Ref, r.change(ann, named("User", "bea"))).Resource
	for _, name := range []string{"ann", "bea"} {
		_, err := r.Create(r.Context(), r.scope, r.draft("User", named("User", name)))
		r.conflicts(err, "userName", "Create with the userName %q, which was swapped", name)
	}
	r.create("User", named("User", "between"))
	r.remove(bea.Ref)
	r.update(ann.Ref, r.change(ann, named("User", "ann")))
	r.create("User", named("User", "bea"))
}

func testUniquePerScope(r *rig) {
	other := *r
	other.scope = r.Scope()
	here, there := r.create("User", named("User", "ann")), other.create("User", named("User", "ann"))
	r.create("User", named("User", "bea"))
	other.update(there.Ref, other.change(there, named("User", "bea")))
	_, err := r.Update(r.Context(), r.scope, here.Ref, r.change(here, named("User", "bea")), r.write())
	r.conflicts(err, "userName", "Update to the userName of another user")
	r.remove(here.Ref)
	_, err = other.Create(r.Context(), other.scope, other.draft("User", named("User", "bea")))
	r.conflicts(err, "userName", "Create with a userName that is taken in the other scope")
	other.create("User", named("User", "ann"))
}

func testUniquePerType(r *rig) {
	keys := []store.Key{{Path: "displayName", Value: "ops"}}
	for _, typ := range []string{"User", "Group"} {
		draft := r.draft(typ, named(typ, "ops"))
		draft.Unique = keys
		_, err := r.Create(r.Context(), r.scope, draft)
		r.ok(err, "Create of a %s with a value that another type holds", typ)
		draft.ID = newID()
		_, err = r.Create(r.Context(), r.scope, draft)
		r.conflicts(err, "displayName", "Create of a %s with a value that is taken", typ)
	}
}

// testSeveralKeys checks resources with more than one unique value: each is held, and each is freed, on its own.
func testSeveralKeys(r *rig) {
	key := func(path, value string) store.Key { return store.Key{Path: path, Value: value} }
	try := func(name string, keys ...store.Key) (store.Resource, error) {
		draft := r.draft("User", named("User", name))
		draft.Unique = keys
		applied, err := r.Create(r.Context(), r.scope, draft)
		return applied.Resource, err
	}
	ann, err := try("ann", key("userName", "ann"), key("badge", "1"))
	r.ok(err, "Create with two unique values")
	_, err = try("bea", key("userName", "bea"), key("badge", "1"))
	r.conflicts(err, "badge", "Create with a second value that is taken")
	_, err = try("bea", key("userName", "ann"), key("badge", "2"))
	r.conflicts(err, "userName", "Create with a first value that is taken")
	_, err = try("cleo", key("userName", "1"), key("badge", "ann"))
	r.ok(err, "Create with the values of others under another path")
	bea, err := try("bea", key("badge", "2"))
	r.ok(err, "Create with one of the values")

	change := r.change(bea, named("User", "bee"))
	change.Unique = []store.Key{key("badge", "3"), key("userName", "ann")}
	_, err = r.Update(r.Context(), r.scope, bea.Ref, change, r.write())
	r.conflicts(err, "userName", "Update to a second value that is taken")
	_, err = try("dora", key("badge", "3"))
	r.ok(err, "Create with a value that a failed Update wanted")

	change = r.change(ann, named("User", "anna"))
	change.Unique = []store.Key{key("userName", "ann")}
	r.update(ann.Ref, change)
	_, err = try("eve", key("badge", "1"))
	r.ok(err, "Create with a value that an Update gave up")
	_, err = try("fay", key("userName", "ann"))
	r.conflicts(err, "userName", "Create with a value that an Update kept")
}

// testUniqueGroupNames does what the handler does where a connection's policy makes displayName unique for groups: the value is held
// also through changes of members, which list no unique values.
func testUniqueGroupNames(r *rig) {
	key := func(name string) []store.Key { return []store.Key{{Path: "displayName", Value: name}} }
	try := func(name string) (store.Resource, error) {
		draft := r.draft("Group", named("Group", name))
		draft.Unique = key("ops")
		applied, err := r.Create(r.Context(), r.scope, draft)
		return applied.Resource, err
	}
	group, err := try("Ops")
	r.ok(err, "Create")
	_, err = try("OPS")
	r.conflicts(err, "displayName", "Create of a group with a name that is taken")
	r.update(group.Ref, adding(group.ID))
	r.update(group.Ref, delta(patch.Delta{Clear: true}))
	_, err = try("ops")
	r.conflicts(err, "displayName", "Create of a group with the name of one whose members were changed")
	change := r.change(group, named("Group", "Dev"))
	change.Unique = key("dev")
	r.update(group.Ref, change)
	_, err = try("ops")
	r.ok(err, "Create of a group with a name that was given up")
}
