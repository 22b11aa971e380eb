//! What the derive takes: every form of type, with and without lifetime and parameters.

#![forbid(unsafe_code)]
#![deny(warnings)]

use greyset::{Array, Erased, Gc, Heap, Lock, Nan, Root, Slot, Static, Trace, WordSlot};
use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Mutex;

#[derive(Trace)]
struct Unit;

#[derive(Trace, Clone, Copy)]
struct Point {
    x: f64,
    y: f64,
}

#[derive(Trace)]
struct Tuple<'heap>(u8, Gc<'heap, Point>, #[trace(skip)] Mutex<u8>);

/// Recursive through containers.
#[derive(Trace)]
enum Json<'gc> {
    Null,
    Number(f64),
    List(Vec<Json<'gc>>),
    Object { fields: HashMap<String, Json<'gc>>, parent: Option<Gc<'gc, Json<'gc>>> },
    Boxed(Box<Json<'gc>>),
}

#[derive(Trace)]
enum Never {}

#[derive(Trace)]
struct Pair<A, B = A>(A, B);

#[derive(Trace)]
struct List<'gc, T: Trace<'gc>> {
    value: T,
    next: Slot<'gc, List<'gc, T>>,
}

#[derive(Trace)]
struct Grid<'gc, T, const N: usize>
where
    T: Trace<'gc>,
{
    cells: [T; N],
    brand: PhantomData<&'gc ()>,
}

/// A parameter that is the same for all `'gc`.
#[derive(Trace)]
struct Native<F: Fn(f64) -> f64 + Send + Sync + 'static> {
    call: Static<F>,
    #[trace(skip)]
    spare: Option<F>,
}

trait Area<'gc>: Trace<'gc> {
    fn area(&self) -> f64;
}

impl<'gc> Area<'gc> for Point {
    fn area(&self) -> f64 {
        self.x * self.y
    }
}

#[derive(Trace)]
struct Everything<'gc> {
    shape: Gc<'gc, dyn Area<'gc>>,
    boxed: Box<dyn Area<'gc>>,
    registers: Gc<'gc, Array<'gc, WordSlot<'gc, Nan<'gc, Everything<'gc>>>>>,
    text: Gc<'gc, str>,
    any: Slot<'gc, Erased<'gc>>,
    table: Lock<'gc, HashMap<u64, Gc<'gc, Everything<'gc>>>>,
    kind: &'static str,
    result: Result<Gc<'gc, Unit>, Option<(u8, Gc<'gc, Never>)>>,
}

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.mutator().enter(|m| {
        let m = &*m;
        let point = m.alloc(Point { x: 2.0, y: 3.0 });
        let tuple = m.alloc(Tuple(1, point, Mutex::new(2)));
        assert_eq!(f64::from(tuple.0) + tuple.1.x + f64::from(*tuple.2.lock().unwrap()), 5.0);

        let list = m.alloc(List { value: Pair(point, 7_u64), next: Slot::empty() });
        let _: Root<List<'static, Pair<Gc<'static, Point>, u64>>> = list.root(m);
        let grid = m.alloc(Grid { cells: [point, point], brand: PhantomData });
        let _: Root<Grid<'static, Gc<'static, Point>, 2>> = grid.root(m);
        assert_eq!(list.value.1 as f64 + grid.cells[1].y, 10.0);
        assert!(list.next.load(m).is_none());

        let native = m.alloc(Native { call: Static(f64::sqrt), spare: None });
        assert_eq!(native.spare.unwrap_or(native.call.0)(9.0), 3.0);

        let json = m.alloc(Json::Object { fields: HashMap::new(), parent: None });
        let list = Json::List(vec![Json::Null, Json::Number(1.0), Json::Boxed(Box::new(Json::Null))]);
        let fields = HashMap::from([("list".to_owned(), list)]);
        let child = m.alloc(Json::Object { fields, parent: Some(json) });
        let Json::Object { fields, parent } = child.get() else { panic!() };
        assert!(parent.is_some() && matches!(&fields["list"], Json::List(items) if items.len() == 3));
        let Json::List(items) = &fields["list"] else { panic!() };
        assert!(matches!((&items[1], &items[2]), (Json::Number(one), Json::Boxed(_)) if *one == 1.0));

        let everything = m.alloc(Everything {
            shape: greyset::unsize!(point => dyn Area<'_>),
            boxed: Box::new(*point),
            registers: m.alloc_array(4, |_| WordSlot::default()),
            text: m.alloc_str("some text").wide(),
            any: Slot::new(Some(json.erase())),
            table: Lock::default(),
            kind: "kind",
            result: Ok(m.alloc(Unit)),
        });
        assert_eq!(everything.shape.area() + everything.boxed.area(), 12.0);
    });
}
