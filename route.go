package scim

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/scimkit/scim/internal/wire"
)

// handle answers a routed request.
type handle func(*exchange, context.Context) error

// methods are the handles of one path, in the order of the Allow header; a name that is empty stands for every method.
type methods []struct {
	name   string
	handle handle
}

var (
	typeMethods     = methods{{http.MethodGet, (*exchange).list}, {http.MethodPost, (*exchange).create}}
	searchMethods   = methods{{http.MethodPost, (*exchange).search}}
	resourceMethods = methods{
		{http.MethodGet, (*exchange).get}, {http.MethodPut, (*exchange).replace},
		{http.MethodPatch, (*exchange).patch}, {http.MethodDelete, (*exchange).delete},
	}
	discoveryMethods = methods{{http.MethodGet, (*exchange).discover}}

	// What is not supported answers 501, on its methods or on all.
	unsupportedQuery  = methods{{http.MethodGet, (*exchange).unsupported}}
	unsupportedSearch = methods{{http.MethodPost, (*exchange).unsupported}}
	unsupportedAll    = methods{{"", (*exchange).unsupported}}
)

// route finds the handle of a request. Paths are matched as they were sent: an endpoint has one spelling.
func (x *exchange) route() (handle, error) {
	path, connection, ok := x.h.cutBase(x.r.URL.EscapedPath())
	if !ok || !x.owns(connection) {
		return nil, notFound()
	}
	path, x.r.URL.RawQuery = wire.MendFlag(path, x.r.URL.RawQuery, x.report)
	segments, ok := wire.SplitPath(x.segments[:0], path)
	if !ok {
		return nil, notFound()
	}
	found := x.resolve(segments)
	if found == nil {
		return nil, notFound()
	}
	name := x.r.Method
	if name == http.MethodHead {
		name = http.MethodGet // net/http drops the body
	}
	var allowed []string
	for _, m := range found {
		if m.name == name || m.name == "" {
			return m.handle, nil
		}
		allowed = append(allowed, m.name)
	}
	return nil, &wire.Error{Status: http.StatusMethodNotAllowed, Detail: "the method is not allowed here", Allow: strings.Join(allowed, ", ")}
}

// owns reports whether a connection in the path, if there is one, is the token's.
func (x *exchange) owns(segment string) bool {
	id, err := url.PathUnescape(segment)
	return segment == "" || err == nil && id == x.credential.Connection.ID
}

func notFound() error {
	return &wire.Error{Status: http.StatusNotFound, Detail: "there is no such resource"}
}

// cutBase splits an escaped path below BaseURL into the rest and the connection that it names, if BaseURL has a place for one.
func (h *Handler) cutBase(escaped string) (rest, connection string, ok bool) {
	rest = escaped
	for _, want := range h.base {
		rest = strings.TrimLeft(rest, "/")
		segment := rest
		if end := strings.IndexByte(rest, '/'); end >= 0 {
			segment = rest[:end]
		}
		switch {
		case isPlaceholder(want) && segment != "":
			connection = segment
		case segment != want:
			return "", "", false
		}
		rest = rest[len(segment):]
	}
	return rest, connection, rest == "" || rest[0] == '/'
}

// isPlaceholder recognises {connection} as net/url escapes it.
func isPlaceholder(segment string) bool {
	return segment == "%7Bconnection%7D" || segment == "{connection}"
}

// unsupported answers for parts of the protocol that are not there: RFC 7644, section 3.12.
func (x *exchange) unsupported(context.Context) error {
	return &wire.Error{Status: http.StatusNotImplemented, Detail: "the service provider does not support this part of the protocol"}
}

// resolve finds out what a path names, notes it in the exchange, and returns what can be done there: nil where there is nothing.
func (x *exchange) resolve(segments []wire.Segment) methods {
	if len(segments) == 0 {
		x.template = "/"
		return unsupportedQuery
	}
	first := segments[0].Raw
	for _, rt := range x.h.types {
		if rt.Endpoint[1:] == first {
			x.typ = rt
			return x.resolveType(segments[1:])
		}
	}
	if len(segments) == 1 {
		switch first {
		case "Bulk", "Me":
			x.template = "/" + first
			return unsupportedAll
		case ".search":
			x.template = "/.search"
			return unsupportedSearch
		}
	}
	return x.resolveDiscovery(segments)
}

// resolveType resolves what stands behind a type's endpoint.
func (x *exchange) resolveType(rest []wire.Segment) methods {
	switch {
	case len(rest) == 0:
		x.template = x.typ.Endpoint
		return typeMethods
	case len(rest) == 1 && rest[0].Raw == ".search":
		x.template = x.typ.Endpoint + "/.search"
		return searchMethods
	case len(rest) == 1:
		x.template = x.h.templates[x.typ.Name]
		x.target = rest[0].Text
		return resourceMethods
	default:
		return nil
	}
}

// resolveDiscovery knows /ServiceProviderConfig, /ResourceTypes and /Schemas, the latter two also by id.
func (x *exchange) resolveDiscovery(segments []wire.Segment) methods {
	kind := segments[0].Raw
	switch {
	case len(segments) > 2, kind == "ServiceProviderConfig" && len(segments) == 2:
		return nil
	case kind != "ServiceProviderConfig" && kind != "ResourceTypes" && kind != "Schemas":
		return nil
	}
	x.template = "/" + kind
	x.discovered = kind
	if len(segments) == 2 {
		x.template += "/{id}"
		x.target = segments[1].Text
	}
	return discoveryMethods
}
