package storetest

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/store"
	"github.com/scimkit/scim/store/memstore"
)

var somewhere = store.Scope{Connection: "connection", Tenant: "tenant"}

func draftOf(id string) store.Draft {
	return store.Draft{Ref: store.Ref{Type: "User", ID: id}, At: start, Document: store.NewDocument([]byte(`{"userName":"` + id + `"}`))}
}

func count(t *testing.T, s store.Store) int {
	t.Helper()
	page, err := s.List(t.Context(), somewhere, store.Query{Type: "User", Start: 1})
	require.NoError(t, err)
	return page.Total
}

// optional calls every optional method.
func optional(ctx context.Context, s interface {
	store.Transactor
	store.MemberLister
	store.GroupLister
	store.ConnectionStore
	store.Purger
	store.JournalStore
	store.MemberStore
}) (errs []error) {
	_, members := s.Members(ctx, somewhere, store.MemberQuery{Groups: []string{"g"}, Limit: 1})
	_, groups := s.Groups(ctx, somewhere, []string{"u"})
	_, link := s.Connection(ctx, somewhere)
	_, links := s.Connections(ctx, "t")
	_, tokens := s.Tokens(ctx, "c")
	_, _, find := s.FindToken(ctx, "", store.Digest{})
	_, deleted := s.Deleted(ctx, 1)
	_, purge := s.Purge(ctx, somewhere, 1)
	_, journal := s.Journal(ctx, "c", store.JournalQuery{Limit: 1})
	_, mapping := s.AttributeMapping(ctx, somewhere)
	_, assignments := s.RoleAssignments(ctx, somewhere)
	_, grants := s.Grants(ctx, somewhere, "u")
	_, granted := s.Granted(ctx, somewhere, store.GrantQuery{Source: store.SourceDirect, Limit: 1})
	_, tombstones := s.Tombstones(ctx, somewhere, "e", "u")
	known := []error{
		mapping, assignments, grants, granted, tombstones, s.PutAttributeMapping(ctx, somewhere, ""), s.PutRoleAssignments(ctx, somewhere, nil),
		s.PutGrants(ctx, somewhere, "u", nil), s.PutTombstone(ctx, somewhere, store.Tombstone{Member: "u"}), s.ForgetTombstones(ctx, start),
	}
	errs = append(errs, s.InTx(ctx, func(context.Context) error { return nil }), members, groups, link, links, tokens, find, deleted, purge, journal,
		s.CreateConnection(ctx, store.Connection{}, nil, 0), s.UpdateConnection(ctx, store.Connection{}, nil, 0), s.UseTokens(ctx, nil),
		s.Forget(ctx, somewhere), s.ForgetTokens(ctx, start), s.AppendJournal(ctx, nil), s.TrimJournal(ctx, "c", 1), s.ExpireJournal(ctx, start))
	return append(errs, known...)
}

// A wrapper has what the store in it has.
func TestWrappersDecline(t *testing.T) {
	t.Parallel()
	m := memstore.New()
	none := plain{m}
	for _, errs := range [][]error{
		optional(t.Context(), NewFaultStore(none)), optional(t.Context(), NewStaleStore(none, m)), optional(t.Context(), NewStaleStore(m, none))[1:],
	} {
		for _, err := range errs {
			require.ErrorIs(t, err, errors.ErrUnsupported)
		}
	}
	for _, errs := range [][]error{optional(t.Context(), NewFaultStore(m)), optional(t.Context(), NewStaleStore(memstore.New(), m))} {
		for _, err := range errs {
			require.NotErrorIs(t, err, errors.ErrUnsupported)
		}
	}
}

func TestFaultStore(t *testing.T) {
	t.Parallel()
	failed := errors.New("failed")
	s := NewFaultStore(memstore.New())
	create := func(id string) error {
		_, err := s.Create(t.Context(), somewhere, draftOf(id))
		return err
	}
	require.NoError(t, create("a"))
	s.Inject(Fault{Call: 2, Err: failed})
	require.NoError(t, create("b"))
	require.False(t, s.Fired())
	require.ErrorIs(t, create("c"), failed)
	require.True(t, s.Fired())
	require.NoError(t, create("c"), "one call fails")
	s.Inject(Fault{Call: 1, Err: failed, After: true})
	require.False(t, s.Fired())
	require.ErrorIs(t, create("d"), failed)
	require.Equal(t, 4, count(t, s), "it was carried out")
	s.Inject(Fault{Call: 1, Err: failed, After: true})
	require.ErrorIs(t, create("d"), store.ErrUniqueness, "a call that fails by itself says so")
	s.Inject(Fault{Call: 1, Err: failed})
	s.Inject(Fault{})
	require.Equal(t, 4, count(t, s), "nothing is left of what was injected before")
}

// Begin and commit are calls; a transaction inside another one has neither.
func TestFaultsOfTransactions(t *testing.T) {
	t.Parallel()
	failed := errors.New("failed")
	for _, c := range []struct {
		call    int
		after   bool
		ran     bool // the closure
		outcome error
		stored  int
	}{
		{1, false, false, failed, 0}, {1, true, false, failed, 0}, {2, false, true, failed, 0}, {3, true, true, failed, 0},
		{4, false, true, failed, 0}, {4, true, true, failed, 2}, {5, false, true, nil, 2},
	} {
		s := NewFaultStore(memstore.New())
		s.Inject(Fault{Call: c.call, Err: failed, After: c.after})
		ran := false
		err := s.InTx(t.Context(), func(ctx context.Context) error {
			ran = true
			_, first := s.Create(ctx, somewhere, draftOf("a"))
			second := s.InTx(ctx, func(ctx context.Context) error {
				_, err := s.Create(ctx, somewhere, draftOf("b"))
				return err
			})
			return errors.Join(first, second)
		})
		require.Equal(t, c.ran, ran, c)
		require.Equal(t, c.outcome != nil, s.Fired(), c)
		require.ErrorIs(t, err, c.outcome, c)
		s.Inject(Fault{})
		require.Equal(t, c.stored, count(t, s), c)
	}
}

func TestRetry(t *testing.T) {
	t.Parallel()
	s := NewFaultStore(memstore.New())
	attempts, failed := 0, errors.New("failed")
	run := func(outcome error) error {
		attempts = 0
		return s.InTx(t.Context(), func(ctx context.Context) error {
			attempts++
			if _, err := s.Create(ctx, somewhere, draftOf("a")); err != nil {
				return err
			}
			return outcome
		})
	}
	s.Retry(3)
	require.ErrorIs(t, run(failed), failed)
	require.Equal(t, 3, attempts)
	require.Zero(t, count(t, s))
	require.NoError(t, run(nil), "each attempt finds nothing of those before it")
	require.Equal(t, 3, attempts)
	require.Equal(t, 1, count(t, s))
	s.Retry(0)
	require.ErrorIs(t, run(nil), store.ErrUniqueness)
	require.Equal(t, 1, attempts)
}

func TestStaleStore(t *testing.T) {
	t.Parallel()
	primary, replica := NewFaultStore(memstore.New()), memstore.New()
	primary.Retry(2)
	s := NewStaleStore(primary, replica)
	_, err := s.Create(t.Context(), somewhere, draftOf("a"))
	require.NoError(t, err)
	failed := errors.New("failed")
	for _, outcome := range []error{failed, nil} {
		require.ErrorIs(t, s.InTx(t.Context(), func(ctx context.Context) error {
			_, err := s.Create(ctx, somewhere, draftOf("b"))
			require.NoError(t, err)
			_, err = s.Get(ctx, somewhere, draftOf("a").Ref)
			require.NoError(t, err, "a transaction reads from the primary")
			return outcome
		}), outcome)
	}
	require.Zero(t, count(t, s))
	require.Equal(t, 2, count(t, primary))
	require.NoError(t, s.CatchUp(t.Context()))
	require.Equal(t, 2, count(t, s))
	require.NoError(t, s.CatchUp(t.Context()), "nothing is repeated twice")

	// What the replica refuses is told, and stays to be done.
	_, err = replica.Create(t.Context(), somewhere, draftOf("c"))
	require.NoError(t, err)
	_, err = s.Create(t.Context(), somewhere, draftOf("c"))
	require.NoError(t, err)
	require.ErrorIs(t, s.CatchUp(t.Context()), store.ErrUniqueness)
	_, err = replica.Delete(t.Context(), somewhere, draftOf("c").Ref, store.Write{At: start})
	require.NoError(t, err)
	require.NoError(t, s.CatchUp(t.Context()))
	require.Equal(t, 3, count(t, s))
}

// What a StaleStore was given is the caller's again, also before the replica knows of it.
func TestStaleConnections(t *testing.T) {
	t.Parallel()
	primary, replica := memstore.New(), memstore.New()
	s := NewStaleStore(primary, replica)
	link := store.Connection{ID: somewhere.Connection, Tenant: somewhere.Tenant, Status: store.StatusActive, Revision: 1}
	gone := store.Connection{ID: "gone", Tenant: somewhere.Tenant, Status: store.StatusActive, Revision: 1}
	tokens := []store.Token{
		{ID: "1", Connection: link.ID, Digest: store.Digest{1}}, {ID: "2", Connection: link.ID, Digest: store.Digest{2}, RevokedAt: longAgo},
	}
	require.NoError(t, s.CreateConnection(t.Context(), link, tokens, 1))
	require.NoError(t, s.CreateConnection(t.Context(), gone, nil, 0))
	clear(tokens)
	tokens = []store.Token{{ID: "3", Connection: link.ID, Digest: store.Digest{3}}}
	require.NoError(t, s.UpdateConnection(t.Context(), link, tokens, 1))
	clear(tokens)
	gone.Status = store.StatusDeleted
	require.NoError(t, s.UpdateConnection(t.Context(), gone, nil, 0))
	used := map[string]time.Time{"1": start}
	require.NoError(t, s.UseTokens(t.Context(), used))
	used["1"] = start.Add(time.Hour)
	require.NoError(t, s.ForgetTokens(t.Context(), start))
	entries := []store.JournalEntry{
		{Connection: link.ID, Time: longAgo}, {Connection: link.ID, Time: start}, {Connection: link.ID, Time: start, Rules: []string{"rule"}},
	}
	require.NoError(t, s.AppendJournal(t.Context(), entries))
	clear(entries[2].Rules)
	clear(entries)
	require.NoError(t, s.ExpireJournal(t.Context(), start))
	require.NoError(t, s.TrimJournal(t.Context(), link.ID, 1))
	_, err := s.Create(t.Context(), somewhere, draftOf("a"))
	require.NoError(t, err)

	state := func(s store.ConnectionStore) []any {
		one, err := s.Connection(t.Context(), somewhere)
		require.NoError(t, err)
		all, err := s.Connections(t.Context(), somewhere.Tenant)
		require.NoError(t, err)
		tokens, err := s.Tokens(t.Context(), link.ID)
		require.NoError(t, err)
		token, _, err := s.FindToken(t.Context(), "1", store.Digest{})
		require.NoError(t, err)
		deleted, err := s.Deleted(t.Context(), 9)
		require.NoError(t, err)
		page, err := s.(store.JournalStore).Journal(t.Context(), link.ID, store.JournalQuery{Limit: 9})
		require.NoError(t, err)
		require.Len(t, page.Entries, 1)
		return []any{one, all, tokens, token, deleted, page}
	}
	_, err = s.Connection(t.Context(), somewhere)
	require.ErrorIs(t, err, store.ErrNotFound, "the replica lags behind")
	want := state(primary)
	require.NoError(t, s.CatchUp(t.Context()))
	require.Equal(t, want, state(s))
	require.Equal(t, want, state(replica))

	more, err := s.Purge(t.Context(), somewhere, 9)
	require.NoError(t, err)
	require.False(t, more)
	require.NoError(t, s.Forget(t.Context(), gone.Scope()))
	require.Equal(t, 1, count(t, s))
	require.Equal(t, want, state(s))
	require.NoError(t, s.CatchUp(t.Context()))
	require.Zero(t, count(t, s))
	require.Equal(t, state(primary), state(s))
}

// The same holds for what is known of members.
func TestStaleStandings(t *testing.T) {
	t.Parallel()
	primary, replica := memstore.New(), memstore.New()
	s := NewStaleStore(primary, replica)
	assignments := []store.RoleAssignment{{Group: "g", Role: "x"}, {Group: "h", Role: "y"}}
	grants := []store.Grant{direct("x"), byGroup("y", "g")}
	require.NoError(t, s.PutAttributeMapping(t.Context(), somewhere, "{}"))
	require.NoError(t, s.PutRoleAssignments(t.Context(), somewhere, assignments))
	require.NoError(t, s.PutGrants(t.Context(), somewhere, "ann", grants))
	clear(assignments)
	clear(grants)
	for i, at := range []time.Time{longAgo, start} {
		require.NoError(t, s.PutTombstone(t.Context(), somewhere, store.Tombstone{Member: strconv.Itoa(i), UserName: "ann", DeletedAt: at}))
	}
	require.NoError(t, s.ForgetTombstones(t.Context(), start))

	state := func(s store.MemberStore) []any {
		mapping, err := s.AttributeMapping(t.Context(), somewhere)
		require.NoError(t, err)
		assignments, err := s.RoleAssignments(t.Context(), somewhere)
		require.NoError(t, err)
		grants, err := s.Grants(t.Context(), somewhere, "ann")
		require.NoError(t, err)
		members, err := s.Granted(t.Context(), somewhere, store.GrantQuery{Source: store.SourceDirect, Limit: 9})
		require.NoError(t, err)
		stones, err := s.Tombstones(t.Context(), somewhere, "", "ann")
		require.NoError(t, err)
		return []any{mapping, assignments, grants, members, stones}
	}
	want := []any{
		"{}", []store.RoleAssignment{{Group: "g", Role: "x"}, {Group: "h", Role: "y"}},
		map[string][]store.Grant{"ann": {direct("x"), byGroup("y", "g")}}, []string{"ann"},
		[]store.Tombstone{{Member: "1", UserName: "ann", DeletedAt: start}},
	}
	none := state(memstore.New())
	require.Equal(t, want, state(primary))
	require.Equal(t, none, state(s), "the replica lags behind")
	require.NoError(t, s.InTx(t.Context(), func(ctx context.Context) error {
		mapping, err := s.AttributeMapping(ctx, somewhere)
		require.Equal(t, "{}", mapping, "a transaction reads from the primary")
		return err
	}))
	require.NoError(t, s.CatchUp(t.Context()))
	require.Equal(t, want, state(s))
	require.Equal(t, want, state(replica))
}
