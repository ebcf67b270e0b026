package filter

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	ast "github.com/scim2/filter-parser/v2"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/internal/schema"
)

// test is an operator with a literal of the type of its attribute.
type test struct {
	attr    *schema.Attribute
	op      ast.CompareOperator // never ne, which is a negated eq
	literal schema.Value        // as sent, typed: the value that eq describes
	text    string              // folded
	folds   bool                // attr folds case
	pattern []byte              // text, for co
	number  int64               // integers; dateTimes in microseconds since 1970
	decimal float64
	absent  bool // holds where the sub-attribute is missing: primary eq false
}

func refuse(path, format string, args ...any) error {
	return &Error{ScimType: schema.InvalidFilter, Path: path, Detail: fmt.Sprintf(format, args...)}
}

// newTest checks that operator and literal fit the attribute.
func newTest(a *schema.Attribute, op ast.CompareOperator, literal any, report *dialect.Report) (test, error) {
	t := test{attr: a, op: op}
	ordered, substring := false, false
	switch op {
	case ast.PR:
		return t, nil
	case ast.EQ:
	case ast.GT, ast.GE, ast.LT, ast.LE:
		ordered = true
	case ast.CO, ast.SW, ast.EW:
		substring = true
	default:
		return t, refuse(a.Path, "the filter has an unknown operator")
	}
	if ordered && (a.Type == schema.Boolean || a.Type == schema.Binary) || substring && a.Type != schema.String && a.Type != schema.Reference {
		return t, refuse(a.Path, "the operator %s does not apply to %s, which is of type %s", op, a.Path, a.Type)
	}
	if literal == nil {
		return t, refuse(a.Path, "null can be compared by eq and ne only")
	}
	var fits bool
	switch a.Type {
	case schema.Boolean:
		fits = t.setBool(literal, report)
	case schema.Integer:
		fits = t.setInteger(literal)
	case schema.Decimal:
		fits = t.setDecimal(literal)
	case schema.DateTime:
		fits = t.setTime(literal)
	default:
		fits = t.setText(literal, report)
	}
	if !fits {
		return t, refuse(a.Path, "%s is of type %s and must be compared with %s", a.Path, a.Type, wanted[a.Type])
	}
	return t, nil
}

var wanted = map[schema.Type]string{
	schema.String:    "a string in double quotes",
	schema.Reference: "a string in double quotes",
	schema.Binary:    "a string in double quotes",
	schema.Boolean:   "true or false",
	schema.Integer:   "a number",
	schema.Decimal:   "a number within the range of a double",
	schema.DateTime:  `a string such as "2008-01-23T04:56:22Z"`,
}

func (t *test) setText(literal any, report *dialect.Report) bool {
	text, ok := literal.(string)
	if !ok {
		var number json.Number
		number, ok = literal.(json.Number) // a number without quotes, such as an employee's
		text, ok = string(number), ok && report.Allow(dialect.UnquotedLiteral)
	}
	t.literal, t.text = schema.TextValue(text), t.attr.Fold(text)
	t.folds = t.attr.Fold("A") != "A"
	if t.op == ast.CO {
		t.pattern = []byte(t.text)
	}
	return ok
}

func (t *test) setBool(literal any, report *dialect.Report) bool {
	b, ok := literal.(bool)
	if text, quoted := literal.(string); quoted {
		b, ok = schema.ParseBool(text)
		ok = ok && report.Allow(dialect.QuotedBoolean)
	}
	t.literal = schema.BoolValue(b)
	t.absent = !b && t.attr.Parent != nil && t.attr.Parent.Primary() == t.attr
	return ok
}

func (t *test) setTime(literal any) bool {
	text, ok := literal.(string)
	at, valid := schema.ParseTime(text)
	t.literal, t.number = schema.TextValue(text), at.UnixMicro()
	return ok && valid
}

func (t *test) setDecimal(literal any) (ok bool) {
	number, isNumber := literal.(json.Number)
	t.decimal, ok = schema.ParseDecimal(string(number))
	t.literal = schema.NumberValue(string(number))
	return ok && isNumber
}

// setInteger takes any number: with a fraction, or beyond 64 bits, it lies between two integers or outside of them all, and the
// test is changed into one that says the same of an integer.
func (t *test) setInteger(literal any) bool {
	number, ok := literal.(json.Number)
	if !ok {
		return false
	}
	n, err := strconv.ParseInt(string(number), 10, 64)
	if err != nil {
		floor, whole, ok := floor(string(number))
		if !ok {
			return false
		}
		n = floor.Int64()
		if !whole || !floor.IsInt64() {
			t.between(floor)
			return true
		}
	}
	t.number, t.literal = n, schema.NumberValue(strconv.FormatInt(n, 10))
	return true
}

// between replaces the comparison with a number that no int64 equals by one with the integer below it.
func (t *test) between(floor *big.Int) {
	above := t.op == ast.GT || t.op == ast.GE
	switch {
	case t.op == ast.EQ, !floor.IsInt64() && above == (floor.Sign() > 0):
		t.op, t.number = ast.LT, math.MinInt64 // never
	case !floor.IsInt64():
		t.op, t.number = ast.GE, math.MinInt64 // always
	case above:
		t.op, t.number = ast.GT, floor.Int64()
	default:
		t.op, t.number = ast.LE, floor.Int64()
	}
}

// maxExponent keeps a short literal from making a number of many digits. Doubles end at 1e308.
const maxExponent = 400

// floor returns the integer part of a JSON number, rounded down, and whether that is all of it.
func floor(literal string) (floor *big.Int, whole, ok bool) {
	if at := strings.IndexAny(literal, "eE"); at >= 0 {
		if exponent, err := strconv.Atoi(literal[at+1:]); err != nil || exponent > maxExponent || exponent < -maxExponent {
			return nil, false, false
		}
	}
	r, ok := new(big.Rat).SetString(literal)
	if !ok {
		return nil, false, false
	}
	return new(big.Int).Div(r.Num(), r.Denom()), r.IsInt(), true // the denominator is positive, so Div rounds down
}
