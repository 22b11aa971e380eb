//! What happened at a choice point, in words: for the story of a simulated run.

/// Adds to the story of the run, if a scheduler keeps one. Addresses are written as `{:#x}`: it knows who lies there. In
/// production nothing of this is compiled.
#[cfg(not(feature = "sim"))]
#[inline(always)]
pub fn told(_: impl FnOnce() -> String) {}

/// Adds to the story of the run, if a scheduler keeps one. Addresses are written as `{:#x}`: it knows who lies there.
#[cfg(feature = "sim")]
#[inline]
pub fn told(what: impl FnOnce() -> String) {
    if let Some(hooks) = crate::sim::hooks()
        && (hooks.keeps_story)()
    {
        (hooks.tell)(what());
    }
}
