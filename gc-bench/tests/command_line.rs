//! The command line from outside: every workload, the fields of the result, and what wrong arguments get.
use serde_json::Value;
use std::process::{Command, Output, Stdio};

fn gc_bench(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gc-bench")).args(args).output().expect("gc-bench starts")
}

/// The same in a heap that cannot take the machine's memory if collection does not work.
fn gc_bench_limited(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gc-bench"));
    command.args(args).env("GREYSET_HARD_LIMIT", "3GiB").output().expect("gc-bench starts")
}

fn report(args: &[&str]) -> Value {
    let output = gc_bench_limited(args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

/// Every workload with parameters that make it short, and whether it times single operations.
const SMALL: [(&[&str], bool); 11] = [
    (&["binary-trees", "--depth", "8"], false),
    (&["gcbench", "--seconds", "0.2"], false),
    (&["graph", "--objects", "10000", "--order", "tree", "--collections", "2"], false),
    (&["graph", "--objects", "10001", "--order", "random", "--collections", "2", "--workers", "1"], false),
    (&["queue", "--window", "1000", "--pushes", "5000", "--size", "64"], true),
    (&["churn", "--live", "1MiB", "--ops", "5000"], true),
    (&["alloc", "--size", "40", "--ops", "50000"], false),
    (&["alloc", "--size", "1000", "--ops", "5000", "--keep", "100"], false),
    (&["json", "--rounds", "2"], true),
    (&["swaps", "--slots", "1000", "--ops", "100000"], false),
    (&["heaps", "--heaps", "20"], true),
];

fn small(workload: &[&str], more: &[&str]) -> Value {
    report(&[&["run"], workload, &["--json"], more].concat())
}

#[test]
fn every_workload_reports_the_same_fields() {
    for (workload, times_operations) in SMALL {
        let report = small(workload, &[]);
        let has = |path: &str, is: fn(&Value) -> bool| {
            let value = report.pointer(path);
            assert!(value.is_some_and(is), "{workload:?}: {path} is {value:?}");
        };
        assert_eq!(report["workload"], workload[0]);
        has("/params", Value::is_object);
        has("/check", |check| check.as_str().is_some_and(|text| !text.is_empty()));
        for field in
            ["/wall_s", "/cpu_s", "/ops_per_s", "/gc/mark_cpu_s", "/gc/assist_cpu_s", "/gc/sweep_cpu_s"]
        {
            has(field, Value::is_number);
        }
        for field in
            ["/ops", "/max_rss_bytes", "/gc/cycles", "/gc/goal_bytes", "/gc/live_bytes", "/gc/peak_bytes"]
        {
            has(field, Value::is_u64);
        }
        has("/gc/marked_objects", Value::is_u64);
        assert_eq!(report.get("op_ns").is_some(), times_operations, "{workload:?}");
        for histogram in ["op_ns", "safepoint_ns"] {
            if let Some(Value::Object(percentiles)) = report.get(histogram) {
                let fields = percentiles.keys().collect::<Vec<_>>();
                assert_eq!(fields, ["count", "p50", "p99", "p999", "p9999", "max"]);
            }
        }
        let known = "workload params wall_s cpu_s ops ops_per_s max_rss_bytes check gc safepoint_ns op_ns";
        let fields = report.as_object().into_iter().flat_map(|object| object.keys());
        assert!(fields.into_iter().all(|field| known.split(' ').any(|name| name == field)));
    }
}

#[test]
fn several_mutators_share_the_work() {
    for (workload, _) in
        SMALL.into_iter().filter(|(workload, _)| workload[0] != "graph" && workload[0] != "gcbench")
    {
        let [one, two] = ["1", "2"].map(|mutators| small(workload, &["--mutators", mutators]));
        assert_eq!(one["check"], two["check"], "{workload:?}");
        assert_eq!(one["ops"], two["ops"], "{workload:?}");
    }
}

#[test]
fn both_drivers_and_other_heap_settings_give_the_same_result() {
    let workload = ["churn", "--live", "2MiB", "--ops", "20000"];
    let plain = small(&workload, &[]);
    for more in [
        &["--driver", "inline"][..],
        &["--gogc", "50", "--workers", "2"],
        &["--gogc", "off", "--memory-limit", "64MiB"],
    ] {
        assert_eq!(small(&workload, more)["check"], plain["check"], "{more:?}");
    }
    assert_eq!(small(&workload, &["--gogc", "off", "--hard-limit", "1GiB"])["params"]["gogc"], "off");
}

#[test]
fn a_run_tells_the_variables_that_win_over_its_options() {
    let report = small(&["alloc", "--ops", "1000"], &["--gogc", "200"]);
    assert_eq!(
        (&report["params"]["gogc"], &report["params"]["GREYSET_HARD_LIMIT"]),
        (&200.into(), &"3GiB".into())
    );
}

/// Without it the program would run, and nothing would ever be collected.
#[test]
fn a_driver_that_somebody_has_to_step_is_refused() {
    for args in [&["run", "alloc", "--ops", "1000"][..], &["limits"], &["budget"], &["record", "alloc"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gc-bench"));
        let output = command.args(args).env("GREYSET_DRIVER", "stepping").output().expect("gc-bench starts");
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
        assert!(
            error.contains("use background or inline") && error.lines().count() == 1,
            "{args:?}: {error}"
        );
    }
}

#[test]
fn marking_that_nobody_has_timed_takes_no_time_that_is_told() {
    let graph = ["graph", "--objects", "10000", "--collections", "1", "--driver", "inline"];
    let report = small(&graph, &[]);
    assert!(report["gc"]["marked_objects"].as_u64() >= Some(10000), "{report}");
    let told = report["gc"].get("ns_per_marked_object");
    assert!(told.is_none_or(|ns| ns.as_f64() > Some(0.0)), "{report}");
}

#[test]
fn a_heap_without_a_goal_has_none() {
    let output = gc_bench(&["run", "alloc", "--ops", "1000", "--gogc", "off"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains(", goal none, ") || std::env::var_os("GREYSET_HARD_LIMIT").is_some(), "{text}");
}

#[test]
fn seconds_bound_a_run_without_a_count() {
    // Without the bound it would not end; how much longer than that it takes is up to the machine.
    let report = small(&["churn", "--live", "1MiB"], &["--seconds", "0.1"]);
    assert!(report["wall_s"].as_f64().is_some_and(|s| s >= 0.1), "{report}");
    assert!(report["ops"].as_u64().is_some_and(|ops| ops > 0), "{report}");
}

#[test]
fn text_output_names_the_check() {
    let output = gc_bench(&["run", "binary-trees", "--depth", "6"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("64\t trees of depth 4\t check: 1984"), "{text}");
    assert!(text.contains("check           ok: "), "{text}");
}

#[test]
fn latencies_go_to_a_file() {
    let path = std::env::temp_dir().join(format!("gc-bench-latencies-{}.tsv", std::process::id()));
    let path = path.to_str().expect("a plain path");
    small(&["queue", "--window", "10", "--pushes", "1000", "--size", "16"], &["--latencies", path]);
    let text = std::fs::read_to_string(path).expect("written");
    let counts = text.lines().map(|line| line.split('\t').nth(1).and_then(|n| n.parse::<u64>().ok()));
    assert_eq!(counts.sum::<Option<u64>>(), Some(1000));
    std::fs::remove_file(path).expect("removable");
}

/// Everything that `scale` builds, small.
const SCALE: [&str; 13] = [
    "scale",
    "--mutators",
    "20",
    "--roots",
    "5000",
    "--live",
    "256KiB",
    "--nodes",
    "20000",
    "--array",
    "64KiB",
    "--ops",
    "5000",
];

#[test]
fn scale_builds_everything_and_finds_it_whole() {
    let found = report(&[&SCALE[..], &["--json"]].concat());
    let built = [("mutators", 20), ("roots", 5000), ("live", 5334), ("list", 20000), ("array", 8192)];
    assert_eq!(found.as_object().expect("an object").keys().collect::<Vec<_>>(), built.map(|(name, _)| name));
    for (name, elements) in built {
        let test = &found[name];
        assert_eq!(test["elements"], elements, "{name}: {test}");
        assert!(test["check"].as_str().is_some_and(|check| !check.is_empty()), "{name}: {test}");
        for figure in ["build_ns", "collection_s", "tear_down_s", "mapped_bytes", "max_rss_bytes"] {
            assert!(test[figure].as_f64() > Some(0.0), "{name}: {figure}: {test}");
        }
        let bytes = |figure: &str| test[figure].as_u64().expect("bytes");
        assert!(bytes("metadata_before_bytes") <= bytes("metadata_most_bytes"), "{name}: {test}");
        assert!(bytes("metadata_bytes") <= bytes("metadata_most_bytes"), "{name}: {test}");
        let percent = 100.0 * bytes("metadata_bytes") as f64 / bytes("mapped_bytes") as f64;
        assert!(
            test["metadata_pct"].as_f64().is_some_and(|pct| (pct - percent).abs() < 0.01),
            "{name}: {test}"
        );
    }
    // The row itself, and the objects that its slots lead to.
    assert!(found["array"]["marked_objects"].as_u64() >= Some(82), "{found}");
    for (name, least) in [("roots", 5000), ("live", 5334), ("list", 20000)] {
        // With zeal a cycle runs at every moment, and what is born black in it is not marked.
        let least = if std::env::var_os("GREYSET_ZEAL").is_some() { least / 2 } else { least };
        assert!(found[name]["marked_objects"].as_u64() >= Some(least), "{name}: {found}");
    }
    assert_eq!(found["roots"]["marked_after"], 0);
    assert_eq!(found["live"]["op_ns"]["count"], 5000);
    for figure in ["wall", "collection"] {
        assert!(found["mutators"]["ratio"][figure].as_f64() > Some(0.0), "{found}");
    }
}

#[test]
fn scale_tells_in_a_table_what_it_found() {
    let output = gc_bench_limited(&["scale", "list", "roots", "--part", "0.01"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let rows = text.lines().skip(2).filter_map(|row| row.split('|').nth(1)).map(str::trim);
    assert_eq!(rows.collect::<Vec<_>>(), ["list", "roots"], "{text}");
    assert!(text.contains("10.0 k nodes") && text.contains("ok: 1000 roots lead to their objects"), "{text}");
}

#[test]
fn scale_says_what_the_heap_says_if_it_refuses_to_build_something() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gc-bench"));
    command.args(["scale", "roots", "array", "--roots", "100", "--array", "4MiB"]);
    let output = command.env("GREYSET_HARD_LIMIT", "2MiB").output().expect("gc-bench starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.starts_with("gc-bench: no memory for ") && error.lines().count() == 1, "{error}");
    // What was found before is told.
    assert!(String::from_utf8_lossy(&output.stdout).contains("ok: 100 roots"), "{error}");
}

#[test]
fn wrong_arguments_get_one_line_and_exit_code_2() {
    for (args, names) in [
        (&["walk"][..], "walk"),
        (&["run"], "name a workload"),
        (&["run", "juggle"], "juggle"),
        (&["run", "graph", "--order", "up"], "--order"),
        (&["run", "graph", "--mutators", "2"], "--mutators"),
        (&["run", "binary-trees", "--depth", "99"], "--depth"),
        (&["run", "churn", "--live", "12 apples"], "--live"),
        (&["run", "churn", "--live", "100"], "--live"),
        (&["run", "alloc", "--size", "8"], "--size"),
        (&["run", "alloc", "--gogc", "many"], "--gogc"),
        (&["run", "alloc", "--driver", "stepping"], "--driver"),
        (&["run", "alloc", "--hard-limit", "1KiB"], "hard_limit"),
        (&["run", "alloc", "--memory-limit", "2GiB", "--hard-limit", "1GiB"], "hard_limit"),
        (&["run", "alloc", "--seconds", "-1"], "--seconds"),
        (&["run", "swaps", "--slots", "1"], "--slots"),
        (&["run", "heaps", "--heaps", "0"], "--heaps"),
        (&["run", "alloc", "--gogc", "-1"], "invalid value '-1' for '--gogc"),
        (&["run", "alloc", "--keep", "-1"], "--keep"),
        (&["--seconds", "-1"], "not a number of seconds"),
        (&["run", "alloc", "--ops", "1", "--latencies", "/tmp/x"], "--latencies"),
        (&["run", "queue", "--latencies", "/nowhere/at/all.tsv"], "/nowhere/at/all.tsv"),
        (&["run", "json", "/nowhere/at/all.json"], "/nowhere/at/all.json"),
        (&["--seconds", "x"], "--seconds"),
        (&["--output", "/nowhere/at/all.html"], "/nowhere/at/all.html"),
        (&["compare", "juggle"], "juggle"),
        (&["compare", "json"], "json"),
        (&["compare", "--pairs", "0"], "--pairs"),
        (&["compare", "--only", "cobol"], "cobol"),
        (&["compare", "graph", "--only", "boehm,jvm"], "graph has no peer in Boehm, JVM"),
        (&["compare", "--out", "/nowhere/at/all.html"], "/nowhere/at/all.html"),
        (&["scale", "stairs"], "stairs"),
        (&["scale", "--part", "0"], "not a percentage above 0"),
        (&["scale", "--part", "-1"], "--part"),
        (&["scale", "mutators", "--mutators", "many"], "--mutators"),
        (&["scale", "roots", "--roots", "0"], "not a whole number from 1 to"),
        (&["scale", "roots", "--nodes", "7"], "--nodes does nothing here"),
        (&["scale", "live", "--live", "100"], "--live must be at least 344 bytes"),
        (&["scale", "live", "--live", "16TiB"], "give --live or --part something smaller"),
        (&["scale", "list", "--nodes", "9_000_000_000"], "--nodes"),
        (&["scale", "array", "--array", "4"], "--array must be at least 8 bytes"),
        (&["compare", "--out", "/dev/null", "--json", "/nowhere/at/all.json"], "/nowhere/at/all.json"),
        (&["compare", "--out", "/tmp/x", "--json", "/tmp/x"], "name one file twice"),
    ] {
        let output = gc_bench(args);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
        assert!(error.starts_with("gc-bench: ") && error.contains(names), "{args:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{args:?}: {error}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
}

/// The exit code and standard error of gc-bench with its standard output in that file.
fn writes_to(file: &str, args: &[&str]) -> (Option<i32>, String) {
    let file = std::fs::File::create(file).expect("a device");
    let mut command = Command::new(env!("CARGO_BIN_EXE_gc-bench"));
    let output = command.args(args).stdout(file).output().expect("gc-bench starts");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn output_that_gets_nowhere_is_a_failure() {
    let told = "gc-bench: cannot write to standard output: No space left on device (os error 28)\n";
    for args in [&["list"][..], &["--help"], &["run", "alloc", "--ops", "1", "--json"]] {
        assert_eq!(writes_to("/dev/full", args), (Some(1), told.to_owned()), "{args:?}");
        assert_eq!(writes_to("/dev/null", args), (Some(0), String::new()), "{args:?}");
    }
}

#[test]
fn a_reader_that_has_left_is_no_failure() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gc-bench"));
    let mut child = command
        .args(["run", "binary-trees", "--depth", "6"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    drop(child.stdout.take());
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn list_names_every_workload() {
    let output = gc_bench(&["list"]);
    let text = String::from_utf8_lossy(&output.stdout);
    for (workload, _) in SMALL {
        assert!(text.lines().any(|line| line.trim_start().starts_with(workload[0])), "{text}");
    }
}

#[test]
fn the_tour_writes_its_page() {
    let page = std::env::temp_dir().join(format!("gc-bench-tour-{}.html", std::process::id()));
    let output = gc_bench_limited(&["--seconds", "1", "--output", page.to_str().expect("a plain path")]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains(page.to_str().expect("a plain path")));
    let html = std::fs::read_to_string(&page).expect("a page");
    assert!(html.contains("</html>") && html.matches("<svg").count() >= 9, "{}", html.len());
    for tag in ["section", "figure", "table", "thead", "tr", "th", "td", "p", "li", "svg", "g"] {
        let opened = [" ", ">"].map(|end| html.matches(&format!("<{tag}{end}")).count());
        assert_eq!(opened.iter().sum::<usize>(), html.matches(&format!("</{tag}>")).count(), "{tag}");
    }
    assert!(
        !html.contains("http://")
            || html.matches("http://").count() == html.matches("http://www.w3.org/2000/svg").count()
    );
    std::fs::remove_file(page).expect("removable");
}
