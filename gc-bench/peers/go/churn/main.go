// Small trees made, read, dropped and replaced in a large live heap: see ../../../src/workloads/churn.rs.
package main

import (
	"flag"
	"fmt"

	"greyset.dev/peers/internal/bench"
)

const (
	treeBytes = 7 * 48
	treeDepth = 2
)

// 48 bytes: all words are the tree's number plus the node's place in the tree.
type node struct {
	left, right *node
	words       [4]uint64
}

func build(number, place uint64, depth int) *node {
	var left, right *node
	if depth > 0 {
		left = build(number, 2*place, depth-1)
		right = build(number, 2*place+1, depth-1)
	}
	word := number + place
	return &node{left, right, [4]uint64{word, word, word, word}}
}

func (n *node) read() uint64 {
	sum := n.words[0] + n.words[1] + n.words[2] + n.words[3]
	if n.left != nil {
		sum += n.left.read()
	}
	if n.right != nil {
		sum += n.right.read()
	}
	return sum
}

func expected(number uint64) uint64 { return 4 * (7*number + 28) }

type done struct {
	ops   int64
	times *bench.Times
}

func main() {
	live := flag.String("live", "256MiB", "live data, over all mutators")
	asked := flag.Int64("ops", 0, "operations to do, over all mutators")
	b := bench.New("churn")
	trees := int(bench.ParseSize(*live)/treeBytes) / b.Mutators
	if trees == 0 {
		bench.Refuse("--live must be at least %d bytes for each mutator", treeBytes)
	}
	forests := bench.OnEach(b, func(int) []*node {
		forest := make([]*node, trees)
		for i := range forest {
			forest[i] = build(uint64(i), 1, treeDepth)
		}
		return forest
	})
	b.Start()
	budget := b.Budget(*asked, 5_000_000)
	shares := bench.OnEach(b, func(index int) done {
		return work(forests[index], bench.NewXorshift(index), budget.Share(index, b.Mutators))
	})
	b.Stop()
	ops, times := int64(0), []*bench.Times{}
	for i, share := range shares {
		ops += share.ops
		times = append(times, share.times)
		for _, tree := range forests[i] {
			bench.Expect("the sum of a tree", tree.read(), expected(tree.words[0]-1))
		}
	}
	b.Report(map[string]any{"live": bench.ParseSize(*live)}, bench.Outcome{
		Ops:     ops,
		Check:   fmt.Sprintf("%d trees read right, %d trees whole at the end", ops, trees*b.Mutators),
		OpTimes: bench.Merge(times),
	})
}

func work(forest []*node, random *bench.Xorshift, budget bench.Budget) done {
	times := bench.NewTimes()
	limit, ops := budget.Limit(times), int64(0)
	for ops < budget.Count {
		number := uint64(ops)
		if sum := build(number, 1, treeDepth).read(); sum != expected(number) {
			bench.Expect("the sum of a tree", sum, expected(number))
		}
		forest[random.Below(len(forest))] = build(number, 1, treeDepth)
		ops++
		if times.Lap() >= limit {
			break
		}
	}
	return done{ops, times}
}
