//! How much memory the machine has.

use std::sync::OnceLock;

/// Bytes of physical memory, or `None` where the system does not say. Asked once a process.
pub fn physical_memory() -> Option<u64> {
    static BYTES: OnceLock<Option<u64>> = OnceLock::new();
    *BYTES.get_or_init(|| parse_meminfo(&std::fs::read_to_string("/proc/meminfo").ok()?))
}

fn parse_meminfo(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::parse_meminfo;

    #[test]
    fn the_total_is_read_in_bytes() {
        assert_eq!(parse_meminfo("MemTotal:       24689820 kB\nMemFree: 1 kB\n"), Some(24_689_820 << 10));
    }

    #[test]
    fn nonsense_is_no_answer() {
        for text in ["", "MemTotal: many kB", "MemFree: 3 kB", "MemTotal: 12"] {
            assert_eq!(parse_meminfo(text), None, "{text:?}");
        }
    }
}
