package dialect

import "slices"

// Recipe tells the administrator of an identity provider how to set a connection up there. It is data for a host's own screen, as
// JSON an object {"label", "fields", "pitfalls", "sources"}. Its texts are plain English without markup, for people who know
// their provider and not this library.
type Recipe struct {
	Label    string   `json:"label"`    // the provider's name for people, "Microsoft Entra ID"
	Query    string   `json:"-"`        // what the base URL ends in for this provider, without "?"; usually empty, see Recipe.BaseURL
	Fields   []Field  `json:"fields"`   // in the order in which the provider asks for them
	Pitfalls []string `json:"pitfalls"` // what goes wrong most often and what to do, one sentence each
	Sources  []string `json:"sources"`  // where all this is documented: https URLs, or catalogue ids as in Info.Cites
}

// Field is one entry of the provider's form.
type Field struct {
	Label string `json:"label"` // as the provider calls it, "Tenant URL"
	// Value is what to enter or choose, in words or as one of two placeholders: "{base_url}" is what Recipe.BaseURL makes of the
	// connection's base URL, "{bearer_token}" is the connection's token without the word Bearer.
	Value string `json:"value"`
}

// BaseURL returns the URL that the administrator enters in the provider for a connection whose base URL is base:
// "https://app.example.com/scim/v2?aadOptscim062020" for Microsoft Entra ID, base itself for every other provider. base has no
// query and no fragment.
func (r Recipe) BaseURL(base string) string {
	if r.Query == "" {
		return base
	}
	return base + "?" + r.Query
}

// RecipeFor returns the recipe of an identity provider, that of Generic for a provider without a profile. The caller may change it.
func RecipeFor(p IdentityProvider) Recipe {
	r, ok := recipes[p]
	if !ok {
		r = recipes[Generic]
	}
	r.Fields, r.Pitfalls, r.Sources = slices.Clone(r.Fields), slices.Clone(r.Pitfalls), slices.Clone(r.Sources)
	return r
}

const (
	baseURL     = "{base_url}"
	bearerToken = "{bearer_token}"
)

var recipes = map[IdentityProvider]Recipe{
	Okta: {
		Label: "Okta",
		Fields: []Field{
			{"Application username format", "Email"},
			{"SCIM connector base URL", baseURL},
			{"Unique identifier field for users", "userName"},
			{"Supported provisioning actions", "Push New Users, Push Profile Updates, Push Groups"},
			{"Authentication Mode", "HTTP Header"},
			{"Authorization: Bearer", bearerToken},
		},
		Pitfalls: []string{
			"Okta adds SCIM to SAML and SWA apps only: if people sign in through OpenID Connect, create such an app for provisioning.",
			"Okta leaves out what is not enabled on the tab Provisioning under To App: enable Create Users, Update User Attributes and " +
				"Deactivate Users.",
			"Okta does not support one group for both assignment and group push: assign the app to one group and push another.",
			"A pushed group arrives without the people to whom the app is not assigned: assign the app to them before the push.",
			"The catalogue app SCIM 2.0 Test App (Header Auth) asks for a Base URL and an API Token: enter the word Bearer, a space and " +
				"the token as API Token.",
		},
		Sources: []string{
			"https://help.okta.com/oie/en-us/Content/Topics/Apps/Apps_App_Integration_Wizard_SCIM.htm",
			"https://developer.okta.com/docs/guides/scim-provisioning-integration-connect/main/",
			"https://help.okta.com/en-us/Content/Topics/users-groups-profiles/app-assignments-group-push.htm",
			"https://support.powerdmarc.com/support/solutions/articles/60001567544-scim-configuration-guide-for-okta",
			"https://opencode.ai/v2/docs/console/scim/",
			"OKTA-02", "OKTA-28",
		},
	},
	MicrosoftEntra: {
		Label: "Microsoft Entra ID",
		Query: "aadOptscim062020",
		Fields: []Field{
			{"Tenant URL", baseURL},
			{"Secret Token", bearerToken},
		},
		Pitfalls: []string{
			"The end of the Tenant URL, ?aadOptscim062020, makes Entra keep to the SCIM standard: enter the URL with it.",
			"Entra sends a token of its own if Secret Token is blank: enter the token of this connection, without the word Bearer.",
			"Entra sends only the users and groups in scope and no members of nested groups: assign nested groups to the app as well.",
			"Groups have an attribute mapping of their own: enable it if users arrive and groups do not.",
			"Entra leaves out empty attributes, so a user without mail has no e-mail address: fill mail in, or map userPrincipalName " +
				"to emails[type eq \"work\"].value.",
			"Entra links groups by name, so a second group of the same name is refused: rename one of them.",
			"Changes arrive with the next cycle, after about 40 minutes: use Provision on demand to try a user at once.",
			"Entra puts provisioning into quarantine when the token stops working: enter a new Secret Token before the old one expires.",
		},
		Sources: []string{
			"https://learn.microsoft.com/en-us/entra/identity/app-provisioning/use-scim-to-provision-users-and-groups",
			"https://learn.microsoft.com/en-us/entra/identity/app-provisioning/application-provisioning-config-problem-scim-compatibility",
			"https://learn.microsoft.com/en-us/entra/identity/app-provisioning/application-provisioning-config-problem-no-users-provisioned",
			"https://learn.microsoft.com/en-us/entra/identity/app-provisioning/known-issues",
			"ENTRA-06", "ENTRA-07", "ENTRA-31", "ENTRA-68", "ENTRA-72", "ENTRA-73",
		},
	},
	CyberArk: {
		Label: "CyberArk Identity",
		Fields: []Field{
			{"Enable provisioning for this application", "Live Mode"},
			{"SCIM Service URL", baseURL},
			{"Authorization Type", "Authorization Header"},
			{"Header Type", "Bearer Token"},
			{"Bearer Token", bearerToken},
		},
		Pitfalls: []string{
			"Provisioning is a tab of a SAML web app: add and deploy that app first.",
			"People who leave stay active while \"Do not de-provision (deactivate or delete) users in target application\" is selected: " +
				"clear it.",
			"Only roles with a role mapping arrive as groups: add a mapping with a destination group for each role.",
			"CyberArk does not report a role that is removed from the app: take its users out of the role first.",
			"Users wait for the next synchronization: start one under Settings, Users, Outbound Provisioning, or schedule it there.",
		},
		Sources: []string{
			"https://docs.cyberark.com/Idaptive/Latest/en/Content/Developer/scim-management/scim-outbound-provisioning.htm",
			"https://docs.aws.amazon.com/singlesignon/latest/userguide/cyberark-idp.html",
			"https://workos.com/docs/integrations/cyberark-scim",
			"CYBERARK-01",
		},
	},
	JumpCloud: {
		Label: "JumpCloud",
		Fields: []Field{
			{"SCIM Version", "SCIM 2.0"},
			{"Base URL", baseURL},
			{"Token Key", bearerToken},
			{"Test User Email", "an address of your domain that belongs to nobody"},
		},
		Pitfalls: []string{
			"The connection test creates a user with the Test User Email and a group, and deletes both: never enter a person's address.",
			"Groups arrive only with Group Management on: turn it on before you activate the settings.",
			"JumpCloud assigns people to an app through groups: select theirs on the tab User Groups.",
			"Disconnecting a group from the app does not remove its people: take them out of the group, or delete it, before that.",
		},
		Sources: []string{
			"https://jumpcloud.com/support/provision-and-manage-users-and-groups-in-apps-using-custom-scim-identity-management-integration",
			"https://workos.com/docs/integrations/jumpcloud-scim",
			"https://boxyhq.com/docs/directory-sync/providers/jumpcloud",
			"JUMPCLOUD-01",
		},
	},
	OneLogin: {
		Label: "OneLogin",
		Fields: []Field{
			{"SCIM Base URL", baseURL},
			{"SCIM Bearer Token", bearerToken},
			{"API Status", "Enable"},
			{"SCIM Username Format", "Email"},
		},
		Pitfalls: []string{
			"OneLogin has several SCIM connectors: choose SCIM Provisioner with SAML (SCIM v2 Enterprise).",
			"The user name is not on the tab Configuration: set SCIM Username to Email on the tab Parameters.",
			"Nothing is sent while changes wait for approval: select Enable provisioning on the tab Provisioning, and approve pending " +
				"users or clear the approvals for Create, Delete and Update.",
			"Groups are left out at first: select Include in User Provisioning for the parameter Groups, and add a rule that sets them.",
			"All groups of a user arrive as one name if the parameter Groups is not multi-valued: mark it as such.",
			"OneLogin does not report a group that is removed from the app: take its users out of it first.",
		},
		Sources: []string{
			"https://developers.onelogin.com/scim/implement-scim-api",
			"https://workos.com/docs/integrations/onelogin-scim",
			"https://www.livingsecurity.com/migration/support/configuring-scim-for-onelogin",
			"https://intercom.help/lessonly/en/articles/3666593-onelogin-scim-configuration",
			"ONELOGIN-01", "ONELOGIN-09",
		},
	},
	PingFederate: {
		Label: "PingFederate",
		Fields: []Field{
			{"SCIM URL", baseURL},
			{"SCIM Version", "2.0"},
			{"Authentication Method", "OAuth 2 Bearer Token"},
			{"Access Token", bearerToken},
			{"Unique User Identifier", "userName"},
		},
		Pitfalls: []string{
			"The outbound provisioning that PingFederate brings along speaks SCIM 1.1: deploy the SCIM Provisioner and choose the type " +
				"SCIM Connector.",
			"The Unique User Identifier cannot be changed later: choose userName from the start, and map the e-mail address to it.",
			"Only an active channel sends anything: switch it to Active on the tab Activation and Summary.",
			"Deleting an LDAP user of a targeted group sends nothing until another user joins the group: disable the user first, and " +
				"delete it after the next cycle.",
		},
		Sources: []string{
			"https://docs.pingidentity.com/integrations/scim/setup/pf_scim_connector_scim_connector_settings_reference.html",
			"https://docs.pingidentity.com/integrations/scim/release_notes/pf_scim_connector_known_issues_and_limitations.html",
			"https://docs.pingidentity.com/integrations/scim/pf_scim_connector_user_and_group_management.html",
			"https://docs.pingidentity.com/r/en-us/solution-guides/htg_uber_config_scim",
			"https://docs.pingidentity.com/r/en-us/pingfederate-103/ohn1564002959146",
			"PING-01", "PING-02", "PING-03",
		},
	},
	Rippling: {
		Label: "Rippling",
		Fields: []Field{
			{"SCIM Version", "2.0"},
			{"SCIM Base URL", baseURL},
			{"SCIM Authorization Method", "Bearer Token"},
			{"Supported SCIM Attributes", "externalId, emails.primary, name.givenName, name.familyName"},
			{"Bearer Token", bearerToken},
		},
		Pitfalls: []string{
			"Rippling uses only what the app is said to support: tick groups, pagination, deleting groups and PATCH for groups.",
			"The Bearer Token is asked for after Install now, not with the base URL: keep it at hand until then.",
			"An attribute with another cadence is not kept up to date: set each to On user creation and updates.",
			"Rippling asks at the end who has an account: match people to accounts, or create new ones, on the page Account Matching.",
		},
		Sources: []string{
			"https://workos.com/docs/integrations/rippling-scim",
			"https://help.kombo.dev/hc/en-us/articles/35612530773521-Rippling-SCIM-How-do-I-link-my-account",
			"RIPPLING-01",
		},
	},
	GoogleWorkspace: {
		Label: "Google Workspace",
		Fields: []Field{
			{"Access token", bearerToken},
			{"Endpoint URL", baseURL},
		},
		Pitfalls: []string{
			"A custom SAML app has no autoprovisioning: set it up in an app of Google's catalogue that asks for an Endpoint URL.",
			"Google sends users and no groups: use groups only to limit who is provisioned.",
			"Attributes marked with an asterisk are mandatory: map all of them, and the user name and the e-mail address to Primary email.",
			"People who leave can keep their account for weeks: select each case of deprovisioning, and the delay within 24 hours.",
			"Autoprovisioning is off after the setup: switch it to Active.",
		},
		Sources: []string{
			"https://support.google.com/a/answer/7681608",
			"https://support.google.com/a/answer/9338944",
			"https://www.ory.com/docs/kratos/manage-identities/scim/google-workspace",
			"https://github.com/ssoready/ssoready/issues/243",
			"https://github.com/cloudposse/docs/pull/893",
			"GOOGLE-01", "GOOGLE-02",
		},
	},
	Generic: {
		Label: "Other identity provider",
		Fields: []Field{
			{"SCIM version", "2.0"},
			{"SCIM base URL", baseURL},
			{"Authentication method", "Bearer token in the HTTP header Authorization"},
			{"Bearer token", bearerToken},
			{"User name", "primary e-mail address"},
		},
		Pitfalls: []string{
			"The identity provider appends /Users and /Groups itself: enter the base URL without them.",
			"Most identity providers add the word Bearer: enter it, and a space, before the token only if the whole header is asked for.",
			"Microsoft Entra ID wants ?aadOptscim062020 at the end of its URL: choose it as identity provider, or append this by hand.",
			"Some identity providers send nothing about people who leave unless they are told to: turn on deactivating or deleting users.",
		},
		Sources: []string{
			"https://www.rfc-editor.org/rfc/rfc7644",
			"https://www.rfc-editor.org/rfc/rfc6750",
			"ENTRA-06", "ENTRA-07", "OKTA-02", "ONELOGIN-08", "PING-03",
		},
	},
}
