package scim

import (
	"encoding/json"

	"github.com/scimkit/scim/store"
)

// Group is the typed view of a Group's attributes (RFC 7643, section 4.2). Its members are no part of it: see store.MemberLister.
type Group struct {
	ExternalID  string                     `json:"externalId,omitempty"`
	DisplayName string                     `json:"displayName"` // required; need not be unique
	Extensions  map[string]json.RawMessage `json:"-"`           // data of schema extensions by URN
}

// GroupOf reads a document of a Group. It fails only on a document that is none.
func GroupOf(document *store.Document) (g Group, err error) {
	g.Extensions, err = readView(document, &g)
	return g, err
}

// Document returns the group as a document.
func (g Group) Document() (*store.Document, error) { return writeView(g, g.Extensions) }
