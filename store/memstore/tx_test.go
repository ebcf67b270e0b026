package memstore_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/patch"
	"github.com/scimkit/scim/store"
	"github.com/scimkit/scim/store/memstore"
)

// rich fills a store with resources that are connected in every way.
func rich(t *testing.T) *memstore.Store {
	t.Helper()
	s := memstore.New()
	for _, name := range []string{"ann", "bea", "cleo", "dora"} {
		_, err := s.Create(t.Context(), scopeA, draft(t, userRef(name), start, map[string]any{
			"userName": name, "displayName": "Same", "externalId": "e-" + name, "emails": []any{map[string]any{"value": name}, map[string]any{"value": "shared"}},
		}))
		require.NoError(t, err)
	}
	createGroup(t, s, "ops", "ann", "bea", "cleo")
	createGroup(t, s, "dev", "cleo", "ops")
	createGroup(t, s, "empty")
	_, err := s.Create(t.Context(), scopeB, draft(t, userRef("other"), start, map[string]any{"userName": "ann"}))
	require.NoError(t, err)
	return s
}

var probed = []string{"ann", "bea", "cleo", "dora", "new", "Same", "shared", "ops", "dev", "e-ann", "renamed"}

// everyChange does every kind of write, several of them to the same resources.
func everyChange(ctx context.Context, t *testing.T, s *memstore.Store, scope store.Scope) {
	t.Helper()
	update := func(ref store.Ref, set patch.ChangeSet) {
		t.Helper()
		_, err := s.Update(ctx, scope, ref, set, store.Write{At: at(50)})
		require.NoError(t, err)
	}
	_, err := s.Create(ctx, scope, draft(t, userRef("new"), at(40), map[string]any{"userName": "new", "displayName": "Same", "emails": []any{map[string]any{"value": "shared"}}}))
	require.NoError(t, err)
	update(userRef("ann"), change(t, userRef("ann"), map[string]any{"userName": "renamed"}))
	update(userRef("bea"), change(t, userRef("bea"), map[string]any{"userName": "ann", "displayName": "Other"}))
	update(groupRef("ops"), delta(patch.Delta{Remove: []string{"bea"}, Add: []string{"new", "dora"}}))
	both := change(t, groupRef("ops"), map[string]any{"displayName": "Ops"})
	both.Members = patch.Delta{Clear: true, Add: []string{"dora", "bea"}}
	update(groupRef("ops"), both)
	update(groupRef("empty"), delta(patch.Delta{Add: []string{"empty", "ann"}}))
	for _, ref := range []store.Ref{userRef("cleo"), groupRef("ops"), userRef("new")} {
		_, err = s.Delete(ctx, scope, ref, store.Write{At: at(60)})
		require.NoError(t, err)
	}
	_, err = s.Create(ctx, scope, draft(t, userRef("again"), at(70), map[string]any{"userName": "cleo"}))
	require.NoError(t, err)
	_, err = s.Create(ctx, scope, draft(t, groupRef("ops2"), at(70), map[string]any{"displayName": "ops"}, "again", "dev"))
	require.NoError(t, err)
}

func TestRollbackRestoresEverything(t *testing.T) {
	t.Parallel()
	failed := errors.New("failed")
	s := rich(t)
	before, other := snapshot(t, s, scopeA, probed), snapshot(t, s, scopeB, probed)
	for range 3 { // what is restored can be changed and restored again
		err := s.InTx(t.Context(), func(ctx context.Context) error {
			everyChange(ctx, t, s, scopeA)
			return fmt.Errorf("wrapped: %w", failed)
		})
		require.ErrorIs(t, err, failed)
		require.Equal(t, before, snapshot(t, s, scopeA, probed))
		require.Equal(t, other, snapshot(t, s, scopeB, probed))
	}
	// The same changes work afterwards, and last.
	require.NoError(t, s.InTx(t.Context(), func(ctx context.Context) error {
		everyChange(ctx, t, s, scopeA)
		return nil
	}))
	require.NotEqual(t, before, snapshot(t, s, scopeA, probed))
	require.Equal(t, []string{"renamed", "ann", "dora", "cleo"}, userNames(t, s))
	require.Equal(t, []string{"ann", "empty"}, members(t, s, "empty"))
	require.Equal(t, []string{"dev", "again"}, members(t, s, "ops2"))
	require.Empty(t, members(t, s, "dev"))
	require.Equal(t, other, snapshot(t, s, scopeB, probed))
}

func userNames(t *testing.T, s *memstore.Store) (list []string) {
	t.Helper()
	page, err := s.List(t.Context(), scopeA, store.Query{Type: "User", Start: 1, Count: everything})
	require.NoError(t, err)
	for _, r := range page.Resources {
		tree, err := r.Document.Tree(userType)
		require.NoError(t, err)
		list = append(list, tree.Get(userType.Unique[0]).Text())
	}
	return list
}

// The transaction of one store is none of another.
func TestTransactionsOfTwoStores(t *testing.T) {
	t.Parallel()
	s := rich(t)
	before := snapshot(t, s, scopeA, probed)
	other := memstore.New()
	require.NoError(t, s.InTx(t.Context(), func(ctx context.Context) error {
		_, err := other.Create(ctx, scopeA, draft(t, userRef("x"), at(1), map[string]any{"userName": "x"}))
		require.NoError(t, err)
		return other.InTx(ctx, func(ctx context.Context) error {
			_, err := other.Get(ctx, scopeA, userRef("x"))
			return err
		})
	}))
	require.Equal(t, before, snapshot(t, s, scopeA, probed))
}

// A rollback over several chunks of a list and of a roster, in the middle and at both ends.
func TestRollbackOfManyChanges(t *testing.T) {
	t.Parallel()
	s := memstore.New()
	var users []string
	for i := range 1300 {
		id := fmt.Sprintf("u%d", i)
		_, err := s.Create(t.Context(), scopeA, store.Draft{Ref: userRef(id), At: start, Document: store.NewDocument([]byte(`{}`))})
		require.NoError(t, err)
		users = append(users, id)
	}
	createGroup(t, s, "g", users...)
	before := snapshot(t, s, scopeA, nil)
	for _, stretch := range [][2]int{{0, 1300}, {0, 1}, {0, 512}, {511, 513}, {512, 1024}, {1299, 1300}, {1024, 1300}, {300, 1200}} {
		err := s.InTx(t.Context(), func(ctx context.Context) error {
			for _, id := range users[stretch[0]:stretch[1]] {
				_, err := s.Delete(ctx, scopeA, userRef(id), store.Write{At: at(1)})
				require.NoError(t, err)
			}
			return context.Canceled
		})
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, before, snapshot(t, s, scopeA, nil), stretch)
	}
}
