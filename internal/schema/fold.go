package schema

import (
	"strings"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
)

// folding is how an attribute's strings are made comparable. The same function serves uniqueness, filters and stored keys, so
// that no database ever folds case by its own rules.
type folding uint8

const (
	foldExact    folding = iota // caseExact: bytes
	foldCase                    // NFC and full case folding
	foldUserName                // the mappings of PRECIS UsernameCaseMapped (RFC 8265): width, lower case, NFC
)

// fold is total: PRECIS refuses names such as "John Smith" and "o’neil@x", which identity providers send.
func (f folding) fold(s string) string {
	if f == foldExact {
		return s
	}
	if lower, ok := lowerASCII(s); ok {
		return lower
	}
	// Decomposing first makes equal what is canonically equivalent (Unicode, section 3.13, D145), and the result a fixed point.
	if f == foldUserName {
		s = norm.NFD.String(width.Fold.String(s))
		return norm.NFC.String(cases.Lower(language.Und, cases.HandleFinalSigma(false)).String(s))
	}
	// The tables of cases.Fold swap the cases of Cherokee, which strings.ToLower mends.
	return norm.NFC.String(strings.ToLower(cases.Fold().String(norm.NFD.String(s))))
}

// lowerASCII lowers s if it is all ASCII, without allocating where nothing changes.
func lowerASCII(s string) (string, bool) {
	upper := -1
	for i := range len(s) {
		if c := s[i]; c >= 0x80 {
			return "", false
		} else if upper < 0 && 'A' <= c && c <= 'Z' {
			upper = i
		}
	}
	if upper < 0 {
		return s, true
	}
	b := []byte(s)
	for i := upper; i < len(b); i++ {
		if c := b[i]; 'A' <= c && c <= 'Z' {
			b[i] = c + ('a' - 'A')
		}
	}
	return string(b), true
}
