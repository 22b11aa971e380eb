//! `queue` with `Box`: the message that leaves the ring is freed.
use crate::Clock;
use greyset_bench::bench::Outcome;
use greyset_bench::failure::Failure;
use greyset_bench::latency::OpTimes;
use greyset_bench::workloads::queue::{Params, Writer, expect_message, number_of};

pub fn run(params: &Params, clock: &mut Clock) -> Result<Outcome, Failure> {
    let Params { window, size, pushes } = *params;
    let ops = pushes.unwrap_or(5_000_000);
    let mut writer = Writer::new(size);
    let mut ring: Vec<Box<[u8]>> = (0..window as u64).map(|number| writer.message(number).into()).collect();
    clock.start();
    let mut times = OpTimes::start();
    let mut at = 0;
    for pushed in 0..ops {
        let slot = &mut ring[at];
        expect_message(number_of(slot, size), pushed)?;
        *slot = writer.message(pushed + window as u64).into();
        at = if at + 1 == window { 0 } else { at + 1 };
        times.lap();
    }
    clock.stop();
    let check = format!("{ops} messages came out in order and whole");
    Ok(Outcome { ops, check, op_times: Some(times.into_histogram()), notes: vec![] })
}
