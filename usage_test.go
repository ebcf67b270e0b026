package scim_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/internal/token"
	"github.com/scimkit/scim/store"
	"github.com/scimkit/scim/store/memstore"
)

// When tokens were last used, and the cache of those that were found.

// uses is a ConnectionStore that counts what is asked of it for the sake of verification.
type uses struct {
	store.ConnectionStore
	fail   error
	stored []map[string]time.Time

	mu     sync.Mutex
	asked  int
	finds  func() // runs once a token was found, before it is returned
	anyone bool   // every digest is a token's
}

func (u *uses) UseTokens(ctx context.Context, used map[string]time.Time) error {
	if u.fail != nil {
		return u.fail
	}
	u.stored = append(u.stored, maps.Clone(used))
	return u.ConnectionStore.UseTokens(ctx, used)
}

func (u *uses) FindToken(ctx context.Context, id string, digest store.Digest) (store.Token, store.Connection, error) {
	u.mu.Lock()
	u.asked++
	finds := u.finds
	u.mu.Unlock()
	if u.fail != nil {
		return store.Token{}, store.Connection{}, u.fail
	}
	if u.anyone {
		return store.Token{ID: fmt.Sprintf("%x", digest), Connection: "c", Digest: digest}, store.Connection{ID: "c", Tenant: "t", Status: store.StatusActive}, nil
	}
	found, connection, err := u.ConnectionStore.FindToken(ctx, id, digest)
	if finds != nil {
		finds()
	}
	return found, connection, err
}

// takeAsked returns how often a token was looked up since the last call.
func (u *uses) takeAsked() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	n := u.asked
	u.asked = 0
	return n
}

// transactional is uses with the transactions of the store behind it.
type transactional struct {
	*uses
	store.Transactor
}

func counted(u *uses) func(*scim.ConnectionsConfig) {
	return func(c *scim.ConnectionsConfig) {
		u.ConnectionStore = c.Store
		c.Store = transactional{u, c.Store.(store.Transactor)}
	}
}

func TestLastUsed(t *testing.T) {
	t.Parallel()
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			kept := &uses{}
			d := newDesk(t, b.open(t), counted(kept))
			c, bearer := d.connect("t")
			named, other := d.issue(c, "n")
			_, unused := d.issue(c, "unused")
			revision := d.record(c).connection.Revision
			stored := func() map[string]time.Time {
				t.Helper()
				tokens, err := d.store.Tokens(t.Context(), c.ID)
				require.NoError(t, err)
				at := map[string]time.Time{}
				for _, token := range tokens {
					if !token.LastUsedAt.IsZero() {
						at[token.LastFour] = token.LastUsedAt
					}
				}
				return at
			}
			start := d.watch.now()
			d.works(c, bearer, other, bearer)
			require.Empty(t, stored(), "nobody waits for it")
			require.NoError(t, d.Flush(t.Context()))
			want := map[string]time.Time{lastFour(bearer): start, lastFour(other): start}
			require.Equal(t, want, stored())
			require.Len(t, kept.stored, 1)
			covers(t, "S-20")

			// At most once a minute.
			d.watch.advance(time.Minute - time.Microsecond)
			d.works(c, bearer, other)
			require.NoError(t, d.Flush(t.Context()))
			require.NoError(t, d.Flush(t.Context()))
			require.Len(t, kept.stored, 1)
			d.watch.advance(time.Microsecond)
			d.works(c, bearer)
			require.NoError(t, d.Flush(t.Context()))
			want[lastFour(bearer)] = d.watch.now()
			require.Equal(t, want, stored())
			require.Len(t, kept.stored, 2)
			require.Len(t, kept.stored[1], 1)

			// Who reads it sees it, however long nobody flushed.
			d.watch.advance(time.Hour)
			d.works(c, other)
			d.watch.advance(time.Hour)
			d.works(c, other)
			want[lastFour(other)] = d.watch.now()
			d.watch.advance(time.Second)
			tokens, err := d.Tokens(t.Context(), c.Scope())
			require.NoError(t, err)
			require.Equal(t, want[lastFour(other)], tokens[1].LastUsedAt)
			require.Equal(t, want, stored())

			// What is refused is not used.
			_, err = d.RevokeToken(t.Context(), c.Scope(), named.ID)
			require.NoError(t, err)
			d.watch.advance(time.Hour)
			d.refuses(other, "unknown", bearer+"x")
			require.NoError(t, d.Flush(t.Context()))
			require.Equal(t, want, stored())

			// What cannot be stored waits, and takes in what comes meanwhile.
			kept.stored, kept.fail = nil, nil
			d.works(c, bearer)
			before := d.watch.now()
			kept.fail = errors.New("the database is down")
			require.ErrorIs(t, d.Flush(t.Context()), kept.fail)
			_, err = d.Tokens(t.Context(), c.Scope())
			require.ErrorIs(t, err, kept.fail)
			kept.fail = nil
			d.watch.advance(time.Second)
			d.works(c, unused)
			require.NoError(t, d.Flush(t.Context()))
			want[lastFour(bearer)], want[lastFour(unused)] = before, d.watch.now()
			require.Equal(t, want, stored())
			require.Len(t, kept.stored, 1)

			// A clock that goes back moves nothing back.
			d.watch.advance(-3 * time.Hour)
			d.works(c, bearer, unused)
			require.NoError(t, d.Flush(t.Context()))
			require.Equal(t, want, stored())
			require.Equal(t, revision+1, d.record(c).connection.Revision, "being used is no change")
			d.watch.advance(24 * time.Hour)

			// Other processes see it, and are not set back by this one.
			second := newDesk(t, d.store, func(c *scim.ConnectionsConfig) { c.Now = d.watch.now })
			second.works(c, bearer)
			require.NoError(t, second.Flush(t.Context()))
			want[lastFour(bearer)] = d.watch.now()
			require.Equal(t, want, stored())
		})
	}
}

// The management API shows when a token was last used, wherever it does.
func TestLastUsedInTheManagementAPI(t *testing.T) {
	t.Parallel()
	d := newDesk(t, memstore.New())
	s := d.serve()
	admin, err := scim.NewAdmin(scim.AdminConfig{
		Handler: s.handler, Connections: d.Connections, Authorize: func(*http.Request, scim.Action, string) error { return nil },
	})
	require.NoError(t, err)
	c, bearer := d.connect("t")
	read := func(path string) (answer struct {
		Connection  map[string]any
		Connections []map[string]any
		Tokens      []map[string]any
	}) {
		t.Helper()
		w := httptest.NewRecorder()
		admin.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/tenants/t/connections"+path, http.NoBody))
		require.Equal(t, http.StatusOK, w.Code)
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
		return answer
	}
	for i, used := range []func() any{
		func() any { return read("").Connections[0]["last_used_at"] },
		func() any { return read("/" + c.ID).Connection["last_used_at"] },
		func() any { return read("/" + c.ID + "/tokens").Tokens[0]["last_used_at"] },
	} {
		if i == 0 {
			require.Nil(t, used())
		}
		d.watch.advance(time.Minute)
		d.works(c, bearer)
		require.Equal(t, d.watch.now().Format(time.RFC3339Nano), used())
	}
}

// However many tokens there are, a bounded number of uses is held.
func TestUsesThatAreHeldAreBounded(t *testing.T) {
	t.Parallel()
	kept := &uses{ConnectionStore: memstore.New(), anyone: true}
	d := newDesk(t, memstore.New(), func(c *scim.ConnectionsConfig) { c.Store = kept })
	const most = 10_000
	text := func(i int) string { return fmt.Sprintf("%s%08d", varied(32), i) }
	use := func(from, to int) {
		for i := from; i < to; i++ {
			_, err := d.VerifyToken(t.Context(), text(i))
			require.NoError(t, err)
		}
	}
	use(0, most+500)
	kept.fail = errors.New("the database is down")
	require.ErrorIs(t, d.Flush(t.Context()), kept.fail)
	kept.fail = nil
	use(most, most+500) // there is no room for others beside those that wait
	require.NoError(t, d.Flush(t.Context()))
	require.Len(t, kept.stored[0], most)
	require.NotContains(t, kept.stored[0], fmt.Sprintf("%x", token.Digest(text(most))))
	use(most, most+500)
	require.NoError(t, d.Flush(t.Context()))
	require.Len(t, kept.stored[1], 500, "the next use of the others is held")
}

func cached(lifetime time.Duration) func(*scim.ConnectionsConfig) {
	return func(c *scim.ConnectionsConfig) { c.CacheFor = lifetime }
}

// Without a cache, every verification is one look-up, and shows what any process did before.
func TestVerificationsAskTheStore(t *testing.T) {
	t.Parallel()
	kept := &uses{}
	d := newDesk(t, memstore.New(), counted(kept))
	c, bearer := d.connect("t")
	kept.takeAsked()
	for range 5 {
		d.works(c, bearer)
		require.Equal(t, 1, kept.takeAsked())
		d.refuses("unknown")
		require.Equal(t, 1, kept.takeAsked())
	}
	second := newDesk(t, d.store)
	for range 3 {
		_, err := second.set(c, store.StatusDisabled)
		require.NoError(t, err)
		d.refuses(bearer)
		_, err = second.set(c, store.StatusActive)
		require.NoError(t, err)
		d.works(c, bearer)
	}
}

func TestCachedTokens(t *testing.T) {
	t.Parallel()
	for _, lifetime := range []time.Duration{time.Microsecond, 200 * time.Millisecond, time.Second} {
		kept := &uses{}
		d := newDesk(t, memstore.New(), counted(kept), cached(lifetime))
		second := newDesk(t, d.store, func(c *scim.ConnectionsConfig) { c.Now = d.watch.now })
		c, bearer := d.connect("t")
		kept.takeAsked()
		for range 3 { // windows
			for range 4 {
				d.works(c, bearer)
			}
			d.watch.advance(lifetime - time.Microsecond)
			d.works(c, bearer)
			require.Equal(t, 1, kept.takeAsked())
			d.watch.advance(time.Microsecond)
		}
		// What another process changes shows when the window is over.
		d.works(c, bearer)
		_, err := second.set(c, store.StatusDisabled)
		require.NoError(t, err)
		d.watch.advance(lifetime - time.Microsecond)
		d.works(c, bearer)
		d.watch.advance(time.Microsecond)
		d.refuses(bearer)
		_, err = second.set(c, store.StatusActive)
		require.NoError(t, err)
		d.watch.advance(lifetime)
		d.works(c, bearer)
		covers(t, "A-09")

		// A clock that goes back does not keep it longer.
		kept.takeAsked()
		d.watch.advance(-time.Hour)
		d.works(c, bearer)
		require.Equal(t, 1, kept.takeAsked())
		d.works(c, bearer)
		require.Zero(t, kept.takeAsked())
		d.watch.advance(time.Hour)
		d.works(c, bearer)
		require.Equal(t, 1, kept.takeAsked())
	}
}

// What is not there is asked for each time, so that it is found from the moment on when it is there.
func TestMissesAreNotCached(t *testing.T) {
	t.Parallel()
	kept := &uses{}
	d := newDesk(t, memstore.New(), counted(kept), cached(time.Second))
	second := newDesk(t, d.store, func(c *scim.ConnectionsConfig) { c.Now = d.watch.now })
	c, bearer := d.connect("t")
	wrong := bearer[:len(bearer)-1] + "!" // with the id of a token
	kept.takeAsked()
	for i := range 3 {
		d.refuses("unknown", wrong, varied(40))
		require.Equal(t, 3, kept.takeAsked(), i)
	}
	_, _, err := second.IssueToken(t.Context(), c.Scope(), scim.TokenDraft{Name: "n", Text: scim.Secret(varied(40))})
	require.NoError(t, err)
	d.works(c, varied(40))

	kept.fail = errors.New("the database is down")
	_, err = d.VerifyToken(t.Context(), bearer)
	require.ErrorIs(t, err, kept.fail)
	kept.fail = nil
	d.works(c, bearer)

	// A token that ends while it is kept is refused from then on.
	_, brief, err := d.IssueToken(t.Context(), c.Scope(), scim.TokenDraft{Name: "brief", ExpiresAt: d.watch.now().Add(time.Millisecond)})
	require.NoError(t, err)
	d.works(c, string(brief))
	kept.takeAsked()
	d.watch.advance(time.Millisecond)
	d.refuses(string(brief))
	require.Zero(t, kept.takeAsked())
}

// invalidations are all steps that a verification must show at once, in the process that took them.
var invalidations = []struct {
	name string
	take func(*desk, scim.Connection, store.Token) error // the token is another one than those of the rotation
}{
	{"revoke", func(d *desk, c scim.Connection, named store.Token) error {
		_, err := d.RevokeToken(d.t.Context(), c.Scope(), named.ID)
		return err
	}},
	{"complete", func(d *desk, c scim.Connection, _ store.Token) error {
		_, err := d.CompleteRotation(d.t.Context(), c.Scope())
		return err
	}},
	{"cancel", func(d *desk, c scim.Connection, _ store.Token) error {
		_, err := d.CancelRotation(d.t.Context(), c.Scope())
		return err
	}},
	{"disable", func(d *desk, c scim.Connection, _ store.Token) error {
		_, err := d.set(c, store.StatusDisabled)
		return err
	}},
	{"delete", func(d *desk, c scim.Connection, _ store.Token) error { return d.Delete(d.t.Context(), c.Scope()) }},
	{"update", func(d *desk, c scim.Connection, _ store.Token) error {
		_, err := d.Update(d.t.Context(), c.Scope(), scim.ConnectionChange{Strict: new(true)})
		return err
	}},
}

// seen tells what verifications say of tokens: whether they are valid, and whether their connection is strict.
func (d *desk) seen(texts ...string) (list []string) {
	d.t.Helper()
	for _, text := range texts {
		credential, err := d.VerifyToken(d.t.Context(), text)
		list = append(list, fmt.Sprint(errors.Is(err, scim.ErrUnauthorized), credential.Connection.Strict))
	}
	return list
}

// ending is a desk with a cache, and a connection with three tokens.
func ending(t *testing.T, backend store.Store, kept *uses, more ...func(*scim.ConnectionsConfig)) (d, plain *desk, c scim.Connection, named store.Token, texts []string) {
	t.Helper()
	d = newDesk(t, backend, append([]func(*scim.ConnectionsConfig){perTenant(-1), counted(kept), cached(time.Second)}, more...)...)
	plain = newDesk(t, backend)
	c, bearer := d.connect("t")
	named, text := d.issue(c, "n")
	return d, plain, c, named, []string{bearer, d.next(c), text}
}

func TestCachesShowTheirOwnChangesAtOnce(t *testing.T) {
	t.Parallel()
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			backend := b.open(t)
			for _, step := range invalidations {
				d, plain, c, named, texts := ending(t, backend, &uses{})
				d.works(c, texts...)
				before := d.seen(texts...)
				require.NoError(t, step.take(d, c, named))
				after := d.seen(texts...)
				require.NotEqual(t, before, after, step.name)
				require.Equal(t, plain.seen(texts...), after, step.name)
			}
			covers(t, "A-09")
		})
	}
}

// A look-up that is under way while a token ends is answered, and not kept.
func TestLookUpsUnderWayAreNotKept(t *testing.T) {
	t.Parallel()
	for _, step := range invalidations {
		t.Run(step.name, func(t *testing.T) {
			t.Parallel()
			kept := &uses{}
			d, plain, c, named, texts := ending(t, memstore.New(), kept)
			found, over := make(chan struct{}), make(chan struct{})
			kept.finds = func() { found <- struct{}{}; <-over }
			var all sync.WaitGroup
			before := make([]error, len(texts))
			for i, text := range texts {
				all.Go(func() { _, before[i] = d.VerifyToken(t.Context(), text) })
			}
			for range texts {
				<-found
			}
			kept.mu.Lock()
			kept.finds = nil
			kept.mu.Unlock()
			require.NoError(t, step.take(d, c, named))
			close(over)
			all.Wait()
			for _, err := range before {
				require.NoError(t, err, "what began before is answered as it was then")
			}
			require.Equal(t, plain.seen(texts...), d.seen(texts...))
		})
	}
}

// uncertain is a store whose commits succeed and are reported as failures.
type uncertain struct {
	transactional
	fail error
}

func (u *uncertain) InTx(ctx context.Context, f func(context.Context) error) error {
	if err := u.transactional.InTx(ctx, f); err != nil {
		return err
	}
	return u.fail
}

// Nobody knows whether a step whose commit failed has happened: what was found before it is not believed any more.
func TestCachesAfterACommitThatFailed(t *testing.T) {
	t.Parallel()
	for _, step := range invalidations {
		var broken *uncertain
		d, plain, c, named, texts := ending(t, memstore.New(), &uses{}, func(c *scim.ConnectionsConfig) {
			broken = &uncertain{transactional: c.Store.(transactional)}
			c.Store = broken
		})
		d.works(c, texts...)
		broken.fail = errors.New("the connection was lost")
		require.ErrorIs(t, step.take(d, c, named), broken.fail)
		broken.fail = nil
		require.Equal(t, plain.seen(texts...), d.seen(texts...), step.name)
	}
}

func TestCachesAreBounded(t *testing.T) {
	t.Parallel()
	kept := &uses{ConnectionStore: memstore.New(), anyone: true}
	d := newDesk(t, memstore.New(), cached(time.Second), func(c *scim.ConnectionsConfig) { c.Store = kept })
	const most = 10_000
	use := func(i int) int {
		_, err := d.VerifyToken(t.Context(), fmt.Sprintf("%s%08d", varied(32), i))
		require.NoError(t, err)
		return kept.takeAsked()
	}
	for i := range most {
		require.Equal(t, 1, use(i))
	}
	require.Zero(t, use(0))
	require.Zero(t, use(most-1))
	require.Equal(t, 1, use(most))
	forgotten := 0
	for i := range 100 {
		forgotten += use(i)
	}
	require.Positive(t, forgotten, "something gives way to what is new")
	require.Zero(t, use(most))
}

// A verification costs one statement, whatever becomes of it, and nothing around it.
func TestVerificationsAreOneStatement(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, b *breakable) {
		d := newDesk(t, b.store)
		c, bearer := d.connect("t")
		_, _, err := d.IssueToken(t.Context(), c.Scope(), scim.TokenDraft{Name: "own", Text: scim.Secret(varied(40))})
		require.NoError(t, err)
		ended, revoked := d.issue(c, "revoked")
		_, err = d.RevokeToken(t.Context(), c.Scope(), ended.ID)
		require.NoError(t, err)
		for _, text := range []string{bearer, varied(40), revoked, "unknown", bearer[:len(bearer)-1] + "!"} {
			for range 3 {
				before := b.steps.Counts()
				_, err := d.VerifyToken(t.Context(), text)
				require.True(t, err == nil || errors.Is(err, scim.ErrUnauthorized))
				after := b.steps.Counts()
				before.Statements++
				require.Equal(t, before, after)
			}
		}
	})
}
