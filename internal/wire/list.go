package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/scimkit/scim/store"
)

// ListURN is the schema of a list (RFC 7644, section 3.4.2).
const ListURN = "urn:ietf:params:scim:api:messages:2.0:ListResponse"

// List is a list that fits on one page: the discovery resources.
type List struct {
	Schemas      []string `json:"schemas"`
	TotalResults int      `json:"totalResults"`
	ItemsPerPage int      `json:"itemsPerPage"`
	StartIndex   int      `json:"startIndex"`
	Resources    []any    `json:"Resources"`
}

// NewList returns a list of all there is.
func NewList(resources []any) List {
	return List{[]string{ListURN}, len(resources), len(resources), 1, resources}
}

// AppendListHead appends the start of a list, up to the bracket of its resources.
func AppendListHead(dst []byte, total, start, count int) []byte {
	dst = append(dst, `{"schemas":["`+ListURN+`"],"totalResults":`...)
	dst = strconv.AppendInt(dst, int64(total), 10)
	dst = append(dst, `,"itemsPerPage":`...)
	dst = strconv.AppendInt(dst, int64(count), 10)
	dst = append(dst, `,"startIndex":`...)
	dst = strconv.AppendInt(dst, int64(start), 10)
	return append(dst, `,"Resources":[`...)
}

// WriteDocument sends a discovery resource, or 304 to a client that has it. Its entity tag is a digest of it.
func WriteDocument(w http.ResponseWriter, document any, condition Condition, mediaType string) error {
	body, err := json.Marshal(document)
	if err != nil {
		return &Error{Status: http.StatusInternalServerError, Detail: "internal error", Cause: err}
	}
	digest := sha256.Sum256(body)
	tag := hex.EncodeToString(digest[:8])
	notModified, err := condition.Check(tag)
	if err != nil {
		return err
	}
	w.Header()["Etag"] = []string{`W/"` + tag + `"`}
	if notModified {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	WriteBody(w, http.StatusOK, mediaType, body)
	return nil
}

// AppendAll appends resources without memberships, a comma between them.
func (v *View) AppendAll(out *Writer, resources []store.Resource) error {
	return v.AppendWithGroups(out, Relation{}, resources, nil)
}

// AppendWithGroups appends resources with the groups that each is a member of; the attribute is left out where there are none.
func (v *View) AppendWithGroups(out *Writer, shown Relation, resources []store.Resource, groups map[string][]store.Group) (err error) {
	for i, r := range resources {
		if i > 0 {
			out.Buf = append(out.Buf, ',')
		}
		if out.Buf, err = v.head(out.Buf, r); err != nil {
			return err
		}
		for j, g := range groups[r.ID] {
			separator := ","
			if j == 0 {
				separator = `,"groups":[`
			}
			out.Buf = append(out.Buf, separator...)
			out.Buf = shown.AppendElement(out.Buf, g.ID, g.Type, "direct", g.Display)
		}
		if len(groups[r.ID]) > 0 {
			out.Buf = append(out.Buf, ']')
		}
		out.Buf = v.tail(out.Buf, r)
		if err := out.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// AppendWithMembers appends groups with their members, which scan reads once for all of them and in their order. The attribute is
// always there: some clients take its absence for "unknown" (AUTHENTIK-09).
func (v *View) AppendWithMembers(out *Writer, shown Relation, groups []store.Resource, scan func([]string, func(store.Membership) error) error) error {
	ids := make([]string, len(groups))
	for i, g := range groups {
		ids[i] = g.ID
	}
	s := memberStream{view: v, out: out, groups: groups}
	if err := s.begin(); err != nil {
		return err
	}
	err := scan(ids, func(m store.Membership) error {
		if err := s.seek(m.Group); err != nil {
			return err
		}
		if s.members++; s.members > 1 {
			out.Buf = append(out.Buf, ',')
		}
		out.Buf = shown.AppendElement(out.Buf, m.ID, m.Type, m.Type, m.Display)
		return out.Flush()
	})
	if err != nil {
		return err
	}
	for s.next() {
		if err := s.begin(); err != nil {
			return err
		}
	}
	return out.Flush()
}

// memberStream writes groups one after the other while their members arrive.
type memberStream struct {
	view    *View
	out     *Writer
	groups  []store.Resource // the one being written, and those to come
	members int              // written of the first of groups
}

// begin writes the head of the first of groups.
func (s *memberStream) begin() (err error) {
	s.out.Buf, err = s.view.head(s.out.Buf, s.groups[0])
	s.out.Buf = append(s.out.Buf, `,"members":[`...)
	s.members = 0
	return err
}

// next ends the group being written and goes to the one behind it, if there is one.
func (s *memberStream) next() bool {
	s.out.Buf = s.view.tail(append(s.out.Buf, ']'), s.groups[0])
	s.groups = s.groups[1:]
	if len(s.groups) == 0 {
		return false
	}
	s.out.Buf = append(s.out.Buf, ',')
	return true
}

// seek goes to the group with that id.
func (s *memberStream) seek(id string) error {
	for s.groups[0].ID != id {
		if !s.next() {
			return errOrder
		}
		if err := s.begin(); err != nil {
			return err
		}
	}
	return nil
}

var errOrder = errors.New("wire: the store returned memberships out of order")
