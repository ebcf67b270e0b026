package wire

import (
	"net/http"
	"strconv"
	"sync"
)

// WriteBody sends a complete answer.
func WriteBody(w http.ResponseWriter, status int, mediaType string, body []byte) {
	h := w.Header()
	h["Content-Type"] = contentTypes[mediaType]
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	// The client is gone if this fails, and nothing can be told to it.
	_, _ = w.Write(body)
}

// contentTypes are header values that answers share instead of allocating them.
var contentTypes = map[string][]string{MediaType: {MediaType}, plainType: {plainType}}

// streamAt is the size from which an answer is sent while it is written: below it, an answer is either complete or an error.
const streamAt = 256 << 10

// Writer builds the body of one answer. What it appends to Buf is sent when it is complete or when it grows large.
type Writer struct {
	Buf       []byte
	w         http.ResponseWriter
	mediaType string
	status    int
	streaming bool
}

var writers = sync.Pool{New: func() any { return &Writer{Buf: make([]byte, 0, 4<<10)} }}

// NewWriter returns a Writer for an answer with that status. Close or Discard it.
func NewWriter(w http.ResponseWriter, status int, mediaType string) *Writer {
	b := writers.Get().(*Writer)
	*b = Writer{Buf: b.Buf[:0], w: w, status: status, mediaType: mediaType}
	return b
}

// Streaming reports whether a part of the answer is on its way, so that an error can only abort the connection.
func (b *Writer) Streaming() bool { return b.streaming }

// Flush sends what there is if it is much.
func (b *Writer) Flush() error {
	if len(b.Buf) < streamAt {
		return nil
	}
	if !b.streaming {
		b.streaming = true
		b.w.Header()["Content-Type"] = contentTypes[b.mediaType]
		b.w.WriteHeader(b.status)
	}
	_, err := b.w.Write(b.Buf)
	b.Buf = b.Buf[:0]
	return err
}

// Close sends the rest.
func (b *Writer) Close() {
	if b.streaming {
		_, _ = b.w.Write(b.Buf)
	} else {
		WriteBody(b.w, b.status, b.mediaType, b.Buf)
	}
	b.Discard()
}

// Discard releases the Writer without sending anything more.
func (b *Writer) Discard() {
	b.w = nil
	if cap(b.Buf) <= 2*streamAt {
		writers.Put(b)
	}
}
