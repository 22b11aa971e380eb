//! Settings by behaviour: defaults, the environment over the program, and every error with its words.

use super::setting::ROWS;
use super::*;
use crate::error::{ConfigError, Origin};
use std::ffi::OsString;

const MACHINE: Machine = Machine { parallelism: 6, memory: Some(8 << 30), container: || None };

fn resolve(builder: HeapBuilder, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let variables: Vec<_> = variables.iter().map(|(n, v)| (OsString::from(n), OsString::from(v))).collect();
    builder.resolve_in(variables.into_iter(), MACHINE)
}

fn error(builder: HeapBuilder, variables: &[(&str, &str)]) -> String {
    match resolve(builder, variables) {
        Err(error) => error.to_string(),
        Ok(config) => panic!("no error for {variables:?}: {config:?}"),
    }
}

fn new() -> HeapBuilder {
    HeapBuilder::new()
}

#[test]
fn defaults() {
    let expected = Config {
        gogc: Gogc::Percent(100),
        memory_limit: None,
        soft: Soft::Follows,
        hard_limit: None,
        reserve: 64 << 30,
        min_heap: 4 << 20,
        workers: 2,
        cpu_share: 25,
        cpu_limit: 50,
        pacer: PacerKind::Greyset,
        release_cpu: 1,
        retain: Some(Duration::from_secs(2)),
        assist_max: Duration::from_micros(20),
        driver: Driver::Background,
        huge_pages: HugePages::Off,
        watchdog: Some(Duration::from_secs(1)),
        trace: false,
        zeal: Vec::new(),
        name: None,
        budget: None,
        sinks: Sinks::default(),
    };
    assert_eq!(resolve(new(), &[]), Ok(expected));
}

#[test]
fn defaults_follow_the_machine_and_the_hard_limit() {
    let on = |parallelism, memory| {
        new().resolve_in(std::iter::empty(), Machine { parallelism, memory, ..MACHINE })
    };
    assert_eq!(on(1, None).map(|c| (c.workers, c.reserve)), Ok((1, 64 << 30)));
    assert_eq!(on(9, Some(48 << 30)).map(|c| (c.workers, c.reserve)), Ok((3, 256 << 30)));
    assert_eq!(on(4096, Some(64 << 40)).map(|c| (c.workers, c.reserve)), Ok((256, 16 << 40)));
    let big = resolve(new().hard_limit(100 << 30), &[]).map(|c| (c.reserve, c.memory_limit));
    assert_eq!(big, Ok((256 << 30, Some((100 << 30) / 20 * 19))));
    let small = resolve(new().hard_limit(1 << 20), &[]).map(|c| c.memory_limit);
    assert_eq!(small, Ok(Some(1 << 20)));
    let off = resolve(new().hard_limit(100 << 30).memory_limit_off(), &[]).map(|c| c.memory_limit);
    assert_eq!(off, Ok(None));
}

#[test]
fn auto_is_nine_tenths_of_the_container() {
    let on = |builder: HeapBuilder, container| {
        let machine = Machine { container, ..MACHINE };
        builder.resolve_in(std::iter::empty(), machine).map(|c| c.memory_limit)
    };
    assert_eq!(on(new().memory_limit_auto(), || Some(1000 << 20)), Ok(Some(900 << 20)));
    assert_eq!(on(new().memory_limit_auto(), || None), Ok(None));
    assert_eq!(on(new().memory_limit_auto(), || Some(1)), Ok(Some(1 << 20)));
    assert_eq!(on(new(), || Some(1000 << 20)), Ok(None));
    // Never above what a hard limit leaves.
    assert_eq!(on(new().memory_limit_auto().hard_limit(100 << 20), || Some(1000 << 20)), Ok(Some(95 << 20)));
    assert_eq!(on(new().memory_limit_auto().hard_limit(100 << 20), || None), Ok(Some(95 << 20)));
}

#[test]
fn this_machine_has_processors() {
    assert!(Machine::this().parallelism >= 1);
    #[cfg(target_os = "linux")]
    assert!(Machine::this().memory.is_some_and(|bytes| bytes > 1 << 20));
}

const ALL: [(&str, &str); 18] = [
    ("GREYSET_ASSIST_MAX", "100us"),
    ("GREYSET_CPU_LIMIT", "40"),
    ("GREYSET_CPU_SHARE", "30"),
    ("GREYSET_DRIVER", "inline"),
    ("GREYSET_GOGC", "off"),
    ("GREYSET_HARD_LIMIT", "2GiB"),
    ("GREYSET_HUGE_PAGES", "advise"),
    ("GREYSET_MEMORY_LIMIT", "1.5GiB"),
    ("GREYSET_MIN_HEAP", "8MiB"),
    ("GREYSET_PACER", "reference"),
    ("GREYSET_RELEASE_CPU", "0"),
    ("GREYSET_RESERVE", "1TiB"),
    ("GREYSET_RETAIN", "off"),
    ("GREYSET_TRACE", "1"),
    ("GREYSET_VERIFY", "1"),
    ("GREYSET_WATCHDOG", "off"),
    ("GREYSET_WORKERS", "7"),
    ("GREYSET_ZEAL", "poison,alloc:r7"),
];

#[test]
fn the_environment_overrides_the_program() {
    let program = new()
        .gogc(50)
        .memory_limit(64 << 20)
        .hard_limit(128 << 20)
        .reserve(1 << 30)
        .min_heap(1 << 20)
        .workers(1)
        .cpu_share(10)
        .release_cpu(5)
        .retain(Duration::from_secs(1))
        .assist_max(Duration::from_millis(1))
        .driver(Driver::Stepping)
        .watchdog(Duration::from_millis(50))
        .name("mine");
    let plain = resolve(program.clone().ignore_environment(), &ALL);
    assert_eq!(plain.as_ref().map(|c| (c.gogc, c.workers)), Ok((Gogc::Percent(50), 1)));
    assert_eq!(plain.as_ref().map(|c| c.watchdog), Ok(Some(Duration::from_millis(50))));
    assert_eq!(plain.map(|c| (c.memory_limit, c.hard_limit)), Ok((Some(64 << 20), Some(128 << 20))));
    let expected = Config {
        gogc: Gogc::Off,
        memory_limit: Some(3 << 29),
        soft: Soft::Own(Some(3 << 29)),
        hard_limit: Some(2 << 30),
        reserve: 1 << 40,
        min_heap: 8 << 20,
        workers: 7,
        cpu_share: 30,
        cpu_limit: 40,
        pacer: PacerKind::Reference,
        release_cpu: 0,
        retain: None,
        assist_max: Duration::from_micros(100),
        driver: Driver::Inline,
        huge_pages: HugePages::Advise,
        watchdog: None,
        trace: true,
        zeal: vec![Zeal::Poison, Zeal::AllocRandom(7), Zeal::Verify],
        name: Some("mine".into()),
        budget: None,
        sinks: Sinks::default(),
    };
    assert_eq!(resolve(program, &ALL), Ok(expected));
}

#[test]
fn every_setting_can_be_set_by_name() {
    let by_name = ALL.iter().fold(new(), |builder, (variable, text)| {
        let name = variable.trim_start_matches("GREYSET_").to_ascii_lowercase();
        match builder.set(&name, text) {
            Ok(builder) => builder,
            Err(error) => panic!("{name}: {error}"),
        }
    });
    assert_eq!(resolve(by_name, &[]), resolve(new(), &ALL));
    assert_eq!(
        new().set("gogg", "1").map(|_| ()).map_err(|e| e.to_string()),
        Err("\"gogg\" is no setting: write \"gogc\" if that was meant".into())
    );
    let named = new().set("name", "a").and_then(|builder| resolve(builder, &[]));
    assert_eq!(named.map(|c| c.name), Ok(Some("a".into())));
}

#[test]
fn out_of_range_names_setting_value_and_range() {
    let us = Duration::from_micros;
    for (builder, expected) in [
        (new().gogc(0), "gogc cannot be \"0\": write a percentage from 1 to 100000, or off"),
        (new().gogc(100_001), "gogc cannot be \"100001\": write a percentage from 1 to 100000, or off"),
        (
            new().memory_limit(5),
            "memory_limit cannot be \"5B\": write a size from 1MiB to 16TiB, off or auto",
        ),
        (
            new().hard_limit(17 << 40),
            "hard_limit cannot be \"17TiB\": write a size from 1MiB to 16TiB, or off",
        ),
        (new().reserve(1 << 20), "reserve cannot be \"1MiB\": write a size from 64MiB to 16TiB"),
        (new().min_heap(0), "min_heap cannot be \"0B\": write a size from 64KiB to 1TiB"),
        (new().workers(0), "workers cannot be \"0\": write a number of threads from 1 to 256"),
        (new().workers(257), "workers cannot be \"257\": write a number of threads from 1 to 256"),
        (new().cpu_share(91), "cpu_share cannot be \"91\": write a percentage from 1 to 90"),
        (new().cpu_limit(0), "cpu_limit cannot be \"0\": write a percentage from 1 to 99"),
        (new().release_cpu(51), "release_cpu cannot be \"51\": write a percentage from 0 to 50"),
        (new().retain(us(10)), "retain cannot be \"10us\": write a duration from 1ms to 1h, or off"),
        (new().assist_max(Duration::ZERO), "assist_max cannot be \"0ns\": write a duration from 1us to 1s"),
        (new().watchdog(us(999)), "watchdog cannot be \"999us\": write a duration from 1ms to 1h, or off"),
        (new().name(""), "name cannot be \"\": write 1 to 64 bytes without spaces or control characters"),
        (
            new().name("a b"),
            "name cannot be \"a b\": write 1 to 64 bytes without spaces or control characters",
        ),
    ] {
        assert_eq!(error(builder, &[]), expected);
    }
}

#[test]
fn the_ends_of_every_range_are_allowed() {
    for (setting, low, high) in [
        ("gogc", "1", "100000"),
        ("memory_limit", "1MiB", "16TiB"),
        ("hard_limit", "1MiB", "16TiB"),
        ("reserve", "64MiB", "16TiB"),
        ("min_heap", "64KiB", "1TiB"),
        ("workers", "1", "256"),
        ("cpu_share", "1", "90"),
        ("cpu_limit", "1", "99"),
        ("release_cpu", "0", "50"),
        ("retain", "1ms", "1h"),
        ("assist_max", "1us", "1s"),
        ("watchdog", "1ms", "1h"),
    ] {
        let Some(row) = ROWS.iter().find(|row| row.name == setting) else { panic!("{setting}") };
        assert!(row.expected.contains(&format!("from {low} to {high}")), "{}", row.expected);
        for text in [low, high] {
            let resolved = new().reserve(16 << 40).set(setting, text).and_then(|b| resolve(b, &[]));
            assert!(resolved.is_ok(), "{setting}={text}: {resolved:?}");
        }
    }
}

#[test]
fn a_malformed_variable_is_an_error() {
    for (variable, value, expected) in [
        ("GREYSET_GOGC", "lots", "a percentage from 1 to 100000, or off"),
        ("GREYSET_GOGC", "", "a percentage from 1 to 100000, or off"),
        ("GREYSET_GOGC", "0", "a percentage from 1 to 100000, or off"),
        ("GREYSET_MEMORY_LIMIT", "1.5 XB", "a size from 1MiB to 16TiB, off or auto"),
        ("GREYSET_HARD_LIMIT", "auto", "a size from 1MiB to 16TiB, or off"),
        ("GREYSET_PACER", "go", "greyset or reference"),
        ("GREYSET_RESERVE", "off", "a size from 64MiB to 16TiB"),
        ("GREYSET_TRACE", "yes", "0 or 1"),
        ("GREYSET_WATCHDOG", "500", "a duration from 1ms to 1h, or off"),
        ("GREYSET_DRIVER", "foreground", "background, inline or stepping"),
        ("GREYSET_WORKERS", "-1", "a number of threads from 1 to 256"),
    ] {
        let setting = variable.trim_start_matches("GREYSET_").to_ascii_lowercase();
        assert_eq!(
            error(new(), &[("PATH", "/bin"), (variable, value)]),
            format!("{variable}={value:?} is no value for the setting {setting}: write {expected}")
        );
    }
}

#[test]
fn an_unknown_variable_is_an_error_with_the_nearest_name() {
    for (variable, closest) in [
        ("GREYSET_GCGO", "GREYSET_GOGC"),
        ("GREYSET_MEMLIMIT", "GREYSET_MEMORY_LIMIT"),
        ("GREYSET_", "GREYSET_GOGC"),
    ] {
        assert_eq!(
            error(new(), &[(variable, "1")]),
            format!("{variable} is no variable of greyset: unset it, or write {closest} if that was meant")
        );
    }
    assert!(error(new(), &[("GREYSET_ZEALS", "1")]).contains("write GREYSET_ZEAL if"));
    assert!(error(new(), &[("GREYSET_gogc", "1")]).contains("write GREYSET_GOGC"));
    // A heap's own name is not for the environment; other prefixes are not ours.
    assert!(error(new(), &[("GREYSET_NAME", "x")]).starts_with("GREYSET_NAME is no variable"));
    assert!(resolve(new(), &[("XGREYSET_FOO", "1"), ("greyset_gogc", "x")]).is_ok());
}

#[test]
fn zeal_names_the_mode_that_is_wrong() {
    assert_eq!(
        error(new(), &[("GREYSET_ZEAL", "verify,slices:0")]),
        "GREYSET_ZEAL=\"slices:0\" is no value for the setting zeal: write slices:N with N from 1 to 4294967295"
    );
    let verified = resolve(new().verify(true).zeal([Zeal::Poison]), &[("GREYSET_ZEAL", "off")]);
    assert_eq!(
        verified.map(|config| config.zeal),
        Ok(vec![Zeal::Verify]),
        "the environment replaces the program's modes"
    );
}

#[cfg(unix)]
#[test]
fn a_value_that_is_no_unicode_is_an_error() {
    use std::os::unix::ffi::OsStringExt;
    let variables = [(OsString::from("GREYSET_GOGC"), OsString::from_vec(vec![0xff]))];
    let resolved = new().resolve_in(variables.into_iter(), MACHINE);
    assert!(matches!(resolved, Err(ConfigError::Invalid { setting: "gogc", .. })), "{resolved:?}");
}

#[test]
fn contradictions_name_both_sides() {
    assert_eq!(
        error(new().memory_limit(1 << 30), &[("GREYSET_HARD_LIMIT", "512MiB")]),
        "memory_limit (1GiB, set by the program) is above hard_limit (512MiB, from GREYSET_HARD_LIMIT): lower \
         memory_limit or raise hard_limit"
    );
    for (builder, start) in [
        (
            new().hard_limit(2 << 30).reserve(1 << 30),
            "hard_limit (2GiB, set by the program) is above reserve (1GiB",
        ),
        (
            new().min_heap(64 << 20).hard_limit(32 << 20),
            "min_heap (64MiB, set by the program) is above hard_limit",
        ),
        (
            new().min_heap(128 << 20).reserve(64 << 20),
            "min_heap (128MiB, set by the program) is above reserve",
        ),
    ] {
        assert!(error(builder.clone(), &[]).starts_with(start), "{}", error(builder, &[]));
    }
    // Only what was asked for can contradict: the default smallest heap gives way.
    assert!(resolve(new().hard_limit(1 << 20), &[]).is_ok());
}

#[test]
fn changes_while_running_are_checked_alike() {
    assert_eq!(check::gogc(Gogc::Percent(200)), Ok(Gogc::Percent(200)));
    assert_eq!(
        check::gogc(Gogc::Percent(0)).map_err(|e| e.to_string()),
        Err("gogc cannot be \"0\": write a percentage from 1 to 100000, or off".into())
    );
    assert_eq!(check::limits(Some(1 << 20), Some(1 << 20)), Ok(()));
    assert_eq!(check::limits(None, None), Ok(()));
    assert!(check::limits(Some(1), None).is_err());
    let conflict = check::limits(Some(2 << 20), Some(1 << 20));
    assert!(
        matches!(&conflict, Err(ConfigError::Conflict { low, .. }) if low.origin == Origin::Program),
        "{conflict:?}"
    );
}

#[test]
fn the_page_on_tuning_lists_every_setting() {
    let page = include_str!("../../../docs/TUNING.md");
    for row in &ROWS {
        let variable = row.variable.map_or(String::new(), |variable| format!("`{variable}` "));
        let start = format!("| `{}` | {variable}| {} |", row.name, row.expected);
        assert!(page.contains(&start), "docs/TUNING.md lacks {start}");
    }
}

#[test]
fn subscribers_are_those_of_the_program_and_the_ones_switched_on() {
    use crate::stats::{Event, EventSink};
    struct Nothing;
    impl EventSink for Nothing {
        fn event(&self, _: &str, _: &Event) {}
    }
    let count = |builder| resolve(builder, &[]).map(|c| format!("{:?}", c.subscribers()));
    assert_eq!(count(new()), Ok("1 sinks".into()));
    assert_eq!(count(new().trace(true).sink(Arc::new(Nothing))), Ok("3 sinks".into()));
}
