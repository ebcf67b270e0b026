package scim_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
)

// forged are values for everything on a user that only the server writes.
func forged() attrs {
	return attrs{
		"id": "forged-id", "groups": []attrs{{"value": "forged-group", "display": "Admins"}},
		"meta": attrs{
			"resourceType": "Forged", "created": "2001-01-01T00:00:00Z", "lastModified": "2001-01-01T00:00:00Z", "location": "https://forged.example/x", "version": `W/"77"`,
		},
		enterpriseURN: attrs{"manager": attrs{"value": "m-1", "displayName": "forged-name"}},
		"schemas":     []string{userURN, enterpriseURN},
	}
}

func TestReadOnlyIsIgnoredInBodies(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		created := s.user("someone@example.test", forged())
		path := "/Users/" + created.id()
		check := func(a *response) {
			t.Helper()
			require.NotContains(t, strings.ToLower(string(a.body)), "forged")
			require.NotContains(t, string(a.body), "2001-")
			require.Nil(t, a.at("groups"))
			require.Equal(t, []any{created.id(), "User", baseURL + path, created.at("meta", "created"), attrs{"manager": attrs{"value": "m-1"}}},
				[]any{a.id(), a.at("meta", "resourceType"), a.at("meta", "location"), a.at("meta", "created"), a.at(enterpriseURN)})
		}
		check(created)
		require.Equal(t, `W/"1"`, created.version())
		a := s.do("PUT", path, user("someone@example.test", forged(), attrs{"title": "Pilot"})).is(200)
		check(a)
		require.Equal(t, `W/"2"`, a.version())
		upper := attrs{}
		for name, value := range forged() {
			upper[strings.ToUpper(name)] = value
		}
		delete(upper, "SCHEMAS")
		a = s.do("PUT", path, user("someone@example.test", upper, attrs{"title": "Pilot", "schemas": []string{userURN, enterpriseURN}})).is(200)
		check(a)
		require.Equal(t, `W/"2"`, a.version(), "nothing that counts changed")

		thing := s.create("/Devices", device("one", attrs{"status": "forged", "ports": []attrs{{"value": "1", "link": "forged"}}}))
		check2 := func(a *response) {
			t.Helper()
			require.NotContains(t, string(a.body), "forged")
			require.Equal(t, []any{attrs{"value": "1"}}, a.at("ports"))
		}
		check2(thing)
		check2(s.do("PUT", "/Devices/"+thing.id(), device("one", attrs{"STATUS": "forged", "ports": []attrs{{"value": "1", "Link": "forged"}}})).is(200))
		require.Equal(t, `W/"1"`, s.get("/Devices/"+thing.id()).version())
		covers(t, "M-01")
	}, withDevices)
}

// readOnlyPaths are the ways to write a path to something that only the server writes.
var readOnlyPaths = []string{
	"id", "ID", userURN + ":id", "meta", "meta.created", "meta.version", "Meta.Created", "META", userURN + ":meta.location", strings.ToUpper(userURN) + ":META.RESOURCETYPE",
	"groups", "GROUPS", "groups.value", `groups[value eq "g"]`, `groups[value eq "g"].display`, `Groups[type eq "direct"]`, userURN + ":groups", userURN + `:groups[value eq "g"]`,
	enterpriseURN + ":manager.displayName", strings.ToLower(enterpriseURN) + ":MANAGER.DISPLAYNAME", "manager.displayName", enterpriseURN + ".manager.displayName",
}

func TestReadOnlyPathsAreRefused(t *testing.T) {
	t.Parallel()
	var rows []refusalRow
	for _, path := range readOnlyPaths {
		for _, value := range []any{"x", nil, attrs{"value": "g", "created": "2001-01-01T00:00:00Z"}, []attrs{{"value": "g"}}} {
			for _, name := range []string{"add", "replace", "Replace"} {
				rows = append(rows, refusalRow{name: fmt.Sprint(name, " ", path, " ", value), ops: []attrs{op("add", "nickName", "x"), op(name, path, value)}, status: 400, scimType: "mutability"})
			}
		}
		rows = append(
			rows,
			refusalRow{name: "remove " + path, ops: []attrs{op("add", "nickName", "x"), op("remove", path)}, status: 400, scimType: "mutability"},
			refusalRow{name: "remove a value of " + path, ops: []attrs{op("remove", path, []attrs{{"value": "g"}})}, status: 400, scimType: "mutability"},
		)
	}
	testRefusals(t, rich(), append(rows, refusalRow{name: "remove", ops: []attrs{op("remove", "meta.created")}, status: 400, scimType: "mutability", covers: []string{"7644-3.5.2-12", "M-02"}}))
	onEachStore(t, func(t *testing.T, s *server) {
		member := s.user("member@example.test").id()
		path := "/Groups/" + s.group("Crew", member).id()
		for _, p := range []string{"members.display", "MEMBERS.Display", `members[value eq "` + member + `"].display`, groupURN + ":members.type", "id", "meta.created", groupURN + ":ID"} {
			for _, o := range []attrs{op("add", p, "x"), op("replace", p, "x"), op("remove", p)} {
				unchanged(s, path, func() { s.patch(path, o).fails(400, "mutability") })
			}
		}
		path = "/Devices/" + s.create("/Devices", device("one", attrs{"ports": []attrs{{"value": "1"}}})).id()
		for _, p := range []string{"status", "STATUS", deviceURN + ":status", `ports[value eq "1"].link`, "ports.link"} {
			for _, o := range []attrs{op("add", p, "x"), op("replace", p, "x"), op("remove", p)} {
				unchanged(s, path, func() {
					a := s.patch(path, o).is(400)
					require.Contains(t, []any{"mutability", "invalidPath"}, a.at("scimType"), string(a.body))
				})
			}
		}
		covers(t, "M-02")
	}, withDevices)
}

// Identity providers send back what they read: what a client may not write is ignored in a value without a path, however it is
// spelled there. A strict connection refuses it.
func TestReadOnlyIsIgnoredInValues(t *testing.T) {
	t.Parallel()
	values := []attrs{
		{"id": "x"}, {"ID": "x"}, {"groups": []attrs{{"value": "g"}}}, {"GROUPS": []attrs{}}, {"groups": nil}, {"meta": attrs{"created": "2001-01-01T00:00:00Z"}}, {"meta": nil},
		{"meta.created": "2001-01-01T00:00:00Z"}, {"Meta.Version": `W/"9"`}, {userURN + ":groups": []attrs{{"value": "g"}}}, {userURN + ":id": "x"},
		{`groups[value eq "g"].display`: "x"}, {userURN: attrs{"id": "x", "groups": []attrs{{"value": "g"}}}}, {enterpriseURN + ":manager.displayName": "x"},
		{enterpriseURN: attrs{"manager": attrs{"displayName": "x"}}}, {"schemas": []string{groupURN}},
	}
	var rows []patchRow
	for _, value := range values {
		for _, name := range []string{"add", "replace"} {
			rows = append(
				rows,
				patchRow{name: fmt.Sprint(name, " ", value), before: rich(), ops: []attrs{pathless(name, value)}},
				patchRow{name: fmt.Sprint(name, " ", value, " and more"), before: rich(), ops: []attrs{pathless(name, value), pathless(name, attrs{"title": "T"})}, after: attrs{"title": "T"}},
			)
		}
	}
	rows = append(rows, patchRow{
		name: "beside what may be written", before: rich(), ops: []attrs{pathless("replace", attrs{"id": "x", "title": "t", "groups": []attrs{{"value": "g"}}})},
		after: attrs{"title": "t"}, covers: []string{"7644-3.5.2-13", "M-03", "M-04"},
	})
	testPatches(t, rows)

	var refused []refusalRow
	for _, value := range values[:8] {
		refused = append(refused, refusalRow{name: fmt.Sprint(value), ops: []attrs{pathless("replace", value)}, status: 400, scimType: ""})
	}
	for i := range refused {
		refused[i].scimType = "mutability"
		if _, dotted := values[i]["meta.created"]; dotted {
			refused[i].scimType = "invalidPath" // strictly, a key is no path
		}
	}
	testRefusals(t, rich(), refused, strictly)
}

func TestImmutableAttributes(t *testing.T) {
	t.Parallel()
	set := attrs{"firmware": "1.0", "origin": attrs{"country": "SE"}, "owner": attrs{"value": "u", "since": "2020"}, "ports": []attrs{{"value": "1", "type": "usb", "slot": "A"}, {"value": "2"}}}
	port2 := func(slot string) attrs {
		return attrs{"ports": []attrs{{"value": "1", "type": "usb", "slot": "A"}, {"value": "2", "slot": slot}}}
	}
	testDevicePatches(t, []patchRow{
		{name: "first set by add", ops: []attrs{op("add", "firmware", "1.0")}, after: attrs{"firmware": "1.0"}},
		{name: "first set by replace", ops: []attrs{op("replace", "firmware", "1.0")}, after: attrs{"firmware": "1.0"}},
		{name: "first set without a path", ops: []attrs{pathless("add", attrs{"firmware": "1.0"})}, after: attrs{"firmware": "1.0"}},
		{name: "first set of a complex one", ops: []attrs{op("add", "origin", attrs{"country": "SE", "batch": "7"})}, after: attrs{"origin": attrs{"country": "SE", "batch": "7"}}},
		{name: "first set inside a complex one", before: attrs{"owner": attrs{"value": "u"}}, ops: []attrs{op("add", "owner.since", "2020")}, after: attrs{"owner": attrs{"value": "u", "since": "2020"}}},
		{name: "first set inside an element", before: set, ops: []attrs{op("add", `ports[value eq "2"].slot`, "B")}, after: port2("B")},
		{name: "the same again", before: set, ops: []attrs{op("replace", "firmware", "1.0"), op("add", "origin.country", "SE"), op("add", `ports[value eq "1"].slot`, "A")}},
		{name: "removed and added as it was", before: set, ops: []attrs{op("remove", "firmware"), op("add", "firmware", "1.0")}},
		{name: "the rest of a complex one", before: set, ops: []attrs{op("replace", "owner.value", "v")}, after: attrs{"owner": attrs{"value": "v", "since": "2020"}}},
		{name: "an element goes as a whole", before: set, ops: []attrs{op("remove", `ports[value eq "1"]`)}, after: attrs{"ports": []attrs{{"value": "2"}}}},
	})
	onEachStore(t, func(t *testing.T, s *server) {
		path := "/Devices/" + s.create("/Devices", device("one", set)).id()
		for _, ops := range [][]attrs{
			{op("replace", "firmware", "2.0")}, {op("add", "firmware", "2.0")}, {op("remove", "firmware")}, {op("replace", "firmware", nil)}, {op("replace", "firmware", "")},
			{op("remove", "firmware"), op("add", "firmware", "2.0")}, {op("replace", "firmware", nil), op("replace", "firmware", "2.0")},
			{pathless("replace", attrs{"firmware": "2.0"})}, {pathless("add", attrs{"FIRMWARE": "2.0"})}, {pathless("replace", attrs{deviceURN + ":firmware": "2.0"})},
			{pathless("replace", attrs{deviceURN: attrs{"firmware": "2.0"}})}, {op("replace", deviceURN+":Firmware", "2.0")}, {op("replace", deviceURN, attrs{"firmware": nil})},
			{op("replace", "origin.country", "NO")}, {op("add", "origin.batch", "7")}, {op("remove", "origin")}, {op("remove", "origin.country")},
			{op("remove", "origin"), op("add", "origin", attrs{"country": "NO"})}, {op("add", "origin", attrs{"country": "NO"})}, {pathless("add", attrs{"origin.country": "NO"})},
			{op("replace", "owner.since", "2021")}, {op("remove", "owner.since")}, {op("add", "owner", attrs{"since": "2021"})}, {pathless("replace", attrs{"owner": attrs{"since": nil}})},
			{op("remove", "owner"), op("add", "owner", attrs{"value": "u", "since": "2021"})},
			{op("replace", `ports[value eq "1"].slot`, "B")}, {op("add", `ports[value eq "1"].slot`, "B")}, {op("remove", `ports[value eq "1"].slot`)},
			{op("remove", `ports[value eq "1"].slot`), op("add", `ports[value eq "1"].slot`, "B")}, {op("replace", `ports[slot eq "A"].slot`, "B")},
			{pathless("replace", attrs{`ports[value eq "1"].slot`: "B"})},
		} {
			unchanged(s, path, func() { s.patch(path, ops...).fails(400, "mutability") })
		}
		covers(t, "7644-3.5.2-14")

		put := func(more attrs) *response {
			body := device("one", set)
			maps.Copy(body, more)
			return s.do("PUT", path, body)
		}
		for _, more := range []attrs{{"firmware": "2.0"}, {"origin": attrs{"country": "NO"}}, {"origin": attrs{"country": "SE", "batch": "7"}}, {"owner": attrs{"value": "u", "since": "2021"}}} {
			unchanged(s, path, func() { put(more).fails(400, "mutability") })
		}
		unchanged(s, path, func() { put(nil).is(200) })
		unchanged(s, path, func() { put(attrs{"firmware": nil, "origin": nil}).is(200) }) // left out: kept
		covers(t, "M-05")
	}, withDevices)
}

// An add merges into the element that it names, and so must not change what is immutable in it.
func TestImmutableInsideAnElement(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(_ *testing.T, s *server) {
		path := "/Devices/" + s.create("/Devices", device("one", attrs{"ports": []attrs{{"value": "1", "type": "usb", "slot": "A"}}})).id()
		for _, ops := range [][]attrs{
			{op("add", `ports[value eq "1"]`, attrs{"slot": "B"})},
			{op("add", "ports", []attrs{{"value": "1", "type": "usb", "slot": "B"}})},
			{pathless("add", attrs{"ports": []attrs{{"value": "1", "type": "usb", "slot": "B"}}})},
		} {
			unchanged(s, path, func() { s.patch(path, ops...).fails(400, "mutability") })
		}
	}, withDevices)
}

// A host that keeps an attribute from a connection sees every way to write it under one name.
func TestGuardSeesEverySpelling(t *testing.T) {
	t.Parallel()
	errGuarded := errors.New("roles belong to administrators")
	guard := scim.EventFunc(func(_ context.Context, e scim.Event) error {
		for _, c := range e.Changes {
			if c.Path == "roles" {
				return errGuarded
			}
		}
		return nil
	})
	role := []attrs{{"value": "owner"}}
	onEachStore(t, func(t *testing.T, s *server) {
		path := "/Users/" + s.user("someone@example.test", attrs{"title": "Pilot"}).id()
		for _, o := range []attrs{
			op("add", "roles", role), op("replace", "roles", role), op("Add", "ROLES", role), op("add", "roles", role[0]), op("add", userURN+":roles", role),
			op("add", strings.ToUpper(userURN)+":Roles", role), op("add", `roles[primary eq true].value`, "owner"), op("replace", `roles[primary eq "True"].value`, "owner"),
			op("add", `roles[value eq "owner"]`, attrs{"display": "x"}), op("add", `roles[value eq "owner"].display`, "Owner"),
			pathless("add", attrs{"roles": role}), pathless("replace", attrs{"Roles": role[0]}), pathless("replace", attrs{userURN + ":roles": role}),
			pathless("replace", attrs{`roles[primary eq true].value`: "owner"}), pathless("add", attrs{userURN: attrs{"roles": role}}), op("replace", userURN, attrs{"roles": role}),
			op("add", "roles", []attrs{{"value": `{"value":"owner"}`}}),
		} {
			unchanged(s, path, func() {
				a := s.patch(path, op("replace", "title", "Captain"), o).fails(503, "")
				require.NotEmpty(t, a.header.Get("Retry-After"))
			})
		}
		unchanged(s, path, func() { s.do("PUT", path, user("someone@example.test", attrs{"roles": role})).fails(503, "") })
		s.patch(path, op("replace", "title", "Captain")).is(200)
		covers(t, "M-06")
	}, withSink(guard))
}

func TestRequiredAttributesStay(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		path := "/Users/" + s.user("someone@example.test", rich()).id()
		for _, value := range []any{"", nil, []any{}, "   ", "\u00a0\t"} {
			for _, o := range []attrs{op("replace", "userName", value), op("add", "userName", value), pathless("replace", attrs{"userName": value}), op("replace", userURN, attrs{"USERNAME": value})} {
				unchanged(s, path, func() { s.patch(path, o).fails(400, "invalidValue") })
			}
			unchanged(s, path, func() { s.do("PUT", path, user("x", attrs{"userName": value})).fails(400, "invalidValue") })
			s.do("POST", "/Users", user("x", attrs{"userName": value})).fails(400, "invalidValue")
		}
		unchanged(s, path, func() { s.patch(path, op("remove", "userName")).fails(400, "mutability") })
		unchanged(s, path, func() { s.patch(path, op("remove", "userName"), op("add", "userName", "x")).fails(400, "mutability") })
		unchanged(s, path, func() {
			s.do("PUT", path, attrs{"schemas": []string{userURN}, "title": "x"}).fails(400, "invalidValue")
		})
		group := "/Groups/" + s.group("Crew").id()
		unchanged(s, group, func() { s.patch(group, op("remove", "displayName")).fails(400, "mutability") })
		unchanged(s, group, func() { s.patch(group, pathless("replace", attrs{"displayName": nil})).fails(400, "invalidValue") })
		unchanged(s, group, func() { s.do("PUT", group, attrs{"schemas": []string{groupURN}}).fails(400, "invalidValue") })
		covers(t, "M-07")
	})
}

// Each type takes values of its own kind and no others, on every verb.
func TestTypeConfusion(t *testing.T) {
	t.Parallel()
	all := map[string]any{
		"number": 5, "fraction": 1.5, "boolean": true, "string": "certainly not", "object": attrs{"a": attrs{}}, "array": []any{"x"}, "arrays": []any{[]any{}}, "numbers": []any{5},
	}
	for _, c := range []struct {
		name  string
		takes []string // besides null
	}{
		{"model", []string{"string"}},
		{"slots", []string{"number"}},
		{"weight", []string{"number", "fraction"}},
		{"installedAt", nil},
		{"certificate", nil},
		{"manual", []string{"string"}},
		{"managed", []string{"boolean"}},
		{"tags", []string{"string", "array"}},
		{"owner", []string{"string", "object"}}, // a bare value; unknown keys
		{"ports", []string{"object"}},
		{"owner.value", []string{"string"}},
		{`ports[value eq "1"].speed`, []string{"number"}},
		{`ports[value eq "1"].primary`, []string{"boolean"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			onEachStore(t, func(t *testing.T, s *server) {
				path := "/Devices/" + s.create("/Devices", device("one", attrs{"ports": []attrs{{"value": "1"}}})).id()
				for kind, value := range all {
					var answers []*response
					before := string(s.get(path).body)
					answers = append(answers, s.patch(path, op("replace", c.name, value)), s.patch(path, op("add", c.name, value)))
					if !strings.ContainsAny(c.name, ".[") {
						answers = append(answers, s.patch(path, pathless("replace", attrs{c.name: value})))
						body := device("one", attrs{c.name: value})
						answers = append(answers, s.do("POST", "/Devices", body), s.do("PUT", path, body))
					}
					taken := false
					for _, takes := range c.takes {
						taken = taken || takes == kind
					}
					for _, a := range answers {
						if taken {
							require.Less(t, a.status, 300, "%s: %s", kind, a.body)
						} else {
							require.Equal(t, http.StatusBadRequest, a.status, kind)
							a.fails(400, "invalidValue")
						}
					}
					if !taken {
						require.Equal(t, before, string(s.get(path).body))
					}
				}
			}, withDevices)
		})
	}
	onEachStore(t, func(t *testing.T, s *server) {
		path := "/Devices/" + s.create("/Devices", device("one")).id()
		for name, values := range map[string][]any{
			"installedAt": {"yesterday", "2026-01-02", "2026-13-01T00:00:00Z", "2026-01-02T03:04:05,5Z", "2026-02-30T00:00:00Z", 1735786800},
			"certificate": {"not base64!", "a"}, "slots": {1.5, "5", "9223372036854775808"}, "weight": {"1.5"}, "managed": {"yes", 1, "1"},
		} {
			for _, value := range values {
				unchanged(s, path, func() { s.patch(path, op("replace", name, value)).fails(400, "invalidValue") })
				unchanged(s, path, func() { s.do("PUT", path, device("one", attrs{name: value})).fails(400, "invalidValue") })
				s.do("POST", "/Devices", device("two", attrs{name: value})).fails(400, "invalidValue")
			}
		}
		for _, number := range []string{"9223372036854775808", "1e3", "1.0", "1e400"} {
			body := `{"schemas":["` + patchURN + `"],"Operations":[{"op":"add","path":"slots","value":` + number + `}]}`
			unchanged(s, path, func() { s.do("PATCH", path, body).fails(400, "invalidValue") })
		}
		covers(t, "M-08")
	}, withDevices)
}

// Padding completes a group of base64; it is neither a value nor may there be more of it.
func TestBinaryPadding(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(_ *testing.T, s *server) {
		path := "/Devices/" + s.create("/Devices", device("one")).id()
		for _, value := range []string{"AQID", "AQI=", "AQ==", "AQI", "AQ", "-_-_"} {
			s.patch(path, op("replace", "certificate", value)).is(200)
		}
		for _, value := range []string{"=", "==", "AQID=", "AQI==", "AQ=", "AQ====="} {
			unchanged(s, path, func() { s.patch(path, op("replace", "certificate", value)).fails(400, "invalidValue") })
		}
	}, withDevices)
}

// What no schema defines is not stored, and refused where nothing is tolerated.
func TestUndeclaredAttributes(t *testing.T) {
	t.Parallel()
	undeclared := []attrs{
		{"favouriteColour": "teal"}, {"urn:example:extension:none:2.0:User": attrs{"x": 1}}, {"name": attrs{"colour": "teal"}}, {"emails": []attrs{{"colour": "teal"}}},
		{enterpriseURN: attrs{"colour": "teal"}}, {"isAdmin": true},
	}
	onEachStore(t, func(t *testing.T, s *server) {
		a := s.user("someone@example.test")
		path := "/Users/" + a.id()
		for _, more := range undeclared {
			unchanged(s, path, func() {
				s.do("PUT", path, user("someone@example.test", more)).is(200)
				s.patch(path, pathless("replace", more)).is(200)
				s.patch(path, pathless("add", more)).is(200)
			})
		}
		listed := s.user("listed@example.test", attrs{enterpriseURN: attrs{"department": "D"}})
		require.Equal(t, "D", listed.at(enterpriseURN, "department"), "data of an extension counts, listed in schemas or not")
		require.Equal(t, []any{userURN, enterpriseURN}, listed.at("schemas"))
		ignored := map[string]bool{}
		for _, record := range s.log.records(t) {
			names, _ := record["ignored_attributes"].([]any)
			for _, name := range names {
				ignored[name.(string)] = true
			}
		}
		require.True(t, ignored["favouriteColour"] && ignored["isAdmin"] && ignored["colour"], "the log says what was ignored: %v", ignored)
	})
	onEachStore(t, func(t *testing.T, s *server) {
		path := "/Users/" + s.user("someone@example.test").id()
		for _, more := range append(undeclared, attrs{enterpriseURN: attrs{"department": "D"}}) {
			unchanged(s, path, func() { s.do("PUT", path, user("someone@example.test", more)).fails(400, "invalidSyntax") })
			s.do("POST", "/Users", user("other@example.test", more)).fails(400, "invalidSyntax")
		}
		for _, more := range undeclared {
			unchanged(s, path, func() {
				a := s.patch(path, pathless("replace", more)).is(400)
				require.Contains(t, []any{"invalidSyntax", "invalidPath"}, a.at("scimType"))
			})
		}
		_, total := s.list("/Users")
		require.Equal(t, 1, total)
		covers(t, "M-10")
	}, strictly)
}

// Names that mean something elsewhere mean nothing here.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	names := []string{
		"__proto__", "constructor.prototype.x", "a.b.c", "$set", "$where", "'; --", "name.", ".name", "", " ", "..", "name..givenName", strings.Repeat("k", 64<<10),
		"__proto__.isAdmin", "meta.", "emails[", "emails[0].value", "%s%n", "{{7*7}}", "<script>", "\u202euserName", "ſchemas", "uſerName",
	}
	onEachStore(t, func(t *testing.T, s *server) {
		path := "/Users/" + s.user("someone@example.test", rich()).id()
		for _, name := range names {
			unchanged(s, path, func() {
				for _, o := range []string{"add", "replace"} {
					a := s.patch(path, op(o, name, "x")).is(400)
					require.Contains(t, []any{"invalidPath", "invalidFilter"}, a.at("scimType"))
					status := s.patch(path, pathless(o, attrs{name: "x"})).status
					require.Contains(t, []int{200, 400}, status, name)
				}
				s.patch(path, op("remove", name)).is(400)
			})
		}
		body := user("someone@example.test", rich())
		for _, name := range names {
			body[name] = "x"
		}
		unchanged(s, path, func() { s.do("PUT", path, body).is(200) })
		require.Less(t, len(s.log.String()), 64<<10, "the log holds no name at its full length")
	})
	onEachStore(t, func(t *testing.T, s *server) {
		path := "/Users/" + s.user("someone@example.test", rich()).id()
		for _, name := range names {
			unchanged(s, path, func() {
				s.patch(path, pathless("replace", attrs{name: "x"})).is(400)
				s.do("PUT", path, user("someone@example.test", attrs{name: "x", "schemas": []string{userURN, enterpriseURN}})).is(400)
			})
		}
		covers(t, "M-11")
	}, strictly)
}

// canonicalValues are suggestions (RFC 7643, section 7); characters that no text may hold are refused.
func TestCanonicalValues(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		path := "/Users/" + s.user("someone@example.test").id()
		for _, typ := range []string{"work", "WORK", "untyped", "wörk"} {
			require.Equal(t, typ, s.patch(path, op("replace", "emails", []attrs{{"value": "x", "type": typ}})).is(200).at("emails", 0, "type"))
		}
		for _, value := range []string{`{"value":"x","type":"work\u0000"}`, `{"value":"x","type":"\ud800"}`, "{\"value\":\"x\",\"type\":\"\xff\"}", "{\"value\":\"x\",\"type\":\"a\x01b\"}"} {
			body := `{"schemas":["` + patchURN + `"],"Operations":[{"op":"replace","path":"emails","value":[` + value + `]}]}`
			unchanged(s, path, func() { s.do("PATCH", path, body).fails(400, "invalidSyntax") })
			s.do("POST", "/Users", `{"schemas":["`+userURN+`"],"userName":"other","emails":[`+value+`]}`).fails(400, "invalidSyntax")
		}
		covers(t, "M-12")
	})
}

// A client that writes back what it read changes nothing, and one that takes its change back is where it was.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		member := s.user("member@example.test", rich()).id()
		paths := []string{
			"/Users/" + member, "/Users/" + s.user("someone@example.test").id(), "/Groups/" + s.group("Crew", member).id(), "/Groups/" + s.group("Empty").id(),
			"/Devices/" + s.create("/Devices", device("one", attrs{
				"model": "M", "assetTag": "A", "serialNumber": "S", "slots": 4, "weight": 1.50, "installedAt": "2026-01-02T03:04:05.120+01:00", "certificate": "AQID", "manual": "https://x.example/m",
				"managed": false, "tags": []string{"b", "a"}, "aliases": []string{"a", "A"}, "firmware": "1", "origin": attrs{"country": "SE"}, "pin": "1234", "inventory": "I", "diagnostics": "D",
				"owner": attrs{"value": "u", "since": "2020", "note": "N"}, "ports": []attrs{{"value": "1", "slot": "A"}, {"value": "2", "primary": true}},
				"schemas": []string{deviceURN, warrantyURN}, warrantyURN: attrs{"provider": "P", "months": 12},
			})).id(),
		}
		for _, path := range paths {
			unchanged(s, path, func() {
				a := s.get(path)
				put := s.do("PUT", path, string(a.body)).is(200)
				require.Equal(t, string(a.body), string(put.body))
				status := s.patch(path, pathless("replace", a.json())).status
				require.Contains(t, []int{200, 204}, status)
				s.do("PUT", path, string(a.body), "If-Match", a.version()).is(200)
			})
		}
		hidden := s.get(paths[4] + "?attributes=diagnostics,owner.note,pin")
		require.Equal(t, []any{"D", "N", nil}, []any{hidden.at("diagnostics"), hidden.at("owner", "note"), hidden.at("pin")}, "what the client could not read is still there")

		for _, there := range [][]attrs{
			{op("replace", "title", "Captain")}, {op("remove", "title")}, {op("remove", "emails")}, {op("add", "emails", attrs{"value": "new", "primary": true})}, {op("remove", "name")},
			{op("replace", "name.givenName", "B")}, {op("remove", enterpriseURN)}, {op("replace", enterpriseURN+":manager", "m-2")}, {op("replace", "active", false)},
			{op("remove", `phoneNumbers[type eq "work"]`)}, {op("remove", `schemas[value eq "`+enterpriseURN+`"]`)}, {op("replace", "roles", []attrs{})},
		} {
			before := content(s.get(paths[0]))
			s.patch(paths[0], there...).is(200)
			require.NotEqual(t, before, content(s.get(paths[0])))
			s.patch(paths[0], pathless("replace", before)).is(200)
			require.Equal(t, before, content(s.get(paths[0])), "%v", there)
		}
		covers(t, "P-22")
	}, withDevices)
}
