//! Why a run ended early. Every failure is one clear line for a person and one exit code for a script.
use std::fmt;
use std::path::Path;

/// What went wrong; the text says what and, where it can, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The arguments or the input cannot be used: exit code 2.
    Usage(String),
    /// The workload's own check found a wrong result: exit code 1.
    Check(String),
    /// The run could not be carried out, for example for lack of memory: exit code 1.
    Run(String),
}

impl Failure {
    /// What is wrong with the file at `path` in a line, counted from 1: one line of text, whatever it quotes.
    pub fn in_file(path: &Path, line: usize, problem: &str) -> Failure {
        let problem = problem.replace(char::is_control, " ");
        Failure::Usage(format!("{}:{line}: {problem}", path.display()))
    }

    /// The exit code that tells scripts what kind of failure it was.
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::Usage(_) => 2,
            Failure::Check(_) | Failure::Run(_) => 1,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(text) | Failure::Run(text) => f.write_str(text),
            Failure::Check(text) => write!(f, "check failed: {text}"),
        }
    }
}

impl std::error::Error for Failure {}

/// Fails the workload's check unless `actual` is what the computation must give.
pub fn expect_eq<T: PartialEq + fmt::Display>(what: &str, actual: T, expected: T) -> Result<(), Failure> {
    if actual == expected {
        Ok(())
    } else {
        Err(Failure::Check(format!("{what} is {actual}, must be {expected}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_result_is_a_failed_check_with_exit_code_1() {
        assert_eq!(expect_eq("nodes", 31, 31), Ok(()));
        let failure = expect_eq("nodes", 30, 31).unwrap_err();
        assert_eq!(failure.exit_code(), 1);
        assert_eq!(failure.to_string(), "check failed: nodes is 30, must be 31");
        assert_eq!(Failure::Usage("x".into()).exit_code(), 2);
    }

    #[test]
    fn what_is_quoted_from_a_file_starts_no_line_and_colours_none() {
        let failure = Failure::in_file(Path::new("a.tsv"), 3, "setting \u{1b}[31m\r is there twice");
        assert_eq!(failure, Failure::Usage("a.tsv:3: setting  [31m  is there twice".into()));
    }
}
