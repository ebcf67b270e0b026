package patch

import (
	ast "github.com/scim2/filter-parser/v2"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/internal/strict"
)

// writer applies one operation to one attribute of a document.
type writer struct {
	*patcher
	op        Operation
	attribute *schema.Attribute
	sub       *schema.Attribute
}

// write changes the attribute in holder, the node that has it: the document, an extension, or a complex value for a sub-attribute.
func (w *writer) write(holder *schema.Node, expr ast.Expression) error {
	a := w.attribute
	if a.Returned == schema.ReturnedRequest {
		w.written = append(w.written, a)
	}
	if w.op.Value == `""` && w.op.Op != Remove && w.sub == nil && (a.MultiValued || a.Type == schema.Complex) && w.Report.Allow(dialect.EmptyString) {
		w.op.Value = "null"
	}
	switch {
	case expr != nil && !a.MultiValued:
		return refuse(schema.InvalidPath, a.Path, "the attribute %s is single-valued and takes no value filter", a.Path)
	case expr != nil:
		return w.selected(holder, expr)
	case w.sub != nil && a.MultiValued:
		return refuse(schema.InvalidPath, w.sub.Path, "the attribute %s is multi-valued: a sub-attribute needs a value filter before it", a.Path)
	case w.sub != nil:
		node := holder.Get(a).Node().Clone()
		if err := w.inside(w.sub, w.op).write(node, nil); err != nil {
			return err
		}
		forgetReference(a, holder.Get(a).Node(), node)
		holder.Set(a, schema.ObjectValue(node))
		return nil
	case a.MultiValued:
		return w.list(holder)
	case a.Type == schema.Complex && w.op.Op != Remove:
		return w.complex(holder)
	default:
		return w.assign(holder)
	}
}

// inside returns the writer of a sub-attribute.
func (w *writer) inside(sub *schema.Attribute, op Operation) *writer {
	return &writer{patcher: w.patcher, op: op, attribute: sub}
}

// assign sets or clears a single value.
func (w *writer) assign(holder *schema.Node) error {
	if w.op.Op == Remove {
		return w.clear(holder, schema.Mutability)
	}
	v, err := w.decode()
	if err != nil {
		return err
	}
	if v.IsZero() {
		return w.clear(holder, schema.InvalidValue)
	}
	holder.Set(w.attribute, v)
	return nil
}

func (w *writer) clear(holder *schema.Node, scimType string) error {
	if a := w.attribute; !a.Clearable() {
		return refuse(scimType, a.Path, "the attribute %s must have a value and cannot be removed", a.Path)
	}
	holder.Set(w.attribute, schema.Value{})
	return nil
}

func (w *writer) decode() (v schema.Value, err error) {
	err = strict.ReadString(w.op.Value, func(r *strict.Reader) (err error) {
		v, err = w.Type.DecodeValue(r, w.attribute, w.Report)
		return err
	})
	w.written = v.Requested(w.written)
	return v, err
}

// complex writes a single-valued complex attribute. Of an object, the sub-attributes that it names are written and the others left
// alone: RFC 7644 reads add and replace alike here.
func (w *writer) complex(holder *schema.Node) error {
	a := w.attribute
	old := holder.Get(a).Node()
	raw, err := w.unwrapArray()
	if err != nil {
		return err
	}
	w.op.Value = raw
	node := old.Clone()
	if raw[0] == '{' {
		err = w.merge(node)
	} else {
		err = w.bare(node)
	}
	if err != nil {
		return err
	}
	forgetReference(a, old, node)
	holder.Set(a, schema.ObjectValue(node))
	return nil
}

// bare writes the one sub-attribute that a value which is no object stands for, or clears them all.
func (w *writer) bare(node *schema.Node) error {
	v, err := w.decode()
	if err != nil {
		return err
	}
	if v.IsZero() {
		if err := w.mark(w.attribute); err != nil {
			return err
		}
		*node = schema.Node{}
		return w.clear(node, schema.InvalidValue)
	}
	for _, f := range v.Node().Fields() {
		if err := w.mark(f.Attribute); err != nil {
			return err
		}
		node.Set(f.Attribute, f.Value)
	}
	return nil
}

// unwrapArray returns the value, or the one object in it if it is an array of one; an empty array is null.
func (w *writer) unwrapArray() (raw string, err error) {
	raw = w.op.Value
	if raw[0] != '[' {
		return raw, nil
	}
	n := 0
	err = strict.ReadString(w.op.Value, func(r *strict.Reader) error {
		raw = "null"
		return r.Array(func() (err error) {
			if n++; n > 1 || r.Kind() != '{' || !w.Report.Allow(dialect.ArrayForSingle) {
				return refuse(schema.InvalidValue, w.attribute.Path, "the attribute %s must be one object", w.attribute.Path)
			}
			raw, err = r.Raw()
			return err
		})
	})
	return raw, err
}

// merge writes each key of the operation's value, an object, as an operation of its own on a sub-attribute of node. What a client
// may not write is ignored, as in a path-less value.
func (w *writer) merge(node *schema.Node) error {
	a := w.attribute
	return strict.ReadString(w.op.Value, func(r *strict.Reader) error {
		if r.Kind() != '{' {
			return refuse(schema.InvalidValue, a.Path, "the attribute %s must be an object", a.Path)
		}
		var names strict.Names
		return r.Object(func(key string) error {
			if err := names.Add(key); err != nil {
				return err
			}
			sub, alias := a.SubAttribute(key)
			switch {
			case sub == nil, alias && !w.Report.Allow(dialect.AttributeAlias):
				if !w.Report.Ignore(key) {
					return refuse(schema.InvalidSyntax, "", "the attribute %s has no sub-attribute %s", a.Path, dialect.Printable(key))
				}
				return r.Skip()
			case sub.Mutability == schema.ReadOnly:
				return r.Skip()
			}
			if err := w.mark(sub); err != nil {
				return err
			}
			raw, err := r.Raw()
			if err != nil {
				return err
			}
			return w.inside(sub, Operation{Op: w.op.Op, Value: raw, HasValue: true}).write(node, nil)
		})
	})
}

// forgetReference drops what a new value has made wrong, unless the request gave it as well: a manager's $ref and displayName.
func forgetReference(a *schema.Attribute, before, after *schema.Node) {
	value, ref := a.Value(), subNamed(a, "$ref")
	if value == nil || ref == nil || after.Get(value).Equal(before.Get(value)) {
		return
	}
	for _, sub := range a.Sub {
		if sub == ref && after.Get(ref).Equal(before.Get(ref)) || sub.Mutability == schema.ReadOnly {
			after.Set(sub, schema.Value{})
		}
	}
}

func subNamed(a *schema.Attribute, name string) *schema.Attribute {
	sub, _ := a.SubAttribute(name)
	return sub
}
