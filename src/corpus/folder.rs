//! Plain folders: one for each problem, with `prompt.md` and `golden.sv`, and candidates in `candidates/`.
//!
//! The quickest way to try something of one's own. The golden module's name is what candidates must have;
//! the folder's name is the problem's. `prompt.txt`, `golden.v` and a `testbench.sv` are known too.

use std::path::{Path, PathBuf};

use super::{
    ImportError, checked, completions, entries, layout, name_of, read_text, read_text_if_any,
};
use crate::candidate::Candidate;
use crate::problem::Problem;
use crate::verilog::unit::sole_top;

/// Imports all problems of a folder, and their candidates.
pub fn import(path: &Path) -> Result<(Vec<Problem>, Vec<Candidate>), ImportError> {
    let mut problems = Vec::new();
    let mut candidates = Vec::new();
    for folder in entries(path)?.into_iter().filter(|entry| entry.is_dir()) {
        let name = name_of(&folder);
        let inner = folder.join("candidates");
        if inner.is_dir() {
            candidates.extend(completions::of_problem(&inner, &name)?);
        }
        problems.push(import_problem(&folder, name)?);
    }
    Ok((
        checked(problems, path, "a folder for each problem, with prompt.md and golden.sv")?,
        candidates,
    ))
}

fn import_problem(folder: &Path, name: String) -> Result<Problem, ImportError> {
    let golden_path = one_of(folder, &["golden.sv", "golden.v"])?;
    let golden = read_text(&golden_path)?;
    let top = sole_top(&golden).ok_or_else(|| {
        layout(
            &golden_path,
            "there must be one module that no other one instantiates; candidates get its name",
        )
    })?;
    let testbench = match read_text_if_any(&folder.join("testbench.sv"))? {
        None => read_text_if_any(&folder.join("testbench.v"))?,
        found => found,
    };
    Ok(Problem {
        problem: name,
        prompt: read_text(&one_of(folder, &["prompt.md", "prompt.txt"])?)?,
        golden,
        golden_top: Some(top.clone()),
        top,
        testbench,
        inputs: Default::default(),
        source: None,
        licence: None,
    })
}

fn one_of(folder: &Path, names: &[&str]) -> Result<PathBuf, ImportError> {
    let found: Vec<PathBuf> =
        names.iter().map(|name| folder.join(name)).filter(|path| path.is_file()).collect();
    match &found[..] {
        [path] => Ok(path.clone()),
        [] => Err(layout(folder, format!("{} is missing", names[0]))),
        _ => Err(layout(folder, format!("leave only one of {}", names.join(", ")))),
    }
}
