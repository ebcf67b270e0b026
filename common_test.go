package scim_test

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	elimity "github.com/elimity-com/scim/schema"
	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
)

// The common attributes of RFC 7643, section 3.1.

// byKind runs f for a user, a group and a device, each on a fresh server.
func byKind(t *testing.T, f func(t *testing.T, s *server, k resourceKind)) {
	t.Helper()
	for _, k := range []resourceKind{ofUsers, ofGroups, ofDevices} {
		t.Run(k.endpoint[1:], func(t *testing.T) {
			onEachStore(t, func(t *testing.T, s *server) { f(t, s, k) }, withDevices)
		})
	}
}

// uuid7 is the shape of the ids that the server mints.
var uuid7 = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestIDsAreTheServers(t *testing.T) {
	t.Parallel()
	byKind(t, func(t *testing.T, s *server, k resourceKind) {
		seen := map[string]bool{}
		create := func(more map[string]any) string {
			body := k.body(freshName())
			maps.Copy(body, more)
			id := s.create(k.endpoint, body).id()
			require.False(t, seen[id], "an id is given once")
			seen[id] = true
			return id
		}
		for _, sent := range []any{nil, "", "mine", "bulkId:1", 5, map[string]any{"a": 1}, "existing"} {
			if sent == "existing" {
				sent = create(nil)
			}
			id := create(map[string]any{"id": sent, "externalId": "mine"})
			require.NotEqual(t, sent, id)
			require.Regexp(t, uuid7, id)
			require.NotContains(t, strings.ToLower(id), "bulkid")
			require.Equal(t, id, s.get(k.endpoint+"/"+id).id())
		}
		covers(t, "7643-3.1-02", "7643-3.1-05", "ID-12")

		id := create(nil) // contains letters: its time does
		for _, a := range []*response{
			s.get(k.endpoint + "/" + id + "?attributes=meta"), s.get(k.endpoint + "/" + id + "?excludedAttributes=id"),
			s.do("PUT", k.endpoint+"/"+id, k.body(freshName())).is(200),
			s.do("PATCH", k.endpoint+"/"+id+"?attributes=externalId", patchBody(op("add", "externalId", "e"))).is(200),
		} {
			require.Equal(t, id, a.at("id"))
		}
		resources := s.get(k.endpoint + "?attributes=externalId").at("Resources").([]any)
		require.Len(t, resources, len(seen))
		for _, r := range resources {
			require.True(t, seen[r.(map[string]any)["id"].(string)])
		}
		covers(t, "7643-3.1-01")

		// An externalId, or anything else of a resource, is no key to it.
		named := freshName()
		s.create(k.endpoint, k.body(named))
		for _, key := range []string{"mine", named, "0", "-1", "null", "*", strings.ToUpper(id), strings.ReplaceAll(id, "-", "")} {
			require.NotEqual(t, id, key)
			s.do("GET", k.endpoint+"/"+url.PathEscape(key), nil).fails(404, "")
			s.do("PUT", k.endpoint+"/"+url.PathEscape(key), k.body(freshName())).fails(404, "")
			s.do("PATCH", k.endpoint+"/"+url.PathEscape(key), patchBody(op("add", "externalId", "f"))).fails(404, "")
			s.do("DELETE", k.endpoint+"/"+url.PathEscape(key), nil).fails(404, "")
			require.Empty(t, s.filter(k.endpoint, `id eq "`+key+`"`))
		}
		require.Equal(t, []string{id}, s.filter(k.endpoint, `id eq "`+id+`"`))
		covers(t, "7643-3.1-06", "ID-09")
	})
}

func TestIDsAreUniqueAcrossTypes(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		ids := map[string]string{}
		for range 3 {
			for _, k := range []resourceKind{ofUsers, ofGroups, ofDevices} {
				id := s.create(k.endpoint, k.body(freshName())).id()
				require.Empty(t, ids[id])
				ids[id] = k.endpoint
			}
		}
		before := s.snapshot("/Users") + s.snapshot("/Groups") + s.snapshot("/Devices")
		unknown := string(s.do("GET", "/Users/018f0000-0000-7000-8000-000000000000", nil).fails(404, "").body)
		for id, endpoint := range ids {
			for _, k := range []resourceKind{ofUsers, ofGroups, ofDevices} {
				if k.endpoint == endpoint {
					continue
				}
				target := k.endpoint + "/" + id
				for _, a := range []*response{
					s.do("GET", target, nil), s.do("PUT", target, k.body(freshName())),
					s.do("PATCH", target, patchBody(op("add", "externalId", "x"))), s.do("DELETE", target, nil),
				} {
					require.Equal(t, unknown, string(a.fails(404, "").body))
				}
				require.Empty(t, s.filter(k.endpoint, `id eq "`+id+`"`))
			}
		}
		require.Equal(t, before, s.snapshot("/Users")+s.snapshot("/Groups")+s.snapshot("/Devices"))
		covers(t, "7643-3.1-03", "7643-3.1-19")
	}, withDevices)
}

func TestIDsAreNeverReassigned(t *testing.T) {
	t.Parallel()
	byKind(t, func(t *testing.T, s *server, k resourceKind) {
		body := k.body("same")
		body["externalId"] = "same"
		old := map[string]bool{}
		for range 3 {
			id := s.create(k.endpoint, body).id()
			require.False(t, old[id])
			for gone := range old {
				s.do("GET", k.endpoint+"/"+gone, nil).fails(404, "")
			}
			require.Equal(t, []string{id}, s.filter(k.endpoint, `externalId eq "same"`))
			s.do("DELETE", k.endpoint+"/"+id, nil).is(204)
			old[id] = true
		}
		covers(t, "7643-3.1-04", "7644-3.6-01")
	})
}

func TestExternalIDsAreTheClients(t *testing.T) {
	t.Parallel()
	byKind(t, func(t *testing.T, s *server, k resourceKind) {
		created := s.create(k.endpoint, k.body("one"))
		target := k.endpoint + "/" + created.id()
		for _, a := range []*response{created, s.get(target), s.get(target + "?attributes=externalId")} {
			require.NotContains(t, a.json(), "externalId")
		}
		require.Empty(t, s.filter(k.endpoint, "externalId pr"))
		with := func(value any) map[string]any {
			body := k.body("one")
			body["externalId"] = value
			return body
		}
		holds := func(want any) {
			t.Helper()
			require.Equal(t, want, s.get(target).at("externalId"))
		}
		for _, value := range []string{"e-1", "1", " 1", "ÀÉ", "00uharbour0001x7"} {
			s.do("PUT", target, with(value)).is(200)
			holds(value)
		}
		s.patch(target, op("replace", "externalId", "E-2"))
		holds("E-2")
		s.patch(target, op("remove", "externalId"))
		holds(nil)
		s.patch(target, op("add", "externalId", "e-3"))
		holds("e-3")
		s.patch(target, op("replace", "externalId", nil))
		holds(nil)
		s.do("PUT", target, with("e-4")).is(200)
		s.do("PUT", target, with(nil)).is(200)
		holds(nil)
		s.do("PUT", target, with("e-5")).is(200)
		s.do("PUT", target, k.body("one")).is(200)
		holds(nil)
		covers(t, "7643-3.1-07", "ENTRA-49")

		// It is no key: the server accepts it as often as it is sent, and compares it with case.
		s.do("PUT", target, with("E")).is(200)
		ids := []string{created.id()}
		for i := range 2 {
			body := k.body(fmt.Sprint("more", i))
			body["externalId"] = "E"
			ids = append(ids, s.create(k.endpoint, body).id())
		}
		other := k.endpoint + "/" + s.create(k.endpoint, k.body("other")).id()
		a := s.patch(other, op("add", "externalId", "E"))
		require.Less(t, a.status, 300)
		ids = append(ids, strings.TrimPrefix(other, k.endpoint+"/"))
		require.Equal(t, ids, s.filter(k.endpoint, `externalId eq "E"`))
		require.Empty(t, s.filter(k.endpoint, `externalId eq "e"`))
		covers(t, "7643-3.1-09")

		require.Empty(t, s.as(tokenB).filter(k.endpoint, `externalId eq "E"`))
		foreign := s.as(tokenB).create(k.endpoint, with("E")).id()
		require.Equal(t, []string{foreign}, s.as(tokenB).filter(k.endpoint, `externalId eq "E"`))
		require.Equal(t, ids, s.filter(k.endpoint, `externalId eq "E"`))
		covers(t, "7643-3.1-08", "T-04")
	})
}

// dateTime is an xsd:dateTime with a zone.
var dateTime = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$`)

// times returns when a resource says it was created and last changed.
func (a *response) times() (created, modified time.Time) {
	a.t.Helper()
	parse := func(name string) time.Time {
		text := a.at("meta", name).(string)
		require.Regexp(a.t, dateTime, text)
		at, err := time.Parse(time.RFC3339Nano, text)
		require.NoError(a.t, err)
		return at
	}
	return parse("created"), parse("lastModified")
}

func TestMetaIsTheServers(t *testing.T) {
	t.Parallel()
	forged := map[string]any{
		"created": "1999-01-01T00:00:00Z", "lastModified": "1999-01-01T00:00:00Z", "version": "x", "location": "https://evil.test/", "resourceType": "Forged",
	}
	byKind(t, func(t *testing.T, s *server, k resourceKind) {
		for _, meta := range []any{forged, nil, "x", 5, []any{forged}, map[string]any{}} {
			body := k.body(freshName())
			body["meta"] = meta
			created := s.create(k.endpoint, body)
			target := k.endpoint + "/" + created.id()
			original := created.at("meta")
			put := s.do("PUT", target, body).is(200)
			require.Equal(t, original, put.at("meta"), "nothing changed")
			a := s.patch(target, pathless("replace", map[string]any{"meta": meta}))
			require.Less(t, a.status, 300)
			require.Equal(t, original, s.get(target).at("meta"))
		}
		covers(t, "7643-3.1-10")
	})
}

func TestMetaNamesTypeTimesAndVersion(t *testing.T) {
	t.Parallel()
	types := map[string]string{"/Users": "User", "/Groups": "Group", "/Devices": "Device"}
	byKind(t, func(t *testing.T, s *server, k resourceKind) {
		created := s.create(k.endpoint, k.body("a"))
		target := k.endpoint + "/" + created.id()
		require.Equal(t, types[k.endpoint], created.at("meta", "resourceType"))
		require.Equal(t, types[k.endpoint], s.get("/ResourceTypes/"+types[k.endpoint]).at("name"))
		require.Equal(t, types[k.endpoint], s.get(target).at("meta", "resourceType"))
		require.Equal(t, types[k.endpoint], s.get(k.endpoint).at("Resources", 0, "meta", "resourceType"))
		covers(t, "7643-3.1-11", "7644-3.3.1-01", "7643-3.1-16")

		at, modified := created.times()
		require.Equal(t, at, modified)
		require.Equal(t, 2026, at.Year(), "the time of Config.Now")
		covers(t, "7643-2.3.5-02")

		changed := func(a *response) {
			t.Helper()
			require.Less(t, a.status, 300, string(a.body))
			now := s.get(target)
			born, moved := now.times()
			require.Equal(t, at, born)
			require.True(t, moved.After(modified))
			modified = moved
		}
		body := k.body("a")
		body["externalId"] = "e"
		changed(s.do("PUT", target, body))
		changed(s.patch(target, op("replace", "externalId", "f")))
		changed(s.patch(target, op("remove", "externalId")))
		if k.endpoint == "/Groups" {
			u := s.user("u").id()
			changed(s.patch(target, op("add", "members", memberList(u))))
			changed(s.patch(target, op("remove", `members[value eq "`+u+`"]`)))
			changed(s.patch(target, op("add", "members", memberList(u))))
			changed(s.do("DELETE", "/Users/"+u, nil))
		}
		covers(t, "7643-3.1-12")
	})
}

// TestLastModifiedAdvancesWithoutTheClock: changes within one tick of the clock, or after it was set back, have an order all the same.
func TestLastModifiedAdvancesWithoutTheClock(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		created := s.user("u")
		target := "/Users/" + created.id()
		born, last := created.times()
		for i := range 6 {
			a := s.patch(target, op("replace", "title", fmt.Sprint(i))).is(200)
			at, modified := a.times()
			require.Equal(t, born, at)
			require.True(t, modified.After(last), "%s after %s", modified, last)
			last = modified
		}
		covers(t, "7643-3.1-12")
	}, func(c *setup) {
		start := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
		var calls atomic.Int64
		c.config.Now = func() time.Time { // stands still, then goes back
			if calls.Add(1) > 20 {
				return start.Add(-time.Hour)
			}
			return start
		}
	})
}

func TestNothingChangedMovesNothing(t *testing.T) {
	t.Parallel()
	byKind(t, func(t *testing.T, s *server, k resourceKind) {
		u := s.user("member").id()
		body := k.body("a")
		body["externalId"] = "e"
		body["members"] = memberList(u)                                                   // of a group
		body["emails"] = []map[string]any{{"value": "a@x.test", "type": "work"}}          // of a user
		body["ports"] = []map[string]any{{"value": "p", "type": "usb", "primary": false}} // of a device
		target := k.endpoint + "/" + s.create(k.endpoint, body).id()
		before := string(s.get(target).body)
		s.events.take()
		quiet := func(a *response) {
			t.Helper()
			require.Less(t, a.status, 300, string(a.body))
			if a.status == 200 {
				require.Equal(t, before, string(a.body))
			}
			require.Equal(t, `W/"1"`, a.header.Get("Etag"))
			require.Equal(t, before, string(s.get(target).body))
			require.Empty(t, s.events.types())
		}
		quiet(s.do("PUT", target, body))
		quiet(s.do("PUT", target, before))
		quiet(s.patch(target, op("add", "externalId", "e")))
		quiet(s.patch(target, op("replace", "externalId", "e")))
		quiet(s.patch(target, pathless("add", map[string]any{"externalId": "e"})))
		quiet(s.do("PATCH", target, map[string]any{"schemas": []string{patchURN}, "Operations": []any{}}))
		switch k.endpoint {
		case "/Users":
			quiet(s.patch(target, op("add", "emails", body["emails"])))
			quiet(s.patch(target, op("replace", `emails[type eq "work"].value`, "a@x.test")))
			quiet(s.patch(target, op("remove", `emails[type eq "home"]`)))
			quiet(s.patch(target, op("remove", "title")))
			quiet(s.patch(target, op("replace", "title", "t"), op("remove", "title")))
			quiet(s.patch(target, op("replace", "active", true)))
		case "/Groups":
			quiet(s.patch(target, op("add", "members", memberList(u))))
			quiet(s.patch(target, op("replace", "members", memberList(u))))
			quiet(s.patch(target, op("remove", `members[value eq "none"]`)))
		case "/Devices":
			quiet(s.patch(target, op("add", "ports", body["ports"])))
			quiet(s.patch(target, op("replace", `ports[value eq "p"].primary`, false)))
		}
		covers(t, "7644-3.5.2.1-01", "7644-3.5.1-10")
	})
}

func TestLocations(t *testing.T) {
	t.Parallel()
	byKind(t, func(t *testing.T, s *server, k resourceKind) {
		forge := []string{"Host", "evil.test", "X-Forwarded-Host", "evil.test", "X-Forwarded-Proto", "gopher", "Forwarded", "host=evil.test"}
		created := s.do("POST", k.endpoint, k.body("a"), forge...).is(201)
		want := baseURL + k.endpoint + "/" + created.id()
		target := k.endpoint + "/" + created.id()
		patched := s.do("PATCH", target, patchBody(op("add", "externalId", "e")), forge...)
		require.Equal(t, want, patched.header.Get("Location"))
		for _, a := range []*response{
			created, s.do("GET", target, nil, forge...), s.do("PUT", target, k.body("b"), forge...),
			s.do("PATCH", target+"?attributes=meta", patchBody(op("add", "externalId", "f")), forge...),
		} {
			require.Less(t, a.status, 300)
			require.Equal(t, want, a.header.Get("Location"))
			require.Equal(t, want, a.at("meta", "location"))
		}
		require.Equal(t, want, s.get(k.endpoint).at("Resources", 0, "meta", "location"))
		require.Equal(t, string(s.get(target).body), string(s.deref(want).body))
		u, err := url.Parse(want)
		require.NoError(t, err)
		require.True(t, u.IsAbs())
		covers(t, "7643-3.1-13")
	})
	t.Run("with the connection in the path", func(t *testing.T) {
		onEachStore(t, func(t *testing.T, s *server) {
			r := s.request("POST", "/connection-a/Users", user("a"))
			created := s.send(r).is(201)
			want := baseURL + "/connection-a/Users/" + created.id()
			require.Equal(t, want, created.header.Get("Location"))
			require.Equal(t, want, created.at("meta", "location"))
			require.Equal(t, created.id(), s.deref(want).id())
		}, func(c *setup) { c.config.BaseURL = baseURL + "/{connection}/" })
	})
}

func TestVersionsAreWeakAndEqualTheHeader(t *testing.T) {
	t.Parallel()
	byKind(t, func(t *testing.T, s *server, k resourceKind) {
		created := s.create(k.endpoint, k.body("a"))
		target := k.endpoint + "/" + created.id()
		seen := map[string]bool{}
		next := func(a *response) {
			t.Helper()
			require.Less(t, a.status, 300)
			tag := a.header.Get("Etag")
			require.Regexp(t, `^W/"[^"]+"$`, tag)
			require.Equal(t, []string{tag}, a.header["Etag"])
			require.False(t, seen[tag], "each version has its own tag")
			seen[tag] = true
			if a.status != 204 {
				require.Equal(t, tag, a.at("meta", "version"))
			}
			for _, query := range []string{"", "?attributes=meta.version", "?excludedAttributes=externalId"} {
				read := s.get(target + query)
				require.Equal(t, tag, read.header.Get("Etag"), "all representations of a version share its tag, so it is weak")
				require.Equal(t, tag, read.at("meta", "version"))
			}
			require.Equal(t, tag, s.get(k.endpoint).at("Resources", 0, "meta", "version"))
			require.Equal(t, tag, s.do("GET", target, nil, "If-None-Match", tag).is(304).header.Get("Etag"))
		}
		next(created)
		next(s.do("PUT", target, k.body("b")))
		next(s.patch(target, op("add", "externalId", "e")))
		next(s.do("PATCH", target+"?attributes=meta", patchBody(op("add", "externalId", "f"))))
		covers(t, "7643-3.1-14", "7643-3.1-15", "7644-3.14-01")
	})
}

// TestCommonAttributesOfCustomTypes: every type has them, the discovery resources do not.
func TestCommonAttributesOfCustomTypes(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		created := s.create("/Devices", device("d", map[string]any{"externalId": "e"}))
		for _, name := range []string{"schemas", "id", "externalId", "meta"} {
			require.Contains(t, created.json(), name)
		}
		for _, name := range []string{"resourceType", "created", "lastModified", "location", "version"} {
			require.NotEmpty(t, created.at("meta", name), name)
		}
		require.Equal(t, []string{created.id()}, s.filter("/Devices", `meta.resourceType eq "Device" and externalId pr and id pr`))
		require.NotContains(t, s.get("/ServiceProviderConfig").json(), "externalId")
		require.NotContains(t, s.get("/ServiceProviderConfig").json(), "id")
		require.NotContains(t, s.get("/ResourceTypes/Device").json(), "externalId")
		covers(t, "7643-3.1-16")
	}, withDevices)
}

// TestCommonAttributesWinOverASchema: a schema that lists them with other characteristics changes nothing.
func TestCommonAttributesWinOverASchema(t *testing.T) {
	t.Parallel()
	never := elimity.AttributeReturnedNever()
	odd := scim.ResourceType{Name: "Odd", Endpoint: "/Odds", Schema: elimity.Schema{ID: "urn:example:odd", Attributes: []elimity.CoreAttribute{
		textAttribute(elimity.StringParams{Name: "ID", Returned: never}),
		textAttribute(elimity.StringParams{Name: "externalId", Required: true, Uniqueness: elimity.AttributeUniquenessServer()}),
		textAttribute(elimity.StringParams{Name: "meta", Returned: never}),
		textAttribute(elimity.StringParams{Name: "schemas"}),
		textAttribute(elimity.StringParams{Name: "size"}),
	}}}
	onEachStore(t, func(t *testing.T, s *server) {
		body := func(more string) string { return `{"schemas":["urn:example:odd"],"size":"s"` + more + `}` }
		s.do("POST", "/Odds", body("")).is(201)
		ids := []string{}
		for range 2 {
			a := s.do("POST", "/Odds", body(`,"id":"mine","externalId":"E","meta":"m"`)).is(201)
			require.Regexp(t, uuid7, a.at("id"))
			require.Equal(t, "Odd", a.at("meta", "resourceType"))
			require.Equal(t, []any{"urn:example:odd"}, a.at("schemas"))
			ids = append(ids, a.id())
		}
		require.Equal(t, ids, s.filter("/Odds", `externalId eq "E"`))
		require.Empty(t, s.filter("/Odds", `externalId eq "e"`))
		s.patch("/Odds/"+ids[0], op("replace", "id", "mine")).fails(400, "mutability")
		s.patch("/Odds/"+ids[0], op("replace", "meta", "m")).fails(400, "mutability")
		require.Equal(t, ids[0], s.get("/Odds/"+ids[0]+"?excludedAttributes=id").at("id"))
		covers(t, "7643-3.1-17")
	}, withTypes(odd))
}

func TestMetaIsReturnedByDefault(t *testing.T) {
	t.Parallel()
	byKind(t, func(t *testing.T, s *server, k resourceKind) {
		target := k.endpoint + "/" + s.create(k.endpoint, k.body("a")).id()
		full := s.get(target).at("meta").(map[string]any)
		require.Len(t, full, 5)
		for query, want := range map[string]any{
			"?attributes=externalId":                          nil,
			"?attributes=meta":                                full,
			"?attributes=META":                                full,
			"?attributes=meta.created":                        map[string]any{"created": full["created"]},
			"?attributes=meta.location,meta.version":          map[string]any{"location": full["location"], "version": full["version"]},
			"?excludedAttributes=meta":                        nil,
			"?excludedAttributes=meta.created,meta.version":   map[string]any{"resourceType": full["resourceType"], "lastModified": full["lastModified"], "location": full["location"]},
			"?excludedAttributes=externalId":                  full,
			"?attributes=meta.resourceType&unknown=parameter": map[string]any{"resourceType": full["resourceType"]},
		} {
			got := s.get(target + query).at("meta")
			require.Equal(t, want, got, query)
			require.Equal(t, want, s.get(k.endpoint+query).at("Resources", 0, "meta"), query)
		}
		require.NotContains(t, s.do("PUT", target+"?attributes=externalId", k.body("a")).is(200).json(), "meta")
		patched := s.do("PATCH", target+"?attributes=meta.version", patchBody(op("remove", "externalId"))).is(200)
		require.Equal(t, map[string]any{"version": full["version"]}, patched.at("meta"))
		covers(t, "7643-3.1-18")
	})
}
