package storetest

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/scimkit/scim/store"
)

// CreateConnection implements store.ConnectionStore.
func (s *StaleStore) CreateConnection(ctx context.Context, connection store.Connection, tokens []store.Token, limit int) error {
	tokens = slices.Clone(tokens)
	return writtenDo(ctx, s, func(ctx context.Context, target store.ConnectionStore) error {
		return target.CreateConnection(ctx, connection, tokens, limit)
	})
}

// UpdateConnection implements store.ConnectionStore.
func (s *StaleStore) UpdateConnection(ctx context.Context, connection store.Connection, tokens []store.Token, limit int) error {
	tokens = slices.Clone(tokens)
	return writtenDo(ctx, s, func(ctx context.Context, target store.ConnectionStore) error {
		return target.UpdateConnection(ctx, connection, tokens, limit)
	})
}

// Connection implements store.ConnectionStore.
func (s *StaleStore) Connection(ctx context.Context, scope store.Scope) (store.Connection, error) {
	from, err := read[store.ConnectionStore](ctx, s)
	if err != nil {
		return store.Connection{}, err
	}
	return from.Connection(ctx, scope)
}

// Connections implements store.ConnectionStore.
func (s *StaleStore) Connections(ctx context.Context, tenant string) ([]store.Connection, error) {
	from, err := read[store.ConnectionStore](ctx, s)
	if err != nil {
		return nil, err
	}
	return from.Connections(ctx, tenant)
}

// Tokens implements store.ConnectionStore.
func (s *StaleStore) Tokens(ctx context.Context, connections ...string) ([]store.Token, error) {
	from, err := read[store.ConnectionStore](ctx, s)
	if err != nil {
		return nil, err
	}
	return from.Tokens(ctx, connections...)
}

// FindToken implements store.ConnectionStore.
func (s *StaleStore) FindToken(ctx context.Context, id string, digest store.Digest) (store.Token, store.Connection, error) {
	from, err := read[store.ConnectionStore](ctx, s)
	if err != nil {
		return store.Token{}, store.Connection{}, err
	}
	return from.FindToken(ctx, id, digest)
}

// UseTokens implements store.ConnectionStore.
func (s *StaleStore) UseTokens(ctx context.Context, used map[string]time.Time) error {
	used = maps.Clone(used)
	return writtenDo(ctx, s, func(ctx context.Context, target store.ConnectionStore) error { return target.UseTokens(ctx, used) })
}

// Deleted implements store.ConnectionStore.
func (s *StaleStore) Deleted(ctx context.Context, limit int) ([]store.Connection, error) {
	from, err := read[store.ConnectionStore](ctx, s)
	if err != nil {
		return nil, err
	}
	return from.Deleted(ctx, limit)
}

// Forget implements store.ConnectionStore.
func (s *StaleStore) Forget(ctx context.Context, scope store.Scope) error {
	return writtenDo(ctx, s, func(ctx context.Context, target store.ConnectionStore) error { return target.Forget(ctx, scope) })
}

// ForgetTokens implements store.ConnectionStore.
func (s *StaleStore) ForgetTokens(ctx context.Context, before time.Time) error {
	return writtenDo(ctx, s, func(ctx context.Context, target store.ConnectionStore) error { return target.ForgetTokens(ctx, before) })
}

// Purge implements store.Purger.
func (s *StaleStore) Purge(ctx context.Context, scope store.Scope, limit int) (more bool, err error) {
	return written(ctx, s, func(ctx context.Context, target store.Purger) (bool, error) { return target.Purge(ctx, scope, limit) })
}

// AppendJournal implements store.JournalStore.
func (s *StaleStore) AppendJournal(ctx context.Context, entries []store.JournalEntry) error {
	entries = slices.Clone(entries)
	for i, e := range entries {
		entries[i].Rules, entries[i].Ignored = slices.Clone(e.Rules), slices.Clone(e.Ignored)
	}
	return writtenDo(ctx, s, func(ctx context.Context, target store.JournalStore) error { return target.AppendJournal(ctx, entries) })
}

// Journal implements store.JournalStore.
func (s *StaleStore) Journal(ctx context.Context, connection string, query store.JournalQuery) (store.JournalPage, error) {
	from, err := read[store.JournalStore](ctx, s)
	if err != nil {
		return store.JournalPage{}, err
	}
	return from.Journal(ctx, connection, query)
}

// TrimJournal implements store.JournalStore.
func (s *StaleStore) TrimJournal(ctx context.Context, connection string, keep int) error {
	return writtenDo(ctx, s, func(ctx context.Context, target store.JournalStore) error {
		return target.TrimJournal(ctx, connection, keep)
	})
}

// ExpireJournal implements store.JournalStore.
func (s *StaleStore) ExpireJournal(ctx context.Context, before time.Time) error {
	return writtenDo(ctx, s, func(ctx context.Context, target store.JournalStore) error { return target.ExpireJournal(ctx, before) })
}
