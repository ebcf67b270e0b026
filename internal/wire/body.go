package wire

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/internal/strict"
)

// MediaType is SCIM's own, and what every error is sent as. Clients that ask for plain JSON get plainType with a success.
const (
	MediaType = "application/scim+json"
	plainType = "application/json"
)

var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// largestKept bounds the buffers that go back to a pool.
const largestKept = 64 << 10

// ReadBody reads a request body of at most limit bytes whose type, encoding and shape are acceptable, and calls f with it; f must
// not keep it. The deadline of ctx bounds the reading where the server's connection can, unless the host's server has an earlier one.
func ReadBody(
	ctx context.Context, w http.ResponseWriter, r *http.Request,
	limit int64, shape strict.Limits, report *dialect.Report, f func(body []byte) error,
) error {
	if err := checkHeaders(r, limit); err != nil {
		return err
	}
	if deadline, ok := ctx.Deadline(); ok && earlier(r.Context(), deadline) {
		// A ResponseWriter without deadlines, as in tests, reads without one.
		_ = http.NewResponseController(w).SetReadDeadline(deadline)
	}
	buf := bodies.Get().(*bytes.Buffer)
	defer func() {
		if buf.Cap() <= largestKept {
			buf.Reset()
			bodies.Put(buf)
		}
	}()
	if _, err := buf.ReadFrom(http.MaxBytesReader(w, r.Body, limit)); err != nil {
		return bodyError(err, limit)
	}
	body, marked := strict.TrimByteOrderMark(buf.Bytes())
	switch {
	case marked && !report.Allow(dialect.ByteOrderMark):
		return BadRequest(schema.InvalidSyntax, "the body starts with a byte order mark")
	case len(body) == 0:
		return BadRequest(schema.InvalidSyntax, "the request needs a body")
	}
	if err := strict.Check(body, shape); err != nil {
		return err
	}
	return f(body)
}

// earlier reports whether a deadline is certainly not later than that of the host's own server. The server began its ReadTimeout with
// the request's header, at most its ReadHeaderTimeout ago.
func earlier(ctx context.Context, deadline time.Time) bool {
	server, ok := ctx.Value(http.ServerContextKey).(*http.Server)
	if !ok || server.ReadTimeout <= 0 {
		return true
	}
	header := server.ReadHeaderTimeout
	if header <= 0 {
		header = server.ReadTimeout
	}
	return time.Until(deadline) <= server.ReadTimeout-header
}

func checkHeaders(r *http.Request, limit int64) error {
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return &Error{Status: http.StatusUnsupportedMediaType, Detail: "the request must not have a Content-Encoding"}
	}
	if contentType := r.Header.Get("Content-Type"); contentType != "" {
		media, parameters, err := mime.ParseMediaType(contentType)
		charset := parameters["charset"]
		if err != nil || media != MediaType && media != plainType || charset != "" && !strings.EqualFold(charset, "utf-8") {
			return &Error{Status: http.StatusUnsupportedMediaType, Detail: "the Content-Type must be " + MediaType + " or " + plainType + " in UTF-8"}
		}
	}
	if r.ContentLength > limit {
		return tooLarge(limit)
	}
	return nil
}

func bodyError(err error, limit int64) error {
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return tooLarge(limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &Error{Status: http.StatusRequestTimeout, Detail: "the body did not arrive in time", Cause: err}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return BadRequest(schema.InvalidSyntax, "the body is shorter than its Content-Length")
	default:
		return BadRequest(schema.InvalidSyntax, "the body could not be read")
	}
}

func tooLarge(limit int64) error {
	return &Error{Status: http.StatusRequestEntityTooLarge, Detail: "the body is larger than " + strconv.FormatInt(limit, 10) + " bytes"}
}

// Negotiate returns the media type of a successful answer: plain JSON for a client that prefers it by name, SCIM's for everybody
// else. Nothing is refused: some providers send no Accept header, or a wrong one (ENTRA-03).
func Negotiate(accept string) string {
	if accept == "" || accept == MediaType {
		return MediaType
	}
	quality := map[string]float64{}
	for part := range strings.SplitSeq(accept, ",") {
		media, parameters, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		q, err := strconv.ParseFloat(parameters["q"], 64)
		if err != nil {
			q = 1
		}
		quality[media] = q
	}
	if quality[plainType] > quality[MediaType] {
		return plainType
	}
	return MediaType
}
