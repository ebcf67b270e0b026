package scim_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/store/memstore"
)

// party is one of several connections of a handler, with what it has sent and heard.
type party struct {
	token   string
	at      scim.Connection
	first   int64             // the number of its first id
	made    []known           // what it has created
	letters []letter          // what it has sent
	sources map[*side]*source // by handler
	heard   map[*side][]reply // by handler, in the order of letters
}

// source is where a handler takes times and ids from while it serves one party, so that what it answers does not depend on others.
type source struct {
	clock *clock
	ids   int64
}

// newParties returns three connections, the first two of one tenant. Either they all have the same ids, or no two have one in common.
func newParties(g *generator, run int) []*party {
	shared := g.one(2)
	parties := make([]*party, 3)
	for i := range parties {
		token := fmt.Sprintf("canary-token-of-party-%d-0123456789", i)
		p := &party{token: token, sources: map[*side]*source{}, heard: map[*side][]reply{}}
		p.at = scim.Connection{
			ID: fmt.Sprintf("%s-%d", token, run), Tenant: fmt.Sprintf("tenant-%d-%d", i/2, run), Policy: g.policy(), Strict: g.one(4),
		}
		if !shared {
			p.first = int64(i) * 1_000_000
		}
		parties[i] = p
	}
	return parties
}

// ask sends a letter as a party.
func (s *side) ask(t rapid.TB, p *party, l letter) reply {
	t.Helper()
	from := p.sources[s]
	if from == nil {
		from = &source{clock: newClock(), ids: p.first}
		p.sources[s] = from
	}
	s.clock = from.clock
	s.ids.Store(from.ids)
	answer := s.send(t, l)
	from.ids = s.ids.Load()
	p.heard[s] = append(p.heard[s], answer)
	return answer
}

// aloneMark begins the names of a party's connection and tenant where it is alone, so that not even what a process has in common is
// shared.
const aloneMark = "alone-"

// alone returns a handler on an empty store for nobody but the party.
func (p *party) alone(t *testing.T) *side {
	t.Helper()
	at := p.at
	at.ID, at.Tenant = aloneMark+at.ID, aloneMark+at.Tenant
	return newSide(t, "alone", memstore.New(), func(context.Context, string) (scim.Credential, error) {
		return scim.Credential{Connection: at, TokenID: p.token}, nil
	})
}

// view is the generator for one party: what it takes for another connection's is that of the party besides.
func (g *generator) view(self, other *party) *generator {
	return &generator{T: g.T, texts: g.texts, made: map[string][]known{tokenA: self.made, tokenB: other.made}}
}

// letterOf draws a letter of a party, which may well name what is the other one's.
func (g *generator) letterOf(self, other *party) letter {
	view := g.view(self, other)
	l := view.letter()
	if len(self.letters) < 4 {
		l = view.seed()
	}
	l.token = self.token
	return l
}

// learnOf remembers what a letter of a party created.
func (g *generator) learnOf(self *party, l letter, r reply) {
	view := g.view(self, self)
	l.token = tokenA
	view.learn(l, r)
	self.made = view.made[tokenA]
}

// Whatever connections do at the same time, each gets the answers and causes the events that it would alone: letter by letter and
// byte by byte those of a handler on an empty store that nobody else uses.
func TestConnectionsDoNotHearEachOther(t *testing.T) {
	t.Parallel()
	all := newSides(t)
	rapid.Check(t, func(rt *rapid.T) {
		g := newGenerator(rt)
		all.runs++
		parties := newParties(g, all.runs)
		all.connections = map[string]scim.Connection{}
		for _, p := range parties {
			all.connections[p.token] = p.at
		}
		tell := func(p *party, l letter) {
			rt.Logf("%s: %v", p.at.ID, l)
			p.letters = append(p.letters, l)
			for n, s := range all.list {
				if r := s.ask(rt, p, l); n == 0 {
					g.learnOf(p, l, r)
				}
			}
		}
		for range rapid.IntRange(16, 28).Draw(rt, "requests") {
			self := g.number(0, len(parties)-1)
			other := (self + g.number(1, len(parties)-1)) % len(parties)
			tell(parties[self], g.letterOf(parties[self], parties[other]))
		}
		for _, p := range parties {
			for _, target := range []string{"/Users?count=8", "/Users?startIndex=9&count=8", "/Groups?count=8", "/Groups?startIndex=9&count=8"} {
				tell(p, letter{method: "GET", target: target, token: p.token})
			}
		}
		for _, p := range parties {
			alone := p.alone(t)
			for n, l := range p.letters {
				want := strings.ReplaceAll(alone.ask(rt, p, l).String(), aloneMark, "")
				for _, s := range all.list {
					if got := p.heard[s][n].String(); got != want {
						rt.Fatalf("%s, letter %d: %v\n\nalone:\n%s\n\nbeside others, %s:\n%s", p.at.ID, n, l, want, s.name, got)
					}
				}
			}
		}
	})
	covers(t, "T-13")
}
