package wire_test

import (
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/internal/wire"
)

func request(method string, headers ...string) *http.Request {
	r := &http.Request{Method: method, Header: http.Header{}}
	for pair := range slices.Chunk(headers, 2) {
		r.Header.Add(pair[0], pair[1])
	}
	return r
}

func TestETag(t *testing.T) {
	t.Parallel()
	require.Equal(t, `W/"7"`, wire.ETag(7))
	require.Equal(t, `7`, wire.Opaque(7))
	// What was handed out is recognised.
	for _, v := range []int64{1, 9, 10, 1 << 40} {
		c, err := wire.ParseCondition(request("PUT", "If-Match", wire.ETag(7)))
		require.NoError(t, err)
		_, err = c.Check(wire.Opaque(7))
		require.NoError(t, err, v)
	}
}

const (
	met         = "met"
	failed      = "412"
	notModified = "304"
)

func verdict(t tb, c wire.Condition, current string) string {
	t.Helper()
	same, err := c.Check(current)
	var e *wire.Error
	switch {
	case errors.As(err, &e):
		require.Equal(t, http.StatusPreconditionFailed, e.Status)
		require.Empty(t, e.ScimType)
		require.Regexp(t, plain, e.Detail)
		require.False(t, same)
		return failed
	case same:
		return notModified
	default:
		require.NoError(t, err)
		return met
	}
}

func TestConditions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		headers     []string
		read, write string // for a resource with the version 7
	}{
		{nil, met, met},
		{[]string{"If-Match", `W/"7"`}, met, met},
		{[]string{"If-Match", `"7"`}, met, met},
		{[]string{"If-Match", `W/"6"`}, failed, failed},
		{[]string{"If-Match", `"07"`}, failed, failed},
		{[]string{"If-Match", `"7 "`[:2] + `"`}, met, met},
		{[]string{"If-Match", `""`}, failed, failed},
		{[]string{"If-Match", `*`}, met, met},
		{[]string{"If-Match", ` * `}, met, met},
		{[]string{"If-Match", `"a", W/"7"`}, met, met},
		{[]string{"If-Match", `"a",W/"7"	,"b"`}, met, met},
		{[]string{"If-Match", `"7",`}, met, met}, // an empty element of a list: RFC 9110, section 5.6.1.2
		{[]string{"If-Match", `"a,7"`}, failed, failed},
		{[]string{"If-Match", `"7,"`}, failed, failed},
		{[]string{"If-Match", `"a"`, "If-Match", `"7"`}, met, met}, // two lines are one list
		{[]string{"If-None-Match", `W/"7"`}, notModified, failed},
		{[]string{"If-None-Match", `"7"`}, notModified, failed},
		{[]string{"If-None-Match", `"6", "8"`}, met, met},
		{[]string{"If-None-Match", `"6", "7"`}, notModified, failed},
		{[]string{"If-None-Match", `*`}, notModified, failed},
		{[]string{"If-Match", `"7"`, "If-None-Match", `"7"`}, notModified, failed},
		{[]string{"If-Match", `"6"`, "If-None-Match", `"7"`}, failed, failed}, // If-Match goes first
		{[]string{"If-Match", `"6"`, "If-None-Match", `"6"`}, failed, failed},
		{[]string{"If-Modified-Since", "Sun, 22 Nov 2026 00:00:00 GMT", "If-Unmodified-Since", "x"}, met, met},
	} {
		for method, want := range map[string]string{
			"GET": c.read, "HEAD": c.read, "PUT": c.write, "PATCH": c.write, "DELETE": c.write, "POST": c.write,
		} {
			condition, err := wire.ParseCondition(request(method, c.headers...))
			require.NoError(t, err, c.headers)
			require.Equal(t, want, verdict(t, condition, "7"), "%s %v", method, c.headers)
			require.Equal(t, len(c.headers) > 0 && !strings.Contains(c.headers[0], "Since"), condition.Conditional())
		}
	}
	require.Equal(t, met, verdict(t, wire.Condition{}, "7"), "the zero value is met")
	require.False(t, wire.Condition{}.Conditional())
	covers(t, "9110-13.1.1-03", "9110-13.2.2-01")
}

// A condition that is not understood is refused: to ignore it would make a write unconditional.
func TestMalformedConditions(t *testing.T) {
	t.Parallel()
	for _, value := range []string{
		``, ` `, `7`, `W/7`, `"7`, `7"`, `'7'`, `W/`, `W/"7`, `w/"7"`, `W/W/"7"`, `W /"7"`, `W/ "7"`, `"7" "8"`, `"7";"8"`, `"7"x`, `x"7"`, `*, "7"`, `"7", *`, `**`, `"*`,
		`"7", 8`, `"7", W/`, `"7""8"`, `,`, `,,`, `canary`, `"7", canary`, `"a" canary "7"`,
	} {
		for _, header := range []string{"If-Match", "If-None-Match"} {
			for _, method := range []string{"GET", "PUT", "PATCH", "DELETE"} {
				_, err := wire.ParseCondition(request(method, header, value))
				badRequest(t, err, "", method+" "+header+": "+value)
			}
		}
	}
	covers(t, "9110-8.8.3-01")
}

// Inside of a tag there is no space (RFC 9110, section 8.8.3), and the spaces of Unicode are none of HTTP: one tag of a list that is
// no tag makes the whole header malformed.
func TestMalformedTags(t *testing.T) {
	t.Parallel()
	for _, value := range []string{`"a b"`, `"7", "a b"`, "\"7\", \"a\tb\"", "\"7\"\u00a0", "\u2003\"7\""} {
		_, err := wire.ParseCondition(request("PUT", "If-Match", value))
		badRequest(t, err, "", value)
	}
}

// The grammar of RFC 9110, section 8.8.3, in a list of section 5.6.1 that may have empty elements.
const entityTag = `(?:W/)?"(?:[^\x00-\x20"\x7f])*"`

var tagList = regexp.MustCompile("^[ \t]*(?:,[ \t]*)*" + entityTag + "(?:[ \t]*,(?:[ \t]*" + entityTag + ")?)*[ \t]*$")

var opaque = regexp.MustCompile(`^[0-9a-f]+$`)

// FuzzCondition holds conditions against that grammar: a malformed header is refused or matches nothing, and a well-formed one
// matches what it lists.
func FuzzCondition(f *testing.F) {
	f.Add(`W/"7", "8"`, "7")
	f.Fuzz(func(t *testing.T, value, current string) {
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) || !opaque.MatchString(current) {
			return // net/http delivers no such header, and we write no such tag
		}
		trimmed := strings.Trim(value, " \t")
		match, err := wire.ParseCondition(request("PUT", "If-Match", value))
		noneMatch, err2 := wire.ParseCondition(request("PUT", "If-None-Match", value))
		require.Equal(t, err == nil, err2 == nil)
		switch {
		case trimmed == "*":
			require.NoError(t, err)
			require.Equal(t, met, verdict(t, match, current))
			require.Equal(t, failed, verdict(t, noneMatch, current))
		case !tagList.MatchString(value):
			require.True(t, err != nil || verdict(t, match, current) == failed, "the malformed %q matches %q", value, current)
		case err != nil:
			require.True(t, strings.HasPrefix(trimmed, ","), "the well-formed %q is refused", value)
		default:
			listed := false
			for tag := range strings.SplitSeq(value, `"`) { // the odd ones stand between quotes
				listed = listed || slices.Contains([]string{current}, tag)
			}
			if verdict(t, match, current) == met {
				require.True(t, listed, "%q matches %q", value, current)
				require.Contains(t, value, `"`+current+`"`)
				require.Equal(t, failed, verdict(t, noneMatch, current))
			} else {
				require.Equal(t, met, verdict(t, noneMatch, current))
			}
		}
	})
}
