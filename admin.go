package scim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/store"
)

// AdminConfig configures an Admin.
type AdminConfig struct {
	// Handler serves the connections, required: their base URLs and groups are its.
	Handler *Handler
	// Connections are managed, required.
	Connections *Connections
	// Authorize decides about every call, required. Its error refuses the call: with 401 where it is an ErrUnauthorized, otherwise with
	// 403; what the error says is logged and not sent. The tenant is the one in the path, which the caller chose: compare it with
	// whom the request belongs to. It is empty for ActionDescribe.
	// A host that knows its callers by a cookie keeps forged requests of other sites out itself, by http.CrossOriginProtection for example.
	Authorize func(r *http.Request, action Action, tenant string) error
}

// Action is what a management call does, for AdminConfig.Authorize.
type Action string

// The actions.
const (
	ActionReadConnections   Action = "connections.read"
	ActionCreateConnections Action = "connections.create"
	ActionUpdateConnections Action = "connections.update" // names, policy, status
	ActionDeleteConnections Action = "connections.delete"
	ActionReadTokens        Action = "tokens.read"
	ActionManageTokens      Action = "tokens.manage" // rotate, issue, revoke
	ActionReadGroups        Action = "groups.read"
	ActionReadJournal       Action = "journal.read"
	ActionDescribe          Action = "api.describe" // read the OpenAPI document
)

// Admin is the management API: an http.Handler in whose OpenAPI document, at /openapi.json, every call and answer is described. It
// answers JSON, and errors as problem details (RFC 9457) with a stable code. Mount it wherever it should be:
//
//	mux.Handle("/scim-admin/", http.StripPrefix("/scim-admin", admin))
//
// It is safe for concurrent use. Secrets are in the answers that create them, and nowhere else; bodies have 64 KiB at most.
type Admin struct {
	config AdminConfig
	groups *schema.ResourceType // the type that has members, or nil
}

// NewAdmin returns an Admin. It fails if something in the configuration is missing.
func NewAdmin(config AdminConfig) (*Admin, error) {
	switch {
	case config.Handler == nil:
		return nil, errors.New("scim: AdminConfig.Handler is nil")
	case config.Connections == nil:
		return nil, errors.New("scim: AdminConfig.Connections is nil")
	case config.Authorize == nil:
		return nil, errors.New("scim: AdminConfig.Authorize is nil")
	}
	a := &Admin{config: config}
	i := slices.IndexFunc(config.Handler.types, func(rt *schema.ResourceType) bool { return rt.Members != nil })
	if i >= 0 {
		a.groups = config.Handler.types[i]
	}
	return a, nil
}

// call is one management call on its way to its answer.
type call struct {
	*Admin
	w          http.ResponseWriter
	r          *http.Request
	id         string
	start      time.Time
	route      *adminRoute
	tenant     string
	connection string // ids in the path
	token      string
	authorized bool
	status     int
	failure    *problem
}

// scope names the connection in the path.
func (c *call) scope() store.Scope { return store.Scope{Connection: c.connection, Tenant: c.tenant} }

// ServeHTTP answers a management call.
func (a *Admin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := a.config.Handler.config
	ctx, cancel := context.WithTimeout(r.Context(), h.Limits.RequestTime)
	defer cancel()
	now := h.Now()
	c := &call{Admin: a, w: w, start: now, id: h.NewID(now)}
	c.r = r.WithContext(WithActor(ctx, Actor{Subject: actorOf(ctx).Subject, RequestID: c.id}))
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Request-Id", c.id)
	defer c.end()
	if err := c.serve(); err != nil {
		c.fail(err)
	}
}

// serve is the whole pipeline.
func (c *call) serve() error {
	allowed := c.match()
	if c.route == nil && allowed == nil {
		return &problem{Status: http.StatusNotFound, Code: "not_found", Detail: "there is nothing here"}
	}
	if c.route == nil {
		c.w.Header().Set("Allow", strings.Join(allowed, ", "))
		return &problem{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Detail: "the method is not allowed here"}
	}
	if err := c.config.Authorize(c.r, c.route.action, c.tenant); err != nil {
		return forbidden(err)
	}
	if c.route.action != ActionDescribe {
		if err := checkTenant(c.tenant); err != nil {
			return err
		}
		if c.connection != "" && checkText("connection_id", c.connection, maxTenant) != nil {
			return store.ErrNotFound // not every database takes it as a text
		}
	}
	c.authorized = true
	return c.route.handle(c)
}

func forbidden(err error) error {
	p := &problem{Status: http.StatusForbidden, Code: "forbidden", Detail: "the call is not allowed", cause: err}
	if errors.Is(err, ErrUnauthorized) {
		p = &problem{Status: http.StatusUnauthorized, Code: "unauthorized", Detail: "the call needs valid credentials", cause: err}
	}
	return p
}

// adminRoute is one call of the API.
type adminRoute struct {
	method string
	path   string // {tenant}, {id} and {token_id} stand for a segment
	action Action
	handle func(*call) error
}

const (
	connectionsPath = "/tenants/{tenant}/connections"
	connectionPath  = connectionsPath + "/{id}"
)

var adminRoutes = []adminRoute{
	{http.MethodGet, "/openapi.json", ActionDescribe, (*call).describe},
	{http.MethodPost, connectionsPath, ActionCreateConnections, (*call).createConnection},
	{http.MethodGet, connectionsPath, ActionReadConnections, (*call).listConnections},
	{http.MethodGet, connectionPath, ActionReadConnections, (*call).getConnection},
	{http.MethodPatch, connectionPath, ActionUpdateConnections, (*call).updateConnection},
	{http.MethodDelete, connectionPath, ActionDeleteConnections, (*call).deleteConnection},
	{http.MethodPost, connectionPath + "/rotate/start", ActionManageTokens, (*call).startRotation},
	{http.MethodPost, connectionPath + "/rotate/complete", ActionManageTokens, (*call).completeRotation},
	{http.MethodPost, connectionPath + "/rotate/cancel", ActionManageTokens, (*call).cancelRotation},
	{http.MethodPost, connectionPath + "/tokens", ActionManageTokens, (*call).issueToken},
	{http.MethodGet, connectionPath + "/tokens", ActionReadTokens, (*call).listTokens},
	{http.MethodDelete, connectionPath + "/tokens/{token_id}", ActionManageTokens, (*call).revokeToken},
	{http.MethodGet, connectionPath + "/groups", ActionReadGroups, (*call).listGroups},
	{http.MethodGet, connectionPath + "/journal", ActionReadJournal, (*call).readJournal},
}

// match finds the route of a call. Without one, allowed are the methods that the path has; nil is no such path.
func (c *call) match() (allowed []string) {
	segments := strings.Split(c.r.URL.EscapedPath(), "/")
	name := c.r.Method
	if name == http.MethodHead {
		name = http.MethodGet // net/http drops the body
	}
	for i := range adminRoutes {
		route := &adminRoutes[i]
		values, ok := cut(segments, route.path)
		if !ok {
			continue
		}
		if route.method == name {
			c.route = route
			c.tenant, c.connection, c.token = values["{tenant}"], values["{id}"], values["{token_id}"]
			return nil
		}
		allowed = append(allowed, route.method)
	}
	return allowed
}

// cut compares the segments of a path with a template, and returns what stands in its places.
func cut(segments []string, template string) (values map[string]string, ok bool) {
	wanted := strings.Split(template, "/")
	if len(wanted) != len(segments) {
		return nil, false
	}
	values = make(map[string]string, 3)
	for i, want := range wanted {
		if !strings.HasPrefix(want, "{") {
			if want != segments[i] {
				return nil, false
			}
			continue
		}
		value, err := url.PathUnescape(segments[i])
		if err != nil || value == "" {
			return nil, false
		}
		values[want] = value
	}
	return values, true
}

// end turns a panic into a 500, and logs the call.
func (c *call) end() {
	cause := recover()
	if cause != nil && cause != http.ErrAbortHandler {
		c.failure = &problem{
			Status: http.StatusInternalServerError, Code: "internal_error", Detail: "internal error",
			cause: fmt.Errorf("panic: %v\n%s", cause, debug.Stack()),
		}
		if c.status == 0 {
			c.fail(c.failure)
		}
	}
	c.log()
	if cause == http.ErrAbortHandler {
		panic(cause)
	}
}

// connectionID is the shape of the ids that Connections mints. What looks otherwise may be a token in the wrong place.
var connectionID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// log writes the call's record: routes and codes, and of what the caller wrote, tenant and connection in the path of a call that is
// allowed.
func (c *call) log() {
	h := c.config.Handler.config
	attrs := []slog.Attr{
		slog.String("request_id", c.id), slog.String("method", method(c.r.Method)), slog.Int("status", c.status),
		slog.Duration("duration", h.Now().Sub(c.start)),
	}
	if c.route != nil {
		attrs = append(attrs, slog.String("route", c.route.path))
	}
	if c.authorized {
		attrs = append(attrs, slog.String("tenant", c.tenant))
	}
	if c.authorized && connectionID.MatchString(c.connection) {
		attrs = append(attrs, slog.String("connection", c.connection))
	}
	level := slog.LevelInfo
	if c.failure != nil {
		attrs = append(attrs, slog.String("code", c.failure.Code))
		if c.failure.cause != nil {
			attrs = append(attrs, slog.String("cause", c.failure.cause.Error()))
		}
	}
	if c.status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	h.Logger.LogAttrs(c.r.Context(), level, "scim management", attrs...)
}
