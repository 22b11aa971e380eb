//! What is to be shown beside the peers, and whether it was: one list of bounds for the terminal, Markdown, JSON and the page.
//!
//! Bounds are for the full sizes; of a comparison that was not made nothing is said.
use crate::compare::measure::{Comparison, Row};
use crate::compare::metric::{METRICS, Metric, index_of};
use crate::report::align_figures;
use comfy_table::{Table, TableStyle, presets};
use serde_json::{Value, json};

/// What a figure is held against.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Bound {
    /// Greyset's is at most so many times that of the program whose name begins like this.
    Times(&'static str, f64),
    /// It is at least so many times as large.
    Least(&'static str, f64),
    /// It is at most that of the program, which may be 0.
    NoMore(&'static str),
    /// In the memory of each collector of the JVM it is at most so many times that collector's.
    Jvm(f64),
    /// It is at most this.
    Own(f64),
}

/// Bounds of some figures of some comparisons.
struct Target {
    titles: &'static [&'static str],
    /// Keys of the figures.
    figures: &'static [&'static str],
    bound: Bound,
}

const GO: &str = "Go ";
const MIMALLOC: &str = "Box, mimalloc";
const TREES: &[&str] = &["binary-trees --depth 18", "binary-trees --depth 21"];
const TREES_OF_TWO: &[&str] =
    &["binary-trees --depth 18 --mutators 2", "binary-trees --depth 21 --mutators 2"];
const TREE: &[&str] = &["graph --objects 8000000 --order tree --workers 1"];
const RANDOM: &[&str] = &["graph --objects 8000000 --order random --workers 1"];
const GRAPHS: &[&str] = &[TREE[0], RANDOM[0]];
const ALLOC: &[&str] = &["alloc --size 16", "alloc --size 32", "alloc --size 64"];
const QUEUE: &str = "queue --window 200000 --pushes 3000000";
/// With one mutator, as malloc is run.
const TIMED: &[&str] =
    &["churn --live 268435456 --ops 3000000", "churn --live 1073741824 --ops 3000000", QUEUE];
const TIMED_OF_TWO: &[&str] = &[
    "churn --live 268435456 --ops 3000000 --mutators 2",
    "churn --live 1073741824 --ops 3000000 --mutators 2",
];
const CHURN: &[&str] = &[TIMED[0], TIMED[1]];
const TIMES: &[&str] = &["wall_s", "cpu_s"];
const PEAK: &[&str] = &["max_rss_bytes"];
const TAILS: &[&str] = &["p999_ns", "p9999_ns"];

const fn target(titles: &'static [&'static str], figures: &'static [&'static str], bound: Bound) -> Target {
    Target { titles, figures, bound }
}

/// In the order in which they are shown.
const TARGETS: &[Target] = &[
    target(TREES, TIMES, Bound::Times(GO, 0.25)),
    target(TREES, TIMES, Bound::Times(MIMALLOC, 0.6)),
    target(TREES, TIMES, Bound::Times("bumpalo", 1.25)),
    target(TREES, PEAK, Bound::Times(GO, 1.0)),
    target(TREES_OF_TWO, TIMES, Bound::Times(GO, 0.25)),
    target(TREES_OF_TWO, PEAK, Bound::Times(GO, 1.0)),
    target(&["gcbench"], TIMES, Bound::Times(GO, 0.35)),
    target(&["gcbench"], TIMES, Bound::Jvm(0.8)),
    target(&["gcbench"], PEAK, Bound::Times(GO, 1.0)),
    target(TREE, &["wall_s"], Bound::Times(GO, 0.3)),
    target(RANDOM, &["wall_s"], Bound::Times(GO, 0.25)),
    target(GRAPHS, &["wall_s"], Bound::Least("greyset, GOGC 100, --workers 2", 1.8)),
    target(GRAPHS, PEAK, Bound::Times(GO, 1.0)),
    target(ALLOC, &["wall_s"], Bound::Times("bumpalo", 1.3)),
    target(ALLOC, &["wall_s"], Bound::Times(MIMALLOC, 0.5)),
    target(ALLOC, PEAK, Bound::Times(GO, 1.0)),
    target(TIMED, &["max_ns"], Bound::Times(GO, 0.1)),
    target(TIMED, &["ops_over_1ms"], Bound::NoMore(MIMALLOC)),
    target(TIMED, TAILS, Bound::Times(GO, 1.0)),
    target(TIMED, TAILS, Bound::Times(MIMALLOC, 2.0)),
    target(TIMED_OF_TWO, &["max_ns"], Bound::Times(GO, 0.1)),
    target(TIMED_OF_TWO, TAILS, Bound::Times(GO, 1.0)),
    target(CHURN, &["wall_s"], Bound::Times(GO, 0.5)),
    target(CHURN, &["wall_s"], Bound::Times(MIMALLOC, 1.0 / 0.9)),
    target(TIMED, PEAK, Bound::Times(GO, 1.0)),
    target(TIMED_OF_TWO, PEAK, Bound::Times(GO, 1.0)),
    target(&["swaps --ops 100000000"], &["wall_s"], Bound::Times("atomic", 1.05)),
    target(&["heaps --heaps 5000"], &["p50_ns"], Bound::Own(50_000.0)),
];

/// A bound, and what was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The comparison.
    pub title: String,
    /// The figure, and what it is held against.
    pub what: String,
    /// Ratio or figure; `None` if the program it is held against is missing.
    pub measured: Option<f64>,
    /// The same for people.
    pub shown: String,
    /// The bound for people.
    pub wanted: String,
    /// Is it kept?
    pub met: Option<bool>,
}

/// Holds comparisons against all bounds that are for them.
pub fn judge(comparisons: &[Comparison]) -> Vec<Judged> {
    let mut judged = Vec::new();
    for Target { titles, figures, bound } in TARGETS {
        let made = titles.iter().filter_map(|title| comparisons.iter().find(|made| made.title == *title));
        for comparison in made {
            let figures = figures.iter().filter_map(|key| index_of(key));
            judged.extend(figures.map(|at| bound.judge(comparison, at)));
        }
    }
    judged
}

impl Bound {
    fn judge(self, comparison: &Comparison, at: usize) -> Judged {
        let rows = &comparison.rows;
        let metric = &METRICS[at];
        let own = rows.first().and_then(|row| row.figures[at]);
        let ratio = |name| program(rows, name).and_then(|row| row.ratios[at]);
        let times = |value: f64| format!("{value:.2} ×");
        let (beside, measured, limit, shown): (_, _, _, &dyn Fn(f64) -> String) = match self {
            Bound::Times(name, most) => (format!("÷ {}", name.trim()), ratio(name), most, &times),
            Bound::Least(name, least) => (format!("÷ {name}"), ratio(name), least, &times),
            Bound::NoMore(name) => {
                let theirs = program(rows, name).and_then(|row| row.figures[at]);
                (
                    format!("beside {name}"),
                    own.filter(|_| theirs.is_some()),
                    theirs.unwrap_or(0.0),
                    &metric.show,
                )
            }
            Bound::Jvm(most) => {
                ("÷ the best of the JVM, in its memory".to_owned(), worst_matched(rows, at), most, &times)
            }
            Bound::Own(most) => (String::new(), own, most, &metric.show),
        };
        let sign = if matches!(self, Bound::Least(..)) { '≥' } else { '≤' };
        let kept = |value: f64| if sign == '≥' { value >= limit } else { value <= limit };
        Judged {
            title: comparison.title.clone(),
            what: format!("{} {beside}", title(metric)).trim().to_owned(),
            measured,
            shown: measured.map_or_else(|| "–".to_owned(), shown),
            wanted: format!("{sign} {}", shown(limit)),
            met: measured.map(kept),
        }
    }
}

fn title(metric: &Metric) -> &'static str {
    if metric.key == "ops_over_1ms" { "operations over 1 ms" } else { metric.title }
}

/// The row of the program whose name begins like this.
fn program<'r>(rows: &'r [Row], name: &str) -> Option<&'r Row> {
    rows.iter().skip(1).find(|row| !row.matched && row.label.starts_with(name))
}

/// The ratio of greyset, in the memory of each collector of the JVM, to the collector that comes off best.
fn worst_matched(rows: &[Row], at: usize) -> Option<f64> {
    let pairs = rows.iter().zip(rows.iter().skip(1));
    let beside = pairs.filter(|(peer, mine)| peer.label.starts_with("JVM ") && mine.matched);
    beside.filter_map(|(_, mine)| mine.ratios[at]).max_by(f64::total_cmp)
}

const HEADER: [&str; 5] = ["comparison", "figure", "measured", "wanted", "met"];

fn cells(judged: &Judged) -> [String; 5] {
    let met = judged.met.map_or("–", |met| if met { "yes" } else { "no" });
    [judged.title.clone(), judged.what.clone(), judged.shown.clone(), judged.wanted.clone(), met.to_owned()]
}

/// How many are met, of how many that could be held against something.
fn summary(judged: &[Judged]) -> String {
    let known = judged.iter().filter_map(|judged| judged.met);
    format!("{} of {} bounds are met", known.clone().filter(|met| *met).count(), known.count())
}

fn table(judged: &[Judged], style: TableStyle) -> Table {
    let mut table = Table::new();
    table.load_style(style).set_header(HEADER).add_rows(judged.iter().map(cells));
    table
}

/// As text for a terminal; empty without any.
pub fn text(judged: &[Judged]) -> String {
    if judged.is_empty() {
        return String::new();
    }
    let mut table = table(judged, presets::UTF8_FULL_CONDENSED);
    align_figures(&mut table, 2);
    format!("\nWhat was to be shown\n{table}\n{}\n", summary(judged))
}

/// As a section of a Markdown document; empty without any.
pub fn markdown(judged: &[Judged]) -> String {
    if judged.is_empty() {
        return String::new();
    }
    format!(
        "\n## What was to be shown\n\n{}\n\n{}\n",
        table(judged, presets::ASCII_MARKDOWN),
        summary(judged)
    )
}

/// As a section of the page; empty without any. `escape` makes text fit for it.
pub fn html(judged: &[Judged], escape: fn(&str) -> String) -> String {
    if judged.is_empty() {
        return String::new();
    }
    let row = |cells: [String; 5], tag: &str| {
        let cells = cells.map(|cell| format!("<{tag}>{}</{tag}>", escape(&cell))).concat();
        format!("<tr>{cells}</tr>")
    };
    let rows = judged.iter().map(|judged| row(cells(judged), "td")).collect::<String>();
    format!(
        "<section><h2>What was to be shown</h2><p>{}.</p><div class=scroll><table><thead>{}</thead><tbody>{rows}\
         </tbody></table></div></section>",
        summary(judged),
        row(HEADER.map(str::to_owned), "th"),
    )
}

/// As JSON.
pub fn json(judged: &[Judged]) -> Value {
    let one = |judged: &Judged| {
        json!({
            "comparison": judged.title,
            "figure": judged.what,
            "measured": judged.measured,
            "wanted": judged.wanted,
            "met": judged.met,
        })
    };
    judged.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::metric::Figures;
    use crate::compare::plan::plan;

    fn row(label: &str, matched: bool, figures: &[(&str, f64)], ratios: &[(&str, f64)]) -> Row {
        let filled = |pairs: &[(&str, f64)]| {
            let mut all = Figures::default();
            pairs.iter().for_each(|(key, value)| all[index_of(key).expect("a metric")] = Some(*value));
            all
        };
        Row {
            label: label.to_owned(),
            matched,
            runs: vec![],
            figures: filled(figures),
            ratios: filled(ratios),
            times: None,
            memory: vec![],
        }
    }

    fn comparison(title: &str, rows: Vec<Row>) -> Comparison {
        Comparison { title: title.to_owned(), check: String::new(), rows, failures: vec![] }
    }

    fn found<'j>(judged: &'j [Judged], what: &str) -> &'j Judged {
        judged.iter().find(|judged| judged.what == what).unwrap_or_else(|| panic!("{what}: {judged:?}"))
    }

    #[test]
    fn every_bound_is_for_a_comparison_that_is_made_and_a_figure_that_there_is() {
        let titles = plan(&[], false).iter().map(|entry| entry.title()).collect::<Vec<_>>();
        for target in TARGETS {
            assert!(
                target.titles.iter().all(|title| titles.iter().any(|made| made == title)),
                "{:?}",
                target.titles
            );
            assert!(target.figures.iter().all(|key| index_of(key).is_some()), "{:?}", target.figures);
        }
        // And every comparison that is made has one.
        for title in &titles {
            assert!(TARGETS.iter().any(|target| target.titles.contains(&title.as_str())), "{title}");
        }
    }

    #[test]
    fn ratios_are_held_against_the_program_they_name() {
        let wall = |ratio| [("wall_s", ratio)];
        let rows = vec![
            row("greyset, GOGC 100", false, &[], &[]),
            row("Go 1.27, GOGC 100", false, &[], &wall(0.3)),
            row("greyset, GOGC 50 (equal memory)", true, &[], &wall(9.0)),
            row("Box, mimalloc", false, &[], &wall(0.5)),
        ];
        let judged = judge(&[comparison("binary-trees --depth 18", rows)]);
        let go = found(&judged, "wall ÷ Go");
        assert_eq!((go.measured, go.met, go.wanted.as_str()), (Some(0.3), Some(false), "≤ 0.25 ×"));
        assert_eq!(found(&judged, "wall ÷ Box, mimalloc").met, Some(true));
        let arena = found(&judged, "wall ÷ bumpalo");
        assert_eq!((arena.met, arena.shown.as_str()), (None, "–"));
        assert!(text(&judged).contains("1 of 2 bounds are met"), "{}", text(&judged));
    }

    #[test]
    fn the_collector_that_comes_off_best_counts() {
        let wall = |ratio| [("wall_s", ratio)];
        let rows = vec![
            row("greyset, GOGC 100", false, &[], &[]),
            row("JVM 25 G1, -Xmx64m", false, &[], &wall(0.9)),
            row("greyset, GOGC 700 (equal memory)", true, &[], &wall(0.7)),
            row("JVM 25 Z, -Xmx64m", false, &[], &wall(0.4)),
            row("greyset, GOGC 800 (equal memory)", true, &[], &wall(0.5)),
        ];
        let judged = judge(&[comparison("gcbench", rows)]);
        let best = found(&judged, "wall ÷ the best of the JVM, in its memory");
        assert_eq!((best.measured, best.met), (Some(0.7), Some(true)));
    }

    #[test]
    fn counts_speed_ups_and_own_figures_have_bounds_of_their_own() {
        let over = |n| [("ops_over_1ms", n)];
        let rows = |theirs| {
            vec![row("greyset", false, &over(2.0), &[]), row("Box, mimalloc", false, &over(theirs), &[])]
        };
        for (theirs, met) in [(2.0, true), (1.0, false)] {
            let judged = judge(&[comparison(QUEUE, rows(theirs))]);
            assert_eq!(found(&judged, "operations over 1 ms beside Box, mimalloc").met, Some(met));
        }
        let two = "greyset, GOGC 100, --workers 2";
        for (ratio, met) in [(1.9, true), (1.7, false)] {
            let rows = vec![row("greyset", false, &[], &[]), row(two, false, &[], &[("wall_s", ratio)])];
            let judged = judge(&[comparison(TREE[0], rows)]);
            let judged = found(&judged, "wall ÷ greyset, GOGC 100, --workers 2");
            assert_eq!((judged.met, judged.wanted.as_str()), (Some(met), "≥ 1.80 ×"));
        }
        let rows = vec![row("greyset", false, &[("p50_ns", 60_000.0)], &[])];
        let judged = judge(&[comparison("heaps --heaps 5000", rows)]);
        assert_eq!(
            (judged[0].what.as_str(), judged[0].met, judged[0].wanted.as_str()),
            ("p50", Some(false), "≤ 50.0 µs")
        );
        assert_eq!(json(&judged)[0]["measured"], 60_000.0);
        assert!(markdown(&judged).contains("| heaps --heaps 5000 |") && text(&[]).is_empty());
    }
}
