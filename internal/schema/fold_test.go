package schema_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

// folds are the three foldings by an attribute that has them.
var folds = map[string]string{"user name": "userName", "case": "displayName", "exact": "externalId"}

// Equal means equal bytes after folding (F-14): for uniqueness, filters and indexes alike.
func TestFoldEquality(t *testing.T) {
	t.Parallel()
	rt := userType(t)
	userName, text, exact := attr(t, rt, "userName"), attr(t, rt, "displayName"), attr(t, rt, "externalId")
	for _, c := range []struct {
		a, b                 string
		userName, caseFolded bool
	}{
		{"alice", "ALICE", true, true},
		{"alice@example.com", "Alice@Example.COM", true, true},
		{"a", "b", false, false},
		{"a", "a ", false, false},
		{"a b", "a  b", false, false},
		{"K", "\u212a", true, true},  // the Kelvin sign
		{"Å", "\u212b", true, true},  // the Ångström sign
		{"Ω", "\u2126", true, true},  // the Ohm sign
		{"é", "e\u0301", true, true}, // composed and decomposed
		{"É", "e\u0301", true, true},
		{"caf\u00e9", "CAFE\u0301", true, true},
		{"\u1e69", "s\u0323\u0307", true, true}, // two marks
		{"s\u0307\u0323", "s\u0323\u0307", true, true},
		{"\u1fb3\u0323", "\u03b1\u0323\u0345", true, true}, // the iota below becomes a letter, whichever mark stands before it
		{"ß", "ẞ", true, true},
		{"ß", "ss", false, true}, // lower case keeps ß; full folding makes it ss
		{"STRASSE", "straße", false, true},
		{"İ", "i\u0307", true, true}, // the dot stays, in every locale
		{"İ", "i", false, false},
		{"ı", "i", false, false},
		{"ı", "I", false, false},
		{"I", "i", true, true},
		{"Σ", "σ", true, true},
		{"ΟΔΟΣ", "οδοσ", true, true},
		{"οδος", "οδοσ", false, true},   // a final sigma typed as such is another letter to PRECIS
		{"ＡＬＩＣＥ", "alice", true, false}, // full width
		{"ｱ", "ア", true, false},         // half width
		{"ﬁ", "fi", false, true},        // a ligature
		{"ſ", "s", false, true},         // long s has an upper case, and is folded; it is lower case already
		{"o’neil@x", "O’NEIL@X", true, true},
		{"John Smith", "john smith", true, true},
		{"Ǆ", "ǆ", true, true},
		{"Ǆ", "ǅ", true, true},
		{"Ა", "ა", true, true},
		{"𐐀", "𐐨", true, true},   // outside of the basic plane
		{"а", "a", false, false}, // Cyrillic
		{"\u00a0", " ", false, false},
		{"", "", true, true},
	} {
		assert.Equal(t, c.userName, userName.Fold(c.a) == userName.Fold(c.b), "userName: %q %q", c.a, c.b)
		assert.Equal(t, c.caseFolded, text.Fold(c.a) == text.Fold(c.b), "displayName: %q %q", c.a, c.b)
		assert.Equal(t, c.a == c.b, exact.Fold(c.a) == exact.Fold(c.b), "externalId: %q %q", c.a, c.b)
	}
	covers(t, "7644-7.8-01")
}

// Which attribute folds how.
func TestFoldOfAttributes(t *testing.T) {
	t.Parallel()
	user, device := userType(t), deviceType(t)
	const sample = "ＡSTRAẞE"
	want := map[string]string{"user name": "astraße", "case": "ａstrasse", "exact": sample}
	for path, fold := range map[string]string{
		"userName": "user name", "displayName": "case", "title": "case", "name.givenName": "case", "emails.value": "case", "emails.type": "case",
		"externalId": "exact", "id": "exact", "meta.resourceType": "exact", "meta.location": "exact", "meta.created": "exact", "profileUrl": "exact",
		"photos.value": "exact", "x509Certificates.value": "exact", "groups.value": "exact", "schemas": "case",
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department":    "case",
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value": "exact",
	} {
		require.Equal(t, want[fold], attr(t, user, path).Fold(sample), path)
	}
	for path, fold := range map[string]string{"serial": "exact", "model": "case", "tags": "case", "key": "exact", "owner": "exact", "seen": "exact"} {
		require.Equal(t, want[fold], attr(t, device, path).Fold(sample), path)
	}
}

// Folding a second time changes nothing, for every code point alone and in company. Otherwise a key that is folded again, on its
// way from a store to a filter, would not find itself.
func TestFoldIsIdempotent(t *testing.T) {
	t.Parallel()
	rt := userType(t)
	for name, path := range folds {
		fold := attr(t, rt, path).Fold
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			marks := []string{"\u0301", "\u0345", "\u0307", "\u0323", "\u0327", "\u3099", "a", "S", "\u1161"}
			if race {
				marks = marks[:2]
			}
			// Nothing maps to U+0000 or composes with it, so that many texts are folded in one call.
			check := func(texts []string) (once []string) {
				joined := fold(strings.Join(texts, "\x00"))
				again := fold(joined)
				once = strings.Split(joined, "\x00")
				if joined == again && utf8.ValidString(joined) && len(once) == len(texts) {
					return once
				}
				for i, s := range texts {
					require.Equal(t, once[i], fold(once[i]), "%+q", s)
				}
				t.Fatalf("%+q becomes %+q and then %+q", texts, joined, again)
				return nil
			}
			for first := rune(1); first <= unicode.MaxRune; first += 512 {
				var single, pairs []string
				for r := first; r < min(first+512, unicode.MaxRune+1); r++ {
					if utf8.ValidRune(r) && (!race || r%37 == 0 || !dull(r)) {
						single = append(single, string(r))
					}
				}
				if len(single) == 0 {
					continue // surrogates
				}
				for i, once := range check(single) {
					s := single[i]
					if r, _ := utf8.DecodeRuneInString(s); once != s || unicode.IsMark(r) {
						// What is mapped, or goes together with its neighbours.
						for _, mark := range marks {
							pairs = append(pairs, s+mark, mark+s)
						}
					}
				}
				if len(pairs) > 0 {
					check(pairs)
				}
			}
		})
		t.Run(name+", random", func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				s := rapid.StringN(0, 12, -1).Draw(t, "s")
				once := fold(s)
				require.Equal(t, once, fold(once), "%+q", s)
			})
		})
	}
}

// dull tells the code points that are nothing to a fold by Unicode's own tables: no letter with case, no mark, and the same in every
// normal form. The race detector makes folding slow, and has nothing to find in it; under it they are sampled.
func dull(r rune) bool {
	s := string(r)
	return !unicode.IsMark(r) && unicode.SimpleFold(r) == r && norm.NFKD.IsNormalString(s)
}

// Texts that differ in case or normal form only are equal after folding, whatever their characters.
func TestFoldIgnoresCaseAndForm(t *testing.T) {
	t.Parallel()
	rt := userType(t)
	for name, path := range folds {
		if name == "exact" {
			continue
		}
		fold := attr(t, rt, path).Fold
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				s := text().Draw(t, "s")
				require.Equal(t, fold(s), fold(norm.NFD.String(s)), "%+q", s)
				require.Equal(t, fold(s), fold(norm.NFC.String(s)), "%+q", s)
			})
			// Of one character, simple upper and lower case are the same, except where a language distinguishes what Unicode's tables
			// join: dotless i, and for user names whatever has no lower case of its own.
			var apart []string
			for r := rune(0); r <= unicode.MaxRune; r++ {
				lower := unicode.ToLower(r)
				if lower != r && r != 'İ' && fold(string(r)) != fold(string(lower)) {
					apart = append(apart, string(r)+string(lower))
				}
			}
			require.Empty(t, apart)
		})
	}
}

// Folding never fails, whatever the bytes: PRECIS refuses names that identity providers send.
func TestFoldIsTotal(t *testing.T) {
	t.Parallel()
	rt := userType(t)
	inputs := []string{"", "\x00", "\xff", "a\xffb", "\xed\xa0\x80", "\u200d", "\u202e", "\ufeff", "\ufffe", "John Smith", "o’neil@x", strings.Repeat("\u0301", 1000), strings.Repeat("İ", 1000), "a\u200db"}
	for _, path := range folds {
		fold := attr(t, rt, path).Fold
		for _, s := range inputs {
			require.NotPanics(t, func() {
				require.Equal(t, s == "", fold(s) == "", "%+q: nothing but nothing becomes nothing", s)
			})
		}
		rapid.Check(t, func(t *rapid.T) {
			s := string(rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "bytes"))
			require.Equal(t, s == "", fold(s) == "")
		})
	}
}

// sw, co and ew compare folded texts. What holds before folding holds after it where no character straddles the cut: for texts cut
// at a boundary that normalisation respects.
func TestFoldKeepsPrefixes(t *testing.T) {
	t.Parallel()
	rt := userType(t)
	for name, path := range folds {
		fold := attr(t, rt, path).Fold
		for _, c := range [][2]string{
			{"ALICE@example.com", "ali"}, {"alice@example.com", "ALICE@"}, {"Straße 7", "STRAẞ"}, {"ΟΔΟΣ", "οδ"}, {"e\u0301t\u00e9", "\u00c9T"},
			{"İstanbul", "i\u0307st"}, {"K2", "\u212a"},
		} {
			want := name != "exact"
			require.Equal(t, want, strings.HasPrefix(fold(c[0]), fold(c[1])), "%s: %q %q", name, c[0], c[1])
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				s, rest := rapid.StringMatching(`[a-zA-Z0-9@ÄÖÜéß .-]{0,12}`).Draw(t, "s"), rapid.StringMatching(`[a-zA-Z0-9@ÄÖÜéß .-]{0,12}`).Draw(t, "rest")
				require.Equal(t, fold(s)+fold(rest), fold(s+rest))
			})
		})
	}
}

// Names of ASCII in lower case, nearly all there are, are folded without memory.
func TestFoldDoesNotAllocate(t *testing.T) {
	rt := userType(t)
	for _, path := range folds {
		a := attr(t, rt, path)
		require.Zero(t, testing.AllocsPerRun(100, func() { a.Fold("alice@example.com") }), path)
	}
}
