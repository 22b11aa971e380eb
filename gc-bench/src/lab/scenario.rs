//! Scenario files: a simulated program for the pacer, in TOML.
//!
//! Read strictly, because a scenario that is not what its author meant gives figures that look right: an unknown key, a
//! wrong type, an absent signal and a number that means nothing are errors that name file, line and what was expected.

use crate::failure::Failure;
use greyset::Gogc;
use greyset::pacer::harness::{Scenario, ScenarioError, Shape, Signal, Signals, Term};
use serde::Deserialize;
use std::fs::File as Input;
use std::io::Read;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use toml::Spanned;

/// Cycles of a scenario: enough for any, few enough to end.
const CYCLES: RangeInclusive<u64> = 1..=1_000_000;
/// Growth in percent.
const GOGC: RangeInclusive<i64> = -1..=100_000;
/// Terms of a signal at most: enough for any, few enough for a million cycles.
const MOST_TERMS: usize = 100;
/// Phase of a sine in radians at most; it is computed to the last digit up to 2²⁹.
const MOST_PHASE: f64 = 5e8;
/// Bytes of a file at most: a million cycles of noise in every signal.
const MOST_BYTES: u64 = 256 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
struct File {
    name: Spanned<String>,
    gogc: Spanned<i64>,
    memory_limit: u64,
    globals: u64,
    cycles: Spanned<u64>,
    signals: FileSignals,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of signals")]
struct FileSignals {
    alloc_rate: FileSignal,
    scan_rate: FileSignal,
    growth: FileSignal,
    scannable: FileSignal,
    stacks: FileSignal,
}

type FileSignal = Spanned<Vec<Spanned<FileTerm>>>;

/// One of the shapes, and perhaps a delay.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a term such as { const = 1.0 }")]
struct FileTerm {
    r#const: Option<f64>,
    ramp: Option<Ramp>,
    impulse: Option<f64>,
    sine: Option<Sine>,
    noise: Option<Noise>,
    #[serde(default)]
    delay: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a ramp such as { height = 1.0, length = 12 }")]
struct Ramp {
    height: f64,
    length: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a sine such as { amplitude = 1.0, period = 8 }")]
struct Sine {
    amplitude: f64,
    period: u64,
    #[serde(default)]
    phase: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "noise such as { amplitude = 1.0, draws = [0.5, 0.1] }")]
struct Noise {
    amplitude: f64,
    draws: Vec<f64>,
}

/// The signals and the lines they begin in, counted from 1.
type Lines = [(&'static str, usize); 5];

/// What is wrong, and the bytes of the text that are.
type Wrong = (Range<usize>, String);

/// A scenario, and where it was read: what goes wrong when it runs has a line, too.
pub struct Source {
    /// What was read.
    pub scenario: Scenario,
    path: PathBuf,
    lines: Lines,
}

impl Source {
    /// Reads what was found in the file at `path`.
    ///
    /// # Errors
    /// As for [`read`].
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Source, Failure> {
        let text = std::str::from_utf8(bytes)
            .map_err(|error| (error.valid_up_to(), "expected text in UTF-8".into()));
        let read = text.and_then(|text| parse(text).map_err(|(span, problem)| (span.start, problem)));
        let (scenario, lines) =
            read.map_err(|(offset, problem)| Failure::in_file(path, line_of(bytes, offset), &problem))?;
        Ok(Source { scenario, path: path.into(), lines })
    }

    /// The failure that the error of a run is: with file, and line of the signal that it names or that mends it.
    pub fn failure(&self, error: &ScenarioError) -> Failure {
        let named = match error {
            ScenarioError::Term { signal, .. } | ScenarioError::NotFinite { signal, .. } => signal,
            _ => "scan_rate",
        };
        let line = self.lines.iter().find(|(signal, _)| *signal == named).map_or(1, |(_, line)| *line);
        Failure::in_file(&self.path, line, &error.to_string())
    }
}

/// The line in which the byte at `offset` is, counted from 1.
fn line_of(text: &[u8], offset: usize) -> usize {
    text.iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}

/// Reads the scenario in the file at `path`.
///
/// # Errors
/// [`Failure::Usage`] with file, line, and what was expected there.
pub fn read(path: &Path) -> Result<Source, Failure> {
    let mut bytes = Vec::new();
    Input::open(path)
        .and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| Failure::Usage(format!("{}: cannot be read: {error}", path.display())))?;
    if bytes.len() as u64 > MOST_BYTES {
        let size = MOST_BYTES >> 20;
        return Err(Failure::Usage(format!("{}: expected a scenario of {size} MiB at most", path.display())));
    }
    Source::parse(path, &bytes)
}

/// What the TOML reader found wrong; a key that is there twice it does not name.
fn unreadable(text: &str, error: &toml::de::Error) -> Wrong {
    let span = error.span().unwrap_or_default();
    let problem = match (error.message(), text.get(span.clone())) {
        ("duplicate key", Some(key)) => format!("duplicate key `{key}`: expected it once"),
        (message, _) => message.to_owned(),
    };
    (span, problem)
}

fn parse(text: &str) -> Result<(Scenario, Lines), Wrong> {
    let file: File = toml::from_str(text).map_err(|error| unreadable(text, &error))?;
    let cycles = *within(&file.cycles, &CYCLES, "cycles")?;
    let gogc = *within(&file.gogc, &GOGC, "gogc, where -1 is off,")?;
    if file.name.get_ref().contains(char::is_control) {
        return Err((file.name.span(), "the name has a control character: expected none".into()));
    }
    let FileSignals { alloc_rate, scan_rate, growth, scannable, stacks } = file.signals;
    let line = |signal: &FileSignal| line_of(text.as_bytes(), signal.span().start);
    let lines = [
        ("alloc_rate", line(&alloc_rate)),
        ("scan_rate", line(&scan_rate)),
        ("growth", line(&growth)),
        ("scannable", line(&scannable)),
        ("stacks", line(&stacks)),
    ];
    let signal = |name, terms| signal(name, terms, cycles);
    let scenario = Scenario {
        name: file.name.into_inner(),
        gogc: u32::try_from(gogc).map_or(Gogc::Off, Gogc::Percent),
        memory_limit: Some(file.memory_limit),
        globals: file.globals,
        cycles,
        signals: Signals {
            alloc_rate: signal("alloc_rate", alloc_rate)?,
            scan_rate: signal("scan_rate", scan_rate)?,
            growth: signal("growth", growth)?,
            scannable: signal("scannable", scannable)?,
            stacks: signal("stacks", stacks)?,
        },
    };
    Ok((scenario, lines))
}

fn within<'v, T: PartialOrd + std::fmt::Display>(
    value: &'v Spanned<T>,
    range: &RangeInclusive<T>,
    what: &str,
) -> Result<&'v T, Wrong> {
    if range.contains(value.get_ref()) {
        return Ok(value.get_ref());
    }
    let (low, high) = (range.start(), range.end());
    Err((value.span(), format!("{what} is {}: expected {low} to {high}", value.get_ref())))
}

fn signal(name: &str, terms: FileSignal, cycles: u64) -> Result<Signal, Wrong> {
    let term = |term: Spanned<FileTerm>| {
        let span = term.span();
        shape_and_delay(term.into_inner(), cycles)
            .map_err(|problem| (span, format!("signal {name}: {problem}")))
    };
    let count = terms.get_ref().len();
    if count > MOST_TERMS {
        return Err((
            terms.span(),
            format!("signal {name} has {count} terms: expected {MOST_TERMS} at most"),
        ));
    }
    terms.into_inner().into_iter().map(term).collect::<Result<_, _>>().map(Signal)
}

/// The term, if every cycle up to `cycles` has a number.
fn shape_and_delay(term: FileTerm, cycles: u64) -> Result<Term, String> {
    let FileTerm { r#const, ramp, impulse, sine, noise, delay } = term;
    let shapes = [
        r#const.map(Shape::Const),
        ramp.map(|Ramp { height, length }| Shape::Ramp { height, length }),
        impulse.map(Shape::Impulse),
        sine.map(|Sine { amplitude, period, phase }| Shape::Sine { amplitude, period, phase }),
        noise.map(|Noise { amplitude, draws }| Shape::Noise { amplitude, draws }),
    ];
    let mut shapes = shapes.into_iter().flatten();
    let (Some(shape), None) = (shapes.next(), shapes.next()) else {
        return Err("expected exactly one of const, ramp, impulse, sine, noise in a term".into());
    };
    let finite = |what: &str, value: f64| match value.is_finite() {
        true => Ok(()),
        false => Err(format!("{what} is {value}: expected a finite number")),
    };
    match &shape {
        Shape::Const(value) => finite("const", *value)?,
        Shape::Impulse(height) => finite("impulse", *height)?,
        Shape::Ramp { length: 0, .. } => return Err("length is 0: expected at least 1 cycle".into()),
        Shape::Ramp { height, .. } => finite("height", *height)?,
        Shape::Sine { period: 0, .. } => return Err("period is 0: expected at least 1 cycle".into()),
        Shape::Sine { amplitude, phase, .. } => {
            finite("amplitude", *amplitude)?;
            finite("phase", *phase)?;
            if phase.abs() > MOST_PHASE {
                return Err(format!("phase is {phase:e}: expected -{MOST_PHASE:e} to {MOST_PHASE:e}"));
            }
        }
        Shape::Noise { amplitude, draws } => {
            finite("amplitude", *amplitude)?;
            if let Some(draw) = draws.iter().find(|draw| !(0.0..=1.0).contains(*draw)) {
                return Err(format!("a draw is {draw}: expected 0 to 1"));
            }
            let needed = cycles.saturating_sub(delay);
            if (draws.len() as u64) < needed {
                return Err(format!("{} draws: expected one a cycle, {needed}", draws.len()));
            }
        }
    }
    Ok(Term { shape, delay })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"name = "Test"
gogc = 100
memory_limit = 9223372036854775807
globals = 32768
cycles = 3
[signals]
alloc_rate = [
    { const = 33 },
    { ramp = { height = 66.0, length = 2 }, delay = 1 },
]
scan_rate = [{ const = 1024.0 }, { sine = { amplitude = 5.0, period = 8, phase = 0.5 } }]
growth = [{ noise = { amplitude = 2, draws = [0.0, 1] }, delay = 1 }, { impulse = 14.0, delay = 2 }]
scannable = [{ const = 1.0 }]
stacks = []
"#;

    #[test]
    fn every_shape_is_read() {
        let (scenario, lines) = parse(GOOD).expect("a scenario");
        assert_eq!(lines.map(|(_, line)| line), [7, 11, 12, 13, 14]);
        assert_eq!((scenario.name.as_str(), scenario.gogc), ("Test", Gogc::Percent(100)));
        assert_eq!(scenario.memory_limit, Some(i64::MAX as u64));
        assert_eq!((scenario.globals, scenario.cycles), (32768, 3));
        let Signals { alloc_rate, scan_rate, growth, stacks, .. } = scenario.signals;
        let term = |shape, delay| Term { shape, delay };
        assert_eq!(
            alloc_rate.0,
            [term(Shape::Const(33.0), 0), term(Shape::Ramp { height: 66.0, length: 2 }, 1)]
        );
        assert_eq!(scan_rate.0[1], term(Shape::Sine { amplitude: 5.0, period: 8, phase: 0.5 }, 0));
        let noise = Shape::Noise { amplitude: 2.0, draws: vec![0.0, 1.0] };
        assert_eq!(growth.0, [term(noise, 1), term(Shape::Impulse(14.0), 2)]);
        assert_eq!(stacks, Signal::default());
        let (off, _) = parse(&GOOD.replace("gogc = 100", "gogc = -1")).expect("a scenario");
        assert_eq!(off.gogc, Gogc::Off);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (good, bad, line, says) in [
            ("gogc = 100", "gogc = 100\ncolour = 3", 3, "unknown field `colour`, expected one of"),
            ("\"Test\"", "\"\\u001b[31m\"", 1, "the name has a control character"),
            ("gogc = 100", "gogc = -2", 2, "gogc, where -1 is off, is -2: expected -1 to 100000"),
            ("gogc = 100", "gogc = \"off\"", 2, "invalid type: string \"off\", expected i64"),
            ("gogc = 100", "gogc = ", 2, "expected"),
            ("gogc = 100", "gogc = 100\ngogc = 200", 3, "duplicate key `gogc`: expected it once"),
            ("cycles = 3", "cycles = 0", 5, "cycles is 0: expected 1 to 1000000"),
            ("cycles = 3", "cycles = 2.5", 5, "expected u64"),
            ("cycles = 3", "cycles = 4", 12, "signal growth: 2 draws: expected one a cycle, 3"),
            ("globals = 32768", "globals = -1", 4, "expected u64"),
            ("globals = 32768\n", "", 1, "missing field `globals`"),
            ("scannable = [{ const = 1.0 }]\n", "", 6, "missing field `scannable`"),
            ("{ const = 33 }", "{ konst = 33 }", 8, "unknown field `konst`, expected one of `const`"),
            ("{ const = 33 }", "{ }", 8, "signal alloc_rate: expected exactly one of const"),
            ("{ const = 33 }", "{ const = 33, impulse = 1 }", 8, "exactly one of"),
            ("{ const = 33 }", "{ const = nan }", 8, "const is NaN: expected a finite number"),
            ("{ const = 33 }", "{ const = true }", 8, "expected f64"),
            ("{ const = 33 }", "33", 8, ", expected a term such as"),
            ("{ const = 33 },", &"{ const = 33 },".repeat(101), 7, "102 terms: expected 100 at most"),
            ("ramp = { height = 66.0, length = 2 }", "ramp = 66", 9, "expected a ramp such as"),
            ("length = 2", "length = 0", 9, "length is 0: expected at least 1 cycle"),
            ("height = 66.0, ", "", 9, "missing field `height`"),
            ("delay = 1 },\n]", "delay = -1 },\n]", 9, "expected u64"),
            ("period = 8", "period = 0", 11, "period is 0"),
            ("phase = 0.5", "phase = inf", 11, "phase is inf"),
            ("phase = 0.5", "phase = -1e9", 11, "phase is -1e9: expected -5e8 to 5e8"),
            ("draws = [0.0, 1]", "draws = [0.0, 1.5]", 12, "a draw is 1.5: expected 0 to 1"),
        ] {
            let text = GOOD.replacen(good, bad, 1);
            assert_ne!(text, GOOD, "{good}");
            let (span, problem) = parse(&text).expect_err(bad);
            assert!(problem.contains(says), "{bad:?}: {problem}");
            assert_eq!(line_of(text.as_bytes(), span.start), line, "{bad:?}: {problem}");
        }
    }
}
