//! The owner of a heap: what the last handle takes with it.
//!
//! Handles hold an `Arc<Owner>`, background threads an `Arc<Shared>`. When the last handle goes, the owner stops the
//! threads and waits for them; then every value is dropped and the memory unmapped. Where waiting could take for ever (on a thread of any
//! heap, in a window, in an event sink, in drop glue or a cleanup of any heap, whoever runs it) it does not wait, and the last of the
//! heap's threads does the rest as it ends: so a heap whose last handle lies in an object of another may end after that one.

use crate::heap::{Callout, Shared};
use std::sync::Arc;

/// Owns a heap's shared state on behalf of all handles.
pub(crate) struct Owner {
    shared: Arc<Shared>,
}

impl Owner {
    /// The owner of a new heap.
    pub(crate) fn new(shared: Arc<Shared>) -> Arc<Owner> {
        Arc::new_cyclic(|owner| {
            shared.owned_by(owner);
            Owner { shared }
        })
    }

    /// The heap.
    #[inline]
    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if let Some(membership) = &self.shared.membership {
            membership.leave();
        }
        self.shared.driver.shut_down();
        if self.shared.driver.leaves() {
            self.shared.tear_down();
        }
    }
}

impl Shared {
    /// A background thread lets go of the heap.
    pub(crate) fn leave(shared: Arc<Shared>) {
        if shared.driver.leaves() {
            shared.tear_down();
        }
    }

    /// Drops every value and runs what cleanups there are. No handle is left, and no thread but this one.
    fn tear_down(&self) {
        let _called = self.calls_out(Callout::Reclaim);
        self.alloc.drop_all(|ptr, info| {
            if let Some(glue) = info.drop {
                // SAFETY: no mutator, root or thread is left, so nobody can reach the value; `drop_all` visits each live one
                // once, and memory is unmapped after.
                unsafe { self.sweep.drop_value(self, ptr, glue, info.name) };
            }
        });
        self.registry.all_due();
        while self.registry.run_cleanups(self, usize::MAX) {}
    }
}
