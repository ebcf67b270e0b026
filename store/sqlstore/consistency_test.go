package sqlstore_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	elimityschema "github.com/elimity-com/scim/schema"

	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/store"
)

// types are the resource types by name.
var types = sync.OnceValues(func() (map[string]*schema.ResourceType, error) {
	compiled := map[string]*schema.ResourceType{}
	for _, d := range []schema.Definition{
		{Name: "User", Endpoint: "/Users", Schema: elimityschema.CoreUserSchema(), Extensions: []schema.ExtensionDefinition{
			{Schema: elimityschema.ExtensionEnterpriseUser()},
		}},
		{Name: "Group", Endpoint: "/Groups", Schema: elimityschema.CoreGroupSchema()},
	} {
		rt, err := schema.Compile(d)
		if err != nil {
			return nil, err
		}
		compiled[d.Name] = rt
	}
	return compiled, nil
})

// typed returns a stored document with its attributes.
func typed(t testing.TB, r storedRow) *store.Document {
	t.Helper()
	known, err := types()
	require.NoError(t, err)
	tree, err := store.NewDocument([]byte(r.document)).Tree(known[r.typ])
	require.NoError(t, err)
	return known[r.typ].Document(tree)
}

// storedRow is a row of scim_resources.
type storedRow struct {
	number, directory, version, members int64
	userSlot, displaySlot               int64
	typ, id, display, terms, document   string
	userName, externalID, displayName   sql.NullString
	active                              sql.NullBool
}

// checkConsistency holds the tables of a database at rest against each other: whatever happened, no change may be half there.
func checkConsistency(t testing.TB, d target, db *sql.DB) {
	t.Helper()
	checkTables(t, d, db)
	checkDocuments(t, db, storedRows(t, db))
}

// checkTables is checkConsistency without what stands in documents.
func checkTables(t testing.TB, d target, db *sql.DB) {
	t.Helper()
	if d.Dialect == filter.SQLite {
		require.Equal(t, []string{"ok"}, column[string](t, db, "PRAGMA integrity_check"))
	}
	rows := storedRows(t, db)
	checkValues(t, db, rows)
	checkMembers(t, db, rows)
	checkCounts(t, db, rows)
	checkConnections(t, db)
	checkJournal(t, db)
	checkStandings(t, db)
}

func storedRows(t testing.TB, db *sql.DB) (rows []storedRow) {
	t.Helper()
	query(t, db, `SELECT number, directory, version, members, type, id, display, terms, document, user_name, external_id, display_name, active,
		user_slot, display_slot FROM scim_resources ORDER BY number`, func(s *sql.Rows) error {
		var r storedRow
		err := s.Scan(&r.number, &r.directory, &r.version, &r.members, &r.typ, &r.id, &r.display, &r.terms, &r.document,
			&r.userName, &r.externalID, &r.displayName, &r.active, &r.userSlot, &r.displaySlot)
		rows = append(rows, r)
		return err
	})
	return rows
}

// checkDocuments: each document is JSON, its columns and its indexed values are what stands in it, and its userName is held.
func checkDocuments(t testing.TB, db *sql.DB, rows []storedRow) {
	t.Helper()
	indexed := column[string](t, db, "SELECT path FROM scim_indexed")
	for _, r := range rows {
		require.True(t, json.Valid([]byte(r.document)), r.document)
		document := typed(t, r)
		for path, stored := range map[string]sql.NullString{"userName": r.userName, "externalId": r.externalID, "displayName": r.displayName} {
			var first sql.NullString
			if values := document.Values(path); len(values) > 0 {
				first = sql.NullString{String: values[0], Valid: true}
			}
			require.Equal(t, first, stored, "the column of %s of %s", path, r.document)
		}
		if r.userName.Valid {
			require.Zero(t, r.userSlot, "somebody else could have the userName of %s", r.document)
		}
		active, ok := document.Flag("active")
		require.Equal(t, sql.NullBool{Bool: active, Valid: ok}, r.active, r.document)
		var want []string
		for _, path := range indexed {
			for _, value := range document.Values(path) {
				want = append(want, path+"="+value)
			}
		}
		var have []string
		for _, term := range termsOf(t, r) {
			have = append(have, term.P+"="+term.V)
		}
		slices.Sort(want)
		slices.Sort(have)
		require.Equal(t, slices.Compact(want), slices.Compact(have), "the indexed values of %s", r.document)
	}
}

type storedTerm struct {
	P, V string
	H    bool
}

func termsOf(t testing.TB, r storedRow) (terms []storedTerm) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(r.terms), &terms), r.terms)
	return terms
}

// checkValues: scim_values holds the terms of every resource, and nothing else.
func checkValues(t testing.TB, db *sql.DB, rows []storedRow) {
	t.Helper()
	directories := column[int64](t, db, "SELECT number FROM scim_directories")
	want := []string{}
	for _, r := range rows {
		require.Contains(t, directories, r.directory)
		require.Positive(t, r.version)
		for slot, value := range map[int64]sql.NullString{r.userSlot: r.userName, r.displaySlot: r.displayName} {
			require.Contains(t, []int64{0, r.number}, slot, value)
		}
		for _, term := range termsOf(t, r) {
			slot := r.number
			if term.H {
				slot = 0
			}
			want = append(want, fmt.Sprint(r.directory, r.typ, term.P, term.V, slot, r.number))
		}
	}
	have := []string{}
	query(t, db, "SELECT directory, type, path, value, slot, number FROM scim_values", func(s *sql.Rows) error {
		var directory, slot, number int64
		var typ, path, value string
		err := s.Scan(&directory, &typ, &path, &value, &slot, &number)
		have = append(have, fmt.Sprint(directory, typ, path, value, slot, number))
		return err
	})
	slices.Sort(want)
	slices.Sort(have)
	require.Equal(t, want, have, "scim_values does not hold the terms of the resources")
}

// checkMembers: memberships are between resources of one directory, and every group knows how many it has.
func checkMembers(t testing.TB, db *sql.DB, rows []storedRow) {
	t.Helper()
	byNumber := map[int64]storedRow{}
	for _, r := range rows {
		byNumber[r.number] = r
	}
	counted := map[int64]int64{}
	query(t, db, "SELECT holder, member FROM scim_members", func(s *sql.Rows) error {
		var holder, member int64
		err := s.Scan(&holder, &member)
		counted[holder]++
		require.Contains(t, byNumber, holder, "a member of a group that does not exist")
		require.Contains(t, byNumber, member, "a member that does not exist")
		require.Equal(t, byNumber[holder].directory, byNumber[member].directory, "a member of another directory")
		return err
	})
	for _, r := range rows {
		require.Equal(t, counted[r.number], r.members, "the number of members of %s", r.document)
	}
}

// checkCounts: the counts of each block add up to the resources in it.
func checkCounts(t testing.TB, db *sql.DB, rows []storedRow) {
	t.Helper()
	const block = 8192
	want := map[string]int64{}
	for _, r := range rows {
		want[fmt.Sprint(r.directory, r.typ, r.number/block)]++
	}
	have := map[string]int64{}
	query(t, db, "SELECT directory, type, block, sum(resources) FROM scim_counts GROUP BY directory, type, block", func(s *sql.Rows) error {
		var directory, number, resources int64
		var typ string
		err := s.Scan(&directory, &typ, &number, &resources)
		if resources != 0 {
			have[fmt.Sprint(directory, typ, number)] = resources
		}
		return err
	})
	require.Equal(t, want, have, "the counts of the resources")
}

// checkConnections: every token is of a connection, and no slot of a connection holds two.
func checkConnections(t testing.TB, db *sql.DB) {
	t.Helper()
	known := map[string]bool{}
	query(t, db, "SELECT id, tenant, status, policy, revision FROM scim_connections", func(s *sql.Rows) error {
		var id, tenant, policy string
		var status store.ConnectionStatus
		var revision int64
		err := s.Scan(&id, &tenant, &status, &policy, &revision)
		require.NoError(t, store.Scope{Connection: id, Tenant: tenant}.Check())
		require.Contains(t, []store.ConnectionStatus{store.StatusActive, store.StatusDisabled, store.StatusDeleted}, status)
		require.True(t, json.Valid([]byte(policy)), policy)
		require.Positive(t, revision)
		known[id] = true
		return err
	})
	slots := map[string]bool{}
	query(t, db, "SELECT id, connection, slot, digest FROM scim_tokens", func(s *sql.Rows) error {
		var id, connection string
		var slot store.TokenSlot
		var digest []byte
		err := s.Scan(&id, &connection, &slot, &digest)
		require.True(t, known[connection], "the token %s of a connection that does not exist", id)
		require.Len(t, digest, len(store.Digest{}))
		require.Contains(t, []store.TokenSlot{store.SlotNone, store.SlotCurrent, store.SlotNext}, slot)
		require.False(t, slots[connection+" "+string(slot)], "two tokens of %s are %s", connection, slot)
		slots[connection+" "+string(slot)] = slot != store.SlotNone
		return err
	})
}

// checkJournal: the columns of an entry are what stands in it.
func checkJournal(t testing.TB, db *sql.DB) {
	t.Helper()
	query(t, db, "SELECT failed, entry FROM scim_journal", func(s *sql.Rows) error {
		var failed bool
		var text string
		err := s.Scan(&failed, &text)
		var entry store.JournalEntry
		require.NoError(t, json.Unmarshal([]byte(text), &entry), text)
		require.Equal(t, entry.Failed(), failed, text)
		return err
	})
}

// checkEvents: the host heard of every step of every version, once and in whole transactions.
func checkEvents(t testing.TB, db *sql.DB) {
	t.Helper()
	type history struct {
		steps   []int64
		deleted []int64
	}
	heard := map[string]*history{}
	query(t, db, "SELECT resource, version, type FROM host_events ORDER BY resource, version", func(s *sql.Rows) error {
		var id, typ string
		var version int64
		err := s.Scan(&id, &version, &typ)
		if heard[id] == nil {
			heard[id] = &history{}
		}
		if typ == "user.deleted" || typ == "group.deleted" {
			heard[id].deleted = append(heard[id].deleted, version)
		} else {
			heard[id].steps = append(heard[id].steps, version)
		}
		return err
	})
	for _, r := range storedRows(t, db) {
		h := heard[r.id]
		require.NotNil(t, h, "no event of %s", r.document)
		require.Equal(t, upTo(r.version), h.steps, "the events of %s", r.document)
		require.Empty(t, h.deleted, "an event of the deletion of %s", r.document)
		delete(heard, r.id)
	}
	for id, h := range heard {
		require.Len(t, h.deleted, 1, "%s is gone", id)
		require.Equal(t, upTo(h.deleted[0]), h.steps, "the events of %s, which is gone", id)
	}
}

func upTo(n int64) (numbers []int64) {
	for i := range n {
		numbers = append(numbers, i+1)
	}
	return numbers
}

// rowsOf renders the rows of a table, in the order of their numbers.
func rowsOf(t testing.TB, db *sql.DB, table string) (rows []string) {
	t.Helper()
	query(t, db, "SELECT * FROM "+table+" ORDER BY number", func(s *sql.Rows) error {
		columns, err := s.Columns()
		require.NoError(t, err)
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		err = s.Scan(into...)
		rows = append(rows, fmt.Sprint(table, values))
		return err
	})
	return rows
}

func query(t testing.TB, db *sql.DB, text string, f func(*sql.Rows) error) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), text)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	for rows.Next() {
		require.NoError(t, f(rows))
	}
	require.NoError(t, rows.Err())
}

// column returns the first column of a query.
func column[V any](t testing.TB, db *sql.DB, text string) (values []V) {
	t.Helper()
	query(t, db, text, func(s *sql.Rows) error {
		var v V
		err := s.Scan(&v)
		values = append(values, v)
		return err
	})
	return values
}
