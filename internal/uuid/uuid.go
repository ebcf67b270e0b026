// Package uuid makes version 7 UUIDs (RFC 9562): a time in milliseconds and 74 random bits, so that new ids sort after old ones and
// cannot be guessed.
package uuid

import (
	"crypto/rand"
	"encoding/hex"
	"time"
)

// New returns a UUID for that time, with randomness from crypto/rand.
func New(now time.Time) string {
	var b [16]byte
	_, _ = rand.Read(b[6:]) // never fails
	ms := uint64(now.UnixMilli())
	for i := range 6 {
		b[i] = byte(ms >> (40 - 8*i))
	}
	b[6] = b[6]&0x0f | 0x70
	b[8] = b[8]&0x3f | 0x80
	var text [36]byte
	hex.Encode(text[0:8], b[0:4])
	hex.Encode(text[9:13], b[4:6])
	hex.Encode(text[14:18], b[6:8])
	hex.Encode(text[19:23], b[8:10])
	hex.Encode(text[24:36], b[10:16])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:])
}
