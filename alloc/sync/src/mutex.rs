//! Mutexes with a rank, and the condition variable that goes with them.
//!
//! A panic while a lock is held does not poison it: state behind these locks is kept consistent at every call that can
//! unwind, and a collector must be able to go on after a user's code has panicked.

use crate::rank::{self, Rank};
#[cfg(not(loom))]
use crossbeam_utils::Backoff;
use std::fmt;
use std::ops::{Deref, DerefMut};
#[cfg(feature = "sim")]
use std::panic::Location;
use std::time::Duration;

#[cfg(loom)]
use loom::sync as imp;
#[cfg(not(loom))]
use std::sync as imp;

/// A mutual exclusion lock with a [`Rank`].
pub struct Mutex<T> {
    rank: Rank,
    inner: imp::Mutex<T>,
}

/// Holds a [`Mutex`] until dropped.
pub struct MutexGuard<'a, T> {
    rank: Rank,
    /// `None` only while a condition variable has the guard.
    inner: Option<imp::MutexGuard<'a, T>>,
    lock: &'a Mutex<T>,
}

impl<T> Mutex<T> {
    /// A lock of the given rank around `value`.
    pub fn new(rank: Rank, value: T) -> Mutex<T> {
        Mutex { rank, inner: imp::Mutex::new(value) }
    }

    /// Takes the lock, waiting for it.
    ///
    /// # Panics
    /// In debug builds, when the calling thread holds a lock of the same or a higher rank.
    #[cfg_attr(feature = "sim", track_caller)]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        rank::acquire(self.rank);
        #[cfg(feature = "sim")]
        if let Some(hooks) = crate::sim::hooks() {
            // One task at a time runs under the scheduler: waiting must be a choice point, never a real wait.
            (hooks.point)(crate::Point::MutexLock);
            loop {
                if let Some(guard) = self.try_inner() {
                    return MutexGuard { rank: self.rank, inner: Some(guard), lock: self };
                }
                (hooks.blocked)(Location::caller());
            }
        }
        MutexGuard { rank: self.rank, inner: Some(self.wait()), lock: self }
    }

    #[cfg(loom)]
    fn wait(&self) -> imp::MutexGuard<'_, T> {
        self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Spins for some microseconds, longer than most of our locks are held, before it sleeps: for a sleeper the holder would
    /// have to call the system, 30 to 50 µs where an idle processor has to be woken, and the holder may be at a safepoint.
    #[cfg(not(loom))]
    fn wait(&self) -> imp::MutexGuard<'_, T> {
        let backoff = Backoff::new();
        loop {
            if let Some(guard) = self.try_inner() {
                return guard;
            }
            if backoff.is_completed() {
                return self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            }
            backoff.snooze();
        }
    }

    /// Takes the lock if it is free.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        let guard = self.try_inner()?;
        rank::acquired_by_try(self.rank);
        Some(MutexGuard { rank: self.rank, inner: Some(guard), lock: self })
    }

    fn try_inner(&self) -> Option<imp::MutexGuard<'_, T>> {
        #[cfg(loom)]
        return self.inner.try_lock().ok();
        #[cfg(not(loom))]
        match self.inner.try_lock() {
            Ok(guard) => Some(guard),
            Err(imp::TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(imp::TryLockError::WouldBlock) => None,
        }
    }

    /// The value, without locking: the borrow proves that nobody else has it.
    #[cfg(not(loom))]
    pub fn get_mut(&mut self) -> &mut T {
        self.inner.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl<T: fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutex").field("rank", &self.rank).finish_non_exhaustive()
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        match &self.inner {
            Some(guard) => guard,
            None => unreachable!("a guard is empty only inside Condvar::wait_timeout"),
        }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        match &mut self.inner {
            Some(guard) => guard,
            None => unreachable!("a guard is empty only inside Condvar::wait_timeout"),
        }
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        if self.inner.take().is_some() {
            rank::release(self.rank);
        }
    }
}

/// A condition variable for a [`Mutex`].
#[derive(Debug)]
pub struct Condvar {
    inner: imp::Condvar,
}

impl Default for Condvar {
    fn default() -> Self {
        Condvar::new()
    }
}

impl Condvar {
    /// A condition variable nobody waits on.
    pub fn new() -> Condvar {
        Condvar { inner: imp::Condvar::new() }
    }

    /// Releases the lock, waits for a notification (or a spurious wake-up), for at most `timeout`, and takes the lock again; the flag
    /// says whether the time ran out. There is no wait without an end: a notification that is lost costs time and nothing else.
    #[cfg_attr(feature = "sim", track_caller)]
    pub fn wait_timeout<'a, T>(
        &self,
        mut guard: MutexGuard<'a, T>,
        timeout: Duration,
    ) -> (MutexGuard<'a, T>, bool) {
        let (rank, lock) = (guard.rank, guard.lock);
        let Some(inner) = guard.inner.take() else { unreachable!("guard already given away") };
        rank::release(rank);
        #[cfg(feature = "sim")]
        if let Some(hooks) = crate::sim::hooks() {
            drop(inner);
            (hooks.sleep)(Location::caller());
            return (lock.lock(), false);
        }
        let (inner, result) =
            self.inner.wait_timeout(inner, timeout).unwrap_or_else(|poisoned| poisoned.into_inner());
        rank::acquire(rank);
        (MutexGuard { rank, inner: Some(inner), lock }, result.timed_out())
    }

    /// Wakes all who wait. Under a scheduler, time does.
    pub fn notify_all(&self) {
        #[cfg(feature = "sim")]
        if crate::sim::hooks().is_some() {
            return;
        }
        self.inner.notify_all();
    }

    /// Wakes one who waits. Under a scheduler, time does.
    pub fn notify_one(&self) {
        #[cfg(feature = "sim")]
        if crate::sim::hooks().is_some() {
            return;
        }
        self.inner.notify_one();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn value_survives_a_panic_under_the_lock() {
        let lock = Mutex::new(Rank::Leaf, 1);
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut guard = lock.lock();
            *guard = 2;
            panic!("while locked");
        }));
        assert_eq!(*lock.lock(), 2);
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "lock order")]
    fn taking_a_lower_rank_second_is_caught() {
        let (low, high) = (Mutex::new(Rank::Cycle, ()), Mutex::new(Rank::Pages, ()));
        let _high = high.lock();
        let _low = low.lock();
    }

    #[test]
    fn ranks_are_released_in_any_order() {
        let (a, b) = (Mutex::new(Rank::Cycle, ()), Mutex::new(Rank::Pages, ()));
        let (ga, gb) = (a.lock(), b.lock());
        drop(ga);
        drop(gb);
        let _again = a.lock();
    }

    #[test]
    fn try_lock_of_a_held_lock_fails() {
        let lock = Mutex::new(Rank::Leaf, ());
        let guard = lock.lock();
        assert!(lock.try_lock().is_none());
        drop(guard);
        assert!(lock.try_lock().is_some());
    }
}
