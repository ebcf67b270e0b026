package memstore_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/patch"
	"github.com/scimkit/scim/store"
	"github.com/scimkit/scim/store/memstore"
)

// perUser is what a user may cost, in bytes: the document and three quarters of it again for indexes and order.
const perUser = 2200

// entraUser is a user as Microsoft Entra ID provisions it: 1.4 KB of JSON.
func entraUser(t tb, n int) store.Draft {
	t.Helper()
	name := fmt.Sprintf("nadia.ferro-%07d@example.test", n)
	return draft(t, userRef(fmt.Sprintf("0197f6a2-0000-7000-8000-%012d", n)), start, map[string]any{
		"externalId":  fmt.Sprintf("a7d1f2c0-33b5-4c0b-9f2e-%012d", n),
		"userName":    name,
		"active":      true,
		"displayName": fmt.Sprintf("Nadia Ferro %d", n),
		"name":        map[string]any{"formatted": "Nadia Ferro", "familyName": "Ferro", "givenName": "Nadia"},
		"title":       "Senior Dispatcher", "preferredLanguage": "en-US", "locale": "en-US", "timezone": "Europe/Stockholm", "nickName": "Naddy",
		"userType": "Employee", "profileUrl": "https://intranet.example.test/people/nadia.ferro",
		"emails": []any{map[string]any{"primary": true, "type": "work", "value": name}, map[string]any{"type": "other", "value": "n." + name}},
		"addresses": []any{map[string]any{
			"type": "work", "formatted": "9 Quay, 90210 Harbourtown, Sweden", "streetAddress": "9 Quay", "locality": "Harbourtown",
			"region": "North", "postalCode": "90210", "country": "SE",
		}},
		"phoneNumbers": []any{
			map[string]any{"type": "work", "value": "+46 8 555 0100"}, map[string]any{"type": "mobile", "value": "+46 70 555 0100"},
			map[string]any{"type": "fax", "value": "+46 8 555 0199"},
		},
		"roles": []any{map[string]any{"primary": false, "type": "WindowsAzureActiveDirectoryRole", "display": "Dispatcher", "value": "Dispatcher"}},
		schema.EnterpriseURN: map[string]any{
			"employeeNumber": fmt.Sprint(n), "costCenter": "4400", "organization": "Harbour AB", "division": "Operations", "department": "Dispatch",
			"manager": map[string]any{"value": "0197f6a2-0000-7000-8000-000000000001"},
		},
	})
}

// BenchmarkMemory fills a store and fails if a user of 1.4 KB costs more than 2.2 KB.
func BenchmarkMemory(b *testing.B) {
	rows := 100_000
	if testing.Short() {
		rows = 10_000
	}
	require.InDelta(b, 1400, len(entraUser(b, 0).Document.JSON()), 50)
	for b.Loop() {
		before := heap()
		s := memstore.New()
		for n := range rows {
			_, err := s.Create(b.Context(), scopeA, entraUser(b, n))
			require.NoError(b, err)
		}
		each := float64(heap()-before) / float64(rows)
		b.ReportMetric(each, "B/user")
		require.LessOrEqual(b, each, float64(perUser))
		runtime.KeepAlive(s)
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what finalizers and pools held goes with the second one
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func filled(b *testing.B) (s *memstore.Store, rows int) {
	b.Helper()
	rows = 100_000
	if testing.Short() {
		rows = 10_000
	}
	s = memstore.New()
	for n := range rows {
		d := draft(b, userRef(fmt.Sprint(n)), start, map[string]any{"userName": fmt.Sprintf("user%d", n)})
		_, err := s.Create(b.Context(), scopeA, d)
		require.NoError(b, err)
	}
	return s, rows
}

func BenchmarkFilter(b *testing.B) {
	s, rows := filled(b)
	for name, text := range map[string]string{"userName": fmt.Sprintf(`userName eq "USER%d"`, rows/2), "id": fmt.Sprintf(`id eq "%d"`, rows/2)} {
		b.Run(name, func(b *testing.B) {
			query := store.Query{Type: "User", Start: 1, Count: 10, Filter: where(b, "User", text)}
			b.ReportAllocs()
			for b.Loop() {
				page, err := s.List(b.Context(), scopeA, query)
				require.NoError(b, err)
				require.Equal(b, 1, page.Total)
			}
		})
	}
}

func BenchmarkPage(b *testing.B) {
	s, rows := filled(b)
	for _, offset := range []int{0, rows / 2, rows - 100} {
		b.Run(fmt.Sprintf("offset=%d", offset), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				page, err := s.List(b.Context(), scopeA, store.Query{Type: "User", Start: offset + 1, Count: 100})
				require.NoError(b, err)
				require.Len(b, page.Resources, 100)
			}
		})
	}
}

// BenchmarkMember adds and removes one member of a group that has everybody else.
func BenchmarkMember(b *testing.B) {
	s, rows := filled(b)
	var all []string
	for n := range rows {
		all = append(all, fmt.Sprint(n))
	}
	d := draft(b, groupRef("g"), start, map[string]any{"displayName": "g"}, all...)
	_, err := s.Create(b.Context(), scopeA, d)
	require.NoError(b, err)
	one := []string{fmt.Sprint(rows / 2)}
	b.ReportAllocs()
	for b.Loop() {
		for _, change := range []patch.Delta{{Remove: one}, {Add: one}} {
			applied, err := s.Update(b.Context(), scopeA, groupRef("g"), delta(change), store.Write{At: start})
			require.NoError(b, err)
			require.True(b, applied.Changed)
		}
	}
}
