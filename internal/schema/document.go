package schema

import (
	"bytes"
	"sync"

	"github.com/scimkit/scim/internal/strict"
)

// Document holds a resource's attributes without id, meta and memberships: as canonical JSON, as a tree, or both. Each is made
// from the other at most once. A Document is immutable and safe for concurrent use.
type Document struct {
	json     []byte
	tree     *Node
	typ      *ResourceType
	makeJSON sync.Once
	makeTree sync.Once
	treeOf   *ResourceType // whose tree it is, once made
	err      error
}

// NewDocument wraps a resource's attributes as JSON: what JSON returned before, or an object that a store built from columns.
// The document keeps json, which must not change afterwards.
func NewDocument(json []byte) *Document { return &Document{json: json} }

// Document wraps a tree, which must not change afterwards.
func (rt *ResourceType) Document(tree *Node) *Document { return &Document{tree: tree, typ: rt} }

// JSON returns the attributes as a JSON object. It must not be changed.
func (d *Document) JSON() []byte {
	d.makeJSON.Do(func() {
		if d.json == nil {
			d.json = d.typ.appendDocument(nil, d.tree)
		}
	})
	return d.json
}

// Tree returns the attributes as a tree of rt, which must not be changed. It fails on JSON that does not fit the schema, which
// only a store that changed a document can cause. The tree is kept for the type that asked first: attributes are told apart by
// identity, so that a type that was compiled separately needs a tree of its own.
func (d *Document) Tree(rt *ResourceType) (*Node, error) {
	d.makeTree.Do(func() {
		if d.tree != nil {
			d.treeOf = d.typ
			return
		}
		d.treeOf = rt
		d.tree, d.err = rt.decodeDocument(d.json)
	})
	if d.treeOf != rt {
		return rt.decodeDocument(d.JSON())
	}
	return d.tree, d.err
}

func (rt *ResourceType) decodeDocument(json []byte) (tree *Node, err error) {
	err = strict.ReadString(string(json), func(r *strict.Reader) (err error) {
		tree, err = rt.decodeStored(r)
		return err
	})
	return tree, err
}

// Wire returns the attributes as they go to a client by default: JSON that starts with "schemas". Documents that a store kept
// are returned as they are; those that a store built from columns are brought into canonical form.
func (d *Document) Wire(rt *ResourceType) ([]byte, error) {
	if json := bytes.TrimSpace(d.JSON()); d.typ != nil || bytes.HasPrefix(json, schemasKey) {
		return json, nil
	}
	tree, err := d.Tree(rt)
	if err != nil {
		return nil, err
	}
	return rt.appendDocument(nil, tree), nil
}

var schemasKey = []byte(`{"schemas":[`)

// appendDocument appends the canonical JSON of a resource's attributes, its schemas first.
func (rt *ResourceType) appendDocument(dst []byte, tree *Node) []byte {
	dst = append(dst, '{')
	dst = rt.AppendSchemas(dst, tree)
	for _, f := range tree.Fields() {
		dst = append(dst, ',')
		dst = f.appendJSON(dst)
	}
	return append(dst, '}')
}

// AppendSchemas appends the key "schemas" with the base schema and the extensions that have data.
func (rt *ResourceType) AppendSchemas(dst []byte, tree *Node) []byte {
	dst = append(dst, `"schemas":["`...)
	dst = append(dst, rt.Schema.ID...)
	for _, f := range tree.Fields() {
		if f.Attribute.extension {
			dst = append(dst, `","`...)
			dst = append(dst, f.Attribute.Name...)
		}
	}
	return append(dst, `"]`...)
}

// URNs returns the schemas of a resource: the base schema and the extensions that have data.
func (rt *ResourceType) URNs(tree *Node) []string {
	urns := []string{rt.Schema.ID}
	for _, f := range tree.Fields() {
		if f.Attribute.extension {
			urns = append(urns, f.Attribute.Name)
		}
	}
	return urns
}

// Values returns the folded texts of the values at a canonical path, "userName" or "emails.value", for indexes. The documents that
// the handler hands to a store have them; one made by NewDocument has none, since nothing tells its type.
func (d *Document) Values(path string) []string {
	var values []string
	d.visit(path, func(a *Attribute, v Value) {
		if v.Kind() == Text {
			values = append(values, a.Fold(v.Text()))
		}
	})
	return values
}

// Text returns the first value at a canonical path as it was sent, "" if there is none. As for Values.
func (d *Document) Text(path string) string {
	text := ""
	d.visit(path, func(_ *Attribute, v Value) {
		if v.Kind() == Text && text == "" {
			text = v.Text()
		}
	})
	return text
}

// Flag returns the value of the boolean at a canonical path, "active"; ok is false if it has none. As for Values.
func (d *Document) Flag(path string) (value, ok bool) {
	d.visit(path, func(_ *Attribute, v Value) {
		if v.Kind() == Bool {
			value, ok = v.Bool(), true
		}
	})
	return value, ok
}

func (d *Document) visit(path string, f func(*Attribute, Value)) {
	if d.typ == nil {
		return
	}
	target, err := d.typ.ResolvePath(path, nil)
	if err != nil {
		return
	}
	node := d.tree
	if target.Attribute.Parent.IsExtension() {
		node = node.Get(target.Attribute.Parent).Node()
	}
	for _, v := range node.Get(target.Attribute).Elements() {
		if target.Sub != nil {
			v = v.Node().Get(target.Sub)
		}
		f(target.Leaf(), v)
	}
}
