package filter_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/scimkit/scim/filter"
)

// TestMatchAgainstNaive compares Match with the evaluator of naive_test.go, and what is parsed with what was printed.
func TestMatchAgainstNaive(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		attributes, r := drawResource(t, "u1")
		for range 20 {
			expr := drawExpression(t, 4, nil)
			text := printFilter(expr)
			parsed, err := filter.Parse(text, filter.DefaultLimits, nil)
			require.NoError(t, err, text)
			require.Equal(t, expr, parsed, text)
			f, err := filter.Bind(parsed, userType, options, nil)
			require.NoError(t, err, text)
			ok, err := f.Match(r)
			require.NoError(t, err)
			require.Equal(t, naive(expr, attributes, nil), ok, "%s\nof %s", text, r.Document.JSON())
		}
	})
	covers(t, "7644-3.4.2.2-02")
}
