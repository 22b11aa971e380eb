//! Asking all mutators, and seeing that all have answered.

use crate::barrier::Mode;
use crate::cycle::Request;
use crate::heap::Shared;
use crate::mutator::{Asked, answer_for};
use crate::stats::Event;
use greyset_sync::atomic::Ordering;
use greyset_sync::{Point, point, told};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A handshake under way.
#[derive(Debug)]
pub(crate) struct Handshake {
    request: Request,
    asked_at: Instant,
    mutators: usize,
    /// How long the collector had waited when it last reported who is late.
    reported: Option<Duration>,
}

impl Handshake {
    /// Asks every attached mutator, and answers for the parked ones. `before` runs under the list's lock, before anyone is
    /// asked: what it changes is in force for whoever attaches later.
    pub(crate) fn ask(shared: &Shared, request: Request, before: impl FnOnce()) -> Handshake {
        point(Point::HandshakeAsk);
        shared.zeal.jitter();
        shared.stats.asked_at.store(shared.stats.clock.nanos(), Ordering::Relaxed);
        let mut parked = Vec::new();
        let mutators;
        {
            let mut list = shared.mutators.lock();
            before();
            shared.published.set_request(request);
            if let Some(mode) = request.mode() {
                list.set_mode(mode);
            }
            mutators = list.records().len();
            shared.stats.asked_of.store(mutators, Ordering::Relaxed);
            told(|| format!("asks handshake {request:?} of {mutators} mutators"));
            // One more than there are, so that nobody is the last before everybody has been asked.
            // ORDERING: release pairs with the acquire-release in `one_answered`.
            shared.pending.store(mutators + 1, Ordering::Release);
            for record in list.records() {
                point(Point::HandshakeAsk);
                match record.word.ask() {
                    Asked::Running => {}
                    Asked::Parked => parked.push(Arc::clone(record)),
                }
            }
        }
        let asked_at = Instant::now();
        let cycle = u64::from(shared.published.cycle());
        shared.emit(&Event::HandshakeAsked { cycle, kind: request.shown(), mutators });
        for record in parked {
            answer_for(shared, &record, request);
        }
        shared.one_answered(request, false);
        Handshake { request, asked_at, mutators, reported: None }
    }

    /// Whether all have answered.
    pub(crate) fn is_done(&self, shared: &Shared) -> bool {
        point(Point::HandshakeLook);
        // ORDERING: acquire pairs with the acquire-release decrements in `one_answered`: what all answers did is visible.
        shared.pending.load(Ordering::Acquire) == 0
    }

    /// Records how long it took.
    pub(crate) fn finish(self, shared: &Shared) {
        let duration = self.asked_at.elapsed();
        let cycle = u64::from(shared.published.cycle());
        let (kind, mutators) = (self.request.shown(), self.mutators);
        shared.emit(&Event::HandshakeDone { cycle, kind, duration, mutators });
    }

    /// Reports the mutators that have not answered for longer than `limit`, and again whenever that time has doubled.
    pub(crate) fn watch(&mut self, shared: &Shared, limit: Duration) {
        let waiting = self.asked_at.elapsed();
        if waiting < self.reported.map_or(limit, |before| before.saturating_mul(2)) {
            return;
        }
        self.reported = Some(waiting);
        let late: Vec<(u32, String)> = {
            let list = shared.mutators.lock();
            let late = list.records().iter().filter(|record| record.word.is_asked());
            late.map(|record| (record.id(), record.name().to_owned())).collect()
        };
        for (mutator, name) in late {
            shared.stats.watchdog.fetch_add(1, Ordering::Relaxed);
            shared.emit(&Event::Watchdog { mutator: u64::from(mutator), name: Some(name), waiting });
        }
    }
}

impl Mode {
    /// Whether slot writes have a barrier.
    pub(crate) fn marks(self) -> bool {
        self != Mode::Off
    }
}
