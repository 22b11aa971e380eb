//! The environment laid over what the program set: `GREYSET_…` variables.
//!
//! It never ignores a variable with that prefix: one it does not know, and one whose value cannot be read, end the build.
//! It reads the variables it is handed and never the process's own, so tests need not change those.

use super::builder::Values;
use super::check;
use super::setting::{ROWS, closest};
use crate::error::{ConfigError, Origin};
use std::ffi::OsString;

/// Name and value, as the system has them.
pub(crate) type Variable = (OsString, OsString);

const PREFIX: &str = "GREYSET_";

/// Reads every variable that begins with `GREYSET_` into `values`.
///
/// # Errors
/// [`ConfigError::UnknownVariable`] and [`ConfigError::Invalid`].
pub(crate) fn overlay(
    values: &mut Values,
    variables: impl Iterator<Item = Variable>,
) -> Result<(), ConfigError> {
    let mut ours: Vec<Variable> =
        variables.filter(|(name, _)| name.as_encoded_bytes().starts_with(PREFIX.as_bytes())).collect();
    ours.sort(); // The same environment always gives the same first error.
    for (name, value) in ours {
        let known = |row: &&super::setting::Row| row.variable.is_some_and(|variable| name == variable);
        let Some((row, variable)) = ROWS.iter().find(known).and_then(|row| Some((row, row.variable?))) else {
            let variable = name.to_string_lossy().into_owned();
            let closest = closest(&variable, ROWS.iter().filter_map(|row| row.variable));
            return Err(ConfigError::UnknownVariable { variable, closest });
        };
        let origin = Origin::Environment(variable);
        match value.to_str() {
            Some(text) => values.set(row.setting, text, origin)?,
            None => return Err(check::invalid(row.setting, origin, value.to_string_lossy())),
        }
    }
    Ok(())
}
