//! VerilogEval v2: one folder for each task, `ProbNNN_name_{prompt.txt,ref.sv,test.sv}` side by side.
//!
//! What is hard-coded from the benchmark: the golden module is `RefModule`, the candidate's `TopModule`.
//! `_ifc.txt` repeats the head that the code-completion prompt ends with and is not needed.

use std::path::Path;

use super::{ImportError, checked, entries, layout, name_of, read_text, read_text_if_any};
use crate::problem::Problem;

/// The benchmark's folders and the names of their families.
const TASKS: [(&str, &str); 2] =
    [("dataset_code-complete-iccad2023", "ve2-cc"), ("dataset_spec-to-rtl", "ve2-spec")];

/// Imports one task's folder, or both from the folder that holds them.
pub fn import(path: &Path) -> Result<Vec<Problem>, ImportError> {
    let expected =
        "dataset_spec-to-rtl or dataset_code-complete-iccad2023 with files ProbNNN_name_prompt.txt";
    let mut problems = Vec::new();
    // The folder may be given as `.`, so that its own name shows only in the full path.
    let own_name = path.canonicalize().map(|full| name_of(&full)).unwrap_or_default();
    for (folder, family) in TASKS {
        let inner = path.join(folder);
        if own_name == folder {
            problems.extend(import_task(path, family)?);
        } else if inner.is_dir() {
            problems.extend(import_task(&inner, family)?);
        }
    }
    checked(problems, path, expected)
}

fn import_task(folder: &Path, family: &str) -> Result<Vec<Problem>, ImportError> {
    let mut problems = Vec::new();
    for prompt in entries(folder)? {
        let file = name_of(&prompt);
        let Some(name) = file.strip_suffix("_prompt.txt") else {
            continue;
        };
        let golden = folder.join(format!("{name}_ref.sv"));
        if !golden.is_file() {
            return Err(layout(&prompt, format!("{name}_ref.sv does not stand beside it")));
        }
        problems.push(Problem {
            problem: format!("{family}/{name}"),
            prompt: read_text(&prompt)?,
            golden: read_text(&golden)?,
            golden_top: Some("RefModule".to_owned()),
            top: "TopModule".to_owned(),
            testbench: read_text_if_any(&folder.join(format!("{name}_test.sv")))?,
            inputs: Default::default(),
            source: Some("VerilogEval v2".to_owned()),
            licence: Some("MIT".to_owned()),
        });
    }
    Ok(problems)
}
