// Package scim lets a host application accept users and groups from Microsoft Entra ID, Okta and every other identity provider
// over SCIM 2.0 (RFC 7643, RFC 7644), inside its own process, mux and database.
//
// [New] makes an http.Handler from a store.Store, a [TokenVerifier] and an [EventSink]:
//
//	memory := memstore.New()
//	connections, err := scim.NewConnections(scim.ConnectionsConfig{Store: memory})
//	handler, err := scim.New(scim.Config{
//		BaseURL:  "https://app.example.com/scim/v2",
//		Store:    memory,
//		Verifier: connections,
//		Events:   scim.LogEvents(slog.Default()),
//	})
//	http.ListenAndServe(":8080", handler.Mount(mux))
//
// [Connections] issues connections and their tokens, rotates and verifies them, and keeps a journal of what identity providers did;
// [NewAdmin] makes a management API of that. [Connections.Run] does the work that no request waits for.
//
// What real identity providers send beside the RFCs is accepted by the named rules of package dialect, and which rules a request
// needed is logged.
//
// Limits: see [Limits]. Sorting, cursors, Bulk, /Me and queries over all types are neither supported nor advertised.
//
// Security: no route answers without a token that the verifier accepts, discovery included. Every store call carries the scope of
// the token's connection. Nothing is built from a request's Host or forwarding headers. Passwords are dropped before they reach the
// store. Logs hold route templates, ids of known resources and attribute names, and never a path, token, filter or value as sent.
package scim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/internal/directory"
	"github.com/scimkit/scim/internal/discovery"
	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/internal/uuid"
	"github.com/scimkit/scim/internal/wire"
	"github.com/scimkit/scim/store"
)

// Config configures a Handler.
type Config struct {
	// BaseURL is the absolute URL below which the handler is reached from outside, "https://app.example.com/scim/v2", required.
	// meta.location, $ref and Location headers are built from it. A path segment {connection} stands for the connection's id, which
	// must then be that of the token: otherwise 404.
	BaseURL string
	// Store keeps the resources, required. New probes its optional interfaces once.
	Store store.Store
	// Verifier tells what a bearer token stands for, required: there is no way to serve without one.
	Verifier TokenVerifier
	// Events hears of every change, nil discards them.
	Events EventSink
	// Types are the resource types, nil for UserType() and GroupType().
	Types []ResourceType
	// Logger receives one record per request: Info; Error from status 500 on and where an answer broke off (aborted=true); Warn where
	// the answer to a write that was committed lacks groups or members (incomplete=true). nil is slog.Default().
	Logger *slog.Logger
	// Journal hears of every request whose connection is known, 401 and 429 included, nil: nobody does. Connections is one.
	Journal Journal
	Limits  Limits
	// RateLimiter bounds the requests of a connection, nil is NewTokenBucket(DefaultRate).
	RateLimiter RateLimiter
	// DocumentationURL is shown in ServiceProviderConfig if it is not empty.
	DocumentationURL string
	// Now is the clock, nil is time.Now.
	Now func() time.Time
	// NewID mints resource, event and request ids from the current time; nil mints UUIDv7.
	NewID func(now time.Time) string
}

// Handler serves SCIM. It is safe for concurrent use and holds no goroutine.
type Handler struct {
	config    Config
	base      []string // path segments of BaseURL
	types     []*schema.ResourceType
	endpoints map[string]string // by resource type
	templates map[string]string // of resources, by type
	directory *directory.Directory
	discovery *discovery.Provider
}

// New checks a configuration, probes the store and returns a handler. It fails if BaseURL is not absolute, if Store or Verifier is
// nil, if Types or Limits are invalid, or if a type has members and the store is no store.MemberLister.
func New(config Config) (*Handler, error) {
	switch {
	case config.Store == nil:
		return nil, errors.New("scim: Config.Store is nil")
	case config.Verifier == nil:
		return nil, errors.New("scim: Config.Verifier is nil")
	}
	base, err := url.Parse(config.BaseURL)
	if err != nil || base.Scheme == "" || base.Host == "" || base.RawQuery != "" || base.Fragment != "" || base.User != nil ||
		strings.ContainsAny(config.BaseURL, "\"\\<> ") {
		return nil, fmt.Errorf("scim: Config.BaseURL %q is not an absolute URL without query and fragment", config.BaseURL)
	}
	types, err := compileTypes(config.Types)
	if err != nil {
		return nil, err
	}
	if config.Limits, err = config.Limits.withDefaults(); err != nil {
		return nil, err
	}
	h := &Handler{config: config.withDefaults(), types: types, endpoints: make(map[string]string, len(types)), templates: make(map[string]string, len(types))}
	h.base = strings.FieldsFunc(base.EscapedPath(), func(r rune) bool { return r == '/' })
	for _, rt := range types {
		h.endpoints[rt.Name] = rt.Endpoint
		h.templates[rt.Name] = rt.Endpoint + "/{id}"
	}
	if err := h.probe(); err != nil {
		return nil, err
	}
	h.discovery = &discovery.Provider{
		Types: types, MaxResults: h.config.Limits.MaxPageSize, DefaultResults: h.config.Limits.PageSize,
		DocumentationURI: config.DocumentationURL, HideGroups: h.directory.Groups == nil,
	}
	return h, nil
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.RateLimiter == nil {
		c.RateLimiter = NewTokenBucket(DefaultRate)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.NewID == nil {
		c.NewID = uuid.New
	}
	return c
}

// Mount returns a handler that serves the paths below BaseURL itself and everything else with next. It goes around a ServeMux, not
// into one: ServeMux redirects the doubled slashes that some identity providers send, and a redirected POST loses its body.
func (h *Handler) Mount(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, _, ok := h.cutBase(r.URL.EscapedPath()); ok {
			h.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ServeHTTP answers a SCIM request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), h.config.Limits.RequestTime)
	defer cancel()
	x := h.begin(w, r)
	defer x.end(ctx)
	if err := x.serve(ctx); err != nil {
		x.fail(err)
	}
}

// serve is the whole pipeline.
func (x *exchange) serve(ctx context.Context) error {
	if err := x.authenticate(ctx); err != nil {
		return err
	}
	if err := x.limit(); err != nil {
		return err
	}
	handle, err := x.route()
	if err != nil {
		return err
	}
	return handle(x, ctx)
}

// maxBearer bounds a token's text in bytes. Entra's own tokens, JWTs that it sends where an administrator left the secret blank, have
// 1.3 KiB and more (ENTRA-06).
const maxBearer = 8 << 10

// authenticate finds out whose request it is. Every failure has the same status and body, whatever the route.
func (x *exchange) authenticate(ctx context.Context) error {
	text, bare, ok := bearer(x.r.Header["Authorization"])
	if !ok {
		return unauthorized(len(x.r.Header["Authorization"]) > 0)
	}
	credential, err := x.h.config.Verifier.VerifyToken(ctx, text)
	switch {
	case errors.Is(err, ErrUnauthorized):
		x.credential = credential // for log and journal only
		x.refused = err
		return unauthorized(true)
	case err != nil:
		return wire.Unavailable(err)
	}
	if err := credential.Connection.Scope().Check(); err != nil {
		return wire.Unavailable(fmt.Errorf("the verifier returned a credential without connection or tenant: %w", err))
	}
	x.credential = credential
	x.base = wire.BaseURL(x.h.config.BaseURL, credential.Connection.ID)
	x.report = dialect.NewReport(credential.Connection.Strict, credential.Connection.Policy)
	if bare && !x.report.Allow(dialect.BareToken) {
		return unauthorized(true)
	}
	return nil
}

// bearer reads the token of an Authorization header: "Bearer token" in any case, or the bare token, which some administrators paste.
func bearer(headers []string) (text string, bare, ok bool) {
	if len(headers) != 1 {
		return "", false, false
	}
	scheme, text, two := strings.Cut(headers[0], " ")
	if !two {
		text, bare = scheme, true
	}
	text = strings.TrimLeft(text, " ")
	if two && !strings.EqualFold(scheme, "Bearer") || bare && strings.EqualFold(text, "Bearer") {
		return "", false, false
	}
	return text, bare, presentable(text) && len(text) <= maxBearer
}

// presentable reports whether a text can be a token in an Authorization header: printable ASCII without spaces, and without commas,
// which join several headers into one.
func presentable(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ',' })
}

// unauthorized is the one answer to whoever has no valid token.
func unauthorized(presented bool) error {
	challenge := `Bearer realm="scim"`
	if presented {
		challenge += `, error="invalid_token"`
	}
	return &wire.Error{Status: http.StatusUnauthorized, Detail: "the request needs a valid bearer token", Challenge: challenge}
}

// limit applies the connection's rate before anything else is read.
func (x *exchange) limit() error {
	wait, ok := x.h.config.RateLimiter.Allow(x.credential.Connection.ID, x.start)
	if ok {
		return nil
	}
	return &wire.Error{Status: http.StatusTooManyRequests, Detail: "the connection sends too many requests", RetryAfter: max(wait, time.Second)}
}
