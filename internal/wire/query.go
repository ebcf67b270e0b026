package wire

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/internal/strict"
)

// Parameters are those of a query, from the URL or from a search request body, and of any request that answers with a resource.
type Parameters struct {
	Filter     string
	HasFilter  bool
	StartIndex int // from 1
	Count      int // of resources in the page at most
	Attributes []string
	Excluded   []string
}

// ParameterLimits bound and complete Parameters.
type ParameterLimits struct {
	DefaultCount int
	MaxCount     int
	Names        int // attribute names in attributes or excludedAttributes
}

// maxIndex is the largest startIndex: RFC 7644 has no bound, but every store has.
const maxIndex = 1<<31 - 1

func (l ParameterLimits) defaults() Parameters {
	return Parameters{StartIndex: 1, Count: l.DefaultCount}
}

// ParseQuery reads the parameters of a URL. Unknown ones are ignored, with or without a value; a pair that does not decode and a
// parameter given twice are refused, because whoever drops them answers another question (a dropped filter: with everybody).
func ParseQuery(query string, limits ParameterLimits, report *dialect.Report) (Parameters, error) {
	p := limits.defaults()
	if query == "" {
		return p, nil
	}
	var seen strict.Names
	for pair := range strings.SplitSeq(query, "&") {
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(rawName)
		value, err2 := url.QueryUnescape(rawValue)
		known := parameter(name, report)
		switch {
		case err != nil, err2 != nil, strings.Contains(pair, ";"):
			return p, malformed(known)
		case known == "":
			continue
		case seen.Add(known) != nil:
			return p, invalidParameter(known, "the parameter %s is given twice")
		}
		if err := p.set(known, value, limits); err != nil {
			return p, err
		}
	}
	return p, p.check(limits)
}

// parameters are the names of RFC 7644, sections 3.4.2 and 3.9.
var parameters = []string{"filter", "startIndex", "count", "attributes", "excludedAttributes"}

// parameter returns the canonical name of a known parameter, or "".
func parameter(name string, report *dialect.Report) string {
	for _, known := range parameters {
		if name == known || strict.FoldName(name) == strict.FoldName(known) && report.Allow(dialect.QueryCase) {
			return known
		}
	}
	return ""
}

func malformed(known string) error {
	if known == "" {
		return BadRequest(schema.InvalidFilter, "the query string is malformed: encode each parameter, and ';' as %3B")
	}
	return invalidParameter(known, "the parameter %s is malformed")
}

func invalidParameter(name, format string) error {
	scimType := schema.InvalidValue
	if name == "filter" {
		scimType = schema.InvalidFilter
	}
	return BadRequest(scimType, strings.Replace(format, "%s", name, 1))
}

func (p *Parameters) set(name, value string, limits ParameterLimits) (err error) {
	switch name {
	case "filter":
		p.Filter, p.HasFilter = value, true
	case "startIndex":
		p.StartIndex, err = parseInt(name, value)
	case "count":
		p.Count, err = parseInt(name, value)
	case "attributes":
		p.Attributes, err = splitNames(name, value, limits)
	case "excludedAttributes":
		p.Excluded, err = splitNames(name, value, limits)
	}
	return err
}

// check applies the RFC's corrections: a startIndex below 1 is 1, a negative count is 0, and a page has an upper bound.
func (p *Parameters) check(limits ParameterLimits) error {
	if len(p.Attributes) > 0 && len(p.Excluded) > 0 {
		return BadRequest(schema.InvalidValue, "attributes and excludedAttributes exclude each other")
	}
	p.StartIndex = max(p.StartIndex, 1)
	p.Count = min(max(p.Count, 0), limits.MaxCount)
	return nil
}

func parseInt(name, value string) (int, error) {
	digits := strings.TrimPrefix(value, "-")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, invalidParameter(name, "the parameter %s must be an integer")
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n > maxIndex {
		return 0, invalidParameter(name, "the parameter %s is out of range")
	}
	return int(max(n, -1)), nil
}

func splitNames(name, value string, limits ParameterLimits) ([]string, error) {
	var names []string
	for part := range strings.SplitSeq(value, ",") {
		if part = strings.TrimSpace(part); part != "" {
			names = append(names, part)
		}
	}
	if len(names) > limits.Names {
		return nil, invalidParameter(name, "the parameter %s holds more than "+strconv.Itoa(limits.Names)+" names")
	}
	return names, nil
}

// SearchURN is the schema of a search request body.
const SearchURN = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"

// ParseSearch reads the body of POST …/.search: RFC 7644, section 3.4.3.
func ParseSearch(body []byte, limits ParameterLimits) (Parameters, error) {
	p := limits.defaults()
	listed := false
	var seen strict.Names
	err := strict.Read(body, func(r *strict.Reader) error {
		if r.Kind() != '{' {
			return r.Mismatch(BadRequest(schema.InvalidSyntax, "the body must be a JSON object"))
		}
		return r.Object(func(key string) error {
			if err := seen.Add(key); err != nil {
				return err
			}
			if strict.FoldName(key) == "schemas" {
				urns, err := stringArray(r, "schemas")
				for _, urn := range urns {
					listed = listed || strict.FoldName(urn) == strict.FoldName(SearchURN)
				}
				return err
			}
			return p.read(r, parameter(key, nil), limits)
		})
	})
	if err != nil {
		return p, err
	}
	if !listed {
		return p, BadRequest(schema.InvalidSyntax, "schemas must hold "+SearchURN)
	}
	return p, p.check(limits)
}

// read reads one member of a search request.
func (p *Parameters) read(r *strict.Reader, name string, limits ParameterLimits) (err error) {
	switch {
	case name == "":
		return r.Skip()
	case r.Kind() == 'n':
		return r.Null()
	}
	switch name {
	case "filter":
		if r.Kind() != '"' {
			return r.Mismatch(invalidParameter(name, "%s must be a string"))
		}
		p.Filter, err = r.String()
		p.HasFilter = true
	case "startIndex", "count":
		if r.Kind() != '0' {
			return r.Mismatch(invalidParameter(name, "%s must be an integer"))
		}
		var literal string
		if literal, err = r.Number(); err == nil {
			err = p.set(name, literal, limits)
		}
	default:
		var names []string
		if names, err = stringArray(r, name); err == nil {
			err = p.set(name, strings.Join(names, ","), limits)
		}
	}
	return err
}

func stringArray(r *strict.Reader, name string) (list []string, err error) {
	if r.Kind() != '[' {
		return nil, r.Mismatch(invalidParameter(name, "%s must be an array of strings"))
	}
	err = r.Array(func() error {
		if r.Kind() != '"' {
			return r.Mismatch(invalidParameter(name, "%s must be an array of strings"))
		}
		text, err := r.String()
		list = append(list, text)
		return err
	})
	return list, err
}
