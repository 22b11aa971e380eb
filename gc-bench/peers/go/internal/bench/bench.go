// Package bench is what the Go peers have in common: the options, the measured span and the report of gc-bench.
package bench

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Bench holds the common options and the clocks of a run.
type Bench struct {
	Mutators int

	workload  string
	seconds   float64
	latencies string
	start     reading
	end       reading
}

// Outcome is what a workload has done and found right.
type Outcome struct {
	Ops     int64
	Check   string
	OpTimes *Times
}

type reading struct {
	at  time.Time
	cpu time.Duration
	gc  gcNumbers
}

// New declares the common flags, parses the command line and sets the collector up.
func New(workload string) *Bench {
	b := &Bench{workload: workload}
	gogc := flag.String("gogc", "100", "heap growth in percent, or off")
	limit := flag.String("memory-limit", "", "soft memory limit, e.g. 512MiB")
	flag.IntVar(&b.Mutators, "mutators", 1, "goroutines that run the workload")
	flag.Float64Var(&b.seconds, "seconds", 0, "stop after about this many seconds")
	flag.StringVar(&b.latencies, "latencies", "", "also write operation times to this file: nanoseconds, tab, count")
	flag.Bool("json", true, "print a JSON object (always)")
	flag.Parse()
	if flag.NArg() > 0 {
		Refuse("unexpected argument %q", flag.Arg(0))
	}
	if b.Mutators < 1 {
		Refuse("--mutators must be at least 1")
	}
	if *gogc == "off" {
		debug.SetGCPercent(-1)
	} else if percent, err := strconv.Atoi(*gogc); err == nil && percent > 0 {
		debug.SetGCPercent(percent)
	} else {
		Refuse("--gogc: not a percentage or \"off\": %q", *gogc)
	}
	if *limit != "" {
		debug.SetMemoryLimit(ParseSize(*limit))
	}
	return b
}

// ParseSize reads a size such as 512MiB.
func ParseSize(text string) int64 {
	units := map[string]int64{"": 1, "b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "kb": 1e3, "mb": 1e6, "gb": 1e9}
	digits := strings.TrimRight(strings.ToLower(text), "bgikm")
	n, err := strconv.ParseInt(digits, 10, 64)
	unit, known := units[strings.ToLower(text)[len(digits):]]
	if err != nil || n <= 0 || !known {
		Refuse("not a size such as 512MiB: %q", text)
	}
	return n * unit
}

// Refuse ends the program because of its arguments.
func Refuse(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(2)
}

// Expect ends the program unless the result is right.
func Expect[T comparable](what string, actual, expected T) {
	if actual != expected {
		fmt.Fprintf(os.Stderr, "check failed: %s is %v, must be %v\n", what, actual, expected)
		os.Exit(1)
	}
}

// Start begins the measured span.
func (b *Bench) Start() { b.start = read() }

// Stop ends it.
func (b *Bench) Stop() { b.end = read() }

// Span is the measured time.
func (b *Bench) Span() time.Duration { return b.end.at.Sub(b.start.at) }

// Budget is how many operations to do: asked if above 0, else what there is time for with --seconds, else normal.
func (b *Bench) Budget(asked, normal int64) Budget {
	budget := Budget{Count: asked}
	if asked <= 0 {
		budget.Count = normal
	}
	if b.seconds > 0 {
		budget.until = b.start.at.Add(time.Duration(b.seconds * float64(time.Second)))
		if asked <= 0 {
			budget.Count = math.MaxInt64
		}
	}
	return budget
}

// Budget is a number of operations, and maybe a time to stop at.
type Budget struct {
	Count int64
	until time.Time
}

// Share is the part of one of several mutators.
func (b Budget) Share(index, parts int) Budget {
	count := b.Count / int64(parts)
	if int64(index) < b.Count%int64(parts) {
		count++
	}
	return Budget{count, b.until}
}

// IsOver tells whether the time is up.
func (b Budget) IsOver() bool { return !b.until.IsZero() && !time.Now().Before(b.until) }

// Limit is the time to stop at, as nanoseconds of the clock of t; far away if there is none.
func (b Budget) Limit(t *Times) int64 {
	if b.until.IsZero() {
		return math.MaxInt64
	}
	return int64(b.until.Sub(t.base))
}

// OnEach runs work on every mutator at the same time.
func OnEach[R any](b *Bench, work func(index int) R) []R {
	results := make([]R, b.Mutators)
	var group sync.WaitGroup
	for i := range results {
		group.Go(func() { results[i] = work(i) })
	}
	group.Wait()
	return results
}

// Report prints the JSON object; params are those of the workload.
func (b *Bench) Report(params map[string]any, outcome Outcome) {
	params["mutators"] = b.Mutators
	wall := b.Span().Seconds()
	report := map[string]any{
		"workload": b.workload, "params": params, "wall_s": wall, "cpu_s": (b.end.cpu - b.start.cpu).Seconds(),
		"ops": outcome.Ops, "ops_per_s": float64(outcome.Ops) / wall, "max_rss_bytes": maxRSS(), "check": outcome.Check,
		"gc": b.end.gc.since(b.start.gc),
	}
	if outcome.OpTimes != nil {
		report["op_ns"] = outcome.OpTimes.percentiles()
		if b.latencies != "" {
			outcome.OpTimes.write(b.latencies)
		}
	}
	text, err := json.Marshal(report)
	if err != nil {
		Refuse("no report: %v", err)
	}
	fmt.Println(string(text))
}

func read() reading {
	return reading{time.Now(), cpuTime(), readGC()}
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		Refuse("getrusage: %v", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Peak resident memory of the process; what getrusage tells would include the program that has started this one.
func maxRSS() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		Refuse("%v", err)
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	var kib int64
	if _, err := fmt.Sscan(after, &kib); err != nil {
		Refuse("no VmHWM in /proc/self/status: %v", err)
	}
	return kib * 1024
}
