package schema_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/internal/strict"
)

// FuzzDecode feeds request bodies to every type. Whatever is accepted is canonical: it can be kept, read again as the same tree,
// shown, and sent back by a strict client, and it holds nothing that a client may not write.
func FuzzDecode(f *testing.F) {
	types := []*schema.ResourceType{userType(f), groupType(f), deviceType(f)}
	f.Add(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"a","active":"True","emails":{"value":"a@b"}}`)
	f.Fuzz(func(t *testing.T, body string) {
		if strict.Check([]byte(body), strict.Limits{Depth: 16, Values: 10_000}) != nil {
			return
		}
		for _, rt := range types {
			lenient := tolerant()
			input, err := decode(rt, body, lenient)
			exact := rigid()
			strictly, strictErr := decode(rt, body, exact)
			require.Empty(t, exact.Fired())
			if err != nil {
				require.Error(t, strictErr, "the tolerances refuse what a strict connection takes: %v", err)
				continue
			}
			if strictErr == nil && len(lenient.Fired()) == 0 {
				require.Equal(t, encoded(strictly.Tree), encoded(input.Tree))
				require.Equal(t, strictly.Members, input.Members)
			}
			if strictErr != nil {
				require.NotEmpty(t, lenient.Fired(), "accepted by no rule: %v", strictErr)
			}
			checkCanonical(t, rt, input)
		}
	})
}

func checkCanonical(t *testing.T, rt *schema.ResourceType, input *schema.Input) {
	kept := rt.Document(input.Tree).JSON()
	require.True(t, json.Valid(kept), "%s", kept)
	stored, err := schema.NewDocument(kept).Tree(rt)
	require.NoError(t, err, "%s", kept)
	require.True(t, input.Tree.Equal(stored), "%s", kept)
	require.Equal(t, string(kept), string(rt.Document(stored).JSON()))
	again, err := decode(rt, string(kept), rigid())
	require.NoError(t, err, "%s", kept)
	require.True(t, input.Tree.Equal(again.Tree), "%s", kept)
	require.True(t, json.Valid([]byte(shown(rt.NewProjection([]string{"userName", "emails.value", "note"}, nil, nil), stored))))
	_ = rt.Validate(stored)
	_ = rt.Keys(stored)
	for _, forbidden := range []*schema.Attribute{rt.ID, rt.Meta, rt.Schemas, rt.Members, rt.Groups} {
		if forbidden != nil {
			require.True(t, input.Tree.Get(forbidden).IsZero(), "%s", forbidden)
		}
	}
	seen := map[string]bool{}
	for _, id := range input.Members {
		require.NotEmpty(t, id)
		require.False(t, seen[id], "a member twice")
		seen[id] = true
	}
}

// FuzzResolve names attributes. A path that is understood is understood again by its canonical spelling, and strictly.
func FuzzResolve(f *testing.F) {
	types := []*schema.ResourceType{userType(f), groupType(f), deviceType(f)}
	f.Add("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value")
	f.Fuzz(func(t *testing.T, path string) {
		for _, rt := range types {
			report := tolerant()
			target, err := rt.ResolvePath(path, report)
			strictly, strictErr := rt.ResolvePath(path, rigid())
			if err != nil {
				miss(t, err, path)
				require.Error(t, strictErr)
				continue
			}
			if len(report.Fired()) == 0 {
				require.NoError(t, strictErr)
				require.Equal(t, target, strictly)
			}
			canonical := target.Leaf().Path
			if canonical == "" {
				require.Same(t, rt.Root, target.Attribute)
				continue
			}
			again, err := rt.ResolvePath(canonical, rigid())
			require.NoError(t, err, canonical)
			require.Equal(t, target, again)
		}
	})
}
