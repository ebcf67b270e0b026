package dead

import (
	"testing"

	"github.com/scimkit/scim/internal/claim"
)

var covers = claim.Covers

func TestMain(m *testing.M) { claim.Main(m) }

func TestClaims(t *testing.T) {
	covers(t, "A-01")
	if testing.Verbose() && !testing.Verbose() {
		covers(t, "A-01", "A-02")
	}
	for _, c := range []struct{ covers string }{{covers: "A-03"}, {covers: "A-04"}} {
		if c.covers == "A-04" {
			break
		}
		covers(t, c.covers)
	}
	covers(t, "A-04")
}
