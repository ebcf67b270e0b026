package scim_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/store"
)

// mails are e-mail addresses, numbered from a number on, each filled up to a size.
func mails(from, count, size int) []attrs {
	list := make([]attrs, count)
	for i := range list {
		value := fmt.Sprintf("%04d@example.test", from+i)
		list[i] = attrs{"value": value + strings.Repeat("x", max(0, size-len(value)))}
	}
	return list
}

// A resource grows up to a size, whichever request makes it grow, and may always shrink.
func TestResourcesAreBounded(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		const size = 8000
		path := "/Users/" + s.user("someone").id()
		filled := s.patch(path, op("add", "emails", mails(0, 32, size))).is(200) // 256 000 bytes and some
		s.events.take()
		for _, a := range []*response{
			s.patch(path, op("add", "emails", mails(32, 1, size))),
			s.patch(path, op("add", "name", attrs{"givenName": strings.Repeat("x", size)})),
			s.do("PUT", path, user("someone", attrs{"emails": mails(0, 33, size)})),
			s.do("POST", "/Users", user("other", attrs{"emails": mails(0, 33, size)})),
		} {
			a.fails(413, "")
			require.Equal(t, "the resource is larger than 262144 bytes", a.detail())
		}
		require.Equal(t, string(filled.body), string(s.get(path).body))
		require.Empty(t, s.events.take())
		require.Empty(t, s.filter("/Users", `userName eq "other"`))
		s.patch(path, op("replace", "active", false)).is(200)
		s.do("PUT", path, user("someone", attrs{"emails": mails(0, 32, size)})).is(200)
		s.patch(path, op("remove", `emails[value sw "0031"]`)).is(200)
		s.patch(path, op("add", "emails", mails(32, 1, size))).is(200)

		// One that the host made larger can be changed all the same, but does not grow.
		large, err := json.Marshal(user("large", attrs{"active": true, "emails": mails(0, 40, size)}))
		require.NoError(t, err)
		_, err = s.store.Store.Create(t.Context(), store.Scope{Connection: "connection-a", Tenant: "tenant-a"}, store.Draft{
			Ref: store.Ref{Type: "User", ID: "large"}, At: s.clock.now(), Document: store.NewDocument(large),
		})
		require.NoError(t, err)
		s.patch("/Users/large", op("replace", "active", false)).is(200)
		s.patch("/Users/large", op("add", "emails", mails(40, 1, size))).fails(413, "")
		s.patch("/Users/large", op("remove", `emails[value sw "0039"]`)).is(200)
		s.patch("/Users/large", op("add", "emails", mails(40, 1, size))).fails(413, "")
	})
}

// The work of a PATCH is bounded as a whole. A real provider's batch is far below: each operation with one condition.
func TestWorkOfAPatchIsBounded(t *testing.T) {
	t.Parallel()
	repeated := func(n int, o attrs) (ops []map[string]any) {
		for range n {
			ops = append(ops, o)
		}
		return ops
	}
	onEachStore(t, func(t *testing.T, s *server) {
		path := "/Users/" + s.user("someone", attrs{"emails": mails(0, 1000, 0)}).id()
		batch := make([]map[string]any, 1000)
		for i := range batch {
			batch[i] = op("replace", fmt.Sprintf(`emails[value eq "%04d@example.test"].display`, i), fmt.Sprint("Mail ", i))
		}
		require.Len(t, s.patch(path, batch...).is(200).at("emails"), 1000)
		s.patch(path, repeated(1000, op("add", "emails", mails(500, 1, 0)))...).is(200)
		before := s.get(path)
		many := "emails[" + strings.Repeat(`value co "zz" or `, 50) + `value co "zz"]`
		for _, ops := range [][]map[string]any{
			repeated(1000, op("remove", many)),
			{op("replace", "displayName", "x"), pathless("add", spaced(100, "emails["+strings.Repeat("value pr and ", 50)+"value pr].display"))},
			repeated(1000, op("replace", `emails[value pr].display`, strings.Repeat("x", 1200))),
		} {
			a := s.patch(path, ops...).fails(413, "")
			require.Contains(t, a.detail(), "5000000")
		}
		require.Equal(t, string(before.body), string(s.get(path).body))
	})
	tight := newServer(t, withLimits(scim.Limits{PatchWork: 10}))
	path := "/Users/" + tight.user("someone", attrs{"emails": mails(0, 4, 0)}).id()
	tight.patch(path, op("remove", `emails[value eq "x"]`), op("remove", `emails[value eq "x"]`)).is(200)
	tight.patch(path, op("remove", `emails[value eq "x" or value eq "y" or value eq "z"]`)).fails(413, "")
	tight.patch(path, op("remove", "emails", mails(9, 1, 0)), op("remove", "emails", mails(9, 1, 0)), op("remove", "emails", mails(9, 1, 0))).fails(413, "")
	group := "/Groups/" + tight.group("Crew", tight.user("a").id(), tight.user("b").id()).id()
	tight.patch(group, op("remove", `members[display eq "x"]`)).is(204)
	tight.patch(group, op("remove", `members[display eq "x" or display eq "y" or display eq "z" or display eq "1" or display eq "2" or display eq "3"]`)).fails(413, "")
}

// spaced is a value with many keys that differ, all of which are a path with a filter.
func spaced(n int, path string) attrs {
	value := attrs{}
	for i := range n {
		value[strings.Repeat(" ", i)+path] = "x"
	}
	return value
}

// gone is a store whose client hangs up, or whose time is up, as soon as a write has loaded its resource.
type gone struct {
	relations
	leave context.CancelFunc
}

func (g *gone) Get(ctx context.Context, scope store.Scope, ref store.Ref) (store.Resource, error) {
	r, err := g.Store.Get(ctx, scope, ref)
	if g.leave != nil {
		g.leave()
	}
	return r, err
}

// A PATCH stops computing when its time is up. It changes nothing here, so that no write is there to notice.
func TestPatchStopsWhenItsTimeIsUp(t *testing.T) {
	t.Parallel()
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			g := &gone{relations: relationsOf(b.open(t))}
			s := newServer(t, func(c *setup) { c.config.Store = g })
			path := "/Users/" + s.user("someone", attrs{"displayName": "x"}).id()
			for _, o := range []attrs{op("replace", "displayName", "x"), pathless("replace", attrs{"displayName": "x"})} {
				r := s.request("PATCH", path, patchBody(o))
				ctx, cancel := context.WithCancel(r.Context())
				g.leave = cancel
				require.NotEmpty(t, s.send(r.WithContext(ctx)).fails(503, "").header.Get("Retry-After"))
				g.leave = nil
				s.patch(path, o).is(200)
			}
		})
	}
}

// A filter of many conditions costs what its texts are long, and each is folded once.
func TestFiltersOfManyConditions(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		id := s.user("someone", attrs{"displayName": strings.Repeat("Ö", 200) + "zß", "nickName": strings.Repeat("X", 4000) + "END"}).id()
		for filter, hits := range map[string]int{
			strings.Repeat(`displayName co "q" or `, 99) + `displayName co "ÖZSS"`:  1,
			strings.Repeat(`nickName co "q" or `, 99) + `nickName co "xend"`:        1,
			strings.Repeat(`nickName co "q" or `, 99) + `nickName co "endx"`:        0,
			strings.Repeat(`displayName co "ö" and `, 50) + `displayName ew "Zss"`:  1,
			strings.Repeat(`nickName co "x" and `, 50) + `not (nickName co "xEnd")`: 0,
		} {
			want := []string{id}[:hits]
			require.ElementsMatch(t, want, s.filter("/Users", filter), url.QueryEscape(filter))
		}
	})
}
