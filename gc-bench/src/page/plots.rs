//! Plots of heaps, latencies and shares, as SVG. Colours are placeholders that the style sheet replaces by the theme's own, so that
//! one picture serves light and dark; their table is `SERIES` here and the attribute selectors of page.css.
use crate::sampler::Sample;
use crate::tour::Stop;
use crate::units;
use hdrhistogram::Histogram;
use plotters::coord::Shift;
use plotters::prelude::*;
use std::error::Error;

/// Text and axes.
pub(crate) const INK: RGBColor = RGBColor(1, 1, 1);
/// Grid lines.
pub(crate) const GRID: RGBColor = RGBColor(1, 1, 2);
/// Series, in the order of the classes s0 … s9 of the style sheet.
pub(crate) const SERIES: [RGBColor; 10] = [
    RGBColor(1, 1, 16),
    RGBColor(1, 1, 17),
    RGBColor(1, 1, 18),
    RGBColor(1, 1, 19),
    RGBColor(1, 1, 20),
    RGBColor(1, 1, 21),
    RGBColor(1, 1, 22),
    RGBColor(1, 1, 23),
    RGBColor(1, 1, 24),
    RGBColor(1, 1, 25),
];

pub(crate) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(crate) type Drawn = Result<(), Box<dyn Error>>;

/// Draws into an SVG of this size; a plot that cannot be drawn says so in its place.
pub(crate) fn svg(size: (u32, u32), draw: impl FnOnce(&Area<'_>) -> Drawn) -> String {
    let mut text = String::new();
    let done = {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        draw(&area).and_then(|()| Ok(area.present()?))
    };
    done.map_or_else(|e| format!("<p>No plot: {e}</p>"), |()| text)
}

pub(crate) fn font(size: i32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}

/// The heap, goal, live data, trigger and memory held over time.
pub fn heap_over_time(samples: &[Sample]) -> String {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let highest =
        samples.iter().map(|s| s.heap_bytes.max(s.goal_bytes).max(s.mapped_bytes)).max().unwrap_or(1);
    let last = samples.last().map_or(1.0, |s| s.at_s).max(0.01);
    let series: [fn(&Sample) -> u64; 5] =
        [|s| s.heap_bytes, |s| s.goal_bytes, |s| s.live_bytes, |s| s.trigger_bytes, |s| s.mapped_bytes];
    // The heap last, so that it is on top of the others.
    let lines = series.into_iter().zip(SERIES).rev();
    let lines = lines.map(|(value, colour)| {
        let points = samples.iter().map(|s| (s.at_s, mib(value(s)))).collect();
        (points, colour)
    });
    over_time(240, [last, mib(highest) * 1.08 + 0.1], &|mib| format!("{mib:.0} MiB"), lines)
}

/// Writes moments of a time axis that ends at `last` seconds, so finely that no two labels are the same.
pub(crate) fn time_label(last: f64) -> impl Fn(&f64) -> String {
    // There are at most eleven labels, at steps of 1, 2 or 5 times a power of ten.
    move |s| if last < 1.0 { format!("{:.0} ms", s * 1e3) } else { format!("{s:.1} s") }
}

/// Lines over time, each its points and its colour, in a plot of this height up to these seconds and this value.
pub(super) fn over_time(
    height: u32,
    [last, top]: [f64; 2],
    label: &dyn Fn(&f64) -> String,
    lines: impl Iterator<Item = (Vec<(f64, f64)>, RGBColor)>,
) -> String {
    svg((480, height), |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(6)
            .margin_right(14)
            .x_label_area_size(26)
            .y_label_area_size(52)
            .build_cartesian_2d(0.0..last, 0.0..top)?;
        let mut mesh = chart.configure_mesh();
        mesh.disable_x_mesh().light_line_style(TRANSPARENT).bold_line_style(GRID).axis_style(GRID);
        mesh.label_style(font(12)).x_labels(6).y_labels(height as usize / 45);
        mesh.x_label_formatter(&time_label(last)).y_label_formatter(label).draw()?;
        for (points, colour) in lines {
            chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?;
        }
        Ok(())
    })
}

/// Operation times by percentile: to the right one nine more at every step, upwards ten times longer at every line.
pub fn latencies<'h>(histograms: impl Iterator<Item = &'h Histogram<u64>>) -> String {
    let histograms = histograms.filter(|h| !h.is_empty()).collect::<Vec<_>>();
    let nines = |h: &Histogram<u64>| (h.len() as f64).log10();
    let right = histograms.iter().map(|h| nines(h)).fold(1.0, f64::max);
    let low = histograms.iter().map(|h| h.min()).min().unwrap_or(1).max(1) as f64;
    let high = histograms.iter().map(|h| h.max()).max().unwrap_or(10) as f64;
    svg((980, 360), |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(8)
            .margin_right(30)
            .x_label_area_size(30)
            .y_label_area_size(70)
            .build_cartesian_2d(0.0..right, (low * 0.8..high * 1.5).log_scale())?;
        let mut mesh = chart.configure_mesh();
        mesh.light_line_style(TRANSPARENT).bold_line_style(GRID).axis_style(GRID).label_style(font(13));
        mesh.x_labels(8).x_label_formatter(&|x| percentile_label(*x));
        mesh.y_labels(8).y_label_formatter(&|ns| units::nanos(*ns as u64)).draw()?;
        for (histogram, colour) in histograms.iter().zip(SERIES) {
            let steps = (nines(histogram) * 50.0) as u32;
            let at = |step| f64::from(step) / 50.0;
            let points = (0..=steps).map(|step| {
                let quantile = 1.0 - 10f64.powf(-at(step));
                (at(step), histogram.value_at_quantile(quantile).max(1) as f64)
            });
            chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?;
        }
        Ok(())
    })
}

/// 0 is the 0 % percentile, 1 the 90 %, 2 the 99 %, and so on; only whole steps are labelled.
fn percentile_label(nines: f64) -> String {
    let whole = nines.round();
    if (nines - whole).abs() > 0.01 {
        return String::new();
    }
    format!("{:.*} %", (whole as usize).saturating_sub(2), 100.0 - 10f64.powf(2.0 - whole))
}

/// One bar a workload: the shares of the program, of assists, of marking and of sweeping in the CPU time.
pub fn cpu_shares(stops: &[Stop]) -> String {
    let rows = stops.iter().map(|stop| {
        let gc = stop.report.gc.clone().unwrap_or_default();
        let program = (stop.report.cpu_s - gc.cpu_s()).max(0.0);
        (stop.report.workload.as_str(), [program, gc.assist_cpu_s, gc.mark_cpu_s, gc.sweep_cpu_s])
    });
    let rows = rows.collect::<Vec<_>>();
    const ROW: i32 = 34;
    const LEFT: i32 = 120;
    const WIDTH: f64 = 830.0;
    svg((980, (rows.len() as i32 * ROW + 10) as u32), |area| {
        for (i, (name, parts)) in rows.iter().enumerate() {
            let top = i as i32 * ROW + 6;
            area.draw(&Text::new((*name).to_owned(), (4, top + 6), font(14)))?;
            let whole = parts.iter().sum::<f64>().max(1e-9);
            let mut from = 0.0;
            for (part, colour) in parts.iter().zip(SERIES) {
                let to = from + part / whole;
                let [x0, x1] = [from, to].map(|share| LEFT + (share * WIDTH) as i32);
                area.draw(&Rectangle::new([(x0, top), (x1, top + ROW - 10)], colour.filled()))?;
                from = to;
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency;
    use plotters::coord::ranged1d::Ranged;

    #[test]
    fn percentiles_have_their_nines() {
        let labels = [0.0, 1.0, 2.0, 3.0, 4.0, 2.5].map(percentile_label);
        assert_eq!(labels, ["0 %", "90 %", "99 %", "99.9 %", "99.99 %", ""]);
    }

    #[test]
    fn no_two_labels_of_a_time_axis_are_the_same() {
        for last in [0.01, 0.05, 0.25, 0.5, 0.99, 1.0, 3.0, 60.0] {
            let mut labels = Vec::new();
            let label = time_label(last);
            let axis: plotters::coord::types::RangedCoordf64 = (0.0..last).into();
            labels.extend(axis.key_points(11).iter().map(&label));
            let shown = labels.len();
            labels.dedup();
            assert_eq!(labels.len(), shown, "{last}: {labels:?}");
        }
    }

    #[test]
    fn plots_are_drawn_for_little_data_too() {
        assert!(heap_over_time(&[]).contains("<svg"));
        assert!(latencies([].into_iter()).contains("<svg"));
        let mut one = latency::empty();
        one.saturating_record(1500);
        assert!(latencies([&one].into_iter()).contains("<svg"));
    }

    #[test]
    fn the_style_sheet_knows_every_colour() {
        let style = include_str!("page.css");
        for RGBColor(r, g, b) in SERIES.into_iter().chain([INK, GRID]) {
            let name = format!("\"#{r:02X}{g:02X}{b:02X}\"");
            assert!(style.contains(&name), "{name}");
        }
    }
}
