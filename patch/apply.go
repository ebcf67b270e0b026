package patch

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	ast "github.com/scim2/filter-parser/v2"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/internal/strict"
)

// Options is what a change depends on besides the document and the request.
type Options struct {
	Type       *schema.ResourceType
	Report     *dialect.Report
	BareRemove dialect.BareRemove
	// MaxMembers bounds the members that one request may name or select; more is TooLarge.
	MaxMembers int
	// MaxWork bounds how often the operations of one PATCH request may look at a value of a multi-valued attribute: once per condition
	// of a filter, eight times to change it, and as often again per 128 bytes of the value; more is TooLarge. 0 means DefaultWork.
	MaxWork int
	// Scan calls yield with each member of the group; a type with members needs it. It is called only for filters on members that are
	// not about their ids, and then once.
	Scan func(yield func(id, typ, display string) error) error
}

// Apply computes what a PATCH request changes. written are the attributes with returned:request that it wrote to. It looks at ctx
// before each operation, and now and then during one.
// The errors are *Error, *schema.Error, *filter.Error, *strict.Error, that of ctx and those of Options.Scan.
func Apply(
	ctx context.Context, before *schema.Document, ops []Operation, opts Options,
) (change ChangeSet, written []*schema.Attribute, err error) {
	p := &patcher{Options: opts, before: before}
	p.meter = meter{most: cmp.Or(opts.MaxWork, DefaultWork), interrupted: ctx.Err}
	for _, op := range ops {
		if err := p.apply(op); err != nil {
			return ChangeSet{}, nil, err
		}
	}
	if err := p.removeMatching(); err != nil {
		return ChangeSet{}, nil, err
	}
	change = ChangeSet{After: before, Members: p.delta.Delta()}
	if p.after != nil {
		if err := finish(&change, opts.Type, p.tree, p.after); err != nil {
			return ChangeSet{}, nil, err
		}
	}
	return change, p.written, nil
}

// patcher applies operations to a copy of a document, which it makes when the first of them concerns an attribute.
type patcher struct {
	Options
	meter
	before  *schema.Document
	tree    *schema.Node // before as a tree
	after   *schema.Node // a copy that the operations change
	delta   deltas
	written []*schema.Attribute
	filters []*filter.Element          // of members to remove that are not about their ids
	marked  map[*schema.Attribute]bool // what the keys of one value have written; nil outside of such a value
	indexes map[*schema.Attribute]index
}

// document returns the tree to change.
func (p *patcher) document() (*schema.Node, error) {
	if p.after == nil {
		tree, err := p.before.Tree(p.Type)
		if err != nil {
			return nil, err
		}
		p.tree, p.after = tree, tree.Clone()
	}
	return p.after, nil
}

func (p *patcher) apply(op Operation) error {
	if err := p.interrupted(); err != nil {
		return err
	}
	if op.Op != Remove && !op.HasValue {
		return refuse(schema.InvalidValue, op.attribute(p.Type), "the operation %s needs a value", op.Op)
	}
	switch {
	case op.HasPath:
		return p.applyPath(op)
	case op.Op == Remove:
		return refuse(schema.NoTarget, "", "the operation remove needs a path")
	default:
		return p.applyObject(op)
	}
}

// attribute names the attribute of an operation for an error, if its path is a plain one.
func (op Operation) attribute(rt *schema.ResourceType) string {
	if t, err := rt.ResolvePath(op.Path, nil); err == nil {
		return t.Leaf().Path
	}
	return ""
}

// applyPath applies an operation to the attribute that its path names.
func (p *patcher) applyPath(op Operation) error {
	path, err := filter.ParsePath(op.Path, filter.PathLimits, p.Report)
	if err != nil {
		return err
	}
	target, err := p.resolve(path)
	var miss *schema.Miss
	switch {
	case errors.As(err, &miss) && miss.Unregistered && p.Report.Allow(dialect.UnregisteredExtension):
		return skip(op)
	case errors.As(err, &miss):
		return refuse(schema.InvalidPath, "", "the path of the operation %s names nothing: %s", op.Op, miss.Detail)
	case err != nil:
		return err
	case target.Attribute.Dropped:
		return skip(op)
	}
	for a := target.Leaf(); a != nil; a = a.Parent {
		if a.Mutability == schema.ReadOnly {
			return refuse(schema.Mutability, a.Path, "the attribute %s is readOnly", a.Path)
		}
	}
	return p.write(op, target, path.ValueExpression)
}

// resolve finds what a parsed path names. Behind a value filter, the sub-attribute stands in a field of its own.
func (p *patcher) resolve(path ast.Path) (schema.Target, error) {
	attr := path.AttributePath
	target, err := p.Type.Resolve(attr.URI(), attr.AttributeName, attr.SubAttributeName(), p.Report)
	switch {
	case err != nil || path.ValueExpression == nil:
		return target, err
	case target.Sub != nil:
		return target, refuse(schema.InvalidPath, target.Sub.Path, "the sub-attribute %s takes no value filter", target.Sub.Path)
	default:
		return target.In(path.SubAttributeName(), p.Report)
	}
}

// skip drops an operation whose target is not kept here; its value must be sound JSON nevertheless.
func skip(op Operation) error {
	if !op.HasValue {
		return nil
	}
	return strict.ReadString(op.Value, (*strict.Reader).Skip)
}

// write applies an operation to a resolved target.
func (p *patcher) write(op Operation, target schema.Target, expr ast.Expression) error {
	a := target.Attribute
	if expr == nil && (target.Sub != nil || a.Type != schema.Complex || a.MultiValued) {
		if err := p.mark(target.Leaf()); err != nil {
			return err
		}
	}
	switch {
	case a.Relation == schema.Members:
		return p.writeMembers(op, target, expr)
	case a == p.Type.Root || a.IsExtension():
		return p.writeContainer(op, a, expr)
	}
	root, err := p.document()
	if err != nil {
		return err
	}
	t := writer{patcher: p, op: op, attribute: a, sub: target.Sub}
	if a == p.Type.Schemas {
		return t.schemas(root, expr)
	}
	holder := root
	if a.Parent.IsExtension() {
		holder = root.Get(a.Parent).Node().Clone()
	}
	if err := t.write(holder, expr); err != nil {
		return err
	}
	if holder != root {
		root.Set(a.Parent, schema.ObjectValue(holder))
	}
	return nil
}

// writeContainer applies an operation to all of an extension, or to the core attributes by their schema's URN.
func (p *patcher) writeContainer(op Operation, container *schema.Attribute, expr ast.Expression) error {
	switch {
	case expr != nil:
		return refuse(schema.InvalidPath, container.Path, "a schema URN takes no value filter")
	case op.Op != Remove && op.Value == "null":
		op.Op, op.HasValue = Remove, false
	}
	if op.Op != Remove {
		return p.applyKeys(op, container)
	}
	if container == p.Type.Root {
		return refuse(schema.Mutability, "", "the base schema cannot be removed")
	}
	root, err := p.document()
	if err != nil {
		return err
	}
	ext := root.Get(container).Node().Clone()
	for _, a := range container.Sub {
		switch {
		case a.Mutability == schema.ReadOnly: // the host wrote it
		case !a.Clearable() && !ext.Get(a).IsZero():
			return refuse(schema.Mutability, a.Path, "the attribute %s must have a value and cannot be removed", a.Path)
		default:
			ext.Set(a, schema.Value{})
		}
	}
	root.Set(container, schema.ObjectValue(ext))
	return nil
}

// applyObject applies an operation without a path: each key of its value names an attribute. The keys have no order, so no two of
// them may write the same.
func (p *patcher) applyObject(op Operation) error {
	p.marked = make(map[*schema.Attribute]bool)
	defer func() { p.marked = nil }()
	return p.applyKeys(op, p.Type.Root)
}

// mark notes that a key of the value being applied writes a, and refuses another key that does.
func (p *patcher) mark(a *schema.Attribute) error {
	if p.marked == nil {
		return nil
	}
	twice := slices.ContainsFunc(a.Sub, func(sub *schema.Attribute) bool { return p.marked[sub] })
	for up := a; up != nil; up = up.Parent {
		twice = twice || p.marked[up]
	}
	if twice {
		return refuse(schema.InvalidSyntax, a.Path, "the value names the attribute %s twice", a.Path)
	}
	p.marked[a] = true
	return nil
}

// applyKeys applies each key of an operation's value as an operation of its own, inside container. Keys with a value filter come
// last, whatever their place: they select from what the others wrote.
func (p *patcher) applyKeys(op Operation, container *schema.Attribute) error {
	var filtered []Operation
	err := strict.ReadString(op.Value, func(r *strict.Reader) error {
		if r.Kind() != '{' {
			return r.Mismatch(refuse(schema.InvalidValue, container.Path, "the value of the operation %s must be an object", op.Op))
		}
		var names strict.Names
		return r.Object(func(key string) error {
			if err := names.Add(key); err != nil {
				return err
			}
			raw, err := r.Raw()
			if err != nil {
				return err
			}
			single := Operation{Op: op.Op, Path: key, HasPath: true, Value: raw, HasValue: true}
			if strings.Contains(key, "[") {
				filtered = append(filtered, single)
				return nil
			}
			return p.applyKey(single, container)
		})
	})
	slices.SortStableFunc(filtered, func(a, b Operation) int { return strings.Compare(a.Path, b.Path) })
	for _, op := range filtered {
		if err != nil {
			return err
		}
		err = p.applyKey(op, container)
	}
	return err
}

// applyKey applies one key of a path-less value. What a client may not write is ignored here: identity providers send back what
// they read.
func (p *patcher) applyKey(op Operation, container *schema.Attribute) error {
	if err := p.interrupted(); err != nil {
		return err
	}
	target, expr, err := p.resolveKey(op.Path, container)
	var miss *schema.Miss
	switch {
	case errors.As(err, &miss):
		if miss.Vital || !p.Report.Ignore(op.Path) {
			return refuse(schema.InvalidPath, "", "a key of the value of the operation %s names nothing: %s", op.Op, miss.Detail)
		}
		return skip(op)
	case err != nil:
		return err
	case target.Attribute == p.Type.Schemas || target.Attribute.Dropped:
		return skip(op)
	case op.Value == "null" && container == p.Type.Root && target.Attribute.Parent.IsExtension() && !strings.Contains(op.Path, ":"):
		return nil // an unknown core attribute without a value (ENTRA-24), which only happens to have an extension's name
	}
	for a := target.Leaf(); a != nil; a = a.Parent {
		if a.Mutability != schema.ReadOnly {
			continue
		}
		if !p.Report.Allow(dialect.ReadOnlyInValue) {
			return refuse(schema.Mutability, a.Path, "the attribute %s is readOnly", a.Path)
		}
		return skip(op)
	}
	return p.write(op, target, expr)
}

// resolveKey finds what a key names: an attribute of container, an extension, or, by rule, whatever a path could name.
func (p *patcher) resolveKey(key string, container *schema.Attribute) (schema.Target, ast.Expression, error) {
	if a, _ := container.SubAttribute(key); a != nil && !a.IsExtension() {
		return schema.Target{Attribute: a}, nil, nil
	}
	if ext := p.Type.Extension(key, p.Report); ext != nil && container == p.Type.Root {
		return schema.Target{Attribute: ext}, nil, nil
	}
	if !strings.ContainsAny(key, ".:[") {
		target, err := p.Type.Resolve("", key, "", p.Report)
		if err == nil && container != p.Type.Root {
			err = &schema.Miss{Detail: "the schema " + container.Path + " has no attribute " + dialect.Printable(key)}
		}
		return target, nil, err
	}
	path, err := filter.ParsePath(key, filter.PathLimits, p.Report)
	if err != nil {
		return schema.Target{}, nil, err
	}
	if container != p.Type.Root && path.AttributePath.URIPrefix == nil {
		path.AttributePath.URIPrefix = &container.Name
	}
	target, err := p.resolve(path)
	switch {
	case err != nil:
	case container != p.Type.Root && target.Attribute.Parent != container:
		err = &schema.Miss{Detail: "the schema " + container.Path + " has no attribute " + dialect.Printable(key)}
	case !p.Report.Allow(dialect.PathKey):
		err = &schema.Miss{Detail: "a key must be an attribute's name"}
	}
	return target, path.ValueExpression, err
}
