//! Texts from outside: settings, environments, JSON documents, Lisp programs, and what the laboratory reads: scenarios, recordings,
//! objectives. Each is either taken, and then means the same when it is written out and read again, or leads to numbers; or it is
//! refused with an error in words.

mod laboratory;
mod lisp;

use greyset::{ByteSize, Driver, Gogc, Heap, HugePages, Limit, MutatorHandle, Period};
use greyset_bench::workloads::json::{parse, print, source};
use std::cell::RefCell;
use std::ffi::OsString;
use std::fmt::{Debug, Display};
use std::os::unix::ffi::OsStringExt;
use std::str::FromStr;

/// Longest text, in bytes.
const MOST: usize = 4096;

/// The first byte says what the rest is.
///
/// # Panics
/// When a text is neither taken nor refused as it should be.
pub fn run(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let rest = &rest[..rest.len().min(MOST)];
    let text = std::str::from_utf8(rest);
    match (kind % 7, text) {
        (1, _) => environment(rest),
        (4, _) => laboratory::scenario(rest),
        (5, _) => laboratory::recording(rest),
        (0, Ok(text)) => settings(text),
        (2, Ok(text)) => json(text),
        (3, Ok(text)) => lisp::run(text),
        (_, Ok(text)) => laboratory::objective(text),
        (_, Err(_)) => {}
    }
}

/// `value` alone, or `name=value` for the builder.
fn settings(text: &str) {
    round_trip::<ByteSize>(text);
    round_trip::<Limit>(text);
    round_trip::<Period>(text);
    round_trip::<Gogc>(text);
    round_trip::<Driver>(text);
    round_trip::<HugePages>(text);
    if let Some((name, value)) = text.split_once('=') {
        let set = Heap::builder().set(name, value);
        if let Err(error) = set.and_then(|builder| builder.check_in([])) {
            says_what_to_do(&error);
        }
    }
}

fn round_trip<T: FromStr + Display + PartialEq + Debug>(text: &str)
where
    T::Err: Display + Debug,
{
    match text.parse::<T>() {
        Ok(value) => assert_eq!(value.to_string().parse::<T>().expect("what it prints it reads"), value),
        Err(error) => says_what_to_do(&error),
    }
}

fn says_what_to_do(error: &impl Display) {
    let text = error.to_string();
    assert!(text.contains(char::is_alphabetic) && text.len() < 6 * MOST + 1000, "{text}");
    assert!(!text.contains('\n'), "one line: {text}");
}

/// Lines of `NAME=value`, any bytes.
fn environment(bytes: &[u8]) {
    let variable = |line: &[u8]| {
        let at = line.iter().position(|&byte| byte == b'=')?;
        let of = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
        Some((of(&line[..at]), of(&line[at + 1..])))
    };
    let variables: Vec<_> = bytes.split(|&byte| byte == b'\n').filter_map(variable).collect();
    let ours = variables.iter().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"GREYSET_")).count();
    match Heap::builder().check_in(variables) {
        Ok(()) => {}
        Err(error) => {
            assert!(ours > 0, "{error}");
            says_what_to_do(&error);
        }
    }
}

thread_local! {
    static PARKED: RefCell<Option<MutatorHandle>> = const { RefCell::new(None) };
}

/// A heap with more in it is collected before the next input: within a window nothing can be, and the rest of 16 MiB is plenty for
/// a text of 4 KiB.
const LEFT_BEHIND: u64 = 4 << 20;

/// Runs `body` in a heap that serves one input after another.
fn in_a_heap<R>(body: impl FnOnce(&mut greyset::Mutator) -> R) -> R {
    let heap = || {
        Heap::builder()
            .ignore_environment()
            .driver(Driver::Inline)
            .hard_limit(16 << 20)
            .reserve(64 << 20)
            .build()
    };
    let parked = PARKED.take();
    let mut handle = parked.unwrap_or_else(|| heap().expect("a heap").mutator());
    let result = handle.enter(|m| {
        if m.heap().stats().heap_bytes > LEFT_BEHIND {
            m.collect();
        }
        body(m)
    });
    PARKED.set(Some(handle));
    result
}

/// What this parser takes `serde_json` takes, too, and writes the same way.
fn json(text: &str) {
    let written = in_a_heap(|m| {
        let document = parse::parse(m, text).map_err(|error| error.to_string())?;
        let mut out = String::new();
        print::print(m, &document, &mut out);
        Ok::<_, String>(out)
    });
    match (written, source::canonical(text)) {
        (Ok(ours), Ok(canonical)) => assert_eq!(ours, canonical),
        (Err(error), Err(_)) => says_what_to_do(&error),
        (Err(error), Ok(_)) => assert!(error.contains("nested more than"), "{error}: {text:?}"),
        (Ok(_), Err(error)) => panic!("{error:?}: {text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_after_an_input_that_left_none() {
        in_a_heap(|m| while m.try_alloc_array(512, |_| 0_u64).is_ok() {});
        json(r#"[1, {"a": [2, "three"]}]"#);
    }
}
