package scim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/internal/dbtest"
	"github.com/scimkit/scim/store"
	"github.com/scimkit/scim/store/memstore"
	"github.com/scimkit/scim/store/sqlstore"
	"github.com/scimkit/scim/store/storetest"
)

// sides are handlers on different stores. With the same clock and the same ids, they owe the same answers to the same requests.
type sides struct {
	list        []*side
	connections map[string]scim.Connection // by token
	runs        int
}

// side is a handler on one of the stores.
type side struct {
	name    string
	handler *scim.Handler
	clock   *clock
	ids     atomic.Int64
	events  *eventLog
}

// newSides opens every store that there is; the first one is the reference. SQLite is there twice, the second time with more
// attributes indexed.
func newSides(t *testing.T) *sides {
	t.Helper()
	all := &sides{}
	indexed := []string{"nickName", "name.familyName", "phoneNumbers.value", enterpriseURN + ":employeeNumber"}
	all.add(t, "memstore", memstore.New())
	all.add(t, "sqlite", openSQL(t, dbtest.SQLite(t), filter.SQLite))
	more, err := sqlstore.New(t.Context(), sqlstore.Config{DB: dbtest.SQLite(t), Dialect: filter.SQLite, Indexed: indexed})
	require.NoError(t, err)
	all.add(t, "sqlite, more indexes", more)
	if os.Getenv("SCIM_TEST_POSTGRES") != "" {
		all.add(t, "postgresql", openSQL(t, dbtest.PostgreSQL(t), filter.PostgreSQL))
	}
	return all
}

func (a *sides) add(t *testing.T, name string, directory store.Store) {
	t.Helper()
	a.list = append(a.list, newSide(t, name, directory, a.verify))
}

// verify is a verifierFunc.
func (a *sides) verify(_ context.Context, token string) (scim.Credential, error) {
	c, ok := a.connections[token]
	if !ok {
		return scim.Credential{}, scim.ErrUnauthorized
	}
	return scim.Credential{Connection: c, TokenID: token}, nil
}

// newSide makes a handler whose answers depend on nothing but requests.
func newSide(t *testing.T, name string, directory store.Store, verifier verifierFunc, sinks ...scim.EventSink) *side {
	t.Helper()
	s := &side{name: name, events: &eventLog{}, clock: newClock()}
	handler, err := scim.New(scim.Config{
		BaseURL: baseURL, Store: directory, Logger: slog.New(slog.DiscardHandler), RateLimiter: scim.Unlimited, Verifier: verifier,
		Events: scim.FanOut(append(sinks, s.events)...),
		Now:    func() time.Time { return s.clock.now() },
		NewID:  func(time.Time) string { return fmt.Sprintf("0199a1b2-0000-7000-8000-%012d", s.ids.Add(1)) },
		Limits: scim.Limits{PageSize: 5, MaxPageSize: 8, Members: 12, PatchOperations: 12},
	})
	require.NoError(t, err)
	s.handler = handler
	return s
}

// start gives every side two empty connections, and turns clocks and ids back.
func (a *sides) start(policy dialect.Policy, strict bool) {
	a.runs++
	a.connections = map[string]scim.Connection{}
	for _, token := range []string{tokenA, tokenB} {
		a.connections[token] = scim.Connection{
			ID: fmt.Sprintf("%s-%d", token, a.runs), Tenant: fmt.Sprintf("tenant-%d", a.runs), Policy: policy, Strict: strict,
		}
	}
	for _, s := range a.list {
		s.clock = newClock()
		s.ids.Store(0)
		s.events.take()
	}
}

// letter is a request that every side gets.
type letter struct {
	method, target, body string
	token                string
	headers              []string // pairs
}

func (l letter) String() string {
	return fmt.Sprintf("%s %s %q\n%s", l.method, l.target, l.headers, l.body)
}

// reply is all that comes of a letter.
type reply struct {
	status int
	header http.Header
	body   string
	broken bool // the connection was cut in the middle
	events []string
}

func (r reply) String() string {
	return fmt.Sprintf("%d %v %v\n%s\n%s", r.status, r.broken, r.header, r.body, strings.Join(r.events, "\n"))
}

// send sends a letter to every side, compares the answers and returns the one of memstore.
func (a *sides) send(t rapid.TB, l letter) reply {
	t.Helper()
	first := a.list[0].send(t, l)
	for _, s := range a.list[1:] {
		if other := s.send(t, l); other.String() != first.String() {
			t.Fatalf("%v\n\n%s:\n%v\n\n%s:\n%v", l, a.list[0].name, first, s.name, other)
		}
	}
	if first.status >= 500 {
		t.Fatalf("%v\n%v", l, first)
	}
	return first
}

func (s *side) send(t rapid.TB, l letter) reply {
	t.Helper()
	r := httptest.NewRequest(l.method, "http://internal.invalid/", strings.NewReader(l.body))
	target, err := url.ParseRequestURI("/scim/v2" + l.target)
	if err != nil {
		t.Fatalf("%v", err)
	}
	r.URL.Path, r.URL.RawPath, r.URL.RawQuery = target.Path, target.RawPath, target.RawQuery
	r.Header.Set("Content-Type", "application/scim+json")
	r.Header.Set("Authorization", "Bearer "+l.token)
	for i := 0; i+1 < len(l.headers); i += 2 {
		r.Header.Set(l.headers[i], l.headers[i+1])
	}
	w := httptest.NewRecorder()
	broken := s.serve(w, r)
	answer := reply{status: w.Code, header: w.Header(), body: w.Body.String(), broken: broken}
	for _, e := range s.events.take() {
		answer.events = append(answer.events, described(t, e))
	}
	return answer
}

// serve calls the handler, and reports whether it gave up in the middle of an answer.
func (s *side) serve(w http.ResponseWriter, r *http.Request) (broken bool) {
	defer func() {
		if cause := recover(); cause != nil {
			if cause != http.ErrAbortHandler {
				panic(cause)
			}
			broken = true
		}
	}()
	s.handler.ServeHTTP(w, r)
	return false
}

// described is everything that an event tells.
func described(t rapid.TB, e scim.Event) string {
	t.Helper()
	var out bytes.Buffer
	show := func(name string, r *store.Resource) {
		if r != nil {
			fmt.Fprintf(&out, "\n  %s %v %d %v %v %s", name, r.Ref, r.Version, r.Created, r.LastModified, r.Document.JSON())
		}
	}
	changes, err := json.Marshal(e.Changes)
	if err != nil {
		t.Fatalf("%v", err)
	}
	fmt.Fprintf(&out, "%s %s %v %s %s %v %v %d", e.ID, e.Type, e.Time, e.Connection, e.Tenant, e.Actor, e.Resource, e.Version)
	show("before", e.Before)
	show("after", e.After)
	fmt.Fprintf(&out, "\n  %s added %v removed %v", changes, e.Added, e.Removed)
	return out.String()
}

// Any sequence of requests gets the same answers and makes the same events on every store. -rapid.checks says how many sequences;
// a failure prints the seed and the requests that led there.
func TestStoresAnswerAlike(t *testing.T) {
	t.Parallel()
	all := newSides(t)
	rapid.Check(t, func(t *rapid.T) {
		g := newGenerator(t)
		all.start(g.policy(), g.one(4))
		for n := range rapid.IntRange(16, 36).Draw(t, "requests") {
			l := g.letter()
			if n < 8 {
				l = g.seed()
			}
			t.Logf("%v", l)
			g.learn(l, all.send(t, l))
		}
		for range 6 {
			all.send(t, g.lookup())
		}
		for _, token := range []string{tokenA, tokenB} {
			for _, endpoint := range []string{"/Users", "/Groups"} {
				for start := 1; start < 20; start += 8 {
					all.send(t, letter{method: "GET", target: fmt.Sprintf("%s?startIndex=%d&count=8", endpoint, start), token: token})
				}
			}
		}
	})
	covers(t, "F-17")
}

// A replica that lags behind the primary may answer reads with the past. Writes do not build on what it says: their outcome, their
// events and what is stored in the end are those of a store without a replica.
func TestStaleReadsLoseNothing(t *testing.T) {
	t.Parallel()
	all := newSides(t)
	lagging := &sides{list: all.list[:1]} // the reference has no replica
	var stale []*storetest.StaleStore
	for _, b := range backends {
		if b.name == "postgresql" && os.Getenv("SCIM_TEST_POSTGRES") == "" {
			continue
		}
		s := storetest.NewStaleStore(b.open(t), memstore.New())
		stale = append(stale, s)
		lagging.list = append(lagging.list, newSide(t, b.name, s, all.verify))
	}
	rapid.Check(t, func(t *rapid.T) {
		g := newGenerator(t)
		lagging.start(g.policy(), g.one(4))
		all.connections = lagging.connections
		for n := range rapid.IntRange(16, 30).Draw(t, "requests") {
			l := g.letter()
			if n < 6 {
				l = g.seed()
			}
			t.Logf("%v", l)
			g.learn(l, lagging.change(t, l))
			for _, s := range stale {
				if g.one(12) {
					require.NoError(t, s.CatchUp(context.Background()))
				}
			}
		}
		for _, s := range stale {
			require.NoError(t, s.CatchUp(context.Background()))
		}
		for _, target := range []string{"/Users?count=8", "/Users?startIndex=9", "/Groups?count=8", "/Groups?startIndex=9"} {
			lagging.send(t, letter{method: "GET", target: target, token: tokenA})
		}
	})
	covers(t, "C-03")
}

// change sends a letter to every side, and compares what writes do, but not what they and reads show.
func (a *sides) change(t rapid.TB, l letter) reply {
	t.Helper()
	first := a.list[0].send(t, l)
	for _, s := range a.list[1:] {
		other := s.send(t, l)
		if l.method == "GET" || strings.HasSuffix(l.target, ".search") {
			continue
		}
		body := first.body
		first.body, other.body = "", ""
		first.header.Del("Content-Length")
		other.header.Del("Content-Length")
		if other.String() != first.String() {
			t.Fatalf("%v\n\n%s:\n%v\n\n%s:\n%v", l, a.list[0].name, first, s.name, other)
		}
		first.body = body
	}
	return first
}
