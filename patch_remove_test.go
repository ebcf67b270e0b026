package scim_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPatchRemoveNeedsAPath(t *testing.T) {
	t.Parallel()
	testRefusals(t, rich(), []refusalRow{
		{name: "none", ops: []attrs{{"op": "remove"}}, status: 400, scimType: "noTarget", covers: []string{"7644-3.5.2.2-01"}},
		{name: "null", ops: []attrs{{"op": "remove", "path": nil}}, status: 400, scimType: "noTarget"},
		{name: "a value instead", ops: []attrs{pathless("remove", attrs{"title": "Pilot"})}, status: 400, scimType: "noTarget"},
		{name: "a value instead, as Entra writes it", ops: []attrs{pathless("Remove", attrs{"title": nil})}, status: 400, scimType: "noTarget"},
	})
	testRefusals(t, rich(), []refusalRow{
		{name: "add without an object", ops: []attrs{pathless("add", "x")}, status: 400, scimType: "invalidValue"},
		{name: "replace without a value", ops: []attrs{op("replace", "title")}, status: 400, scimType: "invalidValue"},
		{name: "replace without anything", ops: []attrs{{"op": "replace"}}, status: 400, scimType: "invalidValue"},
		{name: "remove without a path", ops: []attrs{{"op": "remove"}}, status: 400, scimType: "noTarget", covers: []string{"P-17"}},
	})
}

func TestPatchRemove(t *testing.T) {
	t.Parallel()
	work, home := attrs{"type": "work", "value": "nadia@work.example", "primary": true}, attrs{"type": "home", "value": "nadia@home.example"}
	testPatches(t, []patchRow{
		{name: "a sub-attribute", before: rich(), ops: []attrs{op("remove", "name.middleName")}, after: attrs{"name": attrs{"givenName": "Nadia", "familyName": "Ferro"}}, covers: []string{"7644-3.5.2.2-03"}},
		{name: "the last sub-attribute", before: attrs{"name": attrs{"givenName": "N"}}, ops: []attrs{op("remove", "name.givenName")}, after: attrs{"name": nil}},
		{name: "a complex value", before: rich(), ops: []attrs{op("remove", "name")}, after: attrs{"name": nil}},
		{name: "all of many", before: rich(), ops: []attrs{op("remove", "emails")}, after: attrs{"emails": nil}},
		{name: "one of two", before: rich(), ops: []attrs{op("remove", `emails[type eq "work"]`)}, after: attrs{"emails": []attrs{home}}},
		{name: "both of two", before: rich(), ops: []attrs{op("remove", `emails[type eq "work" or type eq "home"]`)}, after: attrs{"emails": nil}},
		{name: "the last one", before: attrs{"emails": []attrs{work}}, ops: []attrs{op("remove", `emails[type eq "work"]`)}, after: attrs{"emails": nil}},
		{name: "each that matches", before: attrs{"emails": []attrs{work, home, {"type": "work", "value": "b"}}}, ops: []attrs{op("remove", `emails[type eq "WORK"]`)}, after: attrs{"emails": []attrs{home}}},
		{name: "those with a value", before: attrs{"roles": []attrs{{"value": "a"}, {"display": "B"}}}, ops: []attrs{op("remove", `roles[value pr]`)}, after: attrs{"roles": []attrs{{"display": "B"}}}},
		{name: "those without", before: attrs{"roles": []attrs{{"value": "a"}, {"display": "B"}}}, ops: []attrs{op("remove", `roles[not (value pr)]`)}, after: attrs{"roles": []attrs{{"value": "a"}}}},
		{
			name: "a sub-attribute of those that match", before: attrs{"addresses": []attrs{
				{"type": "work", "streetAddress": "1", "locality": "A"}, {"type": "home", "streetAddress": "2"}, {"type": "work", "streetAddress": "3", "locality": "B"},
			}},
			ops:    []attrs{op("remove", `addresses[type eq "work"].streetAddress`)},
			after:  attrs{"addresses": []attrs{{"type": "work", "locality": "A"}, {"type": "home", "streetAddress": "2"}, {"type": "work", "locality": "B"}}},
			covers: []string{"7644-3.5.2.2-06"},
		},
		{name: "the only sub-attribute", before: attrs{"roles": []attrs{{"value": "a"}, {"value": "b"}}}, ops: []attrs{op("remove", `roles[value eq "a"].value`)}, after: attrs{"roles": []attrs{{"value": "b"}}}},
		{name: "and", before: rich(), ops: []attrs{op("remove", `emails[type eq "work" and value ew "work.example"]`)}, after: attrs{"emails": []attrs{home}}},
		{name: "and that does not match", before: rich(), ops: []attrs{op("remove", `emails[type eq "work" and value ew "home.example"]`)}},
		{name: "and, or, not", before: rich(), ops: []attrs{op("remove", `emails[(type eq "home" or type eq "fax") and not (value co "work")]`)}, after: attrs{"emails": []attrs{work}}, covers: []string{"7644-3.5.2.2-12"}},
		{name: "a boolean", before: rich(), ops: []attrs{op("remove", `emails[primary eq true]`)}, after: attrs{"emails": []attrs{home}}},
		{name: "what is not there", ops: []attrs{op("remove", "title"), op("remove", "name"), op("remove", "name.givenName"), op("remove", "emails")}},
		{name: "nor there", ops: []attrs{op("remove", `emails[type eq "work"]`), op("remove", `emails[type eq "work"].value`)}},
		{name: "nor there in an extension", ops: []attrs{op("remove", enterpriseURN), op("remove", enterpriseURN+":department"), op("remove", enterpriseURN+":manager.value")}},
		{name: "no element matches", before: rich(), ops: []attrs{op("remove", `emails[type eq "fax"]`), op("remove", `emails[type eq "fax"].value`)}},
		{name: "twice", before: rich(), ops: []attrs{op("remove", "title"), op("remove", "title")}, after: attrs{"title": nil}, covers: []string{"7644-3.5.2.2-09"}},
		{name: "an empty value", before: rich(), ops: []attrs{op("remove", "title", nil)}, after: attrs{"title": nil}},
	})
	onEachStore(t, func(t *testing.T, s *server) {
		id := s.user("someone@example.test", rich()).id()
		require.Len(t, s.filter("/Users", "nickName pr"), 1)
		s.patch("/Users/"+id, op("remove", "nickName")).is(200)
		require.NotContains(t, s.get("/Users/"+id).json(), "nickName")
		require.Empty(t, s.filter("/Users", "nickName pr"))
		covers(t, "7644-3.5.2.2-02")

		s.patch("/Users/"+id, op("remove", `emails[type eq "work"]`)).is(200)
		require.Empty(t, s.filter("/Users", `emails.value eq "nadia@work.example"`))
		require.Len(t, s.filter("/Users", `emails pr`), 1)
		s.patch("/Users/"+id, op("remove", `emails[type eq "home"]`)).is(200)
		require.NotContains(t, s.get("/Users/"+id).json(), "emails")
		require.Empty(t, s.filter("/Users", `emails pr`))

		a, b := s.user("a").id(), s.user("b").id()
		group := s.group("Crew", a, b).id()
		s.patch("/Groups/"+group, op("remove", `members[value eq "`+a+`"]`)).is(204)
		require.Equal(t, []string{b}, s.members(group))
		s.patch("/Groups/"+group, op("remove", `members[value eq "`+b+`"]`)).is(204)
		require.Empty(t, s.members(group))
		require.Empty(t, s.filter("/Groups", "members pr"))
		covers(t, "7644-3.5.2.2-05")

		s.patch("/Groups/"+group, op("add", "members", memberList(a, b))).is(204)
		s.patch("/Groups/"+group, op("remove", "members")).is(204)
		require.Empty(t, s.members(group))
		covers(t, "7644-3.5.2.2-04")

		unchanged(s, "/Groups/"+group, func() {
			s.patch("/Groups/"+group, op("remove", `members[value eq "none"]`)).is(204)
			s.patch("/Groups/"+group, op("remove", `members[value eq "`+a+`"]`)).is(204)
			s.patch("/Groups/"+group, op("remove", `members[display eq "nobody"]`)).is(204)
		})
		covers(t, "7644-3.5.2.2-08")
	})
}

// A filtered remove on a simple attribute compares the values themselves.
func TestPatchRemoveSimpleValues(t *testing.T) {
	t.Parallel()
	before := attrs{"tags": []string{"a", "b", "c"}, "aliases": []string{"x", "X", "xx"}}
	testDevicePatches(t, []patchRow{
		{name: "by filter", before: before, ops: []attrs{op("remove", `tags[value eq "b"]`)}, after: attrs{"tags": []string{"a", "c"}}},
		{name: "by filter, case does not count", before: before, ops: []attrs{op("remove", `tags[value eq "B"]`)}, after: attrs{"tags": []string{"a", "c"}}},
		{name: "by filter, case counts", before: before, ops: []attrs{op("remove", `aliases[value eq "X"]`)}, after: attrs{"aliases": []string{"x", "xx"}}},
		{name: "by prefix", before: before, ops: []attrs{op("remove", `aliases[value sw "x"]`)}, after: attrs{"aliases": []string{"X"}}},
		{name: "no match", before: before, ops: []attrs{op("remove", `tags[value eq "d"]`), op("remove", `aliases[value eq "XX"]`)}},
		{name: "by list", before: before, ops: []attrs{op("remove", `tags`, []string{"a", "c", "e"})}, after: attrs{"tags": []string{"b"}}},
		{name: "by list, case counts", before: before, ops: []attrs{op("remove", `aliases`, []string{"X"})}, after: attrs{"aliases": []string{"x", "xx"}}},
		{name: "by one", before: before, ops: []attrs{op("remove", `tags`, "a")}, after: attrs{"tags": []string{"b", "c"}}},
		{name: "by an empty list", before: before, ops: []attrs{op("remove", `tags`, []string{})}},
		{name: "the last", before: attrs{"tags": []string{"a"}}, ops: []attrs{op("remove", `tags[value eq "a"]`)}, after: attrs{"tags": nil}},
		{name: "all", before: before, ops: []attrs{op("remove", `tags`)}, after: attrs{"tags": nil}, covers: []string{"P-07"}},
	})
}

func TestPatchRemoveOfWhatMustStay(t *testing.T) {
	t.Parallel()
	var rows []refusalRow
	for _, path := range []string{
		"userName", "USERNAME", userURN + ":userName", "id", "meta", "meta.created", "META.version", "groups", `groups[value eq "g"]`, "active",
		enterpriseURN + ":manager.displayName",
	} {
		rows = append(rows, refusalRow{name: path, ops: []attrs{op("remove", path)}, status: 400, scimType: "mutability"})
	}
	testRefusals(t, rich(), rows)
	onEachStore(t, func(t *testing.T, s *server) {
		user := "/Users/" + s.user("someone@example.test").id()
		group := "/Groups/" + s.group("Crew").id()
		for path, name := range map[string]string{user: "userName", group: "displayName"} {
			unchanged(s, path, func() { s.patch(path, op("remove", name)).fails(400, "mutability") })
			unchanged(s, path, func() { s.patch(path, op("remove", "id")).fails(400, "mutability") })
		}
		covers(t, "7644-3.5.2.2-07")
		path := "/Devices/" + s.create("/Devices", device("one", attrs{"schemas": []string{deviceURN, warrantyURN}, warrantyURN: attrs{"provider": "P", "months": 1}})).id()
		unchanged(s, path, func() { s.patch(path, op("remove", "deviceName")).fails(400, "mutability") })
		unchanged(s, path, func() { s.patch(path, op("remove", warrantyURN+":provider")).fails(400, "mutability") })
		unchanged(s, path, func() { s.patch(path, op("remove", warrantyURN)).fails(400, "mutability") })
		unchanged(s, path, func() { s.patch(path, op("remove", "status")).fails(400, "mutability") })
	}, withDevices)
	onEachStore(t, func(_ *testing.T, s *server) {
		path := "/Devices/" + s.create("/Devices", device("one", attrs{"schemas": []string{deviceURN, warrantyURN}, warrantyURN: attrs{"provider": "P"}})).id()
		for _, o := range []attrs{op("remove", warrantyURN), op("replace", warrantyURN, nil), pathless("replace", attrs{warrantyURN: nil}), op("remove", `schemas[value eq "`+warrantyURN+`"]`)} {
			unchanged(s, path, func() { s.patch(path, o).fails(400, "mutability") })
		}
	}, withTypes(deviceType(warrantyType(true))))
}

// The value of a remove names what goes; it must never be read as "all".
func TestPatchRemoveListed(t *testing.T) {
	t.Parallel()
	work, home := attrs{"type": "work", "value": "nadia@work.example", "primary": true}, attrs{"type": "home", "value": "nadia@home.example"}
	testPatches(t, []patchRow{
		{name: "one", before: rich(), ops: []attrs{op("Remove", "emails", []attrs{{"value": "nadia@work.example"}})}, after: attrs{"emails": []attrs{home}}},
		{name: "one object", before: rich(), ops: []attrs{op("Remove", "emails", attrs{"value": "nadia@work.example"})}, after: attrs{"emails": []attrs{home}}},
		{name: "by type", before: rich(), ops: []attrs{op("Remove", "emails", []attrs{{"type": "home"}})}, after: attrs{"emails": []attrs{work}}},
		{name: "all that it names must fit", before: rich(), ops: []attrs{op("Remove", "emails", []attrs{{"type": "home", "value": "nadia@work.example"}})}},
		{name: "none of them", before: rich(), ops: []attrs{op("Remove", "emails", []attrs{{"value": "other@x.example"}})}},
		{name: "nothing", before: rich(), ops: []attrs{op("Remove", "emails", []attrs{})}},
		{name: "an empty object", before: rich(), ops: []attrs{op("Remove", "emails", []attrs{{}})}},
		{name: "only what does not identify", before: rich(), ops: []attrs{op("Remove", "emails", []attrs{{"primary": true}})}},
		{name: "unknown keys", before: rich(), ops: []attrs{op("Remove", "emails", []attrs{{"foo": 1}})}},
		{name: "all", before: rich(), ops: []attrs{op("Remove", "emails", []attrs{work, home})}, after: attrs{"emails": nil}},
	})
	onEachStore(t, func(t *testing.T, s *server) {
		a, b, c := s.user("a").id(), s.user("b").id(), s.user("c").id()
		group := s.group("Crew", a, b, c).id()
		s.patch("/Groups/"+group, op("Remove", "members", memberList(a))).is(204)
		require.Equal(t, []string{b, c}, s.members(group))
		covers(t, "7644-3.5.2.2-10")
	})
	onEachStore(t, func(_ *testing.T, s *server) {
		a, b := s.user("a").id(), s.user("b").id()
		path := "/Groups/" + s.group("Crew", a, b).id()
		unchanged(s, path, func() { s.patch(path, op("remove", "members", memberList(a))).fails(400, "invalidSyntax") })
		path = "/Users/" + s.user("someone@example.test", rich()).id()
		unchanged(s, path, func() {
			s.patch(path, op("remove", "emails", []attrs{{"value": "nadia@work.example"}})).fails(400, "invalidSyntax")
		})
	}, strictly)
}

func TestPatchRemoveFromAnExtension(t *testing.T) {
	t.Parallel()
	one := attrs{"schemas": []string{userURN, enterpriseURN}, enterpriseURN: attrs{"department": "Harbour", "manager": attrs{"value": "m-1"}}}
	gone := attrs{enterpriseURN: nil, "schemas": []string{userURN}}
	testPatches(t, []patchRow{
		{name: "one attribute", before: one, ops: []attrs{op("remove", enterpriseURN+":department")}, after: attrs{enterpriseURN: attrs{"manager": attrs{"value": "m-1"}}}},
		{name: "a sub-attribute", before: one, ops: []attrs{op("remove", enterpriseURN+":manager.value")}, after: attrs{enterpriseURN: attrs{"department": "Harbour"}}},
		{name: "each attribute", before: one, ops: []attrs{op("remove", enterpriseURN+":department"), op("remove", enterpriseURN+":manager")}, after: gone},
		{name: "the extension", before: one, ops: []attrs{op("remove", enterpriseURN)}, after: gone},
		{name: "the extension as null", before: one, ops: []attrs{pathless("replace", attrs{enterpriseURN: nil})}, after: gone},
		{name: "its attributes as null", before: one, ops: []attrs{pathless("replace", attrs{enterpriseURN: attrs{"department": nil, "manager": nil}})}, after: gone, covers: []string{"7644-3.5.2.2-11"}},
		{name: "and adds again", before: one, ops: []attrs{op("remove", enterpriseURN), op("add", enterpriseURN+":division", "D")}, after: attrs{enterpriseURN: attrs{"division": "D"}}},
	})
}
