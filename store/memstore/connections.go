package memstore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/scimkit/scim/store"
)

// connections is the library's own state.
type connections struct {
	byID     map[string]store.Connection
	byTenant map[string][]string // ids in the order of creation
	tokens   map[string]token    // by id
	of       map[string][]string // token ids in the order of creation, by connection
	digests  map[store.Digest]string
	last     uint64 // number of the newest token
}

// token is a token with its place in the order of creation.
type token struct {
	number uint64
	store.Token
}

func newConnections() connections {
	return connections{
		byID:     make(map[string]store.Connection),
		byTenant: make(map[string][]string),
		tokens:   make(map[string]token),
		of:       make(map[string][]string),
		digests:  make(map[store.Digest]string),
	}
}

// find returns a connection that is not deleted.
func (c *connections) find(scope store.Scope) (store.Connection, error) {
	connection, ok := c.byID[scope.Connection]
	if !ok || connection.Tenant != scope.Tenant || connection.Status == store.StatusDeleted {
		return store.Connection{}, store.ErrNotFound
	}
	return connection, nil
}

// full reports whether a tenant has limit active connections.
func (c *connections) full(tenant string, limit int) bool {
	active := 0
	for _, id := range c.byTenant[tenant] {
		if c.byID[id].Status == store.StatusActive {
			active++
		}
	}
	return limit > 0 && active >= limit
}

// taken reports whether the id or the digest of a new token of a connection is another one's.
func (c *connections) taken(connection string, tokens []store.Token) bool {
	ids, digests := make(map[string]bool, len(tokens)), make(map[store.Digest]bool, len(tokens))
	for _, t := range tokens {
		have, known := c.tokens[t.ID]
		if known && have.Connection == connection {
			continue
		}
		if _, used := c.digests[t.Digest]; known || used || ids[t.ID] || digests[t.Digest] {
			return true
		}
		ids[t.ID], digests[t.Digest] = true, true
	}
	return false
}

// CreateConnection implements store.ConnectionStore.
func (s *Store) CreateConnection(ctx context.Context, connection store.Connection, tokens []store.Token, limit int) error {
	if err := connection.Scope().Check(); err != nil {
		return err
	}
	return s.change(ctx, func(t *tx, c *connections) error {
		_, taken := c.byID[connection.ID]
		switch {
		case taken || c.taken(connection.ID, tokens):
			return store.ErrExists
		case connection.Status == store.StatusActive && c.full(connection.Tenant, limit):
			return store.ErrLimit
		}
		connection.CreatedAt, connection.UpdatedAt = micro(connection.CreatedAt), micro(connection.UpdatedAt)
		c.byID[connection.ID] = connection
		ids := c.byTenant[connection.Tenant]
		c.byTenant[connection.Tenant] = append(ids, connection.ID)
		t.undo = append(t.undo, func() {
			delete(c.byID, connection.ID)
			setList(c.byTenant, connection.Tenant, ids)
		})
		t.putTokens(c, connection.ID, tokens)
		return nil
	})
}

// UpdateConnection implements store.ConnectionStore.
func (s *Store) UpdateConnection(ctx context.Context, connection store.Connection, tokens []store.Token, limit int) error {
	if err := connection.Scope().Check(); err != nil {
		return err
	}
	return s.change(ctx, func(t *tx, c *connections) error {
		before, err := c.find(connection.Scope())
		switch {
		case err != nil:
			return err
		case before.Revision != connection.Revision:
			return store.ErrVersion
		case c.taken(connection.ID, tokens):
			return store.ErrExists
		case connection.Status == store.StatusActive && before.Status != store.StatusActive && c.full(connection.Tenant, limit):
			return store.ErrLimit
		}
		connection.CreatedAt, connection.UpdatedAt = before.CreatedAt, micro(connection.UpdatedAt)
		connection.Revision++
		c.byID[connection.ID] = connection
		t.undo = append(t.undo, func() { c.byID[connection.ID] = before })
		t.putTokens(c, connection.ID, tokens)
		return nil
	})
}

// putTokens adds tokens of a connection that are not taken, or changes those of the same id.
func (t *tx) putTokens(c *connections, connection string, tokens []store.Token) {
	for _, next := range tokens {
		if before, known := c.tokens[next.ID]; known {
			after := before
			after.Name, after.Slot = next.Name, next.Slot
			after.ExpiresAt, after.RevokedAt = micro(next.ExpiresAt), micro(next.RevokedAt)
			c.tokens[next.ID] = after
			t.undo = append(t.undo, func() { c.tokens[next.ID] = before })
			continue
		}
		c.last++
		next.Connection = connection
		next.CreatedAt, next.ExpiresAt = micro(next.CreatedAt), micro(next.ExpiresAt)
		next.RevokedAt, next.LastUsedAt = micro(next.RevokedAt), micro(next.LastUsedAt)
		ids := c.of[connection]
		c.of[connection] = append(ids, next.ID)
		c.tokens[next.ID] = token{c.last, next}
		c.digests[next.Digest] = next.ID
		t.undo = append(t.undo, func() {
			delete(c.tokens, next.ID)
			delete(c.digests, next.Digest)
			setList(c.of, connection, ids)
		})
	}
}

// micro is a time as other stores keep it. What is zero stays so.
func micro(t time.Time) time.Time { return time.UnixMicro(t.UnixMicro()).UTC() }

// setList gives a key a list. An empty one takes no room.
func setList(lists map[string][]string, key string, list []string) {
	if len(list) == 0 {
		delete(lists, key)
		return
	}
	lists[key] = list
}

// Connection implements store.ConnectionStore.
func (s *Store) Connection(ctx context.Context, scope store.Scope) (connection store.Connection, err error) {
	err = s.look(ctx, func(c *connections) error {
		if err := scope.Check(); err != nil {
			return err
		}
		connection, err = c.find(scope)
		return err
	})
	return connection, err
}

// Connections implements store.ConnectionStore.
func (s *Store) Connections(ctx context.Context, tenant string) (list []store.Connection, err error) {
	err = s.look(ctx, func(c *connections) error {
		for _, id := range c.byTenant[tenant] {
			if connection := c.byID[id]; connection.Status != store.StatusDeleted {
				list = append(list, connection)
			}
		}
		return nil
	})
	return list, err
}

// Tokens implements store.ConnectionStore.
func (s *Store) Tokens(ctx context.Context, of ...string) (list []store.Token, err error) {
	var found []token
	err = s.look(ctx, func(c *connections) error {
		for _, connection := range of {
			if c.byID[connection].Status == store.StatusDeleted {
				continue
			}
			for _, id := range c.of[connection] {
				found = append(found, c.tokens[id])
			}
		}
		return nil
	})
	slices.SortFunc(found, func(a, b token) int { return cmp.Compare(a.number, b.number) })
	for i, t := range found {
		if i == 0 || t.number != found[i-1].number { // a connection may be asked for twice
			list = append(list, t.Token)
		}
	}
	return list, err
}

// FindToken implements store.ConnectionStore.
func (s *Store) FindToken(ctx context.Context, id string, digest store.Digest) (t store.Token, connection store.Connection, err error) {
	err = s.look(ctx, func(c *connections) error {
		if id == "" {
			id = c.digests[digest]
		}
		found, ok := c.tokens[id]
		if !ok || c.byID[found.Connection].Status == store.StatusDeleted {
			return store.ErrNotFound
		}
		t, connection = found.Token, c.byID[found.Connection]
		return nil
	})
	return t, connection, err
}

// UseTokens implements store.ConnectionStore.
func (s *Store) UseTokens(ctx context.Context, used map[string]time.Time) error {
	return s.change(ctx, func(t *tx, c *connections) error {
		for id, at := range used {
			before, known := c.tokens[id]
			if at = micro(at); !known || !at.After(before.LastUsedAt) {
				continue
			}
			after := before
			after.LastUsedAt = at
			c.tokens[id] = after
			t.undo = append(t.undo, func() { c.tokens[id] = before })
		}
		return nil
	})
}

// Deleted implements store.ConnectionStore.
func (s *Store) Deleted(ctx context.Context, limit int) (list []store.Connection, err error) {
	err = s.look(ctx, func(c *connections) error {
		for _, connection := range c.byID {
			if connection.Status == store.StatusDeleted {
				list = append(list, connection)
			}
		}
		return nil
	})
	slices.SortFunc(list, func(a, b store.Connection) int {
		return cmp.Or(a.UpdatedAt.Compare(b.UpdatedAt), cmp.Compare(a.ID, b.ID))
	})
	return list[:min(limit, len(list))], err
}

// Forget implements store.ConnectionStore.
func (s *Store) Forget(ctx context.Context, scope store.Scope) error {
	if err := scope.Check(); err != nil {
		return err
	}
	return s.change(ctx, func(t *tx, c *connections) error {
		connection, known := c.byID[scope.Connection]
		if !known || connection.Tenant != scope.Tenant || connection.Status != store.StatusDeleted {
			return nil
		}
		t.forgetTokens(c, c.of[connection.ID])
		ids := c.byTenant[connection.Tenant]
		setList(c.byTenant, connection.Tenant, slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return id == connection.ID }))
		delete(c.byID, connection.ID)
		t.undo = append(t.undo, func() {
			c.byID[connection.ID] = connection
			c.byTenant[connection.Tenant] = ids
		})
		return nil
	})
}

// ForgetTokens implements store.ConnectionStore.
func (s *Store) ForgetTokens(ctx context.Context, before time.Time) error {
	before = micro(before)
	ended := func(at time.Time) bool { return !at.IsZero() && at.Before(before) }
	return s.change(ctx, func(t *tx, c *connections) error {
		var gone []string
		for id, t := range c.tokens {
			if ended(t.RevokedAt) || ended(t.ExpiresAt) {
				gone = append(gone, id)
			}
		}
		t.forgetTokens(c, gone)
		return nil
	})
}

func (t *tx) forgetTokens(c *connections, gone []string) {
	for _, id := range gone {
		old := c.tokens[id]
		ids := c.of[old.Connection]
		delete(c.tokens, id)
		delete(c.digests, old.Digest)
		setList(c.of, old.Connection, slices.DeleteFunc(slices.Clone(ids), func(other string) bool { return other == id }))
		t.undo = append(t.undo, func() {
			c.tokens[id] = old
			c.digests[old.Digest] = id
			c.of[old.Connection] = ids
		})
	}
}

// Purge implements store.Purger: whatever limit is, everything goes at once.
func (s *Store) Purge(ctx context.Context, scope store.Scope, _ int) (more bool, err error) {
	if err := check(ctx, scope); err != nil {
		return false, err
	}
	return false, s.change(ctx, func(t *tx, _ *connections) error {
		if d := s.directories[scope]; d != nil {
			delete(s.directories, scope)
			t.undo = append(t.undo, func() { s.directories[scope] = d })
		}
		if st := s.standings[scope]; st != nil {
			delete(s.standings, scope)
			t.undo = append(t.undo, func() { s.standings[scope] = st })
		}
		return nil
	})
}

// change runs f in the transaction of ctx, or in one of its own. An error takes back what f did.
func (s *Store) change(ctx context.Context, f func(*tx, *connections) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.InTx(ctx, func(ctx context.Context) error {
		t := s.joined(ctx)
		length := len(t.undo)
		err := f(t, &s.connections)
		if err != nil {
			t.rollback(length)
		}
		return err
	})
}

// look runs f, which changes nothing.
func (s *Store) look(ctx context.Context, f func(*connections) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.joined(ctx) == nil {
		s.mu.RLock()
		defer s.mu.RUnlock()
	}
	return f(&s.connections)
}
