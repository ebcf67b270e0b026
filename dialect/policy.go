package dialect

import (
	"fmt"
	"slices"
)

// IdentityProvider names the product that provisions through a connection. It selects a Policy and the texts shown to the
// customer's administrator; it never selects how a request is parsed.
type IdentityProvider string

// The identity providers with a profile. The zero value means Generic.
const (
	Generic         IdentityProvider = "generic"
	Okta            IdentityProvider = "okta"
	MicrosoftEntra  IdentityProvider = "microsoft-entra"
	CyberArk        IdentityProvider = "cyberark"
	JumpCloud       IdentityProvider = "jumpcloud"
	OneLogin        IdentityProvider = "onelogin"
	PingFederate    IdentityProvider = "pingfederate"
	Rippling        IdentityProvider = "rippling"
	GoogleWorkspace IdentityProvider = "google-workspace"
)

// IdentityProviders returns every identity provider with a profile, Generic last.
func IdentityProviders() []IdentityProvider {
	return []IdentityProvider{Okta, MicrosoftEntra, CyberArk, JumpCloud, OneLogin, PingFederate, Rippling, GoogleWorkspace, Generic}
}

// Known reports whether p is one of IdentityProviders.
func (p IdentityProvider) Known() bool {
	for _, known := range IdentityProviders() {
		if p == known {
			return true
		}
	}
	return false
}

// BareRemove decides {"op":"remove","path":"members"} without a value, which RFC 7644, section 3.5.2.2 reads as "remove all".
type BareRemove uint8

// The answers to a bare remove of members.
const (
	BareRemoveAll    BareRemove = iota // remove every member
	BareRemoveRefuse                   // 400 noTarget
)

// UnknownMembers decides a request that adds members which are not resources of the connection.
type UnknownMembers uint8

// The answers to unknown members.
const (
	UnknownMembersRefuse UnknownMembers = iota // 400 invalidValue, naming them; nothing changes
	UnknownMembersSkip                         // the known ones are added
)

// PatchAnswer decides the answer to a successful PATCH without "attributes" parameters.
type PatchAnswer uint8

// The answers to PATCH.
const (
	PatchAnswerByType    PatchAnswer = iota // 204 for groups, 200 with the resource for everything else
	PatchAnswerResource                     // 200 with the resource
	PatchAnswerNoContent                    // 204
)

// Policy holds the five decisions on which identity providers contradict each other. The zero value is Generic's.
//
// As JSON it is an object of these names in snake_case, the decisions as "all" or "refuse", "refuse" or "skip", "by_type",
// "resource" or "no_content".
type Policy struct {
	BareRemove       BareRemove     `json:"bare_remove"`
	UnknownMembers   UnknownMembers `json:"unknown_members"`
	UniqueGroupNames bool           `json:"unique_group_names"` // a second group with a displayName that differs at most in case: 409 uniqueness
	PatchAnswer      PatchAnswer    `json:"patch_answer"`
	UnquotedLiterals bool           `json:"unquoted_literals"` // filter=externalId eq abc
}

var (
	bareRemoves    = []string{BareRemoveAll: "all", BareRemoveRefuse: "refuse"}
	unknownMembers = []string{UnknownMembersRefuse: "refuse", UnknownMembersSkip: "skip"}
	patchAnswers   = []string{PatchAnswerByType: "by_type", PatchAnswerResource: "resource", PatchAnswerNoContent: "no_content"}
)

// MarshalText returns the name of the decision.
func (b BareRemove) MarshalText() ([]byte, error) { return nameOf(bareRemoves, b) }

// UnmarshalText takes the name of a decision.
func (b *BareRemove) UnmarshalText(text []byte) (err error) {
	*b, err = named[BareRemove](bareRemoves, text)
	return err
}

// MarshalText returns the name of the decision.
func (u UnknownMembers) MarshalText() ([]byte, error) { return nameOf(unknownMembers, u) }

// UnmarshalText takes the name of a decision.
func (u *UnknownMembers) UnmarshalText(text []byte) (err error) {
	*u, err = named[UnknownMembers](unknownMembers, text)
	return err
}

// MarshalText returns the name of the decision.
func (p PatchAnswer) MarshalText() ([]byte, error) { return nameOf(patchAnswers, p) }

// UnmarshalText takes the name of a decision.
func (p *PatchAnswer) UnmarshalText(text []byte) (err error) {
	*p, err = named[PatchAnswer](patchAnswers, text)
	return err
}

func nameOf[D ~uint8](names []string, d D) ([]byte, error) {
	if int(d) >= len(names) {
		return nil, fmt.Errorf("dialect: there is no decision %d", d)
	}
	return []byte(names[d]), nil
}

func named[D ~uint8](names []string, text []byte) (D, error) {
	i := slices.Index(names, string(text))
	if i < 0 {
		return 0, fmt.Errorf("dialect: the decision is one of %v, not %q", names, text)
	}
	return D(i), nil
}

// PolicyFor returns the policy of an identity provider.
//
// Okta treats a 400 for one stale member id as final and gives up the group push (OKTA-28); Entra links groups by displayName
// and asks for a 409 (ENTRA-68); the published test suites of both send unquoted filter literals (ENTRA-11, OKTA-31).
func PolicyFor(p IdentityProvider) Policy {
	switch p {
	case Okta:
		return Policy{UnknownMembers: UnknownMembersSkip, UnquotedLiterals: true}
	case MicrosoftEntra:
		return Policy{UniqueGroupNames: true, UnquotedLiterals: true}
	default:
		return Policy{}
	}
}
