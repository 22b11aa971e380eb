//! A run as a story to read, and as a Rust test.

use crate::record::Record;
use crate::sched::{Line, Report};
use crate::world;
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

/// The story: each task's lines under its name, as they alternate.
pub fn tell(report: &Report, full: bool) -> String {
    let mut text = String::new();
    let mut last = 0;
    let lines = report.story.iter().filter(|line| full || matters(line));
    for line in lines.skip_while(|line| !full && line.task == 1) {
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
    report.story.iter().filter(|line| matters(line)).skip_while(|line| line.task == 1).count()
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
