package filter

import (
	"slices"

	"github.com/scimkit/scim/internal/schema"
)

// kind tells the nodes of a bound filter apart.
type kind uint8

const (
	allOf  kind = iota // every one of kids
	someOf             // one of kids
	// The rest are leaves: what test is applied to.
	always // nothing: it holds
	onID
	onCreated
	onModified
	onVersion
	onLocation
	onRelation // the relation test.attr.Parent
	onDocument // attr has a value for which kids[0] holds
	onValue    // inside onDocument: the value or, if it is set, its sub-attribute sub
)

// node is a bound filter or a part of it. Negations are pushed down to the leaves, so that no store has to negate a NULL.
type node struct {
	kind    kind
	negated bool // leaves only
	kids    []*node
	attr    *schema.Attribute
	sub     *schema.Attribute
	test    test
}

// fixed makes the node of a condition that has the same outcome for every resource.
func fixed(outcome bool) *node { return &node{kind: always, negated: !outcome} }

// cost orders conditions by what it takes to check them: nothing, decoding the document, asking the store.
func (n *node) cost() int {
	switch n.kind {
	case onDocument:
		return 1
	case onRelation:
		return 2
	}
	most := 0
	for _, kid := range n.kids {
		most = max(most, kid.cost())
	}
	return most
}

// terms returns the number of conditions.
func (n *node) terms() int {
	if len(n.kids) == 0 {
		return 1
	}
	sum := 0
	for _, kid := range n.kids {
		sum += kid.terms()
	}
	return sum
}

// join makes one node of several, without needless levels and constants.
func join(k kind, kids []*node) *node {
	joined := &node{kind: k}
	for _, kid := range kids {
		switch {
		case kid.kind == k:
			joined.kids = append(joined.kids, kid.kids...)
		case kid.kind != always:
			joined.kids = append(joined.kids, kid)
		case kid.negated == (k == allOf):
			return kid // false and …, true or …
		}
	}
	switch len(joined.kids) {
	case 0:
		return fixed(k == allOf)
	case 1:
		return joined.kids[0]
	}
	slices.SortStableFunc(joined.kids, func(a, b *node) int { return a.cost() - b.cost() })
	return joined
}
