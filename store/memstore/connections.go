package memstore

import (
	"context"

	"github.com/scimkit/scim/store"
)

// connections is the library's own state.
type connections struct {
	byID     map[string]store.Connection
	byTenant map[string][]string // ids in the order of creation
	tokens   map[string]store.Token
	digests  map[store.Digest]string // token ids
}

func newConnections() connections {
	return connections{
		byID:     make(map[string]store.Connection),
		byTenant: make(map[string][]string),
		tokens:   make(map[string]store.Token),
		digests:  make(map[store.Digest]string),
	}
}

// CreateConnection implements store.ConnectionStore.
func (s *Store) CreateConnection(ctx context.Context, connection store.Connection, limit int) error {
	return s.change(ctx, func(c *connections) (undo func(), err error) {
		ids := c.byTenant[connection.Tenant]
		if _, taken := c.byID[connection.ID]; taken || limit > 0 && len(ids) >= limit {
			return nil, store.ErrExists
		}
		c.byID[connection.ID] = connection
		c.byTenant[connection.Tenant] = append(ids, connection.ID)
		return func() {
			delete(c.byID, connection.ID)
			c.byTenant[connection.Tenant] = ids
		}, nil
	})
}

// Connections implements store.ConnectionStore.
func (s *Store) Connections(ctx context.Context, tenant string) ([]store.Connection, error) {
	var list []store.Connection
	err := s.change(ctx, func(c *connections) (func(), error) {
		for _, id := range c.byTenant[tenant] {
			list = append(list, c.byID[id])
		}
		return func() {}, nil
	})
	return list, err
}

// CreateToken implements store.ConnectionStore.
func (s *Store) CreateToken(ctx context.Context, token store.Token) error {
	return s.change(ctx, func(c *connections) (undo func(), err error) {
		if _, known := c.byID[token.Connection]; !known {
			return nil, store.ErrNotFound
		}
		_, idTaken := c.tokens[token.ID]
		_, digestTaken := c.digests[token.Digest]
		if idTaken || digestTaken {
			return nil, store.ErrExists
		}
		c.tokens[token.ID] = token
		c.digests[token.Digest] = token.ID
		return func() {
			delete(c.tokens, token.ID)
			delete(c.digests, token.Digest)
		}, nil
	})
}

// FindToken implements store.ConnectionStore.
func (s *Store) FindToken(ctx context.Context, id string, digest store.Digest) (store.Token, store.Connection, error) {
	if s.joined(ctx) == nil {
		s.mu.RLock()
		defer s.mu.RUnlock()
	}
	c := &s.connections
	if id == "" {
		id = c.digests[digest]
	}
	token, ok := c.tokens[id]
	if !ok {
		return store.Token{}, store.Connection{}, store.ErrNotFound
	}
	return token, c.byID[token.Connection], nil
}

// change runs f in the transaction of ctx, or in one of its own; undo takes back what it did.
func (s *Store) change(ctx context.Context, f func(*connections) (undo func(), err error)) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		undo, err := f(&s.connections)
		if err == nil {
			t := s.joined(ctx)
			t.undo = append(t.undo, undo)
		}
		return err
	})
}
