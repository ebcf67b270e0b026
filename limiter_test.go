package scim_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
)

// dial is a clock that shows what it was set to.
type dial struct{ at time.Time }

func newDial() *dial { return &dial{time.Date(2026, 3, 14, 9, 0, 0, 0, time.UTC)} }

// limited sets a server up with that clock, and with a rate for each connection.
func limited(d *dial, perSecond int) func(*setup) {
	return func(c *setup) {
		c.config.Now = func() time.Time { return d.at }
		c.config.RateLimiter = scim.NewTokenBucket(perSecond)
	}
}

// wait is what a 429 tells its client to wait.
func (a *response) wait() time.Duration {
	a.t.Helper()
	a.fails(429, "")
	seconds, err := strconv.Atoi(a.header.Get("Retry-After"))
	require.NoError(a.t, err)
	require.Positive(a.t, seconds)
	return time.Duration(seconds) * time.Second
}

// worker is one of the threads of an identity provider.
type worker struct {
	next  time.Time // when it sends its next request
	done  int       // requests that were answered
	tries int       // of the request that it is at
}

// An identity provider that works in parallel, and waits as long as it is told, gets everything done, in about the time that its rate
// allows: what was refused costs nothing. Another connection does not notice.
func TestClientsThatWaitGetEverythingDone(t *testing.T) {
	t.Parallel()
	const perSecond, workers, each = 4, 10, 6
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			d := newDial()
			s := newServer(t, func(c *setup) { c.config.Store = b.open(t) }, limited(d, perSecond))
			start := d.at
			crew := make([]*worker, workers)
			for i := range crew {
				crew[i] = &worker{next: start}
			}
			order := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // who of those that wake up comes first is no secret
			for n := 0; len(crew) > 0; n++ {
				order.Shuffle(len(crew), func(i, j int) { crew[i], crew[j] = crew[j], crew[i] })
				w := slices.MinFunc(crew, func(a, b *worker) int { return a.next.Compare(b.next) })
				if w.next.After(d.at) {
					d.at = w.next
					s.as(tokenB).get("/Users?count=0")
				}
				a := s.do("POST", "/Users", user(fmt.Sprint("user-", n)))
				if a.status == 429 {
					w.next = w.next.Add(a.wait())
					w.tries++
					require.Less(t, w.tries, 3*workers*each/perSecond, "a request starves")
					continue
				}
				a.is(201)
				w.tries = 0
				if w.done++; w.done == each {
					crew = slices.DeleteFunc(crew, func(other *worker) bool { return other == w })
				}
			}
			ideal := workers * each / perSecond * time.Second
			require.LessOrEqual(t, d.at.Sub(start), ideal+2*time.Second)
			d.at = d.at.Add(time.Minute)
			require.EqualValues(t, workers*each, s.get("/Users?count=0").at("totalResults"))
			covers(t, "R-06")
		})
	}
}

// What is refused costs nothing, even if many are refused at the same time.
func TestRefusalsInParallelCostNothing(t *testing.T) {
	t.Parallel()
	at := newDial().at
	b := scim.NewTokenBucket(1)
	for range 2 {
		_, ok := b.Allow("a", at)
		require.True(t, ok)
	}
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 30_000 {
				b.Allow("a", at)
			}
		})
	}
	all.Wait()
	wait, ok := b.Allow("a", at)
	require.False(t, ok)
	require.Equal(t, time.Second, wait)
	_, ok = b.Allow("a", at.Add(wait))
	require.True(t, ok)
	covers(t, "R-06")
}

// Requests that began earlier may be counted later, since their tokens took longer to verify. That turns no time back, which would
// count it twice.
func TestRequestsOutOfOrderCountTimeOnce(t *testing.T) {
	t.Parallel()
	const perSecond = 100
	b := scim.NewTokenBucket(perSecond)
	at, passed := newDial().at, 0
	for range 10_000 {
		for _, late := range []time.Duration{200 * time.Millisecond, 0, 7 * time.Millisecond} {
			if _, ok := b.Allow("a", at.Add(-late)); ok {
				passed++
			}
		}
	}
	require.InDelta(t, 2*perSecond, passed, perSecond/4)
	covers(t, "R-05")
}

// A clock that is set forward or back locks no connection out, and gives it no more than one burst.
func TestClocksThatJumpLockNobodyOut(t *testing.T) {
	t.Parallel()
	const perSecond = 2
	for name, jumps := range map[string][]time.Duration{
		"forward":        {time.Hour, time.Hour, time.Hour},
		"back":           {-time.Hour, -time.Hour, -time.Hour},
		"to and fro":     {time.Hour, -time.Hour, time.Hour, -time.Hour},
		"a little":       {-time.Second, time.Second, -500 * time.Millisecond, -time.Second, -time.Second},
		"days and hours": {-24 * time.Hour, time.Hour, -time.Hour, 48 * time.Hour, -time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDial()
			s := newServer(t, limited(d, perSecond))
			exhaust := func() (passed int, wait time.Duration) {
				t.Helper()
				for {
					a := s.do("GET", "/Users?count=0", nil)
					if a.status != 200 {
						return passed, a.wait()
					}
					passed++
					require.LessOrEqual(t, passed, 2*perSecond, "more than a burst")
				}
			}
			passed, _ := exhaust()
			require.Equal(t, 2*perSecond, passed)
			for _, jump := range jumps {
				d.at = d.at.Add(jump)
				_, wait := exhaust()
				require.LessOrEqual(t, wait, 3*time.Second)
				d.at = d.at.Add(wait)
				s.get("/Users?count=0")
				d.at = d.at.Add(time.Minute)
				passed, _ = exhaust()
				require.Equal(t, 2*perSecond, passed, "the bucket fills again")
			}
			covers(t, "R-07")
		})
	}
}
