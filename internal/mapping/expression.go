package mapping

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/osteele/liquid"
)

const (
	opening = "{{"
	closing = "}}"
)

// extent returns the length of the expression that a text starts with. It lets pass names, quoted texts, spaces and "|", ":" and ",":
// whatever else Liquid can do needs other characters.
func extent(text string) (int, error) {
	quote := byte(0)
	for i := len(opening); i < len(text); i++ {
		switch c := text[i]; {
		case strings.HasPrefix(text[i:], closing):
			if quote != 0 {
				return 0, errors.New("a quoted text in an expression must not hold }}") // Liquid knows no quotes there
			}
			if i += len(closing); i > MaxExpression {
				return 0, fmt.Errorf("the expression is longer than %d bytes", MaxExpression)
			}
			return i, nil
		case quote == c:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote == 0 && !inExpression(c):
			return 0, fmt.Errorf("an expression is made of value, filters and quoted texts: byte %d fits none", i)
		}
	}
	return 0, errors.New("the expression does not end: }} is missing")
}

func inExpression(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	default:
		return strings.IndexByte("_|:, ", c) >= 0
	}
}

// mark stands for the value of an expression and what its filters make of it: 0 is the value itself.
type mark int

// String returns what no expression can write.
func (m mark) String() string { return "\x00" + strconv.Itoa(int(m)) }

// recorder notes which filters an expression calls.
type recorder struct {
	functions map[string]Function
	calls     mark
	steps     []step
	separator *string // of a split that waits for first or last
	err       error   // the first refusal
}

// readExpression has Liquid read an expression, braces included, that extent has passed.
func readExpression(text string, functions map[string]Function) (steps []step, err error) {
	// The lexer panics on what it has no error for: a number of more than 64 bits.
	defer func() {
		if recover() != nil {
			err = errors.New("the expression cannot be read")
		}
	}()
	r := &recorder{functions: functions}
	engine := liquid.NewBasicEngine() // without tags and filters
	for name := range filters {
		engine.RegisterFilter(name, r.note(name))
	}
	for name := range functions {
		engine.RegisterFilter(name, r.note(name))
	}
	template, failed := engine.ParseString(text)
	if failed != nil {
		return nil, fmt.Errorf("the expression cannot be read: %w", failed.Cause())
	}
	out, failed := template.RenderString(liquid.Bindings{"value": mark(0)})
	switch {
	case r.err != nil:
		return nil, r.err
	case failed != nil:
		return nil, fmt.Errorf("%w: the filters are %s", failed.Cause(), strings.Join(r.names(), ", "))
	case out != r.calls.String():
		return nil, errors.New("an expression must start with value, and apply nothing but filters to it")
	case r.separator != nil:
		return nil, errors.New("the filter split needs first or last behind it")
	}
	return r.steps, nil
}

func (r *recorder) names() []string {
	return append(slices.Sorted(maps.Keys(filters)), slices.Sorted(maps.Keys(r.functions))...)
}

// note returns the filter that Liquid calls by a name.
func (r *recorder) note(name string) func(any, ...any) (mark, error) {
	return func(in any, arguments ...any) (mark, error) {
		texts := make([]string, len(arguments))
		for i, argument := range arguments {
			text, ok := argument.(string)
			if !ok {
				return 0, r.refuse("the arguments of the filter %s must be quoted texts", name)
			}
			texts[i] = text
		}
		if in != r.calls {
			return 0, r.refuse("the filter %s must be applied to value", name)
		}
		if r.calls++; r.calls > MaxFilters {
			return 0, r.refuse("an expression has at most %d filters", MaxFilters)
		}
		return r.calls, r.add(name, texts)
	}
}

func (r *recorder) refuse(format string, args ...any) error {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
	return r.err
}

// add notes a step. split and the filter behind it are one, so that a list of parts never exists.
func (r *recorder) add(name string, arguments []string) error {
	known := filters[name]
	if len(arguments) != known.arguments {
		return r.refuse("the filter %s takes %d arguments, not %d", name, known.arguments, len(arguments))
	}
	separator := r.separator
	r.separator = nil
	isPart := name == "first" || name == "last"
	switch {
	case isPart && separator == nil:
		return r.refuse("the filter %s needs split before it", name)
	case isPart:
		arguments = []string{*separator}
	case separator != nil:
		return r.refuse("the filter split needs first or last behind it")
	case name == "split":
		r.separator = &arguments[0]
		return nil
	case name == "replace" && arguments[0] == "":
		return r.refuse("the filter replace needs a text to replace")
	}
	s := step{name: name, fills: name == "default"}
	if f, own := r.functions[name]; own {
		s.call = guarded(name, f)
	} else {
		s.call = known.call(arguments)
	}
	r.steps = append(r.steps, s)
	return nil
}

var functionName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,63}$`)

// words are what Liquid takes for something else than the name of a filter.
var words = []string{"and", "contains", "false", "in", "nil", "or", "true"}

func checkFunctions(functions map[string]Function) error {
	for _, name := range slices.Sorted(maps.Keys(functions)) {
		_, taken := filters[name]
		switch {
		case !functionName.MatchString(name) || slices.Contains(words, name):
			return refuse("", "the function %q must be named by 1 to 64 of a-z, 0-9 and _, the first no digit, and no word of Liquid", name)
		case taken:
			return refuse("", "the function %s has the name of a filter", name)
		case functions[name] == nil:
			return refuse("", "the function %s is nil", name)
		}
	}
	return nil
}
