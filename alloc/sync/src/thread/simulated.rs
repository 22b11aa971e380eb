//! Threads that may be tasks of a scheduler.

use crate::Point;
use crate::sim::hooks;
use std::io;
use std::panic::Location;
use std::time::Duration;

/// A thread or task that can be woken.
#[derive(Clone, Debug)]
pub struct Thread(Inner);

#[derive(Clone, Debug)]
enum Inner {
    Real(std::thread::Thread),
    Task(u32),
}

/// Identity of a thread or task.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ThreadId {
    /// A thread of the system.
    Real(std::thread::ThreadId),
    /// A task of the scheduler on this thread.
    Task(u32),
}

impl Thread {
    /// Its identity.
    pub fn id(&self) -> ThreadId {
        match &self.0 {
            Inner::Real(thread) => ThreadId::Real(thread.id()),
            Inner::Task(task) => ThreadId::Task(*task),
        }
    }

    /// Ends its sleep, or the next one.
    pub fn unpark(&self) {
        match &self.0 {
            Inner::Real(thread) => thread.unpark(),
            Inner::Task(task) => {
                if let Some(hooks) = hooks() {
                    (hooks.wake)(*task);
                }
            }
        }
    }
}

/// Waits for a thread or task to end.
#[derive(Debug)]
pub struct JoinHandle<T> {
    thread: Thread,
    real: Option<std::thread::JoinHandle<T>>,
}

impl JoinHandle<()> {
    /// The thread.
    pub fn thread(&self) -> &Thread {
        &self.thread
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// What it panicked with.
    #[track_caller]
    pub fn join(self) -> std::thread::Result<()> {
        if let Some(real) = self.real {
            return real.join();
        }
        if let (Inner::Task(task), Some(hooks)) = (self.thread.0, hooks()) {
            while !(hooks.is_finished)(task) {
                (hooks.blocked)(Location::caller());
            }
        }
        Ok(())
    }
}

/// The running thread or task.
pub fn current() -> Thread {
    match hooks() {
        Some(hooks) => Thread(Inner::Task((hooks.task)())),
        None => Thread(Inner::Real(std::thread::current())),
    }
}

/// Sleeps until woken, at most that long.
#[track_caller]
pub fn park_timeout(time: Duration) {
    match hooks() {
        Some(hooks) => (hooks.sleep)(Location::caller()),
        None => std::thread::park_timeout(time),
    }
}

/// Sleeps that long; a task, for as long as the scheduler likes.
pub fn sleep(time: Duration) {
    match hooks() {
        Some(hooks) => (hooks.point)(Point::Rest),
        None => std::thread::sleep(time),
    }
}

/// Starts a named thread or task.
///
/// # Errors
/// What the system says when it refuses another thread.
pub fn spawn_named<F>(name: &str, body: F) -> io::Result<JoinHandle<()>>
where
    F: FnOnce() + Send + 'static,
{
    super::refusal()?;
    if let Some(hooks) = hooks() {
        let task = (hooks.spawn)(name, Box::new(body));
        return Ok(JoinHandle { thread: Thread(Inner::Task(task)), real: None });
    }
    let real = std::thread::Builder::new().name(name.to_owned()).spawn(body)?;
    Ok(JoinHandle { thread: Thread(Inner::Real(real.thread().clone())), real: Some(real) })
}

/// Lets another thread or task run.
#[track_caller]
pub fn yield_now() {
    match hooks() {
        Some(hooks) => (hooks.blocked)(Location::caller()),
        None => std::thread::yield_now(),
    }
}

/// The task that runs on this thread, 0 without a scheduler.
#[inline]
pub fn task() -> u32 {
    hooks().map_or(0, |hooks| (hooks.task)())
}
