package wire

import (
	"bytes"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/store"
)

// View is how resources of one type are shown in one answer.
type View struct {
	Type       *schema.ResourceType
	Base       string // base URL without a trailing slash
	Projection *schema.Projection
	Endpoints  map[string]string // by resource type, for $ref

	meta     [5]*schema.Attribute
	metaSeen bool
}

// Location returns the URL of a resource. It needs no escapes inside a JSON string.
func (v *View) Location(typ, id string) string {
	return v.Base + v.Endpoints[typ] + "/" + escape(id)
}

// appendLocation appends the URL of a resource as a JSON member.
func (v *View) appendLocation(dst []byte, name, typ, id string) []byte {
	dst = append(dst, `,"`...)
	dst = append(dst, name...)
	dst = append(dst, `":"`...)
	dst = append(dst, v.Base...)
	dst = append(dst, v.Endpoints[typ]...)
	dst = append(dst, '/')
	dst = append(dst, escape(id)...)
	return append(dst, '"')
}

func escape(id string) string {
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_':
		default:
			return url.PathEscape(id)
		}
	}
	return id
}

// head begins a resource: schemas, id and attributes. Without a projection, a stored document is spliced as it is.
func (v *View) head(dst []byte, r store.Resource) ([]byte, error) {
	if v.Projection == nil {
		json, err := r.Document.Wire(v.Type)
		if err != nil {
			return dst, err
		}
		end := bytes.IndexByte(json, ']') + 1 // of schemas: no URN holds a bracket
		dst = append(dst, json[:end]...)
		dst = appendMember(dst, "id", r.ID)
		return append(dst, json[end:len(json)-1]...), nil
	}
	tree, err := r.Document.Tree(v.Type)
	if err != nil {
		return dst, err
	}
	dst = append(dst, '{')
	dst = v.Type.AppendSchemas(dst, tree)
	dst = appendMember(dst, "id", r.ID)
	return v.Projection.AppendFields(dst, tree), nil
}

func appendMember(dst []byte, name, text string) []byte {
	dst = append(dst, `,"`...)
	dst = append(dst, name...)
	dst = append(dst, `":`...)
	return appendText(dst, text)
}

func appendText(dst []byte, text string) []byte {
	dst, _ = jsontext.AppendQuote(dst, text)
	return dst
}

// tail appends the part of meta that the projection shows, and ends the resource.
func (v *View) tail(dst []byte, r store.Resource) []byte {
	if !v.metaSeen {
		v.metaSeen = true
		if v.Projection.Shows(v.Type.Meta) {
			for i, sub := range v.Type.Meta.Sub {
				if v.Projection.Shows(sub) {
					v.meta[i] = sub
				}
			}
		}
	}
	start := len(dst)
	dst = append(dst, `,"meta":`...)
	open := len(dst)
	for _, sub := range v.meta {
		if sub == nil {
			continue
		}
		switch sub.Name {
		case "resourceType":
			dst = appendMember(dst, sub.Name, v.Type.Name)
		case "created":
			dst = appendTime(dst, sub.Name, r.Created)
		case "lastModified":
			dst = appendTime(dst, sub.Name, r.LastModified)
		case "location":
			dst = v.appendLocation(dst, sub.Name, r.Type, r.ID)
		case "version":
			dst = appendMember(dst, sub.Name, ETag(r.Version))
		}
	}
	if len(dst) == open {
		return append(dst[:start], '}')
	}
	dst[open] = '{' // in place of the first comma
	return append(dst, '}', '}')
}

func appendTime(dst []byte, name string, t time.Time) []byte {
	dst = append(dst, `,"`...)
	dst = append(dst, name...)
	dst = append(dst, `":"`...)
	dst = t.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000000Z")
	return append(dst, '"')
}

// Relation is how the elements of a membership attribute are shown.
type Relation struct {
	view  *View
	value bool
	ref   bool
	show  bool
	typ   bool
}

// Relation returns how members or groups are shown; ok is false if they are not.
func (v *View) Relation(a *schema.Attribute) (rel Relation, ok bool) {
	if a == nil || !v.Projection.Shows(a) {
		return Relation{}, false
	}
	rel.view = v
	for _, sub := range a.Sub {
		if !v.Projection.Shows(sub) {
			continue
		}
		switch sub.Name {
		case "value":
			rel.value = true
		case "$ref":
			rel.ref = true
		case "display":
			rel.show = true
		case "type":
			rel.typ = true
		}
	}
	return rel, true
}

// AppendElement appends one member or group, refType being its resource type and typ what "type" says of it. A resource of a type that
// is not served has no $ref.
func (rel Relation) AppendElement(dst []byte, id, refType, typ, display string) []byte {
	start := len(dst)
	if rel.value {
		dst = appendMember(dst, "value", id)
	}
	if rel.ref && rel.view.Endpoints[refType] != "" {
		dst = rel.view.appendLocation(dst, "$ref", refType, id)
	}
	if rel.show && display != "" {
		dst = appendMember(dst, "display", display)
	}
	if rel.typ {
		dst = appendMember(dst, "type", typ)
	}
	if len(dst) == start {
		return append(dst, '{', '}')
	}
	dst[start] = '{'
	return append(dst, '}')
}

// BaseURL replaces {connection} in a base URL and cuts its trailing slashes.
func BaseURL(base, connection string) string {
	return strings.TrimRight(strings.ReplaceAll(base, "{connection}", url.PathEscape(connection)), "/")
}
