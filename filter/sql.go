package filter

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	ast "github.com/scim2/filter-parser/v2"

	"github.com/scimkit/scim/internal/schema"
)

// Dialect is the SQL that a database speaks.
type Dialect uint8

// The dialects.
const (
	SQLite     Dialect = iota // placeholders are ?
	PostgreSQL                // placeholders are $1, $2, …; the database is encoded in UTF-8
)

// ColumnType says what a column holds. Every type may hold NULL for "no value".
type ColumnType uint8

// The types of columns. A condition whose attribute has another type than its column is not pushed.
const (
	// ExactText is a string, reference or binary as it was sent. Where the attribute ignores case, and userName does, only pr can be
	// answered from such a column: no database folds case as SCIM does.
	ExactText ColumnType = iota
	// FoldedText is a string after Attribute.Fold, as Document.Values and Key.Value return it. For caseExact attributes
	// the two are the same.
	FoldedText
	// UUID is a UUID whose text, in lower case, is the attribute's value: an id. Only eq, ne and pr are pushed, and only in PostgreSQL.
	UUID
	// Boolean is a BOOLEAN, or 0 and 1 in SQLite.
	Boolean
	// Integer is an INTEGER or BIGINT.
	Integer
	// Decimal is a REAL in SQLite and a DOUBLE PRECISION in PostgreSQL.
	Decimal
	// Timestamp is a TIMESTAMPTZ, or a TIMESTAMP in UTC. SQLite has no such type: nothing is pushed there.
	Timestamp
	// Microseconds is an INTEGER or BIGINT that counts microseconds since 1970-01-01T00:00:00Z.
	Microseconds
)

// Column is where a store keeps the value of one single-valued attribute.
type Column struct {
	// Expr is a column's name, qualified and quoted as needed, or an expression in parentheses. It becomes part of the SQL text as
	// it is, so it must never be made of anything that a client sent.
	Expr string
	Type ColumnType
}

// Columns says where a store keeps attributes.
type Columns struct {
	Dialect Dialect
	// Map holds columns by canonical attribute path: "id", "userName", "active", "name.familyName", "meta.lastModified", or
	// "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department". Paths of multi-valued attributes are not used.
	Map map[string]Column
	// First is the number of the first placeholder in PostgreSQL, one more than the query has before it; 0 counts as 1.
	First int
}

// SQL translates as much of the filter as the columns can answer. where is a condition to put behind "… AND "; it is true for every
// resource that matches. exact says that it is true for no other: then the database can count and page. Otherwise the caller calls
// Match on what the database returns.
//
// where is empty if there is nothing to restrict: either nothing could be translated (exact is false: every resource is a candidate)
// or every resource matches (exact is true), which is also the answer of a nil Filter. args are the values of its placeholders in
// order: strings, bools, int64s, float64s and time.Times. Literals are never part of where. A host with a table of accounts writes
//
//	where, args, exact := query.Filter.SQL(filter.Columns{
//		Dialect: filter.PostgreSQL,
//		Map: map[string]filter.Column{
//			"id":                {Expr: "id", Type: filter.UUID},
//			"userName":          {Expr: "login_folded", Type: filter.FoldedText},
//			"active":            {Expr: "enabled", Type: filter.Boolean},
//			"meta.lastModified": {Expr: "updated_at", Type: filter.Timestamp},
//		},
//		First: 2, // $1 is the tenant
//	})
//	statement := "SELECT … FROM accounts WHERE tenant = $1"
//	if where != "" {
//		statement += " AND " + where
//	}
//	rows, err := db.QueryContext(ctx, statement, append([]any{tenant}, args...)...)
//
// Texts are compared byte by byte. In SQLite that does not depend on the column; in PostgreSQL, eq leaves the collation to the
// column, so that its index serves, and that is right for every collation but a nondeterministic one and for every text type but
// citext and char(n). An index on the column serves eq, and sw, gt, ge, lt and le too if it is a binary one: by default in SQLite,
// of a column with COLLATE "C" in PostgreSQL.
func (f *Filter) SQL(cols Columns) (where string, args []any, exact bool) {
	if f == nil {
		return "", nil, true
	}
	w := writer{Columns: cols}
	where, exact = w.node(f.root)
	if f.root.kind == someOf && where != "" {
		where = "(" + where + ")"
	}
	return where, w.args, exact
}

type writer struct {
	Columns
	args []any
}

// node translates n, or something weaker that can be translated, or nothing. The latter two are not exact.
func (w *writer) node(n *node) (text string, exact bool) {
	switch n.kind {
	case allOf:
		return w.conjunction(n.kids)
	case someOf:
		return w.disjunction(n.kids)
	case always:
		if n.negated {
			return "1 = 0", true
		}
		return "", true
	}
	t, ok := n.single()
	if !ok {
		return "", false
	}
	column, ok := w.Map[t.attr.Path]
	if !ok || !column.answers(t, w.Dialect) {
		return "", false
	}
	return w.atom(column, t, n.negated), true
}

func (w *writer) conjunction(kids []*node) (text string, exact bool) {
	var parts []string
	exact = true
	for _, kid := range kids {
		part, ok := w.node(kid)
		exact = exact && ok
		switch {
		case part == "":
		case kid.kind == someOf:
			parts = append(parts, "("+part+")")
		default:
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, " AND "), exact
}

// disjunction needs all of its parts: without one, it restricts nothing.
func (w *writer) disjunction(kids []*node) (text string, exact bool) {
	parts, mark := make([]string, len(kids)), len(w.args)
	exact = true
	for i, kid := range kids {
		part, ok := w.node(kid)
		if part == "" {
			w.args = w.args[:mark]
			return "", false
		}
		parts[i], exact = part, exact && ok
	}
	return strings.Join(parts, " OR "), exact
}

// single returns the test of a leaf that is about an attribute with at most one value.
func (n *node) single() (*test, bool) {
	switch n.kind {
	case onID, onCreated, onModified, onVersion:
		return &n.test, true
	case onDocument:
		condition := n.kids[0]
		if condition.kind != onValue || condition.negated {
			return nil, false
		}
		for a := condition.test.attr; a != nil; a = a.Parent {
			if a.MultiValued {
				return nil, false
			}
		}
		return &condition.test, true
	}
	return nil, false
}

// answers reports whether the column has what the test compares.
func (c Column) answers(t *test, d Dialect) bool {
	switch t.attr.Type {
	case schema.Boolean:
		return c.Type == Boolean
	case schema.Integer:
		return c.Type == Integer
	case schema.Decimal:
		return c.Type == Decimal
	case schema.DateTime:
		return c.Type == Microseconds || c.Type == Timestamp && d == PostgreSQL
	case schema.Complex:
		return false
	}
	switch c.Type {
	case FoldedText:
		return true
	case ExactText:
		return !t.folds
	case UUID:
		return d == PostgreSQL && !t.folds && (t.op == ast.EQ || t.op == ast.PR)
	default:
		return false
	}
}

// atom writes one condition. It is never NULL where it is negated, and a negation never stands before it.
func (w *writer) atom(c Column, t *test, negated bool) string {
	text := c.Type == ExactText || c.Type == FoldedText
	switch {
	case t.op == ast.PR && text:
		return unless(negated, c.Expr, c.Expr+" <> ''", c.Expr+" = ''")
	case t.op == ast.PR, t.text == "" && (t.op == ast.CO || t.op == ast.SW || t.op == ast.EW):
		if negated {
			return c.Expr + " IS NULL"
		}
		return c.Expr + " IS NOT NULL"
	case c.Type == UUID && !isUUID(t.text): // PostgreSQL would take other spellings, and fail for other texts
		return unless(negated, c.Expr, "1 = 0", "1 = 1")
	case t.op == ast.CO:
		position := w.function("instr", "strpos") + "(" + c.Expr + ", " + w.bind(t.text, "::text") + ")"
		return unless(negated, c.Expr, position+" > 0", position+" = 0")
	case t.op == ast.SW:
		return w.prefix(w.collated(c.Expr), t.text, negated)
	case t.op == ast.EW:
		return w.suffix(c.Expr, t.text, negated)
	}
	left := c.Expr
	if text && (w.Dialect == SQLite || t.op != ast.EQ) {
		left = w.collated(left)
	}
	right := w.bind(literal(c.Type, t))
	operators := comparisons[t.op]
	return unless(negated, c.Expr, left+operators[0]+right, left+operators[1]+right)
}

// comparisons are the SQL operators, and those that say the opposite of two values.
var comparisons = map[ast.CompareOperator][2]string{
	ast.EQ: {" = ", " <> "},
	ast.GT: {" > ", " <= "},
	ast.GE: {" >= ", " < "},
	ast.LT: {" < ", " >= "},
	ast.LE: {" <= ", " > "},
}

// unless chooses between a condition and its opposite, which holds for NULL too.
func unless(negated bool, column, condition, opposite string) string {
	if negated {
		return "(" + column + " IS NULL OR " + opposite + ")"
	}
	return condition
}

// literal returns what a literal is bound as, and the cast that keeps PostgreSQL from inferring a narrower type from the column.
func literal(c ColumnType, t *test) (value any, cast string) {
	switch c {
	case Boolean:
		return t.literal.Bool(), "::boolean"
	case Integer, Microseconds:
		return t.number, "::bigint"
	case Decimal:
		return t.decimal, "::float8"
	case UUID:
		return t.text, "::uuid"
	case Timestamp:
		return time.UnixMicro(t.number).UTC(), ""
	default:
		return t.text, "::text"
	}
}

// isUUID reports whether s is the text that PostgreSQL writes for some UUID.
func isUUID(s string) bool {
	for i := range len(s) {
		hyphen := i == 8 || i == 13 || i == 18 || i == 23
		if c := s[i]; hyphen && c != '-' || !hyphen && !isDigit(c) && (c < 'a' || 'f' < c) {
			return false
		}
	}
	return len(s) == 36
}

// prefix compares with a range, which an index can answer and in which no character is special.
func (w *writer) prefix(column, text string, negated bool) string {
	from := w.bind(text, "::text")
	end, bounded := after(text)
	if !bounded {
		return unless(negated, column, column+" >= "+from, column+" < "+from)
	}
	to := w.bind(end, "::text")
	return unless(negated, column, column+" >= "+from+" AND "+column+" < "+to, column+" < "+from+" OR "+column+" >= "+to)
}

// after returns the least text that is greater than all texts with the prefix, by their bytes in UTF-8.
func after(prefix string) (text string, ok bool) {
	for prefix != "" {
		last, size := utf8.DecodeLastRuneInString(prefix)
		prefix = prefix[:len(prefix)-size]
		switch last {
		case utf8.MaxRune:
		case 0xD7FF: // the surrogates follow
			return prefix + "\uE000", true
		default:
			return prefix + string(last+1), true
		}
	}
	return "", false
}

func (w *writer) suffix(column, text string, negated bool) string {
	n := int64(utf8.RuneCountInString(text))
	var end string
	if w.Dialect == PostgreSQL {
		end = "right(" + column + ", " + w.bind(n, "::int") + ")"
	} else {
		end = "substr(" + column + ", " + w.bind(-n, "") + ")"
	}
	want := w.bind(text, "::text")
	return unless(negated, column, end+" = "+want, end+" <> "+want)
}

func (w *writer) function(sqlite, postgres string) string {
	if w.Dialect == PostgreSQL {
		return postgres
	}
	return sqlite
}

// collated makes comparisons with a column go by its bytes.
func (w *writer) collated(column string) string {
	return column + " COLLATE " + w.function("BINARY", `"C"`)
}

// bind adds an argument and returns its placeholder.
func (w *writer) bind(value any, cast string) string {
	w.args = append(w.args, value)
	if w.Dialect != PostgreSQL {
		return "?"
	}
	return "$" + strconv.Itoa(max(w.First, 1)+len(w.args)-1) + cast
}
