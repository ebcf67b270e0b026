package patch

import (
	"encoding/json"

	"github.com/scimkit/scim/internal/schema"
)

// ChangeSet is what one request changes on one resource, computed before anything is stored. PUT and PATCH both end in one.
type ChangeSet struct {
	// After holds the attributes as they are afterwards, complete and valid: for stores that keep documents.
	After *schema.Document
	// Changes lists what differs from before, in schema order: for stores that keep columns, and for events. Empty: no attribute
	// changes, and a store then leaves version and lastModified alone unless Members changes something.
	Changes []Change
	// Members is the change of a group's membership, which is no part of the attributes.
	Members Delta
	// Unique lists the values that no other live resource of the type may hold afterwards, folded.
	Unique []schema.Key
}

// Empty reports whether the request asks for no change at all.
func (c *ChangeSet) Empty() bool { return len(c.Changes) == 0 && c.Members.Empty() }

// Change is one attribute with its values before and after as JSON, nil where it has none. Single-valued complex attributes are
// listed by sub-attribute, multi-valued ones as a whole.
type Change struct {
	Path          string // canonical: "active", "name.givenName", "emails", "urn:…:User:department"
	Before, After json.RawMessage
}

// Delta is a change of a group's members: final = ((Clear ? ∅ : current) \ Remove) ∪ Add. It names only what the request named,
// so its size is the request's and not the group's. Repeating a delta changes nothing.
type Delta struct {
	Clear  bool
	Remove []string // member ids, without repetitions
	Add    []string // member ids, without repetitions, disjoint from Remove
}

// Empty reports whether the delta cannot change anything.
func (d Delta) Empty() bool { return !d.Clear && len(d.Remove) == 0 && len(d.Add) == 0 }
