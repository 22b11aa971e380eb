//! Lisp programs through reader, compiler, machine and printer of the example, for a bounded number of slices.

#![allow(dead_code, reason = "parts of the example that only its command line uses")]
#![allow(missing_docs, reason = "those of the example are comments for readers of the example")]

#[path = "../../../gc/examples/lisp/builtins/mod.rs"]
mod builtins;
#[path = "../../../gc/examples/lisp/compiler/mod.rs"]
mod compiler;
#[path = "../../../gc/examples/lisp/interpreter.rs"]
mod interpreter;
#[path = "../../../gc/examples/lisp/machine/mod.rs"]
mod machine;
#[path = "../../../gc/examples/lisp/printer.rs"]
mod printer;
#[path = "../../../gc/examples/lisp/reader.rs"]
mod reader;
#[path = "../../../gc/examples/lisp/trap.rs"]
mod trap;
#[path = "../../../gc/examples/lisp/value.rs"]
mod value;
#[path = "../../../gc/examples/lisp/world.rs"]
mod world;

use super::{in_a_heap, says_what_to_do};
use greyset::{Mutator, Root};
use machine::{Stop, run_slice};
use printer::{Style, print};
use reader::{Reader, SourceError};
use world::World;

/// Slices of a form, and instructions of a slice: a program that does not end is given up.
const SLICES: usize = 40;
const SLICE: u32 = 500;

/// Runs the forms of a text one by one, until one is wrong.
pub fn run(text: &str) {
    in_a_heap(|m| {
        let Ok(world) = World::create(m).map(|world| world.root(m)) else { return };
        let mut reader = Reader::new(text);
        while form(m, &world, &mut reader) {}
    });
}

/// Reads and runs the next form. False: there is none, or it failed.
fn form(m: &mut Mutator, world: &Root<World<'static>>, reader: &mut Reader<'_>) -> bool {
    let loaded = {
        let world = world.get(m);
        let load = |reader: &mut Reader<'_>| {
            let Some(form) = reader.read(m, world)? else { return Ok(false) };
            world.start(m, compiler::compile(m, &form)?)?;
            Ok::<_, SourceError>(true)
        };
        load(reader)
    };
    match loaded {
        Ok(true) => {}
        Ok(false) | Err(SourceError::Memory(_)) => return false,
        Err(SourceError::Syntax(_, message)) => {
            says_what_to_do(&message);
            return false;
        }
    }
    let mut printed = String::new();
    for _ in 0..SLICES {
        let (stop, _) = run_slice(m, world.get(m), &mut printed, SLICE);
        match stop {
            Stop::Budget => m.safepoint(),
            Stop::Collect => m.collect(),
            Stop::Memory | Stop::Uncaught(_) => return false,
            Stop::Done => {
                let world = world.get(m);
                print(m, world.result.load(m), Style::Write, &mut printed);
                return true;
            }
        }
        printed.clear();
    }
    false
}
