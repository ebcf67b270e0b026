package filter

import (
	"slices"

	ast "github.com/scim2/filter-parser/v2"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/internal/strict"
)

// Element is the value filter of a PATCH path, bound to the attribute before its brackets. It is immutable and safe for concurrent
// use.
type Element struct {
	root *node
	rt   *schema.ResourceType
	attr *schema.Attribute
}

// BindElement binds the expression between the brackets of a PATCH path to the attribute before them: a complex or a multi-valued
// one of rt, members included. For a simple multi-valued attribute the word "value" is the element itself.
//
// The error is an *Error, 400: invalidPath for an attribute that takes no value filter, otherwise invalidFilter as in Bind.
func BindElement(expr ast.Expression, rt *schema.ResourceType, a *schema.Attribute, report *dialect.Report) (*Element, error) {
	b := binder{rt: rt, report: report, element: a}
	switch {
	case !a.Readable():
		return nil, b.unknown(a.Name)
	case !b.selectable(a):
		return nil, unselectable(schema.InvalidPath, a)
	}
	root, err := b.bind(expr, false)
	if err != nil {
		return nil, err
	}
	return &Element{root: root, rt: rt, attr: a}, nil
}

// Match reports whether a value satisfies the filter: one element of the multi-valued attribute, or the value of the single-valued
// one. An Unassigned value does not, whatever the filter. seen may be nil.
func (e *Element) Match(v schema.Value, seen *Folds) bool {
	return !v.IsZero() && e.root.holds(v, seen)
}

// Terms returns the number of conditions in the filter: what Match checks per value at most.
func (e *Element) Terms() int { return e.root.terms() }

// Template returns the element that the filter describes, with the types of the schema: {"primary": true} for primary eq "True".
// It returns false unless the filter is one eq, or several joined by and on different sub-attributes, and a client may write
// such an element.
func (e *Element) Template() (schema.Value, bool) {
	described := schema.Value{}
	node := &schema.Node{}
	for _, n := range e.conjuncts() {
		v := n.test.literal
		switch {
		case n.kind != onValue || n.negated || n.test.op != ast.EQ || v.IsZero() || v.Kind() == schema.Text && v.Text() == "":
			return schema.Value{}, false
		case n.sub == nil && described.IsZero():
			described = v
		case n.sub == nil || n.sub.Mutability == schema.ReadOnly || !node.Get(n.sub).IsZero():
			return schema.Value{}, false
		default:
			if n.sub.MultiValued {
				v = schema.ListValue([]schema.Value{v})
			}
			node.Set(n.sub, v)
			described = schema.ObjectValue(node)
		}
	}
	return e.decoded(described)
}

func (e *Element) conjuncts() []*node {
	if e.root.kind == allOf {
		return e.root.kids
	}
	return []*node{e.root}
}

// decoded passes a value through the decoder for requests, which knows what else the schema asks of it.
func (e *Element) decoded(v schema.Value) (schema.Value, bool) {
	err := strict.Read(v.AppendJSON(nil), func(r *strict.Reader) (err error) {
		v, err = e.rt.DecodeElement(r, e.attr, dialect.NewReport(true, dialect.Policy{}))
		return err
	})
	return v, err == nil
}

// IDs returns the ids that a filter on members names, without repetitions, if it is made of value eq terms joined by or and nothing
// else. An empty string names no member and is left out.
func (e *Element) IDs() ([]string, bool) {
	if e.attr != e.rt.Members {
		return nil, false
	}
	terms := []*node{e.root}
	if e.root.kind == someOf {
		terms = e.root.kids
	}
	ids := make([]string, 0, len(terms))
	for _, n := range terms {
		if n.kind != onValue || n.negated || n.sub != e.attr.Value() || n.test.op != ast.EQ {
			return nil, false
		}
		if n.test.text != "" && !slices.Contains(ids, n.test.text) {
			ids = append(ids, n.test.text)
		}
	}
	return ids, true
}
