//! The settings that `tune` tries, and how they are written down.

use super::model::Changes;
use super::objective::{Metric, Objective};
use super::recording::Recording;
use crate::options::Common;
use greyset::{ByteSize, Gogc, Limit, Period};
use std::time::Duration;

/// Growth in percent: three to a doubling.
const GOGC: [u32; 16] = [25, 32, 40, 50, 64, 80, 100, 125, 160, 200, 250, 320, 400, 500, 640, 800];
/// Parts of the memory bound to set the limit to.
const LIMITS: [f64; 3] = [0.98, 0.9, 0.8];
/// Least limit that a heap takes, and the largest.
const LEAST: f64 = 1048576.0;
const MOST: f64 = 16.0 * LEAST * LEAST;

/// What to try for a recorded program: growth, marker threads; a limit where memory is bounded, and shorter assists where those
/// are. The recorded settings come first.
pub fn of(recording: &Recording, objective: &Objective, beside: f64) -> Vec<Changes> {
    let most = u64::from(recording.settings.processors).min(4);
    let mut workers = vec![None];
    workers.extend((1..=most).filter(|n| *n != recording.workers).map(Some));
    let mut assists = vec![None];
    if let Some(ns) = objective.most(Metric::AssistP99) {
        let shorter = [ns as u64, ns as u64 / 2].map(|ns| ns.clamp(1000, 1_000_000_000));
        assists.extend(shorter.into_iter().filter(|ns| *ns != recording.assist_max_ns).map(Some));
    }
    let mut growth: Vec<(Option<Gogc>, Option<Limit>)> = vec![(None, None)];
    growth.extend(GOGC.map(|percent| (Some(Gogc::Percent(percent)), None)));
    if let Some(bytes) = objective.most(Metric::Rss) {
        let limits = LIMITS
            .map(|part| bytes * part - beside)
            .into_iter()
            .filter(|bytes| (LEAST..=MOST).contains(bytes));
        for limit in limits.map(|bytes| Limit::Bytes(ByteSize::new((bytes / LEAST) as u64 * LEAST as u64))) {
            let percents = [100, 200, 400].map(Gogc::Percent);
            growth.extend(percents.into_iter().chain([Gogc::Off]).map(|gogc| (Some(gogc), Some(limit))));
        }
    }
    let mut all = Vec::new();
    for workers in workers {
        for assist_max_ns in &assists {
            for (gogc, memory_limit) in &growth {
                let (gogc, memory_limit, assist_max_ns) = (*gogc, *memory_limit, *assist_max_ns);
                all.push(Changes { gogc, memory_limit, workers, assist_max_ns, ..Changes::default() });
            }
        }
    }
    all
}

/// The options of a run with these settings over those given.
pub fn common(common: &Common, changes: &Changes) -> Common {
    Common {
        gogc: changes.gogc.unwrap_or(common.gogc),
        memory_limit: match changes.memory_limit {
            Some(Limit::Bytes(size)) => Some(size.bytes()),
            _ => common.memory_limit,
        },
        workers: changes.workers.map(|n| n as usize).or(common.workers),
        assist_max: changes.assist_max_ns.map(period).or(common.assist_max),
        ..common.clone()
    }
}

fn period(ns: u64) -> Period {
    Period::new(Duration::from_nanos(ns))
}

/// The settings as environment variables; those that are not named stay as they are.
pub fn environment(changes: &Changes) -> String {
    let parts = [
        changes.gogc.map(|gogc| format!("GREYSET_GOGC={gogc}")),
        changes.memory_limit.map(|limit| format!("GREYSET_MEMORY_LIMIT={limit}")),
        changes.workers.map(|n| format!("GREYSET_WORKERS={n}")),
        changes.assist_max_ns.map(|ns| format!("GREYSET_ASSIST_MAX={}", period(ns))),
    ];
    let given = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
    if given.is_empty() { "as they are".to_owned() } else { given }
}

/// The settings as calls on a builder; a limit is one of [`of`]: whole MiB.
pub fn code(changes: &Changes) -> String {
    let parts = [
        changes.gogc.map(|gogc| match gogc {
            Gogc::Percent(percent) => format!(".gogc({percent})"),
            Gogc::Off => ".gogc_off()".to_owned(),
        }),
        changes.memory_limit.and_then(|limit| match limit {
            Limit::Bytes(size) => Some(format!(".memory_limit({} << 20)", size.bytes() >> 20)),
            Limit::Off | Limit::Auto => None,
        }),
        changes.workers.map(|n| format!(".workers({n})")),
        changes.assist_max_ns.map(|ns| format!(".assist_max(Duration::from_nanos({ns}))")),
    ];
    parts.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::super::recording::tests::steady;
    use super::*;

    #[test]
    fn limits_and_assists_are_tried_where_they_are_bounded() {
        let recording = Recording::parsed(&steady(3));
        let of = |objective: &str| of(&recording, &objective.parse().expect("an objective"), 0.0);
        let plain = of("cpu<=20%");
        // As recorded and sixteen growths, with one worker and with two.
        assert_eq!((plain.len(), plain[0]), (34, Changes::default()));
        assert_eq!(of("rss<=100MiB").len(), 2 * (17 + 3 * 4));
        assert_eq!(of("rss<=1MiB").len(), 34);
        assert_eq!(of("rss<=1000TiB").len(), 34);
        assert_eq!(of("assist_p99<=20us").len(), 3 * 34);
    }

    #[test]
    fn settings_are_written_down() {
        let changes = Changes {
            gogc: Some(Gogc::Percent(160)),
            memory_limit: Some(Limit::Bytes(ByteSize::new(300 << 20))),
            workers: Some(2),
            assist_max_ns: Some(25_000),
            ..Changes::default()
        };
        let variables =
            "GREYSET_GOGC=160 GREYSET_MEMORY_LIMIT=300MiB GREYSET_WORKERS=2 GREYSET_ASSIST_MAX=25us";
        assert_eq!(environment(&changes), variables);
        // A heap reads them as they stand.
        let pairs = variables.split(' ').filter_map(|pair| pair.split_once('='));
        let pairs = pairs.map(|(name, value)| (name.into(), value.into()));
        assert_eq!(greyset::Heap::builder().check_in(pairs), Ok(()));
        let code = code(&changes);
        assert_eq!(
            code,
            ".gogc(160).memory_limit(300 << 20).workers(2).assist_max(Duration::from_nanos(25000))"
        );
        let common = common(&Common::default(), &changes);
        assert_eq!(
            (common.gogc, common.memory_limit, common.workers),
            (Gogc::Percent(160), Some(300 << 20), Some(2))
        );
        assert_eq!(environment(&Changes::default()), "as they are");
    }
}
