package wire_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/internal/wire"
)

// split cuts a path into segments of a fresh list, {} if there are none.
func split(path string) ([]wire.Segment, bool) { return wire.SplitPath([]wire.Segment{}, path) }

func TestSplitPath(t *testing.T) {
	t.Parallel()
	for path, want := range map[string][]wire.Segment{
		"":                 {},
		"/":                {},
		"///":              {},
		"/Users":           {{Raw: "Users", Text: "Users"}},
		"Users/":           {{Raw: "Users", Text: "Users"}},
		"//Users///1//":    {{Raw: "Users", Text: "Users"}, {Raw: "1", Text: "1"}},
		"/Users/a%20b":     {{Raw: "Users", Text: "Users"}, {Raw: "a%20b", Text: "a b"}},
		"/%55sers":         {{Raw: "%55sers", Text: "Users"}},                            // the router compares what was sent
		"/Users/%2525":     {{Raw: "Users", Text: "Users"}, {Raw: "%2525", Text: "%25"}}, // decoded once
		"/Users/a+b":       {{Raw: "Users", Text: "Users"}, {Raw: "a+b", Text: "a+b"}},
		"/Users/...":       {{Raw: "Users", Text: "Users"}, {Raw: "...", Text: "..."}},
		"/Users/%C3%A9":    {{Raw: "Users", Text: "Users"}, {Raw: "%C3%A9", Text: "é"}},
		"/Users/1;x=y":     {{Raw: "Users", Text: "Users"}, {Raw: "1;x=y", Text: "1;x=y"}},
		"/Schemas/urn:a:b": {{Raw: "Schemas", Text: "Schemas"}, {Raw: "urn:a:b", Text: "urn:a:b"}},
	} {
		got, ok := split(path)
		require.True(t, ok, path)
		require.Equal(t, want, got, path)
	}
	for _, path := range []string{
		"/Users/.", "/Users/..", "/Users/../Groups", "/Users/%2e", "/Users/%2E%2e/Groups", "/./Users", "/Users%2F1", "/Users/a%2fb", "/Users/%5Cx", "/Users\\1",
		"/Users/1%00", "/Users/%0d%0aX", "/Users/%7f", "/Users/%09", "/Users/%", "/Users/%4", "/Users/%zz", "/Users/%FF", "/Users/%ed%a0%80", "/Users/%EF%BF%BD", "/Users/\xff",
	} {
		got, ok := split(path)
		require.False(t, ok, path)
		require.Nil(t, got, path)
	}
	// The list is the caller's, who knows how long paths are.
	first := wire.Segment{Raw: "a", Text: "a"}
	got, ok := wire.SplitPath([]wire.Segment{first}, "/b")
	require.True(t, ok)
	require.Equal(t, []wire.Segment{first, {Raw: "b", Text: "b"}}, got)
}

// FuzzPath holds that a segment never means something else to whoever decodes it next.
func FuzzPath(f *testing.F) {
	f.Add("/Users/%2e%2e/a%20b")
	f.Fuzz(func(t *testing.T, path string) {
		segments, ok := split(path)
		if !ok {
			return
		}
		var raws []string
		for _, s := range segments {
			text, err := url.PathUnescape(s.Raw)
			require.NoError(t, err)
			require.Equal(t, text, s.Text)
			require.NotEmpty(t, s.Raw)
			require.NotEqual(t, ".", s.Text)
			require.NotEqual(t, "..", s.Text)
			require.NotContains(t, s.Raw, "/")
			require.False(t, strings.ContainsAny(s.Text, "/\\\x00\r\n\x7f"), "%q", s.Text)
			require.Equal(t, s.Text, strings.ToValidUTF8(s.Text, "?"))
			raws = append(raws, s.Raw)
		}
		again, ok := split(strings.Join(raws, "/"))
		require.True(t, ok)
		require.Equal(t, segments, again)
	})
}

func TestMendFlag(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		path, query         string
		wantPath, wantQuery string
		mended              bool
	}{
		{"/Users", "filter=x", "/Users", "filter=x", false},
		{"/Users", "aadOptscim062020", "/Users", "aadOptscim062020", false}, // a parameter like others
		{"/Users", "aadOptscim062020&filter=x", "/Users", "aadOptscim062020&filter=x", false},
		{"", "aadOptscim062020", "", "aadOptscim062020", false},
		{"/", "aadOptscim062020/Users?filter=x&count=1", "/Users", "filter=x&count=1", true},
		{"", "aadOptscim062020/Users?filter=x", "/Users", "filter=x", true},
		{"//", "aadOptscim062020/Users", "/Users", "", true},
		{"/", "aadOptscim062020/Users/1?attributes=id", "/Users/1", "attributes=id", true},
		{"/", "aadOptscim062020/Users&filter=x?y&count=1", "/Users", "filter=x?y&count=1", true},
		{"/", "aadOptscim062020/", "/", "", true},
		{"/Users", "aadOptscim062020/Groups", "/Users", "aadOptscim062020/Groups", false}, // the path is there already
		{"/", "x=1&aadOptscim062020/Users", "/", "x=1&aadOptscim062020/Users", false},
		{"/", "AADOPTSCIM062020/Users", "/", "AADOPTSCIM062020/Users", false},
		{"/aadOptscim062020/Users", "filter=x", "/Users", "filter=x", true},
		{"//aadOptscim062020//Users/1", "", "//Users/1", "", true},
		{"/aadOptscim062020", "", "/aadOptscim062020", "", false},
		{"/aadOptscim062020/", "", "/", "", true},
		{"/Users/aadOptscim062020/1", "", "/Users/aadOptscim062020/1", "", false}, // an id
		{"/aadOptscim062020x/Users", "", "/aadOptscim062020x/Users", "", false},
	} {
		report := tolerant()
		path, query := wire.MendFlag(c.path, c.query, report)
		require.Equal(t, strings.TrimLeft(c.wantPath, "/"), strings.TrimLeft(path, "/"), c.path+"?"+c.query)
		require.Equal(t, c.wantQuery, query, c.path+"?"+c.query)
		if c.mended {
			require.Equal(t, []string{"flag-in-path"}, report.Fired())
		} else {
			require.Empty(t, report.Fired())
		}
		report = rigid()
		path, query = wire.MendFlag(c.path, c.query, report)
		require.Equal(t, []string{c.path, c.query}, []string{path, query}, "a strict connection is sent what it is sent")
		require.Empty(t, report.Fired())
	}
	covers(t, "ENTRA-08")
}
