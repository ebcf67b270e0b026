package memstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	elimity "github.com/elimity-com/scim/schema"
	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/internal/claim"
	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/internal/strict"
	"github.com/scimkit/scim/patch"
	"github.com/scimkit/scim/store"
	"github.com/scimkit/scim/store/memstore"
)

func TestMain(m *testing.M) { claim.Main(m) }

var covers = claim.Covers

var (
	userType  = compile("User", "/Users", elimity.CoreUserSchema(), elimity.ExtensionEnterpriseUser())
	groupType = compile("Group", "/Groups", elimity.CoreGroupSchema())

	scopeA = store.Scope{Connection: "connection-a", Tenant: "tenant-a"}
	scopeB = store.Scope{Connection: "connection-b", Tenant: "tenant-b"}

	start = time.Date(2026, 3, 14, 9, 0, 0, 0, time.UTC)
)

func compile(name, endpoint string, core elimity.Schema, extensions ...elimity.Schema) *schema.ResourceType {
	def := schema.Definition{Name: name, Endpoint: endpoint, Schema: core}
	for _, ext := range extensions {
		def.Extensions = append(def.Extensions, schema.ExtensionDefinition{Schema: ext})
	}
	rt, err := schema.Compile(def)
	if err != nil {
		panic(err)
	}
	return rt
}

func typeOf(ref store.Ref) *schema.ResourceType {
	if ref.Type == "Group" {
		return groupType
	}
	return userType
}

// tb is what tests, benchmarks and properties have in common.
type tb interface {
	require.TestingT
	Helper()
	Context() context.Context
}

// at returns the n-th microsecond of the test.
func at(n int) time.Time { return start.Add(time.Duration(n) * time.Microsecond) }

// document makes a document as the handler does: from attributes, through the schema.
func document(t tb, ref store.Ref, attributes map[string]any) (*store.Document, []store.Key) {
	t.Helper()
	rt := typeOf(ref)
	body := map[string]any{"schemas": []string{rt.Schema.ID}}
	maps.Copy(body, attributes)
	text, err := json.Marshal(body)
	require.NoError(t, err)
	var input *schema.Input
	require.NoError(t, strict.Read(text, func(r *strict.Reader) (err error) {
		input, err = rt.Decode(r, nil)
		return err
	}))
	return rt.Document(input.Tree), rt.Keys(input.Tree)
}

func draft(t tb, ref store.Ref, when time.Time, attributes map[string]any, members ...string) store.Draft {
	t.Helper()
	d, unique := document(t, ref, attributes)
	return store.Draft{Ref: ref, At: when, Document: d, Unique: unique, Members: members}
}

func userRef(id string) store.Ref { return store.Ref{Type: "User", ID: id} }

func groupRef(id string) store.Ref { return store.Ref{Type: "Group", ID: id} }

// createUser creates a user whose id is its userName.
func createUser(t tb, s *memstore.Store, name string) store.Applied {
	t.Helper()
	applied, err := s.Create(t.Context(), scopeA, draft(t, userRef(name), start, map[string]any{"userName": name}))
	require.NoError(t, err)
	return applied
}

func createGroup(t tb, s *memstore.Store, name string, members ...string) store.Applied {
	t.Helper()
	applied, err := s.Create(t.Context(), scopeA, draft(t, groupRef(name), start, map[string]any{"displayName": name}, members...))
	require.NoError(t, err)
	return applied
}

// change makes the change set that replaces all attributes.
func change(t tb, ref store.Ref, attributes map[string]any) patch.ChangeSet {
	t.Helper()
	d, unique := document(t, ref, attributes)
	return patch.ChangeSet{After: d, Unique: unique, Changes: []patch.Change{{Path: "all"}}}
}

func delta(d patch.Delta) patch.ChangeSet { return patch.ChangeSet{Members: d} }

// where binds a filter.
func where(t tb, typ, text string) *filter.Filter {
	t.Helper()
	expr, err := filter.Parse(text, filter.DefaultLimits, nil)
	require.NoError(t, err, text)
	f, err := filter.Bind(expr, typeOf(store.Ref{Type: typ}), filter.Options{Location: "https://x/"}, nil)
	require.NoError(t, err, text)
	return f
}

// list returns the ids on a page and the total.
func list(ctx context.Context, t tb, s *memstore.Store, scope store.Scope, query store.Query) ([]string, int) {
	t.Helper()
	page, err := s.List(ctx, scope, query)
	require.NoError(t, err)
	ids := []string{}
	for _, r := range page.Resources {
		require.Equal(t, query.Type, r.Type)
		ids = append(ids, r.ID)
	}
	return ids, page.Total
}

const everything = 1 << 30

// found returns the ids that match a filter, all of them in one page.
func found(t tb, s *memstore.Store, typ, text string) []string {
	t.Helper()
	query := store.Query{Type: typ, Start: 1, Count: everything}
	if text != "" {
		query.Filter = where(t, typ, text)
	}
	ids, total := list(t.Context(), t, s, scopeA, query)
	require.Len(t, ids, total)
	return ids
}

// members returns the ids of a group's members.
func members(t tb, s *memstore.Store, group string) []string {
	t.Helper()
	ids := []string{}
	for _, m := range memberships(t.Context(), t, s, scopeA, everything, group) {
		ids = append(ids, m.ID)
	}
	return ids
}

// memberships reads all pages.
func memberships(ctx context.Context, t tb, s *memstore.Store, scope store.Scope, limit int, groups ...string) (all []store.Membership) {
	t.Helper()
	query := store.MemberQuery{Groups: groups, Limit: limit}
	for {
		page, err := s.Members(ctx, scope, query)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page.Memberships), limit)
		all = append(all, page.Memberships...)
		if page.Next == "" {
			return all
		}
		require.Len(t, page.Memberships, limit, "only the last page is short")
		query.After = page.Next
	}
}

// snapshot is everything that can be seen of a directory: lists, resources, indexes, memberships in both directions, and which
// unique values are taken.
func snapshot(t tb, s *memstore.Store, scope store.Scope, names []string) string {
	t.Helper()
	var b strings.Builder
	ctx := t.Context()
	var ids, groups []string
	for _, typ := range []string{"User", "Group"} {
		page, err := s.List(ctx, scope, store.Query{Type: typ, Start: 1, Count: everything})
		require.NoError(t, err)
		fmt.Fprintf(&b, "%s: %d\n", typ, page.Total)
		for _, r := range page.Resources {
			one, err := s.Get(ctx, scope, r.Ref)
			require.NoError(t, err)
			require.Equal(t, describe(r), describe(one))
			fmt.Fprintln(&b, describe(r))
			ids = append(ids, r.ID)
			if typ == "Group" {
				groups = append(groups, r.ID)
			}
		}
		for _, name := range names {
			for _, attribute := range []string{"userName", "displayName", "externalId", "emails.value"} {
				if typ == "Group" && (attribute == "userName" || attribute == "emails.value") {
					continue
				}
				hits, total := list(ctx, t, s, scope, store.Query{Type: typ, Start: 1, Count: everything, Filter: where(t, typ, fmt.Sprintf("%s eq %q", attribute, name))})
				fmt.Fprintln(&b, typ, attribute, name, hits, total)
			}
		}
	}
	for _, m := range memberships(ctx, t, s, scope, everything, groups...) {
		fmt.Fprintln(&b, m)
	}
	of, err := s.Groups(ctx, scope, ids)
	require.NoError(t, err)
	for _, id := range ids {
		fmt.Fprintln(&b, id, of[id])
	}
	probe := errors.New("only a probe")
	for _, name := range names {
		err := s.InTx(ctx, func(ctx context.Context) error {
			_, err := s.Create(ctx, scope, draft(t, userRef("probe"), start, map[string]any{"userName": name}))
			if err != nil {
				return err
			}
			return probe
		})
		require.True(t, errors.Is(err, probe) || errors.Is(err, store.ErrUniqueness), err)
		fmt.Fprintln(&b, name, "taken:", !errors.Is(err, probe))
	}
	return b.String()
}

func describe(r store.Resource) string {
	return fmt.Sprintln(r.Type, r.ID, r.Version, r.Created.Format(time.RFC3339Nano), r.LastModified.Format(time.RFC3339Nano), string(r.Document.JSON()))
}
