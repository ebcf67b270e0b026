package schema

import (
	"strings"

	"github.com/scimkit/scim/dialect"
)

// Projection is what one request wants to see: the parameters attributes and excludedAttributes (RFC 7644, section 3.9), and
// the attributes with returned:request that it wrote itself. A nil Projection is the default representation.
type Projection struct {
	include   map[*Attribute]bool // nil: all with returned:default
	exclude   map[*Attribute]bool
	requested map[*Attribute]bool
}

// NewProjection compiles the parameters; names that the type does not have are ignored. No parameters make a nil Projection
// unless the type has attributes outside of its default representation.
func (rt *ResourceType) NewProjection(attributes, excluded []string, requested []*Attribute) *Projection {
	if len(attributes) == 0 && len(excluded) == 0 && !rt.Hidden {
		return nil
	}
	p := &Projection{exclude: rt.named(excluded), requested: make(map[*Attribute]bool, len(requested))}
	if len(attributes) > 0 {
		p.include = rt.named(attributes)
	}
	for _, a := range requested {
		p.requested[a] = true
	}
	return p
}

// Requested appends to list the attributes with returned:request that a value assigns inside.
func (v Value) Requested(list []*Attribute) []*Attribute {
	for _, element := range v.Elements() {
		for _, f := range element.node.Fields() {
			if f.Attribute.Returned == ReturnedRequest {
				list = append(list, f.Attribute)
			}
			list = f.Value.Requested(list)
		}
	}
	return list
}

func (rt *ResourceType) named(names []string) map[*Attribute]bool {
	set := make(map[*Attribute]bool, len(names))
	for _, name := range names {
		if t, err := rt.ResolvePath(name, nil); err == nil {
			set[t.Leaf()] = true
		}
	}
	return set
}

// ResolvePath is Resolve for a path in one piece, without a value filter.
func (rt *ResourceType) ResolvePath(path string, report *dialect.Report) (Target, error) {
	colon := strings.LastIndexByte(path, ':')
	name, sub, dotted := strings.Cut(path[colon+1:], ".")
	if dotted && sub == "" {
		return Target{}, &Miss{Detail: "a path must not end in a dot"}
	}
	return rt.Resolve(path[:max(colon, 0)], name, sub, report)
}

// Shows reports whether a, or a part of it, is in the representation.
func (p *Projection) Shows(a *Attribute) bool {
	if !a.Readable() {
		return false
	}
	if p == nil {
		return a.Returned != ReturnedRequest
	}
	if a.Returned == ReturnedAlways {
		return true
	}
	for up := a; up != nil; up = up.Parent {
		if p.exclude[up] {
			return false
		}
	}
	if p.requested[a] {
		return true
	}
	if p.include == nil {
		return a.Returned != ReturnedRequest
	}
	return p.includes(a)
}

// includes reports whether a, something that holds it or something inside it was asked for by name. Naming the holder does not
// ask for attributes with returned:request.
func (p *Projection) includes(a *Attribute) bool {
	if p.include[a] {
		return true
	}
	for up := a.Parent; up != nil; up = up.Parent {
		if p.include[up] {
			return a.Returned != ReturnedRequest
		}
	}
	return walk(a, func(sub *Attribute) error {
		if p.include[sub] {
			return errFound
		}
		return nil
	}) != nil
}

var errFound = &Error{}

// AppendFields appends the attributes of a node that p shows as JSON object members, each after a comma.
func (p *Projection) AppendFields(dst []byte, node *Node) []byte {
	for _, f := range node.Fields() {
		if v := p.value(f); !v.IsZero() {
			dst = append(dst, ',')
			dst = Field{f.Attribute, v}.appendJSON(dst)
		}
	}
	return dst
}

// value cuts a field's value down to what p shows.
func (p *Projection) value(f Field) Value {
	if !p.Shows(f.Attribute) {
		return Value{}
	}
	switch f.Value.kind {
	case Object:
		return ObjectValue(p.node(f.Value.node))
	case List:
		if f.Attribute.Type != Complex {
			return f.Value
		}
		var list []Value
		for _, e := range f.Value.list {
			if n := p.node(e.node); n.Len() > 0 {
				list = append(list, ObjectValue(n))
			}
		}
		return ListValue(list)
	default:
		return f.Value
	}
}

func (p *Projection) node(n *Node) *Node {
	cut := &Node{}
	for _, f := range n.Fields() {
		if v := p.value(f); !v.IsZero() {
			cut.fields = append(cut.fields, Field{f.Attribute, v})
		}
	}
	return cut
}
