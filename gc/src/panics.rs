//! Panics: of user code, which are caught and counted, and of our own, which end the process.
//!
//! User code (drop glue, cleanups, event sinks, `trace`) runs in the middle of a step of the collector, and the locks do not
//! poison: a panic that got through would leave a cycle half done, and the next step would begin another in the middle of it.

use std::any::Any;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs user code; `None` if it has panicked, which the panic hook has reported.
pub(crate) fn caught<R>(body: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(value) => Some(value),
        Err(payload) => {
            discard(payload);
            None
        }
    }
}

/// Drops what a panic was thrown with: a value of the user's, whose own drop may panic, and so may what that throws. The latter
/// is forgotten.
pub(crate) fn discard(payload: Box<dyn Any + Send>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
}

/// Runs `body`, which must not unwind: the process ends if it does. `what` says what it is, for the message.
#[inline(always)]
pub(crate) fn must_not_unwind<R>(what: &str, body: impl FnOnce() -> R) -> R {
    let bomb = Unwound(what);
    let result = body();
    std::mem::forget(bomb);
    result
}

/// Forgotten unless the stack unwinds.
struct Unwound<'a>(&'a str);

impl Drop for Unwound<'_> {
    #[cold]
    fn drop(&mut self) {
        // A simulator reports the panic, and gives the heap up.
        #[cfg(feature = "sim")]
        if greyset_sync::sim::hooks().is_some() {
            return;
        }
        // Past the capture of a test harness, which the end of the process would lose.
        let _ = writeln!(
            std::io::stderr(),
            "greyset: a panic has left {}. The heap cannot go on from a state that is half changed, so the process ends here. \
             Panics of the program's own code are caught where the heap calls it: this is a mistake in greyset, please report it \
             with the message above.",
            self.0
        );
        std::process::abort();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::panic::panic_any;
    use std::process::Command;

    /// Panics whenever one is dropped, with another.
    struct Endless;

    impl Drop for Endless {
        fn drop(&mut self) {
            panic_any(Endless);
        }
    }

    #[test]
    fn a_payload_that_panics_when_dropped_is_caught() {
        assert_eq!(caught(|| 1), Some(1));
        assert_eq!(caught(|| panic!("with a text")), None::<u32>);
        assert_eq!(caught(|| panic_any(Endless)), None::<u32>);
    }

    #[test]
    fn a_panic_of_our_own_ends_the_process() {
        const CHILD: &str = "GREYSET_TEST_UNWINDS";
        if std::env::var_os(CHILD).is_some() {
            let _ = catch_unwind(|| must_not_unwind("a test", || panic!("a mistake")));
            return;
        }
        let program = std::env::current_exe().expect("a program");
        let name = "panics::tests::a_panic_of_our_own_ends_the_process";
        let child = Command::new(program).args([name, "--exact", "--nocapture"]).env(CHILD, "1").output();
        let child = child.expect("it runs");
        let said = String::from_utf8_lossy(&child.stderr).into_owned();
        assert!(!child.status.success() && said.contains("a panic has left a test. The heap"), "{said}");
        assert_eq!(must_not_unwind("a test", || 1), 1);
    }
}
