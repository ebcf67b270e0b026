package scim_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
)

// Endpoints, methods and errors: RFC 7644, sections 3.2 and 3.12.

func TestEachTypeHasItsMethods(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		for endpoint, body := range map[string]map[string]any{
			"/Users":  user("anna"),
			"/Groups": {"schemas": []string{groupURN}, "displayName": "Crew"},
		} {
			s.get(endpoint)
			target := endpoint + "/" + s.create(endpoint, body).id()
			s.get(target)
			s.do("PUT", target, body).is(200)
			require.Less(t, s.patch(target, op("replace", "displayName", "Renamed")).status, 300)
			require.Equal(t, "Renamed", s.get(target).at("displayName"))
			s.do("DELETE", target, nil).is(204)
			s.do("GET", target, nil).fails(404, "")
		}
		covers(t, "7644-3.2-01")
		require.Equal(t, true, s.get("/ServiceProviderConfig").at("patch", "supported"))
		covers(t, "7644-3.5-01")
	})
}

func TestPutNeverCreates(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		s.do("PUT", "/Users/0198f0a0-0000-7000-8000-000000000001", user("anna")).fails(404, "")
		s.do("PUT", "/Users", user("anna")).fails(405, "")
		_, total := s.list("/Users")
		require.Zero(t, total)
		require.Empty(t, s.events.take())
		covers(t, "7644-3.2-02")
	})
}

func TestMethodsThatAPathDoesNotHave(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		anna := s.user("anna").id()
		for _, c := range []struct{ method, target, allow string }{
			{"DELETE", "/Users", "GET, POST"},
			{"PUT", "/Users", "GET, POST"},
			{"PATCH", "/Groups", "GET, POST"},
			{"OPTIONS", "/Users", "GET, POST"},
			{"TRACE", "/Users", "GET, POST"},
			{"MADE-UP", "/Users", "GET, POST"},
			{"get", "/Users", "GET, POST"},
			{"POST", "/Users/" + anna, "GET, PUT, PATCH, DELETE"},
			{"GET", "/Users/.search", "POST"},
			{"PUT", "/Groups/.search", "POST"},
			{"POST", "/Schemas", "GET"},
			{"DELETE", "/Schemas/" + userURN, "GET"},
			{"POST", "/", "GET"},
			{"GET", "/.search", "POST"},
		} {
			a := s.do(c.method, c.target, nil).fails(405, "")
			require.Equal(t, c.allow, a.header.Get("Allow"), c.method+" "+c.target)
		}
		covers(t, "9110-15.5.6-01")
		require.Equal(t, "anna", s.get("/Users/"+anna).at("userName"))
	})
}

func TestMethodOverridesAreIgnored(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		anna := s.user("anna")
		for _, header := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"} {
			a := s.do("POST", "/Users/"+anna.id(), "{}", header, "DELETE")
			a.fails(405, "")
			s.do("GET", "/Users/"+anna.id(), nil, header, "DELETE").is(200)
		}
		s.do("GET", "/Users/"+anna.id()+"?_method=DELETE", nil).is(200)
		s.do("POST", "/Users/"+anna.id()+"?_method=DELETE", "_method=DELETE", "Content-Type", "application/x-www-form-urlencoded").fails(405, "")
		require.Equal(t, string(anna.body), string(s.get("/Users/"+anna.id()).body))
		covers(t, "7644-3-01", "H-01")
	})
}

func TestWhatIsNotSupportedSaysSo(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		s.take()
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
			s.do(method, "/Bulk", nil).fails(501, "")
			s.do(method, "/Me", nil).fails(501, "")
		}
		// The body of a bulk request is not even read.
		for _, body := range []string{"", "{", `{"Operations":[{"method":"POST","path":"/Users","data":{}}]}`, strings.Repeat("[", 1<<16)} {
			r := s.request("POST", "/Bulk", body)
			untouched := &unreadable{}
			r.Body = untouched
			s.send(r).fails(501, "")
			require.False(t, untouched.read.Load())
		}
		require.Empty(t, s.take())
		require.Equal(t, false, s.get("/ServiceProviderConfig").at("bulk", "supported"))
		covers(t, "7644-3.12-02", "B-01")

		s.do("GET", "/", nil).fails(501, "")
		s.do("GET", `/?filter=meta.resourceType+eq+%22User%22`, nil).fails(501, "")
		s.do("POST", "/.search", map[string]any{"schemas": []string{searchURN}}).fails(501, "")
		covers(t, "7644-3.4.2.1-02")
	})
}

// take returns the scopes of the store's calls since the last time.
func (s *server) take() any { return s.store.take() }

func TestUnknownParametersAreIgnored(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		s.user("anna")
		plain := string(s.get("/Users").body)
		for _, query := range []string{"foo=bar", "foo", "foo=&bar", "aadOptscim062020", "&&", "&", "", "foo=1&foo=2", "sortBy=userName", "cursor=x"} {
			require.Equal(t, plain, string(s.get("/Users?"+query).body), query)
		}
		covers(t, "7644-3.4.2-01", "ONELOGIN-02")
	})
}

func TestCustomTypesHaveEndpoints(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		s.create("/Devices", device("lamp"))
		endpoints := []string{}
		for _, rt := range s.get("/ResourceTypes").at("Resources").([]any) {
			endpoint := rt.(map[string]any)["endpoint"].(string)
			endpoints = append(endpoints, endpoint)
			require.Equal(t, []any{listURN}, s.get(endpoint).at("schemas"))
		}
		require.Equal(t, []string{"/Users", "/Groups", "/Devices"}, endpoints)
		covers(t, "7644-3.2-03")
	}, withDevices)
}

func TestPathsAreDecodedOnce(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		id := s.user("anna").id()
		group := s.group("Crew").id()
		escaped := fmt.Sprintf("%%%02X%s", id[0], id[1:])
		require.Equal(t, id, s.get("/Users/"+escaped).id())
		s.take()
		for _, target := range []string{
			"/Users/" + strings.Replace(escaped, "%", "%25", 1), // decoding it again would find anna
			"/Users/..%2FGroups%2F" + group,
			"/Users/" + id + "%2F",
			"/Users/%2F" + id,
			"/Users/" + id + "%5C",
			"/Users/" + id + "%00",
			"/Users/" + id + "%0D%0A",
			"/Users/..",
			"/Users/%2e%2e",
			"/Users/%2E",
			"/Users/../Groups/" + group,
			"/Users/./" + id,
			"/Users/%ff",
			"/Users/" + id + ";a=b",
			"/Users/" + group,
			"/Groups/" + id,
			"/Users/" + id + "/Groups/" + group,
		} {
			s.do("GET", target, nil).fails(404, "")
			s.do("DELETE", target, nil).fails(404, "")
		}
		covers(t, "7644-3.2-05")
		require.Equal(t, "anna", s.get("/Users/"+id).at("userName"))
		require.Equal(t, "Crew", s.get("/Groups/"+group).at("displayName"))
	})
}

func TestSlashesMoreOrLess(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		id := s.user("anna").id()
		list, one := string(s.get("/Users").body), string(s.get("/Users/"+id).body)
		for _, target := range []string{"/Users/", "//Users", "//Users//", "/Users/?startIndex=1"} {
			require.Equal(t, list, string(s.get(target).body), target)
		}
		for _, target := range []string{"/Users//" + id, "/Users/" + id + "/", "///Users/" + id, "/Users/" + id + "?"} {
			require.Equal(t, one, string(s.get(target).body), target)
		}
		// A redirect would lose the body: a POST is carried out where it arrives.
		require.Equal(t, "/scim/v2//Users", s.request("POST", "//Users", "").URL.Path)
		s.do("POST", "//Users", user("bert")).is(201)
		s.do("POST", "/Users/", user("carl")).is(201)
		covers(t, "7644-3.2-06", "ENTRA-09")
		for _, target := range []string{"/users", "/USERS", "/Users/" + strings.ToUpper(id), "/schemas", "/serviceProviderConfig", "/Users.scim", "/Nope"} {
			s.do("GET", target, nil).fails(404, "")
		}
		covers(t, "7644-3.2-07")
		s.do("PURGE", "/Users", nil).fails(405, "")
		covers(t, "H-06")
	})
}

func TestEntraFlagInThePath(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		s.user("anna")
		id := s.user("nadia").id()
		for _, target := range []string{"/?aadOptscim062020/Users?filter=userName+eq+%22nadia%22", "/aadOptscim062020/Users?filter=userName+eq+%22nadia%22"} {
			ids, _ := s.list(target)
			require.Equal(t, []string{id}, ids)
		}
		covers(t, "ENTRA-08")
	})
	onEachStore(t, func(_ *testing.T, s *server) {
		s.do("GET", "/?aadOptscim062020/Users", nil).fails(501, "")
		s.do("GET", "/aadOptscim062020/Users", nil).fails(404, "")
	}, strictly)
}

// failure is one way to make the handler answer with an error.
type failure struct {
	name     string
	status   int
	scimType string
	send     func(s *server) *response
	option   func(*setup)
}

// failures holds at least one for each status that the handler answers with, and for each scimType.
func failures() []failure {
	do := func(method, target string, body any, headers ...string) func(*server) *response {
		return func(s *server) *response { return s.do(method, target, body, headers...) }
	}
	patched := func(ops ...map[string]any) func(*server) *response {
		return func(s *server) *response { return s.patch("/Users/"+s.user("anna").id(), ops...) }
	}
	broken := func(f func()) func(*setup) {
		return func(c *setup) {
			p := tapped(c.config.Store)
			c.config.Store = p
			p.when(func(_ context.Context, call string, _ any) error {
				switch {
				case call != "List":
					return nil
				case f != nil:
					f()
				}
				return errors.New("dial tcp 10.0.0.7:5432: connection refused")
			})
		}
	}
	return []failure{
		{name: "a body that is no JSON", status: 400, scimType: "invalidSyntax", send: do("POST", "/Users", "{")},
		{name: "a value of the wrong type", status: 400, scimType: "invalidValue", send: do("POST", "/Users", user("anna", map[string]any{"title": 5}))},
		{name: "a bad filter", status: 400, scimType: "invalidFilter", send: do("GET", "/Users?filter=userName", nil)},
		{name: "a bad path", status: 400, scimType: "invalidPath", send: patched(op("replace", "nope", "x"))},
		{name: "no target", status: 400, scimType: "noTarget", send: patched(map[string]any{"op": "remove"})},
		{name: "readOnly", status: 400, scimType: "mutability", send: patched(op("replace", "id", "x"))},
		{name: "a bad condition", status: 400, send: do("GET", "/Users/x", nil, "If-None-Match", "x")},
		{name: "a bad parameter", status: 400, scimType: "invalidValue", send: do("GET", "/Users?count=x", nil)},
		{name: "no token", status: 401, send: func(s *server) *response { return s.as("").do("GET", "/Users", nil) }},
		{name: "a wrong token", status: 401, send: func(s *server) *response { return s.as("wrong").do("GET", "/Users", nil) }},
		{name: "a filter on discovery", status: 403, send: do("GET", "/Schemas?filter=id+pr", nil)},
		{name: "an unknown resource", status: 404, send: do("GET", "/Users/none", nil)},
		{name: "an unknown route", status: 404, send: do("GET", "/Nope", nil)},
		{name: "an unknown route outside", status: 404, send: func(s *server) *response {
			r := s.request("GET", "/Users", nil)
			r.URL.Path = "/elsewhere"
			return s.send(r)
		}},
		{name: "a method that is not there", status: 405, send: do("DELETE", "/Users", nil)},
		{name: "a taken name", status: 409, scimType: "uniqueness", send: func(s *server) *response {
			s.user("anna")
			return s.do("POST", "/Users", user("ANNA"))
		}},
		{name: "a stale version", status: 412, send: func(s *server) *response {
			return s.do("PUT", "/Users/"+s.user("anna").id(), user("anna"), "If-Match", `W/"7"`)
		}},
		{name: "a large body", status: 413, send: do("POST", "/Users", strings.Repeat(" ", 2<<20+1))},
		{name: "another media type", status: 415, send: do("POST", "/Users", "<user/>", "Content-Type", "text/xml")},
		{name: "too many requests", status: 429, option: func(c *setup) { c.config.RateLimiter = refuseAll{} }, send: do("GET", "/Users", nil)},
		{name: "a panic", status: 500, option: broken(func() { panic("canary-of-a-panic in store.go:12") }), send: do("GET", "/Users", nil)},
		{name: "bulk", status: 501, send: do("POST", "/Bulk", nil)},
		{name: "a store that is down", status: 503, option: broken(nil), send: do("GET", "/Users", nil)},
	}
}

type refuseAll struct{}

func (refuseAll) Allow(string, time.Time) (time.Duration, bool) {
	return 1500 * time.Millisecond, false
}

// scimTypes are the registered keywords: RFC 7644, table 9, and RFC 9865.
var scimTypes = []string{
	"invalidFilter", "tooMany", "uniqueness", "mutability", "invalidSyntax", "invalidPath", "noTarget", "invalidValue", "invalidVers",
	"sensitive", "invalidCursor", "expiredCursor", "invalidCount",
}

func TestEveryFailureIsASCIMError(t *testing.T) {
	t.Parallel()
	for _, f := range failures() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			options := []func(*setup){func(c *setup) {
				if f.option != nil {
					f.option(c)
				}
			}}
			s := newServer(t, options...)
			s.secret("10.0.0.7") // of the fault; nothing of it may leave, not even for whoever reads the answers
			s.secrets = slices.DeleteFunc(s.secrets, func(text string) bool { return f.status == 503 && text == "10.0.0.7" })
			a := f.send(s).fails(f.status, f.scimType)
			require.NotContains(t, string(a.body), "10.0.0.7")

			var body map[string]json.RawMessage
			require.NoError(t, json.Unmarshal(a.body, &body))
			require.JSONEq(t, `["`+errorURN+`"]`, string(body["schemas"]))
			covers(t, "7644-3.12-15")
			require.Equal(t, strconv.Quote(strconv.Itoa(f.status)), string(body["status"]))
			covers(t, "7644-3.12-16", "7644-3.2-04")
			require.NotEmpty(t, a.detail())
			require.Subset(t, []string{"schemas", "status", "scimType", "detail"}, slices.Collect(maps.Keys(body)))
			if f.scimType != "" {
				require.Contains(t, scimTypes, a.at("scimType"))
				require.Equal(t, map[bool]int{true: 409, false: 400}[f.scimType == "uniqueness"], f.status)
			}
			covers(t, "7644-3.12-17", "7644-3.12-18")
			require.Equal(t, "application/scim+json", a.header.Get("Content-Type"))
			covers(t, "7644-3.12-01", "7644-3.1-04", "OKTA-27")
			if f.status == 429 || f.status == 503 {
				seconds, err := strconv.Atoi(a.header.Get("Retry-After"))
				require.NoError(t, err)
				require.GreaterOrEqual(t, seconds, 1)
				covers(t, "9110-15.6.4-01")
			}
			records := s.log.records(t)
			record := records[len(records)-1]
			require.Equal(t, map[bool]string{true: "ERROR", false: "INFO"}[f.status >= 500], record["level"])
			require.EqualValues(t, f.status, record["status"])
			require.Equal(t, a.header.Get("X-Request-Id"), record["request_id"])
			if f.status == 500 {
				for _, leak := range []string{"canary-of-a-panic", "goroutine", ".go", "runtime"} {
					require.NotContains(t, string(a.body)+fmt.Sprint(a.header), leak)
				}
				covers(t, "7644-3.12-29")
			}
		})
	}
}

func TestRequestsHaveIDs(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		seen := map[string]bool{}
		for _, send := range []func() *response{
			func() *response { return s.user("anna") }, func() *response { return s.user("bert") },
			func() *response {
				return s.patch("/Users/"+s.filter("/Users", `userName eq "anna"`)[0], op("add", "title", "x"))
			},
		} {
			a := send()
			id := a.header.Get("X-Request-Id")
			require.False(t, seen[id])
			seen[id] = true
			records := s.log.records(t)
			require.Equal(t, id, records[len(records)-1]["request_id"])
			require.Equal(t, a.id(), records[len(records)-1]["resource_id"])
			events := s.events.take()
			require.Equal(t, scim.Actor{TokenID: "static", RequestID: id}, events[len(events)-1].Actor)
		}
	})
}

func TestRetryAfterIsRoundedUp(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *setup) { c.config.RateLimiter = refuseAll{} })
	require.Equal(t, "2", s.do("GET", "/Users", nil).fails(429, "").header.Get("Retry-After"))
}

func TestErrorsDoNotDependOnTheAcceptHeader(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, accept := range []string{"application/json", "text/html", "", "*/*"} {
		a := s.do("GET", "/Users/none", nil, "Accept", accept).fails(404, "")
		require.Equal(t, "application/scim+json", a.header.Get("Content-Type"))
	}
}

// The keywords of RFC 7644, section 3.12, by the verbs that can cause them.
func TestKeywords(t *testing.T) {
	t.Parallel()
	const (
		invalidFilter = "invalidFilter"
		mutability    = "mutability"
		invalidSyntax = "invalidSyntax"
		invalidPath   = "invalidPath"
		noTarget      = "noTarget"
		invalidValue  = "invalidValue"
	)
	post := func(endpoint string, body any) func(*server) *response {
		return func(s *server) *response { return s.do("POST", endpoint, body) }
	}
	put := func(body any) func(*server) *response {
		return func(s *server) *response { return s.do("PUT", "/Users/"+s.user("anna").id(), body) }
	}
	patched := func(ops ...map[string]any) func(*server) *response {
		return func(s *server) *response {
			return s.patch("/Users/"+s.user("anna", map[string]any{"emails": []any{map[string]any{"value": "a@x.test", "type": "work"}}}).id(), ops...)
		}
	}
	patchedWith := func(body any) func(*server) *response {
		return func(s *server) *response { return s.do("PATCH", "/Users/"+s.user("anna").id(), body) }
	}
	onDevice := func(method string, body any) func(*server) *response {
		return func(s *server) *response {
			id := s.create("/Devices", device("lamp", map[string]any{"firmware": "1.0"})).id()
			return s.do(method, "/Devices/"+id, body)
		}
	}
	for _, c := range []struct {
		keyword string
		covers  string
		cases   map[string]func(*server) *response
	}{
		{keyword: invalidFilter, covers: "7644-3.12-19", cases: map[string]func(*server) *response{
			"GET":                  func(s *server) *response { return s.do("GET", "/Users?filter=userName+regex+%22a%22", nil) },
			"GET with operands":    func(s *server) *response { return s.do("GET", "/Users?filter=active+gt+true", nil) },
			".search":              post("/Users/.search", map[string]any{"schemas": []string{searchURN}, "filter": "userName eq"}),
			"PATCH path":           patched(op("replace", `emails[type regex "work"].value`, "b@x.test")),
			"PATCH path, operands": patched(op("remove", `emails[primary gt true]`)),
		}},
		{keyword: mutability, covers: "7644-3.12-22", cases: map[string]func(*server) *response{
			"PATCH readOnly":  patched(op("replace", "id", "x")),
			"PATCH meta":      patched(op("replace", "meta.version", "x")),
			"PATCH groups":    patched(op("add", "groups", []any{map[string]any{"value": "x"}})),
			"PATCH required":  patched(op("remove", "userName")),
			"PATCH immutable": onDevice("PATCH", patchBody(op("replace", "firmware", "2.0"))),
			"PUT immutable":   onDevice("PUT", device("lamp", map[string]any{"firmware": "2.0"})),
		}},
		{keyword: invalidSyntax, covers: "7644-3.12-23", cases: map[string]func(*server) *response{
			"POST truncated":         post("/Users", `{"schemas":`),
			"POST array":             post("/Users", `[]`),
			"POST without schemas":   post("/Users", `{"userName":"anna"}`),
			"POST other schemas":     post("/Users", map[string]any{"schemas": []string{groupURN}, "userName": "anna"}),
			"PUT truncated":          put(`{"schemas":`),
			"PUT without schemas":    put(`{"userName":"anna"}`),
			"PATCH without schemas":  patchedWith(map[string]any{"Operations": []any{op("add", "title", "x")}}),
			"PATCH no operations":    patchedWith(map[string]any{"schemas": []string{patchURN}}),
			"PATCH unknown op":       patched(op("move", "title", "x")),
			"PATCH op missing":       patched(map[string]any{"path": "title", "value": "x"}),
			"PATCH operations":       patchedWith(map[string]any{"schemas": []string{patchURN}, "Operations": "x"}),
			".search truncated":      post("/Users/.search", `{"schemas":`),
			".search without schema": post("/Users/.search", `{}`),
		}},
		{keyword: invalidPath, covers: "7644-3.12-24", cases: map[string]func(*server) *response{
			"unknown attribute":     patched(op("replace", "nope", "x")),
			"unknown sub-attribute": patched(op("replace", "name.nope", "x")),
			"behind the brackets":   patched(op("replace", `emails[type eq "work"]value`, "x")),
			"trailing dot":          patched(op("replace", "name.", "x")),
			"two dots":              patched(op("replace", "name..givenName", "x")),
			"space":                 patched(op("replace", "name givenName", "x")),
			"empty":                 patched(op("replace", "", "x")),
			"a number":              patched(map[string]any{"op": "replace", "path": 5, "value": "x"}),
			"core URN":              patched(op("replace", userURN+":nope", "x")),
			"extension URN":         patched(op("replace", enterpriseURN+":nope", "x")),
		}},
		{keyword: noTarget, covers: "7644-3.12-25", cases: map[string]func(*server) *response{
			"remove without path":     patched(map[string]any{"op": "remove"}),
			"replace without match":   patched(op("replace", `emails[type sw "ho"].value`, "x")),
			"add without match":       patched(op("add", `emails[not (type pr)]`, map[string]any{"value": "x"})),
			"replace with a negation": patched(op("replace", `emails[type ne "work"].value`, "x")),
		}},
		{keyword: invalidValue, covers: "7644-3.12-26", cases: map[string]func(*server) *response{
			"POST without required": post("/Users", map[string]any{"schemas": []string{userURN}}),
			"POST blank required":   post("/Users", user(" ")),
			"POST type":             post("/Users", user("anna", map[string]any{"active": 1})),
			"POST complex":          post("/Users", user("anna", map[string]any{"name": 1})),
			"PUT without required":  put(map[string]any{"schemas": []string{userURN}}),
			"PUT type":              put(user("anna", map[string]any{"emails": 5})),
			"PUT two primaries": put(user("anna", map[string]any{"emails": []any{
				map[string]any{"value": "a@x.test", "primary": true}, map[string]any{"value": "b@x.test", "primary": true},
			}})),
			"PATCH type":     patched(op("replace", "active", "banana")),
			"PATCH required": patched(op("replace", "userName", nil)),
			"PATCH value":    patched(map[string]any{"op": "add", "path": "title"}),
			"PATCH pathless": patched(pathless("replace", map[string]any{"title": true})),
		}},
	} {
		for name, send := range c.cases {
			t.Run(c.keyword+"/"+name, func(t *testing.T) {
				t.Parallel()
				onEachStore(t, func(_ *testing.T, s *server) {
					send(s).fails(400, c.keyword)
				}, withDevices)
			})
		}
		t.Run(c.keyword, func(t *testing.T) { covers(t, c.covers) })
	}
}

func TestUniquenessIsAConflictOnEveryVerb(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		anna := s.user("anna").id()
		bert := "/Users/" + s.user("bert").id()
		for _, a := range []*response{
			s.do("POST", "/Users", user("Anna")),
			s.do("PUT", bert, user("Anna")),
			s.patch(bert, op("replace", "userName", "Anna")),
			s.patch(bert, pathless("replace", map[string]any{"userName": "Anna"})),
		} {
			a.fails(409, "uniqueness")
			for _, told := range []string{anna, "anna", "Anna"} {
				require.NotContains(t, a.detail(), told, "the answer tells who has the name")
			}
			require.Contains(t, a.detail(), "userName")
		}
		covers(t, "7644-3.12-21", "7644-3.12-30")
		require.Equal(t, "bert", s.get(bert).at("userName"))
	})
}

func TestOtherVersionsOfTheProtocol(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.user("anna")
	for _, path := range []string{"/scim/v1/Users", "/scim/v2/v1/Users", "/v1/Users", "/scim/v3/Users", "/scim/Users", "/scim/v22/Users"} {
		r := s.request("GET", "/Users", nil)
		r.URL.Path = path
		a := s.send(r).fails(404, "")
		require.NotContains(t, string(a.body), "anna", path)
	}
	covers(t, "7644-3.12-27", "7644-3.13-02")
	require.Equal(t, "anna", s.get("/Users").at("Resources", 0, "userName"))
	covers(t, "7644-3.13-01")

	bare := newServer(t, func(c *setup) { c.config.BaseURL = "https://scim.example.test/" })
	r := bare.request("POST", "/Users", user("bert"))
	r.URL.Path = "/Users"
	created := bare.send(r).is(http.StatusCreated)
	require.Equal(t, "https://scim.example.test/Users/"+created.id(), created.at("meta", "location"))
	covers(t, "7644-3.13-03")
}

func TestNothingIsRedirected(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, target := range []string{"//Users", "/Users/", "/Users//", "/./Users", "/Users/../Users", "/", "", "//", "/users", "/%55sers"} {
		for _, method := range []string{"GET", "POST"} {
			a := s.do(method, target, user("anna"))
			require.False(t, 300 <= a.status && a.status < 400, "%s %s: %d", method, target, a.status)
			require.True(t, a.status == 201 || a.header.Get("Location") == "")
		}
	}
}

var _ scim.RateLimiter = refuseAll{}

// deadlines is a connection whose read deadline can be set, as a real one's.
type deadlines struct {
	*httptest.ResponseRecorder
	read time.Time
}

func (d *deadlines) SetReadDeadline(at time.Time) error {
	d.read = at
	return nil
}

// The time for a body is the request's, unless the host's own server may allow less.
func TestBodyDeadline(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		server *http.Server
		set    bool
	}{
		{nil, true},
		{&http.Server{ReadHeaderTimeout: time.Second}, true},
		{&http.Server{ReadTimeout: time.Hour, ReadHeaderTimeout: time.Second}, true},
		{&http.Server{ReadTimeout: time.Hour}, false}, // all of it may be gone already
		{&http.Server{ReadTimeout: time.Minute, ReadHeaderTimeout: 40 * time.Second}, false},
		{&http.Server{ReadTimeout: time.Second}, false},
		{&http.Server{ReadTimeout: time.Second, ReadHeaderTimeout: time.Minute}, false},
	} {
		s := newServer(t, withLimits(scim.Limits{RequestTime: 30 * time.Second}))
		r := s.request("POST", "/Users", user("someone"))
		if c.server != nil {
			r = r.WithContext(context.WithValue(r.Context(), http.ServerContextKey, c.server))
		}
		w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		s.handler.ServeHTTP(w, r)
		require.Equal(t, 201, w.Code)
		require.Equal(t, c.set, !w.read.IsZero(), "%+v", c.server)
	}
}
