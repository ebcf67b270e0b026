package store

import (
	"errors"
	"fmt"
)

// Errors that a Store answers with; compare them with errors.Is.
var (
	ErrNotFound   = errors.New("store: no such resource")                 // 404
	ErrUniqueness = errors.New("store: a unique value is taken")          // 409 uniqueness
	ErrVersion    = errors.New("store: the resource has another version") // 412, or a retry where the client set no condition
	ErrScope      = errors.New("store: the scope is empty")               // a mistake of the caller's: 500
	ErrExists     = errors.New("store: there is one already")             // of connections and tokens, see ConnectionStore
	ErrLimit      = errors.New("store: there are as many as may be")      // of a tenant's active connections, see ConnectionStore
	ErrCursor     = errors.New("store: the cursor is not valid")          // of a journal
)

// UniquenessError is an ErrUniqueness that names the attribute.
type UniquenessError struct{ Path string }

func (e *UniquenessError) Error() string { return fmt.Sprintf("%v: %s", ErrUniqueness, e.Path) }

// Is makes it an ErrUniqueness to errors.Is.
func (e *UniquenessError) Is(target error) bool { return target == ErrUniqueness }

// UnknownMembersError lists the ids that a change would add to a group and that no resource of the Scope has: 400 invalidValue,
// or skipped, by the connection's policy.
type UnknownMembersError struct{ IDs []string }

func (e *UnknownMembersError) Error() string {
	return fmt.Sprintf("store: %d members are no resources of the connection", len(e.IDs))
}
