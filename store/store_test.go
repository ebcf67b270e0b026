package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/internal/claim"
	"github.com/scimkit/scim/store"
)

func TestMain(m *testing.M) { claim.Main(m) }

// transactor runs a closure as a database does: it may run it several times, and commit or not.
type transactor struct {
	attempts int   // how often the closure runs
	commit   error // of the last attempt
	trace    []string
}

type txKey struct{}

func (d *transactor) InTx(ctx context.Context, f func(context.Context) error) error {
	if ctx.Value(txKey{}) != nil {
		d.trace = append(d.trace, "join")
		return f(ctx)
	}
	for n := range max(d.attempts, 1) {
		d.trace = append(d.trace, "begin")
		if err := f(context.WithValue(ctx, txKey{}, n)); err != nil {
			d.trace = append(d.trace, "rollback")
			return err
		}
		if n+1 < d.attempts {
			d.trace = append(d.trace, "rollback") // the database asks for another attempt
		}
	}
	if d.commit != nil {
		d.trace = append(d.trace, "rollback")
		return d.commit
	}
	d.trace = append(d.trace, "commit")
	return nil
}

func (d *transactor) say(word string) func() {
	return func() { d.trace = append(d.trace, word) }
}

func TestHooksRunAfterCommitInOrder(t *testing.T) {
	t.Parallel()
	d := &transactor{}
	err := store.InTx(t.Context(), d, func(ctx context.Context) error {
		store.AfterCommit(ctx, d.say("first"))
		d.trace = append(d.trace, "work")
		store.AfterCommit(ctx, d.say("second"))
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []string{"begin", "work", "commit", "first", "second"}, d.trace)
}

func TestHooksDoNotRunWithoutCommit(t *testing.T) {
	t.Parallel()
	failed := errors.New("failed")
	for name, d := range map[string]*transactor{"the closure fails": {}, "the commit fails": {commit: failed}} {
		err := store.InTx(t.Context(), d, func(ctx context.Context) error {
			store.AfterCommit(ctx, d.say("hook"))
			if d.commit == nil {
				return fmt.Errorf("wrapped: %w", failed)
			}
			return nil
		})
		require.ErrorIs(t, err, failed, name)
		require.Equal(t, []string{"begin", "rollback"}, d.trace, name)
	}
	d := &transactor{}
	require.PanicsWithValue(t, "half-way", func() {
		_ = store.InTx(t.Context(), d, func(ctx context.Context) error {
			store.AfterCommit(ctx, d.say("hook"))
			panic("half-way")
		})
	})
	require.Equal(t, []string{"begin"}, d.trace)
}

// What an attempt registered that was rolled back must not happen, let alone twice.
func TestRetriedAttemptsDropTheirHooks(t *testing.T) {
	t.Parallel()
	d := &transactor{attempts: 3}
	err := store.InTx(t.Context(), d, func(ctx context.Context) error {
		n := ctx.Value(txKey{}).(int)
		store.AfterCommit(ctx, d.say(fmt.Sprintf("hook of attempt %d", n)))
		if n < 2 {
			store.AfterCommit(ctx, d.say("hook of a lost attempt"))
		}
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []string{"begin", "rollback", "begin", "rollback", "begin", "commit", "hook of attempt 2"}, d.trace)
}

// A transaction inside another one is part of it: its hooks wait for the outer commit, and go with the outer rollback.
func TestNestedTransactions(t *testing.T) {
	t.Parallel()
	failed := errors.New("failed")
	nested := func(d *transactor, outer error) error {
		return store.InTx(t.Context(), d, func(ctx context.Context) error {
			store.AfterCommit(ctx, d.say("outer before"))
			err := store.InTx(ctx, d, func(ctx context.Context) error {
				store.AfterCommit(ctx, d.say("inner"))
				return store.InTx(ctx, d, func(ctx context.Context) error {
					store.AfterCommit(ctx, d.say("innermost"))
					return nil
				})
			})
			require.NoError(t, err)
			d.trace = append(d.trace, "still inside")
			store.AfterCommit(ctx, d.say("outer after"))
			return outer
		})
	}
	d := &transactor{}
	require.NoError(t, nested(d, nil))
	require.Equal(t, []string{"begin", "join", "join", "still inside", "commit", "outer before", "inner", "innermost", "outer after"}, d.trace)
	d = &transactor{}
	require.ErrorIs(t, nested(d, failed), failed)
	require.Equal(t, []string{"begin", "join", "join", "still inside", "rollback"}, d.trace)
	d = &transactor{attempts: 2}
	require.NoError(t, nested(d, nil))
	require.Equal(t, []string{
		"begin", "join", "join", "still inside", "rollback", "begin", "join", "join", "still inside", "commit",
		"outer before", "inner", "innermost", "outer after",
	}, d.trace)
}

// Without a transaction there is nothing to wait for, and none after it has ended either: what a hook registers happens too.
func TestHooksOutsideOfTransactions(t *testing.T) {
	t.Parallel()
	d := &transactor{}
	store.AfterCommit(t.Context(), d.say("at once"))
	require.Equal(t, []string{"at once"}, d.trace)

	d = &transactor{}
	var late func()
	err := store.InTx(t.Context(), d, func(ctx context.Context) error {
		late = func() { store.AfterCommit(ctx, d.say("late")) }
		store.AfterCommit(ctx, func() {
			d.say("hook")()
			store.AfterCommit(ctx, d.say("hook of a hook"))
		})
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []string{"begin", "commit", "hook", "hook of a hook"}, d.trace)
	late()
	require.Equal(t, "late", d.trace[len(d.trace)-1])
}

// Two transactions, one after the other, have nothing to do with each other.
func TestHooksBelongToTheirTransaction(t *testing.T) {
	t.Parallel()
	d := &transactor{}
	for range 2 {
		require.NoError(t, store.InTx(t.Context(), d, func(ctx context.Context) error {
			store.AfterCommit(ctx, d.say("hook"))
			return nil
		}))
	}
	require.Equal(t, []string{"begin", "commit", "hook", "begin", "commit", "hook"}, d.trace)
}

func TestScope(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		scope store.Scope
		valid bool
	}{
		{store.Scope{}, false},
		{store.Scope{Connection: "c"}, false},
		{store.Scope{Tenant: "t"}, false},
		{store.Scope{Connection: "c", Tenant: "t"}, true},
		{store.Scope{Connection: " ", Tenant: "*"}, true}, // opaque
	} {
		if err := c.scope.Check(); c.valid {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, store.ErrScope)
		}
	}
	require.Equal(t, store.Scope{Connection: "c", Tenant: "t"}, store.Connection{ID: "c", Tenant: "t", DisplayName: "d"}.Scope())
}

func TestErrors(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("insert: %w", &store.UniquenessError{Path: "userName"})
	require.ErrorIs(t, err, store.ErrUniqueness)
	require.NotErrorIs(t, err, store.ErrExists)
	require.ErrorContains(t, err, "userName")
	var unique *store.UniquenessError
	require.ErrorAs(t, err, &unique)
	require.Equal(t, "userName", unique.Path)

	require.EqualError(t, &store.UnknownMembersError{IDs: []string{"canary", "b"}}, "store: 2 members are no resources of the connection")
	for i, a := range []error{store.ErrNotFound, store.ErrUniqueness, store.ErrVersion, store.ErrScope, store.ErrExists} {
		for j, b := range []error{store.ErrNotFound, store.ErrUniqueness, store.ErrVersion, store.ErrScope, store.ErrExists} {
			require.Equal(t, i == j, errors.Is(a, b))
		}
	}
}

func TestNewDocument(t *testing.T) {
	t.Parallel()
	kept := []byte(`{"userName":"a"}`)
	require.Same(t, &kept[0], &store.NewDocument(kept).JSON()[0])
}
