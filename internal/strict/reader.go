package strict

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// Reader walks one document. Strings that it returns share one copy of the document. It is not safe for concurrent use.
type Reader struct {
	dec *jsontext.Decoder
	src string
}

// Kind is the first byte of a JSON value: one of n f t " 0 { [, or 0 where no value follows.
type Kind = jsontext.Kind

type pooled struct {
	dec jsontext.Decoder
	buf bytes.Buffer
}

var pool = sync.Pool{New: func() any { return new(pooled) }}

// Read walks the one JSON value in body by calling f, and refuses whatever follows that value.
// The errors are those of f, or an *Error.
func Read(body []byte, f func(*Reader) error) error {
	return ReadString(string(body), f)
}

// ReadString is Read for a document that is a string already.
func ReadString(src string, f func(*Reader) error) error {
	p := pool.Get().(*pooled)
	defer func() {
		p.buf.Reset()
		pool.Put(p)
	}()
	p.buf.WriteString(src)
	p.dec.Reset(&p.buf)
	r := Reader{dec: &p.dec, src: src}
	if err := f(&r); err != nil {
		return err
	}
	if _, err := r.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return &Error{Detail: "the JSON is followed by more data"}
	}
	return nil
}

// Kind returns the kind of the next value without consuming it.
func (r *Reader) Kind() Kind { return r.dec.PeekKind() }

// Object reads an object, calling f with each key; f must consume the value. Keys are unescaped, their case is the document's.
// Keys are compared by the caller: see Names for those that it does not know.
func (r *Reader) Object(f func(key string) error) error {
	if err := r.expect('{', "an object"); err != nil {
		return err
	}
	for r.dec.PeekKind() != '}' {
		key, err := r.text()
		if err != nil {
			return err
		}
		if err := f(key); err != nil {
			return err
		}
	}
	_, err := r.dec.ReadToken()
	return r.wrap(err)
}

// Array reads an array, calling f before each element; f must consume it.
func (r *Reader) Array(f func() error) error {
	if err := r.expect('[', "an array"); err != nil {
		return err
	}
	for r.dec.PeekKind() != ']' {
		if err := f(); err != nil {
			return err
		}
	}
	_, err := r.dec.ReadToken()
	return r.wrap(err)
}

// String reads a string.
func (r *Reader) String() (string, error) {
	if r.dec.PeekKind() != '"' {
		return "", r.unexpected("a string")
	}
	return r.text()
}

// Bool reads true or false.
func (r *Reader) Bool() (bool, error) {
	switch r.dec.PeekKind() {
	case 't', 'f':
		t, err := r.dec.ReadToken()
		if err != nil {
			return false, r.wrap(err)
		}
		return t.Bool(), nil
	}
	return false, r.unexpected("true or false")
}

// Number reads a number and returns its literal as written.
func (r *Reader) Number() (string, error) {
	if r.dec.PeekKind() != '0' {
		return "", r.unexpected("a number")
	}
	return r.span()
}

// Null reads null.
func (r *Reader) Null() error {
	if r.dec.PeekKind() != 'n' {
		return r.unexpected("null")
	}
	_, err := r.dec.ReadToken()
	return r.wrap(err)
}

// Raw reads any value and returns it as written, without checking keys inside it for case-folded duplicates.
func (r *Reader) Raw() (string, error) { return r.span() }

// Skip reads any value and drops it; case-folded duplicate keys inside it are refused.
func (r *Reader) Skip() error {
	switch r.dec.PeekKind() {
	case '{':
		var names Names
		return r.Object(func(key string) error {
			if err := names.Add(key); err != nil {
				return err
			}
			return r.Skip()
		})
	case '[':
		return r.Array(r.Skip)
	default:
		return r.wrap(r.dec.SkipValue())
	}
}

// Mismatch returns err for a next value that is not of the kind that the caller wants, unless it is no JSON: then that is the error,
// which matters more. It consumes the value.
func (r *Reader) Mismatch(err error) error {
	if syntax := r.dec.SkipValue(); syntax != nil {
		return r.wrap(syntax)
	}
	return err
}

func (r *Reader) expect(kind Kind, what string) error {
	if r.dec.PeekKind() != kind {
		return r.unexpected(what)
	}
	_, err := r.dec.ReadToken()
	return r.wrap(err)
}

func (r *Reader) unexpected(what string) error {
	return r.Mismatch(&Error{Detail: fmt.Sprintf("expected %s at byte %d of the JSON", what, r.dec.InputOffset())})
}

// span reads one value and returns it as a part of src.
func (r *Reader) span() (string, error) {
	v, err := r.dec.ReadValue()
	if err != nil {
		return "", r.wrap(err)
	}
	end := int(r.dec.InputOffset())
	return r.src[end-len(v) : end], nil
}

// text reads a string or key. Without escapes it is a part of src.
func (r *Reader) text() (string, error) {
	raw, err := r.span()
	if err != nil {
		return "", err
	}
	for i := range len(raw) {
		if raw[i] == '\\' {
			unquoted, err := jsontext.AppendUnquote(nil, raw)
			return string(unquoted), r.wrap(err)
		}
	}
	return raw[1 : len(raw)-1], nil
}

// wrap turns an error of the tokenizer into an *Error that quotes nothing of the document.
func (r *Reader) wrap(err error) error {
	if err == nil {
		return nil
	}
	detail := fmt.Sprintf("the JSON is malformed at byte %d", r.dec.InputOffset())
	var syntactic *jsontext.SyntacticError
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		detail = fmt.Sprintf("the JSON repeats an object key at byte %d", r.dec.InputOffset())
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		detail = "the JSON ends too early"
	case errors.As(err, &syntactic):
		detail = fmt.Sprintf("the JSON is malformed at byte %d", syntactic.ByteOffset)
	}
	return &Error{Detail: detail, cause: err}
}

// Names finds keys that differ only in ASCII case among the keys of one object.
type Names struct{ seen map[string]struct{} }

// Add refuses key if an equal one was added before.
func (n *Names) Add(key string) error {
	folded := FoldName(key)
	if _, ok := n.seen[folded]; ok {
		return &Error{Detail: "the JSON repeats an object key that differs only in letter case"}
	}
	if n.seen == nil {
		n.seen = make(map[string]struct{})
	}
	n.seen[folded] = struct{}{}
	return nil
}

// FoldName lowers the ASCII letters of an attribute name, URN or keyword. Other characters keep their case: no SCIM name holds
// them, and Unicode folding would let "uſerName" stand for "userName".
func FoldName(s string) string {
	for i := range len(s) {
		if c := s[i]; 'A' <= c && c <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if c := b[i]; 'A' <= c && c <= 'Z' {
					b[i] = c + ('a' - 'A')
				}
			}
			return string(b)
		}
	}
	return s
}
