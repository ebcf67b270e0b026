package patch

import (
	"slices"

	ast "github.com/scim2/filter-parser/v2"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/internal/strict"
)

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
		return p.selectMembers(a, element)
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

// maxFilters bounds the filters that one request may put on all members of a group.
const maxFilters = 20

// selectMembers notes a filter that takes reading the members. Removals commute, and members that the request adds later stay, so
// that all such filters can be answered by reading the members once.
func (p *patcher) selectMembers(a *schema.Attribute, element *filter.Element) error {
	if len(p.delta.add.list) > 0 {
		return refuse(schema.NoTarget, a.Path, "%s added by the same request can only be selected by value", a.Path)
	}
	if p.filters = append(p.filters, element); len(p.filters) > maxFilters {
		e := refuse(schema.TooMany, a.Path, "the request has more than %d filters on %s that are not about their ids", maxFilters, a.Path)
		e.TooLarge = true
		return e
	}
	return nil
}

// removeMatching removes the members that any of the filters selects, but for those that the request adds.
func (p *patcher) removeMatching() error {
	if len(p.filters) == 0 || p.delta.clear {
		return nil
	}
	a := p.Type.Members
	terms := 0
	for _, e := range p.filters {
		terms += e.Terms()
	}
	var hits []string
	err := p.Scan(func(id, typ, display string) error {
		node := &schema.Node{}
		for name, text := range map[string]string{"value": id, "type": typ, "display": display} {
			if sub := subNamed(a, name); sub != nil && text != "" {
				node.Set(sub, schema.TextValue(text))
			}
		}
		v := schema.ObjectValue(node)
		if err := p.look(v, terms); err != nil {
			return err
		}
		if slices.ContainsFunc(p.filters, func(e *filter.Element) bool { return e.Match(v, nil) }) {
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
	return p.each(hits, func(id string) {
		if _, added := p.delta.add.index[id]; !added {
			p.delta.Remove(id)
		}
	})
}
