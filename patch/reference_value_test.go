package patch_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// coerce gives a value the type of its attribute: nil for what counts as unassigned.
func (r *reference) coerce(a *spec, value any) (any, error) {
	list, isList := value.([]any)
	switch {
	case value == nil || value == "" && !r.strict && (a.multi || a.kind == "complex"):
		return nil, nil
	case a.multi && !isList:
		if _, ok := value.(object); r.strict || a.kind == "complex" && !ok {
			return nil, badValue
		}
		list = []any{value}
	case a.multi:
	case isList:
		return nil, badValue
	default:
		return r.one(a, value)
	}
	var elements []any
	for _, element := range list {
		v, err := r.one(a, element)
		if err != nil {
			return nil, err
		}
		if v != nil && !slices.ContainsFunc(elements, func(e any) bool { return same(e, v) }) {
			elements = append(elements, v)
		}
	}
	if elements == nil {
		return nil, nil
	}
	return elements, nil
}

// one is coerce for a single value.
func (r *reference) one(a *spec, value any) (any, error) {
	if value == nil {
		return nil, nil
	}
	if s, ok := value.(string); ok && a.kind == "complex" && !r.strict {
		switch {
		case s == "":
			return nil, nil
		case !a.multi && find(a.subs, "value") != nil:
			return object{"value": s}, nil
		}
	}
	switch a.kind {
	case "complex":
		return r.complex(a, value)
	case "boolean":
		if b, ok := value.(bool); ok {
			return b, nil
		}
		if s, ok := value.(string); ok && !r.strict && (strings.EqualFold(s, "true") || strings.EqualFold(s, "false")) {
			return strings.EqualFold(s, "true"), nil
		}
	case "integer":
		if n, ok := value.(json.Number); ok {
			if i, err := strconv.ParseInt(string(n), 10, 64); err == nil {
				return json.Number(strconv.FormatInt(i, 10)), nil
			}
		}
	case "decimal":
		if n, ok := value.(json.Number); ok {
			return n, nil
		}
	default:
		s, ok := value.(string)
		switch {
		case ok && s == "" && !r.strict:
			return nil, nil
		case ok && a.kind == "dateTime":
			_, err := time.Parse(time.RFC3339, s)
			ok = err == nil
		}
		if ok {
			return s, nil
		}
	}
	return nil, badValue
}

func (r *reference) complex(a *spec, value any) (any, error) {
	given, ok := value.(object)
	if !ok {
		return nil, badValue
	}
	v := object{}
	var failed error
	for key, raw := range given {
		sub := find(a.subs, key)
		if sub == nil && !r.strict {
			sub = a.aliased(key)
		}
		switch {
		case sub == nil && r.strict:
			failed = unknownInput
		case sub == nil || sub.readOnly:
		default:
			inner, err := r.coerce(sub, raw)
			if err != nil && failed == nil {
				failed = err
			}
			if inner != nil {
				v[sub.name] = inner
			}
		}
	}
	if failed != nil {
		return nil, failed
	}
	if len(v) == 0 {
		return nil, nil
	}
	return v, nil
}

// same compares JSON values; arrays are sets.
func same(x, y any) bool { return sortable(x) == sortable(y) }

// sortable renders a value so that equal ones have equal texts.
func sortable(v any) string {
	switch v := v.(type) {
	case object:
		var parts []string
		for key, inner := range v {
			parts = append(parts, strconv.Quote(key)+sortable(inner))
		}
		slices.Sort(parts)
		return fmt.Sprint("object", parts)
	case []any:
		var parts []string
		for _, inner := range v {
			parts = append(parts, sortable(inner))
		}
		slices.Sort(parts)
		return fmt.Sprint("array", parts)
	default:
		return fmt.Sprintf("%T%q", v, fmt.Sprint(v))
	}
}

func clone(v any) any {
	switch v := v.(type) {
	case object:
		c := object{}
		for key, inner := range v {
			c[key] = clone(inner)
		}
		return c
	case []any:
		var c []any
		for _, inner := range v {
			c = append(c, clone(inner))
		}
		return c
	default:
		return v
	}
}
