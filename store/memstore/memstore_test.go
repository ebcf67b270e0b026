package memstore_test

import (
	"context"
	"testing"
	"time"

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
	_, purge := s.Purge(ctx, scopeA, 10)
	for _, err := range []error{create, get, all, update, remove, members, groups, purge} {
		require.ErrorIs(t, err, context.Canceled)
	}
	require.Equal(t, before, snapshot(t, s, scopeA, []string{"u", "x"}))
}

// The same holds for connections and journals.
func TestCanceledCallsOfConnections(t *testing.T) {
	t.Parallel()
	s := memstore.New()
	c := store.Connection{ID: scopeA.Connection, Tenant: scopeA.Tenant, Status: store.StatusActive, Revision: 1}
	gone := store.Connection{ID: "gone", Tenant: scopeA.Tenant, Status: store.StatusActive, Revision: 1}
	tokens := []store.Token{{ID: "t", Connection: c.ID, Digest: store.Digest{1}, RevokedAt: start}}
	entry := store.JournalEntry{Connection: c.ID, Time: start}
	require.NoError(t, s.CreateConnection(t.Context(), c, tokens, 0))
	require.NoError(t, s.CreateConnection(t.Context(), gone, nil, 0))
	gone.Status = store.StatusDeleted
	require.NoError(t, s.UpdateConnection(t.Context(), gone, nil, 0))
	require.NoError(t, s.AppendJournal(t.Context(), []store.JournalEntry{entry}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	other := c
	other.ID = "other"
	_, one := s.Connection(ctx, scopeA)
	_, all := s.Connections(ctx, c.Tenant)
	_, list := s.Tokens(ctx, c.ID)
	_, _, find := s.FindToken(ctx, "t", store.Digest{})
	_, deleted := s.Deleted(ctx, 9)
	_, journal := s.Journal(ctx, c.ID, store.JournalQuery{Limit: 9})
	for _, err := range []error{
		one, all, list, find, deleted, journal, s.CreateConnection(ctx, other, nil, 0), s.UpdateConnection(ctx, c, nil, 0),
		s.UseTokens(ctx, map[string]time.Time{"t": start}), s.Forget(ctx, gone.Scope()), s.ForgetTokens(ctx, at(9)),
		s.AppendJournal(ctx, []store.JournalEntry{entry}), s.TrimJournal(ctx, c.ID, 0), s.ExpireJournal(ctx, at(9)),
	} {
		require.ErrorIs(t, err, context.Canceled)
	}
	connections, err := s.Connections(t.Context(), c.Tenant)
	require.NoError(t, err)
	require.Equal(t, []store.Connection{{
		ID: c.ID, Tenant: c.Tenant, Status: store.StatusActive, Revision: 1, CreatedAt: time.Time{}.UTC(), UpdatedAt: time.Time{}.UTC(),
	}}, connections)
	stored, err := s.Tokens(t.Context(), c.ID)
	require.NoError(t, err)
	require.Len(t, stored, 1)
	require.True(t, stored[0].LastUsedAt.IsZero())
	buried, err := s.Deleted(t.Context(), 9)
	require.NoError(t, err)
	require.Len(t, buried, 1)
	page, err := s.Journal(t.Context(), c.ID, store.JournalQuery{Limit: 9})
	require.NoError(t, err)
	require.Len(t, page.Entries, 1)
}

// A token is of the connection that it came with, whatever it says itself.
func TestTokensAreOfTheirConnection(t *testing.T) {
	t.Parallel()
	s := memstore.New()
	for i, id := range []string{"c", "d"} {
		stray := []store.Token{{ID: id, Connection: "c", Digest: store.Digest{byte(i)}}}
		require.NoError(t, s.CreateConnection(t.Context(), store.Connection{ID: id, Tenant: "t", Revision: 1}, stray, 0))
		token, connection, err := s.FindToken(t.Context(), id, store.Digest{})
		require.NoError(t, err)
		require.Equal(t, []string{id, id}, []string{token.Connection, connection.ID})
	}
	foreign := []store.Token{{ID: "c", Connection: "c", Name: "changed"}}
	err := s.UpdateConnection(t.Context(), store.Connection{ID: "d", Tenant: "t", Revision: 1}, foreign, 0)
	require.ErrorIs(t, err, store.ErrExists, "it is another connection's")
	tokens, err := s.Tokens(t.Context(), "c")
	require.NoError(t, err)
	require.Empty(t, tokens[0].Name)
}
