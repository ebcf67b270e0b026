package scim_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/patch"
)

// PUT: RFC 7644, section 3.5.1.

func TestReplace(t *testing.T) {
	t.Parallel()
	byKind(t, func(t *testing.T, s *server, k resourceKind) {
		created := s.create(k.endpoint, k.body("a"))
		target := k.endpoint + "/" + created.id()
		body := k.body("b")
		body["externalId"] = "e"
		for _, contentType := range []string{"application/scim+json", "application/json", "application/scim+json; charset=utf-8"} {
			a := s.do("PUT", target, body, "Content-Type", contentType).is(200)
			require.Equal(t, created.id(), a.id())
			require.Equal(t, "e", a.at("externalId"))
			require.Equal(t, string(s.get(target).body), string(a.body))
			require.Equal(t, created.at("meta", "location"), a.header.Get("Location"))
			require.Equal(t, a.version(), a.header.Get("Etag"))
			require.Equal(t, `W/"2"`, a.version())
		}
		_, total := s.list(k.endpoint)
		require.Equal(t, 1, total)
		covers(t, "7644-3.5.1-02", "AUTHENTIK-02", "ENTRA-04")
	})
}

func TestReplaceReplacesEverything(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		full := map[string]any{
			"title": "t", "nickName": "n", "externalId": "e", "name": map[string]any{"givenName": "g", "familyName": "f"},
			"emails":       []map[string]any{{"value": "a@x.test", "type": "work", "primary": true}, {"value": "b@x.test", "type": "home"}},
			"phoneNumbers": []map[string]any{{"value": "1"}},
			enterpriseURN:  map[string]any{"department": "D", "manager": map[string]any{"value": "m", "$ref": "../Users/m"}},
		}
		target := "/Users/" + s.user("u", full).id()

		// What is given takes the place of what was there, lists as a whole.
		a := s.do("PUT", target, user("u", full, map[string]any{
			"title": "t2", "name": map[string]any{"familyName": "f2"}, "emails": []map[string]any{{"value": "c@x.test"}},
			enterpriseURN: map[string]any{"division": "d"},
		})).is(200)
		require.Equal(t, "t2", a.at("title"))
		require.Equal(t, map[string]any{"familyName": "f2"}, a.at("name"))
		require.Equal(t, []any{map[string]any{"value": "c@x.test"}}, a.at("emails"))
		require.Equal(t, map[string]any{"division": "d"}, a.at(enterpriseURN))
		require.Equal(t, "n", a.at("nickName"))
		require.Equal(t, string(a.body), string(s.get(target).body))
		covers(t, "7644-3.5.1-03")

		// What is left out is cleared, an extension with its URN.
		a = s.do("PUT", target, user("u", map[string]any{"nickName": "n"})).is(200)
		require.ElementsMatch(t, []string{"schemas", "id", "meta", "userName", "nickName", "active"}, slices.Collect(maps.Keys(a.json())))
		require.Equal(t, string(a.body), string(s.get(target).body))
		covers(t, "7644-3.5.1-04", "OKTA-09")
		require.Equal(t, []any{userURN}, a.at("schemas"))
		covers(t, "7643-3.3-05")

		// So it is by null and by an empty list.
		s.do("PUT", target, user("u", full)).is(200)
		a = s.do("PUT", target, user("u", map[string]any{
			"title": nil, "nickName": "", "externalId": nil, "name": nil, "emails": []any{}, "phoneNumbers": nil, enterpriseURN: map[string]any{"department": nil},
		})).is(200)
		require.ElementsMatch(t, []string{"schemas", "id", "meta", "userName", "active"}, slices.Collect(maps.Keys(a.json())))
		covers(t, "7644-3.5.1-09")
	})
}

// TestReplaceOfMembers: a PUT of a group says who its members are, all of them.
func TestReplaceOfMembers(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		a, b, c := s.user("a").id(), s.user("b").id(), s.user("c").id()
		g := s.group("g", a, b).id()
		s.events.take()
		put := func(members any) *response {
			return s.do("PUT", "/Groups/"+g, groupBody("g", map[string]any{"id": g, "members": members})).is(200)
		}
		put([]map[string]any{{"value": b, "display": nil}, {"value": c, "display": nil}})
		require.Equal(t, []string{b, c}, s.members(g))
		events := s.events.take()
		require.Len(t, events, 1)
		require.Equal(t, scim.GroupMembersChanged, events[0].Type)
		require.Equal(t, a, events[0].Removed[0].ID)
		require.Equal(t, c, events[0].Added[0].ID)
		covers(t, "OKTA-21")
		put([]any{})
		require.Empty(t, s.members(g))
		put(memberList(a))
		put(nil)
		require.Empty(t, s.members(g))
		put(memberList(a, b))
		s.do("PUT", "/Groups/"+g, groupBody("renamed")).is(200)
		require.Empty(t, s.members(g))
		covers(t, "7644-3.5.1-04")
	})
}

// TestReplaceIgnoresWhatIsReadOnly: GET, modify, PUT sends back everything that the server said.
func TestReplaceIgnoresWhatIsReadOnly(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		u, other := s.user("u", map[string]any{"title": "t"}).id(), s.user("other").id()
		g := s.group("g", u).id()
		for _, forged := range []map[string]any{
			{"id": other}, {"id": "x"}, {"id": nil}, {"id": 5}, {"id": []any{other}}, {"meta": map[string]any{"location": baseURL + "/Users/" + other, "version": `W/"9"`}},
			{"meta": 5}, {"groups": []any{}}, {"groups": []map[string]any{{"value": g}}}, {"groups": nil},
		} {
			was, kept := s.get("/Users/"+u), string(s.get("/Users/"+other).body)
			a := s.do("PUT", "/Users/"+u, user("u", map[string]any{"title": "t"}, forged)).is(200)
			require.Equal(t, string(was.body), string(a.body), forged)
			require.Equal(t, kept, string(s.get("/Users/"+other).body))
			require.Equal(t, []string{u}, s.members(g))
		}
		covers(t, "7644-3.5.1-05")
		was := string(s.get("/Users/" + u).body)
		s.patch("/Users/"+u, pathless("replace", map[string]any{"id": other, "meta": map[string]any{"version": "x"}})).is(200)
		s.patch("/Users/"+u, op("replace", "id", other)).fails(400, "mutability")
		s.do("PUT", "/Users/"+u, user("u", map[string]any{"schemas": []string{groupURN}})).fails(400, "invalidSyntax")
		require.Equal(t, was, string(s.get("/Users/"+u).body))
		covers(t, "ID-11")

		// The representation itself, with one change and without any.
		for _, target := range []string{"/Users/" + u, "/Groups/" + g} {
			was := s.get(target)
			require.Equal(t, string(was.body), string(s.do("PUT", target, was.body).is(200).body))
			body := was.json()
			body["externalId"] = "e"
			a := s.do("PUT", target, body).is(200)
			require.Equal(t, "e", a.at("externalId"))
			got := a.json()
			delete(got, "externalId")
			delete(got, "meta")
			want := was.json()
			delete(want, "meta")
			require.Equal(t, want, got)
		}
		covers(t, "OKTA-09", "7644-3.5.1-10")
		for _, active := range []bool{false, true} {
			body := s.get("/Users/" + u).json()
			body["active"] = active
			require.Equal(t, active, s.do("PUT", "/Users/"+u, body).is(200).at("active"))
		}
		covers(t, "OKTA-10")
	})
}

func TestReplaceDoesNotCreate(t *testing.T) {
	t.Parallel()
	byKind(t, func(t *testing.T, s *server, k resourceKind) {
		gone := s.create(k.endpoint, k.body("gone")).id()
		s.do("DELETE", k.endpoint+"/"+gone, nil).is(204)
		foreign := s.as(tokenB).create(k.endpoint, k.body("foreign")).id()
		before := s.snapshot(k.endpoint)
		s.events.take()
		for _, id := range []string{"new", gone, foreign, "018f0000-0000-7000-8000-000000000000"} {
			body := k.body("new")
			body["id"] = id
			s.do("PUT", k.endpoint+"/"+id, body).fails(404, "")
			s.do("PUT", k.endpoint+"/"+id, body, "If-None-Match", "*").fails(404, "")
		}
		require.Equal(t, before, s.snapshot(k.endpoint))
		require.Empty(t, s.events.types())
		s.as(tokenB).get(k.endpoint + "/" + foreign)
		covers(t, "7644-3.5.1-08")
	})
}

func TestReplaceConflicts(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		u := s.user("ann").id()
		s.user("bob")
		before := s.snapshot("/Users")
		for _, name := range []string{"bob", "BOB"} {
			s.do("PUT", "/Users/"+u, user(name, map[string]any{"title": "t"})).fails(409, "uniqueness")
			s.patch("/Users/"+u, op("add", "title", "t"), op("replace", "userName", name)).fails(409, "uniqueness")
		}
		require.Equal(t, before, s.snapshot("/Users"), "nothing of the request was carried out")
		require.Equal(t, "ann", s.do("PUT", "/Users/"+u, user("ann")).is(200).at("userName"))
		require.Equal(t, "ANN", s.do("PUT", "/Users/"+u, user("ANN")).is(200).at("userName"))
		require.Equal(t, "Ann", s.patch("/Users/"+u, op("replace", "userName", "Ann")).is(200).at("userName"))
		covers(t, "7644-3.12-07")
		s.do("PUT", "/Users/"+u, user("carol")).is(200)
		s.user("Ann") // the old name is free
		s.do("PUT", "/Users/"+u, user("ann")).fails(409, "uniqueness")
	})
}

func TestReplaceIfUnchanged(t *testing.T) {
	t.Parallel()
	byKind(t, func(t *testing.T, s *server, k resourceKind) {
		created := s.create(k.endpoint, k.body("a"))
		target := k.endpoint + "/" + created.id()
		body := k.body("a")
		body["externalId"] = "e"
		stale := created.version()
		fresh := s.do("PUT", target, body, "If-Match", stale).is(200).version()
		require.NotEqual(t, stale, fresh)
		before := s.snapshot(k.endpoint)
		s.events.take()
		body["externalId"] = "f"
		for _, c := range []struct{ header, value string }{
			{"If-Match", stale}, {"If-Match", `W/"old"`}, {"If-Match", `"0", "99"`}, {"If-None-Match", "*"}, {"If-None-Match", fresh},
		} {
			s.do("PUT", target, body, c.header, c.value).fails(412, "")
			s.do("PUT", target, k.body("a"), c.header, c.value).fails(412, "")
		}
		s.do("PUT", target, body, "If-Match", "garbage").fails(400, "")
		require.Equal(t, before, s.snapshot(k.endpoint))
		require.Empty(t, s.events.types())
		covers(t, "7644-3.14-03")
		for _, condition := range []string{fresh, "*"} {
			a := s.do("PUT", target, body, "If-Match", condition).is(200)
			require.Equal(t, "f", a.at("externalId"))
		}
		require.Equal(t, http.StatusNotFound, s.do("PUT", k.endpoint+"/none", body, "If-Match", "*").status)
	})
}

// TestReplaceWithoutEffect: the same content is no change, in whatever order it comes.
func TestReplaceWithoutEffect(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		work, home := map[string]any{"value": "a@x.test", "type": "work"}, map[string]any{"value": "b@x.test", "type": "home"}
		body := user("u", map[string]any{"emails": []any{work, home}, "name": map[string]any{"givenName": "g"}, enterpriseURN: map[string]any{"manager": "m"}})
		created := s.create("/Users", body)
		target := "/Users/" + created.id()
		s.events.take()
		for range 2 {
			require.Equal(t, string(created.body), string(s.do("PUT", target, body).is(200).body))
		}
		body["emails"] = []any{home, work}
		require.Equal(t, created.at("meta"), s.do("PUT", target, body).is(200).at("meta"), "the order of a list has no meaning")
		require.Empty(t, s.events.types())
		covers(t, "7644-3.5.1-10")

		// A change of case is one, although the values compare as equal.
		body["name"] = map[string]any{"givenName": "G"}
		a := s.do("PUT", target, body).is(200)
		require.Equal(t, `W/"2"`, a.version())
		events := s.events.take()
		require.Len(t, events, 1)
		require.Equal(t, []patch.Change{{Path: "name.givenName", Before: []byte(`"g"`), After: []byte(`"G"`)}}, events[0].Changes)
	})
}

func TestReplaceHonoursAttributes(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		body := user("u", map[string]any{"title": "t", "name": map[string]any{"givenName": "g", "familyName": "f"}})
		target := "/Users/" + s.create("/Users", body).id()
		u := s.user("member").id()
		g := "/Groups/" + s.group("g", u).id()
		for query, want := range map[string][]string{
			"?attributes=userName":                          {"userName"},
			"?attributes=NAME.GIVENNAME,title":              {"name", "title"},
			"?excludedAttributes=meta,name,id":              {"userName", "title", "active"},
			"?excludedAttributes=name.givenName,active":     {"userName", "title", "name", "meta"},
			"?attributes=" + userURN + ":title,nonsense":    {"title"},
			"?aadOptscim062020&excludedAttributes=userName": {"title", "name", "active", "meta"},
		} {
			a := s.do("PUT", target+query, body).is(200)
			require.ElementsMatch(t, append([]string{"schemas", "id"}, want...), slices.Collect(maps.Keys(a.json())), query)
			require.NotEmpty(t, a.header.Get("Etag"))
			if strings.Contains(strings.ToLower(query), "name.givenname") {
				require.Len(t, a.at("name"), 1, query)
			}
		}
		require.Equal(t, "t", s.get(target).at("title"))
		put := groupBody("g", map[string]any{"members": memberList(u)})
		require.NotContains(t, s.do("PUT", g+"?excludedAttributes=members", put).is(200).json(), "members")
		require.NotContains(t, s.do("PUT", g+"?attributes=displayName", put).is(200).json(), "members")
		require.Len(t, s.do("PUT", g+"?attributes=members.value", put).is(200).at("members"), 1)
		require.Len(t, s.get(g).at("members"), 1)
		covers(t, "7644-3.9-11")

		before := s.snapshot("/Users")
		s.do("PUT", target+"?attributes=userName&excludedAttributes=title", user("changed")).fails(400, "invalidValue")
		require.Equal(t, before, s.snapshot("/Users"), "a refused projection changes nothing")
	})
}

// TestReplaceIsValidatedAsCreate: what a POST refuses, a PUT refuses.
func TestReplaceIsValidatedAsCreate(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		target := "/Devices/" + s.create("/Devices", device("d")).id()
		before := s.snapshot("/Devices")
		for name, c := range map[string]struct {
			body     map[string]any
			scimType string
		}{
			"two primaries":              {device("d", map[string]any{"ports": []map[string]any{{"value": "a", "primary": true}, {"value": "b", "primary": true}}}), "invalidValue"},
			"no required attribute":      {map[string]any{"schemas": []string{deviceURN}}, "invalidValue"},
			"a wrong type":               {device("d", map[string]any{"slots": "1"}), "invalidValue"},
			"a malformed date":           {device("d", map[string]any{"installedAt": "today"}), "invalidValue"},
			"an unknown schema only":     {device("d", map[string]any{"schemas": []string{userURN}}), "invalidSyntax"},
			"an extension with a hole":   {device("d", map[string]any{warrantyURN: map[string]any{"months": 1}}), "invalidValue"},
			"a value that is too long":   {device("d", map[string]any{"model": strings.Repeat("x", 8<<10+1)}), "invalidValue"},
			"a key that is too long":     {device("d", map[string]any{"assetTag": strings.Repeat("x", 513)}), "invalidValue"},
			"a blank unique attribute":   {device("d", map[string]any{"assetTag": "  "}), "invalidValue"},
			"an externalId too long":     {device("d", map[string]any{"externalId": strings.Repeat("x", 513)}), "invalidValue"},
			"an externalId of no string": {device("d", map[string]any{"externalId": 1}), "invalidValue"},
		} {
			t.Run(name, func(t *testing.T) {
				s := inCase(t, s)
				posted := s.do("POST", "/Devices", c.body).fails(400, c.scimType)
				put := s.do("PUT", target, c.body).fails(400, c.scimType)
				require.Equal(t, string(posted.body), string(put.body))
				require.Equal(t, before, s.snapshot("/Devices"))
			})
		}
		covers(t, "7644-3.5.1-11")
		// At the bounds, both take them.
		at := device("d", map[string]any{"model": strings.Repeat("x", 8<<10), "assetTag": strings.Repeat("x", 512), "externalId": strings.Repeat("x", 512)})
		s.do("PUT", target, at).is(200)
		at["assetTag"] = strings.Repeat("y", 512)
		s.create("/Devices", at)
	}, withDevices)
}

// PUT of what GET showed changes nothing, also after a PATCH through a value path that made elements equal or wrote JSON into a string.
func TestReplacingByWhatWasReadChangesNothing(t *testing.T) {
	t.Parallel()
	var many []attrs
	for i := range 40 {
		many = append(many, attrs{"value": string(rune('a'+i%26)) + strings.Repeat("x", i), "type": "work"})
	}
	role := `{"id":"41","value":"25","displayName":"Dispatcher"}`
	for name, c := range map[string]struct {
		before attrs
		ops    []attrs
		path   []any
		want   any
	}{
		"a value for several": {
			attrs{"emails": []attrs{{"value": "a@x", "type": "work"}, {"value": "b@x", "type": "work"}}},
			[]attrs{op("replace", `emails[type eq "work"].value`, "c@x")}, []any{"emails"}, []any{attrs{"value": "c@x", "type": "work"}},
		},
		"a value for many": {attrs{"emails": many}, []attrs{op("replace", `emails[type eq "work"].value`, "c@x")}, []any{"emails"}, []any{attrs{"value": "c@x", "type": "work"}}},
		"no value for several": {
			attrs{"emails": []attrs{{"value": "a@x", "type": "work"}, {"value": "b@x", "type": "work"}}},
			[]attrs{op("remove", `emails[type eq "work"].value`)}, []any{"emails"}, []any{attrs{"type": "work"}},
		},
		"an element that becomes another": {
			attrs{"emails": []attrs{{"value": "a@x", "type": "work"}, {"value": "a@x", "type": "home"}}},
			[]attrs{op("replace", `emails[type eq "home"].type`, "work")}, []any{"emails"}, []any{attrs{"value": "a@x", "type": "work"}},
		},
		"a flag that was the difference": {
			attrs{"emails": []attrs{{"value": "a@x", "primary": true}, {"value": "a@x", "primary": false}}},
			[]attrs{op("add", "emails", []attrs{{"value": "b@x", "primary": true}})}, []any{"emails"},
			[]any{attrs{"value": "a@x", "primary": false}, attrs{"value": "b@x", "primary": true}},
		},
		"an element that is created": {
			attrs{"emails": []attrs{{"value": "a@x", "type": "work"}}},
			[]attrs{op("add", `emails[type eq "home"]`, attrs{"value": "a@x", "type": "work"})}, []any{"emails"}, []any{attrs{"value": "a@x", "type": "work"}},
		},
		"an element that is merged": {
			attrs{"emails": []attrs{{"value": "a@x", "display": "A"}, {"value": "a@x", "display": "B"}}},
			[]attrs{op("add", "emails", []attrs{{"value": "a@x", "display": "B"}})}, []any{"emails"}, []any{attrs{"value": "a@x", "display": "B"}},
		},
		"a role in a string": {
			nil, []attrs{op("Add", `roles[primary eq "True"].value`, role)}, []any{"roles"}, []any{attrs{"value": "25", "display": "Dispatcher", "primary": true}},
		},
		"a role in a string, merged": {
			attrs{"roles": []attrs{{"value": "1", "primary": true}}},
			[]attrs{op("add", `roles[primary eq true]`, attrs{"value": role})}, []any{"roles"}, []any{attrs{"value": "25", "display": "Dispatcher", "primary": true}},
		},
		"a role in a filter": {
			nil, []attrs{op("add", `roles[value eq "{\"value\":\"25\"}"].type`, "t")}, []any{"roles"}, []any{attrs{"value": "25", "type": "t"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onEachStore(t, func(t *testing.T, s *server) {
				path := "/Users/" + s.user("someone", c.before).id()
				patched := s.patch(path, c.ops...).is(200)
				require.Equal(t, c.want, patched.at(c.path...))
				s.events.take()
				put := s.do("PUT", path, s.get(path).body).is(200)
				require.Equal(t, string(patched.body), string(put.body))
				require.Empty(t, s.events.take())
			})
		})
	}
}
