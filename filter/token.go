package filter

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	ast "github.com/scim2/filter-parser/v2"

	"github.com/scimkit/scim/dialect"
)

// next returns the byte at the parser's position, 0 at the end. U+0000 is part of no token, so the two need no telling apart.
func (p *parser) next() byte {
	if p.pos < len(p.text) {
		return p.text[p.pos]
	}
	return 0
}

// spaces skips spaces and reports whether there was one.
func (p *parser) spaces() bool {
	start := p.pos
	for p.next() == ' ' {
		p.pos++
	}
	return p.pos > start
}

// word consumes the longest run of characters that attribute paths, schema URIs and operators consist of.
func (p *parser) word() string {
	start := p.pos
	for p.pos < len(p.text) && isURI(p.text[p.pos]) {
		p.pos++
	}
	return p.text[start:p.pos]
}

// connective consumes and or or, with the spaces that must surround it.
func (p *parser) connective(name string) bool {
	start := p.pos
	if p.spaces() && foldedEqual(p.word(), name) && p.spaces() {
		return true
	}
	p.pos = start
	return false
}

// attributePath reads [URI ":"] name ["." sub]. Behind a URI the rest may have more dots, and parts that start with a digit:
// only the schemas that are known tell a URN that ends in "2.0" or is followed by a dot from a sub-attribute.
func (p *parser) attributePath() (ast.AttributePath, error) {
	start := p.pos
	text := p.word()
	colon := strings.LastIndexByte(text, ':')
	name, sub, dotted := strings.Cut(text[colon+1:], ".")
	path := ast.AttributePath{AttributeName: name}
	if dotted {
		path.SubAttribute = new(sub)
	}
	valid := isName(name) && (!dotted || isName(sub))
	if colon >= 0 {
		path.URIPrefix = new(text[:colon])
		valid = colon > 0 && isQualified(text[colon+1:])
	}
	if !valid {
		p.pos = start
		return ast.AttributePath{}, p.expected("an attribute")
	}
	return path, nil
}

// isName reports whether s is an attribute name of RFC 7643, section 2.1, where "$ref" starts with "$".
func isName(s string) bool {
	s = strings.TrimPrefix(s, "$")
	return s != "" && isLetter(s[0]) && isQualified(s) && !strings.Contains(s, ".")
}

// isQualified reports whether s consists of the characters of names, in parts divided by dots.
func isQualified(s string) bool {
	dot := true
	for i := range len(s) {
		switch c := s[i]; {
		case c == '.' && dot:
			return false
		case c == '.':
			dot = true
		case isLetter(c), isDigit(c), c == '-', c == '_', c == '$':
			dot = false
		default:
			return false
		}
	}
	return !dot
}

// operator returns the comparison operator that a word of any case names.
func operator(word string) (ast.CompareOperator, bool) {
	for _, op := range [...]ast.CompareOperator{ast.EQ, ast.PR, ast.NE, ast.CO, ast.SW, ast.EW, ast.GT, ast.GE, ast.LT, ast.LE} {
		if foldedEqual(word, string(op)) {
			return op, true
		}
	}
	return "", false
}

// value reads a comparison value: a JSON string, number, true, false or null.
func (p *parser) value() (any, error) {
	if p.next() == '"' {
		return p.quoted()
	}
	start := p.pos
	for p.pos < len(p.text) && strings.IndexByte(" )]", p.text[p.pos]) < 0 {
		p.pos++
	}
	switch word := p.text[start:p.pos]; {
	case word == "true":
		return true, nil
	case word == "false":
		return false, nil
	case word == "null":
		return nil, nil
	case isNumber(word):
		return json.Number(word), nil
	case isBareWord(word) && p.report.Allow(dialect.UnquotedLiteral):
		return word, nil
	}
	p.pos = start
	return nil, p.expected("a string in double quotes, a number, true, false or null")
}

// quoted reads a JSON string (RFC 8259, section 7).
func (p *parser) quoted() (any, error) {
	start, escaped := p.pos, false
	for i := start + 1; i < len(p.text); i++ {
		switch c := p.text[i]; {
		case c == '"':
			text, ok := p.text[start+1:i], true
			if escaped {
				text, ok = unescape(text)
			}
			if !ok || !utf8.ValidString(text) {
				return nil, p.fail("the string at byte %d of the %s has a bad escape, a lone surrogate, U+0000 or bytes that are not UTF-8", start, p.noun)
			}
			p.pos = i + 1
			return text, nil
		case c == '\\':
			escaped = true
			i++
		case c < ' ':
			return nil, p.fail("the string at byte %d of the %s holds a control character", start, p.noun)
		}
	}
	return nil, p.fail("the string at byte %d of the %s has no end", start, p.noun)
}

// unescape decodes the escapes of a JSON string. It refuses lone surrogates and U+0000, which no attribute may hold.
func unescape(s string) (string, bool) {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b = append(b, s[i])
			continue
		}
		i++
		at := strings.IndexByte(`"\/bfnrt`, s[i])
		if at >= 0 {
			b = append(b, "\"\\/\b\f\n\r\t"[at])
			continue
		}
		r, ok := hex4(s[i:])
		i += 4
		if utf16.IsSurrogate(r) && ok {
			var low rune
			low, ok = hex4(strings.TrimPrefix(s[i+1:], `\`))
			r = utf16.DecodeRune(r, low)
			ok = ok && r != utf8.RuneError && s[i+1] == '\\'
			i += 6
		}
		if !ok || r == 0 {
			return "", false
		}
		b = utf8.AppendRune(b, r)
	}
	return string(b), true
}

// hex4 reads the "uXXXX" that s starts with.
func hex4(s string) (rune, bool) {
	if len(s) < 5 || s[0] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(s[1:5], 16, 32)
	return rune(n), err == nil
}

// isNumber reports whether s is a JSON number (RFC 8259, section 6).
func isNumber(s string) bool {
	s = strings.TrimPrefix(s, "-")
	whole := digits(s)
	if whole == 0 || s[0] == '0' && whole > 1 {
		return false
	}
	s = s[whole:]
	if strings.HasPrefix(s, ".") {
		fraction := digits(s[1:])
		if fraction == 0 {
			return false
		}
		s = s[1+fraction:]
	}
	if s == "" {
		return true
	}
	if s[0]|0x20 != 'e' {
		return false
	}
	s = s[1:]
	if s != "" && (s[0] == '+' || s[0] == '-') {
		s = s[1:]
	}
	return s != "" && digits(s) == len(s)
}

// digits returns the number of digits that s starts with.
func digits(s string) int {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	return n
}

// foldedEqual compares a word with a lower-case keyword without ASCII case. Unicode folding would take U+212A for "k".
func foldedEqual(word, keyword string) bool {
	if len(word) != len(keyword) {
		return false
	}
	for i := range len(word) {
		if c := word[i]; c != keyword[i] && (!isLetter(c) || c|0x20 != keyword[i]) {
			return false
		}
	}
	return true
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// isURI reports whether c may occur in a schema URI, parentheses excepted, since they group.
func isURI(c byte) bool {
	return isLetter(c) || isDigit(c) || strings.IndexByte("-._~:$/%@!&'*+,;=?#", c) >= 0
}

// isBareWord reports whether s is a word of the unreserved characters of RFC 3986, section 2.3, and those of an e-mail address.
func isBareWord(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isLetter(c) && !isDigit(c) && strings.IndexByte("-._~@+", c) < 0 {
			return false
		}
	}
	return s != ""
}
