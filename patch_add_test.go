package scim_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPatchAddNeedsAValue(t *testing.T) {
	t.Parallel()
	var rows []refusalRow
	for _, path := range []string{"title", "active", "name", "name.givenName", "emails", `emails[type eq "work"].value`, "userName", enterpriseURN} {
		rows = append(rows, refusalRow{name: path, ops: []attrs{op("add", path)}, status: 400, scimType: "invalidValue", covers: []string{"7644-3.5.2.1-02"}})
	}
	rows = append(rows, refusalRow{name: "without a path", ops: []attrs{{"op": "add"}}, status: 400, scimType: "invalidValue"})
	testRefusals(t, rich(), rows)
	onEachStore(t, func(_ *testing.T, s *server) {
		path := "/Groups/" + s.group("Crew", s.user("a").id()).id()
		unchanged(s, path, func() { s.patch(path, op("add", "members")).fails(400, "invalidValue") })
	})
}

func TestPatchAddWithoutAPath(t *testing.T) {
	t.Parallel()
	var rows []refusalRow
	for _, value := range []any{"x", 5, true, nil, []any{}, []attrs{{"title": "x"}}} {
		for _, name := range []string{"add", "replace"} {
			rows = append(rows, refusalRow{name: fmt.Sprint(name, value), ops: []attrs{pathless(name, value)}, status: 400, scimType: "invalidValue"})
		}
	}
	testRefusals(t, rich(), rows)
	old := rich()["emails"].([]attrs)
	testPatches(t, []patchRow{
		{
			name: "attributes merge into the resource", before: rich(),
			ops:    []attrs{pathless("add", attrs{"nickName": "N", "emails": []attrs{{"type": "other", "value": "o@x.example"}}})},
			after:  attrs{"nickName": "N", "emails": append(old[:2:2], attrs{"type": "other", "value": "o@x.example"})},
			covers: []string{"7644-3.5.2.1-03"},
		},
		{
			name: "an extension merges", before: rich(), ops: []attrs{pathless("add", attrs{enterpriseURN: attrs{"department": "Dock", "division": "D"}})},
			after: attrs{enterpriseURN: attrs{
				"employeeNumber": "7001", "department": "Dock", "division": "D", "manager": attrs{"value": "m-1", "$ref": "https://idp.example/m-1"},
			}},
		},
		{
			name: "an extension appears", ops: []attrs{pathless("add", attrs{enterpriseURN: attrs{"department": "Dock"}})},
			after: attrs{enterpriseURN: attrs{"department": "Dock"}, "schemas": []string{userURN, enterpriseURN}}, covers: []string{"7644-3.5.2.1-04"},
		},
		{
			name: "a complex attribute merges", before: rich(), ops: []attrs{pathless("add", attrs{"name": attrs{"givenName": "B"}})},
			after: attrs{"name": attrs{"givenName": "B", "familyName": "Ferro", "middleName": "M"}},
		},
		{name: "what no schema knows is not stored", before: rich(), ops: []attrs{pathless("add", attrs{"favouriteColour": "teal", "nickName": "N"})}, after: attrs{"nickName": "N"}},
		{
			name: "what no schema of an extension knows is not stored", before: rich(),
			ops: []attrs{pathless("add", attrs{enterpriseURN: attrs{"colour": "teal"}, "urn:example:none": attrs{"x": 1}, "name": attrs{"colour": "teal"}})},
		},
	})
}

func TestPatchAdd(t *testing.T) {
	t.Parallel()
	work, home := attrs{"type": "work", "value": "nadia@work.example", "primary": true}, attrs{"type": "home", "value": "nadia@home.example"}
	other := attrs{"type": "other", "value": "o@x.example"}
	emails := func(elements ...attrs) attrs { return attrs{"emails": elements} }
	testPatches(t, []patchRow{
		{name: "a single value", ops: []attrs{op("add", "title", "Captain")}, after: attrs{"title": "Captain"}},
		{name: "over a single value", before: rich(), ops: []attrs{op("add", "title", "Captain")}, after: attrs{"title": "Captain"}},
		{name: "a boolean", before: rich(), ops: []attrs{op("add", "active", false)}, after: attrs{"active": false}, covers: []string{"7644-3.5.2.1-05"}},
		{
			name: "a complex value", before: rich(), ops: []attrs{op("add", "name", attrs{"givenName": "B", "honorificPrefix": "Dr"})},
			after: attrs{"name": attrs{"givenName": "B", "familyName": "Ferro", "middleName": "M", "honorificPrefix": "Dr"}}, covers: []string{"7644-3.5.2.1-06"},
		},
		{name: "to many", before: rich(), ops: []attrs{op("add", "emails", []attrs{other, {"value": "p@x.example"}})}, after: emails(work, home, other, attrs{"value": "p@x.example"})},
		{name: "one object to many", before: rich(), ops: []attrs{op("add", "emails", other)}, after: emails(work, home, other)},
		{name: "to none", ops: []attrs{op("add", "emails", []attrs{other})}, after: emails(other)},
		{name: "one object to none", ops: []attrs{op("add", "emails", other)}, after: emails(other)},
		{name: "the same again", before: rich(), ops: []attrs{op("add", "emails", []attrs{home})}},
		{name: "the same and another", before: rich(), ops: []attrs{op("add", "emails", []attrs{home, other, work})}, after: emails(work, home, other)},
		{name: "the same twice", before: rich(), ops: []attrs{op("add", "emails", []attrs{other, other}), op("add", "emails", other)}, after: emails(work, home, other)},
		{
			name: "more of an element that is there", before: rich(), ops: []attrs{op("add", "emails", []attrs{{"type": "home", "value": "nadia@home.example", "display": "H"}})},
			after: emails(work, attrs{"type": "home", "value": "nadia@home.example", "display": "H"}),
		},
		{name: "the same value of another type", before: rich(), ops: []attrs{op("add", "emails", attrs{"type": "other", "value": "nadia@home.example"})}, after: emails(work, home, attrs{"type": "other", "value": "nadia@home.example"})},
		{name: "a part of nothing", ops: []attrs{op("add", "name.givenName", "B")}, after: attrs{"name": attrs{"givenName": "B"}}},
		{
			name: "a part of no extension", ops: []attrs{op("add", enterpriseURN+":manager.value", "m-2")},
			after: attrs{enterpriseURN: attrs{"manager": attrs{"value": "m-2"}}, "schemas": []string{userURN, enterpriseURN}}, covers: []string{"7644-3.5.2.1-09"},
		},
	})
	testDevicePatches(t, []patchRow{
		{name: "to simple values", before: attrs{"tags": []string{"a"}}, ops: []attrs{op("add", "tags", []string{"b", "c"})}, after: attrs{"tags": []string{"a", "b", "c"}}},
		{name: "one simple value", before: attrs{"tags": []string{"a"}}, ops: []attrs{op("add", "tags", "b")}, after: attrs{"tags": []string{"a", "b"}}},
		{name: "simple values again", before: attrs{"tags": []string{"a", "b"}}, ops: []attrs{op("add", "tags", []string{"b", "a"})}},
		{name: "simple values without a path", before: attrs{"tags": []string{"a"}}, ops: []attrs{pathless("add", attrs{"tags": []string{"a", "b"}})}, after: attrs{"tags": []string{"a", "b"}}},
		{name: "values that differ in case where case counts", before: attrs{"aliases": []string{"a"}}, ops: []attrs{op("add", "aliases", "A")}, after: attrs{"aliases": []string{"a", "A"}}},
		{
			name: "numbers and times", ops: []attrs{op("add", "slots", 4), op("add", "weight", 1.25), op("add", "installedAt", "2026-01-02T03:04:05Z")},
			after: attrs{"slots": 4, "weight": 1.25, "installedAt": "2026-01-02T03:04:05Z"},
		},
	})
	onEachStore(t, func(t *testing.T, s *server) {
		a, b, c := s.user("a").id(), s.user("b").id(), s.user("c").id()
		group := s.group("Crew", a).id()
		s.patch("/Groups/"+group, op("add", "members", memberList(b))).is(204)
		s.patch("/Groups/"+group, op("add", "members", attrs{"value": c})).is(204)
		require.Equal(t, []string{a, b, c}, s.members(group))
		covers(t, "7644-3.5.2.1-07")
		unchanged(s, "/Groups/"+group, func() {
			s.patch("/Groups/"+group, op("add", "members", memberList(b))).is(204)
			s.patch("/Groups/"+group, op("add", "members", attrs{"value": c})).is(204)
			s.patch("/Groups/"+group, pathless("add", attrs{"members": memberList(a, c)})).is(204)
		})
		covers(t, "7644-3.5.2.1-08")
	})
}

// An add through a value path that selects nothing creates the element that its eq terms describe, and later operations find it.
func TestPatchAddToAMissingElement(t *testing.T) {
	t.Parallel()
	address := func(part string) string { return `addresses[type eq "work"].` + part }
	testPatches(t, []patchRow{
		{
			name: "sub-attribute", ops: []attrs{op("add", `emails[type eq "work"].value`, "w@x.example")},
			after: attrs{"emails": []attrs{{"type": "work", "value": "w@x.example"}}}, covers: []string{"7644-3.5.2.1-10"},
		},
		{
			name: "beside others", before: attrs{"emails": []attrs{{"type": "home", "value": "h@x.example"}}}, ops: []attrs{op("add", `emails[type eq "work"].value`, "w@x.example")},
			after: attrs{"emails": []attrs{{"type": "home", "value": "h@x.example"}, {"type": "work", "value": "w@x.example"}}},
		},
		{
			name: "element", ops: []attrs{op("add", `emails[type eq "work"]`, attrs{"value": "w@x.example", "display": "W"})},
			after: attrs{"emails": []attrs{{"type": "work", "value": "w@x.example", "display": "W"}}},
		},
		{
			name: "two terms", ops: []attrs{op("add", `emails[type eq "work" and display eq "W"].value`, "w@x.example")},
			after: attrs{"emails": []attrs{{"type": "work", "display": "W", "value": "w@x.example"}}},
		},
		{
			name: "one element for six operations",
			ops: []attrs{
				op("Add", address("streetAddress"), "9 Quay"), op("Add", address("locality"), "Harbourtown"), op("Add", address("region"), "North"),
				op("Add", address("postalCode"), "90210"), op("Add", address("country"), "SE"), op("Add", address("formatted"), "9 Quay, Harbourtown"),
			},
			after: attrs{"addresses": []attrs{{
				"type": "work", "streetAddress": "9 Quay", "locality": "Harbourtown", "region": "North", "postalCode": "90210", "country": "SE",
				"formatted": "9 Quay, Harbourtown",
			}}}, covers: []string{"ENTRA-37"},
		},
		{name: "nothing to create", ops: []attrs{op("add", `emails[type eq "work"].value`, nil), op("add", `emails[type eq "work"]`, nil)}},
	})
	testRefusals(t, rich(), []refusalRow{
		{name: "or", ops: []attrs{op("add", `emails[type eq "fax" or type eq "pager"].value`, "x")}, status: 400, scimType: "noTarget"},
		{name: "not eq", ops: []attrs{op("add", `emails[value co "zzz"].display`, "x")}, status: 400, scimType: "noTarget"},
		{name: "ne", ops: []attrs{op("add", `phoneNumbers[type ne "work" and type ne "mobile"].value`, "x")}, status: 400, scimType: "noTarget"},
		{name: "not", ops: []attrs{op("add", `phoneNumbers[not (type eq "work" or type eq "mobile")].value`, "x")}, status: 400, scimType: "noTarget"},
		{name: "present", ops: []attrs{op("add", `phoneNumbers[display pr].value`, "x")}, status: 400, scimType: "noTarget"},
		{name: "a contradiction", ops: []attrs{op("add", `emails[type eq "a" and type eq "b"].value`, "x")}, status: 400, scimType: "noTarget"},
	})
	testRefusals(t, rich(), []refusalRow{
		{name: "strictly", ops: []attrs{op("add", `emails[type eq "fax"].value`, "x")}, status: 400, scimType: "noTarget"},
	}, strictly)
}

func TestPatchAddByValuePath(t *testing.T) {
	t.Parallel()
	before := attrs{"emails": []attrs{
		{"type": "work", "value": "a@x.example"}, {"type": "home", "value": "h@x.example"}, {"type": "work", "value": "b@x.example", "display": "B"},
	}}
	testPatches(t, []patchRow{
		{
			name: "sub-attribute of each", before: before, ops: []attrs{op("add", `emails[type eq "work"].display`, "W")},
			after: attrs{"emails": []attrs{
				{"type": "work", "value": "a@x.example", "display": "W"}, {"type": "home", "value": "h@x.example"}, {"type": "work", "value": "b@x.example", "display": "W"},
			}},
		},
		{
			name: "object into each", before: before, ops: []attrs{op("add", `emails[type eq "work"]`, attrs{"display": "W"})},
			after: attrs{"emails": []attrs{
				{"type": "work", "value": "a@x.example", "display": "W"}, {"type": "home", "value": "h@x.example"}, {"type": "work", "value": "b@x.example", "display": "W"},
			}}, covers: []string{"7644-3.5.2.1-11"},
		},
		{name: "what they have", before: before, ops: []attrs{op("add", `emails[type eq "home"]`, attrs{"value": "h@x.example"})}},
	})
}

// An add of nothing clears a single value, as null does everywhere, and adds nothing to many.
func TestPatchAddOfNothing(t *testing.T) {
	t.Parallel()
	testPatches(t, []patchRow{
		{name: "null for one", before: rich(), ops: []attrs{op("add", "title", nil)}, after: attrs{"title": nil}},
		{name: "null for one in a value", before: rich(), ops: []attrs{pathless("add", attrs{"title": nil})}, after: attrs{"title": nil}},
		{name: "null for many", before: rich(), ops: []attrs{op("add", "emails", nil)}},
		{name: "none for many", before: rich(), ops: []attrs{op("add", "emails", []any{}), pathless("add", attrs{"emails": []any{}, "phoneNumbers": nil})}},
		{name: "null among many", before: rich(), ops: []attrs{op("add", "emails", []any{nil})}},
		{name: "an empty object for a complex one", before: rich(), ops: []attrs{op("add", "name", attrs{})}},
		{name: "an empty object among many", before: rich(), ops: []attrs{op("add", "emails", []attrs{{}})}, covers: []string{"7644-3.5.2.1-13"}},
		{name: "nothing where nothing is", ops: []attrs{op("add", "title", nil), op("add", "name", nil), op("add", "emails", nil)}},
	})
	testRefusals(t, rich(), []refusalRow{
		{name: "required", ops: []attrs{op("add", "userName", nil)}, status: 400, scimType: "invalidValue"},
		{name: "required, empty", ops: []attrs{op("add", "userName", "")}, status: 400, scimType: "invalidValue"},
	})
	onEachStore(t, func(_ *testing.T, s *server) {
		path := "/Groups/" + s.group("Crew", s.user("a").id()).id()
		unchanged(s, path, func() {
			for _, value := range []any{nil, []any{}} {
				s.patch(path, op("add", "members", value)).is(204)
				s.patch(path, pathless("add", attrs{"members": value})).is(204)
			}
		})
	})
}
