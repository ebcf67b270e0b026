package memstore_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/patch"
	"github.com/scimkit/scim/store"
	"github.com/scimkit/scim/store/memstore"
	"github.com/scimkit/scim/store/storetest"
)

func TestContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, storetest.Harness{Open: func(*testing.T) store.Store { return memstore.New() }})
	covers(t, "T-09")
}

// An id that is taken, by whatever type, is refused; so are ids that are nobody's.
func TestTakenIDs(t *testing.T) {
	t.Parallel()
	s := memstore.New()
	createUser(t, s, "x")
	for _, d := range []store.Draft{
		draft(t, groupRef("x"), start, map[string]any{"displayName": "x"}), draft(t, userRef("x"), start, map[string]any{"userName": "y"}),
	} {
		_, err := s.Create(t.Context(), scopeA, d)
		var unique *store.UniquenessError
		require.ErrorAs(t, err, &unique)
		require.Equal(t, "id", unique.Path)
	}
	for _, other := range []store.Ref{{ID: "x"}, {Type: "user", ID: "x"}, {Type: "Device", ID: "x"}} {
		_, err := s.Get(t.Context(), scopeA, other)
		require.ErrorIs(t, err, store.ErrNotFound, other)
	}
	ids, total := list(t.Context(), t, s, scopeA, store.Query{Type: "Device", Start: 1, Count: 10})
	require.Empty(t, ids)
	require.Zero(t, total)
}

// A request that has ended reads and writes nothing.
func TestCanceledCalls(t *testing.T) {
	t.Parallel()
	s := memstore.New()
	createUser(t, s, "u")
	createGroup(t, s, "g", "u")
	before := snapshot(t, s, scopeA, []string{"u", "x"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, create := s.Create(ctx, scopeA, draft(t, userRef("x"), start, map[string]any{"userName": "x"}))
	_, get := s.Get(ctx, scopeA, userRef("u"))
	_, all := s.List(ctx, scopeA, store.Query{Type: "User", Start: 1, Count: 10})
	_, update := s.Update(ctx, scopeA, groupRef("g"), delta(patch.Delta{Clear: true}), store.Write{At: start})
	_, remove := s.Delete(ctx, scopeA, userRef("u"), store.Write{At: start})
	_, members := s.Members(ctx, scopeA, store.MemberQuery{Groups: []string{"g"}, Limit: 10})
	_, groups := s.Groups(ctx, scopeA, []string{"u"})
	for _, err := range []error{create, get, all, update, remove, members, groups} {
		require.ErrorIs(t, err, context.Canceled)
	}
	require.Equal(t, before, snapshot(t, s, scopeA, []string{"u", "x"}))
}
