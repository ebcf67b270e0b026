package patch

import (
	"slices"
	"strings"

	ast "github.com/scim2/filter-parser/v2"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/internal/strict"
)

// list changes a multi-valued attribute as a whole, or removes the values that the operation lists.
func (w *writer) list(holder *schema.Node) error {
	a := w.attribute
	if w.op.Op == Remove {
		if w.op.HasValue && w.op.Value != "null" {
			return w.removeListed(holder)
		}
		return w.clear(holder, schema.Mutability)
	}
	v, err := w.decode()
	switch {
	case err != nil:
		return err
	case w.op.Op == Add:
		joined, err := w.join(holder.Get(a).List(), v.List())
		holder.Set(a, schema.ListValue(joined))
		return err
	case v.IsZero():
		return w.clear(holder, schema.InvalidValue)
	default:
		holder.Set(a, v)
		return nil
	}
}

// removeListed removes from a multi-valued attribute the values that a remove operation lists. RFC 7644 gives the value of a
// remove no meaning, and reading it as "remove all" would empty what the client wants to thin out (ENTRA-64).
func (w *writer) removeListed(holder *schema.Node) error {
	a := w.attribute
	raw, err := w.unwrap(w.op.Value, a)
	if err != nil {
		return err
	}
	w.op.Value = raw
	listed, err := w.decode()
	if err != nil {
		return err
	}
	if !w.Report.Allow(dialect.RemoveValueList) {
		return refuse(schema.InvalidSyntax, a.Path, "the operation remove takes no value")
	}
	named := selectors{folds: &w.folds}
	for _, v := range listed.List() {
		named.add(a, v)
	}
	list := slices.Clone(holder.Get(a).List())
	for _, v := range list {
		if err := w.look(v, len(named.groups)); err != nil {
			return err
		}
	}
	list = slices.DeleteFunc(list, func(v schema.Value) bool { return named.means(a, v) })
	if len(list) == 0 && !holder.Get(a).IsZero() {
		return w.clear(holder, schema.Mutability)
	}
	holder.Set(a, schema.ListValue(list))
	return nil
}

// selectors are listed values, grouped by the sub-attributes that they give, so that a value is compared once per group.
type selectors struct {
	folds  *filter.Folds
	groups []selector
}

type selector struct {
	subs []*schema.Attribute // that identify; none for simple values
	keys map[string]bool
}

// add adds a listed value. It means the elements whose sub-attributes are all those that it gives, but for what is derived or
// changes: $ref, display and primary. A value of nothing else means none.
func (s *selectors) add(a *schema.Attribute, v schema.Value) {
	var subs []*schema.Attribute
	for _, f := range v.Node().Fields() {
		switch f.Attribute.Name {
		case "$ref", "display", "primary":
		default:
			subs = append(subs, f.Attribute)
		}
	}
	if a.Type == schema.Complex && len(subs) == 0 {
		return
	}
	i := slices.IndexFunc(s.groups, func(group selector) bool { return slices.Equal(group.subs, subs) })
	if i < 0 {
		i = len(s.groups)
		s.groups = append(s.groups, selector{subs: subs, keys: make(map[string]bool)})
	}
	group := s.groups[i]
	group.keys[group.key(s.folds, a, v)] = true
}

// means reports whether any listed value means v.
func (s *selectors) means(a *schema.Attribute, v schema.Value) bool {
	return slices.ContainsFunc(s.groups, func(group selector) bool { return group.keys[group.key(s.folds, a, v)] })
}

func (s selector) key(folds *filter.Folds, a *schema.Attribute, v schema.Value) string {
	if a.Type != schema.Complex {
		return folded(folds, a, v)
	}
	var key strings.Builder
	for _, sub := range s.subs {
		key.WriteString(folded(folds, sub, v.Node().Get(sub)))
		key.WriteByte(0)
	}
	return key.String()
}

// unwrap returns raw, or what is inside if it is an object with the attribute's name as its only key.
func (p *patcher) unwrap(raw string, a *schema.Attribute) (inner string, err error) {
	inner = raw
	err = strict.ReadString(raw, func(r *strict.Reader) error {
		if r.Kind() != '{' {
			return r.Skip()
		}
		n := 0
		wrapped := ""
		err := r.Object(func(key string) (err error) {
			n++
			if strict.FoldName(key) == strict.FoldName(a.Name) {
				wrapped, err = r.Raw()
				return err
			}
			return r.Skip()
		})
		if err == nil && n == 1 && wrapped != "" && p.Report.Allow(dialect.WrappedValue) {
			inner = wrapped
		}
		return err
	})
	return inner, err
}

// selected changes the elements that a value filter selects.
func (w *writer) selected(holder *schema.Node, expr ast.Expression) error {
	a := w.attribute
	element, err := filter.BindElement(expr, w.Type, a, w.Report)
	if err != nil {
		return err
	}
	defer func(marked map[*schema.Attribute]bool) { w.marked = marked }(w.marked)
	w.marked = nil // a sub-attribute is written once per element
	list := slices.Clone(holder.Get(a).List())
	var hits []int
	for i, v := range list {
		if err := w.look(v, element.Terms()); err != nil {
			return err
		}
		if element.Match(v, &w.folds) {
			hits = append(hits, i)
		}
	}
	if len(hits) == 0 {
		if w.op.Op == Remove {
			return nil
		}
		return w.create(holder, list, element)
	}
	if list, err = w.changeAll(list, hits, element); err != nil {
		return err
	}
	if len(list) == 0 {
		return w.clear(holder, schema.Mutability)
	}
	holder.Set(a, schema.ListValue(list))
	return nil
}

// changeAll applies the operation to the elements at hits. What it makes equal becomes one: a list holds no element twice.
func (w *writer) changeAll(list []schema.Value, hits []int, element *filter.Element) (changed []schema.Value, err error) {
	a := w.attribute
	primary := -1
	for _, i := range hits {
		old := list[i]
		if err := w.look(old, changeWork+len(w.op.Value)/lookBytes); err != nil {
			return nil, err
		}
		if list[i], err = w.change(old, element); err != nil {
			return nil, err
		}
		if err := keepsImmutable(old, list[i]); err != nil {
			return nil, err
		}
		if isPrimary(a, list[i]) && !isPrimary(a, old) {
			primary = i
		}
	}
	if primary >= 0 && (len(hits) == 1 || w.sub == nil) {
		hits = append(hits, onlyPrimary(a, list, primary)...)
	}
	list = withoutTwins(list, hits)
	return slices.DeleteFunc(list, schema.Value.IsZero), nil
}

// change applies the operation to one selected element; an Unassigned result removes the element.
func (w *writer) change(v schema.Value, element *filter.Element) (schema.Value, error) {
	v, err := w.changed(v, element)
	if err != nil {
		return v, err
	}
	return w.Type.Unwrap(w.attribute, v, w.Report), nil
}

func (w *writer) changed(v schema.Value, element *filter.Element) (schema.Value, error) {
	a := w.attribute
	node := v.Node().Clone()
	switch {
	case w.sub != nil:
		err := w.inside(w.sub, w.op).write(node, nil)
		return schema.ObjectValue(node), err
	case w.op.Op == Remove:
		return schema.Value{}, nil
	case w.op.Op == Add && w.op.Value == "null":
		return v, nil
	case w.op.Op == Add && a.Type == schema.Complex:
		err := w.merge(node)
		return schema.ObjectValue(node), err
	}
	decoded, err := w.decodeElement()
	if err != nil || a.Type != schema.Complex || decoded.IsZero() {
		return decoded, err
	}
	// The filter says what the element is: a replacement that leaves it out does not make a work address a nameless one.
	if template, ok := element.Template(); ok {
		return overlay(template, decoded), nil
	}
	return decoded, nil
}

func (w *writer) decodeElement() (v schema.Value, err error) {
	err = strict.ReadString(w.op.Value, func(r *strict.Reader) error {
		if r.Kind() == 'n' {
			return r.Null()
		}
		v, err = w.Type.DecodeElement(r, w.attribute, w.Report)
		return err
	})
	w.written = v.Requested(w.written)
	return v, err
}

// create adds the element that a filter which selects nothing describes (ENTRA-36).
func (w *writer) create(holder *schema.Node, list []schema.Value, element *filter.Element) error {
	a := w.attribute
	template, ok := element.Template()
	if !ok {
		return refuse(schema.NoTarget, a.Path, "no value of %s matches the filter, and the filter does not describe one", a.Path)
	}
	if w.sub == nil {
		if v, err := w.decodeElement(); err != nil || v.IsZero() {
			return err // there is nothing to create
		}
	}
	v, err := w.change(template, element)
	if err != nil || v.IsZero() || w.sub != nil && v.Node().Get(w.sub).IsZero() {
		return err
	}
	if !w.Report.Allow(dialect.CreateOnMissing) {
		return refuse(schema.NoTarget, a.Path, "no value of %s matches the filter", a.Path)
	}
	if list = append(list, v); len(list) > schema.MaxElements {
		return schema.TooManyElements(a)
	}
	changed := []int{len(list) - 1}
	if isPrimary(a, v) {
		changed = append(changed, onlyPrimary(a, list, len(list)-1)...)
	}
	holder.Set(a, schema.ListValue(withoutTwins(list, changed)))
	return nil
}
