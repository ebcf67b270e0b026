package skipping

import (
	"os"
	"testing"

	"github.com/scimkit/scim/internal/claim"
)

var covers = claim.Covers

func TestMain(m *testing.M) { claim.Main(m) }

func TestDatabase(t *testing.T) {
	if os.Getenv("SCIM_TEST_POSTGRES") == "" {
		t.Skip("SCIM_TEST_POSTGRES is not set")
	}
	if os.Getenv("SCIM_TEST_POSTGRES") == "reach" {
		covers(t, "K-02")
	}
}
