//! RTLLM: a folder for each design, with `design_description.txt`, `verified_NAME.v` and `testbench.v`.
//!
//! Version 1.1 has all designs in one folder, version 2.0 in categories; folders are found by their
//! description at any depth. What is hard-coded from the benchmark: the description demands a module name
//! in the line after `Module name:`, and the golden module has a name of its own (mostly `verified_NAME`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{
    ImportError, checked, entries, files_under, layout, name_of, read_text, read_text_if_any,
};
use crate::problem::Problem;

const DESCRIPTION: &str = "design_description.txt";

/// Imports all designs under a folder. `family` names the version; by default it is told by the layout.
pub fn import(path: &Path, family: Option<&str>) -> Result<Vec<Problem>, ImportError> {
    let descriptions: Vec<PathBuf> =
        files_under(path)?.into_iter().filter(|file| name_of(file) == DESCRIPTION).collect();
    let is_flat =
        descriptions.iter().all(|file| file.parent().and_then(Path::parent) == Some(path));
    let family = family.unwrap_or(if is_flat { "rtllm-1.1" } else { "rtllm-2.0" });
    let problems: Result<Vec<Problem>, ImportError> =
        descriptions.iter().map(|description| import_design(description, family)).collect();
    checked(
        problems?,
        path,
        &format!("folders with {DESCRIPTION}, verified_NAME.v and testbench.v"),
    )
}

/// Largest file that a bench reads: published ones have a few KB.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// A file's name and content.
pub type File = (String, Vec<u8>);

/// The files beside each design's bench that the bench may read, by the design's name: what is neither Verilog nor
/// the description nor the makefile.
pub fn files_of_benches(path: &Path) -> Result<BTreeMap<String, Vec<File>>, ImportError> {
    let mut by_design = BTreeMap::new();
    for description in files_under(path)?.into_iter().filter(|file| name_of(file) == DESCRIPTION) {
        let folder = description.parent().unwrap_or(Path::new(""));
        let mut files = Vec::new();
        for file in entries(folder)?.into_iter().filter(|file| file.is_file()) {
            let name = name_of(&file);
            let ending = file.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            if name == DESCRIPTION || name == "makefile" || matches!(ending, "v" | "sv") {
                continue;
            }
            let failed = |source| ImportError::Read { path: file.clone(), source };
            if std::fs::metadata(&file).map_err(failed)?.len() > FILE_BYTES_MAX {
                return Err(layout(&file, "too large for a file that a bench reads"));
            }
            files.push((name, std::fs::read(&file).map_err(failed)?));
        }
        by_design.insert(name_of(folder), files);
    }
    Ok(by_design)
}

fn import_design(description: &Path, family: &str) -> Result<Problem, ImportError> {
    let folder = description.parent().unwrap_or(Path::new(""));
    let name = name_of(folder);
    let prompt = read_text(description)?;
    Ok(Problem {
        problem: format!("{family}/{name}"),
        golden: read_text(&golden(folder)?)?,
        golden_top: None,
        top: demanded_name(&prompt).unwrap_or(name),
        testbench: read_text_if_any(&folder.join("testbench.v"))?,
        inputs: Default::default(),
        source: Some(format!("RTLLM {}", family.strip_prefix("rtllm-").unwrap_or(family))),
        licence: Some("MIT".to_owned()),
        prompt,
    })
}

/// Finds the file with the golden module: the one called `verified_…`, else the only one that is neither a
/// test bench nor a model's work, which version 1.0 keeps beside it.
fn golden(folder: &Path) -> Result<PathBuf, ImportError> {
    let is_verilog =
        |file: &PathBuf| file.extension().is_some_and(|kind| kind == "v" || kind == "sv");
    let sources: Vec<PathBuf> = entries(folder)?.into_iter().filter(is_verilog).collect();
    let named = |file: &&PathBuf| name_of(file).starts_with("verified_");
    let other = |file: &&PathBuf| {
        let name = name_of(file);
        !name.starts_with("testbench") && !name.starts_with("tb") && !name.contains("generate")
    };
    let verified: Vec<&PathBuf> = sources.iter().filter(named).collect();
    let found = if verified.is_empty() { sources.iter().filter(other).collect() } else { verified };
    match found[..] {
        [file] => Ok(file.clone()),
        [] => Err(layout(folder, "no golden module: expected a file verified_NAME.v")),
        _ => Err(layout(
            folder,
            format!("{} files could be the golden module; leave one verified_NAME.v", found.len()),
        )),
    }
}

/// Returns the identifier after `Module name:`, in the same line or the next one that is not blank.
fn demanded_name(prompt: &str) -> Option<String> {
    let at = prompt.to_ascii_lowercase().find("module name")?;
    let rest = prompt[at + "module name".len()..].trim_start_matches([' ', '\t', '*']);
    let name = rest
        .strip_prefix([':', '：'])?
        .split_whitespace()
        .next()?
        .trim_matches(['`', '*', '.', ',', '"']);
    let is_identifier = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$');
    is_identifier.then(|| name.to_owned())
}
