//! Ways to drop a root that the protocol forbids, for the simulator to find. Nothing of this is compiled into production.

#[cfg(feature = "sim")]
pub(super) use simulated::drop_entry;

/// Whether a rule about dropping roots is broken, and the entry dropped accordingly. Constant `false` in production.
#[cfg(not(feature = "sim"))]
#[inline(always)]
pub(super) fn drop_entry(_: &crate::heap::Shared, _: super::EntryRef) -> bool {
    false
}

#[cfg(feature = "sim")]
mod simulated {
    use crate::barrier::{Segment, Shade, Shaded};
    use crate::cycle::Phase;
    use crate::heap::Shared;
    use crate::roots::EntryRef;
    use greyset_sync::{Fault, Point, fault, point};

    /// Whether a rule about dropping roots is broken, and the entry dropped accordingly.
    pub(in crate::roots) fn drop_entry(shared: &Shared, entry: EntryRef) -> bool {
        let addr = entry.get().load();
        point(Point::RootDrop);
        let clear = || entry.get().store(0);
        if fault(Fault::DropUnshaded) {
            let _cycle = shared.lock_cycle();
            clear();
        } else if fault(Fault::DropClearsFirst) {
            let _cycle = shared.lock_cycle();
            clear();
            point(Point::RootDrop);
            shade(shared, addr);
        } else if fault(Fault::DropBarrier) {
            shade(shared, addr);
            point(Point::RootDrop);
            clear();
        } else if fault(Fault::RootsFreedAnyTime) {
            shared.roots.list(entry);
            let _cycle = shared.lock_cycle();
            shared.roots.free_listed();
            return true;
        } else {
            return false;
        }
        shared.roots.give_back(&mut vec![entry]);
        true
    }

    /// Shades by what the phase says, onto the global queue: the thread is no mutator.
    fn shade(shared: &Shared, addr: usize) {
        if !matches!(shared.published.phase(), Phase::Prepare | Phase::Mark | Phase::Terminate) {
            return;
        }
        let shade = Shade::new(shared.published.white());
        if let Shaded::Grey(grey) = shade.shade(shared.space().view(), addr) {
            let mut segment = Segment::new();
            segment.push(grey);
            shared.queue.push(segment);
        }
    }
}
