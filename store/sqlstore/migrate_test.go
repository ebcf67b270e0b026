package sqlstore_test

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/internal/dbtest"
	"github.com/scimkit/scim/store/sqlstore"
)

// blanks are databases without any table.
var blanks = []struct {
	name string
	make func(testing.TB) target
}{
	{"sqlite", func(t testing.TB) target { return sqliteFile(filepath.Join(t.TempDir(), "scim.db"), "OFF") }},
	{"postgresql", func(t testing.TB) target {
		d := postgresTarget(t)
		schema := "scim_blank_" + strings.ToLower(rand.Text())
		db := d.open(t)
		_, err := db.ExecContext(t.Context(), "CREATE SCHEMA "+schema)
		require.NoError(t, err)
		t.Cleanup(func() {
			_, err := db.Exec("DROP SCHEMA " + schema + " CASCADE")
			require.NoError(t, err)
		})
		d.DSN = d.with("search_path", schema)
		return d
	}},
}

func onEachBlank(t *testing.T, f func(t *testing.T, d target)) {
	t.Helper()
	for _, d := range blanks {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			f(t, d.make(t))
		})
	}
}

// works writes and reads through a database.
func works(t *testing.T, d target) {
	t.Helper()
	db := d.open(t)
	require.Equal(t, []int64{1}, column[int64](t, db, "SELECT number FROM scim_migrations"))
	c := d.serve(t, db)
	u := c.user(t, "anna")
	c.group(t, "all", u.ID)
	checkConsistency(t, d, db)
}

func TestMigrateIsIdempotent(t *testing.T) {
	t.Parallel()
	onEachBlank(t, func(t *testing.T, d target) {
		db := d.open(t)
		for range 3 {
			require.NoError(t, sqlstore.Migrate(t.Context(), db, d.Dialect))
		}
		works(t, d)
		require.NoError(t, sqlstore.Migrate(t.Context(), db, d.Dialect))
		require.Equal(t, []int64{2}, column[int64](t, db, "SELECT count(*) FROM scim_resources"), "it keeps what is there")
	})
}

func TestNewAsksForMigrate(t *testing.T) {
	t.Parallel()
	onEachBlank(t, func(t *testing.T, d target) {
		db := d.open(t)
		_, err := sqlstore.New(t.Context(), sqlstore.Config{DB: db, Dialect: d.Dialect})
		require.ErrorContains(t, err, "Migrate")

		require.NoError(t, sqlstore.Migrate(t.Context(), db, d.Dialect))
		_, err = db.ExecContext(t.Context(), "DELETE FROM scim_migrations")
		require.NoError(t, err)
		_, err = sqlstore.New(t.Context(), sqlstore.Config{DB: db, Dialect: d.Dialect})
		require.ErrorContains(t, err, "call Migrate")
		require.ErrorContains(t, err, "migration 0 of 1")
	})
}

func TestNewerSchemasAreRefused(t *testing.T) {
	t.Parallel()
	onEachBlank(t, func(t *testing.T, d target) {
		db := d.open(t)
		require.NoError(t, sqlstore.Migrate(t.Context(), db, d.Dialect))
		_, err := db.ExecContext(t.Context(), "INSERT INTO scim_migrations (number) VALUES (7)")
		require.NoError(t, err)
		const newer = "the schema of the database is at migration 7, newer than 1"
		require.ErrorContains(t, sqlstore.Migrate(t.Context(), db, d.Dialect), newer)
		_, err = sqlstore.New(t.Context(), sqlstore.Config{DB: db, Dialect: d.Dialect})
		require.ErrorContains(t, err, newer)
		require.Equal(t, []int64{1, 7}, column[int64](t, db, "SELECT number FROM scim_migrations ORDER BY number"))
	})
}

// Several processes start at once on an empty database.
func TestProcessesMigrateOnce(t *testing.T) {
	t.Parallel()
	onEachBlank(t, func(t *testing.T, d target) {
		children := make([]*child, 3)
		for i := range children {
			children[i] = spawn(t, orders{Task: "migrate", Target: d})
		}
		for _, c := range children {
			require.Equal(t, "ready", c.expect())
		}
		for _, c := range children {
			c.proceed()
		}
		for _, c := range children {
			output, ok := c.end()
			require.True(t, ok, output)
		}
		works(t, d)
	})
}

// A migration that is killed at any of its statements is done again by the next process.
func TestKilledMigrationsResume(t *testing.T) {
	t.Parallel()
	onEachBlank(t, func(t *testing.T, d target) {
		for n, done := int64(1), false; !done; n++ {
			c := spawn(t, orders{Task: "migrate", Target: d, Moment: "statement", N: n})
			require.Equal(t, "ready", c.expect())
			c.proceed()
			var output string
			output, done = c.end()
			require.Equal(t, done, strings.Contains(output, "PASS"), output)
			require.Less(t, n, int64(100), output)
			if done {
				require.Greater(t, n, int64(5), "it never died")
			}
		}
		works(t, d)
	})
}

// A process that waits for a migration carries it out when the one that was at it is killed.
func TestMigrationIsTakenOver(t *testing.T) {
	t.Parallel()
	onEachBlank(t, func(t *testing.T, d target) {
		first := spawn(t, orders{Task: "migrate", Target: d, Moment: "hold"})
		require.Equal(t, "ready", first.expect())
		first.proceed()
		require.Equal(t, "holding", first.expect())
		second := spawn(t, orders{Task: "migrate", Target: d})
		require.Equal(t, "ready", second.expect())
		second.proceed()
		first.kill()
		output, ok := second.end()
		require.True(t, ok, output)
		works(t, d)
		covers(t, "S-28")
	})
}

// A file name that is escaped in a file: URI keeps apart from its parameters.
func TestFileNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a b", "a#b", "a?b", "a%b", "a%20b", "a&mode=memory", "ü", "a+b", "a;b", "a'b"} {
		dir := t.TempDir()
		file := filepath.Join(dir, name+".db")
		d := target{"sqlite", dbtest.SQLiteDSN(file), filter.SQLite}
		require.NoError(t, sqlstore.Migrate(t.Context(), d.open(t), filter.SQLite))
		works(t, d)
		_, err := os.Stat(file)
		require.NoError(t, err)
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, e := range entries {
			require.True(t, strings.HasPrefix(e.Name(), name+".db"), e.Name())
		}
		require.Equal(t, []string{"wal"}, column[string](t, d.open(t), "PRAGMA journal_mode"))
	}
}

func TestNewRefusesNoDatabase(t *testing.T) {
	t.Parallel()
	_, err := sqlstore.New(t.Context(), sqlstore.Config{})
	require.ErrorContains(t, err, "Config.DB is nil")
}

// What is indexed is settled with the first resource.
func TestIndexedAttributesAreSettledOnce(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d target) {
		db := d.open(t)
		with := func(paths ...string) (*sqlstore.Store, error) {
			return sqlstore.New(t.Context(), sqlstore.Config{DB: db, Dialect: d.Dialect, Indexed: paths})
		}
		_, err := with()
		require.NoError(t, err)
		_, err = with("nickName", "title", "title", "userName")
		require.NoError(t, err, "the database is empty")
		s, err := with("title", "nickName")
		require.NoError(t, err)
		c := clientOf(t, s, nil)
		u := c.user(t, "anna")
		c.must(t, 200, "PATCH", "/Users/"+u.ID, patchBody(setOp("title", "Boss")))
		require.Len(t, c.find(t, "/Users", `title eq "boss"`), 1)
		checkConsistency(t, d, db)
		_, err = with("title", "nickName", "userName")
		require.NoError(t, err)
		_, err = with("title")
		require.ErrorContains(t, err, "indexed by")
		_, err = with()
		require.ErrorContains(t, err, "indexed by")
	})
}
