package scim_test

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/patch"
	"github.com/scimkit/scim/store"
)

// Versions, tenants and what an answer gives away: RFC 7644, sections 3.13, 6 and 7.

const nobody = "0198f0a0-0000-7000-8000-00000000dead"

func TestAnotherTenantsResourcesAreNotThere(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		anna := s.create("/Users", full("anna"))
		crew := s.group("Crew", anna.id())
		before := []string{string(s.get("/Users/" + anna.id()).body), string(s.get("/Groups/" + crew.id()).body)}
		b := s.as(tokenB)
		b.user("bystander")
		s.take()
		s.events.take()
		for endpoint, c := range map[string]struct {
			id   string
			body map[string]any
		}{
			"/Users/":  {anna.id(), user("mallory")},
			"/Groups/": {crew.id(), map[string]any{"schemas": []string{groupURN}, "displayName": "x", "members": []any{}}},
		} {
			change := patchBody(op("replace", "displayName", "x"))
			for _, r := range []struct {
				method  string
				body    any
				headers []string
			}{
				{"GET", nil, nil}, {"GET", nil, []string{"If-None-Match", "*"}}, {"HEAD", nil, nil}, {"DELETE", nil, nil}, {"DELETE", nil, []string{"If-Match", "*"}},
				{"PUT", c.body, nil}, {"PUT", c.body, []string{"If-Match", `W/"1"`}}, {"PATCH", change, nil}, {"PATCH", change, []string{"If-Match", `W/"1"`}},
				{"PATCH", patchBody(op("replace", "nope", "x")), nil},
			} {
				got, want := b.do(r.method, endpoint+c.id, r.body, r.headers...), b.do(r.method, endpoint+nobody, r.body, r.headers...)
				got.fails(404, "")
				require.Equal(t, string(want.body), string(got.body), r.method)
				want.header.Del("X-Request-Id")
				got.header.Del("X-Request-Id")
				require.Equal(t, want.header, got.header)
			}
		}
		covers(t, "T-01")
		for _, scope := range s.store.take() {
			require.Equal(t, store.Scope{Connection: "connection-b", Tenant: "tenant-b"}, scope)
		}
		require.Empty(t, s.events.take())
		after := []string{string(s.get("/Users/" + anna.id()).body), string(s.get("/Groups/" + crew.id()).body)}
		require.Equal(t, before, after)
		for _, scope := range s.store.take() {
			require.Equal(t, store.Scope{Connection: "connection-a", Tenant: "tenant-a"}, scope)
		}
		covers(t, "7644-2-02")
	})
}

func TestAnotherTenantsResourcesAreNotFound(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		anna := s.create("/Users", full("anna")).id()
		crew := s.group("Crew", anna).id()
		b := s.as(tokenB)
		own := b.user("a").id()
		for _, filter := range []string{
			`userName eq "anna"`, `externalId eq "x-anna"`, `id eq "` + anna + `"`, `emails.value eq "a@x.test"`, `emails[type eq "work" and value eq "a@x.test"]`,
			`groups.value eq "` + crew + `"`, `meta.location eq "` + baseURL + `/Users/` + anna + `"`,
		} {
			require.Empty(t, b.filter("/Users", filter), filter)
			a := b.do("POST", "/Users/.search", search(map[string]any{"filter": filter})).is(200)
			require.Equal(t, page{0, 1, 0, 0}, a.page())
			require.Len(t, s.filter("/Users", filter), 1, filter)
		}
		ids, total := b.list("/Users")
		require.Equal(t, []string{own}, ids)
		require.Equal(t, 1, total)
		_, total = b.list("/Groups?count=0")
		require.Zero(t, total)
		covers(t, "T-02")
		for filter, want := range map[string][]string{
			`userName eq "a" or id eq "` + anna + `"`:                  {own},
			`not (id eq "` + anna + `")`:                               {own},
			`groups.value eq "` + crew + `"`:                           nil,
			`not (groups.value eq "` + crew + `")`:                     {own},
			`userName eq "a" and not (groups.value eq "` + crew + `")`: {own},
		} {
			require.Equal(t, want, b.filter("/Users", filter), filter)
		}
		group := b.group("Own", own).id()
		for filter, want := range map[string][]string{
			`members.value eq "` + anna + `"`:                                   nil,
			`not (members.value eq "` + anna + `")`:                             {group},
			`members.value eq "` + own + `" or members.value eq "` + anna + `"`: {group},
		} {
			require.Equal(t, want, b.filter("/Groups", filter), filter)
		}
		covers(t, "T-08")
	})
}

func TestAnotherTenantsUsersAreNoMembers(t *testing.T) {
	t.Parallel()
	attempt := func(t *testing.T, s *server, each func(a *response, id string)) {
		anna := s.create("/Users", full("anna")).id()
		b := s.as(tokenB)
		own := b.user("own").id()
		crew := "/Groups/" + b.group("Crew", own).id()
		for _, id := range []string{anna, nobody} {
			for _, a := range []*response{
				b.do("POST", "/Groups", map[string]any{"schemas": []string{groupURN}, "displayName": "G-" + id, "members": memberList(id)}),
				b.patch(crew, op("add", "members", memberList(id))),
				b.patch(crew, op("replace", "members", memberList(own, id))),
				b.patch(crew, pathless("add", map[string]any{"members": memberList(id)})),
				b.patch(crew, op("add", `members[value eq "`+id+`"]`, map[string]any{"value": id})),
				b.do("PUT", crew, map[string]any{"schemas": []string{groupURN}, "displayName": "Crew", "members": memberList(own, id)}),
			} {
				each(a, id)
			}
		}
		for _, group := range b.get("/Groups").at("Resources").([]any) {
			for _, m := range group.(map[string]any)["members"].([]any) {
				require.Equal(t, own, m.(map[string]any)["value"])
			}
		}
		require.NotContains(t, s.get("/Users/"+anna).json(), "groups")
		require.NotContains(t, string(b.get("/Groups").body), "Full", "the name of a foreign user was resolved")
	}
	onEachStore(t, func(t *testing.T, s *server) {
		details := map[string][]string{}
		attempt(t, s, func(a *response, id string) {
			a.fails(400, "invalidValue")
			details[id] = append(details[id], strings.ReplaceAll(string(a.body), id, "ID"))
		})
		require.Len(t, details, 2)
		for _, list := range details {
			require.Equal(t, details[nobody], list, "a foreign id is told from an unknown one")
		}
		covers(t, "T-03")
	})
	onEachStore(t, func(t *testing.T, s *server) {
		attempt(t, s, func(a *response, _ string) { require.Less(t, a.status, 300, string(a.body)) })
	}, withPolicy(dialect.Policy{UnknownMembers: dialect.UnknownMembersSkip}))
}

func TestTenantsShareNoNames(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		b := s.as(tokenB)
		anna := s.create("/Users", full("anna"))
		s.events.take()
		twin := b.create("/Users", full("ANNA"))
		require.NotEqual(t, anna.id(), twin.id())
		covers(t, "T-04")
		require.Equal(t, []string{anna.id()}, s.filter("/Users", `externalId eq "x-anna"`))
		b.patch("/Users/"+twin.id(), op("replace", "externalId", "x-anna")).is(200)
		require.Equal(t, []string{twin.id()}, b.filter("/Users", `externalId eq "x-anna"`))
		covers(t, "7644-6.2-01")

		// The body's id is nobody's business.
		before := string(s.get("/Users/" + anna.id()).body)
		a := b.do("PUT", "/Users/"+twin.id(), user("twin", map[string]any{"id": anna.id(), "meta": map[string]any{"location": baseURL + "/Users/" + anna.id()}})).is(200)
		require.Equal(t, twin.id(), a.id())
		require.Equal(t, "twin", b.get("/Users/"+twin.id()).at("userName"))
		require.Equal(t, before, string(s.get("/Users/"+anna.id()).body))
		covers(t, "T-05")

		b.do("PUT", "/Users/"+twin.id(), full("anna")).is(200)
		b.patch("/Users/"+twin.id(), op("replace", "active", false)).is(200)
		b.do("DELETE", "/Users/"+twin.id(), nil).is(204)
		require.Equal(t, before, string(s.get("/Users/"+anna.id()).body))
		events := s.events.take()
		require.Len(t, events, 6)
		for _, e := range events {
			require.Equal(t, "connection-b", e.Connection)
			require.Equal(t, "tenant-b", e.Tenant)
			require.Equal(t, twin.id(), e.Resource.ID)
		}
		covers(t, "T-07", "7644-6-01")
	})
}

func TestReferencesAreOpaque(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		anna := s.create("/Users", full("anna"))
		b := s.as(tokenB)
		reference := map[string]any{"value": anna.id(), "$ref": anna.at("meta", "location"), "displayName": "Anna, they say"}
		s.take()
		id := b.user("own", map[string]any{
			"schemas": []string{userURN, enterpriseURN}, enterpriseURN: map[string]any{"manager": reference}, "profileUrl": anna.at("meta", "location"),
		}).id()
		b.patch("/Users/"+id, op("replace", enterpriseURN+":manager", reference)).is(200)
		require.Equal(t, map[string]any{"value": anna.id(), "$ref": anna.at("meta", "location")}, b.get("/Users/"+id).at(enterpriseURN, "manager"))
		for _, scope := range s.store.take() {
			require.Equal(t, "connection-b", scope.Connection)
		}
		covers(t, "T-06")
	})
}

// A store refuses a scope that names nobody, whatever it is asked.
func TestStoresRefuseAnEmptyScope(t *testing.T) {
	t.Parallel()
	for _, backend := range backends {
		t.Run(backend.name, func(t *testing.T) {
			t.Parallel()
			full, ok := backend.open(t).(capable)
			require.True(t, ok)
			s := newServer(t, func(c *setup) { c.config.Store = full })
			id := s.user("anna").id()
			crew := s.group("Crew", id).id()
			ctx := context.Background()
			ref := store.Ref{Type: "User", ID: id}
			stored, err := full.Get(ctx, store.Scope{Connection: "connection-a", Tenant: "tenant-a"}, ref)
			require.NoError(t, err)
			for _, scope := range []store.Scope{{}, {Connection: "connection-a"}, {Tenant: "tenant-a"}} {
				resource, err := full.Get(ctx, scope, ref)
				require.ErrorIs(t, err, store.ErrScope)
				require.Zero(t, resource)
				listed, err := full.List(ctx, scope, store.Query{Type: "User", Start: 1, Count: 10})
				require.ErrorIs(t, err, store.ErrScope)
				require.Zero(t, listed)
				_, err = full.Create(ctx, scope, store.Draft{Ref: store.Ref{Type: "User", ID: "x"}, At: stored.Created, Document: stored.Document})
				require.ErrorIs(t, err, store.ErrScope)
				_, err = full.Update(ctx, scope, ref, patch.ChangeSet{After: stored.Document, Changes: []patch.Change{{Path: "title"}}}, store.Write{At: stored.Created})
				require.ErrorIs(t, err, store.ErrScope)
				_, err = full.Delete(ctx, scope, ref, store.Write{At: stored.Created})
				require.ErrorIs(t, err, store.ErrScope)
				members, err := full.Members(ctx, scope, store.MemberQuery{Groups: []string{crew}, Limit: 10})
				require.ErrorIs(t, err, store.ErrScope)
				require.Empty(t, members.Memberships)
				groups, err := full.Groups(ctx, scope, []string{id})
				require.ErrorIs(t, err, store.ErrScope)
				require.Empty(t, groups)
			}
			covers(t, "T-09")
			require.Equal(t, `W/"1"`, s.get("/Users/"+id).version())
			// Half of a scope is another scope.
			for _, scope := range []store.Scope{{Connection: "connection-a", Tenant: "tenant-b"}, {Connection: "connection-b", Tenant: "tenant-a"}} {
				_, err := full.Get(ctx, scope, ref)
				require.ErrorIs(t, err, store.ErrNotFound)
			}
		})
	}
}

func TestThePathMustAgreeWithTheToken(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		at := func(path string) *response {
			r := s.request("GET", "/Users", nil)
			r.URL.Path = path
			return s.send(r)
		}
		r := s.request("POST", "/Users", user("anna"))
		r.URL.Path = "/scim/connection-a/v2/Users"
		created := s.send(r).is(201)
		location := "https://scim.example.test/scim/connection-a/v2/Users/" + created.id()
		require.Equal(t, location, created.header.Get("Location"))
		require.Equal(t, location, created.at("meta", "location"))
		require.EqualValues(t, 1, at("/scim/connection-a/v2/Users").is(200).at("totalResults"))
		require.Equal(t, "https://scim.example.test/scim/connection-a/v2/ServiceProviderConfig", at("/scim/connection-a/v2/ServiceProviderConfig").at("meta", "location"))
		s.take()
		for _, path := range []string{
			"/scim/connection-b/v2/Users", "/scim/v2/Users", "/scim//v2/Users", "/scim/CONNECTION-A/v2/Users", "/scim/connection-a/Users", "/scim/{connection}/v2/Users",
			"/scim/connection-b/connection-a/v2/Users", "/scim/connection-a/v2/../../connection-b/v2/Users", "/connection-a/v2/Users",
		} {
			a := at(path).fails(404, "")
			require.Equal(t, "there is no such resource", a.detail())
		}
		require.Empty(t, s.take())
		for name, value := range map[string]string{
			"X-Original-URL": "/scim/connection-b/v2/Users", "X-Rewrite-URL": "/scim/connection-b/v2/Users", "X-Forwarded-Prefix": "/connection-b", "X-Tenant": "tenant-b",
			"X-Forwarded-Host": "connection-b.example.test",
		} {
			r := s.request("GET", "/Users", nil, name, value)
			r.URL.Path = "/scim/connection-a/v2/Users"
			r.Host = "connection-b.example.test"
			require.Equal(t, created.id(), s.send(r).is(200).at("Resources", 0, "id"))
		}
		covers(t, "T-11")
	}, func(c *setup) { c.config.BaseURL = "https://scim.example.test/scim/{connection}/v2" })
}

// Connections of a host's own verifier have ids of its own, and so may resources: what the handler puts into a URL, it takes back.
func TestIDsAreEscapedInURLs(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		r := s.request("POST", "/Users", user("anna"))
		r.URL.Path, r.URL.RawPath = "/scim/acme corp (é)/v2/Users", "/scim/acme%20corp%20%28%C3%A9%29/v2/Users"
		created := s.send(r).is(201)
		location, err := url.Parse(created.header.Get("Location"))
		require.NoError(t, err)
		require.Equal(t, "https", location.Scheme)
		require.Equal(t, "/scim/acme corp (é)/v2/Users/"+created.id(), location.Path)
		got := s.request("GET", "/Users", nil)
		got.URL.Path, got.URL.RawPath = location.Path, location.RawPath
		require.Equal(t, created.id(), s.send(got).is(200).id())
	}, func(c *setup) {
		c.config.BaseURL = "https://scim.example.test/scim/{connection}/v2"
		c.a.ID = "acme corp (é)"
		number := 0
		c.config.NewID = func(time.Time) string {
			number++
			return fmt.Sprintf("%d of \"100%%\" é;?#&@", number)
		}
	})
}

func TestLinksComeFromTheBaseURL(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		s.secret("evil.example") // the tripwires look for it in every answer and header
		forged := []string{
			"X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "gopher", "X-Forwarded-Port", "666", "Forwarded", "host=evil.example;proto=http",
			"X-Forwarded-Prefix", "/evil.example", "X-Original-Host", "evil.example", "Origin", "https://evil.example", "Referer", "https://evil.example/",
		}
		do := func(method, target string, body any) *response {
			r := s.request(method, target, body, forged...)
			r.Host = "evil.example"
			return s.send(r)
		}
		created := do("POST", "/Users", user("anna.abel@x.test")).is(201)
		location := baseURL + "/Users/" + created.id()
		group := do("POST", "/Groups", map[string]any{"schemas": []string{groupURN}, "displayName": "Crew", "members": memberList(created.id())}).is(201)
		for _, a := range []*response{
			created, do("GET", "/Users/"+created.id(), nil), do("PUT", "/Users/"+created.id(), user("anna.abel@x.test", map[string]any{"title": "x"})),
			do("PATCH", "/Users/"+created.id(), patchBody(op("add", "title", "y"))),
		} {
			require.Equal(t, location, a.header.Get("Location"))
			require.Equal(t, location, a.at("meta", "location"))
		}
		require.Equal(t, location, do("GET", "/Users", nil).at("Resources", 0, "meta", "location"))
		require.Equal(t, location, group.at("members", 0, "$ref"))
		require.Equal(t, baseURL+"/Groups/"+group.id(), do("GET", "/Users/"+created.id(), nil).at("groups", 0, "$ref"))
		for _, target := range []string{"/ServiceProviderConfig", "/Schemas", "/ResourceTypes", "/Nope"} {
			do("GET", target, nil)
		}
		covers(t, "7643-2.4-08", "T-12")
		require.Regexp(t, `^`+regexp.QuoteMeta(baseURL)+`/Users/[0-9a-f-]{36}$`, location)
		covers(t, "7644-7.5.2-02")
	})
}

func TestAnswersAreNobodyElses(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		id := s.user("anna").id()
		for _, r := range []struct {
			method, target string
			body           any
		}{
			{"GET", "/Users", nil}, {"GET", "/Users/" + id, nil}, {"GET", "/Schemas", nil}, {"OPTIONS", "/Users", nil}, {"POST", "/Users", user("bert")},
			{"PATCH", "/Users/" + id, patchBody(op("add", "title", "x"))}, {"GET", "/Nope", nil}, {"DELETE", "/Users/" + id, nil},
		} {
			a := s.do(r.method, r.target, r.body, "Origin", "https://evil.example", "Access-Control-Request-Method", "DELETE", "Cookie", "session=1")
			require.Equal(t, "no-store", a.header.Get("Cache-Control"))
			for name := range a.header {
				require.False(t, strings.HasPrefix(name, "Access-Control-"), name)
				require.NotEqual(t, "Set-Cookie", name)
			}
		}
		preflight := s.as("").do("OPTIONS", "/Users", nil, "Origin", "https://evil.example", "Access-Control-Request-Method", "DELETE").fails(401, "")
		require.Empty(t, preflight.header.Get("Access-Control-Allow-Origin"))
		covers(t, "7644-7.2-02", "9110-17-01", "H-09")
	})
}

func TestQueriesStayOutOfTheLog(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		for _, filter := range []string{`userName eq "canary-literal"`, `canary-literal eq "x"`, `"canary-literal`, `emails[value eq "canary-literal"]`} {
			s.do("GET", "/Users?filter="+url.QueryEscape(filter)+"&canary-literal=1", nil)
			s.do("POST", "/Users/.search", search(map[string]any{"filter": filter}))
		}
		s.do("GET", "/Users/canary-literal?attributes=canary-literal&count=canary-literal", nil)
		s.do("GET", "/canary-literal/x", nil)
		require.NotContains(t, s.log.String(), "canary-literal")
		covers(t, "7644-7.5.2-03")
		routes := []string{}
		for _, r := range s.log.records(t) {
			routes = append(routes, r["route"].(string))
		}
		slices.Sort(routes)
		require.Equal(t, []string{"-", "/Users", "/Users/.search", "/Users/{id}"}, slices.Compact(routes))
	})
}

// Only what a schema defines is kept, and only what was sent.
func TestNothingElseIsCollected(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		var kept []string
		s.tap().when(func(_ context.Context, _ string, argument any) error {
			switch a := argument.(type) {
			case store.Draft:
				kept = append(kept, string(a.Document.JSON()))
			case patch.ChangeSet:
				kept = append(kept, string(a.After.JSON()))
			}
			return nil
		})
		extra := map[string]any{"birthday": "canary-of-more", "name": map[string]any{"givenName": "Anna", "maidenName": "canary-of-more"}}
		id := s.user("anna", extra, map[string]any{"title": "x"}).id()
		s.do("PUT", "/Users/"+id, user("anna", extra)).is(200)
		s.patch("/Users/"+id, pathless("add", map[string]any{"birthday": "canary-of-more", "title": "y"})).is(200)
		require.Len(t, kept, 3)
		for _, document := range kept {
			require.NotContains(t, document, "canary-of-more")
			require.NotContains(t, document, "10.1.2.3")
		}
		require.ElementsMatch(t, []string{"schemas", "id", "userName", "name", "active", "title", "meta"}, keys(s.get("/Users/"+id).json()))
		covers(t, "7643-9.3-01")
	}, withTap)
}

func TestInputIsData(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		for i, text := range []string{
			`'; DROP TABLE users; --`, `${jndi:ldap://x}`, `{{7*7}}`, `%s%n%x`, `<script>alert(1)</script>`, "a\r\nSet-Cookie: x=1", `../../etc/passwd`, `$(id)`, "\u202eabc",
			`{"$ne":null}`, `*)(uid=*`, `\`, `"`, "=1+1", "\x7f", `</script>`, "\u2028", "#{1+1}", "a\tb",
		} {
			created := s.user("u"+text, map[string]any{"displayName": text, "externalId": text, "emails": []any{map[string]any{"value": text, "type": text}}})
			a := s.get("/Users/" + created.id())
			require.Equal(t, "u"+text, a.at("userName"))
			require.Equal(t, text, a.at("emails", 0, "value"))
			require.Equal(t, text, a.at("externalId"))
			require.NotContains(t, a.header, "Set-Cookie")
			require.Len(t, s.filter("/Users", "externalId eq "+string(jsonOf(t, text))), 1, i)
			escaped := url.PathEscape(text)
			got := s.do("GET", "/Users/"+escaped, nil).fails(404, "")
			require.NotContains(t, got.detail(), text)
			got = s.do("GET", "/Schemas/"+escaped, nil).fails(404, "")
			require.NotContains(t, string(got.body), "49")
			s.do("GET", "/"+escaped, nil).fails(404, "")
			s.patch("/Users/"+created.id(), op("replace", text, "x")).is(400)
			s.do("GET", "/Users?attributes="+url.QueryEscape(text)+"&"+url.QueryEscape(text)+"=1", nil).is(200)
		}
		covers(t, "7644-7.7-02", "H-05", "J-11")
	})
	s := newServer(t)
	for _, literal := range []string{"${1+1}", "{{7*7}}", "%s%n%x", "<script>", "a\r\nX-Evil: 1", "#{7*7}", "${T(java.lang.Runtime)}"} {
		for _, target := range []string{"/Schemas/", "/ResourceTypes/", "/Users/", "/"} {
			a := s.do("GET", target+url.PathEscape(literal), nil).fails(404, "")
			require.Empty(t, a.header.Get("X-Evil"))
			require.Equal(t, "there is no such resource", a.detail())
		}
		s.do("GET", "/Users?filter="+url.QueryEscape(literal), nil).fails(400, "invalidFilter")
	}
	covers(t, "F-20")
}
