//! The small examples do what they say.

#[allow(dead_code, reason = "`main`")]
#[path = "../../gc/examples/cache.rs"]
mod cache;
#[allow(dead_code, reason = "`main`")]
#[path = "../../gc/examples/list.rs"]
mod list;

#[test]
fn list() {
    let mut out = Vec::new();
    list::run(10_000, &mut out).unwrap();
    let expected = "sum of all 49995000, of the even 24995000\nelements left in the heap: 5000\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn cache() {
    let summary = cache::run(100_000, 50).unwrap();
    assert_eq!(summary.found + summary.loaded, summary.asked);
    assert_eq!(summary.gone + summary.left, summary.loaded);
    assert!(summary.left >= 50 && summary.left <= 60, "{summary:?}");
}
