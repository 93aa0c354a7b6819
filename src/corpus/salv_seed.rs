//! The seed data of the published QiMeng-SALV code: a JSON list, or JSON lines, of
//! `{problem_id, instruction, gold_code, port_names, testbench}`.
//!
//! `port_names` is not needed: the interface is read from the golden module. A candidate must have the
//! golden module's name.

use std::path::Path;

use serde::Deserialize;

use super::{ImportError, checked, layout};
use crate::problem::Problem;
use crate::record;
use crate::verilog::unit::sole_top;

#[derive(Deserialize)]
struct Row {
    problem_id: Id,
    instruction: String,
    gold_code: String,
    testbench: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "`problem_id` must be a string or a number")]
enum Id {
    Text(String),
    Number(serde_json::Number),
}

/// Imports a file.
pub fn import(path: &Path) -> Result<Vec<Problem>, ImportError> {
    let problems: Result<Vec<Problem>, ImportError> =
        record::read_rows::<Row>(path)?.map(|row| problem(row?.value, path)).collect();
    checked(problems?, path, "a JSON list of {problem_id, instruction, gold_code, testbench}")
}

fn problem(row: Row, path: &Path) -> Result<Problem, ImportError> {
    let id = match row.problem_id {
        Id::Text(text) => text,
        Id::Number(number) => number.to_string(),
    };
    let Some(top) = sole_top(&row.gold_code) else {
        return Err(layout(path, format!("gold_code of problem {id:?} has no single top module")));
    };
    Ok(Problem {
        problem: format!("salv/{id}"),
        prompt: row.instruction,
        golden: row.gold_code,
        golden_top: Some(top.clone()),
        top,
        testbench: row.testbench.filter(|text| !text.trim().is_empty()),
        inputs: Default::default(),
        source: Some("QiMeng-SALV".to_owned()),
        licence: None,
    })
}
