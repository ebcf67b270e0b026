package patch_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/internal/strict"
	"github.com/scimkit/scim/patch"
)

// TestSpellings sends one change in every spelling that means it: all leave the same resource or fail alike.
func TestSpellings(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := users(t)
		stored := g.json()
		p := g.place()
		for p.attr.name == "" {
			p = g.place()
		}
		op, value := g.pick("add", "replace", "remove"), g.sent(p)
		paths, keys := g.spellings(p, value)
		var requests []string
		for _, path := range paths {
			if op == "remove" {
				requests = append(requests, fmt.Sprintf(`{"op":"remove","path":%s}`, quoted(path)))
				continue
			}
			requests = append(requests,
				fmt.Sprintf(`{"op":%q,"path":%s,"value":%s}`, op, quoted(path), value),
				fmt.Sprintf(`{"value":%s,"PATH":%s,"Op":%q}`, value, quoted(path), strings.ToUpper(op)))
		}
		// A client may name a readOnly attribute in a value, but not write to it on purpose.
		if op != "remove" && !p.attr.readOnly && (p.sub == nil || !p.sub.readOnly) {
			for _, object := range keys {
				if value == "null" && p.urn != "" && !strings.Contains(strings.ToLower(object), strings.ToLower(p.urn)) {
					continue // a null for a name that the base schema does not have means that name (ENTRA-24)
				}
				requests = append(requests, fmt.Sprintf(`{"op":%q,"value":%s}`, op, object))
			}
		}
		var first string
		for i, request := range requests {
			change, _, err := apply(document(string(stored)), body(request), options(userType))
			result := class(t, err)
			if err == nil {
				result = string(change.After.JSON())
			}
			if i == 0 {
				first = result
			}
			require.Equal(t, first, result, "%s\n%s\n%s", stored, requests[0], request)
		}
	})
	covers(t, "M-13")
}

// spellings returns the paths that name a place, and the values of an operation without a path that write value to it.
func (g generator) spellings(p place, value string) (paths, keys []string) {
	urn := p.urn
	if urn == "" {
		urn = g.core
	}
	name, sub := p.attr.name, ""
	if p.filter != "" {
		name += "[" + p.filter + "]"
	}
	if p.sub != nil {
		sub = "." + p.sub.name
	}
	upper := func(text string) string {
		if p.filter != "" {
			return strings.Replace(text, p.attr.name, strings.ToUpper(p.attr.name), 1)
		}
		return strings.ToUpper(text)
	}
	local := name + sub
	paths = []string{local, upper(local), urn + ":" + local, strings.ToUpper(urn) + ":" + local, urn + ":" + upper(local)}
	if p.filter == "" {
		paths = append(paths, urn+"."+local)
	} else {
		paths = append(paths, p.attr.name+" [ "+p.filter+" ]"+sub)
	}
	for _, path := range paths {
		keys = append(keys, fmt.Sprintf("{%s:%s}", quoted(path), value))
	}
	if p.filter == "" {
		inner := value
		if p.sub != nil && !p.attr.multi {
			inner = fmt.Sprintf(`{%q:%s}`, p.sub.name, value)
		} else if p.sub != nil {
			return paths, keys
		}
		keys = append(keys, fmt.Sprintf(`{%q:{%q:%s}}`, urn, p.attr.name, inner), fmt.Sprintf(`{%q:%s}`, p.attr.name, inner))
	}
	return paths, keys
}

// accepted draws a request that changes a resource, and applies it.
func (g generator) accepted(t *rapid.T, rt *schema.ResourceType) (before []byte, request string, change patch.ChangeSet) {
	before = g.json()
	for range 20 {
		request = g.request()
		var err error
		change, _, err = apply(document(string(before)), request, options(rt, roster...))
		if err == nil && len(change.Changes) > 0 {
			return before, request, change
		}
	}
	t.Skip("none of twenty requests changes the resource")
	return nil, "", patch.ChangeSet{}
}

// TestInverse undoes requests by what their change sets say of the state before.
func TestInverse(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		before, request, change := users(t).accepted(t, userType)
		inverse, ok := undo(parse(before).(object), change)
		if !ok {
			t.Skip("no request can undo this")
		}
		back, _, err := apply(document(string(change.After.JSON())), body(inverse...), options(userType))
		require.NoError(t, err, "%s\n%s\n%v", before, request, inverse)
		require.JSONEq(t, sortedLists(before), sortedLists(back.After.JSON()), "%s\n%v", request, inverse)
	})
	covers(t, "P-22")
}

// undo returns the operations that restore what a change replaced. It returns false where a client may not: readOnly values that went
// with what they belonged to, immutable ones that came, and an attribute that its extension requires.
func undo(before object, change patch.ChangeSet) (inverse []string, ok bool) {
	for _, c := range change.Changes {
		path := c.Path
		switch path {
		case badgeURN + ":serial", badgeURN + ":seal.code", badgeURN + ":seal.stamp", enterpriseURN + ":manager.displayName":
			return nil, false
		case contractURN + ":number":
			if c.Before == nil {
				return nil, false
			}
		case badgeURN + ":seal.label": // required inside seal, which goes as a whole
			if badge, _ := before[badgeURN].(object); badge["seal"] == nil {
				path = badgeURN + ":seal"
			}
		}
		if c.Before == nil {
			inverse = append(inverse, fmt.Sprintf(`{"op":"remove","path":%s}`, quoted(path)))
		} else {
			inverse = append(inverse, fmt.Sprintf(`{"op":"replace","path":%s,"value":%s}`, quoted(path), c.Before))
		}
	}
	return inverse, true
}

// sortedLists brings the elements of multi-valued attributes into one order and takes "schemas" out.
func sortedLists(text []byte) string {
	tree := parse(text).(object)
	delete(tree, "schemas")
	var sort func(v any)
	sort = func(v any) {
		switch v := v.(type) {
		case object:
			for _, inner := range v {
				sort(inner)
			}
		case []any:
			slices.SortFunc(v, func(x, y any) int { return strings.Compare(sortable(x), sortable(y)) })
		}
	}
	sort(tree)
	return string(must(json.Marshal(tree)))
}

// TestChanges recomputes the list of changes from the resource before and after.
func TestChanges(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		before, request, change := users(t).accepted(t, userType)
		was, is := flat(parse(before).(object)), flat(parse(change.After.JSON()).(object))
		listed := map[string]bool{}
		for _, c := range change.Changes {
			require.False(t, listed[c.Path], c.Path)
			listed[c.Path] = true
			require.True(t, same(was[c.Path], parse(c.Before)) && same(is[c.Path], parse(c.After)), "%s\n%s\n%s", before, request, c.Path)
			require.False(t, same(was[c.Path], is[c.Path]), c.Path)
		}
		for _, all := range []object{was, is} {
			for path := range all {
				require.True(t, listed[path] || same(was[path], is[path]), "%s\n%s\n%s is not listed", before, request, path)
			}
		}
		require.False(t, change.Empty())
	})
}

// flat lists a resource by path, single-valued complex attributes by sub-attribute.
func flat(doc object) object {
	all := object{}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		inner, ok := v.(object)
		if !ok {
			all[path] = v
			return
		}
		for key, v := range inner {
			separator := "."
			if strings.HasSuffix(path, ":User") {
				separator = ":"
			}
			walk(path+separator+key, v)
		}
	}
	for key, v := range doc {
		if key != "schemas" {
			walk(key, v)
		}
	}
	return all
}

// TestOneByOne sends the operations of a request one by one: where both ways are accepted, they end alike.
func TestOneByOne(t *testing.T) {
	t.Parallel()
	for _, kind := range []struct {
		name string
		draw func(*rapid.T) generator
		rt   *schema.ResourceType
	}{{"users", users, userType}, {"groups", groups, groupType}} {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				g := kind.draw(t)
				stored := string(g.json())
				var operations []string
				for range 1 + g.count(4) {
					operations = append(operations, g.operation())
				}
				opts := options(kind.rt, roster...)
				whole, _, err := apply(document(stored), body(operations...), opts)
				if err != nil {
					t.Skip("refused")
				}
				doc, members := document(stored), idsOf(opts)
				final := applyDelta(t, whole.Members, members)
				for _, operation := range operations {
					step, _, err := apply(doc, body(operation), options(kind.rt, rosterOf(members)...))
					if err != nil {
						t.Skip("an intermediate state is not valid")
					}
					doc, members = step.After, applyDelta(t, step.Members, members)
				}
				require.Equal(t, final, members, "%v", operations)
				require.JSONEq(t, sortedLists(whole.After.JSON()), sortedLists(doc.JSON()), "%s\n%v", stored, operations)
			})
		})
	}
}

// rosterOf returns what the store tells of members.
func rosterOf(ids map[string]bool) (list []member) {
	for id := range ids {
		m := member{id: id}
		if i := slices.IndexFunc(roster, func(known member) bool { return known.id == id }); i >= 0 {
			m = roster[i]
		}
		list = append(list, m)
	}
	return list
}

// representation is what GET answers with: attributes of the default projection, id, meta and members.
func representation(rt *schema.ResourceType, doc *schema.Document, more string) string {
	tree := must(doc.Tree(rt))
	text := rt.AppendSchemas([]byte("{"), tree)
	text = rt.NewProjection(nil, nil, nil).AppendFields(text, tree)
	return string(text) + `,"id":"2819c223","meta":{"resourceType":"` + rt.Name + `","version":"W/\"3\""}` + more + "}"
}

// put applies a whole resource.
func put(before *schema.Document, representation string, opts patch.Options) (change patch.ChangeSet, err error) {
	err = strict.ReadString(representation, func(r *strict.Reader) error {
		input, err := opts.Type.Decode(r, opts.Report)
		if err != nil {
			return err
		}
		change, err = patch.ReplaceAll(before, input, opts)
		return err
	})
	return change, err
}

// TestPutWhatGetShows sends back what GET answered with, which changes nothing although GET does not show everything: neither in a
// resource as it was created nor in what a PATCH made of one.
func TestPutWhatGetShows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := users(t)
		resource := g.doc
		if badge, ok := resource[badgeURN].(object); ok {
			badge["hint"], badge["pin"], badge["stamp"] = "shown on request", "never shown", "the server's"
		}
		before := document(string(must(json.Marshal(resource))))
		if change, _, err := apply(before, g.request(), options(userType)); err == nil {
			before = document(string(change.After.JSON()))
		}
		seen := representation(userType, before, "")
		require.NotContains(t, seen, "shown")
		change, err := put(before, seen, options(userType))
		require.NoError(t, err, seen)
		require.True(t, change.Empty(), "%s\n%v", seen, change.Changes)
		require.Same(t, before, change.After)
	})
	rapid.Check(t, func(t *rapid.T) {
		g := groups(t)
		before := document(string(g.json()))
		if change, _, err := apply(before, g.request(), options(groupType, roster...)); err == nil {
			before = document(string(change.After.JSON()))
		}
		seen := representation(groupType, before, `,"members":[{"value":"u1","type":"User"},{"value":"u2"}]`)
		change, err := put(before, seen, options(groupType))
		require.NoError(t, err, seen)
		require.Empty(t, change.Changes)
		require.Equal(t, map[string]bool{"u1": true, "u2": true}, applyDelta(t, change.Members, map[string]bool{"u1": true, "u2": true}))
	})
	covers(t, "P-22")
}
