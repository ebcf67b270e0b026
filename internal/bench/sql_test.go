package bench

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	elimityschema "github.com/elimity-com/scim/schema"
	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/internal/dbtest"
	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/internal/strict"
	"github.com/scimkit/scim/internal/uuid"
	"github.com/scimkit/scim/store"
	"github.com/scimkit/scim/store/sqlstore"
)

// database is a database of a benchmark, as durable as it would be in earnest.
type database struct {
	name    string
	dialect filter.Dialect
	open    func(b *testing.B) *sql.DB
}

var databases = []database{
	{"sqlite", filter.SQLite, func(b *testing.B) *sql.DB {
		file := url.URL{Path: filepath.Join(b.TempDir(), "scim.db")}
		return openDB(b, "sqlite", "file:"+file.EscapedPath()+"?_pragma=busy_timeout(10000)&_pragma=synchronous(FULL)", filter.SQLite)
	}},
	{"postgresql", filter.PostgreSQL, func(b *testing.B) *sql.DB {
		dsn, err := url.Parse(dbtest.PostgreSQLDSN(b))
		require.NoError(b, err)
		query := dsn.Query()
		query.Set("synchronous_commit", "on")
		dsn.RawQuery = query.Encode()
		return openDB(b, "pgx", dsn.String(), filter.PostgreSQL)
	}},
}

func openDB(b *testing.B, driver, dsn string, spoken filter.Dialect) *sql.DB {
	db, err := sql.Open(driver, dsn)
	require.NoError(b, err)
	db.SetMaxIdleConns(clients)
	b.Cleanup(func() { require.NoError(b, db.Close()) })
	require.NoError(b, sqlstore.Migrate(b.Context(), db, spoken))
	return db
}

// clients is how many goroutines write at the same time.
const clients = 8

// BenchmarkSQLCreate stores users through sqlstore, each for itself and then each in a transaction with room for an event, and the same
// documents through one INSERT each, beside each other in small turns, so that all meet the same disk. ratio is how many users sqlstore
// stores in the time of one INSERT. SQLite has room for one writer, so the INSERTs wait for each other in turn.
func BenchmarkSQLCreate(b *testing.B) {
	for _, d := range databases {
		b.Run(d.name, func(b *testing.B) {
			db := d.open(b)
			s, err := sqlstore.New(b.Context(), sqlstore.Config{DB: db, Dialect: d.dialect})
			require.NoError(b, err)
			_, err = db.ExecContext(b.Context(), "CREATE TABLE raw (id TEXT PRIMARY KEY, document TEXT)")
			require.NoError(b, err)
			b.Cleanup(func() { _, _ = db.Exec("DROP TABLE raw") })
			insert, err := db.PrepareContext(b.Context(), "INSERT INTO raw (id, document) VALUES ($1, $2)")
			require.NoError(b, err)
			b.Cleanup(func() { _ = insert.Close() })
			var writer sync.Mutex
			raw := func(draft store.Draft) error {
				if d.dialect == filter.SQLite {
					writer.Lock()
					defer writer.Unlock()
				}
				_, err := insert.Exec(draft.ID, string(draft.Document.JSON()))
				return err
			}
			create := func(ctx context.Context, draft store.Draft) error {
				_, err := s.Create(ctx, benchScope, draft)
				return err
			}
			createInTx := func(draft store.Draft) error {
				return store.InTx(context.Background(), s, func(ctx context.Context) error { return create(ctx, draft) })
			}
			require.NoError(b, createInTx(draft(b, userType(b), 0))) // the first one makes the directory
			rt := userType(b)
			const turn = 400
			var inserting, creating, creatingInTx time.Duration
			rounds, number := 0, 0
			some := func() []store.Draft {
				drafts := make([]store.Draft, turn)
				for i := range drafts {
					number++
					drafts[i] = draft(b, rt, number)
				}
				return drafts
			}
			for b.Loop() {
				drafts := some()
				inserting += together(b, drafts, raw)
				creating += together(b, drafts, func(d store.Draft) error { return create(context.Background(), d) })
				creatingInTx += together(b, some(), createInTx)
				rounds++
			}
			per := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / float64(rounds*turn) }
			b.ReportMetric(per(inserting), "ns/insert")
			b.ReportMetric(per(creating), "ns/create")
			b.ReportMetric(float64(inserting)/float64(creating), "ratio")
			b.ReportMetric(per(creatingInTx), "ns/create-in-tx")
			b.ReportMetric(float64(inserting)/float64(creatingInTx), "ratio-in-tx")
		})
	}
}

// together stores drafts from several goroutines and returns how long that took.
func together(b *testing.B, drafts []store.Draft, f func(store.Draft) error) time.Duration {
	var wg sync.WaitGroup
	var next atomic.Int64
	start := time.Now()
	for range clients {
		wg.Go(func() {
			for i := next.Add(1) - 1; int(i) < len(drafts); i = next.Add(1) - 1 {
				if err := f(drafts[i]); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	return time.Since(start)
}

var benchScope = store.Scope{Connection: "connection-a", Tenant: "tenant-a"}

func userType(b *testing.B) *schema.ResourceType {
	rt, err := schema.Compile(schema.Definition{
		Name: "User", Endpoint: "/Users", Schema: elimityschema.CoreUserSchema(),
		Extensions: []schema.ExtensionDefinition{{Schema: elimityschema.ExtensionEnterpriseUser()}},
	})
	require.NoError(b, err)
	return rt
}

// draft decodes a user as the handler would.
func draft(b *testing.B, rt *schema.ResourceType, n int) store.Draft {
	var input *schema.Input
	err := strict.Read(entraUser(n), func(r *strict.Reader) (err error) {
		input, err = rt.Decode(r, &dialect.Report{})
		return err
	})
	require.NoError(b, err)
	d := store.Draft{
		Ref: store.Ref{Type: "User", ID: uuid.New(time.Now())}, At: time.Now(), Document: rt.Document(input.Tree), Unique: rt.Keys(input.Tree),
	}
	d.Document.JSON()
	return d
}

// BenchmarkSQLScale runs the same requests on a directory of 10 000 users and, if SCIM_BENCH_ROWS says more, on one of that size; a
// quarter of the users are members of one group. No request may cost more for the size.
func BenchmarkSQLScale(b *testing.B) {
	sizes := []int{10_000}
	if rows := benchRows(b); rows > sizes[0] {
		sizes = append(sizes, rows)
	}
	for _, d := range databases {
		for _, rows := range sizes {
			b.Run(fmt.Sprintf("%s/%d", d.name, rows), func(b *testing.B) {
				l := newLarge(b, d, rows)
				b.Run("filter-by-userName", func(b *testing.B) {
					loop(b, l.client, 200, l.get(`/Users?filter=`+url.QueryEscape(`userName eq "`+l.name(rows/2)+`"`)))
				})
				b.Run("filter-by-email", func(b *testing.B) {
					loop(b, l.client, 200, l.get(`/Users?filter=`+url.QueryEscape(`emails[type eq "work"].value eq "`+l.name(rows/2)+`"`)))
				})
				b.Run("add-and-remove-member", func(b *testing.B) {
					alternate(b, l.client, [2][]byte{memberRequest(l.group, "add", l.users[rows-1]), memberRequest(l.group, "remove", l.users[rows-1])}, 204)
				})
				b.Run("groups-without-members", func(b *testing.B) { loop(b, l.client, 200, l.get("/Groups?excludedAttributes=members")) })
				b.Run("first-page", func(b *testing.B) { loop(b, l.client, 200, l.get("/Users?count=10")) })
				b.Run("late-page", func(b *testing.B) {
					loop(b, l.client, 200, l.get(fmt.Sprintf("/Users?count=10&startIndex=%d", rows*9/10)))
				})
				b.Run("delete-from-50-groups", l.deletes)
				b.Run("big-group", l.reads)
			})
		}
	}
}

// large is a server over a filled directory.
type large struct {
	handler http.Handler
	client  *wireClient
	users   []string // ids
	group   string   // id of the big one
	fifty   []string // ids of small ones
}

func newLarge(b *testing.B, d database, rows int) *large {
	db := d.open(b)
	s, err := sqlstore.New(b.Context(), sqlstore.Config{DB: db, Dialect: d.dialect})
	require.NoError(b, err)
	verifier, err := scim.StaticToken(tokenA, scim.Connection{ID: benchScope.Connection, Tenant: benchScope.Tenant})
	require.NoError(b, err)
	l := &large{}
	l.handler, err = scim.New(scim.Config{BaseURL: baseURL, Store: s, Verifier: verifier, RateLimiter: scim.Unlimited, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(b, err)
	l.client = dial(b, l.handler)
	rt := userType(b)
	for len(l.users) < rows {
		require.NoError(b, store.InTx(b.Context(), s, func(ctx context.Context) error {
			for range min(1000, rows-len(l.users)) {
				applied, err := s.Create(ctx, benchScope, draft(b, rt, len(l.users)))
				if err != nil {
					return err
				}
				l.users = append(l.users, applied.Resource.ID)
			}
			return nil
		}))
	}
	l.group = l.create(b, "/Groups", `{"schemas":["`+groupURN+`"],"displayName":"Everybody"}`)
	for members := l.users[:rows/4]; len(members) > 0; members = members[min(1000, len(members)):] {
		l.add(b, l.group, members[:min(1000, len(members))]...)
	}
	for i := range 50 {
		l.fifty = append(l.fifty, l.create(b, "/Groups", fmt.Sprintf(`{"schemas":["`+groupURN+`"],"displayName":"Group %d"}`, i)))
	}
	settle := "PRAGMA wal_checkpoint(TRUNCATE)" // what filling left to do is not the requests'
	if d.dialect == filter.PostgreSQL {
		settle = "VACUUM ANALYZE"
	}
	_, err = db.ExecContext(b.Context(), settle)
	require.NoError(b, err)
	return l
}

func (l *large) name(n int) string { return fmt.Sprintf("nadia.ferro-%07d@example.test", n) }

func (l *large) get(target string) []byte { return rawRequest("GET", "/scim/v2"+target, nil) }

func (l *large) create(b *testing.B, target, body string) (id string) {
	status, size := l.client.roundTrip(b, rawRequest("POST", "/scim/v2"+target, []byte(body)))
	require.Equal(b, 201, status, string(l.client.buf[:size]))
	return idIn(b, l.client.buf[:size])
}

func (l *large) add(b *testing.B, group string, members ...string) {
	status, size := l.client.roundTrip(b, memberRequest(group, "add", members...))
	require.Equal(b, 204, status, string(l.client.buf[:size]))
}

func memberRequest(group, op string, members ...string) []byte {
	body := fmt.Sprintf(`{"schemas":["%s"],"Operations":[{"op":"%s","path":"members","value":[{"value":"%s"}]}]}`,
		patchURN, op, strings.Join(members, `"},{"value":"`))
	return rawRequest("PATCH", "/scim/v2/Groups/"+group, []byte(body))
}

// deletes deletes users that are in fifty groups.
func (l *large) deletes(b *testing.B) {
	number := 9_000_000
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		number++
		id := l.create(b, "/Users", string(entraUser(number)))
		for _, group := range l.fifty {
			l.add(b, group, id)
		}
		b.StartTimer()
		if status, _ := l.client.roundTrip(b, rawRequest("DELETE", "/scim/v2/Users/"+id, nil)); status != 204 {
			b.Fatal(status)
		}
	}
}

// reads reads the group of a quarter of all users. peak-MB is how far the memory in use grew, looked at after every megabyte.
func (l *large) reads(b *testing.B) {
	w := &watcher{header: http.Header{}}
	for b.Loop() {
		r := httptest.NewRequest(http.MethodGet, "/scim/v2/Groups/"+l.group, http.NoBody)
		r.Header.Set("Authorization", "Bearer "+tokenA)
		w.start()
		l.handler.ServeHTTP(w, r)
		require.Equal(b, 200, w.status)
	}
	b.ReportMetric(float64(w.size), "body-B")
	b.ReportMetric(float64(w.peak)/(1<<20), "peak-MB")
}

// watcher is a client that keeps nothing.
type watcher struct {
	header       http.Header
	status       int
	size, next   int
	before, peak uint64
}

func (w *watcher) start() {
	w.size, w.next, w.status = 0, 1<<20, 0
	w.before = live()
}

// live is how much memory is in use after a collection.
func live() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func (w *watcher) Header() http.Header { return w.header }

func (w *watcher) WriteHeader(status int) { w.status = status }

func (w *watcher) Write(p []byte) (int, error) {
	if w.size += len(p); w.size >= w.next {
		w.next += 1 << 20
		if now := live(); now > w.before {
			w.peak = max(w.peak, now-w.before)
		}
	}
	return io.Discard.Write(p)
}
