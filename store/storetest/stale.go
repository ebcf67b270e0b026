package storetest

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/scimkit/scim/patch"
	"github.com/scimkit/scim/store"
)

// StaleStore is a store over a primary and a replica that lags behind: reads outside of transactions come from the replica, which
// learns of nothing until CatchUp. Everything else goes to the primary.
//
// It has every optional interface of package store. What the primary or the replica lacks, it declines with errors.ErrUnsupported. It is
// safe for concurrent use; writes wait for each other.
type StaleStore struct {
	primary, replica store.Store

	mu  sync.Mutex // held through every write and transaction
	log []replay   // committed on the primary, in that order, and unknown to the replica
}

// replay repeats a write.
type replay func(ctx context.Context, replica store.Store) error

// NewStaleStore returns a store over two that are empty, or hold the same. The replica must be safe to use while the primary is in a
// transaction. Stores that mint their own ids must mint the same.
func NewStaleStore(primary, replica store.Store) *StaleStore {
	return &StaleStore{primary: primary, replica: replica}
}

var (
	_ store.Store           = (*StaleStore)(nil)
	_ store.Transactor      = (*StaleStore)(nil)
	_ store.MemberLister    = (*StaleStore)(nil)
	_ store.GroupLister     = (*StaleStore)(nil)
	_ store.ConnectionStore = (*StaleStore)(nil)
	_ store.Purger          = (*StaleStore)(nil)
	_ store.JournalStore    = (*StaleStore)(nil)
)

// CatchUp repeats on the replica what was committed on the primary. An error is that of a write which the replica refuses.
func (s *StaleStore) CatchUp(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.log) > 0 {
		if err := s.log[0](ctx, s.replica); err != nil {
			return err
		}
		s.log = s.log[1:]
	}
	return nil
}

// staleTx is the key of what a transaction of a StaleStore has written so far.
type staleTx struct{ of *StaleStore }

// InTx implements store.Transactor.
func (s *StaleStore) InTx(ctx context.Context, f func(ctx context.Context) error) error {
	primary, ok := s.primary.(store.Transactor)
	switch {
	case !ok:
		return errors.ErrUnsupported
	case ctx.Value(staleTx{s}) != nil:
		return primary.InTx(ctx, f)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var written []replay
	err := primary.InTx(ctx, func(ctx context.Context) error {
		written = nil // by an attempt that was taken back
		return f(context.WithValue(ctx, staleTx{s}, &written))
	})
	if err == nil {
		s.log = append(s.log, written...)
	}
	return err
}

// read returns the store with interface T that a read goes to.
func read[T any](ctx context.Context, s *StaleStore) (from T, err error) {
	primary, one := s.primary.(T)
	replica, other := s.replica.(T)
	switch {
	case !one || !other:
		return from, errors.ErrUnsupported
	case ctx.Value(staleTx{s}) != nil:
		return primary, nil
	default:
		return replica, nil
	}
}

// written carries out a write on the primary and notes it for the replica.
func written[T, A any](ctx context.Context, s *StaleStore, do func(ctx context.Context, target T) (A, error)) (answer A, err error) {
	primary, one := s.primary.(T)
	_, other := s.replica.(T)
	if !one || !other {
		return answer, errors.ErrUnsupported
	}
	log, inTx := ctx.Value(staleTx{s}).(*[]replay)
	if !inTx {
		s.mu.Lock()
		defer s.mu.Unlock()
		log = &s.log
	}
	answer, err = do(ctx, primary)
	if err == nil {
		*log = append(*log, func(ctx context.Context, replica store.Store) error {
			_, err := do(ctx, replica.(T))
			return err
		})
	}
	return answer, err
}

// writtenDo is written for calls that answer with an error only.
func writtenDo[T any](ctx context.Context, s *StaleStore, do func(ctx context.Context, target T) error) error {
	_, err := written(ctx, s, func(ctx context.Context, target T) (struct{}, error) { return struct{}{}, do(ctx, target) })
	return err
}

// Create implements store.Store.
func (s *StaleStore) Create(ctx context.Context, scope store.Scope, draft store.Draft) (store.Applied, error) {
	draft.Members, draft.Unique = slices.Clone(draft.Members), slices.Clone(draft.Unique)
	return written(ctx, s, func(ctx context.Context, target store.Store) (store.Applied, error) {
		return target.Create(ctx, scope, draft)
	})
}

// Get implements store.Store.
func (s *StaleStore) Get(ctx context.Context, scope store.Scope, ref store.Ref) (store.Resource, error) {
	from, err := read[store.Store](ctx, s)
	if err != nil {
		return store.Resource{}, err
	}
	return from.Get(ctx, scope, ref)
}

// List implements store.Store.
func (s *StaleStore) List(ctx context.Context, scope store.Scope, query store.Query) (store.Page, error) {
	from, err := read[store.Store](ctx, s)
	if err != nil {
		return store.Page{}, err
	}
	return from.List(ctx, scope, query)
}

// Update implements store.Store.
func (s *StaleStore) Update(ctx context.Context, scope store.Scope, ref store.Ref, change patch.ChangeSet, w store.Write) (store.Applied, error) {
	change.Members.Add, change.Members.Remove = slices.Clone(change.Members.Add), slices.Clone(change.Members.Remove)
	change.Changes, change.Unique = slices.Clone(change.Changes), slices.Clone(change.Unique)
	return written(ctx, s, func(ctx context.Context, target store.Store) (store.Applied, error) {
		return target.Update(ctx, scope, ref, change, w)
	})
}

// Delete implements store.Store.
func (s *StaleStore) Delete(ctx context.Context, scope store.Scope, ref store.Ref, w store.Write) (store.Deleted, error) {
	return written(ctx, s, func(ctx context.Context, target store.Store) (store.Deleted, error) {
		return target.Delete(ctx, scope, ref, w)
	})
}

// Members implements store.MemberLister.
func (s *StaleStore) Members(ctx context.Context, scope store.Scope, query store.MemberQuery) (store.MemberPage, error) {
	from, err := read[store.MemberLister](ctx, s)
	if err != nil {
		return store.MemberPage{}, err
	}
	return from.Members(ctx, scope, query)
}

// Groups implements store.GroupLister.
func (s *StaleStore) Groups(ctx context.Context, scope store.Scope, members []string) (map[string][]store.Group, error) {
	from, err := read[store.GroupLister](ctx, s)
	if err != nil {
		return nil, err
	}
	return from.Groups(ctx, scope, members)
}
