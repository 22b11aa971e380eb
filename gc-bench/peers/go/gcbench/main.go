// GCBench of Ellis, Kovac and Boehm: see ../../../src/workloads/gcbench.rs.
package main

import (
	"fmt"

	"greyset.dev/peers/internal/bench"
)

const (
	stretchDepth   = 18
	longLivedDepth = 16
	arrayLength    = 500_000
	minDepth       = 4
	maxDepth       = 16
)

type node struct {
	left, right *node
	i, j        uint32
}

func bottomUp(depth int) *node {
	if depth == 0 {
		return &node{}
	}
	left := bottomUp(depth - 1)
	right := bottomUp(depth - 1)
	return &node{left: left, right: right}
}

func topDown(depth int) *node {
	n := &node{}
	populate(depth, n)
	return n
}

func populate(depth int, n *node) {
	if depth == 0 {
		return
	}
	n.left = &node{}
	n.right = &node{}
	populate(depth-1, n.left)
	populate(depth-1, n.right)
}

func (n *node) count() int64 {
	if n == nil {
		return 0
	}
	return 1 + n.left.count() + n.right.count()
}

func nodes(depth int) int64 { return 2<<depth - 1 }

func main() {
	b := bench.New("gcbench")
	b.Start()
	bottomUp(stretchDepth)
	tree := topDown(longLivedDepth)
	numbers := make([]float64, arrayLength)
	for i := range numbers[:arrayLength/2] {
		numbers[i] = 1 / float64(i)
	}
	budget := b.Budget(0, 0)
	shares := bench.OnEach(b, func(index int) int64 { return share(b, budget, index) })
	kept, number := tree.count(), numbers[1000]
	b.Stop()
	bench.Expect("the long-lived tree's node count", kept, nodes(longLivedDepth))
	bench.Expect("element 1000 of the long-lived array", number, 1.0/1000)
	ops := nodes(stretchDepth) + kept
	for _, made := range shares {
		ops += made
	}
	check := fmt.Sprintf("long-lived tree of %d nodes, array[1000] = %g", kept, number)
	b.Report(map[string]any{}, bench.Outcome{Ops: ops, Check: check})
}

// One mutator's share of the trees of all depths; returns the nodes it has made.
func share(b *bench.Bench, budget bench.Budget, index int) (made int64) {
	for depth := minDepth; depth <= maxDepth; depth += 2 {
		trees := int(2 * nodes(stretchDepth) / nodes(depth))
		for _, build := range []func(int) *node{topDown, bottomUp} {
			for i := index; i < trees; i += b.Mutators {
				if i%64 == 0 && budget.IsOver() {
					return made
				}
				n := build(depth)
				if i == index {
					bench.Expect("the node count of a tree", n.count(), nodes(depth))
				}
				made += nodes(depth)
			}
		}
	}
	return made
}
