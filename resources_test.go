package scim_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What User, Group and EnterpriseUser mean: RFC 7643, section 4.

func TestUserNamesAreRequiredAndNotBlank(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		for _, value := range []any{nil, "", " ", "\t \n", "\u00a0\u3000", 5, []any{}} {
			t.Run(fmt.Sprintf("%q", value), func(t *testing.T) { everyWriteRefuses(t, s, ofUsers, "userName", value, "invalidValue") })
		}
		id := s.user("kept").id()
		before := s.snapshot("/Users")
		s.do("POST", "/Users", map[string]any{"schemas": []string{userURN}, "displayName": "d"}).fails(400, "invalidValue")
		s.do("PUT", "/Users/"+id, map[string]any{"schemas": []string{userURN}, "displayName": "d"}).fails(400, "invalidValue")
		s.patch("/Users/"+id, op("remove", "userName")).is(400)
		s.patch("/Users/"+id, op("remove", "userName"), op("add", "userName", "other")).is(400)
		require.Equal(t, before, s.snapshot("/Users"))
		covers(t, "7643-4.1.1-01")
		s.patch("/Groups/"+s.group("g").id(), op("remove", "displayName")).fails(400, "mutability")
		covers(t, "M-07")
	})
}

// TestUserNamesAreComparedAsPrepared: composed and decomposed, wide and narrow, upper and lower case are one name.
func TestUserNamesAreComparedAsPrepared(t *testing.T) {
	t.Parallel()
	for name, twins := range map[string][]string{
		"normalisation": {"caf\u00e9@x.test", "cafe\u0301@x.test", "CAFE\u0301@X.TEST", "CAF\u00c9@x.test"},
		"width":         {"ann@x.test", "\uff41\uff4e\uff4e@x.test", "\uff21NN@x.test"},
		"case":          {"straße-ÄÖÜ", "STRAßE-äöü"},
		"sigma":         {"ΟΔΟΣ", "οδοσ"},
		"not prepared":  {"John Smith", "john SMITH"},
		"apostrophe":    {"o’neil@x.test", "O’NEIL@x.test"},
		"plus":          {"a+b@x.test", "A+B@x.test"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onEachStore(t, func(t *testing.T, s *server) {
				created := s.user(twins[0])
				other := s.user("other").id()
				require.Equal(t, twins[0], created.at("userName"), "as sent")
				for _, twin := range twins {
					s.do("POST", "/Users", user(twin)).fails(409, "uniqueness")
					s.do("PUT", "/Users/"+other, user(twin)).fails(409, "uniqueness")
					s.patch("/Users/"+other, op("replace", "userName", twin)).fails(409, "uniqueness")
					require.Equal(t, []string{created.id()}, s.filter("/Users", `userName eq "`+twin+`"`), twin)
					require.Equal(t, []string{created.id()}, s.filter("/Users", `userName sw "`+string([]rune(twin)[:len([]rune(twin))-1])+`"`), twin)
					a := s.do("PUT", "/Users/"+created.id(), user(twin)).is(200)
					require.Equal(t, twin, a.at("userName"), "in the spelling of the last write")
				}
				covers(t, "7644-5-01")
			})
		})
	}
}

// TestPasswordsLeaveNoTrace: they are accepted, because identity providers send them, and dropped before anything keeps them.
func TestPasswordsLeaveNoTrace(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		password := s.secret("canary-password-0815")
		with := func(name string) map[string]any {
			return user(name, map[string]any{"password": password, "title": "t"})
		}
		created := s.create("/Users?attributes=password,userName", with("u"))
		target := "/Users/" + created.id()
		s.do("PUT", target, with("v")).is(200)
		version := s.get(target).version()

		// Changing it alone changes nothing: ServiceProviderConfig says so.
		require.Equal(t, false, s.get("/ServiceProviderConfig").at("changePassword", "supported"))
		for _, a := range []*response{
			s.do("PUT", target, with("v")).is(200),
			s.patch(target, op("replace", "password", password)).is(200),
			s.patch(target, op("add", userURN+":password", password)).is(200),
			s.patch(target, op("remove", "password")).is(200),
			s.patch(target, pathless("replace", map[string]any{"password": password})).is(200),
			s.do("PUT", target, user("v", map[string]any{"title": "t"})).is(200),
		} {
			require.Equal(t, version, a.version())
		}
		covers(t, "7643-4.1.1-04", "OKTA-12")

		s.user("taken")
		s.do("POST", "/Users", with("taken")).fails(409, "uniqueness")
		s.do("PUT", target, with("")).fails(400, "invalidValue")
		s.patch(target, op("replace", "password", password), op("replace", "userName", "taken")).fails(409, "uniqueness")
		s.patch(target, op("replace", "password", map[string]any{"a": password}), op("replace", "active", password)).fails(400, "invalidValue")
		for _, filter := range []string{
			`password eq "` + password + `"`, `password sw "c"`, "password pr", "not (password pr)", `password ne "x"`, userURN + `:PASSWORD co "a"`,
			`userName eq "v" and password eq "` + password + `"`,
		} {
			s.do("GET", "/Users?filter="+url.QueryEscape(filter), nil).fails(400, "invalidFilter")
			s.do("POST", "/Users/.search", map[string]any{"schemas": []string{searchURN}, "filter": filter}).fails(400, "invalidFilter")
		}
		covers(t, "7643-4.1.1-03")
		for _, query := range []string{"", "?attributes=password", "?attributes=PASSWORD", "?attributes=" + userURN + ":password", "?attributes=" + userURN} {
			for _, a := range []*response{s.get(target + query), s.get("/Users" + query), s.do("PUT", target+query, with("v")).is(200)} {
				require.NotContains(t, strings.ToLower(string(a.body)), "password", query)
			}
		}
		search := map[string]any{"schemas": []string{searchURN}, "attributes": []string{"password", "userName"}}
		require.NotContains(t, strings.ToLower(string(s.do("POST", "/Users/.search", search).is(200).body)), "password")
		require.NotContains(t, string(s.get("/Schemas/"+userURN).body), "password")

		require.NotContains(t, s.log.String(), password)
		require.Contains(t, s.log.String(), "/Users/{id}", "the log is there to be searched")
		for _, e := range s.events.take() {
			text := fmt.Sprint(e.Changes)
			if e.Before != nil {
				text += string(e.Before.Document.JSON())
			}
			text += string(e.After.Document.JSON())
			require.NotContains(t, strings.ToLower(text), "password")
		}
		covers(t, "7643-4.1.1-02", "threat:S-01")
		require.NotContains(t, strings.ToLower(s.stored("User", created.id())), "password")
		covers(t, "7643-9.2-01")
	})
}

// TestPUTKeepsWhatNoClientCanReadBack: a client that read, changed and sent back a resource could not have sent these.
func TestPUTKeepsWhatNoClientCanReadBack(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		d := s.create("/Devices", device("d", map[string]any{"pin": "4711", "diagnostics": "ok"})).id()
		for range 2 {
			s.do("PUT", "/Devices/"+d, device(freshName())).is(200)
			require.Contains(t, s.stored("Device", d), `"pin":"4711"`)
			require.Equal(t, "ok", s.get("/Devices/"+d+"?attributes=diagnostics").at("diagnostics"))
		}
		u := s.user("u", map[string]any{"active": false}).id()
		require.Equal(t, false, s.do("PUT", "/Users/"+u, user("v")).is(200).at("active"))
		covers(t, "E-06")
	}, withDevices)
}

func TestNamesAreNotInvented(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		for _, name := range []map[string]any{
			{"formatted": "Ms. Barbara J Jensen, III"}, {"givenName": "Barbara", "familyName": "Jensen"}, {"familyName": "Jensen"},
			{"formatted": "Ms. Barbara Jensen", "givenName": "Barbara", "familyName": "Jensen"},
		} {
			everyWriteStores(t, s, ofUsers, "name", name, name)
		}
		covers(t, "7643-4.1.1-05")
	})
}

// TestFormatsThatAreNotChecked: the schema asks for a country code, a telephone URI and one certificate; what identity providers
// send instead comes back as it was, and is the host's to judge. A certificate has to be base64, so that PEM is refused.
func TestFormatsThatAreNotChecked(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		for path, value := range map[string]any{
			"addresses":        []any{map[string]any{"country": "USA"}, map[string]any{"country": "CH"}},
			"phoneNumbers":     []any{map[string]any{"value": "+1 (555) 0100 ext. 7"}},
			"emails":           []any{map[string]any{"value": "b@EXAMPLE.COM"}},
			"photos":           []any{map[string]any{"value": "not a url"}},
			"profileUrl":       "https://X.test/Me",
			"x509Certificates": []any{map[string]any{"value": "QUJD"}},
		} {
			t.Run(path, func(t *testing.T) { everyWriteStores(t, s, ofUsers, path, value, value) })
		}
		require.Empty(t, s.filter("/Users", `profileUrl eq "https://x.test/me"`), "case counts in a URL")
		for _, pem := range []string{"-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n", "QUJD,QUJD"} {
			everyWriteRefuses(t, s, ofUsers, "x509Certificates", []any{map[string]any{"value": pem}}, "invalidValue")
		}
	})
}

// groupsOf returns the groups that a user shows, as maps by id.
func (s *server) groupsOf(user string) map[string]map[string]any {
	s.t.Helper()
	groups := map[string]map[string]any{}
	list, _ := s.get("/Users/" + user).at("groups").([]any)
	for _, g := range list {
		groups[g.(map[string]any)["value"].(string)] = g.(map[string]any)
	}
	require.Len(s.t, groups, len(list))
	return groups
}

func TestUserGroupsMirrorMembership(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		u := s.user("u").id()
		before := s.get("/Users/" + u)
		require.NotContains(t, before.json(), "groups")
		g := s.group("Crew").id()
		shown := map[string]any{"value": g, "$ref": baseURL + "/Groups/" + g, "type": "direct", "display": "Crew"}
		in, out := map[string]map[string]any{g: shown}, map[string]map[string]any{}

		s.patch("/Groups/"+g, op("add", "members", memberList(u))).is(204)
		require.Equal(t, in, s.groupsOf(u))
		require.Equal(t, shown, s.get("/Users?attributes=groups").at("Resources", 0, "groups", 0))
		require.Equal(t, []string{u}, s.filter("/Users", `groups.value eq "`+g+`"`))
		require.Equal(t, g, s.deref(shown["$ref"]).id())
		require.Equal(t, before.at("meta"), s.get("/Users/"+u).at("meta"), "the user did not change")
		s.patch("/Groups/"+g, op("remove", `members[value eq "`+u+`"]`)).is(204)
		require.Equal(t, out, s.groupsOf(u))
		require.Empty(t, s.filter("/Users", "groups pr"))

		s.do("PUT", "/Groups/"+g, groupBody("Crew", map[string]any{"members": memberList(u)})).is(200)
		require.Equal(t, in, s.groupsOf(u))
		s.do("PUT", "/Groups/"+g, groupBody("Crew")).is(200)
		require.Equal(t, out, s.groupsOf(u))
		s.patch("/Groups/"+g, op("replace", "members", memberList(u)), op("replace", "displayName", "Renamed")).is(204)
		shown["display"] = "Renamed"
		require.Equal(t, in, s.groupsOf(u))
		h := s.group("Second", u).id()
		require.Len(t, s.groupsOf(u), 2)
		s.do("DELETE", "/Groups/"+g, nil).is(204)
		require.NotContains(t, s.groupsOf(u), g)
		require.Contains(t, s.groupsOf(u), h)
		require.Equal(t, string(before.body), string(s.get("/Users/"+u+"?excludedAttributes=groups").body))
		covers(t, "7643-4.1.2-05")
	})
}

func TestUserGroupsAreReadOnly(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		g := s.group("g").id()
		groups := map[string]any{"groups": []map[string]any{{"value": g, "display": "g", "type": "direct"}}}
		created := s.user("u", groups)
		target := "/Users/" + created.id()
		for _, a := range []*response{created, s.do("PUT", target, user("u", groups)).is(200), s.patch(target, pathless("add", groups)).is(200)} {
			require.NotContains(t, a.json(), "groups")
		}
		for _, name := range []string{"add", "replace", "remove"} {
			s.patch(target, op(name, "groups", groups["groups"])).fails(400, "mutability")
			s.patch(target, op(name, `groups[value eq "`+g+`"]`, groups["groups"])).fails(400, "mutability")
		}
		require.Empty(t, s.get("/Groups/"+g).at("members"))
		// It cannot be used to leave a group either.
		s.patch("/Groups/"+g, op("add", "members", memberList(created.id()))).is(204)
		s.do("PUT", target, user("u", map[string]any{"groups": []any{}})).is(200)
		s.patch(target, op("remove", "groups")).fails(400, "mutability")
		require.Equal(t, []string{created.id()}, s.members(g))
		covers(t, "7643-4.1.2-04")
	})
}

func TestNestedGroups(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		u := s.user("u").id()
		inner := s.group("inner", u).id()
		outer := s.group("outer", inner).id()
		// Only the groups that have a resource as a direct member count.
		require.Len(t, s.groupsOf(u), 1)
		require.Equal(t, "direct", s.groupsOf(u)[inner]["type"])
		require.Equal(t, map[string]any{"value": inner, "$ref": baseURL + "/Groups/" + inner, "type": "Group", "display": "inner"}, s.get("/Groups/"+outer).at("members", 0))

		// A cycle, and a group in itself.
		s.patch("/Groups/"+inner, op("add", "members", memberList(outer, inner))).is(204)
		require.Equal(t, []string{u, inner, outer}, s.members(inner))
		require.Len(t, s.get("/Groups").at("Resources"), 2)
		require.Len(t, s.groupsOf(u), 1)
		require.Equal(t, []string{inner, outer}, s.filter("/Groups", "members pr"))
		s.do("PUT", "/Groups/"+inner, groupBody("renamed", map[string]any{"members": memberList(outer, inner)})).is(200)
		s.do("DELETE", "/Groups/"+inner, nil).is(204)
		require.Empty(t, s.members(outer))
		covers(t, "7643-4.2-05")
	})
}

func TestGroupsNeedADisplayName(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		id := s.group("g").id()
		before := s.snapshot("/Groups")
		for _, body := range []map[string]any{
			{"schemas": []string{groupURN}}, {"schemas": []string{groupURN}, "displayName": nil}, {"schemas": []string{groupURN}, "displayName": ""},
		} {
			s.do("POST", "/Groups", body).fails(400, "invalidValue")
			s.do("PUT", "/Groups/"+id, body).fails(400, "invalidValue")
		}
		s.patch("/Groups/"+id, op("remove", "displayName")).fails(400, "mutability")
		s.patch("/Groups/"+id, op("replace", "displayName", nil)).fails(400, "invalidValue")
		require.Equal(t, before, s.snapshot("/Groups"))
		covers(t, "7643-4.2-01")
	})
}

func TestMembersAreCompletedByTheServer(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		u := s.user("u", map[string]any{"displayName": "Ursula"}).id()
		v := s.user("v").id()
		inner := s.group("Inner").id()
		want := []any{
			map[string]any{"value": u, "$ref": baseURL + "/Users/" + u, "type": "User", "display": "Ursula"},
			map[string]any{"value": v, "$ref": baseURL + "/Users/" + v, "type": "User", "display": "v"},
			map[string]any{"value": inner, "$ref": baseURL + "/Groups/" + inner, "type": "Group", "display": "Inner"},
		}
		// What a client says about a member besides its id is not believed.
		sent := []map[string]any{
			{"value": u, "display": nil, "$ref": nil}, {"value": v, "type": "Group", "display": "forged", "$ref": "https://evil.test/" + v}, {"value": inner, "colour": "puce"},
		}
		created := s.create("/Groups", groupBody("g", map[string]any{"members": sent}))
		target := "/Groups/" + created.id()
		for _, a := range []*response{created, s.get(target), s.do("PUT", target, groupBody("g", map[string]any{"members": sent})).is(200)} {
			require.Equal(t, want, a.at("members"))
		}
		require.Equal(t, want, s.get("/Groups?attributes=members&filter=displayName%20eq%20%22g%22").at("Resources", 0, "members"))
		for _, m := range want {
			require.Equal(t, m.(map[string]any)["value"], s.deref(m.(map[string]any)["$ref"]).id())
			require.Equal(t, m.(map[string]any)["type"], s.deref(m.(map[string]any)["$ref"]).at("meta", "resourceType"))
		}
		s.patch(target, op("replace", "members", []map[string]any{{"value": u}})).is(204)
		require.Equal(t, want[:1], s.get(target).at("members"))
		covers(t, "7643-4.2-02", "OKTA-15")

		// Who computes memberships from what a group shows must see that an empty one has none.
		empty := s.group("empty")
		require.Equal(t, []any{}, empty.at("members"))
		require.Equal(t, []any{}, s.get("/Groups/"+empty.id()).at("members"))
		covers(t, "AUTHENTIK-09")
	})
}

func TestMembersAreNotEditedInPlace(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		a, b := s.user("a").id(), s.user("b").id()
		g := "/Groups/" + s.group("g", a).id()
		before := string(s.get(g).body)
		for _, name := range []string{"add", "replace", "remove"} {
			for _, sub := range []string{"value", "display", "type", "$ref"} {
				operation := op(name, `members[value eq "`+a+`"].`+sub, b)
				if name == "remove" {
					delete(operation, "value")
				}
				s.patch(g, operation).fails(400, "mutability")
			}
		}
		s.patch(g, op("replace", `members[value eq "`+a+`"]`, map[string]any{"value": b})).fails(400, "mutability")
		require.Equal(t, before, string(s.get(g).body))
		covers(t, "7643-4.2-03")
	})
}

func TestAMemberAppearsOnce(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		u, v := s.user("u").id(), s.user("v").id()
		created := s.create("/Groups", groupBody("g", map[string]any{"members": memberList(u, v, u)}))
		g := created.id()
		require.Equal(t, []string{u, v}, s.members(g))
		version := created.version()
		for range 2 {
			s.patch("/Groups/"+g, op("add", "members", memberList(u, u))).is(204)
			s.patch("/Groups/"+g, op("add", "members", memberList(u)), op("add", "members", memberList(u, v))).is(204)
			s.do("PUT", "/Groups/"+g, groupBody("g", map[string]any{"members": memberList(v, u, v)})).is(200)
		}
		s.patch("/Groups/"+g, op("remove", "members", memberList("none"))).is(204)
		require.Equal(t, []string{u, v}, s.members(g))
		require.Equal(t, version, s.get("/Groups/"+g).version())
		require.Len(t, s.groupsOf(u), 1)
		covers(t, "7643-4.2-04", "ENTRA-67")
	})
}

func TestDeletedResourcesLeaveTheirGroups(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		u := s.user("u").id()
		managed := s.user("report", map[string]any{enterpriseURN: map[string]any{"manager": map[string]any{"value": u}}}).id()
		inner := s.group("inner", u, managed).id()
		outer := s.group("outer", inner, u).id()
		s.do("DELETE", "/Users/"+u, nil).is(204)
		require.Equal(t, []string{managed}, s.members(inner))
		require.Equal(t, []string{inner}, s.members(outer))
		s.do("DELETE", "/Groups/"+inner, nil).is(204)
		require.Empty(t, s.members(outer))
		require.Empty(t, s.groupsOf(managed))
		require.Empty(t, s.filter("/Groups", "members pr"))
		// A manager is text that the identity provider manages: it may name somebody who is not here, and stays.
		require.Equal(t, u, s.get("/Users/"+managed).at(enterpriseURN, "manager", "value"))
		covers(t, "7643-2.3.7-03")
	})
}

func TestManagers(t *testing.T) {
	t.Parallel()
	path := enterpriseURN + ":manager"
	onEachStore(t, func(t *testing.T, s *server) {
		boss := s.user("boss", map[string]any{"displayName": "The Boss"}).id()
		// Somebody who exists, somebody who does not yet, and the name, which is never the client's to say.
		for _, id := range []string{boss, "m-77"} {
			want := map[string]any{"value": id}
			everyWriteStores(t, s, ofUsers, path, want, want)
			everyWriteStores(t, s, ofUsers, path, map[string]any{"value": id, "displayName": "forged"}, want)
			everyWriteStores(t, s, ofUsers, path, map[string]any{"value": id, "$ref": "../Users/" + id}, map[string]any{"value": id, "$ref": "../Users/" + id})
			everyWriteStores(t, s, ofUsers, path, id, want) // a bare string
		}
		require.NotContains(t, s.snapshot("/Users"), "forged")
		covers(t, "7643-4.3-03", "ENTRA-30", "ENTRA-39")

		target := "/Users/" + s.user("u", keyed(path, map[string]any{"value": boss})).id()
		before := s.snapshot("/Users")
		for _, name := range []string{"add", "replace"} {
			s.patch(target, op(name, path+".displayName", "forged")).fails(400, "mutability")
		}
		s.patch(target, op("remove", path+".displayName")).fails(400, "mutability")
		require.Equal(t, before, s.snapshot("/Users"))
		covers(t, "7643-4.3-01")
	})
	t.Run("strict", func(t *testing.T) {
		onEachStore(t, func(_ *testing.T, s *server) {
			u := s.create("/Users", user("u", map[string]any{"schemas": []string{userURN, enterpriseURN}})).id()
			s.patch("/Users/"+u, op("replace", path, "m-77")).fails(400, "invalidValue")
			s.do("PUT", "/Users/"+u, user("u", map[string]any{"schemas": []string{userURN, enterpriseURN}}, keyed(path, "m-77"))).fails(400, "invalidValue")
		}, strictly)
	})
}

func TestInactiveUsersStay(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		for way, deactivate := range map[string]func(target, name string) *response{
			"PATCH": func(target, _ string) *response { return s.patch(target, op("replace", "active", false)) },
			"PATCH without a path": func(target, _ string) *response {
				return s.patch(target, pathless("replace", map[string]any{"active": false}))
			},
			"PUT": func(target, name string) *response {
				return s.do("PUT", target, user(name, map[string]any{"active": false}))
			},
		} {
			name := freshName()
			id := s.user(name).id()
			g := s.group(freshName(), id).id()
			require.Equal(t, false, deactivate("/Users/"+id, name).is(200).at("active"), way)
			require.Equal(t, false, s.get("/Users/"+id).at("active"), way)
			require.Equal(t, []string{id}, s.filter("/Users", `userName eq "`+name+`"`), way)
			require.Equal(t, []string{id}, s.filter("/Users", `active eq false and userName eq "`+name+`"`), way)
			require.Contains(t, s.snapshot("/Users"), id, way)
			require.Equal(t, []string{id}, s.members(g), "memberships are not given up either")
			s.do("POST", "/Users", user(name)).fails(409, "uniqueness")
			require.Equal(t, true, s.patch("/Users/"+id, op("replace", "active", true)).is(200).at("active"), way)
		}
		covers(t, "7643-4.1.1-06", "ENTRA-20", "OKTA-14")

		// A user may be provisioned inactive.
		a := s.user("early", map[string]any{"active": false})
		require.Equal(t, false, a.at("active"))
		covers(t, "PING-03")
	})
}

// TestActiveAlwaysHasAValue: a client that clears it, or leaves it out of a PUT, must neither lock anybody out nor let a leaver in.
func TestActiveAlwaysHasAValue(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		for _, body := range []map[string]any{{}, {"active": nil}, {"active": true}} {
			a := s.user(freshName(), body)
			require.Equal(t, true, a.at("active"))
			require.Equal(t, true, s.get("/Users/"+a.id()).at("active"))
		}
		covers(t, "7644-3.3-06")
		for _, active := range []bool{true, false} {
			name := freshName()
			target := "/Users/" + s.user(name, map[string]any{"active": active}).id()
			s.do("PUT", target, user(name)).is(200)
			s.do("PUT", target, user(name, map[string]any{"active": nil})).is(200)
			for _, value := range []any{nil, []any{}, ""} {
				s.patch(target, op("replace", "active", value)).is(400)
				s.patch(target, op("add", "active", value)).is(400)
				s.patch(target, pathless("replace", map[string]any{"active": value})).is(400)
			}
			s.patch(target, op("remove", "active")).is(400)
			require.Equal(t, active, s.get(target).at("active"))
			require.Equal(t, `W/"1"`, s.get(target).version())
		}
	})
}

// TestUsersWithoutEmails: some identity providers send nothing but the userName, others an address that is null.
func TestUsersWithoutEmails(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		a := s.user("ann@x.test", map[string]any{"name": map[string]any{"givenName": "Ann"}})
		require.NotContains(t, a.json(), "emails")
		s.get("/Users?count=1")
		covers(t, "GOOGLE-01", "ENTRA-31")
		for _, value := range []any{nil, ""} {
			body := user(freshName(), map[string]any{"emails": []map[string]any{{"value": value}}})
			require.NotContains(t, s.create("/Users", body).json(), "emails")
		}
	})
}

// TestCreatesOfIdentityProviders: the shapes in which they create, with what must come of them.
func TestCreatesOfIdentityProviders(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, body, want string
		covers           []string
	}{
		{
			name: "listed extension without data, client meta, empty roles",
			body: `{"schemas":["` + userURN + `","` + enterpriseURN + `"],"externalId":"e","userName":"n","active":true,
				"emails":[{"primary":true,"type":"work","value":"n@x.test"}],"meta":{"resourceType":"User"},"name":{"formatted":"N F"},"roles":[]}`,
			want: `{"schemas":["` + userURN + `"],"externalId":"e","userName":"n","active":true,
				"emails":[{"primary":true,"type":"work","value":"n@x.test"}],"name":{"formatted":"N F"}}`,
			covers: []string{"ENTRA-23"},
		},
		{
			name: "nulls, also of attributes that are not there",
			body: `{"schemas":["` + userURN + `"],"userName":"n","active":true,"addresses":null,"phoneNumbers":null,"title":null,"department":null,"manager":null,
				"emails":[{"type":"work","value":"n@x.test","display":null,"primary":null}]}`,
			want:   `{"schemas":["` + userURN + `"],"userName":"n","active":true,"emails":[{"type":"work","value":"n@x.test"}]}`,
			covers: []string{"ENTRA-24"},
		},
		{
			name: "roles, by another name of display",
			body: `{"schemas":["` + userURN + `"],"userName":"n","roles":[
				{"primary":"False","type":"WindowsAzureActiveDirectoryRole","displayName":"Dispatcher","value":"D"},{"value":"A"},{"primary":true,"type":"t"}]}`,
			want: `{"schemas":["` + userURN + `"],"userName":"n","active":true,"roles":[
				{"primary":false,"type":"WindowsAzureActiveDirectoryRole","display":"Dispatcher","value":"D"},{"value":"A"},{"primary":true,"type":"t"}]}`,
			covers: []string{"ENTRA-26"},
		},
		{
			name: "groups, an empty text and a password",
			body: `{"schemas":["` + userURN + `"],"userName":"n","name":{"givenName":"T","middleName":""},"locale":"en-US","externalId":"00u",
				"groups":[],"password":"placeholder","active":true}`,
			want:   `{"schemas":["` + userURN + `"],"userName":"n","name":{"givenName":"T"},"locale":"en-US","externalId":"00u","active":true}`,
			covers: []string{"OKTA-06", "OKTA-07"},
		},
		{
			name: "strings of a template, a manager by its old name, no URN of the extension",
			body: `{"` + enterpriseURN + `":{"department":"H","manager":{"managerId":"m-77","displayName":"Bo"}},"active":"true","userName":"n","id":null,
				"schemas":["` + userURN + `"],"meta":{"resourceType":"User"}}`,
			want: `{"` + enterpriseURN + `":{"department":"H","manager":{"value":"m-77"}},"active":true,"userName":"n",
				"schemas":["` + userURN + `","` + enterpriseURN + `"]}`,
			covers: []string{"ONELOGIN-07"},
		},
		{
			name: "schemas of the drafts",
			body: `{"schemas":["urn:scim:schemas:core:2.0","urn:scim:schemas:extension:enterprise:2.0"],"userName":"n",
				"urn:scim:schemas:extension:enterprise:2.0":{"department":"H"}}`,
			want:   `{"schemas":["` + userURN + `","` + enterpriseURN + `"],"userName":"n","active":true,"` + enterpriseURN + `":{"department":"H"}}`,
			covers: []string{"ONELOGIN-03"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			onEachStore(t, func(t *testing.T, s *server) {
				check := func(a *response) {
					t.Helper()
					got := a.json()
					delete(got, "id")
					delete(got, "meta")
					encoded, err := json.Marshal(got)
					require.NoError(t, err)
					require.JSONEq(t, c.want, string(encoded))
				}
				created := s.do("POST", "/Users", c.body).is(201)
				check(created)
				s.do("PUT", "/Users/"+created.id(), user("n", map[string]any{"title": "gone"})).is(200)
				check(s.do("PUT", "/Users/"+created.id(), c.body).is(200))
				check(s.get("/Users/" + created.id()))
				covers(t, c.covers...)
			})
		})
	}
}
