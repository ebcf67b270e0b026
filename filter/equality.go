package filter

import (
	"strconv"
	"time"

	ast "github.com/scim2/filter-parser/v2"

	"github.com/scimkit/scim/internal/schema"
)

// Term says that some value of an attribute equals Value.
type Term struct {
	// Path is canonical: "userName", "id", "emails.value", "meta.created", "members.value", or
	// "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department".
	Path string
	// Value is the literal as text: of strings, folded as Document.Values and Key.Value fold them; "true" or "false"; an integer in
	// decimal digits; the shortest literal of a decimal; a time in UTC as RFC 3339 says it, with a fraction of at most six digits.
	// Compare numbers as numbers and times as times: a document may hold another spelling.
	Value string
}

// Equality returns conditions "attribute eq value" that every resource matching the filter satisfies. exact says that the filter is
// nothing else: then resources that satisfy all terms match, and no terms at all means that all resources do.
//
// This is what a store with a few indexes needs. It looks for a term whose Path it has indexed, and takes the resources with that
// Value; if it has answered every term by an index and exact is set, it is done. Otherwise it calls Match on each:
//
//	terms, exact := query.Filter.Equality()
//	if exact && len(terms) == 1 && terms[0].Path == "userName" {
//		return accountsByFoldedName(terms[0].Value)
//	}
//	for _, account := range accounts {
//		ok, err := query.Filter.Match(recordOf(account))
//		…
//	}
//
// A term on a multi-valued attribute, or from inside brackets, holds for some of its values: emails[type eq "work" and value eq "x"]
// gives emails.type and emails.value, and is not exact, because both must hold for the same one. members.value and groups.value
// are relations. A nil Filter has no terms and is exact.
func (f *Filter) Equality() (terms []Term, exact bool) {
	if f == nil {
		return nil, true
	}
	conjuncts := []*node{f.root}
	if f.root.kind == allOf {
		conjuncts = f.root.kids
	}
	exact = true
	for _, n := range conjuncts {
		leaves := []*node{n}
		if n.kind == onDocument {
			leaves = n.kids
			if n.kids[0].kind == allOf {
				leaves = n.kids[0].kids
			}
		}
		for _, leaf := range leaves {
			if !n.negated && leaf.isTerm() {
				terms = append(terms, Term{Path: leaf.test.attr.Path, Value: leaf.test.key()})
			} else {
				exact = exact && n.kind == always && !n.negated
			}
		}
		exact = exact && len(leaves) == 1
	}
	return terms, exact
}

// isTerm reports whether a leaf is the equality of an assigned value.
func (n *node) isTerm() bool {
	switch n.kind {
	case allOf, someOf, always:
		return false
	}
	return !n.negated && n.test.op == ast.EQ && !n.test.absent
}

// key returns the literal of an equality as text.
func (t *test) key() string {
	switch t.attr.Type {
	case schema.Boolean:
		return strconv.FormatBool(t.literal.Bool())
	case schema.Integer:
		return strconv.FormatInt(t.number, 10)
	case schema.Decimal:
		return strconv.FormatFloat(t.decimal, 'g', -1, 64)
	case schema.DateTime:
		return time.UnixMicro(t.number).UTC().Format(time.RFC3339Nano)
	default:
		return t.text
	}
}
