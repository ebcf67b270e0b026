package schema

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
// which follows the RFC as printed. Schemas of the host's own are left alone.
func correct(id string, schema *Attribute) {
	switch id {
	case UserURN:
		correctUser(schema)
	case GroupURN:
		correctGroup(schema)
	case EnterpriseURN:
		manager := schema.names["manager"]
		manager.names["value"].CaseExact = true // erratum 8472
		manager.alias("managerId", manager.names["value"])
	}
}

func correctUser(user *Attribute) {
	user.names["displayName"].MaxBytes = MaxKey
	user.names["active"].Default = BoolValue(true)
	user.names["password"].Dropped = true
	if ims := user.names["ims"].names["type"]; ims != nil {
		ims.Canonical = append(ims.Canonical[:len(ims.Canonical):len(ims.Canonical)], "other") // section 4.1.2 lists it
	}
	addresses := user.names["addresses"]
	if addresses.names["primary"] == nil { // the RFC's own examples set it
		addresses.add(&Attribute{
			Name: "primary", Type: Boolean, Mutability: ReadWrite, Returned: ReturnedDefault, Uniqueness: UniqueNone,
			Description: "A Boolean value indicating the preferred address.",
		})
	}
	groups := user.names["groups"]
	groups.Relation = Groups
	groups.names["value"].CaseExact = true
	groups.names["$ref"].ReferenceTypes = []string{"Group"} // erratum 8471
	roles := user.names["roles"]
	roles.alias("displayName", roles.names["display"])
	roles.unwrap = true
}

func correctGroup(group *Attribute) {
	group.names["displayName"].Required = true // erratum 5368
	group.names["displayName"].MaxBytes = MaxKey
	members := group.names["members"]
	members.Relation = Members
	members.names["value"].CaseExact = true
}
