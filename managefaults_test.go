package scim_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/internal/dbtest"
	"github.com/scimkit/scim/store"
)

// Faults of a database while connections are managed, and while tokens are looked up.

// managementCall is a call of the management API about a connection.
type managementCall struct {
	method, target, body string // {token} stands for the id of a second token, {tenant} in front for the path of the tenant
	before               func(l *link)
	status               int // if nothing fails
	was, is              int // the status of a SCIM request with the bearer token before and after
	again                int // the status of the call when it has been done already
	code                 string
}

// calls are all of those that a database has to do with.
var calls = map[string]managementCall{
	"create":   {"POST", "{tenant}", `{"display_name":"Another"}`, disabled, 201, 401, 401, 409, "active_connection_exists"},
	"rename":   {"PATCH", "", `{"display_name":"Another name","identity_provider":"okta","strict":true}`, nothing, 200, 200, 200, 200, ""},
	"disable":  {"PATCH", "", `{"status":"disabled"}`, nothing, 200, 200, 401, 200, ""},
	"enable":   {"PATCH", "", `{"status":"active"}`, disabled, 200, 401, 200, 200, ""},
	"delete":   {"DELETE", "", "", filled, 200, 200, 401, 404, "connection_not_found"},
	"start":    {"POST", "/rotate/start", "", nothing, 200, 200, 200, 409, "already_rotating"},
	"complete": {"POST", "/rotate/complete", "", rotating, 200, 200, 401, 409, "not_rotating"},
	"cancel":   {"POST", "/rotate/cancel", "", rotating, 200, 200, 200, 409, "not_rotating"},
	"issue":    {"POST", "/tokens", `{"name":"one more"}`, nothing, 201, 200, 200, 201, ""},
	"revoke":   {"DELETE", "/tokens/{token}", "", nothing, 200, 200, 200, 200, ""},
	"list":     {"GET", "{tenant}", "", used, 200, 200, 200, 200, ""},
	"get":      {"GET", "", "", used, 200, 200, 200, 200, ""},
	"tokens":   {"GET", "/tokens", "", used, 200, 200, 200, 200, ""},
	"groups":   {"GET", "/groups", "", nothing, 200, 200, 200, 200, ""},
	"journal":  {"GET", "/journal", "", used, 200, 200, 200, 200, ""},
}

func used(l *link) { l.e.scim(0, l.token, "GET", "/Users", "").decode(l.e.t, 200) }

func filled(l *link) { l.e.scim(0, l.token, "POST", "/Users", userText("anna")).decode(l.e.t, 201) }

func nothing(*link) {}

func disabled(l *link) {
	l.manage(0, "PATCH", "", `{"status":"disabled"}`).decode(l.e.t, 200)
}

func rotating(l *link) { l.rotate(0) }

// call makes a call of the table, in which {token} is the id of a token.
func (l *link) call(c managementCall, token string) answered {
	target, tenant := strings.CutPrefix(strings.ReplaceAll(c.target, "{token}", token), "{tenant}")
	path := l.path
	if tenant {
		path = path[:strings.LastIndexByte(path, '/')]
	}
	return l.e.manage(0, c.method, path+target, c.body)
}

// prepare makes a connection for a call, in a tenant of its own.
func (e *estate) prepare(c managementCall, tenant string) (l *link, token string) {
	e.t.Helper()
	e.flush() // so that a call has only this connection's business to do
	l = e.connect(tenant, "")
	if strings.Contains(c.target, "token") {
		token, _ = l.issue(0, "a name")
	}
	c.before(l)
	e.events.take()
	return l, token
}

// stored is what the database holds of a tenant's connections, whatever ids, digests and times are.
func (l *link) stored() string {
	l.e.t.Helper()
	return strings.Join(slices.Concat(
		l.e.rows("connection", `SELECT status, display_name, identity_provider, policy, CASE WHEN strict THEN 1 ELSE 0 END AS strict, revision
			FROM scim_connections WHERE tenant = $1 ORDER BY number`, l.scope.Tenant),
		l.e.rows("token", `SELECT t.name, t.slot, CASE WHEN t.revoked IS NULL THEN 0 ELSE 1 END AS revoked
			FROM scim_tokens AS t JOIN scim_connections AS c ON c.id = t.connection WHERE c.tenant = $1 ORDER BY t.number`, l.scope.Tenant),
	), "\n")
}

// Whatever step of the database fails in a management call, before or after it was done: the call is done or not done at all. It is
// answered with a 503 unless it is known to be done; and making it again says what has become of it, and leads where it should.
func TestFaultsOfManagement(t *testing.T) {
	t.Parallel()
	for _, backend := range []string{"sqlite", "postgresql"} {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			e := openEstate(t, backend, 1)
			fired := 0
			for i, name := range slices.Sorted(maps.Keys(calls)) {
				f := &fault{e: e, name: name, call: calls[name]}
				l, token := e.prepare(f.call, "tenant-"+name)
				f.before = l.stored()
				f.want = l.call(f.call, token)
				f.want.decode(t, f.call.status)
				f.after = l.stored()
				f.events = e.events.types()
				for n := 1; f.sweep(i, n); n++ {
					fired++
				}
			}
			require.Greater(t, fired, 3*len(calls))
			covers(t, "threat:S-20", "threat:S-22")
		})
	}
}

// fault is a management call whose steps fail, one after the other.
type fault struct {
	e             *estate
	name          string
	call          managementCall
	before, after string
	want          answered
	events        []scim.EventType
}

// sweep makes the n-th step of a call fail before and after it is done. It reports whether there is such a step.
func (f *fault) sweep(i, n int) bool {
	t, steps := f.e.t, f.e.nodes[0].steps
	t.Helper()
	faults := faultsOf(f.e.dialect)
	for when := dbtest.Before; when <= dbtest.After; when++ {
		if !exhaustive && f.e.dialect == filter.PostgreSQL && int(when) == (i+n)%2 {
			continue
		}
		cause := faults[(i+n+int(when))%len(faults)]
		where := fmt.Sprintf("%s, step %d, moment %d: %v", f.name, n, when, cause)
		l, token := f.e.prepare(f.call, fmt.Sprintf("tenant-%s-%d-%d", f.name, n, when))
		require.Equal(t, f.before, l.stored(), where)
		steps.Inject(dbtest.Fault{N: n, When: when, Err: cause})
		got := l.call(f.call, token)
		steps.Heal()
		if steps.Fired() == 0 {
			return false
		}
		f.judge(where, l, token, when, cause, got)
	}
	return true
}

// judge compares an answer with what has become of the connection.
func (f *fault) judge(where string, l *link, token string, when dbtest.Moment, cause error, got answered) {
	t := f.e.t
	t.Helper()
	step, inside := f.e.nodes[0].steps.Last()
	state, happened := l.stored(), f.e.events.types()
	if got.status < 300 {
		require.Equal(t, f.want.status, got.status, where)
		require.Equal(t, f.after, state, where)
		require.Equal(t, f.events, happened, where)
		f.works(where, l, got, f.call.is)
		return
	}
	require.Equal(t, 503, got.status, "%s: %s", where, got.body)
	require.NotEmpty(t, got.header.Get("Retry-After"), where)
	require.NotContains(t, got.body, "bearer_token", where)
	require.False(t, inside && passes(cause), "it was not repeated: %s", where)
	require.Empty(t, happened, where)
	done := state == f.after && f.before != f.after
	require.True(t, !done || step == dbtest.Commit && when != dbtest.Before, "it is done: %s", where)
	require.True(t, done || state == f.before, "%s: half of it is done:\n%s", where, state)
	f.works(where, l, got, map[bool]int{false: f.call.was, true: f.call.is}[done])

	repeated := l.call(f.call, token)
	if !done {
		repeated.decode(t, f.call.status)
		require.Equal(t, f.after, l.stored(), where)
		f.works(where, l, repeated, f.call.is)
		return
	}
	body := repeated.decode(t, f.call.again)
	if f.call.code != "" {
		require.Equal(t, f.call.code, body["code"], where)
		require.Equal(t, f.after, l.stored(), where)
	}
	if f.name == "start" { // the token that nobody has seen is taken back
		l.manage(0, "POST", "/rotate/cancel", "").decode(t, 200)
		f.works(where, l, l.call(f.call, token), 200)
	}
}

// works requires that the bearer token gets a status, and that a token in an answer is valid.
func (f *fault) works(where string, l *link, got answered, status int) {
	t := f.e.t
	t.Helper()
	require.Equal(t, status, f.e.scim(0, l.token, "GET", "/Users", "").status, where)
	if got.status > 299 {
		return
	}
	body := got.decode(t, got.status)
	for _, key := range []string{"connection", "token"} {
		made, _ := body[key].(map[string]any)
		for _, secret := range []string{"bearer_token", "next_bearer_token"} {
			if text, shown := made[secret].(string); shown {
				require.Equal(t, 200, f.e.scim(0, text, "GET", "/Users", "").status, where)
				status = 0
			}
		}
	}
	require.Equal(t, slices.Contains([]string{"create", "start", "issue"}, f.name), status == 0, "%s: a token is missing", where)
}

// sick is a ConnectionStore whose look-ups of tokens fail while it has an error.
type sick struct {
	store.ConnectionStore
	err error
}

func (s *sick) FindToken(ctx context.Context, id string, digest store.Digest) (store.Token, store.Connection, error) {
	if s.err != nil {
		return store.Token{}, store.Connection{}, s.err
	}
	return s.ConnectionStore.FindToken(ctx, id, digest)
}

// A token that cannot be looked up is neither wrong nor right: the answer is a 503 for every token, and nothing is remembered of the
// last time but for as long as the host allowed it.
func TestTokensThatCannotBeLookedUp(t *testing.T) {
	t.Parallel()
	for _, backend := range backends {
		for how, lifetime := range map[string]time.Duration{"without a cache": 0, "with a cache": time.Second} {
			t.Run(backend.name+" "+how, func(t *testing.T) {
				t.Parallel()
				s := &sick{}
				e := openEstate(t, backend.name, 1, func(k *scim.ConnectionsConfig, _ *scim.Config) {
					s.ConnectionStore, k.Store, k.CacheFor = k.Store, s, lifetime
				})
				l := e.connect("tenant", "")
				_, named := l.issue(0, "a name")
				for _, err := range []error{
					dbtest.ErrIO, fmt.Errorf("dial tcp 10.0.0.7:5432: %w", context.DeadlineExceeded), store.ErrVersion, context.Canceled,
				} {
					for _, token := range []string{l.token, named} {
						e.scim(0, token, "GET", "/Users", "").decode(t, 200)
					}
					s.err = err
					e.clock.advance(lifetime)
					e.unavailable(l.token, named, "x"+named, named[:len(named)-1]+"_", strings.Repeat("abcdefgh", 8))
					e.scim(0, "", "GET", "/Users", "").decode(t, 401)
					s.err = nil
					e.scim(0, "x"+named, "GET", "/Users", "").decode(t, 401)
				}
				require.Zero(t, e.scim(0, l.token, "GET", "/Users", "").decode(t, 200)["totalResults"])
				covers(t, "A-16")
			})
		}
	}
}

// unavailable requires that requests with tokens are neither let in nor turned away.
func (e *estate) unavailable(tokens ...string) {
	e.t.Helper()
	for _, token := range tokens {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			a := e.scim(0, token, method, "/Users", userText("anna"))
			a.decode(e.t, 503)
			require.NotEmpty(e.t, a.header.Get("Retry-After"))
			require.Empty(e.t, a.header.Get("WWW-Authenticate"))
			require.NotContains(e.t, a.body, "10.0.0.7")
		}
	}
}
