//! The memory managers to compare with, and how each is called.
use crate::compare::program::Program;
use crate::compare::toolchain::Toolchain;
use std::fmt;

/// The languages that peers are written in.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Language {
    /// `Box`, `Rc`, bumpalo, gc-arena, boa_gc and dumpster.
    Rust,
    /// Go's collector.
    Go,
    /// The collectors of the Java virtual machine.
    Jvm,
    /// OCaml's collector.
    Ocaml,
    /// The Boehm-Demers-Weiser collector, from C.
    Boehm,
}

/// A memory manager, set up in one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    /// A Rust program: its global allocator, and what it takes its objects from (`--memory`).
    Rust(&'static str, &'static str),
    /// Go with GOGC 100.
    Go,
    /// A collector of the JVM as it comes, or in a heap of so many MiB.
    Jvm(&'static str, Option<u32>),
    /// OCaml as it comes.
    Ocaml,
    /// Boehm's collector as it comes.
    Boehm,
}

impl Manager {
    /// What it is written in.
    pub fn language(self) -> Language {
        match self {
            Manager::Rust(..) => Language::Rust,
            Manager::Go => Language::Go,
            Manager::Jvm(..) => Language::Jvm,
            Manager::Ocaml => Language::Ocaml,
            Manager::Boehm => Language::Boehm,
        }
    }

    /// Is there to be a run of greyset in as much memory? Only beside a collector that has been told how much memory to
    /// use, or whose default is a growth in percent as here.
    pub fn is_matched(self) -> bool {
        matches!(self, Manager::Go | Manager::Jvm(_, Some(_)) | Manager::Ocaml | Manager::Boehm)
    }

    /// The program that does `workload` with it.
    pub fn program(self, toolchain: &Toolchain, workload: &str, options: &[&str]) -> Program {
        let (command, before, after) = self.command(toolchain, workload);
        let options = options.iter().map(|option| (*option).to_owned());
        let args = before.into_iter().chain(options).chain(after).collect();
        Program { label: self.label(&toolchain.version), command, args }
    }

    /// The executable, and the arguments before and behind the workload's own.
    fn command(
        self,
        toolchain: &Toolchain,
        workload: &str,
    ) -> (std::path::PathBuf, Vec<String>, Vec<String>) {
        let folder = &toolchain.folder;
        match self {
            Manager::Rust(allocator, memory) => (
                folder.join("release").join(allocator),
                vec![workload.to_owned()],
                vec!["--memory".to_owned(), memory.to_owned()],
            ),
            Manager::Go => (folder.join(workload), vec![], vec!["--gogc".to_owned(), "100".to_owned()]),
            Manager::Jvm(collector, mib) => {
                let heap = mib.map(|mib| format!("-Xmx{mib}m"));
                let chosen = std::iter::once(collector_flag(collector));
                let classes = ["-cp".to_owned(), folder.display().to_string(), class(workload)];
                (toolchain.runner.clone(), chosen.chain(heap).chain(classes).collect(), vec![])
            }
            Manager::Ocaml | Manager::Boehm => (folder.join(workload), vec![], vec![]),
        }
    }

    /// Its name in tables, with the version of what it comes with.
    fn label(self, version: &str) -> String {
        match self {
            Manager::Rust(allocator, "box") => format!("Box, {allocator}"),
            Manager::Rust(_, "rc") => "Rc, mimalloc".to_owned(),
            Manager::Rust(_, "atomic") => "atomic words".to_owned(),
            Manager::Rust(_, "thread") => "threads".to_owned(),
            Manager::Rust(_, memory) => memory.to_owned(),
            Manager::Go => format!("{version}, GOGC 100"),
            Manager::Jvm(collector, None) => format!("{version} {collector}"),
            Manager::Jvm(collector, Some(mib)) => format!("{version} {collector}, -Xmx{mib}m"),
            Manager::Ocaml | Manager::Boehm => version.to_owned(),
        }
    }
}

/// The flag of the JVM that chooses a collector.
pub fn collector_flag(collector: &str) -> String {
    format!("-XX:+Use{collector}GC")
}

/// `binary-trees` is in the class `BinaryTrees`.
fn class(workload: &str) -> String {
    match workload {
        "binary-trees" => "BinaryTrees",
        "gcbench" => "GcBench",
        "churn" => "Churn",
        _ => "Queue",
    }
    .to_owned()
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Language::Rust => "Rust",
            Language::Go => "Go",
            Language::Jvm => "JVM",
            Language::Ocaml => "OCaml",
            Language::Boehm => "Boehm",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_called_as_they_want_it() {
        let toolchain = |version: &str| Toolchain {
            folder: "/peers".into(),
            runner: "/jdk/bin/java".into(),
            version: version.to_owned(),
        };
        let shown = |manager: Manager, version: &str| {
            let program = manager.program(&toolchain(version), "binary-trees", &["--depth", "9"]);
            format!("{}: {} {}", program.label, program.command.display(), program.args.join(" "))
        };
        assert_eq!(
            shown(Manager::Rust("jemalloc", "box"), "rustc 1.95.0"),
            "Box, jemalloc: /peers/release/jemalloc binary-trees --depth 9 --memory box"
        );
        assert_eq!(
            shown(Manager::Go, "Go 1.25"),
            "Go 1.25, GOGC 100: /peers/binary-trees --depth 9 --gogc 100"
        );
        assert_eq!(
            shown(Manager::Jvm("G1", Some(64)), "JVM 25"),
            "JVM 25 G1, -Xmx64m: /jdk/bin/java -XX:+UseG1GC -Xmx64m -cp /peers BinaryTrees --depth 9"
        );
        assert_eq!(shown(Manager::Ocaml, "OCaml 5.2"), "OCaml 5.2: /peers/binary-trees --depth 9");
    }
}
