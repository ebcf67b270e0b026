package scim

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/internal/directory"
	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/internal/wire"
	"github.com/scimkit/scim/store"
)

// exchange is one request on its way to its answer.
type exchange struct {
	h          *Handler
	w          recorder
	r          *http.Request
	start      time.Time
	id         string
	template   string // of the route, for logs
	typ        *schema.ResourceType
	target     string // the id in the path
	discovered string // the discovery endpoint
	resource   string // id of a resource that exists, for logs
	credential Credential
	refused    error  // why the verifier refused the token
	base       string // BaseURL with the connection's id
	report     *dialect.Report
	failure    *wire.Error
	aborted    bool  // the answer broke off
	incomplete error // why a part of the answer to a write is missing
	segments   [3]wire.Segment
	values     [3]string            // header values that live as long as the answer
	events     map[store.Ref]string // ids of the events emitted
}

// recorder remembers what was sent.
type recorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *recorder) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap serves http.ResponseController.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// begin prepares an exchange and sets what every answer has in common.
func (h *Handler) begin(w http.ResponseWriter, r *http.Request) *exchange {
	now := h.config.Now()
	x := &exchange{h: h, w: recorder{ResponseWriter: w}, r: r, start: now, id: h.config.NewID(now), template: "-"}
	header := w.Header()
	header["Cache-Control"] = noStore
	header["X-Content-Type-Options"] = noSniff
	x.values[0] = x.id
	header["X-Request-Id"] = x.values[0:1:1]
	return x
}

var (
	noStore = []string{"no-store"}
	noSniff = []string{"nosniff"}
)

// fail sends an error. After the first byte of an answer it can only break the connection, so that nobody takes a part for all.
func (x *exchange) fail(err error) {
	x.failure = wire.ErrorOf(err)
	if x.w.status != 0 {
		x.aborted = true
		panic(http.ErrAbortHandler)
	}
	x.failure.Write(&x.w)
}

// end turns a panic into a 500 and logs the request.
func (x *exchange) end(ctx context.Context) {
	cause := recover()
	if cause != nil && cause != http.ErrAbortHandler {
		x.failure = &wire.Error{
			Status: http.StatusInternalServerError, Detail: "internal error",
			Cause: fmt.Errorf("panic: %v\n%s", cause, debug.Stack()),
		}
		if x.w.status == 0 {
			x.failure.Write(&x.w)
		} else {
			x.aborted = true
			cause = http.ErrAbortHandler
		}
	}
	x.log(ctx)
	x.record()
	if cause == http.ErrAbortHandler {
		panic(cause)
	}
}

// log writes the request's record. Nothing in it is taken from the request but ids of resources and names of attributes.
func (x *exchange) log(ctx context.Context) {
	level := x.level()
	logger := x.h.config.Logger
	if !logger.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 14)
	attrs = append(attrs,
		slog.String("request_id", x.id), slog.String("method", method(x.r.Method)), slog.String("route", x.template),
		slog.Int("status", x.w.status), slog.Duration("duration", x.h.config.Now().Sub(x.start)))
	if x.credential.TokenID != "" {
		attrs = append(attrs, slog.String("tenant", x.credential.Connection.Tenant),
			slog.String("connection", x.credential.Connection.ID), slog.String("token_id", x.credential.TokenID))
	}
	if x.resource != "" {
		attrs = append(attrs, slog.String("resource_id", x.resource))
	}
	if fired := x.report.Fired(); fired != nil {
		attrs = append(attrs, slog.Any("rules", fired))
	}
	if ignored := x.report.Ignored(); ignored != nil {
		attrs = append(attrs, slog.Any("ignored_attributes", ignored))
	}
	if x.aborted {
		attrs = append(attrs, slog.Bool("aborted", true))
	}
	if x.incomplete != nil {
		attrs = append(attrs, slog.Bool("incomplete", true), slog.String("cause", x.incomplete.Error()))
	}
	if x.refused != nil {
		attrs = append(attrs, slog.String("reason", x.refused.Error()))
	}
	if f := x.failure; f != nil {
		attrs = append(attrs, slog.String("scim_type", f.ScimType), slog.String("attribute", f.Path))
		if f.Cause != nil && f.Status >= http.StatusInternalServerError {
			attrs = append(attrs, slog.String("cause", f.Cause.Error()))
		}
	}
	logger.LogAttrs(ctx, level, "scim request", attrs...)
}

// record tells the journal. The answer to whoever has no valid token is always the same; only the journal says why.
func (x *exchange) record() {
	journal, connection := x.h.config.Journal, x.credential.Connection.ID
	if journal == nil || connection == "" {
		return
	}
	entry := JournalEntry{
		Connection: connection, Time: x.start.UTC().Truncate(time.Microsecond), RequestID: x.id, TokenID: x.credential.TokenID,
		Method: method(x.r.Method), Path: x.template, ResourceID: x.resource, Status: x.w.status,
		Rules: x.report.Fired(), Ignored: x.report.Ignored(), Duration: x.h.config.Now().Sub(x.start),
	}
	if f := x.failure; f != nil { // the path may be a part of the request's body, which must not wait with the entry
		entry.ScimType, entry.Detail, entry.Attribute = f.ScimType, cmp.Or(f.Note, f.Detail), strings.Clone(f.Path)
	}
	if x.refused != nil {
		entry.Detail = x.refused.Error()
	}
	journal.Record(entry)
}

// level tells what concerns an operator from what does not: a client that goes away in the middle of an answer does not.
func (x *exchange) level() slog.Level {
	switch {
	case x.w.status >= http.StatusInternalServerError, x.aborted && x.r.Context().Err() == nil:
		return slog.LevelError
	case x.incomplete != nil:
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}

// method keeps a made-up method out of the log.
func method(name string) string {
	switch name {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return name
	default:
		return "other"
	}
}

// request is what the directory needs to know of the exchange for a read.
func (x *exchange) request() directory.Request {
	c := x.credential.Connection
	return directory.Request{Scope: c.Scope(), Policy: c.Policy, Report: x.report}
}

// writing is what the directory needs to know of the exchange for a write.
func (x *exchange) writing(condition wire.Condition) directory.Request {
	q := x.request()
	q.Found = &x.resource
	if x.h.config.Events != nil {
		q.Emit = x.emit
	}
	if condition.Conditional() {
		q.Check = func(v store.Version) error {
			_, err := condition.Check(wire.Opaque(v))
			return err
		}
	}
	return q
}
