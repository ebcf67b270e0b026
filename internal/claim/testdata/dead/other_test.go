package dead

import "testing"

// A claim of the same case on the same line of another file does not stand in for the one that is dead.
func TestOther(t *testing.T) {
	for range 1 {
		if testing.Short() {
			t.Log("short")
		}
	}

	t.Run("claim", func(t *testing.T) {
		t.Helper()

		covers(t, "A-02")
	})
}
