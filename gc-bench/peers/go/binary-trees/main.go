// The Benchmarks Game program: see ../../../src/workloads/binary_trees.rs.
package main

import (
	"flag"
	"fmt"

	"greyset.dev/peers/internal/bench"
)

const minDepth = 4

type node struct{ left, right *node }

func build(depth int) *node {
	if depth == 0 {
		return &node{}
	}
	left := build(depth - 1)
	right := build(depth - 1)
	return &node{left, right}
}

func (n *node) count() int64 {
	total := int64(1)
	if n.left != nil {
		total += n.left.count()
	}
	if n.right != nil {
		total += n.right.count()
	}
	return total
}

func nodes(depth int) int64 { return 2<<depth - 1 }

func main() {
	depth := flag.Int("depth", 18, "depth of the long-lived tree")
	step := flag.Int("step", 2, "from one depth of short-lived trees to the next")
	b := bench.New("binary-trees")
	if *depth < 6 || *depth > 26 || *step < 1 {
		bench.Refuse("--depth must be 6 to 26, --step at least 1")
	}
	b.Start()
	stretch := build(*depth + 1).count()
	longLived := build(*depth)
	budget := b.Budget(0, 0)
	shares := bench.OnEach(b, func(index int) int64 {
		made := int64(0)
		for d := minDepth; d <= *depth; d += *step {
			for tree := index; tree < 1<<(*depth-d+minDepth); tree += b.Mutators {
				if tree%64 == index && budget.IsOver() {
					break
				}
				n := build(d).count()
				bench.Expect("the node count of a tree", n, nodes(d))
				made += n
			}
		}
		return made
	})
	kept := longLived.count()
	b.Stop()
	bench.Expect("the stretch tree's node count", stretch, nodes(*depth+1))
	bench.Expect("the long-lived tree's node count", kept, nodes(*depth))
	shortLived := int64(0)
	for _, share := range shares {
		shortLived += share
	}
	b.Report(map[string]any{"depth": *depth, "step": *step}, bench.Outcome{
		Ops:   stretch + kept + shortLived,
		Check: fmt.Sprintf("stretch %d, short-lived %d, long-lived %d nodes", stretch, shortLived, kept),
	})
}
