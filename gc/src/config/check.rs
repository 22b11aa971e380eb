//! Ranges and contradictions: from what was given to a [`Config`], or to the error that says what to write.
//!
//! The same checks serve settings that change while the heap runs ([`gogc`], [`limits`]).

use super::builder::{Given, Values};
use super::setting::Setting;
use super::size::{ByteSize, Limit, Period};
use super::value::Gogc;
use super::{Config, Listed, Machine, Soft, Zeal};
use crate::error::{ConfigError, Origin, Stated};
use crate::stats::Sinks;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

const GOGC: RangeInclusive<u32> = 1..=100_000;
const LIMIT: RangeInclusive<u64> = MIB..=16 * TIB;
const RESERVE: RangeInclusive<u64> = greyset_alloc::Config::MIN_RESERVE..=greyset_alloc::Config::MAX_RESERVE;
const MIN_HEAP: RangeInclusive<u64> = 64 * KIB..=TIB;
const WORKERS: RangeInclusive<usize> = 1..=256;
const CPU_SHARE: RangeInclusive<u32> = 1..=90;
const CPU_LIMIT: RangeInclusive<u32> = 1..=99;
const RELEASE_CPU: RangeInclusive<u32> = 0..=50;
const ASSIST_MAX: RangeInclusive<Duration> = Duration::from_micros(1)..=Duration::from_secs(1);
const RETAIN: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(3600);
const WATCHDOG: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(3600);
const NAME_LEN: RangeInclusive<usize> = 1..=64;

/// The error for a value that `setting` cannot take.
pub(crate) fn invalid(setting: Setting, origin: Origin, value: impl fmt::Display) -> ConfigError {
    let row = setting.row();
    ConfigError::Invalid { setting: row.name, origin, value: value.to_string(), expected: row.expected }
}

/// The value given, or `default`, if `allowed` says so.
fn pick<T: Clone + fmt::Display>(
    setting: Setting,
    given: Option<Given<T>>,
    default: T,
    allowed: impl Fn(&T) -> bool,
) -> Result<Given<T>, ConfigError> {
    let given = given.unwrap_or(Given { value: default, origin: Origin::Default });
    if allowed(&given.value) { Ok(given) } else { Err(invalid(setting, given.origin, given.value)) }
}

fn gogc_allowed(gogc: &Gogc) -> bool {
    match gogc {
        Gogc::Percent(percent) => GOGC.contains(percent),
        Gogc::Off => true,
    }
}

fn limit_allowed(limit: &Limit) -> bool {
    limit.bytes().is_none_or(|bytes| LIMIT.contains(&bytes))
}

/// Checks a `gogc` given while running.
///
/// # Errors
/// [`ConfigError::Invalid`] outside of the range.
pub(crate) fn gogc(gogc: Gogc) -> Result<Gogc, ConfigError> {
    let given = Some(Given { value: gogc, origin: Origin::Program });
    pick(Setting::Gogc, given, gogc, gogc_allowed).map(|given| given.value)
}

/// Checks both limits, given while running, in bytes.
///
/// # Errors
/// [`ConfigError::Invalid`] outside of the range, [`ConfigError::Conflict`] when the soft one is above the hard one.
pub(crate) fn limits(memory: Option<u64>, hard: Option<u64>) -> Result<(), ConfigError> {
    let given = |limit: Option<u64>| Some(Given { value: Limit::from(limit), origin: Origin::Program });
    let memory = pick(Setting::MemoryLimit, given(memory), Limit::Off, limit_allowed)?;
    let hard = pick(Setting::HardLimit, given(hard), Limit::Off, limit_allowed)?;
    order(Setting::MemoryLimit, memory, Setting::HardLimit, hard)
}

/// The soft limit where only a hard one is set, in bytes: without it the heap would meet the hard one with its garbage uncollected.
pub(crate) fn soft_of(hard: Option<u64>) -> Option<u64> {
    hard.map(|bytes| (bytes / 20 * 19).max(*LIMIT.start()))
}

/// `low` must not be above `high`, where both are on.
fn order(
    low: Setting,
    low_is: Given<Limit>,
    high: Setting,
    high_is: Given<Limit>,
) -> Result<(), ConfigError> {
    let stated = |setting: Setting, given: Given<Limit>| {
        Box::new(Stated { setting: setting.name(), value: given.value.to_string(), origin: given.origin })
    };
    match (low_is.value.bytes(), high_is.value.bytes()) {
        (Some(a), Some(b)) if a > b => {
            Err(ConfigError::Conflict { low: stated(low, low_is), high: stated(high, high_is) })
        }
        _ => Ok(()),
    }
}

/// The soft limit that `auto` means: 90 % of the container's, because the heap is not all a program holds; `soft`, what
/// would be without it, when that is less.
fn of_container(container: Option<u64>, soft: Limit) -> Limit {
    let share = container.map(|bytes| (bytes / 10 * 9).clamp(*LIMIT.start(), *LIMIT.end()));
    share.into_iter().chain(soft.bytes()).min().into()
}

/// Sizes checked in one another's light: soft limit, hard limit, reservation, smallest heap.
struct Sizes {
    memory_limit: Option<u64>,
    soft: Soft,
    hard_limit: Option<u64>,
    reserve: u64,
    min_heap: u64,
}

impl Sizes {
    fn check(values: &Values, machine: Machine) -> Result<Sizes, ConfigError> {
        let size = |given: Given<ByteSize>| Given { value: Limit::Bytes(given.value), origin: given.origin };
        let in_range = |range: RangeInclusive<u64>| move |size: &ByteSize| range.contains(&size.bytes());
        let hard = pick(Setting::HardLimit, values.hard_limit, Limit::Off, |limit| {
            *limit != Limit::Auto && limit_allowed(limit)
        })?;
        let hard_bytes = hard.value.bytes();
        let soft: Limit = soft_of(hard_bytes).into();
        let mut memory = pick(Setting::MemoryLimit, values.memory_limit, soft, limit_allowed)?;
        let mut is_own = values.memory_limit.is_some();
        if memory.value == Limit::Auto {
            let container = (machine.container)();
            is_own = container.is_some();
            memory.value = of_container(container, soft);
        }
        let most = machine.memory.unwrap_or(0).saturating_mul(4).max(64 * GIB);
        let most = most.max(hard_bytes.unwrap_or(0).saturating_mul(2)).min(*RESERVE.end());
        let default = ByteSize::new(most.next_power_of_two());
        let reserve = pick(Setting::Reserve, values.reserve, default, in_range(RESERVE))?;
        let min_heap =
            pick(Setting::MinHeap, values.min_heap, ByteSize::new(Config::MIN_HEAP), in_range(MIN_HEAP))?;

        order(Setting::MemoryLimit, memory, Setting::HardLimit, hard)?;
        order(Setting::HardLimit, hard, Setting::Reserve, size(reserve))?;
        if values.min_heap.is_some() {
            order(Setting::MinHeap, size(min_heap), Setting::HardLimit, hard)?;
            order(Setting::MinHeap, size(min_heap), Setting::Reserve, size(reserve))?;
        }
        Ok(Sizes {
            memory_limit: memory.value.bytes(),
            soft: if is_own { Soft::Own(memory.value.bytes()) } else { Soft::Follows },
            hard_limit: hard_bytes,
            reserve: reserve.value.bytes(),
            min_heap: min_heap.value.bytes(),
        })
    }
}

/// A duration that may be off, and its default.
fn period(
    setting: Setting,
    given: Option<Given<Option<Period>>>,
    default: Duration,
    range: &RangeInclusive<Duration>,
) -> Result<Option<Duration>, ConfigError> {
    let Some(Given { value, origin }) = given else { return Ok(Some(default)) };
    let Some(period) = value else { return Ok(None) };
    let allowed = |period: &Period| range.contains(&period.duration());
    let given = Some(Given { value: period, origin });
    pick(setting, given, period, allowed).map(|given| Some(given.value.duration()))
}

fn name(given: Option<Given<String>>) -> Result<Option<String>, ConfigError> {
    let Some(Given { value, origin }) = given else { return Ok(None) };
    if NAME_LEN.contains(&value.len()) && !value.chars().any(|c| c.is_whitespace() || c.is_control()) {
        Ok(Some(value))
    } else {
        Err(invalid(Setting::Name, origin, value))
    }
}

/// Modes of zeal with what the setting `verify` adds. Bounds that a program can pass and a text cannot are checked here.
fn zeal(given: Option<Given<Vec<Zeal>>>, verify: bool) -> Result<Vec<Zeal>, ConfigError> {
    let Given { value: mut modes, origin } =
        given.unwrap_or(Given { value: Vec::new(), origin: Origin::Default });
    for mode in &modes {
        if mode.to_string().parse() != Ok(*mode) {
            return Err(invalid(Setting::Zeal, origin, mode));
        }
    }
    if modes.contains(&Zeal::NoAssist) && modes.contains(&Zeal::AssistAll) {
        let (value, expected) = (Listed(&modes).to_string(), "only one of no-assist and assist-all");
        return Err(ConfigError::Invalid { setting: Setting::Zeal.name(), origin, value, expected });
    }
    if verify && !modes.contains(&Zeal::Verify) {
        modes.push(Zeal::Verify);
    }
    Ok(modes)
}

/// The checked settings.
///
/// # Errors
/// The first that is wrong, in the order of the table of settings; then contradictions.
pub(crate) fn config(values: Values, machine: Machine) -> Result<Config, ConfigError> {
    let workers = machine.parallelism.div_ceil(4).clamp(*WORKERS.start(), *WORKERS.end());
    let in_assist = |period: &Period| ASSIST_MAX.contains(&period.duration());
    let gogc = pick(Setting::Gogc, values.gogc, Gogc::default(), gogc_allowed)?.value;
    let sizes = Sizes::check(&values, machine)?;
    let workers = pick(Setting::Workers, values.workers, workers, |n| WORKERS.contains(n))?.value;
    let cpu_share = pick(Setting::CpuShare, values.cpu_share, 25, |share| CPU_SHARE.contains(share))?.value;
    let cpu_limit = pick(Setting::CpuLimit, values.cpu_limit, 50, |share| CPU_LIMIT.contains(share))?.value;
    let release_cpu =
        pick(Setting::ReleaseCpu, values.release_cpu, 1, |share| RELEASE_CPU.contains(share))?.value;
    let assist_max =
        pick(Setting::AssistMax, values.assist_max, Period::new(Config::ASSIST_MAX), in_assist)?.value;
    Ok(Config {
        gogc,
        memory_limit: sizes.memory_limit,
        soft: sizes.soft,
        hard_limit: sizes.hard_limit,
        reserve: sizes.reserve,
        min_heap: sizes.min_heap,
        workers,
        cpu_share,
        cpu_limit,
        pacer: values.pacer.map(|given| given.value).unwrap_or_default(),
        release_cpu,
        retain: period(Setting::Retain, values.retain, Config::RETAIN, &RETAIN)?,
        assist_max: assist_max.duration(),
        driver: values.driver.map(|given| given.value).unwrap_or_default(),
        huge_pages: values.huge_pages.map(|given| given.value).unwrap_or_default(),
        watchdog: period(Setting::Watchdog, values.watchdog, Config::WATCHDOG, &WATCHDOG)?,
        trace: values.trace.is_some_and(|given| given.value),
        zeal: zeal(values.zeal, values.verify.is_some_and(|given| given.value))?,
        name: name(values.name)?,
        budget: None,
        sinks: Sinks::default(),
    })
}
