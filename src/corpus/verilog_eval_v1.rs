//! VerilogEval v1: one JSON lines file of problems and one of descriptions, joined by `task_id`.
//!
//! What is hard-coded from the benchmark: all modules are called `top_module`, and `prompt` is the head of
//! the module. The head ends the prompt here, after the description, so that a model knows the ports and may
//! answer with a body. The golden module is `prompt` + `canonical_solution`, which is what the test bench's
//! `reference_module` repeats under another name.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{ImportError, checked, layout, name_of};
use crate::problem::Problem;
use crate::record;

#[derive(Deserialize)]
struct Row {
    task_id: String,
    prompt: String,
    canonical_solution: String,
    test: Option<String>,
}

#[derive(Deserialize)]
struct Description {
    task_id: String,
    detail_description: String,
}

/// Imports a file of problems; without `descriptions` their file is looked for where the benchmark has it.
pub fn import(path: &Path, descriptions: Option<&Path>) -> Result<Vec<Problem>, ImportError> {
    let descriptions_path = match descriptions {
        Some(path) => path.to_owned(),
        None => beside(path)?,
    };
    let mut descriptions = HashMap::new();
    for row in record::read::<Description>(&descriptions_path)? {
        let row = row?.value;
        descriptions.insert(row.task_id, row.detail_description);
    }
    let family = family(path);
    let mut problems = Vec::new();
    for row in record::read::<Row>(path)? {
        let row = row?.value;
        let Some(description) = descriptions.get(&row.task_id) else {
            return Err(layout(
                &descriptions_path,
                format!("no description of task {:?}", row.task_id),
            ));
        };
        problems.push(Problem {
            problem: format!("{family}/{}", row.task_id),
            prompt: format!("{}\n\n{}", description.trim(), row.prompt),
            golden: format!("{}{}", row.prompt, row.canonical_solution),
            golden_top: Some("top_module".to_owned()),
            top: "top_module".to_owned(),
            testbench: row.test,
            inputs: Default::default(),
            source: Some("VerilogEval v1".to_owned()),
            licence: Some("MIT".to_owned()),
        });
    }
    checked(problems, path, "one JSON object a line with task_id, prompt, canonical_solution, test")
}

/// Returns the place of the descriptions: `descriptions/VerilogDescription_X.jsonl` beside the folder of
/// `VerilogEval_X.jsonl`, or in that folder.
fn beside(path: &Path) -> Result<PathBuf, ImportError> {
    let name = name_of(path).replace("VerilogEval_", "VerilogDescription_");
    let folder = path.parent().unwrap_or(Path::new(""));
    let places = [folder.join("../descriptions").join(&name), folder.join(&name)];
    let found = places.iter().find(|place| place.is_file() && place.as_path() != path);
    found.cloned().ok_or_else(|| {
        layout(
            path,
            format!("the descriptions are not at {}; name their file", places[0].display()),
        )
    })
}

fn family(path: &Path) -> &'static str {
    let name = name_of(path).to_lowercase();
    match (name.contains("human"), name.contains("machine")) {
        (true, _) => "ve1-human",
        (_, true) => "ve1-machine",
        _ => "ve1",
    }
}
