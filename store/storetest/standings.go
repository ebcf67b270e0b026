package storetest

import (
	"fmt"
	"strings"

	"github.com/scimkit/scim/store"
)

var standingTests = []test{
	{"attribute mappings are kept", standings, false, testMappings},
	{"role assignments are kept in order", standings, false, testAssignments},
	{"role assignments are replaced", standings, false, testAssignmentChanges},
	{"grants are kept in order", standings, false, testGrants},
	{"grants are replaced", standings, false, testGrantChanges},
	{"texts are kept", standings, false, testStandingTexts},
	{"who was granted what", standings, false, testGranted},
	{"pages of members", standings, false, testGrantedPages},
	{"tombstones are kept", standings, false, testTombstones},
	{"tombstones are found by either name", standings, false, testTombstoneNames},
	{"the latest tombstones come first", standings, false, testTombstoneOrder},
	{"tombstones are replaced", standings, false, testTombstoneChanges},
	{"tombstones are forgotten", standings, false, testForgetTombstones},
	{"needs a scope", standings, false, testStandingScope},
	{"is of one scope", standings, false, testStandingsApart},
	{"what was passed in or returned may be changed", standings, false, testSharedStanding},
	{"one of many writes wins", standings, false, testOneStanding},
	{"many members are written at once", standings, false, testManyStandings},
	{"is seen as a whole", standings, false, testWholeStanding},
	{"is purged", standings | purging, false, testPurgedStanding},
}

// grantSources are all there are, in order.
var grantSources = []store.GrantSource{
	store.SourceAttribute, store.SourceConnection, store.SourceDirect, store.SourceDomain, store.SourceGroup,
}

func byGroup(role, group string) store.Grant {
	return store.Grant{Role: role, Source: store.SourceGroup, Group: group}
}

func gives(group, role string) store.RoleAssignment {
	return store.RoleAssignment{Group: group, Role: role}
}

func direct(role string) store.Grant { return store.Grant{Role: role, Source: store.SourceDirect} }

func (r *rig) putMapping(mapping string) {
	r.Helper()
	r.ok(r.known.PutAttributeMapping(r.Context(), r.scope, mapping), "PutAttributeMapping")
}

// mapped ends the test unless a scope has that attribute mapping.
func (r *rig) mapped(what, want string) {
	r.Helper()
	got, err := r.known.AttributeMapping(r.Context(), r.scope)
	r.ok(err, "AttributeMapping")
	equal(r, "the attribute mapping "+what, got, want)
}

func (r *rig) assign(list ...store.RoleAssignment) {
	r.Helper()
	r.ok(r.known.PutRoleAssignments(r.Context(), r.scope, list), "PutRoleAssignments of %v", list)
}

// assigned ends the test unless these are the assignments, in this order.
func (r *rig) assigned(what string, want ...store.RoleAssignment) {
	r.Helper()
	got, err := r.known.RoleAssignments(r.Context(), r.scope)
	r.ok(err, "RoleAssignments")
	same(r, "the assignments "+what, got, want)
}

func (r *rig) grant(member string, grants ...store.Grant) {
	r.Helper()
	r.ok(r.known.PutGrants(r.Context(), r.scope, member, grants), "PutGrants of %v to %s", grants, member)
}

// grants ends the test unless members have these grants, in this order, and nobody else is in the answer.
func (r *rig) grants(what string, members []string, want map[string][]store.Grant) {
	r.Helper()
	got, err := r.known.Grants(r.Context(), r.scope, members...)
	r.ok(err, "Grants of %v", members)
	for member, grants := range got {
		if _, ok := want[member]; !ok {
			r.Fatalf("Grants of %v %s: %s is in the answer, with %v", members, what, member, grants)
		}
	}
	for member, grants := range want {
		same(r, fmt.Sprintf("the grants of %s %s", member, what), got[member], grants)
	}
}

// granted ends the test unless a query finds these members, in this order.
func (r *rig) granted(what string, query store.GrantQuery, want ...string) {
	r.Helper()
	got, err := r.known.Granted(r.Context(), r.scope, query)
	r.ok(err, "Granted of %+v", query)
	same(r, fmt.Sprintf("the members %s, of %+v", what, query), got, want)
}

// testMappings checks that a mapping comes back letter by letter, is replaced, and is gone when an empty one is put.
func testMappings(r *rig) {
	r.mapped("of a scope that has none", "")
	r.putMapping("")
	r.mapped("after an empty one", "")
	for _, mapping := range []string{
		`{"a":1}`, `{"long":"` + strings.Repeat("x", 100_000) + `"}`,
		"{ \"a\" : [ 1.50, \"\\u0041\" ],\n \"a\": null}", `{"straße":"🚀 ' % _ \u2028"}`, "[]", `{}`,
	} {
		r.putMapping(mapping)
		r.mapped("that was put", mapping)
	}
	for range 2 {
		r.putMapping("")
		r.mapped("that was removed", "")
	}
	r.putMapping(`{"b":2}`)
	r.mapped("that came after one was removed", `{"b":2}`)
}

func testAssignments(r *rig) {
	r.assigned("of a scope that has none")
	want := []store.RoleAssignment{
		gives("a", "owner"), gives("a", "viewer"), gives("b", "editor"), gives("b", "owner"), gives("c", "a"), gives("c", "b"), gives("d", "viewer"),
	}
	for _, order := range [][]int{{6, 5, 4, 3, 2, 1, 0}, {3, 0, 6, 1, 5, 4, 2}, {0, 1, 2, 3, 4, 5, 6}} {
		list := make([]store.RoleAssignment, len(order))
		for i, n := range order {
			list[i] = want[n]
		}
		r.assign(list...)
		r.assigned("that were put in another order", want...)
	}
}

// testAssignmentChanges checks that nothing is left of the assignments before, and that those that are repeated count once.
func testAssignmentChanges(r *rig) {
	a, b, c := gives("a", "x"), gives("a", "y"), gives("b", "x")
	for _, list := range [][]store.RoleAssignment{{a, b}, {b, c}, {}, {c}, {a}, {a, b, c}, nil, {b}} {
		r.assign(list...)
		r.assigned("that were replaced", list...)
	}
	r.assign(c, b, c, b, c)
	r.assigned("some of which were repeated", b, c)
}

func testGrants(r *rig) {
	r.grants("in a scope that has none", []string{"ann", "bea"}, nil)
	r.grants("of nobody", nil, nil)
	want := []store.Grant{direct("a"), {Role: "b", Source: store.SourceAttribute}}
	for _, source := range grantSources[1:] {
		grant := store.Grant{Role: "b", Source: source}
		if source == store.SourceGroup {
			grant.Group = "1"
		}
		want = append(want, grant)
	}
	want = append(want, byGroup("b", "2"), byGroup("b", "3"), store.Grant{Role: "c", Source: store.SourceAttribute}, byGroup("c", "1"))
	for _, order := range [][]int{{9, 8, 7, 6, 5, 4, 3, 2, 1, 0}, {4, 7, 0, 9, 3, 8, 5, 1, 6, 2}} {
		list := make([]store.Grant, len(order))
		for i, n := range order {
			list[i] = want[n]
		}
		r.grant("ann", list...)
		r.grants("that were put in another order", []string{"ann"}, map[string][]store.Grant{"ann": want})
	}
	bea := []store.Grant{direct("z")}
	r.grant("bea", bea...)
	r.grant("cleo", bea...)
	r.grants("of two members", []string{"bea", "nobody", "", "ann", "bea"}, map[string][]store.Grant{"ann": want, "bea": bea})
	r.grants("of nobody", []string{"nobody"}, nil)
	r.grants("of nobody", nil, nil)
}

// testGrantChanges checks that nothing is left of a member's grants before, and that those of others stay.
func testGrantChanges(r *rig) {
	a, b, c := direct("a"), store.Grant{Role: "a", Source: store.SourceAttribute}, byGroup("b", "g")
	d := byGroup("b", "h")
	r.grant("bea", a, c)
	all := []string{"ann", "bea"}
	for _, list := range [][]store.Grant{{b, a}, {a, c}, {c, d}, {}, {d}, {b, a, c, d}, nil, {c}} {
		r.grant("ann", list...)
		want := map[string][]store.Grant{"bea": {a, c}}
		if len(list) > 0 {
			want["ann"] = list
		}
		r.grants("that were replaced", all, want)
	}
	r.grant("ann", d, c, d, c)
	r.grants("some of which were repeated", all, map[string][]store.Grant{"ann": {c, d}, "bea": {a, c}})
}

// testStandingTexts checks that texts are compared letter by letter, and come back as they were.
func testStandingTexts(r *rig) {
	for _, text := range []string{
		"Role", "role", "role ", " role", "rôle", "ro\u0302le", "'; --", `"\u0041\\`, "a,b|c", "%", "_", "<&>\u2028", "🚀", "a\tb\r\n",
	} {
		member := "member " + text
		r.assign(gives(text, text))
		r.assigned("with "+text, gives(text, text))
		r.grant(member, byGroup(text, text), direct(text))
		want := map[string][]store.Grant{member: {direct(text), byGroup(text, text)}}
		r.grants("with "+text, []string{member}, want)
		r.granted("of a group", store.GrantQuery{Source: store.SourceGroup, Group: text, Limit: 100}, member)
		stone := r.stone(member, "external "+text, "user "+text)
		r.bury(stone)
		r.buried("with "+text, stone.ExternalID, "", stone)
		r.buried("with "+text, "", stone.UserName, stone)
	}
	r.assign(gives("g", "Role"), gives("G", "role"))
	list, err := r.known.RoleAssignments(r.Context(), r.scope)
	r.ok(err, "RoleAssignments")
	equal(r, "the number of assignments that differ in case", len(list), 2)
}

// testGranted checks what the source and the group of a query select, and that whoever has several such grants comes once.
func testGranted(r *rig) {
	all := func(source store.GrantSource, group string) store.GrantQuery {
		return store.GrantQuery{Source: source, Group: group, Limit: everything}
	}
	r.granted("in a scope that has none", all(store.SourceDirect, ""))
	r.granted("in a scope that has none", all(store.SourceGroup, "g1"))
	attribute := store.Grant{Role: "x", Source: store.SourceAttribute}
	r.grant("dora", direct("x"), direct("y"), direct("z"))
	r.grant("bea", byGroup("x", "g1"), byGroup("y", "g1"), byGroup("x", "g2"))
	r.grant("cleo", direct("x"), attribute, byGroup("x", "g2"))
	r.grant("ann", byGroup("z", "g1"), direct("z"))
	r.granted("who were granted it by the host", all(store.SourceDirect, ""), "ann", "cleo", "dora")
	r.granted("who were granted it for an attribute", all(store.SourceAttribute, ""), "cleo")
	r.granted("who were granted it for a domain", all(store.SourceDomain, ""))
	r.granted("of any group", all(store.SourceGroup, ""), "ann", "bea", "cleo")
	r.granted("of a group", all(store.SourceGroup, "g1"), "ann", "bea")
	r.granted("of a group", all(store.SourceGroup, "g2"), "bea", "cleo")
	r.granted("of no group", all(store.SourceGroup, "g"))
	r.grant("ann", direct("z"))
	r.grant("dora")
	r.granted("who are left", all(store.SourceDirect, ""), "ann", "cleo")
	r.granted("of a group that one has left", all(store.SourceGroup, "g1"), "bea")
}

func testGrantedPages(r *rig) {
	var ids []string
	for n := range 11 {
		ids = append(ids, fmt.Sprintf("member-%02d", n))
	}
	for _, n := range []int{7, 2, 10, 0, 5, 9, 1, 3, 8, 6, 4} {
		r.grant(ids[n], byGroup("x", "g"), byGroup("y", "g"), byGroup("y", "h"), direct("x"))
	}
	r.grant("member-04x", store.Grant{Role: "x", Source: store.SourceAttribute})
	for _, query := range []store.GrantQuery{{Source: store.SourceGroup, Group: "g"}, {Source: store.SourceGroup}, {Source: store.SourceDirect}} {
		for _, query.Limit = range []int{1, 3, 11, 12} {
			var got []string
			query.After = ""
			for range ids {
				page, err := r.known.Granted(r.Context(), r.scope, query)
				r.ok(err, "Granted of %+v", query)
				equal(r, "the size of a page", len(page), min(query.Limit, len(ids)-len(got)))
				if got = append(got, page...); len(got) == len(ids) {
					break
				}
				query.After = page[len(page)-1]
			}
			same(r, "the members on all pages", got, ids)
			query.After = ids[len(ids)-1]
			r.granted("after the last one", query)
		}
		query.After, query.Limit = "member-04x", 2
		r.granted("after somebody who has no such grant", query, ids[5], ids[6])
		query.After = "member-"
		r.granted("after what nobody is called", query, ids[0], ids[1])
	}
	// Whoever changes a member of each page finds the next one all the same.
	query := store.GrantQuery{Source: store.SourceGroup, Group: "g", Limit: 2}
	r.granted("on the first page", query, ids[:2]...)
	r.grant(ids[0])
	r.grant(ids[1], direct("x"))
	query.After = ids[1]
	r.granted("on the next page, when those on the first are none any more", query, ids[2:4]...)
}
