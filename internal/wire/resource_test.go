package wire_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	elimity "github.com/elimity-com/scim/schema"
	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/internal/wire"
	"github.com/scimkit/scim/store"
)

const base = "https://scim.example.test/v2"

var (
	userType  = compile("User", "/Users", elimity.CoreUserSchema(), elimity.ExtensionEnterpriseUser())
	groupType = compile("Group", "/Groups", elimity.CoreGroupSchema())
	endpoints = map[string]string{"User": "/Users", "Group": "/Groups"}
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

func view(rt *schema.ResourceType, attributes, excluded string) *wire.View {
	split := func(s string) []string { return strings.FieldsFunc(s, func(r rune) bool { return r == ',' }) }
	return &wire.View{Type: rt, Base: base, Endpoints: endpoints, Projection: rt.NewProjection(split(attributes), split(excluded), nil)}
}

func resource(typ, id, document string) store.Resource {
	created := time.Date(2026, 3, 14, 10, 0, 0, 1000, time.FixedZone("", 3600))
	return store.Resource{Ref: store.Ref{Type: typ, ID: id}, Version: 7, Created: created, LastModified: created.Add(time.Hour), Document: store.NewDocument([]byte(document))}
}

// written returns what f appends, and requires that it is JSON once it stands in an array.
func written(t testing.TB, f func(*wire.Writer) error) string {
	t.Helper()
	w := httptest.NewRecorder()
	out := wire.NewWriter(w, http.StatusOK, wire.MediaType)
	out.Buf = append(out.Buf, '[')
	require.NoError(t, f(out))
	out.Buf = append(out.Buf, ']')
	out.Close()
	body := w.Body.String()
	require.True(t, json.Valid([]byte(body)), body)
	return body[1 : len(body)-1]
}

const meta = `"meta":{"resourceType":"User","created":"2026-03-14T09:00:00.000001Z","lastModified":"2026-03-14T10:00:00.000001Z","location":"` + base + `/Users/1","version":"W/\"7\""}`

func TestResources(t *testing.T) {
	t.Parallel()
	const stored = `{"schemas":["` + schema.UserURN + `"],"userName":"a]}","name":{"givenName":"G","familyName":"F"},"emails":[{"value":"v","type":"t"}]}`
	const head = `{"schemas":["` + schema.UserURN + `"],"id":"1"`
	for _, c := range []struct{ attributes, excluded, document, want string }{
		{"", "", stored, head + `,"userName":"a]}","name":{"givenName":"G","familyName":"F"},"emails":[{"value":"v","type":"t"}],` + meta + `}`},
		{"", "", `{"schemas":["` + schema.UserURN + `"]}`, head + `,` + meta + `}`},
		{"", "", `{"userName":"a"}`, head + `,"userName":"a",` + meta + `}`}, // built from columns
		{"userName", "", stored, head + `,"userName":"a]}"}`},
		{"name.givenName", "", stored, head + `,"name":{"givenName":"G"}}`},
		{"canary", "", stored, head + `}`},
		{"id", "", stored, head + `}`},
		{"meta", "", stored, head + `,` + meta + `}`},
		{"meta.version,meta.resourceType", "", stored, head + `,"meta":{"resourceType":"User","version":"W/\"7\""}}`},
		{"", "name,emails,id,schemas", stored, head + `,"userName":"a]}",` + meta + `}`},
		{"", "meta", stored, head + `,"userName":"a]}","name":{"familyName":"F","givenName":"G"},"emails":[{"value":"v","type":"t"}]}`},
		{"", "userName,name,emails,meta.created,meta.lastModified,meta.location", stored, head + `,"meta":{"resourceType":"User","version":"W/\"7\""}}`},
	} {
		v := view(userType, c.attributes, c.excluded)
		got := written(t, func(out *wire.Writer) error {
			return v.AppendAll(out, []store.Resource{resource("User", "1", c.document), resource("User", "1", c.document)})
		})
		require.Equal(t, c.want+","+c.want, got, "attributes=%s excludedAttributes=%s", c.attributes, c.excluded)
	}
	require.Empty(t, written(t, func(out *wire.Writer) error { return view(userType, "", "").AppendAll(out, nil) }))

	for _, v := range []*wire.View{view(userType, "", ""), view(userType, "userName", "")} {
		out := wire.NewWriter(httptest.NewRecorder(), http.StatusOK, wire.MediaType)
		require.Error(t, v.AppendAll(out, []store.Resource{resource("User", "1", `{"userName":7}`)}), "a damaged document")
		out.Discard()
	}
}

// An id is the store's: whatever it holds, URLs and JSON stay what they are.
func TestLocations(t *testing.T) {
	t.Parallel()
	v := view(userType, "", "")
	for id, want := range map[string]string{
		"0197f6a2-0000-7000-8000-000000000001": "0197f6a2-0000-7000-8000-000000000001",
		"a.b_C-9":                              "a.b_C-9",
		"a/b":                                  "a%2Fb",
		`a"b\`:                                 "a%22b%5C",
		"a?b#c%d e":                            "a%3Fb%23c%25d%20e",
		"é\r\n<script>":                        "%C3%A9%0D%0A%3Cscript%3E",
	} {
		require.Equal(t, base+"/Users/"+want, v.Location("User", id))
		require.Equal(t, base+"/Groups/"+want, v.Location("Group", id))
		body := written(t, func(out *wire.Writer) error {
			return v.AppendAll(out, []store.Resource{resource("User", id, `{"userName":"a"}`)})
		})
		var r struct {
			ID   string
			Meta struct{ Location string }
		}
		require.NoError(t, json.Unmarshal([]byte(body), &r))
		require.Equal(t, id, r.ID)
		require.Equal(t, base+"/Users/"+want, r.Meta.Location)
	}
	for _, c := range [][3]string{
		{"https://x/v2", "c", "https://x/v2"},
		{"https://x/v2//", "c", "https://x/v2"},
		{"https://x/{connection}/v2/", "c", "https://x/c/v2"},
		{"https://x/{connection}", "a/b c", "https://x/a%2Fb%20c"},
	} {
		require.Equal(t, c[2], wire.BaseURL(c[0], c[1]))
	}
}

func TestGroupsOfResources(t *testing.T) {
	t.Parallel()
	groups := map[string][]store.Group{"2": {{ID: "g", Type: "Group", Display: "G \"1\""}, {ID: "h", Type: "Group"}, {ID: "x", Type: "Unserved"}}}
	two := []store.Resource{resource("User", "1", `{"userName":"a"}`), resource("User", "2", `{"userName":"b"}`)}
	for attributes, want := range map[string]string{
		"":                         `[{"value":"g","$ref":"` + base + `/Groups/g","display":"G \"1\"","type":"direct"},{"value":"h","$ref":"` + base + `/Groups/h","type":"direct"},{"value":"x","type":"direct"}]`,
		"groups":                   `[{"value":"g","$ref":"` + base + `/Groups/g","display":"G \"1\"","type":"direct"},{"value":"h","$ref":"` + base + `/Groups/h","type":"direct"},{"value":"x","type":"direct"}]`,
		"groups.value":             `[{"value":"g"},{"value":"h"},{"value":"x"}]`,
		"groups.$ref,groups.value": `[{"value":"g","$ref":"` + base + `/Groups/g"},{"value":"h","$ref":"` + base + `/Groups/h"},{"value":"x"}]`,
	} {
		v := view(userType, attributes, "")
		shown, ok := v.Relation(userType.Groups)
		require.True(t, ok)
		body := written(t, func(out *wire.Writer) error { return v.AppendWithGroups(out, shown, two, groups) })
		var list []map[string]json.RawMessage
		require.NoError(t, json.Unmarshal([]byte("["+body+"]"), &list))
		require.NotContains(t, list[0], "groups", "a user without groups has no such attribute")
		require.JSONEq(t, want, string(list[1]["groups"]), attributes)
	}
	for _, excluding := range [][2]string{{"userName", ""}, {"", "groups"}} {
		_, ok := view(userType, excluding[0], excluding[1]).Relation(userType.Groups)
		require.False(t, ok)
	}
	_, ok := view(userType, "", "").Relation(nil)
	require.False(t, ok)
}

// scan hands memberships out in the order of the groups, as a store does.
func scan(members map[string][]string) func([]string, func(store.Membership) error) error {
	return func(groups []string, f func(store.Membership) error) error {
		for _, g := range groups {
			for _, id := range members[g] {
				if err := f(store.Membership{Group: g, Member: store.Member{ID: id, Type: "User", Display: "D" + id}}); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

func TestMembersOfResources(t *testing.T) {
	t.Parallel()
	var groups []store.Resource
	for _, id := range []string{"1", "2", "3", "4", "5"} {
		groups = append(groups, resource("Group", id, `{"displayName":"g`+id+`"}`))
	}
	v := view(groupType, "", "")
	shown, ok := v.Relation(groupType.Members)
	require.True(t, ok)
	for _, members := range []map[string][]string{
		nil, {"1": {"a", "b"}}, {"5": {"a"}}, {"2": {"a"}, "4": {"b", "c", "d"}}, {"1": {"a"}, "2": {"a"}, "3": {"a"}, "4": {"a"}, "5": {"a"}},
	} {
		body := written(t, func(out *wire.Writer) error { return v.AppendWithMembers(out, shown, groups, scan(members)) })
		var list []struct {
			ID, DisplayName string
			Members         []struct{ Value, Display, Type, Ref string }
			Meta            struct{ Location string }
		}
		require.NoError(t, json.Unmarshal([]byte("["+body+"]"), &list))
		require.Len(t, list, 5)
		require.Equal(t, 5, strings.Count(body, `"members":[`), "an empty list is there, too")
		for i, g := range list {
			require.Equal(t, groups[i].ID, g.ID)
			require.Equal(t, base+"/Groups/"+g.ID, g.Meta.Location)
			var ids []string
			for _, m := range g.Members {
				ids = append(ids, m.Value)
				require.Equal(t, "D"+m.Value, m.Display)
				require.Equal(t, "User", m.Type)
			}
			require.Equal(t, members[g.ID], ids)
		}
		require.Equal(t, strings.Count(body, `"value"`), strings.Count(body, `"$ref":"`+base+`/Users/`))
	}
	// A store that mixes the order up, or fails, makes no answer that looks whole.
	for _, order := range [][]string{{"2", "1"}, {"ghost"}, {"1", "3", "2"}} {
		out := wire.NewWriter(httptest.NewRecorder(), http.StatusOK, wire.MediaType)
		err := v.AppendWithMembers(out, shown, slices.Clone(groups), func(_ []string, f func(store.Membership) error) error {
			for _, g := range order {
				if err := f(store.Membership{Group: g, Member: store.Member{ID: "a"}}); err != nil {
					return err
				}
			}
			return nil
		})
		require.ErrorContains(t, err, "out of order", order)
		out.Discard()
	}
	failed := errors.New("failed")
	out := wire.NewWriter(httptest.NewRecorder(), http.StatusOK, wire.MediaType)
	require.ErrorIs(t, v.AppendWithMembers(out, shown, groups, func([]string, func(store.Membership) error) error { return failed }), failed)
	out.Discard()
}

// A short answer is complete when it is sent and says how long it is; a long one is on its way while it is written.
func TestWriter(t *testing.T) {
	t.Parallel()
	const chunk = 32 << 10
	for _, chunks := range []int{0, 1, 7, 9, 40} {
		w := httptest.NewRecorder()
		out := wire.NewWriter(w, http.StatusCreated, "application/json")
		want := ""
		for n := range chunks {
			part := strings.Repeat(strconv.Itoa(n%10), chunk)
			want += part
			out.Buf = append(out.Buf, part...)
			require.NoError(t, out.Flush())
			require.Equal(t, out.Streaming(), w.Body.Len() > 0)
		}
		streaming := chunks*chunk >= 256<<10
		require.Equal(t, streaming, out.Streaming())
		out.Close()
		require.Equal(t, http.StatusCreated, w.Code)
		require.Equal(t, "application/json", w.Header().Get("Content-Type"))
		require.Equal(t, want, w.Body.String())
		length := w.Header().Get("Content-Length")
		require.Equal(t, streaming, length == "", "a long answer does not know its length")
		if !streaming {
			require.Equal(t, fmt.Sprint(len(want)), length)
		}
	}
	// What was discarded is not sent, by itself or with the next answer.
	w := httptest.NewRecorder()
	out := wire.NewWriter(w, http.StatusOK, wire.MediaType)
	out.Buf = append(out.Buf, "canary"...)
	out.Discard()
	for range 10 {
		next := httptest.NewRecorder()
		out = wire.NewWriter(next, http.StatusOK, wire.MediaType)
		out.Buf = append(out.Buf, "{}"...)
		out.Close()
		require.Equal(t, "{}", next.Body.String())
	}
	require.Zero(t, w.Body.Len())
	// A client that went away ends the work.
	gone := wire.NewWriter(broken{httptest.NewRecorder()}, http.StatusOK, wire.MediaType)
	gone.Buf = append(gone.Buf, strings.Repeat("x", 256<<10)...)
	require.Error(t, gone.Flush())
	gone.Discard()
}

type broken struct{ *httptest.ResponseRecorder }

func (broken) Write([]byte) (int, error) { return 0, errors.New("gone") }

func TestLists(t *testing.T) {
	t.Parallel()
	head := string(wire.AppendListHead([]byte("x"), 17, 3, 5))
	require.Equal(t, `x{"schemas":["`+wire.ListURN+`"],"totalResults":17,"itemsPerPage":5,"startIndex":3,"Resources":[`, head)
	body, err := json.Marshal(wire.NewList([]any{map[string]any{"a": 1}, 2}))
	require.NoError(t, err)
	require.JSONEq(t, `{"schemas":["`+wire.ListURN+`"],"totalResults":2,"itemsPerPage":2,"startIndex":1,"Resources":[{"a":1},2]}`, string(body))
}

// The discovery resources have an entity tag, which changes with what they say.
func TestWriteDocument(t *testing.T) {
	t.Parallel()
	write := func(document any, headers ...string) (*httptest.ResponseRecorder, error) {
		c, err := wire.ParseCondition(request("GET", headers...))
		require.NoError(t, err)
		w := httptest.NewRecorder()
		return w, wire.WriteDocument(w, document, c, wire.MediaType)
	}
	w, err := write(map[string]any{"a": 1})
	require.NoError(t, err)
	require.Equal(t, 200, w.Code)
	require.JSONEq(t, `{"a":1}`, w.Body.String())
	tag := w.Header().Get("ETag")
	require.Regexp(t, `^W/"[0-9a-f]+"$`, tag)

	w, err = write(map[string]any{"a": 1}, "If-None-Match", tag)
	require.NoError(t, err)
	require.Equal(t, 304, w.Code)
	require.Zero(t, w.Body.Len())
	require.Equal(t, tag, w.Header().Get("ETag"))
	w, err = write(map[string]any{"a": 2}, "If-None-Match", tag)
	require.NoError(t, err)
	require.Equal(t, 200, w.Code)
	require.NotEqual(t, tag, w.Header().Get("ETag"))
	_, err = write(map[string]any{"a": 2}, "If-Match", tag)
	require.Equal(t, 412, wire.ErrorOf(err).Status)
	_, err = write(func() {})
	require.Equal(t, 500, wire.ErrorOf(err).Status)
}
