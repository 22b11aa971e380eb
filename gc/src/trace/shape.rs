//! Shapes: where the references of a type lie, known at compile time.
//!
//! The marker reads the words a shape names and calls `trace` only where a shape says [`Shape::Call`]. Everything here can be
//! evaluated by the compiler; nothing here touches an object.

/// Where the references in a value lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// Nowhere: there is nothing to scan.
    Leaf,
    /// In words at fixed places, each null or a reference.
    Words(Words),
    /// An array: a header, then elements that all have one shape.
    Rows(Rows),
    /// Only `trace` knows.
    Call,
}

/// Byte offsets of the reference words of a value; at most [`Words::MAX`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Words {
    offsets: [u16; Words::MAX],
    len: u8,
}

/// The layout of an array object. Its first word is the number of elements.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rows {
    /// Bytes before the first element.
    pub header: u32,
    /// Bytes from one element to the next.
    pub stride: u32,
    /// The reference words of an element; `None` if only `trace` knows them.
    pub words: Option<Words>,
}

impl Words {
    /// How many words a shape can name; a type with more is traced by a call.
    pub const MAX: usize = 12;

    const NONE: Words = Words { offsets: [0; Words::MAX], len: 0 };

    /// The offsets, in bytes from the start of the value.
    #[inline]
    pub const fn offsets(&self) -> &[u16] {
        self.offsets.split_at(self.len as usize).0
    }

    /// These words and one more; `None` if it does not fit.
    const fn and(mut self, offset: usize) -> Option<Words> {
        if self.len as usize == Words::MAX || offset > u16::MAX as usize {
            return None;
        }
        self.offsets[self.len as usize] = offset as u16;
        self.len += 1;
        Some(self)
    }
}

impl std::fmt::Debug for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.offsets().fmt(f)
    }
}

impl Shape {
    /// One reference word at the very start: what a thin `Gc` looks like.
    pub const WORD: Shape = Shape::Leaf.with_word(0);

    /// This shape with a field of shape `field` at `offset` added. What does not fit becomes [`Shape::Call`].
    ///
    /// ```
    /// use greyset::Shape;
    /// let shape = Shape::Leaf.with(0, Shape::Leaf).with(8, Shape::WORD).with(24, Shape::WORD);
    /// let Shape::Words(words) = shape else { panic!() };
    /// assert_eq!(words.offsets(), [8, 24]);
    /// assert_eq!(shape.with(32, Shape::Call), Shape::Call);
    /// ```
    #[must_use]
    pub const fn with(self, offset: usize, field: Shape) -> Shape {
        match field {
            Shape::Leaf => self,
            Shape::Words(words) => {
                let mut shape = self;
                let mut at = 0;
                while at < words.len as usize {
                    shape = shape.with_word(offset + words.offsets[at] as usize);
                    at += 1;
                }
                shape
            }
            Shape::Rows(_) | Shape::Call => Shape::Call,
        }
    }

    const fn with_word(self, offset: usize) -> Shape {
        let words = match self {
            Shape::Leaf => Words::NONE,
            Shape::Words(words) => words,
            Shape::Rows(_) | Shape::Call => return Shape::Call,
        };
        match words.and(offset) {
            Some(words) => Shape::Words(words),
            None => Shape::Call,
        }
    }

    /// The shape of `count` values in a row, `stride` bytes apart.
    #[must_use]
    pub const fn repeat(self, count: usize, stride: usize) -> Shape {
        if count == 0 || self.is_leaf() {
            return Shape::Leaf;
        }
        if count > Words::MAX {
            return Shape::Call;
        }
        let mut shape = Shape::Leaf;
        let mut at = 0;
        while at < count {
            shape = shape.with(at * stride, self);
            at += 1;
        }
        shape
    }

    /// The shape of a value that holds one of two others at a place that is not fixed: a leaf only if both are.
    #[must_use]
    pub const fn either(self, other: Shape) -> Shape {
        if self.is_leaf() && other.is_leaf() { Shape::Leaf } else { Shape::Call }
    }

    /// The shape of an array object with elements of this shape. Elements without size hold no reference whatever their shape says,
    /// and have no addresses by which the rest of an array could go on a stack.
    #[must_use]
    pub const fn rows(self, header: usize, stride: usize) -> Shape {
        if stride == 0 {
            return Shape::Leaf;
        }
        let words = match self {
            Shape::Leaf => return Shape::Leaf,
            Shape::Words(words) => Some(words),
            Shape::Rows(_) | Shape::Call => None,
        };
        assert!(
            header <= u32::MAX as usize && stride <= u32::MAX as usize,
            "elements of an array are too large"
        );
        Shape::Rows(Rows { header: header as u32, stride: stride as u32, words })
    }

    /// Is there nothing to scan?
    #[must_use]
    pub const fn is_leaf(self) -> bool {
        matches!(self, Shape::Leaf)
    }

    /// Is this a single reference word at offset 0?
    pub(crate) const fn is_one_word(self) -> bool {
        match self {
            Shape::Words(words) => words.len == 1 && words.offsets[0] == 0,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(shape: Shape) -> Vec<u16> {
        match shape {
            Shape::Words(words) => words.offsets().to_vec(),
            other => panic!("not words: {other:?}"),
        }
    }

    #[test]
    fn fields_add_their_words() {
        let pair = Shape::WORD.with(8, Shape::WORD);
        assert_eq!(offsets(Shape::Leaf.with(16, pair).with(40, Shape::WORD)), [16, 24, 40]);
    }

    #[test]
    fn thirteenth_word_needs_a_call() {
        let mut shape = Shape::Leaf;
        for at in 0..12 {
            shape = shape.with(at * 8, Shape::WORD);
        }
        assert_eq!(offsets(shape).len(), 12);
        assert_eq!(shape.with(96, Shape::Leaf), shape);
        assert_eq!(shape.with(96, Shape::WORD), Shape::Call);
    }

    #[test]
    fn far_word_needs_a_call() {
        assert_eq!(Shape::Leaf.with(65_536, Shape::WORD), Shape::Call);
        assert_eq!(offsets(Shape::Leaf.with(65_528, Shape::WORD)), [65_528]);
    }

    #[test]
    fn repeat_of_leaves_is_a_leaf_at_any_length() {
        assert_eq!(Shape::Leaf.repeat(usize::MAX, 8), Shape::Leaf);
        assert_eq!(Shape::WORD.repeat(0, 8), Shape::Leaf);
        assert_eq!(offsets(Shape::WORD.repeat(3, 16)), [0, 16, 32]);
        assert_eq!(Shape::WORD.repeat(13, 8), Shape::Call);
        assert_eq!(Shape::Call.repeat(1, 8), Shape::Call);
    }

    #[test]
    fn call_is_contagious_and_leaf_is_not() {
        assert_eq!(Shape::Call.with(8, Shape::Leaf), Shape::Call);
        assert_eq!(Shape::Call.with(8, Shape::WORD), Shape::Call);
        assert_eq!(Shape::Leaf.either(Shape::WORD), Shape::Call);
        assert_eq!(Shape::Leaf.either(Shape::Leaf), Shape::Leaf);
    }

    #[test]
    fn rows_keep_the_words_of_an_element() {
        assert_eq!(Shape::Leaf.rows(8, 4), Shape::Leaf);
        let Shape::Rows(rows) = Shape::WORD.rows(8, 16) else { panic!() };
        assert_eq!((rows.header, rows.stride), (8, 16));
        assert_eq!(rows.words.map(|w| w.offsets().to_vec()), Some(vec![0]));
        let Shape::Rows(rows) = Shape::Call.rows(8, 16) else { panic!() };
        assert_eq!(rows.words, None);
    }

    #[test]
    fn rows_without_size_are_leaves() {
        assert_eq!(Shape::Call.rows(8, 0), Shape::Leaf);
    }
}
