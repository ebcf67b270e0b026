// Package wire is SCIM over HTTP: reading paths, query parameters, conditions and bodies, and writing resources, lists and
// errors (RFC 7644, sections 3.4 to 3.14). It knows nothing of stores' transactions or of authentication.
//
// Security: nothing that a client sent is repeated in an error, and no byte of a body is parsed before its size, type and shape
// were checked.
package wire

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/internal/strict"
	"github.com/scimkit/scim/patch"
	"github.com/scimkit/scim/store"
)

// Error is an answer other than success: RFC 7644, section 3.12.
type Error struct {
	Status     int
	ScimType   string        // empty where the RFC has no keyword
	Path       string        // the attribute, for logs
	Detail     string        // a sentence for the client
	Note       string        // Detail for a journal, without values of the request; empty: Detail has none
	Allow      string        // of a 405
	RetryAfter time.Duration // of a 429 or 503, at least a second
	Challenge  string        // of a 401
	Cause      error         // for logs, never sent
}

func (e *Error) Error() string {
	text := strconv.Itoa(e.Status) + " " + e.Detail
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

func (e *Error) Unwrap() error { return e.Cause }

// BadRequest returns a 400.
func BadRequest(scimType, detail string) *Error {
	return &Error{Status: http.StatusBadRequest, ScimType: scimType, Detail: detail}
}

// retryAfter is what a client is asked to wait after a fault of the store or of an event sink.
const retryAfter = 5 * time.Second

// Unavailable returns a 503 for a passing fault.
func Unavailable(cause error) *Error {
	return &Error{
		Status: http.StatusServiceUnavailable, Detail: "the service is temporarily unavailable, try again later",
		RetryAfter: retryAfter, Cause: cause,
	}
}

// ErrorOf turns any error of the request pipeline into its answer. It is the only place that does.
func ErrorOf(err error) *Error {
	var (
		answer  *Error
		refused *schema.Error
		parsed  *filter.Error
		patched *patch.Error
		json    *strict.Error
		unique  *store.UniquenessError
		unknown *store.UnknownMembersError
	)
	switch {
	case errors.As(err, &answer):
		return answer
	case errors.As(err, &refused):
		return &Error{Status: http.StatusBadRequest, ScimType: refused.ScimType, Path: refused.Path, Detail: refused.Detail}
	case errors.As(err, &parsed):
		return &Error{Status: http.StatusBadRequest, ScimType: parsed.ScimType, Path: parsed.Path, Detail: parsed.Detail}
	case errors.As(err, &patched) && patched.TooLarge:
		return &Error{Status: http.StatusRequestEntityTooLarge, Path: patched.Path, Detail: patched.Detail}
	case errors.As(err, &patched):
		return &Error{Status: http.StatusBadRequest, ScimType: patched.ScimType, Path: patched.Path, Detail: patched.Detail}
	case errors.As(err, &json):
		return BadRequest(schema.InvalidSyntax, json.Detail)
	case errors.As(err, &unique):
		return &Error{Status: http.StatusConflict, ScimType: schema.Uniqueness, Path: unique.Path, Detail: "another resource has the same " + unique.Path}
	case errors.Is(err, store.ErrUniqueness):
		return &Error{Status: http.StatusConflict, ScimType: schema.Uniqueness, Detail: "another resource has the same value of a unique attribute"}
	case errors.As(err, &unknown):
		return &Error{
			Status: http.StatusBadRequest, ScimType: schema.InvalidValue, Path: "members", Detail: unknownMembers(unknown.IDs),
			Note: "members holds ids that are no resources of the directory: " + strconv.Itoa(len(unknown.IDs)),
		}
	case errors.Is(err, store.ErrNotFound):
		return &Error{Status: http.StatusNotFound, Detail: "there is no such resource"}
	case errors.Is(err, store.ErrScope):
		return &Error{Status: http.StatusInternalServerError, Detail: "internal error", Cause: err}
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Status: http.StatusServiceUnavailable, Detail: "the request took too long, try again later", RetryAfter: retryAfter, Cause: err}
	default:
		return Unavailable(err)
	}
}

// unknownMembers names the ids that are no resources, and only those: the client has to find them in a long list. An id is
// repeated only if it could be one of a store's.
func unknownMembers(ids []string) string {
	const most = 10
	detail := "members holds ids that are no resources of the directory:"
	for i, id := range ids {
		if i == most {
			return detail + " and " + strconv.Itoa(len(ids)-most) + " more"
		}
		detail += " " + dialect.Printable(id)
	}
	return detail
}

// ErrorURN is the schema of an error body.
const ErrorURN = "urn:ietf:params:scim:api:messages:2.0:Error"

// Write sends the error.
func (e *Error) Write(w http.ResponseWriter) {
	h := w.Header()
	for _, name := range []string{"ETag", "Location"} {
		h.Del(name)
	}
	if e.Challenge != "" {
		h.Set("WWW-Authenticate", e.Challenge)
	}
	if e.Allow != "" {
		h.Set("Allow", e.Allow)
	}
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(max(1, int((e.RetryAfter+time.Second-1)/time.Second))))
	}
	body := append(make([]byte, 0, 256), `{"schemas":["`+ErrorURN+`"],"status":"`+strconv.Itoa(e.Status)+`"`...)
	if e.ScimType != "" {
		body = append(body, `,"scimType":"`+e.ScimType+`"`...)
	}
	body = append(body, `,"detail":`...)
	body, _ = jsontext.AppendQuote(body, e.Detail)
	body = append(body, '}')
	WriteBody(w, e.Status, MediaType, body)
}
