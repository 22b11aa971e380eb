//! One comparison: greyset and its peers, in turns, pair by pair.
//!
//! 1. Beside peers that are to be matched, greyset's GOGC is found at which both peaks are equal.
//! 2. A round goes through the peers: greyset, the peer, and greyset in the peer's memory; or several peers that share greyset's run.
//!    There are as many rounds as pairs.
//! 3. Figures are medians over the rounds, ratios medians of the ratios of each round.
//!
//! A peer that fails, or whose check is not greyset's, is out; the others go on.
use crate::compare::matching::{self, is_equal};
use crate::compare::metric::{Figures, PEAK, figures, medians, ratios};
use crate::compare::program::{Program, Run};
use crate::failure::Failure;
use crate::latency::merge;
use crate::report::Report;
use hdrhistogram::Histogram;
use std::path::Path;

/// A peer of one comparison.
pub struct Peer {
    /// How to run it.
    pub program: Program,
    /// Is there to be a row of greyset in as much memory?
    pub matched: bool,
}

/// All runs of one program.
#[derive(Clone, Default)]
struct Side {
    label: String,
    reports: Vec<Report>,
    times: Vec<Histogram<u64>>,
    memory: Vec<(f64, u64)>,
}

/// A line of the result: a program, and greyset beside it.
pub struct Row {
    /// The program.
    pub label: String,
    /// Is it greyset in the memory of the peer above it?
    pub matched: bool,
    /// Each of its runs, in order.
    pub runs: Vec<Figures>,
    /// Medians of its runs.
    pub figures: Figures,
    /// Greyset's figures as multiples of the peer's.
    pub ratios: Figures,
    /// Times of all operations of all its runs.
    pub times: Option<Histogram<u64>>,
    /// Resident bytes over time, of its last run.
    pub memory: Vec<(f64, u64)>,
}

/// The result of one comparison.
pub struct Comparison {
    /// Workload and options.
    pub title: String,
    /// What all programs have computed.
    pub check: String,
    /// Greyset first, without ratios; then the peers, each followed by greyset in its memory if that was asked for.
    pub rows: Vec<Row>,
    /// The peers that failed, with why.
    pub failures: Vec<Failure>,
}

/// A peer while it is measured.
struct Trial<'a> {
    peer: &'a Peer,
    tuned: Option<Program>,
    mine: Side,
    theirs: Side,
    in_their_memory: Side,
}

/// How a comparison is carried out.
pub struct Setup<'a> {
    /// Rounds.
    pub pairs: usize,
    /// Peers in a row that stand beside one and the same run of greyset.
    pub share: usize,
    /// Runs of a program whose median is its peak, in the search for equal memory.
    pub probes: usize,
    /// Settings that such a search may try.
    pub tries: usize,
    /// Where the programs may write their operation times; `None` for workloads that take none.
    pub latencies: Option<&'a Path>,
}

/// Compares the greyset program, which `greyset` makes for a GOGC, with peers. `say` is told what runs.
///
/// # Errors
/// If greyset itself fails. Peers that fail are in the result.
pub fn compare(
    title: String,
    greyset: &dyn Fn(u32) -> Program,
    peers: &[Peer],
    setup: &Setup<'_>,
    say: &mut dyn FnMut(&str),
) -> Result<Comparison, Failure> {
    let mut failures = Vec::new();
    say("greyset");
    let check = greyset(100).run(None)?.report.check;
    let at_100 = peak(&greyset(100), setup, &check)?;
    let mut trials = Vec::new();
    for peer in peers {
        match Trial::new(peer, greyset, (&check, at_100), setup, say) {
            Ok(trial) => trials.push(trial),
            Err(failure) => failures.push(failure),
        }
    }
    let mut mine = Side::of(&greyset(100));
    for round in 1..=setup.pairs {
        let mut left = Vec::with_capacity(trials.len());
        let mut beside = None;
        for (at, mut trial) in trials.into_iter().enumerate() {
            say(&format!("round {round} of {}: {}", setup.pairs, trial.peer.program.label));
            let report = match beside.take().filter(|_| at % setup.share > 0) {
                Some(report) => report,
                None => mine.add(greyset(100).run(setup.latencies)?),
            };
            trial.mine.reports.push(report.clone());
            beside = Some(report);
            match trial.round(setup, &check) {
                Ok(()) => left.push(trial),
                Err(failure) => failures.push(failure),
            }
        }
        trials = left;
    }
    if mine.reports.is_empty() {
        mine.add(greyset(100).run(setup.latencies)?);
    }
    let rows =
        std::iter::once(mine.row(false, Figures::default())).chain(trials.into_iter().flat_map(Trial::rows));
    Ok(Comparison { title, check, rows: rows.collect(), failures })
}

impl<'a> Trial<'a> {
    /// A peer before its first round, with greyset tuned to its memory.
    fn new(
        peer: &'a Peer,
        greyset: &dyn Fn(u32) -> Program,
        (check, at_100): (&str, u64),
        setup: &Setup<'_>,
        say: &mut dyn FnMut(&str),
    ) -> Result<Trial<'a>, Failure> {
        let mut trial = Trial {
            peer,
            tuned: None,
            mine: Side::default(),
            theirs: Side::of(&peer.program),
            in_their_memory: Side::default(),
        };
        if peer.matched {
            say(&format!("equal memory: {}", peer.program.label));
            let target = peak(&peer.program, setup, check)?;
            let found =
                matching::find(target, at_100, setup.tries, |gogc| peak(&greyset(gogc), setup, check))?;
            trial.tuned = (found.gogc != 100).then(|| greyset(found.gogc));
        }
        Ok(trial)
    }

    /// The peer's part of a round.
    fn round(&mut self, setup: &Setup<'_>, check: &str) -> Result<(), Failure> {
        self.theirs.add(run_checked(&self.peer.program, setup.latencies, check)?);
        if let Some(tuned) = &self.tuned {
            self.in_their_memory.add(run_checked(tuned, setup.latencies, check)?);
        }
        Ok(())
    }

    fn rows(mut self) -> Vec<Row> {
        let beside = ratios(&self.mine.reports, &self.theirs.reports);
        let equal = ratios(&self.in_their_memory.reports, &self.theirs.reports);
        let tuned = self.tuned.map(|tuned| {
            let how = if equal[PEAK].is_some_and(is_equal) { "(equal memory)" } else { "(nearest memory)" };
            self.in_their_memory.label = format!("{} {how}", tuned.label);
            self.in_their_memory.row(true, equal)
        });
        [Some(self.theirs.row(false, beside)), tuned].into_iter().flatten().collect()
    }
}

/// The peak of a program: the median of some runs.
fn peak(program: &Program, setup: &Setup<'_>, check: &str) -> Result<u64, Failure> {
    let runs = (0..setup.probes).map(|_| Ok(run_checked(program, None, check)?.report));
    let peak = medians(&runs.collect::<Result<Vec<_>, Failure>>()?)[PEAK];
    Ok(peak.unwrap_or_default() as u64)
}

/// A run whose check must be that of greyset.
fn run_checked(program: &Program, latencies: Option<&Path>, check: &str) -> Result<Run, Failure> {
    let run = program.run(latencies)?;
    if run.report.check == check {
        return Ok(run);
    }
    Err(program.failed(format!("its check is {:?}, greyset's is {check:?}", run.report.check)))
}

impl Side {
    fn of(program: &Program) -> Side {
        Side { label: program.label.clone(), ..Side::default() }
    }

    /// Keeps a run, and returns what it reported.
    fn add(&mut self, run: Run) -> Report {
        self.reports.push(run.report.clone());
        // One histogram is enough to keep.
        self.times = match run.times {
            Some(times) => vec![merge(self.times.drain(..).chain([times]))],
            None => vec![],
        };
        self.memory = run.memory;
        run.report
    }

    fn row(mut self, matched: bool, ratios: Figures) -> Row {
        Row {
            label: self.label,
            matched,
            runs: self.reports.iter().map(figures).collect(),
            figures: medians(&self.reports),
            ratios,
            times: self.times.pop(),
            memory: self.memory,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::metric::index_of;
    use crate::compare::metric::tests::report;

    /// A program that prints a report with these figures and this check.
    fn prints(label: &str, wall_s: f64, peak: u64, check: &str) -> Program {
        let report = Report { check: check.to_owned(), ..report(wall_s, peak, Some(7)) };
        let script = format!("echo '{}'", report.json());
        Program { label: label.to_owned(), command: "sh".into(), args: vec!["-c".to_owned(), script] }
    }

    fn greyset(gogc: u32) -> Program {
        prints(&format!("greyset {gogc}"), 2.0, 1000 + 10 * u64::from(gogc), "fine")
    }

    fn compared(peers: &[Peer]) -> Comparison {
        compared_by(peers, &Setup { pairs: 3, share: 1, probes: 1, tries: 8, latencies: None })
    }

    fn compared_by(peers: &[Peer], setup: &Setup<'_>) -> Comparison {
        let mut told = Vec::new();
        let result = compare("w".to_owned(), &greyset, peers, setup, &mut |what| told.push(what.to_owned()));
        assert!(!told.is_empty());
        result.expect("greyset works")
    }

    #[test]
    fn a_peer_stands_beside_greyset_and_greyset_in_its_memory() {
        let peers = [Peer { program: prints("other", 4.0, 5000, "fine"), matched: true }];
        let Comparison { rows, failures, check, .. } = compared(&peers);
        assert_eq!((failures.len(), check.as_str()), (0, "fine"));
        let labels = rows.iter().map(|row| row.label.as_str()).collect::<Vec<_>>();
        assert_eq!(labels, ["greyset 100", "other", "greyset 400 (equal memory)"]);
        assert_eq!(rows[0].figures[PEAK], Some(2000.0));
        assert_eq!(rows[1].ratios[..3], [Some(0.5), Some(0.5), Some(0.4)]);
        let equal = rows[2].ratios[PEAK].expect("a peak");
        assert!(rows[2].matched && (0.9..1.1).contains(&equal), "{equal}");
        assert_eq!(rows[1].figures[index_of("max_ns").expect("a metric")], Some(7.0));
        assert_eq!(rows.iter().map(|row| row.runs.len()).collect::<Vec<_>>(), [3, 3, 3]);
    }

    #[test]
    fn neighbours_may_share_a_run_of_greyset() {
        let peers = ["a", "b", "c", "d"]
            .map(|label| Peer { program: prints(label, 4.0, 5000, "fine"), matched: false });
        for (share, runs) in [(1, 12), (2, 6), (3, 6), (4, 3)] {
            let setup = Setup { pairs: 3, share, probes: 1, tries: 8, latencies: None };
            let rows = compared_by(&peers, &setup).rows;
            assert_eq!(rows[0].runs.len(), runs, "{share}");
            assert!(rows[1..].iter().all(|row| row.runs.len() == 3 && row.ratios[0] == Some(0.5)));
        }
    }

    #[test]
    fn a_peer_with_another_result_or_none_fails_alone() {
        let gone = Program { command: "/nowhere/at/all".into(), ..prints("gone", 1.0, 1, "fine") };
        let peers = [
            Peer { program: prints("wrong", 1.0, 1000, "31 nodes"), matched: false },
            Peer { program: gone, matched: true },
            Peer { program: prints("right", 1.0, 1000, "fine"), matched: false },
        ];
        let Comparison { rows, failures, .. } = compared(&peers);
        assert_eq!(rows.iter().map(|row| row.label.as_str()).collect::<Vec<_>>(), ["greyset 100", "right"]);
        let told = failures.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told.iter().any(|t| t == "wrong: its check is \"31 nodes\", greyset's is \"fine\""),
            "{told:?}"
        );
        assert!(told.iter().any(|t| t.starts_with("gone: cannot start")), "{told:?}");
    }

    #[test]
    fn without_greyset_there_is_nothing() {
        let broken = |_| Program { command: "/nowhere/at/all".into(), ..greyset(100) };
        let setup = Setup { pairs: 1, share: 1, probes: 1, tries: 8, latencies: None };
        assert!(compare("w".to_owned(), &broken, &[], &setup, &mut |_| ()).is_err());
    }
}
