package filter_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	ast "github.com/scim2/filter-parser/v2"
)

// printFilter writes an expression as a filter with as few parentheses as keep its shape. The String methods of the syntax tree lose null
// and quote strings as Go does.
func printFilter(e ast.Expression) string { return printIn(e, 0) }

// printIn writes an operand; the levels are 0 for or and the top, 1 for and, 2 for the right operand of and.
func printIn(e ast.Expression, level int) string {
	switch e := e.(type) {
	case *ast.NotExpression:
		return "not (" + printFilter(e.Expression) + ")"
	case *ast.ValuePath:
		return e.AttributePath.String() + "[" + printFilter(e.ValueFilter) + "]"
	case *ast.AttributeExpression:
		if e.Operator == ast.PR {
			return e.AttributePath.String() + " pr"
		}
		return fmt.Sprintf("%s %s %s", e.AttributePath, e.Operator, printValue(e.CompareValue))
	case *ast.LogicalExpression:
		own := 0
		if e.Operator == ast.AND {
			own = 1
		}
		text := printIn(e.Left, own) + " " + string(e.Operator) + " " + printIn(e.Right, own+1)
		if own < level {
			return "(" + text + ")"
		}
		return text
	default:
		panic(fmt.Sprintf("unknown expression %T", e))
	}
}

func printValue(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	case json.Number:
		return v.String()
	default:
		var b strings.Builder
		encoder := json.NewEncoder(&b)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(v); err != nil {
			panic(err)
		}
		return strings.TrimSuffix(b.String(), "\n")
	}
}

func printPath(p ast.Path) string {
	text := p.AttributePath.String()
	if p.ValueExpression != nil {
		text += "[" + printFilter(p.ValueExpression) + "]"
	}
	if p.SubAttribute != nil {
		text += "." + *p.SubAttribute
	}
	return text
}
