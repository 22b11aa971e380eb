//! `gc-bench simulate` from outside: the recorded cycles, the other outputs, and what wrong scenarios get.
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn simulate(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gc-bench"));
    command.arg("simulate").args(args).output().expect("gc-bench starts")
}

fn stdout(args: &[&str]) -> String {
    let output = simulate(args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn here(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path).to_str().expect("a plain path").to_owned()
}

/// A folder of this test's own, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("gc-bench-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Folder(path)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("a plain path").to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_recorded_cycles_byte_for_byte() {
    let mut seen = 0;
    for entry in std::fs::read_dir(here("tests/pacer/golden")).expect("recordings") {
        let golden = entry.expect("a directory entry").path();
        let name = golden.file_stem().and_then(|name| name.to_str()).expect("a plain name");
        let scenario = here(&format!("scenarios/{name}.toml"));
        let recorded = std::fs::read_to_string(&golden).expect("a recording");
        assert_eq!(stdout(&[&scenario, "--tsv"]), recorded, "{name}");
        assert_eq!(stdout(&[&scenario, "--pacer", "reference"]), recorded, "{name}");
        seen += 1;
    }
    assert_eq!(seen, 11);
}

#[test]
fn json_has_the_same_cycles() {
    let scenario = here("scenarios/Steady.toml");
    let json: Value = serde_json::from_str(&stdout(&[&scenario, "--json"])).expect("one JSON object");
    assert_eq!((&json["name"], &json["pacer"]), (&"Steady".into(), &"reference".into()));
    let tsv = stdout(&[&scenario]);
    let cycles = json["cycles"].as_array().expect("cycles");
    assert_eq!(cycles.len(), tsv.lines().count() - 1);
    for (cycle, line) in cycles.iter().zip(tsv.lines().skip(1)) {
        let of = |name: &str| cycle[name].to_string();
        let share = cycle["utilization_pct"].as_f64().expect("a number");
        let columns =
            [of("cycle"), format!("{share:.1}"), of("marked"), of("trigger"), of("peak"), of("goal")];
        assert_eq!(columns.join("\t"), line);
    }
}

#[test]
fn the_other_pacer_differs() {
    let scenario = here("scenarios/StepAlloc.toml");
    let of = |pacer| stdout(&[&scenario, "--pacer", pacer]);
    assert_ne!(of("greyset"), of("reference"));
    assert_eq!(of("greyset").lines().count(), of("reference").lines().count());
}

#[test]
fn both_pacers_side_by_side() {
    let compare = |file: &str| {
        let args = ["pacers", &here("scenarios/Steady.toml"), file];
        Command::new(env!("CARGO_BIN_EXE_gc-bench")).args(args).output().expect("gc-bench starts")
    };
    let text = String::from_utf8(compare(&here("scenarios/StepAlloc.toml")).stdout).expect("text");
    let rows = text.lines().skip(2).map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
    let names = rows.map(|row| [row[1], row[2]].join(" ")).collect::<Vec<_>>();
    assert_eq!(names, ["Steady reference", "Steady greyset", "StepAlloc reference", "StepAlloc greyset"]);
    assert_eq!(compare("/nowhere.toml").status.code(), Some(2));
}

#[test]
fn both_pacers_in_runs_of_a_workload() {
    let compare = |workload: &str| {
        let args = ["pacers", "--pairs", "1", "--run", workload];
        Command::new(env!("CARGO_BIN_EXE_gc-bench")).args(args).output().expect("gc-bench starts")
    };
    let text = String::from_utf8(compare("churn --live 1MiB --ops 20000").stdout).expect("text");
    let rows = text.lines().skip(2).map(|line| line.split('|').nth(2).unwrap_or_default().trim());
    assert_eq!(rows.collect::<Vec<_>>(), ["reference", "greyset", "ratio"], "{text}");
    for (workload, says) in [
        ("chorn", "--run \"chorn\": unrecognized subcommand 'chorn'"),
        ("", "--run \"\": name a workload"),
        ("churn --help", "--run \"churn --help\": name a workload"),
        ("churn --live much", "invalid value 'much' for '--live <SIZE>'"),
    ] {
        let wrong = compare(workload);
        assert_eq!(wrong.status.code(), Some(2), "{workload}");
        let error = String::from_utf8_lossy(&wrong.stderr).into_owned();
        assert!(error.contains(says) && error.lines().count() == 1, "{error}");
        assert!(wrong.stdout.is_empty());
    }
    let small = compare("churn --live 100");
    assert_eq!(small.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&small.stderr).contains("churn --live 100, reference: "), "{small:?}");
}

#[test]
fn a_plot_is_drawn() {
    let folder = Folder::new("plot");
    let plot = folder.file("out.svg");
    assert_eq!(stdout(&[&here("scenarios/Steady.toml"), "--plot", &plot]), "");
    let svg = std::fs::read_to_string(&plot).expect("a plot");
    assert!(svg.contains("Steady: heap, MiB") && svg.contains("trigger") && svg.contains("</svg>"));
    assert_eq!(svg.matches("stroke-width=\"2\"").count(), 5, "{svg}");
}

#[test]
fn a_wrong_scenario_gets_file_line_and_what_was_expected() {
    let folder = Folder::new("wrong");
    let good = std::fs::read_to_string(here("scenarios/Steady.toml")).expect("a scenario");
    let file = folder.file("wrong.toml");
    for (from, to, says) in [
        ("cycles = 50", "cycles = 50\ncolor = 1", ":6: unknown field `color`, expected one of"),
        ("cycles = 50", "cycles = \"50\"", ":5: invalid type: string \"50\", expected"),
        ("growth = [", "growht = [", "unknown field `growht`"),
        ("{ const = 1024.0 },", "{ const = -5.0 },", ":11: nothing is scanned in a step of cycle 1: raise"),
        ("globals = 32768", "globals = 1000000000000000", ":11: cycle 1 does not end in time: "),
        ("{ const = 33.0 },", "{ const = 1e308 }, { const = 1e308 },", ":8: signal alloc_rate has no finite"),
        ("[signals]", "[signals", ":7: "),
    ] {
        std::fs::write(&file, good.replacen(from, to, 1)).expect("written");
        let output = simulate(&[&file]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{from}: {error}");
        assert!(error.starts_with(&format!("gc-bench: {file}:")) && error.contains(says), "{from}: {error}");
        assert_eq!(error.lines().count(), 1, "{from}: {error}");
        assert!(output.stdout.is_empty(), "{from}");
    }
    std::fs::write(&file, b"# good\nname = \"\xff\"").expect("written");
    let output = simulate(&[&file]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        (error.as_ref(), output.status.code()),
        (&*format!("gc-bench: {file}:2: expected text in UTF-8\n"), Some(2))
    );
    for args in [&["/nowhere.toml"][..], &[], &[&file, "--pacer", "go"], &[&file, "--json", "--tsv"]] {
        assert_eq!(simulate(args).status.code(), Some(2), "{args:?}");
    }
}
