package sqlstore

import (
	"context"
	"database/sql"
	"sync/atomic"
	"time"
)

// SQLite has one writer at a time, and what costs is the COMMIT, which waits for the disk. So transactions that come while another
// one writes are carried out one after the other, each behind a savepoint, in one transaction of the database, and committed
// together: eight clients wait for the disk once. To each of them it is a transaction of its own; if the COMMIT fails, it fails for all.

const (
	maxBatch    = 64                    // transactions that are committed together
	maxBatchAge = 20 * time.Millisecond // after which no more join
)

// batch is an open transaction of the database. Whoever took it from turns.baton owns it.
type batch struct {
	tx     *sql.Tx
	begun  time.Time
	size   int  // transactions in it that succeeded
	broken bool // the database has undone them all

	done chan struct{} // closed when err is settled
	err  error
}

// turns lets one transaction write at a time.
type turns struct {
	baton   chan *batch // holds the open batch, or nil, while nobody writes
	waiting atomic.Int64
}

func newTurns() *turns {
	t := &turns{baton: make(chan *batch, 1)}
	t.baton <- nil
	return t
}

// shared runs f as a part of a batch. again says that the database undid it for another one's sake, or what it had seen of others.
func (s *Store) shared(ctx context.Context, f func(ctx context.Context) error) (again bool, err error) {
	b, err := s.enter(ctx)
	if err != nil {
		return false, err // it has waited for as long as it may
	}
	t := newTxn(ctx, s, b.tx)
	others := b.size > 0
	if err := s.carryOut(ctx, b, t, f); err != nil {
		if others {
			<-b.done // what f found, a name that is taken, may be the work of others that is not committed yet
			if b.err != nil {
				return true, b.err
			}
		}
		return t.lost || retryable(err), err
	}
	<-b.done
	if b.err != nil {
		return b.broken || retryable(b.err), b.err
	}
	s.directories.add(t.fresh)
	return false, nil
}

// enter waits for the baton, and begins a batch if none is open.
func (s *Store) enter(ctx context.Context) (*batch, error) {
	if err := ctx.Err(); err != nil { // below, a free baton would be as good as that
		return nil, err
	}
	s.turns.waiting.Add(1)
	var b *batch
	select {
	case b = <-s.turns.baton:
		s.turns.waiting.Add(-1)
	case <-ctx.Done():
		if s.turns.waiting.Add(-1) == 0 {
			s.turns.settle()
		}
		return nil, ctx.Err()
	}
	if b != nil {
		return b, nil
	}
	tx, err := s.beginToWrite(ctx)
	if err != nil {
		s.turns.baton <- nil
		return nil, err
	}
	return &batch{tx: tx, begun: time.Now(), done: make(chan struct{})}, nil
}

// carryOut runs f and passes the baton on.
func (s *Store) carryOut(ctx context.Context, b *batch, t *txn, f func(ctx context.Context) error) (err error) {
	h := handle{s, t}
	kept := false
	defer func() {
		t.ended = true
		if !kept && b.size > 0 {
			b.broken = h.do(ctx, undoSavepoint, dropSavepoint) != nil
		}
		s.turns.pass(b)
	}()
	if b.size > 0 {
		if err := h.do(ctx, makeSavepoint); err != nil {
			b.broken = true
			return err
		}
	}
	if err := f(context.WithValue(ctx, txnKey{}, t)); err != nil {
		return err
	}
	if t.lost {
		return errLost
	}
	if b.size > 0 {
		if err := h.do(ctx, dropSavepoint); err != nil {
			b.broken = true
			return err
		}
	}
	b.size++
	kept = true
	return nil
}

var (
	makeSavepoint = either(`SAVEPOINT scim`, ``)
	undoSavepoint = either(`ROLLBACK TO scim`, ``)
	dropSavepoint = either(`RELEASE scim`, ``)
)

// do runs statements to their end: interrupting them would undo what others did.
func (h handle) do(ctx context.Context, statements ...statement) error {
	for _, st := range statements {
		if _, err := h.exec(context.WithoutCancel(ctx), st); err != nil {
			return err
		}
	}
	return nil
}

// pass hands an open batch to the next transaction that waits, or ends it.
func (t *turns) pass(b *batch) {
	switch {
	case b.broken:
		b.end(errLost)
	case b.size == 0:
		b.end(errLost) // nobody waits for it
	case t.waiting.Load() > 0 && b.size < maxBatch && time.Since(b.begun) < maxBatchAge:
		t.baton <- b
		if t.waiting.Load() == 0 { // who waited has given up
			t.settle()
		}
		return
	default:
		b.commit()
	}
	t.baton <- nil
}

// settle commits the open batch, unless somebody is writing, who will.
func (t *turns) settle() {
	select {
	case b := <-t.baton:
		if b != nil {
			b.commit()
		}
		t.baton <- nil
	default:
	}
}

func (b *batch) commit() {
	b.err = b.tx.Commit()
	close(b.done)
}

// end ends a batch without a COMMIT.
func (b *batch) end(err error) {
	_ = b.tx.Rollback() // the error that led here says more
	b.err = err
	close(b.done)
}
