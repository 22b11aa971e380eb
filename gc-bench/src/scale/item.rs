//! A small object that tells whether it is the right one, for roots and the array.
use crate::failure::Failure;
use greyset::{Gc, Mutator, Trace};

/// 16 bytes without a reference: a number, and the same again so that damage shows.
#[derive(Trace)]
pub struct Item {
    number: u64,
    inverse: u64,
}

impl Item {
    /// The item of this number.
    ///
    /// # Errors
    /// [`Failure::Run`] in the heap's own words if there is no memory.
    pub fn make(m: &Mutator, number: u64) -> Result<Gc<'_, Item>, Failure> {
        m.try_alloc(Item { number, inverse: !number }).map_err(|e| Failure::Run(e.to_string()))
    }

    /// Whether it is the item of this number.
    pub fn is(&self, number: u64) -> bool {
        self.number == number && self.inverse == !number
    }
}
