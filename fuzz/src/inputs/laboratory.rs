//! What the laboratory of gc-bench reads: scenarios, recordings, objectives.

use super::says_what_to_do;
use greyset_bench::failure::Failure;
use greyset_bench::lab::objective::Objective;
use greyset_bench::lab::recording::Recording;
use greyset_bench::lab::scenario::Source;
use greyset_bench::lab::simulate::{Kind, run};
use greyset_bench::lab::{model::Cost, replay::as_recorded};
use std::path::Path;

/// Longest scenario that is run, in cycles.
const MOST_CYCLES: u64 = 200;

/// The failure is of the kind that ends with exit status 2, and says in which line of the file.
fn names_file_and_line(failure: &Failure, path: &Path) {
    says_what_to_do(failure);
    let text = failure.to_string();
    let line = text
        .strip_prefix(path.to_str().expect("a name in UTF-8"))
        .and_then(|text| text.strip_prefix(':'))
        .and_then(|text| text.split_once(": "))
        .and_then(|(line, _)| line.parse::<usize>().ok());
    assert!(matches!(failure, Failure::Usage(_)) && line > Some(0), "{text}");
}

/// A scenario is refused with its line, or runs under both pacers to rows that can be drawn, or says why it cannot.
pub fn scenario(bytes: &[u8]) {
    let path = Path::new("any.toml");
    let source = match Source::parse(path, bytes) {
        Ok(source) => source,
        Err(failure) => return names_file_and_line(&failure, path),
    };
    if source.scenario.cycles > MOST_CYCLES {
        return;
    }
    for kind in [Kind::Reference, Kind::Greyset] {
        match run(&source, kind) {
            Ok(rows) => {
                assert_eq!(rows.len() as u64, source.scenario.cycles);
                for row in rows {
                    assert!((0.0..=1.001).contains(&row.utilization), "{row:?}");
                    assert!(row.trigger >= row.marked && row.peak >= row.trigger, "{row:?}");
                }
            }
            Err(failure) => names_file_and_line(&failure, path),
        }
    }
}

/// A recording is refused with its line, or replayed to costs that are numbers.
pub fn recording(bytes: &[u8]) {
    let path = Path::new("any.tsv");
    let recording = match Recording::parse(path, bytes) {
        Ok(recording) => recording,
        Err(failure) => return names_file_and_line(&failure, path),
    };
    let (recorded, predicted) = as_recorded(&recording);
    for cost in [recorded, predicted] {
        let Cost { mark_cpu_s, assist_cpu_s, sweep_cpu_s, program_cpu_s, wall_s, .. } = cost;
        for seconds in [mark_cpu_s, assist_cpu_s, sweep_cpu_s, program_cpu_s, wall_s, cost.cpu_percent()] {
            assert!(seconds.is_finite() && seconds >= 0.0, "{cost:?}");
        }
    }
}

/// An objective is refused in words, or means the same when its bounds are written out: as it is shown, to a digit.
pub fn objective(text: &str) {
    match text.parse::<Objective>() {
        Ok(objective) => {
            assert!(!objective.terms.is_empty());
            for term in &objective.terms {
                assert!(term.most.is_finite() && term.most > 0.0, "{term:?}");
                assert_eq!(objective.most(term.metric), Some(term.most));
                assert!(!term.to_string().is_empty());
            }
        }
        Err(error) => says_what_to_do(&error),
    }
}
