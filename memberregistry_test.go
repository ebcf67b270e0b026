package scim_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/store"
	"github.com/scimkit/scim/store/sqlstore"
)

// registry is a host that keeps accounts through Members: in memory, and on SQL stores in a table of its own as well, written in the
// transaction of the change. Each connection has accounts, groups and roles of its own; fresh goes on with the next one.
type registry struct {
	*server
	backend directoryStore
	state   store.MemberStore
	members *scim.MemberSink
	scope   store.Scope
	number  int
	next    func() store.Scope // the next connection, nil: any
	ids     map[string]string  // of users and groups by name, in the connection
	names   map[string]string  // the reverse

	mu       sync.Mutex
	accounts map[string]kept        // committed, by member
	live     map[string]scim.Member // as accounts, committed or not
	told     []telling              // committed, since the last take
	calls    int                    // of Apply, committed or not
	failAt   int                    // the call that fails, 0: none
	failure  error
	lenient  bool // requests run at the same time: what is committed is not what was told last
}

// kept is what the host has of a member, and whether somebody is logged in to it.
type kept struct {
	member  scim.Member
	session bool
}

// telling is one call of Apply.
type telling struct {
	before *scim.Member
	after  scim.Member
}

// statefulStore is what every store of backends is, as Members needs it.
type statefulStore interface {
	directoryStore
	store.MemberStore
}

var (
	// rolesByDomain are the roles that domains give in these tests.
	rolesByDomain = map[string][]string{"example.test": {"staff"}, "other.test": {"guest"}}
	defaultRoles  = []string{"member"}
)

func newRegistry(t testing.TB, backend store.Store, options ...func(*scim.MembersConfig)) *registry {
	t.Helper()
	all := backend.(statefulStore)
	l := &registry{backend: all, state: all, accounts: map[string]kept{}, live: map[string]scim.Member{}}
	config := scim.MembersConfig{
		Store: backend, Apply: l.apply,
		DefaultRoles: func(store.Scope) []string { return defaultRoles },
		DomainRoles:  func(_ store.Scope, domain string) []string { return rolesByDomain[domain] },
	}
	for _, option := range options {
		option(&config)
	}
	var err error
	l.members, err = scim.Members(config)
	require.NoError(t, err)
	l.server = newServer(t, withSink(l.members), func(c *setup) {
		c.config.Store = backend
		c.config.Verifier = verifierFunc(func(_ context.Context, token string) (scim.Credential, error) {
			c := scim.Connection{ID: token, Tenant: "tenant-" + token}
			if token == l.scope.Connection {
				c.Tenant = l.scope.Tenant
			}
			return scim.Credential{TokenID: "t", Connection: c}, nil
		})
	})
	err = l.inTx(func(ctx context.Context) error {
		if tx, ok := sqlstore.Tx(ctx); ok {
			_, err := tx.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS registry_accounts
				(connection TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (connection, id))`)
			return err
		}
		return nil
	})
	require.NoError(t, err)
	l.fresh()
	return l
}

// onEachRegistry runs f once per store, with a fresh host.
func onEachRegistry(t *testing.T, f func(t *testing.T, l *registry), options ...func(*scim.MembersConfig)) {
	t.Helper()
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			f(t, newRegistry(t, b.open(t), options...))
		})
	}
}

// onRegistry returns the same host for a subtest.
func onRegistry(t *testing.T, l *registry) { l.server = within(t, l.server) }

func (l *registry) inTx(f func(context.Context) error) error {
	return store.InTx(context.Background(), l.backend, f)
}

// memory reports whether the store is without transactions that a host can write in.
func (l *registry) memory() (memory bool) {
	_ = l.inTx(func(ctx context.Context) error {
		_, ok := sqlstore.Tx(ctx)
		memory = !ok
		return nil
	})
	return memory
}

// fresh goes on in an empty connection.
func (l *registry) fresh() {
	l.number++
	id := fmt.Sprintf("connection-%d", l.number)
	l.scope = store.Scope{Connection: id, Tenant: "tenant-" + id}
	if l.next != nil {
		l.scope = l.next()
	}
	l.server = l.as(l.scope.Connection)
	l.ids, l.names = map[string]string{}, map[string]string{}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.accounts, l.live, l.told, l.calls, l.failAt = map[string]kept{}, map[string]scim.Member{}, nil, 0, 0
	l.events.take()
}

// apply is MembersConfig.Apply. It writes before it fails, so that what it wrote has to be undone.
func (l *registry) apply(ctx context.Context, before *scim.Member, after scim.Member) error {
	if err := l.plausible(before, after); err != nil {
		l.t.Error(err)
		return err
	}
	if tx, ok := sqlstore.Tx(ctx); ok {
		body, err := json.Marshal(after)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO registry_accounts (connection, id, body) VALUES ($1, $2, $3)
			ON CONFLICT (connection, id) DO UPDATE SET body = excluded.body`, after.Connection, after.ID, string(body)); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.calls++; l.calls == l.failAt {
		return l.failure
	}
	l.live[after.ID] = after
	store.AfterCommit(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.told = append(l.told, telling{before, after})
		l.accounts[after.ID] = kept{after, l.accounts[after.ID].session && after.Status == scim.MemberActive}
	})
	return nil
}

// plausible holds a call of Apply against what all have in common.
func (l *registry) plausible(before *scim.Member, after scim.Member) error {
	scope := store.Scope{Connection: after.Connection, Tenant: after.Tenant}
	switch {
	case scope != l.scope:
		return fmt.Errorf("implausible: scope %v", scope)
	case after.Status != scim.MemberActive && len(after.Roles) > 0:
		return fmt.Errorf("implausible: a member that is %s has roles", after.Status)
	case after.Status == scim.MemberRemoved && len(after.Groups) > 0:
		return fmt.Errorf("implausible: groups of a removed member")
	case before != nil && before.ID != after.ID:
		return fmt.Errorf("implausible: two members")
	}
	for i, r := range after.Roles {
		if len(r.Sources) == 0 || i > 0 && after.Roles[i-1].ID >= r.ID {
			return fmt.Errorf("implausible: roles %v", after.Roles)
		}
	}
	if l.lenient {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	last, known := l.accounts[after.ID]
	if known != (before != nil) {
		return fmt.Errorf("implausible: before is %v, known %t", before, known)
	}
	if known && brief(*before) != brief(last.member) {
		return fmt.Errorf("implausible: before is %s, told was %s", brief(*before), brief(last.member))
	}
	return nil
}

func memberJSON(m scim.Member) (string, error) {
	body, err := json.Marshal(m)
	return string(body), err
}

// brief is everything of a member but its groups, of which those without a role come and go untold, and what concerns new ones only.
func brief(m scim.Member) string {
	m.Groups, m.Predecessors, m.Link = nil, nil, 0
	body, _ := json.Marshal(m)
	return string(body)
}

// user creates a user by name.
func (l *registry) user(name string, more ...map[string]any) string {
	l.t.Helper()
	id := l.server.user(name+"@example.test", more...).id()
	l.ids[name], l.names[id] = id, name
	return id
}

// group creates a group of named users.
func (l *registry) group(name string, members ...string) string {
	l.t.Helper()
	id := l.server.group(name, l.idsOf(members...)...).id()
	l.ids[name], l.names[id] = id, name
	return id
}

func (l *registry) idsOf(names ...string) []string {
	ids := []string{}
	for _, name := range names {
		require.NotEmpty(l.t, l.ids[name], name)
		ids = append(ids, l.ids[name])
	}
	return ids
}

// path returns the path of a user or group by name. Groups are written with a capital.
func (l *registry) path(name string) string {
	endpoint := "/Users/"
	if strings.ToUpper(name[:1]) == name[:1] {
		endpoint = "/Groups/"
	}
	return endpoint + l.idsOf(name)[0]
}

// assign replaces the role assignments, "Group role" each.
func (l *registry) assign(assignments ...string) {
	l.t.Helper()
	require.NoError(l.t, l.tryAssign(assignments...))
}

func (l *registry) tryAssign(assignments ...string) error {
	list := []store.RoleAssignment{}
	for _, a := range assignments {
		group, role, _ := strings.Cut(a, " ")
		list = append(list, store.RoleAssignment{Group: l.ids[group], Role: role})
	}
	return l.members.SetRoleAssignments(context.Background(), l.scope, list)
}

// take returns what the host was told since the last time, a line each.
func (l *registry) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := []string{}
	for _, told := range l.told {
		before := "-"
		if told.before != nil {
			before = l.standing(*told.before)
		}
		name := l.names[told.after.ID]
		if name == "" {
			name, _, _ = strings.Cut(told.after.UserName, "@")
		}
		lines = append(lines, name+": "+before+" -> "+l.standing(told.after))
	}
	l.told, l.calls = nil, 0
	return lines
}

// last returns what the host was told last of a member.
func (l *registry) last(id string) scim.Member {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.accounts[id].member
}

// standing is a member's status with its roles and their sources.
func (l *registry) standing(m scim.Member) string {
	words := []string{string(m.Status)}
	for _, r := range m.Roles {
		var sources []string
		for _, s := range m.Explain(r.ID) {
			if s.Source == store.SourceGroup {
				sources = append(sources, l.names[s.Group])
			} else {
				sources = append(sources, string(s.Source))
			}
		}
		words = append(words, r.ID+"("+strings.Join(sources, ",")+")")
	}
	return strings.Join(words, " ")
}

// login starts a session of each active account.
func (l *registry) login() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, a := range l.accounts {
		a.session = a.member.Status == scim.MemberActive
		l.accounts[id] = a
	}
}

// sessions returns the names of those who are logged in.
func (l *registry) sessions() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	names := []string{}
	for id, a := range l.accounts {
		if a.session {
			names = append(names, l.names[id])
		}
	}
	slices.Sort(names)
	return names
}

// rows returns the accounts in the host's table, as JSON by member; on a store without tables, those in memory.
func (l *registry) rows() map[string]string {
	l.t.Helper()
	rows := map[string]string{}
	err := l.inTx(func(ctx context.Context) error {
		clear(rows)
		tx, ok := sqlstore.Tx(ctx)
		if !ok {
			l.mu.Lock()
			defer l.mu.Unlock()
			for id, a := range l.accounts {
				body, err := json.Marshal(a.member)
				if err != nil {
					return err
				}
				rows[id] = string(body)
			}
			return nil
		}
		found, err := tx.QueryContext(ctx, "SELECT id, body FROM registry_accounts WHERE connection = $1", l.scope.Connection)
		if err != nil {
			return err
		}
		defer func() { _ = found.Close() }()
		for found.Next() {
			var id, body string
			if err := found.Scan(&id, &body); err != nil {
				return err
			}
			rows[id] = body
		}
		return found.Err()
	})
	require.NoError(l.t, err)
	return rows
}

// snapshot is all that a connection consists of: resources, memberships, role assignments, grants, tombstones, accounts and sessions.
func (l *registry) snapshot() string {
	l.t.Helper()
	ctx := context.Background()
	assignments, err := l.members.RoleAssignments(ctx, l.scope)
	require.NoError(l.t, err)
	ids := []string{}
	for _, id := range l.ids {
		ids = append(ids, id)
	}
	grants, err := l.state.Grants(ctx, l.scope, ids...)
	require.NoError(l.t, err)
	stones := map[string]any{}
	for name := range l.ids {
		if stones[name], err = l.state.Tombstones(ctx, l.scope, "e-"+name, name+"@example.test"); err != nil {
			require.NoError(l.t, err)
		}
	}
	committed := map[string]string{}
	for id, a := range l.accounts {
		body, err := json.Marshal(a.member)
		require.NoError(l.t, err)
		committed[id] = string(body)
	}
	rows := l.rows()
	require.Equal(l.t, committed, rows, "what is told after the commit is what the transaction wrote")
	all, err := json.MarshalIndent(map[string]any{
		"assignments": assignments, "grants": grants, "stones": stones, "accounts": rows, "sessions": l.sessions(),
		"users": string(l.get("/Users").body), "groups": string(l.get("/Groups").body),
	}, "", " ")
	require.NoError(l.t, err)
	return string(all)
}

// crewed fills a fresh connection: anna, who has a role of her own, ben, and carl, who is deactivated; Crew and Deck give roles, Plain gives
// none. anna and ben are logged in.
func (l *registry) crewed() {
	l.t.Helper()
	l.fresh()
	l.user("anna", attrs{"externalId": "e-anna"})
	l.user("ben", attrs{"externalId": "e-ben", "emails": []attrs{{"value": "ben@example.test", "type": "work", "primary": true}}})
	l.user("carl", attrs{"active": false, "externalId": "e-carl"})
	l.group("Crew", "anna", "carl")
	l.group("Deck")
	l.group("Plain", "anna")
	l.assign("Crew crew", "Deck crew", "Deck deck")
	require.NoError(l.t, l.members.GrantRole(context.Background(), l.scope, l.ids["anna"], "owner"))
	l.login()
	l.take()
	l.events.take()
}

// What the members of crewed are.
const (
	annaIs   = "active crew(Crew) member(connection_default) owner(direct) staff(email_domain)"
	annaBack = "active crew(Crew) member(connection_default) staff(email_domain)" // without what was given directly
	benIs    = "active member(connection_default) staff(email_domain)"
)
