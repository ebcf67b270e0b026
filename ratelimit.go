package scim

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// RateLimiter decides before a request's body is read whether its connection may go on. It must be safe for concurrent use.
type RateLimiter interface {
	// Allow takes one request of a connection into account. ok false makes it a 429 whose Retry-After is wait, rounded up to
	// whole seconds and at least one.
	Allow(connection string, now time.Time) (wait time.Duration, ok bool)
}

// DefaultRate is the number of requests per second that a connection may send, averaged, unless Config.RateLimiter says otherwise.
// Microsoft Entra ID asks for at least 25 (ENTRA-73).
const DefaultRate = 100

// maxBuckets bounds the connections that a TokenBucket remembers.
const maxBuckets = 10_000

// TokenBucket is a RateLimiter with a bucket per connection, in this process: n requests per second and bursts of 2n. It remembers
// at most 10 000 connections; beyond that, those idle for long enough to have a full bucket are forgotten, then others.
type TokenBucket struct {
	perSecond float64
	burst     int

	mu      sync.Mutex
	buckets map[string]*rate.Limiter
}

// NewTokenBucket returns a TokenBucket for perSecond requests, at least 1.
func NewTokenBucket(perSecond int) *TokenBucket {
	perSecond = max(perSecond, 1)
	return &TokenBucket{perSecond: float64(perSecond), burst: 2 * perSecond, buckets: make(map[string]*rate.Limiter)}
}

// Allow implements RateLimiter.
func (b *TokenBucket) Allow(connection string, now time.Time) (time.Duration, bool) {
	r := b.bucket(connection, now).ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait > 0 {
		r.CancelAt(now)
		return wait, false
	}
	return 0, true
}

func (b *TokenBucket) bucket(connection string, now time.Time) *rate.Limiter {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l := b.buckets[connection]; l != nil {
		return l
	}
	if len(b.buckets) >= maxBuckets {
		b.forget(now)
	}
	l := rate.NewLimiter(rate.Limit(b.perSecond), b.burst)
	b.buckets[connection] = l
	return l
}

// forget makes room: full buckets are as good as new ones; if none is full, any half of them goes.
func (b *TokenBucket) forget(now time.Time) {
	for connection, l := range b.buckets {
		if l.TokensAt(now) >= float64(b.burst) {
			delete(b.buckets, connection)
		}
	}
	for connection := range b.buckets {
		if len(b.buckets) <= maxBuckets/2 {
			return
		}
		delete(b.buckets, connection)
	}
}

// Unlimited is a RateLimiter that never refuses.
var Unlimited RateLimiter = unlimited{}

type unlimited struct{}

func (unlimited) Allow(string, time.Time) (time.Duration, bool) { return 0, true }
