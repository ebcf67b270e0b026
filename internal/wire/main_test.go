package wire_test

import (
	"net/http"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/internal/claim"
	"github.com/scimkit/scim/internal/wire"
)

func TestMain(m *testing.M) { claim.Main(m) }

var covers = claim.Covers

// tb is what tests and properties have in common.
type tb interface {
	require.TestingT
	Helper()
}

func tolerant() *dialect.Report { return dialect.NewReport(false, dialect.Policy{}) }

func rigid() *dialect.Report { return dialect.NewReport(true, dialect.Policy{}) }

// plain are the characters of sentences that quote nothing.
var plain = regexp.MustCompile(`^[A-Za-z0-9 .,:;'+/()_*%-]+$`)

// badRequest requires a 400 that quotes nothing of the request.
func badRequest(t tb, err error, scimType, where string) {
	t.Helper()
	var e *wire.Error
	require.ErrorAs(t, err, &e, where)
	require.Equal(t, http.StatusBadRequest, e.Status, where)
	require.Equal(t, scimType, e.ScimType, "%s: %v", where, err)
	require.Regexp(t, plain, e.Detail, where)
	require.NotContains(t, e.Detail, "canary", where)
}
