package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/internal/dbtest"
	"github.com/scimkit/scim/internal/strict"
	"github.com/scimkit/scim/patch"
	"github.com/scimkit/scim/store"
	"github.com/scimkit/scim/store/sqlstore"
)

var errFailed = errors.New("failed")

// draft is a resource to create, with the name as its id.
func draft(t testing.TB, typ, name string, members ...string) store.Draft {
	t.Helper()
	return draftWith(t, "", typ, name, members...)
}

// draftWith is draft with more attributes, as ",\"name\":value".
func draftWith(t testing.TB, more, typ, name string, members ...string) store.Draft {
	t.Helper()
	attribute, urn := "userName", userURN
	if typ == "Group" {
		attribute, urn = "displayName", groupURN
	}
	known, err := types()
	require.NoError(t, err)
	rt := known[typ]
	d := store.Draft{Ref: store.Ref{Type: typ, ID: name}, At: time.UnixMicro(1), Members: members}
	require.NoError(t, strict.Read([]byte(`{"schemas":["`+urn+`"],"`+attribute+`":"`+name+`"`+more+`}`), func(r *strict.Reader) error {
		input, err := rt.Decode(r, dialect.NewReport(false, dialect.Policy{}))
		if err == nil {
			d.Document, d.Unique = rt.Document(input.Tree), rt.Keys(input.Tree)
		}
		return err
	}))
	return d
}

func members(add ...string) patch.ChangeSet { return patch.ChangeSet{Members: patch.Delta{Add: add}} }

// rig is a store with a driver in between and a table of the host's.
type rig struct {
	*sqlstore.Store
	d      target
	db     *sql.DB
	driver *dbtest.Driver
}

func onEachRig(t *testing.T, f func(t *testing.T, r rig)) {
	t.Helper()
	onEach(t, func(t *testing.T, d target) { f(t, newRig(t, d)) })
}

func newRig(t testing.TB, d target) rig {
	t.Helper()
	db, driver := dbtest.Between(t, d.Dialect, d.DSN)
	db.SetMaxOpenConns(maxConns)
	_, err := db.ExecContext(t.Context(), hostTable)
	require.NoError(t, err)
	return rig{d.store(t, db), d, db, driver}
}

// note writes a row of the host's through the transaction of ctx.
func (r rig) note(ctx context.Context, id string) error {
	tx, ok := sqlstore.Tx(ctx)
	if !ok {
		return errors.New("no transaction")
	}
	_, err := tx.ExecContext(ctx, r.d.bound("INSERT INTO host_events (id, type, resource, version) VALUES (?, '', '', 0)"), id)
	return err
}

// notes are the ids of the host's rows.
func (r rig) notes(t testing.TB) []string {
	t.Helper()
	return column[string](t, r.db, "SELECT id FROM host_events ORDER BY id")
}

// everything is all that the tables hold but the counts, which may be written in several ways.
func (r rig) everything(t testing.TB) (all []string) {
	t.Helper()
	for _, row := range storedRows(t, r.db) {
		all = append(all, fmt.Sprintf("%+v", row))
	}
	query(t, r.db, "SELECT holder, member FROM scim_members ORDER BY holder, member", func(s *sql.Rows) error {
		var holder, member int64
		err := s.Scan(&holder, &member)
		all = append(all, fmt.Sprint("member ", holder, member))
		return err
	})
	for _, table := range []string{"scim_connections", "scim_tokens", "scim_journal"} {
		all = append(all, rowsOf(t, r.db, table)...)
	}
	all = append(all, r.standings(t)...)
	return append(all, r.notes(t)...)
}

func (r rig) create(ctx context.Context, t testing.TB, typ, name string, members ...string) {
	t.Helper()
	_, err := r.Create(ctx, scope, draft(t, typ, name, members...))
	require.NoError(t, err)
}

func TestTransactionsOfStoreAndHost(t *testing.T) {
	t.Parallel()
	onEachRig(t, func(t *testing.T, r rig) {
		both := func(outcome error) error {
			return r.InTx(t.Context(), func(ctx context.Context) error {
				r.create(ctx, t, "User", "a")
				if err := r.note(ctx, "n"); err != nil {
					return err
				}
				_, err := r.Get(ctx, scope, store.Ref{Type: "User", ID: "a"})
				return errors.Join(err, outcome)
			})
		}
		before := r.everything(t)
		require.ErrorIs(t, both(errFailed), errFailed)
		require.Equal(t, before, r.everything(t))
		require.PanicsWithValue(t, "half-way", func() {
			_ = r.InTx(t.Context(), func(ctx context.Context) error {
				r.create(ctx, t, "User", "a")
				require.NoError(t, r.note(ctx, "n"))
				panic("half-way")
			})
		})
		require.Equal(t, before, r.everything(t))
		covers(t, "S-24")
		require.NoError(t, both(nil))
		require.Equal(t, []string{"n"}, r.notes(t))
		require.Len(t, storedRows(t, r.db), 1)
		checkConsistency(t, r.d, r.db)
		require.Equal(t, 0, r.db.Stats().InUse)
	})
}

// A context outlives its transaction, but the transaction does not come back with it.
func TestContextsOfEndedTransactions(t *testing.T) {
	t.Parallel()
	onEachRig(t, func(t *testing.T, r rig) {
		var late context.Context
		for _, outcome := range []error{nil, errFailed} {
			require.ErrorIs(t, r.InTx(t.Context(), func(ctx context.Context) error {
				late = ctx //nolint:fatcontext // that is the point
				return outcome
			}), outcome)
			_, ok := sqlstore.Tx(late)
			require.False(t, ok)
		}
		_, ok := sqlstore.Tx(t.Context())
		require.False(t, ok)
		r.create(late, t, "User", "a")
		_, err := r.Get(late, scope, store.Ref{Type: "User", ID: "a"})
		require.NoError(t, err)
	})
}

func TestWithTx(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d target) {
		if d.Dialect == filter.SQLite {
			d.DSN += "&_txlock=immediate"
		}
		r := newRig(t, d)
		r.create(t.Context(), t, "User", "old")
		before := r.everything(t)
		work := func(tx *sql.Tx) {
			ctx := sqlstore.WithTx(t.Context(), tx)
			have, ok := sqlstore.Tx(ctx)
			require.True(t, ok)
			require.Same(t, tx, have)
			require.NoError(t, r.note(ctx, "n"))
			r.create(ctx, t, "User", "a")
			require.NoError(t, r.InTx(ctx, func(ctx context.Context) error { // it joins
				r.create(ctx, t, "Group", "g", "a")
				_, err := r.Update(ctx, scope, store.Ref{Type: "Group", ID: "g"}, members("old"), store.Write{At: time.UnixMicro(5)})
				return err
			}))
			_, err := r.Create(ctx, scope, draft(t, "User", "a"))
			require.ErrorIs(t, err, store.ErrUniqueness, "the transaction goes on after it")
			_, err = r.Delete(ctx, scope, store.Ref{Type: "User", ID: "a"}, store.Write{At: time.UnixMicro(6)})
			require.NoError(t, err)
			page, err := r.List(ctx, scope, store.Query{Type: "User", Start: 1, Count: 9})
			require.NoError(t, err)
			require.Equal(t, 1, page.Total)
			group, err := r.Get(ctx, scope, store.Ref{Type: "Group", ID: "g"})
			require.NoError(t, err)
			require.EqualValues(t, 3, group.Version)
		}
		tx, err := r.db.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		work(tx)
		require.NoError(t, tx.Rollback())
		require.Equal(t, before, r.everything(t))
		checkConsistency(t, d, r.db)

		tx, err = r.db.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		work(tx)
		require.NoError(t, tx.Commit())
		require.Equal(t, []string{"n"}, r.notes(t))
		require.Len(t, storedRows(t, r.db), 2)
		checkConsistency(t, d, r.db)
	})
}

// Two stores on two databases: each call finds the transaction of its own store, however they are nested.
func TestNestedStores(t *testing.T) {
	t.Parallel()
	for _, outer := range targets {
		for _, inner := range targets {
			t.Run(outer.name+" around "+inner.name, func(t *testing.T) {
				t.Parallel()
				a, b := newRig(t, outer.make(t)), newRig(t, inner.make(t))
				nest := func(outcome error) error {
					return a.InTx(t.Context(), func(ctx context.Context) error {
						a.create(ctx, t, "User", "a1")
						outside, _ := sqlstore.Tx(ctx)
						err := b.InTx(ctx, func(ctx context.Context) error {
							b.create(ctx, t, "User", "b1")
							within, _ := sqlstore.Tx(ctx)
							require.NotSame(t, outside, within, "the host gets the innermost")
							if err := b.note(ctx, "n"); err != nil {
								return err
							}
							return a.InTx(ctx, func(ctx context.Context) error { // joins the outer one
								a.create(ctx, t, "User", "a2")
								_, err := b.Get(ctx, scope, store.Ref{Type: "User", ID: "b1"})
								require.NoError(t, err)
								_, err = b.Get(ctx, scope, store.Ref{Type: "User", ID: "a1"})
								require.ErrorIs(t, err, store.ErrNotFound)
								return outcome
							})
						})
						a.create(ctx, t, "User", "a3")
						return err
					})
				}
				require.ErrorIs(t, nest(errFailed), errFailed)
				require.Empty(t, a.everything(t))
				require.Empty(t, b.everything(t))
				require.NoError(t, nest(nil))
				require.Len(t, storedRows(t, a.db), 3)
				require.Len(t, storedRows(t, b.db), 1)
				require.Equal(t, []string{"n"}, b.notes(t))
				checkConsistency(t, a.d, a.db)
				checkConsistency(t, b.d, b.db)
			})
		}
	}
}

func TestAfterCommit(t *testing.T) {
	t.Parallel()
	onEachRig(t, func(t *testing.T, r rig) {
		attempt := func(f func(ctx context.Context) error) (ran bool, err error) {
			err = store.InTx(t.Context(), r, func(ctx context.Context) error {
				store.AfterCommit(ctx, func() {
					ran = true
					require.NotEmpty(t, storedRows(t, r.db), "before the commit")
				})
				_, err := r.Create(ctx, scope, draft(t, "User", "a"))
				return errors.Join(err, f(ctx))
			})
			return ran, err
		}
		ran, err := attempt(func(context.Context) error { return errFailed })
		require.ErrorIs(t, err, errFailed)
		require.False(t, ran)
		r.driver.Inject(dbtest.Fault{On: dbtest.Commit, N: 1, Times: 100, Err: dbtest.Full})
		ran, err = attempt(func(context.Context) error { return nil })
		require.ErrorIs(t, err, dbtest.Full)
		require.False(t, ran)
		r.driver.Heal()
		require.Empty(t, storedRows(t, r.db))
		ran, err = attempt(func(context.Context) error { return nil })
		require.NoError(t, err)
		require.True(t, ran)
	})
}

// The number of a directory that was rolled back may go to another one: nobody may remember it.
func TestRolledBackDirectoriesAreForgotten(t *testing.T) {
	t.Parallel()
	onEachRig(t, func(t *testing.T, r rig) {
		mine, theirs := store.Scope{Connection: "c", Tenant: "mine"}, store.Scope{Connection: "c", Tenant: "theirs"}
		require.ErrorIs(t, r.InTx(t.Context(), func(ctx context.Context) error {
			_, err := r.Create(ctx, mine, draft(t, "User", "a"))
			require.NoError(t, err)
			_, err = r.Get(ctx, mine, store.Ref{Type: "User", ID: "a"})
			require.NoError(t, err)
			return errFailed
		}), errFailed)
		_, err := r.Create(t.Context(), theirs, draft(t, "User", "b"))
		require.NoError(t, err)
		_, err = r.Get(t.Context(), mine, store.Ref{Type: "User", ID: "b"})
		require.ErrorIs(t, err, store.ErrNotFound)
		page, err := r.List(t.Context(), mine, store.Query{Type: "User", Start: 1, Count: 9})
		require.NoError(t, err)
		require.Zero(t, page.Total)
		_, err = r.Create(t.Context(), mine, draft(t, "User", "b"))
		require.NoError(t, err)
		require.Len(t, column[int64](t, r.db, "SELECT DISTINCT directory FROM scim_resources"), 2)
		checkConsistency(t, r.d, r.db)
	})
}

func TestCancelledBefore(t *testing.T) {
	t.Parallel()
	onEachRig(t, func(t *testing.T, r rig) {
		r.create(t.Context(), t, "User", "a")
		r.create(t.Context(), t, "Group", "g", "a")
		r.connect(t)
		before := r.everything(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		user, group := store.Ref{Type: "User", ID: "a"}, store.Ref{Type: "Group", ID: "g"}
		for name, call := range map[string]func() error{
			"Get":    func() error { _, err := r.Get(ctx, scope, user); return err },
			"List":   func() error { _, err := r.List(ctx, scope, store.Query{Type: "User", Start: 1, Count: 9}); return err },
			"Create": func() error { _, err := r.Create(ctx, scope, draft(t, "User", "b")); return err },
			"Update": func() error { _, err := r.Update(ctx, scope, group, members("g"), store.Write{}); return err },
			"Delete": func() error { _, err := r.Delete(ctx, scope, user, store.Write{}); return err },
			"Members": func() error {
				_, err := r.Members(ctx, scope, store.MemberQuery{Groups: []string{"g"}, Limit: 9})
				return err
			},
			"Groups":           func() error { _, err := r.Groups(ctx, scope, []string{"a"}); return err },
			"InTx":             func() error { return r.InTx(ctx, func(context.Context) error { return nil }) },
			"CreateConnection": func() error { return r.CreateConnection(ctx, link("new"), nil, 1) },
			"UpdateConnection": func() error { return r.UpdateConnection(ctx, link("c"), nil, 1) },
			"Connection":       func() error { _, err := r.Connection(ctx, link("c").Scope()); return err },
			"Connections":      func() error { _, err := r.Connections(ctx, "t"); return err },
			"Tokens":           func() error { _, err := r.Tokens(ctx, "c"); return err },
			"FindToken":        func() error { _, _, err := r.FindToken(ctx, "c 1", store.Digest{}); return err },
			"UseTokens":        func() error { return r.UseTokens(ctx, map[string]time.Time{"c 1": time.UnixMicro(9)}) },
			"Deleted":          func() error { _, err := r.Deleted(ctx, 9); return err },
			"Forget":           func() error { return r.Forget(ctx, link("gone").Scope()) },
			"ForgetTokens":     func() error { return r.ForgetTokens(ctx, time.UnixMicro(9)) },
			"Purge":            func() error { _, err := r.Purge(ctx, scope, 9); return err },
			"AppendJournal":    func() error { return r.AppendJournal(ctx, entriesOf("c", 1)) },
			"Journal":          func() error { _, err := r.Journal(ctx, "c", store.JournalQuery{Limit: 9}); return err },
			"TrimJournal":      func() error { return r.TrimJournal(ctx, "c", 0) },
			"ExpireJournal":    func() error { return r.ExpireJournal(ctx, time.UnixMicro(9)) },
		} {
			require.ErrorIs(t, call(), context.Canceled, name)
		}
		require.Equal(t, before, r.everything(t))
	})
}

// A write whose context ends at any of its statements is there as a whole or not at all, and holds nothing up afterwards.
func TestCancelledDuring(t *testing.T) {
	t.Parallel()
	onEachRig(t, func(t *testing.T, r rig) {
		r.db.SetMaxOpenConns(1)
		for i := range 5 {
			r.create(t.Context(), t, "User", fmt.Sprint("u", i))
		}
		r.create(t.Context(), t, "Group", "g", "u0", "u1")
		r.create(t.Context(), t, "Group", "h", "u1")
		r.populate(t)
		r.connect(t)
		writes := []change{
			{"Create", func(ctx context.Context) error {
				_, err := r.Create(ctx, scope, draft(t, "Group", "new", "u0", "u1"))
				return err
			}},
			{"Update", func(ctx context.Context) error {
				_, err := r.Update(ctx, scope, store.Ref{Type: "Group", ID: "g"}, members("u2", "u3"), store.Write{At: time.UnixMicro(9)})
				return err
			}},
			{"Delete", func(ctx context.Context) error {
				_, err := r.Delete(ctx, scope, store.Ref{Type: "User", ID: "u1"}, store.Write{At: time.UnixMicro(9)})
				return err
			}},
		}
		for _, write := range append(writes, r.changesOfConnections()...) {
			for n, done := 1, false; !done; n++ {
				before := r.everything(t)
				ctx, cancel := context.WithCancel(t.Context())
				seen := 0
				r.driver.Watch(func(string, []any) {
					if seen++; seen == n {
						cancel()
					}
				})
				err := r.InTx(ctx, func(ctx context.Context) error {
					return errors.Join(write.do(ctx), r.note(ctx, write.name))
				})
				r.driver.Watch(nil)
				cancel()
				if err != nil {
					require.Equal(t, before, r.everything(t), "%s, cancelled at statement %d", write.name, n)
				} else {
					require.NotEqual(t, before, r.everything(t), write.name)
				}
				checkConsistency(t, r.d, r.db)
				done = seen < n
				require.Equal(t, !done, n <= seen)
				if !done && err == nil { // it came too late: the next one needs the same beginning
					break
				}
			}
		}
		covers(t, "S-23")
	})
}

// A pool of one connection is enough: nothing inside a transaction waits for another one.
func TestPoolOfOne(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d target) {
		db := d.open(t)
		db.SetMaxOpenConns(1)
		c := d.serve(t, db)
		a, b := c.user(t, "a"), c.user(t, "b")
		g := c.group(t, "g", a.ID)
		h := c.group(t, "h", b.ID, g.ID)
		c.must(t, 204, "PATCH", "/Groups/"+g.ID, patchBody(addMembers(b.ID)))
		c.must(t, 204, "PATCH", "/Groups/"+g.ID, patchBody(object{"op": "remove", "path": `members[display eq "a"]`}))
		c.must(t, 200, "PATCH", "/Users/"+a.ID, patchBody(setOp("displayName", "x"), setOp(`emails[type eq "work"].value`, "x@example.test")))
		c.must(t, 200, "PUT", "/Groups/"+h.ID, groupBody("h2", a.ID, b.ID), "If-Match", h.Meta.Version)
		require.Len(t, c.find(t, "/Users", `groups.value eq "`+h.ID+`" and displayName co "x"`), 1)
		require.Len(t, c.find(t, "/Groups", `members[value eq "`+b.ID+`"]`), 2)
		require.Len(t, c.find(t, "/Users", `nickName pr or userName sw "b"`), 1)
		c.must(t, 409, "POST", "/Users", userBody("A"))
		c.must(t, 400, "POST", "/Groups", groupBody("i", "nobody"))
		c.must(t, 204, "DELETE", "/Users/"+a.ID, nil)
		s := d.store(t, db)
		rig{Store: s, d: d, db: db}.connect(t)
		require.NoError(t, s.InTx(t.Context(), func(ctx context.Context) error {
			_, _, err := s.FindToken(ctx, "c 1", store.Digest{})
			require.NoError(t, err)
			_, err = s.Journal(ctx, "c", store.JournalQuery{Limit: 2})
			require.NoError(t, err)
			_, err = s.Purge(ctx, link("gone").Scope(), 1)
			require.NoError(t, err)
			_, err = s.Connections(ctx, "t")
			require.NoError(t, err)
			_, err = s.Members(ctx, scope, store.MemberQuery{Groups: []string{g.ID, h.ID}, Limit: 1})
			require.NoError(t, err)
			_, err = s.Groups(ctx, scope, []string{b.ID})
			return err
		}))
		var group sync.WaitGroup
		statuses := make([]int, 20)
		for i := range statuses {
			group.Go(func() { statuses[i] = c.do("POST", "/Users", userBody(fmt.Sprint("user ", i))).status })
		}
		group.Wait()
		require.Equal(t, slices.Repeat([]int{201}, 20), statuses)
		checkConsistency(t, d, db)
		checkEvents(t, db)
		covers(t, "S-25")
	})
}

// retried are errors after which a transaction runs again.
func (r rig) retried() []error {
	if r.d.Dialect == filter.SQLite {
		return []error{dbtest.Busy}
	}
	return []error{dbtest.SerializationFailure, dbtest.DeadlockDetected}
}

func TestTransactionsRunAgain(t *testing.T) {
	t.Parallel()
	onEachRig(t, func(t *testing.T, r rig) {
		n := 0
		for _, fault := range r.retried() {
			for _, on := range []dbtest.Step{dbtest.Statement, dbtest.Commit} {
				for times := 1; times <= 3; times++ {
					n++
					name := fmt.Sprint("user ", n)
					hooks := 0
					r.driver.Inject(dbtest.Fault{On: on, N: 1, Times: times, Err: fault})
					require.NoError(t, store.InTx(t.Context(), r, func(ctx context.Context) error {
						store.AfterCommit(ctx, func() { hooks++ })
						_, err := r.Create(ctx, scope, draft(t, "User", name))
						return errors.Join(err, r.note(ctx, name))
					}))
					require.Equal(t, times, r.driver.Fired())
					require.Equal(t, 1, hooks)
				}
			}
			r.driver.Inject(dbtest.Fault{On: dbtest.Commit, N: 1, Times: 1000, Err: fault})
			before := r.everything(t)
			require.ErrorIs(t, r.InTx(t.Context(), func(ctx context.Context) error {
				_, err := r.Create(ctx, scope, draft(t, "User", "never"))
				return err
			}), fault)
			require.Equal(t, before, r.everything(t))
			r.driver.Heal()
		}
		require.Len(t, r.notes(t), n)
		require.Len(t, storedRows(t, r.db), n)
		checkConsistency(t, r.d, r.db)
		covers(t, "S-21")
	})
}

// A caller that makes nothing of an error cannot commit half of a transaction.
func TestLostTransactionsDoNotCommit(t *testing.T) {
	t.Parallel()
	onEachRig(t, func(t *testing.T, r rig) {
		for _, fault := range r.retried() {
			attempts := 0
			name := fault.Error()
			require.NoError(t, r.InTx(t.Context(), func(ctx context.Context) error {
				attempts++
				if attempts == 1 {
					r.driver.Inject(dbtest.Fault{On: dbtest.Statement, N: 1, Err: fault})
				}
				_, _ = r.Get(ctx, scope, store.Ref{Type: "User", ID: "nobody"})
				_, err := r.Create(ctx, scope, draft(t, "User", name))
				if attempts == 2 {
					return err
				}
				return nil
			}))
			require.Equal(t, 2, attempts)
		}
		require.Len(t, storedRows(t, r.db), len(r.retried()))
	})
}

// PostgreSQL itself gives a transaction up: a trigger for the first times, then two that wait for each other.
func TestPostgreSQLGivesUp(t *testing.T) {
	t.Parallel()
	r := newRig(t, postgresTarget(t))
	_, err := r.db.ExecContext(t.Context(), `
		CREATE SEQUENCE host_attempts;
		CREATE FUNCTION host_refuse() RETURNS trigger AS $$
		BEGIN
			IF nextval('host_attempts') <= 2 THEN RAISE EXCEPTION 'not yet' USING ERRCODE = '40001'; END IF;
			RETURN NEW;
		END $$ LANGUAGE plpgsql;
		CREATE TRIGGER host_refuse BEFORE INSERT ON host_events FOR EACH ROW EXECUTE FUNCTION host_refuse()`)
	require.NoError(t, err)
	t.Cleanup(func() { // the schema is for the next test
		_, err := r.db.Exec("DROP FUNCTION host_refuse() CASCADE; DROP SEQUENCE host_attempts")
		require.NoError(t, err)
	})
	c := clientOf(t, r, r.d.hostSink())
	a, b := c.user(t, "a"), c.user(t, "b")
	require.Equal(t, []int64{4}, column[int64](t, r.db, "SELECT last_value FROM host_attempts"), "two refused, two made")
	checkConsistency(t, r.d, r.db)
	checkEvents(t, r.db)

	var group sync.WaitGroup
	var first sync.WaitGroup
	first.Add(2)
	var attempts atomic.Int64
	errs := make([]error, 2)
	for i, ids := range [][]string{{a.ID, b.ID}, {b.ID, a.ID}} {
		group.Go(func() {
			met := false
			errs[i] = r.InTx(t.Context(), func(ctx context.Context) error {
				attempts.Add(1)
				if _, err := r.Get(ctx, scope, store.Ref{Type: "User", ID: ids[0]}); err != nil {
					return err
				}
				if !met {
					met = true
					first.Done()
					first.Wait() // now each has what the other one wants
				}
				_, err := r.Get(ctx, scope, store.Ref{Type: "User", ID: ids[1]})
				return err
			})
		})
	}
	group.Wait()
	require.NoError(t, errors.Join(errs...))
	require.GreaterOrEqual(t, attempts.Load(), int64(3))
	covers(t, "C-13", "S-21")
}

// withoutPragma opens an SQLite file so that only the store waits for other processes.
func (d target) withoutPragma() target {
	d.DSN = strings.Replace(d.DSN, "busy_timeout(10000)", "busy_timeout(0)", 1)
	return d
}

func TestBusyFile(t *testing.T) {
	t.Parallel()
	d := sqliteTarget(t).withoutPragma()
	db, driver := dbtest.Between(t, d.Dialect, d.DSN)
	open := func(busy time.Duration) client {
		s, err := sqlstore.New(t.Context(), sqlstore.Config{DB: db, Dialect: d.Dialect, BusyTimeout: busy})
		require.NoError(t, err)
		return clientOf(t, s, nil)
	}
	patient, hasty := open(time.Hour), open(time.Nanosecond)
	u := patient.user(t, "a")
	locker := spawn(t, orders{Task: "lock", Target: d})
	require.Equal(t, "locked", locker.expect())

	before := driver.Counts().Begins
	a := hasty.must(t, 503, "POST", "/Users", userBody("b"))
	require.NotEmpty(t, a.header.Get("Retry-After"))
	require.NotContains(t, string(a.body), "locked")
	require.LessOrEqual(t, driver.Counts().Begins-before, int64(2), "BusyTimeout is the time for all attempts together")
	hasty.must(t, 200, "GET", "/Users/"+u.ID, nil)

	// The patient one is let through when it has been refused a few times.
	refused := make(chan struct{})
	var once sync.Once
	tries := 0
	driver.Watch(func(string, []any) {
		if tries++; tries == 3 {
			once.Do(func() { close(refused) })
		}
	})
	done := make(chan answer)
	go func() { done <- patient.do("POST", "/Users", userBody("b")) }()
	<-refused
	locker.proceed()
	require.Equal(t, 201, (<-done).status)
	driver.Watch(nil)
	_, ok := locker.end()
	require.True(t, ok)
	hasty.must(t, 201, "POST", "/Users", userBody("c"))
	checkConsistency(t, d, db)
	covers(t, "C-16")
}

// Many writers and a reader with a long transaction, on one file.
func TestManyWriters(t *testing.T) {
	t.Parallel()
	d := sqliteTarget(t)
	db := d.open(t)
	c := d.serve(t, db)
	c.user(t, "first")
	reader, err := db.BeginTx(t.Context(), &sql.TxOptions{ReadOnly: true})
	require.NoError(t, err)
	count := func() (n int) {
		require.NoError(t, reader.QueryRowContext(t.Context(), "SELECT count(*) FROM scim_resources").Scan(&n))
		return n
	}
	require.Equal(t, 1, count())
	var group sync.WaitGroup
	statuses := make([]int, 64)
	for i := range statuses {
		group.Go(func() { statuses[i] = c.do("POST", "/Users", userBody(fmt.Sprint("user ", i))).status })
	}
	group.Wait()
	require.Equal(t, slices.Repeat([]int{201}, len(statuses)), statuses)
	require.Equal(t, 1, count(), "the reader sees what there was")
	require.NoError(t, reader.Rollback())
	checkConsistency(t, d, db)
	checkEvents(t, db)
	covers(t, "C-16")
}

// Whoever is told that a name is taken can find who has it, even if the commit that took the name fails.
func TestVerdictsAreOnCommittedState(t *testing.T) {
	t.Parallel()
	onEachRig(t, func(t *testing.T, r rig) {
		for i := range 50 {
			name := fmt.Sprint("user ", i)
			r.driver.Inject(dbtest.Fault{On: dbtest.Commit, N: 1, Err: dbtest.Full})
			about := make(chan struct{})
			var group sync.WaitGroup
			group.Go(func() {
				_ = r.InTx(t.Context(), func(ctx context.Context) error { // may fail with its commit
					_, err := r.Create(ctx, scope, draft(t, "User", name))
					close(about)
					for range 20 { // the other one comes while this is open, in most rounds
						runtime.Gosched()
					}
					return err
				})
			})
			<-about
			d := draft(t, "User", name)
			d.ID = name + " again"
			_, err := r.Create(t.Context(), scope, d)
			group.Wait()
			r.driver.Heal()
			if errors.Is(err, store.ErrUniqueness) {
				require.Len(t, column[string](t, r.db, fmt.Sprintf("SELECT id FROM scim_resources WHERE id = '%s'", name)), 1, "%s is said to be taken", name)
			}
		}
		checkConsistency(t, r.d, r.db)
	})
}

// Writes that are cancelled take nothing of the writes beside them along.
func TestCancelledBesideOthers(t *testing.T) {
	t.Parallel()
	onEachRig(t, func(t *testing.T, r rig) {
		const writers, each = 6, 25
		var cancel atomic.Pointer[context.CancelFunc]
		var statements atomic.Int64
		r.driver.Watch(func(string, []any) {
			if c := cancel.Load(); c != nil && statements.Add(1)%7 == 0 {
				(*c)()
			}
		})
		var group sync.WaitGroup
		errs := make([][]error, writers)
		drafts := make([][]store.Draft, writers)
		for w := range writers {
			for i := range each {
				drafts[w] = append(drafts[w], draft(t, "User", fmt.Sprintf("u%d-%d", w, i)))
			}
			errs[w] = make([]error, each)
			group.Go(func() {
				for i, d := range drafts[w] {
					ctx := t.Context()
					if w == 0 {
						doomed, c := context.WithCancel(ctx)
						ctx = doomed
						cancel.Store(&c)
					}
					errs[w][i] = r.InTx(ctx, func(ctx context.Context) error {
						_, err := r.Create(ctx, scope, d)
						return errors.Join(err, r.note(ctx, d.ID))
					})
				}
			})
		}
		group.Wait()
		r.driver.Watch(nil)
		(*cancel.Load())()
		stored := column[string](t, r.db, "SELECT id FROM scim_resources ORDER BY id")
		require.Equal(t, stored, r.notes(t))
		for w := range writers {
			for i, d := range drafts[w] {
				if w > 0 {
					require.NoError(t, errs[w][i])
				}
				if errs[w][i] == nil { // what is cancelled at its COMMIT may be there as well
					require.Contains(t, stored, d.ID)
				}
			}
		}
		checkConsistency(t, r.d, r.db)
		require.Equal(t, 0, r.db.Stats().InUse)
		covers(t, "S-23")
	})
}

// TestCreationByItself fails each statement of a creation that is no part of a transaction: what the database undid is tried again, and
// what stands in its way is named.
func TestCreationByItself(t *testing.T) {
	t.Parallel()
	onEachRig(t, func(t *testing.T, r rig) {
		create := func(name string) error {
			_, err := r.Create(t.Context(), scope, draft(t, "User", name))
			return err
		}
		require.NoError(t, create("first"))
		for n, fault := range r.retried() {
			r.driver.Inject(dbtest.Fault{On: dbtest.Statement, N: 1, Times: 1, Err: fault})
			require.NoError(t, create(fmt.Sprint("undone ", n)))
			require.Equal(t, 1, r.driver.Fired())
		}
		r.driver.Inject(dbtest.Fault{On: dbtest.Statement, N: 1, Times: 1, Err: dbtest.ErrIO})
		require.Error(t, create("lost"))
		r.driver.Heal()
		var taken *store.UniquenessError
		require.ErrorAs(t, create("first"), &taken)
		require.Equal(t, "userName", taken.Path)
		require.Len(t, storedRows(t, r.db), 1+len(r.retried()))
		checkConsistency(t, r.d, r.db)
	})
}
