package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// provider is an identity provider: its stages, in the order in which it goes through them.
type provider interface {
	name() string
	connect(ctx context.Context) // what it does when an administrator saves or tests the connection
	stages() []stage
	cleanUp(ctx context.Context)
	leaves() string // what stays on the server behind a clean-up, for people; empty if nothing does
}

// stage is a part of a run. Its steps may overlap, those of two stages never do.
type stage struct {
	name string
	run  func(context.Context)
}

// session is one run: the directory as the provider knows it, and the way to the server.
type session struct {
	client   *client
	report   *report
	progress *progress
	random   *rand.Rand // not for concurrent use: stages draw before they send
	parallel int
	people   []*person
	groups   []*group
}

func newSession(o options, p program) *session {
	s := &session{
		report:   newReport(o.token),
		progress: &progress{w: p.stderr, bar: p.bar},
		random:   rand.New(rand.NewPCG(o.seed, 0)), //nolint:gosec // invented people, which a seed must bring back
		parallel: o.parallel,
	}
	s.client = newClient(o, p.transport, s.report)
	s.people, s.groups = invent(s.random, o)
	return s
}

var (
	errUnreachable = errors.New("the server cannot be reached")
	errTest        = errors.New("the connection test failed: a provider would not start")
	errInterrupted = errors.New("interrupted")
)

// cleanUpTime is what an interrupted run may still spend.
const cleanUpTime = time.Minute

// provision goes through all stages. Mismatches are no error, they are in the report.
func (s *session) provision(ctx context.Context, idp provider, keep bool) error {
	s.stage(ctx, stage{"connection test", func(ctx context.Context) {
		s.each(ctx, 1, func(int) { idp.connect(ctx) })
	}})
	switch {
	case s.client.gone():
		return errUnreachable
	case ctx.Err() != nil:
		return errInterrupted
	case s.report.mismatches() > 0:
		return errTest
	}
	for _, st := range idp.stages() {
		if ctx.Err() == nil && !s.client.gone() {
			s.stage(ctx, st)
		}
	}
	interrupted := ctx.Err() != nil
	if interrupted {
		after, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
		defer cancel()
		ctx = after
	}
	if !keep && !s.client.gone() {
		s.stage(ctx, stage{"clean-up", idp.cleanUp})
	}
	switch {
	case s.client.gone():
		return errUnreachable
	case interrupted:
		return errInterrupted
	default:
		return nil
	}
}

func (s *session) stage(ctx context.Context, st stage) {
	s.report.enter(st.name)
	s.progress.begin(st.name)
	st.run(ctx)
	s.progress.end()
}

// each calls f for every i below n, up to s.parallel at a time, until the run is over.
func (s *session) each(ctx context.Context, n int, f func(i int)) {
	s.progress.expect(n)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(s.parallel, n) {
		workers.Go(func() {
			for ctx.Err() == nil && !s.client.gone() {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				f(i)
				s.progress.step()
			}
		})
	}
	workers.Wait()
}

// eachPerson calls f for every person that is on the server and that pick takes.
func (s *session) eachPerson(ctx context.Context, pick func(i int) bool, f func(i int, p *person)) {
	var chosen []int
	for i, p := range s.people {
		if p.id != "" && pick(i) {
			chosen = append(chosen, i)
		}
	}
	s.each(ctx, len(chosen), func(n int) { f(chosen[n], s.people[chosen[n]]) })
}

// eachGroup calls f for every group that is on the server.
func (s *session) eachGroup(ctx context.Context, f func(i int, g *group)) {
	var chosen []int
	for i, g := range s.groups {
		if g.id != "" {
			chosen = append(chosen, i)
		}
	}
	s.each(ctx, len(chosen), func(n int) { f(chosen[n], s.groups[chosen[n]]) })
}

// Who goes through what, by position. Of those who leave, a half returns, a quarter is deleted, and an eighth is hired again after
// that. Managers stay for good.
func everybody(int) bool     { return true }
func isManager(i int) bool   { return i%8 == 1 }
func isTwice(i int) bool     { return i%25 == 0 } // whose creation is sent again
func isLeaver(i int) bool    { return i%4 == 0 }
func isReturner(i int) bool  { return i%8 == 0 }
func isDeleted(i int) bool   { return i%16 == 4 }
func isRehired(i int) bool   { return i%32 == 4 }
func hasNewLogin(i int) bool { return i%10 == 7 } // whose password is synchronised

// managers draws for most people the id of a manager, who is on the server; nothing for the rest.
func (s *session) managers() []string {
	var candidates []*person
	for i, p := range s.people {
		if isManager(i) && p.id != "" {
			candidates = append(candidates, p)
		}
	}
	drawn := make([]string, len(s.people))
	for i, p := range s.people {
		if len(candidates) == 0 || s.random.IntN(4) == 0 {
			continue
		}
		if manager := pick(s.random, candidates); manager != p {
			drawn[i] = manager.id
		}
	}
	return drawn
}

// joiners draws for each group up to five people who are not in it.
func (s *session) joiners() [][]*person {
	drawn := make([][]*person, len(s.groups))
	for i, g := range s.groups {
		members := map[*person]bool{}
		for _, p := range g.members {
			members[p] = true
		}
		for range 20 {
			if p := pick(s.random, s.people); p.id != "" && !members[p] && len(drawn[i]) < 5 {
				members[p] = true
				drawn[i] = append(drawn[i], p)
			}
		}
	}
	return drawn
}

// leavers are a quarter of a group.
func (s *session) leavers(g *group) (list []*person) {
	for i, p := range g.members {
		if i%4 == 1 {
			list = append(list, p)
		}
	}
	return list
}

// forgetDeleted takes people who are no longer on the server out of their groups.
func (s *session) forgetDeleted() {
	for _, g := range s.groups {
		g.members = onServer(g.members)
	}
}

func onServer(people []*person) (list []*person) {
	for _, p := range people {
		if p.id != "" {
			list = append(list, p)
		}
	}
	return list
}

// without returns people except those in gone.
func without(people, gone []*person) []*person {
	drop := make(map[*person]bool, len(gone))
	for _, p := range gone {
		drop[p] = true
	}
	return slices.DeleteFunc(slices.Clone(people), func(p *person) bool { return drop[p] })
}
