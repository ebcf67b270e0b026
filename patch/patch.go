// Package patch computes what PUT and PATCH change, as pure functions: (document, request) → [ChangeSet]. It stores nothing and
// reads nothing but the document and, for the rare filter on members that is not about their ids, the members themselves.
//
// A request is atomic: an error of any operation means that no ChangeSet exists. Operations apply in order, each to the result of
// the one before, and the resource is validated as a whole at the end, whichever path wrote to it.
//
// Where RFC 7644 leaves room, the package decides: a value path that matches nothing creates the element that its eq terms
// describe, for add and replace alike; a remove that matches nothing succeeds and changes nothing; a path to a sub-attribute of a
// multi-valued attribute needs a value filter; removing a required attribute fails at once, even if a later operation would add it
// again.
//
// Security: memberships are never read or written as a whole. An operation on members becomes a [Delta], so that a request can
// only remove members that it names, unless it says "all" in so many words.
package patch

import (
	"fmt"

	"github.com/scimkit/scim/dialect"
	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/internal/strict"
)

// URN is the schema of a PATCH request body (RFC 7644, section 3.5.2).
const URN = "urn:ietf:params:scim:api:messages:2.0:PatchOp"

// Error is a request that cannot be applied: 400 with ScimType, or 413 if TooLarge is set.
type Error struct {
	ScimType string // a keyword of RFC 7644, section 3.12
	Path     string // canonical path of the attribute, "" where none is known
	Detail   string // a sentence for the client; it names attributes and never holds a value
	TooLarge bool   // the request, or the resource that it makes, exceeds a limit
}

func (e *Error) Error() string { return e.ScimType + ": " + e.Detail }

func refuse(scimType, path, format string, args ...any) *Error {
	return &Error{ScimType: scimType, Path: path, Detail: fmt.Sprintf(format, args...)}
}

// Operation is one operation of a PATCH request. Its value is decoded when its path is known.
type Operation struct {
	Op       string // "add", "remove" or "replace"
	Path     string // as sent
	HasPath  bool
	Value    string // raw JSON
	HasValue bool
}

// The values of Operation.Op.
const (
	Add     = "add"
	Remove  = "remove"
	Replace = "replace"
)

// Decode reads a PATCH request body: RFC 7644, section 3.5.2. maxOperations bounds the operations; one more is TooLarge.
// Keys that the RFC does not define are ignored. The errors are *Error and *strict.Error.
func Decode(r *strict.Reader, maxOperations int, report *dialect.Report) ([]Operation, error) {
	if r.Kind() != '{' {
		return nil, r.Mismatch(refuse(schema.InvalidSyntax, "", "the body must be a JSON object"))
	}
	var names strict.Names
	var ops []Operation
	listed, found := false, false
	err := r.Object(func(key string) (err error) {
		if err := names.Add(key); err != nil {
			return err
		}
		switch strict.FoldName(key) {
		case "schemas":
			listed, err = decodeSchemas(r)
		case "operations":
			found = true
			ops, err = decodeOperations(r, maxOperations, report)
		default:
			err = r.Skip()
		}
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case !listed:
		return nil, refuse(schema.InvalidSyntax, "schemas", "schemas must hold %s", URN)
	case !found:
		return nil, refuse(schema.InvalidSyntax, "Operations", "Operations is required")
	case len(ops) == 0 && !report.Allow(dialect.EmptyOperations):
		return nil, refuse(schema.InvalidSyntax, "Operations", "Operations must hold at least one operation")
	}
	return ops, nil
}

func decodeSchemas(r *strict.Reader) (listed bool, err error) {
	if r.Kind() != '[' {
		return false, r.Mismatch(refuse(schema.InvalidSyntax, "schemas", "schemas must be an array of URIs"))
	}
	err = r.Array(func() error {
		if r.Kind() != '"' {
			return r.Mismatch(refuse(schema.InvalidSyntax, "schemas", "schemas must be an array of URIs"))
		}
		uri, err := r.String()
		listed = listed || strict.FoldName(uri) == strict.FoldName(URN)
		return err
	})
	return listed, err
}

func decodeOperations(r *strict.Reader, limit int, report *dialect.Report) ([]Operation, error) {
	if r.Kind() != '[' {
		return nil, r.Mismatch(refuse(schema.InvalidSyntax, "Operations", "Operations must be an array"))
	}
	var ops []Operation
	err := r.Array(func() error {
		if len(ops) == limit {
			return &Error{ScimType: schema.TooMany, Path: "Operations", TooLarge: true, Detail: fmt.Sprintf("Operations holds more than %d operations", limit)}
		}
		op, err := decodeOperation(r, report)
		ops = append(ops, op)
		return err
	})
	return ops, err
}

func decodeOperation(r *strict.Reader, report *dialect.Report) (Operation, error) {
	var op Operation
	if r.Kind() != '{' {
		return op, r.Mismatch(refuse(schema.InvalidSyntax, "Operations", "an operation must be an object"))
	}
	var names strict.Names
	err := r.Object(func(key string) (err error) {
		if err := names.Add(key); err != nil {
			return err
		}
		switch strict.FoldName(key) {
		case "op":
			op.Op, err = decodeOp(r, report)
		case "path":
			switch r.Kind() {
			case 'n':
				return r.Null()
			case '"':
				op.HasPath = true
				op.Path, err = r.String()
			default:
				return r.Mismatch(refuse(schema.InvalidPath, "path", "path must be a string"))
			}
		case "value":
			op.HasValue = true
			op.Value, err = r.Raw()
		default:
			err = r.Skip()
		}
		return err
	})
	if err == nil && op.Op == "" {
		err = refuse(schema.InvalidSyntax, "op", "op must be add, remove or replace")
	}
	return op, err
}

func decodeOp(r *strict.Reader, report *dialect.Report) (string, error) {
	if r.Kind() != '"' {
		return "", r.Mismatch(refuse(schema.InvalidSyntax, "op", "op must be add, remove or replace"))
	}
	text, err := r.String()
	if err != nil {
		return "", err
	}
	switch op := strict.FoldName(text); op {
	case Add, Remove, Replace:
		if op == text || report.Allow(dialect.OpCase) {
			return op, nil
		}
	}
	return "", refuse(schema.InvalidSyntax, "op", "op must be add, remove or replace")
}
