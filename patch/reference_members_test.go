package patch_test

import "slices"

// group writes to the members of a group, which are a set of ids: who a member is follows from the id.
func (r *reference) group(op refOp, t target, value any) error {
	switch {
	case t.sub != nil:
		return unchangeable
	case t.filter != nil:
		return r.selectedMembers(op, t, value)
	case op.Op == "remove" && value == nil && r.bareRefuse:
		return noTarget
	case op.Op == "remove" && value == nil:
		r.empty()
		return nil
	case op.Op == "remove":
		if wrapper, ok := value.(object); ok && len(wrapper) == 1 && wrapper["members"] != nil && !r.strict {
			value = wrapper["members"]
		}
		if _, ok := value.(string); ok {
			return badValue
		}
		ids, err := r.ids(value)
		if err != nil {
			return err
		}
		if len(ids) > 0 && r.strict {
			return badSyntax
		}
		for _, id := range ids {
			delete(r.members, id)
			delete(r.added, id)
		}
		return nil
	}
	ids, err := r.ids(value)
	if err != nil {
		return err
	}
	if op.Op == "replace" {
		r.empty()
	}
	r.add(ids...)
	return nil
}

func (r *reference) empty() { r.members, r.added = map[string]member{}, map[string]bool{} }

func (r *reference) add(ids ...string) {
	for _, id := range ids {
		if _, ok := r.members[id]; !ok {
			r.members[id] = member{id: id}
		}
		r.added[id] = true
	}
}

func (r *reference) selectedMembers(op refOp, t target, value any) error {
	f, err := r.filter(t.attr, *t.filter)
	if err != nil {
		return err
	}
	named, byID := f.ids()
	switch {
	case op.Op != "remove" && (!byID || len(named) != 1):
		return noTarget
	case op.Op != "remove":
		ids, err := r.ids(value)
		if err != nil {
			return err
		}
		if !slices.Equal(ids, named) {
			return unchangeable
		}
		r.add(ids...)
		return nil
	case !byID && len(r.added) > 0:
		return noTarget // the store does not know yet what the filter asks for
	}
	for id, m := range r.members {
		element := object{"value": id}
		if m.typ != "" {
			element["type"] = m.typ
		}
		if m.display != "" {
			element["display"] = m.display
		}
		if f.matches(element) {
			delete(r.members, id)
			delete(r.added, id)
		}
	}
	return nil
}

// ids returns the ids that a filter names, if it is made of value eq terms joined by or.
func (f refFilter) ids() (ids []string, ok bool) {
	for _, conjunction := range f {
		t := conjunction[0]
		if len(conjunction) > 1 || t.op != "eq" || t.negated || t.sub.name != "value" {
			return nil, false
		}
		if id := t.literal.(string); !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, true
}

// ids reads a value of members.
func (r *reference) ids(value any) (ids []string, err error) {
	list, ok := value.([]any)
	switch {
	case value == nil:
		return nil, nil
	case !ok && r.strict:
		return nil, badValue
	case !ok:
		list = []any{value}
	}
	for _, element := range list {
		if s, ok := element.(string); ok && !r.strict {
			element = object{"value": s}
		}
		v, ok := element.(object)
		if !ok {
			return nil, badValue
		}
		id := ""
		for key, inner := range v {
			switch sub := find(find(specs[groupURN], "members").subs, key); {
			case sub == nil && r.strict:
				return nil, unknownInput
			case sub != nil && sub.name == "value":
				id, _ = inner.(string)
			}
		}
		if id == "" {
			return nil, badValue
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}
