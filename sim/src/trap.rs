//! A task that the processor stops is a failed run, like one that panics.
//!
//! A heap with a broken rule hands out memory that is still in use, and what follows may be a read through what is no address.
//! Without this, the process would be gone, and the seed with it: here the signal's handler lets the task end (corosensei's trap
//! handlers), and the run has a failure that can be repeated and shrunk. Only the command `gc-sim` asks for it: under a
//! sanitizer, or in a test, such a signal should stay what it is.
//!
//! It is no cure. What was overwritten before stays overwritten, which is why [`crate::finder`] gives each fault a process.

use corosensei::trap::CoroutineTrapHandler;
use std::cell::Cell;

/// What lets the running task end.
pub type Way = CoroutineTrapHandler<()>;

thread_local!(static RUNNING: Cell<Option<Way>> = const { Cell::new(None) });

/// The task that this thread runs from now on, `None` when it runs none.
pub fn running(way: Option<Way>) {
    RUNNING.set(way);
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod linux {
    use super::RUNNING;
    use crate::sched;
    use corosensei::trap::TrapHandlerRegs;
    use std::ffi::c_void;
    use std::mem::MaybeUninit;
    use std::sync::OnceLock;

    /// The processor's complaints, with their names.
    const SIGNALS: [(i32, &str); 4] = [
        (libc::SIGSEGV, "SIGSEGV: no memory lies there"),
        (libc::SIGBUS, "SIGBUS: the memory there cannot be had"),
        (libc::SIGILL, "SIGILL: no instruction"),
        (libc::SIGFPE, "SIGFPE: arithmetic that has no result"),
    ];

    static BEFORE: OnceLock<[libc::sigaction; SIGNALS.len()]> = OnceLock::new();

    pub fn install() {
        BEFORE.get_or_init(|| SIGNALS.map(|(signal, _)| handle(signal)));
    }

    /// Sets the handler; what was there before.
    fn handle(signal: i32) -> libc::sigaction {
        let mut before = MaybeUninit::zeroed();
        let mut action = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: all zero is a valid action: the default one, no flags, an empty mask.
        let new = unsafe { action.assume_init_mut() };
        new.sa_sigaction = on_signal as *const () as usize;
        // On the other stack that std gives every thread: a task may have used up its own.
        new.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        // SAFETY: both are valid for the call; the handler has the signature that SA_SIGINFO asks for.
        unsafe { libc::sigaction(signal, new, before.as_mut_ptr()) };
        // SAFETY: filled by the call, or all zero, which is valid, too.
        unsafe { before.assume_init() }
    }

    /// Lets the task end whose stack was in use, or puts back what was there before, which the same instruction then meets.
    extern "C" fn on_signal(signal: i32, _: *mut libc::siginfo_t, context: *mut c_void) {
        // SAFETY: with SA_SIGINFO the third argument is the interrupted context, which the handler may change.
        let context = unsafe { &mut *context.cast::<libc::ucontext_t>() };
        let registers = &mut context.uc_mcontext.gregs;
        let at = SIGNALS.iter().position(|&(number, _)| number == signal).unwrap_or(0);
        let stack = registers[libc::REG_RSP as usize] as usize;
        let Some(way) = RUNNING.get().filter(|way| way.stack_ptr_in_bounds(stack)) else {
            if let Some(before) = BEFORE.get() {
                // SAFETY: an action that the system has given out for this signal.
                unsafe { libc::sigaction(signal, &before[at], std::ptr::null_mut()) };
            }
            return;
        };
        let end = move || sched::trapped(SIGNALS[at].1);
        // SAFETY: the interrupted code ran on this task's stack, as just checked, and the registers are set below. That the task
        // wrote nothing outside is not so; what it leaves half written is the broken heap of a run that has failed, which is
        // leaked, and the scheduler, whose writes are made with no access to memory that could trap between them.
        let TrapHandlerRegs { rip, rsp, rbp, rdi, rsi } = unsafe { way.setup_trap_handler(end) };
        for (register, value) in [
            (libc::REG_RIP, rip),
            (libc::REG_RSP, rsp),
            (libc::REG_RBP, rbp),
            (libc::REG_RDI, rdi),
            (libc::REG_RSI, rsi),
        ] {
            registers[register as usize] = value as i64;
        }
    }
}

/// From here on a signal of the processor inside a task ends the run as a failure (x86-64 Linux; elsewhere nothing changes).
pub fn install() {
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    linux::install();
}
