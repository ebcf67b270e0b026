package scim

import (
	"fmt"

	elimity "github.com/elimity-com/scim/schema"

	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/internal/strict"
)

// ResourceType declares a kind of resource: RFC 7643, section 6.
//
// Schemas are declared with github.com/elimity-com/scim/schema. Its renderings of the standard schemas are corrected by the
// errata of RFC 7643 when they are compiled; a host's own schemas are taken as they are.
type ResourceType struct {
	Name        string         // "User": meta.resourceType, and the name in /ResourceTypes; unique, required
	Endpoint    string         // "/Users": one path segment; unique, required
	Description string         // for people
	Schema      elimity.Schema // the core schema; at most 256 attributes on a level
	Extensions  []Extension
}

// Extension is a schema extension of a resource type. Its attributes stand under its URN.
type Extension struct {
	Schema   elimity.Schema
	Required bool // a resource without it is refused: 400 invalidValue
}

// UserType returns the User of RFC 7643, section 4.1, with extensions; without any, it has the enterprise extension. The password
// is accepted, ignored and not advertised.
func UserType(extensions ...Extension) ResourceType {
	if len(extensions) == 0 {
		extensions = []Extension{{Schema: elimity.ExtensionEnterpriseUser()}}
	}
	return ResourceType{Name: "User", Endpoint: "/Users", Description: "User Account", Schema: elimity.CoreUserSchema(), Extensions: extensions}
}

// GroupType returns the Group of RFC 7643, section 4.2, with extensions.
func GroupType(extensions ...Extension) ResourceType {
	return ResourceType{Name: "Group", Endpoint: "/Groups", Description: "Group", Schema: elimity.CoreGroupSchema(), Extensions: extensions}
}

// compileTypes compiles resource types and checks that their names and endpoints differ.
func compileTypes(types []ResourceType) ([]*schema.ResourceType, error) {
	if types == nil {
		types = []ResourceType{UserType(), GroupType()}
	}
	if len(types) == 0 {
		return nil, fmt.Errorf("scim: Config.Types is empty")
	}
	var seen strict.Names
	compiled := make([]*schema.ResourceType, 0, len(types))
	for _, t := range types {
		def := schema.Definition{Name: t.Name, Endpoint: t.Endpoint, Description: t.Description, Schema: t.Schema}
		for _, ext := range t.Extensions {
			def.Extensions = append(def.Extensions, schema.ExtensionDefinition{Schema: ext.Schema, Required: ext.Required})
		}
		rt, err := schema.Compile(def)
		if err != nil {
			return nil, fmt.Errorf("scim: %w", err)
		}
		if seen.Add(rt.Name) != nil || seen.Add(rt.Endpoint) != nil {
			return nil, fmt.Errorf("scim: two resource types have the name %s or the endpoint %s", rt.Name, rt.Endpoint)
		}
		compiled = append(compiled, rt)
	}
	return compiled, nil
}
