package sqlstore_test

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/patch"
	"github.com/scimkit/scim/store"
)

// reading tells whether a statement reads more than which directory it is.
func reading(text string) bool {
	return (strings.HasPrefix(text, "SELECT") || strings.HasPrefix(text, "WITH indexed")) && !strings.Contains(text, "FROM scim_directories")
}

// searching tells whether a statement looks for rows, be it to change them. What stands in one place of its own is none.
func searching(text string) bool {
	return reading(text) && strings.Contains(text, "FROM") || strings.HasPrefix(text, "UPDATE") ||
		strings.HasPrefix(text, "DELETE") && !strings.Contains(text, "scim_indexed")
}

// statementsOf returns those of the statements that f runs.
func (r rig) statementsOf(which func(text string) bool, f func()) (texts []string, args [][]any) {
	r.driver.Watch(func(text string, values []any) {
		if which(strings.TrimSpace(text)) {
			texts, args = append(texts, text), append(args, values)
		}
	})
	defer r.driver.Watch(nil)
	f()
	return texts, args
}

// plan is how a database answers a statement.
type plan struct {
	text    string
	reads   []string // tables, by the name of the table or the index, sorted
	scanned []string // tables that it reads from one end to the other
}

func (r rig) plans(t *testing.T, which func(text string) bool, f func()) (plans []plan) {
	t.Helper()
	texts, args := r.statementsOf(which, f)
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

// ofDeleted is an index of nothing but what is asked for with it: it may be read from one end to the other.
const ofDeleted = "scim_connections_deleted"

// sqlitePlan reads lines such as "SEARCH r USING INDEX scim_resources_user_name (directory=? AND type=?)".
func (r rig) sqlitePlan(t *testing.T, text string, args []any) plan {
	t.Helper()
	p := plan{text: text}
	rows, err := r.db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+text, args...)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	for rows.Next() {
		var id, parent, unused int
		var detail string
		require.NoError(t, rows.Scan(&id, &parent, &unused, &detail))
		p.text += "\n" + detail
		words := strings.Fields(detail)
		switch words[0] {
		case "SCAN":
			if slices.Contains(words, ofDeleted) {
				p.reads = append(p.reads, ofDeleted)
			} else if !slices.Contains([]string{"json_each", "indexed", "page"}, words[1]) {
				p.scanned = append(p.scanned, words[1])
			}
		case "SEARCH":
			name := words[1] + " by key"
			if i := slices.Index(words, "INDEX"); i > 0 {
				name = words[i+1]
			}
			p.reads = append(p.reads, name)
		}
	}
	require.NoError(t, rows.Err())
	slices.Sort(p.reads)
	p.reads = slices.Compact(p.reads)
	return p
}

// postgresPlan looks at the plan of a prepared statement.
func (r rig) postgresPlan(t *testing.T, mode, text string, args []any) plan {
	t.Helper()
	tx, err := r.db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, tx.Rollback()) }()
	literals := make([]string, len(args))
	for i, arg := range args {
		switch v := arg.(type) {
		case string:
			literals[i] = "'" + strings.ReplaceAll(v, "'", "''") + "'"
		case []byte:
			literals[i] = fmt.Sprintf(`'\x%x'`, v)
		case sql.NullInt64:
			literals[i] = "NULL"
			if v.Valid {
				literals[i] = fmt.Sprint(v.Int64)
			}
		default:
			literals[i] = fmt.Sprint(v)
		}
	}
	for _, statement := range []string{"SET LOCAL plan_cache_mode = " + mode, "PREPARE planned AS " + text} {
		_, err := tx.ExecContext(t.Context(), statement)
		require.NoError(t, err, statement)
	}
	call := "EXPLAIN (FORMAT JSON) EXECUTE planned"
	if len(args) > 0 {
		call += "(" + strings.Join(literals, ", ") + ")"
	}
	var explained string
	require.NoError(t, tx.QueryRowContext(t.Context(), call).Scan(&explained), call)
	_, err = tx.ExecContext(t.Context(), "DEALLOCATE planned")
	require.NoError(t, err)
	var roots []struct{ Plan node }
	require.NoError(t, json.Unmarshal([]byte(explained), &roots))
	p := plan{text: mode + ": " + text + "\n" + explained}
	roots[0].Plan.collect(&p)
	slices.Sort(p.reads)
	p.reads = slices.Compact(p.reads)
	return p
}

type node struct {
	Type  string `json:"Node Type"`
	Table string `json:"Relation Name"`
	Index string `json:"Index Name"`
	Where string `json:"Index Cond"`
	Plans []node
}

func (n node) collect(p *plan) {
	switch {
	case n.Type == "Seq Scan", n.Index != "" && n.Where == "" && n.Index != ofDeleted:
		p.scanned = append(p.scanned, n.Table+n.Index)
	case n.Index != "":
		p.reads = append(p.reads, n.Index)
	}
	for _, child := range n.Plans {
		child.collect(p)
	}
}

// fill makes the directory as big as plans need that depend on statistics: 20 000 users, 1000 groups of 20 of them, and fifty small directories.
func (r rig) fill(t *testing.T) {
	t.Helper()
	for _, statement := range []string{
		`INSERT INTO scim_resources (number, directory, version, created, modified, members, user_slot, display_slot, active, type, id,
			user_name, external_id, display_name, display, terms, document)
		 SELECT 10000000 + n, u.directory, 1, n, n, 0, 0, 10000000 + n, true, 'User', 'user-' || n, 'user-' || n, 'external-' || n, 'display-' || n % 5000, 'd',
			'[{"p":"emails.value","v":"user-' || n || '@example.test"}]', u.document
		 FROM generate_series(1, 20000) AS n, (SELECT directory, document FROM scim_resources WHERE type = 'User' LIMIT 1) AS u`,
		`INSERT INTO scim_values (directory, type, path, value, slot, number)
		 SELECT directory, 'User', 'emails.value', user_name || '@example.test', number, number FROM scim_resources WHERE number > 10000000`,
		`INSERT INTO scim_resources (number, directory, version, created, modified, members, user_slot, display_slot, type, id,
			display_name, display, terms, document)
		 SELECT 10050000 + n, g.directory, 1, n, n, 20, 10050000 + n, 10050000 + n, 'Group', 'group-' || n, 'group-' || n, 'd', '[]', g.document
		 FROM generate_series(1, 1000) AS n, (SELECT directory, document FROM scim_resources WHERE type = 'Group' LIMIT 1) AS g`,
		`INSERT INTO scim_members (holder, member) SELECT 10050000 + g, 10000000 + (g * 97 + m * 131) % 20000 + 1
		 FROM generate_series(1, 1000) AS g, generate_series(1, 20) AS m`,
		`INSERT INTO scim_directories (number, connection, tenant) OVERRIDING SYSTEM VALUE VALUES (2000007, 'small', 'small')`,
		`INSERT INTO scim_counts (directory, type, block, shard, resources) SELECT 1000000 + n, 'User', 0, 0, 1 FROM generate_series(1, 5000) AS n`,
		`INSERT INTO scim_resources SELECT 1000000 + number, 2000000 + number % 50, version, created, modified, members, 1000000 + number, 1000000 + number,
			active, type, id, user_name, external_id, display_name, display, terms, document FROM scim_resources WHERE number > 10000000`,
		`INSERT INTO scim_counts (directory, type, block, shard, resources) SELECT directory, type, number / 8192, 99, count(*) FROM scim_resources
		 WHERE number > 10000000 GROUP BY 1, 2, 3`,
		`VACUUM ANALYZE scim_resources, scim_values, scim_members, scim_counts`,
		// Nobody has counted this one, as when a tenant has just connected.
		`INSERT INTO scim_directories (number, connection, tenant) OVERRIDING SYSTEM VALUE VALUES (3000000, 'late', 'late')`,
		`INSERT INTO scim_resources SELECT 3000000 + number, 3000000, version, created, modified, members, 3000000 + number, 3000000 + number,
			active, type, id, user_name, external_id, display_name, display, terms, document FROM scim_resources WHERE number > 10000000 AND number < 10100000`,
	} {
		_, err := r.db.ExecContext(t.Context(), statement)
		require.NoError(t, err, statement)
	}
}

// Look-ups use the index that is meant for them, and read nothing else.
func TestPlans(t *testing.T) {
	t.Parallel()
	onEachRig(t, func(t *testing.T, r rig) {
		c := clientOf(t, r, r.d.hostSink())
		u := c.user(t, "first")
		c.group(t, "first", u.ID)
		const byID, order = "the key of the id", "scim_resources_order"
		index := map[string]string{
			byID: "sqlite_autoindex_scim_resources_1", "values": "scim_values by key", "number": "r by key", "members": "m by key", "counts": "scim_counts by key",
			"all values": "scim_values by key", "all members": "scim_members by key", "all numbers": "scim_resources by key", "all counts": "scim_counts by key",
			"all mappings": "scim_mappings by key", "all assignments": "scim_assignments by key",
		}
		small := scope
		userID, groupID := u.ID, c.find(t, "/Groups", `displayName eq "first"`)[0].ID
		if r.d.Dialect == filter.PostgreSQL {
			r.fill(t)
			index = map[string]string{
				byID: "scim_resources_id", "values": "scim_values_pkey", "number": "scim_resources_pkey", "members": "scim_members_pkey",
				"counts":     "scim_counts_pkey",
				"all values": "scim_values_pkey", "all members": "scim_members_pkey", "all numbers": "scim_resources_pkey", "all counts": "scim_counts_pkey",
				"all mappings": "scim_mappings_pkey", "all assignments": "scim_assignments_pkey",
			}
			small = store.Scope{Connection: "small", Tenant: "small"}
			userID, groupID = "user-77", "group-7"
		}
		users := func(filter string) func() {
			return func() { c.must(t, 200, "GET", "/Users?attributes=userName&filter="+url.QueryEscape(filter), nil) }
		}
		groups := func(filter string) func() {
			return func() {
				c.must(t, 200, "GET", "/Groups?excludedAttributes=members&filter="+url.QueryEscape(filter), nil)
			}
		}
		byMember := "scim_members_by_member"
		for _, test := range []struct {
			name  string
			f     func()
			reads [][]string // each statement reads one of these sets
		}{
			{"get", func() { c.must(t, 200, "GET", "/Users/"+userID+"?attributes=userName", nil) }, [][]string{{byID}}},
			{"id", users(`id eq "` + userID + `"`), [][]string{{byID}}},
			{"userName", users(`userName eq "USER-77"`), [][]string{{"scim_resources_user_name"}}},
			{"userName and active", users(`userName eq "user-77" and active eq true`), [][]string{{"scim_resources_user_name"}}},
			{"userName and more", users(`userName eq "user-77" and nickName pr`), [][]string{{"scim_resources_user_name"}}},
			{"externalId", users(`externalId eq "external-77"`), [][]string{{"scim_resources_external_id"}}},
			{"displayName of a user", users(`displayName eq "display-77"`), [][]string{{"scim_resources_display_name"}}},
			{"displayName of a group", groups(`displayName eq "group-7"`), [][]string{{"scim_resources_display_name"}}},
			{"emails", users(`emails.value eq "user-77@example.test"`), [][]string{{index["values"], index["number"]}}},
			{"emails of a type", users(`emails[type eq "work" and value eq "user-77@example.test"]`), [][]string{{index["values"], index["number"]}}},
			{"a page", func() { c.must(t, 200, "GET", "/Users?count=20&startIndex=15000&attributes=userName", nil) },
				[][]string{{index["counts"]}, {order, index["number"]}, {index["number"]}}}, // whoever has most resources may go by their numbers
			{"a page of a small directory", func() {
				_, err := r.List(t.Context(), small, store.Query{Type: "User", Start: 200, Count: 20})
				require.NoError(t, err)
			}, [][]string{{index["counts"]}, {order, index["number"]}}},
			{"a small directory that statistics do not know", func() {
				late := store.Scope{Connection: "late", Tenant: "late"}
				if r.d.Dialect == filter.SQLite {
					late = scope // SQLite has none
				}
				_, err := r.Get(t.Context(), late, store.Ref{Type: "User", ID: userID})
				require.NoError(t, err)
				_, err = r.Members(t.Context(), late, store.MemberQuery{Groups: []string{groupID}, Limit: 1000})
				require.NoError(t, err)
				change := patch.ChangeSet{Members: patch.Delta{Add: []string{userID}}}
				_, err = r.Update(t.Context(), late, store.Ref{Type: "Group", ID: groupID}, change, store.Write{At: time.Now()})
				require.NoError(t, err)
			}, [][]string{{byID}, {index["members"], index["number"]}}},
			{"members", func() {
				_, err := r.Members(t.Context(), scope, store.MemberQuery{Groups: []string{groupID}, Limit: 1000})
				require.NoError(t, err)
			}, [][]string{{byID}, {index["members"], index["number"]}}},
			{"a page of members", func() {
				page, err := r.Members(t.Context(), scope, store.MemberQuery{Groups: []string{groupID}, Limit: 1})
				require.NoError(t, err)
				_, err = r.Members(t.Context(), scope, store.MemberQuery{Groups: []string{groupID}, Limit: 1, After: page.Next})
				require.NoError(t, err)
			}, [][]string{{byID}, {index["members"], index["number"]}}},
			{"groups", func() {
				_, err := r.Groups(t.Context(), scope, []string{userID})
				require.NoError(t, err)
			}, [][]string{{byID, byMember, index["number"]}}},
			{"add and remove a member", func() {
				for _, delta := range []patch.Delta{{Add: []string{userID}}, {Remove: []string{userID}}} {
					_, err := r.Update(t.Context(), scope, store.Ref{Type: "Group", ID: groupID}, patch.ChangeSet{Members: delta}, store.Write{At: time.Now()})
					require.NoError(t, err)
				}
			}, [][]string{{byID}, {byID, index["members"]}, {byID, byMember}}},
			{"delete", func() {
				_, err := r.Delete(t.Context(), scope, store.Ref{Type: "User", ID: userID}, store.Write{At: time.Now()})
				require.NoError(t, err)
			}, [][]string{{byID}, {byID, byMember, index["number"]}, {byMember, index["number"]}}},
		} {
			r.checkPlans(t, test.name, reading, test.f, index, test.reads)
		}
		r.checkPlans(t, "purge", searching, func() {
			for more := true; more; {
				var err error
				more, err = r.Purge(t.Context(), small, 100)
				require.NoError(t, err)
			}
		}, index, [][]string{{order}, {"all values"}, {"all members"}, {byMember}, {"all numbers"}, {"all counts"},
			{"all mappings"}, {"all assignments"}, {"scim_grants_by_group"}, {"scim_grants_by_source"}, {"scim_tombstones_by_directory"}})
	})
}

// ranges are statements for which a generic plan takes a third of a table to be from before a time that it does not know, and reads all
// of it. PostgreSQL chooses such a plan only where one for the time at hand costs no less.
var ranges = []string{"forget tokens", "expire"}

// checkPlans ends the test unless each statement of f reads one of these sets of indexes, which have the names of the database or others
// that stand for them, and nothing else.
func (r rig) checkPlans(t *testing.T, name string, which func(text string) bool, f func(), names map[string]string, reads [][]string) {
	t.Helper()
	plans := r.plans(t, which, f)
	if slices.Contains(ranges, name) {
		plans = slices.DeleteFunc(plans, func(p plan) bool { return strings.HasPrefix(p.text, "force_generic_plan") })
	}
	if r.d.Dialect == filter.PostgreSQL || !strings.Contains(name, "small") {
		require.NotEmpty(t, plans, name)
	}
	for _, p := range plans {
		require.Empty(t, p.scanned, "%s: %s", name, p.text)
		require.True(t, slices.ContainsFunc(reads, func(set []string) bool {
			set = slices.Clone(set)
			for i, alias := range set {
				set[i] = cmp.Or(names[alias], alias)
			}
			slices.Sort(set)
			return slices.Equal(set, p.reads)
		}), "%s reads %v: %s", name, p.reads, p.text)
	}
}

// fillConnections makes the tables of connections as big as plans need that depend on statistics: 20 000 connections of 2000 tenants, each
// with three tokens, and a long journal of a hundred of them.
func (r rig) fillConnections(t *testing.T) {
	t.Helper()
	for _, statement := range []string{
		`INSERT INTO scim_connections (revision, created, updated, strict, id, tenant, status, identity_provider, display_name, policy)
		 SELECT 1, n, n, false, 'c-' || n, 't-' || n % 2000, CASE WHEN n % 50 = 0 THEN 'deleted' ELSE 'active' END, 'okta', '', '{}'
		 FROM generate_series(1, 20000) AS n`,
		`INSERT INTO scim_tokens (created, expires, revoked, digest, id, connection, name, slot, last_four)
		 SELECT n, CASE WHEN n % 2 = 0 THEN 1000 + n END, CASE WHEN n % 3 = 0 THEN 1000 + n END,
			sha256(('c-' || n)::bytea), 'token-' || n, 'c-' || n % 20000, '', '', ''
		 FROM generate_series(1, 60000) AS n`,
		`INSERT INTO scim_journal (time, failed, connection, entry)
		 SELECT 1000 + n, n % 20 = 0, 'c-' || n % 100, '{}' FROM generate_series(1, 60000) AS n`,
		`VACUUM ANALYZE scim_connections, scim_tokens, scim_journal`,
	} {
		_, err := r.db.ExecContext(t.Context(), statement)
		require.NoError(t, err, statement)
	}
}

// Connections, tokens and journals are found by an index, also to be changed.
func TestPlansOfConnections(t *testing.T) {
	t.Parallel()
	onEachRig(t, func(t *testing.T, r rig) {
		r.connect(t)
		names := map[string]string{
			"c.id": "sqlite_autoindex_scim_connections_1", "t.digest": "sqlite_autoindex_scim_tokens_1", "t.id": "sqlite_autoindex_scim_tokens_2",
			"j.connection": "scim_journal_by_connection",
		}
		if r.d.Dialect == filter.PostgreSQL {
			r.fillConnections(t)
			names = map[string]string{
				"c.id": "scim_connections_id_key", "t.digest": "scim_tokens_digest_key", "t.id": "scim_tokens_id_key", "j.connection": "scim_journal_pkey",
			}
		}
		const byTenant, byConnection = "scim_connections_by_tenant", "scim_tokens_by_connection"
		ctx, yes, no := t.Context(), true, false
		journal := func(query store.JournalQuery) func() error {
			return func() error {
				query.Limit = 20
				_, err := r.Journal(ctx, "c-7", query)
				return err
			}
		}
		for _, test := range []struct {
			name  string
			f     func() error
			reads [][]string // each statement reads one of these sets
		}{
			{"create", func() error { return r.CreateConnection(ctx, link("new"), tokensOf("new", 2), 9) }, [][]string{{byTenant}}},
			{"update", func() error { return r.UpdateConnection(ctx, link("c"), tokensOf("c", 3), 9) },
				[][]string{{"c.id"}, {"t.id"}, {byConnection}}},
			{"activate", func() error {
				change := link("new")
				change.Status = store.StatusDisabled
				if err := r.UpdateConnection(ctx, change, nil, 9); err != nil {
					return err
				}
				change.Status, change.Revision = store.StatusActive, 2
				return r.UpdateConnection(ctx, change, nil, 9)
			}, [][]string{{"c.id"}, {byTenant}}},
			{"connection", func() error { _, err := r.Connection(ctx, link("c").Scope()); return err }, [][]string{{"c.id"}}},
			{"connection in a transaction", func() error {
				return r.InTx(ctx, func(ctx context.Context) error {
					_, err := r.Connection(ctx, link("c").Scope())
					return err
				})
			}, [][]string{{"c.id"}}},
			{"connections", func() error { _, err := r.Connections(ctx, "t-7"); return err }, [][]string{{byTenant}}},
			{"tokens", func() error { _, err := r.Tokens(ctx, "c-7", "c-8", "c"); return err }, [][]string{{byConnection, "c.id"}}},
			{"token by id", func() error { _, _, err := r.FindToken(ctx, "c 1", store.Digest{}); return err }, [][]string{{"c.id", "t.id"}}},
			{"token by digest", func() error {
				_, _, err := r.FindToken(ctx, "", tokensOf("c", 1)[0].Digest)
				return err
			}, [][]string{{"c.id", "t.digest"}}},
			{"use", func() error { return r.UseTokens(ctx, map[string]time.Time{"c 1": time.Now()}) }, [][]string{{"t.id"}}},
			{"deleted", func() error { _, err := r.Deleted(ctx, 20); return err }, [][]string{{"scim_connections_deleted"}}},
			{"forget", func() error { return r.Forget(ctx, link("gone").Scope()) }, [][]string{{"c.id"}, {byConnection}}},
			{"forget tokens", func() error { return r.ForgetTokens(ctx, time.UnixMicro(1100)) },
				[][]string{{"scim_tokens_expires", "scim_tokens_revoked"}}},
			{"journal", journal(store.JournalQuery{}), [][]string{{"j.connection"}}},
			{"journal from a cursor", journal(store.JournalQuery{After: "20000"}), [][]string{{"j.connection"}}},
			{"failures", journal(store.JournalQuery{Failed: &yes}), [][]string{{"scim_journal_failed"}}},
			{"no failures", journal(store.JournalQuery{Failed: &no}), [][]string{{"j.connection"}}},
			{"trim", func() error { return r.TrimJournal(ctx, "c-7", 50) }, [][]string{{"j.connection"}}},
			{"expire", func() error { return r.ExpireJournal(ctx, time.UnixMicro(1100)) }, [][]string{{"scim_journal_by_time"}}},
		} {
			r.checkPlans(t, test.name, searching, func() { require.NoError(t, test.f(), test.name) }, names, test.reads)
		}
	})
}
