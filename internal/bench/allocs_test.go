package bench

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// The bounds are for a whole server, net/http included, whose own share differs between versions of Go: what is asserted is the
// difference to a handler that does nothing, so that a test fails for what this library does and for nothing else. A bare net/http
// server has allocated 19 times when the bounds were set.
const netHTTPAllocs = 19

// runs is how often a request is repeated.
const runs = 200

// TestAllocations holds requests to a number of allocations that does not depend on the size of the directory.
func TestAllocations(t *testing.T) {
	ours := newScimkit(t)
	client := dial(t, ours.handler)
	ids := fill(t, ours, client, 2000)
	nothing := dial(t, netHTTP(200, 1300))
	user := "/scim/v2/Users/" + ids[1000]
	small, large := bigGroup(t, ours, client, 10), bigGroup(t, ours, client, 2000)
	posts := make([][]byte, runs+1)
	for i := range posts {
		posts[i] = rawRequest("POST", "/scim/v2/Users", entraUser(1_000_000+i))
	}

	for _, c := range []struct {
		name     string
		most     int // allocations of the whole server
		requests [][]byte
	}{
		{"GET by id", 40, [][]byte{rawRequest("GET", user, nil)}},
		{"POST", 250, posts},
		{"PATCH active", 250, [][]byte{patchRequest(user, "replace", "active", "false"), patchRequest(user, "replace", "active", "true")}},
		{"PUT", 250, [][]byte{
			rawRequest("PUT", user, bytes.Replace(entraUser(1000), []byte("Senior"), []byte("Junior"), 1)),
			rawRequest("PUT", user, entraUser(1000)),
		}},
		{"filter by userName", 80, [][]byte{rawRequest("GET", "/scim/v2/Users?filter=userName+eq+%22nadia.ferro-0001000%40example.test%22", nil)}},
		{"list of 100", 200, [][]byte{rawRequest("GET", "/scim/v2/Users?startIndex=1900&count=100", nil)}},
		{"add and remove one of 10 members", 110, small.requests()},
		{"add and remove one of 2000 members", 110, large.requests()},
		{"GET group without members", 65, [][]byte{rawRequest("GET", large.target+"?excludedAttributes=members", nil)}},
	} {
		measure := func(client *wireClient) float64 {
			i := 0
			return testing.AllocsPerRun(runs, func() {
				if status, _ := client.roundTrip(t, c.requests[i%len(c.requests)]); status >= 300 {
					t.Fatalf("%s: %d", c.name, status)
				}
				i++
			})
		}
		bare := measure(nothing)
		ours := measure(client) - bare
		t.Logf("%-36s %4.0f more than net/http's %.0f, at most %d", c.name, ours, bare, c.most-netHTTPAllocs)
		require.LessOrEqual(t, ours, float64(c.most-netHTTPAllocs), c.name)
	}
}

func patchRequest(target, op, path, value string) []byte {
	body := fmt.Sprintf(`{"schemas":["%s"],"Operations":[{"op":%q,"path":%q,"value":%s}]}`, patchURN, op, path, value)
	return rawRequest(http.MethodPatch, target, []byte(body))
}

// requests adds a member to the group and removes it again.
func (g benchGroup) requests() [][]byte {
	return [][]byte{
		patchRequest(g.target, "add", "members", `[{"value":"`+g.outsider+`"}]`),
		patchRequest(g.target, "remove", "members", `[{"value":"`+g.outsider+`"}]`),
	}
}
