//! The pacer with any inputs, sensible or not: it answers numbers, and numbers within bounds.

use arbitrary::{Result, Unstructured};
use greyset::Gogc;
use greyset::pacer::cpu_limiter::{CpuLimiter, Window};
use greyset::pacer::harness::{Scenario, Shape, Signal, Signals, Term};
use greyset::pacer::memory_limit::MemoryUse;
use greyset::pacer::release::ReleasePacer;
use greyset::pacer::sweep::SweepPace;
use greyset::pacer::{CycleInputs, CycleStart, Pacer, PacerKind, Progress, Settings, Targets};

/// Most steps of a run.
const MOST: usize = 200;
/// Longest sleep between two givings-back that the pacer may ask for, in nanoseconds.
const MAX_SLEEP: u64 = 60_000_000_000;

/// Runs a pacer, or (one in eight) a simulated program, with what `bytes` say.
///
/// # Panics
/// When an answer is out of bounds.
pub fn run(bytes: &[u8]) {
    let mut u = Unstructured::new(bytes);
    // The bytes end where they end: what is missing then is not asked any more.
    let _ = if u.ratio(1, 8).unwrap_or(false) { simulate(&mut u) } else { steps(&mut u) };
}

/// Any number, small ones as often as large ones.
fn number(u: &mut Unstructured<'_>) -> Result<u64> {
    let shift = u.int_in_range(0..=63)?;
    Ok(u.arbitrary::<u64>()? >> shift)
}

fn gogc(u: &mut Unstructured<'_>) -> Result<Gogc> {
    Ok(if u.ratio(1, 8)? { Gogc::Off } else { Gogc::Percent(u.int_in_range(1..=100_000)?) })
}

fn memory(u: &mut Unstructured<'_>) -> Result<MemoryUse> {
    Ok(MemoryUse { mapped: number(u)?, heap_free: number(u)?, heap_alloc: number(u)? })
}

/// Settings within the ranges that a heap's builder allows.
fn settings(u: &mut Unstructured<'_>) -> Result<Settings> {
    Ok(Settings {
        gogc: gogc(u)?,
        memory_limit: if u.arbitrary()? { Some(u.int_in_range(1 << 20..=16 << 40)?) } else { None },
        min_heap: u.int_in_range(64 << 10..=1 << 40)?,
        processors: u.int_in_range(1..=4096)?,
        cpu_share: u.int_in_range(1..=90)?,
        kind: if u.arbitrary()? { PacerKind::Greyset } else { PacerKind::Reference },
        retain: if u.arbitrary()? { u.int_in_range(1_000_000..=3600 * 1_000_000_000)? } else { 0 },
    })
}

fn check(targets: Targets, settings: &Settings) {
    assert!(targets.trigger <= targets.goal, "{targets:?}");
    assert!(!targets.limited || settings.memory_limit.is_some(), "{targets:?} with {settings:?}");
}

fn steps(u: &mut Unstructured<'_>) -> Result<()> {
    let mut pacer = Pacer::new(settings(u)?);
    check(pacer.targets(&MemoryUse::default()), pacer.settings());
    let mut limiter = CpuLimiter::new(u.arbitrary()?, u.arbitrary()?, u.arbitrary()?);
    let mut release = ReleasePacer::new(u.arbitrary()?, u.arbitrary()?);
    for _ in 0..MOST {
        match u.int_in_range(0..=11u8)? {
            0 => start(&mut pacer, u)?,
            1 => revise(&pacer, u)?,
            2 => end(&mut pacer, u)?,
            3 => pacer.abandon_cycle(),
            4 => {
                let settings = settings(u)?;
                check(pacer.set(settings, number(u)?, u.arbitrary()?, &memory(u)?), &settings);
            }
            5 => check(pacer.targets(&memory(u)?), pacer.settings()),
            6 => {
                let (goal, heap, total) = (pacer.release_goal(&memory(u)?), number(u)?, number(u)?);
                assert!(goal.excess(heap, total) <= heap.max(total), "{goal:?} of {heap} and {total}");
            }
            7 => {
                let (wall, assist, idle) = (number(u)?, number(u)?, number(u)?);
                let change = limiter.advance(&Window { wall, assist, idle, marking: u.arbitrary()? });
                assert!((0.0..=1.0).contains(&limiter.level()), "{limiter:?} after {change:?}");
            }
            8 => assert!(release.sleep_after(number(u)?, number(u)?) <= MAX_SLEEP, "{release:?}"),
            10 => {
                pacer.pass(number(u)?);
                check(pacer.targets(&memory(u)?), pacer.settings());
            }
            11 => pacer.forget(),
            _ => {
                let (in_use, swept) = (number(u)?, number(u)?);
                let pace = SweepPace::new(number(u)?, number(u)?, in_use, swept);
                let (rate, owed) =
                    (pace.pages_per_byte(), pace.owed(number(u)?, number(u)?, in_use.max(swept)));
                assert!(rate.is_finite() && rate >= 0.0, "{pace:?} owes {owed}");
            }
        }
    }
    Ok(())
}

fn start(pacer: &mut Pacer, u: &mut Unstructured<'_>) -> Result<()> {
    let start = CycleStart {
        live: number(u)?,
        scannable: number(u)?,
        mutator_roots: number(u)?,
        heap_roots: number(u)?,
        memory: memory(u)?,
    };
    let plan = pacer.start_cycle(&start);
    let processors = pacer.settings().processors;
    let power = f64::from(plan.workers.dedicated) + plan.workers.fractional * f64::from(processors);
    assert!(
        (0.0..=1.0).contains(&plan.workers.fractional) && power <= f64::from(processors) + 1e-6,
        "{plan:?}"
    );
    assert!(power > 0.0, "somebody marks: {plan:?}");
    check(pacer.targets(&start.memory), pacer.settings());
    Ok(())
}

fn revise(pacer: &Pacer, u: &mut Unstructured<'_>) -> Result<()> {
    let now = Progress {
        live: number(u)?,
        scannable: number(u)?,
        mutator_roots: number(u)?,
        done: number(u)?,
        memory: memory(u)?,
    };
    let ratio = pacer.revise(&now);
    for share in [ratio.work_per_byte, ratio.bytes_per_work] {
        assert!(share.is_finite() && share > 0.0, "{ratio:?} for {now:?}");
    }
    let bytes = number(u)?;
    let assist = ratio.assist(bytes);
    assert!(assist.pays >= bytes && assist.work >= ratio.owed(bytes), "{assist:?} for {bytes}");
    Ok(())
}

fn end(pacer: &mut Pacer, u: &mut Unstructured<'_>) -> Result<()> {
    let cycle = CycleInputs {
        live: number(u)?,
        marked: number(u)?,
        heap_work: number(u)?,
        mutator_root_work: number(u)?,
        heap_root_work: number(u)?,
        wall: number(u)?,
        assist_time: number(u)?,
        idle_time: number(u)?,
        in_use: number(u)?,
        swept: u.arbitrary()?,
        asked: u.arbitrary()?,
        memory: memory(u)?,
    };
    let out = pacer.end_cycle(&cycle);
    for share in [out.utilization, out.cons_mark] {
        assert!(share.is_finite() && share >= 0.0, "{out:?} of {cycle:?}");
    }
    assert_eq!(pacer.marked(), cycle.marked);
    check(out.targets, pacer.settings());
    Ok(())
}

/// A program in the simulated machine of the laboratory, within a size that it gets done with: rows or an error, and every row
/// within bounds.
fn simulate(u: &mut Unstructured<'_>) -> Result<()> {
    let scenario = Scenario {
        name: String::from("any"),
        gogc: gogc(u)?,
        memory_limit: if u.arbitrary()? { Some(number(u)?) } else { None },
        globals: number(u)? >> 36,
        cycles: u.int_in_range(1..=8)?,
        signals: Signals {
            alloc_rate: signal(u, 4096.0)?,
            scan_rate: Signal::constant(u.int_in_range(1u32 << 10..=1 << 20)?.into()),
            growth: signal(u, 2.0)?,
            scannable: signal(u, 2.0)?,
            stacks: signal(u, 1e8)?,
        },
    };
    let Ok(rows) = scenario.run() else { return Ok(()) };
    for row in rows {
        assert!(row.utilization.is_finite() && (0.0..=1.001).contains(&row.utilization), "{row:?}");
        assert!(row.trigger >= row.marked && row.peak >= row.trigger, "{row:?}");
    }
    Ok(())
}

/// Up to three terms, each of at most `most`.
fn signal(u: &mut Unstructured<'_>, most: f64) -> Result<Signal> {
    let value = |u: &mut Unstructured<'_>| Ok(f64::from(u.arbitrary::<i16>()?) / f64::from(i16::MAX) * most);
    let term = |u: &mut Unstructured<'_>| {
        let shape = match u.int_in_range(0..=4u8)? {
            0 => Shape::Const(value(u)?),
            1 => Shape::Ramp { height: value(u)?, length: u64::from(u.arbitrary::<u8>()?) },
            2 => Shape::Impulse(value(u)?),
            3 => Shape::Sine {
                amplitude: value(u)?,
                period: u64::from(u.arbitrary::<u8>()?),
                phase: value(u)?,
            },
            _ => Shape::Noise { amplitude: value(u)?, draws: vec![0.25; usize::from(u.arbitrary::<u8>()?)] },
        };
        Ok(Term { shape, delay: u64::from(u.arbitrary::<u8>()? % 8) })
    };
    let count = u.int_in_range(1..=3)?;
    Ok(Signal((0..count).map(|_| term(u)).collect::<Result<_>>()?))
}
