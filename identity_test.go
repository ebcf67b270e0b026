package scim_test

import (
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/store"
)

var uuidShape = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// An externalId is a text of the client's: whatever it looks like, it names no resource.
func TestExternalIDIsNoKey(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		victim := s.user("victim@example.test", attrs{"externalId": "v"})
		seen := map[string]bool{victim.id(): true}
		texts := []string{"1", "0", "-1", "1e3", " 1", victim.id(), strings.ToUpper(victim.id()), "v", "null", "*", "../Users", "019ceb92-0000-7000-8000-000000000000"}
		for n, text := range texts {
			name := string(rune('a'+n)) + "@example.test"
			for _, create := range []func() *response{
				func() *response { return s.user(name, attrs{"externalId": text}) },
				func() *response {
					return s.create("/Groups", attrs{"schemas": []string{groupURN}, "displayName": name, "externalId": text})
				},
			} {
				a := create()
				require.Regexp(t, uuidShape, a.id())
				require.NotEqual(t, text, a.id())
				require.False(t, seen[a.id()])
				seen[a.id()] = true
				require.Equal(t, text, a.at("externalId"))
			}
		}
		require.Equal(t, string(victim.body), string(s.get("/Users/"+victim.id()).body))
		path := "/Users/" + victim.id()
		for _, value := range []any{1, 0, true, attrs{}, []string{"1"}, 1.5} {
			s.do("POST", "/Users", user("other@example.test", attrs{"externalId": value})).fails(400, "invalidValue")
			unchanged(s, path, func() {
				s.do("PUT", path, user("victim@example.test", attrs{"externalId": value})).fails(400, "invalidValue")
			})
			unchanged(s, path, func() { s.patch(path, op("replace", "externalId", value)).fails(400, "invalidValue") })
			unchanged(s, path, func() { s.patch(path, pathless("add", attrs{"externalId": value})).fails(400, "invalidValue") })
		}
		require.Empty(t, s.filter("/Users", `userName eq "other@example.test"`))
		covers(t, "ID-08")
	})
}

func TestOnlyTheIDNamesAResource(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		a := s.user("someone@example.test", attrs{"externalId": "e-1", "displayName": "Someone"})
		path := "/Users/" + a.id()
		segments := []string{
			"e-1", "someone@example.test", "Someone", "1", "0", "-1", "null", "*", "undefined", "%2A", "%00", a.id() + "%20", "%20" + a.id(), a.id()[:8],
			strings.ToUpper(a.id()), strings.ReplaceAll(a.id(), "-", ""), "{" + a.id() + "}", url.PathEscape(baseURL + path),
		}
		unchanged(s, path, func() {
			for _, segment := range segments {
				target := "/Users/" + segment
				s.do("GET", target, nil).fails(404, "")
				s.do("PUT", target, user("someone@example.test")).fails(404, "")
				s.patch(target, op("replace", "title", "x")).fails(404, "")
				s.do("DELETE", target, nil).fails(404, "")
			}
		})
		covers(t, "ID-09")
	})
}

// The URL says which resource a request is about; what the body says of it is ignored.
func TestBodyCannotMoveAResource(t *testing.T) {
	t.Parallel()
	meta := attrs{
		"resourceType": "Group", "created": "2000-01-01T00:00:00Z", "lastModified": "2000-01-01T00:00:00Z", "location": "https://evil.example/x", "version": `W/"99"`,
	}
	onEachStore(t, func(t *testing.T, s *server) {
		victim, own := s.user("victim@example.test"), s.user("own@example.test", attrs{"title": "Pilot"})
		path := "/Users/" + own.id()
		unchanged(s, path, func() {
			s.do("PUT", path, user("own@example.test", attrs{"title": "Pilot", "id": victim.id(), "meta": meta})).is(200)
			s.patch(path, pathless("replace", attrs{"id": victim.id(), "meta": meta})).is(200)
			s.patch(path, pathless("add", attrs{"id": victim.id(), "schemas": []string{groupURN}})).is(200)
			s.patch(path, pathless("replace", attrs{"ID": victim.id(), "META": meta, "meta.version": `W/"99"`})).is(200)
		})
		a := s.do("PUT", path, user("own@example.test", attrs{"title": "Captain", "id": victim.id(), "meta": meta})).is(200)
		require.Equal(t, []any{own.id(), "Captain", `W/"2"`, "User", baseURL + path, own.at("meta", "created")},
			[]any{a.id(), a.at("title"), a.version(), a.at("meta", "resourceType"), a.at("meta", "location"), a.at("meta", "created")})
		for _, schemas := range []any{[]string{groupURN}, []string{}, nil, []string{"urn:example:none"}, []string{enterpriseURN}} {
			unchanged(s, path, func() {
				s.do("PUT", path, user("own@example.test", attrs{"schemas": schemas, "title": "x"})).fails(400, "invalidSyntax")
				s.do("PATCH", path, attrs{"schemas": schemas, "Operations": []attrs{op("replace", "title", "x")}}).fails(400, "invalidSyntax")
			})
		}
		unchanged(s, path, func() { s.patch(path, op("replace", "schemas", []string{groupURN})).fails(400, "mutability") })
		unchanged(s, path, func() {
			s.do("PUT", "/Groups/"+own.id(), attrs{"schemas": []string{groupURN}, "displayName": "x"}).fails(404, "")
		})
		require.Equal(t, string(victim.body), string(s.get("/Users/"+victim.id()).body))
		covers(t, "ID-11")

		// With an id in the body that is another resource's, a POST creates a third one.
		a = s.create("/Users", user("third@example.test", attrs{"id": victim.id(), "meta": meta}))
		require.NotEqual(t, victim.id(), a.id())
		require.Equal(t, `W/"1"`, a.version())
		require.Equal(t, baseURL+"/Users/"+a.id(), a.at("meta", "location"))
		require.Equal(t, string(victim.body), string(s.get("/Users/"+victim.id()).body))
		s.do("POST", "/Users", user("victim@example.test", attrs{"id": victim.id()})).fails(409, "uniqueness")
		require.Equal(t, string(victim.body), string(s.get("/Users/"+victim.id()).body))
		covers(t, "ID-12")
	})
}

// What a connection does concerns its own resources, whoever else means the same person by the same names.
func TestSharedPersonIsNotShared(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		b := s.as(tokenB)
		person := func(s *server) (id, group string) {
			id = s.user("shared@example.test", rich()).id()
			return id, s.group("Crew", id).id()
		}
		mine, myGroup := person(s)
		theirs, theirGroup := person(b)
		before := []string{string(b.get("/Users/" + theirs).body), string(b.get("/Groups/" + theirGroup).body)}
		for _, f := range []func(){
			func() { s.patch("/Users/"+mine, op("replace", "active", false)).is(200) },
			func() { s.patch("/Users/"+mine, op("replace", "userName", "renamed@example.test")).is(200) },
			func() { s.do("DELETE", "/Users/"+mine, nil).is(204) },
			func() { s.do("DELETE", "/Groups/"+myGroup, nil).is(204) },
		} {
			s.events.take()
			s.store.take()
			f()
			events := s.events.take()
			require.NotEmpty(t, events)
			for _, e := range events {
				require.Equal(t, []string{"connection-a", "tenant-a"}, []string{e.Connection, e.Tenant})
				require.Contains(t, []string{mine, myGroup}, e.Resource.ID)
			}
			for _, scope := range s.store.take() {
				require.Equal(t, store.Scope{Connection: "connection-a", Tenant: "tenant-a"}, scope)
			}
			after := []string{string(b.get("/Users/" + theirs).body), string(b.get("/Groups/" + theirGroup).body)}
			require.Equal(t, before, after)
		}
		covers(t, "ID-07")
	})
}

// An e-mail address that somebody else has makes nobody the same person.
func TestEmailAdoptsNobody(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		b := s.as(tokenB)
		there, here := b.user("admin@example.test", attrs{"emails": []attrs{{"value": "admin@example.test"}}}), s.user("first@example.test", attrs{"emails": []attrs{{"value": "admin@example.test"}}})
		s.events.take()
		a := s.user("admin@example.test", attrs{"emails": []attrs{{"value": "Admin@example.test", "primary": true}}})
		require.NotContains(t, []string{there.id(), here.id()}, a.id())
		require.Len(t, s.events.take(), 1)
		require.Equal(t, string(there.body), string(b.get("/Users/"+there.id()).body))
		require.Equal(t, string(here.body), string(s.get("/Users/"+here.id()).body))
		require.ElementsMatch(t, []string{here.id(), a.id()}, s.filter("/Users", `emails.value eq "admin@example.test"`))
	})
}
