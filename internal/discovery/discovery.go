// Package discovery describes a service provider to its clients: ServiceProviderConfig, ResourceTypes and Schemas (RFC 7644,
// section 4; RFC 7643, sections 5 to 7), computed from what is configured and enforced.
package discovery

import (
	_ "embed" // meta.json
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/internal/strict"
)

// The schemas of the discovery resources.
const (
	configURN = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
	typeURN   = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
	schemaURN = "urn:ietf:params:scim:schemas:core:2.0:Schema"
)

// Provider is what is described.
type Provider struct {
	Types            []*schema.ResourceType
	MaxResults       int
	DefaultResults   int
	DocumentationURI string
	HideGroups       bool // the store cannot tell the groups of a user: the attribute is not part of the schema
}

// meta.json holds the schemas of the three discovery resources: RFC 7643, section 8.7.2 with its errata, and RFC 9865, section 4.
//
//go:embed meta.json
var metaSchemas []byte

type supported struct {
	Supported bool `json:"supported"`
}

type meta struct {
	ResourceType string `json:"resourceType"`
	Location     string `json:"location"`
}

// Config returns the ServiceProviderConfig.
func (p *Provider) Config(base string) any {
	type scheme struct {
		Type        string `json:"type"`
		Name        string `json:"name"`
		Description string `json:"description"`
		SpecURI     string `json:"specUri"`
		Primary     bool   `json:"primary"`
	}
	return struct {
		Schemas          []string  `json:"schemas"`
		DocumentationURI string    `json:"documentationUri,omitempty"`
		Patch            supported `json:"patch"`
		Bulk             any       `json:"bulk"`
		Filter           any       `json:"filter"`
		ChangePassword   supported `json:"changePassword"`
		Sort             supported `json:"sort"`
		ETag             supported `json:"etag"`
		Pagination       any       `json:"pagination"`
		Schemes          []scheme  `json:"authenticationSchemes"`
		Meta             meta      `json:"meta"`
	}{
		Schemas:          []string{configURN},
		DocumentationURI: p.DocumentationURI,
		Patch:            supported{true},
		Bulk:             map[string]any{"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
		Filter:           map[string]any{"supported": true, "maxResults": p.MaxResults},
		ETag:             supported{true},
		Pagination: map[string]any{
			"cursor": false, "index": true, "defaultPaginationMethod": "index",
			"defaultPageSize": p.DefaultResults, "maxPageSize": p.MaxResults,
		},
		Schemes: []scheme{{
			Type: "oauthbearertoken", Name: "OAuth Bearer Token",
			Description: "The token of the connection, in the Authorization header",
			SpecURI:     "https://www.rfc-editor.org/info/rfc6750", Primary: true,
		}},
		Meta: meta{"ServiceProviderConfig", base + "/ServiceProviderConfig"},
	}
}

// ResourceTypes returns all resource types.
func (p *Provider) ResourceTypes(base string) []any {
	list := make([]any, len(p.Types))
	for i, rt := range p.Types {
		list[i] = resourceType(rt, base)
	}
	return list
}

// ResourceType returns one resource type by its name.
func (p *Provider) ResourceType(base, name string) (any, bool) {
	for _, rt := range p.Types {
		if rt.Name == name {
			return resourceType(rt, base), true
		}
	}
	return nil, false
}

func resourceType(rt *schema.ResourceType, base string) any {
	type extension struct {
		Schema   string `json:"schema"`
		Required bool   `json:"required"`
	}
	extensions := make([]extension, len(rt.Extensions))
	for i, ext := range rt.Extensions {
		extensions[i] = extension{ext.Schema.ID, ext.Required}
	}
	return struct {
		Schemas     []string    `json:"schemas"`
		ID          string      `json:"id"`
		Name        string      `json:"name"`
		Description string      `json:"description,omitempty"`
		Endpoint    string      `json:"endpoint"`
		Schema      string      `json:"schema"`
		Extensions  []extension `json:"schemaExtensions,omitempty"`
		Meta        meta        `json:"meta"`
	}{[]string{typeURN}, rt.Name, rt.Name, rt.Description, rt.Endpoint, rt.Schema.ID, extensions, meta{"ResourceType", base + "/ResourceTypes/" + rt.Name}}
}

// document is a schema as a client reads it.
type document struct {
	Schemas     []string    `json:"schemas"`
	ID          string      `json:"id"`
	Name        string      `json:"name,omitempty"`
	Description string      `json:"description,omitempty"`
	Attributes  []attribute `json:"attributes"`
	Meta        meta        `json:"meta"`
}

type attribute struct {
	Name            string      `json:"name"`
	Type            string      `json:"type"`
	MultiValued     bool        `json:"multiValued"`
	Description     string      `json:"description,omitempty"`
	Required        bool        `json:"required"`
	CanonicalValues []string    `json:"canonicalValues,omitempty"`
	CaseExact       *bool       `json:"caseExact,omitempty"`
	Mutability      string      `json:"mutability"`
	Returned        string      `json:"returned"`
	Uniqueness      string      `json:"uniqueness,omitempty"`
	ReferenceTypes  []string    `json:"referenceTypes,omitempty"`
	SubAttributes   []attribute `json:"subAttributes,omitempty"`
}

// Schemas returns every schema of every resource type once, and those of the discovery resources.
func (p *Provider) Schemas(base string) []any {
	var list []any
	for _, d := range p.documents() {
		d.Meta.Location = base + "/Schemas/" + d.ID
		list = append(list, d)
	}
	return list
}

// Schema returns one schema by its URN, in any case.
func (p *Provider) Schema(base, id string) (any, bool) {
	for _, d := range p.documents() {
		if strict.FoldName(d.ID) == strict.FoldName(id) {
			d.Meta.Location = base + "/Schemas/" + d.ID
			return d, true
		}
	}
	return nil, false
}

func (p *Provider) documents() []document {
	var list []document
	add := func(s *schema.Schema) {
		if !slices.ContainsFunc(list, func(d document) bool { return d.ID == s.ID }) {
			list = append(list, document{[]string{schemaURN}, s.ID, s.Name, s.Description, p.attributes(s.Attributes), meta{ResourceType: "Schema"}})
		}
	}
	for _, rt := range p.Types {
		add(rt.Schema)
		for _, ext := range rt.Extensions {
			add(ext.Schema)
		}
	}
	return append(list, own()...)
}

// own returns the schemas of the discovery resources.
func own() []document {
	var list []document
	if err := json.Unmarshal(metaSchemas, &list); err != nil {
		panic(fmt.Sprintf("discovery: meta.json: %v", err)) // embedded, and read by a test
	}
	return list
}

func (p *Provider) attributes(attrs []*schema.Attribute) []attribute {
	var list []attribute
	for _, a := range attrs {
		if a.Relation == schema.Groups && p.HideGroups {
			continue
		}
		d := attribute{
			Name: a.Name, Type: a.Type.String(), MultiValued: a.MultiValued, Description: strings.TrimSpace(a.Description), Required: a.Required,
			CanonicalValues: a.Canonical, Mutability: a.Mutability, Returned: a.Returned, ReferenceTypes: a.ReferenceTypes,
			SubAttributes: p.attributes(a.Sub),
		}
		switch a.Type {
		case schema.String, schema.Reference:
			d.CaseExact, d.Uniqueness = new(a.CaseExact), a.Uniqueness
		case schema.Binary: // which has no uniqueness: RFC 7643, section 2.3.6
			d.CaseExact = new(a.CaseExact)
		}
		list = append(list, d)
	}
	return list
}
