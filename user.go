package scim

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/store"
)

// User is the typed view of a User's attributes (RFC 7643, section 4.1), for stores that keep columns and for sinks that need a
// few of them. Memberships are no part of it. Empty fields are unassigned; Active is always assigned.
type User struct {
	ExternalID        string       `json:"externalId,omitempty"` // the identity provider's id; not unique
	UserName          string       `json:"userName"`             // required; unique whatever its letter case
	Name              *Name        `json:"name,omitempty"`
	DisplayName       string       `json:"displayName,omitempty"`
	NickName          string       `json:"nickName,omitempty"`
	ProfileURL        string       `json:"profileUrl,omitempty"`
	Title             string       `json:"title,omitempty"`
	UserType          string       `json:"userType,omitempty"`
	PreferredLanguage string       `json:"preferredLanguage,omitempty"`
	Locale            string       `json:"locale,omitempty"`
	Timezone          string       `json:"timezone,omitempty"`
	Active            bool         `json:"active"`
	Emails            []MultiValue `json:"emails,omitempty"`
	PhoneNumbers      []MultiValue `json:"phoneNumbers,omitempty"`
	IMs               []MultiValue `json:"ims,omitempty"`
	Photos            []MultiValue `json:"photos,omitempty"`
	Addresses         []Address    `json:"addresses,omitempty"`
	Entitlements      []MultiValue `json:"entitlements,omitempty"`
	Roles             []MultiValue `json:"roles,omitempty"`
	X509Certificates  []MultiValue `json:"x509Certificates,omitempty"` // values in base64
	// Extensions holds the data of schema extensions by URN; see Enterprise for the one of RFC 7643.
	Extensions map[string]json.RawMessage `json:"-"`
}

// Name is the name of a person.
type Name struct {
	Formatted       string `json:"formatted,omitempty"`
	FamilyName      string `json:"familyName,omitempty"`
	GivenName       string `json:"givenName,omitempty"`
	MiddleName      string `json:"middleName,omitempty"`
	HonorificPrefix string `json:"honorificPrefix,omitempty"`
	HonorificSuffix string `json:"honorificSuffix,omitempty"`
}

// MultiValue is one value of a multi-valued attribute (RFC 7643, section 2.4).
type MultiValue struct {
	Value   string `json:"value,omitempty"`
	Display string `json:"display,omitempty"`
	Type    string `json:"type,omitempty"` // "work", "home", or whatever the identity provider says
	Primary bool   `json:"primary,omitempty"`
}

// Address is a postal address.
type Address struct {
	Formatted     string `json:"formatted,omitempty"`
	StreetAddress string `json:"streetAddress,omitempty"`
	Locality      string `json:"locality,omitempty"`
	Region        string `json:"region,omitempty"`
	PostalCode    string `json:"postalCode,omitempty"`
	Country       string `json:"country,omitempty"`
	Type          string `json:"type,omitempty"`
	Primary       bool   `json:"primary,omitempty"`
}

// Enterprise is the data of the enterprise extension (RFC 7643, section 4.3).
type Enterprise struct {
	EmployeeNumber string   `json:"employeeNumber,omitempty"`
	CostCenter     string   `json:"costCenter,omitempty"`
	Organization   string   `json:"organization,omitempty"`
	Division       string   `json:"division,omitempty"`
	Department     string   `json:"department,omitempty"`
	Manager        *Manager `json:"manager,omitempty"`
}

// Manager names a user's manager.
type Manager struct {
	Value string `json:"value,omitempty"` // an id as the identity provider knows it, often that of a User here
	Ref   string `json:"$ref,omitempty"`
}

// EnterpriseURN is the key of the enterprise extension in User.Extensions.
const EnterpriseURN = schema.EnterpriseURN

// UserOf reads a document of a User. It fails only on a document that is none.
func UserOf(document *store.Document) (User, error) {
	u := User{Active: true}
	extensions, err := readView(document, &u)
	u.Extensions = extensions
	return u, err
}

// Document returns the user as a document, for a Store that keeps columns to answer with.
func (u User) Document() (*store.Document, error) { return writeView(u, u.Extensions) }

// PrimaryEmail returns the address that is marked as primary, the first one if none is, or "".
func (u User) PrimaryEmail() string {
	if len(u.Emails) == 0 {
		return ""
	}
	i := slices.IndexFunc(u.Emails, func(e MultiValue) bool { return e.Primary })
	return u.Emails[max(i, 0)].Value
}

// Enterprise returns the data of the enterprise extension, empty if there are none.
func (u User) Enterprise() (e Enterprise, err error) {
	if raw, ok := u.Extensions[EnterpriseURN]; ok {
		err = json.Unmarshal(raw, &e)
	}
	return e, err
}

// readView decodes a document into a view, and returns its extensions by URN, nil if there are none.
func readView(document *store.Document, view any) (extensions map[string]json.RawMessage, err error) {
	body := document.JSON()
	if err := json.Unmarshal(body, view); err != nil {
		return nil, fmt.Errorf("scim: the document is no %T: %w", view, err)
	}
	if err := json.Unmarshal(body, &extensions); err != nil {
		return nil, fmt.Errorf("scim: the document is no %T: %w", view, err)
	}
	maps.DeleteFunc(extensions, func(key string, _ json.RawMessage) bool { return !schema.IsURI(key) })
	if len(extensions) == 0 {
		return nil, nil
	}
	return extensions, nil
}

// writeView encodes a view and its extensions as a document.
func writeView(view any, extensions map[string]json.RawMessage) (*store.Document, error) {
	body, err := json.Marshal(view)
	if err != nil {
		return nil, fmt.Errorf("scim: %T: %w", view, err)
	}
	for _, urn := range slices.Sorted(maps.Keys(extensions)) {
		key, err := json.Marshal(urn)
		if err != nil || !json.Valid(extensions[urn]) || !schema.IsURI(urn) {
			return nil, fmt.Errorf("scim: %T: the extension %q is not a URI with JSON", view, urn)
		}
		body = append(body[:len(body)-1], ',')
		body = append(append(append(body, key...), ':'), extensions[urn]...)
		body = append(body, '}')
	}
	return store.NewDocument(body), nil
}
