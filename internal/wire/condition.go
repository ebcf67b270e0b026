package wire

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/scimkit/scim/store"
)

// ETag returns the entity tag of a version. It is weak, because one version has several representations (RFC 7644, section 3.14).
func ETag(v store.Version) string { return `W/"` + Opaque(v) + `"` }

// Opaque returns what stands between the quotes of an entity tag, and what Condition.Check compares.
func Opaque(v store.Version) string { return strconv.FormatInt(int64(v), 10) }

// Condition holds the preconditions of a request: RFC 9110, section 13. The zero value is always met.
type Condition struct {
	match, noneMatch       []string // opaque parts of the tags
	anyMatch, anyNoneMatch bool     // "*"
	hasMatch, hasNoneMatch bool
	safe                   bool
}

// ParseCondition reads If-Match and If-None-Match. Malformed ones are refused with 400: they must not make a write unconditional.
func ParseCondition(r *http.Request) (c Condition, err error) {
	c.safe = r.Method == http.MethodGet || r.Method == http.MethodHead
	if c.match, c.anyMatch, c.hasMatch, err = parseTags(r, "If-Match"); err != nil {
		return c, err
	}
	c.noneMatch, c.anyNoneMatch, c.hasNoneMatch, err = parseTags(r, "If-None-Match")
	return c, err
}

// Conditional reports whether there is a precondition at all.
func (c Condition) Conditional() bool { return c.hasMatch || c.hasNoneMatch }

// parseTags reads a list of entity tags. Weak and strong ones compare alike: clients send back the weak tags that they got, with
// which the strong comparison that RFC 9110 wants for If-Match never succeeds.
func parseTags(r *http.Request, header string) (tags []string, star, present bool, err error) {
	values := r.Header.Values(header)
	if len(values) == 0 {
		return nil, false, false, nil
	}
	bad := BadRequest("", "the header "+header+" is malformed: it holds * or a list of entity tags in double quotes")
	rest := strings.Trim(strings.Join(values, ","), " \t")
	if rest == "*" {
		return nil, true, true, nil
	}
	for rest != "" {
		opaque, opened := strings.CutPrefix(strings.TrimPrefix(rest, "W/"), `"`)
		tag, after, closed := strings.Cut(opaque, `"`)
		after = strings.TrimLeft(after, " \t")
		if !opened || !closed || after != "" && after[0] != ',' || strings.ContainsFunc(tag, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			return nil, false, true, bad
		}
		tags = append(tags, tag)
		rest = strings.TrimLeft(after, ", \t")
	}
	if len(tags) == 0 {
		return nil, false, true, bad
	}
	return tags, false, true, nil
}

// Check evaluates the condition for a resource that exists, whose entity tag holds current, in the order of RFC 9110, section
// 13.2.2. notModified is the answer to a read whose representation the client has; the error is the 412 of a condition that failed.
func (c Condition) Check(current string) (notModified bool, err error) {
	if c.hasMatch && !c.anyMatch && !slices.Contains(c.match, current) {
		return false, preconditionFailed("If-Match")
	}
	if !c.hasNoneMatch || !c.anyNoneMatch && !slices.Contains(c.noneMatch, current) {
		return false, nil
	}
	if c.safe {
		return true, nil
	}
	return false, preconditionFailed("If-None-Match")
}

func preconditionFailed(header string) error {
	return &Error{Status: http.StatusPreconditionFailed, Detail: "the resource has another version than the header " + header + " asks for"}
}
