package filter

import (
	"slices"
	"strings"

	ast "github.com/scim2/filter-parser/v2"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/internal/schema"
)

// Filter is a filter bound to a resource type. A nil *Filter is no filter: it matches everything. It is immutable and safe for
// concurrent use.
type Filter struct {
	root     *node
	rt       *schema.ResourceType
	location string
	terms    int
}

// Options are what a filter needs to know besides the schema.
type Options struct {
	// Location is what meta.location is made of: base URL, endpoint and "/"; the id follows.
	Location string
	// NoMembers and NoGroups say that the store cannot tell who is a member of what: filters on that relation are refused.
	NoMembers, NoGroups bool
}

// Bind resolves the names of a filter, gives its literals the types of their attributes and compiles it. The error is an *Error
// with invalidFilter, 400: an attribute that does not exist or may not be read, an operator or literal that does not fit its
// attribute's type, a complex attribute where a sub-attribute is needed, a condition on members or groups that is neither
// "value eq" nor "pr".
//
// Rules of report that are asked: those of ResourceType.Resolve, QuotedBoolean, ValueShorthand, AttributeAlias, and UnquotedLiteral,
// which lets a bare number stand for a string.
func Bind(expr ast.Expression, rt *schema.ResourceType, opts Options, report *dialect.Report) (*Filter, error) {
	b := binder{rt: rt, opts: opts, report: report}
	root, err := b.bind(expr, false)
	if err != nil {
		return nil, err
	}
	return &Filter{root: root, rt: rt, location: opts.Location, terms: root.terms()}, nil
}

type binder struct {
	rt      *schema.ResourceType
	opts    Options
	report  *dialect.Report
	element *schema.Attribute // inside brackets: the attribute before them
}

// bind recurses once for each change between and, or and not, which the parser bounds by Limits.Depth.
func (b *binder) bind(expr ast.Expression, negated bool) (*node, error) {
	switch e := expr.(type) {
	case *ast.LogicalExpression:
		return b.logical(e, negated)
	case *ast.NotExpression:
		return b.bind(e.Expression, !negated)
	case *ast.AttributeExpression:
		return b.comparison(e, negated)
	case *ast.ValuePath:
		return b.valuePath(e, negated)
	default:
		return nil, refuse("", "the filter is empty")
	}
}

func (b *binder) logical(e *ast.LogicalExpression, negated bool) (*node, error) {
	k := allOf
	if (e.Operator == ast.OR) != negated {
		k = someOf
	}
	operands := chain(e)
	kids := make([]*node, len(operands))
	for i, operand := range operands {
		kid, err := b.bind(operand, negated)
		if err != nil {
			return nil, err
		}
		kids[i] = kid
	}
	return join(k, kids), nil
}

// chain returns the operands of a chain of one logical operator from left to right.
func chain(e *ast.LogicalExpression) []ast.Expression {
	operands := []ast.Expression{e.Right}
	for {
		left, ok := e.Left.(*ast.LogicalExpression)
		if !ok || left.Operator != e.Operator {
			break
		}
		operands = append(operands, left.Right)
		e = left
	}
	operands = append(operands, e.Left)
	slices.Reverse(operands)
	return operands
}

// comparison binds a condition on an attribute of the resource or, inside brackets, on one of the element.
func (b *binder) comparison(e *ast.AttributeExpression, negated bool) (*node, error) {
	op, negated := normal(e, negated)
	target, err := b.target(e.AttributePath)
	if err != nil {
		return nil, err
	}
	if relation := target.Attribute; b.element == nil && relation.Relation != schema.NoRelation {
		if target.Sub != nil && target.Sub != relation.Value() {
			return nil, unsupported(relation)
		}
		return b.relation(relation, op, e.CompareValue, negated)
	}
	if op != ast.PR {
		if target, err = b.simple(target); err != nil {
			return nil, err
		}
	}
	t, err := newTest(target.Leaf(), op, e.CompareValue, b.report)
	if err != nil {
		return nil, err
	}
	if b.element != nil {
		return &node{kind: onValue, negated: negated, sub: target.Sub, test: t}, nil
	}
	return b.leaf(target, t, negated), nil
}

// normal expresses ne and null by eq, pr and negation.
func normal(e *ast.AttributeExpression, negated bool) (ast.CompareOperator, bool) {
	op := e.Operator
	if op == ast.NE {
		op, negated = ast.EQ, !negated
	}
	if op == ast.EQ && e.CompareValue == nil {
		op, negated = ast.PR, !negated
	}
	return op, negated
}

// target resolves an attribute path. Inside brackets it names a sub-attribute, which "value" is for simple values.
func (b *binder) target(path ast.AttributePath) (schema.Target, error) {
	if b.element == nil {
		target, err := b.rt.Resolve(path.URI(), path.AttributeName, path.SubAttributeName(), b.report)
		if err != nil || !target.Leaf().Readable() {
			return schema.Target{}, b.unknown(path.AttributeName)
		}
		return target, nil
	}
	target := schema.Target{Attribute: b.element}
	switch {
	case path.URIPrefix != nil || path.SubAttribute != nil:
		return target, refuse(b.element.Path, "inside the brackets after %s only the names of its sub-attributes are allowed", b.element.Path)
	case b.element.Type != schema.Complex && foldedEqual(path.AttributeName, "value"):
		return target, nil
	}
	sub, alias := b.element.SubAttribute(path.AttributeName)
	if sub == nil || !sub.Readable() || alias && !b.report.Allow(dialect.AttributeAlias) {
		return target, b.unknown(path.AttributeName)
	}
	target.Sub = sub
	return target, nil
}

// unknown is the answer to names that do not exist and to those that must not be told from them.
func (b *binder) unknown(name string) error {
	return refuse("", "the filter names the attribute %s, which the resource type %s does not have", dialect.Printable(name), b.rt.Name)
}

// simple finds the attribute with the value that a comparison with a complex attribute means.
func (b *binder) simple(target schema.Target) (schema.Target, error) {
	a := target.Leaf()
	if a.Type != schema.Complex {
		return target, nil
	}
	sub := a.Value()
	switch {
	case a.IsExtension() || a == b.rt.Root:
		return target, refuse("", "the operator pr is the only one for a whole schema")
	case sub != nil && !sub.Readable():
		return target, b.unknown(a.Name)
	case sub == nil || !a.MultiValued && !b.report.Allow(dialect.ValueShorthand):
		return target, refuse(a.Path, "the attribute %s is complex: a comparison needs one of its sub-attributes", a.Path)
	}
	return schema.Target{Attribute: a, Sub: sub}, nil
}

// leaf makes the node for a condition on an attribute of the resource. What is the same for every resource becomes a constant.
func (b *binder) leaf(target schema.Target, t test, negated bool) *node {
	a := target.Attribute
	switch {
	case t.op == ast.PR && (a == b.rt.ID || a == b.rt.Meta || a == b.rt.Schemas || a == b.rt.Root):
		return fixed(!negated)
	case a == b.rt.ID:
		return &node{kind: onID, negated: negated, test: t}
	case a == b.rt.Meta:
		return b.meta(target.Sub, t, negated)
	case a == b.rt.Schemas && t.match(schema.TextValue(b.rt.Schema.ID), nil):
		return fixed(!negated)
	}
	condition := &node{kind: onValue, sub: target.Sub, test: t}
	return &node{kind: onDocument, negated: negated, attr: a, kids: []*node{condition}}
}

// meta makes the node for a sub-attribute of meta. Equality of meta.location is one of the id.
func (b *binder) meta(sub *schema.Attribute, t test, negated bool) *node {
	n := &node{negated: negated, test: t}
	switch sub.Name {
	case "resourceType":
		return fixed(t.exact(b.rt.Name) != negated)
	case "created":
		n.kind = onCreated
	case "lastModified":
		n.kind = onModified
	case "version":
		n.kind = onVersion
	default:
		n.kind = onLocation
		if t.op == ast.EQ {
			rest, here := strings.CutPrefix(t.text, b.opts.Location)
			if !here {
				return fixed(negated)
			}
			n.kind, n.test.attr, n.test.text = onID, b.rt.ID, rest
		}
	}
	return n
}

// relation binds a condition on members or groups.
func (b *binder) relation(a *schema.Attribute, op ast.CompareOperator, literal any, negated bool) (*node, error) {
	if a.Relation == schema.Members && b.opts.NoMembers || a.Relation == schema.Groups && b.opts.NoGroups {
		return nil, refuse(a.Path, "filters on the attribute %s are not supported", a.Path)
	}
	if op != ast.EQ && op != ast.PR {
		return nil, unsupported(a)
	}
	t, err := newTest(a.Value(), op, literal, b.report)
	if err != nil {
		return nil, err
	}
	if op == ast.EQ && t.text == "" {
		return fixed(negated), nil // no resource has that id; a store takes "" for "any"
	}
	return &node{kind: onRelation, negated: negated, test: t}, nil
}

func unsupported(a *schema.Attribute) error {
	return refuse(a.Path, "the attribute %s supports filters with value eq and pr only", a.Path)
}

func (b *binder) valuePath(e *ast.ValuePath, negated bool) (*node, error) {
	target, err := b.target(e.AttributePath)
	if err != nil {
		return nil, err
	}
	a := target.Attribute
	switch {
	case target.Sub != nil || !b.selectable(a):
		return nil, unselectable(schema.InvalidFilter, target.Leaf())
	case a.Relation != schema.NoRelation:
		return b.relationPath(a, e.ValueFilter, negated)
	}
	inner := binder{rt: b.rt, report: b.report, element: a}
	kid, err := inner.bind(e.ValueFilter, false)
	if err != nil {
		return nil, err
	}
	return &node{kind: onDocument, negated: negated, attr: a, kids: []*node{kid}}, nil
}

// relationPath binds members[value eq "a" or value eq "b"]: anything else cannot be answered by asking for one id at a time.
func (b *binder) relationPath(a *schema.Attribute, filter ast.Expression, negated bool) (*node, error) {
	operands := []ast.Expression{filter}
	if or, ok := filter.(*ast.LogicalExpression); ok && or.Operator == ast.OR {
		operands = chain(or)
	}
	k := someOf
	if negated {
		k = allOf
	}
	kids := make([]*node, len(operands))
	for i, operand := range operands {
		var err error
		switch e := operand.(type) {
		case *ast.LogicalExpression:
			if e.Operator != ast.OR {
				return nil, unsupported(a)
			}
			kids[i], err = b.relationPath(a, e, negated)
		case *ast.AttributeExpression:
			kids[i], err = b.relationTerm(a, e, negated)
		default:
			return nil, unsupported(a)
		}
		if err != nil {
			return nil, err
		}
	}
	return join(k, kids), nil
}

func (b *binder) relationTerm(a *schema.Attribute, e *ast.AttributeExpression, negated bool) (*node, error) {
	inner := binder{rt: b.rt, report: b.report, element: a}
	target, err := inner.target(e.AttributePath)
	if err != nil {
		return nil, err
	}
	if target.Sub != a.Value() || e.Operator == ast.EQ && e.CompareValue == nil {
		return nil, unsupported(a)
	}
	return b.relation(a, e.Operator, e.CompareValue, negated)
}

// selectable reports whether a value filter can stand behind a: it needs values that conditions can be put on.
func (b *binder) selectable(a *schema.Attribute) bool {
	complex := a.Type == schema.Complex && !a.IsExtension() && a != b.rt.Root && a != b.rt.Meta
	return complex || a.Type != schema.Complex && a.MultiValued
}

func unselectable(scimType string, a *schema.Attribute) error {
	return &Error{ScimType: scimType, Path: a.Path, Detail: "a value filter in brackets needs a complex or multi-valued attribute before it"}
}
