//! Settings of a heap's memory, and what is wrong with them.
//!
//! Only values and their checks: nothing here asks for memory or keeps state.

use crate::os::physical_memory;
use std::fmt;

/// Settings of a heap's memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// Bytes of address space to reserve, rounded up to a power of two; costs nothing until used. If the system refuses,
    /// half is tried, and so on down to [`Config::MIN_RESERVE`]; [`crate::AllocStats::reserved`] says what it came to.
    ///
    /// Default: four times the physical memory, at least 64 GiB.
    pub reserve: u64,
    /// Most bytes the heap may take from the system, see [`crate::MHeap::set_limit`]. Default: no limit.
    pub limit: Option<u64>,
    /// Huge pages for objects and colours. Default: [`HugePages::Off`].
    pub huge_pages: HugePages,
    /// What the heap does beyond its duty, to bring mistakes to light. Default: nothing.
    pub zeal: Zeal,
}

/// What a heap does beyond its duty, so that a mistake of its collector shows early. Each costs time or memory.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Zeal {
    /// Runs are one slot long, so that every allocation takes the slow path.
    pub one_slot_runs: bool,
    /// Swept slots are filled with a pattern, which is checked when they are handed out.
    pub poison: bool,
    /// Up to so many swept slots at a time are kept from reuse, each for a whole cycle; 0 for none.
    pub quarantine: u32,
}

/// Whether the system is asked for huge pages.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum HugePages {
    /// Small pages: the heap takes no more memory than it touches, and gives it back page by page.
    #[default]
    Off,
    /// Huge pages where the system has some: marking a large heap misses the TLB less (measured 39 to 23 ns an object
    /// with 2 GB of small objects in random order); the first touch of 2 MiB takes it all.
    Advise,
}

impl Config {
    /// Smallest reservation in bytes: 64 MiB.
    pub const MIN_RESERVE: u64 = 64 << 20;
    /// Largest reservation in bytes: 16 TiB.
    pub const MAX_RESERVE: u64 = 16 << 40;
    /// Smallest limit in bytes: 1 MiB.
    pub const MIN_LIMIT: u64 = 1 << 20;

    /// Whether every setting is in its range.
    ///
    /// # Errors
    /// Names the first setting that is not, its value, and the range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if !(Config::MIN_RESERVE..=Config::MAX_RESERVE).contains(&self.reserve) {
            let (least, most) = (Config::MIN_RESERVE, Config::MAX_RESERVE);
            return Err(ConfigError { setting: "reserve", value: self.reserve, least, most });
        }
        match self.limit {
            Some(value) if value < Config::MIN_LIMIT => {
                Err(ConfigError { setting: "limit", value, least: Config::MIN_LIMIT, most: u64::MAX })
            }
            _ => Ok(()),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        let wanted = physical_memory().unwrap_or(0).saturating_mul(4).clamp(64 << 30, Config::MAX_RESERVE);
        Config {
            reserve: wanted.next_power_of_two(),
            limit: None,
            huge_pages: HugePages::Off,
            zeal: Zeal::default(),
        }
    }
}

/// A setting outside its range.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigError {
    /// Name of the setting.
    pub setting: &'static str,
    /// Its value in bytes.
    pub value: u64,
    /// Smallest value allowed, in bytes.
    pub least: u64,
    /// Largest value allowed, in bytes.
    pub most: u64,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ConfigError { setting, value, least, most } = self;
        write!(f, "setting `{setting}` is {value} bytes; it must be {least} to {most} bytes")
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_valid_and_at_least_64_gib() {
        let config = Config::default();
        assert_eq!(config.validate(), Ok(()));
        assert!(config.reserve >= 64 << 30 && config.reserve.is_power_of_two());
    }

    #[test]
    fn errors_name_setting_value_and_range() {
        let config = Config { reserve: 5, ..Config::default() };
        let message = config.validate().expect_err("too small").to_string();
        assert_eq!(message, "setting `reserve` is 5 bytes; it must be 67108864 to 17592186044416 bytes");
        let config = Config { limit: Some(7), ..Config::default() };
        let message = config.validate().expect_err("too small").to_string();
        assert!(message.starts_with("setting `limit` is 7 bytes"), "{message}");
        let config = Config { reserve: u64::MAX, ..Config::default() };
        assert!(config.validate().is_err());
    }
}
