package main

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// maxShown is how many mismatches are printed; all are counted.
const maxShown = 20

// Lengths of what a mismatch shows of a request or an answer, in bytes, and of its list of differences, in lines.
const (
	maxExcerpt     = 500
	maxDifferences = 10
)

// mismatch is a difference between what the provider sent or expects and what the server answered.
type mismatch struct {
	stage  string
	sent   string // the request that should have brought it about: "PATCH /Users/2819"
	body   string // of that request
	read   string // the request that brought it to light, if it is another one
	about  string // what differs, a line each
	answer string // body of the answer that differs
}

// report collects what a run sees.
type report struct {
	token string

	mu      sync.Mutex
	stage   string
	timings map[string]*timing // by method and template
	refused int                // requests answered with 429
	waited  time.Duration      // as Retry-After asked for, over all refusals
	shown   []mismatch
	count   int
}

// timing is about one kind of request.
type timing struct {
	took    []time.Duration
	classes [6]int // answers by the first digit of their status
}

func newReport(token string) *report {
	return &report{token: token, timings: map[string]*timing{}}
}

// redact takes the token out of a text: a server may send it back.
func (r *report) redact(text string) string { return strings.ReplaceAll(text, r.token, "[token]") }

func (r *report) enter(stage string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stage = stage
}

func (r *report) measure(template string, status int, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.timings[template]
	if t == nil {
		t = &timing{}
		r.timings[template] = t
	}
	t.took = append(t.took, took)
	t.classes[min(status/100, 5)]++
}

func (r *report) refuse(pause time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused++
	r.waited += pause
}

func (r *report) add(m mismatch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count++
	if len(r.shown) < maxShown {
		m.stage = r.stage
		r.shown = append(r.shown, m)
	}
}

func (r *report) mismatches() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count
}

// print writes the summary.
func (r *report) print(w io.Writer, headline string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", headline)
	r.printTimings(&b)
	if r.refused > 0 {
		fmt.Fprintf(&b, "\n%d requests were refused with %d and repeated; Retry-After asked for %s in all\n",
			r.refused, http.StatusTooManyRequests, r.waited)
	}
	fmt.Fprintf(&b, "\nmismatches: %d\n", r.count)
	for i, m := range r.shown {
		fmt.Fprintf(&b, "\n%d. %s\n", i+1, m.stage)
		r.printMismatch(&b, m)
	}
	if more := r.count - len(r.shown); more > 0 {
		fmt.Fprintf(&b, "\nand %d more\n", more)
	}
	printf(w, "%s", r.redact(b.String()))
}

func (r *report) printTimings(b *strings.Builder) {
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	printf(table, "count\t2xx\t3xx\t4xx\t5xx\tp50\tp95\tp99\tmax\t request\n")
	all := &timing{}
	for _, template := range slices.Sorted(maps.Keys(r.timings)) {
		t := r.timings[template]
		t.print(table, template)
		all.took = append(all.took, t.took...)
		for class, n := range t.classes {
			all.classes[class] += n
		}
	}
	all.print(table, "all")
	_ = table.Flush() // a strings.Builder takes everything
}

func (t *timing) print(w io.Writer, name string) {
	slices.Sort(t.took)
	printf(w, "%d\t%d\t%d\t%d\t%d\t", len(t.took), t.classes[2], t.classes[3], t.classes[4], t.classes[5])
	for _, percent := range []int{50, 95, 99, 100} {
		printf(w, "%s\t", milliseconds(t.percentile(percent)))
	}
	printf(w, " %s\n", name)
}

// percentile returns the smallest time that percent of all do not exceed.
func (t *timing) percentile(percent int) time.Duration {
	if len(t.took) == 0 {
		return 0
	}
	return t.took[max((len(t.took)*percent+99)/100, 1)-1]
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000)
}

func (r *report) printMismatch(b *strings.Builder, m mismatch) {
	fmt.Fprintf(b, "   sent    %s\n", r.excerpt(m.sent))
	if m.body != "" {
		fmt.Fprintf(b, "           %s\n", r.excerpt(m.body))
	}
	if m.read != "" {
		fmt.Fprintf(b, "   read    %s\n", r.excerpt(m.read))
	}
	lines := strings.Split(m.about, "\n")
	if more := len(lines) - maxDifferences; more > 0 {
		lines = append(lines[:maxDifferences], fmt.Sprintf("and %d more differences", more))
	}
	for _, line := range lines {
		fmt.Fprintf(b, "   differs %s\n", r.excerpt(line))
	}
	if m.answer != "" {
		fmt.Fprintf(b, "   answer  %s\n", r.excerpt(m.answer))
	}
}

// excerpt cuts a text, after the token was taken out of it: half a token is a secret too.
func (r *report) excerpt(text string) string {
	text = strings.Map(printable, r.redact(text))
	if len(text) <= maxExcerpt {
		return text
	}
	return strings.ToValidUTF8(text[:maxExcerpt], "") + "…"
}

// printable keeps a server's answer from steering the terminal.
func printable(r rune) rune {
	if r < ' ' || 0x7f <= r && r < 0xa0 {
		return ' '
	}
	return r
}
