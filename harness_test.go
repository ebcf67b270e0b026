package scim_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/internal/claim"
	"github.com/scimkit/scim/internal/dbtest"
	"github.com/scimkit/scim/store"
	"github.com/scimkit/scim/store/memstore"
	"github.com/scimkit/scim/store/sqlstore"
)

func TestMain(m *testing.M) { claim.Main(m) }

var covers = claim.Covers

const (
	userURN       = "urn:ietf:params:scim:schemas:core:2.0:User"
	groupURN      = "urn:ietf:params:scim:schemas:core:2.0:Group"
	enterpriseURN = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	patchURN      = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
	errorURN      = "urn:ietf:params:scim:api:messages:2.0:Error"
	listURN       = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
	searchURN     = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"

	baseURL = "https://scim.example.test/scim/v2"
	tokenA  = "canary-token-of-connection-A-0123456789"
	tokenB  = "canary-token-of-connection-B-0123456789"
)

// backends are the stores that tests of behaviour run on.
var backends = []struct {
	name string
	open func(testing.TB) store.Store
}{
	{"memstore", func(testing.TB) store.Store { return memstore.New() }},
	{"sqlite", func(t testing.TB) store.Store { return openSQL(t, dbtest.SQLite(t), filter.SQLite) }},
	{"postgresql", func(t testing.TB) store.Store { return openSQL(t, dbtest.PostgreSQL(t), filter.PostgreSQL) }},
}

func openSQL(t testing.TB, db *sql.DB, spoken filter.Dialect) store.Store {
	s, err := sqlstore.New(t.Context(), sqlstore.Config{DB: db, Dialect: spoken})
	require.NoError(t, err)
	return s
}

// onEachStore runs f once per store, with a fresh server.
func onEachStore(t *testing.T, f func(t *testing.T, s *server), options ...func(*setup)) {
	t.Helper()
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			f(t, newServer(t, append([]func(*setup){func(c *setup) { c.config.Store = b.open(t) }}, options...)...))
		})
	}
}

// setup is what options change before a server is built.
type setup struct {
	config scim.Config
	a      scim.Connection // of tokenA; tokenB has another connection of another tenant with the same policy
}

func withTypes(types ...scim.ResourceType) func(*setup) {
	return func(c *setup) { c.config.Types = types }
}

func withPolicy(p dialect.Policy) func(*setup) { return func(c *setup) { c.a.Policy = p } }

func withIDP(p dialect.IdentityProvider) func(*setup) {
	return func(c *setup) { c.a.IdentityProvider, c.a.Policy = p, dialect.PolicyFor(p) }
}

func strictly(c *setup) { c.a.Strict = true }

func withLimits(l scim.Limits) func(*setup) { return func(c *setup) { c.config.Limits = l } }

func withSink(sink scim.EventSink) func(*setup) {
	return func(c *setup) { c.config.Events = scim.FanOut(c.config.Events, sink) }
}

// server is a handler under test with two connections, and what it let out: events and logs.
//
// Every answer passes the tripwires of check, so that no test has to repeat them.
type server struct {
	t       testing.TB
	handler *scim.Handler
	store   *scopeRecorder
	clock   *clock
	events  *eventLog
	log     *logBuffer
	token   string
	secrets []string // must never appear in an answer, an event or the log
}

func newServer(t testing.TB, options ...func(*setup)) *server {
	t.Helper()
	s := &server{t: t, clock: newClock(), events: &eventLog{}, log: &logBuffer{}, token: tokenA, secrets: []string{tokenA, tokenB}}
	c := &setup{
		a: scim.Connection{ID: "connection-a", Tenant: "tenant-a"},
		config: scim.Config{
			BaseURL: baseURL, Store: memstore.New(), Now: s.clock.now, RateLimiter: scim.Unlimited,
			Logger: slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
			Events: s.events,
		},
	}
	for _, option := range options {
		option(c)
	}
	b := c.a
	b.ID, b.Tenant = "connection-b", "tenant-b"
	s.store = &scopeRecorder{Store: c.config.Store}
	c.config.Store = s.store.wrapped()
	if c.config.Verifier == nil {
		c.config.Verifier = verifiers(t, map[string]scim.Connection{tokenA: c.a, tokenB: b})
	}
	var err error
	s.handler, err = scim.New(c.config)
	require.NoError(t, err)
	t.Cleanup(func() { s.leaks("log", s.log.String()) })
	return s
}

// verifiers accepts several tokens.
func verifiers(t testing.TB, connections map[string]scim.Connection) scim.TokenVerifier {
	var list []scim.TokenVerifier
	for token, connection := range connections {
		v, err := scim.StaticToken(token, connection)
		require.NoError(t, err)
		list = append(list, v)
	}
	return verifierFunc(func(ctx context.Context, token string) (scim.Credential, error) {
		for _, v := range list {
			if c, err := v.VerifyToken(ctx, token); err == nil {
				return c, nil
			}
		}
		return scim.Credential{}, scim.ErrUnauthorized
	})
}

type verifierFunc func(context.Context, string) (scim.Credential, error)

func (f verifierFunc) VerifyToken(ctx context.Context, token string) (scim.Credential, error) {
	return f(ctx, token)
}

// as returns the same server spoken to with another token; "" sends no Authorization header.
func (s *server) as(token string) *server {
	other := *s
	other.token = token
	return &other
}

// secret adds a text that must never leave the server.
func (s *server) secret(text string) string {
	s.secrets = append(s.secrets, text)
	return text
}

// do sends a request whose target is everything behind the base URL, as it goes over the wire. A body is JSON: a string as it is,
// anything else encoded. Headers come in pairs; an empty value removes the header.
func (s *server) do(method, target string, body any, headers ...string) *response {
	s.t.Helper()
	return s.send(s.request(method, target, body, headers...))
}

func (s *server) request(method, target string, body any, headers ...string) *http.Request {
	s.t.Helper()
	var content []byte
	switch b := body.(type) {
	case nil:
	case string:
		content = []byte(b)
	case []byte:
		content = b
	default:
		var err error
		content, err = json.Marshal(b)
		require.NoError(s.t, err)
	}
	r := httptest.NewRequest(method, "http://internal.invalid/", bytes.NewReader(content))
	u, err := url.ParseRequestURI("/scim/v2" + target)
	require.NoError(s.t, err)
	u.Scheme, u.Host = r.URL.Scheme, r.URL.Host
	r.URL = u
	r.RequestURI = "/scim/v2" + target
	if content != nil {
		r.Header.Set("Content-Type", "application/scim+json")
	}
	if s.token != "" {
		r.Header.Set("Authorization", "Bearer "+s.token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Del(headers[i])
		if headers[i+1] != "" {
			r.Header.Add(headers[i], headers[i+1])
		}
	}
	return r
}

func (s *server) send(r *http.Request) *response {
	s.t.Helper()
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	answer := &response{t: s.t, status: w.Code, header: w.Result().Header, body: w.Body.Bytes()}
	s.check(r, answer)
	return answer
}

// check holds every answer against what all answers must have in common.
func (s *server) check(r *http.Request, a *response) {
	s.t.Helper()
	where := fmt.Sprintf("%s %s: %d %s", r.Method, r.URL.Path, a.status, a.body)
	require.Equal(s.t, "no-store", a.header.Get("Cache-Control"), where)
	require.Equal(s.t, "nosniff", a.header.Get("X-Content-Type-Options"), where)
	require.NotEmpty(s.t, a.header.Get("X-Request-Id"), where)
	if a.status >= 400 {
		require.Equal(s.t, "application/scim+json", a.header.Get("Content-Type"), where)
		if r.Method != http.MethodHead {
			var e struct {
				Schemas []string
				Status  string
				Detail  string
			}
			require.NoError(s.t, json.Unmarshal(a.body, &e), where)
			require.Equal(s.t, []string{errorURN}, e.Schemas, where)
			require.Equal(s.t, strconv.Itoa(a.status), e.Status, where)
			require.NotEmpty(s.t, e.Detail, where)
			for _, leak := range []string{"panic", "goroutine", ".go:", "SELECT", "scim.", "schema."} {
				require.NotContains(s.t, e.Detail, leak, where)
			}
		}
	}
	s.leaks("answer", where+fmt.Sprint(a.header))
}

func (s *server) leaks(what, text string) {
	s.t.Helper()
	for _, secret := range s.secrets {
		require.NotContains(s.t, text, secret, "a secret is in the "+what)
	}
}

// The shorthands below fail the test unless the request succeeds.

func (s *server) get(target string) *response { s.t.Helper(); return s.do("GET", target, nil).is(200) }

func (s *server) create(target string, body map[string]any) *response {
	s.t.Helper()
	return s.do("POST", target, body).is(201)
}

// user creates a user with that userName and more attributes.
func (s *server) user(userName string, more ...map[string]any) *response {
	s.t.Helper()
	return s.create("/Users", user(userName, more...))
}

// group creates a group with members.
func (s *server) group(displayName string, members ...string) *response {
	s.t.Helper()
	return s.create("/Groups", map[string]any{"schemas": []string{groupURN}, "displayName": displayName, "members": memberList(members...)})
}

// patch sends one PATCH with operations to a resource's path.
func (s *server) patch(target string, ops ...map[string]any) *response {
	s.t.Helper()
	return s.do("PATCH", target, patchBody(ops...))
}

// list sends a query and returns the ids on the page.
func (s *server) list(target string) (ids []string, total int) {
	s.t.Helper()
	a := s.get(target)
	for _, r := range a.at("Resources").([]any) {
		ids = append(ids, r.(map[string]any)["id"].(string))
	}
	return ids, int(a.at("totalResults").(float64))
}

// filter sends a filter to a type's endpoint and returns the ids that match.
func (s *server) filter(endpoint, text string) []string {
	s.t.Helper()
	ids, total := s.list(endpoint + "?filter=" + url.QueryEscape(text))
	require.Len(s.t, ids, total)
	return ids
}

// members returns the ids of a group's members.
func (s *server) members(groupID string) []string {
	s.t.Helper()
	ids := []string{}
	for _, m := range s.get("/Groups/" + groupID).at("members").([]any) {
		ids = append(ids, m.(map[string]any)["value"].(string))
	}
	return ids
}

func user(userName string, more ...map[string]any) map[string]any {
	body := map[string]any{"schemas": []string{userURN}, "userName": userName}
	for _, m := range more {
		maps.Copy(body, m)
	}
	return body
}

func memberList(ids ...string) []map[string]any {
	list := []map[string]any{}
	for _, id := range ids {
		list = append(list, map[string]any{"value": id})
	}
	return list
}

func patchBody(ops ...map[string]any) map[string]any {
	return map[string]any{"schemas": []string{patchURN}, "Operations": ops}
}

// op is an operation with a path; without a value, it has none.
func op(name, path string, value ...any) map[string]any {
	o := map[string]any{"op": name, "path": path}
	if len(value) > 0 {
		o["value"] = value[0]
	}
	return o
}

// pathless is an operation without a path.
func pathless(name string, value any) map[string]any {
	return map[string]any{"op": name, "value": value}
}

// response is an answer that passed the tripwires.
type response struct {
	t      testing.TB
	status int
	header http.Header
	body   []byte
}

// is requires a status.
func (a *response) is(status int) *response {
	a.t.Helper()
	require.Equal(a.t, status, a.status, string(a.body))
	return a
}

// fails requires an error with that status and scimType; "" requires that there is no scimType.
func (a *response) fails(status int, scimType string) *response {
	a.t.Helper()
	a.is(status)
	got, _ := a.at("scimType").(string)
	require.Equal(a.t, scimType, got, string(a.body))
	return a
}

func (a *response) detail() string { return a.at("detail").(string) }

func (a *response) id() string { a.t.Helper(); return a.at("id").(string) }

func (a *response) version() string { a.t.Helper(); return a.at("meta", "version").(string) }

func (a *response) json() map[string]any {
	a.t.Helper()
	var m map[string]any
	require.NoError(a.t, json.Unmarshal(a.body, &m), string(a.body))
	return m
}

// at returns what stands at a path of keys and indexes, nil where nothing does.
func (a *response) at(path ...any) any {
	a.t.Helper()
	var v any = a.json()
	for _, step := range path {
		switch s := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[s]
		case int:
			list, _ := v.([]any)
			if s >= len(list) {
				return nil
			}
			v = list[s]
		}
	}
	return v
}

// clock is a clock that moves by a millisecond whenever it is read, so that times differ and nothing depends on the machine's.
type clock struct{ ticks atomic.Int64 }

func newClock() *clock { return &clock{} }

func (c *clock) now() time.Time {
	return time.Date(2026, 3, 14, 9, 0, 0, 0, time.UTC).Add(time.Duration(c.ticks.Add(1)) * time.Millisecond)
}

func (c *clock) advance(d time.Duration) { c.ticks.Add(int64(d / time.Millisecond)) }

// eventLog is a sink that keeps the events of committed changes.
type eventLog struct {
	broken atomic.Bool // panics instead
	mu     sync.Mutex
	list   []scim.Event
}

func (l *eventLog) Emit(ctx context.Context, e scim.Event) error {
	store.AfterCommit(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.list = append(l.list, e)
	})
	if l.broken.Load() {
		panic("canary of a sink")
	}
	return nil
}

// take returns the events since the last call.
func (l *eventLog) take() []scim.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := l.list
	l.list = nil
	return taken
}

// types returns the types of the events since the last call.
func (l *eventLog) types() []scim.EventType {
	types := []scim.EventType{}
	for _, e := range l.take() {
		types = append(types, e.Type)
	}
	return types
}

type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// records returns the log as one map per record.
func (b *logBuffer) records(t testing.TB) []map[string]any {
	t.Helper()
	var list []map[string]any
	for line := range strings.Lines(b.String()) {
		var m map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &m), line)
		list = append(list, m)
	}
	return list
}
