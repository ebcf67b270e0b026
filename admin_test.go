package scim_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/internal/dbtest"
	"github.com/scimkit/scim/store"
	"github.com/scimkit/scim/store/memstore"
	"github.com/scimkit/scim/store/storetest"
)

// The management API, over HTTP.

// office is a server with both APIs, as a host has it: identity providers come to /scim/v2, administrators to /admin.
//
// Every answer of the management API passes the tripwires of check, so that no test has to repeat them.
type office struct {
	t           testing.TB
	contract    *contract
	store       *storetest.FaultStore
	connections *scim.Connections
	handler     *scim.Handler
	admin       *scim.Admin
	clock       *clock
	events      *eventLog
	log         *logBuffer
	origin      string
	client      *http.Client
	secrets     []string // texts of tokens, which no answer but the one that creates them has
	seen        map[outcome]bool
	answered    []logged

	mu        sync.Mutex
	authorize func(*http.Request, scim.Action, string) error
	asked     []asked
}

// asked is a question to the host.
type asked struct {
	action scim.Action
	tenant string
}

// logged is what the record of a call must say.
type logged struct {
	id, method, path, code string
	status                 int
}

// layout is what options change before an office opens.
type layout struct {
	connections scim.ConnectionsConfig
	handler     scim.Config
	clock       *clock
	path        string // of the base URL
}

func openOffice(t testing.TB, directory store.Store, options ...func(*layout)) *office {
	t.Helper()
	o := &office{
		t: t, contract: theContract(t), store: storetest.NewFaultStore(directory), events: &eventLog{}, log: &logBuffer{}, seen: map[outcome]bool{},
		authorize: func(*http.Request, scim.Action, string) error { return nil },
	}
	l := layout{clock: newClock(), path: "/scim/v2"}
	for _, option := range options {
		option(&l)
	}
	server := httptest.NewUnstartedServer(nil)
	o.origin, o.clock = "http://"+server.Listener.Addr().String(), l.clock
	logger := slog.New(slog.NewJSONHandler(o.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	l.connections.Store, l.connections.Events, l.connections.Now, l.connections.Logger = o.store, o.events, o.clock.now, logger
	o.connections, err = scim.NewConnections(l.connections)
	require.NoError(t, err)
	l.handler.Store, l.handler.Verifier, l.handler.Journal, l.handler.Events = o.store, o.connections, o.connections, o.events
	l.handler.BaseURL, l.handler.Now, l.handler.Logger, l.handler.RateLimiter = o.origin+l.path, o.clock.now, logger, scim.Unlimited
	o.handler, err = scim.New(l.handler)
	require.NoError(t, err)
	o.admin, err = scim.NewAdmin(scim.AdminConfig{Handler: o.handler, Connections: o.connections, Authorize: o.ask})
	require.NoError(t, err)
	management := http.StripPrefix("/admin", o.admin)
	server.Config.Handler = o.handler.Mount(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		management.ServeHTTP(w, r)
	}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.Start()
	o.client = server.Client()
	o.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	t.Cleanup(func() {
		server.Close()
		o.checkLog()
	})
	return o
}

// onEachOffice runs f once per store.
func onEachOffice(t *testing.T, f func(t *testing.T, o *office), options ...func(*layout)) {
	t.Helper()
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			f(t, openOffice(t, b.open(t), options...))
		})
	}
}

// shared are the stores that two processes have in common.
var shared = []struct {
	name string
	open func(testing.TB) [2]store.Store
}{
	{"memstore", func(testing.TB) [2]store.Store { s := memstore.New(); return [2]store.Store{s, s} }},
	{"sqlite", func(t testing.TB) [2]store.Store {
		dsn := dbtest.SQLiteDSN(dbtest.SQLiteFile(t))
		return [2]store.Store{openSQL(t, connect(t, "sqlite", dsn), filter.SQLite), openSQL(t, connect(t, "sqlite", dsn), filter.SQLite)}
	}},
	{"postgresql", func(t testing.TB) [2]store.Store {
		dsn := dbtest.PostgreSQLDSN(t)
		return [2]store.Store{openSQL(t, connect(t, "pgx", dsn), filter.PostgreSQL), openSQL(t, connect(t, "pgx", dsn), filter.PostgreSQL)}
	}},
}

func connect(t testing.TB, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// onTwoOffices runs f once per store with two offices on it that have one clock.
func onTwoOffices(t *testing.T, f func(t *testing.T, here, there *office)) {
	t.Helper()
	for _, b := range shared {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			stores, clock := b.open(t), newClock()
			sameClock := func(l *layout) { l.clock = clock }
			f(t, openOffice(t, stores[0], sameClock), openOffice(t, stores[1], sameClock))
		})
	}
}

// ask is the host's decision.
func (o *office) ask(r *http.Request, action scim.Action, tenant string) error {
	o.mu.Lock()
	o.asked = append(o.asked, asked{action, tenant})
	authorize := o.authorize
	o.mu.Unlock()
	return authorize(r, action, tenant)
}

// deciding lets the host decide otherwise until the function that it returns is called.
func (o *office) deciding(authorize func(*http.Request, scim.Action, string) error) (back func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	before := o.authorize
	o.authorize = authorize
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.authorize = before
	}
}

// questions returns what the host was asked since the last time.
func (o *office) questions() []asked {
	o.mu.Lock()
	defer o.mu.Unlock()
	taken := o.asked
	o.asked = nil
	return taken
}

// call calls the management API. path is escaped and may have a query. A body is JSON: a string as it is, anything else encoded.
func (o *office) call(method, path string, body any, headers ...string) *response {
	o.t.Helper()
	var content []byte
	switch b := body.(type) {
	case nil:
	case string:
		content = []byte(b)
	default:
		var err error
		content, err = json.Marshal(b)
		require.NoError(o.t, err)
	}
	a := o.send(method, o.origin+"/admin"+path, content, headers...)
	path, query, _ := strings.Cut(path, "?")
	o.check(exchanged{method: method, path: path, query: query, request: content, status: a.status, header: a.header, body: a.body}, a)
	return a
}

func (o *office) send(method, target string, body []byte, headers ...string) *response {
	o.t.Helper()
	r, err := http.NewRequestWithContext(o.t.Context(), method, target, bytes.NewReader(body))
	require.NoError(o.t, err)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := o.client.Do(r)
	require.NoError(o.t, err)
	defer func() { require.NoError(o.t, answer.Body.Close()) }()
	content, err := io.ReadAll(answer.Body)
	require.NoError(o.t, err)
	return &response{t: o.t, status: answer.StatusCode, header: answer.Header, body: content}
}

// check holds every answer against the document and what all answers must have in common.
func (o *office) check(x exchanged, a *response) {
	o.t.Helper()
	where := fmt.Sprintf("%s %s?%s %.300s\n%d %s", x.method, x.path, x.query, x.request, a.status, a.body)
	out, err := o.contract.check(x)
	require.NoError(o.t, err, where)
	if out != (outcome{}) && x.method != http.MethodHead {
		o.seen[out] = true
	}
	require.Equal(o.t, "no-store", a.header.Get("Cache-Control"), where)
	require.Equal(o.t, "nosniff", a.header.Get("X-Content-Type-Options"), where)
	id := a.header.Get("X-Request-Id")
	require.NotEmpty(o.t, id, where)
	require.Empty(o.t, a.header.Get("Location"), where)
	require.Equal(o.t, a.status == http.StatusMethodNotAllowed, a.header.Get("Allow") != "", where)
	require.Equal(o.t, a.status == http.StatusServiceUnavailable, a.header.Get("Retry-After") != "", where)
	require.Equal(o.t, a.status == http.StatusUnauthorized, a.header.Get("WWW-Authenticate") != "", where)
	record := logged{id: id, method: x.method, path: x.path, status: a.status}
	if a.status >= 400 && x.method != http.MethodHead {
		require.Equal(o.t, id, a.at("request_id"), where)
		record.code = a.at("code").(string)
		for _, leak := range []string{"panic", "goroutine", ".go:", "SELECT", "scim.", "store", "canary"} {
			require.NotContains(o.t, a.at("detail"), leak, where)
		}
	}
	o.answered = append(o.answered, record)
	o.leaks("answer", string(a.body)+fmt.Sprint(a.header))
	if x.method != http.MethodHead && a.status < 300 {
		o.secrets = append(o.secrets, tokensIn(a)...)
	}
}

func (o *office) leaks(what, text string) {
	o.t.Helper()
	if !strings.Contains(text, "scim_") {
		return
	}
	for _, secret := range o.secrets {
		require.NotContains(o.t, text, secret, "a token that was shown before is in the "+what)
	}
}

// tokensIn returns the texts of the tokens that an answer shows.
func tokensIn(a *response) (texts []string) {
	eachNode(a.json(), "", func(path string, v any) {
		text, ok := v.(string)
		if ok && (strings.HasSuffix(path, "/bearer_token") || strings.HasSuffix(path, "/next_bearer_token")) {
			texts = append(texts, text)
		}
	})
	return texts
}

// checkLog holds the log against the answers: one record for each, and no token in any.
func (o *office) checkLog() {
	o.t.Helper()
	o.leaks("log", o.log.String())
	o.leaks("events", fmt.Sprintf("%+v", o.events.take()))
	records := map[string][]map[string]any{}
	for _, r := range o.log.records(o.t) {
		if r["msg"] == "scim management" {
			id := r["request_id"].(string)
			records[id] = append(records[id], r)
		}
	}
	for _, want := range o.answered {
		require.Len(o.t, records[want.id], 1, "%+v", want)
		got := records[want.id][0]
		require.EqualValues(o.t, want.status, got["status"], "%v", got)
		if want.code != "" {
			require.Equal(o.t, want.code, got["code"])
		}
		template, operations, _ := o.contract.match(want.path)
		if operations[strings.Replace(want.method, "HEAD", "GET", 1)] == nil {
			require.NotContains(o.t, got, "route")
			continue
		}
		require.Equal(o.t, template, got["route"])
		require.Equal(o.t, want.method, got["method"])
		require.Equal(o.t, want.status >= 500, got["level"] == "ERROR", "%v", got)
	}
}

// problem requires an error of the management API.
func (a *response) problem(status int, code string) *response {
	a.t.Helper()
	a.is(status)
	require.Equal(a.t, code, a.at("code"), string(a.body))
	return a
}

func (a *response) text(path ...any) string {
	a.t.Helper()
	text, ok := a.at(path...).(string)
	require.True(a.t, ok, "%v in %s", path, a.body)
	return text
}

// pathOf is the path of a tenant's connections, or of something below them.
func pathOf(tenant string, below ...string) string {
	path := "/tenants/" + url.PathEscape(tenant) + "/connections"
	for _, segment := range below {
		path += "/" + segment
	}
	return path
}

// account is a connection as its administrator has it.
type account struct {
	*office
	tenant, id, path, token string
	baseURL                 string
}

// open creates a connection.
func (o *office) open(tenant string, body any) *account {
	o.t.Helper()
	a := o.call("POST", pathOf(tenant), body).is(201)
	id := a.text("connection", "connection_id")
	return &account{
		office: o, tenant: tenant, id: id, path: pathOf(tenant, id), token: a.text("connection", "bearer_token"),
		baseURL: a.text("connection", "base_url"),
	}
}

// at is the same connection seen from another office.
func (c *account) at(o *office) *account {
	other := *c
	other.office = o
	o.secrets = append(o.secrets, c.token)
	return &other
}

// read returns the connection as it is.
func (c *account) read() map[string]any {
	c.t.Helper()
	return c.call("GET", c.path, nil).is(200).at("connection").(map[string]any)
}

// scim sends a SCIM request with a token to what is behind the base URL.
func (c *account) scim(token, method, target string, body any) *response {
	c.t.Helper()
	base, _, _ := strings.Cut(c.baseURL, "?")
	return c.knock(token, method, base+target, body)
}

// knock sends a SCIM request to a URL, at this office.
func (c *account) knock(token, method, target string, body any) *response {
	c.t.Helper()
	u, err := url.Parse(target)
	require.NoError(c.t, err)
	var content []byte
	if body != nil {
		content, err = json.Marshal(body)
		require.NoError(c.t, err)
	}
	return c.send(method, c.origin+u.RequestURI(), content, "Authorization", "Bearer "+token, "Content-Type", "application/scim+json")
}

// works requires that each of the tokens is accepted.
func (c *account) works(tokens ...string) {
	c.t.Helper()
	for _, token := range tokens {
		c.scim(token, "GET", "/Users?count=0", nil).is(200)
	}
}

// refused requires that each of the tokens is answered as one that never was.
func (c *account) refused(tokens ...string) {
	c.t.Helper()
	want := string(c.scim("scim_aaaaaaaaaaaaaaaa_0123456789012345678901234567890123456789012", "GET", "/Users", nil).is(401).body)
	for _, token := range tokens {
		a := c.scim(token, "GET", "/Users", nil).is(401)
		require.Equal(c.t, want, string(a.body))
		require.Equal(c.t, `Bearer realm="scim", error="invalid_token"`, a.header.Get("WWW-Authenticate"))
		require.Equal(c.t, "application/scim+json", a.header.Get("Content-Type"))
	}
}

// rotate starts a rotation and returns the next token.
func (c *account) rotate() string {
	c.t.Helper()
	return c.call("POST", c.path+"/rotate/start", nil).is(200).text("connection", "next_bearer_token")
}

// issue issues a named token.
func (c *account) issue(name string) (id, token string) {
	c.t.Helper()
	a := c.call("POST", c.path+"/tokens", map[string]any{"name": name}).is(201)
	return a.text("token", "token_id"), a.text("token", "bearer_token")
}

// timeOf reads a time that the API shows.
func timeOf(t testing.TB, v any) time.Time {
	t.Helper()
	text, ok := v.(string)
	require.True(t, ok, "%v is no time", v)
	at, err := time.Parse(time.RFC3339Nano, text)
	require.NoError(t, err)
	require.Equal(t, time.UTC, at.Location())
	return at
}

// stamp is a time as the API shows it.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func endOf(token string) string { return token[len(token)-4:] }

// The whole life of a connection, seen from two processes on one store.
func TestAdminLife(t *testing.T) {
	t.Parallel()
	onTwoOffices(t, func(t *testing.T, here, there *office) {
		// A connection is created once. What is wrong with a request is found before that there is one already.
		here.call("POST", pathOf("acme"), map[string]any{"identity_provider": "nobody"}).problem(400, "invalid_identity_provider")
		require.Empty(t, here.call("GET", pathOf("acme"), nil).is(200).at("connections"))
		a := here.open("acme", map[string]any{"identity_provider": "okta", "display_name": "Okta of Acme"})
		b := a.at(there)
		here.call("POST", pathOf("acme"), nil).problem(409, "active_connection_exists")
		there.call("POST", pathOf("acme"), map[string]any{"identity_provider": "generic"}).problem(409, "active_connection_exists")
		there.call("POST", pathOf("acme"), map[string]any{"identity_provider": "nobody"}).problem(400, "invalid_identity_provider")
		require.Len(t, there.call("GET", pathOf("acme"), nil).is(200).at("connections"), 1)
		covers(t, "S-02")

		// It is used, in both processes.
		anna := a.scim(a.token, "POST", "/Users", user("anna")).is(201).id()
		b.scim(a.token, "GET", "/Users/"+anna, nil).is(200)
		first := a.token
		require.Equal(t, endOf(first), b.read()["bearer_token_last_four"])

		// Its token is rotated: both are valid in between.
		second := a.rotate()
		a.works(first, second)
		b.works(first, second)
		covers(t, "S-15")
		require.Equal(t, endOf(second), b.read()["next_bearer_token_last_four"])
		a.call("POST", a.path+"/rotate/start", nil).problem(409, "already_rotating")
		b.call("POST", b.path+"/rotate/start", map[string]any{}).problem(409, "already_rotating")
		a.works(first, second)
		require.Equal(t, endOf(second), b.read()["next_bearer_token_last_four"])
		covers(t, "S-17")
		done := a.call("POST", a.path+"/rotate/complete", nil).is(200)
		require.Equal(t, endOf(second), done.at("connection", "bearer_token_last_four"))
		require.Nil(t, done.at("connection", "next_bearer_token_last_four"))
		require.Nil(t, done.at("connection", "next_bearer_token_expires_at"))
		a.refused(first)
		b.refused(first)
		a.works(second)
		b.works(second)
		for _, end := range []string{"complete", "cancel"} {
			a.call("POST", a.path+"/rotate/"+end, nil).problem(409, "not_rotating")
			b.call("POST", b.path+"/rotate/"+end, nil).problem(409, "not_rotating")
		}
		b.works(second)

		// Another rotation is cancelled, in the other process.
		third := b.rotate()
		a.works(second, third)
		b.works(second, third)
		undone := b.call("POST", b.path+"/rotate/cancel", nil).is(200)
		require.Equal(t, endOf(second), undone.at("connection", "bearer_token_last_four"))
		require.Nil(t, undone.at("connection", "next_bearer_token_last_four"))
		a.refused(third)
		b.refused(third)
		a.works(second)
		b.works(second)
		a.call("POST", a.path+"/rotate/cancel", nil).problem(409, "not_rotating")
		covers(t, "S-16")

		// A token expires to the moment. A connection without a valid token gets one by a rotation.
		at := here.clock.now().Add(time.Hour).Truncate(time.Second)
		expiring := a.call("POST", a.path+"/rotate/start", map[string]any{"next_bearer_token_expires_at": at}).is(200)
		require.Equal(t, stamp(at), expiring.at("connection", "next_bearer_token_expires_at"))
		fourth := expiring.text("connection", "next_bearer_token")
		a.call("POST", a.path+"/rotate/complete", nil).is(200)
		require.Equal(t, stamp(at), b.read()["bearer_token_expires_at"])
		here.clock.advance(50 * time.Minute)
		b.works(fourth)
		here.clock.advance(10 * time.Minute)
		a.refused(fourth)
		b.refused(fourth)
		fifth := a.rotate()
		a.works(fifth)
		b.call("POST", b.path+"/rotate/complete", nil).is(200)
		a.works(fifth)
		covers(t, "S-18")

		// A disabled connection takes no part until it is enabled; what it has stays.
		_, named := a.issue("script")
		b.works(fifth, named)
		require.Equal(t, "disabled", b.call("PATCH", b.path, map[string]any{"status": "disabled"}).is(200).at("connection", "status"))
		a.refused(fifth, named)
		b.refused(fifth, named)
		require.Equal(t, "active", a.call("PATCH", a.path, map[string]any{"status": "active"}).is(200).at("connection", "status"))
		b.works(fifth, named)
		a.scim(fifth, "GET", "/Users/"+anna, nil).is(200)

		// It is deleted, for good.
		next := a.rotate()
		deleted := b.call("DELETE", b.path, nil).is(200)
		require.JSONEq(t, `{"connection_id":"`+a.id+`"}`, string(deleted.body))
		for _, c := range []*account{a, b} {
			c.refused(first, second, third, fourth, fifth, named, next)
			c.call("GET", c.path, nil).problem(404, "connection_not_found")
			c.call("DELETE", c.path, nil).problem(404, "connection_not_found")
			c.call("PATCH", c.path, map[string]any{"status": "active"}).problem(404, "connection_not_found")
			for _, below := range []string{"/tokens", "/groups", "/journal"} {
				c.call("GET", c.path+below, nil).problem(404, "connection_not_found")
			}
			require.Empty(t, c.call("GET", pathOf("acme"), nil).is(200).at("connections"))
		}
		require.NoError(t, here.connections.Sweep(t.Context()))
		for _, kind := range []string{"User", "Group"} {
			page, err := here.store.List(t.Context(), store.Scope{Connection: a.id, Tenant: "acme"}, store.Query{Type: kind, Start: 1, Count: 10})
			require.NoError(t, err)
			require.Empty(t, page.Resources)
			require.Zero(t, page.Total)
		}
		again := there.open("acme", nil)
		require.NotEqual(t, a.id, again.id)
		again.scim(again.token, "GET", "/Users/"+anna, nil).is(404)
		b.refused(fifth, named, next)
		covers(t, "S-09", "S-23")
	})
}

func TestAdminCreate(t *testing.T) {
	t.Parallel()
	onEachOffice(t, func(t *testing.T, o *office) {
		// Both fields are optional, and so is the body.
		for i, body := range []any{nil, "", " \n", "{}", ` {"strict" : false } `, `{"display_name":null,"identity_provider":null,"policy":null,"strict":null,"bearer_token_expires_at":null}`, `{"display_name":"","identity_provider":""}`} {
			got := o.call("POST", pathOf(fmt.Sprint("plain-", i)), body).is(201)
			require.Equal(t, "generic", got.at("connection", "identity_provider"))
			require.Equal(t, dialect.RecipeFor(dialect.Generic).Label, got.at("connection", "display_name"))
			require.Equal(t, false, got.at("connection", "strict"))
		}
		covers(t, "S-03")
		before := o.clock.now()
		expiry := time.Date(2027, 1, 2, 3, 4, 5, 6789, time.FixedZone("", 7200))
		created := o.call("POST", pathOf("acme"), map[string]any{
			"display_name": "Entra \"of\" Acmé <&>", "identity_provider": "microsoft-entra", "strict": true, "policy": map[string]any{"bare_remove": "refuse", "patch_answer": nil},
			"bearer_token_expires_at": expiry,
		}).is(201)
		require.Equal(t, "application/json", created.header.Get("Content-Type"))
		require.Contains(t, string(created.body), "Entra \\\"of\\\" Acmé <&>", "is sent as it is")
		got := created.at("connection").(map[string]any)
		token := got["bearer_token"].(string)
		require.Regexp(t, `^scim_[a-z2-7]{16}_[A-Za-z0-9_-]{43}$`, token)
		require.WithinRange(t, timeOf(t, got["created_at"]), before, o.clock.now())
		require.Equal(t, map[string]any{
			"connection_id": got["connection_id"], "tenant": "acme", "display_name": "Entra \"of\" Acmé <&>", "identity_provider": "microsoft-entra",
			"status": "active", "base_url": o.origin + "/scim/v2?aadOptscim062020", "bearer_token": token,
			"bearer_token_last_four": endOf(token), "bearer_token_expires_at": stamp(expiry.Truncate(time.Microsecond)),
			"next_bearer_token_last_four": nil, "next_bearer_token_expires_at": nil,
			"policy": map[string]any{
				"bare_remove": "refuse", "unknown_members": "refuse", "unique_group_names": false, "patch_answer": "by_type", "unquoted_literals": false,
			},
			"strict": true, "last_used_at": nil, "created_at": got["created_at"], "updated_at": got["created_at"], "recipe": got["recipe"],
		}, got)

		// What is read later is the same without the token.
		delete(got, "bearer_token")
		c := &account{office: o, path: pathOf("acme", got["connection_id"].(string))}
		require.Equal(t, got, c.read())
		list := o.call("GET", pathOf("acme"), nil).is(200).at("connections")
		require.Equal(t, []any{got}, list)
		covers(t, "S-10")
		changed := c.call("PATCH", c.path, `{"display_name":"Entra"}`).is(200).at("connection").(map[string]any)
		require.True(t, timeOf(t, changed["updated_at"]).After(timeOf(t, got["updated_at"])))
		got["display_name"], got["updated_at"] = "Entra", changed["updated_at"]
		require.Equal(t, got, changed)
		rotating := c.call("POST", c.path+"/rotate/start", nil).is(200).at("connection").(map[string]any)
		next := rotating["next_bearer_token"].(string)
		require.Regexp(t, `^scim_[a-z2-7]{16}_[A-Za-z0-9_-]{43}$`, next)
		require.Equal(t, endOf(next), rotating["next_bearer_token_last_four"])
		require.Equal(t, endOf(token), rotating["bearer_token_last_four"])
		fiveYears := timeOf(t, rotating["next_bearer_token_expires_at"])
		require.WithinRange(t, fiveYears, before.Add(5*365*24*time.Hour), o.clock.now().Add(5*365*24*time.Hour))
		delete(rotating, "next_bearer_token")
		require.Equal(t, rotating, c.read())
		covers(t, "S-04", "S-14")
	})
}

// What the store keeps, and what is listed of tokens, is no secret.
func TestAdminShowsNoSecrets(t *testing.T) {
	t.Parallel()
	onEachOffice(t, func(t *testing.T, o *office) {
		c := o.open("acme", nil)
		_, named := c.issue("script")
		next := c.rotate()
		kept, err := o.store.Tokens(t.Context(), c.id)
		require.NoError(t, err)
		require.Len(t, kept, 3)
		listed := c.call("GET", c.path+"/tokens", nil).is(200)
		for _, secret := range []string{c.token, named, next} {
			require.NotContains(t, string(listed.body), secret[22:])
			for _, k := range kept {
				for _, form := range []string{"%s", "%q", "%v", "%+v", "%x", "%#v"} {
					require.NotContains(t, fmt.Sprintf(form, k), secret[22:])
				}
			}
		}
		for _, token := range listed.at("tokens").([]any) {
			keys := slices.Sorted(maps.Keys(token.(map[string]any)))
			require.Equal(t, []string{
				"created_at", "expires_at", "last_four", "last_used_at", "name", "revoked_at", "slot", "status", "token_id",
			}, keys)
		}
		for i, want := range []string{c.token, named, next} {
			require.Equal(t, endOf(want), listed.at("tokens", i, "last_four"))
		}
		covers(t, "A-13")
	})
}

func TestAdminTokens(t *testing.T) {
	t.Parallel()
	onEachOffice(t, func(t *testing.T, o *office) {
		c := o.open("acme", nil)
		require.Empty(t, c.call("GET", c.path+"/tokens", nil).is(200).at("tokens", 0, "name"))
		before := o.clock.now()
		issued := c.call("POST", c.path+"/tokens", map[string]any{"name": "Nightly “sync”", "expires_at": "2026-03-14T10:00:00Z"}).is(201).at("token").(map[string]any)
		require.WithinRange(t, timeOf(t, issued["created_at"]), before, o.clock.now())
		one, oneID := issued["bearer_token"].(string), issued["token_id"].(string)
		require.Equal(t, map[string]any{
			"token_id": oneID, "name": "Nightly “sync”", "slot": "", "status": "active", "bearer_token": one, "last_four": endOf(one),
			"expires_at": "2026-03-14T10:00:00Z", "last_used_at": nil, "revoked_at": nil, "created_at": issued["created_at"],
		}, issued)
		twoID, two := c.issue("Nightly “sync”") // names need not differ
		next := c.rotate()
		c.works(c.token, one, two, next)

		// Each is revoked alone, at once and for good.
		revoked := c.call("DELETE", c.path+"/tokens/"+oneID, nil).is(200)
		require.Equal(t, "revoked", revoked.at("token", "status"))
		require.NotNil(t, revoked.at("token", "revoked_at"))
		c.refused(one)
		c.works(c.token, two, next)
		o.clock.advance(time.Minute)
		again := c.call("DELETE", c.path+"/tokens/"+oneID, nil).is(200)
		require.Equal(t, revoked.at("token", "revoked_at"), again.at("token", "revoked_at"))
		listed := c.call("GET", c.path+"/tokens", nil).is(200)
		var got []string
		for _, token := range listed.at("tokens").([]any) {
			m := token.(map[string]any)
			got = append(got, fmt.Sprintf("%s/%s/%s", m["name"], m["slot"], m["status"]))
		}
		require.Equal(t, []string{"/current/active", "Nightly “sync”//revoked", "Nightly “sync”//active", "/next/active"}, got)
		require.NotNil(t, listed.at("tokens", 2, "last_used_at"))
		require.Nil(t, listed.at("tokens", 2, "revoked_at"))
		covers(t, "S-19")

		// Those of the rotation are revoked in the same way: without a next token, nothing rotates.
		c.call("DELETE", c.path+"/tokens/"+listed.text("tokens", 3, "token_id"), nil).is(200)
		c.refused(next)
		c.call("POST", c.path+"/rotate/complete", nil).problem(409, "not_rotating")
		c.call("DELETE", c.path+"/tokens/"+listed.text("tokens", 0, "token_id"), nil).is(200)
		c.refused(c.token)
		shown := c.read()
		require.Nil(t, shown["bearer_token_last_four"])
		require.Nil(t, shown["bearer_token_expires_at"])
		c.works(two)
		next = c.rotate()
		c.call("POST", c.path+"/rotate/complete", nil).is(200)
		c.works(next, two)

		// An expired token is listed as such.
		other := c.call("POST", c.path+"/tokens", map[string]any{"name": "x", "expires_at": o.clock.now().Add(time.Second)}).is(201).text("token", "bearer_token")
		c.works(other)
		o.clock.advance(time.Second)
		c.refused(other)
		tokens := c.call("GET", c.path+"/tokens", nil).is(200).at("tokens").([]any)
		require.Equal(t, "expired", tokens[len(tokens)-1].(map[string]any)["status"])
		c.call("DELETE", c.path+"/tokens/"+twoID, nil).is(200)

		// There are a hundred valid ones at most.
		for i := range 98 {
			_, two = c.issue(strconv.Itoa(i))
		}
		last := c.rotate()
		c.call("POST", c.path+"/tokens", map[string]any{"name": "one too many"}).problem(409, "too_many_tokens")
		c.call("POST", c.path+"/rotate/cancel", nil).is(200)
		c.issue("the hundredth")
		c.call("POST", c.path+"/rotate/start", nil).problem(409, "too_many_tokens")
		c.works(two)
		c.refused(last)
	})
}

// What a use changes shows when it is read next.
func TestAdminLastUses(t *testing.T) {
	t.Parallel()
	onEachOffice(t, func(t *testing.T, o *office) {
		c := o.open("acme", nil)
		_, named := c.issue("script")
		for _, path := range []string{pathOf("acme"), c.path, c.path + "/tokens"} {
			require.NotContains(t, string(o.call("GET", path, nil).is(200).body), `"last_used_at":"`)
		}
		o.clock.advance(time.Hour)
		c.works(named)
		shown := o.call("GET", pathOf("acme"), nil).is(200).at("connections", 0, "last_used_at")
		require.NotNil(t, shown)
		require.Equal(t, shown, c.read()["last_used_at"])
		listed := c.call("GET", c.path+"/tokens", nil).is(200)
		require.Nil(t, listed.at("tokens", 0, "last_used_at"))
		require.Equal(t, shown, listed.at("tokens", 1, "last_used_at"))
		o.clock.advance(time.Hour)
		c.works(c.token)
		require.True(t, timeOf(t, c.read()["last_used_at"]).After(timeOf(t, shown)))
		o.clock.advance(time.Hour)
		c.works(named)
		listed = c.call("GET", c.path+"/tokens", nil).is(200)
		require.True(t, timeOf(t, listed.at("tokens", 1, "last_used_at")).After(timeOf(t, listed.at("tokens", 0, "last_used_at"))))
	})
}

func TestAdminIdentityProviders(t *testing.T) {
	t.Parallel()
	onEachOffice(t, func(t *testing.T, o *office) {
		for _, p := range dialect.IdentityProviders() {
			body := map[string]any{"identity_provider": p}
			a := o.call("POST", pathOf("tenant-of-"+string(p)), body).is(201)
			require.Equal(t, string(p), a.at("connection", "identity_provider"))
			require.Equal(t, dialect.RecipeFor(p).Label, a.at("connection", "display_name"))
			policy, err := json.Marshal(dialect.PolicyFor(p))
			require.NoError(t, err)
			got, err := json.Marshal(a.at("connection", "policy"))
			require.NoError(t, err)
			require.JSONEq(t, string(policy), string(got))
			want, err := json.Marshal(dialect.RecipeFor(p))
			require.NoError(t, err)
			recipe, err := json.Marshal(a.at("connection", "recipe"))
			require.NoError(t, err)
			require.JSONEq(t, string(want), string(recipe))
			require.Contains(t, string(recipe), "{base_url}")
			require.Contains(t, string(recipe), "{bearer_token}")
		}
		covers(t, "S-79")
		require.Len(t, dialect.IdentityProviders(), 9)
		schema := o.contract.document["components"].(map[string]any)["schemas"].(map[string]any)["IdentityProvider"].(map[string]any)
		require.Len(t, schema["enum"], 9)
		for _, p := range []string{"Okta", "okta ", "azure", "entra", "microsoft_entra", "*"} {
			o.call("POST", pathOf("acme"), map[string]any{"identity_provider": p}).problem(400, "invalid_identity_provider")
		}
		covers(t, "S-05")
	})
}

// Microsoft Entra ID's base URL ends in a query, and identity providers append to what they are given.
func TestAdminEntraBaseURLs(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{"one for all": "/scim/v2", "one for each": "/scim/{connection}/v2", "the id at its end": "/scim/{connection}"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onEachOffice(t, func(t *testing.T, o *office) {
				c := o.open("acme", map[string]any{"identity_provider": "microsoft-entra"})
				bare := o.origin + strings.ReplaceAll(path, "{connection}", c.id)
				require.Equal(t, bare+"?aadOptscim062020", c.baseURL)
				require.Equal(t, c.baseURL, c.read()["base_url"])
				const flag = "aadOptscim062020"
				id := c.knock(c.token, "POST", c.baseURL+"/Users", user("nadia")).is(201)
				require.Equal(t, bare+"/Users/"+id.id(), id.at("meta", "location"))
				const nadia = "filter=userName+eq+%22nadia%22"
				for _, target := range []string{
					"?" + flag + "/Users?" + nadia, "?" + flag + "/Users&" + nadia, "/?" + flag + "/Users?" + nadia, "/Users?" + flag + "&" + nadia,
					"/Users?" + nadia + "&" + flag, "/Users?" + nadia, "/" + flag + "/Users?" + nadia, "/Users/?" + flag + "&" + nadia, "/Users?" + flag + "=&" + nadia,
					"//Users?" + flag + "&" + nadia, "?" + flag + "//Users?" + nadia,
				} {
					a := c.knock(c.token, "GET", bare+target, nil).is(200)
					require.EqualValues(t, 1, a.at("totalResults"), target)
					require.Equal(t, id.id(), a.at("Resources", 0, "id"), target)
				}
				for _, target := range []string{"?" + flag + "/Users/", "/Users/", "/" + flag + "/Users/", "/?" + flag + "/Users/"} {
					for _, end := range []string{"", "?" + flag} {
						a := c.knock(c.token, "PATCH", bare+target+id.id()+end, patchBody(op("Replace", "displayName", target+end))).is(200)
						require.Equal(t, target+end, a.at("displayName"))
					}
				}
				c.knock(c.token, "GET", bare+"/Users/"+id.id()+"?"+flag, nil).is(200)
				c.knock(c.token, "GET", c.baseURL+"/ServiceProviderConfig", nil).is(200)
				c.knock(c.token, "DELETE", c.baseURL+"/Users/"+id.id(), nil).is(204)
				for _, p := range dialect.IdentityProviders() {
					if p != dialect.MicrosoftEntra {
						other := o.open("tenant-of-"+string(p), map[string]any{"identity_provider": p})
						require.Equal(t, o.origin+strings.ReplaceAll(path, "{connection}", other.id), other.baseURL)
					}
				}
				covers(t, "S-06")
			}, func(l *layout) { l.path = path })
		})
	}
}

func TestAdminUpdate(t *testing.T) {
	t.Parallel()
	onEachOffice(t, func(t *testing.T, o *office) {
		c := o.open("acme", map[string]any{"identity_provider": "okta"})
		change := func(body any) map[string]any {
			t.Helper()
			got := c.call("PATCH", c.path, body).is(200).at("connection").(map[string]any)
			require.Equal(t, got, c.read())
			return got
		}
		before := c.read()
		for _, nothing := range []any{nil, "{}", `{"display_name":null,"identity_provider":null,"policy":null,"strict":null,"status":null}`, `{"status":"active"}`, `{"display_name":"Okta"}`} {
			require.Equal(t, before, change(nothing), "nothing changes, the time of the last change included")
		}
		for member, value := range map[string]any{"display_name": "Another name", "strict": true, "status": "disabled"} {
			want := maps.Clone(before)
			got := change(map[string]any{member: value})
			want[member], want["updated_at"] = value, got["updated_at"]
			require.Equal(t, want, got)
			require.True(t, timeOf(t, got["updated_at"]).After(timeOf(t, before["updated_at"])))
			before = got
		}
		change(`{"status":"active"}`)

		// The policy follows the provider until somebody chooses another one.
		entra := change(`{"identity_provider":"microsoft-entra"}`)
		require.Equal(t, true, entra["policy"].(map[string]any)["unique_group_names"])
		require.True(t, strings.HasSuffix(entra["base_url"].(string), "?aadOptscim062020"))
		require.Equal(t, "Microsoft Entra ID", entra["recipe"].(map[string]any)["label"])
		own := change(`{"policy":{"patch_answer":"no_content","unquoted_literals":null}}`)["policy"]
		require.Equal(t, map[string]any{
			"bare_remove": "all", "unknown_members": "refuse", "unique_group_names": false, "patch_answer": "no_content", "unquoted_literals": false,
		}, own)
		require.Equal(t, own, change(`{"identity_provider":"okta"}`)["policy"])
		id := c.scim(c.token, "POST", "/Users", user("anna")).is(201).id()
		require.NotNil(t, c.read()["last_used_at"]) // from now on, answers to changes have it too
		change(`{"strict":false}`)
		c.scim(c.token, "PATCH", "/Users/"+id, patchBody(op("replace", "title", "x"))).is(204)

		// A disabled connection makes room for another one, and then cannot come back.
		change(`{"status":"disabled"}`)
		second := o.open("acme", nil)
		c.call("PATCH", c.path, `{"status":"active","display_name":"back"}`).problem(409, "active_connection_exists")
		require.Equal(t, "disabled", c.read()["status"])
		require.Equal(t, "Another name", c.read()["display_name"])
		list := o.call("GET", pathOf("acme"), nil).is(200).at("connections").([]any)
		require.Equal(t, []any{c.read(), second.read()}, list, "in the order of their creation")
		second.call("DELETE", second.path, nil).is(200)
		change(`{"status":"active"}`)
		c.works(c.token)
		c.scim(c.token, "GET", "/Users/"+id, nil).is(200)
	})
}

func TestAdminPerTenant(t *testing.T) {
	t.Parallel()
	onEachOffice(t, func(t *testing.T, o *office) {
		first, second := o.open("acme", nil), o.open("acme", nil)
		o.call("POST", pathOf("acme"), nil).problem(409, "active_connection_exists")
		o.open("other", nil)
		require.Equal(t, first.baseURL, second.baseURL, "the token alone says whose directory it is")
		id := first.scim(first.token, "POST", "/Users", user("anna")).is(201).id()
		second.scim(second.token, "GET", "/Users/"+id, nil).is(404)
		require.EqualValues(t, 0, second.scim(second.token, "GET", "/Users", nil).is(200).at("totalResults"))
		covers(t, "S-62")
	}, func(l *layout) { l.connections.PerTenant = 2 })
}

func TestAdminGroups(t *testing.T) {
	t.Parallel()
	onEachOffice(t, func(t *testing.T, o *office) {
		c, other := o.open("acme", nil), o.open("other", nil)
		require.JSONEq(t, `{"groups":[],"next_cursor":""}`, string(c.call("GET", c.path+"/groups", nil).is(200).body))
		theirs := other.scim(other.token, "POST", "/Groups", map[string]any{"schemas": []string{groupURN}, "displayName": "Theirs"}).is(201).id()
		c.scim(c.token, "POST", "/Users", user("anna")).is(201)
		var want []any
		for i := range 203 {
			body := map[string]any{"schemas": []string{groupURN}, "displayName": fmt.Sprintf("Group %03d", 202-i)}
			group := map[string]any{"group_name": body["displayName"], "tenant": "acme", "connection_id": c.id}
			if i%2 == 0 {
				body["externalId"] = fmt.Sprint("e-", i)
				group["external_id"] = body["externalId"]
			}
			group["group_id"] = c.scim(c.token, "POST", "/Groups", body).is(201).id()
			want = append(want, group)
		}
		for _, p := range []struct {
			query string
			pages []int
		}{
			{"", []int{100, 100, 3}}, {"limit=100", []int{100, 100, 3}}, {"cursor=", []int{100, 100, 3}}, {"limit=1000", []int{203}}, {"limit=203&unknown=1", []int{203}},
			{"limit=202", []int{202, 1}}, {"limit=60", []int{60, 60, 60, 23}},
		} {
			var got []any
			cursor := "?" + p.query
			for i, length := range p.pages {
				a := c.call("GET", c.path+"/groups"+cursor, nil).is(200)
				require.Len(t, a.at("groups"), length, p.query)
				got = append(got, a.at("groups").([]any)...)
				require.Equal(t, i == len(p.pages)-1, a.at("next_cursor") == "", p.query)
				query, err := url.ParseQuery(p.query)
				require.NoError(t, err)
				query.Set("cursor", a.text("next_cursor"))
				cursor = "?" + query.Encode()
			}
			require.Equal(t, want, got, p.query)
		}
		require.Equal(t, want[:1], c.call("GET", c.path+"/groups?limit=1", nil).is(200).at("groups"))
		theirPage := other.call("GET", other.path+"/groups", nil).is(200)
		require.Equal(t, []any{map[string]any{"group_id": theirs, "group_name": "Theirs", "tenant": "other", "connection_id": other.id}}, theirPage.at("groups"))
		for _, limit := range []string{"0", "-1", "1001", "x", "", "1.5", "0x10", "99999999999999999999", "%D9%A1", "10%20"} {
			require.Equal(t, "limit", c.call("GET", c.path+"/groups?limit="+limit, nil).problem(400, "invalid_limit").at("attribute"))
		}
		for _, cursor := range []string{"x", "0", "-5", "1.0", "99999999999999999999", "%00", "%27", "{}"} {
			require.Equal(t, "cursor", c.call("GET", c.path+"/groups?cursor="+cursor, nil).problem(400, "invalid_cursor").at("attribute"), cursor)
		}
		require.Empty(t, c.call("GET", c.path+"/groups?cursor=9000000", nil).is(200).at("groups"))
		c.call("PATCH", c.path, `{"status":"disabled"}`).is(200)
		require.Len(t, c.call("GET", c.path+"/groups", nil).is(200).at("groups"), 100, "what a disabled connection has stays")
		covers(t, "S-11")
	})
}

// A directory without groups has none.
func TestAdminWithoutGroups(t *testing.T) {
	t.Parallel()
	onEachOffice(t, func(t *testing.T, o *office) {
		c := o.open("acme", nil)
		require.JSONEq(t, `{"groups":[],"next_cursor":""}`, string(c.call("GET", c.path+"/groups", nil).is(200).body))
		c.call("GET", c.path+"/groups?limit=0", nil).problem(400, "invalid_limit")
		o.call("GET", pathOf("acme", "nobody", "groups"), nil).problem(404, "connection_not_found")
	}, func(l *layout) { l.handler.Types = []scim.ResourceType{scim.UserType()} })
}

func TestAdminJournal(t *testing.T) {
	t.Parallel()
	onEachOffice(t, func(t *testing.T, o *office) {
		c, other := o.open("acme", nil), o.open("other", nil)
		require.JSONEq(t, `{"entries":[],"next_cursor":"","dropped":0}`, string(c.call("GET", c.path+"/journal", nil).is(200).body))
		tokenID := c.call("GET", c.path+"/tokens", nil).is(200).text("tokens", 0, "token_id")
		namedID, named := c.issue("script")

		var requests []string
		send := func(token, method, target string, body any, status int) *response {
			t.Helper()
			a := c.scim(token, method, target, body).is(status)
			requests = append(requests, a.header.Get("X-Request-Id"))
			return a
		}
		id := send(c.token, "POST", "/Users", user("canary-of-anna", map[string]any{"password": "canary-of-a-password", "favouriteColour": "canary"}), 201).id()
		send(c.token, "POST", "/Users", user("canary-of-anna"), 409)
		send(named, "PATCH", "/Users/"+id, patchBody(op("Replace", "id", "canary")), 400)
		send(c.token, "GET", "/Users?filter=canary+eq+", nil, 400)
		send(c.token, "GET", "/Users/canary-of-an-id", nil, 404)
		send(c.token, "GET", "/Users/"+id, nil, 200)
		send(c.token, "GET", "/canary", nil, 404)
		c.call("DELETE", c.path+"/tokens/"+namedID, nil).is(200)
		send(named, "GET", "/Users/"+id, nil, 401)
		c.scim("scim_aaaaaaaaaaaaaaaa_0123456789012345678901234567890123456789012", "GET", "/Users", nil).is(401) // nobody's
		other.works(other.token)

		all := c.call("GET", c.path+"/journal", nil).is(200)
		require.NotContains(t, string(all.body), "canary")
		type entry struct {
			request, token, method, path, resource, scimType, attribute any
			status                                                      float64
		}
		var got []entry
		for i, e := range all.at("entries").([]any) {
			m := e.(map[string]any)
			require.Equal(t, m["status"].(float64) >= 400, m["detail"] != nil, "%v", m)
			require.Contains(t, m, "duration_ms")
			if i > 0 {
				require.False(t, timeOf(t, all.at("entries", i-1, "time")).Before(timeOf(t, m["time"])))
			}
			got = append(got, entry{m["request_id"], m["token_id"], m["method"], m["path"], m["resource_id"], m["scim_type"], m["attribute"], m["status"].(float64)})
		}
		slices.Reverse(got)
		require.Equal(t, []entry{
			{requests[0], tokenID, "POST", "/Users", id, nil, nil, 201},
			{requests[1], tokenID, "POST", "/Users", nil, "uniqueness", got[1].attribute, 409},
			{requests[2], namedID, "PATCH", "/Users/{id}", id, "mutability", "id", 400},
			{requests[3], tokenID, "GET", "/Users", nil, "invalidFilter", got[3].attribute, 400},
			{requests[4], tokenID, "GET", "/Users/{id}", nil, nil, nil, 404},
			{requests[5], tokenID, "GET", "/Users/{id}", id, nil, nil, 200},
			{requests[6], tokenID, "GET", "-", nil, nil, nil, 404},
			{requests[7], namedID, "GET", "-", nil, nil, nil, 401},
		}, got)
		require.Equal(t, []any{"favouriteColour"}, all.at("entries", 7, "ignored_attributes"))
		require.Contains(t, all.at("entries", 5, "rules"), "op-case")
		require.Contains(t, all.text("entries", 0, "detail"), "revoked")

		// Pages, of all and of a part.
		walk := func(query string, pages ...int) (ids []any) {
			t.Helper()
			cursor := ""
			for i, length := range pages {
				a := c.call("GET", c.path+"/journal?"+query+"&cursor="+url.QueryEscape(cursor), nil).is(200)
				require.Len(t, a.at("entries"), length, query)
				for _, e := range a.at("entries").([]any) {
					ids = append(ids, e.(map[string]any)["request_id"])
				}
				cursor = a.text("next_cursor")
				require.Equal(t, i == len(pages)-1, cursor == "", query)
			}
			return ids
		}
		latest := func(which ...int) (ids []any) {
			for _, i := range which {
				ids = append(ids, requests[i])
			}
			return ids
		}
		everything, failed, passed := latest(7, 6, 5, 4, 3, 2, 1, 0), latest(7, 6, 4, 3, 2, 1), latest(5, 0)
		require.Equal(t, everything, walk("limit=3", 3, 3, 2))
		require.Equal(t, everything, walk("limit=8", 8))
		require.Equal(t, everything, walk("limit=1000", 8))
		require.Equal(t, everything, walk("limit=1", 1, 1, 1, 1, 1, 1, 1, 1))
		require.Equal(t, failed, walk("failed=true", 6))
		require.Equal(t, failed, walk("failed=true&limit=4", 4, 2))
		require.Equal(t, passed, walk("failed=false", 2))
		require.Equal(t, passed, walk("failed=false&limit=1", 1, 1))
		for query, attribute := range map[string]string{
			"failed=maybe": "failed", "failed=": "failed", "failed=2": "failed", "limit=0": "limit", "limit=1001": "limit", "cursor=x": "cursor", "cursor=-1": "cursor",
			"failed=true&failed=true": "failed", "limit=1&limit=1": "limit", "cursor=&cursor=": "cursor",
		} {
			require.Equal(t, attribute, c.call("GET", c.path+"/journal?"+query, nil).problem(400, "invalid_"+attribute).at("attribute"), query)
		}
		c.call("GET", c.path+"/journal?limit=%zz", nil).problem(400, "invalid_query")
		require.Len(t, other.call("GET", other.path+"/journal", nil).is(200).at("entries"), 1)
	})
}
