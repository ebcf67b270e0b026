package schema

import (
	"slices"
	"strings"
)

// The URNs of the standard schemas (RFC 7643, section 8.7).
const (
	UserURN       = "urn:ietf:params:scim:schemas:core:2.0:User"
	GroupURN      = "urn:ietf:params:scim:schemas:core:2.0:Group"
	EnterpriseURN = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
)

// legacyURNs are pre-standard spellings that identity providers still send (ONELOGIN-03).
var legacyURNs = map[string][]string{
	UserURN:       {"urn:scim:schemas:core:2.0", "urn:scim:schemas:core:2.0:User"},
	GroupURN:      {"urn:scim:schemas:core:2.0", "urn:scim:schemas:core:2.0:Group"},
	EnterpriseURN: {"urn:scim:schemas:extension:enterprise:2.0", "urn:scim:schemas:extension:enterprise:2.0:User"},
}

// correct applies to a standard schema what the errata of RFC 7643 and this library's decisions change in elimity's rendering,
// which follows the RFC as printed. A host may have left attributes out; schemas of the host's own are left alone.
func correct(id string, schema *Attribute) {
	on := func(path string, f func(*Attribute)) {
		a := schema
		for name := range strings.SplitSeq(path, ".") {
			if a = a.names[name]; a == nil {
				return
			}
		}
		f(a)
	}
	switch id {
	case UserURN:
		correctUser(on)
	case GroupURN:
		correctGroup(on)
	case EnterpriseURN:
		on("manager.value", func(a *Attribute) {
			a.CaseExact = true // erratum 8472
			a.Parent.alias("managerId", a)
		})
	}
}

func correctUser(on func(path string, f func(*Attribute))) {
	on("active", func(a *Attribute) { a.Default = BoolValue(true) })
	on("password", func(a *Attribute) { a.Dropped = true })
	on("ims.type", func(a *Attribute) { a.Canonical = append(slices.Clip(a.Canonical), "other") }) // section 4.1.2 lists it
	on("addresses", func(a *Attribute) {
		if a.names["primary"] == nil { // the RFC's own examples set it
			a.add(&Attribute{
				Name: "primary", Type: Boolean, Mutability: ReadWrite, Returned: ReturnedDefault, Uniqueness: UniqueNone,
				Description: "A Boolean value indicating the preferred address.",
			})
		}
	})
	on("groups", func(a *Attribute) { a.Relation = Groups })
	on("groups.value", func(a *Attribute) { a.CaseExact = true })
	on("groups.$ref", func(a *Attribute) { a.ReferenceTypes = []string{"Group"} }) // erratum 8471
	on("roles.display", func(a *Attribute) { a.Parent.alias("displayName", a) })
	on("roles.value", func(a *Attribute) { a.Parent.unwrap = true })
}

func correctGroup(on func(path string, f func(*Attribute))) {
	on("displayName", func(a *Attribute) { a.Required = true }) // erratum 5368
	on("members.value", func(a *Attribute) {
		a.CaseExact = true
		a.Parent.Relation = Members
	})
}
