package patch_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"pgregory.net/rapid"
)

// generator draws a resource, and requests from small pools, so that values meet and paths hit.
type generator struct {
	*rapid.T
	core       string // URN of the type
	extensions []string
	doc        object // the resource
}

func users(t *rapid.T) generator { return newGenerator(t, coreURN, extensions) }

func groups(t *rapid.T) generator { return newGenerator(t, groupURN, nil) }

func newGenerator(t *rapid.T, core string, extensions []string) generator {
	g := generator{T: t, core: core, extensions: extensions}
	g.doc = g.resource()
	return g
}

// json is the resource as a store hands it over.
func (g generator) json() []byte { return must(json.Marshal(g.doc)) }

// held returns the resource or one of its extensions, nil if it has none.
func (g generator) held(urn string) object {
	if urn == "" {
		return g.doc
	}
	inner, _ := g.doc[urn].(object)
	return inner
}

// chance is true less than n times out of a hundred: rapid prefers small numbers, and shrinks to them.
func (g generator) chance(n int) bool { return rapid.IntRange(1, 100).Draw(g.T, "chance") > 100-n }

func (g generator) pick(of ...string) string { return rapid.SampledFrom(of).Draw(g.T, "pick") }

func (g generator) count(most int) int { return rapid.IntRange(0, most).Draw(g.T, "count") }

// pools are the values of an attribute as JSON, by its name, or else by its kind.
var pools = map[string][]string{
	"userName": {`"ada@example.test"`, `"Ada@example.test"`, `"bob"`},
	"type":     {`"work"`, `"home"`, `"Work"`, `"other"`},
	"value":    {`"a@example.test"`, `"b@example.test"`, `"A@example.test"`},
	"string":   {`"x"`, `"X"`, `"yes"`, `"True"`, `"zö e"`, `"a\"b"`},
	"boolean":  {`true`, `false`},
	"integer":  {`1`, `2`, `-3`, `9007199254740993`},
	"decimal":  {`1.5`, `2`, `-0.25e2`},
	"dateTime": {`"2024-01-02T03:04:05Z"`, `"2024-01-02T05:04:05.5+02:00"`},
}

func (g generator) scalar(a spec) string {
	pool, ok := pools[a.name]
	if !ok {
		pool = pools[a.kind]
	}
	return g.pick(pool...)
}

// fields draws a JSON object from some of the attributes.
func (g generator) fields(list []spec, readOnly bool, value func(spec) string) string {
	var fields []string
	for _, a := range list {
		if (a.readOnly && !readOnly) || a.dropped || !a.required && !a.kept && g.chance(40) {
			continue
		}
		fields = append(fields, strconv.Quote(a.name)+":"+value(a))
	}
	return "{" + strings.Join(fields, ",") + "}"
}

// stored draws a sound value: what a resource holds.
func (g generator) stored(a spec) string {
	one := func() string {
		if a.kind == "complex" {
			return g.fields(a.subs, !a.multi, g.stored)
		}
		return g.scalar(a)
	}
	if !a.multi {
		return one()
	}
	var list []string
	for range 1 + g.count(2) {
		if v := one(); v != "{}" && !slices.Contains(list, v) && (len(list) == 0 || !strings.Contains(v, `"primary":true`)) {
			list = append(list, v)
		}
	}
	return "[" + strings.Join(list, ",") + "]"
}

// resource draws a stored resource without empty values.
func (g generator) resource() object {
	doc := parse([]byte(g.fields(slices.DeleteFunc(slices.Clone(specs[g.core]), func(a spec) bool {
		return a.readOnly || a.name == "members"
	}), false, g.stored))).(object)
	for _, urn := range g.extensions {
		if !g.chance(60) {
			continue
		}
		doc[urn] = parse([]byte(g.fields(specs[urn], true, g.stored)))
	}
	return prune(doc).(object)
}

// prune removes what is empty.
func prune(v any) any {
	switch v := v.(type) {
	case object:
		maps.DeleteFunc(v, func(_ string, inner any) bool { return prune(inner) == nil })
		if len(v) == 0 {
			return nil
		}
	case []any:
		if len(v) == 0 {
			return nil
		}
	}
	return v
}

// any of these may stand where something else is meant.
var odd = []string{
	`null`, `[]`, `""`, `{}`, `"x"`, `"True"`, `true`, `5`, `1.5`, `["x"]`, `[null]`, `[{}]`, `{"value":"x"}`, `[{"value":"x"},{"value":"y"}]`,
	`{"unknown":1}`, `[5]`, `[[]]`,
}

// value draws what a client sends for an attribute: mostly something sound.
func (g generator) value(a spec) string {
	if g.chance(15) {
		return g.pick(odd...)
	}
	one := func() string {
		if a.kind == "complex" {
			return g.fieldsSent(a.subs)
		}
		if a.kind == "boolean" && g.chance(30) {
			return g.pick(`"True"`, `"false"`)
		}
		return g.scalar(a)
	}
	if !a.multi {
		if v := one(); a.kind != "complex" || !g.chance(15) {
			return v
		}
		return "[" + one() + "]"
	}
	if g.chance(10) {
		return one()
	}
	var list []string
	for range 1 + g.count(2) {
		list = append(list, one())
	}
	return "[" + strings.Join(list, ",") + "]"
}

// fieldsSent draws the object that a client sends for a complex attribute.
func (g generator) fieldsSent(subs []spec) string {
	var fields []string
	for _, a := range subs {
		if g.chance(50) {
			continue
		}
		name := a.name
		if a.alias != "" && g.chance(20) {
			name = a.alias
		}
		fields = append(fields, strconv.Quote(g.spell(name))+":"+g.value(a))
	}
	if g.chance(5) {
		fields = append(fields, `"unknown":{"a":[1]}`)
	}
	return "{" + strings.Join(fields, ",") + "}"
}

// spell changes the case of a name now and then.
func (g generator) spell(name string) string {
	switch {
	case g.chance(90):
		return name
	case g.chance(50):
		return strings.ToUpper(name)
	default:
		return strings.ToLower(name)
	}
}

// condition draws a value filter for an attribute with some elements.
func (g generator) condition(a spec, elements []any) string {
	subs := a.subs
	if a.kind != "complex" {
		subs = []spec{{name: "value", kind: a.kind}}
	}
	comparison := func() string {
		sub := rapid.SampledFrom(subs).Draw(g.T, "sub")
		if t := find(subs, "type"); t != nil && g.chance(50) {
			sub = *t
		}
		op := "eq"
		if g.chance(25) {
			op = g.pick("ne", "co", "sw", "ew", "gt", "le", "pr", "EQ")
		}
		text := g.spell(sub.name) + " " + op
		if op != "pr" {
			literal := g.scalar(sub)
			if a.kind != "complex" {
				literal = g.scalar(a)
			}
			if len(elements) > 0 && g.chance(70) {
				v := rapid.SampledFrom(elements).Draw(g.T, "element")
				if element, ok := v.(object); ok {
					v = element[sub.name]
				}
				if _, list := v.([]any); v != nil && !list {
					literal = string(must(json.Marshal(v)))
				}
			}
			if g.chance(5) {
				literal = g.pick(`null`, `"x"`, `5`, `true`, `"True"`, `bare`)
			}
			text += " " + literal
		}
		if g.chance(10) {
			return "not (" + text + ")"
		}
		return text
	}
	text := comparison()
	for g.chance(20) {
		text += g.pick(" and ", " and ", " or ") + comparison()
	}
	if g.chance(2) {
		text = g.pick(`type regex "x"`, `type eq`, `unknown eq "x"`, `a.b eq "x"`, ``)
	}
	return text
}

// place is something that a path can name. urn is "" for the base schema; an attribute without a name is the whole schema.
type place struct {
	urn    string
	attr   spec
	sub    *spec
	filter string
}

// leaf is the attribute that a value at the place is for.
func (p place) leaf() spec {
	switch {
	case p.sub != nil:
		return *p.sub
	case p.filter != "":
		element := p.attr
		element.multi = false
		return element
	default:
		return p.attr
	}
}

func (g generator) place() (p place) {
	list := specs[g.core]
	if len(g.extensions) > 0 && g.chance(45) {
		p.urn = g.pick(g.extensions...)
		list = specs[p.urn]
		if g.chance(8) {
			return p
		}
	}
	p.attr = rapid.SampledFrom(list).Draw(g.T, "attribute")
	if p.attr.readOnly && !g.chance(20) {
		p.attr = list[len(list)-1]
	}
	if held := g.held(p.urn); len(held) > 0 && g.chance(60) {
		if a := find(list, g.pick(slices.Sorted(maps.Keys(held))...)); a != nil {
			p.attr = *a
		}
	}
	switch { // more of what has most rules
	case g.core == groupURN && !g.chance(40):
		p.attr = *find(list, "members")
	case g.core == coreURN && g.chance(30):
		p.urn, p.attr = badgeURN, *find(specs[badgeURN], g.pick("codes", "floors", "visits"))
	}
	if p.attr.kind != "complex" && !p.attr.multi {
		if g.chance(2) {
			p.filter = `type eq "work"`
		}
		return p
	}
	if p.attr.kind == "complex" && (g.chance(50) && p.attr.name != "members" || g.chance(5)) {
		sub := rapid.SampledFrom(p.attr.subs).Draw(g.T, "sub-attribute")
		if sub.readOnly && !g.chance(20) {
			sub = p.attr.subs[0]
		}
		p.sub = &sub
	}
	if p.attr.multi && (g.chance(80) || p.sub != nil && !g.chance(5)) || g.chance(3) {
		elements, _ := g.held(p.urn)[p.attr.name].([]any)
		p.filter = g.condition(p.attr, elements)
		if p.attr.name == "members" {
			p.filter = g.memberFilter()
		}
	}
	return p
}

// local spells a place inside its schema.
func (g generator) local(p place) string {
	text := g.spell(p.attr.name)
	if p.filter != "" {
		text += "[" + p.filter + "]"
	}
	if p.sub != nil {
		name := p.sub.name
		if p.sub.alias != "" && g.chance(20) {
			name = p.sub.alias
		}
		text += "." + g.spell(name)
	}
	return text
}

// path spells a place as the path of an operation.
func (g generator) path(p place) string {
	urn := p.urn
	if urn == "" {
		urn = g.core
	}
	switch {
	case p.attr.name == "":
		return g.spell(urn)
	case p.urn == "" && g.chance(80), g.chance(10):
		return g.local(p)
	case p.filter == "" && g.chance(8):
		return g.spell(urn) + "." + g.local(p)
	default:
		return g.spell(urn) + ":" + g.local(p)
	}
}

// strange are paths that name nothing, or nothing that can be written.
var strange = []string{
	"nickNme", "name.nick", `emails.display[type eq "work"]`, `emails.value[type eq "work"].display`, "emails[", "a..b", ".a", "userName.", "emails[type eq \"work\"]value", "5", "", "/emails/0", "emails[0]",
	"urn:example:foreign:1.0:User:color", "urn:ietf:params:scim:schemas:extension:acme:2.0:User:color", "urn:ietf:params:scim:schemas:core:2.0:Nobody:x",
	"urn:example:foreign:1.0:User:active", enterpriseURN + ":nothing", enterpriseURN + ":manager.nothing", "id", "meta", "meta.created", "password",
}

// sent draws what a client sends to a place.
func (g generator) sent(p place) string {
	switch {
	case p.attr.name == "" && g.chance(20):
		return g.pick(odd...)
	case p.attr.name == "":
		return g.object(p.urn)
	case p.attr.name == "members":
		return g.members()
	case p.filter != "" && p.sub == nil && g.chance(30):
		return g.pick("null", `""`, "{}", "[]", `{"type":null}`)
	default:
		return g.value(p.leaf())
	}
}

// object draws the value of an operation without a path, or of a schema's URN.
func (g generator) object(urn string) string {
	var fields []string
	seen := map[string]bool{}
	add := func(key, value string) {
		if lower := strings.ToLower(key); !seen[lower] {
			seen[lower] = true
			fields = append(fields, quoted(key)+":"+value)
		}
	}
	for range 1 + g.count(3) {
		p := g.place()
		switch {
		case urn != "" && p.urn != urn:
		case urn == "" && p.urn != "" && g.chance(40):
			add(g.spell(p.urn), g.object(p.urn))
		case p.attr.name == "":
		case urn == "" && p.sub == nil && p.filter == "" && p.urn == "":
			add(g.spell(p.attr.name), g.sent(p))
		case urn == "":
			add(g.path(p), g.sent(p))
		case g.chance(40):
			add(g.local(p), g.sent(p))
		default:
			add(g.local(place{attr: p.attr}), g.value(p.attr))
		}
	}
	if g.chance(5) {
		add(g.pick("unknown", "schemas", "urn:example:foreign:1.0:User", "name.nothing", "name.givenName", coreURN+":title", badgeURN+":level",
			g.core, "urn:example:foreign:1.0:User:active"), g.pick(odd...))
	}
	return "{" + strings.Join(fields, ",") + "}"
}

func quoted(text string) string { return string(must(json.Marshal(text))) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// ids are the ids of members, in a group or out of it.
var ids = []string{"u1", "u2", "u3", "u4", "U1", "g1"}

// members draws a value for the members of a group.
func (g generator) members() string {
	one := func() string {
		switch id := quoted(g.pick(ids...)); {
		case g.chance(5):
			return g.pick(`{"unknown":1,"value":"u2"}`, `{"foo":1}`, `null`, `5`, `{"value":""}`, `{"value":null}`, `{"value":5}`)
		case g.chance(20):
			return `{"value":` + id + `,"type":"User","display":"x","$ref":null}`
		case g.chance(25):
			return id
		default:
			return `{"value":` + id + `}`
		}
	}
	switch {
	case g.chance(5):
		return one()
	case g.chance(6):
		return g.pick(`null`, `[]`, `"u1"`)
	case g.chance(7):
		return `{"members":[` + one() + `]}`
	}
	var list []string
	for range 1 + g.count(3) {
		list = append(list, one())
	}
	return "[" + strings.Join(list, ",") + "]"
}

// memberFilter draws a value filter for members.
func (g generator) memberFilter() string {
	if g.chance(30) {
		return g.pick(`type eq "User"`, `type eq "group"`, `display co "a"`, `display eq "ADA"`, `type ne "User"`, `not (value eq "u1")`,
			`value eq "u1" and type eq "User"`, `value pr`, `value eq "u1" or type eq "Group"`, `value sw "u"`, `value eq 5`, `color eq "red"`)
	}
	var terms []string
	for range 1 + g.count(2) {
		terms = append(terms, `value eq `+quoted(g.pick(ids...)))
	}
	return strings.Join(terms, " or ")
}

// operation draws one operation.
func (g generator) operation() string {
	op := g.pick("add", "remove", "replace", "replace")
	if g.chance(10) {
		op = g.pick("Add", "REMOVE", "Replace")
	}
	switch {
	case g.chance(1):
		return g.pick(`{"op":"move","path":"title","value":"x"}`, `{"op":"remove"}`, `{"op":"add","path":"title"}`, `{"op":"replace"}`, `{"op":"add","value":5}`)
	case g.chance(3):
		return fmt.Sprintf(`{"op":%q,"path":%s,"value":%s}`, op, quoted(g.pick(strange...)), g.pick(odd...))
	case g.chance(4) && len(g.extensions) > 0:
		urn := quoted(g.pick(append(slices.Clone(g.extensions), g.core, "urn:x:y")...))
		return g.pick(
			fmt.Sprintf(`{"op":%q,"path":"schemas","value":[%s]}`, op, urn),
			fmt.Sprintf(`{"op":%q,"path":%s,"value":%s}`, op, quoted("schemas[value eq "+urn+"]"), urn),
		)
	case g.chance(25) && !strings.EqualFold(op, "remove"):
		return fmt.Sprintf(`{"op":%q,"value":%s}`, op, g.object(""))
	}
	p := g.place()
	switch remove := strings.EqualFold(op, "remove"); {
	case remove && (p.filter != "" || p.attr.name == "" || g.chance(80)):
		return fmt.Sprintf(`{"op":%q,"path":%s}`, op, quoted(g.path(p)))
	case !remove && p.attr.name == "members" && p.filter != "" && !g.chance(20):
		id := quoted(g.pick(ids...))
		p.filter = "value eq " + id
		return fmt.Sprintf(`{"op":%q,"path":%s,"value":[{"value":%s}]}`, op, quoted(g.path(p)), id)
	}
	return fmt.Sprintf(`{"op":%q,"path":%s,"value":%s}`, op, quoted(g.path(p)), g.sent(p))
}

// request draws the operations of one PATCH.
func (g generator) request() string {
	var operations []string
	for range 1 + g.count(4) {
		operations = append(operations, g.operation())
	}
	return body(operations...)
}
