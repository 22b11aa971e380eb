//! The page of a comparison, in the style of the tour's: for each workload a table, the ratios, latencies and memory as plots.
use crate::compare::measure::{Comparison, Row};
use crate::compare::metric::METRICS;
use crate::compare::table::{LEGEND, cells};
use crate::compare::{Results, targets};
use crate::page::plots::{Area, Drawn, GRID, INK, SERIES, font, latencies, svg, time_label};
use crate::page::{escape, facts};
use plotters::prelude::*;

/// The page of all that was compared.
pub fn render(results: &Results) -> String {
    let sections = results.comparisons.iter().map(section).collect::<String>();
    let skipped = results.skipped.iter().map(|line| format!("<li>{}</li>", escape(line))).collect::<String>();
    include_str!("page.html")
        .replace("{{style}}", include_str!("../page/page.css"))
        .replace("{{facts}}", &facts(results.took, &results.facts))
        .replace("{{legend}}", &escape(LEGEND))
        .replace("{{skipped}}", &skipped)
        .replace("{{targets}}", &targets::html(&results.targets, escape))
        .replace("{{sections}}", &sections)
}

fn section(comparison: &Comparison) -> String {
    let Comparison { title, check, rows, failures } = comparison;
    let failed = failures.iter().map(|f| format!("<li>failed: {}</li>", escape(&f.to_string())));
    let timed: Vec<_> = rows.iter().filter(|row| row.times.is_some()).collect();
    format!(
        "<section><h2>{}</h2><p>All programs found: {}.</p><ul>{}</ul>{}{}{}{}</section>",
        escape(title),
        escape(check),
        failed.collect::<String>(),
        table(comparison),
        ratio_figure(rows),
        figures(&timed, "time of an operation", |rows| latencies(
            rows.iter().filter_map(|row| row.times.as_ref())
        )),
        figures(&rows.iter().collect::<Vec<_>>(), "resident memory", memory),
    )
}

/// As many plots as it takes to show every program in a colour of its own, greyset in each of them.
fn figures(rows: &[&Row], what: &str, plot: impl Fn(&[&Row]) -> String) -> String {
    let Some((greyset, others)) = rows.split_first() else { return String::new() };
    let parts = others.chunks(SERIES.len() - 1).map(|part| [&[*greyset], part].concat());
    let parts = if others.is_empty() { vec![vec![*greyset]] } else { parts.collect() };
    parts.iter().map(|part| figure(part, what, &plot(part))).collect()
}

fn table(comparison: &Comparison) -> String {
    let lines = cells(comparison).into_iter().enumerate().map(|(i, line)| {
        let tag = if i == 0 { "th" } else { "td" };
        let cells = line.iter().enumerate().map(|(column, cell)| {
            let tag = if column == 0 { "th" } else { tag };
            format!("<{tag}>{}</{tag}>", escape(cell))
        });
        let row = format!("<tr>{}</tr>", cells.collect::<String>());
        if i == 0 { format!("<thead>{row}</thead><tbody>") } else { row }
    });
    format!("<div class=scroll><table>{}</tbody></table></div>", lines.collect::<String>())
}

/// A plot with a key that names the program of each colour.
fn figure(rows: &[&Row], what: &str, plot: &str) -> String {
    let keys = rows.iter().enumerate().map(|(i, row)| key(i, &row.label)).collect::<String>();
    format!("<figure class=wide><p class=keys>{keys}</p>{plot}<figcaption>{what}</figcaption></figure>")
}

fn key(colour: usize, name: &str) -> String {
    format!("<span class=key><i class=s{colour}></i>{}</span>", escape(name))
}

fn ratio_figure(rows: &[Row]) -> String {
    let keys = METRICS.iter().take(RATIOS).enumerate().map(|(i, metric)| key(i, metric.title));
    format!(
        "<figure class=wide><p class=keys>{}</p>{}<figcaption>greyset ÷ program: to the left of the line greyset \
         needs less</figcaption></figure>",
        keys.collect::<String>(),
        ratios(rows)
    )
}

/// Metrics in the plot of ratios: wall, CPU, peak.
const RATIOS: usize = 3;
const BAR: i32 = 9;
const ROW: i32 = RATIOS as i32 * BAR + 11;
const LEFT: i32 = 300;
const RIGHT: i32 = 960;

/// A row a program: bars from 1 to the ratio, the scale logarithmic from 1/16 to 16.
fn ratios(rows: &[Row]) -> String {
    let peers: Vec<&Row> = rows.iter().filter(|row| row.ratios.iter().any(Option::is_some)).collect();
    let bottom = peers.len() as i32 * ROW + 6;
    svg((980, (bottom + 22) as u32), |area| {
        for power in -4..=4 {
            let ratio = 2f64.powi(power);
            let colour = if power == 0 { INK } else { GRID };
            area.draw(&PathElement::new(
                [(place(ratio), 0), (place(ratio), bottom)],
                colour.stroke_width(1),
            ))?;
            let label = if power < 0 { format!("1/{}", 1 << -power) } else { format!("{ratio}") };
            area.draw(&Text::new(label, (place(ratio) - 8, bottom + 5), font(12)))?;
        }
        for (i, row) in peers.iter().enumerate() {
            bars(area, row, i as i32 * ROW + 6)?;
        }
        Ok(())
    })
}

fn bars(area: &Area<'_>, row: &Row, top: i32) -> Drawn {
    let left = if row.matched { 20 } else { 4 };
    area.draw(&Text::new(row.label.clone(), (left, top + BAR), font(13)))?;
    for (i, (ratio, colour)) in row.ratios.iter().take(RATIOS).zip(SERIES).enumerate() {
        let Some(ratio) = ratio else { continue };
        let (from, to) = (place(1.0).min(place(*ratio)), place(1.0).max(place(*ratio)).max(place(1.0) + 1));
        let y = top + i as i32 * BAR;
        area.draw(&Rectangle::new([(from, y), (to, y + BAR - 2)], colour.filled()))?;
    }
    Ok(())
}

/// Where a ratio is on the scale; what lies beyond is at its end.
fn place(ratio: f64) -> i32 {
    let share = (ratio.log2().clamp(-4.0, 4.0) + 4.0) / 8.0;
    LEFT + (share * f64::from(RIGHT - LEFT)) as i32
}

/// Resident memory over time, upwards in powers of two.
fn memory(rows: &[&Row]) -> String {
    let mib = |bytes: u64| (bytes as f64 / f64::from(1 << 20)).max(1.0);
    let points = || rows.iter().flat_map(|row| &row.memory);
    let last = points().map(|(at, _)| *at).fold(0.01, f64::max);
    let high = points().map(|(_, bytes)| mib(*bytes)).fold(2.0, f64::max);
    let moment = time_label(last);
    svg((980, 320), |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(8)
            .margin_right(30)
            .x_label_area_size(28)
            .y_label_area_size(80)
            .build_cartesian_2d(0.0..last, (1.0..high * 1.2).log_scale().base(2.0))?;
        let mut mesh = chart.configure_mesh();
        mesh.disable_x_mesh().light_line_style(TRANSPARENT).bold_line_style(GRID).axis_style(GRID);
        mesh.label_style(font(13)).x_label_formatter(&moment);
        mesh.y_labels(12).y_label_formatter(&|mib| format!("{mib:.0} MiB")).draw()?;
        for (row, colour) in rows.iter().zip(SERIES) {
            let line = row.memory.iter().map(|(at, bytes)| (*at, mib(*bytes)));
            chart.draw_series(LineSeries::new(line, colour.stroke_width(2)))?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::table::tests::sample;
    use crate::latency;
    use std::time::Duration;

    #[test]
    fn a_page_has_the_table_and_the_plots_of_every_comparison() {
        let mut timed = sample();
        let mut times = latency::empty();
        times.saturating_record_n(70, 1000);
        timed.rows[0].times = Some(times);
        let page = render(&Results {
            targets: targets::judge(&[]),
            comparisons: vec![sample(), timed],
            took: Duration::from_secs(1),
            facts: vec![("pairs", "5".to_owned())],
            skipped: vec!["JVM is not installed".to_owned()],
            broken: vec![],
        });
        assert!(page.starts_with("<!doctype html>") && !page.contains("{{"), "{page}");
        assert_eq!((page.matches("<table>").count(), page.matches("<svg").count()), (2, 5));
        for text in
            ["JVM is not installed", "31 nodes", "failed: OCaml: signal: 9", "<dt>pairs</dt><dd>5</dd>"]
        {
            assert!(page.contains(text), "{text}");
        }
        assert!(!page.contains("No plot"));
    }

    #[test]
    fn more_programs_than_colours_take_more_plots() {
        let mut many = sample();
        for i in 0..20 {
            many.rows.push(Row {
                label: format!("peer {i}"),
                matched: false,
                memory: vec![(0.0, 1)],
                ..sample().rows.remove(1)
            });
        }
        let page = section(&many);
        // One of ratios, three of memory: 22 peers, nine beside greyset in each.
        assert_eq!(page.matches("<svg").count(), 4);
        for i in 0..20 {
            assert!(page.contains(&format!("</i>peer {i}</span>")), "{i}");
        }
    }

    #[test]
    fn the_scale_of_ratios_ends_at_sixteen() {
        assert_eq!([place(1.0 / 16.0), place(1.0), place(16.0)], [LEFT, (LEFT + RIGHT) / 2, RIGHT]);
        assert_eq!([place(0.0), place(1e9)], [LEFT, RIGHT]);
    }
}
