package scim

import (
	"sync"
	"time"
)

// RateLimiter decides before a request's body is read whether its connection may go on. It must be safe for concurrent use.
type RateLimiter interface {
	// Allow takes one request of a connection into account. ok false makes it a 429 whose Retry-After is wait, rounded up to
	// whole seconds and at least one. Requests that are handled at the same time may come with times a little out of order.
	Allow(connection string, now time.Time) (wait time.Duration, ok bool)
}

// DefaultRate is the number of requests per second that a connection may send, averaged, unless Config.RateLimiter says otherwise.
// Microsoft Entra ID asks for at least 25 (ENTRA-73).
const DefaultRate = 100

// maxBuckets bounds the connections that a TokenBucket remembers.
const maxBuckets = 10_000

// disorder is how far times may be out of order without being taken for a clock that was set back.
const disorder = time.Second

// TokenBucket is a RateLimiter with a bucket per connection, in this process: n requests per second and bursts of 2n. It remembers
// at most 10 000 connections; beyond that, those idle for long enough to have a full bucket are forgotten, then others.
type TokenBucket struct {
	each time.Duration // what one request takes out of a bucket, as the time that puts it back
	size time.Duration // what a full bucket holds

	mu   sync.Mutex
	full map[string]time.Time // when a connection's bucket will be full again
}

// NewTokenBucket returns a TokenBucket for perSecond requests, at least 1.
func NewTokenBucket(perSecond int) *TokenBucket {
	perSecond = max(perSecond, 1)
	each := time.Second / time.Duration(perSecond)
	return &TokenBucket{each: each, size: 2 * time.Duration(perSecond) * each, full: make(map[string]time.Time)}
}

// Allow implements RateLimiter. A request that is refused takes nothing.
func (b *TokenBucket) Allow(connection string, now time.Time) (time.Duration, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	full, known := b.full[connection]
	if !known && len(b.full) >= maxBuckets {
		b.forget(now)
	}
	switch missing := full.Sub(now); {
	case missing < 0:
		full = now
	case missing > b.size+disorder: // more than a bucket holds: the clock was set back
		full = now.Add(b.size)
	}
	wait := full.Sub(now) + b.each - b.size
	if wait <= 0 {
		full = full.Add(b.each)
	}
	b.full[connection] = full
	return max(wait, 0), wait <= 0
}

// forget makes room: full buckets are as good as new ones; if they are less than half, others go as well.
func (b *TokenBucket) forget(now time.Time) {
	for connection, full := range b.full {
		if !full.After(now) {
			delete(b.full, connection)
		}
	}
	for connection := range b.full {
		if len(b.full) <= maxBuckets/2 {
			return
		}
		delete(b.full, connection)
	}
}

// Unlimited is a RateLimiter that never refuses.
var Unlimited RateLimiter = unlimited{}

type unlimited struct{}

func (unlimited) Allow(string, time.Time) (time.Duration, bool) { return 0, true }
