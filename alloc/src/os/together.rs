//! Many ranges given back with one call, where the system has one.
//!
//! `process_madvise` takes a list of ranges, of another process or, since Linux 6.13, with all advice for its own; numbers that
//! stand for the own thread and process came with 6.14, and that of the thread has not changed since. What it saves is told in
//! `docs/decisions/0025`. Where it is refused nothing is given back here, and the caller does with `madvise` for each range.

use std::ops::Range;
use std::sync::OnceLock;

/// Ranges of one call.
const MOST: usize = 64;
/// The system has said that it does no such thing.
static REFUSED: OnceLock<()> = OnceLock::new();

/// Whether the system does that, as far as is known.
pub(super) fn is_possible() -> bool {
    cfg!(all(target_os = "linux", not(miri))) && REFUSED.get().is_none()
}

/// Gives back what lies behind the first of these ranges (in bytes from `start`): how many of them, from the first on, are gone. 0
/// where the system does not do that.
///
/// # Safety
/// The ranges are whole pages of one private mapping that begins at `start`; nobody uses what is in them, now or later.
#[cfg(all(target_os = "linux", not(miri)))]
pub(super) unsafe fn discard(start: *mut u8, ranges: impl Iterator<Item = Range<usize>>) -> usize {
    /// `PIDFD_SELF_THREAD`: the thread that calls, and with it the memory of its process.
    const SELF: libc::c_int = -10_000;

    if !is_possible() {
        return 0;
    }
    let mut vectors = [libc::iovec { iov_base: start.cast(), iov_len: 0 }; MOST];
    let mut count = 0;
    for (vector, range) in vectors.iter_mut().zip(ranges) {
        *vector = libc::iovec { iov_base: start.wrapping_add(range.start).cast(), iov_len: range.len() };
        count += 1;
    }
    if count < 2 {
        return 0; // what is simpler costs the same
    }
    // SAFETY: `vectors` has `count` entries that the call reads; what it does to the ranges is what the caller agrees to.
    let advised = unsafe {
        libc::syscall(
            libc::SYS_process_madvise,
            SELF,
            vectors.as_ptr(),
            count,
            libc::MADV_DONTNEED,
            0 as libc::c_uint,
        )
    };
    let Ok(mut bytes) = usize::try_from(advised) else {
        let error = std::io::Error::last_os_error().raw_os_error();
        // Else for lack of something: the next call may have it.
        if !matches!(error, Some(libc::EAGAIN | libc::EINTR | libc::ENOMEM)) {
            let _ = REFUSED.set(());
        }
        return 0;
    };
    let is_whole = |vector: &&libc::iovec| match bytes.checked_sub(vector.iov_len) {
        Some(rest) => {
            bytes = rest;
            true
        }
        None => false,
    };
    vectors[..count].iter().take_while(is_whole).count()
}

/// Does nothing: the system has no such call.
#[cfg(not(all(target_os = "linux", not(miri))))]
pub(super) unsafe fn discard(_: *mut u8, _: impl Iterator<Item = Range<usize>>) -> usize {
    0
}
