package patch_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/internal/strict"
	"github.com/scimkit/scim/patch"
)

// The seeds of both targets, in testdata/fuzz, are what identity providers send; their names are those of testdata/idp-corpus.json.

// shape are the limits of a request that hold before Decode sees it.
var shape = strict.Limits{Depth: 16, Values: 100_000}

// FuzzDecode: whatever the bytes, operations come out that mean the same when they are written down again, or an error.
func FuzzDecode(f *testing.F) {
	f.Fuzz(func(t *testing.T, request []byte) {
		if strict.Check(request, shape) != nil {
			return
		}
		ops, err := decode(string(request), maxOperations, lenient())
		if class(t, err) != "" {
			return
		}
		require.LessOrEqual(t, len(ops), maxOperations)
		again := make([]string, len(ops))
		for i, op := range ops {
			require.Contains(t, []string{patch.Add, patch.Remove, patch.Replace}, op.Op)
			fields := fmt.Sprintf(`{"op":%q`, op.Op)
			if op.HasPath {
				fields += `,"path":` + quoted(op.Path)
			}
			if op.HasValue {
				require.True(t, json.Valid([]byte(op.Value)), "%q", op.Value)
				fields += `,"value":` + op.Value
			}
			again[i] = fields + "}"
		}
		same, err := decode(body(again...), maxOperations, lenient())
		require.NoError(t, err)
		require.Len(t, same, len(ops))
		for i := range ops {
			require.Equal(t, ops[i], same[i])
		}
	})
}

// FuzzApply applies a request to a user and to a group that have something of everything.
func FuzzApply(f *testing.F) {
	for _, operation := range []string{
		on("replace", badgeURN, `{"level":4,"seal":{"color":"green","tags":["a"]},"codes":null}`), on("remove", badgeURN+`:visits[count ge 2 and type eq "B"].type`, ""),
		on("add", badgeURN+`:visits`, `[{"value":"v1","type":"a","primary":"True"},{"value":"v3"}]`), on("remove", badgeURN+":codes", `["X"]`),
		on("replace", `emails[not (type eq "home")].primary`, "false"), on("remove", "emails", `{"emails":[{"type":"work"}]}`), on("replace", "manager", `"m-2"`),
		on("remove", "schemas", `["`+enterpriseURN+`"]`), on("remove", `members[type eq "User" or display pr]`, ""), on("replace", "members", `[{"value":"u1"},{"value":"u9"}]`),
		`{"op":"replace","value":{"name":[{"givenName":""}],"emails[type eq \"work\"].display":"x","` + coreURN + `":{"nickName":"n"},"seal.color":null}}`,
	} {
		f.Add(body(operation, on("replace", "displayName", `"x"`)))
	}
	f.Fuzz(func(t *testing.T, request string) {
		if strict.Check([]byte(request), shape) != nil {
			return
		}
		holds(t, userType, user, request)
		holds(t, groupType, group, request)
	})
}

// holds applies a request to a resource and checks what must hold of every result.
func holds(t *testing.T, rt *schema.ResourceType, stored, request string) {
	before := document(stored)
	change, _, err := apply(before, request, options(rt, roster...))
	require.Equal(t, stored, string(before.JSON()))
	if class(t, err) != "" {
		require.Equal(t, patch.ChangeSet{}, change)
		return
	}
	final := applyDelta(t, change.Members, idsOf(options(rt, roster...)))
	if len(change.Changes) == 0 {
		require.Same(t, before, change.After)
	} else {
		sound(t, rt, change.After)
	}

	ops, err := decode(request, maxOperations, lenient())
	require.NoError(t, err)
	if !repeatable(ops) {
		return
	}
	again, _, err := apply(change.After, request, options(rt, rosterOf(final)...))
	require.NoError(t, err)
	require.Empty(t, again.Changes, "the second time of %s", request)
	require.Equal(t, final, applyDelta(t, again.Members, final))
}

// sound asserts that a resource is valid, canonical JSON, and reads back as what it is.
func sound(t *testing.T, rt *schema.ResourceType, doc *schema.Document) {
	require.NoError(t, strict.Read(doc.JSON(), (*strict.Reader).Skip))
	tree, err := document(string(doc.JSON())).Tree(rt)
	require.NoError(t, err)
	require.NoError(t, rt.Validate(tree))
	require.Equal(t, string(doc.JSON()), string(rt.Document(tree).JSON()))
}

var valuePath = regexp.MustCompile(`^[^\[]*\[(.*)\](?:\.(.*))?$`)

// repeatable reports whether a request must change nothing the second time: it adds nothing, and no operation depends on what another
// one, or itself, has changed. Value filters do if something writes to what they look at; so does a $ref, which a new value drops.
func repeatable(ops []patch.Operation) bool {
	for _, op := range ops {
		path := strings.ToLower(strings.TrimSpace(op.Path))
		if op.Op == patch.Add || strings.Contains(path+strings.ToLower(op.Value), "$ref") {
			return false
		}
		switch m := valuePath.FindStringSubmatch(path); {
		case m == nil && !op.HasPath && slices.ContainsFunc(keysOf(op.Value), func(key string) bool { return strings.Contains(key, "[") }):
			return false
		case m == nil, len(ops) == 1 && op.Op == patch.Remove && m[2] == "":
		case len(ops) > 1, m[2] == "", strings.Contains(m[1], m[2]):
			return false
		}
	}
	return true
}

// keysOf returns the keys of an object, those of the objects in it included.
func keysOf(value string) (keys []string) {
	var walk func(v any)
	walk = func(v any) {
		inner, _ := v.(object)
		for key, v := range inner {
			keys = append(keys, key)
			walk(v)
		}
	}
	walk(parse(json.RawMessage(value)))
	return keys
}
