package storetest

import (
	"context"
	"time"

	"github.com/scimkit/scim/store"
)

// CreateConnection implements store.ConnectionStore.
func (s *FaultStore) CreateConnection(ctx context.Context, connection store.Connection, tokens []store.Token, limit int) error {
	return faultyDo(s, func(inner store.ConnectionStore) error { return inner.CreateConnection(ctx, connection, tokens, limit) })
}

// UpdateConnection implements store.ConnectionStore.
func (s *FaultStore) UpdateConnection(ctx context.Context, connection store.Connection, tokens []store.Token, limit int) error {
	return faultyDo(s, func(inner store.ConnectionStore) error { return inner.UpdateConnection(ctx, connection, tokens, limit) })
}

// Connection implements store.ConnectionStore.
func (s *FaultStore) Connection(ctx context.Context, scope store.Scope) (store.Connection, error) {
	return faulty(s, func(inner store.ConnectionStore) (store.Connection, error) { return inner.Connection(ctx, scope) })
}

// Connections implements store.ConnectionStore.
func (s *FaultStore) Connections(ctx context.Context, tenant string) ([]store.Connection, error) {
	return faulty(s, func(inner store.ConnectionStore) ([]store.Connection, error) { return inner.Connections(ctx, tenant) })
}

// Tokens implements store.ConnectionStore.
func (s *FaultStore) Tokens(ctx context.Context, connections ...string) ([]store.Token, error) {
	return faulty(s, func(inner store.ConnectionStore) ([]store.Token, error) { return inner.Tokens(ctx, connections...) })
}

// found is the answer of FindToken.
type found struct {
	token      store.Token
	connection store.Connection
}

// FindToken implements store.ConnectionStore.
func (s *FaultStore) FindToken(ctx context.Context, id string, digest store.Digest) (store.Token, store.Connection, error) {
	f, err := faulty(s, func(inner store.ConnectionStore) (f found, err error) {
		f.token, f.connection, err = inner.FindToken(ctx, id, digest)
		return f, err
	})
	return f.token, f.connection, err
}

// UseTokens implements store.ConnectionStore.
func (s *FaultStore) UseTokens(ctx context.Context, used map[string]time.Time) error {
	return faultyDo(s, func(inner store.ConnectionStore) error { return inner.UseTokens(ctx, used) })
}

// Deleted implements store.ConnectionStore.
func (s *FaultStore) Deleted(ctx context.Context, limit int) ([]store.Connection, error) {
	return faulty(s, func(inner store.ConnectionStore) ([]store.Connection, error) { return inner.Deleted(ctx, limit) })
}

// Forget implements store.ConnectionStore.
func (s *FaultStore) Forget(ctx context.Context, scope store.Scope) error {
	return faultyDo(s, func(inner store.ConnectionStore) error { return inner.Forget(ctx, scope) })
}

// ForgetTokens implements store.ConnectionStore.
func (s *FaultStore) ForgetTokens(ctx context.Context, before time.Time) error {
	return faultyDo(s, func(inner store.ConnectionStore) error { return inner.ForgetTokens(ctx, before) })
}

// Purge implements store.Purger.
func (s *FaultStore) Purge(ctx context.Context, scope store.Scope, limit int) (more bool, err error) {
	return faulty(s, func(inner store.Purger) (bool, error) { return inner.Purge(ctx, scope, limit) })
}

// AppendJournal implements store.JournalStore.
func (s *FaultStore) AppendJournal(ctx context.Context, entries []store.JournalEntry) error {
	return faultyDo(s, func(inner store.JournalStore) error { return inner.AppendJournal(ctx, entries) })
}

// Journal implements store.JournalStore.
func (s *FaultStore) Journal(ctx context.Context, connection string, query store.JournalQuery) (store.JournalPage, error) {
	return faulty(s, func(inner store.JournalStore) (store.JournalPage, error) {
		return inner.Journal(ctx, connection, query)
	})
}

// TrimJournal implements store.JournalStore.
func (s *FaultStore) TrimJournal(ctx context.Context, connection string, keep int) error {
	return faultyDo(s, func(inner store.JournalStore) error { return inner.TrimJournal(ctx, connection, keep) })
}

// ExpireJournal implements store.JournalStore.
func (s *FaultStore) ExpireJournal(ctx context.Context, before time.Time) error {
	return faultyDo(s, func(inner store.JournalStore) error { return inner.ExpireJournal(ctx, before) })
}
