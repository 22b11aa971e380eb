//! Standard output, which may be a pipe that nobody reads any more, or a full disk.

use std::io::{self, ErrorKind, Write};

/// Writes to standard output. A reader that has left is no error; anything else ends the process with 1.
pub fn emit(text: &str) {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    if let Err(error) = written
        && error.kind() != ErrorKind::BrokenPipe
    {
        complain(&format!("cannot write to standard output: {error}"));
        std::process::exit(1);
    }
}

/// One line on standard error.
pub fn complain(line: &str) {
    // If even standard error is closed there is nobody to tell.
    let _ = writeln!(io::stderr(), "gc-sim: {line}");
}
