//! What the program writes to standard output.
use crate::failure::Failure;
use std::io::{self, ErrorKind, Write};

/// Writes to standard output; a reader that has left is no error.
///
/// # Errors
/// [`Failure::Run`] for all else that keeps the text from getting there.
pub fn emit(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::Run(format!("cannot write to standard output: {e}")))
        }
        _ => Ok(()),
    }
}
