package filter

import (
	"bytes"
	"cmp"
	"errors"
	"strconv"
	"strings"
	"time"

	ast "github.com/scim2/filter-parser/v2"

	"github.com/scimkit/scim/internal/schema"
)

// Record is a stored resource as a filter sees it.
type Record struct {
	ID                    string
	Version               int64
	Created, LastModified time.Time
	// Document holds the attributes. It is decoded only for conditions that need it, at most once; nil has no attributes.
	Document *schema.Document
	// Related tells whether the resource with that id is in a relation of this one: "members", those of a group, or "groups", those
	// that a user is in. An empty id asks whether there is any. It may be nil if no filter uses relations.
	Related func(relation, id string) (bool, error)
}

var errUnrelated = errors.New("filter: the filter asks for members or groups, and Record.Related is nil")

// Match reports whether the record satisfies the filter. Conditions on id and meta are checked first, then those on the document,
// then relations; whatever the first ones decide, the others are not asked for.
//
// The errors are those of Record.Related and of a stored document that does not fit the schema; neither is the client's fault.
// Apart from decoding, Match allocates for texts only that are not ASCII, or longer than 256 bytes with the operator co, and for
// meta.location. Each such text is folded once, however many conditions look at it.
func (f *Filter) Match(r Record) (bool, error) {
	if f == nil {
		return true, nil
	}
	if f.terms == 1 {
		return f.match(f.root, &r, nil)
	}
	return f.match(f.root, &r, &Folds{})
}

func (f *Filter) match(n *node, r *Record, seen *Folds) (bool, error) {
	if n.kind == allOf || n.kind == someOf {
		for _, kid := range n.kids {
			if ok, err := f.match(kid, r, seen); err != nil || ok == (n.kind == someOf) {
				return ok, err
			}
		}
		return n.kind == allOf, nil
	}
	ok, err := f.leaf(n, r, seen)
	return ok != n.negated && err == nil, err
}

func (f *Filter) leaf(n *node, r *Record, seen *Folds) (bool, error) {
	switch n.kind {
	case always:
		return true, nil
	case onID:
		return n.test.exact(r.ID), nil
	case onCreated:
		return n.test.integer(r.Created.UnixMicro()), nil
	case onModified:
		return n.test.integer(r.LastModified.UnixMicro()), nil
	case onVersion:
		var buf [24]byte
		return n.test.exact(string(append(strconv.AppendInt(append(buf[:0], `W/"`...), r.Version, 10), '"'))), nil
	case onLocation:
		return n.test.exact(f.location + r.ID), nil
	case onRelation:
		if r.Related == nil {
			return false, errUnrelated
		}
		return r.Related(n.test.attr.Parent.Name, n.test.text)
	}
	if r.Document == nil {
		return false, nil
	}
	tree, err := r.Document.Tree(f.rt)
	if err != nil {
		return false, err
	}
	return f.document(n, tree, seen), nil
}

// document reports whether a value of n.attr satisfies the condition on it.
func (f *Filter) document(n *node, tree *schema.Node, seen *Folds) bool {
	if n.attr == f.rt.Schemas {
		return f.schemas(n.kids[0], tree, seen)
	}
	if container := n.attr.Parent; container.IsExtension() {
		tree = tree.Get(container).Node()
	}
	v := tree.Get(n.attr)
	if v.Kind() != schema.List {
		return !v.IsZero() && n.kids[0].holds(v, seen)
	}
	for _, element := range v.List() {
		if n.kids[0].holds(element, seen) {
			return true
		}
	}
	return false
}

// schemas does so for the attribute schemas, which no document stores.
func (f *Filter) schemas(condition *node, tree *schema.Node, seen *Folds) bool {
	if condition.holds(schema.TextValue(f.rt.Schema.ID), seen) {
		return true
	}
	for _, field := range tree.Fields() {
		if a := field.Attribute; a.IsExtension() && condition.holds(schema.TextValue(a.Name), seen) {
			return true
		}
	}
	return false
}

// holds reports whether one value, an element of a multi-valued attribute for example, satisfies a condition.
func (n *node) holds(v schema.Value, seen *Folds) bool {
	if n.kind == allOf || n.kind == someOf {
		for _, kid := range n.kids {
			if kid.holds(v, seen) == (n.kind == someOf) {
				return n.kind == someOf
			}
		}
		return n.kind == allOf
	}
	if n.sub != nil {
		v = v.Node().Get(n.sub)
	}
	if v.Kind() != schema.List {
		return n.test.match(v, seen) != n.negated
	}
	for _, element := range v.List() {
		if n.test.match(element, seen) {
			return !n.negated
		}
	}
	return n.negated
}

// match applies the test to one value that is no list.
func (t *test) match(v schema.Value, seen *Folds) bool {
	switch {
	case t.op == ast.PR:
		return present(v)
	case v.IsZero():
		return t.absent
	}
	switch t.attr.Type {
	case schema.Boolean:
		return v.Bool() == t.literal.Bool()
	case schema.Integer:
		n, err := strconv.ParseInt(v.Text(), 10, 64)
		return err == nil && t.integer(n)
	case schema.Decimal:
		d, ok := schema.ParseDecimal(v.Text())
		return ok && t.holds(cmp.Compare(d, t.decimal))
	case schema.DateTime:
		at, ok := schema.ParseTime(v.Text())
		return ok && t.integer(at.UnixMicro())
	default:
		return t.textual(v.Text(), seen)
	}
}

// present reports whether a value is one for pr. What clients may not read does not show here either.
func present(v schema.Value) bool {
	switch v.Kind() {
	case schema.Unassigned:
		return false
	case schema.Text:
		return v.Text() != ""
	case schema.Object:
		for _, field := range v.Node().Fields() {
			if field.Attribute.Readable() && present(field.Value) {
				return true
			}
		}
		return false
	case schema.List:
		for _, element := range v.List() {
			if present(element) {
				return true
			}
		}
		return false
	default:
		return true
	}
}

func (t *test) integer(n int64) bool { return t.holds(cmp.Compare(n, t.number)) }

// holds applies the operator to the order of the value and the literal.
func (t *test) holds(order int) bool {
	switch t.op {
	case ast.EQ:
		return order == 0
	case ast.GT:
		return order > 0
	case ast.GE:
		return order >= 0
	case ast.LT:
		return order < 0
	default:
		return order <= 0
	}
}

// textual compares a text that is not folded yet.
func (t *test) textual(s string, seen *Folds) bool {
	switch {
	case !t.folds:
		return t.exact(s)
	case !isASCII(s), t.op == ast.CO && len(s) > short:
		return t.exact(seen.Fold(t.attr, s))
	}
	switch t.op {
	case ast.EQ:
		return len(s) == len(t.text) && compareLower(s, t.text) == 0
	case ast.SW:
		return len(s) >= len(t.text) && compareLower(s[:len(t.text)], t.text) == 0
	case ast.EW:
		return len(s) >= len(t.text) && compareLower(s[len(s)-len(t.text):], t.text) == 0
	case ast.CO:
		return t.contained(s)
	default:
		return t.holds(compareLower(s, t.text))
	}
}

// exact compares a text with the literal byte by byte.
func (t *test) exact(s string) bool {
	switch t.op {
	case ast.SW:
		return strings.HasPrefix(s, t.text)
	case ast.EW:
		return strings.HasSuffix(s, t.text)
	case ast.CO:
		return strings.Contains(s, t.text)
	default:
		return t.holds(cmp.Compare(s, t.text))
	}
}

// short is the length of texts that co compares without allocating.
const short = 256

// contained reports whether a short ASCII text contains the literal.
func (t *test) contained(s string) bool {
	var buf [short]byte
	lower := buf[:0]
	for i := range len(s) {
		lower = append(lower, lowerASCII(s[i]))
	}
	return bytes.Contains(lower, t.pattern)
}

// compareLower compares an ASCII text in lower case with a text that is folded already.
func compareLower(s, folded string) int {
	for i := range min(len(s), len(folded)) {
		if c := lowerASCII(s[i]); c != folded[i] {
			return cmp.Compare(c, folded[i])
		}
	}
	return cmp.Compare(len(s), len(folded))
}

func lowerASCII(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
