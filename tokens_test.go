package scim_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/store"
	"github.com/scimkit/scim/store/memstore"
)

// Tokens: how they are issued, rotated, revoked and verified, and what is told about it.

// ledger is a ConnectionStore that a test can look into.
type ledger struct {
	store.ConnectionStore
	fail  error
	find  func(store.Token, store.Connection) (store.Token, store.Connection)
	asked []string
}

func (l *ledger) FindToken(ctx context.Context, id string, digest store.Digest) (store.Token, store.Connection, error) {
	l.asked = append(l.asked, id)
	if l.fail != nil {
		return store.Token{}, store.Connection{}, l.fail
	}
	token, connection, err := l.ConnectionStore.FindToken(ctx, id, digest)
	if l.find != nil {
		token, connection = l.find(token, connection)
	}
	return token, connection, err
}

func TestNamedTokens(t *testing.T) {
	t.Parallel()
	onEachDesk(t, func(t *testing.T, d *desk) {
		at := d.watch.now()
		c, bearer := d.connect("t")
		want := d.record(c).tokens
		texts := map[string]string{}
		for i := range 20 {
			d.watch.advance(time.Second)
			name := strings.Repeat("ö", i*5+1)[:min(2*(i*5+1), 200)] // one to a hundred characters
			token, text := d.issue(c, name)
			require.Regexp(t, `^scim_[a-z2-7]{16}_[A-Za-z0-9_-]{43}$`, text)
			require.Equal(t, store.Token{
				ID: token.ID, Connection: c.ID, Name: name, Digest: sha256.Sum256([]byte(text)), LastFour: lastFour(text),
				CreatedAt: d.watch.now(), ExpiresAt: d.watch.now().Add(5 * 365 * 24 * time.Hour),
			}, token)
			require.Empty(t, texts[token.ID])
			texts[token.ID] = text
			want = append(want, token)
			require.Equal(t, want, d.record(c).tokens, "the order of creation")
			credential, err := d.VerifyToken(t.Context(), text)
			require.NoError(t, err)
			require.Equal(t, scim.Credential{Connection: d.record(c).connection, TokenID: token.ID}, credential)
		}
		d.events.take()
		// Each is revoked for itself, once, and for good.
		for i := 1; i < len(want); i += 3 {
			d.watch.advance(time.Second)
			id := want[i].ID
			want[i].RevokedAt = d.watch.now()
			got, err := d.RevokeToken(t.Context(), c.Scope(), id)
			require.NoError(t, err)
			got.LastUsedAt = time.Time{}
			require.Equal(t, want[i], got)
			require.Equal(t, []scim.EventType{scim.TokenRevoked}, d.events.types())
			revision := d.record(c).connection.Revision
			d.watch.advance(time.Second)
			got, err = d.RevokeToken(t.Context(), c.Scope(), id)
			require.NoError(t, err)
			got.LastUsedAt = time.Time{}
			require.Equal(t, want[i], got)
			require.Empty(t, d.events.take())
			require.Equal(t, revision, d.record(c).connection.Revision)
			require.Equal(t, want, d.record(c).tokens)
		}
		for _, token := range want[1:] {
			if token.RevokedAt.IsZero() {
				d.works(c, texts[token.ID])
			} else {
				d.refuses(texts[token.ID])
			}
		}
		d.works(c, bearer)
		for _, id := range []string{"", "nope", strings.ToUpper(want[0].ID), c.ID} {
			_, err := d.RevokeToken(t.Context(), c.Scope(), id)
			require.ErrorIs(t, err, store.ErrNotFound)
		}
		covers(t, "S-19")
		exact, _, err := d.IssueToken(t.Context(), c.Scope(), scim.TokenDraft{
			Name: "n", ExpiresAt: d.watch.now().Add(time.Hour + time.Nanosecond).In(time.FixedZone("", 3600)),
		})
		require.NoError(t, err)
		require.Equal(t, d.watch.now().Add(time.Hour), exact.ExpiresAt, "as it is stored")
		require.Equal(t, at, d.record(c).connection.CreatedAt)
	})
}

func TestMaxTokens(t *testing.T) {
	t.Parallel()
	onEachDesk(t, func(t *testing.T, d *desk) {
		c, bearer := d.connect("t")
		var last store.Token
		var text string
		for i := 1; i < scim.MaxTokens; i++ {
			draft := scim.TokenDraft{Name: fmt.Sprint(i)}
			if i == 1 {
				draft.ExpiresAt = d.watch.now().Add(time.Hour)
			}
			var secret scim.Secret
			var err error
			last, secret, err = d.IssueToken(t.Context(), c.Scope(), draft)
			require.NoError(t, err)
			text = string(secret)
		}
		full := func(starting error) {
			t.Helper()
			before := d.record(c)
			d.events.take()
			_, secret, err := d.IssueToken(t.Context(), c.Scope(), scim.TokenDraft{Name: "one more"})
			require.Equal(t, scim.ErrTooManyTokens, err)
			require.Empty(t, string(secret))
			_, secret, err = d.StartRotation(t.Context(), c.Scope(), scim.TokenDraft{})
			require.Equal(t, starting, err)
			require.Empty(t, string(secret))
			require.Equal(t, before, d.record(c))
			require.Empty(t, d.events.take())
		}
		full(scim.ErrTooManyTokens)
		d.works(c, bearer, text)
		// What has ended does not count: revoked, expired, or replaced.
		_, err := d.RevokeToken(t.Context(), c.Scope(), last.ID)
		require.NoError(t, err)
		d.next(c)
		_, err = d.CancelRotation(t.Context(), c.Scope())
		require.NoError(t, err)
		next := d.next(c)
		full(scim.ErrAlreadyRotating)
		_, err = d.CompleteRotation(t.Context(), c.Scope())
		require.NoError(t, err)
		d.issue(c, "after the rotation")
		full(scim.ErrTooManyTokens)
		d.watch.advance(time.Hour)
		d.issue(c, "after an expiry")
		full(scim.ErrTooManyTokens)
		d.works(c, next)
	})
}

func TestRotation(t *testing.T) {
	t.Parallel()
	onEachDesk(t, func(t *testing.T, d *desk) {
		c, first := d.connect("t")
		_, named := d.issue(c, "n")
		d.events.take()
		none := func() {
			t.Helper()
			before := d.record(c)
			_, err := d.CompleteRotation(t.Context(), c.Scope())
			require.Equal(t, scim.ErrNotRotating, err)
			_, err = d.CancelRotation(t.Context(), c.Scope())
			require.Equal(t, scim.ErrNotRotating, err)
			require.Equal(t, before, d.record(c))
			require.Empty(t, d.events.take())
		}
		start := func(current string) string {
			t.Helper()
			d.watch.advance(time.Second)
			before := d.record(c)
			got, secret, err := d.StartRotation(t.Context(), c.Scope(), scim.TokenDraft{Name: "not used", ExpiresAt: d.watch.now().Add(time.Hour)})
			require.NoError(t, err)
			text := string(secret)
			require.Regexp(t, `^scim_[a-z2-7]{16}_[A-Za-z0-9_-]{43}$`, text)
			r := d.record(c)
			require.Equal(t, r.connection, got)
			require.Equal(t, before.connection.Revision+1, got.Revision)
			require.Equal(t, d.watch.now(), got.UpdatedAt)
			require.Equal(t, append(before.tokens, store.Token{
				ID: r.tokens[len(r.tokens)-1].ID, Connection: c.ID, Slot: store.SlotNext, Digest: sha256.Sum256(secretBytes(secret)), LastFour: lastFour(text),
				CreatedAt: d.watch.now(), ExpiresAt: d.watch.now().Add(time.Hour),
			}), r.tokens)
			require.Equal(t, lastFour(current), r.in(store.SlotCurrent))
			require.Equal(t, []scim.EventType{scim.TokenIssued}, d.events.types())
			d.works(c, current, text, named)
			// A token that somebody may have pasted already is not replaced.
			for range 2 {
				_, secret, err = d.StartRotation(t.Context(), c.Scope(), scim.TokenDraft{})
				require.Equal(t, scim.ErrAlreadyRotating, err)
				require.Empty(t, string(secret))
			}
			require.Equal(t, r, d.record(c))
			require.Empty(t, d.events.take())
			d.works(c, current, text, named)
			return text
		}
		step := func(call func(context.Context, store.Scope) (scim.Connection, error), current, ended string) {
			t.Helper()
			d.watch.advance(time.Second)
			before := d.record(c)
			got, err := call(t.Context(), c.Scope())
			require.NoError(t, err)
			r := d.record(c)
			require.Equal(t, r.connection, got)
			require.Equal(t, before.connection.Revision+1, got.Revision)
			require.Equal(t, []scim.EventType{scim.TokenRevoked}, d.events.types())
			require.Equal(t, lastFour(current), r.in(store.SlotCurrent))
			require.Empty(t, r.in(store.SlotNext))
			for i, token := range r.tokens {
				switch token.LastFour {
				case lastFour(ended):
					require.Equal(t, d.watch.now(), token.RevokedAt)
					require.Equal(t, store.SlotNone, token.Slot)
				case lastFour(current):
					require.Zero(t, token.RevokedAt)
				default:
					require.Equal(t, before.tokens[i], token)
				}
			}
			d.works(c, current, named)
			d.refuses(ended)
			none()
		}
		none()
		second := start(first)
		covers(t, "S-15", "S-17")
		step(d.CompleteRotation, second, first)
		third := start(second)
		step(d.CancelRotation, second, third)
		covers(t, "S-16")
		fourth := start(second)
		step(d.CompleteRotation, fourth, second)
		d.refuses(first, second, third)
		covers(t, "S-14")

		// Revoking by hand takes a token out of its slot as well.
		id := func(text string) string {
			for _, token := range d.record(c).tokens {
				if token.LastFour == lastFour(text) {
					return token.ID
				}
			}
			return ""
		}
		fifth := start(fourth)
		_, err := d.RevokeToken(t.Context(), c.Scope(), id(fifth))
		require.NoError(t, err)
		require.Equal(t, []scim.EventType{scim.TokenRevoked}, d.events.types())
		none()
		d.refuses(fifth)
		sixth := start(fourth)
		_, err = d.RevokeToken(t.Context(), c.Scope(), id(fourth))
		require.NoError(t, err)
		d.refuses(fourth)
		d.works(c, sixth, named)
		require.Empty(t, d.record(c).in(store.SlotCurrent))
		_, err = d.CompleteRotation(t.Context(), c.Scope())
		require.NoError(t, err)
		require.Equal(t, []scim.EventType{scim.TokenRevoked, scim.ConnectionUpdated}, d.events.types())
		require.Equal(t, lastFour(sixth), d.record(c).in(store.SlotCurrent))
		d.works(c, sixth, named)

		// Without a current token, a rotation brings one back.
		_, err = d.RevokeToken(t.Context(), c.Scope(), id(sixth))
		require.NoError(t, err)
		d.refuses(sixth)
		seventh := d.next(c)
		_, err = d.CompleteRotation(t.Context(), c.Scope())
		require.NoError(t, err)
		require.Equal(t, lastFour(seventh), d.record(c).in(store.SlotCurrent))
		d.works(c, seventh, named)
	})
}

func secretBytes(s scim.Secret) []byte { return []byte(string(s)) }

// However many rotations are started at the same time, there is one next token, and only its text works.
func TestStepsAtTheSameTime(t *testing.T) {
	t.Parallel()
	onEachDesk(t, func(t *testing.T, d *desk) { manyAtOnce(t, d, 12) })
	t.Run("a store without transactions", func(t *testing.T) {
		t.Parallel()
		manyAtOnce(t, newDesk(t, memstore.New(), func(c *scim.ConnectionsConfig) { c.Store = struct{ store.ConnectionStore }{c.Store} }), 12)
	})
}

func manyAtOnce(t *testing.T, d *desk, callers int) {
	t.Helper()
	const starts = 200
	c, bearer := d.connect("t")
	d.events.take()
	var left, already atomic.Int32
	left.Store(starts)
	var mu sync.Mutex
	var texts []string
	var others []error
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				_, text, err := d.StartRotation(t.Context(), c.Scope(), scim.TokenDraft{})
				switch mu.Lock(); {
				case err == nil:
					texts = append(texts, string(text))
				case errors.Is(err, scim.ErrAlreadyRotating):
					already.Add(1)
				default:
					others = append(others, err)
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	require.Empty(t, others)
	require.Len(t, texts, 1)
	require.EqualValues(t, starts-1, already.Load())
	require.Equal(t, lastFour(texts[0]), d.record(c).in(store.SlotNext))
	require.Len(t, d.record(c).tokens, 2)
	require.Equal(t, []scim.EventType{scim.TokenIssued}, d.events.types())
	d.works(c, bearer, texts[0])

	// Of ends, one wins as well: complete or cancel, and never both.
	var completed, cancelled, not atomic.Int32
	for i := range callers {
		all.Go(func() {
			call, won := d.CompleteRotation, &completed
			if i%2 > 0 {
				call, won = d.CancelRotation, &cancelled
			}
			switch _, err := call(t.Context(), c.Scope()); {
			case err == nil:
				won.Add(1)
			case errors.Is(err, scim.ErrNotRotating):
				not.Add(1)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 1, completed.Load()+cancelled.Load())
	require.EqualValues(t, callers-1, not.Load())
	require.Equal(t, []scim.EventType{scim.TokenRevoked}, d.events.types())
	current, ended := bearer, texts[0]
	if completed.Load() > 0 {
		current, ended = ended, current
	}
	require.Equal(t, lastFour(current), d.record(c).in(store.SlotCurrent))
	d.works(c, current)
	d.refuses(ended)

	// Steps that do not exclude each other all happen.
	const each = 5
	for i := range each {
		all.Go(func() { d.issue(c, fmt.Sprint("token ", i)) })
		all.Go(func() {
			_, err := d.Update(t.Context(), c.Scope(), scim.ConnectionChange{DisplayName: new(fmt.Sprint("name ", i))})
			require.NoError(t, err)
		})
	}
	all.Wait()
	r := d.record(c)
	require.Len(t, r.tokens, 2+each)
	require.EqualValues(t, 1+2+2*each, r.connection.Revision)
	require.Len(t, d.events.take(), 2*each)
}

// crowded is a ConnectionStore on which somebody else is always faster.
type crowded struct {
	store.ConnectionStore
	others int // how many times
	tried  int
}

func (c *crowded) UpdateConnection(ctx context.Context, connection store.Connection, tokens []store.Token, limit int) error {
	c.tried++
	if c.others--; c.others >= 0 {
		current, err := c.Connection(ctx, connection.Scope())
		if err != nil {
			return err
		}
		current.DisplayName += "!"
		if err := c.ConnectionStore.UpdateConnection(ctx, current, nil, limit); err != nil {
			return err
		}
	}
	return c.ConnectionStore.UpdateConnection(ctx, connection, tokens, limit)
}

func TestStepsAreDecidedAnew(t *testing.T) {
	t.Parallel()
	for others, tries := range map[int]int{0: 1, 1: 2, 9: 10, 10: 10} {
		faster := &crowded{ConnectionStore: memstore.New()}
		d := newDesk(t, memstore.New(), func(c *scim.ConnectionsConfig) { c.Store = faster })
		c, _ := d.connect("t")
		d.events.take()
		faster.others, faster.tried = others, 0
		got, err := d.Update(t.Context(), c.Scope(), scim.ConnectionChange{Strict: new(true)})
		require.Equal(t, tries, faster.tried)
		if others >= 10 {
			require.ErrorIs(t, err, store.ErrVersion)
			require.Empty(t, d.events.take())
			continue
		}
		require.NoError(t, err)
		require.Equal(t, c.DisplayName+strings.Repeat("!", others), got.DisplayName, "the others' changes stay")
		require.True(t, got.Strict)
		require.EqualValues(t, 2+others, got.Revision)
		require.Equal(t, []scim.EventType{scim.ConnectionUpdated}, d.events.types())
	}
}

func TestTokensAreVerified(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	kept := &ledger{ConnectionStore: memstore.New()}
	d := newDesk(t, memstore.New(), perTenant(2), func(c *scim.ConnectionsConfig) { c.Store, c.TokenLifetime = kept, time.Hour })
	a, bearer := d.connect("t")
	b, other := d.connect("t")
	issued, first := d.issue(a, "n")
	_, second := d.issue(a, "n")
	d.works(a, bearer, first, second)
	d.works(b, other)
	kept.asked = nil
	d.works(a, first)
	require.Equal(t, []string{issued.ID}, kept.asked, "a token is looked up once, by the id inside it")
	for i := range first {
		changed := []byte(first)
		changed[i] ^= 1
		d.refuses(string(changed))
	}
	d.refuses(
		first[:len(first)-1], first+"a", first[1:], strings.ToUpper(first), first[:22]+second[22:], second[:22]+first[22:], first[:21], first[22:], "scim_"+issued.ID,
		string(issued.Digest[:]), fmt.Sprintf("%x", issued.Digest), "", "x", " "+first, a.ID, b.ID,
	)
	// Whatever the store finds, the digest decides, and a stranger learns nothing of whom it found.
	forged, _, err := kept.ConnectionStore.FindToken(ctx, issued.ID, issued.Digest)
	require.NoError(t, err)
	kept.find = func(store.Token, store.Connection) (store.Token, store.Connection) { return forged, a }
	credential, err := d.VerifyToken(ctx, other)
	require.Equal(t, scim.ErrUnauthorized, err)
	require.Zero(t, credential)
	kept.find = nil

	// Who holds a token that has ended is known, for log and journal.
	ended := func(text, reason string) {
		t.Helper()
		credential, err := d.VerifyToken(ctx, text)
		require.ErrorIs(t, err, scim.ErrUnauthorized)
		require.ErrorContains(t, err, reason)
		require.Equal(t, a.ID, credential.Connection.ID)
		require.NotEmpty(t, credential.TokenID)
	}
	_, err = d.set(a, store.StatusDisabled)
	require.NoError(t, err)
	ended(first, "disabled")
	_, err = d.set(a, store.StatusActive)
	require.NoError(t, err)
	d.watch.advance(time.Hour - time.Microsecond)
	d.works(a, first)
	d.watch.advance(time.Microsecond)
	ended(first, "expired")
	_, err = d.RevokeToken(ctx, a.Scope(), issued.ID)
	require.NoError(t, err)
	ended(first, "revoked")

	kept.fail = errors.New("the database is down")
	_, err = d.VerifyToken(ctx, first)
	require.ErrorIs(t, err, kept.fail)
	require.NotErrorIs(t, err, scim.ErrUnauthorized)
}

func TestTokensOfTheHostsOwn(t *testing.T) {
	t.Parallel()
	onEachDesk(t, func(t *testing.T, d *desk) {
		a, _ := d.connect("t")
		b, bearer := d.connect("t")
		jwt := "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
		// A token of the library's own shape, of another installation perhaps, is found by the id inside it.
		elsewhere := newDesk(t, memstore.New())
		c, _ := elsewhere.connect("t")
		foreign, moved := elsewhere.issue(c, "n")
		for i, text := range []string{varied(32), strings.Repeat("c3_xFG9~", 4), strings.Repeat("~!#$%&/(", 128), jwt, moved} {
			token := scim.TokenDraft{Name: "own", Text: scim.Secret(text)}
			added, secret, err := d.IssueToken(t.Context(), a.Scope(), token)
			require.NoError(t, err)
			require.Equal(t, text, string(secret))
			require.Equal(t, store.Digest(sha256.Sum256([]byte(text))), added.Digest)
			require.Equal(t, text == moved, added.ID == foreign.ID)
			require.Equal(t, text == moved, strings.Contains(text, added.ID))
			credential, err := d.VerifyToken(t.Context(), text)
			require.NoError(t, err)
			require.Equal(t, a.ID, credential.Connection.ID)
			require.Equal(t, added.ID, credential.TokenID)
			if i == 1 {
				_, err = d.RevokeToken(t.Context(), a.Scope(), added.ID) // which frees no text
				require.NoError(t, err)
			}
			before := d.record(b)
			d.events.take()
			for _, connection := range []scim.Connection{a, b} {
				_, secret, err = d.IssueToken(t.Context(), connection.Scope(), token)
				require.ErrorIs(t, err, store.ErrExists)
				require.Empty(t, string(secret))
				_, secret, err = d.StartRotation(t.Context(), connection.Scope(), token)
				require.ErrorIs(t, err, store.ErrExists)
				require.Empty(t, string(secret))
			}
			_, secret, err = d.Create(t.Context(), scim.ConnectionDraft{Tenant: "new", Token: token})
			require.ErrorIs(t, err, store.ErrExists)
			require.Empty(t, string(secret))
			require.Empty(t, d.events.take())
			require.Equal(t, before, d.record(b))
		}
		_, secret, err := d.StartRotation(t.Context(), b.Scope(), scim.TokenDraft{Text: scim.Secret(varied(40))})
		require.NoError(t, err)
		require.Equal(t, varied(40), string(secret))
		d.works(b, bearer, varied(40))
		d.works(a, varied(32), moved)
	}, perTenant(2))
}

// Events.

// told is what a test compares of an event.
type told struct {
	typ      scim.EventType
	resource store.Ref
	version  store.Version
}

func tell(events []scim.Event) (list []told) {
	for _, e := range events {
		list = append(list, told{e.Type, e.Resource, e.Version})
	}
	return list
}

func TestEventsOfConnections(t *testing.T) {
	t.Parallel()
	onEachDesk(t, func(t *testing.T, d *desk) {
		ctx := scim.WithActor(t.Context(), scim.Actor{Subject: "an admin", RequestID: "r-1"})
		c, _, err := d.Create(ctx, scim.ConnectionDraft{Tenant: "t"})
		require.NoError(t, err)
		self, revision := store.Ref{Type: "Connection", ID: c.ID}, store.Version(1)
		token := func(i int) store.Ref { return store.Ref{Type: "Token", ID: d.record(c).tokens[i].ID} }
		first := token(0)
		seen := map[string]bool{}
		happened := func(want ...told) {
			t.Helper()
			events := d.events.take()
			require.Equal(t, want, tell(events))
			for _, e := range events {
				require.Regexp(t, uuid7, e.ID)
				require.False(t, seen[e.ID])
				seen[e.ID] = true
				require.Equal(t, scim.Event{
					ID: e.ID, Type: e.Type, Time: d.watch.now(), Connection: c.ID, Tenant: "t", Resource: e.Resource, Version: e.Version,
					Actor: scim.Actor{Subject: "an admin", RequestID: "r-1"},
				}, e, "of a token and a connection there is nothing else in it")
			}
			d.watch.advance(time.Second)
			revision++
		}
		happened(told{scim.ConnectionCreated, self, 1}, told{scim.TokenIssued, first, 1})
		_, err = d.Update(ctx, c.Scope(), scim.ConnectionChange{DisplayName: new("x"), Strict: new(true)})
		require.NoError(t, err)
		happened(told{scim.ConnectionUpdated, self, revision})
		_, _, err = d.IssueToken(ctx, c.Scope(), scim.TokenDraft{Name: "n"})
		require.NoError(t, err)
		named := token(1)
		happened(told{scim.TokenIssued, named, revision})
		_, _, err = d.StartRotation(ctx, c.Scope(), scim.TokenDraft{})
		require.NoError(t, err)
		next := token(2)
		happened(told{scim.TokenIssued, next, revision})
		_, err = d.CancelRotation(ctx, c.Scope())
		require.NoError(t, err)
		happened(told{scim.TokenRevoked, next, revision})
		_, _, err = d.StartRotation(ctx, c.Scope(), scim.TokenDraft{})
		require.NoError(t, err)
		next = token(3)
		happened(told{scim.TokenIssued, next, revision})
		_, err = d.CompleteRotation(ctx, c.Scope())
		require.NoError(t, err)
		happened(told{scim.TokenRevoked, first, revision})
		_, err = d.RevokeToken(ctx, c.Scope(), named.ID)
		require.NoError(t, err)
		happened(told{scim.TokenRevoked, named, revision})
		_, err = d.Update(ctx, c.Scope(), scim.ConnectionChange{Status: new(store.StatusDisabled), DisplayName: new("y")})
		require.NoError(t, err)
		happened(told{scim.ConnectionDisabled, self, revision})
		_, err = d.Update(ctx, c.Scope(), scim.ConnectionChange{Status: new(store.StatusActive), Policy: &dialect.Policy{UniqueGroupNames: true}})
		require.NoError(t, err)
		happened(told{scim.ConnectionEnabled, self, revision})
		require.NoError(t, d.Delete(ctx, c.Scope()))
		happened(told{scim.TokenRevoked, next, revision}, told{scim.ConnectionDeleted, self, revision})
		require.NoError(t, d.Sweep(ctx))
		require.Empty(t, d.events.take())
		covers(t, "S-21")

		// Nobody needs to be named.
		d.connect("t")
		for _, e := range d.events.take() {
			require.Zero(t, e.Actor)
		}
	})
}

// steps are the calls that change something, in an order in which each can.
var steps = []struct {
	name string
	take func(*desk, scim.Connection) error
}{
	{"update", func(d *desk, c scim.Connection) error {
		_, err := d.Update(d.t.Context(), c.Scope(), scim.ConnectionChange{DisplayName: new("x")})
		return err
	}},
	{"disable", func(d *desk, c scim.Connection) error { _, err := d.set(c, store.StatusDisabled); return err }},
	{"enable", func(d *desk, c scim.Connection) error { _, err := d.set(c, store.StatusActive); return err }},
	{"start", func(d *desk, c scim.Connection) error {
		_, _, err := d.StartRotation(d.t.Context(), c.Scope(), scim.TokenDraft{})
		return err
	}},
	{"cancel", func(d *desk, c scim.Connection) error {
		_, err := d.CancelRotation(d.t.Context(), c.Scope())
		return err
	}},
	{"start again", func(d *desk, c scim.Connection) error {
		_, _, err := d.StartRotation(d.t.Context(), c.Scope(), scim.TokenDraft{})
		return err
	}},
	{"complete", func(d *desk, c scim.Connection) error {
		_, err := d.CompleteRotation(d.t.Context(), c.Scope())
		return err
	}},
	{"issue", func(d *desk, c scim.Connection) error {
		_, _, err := d.IssueToken(d.t.Context(), c.Scope(), scim.TokenDraft{Name: "n"})
		return err
	}},
	{"revoke", func(d *desk, c scim.Connection) error {
		tokens, err := d.Tokens(d.t.Context(), c.Scope())
		require.NoError(d.t, err)
		_, err = d.RevokeToken(d.t.Context(), c.Scope(), tokens[len(tokens)-1].ID)
		return err
	}},
	{"delete", func(d *desk, c scim.Connection) error { return d.Delete(d.t.Context(), c.Scope()) }},
}

// A sink that fails undoes the step, whatever its error wraps, and the step is not tried again for it.
func TestSinksOfConnectionsThatFail(t *testing.T) {
	t.Parallel()
	onEachDesk(t, func(t *testing.T, d *desk) {
		var fail error
		calls := 0
		failing, err := scim.NewConnections(scim.ConnectionsConfig{Store: d.config.Store, Now: d.watch.now, Events: scim.EventFunc(func(context.Context, scim.Event) error {
			calls++
			return fail
		})})
		require.NoError(t, err)
		broken := &desk{Connections: failing, t: t, config: d.config, store: d.store, watch: d.watch}
		outcomes := []error{
			store.ErrNotFound, store.ErrVersion, store.ErrLimit, store.ErrExists, scim.ErrConnectionExists, scim.ErrNotRotating, &scim.AttributeError{Attribute: "a", Detail: "b"},
		}
		refused := func(name string, err error) {
			t.Helper()
			require.ErrorContains(t, err, "event sink: of the host: ", name)
			require.Equal(t, 1, calls, name)
			calls = 0
		}
		for _, cause := range outcomes {
			fail = fmt.Errorf("of the host: %w", cause)
			_, text, err := failing.Create(t.Context(), scim.ConnectionDraft{Tenant: "t"})
			require.Empty(t, string(text))
			refused("create", err)
			require.NotEqual(t, scim.ErrConnectionExists, err)
		}
		list, err := d.List(t.Context(), "t")
		require.NoError(t, err)
		require.Empty(t, list)
		c, bearer := d.connect("t")
		for _, step := range steps {
			before := d.record(c)
			for _, cause := range outcomes {
				fail = fmt.Errorf("of the host: %w", cause)
				refused(step.name, step.take(broken, c))
				require.Equal(t, before, d.record(c), step.name)
			}
			if step.name == "delete" {
				d.watch.advance(time.Second)
				require.NotEmpty(t, before.in(store.SlotCurrent))
			}
			require.NoError(t, step.take(d, c))
		}
		d.refuses(bearer)
	})
}

// again is a store whose transactions all run a second time.
type again struct {
	store.ConnectionStore
	store.Transactor
}

var errOnceMore = errors.New("once more")

func (a again) InTx(ctx context.Context, f func(context.Context) error) error {
	err := a.Transactor.InTx(ctx, func(ctx context.Context) error {
		if err := f(ctx); err != nil {
			return err
		}
		return errOnceMore
	})
	if errors.Is(err, errOnceMore) {
		return a.Transactor.InTx(ctx, f)
	}
	return err
}

// A step whose transaction runs again is the same one, and tells the sink the same.
func TestStepsThatRunAgain(t *testing.T) {
	t.Parallel()
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			var emitted []scim.Event
			clock := newClock() // moves on with each look at it
			d := newDesk(t, b.open(t), func(c *scim.ConnectionsConfig) {
				c.Store = again{c.Store, c.Store.(store.Transactor)}
				c.Now = clock.now
				c.Events = scim.EventFunc(func(_ context.Context, e scim.Event) error {
					emitted = append(emitted, e)
					return nil
				})
			})
			twice := func(name string, n int) {
				t.Helper()
				require.Len(t, emitted, 2*n, name)
				require.Equal(t, emitted[:n], emitted[n:], name)
				emitted = nil
			}
			c, bearer := d.connect("t")
			twice("create", 2)
			for _, step := range steps {
				n := 1
				if step.name == "delete" {
					n = 2
				}
				require.NoError(t, step.take(d, c))
				twice(step.name, n)
			}
			d.refuses(bearer)
		})
	}
}

// What is stored of a token is its digest, its id and its last four characters.
func TestNoTableHoldsATokensText(t *testing.T) {
	t.Parallel()
	onBothDatabases(t, func(t *testing.T, b *breakable) {
		d := newDesk(t, b.store)
		c, bearer := d.connect("t")
		_, named := d.issue(c, "n")
		const text = "Wb7$kP2!xQ9@mN4^vR8&tY1*zL6(cJ3)hG5-"
		own, _, err := d.IssueToken(t.Context(), c.Scope(), scim.TokenDraft{Name: "own", Text: text})
		require.NoError(t, err)
		next := d.next(c)
		d.serve().as(bearer).user("anna")
		require.NoError(t, d.Flush(t.Context()))
		tables := tablesOf(t, b.db, b.database)
		require.Contains(t, tables, own.ID)
		require.Contains(t, tables, "|"+lastFour(bearer)+"|")
		encoded, err := json.Marshal(d.record(c).tokens)
		require.NoError(t, err)
		views := fmt.Sprintf("%s %+v", encoded, d.record(c))
		for _, text := range []string{bearer, named, next, text} {
			for i := 0; i+6 <= len(text)-4; i += 6 {
				part := text[i : i+6]
				if i < 22 && text[:5] == "scim_" { // the prefix and the id, which are no secret
					continue
				}
				require.NotContains(t, tables, part)
				require.NotContains(t, views, part)
			}
			digest := sha256.Sum256([]byte(text))
			require.Contains(t, tables, string(digest[:]))
		}
		covers(t, "A-13", "S-20", "S-14")
	})
}

// tablesOf returns every value in the tables of a database.
func tablesOf(t *testing.T, db *sql.DB, database filter.Dialect) string {
	t.Helper()
	names := `SELECT name FROM sqlite_master WHERE type = 'table'`
	if database == filter.PostgreSQL {
		names = `SELECT tablename FROM pg_tables WHERE schemaname = current_schema`
	}
	var out strings.Builder
	each := func(query string, f func(*sql.Rows)) {
		rows, err := db.QueryContext(t.Context(), query)
		require.NoError(t, err)
		defer rows.Close()
		for rows.Next() {
			f(rows)
		}
		require.NoError(t, rows.Err())
	}
	var tables []string
	each(names, func(rows *sql.Rows) {
		var name string
		require.NoError(t, rows.Scan(&name))
		tables = append(tables, name)
	})
	require.Greater(t, len(tables), 6)
	for _, name := range tables {
		each("SELECT * FROM "+name, func(rows *sql.Rows) {
			columns, err := rows.Columns()
			require.NoError(t, err)
			values := make([]sql.RawBytes, len(columns))
			into := make([]any, len(columns))
			for i := range values {
				into[i] = &values[i]
			}
			require.NoError(t, rows.Scan(into...))
			for _, v := range values {
				out.WriteString("|" + string(v))
			}
			out.WriteString("|\n")
		})
	}
	return out.String()
}
