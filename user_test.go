package scim_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/store"
)

// TestViews reads what a sink is handed into the typed views, and back.
func TestViews(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, s *server) {
		s.user("nadia@example.test", map[string]any{
			"externalId": "x-1", "name": map[string]any{"givenName": "Nadia", "familyName": "Ferro"}, "title": "Pilot",
			"emails":      []any{map[string]any{"value": "home@example.test", "type": "home"}, map[string]any{"value": "work@example.test", "type": "work", "primary": true}},
			"addresses":   []any{map[string]any{"locality": "Harbourtown", "country": "SE"}},
			enterpriseURN: map[string]any{"department": "Dispatch", "manager": map[string]any{"value": "m-7"}},
		})
		document := s.events.take()[0].After.Document
		u, err := scim.UserOf(document)
		require.NoError(t, err)
		require.Equal(t, "nadia@example.test", u.UserName)
		require.Equal(t, "x-1", u.ExternalID)
		require.Equal(t, &scim.Name{GivenName: "Nadia", FamilyName: "Ferro"}, u.Name)
		require.True(t, u.Active)
		require.Equal(t, "work@example.test", u.PrimaryEmail())
		require.Equal(t, []scim.Address{{Locality: "Harbourtown", Country: "SE"}}, u.Addresses)
		e, err := u.Enterprise()
		require.NoError(t, err)
		require.Equal(t, scim.Enterprise{Department: "Dispatch", Manager: &scim.Manager{Value: "m-7"}}, e)

		back, err := u.Document()
		require.NoError(t, err)
		again, err := scim.UserOf(back)
		require.NoError(t, err)
		require.Equal(t, u, again)

		s.group("Harbour Ops")
		g, err := scim.GroupOf(s.events.take()[0].After.Document)
		require.NoError(t, err)
		require.Equal(t, scim.Group{DisplayName: "Harbour Ops"}, g)
	})
}

func TestDocumentsMadeOfViews(t *testing.T) {
	t.Parallel()
	u := scim.User{
		UserName: "nadia", Active: false, Emails: []scim.MultiValue{{Value: "a@example.test"}, {Value: "b@example.test", Primary: true}},
		Extensions: map[string]json.RawMessage{enterpriseURN: json.RawMessage(`{"department":"Dispatch"}`)},
	}
	require.Equal(t, "b@example.test", u.PrimaryEmail())
	require.Empty(t, scim.User{}.PrimaryEmail())
	require.Equal(t, "a", scim.User{Emails: []scim.MultiValue{{Value: "a"}, {Value: "b"}}}.PrimaryEmail())
	d, err := u.Document()
	require.NoError(t, err)
	require.JSONEq(t, `{"userName":"nadia","active":false,"emails":[{"value":"a@example.test"},{"value":"b@example.test","primary":true}],
		"`+enterpriseURN+`":{"department":"Dispatch"}}`, string(d.JSON()))

	_, err = scim.UserOf(store.NewDocument([]byte(`{"userName":5}`)))
	require.Error(t, err)
	_, err = scim.User{Extensions: map[string]json.RawMessage{"department": json.RawMessage(`"x"`)}}.Document()
	require.Error(t, err)
	_, err = scim.User{Extensions: map[string]json.RawMessage{enterpriseURN: json.RawMessage(`{`)}}.Document()
	require.Error(t, err)
}
