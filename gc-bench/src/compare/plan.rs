//! What is compared with what: the workloads in their sizes, and the memory managers beside each.
use crate::compare::manager::Manager;
use std::ops::Range;

/// A workload in one size, and whom it is run beside.
pub struct Entry {
    /// Its name.
    pub workload: &'static str,
    /// Its options, for all programs.
    pub options: &'static [&'static str],
    /// The memory managers, those first that plots show first.
    pub managers: Vec<Manager>,
    /// Greyset itself with another value of an option, beside greyset: the option and the value.
    pub variants: &'static [(&'static str, &'static str)],
}

/// The workloads that have peers.
pub const WORKLOADS: [&str; 8] =
    ["binary-trees", "gcbench", "graph", "alloc", "churn", "queue", "swaps", "heaps"];

/// `Box` on each allocator.
const BOXES: [Manager; 3] =
    [Manager::Rust("mimalloc", "box"), Manager::Rust("jemalloc", "box"), Manager::Rust("system", "box")];
const ARENA: Manager = Manager::Rust("mimalloc", "bumpalo");
const RC: Manager = Manager::Rust("mimalloc", "rc");
/// A word that all threads may read and write: what a reference is without a collector.
const ATOMIC: Manager = Manager::Rust("mimalloc", "atomic");
/// What is as dear as it is known: a thread.
const THREAD: Manager = Manager::Rust("mimalloc", "thread");
/// What else there is in Rust.
const RUST: [Manager; 4] = [
    RC,
    Manager::Rust("mimalloc", "gc-arena"),
    Manager::Rust("mimalloc", "boa-gc"),
    Manager::Rust("mimalloc", "dumpster"),
];
/// The collectors of the JVM.
const COLLECTORS: [&str; 4] = ["Parallel", "G1", "Z", "Shenandoah"];

impl Entry {
    fn new(workload: &'static str, options: &'static [&'static str], managers: &[&[Manager]]) -> Entry {
        Entry { workload, options, managers: managers.concat(), variants: &[] }
    }

    /// Does its peak depend on how far the heap may grow? A graph is only collected when asked for, and the others have nothing to
    /// collect.
    pub fn grows(&self) -> bool {
        !matches!(self.workload, "graph" | "swaps" | "heaps")
    }

    /// Does it time single operations?
    pub fn is_timed(&self) -> bool {
        matches!(self.workload, "churn" | "queue" | "heaps")
    }

    /// The options of a variant.
    pub fn varied(&self, (option, value): (&'static str, &'static str)) -> Vec<&'static str> {
        let mut options = self.options.to_vec();
        match options.iter().position(|word| *word == option) {
            Some(at) if at + 1 < options.len() => options[at + 1] = value,
            _ => options.extend([option, value]),
        }
        options
    }

    /// Workload and options, as on a command line.
    pub fn title(&self) -> String {
        [&[self.workload], self.options].concat().join(" ")
    }
}

/// The JVM's collectors as they come, or in so many MiB, which is about three times the live data.
fn jvm(mib: Option<u32>, which: Range<usize>) -> Vec<Manager> {
    COLLECTORS[which].iter().map(|collector| Manager::Jvm(collector, mib)).collect()
}

/// The comparisons of the workloads named, or of all of them.
pub fn plan(named: &[String], quick: bool) -> Vec<Entry> {
    let all = if quick { quick_plan() } else { full_plan() };
    all.into_iter().filter(|e| named.is_empty() || named.iter().any(|name| name == e.workload)).collect()
}

fn full_plan() -> Vec<Entry> {
    use Manager::{Boehm, Go, Ocaml};
    let go: &[Manager] = &[Go];
    let first: &[Manager] = &[Go, BOXES[0]];
    let common: &[Manager] = &[Go, BOXES[0], ARENA];
    let (small, tiny) = (jvm(Some(128), 0..4), jvm(Some(64), 0..4));
    let free = jvm(None, 0..4);
    vec![
        Entry::new(
            "binary-trees",
            &["--depth", "18"],
            &[common, &small, &[Ocaml, Boehm], &BOXES[1..], &RUST, &free],
        ),
        Entry::new("binary-trees", &["--depth", "21"], &[common, &jvm(Some(768), 0..4), &[Ocaml, Boehm]]),
        Entry::new("binary-trees", &["--depth", "18", "--mutators", "2"], &[go]),
        Entry::new("binary-trees", &["--depth", "21", "--mutators", "2"], &[go]),
        Entry::new("gcbench", &[], &[first, &tiny, &[Ocaml, Boehm], &BOXES[1..], &[RC], &free]),
        graph(&["--objects", "8000000", "--order", "tree", "--workers", "1"]),
        graph(&["--objects", "8000000", "--order", "random", "--workers", "1"]),
        Entry::new("alloc", &["--size", "16"], &[common, &BOXES[1..]]),
        Entry::new("alloc", &["--size", "32"], &[common, &BOXES[1..]]),
        Entry::new("alloc", &["--size", "64"], &[common, &BOXES[1..]]),
        // Sizes in plain bytes, which every peer reads: 256 MiB and 1 GiB.
        Entry::new(
            "churn",
            &["--live", "268435456", "--ops", "3000000"],
            &[first, &jvm(Some(896), 0..4), &[Ocaml, Boehm], &BOXES[1..]],
        ),
        Entry::new(
            "churn",
            &["--live", "1073741824", "--ops", "3000000"],
            &[first, &jvm(Some(3584), 0..4), &[Ocaml, Boehm], &BOXES[1..]],
        ),
        Entry::new("churn", &["--live", "268435456", "--ops", "3000000", "--mutators", "2"], &[go]),
        Entry::new("churn", &["--live", "1073741824", "--ops", "3000000", "--mutators", "2"], &[go]),
        Entry::new(
            "queue",
            &["--window", "200000", "--pushes", "3000000"],
            &[first, &jvm(Some(640), 0..4), &[Ocaml, Boehm], &BOXES[1..]],
        ),
        Entry::new("swaps", &["--ops", "100000000"], &[&[ATOMIC]]),
        Entry::new("heaps", &["--heaps", "5000"], &[&[THREAD]]),
    ]
}

fn quick_plan() -> Vec<Entry> {
    use Manager::{Boehm, Go, Ocaml};
    let first: &[Manager] = &[Go, BOXES[0]];
    vec![
        Entry::new(
            "binary-trees",
            &["--depth", "16"],
            &[&[Go, BOXES[0], ARENA], &jvm(Some(64), 0..4), &[Ocaml, Boehm], &BOXES[1..], &RUST],
        ),
        Entry::new("gcbench", &[], &[first, &jvm(Some(64), 0..4), &[Ocaml, Boehm], &[RC]]),
        graph(&["--objects", "1000000", "--order", "random", "--workers", "1"]),
        Entry::new("alloc", &["--size", "32", "--ops", "30000000"], &[&[Go, BOXES[0], ARENA], &BOXES[1..]]),
        // 64 MiB.
        Entry::new(
            "churn",
            &["--live", "67108864", "--ops", "700000"],
            &[first, &jvm(Some(256), 1..3), &[Ocaml, Boehm], &BOXES[1..]],
        ),
        Entry::new(
            "queue",
            &["--window", "50000", "--pushes", "700000"],
            &[first, &jvm(Some(192), 1..3), &[Ocaml, Boehm], &BOXES[1..]],
        ),
        Entry::new("swaps", &["--ops", "20000000"], &[&[ATOMIC]]),
        Entry::new("heaps", &["--heaps", "1000"], &[&[THREAD]]),
    ]
}

/// A graph beside Go, with one marker and with two.
fn graph(options: &'static [&'static str]) -> Entry {
    Entry { variants: &[("--workers", "2")], ..Entry::new("graph", options, &[&[Manager::Go]]) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::toolchain::OCAML_AND_C;
    use clap::Parser;

    #[test]
    fn every_workload_with_peers_is_in_both_plans() {
        for quick in [false, true] {
            let all = plan(&[], quick);
            for workload in WORKLOADS {
                let named = plan(&[workload.to_owned()], quick);
                assert!(!named.is_empty() && named.iter().all(|entry| entry.workload == workload));
            }
            assert!(
                all.iter().all(|entry| WORKLOADS.contains(&entry.workload) && !entry.managers.is_empty())
            );
        }
    }

    #[test]
    fn peers_get_no_options_they_do_not_know() {
        for entry in [full_plan(), quick_plan()].into_iter().flatten() {
            let beyond = entry.managers.iter().any(|manager| *manager != Manager::Go);
            let special = entry.options.iter().any(|option| ["--mutators", "--workers"].contains(option));
            assert!(!(beyond && special), "{}", entry.title());
        }
    }

    #[test]
    fn what_is_run_in_ocaml_and_c_is_built() {
        for entry in [full_plan(), quick_plan()].into_iter().flatten() {
            let wanted =
                entry.managers.iter().any(|manager| matches!(manager, Manager::Ocaml | Manager::Boehm));
            assert!(!wanted || OCAML_AND_C.contains(&entry.workload), "{}", entry.title());
        }
    }

    #[test]
    fn a_variant_has_each_option_once() {
        let entry = graph(&["--objects", "5", "--workers", "1"]);
        assert_eq!(entry.varied(("--workers", "2")), ["--objects", "5", "--workers", "2"]);
        assert_eq!(entry.varied(("--driver", "inline"))[4..], ["--driver", "inline"]);
    }

    #[test]
    fn what_is_timed_here_is_timed_there() {
        for entry in [full_plan(), quick_plan()].into_iter().flatten() {
            let words = ["gc-bench", entry.workload].into_iter().chain(entry.options.iter().copied());
            let parsed = Words::try_parse_from(words).expect("options that gc-bench knows");
            assert_eq!(parsed.workload.times_operations(), entry.is_timed(), "{}", entry.title());
        }
    }

    #[derive(clap::Parser)]
    struct Words {
        #[command(subcommand)]
        workload: crate::workloads::Workload,
        #[command(flatten)]
        _common: crate::options::Common,
    }
}
