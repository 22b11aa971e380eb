package bench

import "runtime/metrics"

// The collector's work, under the names gc-bench uses. Go's idle marking is marking here too.
type gcNumbers struct {
	Cycles uint64  `json:"cycles"`
	Mark   float64 `json:"mark_cpu_s"`
	Assist float64 `json:"assist_cpu_s"`
	Goal   uint64  `json:"goal_bytes"`
	Live   uint64  `json:"live_bytes"`
}

func readGC() gcNumbers {
	names := []string{
		"/gc/cycles/total:gc-cycles", "/cpu/classes/gc/mark/dedicated:cpu-seconds", "/cpu/classes/gc/mark/idle:cpu-seconds",
		"/cpu/classes/gc/mark/assist:cpu-seconds", "/gc/heap/goal:bytes", "/gc/heap/live:bytes",
	}
	samples := make([]metrics.Sample, len(names))
	for i, name := range names {
		samples[i].Name = name
	}
	metrics.Read(samples)
	return gcNumbers{
		Cycles: samples[0].Value.Uint64(),
		Mark:   samples[1].Value.Float64() + samples[2].Value.Float64(),
		Assist: samples[3].Value.Float64(),
		Goal:   samples[4].Value.Uint64(),
		Live:   samples[5].Value.Uint64(),
	}
}

func (g gcNumbers) since(before gcNumbers) gcNumbers {
	g.Cycles -= before.Cycles
	g.Mark -= before.Mark
	g.Assist -= before.Assist
	return g
}
