package scim_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	elimity "github.com/elimity-com/scim/schema"
	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/store"
)

// relations is a store with all of the optional interfaces, which fails to read memberships when it is told to.
type relations struct {
	store.Store
	store.Transactor
	members store.MemberLister
	groups  store.GroupLister
	after   *atomic.Int32 // how many reads succeed before one fails; negative: all
}

func relationsOf(s store.Store) relations {
	r := relations{Store: s, Transactor: s.(store.Transactor), members: s.(store.MemberLister), groups: s.(store.GroupLister), after: new(atomic.Int32)}
	r.after.Store(-1)
	return r
}

var errGone = errors.New("the database is gone")

func (r relations) fault() error {
	if r.after.Load() < 0 || r.after.Add(-1) >= 0 {
		return nil
	}
	return errGone
}

func (r relations) Members(ctx context.Context, scope store.Scope, query store.MemberQuery) (store.MemberPage, error) {
	if err := r.fault(); err != nil {
		return store.MemberPage{}, err
	}
	return r.members.Members(ctx, scope, query)
}

func (r relations) Groups(ctx context.Context, scope store.Scope, ids []string) (map[string][]store.Group, error) {
	if err := r.fault(); err != nil {
		return nil, err
	}
	return r.groups.Groups(ctx, scope, ids)
}

// onEachFaultyStore is onEachStore with the store's memberships in the test's hand.
func onEachFaultyStore(t *testing.T, f func(t *testing.T, s *server, r relations), options ...func(*setup)) {
	t.Helper()
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			r := relationsOf(b.open(t))
			f(t, newServer(t, append(options, func(c *setup) { c.config.Store = r })...), r)
		})
	}
}

// What is committed is answered with success, even if the memberships in the answer cannot be read any more.
func TestCommittedWritesSucceed(t *testing.T) {
	t.Parallel()
	onEachFaultyStore(t, func(t *testing.T, s *server, r relations) {
		ann := s.user("ann").id()
		crew := s.group("Crew", ann).id()
		for _, c := range []struct {
			method, target string
			body           any
			status         int
			missing        string
		}{
			{"POST", "/Users", user("bob"), 201, "groups"},
			{"PUT", "/Users/" + ann, user("ann", attrs{"title": "Pilot"}), 200, "groups"},
			{"PATCH", "/Users/" + ann, patchBody(op("replace", "active", false)), 200, "groups"},
			{"POST", "/Groups", attrs{"schemas": []string{groupURN}, "displayName": "Dock", "members": memberList(ann)}, 201, "members"},
			{"PUT", "/Groups/" + crew, attrs{"schemas": []string{groupURN}, "displayName": "Crew 2", "members": memberList(ann)}, 200, "members"},
			{"PATCH", "/Groups/" + crew + "?attributes=members,displayName", patchBody(op("replace", "displayName", "Crew 3")), 200, "members"},
		} {
			s.events.take()
			r.after.Store(0)
			a := s.do(c.method, c.target, c.body).is(c.status)
			r.after.Store(-1)
			require.Len(t, s.events.take(), 1, c.target)
			require.NotEmpty(t, a.header.Get("ETag"))
			require.NotEmpty(t, a.header.Get("Location"))
			require.Nil(t, a.at(c.missing), string(a.body))
			record := s.log.records(t)[len(s.log.records(t))-1]
			require.Equal(t, "WARN", record["level"])
			require.Equal(t, true, record["incomplete"])
			require.Equal(t, errGone.Error(), record["cause"])

			whole := s.get(strings.TrimPrefix(a.header.Get("Location"), baseURL)).json()
			for name, value := range a.json() {
				require.Equal(t, whole[name], value, name)
			}
		}
		// Reads still fail rather than pass a part for the whole.
		for _, target := range []string{"/Users/" + ann, "/Groups/" + crew, "/Users", "/Groups"} {
			r.after.Store(0)
			require.NotEmpty(t, s.do("GET", target, nil).fails(503, "").header.Get("Retry-After"))
			r.after.Store(-1)
		}
	})
}

// The request's time may be up, or the client gone, when the change is committed: what follows has a time of its own.
func TestTimeIsUpAfterTheCommit(t *testing.T) {
	t.Parallel()
	var leave context.CancelFunc
	hook := scim.AfterCommit(func(scim.Event) {
		if leave != nil {
			leave()
		}
	})
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			s := newServer(t, func(c *setup) { c.config.Store = b.open(t) }, withSink(hook))
			send := func(method, target string, body any) *response {
				r := s.request(method, target, body)
				ctx, cancel := context.WithCancel(r.Context())
				defer cancel()
				leave = cancel
				defer func() { leave = nil }()
				return s.send(r.WithContext(ctx))
			}
			ann := send("POST", "/Users", user("ann")).is(201)
			require.Equal(t, string(ann.body), string(s.get("/Users/"+ann.id()).body))
			crew := send("POST", "/Groups", attrs{"schemas": []string{groupURN}, "displayName": "Crew", "members": memberList(ann.id())}).is(201)
			require.Equal(t, string(crew.body), string(s.get("/Groups/"+crew.id()).body))
			ann = send("PATCH", "/Users/"+ann.id(), patchBody(op("replace", "active", false))).is(200)
			require.Equal(t, string(ann.body), string(s.get("/Users/"+ann.id()).body))
		})
	}
}

// An answer that breaks off is an error in the log, unless it was the client that left.
func TestBrokenAnswersAreLogged(t *testing.T) {
	t.Parallel()
	onEachFaultyStore(t, func(t *testing.T, s *server, r relations) {
		crew := "/Groups/" + s.group("Crew").id()
		s.do("PATCH", crew, patchBody(op("add", "members", memberList(many(t, r, 1001)...)))).is(204) // more than is read at a time
		for _, c := range []struct {
			leaves bool
			level  string
		}{{false, "ERROR"}, {true, "INFO"}} {
			request := s.request("GET", crew, nil)
			ctx, cancel := context.WithCancel(request.Context())
			w := leaving{ResponseRecorder: httptest.NewRecorder(), leave: func() {}}
			if c.leaves {
				w.leave = cancel
			} else {
				r.after.Store(1)
			}
			require.PanicsWithError(t, http.ErrAbortHandler.Error(), func() { s.handler.ServeHTTP(w, request.WithContext(ctx)) })
			cancel()
			r.after.Store(-1)
			records := s.log.records(t)
			record := records[len(records)-1]
			require.Equal(t, c.level, record["level"])
			require.Equal(t, true, record["aborted"])
			require.InEpsilon(t, 200, record["status"], 0)
			require.NotEmpty(t, record["cause"])
		}
		s.get(crew)
		require.NotContains(t, s.log.records(t)[len(s.log.records(t))-1], "aborted")
	})
}

// many stores users with long ids.
func many(t *testing.T, r relations, count int) (ids []string) {
	t.Helper()
	require.NoError(t, r.InTx(t.Context(), func(ctx context.Context) error {
		ids = nil
		for i := range count {
			draft := store.Draft{
				Ref: store.Ref{Type: "User", ID: fmt.Sprintf("%0150d", i)}, At: time.Unix(0, 0), Document: store.NewDocument([]byte(`{"userName":"u"}`)),
			}
			if _, err := r.Create(ctx, store.Scope{Connection: "connection-a", Tenant: "tenant-a"}, draft); err != nil {
				return err
			}
			ids = append(ids, draft.ID)
		}
		return nil
	}))
	return ids
}

// leaving is the connection of a client that may hang up when the answer begins.
type leaving struct {
	*httptest.ResponseRecorder
	leave func()
}

func (w leaving) Write(b []byte) (int, error) {
	w.leave()
	return w.ResponseRecorder.Write(b)
}

// A group of another type's name has a $ref all the same.
func TestGroupsOfAnotherType(t *testing.T) {
	t.Parallel()
	team := scim.ResourceType{Name: "Team", Endpoint: "/Teams", Schema: elimity.CoreGroupSchema()}
	onEachStore(t, func(t *testing.T, s *server) {
		ann := s.user("ann").id()
		crew := s.create("/Teams", attrs{"schemas": []string{groupURN}, "displayName": "Crew", "members": memberList(ann)})
		require.Equal(t, baseURL+"/Users/"+ann, crew.at("members", 0, "$ref"))
		require.Equal(t, attrs{"value": crew.id(), "$ref": baseURL + "/Teams/" + crew.id(), "display": "Crew", "type": "direct"}, s.get("/Users/"+ann).at("groups", 0))
	}, withTypes(scim.UserType(), team))
}
