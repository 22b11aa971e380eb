//! `gc-bench compare` from outside: beside itself, and beside a stand-in for Go that builds and prints what it is told to.
use greyset_bench::compare::measure::{Peer, Setup, compare};
use greyset_bench::compare::program::Program;
use greyset_bench::compare::{Results, page, table};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const GC_BENCH: &str = env!("CARGO_BIN_EXE_gc-bench");

/// Only one test at a time makes programs and starts any: a process that another test starts would keep a program open that is just
/// being written, and such a file cannot be run ("Text file busy").
static MAKES_PROGRAMS: Mutex<()> = Mutex::new(());

/// A folder of one test, removed at its end.
struct Folder(PathBuf, #[expect(dead_code, reason = "held for its drop")] MutexGuard<'static, ()>);

impl Folder {
    fn new(name: &str) -> Folder {
        let alone = MAKES_PROGRAMS.lock().unwrap_or_else(PoisonError::into_inner);
        let path = std::env::temp_dir().join(format!("gc-bench-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Folder(path, alone)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn itself(label: &str, more: &[&str]) -> Program {
    let args = [&["run", "churn", "--live", "1MiB", "--ops", "5000", "--json"], more].concat();
    Program {
        label: label.to_owned(),
        command: GC_BENCH.into(),
        args: args.into_iter().map(str::to_owned).collect(),
    }
}

#[test]
fn beside_itself_with_another_driver() {
    let folder = Folder::new("itself");
    let latencies = folder.0.join("latencies.tsv");
    let peers = [
        Peer { program: itself("inline", &["--driver", "inline"]), matched: false },
        Peer { program: itself("fewer", &["--ops", "4000"]), matched: false },
    ];
    let setup = Setup { pairs: 2, share: 1, probes: 1, tries: 8, latencies: Some(&latencies) };
    let greyset = |gogc: u32| itself("greyset", &["--gogc", &gogc.to_string()]);
    let result = compare("churn".to_owned(), &greyset, &peers, &setup, &mut |_| ()).expect("greyset runs");
    assert_eq!(result.rows.iter().map(|row| row.label.as_str()).collect::<Vec<_>>(), ["greyset", "inline"]);
    for (row, runs) in result.rows.iter().zip([3, 2]) {
        assert!(row.figures.iter().all(|figure| figure.is_some_and(|value| value >= 0.0)), "{}", row.label);
        assert_eq!(row.runs.len() as u64, runs, "{}", row.label);
        assert_eq!(row.times.as_ref().map(|times| times.len()), Some(runs * 5000), "{}", row.label);
    }
    // There may have been no operation over a millisecond to divide by.
    let ratios = &result.rows[1].ratios;
    assert!(ratios[..ratios.len() - 1].iter().all(|ratio| ratio.is_some_and(|value| value > 0.0)));
    let failure = result.failures[0].to_string();
    assert!(failure.starts_with("fewer: ") && result.failures.len() == 1, "{failure}");
    assert!(table::text(&result).contains("÷ p99.99"));
    let page = page::render(&Results {
        comparisons: vec![result],
        targets: vec![],
        took: Duration::from_secs(1),
        facts: vec![],
        skipped: vec![],
        broken: vec![],
    });
    assert_eq!(page.matches("<svg").count(), 3);
}

/// A `go` that builds a `graph` which runs this script.
fn stand_in(folder: &Path, graph: &str) -> PathBuf {
    let go = folder.join("go");
    let script = format!(
        "#!/bin/sh\nif [ $1 = version ]; then echo go version go9.9.9 linux/amd64; exit; fi\n\
         cat > \"$3/graph\" <<'END'\n#!/bin/sh\n{graph}\nEND\nchmod +x \"$3/graph\"\n"
    );
    fs::write(&go, script).expect("written");
    fs::set_permissions(&go, fs::Permissions::from_mode(0o755)).expect("executable");
    go
}

/// `compare graph` beside Go alone, from a copy of gc-bench: peers are built beside the executable.
fn compare_graph(folder: &Folder, go: &Path) -> (Output, PathBuf) {
    let exe = folder.0.join("gc-bench");
    fs::copy(GC_BENCH, &exe).expect("a copy");
    let json = folder.0.join("result.json");
    let mut command = Command::new(exe);
    command.args(["compare", "graph", "--quick", "--pairs", "1", "--only", "go", "--json"]).arg(&json);
    command.arg("--out").arg(folder.0.join("page.html")).arg("--markdown").arg(folder.0.join("table.md"));
    // What a user may have set must not be taken for what the tables say.
    command.env("GREYSET_GOGC", "not a number");
    (command.env("GO", go).output().expect("gc-bench starts"), json)
}

fn read(json: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(json).expect("written")).expect("JSON")
}

fn graph_report(check: &str) -> String {
    format!(
        "echo '{{\"workload\":\"graph\",\"params\":{{}},\"wall_s\":1000,\"cpu_s\":1000,\"ops\":1,\"ops_per_s\":1,\
         \"max_rss_bytes\":50000000,\"check\":\"{check}\"}}'"
    )
}

#[test]
fn a_peer_is_built_and_stands_in_every_output() {
    let folder = Folder::new("peer");
    let go = stand_in(&folder.0, &graph_report("1000000 objects, sum of numbers 499999500000"));
    let (output, json) = compare_graph(&folder, &go);
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}{errors}");
    let result = read(&json);
    let rows = &result["comparisons"][0]["rows"];
    assert_eq!(rows[1]["program"], "Go 9.9.9, GOGC 100");
    assert_eq!(rows[1]["figures"]["wall_s"], 1000.0);
    assert!(rows[1]["greyset_to_it"]["wall_s"].as_f64().is_some_and(|ratio| ratio < 0.5), "{rows}");
    assert_eq!(rows[2]["program"], "greyset, GOGC 100, --workers 2");
    assert_eq!(rows[1]["runs"][0]["wall_s"], 1000.0);
    assert!(errors.contains("GREYSET_GOGC") && errors.contains(" ignored: "), "{errors}");
    for file in ["page.html", "table.md"] {
        let file = fs::read_to_string(folder.0.join(file)).expect("written");
        assert!(file.contains("Go 9.9.9, GOGC 100") && file.contains("÷ peak"), "{file}");
    }
}

#[test]
fn a_wrong_result_is_named_and_ends_with_exit_code_1() {
    let folder = Folder::new("wrong");
    let (output, json) = compare_graph(&folder, &stand_in(&folder.0, &graph_report("999 objects")));
    assert_eq!(output.status.code(), Some(1));
    let failed = &read(&json)["comparisons"][0]["failed"][0];
    assert!(failed.as_str().is_some_and(|text| text.contains("its check is \"999 objects\"")), "{failed}");
}

#[test]
fn what_is_not_installed_is_skipped_with_a_hint() {
    let folder = Folder::new("skipped");
    let (output, json) = compare_graph(&folder, Path::new("/nowhere/at/all"));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("skipped: Go is not installed (`apt install golang`"), "{text}");
    let result = read(&json);
    // Greyset with one marker and with two.
    assert_eq!(result["comparisons"][0]["rows"].as_array().map(Vec::len), Some(2));
    assert_eq!(result["skipped"].as_array().map(Vec::len), Some(1));
}
