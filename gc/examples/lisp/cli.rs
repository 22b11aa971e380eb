//! The command line: what to run, in what heap, and the exit code.

use super::interpreter::{Failure, Interpreter};
use super::printer::{Style, print};
use greyset::{Heap, HeapBuilder, Mutator, Ret};
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const USAGE: &str = "usage: lisp [--hard-limit SIZE] [--gogc N|off] [--stats] FILE | -e EXPRESSION";

/// Exit code when the script is wrong or fails.
const FAILED: u8 = 1;
/// Exit code when the command line is wrong.
const MISUSED: u8 = 2;

/// What the command line asks for.
struct Request {
    builder: HeapBuilder,
    source: Source,
    stats: bool,
}

enum Source {
    File(PathBuf),
    Expression(String),
}

/// Does what the arguments say; returns the exit code. Errors are one line on `err`.
pub fn run(
    args: impl IntoIterator<Item = OsString>,
    out: &mut (dyn Write + Send),
    err: &mut dyn Write,
) -> u8 {
    let outcome = parse(args).and_then(|request| execute(request, out, err));
    let Err((code, message)) = outcome else { return 0 };
    // If the error cannot be written there is nobody left to tell.
    let _ = writeln!(err, "{message}");
    code
}

type Outcome<T> = Result<T, (u8, String)>;

fn parse(args: impl IntoIterator<Item = OsString>) -> Outcome<Request> {
    let misused = |message: String| (MISUSED, format!("lisp: {message}; {USAGE}"));
    let mut builder = Heap::builder();
    let (mut source, mut stats) = (None, false);
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let name = arg.to_string_lossy().into_owned();
        let mut value = || {
            args.next()
                .map(|value| value.to_string_lossy().into_owned())
                .ok_or_else(|| misused(format!("{name} needs a value")))
        };
        let new = match name.as_str() {
            "--stats" => {
                stats = true;
                continue;
            }
            "--hard-limit" | "--gogc" => {
                let setting = name.trim_start_matches('-').replace('-', "_");
                builder = builder.set(&setting, &value()?).map_err(|error| misused(error.to_string()))?;
                continue;
            }
            "-e" => Source::Expression(value()?),
            _ if name.starts_with('-') => return Err(misused(format!("there is no option {name}"))),
            _ => Source::File(PathBuf::from(arg)),
        };
        if source.replace(new).is_some() {
            return Err(misused("one program at a time".to_string()));
        }
    }
    let source = source.ok_or_else(|| misused("there is nothing to run".to_string()))?;
    Ok(Request { builder, source, stats })
}

fn execute(request: Request, out: &mut dyn Write, err: &mut dyn Write) -> Outcome<()> {
    let heap = request.builder.build().map_err(|error| (MISUSED, format!("lisp: {error}")))?;
    let (name, text) = match &request.source {
        Source::Expression(text) => ("-e".to_string(), text.clone()),
        Source::File(path) => (path.display().to_string(), read(path)?),
    };
    let print_value = matches!(request.source, Source::Expression(_));
    let result = heap.mutator_named("lisp").enter(|m| interpret(m, &text, print_value, out));
    if request.stats {
        let _ = write!(err, "{}", heap.stats());
    }
    result.map_err(|failure| (FAILED, describe(&name, &failure)))
}

fn interpret(m: &mut Mutator, text: &str, print_value: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let mut interpreter = Interpreter::new(m)?;
    let Ret { gc: world, m } = interpreter.run_text(m, text, out)?;
    let value = world.result.load(m);
    if print_value && !value.is_nil() {
        let mut line = String::new();
        print(m, value, Style::Write, &mut line);
        writeln!(out, "{line}").map_err(Failure::Output)?;
    }
    Ok(())
}

fn describe(name: &str, failure: &Failure) -> String {
    match failure {
        Failure::Script(report) => {
            let place = report.place;
            format!("{name}:{}:{}: {}", place.line, place.column, report.message)
        }
        Failure::Memory(cause) => format!("{name}: {cause}"),
        Failure::Output(error) => format!("lisp: the output cannot be written: {error}"),
    }
}

/// The text of a file.
fn read(path: &Path) -> Outcome<String> {
    let name = path.display();
    let bytes = std::fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => (MISUSED, format!("lisp: there is no file {name}")),
        _ => (MISUSED, format!("lisp: {name} cannot be read: {error}")),
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let lines = valid.iter().filter(|&&byte| byte == b'\n').count();
        let line = valid.rsplit(|&byte| byte == b'\n').next().unwrap_or_default();
        let column = String::from_utf8_lossy(line).chars().count();
        (FAILED, format!("{name}:{}:{}: this is not UTF-8", lines + 1, column + 1))
    })
}
