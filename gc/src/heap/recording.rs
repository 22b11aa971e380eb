//! [`Heap::record`]: what the pacer sees, into a file.

use crate::heap::Heap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A recording could not be begun, or not be written to its end.
#[derive(Debug)]
pub struct RecordError {
    path: PathBuf,
    source: io::Error,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RecordError { path, source } = self;
        let advice = match source.kind() {
            io::ErrorKind::ResourceBusy => "finish that recording first",
            _ => "record to a file that can be written",
        };
        write!(f, "cannot record to {}: {source}; {advice}", path.display())
    }
}

impl std::error::Error for RecordError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// A recording under way: it ends when this is dropped, or [finished](Recording::finish). Keeps the heap.
#[derive(Debug)]
#[must_use = "the recording ends when this is dropped"]
pub struct Recording {
    heap: Heap,
    path: PathBuf,
    over: bool,
}

impl Recording {
    /// Ends the recording; returns how many cycles are in it.
    ///
    /// # Errors
    /// When a row could not be written (the disk is full, say). The file ends before that row, and nothing more was recorded.
    pub fn finish(mut self) -> Result<u64, RecordError> {
        self.end().map_err(|source| RecordError { path: self.path.clone(), source })
    }

    fn end(&mut self) -> io::Result<u64> {
        let shared = self.heap.owner().shared();
        self.over = true;
        shared.lock_collector().pacing().finish_recording(shared)
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if !self.over {
            // Who wants to know finishes it.
            let _ = self.end();
        }
    }
}

impl Heap {
    /// Records what the pacer sees into the file at `path`, which is created or emptied: a line of text a cycle with times,
    /// allocation, live data, scan work, assists, goal, trigger and settings. `gc-bench replay` tells from it what other settings
    /// would have done, `gc-bench tune` searches for them; the columns are described in the first lines and in `docs/PACER.md`.
    ///
    /// Costs one write of some 400 bytes a cycle, on whatever thread ends it, and nothing when off. Begun right after the
    /// heap was made, the recording tells most.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let path = std::env::temp_dir().join(format!("greyset-doc-{}.tsv", std::process::id()));
    /// let heap = greyset::Heap::builder().build()?;
    /// let recording = heap.record(&path)?;
    /// heap.mutator().enter(|m| m.collect());
    /// assert!(recording.finish()? >= 1);
    /// # std::fs::remove_file(path)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the file cannot be written, or the heap is being recorded already.
    pub fn record(&self, path: impl AsRef<Path>) -> Result<Recording, RecordError> {
        let (path, shared) = (path.as_ref().to_owned(), self.owner().shared());
        let started = shared.lock_collector().pacing().start_recording(shared, &path);
        match started {
            Ok(()) => Ok(Recording { heap: self.clone(), path, over: false }),
            Err(source) => Err(RecordError { path, source }),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::Driver;

    fn file(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("greyset-recording-{name}-{}", std::process::id()))
    }

    /// A heap that is collected once with `bytes` bytes in it, and the lines of its recording.
    fn recorded(name: &str, bytes: usize) -> Vec<Vec<String>> {
        let heap = Heap::builder().driver(Driver::Inline).gogc(300).build().expect("a heap");
        let path = file(name);
        let recording = heap.record(&path).expect("a file");
        heap.mutator().enter(|m| {
            let kept = m.alloc_bytes(&vec![7; bytes]).root(m);
            m.collect();
            assert_eq!(kept.get(m).len(), bytes);
        });
        assert_eq!(recording.finish().expect("written"), 1);
        let text = std::fs::read_to_string(&path).expect("a recording");
        std::fs::remove_file(&path).expect("removed");
        text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
    }

    #[test]
    fn a_cycle_in_numbers() {
        let lines = recorded("cycle", 1 << 20);
        assert_eq!(lines[0], ["greyset-recording", "1"]);
        assert!(lines.contains(&["setting", "driver", "inline"].map(str::to_owned).to_vec()));
        let columns = lines.iter().find(|line| line[0] == "columns").expect("columns");
        let rows = &lines[lines.len() - 3..];
        assert_eq!([0, 1, 2].map(|i| rows[i][0].as_str()), ["start", "cycle", "end"]);
        assert!(rows.iter().all(|row| row.len() + 1 == columns.len()), "{rows:?}");
        let of = |row: usize, name: &str| -> u64 {
            let at = columns.iter().position(|column| column == name).expect(name) - 1;
            rows[row][at].parse().expect("a number")
        };
        assert_eq!((rows[1][1].as_str(), of(1, "cycle"), of(1, "gogc")), ("asked", 1, 300));
        assert_eq!((of(0, "allocated"), of(0, "goal")), (0, 12 << 20));
        for (less, more) in [
            ("tracing_ns", "marked_ns"),
            ("marked_ns", "sweeping_ns"),
            ("sweeping_ns", "done_ns"),
            ("allocated", "allocated_tracing"),
            ("allocated_sweeping", "allocated_done"),
            ("heap_alloc", "mapped"),
        ] {
            assert!(of(1, less) <= of(1, more), "{less} and {more}");
        }
        assert!((1 << 20..2 << 20).contains(&of(1, "marked")), "{}", of(1, "marked"));
        assert!(of(1, "live_start") >= of(1, "marked") && of(1, "live") >= of(1, "marked"));
        // What the cycle aimed at, not what follows from it: both were set when the heap was empty.
        assert_eq!((of(1, "goal"), of(1, "trigger")), (12 << 20, of(0, "trigger")));
        assert!(of(2, "at_ns") >= of(1, "at_ns") + of(1, "done_ns"));
        assert!(of(2, "process_cpu_ns") > 0 && of(2, "mutators") == 0 && of(1, "mutators") == 1);
    }

    #[test]
    fn a_cycle_that_was_under_way_is_left_out() {
        let heap = Heap::builder().driver(Driver::Stepping).ignore_environment().build().expect("a heap");
        let (mut stepper, path) = (heap.stepper(), file("under-way"));
        stepper.request();
        assert_ne!(stepper.collector(), crate::StepOutcome::Idle);
        let recording = heap.record(&path).expect("a file");
        for cycle in [1, 2] {
            while stepper.step_any() != crate::StepOutcome::Idle {}
            assert_eq!(heap.stats().cycles, cycle);
            stepper.request();
        }
        assert_eq!(recording.finish().expect("written"), 1, "the second only");
        std::fs::remove_file(path).expect("removed");
    }

    #[test]
    fn what_cannot_be_recorded_is_an_error() {
        let heap = Heap::builder().driver(Driver::Inline).build().expect("a heap");
        let refused = heap.record("/nowhere/at/all").expect_err("no such folder").to_string();
        assert!(refused.starts_with("cannot record to /nowhere/at/all: "), "{refused}");
        assert!(refused.ends_with("; record to a file that can be written"), "{refused}");
        let path = file("twice");
        let first = heap.record(&path).expect("a file");
        let second = heap.record(file("other")).expect_err("recorded already").to_string();
        assert!(second.ends_with("recorded already; finish that recording first"), "{second}");
        assert!(!file("other").exists());
        drop(first);
        assert_eq!(heap.record(&path).expect("the first is over").finish().expect("written"), 0);
        std::fs::remove_file(path).expect("removed");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error() {
        let heap = Heap::builder().driver(Driver::Inline).build().expect("a heap");
        let full = heap.record("/dev/full").expect_err("no room for the first line").to_string();
        assert!(full.contains("/dev/full"), "{full}");
    }
}
