//! Looks at a heap at regular times while a workload runs on it, for the plots and the progress bar.
use crate::units;
use greyset::Heap;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The heap at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    /// Seconds since the sampler was started.
    pub at_s: f64,
    /// Bytes in use: live data and what has been allocated since.
    pub heap_bytes: u64,
    /// Size at which the collector wants to be done.
    pub goal_bytes: u64,
    /// Size at which a cycle begins.
    pub trigger_bytes: u64,
    /// Bytes the last cycle found alive.
    pub live_bytes: u64,
    /// Bytes of memory held.
    pub mapped_bytes: u64,
    /// Bytes of it in tables, mark stacks and buffers.
    pub metadata_bytes: u64,
    /// Processor time of assists so far, in seconds.
    pub assist_s: f64,
    /// Processor time of sweeping so far, in seconds.
    pub sweep_s: f64,
    /// Processor time of all collection so far, in seconds.
    pub collection_s: f64,
    /// Mutators attached.
    pub mutators: usize,
    /// Cycles completed.
    pub cycles: u64,
}

impl Sample {
    fn take(heap: &Heap, since: Instant) -> Sample {
        let stats = heap.stats();
        Sample {
            at_s: since.elapsed().as_secs_f64(),
            heap_bytes: stats.heap_bytes,
            goal_bytes: stats.goal_bytes,
            trigger_bytes: stats.trigger_bytes,
            live_bytes: stats.live_bytes,
            mapped_bytes: stats.mapped_bytes,
            metadata_bytes: stats.metadata_bytes,
            assist_s: stats.cpu.assist.as_secs_f64(),
            sweep_s: stats.cpu.sweep.as_secs_f64(),
            collection_s: stats.cpu.total().as_secs_f64(),
            mutators: stats.mutators,
            cycles: stats.cycles,
        }
    }

    /// A few words for the progress bar.
    pub fn words(&self) -> String {
        format!("heap {}, cycle {}", units::bytes(self.heap_bytes), self.cycles)
    }
}

/// A thread that takes samples until it is told to stop.
pub struct Sampler {
    stop: Sender<()>,
    thread: JoinHandle<Vec<Sample>>,
}

impl Sampler {
    /// Samples the heap at every interval and shows each sample to `see`.
    pub fn start(heap: Heap, every: Duration, mut see: impl FnMut(&Sample) + Send + 'static) -> Sampler {
        let (stop, stopped) = channel();
        let thread = std::thread::spawn(move || {
            let since = Instant::now();
            let mut samples = Vec::with_capacity(4096);
            loop {
                let sample = Sample::take(&heap, since);
                see(&sample);
                samples.push(sample);
                if stopped.recv_timeout(every) != Err(RecvTimeoutError::Timeout) {
                    return samples;
                }
            }
        });
        Sampler { stop, thread }
    }

    /// Stops sampling and returns what was seen.
    pub fn finish(self) -> Vec<Sample> {
        // The thread may have ended already; then there is nobody to tell.
        let _ = self.stop.send(());
        self.thread.join().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Common;

    #[test]
    fn samples_are_in_order_of_time() {
        let heap = Common::default().heap().expect("a heap");
        let (tell, told) = channel();
        let sampler = Sampler::start(heap, Duration::from_millis(1), move |_| _ = tell.send(()));
        // Three have been taken before it is told to stop, however long they took.
        assert_eq!(told.iter().take(3).count(), 3);
        let samples = sampler.finish();
        assert!(samples.len() >= 3);
        assert!(samples.is_sorted_by(|a, b| a.at_s <= b.at_s));
    }
}
