//! `gc-bench scale`: what holds when everything is large: very many mutators, very many roots, a heap that fills the machine, a list
//! and an array without end. Each test has a heap and a thread of its own; it builds, collects the whole of it, proves that
//! everything is still there, and lets go.
mod array;
mod figures;
mod item;
mod list;
mod live;
mod mutators;
mod place;
mod roots;

use crate::bench::on_a_thread;
use crate::failure::Failure;
use crate::machine;
use crate::options::count;
use crate::output::emit;
use crate::units::{self, parse_size};
use figures::Figures;
use serde_json::{Map, Value};

/// Memory of the process itself, and room for a small heap to grow.
const BESIDE: u64 = 64 << 20;

/// Options of `scale`.
#[derive(clap::Args)]
pub struct Scale {
    /// What to build; everything if nothing is named.
    #[arg(value_enum, value_name = "WHAT")]
    what: Vec<What>,
    /// Part of every full size, in percent; a size that is given is taken as it is.
    #[arg(long, value_name = "P", default_value = "100", value_parser = percent)]
    part: f64,
    /// Mutators that are parked; 1000 in full.
    #[arg(long, value_name = "N", value_parser = count(1, 1_000_000))]
    mutators: Option<usize>,
    /// Roots; 10 million in full.
    #[arg(long, value_name = "N", value_parser = count(1, 1_000_000_000))]
    roots: Option<usize>,
    /// Live data; 12GiB in full.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    live: Option<u64>,
    /// Nodes of the list; 100 million in full.
    #[arg(long, value_name = "N", value_parser = count(1, 4_000_000_000))]
    nodes: Option<usize>,
    /// Size of the array; 1GiB in full.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    array: Option<u64>,
    /// Operations beside parked mutators and in live data; 500 thousand and 10 million in full.
    #[arg(long, value_name = "N", value_parser = count(1, 10_000_000_000))]
    ops: Option<usize>,
    /// One JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

/// What is large.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Mutators that are parked while one works.
    Mutators,
    /// Roots, each on an object of its own.
    Roots,
    /// Live data that operations change.
    Live,
    /// A list.
    List,
    /// An array.
    Array,
}

/// A test with its sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    Mutators { count: u64, ops: u64 },
    Roots { count: u64 },
    Live { bytes: u64, ops: u64 },
    List { nodes: u64 },
    Array { bytes: u64 },
}

impl Scale {
    /// Does the tests and prints what they found. A test that fails ends them; what was found before is printed.
    ///
    /// # Errors
    /// [`Failure::Usage`] for sizes that are too small to build or too large for this machine, before anything is built;
    /// [`Failure::Check`] if something is not what was built; [`Failure::Run`] if the heap refuses to build it.
    pub fn carry_out(&self) -> Result<(), Failure> {
        let plan = self.plan()?;
        let available = machine::available_memory();
        for (what, test) in &plan {
            fits(*what, *test, available)?;
        }
        let mut found = Vec::new();
        let mut failed = None;
        for (what, test) in plan {
            match on_a_thread(|| test.run()) {
                Ok(figures) => found.push((what, figures)),
                Err(failure) => {
                    failed = Some(failure);
                    break;
                }
            }
        }
        if !found.is_empty() {
            emit(&if self.json { json(&found) } else { figures::text(&found) })?;
        }
        failed.map_or(Ok(()), Err)
    }

    /// The tests, each once, in the order they were named. A size that none of them has is refused.
    fn plan(&self) -> Result<Vec<(What, Test)>, Failure> {
        let all = [What::Mutators, What::Roots, What::Live, What::List, What::Array];
        let named = if self.what.is_empty() { &all[..] } else { &self.what };
        let given = [
            (self.mutators.is_some(), &[What::Mutators][..], "--mutators"),
            (self.roots.is_some(), &[What::Roots], "--roots"),
            (self.live.is_some(), &[What::Live], "--live"),
            (self.nodes.is_some(), &[What::List], "--nodes"),
            (self.array.is_some(), &[What::Array], "--array"),
            (self.ops.is_some(), &[What::Mutators, What::Live], "--ops"),
        ];
        for (given, of, option) in given {
            if given && !of.iter().any(|what| named.contains(what)) {
                return Err(Failure::Usage(format!("{option} does nothing here: leave it out")));
            }
        }
        let mut plan: Vec<(What, Test)> = Vec::new();
        for &what in named {
            if plan.iter().all(|(planned, _)| *planned != what) {
                plan.push((what, self.test(what)?));
            }
        }
        Ok(plan)
    }

    fn test(&self, what: What) -> Result<Test, Failure> {
        let size =
            |given: Option<u64>, full: u64| given.unwrap_or((full as f64 * self.part / 100.0) as u64).max(1);
        let number = |given: Option<usize>, full| size(given.map(|n| n as u64), full);
        let test = match what {
            What::Mutators => Test::Mutators {
                count: number(self.mutators, mutators::FULL),
                ops: number(self.ops, mutators::FULL_OPS),
            },
            What::Roots => Test::Roots { count: number(self.roots, roots::FULL) },
            What::Live => {
                Test::Live { bytes: size(self.live, live::FULL), ops: number(self.ops, live::FULL_OPS) }
            }
            What::List => Test::List { nodes: number(self.nodes, list::FULL) },
            What::Array => Test::Array { bytes: size(self.array, array::FULL) },
        };
        let least = match test {
            Test::Live { bytes, .. } if bytes < live::TREE_BYTES => live::TREE_BYTES,
            Test::Array { bytes } if bytes < array::SLOT_BYTES => array::SLOT_BYTES,
            _ => return Ok(test),
        };
        Err(Failure::Usage(format!("{} must be at least {least} bytes", what.option())))
    }
}

/// Fails unless the machine has the memory that the test will need.
fn fits(what: What, test: Test, available: Option<u64>) -> Result<(), Failure> {
    let need = test.need();
    match available {
        Some(available) if available < need => Err(Failure::Usage(format!(
            "{} needs {} of memory and {} are available: give {} or --part something smaller",
            what.name(),
            units::bytes(need),
            units::bytes(available),
            what.option()
        ))),
        _ => Ok(()),
    }
}

impl What {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            What::Mutators => "mutators",
            What::Roots => "roots",
            What::Live => "live",
            What::List => "list",
            What::Array => "array",
        }
    }

    /// What there are many of.
    pub fn elements(self) -> &'static str {
        match self {
            What::Mutators => "mutators",
            What::Roots => "roots",
            What::Live => "objects",
            What::List => "nodes",
            What::Array => "slots",
        }
    }

    /// The option that makes it larger or smaller.
    fn option(self) -> &'static str {
        match self {
            What::Mutators => "--mutators",
            What::Roots => "--roots",
            What::Live => "--live",
            What::List => "--nodes",
            What::Array => "--array",
        }
    }
}

impl Test {
    fn run(self) -> Result<Figures, Failure> {
        match self {
            Test::Mutators { count, ops } => mutators::run(count, ops),
            Test::Roots { count } => roots::run(count),
            Test::Live { bytes, ops } => live::run(bytes, ops),
            Test::List { nodes } => list::run(nodes),
            Test::Array { bytes } => array::run(bytes),
        }
    }

    /// Bytes of memory that it will need, roughly.
    fn need(self) -> u64 {
        let bytes = match self {
            Test::Mutators { count, .. } => count.saturating_mul(mutators::MUTATOR_BYTES),
            Test::Roots { count } => count.saturating_mul(roots::ROOT_BYTES),
            Test::Live { bytes, .. } => live::need(bytes),
            Test::List { nodes } => nodes.saturating_mul(list::NODE_BYTES),
            Test::Array { bytes } => array::need(bytes),
        };
        bytes.saturating_add(BESIDE)
    }
}

/// One object with one for each test.
fn json(found: &[(What, Figures)]) -> String {
    let tests = found.iter().map(|(what, figures)| {
        // Strings, numbers and maps with string keys: there is nothing serde_json could refuse.
        (what.name().to_owned(), serde_json::to_value(figures).unwrap_or_default())
    });
    let mut line = Value::Object(tests.collect::<Map<_, _>>()).to_string();
    line.push('\n');
    line
}

/// A percentage above zero, 100 at most.
fn percent(text: &str) -> Result<f64, String> {
    let part = text.parse().ok().filter(|part| *part > 0.0 && *part <= 100.0);
    part.ok_or_else(|| "not a percentage above 0, 100 at most".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(what: &[What]) -> Scale {
        Scale {
            what: what.to_vec(),
            part: 100.0,
            mutators: None,
            roots: None,
            live: None,
            nodes: None,
            array: None,
            ops: None,
            json: false,
        }
    }

    #[test]
    fn everything_in_full_is_what_was_asked_for() {
        let plan = scale(&[]).plan().expect("a plan");
        let tests = [
            (What::Mutators, Test::Mutators { count: 1000, ops: 500_000 }),
            (What::Roots, Test::Roots { count: 10_000_000 }),
            (What::Live, Test::Live { bytes: 12 << 30, ops: 10_000_000 }),
            (What::List, Test::List { nodes: 100_000_000 }),
            (What::Array, Test::Array { bytes: 1 << 30 }),
        ];
        assert_eq!(plan, tests);
        // The largest fits a machine of 24 GiB.
        assert!(plan.iter().all(|(what, test)| fits(*what, *test, Some(22 << 30)).is_ok()));
    }

    #[test]
    fn a_part_of_each_size_but_of_those_that_are_given() {
        let named = Scale {
            part: 0.1,
            nodes: Some(7),
            ..scale(&[What::List, What::Roots, What::List, What::Mutators])
        };
        let tests = [
            (What::List, Test::List { nodes: 7 }),
            (What::Roots, Test::Roots { count: 10_000 }),
            (What::Mutators, Test::Mutators { count: 1, ops: 500 }),
        ];
        assert_eq!(named.plan().expect("a plan"), tests);
        assert_eq!((percent("0.5"), percent("100")), (Ok(0.5), Ok(100.0)));
        assert!(["0", "-1", "101", "NaN", "half", ""].iter().all(|text| percent(text).is_err()));
    }

    #[test]
    fn a_size_of_nothing_that_is_built_is_refused() {
        let odd = Scale { nodes: Some(7), ..scale(&[What::Roots]) };
        let text = "--nodes does nothing here: leave it out";
        assert_eq!(odd.plan(), Err(Failure::Usage(text.to_owned())));
        assert!(Scale { ops: Some(7), ..scale(&[What::Roots]) }.plan().is_err());
        assert!(Scale { ops: Some(7), ..scale(&[What::Live, What::Roots]) }.plan().is_ok());
    }

    #[test]
    fn what_does_not_fit_is_refused_with_what_makes_it_smaller() {
        let test = Test::Live { bytes: 12 << 30, ops: 1 };
        assert_eq!(fits(What::Live, test, None), Ok(()));
        let text = "live needs 18.1 GiB of memory and 4.0 GiB are available: give --live or --part something smaller";
        assert_eq!(fits(What::Live, test, Some(4 << 30)), Err(Failure::Usage(text.to_owned())));
    }
}
