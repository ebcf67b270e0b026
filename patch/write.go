package patch

import (
	"slices"

	ast "github.com/scim2/filter-parser/v2"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/filter"
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

// write changes the attribute in holder, the node that has it: the document or an extension.
func (w *writer) write(holder *schema.Node, expr ast.Expression) error {
	a := w.attribute
	switch {
	case expr != nil && !a.MultiValued:
		return refuse(schema.InvalidPath, a.Path, "the attribute %s is single-valued and takes no value filter", a.Path)
	case expr != nil:
		return w.selected(holder, expr)
	case w.sub != nil && a.MultiValued:
		return refuse(schema.InvalidPath, w.sub.Path, "the attribute %s is multi-valued: a sub-attribute needs a value filter before it", a.Path)
	case w.sub != nil:
		node := holder.Get(a).Node().Clone()
		if err := w.assign(node, w.sub); err != nil {
			return err
		}
		forgetReference(a, holder.Get(a).Node(), node)
		holder.Set(a, schema.ObjectValue(node))
		return nil
	case a.MultiValued:
		return w.list(holder)
	case a.Type == schema.Complex && w.op.Op != Remove:
		return w.merge(holder)
	default:
		return w.assign(holder, a)
	}
}

// assign sets or clears a single value.
func (w *writer) assign(node *schema.Node, a *schema.Attribute) error {
	if w.op.Op == Remove {
		return w.clear(node, a, schema.Mutability)
	}
	v, err := w.decode(a)
	if err != nil {
		return err
	}
	if v.IsZero() {
		return w.clear(node, a, schema.InvalidValue)
	}
	node.Set(a, v)
	return nil
}

func (w *writer) clear(node *schema.Node, a *schema.Attribute, scimType string) error {
	if !a.Clearable() {
		return refuse(scimType, a.Path, "the attribute %s must have a value and cannot be removed", a.Path)
	}
	node.Set(a, schema.Value{})
	return nil
}

func (w *writer) decode(a *schema.Attribute) (v schema.Value, err error) {
	err = strict.ReadString(w.op.Value, func(r *strict.Reader) (err error) {
		v, err = w.Type.DecodeValue(r, a, w.Report)
		return err
	})
	return v, err
}

// merge writes the sub-attributes in the value of a single-valued complex attribute and leaves the others alone: RFC 7644 reads
// add and replace alike here. A sub-attribute that is null in the value is cleared.
func (w *writer) merge(holder *schema.Node) error {
	a := w.attribute
	old := holder.Get(a).Node()
	v, err := w.decode(a)
	if err != nil {
		return err
	}
	nulls, object, err := w.cleared()
	if err != nil {
		return err
	}
	if v.IsZero() && !object {
		return w.clear(holder, a, schema.InvalidValue)
	}
	node := old.Clone()
	for _, sub := range nulls {
		if err := w.clear(node, sub, schema.InvalidValue); err != nil {
			return err
		}
	}
	for _, f := range v.Node().Fields() {
		node.Set(f.Attribute, f.Value)
	}
	forgetReference(a, old, node)
	holder.Set(a, schema.ObjectValue(node))
	return nil
}

// cleared returns the writable sub-attributes that the value, if it is an object, holds without a value: null, [] or "".
func (w *writer) cleared() (nulls []*schema.Attribute, object bool, err error) {
	err = strict.ReadString(w.op.Value, func(r *strict.Reader) error {
		if object = r.Kind() == '{'; !object {
			return r.Skip()
		}
		return r.Object(func(key string) error {
			sub, _ := w.attribute.SubAttribute(key)
			if sub == nil || sub.Mutability == schema.ReadOnly {
				return r.Skip()
			}
			v, err := w.Type.DecodeValue(r, sub, w.Report)
			if err == nil && v.IsZero() {
				nulls = append(nulls, sub)
			}
			return err
		})
	})
	return nulls, object, err
}

// forgetReference drops a $ref, and what was derived from it, that a new value without one has made wrong: a manager's.
func forgetReference(a *schema.Attribute, before, after *schema.Node) {
	value, ref := a.Value(), subNamed(a, "$ref")
	if value == nil || ref == nil || after.Get(value).Equal(before.Get(value)) || !after.Get(ref).Equal(before.Get(ref)) {
		return
	}
	for _, sub := range a.Sub {
		if sub == ref || sub.Mutability == schema.ReadOnly {
			after.Set(sub, schema.Value{})
		}
	}
}

func subNamed(a *schema.Attribute, name string) *schema.Attribute {
	sub, _ := a.SubAttribute(name)
	return sub
}

// list changes a multi-valued attribute as a whole, or removes the values that the operation lists.
func (w *writer) list(holder *schema.Node) error {
	a := w.attribute
	if w.op.Op == Remove {
		if w.op.HasValue && w.op.Value != "null" {
			return w.removeListed(holder)
		}
		return w.clear(holder, a, schema.Mutability)
	}
	v, err := w.decode(a)
	if err != nil {
		return err
	}
	switch {
	case w.op.Op == Add && v.IsZero():
		return nil
	case w.op.Op == Add:
		v = schema.ListValue(join(a, holder.Get(a).List(), v.List()))
	case v.IsZero():
		return w.clear(holder, a, schema.InvalidValue)
	}
	holder.Set(a, v)
	return nil
}

// join appends elements to a list. An element with the value and type of an existing one is merged into it: identity providers
// add again what is there. A new primary element takes the flag from the others.
func join(a *schema.Attribute, list, added []schema.Value) []schema.Value {
	list = slices.Clone(list)
	primary := -1
	primaries := 0
	for _, v := range added {
		i := slices.IndexFunc(list, func(old schema.Value) bool { return sameElement(a, old, v) })
		if i < 0 {
			i = len(list)
			list = append(list, v)
		} else if v.Kind() == schema.Object {
			merged := list[i].Node().Clone()
			for _, f := range v.Node().Fields() {
				merged.Set(f.Attribute, f.Value)
			}
			list[i] = schema.ObjectValue(merged)
		}
		if isPrimary(a, v) {
			primary = i
			primaries++
		}
	}
	if primaries == 1 {
		onlyPrimary(a, list, primary)
	}
	return list
}

func sameElement(a *schema.Attribute, old, v schema.Value) bool {
	if a.Type != schema.Complex {
		return old.Equal(v)
	}
	value, typ := a.Value(), subNamed(a, "type")
	if value == nil || v.Node().Get(value).IsZero() {
		return old.Equal(v)
	}
	return old.Node().Get(value).Equal(v.Node().Get(value)) && (typ == nil || old.Node().Get(typ).Equal(v.Node().Get(typ)))
}

func isPrimary(a *schema.Attribute, v schema.Value) bool {
	primary := a.Primary()
	return primary != nil && v.Node().Get(primary).Bool()
}

// onlyPrimary makes every element but the one at keep not primary (RFC 7644, section 3.5.2).
func onlyPrimary(a *schema.Attribute, list []schema.Value, keep int) {
	for i, v := range list {
		if i == keep || !isPrimary(a, v) {
			continue
		}
		node := v.Node().Clone()
		node.Set(a.Primary(), schema.BoolValue(false))
		list[i] = schema.ObjectValue(node)
	}
}

// selected changes the elements that a value filter selects.
func (w *writer) selected(holder *schema.Node, expr ast.Expression) error {
	a := w.attribute
	element, err := filter.BindElement(expr, w.Type, a, w.Report)
	if err != nil {
		return err
	}
	list := slices.Clone(holder.Get(a).List())
	var hits []int
	for i, v := range list {
		if element.Match(v) {
			hits = append(hits, i)
		}
	}
	if len(hits) == 0 {
		if w.op.Op == Remove {
			return nil
		}
		return w.create(holder, list, element)
	}
	primary := -1
	for _, i := range hits {
		was := isPrimary(a, list[i])
		if list[i], err = w.change(list[i], element); err != nil {
			return err
		}
		if isPrimary(a, list[i]) && !was {
			primary = i
		}
	}
	if primary >= 0 && (len(hits) == 1 || w.sub == nil) {
		onlyPrimary(a, list, primary)
	}
	list = slices.DeleteFunc(list, schema.Value.IsZero)
	if len(list) == 0 {
		return w.clear(holder, a, schema.Mutability)
	}
	holder.Set(a, schema.ListValue(list))
	return nil
}

// change applies the operation to one selected element; an Unassigned result removes the element.
func (w *writer) change(v schema.Value, element *filter.Element) (schema.Value, error) {
	switch {
	case w.sub != nil:
		node := v.Node().Clone()
		if err := w.changeSub(node); err != nil {
			return v, err
		}
		return schema.ObjectValue(node), nil
	case w.op.Op == Remove:
		return schema.Value{}, nil
	}
	decoded, err := w.decodeElement()
	switch {
	case err != nil:
		return v, err
	case w.op.Op == Add && decoded.IsZero():
		return v, nil
	case decoded.Kind() != schema.Object:
		return decoded, nil
	case w.op.Op == Add:
		return overlay(v, decoded), nil
	}
	// The filter says what the element is: a replacement that leaves it out does not make a work address a nameless one.
	if template, ok := element.Template(); ok {
		return overlay(template, decoded), nil
	}
	return decoded, nil
}

func (w *writer) changeSub(node *schema.Node) error {
	before := node.Get(w.sub)
	if err := w.assign(node, w.sub); err != nil {
		return err
	}
	if w.sub.Mutability == schema.Immutable && !before.IsZero() && !before.Equal(node.Get(w.sub)) {
		return refuse(schema.Mutability, w.sub.Path, "the attribute %s is immutable", w.sub.Path)
	}
	return nil
}

func (w *writer) decodeElement() (v schema.Value, err error) {
	err = strict.ReadString(w.op.Value, func(r *strict.Reader) error {
		if r.Kind() == 'n' {
			return r.Null()
		}
		v, err = w.Type.DecodeElement(r, w.attribute, w.Report)
		return err
	})
	return v, err
}

// overlay returns base with the sub-attributes of top over its own.
func overlay(base, top schema.Value) schema.Value {
	node := base.Node().Clone()
	for _, f := range top.Node().Fields() {
		node.Set(f.Attribute, f.Value)
	}
	return schema.ObjectValue(node)
}

// create adds the element that a filter which selects nothing describes (ENTRA-36).
func (w *writer) create(holder *schema.Node, list []schema.Value, element *filter.Element) error {
	a := w.attribute
	template, ok := element.Template()
	if !ok {
		return refuse(schema.NoTarget, a.Path, "no value of %s matches the filter, and the filter does not describe one", a.Path)
	}
	v, err := w.change(template, element)
	if err != nil || v.IsZero() || w.sub != nil && v.Node().Get(w.sub).IsZero() {
		return err // the value is null: there is nothing to create
	}
	if !w.Report.Allow(dialect.CreateOnMissing) {
		return refuse(schema.NoTarget, a.Path, "no value of %s matches the filter", a.Path)
	}
	list = append(list, v)
	if isPrimary(a, v) {
		onlyPrimary(a, list, len(list)-1)
	}
	holder.Set(a, schema.ListValue(list))
	return nil
}
