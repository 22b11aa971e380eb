//! The command `gc-sim`.
use greyset_sim::{program, run, strategy::Strategy};
fn main() {
    let n: u64 = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(1000);
    let t = std::time::Instant::now();
    let fault = std::env::var("FAULT").ok().map(|f| *greyset_sync::Fault::ALL.iter().find(|x| x.name() == f).unwrap());
    let mut steps = 0;
    let from: u64 = std::env::args().nth(2).and_then(|a| a.parse().ok()).unwrap_or(0);
    for seed in from..from + n {
        let p = program::generate(seed, 0);
        let s = if seed % 2 == 0 { Strategy::random(seed) } else { Strategy::pct(seed) };
        let r = run::run(&p, s, fault, std::env::var("STORY").is_ok());
        steps += r.steps;
        if let Some(f) = r.failure {
            for l in &r.story { println!("{} {}", r.tasks[l.task as usize -1], l.text); }
            println!("seed {seed}: {f} after {} steps, {} switches", r.steps, r.switches.len());
            return;
        }
    }
    println!("{n} in {:?}, {} steps each", t.elapsed(), steps / n);
    std::process::exit(0)
}
