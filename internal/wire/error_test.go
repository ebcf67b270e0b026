package wire_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/internal/strict"
	"github.com/scimkit/scim/internal/wire"
	"github.com/scimkit/scim/patch"
	"github.com/scimkit/scim/store"
)

func TestErrorOf(t *testing.T) {
	t.Parallel()
	malformed := strict.ReadString("{", (*strict.Reader).Skip)
	require.Error(t, malformed)
	for name, c := range map[string]struct {
		err      error
		status   int
		scimType string
		path     string
		retry    bool
	}{
		"an answer":         {&wire.Error{Status: 405, Allow: "GET"}, 405, "", "", false},
		"a schema's":        {&schema.Error{ScimType: schema.InvalidValue, Path: "active", Detail: "d"}, 400, schema.InvalidValue, "active", false},
		"a filter's":        {&filter.Error{ScimType: schema.InvalidFilter, Path: "emails", Detail: "d"}, 400, schema.InvalidFilter, "emails", false},
		"a path's":          {&filter.Error{ScimType: schema.InvalidPath, Detail: "d"}, 400, schema.InvalidPath, "", false},
		"a patch's":         {&patch.Error{ScimType: schema.NoTarget, Path: "emails", Detail: "d"}, 400, schema.NoTarget, "emails", false},
		"too large":         {&patch.Error{ScimType: schema.TooMany, Path: "members", Detail: "d", TooLarge: true}, 413, "", "members", false},
		"malformed JSON":    {malformed, 400, schema.InvalidSyntax, "", false},
		"a taken value":     {&store.UniquenessError{Path: "userName"}, 409, schema.Uniqueness, "userName", false},
		"some taken value":  {store.ErrUniqueness, 409, schema.Uniqueness, "", false},
		"unknown members":   {&store.UnknownMembersError{IDs: []string{"a"}}, 400, schema.InvalidValue, "members", false},
		"not found":         {store.ErrNotFound, 404, "", "", false},
		"an empty scope":    {store.ErrScope, 500, "", "", false},
		"too late":          {context.DeadlineExceeded, 503, "", "", true},
		"given up":          {context.Canceled, 503, "", "", true},
		"other writers win": {store.ErrVersion, 503, "", "", true},
		"a database":        {errors.New("canary: connection refused"), 503, "", "", true},
		"unavailable":       {wire.Unavailable(errors.New("canary")), 503, "", "", true},
		"a bad request":     {wire.BadRequest(schema.InvalidValue, "d"), 400, schema.InvalidValue, "", false},
	} {
		for _, err := range []error{c.err, fmt.Errorf("canary: %w", c.err), errors.Join(errors.New("canary"), c.err)} {
			e := wire.ErrorOf(err)
			require.Equal(t, c.status, e.Status, name)
			require.Equal(t, c.scimType, e.ScimType, name)
			require.Equal(t, c.path, e.Path, name)
			require.Equal(t, c.retry, e.RetryAfter >= time.Second, name)
			require.NotContains(t, e.Detail, "canary", name)
			if c.status >= 500 {
				require.ErrorIs(t, e, c.err, "the log learns the cause")
			}
			w := httptest.NewRecorder()
			e.Write(w)
			require.NotContains(t, w.Body.String(), "canary", name)
			require.Equal(t, c.retry, w.Header().Get("Retry-After") != "", name)
		}
	}
}

func TestUnknownMembersAreNamed(t *testing.T) {
	t.Parallel()
	var many []string
	for i := range 25 {
		many = append(many, fmt.Sprintf("id%02d", i))
	}
	detail := wire.ErrorOf(&store.UnknownMembersError{IDs: many}).Detail
	require.Contains(t, detail, " id00 ")
	require.Contains(t, detail, " id09 and 15 more")
	require.NotContains(t, detail, "id10")
	ten := wire.ErrorOf(&store.UnknownMembersError{IDs: many[:10]}).Detail
	require.True(t, strings.HasSuffix(ten, " id09"), ten)
	odd := wire.ErrorOf(&store.UnknownMembersError{IDs: []string{"<script>\n${7*7}", strings.Repeat("x", 1000), "0197f6a2-0000-7000-8000-000000000001"}}).Detail
	require.NotRegexp(t, `[<>\n{}*]`, odd)
	require.Contains(t, odd, "0197f6a2-0000-7000-8000-000000000001")
	require.Less(t, len(odd), 250)
}

func TestWriteError(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err     wire.Error
		body    string
		headers map[string]string
	}{
		{
			wire.Error{Status: 404, Detail: "d"},
			`{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"404","detail":"d"}`, nil,
		},
		{
			wire.Error{Status: 400, ScimType: "invalidValue", Path: "p", Detail: "a \"b\"\n</script>\u2028", Cause: errors.New("canary")},
			`{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"400","scimType":"invalidValue","detail":"a \"b\"\n</script>` + "\u2028" + `"}`, nil,
		},
		{wire.Error{Status: 405, Detail: "d", Allow: "GET, POST"}, "", map[string]string{"Allow": "GET, POST"}},
		{wire.Error{Status: 401, Detail: "d", Challenge: `Bearer realm="scim"`}, "", map[string]string{"WWW-Authenticate": `Bearer realm="scim"`}},
		{wire.Error{Status: 429, Detail: "d", RetryAfter: time.Nanosecond}, "", map[string]string{"Retry-After": "1"}},
		{wire.Error{Status: 429, Detail: "d", RetryAfter: time.Second}, "", map[string]string{"Retry-After": "1"}},
		{wire.Error{Status: 429, Detail: "d", RetryAfter: time.Second + 1}, "", map[string]string{"Retry-After": "2"}},
		{wire.Error{Status: 503, Detail: "d", RetryAfter: 5 * time.Second}, "", map[string]string{"Retry-After": "5"}},
	} {
		w := httptest.NewRecorder()
		w.Header().Set("ETag", `W/"1"`) // of the success that did not happen
		w.Header().Set("Location", "https://x/1")
		c.err.Write(w)
		require.Equal(t, c.err.Status, w.Code)
		if c.body != "" {
			require.JSONEq(t, c.body, w.Body.String())
		}
		require.True(t, json.Valid(w.Body.Bytes()))
		require.Equal(t, wire.MediaType, w.Header().Get("Content-Type"))
		require.Equal(t, fmt.Sprint(w.Body.Len()), w.Header().Get("Content-Length"))
		for _, name := range []string{"Allow", "WWW-Authenticate", "Retry-After", "ETag", "Location"} {
			require.Equal(t, c.headers[name], w.Header().Get(name), name)
		}
	}
	e := wire.Error{Status: http.StatusTeapot, Detail: "d", Cause: errors.New("c")}
	require.EqualError(t, &e, "418 d: c")
}
