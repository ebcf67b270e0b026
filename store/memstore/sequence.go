package memstore

import (
	"slices"
	"sort"
)

// chunkSize is how many entries a chunk holds at most. Skipping to an offset walks the chunks, and a removal moves the entries
// behind it in one chunk, so both stay cheap: a million entries are about two thousand chunks.
const chunkSize = 512

// sequence keeps entries in the order of their numbers and finds the n-th of them without counting.
type sequence[T any] struct {
	chunks []*chunk[T]
	length int
}

type chunk[T any] struct {
	numbers []uint64
	entries []T
}

// insert puts an entry where its number belongs. A full chunk is followed by a new one where the entry comes last of all, and
// split otherwise: entries that come in order fill their chunks.
func (s *sequence[T]) insert(number uint64, entry T) {
	s.length++
	i := max(s.chunkOf(number), 0)
	if len(s.chunks) == 0 {
		s.chunks = append(s.chunks, &chunk[T]{})
	}
	c := s.chunks[i]
	at := c.search(number)
	if len(c.numbers) >= chunkSize {
		half := chunkSize / 2
		if i == len(s.chunks)-1 && at == len(c.numbers) {
			half = at
		}
		s.chunks = insertAt(s.chunks, i+1, c.split(half))
		if at >= half {
			c, at = s.chunks[i+1], at-half
		}
	}
	c.numbers = insertAt(c.numbers, at, number)
	c.entries = insertAt(c.entries, at, entry)
}

// remove drops the entry with that number.
func (s *sequence[T]) remove(number uint64) {
	i := s.chunkOf(number)
	if i < 0 {
		return
	}
	c := s.chunks[i]
	at := c.search(number)
	if at == len(c.numbers) || c.numbers[at] != number {
		return
	}
	s.length--
	c.numbers = append(c.numbers[:at], c.numbers[at+1:]...)
	var zero T
	copy(c.entries[at:], c.entries[at+1:])
	c.entries[len(c.entries)-1] = zero
	c.entries = c.entries[:len(c.entries)-1]
	if len(c.numbers) == 0 {
		s.chunks = append(s.chunks[:i], s.chunks[i+1:]...)
	}
}

// from yields the entries behind the first skip ones.
func (s *sequence[T]) from(skip int, yield func(number uint64, entry T) bool) {
	for _, c := range s.chunks {
		if skip >= len(c.entries) {
			skip -= len(c.entries)
			continue
		}
		for i := skip; i < len(c.entries); i++ {
			if !yield(c.numbers[i], c.entries[i]) {
				return
			}
		}
		skip = 0
	}
}

// after yields the entries whose number is greater than number.
func (s *sequence[T]) after(number uint64, yield func(number uint64, entry T) bool) {
	for i := max(s.chunkOf(number), 0); i < len(s.chunks); i++ {
		c := s.chunks[i]
		for at := c.search(number + 1); at < len(c.entries); at++ {
			if !yield(c.numbers[at], c.entries[at]) {
				return
			}
		}
	}
}

// chunkOf returns the index of the chunk that would hold number, -1 before the first one.
func (s *sequence[T]) chunkOf(number uint64) int {
	return sort.Search(len(s.chunks), func(i int) bool { return s.chunks[i].numbers[0] > number }) - 1
}

// split moves the entries from the given one on to a new chunk.
func (c *chunk[T]) split(from int) *chunk[T] {
	right := &chunk[T]{numbers: slices.Clone(c.numbers[from:]), entries: slices.Clone(c.entries[from:])}
	clear(c.entries[from:])
	c.numbers, c.entries = c.numbers[:from], c.entries[:from]
	return right
}

func (c *chunk[T]) search(number uint64) int {
	return sort.Search(len(c.numbers), func(i int) bool { return c.numbers[i] >= number })
}

func insertAt[E any](list []E, at int, e E) []E {
	var zero E
	list = append(list, zero)
	copy(list[at+1:], list[at:])
	list[at] = e
	return list
}
