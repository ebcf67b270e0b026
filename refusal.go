package scim

import (
	"errors"
	"net/http"

	"github.com/scimkit/scim/internal/wire"
)

// Refusal is an error of an EventSink that is meant for the identity provider: the change is undone, and the answer is Status with
// Detail, not a 503. Identity providers show it to their administrators, and give the change up until they are told to repeat it.
type Refusal struct {
	Status    int    // 400 to 499 without 401, which would make providers disable the integration; anything else: 400
	ScimType  string // a keyword of RFC 7644, section 3.12; may be empty
	Attribute string // the path of the attribute that it is about; may be empty
	Detail    string // a sentence for people
}

func (r *Refusal) Error() string { return "scim: refused: " + r.Detail }

// refusedBy returns the answer that a sink's error asks for, or nil.
func refusedBy(err error) *wire.Error {
	var r *Refusal
	if !errors.As(err, &r) {
		return nil
	}
	status := r.Status
	if status < 400 || status > 499 || status == http.StatusUnauthorized {
		status = http.StatusBadRequest
	}
	return &wire.Error{Status: status, ScimType: r.ScimType, Path: r.Attribute, Detail: r.Detail}
}
