//! Which variable a name means.

use std::collections::HashMap;

/// A variable in scope.
#[derive(Clone, Copy)]
pub(super) struct Variable {
    /// How many procedures there are around the one it belongs to.
    pub level: usize,
    /// Its number in that procedure.
    pub index: u32,
    /// It can be used before it has a value.
    pub check: bool,
}

/// The variables in scope. Symbols are named by their addresses.
#[derive(Default)]
pub(super) struct Scope {
    /// For each symbol what it means, innermost last.
    meanings: HashMap<usize, Vec<Variable>>,
    /// The symbols in the order in which they came into scope.
    order: Vec<usize>,
}

impl Scope {
    /// How many variables are in scope.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// A variable comes into scope.
    pub(super) fn bind(&mut self, symbol: usize, variable: Variable) {
        self.meanings.entry(symbol).or_default().push(variable);
        self.order.push(symbol);
    }

    /// All but the first `len` variables go out of scope.
    pub(super) fn truncate(&mut self, len: usize) {
        for symbol in self.order.drain(len.min(self.order.len())..) {
            if let Some(meanings) = self.meanings.get_mut(&symbol) {
                meanings.pop();
            }
        }
    }

    /// What a symbol means; `None` for a global variable.
    pub(super) fn find(&self, symbol: usize) -> Option<Variable> {
        self.meanings.get(&symbol)?.last().copied()
    }
}
