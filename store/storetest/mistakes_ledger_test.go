package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/store"
)

// ledgerMutants are mistakes with connections, tokens, journals, purging and what is known of members.
var ledgerMutants = slices.Concat(connectionMutants, tokenMutants, journalMutants, purgeMutants, standingMutants())

var connectionMutants = []mutant{
	{"orders connections by id", []string{"Connections/are kept"}, func(h *hooked) {
		h.links = func(ctx context.Context, tenant string) ([]store.Connection, error) {
			list, err := h.Store.Connections(ctx, tenant)
			slices.SortFunc(list, func(a, b store.Connection) int { return strings.Compare(a.ID, b.ID) })
			return list, err
		}
	}},
	{"finds the connections of an empty tenant", []string{"Connections/are kept"}, func(h *hooked) {
		h.links = func(ctx context.Context, tenant string) ([]store.Connection, error) {
			list, err := h.Store.Connections(ctx, tenant)
			if tenant == "" {
				list = append(list, store.Connection{})
			}
			return list, err
		}
	}},
	{"keeps milliseconds of connections", []string{"Connections/times"}, func(h *hooked) {
		connecting(h, func(_ context.Context, c *store.Connection, _ []store.Token, _ *int) error {
			c.UpdatedAt = c.UpdatedAt.Truncate(time.Millisecond)
			return nil
		})
	}},
	{"finds connections by their ids", []string{"Connections/are of one tenant", "Connections/that are refused change nothing"}, func(h *hooked) {
		var tenants sync.Map
		connecting(h, func(_ context.Context, c *store.Connection, _ []store.Token, _ *int) error {
			tenants.LoadOrStore(c.ID, c.Tenant)
			return nil
		})
		h.link = func(ctx context.Context, scope store.Scope) (store.Connection, error) {
			if tenant, ok := tenants.Load(scope.Connection); ok && scope.Tenant != "" {
				scope.Tenant = tenant.(string)
			}
			return h.Store.Connection(ctx, scope)
		}
	}},
	{"allows one connection more", []string{
		"Connections/are limited per tenant", "Connections/are limited when they become active", "Connections/concurrent creations",
		"Connections/one of many becomes active",
	}, func(h *hooked) {
		connecting(h, func(_ context.Context, _ *store.Connection, _ []store.Token, limit *int) error {
			if *limit > 0 {
				*limit++
			}
			return nil
		})
	}},
	{"counts disabled connections", []string{"Connections/are limited per tenant", "Connections/are limited when they become active"}, func(h *hooked) {
		h.connect = func(ctx context.Context, c store.Connection, tokens []store.Token, limit int) error {
			list, err := h.Store.Connections(ctx, c.Tenant)
			if err == nil && limit > 0 && len(list) >= limit {
				err = store.ErrLimit
			}
			return errors.Join(err, h.Store.CreateConnection(ctx, c, tokens, limit))
		}
	}},
	{"counts before it writes", []string{"Connections/concurrent creations", "Connections/one of many becomes active"}, countFirst},
	{"limits nobody who comes back", []string{"Connections/are limited when they become active", "Connections/that are refused change nothing"}, func(h *hooked) {
		h.reconnect = func(ctx context.Context, c store.Connection, tokens []store.Token, _ int) error {
			return h.Store.UpdateConnection(ctx, c, tokens, 0)
		}
	}},
	{"limits whoever is active already", []string{"Connections/are limited when they become active"}, func(h *hooked) {
		h.reconnect = func(ctx context.Context, c store.Connection, tokens []store.Token, limit int) error {
			list, err := h.Store.Connections(ctx, c.Tenant)
			active := slices.DeleteFunc(list, func(x store.Connection) bool { return x.Status != store.StatusActive || x.ID == c.ID })
			if err == nil && limit > 0 && c.Status == store.StatusActive && len(active) >= limit {
				return store.ErrLimit
			}
			return h.Store.UpdateConnection(ctx, c, tokens, limit)
		}
	}},
	{"keeps the policy", []string{"Connections/change"}, func(h *hooked) {
		h.reconnect = func(ctx context.Context, c store.Connection, tokens []store.Token, limit int) error {
			c.Policy = dialect.PolicyFor(dialect.Okta)
			return h.Store.UpdateConnection(ctx, c, tokens, limit)
		}
	}},
	{"ignores the revision", []string{"Connections/change", "Connections/one of many changes of a revision wins", "Connections/that are refused change nothing"}, func(h *hooked) {
		h.reconnect = func(ctx context.Context, c store.Connection, tokens []store.Token, limit int) error {
			return h.Store.InTx(ctx, func(ctx context.Context) error {
				if before, err := h.Store.Connection(ctx, c.Scope()); err == nil {
					c.Revision = before.Revision
				}
				return h.Store.UpdateConnection(ctx, c, tokens, limit)
			})
		}
	}},
	{"compares the revision before it writes", []string{"Connections/one of many changes of a revision wins"}, compareFirst},
	{"finds no token of what is disabled", []string{"Connections/are disabled"}, func(h *hooked) {
		h.find = func(ctx context.Context, id string, digest store.Digest) (store.Token, store.Connection, error) {
			token, connection, err := h.Store.FindToken(ctx, id, digest)
			if connection.Status == store.StatusDisabled {
				return store.Token{}, store.Connection{}, store.ErrNotFound
			}
			return token, connection, err
		}
	}},
	{"forgets at once what is deleted", []string{"Connections/are deleted", "Connections/deleted ones are listed"}, func(h *hooked) {
		h.reconnect = func(ctx context.Context, c store.Connection, tokens []store.Token, limit int) error {
			err := h.Store.UpdateConnection(ctx, c, tokens, limit)
			if err == nil && c.Status == store.StatusDeleted {
				err = h.Store.Forget(ctx, c.Scope())
			}
			return err
		}
	}},
	{"lists tokens of what is deleted", []string{"Connections/are deleted"}, func(h *hooked) {
		var last sync.Map
		h.tokens = func(ctx context.Context, ids ...string) ([]store.Token, error) {
			list, err := h.Store.Tokens(ctx, ids...)
			for _, id := range ids {
				if old, ok := last.Load(id); ok {
					list = append(list, old.([]store.Token)...)
				}
			}
			return list, err
		}
		h.reconnect = func(ctx context.Context, c store.Connection, tokens []store.Token, limit int) error {
			if c.Status == store.StatusDeleted {
				last.Store(c.ID, tokens)
			}
			return h.Store.UpdateConnection(ctx, c, tokens, limit)
		}
	}},
	{"lists the last deleted first", []string{"Connections/deleted ones are listed"}, func(h *hooked) {
		h.deleted = func(ctx context.Context, limit int) ([]store.Connection, error) {
			list, err := h.Store.Deleted(ctx, everything)
			slices.Reverse(list)
			return list[:min(limit, len(list))], err
		}
	}},
	{"forgets what is alive", []string{"Connections/are forgotten", "Connections/are disabled"}, func(h *hooked) {
		h.forget = func(ctx context.Context, scope store.Scope) error {
			if c, err := h.Store.Connection(ctx, scope); err == nil {
				c.Status = store.StatusDeleted
				if err := h.Store.UpdateConnection(ctx, c, nil, 0); err != nil {
					return err
				}
			}
			return h.Store.Forget(ctx, scope)
		}
	}},
	{"forgets no tokens", []string{"Connections/are forgotten"}, func(h *hooked) {
		var taken sync.Map
		h.connect = func(ctx context.Context, c store.Connection, tokens []store.Token, limit int) error {
			for _, t := range tokens {
				if _, before := taken.LoadOrStore(t.Digest, true); before {
					return store.ErrExists
				}
			}
			return h.Store.CreateConnection(ctx, c, tokens, limit)
		}
	}},
	{"stores a connection before its tokens", []string{"Connections/that are refused change nothing", "Transactions/go on after refused changes of connections"}, func(h *hooked) {
		h.connect = func(ctx context.Context, c store.Connection, tokens []store.Token, limit int) error {
			c.Revision--
			if err := h.Store.CreateConnection(ctx, c, nil, limit); err != nil {
				return err
			}
			return h.Store.UpdateConnection(ctx, c, tokens, limit)
		}
	}},
	{"stores tokens one by one", []string{"Connections/that are refused change nothing", "Transactions/go on after refused changes of connections"}, func(h *hooked) {
		h.reconnect = func(ctx context.Context, c store.Connection, tokens []store.Token, limit int) error {
			for _, t := range tokens {
				if err := h.Store.UpdateConnection(ctx, c, []store.Token{t}, limit); err != nil {
					return err
				}
				c.Revision++
			}
			return nil
		}
	}},
	{"keeps the caller's tokens", []string{"Connections/what was passed in or returned may be changed"}, func(h *hooked) {
		var kept sync.Map
		h.connect = func(ctx context.Context, c store.Connection, tokens []store.Token, limit int) error {
			kept.Store(c.ID, tokens)
			return h.Store.CreateConnection(ctx, c, tokens, limit)
		}
		h.tokens = func(_ context.Context, ids ...string) ([]store.Token, error) {
			list, _ := kept.Load(ids[0])
			return list.([]store.Token), nil
		}
	}},
	{"hands out its list of connections", []string{"Connections/what was passed in or returned may be changed"}, func(h *hooked) {
		var lists sync.Map
		h.links = func(ctx context.Context, tenant string) ([]store.Connection, error) {
			list, err := h.Store.Connections(ctx, tenant)
			shared, _ := lists.LoadOrStore(tenant, list)
			return shared.([]store.Connection), err
		}
	}},
	{"locks no connection", []string{"Concurrency/nobody comes between read and change of a connection"}, func(h *hooked) {
		noTransactions(h)
		var reads atomic.Int64
		wait := barrier(crowd)
		h.link = func(ctx context.Context, scope store.Scope) (store.Connection, error) {
			c, err := h.Store.Connection(ctx, scope)
			if ctx.Value(inside{}) != nil && reads.Add(1) <= crowd {
				wait()
			}
			return c, err
		}
	}},
}

// connecting changes what CreateConnection and UpdateConnection are called with.
func connecting(h *hooked, edit func(ctx context.Context, c *store.Connection, tokens []store.Token, limit *int) error) {
	h.connect = func(ctx context.Context, c store.Connection, tokens []store.Token, limit int) error {
		tokens = slices.Clone(tokens)
		if err := edit(ctx, &c, tokens, &limit); err != nil {
			return err
		}
		return h.Store.CreateConnection(ctx, c, tokens, limit)
	}
	h.reconnect = func(ctx context.Context, c store.Connection, tokens []store.Token, limit int) error {
		tokens = slices.Clone(tokens)
		if err := edit(ctx, &c, tokens, &limit); err != nil {
			return err
		}
		return h.Store.UpdateConnection(ctx, c, tokens, limit)
	}
}

// countFirst counts the active connections, waits until so many have done that, and writes.
func countFirst(h *hooked) {
	var first atomic.Int64
	wait := barrier(crowd)
	connecting(h, func(ctx context.Context, c *store.Connection, _ []store.Token, limit *int) error {
		if *limit == 0 || c.Status != store.StatusActive {
			return nil
		}
		list, err := h.Store.Connections(ctx, c.Tenant)
		if err != nil {
			return err
		}
		if first.Add(1) <= crowd {
			wait()
		}
		active := slices.DeleteFunc(list, func(x store.Connection) bool { return x.Status != store.StatusActive })
		if len(active) >= *limit {
			return store.ErrLimit
		}
		*limit = 0
		return nil
	})
}

// compareFirst compares the revision, waits until so many have done that, and writes over whatever there is.
func compareFirst(h *hooked) {
	var first atomic.Int64
	wait := barrier(crowd)
	h.reconnect = func(ctx context.Context, c store.Connection, tokens []store.Token, limit int) error {
		before, err := h.Store.Connection(ctx, c.Scope())
		if err != nil {
			return err
		}
		if before.Revision != c.Revision {
			return store.ErrVersion
		}
		if first.Add(1) <= crowd {
			wait()
		}
		return h.Store.InTx(ctx, func(ctx context.Context) error {
			now, err := h.Store.Connection(ctx, c.Scope())
			if err != nil {
				return err
			}
			c.Revision = now.Revision
			return h.Store.UpdateConnection(ctx, c, tokens, limit)
		})
	}
}

var tokenMutants = []mutant{
	{"falls back to the digest", []string{"Tokens/are found"}, func(h *hooked) {
		h.find = func(ctx context.Context, id string, digest store.Digest) (store.Token, store.Connection, error) {
			token, connection, err := h.Store.FindToken(ctx, id, digest)
			if err != nil {
				return h.Store.FindToken(ctx, "", digest)
			}
			return token, connection, nil
		}
	}},
	{"finds no revoked tokens", []string{"Tokens/are found"}, func(h *hooked) {
		h.find = func(ctx context.Context, id string, digest store.Digest) (store.Token, store.Connection, error) {
			token, connection, err := h.Store.FindToken(ctx, id, digest)
			if !token.RevokedAt.IsZero() {
				return store.Token{}, store.Connection{}, store.ErrNotFound
			}
			return token, connection, err
		}
	}},
	{"keeps seconds of tokens", []string{"Tokens/times", "Tokens/are found"}, func(h *hooked) {
		connecting(h, func(_ context.Context, _ *store.Connection, tokens []store.Token, _ *int) error {
			for i := range tokens {
				tokens[i].ExpiresAt = tokens[i].ExpiresAt.Truncate(time.Second)
			}
			return nil
		})
	}},
	{"answers with local times of tokens", []string{"Tokens/times"}, func(h *hooked) {
		listed(h, func(t *store.Token) { t.CreatedAt = t.CreatedAt.In(time.FixedZone("local", 3600)) })
	}},
	{"orders tokens by id", []string{"Tokens/are listed"}, func(h *hooked) {
		h.tokens = func(ctx context.Context, ids ...string) ([]store.Token, error) {
			list, err := h.Store.Tokens(ctx, ids...)
			slices.SortFunc(list, func(a, b store.Token) int { return strings.Compare(a.ID, b.ID) })
			return list, err
		}
	}},
	{"orders tokens by connection", []string{"Tokens/are listed"}, func(h *hooked) {
		h.tokens = func(ctx context.Context, ids ...string) (all []store.Token, err error) {
			for _, id := range slices.Compact(sorted(ids)) {
				list, one := h.Store.Tokens(ctx, id)
				all, err = append(all, list...), errors.Join(err, one)
			}
			return all, err
		}
	}},
	{"lists valid tokens", []string{"Tokens/are listed"}, func(h *hooked) {
		h.tokens = func(ctx context.Context, ids ...string) ([]store.Token, error) {
			list, err := h.Store.Tokens(ctx, ids...)
			return slices.DeleteFunc(list, func(t store.Token) bool { return !t.RevokedAt.IsZero() }), err
		}
	}},
	{"replaces tokens", []string{"Tokens/change"}, func(h *hooked) {
		var last sync.Map
		connecting(h, func(_ context.Context, _ *store.Connection, tokens []store.Token, _ *int) error {
			for _, t := range tokens {
				last.Store(t.ID, t.LastFour)
			}
			return nil
		})
		listed(h, func(t *store.Token) {
			if four, ok := last.Load(t.ID); ok {
				t.LastFour = four.(string)
			}
		})
	}},
	{"takes no revocation back", []string{"Tokens/change"}, func(h *hooked) {
		h.reconnect = func(ctx context.Context, c store.Connection, tokens []store.Token, limit int) error {
			tokens = slices.Clone(tokens)
			for i, t := range tokens {
				if before, _, err := h.Store.FindToken(ctx, t.ID, store.Digest{}); err == nil && t.RevokedAt.IsZero() {
					tokens[i].RevokedAt = before.RevokedAt
				}
			}
			return h.Store.UpdateConnection(ctx, c, tokens, limit)
		}
	}},
	{"moves the use of tokens back", []string{"Tokens/are used"}, func(h *hooked) {
		var last sync.Map
		h.use = func(_ context.Context, used map[string]time.Time) error {
			for id, at := range used {
				last.Store(id, at)
			}
			return nil
		}
		listed(h, func(t *store.Token) {
			if at, ok := last.Load(t.ID); ok {
				t.LastUsedAt = at.(time.Time)
			}
		})
	}},
	{"knows every token that is used", []string{"Tokens/are used"}, func(h *hooked) {
		h.use = func(ctx context.Context, used map[string]time.Time) error {
			for id := range used {
				if _, _, err := h.Store.FindToken(ctx, id, store.Digest{}); err != nil {
					return err
				}
			}
			return h.Store.UseTokens(ctx, used)
		}
	}},
	{"forgets tokens that end at that moment", []string{"Tokens/are forgotten"}, func(h *hooked) {
		h.forgetTokens = func(ctx context.Context, before time.Time) error {
			return h.Store.ForgetTokens(ctx, before.Add(time.Microsecond))
		}
	}},
}

// listed changes the tokens that are handed out.
func listed(h *hooked, edit func(*store.Token)) {
	h.tokens = func(ctx context.Context, ids ...string) ([]store.Token, error) {
		list, err := h.Store.Tokens(ctx, ids...)
		for i := range list {
			edit(&list[i])
		}
		return list, err
	}
	h.find = func(ctx context.Context, id string, digest store.Digest) (store.Token, store.Connection, error) {
		token, connection, err := h.Store.FindToken(ctx, id, digest)
		edit(&token)
		return token, connection, err
	}
}

var journalMutants = []mutant{
	{"keeps no ignored attributes", []string{"Journal/entries are kept"}, func(h *hooked) {
		noting(h, func(e *store.JournalEntry) { e.Ignored = nil })
	}},
	{"keeps milliseconds of the journal", []string{"Journal/entries are kept"}, func(h *hooked) {
		noting(h, func(e *store.JournalEntry) { e.Time = e.Time.Truncate(time.Millisecond) })
	}},
	{"has one journal", []string{"Journal/entries are kept", "Journal/pages", "Journal/is trimmed"}, func(h *hooked) {
		noting(h, func(e *store.JournalEntry) { e.Connection = "any" })
		h.journal = func(ctx context.Context, _ string, query store.JournalQuery) (store.JournalPage, error) {
			return h.Store.Journal(ctx, "any", query)
		}
	}},
	{"orders the journal by time", []string{"Journal/the last entry comes first"}, func(h *hooked) {
		numbered(h, func(list []store.JournalEntry, _ *bool) []store.JournalEntry {
			slices.SortStableFunc(list, func(a, b store.JournalEntry) int { return b.Time.Compare(a.Time) })
			return list
		})
	}},
	{"has one page of the journal", []string{"Journal/pages"}, func(h *hooked) {
		h.journal = func(ctx context.Context, connection string, query store.JournalQuery) (store.JournalPage, error) {
			page, err := h.Store.Journal(ctx, connection, query)
			page.Next = ""
			return page, err
		}
	}},
	{"pages the journal by number", []string{"Journal/pages while entries come"}, func(h *hooked) {
		numbered(h, failing(store.JournalEntry.Failed))
	}},
	{"takes errors of clients for success", []string{"Journal/failures"}, func(h *hooked) {
		numbered(h, failing(func(e store.JournalEntry) bool { return e.Status < 100 || e.Status >= 500 }))
	}},
	{"takes what has no status for success", []string{"Journal/failures"}, func(h *hooked) {
		numbered(h, failing(func(e store.JournalEntry) bool { return e.Status >= 400 }))
	}},
	{"shows failures only", []string{"Journal/failures"}, func(h *hooked) {
		numbered(h, func(list []store.JournalEntry, failed *bool) []store.JournalEntry {
			yes := true
			if failed != nil {
				failed = &yes
			}
			return failing(store.JournalEntry.Failed)(list, failed)
		})
	}},
	{"takes any cursor", []string{"Journal/cursors that are none"}, func(h *hooked) {
		h.journal = func(ctx context.Context, connection string, query store.JournalQuery) (store.JournalPage, error) {
			page, err := h.Store.Journal(ctx, connection, query)
			if errors.Is(err, store.ErrCursor) {
				return store.JournalPage{}, nil
			}
			return page, err
		}
	}},
	{"keeps the caller's entries", []string{"Journal/what was passed in or returned may be changed"}, func(h *hooked) {
		var kept []store.JournalEntry
		h.note = func(_ context.Context, entries []store.JournalEntry) error {
			kept = entries
			return nil
		}
		h.journal = func(context.Context, string, store.JournalQuery) (store.JournalPage, error) {
			return store.JournalPage{Entries: backward(kept)}, nil
		}
	}},
	{"hands out the rules that it keeps", []string{"Journal/what was passed in or returned may be changed"}, func(h *hooked) {
		var kept sync.Map
		h.journal = func(ctx context.Context, connection string, query store.JournalQuery) (store.JournalPage, error) {
			page, err := h.Store.Journal(ctx, connection, query)
			for i, e := range page.Entries {
				rules, _ := kept.LoadOrStore(e.RequestID, e.Rules)
				page.Entries[i].Rules = rules.([]string)
			}
			return page, err
		}
	}},
	{"keeps one entry more", []string{"Journal/is trimmed"}, func(h *hooked) {
		h.trim = func(ctx context.Context, connection string, keep int) error {
			return h.Store.TrimJournal(ctx, connection, keep+1)
		}
	}},
	{"expires what is from that moment", []string{"Journal/expires"}, func(h *hooked) {
		h.expire = func(ctx context.Context, before time.Time) error {
			return h.Store.ExpireJournal(ctx, before.Add(time.Microsecond))
		}
	}},
	{"expires nothing", []string{"Journal/expires"}, func(h *hooked) {
		h.expire = func(context.Context, time.Time) error { return nil }
	}},
	{"loses entries that come at once", []string{"Journal/entries come at once"}, lostEntries},
}

// noting changes entries before they are kept.
func noting(h *hooked, edit func(*store.JournalEntry)) {
	h.note = func(ctx context.Context, entries []store.JournalEntry) error {
		entries = slices.Clone(entries)
		for i := range entries {
			edit(&entries[i])
		}
		return h.Store.AppendJournal(ctx, entries)
	}
}

// failing selects entries by what it takes for a failure.
func failing(failed func(store.JournalEntry) bool) func([]store.JournalEntry, *bool) []store.JournalEntry {
	return func(list []store.JournalEntry, want *bool) []store.JournalEntry {
		return slices.DeleteFunc(list, func(e store.JournalEntry) bool { return want != nil && failed(e) != *want })
	}
}

// numbered pages a journal by the number of entries to skip.
func numbered(h *hooked, of func(all []store.JournalEntry, failed *bool) []store.JournalEntry) {
	h.journal = func(ctx context.Context, connection string, query store.JournalQuery) (page store.JournalPage, err error) {
		skip := len(query.After)
		all, err := h.Store.Journal(ctx, connection, store.JournalQuery{Limit: everything})
		if err != nil {
			return page, err
		}
		list := of(all.Entries, query.Failed)
		rest := list[min(skip, len(list)):]
		page.Entries = rest[:min(query.Limit, len(rest))]
		if len(rest) > query.Limit {
			page.Next = strings.Repeat("x", skip+query.Limit)
		}
		return page, nil
	}
}

// lostEntries reads the journal, waits until so many have read it, and writes it as a whole.
func lostEntries(h *hooked) {
	wait := barrier(crowd)
	var mu sync.Mutex
	var kept []store.JournalEntry
	h.note = func(_ context.Context, entries []store.JournalEntry) error {
		mu.Lock()
		before := kept
		mu.Unlock()
		wait()
		mu.Lock()
		defer mu.Unlock()
		kept = slices.Concat(before, entries)
		return nil
	}
	h.journal = func(context.Context, string, store.JournalQuery) (store.JournalPage, error) {
		return store.JournalPage{Entries: backward(kept)}, nil
	}
}

var purgeMutants = []mutant{
	{"purges nothing", []string{"Purge/removes everything of a scope", "Transactions/with a purge"}, func(h *hooked) {
		h.purge = func(context.Context, store.Scope, int) (bool, error) { return false, nil }
	}},
	{"says that something was purged", []string{"Purge/in rounds"}, func(h *hooked) {
		h.purge = func(context.Context, store.Scope, int) (bool, error) { return true, nil }
	}},
	{"keeps the unique values of what was purged", []string{"Purge/removes everything of a scope"}, func(h *hooked) {
		holding(h, func(scope store.Scope, typ string, key store.Key) string { return fmt.Sprint(scope, typ, key) })
	}},
	{"purges users", []string{"Purge/removes groups and their members"}, func(h *hooked) {
		h.purge = func(ctx context.Context, scope store.Scope, limit int) (bool, error) {
			return h.purgeSome(ctx, scope, "User", limit)
		}
	}},
	{"stops when a round is full", []string{"Purge/in rounds", "Purge/removes everything of a scope"}, func(h *hooked) {
		h.purge = func(ctx context.Context, scope store.Scope, limit int) (bool, error) {
			_, users := h.purgeSome(ctx, scope, "User", limit)
			_, groups := h.purgeSome(ctx, scope, "Group", limit)
			return false, errors.Join(users, groups)
		}
	}},
	{"purges what exists", []string{"Purge/of nothing"}, func(h *hooked) {
		h.purge = func(ctx context.Context, scope store.Scope, limit int) (bool, error) {
			users, err := h.Store.List(ctx, scope, store.Query{Type: "User", Start: 1})
			groups, other := h.Store.List(ctx, scope, store.Query{Type: "Group", Start: 1})
			if err = errors.Join(err, other); err == nil && users.Total+groups.Total == 0 {
				err = store.ErrNotFound
			}
			if err != nil {
				return false, err
			}
			return h.Store.Purge(ctx, scope, limit)
		}
	}},
	{"purges a connection of every tenant", []string{"Purge/of other scopes removes nothing"}, func(h *hooked) {
		alike(h, func(a, b store.Scope) bool { return a.Connection == b.Connection })
	}},
	{"purges a tenant", []string{"Purge/of other scopes removes nothing"}, func(h *hooked) {
		alike(h, func(a, b store.Scope) bool { return a.Tenant == b.Tenant })
	}},
	{"has one purge at a time", []string{"Purge/by many at once"}, func(h *hooked) {
		var calls atomic.Int64
		h.purge = func(ctx context.Context, scope store.Scope, limit int) (bool, error) {
			if calls.Add(1) == 2 {
				return false, errLock
			}
			return h.Store.Purge(ctx, scope, limit)
		}
	}},
	{"leaves the purge to others", []string{"Purge/by many at once"}, func(h *hooked) {
		// The first one to come goes on when somebody was told that nothing is left, and has looked.
		var calls atomic.Int64
		var once sync.Once
		looked := make(chan struct{})
		h.purge = func(ctx context.Context, scope store.Scope, limit int) (bool, error) {
			page, err := h.Store.List(ctx, scope, store.Query{Type: "User", Start: 1})
			switch {
			case err != nil || page.Total == 0: // the suite finds out what the store can do
				return false, err
			case calls.Add(1) > 1:
				return false, nil
			}
			<-looked
			return h.Store.Purge(ctx, scope, limit)
		}
		h.list = func(ctx context.Context, scope store.Scope, query store.Query) (store.Page, error) {
			defer once.Do(func() { close(looked) })
			return h.Store.List(ctx, scope, query)
		}
	}},
}

// purgeSome deletes resources of a type, up to a limit.
func (h *hooked) purgeSome(ctx context.Context, scope store.Scope, typ string, limit int) (more bool, err error) {
	page, err := h.Store.List(ctx, scope, store.Query{Type: typ, Start: 1, Count: max(limit, 1)})
	for _, r := range page.Resources {
		if _, err := h.Store.Delete(ctx, scope, r.Ref, store.Write{At: start}); err != nil {
			return false, err
		}
	}
	return len(page.Resources) > 0, err
}

// alike purges every scope that is taken for the same.
func alike(h *hooked, same func(a, b store.Scope) bool) {
	var scopes sync.Map
	h.create = func(ctx context.Context, scope store.Scope, draft store.Draft) (store.Applied, error) {
		scopes.Store(scope, true)
		return h.Store.Create(ctx, scope, draft)
	}
	h.purge = func(ctx context.Context, scope store.Scope, limit int) (more bool, err error) {
		scopes.Range(func(other, _ any) bool {
			if same(scope, other.(store.Scope)) {
				_, err = h.Store.Purge(ctx, other.(store.Scope), limit)
			}
			return err == nil
		})
		return false, err
	}
}
