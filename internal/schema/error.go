package schema

import "fmt"

// The scimType keywords of RFC 7644, section 3.12, table 9.
const (
	InvalidFilter = "invalidFilter"
	TooMany       = "tooMany"
	Uniqueness    = "uniqueness"
	Mutability    = "mutability"
	InvalidSyntax = "invalidSyntax"
	InvalidPath   = "invalidPath"
	NoTarget      = "noTarget"
	InvalidValue  = "invalidValue"
	InvalidVers   = "invalidVers"
	Sensitive     = "sensitive"
)

// Error is a request that a schema refuses: 400 with ScimType.
type Error struct {
	ScimType string
	Path     string // canonical path of the attribute, "" where none is known
	Detail   string // a sentence for the client; it names attributes and never holds a value
}

func (e *Error) Error() string { return e.ScimType + ": " + e.Detail }

func invalid(a *Attribute, format string, args ...any) *Error {
	return &Error{ScimType: InvalidValue, Path: a.Path, Detail: a.Path + " " + fmt.Sprintf(format, args...)}
}
