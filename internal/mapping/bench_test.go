package mapping_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scimkit/scim/internal/mapping"
	"github.com/scimkit/scim/internal/schema"
)

var benchmarked = map[string]string{
	"nickName":                    `{{ value | downcase | replace: " ", "-" }}.metadata.nick`,
	"userType":                    `{{ value | downcase | default: "member" }}.role`,
	enterpriseURN + ":department": "metadata.department",
}

func BenchmarkCompile(b *testing.B) {
	for name, table := range map[string]map[string]string{"defaults": nil, "expressions": benchmarked} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := mapping.Compile(userType, table, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkApply(b *testing.B) {
	run := func(name string, table map[string]string, document *schema.Document) {
		b.Run(name, func(b *testing.B) {
			m := compile(b, table)
			_, err := document.Tree(userType)
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.Apply(context.Background(), document); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	run("defaults", nil, decode(b, userType, barbara))
	run("expressions", benchmarked, decode(b, userType, barbara))
	// The longest value, in letters that take long, through as many filters as there may be.
	slow := map[string]string{"nickName": "{{ value" + strings.Repeat(" | downcase | upcase", mapping.MaxFilters/2) + " }}.metadata.nick"}
	run("slowest letters", slow, user(b, "nickName", strings.Repeat("É", mapping.MaxValue/2)))
	grown := map[string]string{"nickName": `{{ value | replace: "a", "ÉÉ" | downcase | upcase | split: "x" | last | split: "" | last }}.metadata.nick`}
	run("longest results", grown, user(b, "nickName", strings.Repeat("a", mapping.MaxValue/2)))
}
