package wire

import (
	"net/url"
	"strings"

	"github.com/scimkit/scim/dialect"
)

// Segment is one segment of a request path: as sent and decoded once.
type Segment struct{ Raw, Text string }

// SplitPath appends to segments those of an escaped path; empty segments, of doubled and trailing slashes, do not count. ok is false if a
// segment does not decode to a plain name: a slash, a backslash, a control character or a dot segment in it would make it mean
// something else to whoever decodes it next.
func SplitPath(segments []Segment, escaped string) (split []Segment, ok bool) {
	for raw := range strings.SplitSeq(escaped, "/") {
		if raw == "" {
			continue
		}
		text := raw
		if strings.IndexByte(raw, '%') >= 0 {
			var err error
			if text, err = url.PathUnescape(raw); err != nil {
				return nil, false
			}
		}
		if text == "." || text == ".." || strings.ContainsFunc(text, unsafe) {
			return nil, false
		}
		segments = append(segments, Segment{raw, text})
	}
	return segments, true
}

func unsafe(r rune) bool { return r == '/' || r == '\\' || r < 0x20 || r == 0x7f || r == '\uFFFD' }

// entraFlag is the compliance flag of Microsoft Entra ID's tenant URL.
const entraFlag = "aadOptscim062020"

// MendFlag undoes a careless join of Entra's flag and the path: "/?aadOptscim062020/Users?filter=…" and
// "/aadOptscim062020/Users?filter=…" (ENTRA-08). path is the escaped path below the base URL.
func MendFlag(path, query string, report *dialect.Report) (mendedPath, mendedQuery string) {
	if rest, ok := strings.CutPrefix(query, entraFlag+"/"); ok && strings.Trim(path, "/") == "" && report.Allow(dialect.FlagInPath) {
		if end := strings.IndexAny(rest, "?&"); end >= 0 { // "&": whoever sees that the base URL has a query goes on with it
			return "/" + rest[:end], rest[end+1:]
		}
		return "/" + rest, ""
	}
	if rest, ok := strings.CutPrefix(strings.TrimLeft(path, "/"), entraFlag+"/"); ok && report.Allow(dialect.FlagInPath) {
		return "/" + rest, query
	}
	return path, query
}
