//go:build extra

package tagged

import (
	"testing"

	"github.com/scimkit/scim/internal/claim"
)

var _ = func(t *testing.T) { claim.Covers(t, "A-01") }
