package wire_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/internal/strict"
	"github.com/scimkit/scim/internal/wire"
)

const most = 64 // bytes of a body

var shape = strict.Limits{Depth: 4, Values: 16}

// readBody reads a body as the handler does and returns what the callback was given.
func readBody(r *http.Request, report *dialect.Report) (got []byte, called bool, err error) {
	err = wire.ReadBody(r.Context(), httptest.NewRecorder(), r, most, shape, report, func(body []byte) error {
		called = true
		got = bytes.Clone(body)
		return nil
	})
	return got, called, err
}

func post(body io.Reader, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", body)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

func TestReadBody(t *testing.T) {
	t.Parallel()
	full := `["` + strings.Repeat("x", most-4) + `"]`
	for body, want := range map[string]string{
		`{}`:                  `{}`,
		` {"a":1} `:           ` {"a":1} `,
		"\xef\xbb\xbf{}":      `{}`,
		full:                  full,
		`{"a":[[{}]]}`:        `{"a":[[{}]]}`,
		`not checked further`: `not checked further`,
	} {
		got, called, err := readBody(post(strings.NewReader(body)), tolerant())
		require.NoError(t, err, body)
		require.True(t, called)
		require.Equal(t, want, string(got))
		// The same without a Content-Length, and byte by byte.
		r := post(iotest.OneByteReader(strings.NewReader(body)))
		require.EqualValues(t, -1, r.ContentLength)
		got, _, err = readBody(r, tolerant())
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
	sentinel := errors.New("sentinel")
	err := wire.ReadBody(t.Context(), httptest.NewRecorder(), post(strings.NewReader("{}")), most, shape, nil, func([]byte) error { return sentinel })
	require.Same(t, sentinel, err)
}

func TestReadBodyRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body     io.Reader
		length   int64 // of the header, 0: the true one
		status   int
		scimType string
	}{
		"nothing":               {strings.NewReader(""), 0, 400, schema.InvalidSyntax},
		"a mark and nothing":    {strings.NewReader("\xef\xbb\xbf"), 0, 400, schema.InvalidSyntax},
		"too long":              {strings.NewReader(strings.Repeat(" ", most+1)), 0, 413, ""},
		"too long, chunked":     {iotest.HalfReader(strings.NewReader(strings.Repeat(" ", most+1))), -1, 413, ""},
		"announced too long":    {strings.NewReader("{}"), 1e12, 413, ""},
		"endless":               {endless{}, -1, 413, ""},
		"cut short":             {io.MultiReader(strings.NewReader("{"), iotest.ErrReader(io.ErrUnexpectedEOF)), 2, 400, schema.InvalidSyntax},
		"broken":                {io.MultiReader(strings.NewReader("{"), iotest.ErrReader(errors.New("canary"))), -1, 400, schema.InvalidSyntax},
		"too late":              {iotest.ErrReader(os.ErrDeadlineExceeded), -1, 408, ""},
		"too deep":              {strings.NewReader(`[[[[[]]]]]`), 0, 400, schema.InvalidSyntax},
		"too many":              {strings.NewReader(`[1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8]`), 0, 400, schema.InvalidSyntax},
		"U+0000":                {strings.NewReader(`["canary\u0000"]`), 0, 400, schema.InvalidSyntax},
		"U+0000 as such":        {strings.NewReader("[\"canary\x00\"]"), 0, 400, schema.InvalidSyntax},
		"too deep and too long": {strings.NewReader(strings.Repeat("[", most+1)), 0, 413, ""},
	} {
		r := post(c.body)
		if c.length != 0 {
			r.ContentLength = c.length
		}
		_, called, err := readBody(r, tolerant())
		require.False(t, called, name)
		e := wire.ErrorOf(err)
		require.Equal(t, c.status, e.Status, name)
		require.Equal(t, c.scimType, e.ScimType, name)
		require.Regexp(t, plain, e.Detail, name)
		require.NotContains(t, e.Detail, "canary", name)
	}
	report := rigid()
	_, called, err := readBody(post(strings.NewReader("\xef\xbb\xbf{}")), report)
	require.False(t, called)
	badRequest(t, err, schema.InvalidSyntax, "a mark on a strict connection")
	require.Empty(t, report.Fired())
	report = tolerant()
	_, _, err = readBody(post(strings.NewReader("\xef\xbb\xbf{}")), report)
	require.NoError(t, err)
	require.Equal(t, []string{"byte-order-mark"}, report.Fired())
}

// endless is a body without end; whoever reads more of it than it may is told.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return copy(p, bytes.Repeat([]byte(" "), len(p))), nil }

// What the headers say decides before a byte is read.
func TestReadBodyHeaders(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, value string
		ok          bool
	}{
		{"Content-Type", "", true}, // some clients send none
		{"Content-Type", "application/scim+json", true},
		{"Content-Type", "application/scim+json; charset=utf-8", true},
		{"Content-Type", `APPLICATION/SCIM+JSON; charset="UTF-8"`, true},
		{"Content-Type", "application/json", true},
		{"Content-Type", "application/json;version=2", true},
		{"Content-Type", "application/json; charset=utf-16", false},
		{"Content-Type", "application/json; charset=iso-8859-1", false},
		{"Content-Type", "text/plain", false},
		{"Content-Type", "text/json", false},
		{"Content-Type", "application/x-www-form-urlencoded", false},
		{"Content-Type", "multipart/form-data; boundary=x", false},
		{"Content-Type", "application/scim+json, application/json", false},
		{"Content-Type", "application/json;;", false},
		{"Content-Type", "canary", false},
		{"Content-Encoding", "identity", true},
		{"Content-Encoding", "gzip", false},
		{"Content-Encoding", "br", false},
		{"Content-Encoding", "deflate, gzip", false},
		{"Content-Encoding", "canary", false},
	} {
		read := &counting{}
		r := post(read)
		r.Header.Set(c.name, c.value)
		_, _, err := readBody(r, tolerant())
		if c.ok {
			require.NoError(t, err, c.value)
			continue
		}
		var e *wire.Error
		require.ErrorAs(t, err, &e, c.value)
		require.Equal(t, http.StatusUnsupportedMediaType, e.Status)
		require.Empty(t, e.ScimType)
		require.NotContains(t, e.Detail, "canary")
		require.Zero(t, read.calls, "nothing is read of what will be refused")
	}
}

type counting struct{ calls int }

func (c *counting) Read(p []byte) (int, error) {
	if c.calls++; c.calls > 1 {
		return 0, io.EOF
	}
	return copy(p, "{}"), nil
}

// A buffer that served one body holds nothing of it for the next.
func TestBodiesDoNotMix(t *testing.T) {
	t.Parallel()
	for range 100 {
		for _, body := range []string{`{"secret":"canary"}`, `{}`, `[1,2]`} {
			got, _, err := readBody(post(strings.NewReader(body)), nil)
			require.NoError(t, err)
			require.Equal(t, body, string(got))
		}
	}
}

// deadlines remembers the deadline that is set on it.
type deadlines struct {
	*httptest.ResponseRecorder
	read time.Time
}

// SetReadDeadline serves http.ResponseController.
func (d *deadlines) SetReadDeadline(at time.Time) error {
	d.read = at
	return nil
}

// The time for a request bounds the reading of its body where the server's connection can.
func TestReadBodyWithDeadline(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	r := post(strings.NewReader("{}")).WithContext(ctx)
	require.NoError(t, wire.ReadBody(ctx, w, r, most, shape, nil, func([]byte) error { return nil }))
	want, _ := ctx.Deadline()
	require.Equal(t, want, w.read)
}

func TestNegotiate(t *testing.T) {
	t.Parallel()
	const scim, plainJSON = "application/scim+json", "application/json"
	for accept, want := range map[string]string{
		"":                               scim,
		"*/*":                            scim,
		"application/*":                  scim,
		"application/*;q=0.5, text/html": scim,
		"text/html":                      scim,
		"text/html;q=1.0, */*":           scim,
		"application/scim+json":          scim,
		"APPLICATION/SCIM+JSON":          scim,
		"application/scim+json, application/json":             scim,
		"application/json, application/scim+json":             scim,
		"application/json, application/scim+json;q=0.5":       plainJSON,
		"application/json;q=0.5, application/scim+json;q=0.9": scim,
		"application/json":                         plainJSON,
		"Application/JSON; charset=utf-8":          plainJSON,
		"application/json, */*":                    plainJSON,
		"text/html, application/json;q=0.1":        plainJSON,
		"application/json;q=0":                     scim,
		"application/json;q=0.0, */*":              scim,
		"application/jsonx":                        scim,
		"application/vnd.api+json":                 scim,
		"canary, application/json":                 plainJSON,
		";;;":                                      scim,
		",,,":                                      scim,
		strings.Repeat("application/json;q=0,", 9): scim,
	} {
		require.Equal(t, want, wire.Negotiate(accept), accept)
	}
	covers(t, "9110-12.5.1-01")
}
