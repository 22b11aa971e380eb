//! A small Lisp, as a tutorial for language runtimes on greyset. The tour is in `docs/EMBEDDING.md`.
//!
//!     cargo run --release -p greyset --example lisp -- gc/examples/lisp/scripts/fib.lisp
//!     cargo run --release -p greyset --example lisp -- --hard-limit 64MiB gc/examples/lisp/scripts/oom.lisp
//!     cargo run --release -p greyset --example lisp -- -e '(map (lambda (x) (* x x)) (iota 5))'
//!
//! Read the modules in this order:
//!
//! 1. `value`: what lives in the heap, and which field is which kind of handle;
//! 2. `world`: the one object that everything hangs off;
//! 3. `machine`: a slice of a program, between two safepoints;
//! 4. `interpreter`: the loop with the safepoint, and what happens when memory runs out;
//! 5. `reader`, `compiler`, `builtins`, `printer`: the rest of a language.

mod builtins;
mod cli;
mod compiler;
mod interpreter;
mod machine;
mod printer;
mod reader;
mod trap;
mod value;
mod world;

pub use cli::run;

use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    let code = run(std::env::args_os().skip(1), &mut io::stdout(), &mut io::stderr());
    ExitCode::from(code)
}
