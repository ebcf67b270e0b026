package scim_test

import (
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/internal/dbtest"
	"github.com/scimkit/scim/store"
	"github.com/scimkit/scim/store/memstore"
	"github.com/scimkit/scim/store/sqlstore"
)

// estate is a host with everything switched on: connections, handlers and management APIs of one or several processes on one store.
// It keeps all that they let out.
type estate struct {
	t       testing.TB
	clock   *clock
	events  *eventLog
	log     *logBuffer
	nodes   []*node
	dialect filter.Dialect // of db
	db      *sql.DB        // for the test's own eyes; nil on memstore

	mu      sync.Mutex
	answers []string
}

// node is one of the processes.
type node struct {
	connections *scim.Connections
	handler     *scim.Handler
	admin       *scim.Admin
	store       store.Store
	steps       *dbtest.Driver // of its database; nil on memstore
}

// tune changes the configuration of every node.
type tune func(*scim.ConnectionsConfig, *scim.Config)

const adminSecret = "canary-of-the-hosts-own-credential-0123456789"

func openEstate(t testing.TB, backend string, nodes int, tunes ...tune) *estate {
	t.Helper()
	e := &estate{t: t, clock: newClock(), events: &eventLog{}, log: &logBuffer{}}
	var dsn string
	switch backend {
	case "sqlite":
		e.dialect, dsn = filter.SQLite, dbtest.SQLiteDSN(dbtest.SQLiteFile(t))
	case "postgresql":
		e.dialect, dsn = filter.PostgreSQL, dbtest.PostgreSQLDSN(t)
	}
	if dsn != "" {
		e.db, _ = dbtest.Between(t, e.dialect, dsn)
	}
	memory := memstore.New()
	for range nodes {
		if dsn == "" {
			e.add(memory, nil, tunes)
			continue
		}
		db, steps := dbtest.Between(t, e.dialect, dsn)
		directory, err := sqlstore.New(t.Context(), sqlstore.Config{DB: db, Dialect: e.dialect})
		require.NoError(t, err)
		e.add(directory, steps, tunes)
	}
	return e
}

func (e *estate) add(directory store.Store, steps *dbtest.Driver, tunes []tune) {
	e.t.Helper()
	logger := slog.New(slog.NewJSONHandler(e.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	kept := scim.ConnectionsConfig{Store: directory.(store.ConnectionStore), Events: e.events, Logger: logger, Now: e.clock.now}
	config := scim.Config{
		BaseURL: baseURL, Store: directory, Events: scim.FanOut(e.events, scim.LogEvents(logger)), Logger: logger,
		RateLimiter: scim.Unlimited, Now: e.clock.now,
	}
	for _, change := range tunes {
		change(&kept, &config)
	}
	n := &node{store: directory, steps: steps}
	var err error
	n.connections, err = scim.NewConnections(kept)
	require.NoError(e.t, err)
	config.Journal = n.connections
	if config.Verifier == nil {
		config.Verifier = n.connections
	} else {
		config.Verifier.(*gate).TokenVerifier = n.connections
	}
	n.handler, err = scim.New(config)
	require.NoError(e.t, err)
	n.admin, err = scim.NewAdmin(scim.AdminConfig{
		Handler: n.handler, Connections: n.connections,
		Authorize: func(r *http.Request, action scim.Action, tenant string) error {
			switch {
			case r.Header.Get("Authorization") != "Bearer "+adminSecret:
				return fmt.Errorf("nobody knows the caller: %w", scim.ErrUnauthorized)
			case action != scim.ActionDescribe && !strings.HasPrefix(tenant, "tenant"):
				return errors.New("the tenant is somebody else's")
			}
			return nil
		},
	})
	require.NoError(e.t, err)
	e.nodes = append(e.nodes, n)
}

// onEachEstate runs f once per store, with one process each.
func onEachEstate(t *testing.T, f func(t *testing.T, e *estate), tunes ...tune) {
	t.Helper()
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			f(t, openEstate(t, b.name, 1, tunes...))
		})
	}
}

// gate is a verifier that stops requests between their authentication and their work.
type gate struct {
	scim.TokenVerifier
}

// answered is what came of a request, for calls that may be made from any goroutine.
type answered struct {
	status int
	header http.Header
	body   string
}

// decode fails unless the answer has a status, and returns its body.
func (a answered) decode(t testing.TB, status int) map[string]any {
	t.Helper()
	require.Equal(t, status, a.status, a.body)
	if a.body == "" {
		return nil
	}
	var body map[string]any
	require.NoError(t, json.Unmarshal([]byte(a.body), &body), a.body)
	return body
}

// serve sends a request to a handler. Headers come in pairs.
func (e *estate) serve(h http.Handler, method, target, token, body string, headers ...string) answered {
	r := httptest.NewRequest(method, "http://internal.invalid/", strings.NewReader(body))
	r.URL, r.RequestURI = &url.URL{Scheme: "http", Host: "internal.invalid"}, target
	path, query, _ := strings.Cut(target, "?")
	r.URL.RawPath, r.URL.RawQuery = path, query
	r.URL.Path, _ = url.PathUnescape(path) // what does not decode is nobody's target here
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/scim+json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	a := answered{w.Code, w.Result().Header, w.Body.String()}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answers = append(e.answers, fmt.Sprintf("%v %v %s", a.status, a.header, a.body))
	return a
}

// scim sends a SCIM request to a node.
func (e *estate) scim(n int, token, method, target, body string, headers ...string) answered {
	return e.serve(e.nodes[n%len(e.nodes)].handler, method, "/scim/v2"+target, token, body, headers...)
}

// manage sends a management call to a node.
func (e *estate) manage(n int, method, target, body string) answered {
	return e.serve(e.nodes[n%len(e.nodes)].admin, method, target, adminSecret, body)
}

// link is a connection of the estate.
type link struct {
	e     *estate
	scope store.Scope
	path  string // in the management API
	token string // its first bearer token
}

func (e *estate) connect(tenant, body string) *link {
	e.t.Helper()
	made := e.manage(0, "POST", "/tenants/"+tenant+"/connections", body).decode(e.t, 201)["connection"].(map[string]any)
	l := &link{e: e, token: made["bearer_token"].(string)}
	l.scope = store.Scope{Connection: made["connection_id"].(string), Tenant: tenant}
	l.path = "/tenants/" + tenant + "/connections/" + l.scope.Connection
	return l
}

// manage makes a management call about the connection.
func (l *link) manage(n int, method, target, body string) answered {
	return l.e.manage(n, method, l.path+target, body)
}

// rotate starts a rotation and returns the next token.
func (l *link) rotate(n int) string {
	l.e.t.Helper()
	started := l.manage(n, "POST", "/rotate/start", "").decode(l.e.t, 200)["connection"].(map[string]any)
	return started["next_bearer_token"].(string)
}

// issue issues a named token and returns its id and its text.
func (l *link) issue(n int, name string) (id, text string) {
	l.e.t.Helper()
	issued := l.manage(n, "POST", "/tokens", string(jsonText(map[string]any{"name": name}))).decode(l.e.t, 201)["token"].(map[string]any)
	return issued["token_id"].(string), issued["bearer_token"].(string)
}

// tables returns every row of every table of the database, one a line, in an order of its own; on memstore, every text in memory.
func (e *estate) tables() []string {
	e.t.Helper()
	if e.db == nil {
		return texts(e.nodes[0].store)
	}
	names := `SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'scim%'`
	if e.dialect == filter.PostgreSQL {
		names = `SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename LIKE 'scim%'`
	}
	var lines []string
	for _, row := range e.rows("", names) {
		_, name, _ := strings.Cut(row, "=")
		lines = append(lines, e.rows(name, "SELECT * FROM "+name)...)
	}
	slices.Sort(lines)
	return lines
}

// rows returns the rows of a query as text. Bytes are shown as they are and in hexadecimal.
func (e *estate) rows(name, query string, args ...any) (lines []string) {
	e.t.Helper()
	rows, err := e.db.QueryContext(e.t.Context(), query, args...)
	require.NoError(e.t, err)
	defer func() { require.NoError(e.t, rows.Close()) }()
	columns, err := rows.Columns()
	require.NoError(e.t, err)
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		require.NoError(e.t, rows.Scan(into...))
		line := name
		for i, v := range values {
			if b, ok := v.([]byte); ok {
				if v = hex.EncodeToString(b); utf8.Valid(b) {
					v = fmt.Sprintf("%s %s", v, b)
				}
			}
			line += fmt.Sprintf(" %s=%v", columns[i], v)
		}
		lines = append(lines, strings.TrimPrefix(line, " "))
	}
	require.NoError(e.t, rows.Err())
	return lines
}

// texts returns every text that can be reached from a value, exported or not, sorted.
func texts(root any) (found []string) {
	seen := map[uintptr]bool{}
	var walk func(reflect.Value)
	walk = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.String:
			found = append(found, v.String())
		case reflect.Pointer:
			if !v.IsNil() && !seen[v.Pointer()] {
				seen[v.Pointer()] = true
				walk(v.Elem())
			}
		case reflect.Interface:
			walk(v.Elem())
		case reflect.Struct:
			for _, field := range v.Fields() {
				walk(field)
			}
		case reflect.Map:
			for it := v.MapRange(); it.Next(); {
				walk(it.Key())
				walk(it.Value())
			}
		case reflect.Slice, reflect.Array:
			if v.Type().Elem().Kind() == reflect.Uint8 {
				b := make([]byte, v.Len())
				for i := range b {
					b[i] = byte(v.Index(i).Uint())
				}
				found = append(found, string(b))
				return
			}
			for i := range v.Len() {
				walk(v.Index(i))
			}
		default: // the others hold no text
		}
	}
	walk(reflect.ValueOf(root))
	slices.Sort(found)
	return found
}

func jsonText(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
