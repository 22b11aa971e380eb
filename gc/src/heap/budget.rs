//! `Budget`: one soft limit for several heaps of a process.
//!
//! Heaps report at the end of each cycle what is alive, how fast they allocate and how fast they are marked; each report splits
//! the budget anew (`pacer/budget`), and every heap takes over its share when its collector next looks, some 10 ms later at most
//! once it has collected, or with its next run. What a heap still holds beyond its share the others get when it is given back. A heap
//! that is dropped leaves at once.

use crate::pacer::budget::{Claim, grants, split};
use greyset_sync::atomic::{AtomicU64, Ordering::Relaxed};
use greyset_sync::{Mutex, MutexGuard, Rank};
use std::fmt;
use std::sync::Arc;

/// One soft memory limit for several heaps, split among them so that together they collect as little as can be.
///
/// What a heap needs beyond its live data goes by the square root of live bytes × allocation rate / marking rate (MemBalancer), so
/// a busy heap gets more than one that rests. Cheap to clone; all clones are one budget.
///
/// ```
/// use greyset::{Budget, Heap};
/// let budget = Budget::new(512 << 20);
/// let busy = Heap::builder().budget(budget.member().priority(2.0)).build()?;
/// let other = Heap::builder().budget(budget.member().floor(32 << 20).ceiling(64 << 20)).build()?;
/// assert!(budget.shares().iter().sum::<u64>() <= 512 << 20);
/// assert_eq!(other.stats().memory_limit, Some(64 << 20));
/// drop(other);
/// assert_eq!(budget.shares(), [512 << 20]);
/// # drop(busy);
/// # Ok::<(), greyset::HeapError>(())
/// ```
#[derive(Clone)]
pub struct Budget {
    members: Arc<Mutex<Members>>,
}

struct Members {
    total: u64,
    seats: Vec<Arc<Seat>>,
    /// One a seat.
    claims: Vec<Claim>,
    /// As last split, one a seat.
    shares: Vec<u64>,
}

/// A heap is not told of a change smaller than this part of what it has: what others hold changes all the time.
const TOLD: u64 = 64;

impl Members {
    fn rebalance(&mut self) {
        self.shares = split(self.total, &self.claims);
        for (seat, grant) in self.seats.iter().zip(grants(&self.shares, &self.claims)) {
            seat.share.store(grant, Relaxed);
        }
    }

    /// Somebody holds more or less than before.
    fn regrant(&self) {
        for (seat, grant) in self.seats.iter().zip(grants(&self.shares, &self.claims)) {
            let told = seat.share.load(Relaxed);
            if told.abs_diff(grant) > told / TOLD {
                seat.share.store(grant, Relaxed);
            }
        }
    }

    fn claim_of(&mut self, seat: &Arc<Seat>) -> Option<&mut Claim> {
        let at = self.seats.iter().position(|other| Arc::ptr_eq(other, seat))?;
        self.claims.get_mut(at)
    }
}

/// What a heap has of its budget.
#[derive(Debug)]
struct Seat {
    share: AtomicU64,
}

impl Budget {
    /// A budget of `bytes` for all of its heaps together.
    pub fn new(bytes: u64) -> Budget {
        let members = Members { total: bytes, seats: Vec::new(), claims: Vec::new(), shares: Vec::new() };
        Budget { members: Arc::new(Mutex::new(Rank::Leaf, members)) }
    }

    /// Changes what there is to split; every heap's limit follows.
    pub fn set_total(&self, bytes: u64) {
        let mut members = self.members.lock();
        members.total = bytes;
        members.rebalance();
    }

    /// A place in it for a heap: [`HeapBuilder::budget`](crate::HeapBuilder::budget).
    pub fn member(&self) -> BudgetMember {
        BudgetMember { budget: self.clone(), priority: 1.0, floor: 0, ceiling: u64::MAX }
    }

    /// The shares of its heaps in bytes, in the order they were made.
    pub fn shares(&self) -> Vec<u64> {
        self.members.lock().seats.iter().map(|seat| seat.share.load(Relaxed)).collect()
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget").field("shares", &self.shares()).finish_non_exhaustive()
    }
}

/// A place in a [`Budget`], for one heap.
#[derive(Clone, Debug)]
#[must_use = "hand it to `HeapBuilder::budget`"]
pub struct BudgetMember {
    budget: Budget,
    priority: f64,
    floor: u64,
    ceiling: u64,
}

impl BudgetMember {
    /// Weighs the heap: at 2 it gets the room of one that allocates four times as fast. From 0.01 to 100; default 1.
    pub fn priority(self, priority: f64) -> BudgetMember {
        let priority = if priority.is_nan() { 1.0 } else { priority.clamp(0.01, 100.0) };
        BudgetMember { priority, ..self }
    }

    /// The heap gets `bytes` at least, as long as all floors together leave room.
    pub fn floor(self, bytes: u64) -> BudgetMember {
        BudgetMember { floor: bytes, ..self }
    }

    /// The heap gets `bytes` at most.
    pub fn ceiling(self, bytes: u64) -> BudgetMember {
        BudgetMember { ceiling: bytes, ..self }
    }

    /// Takes the place for a heap that must not have more than `most` bytes.
    pub(crate) fn join(&self, most: Option<u64>) -> Membership {
        let seat = Arc::new(Seat { share: AtomicU64::new(0) });
        let (floor, ceiling) = self.within(most);
        let claim = Claim {
            live: 0,
            least: 0,
            held: 0,
            allocated: 0.0,
            marked: 0.0,
            priority: self.priority,
            floor,
            ceiling,
        };
        let mut members = self.budget.members.lock();
        members.seats.push(Arc::clone(&seat));
        members.claims.push(claim);
        members.rebalance();
        drop(members);
        Membership { place: self.clone(), seat }
    }

    /// Floor and ceiling of a heap that must not have more than `most` bytes.
    fn within(&self, most: Option<u64>) -> (u64, u64) {
        let ceiling = most.unwrap_or(u64::MAX).min(self.ceiling);
        (self.floor.min(ceiling), ceiling)
    }
}

/// The same budget, and the same place in it.
impl PartialEq for BudgetMember {
    fn eq(&self, other: &BudgetMember) -> bool {
        Arc::ptr_eq(&self.budget.members, &other.budget.members)
            && self.priority.to_bits() == other.priority.to_bits()
            && (self.floor, self.ceiling) == (other.floor, other.ceiling)
    }
}

impl Eq for BudgetMember {}

/// What a cycle has shown of a heap: bytes as in [`Claim`], and rates in bytes a second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    pub(crate) live: u64,
    pub(crate) least: u64,
    pub(crate) held: u64,
    pub(crate) allocated: f64,
    pub(crate) marked: f64,
}

/// A heap's place in its budget.
pub(crate) struct Membership {
    place: BudgetMember,
    seat: Arc<Seat>,
}

impl Membership {
    /// The heap's share in bytes, as of the last split.
    pub(crate) fn share(&self) -> u64 {
        self.seat.share.load(Relaxed)
    }

    /// What a cycle has shown. The rates are averaged with those before.
    pub(crate) fn report(&self, shown: &Shown) {
        let mean = |old: f64, new: f64| if old > 0.0 { old.midpoint(new) } else { new };
        self.change(|claim| {
            (claim.live, claim.least, claim.held) = (shown.live, shown.least, shown.held);
            claim.allocated = mean(claim.allocated, shown.allocated);
            claim.marked = mean(claim.marked, shown.marked);
        });
    }

    /// The heap holds so many bytes now.
    pub(crate) fn holds(&self, bytes: u64) {
        let mut members = self.members();
        if let Some(claim) = members.claim_of(&self.seat) {
            claim.held = bytes;
            members.regrant();
        }
    }

    /// The heap's own limits leave it no more than this; what its place in the budget says holds besides.
    pub(crate) fn set_most(&self, bytes: Option<u64>) {
        let within = self.place.within(bytes);
        self.change(|claim| (claim.floor, claim.ceiling) = within);
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.place.budget.members.lock()
    }

    fn change(&self, change: impl FnOnce(&mut Claim)) {
        let mut members = self.members();
        if let Some(claim) = members.claim_of(&self.seat) {
            change(claim);
            members.rebalance();
        }
    }

    /// The heap is going: its share is the others'.
    pub(crate) fn leave(&self) {
        let mut members = self.members();
        if let Some(at) = members.seats.iter().position(|other| Arc::ptr_eq(other, &self.seat)) {
            members.seats.remove(at);
            members.claims.remove(at);
            members.rebalance();
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn who_allocates_gets_the_room_and_rates_are_averaged() {
        let budget = Budget::new(1 << 30);
        let (busy, calm) = (budget.member().join(None), budget.member().join(None));
        let room = |membership: &Membership| membership.share() - (100 << 20);
        let shown = |allocated| Shown { live: 100 << 20, least: 0, held: 0, allocated, marked: 1e9 };
        for membership in [&busy, &calm] {
            membership.report(&shown(1e7));
        }
        assert_eq!(busy.share(), calm.share());
        busy.report(&shown(1e9));
        // (10 MB/s + 1 GB/s)/2 is 50.5 times what the other allocates.
        let ratio = room(&busy) as f64 / room(&calm) as f64;
        assert!((ratio - 50.5f64.sqrt()).abs() < 1e-3, "{ratio}");
        busy.set_most(Some(200 << 20));
        assert_eq!(busy.share(), 200 << 20);
        assert!(calm.share().abs_diff(824 << 20) <= 1);
        busy.leave();
        busy.leave();
        assert_eq!(budget.shares(), [calm.share()]);
        assert!(calm.share().abs_diff(1 << 30) <= 1);
    }

    #[test]
    fn a_heaps_own_limit_and_its_place_hold_both() {
        let budget = Budget::new(1 << 30);
        let place = budget.member().floor(100 << 20).ceiling(300 << 20);
        let (heap, _other) = (place.join(None), budget.member().join(None));
        let share = || heap.share() >> 20;
        assert_eq!(share(), 300);
        for (most, gets) in [(Some(50), 50), (Some(400), 300), (Some(200), 200), (None, 300)] {
            heap.set_most(most.map(|mib: u64| mib << 20));
            assert_eq!(share(), gets, "{most:?}");
        }
    }

    #[test]
    fn what_another_still_holds_is_not_given_yet() {
        let budget = Budget::new(200 << 20);
        let (first, second) = (budget.member().join(None), budget.member().join(None));
        first.holds(150 << 20);
        assert_eq!([first.share() >> 20, second.share() >> 20], [100, 50]);
        // Less than a 64th: nobody is told.
        first.holds((150 << 20) + (500 << 10));
        assert_eq!(second.share() >> 20, 50);
        first.holds(100 << 20);
        assert_eq!(second.share() >> 20, 100);
    }
}
