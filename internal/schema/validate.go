package schema

import "strings"

// Validate checks a whole resource after a write, whichever verb and path wrote it: required attributes are there, at most one
// element of a multi-valued attribute is primary, userName is not blank. The types were checked when the values were decoded.
func (rt *ResourceType) Validate(tree *Node) error {
	for _, ext := range rt.Extensions {
		if ext.Required && tree.Get(ext.Container).IsZero() {
			return invalid(ext.Container, "is required")
		}
	}
	return validate(rt.Root, tree)
}

func validate(parent *Attribute, node *Node) error {
	for _, a := range parent.Sub {
		if a.Required && a.Mutability != ReadOnly && a.Relation == NoRelation && blank(node.Get(a)) {
			return invalid(a, "is required")
		}
	}
	for _, f := range node.Fields() {
		a := f.Attribute
		if a.Unique() && blank(f.Value) {
			return invalid(a, "must not be blank")
		}
		if a.Type != Complex {
			continue
		}
		if err := onePrimary(a, f.Value); err != nil {
			return err
		}
		for _, element := range f.Value.Elements() {
			if err := validate(a, element.Node()); err != nil {
				return err
			}
		}
	}
	return nil
}

// blank reports whether a value is unassigned or a text of nothing but spaces.
func blank(v Value) bool {
	return v.IsZero() || v.Kind() == Text && strings.TrimSpace(v.Text()) == ""
}

func onePrimary(a *Attribute, v Value) error {
	primary := a.Primary()
	if primary == nil {
		return nil
	}
	n := 0
	for _, element := range v.List() {
		if element.Node().Get(primary).Bool() {
			n++
		}
	}
	if n > 1 {
		return invalid(a, "has more than one primary value")
	}
	return nil
}

// AssignDefaults gives the attributes that always have a value the one of their definition where tree has none.
func (rt *ResourceType) AssignDefaults(tree *Node) {
	for _, a := range rt.Root.Sub {
		if !a.Default.IsZero() && tree.Get(a).IsZero() {
			tree.Set(a, a.Default)
		}
	}
}

// Keys returns the values that no other live resource of the type may hold.
func (rt *ResourceType) Keys(tree *Node) []Key {
	keys := make([]Key, 0, len(rt.Unique)+1)
	for _, a := range rt.Unique {
		node := tree
		if a.Parent.extension {
			node = tree.Get(a.Parent).Node()
		}
		if v := node.Get(a); !v.IsZero() {
			keys = append(keys, Key{Path: a.Path, Value: a.Fold(v.Text())})
		}
	}
	return keys
}
