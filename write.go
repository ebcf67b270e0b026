package scim

import (
	"context"
	"net/http"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/internal/directory"
	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/internal/strict"
	"github.com/scimkit/scim/internal/wire"
	"github.com/scimkit/scim/patch"
	"github.com/scimkit/scim/store"
)

// body reads the request body inside the limits.
func (x *exchange) body(ctx context.Context, f func(body []byte) error) error {
	limits := x.h.config.Limits
	return wire.ReadBody(ctx, &x.w, x.r, limits.BodyBytes, limits.shape(), x.report, f)
}

// input reads a resource from the request body.
func (x *exchange) input(ctx context.Context) (input *schema.Input, err error) {
	err = x.body(ctx, func(body []byte) error {
		return strict.Read(body, func(r *strict.Reader) (err error) {
			input, err = x.typ.Decode(r, x.report)
			return err
		})
	})
	return input, err
}

// preamble reads what every write has besides its body.
func (x *exchange) preamble() (wire.Parameters, wire.Condition, error) {
	p, err := x.parameters()
	if err != nil {
		return p, wire.Condition{}, err
	}
	condition, err := wire.ParseCondition(x.r)
	return p, condition, err
}

// create answers POST /{type}: RFC 7644, section 3.3.
func (x *exchange) create(ctx context.Context) error {
	p, err := x.parameters()
	if err != nil {
		return err
	}
	input, err := x.input(ctx)
	if err != nil {
		return err
	}
	q := x.writing(wire.Condition{})
	created, err := x.h.directory.Create(ctx, q, x.typ, input)
	if err != nil {
		return err
	}
	x.resource = created.ID
	return x.showWritten(ctx, http.StatusCreated, x.view(p, input.Requested), q, created)
}

// replace answers PUT /{type}/{id}: RFC 7644, section 3.5.1.
func (x *exchange) replace(ctx context.Context) error {
	p, condition, err := x.preamble()
	if err != nil {
		return err
	}
	input, err := x.input(ctx)
	if err != nil {
		return err
	}
	q := x.writing(condition)
	after, err := x.h.directory.Replace(ctx, q, x.typ, x.target, input)
	if err != nil {
		return err
	}
	x.resource = after.ID
	return x.showWritten(ctx, http.StatusOK, x.view(p, input.Requested), q, after)
}

// patch answers PATCH /{type}/{id}: RFC 7644, section 3.5.2.
func (x *exchange) patch(ctx context.Context) error {
	p, condition, err := x.preamble()
	if err != nil {
		return err
	}
	var ops []patch.Operation
	err = x.body(ctx, func(body []byte) error {
		return strict.Read(body, func(r *strict.Reader) (err error) {
			ops, err = patch.Decode(r, x.h.config.Limits.PatchOperations, x.report)
			return err
		})
	})
	if err != nil {
		return err
	}
	q := x.writing(condition)
	after, written, err := x.h.directory.Patch(ctx, q, x.typ, x.target, ops)
	if err != nil {
		return err
	}
	x.resource = after.ID
	view := x.view(p, written)
	if len(p.Attributes) == 0 && len(p.Excluded) == 0 && noContent(q, x.typ) {
		x.tag(view, after)
		x.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return x.showWritten(ctx, http.StatusOK, view, q, after)
}

// noContent decides the answer to a PATCH that did not ask for attributes: a group's would list its members.
func noContent(q directory.Request, rt *schema.ResourceType) bool {
	switch q.Policy.PatchAnswer {
	case dialect.PatchAnswerResource:
		return false
	case dialect.PatchAnswerNoContent:
		return true
	default:
		return rt.Members != nil
	}
}

// delete answers DELETE /{type}/{id}: RFC 7644, section 3.6. A body is ignored.
func (x *exchange) delete(ctx context.Context) error {
	_, condition, err := x.preamble()
	if err != nil {
		return err
	}
	if err := x.h.directory.Delete(ctx, x.writing(condition), x.typ, x.target); err != nil {
		return err
	}
	x.resource = x.target
	x.w.WriteHeader(http.StatusNoContent)
	return nil
}

// probe finds out once what the store can do besides the Store interface. The scope that it asks about holds nothing.
func (h *Handler) probe() error {
	d := &directory.Directory{
		Store: h.config.Store, MaxMembers: h.config.Limits.Members, MaxWork: h.config.Limits.PatchWork, Now: h.config.Now,
		NewID: func() string { return h.config.NewID(h.config.Now()) },
	}
	h.directory = d
	return d.Probe(h.types, store.Scope{Connection: "probe", Tenant: "probe"})
}
