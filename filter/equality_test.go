package filter_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/internal/schema"
)

func TestEquality(t *testing.T) {
	t.Parallel()
	const department = schema.EnterpriseURN + ":department"
	type terms = []filter.Term
	for _, c := range []struct {
		rt    *schema.ResourceType
		text  string
		terms terms
		exact bool
	}{
		{userType, `userName eq "BJENSEN"`, terms{{"userName", "bjensen"}}, true},
		{userType, `id eq "X"`, terms{{"id", "X"}}, true},
		{userType, `externalId eq "X"`, terms{{"externalId", "X"}}, true},
		{userType, `active eq "False"`, terms{{"active", "false"}}, true},
		{userType, `urn:ietf:params:scim:schemas:core:2.0:User:USERNAME eq "a" and department eq "D"`, terms{{"userName", "a"}, {department, "d"}}, true},
		{userType, `userName eq "a" and id eq "b"`, terms{{"id", "b"}, {"userName", "a"}}, true},
		{userType, `userName eq "a" and title sw "b"`, terms{{"userName", "a"}}, false},
		{userType, `userName eq "a" and not (active eq false)`, terms{{"userName", "a"}}, false},
		{userType, `userName eq "a" and (title eq "b" or title eq "c")`, terms{{"userName", "a"}}, false},
		{userType, `userName eq "a" or userName eq "b"`, nil, false},
		{userType, `userName ne "a"`, nil, false},
		{userType, `not (userName ne "a")`, terms{{"userName", "a"}}, true},
		{userType, `not (userName ne "a" or title ne "b")`, terms{{"userName", "a"}, {"title", "b"}}, true},
		{userType, `userName pr`, nil, false},
		{userType, `title eq null`, nil, false},
		{userType, `emails eq "A@B"`, terms{{"emails.value", "a@b"}}, true},
		{userType, `emails.type eq "work" and emails.value eq "x"`, terms{{"emails.type", "work"}, {"emails.value", "x"}}, true},
		{userType, `emails[value eq "x"]`, terms{{"emails.value", "x"}}, true},
		{userType, `emails[type eq "work" and value eq "X"]`, terms{{"emails.type", "work"}, {"emails.value", "x"}}, false},
		{userType, `emails[type eq "work"].value eq "X"`, terms{{"emails.type", "work"}, {"emails.value", "x"}}, false},
		{userType, `emails[type eq "work" and value sw "x"]`, terms{{"emails.type", "work"}}, false},
		{userType, `emails[type eq "work" or value eq "x"]`, nil, false},
		{userType, `emails[value ne "x"]`, nil, false},
		{userType, `not (emails[value eq "x"])`, nil, false},
		{userType, `emails.primary eq true`, terms{{"emails.primary", "true"}}, true},
		{userType, `emails.primary eq false`, nil, false}, // holds where there is none
		{userType, `name.familyName eq "É"`, terms{{"name.familyName", "é"}}, true},
		{userType, `name[familyName eq "x"]`, terms{{"name.familyName", "x"}}, true},
		{userType, badgeURN + `:level eq 7.0`, terms{{badgeURN + ":level", "7"}}, true},
		{userType, badgeURN + `:level eq 7.5`, nil, false},
		{userType, badgeURN + `:ratio eq 150e-2`, terms{{badgeURN + ":ratio", "1.5"}}, true},
		{userType, `meta.created eq "2024-01-02T03:04:05.600+01:00"`, terms{{"meta.created", "2024-01-02T02:04:05.6Z"}}, true},
		{userType, `meta.version eq "W/\"3\""`, terms{{"meta.version", `W/"3"`}}, true},
		{userType, `meta.location eq "` + options.Location + `7"`, terms{{"id", "7"}}, true},
		{userType, `meta.location eq "https://elsewhere/7"`, nil, false},
		{userType, `meta.resourceType eq "User"`, nil, true},
		{userType, `meta.resourceType eq "Group"`, nil, false},
		{userType, `meta.resourceType eq "User" and userName eq "a"`, terms{{"userName", "a"}}, true},
		{userType, `meta.resourceType eq "Group" and userName eq "a"`, nil, false},
		{userType, `id pr or userName eq "a"`, nil, true},
		{userType, `schemas eq "` + schema.EnterpriseURN + `"`, terms{{"schemas", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:user"}}, true},
		{userType, `schemas eq "` + schema.UserURN + `" and userName eq "a"`, terms{{"userName", "a"}}, true},
		{groupType, `id eq "G" and members eq "U"`, terms{{"id", "G"}, {"members.value", "U"}}, true},
		{groupType, `members[value eq "U"]`, terms{{"members.value", "U"}}, true},
		{groupType, `members[value eq "U" or value eq "V"]`, nil, false},
		{groupType, `members ne "U"`, nil, false},
		{groupType, `members pr`, nil, false},
	} {
		got, exact := bind(t, c.rt, c.text, lenient()).Equality()
		require.Equal(t, c.terms, got, c.text)
		require.Equal(t, c.exact, exact, c.text)
	}
}
