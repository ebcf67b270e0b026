package patch

import (
	"slices"

	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/internal/schema"
)

// join appends elements to a list. An element with the value and type of an existing one is merged into it: identity providers
// add again what is there. A new primary element takes the flag from the others.
func (w *writer) join(list, added []schema.Value) ([]schema.Value, error) {
	a := w.attribute
	at, err := w.index(a, list)
	if err != nil {
		return nil, err
	}
	list = slices.Clone(list)
	var merges []int
	primary, primaries := -1, 0
	for _, v := range added {
		if err := w.look(v, 1); err != nil {
			return nil, err
		}
		id := identity(&w.folds, a, v)
		i, found := at[id]
		switch {
		case !found:
			i = len(list)
			list = append(list, v)
			at[id] = i
		case v.Kind() == schema.Object:
			merged := overlay(list[i], v)
			if err := keepsImmutable(list[i], merged); err != nil {
				return nil, err
			}
			list[i] = merged
			merges = append(merges, i)
		}
		if isPrimary(a, v) {
			primary = i
			primaries++
		}
	}
	if len(list) > schema.MaxElements {
		return nil, schema.TooManyElements(a)
	}
	var lost []int
	if primaries == 1 {
		lost = onlyPrimary(a, list, primary)
	}
	distinct := withoutTwins(list, append(merges, lost...))
	if len(lost) > 0 || len(distinct) < len(list) {
		delete(w.indexes, a)
	} else {
		w.indexes[a] = index{list, at}
	}
	return distinct, nil
}

// index finds the elements of one list by their identity, the first of several.
type index struct {
	list []schema.Value
	at   map[string]int
}

// index returns the elements of a's list by their identity. It is kept from operation to operation while the list is the same one:
// lists are never changed in place.
func (p *patcher) index(a *schema.Attribute, list []schema.Value) (map[string]int, error) {
	known := p.indexes[a].list
	if len(list) > 0 && len(known) == len(list) && &known[0] == &list[0] {
		return p.indexes[a].at, nil
	}
	at := make(map[string]int, len(list))
	for i, v := range slices.Backward(list) {
		if err := p.look(v, 1); err != nil {
			return nil, err
		}
		at[identity(&p.folds, a, v)] = i
	}
	if p.indexes == nil {
		p.indexes = make(map[*schema.Attribute]index)
	}
	return at, nil
}

// few is the number of changed elements up to which they are compared with the others one by one.
const few = 16

// withoutTwins removes the elements that equal an earlier one, where one of the two stands at a place in changed.
func withoutTwins(list []schema.Value, changed []int) []schema.Value {
	var twins map[int]bool
	note := func(i int) {
		if twins == nil {
			twins = make(map[int]bool)
		}
		twins[i] = true
	}
	if len(changed) <= few {
		for _, i := range changed {
			for j, v := range list {
				if j != i && !v.IsZero() && v.Equal(list[i]) {
					note(max(i, j))
				}
			}
		}
	} else {
		seen := make(map[string]bool, len(list))
		for i, v := range list {
			text := string(v.AppendJSON(nil))
			if seen[text] && !v.IsZero() {
				note(i)
			}
			seen[text] = true
		}
	}
	if twins == nil {
		return list
	}
	kept := make([]schema.Value, 0, len(list)-len(twins))
	for i, v := range list {
		if !twins[i] {
			kept = append(kept, v)
		}
	}
	return kept
}

// identity is equal for elements that are the same to a client: simple values, and objects by value and type, by the rules of these
// for letter case; objects without a value if they are equal in all.
func identity(folds *filter.Folds, a *schema.Attribute, v schema.Value) string {
	value, typ := a.Value(), subNamed(a, "type")
	if a.Type != schema.Complex {
		return folded(folds, a, v)
	}
	if value == nil || v.Node().Get(value).IsZero() {
		return "all" + string(v.AppendJSON(nil))
	}
	id := "value" + folded(folds, value, v.Node().Get(value))
	if typ != nil {
		id += "\x00" + folded(folds, typ, v.Node().Get(typ))
	}
	return id
}

// folded is equal for values that are equal by the attribute's rule for letter case.
func folded(folds *filter.Folds, a *schema.Attribute, v schema.Value) string {
	if v.Kind() == schema.Text {
		return `"` + folds.Fold(a, v.Text())
	}
	return string(v.AppendJSON(nil))
}

// overlay returns base with the sub-attributes of top over its own.
func overlay(base, top schema.Value) schema.Value {
	node := base.Node().Clone()
	for _, f := range top.Node().Fields() {
		node.Set(f.Attribute, f.Value)
	}
	return schema.ObjectValue(node)
}

// keepsImmutable refuses a change of what an element of a multi-valued attribute must keep while it exists. An element may be
// removed as a whole.
func keepsImmutable(before, after schema.Value) error {
	if after.IsZero() {
		return nil
	}
	for _, f := range before.Node().Fields() {
		if f.Attribute.Mutability == schema.Immutable && !f.Value.Equal(after.Node().Get(f.Attribute)) {
			return refuse(schema.Mutability, f.Attribute.Path, "the attribute %s is immutable", f.Attribute.Path)
		}
	}
	return nil
}

func isPrimary(a *schema.Attribute, v schema.Value) bool {
	primary := a.Primary()
	return primary != nil && v.Node().Get(primary).Bool()
}

// onlyPrimary makes every element but the one at keep not primary (RFC 7644, section 3.5.2), and returns the places of those that were.
func onlyPrimary(a *schema.Attribute, list []schema.Value, keep int) (were []int) {
	for i, v := range list {
		if i == keep || !isPrimary(a, v) {
			continue
		}
		node := v.Node().Clone()
		node.Set(a.Primary(), schema.BoolValue(false))
		list[i] = schema.ObjectValue(node)
		were = append(were, i)
	}
	return were
}
