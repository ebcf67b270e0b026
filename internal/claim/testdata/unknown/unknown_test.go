package unknown

import (
	"testing"

	"github.com/scimkit/scim/internal/claim"
)

var covers = claim.Covers

func TestMain(m *testing.M) { claim.Main(m) }

func TestClaims(t *testing.T) {
	covers(t, "S-81")
}
