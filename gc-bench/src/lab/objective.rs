//! Objectives: what a program is to cost at most, as `rss<=300MiB, cpu<=20%, assist_p99<=50us`.

use super::model::Cost;
use crate::units::{self, parse_size};
use greyset::Period;
use std::fmt;
use std::str::FromStr;

/// Something that is to be small.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Metric {
    /// Peak resident memory of the process in bytes; of a recording, the most that its heap held.
    Rss,
    /// Largest heap in bytes.
    Heap,
    /// Share of collection in the processor time, in percent.
    Cpu,
    /// Wall time in nanoseconds.
    Wall,
    /// 99th percentile of the time of assists in nanoseconds.
    AssistP99,
}

impl Metric {
    /// All of them.
    const ALL: [Metric; 5] = [Metric::Rss, Metric::Heap, Metric::Cpu, Metric::Wall, Metric::AssistP99];

    /// The name in objectives.
    pub fn name(self) -> &'static str {
        match self {
            Metric::Rss => "rss",
            Metric::Heap => "heap",
            Metric::Cpu => "cpu",
            Metric::Wall => "wall",
            Metric::AssistP99 => "assist_p99",
        }
    }

    /// How much of it there is, where the process has `beside` bytes of memory beside its heap.
    pub fn of(self, cost: &Cost, beside: f64) -> f64 {
        match self {
            Metric::Rss => cost.held_bytes as f64 + beside,
            Metric::Heap => cost.peak_bytes as f64,
            Metric::Cpu => cost.cpu_percent(),
            Metric::Wall => cost.wall_s * 1e9,
            Metric::AssistP99 => cost.assist_p99_ns as f64,
        }
    }

    /// So much of it, for people.
    pub fn show(self, value: f64) -> String {
        match self {
            Metric::Rss | Metric::Heap => units::bytes(value as u64),
            Metric::Cpu => format!("{value:.1} %"),
            Metric::Wall | Metric::AssistP99 => units::nanos(value as u64),
        }
    }

    fn parse(self, text: &str) -> Result<f64, String> {
        match self {
            Metric::Rss | Metric::Heap => parse_size(text).map(|bytes| bytes as f64),
            Metric::Cpu => {
                let percent = text.strip_suffix('%').and_then(|number| number.trim().parse().ok());
                percent
                    .filter(|percent| (0.1..=100.0).contains(percent))
                    .ok_or_else(|| "not a percentage from 0.1% to 100% such as 20%".to_owned())
            }
            Metric::Wall | Metric::AssistP99 => {
                let time = text.parse::<Period>().map(|period| period.duration().as_nanos() as f64);
                time.ok()
                    .filter(|ns| *ns > 0.0)
                    .ok_or_else(|| "not a time above zero such as 50us or 2s".to_owned())
            }
        }
    }
}

/// A bound.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Term {
    /// Of what.
    pub metric: Metric,
    /// The most there may be.
    pub most: f64,
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} <= {}", self.metric.name(), self.metric.show(self.most))
    }
}

/// Bounds, at least one.
#[derive(Clone, PartialEq, Debug)]
pub struct Objective {
    /// The bounds, each of another metric.
    pub terms: Vec<Term>,
}

impl FromStr for Objective {
    type Err = String;

    fn from_str(text: &str) -> Result<Objective, String> {
        let mut terms: Vec<Term> = Vec::new();
        for part in text.split(',').map(str::trim) {
            let wrong = |why: String| format!("{part:?}: {why}");
            let Some((name, value)) = part.split_once("<=") else {
                return Err(wrong(
                    "expected a bound such as rss<=300MiB, cpu<=20% or assist_p99<=50us".into(),
                ));
            };
            let Some(metric) = Metric::ALL.into_iter().find(|metric| metric.name() == name.trim()) else {
                let names = Metric::ALL.map(Metric::name).join(", ");
                return Err(wrong(format!("expected one of {names} before <=")));
            };
            if terms.iter().any(|term| term.metric == metric) {
                return Err(wrong("a second bound of the same".into()));
            }
            terms.push(Term { metric, most: metric.parse(value.trim()).map_err(wrong)? });
        }
        Ok(Objective { terms })
    }
}

impl Objective {
    /// How far a cost is from the bound that it keeps worst, as a part of that: negative when all are kept.
    pub fn worst(&self, cost: &Cost, beside: f64) -> f64 {
        let off = |term: &Term| term.metric.of(cost, beside) / term.most - 1.0;
        self.terms.iter().map(off).fold(f64::NEG_INFINITY, f64::max)
    }

    /// The bound of a metric.
    pub fn most(&self, metric: Metric) -> Option<f64> {
        self.terms.iter().find(|term| term.metric == metric).map(|term| term.most)
    }

    /// A sentence for each bound that a cost does not keep.
    pub fn misses(&self, cost: &Cost, beside: f64) -> Vec<String> {
        let missed = self.terms.iter().filter_map(|term| {
            let Term { metric, most } = *term;
            let value = metric.of(cost, beside);
            let by = 100.0 * (value / most - 1.0);
            (value > most).then(|| format!("{term} cannot be met: {} is {by:.0} % above", metric.show(value)))
        });
        missed.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objectives_are_read() {
        let objective: Objective = "rss<=300MiB, cpu <= 20%,assist_p99<=50us".parse().expect("an objective");
        let term = |metric, most| Term { metric, most };
        assert_eq!(
            objective.terms,
            [
                term(Metric::Rss, f64::from(300 << 20)),
                term(Metric::Cpu, 20.0),
                term(Metric::AssistP99, 50_000.0)
            ]
        );
        let shown = objective.terms.iter().map(Term::to_string).collect::<Vec<_>>();
        assert_eq!(shown, ["rss <= 300.0 MiB", "cpu <= 20.0 %", "assist_p99 <= 50.0 µs"]);
    }

    #[test]
    fn what_is_none_says_what_to_write() {
        for (text, says) in [
            ("", "expected a bound such as"),
            ("rss<300MiB", "expected a bound such as"),
            ("rss<=300MiB,", "\"\": expected a bound"),
            ("ram<=300MiB", "\"ram<=300MiB\": expected one of rss, heap, cpu, wall, assist_p99 before <="),
            ("rss<=lots", "not a size above zero"),
            ("cpu<=20", "not a percentage from 0.1% to 100% such as 20%"),
            ("cpu<=120%", "not a percentage"),
            ("cpu<=NaN%", "not a percentage"),
            ("assist_p99<=50", "not a time above zero such as 50us"),
            ("wall<=0s", "not a time"),
            ("cpu<=20%, cpu<=30%", "a second bound of the same"),
        ] {
            let error = text.parse::<Objective>().expect_err(text);
            assert!(error.contains(says), "{text:?}: {error}");
        }
    }

    #[test]
    fn how_much_a_bound_is_missed_by() {
        let objective: Objective = "rss<=100MiB, cpu<=50%".parse().expect("an objective");
        let cost = Cost { held_bytes: 110 << 20, mark_cpu_s: 1.0, program_cpu_s: 3.0, ..Cost::default() };
        assert!((objective.worst(&cost, f64::from(10 << 20)) - 0.2).abs() < 1e-9);
        assert_eq!(
            objective.misses(&cost, f64::from(10 << 20)),
            ["rss <= 100.0 MiB cannot be met: 120.0 MiB is 20 % above"]
        );
        let small = Cost { held_bytes: 1 << 20, ..cost };
        assert_eq!(objective.worst(&small, 0.0), -0.5);
        assert!(objective.misses(&small, 0.0).is_empty());
    }
}
