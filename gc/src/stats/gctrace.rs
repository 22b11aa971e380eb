//! The trace line: one line of text a cycle, in the spirit of Go's gctrace.
//!
//! ```text
//! gc 7 heap-1 trigger @1.234s 3.1%: 0.05+0.02+4.31+0.11+0.01+2.20 ms wall, 4.10/0.22/2.05/0.00 ms cpu, 63.9->66.1->31.8 MiB, 64.0 MiB goal, 2 workers, 3 mutators, 2 rounds, 8.1/9.4 us handshake
//! ```
//!
//! | field | meaning |
//! | --- | --- |
//! | `gc 7` | number of the cycle, from 1 |
//! | `heap-1` | name of the heap |
//! | `trigger` | why: `trigger` (the heap reached it), `limit` (an allocation failed), `asked` |
//! | `@1.234s` | start of the cycle, since the heap was made |
//! | `3.1%` | share of all processor time since then that collection took |
//! | `0.05+0.02+4.31+0.11+0.01+2.20 ms wall` | wall time in prepare + begin + mark + terminate + clear + sweep; the program runs in all of them |
//! | `4.10/0.22/2.05/0.00 ms cpu` | processor time: markers / assists / sweeping / idle processors |
//! | `63.9->66.1->31.8 MiB` | bytes in objects at the start, at the end of marking, and surviving |
//! | `64.0 MiB goal` | what the second of these should not have passed |
//! | `2 workers` | marker threads that took part |
//! | `3 mutators` | attached when marking ended |
//! | `2 rounds` | handshake rounds that ended marking, at least two |
//! | `8.1/9.4 us handshake` | time to one mutator's answer: 99th percentile / longest, since the heap was made |
//!
//! Fields are only ever added at the end of the line.

use super::events::{CycleReport, Event, EventSink};
use greyset_sync::{Mutex, Rank};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::Duration;

/// Writes a line a cycle to `W`; what `W` refuses is lost, the program goes on.
#[derive(Debug)]
pub struct GctraceSink<W> {
    out: Mutex<W>,
}

impl<W: Write + Send> GctraceSink<W> {
    /// Lines go to `out`, each in a single write. `out` must not use a heap.
    pub fn new(out: W) -> GctraceSink<W> {
        GctraceSink { out: Mutex::new(Rank::Stats, out) }
    }
}

impl GctraceSink<io::Stderr> {
    /// Lines go to standard error.
    pub fn stderr() -> GctraceSink<io::Stderr> {
        GctraceSink::new(io::stderr())
    }
}

impl<W: Write + Send> EventSink for GctraceSink<W> {
    fn event(&self, heap: &str, event: &Event) {
        if let Event::CycleEnd(report) = event {
            // A trace that cannot be written must not disturb the program it is about.
            let _ = self.out.lock().write_all(trace_line(heap, report).as_bytes());
        }
    }
}

/// The line for a cycle, with its newline.
pub fn trace_line(heap: &str, report: &CycleReport) -> String {
    let mut line = String::with_capacity(256);
    // Writing to a String cannot fail.
    let _ = write_line(&mut line, heap, report);
    line
}

fn write_line(line: &mut String, heap: &str, report: &CycleReport) -> std::fmt::Result {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let us = |time: Duration| time.as_secs_f64() * 1e6;
    let mib = |bytes: u64| bytes as f64 / (1 << 20) as f64;
    let (wall, cpu) = (&report.wall, &report.cpu);
    write!(line, "gc {} {heap} {}", report.cycle, report.cause.name())?;
    write!(line, " @{:.3}s {:.1}%:", report.started.as_secs_f64(), report.cpu_share * 100.0)?;
    write!(line, " {:.2}+{:.2}+{:.2}", ms(wall.prepare), ms(wall.begin), ms(wall.mark))?;
    write!(line, "+{:.2}+{:.2}+{:.2} ms wall,", ms(wall.terminate), ms(wall.clear), ms(wall.sweep))?;
    write!(line, " {:.2}/{:.2}", ms(cpu.mark), ms(cpu.assist))?;
    write!(line, "/{:.2}/{:.2} ms cpu,", ms(cpu.sweep), ms(cpu.idle))?;
    write!(line, " {:.1}->{:.1}", mib(report.heap_start), mib(report.heap_end))?;
    write!(line, "->{:.1} MiB, {:.1} MiB goal,", mib(report.heap_live), mib(report.goal))?;
    write!(line, " {} workers, {} mutators, {} rounds,", report.workers, report.mutators, report.rounds)?;
    writeln!(line, " {:.1}/{:.1} us handshake", us(report.handshake_p99), us(report.handshake_max))
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::events::{Cause, CollectorCpu, PhaseTimes};
    use super::*;

    /// A finished cycle, made up.
    pub(in crate::stats) fn report() -> CycleReport {
        let us = Duration::from_micros;
        let kib = |n: u64| n << 10;
        CycleReport {
            cycle: 7,
            cause: Cause::Trigger,
            started: Duration::from_millis(1234),
            wall: PhaseTimes {
                prepare: us(50),
                begin: us(20),
                mark: us(4310),
                terminate: us(110),
                clear: us(10),
                sweep: us(2200),
            },
            cpu: CollectorCpu { mark: us(4100), assist: us(220), sweep: us(2050), idle: us(0) },
            cpu_share: 0.031,
            heap_start: kib(65434),
            heap_end: kib(67686),
            heap_live: kib(32563),
            goal: kib(65536),
            trigger: kib(64512),
            marked_objects: 1_000_000,
            marked_bytes: kib(32000),
            workers: 2,
            mutators: 3,
            rounds: 2,
            handshake_p99: Duration::from_nanos(8_100),
            handshake_max: Duration::from_nanos(9_400),
        }
    }

    const LINE: &str = "gc 7 heap-1 trigger @1.234s 3.1%: 0.05+0.02+4.31+0.11+0.01+2.20 ms wall, \
        4.10/0.22/2.05/0.00 ms cpu, 63.9->66.1->31.8 MiB, 64.0 MiB goal, 2 workers, 3 mutators, 2 rounds, \
        8.1/9.4 us handshake\n";

    #[test]
    fn the_documented_line() {
        assert_eq!(trace_line("heap-1", &report()), LINE);
        for text in [include_str!("gctrace.rs"), include_str!("../../../docs/TUNING.md")] {
            assert!(text.contains(LINE.trim_end()), "the documented line is not what is written");
        }
    }

    #[test]
    fn only_the_end_of_a_cycle_is_written() {
        let sink = GctraceSink::new(Vec::new());
        sink.event("heap-1", &Event::DropPanic { type_name: "T" });
        sink.event("heap-1", &Event::CycleEnd(Box::new(report())));
        assert_eq!(*sink.out.lock(), LINE.as_bytes());
    }

    #[test]
    fn a_writer_that_refuses_disturbs_nobody() {
        let mut room = [0u8; 4];
        let sink = GctraceSink::new(&mut room[..]);
        sink.event("heap-1", &Event::CycleEnd(Box::new(report())));
    }
}
