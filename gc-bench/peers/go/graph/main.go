// Whole collections of one big graph, on one processor: see ../../../src/workloads/graph.rs.
package main

import (
	"flag"
	"fmt"
	"runtime"

	"greyset.dev/peers/internal/bench"
)

type object struct {
	left, right *object
	id, payload uint64
}

func main() {
	n := flag.Int("objects", 8_000_000, "objects in the graph")
	order := flag.String("order", "random", "tree or random")
	collections := flag.Int64("collections", 0, "whole collections to do")
	flag.Int("workers", 1, "always 1")
	b := bench.New("graph")
	if *n < 1 || *order != "tree" && *order != "random" || b.Mutators != 1 {
		bench.Refuse("--objects must be at least 1, --order tree or random, --mutators 1")
	}
	runtime.GOMAXPROCS(1)
	first := build(*n, *order)
	runtime.GC()
	b.Start()
	budget, done := b.Budget(*collections, 5), int64(0)
	for done < budget.Count && (done == 0 || !budget.IsOver()) {
		runtime.GC()
		done++
	}
	b.Stop()
	found, sum := walk(first, *order)
	bench.Expect("the number of objects in the graph", found, uint64(*n))
	bench.Expect("the sum of the objects' numbers", sum, uint64(*n)*uint64(*n-1)/2)
	b.Report(map[string]any{"objects": *n, "order": *order}, bench.Outcome{
		Ops:   done * int64(*n),
		Check: fmt.Sprintf("%d objects, sum of numbers %d", found, sum),
	})
}

func build(n int, order string) *object {
	objects := make([]*object, n)
	for i := range objects {
		objects[i] = &object{id: uint64(i)}
	}
	if order == "tree" {
		linkTree(objects)
	} else {
		linkRandom(objects)
	}
	return objects[0]
}

// Links a balanced binary tree whose preorder is the order of the numbers.
func linkTree(objects []*object) {
	type subtree struct{ at, size int }
	todo := []subtree{{0, len(objects)}}
	for len(todo) > 0 {
		t := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		left := t.size / 2
		right := t.size - 1 - left
		if left > 0 {
			objects[t.at].left = objects[t.at+1]
			todo = append(todo, subtree{t.at + 1, left})
		}
		if right > 0 {
			objects[t.at].right = objects[t.at+1+left]
			todo = append(todo, subtree{t.at + 1 + left, right})
		}
	}
}

// Links one cycle through all objects in random order, and a random second reference from each.
func linkRandom(objects []*object) {
	random, n := bench.NewXorshift(0), len(objects)
	order := make([]uint32, n)
	for i := range order {
		order[i] = uint32(i)
	}
	for i := n - 1; i > 0; i-- {
		j := random.Below(i + 1)
		order[i], order[j] = order[j], order[i]
	}
	for i := range order {
		o := objects[order[i]]
		o.left = objects[order[(i+1)%n]]
		o.right = objects[random.Below(n)]
	}
}

func walk(first *object, order string) (found, sum uint64) {
	if order == "random" {
		for o := first; ; o = o.left {
			found, sum = found+1, sum+o.id
			if o.left == first {
				return found, sum
			}
		}
	}
	todo := []*object{first}
	for len(todo) > 0 {
		o := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		found, sum = found+1, sum+o.id
		for _, child := range []*object{o.right, o.left} {
			if child != nil {
				todo = append(todo, child)
			}
		}
	}
	return found, sum
}
