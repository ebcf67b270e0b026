package dbtest_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/internal/claim"
	"github.com/scimkit/scim/internal/dbtest"
)

func TestMain(m *testing.M) { claim.Main(m) }

func onBoth(t *testing.T, f func(t *testing.T, db *sql.DB, d *dbtest.Driver)) {
	t.Helper()
	for name, dialect := range map[string]filter.Dialect{"sqlite": filter.SQLite, "postgresql": filter.PostgreSQL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, d := dbtest.Open(t, dialect)
			f(t, db, d)
		})
	}
}

func add(ctx context.Context, db *sql.DB, paths ...string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	for _, path := range paths {
		if _, err := tx.ExecContext(ctx, "INSERT INTO scim_indexed (path) SELECT CAST($1 AS text)", path); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	return tx.Commit()
}

func paths(ctx context.Context, db *sql.DB) (all []string, err error) {
	rows, err := db.QueryContext(ctx, "SELECT path FROM scim_indexed ORDER BY path")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var path string
		if err := rows.Scan(&path); err != nil {
			return nil, err
		}
		all = append(all, path)
	}
	return all, rows.Err()
}

func TestStepsAreCounted(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, db *sql.DB, d *dbtest.Driver) {
		ctx := t.Context()
		var texts []string
		d.Watch(func(text string, _ []any) { texts = append(texts, text) })
		require.NoError(t, add(ctx, db, "a", "b"))
		stmt, err := db.PrepareContext(ctx, "SELECT count(*) FROM scim_indexed")
		require.NoError(t, err)
		defer func() { require.NoError(t, stmt.Close()) }()
		var n int
		require.NoError(t, stmt.QueryRowContext(ctx).Scan(&n))
		require.Equal(t, 2, n)
		require.Error(t, add(ctx, db, "a"))
		require.Equal(t, dbtest.Counts{Begins: 2, Statements: 4, Commits: 1, Rollbacks: 1}, d.Counts())
		require.EqualValues(t, 7, d.Steps())
		require.Len(t, texts, 4)
	})
}

// A step that fails leaves whole or nothing, and the database works again afterwards.
func TestStepsFailByPlan(t *testing.T) {
	t.Parallel()
	faults := []error{
		dbtest.SerializationFailure, dbtest.AdminShutdown, dbtest.Busy, dbtest.Full, driver.ErrBadConn, dbtest.ErrIO,
	}
	onBoth(t, func(t *testing.T, db *sql.DB, d *dbtest.Driver) {
		ctx := t.Context()
		for _, fault := range faults {
			for when := dbtest.Before; when <= dbtest.Midway; when++ {
				for n := 1; n <= 4; n++ {
					d.Inject(dbtest.Fault{N: n, When: when, Err: fault})
					err := add(ctx, db, "a", "b")
					d.Heal()
					require.Equal(t, 1, d.Fired())
					have, readErr := paths(ctx, db)
					require.NoError(t, readErr)
					switch {
					case err == nil: // database/sql opens another connection instead of one that cannot begin
						require.ErrorIs(t, fault, driver.ErrBadConn)
						require.Equal(t, 1, n)
						require.Len(t, have, 2)
					case n == 4 && when != dbtest.Before && !slices.Contains([]error{dbtest.SerializationFailure, dbtest.Busy}, fault):
						require.ErrorIs(t, err, fault)
						require.Len(t, have, 2)
					default:
						require.ErrorIs(t, err, fault)
						require.Empty(t, have, "%v of step %d: %v", when, n, fault)
					}
					_, err = db.ExecContext(ctx, "DELETE FROM scim_indexed")
					require.NoError(t, err)
				}
				d.Inject(dbtest.Fault{N: 5, When: when, Err: fault})
				require.NoError(t, add(ctx, db))
				require.Zero(t, d.Fired())
				d.Heal()
			}
		}
	})
}

func TestRowsEndEarlyByPlan(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, db *sql.DB, d *dbtest.Driver) {
		require.NoError(t, add(t.Context(), db, "a", "b"))
		d.Inject(dbtest.Fault{On: dbtest.Statement, N: 1, When: dbtest.Midway, Err: dbtest.ErrIO})
		have, err := paths(t.Context(), db)
		require.ErrorIs(t, err, dbtest.ErrIO)
		require.Equal(t, []string{"a"}, have)
		have, err = paths(t.Context(), db)
		require.NoError(t, err)
		require.Len(t, have, 2)
	})
}

func TestDatabaseIsAwayByPlan(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, db *sql.DB, d *dbtest.Driver) {
		d.Inject(dbtest.Fault{N: 1, Times: -1, Err: driver.ErrBadConn})
		for range 3 {
			_, err := paths(t.Context(), db)
			require.ErrorIs(t, err, driver.ErrBadConn)
		}
		require.ErrorIs(t, db.PingContext(t.Context()), driver.ErrBadConn)
		d.Heal()
		_, err := paths(t.Context(), db)
		require.NoError(t, err)
	})
}

// PostgreSQL refuses everything after an error in a transaction.
func TestTransactionIsAborted(t *testing.T) {
	t.Parallel()
	db, d := dbtest.Open(t, filter.PostgreSQL)
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	d.Inject(dbtest.Fault{On: dbtest.Statement, N: 1, Err: dbtest.SerializationFailure})
	_, err = tx.ExecContext(t.Context(), "INSERT INTO scim_indexed (path) VALUES ('a')")
	require.ErrorIs(t, err, dbtest.SerializationFailure)
	_, err = tx.ExecContext(t.Context(), "INSERT INTO scim_indexed (path) VALUES ('b')")
	require.ErrorContains(t, err, "25P02")
	require.Error(t, tx.Commit())
	have, err := paths(t.Context(), db)
	require.NoError(t, err)
	require.Empty(t, have)
}
