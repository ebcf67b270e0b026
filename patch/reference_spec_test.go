package patch_test

import "strings"

// object is a JSON object. Everywhere below nil is "unassigned": RFC 7643, section 2.5.
type object = map[string]any

// spec describes an attribute as RFC 7643, section 7 does; kind is its type.
type spec struct {
	name, kind                            string
	multi, required, exact, kept, dropped bool
	readOnly, immutable                   bool
	subs                                  []spec
	alias                                 string // another name of the attribute
}

func simple(kind string, names ...string) (list []spec) {
	for _, name := range names {
		list = append(list, spec{name: name, kind: kind})
	}
	return list
}

const (
	coreURN       = "urn:ietf:params:scim:schemas:core:2.0:User"
	groupURN      = "urn:ietf:params:scim:schemas:core:2.0:Group"
	enterpriseURN = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
)

// extensions lists the schema extensions in the order of the resource type.
var extensions = []string{enterpriseURN, badgeURN, contractURN}

// specs holds the attributes that the reference knows, by the schema that defines them.
var specs = map[string][]spec{
	coreURN: append(simple("string", "displayName", "nickName", "title"),
		spec{name: "userName", kind: "string", required: true},
		spec{name: "externalId", kind: "string", exact: true},
		spec{name: "active", kind: "boolean", kept: true},
		spec{name: "password", kind: "string", dropped: true},
		spec{name: "id", kind: "string", readOnly: true},
		spec{name: "meta", kind: "complex", readOnly: true, subs: simple("string", "created", "version")},
		spec{name: "groups", kind: "complex", multi: true, readOnly: true, subs: simple("string", "value", "display")},
		spec{name: "name", kind: "complex", subs: simple("string", "formatted", "familyName", "givenName")},
		spec{name: "emails", kind: "complex", multi: true, subs: append(simple("string", "value", "display", "type"), spec{name: "primary", kind: "boolean"})},
		spec{name: "addresses", kind: "complex", multi: true,
			subs: append(simple("string", "streetAddress", "locality", "type"), spec{name: "primary", kind: "boolean"})},
	),
	enterpriseURN: append(simple("string", "employeeNumber", "department"),
		spec{name: "manager", kind: "complex", subs: []spec{
			{name: "value", kind: "string", exact: true, alias: "managerId"}, {name: "$ref", kind: "string", exact: true},
			{name: "displayName", kind: "string", readOnly: true},
		}}),
	badgeURN: {
		{name: "serial", kind: "string", exact: true, immutable: true},
		{name: "stamp", kind: "string", readOnly: true},
		{name: "level", kind: "integer"},
		{name: "ratio", kind: "decimal"},
		{name: "issued", kind: "dateTime"},
		{name: "lost", kind: "boolean"},
		{name: "codes", kind: "string", multi: true},
		{name: "floors", kind: "integer", multi: true},
		{name: "seal", kind: "complex", subs: []spec{
			{name: "color", kind: "string"}, {name: "code", kind: "string", immutable: true}, {name: "label", kind: "string", required: true},
			{name: "stamp", kind: "string", readOnly: true}, {name: "tags", kind: "string", multi: true},
		}},
		{name: "visits", kind: "complex", multi: true, subs: []spec{
			{name: "value", kind: "string", exact: true}, {name: "type", kind: "string"}, {name: "stamp", kind: "string", readOnly: true},
			{name: "kind", kind: "string", immutable: true},
			{name: "tags", kind: "string", multi: true}, {name: "count", kind: "integer"}, {name: "primary", kind: "boolean"},
		}},
	},
	contractURN: {{name: "number", kind: "string", required: true}, {name: "note", kind: "string"}},
	groupURN: {
		{name: "displayName", kind: "string", required: true},
		{name: "externalId", kind: "string", exact: true},
		{name: "id", kind: "string", readOnly: true},
		{name: "meta", kind: "complex", readOnly: true, subs: simple("string", "created", "version")},
		{name: "members", kind: "complex", multi: true, subs: append(simple("string", "type", "display"),
			spec{name: "value", kind: "string", exact: true}, spec{name: "$ref", kind: "string", exact: true})},
	},
}

func find(list []spec, name string) *spec {
	for i := range list {
		if strings.EqualFold(list[i].name, name) {
			return &list[i]
		}
	}
	return nil
}
