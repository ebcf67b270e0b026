package indirect

import (
	"testing"

	"github.com/scimkit/scim/internal/claim"
)

var covers = claim.Covers

func TestMain(m *testing.M) { claim.Main(m) }

func TestClaims(t *testing.T) {
	show(t, "A-01")
}

func show(t *testing.T, id string) {
	covers(t, id)
}
