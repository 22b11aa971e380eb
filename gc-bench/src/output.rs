//! What the program writes: standard output, and files with results.
//!
//! A result file is proven writable before anything runs, since it would be a pity to find out at the end, and it is replaced as a
//! whole when the result is there: what fails on the way leaves the file of an earlier run as it was.
use crate::failure::Failure;
use serde::Serialize;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Writes to standard output; a reader that has left is no error.
///
/// # Errors
/// [`Failure::Run`] for all else that keeps the text from getting there.
pub fn emit(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::Run(format!("cannot write to standard output: {e}")))
        }
        _ => Ok(()),
    }
}

/// A value as one line of JSON: of strings, numbers and maps with string keys, of which there is nothing that serde_json could refuse.
pub fn json_line(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default() + "\n"
}

/// A file that a result goes to.
#[derive(Debug)]
pub struct Output {
    /// As it was named.
    path: PathBuf,
    /// The file that will be replaced, and the one beside it that is written first. `None`: what is there is written into, since it
    /// is no file (a terminal, a pipe), or lies in a folder where none can be made.
    draft: Option<(PathBuf, PathBuf)>,
}

impl Output {
    /// The file at `path`, which must not be the one that is read.
    ///
    /// # Errors
    /// [`Failure::Usage`] when it cannot be written.
    pub fn open(path: &Path, read: Option<&Path>) -> Result<Output, Failure> {
        let refused = |e: io::Error| Failure::Usage(format!("cannot write {}: {e}", path.display()));
        if read.is_some_and(|read| is_same(path, read)) {
            return Err(Failure::Usage(format!("cannot write {}: it is what is read", path.display())));
        }
        let (target, exists) = match fs::metadata(path) {
            Ok(found) if found.is_dir() => return Err(refused(ErrorKind::IsADirectory.into())),
            Ok(found) if !found.is_file() || path.starts_with("/dev") => {
                return Ok(Output { path: path.to_owned(), draft: None });
            }
            Ok(_) => {
                OpenOptions::new().write(true).open(path).map_err(refused)?;
                (path.canonicalize().map_err(refused)?, true)
            }
            Err(e) if e.kind() == ErrorKind::NotFound => (path.to_owned(), false),
            Err(e) => return Err(refused(e)),
        };
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let draft = target.with_file_name(format!(".{name}.{}", std::process::id()));
        match File::create(&draft).and_then(|_| fs::remove_file(&draft)) {
            Ok(()) => Ok(Output { path: path.to_owned(), draft: Some((target, draft)) }),
            Err(_) if exists => Ok(Output { path: path.to_owned(), draft: None }),
            Err(e) => Err(refused(e)),
        }
    }

    /// Is it the same file as the other?
    pub fn is(&self, other: &Output) -> bool {
        self.path == other.path || is_same(&self.path, &other.path)
    }

    /// Where the result is to be written; [`Output::keep`] makes it the file.
    pub fn place(&self) -> &Path {
        self.draft.as_ref().map_or(&self.path, |(_, draft)| draft)
    }

    /// Writes the result.
    ///
    /// # Errors
    /// [`Failure::Run`]; what was there before is still there then, if it was a file.
    pub fn write(self, text: &str) -> Result<PathBuf, Failure> {
        fs::write(self.place(), text).map_err(|e| self.failed(&e))?;
        self.keep()
    }

    /// What has been written to [`Output::place`] becomes the file; returns its full path.
    ///
    /// # Errors
    /// [`Failure::Run`].
    pub fn keep(mut self) -> Result<PathBuf, Failure> {
        if let Some((target, draft)) = &self.draft {
            if let Ok(before) = fs::metadata(target) {
                // The mode of a file that is replaced stays, where that can be.
                let _ = fs::set_permissions(draft, before.permissions());
            }
            fs::rename(draft, target).map_err(|e| self.failed(&e))?;
        }
        self.draft = None;
        Ok(self.path.canonicalize().unwrap_or_else(|_| self.path.clone()))
    }

    /// The failure that this error is.
    pub fn failed(&self, error: &dyn std::fmt::Display) -> Failure {
        Failure::Run(format!("cannot write {}: {error}", self.path.display()))
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Some((_, draft)) = &self.draft {
            // Mostly there is none.
            let _ = fs::remove_file(draft);
        }
    }
}

fn is_same(a: &Path, b: &Path) -> bool {
    let [a, b] = [a, b].map(|path| path.canonicalize().ok());
    a.is_some() && a == b
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of a test's own, removed at its end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let path = std::env::temp_dir().join(format!("gc-bench-output-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).expect("a folder");
            Folder(path)
        }

        fn names(&self) -> usize {
            fs::read_dir(&self.0).expect("a folder").count()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_file_is_replaced_when_the_result_is_there_and_not_before() {
        let folder = Folder::new("replaced");
        let (file, link) = (folder.0.join("result"), folder.0.join("link"));
        fs::write(&file, "before").expect("written");
        std::os::unix::fs::symlink(&file, &link).expect("a link");
        let output = Output::open(&link, None).expect("it can be written");
        fs::write(output.place(), "half of").expect("written");
        drop(output);
        assert_eq!((fs::read_to_string(&file).expect("read").as_str(), folder.names()), ("before", 2));
        let output = Output::open(&link, None).expect("it can be written");
        assert_eq!(output.write("after"), Ok(file.canonicalize().expect("a path")));
        assert_eq!((fs::read_to_string(&file).expect("read").as_str(), folder.names()), ("after", 2));
        assert!(fs::symlink_metadata(&link).expect("a link").is_symlink());
    }

    #[test]
    fn what_cannot_be_written_is_a_wrong_argument() {
        let folder = Folder::new("refused");
        let file = folder.0.join("input");
        fs::write(&file, "input").expect("written");
        for (path, read, says) in [
            (folder.0.as_path(), None, "is a directory"),
            (Path::new("/nowhere/at/all"), None, "No such file"),
            (&file, Some(file.as_path()), "it is what is read"),
        ] {
            let failure = Output::open(path, read).expect_err(says);
            assert!(matches!(&failure, Failure::Usage(text) if text.contains(says)), "{failure}");
        }
        let new = Output::open(&folder.0.join("new"), Some(&file)).expect("it can be written");
        assert!(!new.is(&Output::open(&file, None).expect("it can be written")));
        drop(new);
        assert_eq!(folder.names(), 1);
    }

    #[test]
    fn what_is_no_file_is_written_into() {
        let full = Output::open(Path::new("/dev/full"), None).expect("it can be opened");
        let failure = full.write("text").expect_err("full");
        assert!(failure.to_string().starts_with("cannot write /dev/full: No space"), "{failure}");
        assert!(Output::open(Path::new("/dev/null"), None).expect("it can be opened").write("text").is_ok());
    }
}
