package scim_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/store"
)

// Lists and their pages: RFC 7644, sections 3.4.2 and 3.4.2.4.

// users creates users named prefix0, prefix1 and so on, and returns their ids.
func (s *server) users(prefix string, n int) []string {
	s.t.Helper()
	ids := make([]string, n)
	for i := range ids {
		ids[i] = s.user(prefix + strconv.Itoa(i)).id()
	}
	return ids
}

// page is the numbers of a list.
type page struct{ total, start, items, resources int }

func (a *response) page() page {
	a.t.Helper()
	n := func(key string) int {
		v, ok := a.at(key).(float64)
		require.True(a.t, ok && v == float64(int(v)), "%s is no integer: %s", key, a.body)
		return int(v)
	}
	resources, _ := a.at("Resources").([]any)
	return page{n("totalResults"), n("startIndex"), n("itemsPerPage"), len(resources)}
}

func TestListResponse(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		empty := s.get("/Users")
		require.Equal(t, []any{listURN}, empty.at("schemas"))
		require.Equal(t, []any{}, empty.at("Resources"))
		require.Equal(t, page{0, 1, 0, 0}, empty.page())

		ids := s.users("u", 5)
		a := s.get("/Users")
		require.Equal(t, []any{listURN}, a.at("schemas"))
		require.Equal(t, page{5, 1, 5, 5}, a.page())
		covers(t, "7644-3.4.2-02")
		require.Contains(t, a.json(), "Resources")
		covers(t, "7644-3.4.2-04")
		for i, r := range a.at("Resources").([]any) {
			one := s.get("/Users/" + ids[i])
			require.Equal(t, one.json(), r, "an element of a list differs from the resource")
		}

		a = s.get("/Users?filter=" + url.QueryEscape(`userName eq "nobody"`))
		require.Equal(t, page{0, 1, 0, 0}, a.page())
		require.Equal(t, []any{}, a.at("Resources"))
		covers(t, "7644-3.4.2-03", "ENTRA-22")

		require.Equal(t, page{5, 1, 2, 2}, s.get("/Users?count=2").page())
		require.Equal(t, page{5, 5, 1, 1}, s.get("/Users?count=2&startIndex=5").page())
		covers(t, "7644-3.4.2-05")
		require.Equal(t, page{5, 1, 2, 2}, s.get("/Users?count=2&filter="+url.QueryEscape(`userName sw "u"`)).page())
		require.Equal(t, page{4, 2, 2, 2}, s.get("/Users?count=2&startIndex=2&filter="+url.QueryEscape(`userName sw "u" and not (userName eq "u3")`)).page())
		covers(t, "7644-3.4.2-06")

		s.do("DELETE", "/Users/"+ids[2], nil).is(204)
		listed, total := s.list("/Users")
		require.Equal(t, slices.Delete(slices.Clone(ids), 2, 3), listed)
		require.Equal(t, 4, total)
		require.Empty(t, s.filter("/Users", `userName eq "u2"`))
		require.Empty(t, s.filter("/Users", `id eq "`+ids[2]+`"`))
		covers(t, "7644-3.6-02")

		a = s.get("/Users?attributes=userName")
		for _, r := range a.at("Resources").([]any) {
			require.ElementsMatch(t, []string{"schemas", "id", "userName"}, keys(r))
		}
		for _, r := range s.get("/Users?excludedAttributes=userName,active").at("Resources").([]any) {
			require.ElementsMatch(t, []string{"schemas", "id", "meta"}, keys(r))
		}
		covers(t, "7644-3.9-02")
	})
}

// keys returns the keys of a JSON object.
func keys(object any) []string {
	list := []string{}
	for k := range object.(map[string]any) {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}

func TestListsHoldOnlyTheConnectionsResources(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		s.users("u", 3)
		b := s.as(tokenB)
		own := b.users("u", 2)
		for _, target := range []string{"/Users", "/Users?filter=" + url.QueryEscape(`userName sw "u"`), "/Users?filter=" + url.QueryEscape(`not (userName eq "x")`)} {
			ids, total := b.list(target)
			require.Equal(t, own, ids)
			require.Equal(t, 2, total)
		}
		covers(t, "7644-3.4.2-07")
	})
}

func TestPagesDoNotOverlap(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		ids := s.users("u", 50)
		for _, target := range []string{"/Users?count=7", "/Users?count=7&filter=" + url.QueryEscape(`userName sw "U"`)} {
			seen := []string{}
			for start := 1; start <= 50; start += 7 {
				part, total := s.list(target + "&startIndex=" + strconv.Itoa(start))
				require.Equal(t, 50, total)
				seen = append(seen, part...)
			}
			require.Equal(t, ids, seen, "the order is that of creation")
		}
		covers(t, "7644-3.4.2.4-01", "OKTA-25")

		// Without a count the client goes on behind what it has seen.
		seen, _ := s.list("/Users?count=20")
		rest, total := s.list("/Users?startIndex=21")
		require.Equal(t, ids, append(seen, rest...))
		require.Equal(t, 50, total)
		covers(t, "AUTHENTIK-08")
	})
}

func TestStartIndexAndCount(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		ids := s.users("u", 5)
		for _, c := range []struct {
			name, query string
			want        page
			first       int // index of the first user on the page
			covers      []string
		}{
			{name: "no parameters", query: "", want: page{5, 1, 5, 5}},
			{name: "the second alone", query: "startIndex=2&count=1", want: page{5, 2, 1, 1}, first: 1, covers: []string{"7644-3.4.2.4-02", "7644-3.4.2.4-08"}},
			{name: "start 0", query: "startIndex=0", want: page{5, 1, 5, 5}},
			{name: "negative start", query: "startIndex=-5", want: page{5, 1, 5, 5}, covers: []string{"7644-3.4.2.4-03"}},
			{name: "negative start, small page", query: "startIndex=-5&count=2", want: page{5, 1, 2, 2}},
			{name: "count 0", query: "count=0", want: page{5, 1, 0, 0}, covers: []string{"7644-3.4.2.4-05"}},
			{name: "negative count", query: "count=-1", want: page{5, 1, 0, 0}, covers: []string{"7644-3.4.2.4-04"}},
			{name: "past the end", query: "startIndex=9999", want: page{5, 9999, 0, 0}},
			{name: "just past the end", query: "startIndex=6", want: page{5, 6, 0, 0}, covers: []string{"7644-3.4.2.4-07"}},
			{name: "the end", query: "startIndex=5&count=10", want: page{5, 5, 1, 1}, first: 4},
			{name: "the largest start", query: "startIndex=2147483647&count=500", want: page{5, 2147483647, 0, 0}},
			{name: "parameters in lower case", query: "startindex=0&COUNT=100", want: page{5, 1, 5, 5}, covers: []string{"ENTRA-76"}},
			{name: "leading zeros", query: "count=002", want: page{5, 1, 2, 2}},
			{name: "huge negative numbers", query: "startIndex=-9223372036854775808&count=-9223372036854775808", want: page{5, 1, 0, 0}},
		} {
			a := s.get("/Users?" + c.query)
			require.Equal(t, c.want, a.page(), c.name)
			if c.want.items > 0 {
				require.Equal(t, ids[c.first], a.at("Resources", 0, "id"), c.name)
			}
			require.Contains(t, a.json(), "Resources", c.name)
			covers(t, c.covers...)
		}
		for _, value := range []string{
			"abc", "1.5", "1e3", "+5", "%2B5", "%205", "5%20", "", "-", "--1", "0x10", "1,2", "99999999999999999999", "9223372036854775808",
			"10000000000", "٣", "null", "%00",
		} {
			for _, name := range []string{"count", "startIndex"} {
				if name == "count" && value == "10000000000" {
					continue
				}
				s.do("GET", "/Users?"+name+"="+value, nil).fails(400, "invalidValue")
			}
		}
		covers(t, "7644-3.4.2.4-09", "7644-3.4.2.4-11")
		s.do("GET", "/Users?count=1&count=2", nil).fails(400, "invalidValue")
		s.do("GET", "/Users?startIndex=1&STARTINDEX=1", nil).fails(400, "invalidValue")
		covers(t, "L-02")
	})
}

func TestCountIsCutToTheMaximum(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		s.users("u", 502)
		require.EqualValues(t, 500, s.get("/ServiceProviderConfig").at("filter", "maxResults"))
		for query, items := range map[string]int{
			"": 100, "count=1": 1, "count=499": 499, "count=500": 500, "count=501": 500, "count=1000000000": 500, "startIndex=500": 3,
		} {
			a := s.get("/Users?attributes=id&" + query).page()
			require.Equal(t, page{502, a.start, items, items}, a, query)
		}
		covers(t, "L-01", "7644-3.4.2.4-06", "7644-3.4.2.4-10")
	})
}

func TestLimitsOnPagesAreTheConfigured(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		s.users("u", 6)
		for query, items := range map[string]int{"": 3, "count=4": 4, "count=5": 5, "count=6": 5} {
			require.Equal(t, page{6, 1, items, items}, s.get("/Users?"+query).page(), query)
			filter := "filter=" + url.QueryEscape(`userName sw "u"`)
			require.Equal(t, page{6, 1, items, items}, s.get("/Users?"+filter+"&"+query).page(), query)
		}
		config := s.get("/ServiceProviderConfig")
		require.EqualValues(t, 5, config.at("filter", "maxResults"))
		require.EqualValues(t, 3, config.at("pagination", "defaultPageSize"))
		require.EqualValues(t, 5, config.at("pagination", "maxPageSize"))
	}, withLimits(scim.Limits{PageSize: 3, MaxPageSize: 5}))
}

func TestMalformedQueries(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		s.user("anna")
		s.take()
		for _, query := range []string{
			"filter=userName+eq+%22a%zz%22", "filter=%", "filter=%4", `filter=userName+eq+"a;b"`, `filter=userName+eq+"a"&filter=userName+eq+"b"`,
			`filter=userName+eq+"a"&FILTER=userName+eq+"b"`, "filter=userName+pr&%zz=1", "foo=%zz", "foo=a;b", ";", "filter=", "filter",
			"filter=userName+eq+%22%ff%22", "filter=+",
		} {
			s.do("GET", "/Users?"+query, nil).fails(400, "invalidFilter")
		}
		covers(t, "7644-3.4.2.2-36")
		require.Empty(t, s.take(), "a malformed query reached the store")

		// A raw "+" is a space: nobody's address has one there, and nobody is found.
		s.user("a+b@x.test")
		for _, query := range []string{`userName+eq+"a+b@x.test"`, `userName+eq+%22a%20b@x.test%22`} {
			_, total := s.list("/Users?filter=" + query)
			require.Zero(t, total, query)
		}
		covers(t, "F-08")
		for _, query := range []string{"userName+eq+%22a%2Bb@x.test%22", "userName%20eq%20%22a%2bb%40x.test%22", "+userName++eq+%22a%2Bb@x.test%22+"} {
			ids, _ := s.list("/Users?filter=" + query)
			require.Len(t, ids, 1, query)
		}
		covers(t, "7644-3.4.2.2-35", "ENTRA-12")
	})
}

// A page costs the same number of calls whatever it holds.
func TestAPageCostsAFixedNumberOfCalls(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		ids := s.users("u", 12)
		for i := range 6 {
			s.group("g"+strconv.Itoa(i), ids[i:]...)
		}
		calls := []string{}
		s.tap().when(func(_ context.Context, call string, _ any) error {
			calls = append(calls, call)
			return nil
		})
		for target, want := range map[string][]string{
			"/Users":                             {"List", "Groups"},
			"/Users?count=3":                     {"List", "Groups"},
			"/Users?excludedAttributes=groups":   {"List"},
			"/Users?attributes=userName":         {"List"},
			"/Users/" + ids[0]:                   {"Get", "Groups"},
			"/Groups":                            {"List", "Members"},
			"/Groups?excludedAttributes=members": {"List"},
			"/Groups?attributes=displayName":     {"List"},
			"/Users?count=0":                     {"List"},
		} {
			calls = calls[:0]
			s.get(target)
			require.Equal(t, want, calls, target)
		}
	}, withTap)
}

// modest is a store that declines what is optional, but for members.
type modest struct{ capable }

func (modest) InTx(context.Context, func(context.Context) error) error { return errors.ErrUnsupported }

func (modest) Groups(context.Context, store.Scope, []string) (map[string][]store.Group, error) {
	return nil, errors.ErrUnsupported
}

func TestStoreWithoutOptionalInterfaces(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		anna := s.user("anna").id()
		s.group("Crew", anna)
		require.NotContains(t, s.get("/Users/"+anna).json(), "groups")
		for _, filter := range []string{`groups.value eq "x"`, `groups pr`, `not (groups pr)`, `groups[value eq "x"]`, `userName eq "anna" or groups pr`} {
			a := s.do("GET", "/Users?filter="+url.QueryEscape(filter), nil).fails(400, "invalidFilter")
			require.NotContains(t, string(a.body), "anna")
		}
		for _, r := range s.get("/Schemas/" + userURN).at("attributes").([]any) {
			require.NotEqual(t, "groups", r.(map[string]any)["name"], "an attribute that is never there is published")
		}
		// Everything else is matched exactly, whatever the store can look up itself.
		s.user("bert", map[string]any{"title": "Chief", "emails": []any{map[string]any{"value": "b@x.test", "type": "work"}}})
		require.Equal(t, []string{anna}, s.filter("/Users", `not (title sw "c") or emails[type eq "home" and value co "b"]`))
		covers(t, "F-09")

		// Writes go by versions instead of locks.
		s.patch("/Users/"+anna, op("replace", "title", "Captain")).is(200)
		require.Equal(t, `W/"2"`, s.get("/Users/"+anna).version())
	}, func(c *setup) {
		c.config.Store = modest{c.config.Store.(capable)}
	})
}

// A store that answers with more than was asked for is not this library's to correct, but one that fails is a 503 and never a
// shorter list.
func TestAFailingListIsNoEmptyList(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		ids := s.users("u", 2)
		s.group("Crew", ids...)
		for _, failing := range []string{"List", "Groups", "Members", "Get"} {
			s.tap().when(func(_ context.Context, call string, _ any) error {
				if call == failing {
					return fmt.Errorf("canary of the cause: %w", context.DeadlineExceeded)
				}
				return nil
			})
			for target, calls := range map[string][]string{
				"/Users": {"List", "Groups"}, "/Groups": {"List", "Members"}, "/Users/" + ids[0]: {"Get", "Groups"},
			} {
				if slices.Contains(calls, failing) {
					a := s.do("GET", target, nil).fails(503, "")
					require.NotEmpty(t, a.header.Get("Retry-After"))
					require.NotContains(t, string(a.body), "canary of the cause")
					require.Empty(t, a.header.Get("ETag"))
				} else {
					s.get(target)
				}
			}
		}
	}, withTap)
}

func TestRequestsHaveADeadline(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		var left time.Duration
		s.tap().when(func(ctx context.Context, _ string, _ any) error {
			deadline, ok := ctx.Deadline()
			require.True(t, ok)
			left = time.Until(deadline)
			return nil
		})
		s.get("/Users")
		require.Positive(t, left)
		require.LessOrEqual(t, left, time.Minute)
	}, withTap, withLimits(scim.Limits{RequestTime: time.Minute}))
	onEachStore(t, func(t *testing.T, s *server) {
		a := s.do("GET", "/Users", nil).fails(503, "")
		require.NotEmpty(t, a.header.Get("Retry-After"))
		s.do("POST", "/Users", user("anna")).fails(503, "")
		require.Empty(t, s.events.take())
	}, withLimits(scim.Limits{RequestTime: 1}))
}
