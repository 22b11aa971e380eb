//! The global queue of grey segments, and who is busy with them.
//!
//! Mutators hand full buffers over here; markers take from here, keep their surplus in deques of their own and steal from
//! each other. The queue also answers the question that ends marking: is there grey work anywhere outside the mutators'
//! own buffers?
//!
//! # Invariants
//! 1. A segment is in exactly one place: a mutator's buffer, a marker's hands, a marker's deque, or the injector.
//! 2. A marker counts as busy (`activity`) from before it takes a segment until its hands and deque are empty.

use crate::barrier::{Grey, SEGMENT_LEN, Segment};
use crate::mark::activity::Activity;
use crate::mark::poke::Poke;
use crate::zeal::{Asks, ZealState};
use crossbeam_deque::{Injector, Steal, Stealer, Worker};
use crossbeam_queue::ArrayQueue;
use greyset_sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use greyset_sync::{CachePadded, Fault, Mutex, Point, Rank, fault, point};

/// Bit of `hungry` for assists, which do not stay to be counted.
const ASSIST_HUNGRY: usize = 1 << (usize::BITS - 1);

/// A marker's deque, as far as the others know it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct DequeId(u64);

/// The markers' deques, to steal from.
struct Deques {
    known: Vec<(DequeId, Stealer<Box<Segment>>)>,
    next: u64,
}

/// Grey objects that belong to nobody, and the markers' deques.
pub(crate) struct GreyQueue {
    injector: Injector<Box<Segment>>,
    deques: Mutex<Deques>,
    /// Empty segments. Mutators fill what markers empty, so without these each would be allocated by one thread and freed by
    /// another, under the locks of an allocator that may give memory back to the system meanwhile.
    spares: ArrayQueue<Box<Segment>>,
    activity: Activity,
    /// Markers that look for work in vain, and in the top bit whether an assist has.
    hungry: CachePadded<AtomicUsize>,
    /// Something was shaded that leaves no trace in the queue (a leaf, by an upgrade in Terminate): marking goes on.
    poke: Poke,
    /// Objects whose lock was taken when a marker met them: scanned again later, as a whole.
    deferred: Mutex<Vec<Grey>>,
    /// Longest segment that goes through the queue: all of it, unless zeal has them cut.
    longest: usize,
    /// Markers share at every turn, and look at each other's deques first.
    storm: bool,
    shares: AtomicU64,
    /// Times a marker took from another one's deque.
    steals: AtomicU64,
    /// Segments cut off from longer ones.
    cuts: AtomicU64,
}

/// Segments with `tiny-buffers`. Not shorter: each takes 4 KiB however few objects are in it.
const SHORT: usize = 16;
/// Empty segments that are kept: 256 KiB.
const SPARES: usize = 64;

impl GreyQueue {
    /// An empty queue without markers.
    pub(crate) fn new(zeal: &ZealState) -> GreyQueue {
        let storm = zeal.asks(Asks::STEAL_STORM);
        GreyQueue {
            injector: Injector::new(),
            deques: Mutex::new(Rank::Mark, Deques { known: Vec::new(), next: 0 }),
            spares: ArrayQueue::new(SPARES),
            activity: Activity::new(),
            // In a storm there is always one hungry marker more than there are.
            hungry: CachePadded::new(AtomicUsize::new(usize::from(storm))),
            poke: Poke::new(),
            deferred: Mutex::new(Rank::Mark, Vec::new()),
            longest: if zeal.asks(Asks::TINY_BUFFERS) { SHORT } else { SEGMENT_LEN },
            storm,
            shares: AtomicU64::new(0),
            steals: AtomicU64::new(0),
            cuts: AtomicU64::new(0),
        }
    }

    /// An empty segment.
    pub(crate) fn fresh(&self) -> Box<Segment> {
        self.spares.pop().unwrap_or_else(Segment::new)
    }

    /// Takes an empty segment back, for [`GreyQueue::fresh`].
    pub(crate) fn recycle(&self, empty: Box<Segment>) {
        debug_assert!(empty.is_empty());
        // Freed if there are enough.
        let _ = self.spares.push(empty);
    }

    /// Hands a segment over.
    pub(crate) fn push(&self, mut segment: Box<Segment>) {
        point(Point::BufferHandOver);
        while segment.len() > self.longest {
            self.cuts.fetch_add(1, Ordering::Relaxed);
            self.injector.push(segment.split_at(self.longest));
        }
        if !segment.is_empty() {
            self.injector.push(segment);
        }
    }

    /// Takes a segment from the injector or from another marker's deque.
    pub(crate) fn take(&self, own: &Worker<Box<Segment>>) -> Option<Box<Segment>> {
        point(Point::QueuePop);
        if self.storm
            && let Some(segment) = self.steal(own)
        {
            return Some(segment);
        }
        loop {
            match self.injector.steal_batch_and_pop(own) {
                Steal::Success(segment) => return Some(segment),
                Steal::Retry => continue,
                Steal::Empty => break,
            }
        }
        self.steal(own)
    }

    fn steal(&self, own: &Worker<Box<Segment>>) -> Option<Box<Segment>> {
        let deques = self.deques.try_lock()?;
        for (_, stealer) in &deques.known {
            loop {
                match stealer.steal_batch_and_pop(own) {
                    Steal::Success(segment) => {
                        self.steals.fetch_add(1, Ordering::Relaxed);
                        return Some(segment);
                    }
                    Steal::Retry => continue,
                    Steal::Empty => break,
                }
            }
        }
        None
    }

    /// Takes one segment only, for an assist. In vain: the markers are asked to share what they have.
    pub(crate) fn take_one(&self) -> Option<Box<Segment>> {
        point(Point::QueuePop);
        loop {
            match self.injector.steal() {
                Steal::Success(segment) => return Some(segment),
                Steal::Retry => continue,
                Steal::Empty => break,
            }
        }
        self.hungry.fetch_or(ASSIST_HUNGRY, Ordering::Relaxed);
        None
    }

    /// A marker shares: half of its stack for whoever comes first.
    pub(crate) fn share(&self, half: Box<Segment>) {
        self.hungry.fetch_and(!ASSIST_HUNGRY, Ordering::Relaxed);
        self.shares.fetch_add(1, Ordering::Relaxed);
        self.push(half);
    }

    /// How often a marker has shared.
    pub(crate) fn shares(&self) -> u64 {
        self.shares.load(Ordering::Relaxed)
    }

    /// How often a marker has taken from another one's deque.
    pub(crate) fn steals(&self) -> u64 {
        self.steals.load(Ordering::Relaxed)
    }

    /// How many segments have been cut off from longer ones.
    pub(crate) fn cuts(&self) -> u64 {
        self.cuts.load(Ordering::Relaxed)
    }

    /// Makes a marker's deque known to the others, until [`GreyQueue::unregister`].
    pub(crate) fn register(&self, stealer: Stealer<Box<Segment>>) -> DequeId {
        let mut deques = self.deques.lock();
        let id = DequeId(deques.next);
        deques.next += 1;
        deques.known.push((id, stealer));
        id
    }

    /// A marker goes, with nothing in its deque.
    pub(crate) fn unregister(&self, id: DequeId) {
        let mut deques = self.deques.lock();
        deques.known.retain(|(known, stealer)| {
            debug_assert!(*known != id || stealer.is_empty(), "what is grey would go with it");
            *known != id
        });
    }

    /// How many deques are known.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn deques(&self) -> usize {
        self.deques.lock().known.len()
    }

    /// A marker is about to take work.
    pub(crate) fn become_busy(&self) {
        self.activity.begin();
    }

    /// A marker has nothing left, in its hands or its deque.
    pub(crate) fn become_idle(&self) {
        self.activity.end();
    }

    /// Whether no marker is busy and the injector is empty, at one moment.
    pub(crate) fn is_quiet(&self) -> bool {
        self.activity.is_quiet(|| self.injector.is_empty())
    }

    /// Puts objects off whose lock is taken. Called by a marker while it counts as busy.
    pub(crate) fn defer(&self, objects: &mut Vec<Grey>) {
        self.deferred.lock().append(objects);
    }

    /// Puts deferred objects back to work; false when there are none. Whoever asks whether marking is done asks this
    /// first: an object put off is grey.
    pub(crate) fn retry_deferred(&self) -> bool {
        let objects = std::mem::take(&mut *self.deferred.lock());
        if fault(Fault::DeferredNotRetried) {
            return false;
        }
        for chunk in objects.chunks(SEGMENT_LEN) {
            let mut segment = self.fresh();
            for &object in chunk {
                let pushed = segment.push(object);
                debug_assert!(pushed, "a chunk fits a segment");
            }
            self.push(segment);
        }
        !objects.is_empty()
    }

    /// Bytes of segments in the injector, in the markers' deques and kept empty, and of what was put off. What a marker has in
    /// its hands is a segment or two.
    pub(crate) fn bytes(&self) -> usize {
        let in_deques = self.deques.lock().known.iter().map(|(_, stealer)| stealer.len()).sum::<usize>();
        (self.injector.len() + in_deques + self.spares.len()) * size_of::<Segment>()
            + self.deferred.lock().len() * size_of::<Grey>()
    }

    /// Whether objects have been put off.
    pub(crate) fn has_deferred(&self) -> bool {
        !self.deferred.lock().is_empty()
    }

    /// A marker looks for work in vain: others should share.
    pub(crate) fn hungry(&self, looking: bool) {
        if looking {
            self.hungry.fetch_add(1, Ordering::Relaxed);
        } else {
            self.hungry.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Whether a marker looks for work in vain.
    #[inline]
    pub(crate) fn anyone_hungry(&self) -> bool {
        self.hungry.load(Ordering::Relaxed) > 0
    }

    /// Remembers that marking must go on though the queue may be empty. Caller holds the cycle lock, under which
    /// Decide looks, or, when it leaves the list of mutators, that list's lock, under which the rounds before Decide are asked.
    pub(crate) fn poke(&self) {
        self.poke.poke();
    }

    /// Whether it has been poked since it was last asked. Caller holds the cycle lock.
    pub(crate) fn take_poke(&self) -> bool {
        self.poke.take()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::{Driver, Heap, Zeal};

    /// A heap with these modes, of which no marker is known yet.
    fn heap(zeal: Option<Zeal>) -> Heap {
        let builder = Heap::builder().ignore_environment().driver(Driver::Stepping);
        builder.zeal(zeal).build().expect("a heap")
    }

    fn segment(of: &[usize]) -> Box<Segment> {
        let mut segment = Segment::new();
        for &a in of {
            assert!(segment.push(Grey::numbered(a)));
        }
        segment
    }

    #[test]
    fn empty_segments_are_not_kept() {
        let queue = GreyQueue::new(&ZealState::none());
        queue.push(Segment::new());
        assert!(queue.is_quiet() && queue.take_one().is_none());
    }

    #[test]
    fn quiet_needs_empty_queue_and_idle_markers() {
        let queue = GreyQueue::new(&ZealState::none());
        queue.push(segment(&[8]));
        assert!(!queue.is_quiet());
        queue.become_busy();
        let own = Worker::new_lifo();
        assert!(queue.take(&own).is_some());
        assert!(!queue.is_quiet(), "a marker has it in its hands");
        queue.become_idle();
        assert!(queue.is_quiet());
    }

    #[test]
    fn work_is_stolen_from_another_marker() {
        let queue = GreyQueue::new(&ZealState::none());
        let (one, two) = (Worker::new_lifo(), Worker::new_lifo());
        queue.register(one.stealer());
        one.push(segment(&[16, 24]));
        let stolen = queue.take(&two).expect("one has work");
        assert_eq!((stolen.len(), queue.steals()), (2, 1));
    }

    #[test]
    fn deques_come_before_the_queue_in_a_storm_alone() {
        for (zeal, stolen) in [(Some(Zeal::StealStorm), true), (None, false)] {
            let heap = heap(zeal);
            let queue = &heap.owner().shared().queue;
            let (one, two) = (Worker::new_lifo(), Worker::new_lifo());
            queue.register(one.stealer());
            one.push(segment(&[16, 24]));
            queue.push(segment(&[32]));
            let first = queue.take(&two).expect("there is work");
            assert_eq!((first.len() == 2, queue.steals()), (stolen, u64::from(stolen)));
        }
    }

    #[test]
    fn long_segments_are_cut_with_tiny_buffers_alone() {
        for (zeal, cuts) in [(Some(Zeal::TinyBuffers), 3), (None, 0)] {
            let heap = heap(zeal);
            let queue = &heap.owner().shared().queue;
            queue.push(segment(&[8; 3 * SHORT + 1]));
            let mut lengths: Vec<_> =
                std::iter::from_fn(|| queue.take_one()).map(|taken| taken.len()).collect();
            lengths.sort_unstable();
            assert_eq!(queue.cuts(), cuts);
            let wanted = if cuts == 0 { vec![49] } else { vec![1, SHORT, SHORT, SHORT] };
            assert_eq!(lengths, wanted);
        }
    }

    #[test]
    fn a_deque_is_known_until_its_marker_goes() {
        let queue = GreyQueue::new(&ZealState::none());
        let (one, two) = (Worker::new_lifo(), Worker::new_lifo());
        let (first, second) = (queue.register(one.stealer()), queue.register(two.stealer()));
        queue.unregister(first);
        queue.unregister(first);
        assert_eq!(queue.deques(), 1);
        two.push(segment(&[16]));
        assert!(queue.take(&one).is_some(), "the other one is still known");
        queue.unregister(second);
        assert_eq!(queue.deques(), 0);
    }
}
