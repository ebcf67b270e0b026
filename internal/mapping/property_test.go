package mapping_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/scimkit/scim/internal/mapping"
)

// knownKey is a key that the generator uses, with what the reference needs to know of it.
type knownKey struct {
	key        string
	conditions int // of its value filter, which is "" without
	deep       bool
	find       func(user map[string]any) []string // the values, the primary one first
}

func plain(path ...string) func(map[string]any) []string {
	return func(user map[string]any) []string {
		var v any = user
		for _, name := range path {
			object, _ := v.(map[string]any)
			v = object[name]
		}
		switch v := v.(type) {
		case nil:
			return nil
		case string:
			if v == "" {
				return nil
			}
			return []string{v}
		default:
			return []string{fmt.Sprint(v)}
		}
	}
}

func listed(attribute string, match func(element map[string]any) bool) func(map[string]any) []string {
	return func(user map[string]any) []string {
		elements, _ := user[attribute].([]any)
		var primary, others []string
		for _, e := range elements {
			element := e.(map[string]any)
			value, _ := element["value"].(string)
			switch {
			case value == "" || !match(element):
			case is("primary", true)(element) && primary == nil:
				primary = []string{value}
			default:
				others = append(others, value)
			}
		}
		return append(primary, others...)
	}
}

func is(name string, want any) func(map[string]any) bool {
	return func(element map[string]any) bool { return element[name] == want }
}

var knownKeys = []knownKey{
	{"userName", 0, false, plain("userName")},
	{"displayName", 0, false, plain("displayName")},
	{"nickName", 0, false, plain("nickName")},
	{"title", 0, false, plain("title")},
	{"externalId", 0, false, plain("externalId")},
	{"locale", 0, false, plain("locale")},
	{"timezone", 0, false, plain("timezone")},
	{"active", 0, false, plain("active")},
	{"name.givenName", 0, true, plain("name", "givenName")},
	{"name.familyName", 0, true, plain("name", "familyName")},
	{enterpriseURN + ":department", 0, false, plain(enterpriseURN, "department")},
	{badgeURN + ":level", 0, false, plain(badgeURN, "level")},
	{"emails.value", 0, true, listed("emails", func(map[string]any) bool { return true })},
	{"emails[primary eq true].value", 1, true, listed("emails", is("primary", true))},
	{`emails[type eq "work"].value`, 1, true, listed("emails", is("type", "work"))},
	{`emails[type eq "work" and primary eq true].value`, 2, true, listed("emails", func(e map[string]any) bool {
		return is("type", "work")(e) && is("primary", true)(e)
	})},
	{"roles.value", 0, true, listed("roles", func(map[string]any) bool { return true })},
	{`roles[type eq "work"].value`, 1, true, listed("roles", is("type", "work"))},
}

var (
	anyTarget = rapid.SampledFrom([]string{
		mapping.Email, mapping.GivenName, mapping.DisplayName, mapping.Role, mapping.Role, mapping.UserName, "metadata.a", "metadata.b",
	})
	anyText = rapid.OneOf(
		rapid.StringMatching(`[a-c@ .é]{0,12}`),
		rapid.Custom(func(t *rapid.T) string {
			return strings.Repeat("ab", rapid.IntRange(1, mapping.MaxValue/2+1).Draw(t, "pairs"))
		}),
	)
	anyArgument = rapid.StringMatching(`[a-cA@ .é'{}]{1,4}`).Filter(func(text string) bool { return !strings.Contains(text, "}}") })
	anyCalls    = rapid.Custom(func(t *rapid.T) []call {
		var calls []call
		for n := rapid.IntRange(0, mapping.MaxFilters/2).Draw(t, "filters"); n > 0; n-- {
			switch name := rapid.SampledFrom([]string{"downcase", "upcase", "strip", "split", "replace", "prepend", "append", "default"}).Draw(t, "filter"); name {
			case "split":
				part := rapid.SampledFrom([]string{"first", "last"}).Draw(t, "part")
				calls = append(calls, call{name, []string{rapid.OneOf(rapid.Just(""), anyArgument).Draw(t, "separator")}}, call{part, nil})
			case "replace":
				with := rapid.OneOf(rapid.Just(""), rapid.Just("aaaaaaaa"), anyArgument).Draw(t, "with")
				calls = append(calls, call{name, []string{anyArgument.Draw(t, "old"), with}})
			case "prepend", "append", "default":
				calls = append(calls, call{name, []string{anyArgument.Draw(t, "argument")}})
			default:
				calls = append(calls, call{name, nil})
			}
		}
		return calls
	})
)

// anyUser draws a resource of which most attributes may be missing.
func anyUser(t *rapid.T) map[string]any {
	user := map[string]any{}
	set := func(object map[string]any, name string, value any) {
		if rapid.Bool().Draw(t, name) {
			object[name] = value
		}
	}
	for _, name := range []string{"userName", "displayName", "nickName", "title", "externalId", "locale", "timezone"} {
		set(user, name, anyText.Draw(t, name+" text"))
	}
	set(user, "active", rapid.Bool().Draw(t, "is active"))
	name := map[string]any{"formatted": "f"}
	set(name, "givenName", anyText.Draw(t, "given"))
	set(name, "familyName", anyText.Draw(t, "family"))
	set(user, "name", name)
	set(user, enterpriseURN, map[string]any{"department": anyText.Draw(t, "department text")})
	set(user, badgeURN, map[string]any{"level": rapid.IntRange(-5, 5).Draw(t, "level")})
	for _, attribute := range []string{"emails", "roles"} {
		var elements []any
		for n := rapid.IntRange(0, 4).Draw(t, attribute); n > 0; n-- {
			element := map[string]any{"display": "d"}
			set(element, "value", anyText.Draw(t, "value text"))
			set(element, "type", rapid.SampledFrom([]string{"work", "home"}).Draw(t, "kind"))
			set(element, "primary", rapid.Bool().Draw(t, "is primary"))
			elements = append(elements, element)
		}
		if elements != nil {
			user[attribute] = elements
		}
	}
	return user
}

// expectedRule is a key of a table, or a default, as the reference sees it.
type expectedRule struct {
	knownKey
	target   string
	calls    []call
	explicit bool
}

// rank is what rules are compared by, word by word: the smaller comes first.
func (r expectedRule) rank() []string {
	filter, origin, family, depth := "1 plain", "1 default", "1 other", "1 flat"
	if r.conditions > 0 {
		filter = "0 filtered"
	}
	if r.explicit {
		origin = "0 explicit"
	}
	switch {
	case strings.HasPrefix(r.key, "emails"):
		family = "0 emails"
	case r.key == "userName":
		family = "2 userName"
	}
	if r.deep {
		depth = "0 deep"
	}
	return []string{filter, origin, family, fmt.Sprint(9 - r.conditions), depth, r.key}
}

// expect computes what a mapping makes of a user, in the plainest way.
func expect(rules []expectedRule, user map[string]any) (mapping.Result, error) {
	slices.SortFunc(rules, func(a, b expectedRule) int { return slices.Compare(a.rank(), b.rank()) })
	result := mapping.Result{Fields: map[string]string{}, Metadata: map[string]string{}, Origin: map[string]string{}}
	for _, r := range rules {
		if _, decided := result.Origin[r.target]; decided && r.target != mapping.Role {
			continue
		}
		values := r.find(user)
		if len(values) > 1 && r.target != mapping.Role {
			values = values[:1]
		}
		if len(values) == 0 && slices.ContainsFunc(r.calls, func(c call) bool { return c.name == "default" }) {
			values = []string{""}
		}
		for _, value := range values {
			made, ok := reference(r.calls, value)
			switch {
			case !ok || len(value) > mapping.MaxValue:
				return mapping.Result{}, errors.New(r.key)
			case made == "":
				continue
			case r.target == mapping.Role && !slices.Contains(result.Roles, made):
				result.Roles = append(result.Roles, made)
			case strings.HasPrefix(r.target, mapping.Metadata):
				result.Metadata[strings.TrimPrefix(r.target, mapping.Metadata)] = made
			case r.target != mapping.Role:
				result.Fields[r.target] = made
			}
			if _, decided := result.Origin[r.target]; !decided {
				result.Origin[r.target] = r.key
			}
		}
	}
	return result, nil
}

// Any table maps any user as the reference does, however often it is compiled: maps have no order.
func TestMappingsAgreeWithTheReference(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		table := map[string]string{}
		var rules []expectedRule
		for _, known := range knownKeys {
			target, isDefault := mapping.Defaults()[known.key]
			if !rapid.Bool().Draw(t, known.key) {
				if isDefault {
					rules = append(rules, expectedRule{knownKey: known, target: target})
				}
				continue
			}
			r := expectedRule{knownKey: known, target: anyTarget.Draw(t, "target"), calls: anyCalls.Draw(t, "calls"), explicit: true}
			table[known.key] = r.target
			if len(r.calls) > 0 {
				table[known.key] = write(r.calls) + "." + r.target
			}
			rules = append(rules, r)
		}
		user := anyUser(t)
		want, wantErr := expect(rules, user)
		body, err := json.Marshal(user)
		require.NoError(t, err)
		for range 3 {
			m, err := mapping.Compile(userType, table, nil)
			require.NoError(t, err, "%v", table)
			got, err := m.Apply(context.Background(), document(body))
			if wantErr != nil {
				var refused *mapping.Error
				require.ErrorAs(t, err, &refused)
				require.Equal(t, wantErr.Error(), refused.Key)
				continue
			}
			require.NoError(t, err)
			require.Equal(t, want, got)
			bounded(t, got)
		}
	})
}

// bounded requires what every result keeps.
func bounded(t require.TestingT, r mapping.Result) {
	check := func(text string) {
		require.NotEmpty(t, text)
		require.LessOrEqual(t, len(text), mapping.MaxValue)
	}
	targets := len(r.Fields) + len(r.Metadata)
	for target, text := range r.Fields {
		check(text)
		require.Contains(t, r.Origin, target)
	}
	for key, text := range r.Metadata {
		check(text)
		require.Contains(t, r.Origin, mapping.Metadata+key)
	}
	for _, role := range r.Roles {
		check(role)
	}
	if len(r.Roles) > 0 {
		targets++
		require.Contains(t, r.Origin, mapping.Role)
	}
	require.Len(t, r.Origin, targets)
	require.LessOrEqual(t, len(r.Roles), mapping.MaxRoles)
}
