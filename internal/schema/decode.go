package schema

import (
	"slices"
	"strings"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/internal/strict"
)

// Input is a resource as a client wrote it: readOnly, dropped and unknown attributes are gone, the rest has its schema type.
type Input struct {
	Tree *Node
	// Members are the ids of the members attribute in the order sent, without repetitions; HasMembers tells an empty list from an
	// absent one, which PUT treats alike and PATCH does not.
	Members    []string
	HasMembers bool
	// Requested are the attributes with returned:request that the client wrote, and so may see in the answer.
	Requested []*Attribute
}

// Decode reads a resource from a request body: POST, PUT, or an extension or whole resource inside a PATCH value.
func (rt *ResourceType) Decode(r *strict.Reader, report *dialect.Report) (*Input, error) {
	d := decoder{rt: rt, report: report, input: &Input{}}
	tree, err := d.resource(r)
	if err != nil {
		return nil, err
	}
	d.input.Tree = tree
	if rt.Hidden {
		d.input.Requested = ObjectValue(tree).Requested(nil)
	}
	return d.input, nil
}

// DecodeValue reads one attribute's value from a request: the value of a PATCH operation, or one key of a path-less one.
// Sub-attributes that a client may not write are dropped, as in Decode.
func (rt *ResourceType) DecodeValue(r *strict.Reader, a *Attribute, report *dialect.Report) (Value, error) {
	d := decoder{rt: rt, report: report}
	return d.value(r, a)
}

// DecodeElement is DecodeValue for one element of a multi-valued attribute.
func (rt *ResourceType) DecodeElement(r *strict.Reader, a *Attribute, report *dialect.Report) (Value, error) {
	d := decoder{rt: rt, report: report}
	return d.single(r, a)
}

// Unwrap replaces an element of a that holds a JSON document in its value by what the document says, as decoding does.
func (rt *ResourceType) Unwrap(a *Attribute, v Value, report *dialect.Report) Value {
	if !a.unwrap || v.kind != Object {
		return v
	}
	d := decoder{rt: rt, report: report}
	return ObjectValue(d.unwrapJSON(v.node, a))
}

// DecodeMembers reads the value of the members attribute and returns the ids that it lists.
func (rt *ResourceType) DecodeMembers(r *strict.Reader, report *dialect.Report) ([]string, error) {
	d := decoder{rt: rt, report: report}
	return d.members(r)
}

// decodeStored reads what AppendDocument or a host's store wrote: readOnly attributes are kept, nothing is reported.
func (rt *ResourceType) decodeStored(r *strict.Reader) (*Node, error) {
	d := decoder{rt: rt, stored: true, input: &Input{}}
	return d.resource(r)
}

type decoder struct {
	rt     *ResourceType
	report *dialect.Report
	stored bool
	input  *Input

	paths  []pathKey           // keys that are paths, not yet applied
	marked map[*Attribute]bool // what names and paths have assigned, once there are paths
}

// keys finds repeated keys of one object: known attributes by their number, others by their folded name.
type keys struct {
	known   [maxAttributes / 64]uint64
	unknown strict.Names
}

func (k *keys) add(a *Attribute) error {
	word, bit := a.order/64, uint64(1)<<(a.order%64)
	if k.known[word]&bit != 0 {
		return &Error{ScimType: InvalidSyntax, Path: a.Path, Detail: "the attribute " + a.Path + " occurs twice in one object"}
	}
	k.known[word] |= bit
	return nil
}

func (d *decoder) resource(r *strict.Reader) (*Node, error) {
	node := &Node{fields: make([]Field, 0, 16)}
	var seen keys
	var listed []string
	err := r.Object(func(key string) error {
		a, _ := d.rt.Root.SubAttribute(key)
		if a == nil {
			a = d.rt.Extension(key, d.report)
		}
		if a == nil {
			return d.other(r, key, &seen, d.rt.Root)
		}
		if err := seen.add(a); err != nil {
			return err
		}
		var err error
		switch {
		case a == d.rt.Schemas:
			listed, err = d.schemas(r)
			return err
		case a.extension:
			return d.extension(r, a, node)
		default:
			return d.assign(r, a, node)
		}
	})
	if err != nil || d.stored {
		return node, err
	}
	if err := d.applyPaths(node); err != nil {
		return node, err
	}
	return node, d.checkSchemas(node, listed)
}

// assign reads the value of a top-level attribute into node.
func (d *decoder) assign(r *strict.Reader, a *Attribute, node *Node) error {
	switch {
	case a.Dropped, a == d.rt.ID, a == d.rt.Meta, a.Relation == Groups, a.Mutability == ReadOnly && !d.stored:
		return r.Skip()
	case a.Relation == Members:
		ids, err := d.members(r)
		d.input.Members, d.input.HasMembers = ids, true
		return err
	}
	v, err := d.value(r, a)
	if err != nil {
		return err
	}
	node.Set(a, v)
	return nil
}

func (d *decoder) extension(r *strict.Reader, container *Attribute, node *Node) error {
	if r.Kind() == 'n' {
		return r.Null()
	}
	if r.Kind() != '{' {
		return r.Mismatch(invalid(container, "must be an object"))
	}
	ext := &Node{}
	var seen keys
	err := r.Object(func(key string) error {
		a, _ := container.SubAttribute(key)
		if a == nil {
			return d.other(r, key, &seen, container)
		}
		if err := seen.add(a); err != nil {
			return err
		}
		return d.assign(r, a, ext)
	})
	node.Set(container, ObjectValue(ext))
	return err
}

// schemas reads the URNs that the body claims.
func (d *decoder) schemas(r *strict.Reader) ([]string, error) {
	if r.Kind() != '[' {
		return nil, r.Mismatch(&Error{ScimType: InvalidSyntax, Path: "schemas", Detail: "schemas must be an array of URIs"})
	}
	var listed []string
	err := r.Array(func() error {
		if r.Kind() != '"' {
			return r.Mismatch(&Error{ScimType: InvalidSyntax, Path: "schemas", Detail: "schemas must be an array of URIs"})
		}
		uri, err := r.String()
		listed = append(listed, uri)
		return err
	})
	return listed, err
}

// checkSchemas requires the base schema in the body's list and reports what is there besides, or is missing.
func (d *decoder) checkSchemas(node *Node, listed []string) error {
	containers := make(map[*Attribute]bool, len(listed))
	for _, uri := range listed {
		u, rest := d.rt.schemaOf(uri)
		known := u != nil && rest == "" && (!u.legacy || d.report.Allow(dialect.LegacySchema))
		if known {
			containers[u.attr] = true
		} else if !d.report.Allow(dialect.UnknownSchema) {
			return &Error{ScimType: InvalidSyntax, Path: "schemas", Detail: "schemas holds a URI that the resource type " + d.rt.Name + " does not have"}
		}
	}
	if !containers[d.rt.Root] {
		return &Error{ScimType: InvalidSyntax, Path: "schemas", Detail: "schemas must hold " + d.rt.Schema.ID}
	}
	for _, f := range node.Fields() {
		if a := f.Attribute; a.extension && !containers[a] && !d.report.Allow(dialect.UnlistedExtension) {
			return &Error{ScimType: InvalidSyntax, Path: "schemas", Detail: "schemas must hold " + a.Name}
		}
	}
	return nil
}

// other reads a key of container that is no attribute's name.
func (d *decoder) other(r *strict.Reader, key string, seen *keys, container *Attribute) error {
	if ok, err := d.keep(r, key, container); ok || err != nil {
		return err
	}
	return d.unknown(r, key, seen)
}

func (d *decoder) unknown(r *strict.Reader, key string, seen *keys) error {
	if d.stored {
		return r.Skip()
	}
	if err := seen.unknown.Add(key); err != nil {
		return err
	}
	if !d.report.Ignore(key) {
		return &Error{ScimType: InvalidSyntax, Detail: "the resource type " + d.rt.Name + " has no attribute " + dialect.Printable(key)}
	}
	return r.Skip()
}

// value reads a single or multi-valued attribute's value.
func (d *decoder) value(r *strict.Reader, a *Attribute) (Value, error) {
	kind := r.Kind()
	switch {
	case kind == 'n':
		return Value{}, r.Null()
	case a.MultiValued && kind == '[':
		return d.list(r, a)
	case kind == '"' && (a.MultiValued || a.Type == Complex):
		return d.bare(r, a)
	case a.MultiValued && (kind == '{' || a.Type == Boolean || a.Type == Integer || a.Type == Decimal) && d.report.Allow(dialect.SingleForMulti):
		v, err := d.single(r, a)
		if v.IsZero() || err != nil {
			return Value{}, err
		}
		return ListValue([]Value{v}), nil
	case a.MultiValued:
		return Value{}, r.Mismatch(invalid(a, "must be an array"))
	case kind == '[' && a.Type == Complex:
		return d.unwrapArray(r, a)
	default:
		return d.single(r, a)
	}
}

// bare reads a string where an object or an array should stand: nothing, the "value" of the object, or one of several values.
func (d *decoder) bare(r *strict.Reader, a *Attribute) (Value, error) {
	text, err := r.String()
	switch {
	case err != nil:
		return Value{}, err
	case text == "" && d.report.Allow(dialect.EmptyString):
		return Value{}, nil
	case a.Type != Complex && a.Textual() && d.report.Allow(dialect.SingleForMulti):
		v, err := d.checkText(a, text)
		return ListValue([]Value{v}), err
	case a.Type == Complex && !a.MultiValued && a.Value() != nil && d.report.Allow(dialect.BareValue):
		v, err := d.checkText(a.Value(), text)
		node := &Node{}
		node.Set(a.Value(), v)
		return ObjectValue(node), err
	case a.MultiValued:
		return Value{}, invalid(a, "must be an array")
	default:
		return Value{}, invalid(a, "must be an object")
	}
}

// list reads the elements of a multi-valued attribute, without unassigned ones and repetitions.
func (d *decoder) list(r *strict.Reader, a *Attribute) (Value, error) {
	var list []Value
	var seen elements
	err := r.Array(func() error {
		v, err := d.value1(r, a)
		if err == nil && !v.IsZero() && (d.stored || seen.add(list, v)) {
			list = append(list, v)
		}
		if err == nil && len(list) > MaxElements && !d.stored {
			err = TooManyElements(a)
		}
		return err
	})
	return ListValue(list), err
}

// TooManyElements is the refusal of a multi-valued attribute with more than MaxElements values.
func TooManyElements(a *Attribute) error { return invalid(a, "has more than %d values", MaxElements) }

// elements finds repetitions in a list: by comparison while it is short, then by encoding.
type elements struct{ encoded map[string]struct{} }

func (e *elements) add(list []Value, v Value) bool {
	const short = 16
	if len(list) < short {
		return !slices.ContainsFunc(list, v.Equal)
	}
	if e.encoded == nil {
		e.encoded = make(map[string]struct{})
		for _, w := range list {
			e.encoded[string(w.AppendJSON(nil))] = struct{}{}
		}
	}
	key := string(v.AppendJSON(nil))
	_, twin := e.encoded[key]
	e.encoded[key] = struct{}{}
	return !twin
}

// value1 reads one element of a list; null is none.
func (d *decoder) value1(r *strict.Reader, a *Attribute) (Value, error) {
	if r.Kind() == 'n' {
		return Value{}, r.Null()
	}
	return d.single(r, a)
}

// unwrapArray reads an array of at most one object for a single-valued complex attribute.
func (d *decoder) unwrapArray(r *strict.Reader, a *Attribute) (Value, error) {
	var v Value
	n := 0
	err := r.Array(func() (err error) {
		if n++; n > 1 || r.Kind() != '{' || !d.report.Allow(dialect.ArrayForSingle) {
			return r.Mismatch(invalid(a, "must be one object"))
		}
		v, err = d.complex(r, a)
		return err
	})
	return v, err
}

// single reads one value: an element of a multi-valued attribute or all of a single-valued one.
func (d *decoder) single(r *strict.Reader, a *Attribute) (Value, error) {
	switch a.Type {
	case Complex:
		return d.complex(r, a)
	case Boolean:
		return d.boolean(r, a)
	case Integer, Decimal:
		return d.number(r, a)
	default:
		return d.text(r, a)
	}
}

func (d *decoder) complex(r *strict.Reader, a *Attribute) (Value, error) {
	if r.Kind() != '{' {
		return Value{}, r.Mismatch(invalid(a, "must be an object"))
	}
	node := &Node{fields: make([]Field, 0, min(len(a.Sub), 4))}
	var seen keys
	err := r.Object(func(key string) error {
		sub, alias := a.SubAttribute(key)
		if sub == nil || alias && !d.stored && !d.report.Allow(dialect.AttributeAlias) {
			return d.unknown(r, key, &seen)
		}
		if err := seen.add(sub); err != nil {
			return err
		}
		if sub.Mutability == ReadOnly && !d.stored {
			return r.Skip()
		}
		v, err := d.value(r, sub)
		if err != nil {
			return err
		}
		node.Set(sub, v)
		return nil
	})
	if err == nil && a.unwrap && !d.stored {
		node = d.unwrapJSON(node, a)
	}
	return ObjectValue(node), err
}

// unwrapJSON replaces a node whose value is itself a JSON object with a "value" by that object.
func (d *decoder) unwrapJSON(node *Node, a *Attribute) *Node {
	text := node.Get(a.Value()).Text()
	if !strings.HasPrefix(text, "{") || strict.Check([]byte(text), strict.Limits{Depth: 2, Values: 64}) != nil {
		return node
	}
	inner := decoder{rt: d.rt, report: dialect.NewReport(false, dialect.Policy{})}
	var unwrapped Value
	err := strict.ReadString(text, func(r *strict.Reader) (err error) {
		unwrapped, err = inner.complex(r, a)
		return err
	})
	if err != nil || unwrapped.Node().Get(a.Value()).IsZero() || !d.report.Allow(dialect.JSONInString) {
		return node
	}
	for _, f := range node.Fields() {
		if f.Attribute != a.Value() && unwrapped.Node().Get(f.Attribute).IsZero() {
			unwrapped.node.Set(f.Attribute, f.Value)
		}
	}
	return unwrapped.node
}

// members reads the members of a group: only ids count, the rest is derived from the resources that they name.
func (d *decoder) members(r *strict.Reader) ([]string, error) {
	switch r.Kind() {
	case 'n':
		return nil, r.Null()
	case '{', '"':
		if !d.report.Allow(dialect.SingleForMulti) {
			break
		}
		id, err := d.member(r)
		return []string{id}, err
	case '[':
		var ids []string
		seen := make(map[string]struct{})
		err := r.Array(func() error {
			id, err := d.member(r)
			if _, twin := seen[id]; err != nil || twin {
				return err
			}
			seen[id] = struct{}{}
			ids = append(ids, id)
			return nil
		})
		return ids, err
	}
	return nil, r.Mismatch(invalid(d.rt.Members, "must be an array"))
}

func (d *decoder) member(r *strict.Reader) (string, error) {
	a := d.rt.Members
	if r.Kind() == '"' && d.report.Allow(dialect.BareValue) {
		return d.memberID(r)
	}
	if r.Kind() != '{' {
		return "", r.Mismatch(invalid(a, "must be an array of objects"))
	}
	id := ""
	var seen keys
	err := r.Object(func(key string) error {
		sub, _ := a.SubAttribute(key)
		if sub == nil {
			return d.unknown(r, key, &seen)
		}
		if err := seen.add(sub); err != nil {
			return err
		}
		if sub != a.Value() {
			return r.Skip()
		}
		var err error
		id, err = d.memberID(r)
		return err
	})
	if err == nil && id == "" {
		err = invalid(a.Value(), "is required: it holds the id of the member")
	}
	return id, err
}

func (d *decoder) memberID(r *strict.Reader) (string, error) {
	a := d.rt.Members.Value()
	if r.Kind() != '"' {
		return "", r.Mismatch(invalid(a, "must be a string"))
	}
	id, err := r.String()
	if err == nil && (id == "" || len(id) > MaxKey) {
		err = invalid(a, "must be the id of a resource")
	}
	return id, err
}
