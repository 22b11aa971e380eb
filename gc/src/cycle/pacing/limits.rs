//! The limits of a heap, which change while it runs: the program's soft limit, or the one that follows from the hard limit.

use super::{Pacing, tables};
use crate::config::Soft;
use crate::config::check::limits;
use crate::error::ConfigError;
use crate::heap::Shared;
use crate::pacer::Settings;
use greyset_sync::atomic::Ordering::Relaxed;

impl Pacing {
    /// Takes both limits, checked, in bytes; in force at once, the soft one with a budget when it has been split.
    ///
    /// # Errors
    /// When a soft limit of the program's own is above the hard one, or a limit is out of range.
    pub(crate) fn set_limits(
        &mut self,
        shared: &Shared,
        soft: Soft,
        hard: Option<u64>,
    ) -> Result<(), ConfigError> {
        let own = if let Soft::Own(bytes) = soft { bytes } else { None };
        limits(own, hard)?;
        self.soft = soft;
        shared.alloc.set_limit(hard);
        let bytes = soft.beside(hard);
        match &shared.membership {
            // A share is a soft limit: above the hard one it would be none.
            Some(membership) => membership.set_most(bytes.or(hard)),
            None => self.set_memory_limit(shared, bytes),
        }
        Ok(())
    }

    /// Where the soft limit is from.
    pub(crate) fn soft(&self) -> Soft {
        self.soft
    }

    /// Takes another memory limit, in bytes; in force at once.
    pub(crate) fn set_memory_limit(&mut self, shared: &Shared, memory_limit: Option<u64>) {
        shared.pace.memory_limit.store(memory_limit.unwrap_or(u64::MAX), Relaxed);
        self.set(shared, Settings { memory_limit, ..*self.pacer.settings() });
        self.limiting.found_room(self.pacer.has_room(tables(shared, &shared.alloc.stats())));
        self.set_ceiling(shared, shared.pace.goal.load(Relaxed));
    }
}
