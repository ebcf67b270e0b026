package scim_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Versions and preconditions: RFC 7644, section 3.14; RFC 9110, section 13.

func TestETagOfEveryAnswer(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		created := s.user("anna")
		user1 := "/Users/" + created.id()
		group := s.group("Crew", created.id())
		crew := "/Groups/" + group.id()
		require.Equal(t, `W/"1"`, created.version())
		for _, a := range []*response{
			created, group, s.get(user1), s.get(crew),
			s.do("PUT", user1, user("anna", map[string]any{"title": "x"})).is(200),
			s.patch(user1, op("replace", "title", "y")).is(200),
			s.do("PUT", crew, map[string]any{"schemas": []string{groupURN}, "displayName": "Crew", "members": memberList(created.id())}).is(200),
		} {
			require.NotEmpty(t, a.header.Get("ETag"))
			require.Equal(t, a.version(), a.header.Get("ETag"))
			require.Equal(t, a.at("meta", "location"), a.header.Get("Location"))
		}
		a := s.patch(crew, op("replace", "displayName", "Team")).is(204)
		require.Equal(t, s.get(crew).version(), a.header.Get("ETag"))
		require.Empty(t, a.body)
		covers(t, "7644-3.14-06")
		listed := s.get("/Users")
		require.Equal(t, s.get(user1).header.Get("ETag"), listed.at("Resources", 0, "meta", "version"))
		require.Empty(t, listed.header.Get("ETag"))
		covers(t, "7644-3.14-07")
		// A projection does not show the version, but has it.
		require.Equal(t, s.get(user1).version(), s.get(user1+"?attributes=userName").header.Get("ETag"))
	})
}

func TestVersionsMoveWithChanges(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		anna, bert := "/Users/"+s.user("anna").id(), s.user("bert").id()
		crew := "/Groups/" + s.group("Crew").id()
		seen := map[string]bool{}
		step := func(target string, moves bool, send func() *response) {
			t.Helper()
			before := s.get(target)
			require.Less(t, send().status, 300)
			after := s.get(target)
			require.Equal(t, moves, before.version() != after.version())
			require.Equal(t, moves, before.at("meta", "lastModified") != after.at("meta", "lastModified"))
			seen[target+after.version()] = true
		}
		title := func(v any) func() *response {
			return func() *response { return s.patch(anna, op("replace", "title", v)) }
		}
		members := func(name string, ids ...string) func() *response {
			return func() *response { return s.patch(crew, op(name, "members", memberList(ids...))) }
		}
		step(anna, true, title("x"))
		step(anna, false, title("x"))
		step(anna, true, title(nil))
		step(anna, false, title(nil))
		step(anna, true, func() *response { return s.do("PUT", anna, user("anna", map[string]any{"title": "z"})) })
		step(anna, false, func() *response { return s.do("PUT", anna, user("anna", map[string]any{"title": "z"})) })
		step(anna, false, func() *response { return s.do("PUT", anna, string(s.get(anna).body)) })
		step(anna, false, func() *response { return s.patch(anna, op("remove", `emails[type eq "work"]`)) })
		step(crew, true, members("add", bert))
		step(crew, false, members("add", bert))
		step(crew, true, members("remove", bert))
		step(crew, false, members("remove", bert))
		step("/Users/"+bert, false, members("add", bert)) // groups are derived: the group's version moves
		step(crew, true, func() *response { return s.do("DELETE", "/Users/"+bert, nil) })
		require.Len(t, seen, 7)
		covers(t, "7644-3.14-09")
	})
}

func TestConditionalReads(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		id := s.user("anna").id()
		target := "/Users/" + id
		s.patch(target, op("add", "title", "x"))
		tag := s.get(target).header.Get("ETag")
		strong := strings.TrimPrefix(tag, "W/")
		for _, match := range []string{tag, strong, `"a", ` + tag, tag + `,"a"`, "*", `"a","b",` + strong + `,"c"`, ` ` + tag + ` `, `"a" , ` + tag} {
			a := s.do("GET", target, nil, "If-None-Match", match).is(304)
			require.Empty(t, a.body, match)
			require.Equal(t, tag, a.header.Get("ETag"), match)
			require.Equal(t, baseURL+target, a.header.Get("Location"))
			require.Empty(t, a.header.Get("Content-Type"))
		}
		covers(t, "9110-13.1.2-01", "9110-15.4.5-01")
		for _, other := range []string{`W/"1"`, `"1", "3"`, `"22"`, `W/"02"`, `"a,b"`} {
			s.do("GET", target, nil, "If-None-Match", other).is(200)
		}
		require.Equal(t, 304, s.send(twice(s.request("GET", target, nil, "If-None-Match", `"a"`), "If-None-Match", tag)).status)

		s.do("GET", target, nil, "If-Match", tag).is(200)
		s.do("GET", target, nil, "If-Match", `"9"`).fails(412, "")
		// If-Match is looked at first.
		s.do("GET", target, nil, "If-Match", `"9"`, "If-None-Match", tag).fails(412, "")
		s.do("GET", target, nil, "If-Match", tag, "If-None-Match", tag).is(304)
		s.do("GET", target, nil, "If-Match", tag, "If-None-Match", `"9"`).is(200)
		s.do("PUT", target, user("anna"), "If-Match", `"9"`, "If-None-Match", `"9"`).fails(412, "")
		s.do("PUT", target, user("anna"), "If-Match", tag, "If-None-Match", tag).fails(412, "")
		covers(t, "9110-13.2.2-01")

		// The condition does not hide what is not there.
		s.do("GET", "/Users/none", nil, "If-None-Match", "*").fails(404, "")
		s.do("GET", "/Users/none", nil, "If-Match", tag).fails(404, "")
		s.do("GET", "/Users", nil, "If-None-Match", "*").is(200)
	})
}

func TestConditionalWrites(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		target := "/Users/" + s.user("anna").id()
		stale := s.get(target).header.Get("ETag")
		s.patch(target, op("add", "title", "x")).is(200)
		s.events.take()
		before := s.get(target)
		writes := func(headers ...string) []*response {
			return []*response{
				s.do("PUT", target, user("anna"), headers...),
				s.do("PATCH", target, patchBody(op("replace", "title", "y")), headers...),
				s.do("PATCH", target, patchBody(op("replace", "title", "x")), headers...), // would change nothing
				s.do("DELETE", target, nil, headers...),
			}
		}
		for _, header := range []string{stale, strings.TrimPrefix(stale, "W/"), `"x"`, `W/"99", "98"`, `""`} {
			for _, a := range writes("If-Match", header) {
				a.fails(412, "")
			}
		}
		covers(t, "9110-13.1.1-01", "7644-3.12-14")
		for _, header := range []string{"*", before.version(), `"a", ` + before.version()} {
			for _, a := range writes("If-None-Match", header) {
				a.fails(412, "")
			}
		}
		covers(t, "9110-13.1.2-02")
		for _, header := range []string{
			"abc", "2", "W/2", `"2`, `2"`, `w/"2"`, `W/ "2"`, `"2" "2"`, `*, "2"`, `"2", *`, `"2",x`, "", " ", ",", `'2'`, `W/`, "**",
		} {
			for _, name := range []string{"If-Match", "If-None-Match"} {
				for _, method := range []string{"PUT", "PATCH", "DELETE"} {
					r := s.request(method, target, map[string]any{"PUT": user("anna"), "PATCH": patchBody(op("replace", "title", "y")), "DELETE": nil}[method])
					r.Header[name] = []string{header}
					s.send(r).fails(400, "")
				}
			}
		}
		covers(t, "9110-8.8.3-01")
		require.Equal(t, string(before.body), string(s.get(target).body))
		require.Empty(t, s.events.take())

		// The tag just received is good for one write, weak as it is.
		tag := before.header.Get("ETag")
		require.True(t, strings.HasPrefix(tag, "W/"))
		tag = s.do("PUT", target, user("anna"), "If-Match", tag).is(200).header.Get("ETag")
		tag = s.do("PATCH", target, patchBody(op("add", "title", "z")), "If-Match", tag).is(200).header.Get("ETag")
		covers(t, "7644-3.14-08")
		tag = s.do("PATCH", target, patchBody(op("add", "title", "zz")), "If-Match", `"a", `+tag).is(200).header.Get("ETag")
		tag = s.send(twice(s.request("PATCH", target, patchBody(op("add", "title", "zzz")), "If-Match", `"a"`), "If-Match", tag)).is(200).header.Get("ETag")
		covers(t, "9110-13.1.1-03")
		s.do("PUT", target, user("anna"), "If-None-Match", `"a"`).is(200)
		s.do("PUT", target, user("anna", map[string]any{"title": "q"}), "If-Match", "*").is(200)
		s.do("DELETE", target, nil, "If-Match", tag).fails(412, "")
		s.do("DELETE", target, nil, "If-Match", s.get(target).version()).is(204)
		s.do("PUT", target, user("anna"), "If-Match", "*").fails(404, "")
		s.do("PATCH", target, patchBody(op("add", "title", "z")), "If-Match", "*").fails(404, "")
		s.do("DELETE", target, nil, "If-Match", "*").fails(404, "")
		covers(t, "9110-13.1.1-02")
	})
}

func TestConditionsComeLast(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		target := "/Users/" + s.user("anna").id()
		stale := []string{"If-Match", `"99"`}
		s.as("").do("PUT", target, user("anna"), stale...).fails(401, "")
		s.do("PUT", "/Users/none", user("anna"), stale...).fails(404, "")
		s.do("DELETE", "/Users/none", nil, stale...).fails(404, "")
		s.do("POST", target, user("anna"), stale...).fails(405, "")
		s.do("GET", "/Schemas?filter=x", nil, stale...).fails(403, "")
		s.as(tokenB).do("DELETE", target, nil, "If-Match", "*").fails(404, "")

		// Of writers that saw the same version, one wins.
		for range 5 {
			tag := s.get(target).version()
			const writers = 8
			results := make(chan int, writers)
			var start, done sync.WaitGroup
			start.Add(1)
			for i := range writers {
				done.Go(func() {
					start.Wait()
					results <- s.do("PUT", target, user("anna", map[string]any{"title": tag + string(rune('a'+i))}), "If-Match", tag).status
				})
			}
			start.Done()
			done.Wait()
			close(results)
			count := map[int]int{}
			for status := range results {
				count[status]++
			}
			require.Equal(t, map[int]int{200: 1, 412: writers - 1}, count)
		}
		covers(t, "9110-13.2.1-01")
	})
}

// The same holds for a store without transactions.
func TestConditionsWithoutTransactions(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(_ *testing.T, s *server) {
		target := "/Users/" + s.user("anna").id()
		tag := s.get(target).version()
		s.do("PATCH", target, patchBody(op("add", "title", "x")), "If-Match", tag).is(200)
		s.do("PATCH", target, patchBody(op("add", "title", "y")), "If-Match", tag).fails(412, "")
		s.do("DELETE", target, nil, "If-Match", tag).fails(412, "")
		s.do("DELETE", target, nil, "If-Match", "*").is(204)
	}, func(c *setup) { c.config.Store = modest{c.config.Store.(capable)} })
}
