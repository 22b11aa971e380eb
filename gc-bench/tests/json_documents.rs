//! Documents through the program as its users call it: what comes back, and what is said about those that are not JSON.
use std::io::Write;
use std::process::{Command, Output, Stdio};

fn json(document: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_gc-bench"))
        .args(["run", "json", "-", "--rounds", "2", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("gc-bench starts");
    child.stdin.take().expect("piped").write_all(document).expect("gc-bench reads");
    child.wait_with_output().expect("gc-bench ends")
}

#[test]
fn good_documents_pass_their_check() {
    let deep = format!("{}1{}", "[".repeat(900), "]".repeat(900));
    let wide = format!("[{}]", vec![r#"{"id": 1, "tags": ["a", "b"], "x": {"y": null}}"#; 3000].join(","));
    let keys = (0..5000).map(|i| format!("\"k{}\":{i}", i % 4000)).collect::<Vec<_>>().join(",");
    for document in [
        "0",
        r#""\ud83d\ude00 \u0000 \/ \" \\ é""#,
        "[1e400, -0.0, 0.1000, 12345678901234567890123456789, 1E-7]",
        r#"{"a":1,"b":{"a":2},"a":3,"added":4,"added_":5}"#,
        &deep,
        &wide,
        &format!("{{{keys}}}"),
    ] {
        let output = json(document.as_bytes());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a JSON object");
        let check = report["check"].as_str().expect("a check");
        assert_eq!(check, format!("2 documents of {} bytes came back in canonical form", document.len()));
    }
}

#[test]
fn malformed_documents_get_one_line_with_their_place_and_exit_code_2() {
    for (document, expected) in [
        (&b"{\"a\": [1, 2,\n  tru]}"[..], "line 2 column 3: expected a value, found 't'"),
        (b"[1, 2", "line 1 column 6: expected ',' or ']', found the end"),
        (b"\"\\ud800 \"", "line 1 column 8: lone surrogate"),
        (b"[\n\"\xff\"]", "line 2 column 2: not UTF-8"),
        (&b"[".repeat(100_000), "line 1 column 1001: nested more than 1000 deep"),
    ] {
        let output = json(document);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert_eq!(error, format!("gc-bench: standard input: {expected}\n"));
        assert!(output.stdout.is_empty());
    }
}
