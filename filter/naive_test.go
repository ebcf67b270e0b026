package filter_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	ast "github.com/scim2/filter-parser/v2"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/internal/schema"
)

// This file is a second opinion on what a filter means: an evaluator of syntax trees over maps that knows nothing of the schema but
// the table below, and generators for both. It is written for obviousness, and shares no code with the package.

// field is an attribute, or a sub-attribute inside its parent.
type field struct {
	path string // as filters write it, and the keys to it in JSON
	keys []string
	typ  string // string, exact, userName, boolean, integer, decimal, time, complex
	many bool
	subs []field // of complex attributes
}

var fields = []field{
	{path: "userName", keys: []string{"userName"}, typ: "userName"},
	{path: "externalId", keys: []string{"externalId"}, typ: "exact"},
	{path: "title", keys: []string{"title"}, typ: "string"},
	{path: "active", keys: []string{"active"}, typ: "boolean"},
	{path: "name.givenName", keys: []string{"name", "givenName"}, typ: "string"},
	{path: "name.familyName", keys: []string{"name", "familyName"}, typ: "string"},
	{path: schema.EnterpriseURN + ":department", keys: []string{schema.EnterpriseURN, "department"}, typ: "string"},
	{path: badgeURN + ":level", keys: []string{badgeURN, "level"}, typ: "integer"},
	{path: badgeURN + ":ratio", keys: []string{badgeURN, "ratio"}, typ: "decimal"},
	{path: badgeURN + ":issued", keys: []string{badgeURN, "issued"}, typ: "time"},
	{path: badgeURN + ":lost", keys: []string{badgeURN, "lost"}, typ: "boolean"},
	{path: badgeURN + ":site", keys: []string{badgeURN, "site"}, typ: "exact"},
	{path: badgeURN + ":codes", keys: []string{badgeURN, "codes"}, typ: "string", many: true},
	{path: badgeURN + ":floors", keys: []string{badgeURN, "floors"}, typ: "integer", many: true},
	{path: "emails", keys: []string{"emails"}, typ: "complex", many: true, subs: []field{
		{path: "value", typ: "string"}, {path: "type", typ: "string"}, {path: "primary", typ: "boolean"},
	}},
	{path: "name", keys: []string{"name"}, typ: "complex", subs: []field{
		{path: "givenName", typ: "string"}, {path: "familyName", typ: "string"},
	}},
	{path: "id", keys: []string{"id"}, typ: "exact"},
	{path: "meta.created", keys: []string{"meta", "created"}, typ: "time"},
	{path: "meta.lastModified", keys: []string{"meta", "lastModified"}, typ: "time"},
	{path: "meta.version", keys: []string{"meta", "version"}, typ: "exact"},
	{path: "meta.location", keys: []string{"meta", "location"}, typ: "exact"},
	{path: "meta.resourceType", keys: []string{"meta", "resourceType"}, typ: "exact"},
}

// naive evaluates an expression over a resource, or over one element if inside is not nil.
func naive(e ast.Expression, resource map[string]any, inside *field) bool {
	switch e := e.(type) {
	case *ast.LogicalExpression:
		left, right := naive(e.Left, resource, inside), naive(e.Right, resource, inside)
		if e.Operator == ast.AND {
			return left && right
		}
		return left || right
	case *ast.NotExpression:
		return !naive(e.Expression, resource, inside)
	case *ast.ValuePath:
		f := find(fields, e.AttributePath.String())
		for _, element := range list(dig(resource, f.keys)) {
			m, ok := element.(map[string]any)
			if !ok {
				m = map[string]any{"value": element}
			}
			if naive(e.ValueFilter, m, f) {
				return true
			}
		}
		return false
	case *ast.AttributeExpression:
		return naiveComparison(e, resource, inside)
	default:
		panic(fmt.Sprintf("%T", e))
	}
}

func naiveComparison(e *ast.AttributeExpression, resource map[string]any, inside *field) bool {
	path := e.AttributePath.String()
	if e.Operator == ast.NE {
		eq := *e
		eq.Operator = ast.EQ
		return !naiveComparison(&eq, resource, inside)
	}
	var f *field
	var values []any
	switch {
	case inside != nil && inside.typ != "complex":
		f, values = inside, list(resource["value"])
	case inside != nil:
		f = find(inside.subs, path)
		value, found := resource[f.path]
		if f.path == "primary" && !found && e.Operator == ast.EQ && e.CompareValue != nil {
			value = false
		}
		values = list(value)
	case find(fields, path) != nil:
		f = find(fields, path)
		values = list(dig(resource, f.keys))
		if f.typ == "complex" && e.Operator != ast.PR && e.CompareValue != nil { // means .value
			return naive(&ast.ValuePath{AttributePath: e.AttributePath, ValueFilter: &ast.AttributeExpression{
				AttributePath: ast.AttributePath{AttributeName: "value"}, Operator: e.Operator, CompareValue: e.CompareValue,
			}}, resource, nil)
		}
	default: // emails.type: the same as emails[type …]
		parent := e.AttributePath
		parent.SubAttribute = nil
		inner := *e
		inner.AttributePath = ast.AttributePath{AttributeName: *e.AttributePath.SubAttribute}
		if e.Operator == ast.EQ && e.CompareValue == nil {
			inner.Operator = ast.PR
			return !naive(&ast.ValuePath{AttributePath: parent, ValueFilter: &inner}, resource, nil)
		}
		return naive(&ast.ValuePath{AttributePath: parent, ValueFilter: &inner}, resource, nil)
	}
	if e.Operator == ast.PR || e.CompareValue == nil {
		any := false
		for _, v := range values {
			any = any || naivePresent(v)
		}
		return any == (e.Operator == ast.PR)
	}
	for _, v := range values {
		if v != nil && naiveCompare(f.typ, v, string(e.Operator), e.CompareValue) {
			return true
		}
	}
	return false
}

func naiveCompare(typ string, v any, op string, literal any) bool {
	var order int
	switch typ {
	case "boolean":
		return v == literal
	case "integer":
		a, _ := new(big.Rat).SetString(string(v.(json.Number)))
		b, _ := new(big.Rat).SetString(string(literal.(json.Number)))
		order = a.Cmp(b)
	case "decimal":
		a, _ := v.(json.Number).Float64()
		b, _ := literal.(json.Number).Float64()
		order = big.NewFloat(a).Cmp(big.NewFloat(b))
	case "time":
		a, b := naiveTime(v.(string)), naiveTime(literal.(string))
		order = a.Compare(b)
	default:
		a, b := naiveFold(typ, v.(string)), naiveFold(typ, literal.(string))
		switch op {
		case "co":
			return strings.Contains(a, b)
		case "sw":
			return strings.HasPrefix(a, b)
		case "ew":
			return strings.HasSuffix(a, b)
		}
		order = strings.Compare(a, b)
	}
	return map[string]bool{"eq": order == 0, "gt": order > 0, "ge": order >= 0, "lt": order < 0, "le": order <= 0}[op]
}

func naiveTime(text string) time.Time {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		panic(err)
	}
	return at.UTC().Truncate(time.Microsecond)
}

func naiveFold(typ, s string) string {
	switch typ {
	case "exact":
		return s
	case "userName":
		return norm.NFC.String(strings.ToLower(norm.NFC.String(s)))
	default:
		return norm.NFC.String(cases.Fold().String(norm.NFC.String(s)))
	}
}

func naivePresent(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case string:
		return v != ""
	case map[string]any:
		for _, sub := range v {
			if naivePresent(sub) {
				return true
			}
		}
		return false
	default:
		return true
	}
}

func find(fields []field, path string) *field {
	for i := range fields {
		if strings.EqualFold(fields[i].path, path) {
			return &fields[i]
		}
	}
	return nil
}

func dig(m map[string]any, keys []string) any {
	for _, key := range keys[:len(keys)-1] {
		m, _ = m[key].(map[string]any)
	}
	return m[keys[len(keys)-1]]
}

// list returns the values of an attribute; an empty object is none (RFC 7643, section 2.5).
func list(v any) []any {
	values, ok := v.([]any)
	if !ok {
		values = []any{v}
	}
	return slices.DeleteFunc(slices.Clone(values), func(v any) bool {
		m, ok := v.(map[string]any)
		return v == nil || ok && len(m) == 0
	})
}

// canary is in texts and literals, and must never be in SQL.
const canary = "KanariE"

var pools = map[string][]any{
	"userName": {"alice", "ALICE", "Bob", "b'ob", "café", "cafe\u0301", "CAFÉ", "10%_x", `a\`, "ab", "a", canary, "\U0010FFFF", "z\U0010FFFF", "\uD7FF", "\uE000x", "日本"},
	"exact":    {"", "abc", "ABC", "aBc", "b", "%", "_", `\`, canary, "' OR 1=1 --", "é", "e\u0301"},
	"string":   {"", "work", "Work", "home", "straße", "STRASSE", "a%b", "a_b", `a\b`, "'", "É", "e\u0301x", canary, "workshop", "homework", "$1", "?"},
	"boolean":  {true, false},
	"integer":  {json.Number("0"), json.Number("1"), json.Number("7"), json.Number("-3"), json.Number("9007199254740993"), json.Number("9223372036854775807"), json.Number("-9223372036854775808")},
	"decimal":  {json.Number("0"), json.Number("1.5"), json.Number("-1.50"), json.Number("1e10"), json.Number("0.1"), json.Number("3")},
	"time": {"2024-02-29T23:30:00+01:00", "2024-02-29T22:30:00Z", "2024-02-29T22:30:00.000001Z", "2024-02-29T22:30:00.0000019Z", "1969-12-31T23:59:59.5Z", "2099-01-01T00:00:00Z",
		"0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"},
}

// beyond are literals that no stored value of the type is written like.
var beyond = map[string][]any{
	"integer": {json.Number("1.5"), json.Number("7.0"), json.Number("70e-1"), json.Number("1e30"), json.Number("-1e30"), json.Number("9223372036854775808"), json.Number("-9223372036854775808.5"), json.Number("-0")},
	"decimal": {json.Number("15e-1"), json.Number("1e300"), json.Number("-1e300")},
	"time":    {"2024-02-29T17:30:00-05:00", "2024-02-29T22:30:00.00000150Z"},
}

// drawValue draws a stored value, nil for none.
func drawValue(t *rapid.T, f field) any {
	if rapid.IntRange(0, 2).Draw(t, "unassigned") == 0 {
		return nil
	}
	one := func() any {
		if f.typ != "complex" {
			return rapid.SampledFrom(pools[f.typ]).Draw(t, f.path)
		}
		element := map[string]any{}
		for _, sub := range f.subs {
			if v := drawValue(t, sub); v != nil {
				element[sub.path] = v
			}
		}
		return element
	}
	if !f.many {
		return one()
	}
	values := []any{}
	for range rapid.IntRange(0, 3).Draw(t, "elements") {
		values = append(values, one())
	}
	return values
}

// drawResource draws what the evaluator sees and what a filter does.
func drawResource(t *rapid.T, id string) (map[string]any, filter.Record) {
	attributes := map[string]any{"schemas": []any{schema.UserURN}}
	for _, f := range fields {
		v := drawValue(t, f)
		if v == nil || f.keys[0] == "id" || f.keys[0] == "meta" {
			continue
		}
		m := attributes
		for _, key := range f.keys[:len(f.keys)-1] {
			if m[key] == nil {
				m[key] = map[string]any{}
			}
			m = m[key].(map[string]any)
		}
		m[f.keys[len(f.keys)-1]] = v
	}
	body, err := json.Marshal(attributes)
	if err != nil {
		t.Fatal(err)
	}
	at := func() time.Time { return naiveTime(rapid.SampledFrom(pools["time"]).Draw(t, "at").(string)) }
	r := filter.Record{
		ID: id, Version: rapid.Int64Range(1, 3).Draw(t, "version"), Created: at(), LastModified: at(), Document: schema.NewDocument(body),
	}
	attributes["id"] = id
	attributes["meta"] = map[string]any{
		"resourceType": "User", "location": options.Location + id, "version": `W/"` + strconv.FormatInt(r.Version, 10) + `"`,
		"created": r.Created.Format(time.RFC3339Nano), "lastModified": r.LastModified.Format(time.RFC3339Nano),
	}
	return attributes, r
}

// drawExpression draws a filter of at most depth levels; inside is the attribute whose brackets it stands in.
func drawExpression(t *rapid.T, depth int, inside *field) ast.Expression {
	choice := 0
	if depth > 0 {
		choice = rapid.IntRange(0, 6).Draw(t, "node")
	}
	switch choice {
	case 1, 2:
		return &ast.LogicalExpression{Left: drawExpression(t, depth-1, inside), Right: drawExpression(t, depth-1, inside), Operator: ast.AND}
	case 3, 4:
		return &ast.LogicalExpression{Left: drawExpression(t, depth-1, inside), Right: drawExpression(t, depth-1, inside), Operator: ast.OR}
	case 5:
		return &ast.NotExpression{Expression: drawExpression(t, depth-1, inside)}
	}
	if inside != nil {
		f := *inside
		f.path = "value"
		if inside.typ == "complex" {
			f = rapid.SampledFrom(inside.subs).Draw(t, "sub")
		}
		return drawComparison(t, f, ast.AttributePath{AttributeName: f.path})
	}
	f := rapid.SampledFrom(fields).Draw(t, "attribute")
	path := attributePath(f.path)
	switch {
	case f.typ != "complex" && (!f.many || rapid.Bool().Draw(t, "bare")):
		return drawComparison(t, f, path)
	case rapid.Bool().Draw(t, "brackets"):
		return &ast.ValuePath{AttributePath: path, ValueFilter: drawExpression(t, depth-1, &f)}
	case f.path == "emails" && rapid.Bool().Draw(t, "means value"):
		return drawComparison(t, field{typ: "string"}, path)
	case f.typ == "complex":
		sub := rapid.SampledFrom(f.subs).Draw(t, "sub")
		path.SubAttribute = &sub.path
		return drawComparison(t, sub, path)
	default:
		return drawComparison(t, f, path)
	}
}

func drawComparison(t *rapid.T, f field, path ast.AttributePath) ast.Expression {
	if rapid.Bool().Draw(t, "upper case") && path.URIPrefix == nil {
		path.AttributeName = strings.ToUpper(path.AttributeName)
	}
	ops := []ast.CompareOperator{ast.EQ, ast.NE, ast.PR}
	switch f.typ {
	case "boolean":
	case "integer", "decimal", "time":
		ops = append(ops, ast.GT, ast.GE, ast.LT, ast.LE)
	default:
		ops = append(ops, ast.GT, ast.GE, ast.LT, ast.LE, ast.CO, ast.SW, ast.EW, ast.CO, ast.SW, ast.EW)
	}
	e := &ast.AttributeExpression{AttributePath: path, Operator: rapid.SampledFrom(ops).Draw(t, "op")}
	if e.Operator == ast.PR || (e.Operator == ast.EQ || e.Operator == ast.NE) && rapid.IntRange(0, 5).Draw(t, "null") == 0 {
		return e
	}
	pool := pools[f.typ]
	switch {
	case strings.HasPrefix(f.path, "meta.") && f.typ == "exact":
		pool = []any{`W/"1"`, `W/"2"`, "User", "Group", options.Location, options.Location + "u1", "https", "u1", "/u", "Users/u", ""}
	case f.path == "id":
		pool = []any{"u1", "u", "1", "U1", "", "u2"}
	case len(beyond[f.typ]) > 0 && rapid.Bool().Draw(t, "beyond"):
		pool = beyond[f.typ]
	}
	e.CompareValue = rapid.SampledFrom(pool).Draw(t, "literal")
	if text, ok := e.CompareValue.(string); ok && f.typ != "time" && text != "" {
		runes := []rune(text)
		switch rapid.IntRange(0, 4).Draw(t, "cut") {
		case 0:
			e.CompareValue = string(runes[:1])
		case 1:
			e.CompareValue = string(runes[len(runes)-1:])
		}
	}
	return e
}

func attributePath(text string) ast.AttributePath {
	var p ast.AttributePath
	if colon := strings.LastIndexByte(text, ':'); colon >= 0 {
		p.URIPrefix = new(text[:colon])
		text = text[colon+1:]
	}
	name, sub, dotted := strings.Cut(text, ".")
	p.AttributeName = name
	if dotted {
		p.SubAttribute = &sub
	}
	return p
}
