package scim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/patch"
	"github.com/scimkit/scim/store"
)

// changed returns the paths of an event's changes.
func changed(e scim.Event) []string {
	paths := []string{}
	for _, c := range e.Changes {
		paths = append(paths, c.Path)
	}
	return paths
}

func TestEventTypes(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		users, groups, things := "", "", ""
		a, b := s.user("a").id(), s.user("b").id()
		s.events.take()
		for _, step := range []struct {
			name    string
			do      func() *response
			types   []scim.EventType
			changes []string
		}{
			{"create", func() *response { r := s.user("someone", rich()); users = "/Users/" + r.id(); return r }, []scim.EventType{scim.UserCreated}, []string{}},
			{"update", func() *response { return s.patch(users, op("replace", "title", "T")) }, []scim.EventType{scim.UserUpdated}, []string{"title"}},
			{"deactivate", func() *response { return s.patch(users, op("replace", "active", false)) }, []scim.EventType{scim.UserDeactivated}, []string{"active"}},
			{"update a leaver", func() *response { return s.patch(users, op("replace", "title", "U")) }, []scim.EventType{scim.UserUpdated}, []string{"title"}},
			{"reactivate with more", func() *response { return s.patch(users, pathless("replace", attrs{"title": "V", "active": true})) }, []scim.EventType{scim.UserReactivated}, []string{"title", "active"}},
			{"deactivate with more", func() *response { return s.patch(users, pathless("replace", attrs{"nickName": "N", "active": false})) }, []scim.EventType{scim.UserDeactivated}, []string{"nickName", "active"}},
			{"put", func() *response { return s.do("PUT", users, user("someone", rich())) }, []scim.EventType{scim.UserReactivated}, []string{"nickName", "title", "active"}},
			{"delete", func() *response { return s.do("DELETE", users, nil) }, []scim.EventType{scim.UserDeleted}, []string{}},
			{"create inactive", func() *response { return s.user("other", attrs{"active": false}) }, []scim.EventType{scim.UserCreated}, []string{}},

			{"create a group", func() *response { r := s.group("Crew", a); groups = "/Groups/" + r.id(); return r }, []scim.EventType{scim.GroupCreated}, []string{}},
			{"add a member", func() *response { return s.patch(groups, op("add", "members", memberList(b))) }, []scim.EventType{scim.GroupMembersChanged}, []string{}},
			{"rename", func() *response { return s.patch(groups, op("replace", "displayName", "Watch")) }, []scim.EventType{scim.GroupUpdated}, []string{"displayName"}},
			{"rename and remove", func() *response {
				return s.patch(groups, op("replace", "displayName", "Crew"), op("remove", "members"))
			}, []scim.EventType{scim.GroupUpdated}, []string{"displayName"}},
			{"delete a group", func() *response { return s.do("DELETE", groups, nil) }, []scim.EventType{scim.GroupDeleted}, []string{}},

			{"create a device", func() *response { r := s.create("/Devices", device("one")); things = "/Devices/" + r.id(); return r }, []scim.EventType{"device.created"}, []string{}},
			{"update a device", func() *response { return s.patch(things, op("add", "slots", 1)) }, []scim.EventType{"device.updated"}, []string{"slots"}},
			{"delete a device", func() *response { return s.do("DELETE", things, nil) }, []scim.EventType{"device.deleted"}, []string{}},
		} {
			require.Less(t, step.do().status, 300, step.name)
			events := s.events.take()
			types := []scim.EventType{}
			for _, e := range events {
				types = append(types, e.Type)
			}
			require.Equal(t, step.types, types, step.name)
			require.Equal(t, step.changes, changed(events[0]), step.name)
		}
	}, withDevices)
}

func TestEventContents(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		created := s.user("someone@example.test", attrs{"title": "Pilot", "emails": []attrs{{"value": "a@x.example"}}})
		path := "/Users/" + created.id()
		e := s.events.take()[0]
		require.Regexp(t, uuidShape, e.ID)
		require.Nil(t, e.Before)
		require.Equal(t, store.Ref{Type: "User", ID: created.id()}, e.Resource)
		require.EqualValues(t, 1, e.Version)
		require.JSONEq(t, `{"schemas":["`+userURN+`"],"userName":"someone@example.test","title":"Pilot","active":true,"emails":[{"value":"a@x.example"}]}`, document(t, e.After))

		before := s.get(path)
		answer := s.patch(path,
			op("replace", "title", "Captain"), op("add", "name.givenName", "S"), op("add", "emails", attrs{"value": "b@x.example"}),
			op("add", enterpriseURN+":manager.value", "m"), op("replace", "active", false),
		).is(200)
		e = s.events.take()[0]
		require.Equal(t, []string{"connection-a", "tenant-a"}, []string{e.Connection, e.Tenant})
		require.Equal(t, scim.Actor{TokenID: "static", RequestID: answer.header.Get("X-Request-Id")}, e.Actor)
		require.Equal(t, time.UTC, e.Time.Location())
		require.False(t, e.Time.After(s.clock.now()))
		require.EqualValues(t, 2, e.Version)
		require.Equal(t, []store.Version{1, 2}, []store.Version{e.Before.Version, e.After.Version})
		require.Equal(t, before.at("meta", "lastModified"), e.Before.LastModified.Format("2006-01-02T15:04:05.000000Z"))
		require.Equal(t, answer.at("meta", "lastModified"), e.After.LastModified.Format("2006-01-02T15:04:05.000000Z"))
		require.JSONEq(t, `{"schemas":["`+userURN+`"],"userName":"someone@example.test","title":"Pilot","active":true,"emails":[{"value":"a@x.example"}]}`, document(t, e.Before))
		require.Contains(t, document(t, e.After), `"title":"Captain"`)
		texts := []string{}
		for _, c := range e.Changes {
			texts = append(texts, fmt.Sprintf("%s: %s -> %s", c.Path, c.Before, c.After))
		}
		require.Equal(t, []string{
			`name.givenName:  -> "S"`, `title: "Pilot" -> "Captain"`, `active: true -> false`, `emails: [{"value":"a@x.example"}] -> [{"value":"a@x.example"},{"value":"b@x.example"}]`,
			enterpriseURN + `:manager.value:  -> "m"`,
		}, texts)

		last := s.get(path)
		s.do("DELETE", path, nil).is(204)
		e = s.events.take()[0]
		require.Nil(t, e.After)
		require.EqualValues(t, 2, e.Version)
		require.Equal(t, last.version(), fmt.Sprintf(`W/"%d"`, e.Before.Version))
		require.Contains(t, document(t, e.Before), `"title":"Captain"`)
		require.Empty(t, e.Changes)
	})
}

// document returns a resource's attributes as an event shows them.
func document(t testing.TB, r *store.Resource) string {
	t.Helper()
	require.NotNil(t, r)
	require.True(t, json.Valid(r.Document.JSON()))
	return string(r.Document.JSON())
}

// Added and Removed are what really happened, however it was asked for.
func TestEventMembers(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		a, b, c := s.user("a", attrs{"displayName": "Person A"}).id(), s.user("b").id(), s.group("Inner").id()
		memberA, memberB, memberC := store.Member{ID: a, Type: "User", Display: "Person A"}, store.Member{ID: b, Type: "User", Display: "b"}, store.Member{ID: c, Type: "Group", Display: "Inner"}
		s.events.take()
		path := "/Groups/" + s.group("Crew", a, b).id()
		e := s.events.take()[0]
		require.Equal(t, []store.Member{memberA, memberB}, e.Added)
		require.NotContains(t, document(t, e.After), "members")
		for _, step := range []struct {
			ops            []attrs
			added, removed []store.Member
		}{
			{[]attrs{op("add", "members", memberList(a, b, c))}, []store.Member{memberC}, nil},
			{[]attrs{op("remove", "members", memberList(a, "nobody"))}, nil, []store.Member{memberA}},
			{[]attrs{op("replace", "members", memberList(a, b))}, []store.Member{memberA}, []store.Member{memberC}},
			{[]attrs{op("remove", "members"), op("add", "members", memberList(b, c))}, []store.Member{memberC}, []store.Member{memberA}},
			{[]attrs{op("remove", `members[type eq "Group"]`), op("add", "members", memberList(a))}, []store.Member{memberA}, []store.Member{memberC}},
			{[]attrs{op("remove", "members")}, nil, []store.Member{memberB, memberA}},
		} {
			s.patch(path, step.ops...).is(204)
			events := s.events.take()
			require.Len(t, events, 1)
			require.ElementsMatch(t, step.added, events[0].Added, "%v", step.ops)
			require.ElementsMatch(t, step.removed, events[0].Removed, "%v", step.ops)
			require.Empty(t, events[0].Changes)
			require.Equal(t, events[0].Before.Version+1, events[0].After.Version)
		}
	})
}

func TestNoEventWithoutAChange(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		id := s.user("someone@example.test", rich()).id()
		group := "/Groups/" + s.group("Crew", id).id()
		path := "/Users/" + id
		s.events.take()
		for _, a := range []*response{
			s.get(path), s.get("/Users"), s.do("HEAD", path, nil), s.get("/Schemas"),
			s.patch(path, op("replace", "title", "Pilot")), s.do("PUT", path, string(s.get(path).body)), s.patch(path, op("remove", "locale")),
			s.patch(group, op("add", "members", memberList(id))), s.patch(group, op("remove", "members", memberList("nobody"))),
			s.patch(group, pathless("replace", attrs{"displayName": "Crew"})), s.do("PUT", group, string(s.get(group).body)),
			s.patch(path, op("replace", "nope", 1)), s.do("POST", "/Users", user("SOMEONE@example.test")), s.do("DELETE", "/Users/none", nil),
			s.do("PATCH", path, patchBody(op("replace", "title", "x")), "If-Match", `W/"9"`), s.as("").do("DELETE", path, nil), s.do("POST", "/Users", "{"),
		} {
			require.Less(t, a.status, 500)
			require.Empty(t, s.events.take())
		}
		require.Equal(t, []string{`W/"1"`, `W/"1"`}, []string{s.get(path).version(), s.get(group).version()})
	})
}

// Over any sequence of requests, the events of a resource are its versions, each from where the one before ended.
func TestOneEventPerVersion(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		var users, groups []string
		for n := range 4 {
			users = append(users, s.user(fmt.Sprint("user", n)).id())
		}
		for n := range 3 {
			groups = append(groups, s.group(fmt.Sprint("Group ", n), users[n], users[n+1]).id())
		}
		// A walk through states that repeat, so that some requests change nothing.
		for n := range 120 {
			round := n / 8
			user, group := "/Users/"+users[(n+round)%4], "/Groups/"+groups[(n+round)%3]
			member := memberList(users[(n/3+round)%4])
			switch n % 8 {
			case 0:
				s.patch(user, op("replace", "title", fmt.Sprint(round%3)))
			case 1:
				s.patch(group, op("add", "members", member))
			case 2:
				s.patch(user, op("replace", "active", round%3 == 0))
			case 3:
				s.patch(group, op("remove", "members", member), op("replace", "externalId", fmt.Sprint(round%2)))
			case 4:
				s.patch(group, op("replace", "members", memberList(users[round%4], users[(n+1)%4])))
			case 5:
				s.patch(user, op("replace", "title", "x"), op("replace", "nope", 1))
			case 6:
				s.do("PUT", group, attrs{"schemas": []string{groupURN}, "displayName": "Group", "members": member})
			case 7:
				s.patch(user, pathless("replace", attrs{"emails": []attrs{{"value": fmt.Sprint(round % 4)}}}))
			}
		}
		s.do("DELETE", "/Users/"+users[0], nil).is(204)
		s.do("DELETE", "/Groups/"+groups[0], nil).is(204)

		ids := map[string]bool{}
		last := map[string]scim.Event{}
		members := map[string]map[string]bool{}
		for _, e := range s.events.take() {
			require.False(t, ids[e.ID], "an event id twice")
			ids[e.ID] = true
			id := e.Resource.ID
			before, known := last[id]
			require.Equal(t, known, e.Before != nil)
			if known {
				require.Equal(t, before.Version, e.Before.Version)
				require.Equal(t, document(t, before.After), document(t, e.Before))
				require.False(t, before.Time.After(e.Time))
			} else {
				members[id] = map[string]bool{}
			}
			if e.After != nil {
				require.Equal(t, before.Version+1, e.Version)
				require.Equal(t, e.Version, e.After.Version)
				if known {
					require.True(t, e.After.LastModified.After(before.After.LastModified))
					require.Equal(t, len(e.Changes) > 0, document(t, e.Before) != document(t, e.After))
					require.NotZero(t, len(e.Changes)+len(e.Added)+len(e.Removed), "an event for nothing")
				}
			}
			for _, m := range e.Added {
				require.False(t, members[id][m.ID], "was a member")
				members[id][m.ID] = true
			}
			for _, m := range e.Removed {
				require.True(t, members[id][m.ID], "was no member")
				delete(members[id], m.ID)
			}
			last[id] = e
		}
		for _, id := range users[1:] {
			a := s.get("/Users/" + id)
			require.Equal(t, a.version(), fmt.Sprintf(`W/"%d"`, last[id].Version))
			require.Greater(t, last[id].Version, store.Version(5), "the walk leads nowhere")
		}
		for _, id := range groups[1:] {
			a := s.get("/Groups/" + id)
			require.Equal(t, a.version(), fmt.Sprintf(`W/"%d"`, last[id].Version))
			require.Len(t, s.members(id), len(members[id]))
			for _, m := range s.members(id) {
				require.True(t, members[id][m])
			}
		}
		require.Nil(t, last[users[0]].After)
		require.Nil(t, last[groups[0]].After)
	})
}

// moody is a sink that fails from the n-th event of a request on, while n is not 0.
type moody struct {
	failAt atomic.Int64
	seen   atomic.Int64
}

var errMoody = errors.New("the cause with canary-secret-detail")

func (m *moody) Emit(context.Context, scim.Event) error {
	if n := m.failAt.Load(); n != 0 && m.seen.Add(1) >= n {
		return errMoody
	}
	return nil
}

// everything is all that a directory shows.
func everything(s *server) string {
	s.t.Helper()
	return string(s.get("/Users").body) + string(s.get("/Groups").body)
}

// A sink that fails undoes the change and all of its consequences; the same request works once the sink does, and emits then.
func TestFailingSinkUndoesTheChange(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		failAt int64
		do     func(s *server, user, group string) *response
		types  []scim.EventType
		covers []string
	}{
		{name: "create", failAt: 1, do: func(s *server, _, _ string) *response {
			return s.do("POST", "/Users", user("new@example.test", rich()))
		}, types: []scim.EventType{scim.UserCreated}},
		{name: "create a group", failAt: 1, do: func(s *server, id, _ string) *response {
			return s.do("POST", "/Groups", attrs{"schemas": []string{groupURN}, "displayName": "New", "members": memberList(id)})
		}, types: []scim.EventType{scim.GroupCreated}},
		{name: "deactivate", failAt: 1, do: func(s *server, id, _ string) *response { return s.patch("/Users/"+id, op("replace", "active", false)) }, types: []scim.EventType{scim.UserDeactivated}, covers: []string{"E-03"}},
		{name: "put", failAt: 1, do: func(s *server, id, _ string) *response {
			return s.do("PUT", "/Users/"+id, user("renamed@example.test"))
		}, types: []scim.EventType{scim.UserUpdated}},
		{name: "rename", failAt: 1, do: func(s *server, id, _ string) *response {
			return s.patch("/Users/"+id, op("replace", "userName", "renamed@example.test"), op("remove", "emails"))
		}, types: []scim.EventType{scim.UserUpdated}},
		{name: "remove members", failAt: 1, do: func(s *server, _, group string) *response { return s.patch("/Groups/"+group, op("remove", "members")) }, types: []scim.EventType{scim.GroupMembersChanged}},
		{name: "rename a group and add a member", failAt: 1, do: func(s *server, id, group string) *response {
			return s.patch("/Groups/"+group, op("replace", "displayName", "New"), op("remove", "members", memberList(id)))
		}, types: []scim.EventType{scim.GroupUpdated}},
		{name: "delete", failAt: 1, do: func(s *server, id, _ string) *response { return s.do("DELETE", "/Users/"+id, nil) }, types: []scim.EventType{scim.UserDeleted, scim.GroupMembersChanged, scim.GroupMembersChanged}},
		{name: "delete, at the first group", failAt: 2, do: func(s *server, id, _ string) *response { return s.do("DELETE", "/Users/"+id, nil) }, types: []scim.EventType{scim.UserDeleted, scim.GroupMembersChanged, scim.GroupMembersChanged}},
		{name: "delete, at the last group", failAt: 3, do: func(s *server, id, _ string) *response { return s.do("DELETE", "/Users/"+id, nil) }, types: []scim.EventType{scim.UserDeleted, scim.GroupMembersChanged, scim.GroupMembersChanged}},
		{name: "delete a group", failAt: 1, do: func(s *server, _, group string) *response { return s.do("DELETE", "/Groups/"+group, nil) }, types: []scim.EventType{scim.GroupDeleted}},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, b := range backends {
				t.Run(b.name, func(t *testing.T) {
					t.Parallel()
					sink, committed := &moody{}, atomic.Int64{}
					after := scim.AfterCommit(func(scim.Event) { committed.Add(1) })
					s := newServer(t, func(c *setup) { c.config.Store = b.open(t) }, withSink(scim.FanOut(after, sink)))
					other := s.user("other@example.test").id()
					id := s.user("someone@example.test", rich()).id()
					group := s.group("Crew", other, id).id()
					s.group("Watch", id)
					before := everything(s)
					s.events.take()
					committed.Store(0)

					for range 2 {
						sink.seen.Store(0)
						sink.failAt.Store(row.failAt)
						a := row.do(s, id, group).fails(503, "")
						require.Regexp(t, `^[1-9][0-9]*$`, a.header.Get("Retry-After"))
						require.NotContains(t, string(a.body), "canary")
						require.Equal(t, before, everything(s))
						require.Empty(t, s.events.take())
						require.Zero(t, committed.Load(), "a change that was undone is announced")
						require.Len(t, s.filter("/Users", `userName eq "someone@example.test"`), 1, "indexes are as they were")
						require.Empty(t, s.filter("/Users", `userName eq "renamed@example.test" or userName eq "new@example.test"`))
						require.Len(t, s.filter("/Users", `emails.value eq "nadia@work.example"`), 1)
						require.Len(t, s.filter("/Groups", `members.value eq "`+id+`"`), 2)
					}
					sink.failAt.Store(0)
					require.Less(t, row.do(s, id, group).status, 300)
					require.Equal(t, row.types, s.events.types())
					require.EqualValues(t, len(row.types), committed.Load())
					require.NotEqual(t, before, everything(s))
					covers(t, row.covers...)
				})
			}
		})
	}
}

// The log says why a request could not be answered, with its id.
func TestFailingSinkIsLogged(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		a := s.do("POST", "/Users", user("someone@example.test")).fails(503, "")
		for _, record := range s.log.records(t) {
			if record["request_id"] == a.header.Get("X-Request-Id") {
				require.Equal(t, "ERROR", record["level"])
				require.Contains(t, record["cause"], errMoody.Error())
				return
			}
		}
		t.Fatal("the request is not in the log")
	}, withSink(scim.EventFunc(func(context.Context, scim.Event) error { return errMoody })))
}

// A sink runs inside the transaction: what it reads through its context is the change, and nobody else sees it yet.
func TestSinkIsInsideTheTransaction(t *testing.T) {
	t.Parallel()
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			backend := b.open(t)
			scope := store.Scope{Connection: "connection-a", Tenant: "tenant-a"}
			var versions []store.Version
			sink := scim.EventFunc(func(ctx context.Context, e scim.Event) error {
				r, err := backend.Get(ctx, scope, e.Resource)
				if e.After == nil {
					require.ErrorIs(t, err, store.ErrNotFound)
					return nil
				}
				require.NoError(t, err)
				require.Equal(t, string(e.After.Document.JSON()), string(r.Document.JSON()))
				versions = append(versions, r.Version)
				return nil
			})
			s := newServer(t, func(c *setup) { c.config.Store = backend }, withSink(sink))
			path := "/Users/" + s.user("someone@example.test").id()
			s.patch(path, op("replace", "title", "T")).is(200)
			s.do("DELETE", path, nil).is(204)
			require.Equal(t, []store.Version{1, 2}, versions)
		})
	}
}

// What a sink does to the store through its context is part of the change: committed with it, or undone with it.
func TestSinkWritesWithTheChange(t *testing.T) {
	t.Parallel()
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			backend := b.open(t)
			scope := store.Scope{Connection: "connection-of-the-host", Tenant: "tenant-a"}
			fail := atomic.Bool{}
			sink := scim.EventFunc(func(ctx context.Context, e scim.Event) error {
				_, err := backend.Create(ctx, scope, store.Draft{Ref: store.Ref{Type: "User", ID: e.ID}, At: e.Time, Document: e.After.Document})
				if err == nil && fail.Load() {
					err = errMoody
				}
				return err
			})
			s := newServer(t, func(c *setup) { c.config.Store = backend }, withSink(sink))
			count := func() int {
				page, err := backend.List(context.Background(), scope, store.Query{Type: "User", Start: 1, Count: 10})
				require.NoError(t, err)
				return page.Total
			}
			fail.Store(true)
			s.do("POST", "/Users", user("someone@example.test")).fails(503, "")
			require.Zero(t, count())
			fail.Store(false)
			s.user("someone@example.test")
			require.Equal(t, 1, count())
		})
	}
}

func TestFanOut(t *testing.T) {
	t.Parallel()
	var calls []string
	sink := func(name string, err error) scim.EventSink {
		return scim.EventFunc(func(context.Context, scim.Event) error {
			calls = append(calls, name)
			return err
		})
	}
	ctx := context.Background()
	require.NoError(t, scim.FanOut().Emit(ctx, scim.Event{}))
	require.NoError(t, scim.FanOut(sink("a", nil), sink("b", nil)).Emit(ctx, scim.Event{}))
	require.Equal(t, []string{"a", "b"}, calls)
	calls = nil
	require.ErrorIs(t, scim.FanOut(sink("a", nil), sink("b", errMoody), sink("c", nil)).Emit(ctx, scim.Event{}), errMoody)
	require.Equal(t, []string{"a", "b"}, calls)
}

// AfterCommit runs once the change can be read by everybody, before the answer is sent.
func TestAfterCommit(t *testing.T) {
	t.Parallel()
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			backend := b.open(t)
			scope := store.Scope{Connection: "connection-a", Tenant: "tenant-a"}
			var calls []string
			named := func(name string) scim.EventSink {
				return scim.AfterCommit(func(e scim.Event) {
					r, err := backend.Get(context.Background(), scope, e.Resource)
					if e.After == nil {
						require.ErrorIs(t, err, store.ErrNotFound)
					} else {
						require.NoError(t, err)
						require.Equal(t, e.Version, r.Version)
					}
					calls = append(calls, name+" "+string(e.Type))
				})
			}
			s := newServer(t, func(c *setup) { c.config.Store = backend }, withSink(scim.FanOut(named("1"), named("2"))))
			id := s.user("someone@example.test").id()
			s.group("Crew", id)
			s.do("DELETE", "/Users/"+id, nil).is(204)
			require.Equal(t, []string{
				"1 user.created", "2 user.created", "1 group.created", "2 group.created", "1 user.deleted", "2 user.deleted", "1 group.members_changed", "2 group.members_changed",
			}, calls)
		})
	}
}

func TestLogEvents(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		var buffer bytes.Buffer
		events := scim.LogEvents(slog.New(slog.NewJSONHandler(&buffer, nil)))
		sink := &moody{}
		logged := newServer(t, func(c *setup) { c.config.Store = s.store.Store }, withSink(scim.FanOut(events, sink)))
		member := logged.user("someone@example.test").id()
		group := logged.group("Crew").id()
		buffer.Reset()
		a := logged.patch("/Groups/"+group, op("replace", "displayName", "canary-name"), op("add", "externalId", "canary-id"), op("add", "members", memberList(member))).is(204)
		require.Equal(t, 1, strings.Count(buffer.String(), "\n"))
		require.NotContains(t, buffer.String(), "canary")
		var record attrs
		require.NoError(t, json.Unmarshal(buffer.Bytes(), &record))
		want := attrs{
			"level": "INFO", "msg": "scim event", "type": "group.updated", "tenant": "tenant-a", "connection": "connection-a", "resource_type": "Group", "resource_id": group,
			"version": 2.0, "members_added": 1.0, "members_removed": 0.0, "request_id": a.header.Get("X-Request-Id"), "changed": []any{"externalId", "displayName"},
		}
		for name, value := range want {
			require.Equal(t, value, record[name], name)
		}
		require.Regexp(t, uuidShape, record["event_id"])
		buffer.Reset()
		sink.failAt.Store(1)
		logged.patch("/Groups/"+group, op("remove", "members")).fails(503, "")
		require.Empty(t, buffer.String(), "a change that was undone is logged")
	})
}

// bare is a store with no more than the Store interface.
type bare struct{ inner store.Store }

func (b bare) Create(ctx context.Context, scope store.Scope, draft store.Draft) (store.Applied, error) {
	return b.inner.Create(ctx, scope, draft)
}

func (b bare) Get(ctx context.Context, scope store.Scope, ref store.Ref) (store.Resource, error) {
	return b.inner.Get(ctx, scope, ref)
}

func (b bare) List(ctx context.Context, scope store.Scope, query store.Query) (store.Page, error) {
	return b.inner.List(ctx, scope, query)
}

func (b bare) Update(ctx context.Context, scope store.Scope, ref store.Ref, change patch.ChangeSet, w store.Write) (store.Applied, error) {
	return b.inner.Update(ctx, scope, ref, change, w)
}

func (b bare) Delete(ctx context.Context, scope store.Scope, ref store.Ref, w store.Write) (store.Deleted, error) {
	return b.inner.Delete(ctx, scope, ref, w)
}

// Without transactions, a failing sink is reported, and the change stands.
func TestFailingSinkWithoutTransactions(t *testing.T) {
	t.Parallel()
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			sink := &moody{}
			s := newServer(t, func(c *setup) { c.config.Store = bare{b.open(t)} }, withTypes(scim.UserType()), withSink(sink))
			path := "/Users/" + s.user("someone@example.test").id()
			require.Equal(t, []scim.EventType{scim.UserCreated}, s.events.types())
			sink.failAt.Store(1)
			a := s.patch(path, op("replace", "active", false)).fails(503, "")
			require.NotEmpty(t, a.header.Get("Retry-After"))
			require.Equal(t, false, s.get(path).at("active"))
		})
	}
}

// repeating is a store whose every transaction runs a second time, as one does that lost against another.
type repeating struct {
	store.Store
	store.MemberLister
	store.GroupLister
	inner store.Transactor
}

var errAgain = errors.New("once more")

func (r repeating) InTx(ctx context.Context, f func(context.Context) error) error {
	err := r.inner.InTx(ctx, func(ctx context.Context) error {
		if err := f(ctx); err != nil {
			return err
		}
		return errAgain
	})
	if !errors.Is(err, errAgain) {
		return err
	}
	return r.inner.InTx(ctx, f)
}

// A transaction that runs again emits the same events, ids and times included, and acts outside of it once.
func TestTransactionRunsAgain(t *testing.T) {
	t.Parallel()
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			var emitted []scim.Event
			sink := scim.EventFunc(func(_ context.Context, e scim.Event) error {
				emitted = append(emitted, e)
				return nil
			})
			inner := b.open(t)
			s := newServer(t, func(c *setup) {
				c.config.Store = repeating{inner, inner.(store.MemberLister), inner.(store.GroupLister), inner.(store.Transactor)}
			}, withSink(sink))
			var user, group string
			for _, do := range []func(){
				func() { user = s.user("someone@example.test").id() },
				func() { group = s.group("Crew", user).id() },
				func() { s.patch("/Users/"+user, op("replace", "title", "T")).is(200) },
				func() {
					s.patch("/Groups/"+group, op("remove", "members"), op("add", "members", memberList(user, user))).is(204)
				},
				func() { s.patch("/Groups/"+group, op("replace", "displayName", "Watch")).is(204) },
				func() { s.do("DELETE", "/Users/"+user, nil).is(204) },
			} {
				emitted = nil
				s.events.take()
				do()
				committed := s.events.take()
				require.Len(t, emitted, 2*len(committed))
				for i, e := range committed {
					for _, attempt := range []scim.Event{emitted[i], emitted[i+len(committed)]} {
						require.Equal(t, []any{e.ID, e.Type, e.Time, e.Resource, e.Version}, []any{attempt.ID, attempt.Type, attempt.Time, attempt.Resource, attempt.Version})
						if e.After != nil {
							require.Equal(t, e.After.LastModified, attempt.After.LastModified)
							require.Equal(t, document(t, e.After), document(t, attempt.After))
						}
					}
				}
			}
			require.Empty(t, s.members(group))
			require.Equal(t, `W/"3"`, s.get("/Groups/"+group).version())
		})
	}
}

// A sink's error says nothing about the request, even if it wraps one of package store: it is a 503, and undoes the change.
func TestWhatASinkWrapsIsNoAnswer(t *testing.T) {
	t.Parallel()
	causes := []error{
		store.ErrNotFound, store.ErrUniqueness, &store.UniquenessError{Path: "userName"}, store.ErrScope, store.ErrVersion, store.ErrExists,
		&store.UnknownMembersError{IDs: []string{"canary-of-a-ledger"}}, &patch.Error{ScimType: "invalidPath", Detail: "canary-of-a-ledger"},
	}
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			for _, plain := range []bool{false, true} {
				backend := b.open(t)
				if plain {
					backend = bare{backend}
				}
				var fail error
				calls := 0
				s := newServer(t, func(c *setup) { c.config.Store = backend }, withTypes(scim.UserType()),
					withSink(scim.EventFunc(func(context.Context, scim.Event) error { calls++; return fail })))
				s.secret("canary-of-a-ledger")
				path := "/Users/" + s.user("someone").id()
				for i, cause := range causes {
					fail = fmt.Errorf("ledger: %w", cause)
					for _, a := range []struct {
						method, target string
						body           any
					}{
						{"PATCH", path, patchBody(op("replace", "title", fmt.Sprint("T", i)))},
						{"PUT", path, user("someone", attrs{"title": fmt.Sprint("U", i)})},
						{"POST", "/Users", user(fmt.Sprint("other", i))},
					} {
						calls = 0
						require.NotEmpty(t, s.do(a.method, a.target, a.body).fails(503, "").header.Get("Retry-After"), cause)
						require.Equal(t, 1, calls, "%v: the write ran again", cause)
					}
				}
				if !plain {
					require.Equal(t, `W/"1"`, s.get(path).version())
				}
				s.secrets = s.secrets[:2] // the log tells the cause
			}
		})
	}
}
