//! The types of objects that the shadow test makes, and uniform access to their edges.
//!
//! Every object knows its number and a checksum of it. Edges are numbered; they refer to objects of any type.

use super::model::{Edge, Kind};
use crate::log::{Log, Tattler, sum};
use greyset::{
    Array, Bytes, Erased, Gc, Lock, Mutator, Nan, NanView, Slot, Static, Str, Tagged, TaggedView, Trace,
    Weak, WeakMap, WordSlot,
};
use std::any::type_name;
use std::sync::Arc;

/// A reference to an object of any type.
pub type Any<'gc> = Gc<'gc, Erased<'gc>>;

/// Two changeable edges, one fixed, and tiny values.
#[derive(Trace)]
pub struct Node<'gc> {
    id: u64,
    sum: u64,
    left: Slot<'gc, Erased<'gc>>,
    right: Slot<'gc, Erased<'gc>>,
    fixed: Option<Any<'gc>>,
    tiny: (Slot<'gc, u64>, Slot<'gc, u32>, Slot<'gc, u8>),
}

/// Two one-word values.
#[derive(Trace)]
pub struct Cells<'gc> {
    id: u64,
    sum: u64,
    nan: WordSlot<'gc, Nan<'gc, Erased<'gc>>>,
    tagged: WordSlot<'gc, Tagged<'gc, Node<'gc>>>,
}

/// A list under a lock.
#[derive(Trace)]
pub struct Bag<'gc> {
    id: u64,
    sum: u64,
    /// The list.
    pub items: Lock<'gc, Vec<Any<'gc>>>,
}

/// A table of ephemerons.
#[derive(Trace)]
pub struct Table<'gc> {
    id: u64,
    sum: u64,
    /// The table.
    pub map: WeakMap<'gc, Erased<'gc>, Erased<'gc>>,
}

/// A weak handle in an object.
#[derive(Trace)]
pub struct Holder {
    id: u64,
    sum: u64,
    /// The handle.
    pub weak: Weak<Erased<'static>>,
}

/// An element of a [`Row`].
#[derive(Trace)]
pub struct Elem<'gc> {
    id: u64,
    slot: Slot<'gc, Erased<'gc>>,
}

/// An array of changeable edges.
pub type Row<'gc> = Array<'gc, Elem<'gc>>;
/// An array of one-word values; the first is the object's number.
pub type Words<'gc> = Array<'gc, WordSlot<'gc, Nan<'gc, Erased<'gc>>>>;
/// A leaf that says when it is dropped.
pub type Leaf = Static<Tattler>;
/// The same, too large for a small slot.
pub type Giant = Static<(Tattler, [u64; 5000])>;
/// An array of leaves that say when they are dropped.
pub type Crowd<'gc> = Array<'gc, Leaf>;

/// Elements of a large [`Row`]: more than 32 KiB.
pub const LARGE_ROW: usize = 2500;
/// Elements of [`Words`], large.
pub const LARGE_WORDS: usize = 4500;

/// A value of an edge.
#[derive(Clone, Copy)]
pub enum Val<'gc> {
    /// Nothing.
    Nil,
    /// A small number.
    Num(i32),
    /// An object.
    Ref(Any<'gc>),
}

impl<'gc> Val<'gc> {
    /// The object, if it is one.
    pub fn object(self) -> Option<Any<'gc>> {
        match self {
            Val::Ref(object) => Some(object),
            Val::Nil | Val::Num(_) => None,
        }
    }

    fn nan(self) -> Nan<'gc, Erased<'gc>> {
        match self {
            Val::Nil => Nan::nil(),
            Val::Num(n) => Nan::int(n),
            Val::Ref(object) => Nan::object(object),
        }
    }

    fn tagged(self, m: &'gc Mutator) -> Tagged<'gc, Node<'gc>> {
        match self {
            Val::Nil => Tagged::nil(),
            Val::Num(n) => Tagged::int(i64::from(n)).expect("fits"),
            Val::Ref(object) => Tagged::object(cast::<Node<'static>>(m, object)),
        }
    }

    fn of_nan(word: Nan<'gc, Erased<'gc>>) -> Val<'gc> {
        match word.view() {
            NanView::Nil => Val::Nil,
            NanView::Int(n) => Val::Num(n),
            NanView::Object(object) => Val::Ref(object),
            NanView::Float(_) | NanView::Bool(_) => panic!("nobody stored such a word"),
        }
    }

    fn of_tagged(word: Tagged<'gc, Node<'gc>>) -> Val<'gc> {
        match word.view() {
            TaggedView::Nil => Val::Nil,
            TaggedView::Int(n) => Val::Num(i32::try_from(n).expect("nobody stored a larger one")),
            TaggedView::Object(node) => Val::Ref(node.erase()),
            TaggedView::Bool(_) => panic!("nobody stored such a word"),
        }
    }
}

/// How an edge is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, arbitrary::Arbitrary)]
pub enum How {
    /// `store`
    Store,
    /// `swap`
    Swap,
    /// `compare_exchange`
    Exchange,
}

/// A way to get at an edge.
enum Place<'gc> {
    Slot(&'gc Slot<'gc, Erased<'gc>>),
    Nan(&'gc WordSlot<'gc, Nan<'gc, Erased<'gc>>>),
    Tagged(&'gc WordSlot<'gc, Tagged<'gc, Node<'gc>>>),
}

/// The object as an `F`; it must be one.
pub fn cast<'gc, F: greyset::Managed>(m: &'gc Mutator, object: Any<'gc>) -> Gc<'gc, F::At<'gc>> {
    object.downcast::<F>(m).unwrap_or_else(|| panic!("no {} at {object:p}", type_name::<F>()))
}

fn place<'gc>(m: &'gc Mutator, object: Any<'gc>, kind: Kind, edge: usize) -> Place<'gc> {
    match (kind, edge) {
        (Kind::Node, 0) => Place::Slot(&cast::<Node<'static>>(m, object).get().left),
        (Kind::Node, 1) => Place::Slot(&cast::<Node<'static>>(m, object).get().right),
        (Kind::Cells, 0) => Place::Nan(&cast::<Cells<'static>>(m, object).get().nan),
        (Kind::Cells, 1) => Place::Tagged(&cast::<Cells<'static>>(m, object).get().tagged),
        (Kind::Row(_), at) => Place::Slot(&cast::<Row<'static>>(m, object).as_slice()[at].slot),
        (Kind::Words(_), at) => Place::Nan(&cast::<Words<'static>>(m, object).as_slice()[at + 1]),
        _ => panic!("{kind:?} has no changeable edge {edge}"),
    }
}

/// What an edge holds.
pub fn load<'gc>(m: &'gc Mutator, object: Any<'gc>, kind: Kind, edge: usize) -> Val<'gc> {
    if kind == Kind::Node && edge == 2 {
        return cast::<Node<'static>>(m, object).get().fixed.map_or(Val::Nil, Val::Ref);
    }
    match place(m, object, kind, edge) {
        Place::Slot(slot) => slot.load(m).map_or(Val::Nil, Val::Ref),
        Place::Nan(word) => Val::of_nan(word.load(m)),
        Place::Tagged(word) => Val::of_tagged(word.load(m)),
    }
}

/// Writes an edge. Slots take a number as nothing.
pub fn store<'gc>(m: &'gc Mutator, object: Any<'gc>, kind: Kind, edge: usize, value: Val<'gc>, how: How) {
    match (place(m, object, kind, edge), how) {
        (Place::Slot(slot), How::Store) => slot.store(m, value.object()),
        (Place::Slot(slot), How::Swap) => drop(slot.swap(m, value.object())),
        (Place::Slot(slot), How::Exchange) => {
            assert!(slot.compare_exchange(m, slot.load(m), value.object()).is_ok());
        }
        (Place::Nan(word), How::Store) => word.store(m, value.nan()),
        (Place::Nan(word), How::Swap) => drop(word.swap(m, value.nan())),
        (Place::Nan(word), How::Exchange) => {
            assert!(word.compare_exchange(m, word.load(m), value.nan()).is_ok());
        }
        (Place::Tagged(word), How::Store) => word.store(m, value.tagged(m)),
        (Place::Tagged(word), How::Swap) => drop(word.swap(m, value.tagged(m))),
        (Place::Tagged(word), How::Exchange) => {
            assert!(word.compare_exchange(m, word.load(m), value.tagged(m)).is_ok());
        }
    }
}

/// Makes object `id` of a kind; `first`, `second` and `third` go where it has edges.
pub fn make<'gc>(m: &'gc Mutator, log: &Arc<Log>, kind: Kind, id: u64, edges: &[Val<'gc>; 3]) -> Any<'gc> {
    let sum = sum(id);
    let [first, second, third] = *edges;
    match kind {
        Kind::Node => {
            let tiny = |_: ()| (Slot::new(Some(m.alloc(sum))), Slot::new(Some(m.alloc(id as u32))));
            let ((a, b), c) = (tiny(()), Slot::new(Some(m.alloc(id as u8))));
            let (left, right) = (Slot::new(first.object()), Slot::new(second.object()));
            m.alloc(Node { id, sum, left, right, fixed: third.object(), tiny: (a, b, c) }).erase()
        }
        Kind::Cells => {
            let (nan, tagged) = (WordSlot::new(first.nan()), WordSlot::new(second.tagged(m)));
            m.alloc(Cells { id, sum, nan, tagged }).erase()
        }
        Kind::Bag => {
            let items = [first, second, third].into_iter().filter_map(Val::object).collect();
            m.alloc(Bag { id, sum, items: Lock::new(items) }).erase()
        }
        Kind::Table => m.alloc(Table { id, sum, map: WeakMap::new() }).erase(),
        Kind::Holder => {
            let weak = first.object().expect("a holder has a target").downgrade(m);
            m.alloc(Holder { id, sum, weak }).erase()
        }
        Kind::Row(len) => m
            .alloc_array(len, |at| Elem {
                id: id.wrapping_add(at as u64),
                slot: Slot::new(edges.get(at).and_then(|value| value.object())),
            })
            .erase(),
        Kind::Words(len) => m
            .alloc_array(len + 1, |at| {
                WordSlot::new(match at {
                    0 => Nan::int(id as i32),
                    _ => edges.get(at - 1).copied().unwrap_or(Val::Nil).nan(),
                })
            })
            .erase(),
        Kind::Leaf => m.alloc(Static(Tattler::new(id, 0, log))).erase(),
        Kind::Giant => m.alloc(Static((Tattler::new(id, 0, log), [sum; 5000]))).erase(),
        Kind::Crowd(len) => m.alloc_array(len, |at| Static(Tattler::new(id, at as u32, log))).erase(),
        Kind::Text => m.alloc(format!("{id}:{sum}")).erase(),
        Kind::Str => m.alloc_str(&format!("{id}:{sum}")).erase(),
        Kind::Bytes(len) => {
            let mut bytes = vec![id as u8; len];
            bytes[..8].copy_from_slice(&id.to_ne_bytes());
            m.alloc_bytes(&bytes).erase()
        }
    }
}

/// The number of an object, if all that does not change is as it was made. Costs the length of the object.
pub fn identify<'gc>(m: &'gc Mutator, object: Any<'gc>, kind: Kind) -> Option<u64> {
    let checked = |id: u64, found: u64| (found == sum(id)).then_some(id);
    match kind {
        Kind::Node => object.downcast::<Node<'static>>(m).and_then(|node| {
            let (a, b, c) = &node.get().tiny;
            let (a, b, c) = (a.load(m)?, b.load(m)?, c.load(m)?);
            let id = checked(node.id, node.sum)?;
            ((*a, *b, *c) == (node.sum, id as u32, id as u8)).then_some(id)
        }),
        Kind::Cells => object.downcast::<Cells<'static>>(m).and_then(|o| checked(o.id, o.sum)),
        Kind::Bag => object.downcast::<Bag<'static>>(m).and_then(|o| checked(o.id, o.sum)),
        Kind::Table => object.downcast::<Table<'static>>(m).and_then(|o| checked(o.id, o.sum)),
        Kind::Holder => object.downcast::<Holder>(m).and_then(|o| checked(o.id, o.sum)),
        Kind::Row(len) => object.downcast::<Row<'static>>(m).and_then(|row| {
            let id = row.first()?.id;
            let same = row.iter().enumerate().all(|(at, elem)| elem.id == id.wrapping_add(at as u64));
            (same && row.len() == len).then_some(id)
        }),
        Kind::Words(len) => object.downcast::<Words<'static>>(m).and_then(|words| {
            let NanView::Int(id) = words.first()?.load(m).view() else { return None };
            (words.len() == len + 1).then_some(id as u64)
        }),
        Kind::Leaf => object.downcast::<Leaf>(m).and_then(|o| checked(o.id, o.sum)),
        Kind::Giant => object.downcast::<Giant>(m).and_then(|o| {
            let (tattler, rest) = &o.get().0;
            rest.iter().all(|&word| word == tattler.sum).then_some(tattler.id)
        }),
        Kind::Crowd(len) => object.downcast::<Crowd<'static>>(m).and_then(|crowd| {
            let id = crowd.first()?.id;
            let same = crowd.iter().enumerate().all(|(at, t)| (t.id, t.part) == (id, at as u32));
            (same && crowd.len() == len).then_some(id)
        }),
        Kind::Text => object.downcast::<String>(m).and_then(|text| parse(&text)),
        Kind::Str => object.downcast::<Str<'static>>(m).and_then(|text| parse(text.as_str())),
        Kind::Bytes(len) => object.downcast::<Bytes<'static>>(m).and_then(|bytes| {
            let (start, rest) = bytes.as_slice().split_first_chunk::<8>()?;
            let id = u64::from_ne_bytes(*start);
            (bytes.len() == len && rest.iter().all(|&byte| byte == id as u8)).then_some(id)
        }),
    }
}

fn parse(text: &str) -> Option<u64> {
    let (id, found) = text.split_once(':')?;
    let id = id.parse().ok()?;
    (found.parse() == Ok(sum(id))).then_some(id)
}

/// Moves elements within an array of words.
pub fn copy_within<'gc>(m: &'gc Mutator, object: Any<'gc>, from: std::ops::Range<usize>, at: usize) {
    cast::<Words<'static>>(m, object).copy_within(m, from.start + 1..from.end + 1, at + 1);
}

/// Name of the type of a kind in a census.
pub fn census_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Node => type_name::<Node<'static>>(),
        Kind::Cells => type_name::<Cells<'static>>(),
        Kind::Bag => type_name::<Bag<'static>>(),
        Kind::Table => type_name::<Table<'static>>(),
        Kind::Holder => type_name::<Holder>(),
        Kind::Row(_) => type_name::<Row<'static>>(),
        Kind::Words(_) => type_name::<Words<'static>>(),
        Kind::Leaf => type_name::<Leaf>(),
        Kind::Giant => type_name::<Giant>(),
        Kind::Crowd(_) => type_name::<Crowd<'static>>(),
        Kind::Text => type_name::<String>(),
        Kind::Str => type_name::<Str<'static>>(),
        Kind::Bytes(_) => type_name::<Bytes<'static>>(),
    }
}

/// An interior pointer into a node, and what it shows.
pub fn interior<'gc>(m: &'gc Mutator, object: Any<'gc>) -> Gc<'gc, u64> {
    cast::<Node<'static>>(m, object).project(|node| &node.sum)
}

/// Whether the value of an edge is what the model says, by number.
pub fn same<'gc>(edge: Edge, value: Val<'gc>, number: impl Fn(Any<'gc>) -> Option<u64>) -> bool {
    match (edge, value) {
        (Edge::Nil, Val::Nil) => true,
        (Edge::Num(a), Val::Num(b)) => a == b,
        (Edge::Ref(id), Val::Ref(object)) => number(object) == Some(id),
        _ => false,
    }
}
