package scim

import (
	"context"
	"sync"
	"time"

	"github.com/scimkit/scim/internal/token"
	"github.com/scimkit/scim/store"
)

// usage holds which tokens were used since that was last stored.
type usage struct {
	mu   sync.Mutex
	last map[string]time.Time
}

const (
	useStep = time.Minute // how exact LastUsedAt is
	maxUsed = 10_000      // tokens whose use is held; that of others is stored at their next one
)

// add notes that a token was used.
func (u *usage) add(t store.Token, now time.Time) {
	if now.Sub(t.LastUsedAt) < useStep {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	at, noted := u.last[t.ID]
	if noted && now.Sub(at) < useStep || !noted && len(u.last) >= maxUsed {
		return
	}
	if u.last == nil {
		u.last = make(map[string]time.Time)
	}
	u.last[t.ID] = now.UTC().Truncate(time.Microsecond)
}

// take returns what is held, and forgets it.
func (u *usage) take() map[string]time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	last := u.last
	u.last = nil
	return last
}

// giveBack holds on to what could not be stored, beside what came meanwhile.
func (u *usage) giveBack(last map[string]time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for id, at := range u.last {
		if _, noted := last[id]; noted || len(last) < maxUsed {
			last[id] = at
		}
	}
	u.last = last
}

// cache holds tokens that were found, for ConnectionsConfig.CacheFor.
type cache struct {
	mu      sync.Mutex
	changes uint64 // by this process
	found   map[store.Digest]lookup
}

type lookup struct {
	token      store.Token
	connection Connection
	at         time.Time
}

// maxFound bounds the cache.
const maxFound = 10_000

// forget empties the cache. What is being looked up at the moment does not come in any more.
func (c *cache) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	clear(c.found)
}

func (c *cache) get(digest store.Digest, now time.Time, lifetime time.Duration) (l lookup, changes uint64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l, ok = c.found[digest]
	age := now.Sub(l.at)
	return l, c.changes, ok && age >= 0 && age < lifetime
}

func (c *cache) put(l lookup, changes uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if changes != c.changes {
		return
	}
	if c.found == nil || len(c.found) >= maxFound {
		c.found = make(map[store.Digest]lookup)
	}
	c.found[l.token.Digest] = l
}

// find looks a token up, in the cache if there is one. Only tokens that exist are kept there: a wrong one is looked up every time.
func (c *Connections) find(ctx context.Context, id string, digest store.Digest) (store.Token, Connection, error) {
	if c.config.CacheFor == 0 {
		return c.config.Store.FindToken(ctx, id, digest)
	}
	now := c.config.Now()
	l, changes, ok := c.cache.get(digest, now, c.config.CacheFor)
	if ok {
		return l.token, l.connection, nil
	}
	t, connection, err := c.config.Store.FindToken(ctx, id, digest)
	if err != nil {
		return t, connection, err
	}
	if token.Match(t.Digest, digest) {
		c.cache.put(lookup{t, connection, now}, changes)
	}
	return t, connection, nil
}

// flushUsage stores which tokens were used. What cannot be stored waits on.
func (c *Connections) flushUsage(ctx context.Context) error {
	last := c.used.take()
	if len(last) == 0 {
		return nil
	}
	err := c.config.Store.UseTokens(ctx, last)
	if err != nil {
		c.used.giveBack(last)
	}
	return err
}
