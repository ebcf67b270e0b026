package scim_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPatchReplaceNeedsAValue(t *testing.T) {
	t.Parallel()
	var rows []refusalRow
	for _, path := range []string{"title", "active", "name", "name.givenName", "emails", `emails[type eq "work"].value`, `emails[type eq "work"]`, "userName", enterpriseURN} {
		rows = append(rows, refusalRow{name: path, ops: []attrs{op("replace", path)}, status: 400, scimType: "invalidValue"})
	}
	testRefusals(t, rich(), rows)
	testPatches(t, []patchRow{
		{name: "null is a value: none", before: rich(), ops: []attrs{op("replace", "title", nil)}, after: attrs{"title": nil}, covers: []string{"7644-3.5.2.3-01"}},
	})
	onEachStore(t, func(_ *testing.T, s *server) {
		path := "/Groups/" + s.group("Crew", s.user("a").id()).id()
		unchanged(s, path, func() { s.patch(path, op("replace", "members")).fails(400, "invalidValue") })
	})
}

func TestPatchReplace(t *testing.T) {
	t.Parallel()
	x := attrs{"type": "other", "value": "x@x.example"}
	extension := func(department any) attrs {
		return attrs{enterpriseURN: attrs{
			"employeeNumber": "7001", "department": department, "manager": attrs{"value": "m-1", "$ref": "https://idp.example/m-1"},
		}}
	}
	name := func(given string) attrs {
		return attrs{"name": attrs{"givenName": given, "familyName": "Ferro", "middleName": "M"}}
	}
	testPatches(t, []patchRow{
		{
			name: "without a path", before: rich(), ops: []attrs{pathless("replace", attrs{"emails": []attrs{x}, "nickName": "B"})},
			after: attrs{"emails": []attrs{x}, "nickName": "B"}, covers: []string{"7644-3.5.2.3-02"},
		},
		{name: "a single value", before: rich(), ops: []attrs{op("replace", "title", "Captain")}, after: attrs{"title": "Captain"}},
		{name: "a boolean", before: rich(), ops: []attrs{op("replace", "active", false)}, after: attrs{"active": false}, covers: []string{"7644-3.5.2.3-03"}},
		{name: "many", before: rich(), ops: []attrs{op("replace", "emails", []attrs{x})}, after: attrs{"emails": []attrs{x}}},
		{name: "nothing by one", ops: []attrs{op("replace", "title", "Captain")}, after: attrs{"title": "Captain"}},
		{name: "nothing by a part", ops: []attrs{op("replace", "name.givenName", "B")}, after: attrs{"name": attrs{"givenName": "B"}}},
		{name: "nothing by many", ops: []attrs{op("replace", "emails", []attrs{x})}, after: attrs{"emails": []attrs{x}}},
		{
			name: "nothing by an extension attribute", ops: []attrs{op("replace", enterpriseURN+":department", "Dock")},
			after: attrs{enterpriseURN: attrs{"department": "Dock"}, "schemas": []string{userURN, enterpriseURN}}, covers: []string{"7644-3.5.2.3-05"},
		},
		{name: "a part of a complex value", before: rich(), ops: []attrs{op("replace", "name", attrs{"givenName": "B"})}, after: name("B"), covers: []string{"7644-3.5.2.3-06"}},
		{name: "a part of a complex value without a path", before: rich(), ops: []attrs{pathless("replace", attrs{"name": attrs{"givenName": "B"}})}, after: name("B"), covers: []string{"7644-3.5.2.3-12"}},
		{name: "a part of an extension", before: rich(), ops: []attrs{pathless("replace", attrs{enterpriseURN: attrs{"department": "Dock"}})}, after: extension("Dock")},
		{name: "dotted key", before: rich(), ops: []attrs{pathless("replace", attrs{"name.givenName": "B"})}, after: name("B")},
		{name: "URN key", before: rich(), ops: []attrs{pathless("replace", attrs{enterpriseURN + ":department": "Dock"})}, after: extension("Dock")},
		{name: "core URN key", before: rich(), ops: []attrs{pathless("replace", attrs{userURN + ":name.givenName": "B"})}, after: name("B")},
		{
			name: "a key with a value filter", before: rich(), ops: []attrs{pathless("replace", attrs{`emails[type eq "home"].value`: "h@x.example"})},
			after:  attrs{"emails": []attrs{{"type": "work", "value": "nadia@work.example", "primary": true}, {"type": "home", "value": "h@x.example"}}},
			covers: []string{"7644-3.5.2.3-11"},
		},
		{name: "one object for many", before: rich(), ops: []attrs{op("replace", "emails", attrs{"value": "x"})}, after: attrs{"emails": []attrs{{"value": "x"}}}},
		{name: "an array of one for a complex value", before: rich(), ops: []attrs{op("replace", "name", []attrs{{"givenName": "B"}})}, after: name("B"), covers: []string{"7644-3.5.2.3-13"}},
		{name: "what an element already has twice", before: rich(), ops: []attrs{op("replace", "emails", []attrs{x, x})}, after: attrs{"emails": []attrs{x}}},
	})
	testRefusals(t, rich(), []refusalRow{
		{name: "an array for a simple value", ops: []attrs{op("replace", "title", []string{"x"})}, status: 400, scimType: "invalidValue"},
		{name: "two for a complex value", ops: []attrs{op("replace", "name", []attrs{{"givenName": "A"}, {"givenName": "B"}})}, status: 400, scimType: "invalidValue"},
	})
	// A strict connection takes keys for names only.
	testRefusals(t, rich(), []refusalRow{
		{name: "dotted key", ops: []attrs{pathless("replace", attrs{"name.givenName": "B"})}, status: 400, scimType: "invalidPath"},
		{name: "URN key", ops: []attrs{pathless("replace", attrs{enterpriseURN + ":department": "B"})}, status: 400, scimType: "invalidPath"},
	}, strictly)
	onEachStore(t, func(t *testing.T, s *server) {
		a, b, c := s.user("a").id(), s.user("b").id(), s.user("c").id()
		group := s.group("Crew", c).id()
		s.patch("/Groups/"+group, op("replace", "members", memberList(a, b))).is(204)
		require.ElementsMatch(t, []string{a, b}, s.members(group))
		covers(t, "7644-3.5.2.3-04")
	})
}

func TestPatchReplaceByValuePath(t *testing.T) {
	t.Parallel()
	before := attrs{"addresses": []attrs{
		{"type": "work", "streetAddress": "1", "locality": "A"}, {"type": "home", "streetAddress": "2", "locality": "B"}, {"type": "work", "streetAddress": "3", "country": "SE"},
	}}
	home := attrs{"type": "home", "streetAddress": "2", "locality": "B"}
	testPatches(t, []patchRow{
		{
			name: "each element, which makes them one", before: before, ops: []attrs{op("replace", `addresses[type eq "work"]`, attrs{"type": "work", "streetAddress": "9", "region": "N"})},
			after:  attrs{"addresses": []attrs{{"type": "work", "streetAddress": "9", "region": "N"}, home}},
			covers: []string{"7644-3.5.2.3-07"},
		},
		{
			name: "an element keeps what the filter says", before: before, ops: []attrs{op("replace", `addresses[type eq "home"]`, attrs{"streetAddress": "9"})},
			after: attrs{"addresses": []attrs{
				{"type": "work", "streetAddress": "1", "locality": "A"}, {"type": "home", "streetAddress": "9"}, {"type": "work", "streetAddress": "3", "country": "SE"},
			}},
		},
		{
			name: "a sub-attribute of each", before: before, ops: []attrs{op("replace", `addresses[type eq "work"].streetAddress`, "9")},
			after:  attrs{"addresses": []attrs{{"type": "work", "streetAddress": "9", "locality": "A"}, home, {"type": "work", "streetAddress": "9", "country": "SE"}}},
			covers: []string{"7644-3.5.2.3-08"},
		},
		{
			name: "the sub-attribute that the filter names", before: before, ops: []attrs{op("replace", `addresses[type eq "home"].type`, "other")},
			after: attrs{"addresses": []attrs{
				{"type": "work", "streetAddress": "1", "locality": "A"}, {"type": "other", "streetAddress": "2", "locality": "B"}, {"type": "work", "streetAddress": "3", "country": "SE"},
			}},
		},
	})
	testDevicePatches(t, []patchRow{
		{name: "a simple value", before: attrs{"tags": []string{"a", "b"}}, ops: []attrs{op("replace", `tags[value eq "a"]`, "c")}, after: attrs{"tags": []string{"c", "b"}}},
	})
}

// RFC 7644, section 3.5.2.3 wants noTarget here; identity providers want the element (ENTRA-36), unless the connection is strict.
func TestPatchReplaceOfAMissingElement(t *testing.T) {
	t.Parallel()
	old := rich()["emails"].([]attrs)
	testPatches(t, []patchRow{
		{name: "of none", ops: []attrs{op("Replace", `emails[type eq "work"].value`, "w@x.example")}, after: attrs{"emails": []attrs{{"type": "work", "value": "w@x.example"}}}, covers: []string{"ENTRA-36"}},
		{
			name: "of others", before: rich(), ops: []attrs{op("replace", `emails[type eq "fax"].value`, "f@x.example")},
			after: attrs{"emails": append(old[:2:2], attrs{"type": "fax", "value": "f@x.example"})}, covers: []string{"P-16"},
		},
		{
			name: "an element", before: rich(), ops: []attrs{op("replace", `emails[type eq "fax"]`, attrs{"value": "f@x.example"})},
			after: attrs{"emails": append(old[:2:2], attrs{"type": "fax", "value": "f@x.example"})},
		},
		{
			name:  "used by the next operation",
			ops:   []attrs{op("replace", `emails[type eq "work"].value`, "a@x.example"), op("replace", `emails[type eq "work"].value`, "b@x.example")},
			after: attrs{"emails": []attrs{{"type": "work", "value": "b@x.example"}}},
		},
	})
	testRefusals(t, rich(), []refusalRow{
		{name: "a filter that describes none", ops: []attrs{op("replace", `emails[value co "zzz"].value`, "x")}, status: 400, scimType: "noTarget"},
		{name: "a filter that describes two", ops: []attrs{op("replace", `emails[type eq "fax" or type eq "pager"].value`, "x")}, status: 400, scimType: "noTarget"},
	})
	testRefusals(t, rich(), []refusalRow{
		{name: "sub-attribute", ops: []attrs{op("replace", `emails[type eq "fax"].value`, "x")}, status: 400, scimType: "noTarget"},
		{name: "element", ops: []attrs{op("replace", `emails[type eq "fax"]`, attrs{"value": "x"})}, status: 400, scimType: "noTarget"},
	}, strictly)
}

func TestPatchReplaceOfWhatIsRequired(t *testing.T) {
	t.Parallel()
	var rows []refusalRow
	for _, value := range []any{nil, "", "  ", "\t\u00a0"} {
		for name, o := range map[string]attrs{
			"path": op("replace", "userName", value), "value": pathless("replace", attrs{"userName": value}), "add": op("add", "userName", value),
			"URN": op("replace", userURN+":userName", value),
		} {
			rows = append(rows, refusalRow{name: name, ops: []attrs{o}, status: 400, scimType: "invalidValue"})
		}
	}
	rows = append(rows, refusalRow{name: "none", ops: []attrs{op("replace", "userName", []any{})}, status: 400, scimType: "invalidValue"})
	testRefusals(t, rich(), rows)
	onEachStore(t, func(t *testing.T, s *server) {
		path := "/Groups/" + s.group("Crew").id()
		for _, value := range []any{nil, "", []any{}} {
			unchanged(s, path, func() { s.patch(path, op("replace", "displayName", value)).fails(400, "invalidValue") })
			unchanged(s, path, func() { s.patch(path, pathless("replace", attrs{"displayName": value})).fails(400, "invalidValue") })
		}
		covers(t, "7644-3.5.2.3-10")
	})
}
