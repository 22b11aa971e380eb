//! Line plots of the laboratory, as SVG files.

use crate::failure::Failure;
use crate::output::Output;
use plotters::prelude::*;
use std::error::Error;

/// Colours of the series, in order.
const COLOURS: [RGBColor; 5] =
    [RGBColor(42, 120, 214), RGBColor(235, 104, 52), RGBColor(27, 158, 119), RGBColor(160, 60, 160), BLACK];
/// Size of a panel in pixels.
const PANEL: (u32, u32) = (960, 300);

/// A line, or dots.
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// Dots that no line joins.
    pub dots: bool,
    /// Its points, by x.
    pub points: Vec<(f64, f64)>,
}

/// Lines over a common axis.
pub struct Panel {
    /// What is shown, with its unit.
    pub title: String,
    /// What is on the x axis, with its unit.
    pub x: &'static str,
    /// The lines.
    pub series: Vec<Series>,
}

/// Draws the panels below one another into a file.
///
/// # Errors
/// [`Failure::Run`] when it cannot be drawn or written.
pub fn write(output: Output, panels: &[Panel]) -> Result<(), Failure> {
    let svg = draw(panels).map_err(|error| output.failed(&error))?;
    output.write(&svg).map(drop)
}

fn draw(panels: &[Panel]) -> Result<String, Box<dyn Error>> {
    let mut svg = String::new();
    {
        let size = (PANEL.0, PANEL.1 * panels.len() as u32);
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        area.fill(&WHITE)?;
        for (panel, part) in panels.iter().zip(area.split_evenly((panels.len(), 1))) {
            draw_panel(panel, &part)?;
        }
        area.present()?;
    }
    Ok(svg)
}

fn draw_panel(
    panel: &Panel,
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
) -> Result<(), Box<dyn Error>> {
    let points = || panel.series.iter().flat_map(|series| &series.points);
    let most = |of: fn(&(f64, f64)) -> f64| points().map(of).fold(0.0, f64::max);
    let (right, top) = (most(|p| p.0).max(1e-9), most(|p| p.1).max(1e-9));
    let mut chart = ChartBuilder::on(area)
        .caption(&panel.title, ("sans-serif", 16))
        .margin(8)
        .x_label_area_size(34)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..right, 0.0..top * 1.05)?;
    chart.configure_mesh().x_desc(panel.x).light_line_style(TRANSPARENT).draw()?;
    for (series, colour) in panel.series.iter().zip(COLOURS.iter().cycle()) {
        let points = series.points.iter().copied();
        let drawn = if series.dots {
            chart.draw_series(points.map(|point| Circle::new(point, 3, colour.filled())))?
        } else {
            chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?
        };
        drawn.label(&series.name).legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], *colour));
    }
    chart.configure_series_labels().background_style(WHITE.mix(0.8)).border_style(BLACK).draw()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_with_and_without_points() {
        let panel = |dots, points| {
            let series = vec![Series { name: "heap".into(), dots, points }];
            Panel { title: "MiB".into(), x: "cycle", series }
        };
        let points = || vec![(1.0, 2.0), (2.0, 3.0)];
        let svg = draw(&[panel(false, points()), panel(false, vec![])]).expect("a plot");
        assert!(!svg.contains("<circle"), "{svg}");
        assert_eq!(draw(&[panel(true, points())]).expect("a plot").matches("<circle").count(), 2);
        assert!(svg.contains("</svg>") && svg.matches("MiB").count() == 2, "{svg}");
    }
}
