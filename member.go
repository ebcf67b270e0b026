package scim

import (
	"cmp"
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"github.com/scimkit/scim/internal/mapping"
	"github.com/scimkit/scim/store"
)

// Member is the desired state of one account of the host's, computed from everything that its connection knows: the user's resource, its
// groups, and the roles that follow from them.
type Member struct {
	Tenant     string
	Connection string
	ID         string // of the SCIM resource: unique in the connection, never used again
	ExternalID string // the identity provider's id; not unique
	UserName   string
	// Email is the primary e-mail address, else the userName if it is an address, unless the attribute mapping says otherwise; it may be
	// empty. Nobody but the identity provider has verified it.
	Email       string
	DisplayName string
	GivenName   string
	FamilyName  string
	Locale      string
	Timezone    string
	Title       string
	Metadata    map[string]string // what the attribute mapping makes of other attributes; nil if that is nothing
	Status      MemberStatus
	Groups      []store.Group // that the member is in directly, by id; none of a removed member
	Roles       []Role        // by id; none unless the member is active
	// Predecessors are members whose resources were deleted, and that this one, just created, may be again: the same externalId, or the
	// same userName, which is only a hint since names are given to others. The latest comes first.
	Predecessors []store.Tombstone
	// Link is what MembersConfig.Link decided, LinkCreate if it was not asked.
	Link Link
}

// MemberStatus is whether a member may be in.
type MemberStatus string

// The statuses of a member.
const (
	MemberActive      MemberStatus = "active"
	MemberDeactivated MemberStatus = "deactivated" // active is false: no roles, and no sessions either
	MemberRemoved     MemberStatus = "removed"     // the resource is gone: no roles, no sessions, and no more changes
)

// Role is a role of a member, with all its sources.
type Role struct {
	ID      string
	Sources []store.Grant // at least one, by source and group
}

// roles arranges grants by role.
func roles(grants []store.Grant) (list []Role) {
	grants = slices.Clone(grants)
	sortGrants(grants)
	for _, g := range grants {
		if n := len(list); n > 0 && list[n-1].ID == g.Role {
			list[n-1].Sources = append(list[n-1].Sources, g)
		} else {
			list = append(list, Role{ID: g.Role, Sources: []store.Grant{g}})
		}
	}
	return list
}

func sortGrants(grants []store.Grant) {
	slices.SortFunc(grants, func(a, b store.Grant) int {
		return cmp.Or(strings.Compare(a.Role, b.Role), cmp.Compare(a.Source, b.Source), strings.Compare(a.Group, b.Group))
	})
}

// Explain returns why the member has a role, nothing if it has not.
func (m Member) Explain(role string) []store.Grant {
	for _, r := range m.Roles {
		if r.ID == role {
			return r.Sources
		}
	}
	return nil
}

// same reports whether two states call for the same account.
func (m Member) same(other Member) bool {
	m.Predecessors, other.Predecessors = nil, nil
	m.Link = other.Link
	return reflect.DeepEqual(m, other)
}

// identify reads what a user's resource says of its member, and which roles its attributes give. With a *mapping.Error, the member is
// what the default mapping makes of the resource.
func identify(ctx context.Context, rules *rules, r store.Resource) (m Member, attributeRoles []string, err error) {
	result, err := rules.mapping.Apply(ctx, r.Document)
	var unmapped *mapping.Error
	if errors.As(err, &unmapped) {
		var fallback error
		if result, fallback = rules.fallback.Apply(ctx, r.Document); fallback != nil {
			return Member{}, nil, fallback
		}
	}
	if err != nil && unmapped == nil {
		return Member{}, nil, err
	}
	user, readErr := UserOf(r.Document)
	if readErr != nil {
		return Member{}, nil, readErr
	}
	f := result.Fields
	m = Member{
		Tenant: rules.scope.Tenant, Connection: rules.scope.Connection, ID: r.ID,
		ExternalID: f[mapping.ExternalID], UserName: cmp.Or(f[mapping.UserName], user.UserName), Email: f[mapping.Email],
		DisplayName: f[mapping.DisplayName], GivenName: f[mapping.GivenName], FamilyName: f[mapping.FamilyName],
		Locale: f[mapping.Locale], Timezone: f[mapping.Timezone], Title: f[mapping.Title], Status: MemberActive, Link: LinkCreate,
	}
	if len(result.Metadata) > 0 {
		m.Metadata = result.Metadata
	}
	if !strings.Contains(m.Email, "@") {
		m.Email = "" // a userName that is no address
	}
	if !user.Active {
		m.Status = MemberDeactivated
	}
	return m, result.Roles, err
}

// domainOf returns the domain of an e-mail address in lower case. Addresses that two programs may read differently have none: with
// several @, quotes, spaces, control or other invisible characters, an address literal, or a domain that is not plain ASCII.
func domainOf(address string) (domain string, ok bool) {
	local, domain, ok := strings.Cut(address, "@")
	if !ok || local == "" || domain == "" || len(address) > 254 {
		return "", false
	}
	for _, r := range local {
		if r <= ' ' || r == '"' || r == 0x7f || r >= 0x80 && !unicode.IsLetter(r) {
			return "", false
		}
	}
	for label := range strings.SplitSeq(domain, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.Trim(label, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != "" {
			return "", false
		}
	}
	return strings.ToLower(domain), true
}
