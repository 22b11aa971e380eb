//! Runs that do not end: who is passed over gets a turn, and if that is no help, who waits for what.

use super::{Scheduler, State};
use greyset_sync::sim::locks_held;

/// Steps after which a task that can go on and is always passed over gets its turn. A strategy may be unfair for a while; for ever
/// it would make a run without end of one that only waits.
const STARVED: u64 = 8_000;
/// Once in so many steps somebody looks for such tasks.
const LOOK: u64 = 1024;

impl Scheduler {
    /// The task that has waited longest for its turn, if that is too long.
    pub(super) fn starved(&self) -> Option<usize> {
        if !self.steps.is_multiple_of(LOOK) {
            return None;
        }
        let can = (0..self.tasks.len()).filter(|&at| self.states[at].can_go_on());
        can.min_by_key(|&at| self.tasks[at].ran).filter(|&at| self.steps - self.tasks[at].ran > STARVED)
    }

    /// The run ends here, unless it has failed before.
    pub(super) fn end(&mut self, why: String) {
        if self.failure.is_none() {
            self.note(|| format!("FAILURE: {why}"));
            self.failure = Some(why);
        }
    }

    /// Who waits for what when a run does not end.
    pub(super) fn stuck(&self, why: &str) -> String {
        let mut text = format!("stuck: {why}{}", (self.standing)());
        for (at, task) in self.tasks.iter().enumerate().filter(|&(at, _)| self.states[at] != State::Done) {
            let place = task.place.map_or(String::new(), |place| format!(" at {place}"));
            let does = match (self.states[at], task.at) {
                (State::Sleeping, _) => format!("sleeps{place}"),
                (State::Parked, _) => "waits to be woken".to_owned(),
                (_, Some(point)) => format!("is at {point:?}"),
                (_, None) => format!("waits for others{place}"),
            };
            text += &format!("\n  {} {does}", task.name);
            let locks = locks_held(at as u32 + 1);
            if !locks.is_empty() {
                text += &format!("; holds {locks:?}");
            }
        }
        text
    }
}
