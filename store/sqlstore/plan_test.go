package sqlstore_test

import (
	"cmp"
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

// statementsOf returns the statements that f runs, apart from those that only lock, write or tell which directory it is.
func (r rig) statementsOf(f func()) (texts []string, args [][]any) {
	r.driver.Watch(func(text string, values []any) {
		if head := strings.TrimSpace(text); (strings.HasPrefix(head, "SELECT") || strings.HasPrefix(head, "WITH indexed")) &&
			!strings.Contains(text, "FROM scim_directories") {
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

func (r rig) plans(t *testing.T, f func()) (plans []plan) {
	t.Helper()
	texts, args := r.statementsOf(f)
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
			if !slices.Contains([]string{"json_each", "indexed", "page"}, words[1]) {
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
	case n.Type == "Seq Scan", n.Index != "" && n.Where == "":
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
		}
		userID, groupID := u.ID, c.find(t, "/Groups", `displayName eq "first"`)[0].ID
		if r.d.Dialect == filter.PostgreSQL {
			r.fill(t)
			index = map[string]string{
				byID: "scim_resources_id", "values": "scim_values_pkey", "number": "scim_resources_pkey", "members": "scim_members_pkey",
				"counts": "scim_counts_pkey",
			}
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
				_, err := r.List(t.Context(), store.Scope{Connection: "small", Tenant: "small"}, store.Query{Type: "User", Start: 200, Count: 20})
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
			{"token", func() { _, _, _ = r.FindToken(t.Context(), "none", store.Digest{}) },
				[][]string{{"sqlite_autoindex_scim_connections_1", "sqlite_autoindex_scim_tokens_1"}, {"scim_connections_id_key", "scim_tokens_pkey"}}},
			{"token by digest", func() { _, _, _ = r.FindToken(t.Context(), "", store.Digest{}) },
				[][]string{{"sqlite_autoindex_scim_connections_1", "sqlite_autoindex_scim_tokens_2"}, {"scim_connections_id_key", "scim_tokens_digest_key"}}},
		} {
			plans := r.plans(t, test.f)
			if r.d.Dialect == filter.PostgreSQL || !strings.Contains(test.name, "small") {
				require.NotEmpty(t, plans, test.name)
			}
			for _, p := range plans {
				require.Empty(t, p.scanned, "%s: %s", test.name, p.text)
				require.True(t, slices.ContainsFunc(test.reads, func(set []string) bool {
					set = slices.Clone(set)
					for i, name := range set {
						set[i] = cmp.Or(index[name], name)
					}
					slices.Sort(set)
					return slices.Equal(set, p.reads)
				}), "%s reads %v: %s", test.name, p.reads, p.text)
			}
		}
	})
}
