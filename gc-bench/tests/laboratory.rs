//! `gc-bench record`, `replay` and `tune` from outside: from a run to its recording to other settings, and exit codes.
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Output};

/// Without zeal: these are about what a run is foretold to cost.
fn gc_bench(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gc-bench"));
    command
        .args(args)
        .env_remove("GREYSET_ZEAL")
        .env_remove("RUST_BACKTRACE")
        .output()
        .expect("gc-bench starts")
}

fn stdout(args: &[&str]) -> String {
    let output = gc_bench(args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn json(args: &[&str]) -> Value {
    serde_json::from_str(&stdout(args)).expect("one JSON object")
}

/// The one line of a command that fails with this exit code.
fn error(args: &[&str], code: i32) -> String {
    let output = gc_bench(args);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {error}");
    assert_eq!(error.lines().count(), 1, "{args:?}: {error}");
    error
}

/// A file of this test's own, removed at its end.
struct File(PathBuf);

impl File {
    fn new(name: &str) -> File {
        File(std::env::temp_dir().join(format!("gc-bench-lab-{}-{name}", std::process::id())))
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("a plain path")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A workload of some thirty cycles; fewer where threads have to wait for a processor.
const CHURN: [&str; 5] = ["churn", "--live", "2MiB", "--ops", "200000"];

/// Its recording.
fn recorded(name: &str) -> File {
    let file = File::new(name);
    let report = json(&[&["record"], &CHURN[..], &["--json", "--out", file.path()]].concat());
    assert_eq!(report["workload"], "churn");
    let recorded = stdout(&["replay", file.path(), "--json"]);
    let recorded: Value = serde_json::from_str(&recorded).expect("JSON");
    assert!(recorded["recorded"]["cycles"].as_u64() >= report["gc"]["cycles"].as_u64(), "{recorded}");
    file
}

#[test]
fn a_recording_is_replayed_with_its_own_settings_and_with_others() {
    let file = recorded("replay");
    let same = json(&["replay", file.path(), "--json"]);
    assert!(same["error_pct"]["cycles"].is_number() && same["error_pct"]["collection_cpu"].is_number());
    let other = |args: &[&str]| {
        let other = json(&[&["replay", file.path(), "--json"], args].concat());
        assert!(other.get("error_pct").is_none() && other["recorded"] == same["recorded"], "{other}");
        let of = |name: &str| other["predicted"][name].as_u64().expect("a number");
        (of("cycles"), of("peak_bytes"))
    };
    let [few, base, many] = ["400", "100", "25"].map(|gogc| other(&["--gogc", gogc]));
    assert!(few.0 <= base.0 && base.0 <= many.0 && few.0 < many.0, "{few:?} {base:?} {many:?}");
    assert!(few.1 > many.1, "{few:?} {many:?}");
    let off = other(&["--gogc", "off", "--memory-limit", "off"]);
    assert_eq!(off.0, 0);
    // Far enough above the live data that collection never takes all it may, on whatever machine the recording was made.
    assert!(other(&["--gogc", "off", "--memory-limit", "32MiB", "--pacer", "reference"]).1 < off.1);
    let text = stdout(&["replay", file.path()]);
    let rows = text.lines().filter_map(|line| line.split('|').nth(1)).map(str::trim).collect::<Vec<_>>();
    assert_eq!(rows[2..], ["recorded", "predicted", "error"], "{text}");
}

#[test]
fn a_program_that_was_killed_leaves_a_recording() {
    let file = recorded("killed");
    let cycles = || json(&["replay", file.path(), "--json"])["recorded"]["cycles"].as_u64().expect("cycles");
    let whole = cycles();
    let text = std::fs::read_to_string(&file.0).expect("a recording");
    // Killed in its last cycle.
    let cut = text.lines().take(text.lines().count() - 2).collect::<Vec<_>>().join("\n");
    std::fs::write(&file.0, cut).expect("written");
    assert_eq!(cycles(), whole - 1);
}

#[test]
fn nonsense_gets_file_line_and_what_was_expected() {
    let file = recorded("wrong");
    let good = std::fs::read_to_string(&file.0).expect("a recording");
    for (from, to, line, says) in [
        ("greyset-recording\t1", "greyset-recording\t7", 1, "expected version 1"),
        ("setting\tpacer\tgreyset", "setting\tpacer\tmine", 4, "setting pacer cannot be \"mine\""),
        ("\tscan_work", "\tscan", 13, "no column scan_work"),
        ("cycle\ttrigger", "cycle\tboredom", 15, "cause is \"boredom\": expected trigger, limit or asked"),
    ] {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from}");
        std::fs::write(&file.0, text).expect("written");
        for command in [&["replay"][..], &["tune", "--objective", "cpu<=9%"]] {
            let error = error(&[command, &[file.path()]].concat(), 2);
            assert!(error.starts_with(&format!("gc-bench: {}:{line}: ", file.path())), "{error}");
            assert!(error.contains(says), "{error}");
        }
    }
    std::fs::write(&file.0, [0xff, 0xfe, 0]).expect("written");
    assert!(error(&["replay", file.path()], 2).contains(":1: not text"));
    assert!(error(&["replay", "/nowhere.tsv"], 2).contains("cannot be read"));
    assert!(error(&["replay", file.path(), "--memory-limit", "lots"], 2).contains("nor off"));
    for (setting, value) in [
        ("gogc", "0"),
        ("gogc", "100001"),
        ("memory-limit", "1"),
        ("min-heap", "1KiB"),
        ("assist-max", "0ns"),
    ] {
        let error = error(&["replay", file.path(), &format!("--{setting}"), value], 2);
        assert!(error.contains(&format!("{} cannot be ", setting.replace('-', "_"))), "{error}");
    }
    assert!(
        error(&[&["record"], &CHURN[..], &["--out", "/nowhere/x.tsv"]].concat(), 2).contains("cannot write")
    );
}

#[test]
fn what_fails_leaves_the_file_of_an_earlier_run() {
    let file = File::new("earlier");
    std::fs::write(&file.0, "[1]").expect("written");
    for (args, code, says) in [
        (&["record", "churn", "--live", "100"][..], 2, "--live must be at least"),
        (&["record", "graph", "--mutators", "2"], 2, "graph runs on one mutator"),
        (&["record", "json", "/nowhere/at/all.json"], 2, "cannot read"),
        (&["record", "json", file.path()], 2, "it is what is read"),
        (&["record", "churn", "--hard-limit", "1MiB"], 1, "no memory"),
    ] {
        let error = error(&[args, &["--out", file.path()]].concat(), code);
        assert!(error.contains(says), "{args:?}: {error}");
        assert_eq!(std::fs::read_to_string(&file.0).expect("it is there"), "[1]", "{args:?}");
    }
}

#[test]
fn a_recorded_run_writes_its_latencies() {
    let (file, latencies) = (File::new("timed.tsv"), File::new("latencies.tsv"));
    let more = ["--out", file.path(), "--latencies", latencies.path()];
    stdout(&[&["record", "queue", "--window", "10", "--pushes", "1000"][..], &more].concat());
    let text = std::fs::read_to_string(&latencies.0).expect("written");
    let counts = text.lines().map(|line| line.split('\t').nth(1).and_then(|n| n.parse::<u64>().ok()));
    assert_eq!(counts.sum::<Option<u64>>(), Some(1000));
    let same = ["record", "queue", "--out", file.path(), "--latencies", file.path()];
    assert!(error(&same, 2).contains("name one file"));
}

#[test]
fn tune_answers_for_a_recording() {
    let file = recorded("tune");
    let plot = File::new("plot.svg");
    let tune = ["tune", file.path(), "--objective"];
    let text = stdout(&[&tune[..], &["cpu<=99%, rss<=1GiB", "--plot", plot.path()]].concat());
    for part in ["| settings", "Best, predicted", "code            Heap::builder()", "environment     "] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let svg = std::fs::read_to_string(&plot.0).expect("a plot");
    assert!(svg.contains("memory, MiB") && svg.contains("<circle"), "{svg}");
    let met = json(&[&tune[..], &["rss<=1GiB", "--json"]].concat());
    assert_eq!((&met["met"], &met["measured"]), (&true.into(), &false.into()));
    assert!(met["front"].as_array().is_some_and(|front| !front.is_empty()), "{met}");
    let missed = error(&[&tune[..], &["rss<=1MiB, cpu<=99%"]].concat(), 1);
    assert!(missed.contains("rss <= 1.0 MiB cannot be met: ") && missed.contains(" % above"), "{missed}");
}

#[test]
fn tune_proves_its_answer_for_a_workload_by_a_run() {
    let tune =
        |objective: &str| [&["tune"], &CHURN[..], &["--json", "--objective", objective]].concat().join("\n");
    let args = tune("rss<=1GiB, cpu<=99%");
    let met = json(&args.split('\n').collect::<Vec<_>>());
    assert_eq!((&met["met"], &met["measured"]), (&true.into(), &true.into()));
    assert!(met["rss_bytes"].as_u64().is_some_and(|bytes| bytes > 2 << 20), "{met}");
    let args = tune("heap<=1MiB");
    let missed = error(&args.split('\n').collect::<Vec<_>>(), 1);
    assert!(missed.contains("heap <= 1.0 MiB cannot be met: "), "{missed}");
}

#[test]
fn bad_arguments_of_tune_are_bad_arguments() {
    for (args, says) in [
        (&["tune", "churn"][..], "name what to reach: --objective"),
        (&["tune", "--objective", "cpu<=20%"], "name a workload"),
        (&["tune", "churn", "--objective", "cpu"], "expected a bound such as"),
        (&["tune", "churn", "--objective", "ram<=1MiB"], "expected one of rss, heap, cpu, wall, assist_p99"),
        (&["tune", "churn", "--objective", "cpu<=20"], "not a percentage"),
        (&["tune", "churn", "--objective", "cpu<=1e-9%"], "not a percentage from 0.1% to 100%"),
        (&["tune", "churn", "--objective", "cpu<=20%", "--driver", "inline"], "leave out --driver"),
        (&["tune", "churn", "--objective", "cpu<=20%", "--latencies", "/tmp/x"], "leave out --latencies"),
        (&["tune", "/nowhere.tsv", "--objective", "cpu<=20%", "--mutators", "2"], "leave out the options"),
        (&["tune", "/nowhere.tsv", "--objective", "cpu<=20%"], "cannot be read"),
    ] {
        assert!(error(args, 2).contains(says), "{args:?}: {}", error(args, 2));
    }
}

#[test]
fn tune_does_not_try_what_the_environment_decides() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gc-bench"));
    command.args(["tune", "churn", "--objective", "cpu<=20%"]).env("GREYSET_GOGC", "400");
    let output = command.output().expect("gc-bench starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("GREYSET_GOGC would win over the settings that are tried"), "{error}");
}

#[test]
fn heaps_under_a_budget_and_under_equal_parts() {
    let args =
        ["budget", "--heaps", "3", "--total", "24MiB", "--live", "1MiB", "--rounds", "50", "--pairs", "1"];
    let table = stdout(&args);
    let rows = table.lines().skip(2).map(|row| row.split('|').nth(1).unwrap_or_default().trim());
    assert_eq!(rows.collect::<Vec<_>>(), ["equal parts", "budget", "ratio"], "{table}");
    let crowded = error(&["budget", "--total", "64MiB", "--live", "7MiB"], 2);
    assert!(crowded.contains("at most three quarters of a heap's equal part, 8.0 MiB"), "{crowded}");
}

#[test]
fn limits_are_passed_told_and_survived() {
    let told =
        json(&["limits", "--memory-limit", "8MiB", "--hard-limit", "32MiB", "--seconds", "0.6", "--json"]);
    let stages = told["stages"].as_array().expect("stages");
    assert_eq!(
        stages.iter().map(|stage| stage["name"].as_str().expect("a name")).collect::<Vec<_>>(),
        ["below", "above", "after"]
    );
    assert!(stages.iter().all(|stage| stage["ops_per_s"].as_f64() > Some(0.0)), "{told}");
    assert!(stages[1]["live_bytes"].as_u64() > told["memory_limit_bytes"].as_u64());
    assert!(told["thrashes"].as_u64() >= Some(1) && told["thrash_after_s"].is_number(), "{told}");
    // How many blocks fit depends on the holes between pairs.
    assert!(told["refused"].as_u64() >= Some(12) && told["blocks"].is_u64(), "{told}");
    let bytes = |name: &str| stages[1][name].as_u64().expect("bytes");
    let (most, metadata) = (bytes("held_most_bytes"), bytes("held_most_metadata_bytes"));
    assert!(most - metadata <= 32 << 20, "{told}");
    // Mark stacks count, and are not refused: eight bytes for each of the pairs' two nodes when all are grey at once, as they are
    // where the collector's thread starves. Beside these are segments that are not full, and those kept empty.
    let grey = bytes("live_bytes") / 104 * 2 * 8; // A pair is of 104 bytes with its slot.
    assert!(most <= (32 << 20) + grey + (512 << 10), "{told}");
    assert!(
        error(&["limits", "--memory-limit", "8MiB", "--hard-limit", "8MiB"], 2)
            .contains("--hard-limit 8.0 MiB")
    );
    assert!(
        stdout(&["limits", "--memory-limit", "8MiB", "--seconds", "0.1"])
            .contains("allocations were refused")
    );
}
