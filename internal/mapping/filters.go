package mapping

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"
)

// step is one filter of an expression with its arguments. Each takes time linear in the text.
type step struct {
	name  string
	fills bool // it gives an empty text a value; all others are not asked
	call  Function
}

var errTooLong = fmt.Errorf("is longer than %d bytes", MaxResult)

// filters are those of Liquid. call is nil for split, which is a part of the step behind it; the argument of first and last is that of
// split.
var filters = map[string]struct {
	arguments int
	call      func(arguments []string) Function
}{
	"downcase": {0, func([]string) Function { return always(strings.ToLower) }},
	"upcase":   {0, func([]string) Function { return always(strings.ToUpper) }},
	"strip":    {0, func([]string) Function { return always(strings.TrimSpace) }},
	"split":    {1, nil},
	"first":    {0, func(a []string) Function { return always(func(text string) string { return first(parts(text, a[0])) }) }},
	"last":     {0, func(a []string) Function { return always(func(text string) string { return last(parts(text, a[0])) }) }},
	"replace": {2, func(a []string) Function {
		return func(text string) (string, error) { return replace(text, a[0], a[1]) }
	}},
	"prepend": {1, func(a []string) Function { return always(func(text string) string { return a[0] + text }) }},
	"append":  {1, func(a []string) Function { return always(func(text string) string { return text + a[0] }) }},
	"default": {1, func(a []string) Function { return always(func(text string) string { return cmp.Or(text, a[0]) }) }},
}

func always(f func(string) string) Function {
	return func(text string) (string, error) { return f(text), nil }
}

// parts are what split makes. As in Liquid, one space stands for any white space, with none of it before the first part and behind the
// last, and an empty separator cuts between characters.
func parts(text, separator string) iter.Seq[string] {
	if separator == " " {
		return strings.FieldsSeq(text)
	}
	return strings.SplitSeq(text, separator)
}

func first(parts iter.Seq[string]) string {
	for part := range parts {
		return part
	}
	return ""
}

// last returns the last part that is not empty: split drops empty ones at the end.
func last(parts iter.Seq[string]) string {
	text := ""
	for part := range parts {
		if part != "" {
			text = part
		}
	}
	return text
}

// replace knows how long the result will be before it makes it.
func replace(text, old, replacement string) (string, error) {
	n := strings.Count(text, old)
	if len(text)+n*(len(replacement)-len(old)) > MaxResult {
		return "", errTooLong
	}
	return strings.Replace(text, old, replacement, n), nil
}

// guarded calls a function of the host, whose panic is an error. The errors are *Error without a key.
func guarded(name string, f Function) Function {
	return func(text string) (result string, err error) {
		defer func() {
			if p := recover(); p != nil {
				err = functionFailed(name, fmt.Errorf("panic: %v", p))
			}
		}()
		result, err = f(text)
		if err == nil && !utf8.ValidString(result) {
			err = errors.New("its result is not UTF-8")
		}
		if err != nil {
			return "", functionFailed(name, err)
		}
		return result, nil
	}
}

func functionFailed(name string, cause error) error {
	return &Error{Reason: "the function " + name + " failed", cause: cause}
}

// evaluate applies the expression of a rule to a value. The error is an *Error or that of ctx.
func (r *rule) evaluate(ctx context.Context, text string) (string, error) {
	if len(text) > MaxValue {
		return "", refuse(r.key, "the value is longer than %d bytes", MaxValue)
	}
	work := len(text)
	for _, s := range r.steps {
		if text == "" && !s.fills {
			continue
		}
		if err := ctx.Err(); err != nil {
			return "", err
		}
		var err error
		if text, err = s.call(text); err == nil && len(text) > MaxResult {
			err = errTooLong
		}
		if err != nil {
			return "", r.failed(s, err)
		}
		if work += len(text); work > MaxWork {
			return "", refuse(r.key, "the value and the results of the filters up to %s are longer than %d bytes together", s.name, MaxWork)
		}
	}
	if len(text) > MaxValue {
		return "", refuse(r.key, "the result of the expression is longer than %d bytes", MaxValue)
	}
	return text, nil
}

func (r *rule) failed(s step, err error) error {
	if own, ok := errors.AsType[*Error](err); ok {
		own.Key = r.key
		return own
	}
	return refuse(r.key, "the result of the filter %s %v", s.name, err)
}

// fills reports whether the expression can give a value where the document has none.
func (r *rule) fills() bool {
	return slices.ContainsFunc(r.steps, func(s step) bool { return s.fills })
}
