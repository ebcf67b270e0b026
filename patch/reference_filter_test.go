package patch_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// refFilter is a disjunction of conjunctions.
type refFilter [][]term

type term struct {
	name    string
	sub     *spec // the element itself if the attribute is simple
	simple  bool
	op      string
	literal any
	negated bool
}

var comparison = regexp.MustCompile(`^([$A-Za-z.]+) +([A-Za-z]+)(?: +(.+))?$`)

// filter parses the text between the brackets and checks it against the attribute before them.
func (r *reference) filter(a *spec, text string) (refFilter, error) {
	f, err := disjunction(text)
	if err != nil {
		return nil, err
	}
	for _, conjunction := range f {
		for i := range conjunction {
			t := &conjunction[i]
			if t.sub = find(a.subs, t.name); a.kind != "complex" && strings.EqualFold(t.name, "value") {
				t.sub, t.simple = a, true
			}
			if t.sub == nil {
				return nil, badFilter
			}
			if err := r.fits(t); err != nil {
				return nil, err
			}
		}
	}
	return f, nil
}

func disjunction(text string) (f refFilter, err error) {
	for alternative := range strings.SplitSeq(text, " or ") {
		var terms []term
		for part := range strings.SplitSeq(alternative, " and ") {
			t, err := newTerm(part)
			if err != nil {
				return nil, err
			}
			terms = append(terms, t)
		}
		f = append(f, terms)
	}
	return f, nil
}

func newTerm(text string) (t term, err error) {
	if inner, ok := strings.CutPrefix(text, "not ("); ok {
		t.negated, text = true, strings.TrimSuffix(inner, ")")
	}
	m := comparison.FindStringSubmatch(text)
	if m == nil {
		return t, badPath
	}
	t.name, t.op = m[1], strings.ToLower(m[2])
	if !slices.Contains([]string{"eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le", "pr"}, t.op) {
		return t, badFilter
	}
	if (t.op == "pr") != (m[3] == "") || m[3] != "" && !json.Valid([]byte(m[3])) {
		return t, badPath
	}
	if t.op == "pr" {
		return t, nil
	}
	t.literal = parse(json.RawMessage(m[3]))
	if t.op == "ne" {
		t.op, t.negated = "eq", !t.negated
	}
	if t.literal == nil && t.op == "eq" {
		t.op, t.negated = "pr", !t.negated
	}
	return t, nil
}

// fits checks operator and literal against the type of the attribute.
func (r *reference) fits(t *term) error {
	s, isString := t.literal.(string)
	_, isNumber := t.literal.(json.Number)
	b, isBool := t.literal.(bool)
	if t.op == "pr" {
		return nil
	}
	var sound bool
	switch t.sub.kind {
	case "boolean":
		if !isBool && isString && !r.strict {
			b, isBool = strings.EqualFold(s, "true"), strings.EqualFold(s, "true") || strings.EqualFold(s, "false")
		}
		t.literal = b
		sound = isBool && t.op == "eq"
	case "integer":
		sound = isNumber && !slices.Contains([]string{"co", "sw", "ew"}, t.op)
	default:
		sound = isString
	}
	if !sound {
		return badFilter
	}
	return nil
}

func (f refFilter) matches(element any) bool {
	for _, conjunction := range f {
		all := true
		for _, t := range conjunction {
			all = all && t.holds(element) != t.negated
		}
		if all {
			return true
		}
	}
	return false
}

func (t term) holds(element any) bool {
	v := element
	if !t.simple {
		v = element.(object)[t.sub.name]
	}
	if t.op == "pr" {
		return v != nil && v != ""
	}
	if list, ok := v.([]any); ok {
		return slices.ContainsFunc(list, t.equals)
	}
	return t.equals(v)
}

// equals compares one value with the literal.
func (t term) equals(v any) bool {
	if v == nil {
		return t.sub.name == "primary" && same(t.literal, false) // RFC 7643, section 2.4
	}
	switch t.sub.kind {
	case "boolean":
		return v == t.literal
	case "integer":
		x, _ := v.(json.Number).Int64()
		y, _ := t.literal.(json.Number).Int64()
		return map[string]bool{"eq": x == y, "gt": x > y, "ge": x >= y, "lt": x < y, "le": x <= y}[t.op]
	}
	x, y := v.(string), t.literal.(string)
	if !t.sub.exact {
		x, y = strings.ToLower(x), strings.ToLower(y)
	}
	switch t.op {
	case "co":
		return strings.Contains(x, y)
	case "sw":
		return strings.HasPrefix(x, y)
	case "ew":
		return strings.HasSuffix(x, y)
	default:
		return map[string]bool{"eq": x == y, "gt": x > y, "ge": x >= y, "lt": x < y, "le": x <= y}[t.op]
	}
}

// template is the element that the filter describes, nil if it is more than eq terms joined by and.
func (f refFilter) template(a *spec) any {
	if len(f) != 1 {
		return nil
	}
	element := object{}
	for _, t := range f[0] {
		if t.op != "eq" || t.negated || t.literal == "" || t.sub.readOnly {
			return nil
		}
		if a.kind != "complex" {
			if len(f[0]) > 1 {
				return nil
			}
			return t.literal
		}
		if element[t.sub.name] != nil {
			return nil
		}
		element[t.sub.name] = t.literal
		if t.sub.multi {
			element[t.sub.name] = []any{t.literal}
		}
	}
	return element
}
