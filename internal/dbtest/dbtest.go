// Package dbtest gives a test an empty, migrated database of its own: SQLite always, PostgreSQL where SCIM_TEST_POSTGRES holds the
// URL of a database that tests may fill.
package dbtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver pgx
	_ "modernc.org/sqlite"             // the driver sqlite

	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/internal/claim"
	"github.com/scimkit/scim/store/sqlstore"
)

// template holds a migrated SQLite database, made once: copying it is faster than migrating.
var template = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "scim-template-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "scim.db")
	db, err := sql.Open("sqlite", SQLiteDSN(file))
	if err != nil {
		return nil, err
	}
	if err := sqlstore.Migrate(context.Background(), db, filter.SQLite); err != nil {
		return nil, err
	}
	if err := db.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(file) //nolint:gosec // of our own folder
})

// SQLiteDSN is the DSN of a file for tests, which do not outlive the machine: nothing is synced.
func SQLiteDSN(file string) string {
	path := url.URL{Path: file} // names of tests have a # in them
	return "file:" + path.EscapedPath() + "?_pragma=busy_timeout(10000)&_pragma=synchronous(OFF)"
}

// SQLite returns a database in a file of the test's.
func SQLite(t testing.TB) *sql.DB {
	t.Helper()
	return open(t, "sqlite", SQLiteDSN(SQLiteFile(t)))
}

// SQLiteFile is SQLite for tests that open the file themselves.
func SQLiteFile(t testing.TB) string {
	t.Helper()
	content, err := template()
	check(t, err)
	file := filepath.Join(t.TempDir(), "scim.db")
	check(t, os.WriteFile(file, content, 0o600))
	return file
}

// PostgreSQL returns a database in a schema that nobody else uses while the test runs, or skips the test.
func PostgreSQL(t testing.TB) *sql.DB {
	t.Helper()
	return take(t).db
}

// PostgreSQLDSN is PostgreSQL for those who open the database themselves.
func PostgreSQLDSN(t testing.TB) string {
	t.Helper()
	return take(t).dsn
}

// schema is one that this process has made, and uses again for other tests. It stays behind, for the next process to make anew.
type schema struct {
	name  string
	dsn   string
	db    *sql.DB
	admin *sql.DB
	conn  *sql.Conn // of admin; its session holds the schema's slot
}

// slots is how many schemas there can be at the same time.
const slots = 1000

var (
	idleMu sync.Mutex
	idle   []*schema
)

// take returns an empty schema until the end of the test.
func take(t testing.TB) *schema {
	t.Helper()
	base := os.Getenv("SCIM_TEST_POSTGRES")
	if base == "" {
		t.Skip("short of a PostgreSQL database: SCIM_TEST_POSTGRES is not set")
	}
	idleMu.Lock()
	var s *schema
	if n := len(idle); n > 0 {
		s, idle = idle[n-1], idle[:n-1]
	}
	idleMu.Unlock()
	if s == nil {
		s = create(t, base)
		claim.Afterwards(func() { _ = errors.Join(s.db.Close(), s.conn.Close(), s.admin.Close()) })
	}
	t.Cleanup(func() {
		check(t, empty(context.Background(), s.conn, s.name))
		s.db.SetMaxOpenConns(0)
		idleMu.Lock()
		defer idleMu.Unlock()
		idle = append(idle, s)
	})
	return s
}

// create makes a schema in the first slot that no other process holds.
func create(t testing.TB, base string) *schema {
	t.Helper()
	ctx := context.Background()
	dsn, err := within(base, "public")
	check(t, err)
	s := &schema{}
	s.admin, err = sql.Open("pgx", dsn)
	check(t, err)
	s.conn, err = s.admin.Conn(ctx)
	check(t, err)
	var slot int
	for free := false; !free; slot++ {
		if slot == slots {
			t.Fatal("all schemas for tests are taken")
		}
		check(t, s.conn.QueryRowContext(ctx, "SELECT pg_try_advisory_lock(764376441, $1)", slot).Scan(&free))
	}
	s.name = fmt.Sprintf("scim_test_%d", slot)
	s.dsn, err = within(base, s.name)
	check(t, err)
	_, err = s.conn.ExecContext(ctx, "DROP SCHEMA IF EXISTS "+s.name+" CASCADE; CREATE SCHEMA "+s.name)
	check(t, err)
	s.db, err = sql.Open("pgx", s.dsn)
	check(t, err)
	check(t, sqlstore.Migrate(ctx, s.db, filter.PostgreSQL))
	return s
}

// within returns the URL of a database with a schema to work in. Tests do not outlive the server: commits are not waited for.
func within(base, schema string) (string, error) {
	u, err := url.Parse(base)
	if err != nil {
		return "", err
	}
	query := u.Query()
	query.Set("search_path", schema)
	query.Set("synchronous_commit", "off")
	u.RawQuery = query.Encode()
	return u.String(), nil
}

// empty removes all rows of a schema but those that say which migrations were made.
func empty(ctx context.Context, conn *sql.Conn, schema string) error {
	//nolint:gosec // the name is ours
	_, err := conn.ExecContext(ctx, `DO $$
DECLARE t text;
BEGIN
	FOR t IN SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = '`+schema+`' AND tablename <> 'scim_migrations'
	LOOP EXECUTE 'DELETE FROM ' || t; END LOOP;
END $$`)
	return err
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	check(t, err)
	t.Cleanup(func() { check(t, db.Close()) })
	return db
}
