// Package dialect names what real identity providers send that RFC 7643 and RFC 7644 do not, and decides whether a connection
// takes it.
//
// Every tolerance is a [Rule] with an id and a citation. A [Report] travels with one request: it says which rules are active
// for the connection, and afterwards which of them fired. All rules are active for every connection, whatever its identity
// provider, because one tenant of one provider sends several dialects at once (Microsoft Entra ID ignores its compliance flag
// for on-demand provisioning); a connection created as strict has none. Only the five switches of [Policy] differ by provider.
//
// The package imports nothing of this module; internal/schema, filter and patch ask a Report before they deviate from the RFCs.
//
// Security: no rule widens what a request selects. A filter, path or value that is still not understood after its rule applied
// is refused.
package dialect

// Rule is one tolerance: a way of writing a request that the RFCs do not allow and that is safe to accept from every client.
type Rule uint8

// The rules. Their ids, in [Rule.ID], are stable: they appear in logs and journals.
const (
	// OpCase accepts PATCH op values in any case: "Add", "REPLACE".
	OpCase Rule = iota
	// StringBoolean accepts "true"/"false" in any case where the schema has a boolean.
	StringBoolean
	// BareValue accepts a string where the schema has a complex attribute with a "value" sub-attribute.
	BareValue
	// SingleForMulti accepts one object or value where the schema has a multi-valued attribute.
	SingleForMulti
	// ArrayForSingle accepts an array of one object where the schema has a single-valued complex attribute.
	ArrayForSingle
	// EmptyString takes "" as "unassigned" for an optional attribute.
	EmptyString
	// PathKey accepts a path as a key: dotted or URN-qualified in a POST or PUT, and with a value filter as well in a path-less PATCH
	// value.
	PathKey
	// URNDot accepts a dot instead of a colon between a schema URN and an attribute.
	URNDot
	// UnqualifiedExtension resolves an attribute of an extension that is named without its URN.
	UnqualifiedExtension
	// ReadOnlyInValue ignores readOnly attributes in a path-less PATCH value.
	ReadOnlyInValue
	// UnknownAttribute ignores, and never stores, attributes that no schema of the resource type defines.
	UnknownAttribute
	// UnknownSchema ignores URIs in "schemas" that the resource type does not have.
	UnknownSchema
	// LegacySchema takes the pre-standard schema URNs for the standard ones.
	LegacySchema
	// UnlistedExtension accepts extension data whose URN is missing from "schemas".
	UnlistedExtension
	// AttributeAlias takes the name that another SCIM version or vendor uses for a sub-attribute.
	AttributeAlias
	// JSONInString unwraps a role that arrives as a JSON document inside the string "value".
	JSONInString
	// CreateOnMissing creates the element that a value path describes when an add or replace finds none.
	CreateOnMissing
	// RemoveValueList removes exactly the values that a remove operation lists in "value".
	RemoveValueList
	// WrappedValue unwraps a PATCH value that is an object with the attribute's own name as its only key.
	WrappedValue
	// EmptyOperations takes a PatchOp without operations as "nothing to do".
	EmptyOperations
	// UnregisteredExtension skips a PATCH path into a schema extension that the resource type does not have.
	UnregisteredExtension
	// QuotedBoolean takes a quoted "true"/"false" in a filter as the boolean that the schema asks for.
	QuotedBoolean
	// ValueShorthand lets a filter compare a single-valued complex attribute by its "value" sub-attribute.
	ValueShorthand
	// UnquotedLiteral takes an unquoted word as a filter's comparison value; see Policy.UnquotedLiterals.
	UnquotedLiteral
	// FlagInPath drops Entra's compliance flag where a careless join left it in the path.
	FlagInPath
	// QueryCase accepts query parameter names in any case.
	QueryCase
	// BareToken accepts an Authorization header that holds the token without the word Bearer.
	BareToken
	// ByteOrderMark drops a UTF-8 byte order mark before the body.
	ByteOrderMark

	ruleCount
)

// Info describes a rule for people: documentation, journals, support.
type Info struct {
	ID    string   // stable, in kebab-case
	Cites []string // the catalogue ids of testdata/idp-corpus.json and of the golden pairs that show the rule
	Title string   // one line: what is accepted
}

// ID returns the rule's stable name, "op-case" for OpCase.
func (r Rule) ID() string { return infos[r].ID }

// Info returns the rule's description.
func (r Rule) Info() Info { return infos[r] }

// Rules returns every rule in declaration order.
func Rules() []Rule {
	all := make([]Rule, ruleCount)
	for i := range all {
		all[i] = Rule(i)
	}
	return all
}

var infos = [ruleCount]Info{
	OpCase:                {"op-case", []string{"ENTRA-33"}, "PATCH op in any letter case"},
	StringBoolean:         {"string-boolean", []string{"ENTRA-25", "ENTRA-34", "ONELOGIN-07"}, `"True"/"False" for a boolean attribute`},
	BareValue:             {"bare-value", []string{"ENTRA-39", "ENTRA-60", "ENTRA-69"}, "a bare string for a complex attribute's value"},
	SingleForMulti:        {"single-for-multi", []string{"ONELOGIN-06"}, "one object for a multi-valued attribute"},
	ArrayForSingle:        {"array-for-single", []string{"ENTRA-40"}, "an array of one object for a single-valued complex attribute"},
	EmptyString:           {"empty-string", []string{"ENTRA-41", "ENTRA-48", "OKTA-06"}, `"" for "unassigned"`},
	PathKey:               {"path-key", []string{"ENTRA-58", "ENTRA-60"}, "a path as a key of a resource or of a path-less PATCH value"},
	URNDot:                {"urn-dot", []string{"ENTRA-10"}, "a dot between schema URN and attribute"},
	UnqualifiedExtension:  {"unqualified-extension", []string{"ENTRA-17", "ENTRA-40"}, "an extension attribute without its URN"},
	ReadOnlyInValue:       {"read-only-in-value", []string{"OKTA-16", "OKTA-20", "AUTHENTIK-04"}, "readOnly attributes in a path-less PATCH value"},
	UnknownAttribute:      {"unknown-attribute", []string{"ENTRA-24", "ENTRA-69"}, "attributes that no schema defines"},
	UnknownSchema:         {"unknown-schema", []string{"ENTRA-24", "ENTRA-62"}, "unknown URIs in schemas"},
	LegacySchema:          {"legacy-schema", []string{"ONELOGIN-03"}, "pre-standard schema URNs"},
	UnlistedExtension:     {"unlisted-extension", []string{"ENTRA-27", "ONELOGIN-07"}, "extension data whose URN is not in schemas"},
	AttributeAlias:        {"attribute-alias", []string{"ENTRA-26", "ONELOGIN-07"}, "another version's name of a sub-attribute"},
	JSONInString:          {"json-in-string", []string{"ENTRA-43"}, "a role as a JSON document inside a string"},
	CreateOnMissing:       {"create-on-missing", []string{"ENTRA-36", "ENTRA-37", "ENTRA-44"}, "add or replace through a value path that matches nothing"},
	RemoveValueList:       {"remove-value-list", []string{"ENTRA-64", "JUMPCLOUD-04", "AUTHENTIK-05"}, "remove with the values to remove in value"},
	WrappedValue:          {"wrapped-value", []string{"OTHER-01"}, "a value wrapped in its attribute's name"},
	EmptyOperations:       {"empty-operations", []string{"ENTRA-55"}, "a PatchOp without operations"},
	UnregisteredExtension: {"unregistered-extension", []string{"ENTRA-42"}, "a PATCH path into an extension that is not registered"},
	QuotedBoolean:         {"quoted-boolean", []string{"ENTRA-44"}, "a quoted boolean in a filter"},
	ValueShorthand:        {"value-shorthand", []string{"ENTRA-17"}, "a filter on a complex attribute that means its value"},
	UnquotedLiteral:       {"unquoted-literal", []string{"ENTRA-11", "OKTA-31"}, "an unquoted comparison value in a filter"},
	FlagInPath:            {"flag-in-path", []string{"ENTRA-08"}, "Entra's compliance flag joined into the path"},
	QueryCase:             {"query-case", []string{"ENTRA-76"}, "query parameter names in any letter case"},
	BareToken:             {"bare-token", []string{"OKTA-02"}, "a token without the word Bearer"},
	ByteOrderMark:         {"byte-order-mark", []string{"RFC 8259, section 8.1"}, "a byte order mark before the body"},
}
