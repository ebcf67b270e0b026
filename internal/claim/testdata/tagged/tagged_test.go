package tagged

import (
	"testing"

	"github.com/scimkit/scim/internal/claim"
)

func TestMain(m *testing.M) { claim.Main(m) }

func TestNothing(*testing.T) {}
