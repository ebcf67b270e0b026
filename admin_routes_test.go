package scim

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/internal/openapi"
)

// The routes of the management API are those of its OpenAPI document, with the same actions.
func TestAdminRoutesAreDescribed(t *testing.T) {
	t.Parallel()
	var document struct {
		Paths map[string]map[string]json.RawMessage
	}
	require.NoError(t, json.Unmarshal(openapi.Document, &document))
	described := map[string]Action{}
	for path, item := range document.Paths {
		for name, raw := range item {
			if name == "parameters" {
				continue
			}
			var operation struct {
				Action Action `json:"x-action"`
			}
			require.NoError(t, json.Unmarshal(raw, &operation))
			described[strings.ToUpper(name)+" "+path] = operation.Action
		}
	}
	served := map[string]Action{}
	for _, route := range adminRoutes {
		require.NotEqual(t, http.MethodHead, route.method)
		served[route.method+" "+route.path] = route.action
	}
	require.Equal(t, served, described)
	require.Len(t, served, len(adminRoutes))
}
