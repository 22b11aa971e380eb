//! What is compared: one list of figures for tables, JSON and plots.
use crate::report::Report;
use crate::units;

/// A figure of a report.
pub struct Metric {
    /// Its name in JSON; the unit is part of it.
    pub key: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// Takes it out of a report; some programs do not have it.
    pub of: fn(&Report) -> Option<f64>,
    /// Writes it with its unit.
    pub show: fn(f64) -> String,
}

/// All of them. The latencies come last.
pub const METRICS: [Metric; 8] = [
    Metric { key: "wall_s", title: "wall", of: |r| Some(r.wall_s), show: units::seconds },
    Metric { key: "cpu_s", title: "CPU", of: |r| Some(r.cpu_s), show: units::seconds },
    Metric { key: "max_rss_bytes", title: "peak", of: |r| Some(r.max_rss_bytes as f64), show: bytes },
    Metric { key: "p50_ns", title: "p50", of: |r| r.op_ns.map(|p| p.p50 as f64), show: nanos },
    Metric { key: "p999_ns", title: "p99.9", of: |r| r.op_ns.map(|p| p.p999 as f64), show: nanos },
    Metric { key: "p9999_ns", title: "p99.99", of: |r| r.op_ns.map(|p| p.p9999 as f64), show: nanos },
    Metric { key: "max_ns", title: "longest", of: |r| r.op_ns.map(|p| p.max as f64), show: nanos },
    Metric { key: "ops_over_1ms", title: "over 1 ms", of: |r| r.ops_over_1ms.map(|n| n as f64), show: count },
];

/// Where peak memory stands in [`METRICS`].
pub const PEAK: usize = 2;

/// Where the metric of this key stands in [`METRICS`].
pub fn index_of(key: &str) -> Option<usize> {
    METRICS.iter().position(|metric| metric.key == key)
}

/// One value for each metric; `None` where there is none.
pub type Figures = [Option<f64>; METRICS.len()];

fn bytes(n: f64) -> String {
    units::bytes(n as u64)
}

fn nanos(n: f64) -> String {
    units::nanos(n as u64)
}

/// The median of an even number of runs may lie between two.
fn count(n: f64) -> String {
    n.to_string()
}

/// The figures of one run.
pub fn figures(report: &Report) -> Figures {
    each(|metric| (metric.of)(report))
}

/// The medians of several runs of one program.
pub fn medians(reports: &[Report]) -> Figures {
    each(|metric| median(reports.iter().filter_map(metric.of).collect()))
}

/// The medians of the ratios of `mine` to `theirs`, pair by pair: what disturbs one pair disturbs both of it.
pub fn ratios(mine: &[Report], theirs: &[Report]) -> Figures {
    each(|metric| {
        let pairs = mine.iter().zip(theirs).filter_map(|(a, b)| Some(((metric.of)(a)?, (metric.of)(b)?)));
        median(pairs.filter(|(_, theirs)| *theirs > 0.0).map(|(mine, theirs)| mine / theirs).collect())
    })
}

fn each(value: impl Fn(&Metric) -> Option<f64>) -> Figures {
    std::array::from_fn(|i| value(&METRICS[i]))
}

/// The middle value, or the mean of the two in the middle.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let (below, above) = (values.get(values.len().checked_sub(1)? / 2)?, values.get(values.len() / 2)?);
    Some((below + above) / 2.0)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::bench::Outcome;
    use crate::latency::Percentiles;

    /// A report with these figures.
    pub fn report(wall_s: f64, peak: u64, longest: Option<u64>) -> Report {
        let outcome = Outcome { ops: 10, check: "fine".to_owned(), op_times: None, notes: vec![] };
        Report {
            ops_over_1ms: longest.map(|ns| u64::from(ns > 1_000_000)),
            max_rss_bytes: peak,
            op_ns: longest.map(|max| Percentiles { count: 10, p50: 1, p99: 2, p999: 3, p9999: 4, max }),
            ..Report::without_heap("w", Default::default(), wall_s, 2.0 * wall_s, &outcome)
        }
    }

    #[test]
    fn medians_of_odd_and_even_counts() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0]), Some(3.0));
        assert_eq!(median(vec![9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 9.0]), Some(3.0));
    }

    #[test]
    fn ratios_are_taken_pair_by_pair() {
        let mine = [report(1.0, 10, Some(5)), report(30.0, 10, Some(5)), report(2.0, 10, Some(5))];
        let theirs = [report(2.0, 20, None), report(60.0, 5, None), report(4.0, 40, None)];
        let ratios = ratios(&mine, &theirs);
        assert_eq!(ratios, [Some(0.5), Some(0.5), Some(0.5), None, None, None, None, None]);
        assert_eq!(medians(&theirs)[PEAK], Some(20.0));
        let longest = index_of("max_ns").expect("a metric");
        assert_eq!((medians(&mine)[longest], METRICS[PEAK].key), (Some(5.0), "max_rss_bytes"));
        assert_eq!(index_of("nothing"), None);
    }

    #[test]
    fn a_bound_is_missed_by_half_an_operation_and_shows_it() {
        let runs = [report(1.0, 10, Some(5)), report(1.0, 10, Some(2_000_000))];
        let over = index_of("ops_over_1ms").expect("a metric");
        assert_eq!(medians(&runs)[over].map(METRICS[over].show), Some("0.5".to_owned()));
        assert_eq!((METRICS[over].show)(8.0), "8");
    }
}
