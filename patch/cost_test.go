package patch_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/patch"
)

// TestFiltersReadMembersOnce puts a thousand filters on a group of ten thousand.
func TestFiltersReadMembersOnce(t *testing.T) {
	t.Parallel()
	const size = 10_000
	filtered := func(n int, format string) (read int, change patch.ChangeSet, err error) {
		operations := make([]string, n)
		for i := range operations {
			operations[i] = on("remove", fmt.Sprintf(format, i), "")
		}
		opts := options(groupType)
		opts.Scan = func(yield func(id, typ, display string) error) error {
			for i := range size {
				read++
				if err := yield(fmt.Sprint("u", i), "User", fmt.Sprint("Person ", i)); err != nil {
					return err
				}
			}
			return nil
		}
		change, _, err = apply(document(group), body(operations...), opts)
		return read, change, err
	}

	read, change, err := filtered(maxOperations, `members[value eq "u%d"]`)
	require.NoError(t, err)
	require.Zero(t, read)
	require.Len(t, change.Members.Remove, maxOperations)

	read, change, err = filtered(10, `members[display eq "person %d"]`)
	require.NoError(t, err)
	require.Equal(t, size, read)
	require.Len(t, change.Members.Remove, 10)

	read, _, err = filtered(maxOperations, `members[display eq "person %d"]`)
	require.Equal(t, schema.TooMany, class(t, err), "%v", err)
	require.Zero(t, read)
	covers(t, "P-19")
}

// TestElementsAreBounded holds an attribute to the number of values that keeps every operation on it cheap.
func TestElementsAreBounded(t *testing.T) {
	t.Parallel()
	elements := func(from, to int) string {
		var list []string
		for i := from; i < to; i++ {
			list = append(list, fmt.Sprintf(`{"value":"user%d@example.test"}`, i))
		}
		return "[" + strings.Join(list, ",") + "]"
	}
	full := `{"userName":"u","active":true,"emails":` + elements(0, schema.MaxElements) + `}`
	most := body(on("add", "emails", elements(0, schema.MaxElements)))
	change, _, err := apply(document(`{"userName":"u","active":true}`), most, options(userType))
	require.NoError(t, err)
	require.Len(t, change.Changes, 1)
	change, _, err = apply(document(full), most, options(userType))
	require.NoError(t, err)
	require.Empty(t, change.Changes)
	for _, operation := range []string{
		on("add", "emails", elements(0, schema.MaxElements+1)),
		on("replace", "emails", elements(0, schema.MaxElements+1)),
		on("add", "emails", elements(schema.MaxElements, schema.MaxElements+1)),
		on("add", `emails[value eq "another@example.test"].type`, `"work"`),
	} {
		_, _, err := apply(document(full), body(operation), options(userType))
		require.Equal(t, schema.InvalidValue, class(t, err), operation)
	}
}

// repeated is a request of one operation many times over.
func repeated(n int, operation string) string {
	operations := make([]string, n)
	for i := range operations {
		operations[i] = operation
	}
	return body(operations...)
}

// addresses is a resource with so many values, each with a text of that size.
func addresses(count, size int) string {
	list := make([]string, count)
	for i := range list {
		list[i] = fmt.Sprintf(`{"value":"%d@example.test","display":"%s"}`, i, strings.Repeat("x", size))
	}
	return `{"userName":"u","active":true,"emails":[` + strings.Join(list, ",") + `]}`
}

// TestWorkIsBounded holds all operations of a request together to Options.MaxWork, by values, conditions and bytes.
func TestWorkIsBounded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		before  string
		request string
		work    int // that it takes
	}{
		{addresses(10, 0), repeated(5, on("remove", `emails[value eq "x"]`, "")), 50},
		{addresses(10, 0), repeated(5, on("remove", `emails[value eq "x" or value eq "y"]`, "")), 100},
		{addresses(10, 128), repeated(5, on("remove", `emails[value eq "x"]`, "")), 100},
		{addresses(10, 0), repeated(5, on("replace", `emails[value eq "1@example.test"].display`, `"x"`)), 90},
		{addresses(10, 0), repeated(1, on("replace", `emails[value eq "1@example.test"].display`, quoted(strings.Repeat("x", 126)))), 19},
		{addresses(10, 0), repeated(5, on("add", "emails", `[{"value":"x"}]`)), 15}, // the list is indexed once
		{addresses(10, 0), repeated(5, on("remove", "emails", `[{"value":"x"},{"type":"y"}]`)), 100},
	} {
		for over, want := range map[int]string{0: "", 1: schema.TooMany} {
			opts := options(userType)
			opts.MaxWork = c.work - over
			_, _, err := apply(document(c.before), c.request, opts)
			require.Equal(t, want, class(t, err), "%s: %v", c.request, err)
			var refused *patch.Error
			require.Equal(t, over == 1, errors.As(err, &refused) && refused.TooLarge)
		}
	}
	most := repeated(maxOperations, on("replace", `emails[value eq "999@example.test"].display`, `"x"`))
	_, _, err := apply(document(addresses(schema.MaxElements, 200)), most, options(userType))
	require.NoError(t, err)
	opts := options(groupType, member{"u1", "User", "Ann"}, member{"u2", "User", "Bob"})
	opts.MaxWork = 3
	_, _, err = apply(document(group), body(on("remove", `members[display eq "x" or display eq "y"]`, "")), opts)
	require.Equal(t, schema.TooMany, class(t, err))
}

// expiring is a context that ends after it was looked at so many times.
type expiring struct{ looks int }

func (*expiring) Deadline() (at time.Time, ok bool) { return time.Time{}, false }
func (*expiring) Done() <-chan struct{}             { return nil }
func (*expiring) Value(any) any                     { return nil }

func (e *expiring) Err() error {
	if e.looks--; e.looks < 0 {
		return context.DeadlineExceeded
	}
	return nil
}

// TestApplyHeedsItsContext ends the time between operations and in the middle of one.
func TestApplyHeedsItsContext(t *testing.T) {
	t.Parallel()
	keys := `{"op":"add","value":{"title":"x","nickName":"y","displayName":"z"}}`
	wide := on("remove", "emails["+strings.Repeat(`value eq "x" or `, 49)+`value eq "y"]`, "")
	for _, c := range []struct {
		request string
		looks   int // that it takes at least
	}{
		{repeated(10, on("replace", "title", `"x"`)), 10},
		{body(keys), 4},
		{body(wide), 10}, // 50 000 values
	} {
		ops, err := decode(c.request, maxOperations, lenient())
		require.NoError(t, err)
		for looks := range c.looks {
			_, _, err := patch.Apply(&expiring{looks}, document(addresses(1000, 0)), ops, options(userType))
			require.ErrorIs(t, err, context.DeadlineExceeded, "%s: %d", c.request, looks)
		}
		_, _, err = patch.Apply(&expiring{1000}, document(addresses(1000, 0)), ops, options(userType))
		require.NoError(t, err)
	}
}
