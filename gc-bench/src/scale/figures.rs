//! What a test found: the fields of its JSON object, and its row in the table.
use crate::report::align_figures;
use crate::scale::What;
use crate::units;
use comfy_table::{Table, presets};
use serde::Serialize;
use serde_json::{Map, Value};
use std::fmt::Write;

/// What a test found. Fields that have no meaning for it are absent from the JSON.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// What was built, counted: mutators, roots, objects, nodes or slots.
    pub elements: u64,
    /// Time on the clock to build one, with what cycles ran meanwhile.
    pub build_ns: f64,
    /// CPU time to mark an object; of the array, to mark a slot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mark_ns: Option<f64>,
    /// Objects that a whole collection marks.
    pub marked_objects: u64,
    /// Time on the clock of a whole collection, the median of three.
    pub collection_s: f64,
    /// The longest CPU time of a safepoint that had something to answer, if one had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub safepoint_max_ns: Option<u64>,
    /// From asking a handshake to its last answer, after everything was built.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handshake_p9999_ns: Option<u64>,
    /// The longest such time before that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_handshake_max_ns: Option<u64>,
    /// Memory the heap held after the collections.
    pub mapped_bytes: u64,
    /// Of that in tables, mark stacks and buffers.
    pub metadata_bytes: u64,
    /// The same in percent.
    pub metadata_pct: f64,
    /// The same before the first collection.
    pub metadata_before_bytes: u64,
    /// The most of it while they ran.
    pub metadata_most_bytes: u64,
    /// Peak resident memory of the process.
    pub max_rss_bytes: u64,
    /// Time to let go of all roots and mutators and of the heap.
    pub tear_down_s: f64,
    /// What was found right.
    pub check: String,
    /// Figures of this test alone.
    #[serde(flatten)]
    pub own: Map<String, Value>,
    /// The same for people.
    #[serde(skip)]
    pub notes: Vec<String>,
}

/// All of them as text.
pub fn text(found: &[(What, Figures)]) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header([
        "test",
        "built",
        "to build one",
        "to mark one",
        "whole collection",
        "longest safepoint",
        "handshake p99.99",
        "mapped",
        "tables",
        "peak resident",
        "torn down in",
    ]);
    for (what, figures) in found {
        table.add_row(row(*what, figures));
    }
    align_figures(&mut table, 1);
    let mut text = format!("{table}\n\n");
    for (what, figures) in found {
        for note in figures.notes.iter().chain([&format!("ok: {}", figures.check)]) {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{:<9} {note}", what.name());
        }
    }
    text
}

fn row(what: What, figures: &Figures) -> [String; 11] {
    let or_none = |ns: Option<u64>| ns.map_or("–".to_owned(), units::nanos);
    [
        what.name().to_owned(),
        format!("{} {}", units::count(figures.elements as f64), what.elements()),
        each(figures.build_ns),
        figures.mark_ns.map_or("–".to_owned(), each),
        units::seconds(figures.collection_s),
        or_none(figures.safepoint_max_ns),
        or_none(figures.handshake_p9999_ns),
        units::bytes(figures.mapped_bytes),
        format!("{:.2} %", figures.metadata_pct),
        units::bytes(figures.max_rss_bytes),
        units::seconds(figures.tear_down_s),
    ]
}

/// Nanoseconds; those of small things have a fraction that counts.
pub fn each(ns: f64) -> String {
    if ns < 100.0 { format!("{ns:.1} ns") } else { units::nanos(ns as u64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_times_have_a_fraction() {
        assert_eq!((each(7.26).as_str(), each(12_345.0).as_str()), ("7.3 ns", "12.3 µs"));
    }
}
