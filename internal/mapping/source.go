package mapping

import (
	"errors"
	"fmt"
	"iter"
	"strconv"

	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/internal/schema"
)

// pathLimits bound a key. A value filter looks at up to a thousand elements, so it has few conditions.
var pathLimits = filter.Limits{Bytes: 1024, Depth: 5, Terms: 10}

// source is where the values of a key are in a document.
type source struct {
	attribute *schema.Attribute
	sub       *schema.Attribute // or nil
	where     *filter.Element   // which elements; nil: all
	canonical string            // the same for keys that find the same values
}

// newSource resolves a key. The error is an *Error.
func newSource(rt *schema.ResourceType, key string) (source, error) {
	if !printable(key) {
		return source{}, refuse(key, "it holds a control character, or is not UTF-8")
	}
	path, err := filter.ParsePath(key, pathLimits, nil)
	if err != nil {
		return source{}, refused(key, err)
	}
	attr := path.AttributePath
	target, err := rt.Resolve(attr.URI(), attr.AttributeName, attr.SubAttributeName(), nil)
	if err == nil && path.ValueExpression != nil {
		if target.Sub != nil {
			return source{}, refuse(key, "the sub-attribute %s takes no value filter", target.Sub.Path)
		}
		target, err = target.In(path.SubAttributeName(), nil)
	}
	if err != nil {
		return source{}, refused(key, err)
	}
	if err := mappable(rt, key, target); err != nil {
		return source{}, err
	}
	s := source{attribute: target.Attribute, sub: target.Sub, canonical: target.Leaf().Path}
	if path.ValueExpression == nil {
		return s, nil
	}
	if s.where, err = filter.BindElement(path.ValueExpression, rt, s.attribute, nil); err != nil {
		return source{}, refused(key, err)
	}
	s.canonical += " [" + fmt.Sprint(path.ValueExpression)
	if element, ok := s.where.Template(); ok {
		s.canonical = target.Leaf().Path + " " + string(element.AppendJSON(nil))
	}
	return s, nil
}

// mappable reports whether clients write the attribute, may read it, and give it a value that is a text.
func mappable(rt *schema.ResourceType, key string, target schema.Target) error {
	a := target.Attribute
	switch {
	case a == rt.Root || a.IsExtension():
		return refuse(key, "it names a schema: an attribute must follow the URN")
	case a == rt.ID || a == rt.Meta || a == rt.Schemas || a.Relation != schema.NoRelation || !target.Leaf().Readable():
		return refuse(key, "the attribute %s cannot be mapped", target.Leaf().Path)
	case target.Leaf().Type == schema.Complex:
		return refuse(key, "the attribute %s is complex: the key needs one of its sub-attributes", a.Path)
	}
	return nil
}

// refused gives an error of the packages below a key.
func refused(key string, err error) *Error {
	reason := err.Error()
	if miss, ok := errors.AsType[*schema.Miss](err); ok {
		reason = miss.Detail
	} else if bad, ok := errors.AsType[*filter.Error](err); ok {
		reason = bad.Detail
	}
	return &Error{Key: key, Reason: reason}
}

// conditions returns the number of conditions in the value filter.
func (s *source) conditions() int {
	if s.where == nil {
		return 0
	}
	return s.where.Terms()
}

// texts yields the values of the source in a document, without empty ones: that of the primary element first, then the others in
// their order.
func (s *source) texts(tree *schema.Node, seen *filter.Folds) iter.Seq[string] {
	return func(yield func(string) bool) {
		holder := tree
		if s.attribute.Parent.IsExtension() {
			holder = tree.Get(s.attribute.Parent).Node()
		}
		elements := holder.Get(s.attribute).Elements()
		first := s.primary(elements, seen)
		if first >= 0 && !yield(s.text(elements[first])) {
			return
		}
		for i, element := range elements {
			if i == first || s.text(element) == "" || s.where != nil && !s.where.Match(element, seen) {
				continue
			}
			if !yield(s.text(element)) {
				return
			}
		}
	}
}

// primary returns the index of the primary element, or -1 if there is none, it has no value, or the filter does not match it.
func (s *source) primary(elements []schema.Value, seen *filter.Folds) int {
	primary := s.attribute.Primary()
	if primary == nil {
		return -1
	}
	for i, element := range elements {
		if element.Node().Get(primary).Bool() && s.text(element) != "" && (s.where == nil || s.where.Match(element, seen)) {
			return i
		}
	}
	return -1
}

// text returns an element's value as text: of booleans and numbers their JSON, of several values the first.
func (s *source) text(element schema.Value) string {
	v := element
	if s.sub != nil {
		v = element.Node().Get(s.sub)
	}
	if v.Kind() == schema.List {
		v = v.List()[0]
	}
	if v.Kind() == schema.Bool {
		return strconv.FormatBool(v.Bool())
	}
	return v.Text()
}
