package main

import (
	"context"
	"database/sql"
	"net/url"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver pgx
	_ "modernc.org/sqlite"             // the driver sqlite

	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/store"
	"github.com/scimkit/scim/store/memstore"
	"github.com/scimkit/scim/store/sqlstore"
)

// directory is what both stores are: resources and connections, and transactions over both.
type directory interface {
	store.Store
	store.Transactor
	store.ConnectionStore
}

// open opens the directory that the flags name. where says for people which one it is.
func (o options) open(ctx context.Context) (d directory, where string, shut func() error, err error) {
	switch {
	case o.postgres != "":
		d, shut, err = openSQL(ctx, "pgx", o.postgres, filter.PostgreSQL)
		return d, "PostgreSQL", shut, err
	case o.db == inMemory:
		return memstore.New(), "memory", func() error { return nil }, nil
	default:
		d, shut, err = openSQL(ctx, "sqlite", sqliteDSN(o.db), filter.SQLite)
		return d, o.db, shut, err
	}
}

// sqliteDSN is the DSN of a file. Committed is what is on the disk: synchronous=FULL is SQLite's default, and said here so that nobody
// doubts it.
func sqliteDSN(file string) string {
	path := url.URL{Path: file}
	return "file:" + path.EscapedPath() + "?_pragma=busy_timeout(5000)&_pragma=synchronous(FULL)"
}

// openSQL opens a database, with a pool that leaves the server room for others and gives connections up that nobody uses, and
// brings its tables up to date.
func openSQL(ctx context.Context, driver, dsn string, dialect filter.Dialect) (_ *sqlstore.Store, shut func() error, err error) {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			_ = db.Close() // nothing was done with it
		}
	}()
	db.SetMaxOpenConns(16)
	db.SetMaxIdleConns(16)
	db.SetConnMaxIdleTime(5 * time.Minute)
	db.SetConnMaxLifetime(time.Hour)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := sqlstore.Migrate(ctx, db, dialect); err != nil {
		return nil, nil, err
	}
	s, err := sqlstore.New(ctx, sqlstore.Config{DB: db, Dialect: dialect})
	return s, db.Close, err
}
