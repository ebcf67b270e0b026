package memstore_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/store"
	"github.com/scimkit/scim/store/memstore"
)

// A request that has ended reads and changes nothing of what is known of members.
func TestCanceledCallsOfStandings(t *testing.T) {
	t.Parallel()
	s := memstore.New()
	require.NoError(t, s.PutAttributeMapping(t.Context(), scopeA, "{}"))
	require.NoError(t, s.PutRoleAssignments(t.Context(), scopeA, []store.RoleAssignment{{Group: "g", Role: "x"}}))
	require.NoError(t, s.PutGrants(t.Context(), scopeA, "u", []store.Grant{{Role: "x", Source: store.SourceDirect}}))
	require.NoError(t, s.PutTombstone(t.Context(), scopeA, store.Tombstone{Member: "u", UserName: "u", DeletedAt: start}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, mapping := s.AttributeMapping(ctx, scopeA)
	_, assignments := s.RoleAssignments(ctx, scopeA)
	_, grants := s.Grants(ctx, scopeA, "u")
	_, granted := s.Granted(ctx, scopeA, store.GrantQuery{Source: store.SourceDirect, Limit: 9})
	_, tombstones := s.Tombstones(ctx, scopeA, "", "u")
	for _, err := range []error{
		mapping, assignments, grants, granted, tombstones, s.PutAttributeMapping(ctx, scopeA, ""), s.PutRoleAssignments(ctx, scopeA, nil),
		s.PutGrants(ctx, scopeA, "u", nil), s.PutTombstone(ctx, scopeA, store.Tombstone{Member: "v", UserName: "u"}), s.ForgetTombstones(ctx, at(9)),
	} {
		require.ErrorIs(t, err, context.Canceled)
	}
	kept, err := s.AttributeMapping(t.Context(), scopeA)
	require.NoError(t, err)
	require.Equal(t, "{}", kept)
	list, err := s.RoleAssignments(t.Context(), scopeA)
	require.NoError(t, err)
	require.Len(t, list, 1)
	members, err := s.Granted(t.Context(), scopeA, store.GrantQuery{Source: store.SourceDirect, Limit: 9})
	require.NoError(t, err)
	require.Equal(t, []string{"u"}, members)
	stones, err := s.Tombstones(t.Context(), scopeA, "", "u")
	require.NoError(t, err)
	require.Len(t, stones, 1)
}

// Times lose what is finer than a microsecond, as in other stores: a tombstone is not from before its own time.
func TestTimesOfTombstones(t *testing.T) {
	t.Parallel()
	s := memstore.New()
	fine := start.Truncate(time.Microsecond).Add(999 * time.Nanosecond)
	require.NoError(t, s.PutTombstone(t.Context(), scopeA, store.Tombstone{Member: "u", UserName: "u", DeletedAt: fine}))
	require.NoError(t, s.ForgetTombstones(t.Context(), fine))
	stones, err := s.Tombstones(t.Context(), scopeA, "", "u")
	require.NoError(t, err)
	require.Equal(t, []store.Tombstone{{Member: "u", UserName: "u", DeletedAt: start.Truncate(time.Microsecond).UTC()}}, stones)
	require.NoError(t, s.ForgetTombstones(t.Context(), fine.Add(time.Nanosecond)))
	stones, err = s.Tombstones(t.Context(), scopeA, "", "u")
	require.NoError(t, err)
	require.Empty(t, stones)
}
