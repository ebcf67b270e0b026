package schema

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/internal/strict"
)

func (d *decoder) boolean(r *strict.Reader, a *Attribute) (Value, error) {
	refusal := invalid(a, "must be true or false")
	switch r.Kind() {
	case 't', 'f':
		b, err := r.Bool()
		return BoolValue(b), err
	case '"':
		text, err := r.String()
		if err != nil {
			return Value{}, err
		}
		if b, ok := ParseBool(text); ok && d.report.Allow(dialect.StringBoolean) {
			return BoolValue(b), nil
		}
		return Value{}, refusal
	default:
		return Value{}, r.Mismatch(refusal)
	}
}

// ParseBool reads "true" and "false" in any ASCII case.
func ParseBool(text string) (value, ok bool) {
	switch strict.FoldName(text) {
	case "true":
		return true, true
	case "false":
		return false, true
	default:
		return false, false
	}
}

func (d *decoder) number(r *strict.Reader, a *Attribute) (Value, error) {
	if r.Kind() != '0' {
		return Value{}, r.Mismatch(invalid(a, "must be a number"))
	}
	literal, err := r.Number()
	if err != nil {
		return Value{}, err
	}
	if a.Type == Integer {
		n, err := strconv.ParseInt(literal, 10, 64)
		if err != nil {
			return Value{}, invalid(a, "must be an integer of at most 64 bits, without fraction or exponent")
		}
		return NumberValue(strconv.FormatInt(n, 10)), nil
	}
	if _, ok := ParseDecimal(literal); !ok || len(literal) > maxDecimal {
		return Value{}, invalid(a, "must be a decimal number of at most %d characters within the range of a double", maxDecimal)
	}
	return NumberValue(literal), nil
}

const maxDecimal = 64 // characters of a decimal's literal

// ParseDecimal reads a JSON number as a double; ok is false outside of its range.
func ParseDecimal(literal string) (f float64, ok bool) {
	f, err := strconv.ParseFloat(literal, 64)
	return f, err == nil && !math.IsInf(f, 0)
}

func (d *decoder) text(r *strict.Reader, a *Attribute) (Value, error) {
	if r.Kind() != '"' {
		return Value{}, r.Mismatch(invalid(a, "must be a string"))
	}
	text, err := r.String()
	if err != nil || text == "" && !d.stored && d.report.Allow(dialect.EmptyString) {
		return Value{}, err
	}
	return d.checkText(a, text)
}

// checkText checks a string against the attribute's type and bounds.
func (d *decoder) checkText(a *Attribute, text string) (Value, error) {
	switch {
	case !a.Textual():
		return Value{}, invalid(a, "must not be a string")
	case len(text) > a.MaxBytes && !d.stored:
		return Value{}, invalid(a, "is longer than %d bytes", a.MaxBytes)
	case a.Type == DateTime:
		if _, ok := ParseTime(text); !ok {
			return Value{}, invalid(a, "must be a dateTime such as 2008-01-23T04:56:22Z")
		}
	case a.Type == Binary && !isBase64(text):
		return Value{}, invalid(a, "must be base64")
	}
	return TextValue(text), nil
}

// isBase64 accepts both alphabets of RFC 4648, with padding or without.
func isBase64(text string) bool {
	if strings.ContainsAny(text, "\r\n") { // which Go's decoder skips
		return false
	}
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		if _, err := encoding.DecodeString(text); err == nil {
			return true
		}
	}
	return false
}

// ParseTime reads an xsd:dateTime: a date and a time, with fraction and zone optional; without a zone it counts as UTC.
func ParseTime(text string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		// Go accepts a comma before the fraction, XML Schema does not.
		if t, err := time.Parse(layout, text); err == nil && !strings.Contains(text, ",") {
			return t, true
		}
	}
	return time.Time{}, false
}
