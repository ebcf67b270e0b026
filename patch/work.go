package patch

import (
	"fmt"

	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/internal/schema"
)

// DefaultWork is what Options.MaxWork is by default: a thousand operations, each with a filter of one condition on an attribute of a
// thousand values, need less.
const DefaultWork = 5_000_000

const (
	// lookBytes is how much text makes a look at an element cost one more.
	lookBytes = 128
	// changeWork is the number of looks that a change of a value costs: it is decoded, copied and compared with the others.
	changeWork = 8
	// lookOften is how many looks pass between two looks at the context.
	lookOften = 4096
)

// meter bounds the work of one request.
type meter struct {
	most, spent, since int
	interrupted        func() error
	folds              filter.Folds
}

// look accounts for looking at a value a number of times: the conditions of a filter, for example.
func (m *meter) look(v schema.Value, times int) error {
	work := times * (1 + v.Size()/lookBytes)
	m.spent += work
	if m.spent > m.most {
		return &Error{
			ScimType: schema.TooMany, TooLarge: true,
			Detail: fmt.Sprintf("the operations take more than %d looks at values: a filter takes one per condition and %d bytes", m.most, lookBytes),
		}
	}
	if m.since += work; m.since < lookOften {
		return nil
	}
	m.since = 0
	return m.interrupted()
}
