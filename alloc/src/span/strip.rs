//! What is done with a colour strip: find a run, colour it, sweep it, count it.
//!
//! A strip is a slice of colour bytes, one a slot, a power of two and at least 16 long; bytes behind the last slot are
//! [`Colour::GUARD`], so no search needs to know how many slots there are. Everything here goes over 64 slots at a time as
//! bit masks. Nothing here knows spans or owners: *who may* do this to a strip is the span's business.

use super::chunk::{self, BLOCK, CHUNK, Chunk};
use crate::colour::Colour;
use greyset_sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::ops::Range;

/// Slots that one mask covers.
const WORD: usize = BLOCK;

/// For each colour, a mask of the slots of word `word` that have it. Slots behind the strip's end have none.
#[inline(always)]
fn masks<const N: usize>(strip: &[AtomicU8], word: usize, colours: [Colour; N]) -> [u64; N] {
    let mut found = [0; N];
    let mut add = |at: usize, bytes: &[AtomicU8; CHUNK]| {
        let chunk = Chunk::load(bytes);
        for (mask, colour) in found.iter_mut().zip(colours) {
            *mask |= u64::from(chunk.mask(colour)) << (at * CHUNK);
        }
    };
    let rest = strip.get(word * WORD..).unwrap_or(&[]);
    match rest.first_chunk::<WORD>() {
        Some(whole) => {
            let (chunks, _) = whole.as_chunks::<CHUNK>();
            (0..WORD / CHUNK).for_each(|at| add(at, &chunks[at]));
        }
        None => rest.as_chunks::<CHUNK>().0.iter().enumerate().for_each(|(at, bytes)| add(at, bytes)),
    }
    found
}

#[inline(always)]
fn mask(strip: &[AtomicU8], word: usize, colour: Colour) -> u64 {
    let [mask] = masks(strip, word, [colour]);
    mask
}

/// How many masks cover the strip.
#[inline]
fn words(strip: &[AtomicU8]) -> usize {
    strip.len().div_ceil(WORD)
}

/// Finds the rows of Free slots of a strip one after the other, remembering the mask it has just looked at: only the owner
/// of a span takes Free slots, so what it saw stays true.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finder {
    /// Free slots of the word looked at last that have not been passed yet.
    free: u64,
    /// The word to look at next; the mask is of the one before.
    next_word: u32,
    /// Slots from this one on are known to be Free, without a look,
    known: u32,
    /// up to this one.
    known_end: u32,
}

impl Finder {
    /// Has passed nothing.
    pub(crate) const START: Finder = Finder { free: 0, next_word: 0, known: 0, known_end: 0 };

    /// Has passed nothing of a strip whose `slots` slots are all Free.
    pub(crate) const fn of_empty(slots: usize) -> Finder {
        Finder { free: 0, next_word: u32::MAX, known: 0, known_end: slots as u32 }
    }

    /// The next row of Free slots, cut to `most` slots; what is cut off is the next row.
    #[inline]
    pub(crate) fn next_run(&mut self, strip: &[AtomicU8], most: usize) -> Option<Range<usize>> {
        if self.known < self.known_end {
            let start = self.known as usize;
            let end = (self.known_end as usize).min(start + most);
            self.known = end as u32;
            return Some(start..end);
        }
        while self.free == 0 {
            if self.next_word as usize >= words(strip) {
                return None;
            }
            self.load(strip);
        }
        let in_word = self.free.trailing_zeros() as usize;
        let start = (self.next_word as usize - 1) * WORD + in_word;
        let mut len = (!(self.free >> in_word)).trailing_zeros() as usize;
        if in_word + len == WORD && len < most {
            // The row reaches the word's end: it may go on.
            self.free = 0;
            while len < most && (self.next_word as usize) < words(strip) {
                self.load(strip);
                let more = (!self.free).trailing_zeros() as usize;
                let take = more.min(most - len);
                len += take;
                self.pass(take);
                if more < WORD {
                    break;
                }
            }
        } else {
            len = len.min(most);
            self.pass(in_word + len);
        }
        Some(start..start + len)
    }

    /// Whether a Free slot is left.
    pub(crate) fn has_more(mut self, strip: &[AtomicU8]) -> bool {
        self.next_run(strip, 1).is_some()
    }

    #[inline]
    fn load(&mut self, strip: &[AtomicU8]) {
        self.free = mask(strip, self.next_word as usize, Colour::FREE);
        self.next_word += 1;
    }

    /// Passes the first `slots` slots of the word.
    #[inline]
    fn pass(&mut self, slots: usize) {
        self.free &= u64::MAX.checked_shl(slots as u32).unwrap_or(0);
    }
}

/// Stores `byte` into every byte of `strip`.
pub(crate) fn fill(strip: &[AtomicU8], byte: u8) {
    let (blocks, rest) = strip.as_chunks::<BLOCK>();
    for bytes in blocks {
        chunk::store_block(bytes, byte);
    }
    let (chunks, rest) = rest.as_chunks::<CHUNK>();
    for bytes in chunks {
        chunk::store(bytes, byte);
    }
    match strip.last_chunk::<CHUNK>() {
        // The last sixteen again rather than the rest one by one.
        Some(last) if !rest.is_empty() => chunk::store(last, byte),
        Some(_) => {}
        None => strip.iter().for_each(|to| to.store(byte, Relaxed)),
    }
}

/// Makes a fresh strip: `slots` Free bytes, the others [`Colour::GUARD`].
pub(crate) fn init(strip: &[AtomicU8], slots: usize) {
    fill(&strip[..slots], Colour::FREE.byte());
    fill(&strip[slots..], Colour::GUARD.byte());
}

/// What a sweep found.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Swept {
    /// Slots that stay.
    pub(crate) live: usize,
    /// Slots that were white and are Free now.
    pub(crate) freed: usize,
    /// Slots kept from reuse ([`Colour::QUARANTINE`]).
    pub(crate) held: usize,
}

/// Turns white into Free and counts the others. Writes no byte of a slot that stays, so a flag that its owner sets
/// meanwhile is not lost. Where no slot stays and `reused` is false, the colours may stay as they are: nobody will look.
pub(crate) fn sweep(strip: &[AtomicU8], white: Colour, reused: bool) -> Swept {
    // Most spans of most programs are dead from the first slot on; as long as that goes on nothing has to be told apart.
    let (blocks, _) = strip.as_chunks::<BLOCK>();
    let dead_words = blocks.iter().take_while(|block| chunk::all_have(block, white)).count();
    let dead = dead_words * WORD;
    let mut swept = Swept { freed: dead, ..Swept::default() };
    for word in dead_words..words(strip) {
        let [mut dead, live] = masks(strip, word, [white, white.other()]);
        swept.live += live.count_ones() as usize;
        swept.freed += dead.count_ones() as usize;
        let bytes = &strip[word * WORD..strip.len().min(word * WORD + WORD)];
        for chunk in bytes.as_chunks::<CHUNK>().0 {
            let mut here = dead as u16;
            dead >>= CHUNK;
            if here == !0 {
                chunk::store(chunk, Colour::FREE.byte());
                continue;
            }
            while here != 0 {
                chunk[here.trailing_zeros() as usize].store(Colour::FREE.byte(), Relaxed);
                here &= here - 1;
            }
        }
    }
    if reused || swept.live > 0 {
        fill(&strip[..dead], Colour::FREE.byte());
    }
    swept
}

/// How many slots have this colour.
pub(crate) fn count(strip: &[AtomicU8], colour: Colour) -> usize {
    (0..words(strip)).map(|word| mask(strip, word, colour).count_ones() as usize).sum()
}

/// The slots that have this colour, ascending. Slots may change colour behind the iterator, not in front of it.
#[derive(Clone)]
pub(crate) struct Coloured<'a> {
    strip: &'a [AtomicU8],
    colour: Colour,
    word: usize,
    left: u64,
}

impl<'a> Coloured<'a> {
    pub(crate) fn new(strip: &'a [AtomicU8], colour: Colour) -> Coloured<'a> {
        Coloured { strip, colour, word: 0, left: mask(strip, 0, colour) }
    }
}

impl Iterator for Coloured<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        while self.left == 0 {
            self.word += 1;
            if self.word >= words(self.strip) {
                return None;
            }
            self.left = mask(self.strip, self.word, self.colour);
        }
        let slot = self.word * WORD + self.left.trailing_zeros() as usize;
        self.left &= self.left - 1;
        Some(slot)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn strip_of(bytes: &[u8]) -> Vec<AtomicU8> {
        bytes.iter().map(|&byte| AtomicU8::new(byte)).collect()
    }

    fn bytes_of(strip: &[AtomicU8]) -> Vec<u8> {
        strip.iter().map(|byte| byte.load(Relaxed)).collect()
    }

    /// Strips of most lengths, with rows of every length, and flags on what is not Free.
    fn strips() -> impl Strategy<Value = Vec<u8>> {
        let rows = prop::collection::vec((any::<u8>(), 1usize..200), 1..40);
        let of_rows = (4u32..=10, rows).prop_map(|(log, rows)| {
            let legal = |byte: u8| if byte & 1 == 0 { 0 } else { (byte & !3) | (1 + (byte >> 1 & 1)) };
            let bytes = rows.iter().flat_map(|&(byte, len)| std::iter::repeat_n(legal(byte), len));
            bytes.cycle().take(1 << log).collect()
        });
        prop_oneof![of_rows, speckled()]
    }

    fn speckled() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![3 => Just(0u8), 2 => any::<u8>().prop_filter("legal", |b| (1..=2).contains(&(b & 3)))];
        (4u32..=9, any::<u8>()).prop_flat_map(move |(log, _)| prop::collection::vec(byte.clone(), 1 << log))
    }

    proptest! {
        #[test]
        fn runs_are_found_as_a_loop_finds_them(bytes in strips(), most in 1usize..300) {
            let (strip, mut finder, mut from) = (strip_of(&bytes), Finder::START, 0);
            loop {
                let wanted = (from..bytes.len()).find(|&i| bytes[i] == 0).map(|start| {
                    let end = (start..bytes.len()).find(|&i| bytes[i] != 0).unwrap_or(bytes.len());
                    start..end.min(start + most)
                });
                prop_assert_eq!(finder.has_more(&strip), wanted.is_some());
                prop_assert_eq!(finder.next_run(&strip, most), wanted.clone());
                let Some(run) = wanted else { break };
                from = run.end;
            }
        }

        #[test]
        fn sweeping_frees_white_and_nothing_else(bytes in strips(), dead_words in 0usize..3, a_is_white: bool) {
            let white = if a_is_white { Colour::A } else { Colour::B };
            let dead = vec![white.byte(); dead_words * WORD];
            let bytes = [dead, bytes].concat();
            let strip = strip_of(&bytes);
            let dead: Vec<usize> = Coloured::new(&strip, white).collect();
            let wanted: Vec<usize> = (0..bytes.len()).filter(|&i| Colour::of(bytes[i]) == white).collect();
            prop_assert_eq!(&dead, &wanted);
            let swept = sweep(&strip, white, true);
            let after: Vec<u8> = bytes.iter().map(|&b| if Colour::of(b) == white { 0 } else { b }).collect();
            prop_assert_eq!(bytes_of(&strip), after);
            prop_assert_eq!(swept.freed, wanted.len());
            prop_assert_eq!(swept.live, count(&strip, white.other()));
            let given_up = strip_of(&bytes);
            prop_assert_eq!(sweep(&given_up, white, false), swept);
            prop_assert!(swept.live == 0 || bytes_of(&given_up) == bytes_of(&strip));
        }

        #[test]
        fn fill_stays_inside(len in 0usize..100, start in 0usize..20, byte: u8) {
            let strip = strip_of(&[7; 128]);
            fill(&strip[start..start + len], byte);
            let wanted: Vec<u8> = (0..128).map(|i| if (start..start + len).contains(&i) { byte } else { 7 }).collect();
            prop_assert_eq!(bytes_of(&strip), wanted);
        }
    }

    #[test]
    fn runs_of_an_empty_strip_need_no_look() {
        let guarded = strip_of(&[Colour::GUARD.byte(); 16]);
        let mut finder = Finder::of_empty(10);
        assert_eq!(finder.next_run(&guarded, 4), Some(0..4));
        assert!(finder.has_more(&guarded));
        assert_eq!(finder.next_run(&guarded, 100), Some(4..10));
        assert_eq!(finder.next_run(&guarded, 100), None);
    }

    #[test]
    fn a_fresh_strip_is_free_then_guarded() {
        let strip = strip_of(&[9; 32]);
        init(&strip, 20);
        let mut finder = Finder::START;
        assert_eq!(finder.next_run(&strip, 100), Some(0..20));
        assert_eq!(count(&strip, Colour::GUARD), 12);
        assert_eq!(finder.next_run(&strip, 100), None);
    }
}
