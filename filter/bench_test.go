package filter_test

import (
	"strings"
	"testing"

	ast "github.com/scim2/filter-parser/v2"

	"github.com/scimkit/scim/filter"
)

var benchmarked = map[string]string{
	"eq":        `userName eq "bjensen@example.com"`,
	"and":       `userName eq "bjensen@example.com" and active eq true`,
	"valuepath": `emails[type eq "work" and value co "@example.com"]`,
	"rfc":       `userType eq "Employee" and (emails co "example.com" or emails.value co "example.org")`,
}

func BenchmarkParse(b *testing.B) {
	for name, text := range benchmarked {
		b.Run(name+"/ours", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := filter.Parse(text, filter.DefaultLimits, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/filter-parser", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ast.ParseFilterNumber([]byte(text)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	const most = `userName eq "x" or `
	b.Run("100 terms/ours", func(b *testing.B) {
		text := strings.Repeat(most, 99) + `userName eq "x"`
		b.ReportAllocs()
		for b.Loop() {
			if _, err := filter.Parse(text, filter.DefaultLimits, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("refused/ours", func(b *testing.B) {
		text := strings.Repeat("(", 1<<20)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := filter.Parse(text, filter.DefaultLimits, nil); err == nil {
				b.Fatal("parsed")
			}
		}
	})
}

func BenchmarkBind(b *testing.B) {
	for name, text := range benchmarked {
		expr, err := filter.Parse(text, filter.DefaultLimits, nil)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := filter.Bind(expr, userType, options, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkMatch(b *testing.B) {
	r := record(b, userType, bjensen)
	if _, err := r.Document.Tree(userType); err != nil {
		b.Fatal(err)
	}
	for name, text := range benchmarked {
		f := bind(b, userType, text, nil)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f.Match(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSQL(b *testing.B) {
	for name, text := range benchmarked {
		f := bind(b, userType, text, nil)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f.SQL(filter.Columns{Map: map[string]filter.Column{"userName": {Expr: "user_name", Type: filter.FoldedText}}})
			}
		})
	}
}
