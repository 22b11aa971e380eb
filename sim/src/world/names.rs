//! Names for addresses, and who is to blame: what the log of writes says about a lost object.

use super::{Kind, NUMBERS, Place, World, Write, with};
use crate::types::{Cell, Leaf, Node, ROW, Row, Table, WORDS, Words};
use std::fmt::Write as _;
use std::mem::offset_of;

/// Writes told of at most, the last ones.
const MOST: usize = 8;

/// The text with names in the place of its addresses: `node3`, and `node3.next` for a slot of it. 0 is none.
pub fn named(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("0x") {
        let digits = rest[at + 2..].find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len() - at - 2);
        let hex = &rest[at..at + 2 + digits];
        result.push_str(&rest[..at]);
        let addr = usize::from_str_radix(&hex[2..], 16).unwrap_or(0);
        result.push_str(with(|w| w.name_of(addr)).as_deref().unwrap_or(hex));
        rest = &rest[at + hex.len()..];
    }
    result + rest
}

/// As stories show what a place holds: an object by kind and number, or a number.
pub fn shown(value: u32) -> String {
    with(|w| w.label(value))
}

/// Whether a word is such a name.
pub fn is_name(word: &str) -> bool {
    let kinds = ["node", "leaf", "cell", "table", "row", "words"];
    kinds
        .iter()
        .any(|kind| word.strip_prefix(kind).is_some_and(|id| id.starts_with(|c: char| c.is_ascii_digit())))
}

/// What the log says of the object at `addr`: who wrote, or overwrote, the places that refer or referred to it, in which window
/// and mode.
pub fn blame(addr: usize) -> String {
    with(|w| {
        let Some(id) = w.object_at(addr) else { return String::new() };
        let mut told: Vec<(u32, String)> = Vec::new();
        for (at, holder) in w.objects.iter().enumerate() {
            let mut last: Vec<Write> = Vec::new();
            for &write in &holder.writes {
                let before =
                    last.iter().position(|last| last.place == write.place).map(|at| last.swap_remove(at));
                let over = before.is_some_and(|before| before.value == id) && write.place != Place::Row;
                if write.value == id || over {
                    told.push((write.turn, w.show_write(at as u32 + 1, write, over)));
                }
                last.push(write);
            }
        }
        told.sort_unstable();
        let mut text = format!("  {}:\n", w.label(id));
        for (_, line) in &told[told.len().saturating_sub(MOST)..] {
            let _ = writeln!(text, "    {line}");
        }
        text
    })
}

impl World {
    /// The object that lies at `addr` now: of those that were made there, the last.
    fn object_at(&self, addr: usize) -> Option<u32> {
        let inside = |at: usize, size: usize| (at..at + size).contains(&addr) && at != 0;
        let found = self.objects.iter().rposition(|object| inside(object.addr, size_of_kind(object.kind)));
        found.map(|at| at as u32 + 1)
    }

    fn label(&self, id: u32) -> String {
        if let Some(number) = id.checked_sub(NUMBERS) {
            return format!("the number {number}");
        }
        match id.checked_sub(1).and_then(|at| self.objects.get(at as usize)) {
            Some(object) => format!("{}{id}", format!("{:?}", object.kind).to_lowercase()),
            None => "none".to_owned(),
        }
    }

    fn name_of(&self, addr: usize) -> Option<String> {
        if addr == 0 {
            return Some("none".to_owned());
        }
        if let Some(id) = self.object_at(addr) {
            let object = &self.objects[id as usize - 1];
            let part = part(object.kind, addr - object.addr);
            return Some(format!("{}{part}", self.label(id)));
        }
        let header = size_of::<usize>();
        let slots = |at: usize| at..at + header + ROW * size_of::<usize>();
        let &(at, id) = self.arrays.iter().rfind(|array| slots(array.0).contains(&addr))?;
        let label = self.label(id);
        Some(match (addr - at).checked_sub(header) {
            Some(offset) => format!("{label}[{}]", offset / size_of::<usize>()),
            None => format!("{label}.slots"),
        })
    }

    fn show_write(&self, holder: u32, write: Write, over: bool) -> String {
        let place = match write.place {
            Place::A => ".next".to_owned(),
            Place::B => ".other".to_owned(),
            Place::Leaf => ".leaf".to_owned(),
            Place::Entry(i) | Place::Word(i) => format!("[{i}]"),
            Place::Row => "[..]".to_owned(),
            Place::Value(key) => format!("[{}]", self.label(key)),
        };
        let what = if over { "overwritten with" } else { "written:" };
        let who = if write.by == 0 { "the main thread".to_owned() } else { format!("mutator {}", write.by) };
        format!(
            "{}{place} {what} {} by {who} in its window {}, mode {}",
            self.label(holder),
            self.label(write.value),
            write.window,
            write.mode
        )
    }
}

fn size_of_kind(kind: Kind) -> usize {
    match kind {
        Kind::Node => size_of::<Node<'static>>(),
        Kind::Leaf => size_of::<Leaf>(),
        Kind::Cell => size_of::<Cell<'static>>(),
        Kind::Table => size_of::<Table<'static>>(),
        Kind::Row => size_of::<Row<'static>>(),
        Kind::Words => size_of::<Words<'static>>(),
    }
}

/// Name of the field at an offset; none for the object itself.
fn part(kind: Kind, offset: usize) -> &'static str {
    const { assert!(WORDS == 2, "each word has a name here") };
    let words = offset_of!(Words<'static>, slots);
    match (kind, offset) {
        (_, 0) => "",
        (Kind::Node, _) if offset == offset_of!(Node<'static>, a) => ".next",
        (Kind::Node, _) if offset == offset_of!(Node<'static>, b) => ".other",
        (Kind::Node, _) if offset == offset_of!(Node<'static>, leaf) => ".leaf",
        (Kind::Words, _) if offset == words => "[0]",
        (Kind::Words, _) if offset == words + size_of::<u64>() => "[1]",
        _ => ".inside",
    }
}
