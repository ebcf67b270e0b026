package sqlstore_test

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// deployments are the ways in which several servers share a database.
var deployments = []struct {
	name      string
	make      func(testing.TB) target
	processes int // 0: this one
}{
	{"sqlite in one process", sqliteTarget, 0},
	{"sqlite in two processes", sqliteTarget, 2},
	{"postgresql in one process", postgresTarget, 0},
	{"postgresql in three processes", postgresTarget, 3},
}

// cluster is a database and the servers that share it.
type cluster struct {
	d       target
	db      *sql.DB
	clients []client
}

// onEachDeployment runs f on every deployment. Afterwards the tables and the host's events fit together.
func onEachDeployment(t *testing.T, f func(t *testing.T, c *cluster)) {
	t.Helper()
	for _, deployment := range deployments {
		t.Run(deployment.name, func(t *testing.T) {
			t.Parallel()
			d := deployment.make(t)
			c := &cluster{d: d, db: d.open(t)}
			own := d.serve(t, c.db)
			for range deployment.processes {
				other, _ := server(t, orders{Target: d})
				c.clients = append(c.clients, other)
			}
			if deployment.processes == 0 {
				c.clients = []client{own}
			}
			f(t, c)
			checkConsistency(t, d, c.db)
			checkEvents(t, c.db)
		})
	}
}

// client returns one of the servers.
func (c *cluster) client(i int) client { return c.clients[i%len(c.clients)] }

// parallel runs n requests at once, spread over the servers, and returns their answers.
func (c *cluster) parallel(n int, f func(i int, c client) answer) []answer {
	answers := make([]answer, n)
	start := make(chan struct{})
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			<-start
			answers[i] = f(i, c.client(i))
		})
	}
	close(start)
	group.Wait()
	return answers
}

// counts tells how often which status came.
func counts(answers []answer) map[int]int {
	by := map[int]int{}
	for _, a := range answers {
		by[a.status]++
	}
	return by
}

func (c *cluster) users(t *testing.T, n int) []string {
	t.Helper()
	ids := make([]string, n)
	for i := range ids {
		ids[i] = c.client(i).user(t, fmt.Sprintf("user-%d", i)).ID
	}
	return ids
}

func TestParallelAddsLoseNothing(t *testing.T) {
	t.Parallel()
	onEachDeployment(t, func(t *testing.T, c *cluster) {
		const n = 100
		users := c.users(t, n)
		g := c.client(0).group(t, "all")
		answers := c.parallel(n, func(i int, c client) answer {
			return c.do("PATCH", "/Groups/"+g.ID, patchBody(addMembers(users[i])))
		})
		require.Equal(t, map[int]int{204: n}, counts(answers))
		after := c.client(1).must(t, 200, "GET", "/Groups/"+g.ID, nil).resource(t)
		require.Equal(t, users, after.members(), "in the order of their creation")
		require.Equal(t, 1+n, after.version(t))
		covers(t, "C-01")
	})
}

// Adds, removals, new names and a conditional PUT of one group at the same time.
func TestParallelChangesOfOneGroup(t *testing.T) {
	t.Parallel()
	onEachDeployment(t, func(t *testing.T, c *cluster) {
		users := c.users(t, 40)
		g := c.client(0).group(t, "all", users[:20]...)
		answers := c.parallel(55, func(i int, c client) answer {
			switch {
			case i < 20:
				return c.do("PATCH", "/Groups/"+g.ID, patchBody(removeMember(users[i])))
			case i < 40:
				return c.do("PATCH", "/Groups/"+g.ID, patchBody(addMembers(users[i])))
			case i < 50:
				return c.do("PATCH", "/Groups/"+g.ID, patchBody(setOp("displayName", fmt.Sprint("name ", i))))
			default:
				// Its version was never seen by anybody: it must never win.
				return c.do("PUT", "/Groups/"+g.ID, groupBody("emptied"), "If-Match", `W/"1000"`)
			}
		})
		require.Equal(t, map[int]int{204: 50, 412: 5}, counts(answers))
		after := c.client(1).must(t, 200, "GET", "/Groups/"+g.ID, nil).resource(t)
		require.Equal(t, users[20:], after.members())
		require.Equal(t, 51, after.version(t))
		require.Contains(t, after.DisplayName, "name ")
		covers(t, "C-02")
	})
}

func TestOneOfManyCreationsWins(t *testing.T) {
	t.Parallel()
	onEachDeployment(t, func(t *testing.T, c *cluster) {
		const n = 50
		for _, name := range []string{"anna.straße@example.test", "zoë@example.test"} {
			spellings := []string{name, strings.ToUpper(name), strings.Replace(name, "a", "A", 1), strings.Replace(name, "e", "E", 1)}
			answers := c.parallel(n, func(i int, c client) answer { return c.do("POST", "/Users", userBody(spellings[i%len(spellings)])) })
			require.Equal(t, map[int]int{201: 1, 409: n - 1}, counts(answers))
			for _, a := range answers {
				if a.status == 409 {
					require.Equal(t, "uniqueness", a.resource(t).ScimType)
				}
			}
			require.Len(t, c.client(1).find(t, "/Users", `userName eq "`+name+`"`), 1)
		}
		require.Equal(t, 2, c.client(0).must(t, 200, "GET", "/Users?count=0", nil).resource(t).Total)
		covers(t, "C-07")
	})
}

func TestOneOfManyConditionalWritesWins(t *testing.T) {
	t.Parallel()
	onEachDeployment(t, func(t *testing.T, c *cluster) {
		const n = 50
		u := c.client(0).user(t, "anna")
		answers := c.parallel(n, func(i int, c client) answer {
			name := fmt.Sprint("name ", i)
			if i%2 == 0 {
				return c.do("PATCH", "/Users/"+u.ID, patchBody(setOp("displayName", name)), "If-Match", u.Meta.Version)
			}
			return c.do("PUT", "/Users/"+u.ID, object{"schemas": []string{userURN}, "userName": "anna", "displayName": name}, "If-Match", u.Meta.Version)
		})
		require.Equal(t, map[int]int{200: 1, 412: n - 1}, counts(answers))
		winner := slices.IndexFunc(answers, func(a answer) bool { return a.status == 200 })
		after := c.client(1).must(t, 200, "GET", "/Users/"+u.ID, nil).resource(t)
		require.Equal(t, fmt.Sprint("name ", winner), after.DisplayName)
		require.Equal(t, 2, after.version(t))
		covers(t, "C-04")
	})
}

// Users are deleted while others add them to groups: a membership either ends with its user or never comes to be.
func TestDeletionsAgainstAdds(t *testing.T) {
	t.Parallel()
	onEachDeployment(t, func(t *testing.T, c *cluster) {
		rounds, n := 2, 6
		if many, long := roundsOf(t); long {
			rounds = max(many/10, rounds) // on PostgreSQL, deadlocks make a round take seconds
		}
		var groups []string
		for i := range 3 {
			groups = append(groups, c.client(0).group(t, fmt.Sprint("group ", i)).ID)
		}
		for round := range rounds {
			var users []string
			for i := range n {
				users = append(users, c.client(i).user(t, fmt.Sprintf("user-%d-%d", round, i)).ID)
			}
			answers := c.parallel(4*n, func(i int, c client) answer {
				u := users[i%n]
				if i < n {
					return c.do("DELETE", "/Users/"+u, nil)
				}
				// The groups in turn, so that a user is in some of them when it goes.
				return c.do("PATCH", "/Groups/"+groups[(i/n+i)%len(groups)], patchBody(addMembers(u, users[(i+1)%n])))
			})
			for i, a := range answers {
				if i < n {
					require.Equal(t, 204, a.status, string(a.body))
				} else {
					require.Contains(t, []int{204, 400}, a.status, string(a.body))
				}
			}
			for _, g := range groups {
				require.Empty(t, c.client(round).must(t, 200, "GET", "/Groups/"+g, nil).resource(t).members(), "a ghost")
			}
		}
		covers(t, "C-06")
	})
}

// Users who share groups are deleted at the same time, and the groups changed: everybody locks the groups in the same order.
func TestDeletionsOfSharedMembers(t *testing.T) {
	t.Parallel()
	onEachDeployment(t, func(t *testing.T, c *cluster) {
		const n = 24
		users := c.users(t, n)
		var groups []string
		for i := range 4 {
			order := slices.Clone(users)
			if i%2 == 1 {
				slices.Reverse(order)
			}
			groups = append(groups, c.client(0).group(t, fmt.Sprint("group ", i), order...).ID)
		}
		answers := c.parallel(2*n, func(i int, c client) answer {
			if i%2 == 0 {
				return c.do("DELETE", "/Users/"+users[i/2], nil)
			}
			return c.do("PATCH", "/Groups/"+groups[i%4], patchBody(setOp("displayName", fmt.Sprint("name ", i))))
		})
		require.Equal(t, map[int]int{204: 2 * n}, counts(answers))
		for i, g := range groups {
			after := c.client(i).must(t, 200, "GET", "/Groups/"+g, nil).resource(t)
			require.Empty(t, after.members())
			renamed := 0
			if i%2 == 1 {
				renamed = n / 2
			}
			require.Equal(t, 1+n+renamed, after.version(t))
		}
		covers(t, "C-13")
	})
}

// Two users want each other's names, and a third one, over and over.
func TestParallelRenames(t *testing.T) {
	t.Parallel()
	onEachDeployment(t, func(t *testing.T, c *cluster) {
		a, b := c.client(0).user(t, "a").ID, c.client(0).user(t, "b").ID
		rename := func(id, name string) func(client) answer {
			return func(c client) answer { return c.do("PATCH", "/Users/"+id, patchBody(setOp("userName", name))) }
		}
		for range 5 {
			both := []func(client) answer{rename(a, "C"), rename(b, "c")}
			answers := c.parallel(2, func(i int, c client) answer { return both[i](c) })
			require.Equal(t, map[int]int{200: 1, 409: 1}, counts(answers), "one of two gets a free name")
			// A swap goes through a third name; names that somebody has are refused until then.
			winner, loser, freed := a, b, "a"
			if answers[1].status == 200 {
				winner, loser, freed = b, a, "b"
			}
			taken := "ab"[1:]
			if winner == b {
				taken = "a"
			}
			c.client(1).must(t, 409, "PATCH", "/Users/"+winner, patchBody(setOp("userName", taken)))
			c.client(1).must(t, 200, "PATCH", "/Users/"+loser, patchBody(setOp("userName", freed)))
			c.client(0).must(t, 200, "PATCH", "/Users/"+winner, patchBody(setOp("userName", taken)))
			a, b = b, a
			// In both directions at once, each name is held: none of them can have the other's.
			both = []func(client) answer{rename(a, "b"), rename(b, "a")}
			answers = c.parallel(2, func(i int, c client) answer { return both[i](c) })
			require.Equal(t, map[int]int{409: 2}, counts(answers))
		}
		require.Equal(t, a, c.client(0).find(t, "/Users", `userName eq "a"`)[0].ID)
		require.Equal(t, b, c.client(0).find(t, "/Users", `userName eq "b"`)[0].ID)
		covers(t, "C-08")
	})
}

// Creations, deletions and lists at once: a name that a deletion frees can be had, and every list is one that there was.
func TestParallelCreationsAndDeletions(t *testing.T) {
	t.Parallel()
	onEachDeployment(t, func(t *testing.T, c *cluster) {
		const n, rounds = 8, 12
		failures := make([]string, n)
		c.parallel(n, func(i int, c client) answer {
			for round := range rounds {
				name := fmt.Sprintf("user-%d", i%4) // two at a time want each
				switch a := c.do("POST", "/Users", userBody(name)); a.status {
				case 201:
					if d := c.do("DELETE", "/Users/"+a.resource(t).ID, nil); d.status != 204 {
						failures[i] += fmt.Sprintf("%d: DELETE %d %s\n", round, d.status, d.body)
					}
				case 409:
				default:
					failures[i] += fmt.Sprintf("%d: POST %d %s\n", round, a.status, a.body)
				}
				if l := c.do("GET", "/Users", nil); l.status != 200 || l.resource(t).Total > 4 {
					failures[i] += fmt.Sprintf("%d: GET %d %s\n", round, l.status, l.body)
				}
			}
			return answer{}
		})
		require.Empty(t, strings.Join(failures, ""))
		require.Zero(t, c.client(0).must(t, 200, "GET", "/Users?count=0", nil).resource(t).Total)
		covers(t, "C-11")
	})
}
