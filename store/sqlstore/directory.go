package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"sync"

	"github.com/scimkit/scim/store"
)

// maxCached is how many scopes the cache holds before it starts anew.
const maxCached = 100_000

// cache holds what never changes: which number a scope has.
type cache struct {
	mu      sync.RWMutex
	numbers map[store.Scope]int64
}

func (c *cache) find(scope store.Scope) (int64, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	number, ok := c.numbers[scope]
	return number, ok
}

// add takes over what a transaction has committed.
func (c *cache) add(fresh map[store.Scope]int64) {
	if len(fresh) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.numbers == nil || len(c.numbers) > maxCached {
		c.numbers = make(map[store.Scope]int64)
	}
	maps.Copy(c.numbers, fresh)
}

var (
	findDirectory = both(`SELECT number FROM scim_directories WHERE connection = ? AND tenant = ?`)
	addDirectory  = both(`INSERT INTO scim_directories (connection, tenant) VALUES (?, ?) ON CONFLICT DO NOTHING`)
)

// call is one call of the contract: statements on one directory.
type call struct {
	handle
	directory int64
}

// open checks the scope and finds its directory; 0 is one that was never written to.
func (s *Store) open(ctx context.Context, scope store.Scope) (call, error) {
	c := call{handle: s.on(ctx)}
	if err := scope.Check(); err != nil {
		return c, err
	}
	if err := ctx.Err(); err != nil {
		return c, err
	}
	if number, ok := s.directories.find(scope); ok {
		c.directory = number
		return c, nil
	}
	if c.t != nil && c.t.fresh[scope] != 0 {
		c.directory = c.t.fresh[scope]
		return c, nil
	}
	err := c.row(ctx, findDirectory, []any{scope.Connection, scope.Tenant}, &c.directory)
	if errors.Is(err, sql.ErrNoRows) {
		return c, nil
	}
	if err == nil && c.t == nil {
		s.directories.add(map[store.Scope]int64{scope: c.directory})
	}
	return c, err
}

// write runs f in the transaction of ctx, or in one of its own, on a directory that it makes if there is none.
func (s *Store) write(ctx context.Context, scope store.Scope, f func(context.Context, call) error) error {
	if err := scope.Check(); err != nil {
		return err
	}
	return s.InTx(ctx, func(ctx context.Context) error {
		c, err := s.open(ctx, scope)
		if err != nil {
			return err
		}
		if c.directory == 0 {
			if _, err := c.exec(ctx, addDirectory, scope.Connection, scope.Tenant); err != nil {
				return err
			}
			if err := c.row(ctx, findDirectory, []any{scope.Connection, scope.Tenant}, &c.directory); err != nil {
				return err
			}
			c.t.fresh[scope] = c.directory
		}
		return f(ctx, c)
	})
}
