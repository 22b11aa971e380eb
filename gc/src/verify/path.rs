//! The shortest path from a root to an object: who holds it, and in which word.
//!
//! The walk of the verifier goes breadth first and remembers who led to each object; here that becomes a list of links. The
//! word of each link is looked for only now, in the objects of one path.

use greyset_alloc::Space;
use std::collections::HashMap;
use std::fmt;

/// The bits of a word that say where it points, whatever tag is beside them.
const POINTER: usize = 0x0000_ffff_ffff_fff8;
/// Links shown at most: of a longer path the end, which leads to the object.
const MOST: usize = 32;

/// Who led the walk to an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Holder {
    /// A root.
    Root,
    /// A window that was open, as a simulator told.
    Window,
    /// The object at this address.
    Object(usize),
}

/// An object of a path, and the word through which the one before it refers to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PathLink {
    /// Type of the object.
    pub name: String,
    /// Its address.
    pub addr: usize,
    /// Offset in bytes of that word in the object before; `None` in the first link, and if the reference lies in memory
    /// which that object owns outside of the heap.
    pub slot: Option<usize>,
}

/// A path of objects, each referred to by the one before it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeapPath {
    /// Who refers to the first; an object only if the path was longer than is told.
    pub from: Holder,
    /// The objects; the last is the one the path leads to.
    pub links: Vec<PathLink>,
}

impl HeapPath {
    /// The path to `addr`, which `from` refers to, by what `came` says of each object before it.
    pub(super) fn find(
        space: &Space,
        came: &HashMap<usize, Holder>,
        mut from: Holder,
        addr: usize,
    ) -> HeapPath {
        let mut links = vec![PathLink { name: name(space, addr), addr, slot: None }];
        while let (Holder::Object(holder), Some(last)) = (from, links.last_mut()) {
            last.slot = word(space, holder, last.addr);
            if links.len() == MOST {
                break;
            }
            links.push(PathLink { name: name(space, holder), addr: holder, slot: None });
            from = came.get(&holder).copied().unwrap_or(Holder::Root);
        }
        links.reverse();
        HeapPath { from, links }
    }

    /// The object that refers to the last one; `None` if that is a root or a window.
    pub fn holder(&self) -> Option<&PathLink> {
        self.links.len().checked_sub(2).map(|at| &self.links[at])
    }

    /// Address of the word that refers to the last object, if it lies in an object.
    pub fn slot(&self) -> Option<usize> {
        let offset = self.links.last()?.slot?;
        Some(self.holder()?.addr + offset)
    }
}

impl fmt::Display for HeapPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.from {
            Holder::Root => write!(f, "  a root")?,
            Holder::Window => write!(f, "  an open window")?,
            Holder::Object(_) => write!(f, "  …")?,
        }
        for (depth, PathLink { name, addr, slot }) in self.links.iter().enumerate() {
            match slot {
                Some(offset) => write!(f, ", whose word at offset {offset}")?,
                None if depth > 0 => write!(f, ", which, in memory of its own,")?,
                None => {}
            }
            write!(f, " holds\n  {name} at {addr:#x}")?;
        }
        writeln!(f)
    }
}

/// Type of the object at `addr`.
fn name(space: &Space, addr: usize) -> String {
    match space.object_base(addr) {
        Some((_, span)) => (span.info().name)().to_owned(),
        None if space.contains(addr) && space.page(addr).is_used() => {
            format!("freed slot of {}", (space.span_at(addr).info().name)())
        }
        None => "nothing".to_owned(),
    }
}

/// Offset of the word of the object at `holder` that refers to `addr`.
fn word(space: &Space, holder: usize, addr: usize) -> Option<usize> {
    let (base, span) = space.object_base(holder)?;
    let words = span.object_bytes() / size_of::<usize>();
    let object = std::ptr::with_exposed_provenance::<usize>(base);
    let at = (0..words).find(|&at| {
        // SAFETY: the word lies in the slot of an allocated object, which nobody frees while a verifier looks. It may not be
        // initialised, or be written meanwhile: it is compared with an address, once, and only when the heap is wrong.
        let word = unsafe { object.wrapping_add(at).read_volatile() };
        word & POINTER == addr & POINTER
    })?;
    Some(at * size_of::<usize>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(name: &str, addr: usize, slot: Option<usize>) -> PathLink {
        PathLink { name: name.to_owned(), addr, slot }
    }

    #[test]
    fn a_path_says_which_word_leads_on() {
        let links = vec![link("List", 0x40, None), link("Node", 0x80, Some(8)), link("Text", 0xc0, None)];
        let path = HeapPath { from: Holder::Root, links };
        assert_eq!(
            path.to_string(),
            "  a root holds\n  List at 0x40, whose word at offset 8 holds\n  Node at 0x80, which, in memory of its own, \
             holds\n  Text at 0xc0\n"
        );
        assert_eq!((path.holder().map(|link| link.addr), path.slot()), (Some(0x80), None));
        let shorter = HeapPath { from: Holder::Root, links: path.links[..2].to_vec() };
        assert_eq!(shorter.slot(), Some(0x48));
        let alone = HeapPath { from: Holder::Window, links: path.links[..1].to_vec() };
        assert_eq!((alone.holder(), alone.slot()), (None, None));
    }
}
