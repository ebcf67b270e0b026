package patch

import (
	"slices"

	ast "github.com/scim2/filter-parser/v2"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/internal/strict"
)

// removeListed removes from a multi-valued attribute the values that a remove operation lists. RFC 7644 gives the value of a
// remove no meaning, and reading it as "remove all" would empty what the client wants to thin out (ENTRA-64).
func (w *writer) removeListed(holder *schema.Node) error {
	a := w.attribute
	raw, err := w.unwrap(w.op.Value, a)
	if err != nil {
		return err
	}
	w.op.Value = raw
	listed, err := w.decode(a)
	if err != nil {
		return err
	}
	if !w.Report.Allow(dialect.RemoveValueList) {
		return refuse(schema.InvalidSyntax, a.Path, "the operation remove takes no value")
	}
	list := slices.Clone(holder.Get(a).List())
	list = slices.DeleteFunc(list, func(v schema.Value) bool {
		return slices.ContainsFunc(listed.List(), func(named schema.Value) bool { return names(a, named, v) })
	})
	if len(list) == 0 && !holder.Get(a).IsZero() {
		return w.clear(holder, a, schema.Mutability)
	}
	holder.Set(a, schema.ListValue(list))
	return nil
}

// names reports whether a listed value means v: all of its sub-attributes that identify are v's.
func names(a *schema.Attribute, named, v schema.Value) bool {
	if a.Type != schema.Complex {
		return a.Fold(named.Text()) == a.Fold(v.Text()) && named.Kind() == v.Kind() && named.Bool() == v.Bool()
	}
	identified := false
	for _, f := range named.Node().Fields() {
		switch f.Attribute.Name {
		case "$ref", "display", "primary":
			continue
		}
		other := v.Node().Get(f.Attribute)
		if other.Kind() != f.Value.Kind() || f.Attribute.Fold(other.Text()) != f.Attribute.Fold(f.Value.Text()) || other.Bool() != f.Value.Bool() {
			return false
		}
		identified = true
	}
	return identified
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

// schemas applies an operation to the attribute schemas, whose value follows from the data: adding a URN has no effect of its
// own, removing an extension's URN removes the extension, and the base schema stays.
func (w *writer) schemas(root *schema.Node, expr ast.Expression) error {
	rt, a := w.Type, w.attribute
	var urns []schema.Value
	for _, urn := range rt.URNs(root) {
		urns = append(urns, schema.TextValue(urn))
	}
	holder := &schema.Node{}
	holder.Set(a, schema.ListValue(urns))
	var err error
	switch {
	case expr != nil:
		err = w.selected(holder, expr)
	default:
		err = w.list(holder)
	}
	if err != nil {
		return err
	}
	left := make(map[string]bool)
	for _, v := range holder.Get(a).List() {
		left[strict.FoldName(v.Text())] = true
	}
	if !left[strict.FoldName(rt.Schema.ID)] {
		return refuse(schema.Mutability, a.Path, "schemas must keep %s", rt.Schema.ID)
	}
	for _, ext := range rt.Extensions {
		if left[strict.FoldName(ext.Schema.ID)] {
			continue
		}
		if err := w.writeContainer(Operation{Op: Remove}, ext.Container, nil); err != nil {
			return err
		}
	}
	return nil
}

// deltas folds the operations on members into one Delta, in order.
type deltas struct {
	clear  bool
	remove ids
	add    ids
	named  int
}

// Delta returns the fold.
func (d *deltas) Delta() Delta { return Delta{Clear: d.clear, Remove: d.remove.list, Add: d.add.list} }

func (d *deltas) Clear() { d.clear, d.remove, d.add = true, ids{}, ids{} }

func (d *deltas) Add(id string) {
	d.remove.drop(id)
	d.add.put(id)
}

func (d *deltas) Remove(id string) {
	d.add.drop(id)
	if !d.clear {
		d.remove.put(id)
	}
}

// ids is a set of ids in the order of their arrival.
type ids struct {
	list  []string
	index map[string]int
}

func (s *ids) put(id string) {
	if _, ok := s.index[id]; ok {
		return
	}
	if s.index == nil {
		s.index = make(map[string]int)
	}
	s.index[id] = len(s.list)
	s.list = append(s.list, id)
}

// drop removes id by moving the last one into its place.
func (s *ids) drop(id string) {
	i, ok := s.index[id]
	if !ok {
		return
	}
	last := len(s.list) - 1
	s.list[i] = s.list[last]
	s.index[s.list[i]] = i
	s.list = s.list[:last]
	delete(s.index, id)
}

// writeMembers turns an operation on members into a part of the delta.
func (p *patcher) writeMembers(op Operation, target schema.Target, expr ast.Expression) error {
	a := target.Attribute
	if target.Sub != nil {
		return refuse(schema.Mutability, target.Sub.Path, "the attribute %s is immutable: members are added and removed", target.Sub.Path)
	}
	if expr != nil {
		return p.writeSelectedMembers(op, a, expr)
	}
	switch {
	case op.Op != Remove:
		ids, err := p.members(op.Value)
		if err != nil {
			return err
		}
		if op.Op == Replace {
			p.delta.Clear()
		}
		return p.each(ids, p.delta.Add)
	case !op.HasValue || op.Value == "null":
		if p.BareRemove == dialect.BareRemoveRefuse {
			return refuse(schema.NoTarget, a.Path, "the operation remove must name the members to remove")
		}
		p.delta.Clear()
		return nil
	default:
		return p.removeMembers(op, a)
	}
}

// removeMembers removes the members that the value lists; a bare string is refused, since nothing says that it is an id.
func (p *patcher) removeMembers(op Operation, a *schema.Attribute) error {
	raw, err := p.unwrap(op.Value, a)
	if err != nil {
		return err
	}
	if raw[0] != '[' && raw[0] != '{' {
		return refuse(schema.InvalidValue, a.Path, "the value of the operation remove must be an array of members")
	}
	ids, err := p.members(raw)
	if err != nil {
		return err
	}
	if len(ids) > 0 && !p.Report.Allow(dialect.RemoveValueList) {
		return refuse(schema.InvalidSyntax, a.Path, "the operation remove takes no value")
	}
	return p.each(ids, p.delta.Remove)
}

func (p *patcher) members(raw string) (ids []string, err error) {
	err = strict.ReadString(raw, func(r *strict.Reader) error {
		ids, err = p.Type.DecodeMembers(r, p.Report)
		return err
	})
	return ids, err
}

// each feeds ids to the delta inside the limit.
func (p *patcher) each(ids []string, f func(string)) error {
	if p.delta.named += len(ids); p.delta.named > p.MaxMembers {
		return tooManyMembers(p.Type.Members, p.MaxMembers)
	}
	for _, id := range ids {
		f(id)
	}
	return nil
}

func tooManyMembers(a *schema.Attribute, limit int) error {
	e := refuse(schema.TooMany, a.Path, "the request names more than %d %s", limit, a.Path)
	e.TooLarge = true
	return e
}

// writeSelectedMembers applies an operation to the members that a value filter selects.
func (p *patcher) writeSelectedMembers(op Operation, a *schema.Attribute, expr ast.Expression) error {
	element, err := filter.BindElement(expr, p.Type, a, p.Report)
	if err != nil {
		return err
	}
	ids, named := element.IDs()
	switch {
	case op.Op == Remove && named:
		return p.each(ids, p.delta.Remove)
	case op.Op == Remove:
		return p.removeMatching(a, element)
	case !named || len(ids) != 1:
		return refuse(schema.NoTarget, a.Path, "the operation %s on %s needs a filter on one id", op.Op, a.Path)
	}
	given, err := p.members(op.Value)
	if err != nil {
		return err
	}
	if len(given) != 1 || given[0] != ids[0] {
		return refuse(schema.Mutability, a.Path+".value", "the attribute %s.value is immutable: members are added and removed", a.Path)
	}
	return p.each(ids, p.delta.Add)
}

// removeMatching removes the members that match a filter on something other than their ids, which takes reading them.
func (p *patcher) removeMatching(a *schema.Attribute, element *filter.Element) error {
	if len(p.delta.add.list) > 0 {
		return refuse(schema.NoTarget, a.Path, "%s added by the same request can only be selected by value", a.Path)
	}
	if p.delta.clear || p.Scan == nil {
		return nil
	}
	var hits []string
	err := p.Scan(func(id, typ, display string) error {
		node := &schema.Node{}
		for name, text := range map[string]string{"value": id, "type": typ, "display": display} {
			if sub := subNamed(a, name); sub != nil && text != "" {
				node.Set(sub, schema.TextValue(text))
			}
		}
		if element.Match(schema.ObjectValue(node)) {
			hits = append(hits, id)
		}
		if len(hits) > p.MaxMembers {
			return tooManyMembers(a, p.MaxMembers)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return p.each(hits, p.delta.Remove)
}
