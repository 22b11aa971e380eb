use greyset::{Heap, Trace};

#[derive(Trace)]
#[repr(align(8192))]
struct Wide(u8);

fn main() {
    let heap = Heap::builder().build().unwrap();
    heap.mutator().enter(|m| {
        let _ = m.try_alloc(Wide(1));
    });
}
