// Package strict reads JSON that comes from the network: RFC 8259 without its ambiguities, inside limits that are checked before
// any value is built.
//
// Refused: duplicate object keys (compared without ASCII case, since SCIM attribute names are), trailing data, invalid UTF-8, lone
// surrogates, U+0000 anywhere, nesting beyond Limits.Depth and more than Limits.Values values. The tokenizer is jsontext, which
// finds syntax errors, exact duplicates and bad Unicode; the rest is checked here.
package strict

import (
	"bytes"
	"fmt"
)

// Limits bound one document. Zero values are not allowed.
type Limits struct {
	Depth  int // objects and arrays inside each other
	Values int // objects, arrays, strings, numbers and literals, keys included
}

// Error is a document that was refused. Detail is a sentence for the client that holds nothing of the document.
type Error struct {
	Detail string
	cause  error
}

func (e *Error) Error() string { return e.Detail }
func (e *Error) Unwrap() error { return e.cause }

var byteOrderMark = []byte("\xef\xbb\xbf")

// TrimByteOrderMark returns body without a leading UTF-8 byte order mark and whether there was one.
func TrimByteOrderMark(body []byte) ([]byte, bool) {
	return bytes.CutPrefix(body, byteOrderMark)
}

// Check scans body once, without allocating, for what would make reading it costly or ambiguous: depth, number of values, and
// NUL as a byte or as an escape. It does not check the syntax otherwise.
func Check(body []byte, limits Limits) error {
	depth, values := 0, 0
	for i := 0; i < len(body); i++ {
		switch c := body[i]; c {
		case '{', '[':
			if depth++; depth > limits.Depth {
				return &Error{Detail: fmt.Sprintf("the JSON is nested deeper than %d levels", limits.Depth)}
			}
			values++
		case '}', ']':
			depth--
		case ',', ':':
			// Each separator announces one more value, which is close enough for a bound.
			values++
		case '"':
			end, nul := scanString(body, i+1)
			if nul {
				return &Error{Detail: fmt.Sprintf("the JSON holds the character U+0000 in the string at byte %d", i)}
			}
			i = end
		case 0:
			return &Error{Detail: fmt.Sprintf("the JSON holds the character U+0000 at byte %d", i)}
		}
		if values > limits.Values {
			return &Error{Detail: fmt.Sprintf("the JSON holds more than %d values", limits.Values)}
		}
	}
	return nil
}

// scanString returns the index of the quote that ends the string whose content starts at i, or the last index of body.
func scanString(body []byte, i int) (end int, nul bool) {
	for ; i < len(body); i++ {
		switch body[i] {
		case '"':
			return i, nul
		case 0:
			nul = true
		case '\\':
			if bytes.HasPrefix(body[i:], []byte(`\u0000`)) {
				nul = true
			}
			i++
		}
	}
	return len(body) - 1, nul
}
