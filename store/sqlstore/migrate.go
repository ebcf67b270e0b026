package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"

	"github.com/scimkit/scim/filter"
)

//go:embed migrations
var migrations embed.FS

// scripts returns the migrations of a dialect in order: number n is at n-1.
func scripts(dialect filter.Dialect) ([]string, error) {
	folder := "migrations/sqlite"
	if dialect == filter.PostgreSQL {
		folder = "migrations/postgresql"
	}
	entries, err := fs.ReadDir(migrations, folder)
	if err != nil {
		return nil, err
	}
	var texts []string
	for _, entry := range entries {
		text, err := migrations.ReadFile(path.Join(folder, entry.Name()))
		if err != nil {
			return nil, err
		}
		texts = append(texts, string(text))
	}
	return texts, nil
}

// Migrate brings the tables of this package, whose names begin with scim_, up to date. Any number of processes may call it at the
// same time, at every start: one of them does the work, each migration in a transaction of its own, and one that was killed is
// done again. On SQLite it turns the write-ahead log on. It fails on a database whose schema is newer.
func Migrate(ctx context.Context, db *sql.DB, dialect filter.Dialect) error {
	texts, err := scripts(dialect)
	if err != nil {
		return err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // back to the pool
	if dialect == filter.SQLite {
		if err := patiently(ctx, func() error { return run(ctx, conn, "PRAGMA journal_mode=WAL") }); err != nil {
			return err
		}
	}
	for {
		done := false
		err := patiently(ctx, func() (err error) {
			done, err = migrateOne(ctx, conn, dialect, texts)
			return err
		})
		if done || err != nil {
			return err
		}
	}
}

// migrateOne carries out the next migration, or finds that there is none.
func migrateOne(ctx context.Context, conn *sql.Conn, dialect filter.Dialect, texts []string) (done bool, err error) {
	begin, lock := "BEGIN IMMEDIATE", "SELECT 1"
	if dialect == filter.PostgreSQL {
		begin, lock = "BEGIN", "SELECT pg_advisory_xact_lock(7643764400)"
	}
	if err := run(ctx, conn, begin); err != nil {
		return false, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, run(context.WithoutCancel(ctx), conn, "ROLLBACK"))
		}
	}()
	if err := run(ctx, conn, lock); err != nil {
		return false, err
	}
	if err := run(ctx, conn, "CREATE TABLE IF NOT EXISTS scim_migrations (number INTEGER PRIMARY KEY)"); err != nil {
		return false, err
	}
	var applied int
	if err := conn.QueryRowContext(ctx, lastMigration).Scan(&applied); err != nil {
		return false, err
	}
	switch {
	case applied > len(texts):
		return false, newer(applied, len(texts))
	case applied < len(texts):
		if err := run(ctx, conn, texts[applied]); err != nil {
			return false, fmt.Errorf("sqlstore: migration %d: %w", applied+1, err)
		}
		if err := run(ctx, conn, fmt.Sprintf("INSERT INTO scim_migrations (number) VALUES (%d)", applied+1)); err != nil {
			return false, err
		}
	}
	return applied == len(texts), run(ctx, conn, "COMMIT")
}

const lastMigration = "SELECT coalesce(max(number), 0) FROM scim_migrations"

// run runs a text of one or more statements without arguments.
func run(ctx context.Context, conn *sql.Conn, text string) error {
	_, err := conn.ExecContext(ctx, text)
	return err
}

// patiently repeats f while another process has the SQLite file locked, up to a minute.
func patiently(ctx context.Context, f func() error) error {
	for range 600 {
		err := f()
		if !retryable(err) {
			return err
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	return f()
}

// checkSchema compares the schema of the database with the one that this version of the package works on.
func checkSchema(ctx context.Context, db *sql.DB, dialect filter.Dialect) error {
	texts, err := scripts(dialect)
	if err != nil {
		return err
	}
	var applied int
	if err := db.QueryRowContext(ctx, lastMigration).Scan(&applied); err != nil {
		return fmt.Errorf("sqlstore: the database cannot be used; was Migrate called? %w", err)
	}
	switch {
	case applied > len(texts):
		return newer(applied, len(texts))
	case applied < len(texts):
		return fmt.Errorf("sqlstore: the schema of the database is at migration %d of %d: call Migrate", applied, len(texts))
	}
	return nil
}

func newer(applied, known int) error {
	return fmt.Errorf("sqlstore: the schema of the database is at migration %d, newer than %d, the last that this version knows", applied, known)
}
