//! An actor: a thread with a mutator of its own, doing one operation at a time when it is told to.

use super::exec::Window;
use super::ops::Act;
use super::world::{Checked, World};
use greyset::{Mutator, MutatorHandle};
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// The teller's end of an actor.
pub struct Actor {
    tell: Sender<Act>,
    answer: Receiver<Checked>,
    thread: Option<JoinHandle<()>>,
}

/// How a window ended.
enum End {
    Safepoint,
    Leave,
    Block,
    /// The teller is gone.
    Gone,
}

struct Link {
    number: usize,
    world: Arc<Mutex<World>>,
    told: Receiver<Act>,
    answer: Sender<Checked>,
}

impl Actor {
    /// Starts actor `number`; its mutator is attached when it is first told to do something in a window.
    pub fn start(number: usize, world: &Arc<Mutex<World>>) -> Actor {
        let (tell, told) = channel();
        let (answer, answers) = channel();
        let link = Link { number, world: Arc::clone(world), told, answer };
        let thread = std::thread::spawn(move || link.live());
        Actor { tell, answer: answers, thread: Some(thread) }
    }

    /// Tells it to do something and waits until it is done.
    ///
    /// # Errors
    /// What is wrong with the heap.
    ///
    /// # Panics
    /// As the actor did.
    pub fn tell(&mut self, act: Act) -> Checked {
        if self.tell.send(act).is_ok()
            && let Ok(answer) = self.answer.recv()
        {
            return answer;
        }
        match self.thread.take().map(JoinHandle::join) {
            Some(Err(panic)) => resume_unwind(panic),
            _ => unreachable!("an actor ends when nobody can tell it anything any more"),
        }
    }

    /// Lets the actor end: its window, if one is open, and its mutator with it.
    pub fn stop(self) {
        drop(self.tell);
        if let Some(Err(panic)) = self.thread.map(JoinHandle::join) {
            resume_unwind(panic);
        }
    }
}

impl Link {
    fn live(self) {
        let mut handle: Option<MutatorHandle> = None;
        while let Ok(act) = self.told.recv() {
            match act {
                Act::Safepoint | Act::Leave | Act::Block => {}
                Act::Detach => handle = None,
                act => {
                    let heap = self.world.lock().unwrap_or_else(PoisonError::into_inner).heap.clone();
                    let handle = handle.get_or_insert_with(|| heap.mutator_named("actor"));
                    drop(heap);
                    if handle.enter(|m| self.inside(m, act)) {
                        return;
                    }
                }
            }
            self.reply(Ok(()));
        }
    }

    fn reply(&self, answer: Checked) {
        // The teller may have given up because of a failure elsewhere.
        let _ = self.answer.send(answer);
    }

    /// Windows until it is told to leave; true if the teller is gone.
    fn inside(&self, m: &mut Mutator, first: Act) -> bool {
        let mut next = Some(first);
        loop {
            match self.window(m, next.take()) {
                End::Safepoint => {
                    m.safepoint();
                    self.reply(Ok(()));
                }
                End::Block => {
                    next = m.blocking(|| {
                        self.reply(Ok(()));
                        self.told.recv().ok()
                    });
                    match next {
                        None => return true,
                        Some(Act::Safepoint | Act::Block) => {
                            next = None;
                            self.reply(Ok(()));
                        }
                        Some(Act::Leave | Act::Detach) => return false,
                        Some(_) => {}
                    }
                }
                End::Leave => return false,
                End::Gone => return true,
            }
        }
    }

    /// One window.
    fn window(&self, m: &Mutator, mut first: Option<Act>) -> End {
        let mut window = Window::new(m, self.number);
        let end = loop {
            let Some(act) = first.take().or_else(|| self.told.recv().ok()) else { break End::Gone };
            match act {
                Act::Safepoint => break End::Safepoint,
                Act::Leave | Act::Detach => break End::Leave,
                Act::Block => break End::Block,
                act => {
                    let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
                    let done = window.run(&mut world, act);
                    drop(world);
                    self.reply(done);
                }
            }
        };
        drop(window);
        self.world.lock().unwrap_or_else(PoisonError::into_inner).window_ends(self.number);
        end
    }
}
