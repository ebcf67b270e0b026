package dialect

import (
	"cmp"
	"strings"
)

// maxIgnored bounds the attribute names that one Report keeps.
const maxIgnored = 16

// Report says which rules are active for one request and records which fired. It belongs to one goroutine.
// A nil Report has every rule active, except UnquotedLiteral, and records nothing.
type Report struct {
	strict   bool
	unquoted bool
	fired    uint64
	ignored  []string
}

// NewReport starts the report of one request. strict turns every rule off; policy decides UnquotedLiteral.
func NewReport(strict bool, policy Policy) *Report {
	return &Report{strict: strict, unquoted: policy.UnquotedLiterals && !strict}
}

// Allow asks whether a request may deviate by rule, and records that it did. Call it only where the deviation takes effect.
func (r *Report) Allow(rule Rule) bool {
	if r == nil {
		return rule != UnquotedLiteral
	}
	if r.strict || rule == UnquotedLiteral && !r.unquoted {
		return false
	}
	r.fired |= 1 << rule
	return true
}

// Ignore asks whether an attribute that no schema defines may be ignored, and records its name: what of a key comes before the first
// character that no name has, since a key may be a path with a person's data in its filter.
func (r *Report) Ignore(key string) bool {
	if !r.Allow(UnknownAttribute) {
		return false
	}
	if r != nil && len(r.ignored) < maxIgnored {
		name := key
		if end := strings.IndexFunc(key, func(c rune) bool { return c >= 0x80 || !inName(byte(c)) }); end >= 0 {
			name = key[:end]
		}
		r.ignored = append(r.ignored, cmp.Or(Printable(name), "?"))
	}
	return true
}

// Fired returns the ids of the rules that fired, in declaration order, or nil.
func (r *Report) Fired() []string {
	if r == nil || r.fired == 0 {
		return nil
	}
	var ids []string
	for rule := range ruleCount {
		if r.fired&(1<<rule) != 0 {
			ids = append(ids, rule.ID())
		}
	}
	return ids
}

// Ignored returns the names of ignored attributes, at most 16, each of at most 64 letters, digits and ".:$_-"; "?" stands for a key that
// starts with none of these.
func (r *Report) Ignored() []string {
	if r == nil {
		return nil
	}
	return r.ignored
}

// Printable returns what of a name that a client made up may stand in an error or a log line: its first 64 bytes, "?" for whatever
// is no letter, digit or one of ".:$_-". What looks like a bearer token of this library, in the wrong place, is cut off.
func Printable(name string) string {
	const limit, token, tokenLength = 64, "scim_", 65
	if i := strings.Index(name, token); i >= 0 && len(name)-i >= tokenLength {
		name = name[:i] + token + "?"
	}
	b := []byte(name[:min(len(name), limit)])
	for i, c := range b {
		if !inName(c) {
			b[i] = '?'
		}
	}
	return string(b)
}

// inName reports whether a character can be part of an attribute's name or URN.
func inName(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	default:
		return c == '.' || c == ':' || c == '$' || c == '_' || c == '-'
	}
}
