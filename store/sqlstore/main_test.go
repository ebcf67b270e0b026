package sqlstore_test

import (
	"os"
	"testing"

	"github.com/scimkit/scim/internal/claim"
)

// The test binary is also the other processes of the tests: see child_test.go.
func TestMain(m *testing.M) {
	if os.Getenv(childOrders) != "" {
		os.Exit(m.Run())
	}
	claim.Main(m)
}

var covers = claim.Covers
