//! The interpreter: runs programs slice by slice, with a safepoint behind each.
//!
//! This is the only module with a `&mut Mutator`, hence the only one where a collection can happen. It holds one [`Root`].
//!
//! 1. Read and compile the next form, in one window.
//! 2. Run a slice.
//! 3. Between two slices, where no reference is alive: print what the script has printed, collect if it asks for that, make
//!    room if there was no memory, pass a safepoint.
//! 4. Again from 2, until the program ends.

use super::compiler::compile;
use super::machine::{Report, Stop, raise_out_of_memory, run_slice};
use super::reader::{Reader, SourceError};
use super::value::Place;
use super::world::World;
use greyset::{Mutator, OutOfMemory, Ret, Root};
use std::io::{self, Write};

/// Instructions in a slice: a few microseconds. Longer ones would delay the collector, shorter ones the script.
const SLICE: u32 = 1000;

/// Bytes of output that are gathered before they are written.
pub const OUTPUT: usize = 16 << 10;

/// The part of the standard library that is written in Lisp.
const PRELUDE: &str = include_str!("prelude.lisp");

/// An interpreter: its objects, and what the script has printed.
pub struct Interpreter {
    world: Root<World<'static>>,
    printed: String,
    /// Bytes that had been allocated when memory was last collected for want of it; 0 if an error came of it since.
    collected_at: u64,
}

/// Why a program did not run to its end.
#[derive(Debug)]
pub enum Failure {
    /// The text is wrong, or an error that nobody caught.
    Script(Report),
    /// No memory for the interpreter itself.
    Memory(OutOfMemory),
    /// The output cannot be written.
    Output(io::Error),
}

impl From<OutOfMemory> for Failure {
    fn from(cause: OutOfMemory) -> Failure {
        Failure::Memory(cause)
    }
}

impl Interpreter {
    /// An interpreter that knows the standard library.
    pub fn new(m: &mut Mutator) -> Result<Interpreter, Failure> {
        let world = World::create(m)?.root(m);
        let mut interpreter = Interpreter { world, printed: String::new(), collected_at: 0 };
        let mut reader = Reader::new(PRELUDE);
        while interpreter.load(m, &mut reader, true)? {
            interpreter.run(m, &mut io::sink())?;
        }
        Ok(interpreter)
    }

    /// Runs all forms of a text. What it returns is the world, with the value of the last form in it, and the mutator to
    /// look at it with; what it must not be is a lone `Gc`, since that would keep the mutator borrowed.
    pub fn run_text<'m>(
        &mut self,
        m: &'m mut Mutator,
        text: &str,
        out: &mut dyn Write,
    ) -> Result<Ret<'m, World<'m>>, Failure> {
        let mut reader = Reader::new(text);
        let mut result = Ok(());
        while result.is_ok() && self.load(m, &mut reader, false)? {
            result = self.run(m, out);
        }
        self.flush(m, out)?;
        result?;
        let m: &'m Mutator = m;
        Ok(Ret { gc: self.world.get(m), m })
    }

    /// Reads and compiles the next form; the machine is ready to run it then. False at the end of the text.
    fn load(&self, m: &mut Mutator, reader: &mut Reader<'_>, prelude: bool) -> Result<bool, Failure> {
        let mut collected = false;
        loop {
            let mut attempt = reader.clone();
            match self.try_load(m, &mut attempt, prelude) {
                Ok(found) => {
                    *reader = attempt;
                    return Ok(found);
                }
                Err(SourceError::Syntax(place, message)) => {
                    return Err(Failure::Script(Report { place, message }));
                }
                Err(SourceError::Memory(cause)) if collected => return Err(Failure::Memory(cause)),
                Err(SourceError::Memory(_)) => {
                    m.collect();
                    collected = true;
                }
            }
        }
    }

    fn try_load(&self, m: &Mutator, reader: &mut Reader<'_>, prelude: bool) -> Result<bool, SourceError> {
        let world = self.world.get(m);
        let Some(mut form) = reader.read(m, world)? else { return Ok(false) };
        if prelude {
            // Errors are said to be where the prelude was called.
            (form.place, form.places) = (Place::default(), Default::default());
        }
        world.start(m, compile(m, &form)?)?;
        Ok(true)
    }

    /// Runs the program that the machine is ready for.
    fn run(&mut self, m: &mut Mutator, out: &mut dyn Write) -> Result<(), Failure> {
        let mut collected = false;
        loop {
            // The window of a slice: `world` is a plain `Gc`, and gone when the safepoint comes.
            let world = self.world.get(m);
            let (stop, executed) = run_slice(m, world, &mut self.printed, SLICE);
            collected &= executed == 0;
            match stop {
                Stop::Budget => {}
                Stop::Done => return Ok(()),
                Stop::Collect => m.collect(),
                Stop::Memory if collected || !self.make_room(m) => {
                    raise_out_of_memory(m, self.world.get(m)).map_err(Failure::Script)?;
                    (collected, self.collected_at) = (false, 0);
                }
                Stop::Memory => collected = true,
                Stop::Uncaught(report) => return Err(Failure::Script(report)),
            }
            if self.printed.len() >= OUTPUT {
                self.flush(m, out)?;
            }
            m.safepoint();
        }
    }

    /// Collects. False, without, if the script has had less than a sixteenth of the heap from the last time: then memory is as
    /// good as out, and a script that went on would collect again after every few objects.
    ///
    /// What was allocated tells this better than how much smaller the heap has become: a cycle of the collector's own that ends
    /// just before leaves little to free, with memory to spare.
    fn make_room(&mut self, m: &mut Mutator) -> bool {
        let stats = m.heap().stats();
        if stats.allocated_bytes.saturating_sub(self.collected_at) < stats.heap_bytes / 16 {
            return false;
        }
        m.collect();
        self.collected_at = m.heap().stats().allocated_bytes;
        true
    }

    /// Writes what was printed. Writing may take its time, so the mutator is parked meanwhile and the collector does not
    /// wait for it.
    fn flush(&mut self, m: &mut Mutator, out: &mut dyn Write) -> Result<(), Failure> {
        let printed = std::mem::take(&mut self.printed);
        m.blocking(|| out.write_all(printed.as_bytes()).and_then(|()| out.flush())).map_err(Failure::Output)
    }
}
