package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// idp is an identity provider that provisions a running customstore.
type idp struct {
	t           *testing.T
	base, token string
	client      *http.Client
}

// start runs the command and connects to what it prints. stop ends it as a signal does, and returns what it logged.
func start(t *testing.T, file string) (i *idp, stop func() string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	var log bytes.Buffer
	done := make(chan error, 1)
	go func() { done <- run(ctx, []string{"-addr", "127.0.0.1:0", "-db", file}, writer, &log) }()
	i = &idp{t: t, client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	lines := bufio.NewReader(reader)
	for _, into := range []*string{&i.base, &i.token} {
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		*into = strings.Fields(line)[len(strings.Fields(line))-1]
	}
	return i, func() string {
		cancel()
		require.NoError(t, <-done)
		return log.String()
	}
}

// object is a JSON object.
type object = map[string]any

// do sends a request and returns the answer, which must have that status.
func (i *idp) do(status int, method, path string, body object) object {
	i.t.Helper()
	var content io.Reader = http.NoBody
	if body != nil {
		text, err := json.Marshal(body)
		require.NoError(i.t, err)
		content = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(i.t.Context(), method, i.base+path, content)
	require.NoError(i.t, err)
	r.Header.Set("Authorization", "Bearer "+i.token)
	r.Header.Set("Content-Type", "application/scim+json")
	answer, err := i.client.Do(r)
	require.NoError(i.t, err)
	text, err := io.ReadAll(answer.Body)
	require.NoError(i.t, err)
	require.NoError(i.t, answer.Body.Close())
	require.Equal(i.t, status, answer.StatusCode, string(text))
	var decoded object
	if len(text) > 0 {
		require.NoError(i.t, json.Unmarshal(text, &decoded))
	}
	return decoded
}

// find returns the ids that match a filter.
func (i *idp) find(filter string) (ids []any) {
	i.t.Helper()
	for _, r := range i.do(200, "GET", "/Users?filter="+url.QueryEscape(filter), nil)["Resources"].([]any) {
		ids = append(ids, r.(object)["id"])
	}
	return ids
}

func (i *idp) patch(status int, id string, ops ...object) object {
	i.t.Helper()
	return i.do(status, "PATCH", "/Users/"+id, object{"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:PatchOp"}, "Operations": ops})
}

// row returns an account as the host sees it.
func row(t *testing.T, file, id string) string {
	t.Helper()
	db, err := open(t.Context(), file)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	var login, email, first, last, version string
	var enabled bool
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT login, email, first_name, last_name, enabled, version FROM accounts WHERE id = ?", id).
		Scan(&login, &email, &first, &last, &enabled, &version))
	return fmt.Sprint(login, " ", email, " ", first, " ", last, " ", enabled, " v", version)
}

// A provisioning conversation: match, create, look up, change, deactivate, restart, delete.
func TestProvisioning(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "accounts.db")
	i, stop := start(t, file)
	require.Empty(t, i.find(`userName eq "nadia@example.test"`))
	nadia := object{
		"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:User"}, "userName": "Nadia@example.test", "externalId": "e-1",
		"name": object{"givenName": "Nadia", "familyName": "Ferro"}, "active": true, "title": "lost",
		"emails": []object{{"value": "home@example.test", "type": "home"}, {"value": "nadia@example.test", "type": "work", "primary": true}},
	}
	created := i.do(201, "POST", "/Users", nadia)
	id := created["id"].(string)
	require.Equal(t, "1", id, "the host's own key")
	require.Equal(t, []any{object{"value": "nadia@example.test", "type": "work", "primary": true}}, created["emails"])
	require.NotContains(t, created, "title")
	require.Equal(t, "Nadia@example.test nadia@example.test Nadia Ferro true v1", row(t, file, id))
	require.Equal(t, "uniqueness", i.do(409, "POST", "/Users", nadia)["scimType"])
	for _, filter := range []string{`userName eq "NADIA@example.test"`, `externalId eq "e-1"`, `emails[type eq "work"].value eq "nadia@example.test"`,
		`name.familyName sw "fer" and active eq true`} {
		require.Equal(t, []any{id}, i.find(filter), filter)
	}

	after := i.patch(200, id,
		object{"op": "replace", "path": `emails[type eq "work"].value`, "value": "n@example.test"}, object{"op": "Add", "path": "name.givenName", "value": "Nad"})
	require.Equal(t, `W/"2"`, after["meta"].(object)["version"])
	require.Equal(t, "Nadia@example.test n@example.test Nad Ferro true v2", row(t, file, id))
	i.patch(400, id, object{"op": "add", "path": "title", "value": "refused"})
	i.patch(200, id, object{"op": "Replace", "path": "active", "value": "False"})
	require.Equal(t, "Nadia@example.test n@example.test Nad Ferro false v3", row(t, file, id))
	require.Contains(t, stop(), "user.deactivated")

	i, stop = start(t, file)
	defer stop()
	require.Equal(t, []any{id}, i.find(`active eq false`))
	i.do(404, "GET", "/Users/01", nil)
	i.do(404, "GET", "/Groups", nil)
	i.do(204, "DELETE", "/Users/"+id, nil)
	i.do(404, "GET", "/Users/"+id, nil)
	require.Equal(t, "2", i.do(201, "POST", "/Users", nadia)["id"], "ids are not used again")
	i.token = "wrong"
	i.do(401, "GET", "/Users", nil)
}

// The host's own accounts are none of the identity provider's.
func TestOwnAccounts(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "accounts.db")
	i, stop := start(t, file)
	defer stop()
	db, err := open(t.Context(), file)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	_, err = db.ExecContext(t.Context(), "INSERT INTO accounts (tenant, login) VALUES ('demo', 'root')")
	require.NoError(t, err)
	i.do(404, "GET", "/Users/1", nil)
	i.do(404, "DELETE", "/Users/1", nil)
	require.EqualValues(t, 0, i.do(200, "GET", "/Users", nil)["totalResults"])
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "accounts.db")
	for _, args := range [][]string{{"-nope"}, {"-addr", "not an address", "-db", file}, {"-db", t.TempDir()}} {
		var stdout bytes.Buffer
		require.Error(t, run(t.Context(), args, &stdout, io.Discard), args)
		require.Empty(t, stdout.String())
	}
}
