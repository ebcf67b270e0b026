package sqlstore_test

import (
	"cmp"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/store/sqlstore"
)

// SCIM_TEST_ROUNDS is how many processes the crash tests kill, a quarter of them on PostgreSQL with a server of its own that is killed
// as well; unset, a few. SCIM_TEST_SEED repeats a run.
const (
	roundsVariable = "SCIM_TEST_ROUNDS"
	seedVariable   = "SCIM_TEST_SEED"
	fewRounds      = 5
	crashWorkers   = 5
)

func roundsOf(t testing.TB) (n int, long bool) {
	t.Helper()
	text := os.Getenv(roundsVariable)
	if text == "" {
		return fewRounds, false
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n, true
}

func seeded(t testing.TB) uint64 {
	t.Helper()
	seed := rand.Uint64() //nolint:gosec // it is printed
	if text := os.Getenv(seedVariable); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s=%d repeats the choices", seedVariable, seed)
		}
	})
	return seed
}

// repeatable returns the choices of one of several that share a seed.
func repeatable(seed uint64, n int) *rand.Rand {
	return rand.New(rand.NewPCG(seed, uint64(n))) //nolint:gosec // it can be repeated
}

// person is what a worker knows of one of its users. Mark is the last change, which stands in several attributes.
type person struct {
	ID, Mark      string
	Own, Everyone bool // the groups that it is in
}

// state is what a worker knows of the directory: its users by userName and its group.
type state struct {
	people map[string]person
	mark   string // displayName of its group
}

func (s state) with(f func(*state)) state {
	s.people = maps.Clone(s.people)
	f(&s)
	return s
}

// worker is an identity provider that changes its own part of the directory, one request after the other.
type worker struct {
	name     string
	random   *rand.Rand
	group    string // id
	everyone string // id of the group that all workers share
	known    state  // after all acknowledged changes
	pending  *state // after the change whose outcome is unknown
	creating string // userName of a creation whose outcome is unknown
	ops      int
}

func marked(name, mark string) object {
	body := userBody(name)
	body["displayName"], body["nickName"], body["title"] = mark, mark, mark
	body["emails"] = []object{{"value": mark + "@example.test", "type": "work"}, {"value": name + "@home.example.test", "type": "home"}}
	return body
}

// step is a request and what it makes of the state.
type step struct {
	method, path string
	body         any
	apply        func(*state, string) // with the id in the answer
	creates      string
}

func (w *worker) next() step {
	w.ops++
	mark := fmt.Sprintf("%s-%d", w.name, w.ops)
	names := slices.Sorted(maps.Keys(w.known.people))
	if len(names) < 3 || w.random.IntN(8) == 0 {
		return step{"POST", "/Users", marked(mark, mark), func(s *state, id string) { s.people[mark] = person{ID: id, Mark: mark} }, mark}
	}
	name := names[w.random.IntN(len(names))]
	p := w.known.people[name]
	put := func(change func(*person)) func(*state, string) {
		change(&p)
		return func(s *state, _ string) { s.people[name] = p }
	}
	membership := func(in bool) object {
		if in {
			return removeMember(p.ID)
		}
		return addMembers(p.ID)
	}
	switch w.random.IntN(6) {
	case 0:
		return step{method: "DELETE", path: "/Users/" + p.ID, apply: func(s *state, _ string) { delete(s.people, name) }}
	case 1:
		return step{method: "PUT", path: "/Users/" + p.ID, body: marked(name, mark), apply: put(func(p *person) { p.Mark = mark })}
	case 2:
		ops := patchBody(setOp("displayName", mark), setOp("nickName", mark), setOp("title", mark),
			setOp(`emails[type eq "work"].value`, mark+"@example.test"))
		return step{method: "PATCH", path: "/Users/" + p.ID, body: ops, apply: put(func(p *person) { p.Mark = mark })}
	case 3, 4:
		op := membership(p.Everyone)
		return step{method: "PATCH", path: "/Groups/" + w.everyone, body: patchBody(op), apply: put(func(p *person) { p.Everyone = !p.Everyone })}
	default:
		op := membership(p.Own)
		in := put(func(p *person) { p.Own = !p.Own })
		return step{method: "PATCH", path: "/Groups/" + w.group, body: patchBody(setOp("displayName", mark), op), apply: func(s *state, id string) {
			in(s, id)
			s.mark = mark
		}}
	}
}

// act sends one request. ok is false if its outcome is unknown.
func (w *worker) act(c client) (ok bool, unexpected error) {
	s := w.next()
	a := c.do(s.method, s.path, s.body)
	switch {
	case a.status >= 200 && a.status < 300:
		var r resource
		if s.creates != "" {
			if err := json.Unmarshal(a.body, &r); err != nil {
				return false, err
			}
		}
		w.known = w.known.with(func(k *state) { s.apply(k, r.ID) })
		return true, nil
	case a.status == 0 || a.status == 503:
		after := w.known.with(func(k *state) { s.apply(k, "") })
		w.pending, w.creating = &after, s.creates
		return false, nil
	}
	return false, fmt.Errorf("%s %s: %d %s", s.method, s.path, a.status, a.body)
}

// marks is what stands in the attributes that one request writes together.
type marks struct {
	ID, UserName, DisplayName, NickName, Title string
	Emails                                     []struct{ Value, Type string }
}

// read returns the worker's part of the directory as it is.
func (w *worker) read(t testing.TB, c client) (s state) {
	t.Helper()
	s.people = map[string]person{}
	var list struct{ Resources []marks }
	a := c.must(t, 200, "GET", "/Users?count=500&filter="+url.QueryEscape(`userName sw "`+w.name+`-"`), nil)
	require.NoError(t, json.Unmarshal(a.body, &list))
	own := c.must(t, 200, "GET", "/Groups/"+w.group, nil).resource(t)
	everyone := c.must(t, 200, "GET", "/Groups/"+w.everyone, nil).resource(t)
	s.mark = own.DisplayName
	for _, m := range list.Resources {
		require.Equal(t, []string{m.DisplayName, m.DisplayName}, []string{m.NickName, m.Title}, "half of a change: %+v", m)
		require.Equal(t, m.DisplayName+"@example.test", m.Emails[0].Value, "half of a change: %+v", m)
		s.people[m.UserName] = person{m.ID, m.DisplayName, slices.Contains(own.members(), m.ID), slices.Contains(everyone.members(), m.ID)}
	}
	return s
}

// settle compares the directory with what the worker knows. It reports whether a change with an unknown outcome was made, and sends
// a creation again, as identity providers do.
func (w *worker) settle(t testing.TB, c client) (applied bool) {
	t.Helper()
	is := w.read(t, c)
	if w.pending != nil {
		if w.creating != "" {
			if p, ok := is.people[w.creating]; ok { // the id was in the answer
				w.pending.people[w.creating] = person{ID: p.ID, Mark: w.pending.people[w.creating].Mark}
			}
		}
		applied = equalStates(is, *w.pending)
	}
	if !applied {
		require.True(t, equalStates(is, w.known), "%s: is %+v, acknowledged was %+v, unknown is %+v", w.name, is, w.known, w.pending)
	}
	w.known = is
	if w.creating != "" {
		status := 201
		if applied {
			status = 409
		}
		c.must(t, status, "POST", "/Users", marked(w.creating, w.creating))
		require.Len(t, c.find(t, "/Users", `userName eq "`+w.creating+`"`), 1)
		require.Len(t, c.find(t, "/Users", `externalId eq "external-`+w.creating+`"`), 1)
		w.known = w.read(t, c)
	}
	w.pending, w.creating = nil, ""
	return applied
}

func equalStates(a, b state) bool { return a.mark == b.mark && maps.Equal(a.people, b.people) }

// crash is a directory whose servers are killed while workers change it.
type crash struct {
	t        *testing.T
	d        target
	random   *rand.Rand
	workers  []*worker
	acks     atomic.Int64
	unknown  int // outcomes
	applied  int // of them
	deaths   map[string]int
	postgres *postgres // a server of its own, which can be killed
}

func newCrash(t *testing.T, d target, seed uint64) *crash {
	t.Helper()
	h := &crash{t: t, d: d.named("scim-crash-" + strconv.FormatUint(seed, 36)), random: repeatable(seed, 0), deaths: map[string]int{}}
	h.quietly(func(c client) {
		everyone := c.group(t, "everyone").ID
		for i := range crashWorkers {
			name := fmt.Sprintf("w%d", i)
			w := &worker{name: name, random: repeatable(seed, i+1), everyone: everyone, known: state{mark: name}}
			w.known.people = map[string]person{}
			w.group = c.group(t, name).ID
			h.workers = append(h.workers, w)
		}
	})
	return h
}

// quietly opens the database while no other process has it, and closes it again.
func (h *crash) quietly(f func(c client)) {
	h.t.Helper()
	db, err := sql.Open(h.d.Driver, h.d.DSN)
	require.NoError(h.t, err)
	defer func() { require.NoError(h.t, db.Close()) }()
	f(h.d.serve(h.t, db))
	checkConsistency(h.t, h.d, db)
	checkEvents(h.t, db)
}

// round lets a process serve the workers until its end comes, and looks at what it left.
func (h *crash) round() {
	h.t.Helper()
	o := orders{Target: h.d}
	kinds := []string{"outside", "statement", "emit", "answer"}
	if h.d.Dialect == filter.PostgreSQL {
		kinds = append(kinds, "terminate")
	}
	if h.postgres != nil {
		kinds = []string{"outside", "statement", "emit", "answer", "terminate", "immediate", "postmaster", "backend"}
	}
	kind := kinds[sum(h.deaths)%len(kinds)]
	h.deaths[kind]++
	due := h.acks.Load() + 1 + int64(h.random.IntN(60))
	switch kind {
	case "statement":
		o.Moment, o.N = kind, 1+int64(h.random.IntN(300))
	case "emit", "answer":
		o.Moment, o.N = kind, 1+int64(h.random.IntN(50))
	}
	c, process := server(h.t, o)
	h.work(c, func(stop *atomic.Bool) {
		if o.Moment != "" || h.acks.Load() < due || !stop.CompareAndSwap(false, true) {
			return
		}
		h.strike(kind, process)
	})
	if kind != "outside" && o.Moment == "" {
		h.recovers(c)
	}
	process.kill()
	h.dismiss()
	h.quietly(func(c client) {
		for _, w := range h.workers {
			if w.pending != nil {
				h.unknown++
			}
			if w.settle(h.t, c) {
				h.applied++
			}
		}
	})
}

// work lets all workers act until their outcomes become unknown or somebody stops them.
func (h *crash) work(c client, acknowledged func(stop *atomic.Bool)) {
	h.t.Helper()
	var stop atomic.Bool
	var group sync.WaitGroup
	failures := make([]error, len(h.workers))
	for i, w := range h.workers {
		group.Go(func() {
			for ok := true; ok && !stop.Load(); {
				if ok, failures[i] = w.act(c); ok {
					h.acks.Add(1)
					acknowledged(&stop)
				}
			}
		})
	}
	group.Wait()
	for _, err := range failures {
		require.NoError(h.t, err)
	}
}

// strike kills what a round is about to kill from outside.
func (h *crash) strike(kind string, process *child) {
	switch kind {
	case "outside":
		_ = process.cmd.Process.Kill()
	case "terminate":
		h.dismiss()
	case "immediate":
		h.postgres.stop(syscall.SIGQUIT)
	case "postmaster":
		h.postgres.stop(syscall.SIGKILL)
	case "backend":
		h.postgres.killBackend(h.d)
	}
}

// dismiss ends what the server of the database still does for a process, and waits for it.
func (h *crash) dismiss() {
	if h.d.Dialect != filter.PostgreSQL {
		return
	}
	admin := h.d.named("scim-crash-admin").open(h.t)
	u, err := url.Parse(h.d.DSN)
	require.NoError(h.t, err)
	_, err = admin.Exec("SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE application_name = $1", u.Query().Get("application_name"))
	require.NoError(h.t, err)
}

// recovers requires that the process serves again, without a restart, once the database is there. Each connection in its pool may
// fail once, and the server may only be about to notice that it crashed.
func (h *crash) recovers(c client) {
	h.t.Helper()
	for tries := 0; ; tries++ {
		if h.postgres != nil {
			h.postgres.revive()
		}
		if c.do("GET", "/Users?count=1", nil).status == 200 {
			return
		}
		require.Less(h.t, tries, 100, "the process does not recover")
	}
}

func (h *crash) report(seed uint64, n int) {
	h.t.Helper()
	var deaths []string
	for kind, n := range h.deaths {
		deaths = append(deaths, fmt.Sprintf("%s %d", kind, n))
	}
	slices.Sort(deaths)
	h.t.Logf("%d rounds, %d acknowledged writes, %d of unknown outcome, of which %d were made; deaths: %s; seed %d",
		n, h.acks.Load(), h.unknown, h.applied, strings.Join(deaths, ", "), seed)
	require.Equal(h.t, n, sum(h.deaths))
	require.GreaterOrEqual(h.t, h.acks.Load(), int64(cmp.Or(n/2, 1)))
}

func sum(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

func TestKilledOnSQLite(t *testing.T) {
	t.Parallel()
	n, _ := roundsOf(t)
	d := sqliteFile(filepath.Join(t.TempDir(), "scim.db"), "FULL")
	db := d.open(t)
	require.NoError(t, sqlstore.Migrate(t.Context(), db, d.Dialect))
	require.NoError(t, db.Close()) // the last connection to a file tidies up; a killed process does not
	seed := seeded(t)
	h := newCrash(t, d, seed)
	for range n {
		h.round()
	}
	h.report(seed, n)
	covers(t, "K-01", "K-04")
}

func TestKilledOnPostgreSQL(t *testing.T) {
	t.Parallel()
	n, long := roundsOf(t)
	d := postgresTarget(t)
	var own *postgres
	if long {
		n = (n + 3) / 4
		own = newPostgres(t)
		d = own.target
		db := d.open(t)
		require.NoError(t, sqlstore.Migrate(t.Context(), db, d.Dialect))
		require.NoError(t, db.Close())
	}
	seed := seeded(t)
	h := newCrash(t, d, seed)
	h.postgres = own
	for range n {
		h.round()
	}
	h.report(seed, n)
	covers(t, "K-02", "K-04")
}
