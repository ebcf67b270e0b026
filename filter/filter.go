// Package filter answers SCIM filters (RFC 7644, section 3.4.2.2) and reads PATCH paths (section 3.5.2).
//
// A filter goes three ways. [Parse] checks its grammar and returns the syntax tree of github.com/scim2/filter-parser. [Bind] gives
// each name its attribute and each literal its type, and refuses what has no meaning. The [Filter] that comes out is what a store
// gets: [Filter.Equality] for a store with a few indexes, [Filter.SQL] for one with tables, [Filter.Match] for everything else. All
// three give the same answer, so a store may narrow its candidates with the first two and leave the rest to Match.
// [ParsePath] and [BindElement] do the same for the paths of PATCH operations and the value filters in them.
//
// What the RFC leaves open is decided like this:
//
//   - ne is the complement of eq for the whole attribute: emails.value ne "a" holds if no e-mail address is "a", and so also for a
//     user without any. Every other comparison needs a value; it holds if one value of a multi-valued attribute satisfies it.
//   - Inside [ ] all conditions concern the same element, and ne is the complement of eq for that element. An element without
//     "primary" has primary false (RFC 7643, section 2.4).
//   - eq null means "not pr", ne null means pr. An empty string is no value for pr.
//   - Strings compare folded as their attribute says (Attribute.Fold), gt and lt by the bytes of that. Integers compare exactly,
//     decimals as doubles, dateTimes as instants in whole microseconds.
//   - A multi-valued complex attribute by itself means its "value": emails co "x". A single-valued one, manager eq "x", does so by
//     the rule value-shorthand only.
//   - emails[type eq "work"].value eq "x" is emails[type eq "work" and value eq "x"] (ENTRA-15).
//   - Memberships (members, groups) are relations, not values: they can be tested for one id, or for having any.
//
// Limits: length, nesting and number of conditions are bounded by [Limits] before they cost anything; parsing and binding take time
// linear in the text.
//
// Security: a filter that is not understood to the last byte is refused with 400 and never widened. Attributes that clients may
// not read are refused in the words used for those that do not exist, so that no filter becomes an oracle on a password. Errors
// name attributes, also such as do not exist, and hold nothing else of the request. In SQL, literals are always bound and identifiers come from the host only.
package filter

// Error is a filter or path that was refused: 400 with ScimType.
type Error struct {
	ScimType string // invalidFilter or invalidPath
	Path     string // canonical path of the attribute, "" where none is known
	Detail   string // a sentence for the client; it names attributes and holds nothing else of the request
}

// Error returns the scimType and the detail.
func (e *Error) Error() string { return e.ScimType + ": " + e.Detail }
