package scim_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/store/memstore"
)

// What callers of the management API get wrong.

// writesOf are the calls that read a body, with the path of each.
func writesOf(c *account) map[string]string {
	return map[string]string{
		"createConnection": "POST " + pathOf("nobody-yet"), "updateConnection": "PATCH " + c.path, "startRotation": "POST " + c.path + "/rotate/start", "issueToken": "POST " + c.path + "/tokens",
	}
}

func TestAdminBodies(t *testing.T) {
	t.Parallel()
	onEachOffice(t, func(t *testing.T, o *office) {
		c := o.open("acme", nil)
		before := c.read()
		o.events.take()
		for _, call := range writesOf(c) {
			method, path, _ := strings.Cut(call, " ")
			for _, q := range []struct{ body, attribute string }{
				{"{", ""}, {"}", ""}, {"null", ""}, {"[]", ""}, {"[{}]", ""}, {`"x"`, ""}, {"1", ""}, {"true", ""}, {"x", ""}, {"{}{}", ""}, {"{},", ""}, {"{} x", ""}, {"{}\x00", ""},
				{`{"a"}`, "*"}, {`{a:1}`, ""}, {`{'name':'x'}`, ""}, {`{"name":"x",}`, "*"}, {"\ufeff{}", ""}, {"{\"name\":\"\xff\"}", "*"}, {`{"name":"\ud800"}`, "*"}, {"// c\n{}", ""},
				{"name=x", ""}, {"{\"name\":\"a\nb\"}", "*"}, {strings.Repeat(`{"a":`, 20_000/5), "*"},
				{`{"unknown":1}`, "unknown"}, {`{"":1}`, ""}, {`{"Name":"x","Display_Name":"x"}`, "*"}, {`{"tenant":"other"}`, "tenant"}, {`{"connection_id":"x"}`, "connection_id"},
				{`{"bearer_token":"` + c.token + `"}`, "bearer_token"}, {`{"base_url":"x"}`, "base_url"}, {`{"` + strings.Repeat("x", 200) + `":1}`, ""}, {`{"` + c.token + `":1}`, ""},
			} {
				a := o.call(method, path, q.body).problem(400, "invalid_body")
				if q.attribute == "" {
					require.NotContains(t, a.json(), "attribute", q.body)
				} else if q.attribute != "*" {
					require.Equal(t, q.attribute, a.at("attribute"), q.body)
				}
			}
		}
		for _, q := range []struct{ operation, body, attribute string }{
			{"createConnection", `{"display_name":1}`, "display_name"}, {"createConnection", `{"display_name":["x"]}`, "display_name"},
			{"createConnection", `{"identity_provider":{}}`, "identity_provider"}, {"createConnection", `{"strict":"true"}`, "strict"}, {"createConnection", `{"strict":1}`, "strict"},
			{"createConnection", `{"policy":true}`, "policy"}, {"createConnection", `{"policy":{"bare_remove":"some"}}`, "policy.bare_remove"},
			{"createConnection", `{"policy":{"bare_remove":0}}`, "policy.bare_remove"}, {"createConnection", `{"policy":{"patch_answer":"204"}}`, "policy.patch_answer"},
			{"createConnection", `{"policy":{"unknown":1}}`, "policy.unknown"}, {"createConnection", `{"policy":{"unique_group_names":"yes"}}`, "policy.unique_group_names"},
			{"createConnection", `{"status":"active"}`, "status"}, {"createConnection", `{"strict":true,"strict":true}`, ""}, {"createConnection", `{"policy":{"bare_remove":"all","bare_remove":"all"}}`, ""},
			{"createConnection", `{"display_name":"x","\u0064isplay_name":"y"}`, ""},
			{"createConnection", `{"bearer_token_expires_at":"tomorrow"}`, "bearer_token_expires_at"}, {"createConnection", `{"bearer_token_expires_at":1893456000}`, "bearer_token_expires_at"},
			{"createConnection", `{"bearer_token_expires_at":"2030-01-01"}`, "bearer_token_expires_at"}, {"createConnection", `{"bearer_token_expires_at":"2030-02-30T00:00:00Z"}`, "bearer_token_expires_at"},
			{"createConnection", `{"bearer_token_expires_at":"2030-01-01T00:00:00"}`, "bearer_token_expires_at"}, {"createConnection", `{"bearer_token_expires_at":""}`, "bearer_token_expires_at"},
			{"createConnection", `{"expires_at":"2030-01-01T00:00:00Z"}`, "expires_at"},
			{"updateConnection", `{"display_name":1}`, "display_name"}, {"updateConnection", `{"status":true}`, "status"}, {"updateConnection", `{"strict":"x"}`, "strict"},
			{"updateConnection", `{"policy":[]}`, "policy"}, {"updateConnection", `{"policy":{"unknown_members":"x"}}`, "policy.unknown_members"},
			{"updateConnection", `{"bearer_token_expires_at":"2030-01-01T00:00:00Z"}`, "bearer_token_expires_at"}, {"updateConnection", `{"created_at":null}`, "created_at"},
			{"startRotation", `{"next_bearer_token_expires_at":"soon"}`, "next_bearer_token_expires_at"}, {"startRotation", `{"bearer_token_expires_at":"2030-01-01T00:00:00Z"}`, "bearer_token_expires_at"},
			{"startRotation", `{"next_bearer_token":"x"}`, "next_bearer_token"}, {"startRotation", `{"name":"x"}`, "name"},
			{"issueToken", `{"name":1}`, "name"}, {"issueToken", `{"name":"x","expires_at":"soon"}`, "expires_at"}, {"issueToken", `{"name":"x","slot":"current"}`, "slot"},
			{"issueToken", `{"name":"x","name":"y"}`, ""},
		} {
			method, path, _ := strings.Cut(writesOf(c)[q.operation], " ")
			a := o.call(method, path, q.body).problem(400, "invalid_body")
			if q.attribute == "" {
				require.NotContains(t, a.json(), "attribute", q.body)
			} else {
				require.Equal(t, q.attribute, a.at("attribute"), q.body)
			}
		}
		require.Equal(t, before, c.read())
		require.Empty(t, o.call("GET", pathOf("nobody-yet"), nil).is(200).at("connections"))
		require.Empty(t, o.events.types())

		// A body that a call does not have is not looked at, nor is its type.
		c.rotate()
		c.call("POST", c.path+"/rotate/complete", "{not even JSON", "Content-Type", "text/xml").is(200)
		c.call("PATCH", c.path, `{"display_name":"x"}`, "Content-Type", "text/plain").is(200)
		c.call("DELETE", c.path, `{"unknown":1}`).is(200)
	})
}

func TestAdminValues(t *testing.T) {
	t.Parallel()
	onEachOffice(t, func(t *testing.T, o *office) {
		c := o.open("acme", nil)
		before := c.read()
		now := o.clock.now()
		try := func(operation, member string, value any, ok bool) {
			t.Helper()
			method, path, _ := strings.Cut(writesOf(c)[operation], " ")
			body := map[string]any{member: value}
			if operation == "createConnection" {
				path = pathOf(fmt.Sprint("tenant-", o.clock.ticks.Load()))
			}
			if operation == "issueToken" && member != "name" {
				body["name"] = "x"
			}
			a := o.call(method, path, body)
			if !ok {
				require.Equal(t, member, a.problem(400, "invalid_"+member).at("attribute"))
				return
			}
			require.Less(t, a.status, 300, "%s: %s: %v: %s", operation, member, value, a.body)
			if operation == "startRotation" {
				c.call("POST", c.path+"/rotate/cancel", nil).is(200)
			}
		}
		for _, member := range []string{"createConnection display_name 256", "updateConnection display_name 256", "issueToken name 100"} {
			var operation, name string
			var limit int
			_, err := fmt.Sscan(member, &operation, &name, &limit)
			require.NoError(t, err)
			for _, text := range []string{"x", strings.Repeat("ü", limit), " padded ", "日本語", "a'b\"c<d>&e\\", "👩‍💻", "a/b", "null", "\u202egnp.exe"} {
				try(operation, name, text, true)
			}
			for _, text := range []string{" ", "\t", "\u00a0\u2003", strings.Repeat("x", limit+1), "a\nb", "a\x00b", "a\x1b[31mb", "\u0085", "a\u0090b", "a\x7fb"} {
				try(operation, name, text, false)
			}
		}
		try("updateConnection", "display_name", "", false)
		try("issueToken", "name", "", false)
		c.call("POST", c.path+"/tokens", nil).problem(400, "invalid_name")
		c.call("POST", c.path+"/tokens", map[string]any{"name": nil}).problem(400, "invalid_name")
		for _, status := range []string{"", "deleted", "Active", "enabled", " active", "paused"} {
			try("updateConnection", "status", status, false)
		}
		for _, p := range []string{"x", "Okta", "okta,generic", "\x00"} {
			try("createConnection", "identity_provider", p, false)
			try("updateConnection", "identity_provider", p, false)
		}
		try("updateConnection", "identity_provider", "", false)
		for operation, member := range map[string]string{"createConnection": "bearer_token_expires_at", "startRotation": "next_bearer_token_expires_at", "issueToken": "expires_at"} {
			for _, at := range []time.Time{now.Add(time.Hour), now.AddDate(9, 11, 0), now.Add(time.Hour).In(time.FixedZone("", -7*3600)), now.Add(time.Hour + 1)} {
				try(operation, member, at, true)
			}
			for _, at := range []time.Time{now, now.Add(-time.Second), now.AddDate(-20, 0, 0), now.AddDate(10, 0, 1), now.AddDate(1000, 0, 0), time.Unix(0, 0).UTC(), time.Unix(-1, 0).UTC()} {
				try(operation, member, at, false)
			}
			try(operation, member, nil, true)
		}
		c.call("PATCH", c.path, map[string]any{"display_name": before["display_name"]}).is(200)
		after := c.read()
		before["updated_at"] = after["updated_at"]
		require.Equal(t, before, after)
	})
}

// The first of several mistakes is told, and arguments come before whatever the store says.
func TestAdminOrderOfMistakes(t *testing.T) {
	t.Parallel()
	onEachOffice(t, func(t *testing.T, o *office) {
		c := o.open("acme", nil)
		c.rotate()
		wrong := map[string]any{"identity_provider": "x", "display_name": "\n"}
		o.call("POST", pathOf(" "), wrong).problem(400, "invalid_tenant")
		o.call("POST", pathOf("acme"), wrong).problem(400, "invalid_identity_provider")
		o.call("POST", pathOf("acme"), `{"bearer_token_expires_at":"2020-01-01T00:00:00Z"}`).problem(400, "invalid_bearer_token_expires_at")
		o.call("POST", pathOf("acme"), `{"strict":1}`).problem(400, "invalid_body")
		o.call("POST", pathOf("acme"), nil).problem(409, "active_connection_exists")
		c.call("POST", c.path+"/rotate/start", `{"next_bearer_token_expires_at":"2020-01-01T00:00:00Z"}`).problem(400, "invalid_next_bearer_token_expires_at")
		nobody := pathOf("acme", "nobody")
		o.call("POST", nobody+"/tokens", map[string]any{"name": ""}).problem(400, "invalid_name")
		o.call("PATCH", nobody, map[string]any{"status": "x"}).problem(400, "invalid_status")
		o.call("GET", nobody+"/groups?limit=x", nil).problem(400, "invalid_limit")
		o.call("GET", nobody+"/journal?failed=x", nil).problem(400, "invalid_failed")
		o.call("GET", nobody+"/groups?limit=1&limit=1&cursor=x", nil).problem(400, "invalid_limit")
		require.Equal(t, "it is given twice", o.call("GET", nobody+"/groups?limit=1&limit=1", nil).problem(400, "invalid_limit").at("detail"))
		o.call("GET", c.path+"/groups?cursor=1&cursor=1", nil).problem(400, "invalid_cursor")
		for _, query := range []string{"%zz", "limit=%", "a;b", "limit=5%zz"} {
			o.call("GET", c.path+"/groups?"+query, nil).problem(400, "invalid_query")
			o.call("GET", c.path+"/journal?"+query, nil).problem(400, "invalid_query")
		}
		o.call("GET", c.path+"/groups?LIMIT=0&x=1&x=2&failed=x", nil).is(200)
	})
}

// endless is a body that goes on for ever, and counts what is read of it.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	e.read += len(p)
	return len(p), nil
}

func TestAdminLargeBodies(t *testing.T) {
	t.Parallel()
	onEachOffice(t, func(t *testing.T, o *office) {
		c := o.open("acme", nil)
		const limit = 64 << 10
		for id, call := range writesOf(c) {
			method, path, _ := strings.Cut(call, " ")
			body := `{"name":"x"}`
			if id != "issueToken" {
				body = `{}`
			}
			padded := body + strings.Repeat(" ", limit-len(body))
			require.Less(t, o.call(method, path, padded).status, 300, "exactly as large as it may be")
			o.call(method, path, padded+" ").problem(413, "body_too_large")
			o.call(method, path, `{"x":"`+strings.Repeat("x", limit)+`"}`).problem(413, "body_too_large")
			forever := &endless{}
			w := httptest.NewRecorder()
			r := httptest.NewRequest(method, path, forever)
			o.admin.ServeHTTP(w, r)
			require.Equal(t, 413, w.Code)
			require.LessOrEqual(t, forever.read, 2*limit, "a body is not read beyond its limit")
		}
		// A body that breaks off is no body.
		r := httptest.NewRequest(http.MethodPost, pathOf("new"), io.MultiReader(strings.NewReader("{}"), broken{}))
		w := httptest.NewRecorder()
		o.admin.ServeHTTP(w, r)
		require.Equal(t, 400, w.Code)
		require.Contains(t, w.Body.String(), `"invalid_body"`)
		require.NotContains(t, w.Body.String(), "canary")
		require.Empty(t, o.call("GET", pathOf("new"), nil).is(200).at("connections"))
	})
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, fmt.Errorf("canary: %w", io.ErrUnexpectedEOF) }

func TestAdminOddTenants(t *testing.T) {
	t.Parallel()
	onEachOffice(t, func(t *testing.T, o *office) {
		seen := map[string]string{}
		for _, tenant := range []string{
			"acme", "Acme", "ACME", "acme ", " acme", "acme/eu", "/", "//", "acme//eu", "../other", "..", ".", "acme%2Feu", "%", "%25", "a?b", "a#b", "a&b=c", "a+b", "a b", "a;b", "a\\b", "'; DROP TABLE scim_connections; --",
			"*", "_", "null", "0", "{tenant}", "Ünïcödé", "U\u0308nicode", "日本語", "👩‍💻", "\u202e", "a\u2028b", "<script>", `"quoted"`, strings.Repeat("x", 256), strings.Repeat("ü", 128), "tenants", "connections", "00000000-0000-0000-0000-000000000000",
		} {
			o.questions()
			c := o.open(tenant, nil)
			require.Equal(t, []asked{{scim.ActionCreateConnections, tenant}}, o.questions())
			require.Empty(t, seen[c.id])
			seen[c.id] = tenant
			require.Equal(t, tenant, c.read()["tenant"])
			list := o.call("GET", pathOf(tenant), nil).is(200).at("connections").([]any)
			require.Len(t, list, 1, tenant)
			require.Equal(t, c.id, list[0].(map[string]any)["connection_id"])
			c.works(c.token)
			o.call("POST", pathOf(tenant), nil).problem(409, "active_connection_exists")
		}
		for _, segment := range []string{
			"%20", "%09", "%0A", "%00", "a%00b", "a%0Ab", "a%0D%0Ab", "%1B[31m", "a%7Fb", "%C2%85", "%C2%A0", "%E2%80%83", "%FF", "a%C3", "%ED%A0%80", strings.Repeat("x", 257), strings.Repeat("x", 300),
			strings.Repeat("%C3%BC", 129), strings.Repeat("x", 10_000),
		} {
			path := "/tenants/" + segment + "/connections"
			o.questions()
			a := o.call("POST", path, nil).problem(400, "invalid_tenant")
			require.Equal(t, "tenant", a.at("attribute"))
			o.call("GET", path, nil).problem(400, "invalid_tenant")
			o.call("GET", path+"/nobody", nil).problem(400, "invalid_tenant")
			text, err := url.PathUnescape(segment)
			require.NoError(t, err)
			require.Equal(t, asked{scim.ActionCreateConnections, text}, o.questions()[0], "the host is asked all the same")
		}
		o.call("POST", "/tenants//connections", nil).problem(404, "not_found")
		o.call("POST", "/tenants/acme/eu/connections", nil).problem(404, "not_found")
	})
}

// Of what callers write, nothing but the tenant and the id of a connection is in the log, and no call that is refused writes that.
func TestAdminLogIsNotTheirs(t *testing.T) {
	t.Parallel()
	o := openOffice(t, memstore.New())
	c := o.open("acme", map[string]any{"display_name": "canary-of-a-name"})
	for _, path := range []string{
		pathOf("acme", "canary-of-an-id"), c.path + "/tokens/canary-of-a-token", c.path + "/groups?limit=canary&cursor=canary", c.path + "/journal?failed=canary", "/canary", "/tenants/canary%0A/connections",
		pathOf("acme", c.token),
	} {
		for _, method := range []string{"GET", "DELETE", "CANARY", "POST"} {
			o.call(method, path, `{"canary":"canary","`+c.token+`":1}`, "User-Agent", "canary", "X-Forwarded-For", "canary", "Authorization", "Bearer canary")
		}
	}
	c.call("POST", c.path+"/tokens", `{"name":"canary-of-a-token"}`).is(201)
	c.call("PATCH", c.path, `{"display_name":"another-canary"}`).is(200)
	o.call("POST", pathOf("acme"), `{"identity_provider":"canary"}`).is(400)
	require.NotContains(t, strings.ToLower(o.log.String()), "canary")
}

// Identity providers that a host does not name have a connection like any other.
func TestAdminBaseURLOfTheHost(t *testing.T) {
	t.Parallel()
	o := openOffice(t, memstore.New(), func(l *layout) { l.path = "/scim//v2/" })
	c := o.open("acme", nil)
	require.Equal(t, o.origin+"/scim//v2", c.baseURL)
	c.works(c.token)
	for _, header := range []string{"Host", "X-Forwarded-Host", "Forwarded", "X-Forwarded-Proto", "X-Original-URL"} {
		r := httptest.NewRequest(http.MethodGet, c.path, http.NoBody)
		r.Host = "evil.example.test"
		r.Header.Set(header, "evil.example.test")
		w := httptest.NewRecorder()
		o.admin.ServeHTTP(w, r)
		require.Equal(t, 200, w.Code)
		require.NotContains(t, w.Body.String(), "evil")
		var answer struct {
			Connection struct {
				BaseURL string `json:"base_url"`
				Recipe  dialect.Recipe
			}
		}
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
		require.Equal(t, c.baseURL, answer.Connection.BaseURL)
	}
}
