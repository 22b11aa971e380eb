//! The report page: one HTML file without anything outside it, light or dark as the reader's system is.
pub(crate) mod plots;
mod utilization;

use crate::latency::Percentiles;
use crate::machine::Machine;
use crate::options::Common;
use crate::report::{GcReport, Report};
use crate::tour::Stop;
use crate::units;
use crate::workloads::{object, pairs};
use std::time::{Duration, SystemTime};

/// The page of a tour that took this long.
pub fn render(stops: &[Stop], took: Duration) -> String {
    let plots = stops.iter().map(heap_figure).collect::<String>();
    include_str!("page.html")
        .replace("{{style}}", include_str!("page.css"))
        .replace(
            "{{facts}}",
            &facts(took, &[("heap settings", pairs(&object(serde_json::to_value(Common::default()))))]),
        )
        .replace("{{results}}", &results(stops))
        .replace("{{heaps}}", &plots)
        .replace("{{shares}}", &stops.iter().map(share_figure).collect::<String>())
        .replace("{{mmu}}", &mmu_figure(stops))
        .replace("{{latency}}", &latency_figures(stops))
        .replace("{{cpu}}", &plots::cpu_shares(stops))
        .replace("{{checks}}", &checks(stops))
}

/// What it was measured on, and `more` that is to be known.
pub(crate) fn facts(took: Duration, more: &[(&str, String)]) -> String {
    let machine = Machine::this();
    let facts = [
        ("greyset", env!("CARGO_PKG_VERSION").to_owned()),
        ("measured", format!("{}, in {:.0} s", date(), took.as_secs_f64())),
        ("processor", format!("{} × {}", machine.processors, machine.processor)),
        ("memory", units::bytes(machine.memory_bytes)),
        ("system", machine.system),
    ];
    let facts = facts.iter().chain(more);
    facts.map(|(name, value)| format!("<div><dt>{name}</dt><dd>{}</dd></div>", escape(value))).collect()
}

fn results(stops: &[Stop]) -> String {
    stops.iter().map(result_row).collect()
}

fn result_row(stop: &Stop) -> String {
    let Stop { parameters, report, .. } = stop;
    let gc = report.gc.clone().unwrap_or_default();
    let share = if report.cpu_s > 0.0 { 100.0 * gc.cpu_s() / report.cpu_s } else { 0.0 };
    let cells = [
        units::count(report.ops_per_s),
        units::seconds(report.wall_s),
        units::seconds(report.cpu_s),
        format!("{share:.0} %"),
        gc.cycles.to_string(),
        gc.ns_per_marked_object.map_or_else(dash, |ns| format!("{ns:.1} ns")),
        units::bytes(gc.peak_bytes),
        units::bytes(report.max_rss_bytes),
    ];
    let cells = cells.iter().map(|cell| format!("<td>{cell}</td>")).collect::<String>();
    format!("<tr><th scope=row>{}<small>{}</small></th>{cells}</tr>", report.workload, escape(parameters))
}

fn heap_figure(stop: &Stop) -> String {
    let GcReport { cycles, live_bytes, .. } = stop.report.gc.clone().unwrap_or_default();
    let live = units::bytes(live_bytes);
    format!(
        "<figure>{}<figcaption><b>{}</b> {cycles} cycles, {live} live at the end</figcaption></figure>",
        plots::heap_over_time(&stop.samples),
        stop.report.workload
    )
}

fn share_figure(stop: &Stop) -> String {
    let plot = utilization::shares_over_time(&stop.samples);
    format!("<figure>{plot}<figcaption><b>{}</b></figcaption></figure>", stop.report.workload)
}

/// A coloured key for each stop.
fn keys<'s>(stops: impl Iterator<Item = &'s Stop>) -> String {
    let key = |(i, stop): (usize, &Stop)| {
        format!("<span class=key><i class=s{i}></i>{}</span>", stop.report.workload)
    };
    stops.enumerate().map(key).collect()
}

fn mmu_figure(stops: &[Stop]) -> String {
    let plot = utilization::mmu(stops.iter().map(|stop| stop.samples.as_slice()));
    format!("<figure class=wide><p class=keys>{}</p>{plot}</figure>", keys(stops.iter()))
}

/// The distribution of operation times, and a table of operations and safepoints.
fn latency_figures(stops: &[Stop]) -> String {
    let timed = || stops.iter().filter(|stop| stop.outcome.op_times.is_some());
    let keys = keys(timed());
    let plot = plots::latencies(timed().filter_map(|stop| stop.outcome.op_times.as_ref()));
    let rows = stops.iter().flat_map(|stop| {
        let name = &stop.report.workload;
        let operations = stop.report.op_ns.map(|p| latency_row(name, "operation", &p));
        let safepoints = stop.report.safepoint_ns.map(|p| latency_row(name, "safepoint answer", &p));
        operations.into_iter().chain(safepoints)
    });
    let rows = rows.collect::<String>();
    format!(
        "<figure class=wide><p class=keys>{keys}</p>{plot}</figure><div class=scroll><table><thead><tr><th>workload</th>\
         <th class=text>what</th><th>count</th><th>p50</th><th>p99</th><th>p99.9</th><th>p99.99</th><th>longest</th>\
         </tr></thead><tbody>{rows}</tbody></table></div>"
    )
}

fn latency_row(name: &str, what: &str, p: &Percentiles) -> String {
    let times =
        [p.p50, p.p99, p.p999, p.p9999, p.max].map(|ns| format!("<td>{}</td>", units::nanos(ns))).concat();
    let count = units::count(p.count as f64);
    format!("<tr><th scope=row>{name}</th><td class=text>{what}</td><td>{count}</td>{times}</tr>")
}

fn checks(stops: &[Stop]) -> String {
    let rows = stops.iter().map(|stop| {
        let notes =
            stop.outcome.notes.iter().map(|note| format!("<li>{}</li>", escape(note))).collect::<String>();
        let Report { workload, check, .. } = &stop.report;
        format!("<details><summary><b>{workload}</b> {}</summary><ul>{notes}</ul></details>", escape(check))
    });
    rows.collect()
}

fn dash() -> String {
    "–".to_owned()
}

pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Today in UTC, as `2026-05-09`.
pub(crate) fn date() -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (year, month, day) = civil((since.as_secs() / 86_400) as i64);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Year, month and day of a number of days since 1970, by counting in 400-year eras that begin in March.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(19_782), (2024, 2, 29));
        assert_eq!(civil(20_454), (2026, 1, 1));
    }

    #[test]
    fn text_cannot_break_out_of_the_page() {
        assert_eq!(escape("<a & \"b\">"), "&lt;a &amp; &quot;b&quot;&gt;");
    }

    #[test]
    fn a_page_without_results_is_still_a_page() {
        let page = render(&[], Duration::from_secs(1));
        assert!(page.starts_with("<!doctype html>"), "{page}");
        assert!(!page.contains("{{"));
    }
}
