package sqlstore_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/internal/dbtest"
	"github.com/scimkit/scim/store"
)

// link is an active connection of the tenant t.
func link(id string) store.Connection {
	return store.Connection{
		ID: id, Tenant: "t", DisplayName: id, IdentityProvider: dialect.Okta, Status: store.StatusActive,
		CreatedAt: time.UnixMicro(1).UTC(), UpdatedAt: time.UnixMicro(1).UTC(), Revision: 1,
	}
}

// tokensOf are tokens of a connection, the last of them revoked.
func tokensOf(id string, n int) (tokens []store.Token) {
	for i := range n {
		t := store.Token{ID: fmt.Sprint(id, " ", i+1), Connection: id, LastFour: "abcd", CreatedAt: time.UnixMicro(1).UTC()}
		copy(t.Digest[:], t.ID)
		tokens = append(tokens, t)
	}
	tokens[n-1].RevokedAt = time.UnixMicro(1).UTC()
	return tokens
}

// entriesOf are entries of a connection's journal; every second one is a failure.
func entriesOf(id string, n int) (entries []store.JournalEntry) {
	for i := range n {
		entries = append(entries, store.JournalEntry{
			Connection: id, Time: time.UnixMicro(1).UTC(), RequestID: fmt.Sprint(i), Method: "GET", Path: "-", Status: 200 + i%2*200,
		})
	}
	return entries
}

// connect stores the connection c, with two tokens and a journal, and gone, with one, which is deleted.
func (r rig) connect(t testing.TB) {
	t.Helper()
	require.NoError(t, r.CreateConnection(t.Context(), link("c"), tokensOf("c", 2), 1))
	require.NoError(t, r.CreateConnection(t.Context(), link("gone"), tokensOf("gone", 1), 0))
	gone := link("gone")
	gone.Status = store.StatusDeleted
	require.NoError(t, r.UpdateConnection(t.Context(), gone, nil, 0))
	require.NoError(t, r.AppendJournal(t.Context(), entriesOf("c", 4)))
}

// change is a call that changes something.
type change struct {
	name string
	do   func(ctx context.Context) error
}

// changesOfConnections are calls that change something of what populate and connect made, in this order.
func (r rig) changesOfConnections() []change {
	return []change{
		{"CreateConnection", func(ctx context.Context) error { return r.CreateConnection(ctx, link("new"), tokensOf("new", 2), 9) }},
		{"UpdateConnection", func(ctx context.Context) error {
			tokens := tokensOf("c", 3)
			tokens[0].Name, tokens[1].Name = "changed", "changed"
			return r.UpdateConnection(ctx, link("c"), tokens, 9)
		}},
		{"UseTokens", func(ctx context.Context) error {
			return r.UseTokens(ctx, map[string]time.Time{"c 1": time.UnixMicro(9), "c 2": time.UnixMicro(9)})
		}},
		{"Forget", func(ctx context.Context) error { return r.Forget(ctx, link("gone").Scope()) }},
		{"ForgetTokens", func(ctx context.Context) error { return r.ForgetTokens(ctx, time.UnixMicro(9)) }},
		{"Purge", func(ctx context.Context) error {
			return r.InTx(ctx, func(ctx context.Context) error { return r.purge(ctx, 3) })
		}},
		{"AppendJournal", func(ctx context.Context) error { return r.AppendJournal(ctx, entriesOf("c", 3)) }},
		{"TrimJournal", func(ctx context.Context) error { return r.TrimJournal(ctx, "c", 1) }},
		{"ExpireJournal", func(ctx context.Context) error { return r.ExpireJournal(ctx, time.UnixMicro(9)) }},
	}
}

// purge removes what populate made, in rounds.
func (r rig) purge(ctx context.Context, limit int) error {
	for {
		if more, err := r.Purge(ctx, link("gone").Scope(), limit); err != nil || !more {
			return err
		}
	}
}

// populate makes a directory for the connection gone.
func (r rig) populate(t testing.TB) {
	t.Helper()
	const emails = `,"emails":[{"value":"one@example.test"},{"value":"two@example.test"}]`
	for _, d := range []store.Draft{
		draft(t, "User", "a"), draftWith(t, emails, "User", "b"), draftWith(t, emails, "User", "c"), draft(t, "Group", "g", "a", "b", "c"),
		draft(t, "Group", "h", "g"),
	} {
		_, err := r.Create(t.Context(), link("gone").Scope(), d)
		require.NoError(t, err)
	}
}

// Every step of a change of connections fails: the change is not there at all, and gets through when it comes again.
func TestChangesOfConnectionsAreWhole(t *testing.T) {
	t.Parallel()
	onEachRig(t, func(t *testing.T, r rig) {
		r.populate(t)
		r.connect(t)
		for _, change := range r.changesOfConnections() {
			before := r.everything(t)
			for n, done := 1, false; !done; n++ {
				r.driver.Inject(dbtest.Fault{On: dbtest.Any, N: n, Err: dbtest.ErrIO})
				err := change.do(t.Context())
				done = r.driver.Fired() == 0
				r.driver.Heal()
				if done {
					require.NoError(t, err, change.name)
					require.Greater(t, n, 3, "%s: a begin, a statement and a commit can fail", change.name)
					require.NotEqual(t, before, r.everything(t), change.name)
					break
				}
				require.ErrorIs(t, err, dbtest.ErrIO, "%s, step %d", change.name, n)
				require.Equal(t, before, r.everything(t), "%s, step %d", change.name, n)
			}
			checkConsistency(t, r.d, r.db)
		}
		require.Equal(t, 0, r.db.Stats().InUse)
	})
}

// What the database undid is tried again.
func TestChangesOfConnectionsRunAgain(t *testing.T) {
	t.Parallel()
	onEachRig(t, func(t *testing.T, r rig) {
		r.populate(t)
		r.connect(t)
		for _, change := range r.changesOfConnections() {
			before := r.everything(t)
			r.driver.Inject(dbtest.Fault{On: dbtest.Statement, N: 1, Times: 2, Err: r.retried()[0]})
			require.NoError(t, change.do(t.Context()), change.name)
			require.Equal(t, 2, r.driver.Fired(), change.name)
			require.NotEqual(t, before, r.everything(t), change.name)
		}
		checkConsistency(t, r.d, r.db)
	})
}

// A token is of the connection that it came with, whatever it says itself.
func TestTokensAreOfTheirConnection(t *testing.T) {
	t.Parallel()
	onEachRig(t, func(t *testing.T, r rig) {
		r.connect(t)
		stray := tokensOf("d", 1)
		stray[0].Connection = "c"
		require.NoError(t, r.CreateConnection(t.Context(), link("d"), stray, 0))
		token, connection, err := r.FindToken(t.Context(), "d 1", store.Digest{})
		require.NoError(t, err)
		require.Equal(t, []string{"d", "d"}, []string{token.Connection, connection.ID})
		before := r.everything(t)
		require.ErrorIs(t, r.UpdateConnection(t.Context(), link("d"), tokensOf("c", 1), 0), store.ErrExists, "it is another connection's")
		require.Equal(t, before, r.everything(t))
	})
}

// A purge leaves no row of a directory, and none of another one is missing.
func TestPurgeLeavesNothing(t *testing.T) {
	t.Parallel()
	onEachRig(t, func(t *testing.T, r rig) {
		r.create(t.Context(), t, "User", "a")
		r.create(t.Context(), t, "Group", "g", "a")
		before := r.everything(t)
		count := func() (counts []int64) {
			for _, table := range []string{"scim_values", "scim_members", "scim_counts"} {
				counts = append(counts, column[int64](t, r.db, "SELECT count(*) FROM "+table)...)
			}
			return counts
		}
		rows := count()
		for _, limit := range []int{1, 2, 5, 100} {
			r.populate(t)
			require.NotEqual(t, rows, count())
			for more := true; more; {
				var err error
				more, err = r.Purge(t.Context(), link("gone").Scope(), limit)
				require.NoError(t, err)
				ghosts := `SELECT holder FROM scim_members
					WHERE holder NOT IN (SELECT number FROM scim_resources) OR member NOT IN (SELECT number FROM scim_resources)`
				require.Empty(t, column[int64](t, r.db, ghosts))
			}
			require.Equal(t, before, r.everything(t))
			require.Equal(t, rows, count(), "a purge of %d", limit)
		}
		checkConsistency(t, r.d, r.db)
	})
}

// Of two processes that purge a directory, none takes what the other one is about to remove for the last of it.
func TestPurgesTakeTurns(t *testing.T) {
	t.Parallel()
	const application = "scim-purge-that-waits"
	d := postgresTarget(t)
	first, second := newRig(t, d), newRig(t, d.named(application))
	addresses := `,"emails":[{"value":"1@x"},{"value":"2@x"},{"value":"3@x"},{"value":"4@x"}]`
	gone := link("gone").Scope()
	_, err := first.Create(t.Context(), gone, draftWith(t, addresses, "User", "a"))
	require.NoError(t, err)
	for range 2 { // the user, and two of the addresses
		more, err := first.Purge(t.Context(), gone, 1)
		require.NoError(t, err)
		require.True(t, more)
	}
	type answer struct {
		more bool
		err  error
	}
	done := make(chan answer, 1)
	require.NoError(t, first.InTx(t.Context(), func(ctx context.Context) error {
		_, err := first.Purge(ctx, gone, 1)
		go func() {
			more, err := second.Purge(t.Context(), gone, 1)
			done <- answer{more, err}
		}()
		waiting := fmt.Sprintf("SELECT count(*) FROM pg_stat_activity WHERE application_name = '%s' AND wait_event_type = 'Lock'", application)
		for len(done) == 0 && column[int64](t, first.db, waiting)[0] == 0 {
			runtime.Gosched()
		}
		return err
	}))
	require.Equal(t, answer{true, nil}, <-done, "an address is left")
}
