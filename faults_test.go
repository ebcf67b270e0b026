package scim_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/internal/dbtest"
	"github.com/scimkit/scim/store"
	"github.com/scimkit/scim/store/sqlstore"
)

// breakable is a handler on a database whose steps fail by plan. Its events go to a table, in the transaction of the change.
type breakable struct {
	*side
	t          *testing.T
	database   filter.Dialect
	db         *sql.DB
	steps      *dbtest.Driver
	store      *sqlstore.Store
	connection scim.Connection
	scopes     int
	ids        map[string]string // of the seeded resources by name
	seeded     struct{ ids, ticks int64 }
	arrived    atomic.Int64 // requests
	crowd      atomic.Int64 // how many requests must have arrived before a change is committed
}

func newBreakable(t *testing.T, database filter.Dialect, configs ...func(*sqlstore.Config)) *breakable {
	t.Helper()
	db, steps := dbtest.Open(t, database)
	_, err := db.ExecContext(t.Context(), "CREATE TABLE IF NOT EXISTS outbox (connection TEXT NOT NULL, entry TEXT NOT NULL)")
	require.NoError(t, err)
	config := sqlstore.Config{DB: db, Dialect: database}
	for _, change := range configs {
		change(&config)
	}
	directory, err := sqlstore.New(t.Context(), config)
	require.NoError(t, err)
	b := &breakable{t: t, database: database, db: db, steps: steps, store: directory}
	verify := func(context.Context, string) (scim.Credential, error) {
		b.arrived.Add(1)
		return scim.Credential{Connection: b.connection, TokenID: "fixed"}, nil
	}
	b.side = newSide(t, "", directory, verify, scim.EventFunc(b.outbox))
	b.fresh()
	return b
}

// onBothDatabases runs f with SQLite and with PostgreSQL.
func onBothDatabases(t *testing.T, f func(t *testing.T, b *breakable)) {
	t.Helper()
	for name, database := range map[string]filter.Dialect{"sqlite": filter.SQLite, "postgresql": filter.PostgreSQL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, newBreakable(t, database))
		})
	}
}

func (b *breakable) outbox(ctx context.Context, e scim.Event) error {
	tx, ok := sqlstore.Tx(ctx)
	if !ok {
		return errors.New("no transaction")
	}
	if crowd := b.crowd.Swap(0); crowd > 0 {
		for b.arrived.Load() < crowd {
			runtime.Gosched()
		}
		for range 10_000 { // likely, all of them wait for this transaction now
			runtime.Gosched()
		}
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO outbox (connection, entry) VALUES ($1, $2)", e.Connection, b.entry(e))
	return err
}

// entry is what the outbox holds of an event.
func (b *breakable) entry(e scim.Event) string {
	return strings.ReplaceAll(described(b.t, e), b.connection.ID, "connection")
}

// fresh goes on in an empty directory.
func (b *breakable) fresh() {
	b.scopes++
	b.connection = scim.Connection{
		ID: fmt.Sprintf("connection-%d", b.scopes), Tenant: "tenant", Policy: dialect.PolicyFor(dialect.MicrosoftEntra),
	}
	b.seeded.ids, b.seeded.ticks = 0, 0
	b.rewind()
}

// rewind turns clock and ids back to where the directory was seeded, so that a request repeated gets the same answer.
func (b *breakable) rewind() {
	b.side.ids.Store(b.seeded.ids)
	b.clock.ticks.Store(b.seeded.ticks)
	b.events.take()
}

// seed fills a fresh directory, in the same way each time.
func (b *breakable) seed() {
	b.fresh()
	b.ids = map[string]string{}
	for _, r := range []struct{ name, target, body string }{
		{"anna", "/Users", `{"schemas":["` + userURN + `"],"userName":"anna","externalId":"a-1","emails":[{"value":"anna@example.test"}]}`},
		{"ben", "/Users", `{"schemas":["` + userURN + `"],"userName":"ben","displayName":"Ben"}`},
		{"cleo", "/Users", `{"schemas":["` + userURN + `"],"userName":"cleo","active":false}`},
		{"crew", "/Groups", `{"schemas":["` + groupURN + `"],"displayName":"Crew","members":[{"value":"{anna}"},{"value":"{ben}"}]}`},
		{"all", "/Groups", `{"schemas":["` + groupURN + `"],"displayName":"All","members":[{"value":"{crew}"},{"value":"{anna}"}]}`},
	} {
		a := b.do("POST", r.target, r.body)
		require.Equal(b.t, 201, a.status, a.body)
		b.ids[r.name] = regexp.MustCompile(`"id":"([^"]+)"`).FindStringSubmatch(a.body)[1]
	}
	b.seeded.ids, b.seeded.ticks = b.side.ids.Load(), b.clock.ticks.Load()
	b.rewind()
}

// do sends a request in which {name} stands for the id of a seeded resource.
func (b *breakable) do(method, target, body string, headers ...string) reply {
	b.t.Helper()
	for name, id := range b.ids {
		target, body = strings.ReplaceAll(target, "{"+name+"}", id), strings.ReplaceAll(body, "{"+name+"}", id)
	}
	a := b.send(b.t, letter{method: method, target: target, body: body, token: tokenA, headers: headers})
	for i, event := range a.events {
		a.events[i] = strings.ReplaceAll(event, b.connection.ID, "connection")
	}
	return a
}

// state is all that the directory holds, as clients see it and as the tables have it.
func (b *breakable) state() string {
	b.t.Helper()
	var out strings.Builder
	for _, target := range []string{"/Users", "/Groups"} {
		a := b.do("GET", target, "")
		require.Equal(b.t, 200, a.status, a.body)
		out.WriteString(a.body + "\n")
	}
	for _, query := range []string{
		`SELECT r.type, r.id, r.version, r.created, r.modified, r.members, coalesce(r.user_name, '-'), r.terms, r.document
			FROM scim_resources AS r JOIN scim_directories AS d ON d.number = r.directory WHERE d.connection = $1 ORDER BY r.id`,
		`SELECT v.type, v.path, v.value, v.slot = 0, coalesce(r.id, 'nobody')
			FROM scim_values AS v JOIN scim_directories AS d ON d.number = v.directory LEFT JOIN scim_resources AS r ON r.number = v.number
			WHERE d.connection = $1 ORDER BY 1, 2, 3, 4, 5`,
		`SELECT h.id, coalesce(m.id, 'nobody') FROM scim_members AS s JOIN scim_resources AS h ON h.number = s.holder
			JOIN scim_directories AS d ON d.number = h.directory LEFT JOIN scim_resources AS m ON m.number = s.member
			WHERE d.connection = $1 ORDER BY 1, 2`,
		`SELECT c.type, sum(c.resources) FROM scim_counts AS c JOIN scim_directories AS d ON d.number = c.directory
			WHERE d.connection = $1 GROUP BY c.type ORDER BY c.type`,
		`SELECT entry FROM outbox WHERE connection = $1 ORDER BY entry`,
		`SELECT 'no holder', count(*) FROM scim_members WHERE holder NOT IN (SELECT number FROM scim_resources) AND $1 <> ''`,
	} {
		out.WriteString(b.rows(query))
	}
	b.consistent()
	return out.String()
}

// consistent holds the numbers that the tables keep against what they count.
func (b *breakable) consistent() {
	b.t.Helper()
	length := "json_array_length(r.terms)"
	if b.database == filter.PostgreSQL {
		length = "json_array_length(CAST(r.terms AS json))"
	}
	const within = ` FROM scim_resources AS r JOIN scim_directories AS d ON d.number = r.directory WHERE d.connection = $1 `
	require.Empty(b.t, b.rows(`SELECT r.id, r.version`+within+
		`AND r.version <> (SELECT count(*) FROM outbox AS o WHERE o.connection = d.connection AND o.entry LIKE '%{' || r.type || ' ' || r.id || '} ' || '%')`))
	require.Empty(b.t, b.rows(`SELECT r.id, r.terms`+within+
		`AND `+length+` <> (SELECT count(*) FROM scim_values AS v WHERE v.directory = r.directory AND v.number = r.number)`))
	require.Empty(b.t, b.rows(`SELECT r.id, r.members`+within+
		`AND r.members <> (SELECT count(*) FROM scim_members AS m JOIN scim_resources AS u ON u.number = m.member WHERE m.holder = r.number)`))
	require.Empty(b.t, b.rows(`SELECT c.type FROM scim_counts AS c JOIN scim_directories AS d ON d.number = c.directory WHERE d.connection = $1
		GROUP BY c.type, c.directory HAVING sum(c.resources) <> (SELECT count(*) FROM scim_resources AS r WHERE r.directory = c.directory AND r.type = c.type)`))
}

// rows returns the rows of a query about the connection as text.
func (b *breakable) rows(query string) (text string) {
	b.t.Helper()
	rows, err := b.db.QueryContext(b.t.Context(), query, b.connection.ID)
	require.NoError(b.t, err)
	defer func() { require.NoError(b.t, rows.Close()) }()
	columns, err := rows.Columns()
	require.NoError(b.t, err)
	for rows.Next() {
		values := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		require.NoError(b.t, rows.Scan(into...))
		for _, v := range values {
			text += v.String + " | "
		}
		text += "\n"
	}
	require.NoError(b.t, rows.Err())
	return text
}

var (
	uuids   = regexp.MustCompile(`0199a1b2-0000-7000-8000-\d{12}`)
	moments = regexp.MustCompile(`"(created|lastModified|version)":"([^"\\]|\\.)*",?`)
)

// content is what clients see of the directory, whatever ids, versions and times are.
func (b *breakable) content() string {
	b.t.Helper()
	text := moments.ReplaceAllString(b.do("GET", "/Users", "").body+b.do("GET", "/Groups", "").body, "")
	names := map[string]string{}
	return uuids.ReplaceAllStringFunc(text, func(id string) string {
		if names[id] == "" {
			names[id] = fmt.Sprint("#", len(names))
		}
		return names[id]
	})
}

// faultsOf are what goes wrong on a database.
func faultsOf(d filter.Dialect) []error {
	if d == filter.PostgreSQL {
		return []error{
			dbtest.SerializationFailure, dbtest.AdminShutdown, dbtest.ErrIO, dbtest.DeadlockDetected, driver.ErrBadConn, dbtest.TooManyConnections,
		}
	}
	return []error{dbtest.Busy, dbtest.Full, dbtest.IOErr, dbtest.ReadOnly, driver.ErrBadConn, dbtest.ErrIO}
}

// passes reports whether an error means that the same will succeed in another try.
func passes(err error) bool {
	return slices.Contains([]error{dbtest.SerializationFailure, dbtest.DeadlockDetected, dbtest.Busy}, err)
}

// request is one that a test sends to a seeded directory.
type request struct {
	name, method, target, body string
	headers                    []string
}

const (
	patchHead = `{"schemas":["` + patchURN + `"],"Operations":[`
	groupHead = `{"schemas":["` + groupURN + `"],"displayName":`
	userHead  = `{"schemas":["` + userURN + `"],"userName":`
)

// firstWrite goes to an empty directory.
const firstWrite = "create the first user"

// prepare makes the directory that a write is sent to.
func (b *breakable) prepare(w request) {
	b.t.Helper()
	if b.seed(); w.name == firstWrite {
		b.fresh()
	}
}

// writes are requests of every kind that change something.
var writes = []request{
	{firstWrite, "POST", "/Users", userHead + `"dora","externalId":"d-1"}`, nil},
	{"create a user", "POST", "/Users", userHead + `"dora","externalId":"d-1","emails":[{"value":"dora@example.test"}]}`, nil},
	{"create a group", "POST", "/Groups", groupHead + `"Deck","members":[{"value":"{anna}"},{"value":"{crew}"}]}`, nil},
	{"replace a user", "PUT", "/Users/{anna}", userHead + `"annabel","emails":[{"value":"annabel@example.test"}]}`, nil},
	{"replace a group", "PUT", "/Groups/{crew}", groupHead + `"Squad","members":[{"value":"{ben}"},{"value":"{cleo}"}]}`, nil},
	{"rename a user", "PATCH", "/Users/{anna}", patchHead + `{"op":"replace","path":"userName","value":"annabel"}]}`, nil},
	{"deactivate a user", "PATCH", "/Users/{ben}", patchHead + `{"op":"replace","value":{"active":false}}]}`, []string{"If-Match", `W/"1"`}},
	{"add members", "PATCH", "/Groups/{crew}", patchHead + `{"op":"add","path":"members","value":[{"value":"{cleo}"},{"value":"{ben}"}]}]}`, nil},
	{"remove a member", "PATCH", "/Groups/{crew}", patchHead + `{"op":"remove","path":"members[value eq \"{anna}\"]"}]}`, nil},
	{"remove all members", "PATCH", "/Groups/{all}", patchHead + `{"op":"remove","path":"members"}]}`, nil},
	{"change name and members", "PATCH", "/Groups/{crew}", patchHead + `{"op":"replace","value":{"displayName":"Squad"}},` +
		`{"op":"add","path":"members","value":[{"value":"{cleo}"}]},{"op":"remove","path":"members[value eq \"{ben}\"]"}]}`, nil},
	{"delete a user", "DELETE", "/Users/{anna}", "", nil},
	{"delete a user by version", "DELETE", "/Users/{ben}", "", []string{"If-Match", `W/"1"`}},
	{"delete a group", "DELETE", "/Groups/{crew}", "", nil},
}

// exhaustive is set where a test shall try every combination instead of a sample.
var exhaustive = os.Getenv("SCIM_TEST_ROUNDS") != ""

// Whatever step of the database fails in a write, before or after it was done: the answer is a 503, or the write is repeated; the
// directory, its indexes and the events are as before or as they should be; and sending the request again leads there.
func TestFaultsLeaveWholeOrNothing(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, b *breakable) {
		fired := 0
		for i, w := range writes {
			b.t = t
			b.prepare(w)
			before := b.state()
			b.rewind()
			want := b.do(w.method, w.target, w.body, w.headers...)
			require.Less(t, want.status, 300, "%s: %s", w.name, want.body)
			require.NotEmpty(t, want.events)
			after, content := b.state(), b.content()
			b.prepare(w)
			for n := 1; b.sweep(w, i, n, before, after, content, want); n++ {
				fired++
			}
		}
		require.Greater(t, fired, 4*len(writes))
		covers(t, "threat:S-20", "threat:S-22")
	})
}

// sweep makes the n-th step of a write fail in several ways. It reports whether there is such a step.
func (b *breakable) sweep(w request, i, n int, before, after, content string, want reply) bool {
	b.t.Helper()
	faults := faultsOf(b.database)
	for when := dbtest.Before; when <= dbtest.Midway; when++ {
		for j, fault := range faults {
			if !exhaustive && (j != (i+n+int(when))%len(faults) || int(when) == (i+n)%3 || b.database == filter.PostgreSQL && int(when) == (i+n+1)%3) {
				continue
			}
			where := fmt.Sprintf("%s, step %d, moment %d: %v", w.name, n, when, fault)
			b.steps.Inject(dbtest.Fault{N: n, When: when, Err: fault})
			got := b.do(w.method, w.target, w.body, w.headers...)
			b.steps.Heal()
			if b.steps.Fired() == 0 {
				require.Equal(b.t, want, got, where)
				return false
			}
			if b.judge(where, when, fault, got, want, before, after) == before {
				b.rewind()
				continue
			}
			b.repeat(where, w, content)
			b.prepare(w)
		}
	}
	return true
}

// judge compares an answer with what has become of the directory, which it returns.
func (b *breakable) judge(where string, when dbtest.Moment, fault error, got, want reply, before, after string) (state string) {
	b.t.Helper()
	step, inside := b.steps.Last()
	unknown := step == dbtest.Commit && when != dbtest.Before && !passes(fault) // to the client: it is committed
	state = b.state()
	switch {
	case got.status < 300 && !inside:
		// It is committed, and at most what the answer shows of memberships could not be read.
		got.body, got.header = want.body, want.header
		require.Equal(b.t, want, got, where)
		require.Equal(b.t, after, state, where)
	case got.status < 300:
		require.Equal(b.t, want, got, where)
		require.Equal(b.t, after, state, where)
		require.True(b.t, passes(fault) || step == dbtest.Begin && errors.Is(fault, driver.ErrBadConn), where)
	case passes(fault) && inside:
		b.t.Fatalf("%s: it was not repeated: %v", where, got)
	default:
		require.Equal(b.t, 503, got.status, "%s: %s", where, got.body)
		require.NotEmpty(b.t, got.header.Get("Retry-After"), where)
		require.NotContains(b.t, got.body, fault.Error(), where)
		require.Empty(b.t, got.events, where)
		if unknown {
			require.Equal(b.t, after, state, where)
		} else {
			require.Equal(b.t, before, state, where)
		}
	}
	return state
}

// repeat sends a request again whose outcome the client does not know, as identity providers do.
func (b *breakable) repeat(where string, w request, content string) {
	b.t.Helper()
	again := b.do(w.method, w.target, w.body, w.headers...)
	switch {
	case w.method == "POST":
		require.Equal(b.t, 409, again.status, where)
		attribute := map[string]string{"/Users": `userName eq "dora"`, "/Groups": `displayName eq "Deck"`}[w.target]
		found := b.do("POST", w.target+"/.search", `{"schemas":["`+searchURN+`"],"filter":"`+strings.ReplaceAll(attribute, `"`, `\"`)+`"}`)
		require.Contains(b.t, found.body, `"totalResults":1`, where)
	case w.method == "DELETE":
		require.Equal(b.t, 404, again.status, where)
	case w.headers != nil:
		require.Equal(b.t, 412, again.status, where)
	default:
		require.Less(b.t, again.status, 300, where)
		require.Empty(b.t, again.events, where)
	}
	require.Equal(b.t, content, b.content(), where)
}

// reads are requests of every kind that change nothing.
var reads = []request{
	{"get a user", "GET", "/Users/{anna}", "", nil},
	{"get a user by version", "GET", "/Users/{anna}", "", []string{"If-None-Match", `W/"1"`}},
	{"get a group", "GET", "/Groups/{all}", "", nil},
	{"get a group without members", "GET", "/Groups/{all}?excludedAttributes=members", "", nil},
	{"get nobody", "GET", "/Users/nobody", "", nil},
	{"list users", "GET", "/Users?startIndex=2&count=2", "", nil},
	{"list groups", "GET", "/Groups", "", nil},
	{"count users", "GET", "/Users?count=0", "", nil},
	{"find by userName", "GET", "/Users?filter=userName%20eq%20%22ANNA%22", "", nil},
	{"find by e-mail", "GET", "/Users?filter=emails%5Bvalue%20eq%20%22anna@example.test%22%5D", "", nil},
	{"count by externalId", "GET", "/Users?filter=externalId%20eq%20%22a-1%22&count=0", "", nil},
	{"find nobody", "GET", "/Users?filter=userName%20eq%20%22nobody%22", "", nil},
	{"search", "POST", "/Users/.search", `{"schemas":["` + searchURN + `"],"filter":"emails.type pr or displayName co \"e\" or active eq false"}`, nil},
	{"find groups of a member", "GET", "/Groups?filter=members%20eq%20%22{anna}%22", "", nil},
	{"find members of a group", "GET", "/Users?filter=groups.value%20eq%20%22{crew}%22%20or%20active%20eq%20false", "", nil},
}

// Whatever step of the database fails in a read, the answer is the right one or a 503: no 404, no shorter list.
func TestFaultsNeverShortenReads(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, b *breakable) {
		b.seed()
		before := b.state()
		for _, r := range reads {
			b.rewind()
			want := b.do(r.method, r.target, r.body, r.headers...)
			require.Less(t, want.status, 500, want.body)
			for n, fired := 1, true; fired; n++ {
				for i, fault := range faultsOf(b.database) {
					for when := dbtest.Before; when <= dbtest.Midway; when++ {
						if !exhaustive && (i+n+int(when))%3 != 0 {
							continue
						}
						b.rewind()
						b.steps.Inject(dbtest.Fault{N: n, When: when, Err: fault})
						got := b.do(r.method, r.target, r.body, r.headers...)
						b.steps.Heal()
						if fired = b.steps.Fired() > 0; fired && !errors.Is(fault, driver.ErrBadConn) || got.status == 503 {
							require.Equal(t, 503, got.status, "%s, step %d: %v: %s", r.name, n, fault, got.body)
							require.NotEmpty(t, got.header.Get("Retry-After"))
							continue
						}
						require.Equal(t, want, got, "%s, step %d: %v", r.name, n, fault)
					}
				}
			}
		}
		require.Equal(t, before, b.state())
	})
}

// A list or a group that is too long for one statement is never cut off by a fault between two of them.
func TestFaultsNeverShortenLongAnswers(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, b *breakable) {
		const many = 1100
		var members []string
		create := func(ctx context.Context, typ, id, document string, members ...string) {
			_, err := b.store.Create(ctx, b.connection.Scope(), store.Draft{
				Ref: store.Ref{Type: typ, ID: id}, At: b.clock.now(), Document: store.NewDocument([]byte(document)), Members: members,
			})
			require.NoError(t, err)
		}
		require.NoError(t, b.store.InTx(t.Context(), func(ctx context.Context) error {
			for n := range many {
				members = append(members, fmt.Sprint("user-", n))
				create(ctx, "User", members[n], fmt.Sprintf(`{"userName":"u-%d","title":"Sailor","active":true}`, n))
			}
			create(ctx, "Group", "crew", `{"displayName":"Crew"}`, members...)
			return nil
		}))
		for _, r := range []request{
			{"get", "GET", "/Groups/crew", "", nil},
			{"list", "GET", "/Groups", "", nil},
			{"search", "GET", "/Users?filter=title%20sw%20%22sail%22&count=3", "", nil},
		} {
			b.seeded.ids = 0
			b.rewind()
			want := b.do(r.method, r.target, r.body)
			require.Equal(t, 200, want.status)
			require.Contains(t, want.body, map[string]string{"search": `"totalResults":1100`}[r.name])
			fired := 0
			for n := 1; n == fired+1; n++ {
				for when := dbtest.Before; when <= dbtest.Midway; when++ {
					b.rewind()
					b.steps.Inject(dbtest.Fault{N: n, When: when, Err: faultsOf(b.database)[2]})
					got := b.do(r.method, r.target, r.body)
					b.steps.Heal()
					if b.steps.Fired() > 0 {
						require.True(t, got.broken || got.status == 503, "%s, step %d: %d", r.name, n, got.status)
						fired = n
						continue
					}
					require.Equal(t, want, got)
				}
			}
			require.Greater(t, fired, 2, r.name)
		}
	})
}

// A token that cannot be looked up is no wrong token: identity providers give up a connection that answers 401.
func TestFaultsOfTokens(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, b *breakable) {
		connections, err := scim.NewConnections(scim.ConnectionsConfig{Store: b.store})
		require.NoError(t, err)
		_, _, err = connections.Create(t.Context(), scim.ConnectionDraft{Tenant: "tenant", Token: scim.TokenDraft{Text: tokenA}})
		require.NoError(t, err)
		s := newSide(t, "", b.store, connections.VerifyToken)
		for _, r := range append(slices.Clone(writes), append(slices.Clone(reads), request{"discover", "GET", "/ServiceProviderConfig", "", nil})...) {
			l := letter{method: r.method, target: strings.NewReplacer("{", "", "}", "").Replace(r.target), token: tokenA}
			for _, fault := range faultsOf(b.database) {
				for when := dbtest.Before; when <= dbtest.Midway; when++ {
					b.steps.Inject(dbtest.Fault{On: dbtest.Statement, N: 1, Times: 2, When: when, Err: fault})
					got := s.send(t, l)
					b.steps.Heal()
					require.NotEqual(t, 401, got.status, "%s: %v", r.name, fault)
					if errors.Is(fault, driver.ErrBadConn) {
						continue // the pool tries another connection
					}
					require.Equal(t, 503, got.status, "%s: %v: %s", r.name, fault, got.body)
					require.NotEmpty(t, got.header.Get("Retry-After"))
				}
			}
		}
		require.Equal(t, 200, s.send(t, letter{method: "GET", target: "/Users", token: tokenA}).status)
		require.Equal(t, 401, s.send(t, letter{method: "GET", target: "/Users", token: tokenB}).status)
		covers(t, "A-16")
	})
}

// A transaction that the database gives up for another one's sake is repeated, as if nothing had happened; not for ever.
func TestTransactionsAreRepeated(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, b *breakable) {
		for _, w := range writes {
			b.prepare(w)
			before := b.state()
			b.rewind()
			want := b.do(w.method, w.target, w.body, w.headers...)
			after := b.state()
			for _, fault := range faultsOf(b.database) {
				if !passes(fault) {
					continue
				}
				for _, step := range []dbtest.Step{dbtest.Begin, dbtest.Commit} {
					b.prepare(w)
					b.steps.Inject(dbtest.Fault{On: step, N: 1, Times: 3, Err: fault})
					got := b.do(w.method, w.target, w.body, w.headers...)
					b.steps.Heal()
					require.Equal(t, 3, b.steps.Fired())
					require.Equal(t, want, got, "%s: %v", w.name, fault)
					require.Equal(t, after, b.state(), "%s: %v", w.name, fault)
				}
			}
			b.prepare(w)
			b.steps.Inject(dbtest.Fault{On: dbtest.Commit, N: 1, Times: 1000, Err: faultsOf(b.database)[0]})
			got := b.do(w.method, w.target, w.body, w.headers...)
			b.steps.Heal()
			require.Equal(t, 503, got.status, w.name)
			require.NotEmpty(t, got.header.Get("Retry-After"), w.name)
			require.Empty(t, got.events, w.name)
			require.Equal(t, before, b.state(), w.name)
			require.Less(t, b.steps.Fired(), 20)
		}
		covers(t, "threat:S-21")
	})
}

// A file that another process keeps locked is waited for up to BusyTimeout, and not once more for every attempt.
func TestBusyFileIsWaitedForOnce(t *testing.T) {
	t.Parallel()
	b := newBreakable(t, filter.SQLite, func(c *sqlstore.Config) { c.BusyTimeout = 1 })
	b.seed()
	for _, w := range writes[1:] {
		b.steps.Inject(dbtest.Fault{On: dbtest.Begin, N: 1, Times: 1000, Err: dbtest.Busy})
		got := b.do(w.method, w.target, w.body, w.headers...)
		b.steps.Heal()
		require.Equal(t, 503, got.status, w.name)
		require.Equal(t, 1, b.steps.Fired(), "%s: it waited more than once", w.name)
	}
}

// While the database is away, everything is a 503; afterwards the same handler goes on.
func TestDatabaseIsAway(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, b *breakable) {
		b.seed()
		before := b.state()
		for _, fault := range []error{driver.ErrBadConn, dbtest.ErrIO, dbtest.AdminShutdown, dbtest.TooManyConnections} {
			b.steps.Inject(dbtest.Fault{N: 1, Times: -1, Err: fault})
			for _, r := range append(slices.Clone(writes), reads...) {
				got := b.do(r.method, r.target, r.body, r.headers...)
				require.Equal(t, 503, got.status, "%s: %v: %s", r.name, fault, got.body)
				require.NotEmpty(t, got.header.Get("Retry-After"), r.name)
				require.Empty(t, got.events, r.name)
			}
			b.steps.Heal()
			require.Equal(t, before, b.state(), fault)
		}
		b.rewind()
		require.Equal(t, 201, b.do(writes[1].method, writes[1].target, writes[1].body).status)
		covers(t, "threat:S-26")
	})
}

// A database that opens no more connections does not shorten or lose anything either.
func TestConnectionsRunOut(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, b *breakable) {
		b.seed()
		before := b.state()
		for i, r := range append(slices.Clone(writes[1:]), reads...) {
			if i%4 != 0 && !exhaustive {
				continue
			}
			for n, done := 1, false; !done; n++ {
				b.rewind()
				b.db.SetMaxIdleConns(-1) // every transaction and every statement opens a connection
				b.steps.Inject(dbtest.Fault{On: dbtest.Connect, N: n, Err: dbtest.TooManyConnections})
				got := b.do(r.method, r.target, r.body, r.headers...)
				b.steps.Heal()
				b.db.SetMaxIdleConns(2)
				// A write is done where only what its answer shows of memberships could not be read.
				if done = b.steps.Fired() == 0 || got.events != nil; done {
					require.Less(t, got.status, 500, r.name)
					continue
				}
				require.Equal(t, 503, got.status, "%s: %s", r.name, got.body)
				require.Equal(t, before, b.state(), r.name)
			}
			b.seed()
			before = b.state()
		}
	})
}

// survives sends every write to a database that takes none, and every read, and then sees that all is well again.
func (b *breakable) survives(before string, heal func()) {
	b.t.Helper()
	for _, w := range writes {
		got := b.do(w.method, w.target, w.body, w.headers...)
		require.Equal(b.t, 503, got.status, "%s: %s", w.name, got.body)
		require.NotEmpty(b.t, got.header.Get("Retry-After"), w.name)
		require.Empty(b.t, got.events, w.name)
	}
	for _, r := range reads {
		require.Less(b.t, b.do(r.method, r.target, r.body, r.headers...).status, 500, r.name)
	}
	require.Equal(b.t, before, b.state())
	heal()
	b.rewind()
	for _, w := range writes {
		got := b.do(w.method, w.target, w.body, w.headers...)
		require.NotEqual(b.t, 503, got.status, "%s: %s", w.name, got.body)
	}
}

func (b *breakable) run(statement string) {
	b.t.Helper()
	_, err := b.db.ExecContext(b.t.Context(), statement)
	require.NoError(b.t, err)
}

func TestReadOnlyDatabase(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, b *breakable) {
		b.db.SetMaxOpenConns(1) // what a session is told holds for all
		b.seed()
		before := b.state()
		off, on := "PRAGMA query_only = ON", "PRAGMA query_only = OFF"
		if b.database == filter.PostgreSQL {
			off, on = "SET default_transaction_read_only = on", "SET default_transaction_read_only = off"
		}
		b.run(off)
		b.survives(before, func() { b.run(on) })
		covers(t, "threat:S-27")
	})
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	b := newBreakable(t, filter.SQLite)
	b.db.SetMaxOpenConns(1)
	b.run("PRAGMA max_page_count = 1") // it is cut to what there is
	for full := 0; full < 3; {         // the pages that are there fill up first
		b.fresh()
		long := strings.Repeat("x", 8000)
		if got := b.do("POST", "/Users", userHead+`"dora","title":"`+long+`"}`); got.status == 503 {
			require.Contains(b.t, got.header.Get("Retry-After"), "5")
			require.Empty(b.t, got.events)
			full++
		} else {
			require.Equal(t, 201, got.status)
		}
		require.Equal(t, 200, b.do("GET", "/Users?filter=title%20pr", "").status)
	}
	b.run("PRAGMA max_page_count = 1000000")
	require.Equal(t, 201, b.do("POST", "/Users", userHead+`"dora"}`).status)
	require.Equal(t, "ok | \n", b.rows("SELECT integrity_check FROM pragma_integrity_check WHERE $1 <> ''"))
	covers(t, "threat:S-27")
}

// Backends of PostgreSQL that are shot, while they wait and in the middle of a transaction, cost requests but no data.
func TestTerminatedBackends(t *testing.T) {
	t.Parallel()
	b := newBreakable(t, filter.PostgreSQL)
	admin := dbtest.PostgreSQL(t)
	shoot := func(pid string) {
		_, err := admin.ExecContext(t.Context(), "SELECT pg_terminate_backend(CAST($1 AS integer), 10000)", pid)
		require.NoError(t, err)
	}
	pid := func(q interface {
		QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	},
	) (pid string) {
		require.NoError(t, q.QueryRowContext(t.Context(), "SELECT pg_backend_pid()").Scan(&pid))
		return pid
	}
	for i, w := range writes {
		if i%3 != 0 && !exhaustive {
			continue
		}
		b.prepare(w)
		before := b.state()
		b.db.SetMaxOpenConns(1)
		shoot(pid(b.db))
		got := b.do(w.method, w.target, w.body, w.headers...)
		if got.status == 503 {
			require.Empty(t, got.events)
			require.Equal(t, before, b.state(), w.name)
		}
		b.db.SetMaxOpenConns(0)

		b.prepare(w)
		before = b.state()
		shot := false
		shooting := newSide(t, "", b.store, func(context.Context, string) (scim.Credential, error) {
			return scim.Credential{Connection: b.connection, TokenID: "fixed"}, nil
		}, scim.EventFunc(func(ctx context.Context, _ scim.Event) error {
			if tx, _ := sqlstore.Tx(ctx); !shot {
				shoot(pid(tx))
			}
			shot = true
			return nil
		}))
		shooting.clock = b.clock
		shooting.ids.Store(b.side.ids.Load())
		whole := b.side
		b.side = shooting
		got = b.do(w.method, w.target, w.body, w.headers...)
		b.side = whole
		require.Equal(t, 503, got.status, "%s: %s", w.name, got.body)
		require.Empty(t, got.events)
		b.rewind()
		require.Equal(t, before, b.state(), w.name)
		require.Less(t, b.do(w.method, w.target, w.body, w.headers...).status, 300, w.name)
	}
}

// Under load and with faults everywhere, what was acknowledged is there, what was refused is there wholly or not at all, and each
// step of a version has its event.
func TestFaultsUnderLoad(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, b *breakable) {
		const workers, rounds = 8, 12
		b.seed()
		seed := rand.Uint64() //nolint:gosec // it is printed
		t.Logf("seed %d", seed)
		stop := make(chan struct{})
		var storm, work sync.WaitGroup
		storm.Go(func() {
			random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // it can be repeated
			faults := faultsOf(b.database)
			for {
				select {
				case <-stop:
					return
				default:
				}
				if b.steps.Fired() > 0 {
					b.steps.Inject(dbtest.Fault{N: 1 + random.IntN(40), When: dbtest.Moment(random.IntN(3)), Err: faults[random.IntN(len(faults))]})
				}
				runtime.Gosched()
			}
		})
		b.steps.Inject(dbtest.Fault{N: 1, Err: dbtest.ErrIO})
		results := make([]acknowledged, workers)
		for w := range workers {
			work.Go(func() {
				for n := range rounds {
					results[w].round(b, fmt.Sprintf("worker-%d-%d", w, n), n%3 == 0)
				}
			})
		}
		work.Wait()
		close(stop)
		storm.Wait()
		b.steps.Heal()
		var all acknowledged
		for _, r := range results {
			all.created = append(all.created, r.created...)
			all.joined = append(all.joined, r.joined...)
			all.deleted = append(all.deleted, r.deleted...)
			all.doomed = append(all.doomed, r.doomed...)
		}
		all.check(t, b)
		t.Logf("%d created, %d joined, %d deleted", len(all.created), len(all.joined), len(all.deleted))
	})
}

// A name that many want at once, while the first COMMIT fails, is only called taken if somebody has it in the end.
func TestRefusalsOutliveFaults(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, b *breakable) {
		const workers, rounds = 8, 20
		b.seed()
		for n := range rounds {
			start, answers := make(chan struct{}), make([]int, workers)
			var work sync.WaitGroup
			for w := range workers {
				name := fmt.Sprintf("wanted-%d", n)
				if w%2 == 0 {
					name = strings.ToUpper(name)
				}
				work.Go(func() {
					<-start
					answers[w] = b.plain("POST", "/Users", userHead+`"`+name+`"}`).Code
				})
			}
			b.arrived.Store(0)
			b.crowd.Store(workers)
			b.steps.Inject(dbtest.Fault{On: dbtest.Commit, N: 1, Err: faultsOf(b.database)[1]})
			close(start)
			work.Wait()
			b.steps.Heal()
			found := b.plain("GET", fmt.Sprintf("/Users?filter=userName%%20eq%%20%%22wanted-%d%%22", n), "").Body.String()
			total, won := 0, 0
			for _, status := range answers {
				switch status {
				case 201:
					total, won = 1, won+1
				case 409:
					total = 1
				default:
					require.Equal(t, 503, status)
				}
			}
			require.LessOrEqual(t, won, 1)
			require.Contains(t, found, fmt.Sprintf(`"totalResults":%d,`, total), answers)
		}
		require.NotEmpty(t, b.state())
	})
}

// acknowledged are ids of users that a server said it had created, added to the group crew, and deleted; doomed ones at least might be.
type acknowledged struct{ created, joined, deleted, doomed []string }

func (a *acknowledged) round(b *breakable, name string, remove bool) {
	made := b.plain("POST", "/Users", userHead+`"`+name+`"}`)
	if made.Code != 201 {
		return
	}
	id := regexp.MustCompile(`"id":"([^"]+)"`).FindStringSubmatch(made.Body.String())[1]
	a.created = append(a.created, id)
	if b.plain("PATCH", "/Groups/{crew}", patchHead+`{"op":"add","path":"members","value":[{"value":"`+id+`"}]}]}`).Code == 204 {
		a.joined = append(a.joined, id)
	}
	if !remove {
		return
	}
	a.doomed = append(a.doomed, id)
	if b.plain("DELETE", "/Users/"+id, "").Code == 204 {
		a.deleted = append(a.deleted, id)
	}
}

// plain sends a request and takes no notice of events.
func (b *breakable) plain(method, target, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://internal.invalid/scim/v2"+strings.ReplaceAll(target, "{crew}", b.ids["crew"]), strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+tokenA)
	r.Header.Set("Content-Type", "application/scim+json")
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	return w
}

func (a *acknowledged) check(t *testing.T, b *breakable) {
	t.Helper()
	members := b.plain("GET", "/Groups/{crew}", "").Body.String()
	for _, id := range a.created {
		status := b.plain("GET", "/Users/"+id, "").Code
		if slices.Contains(a.deleted, id) {
			require.Equal(t, 404, status)
			require.NotContains(t, members, id)
			continue
		}
		if slices.Contains(a.doomed, id) && status == 404 { // the answer to the deletion was lost
			require.NotContains(t, members, id)
			continue
		}
		require.Equal(t, 200, status)
		require.True(t, strings.Contains(members, id) || !slices.Contains(a.joined, id))
	}
	b.consistent()
	for _, e := range b.events.take() {
		require.NotEqual(t, "0 | \n", b.rows("SELECT count(*) FROM outbox WHERE connection = $1 AND entry LIKE '"+e.ID+"%'"), "an event of something that was not committed")
	}
}
