//! `json`: a real program on the heap. It parses a document into heap objects, indexes every object's members, edits
//! every object (adds, replaces and deletes a member), looks the edits up, undoes them, and writes the document back.
//! What it writes must be, byte for byte, the canonical form that `serde_json` makes of the input. With several
//! mutators each works on documents of its own. An operation is one document.
//!
//! - [`scan`]: from text to tokens; knows nothing of the heap.
//! - [`value`]: what a document is made of in the heap.
//! - [`parse`], [`edit`], [`mod@print`]: the three passes, each in steps with safepoints between them.
//! - [`source`]: where the text comes from, and its canonical form.
pub mod edit;
pub mod parse;
pub mod print;
pub mod scan;
pub mod source;
pub mod value;

use crate::bench::{Bench, Budget, Outcome};
use crate::failure::{Failure, expect_eq};
use crate::latency::{OpTimes, merge};
use crate::units;
use greyset::Mutator;
use serde::Serialize;

/// Values parsed or printed, or objects edited, between two safepoints.
const STEPS: usize = 1024;

/// Parameters.
#[derive(clap::Args, Clone, Debug, Serialize)]
pub struct Params {
    /// A JSON document, or - for standard input; without it, what `cargo metadata` says about this workspace.
    #[arg(value_name = "FILE|-")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Documents to do, over all mutators; 20 unless --seconds is given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rounds: Option<u64>,
}

impl Params {
    /// Reads the input, then does the rounds, each of which must give the canonical form back.
    pub fn run(&self, bench: &mut Bench) -> Result<Outcome, Failure> {
        let (name, text) = source::read(self.file.as_deref())?;
        bench.on_first((), |m, ()| {
            let parsed = parse::parse(m, &text);
            parsed.map(drop).map_err(|e| Failure::Usage(format!("{name}: {e}")))
        })?;
        let canonical = source::canonical(&text)?;
        let mutators = bench.mutators();
        bench.start();
        let budget = bench.budget(self.rounds, 20);
        let shares = bench.on_each(vec![(); mutators], |m, index, ()| {
            rounds(m, &text, &canonical, budget.share(index, mutators))
        })?;
        bench.stop();
        let (done, times): (Vec<u64>, Vec<_>) = shares.into_iter().unzip();
        let ops = done.iter().sum();
        let rate = ops as f64 * text.len() as f64 / bench.span().wall.as_secs_f64();
        Ok(Outcome {
            ops,
            check: format!("{ops} documents of {} bytes came back in canonical form", text.len()),
            op_times: Some(merge(times)),
            notes: vec![format!(
                "{} of {name}, {}/s",
                units::bytes(text.len() as u64),
                units::bytes(rate as u64)
            )],
        })
    }
}

fn rounds(
    m: &mut Mutator,
    text: &str,
    canonical: &str,
    budget: Budget,
) -> Result<(u64, hdrhistogram::Histogram<u64>), Failure> {
    let mut times = OpTimes::start();
    let mut done = 0;
    let mut out = String::with_capacity(canonical.len());
    while done < budget.count() {
        round(m, text, &mut out)?;
        compare(&out, canonical)?;
        done += 1;
        if budget.is_over(times.lap()) {
            break;
        }
    }
    Ok((done, times.into_histogram()))
}

fn round(m: &mut Mutator, text: &str, out: &mut String) -> Result<(), Failure> {
    let document = parse::parse(m, text).map_err(|e| Failure::Check(e.to_string()))?;
    edit::edit_all(m, &document)?;
    edit::undo_all(m, &document);
    out.clear();
    print::print(m, &document, out);
    Ok(())
}

/// Fails unless both are the same, naming the first place where they differ.
fn compare(out: &str, canonical: &str) -> Result<(), Failure> {
    if out == canonical {
        return Ok(());
    }
    let at = out.bytes().zip(canonical.bytes()).take_while(|(a, b)| a == b).count();
    expect_eq("the number of bytes equal to the canonical form", at, canonical.len())?;
    expect_eq("the number of bytes written", out.len(), canonical.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Common;

    /// One whole round, and the canonical form to compare it with.
    fn round_trip(text: &str) -> (String, String) {
        let mut bench = Bench::new(&Common::default()).expect("a heap");
        let out = bench.on_first((), |m, ()| {
            let mut out = String::new();
            round(m, text, &mut out).map(|()| out)
        });
        (out.expect("a round"), source::canonical(text).expect("canonical"))
    }

    fn error(text: &str) -> String {
        let mut bench = Bench::new(&Common::default()).expect("a heap");
        let parsed = bench.on_first((), |m, ()| Ok(parse::parse(m, text).map(drop)));
        parsed.expect("no failure").expect_err("malformed").to_string()
    }

    #[test]
    fn documents_come_back_in_canonical_form() {
        for text in [
            "null",
            " [ ] ",
            "{}",
            "[1, -0, 0.10, 1e5, 1E+5, 1e-05, 123456789012345678901234567890.5e300]",
            r#"{"a": {"b": [true, false, null]}, "": "", "c": "text"}"#,
            r#""\"\\\/\b\f\n\r\t\u0000\u001f\u007f\u00e9\ud83d\ude00 é 😀""#,
            r#"{"k": 1, "l": 2, "k": 3, "\u006b": 4}"#,
            r#"[[[[]]], [{}, {"x": [{}]}]]"#,
        ] {
            let (out, canonical) = round_trip(text);
            assert_eq!(out, canonical, "{text}");
        }
    }

    #[test]
    fn big_objects_are_indexed_and_the_last_of_equal_keys_wins() {
        let members = (0..500).map(|i| format!("\"key{}\": {i}", i % 300));
        let (out, canonical) = round_trip(&format!("{{{}}}", members.collect::<Vec<_>>().join(",")));
        assert_eq!(out, canonical);
    }

    #[test]
    fn deep_nesting_works_up_to_its_limit() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        let (out, canonical) = round_trip(&nested(parse::MAX_DEPTH));
        assert_eq!(out, canonical);
        assert_eq!(error(&nested(parse::MAX_DEPTH + 1)), "line 1 column 1001: nested more than 1000 deep");
        assert!(error(&"{\"a\":".repeat(200_000)).contains("nested more than"));
    }

    #[test]
    fn malformed_documents_are_refused_with_their_place() {
        for (text, expected) in [
            ("", "line 1 column 1: expected a value, found the end"),
            ("[1,\n  2,,3]", "line 2 column 5: expected a value, found ','"),
            ("[1 2]", "line 1 column 4: expected ',' or ']', found '2'"),
            ("{\"a\" 1}", "line 1 column 6: expected ':', found '1'"),
            ("{a: 1}", "line 1 column 2: expected '\"' or '}', found 'a'"),
            ("{\"a\": 1,}", "line 1 column 9: expected '\"', found '}'"),
            ("[1]\n]", "line 2 column 1: expected the end, found ']'"),
            ("\"é\u{1}\"", "line 1 column 3: control character in a string"),
            ("\"abc", "line 1 column 5: string without an end"),
            (r#""\x""#, "line 1 column 3: no such escape"),
            (r#""\ud800""#, "line 1 column 8: lone surrogate"),
            (r#""\udc00""#, "line 1 column 8: lone surrogate"),
            (r#""\u12g4""#, "line 1 column 6: not a hexadecimal digit"),
            ("[01]", "line 1 column 3: expected ',' or ']', found '1'"),
            ("[1.]", "line 1 column 4: expected a digit"),
            ("-", "line 1 column 2: expected a digit"),
            ("1e+", "line 1 column 4: expected a digit"),
            ("nul", "line 1 column 1: expected a value, found 'n'"),
            ("\u{feff}1", "line 1 column 1: expected a value, found '\\u{feff}'"),
            ("\u{1b}[31m", "line 1 column 1: expected a value, found '\\u{1b}'"),
            ("'", "line 1 column 1: expected a value, found '''"),
        ] {
            assert_eq!(error(text), expected, "{text}");
            assert!(source::canonical(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_wrong_byte_fails_the_check() {
        assert!(compare("[1,2]", "[1,2]").is_ok());
        for wrong in ["[1,3]", "[1,2", "[1,2]]", ""] {
            assert!(matches!(compare(wrong, "[1,2]"), Err(Failure::Check(_))), "{wrong}");
        }
    }
}
