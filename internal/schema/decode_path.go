package schema

import (
	"errors"
	"strings"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/internal/strict"
)

// pathKey is a key of a resource or an extension that is a path instead of a name, with its value.
type pathKey struct {
	container *Attribute
	target    Target
	value     string
}

// keep notes a key that is the path of a known attribute, by rule: "name.familyName", "urn:…:User:active". It is applied when the names
// are, since the order of keys means nothing. ok is false for any other key, whose value is left unread.
func (d *decoder) keep(r *strict.Reader, key string, container *Attribute) (ok bool, err error) {
	if d.stored || !strings.ContainsAny(key, ".:") {
		return false, nil
	}
	path := key
	if container != d.rt.Root && !strings.Contains(key, ":") {
		path = container.Name + ":" + key
	}
	target, err := d.rt.ResolvePath(path, d.report)
	var miss *Miss
	switch {
	case errors.As(err, &miss):
		if miss.Vital {
			return false, &Error{ScimType: InvalidSyntax, Detail: miss.Detail}
		}
		return false, nil
	case err != nil:
		return false, err
	case container != d.rt.Root && target.Attribute.Parent != container, !d.report.Allow(dialect.PathKey):
		return false, nil
	}
	value, err := r.Raw()
	d.paths = append(d.paths, pathKey{container, target, value})
	return true, err
}

// applyPaths assigns what keep noted to a tree that has everything else.
func (d *decoder) applyPaths(node *Node) error {
	if len(d.paths) == 0 {
		return nil
	}
	d.marked = make(map[*Attribute]bool)
	d.markAll(node)
	for len(d.paths) > 0 {
		next := d.paths[0]
		d.paths = d.paths[1:]
		err := strict.ReadString(next.value, func(r *strict.Reader) error { return d.applyPath(r, next.target, node) })
		if err != nil {
			return err
		}
	}
	return nil
}

// applyPath assigns the value of one such key.
func (d *decoder) applyPath(r *strict.Reader, target Target, node *Node) error {
	a := target.Attribute
	switch {
	case a == d.rt.Root || a.extension:
		return d.applyContainer(r, a)
	case a == d.rt.Schemas, a.Mutability == ReadOnly:
		return r.Skip()
	case target.Sub != nil && a.MultiValued:
		return &Error{
			ScimType: InvalidSyntax, Path: target.Sub.Path,
			Detail: "the attribute " + a.Path + " is multi-valued: its sub-attributes cannot be given by themselves",
		}
	}
	if err := d.mark(target.Leaf()); err != nil {
		return err
	}
	holder := node
	if a.Parent.extension {
		holder = node.Get(a.Parent).Node().Clone()
	}
	if err := d.assignPath(r, target, holder); err != nil {
		return err
	}
	if holder != node {
		node.Set(a.Parent, ObjectValue(holder))
	}
	return nil
}

func (d *decoder) assignPath(r *strict.Reader, target Target, holder *Node) error {
	a, sub := target.Attribute, target.Sub
	switch {
	case sub == nil:
		return d.assign(r, a, holder)
	case a.Dropped, sub.Mutability == ReadOnly:
		return r.Skip()
	}
	v, err := d.value(r, sub)
	if err != nil {
		return err
	}
	object := holder.Get(a).Node().Clone()
	object.Set(sub, v)
	holder.Set(a, ObjectValue(object))
	return nil
}

// applyContainer takes each key of an object under a schema's URN as one that stands beside it.
func (d *decoder) applyContainer(r *strict.Reader, container *Attribute) error {
	switch r.Kind() {
	case 'n':
		return r.Null()
	case '{':
	default:
		return r.Mismatch(&Error{ScimType: InvalidValue, Path: container.Path, Detail: "the value of a schema's URN must be an object"})
	}
	var names strict.Names
	return r.Object(func(key string) error {
		if err := names.Add(key); err != nil {
			return err
		}
		target := Target{}
		if target.Attribute, _ = container.SubAttribute(key); target.Attribute == nil && container == d.rt.Root {
			target.Attribute = d.rt.Extension(key, d.report)
		}
		if target.Attribute == nil {
			if ok, err := d.keep(r, key, container); ok || err != nil {
				return err
			}
			return d.unknown(r, key, &keys{})
		}
		value, err := r.Raw()
		d.paths = append(d.paths, pathKey{container, target, value})
		return err
	})
}

// markAll notes what the names in the request assigned. An object counts by what is in it, so that paths may add to it.
func (d *decoder) markAll(node *Node) {
	if d.input.HasMembers {
		d.marked[d.rt.Members] = true
	}
	for _, f := range node.Fields() {
		if f.Attribute.Type == Complex && !f.Attribute.MultiValued {
			d.markAll(f.Value.Node())
			continue
		}
		d.marked[f.Attribute] = true
	}
}

// mark notes that a path assigns a, and refuses a second assignment.
func (d *decoder) mark(a *Attribute) error {
	twice := d.marked[a] || d.marked[a.Parent]
	for _, sub := range a.Sub {
		twice = twice || d.marked[sub]
	}
	if twice {
		return &Error{ScimType: InvalidSyntax, Path: a.Path, Detail: "the request names the attribute " + a.Path + " twice"}
	}
	d.marked[a] = true
	return nil
}
