package filter_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"
	"pgregory.net/rapid"

	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/internal/schema"
)

var columns = map[string]filter.Column{
	"id":                      {Expr: "id"},
	"externalId":              {Expr: "external_id"},
	"userName":                {Expr: "user_name", Type: filter.FoldedText},
	"title":                   {Expr: "title", Type: filter.FoldedText},
	"active":                  {Expr: "active", Type: filter.Boolean},
	"name.givenName":          {Expr: "p.given", Type: filter.FoldedText},
	"name.familyName":         {Expr: "p.family", Type: filter.ExactText},
	"meta.created":            {Expr: "created", Type: filter.Timestamp},
	"meta.lastModified":       {Expr: "modified", Type: filter.Microseconds},
	"meta.version":            {Expr: "('W/\"' || version || '\"')"},
	badgeURN + ":level":       {Expr: "level", Type: filter.Integer},
	badgeURN + ":ratio":       {Expr: "ratio", Type: filter.Decimal},
	badgeURN + ":lost":        {Expr: "lost", Type: filter.Integer}, // the wrong type
	badgeURN + ":codes":       {Expr: "codes", Type: filter.FoldedText},
	"emails.value":            {Expr: "email", Type: filter.FoldedText},
	"emails.type":             {Expr: "email_type", Type: filter.FoldedText},
	"name":                    {Expr: "name", Type: filter.FoldedText},
	"schemas":                 {Expr: "schemas", Type: filter.FoldedText},
	"urn:x:unknown:attribute": {Expr: "nothing"},
}

func TestSQL(t *testing.T) {
	t.Parallel()
	at := time.Date(2024, 1, 2, 2, 4, 5, 600_000_000, time.UTC)
	type values = []any
	for _, c := range []struct {
		text     string
		sqlite   string
		postgres string
		args     []any
		exact    bool
	}{
		{`userName eq "BJ"`, `user_name COLLATE BINARY = ?`, `user_name = $3::text`, values{"bj"}, true},
		{`userName ne "BJ"`, `(user_name IS NULL OR user_name COLLATE BINARY <> ?)`, `(user_name IS NULL OR user_name <> $3::text)`, values{"bj"}, true},
		{`not (userName eq "BJ")`, `(user_name IS NULL OR user_name COLLATE BINARY <> ?)`, `(user_name IS NULL OR user_name <> $3::text)`, values{"bj"}, true},
		{`externalId eq "aB"`, `external_id COLLATE BINARY = ?`, `external_id = $3::text`, values{"aB"}, true},
		{`title pr`, `title <> ''`, `title <> ''`, nil, true},
		{`title eq null`, `(title IS NULL OR title = '')`, `(title IS NULL OR title = '')`, nil, true},
		{`active eq true`, `active = ?`, `active = $3::boolean`, values{true}, true},
		{`not (active eq "True")`, `(active IS NULL OR active <> ?)`, `(active IS NULL OR active <> $3::boolean)`, values{true}, true},
		{`active pr`, `active IS NOT NULL`, `active IS NOT NULL`, nil, true},
		{`active eq null`, `active IS NULL`, `active IS NULL`, nil, true},
		{`name.givenName gt "A"`, `p.given COLLATE BINARY > ?`, `p.given COLLATE "C" > $3::text`, values{"a"}, true},
		{`not (name.givenName le "A")`, `(p.given IS NULL OR p.given COLLATE BINARY > ?)`, `(p.given IS NULL OR p.given COLLATE "C" > $3::text)`, values{"a"}, true},
		{`userName co "%_"`, `instr(user_name, ?) > 0`, `strpos(user_name, $3::text) > 0`, values{"%_"}, true},
		{`not (userName co "x")`, `(user_name IS NULL OR instr(user_name, ?) = 0)`, `(user_name IS NULL OR strpos(user_name, $3::text) = 0)`, values{"x"}, true},
		{`userName sw "aZ"`, `user_name COLLATE BINARY >= ? AND user_name COLLATE BINARY < ?`, `user_name COLLATE "C" >= $3::text AND user_name COLLATE "C" < $4::text`,
			values{"az", "a{"}, true},
		{`not (userName sw "a\uD7FF")`, `(user_name COLLATE BINARY IS NULL OR user_name COLLATE BINARY < ? OR user_name COLLATE BINARY >= ?)`,
			`(user_name COLLATE "C" IS NULL OR user_name COLLATE "C" < $3::text OR user_name COLLATE "C" >= $4::text)`, values{"a\uD7FF", "a\uE000"}, true},
		{`userName sw "\uDBFF\uDFFF"`, `user_name COLLATE BINARY >= ?`, `user_name COLLATE "C" >= $3::text`, values{"\U0010FFFF"}, true},
		{`not (userName sw "\uDBFF\uDFFF")`, `(user_name COLLATE BINARY IS NULL OR user_name COLLATE BINARY < ?)`,
			`(user_name COLLATE "C" IS NULL OR user_name COLLATE "C" < $3::text)`, values{"\U0010FFFF"}, true},
		{`userName ew "é"`, `substr(user_name, ?) = ?`, `right(user_name, $3::int) = $4::text`, nil, true},
		{`userName sw ""`, `user_name IS NOT NULL`, `user_name IS NOT NULL`, nil, true},
		{`not (userName co "")`, `user_name IS NULL`, `user_name IS NULL`, nil, true},
		{badgeURN + `:level ge 7`, `level >= ?`, `level >= $3::bigint`, values{int64(7)}, true},
		{badgeURN + `:level ge 6.5`, `level > ?`, `level > $3::bigint`, values{int64(6)}, true},
		{`not (` + badgeURN + `:level ge 7)`, `(level IS NULL OR level < ?)`, `(level IS NULL OR level < $3::bigint)`, values{int64(7)}, true},
		{`not (` + badgeURN + `:level gt 7)`, `(level IS NULL OR level <= ?)`, `(level IS NULL OR level <= $3::bigint)`, values{int64(7)}, true},
		{`not (` + badgeURN + `:level lt 7)`, `(level IS NULL OR level >= ?)`, `(level IS NULL OR level >= $3::bigint)`, values{int64(7)}, true},
		{`not (` + badgeURN + `:level le 7)`, `(level IS NULL OR level > ?)`, `(level IS NULL OR level > $3::bigint)`, values{int64(7)}, true},
		{badgeURN + `:ratio lt 1.50`, `ratio < ?`, `ratio < $3::float8`, values{1.5}, true},
		{`meta.created lt "2024-01-02T03:04:05.600+01:00"`, ``, `created < $3`, values{at}, false}, // PostgreSQL: exact
		{`meta.lastModified gt "2024-01-02T03:04:05.600+01:00"`, `modified > ?`, `modified > $3::bigint`, values{at.UnixMicro()}, true},
		{`meta.version eq "W/\"3\""`, `('W/"' || version || '"') COLLATE BINARY = ?`, `('W/"' || version || '"') = $3::text`, values{`W/"3"`}, true},
		{`meta.location eq "` + options.Location + `7"`, `id COLLATE BINARY = ?`, `id = $3::text`, values{"7"}, true},
		{`name[givenName eq "A"]`, `p.given COLLATE BINARY = ?`, `p.given = $3::text`, values{"a"}, true},

		{`userName eq "a" and active eq true`, `user_name COLLATE BINARY = ? AND active = ?`, `user_name = $3::text AND active = $4::boolean`, values{"a", true}, true},
		{`userName eq "a" and (active eq true or title pr) and id eq "7"`, `id COLLATE BINARY = ? AND user_name COLLATE BINARY = ? AND (active = ? OR title <> '')`,
			`id = $3::text AND user_name = $4::text AND (active = $5::boolean OR title <> '')`, values{"7", "a", true}, true},
		{`active eq true or userName eq "a" and title pr`, `(active = ? OR user_name COLLATE BINARY = ? AND title <> '')`,
			`(active = $3::boolean OR user_name = $4::text AND title <> '')`, values{true, "a"}, true},
		{`not (userName eq "a" or active eq true)`, `(user_name IS NULL OR user_name COLLATE BINARY <> ?) AND (active IS NULL OR active <> ?)`,
			`(user_name IS NULL OR user_name <> $3::text) AND (active IS NULL OR active <> $4::boolean)`, values{"a", true}, true},
		{`meta.resourceType eq "User" and active eq true`, `active = ?`, `active = $3::boolean`, values{true}, true},
		{`meta.resourceType eq "Group" and active eq true`, `1 = 0`, `1 = 0`, nil, true},
		{`id pr`, ``, ``, nil, true},

		{`userName eq "a" and emails.value eq "b"`, `user_name COLLATE BINARY = ?`, `user_name = $3::text`, values{"a"}, false},
		{`emails[type eq "work"] and userName eq "a" and (title pr or emails pr) and active eq true`, `user_name COLLATE BINARY = ? AND active = ?`,
			`user_name = $3::text AND active = $4::boolean`, values{"a", true}, false},
		{`userName eq "a" and emails pr or active eq true`, `(user_name COLLATE BINARY = ? OR active = ?)`, `(user_name = $3::text OR active = $4::boolean)`, values{"a", true}, false},
		{`userName eq "a" or emails pr`, ``, ``, nil, false},
		{`userName eq "a" and (active eq true or emails pr)`, `user_name COLLATE BINARY = ?`, `user_name = $3::text`, values{"a"}, false},
		{`name.familyName eq "a"`, ``, ``, nil, false}, // ignores case, the column does not
		{`name.familyName pr`, `p.family <> ''`, `p.family <> ''`, nil, true},
		{`name pr`, ``, ``, nil, false},
		{`name[givenName ne "a"]`, ``, ``, nil, false},
		{`name[givenName pr and familyName pr]`, ``, ``, nil, false},
		{badgeURN + `:lost eq true`, ``, ``, nil, false},
		{badgeURN + `:site eq "a"`, ``, ``, nil, false},
		{badgeURN + `:codes eq "a"`, ``, ``, nil, false},
		{`emails.value eq "a"`, ``, ``, nil, false},
		{`schemas eq "` + badgeURN + `"`, ``, ``, nil, false},
		{`displayName eq "a"`, ``, ``, nil, false},
		{`groups eq "a" and active eq true`, `active = ?`, `active = $3::boolean`, values{true}, false},
		{schema.EnterpriseURN + ` pr`, ``, ``, nil, false},
	} {
		f := bind(t, userType, c.text, lenient())
		where, args, exact := f.SQL(filter.Columns{Dialect: filter.SQLite, Map: columns})
		require.Equal(t, c.sqlite, where, c.text)
		require.Equal(t, c.exact, exact, c.text)
		if c.args != nil && c.sqlite != "" {
			require.Equal(t, c.args, args, c.text)
		}
		require.Len(t, args, strings.Count(where, "?"), c.text)

		where, args, exact = f.SQL(filter.Columns{Dialect: filter.PostgreSQL, Map: columns, First: 3})
		require.Equal(t, c.postgres, where, c.text)
		require.Equal(t, c.exact || strings.HasPrefix(c.text, "meta.created"), exact, c.text)
		if c.args != nil {
			require.Equal(t, c.args, args, c.text)
		}
	}
	where, args, _ := bind(t, userType, `userName ew "É"`, nil).SQL(filter.Columns{Map: columns})
	require.Equal(t, `substr(user_name, ?) = ?`, where)
	require.Equal(t, []any{int64(-1), "é"}, args)
	where, _, _ = bind(t, userType, `id eq "a"`, nil).SQL(filter.Columns{Dialect: filter.PostgreSQL, Map: columns})
	require.Equal(t, `id = $1::text`, where)
}

// database is a table of users in SQLite or PostgreSQL.
type database struct {
	*sql.DB
	dialect filter.Dialect
	columns map[string]filter.Column
}

// openSQLite makes a table whose columns would compare without case if they were left to.
func openSQLite(t *testing.T) *database {
	db, err := sql.Open("sqlite", ":memory:")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	db.SetMaxOpenConns(1)
	_, err = db.Exec(`CREATE TABLE users (tenant TEXT, id TEXT COLLATE NOCASE, user_name TEXT COLLATE NOCASE, external_id TEXT COLLATE NOCASE, title TEXT COLLATE NOCASE,
		active INTEGER, given TEXT, family TEXT, level INTEGER, ratio REAL, issued INTEGER, lost INTEGER, site TEXT, created INTEGER, modified INTEGER, version INTEGER)`)
	require.NoError(t, err)
	return &database{db, filter.SQLite, tableColumns(filter.Microseconds)}
}

// openPostgres makes a table in a collation that orders texts by language, if there is one.
func openPostgres(t *testing.T) *database {
	dsn := os.Getenv("SCIM_TEST_POSTGRES")
	if dsn == "" {
		t.Skip("SCIM_TEST_POSTGRES is not set: it takes the DSN of a PostgreSQL database to create temporary tables in")
	}
	db, err := sql.Open("pgx", dsn)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	db.SetMaxOpenConns(1)
	var known bool
	require.NoError(t, db.QueryRow(`SELECT EXISTS (SELECT FROM pg_collation WHERE collname = 'en-x-icu')`).Scan(&known))
	text := "TEXT"
	if known {
		text = `TEXT COLLATE "en-x-icu"`
	}
	_, err = db.Exec(strings.ReplaceAll(`CREATE TEMPORARY TABLE users (tenant TEXT, id TEXT, user_name TEXT, external_id TEXT, title TEXT,
		active BOOLEAN, given TEXT, family TEXT, level BIGINT, ratio DOUBLE PRECISION, issued TIMESTAMPTZ, lost BOOLEAN, site TEXT, created TIMESTAMPTZ, modified TIMESTAMPTZ, version INTEGER)`,
		" TEXT", " "+text))
	require.NoError(t, err)
	return &database{db, filter.PostgreSQL, tableColumns(filter.Timestamp)}
}

func tableColumns(at filter.ColumnType) map[string]filter.Column {
	return map[string]filter.Column{
		"id":                                 {Expr: "id"},
		"externalId":                         {Expr: "external_id", Type: filter.FoldedText},
		"userName":                           {Expr: "user_name", Type: filter.FoldedText},
		"title":                              {Expr: "users.title", Type: filter.FoldedText},
		"active":                             {Expr: "active", Type: filter.Boolean},
		"name.givenName":                     {Expr: `"given"`, Type: filter.FoldedText},
		"name.familyName":                    {Expr: "family"},
		badgeURN + ":level":                  {Expr: "level", Type: filter.Integer},
		badgeURN + ":ratio":                  {Expr: "ratio", Type: filter.Decimal},
		badgeURN + ":issued":                 {Expr: "issued", Type: at},
		badgeURN + ":lost":                   {Expr: "lost", Type: filter.Boolean},
		badgeURN + ":site":                   {Expr: "site"},
		"meta.created":                       {Expr: "created", Type: at},
		"meta.lastModified":                  {Expr: "modified", Type: at},
		"meta.version":                       {Expr: `('W/"' || version || '"')`},
		schema.EnterpriseURN + ":department": {Expr: "family", Type: filter.ExactText}, // never asked for more than pr; see insert
	}
}

// insert stores a resource of naive_test.go, column by column.
func (db *database) insert(t require.TestingT, attributes map[string]any, r filter.Record) {
	value := func(keys ...string) any { return dig(attributes, keys) }
	folded := func(path string, v any) any {
		if v == nil {
			return nil
		}
		target, err := userType.ResolvePath(path, nil)
		require.NoError(t, err)
		return target.Leaf().Fold(v.(string))
	}
	instant := func(at time.Time) any {
		if db.dialect == filter.SQLite {
			return at.UnixMicro()
		}
		return at
	}
	number := func(v any) any {
		if n, ok := v.(json.Number); ok {
			if i, err := n.Int64(); err == nil {
				return i
			}
			f, err := n.Float64()
			require.NoError(t, err)
			return f
		}
		return v
	}
	var issued any
	if text, ok := value(badgeURN, "issued").(string); ok {
		issued = instant(naiveTime(text))
	}
	ratio := number(value(badgeURN, "ratio"))
	if i, ok := ratio.(int64); ok {
		ratio = float64(i)
	}
	args := []any{"t1", r.ID, folded("userName", value("userName")), value("externalId"), folded("title", value("title")), value("active"),
		folded("name.givenName", value("name", "givenName")), value("name", "familyName"), number(value(badgeURN, "level")), ratio, issued, value(badgeURN, "lost"),
		value(badgeURN, "site"), instant(r.Created), instant(r.LastModified), r.Version}
	marks := make([]string, len(args))
	for i := range marks {
		marks[i] = fmt.Sprintf("$%d", i+1) // SQLite understands it too
	}
	_, err := db.Exec("INSERT INTO users VALUES ("+strings.Join(marks, ", ")+")", args...)
	require.NoError(t, err)
}

// candidates runs the SQL of a filter as a host would, behind a condition on the tenant.
func (db *database) candidates(t require.TestingT, f *filter.Filter, columns map[string]filter.Column) (ids []string, exact bool, where string) {
	where, args, exact := f.SQL(filter.Columns{Dialect: db.dialect, Map: columns, First: 2})
	require.NotContains(t, strings.ToLower(where), strings.ToLower(canary))
	statement := "SELECT id FROM users WHERE tenant = $1"
	if db.dialect == filter.SQLite {
		statement = "SELECT id FROM users WHERE tenant = ?"
	}
	if where != "" {
		statement += " AND " + where
	}
	rows, err := db.QueryContext(context.Background(), statement, append([]any{"t1"}, args...)...)
	require.NoError(t, err, "%s %q", statement, args)
	defer rows.Close()
	for rows.Next() {
		var id string
		require.NoError(t, rows.Scan(&id))
		ids = append(ids, id)
	}
	require.NoError(t, rows.Err())
	return ids, exact, where
}

// TestSQLAgainstMatch fills a table with random users and asks it random filters, with random parts of the columns known.
func TestSQLAgainstMatch(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T) *database{"SQLite": openSQLite, "PostgreSQL": openPostgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := open(t)
			pushed, exactly := 0, 0
			rapid.Check(t, func(t *rapid.T) {
				_, err := db.Exec("DELETE FROM users")
				require.NoError(t, err)
				users := map[string]filter.Record{}
				for i := range rapid.IntRange(1, 8).Draw(t, "users") {
					attributes, r := drawResource(t, fmt.Sprintf("u%d", i))
					db.insert(t, attributes, r)
					users[r.ID] = r
				}
				for range 10 {
					text := printFilter(drawExpression(t, 3, nil))
					expr, err := filter.Parse(text, filter.DefaultLimits, nil)
					require.NoError(t, err)
					f, err := filter.Bind(expr, userType, options, nil)
					require.NoError(t, err)

					known := maps.Clone(db.columns)
					for _, path := range slices.Sorted(maps.Keys(known)) {
						if rapid.IntRange(0, 3).Draw(t, "unmapped") == 0 || strings.HasSuffix(path, ":department") {
							delete(known, path)
						}
					}
					ids, exact, where := db.candidates(t, f, known)
					for id, r := range users {
						ok, err := f.Match(r)
						require.NoError(t, err)
						found := slices.Contains(ids, id)
						require.True(t, found || !ok, "%s\nmatches %s\nwhich is not in %s", text, r.Document.JSON(), where)
						require.True(t, ok || !found || !exact, "%s\ndoes not match %s\nwhich is in %s", text, r.Document.JSON(), where)
					}
					if where != "" {
						pushed++
					}
					if where != "" && exact {
						exactly++
					}
				}
			})
			t.Logf("%d pushed, %d of them exactly", pushed, exactly)
			require.NotZero(t, exactly)
			covers(t, "F-09", "F-16", "F-17")
		})
	}
}

func TestSQLUUID(t *testing.T) {
	t.Parallel()
	const known, other = "0190f3f0-7a1b-7cde-8f00-0123456789ab", "0190f3f0-7a1b-7cde-8f00-0123456789ac"
	cols := filter.Columns{Dialect: filter.PostgreSQL, Map: map[string]filter.Column{"id": {Expr: "u", Type: filter.UUID}, "userName": {Expr: "u", Type: filter.UUID}}}
	type answer struct {
		where string
		exact bool
		found bool // among one row with known and one with NULL
	}
	answers := map[string]answer{
		`id eq "` + known + `"`:                               {`u = $1::uuid`, true, true},
		`id ne "` + known + `"`:                               {`(u IS NULL OR u <> $1::uuid)`, true, false},
		`id eq "` + other + `"`:                               {`u = $1::uuid`, true, false},
		`id eq "` + strings.ToUpper(known) + `"`:              {`1 = 0`, true, false}, // id is caseExact
		`id eq "{` + known + `}"`:                             {`1 = 0`, true, false},
		`id eq "` + strings.ReplaceAll(known, "-", "") + `"`:  {`1 = 0`, true, false},
		`id eq "` + strings.ReplaceAll(known, "-", "0") + `"`: {`1 = 0`, true, false},
		`id eq "` + known + `0"`:                              {`1 = 0`, true, false},
		`id eq "` + known[:35] + `g"`:                         {`1 = 0`, true, false},
		`id eq ""`:                                            {`1 = 0`, true, false},
		`id ne "x"`:                                           {`(u IS NULL OR 1 = 1)`, true, true},
		`id sw "0190f3f0"`:                                    {``, false, true},
		`id gt "0"`:                                           {``, false, true},
		`userName eq "` + known + `"`:                         {``, false, true},
	}
	for text, want := range answers {
		where, _, exact := bind(t, userType, text, nil).SQL(cols)
		require.Equal(t, want.where, where, text)
		require.Equal(t, want.exact, exact, text)
		where, _, _ = bind(t, userType, text, nil).SQL(filter.Columns{Map: cols.Map})
		require.Empty(t, where, text)
	}
	db := openPostgres(t)
	_, err := db.Exec(`CREATE TEMPORARY TABLE uuids (u UUID)`)
	require.NoError(t, err)
	_, err = db.Exec(`INSERT INTO uuids VALUES ($1), (NULL)`, known)
	require.NoError(t, err)
	for text, want := range answers {
		where, args, _ := bind(t, userType, text, nil).SQL(cols)
		var n int
		require.NoError(t, db.QueryRow("SELECT count(*) FROM uuids WHERE u IS NOT NULL"+strings.TrimSuffix(" AND "+where, " AND "), args...).Scan(&n), text)
		require.Equal(t, want.found, n == 1, text)
	}
}

// TestSQLOnDatabases runs what is hard on a database rather than on its text.
func TestSQLOnDatabases(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T) *database{"SQLite": openSQLite, "PostgreSQL": openPostgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := open(t)
			users := map[string]filter.Record{}
			injections := []string{`' OR 1=1 --`, `"; DROP TABLE users`, `\`, `''`, `$1`, `?`, `:a`, `{{`, `%00`, `$.x`, `||`, `E'\\'`, `%`, `_`, `a%`, `;`, "\u2028"}
			for i, name := range append([]string{"alice", "50%_off", `trailing\`}, injections...) {
				id := fmt.Sprintf("u%d", i)
				body, err := json.Marshal(map[string]any{"schemas": []string{schema.UserURN}, "userName": name})
				require.NoError(t, err)
				r := filter.Record{ID: id, Document: schema.NewDocument(body)}
				users[id] = r
				db.insert(t, map[string]any{"userName": name}, r)
			}
			ask := func(text string) (ids []string) {
				t.Helper()
				f := bind(t, userType, text, nil)
				ids, exact, _ := db.candidates(t, f, db.columns)
				require.True(t, exact, text)
				slices.Sort(ids)
				var want []string
				for id, r := range users {
					ok, err := f.Match(r)
					require.NoError(t, err)
					if ok {
						want = append(want, id)
					}
				}
				slices.Sort(want)
				require.Equal(t, want, ids, text)
				return ids
			}
			quoted := func(s string) string { return printValue(s) }
			for i, literal := range injections {
				require.Equal(t, []string{fmt.Sprintf("u%d", i+3)}, ask("userName eq "+quoted(literal)))
				for _, op := range []string{"co", "sw", "ew", "ne", "gt"} {
					ask("userName " + op + " " + quoted(literal))
				}
			}
			require.Len(t, ask(`userName co ""`), len(users))
			covers(t, "F-10")

			require.Equal(t, []string{"u1", "u11", "u15", "u17"}, ask(`userName co "%"`))
			require.Equal(t, []string{"u2", "u5"}, ask(`userName ew "\\"`))
			require.Equal(t, []string{"u16"}, ask(`userName sw "_"`))
			require.Empty(t, ask(`userName co "`+strings.Repeat("x", 8000)+`"`))
			covers(t, "F-12", "7644-3.4.2.2-34")

			// The most that the limits allow: 100 terms, 20 levels, each negated and of another operator than the one around it.
			wide := strings.Repeat(`not (userName eq "alice") or `, 99) + `userName eq "alice"`
			require.Len(t, ask(wide), len(users))
			deep := `userName eq "alice"`
			for i := range 20 {
				op := [...]string{"and", "or"}[i%2]
				deep = fmt.Sprintf(`not (%s %s title pr) %s userName sw "a"`, deep, op, op)
			}
			ask(deep)
			ask(`title eq "x" or ` + strings.Repeat(`userName ne "x" and title ne "y" or `, 49) + `active pr`)
			covers(t, "F-04")
		})
	}
}
