package scim

import (
	"context"
	"net/http"
	"time"

	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/internal/directory"
	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/internal/wire"
	"github.com/scimkit/scim/store"
)

// parameters reads the query string.
func (x *exchange) parameters() (wire.Parameters, error) {
	return wire.ParseQuery(x.r.URL.RawQuery, x.h.config.Limits.parameters(), x.report)
}

// get answers GET /{type}/{id}: RFC 7644, section 3.4.1.
func (x *exchange) get(ctx context.Context) error {
	p, err := x.parameters()
	if err != nil {
		return err
	}
	condition, err := wire.ParseCondition(x.r)
	if err != nil {
		return err
	}
	q := x.request()
	resource, err := x.h.directory.Get(ctx, q, x.typ, x.target)
	if err != nil {
		return err
	}
	x.resource = resource.ID
	notModified, err := condition.Check(wire.Opaque(resource.Version))
	if err != nil {
		return err
	}
	view := x.view(p, nil)
	if notModified {
		x.tag(view, resource)
		x.w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return x.show(ctx, view, q, resource)
}

// list answers GET /{type}: RFC 7644, section 3.4.2.
func (x *exchange) list(ctx context.Context) error {
	p, err := x.parameters()
	if err != nil {
		return err
	}
	return x.query(ctx, p)
}

// search answers POST /{type}/.search: RFC 7644, section 3.4.3.
func (x *exchange) search(ctx context.Context) error {
	var p wire.Parameters
	err := x.body(ctx, func(body []byte) (err error) {
		p, err = wire.ParseSearch(body, x.h.config.Limits.parameters())
		return err
	})
	if err != nil {
		return err
	}
	return x.query(ctx, p)
}

// query answers a list, whichever way it was asked for.
func (x *exchange) query(ctx context.Context, p wire.Parameters) error {
	query := store.Query{Type: x.typ.Name, Start: p.StartIndex, Count: p.Count}
	if p.HasFilter {
		expr, err := filter.Parse(p.Filter, x.h.config.Limits.filter(), x.report)
		if err != nil {
			return err
		}
		query.Filter, err = filter.Bind(expr, x.typ, x.filterOptions(), x.report)
		if err != nil {
			return err
		}
	}
	q := x.request()
	page, err := x.h.directory.List(ctx, q, query)
	if err != nil {
		return err
	}
	return x.showList(ctx, x.view(p, nil), q, p.StartIndex, page)
}

func (x *exchange) filterOptions() filter.Options {
	return filter.Options{
		Location:  x.base + x.typ.Endpoint + "/",
		NoMembers: x.h.directory.Members == nil,
		NoGroups:  x.h.directory.Groups == nil,
	}
}

// discover answers GET on the discovery endpoints, which know neither filters nor pages: RFC 7644, section 4.
func (x *exchange) discover(context.Context) error {
	p, err := x.parameters()
	if err != nil {
		return err
	}
	if p.HasFilter {
		return &wire.Error{Status: http.StatusForbidden, Detail: "this endpoint does not support the parameter filter"}
	}
	condition, err := wire.ParseCondition(x.r)
	if err != nil {
		return err
	}
	document, ok := x.document()
	if !ok {
		return notFound()
	}
	return wire.WriteDocument(&x.w, document, condition, wire.Negotiate(x.r.Header.Get("Accept")))
}

// document returns the discovery resource that the path names.
func (x *exchange) document() (document any, ok bool) {
	d := x.h.discovery
	switch {
	case x.discovered == "ServiceProviderConfig":
		return d.Config(x.base), true
	case x.discovered == "ResourceTypes" && x.target == "":
		return wire.NewList(d.ResourceTypes(x.base)), true
	case x.discovered == "ResourceTypes":
		return d.ResourceType(x.base, x.target)
	case x.target == "":
		return wire.NewList(d.Schemas(x.base)), true
	default:
		return d.Schema(x.base, x.target)
	}
}

// view prepares how resources are shown. requested are attributes that the request wrote itself.
func (x *exchange) view(p wire.Parameters, requested []*schema.Attribute) *wire.View {
	return &wire.View{
		Type: x.typ, Base: x.base, Endpoints: x.h.endpoints,
		Projection: x.typ.NewProjection(p.Attributes, p.Excluded, requested),
	}
}

// tag sets the headers that name a resource and its version.
func (x *exchange) tag(view *wire.View, r store.Resource) {
	x.values[1], x.values[2] = wire.ETag(r.Version), view.Location(r.Type, r.ID)
	header := x.w.Header()
	header["Etag"] = x.values[1:2:2]
	header["Location"] = x.values[2:3:3]
}

// show answers with one resource.
func (x *exchange) show(ctx context.Context, view *wire.View, q directory.Request, r store.Resource) error {
	x.tag(view, r)
	out := wire.NewWriter(&x.w, http.StatusOK, wire.Negotiate(x.r.Header.Get("Accept")))
	if err := x.appendResources(ctx, out, view, q, []store.Resource{r}); err != nil {
		out.Discard()
		return err
	}
	out.Close()
	return nil
}

// answerTime bounds what the answer to a committed write still takes from the store.
const answerTime = 5 * time.Second

// showWritten answers a write with the resource. The change stands, so that nothing may turn the answer into an error any more: the
// memberships in it are read in a time of their own, and left out where that fails.
func (x *exchange) showWritten(ctx context.Context, status int, view *wire.View, q directory.Request, r store.Resource) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTime)
	defer cancel()
	x.tag(view, r)
	out := wire.NewWriter(&x.w, status, wire.Negotiate(x.r.Header.Get("Accept")))
	err := x.appendResources(ctx, out, view, q, []store.Resource{r})
	if err != nil && !out.Streaming() {
		x.incomplete = err
		out.Buf = out.Buf[:0]
		err = view.AppendAll(out, []store.Resource{r})
	}
	if err != nil {
		out.Discard()
		return err
	}
	out.Close()
	return nil
}

// showList answers with a page of resources.
func (x *exchange) showList(ctx context.Context, view *wire.View, q directory.Request, start int, page store.Page) error {
	out := wire.NewWriter(&x.w, http.StatusOK, wire.Negotiate(x.r.Header.Get("Accept")))
	out.Buf = wire.AppendListHead(out.Buf, page.Total, start, len(page.Resources))
	if err := x.appendResources(ctx, out, view, q, page.Resources); err != nil {
		out.Discard()
		return err
	}
	out.Buf = append(out.Buf, ']', '}')
	out.Close()
	return nil
}

// appendResources writes resources with their memberships, a comma between them. The groups of all of them are read at once, the
// members as a stream.
func (x *exchange) appendResources(ctx context.Context, out *wire.Writer, view *wire.View, q directory.Request, resources []store.Resource) error {
	d := x.h.directory
	if shown, ok := view.Relation(view.Type.Groups); ok && d.Groups != nil && len(resources) > 0 {
		ids := make([]string, len(resources))
		for i, r := range resources {
			ids[i] = r.ID
		}
		groups, err := d.GroupsOf(ctx, q, ids)
		if err != nil {
			return err
		}
		return view.AppendWithGroups(out, shown, resources, groups)
	}
	if shown, ok := view.Relation(view.Type.Members); ok && len(resources) > 0 {
		return view.AppendWithMembers(out, shown, resources, func(ids []string, f func(store.Membership) error) error {
			return d.EachMember(ctx, q, ids, f)
		})
	}
	return view.AppendAll(out, resources)
}
