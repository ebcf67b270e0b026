//go:build !race

package schema_test

// race tells that the race detector is on.
const race = false
