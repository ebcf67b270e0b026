package storetest

import (
	"context"
	"errors"
	"sync"

	"github.com/scimkit/scim/patch"
	"github.com/scimkit/scim/store"
)

// Fault is one call that fails.
type Fault struct {
	// Call is the number of the call that fails, counted from 1 when FaultStore.Inject is called. The begin and the commit of a
	// transaction are calls of their own; a transaction that joins another has neither.
	Call int
	// Err is what the call returns, required.
	Err error
	// After says that the call is carried out, and only its answer is lost. A begin fails the same either way. A commit that fails
	// without After is a rollback; with it, the transaction is committed and its caller does not know.
	After bool
}

// FaultStore is a store whose calls fail on demand: for the tests of whoever calls a store. A driver injects a Fault into call 1,
// 2, and so on, until the operation under test succeeds because it has no such call:
//
//	for call := 1; ; call++ {
//		s := storetest.NewFaultStore(memstore.New())
//		…
//		s.Inject(storetest.Fault{Call: call, Err: errors.New("the disk is full")})
//		…
//		if !s.Fired() {
//			break
//		}
//	}
//
// It has every optional interface of package store. What the store behind it lacks, it declines with errors.ErrUnsupported. It is
// safe for concurrent use.
type FaultStore struct {
	inner store.Store

	mu       sync.Mutex
	fault    Fault
	calls    int
	fired    bool
	attempts int
}

// NewFaultStore wraps a store; nothing fails yet.
func NewFaultStore(inner store.Store) *FaultStore { return &FaultStore{inner: inner, attempts: 1} }

var (
	_ store.Store           = (*FaultStore)(nil)
	_ store.Transactor      = (*FaultStore)(nil)
	_ store.MemberLister    = (*FaultStore)(nil)
	_ store.GroupLister     = (*FaultStore)(nil)
	_ store.ConnectionStore = (*FaultStore)(nil)
	_ store.Purger          = (*FaultStore)(nil)
	_ store.JournalStore    = (*FaultStore)(nil)
)

// Inject lets a call fail, in place of what was injected before. The zero Fault lets none fail.
func (s *FaultStore) Inject(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault, s.calls, s.fired = f, 0, false
}

// Fired reports whether the injected Fault has happened.
func (s *FaultStore) Fired() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fired
}

// Retry lets every transaction run that many times, at least once, and takes back what all but the last did: as databases do after
// a conflict.
func (s *FaultStore) Retry(attempts int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempts = max(attempts, 1)
}

// next counts a call, and returns the fault if it is the one that fails.
func (s *FaultStore) next() *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if s.calls != s.fault.Call {
		return nil
	}
	s.fired = true
	f := s.fault
	return &f
}

// faulty carries out one call of a store that has interface T.
func faulty[T, A any](s *FaultStore, do func(T) (A, error)) (answer A, err error) {
	var none A
	inner, ok := s.inner.(T)
	if !ok {
		return none, errors.ErrUnsupported
	}
	f := s.next()
	if f != nil && !f.After {
		return none, f.Err
	}
	answer, err = do(inner)
	if f != nil && err == nil {
		return none, f.Err
	}
	return answer, err
}

// faultyDo is faulty for calls that answer with an error only.
func faultyDo[T any](s *FaultStore, do func(T) error) error {
	_, err := faulty(s, func(inner T) (struct{}, error) { return struct{}{}, do(inner) })
	return err
}

// Create implements store.Store.
func (s *FaultStore) Create(ctx context.Context, scope store.Scope, draft store.Draft) (store.Applied, error) {
	return faulty(s, func(inner store.Store) (store.Applied, error) { return inner.Create(ctx, scope, draft) })
}

// Get implements store.Store.
func (s *FaultStore) Get(ctx context.Context, scope store.Scope, ref store.Ref) (store.Resource, error) {
	return faulty(s, func(inner store.Store) (store.Resource, error) { return inner.Get(ctx, scope, ref) })
}

// List implements store.Store.
func (s *FaultStore) List(ctx context.Context, scope store.Scope, query store.Query) (store.Page, error) {
	return faulty(s, func(inner store.Store) (store.Page, error) { return inner.List(ctx, scope, query) })
}

// Update implements store.Store.
func (s *FaultStore) Update(ctx context.Context, scope store.Scope, ref store.Ref, change patch.ChangeSet, w store.Write) (store.Applied, error) {
	return faulty(s, func(inner store.Store) (store.Applied, error) { return inner.Update(ctx, scope, ref, change, w) })
}

// Delete implements store.Store.
func (s *FaultStore) Delete(ctx context.Context, scope store.Scope, ref store.Ref, w store.Write) (store.Deleted, error) {
	return faulty(s, func(inner store.Store) (store.Deleted, error) { return inner.Delete(ctx, scope, ref, w) })
}

// Members implements store.MemberLister.
func (s *FaultStore) Members(ctx context.Context, scope store.Scope, query store.MemberQuery) (store.MemberPage, error) {
	return faulty(s, func(inner store.MemberLister) (store.MemberPage, error) { return inner.Members(ctx, scope, query) })
}

// Groups implements store.GroupLister.
func (s *FaultStore) Groups(ctx context.Context, scope store.Scope, members []string) (map[string][]store.Group, error) {
	return faulty(s, func(inner store.GroupLister) (map[string][]store.Group, error) {
		return inner.Groups(ctx, scope, members)
	})
}

// faultTx marks a context that carries a transaction of a FaultStore.
type faultTx struct{ of *FaultStore }

var errRetry = errors.New("storetest: the transaction runs again")

// InTx implements store.Transactor.
func (s *FaultStore) InTx(ctx context.Context, f func(ctx context.Context) error) error {
	inner, ok := s.inner.(store.Transactor)
	switch {
	case !ok:
		return errors.ErrUnsupported
	case ctx.Value(faultTx{s}) != nil:
		return inner.InTx(ctx, f)
	}
	if begin := s.next(); begin != nil {
		return begin.Err
	}
	s.mu.Lock()
	attempts := s.attempts
	s.mu.Unlock()
	ctx = context.WithValue(ctx, faultTx{s}, true)
	for range attempts - 1 {
		err := inner.InTx(ctx, func(ctx context.Context) error { return errors.Join(errRetry, f(ctx)) })
		if !errors.Is(err, errRetry) {
			return err
		}
	}
	return s.commit(ctx, inner, f)
}

// commit runs a transaction whose commit is a call that may fail.
func (s *FaultStore) commit(ctx context.Context, inner store.Transactor, f func(ctx context.Context) error) error {
	var commit *Fault
	err := inner.InTx(ctx, func(ctx context.Context) error {
		commit = nil
		if err := f(ctx); err != nil {
			return err
		}
		if commit = s.next(); commit != nil && !commit.After {
			return commit.Err
		}
		return nil
	})
	if err == nil && commit != nil {
		return commit.Err
	}
	return err
}
