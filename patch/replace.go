package patch

import (
	"encoding/json"
	"slices"

	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/internal/schema"
)

// ReplaceAll computes what a PUT changes: RFC 7644, section 3.5.1. Attributes that the input leaves out are cleared, except those
// that a client cannot know or may not clear: readOnly and immutable ones, those with a default (active), and those that the
// default representation does not show, because a client that read the resource could not send them back. Members that the input
// leaves out are removed.
//
// The errors are *Error and *schema.Error.
func ReplaceAll(before *schema.Document, input *schema.Input, opts Options) (ChangeSet, error) {
	tree, err := before.Tree(opts.Type)
	if err != nil {
		return ChangeSet{}, err
	}
	change := ChangeSet{After: before}
	after := input.Tree
	keep(tree, after, true)
	if err := finish(&change, opts.Type, tree, after); err != nil {
		return ChangeSet{}, err
	}
	if opts.Type.Members != nil {
		if len(input.Members) > opts.MaxMembers {
			return ChangeSet{}, tooManyMembers(opts.Type.Members, opts.MaxMembers)
		}
		change.Members = Delta{Clear: true, Add: input.Members}
	}
	return change, nil
}

// keep copies from before to after what a PUT leaves alone. given tells whether the request wrote the object that after is: a
// readOnly part goes with the rest of an object that it did not write.
func keep(before, after *schema.Node, given bool) {
	for _, f := range before.Fields() {
		a := f.Attribute
		v := after.Get(a)
		switch {
		case a.Mutability == schema.ReadOnly:
			if given {
				after.Set(a, f.Value)
			}
		case a.Type == schema.Complex && a.MultiValued && !v.IsZero() && slices.ContainsFunc(a.Sub, kept):
			after.Set(a, keepInElements(a, f.Value, v))
		case a.Type == schema.Complex && !a.MultiValued:
			node := v.Node().Clone()
			keep(f.Value.Node(), node, a.IsExtension() || !v.IsZero() || onlyReadOnly(f.Value.Node()))
			forgetReference(a, f.Value.Node(), node)
			after.Set(a, schema.ObjectValue(node))
		case !v.IsZero():
		case a.Mutability == schema.Immutable, !a.Default.IsZero(), kept(a):
			after.Set(a, f.Value)
		}
	}
}

// kept reports whether a sub-attribute is one that a client cannot write, or did not see when it read the resource.
func kept(a *schema.Attribute) bool {
	return a.Mutability == schema.ReadOnly || !a.Readable() || a.Returned == schema.ReturnedRequest
}

// keepInElements copies what a client cannot write or see from each element to the one that replaces it.
func keepInElements(a *schema.Attribute, before, after schema.Value) schema.Value {
	var folds filter.Folds
	old := make(map[string]schema.Value, len(before.List()))
	for _, v := range before.List() {
		old[identity(&folds, a, v)] = v
	}
	list := make([]schema.Value, len(after.List()))
	for i, v := range after.List() {
		node := v.Node().Clone()
		for _, f := range old[identity(&folds, a, v)].Node().Fields() {
			if kept(f.Attribute) && node.Get(f.Attribute).IsZero() {
				node.Set(f.Attribute, f.Value)
			}
		}
		list[i] = schema.ObjectValue(node)
	}
	return schema.ListValue(list)
}

func onlyReadOnly(n *schema.Node) bool {
	for _, f := range n.Fields() {
		if f.Attribute.Mutability != schema.ReadOnly {
			return false
		}
	}
	return true
}

// finish validates the resource as a whole and lists what changed. Nothing did: the change set keeps the document of before.
func finish(change *ChangeSet, rt *schema.ResourceType, before, after *schema.Node) error {
	if err := immutable(before, after); err != nil {
		return err
	}
	if err := rt.Validate(after); err != nil {
		return err
	}
	change.Changes = diff(nil, rt.Root, before, after)
	if len(change.Changes) > 0 {
		change.After = rt.Document(after)
		change.Unique = rt.Keys(after)
	}
	return nil
}

// immutable refuses a new value for an immutable attribute that has one, however the request wrote it.
func immutable(before, after *schema.Node) error {
	for _, f := range before.Fields() {
		a := f.Attribute
		if a.Mutability == schema.Immutable && !f.Value.Equal(after.Get(a)) {
			return refuse(schema.Mutability, a.Path, "the attribute %s is immutable", a.Path)
		}
		if a.Type == schema.Complex && !a.MultiValued {
			if err := immutable(f.Value.Node(), after.Get(a).Node()); err != nil {
				return err
			}
		}
	}
	return nil
}

// diff appends the changes between two nodes of parent: single-valued complex attributes and extensions by what they hold.
func diff(changes []Change, parent *schema.Attribute, before, after *schema.Node) []Change {
	for _, a := range parent.Sub {
		old, now := before.Get(a), after.Get(a)
		switch {
		case old.Equal(now):
		case a.Type == schema.Complex && !a.MultiValued:
			changes = diff(changes, a, old.Node(), now.Node())
		default:
			changes = append(changes, Change{Path: a.Path, Before: encode(old), After: encode(now)})
		}
	}
	return changes
}

func encode(v schema.Value) json.RawMessage {
	if v.IsZero() {
		return nil
	}
	return v.AppendJSON(nil)
}
