//! A run as a story to read, and as a Rust test.

use crate::record::Record;
use crate::sched::{Line, Report};
use crate::world;
use std::collections::HashSet;
use std::fmt::Write;

/// Choice points that say little by themselves, or are followed by a line that says more: left out unless all are asked for.
const QUIET: [&str; 21] = [
    "MutexLock",
    "QueueLook",
    "QueuePop",
    "MarkerBegin",
    "MarkerCount",
    "HandshakeLook",
    "HandshakeAsk",
    "HandshakeAnswer",
    "SlotLoad",
    "SlotSwap",
    "ShadeRead",
    "ShadeWrite",
    "LockRelease",
    "EphemeronTrace",
    "PhasePublish",
    "RootCreate",
    "RootDrop",
    "RootFree",
    "Scan",
    "SpanSweep",
    "WeakClear",
];

fn matters(line: &Line) -> bool {
    !QUIET.contains(&line.text.as_str())
}

/// Rows of a run without end in which nothing is new are left out if there are more of them than this ...
const STALE: usize = 40;
/// ... but for the first and the last few.
const KEPT: usize = 8;

/// A row of the story.
enum Row<'a> {
    Line(&'a Line),
    /// So many lines are left out, each of which says what its task has said before, and so many cycles begin in them.
    Folded(usize, usize),
}

/// What is told. Of a run that did not end, not all that went on and on; `full` leaves out nothing.
fn rows(report: &Report, full: bool) -> Vec<Row<'_>> {
    let lines = report.story.iter().filter(|line| full || matters(line));
    let lines: Vec<_> = lines.skip_while(|line| !full && line.task == 1).collect();
    let stuck = report.failure.as_ref().is_some_and(|failure| failure.starts_with("stuck: "));
    if full || !stuck {
        return lines.into_iter().map(Row::Line).collect();
    }
    let mut seen = HashSet::new();
    let is_new: Vec<bool> = lines.iter().map(|line| seen.insert((line.task, &*line.text))).collect();
    let mut rows = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let stale = is_new[at..].iter().take_while(|&&new| !new).count();
        let told = if stale > STALE { KEPT } else { stale.max(1) };
        rows.extend(lines[at..at + told].iter().copied().map(Row::Line));
        if stale > STALE {
            let folded = &lines[at + KEPT..at + stale - KEPT];
            let cycles = folded.iter().filter(|line| line.text == "publishes phase prepare").count();
            rows.push(Row::Folded(folded.len(), cycles));
            rows.extend(lines[at + stale - KEPT..at + stale].iter().copied().map(Row::Line));
        }
        at += stale.max(1);
    }
    rows
}

/// The story: each task's lines under its name, as they alternate.
pub fn tell(report: &Report, full: bool) -> String {
    let mut text = String::new();
    let mut last = 0;
    for row in rows(report, full) {
        let line = match row {
            Row::Line(line) => line,
            Row::Folded(lines, cycles) => {
                let _ = writeln!(text, "... {lines} lines with nothing new; {cycles} cycles begin in them");
                last = 0;
                continue;
            }
        };
        if line.task != last {
            let name = report.tasks.get(line.task as usize - 1).map_or("?", String::as_str);
            let _ = writeln!(text, "{name}:");
            last = line.task;
        }
        let _ = writeln!(text, "    {}", words(&line.text));
    }
    text
}

/// Lines of the story.
pub fn length(report: &Report) -> usize {
    rows(report, false).len()
}

/// A choice point in words.
fn words(text: &str) -> &str {
    match text {
        "SlotSwap" => "is at: swaps the slot",
        "ShadeRead" => "is at: shade: reads the colour",
        "ShadeWrite" => "is at: shade: writes black",
        "ShadePush" => "shade: pushes on its buffer",
        "BufferHandOver" => "hands a buffer to the global queue",
        "PhasePublish" => "is at: publishes the next phase",
        "HandshakeAsk" => "is at: asks for a handshake",
        "HandshakeAnswer" => "is at: answers a handshake",
        "RootCreate" => "is at: fills a root entry",
        "RootDrop" => "is at: lists a dropped root entry",
        "RootFree" => "is at: frees the listed root entries",
        "WeakJudge" => "judges what it loaded from a weak slot",
        "WeakClear" => "is at: clears a weak slot",
        "LockAcquire" => "takes a Lock",
        "LockCapture" => "captures the contents of a Lock",
        "RunTake" => "takes a run and colours it",
        "RunRecolour" => "recolours its runs",
        "RunFlush" => "flushes its runs",
        "SpanSweep" => "is at: sweeps a span",
        "SpanHandOut" => "asks for a span",
        "Scan" => "is at: scans an object",
        "Park" => "parks",
        "Unpark" => "unparks",
        "Attach" => "attaches",
        "Detach" => "detaches",
        "Detached" => "has left the list",
        "DropGlue" => "runs drop glue",
        other => other,
    }
}

/// What kind of failure it is: the message without addresses and numbers.
pub fn kind(failure: &str) -> String {
    let line = failure.lines().next().unwrap_or_default();
    let line = line.replace("heap verification failed: ", "verifier: ");
    let word = |word: &str| {
        if word.starts_with("0x") || world::is_name(word) {
            "…".to_owned()
        } else if word.chars().all(|c| c.is_ascii_digit() || "[](),".contains(c)) {
            "N".to_owned()
        } else if let Some((_, file)) = word.split_once("/library/") {
            file.to_owned()
        } else {
            word.rsplit("::").next().unwrap_or(word).to_owned()
        }
    };
    line.split(' ').map(word).collect::<Vec<_>>().join(" ").replace('|', "/")
}

/// The run as a Rust test.
pub fn rust_test(record: &Record) -> String {
    let name = record.fault.as_deref().unwrap_or("run").replace('-', "_");
    let outcome = kind(&record.failure);
    let expected = if record.fault.is_some() { "is_some" } else { "is_none" };
    format!(
        "/// {outcome}.\n#[test]\nfn seed_{}_{name}() {{\n    let record = Record::parse(r#\"{}\"#).expect(\"a replay file\");\n    \
         assert!(record.repeat(false).failure.{expected}());\n}}",
        record.seed,
        record.to_json()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(failure: &str, texts: &[&str]) -> Report {
        let story = texts.iter().map(|&text| Line { task: 2, text: text.to_owned() }).collect();
        let tasks = vec!["main".to_owned(), "mutator 1".to_owned()];
        Report { failure: Some(failure.to_owned()), switches: Vec::new(), steps: 0, tasks, story }
    }

    fn rounds(many: usize) -> Vec<&'static str> {
        let one = ["publishes phase prepare", "MutexLock", "parks", "unparks"];
        let mut all = vec!["attaches"];
        all.extend(one.iter().cycle().take(many * one.len()));
        all.extend(["detaches", "FAILURE: stuck: no end"]);
        all
    }

    #[test]
    fn what_goes_on_and_on_is_folded() {
        let long = report("stuck: no end", &rounds(1000));
        let text = tell(&long, false);
        assert_eq!(length(&long), 4 + 2 * KEPT + 1 + 2);
        let folded = 999 * 3 - 2 * KEPT;
        assert!(text.contains(&format!("... {folded} lines with nothing new; 994 cycles begin")), "{text}");
        assert!(text.starts_with("mutator 1:\n    attaches\n    publishes phase prepare\n"), "{text}");
        assert!(text.ends_with("    detaches\n    FAILURE: stuck: no end\n"), "{text}");
        assert_eq!(tell(&long, true).lines().count(), 4004, "nothing is left out of the full story");
    }

    #[test]
    fn nothing_is_left_out_of_other_stories() {
        let lost = report("a lost object", &rounds(1000));
        assert_eq!(length(&lost), 3003);
        let short = report("stuck: no end", &rounds(12));
        assert_eq!(length(&short), 39, "nor of short ones");
    }
}
