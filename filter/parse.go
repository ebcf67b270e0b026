package filter

import (
	"fmt"

	ast "github.com/scim2/filter-parser/v2"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/internal/schema"
)

// Limits bound a filter or path. They are checked before the work that they bound is done. A zero field allows nothing.
type Limits struct {
	Bytes int // length of the text
	Depth int // parentheses, not( ) and brackets inside each other
	Terms int // attribute expressions
}

// The limits that a service provider takes unless it is told otherwise.
var (
	DefaultLimits = Limits{Bytes: 8192, Depth: 20, Terms: 100} // of a filter
	PathLimits    = Limits{Bytes: 1024, Depth: 20, Terms: 100} // of a PATCH path
)

// Parse reads a filter by the grammar of RFC 7644, figure 1 with its errata. The error is an *Error with invalidFilter: 400.
//
// Attribute names, operators, and, or and not may have any ASCII case; true, false and null are lower-case, as in JSON. Spaces may be
// repeated between tokens and surround the filter, but stand before and after each operator. "not" may touch its parenthesis. In
// brackets, and, or, not and parentheses nest freely. A URIPrefix is everything before the last colon of an attribute path; what
// follows it is left to ResourceType.Resolve, so that urn:…:User.name.givenName has the SubAttribute "name.givenName". Strings are
// decoded, numbers stay json.Number as written. Chains of and, and of or, lean to the left.
//
// One rule of report is asked: UnquotedLiteral makes a word of letters, digits and "-._~@+" a string.
func Parse(text string, limits Limits, report *dialect.Report) (ast.Expression, error) {
	p := parser{text: text, limits: limits, report: report, noun: "filter", scimType: schema.InvalidFilter}
	if len(text) > limits.Bytes {
		return nil, p.fail("the filter is longer than %d bytes", limits.Bytes)
	}
	p.spaces()
	e, err := p.disjunction()
	if err != nil {
		return nil, err
	}
	p.spaces()
	if p.pos < len(text) {
		return nil, p.expected("and, or, or the end")
	}
	return e, nil
}

// ParsePath reads the path of a PATCH operation (RFC 7644, figure 7): attrPath / valuePath [subAttr].
//
// The error is an *Error, 400: invalidFilter for an operator that does not exist, otherwise invalidPath, also inside the brackets.
// Names, spaces and literals are as in Parse; no space may separate the bracket from the sub-attribute after it.
func ParsePath(text string, limits Limits, report *dialect.Report) (ast.Path, error) {
	p := parser{text: text, limits: limits, report: report, noun: "path", scimType: schema.InvalidPath}
	if len(text) > limits.Bytes {
		return ast.Path{}, p.fail("the path is longer than %d bytes", limits.Bytes)
	}
	p.spaces()
	var path ast.Path
	var err error
	if path.AttributePath, err = p.attributePath(); err != nil {
		return ast.Path{}, err
	}
	p.spaces()
	if p.next() == '[' {
		if path.ValueExpression, err = p.brackets(); err != nil {
			return ast.Path{}, err
		}
		if path.SubAttribute, err = p.subAttribute(); err != nil {
			return ast.Path{}, err
		}
		p.spaces()
	}
	if p.pos < len(text) {
		return ast.Path{}, p.expected("the end")
	}
	return path, nil
}

// parser walks one text from left to right and never back over more than the spaces before a word.
type parser struct {
	text     string
	pos      int
	limits   Limits
	depth    int
	terms    int
	inside   bool // the brackets of a value path
	noun     string
	scimType string
	report   *dialect.Report
}

func (p *parser) disjunction() (ast.Expression, error) {
	left, err := p.conjunction()
	for err == nil && p.connective("or") {
		var right ast.Expression
		right, err = p.conjunction()
		left = &ast.LogicalExpression{Left: left, Right: right, Operator: ast.OR}
	}
	return left, err
}

func (p *parser) conjunction() (ast.Expression, error) {
	left, err := p.factor()
	for err == nil && p.connective("and") {
		var right ast.Expression
		right, err = p.factor()
		left = &ast.LogicalExpression{Left: left, Right: right, Operator: ast.AND}
	}
	return left, err
}

// factor reads a comparison, a value path, or a group with or without not.
func (p *parser) factor() (ast.Expression, error) {
	if p.next() == '(' {
		return p.enclosed(')')
	}
	if p.negation() {
		e, err := p.enclosed(')')
		return &ast.NotExpression{Expression: e}, err
	}
	path, err := p.attributePath()
	if err != nil {
		return nil, err
	}
	end := p.pos
	p.spaces()
	if p.next() == '[' {
		return p.valuePath(path)
	}
	p.pos = end
	return p.comparison(path)
}

// negation consumes "not" if a parenthesis follows; otherwise it is the name of an attribute.
func (p *parser) negation() bool {
	start := p.pos
	if foldedEqual(p.word(), "not") {
		p.spaces()
		if p.next() == '(' {
			return true
		}
	}
	p.pos = start
	return false
}

// enclosed reads a filter between the parenthesis or bracket at p.pos and the closing one.
func (p *parser) enclosed(closing byte) (ast.Expression, error) {
	if p.depth++; p.depth > p.limits.Depth {
		return nil, p.fail("the %s is nested deeper than %d levels", p.noun, p.limits.Depth)
	}
	p.pos++
	p.spaces()
	e, err := p.disjunction()
	if err != nil {
		return nil, err
	}
	p.spaces()
	if p.next() != closing {
		return nil, p.expected("and, or, or %q", closing)
	}
	p.pos++
	p.depth--
	return e, nil
}

// brackets reads the value filter of a value path.
func (p *parser) brackets() (ast.Expression, error) {
	if p.inside {
		return nil, p.fail("a value filter stands inside another one at byte %d of the %s", p.pos, p.noun)
	}
	p.inside = true
	e, err := p.enclosed(']')
	p.inside = false
	return e, err
}

func (p *parser) valuePath(path ast.AttributePath) (ast.Expression, error) {
	e, err := p.brackets()
	if err != nil {
		return nil, err
	}
	sub, err := p.subAttribute()
	if err != nil {
		return nil, err
	}
	if sub != nil {
		comparison, err := p.comparison(ast.AttributePath{AttributeName: *sub})
		if err != nil {
			return nil, err
		}
		e = &ast.LogicalExpression{Left: e, Right: comparison, Operator: ast.AND}
	}
	return &ast.ValuePath{AttributePath: path, ValueFilter: e}, nil
}

// subAttribute reads ".name" after a closing bracket, if it is there.
func (p *parser) subAttribute() (*string, error) {
	if p.next() != '.' {
		return nil, nil
	}
	p.pos++
	start := p.pos
	name := p.word()
	if !isName(name) {
		p.pos = start
		return nil, p.expected("the name of a sub-attribute")
	}
	return &name, nil
}

// comparison reads the operator and value that follow an attribute path.
func (p *parser) comparison(path ast.AttributePath) (ast.Expression, error) {
	if p.terms++; p.terms > p.limits.Terms {
		return nil, p.fail("the %s has more than %d conditions", p.noun, p.limits.Terms)
	}
	if !p.spaces() {
		return nil, p.expected("a space and an operator")
	}
	start := p.pos
	op, ok := operator(p.word())
	if !ok {
		p.pos, p.scimType = start, schema.InvalidFilter
		return nil, p.expected("one of the operators pr, eq, ne, co, sw, ew, gt, ge, lt and le")
	}
	e := &ast.AttributeExpression{AttributePath: path, Operator: op}
	if op == ast.PR {
		return e, nil
	}
	if !p.spaces() {
		return nil, p.expected("a space and a value")
	}
	var err error
	e.CompareValue, err = p.value()
	return e, err
}

// fail makes an error. format may name the parts of the grammar and numbers, never text of the request.
func (p *parser) fail(format string, args ...any) error {
	return &Error{ScimType: p.scimType, Detail: fmt.Sprintf(format, args...)}
}

func (p *parser) expected(what string, args ...any) error {
	return p.fail("expected "+what+" at byte %d of the %s", append(args, p.pos, p.noun)...)
}
