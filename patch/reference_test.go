package patch_test

// The reference: PATCH on plain JSON values, written from RFC 7644, section 3.5.2, and the decisions in the comment of package patch, with
// a schema, a path parser and a filter of its own. It is slow, knows a few attributes only and trusts that its input is sound JSON
// whose string literals hold neither "and", "or" nor brackets.

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// refusal is an error class: the scimType of RFC 7644, table 9.
type refusal string

func (r refusal) Error() string { return string(r) }

const (
	badSyntax    refusal = "invalidSyntax"
	badPath      refusal = "invalidPath"
	badFilter    refusal = "invalidFilter"
	badValue     refusal = "invalidValue"
	noTarget     refusal = "noTarget"
	unchangeable refusal = "mutability"

	unknownName  refusal = "unknown"      // the path is sound, but names nothing
	foreignName  refusal = "unregistered" // the same, in an extension that nobody registered
	unknownInput refusal = "unknownInput" // an unknown attribute in a value, refused by strict connections only
)

// refOp is one operation with its value as plain JSON. raw keeps the order of the keys.
type refOp struct {
	Op    string          `json:"op"`
	Path  *string         `json:"path"`
	Value json.RawMessage `json:"value"`
}

// reference applies operations to one resource.
type reference struct {
	core       string   // URN of the base schema
	extensions []string // URNs in the order of the resource type
	strict     bool
	bareRefuse bool // a remove of all members is refused
	doc        object
	members    map[string]member // a group's, by id
	added      map[string]bool   // ids of members that the request has added so far
	written    map[string]bool   // what the keys of one value have written so far, nil outside of such a value
}

// patch applies a request, or returns the class of the error.
func (r *reference) patch(request string) (err error) {
	var envelope struct{ Operations []refOp }
	if err := json.Unmarshal([]byte(request), &envelope); err != nil {
		return badSyntax
	}
	for i := range envelope.Operations {
		op := &envelope.Operations[i]
		lower := strings.ToLower(op.Op)
		if !slices.Contains([]string{"add", "remove", "replace"}, lower) || r.strict && lower != op.Op {
			return badSyntax
		}
		op.Op = lower
	}
	before := clone(r.doc).(object)
	for _, op := range envelope.Operations {
		if err := r.operation(op); err != nil {
			return err
		}
	}
	if same(before, r.doc) { // lists have no order: a mere reordering is no change
		r.doc = before
		return nil
	}
	return r.check(before)
}

func (r *reference) operation(op refOp) error {
	switch {
	case op.Op != "remove" && op.Value == nil:
		return badValue
	case op.Path == nil && op.Op == "remove":
		return noTarget
	case op.Path == nil:
		r.written = map[string]bool{}
		defer func() { r.written = nil }()
		return r.keys(op, "")
	}
	t, err := r.resolve(*op.Path, "")
	switch {
	case errors.Is(err, foreignName) && !r.strict:
		return nil
	case errors.Is(err, foreignName), errors.Is(err, unknownName):
		return badPath
	case err != nil:
		return err
	case t.readOnly():
		return unchangeable
	}
	return r.write(op, t)
}

// target is what a path names. schema alone is a whole schema.
type target struct {
	schema    string
	attr, sub *spec
	filter    *string
}

func (t target) readOnly() bool {
	return t.attr != nil && t.attr.readOnly || t.sub != nil && t.sub.readOnly
}

var grammar = regexp.MustCompile(`^(\$?[A-Za-z][A-Za-z0-9_$-]*)(?:\[(.*)\])?(?:\.(\$?[A-Za-z][A-Za-z0-9_$-]*))?$`)

// resolve parses a path. in is the schema that names without a URN belong to, "" for the resource itself.
func (r *reference) resolve(path, in string) (t target, err error) {
	if strings.HasPrefix(strings.ToLower(path), "urn:") {
		t, err = r.resolveURN(path)
		if err == nil && in != "" && in != r.core && (t.schema != in || t.attr == nil) {
			err = unknownName
		}
		return t, err
	}
	m := grammar.FindStringSubmatch(path)
	if m == nil {
		return t, badPath
	}
	if strings.Contains(path, "[") {
		t.filter = &m[2]
		if _, err := disjunction(m[2]); err != nil {
			return t, err
		}
	}
	schemas := []string{r.core}
	switch {
	case in != "" && in != r.core:
		schemas = []string{in}
	case !r.strict:
		schemas = append(schemas, r.extensions...)
	}
	for _, t.schema = range schemas {
		if t.attr = find(specs[t.schema], m[1]); t.attr != nil {
			break
		}
	}
	if strings.EqualFold(m[1], "schemas") && in == "" {
		t.schema, t.attr = r.core, &spec{name: "schemas", kind: "string", multi: true}
	}
	if t.attr == nil {
		return t, unknownName
	}
	if m[3] == "" {
		return t, nil
	}
	if t.sub = find(t.attr.subs, m[3]); t.sub == nil && !r.strict {
		t.sub = t.attr.aliased(m[3])
	}
	if t.sub == nil {
		return t, unknownName
	}
	return t, nil
}

func (a *spec) aliased(name string) *spec {
	for i := range a.subs {
		if a.subs[i].alias != "" && strings.EqualFold(a.subs[i].alias, name) {
			return &a.subs[i]
		}
	}
	return nil
}

func (r *reference) resolveURN(path string) (target, error) {
	for _, urn := range append([]string{r.core}, r.extensions...) {
		if len(path) < len(urn) || !strings.EqualFold(path[:len(urn)], urn) {
			continue
		}
		switch rest := path[len(urn):]; {
		case rest == "":
			return target{schema: urn}, nil
		case rest[0] == ':', rest[0] == '.' && !r.strict:
			t, err := r.resolve(rest[1:], urn)
			if err == nil && t.schema != urn {
				err = unknownName
			}
			return t, err
		}
	}
	lower := strings.ToLower(path)
	last := lower[strings.LastIndexAny(lower, ":.")+1:]
	standard := strings.HasPrefix(lower, "urn:ietf:") || strings.HasPrefix(lower, "urn:scim:")
	switch {
	case last == "active", last == "username":
		return target{}, badPath // wherever it stands: it may be an offboarding
	case standard && !strings.Contains(lower, ":extension:"):
		return target{}, unknownName
	}
	return target{}, foreignName
}

// keys applies each key of an object as an operation of its own: RFC 7644 on operations without a path, and on whole schemas.
func (r *reference) keys(op refOp, in string) error {
	names, values, ok := ordered(op.Value)
	if !ok {
		return badValue
	}
	given := map[string]json.RawMessage{}
	for i, name := range names {
		given[name] = values[i]
	}
	// Value filters select among what the other keys leave. Otherwise keys have no order.
	filtered := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !strings.Contains(name, "[") })
	slices.Sort(filtered)
	names = append(slices.DeleteFunc(names, func(name string) bool { return strings.Contains(name, "[") }), filtered...)
	for _, name := range names {
		key := refOp{Op: op.Op, Path: &name, Value: given[name]}
		t, err := r.resolve(name, in)
		sound := err == nil && t.attr != nil
		path := strings.ContainsAny(name, ".:[") && (sound || t.schema == r.core)
		switch {
		case err == nil && path && r.strict:
			return unknownInput
		case errors.Is(err, unknownName), errors.Is(err, foreignName):
			if r.strict {
				return unknownInput
			}
			continue
		case err != nil:
			return err
		case sound && t.attr.name == "schemas":
			continue
		case sound && in == "" && t.schema != r.core && !strings.Contains(name, ":") && string(given[name]) == "null":
			continue // a null for a name that the base schema does not have means that name (ENTRA-24)
		case t.readOnly() && r.strict:
			return unchangeable
		case t.readOnly():
			continue
		}
		if err := r.write(key, t); err != nil {
			return err
		}
	}
	return nil
}

// ordered splits an object into its keys and values.
func ordered(raw json.RawMessage) (names []string, values []json.RawMessage, ok bool) {
	d := json.NewDecoder(strings.NewReader(string(raw)))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, nil, false
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, nil, false
		}
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return nil, nil, false
		}
		names, values = append(names, t.(string)), append(values, v)
	}
	return names, values, true
}

func parse(raw json.RawMessage) any {
	if raw == nil {
		return nil
	}
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		panic(err)
	}
	return v
}

func (r *reference) write(op refOp, t target) error {
	value := parse(op.Value)
	switch {
	case t.attr == nil:
		return r.schema(op, t, value)
	case t.attr.dropped:
		return nil
	case (t.sub != nil || t.attr.multi || t.attr.kind != "complex") && !r.once(t):
		return badSyntax
	case t.attr.name == "schemas":
		return r.schemas(op, t, value)
	case t.attr.name == "members":
		return r.group(op, t, value)
	}
	holder := r.doc
	if t.schema != r.core {
		holder, _ = r.doc[t.schema].(object)
		if holder == nil {
			holder = object{}
		}
	}
	if err := r.attribute(op, t, holder, value); err != nil {
		return err
	}
	if t.schema != r.core {
		set(r.doc, t.schema, holder)
	}
	return nil
}

// once notes that a key writes to a place, and returns false if another key of the same value does: keys have no order. What value
// filters select is not looked at.
func (r *reference) once(t target) bool {
	if r.written == nil || t.filter != nil {
		return true
	}
	whole := t.schema + " " + t.attr.name + "."
	place := whole
	if t.sub != nil {
		place += t.sub.name
	}
	for other := range r.written {
		if other == place || other == whole || place == whole && strings.HasPrefix(other, whole) {
			return false
		}
	}
	r.written[place] = true
	return true
}

// set assigns a value, or takes the key away if there is none.
func set(holder object, key string, value any) {
	switch v := value.(type) {
	case nil:
		delete(holder, key)
	case object:
		if len(v) == 0 {
			delete(holder, key)
			return
		}
		holder[key] = v
	case []any:
		if len(v) == 0 {
			delete(holder, key)
			return
		}
		var list []any // a set
		for _, element := range v {
			if !slices.ContainsFunc(list, func(other any) bool { return same(element, other) }) {
				list = append(list, element)
			}
		}
		holder[key] = list
	default:
		holder[key] = v
	}
}

// schema writes to a whole schema.
func (r *reference) schema(op refOp, t target, value any) error {
	switch {
	case t.filter != nil:
		return badPath
	case op.Op != "remove" && value != nil:
		return r.keys(op, t.schema)
	case t.schema == r.core:
		return unchangeable
	}
	old, _ := r.doc[t.schema].(object)
	for _, a := range specs[t.schema] {
		if a.required && old[a.name] != nil {
			return unchangeable
		}
	}
	left := object{}
	for _, a := range specs[t.schema] {
		if a.readOnly && old[a.name] != nil { // a client may not take it away
			left[a.name] = old[a.name]
		}
	}
	set(r.doc, t.schema, left)
	return nil
}

// schemas writes to the attribute of that name: only taking a URN away has an effect, on the extension that it names.
func (r *reference) schemas(op refOp, t target, value any) error {
	holder := object{"schemas": []any{r.core}}
	for _, urn := range r.extensions {
		if r.doc[urn] != nil {
			holder["schemas"] = append(holder["schemas"].([]any), urn)
		}
	}
	if err := r.attribute(op, t, holder, value); err != nil {
		return err
	}
	left, _ := holder["schemas"].([]any)
	listed := func(urn string) bool {
		return slices.ContainsFunc(left, func(v any) bool { return strings.EqualFold(v.(string), urn) })
	}
	if !listed(r.core) {
		return unchangeable
	}
	for _, urn := range r.extensions {
		if !listed(urn) {
			if err := r.schema(refOp{Op: "remove"}, target{schema: urn}, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// attribute writes to an attribute in the object that holds it.
func (r *reference) attribute(op refOp, t target, holder object, value any) error {
	a := t.attr
	switch {
	case t.filter != nil && !a.multi:
		return badPath
	case t.filter != nil:
		return r.selected(op, t, holder, value)
	case t.sub != nil && a.multi:
		return badPath
	case t.sub != nil:
		inner, _ := holder[a.name].(object)
		changed := clone(inner).(object)
		if err := r.inside(op, t.sub, changed, value); err != nil {
			return err
		}
		forget(a, inner, changed)
		set(holder, a.name, changed)
		return nil
	case a.kind == "complex" && !a.multi && op.Op != "remove":
		return r.object(op, t, holder)
	default:
		return r.inside(op, a, holder, value)
	}
}

// inside writes to an attribute that is no object.
func (r *reference) inside(op refOp, a *spec, holder object, value any) error {
	if a.multi {
		return r.list(op, a, holder, value)
	}
	return r.single(op, a, holder, value)
}

// single writes one single value as a whole.
func (r *reference) single(op refOp, a *spec, holder object, value any) error {
	if op.Op == "remove" {
		return unset(a, holder, unchangeable)
	}
	v, err := r.coerce(a, value)
	if err != nil {
		return err
	}
	if v == nil {
		return unset(a, holder, badValue)
	}
	holder[a.name] = v
	return nil
}

func unset(a *spec, holder object, class refusal) error {
	if a.required || a.kept {
		return class
	}
	delete(holder, a.name)
	return nil
}

// object writes to a single-valued complex attribute: an array of one object is that object, anything else a value for all of it.
func (r *reference) object(op refOp, t target, holder object) error {
	a := t.attr
	var list []json.RawMessage
	if json.Unmarshal(op.Value, &list) == nil && list != nil {
		switch {
		case len(list) == 0:
			op.Value = json.RawMessage("null")
		case len(list) > 1 || list[0][0] != '{' || r.strict:
			return badValue
		default:
			op.Value = list[0]
		}
	}
	old, _ := holder[a.name].(object)
	changed := clone(old).(object)
	if op.Value[0] == '{' {
		if err := r.merge(op, t, changed); err != nil {
			return err
		}
	} else {
		v, err := r.one(a, parse(op.Value))
		switch given, _ := v.(object); {
		case err != nil:
			return err
		case v == nil && !r.once(target{schema: t.schema, attr: a}):
			return badSyntax
		case v == nil:
			changed = object{}
		case !r.once(target{schema: t.schema, attr: a, sub: find(a.subs, "value")}):
			return badSyntax
		default:
			changed["value"] = given["value"]
		}
	}
	forget(a, old, changed)
	set(holder, a.name, changed)
	return nil
}

// merge writes each key of an object to the sub-attribute that it names and leaves the others alone.
func (r *reference) merge(op refOp, t target, node object) error {
	names, values, ok := ordered(op.Value)
	if !ok {
		return badValue
	}
	for i, name := range names {
		sub := find(t.attr.subs, name)
		if sub == nil && !r.strict {
			sub = t.attr.aliased(name)
		}
		switch {
		case sub == nil && r.strict:
			return unknownInput
		case sub == nil || sub.readOnly:
			continue
		case !r.once(target{schema: t.schema, attr: t.attr, sub: sub, filter: t.filter}):
			return badSyntax
		}
		if err := r.inside(op, sub, node, parse(values[i])); err != nil {
			return err
		}
	}
	return nil
}

// forget drops what belonged to the old value of a reference: the readOnly rest, and its $ref unless a new one came with it.
func forget(a *spec, before, after object) {
	if find(a.subs, "value") == nil || find(a.subs, "$ref") == nil || same(before["value"], after["value"]) {
		return
	}
	for _, sub := range a.subs {
		if sub.name == "$ref" && same(before["$ref"], after["$ref"]) || sub.readOnly {
			delete(after, sub.name)
		}
	}
}

// list writes to a multi-valued attribute without a value filter.
func (r *reference) list(op refOp, a *spec, holder object, value any) error {
	old, _ := holder[a.name].([]any)
	if op.Op == "remove" {
		if value == nil {
			return unset(a, holder, unchangeable)
		}
		if wrapper, ok := value.(object); ok && len(wrapper) == 1 && !r.strict {
			for key, inner := range wrapper {
				if strings.EqualFold(key, a.name) {
					value = inner
				}
			}
		}
		v, err := r.coerce(a, value)
		if err != nil {
			return err
		}
		if r.strict {
			return badSyntax
		}
		named, _ := v.([]any)
		var left []any
		for _, element := range old {
			if !slices.ContainsFunc(named, func(n any) bool { return means(a, n, element) }) {
				left = append(left, element)
			}
		}
		set(holder, a.name, left)
		return nil
	}
	v, err := r.coerce(a, value)
	if err != nil {
		return err
	}
	given, _ := v.([]any)
	if op.Op == "replace" {
		set(holder, a.name, given)
		return nil
	}
	list := slices.Clone(old)
	primary, primaries := -1, 0
	for _, element := range given {
		i := slices.IndexFunc(list, func(o any) bool { return twin(a, o, element) })
		if i < 0 {
			i = len(list)
			list = append(list, element)
		} else if a.kind == "complex" {
			merged := overlay(list[i], element)
			if err := immutable(a.subs, list[i].(object), merged.(object)); err != nil {
				return err
			}
			list[i] = merged
		}
		if isPrimary(element) {
			primary, primaries = i, primaries+1
		}
	}
	if primaries == 1 {
		demote(list, primary)
	}
	set(holder, a.name, list)
	return nil
}

// means reports whether an element that a remove lists is the stored one: it has all that identifies the listed one.
func means(a *spec, named, element any) bool {
	if a.kind != "complex" {
		return equalFolded(a, named, element)
	}
	identified := false
	for key, v := range named.(object) {
		if key == "$ref" || key == "display" || key == "primary" {
			continue
		}
		if !equalFolded(find(a.subs, key), v, element.(object)[key]) {
			return false
		}
		identified = true
	}
	return identified
}

func equalFolded(a *spec, x, y any) bool {
	if list, ok := x.([]any); ok {
		return fmt.Sprint(list) == fmt.Sprint(y)
	}
	s, ok1 := x.(string)
	t, ok2 := y.(string)
	if ok1 && ok2 && !a.exact && a.kind == "string" {
		return strings.EqualFold(s, t)
	}
	return same(x, y)
}

// twin reports whether an added element is there already: a simple value by its rule for letter case, an object by value and type, or
// altogether where it has no value.
func twin(a *spec, old, element any) bool {
	if e, ok := element.(object); ok && find(a.subs, "value") != nil && e["value"] != nil {
		o := old.(object)
		return equalFolded(find(a.subs, "value"), o["value"], e["value"]) && equalFolded(find(a.subs, "type"), o["type"], e["type"])
	}
	if a.kind != "complex" {
		return equalFolded(a, old, element)
	}
	return same(old, element)
}

func overlay(base, top any) any {
	merged := clone(base).(object)
	maps.Copy(merged, top.(object))
	return merged
}

func isPrimary(element any) bool {
	e, _ := element.(object)
	return same(e["primary"], true)
}

func demote(list []any, keep int) {
	for i := range list {
		if i != keep && isPrimary(list[i]) {
			list[i] = overlay(list[i], object{"primary": false})
		}
	}
}

// selected writes through a value filter.
func (r *reference) selected(op refOp, t target, holder object, value any) error {
	a := t.attr
	f, err := r.filter(a, *t.filter)
	if err != nil {
		return err
	}
	if value == "" && t.sub == nil && !r.strict {
		value = nil
	}
	list, _ := clone(holder[a.name]).([]any)
	var hits []int
	for i, element := range list {
		if f.matches(element) {
			hits = append(hits, i)
		}
	}
	if len(hits) == 0 {
		if op.Op == "remove" {
			return nil
		}
		template := f.template(a)
		if template == nil {
			return noTarget
		}
		if v, err := r.one(a, value); t.sub == nil && (err != nil || v == nil) {
			return err // there is nothing to create
		}
		created, err := r.change(op, t, f, template, value)
		if err != nil || created == nil {
			return err
		}
		if e, ok := created.(object); ok && t.sub != nil && e[t.sub.name] == nil {
			return nil
		}
		if r.strict {
			return noTarget
		}
		list = append(list, created)
		if isPrimary(created) {
			demote(list, len(list)-1)
		}
		set(holder, a.name, list)
		return nil
	}
	promoted := -1
	for _, i := range hits {
		old := list[i]
		if list[i], err = r.change(op, t, f, old, value); err != nil {
			return err
		}
		if changed, ok := list[i].(object); ok {
			if err := immutable(a.subs, old.(object), changed); err != nil {
				return err
			}
		}
		if isPrimary(list[i]) && !isPrimary(old) {
			promoted = i
		}
	}
	// Whole elements that become primary take the flag from the others, the last one wins. The flag itself, given to several elements
	// by one operation, leaves several primary ones, which are refused in the end.
	if promoted >= 0 && (len(hits) == 1 || t.sub == nil) {
		demote(list, promoted)
	}
	set(holder, a.name, slices.DeleteFunc(list, func(v any) bool { return v == nil }))
	return nil
}

// change returns what an operation makes of one element, nil if that is nothing.
func (r *reference) change(op refOp, t target, f refFilter, element, value any) (any, error) {
	changed, isObject := clone(element).(object)
	orNothing := func(err error) (any, error) {
		if len(changed) == 0 {
			return nil, err
		}
		return changed, err
	}
	switch {
	case t.sub != nil:
		return orNothing(r.inside(op, t.sub, changed, value))
	case op.Op == "remove":
		return nil, nil
	case op.Op == "add" && value == nil:
		return element, nil
	case op.Op == "add" && isObject:
		return orNothing(r.merge(op, t, changed))
	}
	v, err := r.one(t.attr, value)
	switch {
	case err != nil:
		return nil, err
	case v == nil && op.Op == "add":
		return element, nil
	case v == nil:
		return nil, nil
	case !isObject:
		return v, nil
	}
	if template := f.template(t.attr); template != nil {
		return overlay(template, v), nil
	}
	return v, nil
}

// check validates the whole resource at the end.
func (r *reference) check(before object) error {
	if err := immutable(specs[r.core], before, r.doc); err != nil {
		return err
	}
	for _, urn := range r.extensions {
		old, _ := before[urn].(object)
		now, _ := r.doc[urn].(object)
		if err := immutable(specs[urn], old, now); err != nil {
			return err
		}
	}
	if err := valid(specs[r.core], r.doc); err != nil {
		return err
	}
	for _, urn := range r.extensions {
		if now, ok := r.doc[urn].(object); ok {
			if err := valid(specs[urn], now); err != nil {
				return err
			}
		}
	}
	return nil
}

func immutable(list []spec, before, after object) error {
	for _, a := range list {
		switch {
		case a.immutable && before[a.name] != nil && !same(before[a.name], after[a.name]):
			return unchangeable
		case a.kind == "complex" && !a.multi:
			old, _ := before[a.name].(object)
			now, _ := after[a.name].(object)
			if err := immutable(a.subs, old, now); err != nil {
				return err
			}
		}
	}
	return nil
}

func valid(list []spec, holder object) error {
	for _, a := range list {
		v := holder[a.name]
		text, isText := v.(string)
		switch {
		case a.required && (v == nil || isText && strings.TrimSpace(text) == ""):
			return badValue
		case v == nil:
			continue
		}
		elements, isList := v.([]any)
		if !isList {
			elements = []any{v}
		}
		primaries := 0
		for _, element := range elements {
			if isPrimary(element) {
				primaries++
			}
			if inner, ok := element.(object); ok {
				if err := valid(a.subs, inner); err != nil {
					return err
				}
			}
		}
		if primaries > 1 {
			return badValue
		}
	}
	return nil
}
