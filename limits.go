package scim

import (
	"cmp"
	"fmt"
	"time"

	"github.com/scimkit/scim/filter"
	"github.com/scimkit/scim/internal/strict"
	"github.com/scimkit/scim/internal/wire"
	"github.com/scimkit/scim/patch"
)

// Limits bound the work of one request; each is checked before the work is spent. A zero field takes its default, a negative one
// is refused by New. Values are bounded besides (400 invalidValue): a multi-valued attribute has at most 1000, a string 8 KiB, and
// userName, externalId, displayName and every unique attribute 512 bytes. So is a resource as a whole: a write that makes its
// attributes larger than 256 KiB of JSON, memberships not counted, is answered with 413, unless they were as large before.
type Limits struct {
	BodyBytes       int64         // size of a request body, in bytes; default 2 MiB; beyond: 413
	JSONDepth       int           // objects and arrays inside each other; default 16; beyond: 400 invalidSyntax
	JSONValues      int           // values in one body; default 100 000; beyond: 400 invalidSyntax
	FilterBytes     int           // length of a filter, in bytes; default 8192; beyond: 400 invalidFilter
	FilterDepth     int           // parentheses, not and brackets inside each other; default 20; beyond: 400 invalidFilter
	FilterTerms     int           // comparisons in a filter; default 100; beyond: 400 invalidFilter
	PatchOperations int           // operations of one PATCH; default 1000; beyond: 413
	PatchWork       int           // looks of one PATCH at values of multi-valued attributes, see below; default 5 000 000; beyond: 413
	Members         int           // members that one request names; default 10 000; beyond: 413
	AttributeNames  int           // names in attributes or excludedAttributes; default 100; beyond: 400 invalidValue
	PageSize        int           // resources on a page when the client gives no count; default 100, or MaxPageSize if that is less
	MaxPageSize     int           // resources on a page whatever the count; default 500; beyond: cut to it
	RequestTime     time.Duration // time for one request; default 30 s, half of what identity providers wait; beyond: 503

	// PatchWork counts a look at a value for each condition of each filter that is tried on it, one where it is compared with values to
	// add or remove, eight where it is changed, and as many again per 128 bytes of it. The default lets through 1000 operations with
	// a filter of one condition on an attribute of 1000 values, each of which changes one.
}

// withDefaults fills the zero fields and refuses negative ones.
func (l Limits) withDefaults() (Limits, error) {
	for _, field := range []struct {
		name     string
		value    *int
		fallback int
	}{
		{"JSONDepth", &l.JSONDepth, 16},
		{"JSONValues", &l.JSONValues, 100_000},
		{"FilterBytes", &l.FilterBytes, filter.DefaultLimits.Bytes},
		{"FilterDepth", &l.FilterDepth, filter.DefaultLimits.Depth},
		{"FilterTerms", &l.FilterTerms, filter.DefaultLimits.Terms},
		{"PatchOperations", &l.PatchOperations, 1000},
		{"PatchWork", &l.PatchWork, patch.DefaultWork},
		{"Members", &l.Members, 10_000},
		{"AttributeNames", &l.AttributeNames, 100},
		{"MaxPageSize", &l.MaxPageSize, 500},
		{"PageSize", &l.PageSize, min(100, cmp.Or(l.MaxPageSize, 500))},
	} {
		if *field.value < 0 {
			return l, fmt.Errorf("scim: Limits.%s is negative", field.name)
		}
		if *field.value == 0 {
			*field.value = field.fallback
		}
	}
	switch {
	case l.BodyBytes < 0 || l.RequestTime < 0:
		return l, fmt.Errorf("scim: Limits.BodyBytes or Limits.RequestTime is negative")
	case l.PageSize > l.MaxPageSize:
		return l, fmt.Errorf("scim: Limits.PageSize is larger than Limits.MaxPageSize")
	}
	if l.BodyBytes == 0 {
		l.BodyBytes = 2 << 20
	}
	if l.RequestTime == 0 {
		l.RequestTime = 30 * time.Second
	}
	return l, nil
}

func (l Limits) filter() filter.Limits {
	return filter.Limits{Bytes: l.FilterBytes, Depth: l.FilterDepth, Terms: l.FilterTerms}
}

func (l Limits) shape() strict.Limits { return strict.Limits{Depth: l.JSONDepth, Values: l.JSONValues} }

func (l Limits) parameters() wire.ParameterLimits {
	return wire.ParameterLimits{DefaultCount: l.PageSize, MaxCount: l.MaxPageSize, Names: l.AttributeNames}
}
