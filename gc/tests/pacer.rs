//! The pacer reproduces the recorded reference behaviour: eleven scenarios, every cycle, every digit.
//!
//! Scenarios are read strictly: an unknown key or a wrong type fails the test, it is never skipped.

use greyset::Gogc;
use greyset::pacer::harness::{Row, Scenario, Shape, Signal, Signals, Term};
use serde::Deserialize;
use std::fs;
use std::path::Path;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    gogc: i64,
    memory_limit: u64,
    globals: u64,
    cycles: u64,
    signals: FileSignals,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileSignals {
    alloc_rate: Vec<FileTerm>,
    scan_rate: Vec<FileTerm>,
    growth: Vec<FileTerm>,
    scannable: Vec<FileTerm>,
    stacks: Vec<FileTerm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ramp {
    height: f64,
    length: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Noise {
    amplitude: f64,
    draws: Vec<f64>,
}

/// One of the shapes, and perhaps a delay.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileTerm {
    r#const: Option<f64>,
    ramp: Option<Ramp>,
    impulse: Option<f64>,
    noise: Option<Noise>,
    #[serde(default)]
    delay: u64,
}

fn signal(terms: Vec<FileTerm>) -> Signal {
    let term = |term: FileTerm| {
        let shape = match term {
            FileTerm { r#const: Some(value), ramp: None, impulse: None, noise: None, .. } => {
                Shape::Const(value)
            }
            FileTerm {
                r#const: None,
                ramp: Some(Ramp { height, length }),
                impulse: None,
                noise: None,
                ..
            } => Shape::Ramp { height, length },
            FileTerm { r#const: None, ramp: None, impulse: Some(height), noise: None, .. } => {
                Shape::Impulse(height)
            }
            FileTerm {
                r#const: None,
                ramp: None,
                impulse: None,
                noise: Some(Noise { amplitude, draws }),
                ..
            } => Shape::Noise { amplitude, draws },
            _ => panic!("a term has exactly one shape"),
        };
        Term { shape, delay: term.delay }
    };
    Signal(terms.into_iter().map(term).collect())
}

fn scenario(path: &Path) -> Scenario {
    let text = fs::read_to_string(path).expect("a scenario file");
    let file: File = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Scenario {
        name: file.name,
        gogc: u32::try_from(file.gogc).map_or(Gogc::Off, Gogc::Percent),
        memory_limit: Some(file.memory_limit),
        globals: file.globals,
        cycles: file.cycles,
        signals: Signals {
            alloc_rate: signal(file.signals.alloc_rate),
            scan_rate: signal(file.signals.scan_rate),
            growth: signal(file.signals.growth),
            scannable: signal(file.signals.scannable),
            stacks: signal(file.signals.stacks),
        },
    }
}

#[test]
fn the_recorded_cycles_to_the_last_digit() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pacer");
    let (mut scenarios, mut cycles) = (0, 0);
    for entry in fs::read_dir(data.join("scenarios")).expect("the scenarios") {
        let scenario = scenario(&entry.expect("a directory entry").path());
        let recorded = fs::read_to_string(data.join("golden").join(format!("{}.tsv", scenario.name)))
            .expect("the recording of the scenario");
        let rows = scenario.run().unwrap_or_else(|error| panic!("{}: {error}", scenario.name));
        let mut lines = recorded.lines();
        assert_eq!(lines.next(), Some(Row::HEADER), "{}", scenario.name);
        for row in &rows {
            assert_eq!(Some(row.to_string().as_str()), lines.next(), "{}", scenario.name);
        }
        assert_eq!(lines.next(), None, "{} has more cycles recorded", scenario.name);
        scenarios += 1;
        cycles += rows.len();
    }
    assert_eq!((scenarios, cycles), (11, 600));
}
