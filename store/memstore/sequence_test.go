package memstore

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// Entries come in any order and leave in any: the sequence keeps them by number, no chunk is too long, and an order that splits
// chunks does not crumble them.
func TestSequence(t *testing.T) {
	t.Parallel()
	const n = 21 * chunkSize
	seed := uint64(1)
	roll := func(n int) int {
		seed = seed*6364136223846793005 + 1442695040888963407 // Knuth's generator
		return int(seed>>33) % n
	}
	up := make([]uint64, n)
	for i := range up {
		up[i] = uint64(i + 1)
	}
	down := slices.Clone(up)
	slices.Reverse(down)
	shuffled := slices.Clone(up)
	for i := range shuffled {
		j := roll(i + 1)
		shuffled[i], shuffled[j] = shuffled[j], shuffled[i]
	}
	gap := slices.Concat(up[:n/3], up[2*n/3:], down[n/3:2*n/3]) // backwards into a gap between full chunks
	for name, order := range map[string][]uint64{"up": up, "down": down, "shuffled": shuffled, "gap": gap} {
		var s sequence[uint64]
		for _, number := range order {
			s.insert(number, number*10)
		}
		check := func(want []uint64) {
			t.Helper()
			var numbers []uint64
			s.from(0, func(number, entry uint64) bool {
				require.Equal(t, number*10, entry, name)
				numbers = append(numbers, number)
				return true
			})
			require.Equal(t, want, numbers, name)
			require.Equal(t, len(want), s.length, name)
			for _, c := range s.chunks {
				require.LessOrEqual(t, len(c.numbers), chunkSize, name)
				require.Len(t, c.entries, len(c.numbers), name)
			}
			for range 50 {
				skip := roll(len(want) + 2)
				var rest, behind []uint64
				s.from(skip, func(number, _ uint64) bool { rest = append(rest, number); return len(rest) < 3 })
				require.Equal(t, want[min(skip, len(want)):min(skip+3, len(want))], slices.Clip(append([]uint64{}, rest...)), name)
				s.after(uint64(skip), func(number, _ uint64) bool { behind = append(behind, number); return len(behind) < 3 })
				at, _ := slices.BinarySearch(want, uint64(skip)+1)
				require.Equal(t, want[at:min(at+3, len(want))], append([]uint64{}, behind...), name)
			}
		}
		check(up)
		require.LessOrEqual(t, len(s.chunks), 2*n/chunkSize, name)
		var odd []uint64
		for _, number := range order {
			if number%2 == 0 {
				s.remove(number)
			}
		}
		s.remove(2) // twice
		for _, number := range up {
			if number%2 == 1 {
				odd = append(odd, number)
			}
		}
		check(odd)
		for _, number := range down {
			if number%2 == 0 {
				s.insert(number, number*10)
			}
		}
		check(up)
	}
}
