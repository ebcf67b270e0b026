// Package mapping turns the SCIM attributes of a user into the fields of a member, by a table that the admin of a connection writes.
//
// The table has SCIM paths as keys and targets as values. A path is written as in a PATCH operation: dotted, with a schema's URN, or
// with a value filter. A value is a target, or an expression before one:
//
//	{
//	  "userName": "email",
//	  "emails[type eq \"work\"].value": "{{ value | downcase }}.email",
//	  "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department": "metadata.department",
//	  "userType": "{{ value | downcase | default: \"member\" }}.role"
//	}
//
// Keys that the table leaves out keep what [Defaults] gives them. [Compile] checks a table once; [Mapping.Apply] reads a document.
//
// # Expressions
//
// An expression is one output of the Liquid template language: value, then filters. The filters are downcase, upcase, strip, split,
// first, last, replace, prepend, append and default, and the functions that the host registers. Their arguments are quoted texts.
// They do what they do in Liquid, except that:
//
//   - nothing comes of nothing: filters leave an empty value empty, so that append alone makes no e-mail address, and only default
//     gives it one;
//   - what the filters would do without a word is refused by Compile: split without first or last behind it, first and last without
//     split before them, and an empty text to replace.
//
// # Limits
//
// A table has at most [MaxKeys] keys and [MaxBytes] bytes, an expression [MaxExpression] bytes and [MaxFilters] filters. An evaluation
// reads a value of at most [MaxValue] bytes, makes results of at most [MaxResult] bytes each and [MaxWork] bytes together, and answers
// with at most [MaxValue] bytes. Each filter takes time linear in these, which keeps an evaluation below a millisecond. A function of the
// host takes the time that it takes. Compile takes some 50 µs for each expression: it is for once per table, not once per document.
//
// # Security
//
// Both sides are untrusted: the table comes from a tenant's admin, the values from an identity provider. Liquid sees the table only,
// and of that only names, quoted texts and the signs between them: no tag, second output, property, index, range or operator reaches
// it. It runs an expression once, in Compile, on a recorder that notes which filters it calls; Apply walks the notes. Passwords and
// memberships cannot be mapped. Errors hold no value of a user; what a function of the host says is only their cause.
package mapping

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/scimkit/scim/internal/schema"
)

// The targets besides metadata. Each holds one text, except Role.
const (
	Email       = "email"
	GivenName   = "given_name"
	FamilyName  = "family_name"
	DisplayName = "display_name"
	UserName    = "user_name"
	ExternalID  = "external_id"
	Locale      = "locale"
	Timezone    = "timezone"
	Title       = "title"
	Role        = "role" // the id of a role of the host; it collects what all of its keys give
	// Metadata is what comes before the key of a metadata target, which is 1 to 64 of A-Z, a-z, 0-9 and "_.-".
	Metadata = "metadata."
)

// The limits, in bytes where they count no things.
const (
	MaxKeys       = 200      // keys of a mapping
	MaxBytes      = 64 << 10 // of all keys and values of a mapping together
	MaxExpression = 1 << 10  // of an expression with its braces
	MaxFilters    = 10       // in an expression
	MaxValue      = 8 << 10  // of the value that a key finds, and of what is made of it
	MaxResult     = 64 << 10 // of what one filter makes
	MaxWork       = 96 << 10 // of the value and what all filters of an expression make of it, together
	MaxRoles      = 100      // values that the keys of Role find in one document
)

var fields = []string{Email, GivenName, FamilyName, DisplayName, UserName, ExternalID, Locale, Timezone, Title, Role}

var metadataKey = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// Defaults returns the mapping of a connection that has none of its own. The caller may change it.
func Defaults() map[string]string {
	return map[string]string{
		"userName":                      Email,
		"emails[primary eq true].value": Email,
		"name.givenName":                GivenName,
		"name.familyName":               FamilyName,
		"displayName":                   DisplayName,
		"externalId":                    ExternalID,
		"locale":                        Locale,
		"timezone":                      Timezone,
		"title":                         Title,
	}
}

// Function is a filter of the host's own. It may be called by several goroutines at a time, and again for the same value, since
// transactions are repeated: it must have no effect besides its result. It is never called with an empty text. Its result must be
// UTF-8; an empty one is no value.
type Function = func(value string) (string, error)

// Error is a mapping that Compile refuses, or a value that Apply cannot map.
type Error struct {
	Key    string // as the mapping has it; "" for the mapping as a whole, or a function that cannot be one
	Reason string // a sentence for the admin, without its full stop; it names attributes and filters and holds no value of a user
	cause  error
}

// Error returns the key, at most 128 bytes of it, the reason, and the cause if there is one.
func (e *Error) Error() string {
	text := "attribute mapping"
	if e.Key != "" {
		text += ", key " + strconv.Quote(e.Key[:min(len(e.Key), 128)])
	}
	text += ": " + e.Reason
	if e.cause != nil {
		text += ": " + e.cause.Error()
	}
	return text
}

// Unwrap returns the error of a function of the host, or nil.
func (e *Error) Unwrap() error { return e.cause }

func refuse(key, format string, args ...any) *Error {
	return &Error{Key: key, Reason: fmt.Sprintf(format, args...)}
}

// Mapping is a compiled mapping. It is immutable and safe for concurrent use.
type Mapping struct {
	rt        *schema.ResourceType
	rules     []rule // the first that gives a value wins
	effective map[string]string
}

// rule is one key with its value.
type rule struct {
	source
	key      string // as written
	target   string
	explicit bool // not a default
	steps    []step
}

// Compile checks a mapping for the resources of a type and prepares it. Its keys are SCIM paths, in every spelling that a tolerant
// connection takes in a PATCH path. Defaults apply to the keys that it leaves out, as far as the type has their attributes; so an empty
// mapping, or nil, is the defaults. An expression without a target has the one that is the default of its key.
//
// functions are filters by name: a letter or "_", then letters, digits and "_", 64 at most, none of them upper-case.
//
// The error is an *Error: an attribute that does not exist, is complex, or is not the client's to map; a path, target, expression or
// function that is none; two keys for the same values; a limit exceeded.
func Compile(rt *schema.ResourceType, mapping map[string]string, functions map[string]Function) (*Mapping, error) {
	if err := checkSize(mapping); err != nil {
		return nil, err
	}
	if err := checkFunctions(functions); err != nil {
		return nil, err
	}
	defaults := defaultRules(rt)
	m := &Mapping{rt: rt, effective: make(map[string]string, len(mapping)+len(defaults))}
	maps.Copy(m.effective, mapping)
	named := make(map[string]string, len(mapping)) // keys by what they find
	for _, key := range slices.Sorted(maps.Keys(mapping)) {
		r := rule{key: key, explicit: true}
		var err error
		if r.source, err = newSource(rt, key); err != nil {
			return nil, err
		}
		if other, twice := named[r.canonical]; twice {
			return nil, refuse(key, "it finds the same values as the key %q", other)
		}
		named[r.canonical] = key
		if r.target, r.steps, err = readValue(key, mapping[key], functions); err != nil {
			return nil, err
		}
		if r.target == "" {
			if r.target = defaults[r.canonical].target; r.target == "" {
				return nil, refuse(key, "the expression needs a target behind it, as in {{ value }}.metadata.x, since the key has no default")
			}
		}
		m.rules = append(m.rules, r)
	}
	for canonical, r := range defaults {
		if _, listed := named[canonical]; !listed {
			m.rules = append(m.rules, r)
			m.effective[r.key] = r.target
		}
	}
	slices.SortFunc(m.rules, precedence)
	return m, nil
}

func checkSize(mapping map[string]string) error {
	if len(mapping) > MaxKeys {
		return refuse("", "it has more than %d keys", MaxKeys)
	}
	size := 0
	for key, value := range mapping {
		size += len(key) + len(value)
	}
	if size > MaxBytes {
		return refuse("", "its keys and values are longer than %d bytes", MaxBytes)
	}
	return nil
}

// defaultRules returns the defaults that a type has the attributes for, by what they find.
func defaultRules(rt *schema.ResourceType) map[string]rule {
	rules := make(map[string]rule)
	for key, target := range Defaults() {
		if s, err := newSource(rt, key); err == nil {
			rules[s.canonical] = rule{source: s, key: key, target: target}
		}
	}
	return rules
}

// readValue reads what a key is mapped to. The target is "" if an expression has none.
func readValue(key, value string, functions map[string]Function) (target string, steps []step, err error) {
	if !printable(value) {
		return "", nil, refuse(key, "its value holds a control character, or is not UTF-8")
	}
	target = value
	if strings.HasPrefix(value, opening) {
		length, err := extent(value)
		if err == nil {
			steps, err = readExpression(value[:length], functions)
		}
		if err != nil {
			return "", nil, refuse(key, "%v", err)
		}
		if value[length:] == "" {
			return "", steps, nil
		}
		rest, dotted := strings.CutPrefix(value[length:], ".")
		if !dotted {
			return "", nil, refuse(key, "a dot and a target must follow the expression")
		}
		target = rest
	}
	name, isMetadata := strings.CutPrefix(target, Metadata)
	switch {
	case isMetadata && !metadataKey.MatchString(name):
		return "", nil, refuse(key, "the key of %s must be 1 to 64 of A-Z, a-z, 0-9, _, . and -", strings.TrimSuffix(Metadata, "."))
	case !isMetadata && !slices.Contains(fields, target):
		return "", nil, refuse(key, "the target must be %s or metadata.<key>", strings.Join(fields, ", "))
	}
	return target, steps, nil
}

// printable reports whether a text is UTF-8 without control characters.
func printable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}

// precedence orders the keys of one target: those with a value filter first, then explicit ones, then e-mail addresses before anything
// else and userName after it, then the more conditions and the deeper path, then the alphabet.
func precedence(a, b rule) int {
	return cmp.Or(
		before(a.where != nil, b.where != nil),
		before(a.explicit, b.explicit),
		before(a.attribute.Path == "emails", b.attribute.Path == "emails"),
		before(a.attribute.Path != "userName", b.attribute.Path != "userName"),
		cmp.Compare(b.conditions(), a.conditions()),
		before(a.sub != nil, b.sub != nil),
		cmp.Compare(a.canonical, b.canonical),
	)
}

// before puts what has a property before what has not.
func before(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	default:
		return 1
	}
}

// Effective returns the mapping that applies: the keys that Compile was given, and the defaults of all others. Compiled again, it maps
// every document as before, except where two keys of the same target were told apart by one of them being a default.
func (m *Mapping) Effective() map[string]string { return maps.Clone(m.effective) }
