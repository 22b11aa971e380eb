// A ring of messages: see ../../../src/workloads/queue.rs.
package main

import (
	"encoding/binary"
	"flag"
	"fmt"

	"greyset.dev/peers/internal/bench"
)

var (
	window = flag.Int("window", 200_000, "messages that stay alive, in each ring")
	pushes = flag.Int64("pushes", 0, "messages to push, over all rings")
	size   = flag.Int("size", 1024, "bytes in a message")
)

type done struct {
	pushed int64
	times  *bench.Times
}

func main() {
	b := bench.New("queue")
	if *window < 1 || *size < 8 {
		bench.Refuse("--window must be at least 1, --size at least 8")
	}
	rings := bench.OnEach(b, func(int) [][]byte { return fill() })
	b.Start()
	budget := b.Budget(*pushes, 5_000_000)
	shares := bench.OnEach(b, func(index int) done { return push(rings[index], budget.Share(index, b.Mutators)) })
	b.Stop()
	ops, times := int64(0), []*bench.Times{}
	for _, share := range shares {
		ops += share.pushed
		times = append(times, share.times)
	}
	b.Report(map[string]any{"window": *window, "size": *size}, bench.Outcome{
		Ops:     ops,
		Check:   fmt.Sprintf("%d messages came out in order and whole", ops),
		OpTimes: bench.Merge(times),
	})
}

// The bytes that all messages have in common.
func text() []byte {
	text := make([]byte, *size)
	for i := range text {
		text[i] = byte(i)
	}
	return text
}

func message(text []byte, number uint64) []byte {
	binary.LittleEndian.PutUint64(text, number)
	message := make([]byte, len(text))
	copy(message, text)
	return message
}

func fill() [][]byte {
	ring, text := make([][]byte, *window), text()
	for i := range ring {
		ring[i] = message(text, uint64(i))
	}
	return ring
}

func push(ring [][]byte, budget bench.Budget) done {
	text, times := text(), bench.NewTimes()
	limit, at, pushed := budget.Limit(times), 0, int64(0)
	for pushed < budget.Count {
		oldest := ring[at]
		if binary.LittleEndian.Uint64(oldest) != uint64(pushed) || *size > 8 && oldest[*size-1] != byte(*size-1) {
			bench.Expect("the message out of the ring", binary.LittleEndian.Uint64(oldest), uint64(pushed))
			bench.Expect("its last byte", oldest[*size-1], byte(*size-1))
		}
		ring[at] = message(text, uint64(pushed)+uint64(*window))
		pushed++
		if at++; at == *window {
			at = 0
		}
		if times.Lap() >= limit {
			break
		}
	}
	return done{pushed, times}
}
