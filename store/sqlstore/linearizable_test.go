package sqlstore_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/internal/dbtest"
	"github.com/scimkit/scim/store/memstore"
	"github.com/scimkit/scim/store/sqlstore"
)

// groupInput is a request on one of the groups. An answer that shows a group is two reads, each of one moment: the handler reads the
// resource and then, with a method of its own here, its members. Members are never older than the version beside them, so that
// an If-Match of that version cannot overwrite a member that the client did not see.
type groupInput struct {
	group  int
	method string // GET, DELETE, PUT, add, remove; or members, which is part of a GET or a PUT
	member int    // number of a user
	name   string // of a PUT, which has no members
	match  int    // If-Match of a PUT; the version beside members
}

// groupOutput is the answer. Version is 0 where it says none.
type groupOutput struct {
	status  int // 0: it is not known whether anything happened
	version int
	name    string
	members uint // bits by number of a user; of the method members only
}

// groupState is a group as the model has it.
type groupState struct {
	gone    bool
	version int
	name    string
	members uint
}

// after returns the state after a request, and its answer.
func (s groupState) after(in groupInput) (groupState, groupOutput) {
	if in.method == "members" {
		if !s.gone && s.version < in.match {
			return s, groupOutput{status: 500}
		}
		return s, groupOutput{status: 200, members: s.members}
	}
	if s.gone {
		return s, groupOutput{status: 404}
	}
	next := s
	switch in.method {
	case "GET":
		return s, groupOutput{status: 200, version: s.version, name: s.name}
	case "DELETE":
		return groupState{gone: true, version: s.version}, groupOutput{status: 204}
	case "PUT":
		if in.match != s.version {
			return s, groupOutput{status: 412}
		}
		next.name, next.members = in.name, 0
	case "add":
		next.members |= 1 << in.member
	case "remove":
		next.members &^= 1 << in.member
	}
	if next != s {
		next.version++
	}
	if in.method == "PUT" {
		return next, groupOutput{status: 200, version: next.version, name: next.name}
	}
	return next, groupOutput{status: 204, version: next.version}
}

// groupModel is what a directory promises of each group: all requests on it happen one after the other.
func groupModel() porcupine.Model {
	model := porcupine.NondeterministicModel{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			parts := map[int][]porcupine.Operation{}
			for _, op := range history {
				group := op.Input.(groupInput).group
				parts[group] = append(parts[group], op)
			}
			var list [][]porcupine.Operation
			for _, part := range parts {
				list = append(list, part)
			}
			return list
		},
		Init: func() []any { return []any{groupState{version: 1, name: "first"}} },
		Step: func(s, input, output any) []any {
			state := s.(groupState)
			next, want := state.after(input.(groupInput))
			switch output.(groupOutput) {
			case groupOutput{}:
				return []any{state, next}
			case want:
				return []any{next}
			}
			return nil
		},
		DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v: %+v", input, output) },
	}
	return model.ToModel()
}

// session is a client of the groups, which notes what it did.
type session struct {
	id     int
	client client
	random *rand.Rand
	groups []string
	users  []string
	seen   []int // the last version of each group that it saw
	clock  *atomic.Int64
	ops    []porcupine.Operation
}

func (s *session) act() error {
	in := groupInput{group: s.random.IntN(len(s.groups)), member: s.random.IntN(len(s.users))}
	switch n := s.random.IntN(100); {
	case n < 35:
		in.method = "GET"
	case n < 65:
		in.method = "add"
	case n < 85:
		in.method = "remove"
	case n < 99:
		in.method, in.match, in.name = "PUT", s.seen[in.group], fmt.Sprintf("name %d-%d", s.id, len(s.ops))
	default:
		in.method = "DELETE"
	}
	called := s.clock.Add(1)
	out, err := s.send(in)
	if err != nil {
		return err
	}
	shown := out.members
	out.members = 0
	op := porcupine.Operation{ClientId: s.id, Input: in, Call: called, Output: out, Return: s.clock.Add(1)}
	if out.status == 200 {
		part := op
		part.Input = groupInput{group: in.group, method: "members", match: out.version}
		part.Output = groupOutput{status: 200, members: shown}
		s.ops = append(s.ops, part)
	}
	if out.status == 0 {
		op.Return = math.MaxInt64 // it may happen at any time from now on
	}
	if out.version > 0 {
		s.seen[in.group] = out.version
	}
	s.ops = append(s.ops, op)
	return nil
}

func (s *session) send(in groupInput) (out groupOutput, err error) {
	path := "/Groups/" + s.groups[in.group]
	var a answer
	switch in.method {
	case "GET", "DELETE":
		a = s.client.do(in.method, path, nil)
	case "PUT":
		a = s.client.do("PUT", path, groupBody(in.name), "If-Match", fmt.Sprintf(`W/"%d"`, in.match))
	case "add":
		a = s.client.do("PATCH", path, patchBody(addMembers(s.users[in.member])))
	case "remove":
		a = s.client.do("PATCH", path, patchBody(removeMember(s.users[in.member])))
	}
	switch out.status = a.status; {
	case a.status == 503:
		return groupOutput{}, nil
	case a.status >= 500:
		return out, fmt.Errorf("%+v: %d %s", in, a.status, a.body)
	case a.status == 200:
		var r resource
		if r, err = a.parse(); err != nil {
			return out, err
		}
		out.name = r.DisplayName
		for _, id := range r.members() {
			out.members |= 1 << slices.Index(s.users, id)
		}
	}
	if tag := a.header.Get("ETag"); tag != "" {
		_, err = fmt.Sscanf(tag, `W/"%d"`, &out.version)
	}
	return out, err
}

// checkLinearizable lets sessions work on four groups and looks for an order of their requests that explains all answers. disturb runs
// beside them, and says when it is done if told to stop.
func checkLinearizable(t *testing.T, clients []client, disturb func(random *rand.Rand)) {
	t.Helper()
	n, long := roundsOf(t)
	steps := 40
	if long {
		steps = max(2*n, steps)
	}
	seed := seeded(t)
	const sessions, groups, users = 8, 4, 6
	var groupIDs, userIDs []string
	for i := range users {
		userIDs = append(userIDs, clients[0].user(t, fmt.Sprint("user ", i)).ID)
	}
	for range groups {
		groupIDs = append(groupIDs, clients[0].group(t, "first").ID)
	}
	var clock atomic.Int64
	var group sync.WaitGroup
	all := make([]*session, sessions)
	failures := make([]error, sessions)
	for i := range all {
		s := &session{id: i, client: clients[i%len(clients)], random: repeatable(seed, i), groups: groupIDs, users: userIDs, clock: &clock}
		s.seen = slices.Repeat([]int{1}, groups)
		all[i] = s
		group.Go(func() {
			for range steps {
				if i == 0 && disturb != nil {
					disturb(s.random)
				}
				if failures[i] = s.act(); failures[i] != nil {
					return
				}
			}
		})
	}
	group.Wait()
	var history []porcupine.Operation
	open := 0
	for i, s := range all {
		require.NoError(t, failures[i])
		history = append(history, s.ops...)
		for _, op := range s.ops {
			if op.Return == math.MaxInt64 {
				open++
			}
		}
	}
	require.True(t, porcupine.CheckOperations(groupModel(), history), "no order of the requests explains the answers")
	t.Logf("%d operations, %d of unknown outcome, seed %d", len(history), open, seed)
}

func TestLinearizableInMemory(t *testing.T) {
	t.Parallel()
	checkLinearizable(t, []client{clientOf(t, memstore.New(), nil)}, nil)
	covers(t, "C-14")
}

func TestLinearizable(t *testing.T) {
	t.Parallel()
	onEachDeployment(t, func(t *testing.T, c *cluster) {
		checkLinearizable(t, c.clients, nil)
		covers(t, "C-14")
	})
}

// The database fails now and then: what a 503 leaves open happened as a whole or not at all, at one moment.
func TestLinearizableUnderFaults(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d target) {
		db, driver := dbtest.Between(t, d.Dialect, d.DSN)
		db.SetMaxOpenConns(maxConns)
		s, err := sqlstore.New(t.Context(), sqlstore.Config{DB: db, Dialect: d.Dialect})
		require.NoError(t, err)
		_, err = db.ExecContext(t.Context(), hostTable)
		require.NoError(t, err)
		c := clientOf(t, s, d.hostSink())
		errs := []error{dbtest.ErrIO, dbtest.SerializationFailure, dbtest.DeadlockDetected, dbtest.AdminShutdown}
		if d.Dialect == filter.SQLite {
			errs = []error{dbtest.Busy, dbtest.IOErr, dbtest.Full, dbtest.ReadOnly}
		}
		checkLinearizable(t, []client{c}, func(random *rand.Rand) {
			if random.IntN(4) > 0 {
				on := []dbtest.Step{dbtest.Any, dbtest.Commit}[random.IntN(2)]
				driver.Inject(dbtest.Fault{
					On: on, N: 1 + random.IntN(20), When: []dbtest.Moment{dbtest.Before, dbtest.After}[random.IntN(2)], Err: errs[random.IntN(len(errs))],
				})
			}
		})
		driver.Heal()
		checkConsistency(t, d, db)
		checkEvents(t, db)
		covers(t, "C-14", "S-22")
	})
}

// The check itself: it accepts what a lock would give, and finds a lost update, a stale read and half of a change.
func TestLinearizabilityIsChecked(t *testing.T) {
	t.Parallel()
	add := func(member int, call, end int64, version int) porcupine.Operation {
		return porcupine.Operation{Input: groupInput{method: "add", member: member}, Call: call, Output: groupOutput{status: 204, version: version}, Return: end}
	}
	get := func(call, end int64, version int, members uint) []porcupine.Operation {
		return []porcupine.Operation{
			{Input: groupInput{method: "GET"}, Call: call, Output: groupOutput{status: 200, version: version, name: "first"}, Return: end},
			{Input: groupInput{method: "members", match: version}, Call: call, Output: groupOutput{status: 200, members: members}, Return: end},
		}
	}
	unknown := add(2, 1, math.MaxInt64, 0)
	unknown.Output = groupOutput{}
	for _, c := range []struct {
		name    string
		history []porcupine.Operation
		legal   bool
	}{
		{"side by side", append(get(5, 6, 3, 3), add(0, 1, 4, 3), add(1, 2, 3, 2)), true},
		{"a lost update", append(get(5, 6, 2, 2), add(0, 1, 4, 2), add(1, 2, 3, 2)), false},
		{"a lost member", append(get(5, 6, 3, 2), add(0, 1, 4, 3), add(1, 2, 3, 2)), false},
		{"a stale read", append(get(3, 4, 1, 0), add(0, 1, 2, 2)), false},
		{"members newer than the version", append(get(2, 3, 1, 1), add(0, 1, 4, 2)), true},
		{"members older than the version", append(get(2, 3, 2, 0), add(0, 1, 4, 2)), false},
		{"unknown, made", append(get(5, 6, 2, 4), unknown), true},
		{"unknown, not made", append(get(5, 6, 1, 0), unknown), true},
		{"unknown, undone", append(get(5, 6, 2, 4), append(get(7, 8, 1, 0), unknown)...), false},
	} {
		require.Equal(t, c.legal, porcupine.CheckOperations(groupModel(), c.history), c.name)
	}
}
