// Package sqlstore keeps a directory in SQLite, on one machine, or in PostgreSQL, for any number of processes. It works through
// database/sql and imports no driver: the host opens the *sql.DB, with the driver and the pool that suit it.
//
//	db, err := sql.Open("pgx", dsn)
//	err = sqlstore.Migrate(ctx, db, filter.PostgreSQL)
//	directory, err := sqlstore.New(ctx, sqlstore.Config{DB: db, Dialect: filter.PostgreSQL})
//
// It implements store.Store, every optional interface of package store, and the store of connections. Documents are kept as the
// JSON that goes to clients. Conflicts are decided by keys of the database, races by its locks: a write locks the resource that it
// changes, a membership change the group, a deletion the groups first. Look-ups by userName, externalId, displayName, e-mail address and
// the attributes of Config.Indexed use an index; conditions on active and on times are left to the database as well; what a filter
// asks beyond that is matched in Go on what is left, without a bound on the time that takes.
//
// # Transactions
//
// InTx repeats a transaction that the database gave up for another one's sake (40001, 40P01, SQLITE_BUSY), a few times. [Tx] gives
// a host's own statements the transaction, so that its tables change in the same commit; [WithTx] is the reverse. An error of COMMIT
// whose outcome is unknown is returned and becomes a 503: identity providers repeat such a request, and repeating it is harmless.
//
// # SQLite
//
// Migrate turns the write-ahead log on, which stays on. SQLite's own default, synchronous=FULL, makes a commit durable; leave it.
// A DSN of modernc.org/sqlite is "file:scim.db?_pragma=busy_timeout(5000)&_pragma=synchronous(FULL)"; in the name of the file, a
// character that means something in a URL is escaped. Writers of one Store take turns without polling, so make one Store per file; those
// of other processes are waited for up to Config.BusyTimeout, or the busy_timeout of the DSN where that is longer. Let
// the pool have several connections, so that readers do not wait for a writer. Inside InTx, a statement on another
// connection than the transaction's waits for ever if it writes.
//
// # Limits and security
//
// One transaction may hold as much memory as the documents that it returns; lists and members are read in pages. Values reach the
// database as bound arguments only. Documents hold whatever the identity provider sent; tokens are held as digests only.
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/store"
)

// Config configures a Store.
type Config struct {
	DB      *sql.DB // required; the Store does not close it
	Dialect filter.Dialect
	// Indexed are canonical paths of string attributes that filters compare for equality, beyond userName, externalId, displayName
	// and emails.value. They are chosen when the database is empty: New fails if a filled one was indexed by others.
	Indexed []string
	// BusyTimeout is how long a write waits for other processes that write to the same SQLite file; 0 means five seconds.
	BusyTimeout time.Duration
}

// Store keeps resources and connections in a database. It is safe for concurrent use.
type Store struct {
	config      Config
	indexed     []string
	directories cache
	statements  map[string]*sql.Stmt // by text; SQLite only
	turns       *turns               // SQLite only
}

var (
	_ store.Store           = (*Store)(nil)
	_ store.Transactor      = (*Store)(nil)
	_ store.MemberLister    = (*Store)(nil)
	_ store.GroupLister     = (*Store)(nil)
	_ store.ConnectionStore = (*Store)(nil)
	_ store.Purger          = (*Store)(nil)
	_ store.JournalStore    = (*Store)(nil)
	_ store.MemberStore     = (*Store)(nil)
)

// alwaysIndexed has no column of its own, since a user has many.
const alwaysIndexed = "emails.value"

// New returns a Store on a database that Migrate has prepared. It fails if the schema of the database is older or newer than this
// version of the package, and if Config.Indexed is not what the resources in it were indexed by.
func New(ctx context.Context, config Config) (*Store, error) {
	if config.DB == nil {
		return nil, errors.New("sqlstore: Config.DB is nil")
	}
	if config.BusyTimeout == 0 {
		config.BusyTimeout = 5 * time.Second
	}
	if err := checkSchema(ctx, config.DB, config.Dialect); err != nil {
		return nil, err
	}
	s := &Store{config: config, indexed: []string{alwaysIndexed}, turns: newTurns()}
	for _, path := range config.Indexed {
		if columnOf[path].Expr == "" && !slices.Contains(s.indexed, path) {
			s.indexed = append(s.indexed, path)
		}
	}
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	settled, err := s.indexedAsWanted(ctx)
	if err == nil && !settled { // a database that is all set may be read-only
		err = s.InTx(ctx, s.settleIndexed)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

var (
	indexedPaths = both(`SELECT path FROM scim_indexed ORDER BY path`)
	dropIndexed  = both(`DELETE FROM scim_indexed`)
	addIndexed   = both(`INSERT INTO scim_indexed (path) VALUES (?) ON CONFLICT DO NOTHING`)
	anyResource  = both(`SELECT count(*) FROM (SELECT 1 FROM scim_resources LIMIT 1) AS r`)
)

// indexedAsWanted compares the indexed attributes with those of the database.
func (s *Store) indexedAsWanted(ctx context.Context) (bool, error) {
	have, err := s.indexedBefore(ctx)
	return slices.Equal(have, slices.Sorted(slices.Values(s.indexed))), err
}

func (s *Store) indexedBefore(ctx context.Context) (paths []string, err error) {
	err = s.on(ctx).each(ctx, indexedPaths, nil, func(row scanner) error {
		var path string
		err := row.Scan(&path)
		paths = append(paths, path)
		return err
	})
	return paths, err
}

// settleIndexed records the indexed attributes of an empty database; they cannot change in a filled one.
func (s *Store) settleIndexed(ctx context.Context) error {
	same, err := s.indexedAsWanted(ctx)
	if same || err != nil {
		return err
	}
	q := s.on(ctx)
	var filled int
	if err := q.row(ctx, anyResource, nil, &filled); err != nil {
		return err
	}
	if filled > 0 {
		have, err := s.indexedBefore(ctx)
		return errors.Join(fmt.Errorf("sqlstore: the resources in the database are indexed by %v, not by %v", have, s.indexed), err)
	}
	if _, err := q.exec(ctx, dropIndexed); err != nil {
		return err
	}
	for _, path := range s.indexed {
		if _, err := q.exec(ctx, addIndexed, path); err != nil {
			return err
		}
	}
	return nil
}
