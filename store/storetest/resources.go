package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/scimkit/scim/store"
)

var resourceTests = []test{
	{"live and die", 0, true, testLife},
	{"documents are kept", 0, true, testDocuments},
	{"ids are opaque", 0, true, testIDs},
	{"ids are used once", 0, false, testUsedIDs},
	{"ids are the caller's", mintedOutside, true, testCallersIDs},
	{"who is not found", 0, true, testNotFound},
	{"other types are not found", users | groups, false, testOtherTypes},
	{"times", 0, true, testTimes},
	{"time goes on", 0, true, testTimeGoesOn},
}

func testLife(r *rig) {
	draft := r.draft(r.typ, rich(r.typ, "ann"))
	created, err := r.Create(r.Context(), r.scope, draft)
	r.ok(err, "Create")
	ref := created.Resource.Ref
	equal(r, "Applied.Changed of a Create", created.Changed, true)
	equal(r, "the members that the Create of a resource without members added", len(created.Added)+len(created.Removed), 0)
	equal(r, "the type of what was created", ref.Type, r.typ)
	equal(r, "the version of what was created", created.Resource.Version, 1)
	equal(r, "what Get finds", r.describe(r.get(ref)), r.describe(created.Resource))

	other := r.create(r.typ, rich(r.typ, "bea"))
	changed, err := r.Update(r.Context(), r.scope, ref, r.change(created.Resource, rich(r.typ, "cleo")), r.write())
	r.ok(err, "Update")
	equal(r, "Applied.Changed of an Update", changed.Changed, true)
	equal(r, "the resource that was updated", changed.Resource.Ref, ref)
	equal(r, "the version after an Update", changed.Resource.Version, 2)
	equal(r, "what Get finds after an Update", r.describe(r.get(ref)), r.describe(changed.Resource))
	equal(r, "what Get finds of another resource after an Update", r.describe(r.get(other.Ref)), r.describe(other))

	deleted, err := r.Delete(r.Context(), r.scope, ref, r.write())
	r.ok(err, "Delete")
	equal(r, "Deleted.Resource, which is as it was", r.describe(deleted.Resource), r.describe(changed.Resource))
	equal(r, "the groups that lost a member that had no groups", len(deleted.Lost), 0)
	r.gone(ref, "what was deleted")
	_, err = r.Delete(r.Context(), r.scope, ref, r.write())
	r.fails(err, store.ErrNotFound, "the second Delete")
	same(r, "what is left", r.all(r.typ), []string{other.ID})
}

// testDocuments checks that attributes come back as they went in, through Create and Update, and are cleared by an Update.
func testDocuments(r *rig) {
	steps := []attributes{
		rich(r.typ, "ann"), named(r.typ, "ann"), rich(r.typ, "bea"), named(r.typ, "O'Brien \"Bea\"").with("externalId", "x"), named(r.typ, "bea"),
	}
	var last store.Resource
	for i, a := range steps {
		want := typeNamed(r.typ).Document(r.input(r.typ, a).Tree)
		if i == 0 {
			last = r.create(r.typ, a)
		} else {
			last = r.update(last.Ref, r.change(last, a)).Resource
		}
		if got := r.get(last.Ref).Document; !r.kept(r.typ, got).Equal(r.kept(r.typ, want)) {
			r.Fatalf("the document after %d writes is\n%s\nwant\n%s", i+1, r.text(r.typ, got), r.text(r.typ, want))
		}
		page, err := r.List(r.Context(), r.scope, store.Query{Type: r.typ, Start: 1, Count: 1})
		r.ok(err, "List")
		equal(r, "the resources on a page", len(page.Resources), 1)
		equal(r, "what List finds", r.describe(page.Resources[0]), r.describe(last))
	}
}

// oddIDs are ids that nobody has, and that clients send nevertheless.
func oddIDs() []string {
	return []string{
		"", " ", "0", "-1", "x", "null", "%", "_", "*", "' OR '1'='1", `\`, `"`, "é", "\U0001F469", "99999999999999999999999999",
		"00000000-0000-0000-0000-000000000000", strings.Repeat("x", 8<<10), newID(),
	}
}

// testIDs checks that ids are compared byte by byte, and that no text is an error of the database's.
func testIDs(r *rig) {
	ref := r.create(r.typ, named(r.typ, "ann")).Ref
	id := ref.ID
	odd := append(oddIDs(), " "+id, id+" ", "+"+id, "0"+id, id+".0", "{"+id+"}", strings.ReplaceAll(id, "-", "")+"!", id+"\n")
	for _, spelled := range []string{strings.ToUpper(id), strings.ToLower(id), strings.ReplaceAll(id, "-", "")} {
		if spelled != id {
			odd = append(odd, spelled)
		}
	}
	r.unchanged("reads and writes of resources that do not exist", func() {
		for _, id := range odd {
			other := store.Ref{Type: r.typ, ID: id}
			_, err := r.Get(r.Context(), r.scope, other)
			r.fails(err, store.ErrNotFound, "Get of the id %.50q", id)
			_, err = r.Update(r.Context(), r.scope, other, r.change(r.get(ref), named(r.typ, "bea")), r.write())
			r.fails(err, store.ErrNotFound, "Update of the id %.50q", id)
			_, err = r.Delete(r.Context(), r.scope, other, r.write())
			r.fails(err, store.ErrNotFound, "Delete of the id %.50q", id)
		}
	})
}

// testUsedIDs checks that no resource gets an id that another one has or had, of whatever type.
func testUsedIDs(r *rig) {
	used := map[string]bool{}
	for round := range 3 {
		var list []store.Resource
		for n := range 4 {
			typ := r.Types[n%len(r.Types)]
			x := r.create(typ, named(typ, fmt.Sprint("name ", n)))
			if used[x.ID] {
				r.Fatalf("a new %s has the id %s, which was used before", typ, x.ID)
			}
			used[x.ID] = true
			list = append(list, x)
		}
		for i := range list {
			if x := list[len(list)-1-i]; i < 2 || round%2 == 0 {
				r.remove(x.Ref)
			} else {
				r.update(x.Ref, r.change(x, named(x.Type, fmt.Sprint("kept ", round, i))))
			}
		}
	}
}

func testCallersIDs(r *rig) {
	for n := range 3 {
		draft := r.draft(r.typ, named(r.typ, fmt.Sprint("name ", n)))
		applied, err := r.Create(r.Context(), r.scope, draft)
		r.ok(err, "Create")
		equal(r, "the id of what was created", applied.Resource.Ref, draft.Ref)
	}
}

// answers returns what the store says to reads and writes of a resource that does not exist, whatever version they name.
func (r *rig) answers(ref store.Ref, sample store.Resource) []string {
	r.Helper()
	ctx, scope := r.Context(), r.scope
	var list []string
	note := func(err error) {
		r.Helper()
		r.fails(err, store.ErrNotFound, "a call for the resource %v, which does not exist", ref)
		list = append(list, strings.ReplaceAll(err.Error(), ref.ID, "ID"))
	}
	_, err := r.Get(ctx, scope, ref)
	note(err)
	for _, version := range []store.Version{0, 1, 2} {
		w := store.Write{At: r.now(), IfVersion: version}
		_, err = r.Update(ctx, scope, ref, r.change(sample, named(r.typ, "changed")), w)
		note(err)
		_, err = r.Delete(ctx, scope, ref, w)
		note(err)
	}
	return list
}

// testNotFound checks that a caller cannot tell why a resource is not found.
func testNotFound(r *rig) {
	other := *r
	other.scope = r.Scope()
	there, elsewhere := r.create(r.typ, named(r.typ, "ann")), other.create(r.typ, named(r.typ, "bea"))
	deleted := r.create(r.typ, named(r.typ, "cleo"))
	r.remove(deleted.Ref)

	never := r.answers(store.Ref{Type: r.typ, ID: newID()}, there)
	same(r, "the answers for a deleted resource", r.answers(deleted.Ref, there), never)
	if elsewhere.ID != there.ID { // ids are unique in a scope only
		same(r, "the answers for a resource of another scope", r.answers(elsewhere.Ref, there), never)
	}
	equal(r, "the resource of the other scope", r.describe(other.get(elsewhere.Ref)), r.describe(elsewhere))
}

func testOtherTypes(r *rig) {
	user, group := r.create("User", named("User", "ann")), r.group("ops")
	never := r.answers(store.Ref{Type: "User", ID: newID()}, user)
	same(r, "the answers for a group asked for as a user", r.answers(store.Ref{Type: "User", ID: group.ID}, user), never)
	r.typ = "Group"
	never = r.answers(store.Ref{Type: "Group", ID: newID()}, group)
	same(r, "the answers for a user asked for as a group", r.answers(store.Ref{Type: "Group", ID: user.ID}, group), never)
	equal(r, "the user", r.describe(r.get(user.Ref)), r.describe(user))
	equal(r, "the group", r.describe(r.get(group.Ref)), r.describe(group))
}

// instant ends the test unless a time is another one, in UTC.
func (r *rig) instant(what string, got, want time.Time) {
	r.Helper()
	if !got.Equal(want) {
		r.Fatalf("%s is %s, want %s", what, got.Format(time.RFC3339Nano), want.Format(time.RFC3339Nano))
	}
	if got.Location() != time.UTC {
		r.Fatalf("%s is in the time zone %s, want UTC", what, got.Location())
	}
}

// testTimes checks that times keep their microseconds, through every call that returns them.
func testTimes(r *rig) {
	for _, at := range []time.Time{
		start.Add(1 * time.Microsecond), start.Add(999999 * time.Microsecond), time.Date(2024, 2, 29, 23, 59, 59, 999999000, time.UTC),
		time.Date(2038, 1, 19, 3, 14, 8, 1000, time.UTC), time.Date(2026, 7, 1, 0, 30, 0, 10000, time.FixedZone("east", 2*60*60)),
	} {
		draft := r.draft(r.typ, named(r.typ, at.Format("150405.000000")))
		draft.At = at
		created, err := r.Create(r.Context(), r.scope, draft)
		r.ok(err, "Create at %s", at)
		ref := created.Resource.Ref
		later := at.Add(90*time.Minute + 7*time.Microsecond)
		check := func(what string, got store.Resource, modified time.Time) {
			r.Helper()
			r.instant("Created "+what, got.Created, at)
			r.instant("LastModified "+what, got.LastModified, modified)
		}
		check("after Create", created.Resource, at)
		check("from Get", r.get(ref), at)
		change := r.change(created.Resource, named(r.typ, "at "+at.Format("150405.000000")))
		updated, err := r.Update(r.Context(), r.scope, ref, change, store.Write{At: later})
		r.ok(err, "Update at %s", later)
		check("after Update", updated.Resource, later)
		check("from Get after Update", r.get(ref), later)
		page, err := r.List(r.Context(), r.scope, store.Query{Type: r.typ, Start: 1, Count: 1})
		r.ok(err, "List")
		check("from List", page.Resources[0], later)
		check("from Delete", r.remove(ref).Resource, later)
	}
}

// testTimeGoesOn checks that LastModified moves by a microsecond at least, whatever the caller's clock says.
func testTimeGoesOn(r *rig) {
	at := func(n int) time.Time { return start.Add(time.Duration(n) * time.Microsecond) }
	draft := r.draft(r.typ, named(r.typ, "ann"))
	draft.At = at(100)
	created, err := r.Create(r.Context(), r.scope, draft)
	r.ok(err, "Create")
	last := created.Resource
	for i, c := range []struct{ at, want int }{{100, 101}, {50, 102}, {-3600_000_000, 103}, {103, 104}, {105, 105}, {1000, 1000}, {1000, 1001}} {
		applied, err := r.Update(r.Context(), r.scope, last.Ref, r.change(last, named(r.typ, fmt.Sprint("name ", i))), store.Write{At: at(c.at)})
		r.ok(err, "Update")
		r.instant(fmt.Sprintf("LastModified after an Update %d µs after the last one", c.at-int(last.LastModified.Sub(start)/time.Microsecond)),
			applied.Resource.LastModified, at(c.want))
		r.instant("Created after an Update", applied.Resource.Created, at(100))
		last = applied.Resource
		equal(r, "what Get finds", r.describe(r.get(last.Ref)), r.describe(last))
	}
}
