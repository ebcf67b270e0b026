package sqlstore_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/internal/dbtest"
	"github.com/scimkit/scim/store"
	"github.com/scimkit/scim/store/sqlstore"
)

const (
	userURN  = "urn:ietf:params:scim:schemas:core:2.0:User"
	groupURN = "urn:ietf:params:scim:schemas:core:2.0:Group"
	patchURN = "urn:ietf:params:scim:api:messages:2.0:PatchOp"

	baseURL = "http://scim.example.test/scim/v2"
	token   = "canary-token-of-the-store-tests-0123456789"
)

var scope = store.Scope{Connection: "connection", Tenant: "tenant"}

// maxConns is the size of a pool. All tests of all packages together must find room in one PostgreSQL.
const maxConns = 6

// target is a migrated database that several processes can open.
type target struct {
	Driver, DSN string
	Dialect     filter.Dialect
}

// targets are the databases that tests run on, each empty and the test's own.
var targets = []struct {
	name string
	make func(testing.TB) target
}{
	{"sqlite", sqliteTarget},
	{"postgresql", postgresTarget},
}

func sqliteTarget(t testing.TB) target {
	d := sqliteFile(filepath.Join(t.TempDir(), "scim.db"), "OFF")
	require.NoError(t, sqlstore.Migrate(t.Context(), d.open(t), filter.SQLite))
	return d
}

func sqliteFile(file, synchronous string) target {
	return target{"sqlite", strings.Replace(dbtest.SQLiteDSN(file), "synchronous(OFF)", "synchronous("+synchronous+")", 1), filter.SQLite}
}

func postgresTarget(t testing.TB) target {
	t.Helper()
	if os.Getenv("SCIM_TEST_POSTGRES") == "" {
		t.Skip("short of a PostgreSQL database: SCIM_TEST_POSTGRES is not set")
	}
	return target{"pgx", dbtest.PostgreSQLDSN(t), filter.PostgreSQL}
}

// onEach runs f on every database.
func onEach(t *testing.T, f func(t *testing.T, d target)) {
	t.Helper()
	for _, d := range targets {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			f(t, d.make(t))
		})
	}
}

// named returns the same database for a process whose connections can be told from others; only PostgreSQL knows them.
func (d target) named(application string) target {
	if d.Dialect == filter.PostgreSQL {
		d.DSN = d.with("application_name", application)
	}
	return d
}

// with returns the URL of a PostgreSQL database with a parameter changed.
func (d target) with(parameter, value string) string {
	u, err := url.Parse(d.DSN)
	if err != nil {
		panic(err)
	}
	query := u.Query()
	query.Set(parameter, value)
	u.RawQuery = query.Encode()
	return u.String()
}

func (d target) open(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sql.Open(d.Driver, d.DSN)
	require.NoError(t, err)
	db.SetMaxOpenConns(maxConns)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func (d target) store(t testing.TB, db *sql.DB) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.New(t.Context(), sqlstore.Config{DB: db, Dialect: d.Dialect})
	require.NoError(t, err)
	return s
}

// bound writes a statement in the words of the database: each ? is an argument.
func (d target) bound(text string) string {
	if d.Dialect == filter.PostgreSQL {
		for n := 1; strings.Contains(text, "?"); n++ {
			text = strings.Replace(text, "?", fmt.Sprintf("$%d", n), 1)
		}
	}
	return text
}

// newHandler serves a store to one connection.
func newHandler(s store.Store, events scim.EventSink) (*scim.Handler, error) {
	verifier, err := scim.StaticToken(token, scim.Connection{ID: scope.Connection, Tenant: scope.Tenant})
	if err != nil {
		return nil, err
	}
	return scim.New(scim.Config{
		BaseURL: baseURL, Store: s, Verifier: verifier, Events: events, RateLimiter: scim.Unlimited, Logger: slog.New(slog.DiscardHandler),
	})
}

// hostTable is a table of the host's, which notes every event in the transaction of the change.
const hostTable = `CREATE TABLE IF NOT EXISTS host_events (
	id VARCHAR(40) PRIMARY KEY, type VARCHAR(40) NOT NULL, resource VARCHAR(40) NOT NULL, version BIGINT NOT NULL)`

// hostSink writes events to hostTable.
func (d target) hostSink() scim.EventSink {
	insert := d.bound("INSERT INTO host_events (id, type, resource, version) VALUES (?, ?, ?, ?)")
	return scim.EventFunc(func(ctx context.Context, e scim.Event) error {
		tx, ok := sqlstore.Tx(ctx)
		if !ok {
			return errors.New("the event comes outside of a transaction")
		}
		_, err := tx.ExecContext(ctx, insert, e.ID, string(e.Type), e.Resource.ID, int64(e.Version))
		return err
	})
}

// client speaks SCIM, over the network or to a handler in the same process.
type client struct {
	base string
	http *http.Client
}

// inProcess carries requests to a handler.
type inProcess struct{ handler http.Handler }

func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	p.handler.ServeHTTP(w, r)
	return w.Result(), nil
}

// serve returns a client of a handler on the database, whose events go to hostTable.
func (d target) serve(t testing.TB, db *sql.DB) client {
	t.Helper()
	_, err := db.ExecContext(t.Context(), hostTable)
	require.NoError(t, err)
	return clientOf(t, d.store(t, db), d.hostSink())
}

func clientOf(t testing.TB, s store.Store, events scim.EventSink) client {
	t.Helper()
	h, err := newHandler(s, events)
	require.NoError(t, err)
	return client{base: baseURL, http: &http.Client{Transport: inProcess{h}}}
}

// answer is what came back; status 0 is a connection that broke.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// do sends a request. A body is encoded as JSON. Headers come in pairs.
func (c client) do(method, path string, body any, headers ...string) answer {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			panic(err)
		}
		content = bytes.NewReader(text)
	}
	r, err := http.NewRequest(method, c.base+path, content)
	if err != nil {
		panic(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	if body != nil {
		r.Header.Set("Content-Type", "application/scim+json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := c.http.Do(r)
	if err != nil {
		return answer{}
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}
	}
	return answer{response.StatusCode, response.Header, text}
}

// must sends a request that has to be answered with that status.
func (c client) must(t testing.TB, status int, method, path string, body any, headers ...string) answer {
	t.Helper()
	a := c.do(method, path, body, headers...)
	require.Equal(t, status, a.status, "%s %s: %s", method, path, a.body)
	return a
}

// resource is what tests read of an answer.
type resource struct {
	ID          string
	UserName    string
	ExternalID  string
	DisplayName string
	Members     []struct{ Value string }
	Meta        struct{ Version string }
	Resources   []resource
	Total       int    `json:"totalResults"`
	ScimType    string `json:"scimType"`
}

func (a answer) resource(t testing.TB) resource {
	t.Helper()
	r, err := a.parse()
	require.NoError(t, err, string(a.body))
	return r
}

func (a answer) parse() (r resource, err error) { return r, json.Unmarshal(a.body, &r) }

func (r resource) version(t testing.TB) (n int) {
	t.Helper()
	_, err := fmt.Sscanf(r.Meta.Version, `W/"%d"`, &n)
	require.NoError(t, err, r.Meta.Version)
	return n
}

func (r resource) members() []string {
	ids := []string{}
	for _, m := range r.Members {
		ids = append(ids, m.Value)
	}
	return ids
}

// find returns the resources that a filter selects.
func (c client) find(t testing.TB, endpoint, expression string) []resource {
	t.Helper()
	return c.must(t, 200, "GET", endpoint+"?filter="+url.QueryEscape(expression), nil).resource(t).Resources
}

func (c client) user(t testing.TB, name string) resource {
	t.Helper()
	return c.must(t, 201, "POST", "/Users", userBody(name)).resource(t)
}

func (c client) group(t testing.TB, name string, members ...string) resource {
	t.Helper()
	return c.must(t, 201, "POST", "/Groups", groupBody(name, members...)).resource(t)
}

type object = map[string]any

func userBody(name string) object {
	return object{
		"schemas": []string{userURN}, "userName": name, "externalId": "external-" + name, "displayName": name, "active": true,
		"emails": []object{{"value": name + "@example.test", "type": "work"}},
	}
}

func groupBody(name string, members ...string) object {
	return object{"schemas": []string{groupURN}, "displayName": name, "members": memberList(members...)}
}

func memberList(ids ...string) []object {
	list := []object{}
	for _, id := range ids {
		list = append(list, object{"value": id})
	}
	return list
}

func patchBody(ops ...object) object { return object{"schemas": []string{patchURN}, "Operations": ops} }

func setOp(path string, value any) object {
	return object{"op": "replace", "path": path, "value": value}
}
func addMembers(ids ...string) object {
	return object{"op": "add", "path": "members", "value": memberList(ids...)}
}
func removeMember(id string) object {
	return object{"op": "remove", "path": `members[value eq "` + id + `"]`}
}
