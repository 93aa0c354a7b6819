//! The page of an evaluation: one file, no script, nothing from elsewhere.
use crate::eval::report::Report;
pub fn page(_r: &Report) -> String { String::new() }
