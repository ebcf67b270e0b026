package schema

import (
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// Kind is the shape of a Value.
type Kind uint8

// The kinds. Unassigned is the zero Value: RFC 7643, section 2.5 makes absent, null and the empty array one state.
const (
	Unassigned Kind = iota
	Text            // string, dateTime, binary, reference
	Number          // integer, decimal: a JSON number literal
	Bool
	Object // complex
	List   // multi-valued
)

// Value is the value of one attribute.
type Value struct {
	kind Kind
	bit  bool
	text string
	node *Node
	list []Value
}

// TextValue returns a string value.
func TextValue(s string) Value { return Value{kind: Text, text: s} }

// NumberValue returns a number from its JSON literal.
func NumberValue(literal string) Value { return Value{kind: Number, text: literal} }

// BoolValue returns a boolean value.
func BoolValue(b bool) Value { return Value{kind: Bool, bit: b} }

// ObjectValue returns a complex value; an empty node is Unassigned.
func ObjectValue(n *Node) Value {
	if n.Len() == 0 {
		return Value{}
	}
	return Value{kind: Object, node: n}
}

// ListValue returns a multi-valued value; an empty list is Unassigned. The Value keeps list.
func ListValue(list []Value) Value {
	if len(list) == 0 {
		return Value{}
	}
	return Value{kind: List, list: list}
}

// Kind returns the value's shape.
func (v Value) Kind() Kind { return v.kind }

// IsZero reports whether the value is Unassigned.
func (v Value) IsZero() bool { return v.kind == Unassigned }

// Text returns the text of a Text or the literal of a Number.
func (v Value) Text() string { return v.text }

// Bool returns the value of a Bool.
func (v Value) Bool() bool { return v.bit }

// Node returns the tree of an Object, or nil.
func (v Value) Node() *Node { return v.node }

// List returns the elements of a List. They must not be changed.
func (v Value) List() []Value { return v.list }

// Elements returns the elements of a List, the value itself for a single value, nothing for Unassigned.
func (v Value) Elements() []Value {
	switch v.kind {
	case Unassigned:
		return nil
	case List:
		return v.list
	default:
		return []Value{v}
	}
}

// Equal reports whether two values are the same, byte for byte; elements of lists may come in any order, since SCIM gives the
// order no meaning and identity providers do not keep it.
func (v Value) Equal(w Value) bool {
	if v.kind != w.kind {
		return false
	}
	switch v.kind {
	case Bool:
		return v.bit == w.bit
	case Object:
		return v.node.Equal(w.node)
	case List:
		return sameElements(v.list, w.list)
	default:
		return v.text == w.text
	}
}

func sameElements(a, b []Value) bool {
	if len(a) != len(b) {
		return false
	}
	inOrder := true
	for i := range a {
		if inOrder = a[i].Equal(b[i]); !inOrder {
			break
		}
	}
	return inOrder || slices.Equal(sorted(a), sorted(b))
}

// sorted returns the canonical encodings of the elements in byte order.
func sorted(list []Value) []string {
	keys := make([]string, len(list))
	for i, v := range list {
		keys[i] = string(v.AppendJSON(nil))
	}
	slices.Sort(keys)
	return keys
}

// Size returns how many bytes the texts in the value have together.
func (v Value) Size() int {
	size := len(v.text)
	for _, f := range v.node.Fields() {
		size += f.Value.Size()
	}
	for _, e := range v.list {
		size += e.Size()
	}
	return size
}

// AppendJSON appends the value as JSON, null for Unassigned. Inside a Node, unassigned values have no key at all.
func (v Value) AppendJSON(dst []byte) []byte {
	switch v.kind {
	case Text:
		dst, _ = jsontext.AppendQuote(dst, v.text) // decoded strings are valid UTF-8
		return dst
	case Number:
		return append(dst, v.text...)
	case Bool:
		return strconv.AppendBool(dst, v.bit)
	case Object:
		return v.node.AppendJSON(dst)
	case List:
		dst = append(dst, '[')
		for i, e := range v.list {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = e.AppendJSON(dst)
		}
		return append(dst, ']')
	default:
		return append(dst, "null"...)
	}
}

// MarshalJSON implements json.Marshaler.
func (v Value) MarshalJSON() ([]byte, error) { return v.AppendJSON(nil), nil }

// Field is one assigned attribute of a Node.
type Field struct {
	Attribute *Attribute
	Value     Value
}

// Node is a complex value, an extension or a whole resource: its assigned attributes in schema order.
type Node struct{ fields []Field }

// Len returns the number of assigned attributes.
func (n *Node) Len() int {
	if n == nil {
		return 0
	}
	return len(n.fields)
}

// Fields returns the assigned attributes in schema order. They must not be changed.
func (n *Node) Fields() []Field {
	if n == nil {
		return nil
	}
	return n.fields
}

// Get returns the value of an attribute of this node, Unassigned if it has none.
func (n *Node) Get(a *Attribute) Value {
	if n == nil {
		return Value{}
	}
	for i := range n.fields {
		if n.fields[i].Attribute == a {
			return n.fields[i].Value
		}
	}
	return Value{}
}

// Set assigns an attribute; an Unassigned value removes it.
func (n *Node) Set(a *Attribute, v Value) {
	i, found := slices.BinarySearchFunc(n.fields, a.order, func(f Field, order int) int { return f.Attribute.order - order })
	switch {
	case v.IsZero() && found:
		n.fields = slices.Delete(n.fields, i, i+1)
	case v.IsZero():
	case found:
		n.fields[i].Value = v
	default:
		n.fields = slices.Insert(n.fields, i, Field{a, v})
	}
}

// Clone returns a copy that shares nothing that Set could change.
func (n *Node) Clone() *Node {
	if n == nil {
		return &Node{}
	}
	c := &Node{fields: slices.Clone(n.fields)}
	for i := range c.fields {
		c.fields[i].Value = c.fields[i].Value.clone()
	}
	return c
}

func (v Value) clone() Value {
	switch v.kind {
	case Object:
		v.node = v.node.Clone()
	case List:
		v.list = slices.Clone(v.list)
		for i := range v.list {
			v.list[i] = v.list[i].clone()
		}
	}
	return v
}

// Equal reports whether two nodes assign equal values to the same attributes.
func (n *Node) Equal(m *Node) bool {
	if n.Len() != m.Len() {
		return false
	}
	for i, f := range n.Fields() {
		if g := m.fields[i]; f.Attribute != g.Attribute || !f.Value.Equal(g.Value) {
			return false
		}
	}
	return true
}

// AppendJSON appends the node as a JSON object, its keys in schema order.
func (n *Node) AppendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	for i, f := range n.Fields() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = f.appendJSON(dst)
	}
	return append(dst, '}')
}

func (f Field) appendJSON(dst []byte) []byte {
	dst = append(dst, '"')
	dst = append(dst, f.Attribute.Name...) // names and URNs need no escapes
	dst = append(dst, '"', ':')
	return f.Value.AppendJSON(dst)
}
