//! What a document is made of in the heap. Lists, texts and member tables never change once made; the one thing that
//! does is which table of members an object has. So an edit makes a new table, and undoing it is one store.
use greyset::{Array, Gc, Mutator, Slot, Str, Trace};

/// Objects with more members than this have an index.
const INDEX_ABOVE: usize = 8;

/// A JSON value. Numbers stay as they are written.
#[derive(Clone, Copy, Trace)]
pub enum Value<'gc> {
    /// `null`
    Null,
    /// `true` and `false`
    Bool(bool),
    /// A number, as it is written.
    Number(Gc<'gc, Str<'gc>>),
    /// A string, without its escapes.
    Text(Gc<'gc, Str<'gc>>),
    /// A list.
    List(Gc<'gc, Array<'gc, Value<'gc>>>),
    /// An object.
    Object(Gc<'gc, Object<'gc>>),
}

/// An object: whatever members it has now.
#[derive(Trace)]
pub struct Object<'gc> {
    /// Never empty.
    pub members: Slot<'gc, Members<'gc>>,
}

/// A table of members in the order of the document, with an index by key when there are many.
#[derive(Trace)]
pub struct Members<'gc> {
    /// The members; no two have the same key.
    pub entries: Gc<'gc, Array<'gc, Member<'gc>>>,
    /// Open addressing: number of the entry plus one, 0 where free. A power of two long, at most half full.
    index: Option<Gc<'gc, Array<'gc, u32>>>,
}

/// A key and its value.
#[derive(Clone, Copy, Trace)]
pub struct Member<'gc> {
    /// The key.
    pub key: Gc<'gc, Str<'gc>>,
    /// The value.
    pub value: Value<'gc>,
}

/// A parsed document.
#[derive(Trace)]
pub struct Document<'gc> {
    /// The document's value.
    pub value: Value<'gc>,
    /// Every object in it, in the order in which they end.
    pub objects: Gc<'gc, Array<'gc, Gc<'gc, Object<'gc>>>>,
    /// The edits that have been made, the last one first.
    pub edits: Slot<'gc, Edit<'gc>>,
}

/// An edit that can be undone.
#[derive(Trace)]
pub struct Edit<'gc> {
    /// The object that was edited.
    pub object: Gc<'gc, Object<'gc>>,
    /// What it was before.
    pub before: Gc<'gc, Members<'gc>>,
    /// The edit before this one.
    pub earlier: Option<Gc<'gc, Edit<'gc>>>,
}

impl<'gc> Object<'gc> {
    /// The members the object has now.
    pub fn now(&self, m: &'gc Mutator) -> Option<Gc<'gc, Members<'gc>>> {
        self.members.load(m)
    }
}

impl<'gc> Members<'gc> {
    /// A table of these members, which must have different keys.
    pub fn new(m: &'gc Mutator, members: &[Member<'gc>]) -> Gc<'gc, Members<'gc>> {
        let mut index = KeyIndex::default();
        index.build(members.len(), |i| members[i].key.as_str());
        let entries = m.alloc_slice(members);
        m.alloc(Members { entries, index: index.into_heap(m) })
    }

    /// The number of the member with this key.
    pub fn find(&self, key: &str) -> Option<usize> {
        let entries = self.entries.as_slice();
        match &self.index {
            None => entries.iter().position(|member| member.key.as_str() == key),
            Some(index) => probe(index.as_slice(), key, |i| entries[i].key.as_str() == key).ok(),
        }
    }
}

/// An index under construction, outside the heap. Its memory is used again for the next one.
#[derive(Default)]
pub struct KeyIndex {
    table: Vec<u32>,
}

impl KeyIndex {
    /// Makes room for `n` keys, or for none if so few need no index.
    pub fn reset(&mut self, n: usize) {
        self.table.clear();
        if n > INDEX_ABOVE {
            self.table.resize((2 * n).next_power_of_two(), 0);
        }
    }

    /// Indexes the keys 0 to `n`, all different.
    pub fn build<'k>(&mut self, n: usize, key: impl Fn(usize) -> &'k str) {
        self.reset(n);
        for i in 0..n {
            self.insert(i, key(i), |_| false);
        }
    }

    /// Adds key number `i`, unless `is_equal` says that an earlier one is equal to it: then that one's number is
    /// returned. Without an index nothing is compared.
    pub fn insert(&mut self, i: usize, key: &str, is_equal: impl Fn(usize) -> bool) -> Option<usize> {
        if self.table.is_empty() {
            return None;
        }
        match probe(&self.table, key, is_equal) {
            Ok(earlier) => Some(earlier),
            Err(place) => {
                self.table[place] = i as u32 + 1;
                None
            }
        }
    }

    /// Is there an index?
    pub fn is_used(&self) -> bool {
        !self.table.is_empty()
    }

    /// The table as a heap array.
    pub fn into_heap<'gc>(&self, m: &'gc Mutator) -> Option<Gc<'gc, Array<'gc, u32>>> {
        self.is_used().then(|| m.alloc_slice(&self.table))
    }
}

/// The number of the entry that `is_equal`, or the free place where it would go.
fn probe(table: &[u32], key: &str, is_equal: impl Fn(usize) -> bool) -> Result<usize, usize> {
    let mask = table.len() - 1;
    let mut place = hash(key) as usize & mask;
    loop {
        match table[place] {
            0 => return Err(place),
            n if is_equal(n as usize - 1) => return Ok(n as usize - 1),
            _ => place = (place + 1) & mask,
        }
    }
}

/// FNV-1a.
fn hash(key: &str) -> u64 {
    let hash = key
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    hash ^ (hash >> 32)
}
