package scim_test

import (
	"context"
	"fmt"
	"maps"
	"math"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/store"
)

// What becomes of a connection that was deleted.

// VerifyToken implements scim.TokenVerifier.
func (g *gate) VerifyToken(ctx context.Context, text string) (scim.Credential, error) {
	credential, err := g.TokenVerifier.VerifyToken(ctx, text)
	if hold, held := ctx.Value(held{}).(func()); held {
		hold()
	}
	return credential, err
}

// held is the key of what a request calls between its authentication and its work.
type held struct{}

// furnish fills a connection with all that there can be of it, with a word in it, and stores what waits to be.
func (l *link) furnish(word string) (users []string, group string) {
	t := l.e.t
	t.Helper()
	l.issue(0, "for the directory")
	gone, _ := l.issue(0, "for nobody")
	l.manage(0, "DELETE", "/tokens/"+gone, "").decode(t, 200)
	l.rotate(0)
	for n := range 3 {
		made := l.e.scim(0, l.token, "POST", "/Users", fmt.Sprintf(`{"schemas":["%s"],"userName":"%s-%d","externalId":"%[2]s",
			"displayName":"%[2]s","emails":[{"value":"%[2]s-%[3]d@example.test"}]}`, userURN, word, n))
		users = append(users, made.decode(t, 201)["id"].(string))
	}
	l.e.scim(0, l.token, "POST", "/Users", userText(word+"-0")).decode(t, 409)
	for _, name := range []string{word + " crew", word + " deck"} {
		made := l.e.scim(0, l.token, "POST", "/Groups", fmt.Sprintf(`{"schemas":["%s"],"displayName":"%s",
			"members":[{"value":"%s"},{"value":"%s"}]}`, groupURN, name, users[0], users[1]))
		group = made.decode(t, 201)["id"].(string)
	}
	l.e.flush()
	return users, group
}

// flush stores what processes hold back.
func (e *estate) flush() {
	e.t.Helper()
	for _, n := range e.nodes {
		require.NoError(e.t, n.connections.Flush(e.t.Context()))
	}
}

// sweep does the background work of every process.
func (e *estate) sweep() {
	e.t.Helper()
	e.flush()
	for _, n := range e.nodes {
		require.NoError(e.t, n.connections.Sweep(e.t.Context()))
	}
}

// about returns the lines of a dump that speak of a connection or of what was in it.
func (l *link) about(lines []string) (found []string) {
	for _, line := range lines {
		if strings.Contains(line, l.scope.Connection) || strings.Contains(line, "sailor") || strings.Contains(line, "tenant-a") {
			found = append(found, line)
		}
	}
	return found
}

// fewer returns the lines that come on top of those of a dump from before, and those that are missing.
func fewer(before, after []string) (more, less []string) {
	count := map[string]int{}
	for _, line := range before {
		count[line]--
	}
	for _, line := range after {
		count[line]++
	}
	for _, line := range slices.Sorted(maps.Keys(count)) {
		switch n := count[line]; {
		case n > 0:
			more = append(more, line)
		case n < 0:
			less = append(less, line)
		}
	}
	return more, less
}

// Nothing is left of a deleted connection: nothing of its directory after the next sweep, whatever a request that was under way
// added to it meanwhile, and nothing at all an hour later. Other connections keep what they have.
func TestNothingIsLeftOfADeletedConnection(t *testing.T) {
	t.Parallel()
	onEachEstate(t, func(t *testing.T, e *estate) {
		other := e.connect("tenant-b", "")
		other.furnish("captain")
		e.scim(0, other.token, "POST", "/Users", userText("only of b")).decode(t, 201)
		e.flush()
		before := e.tables()

		l := e.connect("tenant-a", `{"display_name":"The link of tenant-a"}`)
		users, group := l.furnish("sailor")
		require.NotEmpty(t, l.about(e.tables()))
		_, less := fewer(before, e.tables())
		require.Empty(t, less)

		// Four requests are authenticated, and wait until the connection has been deleted and swept.
		release := l.hold([][3]string{
			{"POST", "/Users", userText("sailor-late")},
			{"PUT", "/Users/" + users[0], userText("sailor-changed")},
			{"PATCH", "/Groups/" + group, patchText(`{"op":"add","path":"members","value":[{"value":"` + users[2] + `"}]}`)},
			{"DELETE", "/Users/" + users[1], ""},
			{"GET", "/Users", ""},
		})
		l.manage(0, "DELETE", "", "").decode(t, 200)
		e.scim(0, l.token, "GET", "/Users", "").decode(t, 401)
		for _, target := range []string{"", "/tokens", "/groups", "/journal"} {
			l.manage(0, "GET", target, "").decode(t, 404)
		}
		e.sweep()
		require.Empty(t, e.resources(l))
		statuses := release()
		require.Equal(t, []int{201, 404, 404, 404, 200}, statuses, "what was authenticated in time ends as it can")
		require.NotEmpty(t, e.resources(l), "the request that came too late has written after all")
		e.sweep()
		require.Empty(t, e.resources(l), "what came too late is still there after a sweep")

		// It is still known that there was such a connection, so that its id cannot be given to another one.
		again := store.Connection{ID: l.scope.Connection, Tenant: "tenant-a", Status: store.StatusActive, Revision: 1}
		err := e.nodes[0].store.(store.ConnectionStore).CreateConnection(t.Context(), again, nil, 0)
		require.ErrorIs(t, err, store.ErrExists)

		e.clock.advance(59 * time.Minute)
		e.sweep()
		require.NotEmpty(t, l.about(e.tables()))
		e.clock.advance(2 * time.Minute)
		e.sweep()
		more, less := fewer(before, e.tables())
		require.Empty(t, less, "something of another connection is gone")
		require.Empty(t, withoutDirectories(l.about(more)), "something of the deleted connection is left")
		require.Empty(t, withoutDirectories(more))

		ids := map[string]bool{l.scope.Connection: true}
		for range 10 {
			next := e.connect("tenant-a", "")
			require.False(t, ids[next.scope.Connection], "an id is given once")
			ids[next.scope.Connection] = true
			require.Zero(t, e.scim(0, next.token, "GET", "/Users", "").decode(t, 200)["totalResults"])
			next.manage(0, "DELETE", "", "").decode(t, 200)
		}
		e.scim(0, l.token, "GET", "/Users", "").decode(t, 401)
		require.EqualValues(t, 4, e.scim(0, other.token, "GET", "/Users", "").decode(t, 200)["totalResults"])
		covers(t, "T-14")
	}, func(_ *scim.ConnectionsConfig, c *scim.Config) { c.Verifier = &gate{} })
}

// withoutDirectories leaves out the row that keeps the number of a directory from being used again.
func withoutDirectories(lines []string) []string {
	return slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return strings.HasPrefix(line, "scim_directories ") })
}

// resources returns what is in a connection's directory, however it may be found.
func (e *estate) resources(l *link) (found []string) {
	e.t.Helper()
	if e.db == nil {
		for _, line := range e.tables() {
			if strings.Contains(line, "sailor") {
				found = append(found, line)
			}
		}
	}
	for _, typ := range []string{"User", "Group"} {
		page, err := e.nodes[0].store.List(e.t.Context(), l.scope, store.Query{Type: typ, Start: 1, Count: 10})
		require.NoError(e.t, err)
		for _, r := range page.Resources {
			found = append(found, r.ID)
		}
		require.Equal(e.t, len(page.Resources), page.Total)
	}
	if e.db == nil {
		return found
	}
	for _, table := range []string{"scim_resources", "scim_values", "scim_counts"} {
		found = append(found, e.rows(table, `SELECT t.* FROM `+table+` AS t JOIN scim_directories AS d ON d.number = t.directory
			WHERE d.connection = $1`, l.scope.Connection)...)
	}
	return append(found, e.rows("scim_members", `SELECT holder, member FROM scim_members
		WHERE holder NOT IN (SELECT number FROM scim_resources) OR member NOT IN (SELECT number FROM scim_resources)`)...)
}

// hold sends requests that are authenticated and then wait for release, which returns their statuses.
func (l *link) hold(requests [][3]string) (release func() []int) {
	gates, statuses := make(chan struct{}), make([]int, len(requests))
	var arrived, done sync.WaitGroup
	for i, q := range requests {
		arrived.Add(1)
		ctx := context.WithValue(l.e.t.Context(), held{}, func() {
			arrived.Done()
			<-gates
		})
		done.Go(func() {
			r := httptest.NewRequestWithContext(ctx, q[0], "http://internal.invalid/scim/v2"+q[1], strings.NewReader(q[2]))
			r.Header.Set("Authorization", "Bearer "+l.token)
			r.Header.Set("Content-Type", "application/scim+json")
			w := httptest.NewRecorder()
			l.e.nodes[0].handler.ServeHTTP(w, r)
			statuses[i] = w.Code
		})
	}
	arrived.Wait()
	return func() []int {
		close(gates)
		done.Wait()
		return statuses
	}
}

func patchText(operations string) string {
	return `{"schemas":["` + patchURN + `"],"Operations":[` + operations + `]}`
}

// While a connection is deleted, its requests end as they would have, or do not find any more what they work on, or are refused; from
// the answer on, all are. Whatever they did, nothing is left.
func TestDeletionUnderLoad(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, backend string
		nodes         int
	}{
		{"memstore", "memstore", 1},
		{"sqlite", "sqlite", 1}, {"sqlite, two processes", "sqlite", 2},
		{"postgresql", "postgresql", 1}, {"postgresql, three processes", "postgresql", 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := openEstate(t, c.backend, c.nodes)
			other := e.connect("tenant-b", "")
			for round := range 4 {
				l := e.connect("tenant-a", "")
				tr := newTraffic(e, l.token)
				_, named := l.issue(0, "another token")
				tr.add(named)
				tr.start(8)
				tr.everyToken(tr.now.Add(1))
				gone := worth{begin: tr.now.Add(1)}
				l.manage(round, "DELETE", "", "").decode(t, 200)
				gone.end = tr.now.Add(1)
				tr.everyToken(gone.end)
				tr.stop(30)

				history := []worth{{begin: math.MinInt64, valid: map[string]bool{l.token: true, named: true}}, gone}
				for _, s := range tr.sent {
					accepted, refused := s.verdict(history)
					where := fmt.Sprintf("%s from %d to %d, deleted from %d to %d: %d %s", s.what, s.begin, s.end, gone.begin, gone.end, s.status, s.body)
					switch s.status {
					case 401:
						require.True(t, refused, where)
					case 404:
						require.True(t, accepted && refused, where)
					default:
						require.Less(t, s.status, 300, where)
						require.True(t, accepted, where)
					}
				}
				e.sweep()
				require.Empty(t, e.resources(l))
				require.NotEmpty(t, tr.sent)
			}
			e.clock.advance(time.Hour)
			e.sweep()
			for _, line := range e.tables() {
				require.False(t, strings.Contains(line, "tenant-a") && !strings.HasPrefix(line, "scim_directories "), line)
			}
			e.scim(0, other.token, "GET", "/Users", "").decode(t, 200)
			covers(t, "T-14")
		})
	}
}
