//! `queue`: a ring of messages. Each push allocates a message, puts it in the place of the oldest and so drops that
//! one, which is read once more to see that it is what was pushed. The heap is one large array and many leaves; what
//! counts is the latency of every push. With several mutators each has a ring of its own. An operation is one push.
use crate::bench::{Bench, Budget, Outcome};
use crate::failure::Failure;
use crate::latency::{OpTimes, merge};
use crate::options::count;
use greyset::{Array, Bytes, Mutator, Root, Slot};
use serde::Serialize;

/// Parameters.
#[derive(clap::Args, Clone, Debug, Serialize)]
pub struct Params {
    /// Messages that stay alive, in each ring.
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = count(1, 100_000_000))]
    pub window: usize,
    /// Messages to push, over all rings; 5 million unless --seconds is given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pushes: Option<u64>,
    /// Bytes in a message.
    #[arg(long, value_name = "B", default_value_t = 1024, value_parser = count(8, 1 << 24))]
    pub size: usize,
}

type Ring<'gc> = Array<'gc, Slot<'gc, Bytes<'gc>>>;

/// The next message of one ring: its number in front, then the same bytes in all.
pub struct Writer {
    text: Vec<u8>,
}

impl Writer {
    /// Messages of so many bytes.
    pub fn new(size: usize) -> Writer {
        Writer { text: (0..size).map(|i| i as u8).collect() }
    }

    /// The message of this number.
    pub fn message(&mut self, number: u64) -> &[u8] {
        self.text[..8].copy_from_slice(&number.to_le_bytes());
        &self.text
    }
}

/// The number of a message, if its first and last bytes are as they were written.
pub fn number_of(message: &[u8], size: usize) -> Option<u64> {
    let last_is_right = size == 8 || message.last() == Some(&((size - 1) as u8));
    let number = message.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    number.filter(|_| message.len() == size && last_is_right)
}

impl Params {
    /// Fills the rings, pushes, and checks every message that leaves a ring.
    pub fn run(&self, bench: &mut Bench) -> Result<Outcome, Failure> {
        let mutators = bench.mutators();
        let rings = bench.on_each(vec![(); mutators], |m, _, ()| Ok(self.fill(m)))?;
        bench.start();
        let budget = bench.budget(self.pushes, 5_000_000);
        let shares =
            bench.on_each(rings, |m, index, ring| self.push_all(m, &ring, budget.share(index, mutators)))?;
        bench.stop();
        let (pushes, times): (Vec<u64>, Vec<_>) = shares.into_iter().unzip();
        let ops = pushes.iter().sum();
        let check = format!("{ops} messages came out in order and whole");
        Ok(Outcome { ops, check, op_times: Some(merge(times)), notes: vec![] })
    }

    /// A full ring, of the messages numbered from 0.
    fn fill(&self, m: &mut Mutator) -> Root<Ring<'static>> {
        let ring = m.alloc_array(self.window, |_| Slot::<Bytes<'_>>::empty()).root(m);
        let mut writer = Writer::new(self.size);
        for i in 0..self.window {
            let message = m.alloc_bytes(writer.message(i as u64));
            ring.get(m)[i].store(m, Some(message));
            m.safepoint();
        }
        ring
    }

    fn push_all(
        &self,
        m: &mut Mutator,
        ring: &Root<Ring<'static>>,
        budget: Budget,
    ) -> Result<(u64, hdrhistogram::Histogram<u64>), Failure> {
        let mut writer = Writer::new(self.size);
        let mut times = OpTimes::start();
        let (mut pushed, mut at) = (0, 0);
        while pushed < budget.count() {
            let slot = &ring.get(m).as_slice()[at];
            let oldest = slot.load(m).and_then(|message| number_of(message.as_slice(), self.size));
            expect_message(oldest, pushed)?;
            slot.store(m, Some(m.alloc_bytes(writer.message(pushed + self.window as u64))));
            m.safepoint();
            pushed += 1;
            at = if at + 1 == self.window { 0 } else { at + 1 };
            if budget.is_over(times.lap()) {
                break;
            }
        }
        Ok((pushed, times.into_histogram()))
    }
}

/// Fails the check unless the message of this number came out of the ring.
pub fn expect_message(found: Option<u64>, number: u64) -> Result<(), Failure> {
    match found {
        Some(found) if found == number => Ok(()),
        Some(found) => Err(Failure::Check(format!("message {found} came out of the ring, must be {number}"))),
        None => Err(Failure::Check(format!("message {number} is damaged"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_or_wrong_message_is_seen() {
        for size in [8, 9, 1024] {
            let mut message = Writer::new(size).message(77).to_vec();
            assert_eq!(number_of(&message, size), Some(77));
            assert_eq!(number_of(&message[..size - 1], size), None);
            if size > 8 {
                message[size - 1] ^= 1;
                assert_eq!(number_of(&message, size), None);
            }
        }
        assert!(expect_message(Some(3), 3).is_ok());
        assert!(matches!(expect_message(Some(4), 3), Err(Failure::Check(_))));
        assert!(matches!(expect_message(None, 3), Err(Failure::Check(_))));
    }
}
