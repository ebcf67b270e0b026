package sqlstore_test

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/internal/dbtest"
	"github.com/scimkit/scim/store"
)

// standingTables hold what is known of members.
var standingTables = []string{"scim_mappings", "scim_assignments", "scim_grants", "scim_tombstones"}

// standings renders the rows of standingTables.
func (r rig) standings(t testing.TB) (all []string) {
	t.Helper()
	for _, table := range standingTables {
		query(t, r.db, "SELECT * FROM "+table, func(s *sql.Rows) error {
			columns, err := s.Columns()
			require.NoError(t, err)
			values, into := make([]any, len(columns)), make([]any, len(columns))
			for i := range values {
				into[i] = &values[i]
			}
			err = s.Scan(into...)
			all = append(all, fmt.Sprint(table, columns, values))
			return err
		})
	}
	slices.Sort(all)
	return all
}

// checkStandings: every row is of a directory, and none is left of what has a row only while it is replaced or is empty.
func checkStandings(t testing.TB, db *sql.DB) {
	t.Helper()
	for _, table := range standingTables {
		stray := "SELECT count(*) FROM " + table + " WHERE directory NOT IN (SELECT number FROM scim_directories)"
		require.Equal(t, []int64{0}, column[int64](t, db, stray), "rows of %s are of no directory", table)
	}
	for _, empty := range []string{
		"scim_mappings WHERE mapping = ''", "scim_assignments WHERE group_id = '' OR role = ''", "scim_grants WHERE member = '' OR role = ''",
		"scim_grants WHERE source NOT IN ('direct', 'attribute', 'group', 'email_domain', 'connection_default')",
		"scim_grants WHERE (source = 'group') <> (group_id <> '')", "scim_tombstones WHERE member = ''",
	} {
		require.Equal(t, []int64{0}, column[int64](t, db, "SELECT count(*) FROM "+empty), empty)
	}
}

func given(role string) store.Grant { return store.Grant{Role: role, Source: store.SourceDirect} }

func givenByGroup(role, group string) store.Grant {
	return store.Grant{Role: role, Source: store.SourceGroup, Group: group}
}

// settle stores something of everything.
func (r rig) settle(ctx context.Context, t testing.TB, scope store.Scope) {
	t.Helper()
	require.NoError(t, r.PutAttributeMapping(ctx, scope, "{}"))
	require.NoError(t, r.PutRoleAssignments(ctx, scope, []store.RoleAssignment{{Group: "g", Role: "x"}, {Group: "h", Role: "x"}}))
	for i, member := range []string{"u", "v"} {
		require.NoError(t, r.PutGrants(ctx, scope, member, []store.Grant{given("x"), givenByGroup("x", "g")}))
		stone := store.Tombstone{Member: "old " + member, ExternalID: "e", UserName: "u", DeletedAt: time.UnixMicro(int64(i + 1))}
		require.NoError(t, r.PutTombstone(ctx, scope, stone))
	}
}

// standingChange is a call that changes something of what settle stored.
type standingChange struct {
	name  string
	steps int // what can fail at least, with the begin and the commit
	do    func(ctx context.Context) error
}

func (r rig) standingChanges() []standingChange {
	return []standingChange{
		{"PutAttributeMapping", 3, func(ctx context.Context) error { return r.PutAttributeMapping(ctx, scope, `{"a":1}`) }},
		{"PutAttributeMapping of none", 3, func(ctx context.Context) error { return r.PutAttributeMapping(ctx, scope, "") }},
		{"PutRoleAssignments", 4, func(ctx context.Context) error {
			return r.PutRoleAssignments(ctx, scope, []store.RoleAssignment{{Group: "g", Role: "y"}, {Group: "h", Role: "x"}})
		}},
		{"PutGrants", 4, func(ctx context.Context) error {
			return r.PutGrants(ctx, scope, "u", []store.Grant{given("x"), given("y"), givenByGroup("x", "h")})
		}},
		{"PutGrants of none", 4, func(ctx context.Context) error { return r.PutGrants(ctx, scope, "v", nil) }},
		{"PutTombstone", 3, func(ctx context.Context) error {
			return r.PutTombstone(ctx, scope, store.Tombstone{Member: "old u", UserName: "w", DeletedAt: time.UnixMicro(9)})
		}},
		{"ForgetTombstones", 3, func(ctx context.Context) error { return r.ForgetTombstones(ctx, time.UnixMicro(5)) }},
		{"Purge", 6, func(ctx context.Context) error {
			_, err := r.Purge(ctx, scope, 9)
			return err
		}},
	}
}

// Every step of a change fails: nothing of it is there, and it gets through when it comes again.
func TestChangesOfStandingsAreWhole(t *testing.T) {
	t.Parallel()
	onEachRig(t, func(t *testing.T, r rig) {
		r.settle(t.Context(), t, scope)
		for _, change := range r.standingChanges() {
			before := r.everything(t)
			for n, done := 1, false; !done; n++ {
				r.driver.Inject(dbtest.Fault{On: dbtest.Any, N: n, Err: dbtest.ErrIO})
				err := change.do(t.Context())
				done = r.driver.Fired() == 0
				r.driver.Heal()
				if done {
					require.NoError(t, err, change.name)
					require.Greater(t, n, change.steps, change.name)
					require.NotEqual(t, before, r.everything(t), change.name)
					break
				}
				require.ErrorIs(t, err, dbtest.ErrIO, "%s, step %d", change.name, n)
				require.Equal(t, before, r.everything(t), "%s, step %d", change.name, n)
			}
			checkTables(t, r.d, r.db)
		}
	})
}

// What the database undid is tried again.
func TestChangesOfStandingsRunAgain(t *testing.T) {
	t.Parallel()
	onEachRig(t, func(t *testing.T, r rig) {
		r.settle(t.Context(), t, scope)
		for _, change := range r.standingChanges() {
			before := r.everything(t)
			r.driver.Inject(dbtest.Fault{On: dbtest.Statement, N: 1, Times: 2, Err: r.retried()[0]})
			require.NoError(t, change.do(t.Context()), change.name)
			require.Equal(t, 2, r.driver.Fired(), change.name)
			r.driver.Heal()
			require.NotEqual(t, before, r.everything(t), change.name)
		}
		checkTables(t, r.d, r.db)
	})
}

// Each read that fails says so, and does not pass for an answer without anything in it.
func TestFailedReadsOfStandings(t *testing.T) {
	t.Parallel()
	onEachRig(t, func(t *testing.T, r rig) {
		r.settle(t.Context(), t, scope)
		for name, read := range map[string]func() error{
			"AttributeMapping": func() error {
				_, err := r.AttributeMapping(t.Context(), scope)
				return err
			},
			"RoleAssignments": func() error {
				_, err := r.RoleAssignments(t.Context(), scope)
				return err
			},
			"Grants": func() error {
				_, err := r.Grants(t.Context(), scope, "u")
				return err
			},
			"Granted": func() error {
				_, err := r.Granted(t.Context(), scope, store.GrantQuery{Source: store.SourceDirect, Limit: 9})
				return err
			},
			"Tombstones": func() error {
				_, err := r.Tombstones(t.Context(), scope, "e", "u")
				return err
			},
		} {
			require.NoError(t, read(), name)
			r.driver.Inject(dbtest.Fault{On: dbtest.Any, N: 1, Err: dbtest.ErrIO})
			require.ErrorIs(t, read(), dbtest.ErrIO, name)
			r.driver.Heal()
		}
	})
}

// A purge leaves no row of what was known of a scope's members, and all rows of other scopes.
func TestPurgeLeavesNoStandings(t *testing.T) {
	t.Parallel()
	onEachRig(t, func(t *testing.T, r rig) {
		other := store.Scope{Connection: "other", Tenant: scope.Tenant}
		r.settle(t.Context(), t, other)
		before := r.standings(t)
		require.Len(t, before, 1+2+4+2)
		r.settle(t.Context(), t, scope)
		r.create(t.Context(), t, "User", "a")
		require.Len(t, r.standings(t), 2*len(before))
		for more, n := true, 0; more; n++ {
			var err error
			more, err = r.Purge(t.Context(), scope, 1)
			require.NoError(t, err)
			require.Less(t, n, 10)
		}
		require.Equal(t, before, r.standings(t))
	})
}

// fillStandings makes the tables as big as plans need that depend on statistics: in one directory, and in fifty small ones.
func (r rig) fillStandings(t *testing.T) {
	t.Helper()
	for _, statement := range []string{
		`INSERT INTO scim_directories (number, connection, tenant) OVERRIDING SYSTEM VALUE
		 SELECT 2000000 + n, 'small ' || n, 'small' FROM generate_series(0, 49) AS n`,
		`INSERT INTO scim_mappings (directory, mapping) SELECT 3000000 + n, '{}' FROM generate_series(1, 5000) AS n`,
		`INSERT INTO scim_assignments (directory, group_id, role) SELECT d.number, 'group-' || n, 'role-' || m
		 FROM scim_directories AS d, generate_series(1, 100) AS n, generate_series(1, 3) AS m`,
		`INSERT INTO scim_grants (directory, member, role, source, group_id)
		 SELECT CASE WHEN n % 2 = 0 THEN 2000000 + n % 50 ELSE d.number END, 'member-' || n, 'role-' || m, 'group', 'group-' || n % 100
		 FROM scim_directories AS d, generate_series(1, 8000) AS n, generate_series(1, 3) AS m WHERE d.connection = 'connection'`,
		`INSERT INTO scim_grants (directory, member, role, source, group_id) SELECT directory, member, role, 'direct', '' FROM scim_grants
		 ON CONFLICT DO NOTHING`,
		`INSERT INTO scim_tombstones (directory, deleted, member, external_id, user_name)
		 SELECT CASE WHEN n % 2 = 0 THEN 2000000 + n % 50 ELSE d.number END, n, 'gone-' || n, CASE WHEN n % 3 = 0 THEN '' ELSE 'e-' || n END, 'u-' || n
		 FROM scim_directories AS d, generate_series(1, 8000) AS n WHERE d.connection = 'connection'`,
		`VACUUM ANALYZE scim_mappings, scim_assignments, scim_grants, scim_tombstones`,
		// Nobody has counted this one, as when a tenant has just connected.
		`INSERT INTO scim_directories (number, connection, tenant) OVERRIDING SYSTEM VALUE VALUES (3000000, 'late', 'late')`,
		`INSERT INTO scim_grants SELECT 3000000, member, role, source, group_id FROM scim_grants
		 WHERE directory IN (SELECT number FROM scim_directories WHERE connection = 'connection')`,
		`INSERT INTO scim_tombstones SELECT 3000000, deleted, member, external_id, user_name FROM scim_tombstones
		 WHERE directory IN (SELECT number FROM scim_directories WHERE connection = 'connection')`,
	} {
		_, err := r.db.ExecContext(t.Context(), statement)
		require.NoError(t, err, statement)
	}
}

// standingPlans returns how the database answers the statements of f on standingTables, those that remove rows included.
func (r rig) standingPlans(t *testing.T, f func()) (plans []plan) {
	t.Helper()
	var texts []string
	var args [][]any
	r.driver.Watch(func(text string, values []any) {
		head := strings.TrimSpace(text)
		about := slices.ContainsFunc(standingTables, func(table string) bool { return strings.Contains(text, table) })
		if about && (strings.HasPrefix(head, "SELECT") || strings.HasPrefix(head, "DELETE")) {
			texts, args = append(texts, text), append(args, values)
		}
	})
	f()
	r.driver.Watch(nil)
	for i, text := range texts {
		if r.d.Dialect == filter.SQLite {
			plans = append(plans, r.sqlitePlan(t, text, args[i]))
			continue
		}
		for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
			plans = append(plans, r.postgresPlan(t, mode, text, args[i]))
		}
	}
	return plans
}

// Statements on what is known of members use the index that is meant for them, and never read a table as a whole.
func TestPlansOfStandings(t *testing.T) {
	t.Parallel()
	onEachRig(t, func(t *testing.T, r rig) {
		r.settle(t.Context(), t, scope)
		key := map[string]string{}
		for _, table := range standingTables {
			key[table] = table + " by key"
		}
		if r.d.Dialect == filter.PostgreSQL {
			r.fillStandings(t)
			for _, table := range standingTables {
				key[table] = table + "_pkey"
			}
		}
		do := func(_ any, err error) { require.NoError(t, err) }
		late := store.Scope{Connection: "late", Tenant: "late"}
		if r.d.Dialect == filter.SQLite {
			late = scope // SQLite has no statistics
		}
		group, source := "scim_grants_by_group", "scim_grants_by_source"
		for _, test := range []struct {
			name  string
			f     func()
			reads [][]string // each statement reads one of these sets
		}{
			{"a mapping", func() { do(r.AttributeMapping(t.Context(), scope)) }, [][]string{{"scim_mappings"}}},
			{"no mapping", func() { do(nil, r.PutAttributeMapping(t.Context(), scope, "")) }, [][]string{{"scim_mappings"}}},
			{"assignments", func() { do(r.RoleAssignments(t.Context(), scope)) }, [][]string{{"scim_assignments"}}},
			{"other assignments", func() {
				do(nil, r.PutRoleAssignments(t.Context(), scope, []store.RoleAssignment{{Group: "g", Role: "z"}}))
			}, [][]string{{"scim_assignments"}}},
			{"grants", func() { do(r.Grants(t.Context(), scope, "member-1", "member-3")) }, [][]string{{"scim_grants"}}},
			{"other grants", func() { do(nil, r.PutGrants(t.Context(), scope, "member-1", []store.Grant{given("z")})) }, [][]string{{"scim_grants"}}},
			{"members of a group", func() {
				do(r.Granted(t.Context(), scope, store.GrantQuery{Source: store.SourceGroup, Group: "group-7", After: "member-2", Limit: 100}))
			}, [][]string{{group}}},
			{"members of a source", func() {
				do(r.Granted(t.Context(), scope, store.GrantQuery{Source: store.SourceDirect, After: "member-2", Limit: 100}))
			}, [][]string{{source}}},
			{"what statistics do not know", func() {
				do(r.Grants(t.Context(), late, "member-1", "member-3"))
				do(nil, r.PutGrants(t.Context(), late, "member-1", nil))
				do(r.Granted(t.Context(), late, store.GrantQuery{Source: store.SourceGroup, Group: "group-7", After: "member-2", Limit: 100}))
			}, [][]string{{"scim_grants"}, {group}}},
			{"tombstones that statistics do not know", func() { do(r.Tombstones(t.Context(), late, "e-77", "u-77")) },
				[][]string{{"scim_tombstones_by_external_id", "scim_tombstones_by_user_name"}}},
			{"tombstones", func() { do(r.Tombstones(t.Context(), scope, "e-77", "u-77")) },
				[][]string{{"scim_tombstones_by_external_id", "scim_tombstones_by_user_name"}}},
			{"tombstones without an external id", func() { do(r.Tombstones(t.Context(), scope, "", "u-77")) },
				[][]string{{"scim_tombstones_by_external_id", "scim_tombstones_by_user_name"}, {"scim_tombstones_by_user_name"}}},
			{"old tombstones", func() { do(nil, r.ForgetTombstones(t.Context(), time.UnixMicro(9))) }, [][]string{{"scim_tombstones_by_time"}}},
		} {
			plans := r.standingPlans(t, test.f)
			require.NotEmpty(t, plans, test.name)
			for _, p := range plans {
				scanned := slices.DeleteFunc(p.scanned, func(name string) bool { return !strings.HasPrefix(name, "scim_") })
				require.Empty(t, scanned, "%s: %s", test.name, p.text)
				require.True(t, slices.ContainsFunc(test.reads, func(set []string) bool {
					set = slices.Clone(set)
					for i, name := range set {
						set[i] = cmp.Or(key[name], name)
					}
					return slices.Equal(set, p.reads)
				}), "%s reads %v: %s", test.name, p.reads, p.text)
			}
		}
	})
}
