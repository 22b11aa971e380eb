//! The owner of a heap: what the last handle takes with it.
//!
//! Handles hold an `Arc<Owner>`, background threads an `Arc<Shared>`. When the last handle goes, the owner stops the
//! threads; then every value is dropped and the memory unmapped. If the last handle goes on a thread of the heap itself
//! (drop glue of a value held it), that thread does so when it ends.

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
        // Joining leaves this the only holder, unless the caller is a thread of the heap; that one tears down when it ends.
        if self.shared.driver.shut_down() {
            self.shared.tear_down();
        }
    }
}

impl Shared {
    /// A background thread lets go of the heap; if the owner was dropped on it, it tears down.
    pub(crate) fn leave(shared: Arc<Shared>) {
        if shared.driver.is_shut_down() && shared.driver.tears_down_here() {
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
