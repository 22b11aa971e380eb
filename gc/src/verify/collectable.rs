//! [`assert_collectable!`](crate::assert_collectable): a test that an object is garbage, with the path that keeps it if it is not.

use super::{HeapPath, Walk};
use crate::heap::Shared;
use crate::mutator::{Mutator, is_entered};
use crate::roots::Weak;
use crate::trace::Managed;
use greyset_sync::thread;

/// Collects, and panics if the object of a [`Weak`](crate::Weak) handle is still there, with the shortest path from a root that
/// keeps it.
///
/// For tests of programs that must not leak: after everything that should let go of the object has done so. Outside of the
/// heap the handle is enough; inside of [`enter`](crate::MutatorHandle::enter) the mutator comes first, for which this is a
/// safepoint. Runs a whole cycle; under [`Driver::Stepping`](crate::Driver::Stepping) it takes all steps itself.
///
/// # Panics
/// If the object is still there; without a mutator also if the calling thread is inside a heap, where it would wait for itself; and
/// where [`Mutator::collect`](crate::Mutator::collect) does.
///
/// ```
/// use greyset::{Heap, assert_collectable};
///
/// let heap = Heap::builder().build()?;
/// let mut handle = heap.mutator();
/// let (root, weak) = handle.enter(|m| {
///     let text = m.alloc(String::from("cached"));
///     (text.root(m), text.downgrade(m))
/// });
/// drop(root);
/// handle.enter(|m| assert_collectable!(m, weak));
/// assert_collectable!(weak);
/// # Ok::<(), greyset::HeapError>(())
/// ```
#[macro_export]
macro_rules! assert_collectable {
    ($weak:expr $(,)?) => {
        $crate::__private::assert_collectable(&$weak)
    };
    ($mutator:expr, $weak:expr $(,)?) => {
        $crate::__private::assert_collectable_in($mutator, &$weak)
    };
}

/// `assert_collectable!(weak)`.
#[track_caller]
pub fn assert_collectable<F: Managed>(weak: &Weak<F>) {
    // Held to the end: a heap that is torn down must not be walked.
    let Some(owner) = weak.heap().and_then(|shared| shared.owner()) else { return };
    let shared = owner.shared();
    assert!(
        !is_entered(),
        "assert_collectable! with a handle alone waits for all mutators: inside of a heap write assert_collectable!(m, weak)"
    );
    shared.will_wait();
    let target = shared.driver.request_full(shared);
    if shared.driver.is_inline() || shared.driver.is_stepping() {
        while shared.driver.completed() < target {
            if !crate::cycle::drive_inline(shared, 4096) {
                thread::yield_now();
            }
        }
    } else {
        shared.driver.wait_for(shared, target);
    }
    // No cycle goes on meanwhile, so nothing that a root leads to is freed.
    let collector = shared.lock_collector();
    let kept = keeper(shared, weak);
    drop(collector);
    if let Some(kept) = kept {
        panic!("{kept}");
    }
}

/// `assert_collectable!(m, weak)`.
#[track_caller]
pub fn assert_collectable_in<F: Managed>(m: &mut Mutator, weak: &Weak<F>) {
    m.collect();
    // In this window nothing that a root leads to is freed.
    if let Some(kept) = keeper(m.shared(), weak) {
        panic!("{kept}");
    }
}

/// What keeps the handle's object, as a message; `None` if it is gone.
fn keeper<F: Managed>(shared: &Shared, weak: &Weak<F>) -> Option<String> {
    let addr = weak.target();
    if addr == 0 {
        return None;
    }
    let name = shared.space().slot_at(addr).map_or("an object", |(_, span, _)| (span.info().name)());
    let by = match path_to(shared, addr) {
        Some(path) => format!("it is reachable:\n{path}"),
        None => "no root leads to it now: a window holds it, or held it while the cycle ran".to_owned(),
    };
    Some(format!("{name} at {addr:#x} should be garbage and has not been collected: {by}"))
}

/// The shortest path from a root to the object at `addr`, if there is one.
fn path_to(shared: &Shared, addr: usize) -> Option<HeapPath> {
    let (base, ..) = shared.space().slot_at(addr)?;
    let mut walk = Walk::new(shared, false);
    walk.walk_roots().ok()?;
    let holder = walk.from.get(&base).copied()?;
    Some(HeapPath::find(shared.space(), &walk.from, holder, base))
}
