package scim_test

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
)

func TestDelete(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		user, group := s.user("someone@example.test").id(), s.group("Crew").id()
		for _, path := range []string{"/Users/" + user, "/Groups/" + group} {
			a := s.do("DELETE", path, nil).is(204)
			require.Empty(t, a.body)
			require.Empty(t, a.header.Get("Content-Type"))
			require.Contains(t, []string{"", "0"}, a.header.Get("Content-Length"))
		}
		covers(t, "7644-3.6-03", "OKTA-24")
		s.events.take()
		for path, body := range map[string]attrs{
			"/Users/" + user:   {"schemas": []string{userURN}, "userName": "someone@example.test"},
			"/Groups/" + group: {"schemas": []string{groupURN}, "displayName": "Crew"},
		} {
			s.do("GET", path, nil).fails(404, "")
			s.do("HEAD", path, nil).is(404)
			s.do("PUT", path, body).fails(404, "")
			s.patch(path, op("replace", "displayName", "x")).fails(404, "")
			s.do("DELETE", path, nil).fails(404, "")
		}
		require.Empty(t, s.events.take())
		covers(t, "7644-3.6-04", "ENTRA-71", "AUTHENTIK-07")
	})
}

// The ways in which identity providers say that somebody is gone end in the same state however often they are said.
func TestDeprovisionIsIdempotent(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		for n, off := range []func(path, name string) *response{
			func(path, _ string) *response { return s.patch(path, op("replace", "active", false)) },
			func(path, name string) *response { return s.do("PUT", path, user(name, attrs{"active": false})) },
		} {
			name := fmt.Sprintf("user%d@example.test", n)
			path := "/Users/" + s.user(name).id()
			s.events.take()
			for range 3 {
				require.Equal(t, false, off(path, name).is(200).at("active"))
			}
			require.Equal(t, []scim.EventType{scim.UserDeactivated}, s.events.types())
			require.Equal(t, `W/"2"`, s.get(path).version())
			require.Len(t, s.filter("/Users", `userName eq "`+name+`" and active eq false`), 1, "it stays visible")
			s.do("DELETE", path, nil).is(204)
			s.do("DELETE", path, nil).is(404)
			require.Equal(t, []scim.EventType{scim.UserDeleted}, s.events.types())
		}
		covers(t, "S-46")
	})
}

func TestDeletedIsFoundNowhere(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		leaver, other := s.user("leaver@example.test", rich()).id(), s.user("other@example.test").id()
		group, empty := s.group("Crew", leaver, other).id(), s.group("Gone", other).id()
		s.do("DELETE", "/Users/"+leaver, nil).is(204)
		s.do("DELETE", "/Groups/"+empty, nil).is(204)

		ids, total := s.list("/Users")
		require.Equal(t, []string{other}, ids)
		require.Equal(t, 1, total)
		require.EqualValues(t, 1, s.get("/Users?count=0").at("totalResults"))
		for _, f := range []string{
			`userName eq "leaver@example.test"`, `id eq "` + leaver + `"`, `externalId eq "e-1"`, `emails.value eq "nadia@work.example"`, `displayName eq "Nadia"`,
			`userName sw "leaver"`, `title pr`,
		} {
			require.Empty(t, s.filter("/Users", f), f)
			a := s.do("POST", "/Users/.search", attrs{"schemas": []string{searchURN}, "filter": f}).is(200)
			require.EqualValues(t, 0, a.at("totalResults"), f)
		}
		ids, _ = s.list("/Groups")
		require.Equal(t, []string{group}, ids)
		require.Empty(t, s.filter("/Groups", `displayName eq "Gone"`))

		require.Equal(t, []string{other}, s.members(group))
		require.Empty(t, s.filter("/Groups", `members.value eq "`+leaver+`"`))
		listed := s.get("/Groups?filter=" + url.QueryEscape(`displayName eq "Crew"`))
		require.Len(t, listed.at("Resources", 0, "members"), 1)
		groups := s.get("/Users/" + other).at("groups").([]any)
		require.Len(t, groups, 1)
		require.Equal(t, group, groups[0].(map[string]any)["value"])
		require.Empty(t, s.filter("/Users", `groups.value eq "`+empty+`"`))
		covers(t, "7644-3.6-05")

		s.patch("/Groups/"+group, op("add", "members", memberList(leaver))).fails(400, "invalidValue")
		require.Equal(t, []string{other}, s.members(group), "a deleted user cannot become a member again")
	})
}

func TestDeletedNamesAreFree(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		old := s.user("someone@example.test", rich()).id()
		group := s.group("Crew", old).id()
		s.patch("/Users/"+old, op("replace", "active", false)).is(200)
		s.do("DELETE", "/Users/"+old, nil).is(204)
		again := s.user("Someone@example.test", rich())
		require.NotEqual(t, old, again.id())
		require.Equal(t, true, again.at("active"))
		require.Equal(t, `W/"1"`, again.version())
		require.Nil(t, again.at("groups"), "the predecessor's memberships are not inherited")
		require.Empty(t, s.members(group))
		s.do("GET", "/Users/"+old, nil).fails(404, "")
		covers(t, "7644-3.6-06", "E-05", "ENTRA-71")

		third := s.user("third@example.test").id()
		s.do("DELETE", "/Users/"+again.id(), nil).is(204)
		renamed := s.patch("/Users/"+third, op("replace", "userName", "someone@example.test")).is(200)
		require.Equal(t, third, renamed.id())
		require.Nil(t, renamed.at("externalId"))
		require.Empty(t, s.filter("/Users", `id eq "`+again.id()+`"`))
		covers(t, "ID-05")
	})
}

func TestDeleteUnknown(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		user, group := s.user("someone@example.test").id(), s.group("Crew").id()
		s.events.take()
		for _, path := range []string{"/Users/none", "/Groups/none", "/Groups/" + user, "/Users/" + group} {
			s.do("DELETE", path, nil).fails(404, "")
		}
		s.as(tokenB).do("DELETE", "/Users/"+user, nil).fails(404, "")
		require.Empty(t, s.events.take())
		s.get("/Users/" + user)
		s.get("/Groups/" + group)
		covers(t, "7644-3.12-13")
	})
}

func TestDeleteCondition(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		user := s.user("someone@example.test")
		group := s.group("Crew", user.id())
		for path, stale := range map[string]string{"/Users/" + user.id(): `W/"9"`, "/Groups/" + group.id(): `W/"old"`} {
			unchanged(s, path, func() { s.do("DELETE", path, nil, "If-Match", stale).fails(412, "") })
			unchanged(s, path, func() { s.do("DELETE", path, nil, "If-Match", "1").fails(400, "") })
		}
		require.Equal(t, []string{user.id()}, s.members(group.id()))
		covers(t, "7644-3.14-05")
		s.patch("/Users/"+user.id(), op("replace", "title", "T")).is(200)
		s.do("DELETE", "/Users/"+user.id(), nil, "If-Match", user.version()).fails(412, "")
		s.do("DELETE", "/Users/"+user.id(), nil, "If-Match", `W/"2"`).is(204)
		s.do("DELETE", "/Groups/"+group.id(), nil, "If-Match", "*").is(204)
	})
}

func TestDeleteWhereThereIsNoResource(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		s.user("someone@example.test")
		for _, path := range []string{
			"/Users", "/Users/", "/Groups", "/Users?filter=" + url.QueryEscape(`userName pr`), "/ServiceProviderConfig", "/ResourceTypes", "/Schemas",
			"/ResourceTypes/User", "/Schemas/" + userURN, "/Users/.search",
		} {
			a := s.do("DELETE", path, nil).fails(405, "")
			require.NotEmpty(t, a.header.Get("Allow"), path)
			require.NotContains(t, a.header.Get("Allow"), "DELETE", path)
		}
		_, total := s.list("/Users")
		require.Equal(t, 1, total)
		covers(t, "7644-3.2-08")
	})
}

func TestDeleteWithABody(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		for n, c := range []struct {
			target, contentType string
			body                any
		}{
			{"", "application/scim+json", attrs{"schemas": []string{userURN}}},
			{"", "application/json", "{"},
			{"", "text/plain", "bye"},
			{"", "application/scim+json", ""},
			{"?", "application/scim+json", nil},
			{"?aadOptscim062020", "", "{}"},
		} {
			id := s.user(fmt.Sprintf("user%d", n)).id()
			s.do("DELETE", "/Users/"+id+c.target, c.body, "Content-Type", c.contentType).is(204)
			s.do("GET", "/Users/"+id, nil).is(404)
		}
		covers(t, "7644-3.6-07", "ONELOGIN-08")
	})
}

// JumpCloud creates, changes and deletes a user and a group before it activates an integration.
func TestDeleteOfATestUser(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		s.list("/Users")
		user := s.user("jumpcloud.test@example.test", attrs{"name": attrs{"givenName": "Test", "familyName": "User"}}).id()
		group := s.group("JumpCloud test").id()
		s.patch("/Users/"+user, op("replace", "name.givenName", "Tested"), op("replace", "active", false)).is(200)
		s.patch("/Groups/"+group, op("add", "members", memberList(user))).is(204)
		s.do("DELETE", "/Users/"+user, nil).is(204)
		require.Empty(t, s.members(group))
		s.do("DELETE", "/Groups/"+group, nil).is(204)
		_, users := s.list("/Users")
		_, groups := s.list("/Groups")
		require.Zero(t, users+groups)
		covers(t, "JUMPCLOUD-01")
	})
}

// Whoever deletes a user moves each of its groups by one version, with an event each.
func TestDeleteOfAMember(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		leaver, stays := s.user("leaver@example.test").id(), s.user("stays@example.test").id()
		groups := map[string]bool{}
		for n := range 5 {
			groups[s.group(fmt.Sprint("Group ", n), leaver, stays).id()] = true
		}
		others := s.group("Others", stays)
		s.events.take()
		s.do("DELETE", "/Users/"+leaver, nil).is(204)
		s.do("GET", "/Users/"+leaver, nil).fails(404, "")
		events := s.events.take()
		require.Len(t, events, 6)
		require.Equal(t, scim.UserDeleted, events[0].Type)
		require.Equal(t, leaver, events[0].Resource.ID)
		for _, e := range events[1:] {
			require.Equal(t, scim.GroupMembersChanged, e.Type)
			require.True(t, groups[e.Resource.ID], "another group, or one twice")
			delete(groups, e.Resource.ID)
			require.EqualValues(t, 1, e.Before.Version)
			require.EqualValues(t, 2, e.Version)
			require.Empty(t, e.Added)
			require.Len(t, e.Removed, 1)
			require.Equal(t, leaver, e.Removed[0].ID)
			require.Equal(t, []string{stays}, s.members(e.Resource.ID))
			now := s.get("/Groups/" + e.Resource.ID)
			require.Equal(t, `W/"2"`, now.version())
			require.Greater(t, now.at("meta", "lastModified"), now.at("meta", "created"))
		}
		require.Equal(t, string(others.body), string(s.get("/Groups/"+others.id()).body))
		covers(t, "E-04")
	})
}

// A group that goes leaves its members alone; a group inside a group leaves it as a user does.
func TestDeleteOfAGroup(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		user := s.user("someone@example.test")
		inner := s.group("Inner", user.id()).id()
		outer := s.group("Outer", inner, user.id()).id()
		s.events.take()
		s.do("DELETE", "/Groups/"+inner, nil).is(204)
		require.Equal(t, []scim.EventType{scim.GroupDeleted, scim.GroupMembersChanged}, s.events.types())
		require.Equal(t, []string{user.id()}, s.members(outer))
		now := s.get("/Users/" + user.id())
		require.Equal(t, user.version(), now.version(), "groups are no part of a user's version")
		require.Len(t, now.at("groups"), 1)
		s.do("DELETE", "/Groups/"+outer, nil).is(204)
		require.Equal(t, []scim.EventType{scim.GroupDeleted}, s.events.types())
		require.Equal(t, string(user.body), string(s.get("/Users/"+user.id()).body))
	})
	onEachStore(t, func(t *testing.T, s *server) {
		group := s.group("Loop").id()
		s.patch("/Groups/"+group, op("add", "members", memberList(group))).is(204)
		s.events.take()
		s.do("DELETE", "/Groups/"+group, nil).is(204)
		require.Equal(t, []scim.EventType{scim.GroupDeleted}, s.events.types(), "a group in itself is one resource")
	})
}

// A PUT that says nothing of active leaves it alone: a profile push must not bring a leaver back.
func TestPutDoesNotReactivate(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		path := "/Users/" + s.user("someone@example.test", attrs{"active": false, "title": "Pilot"}).id()
		s.events.take()
		for _, more := range []attrs{{"title": "Captain"}, {"active": nil}, {"title": "Cook", "active": nil}} {
			require.Equal(t, false, s.do("PUT", path, user("someone@example.test", more)).is(200).at("active"))
			require.Equal(t, false, s.get(path).at("active"))
		}
		require.NotContains(t, s.events.types(), scim.UserReactivated)
		covers(t, "E-06")
		require.Equal(t, true, s.do("PUT", path, user("someone@example.test", attrs{"active": true})).is(200).at("active"))
		require.Equal(t, []scim.EventType{scim.UserReactivated}, s.events.types())
	})
}
