package uuid_test

import (
	"bytes"
	"math/bits"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/internal/claim"
	"github.com/scimkit/scim/internal/uuid"
)

func TestMain(m *testing.M) { claim.Main(m) }

var covers = claim.Covers

var (
	version7 = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	at       = time.Date(2026, 3, 14, 9, 0, 0, 123_456_789, time.UTC)
)

// The first 48 bits are the time in milliseconds, whatever the zone of the clock: RFC 9562, section 5.7 and the example of appendix
// A.6.
func TestTimeOfID(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		at   time.Time
		want string
	}{
		{time.Date(2022, 2, 22, 19, 22, 22, 0, time.UTC), "017f22e2-79b0-7"},
		{time.UnixMilli(0), "00000000-0000-7"},
		{time.UnixMilli(1<<48 - 1), "ffffffff-ffff-7"},
		{time.UnixMilli(0x0123456789ab), "01234567-89ab-7"},
		{time.UnixMilli(0x0123456789ab).Add(999_999), "01234567-89ab-7"},
	} {
		for _, clock := range []time.Time{c.at, c.at.In(time.FixedZone("", 3600))} {
			id := uuid.New(clock)
			require.Regexp(t, version7, id)
			require.Equal(t, c.want, id[:len(c.want)])
		}
	}
}

// Ids are unique, cannot be counted up, and keep the order of their times.
func TestIDs(t *testing.T) {
	t.Parallel()
	const n = 100_000
	seen := make(map[string]bool, n)
	var ids []string
	var ones [128]int
	for i := range n {
		id := uuid.New(at.Add(time.Duration(i/100) * time.Millisecond))
		seen[id] = true
		if i%100 == 0 {
			ids = append(ids, id)
		}
		if i < 10_000 {
			require.Regexp(t, version7, id)
			count(t, id, &ones)
		}
	}
	require.Len(t, seen, n, "no id twice")
	require.True(t, slices.IsSorted(ids), "text order is time order")
	// 74 bits are random: all behind the time but those of version and variant. Each is one about half of the time; 5000 ± 500 is
	// ten standard deviations.
	for bit := 48; bit < 128; bit++ {
		switch bit {
		case 48, 65:
			require.Zero(t, ones[bit])
		case 49, 50, 51, 64:
			require.Equal(t, 10_000, ones[bit])
		default:
			require.InDelta(t, 5000, ones[bit], 500, "bit %d", bit)
		}
	}
	covers(t, "ID-10")
}

// count adds the bits of an id.
func count(t *testing.T, id string, ones *[128]int) {
	t.Helper()
	for i, c := range []byte(strings.ReplaceAll(id, "-", "")) {
		nibble := bytes.IndexByte([]byte("0123456789abcdef"), c)
		for b := range 4 {
			ones[4*i+b] += bits.OnesCount8(uint8(nibble) >> (3 - b) & 1)
		}
	}
}
