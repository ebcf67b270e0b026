package leaking

import (
	"testing"

	"github.com/scimkit/scim/internal/claim"
)

var covers = claim.Covers

func TestMain(m *testing.M) { claim.Main(m) }

func TestLeak(*testing.T) {
	go func() { select {} }()
}
