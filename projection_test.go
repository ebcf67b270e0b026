package scim_test

import (
	"context"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
)

// The parameters attributes and excludedAttributes: RFC 7644, section 3.9.

// full is a user with a value for most kinds of attributes.
func full(userName string) map[string]any {
	return user(userName, map[string]any{
		"schemas": []string{userURN, enterpriseURN}, "externalId": "x-" + userName, "title": "Chief", "displayName": "Full",
		"name": map[string]any{"givenName": "Anna", "familyName": "Abel"},
		"emails": []any{
			map[string]any{"value": "a@x.test", "type": "work", "primary": true}, map[string]any{"value": "b@x.test", "type": "home"},
		},
		enterpriseURN: map[string]any{"department": "Sales", "costCenter": "7", "manager": map[string]any{"value": "m"}},
	})
}

// answers sends one query with every request that can have it, and returns the resources that come back.
func (s *server) answers(query string) map[string]any {
	s.t.Helper()
	parameters, err := url.ParseQuery(query)
	require.NoError(s.t, err)
	search := map[string]any{"schemas": []string{searchURN}, "filter": `userName eq "anna"`}
	for name, values := range parameters {
		search[name] = strings.Split(values[0], ",")
	}
	id := s.create("/Users", full("anna")).id()
	target := "/Users/" + id
	found := map[string]any{
		"GET":     s.get(target + "?" + query).json(),
		"list":    s.get("/Users?filter="+url.QueryEscape(`userName eq "anna"`)+"&"+query).at("Resources", 0),
		".search": s.do("POST", "/Users/.search", search).is(200).at("Resources", 0),
		"PUT":     s.do("PUT", target+"?"+query, full("anna")).is(200).json(),
		"PATCH":   s.do("PATCH", target+"?"+query, patchBody(op("replace", "displayName", "Full"))).is(200).json(),
	}
	s.do("DELETE", target, nil).is(204)
	created := s.do("POST", "/Users?"+query, full("anna")).is(201)
	require.Equal(s.t, baseURL+"/Users/"+created.id(), created.header.Get("Location"))
	require.NotEmpty(s.t, created.header.Get("ETag"))
	found["POST"] = created.json()
	s.do("DELETE", "/Users/"+created.id(), nil).is(204)
	return found
}

func TestAttributes(t *testing.T) {
	t.Parallel()
	always := []string{"id", "schemas"}
	with := func(names ...string) []string { return append(names, always...) }
	for _, c := range []struct {
		name, query string
		keys        []string       // of the resource
		values      map[string]any // by key: what must be there
		covers      []string
	}{
		{
			name: "an attribute and a sub-attribute", query: "attributes=userName,emails.value", keys: with("userName", "emails"),
			values: map[string]any{"emails": []any{map[string]any{"value": "a@x.test"}, map[string]any{"value": "b@x.test"}}},
			covers: []string{"7644-3.9-03"},
		},
		{
			name: "any case, URNs, spaces", query: "attributes=+USERNAME+,+" + userURN + ":name.givenName,URN:ietf:params:scim:schemas:core:2.0:USER:Title,,",
			keys: with("userName", "name", "title"), values: map[string]any{"name": map[string]any{"givenName": "Anna"}}, covers: []string{"7644-3.9-05"},
		},
		{
			name: "a complex attribute", query: "attributes=name", keys: with("name"),
			values: map[string]any{"name": map[string]any{"givenName": "Anna", "familyName": "Abel"}},
		},
		{
			name: "a part of it", query: "attributes=name.familyName", keys: with("name"),
			values: map[string]any{"name": map[string]any{"familyName": "Abel"}}, covers: []string{"7644-3.9-06"},
		},
		{
			name: "an extension's attribute", query: "attributes=" + enterpriseURN + ":department", keys: with(enterpriseURN),
			values: map[string]any{enterpriseURN: map[string]any{"department": "Sales"}},
		},
		{
			name: "an extension's sub-attribute", query: "attributes=" + strings.ToUpper(enterpriseURN) + ":MANAGER.value", keys: with(enterpriseURN),
			values: map[string]any{enterpriseURN: map[string]any{"manager": map[string]any{"value": "m"}}},
		},
		{
			name: "an extension", query: "attributes=" + enterpriseURN, keys: with(enterpriseURN),
			values: map[string]any{enterpriseURN: full("x")[enterpriseURN]}, covers: []string{"7644-3.10-02"},
		},
		{name: "a part of meta", query: "attributes=meta.version", keys: with("meta")},
		{name: "unknown names", query: "attributes=foo,name.foo,emails.foo.bar,urn:example:x:y", keys: always, covers: []string{"7644-3.9-09"}},
		{name: "a wildcard is an unknown name", query: "attributes=*", keys: always},
		{name: "injections", query: "attributes=" + url.QueryEscape(`userName;drop table,'x,"x",$.x,../x,%,name.`), keys: always},
		{name: "no names", query: "attributes=", keys: with("userName", "externalId", "title", "displayName", "name", "emails", "active", "meta", enterpriseURN)},
		{
			name: "exclusion", query: "excludedAttributes=emails,id,schemas,Meta,ACTIVE", keys: with("userName", "externalId", "title", "displayName", "name", enterpriseURN),
			covers: []string{"7644-3.9-04"},
		},
		{
			name: "exclusion of a part", query: "excludedAttributes=name.familyName,emails.type,emails.primary,active,meta",
			keys: with("userName", "externalId", "title", "displayName", "name", "emails", enterpriseURN),
			values: map[string]any{
				"name": map[string]any{"givenName": "Anna"}, "emails": []any{map[string]any{"value": "a@x.test"}, map[string]any{"value": "b@x.test"}},
			},
			covers: []string{"7644-3.9-07"},
		},
		{
			name: "exclusion in an extension", query: "excludedAttributes=" + enterpriseURN + ":manager," + enterpriseURN + ":costCenter",
			keys:   with("userName", "externalId", "title", "displayName", "name", "emails", "active", "meta", enterpriseURN),
			values: map[string]any{enterpriseURN: map[string]any{"department": "Sales"}},
		},
		{
			name: "exclusion of an extension", query: "excludedAttributes=" + enterpriseURN + ",nope,*",
			keys: with("userName", "externalId", "title", "displayName", "name", "emails", "active", "meta"),
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			onEachStore(t, func(t *testing.T, s *server) {
				for request, resource := range s.answers(c.query) {
					require.ElementsMatch(t, c.keys, keys(resource), request)
					for key, want := range c.values {
						require.Equal(t, want, resource.(map[string]any)[key], request)
					}
				}
				covers(t, c.covers...)
			})
		})
	}
	t.Run("every request", func(t *testing.T) { covers(t, "7644-3.4.2.5-01") })
}

func TestAttributesOrExcludedAttributes(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		anna := s.create("/Users", full("anna"))
		target := "/Users/" + anna.id()
		names := func(n int) string { return strings.TrimSuffix(strings.Repeat("title,", n), ",") }
		for _, query := range []string{
			"attributes=userName&excludedAttributes=title", "attributes=nope&excludedAttributes=nope", "attributes=" + names(101), "excludedAttributes=" + names(101),
		} {
			s.do("GET", target+"?"+query, nil).fails(400, "invalidValue")
			s.do("GET", "/Users?"+query, nil).fails(400, "invalidValue")
			s.do("POST", "/Users?"+query, user("bert")).fails(400, "invalidValue")
			s.do("PUT", target+"?"+query, user("bert")).fails(400, "invalidValue")
			s.do("PATCH", target+"?"+query, patchBody(op("replace", "userName", "bert"))).fails(400, "invalidValue")
		}
		s.do("POST", "/Users/.search", map[string]any{"schemas": []string{searchURN}, "attributes": []string{"a"}, "excludedAttributes": []string{"b"}}).
			fails(400, "invalidValue")
		covers(t, "7644-3.9-08")
		require.Equal(t, string(anna.body), string(s.get(target).body))
		_, total := s.list("/Users")
		require.Equal(t, 1, total)
		s.get(target + "?attributes=" + names(100))
		covers(t, "F-13")
	})
}

func TestReturnedIsStrongerThanAttributes(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		secret := s.secret("canary-pin-4711")
		body := device("lamp", map[string]any{
			"pin": secret, "inventory": "I-1", "diagnostics": "fine", "model": "M", "owner": map[string]any{"value": "o", "note": "quiet"},
		})
		created := s.create("/Devices", body)
		target := "/Devices/" + created.id()
		for query, want := range map[string][]string{
			"":                                      {"id", "schemas", "meta", "inventory", "deviceName", "model", "owner"},
			"?attributes=pin":                       {"id", "schemas", "inventory"},
			"?attributes=PIN," + deviceURN + ":pin": {"id", "schemas", "inventory"},
			"?attributes=model":                     {"id", "schemas", "inventory", "model"},
			"?attributes=diagnostics":               {"id", "schemas", "inventory", "diagnostics"},
			"?excludedAttributes=inventory,model,meta": {"id", "schemas", "inventory", "deviceName", "owner"},
			"?excludedAttributes=nope":                 {"id", "schemas", "meta", "inventory", "deviceName", "model", "owner"},
		} {
			require.ElementsMatch(t, want, keys(s.get(target+query).json()), query)
			require.ElementsMatch(t, want, keys(s.get("/Devices"+query).at("Resources", 0)), query)
		}
		require.Equal(t, map[string]any{"value": "o"}, s.get(target).at("owner"))
		require.Equal(t, map[string]any{"note": "quiet"}, s.get(target+"?attributes=owner.note").at("owner"))
		// Whoever writes an attribute that is returned on request sees it in the answer.
		require.Equal(t, "fine", created.at("diagnostics"))
		require.Equal(t, "worn", s.patch(target, op("replace", "diagnostics", "worn")).is(200).at("diagnostics"))
		require.Nil(t, s.patch(target, op("replace", "model", "N")).is(200).at("diagnostics"))
		covers(t, "7643-7-14")
	}, withDevices)
}

func TestPatchWithAttributesAnswersWithTheResource(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		anna, bert := s.user("anna").id(), s.user("bert").id()
		crew := "/Groups/" + s.group("Crew", anna).id()
		add := patchBody(op("add", "members", memberList(bert)))
		require.Empty(t, s.do("PATCH", crew, add).is(204).body)
		a := s.do("PATCH", crew+"?attributes=displayName", add).is(200)
		require.ElementsMatch(t, []string{"id", "schemas", "displayName"}, keys(a.json()))
		a = s.do("PATCH", crew+"?attributes=members.value", add).is(200)
		require.Equal(t, []any{map[string]any{"value": anna}, map[string]any{"value": bert}}, a.at("members"))
		a = s.do("PATCH", crew+"?excludedAttributes=members", add).is(200)
		require.ElementsMatch(t, []string{"id", "schemas", "displayName", "meta"}, keys(a.json()))
		require.ElementsMatch(t, []string{"id", "schemas", "userName"}, keys(s.do("PATCH", "/Users/"+anna+"?attributes=userName", patchBody(op("add", "title", "x"))).is(200).json()))
		covers(t, "7644-3.5.2-01")
	})
}

func TestMembersCanBeLeftOut(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		ids := s.users("u", 3)
		crew := s.group("Crew", ids...)
		read := false
		s.tap().when(func(_ context.Context, call string, _ any) error {
			read = read || call == "Members"
			return nil
		})
		for _, target := range []string{"/Groups/" + crew.id(), "/Groups"} {
			for _, query := range []string{"?excludedAttributes=members", "?excludedAttributes=MEMBERS,displayName", "?attributes=displayName", "?excludedAttributes=" + groupURN + ":members"} {
				require.NotContains(t, string(s.get(target+query).body), "members")
			}
		}
		require.False(t, read, "members were read that nobody asked for")
		covers(t, "7644-3.9-10", "ENTRA-16", "ENTRA-19")

		for query, want := range map[string]map[string]any{
			"?attributes=members":                          {"value": ids[0], "$ref": baseURL + "/Users/" + ids[0], "display": "u0", "type": "User"},
			"?attributes=members.value":                    {"value": ids[0]},
			"?attributes=members.$ref":                     {"$ref": baseURL + "/Users/" + ids[0]},
			"?excludedAttributes=members.$ref":             {"value": ids[0], "display": "u0", "type": "User"},
			"?attributes=MEMBERS.DISPLAY,members.type":     {"display": "u0", "type": "User"},
			"?attributes=" + groupURN + ":members.display": {"display": "u0"},
		} {
			require.Equal(t, want, s.get("/Groups/"+crew.id()+query).at("members", 0), query)
		}
		require.Equal(t, map[string]any{"value": crew.id()}, s.get("/Users/"+ids[0]+"?attributes=groups.value").at("groups", 0))
		require.NotContains(t, s.get("/Users/"+ids[0]+"?excludedAttributes=groups").json(), "groups")
	}, withTap)
}

func TestNamesHaveNoCase(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		id := s.create("/Users", full("anna")).id()
		target := "/Users/" + id
		for i, path := range []string{
			"NAME.GIVENNAME", strings.ToUpper(userURN) + ":Name.givenname", "Name.GivenName", strings.ToLower(userURN) + ":name.GIVENNAME",
		} {
			value := "G" + strconv.Itoa(i)
			s.patch(target, op("replace", path, value)).is(200)
			require.Equal(t, value, s.get(target).at("name", "givenName"), path)
			require.Equal(t, []string{id}, s.filter("/Users", path+` eq "`+value+`"`))
			require.Equal(t, map[string]any{"givenName": value}, s.get(target+"?attributes="+path).at("name"))
			require.Equal(t, map[string]any{"familyName": "Abel"}, s.get(target+"?excludedAttributes="+path).at("name"))
		}
		department := strings.ToUpper(enterpriseURN) + ":DEPARTMENT"
		s.patch(target, op("replace", department, "Legal")).is(200)
		require.Equal(t, []string{id}, s.filter("/Users", department+` eq "legal"`))
		require.Equal(t, map[string]any{"department": "Legal"}, s.get(target+"?attributes="+department).at(enterpriseURN))
		s.patch(target, op("replace", `EMAILS[TYPE eq "work"].VALUE`, "c@x.test")).is(200)
		require.Equal(t, []string{id}, s.filter("/Users", `Emails[Type eq "work" and VALUE eq "c@x.test"]`))
		covers(t, "7644-3.10-03")
	})
}

func TestLimitOnAttributeNames(t *testing.T) {
	t.Parallel()
	s := newServer(t, withLimits(scim.Limits{AttributeNames: 2}))
	s.get("/Users?attributes=a,b")
	s.do("GET", "/Users?attributes=a,b,c", nil).fails(400, "invalidValue")
	s.do("GET", "/Users?excludedAttributes=a,b,c", nil).fails(400, "invalidValue")
}
