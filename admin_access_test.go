package scim_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/internal/openapi"
	"github.com/scimkit/scim/store"
	"github.com/scimkit/scim/store/memstore"
	"github.com/scimkit/scim/store/storetest"
)

// Who may call the management API, what it answers where something is wrong, and whether the OpenAPI document says so.

// fill puts values into a path's template.
func fill(template, tenant, id, token string) string {
	return strings.NewReplacer("{tenant}", url.PathEscape(tenant), "{id}", id, "{token_id}", token).Replace(template)
}

// operations calls f with every operation of the document, in the order of their ids.
func (c *contract) operations(f func(template, method string, o *docCall)) {
	var ids []string
	for _, operations := range c.paths {
		for _, o := range operations {
			ids = append(ids, o.id)
		}
	}
	slices.Sort(ids)
	for _, id := range ids {
		f(c.operation(id))
	}
}

// bodyOf is a body with which an operation succeeds.
func bodyOf(o *docCall) any {
	if o.id == "issueToken" {
		return map[string]any{"name": "script"}
	}
	return nil
}

func TestAdminConfig(t *testing.T) {
	t.Parallel()
	connections, err := scim.NewConnections(scim.ConnectionsConfig{Store: memstore.New()})
	require.NoError(t, err)
	handler, err := scim.New(scim.Config{BaseURL: baseURL, Store: memstore.New(), Verifier: connections})
	require.NoError(t, err)
	allow := func(*http.Request, scim.Action, string) error { return nil }
	admin, err := scim.NewAdmin(scim.AdminConfig{Handler: handler, Connections: connections, Authorize: allow})
	require.NoError(t, err)
	require.NotNil(t, admin)
	for missing, config := range map[string]scim.AdminConfig{
		"Authorize":   {Handler: handler, Connections: connections},
		"Handler":     {Connections: connections, Authorize: allow},
		"Connections": {Handler: handler, Authorize: allow},
	} {
		admin, err := scim.NewAdmin(config)
		require.EqualError(t, err, "scim: AdminConfig."+missing+" is nil")
		require.Nil(t, admin, "there is no way to serve without one")
	}
}

// unread is a body that nobody may read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

// Every call is decided about by the host, with its action and its tenant, before anything else is read.
func TestAdminAuthorization(t *testing.T) {
	t.Parallel()
	onEachOffice(t, func(t *testing.T, o *office) {
		const tenant = "Acme/Ünï corp%"
		c := o.open(tenant, nil)
		next := c.rotate()
		id, _ := c.issue("script")
		before, tokens := c.read(), c.call("GET", c.path+"/tokens", nil).body
		actions := map[string]bool{}
		o.contract.operations(func(template, method string, d *docCall) {
			actions[d.action] = true
			path := fill(template, tenant, c.id, id)
			want := asked{scim.Action(d.action), tenant}
			if d.action == string(scim.ActionDescribe) {
				want.tenant = ""
			}
			for _, refusal := range []struct {
				err    error
				status int
				code   string
			}{
				{errors.New("canary of the host"), 403, "forbidden"},
				{store.ErrNotFound, 403, "forbidden"},
				{context.DeadlineExceeded, 403, "forbidden"},
				{scim.ErrUnauthorized, 401, "unauthorized"},
				{fmt.Errorf("canary: %w", scim.ErrUnauthorized), 401, "unauthorized"},
			} {
				back := o.deciding(func(r *http.Request, _ scim.Action, _ string) error {
					if r.Header.Get("X-Session") != "anna" {
						return nil // whoever decides sees the request as it came
					}
					return refusal.err
				})
				o.questions()
				o.store.Inject(storetest.Fault{Call: 1, Err: errors.New("the store was asked")})
				// A body without end, a query that does not decode: nobody looks.
				a := o.call(method, path, "{", "X-Session", "anna").problem(refusal.status, refusal.code)
				require.Equal(t, []asked{want}, o.questions(), d.id)
				require.NotContains(t, string(a.body)+fmt.Sprint(a.header), "canary")
				o.call(method, path+"?limit=%zz", nil, "X-Session", "anna").problem(refusal.status, refusal.code)
				direct := httptest.NewRequest(method, path, unread{t})
				direct.Header.Set("X-Session", "anna")
				w := httptest.NewRecorder()
				o.admin.ServeHTTP(w, direct)
				require.Equal(t, refusal.status, w.Code)
				require.False(t, o.store.Fired(), "%s: the store was asked before the host", d.id)
				back()
				o.questions()
				if refusal.status == 401 {
					require.Equal(t, `Bearer realm="scim-admin"`, a.header.Get("WWW-Authenticate"))
				}
			}
			// A HEAD is decided about as a GET.
			if method == http.MethodGet {
				back := o.deciding(func(*http.Request, scim.Action, string) error { return errors.New("no") })
				o.call(http.MethodHead, path, nil).is(403)
				require.Equal(t, []asked{want}, o.questions())
				back()
			}
		})
		o.store.Inject(storetest.Fault{})
		require.Equal(t, before, c.read(), "nothing has happened")
		require.Equal(t, string(tokens), string(c.call("GET", c.path+"/tokens", nil).body))
		c.works(c.token, next)
		covers(t, "S-12")

		// What tokens open is decided about apart from what names them.
		tokensOnly := func(_ *http.Request, action scim.Action, _ string) error {
			if action == scim.ActionManageTokens || action == scim.ActionReadTokens {
				return nil
			}
			return errors.New("no")
		}
		back := o.deciding(tokensOnly)
		c.call("POST", c.path+"/rotate/complete", nil).is(200)
		c.call("GET", c.path+"/tokens", nil).is(200)
		c.call("DELETE", c.path+"/tokens/"+id, nil).is(200)
		c.call("GET", c.path, nil).problem(403, "forbidden")
		c.call("PATCH", c.path, map[string]any{"status": "disabled"}).problem(403, "forbidden")
		c.call("DELETE", c.path, nil).problem(403, "forbidden")
		back()
		back = o.deciding(func(r *http.Request, action scim.Action, tenant string) error {
			if tokensOnly(r, action, tenant) == nil {
				return errors.New("no")
			}
			return nil
		})
		c.call("GET", c.path, nil).is(200)
		c.call("PATCH", c.path, map[string]any{"display_name": "x"}).is(200)
		c.call("POST", c.path+"/rotate/start", nil).problem(403, "forbidden")
		c.call("POST", c.path+"/tokens", map[string]any{"name": "x"}).problem(403, "forbidden")
		c.call("GET", c.path+"/tokens", nil).problem(403, "forbidden")
		back()
		covers(t, "S-22")
		require.Len(t, actions, 9)

		// What there is nothing of, nobody is asked about.
		o.questions()
		for _, path := range []string{"", "/", "/tenants", "/tenants/acme", pathOf("acme") + "/", pathOf("acme", c.id, "rotate"), "/tenants//connections"} {
			o.call("GET", path, nil).problem(404, "not_found")
		}
		o.call("PUT", c.path, nil).problem(405, "method_not_allowed")
		require.Empty(t, o.questions())
	})
}

// What the host says to its decision is in the log.
func TestAdminLogsWhoWasRefused(t *testing.T) {
	t.Parallel()
	o := openOffice(t, memstore.New())
	o.deciding(func(*http.Request, scim.Action, string) error { return errors.New("canary\nof the host") })
	w := httptest.NewRecorder()
	o.admin.ServeHTTP(w, httptest.NewRequest(http.MethodPost, pathOf("acme"), http.NoBody))
	require.Equal(t, 403, w.Code)
	found := o.log.records(t)
	require.Len(t, found, 1)
	require.Equal(t, w.Header().Get("X-Request-Id"), found[0]["request_id"])
	require.Equal(t, "canary\nof the host", found[0]["cause"])
	require.NotContains(t, found[0], "tenant", "whoever may not call writes nothing into the log")
}

// Whose connection it is decides, and not who knows its id.
func TestAdminForeignTenants(t *testing.T) {
	t.Parallel()
	onEachOffice(t, func(t *testing.T, o *office) {
		ours, theirs := o.open("acme", nil), o.open("other", nil)
		next := ours.rotate()
		id, named := ours.issue("script")
		theirID, theirToken := theirs.issue("script")
		ours.scim(ours.token, "POST", "/Groups", map[string]any{"schemas": []string{groupURN}, "displayName": "canary-of-a-group"}).is(201)
		anna := ours.scim(ours.token, "POST", "/Users", user("anna")).is(201).id()
		before, tokens := ours.read(), string(ours.call("GET", ours.path+"/tokens", nil).is(200).body)
		o.events.take()
		o.contract.operations(func(template, method string, d *docCall) {
			if !strings.Contains(template, "{id}") {
				return
			}
			bodies := []any{bodyOf(d)}
			if d.id == "updateConnection" {
				bodies = append(bodies, map[string]any{"status": "disabled"}, map[string]any{"display_name": "stolen"})
			}
			for _, tenant := range []string{"other", "nobody", "Acme", "acme ", "acme\u200b", "acme%", "*", "null", ours.id} {
				for _, body := range bodies {
					a := o.call(method, fill(template, tenant, ours.id, id), body).problem(404, "connection_not_found")
					require.NotContains(t, string(a.body), "canary")
				}
			}
			for _, tenant := range []string{"", "%20", "%00", "%C2%A0"} { // none at all
				path := strings.Replace(template, "{tenant}", tenant, 1)
				a := o.call(method, fill(path, "", ours.id, id), bodyOf(d))
				require.Contains(t, []int{400, 404}, a.status)
			}
		})
		// A token belongs to its connection.
		theirs.call("DELETE", theirs.path+"/tokens/"+id, nil).problem(404, "token_not_found")
		ours.call("DELETE", ours.path+"/tokens/"+theirID, nil).problem(404, "token_not_found")
		for _, nothing := range []string{"nobody", "%00", "%20", "..", "%2e%2e%2f" + id, id + "%00", strings.ToUpper(id), named, endOf(named)} {
			ours.call("DELETE", ours.path+"/tokens/"+nothing, nil).problem(404, "token_not_found")
		}
		require.Empty(t, o.events.types())
		require.Equal(t, before, ours.read())
		require.Equal(t, tokens, string(ours.call("GET", ours.path+"/tokens", nil).body))
		ours.works(ours.token, named, next)
		theirs.works(theirs.token, theirToken)
		covers(t, "T-10", "S-01")

		// Nor do identity providers reach each other.
		theirs.scim(theirs.token, "GET", "/Users/"+anna, nil).is(404)
		theirs.scim(theirs.token, "DELETE", "/Users/"+anna, nil).is(404)
		theirs.scim(theirs.token, "PATCH", "/Users/"+anna, patchBody(op("replace", "active", false))).is(404)
		require.EqualValues(t, 0, theirs.scim(theirs.token, "GET", "/Groups", nil).is(200).at("totalResults"))
		ours.scim(ours.token, "GET", "/Users/"+anna, nil).is(200)
		covers(t, "S-63")
		before = ours.read()

		// A connection of another id is nobody's.
		for _, nobody := range []string{"nobody", "%00", "x%00", "%FF", "%20", "..", "%2e%2e", "*", "null", "0", strings.ToUpper(ours.id) + "x", ours.id + "%00", ours.id + "%20", strings.Repeat("x", 10_000)} {
			o.contract.operations(func(template, method string, d *docCall) {
				if strings.Contains(template, "{id}") {
					o.call(method, fill(template, "acme", nobody, id), bodyOf(d)).problem(404, "connection_not_found")
				}
			})
		}
		require.Equal(t, before, ours.read())
	})
}

// Every method of every path is what the document says, and no path has another spelling.
func TestAdminRoutes(t *testing.T) {
	t.Parallel()
	onEachOffice(t, func(t *testing.T, o *office) {
		c := o.open("acme", nil)
		id, _ := c.issue("script")
		want := c.read()
		for template, operations := range o.contract.paths {
			for _, method := range everyMethod {
				served := method
				if method == http.MethodHead {
					served = http.MethodGet
				}
				if operations[served] != nil || method == http.MethodConnect { // whose path is none
					continue
				}
				a := o.call(method, fill(template, "acme", c.id, id), nil)
				a.is(405)
				require.ElementsMatch(t, methodsOf(operations), strings.Split(a.header.Get("Allow"), ", "), template)
			}
		}
		o.contract.operations(func(template, method string, d *docCall) {
			if d.id == "createConnection" {
				o.call(method, fill(template, "another", "", ""), nil).is(201)
				return
			}
			c := o.open("tenant of "+d.id, nil)
			if d.id == "completeRotation" || d.id == "cancelRotation" {
				c.rotate()
			}
			id, _ := c.issue("script")
			a := o.call(method, fill(template, c.tenant, c.id, id), bodyOf(d))
			require.Less(t, a.status, 300, "%s: %s", d.id, a.body)
		})
		for template, operations := range o.contract.paths {
			path := fill(template, "acme", c.id, id)
			for _, crooked := range []string{
				path + "/", path + "//", "/" + path, strings.Replace(path, "/", "//", 1), path + "/x", path + "%2F", path + "/.", path + "/..", "/." + path, "/x/.." + path,
				strings.ToUpper(path), strings.Replace(path, "connections", "%63onnections", 1) + "%20", strings.Replace(path, "tenants", "tenant", 1), path + ";x", path + ".json",
			} {
				if _, found, _ := o.contract.match(crooked); found != nil {
					continue // an id of another spelling
				}
				for _, method := range append([]string{"HEAD"}, methodsOf(operations)...) {
					o.call(method, crooked, nil).is(404)
				}
			}
		}
		require.Equal(t, want, c.read())
	})
}

func methodsOf(operations map[string]*docCall) (methods []string) {
	for method := range operations {
		methods = append(methods, method)
	}
	return methods
}

// HEAD is answered as GET, without the body.
func TestAdminHead(t *testing.T) {
	t.Parallel()
	onEachOffice(t, func(t *testing.T, o *office) {
		c := o.open("acme", nil)
		o.contract.operations(func(template, method string, d *docCall) {
			if method == http.MethodGet {
				get := o.call("GET", fill(template, "acme", c.id, ""), nil).is(200)
				head := o.call("HEAD", fill(template, "acme", c.id, ""), nil).is(200)
				require.Empty(t, head.body)
				require.NotEmpty(t, get.body)
				require.Equal(t, get.header.Get("Content-Type"), head.header.Get("Content-Type"))
				o.call("HEAD", fill(template, " ", "nobody", ""), nil).is(map[bool]int{true: 200, false: 400}[d.id == "describeAPI"])
			}
		})
	})
}

func TestAdminServesTheDocument(t *testing.T) {
	t.Parallel()
	onEachOffice(t, func(t *testing.T, o *office) {
		a := o.call("GET", "/openapi.json", nil).is(200)
		require.Equal(t, string(openapi.Document), string(a.body))
		require.Equal(t, "application/json", a.header.Get("Content-Type"))
	})
}

// A store that fails is a 503, whichever of its calls fails, and says nothing of itself. What succeeds all the same is whole.
func TestAdminStoreFaults(t *testing.T) {
	t.Parallel()
	onEachOffice(t, func(t *testing.T, o *office) {
		failures := 0
		o.contract.operations(func(template, method string, d *docCall) {
			if d.answers[http.StatusServiceUnavailable] == nil {
				o.call(method, template, nil).is(200) // it asks no store
				return
			}
			var c *account
			var id string
			for _, after := range []bool{false, true} {
				for n := 1; ; n++ {
					if c == nil || method != http.MethodGet { // one that nothing has happened to
						c = o.open(fmt.Sprint("tenant of ", d.id, n, after), nil)
						id, _ = c.issue("script")
					}
					if d.id == "completeRotation" || d.id == "cancelRotation" {
						c.rotate()
					}
					tenant := c.tenant
					if d.id == "createConnection" {
						tenant += ", which has none yet"
					}
					o.clock.advance(time.Hour)
					c.works(c.token) // so that there is a use to store
					before := o.state(tenant)
					o.store.Inject(storetest.Fault{Call: n, After: after, Err: errors.New("canary of the store")})
					a := o.call(method, fill(template, tenant, c.id, id), bodyOf(d))
					fired := o.store.Fired()
					o.store.Inject(storetest.Fault{})
					if !fired {
						require.Less(t, a.status, 300, "%s: %s", d.id, a.body)
						break
					}
					failures++
					if d.id == "deleteConnection" && a.status == 200 {
						continue // the resources are removed later
					}
					if !after {
						require.Equal(t, before, o.state(tenant), "%s: call %d failed, and something has happened", d.id, n)
					}
					retry, err := strconv.Atoi(a.problem(503, "unavailable").header.Get("Retry-After"))
					require.NoError(t, err)
					require.Positive(t, retry)
					require.NotContains(t, string(a.body), "canary")
					o.call("GET", pathOf(tenant), nil).is(200)
				}
			}
		})
		require.Greater(t, failures, 60)
	})
}

// state is what the store holds of a tenant's connections, save when tokens were used.
func (o *office) state(tenant string) (state []any) {
	o.t.Helper()
	connections, err := o.connections.List(o.t.Context(), tenant)
	require.NoError(o.t, err)
	for _, c := range connections {
		tokens, err := o.connections.Tokens(o.t.Context(), c.Scope())
		require.NoError(o.t, err)
		for i := range tokens {
			tokens[i].LastUsedAt = time.Time{}
		}
		state = append(state, c, tokens)
	}
	return state
}

// A panic, of the host or of a sink, is a 500 that says nothing of itself, and takes back what it interrupts.
func TestAdminPanics(t *testing.T) {
	t.Parallel()
	onEachOffice(t, func(t *testing.T, o *office) {
		c := o.open("acme", nil)
		id, named := c.issue("script")
		before := c.read()
		o.contract.operations(func(template, method string, d *docCall) {
			back := o.deciding(func(*http.Request, scim.Action, string) error { panic("canary of the host") })
			a := o.call(method, fill(template, "acme", c.id, id), bodyOf(d)).problem(500, "internal_error")
			require.Equal(t, "application/problem+json", a.header.Get("Content-Type"))
			require.NotContains(t, string(a.body), "canary")
			back()
		})
		o.events.broken.Store(true)
		for _, w := range []struct {
			method, path string
			body         any
		}{
			{"POST", pathOf("other"), nil}, {"PATCH", c.path, map[string]any{"status": "disabled"}}, {"DELETE", c.path, nil}, {"POST", c.path + "/rotate/start", nil},
			{"POST", c.path + "/tokens", map[string]any{"name": "x"}}, {"DELETE", c.path + "/tokens/" + id, nil},
		} {
			a := o.call(w.method, w.path, w.body).problem(500, "internal_error")
			require.NotContains(t, string(a.body), "canary")
		}
		o.events.broken.Store(false)
		require.Equal(t, before, c.read())
		require.Empty(t, o.call("GET", pathOf("other"), nil).is(200).at("connections"))
		require.Len(t, c.call("GET", c.path+"/tokens", nil).is(200).at("tokens"), 2)
		c.works(c.token, named)
	})
}

// What net/http takes for the end of an answer goes through.
func TestAdminAborts(t *testing.T) {
	t.Parallel()
	o := openOffice(t, memstore.New())
	o.deciding(func(*http.Request, scim.Action, string) error { panic(http.ErrAbortHandler) })
	w := httptest.NewRecorder()
	require.PanicsWithValue(t, http.ErrAbortHandler, func() {
		o.admin.ServeHTTP(w, httptest.NewRequest(http.MethodGet, pathOf("acme"), http.NoBody))
	})
	require.Empty(t, w.Body.String())
	records := o.log.records(t)
	require.Len(t, records, 1)
	require.EqualValues(t, 0, records[0]["status"])
}

// Everything that the document says can be answered is, and nothing else.
func TestAdminAnswersAreTheDocuments(t *testing.T) {
	t.Parallel()
	onEachOffice(t, func(t *testing.T, o *office) {
		const nobody = "00000000-0000-0000-0000-000000000000"
		c := o.open("acme", nil)
		id, _ := c.issue("script")
		huge := `{"display_name":"` + strings.Repeat("x", 64<<10) + `"}`
		o.contract.operations(func(template, method string, d *docCall) {
			path := fill(template, "acme", c.id, id)
			for status, err := range map[int]error{401: scim.ErrUnauthorized, 403: errors.New("no")} {
				back := o.deciding(func(*http.Request, scim.Action, string) error { return err })
				o.call(method, path, nil).is(status)
				back()
			}
			back := o.deciding(func(*http.Request, scim.Action, string) error { panic("canary") })
			o.call(method, path, nil).problem(500, "internal_error")
			back()
			if !strings.Contains(template, "{tenant}") {
				return
			}
			o.call(method, fill(template, "\n", c.id, id), nil).problem(400, "invalid_tenant")
			fault := storetest.Fault{Call: 1, Err: errors.New("canary")}
			o.store.Inject(fault)
			tenant := "acme"
			if d.id == "createConnection" {
				tenant = "new"
			}
			o.call(method, fill(template, tenant, c.id, id), bodyOf(d)).problem(503, "unavailable")
			o.store.Inject(storetest.Fault{})
			if d.body != nil {
				o.call(method, path, "[]").problem(400, "invalid_body")
				o.call(method, path, huge).problem(413, "body_too_large")
			}
			if strings.Contains(template, "{id}") {
				o.call(method, fill(template, "acme", nobody, id), bodyOf(d)).problem(404, "connection_not_found")
			}
			if d.parameters["query"]["limit"] != nil {
				o.call(method, path+"?limit=0", nil).problem(400, "invalid_limit")
				o.call(method, path+"?cursor=x", nil).problem(400, "invalid_cursor")
				o.call(method, path+"?%zz", nil).problem(400, "invalid_query")
			}
		})
		long := strings.Repeat("x", 300)
		for _, q := range []struct {
			method, path string
			body         any
			status       int
			code         string
		}{
			{"GET", "/openapi.json", nil, 200, ""},
			{"POST", pathOf("acme"), map[string]any{"identity_provider": "x"}, 400, "invalid_identity_provider"},
			{"POST", pathOf("acme"), map[string]any{"display_name": long}, 400, "invalid_display_name"},
			{"POST", pathOf("acme"), `{"bearer_token_expires_at":"2020-01-01T00:00:00Z"}`, 400, "invalid_bearer_token_expires_at"},
			{"POST", pathOf("acme"), nil, 409, "active_connection_exists"},
			{"GET", pathOf("acme"), nil, 200, ""},
			{"GET", c.path, nil, 200, ""},
			{"PATCH", c.path, map[string]any{"identity_provider": "x"}, 400, "invalid_identity_provider"},
			{"PATCH", c.path, map[string]any{"display_name": ""}, 400, "invalid_display_name"},
			{"PATCH", c.path, map[string]any{"status": "deleted"}, 400, "invalid_status"},
			{"PATCH", c.path, map[string]any{"status": "disabled"}, 200, ""},
			{"POST", pathOf("acme"), nil, 201, ""},
			{"PATCH", c.path, map[string]any{"status": "active"}, 409, "active_connection_exists"},
			{"POST", c.path + "/rotate/complete", nil, 409, "not_rotating"},
			{"POST", c.path + "/rotate/cancel", nil, 409, "not_rotating"},
			{"POST", c.path + "/rotate/start", `{"next_bearer_token_expires_at":"2020-01-01T00:00:00Z"}`, 400, "invalid_next_bearer_token_expires_at"},
			{"POST", c.path + "/rotate/start", nil, 200, ""},
			{"POST", c.path + "/rotate/start", nil, 409, "already_rotating"},
			{"POST", c.path + "/rotate/complete", nil, 200, ""},
			{"POST", c.path + "/rotate/start", nil, 200, ""},
			{"POST", c.path + "/rotate/cancel", nil, 200, ""},
			{"POST", c.path + "/tokens", map[string]any{"name": " "}, 400, "invalid_name"},
			{"POST", c.path + "/tokens", `{"name":"x","expires_at":"2020-01-01T00:00:00Z"}`, 400, "invalid_expires_at"},
			{"GET", c.path + "/tokens", nil, 200, ""},
			{"GET", c.path + "/groups", nil, 200, ""},
			{"GET", c.path + "/journal?failed=1&failed=1", nil, 400, "invalid_failed"},
			{"GET", c.path + "/journal", nil, 200, ""},
			{"DELETE", c.path + "/tokens/nobody", nil, 404, "token_not_found"},
			{"DELETE", c.path + "/tokens/" + id, nil, 200, ""},
		} {
			if a := o.call(q.method, q.path, q.body).is(q.status); q.code != "" {
				a.problem(q.status, q.code)
			}
		}
		for o.call("POST", c.path+"/tokens", map[string]any{"name": "x"}).status == 201 {
			continue
		}
		c.call("POST", c.path+"/tokens", map[string]any{"name": "x"}).problem(409, "too_many_tokens")
		c.call("POST", c.path+"/rotate/start", nil).problem(409, "too_many_tokens")
		c.call("DELETE", c.path, nil).is(200)
		for _, want := range o.contract.outcomes() {
			require.True(t, o.seen[want], "the document says that %s answers %d %s, and nothing makes it do so", want.operation, want.status, want.code)
			delete(o.seen, want)
		}
		require.Empty(t, o.seen)
	})
}

// What checks the answers finds what is wrong with them.
func TestOpenAPIFindsMistakes(t *testing.T) {
	t.Parallel()
	o := openOffice(t, memstore.New())
	c := o.open("acme", nil)
	c.rotate()
	c.issue("script")
	c.scim(c.token, "POST", "/Groups", map[string]any{"schemas": []string{groupURN}, "displayName": "Crew", "externalId": "e"}).is(201)
	for _, path := range []string{pathOf("acme"), c.path, c.path + "/tokens", c.path + "/groups", c.path + "/journal", pathOf("acme", "nobody")} {
		a := o.call("GET", path, nil)
		good := exchanged{method: "GET", path: path, status: a.status, header: a.header, body: a.body}
		_, err := o.contract.check(good)
		require.NoError(t, err)
		bad := func(what string, change func(x *exchanged)) {
			t.Helper()
			x := good
			x.header = good.header.Clone()
			change(&x)
			_, err := o.contract.check(x)
			require.Error(t, err, "%s in %s", what, path)
		}
		bad("another status", func(x *exchanged) { x.status = 299 })
		bad("another error", func(x *exchanged) { x.status = 409 })
		bad("another type", func(x *exchanged) { x.header.Set("Content-Type", "text/plain") })
		bad("no request id", func(x *exchanged) { x.header.Del("X-Request-Id") })
		bad("two request ids", func(x *exchanged) { x.header.Add("X-Request-Id", "x") })
		bad("no JSON", func(x *exchanged) { x.body = []byte("{") })
		bad("another path", func(x *exchanged) { x.path = "/tenants" })
		bad("another method", func(x *exchanged) { x.method = "PUT" })
		bad("a body for HEAD", func(x *exchanged) { x.method = "HEAD" })
		mutations := 0
		eachNode(a.json(), "", func(where string, v any) {
			object, ok := v.(map[string]any)
			if !ok {
				return
			}
			open := a.json() // a copy
			target := at(open, where)
			target["unexpected"] = 1
			bad("an unexpected member of "+where, func(x *exchanged) { x.body = encode(t, open) })
			for name := range object {
				if name == "external_id" || name == "token_id" && strings.HasSuffix(path, "journal") || name == "resource_id" {
					continue
				}
				without := a.json()
				delete(at(without, where), name)
				bad("no "+where+"/"+name, func(x *exchanged) { x.body = encode(t, without) })
				other := a.json()
				at(other, where)[name] = []any{map[string]any{}}
				bad("another type of "+where+"/"+name, func(x *exchanged) { x.body = encode(t, other) })
				mutations += 2
			}
		})
		require.Greater(t, mutations, 10)
	}
	for _, secret := range []string{"bearer_token", "next_bearer_token"} {
		leaking := o.call("GET", c.path, nil).json()
		leaking["connection"].(map[string]any)[secret] = c.token
		_, err := o.contract.check(exchanged{method: "GET", path: c.path, status: 200, header: o.call("GET", c.path, nil).header, body: encode(t, leaking)})
		require.Error(t, err)
	}
	refused := o.call("POST", pathOf("acme"), nil).problem(409, "active_connection_exists")
	for _, change := range []func(m map[string]any){
		func(m map[string]any) { m["code"] = "not_rotating" }, func(m map[string]any) { m["status"] = 400 }, func(m map[string]any) { m["title"] = "x" },
		func(m map[string]any) { m["type"] = "x" },
	} {
		m := refused.json()
		change(m)
		_, err := o.contract.check(exchanged{method: "POST", path: pathOf("acme"), status: 409, header: refused.header, body: encode(t, m)})
		require.Error(t, err)
	}
	// A request that is carried out must conform, and one that is refused for its form must not.
	created := o.call("POST", pathOf("another"), nil).is(201)
	for _, body := range []string{`{"unknown":1}`, `{"strict":"yes"}`, `{"strict":true,"strict":true}`, "{", "[]", `{"bearer_token_expires_at":"tomorrow"}`} {
		_, err := o.contract.check(exchanged{method: "POST", path: pathOf("another"), status: 201, header: created.header, body: created.body, request: []byte(body)})
		require.Error(t, err, body)
	}
	invalid := o.call("POST", pathOf("another"), "{").problem(400, "invalid_body")
	_, err := o.contract.check(exchanged{method: "POST", path: pathOf("another"), status: 400, header: invalid.header, body: invalid.body, request: []byte(`{"strict":true}`)})
	require.Error(t, err)
}

// at returns the object at a path that eachNode gave.
func at(v map[string]any, path string) map[string]any {
	var here any = v
	for _, step := range strings.Split(path, "/")[1:] {
		switch h := here.(type) {
		case map[string]any:
			here = h[step]
		case []any:
			i, _ := strconv.Atoi(step)
			here = h[i]
		}
	}
	return here.(map[string]any)
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return text
}
