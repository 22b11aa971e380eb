//! What collection takes of the processors over time, and what it leaves to the program at least.
use super::plots::{Drawn, GRID, SERIES, font, over_time, svg};
use crate::sampler::Sample;
use crate::units;
use plotters::prelude::*;

/// Stretches that a run is cut into.
const STRETCHES: usize = 50;
/// Lengths of stretches whose least utilization is drawn, in seconds, from the first to the last.
const SHORTEST: f64 = 0.005;
const LONGEST: f64 = 1.0;
/// Points of a curve.
const POINTS: u32 = 40;

/// Processor time of collection and of assists in percent of one processor, in stretches of the run.
pub fn shares_over_time(samples: &[Sample]) -> String {
    let last = samples.last().map_or(1.0, |s| s.at_s).max(0.01);
    let every = samples.len().div_ceil(STRETCHES).max(1);
    let looks = samples.iter().step_by(every).collect::<Vec<_>>();
    let share = |of: fn(&Sample) -> f64| {
        let between = looks.windows(2).map(move |pair| {
            let seconds = (pair[1].at_s - pair[0].at_s).max(1e-9);
            (pair[1].at_s, 100.0 * (of(pair[1]) - of(pair[0])) / seconds)
        });
        between.collect::<Vec<_>>()
    };
    let series = [share(|s| s.collection_s), share(|s| s.assist_s)];
    let top = series.iter().flatten().map(|point| point.1).fold(10.0, f64::max);
    over_time(180, [last, top * 1.08], &|percent| format!("{percent:.0} %"), series.into_iter().zip(SERIES))
}

/// The least share in percent that the program had of any stretch of at least so many seconds; `None` if there is none so long.
///
/// Assists and all sweeping count as taken from it, spread over its threads.
fn least_share(samples: &[Sample], seconds: f64) -> Option<f64> {
    let taken = |sample: &Sample| sample.assist_s + sample.sweep_s;
    let mut end = 0;
    let mut least: Option<f64> = None;
    for from in samples {
        // Ends only move on, and so does where each is looked for.
        while samples.get(end).is_some_and(|to| to.at_s - from.at_s < seconds) {
            end += 1;
        }
        let Some(to) = samples.get(end) else { break };
        let threads = from.mutators.max(1) as f64;
        let share = 100.0 * (1.0 - (taken(to) - taken(from)) / ((to.at_s - from.at_s) * threads));
        least = Some(least.map_or(share, |least| least.min(share)).max(0.0));
    }
    least
}

/// Minimum mutator utilization by length of the stretch: a curve for each run.
pub fn mmu<'s>(runs: impl Iterator<Item = &'s [Sample]>) -> String {
    let lengths =
        (0..=POINTS).map(|n| SHORTEST * (LONGEST / SHORTEST).powf(f64::from(n) / f64::from(POINTS)));
    let lengths = lengths.collect::<Vec<_>>();
    let curve = |samples: &[Sample]| {
        let points = lengths.iter().filter_map(|s| least_share(samples, *s).map(|share| (*s, share)));
        points.collect::<Vec<_>>()
    };
    let curves = runs.map(curve).collect::<Vec<_>>();
    svg((980, 320), |area| draw_curves(area, curves))
}

fn draw_curves(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    curves: Vec<Vec<(f64, f64)>>,
) -> Drawn {
    let mut chart = ChartBuilder::on(area)
        .margin(8)
        .margin_right(30)
        .x_label_area_size(30)
        .y_label_area_size(56)
        .build_cartesian_2d((SHORTEST..LONGEST).log_scale(), 0.0..100.0)?;
    let mut mesh = chart.configure_mesh();
    mesh.light_line_style(TRANSPARENT).bold_line_style(GRID).axis_style(GRID).label_style(font(13));
    mesh.x_labels(8).x_label_formatter(&|s| units::seconds(*s));
    mesh.y_labels(6).y_label_formatter(&|percent| format!("{percent:.0} %")).draw()?;
    for (points, colour) in curves.into_iter().zip(SERIES) {
        chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Samples every 10 ms of a program that assisted 8 ms between the third and the fourth.
    fn samples() -> Vec<Sample> {
        let sample = |i: u32| Sample {
            at_s: f64::from(i) / 100.0,
            assist_s: if i > 3 { 0.008 } else { 0.0 },
            collection_s: f64::from(i) / 200.0,
            mutators: 1,
            ..Sample::default()
        };
        (0..=20).map(sample).collect()
    }

    #[test]
    fn the_least_share_is_that_of_the_worst_stretch() {
        let samples = samples();
        let least = |seconds| least_share(&samples, seconds).expect("long enough");
        for (seconds, share) in [(0.01, 20.0), (0.0199, 60.0), (0.0399, 80.0), (0.1999, 96.0)] {
            assert!((least(seconds) - share).abs() < 0.5, "{seconds}: {}", least(seconds));
        }
        assert_eq!(least_share(&samples, 0.3), None);
        assert_eq!(least_share(&[], 0.01), None);
    }

    #[test]
    fn curves_are_drawn_for_little_data_too() {
        assert!(shares_over_time(&[]).contains("<svg") && shares_over_time(&samples()).contains("%"));
        let few = mmu([samples().as_slice(), &[]].into_iter());
        assert!(few.contains("<svg") && few.contains("#010110"), "{few}");
    }
}
