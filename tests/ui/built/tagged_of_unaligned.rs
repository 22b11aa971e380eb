use greyset::{Heap, Tagged};

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.mutator().enter(|m| {
        let _ = Tagged::object(m.alloc(7u32));
    });
}
