//! tmp
#![allow(missing_docs)]
use greyset::*;
#[derive(Trace)]
struct Node<'gc> { l: Option<Gc<'gc, Node<'gc>>>, r: Option<Gc<'gc, Node<'gc>>> }
fn build<'gc>(m: &'gc Mutator, d: u32) -> Gc<'gc, Node<'gc>> {
    if d == 0 { m.alloc(Node { l: None, r: None }) } else { let l = build(m, d - 1); let r = build(m, d - 1); m.alloc(Node { l: Some(l), r: Some(r) }) }
}
fn count(n: Gc<'_, Node<'_>>) -> u64 { match (n.l, n.r) { (Some(l), Some(r)) => 1 + count(l) + count(r), _ => 1 } }
fn main() {
    let n: u32 = std::env::args().nth(1).map_or(18, |s| s.parse().unwrap());
    let heap = Heap::builder().build().unwrap();
    let t = std::time::Instant::now();
    heap.mutator().enter(|m| {
        println!("stretch {}", count(build(m, n + 1)));
        m.safepoint();
        let long = build(m, n).root(m);
        for depth in (4..=n).step_by(4) {
            let trees = 1u64 << (n - depth + 4);
            let mut check = 0;
            for _ in 0..trees { check += count(build(m, depth)); m.safepoint(); }
            println!("{trees} trees of depth {depth} check {check}");
        }
        println!("long {}", count(long.get(m)));
    });
    println!("{:.0} ms", t.elapsed().as_secs_f64() * 1e3);
    println!("{}", heap.stats());
}
