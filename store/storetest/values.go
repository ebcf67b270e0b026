package storetest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/scimkit/scim/internal/schema"
	"github.com/scimkit/scim/store"
)

var valueTests = []test{
	{"of every plane", 0, true, testCharacters},
	{"of full length", 0, true, testLongValues},
	{"many", wholeDocuments | users, false, testManyValues},
	{"long keys", wholeDocuments | users, false, testLongKeys},
}

// characters are texts that databases, their drivers and their patterns stumble over. The first have a character of each plane of
// Unicode that has any.
var characters = []string{
	"plane 0: é ß İ ı ſ K Å \u0130\u0307 \u00a0 \u200d \u202e \ufeff \ufffd \ue000 中", "plane 1: \U0001F680 \U0001D11E \U00010400", "plane 2: \U00020000",
	"plane 3: \U00030000", "plane 14: \U000E0041\U000E007F", "plane 15: \U000F0000", "plane 16: \U0010FFFD",
	`quote ' '' " "" end`, "percent % %s %d %% _ * ?", `backslash \ \\ \n \u0041 \`, "dollar $1 $$ :name @p1 ?1", "tags <script>&amp;</script>",
	"lines \n\r\n\t end", "e\u0301 decomposed", "\U0001F469\u200D\U0001F4BB\U0001F3FD", " spaces around ", "NULL", "true", "1e400", "{}", "--; DROP TABLE x",
}

func testCharacters(r *rig) {
	var list []store.Resource
	for i, text := range characters {
		x := r.create(r.typ, named(r.typ, fmt.Sprint("name ", i)))
		x = r.update(x.Ref, r.change(x, named(r.typ, text).with("displayName", text).with("externalId", text))).Resource
		if got := r.kept(r.typ, r.get(x.Ref).Document).Get(nameAttribute(r.typ)).Text(); got != text {
			r.Fatalf("the text %q comes back as %q", text, got)
		}
		list = append(list, r.get(x.Ref))
	}
	for _, text := range append(characters, "%", "_", `\`, "'", "\U0001F680", "\U0010FFFD", "*", "e\u0301") {
		for _, operator := range []string{"eq", "ne", "co", "sw", "ew", "ge"} {
			r.exact(nameOf(r.typ)+" "+operator+" "+literal(text), list, alone)
		}
		for _, path := range []string{"displayName", "externalId"} {
			r.exact(path+" eq "+literal(text), list, alone)
			r.exact(path+" co "+literal(text), list, alone)
		}
	}
}

func nameAttribute(typ string) *schema.Attribute {
	a, _ := typeNamed(typ).Root.SubAttribute(nameOf(typ))
	return a
}

// literal returns a text as a literal of a filter.
func literal(text string) string {
	quoted, _ := json.Marshal(text) // a string always can
	return string(quoted)
}

// testLongValues checks texts of the lengths that the handler lets pass: schema.MaxKey bytes for what stores index, schema.MaxString
// for the rest.
func testLongValues(r *rig) {
	key := func(end string) string { return strings.Repeat("\U0001F680", schema.MaxKey/4-1) + end }
	long := strings.Repeat("'\U0001F680\"%\\", schema.MaxString/8)
	a := rich(r.typ, "x").with(nameOf(r.typ), key("last")).with("displayName", key("name")).with("externalId", key("ext."))
	if r.typ == "User" {
		a = a.with("title", long).with("name", attributes{"givenName": long}).with("emails", []attributes{{"value": long, "type": "work"}})
	}
	first := r.create(r.typ, a)
	second := r.create(r.typ, named(r.typ, key("Last")[4:]))
	list := []store.Resource{r.get(first.Ref), r.get(second.Ref)}
	want := typeNamed(r.typ).Document(r.input(r.typ, a).Tree)
	if !r.kept(r.typ, list[0].Document).Equal(r.kept(r.typ, want)) {
		r.Fatalf("a document with long values does not come back as it was: %d bytes, want %d",
			len(r.text(r.typ, list[0].Document)), len(r.text(r.typ, want)))
	}
	for _, path := range []string{nameOf(r.typ), "displayName", "externalId"} {
		for _, text := range []string{key("last"), key("LAST"), key("name"), key("ext."), key("none")} {
			for _, operator := range []string{"eq", "ne", "sw", "gt"} {
				r.agree(path+" "+operator+" "+literal(text), list, alone)
			}
		}
	}
	if r.typ == "User" {
		r.agree("emails.value co "+literal(long[:schema.MaxKey]), list, alone)
		r.agree("title ew "+literal(long[len(long)-schema.MaxKey:]), list, alone)
		_, err := r.Create(r.Context(), r.scope, r.draft("User", named("User", key("LAST"))))
		r.conflicts(err, "userName", "Create with a long userName that is taken")
		r.create("User", named("User", key("lest")))
	}
}

// testManyValues checks an attribute with as many values as the handler lets pass.
func testManyValues(r *rig) {
	var emails []attributes
	for n := range schema.MaxElements {
		emails = append(emails, attributes{"value": fmt.Sprintf("address-%d@example.test", n)})
	}
	ann := r.create("User", rich("User", "ann").with("emails", emails))
	list := []store.Resource{r.get(ann.Ref), r.create("User", rich("User", "bea"))}
	equal(r, "the document", r.text("User", list[0].Document), r.text("User", ann.Document))
	for _, n := range []int{0, 1, schema.MaxElements - 1, schema.MaxElements} {
		r.agree(fmt.Sprintf(`emails.value eq "ADDRESS-%d@example.test"`, n), list, alone)
	}
	last := r.update(ann.Ref, r.change(ann, rich("User", "ann").with("emails", emails[1:])))
	list[0] = r.get(last.Resource.Ref)
	r.agree(`emails.value eq "address-0@example.test"`, list, alone)
	r.agree(`emails.value eq "address-999@example.test"`, list, alone)
}

// testLongKeys checks unique values that folding made longer than the attribute may be: 512 characters of four bytes each.
func testLongKeys(r *rig) {
	value := []rune(strings.Repeat("\U0001F680", 512))
	try := func(name string, value []rune) error {
		draft := r.draft("User", named("User", name))
		draft.Unique = []store.Key{{Path: "userName", Value: string(value)}}
		_, err := r.Create(r.Context(), r.scope, draft)
		return err
	}
	r.ok(try("ann", value), "Create with a long unique value")
	r.conflicts(try("bea", value), "userName", "Create with a long unique value that is taken")
	for i, at := range []int{0, 255, 511} {
		other := slices.Clone(value)
		other[at]++
		r.ok(try(fmt.Sprint("cleo ", i), other), "Create with a unique value that differs in character %d of 512", at+1)
		r.conflicts(try("dora", other), "userName", "Create with it again")
	}
}
