package scim

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/scimkit/scim/store"
)

// problem is an error of the management API: problem details as in RFC 9457, with a code that does not change.
type problem struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail"`
	Code      string `json:"code"`
	Attribute string `json:"attribute,omitempty"` // the argument that is not acceptable
	RequestID string `json:"request_id"`          // as in the log
	cause     error  // for the log
}

func (p *problem) Error() string { return p.Code + ": " + p.Detail }

const (
	problemJSON = "application/problem+json"
	plainJSON   = "application/json"
)

// problemOf turns an error into what is sent.
func problemOf(err error) *problem {
	var (
		p         *problem
		attribute *AttributeError
	)
	conflict := func(code string) *problem {
		return &problem{Status: http.StatusConflict, Code: code, Detail: strings.TrimPrefix(err.Error(), "scim: ")}
	}
	switch {
	case errors.As(err, &p):
		return p
	case isSinkError(err): // what it wraps says nothing about the call
		return unavailable(err)
	case errors.As(err, &attribute):
		return &problem{
			Status: http.StatusBadRequest, Code: "invalid_" + attribute.Attribute, Attribute: attribute.Attribute, Detail: attribute.Detail,
		}
	case errors.Is(err, ErrConnectionExists):
		return conflict("active_connection_exists")
	case errors.Is(err, ErrAlreadyRotating):
		return conflict("already_rotating")
	case errors.Is(err, ErrNotRotating):
		return conflict("not_rotating")
	case errors.Is(err, ErrTooManyTokens):
		return conflict("too_many_tokens")
	case errors.Is(err, store.ErrNotFound):
		return &problem{Status: http.StatusNotFound, Code: "connection_not_found", Detail: "the tenant has no such connection"}
	case errors.Is(err, store.ErrCursor):
		return &problem{
			Status: http.StatusBadRequest, Code: "invalid_cursor", Attribute: "cursor", Detail: "it is not next_cursor of an answer",
		}
	}
	return unavailable(err)
}

func unavailable(err error) *problem {
	return &problem{Status: http.StatusServiceUnavailable, Code: "unavailable", Detail: "temporarily unavailable, try again later", cause: err}
}

// fail sends an error.
func (c *call) fail(err error) {
	p := *problemOf(err)
	p.Type, p.Title, p.RequestID = "about:blank", http.StatusText(p.Status), c.id
	c.failure = &p
	switch p.Status {
	case http.StatusServiceUnavailable:
		c.w.Header().Set("Retry-After", "5")
	case http.StatusUnauthorized:
		c.w.Header().Set("WWW-Authenticate", `Bearer realm="scim-admin"`)
	}
	c.send(p.Status, problemJSON, &p)
}

// answer sends a result.
func (c *call) answer(status int, result any) error {
	c.send(status, plainJSON, result)
	return nil
}

func (c *call) send(status int, contentType string, body any) {
	c.w.Header().Set("Content-Type", contentType)
	c.w.WriteHeader(status)
	c.status = status
	e := json.NewEncoder(c.w)
	e.SetEscapeHTML(false)
	_ = e.Encode(body) // the client has gone; there is nobody to tell
}

// maxAdminBody bounds a body in bytes.
const maxAdminBody = 64 << 10

// read decodes the body, an object. No body is an empty one. A member that the call does not know is refused: it was meant to have an
// effect.
func (c *call) read(into any) error {
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxAdminBody))
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long):
		return &problem{Status: http.StatusRequestEntityTooLarge, Code: "body_too_large", Detail: "the body is larger than 64 KiB"}
	case err != nil:
		return &problem{Status: http.StatusBadRequest, Code: "invalid_body", Detail: "the body could not be read", cause: err}
	}
	const form = "the body is not a JSON object without repeated names"
	switch body = bytes.TrimSpace(body); {
	case len(body) == 0:
		return nil
	case body[0] != '{': // null would pass for an empty object
		return &problem{Status: http.StatusBadRequest, Code: "invalid_body", Detail: form}
	}
	err = jsonv2.Unmarshal(body, into, jsonv2.RejectUnknownMembers(true))
	var semantic *jsonv2.SemanticError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &semantic):
		attribute := strings.ReplaceAll(strings.TrimPrefix(string(semantic.JSONPointer), "/"), "/", ".")
		p := &problem{Status: http.StatusBadRequest, Code: "invalid_body", Detail: "the body has a value of another type than it should be"}
		if errors.Is(err, jsonv2.ErrUnknownName) {
			p.Detail = "the body has a member that the call does not know"
		}
		if len(attribute) < minToken { // or it might be a token in the wrong place
			p.Attribute = attribute
		}
		return p
	}
	return &problem{Status: http.StatusBadRequest, Code: "invalid_body", Detail: form}
}

// query reads the parameters of the URL; unknown ones are ignored, and none may be given twice.
func (c *call) query(names ...string) (map[string]string, error) {
	values, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return nil, &problem{Status: http.StatusBadRequest, Code: "invalid_query", Detail: "the query does not decode"}
	}
	found := make(map[string]string, len(names))
	for _, name := range names {
		if len(values[name]) > 1 {
			return nil, &AttributeError{name, "it is given twice"}
		}
		if values.Has(name) {
			found[name] = values.Get(name)
		}
	}
	return found, nil
}

const (
	defaultLimit = 100
	maxLimit     = 1000
)

// limitOf returns how many entries a page may have.
func limitOf(query map[string]string) (int, error) {
	text, given := query["limit"]
	if !given {
		return defaultLimit, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxLimit {
		return 0, &AttributeError{"limit", "it is a number from 1 to 1000"}
	}
	return n, nil
}

// moment is a time as JSON, null if it is zero.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
