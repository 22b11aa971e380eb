//! The table of settings: what each is called in a program and in the environment, and what may be written.
//!
//! Every error message takes its words from here, so that a setting is described in one place. It holds no values.

/// A setting of a heap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Setting {
    Gogc,
    MemoryLimit,
    HardLimit,
    Reserve,
    MinHeap,
    Workers,
    CpuShare,
    CpuLimit,
    Pacer,
    ReleaseCpu,
    Retain,
    AssistMax,
    Driver,
    HugePages,
    Watchdog,
    Trace,
    Verify,
    Zeal,
    Name,
}

/// One row of the table.
pub(crate) struct Row {
    pub(crate) setting: Setting,
    /// Name of the builder's method, and for [`HeapBuilder::set`](super::HeapBuilder::set).
    pub(crate) name: &'static str,
    /// Name of the environment variable; a heap's own name has none, since heaps share the environment.
    pub(crate) variable: Option<&'static str>,
    /// What may be written, as a phrase that follows "write".
    pub(crate) expected: &'static str,
}

macro_rules! rows {
    ($($setting:ident $name:literal $variable:expr, $expected:expr;)*) => {
        [$(Row { setting: Setting::$setting, name: $name, variable: $variable, expected: $expected }),*]
    };
}

/// All settings. The ranges named here are those that `check` enforces; a test compares the two.
pub(crate) static ROWS: [Row; 19] = rows! {
    Gogc "gogc" Some("GREYSET_GOGC"), "a percentage from 1 to 100000, or off";
    MemoryLimit "memory_limit" Some("GREYSET_MEMORY_LIMIT"), "a size from 1MiB to 16TiB, off or auto";
    HardLimit "hard_limit" Some("GREYSET_HARD_LIMIT"), "a size from 1MiB to 16TiB, or off";
    Reserve "reserve" Some("GREYSET_RESERVE"), "a size from 64MiB to 16TiB";
    MinHeap "min_heap" Some("GREYSET_MIN_HEAP"), "a size from 64KiB to 1TiB";
    Workers "workers" Some("GREYSET_WORKERS"), "a number of threads from 1 to 256";
    CpuShare "cpu_share" Some("GREYSET_CPU_SHARE"), "a percentage from 1 to 90";
    CpuLimit "cpu_limit" Some("GREYSET_CPU_LIMIT"), "a percentage from 1 to 99";
    Pacer "pacer" Some("GREYSET_PACER"), "greyset or reference";
    ReleaseCpu "release_cpu" Some("GREYSET_RELEASE_CPU"), "a percentage from 0 to 50";
    Retain "retain" Some("GREYSET_RETAIN"), "a duration from 1ms to 1h, or off";
    AssistMax "assist_max" Some("GREYSET_ASSIST_MAX"), "a duration from 1us to 1s";
    Driver "driver" Some("GREYSET_DRIVER"), "background, inline or stepping";
    HugePages "huge_pages" Some("GREYSET_HUGE_PAGES"), "off or advise";
    Watchdog "watchdog" Some("GREYSET_WATCHDOG"), "a duration from 1ms to 1h, or off";
    Trace "trace" Some("GREYSET_TRACE"), "0 or 1";
    Verify "verify" Some("GREYSET_VERIFY"), "0 or 1";
    Zeal "zeal" Some("GREYSET_ZEAL"), super::zeal::MODES;
    Name "name" None, "1 to 64 bytes without spaces or control characters";
};

impl Setting {
    /// The setting's row.
    pub(crate) fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }

    /// The setting's name in a program.
    pub(crate) fn name(self) -> &'static str {
        self.row().name
    }
}

/// The candidate whose spelling is nearest to `given`, the first one on a tie. Case does not count.
pub(crate) fn closest(given: &str, candidates: impl Iterator<Item = &'static str>) -> &'static str {
    let given = given.to_ascii_lowercase();
    candidates.min_by_key(|candidate| distance(&given, &candidate.to_ascii_lowercase())).unwrap_or("")
}

/// Edit distance: how many bytes must be put in, taken out or replaced (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let replace = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_in_the_order_of_the_enum() {
        for (i, row) in ROWS.iter().enumerate() {
            assert_eq!(row.setting as usize, i, "{}", row.name);
            assert_eq!(row.setting.row().name, row.name);
            if let Some(variable) = row.variable {
                assert_eq!(variable, format!("GREYSET_{}", row.name.to_ascii_uppercase()));
            }
        }
    }

    #[test]
    fn nearest_spelling() {
        let names = || ROWS.iter().map(|row| row.name);
        assert_eq!(closest("GCGO", names()), "gogc");
        assert_eq!(closest("memorylimit", names()), "memory_limit");
        assert_eq!(closest("hugepage", names()), "huge_pages");
        assert_eq!([distance("", "abc"), distance("kitten", "sitting"), distance("a", "a")], [3, 3, 0]);
    }
}
