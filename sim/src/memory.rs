//! Memory for the heaps of a thread, one after the other: mapping it anew would cost more than many a run.

use greyset_alloc::os::{Os, ReleaseError, Reservation};
use std::cell::RefCell;
use std::io;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex};

/// A mapping that is lent to one heap at a time.
struct Block {
    memory: Reservation,
    /// What has been committed since it was lent; nothing in a table, of which any part may be written.
    committed: Mutex<Range<usize>>,
}

thread_local! {
    static BLOCKS: RefCell<Vec<Arc<Block>>> = const { RefCell::new(Vec::new()) };
}

/// The system as a simulated heap sees it. A heap that has failed keeps what it was lent.
pub struct Recycled;

impl Block {
    /// Makes it all zero again.
    fn clear(&self) {
        let mut committed = self.committed.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let used = std::mem::take(&mut *committed);
        let used = if used.is_empty() { 0..self.memory.len() } else { used };
        // SAFETY: inside the mapping: a heap commits only what it has reserved.
        let first = unsafe { self.memory.start().add(used.start) };
        // SAFETY: likewise; nobody else uses the memory, since the only other handle on this block is the thread's list.
        unsafe { first.write_bytes(0, used.len()) };
    }

    fn lend(self: &Arc<Block>) -> Reservation {
        let owner = Arc::clone(self);
        // SAFETY: mapped by `Reservation::map`, cleared or fresh, and lent to nobody else until `owner` is dropped: the caller
        // has found no other handle on it.
        unsafe { Reservation::lent(self.memory.start(), self.memory.len(), owner) }
    }
}

fn of_start(start: NonNull<u8>) -> Option<Arc<Block>> {
    BLOCKS.with_borrow(|all| all.iter().find(|block| block.memory.start() == start).cloned())
}

impl Os for Recycled {
    fn reserve(&self, len: usize) -> io::Result<Reservation> {
        BLOCKS.with_borrow_mut(|all| {
            let is_free = |block: &&Arc<Block>| block.memory.len() == len && Arc::strong_count(block) == 1;
            if let Some(block) = all.iter().find(is_free) {
                block.clear();
                return Ok(block.lend());
            }
            let block = Arc::new(Block { memory: Reservation::map(len)?, committed: Mutex::new(0..0) });
            all.push(Arc::clone(&block));
            Ok(block.lend())
        })
    }

    fn commit(&self, memory: &Reservation, range: Range<usize>) -> io::Result<()> {
        if let Some(block) = of_start(memory.start()) {
            let mut all = block.committed.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            *all = if all.is_empty() { range } else { all.start.min(range.start)..all.end.max(range.end) };
        }
        Ok(())
    }

    unsafe fn release(&self, memory: &Reservation, ranges: &[Range<usize>]) -> Result<(), ReleaseError> {
        // SAFETY: the caller's promise is the one asked for.
        unsafe { memory.discard(ranges) }
    }

    fn advise_huge(&self, _: &Reservation, _: Range<usize>, _: bool) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The byte at `at`, which becomes 1.
    fn touch(memory: &Reservation, at: usize) -> u8 {
        assert!(at < memory.len());
        // SAFETY: inside, checked just above.
        let byte = unsafe { memory.start().add(at) };
        // SAFETY: readable and writable by the invariant of a reservation, and this test's alone.
        unsafe { byte.replace(1) }
    }

    #[test]
    fn memory_is_lent_again_and_is_zero() {
        let len = 64 << 10;
        let (table, heap) = (Recycled.reserve(len).expect("memory"), Recycled.reserve(len).expect("memory"));
        let both = [table.start(), heap.start()];
        assert_ne!(both[0], both[1]);
        Recycled.commit(&heap, 4096..8192).expect("memory");
        Recycled.commit(&heap, 20480..24576).expect("memory");
        let used = [4096, 8191, 20480, 24575];
        assert_eq!(used.map(|at| touch(&heap, at)), [0; 4]);
        assert_eq!([0, len - 1].map(|at| touch(&table, at)), [0; 2]);
        drop((table, heap));
        let again = [Recycled.reserve(len).expect("memory"), Recycled.reserve(len).expect("memory")];
        for memory in &again {
            assert!(both.contains(&memory.start()));
            assert_eq!([0, len - 1].map(|at| touch(memory, at)), [0; 2]);
            assert_eq!(used.map(|at| touch(memory, at)), [0; 4]);
        }
    }
}
