package bench

import (
	"fmt"
	"math/bits"
	"os"
	"strings"
	"time"
)

// Buckets of a log-linear histogram: 1024 to every power of two, so that a value is known to 0.1 %.
const (
	subBits = 10
	buckets = (40 - subBits) << subBits
)

// Times counts the times of operations that follow each other: each ends where the next begins.
type Times struct {
	base   time.Time
	last   int64
	max    int64
	counts []int64
}

// NewTimes is an empty recording with all its memory in place; the first operation begins now.
func NewTimes() *Times {
	t := &Times{counts: make([]int64, buckets), base: time.Now()}
	for i := range t.counts {
		t.counts[i] = 0
	}
	t.last = int64(time.Since(t.base))
	return t
}

// Lap ends one operation, begins the next and returns the time since the start of the recording.
func (t *Times) Lap() int64 {
	now := int64(time.Since(t.base))
	ns := now - t.last
	t.counts[bucket(ns)]++
	t.max = max(t.max, ns)
	t.last = now
	return now
}

// Merge is the sum of several recordings.
func Merge(parts []*Times) *Times {
	all := NewTimes()
	for _, part := range parts {
		for i, n := range part.counts {
			all.counts[i] += n
		}
		all.max = max(all.max, part.max)
	}
	return all
}

func bucket(ns int64) int {
	if ns < 1<<subBits {
		return int(max(ns, 0))
	}
	shift := bits.Len64(uint64(ns)) - 1 - subBits
	return min((shift+1)<<subBits+int(ns>>shift)-1<<subBits, buckets-1)
}

// The largest value of a bucket.
func upper(bucket int) int64 {
	if bucket < 1<<subBits {
		return int64(bucket)
	}
	shift := bucket>>subBits - 1
	return int64(bucket&(1<<subBits-1)+1<<subBits+1)<<shift - 1
}

func (t *Times) total() (n int64) {
	for _, count := range t.counts {
		n += count
	}
	return n
}

func (t *Times) quantile(q float64) int64 {
	rest := int64(q*float64(t.total()) + 0.999999)
	for i, n := range t.counts {
		if rest -= n; rest <= 0 && n > 0 {
			return min(upper(i), t.max)
		}
	}
	return t.max
}

func (t *Times) percentiles() map[string]int64 {
	return map[string]int64{
		"count": t.total(), "p50": t.quantile(0.5), "p99": t.quantile(0.99), "p999": t.quantile(0.999),
		"p9999": t.quantile(0.9999), "max": t.max,
	}
}

func (t *Times) write(path string) {
	var text strings.Builder
	for i, n := range t.counts {
		if n > 0 {
			fmt.Fprintf(&text, "%d\t%d\n", upper(i), n)
		}
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o666); err != nil {
		Refuse("%v", err)
	}
}
