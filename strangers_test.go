package scim_test

import (
	"database/sql"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/internal/dbtest"
	"github.com/scimkit/scim/store/sqlstore"
)

// tally is a RateLimiter that counts what it is asked.
type tally struct {
	scim.RateLimiter
	asked atomic.Int64
}

func (l *tally) Allow(connection string, now time.Time) (time.Duration, bool) {
	l.asked.Add(1)
	return l.RateLimiter.Allow(connection, now)
}

// plan is how a database finds the rows of a statement. PostgreSQL would read a small table from one end to the other, and is told to
// do so only where there is no index.
func plan(t *testing.T, db *sql.DB, spoken filter.Dialect, text string, args []any) string {
	t.Helper()
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, tx.Rollback()) }()
	explain := "EXPLAIN QUERY PLAN "
	if spoken == filter.PostgreSQL {
		explain = "EXPLAIN "
		_, err := tx.ExecContext(t.Context(), "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
		require.NoError(t, err)
	}
	rows, err := tx.QueryContext(t.Context(), explain+text, args...)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	columns, err := rows.Columns()
	require.NoError(t, err)
	var lines strings.Builder
	for rows.Next() {
		into := make([]any, len(columns))
		for i := range into {
			into[i] = new(any)
		}
		require.NoError(t, rows.Scan(into...))
		fmt.Fprintln(&lines, *into[len(into)-1].(*any))
	}
	require.NoError(t, rows.Err())
	return lines.String()
}

// A token that is not valid costs one look-up by an index at most, whatever its shape, and nothing of the connection's rate whose token
// it resembles.
func TestStrangersCostOneLookup(t *testing.T) {
	t.Parallel()
	for name, spoken := range map[string]filter.Dialect{"sqlite": filter.SQLite, "postgresql": filter.PostgreSQL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, driver := dbtest.Open(t, spoken)
			backend, err := sqlstore.New(t.Context(), sqlstore.Config{DB: db, Dialect: spoken})
			require.NoError(t, err)
			limiter := &tally{RateLimiter: scim.NewTokenBucket(1)}
			d := newDial()
			s, connections := issuer(t, scim.ConnectionsConfig{Store: backend}, silently, func(c *setup) {
				c.config.Store, c.config.RateLimiter, c.config.Now = backend, limiter, func() time.Time { return d.at }
			})
			_, secret, err := connections.Create(t.Context(), scim.ConnectionDraft{Tenant: "t"})
			require.NoError(t, err)
			good := string(secret)

			seen := map[string][]any{} // the arguments of a statement's last run, by its text
			driver.Watch(func(text string, args []any) { seen[text] = args })
			for i := range 1000 {
				text := good[:len(good)-4] + fmt.Sprintf("!%03d", i) // the id inside is right
				switch i % 5 {
				case 1:
					text = fmt.Sprintf("scim_%016d_%s", i, good[22:]) // of that shape, with another id
				case 2:
					text = fmt.Sprintf("canary-of-a-bogus-token-%08d", i)
				case 3:
					text = fmt.Sprintf("%d", i)
				case 4:
					text = fmt.Sprintf("a%d,b", i) // no token at all
				}
				before := driver.Counts()
				require.Equal(t, 401, s.plain("/Users", text, "192.0.2.1:1"), text)
				cost := driver.Counts()
				require.LessOrEqual(t, cost.Statements-before.Statements, int64(1), text)
				require.Equal(t, before.Begins, cost.Begins)
			}
			driver.Watch(nil)
			require.NotEmpty(t, seen)
			for text, args := range seen {
				for _, table := range []string{"scim_resources", "scim_values", "scim_members", "scim_directories"} {
					require.NotContains(t, text, table)
				}
				how := plan(t, db, spoken, text, args)
				reads := strings.Count(how, "SEARCH ") + strings.Count(how, "SCAN ") + strings.Count(how, " Scan ")
				byIndex := strings.Count(how, "SEARCH ") + strings.Count(how, "Index Cond: ")
				require.Positive(t, reads, how)
				require.Equal(t, reads, byIndex, how)
			}
			require.Zero(t, limiter.asked.Load())
			for _, want := range []int{200, 200, 429} { // a full bucket
				require.Equal(t, want, s.plain("/Users", good, "192.0.2.1:1"))
			}
			covers(t, "A-15")
		})
	}
}
