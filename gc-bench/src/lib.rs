//! The benchmark program of greyset as a library, so that the peer programs under `peers/rust` measure, check and
//! report with the same code.
//!
//! A run is: [`options`] make a heap, [`mod@bench`] puts mutators on it, one of the [`workloads`] does its work and proves
//! it right, [`report`] says what it cost. The [`tour`] runs all of them and [`page`] draws the result;
//! [`mod@compare`] runs them beside other memory managers; [`mod@scale`] asks what holds when everything is large. Only the public
//! interface of greyset is used here, so this is also what a program written by a user looks like.
#![forbid(unsafe_code)]

pub mod bench;
pub mod cli;
pub mod compare;
pub mod failure;
pub mod lab;
pub mod latency;
pub mod machine;
pub mod options;
pub mod output;
pub mod page;
pub mod report;
pub mod sampler;
pub mod scale;
pub mod tour;
pub mod units;
pub mod workloads;
pub mod xorshift;
