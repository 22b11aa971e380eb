//! The example interpreter: its scripts print what they should, and nonsense gets one clear line.
//!
//! The example is compiled into this test, and runs on the test's own thread: a recursion over the structure of a script
//! would overflow its stack.

#[allow(dead_code, reason = "`main`, and what only it needs")]
#[path = "../../gc/examples/lisp/main.rs"]
mod lisp;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What a run of the interpreter did.
#[derive(Debug, PartialEq)]
struct Ran {
    code: u8,
    out: String,
    err: String,
}

fn run(args: &[&str]) -> Ran {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = lisp::run(args.iter().map(OsString::from), &mut out, &mut err);
    Ran { code, out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap() }
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../gc/examples/lisp/scripts")
}

/// Writes a program to a file of its own.
fn file(name: &str, text: &[u8]) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("lisp-{name}.lisp"));
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_string()
}

/// Runs a script with some of its text replaced, and compares with the expected output.
fn check_script(name: &str, replace: &[(&str, &str)], options: &[&str]) {
    let mut text = std::fs::read_to_string(scripts().join(format!("{name}.lisp"))).unwrap();
    for (from, to) in replace {
        assert!(text.contains(from), "{name}.lisp has no {from}");
        text = text.replace(from, to);
    }
    let expected = std::fs::read_to_string(scripts().join(format!("{name}.out"))).unwrap();
    let path = file(name, text.as_bytes());
    let ran = run(&[options, &[path.as_str()]].concat());
    assert_eq!(ran, Ran { code: 0, out: expected, err: String::new() });
}

#[test]
fn fib() {
    check_script("fib", &[], &[]);
}

#[test]
fn calls_in_tail_position_take_no_room() {
    // A million variables or frames would not fit.
    check_script("tail", &[("10000000", "1000000")], &["--hard-limit", "4MiB"]);
}

#[test]
fn closures_errors_tables_weak_references() {
    check_script("closures", &[], &[]);
}

#[test]
fn much_more_garbage_than_memory() {
    check_script("churn10g", &[("10000000000", "200000000")], &["--hard-limit", "8MiB"]);
}

#[test]
fn out_of_memory_is_caught_and_the_script_goes_on() {
    check_script("oom", &[], &["--hard-limit", "4MiB"]);
}

#[test]
fn out_of_memory_uncaught_is_an_error() {
    let path = file("uncaught", b"(define (f n)\n  (+ 1 (f n)))\n(display \"before\")\n(f 0)");
    let ran = run(&["--hard-limit", "4MiB", &path]);
    assert_eq!((ran.code, ran.out.as_str()), (1, "before"));
    assert_eq!(ran.err, format!("{path}:2:8: the heap is full\n"));
}

#[test]
fn a_form_that_does_not_fit_is_an_error() {
    let path = file("large", format!("'({})", "1 ".repeat(500_000)).as_bytes());
    let ran = run(&["--hard-limit", "4MiB", &path]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("hard limit of 4MiB"), "{}", ran.err);
}

#[test]
fn expressions_print_their_value() {
    let value = |text: &str| run(&["-e", text]).out;
    assert_eq!(value("(map (lambda (x) (* x x)) (iota 5))"), "(0 1 4 9 16)\n");
    assert_eq!(value("\"a\\n\""), "\"a\\n\"\n");
    assert_eq!(value("(define x 1)"), "");
    assert_eq!(value("(display 1) (newline) 2"), "1\n2\n");
    assert_eq!(value("(apply apply (list + (list 1 2)))"), "3\n");
    assert_eq!(value(""), "");
}

/// Printing much ends a slice: here in the middle of a call, with more on the stack than when the slice began.
#[test]
fn a_slice_may_end_with_any_number_of_words_on_the_stack() {
    let much = "x".repeat(100_000);
    let text = format!(
        "(define (f) (list (write \"{much}\") 1 2 3 (write \"{much}\")))(length (list 1 2 3 4 5 6 7 8 (f)))"
    );
    let ran = run(&[&file("slices", text.as_bytes())]);
    assert_eq!((ran.code, ran.out.len(), ran.err.as_str()), (0, 2 * (much.len() + 2), ""));
}

/// One line on the error output, with the place; exit code 1; no panic.
#[test]
fn what_is_wrong_with_a_program_is_said_with_its_place() {
    let cases = [
        ("(display \"hi\"", "1:1: this ( is never closed"),
        ("\n  )", "2:3: this ) closes nothing"),
        ("(a\n \"b", "2:2: this string is never closed"),
        ("'", "1:1: nothing follows this quote"),
        ("(1 . )", "1:6: something must stand between the dot and this )"),
        ("(. 1)", "1:2: a dot stands before the last part of a list only, as in (a . b)"),
        ("#x", "1:1: #x means nothing: of what begins with # there are #t and #f"),
        ("\"\\q\"", "1:2: after \\ in a string comes one of n t \" \\"),
        ("()", "1:1: () is not an expression; the empty list is written '()"),
        ("(car '(1) 2)", "1:1: car takes 1 argument, not 2"),
        ("(display\n  foo)", "2:3: the variable foo is not defined"),
        ("(set! foo 1)", "1:7: the variable foo is not defined"),
        ("(define (f x) x)\n(f)", "2:1: f takes 1 argument, not 0"),
        ("((lambda (x . y) x))", "1:1: this procedure takes at least 1 argument, not 0"),
        ("(5 5)", "1:1: 5 is not a procedure, so it cannot be called"),
        ("(+ 1 (quotient 1 0))", "1:6: quotient: division by zero"),
        ("(/ 0)", "1:1: /: division by zero"),
        ("(map car 5)", "1:1: cdr: argument 1 must be a pair, not 5"),
        ("(letrec ((a b) (b 1)) a)", "1:13: the variable b is used before it has a value"),
        ("(let ((x)) x)", "1:7: a binding is written (name value)"),
        ("(if)", "1:1: write (if test then) or (if test then else)"),
        ("(lambda (5) 1)", "1:10: a name is expected here"),
        ("(define (f))", "1:1: a body has one expression at least"),
        ("(car . 5)", "1:1: a list is expected here, without a dot"),
        ("(cond (else 1) (2 3))", "1:7: else is the last clause"),
        ("(raise (list 1 \"two\"))", "1:1: nobody caught the value (1 \"two\")"),
        ("(error \"bad thing:\" 1 \"x\")", "1:1: bad thing: 1 \"x\""),
        ("(try 1)", "1:1: write (try expression handler)"),
        ("(try 1 2)", "1:1: try: the handler must be a procedure, not 2"),
        ("(try (car 5) (lambda () 1))", "1:1: this procedure takes 0 arguments, not 1"),
        ("(apply + 1)", "1:1: apply: 1 is not a list with an end"),
        ("(vector-ref (vector 1) -1)", "1:1: vector-ref: there is no element -1 in a vector of 1"),
        ("(make-vector -1)", "1:1: make-vector: argument 1 must be an integer not below 0, not -1"),
        ("(make-vector 4611686018427387903)", "1:1: the heap is full"),
        ("(substring \"abc\" 2 1)", "1:1: substring: 2 to 1 is no part of 3 characters"),
        (
            "(define l (list 1)) (set-cdr! l l) (length l)",
            "1:36: length: argument 1 must be a list with an end, not (1 1 1 1 1...",
        ),
    ];
    for (number, (text, expected)) in cases.into_iter().enumerate() {
        let path = file(&format!("wrong-{number}"), text.as_bytes());
        let ran = run(&[&path]);
        assert_eq!((ran.code, ran.err), (1, format!("{path}:{expected}\n")), "{text}");
    }
}

#[test]
fn an_empty_file_is_a_program() {
    for text in ["", "\n\n", "; only a comment"] {
        let path = file("empty", text.as_bytes());
        assert_eq!(run(&[&path]), Ran { code: 0, out: String::new(), err: String::new() });
    }
}

#[test]
fn text_that_is_not_utf_8_is_an_error_with_its_place() {
    let path = file("bytes", b"(display 1)\n (\xff\xfe");
    assert_eq!(run(&[&path]).err, format!("{path}:2:3: this is not UTF-8\n"));
}

#[test]
fn no_nesting_is_too_deep_for_the_stack() {
    let deep = 100_000;
    let nested = |before: &str, middle: &str, after: &str| {
        let text = format!("{}{middle}{}", before.repeat(deep), after.repeat(deep));
        let path = file(&format!("deep-{}", before.len()), text.as_bytes());
        let mut ran = run(&[&path]);
        ran.err = ran.err.replace(&path, "FILE");
        ran
    };
    let fine = |before: &str, middle: &str, after: &str| {
        assert_eq!(nested(before, middle, after), Ran { code: 0, out: String::new(), err: String::new() });
    };
    assert_eq!(nested("(", "", "").err, "FILE:1:100000: this ( is never closed\n");
    assert_eq!(nested("(", "", ")").err.matches("FILE:1:100000: () is not an expression").count(), 1);
    assert_eq!(nested("(car ", "1", ")").err, "FILE:1:499996: car: argument 1 must be a pair, not 1\n");
    fine("'", "a", "");
    fine("(if 1 ", "1", ")");
    fine("(begin ", "1", ")");
    fine("(let ((x ", "1", ")) x)");
    fine("(lambda () ", "1", ")");
    fine("(try ", "1", " car)");
    fine("(cond (1 ", "1", "))");
    // Data as well: printing, comparing.
    let path = file(
        "deep-data",
        format!("(display (equal? '{0} '{0}))(display '{0})", {
            format!("{}{}", "(".repeat(deep), ")".repeat(deep))
        })
        .as_bytes(),
    );
    let ran = run(&[&path]);
    assert_eq!((ran.code, ran.out.len()), (0, 2 + 2 * deep));
}

#[test]
fn a_wrong_command_line_exits_with_2() {
    let cases: [(&[&str], &str); 8] = [
        (&[], "there is nothing to run"),
        (&["--bad"], "there is no option --bad"),
        (&["a", "b"], "one program at a time"),
        (&["--gogc"], "--gogc needs a value"),
        (&["--gogc", "0", "-e", "1"], "gogc cannot be \"0\""),
        (&["--hard-limit", "64MX", "-e", "1"], "hard_limit cannot be \"64MX\""),
        (&["no-such-file.lisp"], "there is no file no-such-file.lisp"),
        (&["."], "cannot be read"),
    ];
    for (args, expected) in cases {
        let ran = run(args);
        assert_eq!((ran.code, ran.err.lines().count()), (2, 1), "{args:?}: {}", ran.err);
        assert!(ran.err.contains(expected), "{args:?}: {}", ran.err);
    }
}

#[test]
fn statistics_go_to_the_error_output() {
    let ran = run(&["--stats", "--gogc", "off", "-e", "(gc)"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, ""));
    let cycles = ran.err.split("cycles     ").nth(1).and_then(|rest| rest.split(',').next());
    assert!(
        cycles.and_then(|n| n.parse().ok()).is_some_and(|n: u64| n >= 1),
        "the one asked for: {}",
        ran.err
    );
}
