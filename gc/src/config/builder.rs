//! [`HeapBuilder`]: collects what the program wants, as given, with who gave it.
//!
//! It judges nothing but text that cannot be read at all: ranges and contradictions are found in `check`, at build, so that
//! the order of the calls never matters.

use super::setting::{ROWS, Setting, closest};
use super::size::{Limit, Period};
use super::value::{Driver, Gogc, HugePages, number, switch};
use super::{ByteSize, Config, Machine, Zeal, check, environment};
use crate::error::{ConfigError, Origin};
use crate::heap::BudgetMember;
use crate::pacer::PacerKind;
use crate::stats::{EventSink, OnThrash, Sinks, Thrash};
use std::sync::Arc;
use std::time::Duration;

/// A value and who gave it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given<T> {
    pub(crate) value: T,
    pub(crate) origin: Origin,
}

fn program<T>(value: T) -> Option<Given<T>> {
    Some(Given { value, origin: Origin::Program })
}

/// What has been given so far; a field that is `None` takes its default.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values {
    pub(crate) gogc: Option<Given<Gogc>>,
    pub(crate) memory_limit: Option<Given<Limit>>,
    pub(crate) hard_limit: Option<Given<Limit>>,
    pub(crate) reserve: Option<Given<ByteSize>>,
    pub(crate) min_heap: Option<Given<ByteSize>>,
    pub(crate) workers: Option<Given<usize>>,
    pub(crate) cpu_share: Option<Given<u32>>,
    pub(crate) cpu_limit: Option<Given<u32>>,
    pub(crate) pacer: Option<Given<PacerKind>>,
    pub(crate) release_cpu: Option<Given<u32>>,
    pub(crate) retain: Option<Given<Option<Period>>>,
    pub(crate) assist_max: Option<Given<Period>>,
    pub(crate) driver: Option<Given<Driver>>,
    pub(crate) huge_pages: Option<Given<HugePages>>,
    pub(crate) watchdog: Option<Given<Option<Period>>>,
    pub(crate) trace: Option<Given<bool>>,
    pub(crate) verify: Option<Given<bool>>,
    pub(crate) zeal: Option<Given<Vec<Zeal>>>,
    pub(crate) name: Option<Given<String>>,
}

/// Reads `text` into `slot`; a text that cannot be read becomes the setting's error.
fn put<T>(
    slot: &mut Option<Given<T>>,
    setting: Setting,
    text: &str,
    origin: Origin,
    value: Option<T>,
) -> Result<(), ConfigError> {
    let value = value.ok_or_else(|| check::invalid(setting, origin, text))?;
    *slot = Some(Given { value, origin });
    Ok(())
}

impl Values {
    /// Reads `text` as the value of `setting`.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] when it cannot be read.
    pub(crate) fn set(&mut self, setting: Setting, text: &str, origin: Origin) -> Result<(), ConfigError> {
        let period_or_off = || match text.eq_ignore_ascii_case("off") {
            true => Some(None),
            false => text.parse().ok().map(Some),
        };
        let s = setting;
        match setting {
            Setting::Gogc => put(&mut self.gogc, s, text, origin, text.parse().ok()),
            Setting::MemoryLimit => put(&mut self.memory_limit, s, text, origin, text.parse().ok()),
            Setting::HardLimit => put(&mut self.hard_limit, s, text, origin, text.parse().ok()),
            Setting::Reserve => put(&mut self.reserve, s, text, origin, text.parse().ok()),
            Setting::MinHeap => put(&mut self.min_heap, s, text, origin, text.parse().ok()),
            Setting::Workers => put(&mut self.workers, s, text, origin, number(text)),
            Setting::CpuShare => put(&mut self.cpu_share, s, text, origin, number(text)),
            Setting::CpuLimit => put(&mut self.cpu_limit, s, text, origin, number(text)),
            Setting::Pacer => put(&mut self.pacer, s, text, origin, text.parse().ok()),
            Setting::ReleaseCpu => put(&mut self.release_cpu, s, text, origin, number(text)),
            Setting::Retain => put(&mut self.retain, s, text, origin, period_or_off()),
            Setting::AssistMax => put(&mut self.assist_max, s, text, origin, text.parse().ok()),
            Setting::Driver => put(&mut self.driver, s, text, origin, text.parse().ok()),
            Setting::HugePages => put(&mut self.huge_pages, s, text, origin, text.parse().ok()),
            Setting::Watchdog => put(&mut self.watchdog, s, text, origin, period_or_off()),
            Setting::Trace => put(&mut self.trace, s, text, origin, switch(text)),
            Setting::Verify => put(&mut self.verify, s, text, origin, switch(text)),
            Setting::Zeal => {
                let value = Zeal::parse_all(text).map_err(|error| ConfigError::Invalid {
                    setting: setting.name(),
                    origin,
                    value: error.value().to_owned(),
                    expected: error.expected(),
                })?;
                self.zeal = Some(Given { value, origin });
                Ok(())
            }
            Setting::Name => put(&mut self.name, s, text, origin, Some(text.to_owned())),
        }
    }
}

/// Settings of a heap to be built; made by `Heap::builder()`.
///
/// Every setting can also be given by an environment variable, which **overrides** the program, so that a deployed program
/// can be tuned: `GREYSET_` and the method's name in capitals, `GREYSET_GOGC=50`, `GREYSET_MEMORY_LIMIT=1.5GiB`. A program
/// that wants none of that calls [`ignore_environment`](HeapBuilder::ignore_environment). Nothing is checked before `build`,
/// and nothing wrong is ever ignored there: a value out of range, two settings that contradict each other, a variable that
/// cannot be read and an unknown `GREYSET_…` variable are all errors that say what to write.
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct HeapBuilder {
    values: Values,
    sinks: Sinks,
    budget: Option<BudgetMember>,
    ignore_environment: bool,
}

impl HeapBuilder {
    /// All settings at their defaults.
    pub(crate) fn new() -> HeapBuilder {
        HeapBuilder::default()
    }

    /// Growth between two collections in percent, 1 to 100 000; default 100. See [`Gogc`].
    pub fn gogc(mut self, percent: u32) -> HeapBuilder {
        self.values.gogc = program(Gogc::Percent(percent));
        self
    }

    /// No collections from growth: only the memory limit or an explicit call collects.
    pub fn gogc_off(mut self) -> HeapBuilder {
        self.values.gogc = program(Gogc::Off);
        self
    }

    /// Soft limit in bytes on all the heap holds, 1 MiB to 16 TiB: it collects as often as it must to stay below, within
    /// its share of CPU. Default: off; with a hard limit, 95 % of that.
    pub fn memory_limit(mut self, bytes: u64) -> HeapBuilder {
        self.values.memory_limit = program(Some(bytes).into());
        self
    }

    /// A soft limit from the container's: 90 % of the memory its control groups allow (version 1 or 2), read when the heap is
    /// built. Off where they set none.
    pub fn memory_limit_auto(mut self) -> HeapBuilder {
        self.values.memory_limit = program(Limit::Auto);
        self
    }

    /// No soft limit, even when there is a hard one.
    pub fn memory_limit_off(mut self) -> HeapBuilder {
        self.values.memory_limit = program(Limit::Off);
        self
    }

    /// Hard limit in bytes, 1 MiB to 16 TiB, not below the soft one: an allocation that would pass it fails and gives its
    /// value back. Default: off.
    pub fn hard_limit(mut self, bytes: u64) -> HeapBuilder {
        self.values.hard_limit = program(Some(bytes).into());
        self
    }

    /// No hard limit.
    pub fn hard_limit_off(mut self) -> HeapBuilder {
        self.values.hard_limit = program(Limit::Off);
        self
    }

    /// Address space to reserve in bytes, 16 MiB to 16 TiB; costs nothing until used. The heap can never outgrow it.
    /// Default: four times the machine's memory, at least 64 GiB and twice the hard limit.
    pub fn reserve(mut self, bytes: u64) -> HeapBuilder {
        self.values.reserve = program(ByteSize::new(bytes));
        self
    }

    /// Smallest heap goal in bytes at `gogc` 100 (it scales with `gogc`), 64 KiB to 1 TiB; default 4 MiB. A larger one
    /// spares small heaps frequent collections.
    pub fn min_heap(mut self, bytes: u64) -> HeapBuilder {
        self.values.min_heap = program(ByteSize::new(bytes));
        self
    }

    /// Marker threads, 1 to 256; default a quarter of the processors, rounded up.
    pub fn workers(mut self, threads: usize) -> HeapBuilder {
        self.values.workers = program(threads);
        self
    }

    /// Share of all processors that marking may use while a cycle runs, in percent, 1 to 90; default 25.
    pub fn cpu_share(mut self, percent: u32) -> HeapBuilder {
        self.values.cpu_share = program(percent);
        self
    }

    /// Most of the program's processor time that collection may take for long, in percent, 1 to 99; default 50. Beyond it
    /// allocations are charged no marking and cycles wait, so that the heap may pass the soft limit.
    pub fn cpu_limit(mut self, percent: u32) -> HeapBuilder {
        self.values.cpu_limit = program(percent);
        self
    }

    /// Whose pacer decides when to collect: Go's published one, or what greyset made of it; default [`PacerKind::Greyset`].
    pub fn pacer(mut self, kind: PacerKind) -> HeapBuilder {
        self.values.pacer = program(kind);
        self
    }

    /// Share of all processors spent on giving memory back in the background, in percent, 0 (never) to 50; default 1.
    pub fn release_cpu(mut self, percent: u32) -> HeapBuilder {
        self.values.release_cpu = program(percent);
        self
    }

    /// How long the heap keeps the size it has reached: half of it is forgotten in this time, 1 ms to 1 h; default 2 s. Up to that
    /// size the heap grows before it collects, since the memory is there; see [`retain_off`](HeapBuilder::retain_off).
    pub fn retain(mut self, half_life: Duration) -> HeapBuilder {
        self.values.retain = program(Some(Period::new(half_life)));
        self
    }

    /// The heap's goal follows what each cycle finds live, as in Go: after a peak it collects more often, and one cycle that finds
    /// much live takes memory at once.
    pub fn retain_off(mut self) -> HeapBuilder {
        self.values.retain = program(None);
        self
    }

    /// Most marking work one allocation may be charged with, 1 µs to 1 s; default 20 µs.
    pub fn assist_max(mut self, time: Duration) -> HeapBuilder {
        self.values.assist_max = program(Period::new(time));
        self
    }

    /// Who steps the collector; default [`Driver::Background`].
    pub fn driver(mut self, driver: Driver) -> HeapBuilder {
        self.values.driver = program(driver);
        self
    }

    /// Whether to ask for huge pages; default [`HugePages::Off`].
    pub fn huge_pages(mut self, pages: HugePages) -> HeapBuilder {
        self.values.huge_pages = program(pages);
        self
    }

    /// A mutator that takes longer than this to reach a safepoint it was asked for is reported, 1 ms to 1 h; default 1 s.
    pub fn watchdog(mut self, time: Duration) -> HeapBuilder {
        self.values.watchdog = program(Some(Period::new(time)));
        self
    }

    /// No report of mutators that do not reach a safepoint.
    pub fn watchdog_off(mut self) -> HeapBuilder {
        self.values.watchdog = program(None);
        self
    }

    /// One line for each cycle on standard error; default no.
    pub fn trace(mut self, on: bool) -> HeapBuilder {
        self.values.trace = program(on);
        self
    }

    /// Checks the whole heap after each cycle, slowly; default no. The same as [`Zeal::Verify`].
    pub fn verify(mut self, on: bool) -> HeapBuilder {
        self.values.verify = program(on);
        self
    }

    /// Makes the heap work harder than it must, to bring mistakes to light; default not. The modes are added to those given
    /// before.
    ///
    /// ```
    /// use greyset::{Heap, Zeal};
    /// let heap = Heap::builder().zeal([Zeal::Verify, Zeal::Poison, Zeal::AllocRandom(7)]).build()?;
    /// heap.mutator().enter(|m| (0..100).for_each(|n| _ = m.alloc(n)));
    /// assert_eq!(heap.zeal().map(|zeal| zeal.allocations), Some(100));
    /// # Ok::<(), greyset::HeapError>(())
    /// ```
    pub fn zeal(mut self, modes: impl IntoIterator<Item = Zeal>) -> HeapBuilder {
        self.values
            .zeal
            .get_or_insert(Given { value: Vec::new(), origin: Origin::Program })
            .value
            .extend(modes);
        self
    }

    /// What the heap is called in events and thread names: 1 to 64 bytes without spaces or control characters.
    pub fn name(mut self, name: impl Into<String>) -> HeapBuilder {
        self.values.name = program(name.into());
        self
    }

    /// Sends the heap's events to `sink`, besides those sinks that are there already.
    pub fn sink(mut self, sink: Arc<dyn EventSink>) -> HeapBuilder {
        self.sinks.push(sink);
        self
    }

    /// Makes the heap one of those that share a [`Budget`](crate::Budget), which then sets its soft limit, again and again; a
    /// `memory_limit` is the most it gets.
    pub fn budget(mut self, member: BudgetMember) -> HeapBuilder {
        self.budget = Some(member);
        self
    }

    /// Calls `f` each time the program begins to thrash: what is live leaves no room below the memory limit, or collection has
    /// used up its [`cpu_limit`](HeapBuilder::cpu_limit). As an [`EventSink`], it must be quick and not use the heap: set a
    /// flag that makes the program drop what it can do without.
    pub fn on_thrash(mut self, f: impl Fn(&Thrash) + Send + Sync + 'static) -> HeapBuilder {
        self.sinks.push(Arc::new(OnThrash(f)));
        self
    }

    /// Gives the setting of that name a value as text, in the form of its environment variable: `set("gogc", "off")`.
    /// For programs that read settings from files of their own.
    ///
    /// # Errors
    /// [`ConfigError::UnknownSetting`] for a name that is no setting, [`ConfigError::Invalid`] for a text that cannot be
    /// read. Ranges are checked at `build`.
    pub fn set(mut self, name: &str, text: &str) -> Result<HeapBuilder, ConfigError> {
        match ROWS.iter().find(|row| row.name == name) {
            Some(row) => self.values.set(row.setting, text, Origin::Program).map(|()| self),
            None => Err(ConfigError::UnknownSetting {
                name: name.to_owned(),
                closest: closest(name, ROWS.iter().map(|row| row.name)),
            }),
        }
    }

    /// Takes no notice of `GREYSET_…` variables.
    pub fn ignore_environment(mut self) -> HeapBuilder {
        self.ignore_environment = true;
        self
    }

    /// What [`build`](HeapBuilder::build) would say of the settings in an environment of the caller's choice, which wins over
    /// [`ignore_environment`](HeapBuilder::ignore_environment): tests cannot change the process's own.
    ///
    /// # Errors
    /// The first thing that is wrong.
    #[doc(hidden)]
    pub fn check_in(
        mut self,
        variables: impl IntoIterator<Item = (std::ffi::OsString, std::ffi::OsString)>,
    ) -> Result<(), ConfigError> {
        self.ignore_environment = false;
        self.resolve_in(variables.into_iter(), Machine::this()).map(drop)
    }

    /// The settings the heap is built with: the environment over the program over the defaults, all checked.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub(crate) fn resolve(self) -> Result<Config, ConfigError> {
        let machine = Machine::this();
        if self.ignore_environment {
            self.resolve_in(std::iter::empty(), machine)
        } else {
            self.resolve_in(std::env::vars_os(), machine)
        }
    }

    /// [`resolve`](HeapBuilder::resolve) in an environment and on a machine of the caller's choice.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub(crate) fn resolve_in(
        self,
        variables: impl Iterator<Item = environment::Variable>,
        machine: Machine,
    ) -> Result<Config, ConfigError> {
        let mut values = self.values;
        if !self.ignore_environment {
            environment::overlay(&mut values, variables)?;
        }
        Ok(Config { sinks: self.sinks, budget: self.budget, ..check::config(values, machine)? })
    }
}
