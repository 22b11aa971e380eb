//! Shrinking: a smaller program and fewer switches that fail in the same way.
//!
//! Greedy, from large to small: whole mutators, rows of operations, rows of switches, single ones, until nothing can go. A try
//! counts if it fails with the same kind of message.

use crate::program::Op;
use crate::record::Record;
use crate::run;
use crate::story::kind;

/// Tries at most: each failing one leaks its heap.
const TRIES: u32 = 1500;
/// Steps of all tries at most: runs that are stuck take many.
const STEPS: u64 = 20_000_000;
/// Steps of one try at most: more than nearly every run takes that ends.
const LIMIT: u64 = 20_000;

struct Shrinker {
    best: Record,
    wanted: String,
    tries: u32,
    steps: u64,
}

/// The smallest found; `None` if the record does not fail.
pub fn shrink(record: &Record) -> Option<Record> {
    let report = record.repeat(false);
    let failure = report.failure?;
    let best = Record { failure: failure.clone(), switches: report.switches, ..record.clone() };
    let mut shrinker = Shrinker { best, wanted: kind(&failure), tries: 0, steps: 0 };
    loop {
        let before = shrinker.size();
        shrinker.pass();
        if shrinker.size() == before || shrinker.is_tired() {
            return Some(shrinker.best);
        }
    }
}

impl Shrinker {
    fn size(&self) -> (usize, usize) {
        (self.best.operations() + self.best.program.setup.len(), self.best.switches.len())
    }

    fn is_tired(&self) -> bool {
        self.tries >= TRIES || self.steps >= STEPS
    }

    /// Takes `candidate` if it fails in the same way.
    fn attempt(&mut self, candidate: Record) -> bool {
        if self.is_tired() {
            return false;
        }
        self.tries += 1;
        let mut report = candidate.repeat_within(false, LIMIT);
        self.steps += report.steps;
        if report.steps > LIMIT {
            report = candidate.repeat_within(false, run::LIMIT);
            self.steps += report.steps;
        }
        let Some(failure) = report.failure.filter(|failure| kind(failure) == self.wanted) else {
            return false;
        };
        // What was recorded anew holds only switches that took place.
        let fewer = report.switches.len() <= candidate.switches.len();
        let switches = if fewer { report.switches } else { candidate.switches.clone() };
        self.best = Record { failure, switches, ..candidate };
        true
    }

    fn pass(&mut self) {
        self.switches();
        self.mutators();
        for mutator in 0..self.best.program.mutators.len() {
            self.operations(mutator);
        }
        self.setup();
        if self.best.program.workers > 1 {
            let mut candidate = self.best.clone();
            candidate.program.workers -= 1;
            self.attempt(candidate);
        }
        self.switches();
    }

    /// Empties mutators one by one: their tasks stay, so that the numbers of the others do.
    fn mutators(&mut self) {
        for at in 0..self.best.program.mutators.len() {
            if !self.best.program.mutators[at].is_empty() {
                let mut candidate = self.best.clone();
                candidate.program.mutators[at].clear();
                self.attempt(candidate);
            }
        }
    }

    fn operations(&mut self, mutator: usize) {
        let mut chunk = self.best.program.mutators[mutator].len().max(1) / 2;
        while chunk > 0 {
            let mut at = 0;
            while at < self.best.program.mutators[mutator].len() {
                let mut candidate = self.best.clone();
                let ops: &mut Vec<Op> = &mut candidate.program.mutators[mutator];
                ops.drain(at..(at + chunk).min(ops.len()));
                if !self.attempt(candidate) {
                    at += chunk;
                }
            }
            chunk /= 2;
        }
    }

    fn setup(&mut self) {
        let mut at = self.best.program.setup.len();
        while at > 0 {
            at -= 1;
            let mut candidate = self.best.clone();
            candidate.program.setup.remove(at);
            self.attempt(candidate);
            at = at.min(self.best.program.setup.len());
        }
    }

    fn switches(&mut self) {
        let mut chunk = self.best.switches.len();
        while chunk > 0 {
            let mut at = 0;
            while at < self.best.switches.len() {
                let mut candidate = self.best.clone();
                let end = (at + chunk).min(candidate.switches.len());
                candidate.switches.drain(at..end);
                if !self.attempt(candidate) {
                    at += chunk;
                }
            }
            chunk /= 2;
        }
    }
}
