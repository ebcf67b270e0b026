package scim_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/store"
	"github.com/scimkit/scim/store/memstore"
)

// Connections and what New accepts.

// watch is a clock that stands until it is moved.
type watch struct{ micros atomic.Int64 }

func newWatch() *watch {
	w := &watch{}
	w.micros.Store(time.Date(2026, 3, 14, 9, 0, 0, 123_456_000, time.UTC).UnixMicro())
	return w
}

func (w *watch) now() time.Time { return time.UnixMicro(w.micros.Load()).UTC() }

func (w *watch) advance(d time.Duration) { w.micros.Add(d.Microseconds()) }

// directoryStore is what every store of backends is.
type directoryStore interface {
	store.Store
	store.ConnectionStore
	store.Transactor
	store.JournalStore
	store.Purger
}

// desk is Connections under test, and what they let out.
type desk struct {
	*scim.Connections
	t      testing.TB
	config scim.ConnectionsConfig
	store  directoryStore
	watch  *watch
	events *eventLog
	log    *logBuffer
}

func newDesk(t testing.TB, backend store.Store, options ...func(*scim.ConnectionsConfig)) *desk {
	t.Helper()
	d := &desk{t: t, store: backend.(directoryStore), watch: newWatch(), events: &eventLog{}, log: &logBuffer{}}
	d.config = scim.ConnectionsConfig{
		Store: d.store, Events: d.events, Now: d.watch.now,
		Logger: slog.New(slog.NewJSONHandler(d.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, option := range options {
		option(&d.config)
	}
	var err error
	d.Connections, err = scim.NewConnections(d.config)
	require.NoError(t, err)
	return d
}

// onEachDesk runs f once per store, with fresh Connections.
func onEachDesk(t *testing.T, f func(t *testing.T, d *desk), options ...func(*scim.ConnectionsConfig)) {
	t.Helper()
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			f(t, newDesk(t, b.open(t), options...))
		})
	}
}

func perTenant(n int) func(*scim.ConnectionsConfig) {
	return func(c *scim.ConnectionsConfig) { c.PerTenant = n }
}

// serve returns a handler whose tokens are the desk's, and which records in its journal.
func (d *desk) serve(options ...func(*setup)) *server {
	d.t.Helper()
	return newServer(d.t, append([]func(*setup){func(c *setup) {
		c.config.Store, c.config.Verifier, c.config.Journal, c.config.Now = d.store, d.Connections, d.Connections, d.watch.now
	}}, options...)...)
}

// connect creates a connection and returns its token's text.
func (d *desk) connect(tenant string) (scim.Connection, string) {
	d.t.Helper()
	c, text, err := d.Create(d.t.Context(), scim.ConnectionDraft{Tenant: tenant})
	require.NoError(d.t, err)
	return c, string(text)
}

func (d *desk) issue(c scim.Connection, name string) (store.Token, string) {
	d.t.Helper()
	t, text, err := d.IssueToken(d.t.Context(), c.Scope(), scim.TokenDraft{Name: name})
	require.NoError(d.t, err)
	return t, string(text)
}

// next starts a rotation and returns the next token's text.
func (d *desk) next(c scim.Connection) string {
	d.t.Helper()
	_, text, err := d.StartRotation(d.t.Context(), c.Scope(), scim.TokenDraft{})
	require.NoError(d.t, err)
	return string(text)
}

func (d *desk) set(c scim.Connection, status store.ConnectionStatus) (scim.Connection, error) {
	d.t.Helper()
	return d.Update(d.t.Context(), c.Scope(), scim.ConnectionChange{Status: &status})
}

// works and refuses tell whether tokens are valid.
func (d *desk) works(c scim.Connection, texts ...string) {
	d.t.Helper()
	for _, text := range texts {
		credential, err := d.VerifyToken(d.t.Context(), text)
		require.NoError(d.t, err)
		require.Equal(d.t, c.Scope(), credential.Connection.Scope())
	}
}

func (d *desk) refuses(texts ...string) {
	d.t.Helper()
	for _, text := range texts {
		_, err := d.VerifyToken(d.t.Context(), text)
		require.ErrorIs(d.t, err, scim.ErrUnauthorized)
	}
}

// record is all that is stored of a connection and its tokens.
type record struct {
	connection scim.Connection
	tokens     []store.Token
}

func (d *desk) record(c scim.Connection) (r record) {
	d.t.Helper()
	var err error
	r.connection, err = d.Get(d.t.Context(), c.Scope())
	require.NoError(d.t, err)
	r.tokens, err = d.Tokens(d.t.Context(), c.Scope())
	require.NoError(d.t, err)
	for i := range r.tokens {
		r.tokens[i].LastUsedAt = time.Time{} // see TestLastUsed
	}
	return r
}

// in returns the last four characters of the token in a slot, empty if there is none.
func (r record) in(slot store.TokenSlot) string {
	for _, t := range r.tokens {
		if t.Slot == slot {
			return t.LastFour
		}
	}
	return ""
}

func lastFour(text string) string { return text[len(text)-4:] }

// attribute requires an AttributeError and returns the name of the attribute.
func attribute(t testing.TB, err error) string {
	t.Helper()
	var e *scim.AttributeError
	require.ErrorAs(t, err, &e)
	require.NotEmpty(t, e.Detail)
	require.Equal(t, 1, strings.Count(e.Error(), "scim: "), e.Error())
	return e.Attribute
}

// managementCalls are all calls that name one connection.
var managementCalls = map[string]func(*desk, store.Scope) error{
	"Get": func(d *desk, s store.Scope) error { _, err := d.Get(d.t.Context(), s); return err },
	"Update": func(d *desk, s store.Scope) error {
		_, err := d.Update(d.t.Context(), s, scim.ConnectionChange{DisplayName: new("x")})
		return err
	},
	"no update": func(d *desk, s store.Scope) error {
		_, err := d.Update(d.t.Context(), s, scim.ConnectionChange{})
		return err
	},
	"Delete": func(d *desk, s store.Scope) error { return d.Delete(d.t.Context(), s) },
	"StartRotation": func(d *desk, s store.Scope) error {
		_, text, err := d.StartRotation(d.t.Context(), s, scim.TokenDraft{})
		require.Empty(d.t, string(text))
		return err
	},
	"CompleteRotation": func(d *desk, s store.Scope) error { _, err := d.CompleteRotation(d.t.Context(), s); return err },
	"CancelRotation":   func(d *desk, s store.Scope) error { _, err := d.CancelRotation(d.t.Context(), s); return err },
	"IssueToken": func(d *desk, s store.Scope) error {
		_, text, err := d.IssueToken(d.t.Context(), s, scim.TokenDraft{Name: "x"})
		require.Empty(d.t, string(text))
		return err
	},
	"Tokens": func(d *desk, s store.Scope) error { _, err := d.Tokens(d.t.Context(), s); return err },
	"RevokeToken": func(d *desk, s store.Scope) error {
		tokens, err := d.store.Tokens(d.t.Context(), s.Connection)
		require.NoError(d.t, err)
		for _, t := range append(tokens, store.Token{ID: "nope"}) {
			if _, err = d.RevokeToken(d.t.Context(), s, t.ID); err == nil {
				return nil
			}
		}
		return err
	},
	"Journal": func(d *desk, s store.Scope) error {
		_, err := d.Journal(d.t.Context(), s, store.JournalQuery{Limit: 1})
		return err
	},
}

func TestCreateConnections(t *testing.T) {
	t.Parallel()
	onEachDesk(t, func(t *testing.T, d *desk) {
		at := d.watch.now()
		seen := map[string]bool{}
		var order []string
		create := func(draft scim.ConnectionDraft, want scim.Connection, expires time.Time) {
			t.Helper()
			got, text, err := d.Create(t.Context(), draft)
			require.NoError(t, err)
			want.ID, want.Tenant, want.Status, want.Revision, want.CreatedAt, want.UpdatedAt = got.ID, "t", store.StatusActive, 1, at, at
			require.Equal(t, want, got)
			require.Regexp(t, uuid7, got.ID)
			require.False(t, seen[got.ID])
			seen[got.ID] = true
			order = append(order, got.ID)
			r := d.record(got)
			require.Equal(t, want, r.connection)
			require.Equal(t, []store.Token{{
				ID: r.tokens[0].ID, Connection: got.ID, Slot: store.SlotCurrent, Digest: sha256.Sum256([]byte(text)), LastFour: lastFour(string(text)),
				CreatedAt: at, ExpiresAt: expires,
			}}, r.tokens)
			credential, err := d.VerifyToken(t.Context(), string(text))
			require.NoError(t, err)
			require.Equal(t, scim.Credential{Connection: got, TokenID: r.tokens[0].ID}, credential)
			if draft.Token.Text == "" {
				require.Regexp(t, `^scim_[a-z2-7]{16}_[A-Za-z0-9_-]{43}$`, string(text))
			} else {
				require.Equal(t, string(draft.Token.Text), string(text))
			}
		}
		years := at.Add(5 * 365 * 24 * time.Hour)
		create(scim.ConnectionDraft{Tenant: "t"}, scim.Connection{DisplayName: dialect.RecipeFor(dialect.Generic).Label, IdentityProvider: dialect.Generic}, years)
		covers(t, "S-03", "S-20")
		for _, p := range dialect.IdentityProviders() {
			create(
				scim.ConnectionDraft{Tenant: "t", IdentityProvider: p},
				scim.Connection{DisplayName: dialect.RecipeFor(p).Label, IdentityProvider: p, Policy: dialect.PolicyFor(p)}, years,
			)
		}
		covers(t, "S-05")
		own := dialect.Policy{BareRemove: dialect.BareRemoveRefuse, UniqueGroupNames: true}
		create(scim.ConnectionDraft{
			Tenant: "t", DisplayName: "Entra of T", IdentityProvider: dialect.MicrosoftEntra, Policy: &own, Strict: true,
			Token: scim.TokenDraft{Name: "not used", Text: tokenA, ExpiresAt: at.Add(time.Hour + time.Nanosecond).In(time.FixedZone("", 3600))},
		}, scim.Connection{DisplayName: "Entra of T", IdentityProvider: dialect.MicrosoftEntra, Policy: own, Strict: true}, at.Add(time.Hour))
		create(scim.ConnectionDraft{
			Tenant: "t", DisplayName: strings.Repeat("ö", 256), IdentityProvider: dialect.MicrosoftEntra, Policy: &dialect.Policy{},
			Token: scim.TokenDraft{ExpiresAt: at.AddDate(10, 0, 0)},
		}, scim.Connection{DisplayName: strings.Repeat("ö", 256), IdentityProvider: dialect.MicrosoftEntra}, at.AddDate(10, 0, 0))
		covers(t, "S-18")

		list, err := d.List(t.Context(), "t")
		require.NoError(t, err)
		require.Len(t, list, len(seen))
		for i, c := range list {
			require.Equal(t, d.record(c).connection, c)
			require.Equal(t, order[i], c.ID)
		}
		covers(t, "S-10")
		for _, tenant := range []string{"", "T", "t ", "other"} {
			list, err = d.List(t.Context(), tenant)
			require.NoError(t, err)
			require.Empty(t, list)
		}
		// A text is one connection's token at most.
		for _, tenant := range []string{"t", "other"} {
			_, text, err := d.Create(t.Context(), scim.ConnectionDraft{Tenant: tenant, Token: scim.TokenDraft{Text: tokenA}})
			require.ErrorIs(t, err, store.ErrExists)
			require.Empty(t, string(text))
		}
		list, err = d.List(t.Context(), "other")
		require.NoError(t, err)
		require.Empty(t, list)
	}, perTenant(-1))
}

func TestDefaultsOfConnections(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]scim.ConnectionsConfig{
		"no store": {}, "a negative cache": {Store: memstore.New(), CacheFor: -1}, "a long cache": {Store: memstore.New(), CacheFor: time.Second + 1},
	} {
		connections, err := scim.NewConnections(config)
		require.Error(t, err, name)
		require.Nil(t, connections, name)
	}
	before := time.Now().Truncate(time.Microsecond)
	connections, err := scim.NewConnections(scim.ConnectionsConfig{Store: memstore.New(), CacheFor: time.Second, TokenLifetime: -1})
	require.NoError(t, err)
	c, _, err := connections.Create(t.Context(), scim.ConnectionDraft{Tenant: "t"})
	require.NoError(t, err)
	require.WithinRange(t, c.CreatedAt, before, time.Now())
	tokens, err := connections.Tokens(t.Context(), c.Scope())
	require.NoError(t, err)
	require.Equal(t, tokens[0].CreatedAt.Add(5*365*24*time.Hour), tokens[0].ExpiresAt)

	onEachDesk(t, func(t *testing.T, d *desk) {
		c, _ := d.connect("t")
		require.Equal(t, d.watch.now().Add(time.Hour), d.record(c).tokens[0].ExpiresAt)
	}, func(c *scim.ConnectionsConfig) { c.TokenLifetime = time.Hour })
}

// unfit are texts that are no tokens: they could not be presented, or are easy to guess.
var unfit = []string{
	"12345678", "x", varied(31), varied(1025), varied(20) + " " + varied(20), varied(40) + "\n", varied(40) + "\x00", varied(40) + ",", "\t" + varied(40), varied(40) + "\x7f",
	strings.Repeat("é", 20), varied(40) + "é", strings.Repeat("a", 40), strings.Repeat("abcdefg", 8),
}

func TestArgumentsThatAreRefused(t *testing.T) {
	t.Parallel()
	onEachDesk(t, func(t *testing.T, d *desk) {
		c, _ := d.connect("full") // whatever else is wrong with a create for this tenant comes first
		d.events.take()
		before, now := d.record(c), d.watch.now()
		type draft = scim.ConnectionDraft
		for name, refused := range map[string][]draft{
			"tenant": {
				{}, {IdentityProvider: dialect.Okta}, {Tenant: " "}, {Tenant: "\t\n"}, {Tenant: "a\x00b"}, {Tenant: "a\nb"}, {Tenant: "a\u0085b"}, {Tenant: "a\xffb"},
				{Tenant: strings.Repeat("t", 257)}, {Tenant: strings.Repeat("ö", 129)},
			},
			"identity_provider": {{Tenant: "full", IdentityProvider: "nobody"}, {Tenant: "full", IdentityProvider: "Okta"}, {Tenant: "full", IdentityProvider: " "}},
			"display_name": {
				{Tenant: "full", DisplayName: " "}, {Tenant: "full", DisplayName: strings.Repeat("ö", 257)}, {Tenant: "full", DisplayName: "a\u001bb"}, {Tenant: "full", DisplayName: "\xc3"},
			},
			"policy": {
				{Tenant: "full", Policy: &dialect.Policy{BareRemove: 200}}, {Tenant: "full", Policy: &dialect.Policy{UnknownMembers: 200}}, {Tenant: "full", Policy: &dialect.Policy{PatchAnswer: 200}},
			},
			"bearer_token_expires_at": {
				{Tenant: "full", Token: scim.TokenDraft{ExpiresAt: now}}, {Tenant: "full", Token: scim.TokenDraft{ExpiresAt: now.Add(-time.Hour)}},
				{Tenant: "full", Token: scim.TokenDraft{ExpiresAt: now.AddDate(10, 0, 0).Add(time.Microsecond)}},
			},
		} {
			for _, draft := range refused {
				_, text, err := d.Create(t.Context(), draft)
				require.Equal(t, name, attribute(t, err), fmt.Sprint(draft))
				require.Empty(t, string(text))
			}
		}
		expiries := []time.Time{now, now.Add(-time.Hour), now.AddDate(10, 0, 0).Add(time.Microsecond)}
		for _, at := range expiries {
			_, _, err := d.StartRotation(t.Context(), c.Scope(), scim.TokenDraft{ExpiresAt: at})
			require.Equal(t, "next_bearer_token_expires_at", attribute(t, err))
			_, _, err = d.IssueToken(t.Context(), c.Scope(), scim.TokenDraft{Name: "n", ExpiresAt: at})
			require.Equal(t, "expires_at", attribute(t, err))
		}
		for _, text := range unfit {
			token := scim.TokenDraft{Name: "n", Text: scim.Secret(text)}
			_, _, err := d.Create(t.Context(), draft{Tenant: "other", Token: token})
			require.Equal(t, "bearer_token", attribute(t, err), text)
			_, _, err = d.StartRotation(t.Context(), c.Scope(), token)
			require.Equal(t, "bearer_token", attribute(t, err), text)
			_, _, err = d.IssueToken(t.Context(), c.Scope(), token)
			require.Equal(t, "bearer_token", attribute(t, err), text)
			require.NotContains(t, err.Error(), text)
			d.refuses(text)
		}
		covers(t, "A-05")
		for _, name := range []string{"", " ", strings.Repeat("ö", 101), "a\nb", "\xff"} {
			_, _, err := d.IssueToken(t.Context(), c.Scope(), scim.TokenDraft{Name: name})
			require.Equal(t, "name", attribute(t, err))
		}
		for name, change := range map[string]scim.ConnectionChange{
			"display_name": {DisplayName: new("")}, "identity_provider": {IdentityProvider: new(dialect.IdentityProvider(""))},
			"status": {Status: new(store.StatusDeleted)}, "policy": {Policy: &dialect.Policy{PatchAnswer: 200}},
		} {
			_, err := d.Update(t.Context(), c.Scope(), change)
			require.Equal(t, name, attribute(t, err))
		}
		_, err := d.Update(t.Context(), c.Scope(), scim.ConnectionChange{Status: new(store.ConnectionStatus("pending"))})
		require.Equal(t, "status", attribute(t, err))
		covers(t, "S-07")

		require.Equal(t, before, d.record(c))
		require.Empty(t, d.events.take())
		list, err := d.List(t.Context(), "other")
		require.NoError(t, err)
		require.Empty(t, list)
		_, _, err = d.Create(t.Context(), draft{Tenant: "full"})
		require.Equal(t, scim.ErrConnectionExists, err)
	})
}

func TestConnectionsOfAnotherTenant(t *testing.T) {
	t.Parallel()
	onEachDesk(t, func(t *testing.T, d *desk) {
		c, text := d.connect("t")
		next := d.next(c)
		other, _ := d.connect("other")
		before, unlike := d.record(c), d.record(other)
		d.events.take()
		for name, call := range managementCalls {
			for _, scope := range []store.Scope{
				{Connection: c.ID, Tenant: "other"}, {Connection: c.ID, Tenant: "T"}, {Connection: c.ID, Tenant: "t "}, {Connection: nobody, Tenant: "t"}, {Connection: strings.ToUpper(c.ID), Tenant: "t"},
				{Connection: "t", Tenant: c.ID}, {Connection: "%", Tenant: "t"},
			} {
				require.ErrorIs(t, call(d, scope), store.ErrNotFound, "%s %v", name, scope)
			}
			for _, scope := range []store.Scope{{Connection: c.ID}, {Tenant: "t"}, {}} {
				require.Error(t, call(d, scope), "%s %v", name, scope)
			}
		}
		// A token of one connection is none of another.
		for _, token := range before.tokens {
			_, err := d.RevokeToken(t.Context(), other.Scope(), token.ID)
			require.ErrorIs(t, err, store.ErrNotFound)
		}
		require.Equal(t, before, d.record(c))
		require.Equal(t, unlike, d.record(other))
		require.Empty(t, d.events.take())
		d.works(c, text, next)
		covers(t, "T-10", "S-01")
	})
}

func TestActiveConnectionsOfATenant(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ perTenant, allowed int }{{0, 1}, {1, 1}, {3, 3}, {-1, 8}} {
		onEachDesk(t, func(t *testing.T, d *desk) {
			var created, refused atomic.Int32
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					_, text, err := d.Create(t.Context(), scim.ConnectionDraft{Tenant: "t"})
					switch {
					case err == nil && text != "":
						created.Add(1)
					case errors.Is(err, scim.ErrConnectionExists) && text == "":
						refused.Add(1)
					}
				})
			}
			all.Wait()
			require.EqualValues(t, c.allowed, created.Load())
			require.EqualValues(t, 8-c.allowed, refused.Load())
			list, err := d.List(t.Context(), "t")
			require.NoError(t, err)
			require.Len(t, list, c.allowed)
			require.Len(t, d.events.take(), 2*c.allowed, "what was refused has no events")
			d.connect("other")
			covers(t, "S-02")
		}, perTenant(c.perTenant))
	}
}

func TestDisabledConnectionsDoNotCount(t *testing.T) {
	t.Parallel()
	onEachDesk(t, func(t *testing.T, d *desk) {
		const many = 6
		var list []scim.Connection
		for range many {
			c, text := d.connect("t")
			c, err := d.set(c, store.StatusDisabled)
			require.NoError(t, err)
			require.Equal(t, store.StatusDisabled, c.Status)
			d.refuses(text)
			list = append(list, c)
		}
		// Two of them come back, whoever asks at the same time; the others stay as they were.
		var enabled, refused atomic.Int32
		var all sync.WaitGroup
		for _, c := range list {
			all.Go(func() {
				switch _, err := d.set(c, store.StatusActive); {
				case err == nil:
					enabled.Add(1)
				case errors.Is(err, scim.ErrConnectionExists):
					refused.Add(1)
				}
			})
		}
		all.Wait()
		require.EqualValues(t, 2, enabled.Load())
		require.EqualValues(t, many-2, refused.Load())
		d.events.take()
		var active []scim.Connection
		for _, c := range list {
			now := d.record(c).connection
			if now.Status == store.StatusActive {
				active = append(active, now)
				again, err := d.set(now, store.StatusActive) // which it is already
				require.NoError(t, err)
				require.Equal(t, now, again)
				continue
			}
			require.Equal(t, c, now)
			_, err := d.Update(t.Context(), c.Scope(), scim.ConnectionChange{Status: new(store.StatusActive), DisplayName: new("x")})
			require.Equal(t, scim.ErrConnectionExists, err)
			require.Equal(t, c, d.record(c).connection, "all or nothing")
		}
		require.Empty(t, d.events.take())
		// What leaves makes room, disabled or deleted.
		free := func() {
			t.Helper()
			_, _, err := d.Create(t.Context(), scim.ConnectionDraft{Tenant: "t"})
			require.NoError(t, err)
			_, _, err = d.Create(t.Context(), scim.ConnectionDraft{Tenant: "t"})
			require.Equal(t, scim.ErrConnectionExists, err)
		}
		_, err := d.set(active[0], store.StatusDisabled)
		require.NoError(t, err)
		free()
		require.NoError(t, d.Delete(t.Context(), active[1].Scope()))
		free()
		covers(t, "S-02")
	}, perTenant(2))
}

func TestChangesOfAConnection(t *testing.T) {
	t.Parallel()
	onEachDesk(t, func(t *testing.T, d *desk) {
		at := d.watch.now()
		c, text := d.connect("t")
		tokens := d.record(c).tokens
		d.events.take()
		own := dialect.Policy{UniqueGroupNames: true}
		change := func(change scim.ConnectionChange, want func(*scim.Connection), events ...scim.EventType) {
			t.Helper()
			d.watch.advance(time.Hour)
			expected := d.record(c).connection
			want(&expected)
			if len(events) > 0 {
				expected.UpdatedAt = d.watch.now()
				expected.Revision++
			}
			got, err := d.Update(t.Context(), c.Scope(), change)
			require.NoError(t, err)
			require.Equal(t, expected, got)
			require.Equal(t, expected, d.record(c).connection)
			require.Equal(t, append([]scim.EventType{}, events...), d.events.types())
		}
		nothing := func(*scim.Connection) {}
		change(scim.ConnectionChange{}, nothing)
		change(scim.ConnectionChange{DisplayName: new("Okta")}, func(c *scim.Connection) { c.DisplayName = "Okta" }, scim.ConnectionUpdated)
		change(scim.ConnectionChange{
			DisplayName: new("Okta"), IdentityProvider: new(dialect.Generic), Policy: &dialect.Policy{}, Strict: new(false), Status: new(store.StatusActive),
		}, nothing)
		change(scim.ConnectionChange{Strict: new(true)}, func(c *scim.Connection) { c.Strict = true }, scim.ConnectionUpdated)

		// The policy goes with the provider, until somebody chooses another one.
		provider := func(p dialect.IdentityProvider) scim.ConnectionChange {
			return scim.ConnectionChange{IdentityProvider: &p}
		}
		for _, p := range []dialect.IdentityProvider{dialect.MicrosoftEntra, dialect.Okta, dialect.Generic, dialect.MicrosoftEntra} {
			change(provider(p), func(c *scim.Connection) { c.IdentityProvider, c.Policy = p, dialect.PolicyFor(p) }, scim.ConnectionUpdated)
		}
		change(scim.ConnectionChange{Policy: &own}, func(c *scim.Connection) { c.Policy = own }, scim.ConnectionUpdated)
		change(provider(dialect.Okta), func(c *scim.Connection) { c.IdentityProvider = dialect.Okta }, scim.ConnectionUpdated)
		change(scim.ConnectionChange{IdentityProvider: new(dialect.Rippling), Policy: new(dialect.PolicyFor(dialect.MicrosoftEntra))}, func(c *scim.Connection) {
			c.IdentityProvider, c.Policy = dialect.Rippling, dialect.PolicyFor(dialect.MicrosoftEntra)
		}, scim.ConnectionUpdated)
		change(scim.ConnectionChange{Policy: new(dialect.PolicyFor(dialect.Rippling))}, func(c *scim.Connection) { c.Policy = dialect.PolicyFor(dialect.Rippling) }, scim.ConnectionUpdated)
		change(provider(dialect.Okta), func(c *scim.Connection) { c.IdentityProvider, c.Policy = dialect.Okta, dialect.PolicyFor(dialect.Okta) }, scim.ConnectionUpdated)

		// Disabled, its tokens are refused and can be managed all the same.
		change(scim.ConnectionChange{Status: new(store.StatusDisabled), DisplayName: new("off")}, func(c *scim.Connection) {
			c.Status, c.DisplayName = store.StatusDisabled, "off"
		}, scim.ConnectionDisabled)
		d.refuses(text)
		change(scim.ConnectionChange{Status: new(store.StatusDisabled)}, nothing)
		change(scim.ConnectionChange{DisplayName: new("Okta")}, func(c *scim.Connection) { c.DisplayName = "Okta" }, scim.ConnectionUpdated)
		d.refuses(d.next(c))
		_, named := d.issue(c, "n")
		d.refuses(named)
		_, err := d.CancelRotation(t.Context(), c.Scope())
		require.NoError(t, err)
		d.events.take()
		change(scim.ConnectionChange{Status: new(store.StatusActive), Strict: new(false)}, func(c *scim.Connection) {
			c.Status, c.Strict = store.StatusActive, false
		}, scim.ConnectionEnabled)
		d.works(c, text, named)
		require.Equal(t, at, d.record(c).connection.CreatedAt)
		require.Equal(t, tokens[0], d.record(c).tokens[0])
	})
}

// A connection that is disabled or deleted, and a token that has ended, is refused by the handler from the next request on.
func TestEndsCountFromTheNextRequest(t *testing.T) {
	t.Parallel()
	onEachDesk(t, func(t *testing.T, d *desk) {
		s := d.serve()
		c, text := d.connect("t")
		named, more := d.issue(c, "n")
		short, brief, err := d.IssueToken(t.Context(), c.Scope(), scim.TokenDraft{Name: "short", ExpiresAt: d.watch.now().Add(time.Minute)})
		require.NoError(t, err)
		first, second, third := s.as(s.secret(text)), s.as(s.secret(more)), s.as(s.secret(string(brief)))
		var want string
		refused := func(s *server) {
			t.Helper()
			a := s.do("GET", "/Users", nil).fails(401, "")
			require.Equal(t, `Bearer realm="scim", error="invalid_token"`, a.header.Get("WWW-Authenticate"))
			require.Equal(t, want, string(a.body))
		}
		want = string(s.as("unknown").do("GET", "/Users", nil).fails(401, "").body)
		third.get("/Users")
		d.watch.advance(time.Minute - time.Microsecond)
		third.get("/Users")
		d.watch.advance(time.Microsecond)
		require.Equal(t, short.ExpiresAt, d.watch.now())
		refused(third)
		second.get("/Users")
		_, err = d.RevokeToken(t.Context(), c.Scope(), named.ID)
		require.NoError(t, err)
		refused(second)
		first.get("/Users")
		_, err = d.set(c, store.StatusDisabled)
		require.NoError(t, err)
		refused(first)
		refused(second)
		_, err = d.set(c, store.StatusActive)
		require.NoError(t, err)
		first.get("/Users")
		refused(second)
		require.NoError(t, d.Delete(t.Context(), c.Scope()))
		refused(first)
		refused(second)
		refused(third)
		covers(t, "A-09", "S-23")
	})
}

// purges is a Purger that removes a few resources at once, and may fail.
type purges struct {
	store.Purger
	limits []int
	fail   error
}

func (p *purges) Purge(ctx context.Context, scope store.Scope, limit int) (bool, error) {
	p.limits = append(p.limits, limit)
	if p.fail != nil {
		return false, p.fail
	}
	return p.Purger.Purge(ctx, scope, 2)
}

func TestDeleteConnections(t *testing.T) {
	t.Parallel()
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			backend := b.open(t)
			few := &purges{Purger: backend.(store.Purger)}
			d := newDesk(t, backend, perTenant(2), func(c *scim.ConnectionsConfig) { c.Resources = few })
			s := d.serve()
			c, text := d.connect("t")
			next := d.next(c)
			_, named := d.issue(c, "n")
			other, kept := d.connect("t")
			used, bystander := s.as(text), s.as(kept)
			var ids []string
			for i := range 5 {
				ids = append(ids, used.user(fmt.Sprint("u", i)).id())
				bystander.user(fmt.Sprint("u", i))
			}
			used.group("inner", ids...)
			bystander.group("inner")
			unlike, d1 := d.record(other), bystander.get("/Users")
			d.events.take()

			d.watch.advance(time.Minute)
			before := d.record(c)
			require.NoError(t, d.Delete(t.Context(), c.Scope()))
			d.refuses(text, next, named)
			for name, call := range managementCalls {
				require.ErrorIs(t, call(d, c.Scope()), store.ErrNotFound, name)
			}
			list, err := d.List(t.Context(), "t")
			require.NoError(t, err)
			require.Equal(t, []scim.Connection{unlike.connection}, list)
			require.Equal(t, []scim.EventType{scim.TokenRevoked, scim.TokenRevoked, scim.TokenRevoked, scim.ConnectionDeleted}, d.events.types())
			deleted, err := d.store.Deleted(t.Context(), 10)
			require.NoError(t, err)
			want := before.connection
			want.Status, want.UpdatedAt, want.Revision = store.StatusDeleted, d.watch.now(), want.Revision+1
			require.Equal(t, []scim.Connection{want}, deleted)

			// A part of the resources goes at once, the others when it is swept.
			left := func() (n int) {
				for _, typ := range []string{"User", "Group"} {
					page, err := d.store.List(t.Context(), c.Scope(), store.Query{Type: typ, Start: 1, Count: 100})
					require.NoError(t, err)
					n += len(page.Resources)
				}
				return n
			}
			require.Equal(t, []int{1000}, few.limits)
			if b.name != "memstore" { // which always removes all
				require.Equal(t, 4, left())
			}
			few.fail = errors.New("the disk is full")
			require.ErrorIs(t, d.Sweep(t.Context()), few.fail)
			few.fail = nil
			require.NoError(t, d.Sweep(t.Context()))
			require.Zero(t, left())

			// What a request left behind that was under way goes with the next sweep, and in the end the connection itself.
			_, err = d.store.Create(t.Context(), c.Scope(), store.Draft{Ref: store.Ref{Type: "User", ID: "late"}, At: d.watch.now(), Document: store.NewDocument(jsonOf(t, user("late")))})
			require.NoError(t, err)
			d.watch.advance(time.Hour - time.Microsecond)
			require.NoError(t, d.Sweep(t.Context()))
			require.Zero(t, left())
			deleted, err = d.store.Deleted(t.Context(), 10)
			require.NoError(t, err)
			require.Len(t, deleted, 1)
			d.watch.advance(time.Microsecond)
			require.NoError(t, d.Sweep(t.Context()))
			deleted, err = d.store.Deleted(t.Context(), 10)
			require.NoError(t, err)
			require.Empty(t, deleted)
			d.refuses(text, next, named)
			require.NoError(t, d.Sweep(t.Context()))

			require.Equal(t, unlike, d.record(other))
			require.Equal(t, string(d1.body), string(bystander.get("/Users").body))
			bystander.group("another")
			covers(t, "S-09")
		})
	}
}

// A deletion stands even if the resources cannot be removed at once.
func TestDeletionsWhoseResourcesStay(t *testing.T) {
	t.Parallel()
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			backend := b.open(t)
			few := &purges{Purger: backend.(store.Purger), fail: errors.New("the disk is full")}
			d := newDesk(t, backend, func(c *scim.ConnectionsConfig) { c.Resources = few })
			c, text := d.connect("t")
			d.serve().as(text).user("anna")
			require.NoError(t, d.Delete(t.Context(), c.Scope()))
			d.refuses(text)
			require.Contains(t, d.log.String(), "the disk is full")
			require.Contains(t, d.log.String(), c.ID)

			// Neither does one that cannot be purged keep others from it.
			few.fail = nil
			many := newDesk(t, backend, perTenant(-1), func(config *scim.ConnectionsConfig) {
				config.Resources = purgeFunc(func(ctx context.Context, scope store.Scope, limit int) (bool, error) {
					if scope == c.Scope() {
						return false, errors.New("the disk is full")
					}
					return few.Purge(ctx, scope, limit)
				})
			})
			other, _ := many.connect("t")
			require.NoError(t, many.Delete(t.Context(), other.Scope()))
			many.watch.advance(2 * time.Hour)
			require.ErrorContains(t, many.Sweep(t.Context()), "the disk is full")
			deleted, err := d.store.Deleted(t.Context(), 10)
			require.NoError(t, err)
			require.Len(t, deleted, 1)
			require.Equal(t, c.ID, deleted[0].ID)
		})
	}
}

type purgeFunc func(context.Context, store.Scope, int) (bool, error)

func (f purgeFunc) Purge(ctx context.Context, scope store.Scope, limit int) (bool, error) {
	return f(ctx, scope, limit)
}

// Without anybody who removes them, resources stay, out of reach.
func TestDeletionsWithoutPurger(t *testing.T) {
	t.Parallel()
	memory := memstore.New()
	connections, err := scim.NewConnections(scim.ConnectionsConfig{Store: struct{ store.ConnectionStore }{memory}})
	require.NoError(t, err)
	c, text, err := connections.Create(t.Context(), scim.ConnectionDraft{Tenant: "t"})
	require.NoError(t, err)
	_, err = memory.Create(t.Context(), c.Scope(), store.Draft{Ref: store.Ref{Type: "User", ID: "1"}, Document: store.NewDocument(jsonOf(t, user("anna")))})
	require.NoError(t, err)
	require.NoError(t, connections.Delete(t.Context(), c.Scope()))
	_, err = connections.VerifyToken(t.Context(), string(text))
	require.ErrorIs(t, err, scim.ErrUnauthorized)
	require.NoError(t, connections.Sweep(t.Context()))
	_, err = memory.Get(t.Context(), c.Scope(), store.Ref{Type: "User", ID: "1"})
	require.NoError(t, err)
	again, _, err := connections.Create(t.Context(), scim.ConnectionDraft{Tenant: "t"})
	require.NoError(t, err)
	require.NotEqual(t, c.ID, again.ID)
}

func TestStaticTokens(t *testing.T) {
	t.Parallel()
	good, connection := strings.Repeat("0123456789", 4), scim.Connection{ID: "c", Tenant: "t"}
	v, err := scim.StaticToken(good, connection)
	require.NoError(t, err)
	credential, err := v.VerifyToken(t.Context(), good)
	require.NoError(t, err)
	require.Equal(t, connection, credential.Connection)
	for _, text := range []string{"", good[1:], good + "0", good[:39] + "8", strings.ToUpper(good) + "x"} {
		_, err = v.VerifyToken(t.Context(), text)
		require.ErrorIs(t, err, scim.ErrUnauthorized)
	}
	for _, text := range []string{"", "12345678", good[:31], good + " ", good + "\n", good + "é", strings.Repeat("a", 1025)} {
		_, err = scim.StaticToken(text, connection)
		require.Error(t, err, text)
	}
	for _, connection := range []scim.Connection{{}, {ID: "c"}, {Tenant: "t"}} {
		_, err = scim.StaticToken(good, connection)
		require.Error(t, err)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	verifier, err := scim.StaticToken(tokenA, scim.Connection{ID: "c", Tenant: "t"})
	require.NoError(t, err)
	good := func() scim.Config { return scim.Config{BaseURL: baseURL, Store: memstore.New(), Verifier: verifier} }
	refuses := func(name string, change func(*scim.Config)) {
		t.Helper()
		config := good()
		change(&config)
		h, err := scim.New(config)
		require.Error(t, err, name)
		require.Nil(t, h, name)
	}
	refuses("no store", func(c *scim.Config) { c.Store = nil })
	refuses("no verifier", func(c *scim.Config) { c.Verifier = nil })
	covers(t, "A-02")
	for _, base := range []string{
		"", "/scim/v2", "scim.example.test/v2", "//scim.example.test/v2", "https://", "https:///v2", "https://u:p@scim.example.test/v2", "https://scim.example.test/v2?x=1",
		"https://scim.example.test/v2#x", "https://scim.example.test/%zz", "mailto:x", "://x", "https://scim.example.test:port/",
	} {
		refuses(base, func(c *scim.Config) { c.BaseURL = base })
	}
	for name, limits := range map[string]scim.Limits{
		"body": {BodyBytes: -1}, "depth": {JSONDepth: -1}, "values": {JSONValues: -1}, "filter": {FilterBytes: -1}, "filter depth": {FilterDepth: -1}, "terms": {FilterTerms: -1},
		"operations": {PatchOperations: -1}, "work": {PatchWork: -1}, "members": {Members: -1}, "names": {AttributeNames: -1}, "page": {PageSize: -1}, "max page": {MaxPageSize: -1}, "time": {RequestTime: -1},
		"page above the maximum": {PageSize: 11, MaxPageSize: 10},
	} {
		refuses(name, func(c *scim.Config) { c.Limits = limits })
	}
	named := func(name, endpoint string) scim.ResourceType {
		rt := deviceType()
		rt.Name, rt.Endpoint = name, endpoint
		return rt
	}
	for name, types := range map[string][]scim.ResourceType{
		"no types": {}, "no name": {named("", "/Things")}, "no endpoint": {named("Thing", "")}, "a bad endpoint": {named("Thing", "Things")}, "two segments": {named("Thing", "/a/b")},
		"a reserved endpoint": {named("Thing", "/Schemas")}, "a name twice": {scim.UserType(), named("user", "/Things")}, "an endpoint twice": {scim.UserType(), named("Thing", "/USERS")},
		"a type twice": {scim.UserType(), scim.UserType()},
	} {
		refuses(name, func(c *scim.Config) { c.Types = types })
	}
	for _, rt := range []scim.ResourceType{scim.GroupType(), scim.UserType()} {
		config := good()
		config.Store, config.Types = struct{ store.Store }{memstore.New()}, []scim.ResourceType{rt}
		_, err = scim.New(config)
		if rt.Name == "Group" {
			require.ErrorContains(t, err, "MemberLister")
		} else {
			require.NoError(t, err)
		}
	}
	config := good()
	config.Store = memberless{memstore.New()}
	_, err = scim.New(config)
	require.ErrorContains(t, err, "MemberLister", "a store that declines is none")
}

type memberless struct{ capable }

func (memberless) Members(context.Context, store.Scope, store.MemberQuery) (store.MemberPage, error) {
	return store.MemberPage{}, errors.ErrUnsupported
}

func TestDefaultsOfTheConfiguration(t *testing.T) {
	t.Parallel()
	verifier, err := scim.StaticToken(tokenA, scim.Connection{ID: "c", Tenant: "t"})
	require.NoError(t, err)
	for base, path := range map[string]string{
		"https://scim.example.test": "", "https://scim.example.test/": "", "http://localhost:8080/scim/v2": "/scim/v2", "https://x.test/scim/v2//": "/scim/v2",
		"https://x.test/a%20b/%C3%A9": "/a%20b/%C3%A9",
	} {
		h, err := scim.New(scim.Config{BaseURL: base, Store: memstore.New(), Verifier: verifier, Logger: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		before := time.Now().Add(-time.Second)
		s := &server{t: t, handler: h, store: &scopeRecorder{}, token: tokenA}
		r := httptest.NewRequest(http.MethodPost, path+"/Users", bytes.NewReader(jsonOf(t, user("anna"))))
		r.Header.Set("Authorization", "Bearer "+tokenA)
		a := s.send(r).is(201)
		require.Equal(t, strings.TrimRight(base, "/")+"/Users/"+a.id(), a.at("meta", "location"))
		require.Regexp(t, `^[0-9a-f-]{36}$`, a.id())
		created, err := time.Parse(time.RFC3339Nano, a.at("meta", "created").(string))
		require.NoError(t, err)
		require.WithinRange(t, created, before, time.Now().Add(time.Second))
	}
}

func TestMount(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		base        string
		ours, other []string
	}{
		{
			base:  baseURL,
			ours:  []string{"/scim/v2", "/scim/v2/", "/scim/v2/Users", "//scim//v2//Users", "/scim/v2/nope", "/scim/v2/../admin", "/scim/v2/Users/x/y"},
			other: []string{"/", "/scim", "/scim/", "/scim/v2x", "/scim/v1/Users", "/x/scim/v2", "/SCIM/v2/Users", "/scim/%76%32/Users", "/Users", "/scim%2Fv2/Users"},
		},
		{
			base:  "https://scim.example.test/scim/{connection}",
			ours:  []string{"/scim/a", "/scim/connection-a/Users", "/scim/b/Users", "/scim/%7Bconnection%7D/Users"},
			other: []string{"/", "/scim", "/scim/", "/x/a/Users"},
		},
		{base: "https://scim.example.test", ours: []string{"/", "/Users", "/x/y"}},
	} {
		s := newServer(t, func(setup *setup) { setup.config.BaseURL = c.base })
		next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusTeapot)
		})
		mounted := s.handler.Mount(next)
		status := func(method, path string) int {
			r := s.as("").request(method, "/", user("anna"))
			u, err := r.URL.Parse("http://x.test" + path)
			require.NoError(t, err)
			u.Path, u.RawPath = unescaped(t, path), path
			r.URL = u
			w := httptest.NewRecorder()
			mounted.ServeHTTP(w, r)
			return w.Code
		}
		for _, method := range []string{"GET", "POST"} {
			for _, path := range c.ours {
				require.Equal(t, 401, status(method, path), path)
			}
			for _, path := range c.other {
				require.Equal(t, http.StatusTeapot, status(method, path), path)
			}
		}
	}
}

func unescaped(t *testing.T, path string) string {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, "http://x.test"+path, http.NoBody)
	require.NoError(t, err)
	return r.URL.Path
}

func TestTokenBucket(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	burst := func(b *scim.TokenBucket, connection string, at time.Time) (n int, wait time.Duration) {
		for {
			wait, ok := b.Allow(connection, at)
			if !ok {
				return n, wait
			}
			n++
		}
	}
	for rate, want := range map[int]int{0: 2, -5: 2, 1: 2, 10: 20, 100: 200} {
		b := scim.NewTokenBucket(rate)
		n, wait := burst(b, "a", at)
		require.Equal(t, want, n)
		require.InDelta(t, time.Second/time.Duration(max(rate, 1)), wait, float64(time.Millisecond))
		n, _ = burst(b, "b", at)
		require.Equal(t, want, n, "connections share a bucket")
		// Being refused costs nothing: after the wait, the next request passes.
		for range 100 {
			b.Allow("a", at)
		}
		_, ok := b.Allow("a", at.Add(wait))
		require.True(t, ok)
		n, _ = burst(b, "a", at.Add(time.Hour))
		require.Equal(t, want, n)
	}

	// A clock that jumps locks nobody out.
	b := scim.NewTokenBucket(1)
	burst(b, "a", at)
	_, wait := burst(b, "a", at.Add(-time.Hour))
	require.LessOrEqual(t, wait, 2*time.Second)
	_, ok := b.Allow("a", at.Add(-time.Hour).Add(wait))
	require.True(t, ok)
	burst(b, "a", at.Add(time.Hour))
	_, wait = burst(b, "a", at)
	require.LessOrEqual(t, wait, 2*time.Second)
	covers(t, "R-07")

	// With more connections than it remembers, those that are idle are forgotten before the one that is limited.
	b = scim.NewTokenBucket(1)
	for i := range 9_999 {
		_, ok := b.Allow(fmt.Sprint(i), at)
		require.True(t, ok)
	}
	later := at.Add(2 * time.Second)
	burst(b, "busy", later)
	for i := range 5_000 {
		_, ok := b.Allow(fmt.Sprint("new", i), later)
		require.True(t, ok)
	}
	_, ok = b.Allow("busy", later)
	require.False(t, ok)

	for range 1000 {
		_, ok := scim.Unlimited.Allow("a", at)
		require.True(t, ok)
	}
}

func TestTheDefaultRate(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(c *setup) { c.config.RateLimiter, c.config.Now = nil, newStoppedClock() })
	passed := 0
	for s.do("GET", "/ServiceProviderConfig", nil).status == 200 {
		passed++
	}
	require.Equal(t, 2*scim.DefaultRate, passed)
	require.Equal(t, "1", s.do("GET", "/Users", nil).fails(429, "").header.Get("Retry-After"))
	require.GreaterOrEqual(t, scim.DefaultRate, 25)
	covers(t, "ENTRA-73")
}

func newStoppedClock() func() time.Time {
	at := newClock().now()
	return func() time.Time { return at }
}
