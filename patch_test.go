package scim_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/dialect"
)

// attrs are attributes of a resource.
type attrs = map[string]any

// within returns the same server for the requests of a subtest.
func within(t testing.TB, s *server) *server {
	other := *s
	other.t = t
	return &other
}

// plain returns a value as it comes out of JSON.
func plain(t testing.TB, v any) (out any) {
	t.Helper()
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &out))
	return out
}

// content is a resource without its meta.
func content(a *response) attrs {
	a.t.Helper()
	m := a.json()
	delete(m, "meta")
	return m
}

// patchRow is a PATCH of a user that succeeds.
type patchRow struct {
	name   string
	before attrs // attributes besides userName
	ops    []attrs
	after  attrs // all that differs afterwards, nil for what is gone; without any, version, times and events stay as well
	covers []string
}

// testPatches sends the operations of each row to a user of its own.
func testPatches(t *testing.T, rows []patchRow, options ...func(*setup)) {
	t.Helper()
	testPatchesOf(t, "/Users", func(n int, more attrs) attrs { return user(fmt.Sprintf("user%d@example.test", n), more) }, rows, options...)
}

// testDevicePatches does the same to devices.
func testDevicePatches(t *testing.T, rows []patchRow) {
	t.Helper()
	testPatchesOf(t, "/Devices", func(n int, more attrs) attrs { return device(fmt.Sprintf("device%d", n), more) }, rows, withDevices)
}

func testPatchesOf(t *testing.T, endpoint string, body func(int, attrs) attrs, rows []patchRow, options ...func(*setup)) {
	t.Helper()
	onEachStore(t, func(t *testing.T, s *server) {
		for n, row := range rows {
			t.Run(row.name, func(t *testing.T) {
				s := within(t, s)
				created := s.create(endpoint, body(n, row.before))
				path := endpoint + "/" + created.id()
				before := s.get(path)
				want := content(before)
				for name, value := range row.after {
					value = plain(t, value)
					if want[name] = value; value == nil {
						delete(want, name)
					}
				}
				s.events.take()
				answer := s.patch(path, row.ops...).is(200)
				require.Equal(t, want, content(answer))
				now := s.get(path)
				require.Equal(t, string(now.body), string(answer.body), "the answer and what is stored differ")
				if len(row.after) == 0 {
					require.Equal(t, string(before.body), string(now.body))
					require.Empty(t, s.events.take())
				} else {
					require.Equal(t, `W/"2"`, now.version())
					require.Len(t, s.events.take(), 1)
				}
				covers(t, row.covers...)
			})
		}
	}, options...)
}

// refusalRow is a PATCH that is refused.
type refusalRow struct {
	name     string
	ops      []attrs
	status   int // 0: 400
	scimType string
	covers   []string
}

// testRefusals sends the operations of each row to a user with those attributes besides userName; nothing of it may change.
func testRefusals(t *testing.T, before attrs, rows []refusalRow, options ...func(*setup)) {
	t.Helper()
	onEachStore(t, func(t *testing.T, s *server) {
		path := "/Users/" + s.user("someone@example.test", before).id()
		refusePatches(t, s, path, rows)
	}, options...)
}

func refusePatches(t *testing.T, s *server, path string, rows []refusalRow) {
	t.Helper()
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			s := within(t, s)
			unchanged(s, path, func() {
				status := row.status
				if status == 0 {
					status = 400
				}
				s.patch(path, row.ops...).fails(status, row.scimType)
			})
			covers(t, row.covers...)
		})
	}
}

// unchanged requires that f leaves the resource at path as it is, to the byte and the version, and emits no event.
func unchanged(s *server, path string, f func()) {
	s.t.Helper()
	before := s.get(path)
	s.events.take()
	f()
	require.Equal(s.t, string(before.body), string(s.get(path).body))
	require.Empty(s.t, s.events.take())
}

// rich are attributes of every kind that a user has.
func rich() attrs {
	return attrs{
		"externalId": "e-1", "displayName": "Nadia", "nickName": "Nad", "title": "Pilot", "active": true,
		"name": attrs{"givenName": "Nadia", "familyName": "Ferro", "middleName": "M"},
		"emails": []attrs{
			{"type": "work", "value": "nadia@work.example", "primary": true},
			{"type": "home", "value": "nadia@home.example"},
		},
		"phoneNumbers": []attrs{{"type": "work", "value": "555-0100"}, {"type": "mobile", "value": "555-0101"}},
		"addresses": []attrs{
			{"type": "work", "streetAddress": "1 Quay", "locality": "Harbourtown"},
			{"type": "home", "streetAddress": "2 Hill"},
		},
		"roles":   []attrs{{"value": "User", "display": "User", "type": "app", "primary": false}},
		"schemas": []string{userURN, enterpriseURN},
		enterpriseURN: attrs{
			"employeeNumber": "7001", "department": "Harbour", "manager": attrs{"value": "m-1", "$ref": "https://idp.example/m-1"},
		},
	}
}

const titleOp = `{"op":"replace","path":"title","value":"Captain"}`

func TestPatchEnvelope(t *testing.T) {
	t.Parallel()
	patchOf := func(operations string) string {
		return `{"schemas":["` + patchURN + `"],"Operations":` + operations + `}`
	}
	refused := []struct {
		name, body string
		covers     []string
	}{
		{name: "schemas missing", body: `{"Operations":[` + titleOp + `]}`},
		{name: "schemas empty", body: `{"schemas":[],"Operations":[` + titleOp + `]}`},
		{name: "schemas null", body: `{"schemas":null,"Operations":[` + titleOp + `]}`},
		{name: "schemas is a string", body: `{"schemas":"` + patchURN + `","Operations":[` + titleOp + `]}`},
		{name: "schemas holds a number", body: `{"schemas":[5],"Operations":[` + titleOp + `]}`},
		{name: "schemas of a user", body: `{"schemas":["` + userURN + `"],"Operations":[` + titleOp + `]}`, covers: []string{"7644-3.5.2-02"}},
		{name: "Operations missing", body: `{"schemas":["` + patchURN + `"]}`},
		{name: "Operations null", body: patchOf(`null`)},
		{name: "Operations is an object", body: patchOf(`{}`)},
		{name: "Operations is one operation", body: patchOf(titleOp)},
		{name: "an operation is a number", body: patchOf(`[` + titleOp + `,5]`)},
		{name: "an operation is null", body: patchOf(`[` + titleOp + `,null]`)},
		{name: "an operation is an array", body: patchOf(`[` + titleOp + `,[]]`)},
		{name: "Operations twice", body: `{"schemas":["` + patchURN + `"],"Operations":[` + titleOp + `],"operations":[` + titleOp + `]}`},
		{name: "the body is an array", body: `[` + titleOp + `]`},
		{name: "the body is a string", body: `"replace"`},
		{name: "the body is null", body: `null`},
		{name: "the body is cut", body: patchOf(`[` + titleOp)[:90]},
		{name: "the body is empty", body: ``},
	}
	onEachStore(t, func(t *testing.T, s *server) {
		path := "/Users/" + s.user("someone@example.test", rich()).id()
		for _, row := range refused {
			t.Run(row.name, func(t *testing.T) {
				s := within(t, s)
				unchanged(s, path, func() { s.do("PATCH", path, row.body).fails(400, "invalidSyntax") })
				covers(t, row.covers...)
			})
		}
		t.Run("names in any case and keys that the RFC does not know", func(t *testing.T) {
			s := within(t, s)
			s.do("PATCH", path, `{"id":"x","SCHEMAS":["urn:example:more","`+strings.ToUpper(patchURN)+`"],"operations":[{"name":"setTitle","OP":"Replace","Path":"TITLE","VALUE":"Captain"}]}`).is(200)
			require.Equal(t, "Captain", s.get(path).at("title"))
			covers(t, "ENTRA-33", "P-20")
		})
	})
}

func TestPatchOpNames(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		path := "/Users/" + s.user("someone@example.test", rich()).id()
		for _, bad := range []string{
			`"op":"move","from":"title"`, `"op":"copy"`, `"op":"test"`, `"op":"delete"`, `"op":"ADD "`, `"op":" add"`, `"op":""`,
			`"op":5`, `"op":null`, `"op":["add"]`, `"op":true`, `"x":1`, `"op":"add","op":"replace"`, `"op":"add","OP":"add"`,
		} {
			t.Run(bad, func(t *testing.T) {
				s := within(t, s)
				body := `{"schemas":["` + patchURN + `"],"Operations":[` + titleOp + `,{` + bad + `,"path":"nickName","value":"x"}]}`
				unchanged(s, path, func() { s.do("PATCH", path, body).fails(400, "invalidSyntax") })
			})
		}
		covers(t, "7644-3.5.2-04", "P-11", "ENTRA-51")
		for _, name := range []string{"Replace", "REPLACE", "rePlace", "Add", "ADD"} {
			s.patch(path, op(name, "title", "by "+name)).is(200)
			require.Equal(t, "by "+name, s.get(path).at("title"))
		}
		for _, name := range []string{"Remove", "REMOVE"} {
			s.patch(path, op("add", "title", "x"), op(name, "title")).is(200)
			require.Nil(t, s.get(path).at("title"))
		}
		covers(t, "7644-3.5.2-05", "S-72")
	})
}

// An empty list of operations is a probe of Entra's validator; a strict connection takes the RFC at its word.
func TestPatchWithoutOperations(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		path := "/Users/" + s.user("someone@example.test", rich()).id()
		unchanged(s, path, func() { s.patch(path).is(400) }) // a nil slice is null
		unchanged(s, path, func() {
			s.do("PATCH", path, attrs{"schemas": []string{patchURN}, "Operations": []attrs{}}).is(200)
		})
		covers(t, "ENTRA-55")
	})
	onEachStore(t, func(_ *testing.T, s *server) {
		path := "/Users/" + s.user("someone@example.test").id()
		unchanged(s, path, func() {
			s.do("PATCH", path, attrs{"schemas": []string{patchURN}, "Operations": []attrs{}}).fails(400, "invalidSyntax")
		})
	}, strictly)
}

// Each bad path is tried with each operation, behind one that would change something.
func TestPatchBadPaths(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name      string
		paths     []any
		scimTypes []string
		covers    []string
	}{
		{
			name: "not a path", paths: []any{
				`.x`, `.a`, `a..b`, `name.`, `emails]`, `[type eq "work"]`, `emails[type eq "work"]value`, `emails[type eq "work"].`,
				`emails[type eq "work"].value.x`, `emails[type eq "work"][value pr]`, `name.givenName.x`, `ti tle`, ``, 5, true,
				[]string{"title"}, attrs{"title": 1}, strings.Repeat("a", 1025), "name." + strings.Repeat("x", 1020), `__proto__`, `$set`,
				`'; --`, "title\n", `"title"`, `*`, `?`,
			}, scimTypes: []string{"invalidPath"},
		},
		{
			name: "not a path: brackets", paths: []any{`emails[`, `emails[]`, `emails[0]`, `members[value eq]`, `emails[type eq "work"`, `title[`},
			scimTypes: []string{"invalidPath"}, covers: []string{"7644-3.5.2-06"},
		},
		{
			name: "no such attribute", paths: []any{
				`foo`, `name.foo`, `nickNme`, `title.x`, `emails.nope`, `members`, `emails[type eq "work"].nope`, `meta.nope`,
				userURN + `:nope`, userURN + `:name.nope`, enterpriseURN + `:nope`, enterpriseURN + `:manager.nope`, groupURN + `:displayName`,
				`urn:ietf:params:scim:schemas:core:2.0:Device:x`,
			}, scimTypes: []string{"invalidPath"}, covers: []string{"7644-3.5.2-07"},
		},
		{
			name: "no value filter fits", paths: []any{
				`title[value eq "x"]`, `name[givenName eq "x"]`, `userName[value pr]`, enterpriseURN + `[department eq "x"]`,
				enterpriseURN + `:manager[value eq "m-1"]`,
			}, scimTypes: []string{"invalidPath"},
		},
		{
			name: "malformed value filter", paths: []any{
				`emails[type zz "x"]`, `emails[type eq]`, `emails[type eq x]`, `emails[type]`, `emails[type eq "x" and]`, `emails[(type eq "x"]`,
				`emails[nope eq "x"]`, `emails[type eq 5]`, `emails[primary gt true]`, `emails[type eq "x]`, `emails[not type eq "x"]`,
			}, scimTypes: []string{"invalidFilter", "invalidPath"}, covers: []string{"7644-3.12-08"},
		},
		{
			name: "pointers and indexes", paths: []any{
				`/emails/0`, `/title`, `/name/givenName`, `emails/0`, `emails.0`, `emails.0.value`, `emails/-`, `#/title`,
			}, scimTypes: []string{"invalidPath"}, covers: []string{"7644-3.5.2-19"},
		},
		{
			name: "a sub-attribute of many values", paths: []any{`emails.type`, `emails.value`, `addresses.streetAddress`, `roles.primary`},
			scimTypes: []string{"invalidPath"}, covers: []string{"7644-3.5.2.1-12"},
		},
	}
	onEachStore(t, func(t *testing.T, s *server) {
		path := "/Users/" + s.user("someone@example.test", rich()).id()
		for _, row := range rows {
			t.Run(row.name, func(t *testing.T) {
				s := within(t, s)
				for _, bad := range row.paths {
					for _, name := range []string{"add", "replace", "remove"} {
						o := attrs{"op": name, "path": bad}
						if name != "remove" {
							o["value"] = "x"
						}
						unchanged(s, path, func() {
							a := s.patch(path, op("replace", "title", "Captain"), o).is(400)
							require.Contains(t, row.scimTypes, a.at("scimType"), "%s %q: %s", name, bad, a.body)
						})
					}
				}
				covers(t, row.covers...)
			})
		}
		covers(t, "P-12")
	})
}

func TestPatchPathForms(t *testing.T) {
	t.Parallel()
	ext := func(more attrs) attrs {
		all := attrs{"employeeNumber": "7001", "department": "Harbour", "manager": attrs{"value": "m-1", "$ref": "https://idp.example/m-1"}}
		maps.Copy(all, more)
		return attrs{enterpriseURN: all}
	}
	name := func(given string) attrs {
		return attrs{"name": attrs{"givenName": given, "familyName": "Ferro", "middleName": "M"}}
	}
	testPatches(t, []patchRow{
		{name: "any case", before: rich(), ops: []attrs{op("replace", "NAME.givenname", "B")}, after: name("B")},
		{name: "core URN", before: rich(), ops: []attrs{op("replace", userURN+":title", "Captain")}, after: attrs{"title": "Captain"}},
		{name: "core URN and sub-attribute", before: rich(), ops: []attrs{op("replace", userURN+":NAME.givenName", "B")}, after: name("B")},
		{name: "core URN in any case", before: rich(), ops: []attrs{op("replace", strings.ToUpper(userURN)+":Title", "Captain")}, after: attrs{"title": "Captain"}, covers: []string{"ENTRA-42"}},
		{
			name: "core URN and value path", before: rich(), ops: []attrs{op("replace", userURN+`:phoneNumbers[type eq "work"].value`, "555-0199")},
			after: attrs{"phoneNumbers": []attrs{{"type": "work", "value": "555-0199"}, {"type": "mobile", "value": "555-0101"}}},
		},
		{name: "extension URN", before: rich(), ops: []attrs{op("replace", enterpriseURN+":department", "Dock")}, after: ext(attrs{"department": "Dock"}), covers: []string{"ENTRA-38"}},
		{
			name: "extension URN and sub-attribute", before: rich(), ops: []attrs{op("replace", enterpriseURN+":manager.value", "m-2")},
			after:  ext(attrs{"manager": attrs{"value": "m-2"}}), // the $ref pointed to m-1
			covers: []string{"7644-3.10-04"},
		},
		{name: "extension attribute without its URN", before: rich(), ops: []attrs{op("replace", "department", "Dock")}, after: ext(attrs{"department": "Dock"})},
		{name: "dot after the URN", before: rich(), ops: []attrs{op("replace", enterpriseURN+".department", "Dock")}, after: ext(attrs{"department": "Dock"}), covers: []string{"ENTRA-10"}},
		{
			name: "replace a bare extension URN merges", before: rich(), ops: []attrs{op("replace", enterpriseURN, attrs{"department": "Dock", "costCenter": "44"})},
			after: ext(attrs{"department": "Dock", "costCenter": "44"}),
		},
		{
			name: "add a bare extension URN", ops: []attrs{op("add", enterpriseURN, attrs{"department": "Dock"})},
			after: attrs{enterpriseURN: attrs{"department": "Dock"}, "schemas": []string{userURN, enterpriseURN}},
		},
		{
			name: "remove a bare extension URN", before: rich(), ops: []attrs{op("remove", enterpriseURN)},
			after: attrs{enterpriseURN: nil, "schemas": []string{userURN}}, covers: []string{"7644-3.10-05"},
		},
		{name: "the bare core URN names the core attributes", before: rich(), ops: []attrs{op("replace", userURN, attrs{"title": "Captain"})}, after: attrs{"title": "Captain"}},
	})
}

// An attribute of an extension that nobody registered is skipped, unless it could be an offboarding.
func TestPatchUnregisteredExtension(t *testing.T) {
	t.Parallel()
	const acme = "urn:ietf:params:scim:schemas:extension:acmehr:2.0:User:"
	skipped := []string{acme + "badgeColor", "urn:acme:hr:User:badgeColor", acme + "badge.color"}
	refused := []string{acme + "active", acme + "userName", acme + "x.active", "urn:acme:hr:User:ACTIVE", acme, "urn:acme:hr..x"}
	onEachStore(t, func(t *testing.T, s *server) {
		path := "/Users/" + s.user("someone@example.test", rich()).id()
		for _, p := range skipped {
			for _, o := range []attrs{op("Add", p, "teal"), op("replace", p, attrs{"x": 1}), op("remove", p)} {
				unchanged(s, path, func() { s.patch(path, o).is(200) })
			}
			s.patch(path, op("add", p, "teal"), op("replace", "title", p)).is(200)
			require.Equal(t, p, s.get(path).at("title"), "the other operations apply")
		}
		covers(t, "ENTRA-42")
		for _, p := range refused {
			unchanged(s, path, func() { s.patch(path, op("add", p, "x")).fails(400, "invalidPath") })
		}
	})
	onEachStore(t, func(_ *testing.T, s *server) {
		path := "/Users/" + s.user("someone@example.test").id()
		for _, p := range append(skipped, refused...) {
			unchanged(s, path, func() { s.patch(path, op("add", p, "x")).fails(400, "invalidPath") })
		}
	}, strictly)
}

func TestPatchAppliesInOrder(t *testing.T) {
	t.Parallel()
	testPatches(t, []patchRow{
		{name: "add and remove", ops: []attrs{op("add", "nickName", "N"), op("remove", "nickName")}},
		{name: "remove and add", before: rich(), ops: []attrs{op("remove", "nickName"), op("add", "nickName", "N")}, after: attrs{"nickName": "N"}},
		{name: "the last replace wins", ops: []attrs{op("replace", "title", "A"), op("replace", "title", "B")}, after: attrs{"title": "B"}},
		{
			name: "a later filter sees an earlier value",
			ops: []attrs{
				op("add", "emails", []attrs{{"type": "work", "value": "a@x.example"}}),
				op("replace", `emails[value eq "a@x.example"].display`, "A"),
				op("replace", `emails[type eq "work"].type`, "other"),
				op("remove", `emails[type eq "work"]`),
			},
			after: attrs{"emails": []attrs{{"type": "other", "value": "a@x.example", "display": "A"}}},
		},
		{
			name: "a removed extension URN takes earlier data along, not later data", before: rich(),
			ops: []attrs{
				op("add", enterpriseURN+":division", "D"), op("remove", `schemas[value eq "`+enterpriseURN+`"]`),
				op("add", enterpriseURN+":costCenter", "44"),
			},
			after: attrs{enterpriseURN: attrs{"costCenter": "44"}},
		},
		{
			name: "an extension attribute brings its URN", ops: []attrs{op("add", enterpriseURN+":employeeNumber", "1")},
			after: attrs{enterpriseURN: attrs{"employeeNumber": "1"}, "schemas": []string{userURN, enterpriseURN}}, covers: []string{"7644-3.5.2-16"},
		},
	})
	onEachStore(t, func(t *testing.T, s *server) {
		a, b := s.user("a").id(), s.user("b").id()
		group := s.group("Crew", a).id()
		s.patch("/Groups/"+group, op("remove", "members"), op("add", "members", memberList(b))).is(204)
		require.Equal(t, []string{b}, s.members(group))
		s.patch("/Groups/"+group, op("add", "members", memberList(a)), op("remove", "members")).is(204)
		require.Empty(t, s.members(group))
		covers(t, "7644-3.5.2-08")
	})
}

// A PATCH whose last operation fails leaves nothing of the ones before, whatever it fails for.
func TestPatchIsAtomic(t *testing.T) {
	t.Parallel()
	first := []attrs{op("replace", "title", "Captain"), pathless("add", attrs{"emails": []attrs{{"value": "new@x.example"}}, enterpriseURN: attrs{"division": "D"}})}
	var rows []refusalRow
	for _, last := range []refusalRow{
		{name: "required", ops: []attrs{op("remove", "userName")}, status: 400, scimType: "mutability", covers: []string{"7644-3.5.2-09"}},
		{name: "readOnly", ops: []attrs{op("replace", "id", "x")}, status: 400, scimType: "mutability"},
		{name: "type", ops: []attrs{op("replace", "active", "maybe")}, status: 400, scimType: "invalidValue"},
		{name: "value missing", ops: []attrs{op("replace", "title")}, status: 400, scimType: "invalidValue"},
		{name: "uniqueness", ops: []attrs{op("replace", "userName", "TAKEN@example.test")}, status: 409, scimType: "uniqueness"},
		{name: "no target", ops: []attrs{{"op": "remove"}}, status: 400, scimType: "noTarget"},
		{name: "no target for a filter", ops: []attrs{op("replace", `emails[value sw "zzz"].display`, "x")}, status: 400, scimType: "noTarget"},
		{name: "path", ops: []attrs{op("add", "nickNme", "x")}, status: 400, scimType: "invalidPath"},
		{name: "filter", ops: []attrs{op("remove", `emails[nope eq "x"]`)}, status: 400, scimType: "invalidFilter"},
		{name: "op", ops: []attrs{op("move", "title", "x")}, status: 400, scimType: "invalidSyntax"},
		{name: "two primaries", ops: []attrs{op("replace", "emails", []attrs{{"value": "a", "primary": true}, {"value": "b", "primary": true}})}, status: 400, scimType: "invalidValue"},
	} {
		last.ops = append(first[:2:2], last.ops...)
		rows = append(rows, last)
	}
	onEachStore(t, func(t *testing.T, s *server) {
		s.user("taken@example.test")
		refusePatches(t, s, "/Users/"+s.user("someone@example.test", rich()).id(), rows)
	})
	onEachStore(t, func(t *testing.T, s *server) {
		a, b := s.user("a").id(), s.user("b").id()
		s.group("Taken")
		path := "/Groups/" + s.group("Crew", a).id()
		first := []attrs{op("replace", "displayName", "New"), op("add", "members", memberList(b)), op("remove", `members[value eq "`+a+`"]`)}
		for _, last := range []attrs{
			op("add", "members", memberList("nobody")), op("remove", "displayName"), op("replace", "members", "a"),
			op("replace", `members[value eq "`+b+`"].value`, a), op("replace", "displayName", "TAKEN"),
		} {
			unchanged(s, path, func() {
				require.GreaterOrEqual(t, s.patch(path, append(first[:3:3], last)...).status, 400, last)
			})
		}
		covers(t, "P-13", "ENTRA-51")
	}, withIDP(dialect.MicrosoftEntra))
}

func TestPatchAnswers(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		id := s.user("someone@example.test", rich()).id()
		path := "/Users/" + id
		full := s.patch(path, op("replace", "title", "Captain")).is(200)
		require.Equal(t, string(s.get(path).body), string(full.body))
		require.Equal(t, `W/"2"`, full.header.Get("ETag"))
		require.Equal(t, baseURL+path, full.header.Get("Location"))
		require.Equal(t, "application/scim+json", full.header.Get("Content-Type"))
		covers(t, "ENTRA-52")

		some := s.do("PATCH", path+"?attributes=title", patchBody(op("replace", "title", "Cook"))).is(200)
		require.Equal(t, attrs{"schemas": []any{userURN, enterpriseURN}, "id": id, "title": "Cook"}, some.json())
		most := s.do("PATCH", path+"?excludedAttributes=emails,name", patchBody(op("replace", "title", "Mate"))).is(200)
		require.Nil(t, most.at("emails"))
		require.Equal(t, "Mate", most.at("title"))

		group := "/Groups/" + s.group("Crew").id()
		none := s.patch(group, op("add", "members", memberList(id))).is(204)
		require.Empty(t, none.body)
		require.Equal(t, `W/"2"`, none.header.Get("ETag"))
		require.Equal(t, baseURL+group, none.header.Get("Location"))
		require.Equal(t, `W/"2"`, s.get(group).version())
		covers(t, "7644-3.5.2-11", "ENTRA-66", "OKTA-22")
		none = s.patch(group, op("add", "members", memberList(id))).is(204)
		require.Equal(t, `W/"2"`, none.header.Get("ETag"), "nothing changed")

		named := s.do("PATCH", group+"?attributes=displayName", patchBody(op("replace", "displayName", "Watch"))).is(200)
		require.Equal(t, "Watch", named.at("displayName"))
		require.Nil(t, named.at("members"))
		named = s.do("PATCH", group+"?attributes=members", patchBody(op("replace", "displayName", "Crew"))).is(200)
		require.Equal(t, id, named.at("members", 0, "value"))
		named = s.do("PATCH", group+"?excludedAttributes=members", patchBody(op("replace", "displayName", "Watch"))).is(200)
		require.Equal(t, "Watch", named.at("displayName"))
		require.Nil(t, named.at("members"))
		covers(t, "7644-3.5.2-10")
	})
}

func TestPatchUnknownResource(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		group := s.group("Crew").id()
		for _, path := range []string{"/Users/none", "/Groups/none", "/Users/" + group} {
			s.patch(path, op("replace", "displayName", "x")).fails(404, "")
		}
		total := s.get("/Users?count=0").at("totalResults")
		require.EqualValues(t, 0, total, "a PATCH creates nothing")
		covers(t, "7644-3.12-11")
	})
}

func TestPatchCondition(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		created := s.user("someone@example.test", rich())
		path := "/Users/" + created.id()
		for _, o := range []attrs{op("replace", "title", "Captain"), op("replace", "id", "x"), op("add", "nope", 1)} {
			unchanged(s, path, func() { s.do("PATCH", path, patchBody(o), "If-Match", `W/"7"`).fails(412, "") })
		}
		covers(t, "7644-3.14-04")
		a := s.do("PATCH", path, patchBody(op("replace", "title", "Captain")), "If-Match", created.version()).is(200)
		require.Equal(t, `W/"2"`, a.version())
		unchanged(s, path, func() {
			s.do("PATCH", path, patchBody(op("replace", "title", "Cook")), "If-Match", created.version()).fails(412, "")
		})

		member := s.user("member").id()
		group := s.group("Crew")
		path = "/Groups/" + group.id()
		s.patch(path, op("replace", "displayName", "Watch")).is(204)
		unchanged(s, path, func() {
			s.do("PATCH", path, patchBody(op("add", "members", memberList(member))), "If-Match", group.version()).fails(412, "")
		})
	})
}

func TestPatchUniqueness(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		s.user("taken@example.test")
		path := "/Users/" + s.user("someone@example.test", rich()).id()
		for _, ops := range [][]attrs{
			{op("replace", "userName", "taken@example.test")},
			{op("add", "userName", "Taken@Example.TEST")},
			{pathless("replace", attrs{"userName": "taken@example.test"})},
			{pathless("add", attrs{userURN + ":userName": "TAKEN@example.test"})},
			{op("replace", userURN+":USERNAME", "taken@example.test")},
		} {
			unchanged(s, path, func() { s.patch(path, ops...).fails(409, "uniqueness") })
		}
		covers(t, "7644-3.12-09")
		s.patch(path, op("replace", "userName", "Someone@example.test")).is(200)
		require.Equal(t, "Someone@example.test", s.get(path).at("userName"), "one's own name in another case is free")
		s.patch(path, op("replace", "userName", "renamed@example.test")).is(200)
		s.user("someone@example.test")
	})
	onEachStore(t, func(_ *testing.T, s *server) {
		s.create("/Devices", device("one", attrs{"assetTag": "A-1", "schemas": []string{deviceURN, warrantyURN}, warrantyURN: attrs{"provider": "P", "contract": "C-1"}}))
		path := "/Devices/" + s.create("/Devices", device("two", attrs{"schemas": []string{deviceURN, warrantyURN}, warrantyURN: attrs{"provider": "P"}})).id()
		for _, o := range []attrs{op("add", "assetTag", "a-1"), op("add", warrantyURN+":contract", "c-1"), pathless("add", attrs{"assetTag": "A-1"})} {
			unchanged(s, path, func() { s.patch(path, o).fails(409, "uniqueness") })
		}
	}, withDevices)
}

func TestPatchWrongTypes(t *testing.T) {
	t.Parallel()
	var rows []refusalRow
	for _, c := range []struct {
		path   string
		values []any
	}{
		{"active", []any{"maybe", 1, 0, "0", attrs{}, []any{}, []any{true}}},
		{"title", []any{5, true, attrs{"value": "x"}, []string{"x"}}},
		{"name", []any{"x", 5, true, []string{"x"}, attrs{"givenName": 5}, attrs{"givenName": attrs{}}}},
		{"emails", []any{5, true, "x", []any{5}, []any{"x"}, []any{[]any{}}, attrs{"value": 5}, []any{attrs{"value": "x", "primary": "x"}}}},
		{"name.givenName", []any{5, false, attrs{}, []any{}}},
		{`emails[type eq "work"].value`, []any{5, attrs{}, []any{}}},
		{`emails[type eq "work"].primary`, []any{"x", 5, attrs{}}},
		{`emails[type eq "work"]`, []any{5, "x", []any{attrs{"value": "x"}}}},
		{enterpriseURN, []any{5, "x", []any{}}},
		{enterpriseURN + ":manager", []any{5, true, []any{"x", "y"}}},
		{enterpriseURN + ":department", []any{5, attrs{}}},
		{userURN, []any{5, "x", []any{}}},
	} {
		for _, value := range c.values {
			for _, name := range []string{"add", "replace"} {
				rows = append(rows, refusalRow{name: fmt.Sprint(name, " ", c.path, " ", value), ops: []attrs{op(name, c.path, value)}, status: 400, scimType: "invalidValue"})
				if !strings.Contains(c.path, "[") {
					rows = append(rows, refusalRow{
						name: fmt.Sprint(name, " {", c.path, ": ", value, "}"), ops: []attrs{pathless(name, attrs{c.path: value})}, status: 400, scimType: "invalidValue",
					})
				}
			}
		}
	}
	testRefusals(t, rich(), rows)
	testRefusals(t, rich(), []refusalRow{
		{name: "boolean", ops: []attrs{op("replace", "active", "maybe")}, status: 400, scimType: "invalidValue"},
		{name: "complex", ops: []attrs{op("replace", "name", "x")}, status: 400, scimType: "invalidValue"},
		{name: "multi-valued", ops: []attrs{op("add", "emails", 5)}, status: 400, scimType: "invalidValue", covers: []string{"7644-3.12-10"}},
	})
}

func TestPatchWithoutEffect(t *testing.T) {
	t.Parallel()
	testPatches(t, []patchRow{
		{name: "same value", before: rich(), ops: []attrs{op("replace", "title", "Pilot")}, covers: []string{"7644-3.5.2-18"}},
		{name: "there and back", before: rich(), ops: []attrs{op("replace", "title", "A"), op("remove", "title"), op("add", "title", "Pilot")}},
		{name: "all of what is there", before: rich(), ops: []attrs{pathless("replace", rich())}},
		{name: "all of what is there, added", before: rich(), ops: []attrs{pathless("add", rich())}},
		{name: "nothing in the value", before: rich(), ops: []attrs{pathless("replace", attrs{})}},
		{name: "same complex value", before: rich(), ops: []attrs{op("replace", "name", attrs{"givenName": "Nadia"})}},
		{name: "same element", before: rich(), ops: []attrs{op("replace", `emails[type eq "home"].value`, "nadia@home.example")}},
		{name: "same string boolean", before: rich(), ops: []attrs{op("replace", "active", "True")}},
	})
}

func TestPatchPrimary(t *testing.T) {
	t.Parallel()
	work, home := attrs{"type": "work", "value": "nadia@work.example"}, attrs{"type": "home", "value": "nadia@home.example"}
	with := func(element attrs, primary bool) attrs {
		element = maps.Clone(element)
		element["primary"] = primary
		return element
	}
	added := attrs{"value": "new@x.example", "primary": true}
	all := func(elements ...attrs) attrs { return attrs{"emails": elements} }
	testPatches(t, []patchRow{
		{name: "add", before: rich(), ops: []attrs{op("add", "emails", []attrs{added})}, after: all(with(work, false), home, added)},
		{name: "add one object", before: rich(), ops: []attrs{op("add", "emails", added)}, after: all(with(work, false), home, added)},
		{name: "add without a path", before: rich(), ops: []attrs{pathless("add", attrs{"emails": []attrs{added}})}, after: all(with(work, false), home, added)},
		{name: "add to an element that is there", before: rich(), ops: []attrs{op("add", "emails", []attrs{with(home, true)})}, after: all(with(work, false), with(home, true))},
		{name: "replace by value path", before: rich(), ops: []attrs{op("replace", `emails[type eq "home"].primary`, true)}, after: all(with(work, false), with(home, true))},
		{name: "add by value path", before: rich(), ops: []attrs{op("add", `emails[type eq "home"]`, attrs{"primary": true})}, after: all(with(work, false), with(home, true))},
		{
			name: "replace the element", before: rich(), ops: []attrs{op("replace", `emails[type eq "home"]`, attrs{"value": "nadia@home.example", "primary": true})},
			after: all(with(work, false), with(home, true)),
		},
		{
			name: "create by value path", before: rich(), ops: []attrs{op("add", `emails[type eq "other" and primary eq true].value`, "o@x.example")},
			after: all(with(work, false), home, attrs{"type": "other", "value": "o@x.example", "primary": true}),
		},
		{name: "as a string", before: rich(), ops: []attrs{op("Replace", `emails[type eq "home"].primary`, "True")}, after: all(with(work, false), with(home, true))},
		{name: "true again", before: rich(), ops: []attrs{op("replace", `emails[type eq "work"].primary`, true)}},
		{name: "false leaves none", before: rich(), ops: []attrs{op("replace", `emails[type eq "work"].primary`, false)}, after: all(with(work, false), home), covers: []string{"7644-3.5.2-15"}},
		{
			name: "the validator's flips", before: attrs{"emails": []attrs{with(work, true)}},
			ops: []attrs{
				op("replace", `emails[type eq "work"].value`, "n1@example.test"), op("add", `emails[type eq "home"].value`, "n2@example.test"),
				op("add", `emails[type eq "work"].primary`, false), op("replace", `emails[type eq "home"].primary`, true),
			},
			after:  all(attrs{"type": "work", "value": "n1@example.test", "primary": false}, attrs{"type": "home", "value": "n2@example.test", "primary": true}),
			covers: []string{"ENTRA-54"},
		},
		{
			name: "a second primary takes over before the first is told", before: attrs{"emails": []attrs{with(work, true), home}},
			ops:   []attrs{op("add", `emails[type eq "home"].primary`, true), op("add", `emails[type eq "work"].primary`, false)},
			after: all(with(work, false), with(home, true)),
		},
		{
			name: "another attribute keeps its own", before: attrs{"emails": []attrs{with(work, true)}, "roles": []attrs{{"value": "a", "primary": true}, {"value": "b"}}},
			ops:   []attrs{op("replace", `roles[value eq "b"].primary`, true)},
			after: attrs{"roles": []attrs{{"value": "a", "primary": false}, {"value": "b", "primary": true}}},
		},
	})
	testRefusals(t, rich(), []refusalRow{
		{name: "two in one add", ops: []attrs{op("add", "emails", []attrs{added, with(added, true), {"value": "b", "primary": true}})}, status: 400, scimType: "invalidValue"},
		{name: "two in one replace", ops: []attrs{op("replace", "emails", []attrs{{"value": "a", "primary": true}, {"value": "b", "primary": true}})}, status: 400, scimType: "invalidValue"},
		{name: "all at once", ops: []attrs{op("replace", `emails[value pr].primary`, true)}, status: 400, scimType: "invalidValue", covers: []string{"M-09"}},
	})
}

// The value of schemas follows from the data: an extension goes with its URN, and the base schema stays.
func TestPatchSchemas(t *testing.T) {
	t.Parallel()
	withoutExtension := attrs{enterpriseURN: nil, "schemas": []string{userURN}}
	testPatches(t, []patchRow{
		{name: "remove the extension's URN", before: rich(), ops: []attrs{op("remove", `schemas[value eq "`+enterpriseURN+`"]`)}, after: withoutExtension, covers: []string{"7644-3.5.2.2-13"}},
		{name: "remove it in another case", before: rich(), ops: []attrs{op("remove", `schemas[value eq "`+strings.ToUpper(enterpriseURN)+`"]`)}, after: withoutExtension},
		{name: "remove it by value", before: rich(), ops: []attrs{op("remove", `schemas`, []string{enterpriseURN})}, after: withoutExtension},
		{name: "replace without it", before: rich(), ops: []attrs{op("replace", `schemas`, []string{userURN})}, after: withoutExtension},
		{name: "replace with the same", before: rich(), ops: []attrs{op("replace", `schemas`, []string{userURN, enterpriseURN})}},
		{name: "add a URN without data", ops: []attrs{op("add", `schemas`, []string{enterpriseURN})}},
		{name: "remove another URN", before: rich(), ops: []attrs{op("remove", `schemas[value eq "urn:example:none"]`)}},
		{name: "in a value without a path", before: rich(), ops: []attrs{pathless("replace", attrs{"schemas": []string{userURN}, "title": "T"})}, after: attrs{"title": "T"}},
	})
	testRefusals(t, rich(), []refusalRow{
		{name: "remove the base schema", ops: []attrs{op("remove", `schemas[value eq "`+userURN+`"]`)}, status: 400, scimType: "mutability"},
		{name: "remove all", ops: []attrs{op("remove", `schemas`)}, status: 400, scimType: "mutability"},
		{name: "replace with none", ops: []attrs{op("replace", `schemas`, []string{})}, status: 400, scimType: "mutability"},
		{name: "replace by another type's", ops: []attrs{op("replace", `schemas`, []string{groupURN})}, status: 400, scimType: "mutability"},
		{name: "replace the base schema's value", ops: []attrs{op("replace", `schemas[value eq "`+userURN+`"]`, groupURN)}, status: 400, scimType: "mutability", covers: []string{"7644-3.5.2-17"}},
	})
}

// The resource is validated as a whole after the last operation; a required attribute cannot be removed even for a moment.
func TestPatchValidatesTheResult(t *testing.T) {
	t.Parallel()
	testDevicePatches(t, []patchRow{
		{
			name:  "a required attribute of an extension may come second",
			ops:   []attrs{op("add", warrantyURN+":months", 12), op("add", warrantyURN+":provider", "P")},
			after: attrs{warrantyURN: attrs{"months": 12, "provider": "P"}, "schemas": []string{deviceURN, warrantyURN}},
		},
	})
	onEachStore(t, func(t *testing.T, s *server) {
		path := "/Devices/" + s.create("/Devices", device("one")).id()
		unchanged(s, path, func() { s.patch(path, op("add", warrantyURN+":months", 12)).fails(400, "invalidValue") })
		unchanged(s, path, func() {
			s.patch(path, op("replace", "ports", []attrs{{"value": "1", "primary": true}, {"value": "2", "primary": true}})).fails(400, "invalidValue")
		})
		group := "/Groups/" + s.group("Crew").id()
		unchanged(s, group, func() {
			s.patch(group, op("remove", "displayName"), op("add", "displayName", "Crew 2")).fails(400, "mutability")
		})
		covers(t, "7644-3.5.2-20")
	}, withDevices)
}

func TestPatchOperationLimit(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		path := "/Users/" + s.user("someone@example.test").id()
		var ops []attrs
		for i := range 1000 {
			ops = append(ops, op("replace", "title", fmt.Sprint("T", i)))
		}
		require.Equal(t, "T999", s.patch(path, ops...).is(200).at("title"))
		require.Equal(t, `W/"2"`, s.get(path).version(), "one request, one version")
		unchanged(s, path, func() { s.patch(path, append(ops, op("replace", "title", "last"))...).is(413) })
		covers(t, "P-18")
	})
	onEachStore(t, func(_ *testing.T, s *server) {
		path := "/Users/" + s.user("someone@example.test").id()
		s.patch(path, op("add", "title", "a"), op("add", "title", "b")).is(200)
		unchanged(s, path, func() {
			s.patch(path, op("add", "title", "1"), op("add", "title", "2"), op("add", "title", "3")).is(413)
		})
	}, withLimits(scim.Limits{PatchOperations: 2}))
}

// The keys of an object have no order, so no two of them may write the same.
func TestPatchKeysThatContradict(t *testing.T) {
	t.Parallel()
	rows := []refusalRow{}
	for _, value := range []attrs{
		{"active": true, userURN + ":active": false}, {"ACTIVE": true, strings.ToUpper(userURN) + ":active": false}, {"active": false, userURN: attrs{"active": true}},
		{"name": attrs{"givenName": "A"}, "name.givenName": "B"}, {"name.givenName": "A", "NAME.GIVENNAME": "B"}, {"NAME.givenName": "A", "name": attrs{"givenName": "B"}}, {"NAME.givenName": "A", "name": attrs{"givenName": nil}},
		{"name.givenName": nil, "name": attrs{"familyName": "F", "givenName": "G"}},
		{enterpriseURN: attrs{"department": "A"}, enterpriseURN + ":department": "B"}, {"department": "A", enterpriseURN + ":department": "B"},
		{enterpriseURN + ":manager": "a", enterpriseURN + ":manager.value": "b"}, {"emails": []attrs{{"value": "a"}}, userURN + ":emails": []attrs{{"value": "b"}}},
	} {
		for _, name := range []string{"add", "replace"} {
			rows = append(rows, refusalRow{name: fmt.Sprint(name, value), ops: []attrs{pathless(name, value)}, scimType: "invalidSyntax"})
		}
	}
	testRefusals(t, rich(), rows)
	testPatches(t, []patchRow{
		{
			name: "parts of one", before: rich(), ops: []attrs{pathless("replace", attrs{"name.givenName": "A", "name.familyName": "B", "name": attrs{"middleName": "C"}})},
			after: attrs{"name": attrs{"givenName": "A", "familyName": "B", "middleName": "C"}},
		},
		{
			name: "the same in two operations", before: rich(), ops: []attrs{pathless("replace", attrs{"title": "A"}), pathless("replace", attrs{userURN + ":title": "B"})},
			after: attrs{"title": "B"},
		},
	})
	onEachStore(t, func(_ *testing.T, s *server) {
		a, b := s.user("a").id(), s.user("b").id()
		path := "/Groups/" + s.group("Crew", a).id()
		for _, name := range []string{"add", "replace"} {
			unchanged(s, path, func() {
				s.patch(path, pathless(name, attrs{"members": memberList(b), groupURN + ":members": []attrs{}})).fails(400, "invalidSyntax")
			})
		}
	})
}

// Times move with versions, even where the clock stands still.
func TestPatchMovesTheTime(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		path := "/Users/" + s.user("someone@example.test").id()
		last := s.get(path).at("meta", "lastModified").(string)
		for i := range 3 {
			now := s.patch(path, op("replace", "title", fmt.Sprint(i))).is(200).at("meta", "lastModified").(string)
			require.Greater(t, now, last)
			last = now
		}
	}, func(c *setup) {
		c.config.Now = func() time.Time { return time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC) }
	})
}

// What Entra sends in either mode: one request with everything.
func TestPatchAsEntraSendsIt(t *testing.T) {
	t.Parallel()
	role := func(value string) attrs {
		return attrs{"primary": false, "type": "WindowsAzureActiveDirectoryRole", "display": value, "value": value}
	}
	manager := enterpriseURN + ":manager"
	managed := func(by any) attrs {
		ext := attrs{"employeeNumber": "7001", "department": "Harbour"}
		if by != nil {
			ext["manager"] = attrs{"value": by}
		}
		return attrs{enterpriseURN: ext}
	}
	testPatches(t, []patchRow{
		{
			name: "one operation per attribute", before: rich(), ops: []attrs{
				op("Replace", "displayName", "Nadia Lind"), op("Replace", `emails[type eq "work"].value`, "nadia.lind@example.test"),
				op("Replace", "name.givenName", "Nad"), op("Replace", "name.familyName", "Lind"), op("Replace", "externalId", "nlind"),
				op("Replace", enterpriseURN+":employeeNumber", "7002"),
			},
			after: attrs{
				"displayName": "Nadia Lind", "name": attrs{"givenName": "Nad", "familyName": "Lind", "middleName": "M"}, "externalId": "nlind",
				"emails": []attrs{
					{"type": "work", "value": "nadia.lind@example.test", "primary": true}, {"type": "home", "value": "nadia@home.example"},
				},
				enterpriseURN: attrs{"employeeNumber": "7002", "department": "Harbour", "manager": attrs{"value": "m-1", "$ref": "https://idp.example/m-1"}},
			}, covers: []string{"ENTRA-35"},
		},
		{
			name: "keys that are paths", before: rich(), ops: []attrs{
				op("replace", `emails[type eq "work"].value`, "nadia.lind@example.test"),
				pathless("replace", attrs{
					"displayName": "Nadia Lind", "name.givenName": "Nad", "name.familyName": "Lind", enterpriseURN + ":employeeNumber": "7002",
					`phoneNumbers[type eq "fax"].value`: "555-0102",
				}),
			},
			after: attrs{
				"displayName": "Nadia Lind", "name": attrs{"givenName": "Nad", "familyName": "Lind", "middleName": "M"},
				"emails": []attrs{
					{"type": "work", "value": "nadia.lind@example.test", "primary": true}, {"type": "home", "value": "nadia@home.example"},
				},
				"phoneNumbers": []attrs{{"type": "work", "value": "555-0100"}, {"type": "mobile", "value": "555-0101"}, {"type": "fax", "value": "555-0102"}},
				enterpriseURN:  attrs{"employeeNumber": "7002", "department": "Harbour", "manager": attrs{"value": "m-1", "$ref": "https://idp.example/m-1"}},
			}, covers: []string{"ENTRA-58"},
		},
		{name: "a string that says True", before: rich(), ops: []attrs{op("Replace", "displayName", "True")}, after: attrs{"displayName": "True"}},
		{name: "manager as a string", before: rich(), ops: []attrs{op("Add", manager, "m-2")}, after: managed("m-2")},
		{name: "manager as an object", before: rich(), ops: []attrs{op("Replace", manager, attrs{"value": "m-2"})}, after: managed("m-2"), covers: []string{"ENTRA-39"}},
		{
			name: "manager as an array at the unqualified path", before: rich(), ops: []attrs{op("Replace", "manager", []attrs{{"$ref": "https://idp.example/m-2", "value": "m-2"}})},
			after:  attrs{enterpriseURN: attrs{"employeeNumber": "7001", "department": "Harbour", "manager": attrs{"value": "m-2", "$ref": "https://idp.example/m-2"}}},
			covers: []string{"ENTRA-40"},
		},
		{name: "manager as a key", before: rich(), ops: []attrs{pathless("replace", attrs{manager: "m-2"})}, after: managed("m-2")},
		{
			name: "manager as a key with an object", before: rich(), ops: []attrs{pathless("replace", attrs{manager: attrs{"value": "m-2", "displayName": "M"}})},
			after: managed("m-2"), covers: []string{"ENTRA-60"},
		},
		{name: "manager removed", before: rich(), ops: []attrs{op("Remove", manager)}, after: managed(nil)},
		{name: "manager replaced by nothing", before: rich(), ops: []attrs{op("Replace", manager, "")}, after: managed(nil)},
		{name: "manager replaced by an empty value", before: rich(), ops: []attrs{op("Replace", manager, attrs{"value": ""})}, after: managed(nil)},
		{name: "manager replaced by null", before: rich(), ops: []attrs{op("Replace", manager, nil)}, after: managed(nil), covers: []string{"ENTRA-41"}},
		{name: "no manager to remove", ops: []attrs{op("Remove", manager)}},
		{
			name: "an extension as a key merges", before: rich(), ops: []attrs{pathless("replace", attrs{enterpriseURN: attrs{"department": "Dock", "costCenter": "44"}})},
			after: attrs{enterpriseURN: attrs{
				"employeeNumber": "7001", "department": "Dock", "costCenter": "44", "manager": attrs{"value": "m-1", "$ref": "https://idp.example/m-1"},
			}}, covers: []string{"ENTRA-61"},
		},
		{
			name:  "a role as JSON in a string",
			ops:   []attrs{op("Add", "roles", []attrs{{"value": `{"id":"41c8e2d9","value":"25","displayName":"Dispatcher"}`}})},
			after: attrs{"roles": []attrs{{"value": "25", "display": "Dispatcher"}}}, covers: []string{"ENTRA-43"},
		},
		{
			name: "a primary role that is missing", ops: []attrs{op("Add", `roles[primary eq "True"].value`, "Auditor")},
			after: attrs{"roles": []attrs{{"primary": true, "value": "Auditor"}}},
		},
		{
			name: "a primary role that is there", before: attrs{"roles": []attrs{{"primary": true, "value": "User"}, {"value": "Other"}}},
			ops:   []attrs{op("Add", `roles[primary eq "True"].value`, "Auditor")},
			after: attrs{"roles": []attrs{{"primary": true, "value": "Auditor"}, {"value": "Other"}}}, covers: []string{"ENTRA-44"},
		},
		{
			name: "all roles", before: rich(), ops: []attrs{op("replace", "roles", []attrs{role("User"), role("Test")})},
			after: attrs{"roles": []attrs{role("User"), role("Test")}}, covers: []string{"ENTRA-45"},
		},
		{name: "a role again", before: attrs{"roles": []attrs{role("User")}}, ops: []attrs{op("Add", "roles", []attrs{role("User")})}, covers: []string{"ENTRA-46"}},
		{
			name:  "a type that no schema lists",
			ops:   []attrs{op("replace", `emails[type eq "untyped"].value`, "n3@example.test"), op("replace", `emails[type eq "untyped"].primary`, true)},
			after: attrs{"emails": []attrs{{"type": "untyped", "value": "n3@example.test", "primary": true}}}, covers: []string{"ENTRA-53"},
		},
	})
}

// Whatever an identity provider sends to say "no value" ends in none.
func TestPatchClears(t *testing.T) {
	t.Parallel()
	rest := attrs{"phoneNumbers": []attrs{{"type": "work", "value": "555-0100"}}}
	without := attrs{"phoneNumbers": []attrs{{"type": "work", "value": "555-0100"}, {"type": "mobile"}}}
	testPatches(t, []patchRow{
		{name: "remove", before: rich(), ops: []attrs{op("Remove", "title")}, after: attrs{"title": nil}},
		{name: "remove what is absent", ops: []attrs{op("Remove", "title")}},
		{name: "replace by an empty string", before: rich(), ops: []attrs{op("Replace", "title", "")}, after: attrs{"title": nil}},
		{name: "replace by null", before: rich(), ops: []attrs{op("Replace", "title", nil)}, after: attrs{"title": nil}},
		{name: "replace many by null", before: rich(), ops: []attrs{op("Replace", "phoneNumbers", nil)}, after: attrs{"phoneNumbers": nil}},
		{name: "replace many by none", before: rich(), ops: []attrs{op("Replace", "phoneNumbers", []any{})}, after: attrs{"phoneNumbers": nil}},
		{name: "replace a complex one by null", before: rich(), ops: []attrs{op("Replace", "name", nil)}, after: attrs{"name": nil}},
		{name: "null in a value without a path", before: rich(), ops: []attrs{pathless("replace", attrs{"title": nil, "phoneNumbers": []any{}})}, after: attrs{"title": nil, "phoneNumbers": nil}},
		{name: "null in a complex value", before: rich(), ops: []attrs{op("replace", "name", attrs{"middleName": nil})}, after: attrs{"name": attrs{"givenName": "Nadia", "familyName": "Ferro"}}},
		{name: "remove an element", before: rich(), ops: []attrs{op("Remove", `phoneNumbers[type eq "mobile"]`)}, after: rest},
		{name: "remove an element's value", before: rich(), ops: []attrs{op("Remove", `phoneNumbers[type eq "mobile"].value`)}, after: without},
		{name: "replace an element's value by an empty string", before: rich(), ops: []attrs{op("Replace", `phoneNumbers[type eq "mobile"].value`, "")}, after: without},
		{name: "replace an element's value by null", before: rich(), ops: []attrs{op("Replace", `phoneNumbers[type eq "mobile"].value`, nil)}, after: without},
		{name: "nothing for an element that is missing", before: rich(), ops: []attrs{op("Replace", `phoneNumbers[type eq "fax"].value`, "")}},
		{name: "remove from an element that is missing", before: rich(), ops: []attrs{op("Remove", `phoneNumbers[type eq "fax"].value`)}, covers: []string{"ENTRA-48"}},
	})
}

// externalId is an attribute like others, and found by its new value at once.
func TestPatchExternalID(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		id := s.user("someone@example.test", rich()).id()
		for _, o := range []attrs{op("Replace", "externalId", "e-2"), pathless("replace", attrs{"externalId": "e-3"})} {
			old := s.get("/Users/" + id).at("externalId").(string)
			now := s.patch("/Users/"+id, o).is(200).at("externalId").(string)
			require.NotEqual(t, old, now)
			require.Empty(t, s.filter("/Users", `externalId eq "`+old+`"`))
			require.Equal(t, []string{id}, s.filter("/Users", `externalId eq "`+now+`"`))
		}
		covers(t, "ENTRA-49")
		s.patch("/Users/"+id, op("Replace", "userName", "renamed@example.test"), op("Replace", `emails[type eq "work"].value`, "renamed@work.example")).is(200)
		require.Empty(t, s.filter("/Users", `userName eq "someone@example.test"`))
		require.Empty(t, s.filter("/Users", `emails.value eq "nadia@work.example"`))
		require.Equal(t, []string{id}, s.filter("/Users", `userName eq "RENAMED@example.test"`))
		require.Equal(t, []string{id}, s.filter("/Users", `emails[type eq "work"].value eq "renamed@work.example"`))
	})
}

// A password is taken and kept nowhere.
func TestPatchPassword(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		path := "/Users/" + s.user("someone@example.test").id()
		secret := s.secret("nX42-harbour-secret")
		for _, o := range []attrs{
			pathless("replace", attrs{"password": secret}), op("replace", "password", secret), op("add", userURN+":password", secret), op("remove", "password"),
		} {
			unchanged(s, path, func() { s.patch(path, o).is(200) })
		}
		s.patch(path, pathless("replace", attrs{"password": secret, "title": "T"})).is(200)
		for _, e := range s.events.take() {
			s.leaks("event", fmt.Sprintf("%s %s %+v", e.Before.Document.JSON(), e.After.Document.JSON(), e.Changes))
		}
		covers(t, "OKTA-12")
	})
}

// A user goes out of scope and comes back, by each provider's way to say so.
func TestPatchActive(t *testing.T) {
	t.Parallel()
	off := []struct {
		name string
		op   attrs
	}{
		{"Entra with flag", op("replace", "active", false)},
		{"Entra, boolean", op("Replace", "active", false)},
		{"Entra, string", op("Replace", "active", "False")},
		{"Entra, add", op("Add", "active", "False")},
		{"lower-case string", op("replace", "active", "false")},
		{"upper-case string", op("replace", "active", "FALSE")},
		{"Okta", pathless("replace", attrs{"active": false})},
		{"without a path, string", pathless("Replace", attrs{"active": "False"})},
		{"without a path, add", pathless("Add", attrs{"active": false})},
		{"name in another case", op("replace", "Active", false)},
		{"key in another case", pathless("replace", attrs{"ACTIVE": "False"})},
		{"URN path", op("replace", userURN+":active", false)},
		{"URN path in another case", op("Replace", strings.ToUpper(userURN)+":Active", "False")},
		{"URN key", pathless("replace", attrs{userURN + ":active": false})},
		{"URN object", pathless("replace", attrs{userURN: attrs{"active": false}})},
		{"URN as path", op("replace", userURN, attrs{"active": "False"})},
	}
	onEachStore(t, func(t *testing.T, s *server) {
		path := "/Users/" + s.user("someone@example.test", attrs{"title": "Pilot"}).id()
		for _, row := range off {
			t.Run(row.name, func(t *testing.T) {
				s := within(t, s)
				s.events.take()
				require.Equal(t, false, s.patch(path, row.op).is(200).at("active"))
				require.Equal(t, false, s.get(path).at("active"))
				require.Equal(t, []scim.EventType{scim.UserDeactivated}, s.events.types())
				unchanged(s, path, func() { s.patch(path, row.op).is(200) }) // again
				require.Equal(t, true, s.patch(path, op("Replace", "active", "True")).is(200).at("active"))
				require.Equal(t, []scim.EventType{scim.UserReactivated}, s.events.types())
			})
		}
		covers(t, "E-01", "ENTRA-34", "ENTRA-57", "ENTRA-71", "OKTA-11")
		s.patch(path, pathless("replace", attrs{"active": false})).is(200)
		require.Equal(t, true, s.patch(path, pathless("replace", attrs{"active": true})).is(200).at("active"))
		require.Equal(t, true, s.get(path).at("active"))
		require.Equal(t, []scim.EventType{scim.UserDeactivated, scim.UserReactivated}, s.events.types())
		covers(t, "OKTA-14")

		s.patch(path, op("replace", "name.givenName", "Tomas"), op("replace", "name.familyName", "Lind"), op("replace", "active", false)).is(200)
		a := s.get(path)
		require.Equal(t, []any{"Tomas", "Lind", false}, []any{a.at("name", "givenName"), a.at("name", "familyName"), a.at("active")})
		require.Equal(t, []scim.EventType{scim.UserDeactivated}, s.events.types())
		covers(t, "JUMPCLOUD-02")
	})
}

// What is neither true nor false must not become either, and active is never without a value.
func TestPatchActiveIsABoolean(t *testing.T) {
	t.Parallel()
	for _, active := range []bool{true, false} {
		var rows []refusalRow
		for _, value := range []any{"banana", 0, 1, nil, []any{}, "0", "", "1", "yes", attrs{}, []any{false}} {
			for name, o := range map[string]attrs{
				"replace": op("replace", "active", value), "add": op("add", "active", value), "pathless": pathless("replace", attrs{"active": value}),
				"pathless add": pathless("add", attrs{"active": value}), "URN": op("replace", userURN+":active", value),
			} {
				rows = append(rows, refusalRow{name: fmt.Sprintf("%s %v", name, value), ops: []attrs{o}, status: 400, scimType: "invalidValue"})
			}
		}
		rows = append(rows, refusalRow{name: "remove", ops: []attrs{op("remove", "active")}, status: 400, scimType: "mutability"})
		testRefusals(t, attrs{"active": active}, rows)
	}
	onEachStore(t, func(t *testing.T, s *server) {
		path := "/Users/" + s.user("someone@example.test").id()
		for _, value := range []any{"banana", 0, "0", []any{}} {
			body := user("someone@example.test", attrs{"active": value})
			unchanged(s, path, func() { s.do("PUT", path, body).fails(400, "invalidValue") })
			unchanged(s, path, func() {
				s.do("POST", "/Users", user("other@example.test", attrs{"active": value})).fails(400, "invalidValue")
			})
		}
		unchanged(s, path, func() { s.do("PUT", path, user("someone@example.test", attrs{"active": nil})).is(200) })
		covers(t, "E-02")
		require.Equal(t, true, s.user("other@example.test", attrs{"active": nil}).at("active"), "a POST without a value stores the default")
	})
}

// Quotes, brackets and escapes inside a literal are part of it.
func TestPatchFilterLiterals(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		path := "/Users/" + s.user(`o'neil+x@example.test`, attrs{"emails": []attrs{
			{"value": `a"b\c]d`, "type": "work"}, {"value": "x.y", "type": `o"]`}, {"value": "plain", "type": "home"},
		}}).id()
		s.patch(path, op("replace", `emails[value eq "a\"b\\c]d"].display`, "quoted")).is(200)
		s.patch(path, op("replace", `emails[type eq "o\"]"].display`, "bracket")).is(200)
		s.patch(path, op("replace", `emails[value eq "pl\u0061in"].display`, "escaped")).is(200)
		a := s.get(path)
		require.Equal(t, []any{"quoted", "bracket", "escaped"}, []any{a.at("emails", 0, "display"), a.at("emails", 1, "display"), a.at("emails", 2, "display")})
		require.Len(t, s.filter("/Users", `emails.value eq "a\"b\\c]d"`), 1)
		require.Len(t, s.filter("/Users", `userName eq "o'neil+x@example.test"`), 1)
	})
}

// null for all of a schema is no way to lose it, nor to make the service stumble.
func TestNullForASchema(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		path := "/Users/" + s.user("someone", attrs{enterpriseURN: attrs{"department": "H"}}).id()
		before := s.get(path)
		for _, o := range []attrs{
			pathless("replace", attrs{userURN: nil}), pathless("add", attrs{userURN: nil, "title": "x"}), op("replace", userURN, nil), op("remove", userURN),
			pathless("replace", attrs{userURN: attrs{userURN: nil}}),
		} {
			s.patch(path, o).fails(400, "mutability")
		}
		require.Equal(t, string(before.body), string(s.get(path).body))
		require.Nil(t, s.patch(path, pathless("replace", attrs{enterpriseURN: nil})).is(200).at(enterpriseURN))
	})
}
