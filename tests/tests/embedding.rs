//! What docs/EMBEDDING.md quotes is there: excerpts of files word for word, messages of the compiler as recorded.
//!
//! (Its complete programs are doc-tests, in `src/lib.rs`.)

use std::path::{Path, PathBuf};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Lines without indentation, without what marks a gap.
fn pieces(excerpt: &[&str]) -> Vec<Vec<String>> {
    let pieces = excerpt.split(|line| line.trim() == "// ...");
    pieces.map(|piece| piece.iter().map(|line| line.trim().to_string()).collect()).collect()
}

/// Do the pieces stand in the file, each in one go, in this order?
fn check_excerpt(path: &str, excerpt: &[&str]) {
    let text = read(path);
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut from = 0;
    for piece in pieces(excerpt) {
        let at = lines[from..].windows(piece.len().max(1)).position(|window| window == piece);
        let Some(at) = at else {
            panic!("{path} has no longer, or not in this order:\n{}", piece.join("\n"))
        };
        from += at + piece.len();
    }
}

#[test]
fn excerpts_are_verbatim() {
    let text = read("docs/EMBEDDING.md");
    let lines: Vec<&str> = text.lines().collect();
    let mut checked = 0;
    for (at, line) in lines.iter().enumerate() {
        if line.trim() != "```rs" {
            continue;
        }
        let path = lines[at - 1].trim().trim_start_matches('`').trim_end_matches("`:");
        let end = lines[at..].iter().position(|line| line.trim() == "```").expect("the block ends");
        check_excerpt(path, &lines[at + 1..at + end]);
        checked += 1;
    }
    assert!(checked >= 10, "only {checked} excerpts found");
}

#[test]
fn mistakes_get_the_message_the_table_says() {
    let text = read("docs/EMBEDDING.md");
    let mut checked = 0;
    for row in text.lines().filter(|line| line.contains("](../tests/ui/")) {
        let cells: Vec<&str> = row.split(" | ").collect();
        let (_, path) = cells[0].split_once("](../").expect("a link");
        let path = path.trim_end_matches(')').replace(".rs", ".stderr");
        assert!(read(&path).contains(cells[1]), "{path} does not say: {}", cells[1]);
        checked += 1;
    }
    assert!(checked >= 15, "only {checked} rows found");
}
