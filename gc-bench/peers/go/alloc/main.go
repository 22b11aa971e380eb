// The time of one allocation: see ../../../src/workloads/alloc.rs.
package main

import (
	"flag"
	"fmt"

	"greyset.dev/peers/internal/bench"
)

const batch = 4096

// The sizes there is code for, in words.
type block interface {
	[2]uint64 | [3]uint64 | [4]uint64 | [6]uint64 | [8]uint64 | [12]uint64 | [16]uint64 | [32]uint64 | [64]uint64 | [128]uint64 | [512]uint64
}

// Allocates n objects, each in the place of the one made a window ago; returns how many of those held their number.
func allocate[B block](window []*B, first, n uint64, keep uint64) (right uint64) {
	for number := first; number < first+n; number++ {
		b := new(B)
		for i := 0; i < len(*b); i++ {
			(*b)[i] = number
		}
		slot := &window[number%uint64(len(window))]
		if keep == 0 {
			*slot = b
			if (**slot)[0] == number {
				right++
			}
			continue
		}
		if oldest := *slot; oldest == nil && number < keep || oldest != nil && (*oldest)[0] == number-keep {
			right++
		}
		*slot = b
	}
	return right
}

func run[B block](b *bench.Bench, asked int64, keep int) int64 {
	b.Start()
	budget := b.Budget(asked, 100_000_000)
	shares := bench.OnEach(b, func(index int) int64 {
		share, done := budget.Share(index, b.Mutators), int64(0)
		window := make([]*B, max(keep, 1))
		for done < share.Count && !share.IsOver() {
			n := min(batch, share.Count-done)
			right := allocate(window, uint64(done), uint64(n), uint64(keep))
			bench.Expect("the number of intact objects of a batch", int64(right), n)
			done += n
		}
		return done
	})
	b.Stop()
	ops := int64(0)
	for _, done := range shares {
		ops += done
	}
	return ops
}

func main() {
	size := flag.Int("size", 64, "bytes in an object")
	keep := flag.Int("keep", 0, "objects that stay alive, for each mutator")
	asked := flag.Int64("ops", 0, "allocations, over all mutators")
	b := bench.New("alloc")
	sizes := map[int]func(*bench.Bench, int64, int) int64{
		16: run[[2]uint64], 24: run[[3]uint64], 32: run[[4]uint64], 48: run[[6]uint64], 64: run[[8]uint64],
		96: run[[12]uint64], 128: run[[16]uint64], 256: run[[32]uint64], 512: run[[64]uint64], 1024: run[[128]uint64],
		4096: run[[512]uint64],
	}
	run, known := sizes[*size]
	if !known || *keep < 0 {
		bench.Refuse("--size must be 16, 24, 32, 48, 64, 96, 128, 256, 512, 1024 or 4096, --keep at least 0")
	}
	ops := run(b, *asked, *keep)
	check := fmt.Sprintf("%d objects hold their number", ops)
	b.Report(map[string]any{"size": *size, "keep": *keep}, bench.Outcome{Ops: ops, Check: check})
}
