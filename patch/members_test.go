package patch_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/patch"
)

const group = `{"displayName":"Crew"}`

// on writes an operation on a path. value is JSON, "" for none.
func on(op, path, value string) string {
	if value == "" {
		return fmt.Sprintf(`{"op":%q,"path":%s}`, op, quoted(path))
	}
	return fmt.Sprintf(`{"op":%q,"path":%s,"value":%s}`, op, quoted(path), value)
}

// named writes a list of members.
func named(ids ...string) string {
	var list []string
	for _, id := range ids {
		list = append(list, `{"value":`+quoted(id)+`}`)
	}
	return "[" + strings.Join(list, ",") + "]"
}

func TestOperationsFoldIntoOneDelta(t *testing.T) {
	t.Parallel()
	add := func(ids ...string) string { return on("add", "members", named(ids...)) }
	remove := func(ids ...string) string { return on("remove", "members", named(ids...)) }
	replace := func(ids ...string) string { return on("replace", "members", named(ids...)) }
	filtered := func(id string) string { return on("remove", `members[value eq "`+id+`"]`, "") }
	all := on("remove", "members", "")
	type delta = patch.Delta
	for name, tt := range map[string]struct {
		operations []string
		want       patch.Delta
	}{
		"nothing":                           {nil, delta{}},
		"add":                               {[]string{add("a", "b")}, delta{Add: []string{"a", "b"}}},
		"add twice":                         {[]string{add("a"), add("b", "a")}, delta{Add: []string{"a", "b"}}},
		"the same id twice in one list":     {[]string{add("a", "b", "a")}, delta{Add: []string{"a", "b"}}},
		"ids are compared with their case":  {[]string{add("a", "A")}, delta{Add: []string{"a", "A"}}},
		"add nothing":                       {[]string{on("add", "members", "[]"), on("add", "members", "null")}, delta{}},
		"remove":                            {[]string{remove("a", "b")}, delta{Remove: []string{"a", "b"}}},
		"remove by filter":                  {[]string{filtered("a"), filtered("b")}, delta{Remove: []string{"a", "b"}}},
		"remove several by filter":          {[]string{on("remove", `members[value eq "a" or value eq "b"]`, "")}, delta{Remove: []string{"a", "b"}}},
		"remove twice":                      {[]string{remove("a"), filtered("a")}, delta{Remove: []string{"a"}}},
		"remove an empty list":              {[]string{on("remove", "members", "[]")}, delta{}},
		"remove null is remove all":         {[]string{on("remove", "members", "null")}, delta{Clear: true}},
		"remove all":                        {[]string{all}, delta{Clear: true}},
		"add, then remove":                  {[]string{add("a", "b", "c"), remove("a")}, delta{Remove: []string{"a"}, Add: []string{"c", "b"}}},
		"remove, then add":                  {[]string{remove("a", "b"), add("a")}, delta{Remove: []string{"b"}, Add: []string{"a"}}},
		"add, remove, add":                  {[]string{add("a"), remove("a"), add("a")}, delta{Add: []string{"a"}}},
		"remove, add, remove":               {[]string{remove("a"), add("a"), filtered("a")}, delta{Remove: []string{"a"}}},
		"remove all, then add":              {[]string{all, add("a", "b")}, delta{Clear: true, Add: []string{"a", "b"}}},
		"add, then remove all":              {[]string{add("a"), remove("b"), all}, delta{Clear: true}},
		"remove all, then one more":         {[]string{all, remove("a")}, delta{Clear: true}},
		"replace":                           {[]string{replace("a", "b")}, delta{Clear: true, Add: []string{"a", "b"}}},
		"replace by nothing":                {[]string{on("replace", "members", "[]")}, delta{Clear: true}},
		"replace twice":                     {[]string{replace("a"), replace("b")}, delta{Clear: true, Add: []string{"b"}}},
		"replace, then remove one of these": {[]string{replace("a", "b", "c"), remove("a")}, delta{Clear: true, Add: []string{"c", "b"}}},
		"by a key":                          {[]string{`{"op":"add","value":{"members":[{"value":"a"}],"displayName":"Crew"}}`}, delta{Add: []string{"a"}}},
		"replace by a key":                  {[]string{`{"op":"replace","value":{"MEMBERS":[{"value":"a"}]}}`}, delta{Clear: true, Add: []string{"a"}}},
		"add through a filter":              {[]string{on("add", `members[value eq "a"]`, named("a"))}, delta{Add: []string{"a"}}},
		"a wrapped list":                    {[]string{on("remove", "members", `{"members":`+named("a")+`}`)}, delta{Remove: []string{"a"}}},
		"one object":                        {[]string{on("remove", "members", `{"value":"a"}`)}, delta{Remove: []string{"a"}}},
		"bare ids":                          {[]string{on("add", "members", `["a","b"]`), on("remove", "members", `["b"]`)}, delta{Remove: []string{"b"}, Add: []string{"a"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			change, written, err := apply(document(group), body(tt.operations...), options(groupType, roster...))
			require.NoError(t, err)
			require.Empty(t, written)
			require.Empty(t, change.Changes)
			require.Equal(t, tt.want.Clear, change.Members.Clear)
			require.Equal(t, slices.Clip(tt.want.Remove), append([]string(nil), change.Members.Remove...))
			require.Equal(t, slices.Clip(tt.want.Add), append([]string(nil), change.Members.Add...))
			require.Equal(t, !tt.want.Clear && tt.want.Add == nil && tt.want.Remove == nil, change.Members.Empty())
		})
	}
}

func TestMembersAreRefused(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ operation, class string }{
		"remove a bare string":               {on("remove", "members", `"a"`), schema.InvalidValue},
		"remove a number":                    {on("remove", "members", `5`), schema.InvalidValue},
		"remove what has no id":              {on("remove", "members", `[{"foo":1}]`), schema.InvalidValue},
		"remove an empty object":             {on("remove", "members", `{}`), schema.InvalidValue},
		"remove an empty id":                 {on("remove", "members", `[{"value":""}]`), schema.InvalidValue},
		"add a number":                       {on("add", "members", `[5]`), schema.InvalidValue},
		"add an id that is a number":         {on("add", "members", `[{"value":5}]`), schema.InvalidValue},
		"add an id that is too long":         {on("add", "members", named(strings.Repeat("x", schema.MaxKey+1))), schema.InvalidValue},
		"add without an id":                  {on("add", "members", `[{"display":"x"}]`), schema.InvalidValue},
		"add a repeated key":                 {on("add", "members", `[{"value":"a","VALUE":"b"}]`), schema.InvalidSyntax},
		"replace an id":                      {on("replace", `members[value eq "a"].value`, `"b"`), schema.Mutability},
		"replace a display":                  {on("replace", `members[value eq "a"].display`, `"b"`), schema.Mutability},
		"remove a type":                      {on("remove", `members[value eq "a"].type`, ""), schema.Mutability},
		"write a sub-attribute of all":       {on("replace", `members.display`, `"b"`), schema.Mutability},
		"replace a member by another":        {on("replace", `members[value eq "a"]`, named("b")), schema.Mutability},
		"add another than the filter":        {on("add", `members[value eq "a"]`, named("a", "b")), schema.Mutability},
		"add through a filter on two":        {on("add", `members[value eq "a" or value eq "b"]`, named("a")), schema.NoTarget},
		"add through a filter on type":       {on("add", `members[type eq "User"]`, named("a")), schema.NoTarget},
		"filter on an unknown sub-attribute": {on("remove", `members[color eq "red"]`, ""), schema.InvalidFilter},
		"filter on a number":                 {on("remove", `members[value eq 5]`, ""), schema.InvalidFilter},
		"filter left open":                   {on("remove", `members[value eq`, ""), schema.InvalidPath},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refuses(t, groupType, group, tt.class, on("replace", "displayName", `"Other"`), on("add", "members", named("z")), tt.operation)
		})
	}
}

// TestScan counts the reading of members: only a filter on something other than their ids reads them.
func TestScan(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		operations []string
		scans      int
		removed    []string
		class      string
	}{
		"add":                           {operations: []string{on("add", "members", named("u1", "x"))}},
		"replace":                       {operations: []string{on("replace", "members", named("u1", "x"))}},
		"remove by list":                {operations: []string{on("remove", "members", named("u1"))}, removed: []string{"u1"}},
		"remove by id":                  {operations: []string{on("remove", `members[value eq "u1" or value eq "x"]`, "")}, removed: []string{"u1", "x"}},
		"remove all":                    {operations: []string{on("remove", "members", "")}},
		"rename":                        {operations: []string{on("replace", "displayName", `"x"`)}},
		"by type":                       {operations: []string{on("remove", `members[type eq "user"]`, "")}, scans: 1, removed: []string{"u1", "u2"}},
		"by type, none":                 {operations: []string{on("remove", `members[type eq "Device"]`, "")}, scans: 1},
		"by display":                    {operations: []string{on("remove", `members[display sw "ADA"]`, "")}, scans: 1, removed: []string{"u1", "u3"}},
		"by id and type":                {operations: []string{on("remove", `members[value eq "u1" and type eq "User"]`, "")}, scans: 1, removed: []string{"u1"}},
		"by negation":                   {operations: []string{on("remove", `members[value ne "u1"]`, "")}, scans: 1, removed: []string{"u2", "u3", "g1"}},
		"by id or type":                 {operations: []string{on("remove", `members[value eq "x" or type eq "Group"]`, "")}, scans: 1, removed: []string{"g1"}},
		"after a remove":                {operations: []string{on("remove", "members", named("u1")), on("remove", `members[type eq "User"]`, "")}, scans: 1, removed: []string{"u1", "u2"}},
		"after a remove of all":         {operations: []string{on("remove", "members", ""), on("remove", `members[type eq "User"]`, "")}},
		"after an add":                  {operations: []string{on("add", "members", named("u9")), on("remove", `members[type eq "User"]`, "")}, class: schema.NoTarget},
		"after an add that is undone":   {operations: []string{on("add", "members", named("u9")), on("remove", "members", named("u9")), on("remove", `members[type eq "Group"]`, "")}, scans: 1, removed: []string{"u9", "g1"}},
		"in a filter that is not sound": {operations: []string{on("remove", `members[type gt 5]`, "")}, class: schema.InvalidFilter},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scans := 0
			opts := options(groupType)
			opts.Scan = func(yield func(id, typ, display string) error) error {
				scans++
				return scan(roster)(yield)
			}
			change, _, err := apply(document(group), body(tt.operations...), opts)
			require.Equal(t, tt.class, class(t, err), "%v", err)
			require.Equal(t, tt.scans, scans)
			require.ElementsMatch(t, tt.removed, change.Members.Remove)
		})
	}
}

func TestErrorsOfScanAreTheCallers(t *testing.T) {
	t.Parallel()
	broken := errors.New("the database is gone")
	opts := options(groupType)
	opts.Scan = func(func(id, typ, display string) error) error { return broken }
	change, _, err := apply(document(group), body(on("remove", `members[type eq "User"]`, "")), opts)
	require.ErrorIs(t, err, broken)
	require.Equal(t, patch.ChangeSet{}, change)
}

func TestMaxMembers(t *testing.T) {
	t.Parallel()
	three, four := named("a", "b", "c"), named("a", "b", "c", "d")
	for name, tt := range map[string]struct {
		operations []string
		tooLarge   bool
	}{
		"add three":                      {[]string{on("add", "members", three)}, false},
		"add four":                       {[]string{on("add", "members", four)}, true},
		"replace by four":                {[]string{on("replace", "members", four)}, true},
		"remove four":                    {[]string{on("remove", "members", four)}, true},
		"two and two":                    {[]string{on("add", "members", named("a", "b")), on("remove", "members", named("c", "d"))}, true},
		"two and one":                    {[]string{on("add", "members", named("a", "b")), on("remove", "members", named("c"))}, false},
		"four by filter":                 {[]string{on("remove", `members[value eq "a" or value eq "b" or value eq "c" or value eq "d"]`, "")}, true},
		"four selected":                  {[]string{on("remove", `members[value pr]`, "")}, true},
		"three selected":                 {[]string{on("remove", `members[value sw "u"]`, "")}, false},
		"three selected and one":         {[]string{on("remove", `members[value sw "u"]`, ""), on("add", "members", named("d"))}, true},
		"in a key":                       {[]string{`{"op":"add","value":{"members":` + four + `}}`}, true},
		"removing all names nobody":      {[]string{on("remove", "members", ""), on("add", "members", three)}, false},
		"an id counts as often as named": {[]string{on("add", "members", three), on("add", "members", named("a"))}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opts := options(groupType, roster...)
			opts.MaxMembers = 3
			_, _, err := apply(document(group), body(tt.operations...), opts)
			if !tt.tooLarge {
				require.NoError(t, err)
				return
			}
			var refused *patch.Error
			require.ErrorAs(t, err, &refused)
			require.True(t, refused.TooLarge)
			require.Equal(t, schema.TooMany, refused.ScimType)
			require.Equal(t, "members", refused.Path)
		})
	}

	t.Run("reading stops at the limit", func(t *testing.T) {
		t.Parallel()
		yields := 0
		opts := options(groupType)
		opts.MaxMembers = 3
		opts.Scan = func(yield func(id, typ, display string) error) error {
			for i := range 1000 {
				yields++
				if err := yield(fmt.Sprint("u", i), "User", ""); err != nil {
					return err
				}
			}
			return nil
		}
		_, _, err := apply(document(group), body(on("remove", `members[type eq "User"]`, "")), opts)
		require.Equal(t, schema.TooMany, class(t, err))
		require.Equal(t, 4, yields)
	})

	t.Run("PUT", func(t *testing.T) {
		t.Parallel()
		opts := options(groupType)
		opts.MaxMembers = 3
		_, err := put(document(group), representation(groupType, document(group), `,"members":`+three), opts)
		require.NoError(t, err)
		_, err = put(document(group), representation(groupType, document(group), `,"members":`+four), opts)
		var refused *patch.Error
		require.ErrorAs(t, err, &refused)
		require.True(t, refused.TooLarge)
	})
}

func TestBareRemovePolicy(t *testing.T) {
	t.Parallel()
	for _, operation := range []string{on("remove", "members", ""), on("remove", "members", "null"), on("remove", groupURN+":Members", "")} {
		opts := options(groupType)
		change, _, err := apply(document(group), body(operation), opts)
		require.NoError(t, err)
		require.Equal(t, patch.Delta{Clear: true}, change.Members)
		opts.BareRemove = dialect.BareRemoveRefuse
		_, _, err = apply(document(group), body(operation), opts)
		require.Equal(t, schema.NoTarget, class(t, err))
	}
	// What names its members says what it means.
	opts := options(groupType)
	opts.BareRemove = dialect.BareRemoveRefuse
	change, _, err := apply(document(group), body(on("remove", "members", named("a")), on("replace", "members", "[]")), opts)
	require.NoError(t, err)
	require.True(t, change.Members.Clear)
}

// TestMemberChangesLeaveTheDocumentAlone: a group's attributes are not even decoded for a change of its members.
func TestMemberChangesLeaveTheDocumentAlone(t *testing.T) {
	t.Parallel()
	unreadable := document(`not JSON`)
	change, _, err := apply(unreadable, body(on("add", "members", named("a")), on("remove", `members[value eq "b"]`, "")), options(groupType))
	require.NoError(t, err)
	require.Same(t, unreadable, change.After)
	require.Empty(t, change.Unique)
	require.False(t, change.Empty())

	_, _, err = apply(unreadable, body(on("replace", "displayName", `"x"`)), options(groupType))
	require.Error(t, err)
}

func TestPutReplacesMembers(t *testing.T) {
	t.Parallel()
	for more, want := range map[string]patch.Delta{
		``:                              {Clear: true},
		`,"members":[]`:                 {Clear: true},
		`,"members":null`:               {Clear: true},
		`,"members":` + named("a", "b"): {Clear: true, Add: []string{"a", "b"}},
	} {
		change, err := put(document(group), representation(groupType, document(group), more), options(groupType))
		require.NoError(t, err)
		require.Equal(t, want, change.Members, more)
		require.Empty(t, change.Changes)
	}
	change, err := put(document(user), representation(userType, document(user), ""), options(userType))
	require.NoError(t, err)
	require.True(t, change.Members.Empty())
}

// TestDeltaJSON keeps a change set printable: events carry it.
func TestDeltaJSON(t *testing.T) {
	t.Parallel()
	change, _, err := apply(document(group), body(on("replace", "displayName", `"A \"b\""`)), options(groupType))
	require.NoError(t, err)
	require.True(t, json.Valid(change.Changes[0].Before) && json.Valid(change.Changes[0].After))
}
