//! [`Zeal`]: ways to make a heap work harder than it must, as text and as values.
//!
//! Reads and prints modes; what they do is in `zeal/`.

use super::value::{ValueError, number};
use crate::stats::Phase;
use std::fmt;
use std::str::FromStr;

/// A way to make a heap work harder than it must, so that a mistake, the heap's own or its user's, shows early.
///
/// For tests and for the search for a fault; given to [`HeapBuilder::zeal`](crate::HeapBuilder::zeal) or, separated by commas, in
/// `GREYSET_ZEAL`. All modes may be combined, but for `no-assist` and `assist-all`. What they did is in
/// [`Heap::zeal`](crate::Heap::zeal). Under [`Driver::Stepping`](crate::Driver::Stepping) no mode asks for a cycle: the program
/// decides when one begins.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Zeal {
    /// `alloc:N`: a cycle is asked for at each N-th allocation.
    Alloc(u32),
    /// `alloc:rN`: a cycle is asked for at random, at one allocation in N.
    AllocRandom(u32),
    /// `every-safepoint`: each safepoint asks for a cycle and takes a step of it.
    EverySafepoint,
    /// `continuous`: a cycle begins when one ends, as long as a mutator is attached.
    Continuous,
    /// `slices:N`: markers, clearing and sweeping stop after N objects (or pages) instead of thousands; a marker takes objects
    /// in batches of at most 32, and finishes those it has.
    Slices(u32),
    /// `yield-before:PHASE`: the collector lets other threads run before it enters a phase (idle, prepare, begin, mark, terminate,
    /// clear or sweep). May be given for several.
    YieldBefore(Phase),
    /// `verify`: an independent re-mark after each marking, before anything is freed, and all of [`Heap::verify`](crate::Heap::verify)
    /// when the cycle is over; the process ends with a report when something is wrong.
    Verify,
    /// `poison`: free slots hold a pattern, which is checked when they are handed out.
    Poison,
    /// `quarantine:N`: up to N swept slots at a time are kept from reuse, each for a whole cycle; a `Root` or `Weak` that leads to
    /// a swept object panics with its type when it is used.
    Quarantine(u32),
    /// `tiny-buffers`: mutators hand grey objects over in twos, markers in sixteens.
    TinyBuffers,
    /// `steal-storm`: markers share half of what they have at every turn, and steal from each other before they look elsewhere.
    StealStorm,
    /// `jitter`: threads yield at random at steps of the protocol.
    Jitter,
    /// `fail-alloc:N`: the N-th allocation of the heap fails as out of memory.
    FailAlloc(u32),
    /// `fail-alloc:eN`: each N-th allocation fails.
    FailAllocEach(u32),
    /// `oom-at:SIZE`: allocations fail that would take the objects in the heap above so many bytes.
    OomAt(u64),
    /// `no-assist`: mutators do no marking for what they allocate.
    NoAssist,
    /// `assist-all`: every allocation does some marking while there is any to do.
    AssistAll,
    /// `clear-weak-early`: weak handles are cleared as soon as that is legal: while there are any, each safepoint asks for a cycle,
    /// and all whose targets are dead are cleared in the moment in which marking is found to have ended, before anybody can
    /// see that it has. Not earlier: until then some mutator may reach the target.
    ClearWeakEarly,
    /// `finalize-on-exit`: when the last mutator detaches, every object registered with a `FinalizerQueue` goes there, reachable
    /// or not.
    FinalizeOnExit,
    /// `handles`: each safepoint checks all roots and weak handles of the heap.
    Handles,
    /// `blame:N`: each mutator keeps its last N slot writes, so that the verifier can say who wrote a slot.
    Blame(u32),
    /// `seed:N`: what random modes start from; else the heap takes one, and reports it.
    Seed(u64),
}

/// Every mode, as a phrase that follows "write".
pub(crate) const MODES: &str = "modes separated by commas: alloc:N, alloc:rN, every-safepoint, continuous, slices:N, \
    yield-before:PHASE, verify, poison, quarantine:N, tiny-buffers, steal-storm, jitter, fail-alloc:N, fail-alloc:eN, \
    oom-at:SIZE, no-assist, assist-all, clear-weak-early, finalize-on-exit, handles, blame:N, seed:N; or off";

const PHASES: [Phase; 7] =
    [Phase::Idle, Phase::Prepare, Phase::Begin, Phase::Mark, Phase::Terminate, Phase::Clear, Phase::Sweep];

/// Modes without an argument.
const PLAIN: [Zeal; 12] = [
    Zeal::EverySafepoint,
    Zeal::Continuous,
    Zeal::Verify,
    Zeal::Poison,
    Zeal::TinyBuffers,
    Zeal::StealStorm,
    Zeal::Jitter,
    Zeal::NoAssist,
    Zeal::AssistAll,
    Zeal::ClearWeakEarly,
    Zeal::FinalizeOnExit,
    Zeal::Handles,
];

impl Zeal {
    fn name(self) -> &'static str {
        match self {
            Zeal::Alloc(_) | Zeal::AllocRandom(_) => "alloc",
            Zeal::EverySafepoint => "every-safepoint",
            Zeal::Continuous => "continuous",
            Zeal::Slices(_) => "slices",
            Zeal::YieldBefore(_) => "yield-before",
            Zeal::Verify => "verify",
            Zeal::Poison => "poison",
            Zeal::Quarantine(_) => "quarantine",
            Zeal::TinyBuffers => "tiny-buffers",
            Zeal::StealStorm => "steal-storm",
            Zeal::Jitter => "jitter",
            Zeal::FailAlloc(_) | Zeal::FailAllocEach(_) => "fail-alloc",
            Zeal::OomAt(_) => "oom-at",
            Zeal::NoAssist => "no-assist",
            Zeal::AssistAll => "assist-all",
            Zeal::ClearWeakEarly => "clear-weak-early",
            Zeal::FinalizeOnExit => "finalize-on-exit",
            Zeal::Handles => "handles",
            Zeal::Blame(_) => "blame",
            Zeal::Seed(_) => "seed",
        }
    }

    /// Reads a row of modes.
    ///
    /// # Errors
    /// Names the first that is none, and what it might have been.
    pub(crate) fn parse_all(text: &str) -> Result<Vec<Zeal>, ValueError> {
        if text.eq_ignore_ascii_case("off") {
            return Ok(Vec::new());
        }
        text.split(',').map(str::trim).map(str::parse).collect()
    }
}

impl fmt::Display for Zeal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Zeal::Alloc(n) | Zeal::Slices(n) | Zeal::Quarantine(n) | Zeal::FailAlloc(n) | Zeal::Blame(n) => {
                write!(f, ":{n}")
            }
            Zeal::AllocRandom(n) => write!(f, ":r{n}"),
            Zeal::FailAllocEach(n) => write!(f, ":e{n}"),
            Zeal::YieldBefore(phase) => write!(f, ":{}", phase.name()),
            Zeal::OomAt(bytes) => write!(f, ":{}", super::ByteSize::new(*bytes)),
            Zeal::Seed(n) => write!(f, ":{n}"),
            _ => Ok(()),
        }
    }
}

/// A number of at least 1.
fn count(text: &str) -> Option<u32> {
    number(text).filter(|&n: &u32| n > 0)
}

impl FromStr for Zeal {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Zeal, ValueError> {
        let Some((name, of)) = text.split_once(':') else {
            let plain = PLAIN.iter().find(|mode| mode.name() == text);
            return plain.copied().ok_or_else(|| ValueError::new(text, MODES));
        };
        let (mode, expected) = match name {
            "alloc" => (
                of.strip_prefix('r')
                    .map_or_else(|| count(of).map(Zeal::Alloc), |n| count(n).map(Zeal::AllocRandom)),
                "alloc:N or alloc:rN with N from 1 to 4294967295",
            ),
            "fail-alloc" => (
                of.strip_prefix('e')
                    .map_or_else(|| count(of).map(Zeal::FailAlloc), |n| count(n).map(Zeal::FailAllocEach)),
                "fail-alloc:N or fail-alloc:eN with N from 1 to 4294967295",
            ),
            "slices" => (count(of).map(Zeal::Slices), "slices:N with N from 1 to 4294967295"),
            "quarantine" => (count(of).map(Zeal::Quarantine), "quarantine:N with N from 1 to 4294967295"),
            "blame" => {
                (count(of).filter(|&n| n <= 1 << 20).map(Zeal::Blame), "blame:N with N from 1 to 1048576")
            }
            "seed" => (number(of).map(Zeal::Seed), "seed:N with N from 0 to 18446744073709551615"),
            "yield-before" => (
                PHASES.into_iter().find(|phase| phase.name() == of).map(Zeal::YieldBefore),
                "yield-before:PHASE with PHASE one of idle, prepare, begin, mark, terminate, clear and sweep",
            ),
            "oom-at" => (
                of.parse::<super::ByteSize>().ok().map(|size| Zeal::OomAt(size.bytes())),
                "oom-at:SIZE with a size such as 512KiB",
            ),
            _ => (None, MODES),
        };
        mode.ok_or_else(|| ValueError::new(text, expected))
    }
}

/// The modes as they are written.
pub(crate) struct Listed<'a>(pub(crate) &'a [Zeal]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, mode) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{mode}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_read_as_they_print() {
        let text = "alloc:3,alloc:r7,every-safepoint,continuous,slices:2,yield-before:clear,verify,poison,quarantine:1000,\
            tiny-buffers,steal-storm,jitter,fail-alloc:9,fail-alloc:e4,oom-at:512KiB,no-assist,assist-all,clear-weak-early,\
            finalize-on-exit,handles,blame:64,seed:12";
        let modes = Zeal::parse_all(text).expect("all are modes");
        assert_eq!(modes.len(), 22);
        assert_eq!(Listed(&modes).to_string(), text);
        assert_eq!(Zeal::parse_all("off"), Ok(Vec::new()));
        assert_eq!(Zeal::parse_all("verify, poison"), Ok(vec![Zeal::Verify, Zeal::Poison]));
        for mode in modes {
            let name = mode.name();
            assert!(MODES.contains(name), "{name} is allowed and not said to be");
        }
    }

    #[test]
    fn what_is_no_mode_is_named_with_what_is_allowed() {
        let error = |text| Zeal::parse_all(text).expect_err("no mode");
        for (text, value, expected) in [
            ("verify,allocc", "allocc", MODES),
            ("", "", MODES),
            ("seed", "seed", MODES),
            ("alloc", "alloc", MODES),
            ("verify:1", "verify:1", MODES),
            ("alloc:0", "alloc:0", "alloc:N or alloc:rN with N from 1 to 4294967295"),
            ("alloc:r", "alloc:r", "alloc:N or alloc:rN with N from 1 to 4294967295"),
            ("slices:-1", "slices:-1", "slices:N with N from 1 to 4294967295"),
            ("oom-at:much", "oom-at:much", "oom-at:SIZE with a size such as 512KiB"),
        ] {
            let error = error(text);
            assert_eq!((error.value(), error.expected()), (value, expected));
        }
        let error = error("yield-before:lunch");
        assert!(error.expected().contains("terminate, clear and sweep"));
    }
}
