package storetest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/internal/claim"
	"github.com/scimkit/scim/store"
	"github.com/scimkit/scim/store/memstore"
	"github.com/scimkit/scim/store/storetest"
)

var covers = claim.Covers

const (
	baseURL = "https://scim.example.test/scim/v2"
	token   = "token-of-the-connection-0123456789-0123456789"
)

var connection = scim.Connection{ID: "connection", Tenant: "tenant"}

// server is a handler over a store, whose ids and times are the same in every run.
type server struct {
	t       *testing.T
	handler *scim.Handler
	events  []string // of committed changes
}

func serve(t *testing.T, s store.Store) *server {
	t.Helper()
	verifier, err := scim.StaticToken(token, connection)
	require.NoError(t, err)
	srv := &server{t: t}
	ids, ticks := 0, 0
	srv.handler, err = scim.New(scim.Config{
		BaseURL: baseURL, Store: s, Verifier: verifier, RateLimiter: scim.Unlimited, Logger: slog.New(slog.DiscardHandler),
		NewID: func(time.Time) string {
			ids++
			return fmt.Sprintf("019ceba1-0cd5-7000-8000-%012d", ids)
		},
		Now: func() time.Time {
			ticks++
			return time.Date(2026, 3, 14, 9, 26, 53, ticks*1e6, time.UTC)
		},
		Events: scim.EventFunc(func(ctx context.Context, e scim.Event) error {
			store.AfterCommit(ctx, func() { srv.events = append(srv.events, fmt.Sprint(e.Type, " ", e.Resource.ID)) })
			return nil
		}),
	})
	require.NoError(t, err)
	return srv
}

// request is one request; {name} in its path and body stands for the id of the resource that was created with that name.
type request struct{ method, path, body, ifMatch string }

// do sends a request and returns the answer's status, its Retry-After and its body.
func (s *server) do(r request) (status int, retryAfter, body string) {
	s.t.Helper()
	q := httptest.NewRequestWithContext(s.t.Context(), r.method, baseURL+r.path, strings.NewReader(r.body))
	q.Header.Set("Authorization", "Bearer "+token)
	if r.body != "" {
		q.Header.Set("Content-Type", "application/scim+json")
	}
	if r.ifMatch != "" {
		q.Header.Set("If-Match", r.ifMatch)
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, q)
	return w.Code, w.Header().Get("Retry-After"), w.Body.String()
}

func (s *server) ok(r request) string {
	s.t.Helper()
	status, _, body := s.do(r)
	require.Less(s.t, status, 300, "%v: %s", r, body)
	return body
}

// create creates a resource and returns its id.
func (s *server) create(path, body string) string {
	s.t.Helper()
	var created struct{ ID string }
	require.NoError(s.t, json.Unmarshal([]byte(s.ok(request{method: "POST", path: path, body: body})), &created))
	return created.ID
}

func user(name string) string {
	return fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":%q}`, name)
}

func group(name string, members ...string) string {
	list := []string{}
	for _, id := range members {
		list = append(list, fmt.Sprintf(`{"value":%q}`, id))
	}
	return fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":%q,"members":[%s]}`, name, strings.Join(list, ","))
}

func operations(ops string) string {
	return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` + ops + `]}`
}

// everything renders what a store holds.
func everything(t *testing.T, s store.Store) string {
	t.Helper()
	return render(t, s, func(r store.Resource) string { return fmt.Sprint(r.Version, r.Created, r.LastModified) })
}

// content renders the attributes and members that a store holds, without versions and times.
func content(t *testing.T, s store.Store) string {
	t.Helper()
	return render(t, s, func(store.Resource) string { return "" })
}

func render(t *testing.T, s store.Store, meta func(store.Resource) string) string {
	t.Helper()
	var b strings.Builder
	scope := connection.Scope()
	for _, typ := range []string{"User", "Group"} {
		page, err := s.List(t.Context(), scope, store.Query{Type: typ, Start: 1, Count: 1000})
		require.NoError(t, err)
		for _, r := range page.Resources {
			members, err := s.(store.MemberLister).Members(t.Context(), scope, store.MemberQuery{Groups: []string{r.ID}, Limit: 1000})
			require.NoError(t, err)
			fmt.Fprintln(&b, r.Ref, meta(r), string(r.Document.JSON()), members.Memberships)
		}
	}
	return b.String()
}

// seeded is a server with two users and two groups.
func seeded(t *testing.T, s store.Store) (srv *server, ann, bea, ops, dev string) {
	t.Helper()
	srv = serve(t, s)
	ann, bea = srv.create("/Users", user("ann")), srv.create("/Users", user("bea"))
	ops, dev = srv.create("/Groups", group("ops", ann, bea)), srv.create("/Groups", group("dev", ann))
	srv.events = nil
	return srv, ann, bea, ops, dev
}

// requests has one for every way to use a store.
func requests(ann, bea, ops, dev string) []request {
	return []request{
		{method: "GET", path: "/Users/" + ann},
		{method: "GET", path: "/Groups/" + ops},
		{method: "GET", path: "/Users?filter=userName%20eq%20%22bea%22"},
		{method: "GET", path: "/Groups?attributes=members"},
		{method: "POST", path: "/Users", body: user("cleo")},
		{method: "POST", path: "/Groups", body: group("new", ann, bea)},
		{method: "PUT", path: "/Users/" + ann, body: user("anna")},
		{method: "PUT", path: "/Users/" + ann, body: user("anna"), ifMatch: `W/"1"`},
		{method: "PUT", path: "/Groups/" + ops, body: group("renamed", bea)},
		{method: "PATCH", path: "/Users/" + bea, body: operations(`{"op":"replace","path":"active","value":false}`)},
		{method: "PATCH", path: "/Groups/" + dev, body: operations(`{"op":"add","path":"members","value":[{"value":"` + bea + `"}]}`)},
		{method: "PATCH", path: "/Groups/" + ops, body: operations(`{"op":"remove","path":"members[value eq \"` + ann + `\"]"}`)},
		{method: "PATCH", path: "/Groups/" + ops, body: operations(`{"op":"remove","path":"members[display eq \"bea\"]"}`)},
		{method: "DELETE", path: "/Users/" + ann},
		{method: "DELETE", path: "/Groups/" + ops, ifMatch: `W/"1"`},
	}
}

// untransacted hides that a store has transactions.
type untransacted struct {
	store.Store
	store.MemberLister
	store.GroupLister
}

func without(m *memstore.Store) store.Store { return untransacted{m, m, m} }

// S-20: a call of the store fails, each in its turn, of every request. The answer is a 503 that may be tried again, the change is whole
// or there is none, no event tells of a change that there is not, and the request gets through when it comes again.
func TestFailingStore(t *testing.T) {
	t.Parallel()
	failed := errors.New("the disk is full: canary")
	for name, inner := range map[string]func(*memstore.Store) store.Store{
		"with transactions":    func(m *memstore.Store) store.Store { return m },
		"without transactions": without,
	} {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, after %t", name, after), func(t *testing.T) {
				t.Parallel()
				for i := range requests("", "", "", "") {
					sweep(t, inner, i, storetest.Fault{Err: failed, After: after})
				}
			})
		}
	}
}

// sweep sends request i again and again, to a server of its own each time, and lets another call fail, until none does.
func sweep(t *testing.T, inner func(*memstore.Store) store.Store, i int, fault storetest.Fault) {
	t.Helper()
	calm := memstore.New()
	srv, ann, bea, ops, dev := seeded(t, calm)
	r := requests(ann, bea, ops, dev)[i]
	before := everything(t, calm)
	srv.ok(r)
	changed, events := everything(t, calm), srv.events
	for fault.Call = 1; ; fault.Call++ {
		memory := memstore.New()
		faulty := storetest.NewFaultStore(inner(memory))
		srv, _, _, _, _ := seeded(t, faulty)
		require.Equal(t, before, everything(t, memory))
		faulty.Inject(fault)
		status, retryAfter, body := srv.do(r)
		if !faulty.Fired() {
			require.Less(t, status, 300, body)
			require.Equal(t, changed, everything(t, memory))
			require.Equal(t, events, srv.events)
			require.Greater(t, fault.Call, 1, "the request calls the store")
			return
		}
		where := fmt.Sprintf("%v, call %d", r, fault.Call)
		if status < 300 && r.method != "GET" { // what was to be shown beside the change could not be read
			require.Equal(t, changed, everything(t, memory), where)
			require.Equal(t, events, srv.events, where)
			continue
		}
		require.Equal(t, http.StatusServiceUnavailable, status, "%s: %s", where, body)
		require.NotEmpty(t, retryAfter, where)
		require.NotContains(t, body, "canary", where)
		now := everything(t, memory)
		if now == before {
			require.Empty(t, srv.events, where)
		} else {
			require.Equal(t, changed, now, "%s: half of a change", where)
			if !fault.After || len(srv.events) > 0 { // whoever does not know of the commit cannot tell
				require.Equal(t, events, srv.events, where)
			}
		}
		status, _, body = srv.do(r)
		again := now != before && (r.method == "POST" && strings.HasPrefix(r.path, "/Users") || r.ifMatch != "" || r.method == "DELETE")
		if again {
			require.Contains(t, []int{http.StatusConflict, http.StatusPreconditionFailed, http.StatusNotFound}, status, "%s: %s", where, body)
			require.Equal(t, changed, everything(t, memory), where)
			continue
		}
		require.Less(t, status, 300, "%s: %s", where, body)
	}
}

// A database that runs transactions again gets the same change, and the same events once.
func TestRepeatedTransactions(t *testing.T) {
	t.Parallel()
	for i := range requests("", "", "", "") {
		calm, memory := memstore.New(), memstore.New()
		srv, ann, bea, ops, dev := seeded(t, calm)
		r := requests(ann, bea, ops, dev)[i]
		want := srv.ok(r)
		faulty := storetest.NewFaultStore(memory)
		again, _, _, _, _ := seeded(t, faulty)
		faulty.Retry(3)
		require.Equal(t, want, again.ok(r), r)
		require.Equal(t, everything(t, calm), everything(t, memory), r)
		require.Equal(t, srv.events, again.events, r)
	}
}

// C-03: what a replica does not know yet is neither lost nor undone. The same requests go to a server that reads from a replica
// which learns of nothing, and to one that does not.
func TestStaleReads(t *testing.T) {
	t.Parallel()
	primary, replica, calm := memstore.New(), memstore.New(), memstore.New()
	stale := storetest.NewStaleStore(primary, replica)
	srv, ann, bea, ops, dev := seeded(t, stale)
	control, _, _, _, _ := seeded(t, calm)
	require.NoError(t, stale.CatchUp(t.Context()))
	unknown := everything(t, replica)
	cleo := srv.create("/Users", user("cleo"))
	require.Equal(t, cleo, control.create("/Users", user("cleo")))
	for _, r := range changes(ann, bea, cleo, ops, dev) {
		got, _, body := srv.do(r)
		want, _, _ := control.do(r)
		require.Equal(t, want, got, "%v: %s", r, body)
		require.Equal(t, everything(t, calm), everything(t, primary), r)
	}
	require.Equal(t, unknown, everything(t, replica), "the replica lags behind")
	status, _, _ := srv.do(request{method: "GET", path: "/Users/" + cleo})
	require.Equal(t, http.StatusNotFound, status)
	require.NotContains(t, srv.ok(request{method: "GET", path: "/Users/" + ann}), "Chief")
	covers(t, "C-03")

	require.NoError(t, stale.CatchUp(t.Context()))
	require.Equal(t, everything(t, calm), everything(t, replica))
	require.Contains(t, srv.ok(request{method: "GET", path: "/Users/" + ann}), "Chief")
}

// Without transactions, a write over a version that the replica does not know yet is refused, changes nothing and gets through when the
// replica has caught up.
func TestStaleReadsWithoutTransactions(t *testing.T) {
	t.Parallel()
	primary, replica, calm := memstore.New(), memstore.New(), memstore.New()
	stale := storetest.NewStaleStore(without(primary), replica)
	srv, ann, bea, ops, dev := seeded(t, stale)
	control, _, _, _, _ := seeded(t, calm)
	cleo := srv.create("/Users", user("cleo"))
	require.Equal(t, cleo, control.create("/Users", user("cleo")))
	require.NoError(t, stale.CatchUp(t.Context()))
	refused := 0
	for _, r := range changes(ann, bea, cleo, ops, dev) {
		before := everything(t, primary)
		status, _, body := srv.do(r)
		if status == http.StatusServiceUnavailable {
			refused++
			require.Equal(t, before, everything(t, primary), r)
			require.NoError(t, stale.CatchUp(t.Context()))
			status, _, body = srv.do(r)
		}
		want, _, _ := control.do(r)
		require.Equal(t, want, status, "%v: %s", r, body)
	}
	require.Positive(t, refused)
	require.Equal(t, content(t, calm), content(t, primary))
}

// changes are requests each of which writes over what those before it wrote.
func changes(ann, bea, cleo, ops, dev string) []request {
	add := func(id string) string {
		return operations(`{"op":"add","path":"members","value":[{"value":"` + id + `"}]}`)
	}
	return []request{
		{method: "PATCH", path: "/Groups/" + ops, body: add(cleo)},
		{method: "PATCH", path: "/Users/" + ann, body: operations(`{"op":"replace","path":"title","value":"Chief"}`)},
		{method: "PATCH", path: "/Users/" + ann, body: operations(`{"op":"replace","path":"nickName","value":"A"}`)},
		{method: "PATCH", path: "/Users/" + ann, body: operations(`{"op":"replace","path":"active","value":false}`), ifMatch: `W/"1"`},
		{method: "PATCH", path: "/Groups/" + ops, body: operations(`{"op":"remove","path":"members[display eq \"bea\"]"}`)},
		{method: "PUT", path: "/Groups/" + dev, body: group("dev 2", bea, cleo)},
		{method: "PATCH", path: "/Groups/" + dev, body: add(ann)},
		{method: "PATCH", path: "/Groups/" + dev, body: operations(`{"op":"replace","path":"displayName","value":"dev 3"}`)},
		{method: "DELETE", path: "/Users/" + bea},
		{method: "PATCH", path: "/Groups/" + ops, body: add(bea)},
		{method: "PATCH", path: "/Groups/" + ops, body: operations(`{"op":"replace","path":"members","value":[{"value":"` + cleo + `"}]}`)},
	}
}
