package good

import (
	"testing"

	"github.com/scimkit/scim/internal/claim"
)

var covers = claim.Covers

func TestMain(m *testing.M) { claim.Main(m) }

func TestClaims(t *testing.T) {
	covers(t, "7644-3.4.2.2-05", "F-07")
	claim.Covers(t,
		"ENTRA-34",
		"threat:S-01")
	for _, c := range []struct {
		name   string
		covers []string
	}{
		{name: "product", covers: []string{"S-01", "S-80"}},
		{name: "none"},
	} {
		r := reader{}
		r.Skip()
		t.Run(c.name, func(t *testing.T) { covers(t, c.covers...) })
	}
}

// reader has a method that is called like one of testing.T.
type reader struct{}

func (reader) Skip() {}
