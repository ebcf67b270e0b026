package patch_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/patch"
)

// TestUserAgainstReference applies random requests to random users, here and in the reference. A failure prints the seed.
func TestUserAgainstReference(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) { againstReference(t, users(t), userType) })
	covers(t, "P-21")
}

// TestGroupAgainstReference does so for groups, whose members are a set in the reference and a delta here.
func TestGroupAgainstReference(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) { againstReference(t, groups(t), groupType) })
	covers(t, "P-21")
}

// roster is who the store has in a group.
var roster = []member{{"u1", "User", "Ada"}, {"u2", "User", ""}, {"u3", "", "adam"}, {"g1", "Group", "All"}}

func againstReference(t *rapid.T, g generator, rt *schema.ResourceType) {
	stored := g.json()
	for range 20 {
		request := g.request()
		strict, refuse := g.chance(15), g.chance(15)
		ref := reference{
			core: g.core, extensions: g.extensions, strict: strict, bareRefuse: refuse,
			doc: clone(g.doc).(object), members: map[string]member{}, added: map[string]bool{},
		}
		opts := options(rt)
		if rt == groupType {
			opts.Scan = scan(roster)
			for _, m := range roster {
				ref.members[m.id] = m
			}
		}
		if refuse {
			opts.BareRemove = dialect.BareRemoveRefuse
		}
		opts.Report = dialect.NewReport(strict, dialect.Policy{})
		want := ref.patch(request)

		before := schema.NewDocument(stored)
		change, _, err := apply(before, request, opts)
		situation := fmt.Sprintf("%s\n%s\nstrict %v: %v", stored, request, strict, err)
		require.Equal(t, string(stored), string(before.JSON()))
		got := class(t, err)
		if want != nil {
			require.Contains(t, classes(want), got, situation)
			require.Equal(t, patch.ChangeSet{}, change)
			continue
		}
		require.Empty(t, got, situation)
		result := parse(change.After.JSON()).(object)
		delete(result, "schemas")
		require.Equal(t, string(must(json.MarshalIndent(ref.doc, "", " "))), string(must(json.MarshalIndent(result, "", " "))), situation)
		require.Equal(t, slices.Sorted(maps.Keys(ref.members)), slices.Sorted(maps.Keys(applyDelta(t, change.Members, idsOf(opts)))), situation)
	}
}

// classes returns the classes that an error may have here.
func classes(want error) []string {
	if errors.Is(want, unknownInput) { // which keyword an unknown attribute has is open, and whether it comes before a bad value beside it
		return []string{schema.InvalidSyntax, schema.InvalidPath, schema.InvalidValue}
	}
	return []string{want.Error()}
}

// idsOf returns the ids of a group's members.
func idsOf(opts patch.Options) map[string]bool {
	set := map[string]bool{}
	_ = opts.Scan(func(id, _, _ string) error { set[id] = true; return nil })
	return set
}

// applyDelta is what a store does with a delta.
func applyDelta(t require.TestingT, d patch.Delta, current map[string]bool) map[string]bool {
	final := map[string]bool{}
	if !d.Clear {
		maps.Copy(final, current)
	}
	for _, id := range d.Remove {
		delete(final, id)
	}
	for _, id := range d.Add {
		final[id] = true
	}
	for _, list := range [][]string{d.Add, d.Remove} {
		require.Len(t, slices.Compact(slices.Sorted(slices.Values(list))), len(list), "an id is repeated")
	}
	require.False(t, slices.ContainsFunc(d.Add, func(id string) bool { return slices.Contains(d.Remove, id) }), "%v", d)
	return final
}
