package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/store"
)

// txn is a transaction. Calls in it come one after the other.
type txn struct {
	store *Store // nil: a host's own transaction, which every Store joins
	outer *txn   // of another Store
	tx    *sql.Tx
	ended bool // what still has its context afterwards is no part of it
	lost  bool // the database gave it up for another one's sake, or would

	mayRepeat bool // if it is lost

	held  map[held]*record      // rows that are locked, as they are
	fresh map[store.Scope]int64 // directories that exist from its commit on
}

// held names a row of a directory.
type held struct {
	directory int64
	id        string
}

type txnKey struct{}

// attempts is how often a transaction is tried that the database gives up for another one's sake.
const attempts = 6

// Tx returns the transaction that ctx carries, for a host's own statements in an EventSink: they are committed together with the
// change. ok is false outside of InTx. Neither Commit nor Rollback may be called on it, and an error of a statement must be returned:
// what comes behind it may no longer be part of the transaction.
func Tx(ctx context.Context) (tx *sql.Tx, ok bool) {
	t, _ := ctx.Value(txnKey{}).(*txn)
	if t == nil || t.ended {
		return nil, false
	}
	return t.tx, true
}

// WithTx returns a context in which every Store of this package works in tx, a transaction on its database that the host began, at the
// level READ COMMITTED, and will end. It is not repeated. On SQLite it must have been begun to write (BEGIN IMMEDIATE).
func WithTx(ctx context.Context, tx *sql.Tx) context.Context {
	return context.WithValue(ctx, txnKey{}, newTxn(ctx, nil, tx))
}

func newTxn(ctx context.Context, s *Store, tx *sql.Tx) *txn {
	outer, _ := ctx.Value(txnKey{}).(*txn)
	return &txn{store: s, outer: outer, tx: tx, held: make(map[held]*record), fresh: make(map[store.Scope]int64)}
}

// joined returns the transaction of this Store that ctx carries, or nil.
func (s *Store) joined(ctx context.Context) *txn {
	t, _ := ctx.Value(txnKey{}).(*txn)
	for ; t != nil; t = t.outer {
		if !t.ended && (t.store == s || t.store == nil) {
			return t
		}
	}
	return nil
}

// InTx implements store.Transactor. What f read may have changed when it runs again.
func (s *Store) InTx(ctx context.Context, f func(ctx context.Context) error) error {
	if s.joined(ctx) != nil {
		return f(ctx)
	}
	for n := 1; ; n++ {
		again, err := s.attempt(ctx, n, f)
		if !again || n == attempts {
			return err
		}
		if err := pause(ctx, time.Millisecond<<n); err != nil {
			return err
		}
	}
}

// attempt runs f in a transaction, for the n-th time. again says that the database undid it for another one's sake.
func (s *Store) attempt(ctx context.Context, n int, f func(ctx context.Context) error) (again bool, err error) {
	if s.config.Dialect == filter.SQLite {
		return s.shared(ctx, f)
	}
	return s.alone(ctx, n, f)
}

// queue lets the transactions that are repeated take turns, so that they cannot be each other's deadlock again.
var queue = either(``, `SELECT pg_advisory_xact_lock(764376442)`)

// alone runs f in a transaction of the database.
func (s *Store) alone(ctx context.Context, n int, f func(ctx context.Context) error) (again bool, err error) {
	tx, err := s.config.DB.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return retryable(err), err
	}
	t := newTxn(ctx, s, tx)
	t.mayRepeat = n < attempts
	committed := false
	defer func() {
		t.ended = true
		if !committed {
			_ = tx.Rollback() // the error that led here says more; after a failed COMMIT there is nothing to undo
		}
	}()
	if n > 1 {
		if _, err := (handle{s, t}).exec(ctx, queue); err != nil {
			return retryable(err), err
		}
	}
	if err := f(context.WithValue(ctx, txnKey{}, t)); err != nil {
		return t.lost || retryable(err), err
	}
	if t.lost {
		return true, errLost
	}
	if err := tx.Commit(); err != nil {
		return retryable(err), err
	}
	committed = true
	s.directories.add(t.fresh)
	return false, nil
}

// errLost is the end of a transaction whose caller went on after the database had given it up.
var errLost = errors.New("sqlstore: the transaction was given up by the database")

// lockFile takes SQLite's write lock without writing. A transaction that only read before its first write could be refused it.
var lockFile = both(`DELETE FROM scim_indexed WHERE 1 = 0`)

// beginToWrite begins a transaction on SQLite, and waits for writers of other processes. It outlives ctx.
func (s *Store) beginToWrite(ctx context.Context) (*sql.Tx, error) {
	deadline := time.Now().Add(s.config.BusyTimeout)
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		tx, err := s.config.DB.BeginTx(context.WithoutCancel(ctx), nil)
		if err == nil {
			if err = (handle{s, newTxn(ctx, s, tx)}).do(ctx, lockFile); err == nil {
				return tx, nil
			}
			_ = tx.Rollback() // nothing was written
		}
		if !retryable(err) || time.Now().After(deadline) {
			return nil, err
		}
		if err := pause(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// pause waits for about d.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d/2 + rand.N(d)) //nolint:gosec // a jitter is no secret
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// uniqueViolation reports whether an error is PostgreSQL's unique_violation.
func uniqueViolation(err error) bool {
	var state interface{ SQLState() string }
	return errors.As(err, &state) && state.SQLState() == "23505"
}

// retryable reports whether an error means that the database undid the transaction for another one's sake: serialization_failure and
// deadlock_detected of PostgreSQL, by the method that its drivers' errors have, and SQLITE_BUSY, by the code or the text.
func retryable(err error) bool {
	var state interface{ SQLState() string }
	if errors.As(err, &state) {
		return state.SQLState() == "40001" || state.SQLState() == "40P01"
	}
	var code interface{ Code() int }
	if errors.As(err, &code) {
		const busy = 5 // in the low byte; the others say why
		return code.Code()&0xff == busy
	}
	return err != nil && strings.Contains(err.Error(), "database is locked")
}
