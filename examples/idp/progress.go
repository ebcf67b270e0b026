package main

import (
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// progress tells a person how far the run is: a bar that is drawn again and again, or one line at the end of each stage.
type progress struct {
	w   io.Writer
	bar bool

	mu    sync.Mutex
	name  string
	start time.Time
	drawn time.Time
	done  int
	total int
}

// redraw is the least time between two states of the bar.
const redraw = 100 * time.Millisecond

// width is the length of the bar in characters.
const width = 30

func (p *progress) begin(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.name, p.start, p.drawn, p.done, p.total = name, time.Now(), time.Time{}, 0, 0
}

// expect adds n steps to the stage.
func (p *progress) expect(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.total += n
}

func (p *progress) step() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	if now := time.Now(); p.bar && now.Sub(p.drawn) >= redraw {
		p.drawn = now
		p.draw()
	}
}

func (p *progress) draw() {
	filled := width
	if p.total > 0 {
		filled = width * p.done / p.total
	}
	printf(p.w, "\r%-18s [%s%s] %d/%d ", p.name, strings.Repeat("#", filled), strings.Repeat(".", width-filled), p.done, p.total)
}

func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	took := time.Since(p.start).Round(10 * time.Millisecond)
	if p.bar {
		p.draw()
		printf(p.w, "%s\n", took)
		return
	}
	printf(p.w, "idp: %s: %d/%d in %s\n", p.name, p.done, p.total, took)
}

// isTerminal reports whether a file is a device that shows characters to somebody.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
