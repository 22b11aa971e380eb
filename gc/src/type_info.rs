//! A stand-in for `greyset_alloc::TypeInfo` until the allocator has it. Never used beside the real one.

/// What the allocator knows of a type.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct TypeInfo {
    pub(crate) name: fn() -> &'static str,
    /// Bytes of an object; 0 for variable length.
    pub(crate) size: usize,
    pub(crate) align: usize,
    pub(crate) drop: Option<unsafe fn(*mut u8)>,
    pub(crate) leaf: bool,
    /// For bin selection.
    pub(crate) hash: usize,
}
