//! The tables: one for each comparison, for the terminal and as Markdown, with the same columns.
use crate::compare::measure::{Comparison, Row};
use crate::compare::metric::METRICS;
use crate::report::align_figures;
use comfy_table::{Table, TableStyle, presets};

/// How to read the tables.
pub const LEGEND: &str = "÷ columns: greyset's figure divided by the program's, the median of the ratios of the pairs; below 1 greyset \
     is ahead. Rows with → are greyset at the GOGC where its peak is nearest to that of the program above, divided by that program's figures; \
     there is none where the peaks are equal (within 10 %) at GOGC 100.";

/// A column of figures: its title and the cell of a row.
type Column = (String, Box<dyn Fn(&Row) -> Option<String>>);

/// The columns that have something in them.
fn columns(rows: &[Row]) -> Vec<Column> {
    let figures = METRICS.iter().enumerate().map(|(i, metric)| -> Column {
        (metric.title.to_owned(), Box::new(move |row| row.figures[i].map(metric.show)))
    });
    let ratios = METRICS.iter().enumerate().map(|(i, metric)| -> Column {
        (format!("÷ {}", metric.title), Box::new(move |row| row.ratios[i].map(|ratio| format!("{ratio:.2}"))))
    });
    figures.chain(ratios).filter(|(_, cell)| rows.iter().any(|row| cell(row).is_some())).collect()
}

fn name(row: &Row) -> String {
    if row.matched { format!("→ {}", row.label) } else { row.label.clone() }
}

/// Title and cells of a comparison: the header, then the rows.
pub fn cells(comparison: &Comparison) -> Vec<Vec<String>> {
    let columns = columns(&comparison.rows);
    let header = std::iter::once("program".to_owned()).chain(columns.iter().map(|(title, _)| title.clone()));
    let row = |row: &Row| {
        let cells = columns.iter().map(|(_, cell)| cell(row).unwrap_or_default());
        std::iter::once(name(row)).chain(cells).collect()
    };
    std::iter::once(header.collect()).chain(comparison.rows.iter().map(row)).collect()
}

/// As text for a terminal.
pub fn text(comparison: &Comparison) -> String {
    let mut table = table(comparison, presets::UTF8_FULL_CONDENSED);
    align_figures(&mut table, 1);
    format!("\n{}\n{table}\n{}", comparison.title, remarks(comparison, ""))
}

/// As a section of a Markdown document.
pub fn markdown(comparison: &Comparison) -> String {
    let table = table(comparison, presets::ASCII_MARKDOWN);
    format!("\n## {}\n\n{table}\n\n{}", comparison.title, remarks(comparison, "- "))
}

fn table(comparison: &Comparison, style: TableStyle) -> Table {
    let mut cells = cells(comparison).into_iter();
    let mut table = Table::new();
    table.load_style(style).set_header(cells.next().unwrap_or_default());
    table.add_rows(cells);
    table
}

/// What was checked and what failed, a line each.
fn remarks(comparison: &Comparison, bullet: &str) -> String {
    let failures = comparison.failures.iter().map(|failure| format!("{bullet}FAILED {failure}\n"));
    std::iter::once(format!("{bullet}all agree: {}\n", comparison.check)).chain(failures).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::compare::metric::Figures;
    use crate::failure::Failure;

    /// A comparison of three rows.
    pub fn sample() -> Comparison {
        let row = |label: &str, matched, figures, ratios| Row {
            label: label.to_owned(),
            matched,
            runs: vec![figures, figures],
            figures,
            ratios,
            times: None,
            memory: vec![(0.0, 1 << 20), (0.1, 2 << 20)],
        };
        let all = |three: [Option<f64>; 3]| {
            let mut figures = Figures::default();
            figures[..3].copy_from_slice(&three);
            figures
        };
        let figures = |wall| all([Some(wall), Some(0.25), Some(3e6)]);
        Comparison {
            title: "binary-trees --depth 9".to_owned(),
            check: "31 nodes".to_owned(),
            rows: vec![
                row("greyset", false, figures(0.5), all([None; 3])),
                row("Go", false, figures(2.0), all([Some(0.25), Some(1.0), Some(1.125)])),
                row("greyset, GOGC 80", true, figures(0.6), all([Some(0.3), None, Some(1.0)])),
            ],
            failures: vec![Failure::Run("OCaml: signal: 9".to_owned())],
        }
    }

    #[test]
    fn columns_without_figures_are_left_out() {
        let cells = cells(&sample());
        assert_eq!(cells[0], ["program", "wall", "CPU", "peak", "÷ wall", "÷ CPU", "÷ peak"]);
        assert_eq!(cells[1], ["greyset", "500 ms", "250 ms", "2.9 MiB", "", "", ""]);
        assert_eq!(cells[2], ["Go", "2.00 s", "250 ms", "2.9 MiB", "0.25", "1.00", "1.12"]);
        assert_eq!(cells[3][..2], ["→ greyset, GOGC 80", "600 ms"]);
    }

    #[test]
    fn markdown_is_a_table_with_its_remarks() {
        let text = markdown(&sample());
        let lines = text.lines().collect::<Vec<_>>();
        assert_eq!(lines[1], "## binary-trees --depth 9");
        let table = lines.iter().filter(|line| line.starts_with('|')).collect::<Vec<_>>();
        assert_eq!(table.len(), 5, "{text}");
        assert!(table.iter().all(|line| line.matches('|').count() == 8), "{text}");
        assert!(table[1].starts_with("|---"), "{text}");
        assert!(text.ends_with("- all agree: 31 nodes\n- FAILED OCaml: signal: 9\n"), "{text}");
    }
}
