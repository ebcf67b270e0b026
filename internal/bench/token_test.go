package bench

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim"
	"github.com/scimkit/scim/internal/token"
	"github.com/scimkit/scim/store"
	"github.com/scimkit/scim/store/memstore"
	"github.com/scimkit/scim/store/sqlstore"
)

// bearers is how many connections the store has, each with a token.
const bearers = 200

// BenchmarkVerifyToken verifies tokens, of the library's own shape and of another one, beside bare look-ups of the same tokens in the same
// store, one after the other and each first in turn, so that both meet the same machine. ns/besides is the median of what a verification
// takes besides its look-up: it is to be 10 000 at most.
func BenchmarkVerifyToken(b *testing.B) {
	b.Run("memstore", func(b *testing.B) { verify(b, memstore.New()) })
	for _, d := range databases {
		b.Run(d.name, func(b *testing.B) {
			s, err := sqlstore.New(b.Context(), sqlstore.Config{DB: d.open(b), Dialect: d.dialect})
			require.NoError(b, err)
			verify(b, s)
		})
	}
}

func verify(b *testing.B, s store.ConnectionStore) {
	connections, err := scim.NewConnections(scim.ConnectionsConfig{Store: s, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(b, err)
	for _, shape := range []string{"own", "foreign"} {
		texts := make([]string, bearers)
		for i := range texts {
			draft := scim.ConnectionDraft{Tenant: fmt.Sprint(shape, i)}
			if shape == "foreign" {
				draft.Token.Text = scim.Secret(fmt.Sprintf("%s%08d", strings.Repeat("0123456789abcdef", 8), i))
			}
			_, text, err := connections.Create(b.Context(), draft)
			require.NoError(b, err)
			texts[i] = string(text)
		}
		b.Run(shape, func(b *testing.B) { besides(b, s, connections, texts) })
	}
}

func besides(b *testing.B, s store.ConnectionStore, connections *scim.Connections, texts []string) {
	type key struct {
		id     string
		digest store.Digest
	}
	keys := make([]key, len(texts))
	for i, text := range texts {
		id, _ := token.ID(text)
		keys[i] = key{id, token.Digest(text)}
	}
	ctx := b.Context()
	find := func(i int) {
		if _, _, err := s.FindToken(ctx, keys[i].id, keys[i].digest); err != nil {
			b.Fatal(err)
		}
	}
	check := func(i int) {
		if _, err := connections.VerifyToken(ctx, texts[i]); err != nil {
			b.Fatal(err)
		}
	}
	took := func(f func(int), i int) time.Duration {
		start := time.Now()
		f(i)
		return time.Since(start)
	}
	var finding, more []time.Duration
	b.ReportAllocs()
	for round := 0; b.Loop(); round++ {
		i := round / 2 % len(texts)
		var found, checked time.Duration
		if round%2 == 0 { // whoever comes second finds the caches warm
			found, checked = took(find, i), took(check, i)
		} else {
			checked, found = took(check, i), took(find, i)
		}
		finding, more = append(finding, found), append(more, checked-found)
	}
	median := func(list []time.Duration) float64 {
		slices.Sort(list)
		return float64(list[len(list)/2].Nanoseconds())
	}
	b.ReportMetric(median(finding), "ns/lookup")
	b.ReportMetric(median(more), "ns/besides")
}
