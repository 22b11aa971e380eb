//! Phases of a cycle, requests to the mutators, and the published words that carry them.

use crate::stats::HandshakeKind;
use greyset_alloc::Colour;
use greyset_sync::atomic::{AtomicU8, AtomicU32, Ordering};
use greyset_sync::{Point, point, told};

/// Where the heap is in its cycle. Numbered as in docs/PROTOCOL.md.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub(crate) enum Phase {
    /// 0. Nothing to do; all dead objects have been swept.
    Idle = 0,
    /// 1. Flipped; handshake 1 asks for mode Both.
    Prepare = 1,
    /// 2, 3. Handshake 2 asks for mode Deletion; after T2 tracing runs.
    Mark = 2,
    /// 4, 5. Rounds until two in a row are clean, then Decide.
    Terminate = 3,
    /// 6. Weak slots, ephemerons, cleanups, finalizable objects.
    Clear = 4,
    /// 7. Handshake 3 asks for mode Off; after T3 sweeping runs.
    Sweep = 5,
}

impl Phase {
    fn from_byte(byte: u8) -> Phase {
        match byte {
            0 => Phase::Idle,
            1 => Phase::Prepare,
            2 => Phase::Mark,
            3 => Phase::Terminate,
            4 => Phase::Clear,
            _ => Phase::Sweep,
        }
    }

    /// Name for events and traces.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Phase::Idle => "idle",
            Phase::Prepare => "prepare",
            Phase::Mark => "mark",
            Phase::Terminate => "terminate",
            Phase::Clear => "clear",
            Phase::Sweep => "sweep",
        }
    }
}

/// What a handshake asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Request {
    /// Handshake 1: mode Both.
    Both = 0,
    /// Handshake 2: mode Deletion, runs recoloured black.
    Deletion = 1,
    /// A round of phase Terminate: hand the buffer over.
    Round = 2,
    /// Handshake 3: mode Off, runs and spans flushed.
    Off = 3,
}

impl Request {
    fn from_byte(byte: u8) -> Request {
        match byte {
            0 => Request::Both,
            1 => Request::Deletion,
            2 => Request::Round,
            _ => Request::Off,
        }
    }

    /// The request as events show it.
    pub(crate) fn shown(self) -> HandshakeKind {
        match self {
            Request::Both => HandshakeKind::Both,
            Request::Deletion => HandshakeKind::Deletion,
            Request::Round => HandshakeKind::Round,
            Request::Off => HandshakeKind::Off,
        }
    }
}

/// The words the collector publishes and everybody reads.
///
/// # Invariants
/// 1. `phase` leaves Idle and Terminate only under the cycle lock (flip and Decide).
/// 2. `white` and `cycle` change only at the flip; `live` only when Sweep is published. All three change before the
///    handshake that makes mutators use them is asked.
#[derive(Debug)]
pub(crate) struct Published {
    phase: AtomicU8,
    request: AtomicU8,
    white: AtomicU8,
    live: AtomicU8,
    cycle: AtomicU32,
    /// Marked from T2 to Decide: whether assists may trace.
    tracing: AtomicU8,
}

impl Published {
    /// The words of a heap before its first cycle: everything is allocated in colour A.
    pub(crate) fn new() -> Published {
        Published {
            phase: AtomicU8::new(Phase::Idle as u8),
            request: AtomicU8::new(Request::Off as u8),
            white: AtomicU8::new(Colour::B.byte()),
            live: AtomicU8::new(Colour::A.byte()),
            cycle: AtomicU32::new(0),
            tracing: AtomicU8::new(0),
        }
    }

    /// The phase.
    #[inline]
    pub(crate) fn phase(&self) -> Phase {
        // ORDERING: pairs with the store in `publish`: what the collector did before the phase is visible.
        Phase::from_byte(self.phase.load(Ordering::SeqCst))
    }

    /// Publishes a phase.
    pub(crate) fn publish(&self, phase: Phase) {
        point(Point::PhasePublish);
        // ORDERING: pairs with the load in `phase`. SeqCst: weak upgrades order it against the loads of their targets.
        self.phase.store(phase as u8, Ordering::SeqCst);
        told(|| format!("publishes phase {}", phase.name()));
    }

    /// What is asked now.
    pub(crate) fn request(&self) -> Request {
        Request::from_byte(self.request.load(Ordering::Relaxed))
    }

    /// Sets what the next handshake asks. Made visible by the release in `HandshakeWord::ask`.
    pub(crate) fn set_request(&self, request: Request) {
        self.request.store(request as u8, Ordering::Relaxed);
    }

    /// White of the running (or last) cycle.
    pub(crate) fn white(&self) -> Colour {
        Colour::of(self.white.load(Ordering::Relaxed))
    }

    /// What mode Off allocates in.
    pub(crate) fn live(&self) -> Colour {
        Colour::of(self.live.load(Ordering::Relaxed))
    }

    /// The flip: white := live colour, a new cycle number. Caller holds the cycle lock.
    pub(crate) fn flip(&self) -> u32 {
        self.white.store(self.live.load(Ordering::Relaxed), Ordering::Relaxed);
        self.cycle.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Live colour := black, when Sweep is published.
    pub(crate) fn black_lives(&self) {
        self.live.store(self.white().other().byte(), Ordering::Relaxed);
    }

    /// Number of the running cycle; 0 before the first.
    #[inline]
    pub(crate) fn cycle(&self) -> u32 {
        self.cycle.load(Ordering::Relaxed)
    }

    /// Whether tracing runs, so that assists may scan.
    #[inline]
    pub(crate) fn tracing(&self) -> bool {
        // ORDERING: SeqCst pairs with the store in `set_tracing`: T2 has passed; and a marker that counts as busy either sees
        // tracing closed or is seen by Decide (`Marker::run`).
        self.tracing.load(Ordering::SeqCst) != 0
    }

    /// Opens or closes tracing.
    pub(crate) fn set_tracing(&self, open: bool) {
        // ORDERING: SeqCst pairs with the load in `tracing`.
        self.tracing.store(u8::from(open), Ordering::SeqCst);
    }
}
