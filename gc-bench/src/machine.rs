//! What the operating system knows: CPU time and peak memory of this process, and the machine it runs on.
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use std::fs;
use std::time::Duration;

/// CPU time this process has used so far, all threads together.
pub fn cpu_time() -> Duration {
    let t = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(t.tv_sec.unsigned_abs(), t.tv_nsec as u32)
}

/// Peak resident memory of this process in bytes, since its start or the last [`reset_peak_rss`]; 0 if unknown.
pub fn peak_rss() -> u64 {
    field("/proc/self/status", "VmHWM:").map_or(0, |kib| kib * 1024)
}

/// Resident memory of a process in bytes; `None` once it is gone.
pub fn rss_of(process: u32) -> Option<u64> {
    field(&format!("/proc/{process}/status"), "VmRSS:").map(|kib| kib * 1024)
}

/// Memory in bytes that programs can still take without swapping; `None` where the system does not tell.
pub fn available_memory() -> Option<u64> {
    field("/proc/meminfo", "MemAvailable:").map(|kib| kib * 1024)
}

/// Logical processors this process may use; 1 if unknown.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get())
}

/// Starts a new peak, so that one process can measure several runs. Where the system does not allow it, the peak
/// stays that of the whole process.
pub fn reset_peak_rss() {
    // Nothing depends on it but the precision of a number that is documented as a peak.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// The machine, for a reader who compares numbers.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Model name of the processor.
    pub processor: String,
    /// Logical processors this process may use.
    pub processors: usize,
    /// Main memory in bytes.
    pub memory_bytes: u64,
    /// Operating system and kernel.
    pub system: String,
}

impl Machine {
    /// This machine.
    pub fn this() -> Machine {
        let system = rustix::system::uname();
        Machine {
            processor: line("/proc/cpuinfo", "model name")
                .unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            processors: processors(),
            memory_bytes: field("/proc/meminfo", "MemTotal:").map_or(0, |kib| kib * 1024),
            system: format!(
                "{} {} {}",
                system.sysname().to_string_lossy(),
                system.release().to_string_lossy(),
                std::env::consts::ARCH
            ),
        }
    }
}

/// What follows `key` on the first line of a file that begins with it, without the colon.
fn line(path: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let found = text.lines().find_map(|line| line.strip_prefix(key))?;
    Some(found.trim_start_matches([' ', '\t', ':']).trim_end().to_owned())
}

/// The number that follows `key`; these files give sizes in KiB.
fn field(path: &str, key: &str) -> Option<u64> {
    line(path, key)?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_time() {
        assert!(peak_rss() > 100_000);
        assert!(rss_of(std::process::id()).is_some_and(|bytes| (100_000..=peak_rss()).contains(&bytes)));
        let before = cpu_time();
        std::hint::black_box((0..3_000_000u64).fold(1, |a, b| a ^ b.wrapping_mul(a)));
        assert!(cpu_time() > before);
        let machine = Machine::this();
        assert!(machine.processors >= 1);
        assert!(available_memory().is_some_and(|bytes| (1_000_000..=machine.memory_bytes).contains(&bytes)));
    }
}
