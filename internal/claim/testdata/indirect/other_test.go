package indirect

import "testing"

// A claim of the same case on the same line of another file does not make the indirect one readable.
func TestOther(t *testing.T) {
	for range 1 {
		if testing.Short() {
			t.Log("short")
		}
	}

	t.Run("claim", func(t *testing.T) {
		t.Helper()

		t.Log("two lines below")

		covers(t, "A-01")
	})
}
