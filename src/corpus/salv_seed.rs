//! The seed data of the published QiMeng-SALV code: a JSON list, or JSON lines, of
//! `{problem_id, instruction, gold_code, port_names, testbench}`.
//!
//! `port_names` is not needed: the interface is read from the golden module. A candidate must have the
//! golden module's name.

use std::path::Path;

use serde::Deserialize;

use super::{ImportError, checked, layout, read_text};
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
    let rows = rows(path)?;
    let problems: Result<Vec<Problem>, ImportError> =
        rows.into_iter().map(|row| problem(row, path)).collect();
    checked(problems?, path, "a JSON list of {problem_id, instruction, gold_code, testbench}")
}

fn rows(path: &Path) -> Result<Vec<Row>, ImportError> {
    let lines = || {
        record::read::<Row>(path)?
            .map(|row| row.map(|row| row.value))
            .collect::<Result<Vec<_>, _>>()
    };
    if path.extension().is_some_and(|kind| kind == "gz") {
        return Ok(lines()?);
    }
    let text = read_text(path)?;
    if !text.trim_start().starts_with('[') {
        return Ok(lines()?);
    }
    serde_json::from_str(&text).map_err(|error| layout(path, error.to_string()))
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
