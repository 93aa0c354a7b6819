//! Candidates from elsewhere: JSON lines, folders of Verilog files, the published rollout's JSON.

use std::collections::HashSet;
use std::path::Path;

use super::{ImportError, entries, files_under, layout, name_of};
use crate::candidate::{self, Candidate};
use crate::problem::Problem;
use crate::record::{self, RecordError};

/// Imports a JSON lines file with `problem`, `completion` and perhaps `id`, or a folder of files
/// `PROBLEM/ANYTHING.v` (`.sv`, `.txt`), where PROBLEM may have slashes in it.
///
/// With `problems`, a candidate for another problem is refused.
pub fn import(path: &Path, problems: Option<&[Problem]>) -> Result<Vec<Candidate>, ImportError> {
    let candidates = if path.is_dir() {
        of_folder(path)?
    } else {
        candidate::read(path)?.collect::<Result<Vec<_>, _>>()?
    };
    if candidates.is_empty() {
        return Err(layout(
            path,
            "no candidate found; expected JSON lines, or folders PROBLEM/ANYTHING.v",
        ));
    }
    let mut seen = HashSet::new();
    for candidate in &candidates {
        if !seen.insert((&candidate.problem, &candidate.id)) {
            let Candidate { problem, id, .. } = candidate;
            return Err(layout(
                path,
                format!("problem {problem:?} has two candidates with the id {id:?}"),
            ));
        }
    }
    if let Some(problems) = problems {
        let known: HashSet<&str> =
            problems.iter().map(|problem| problem.problem.as_str()).collect();
        if let Some(stray) =
            candidates.iter().find(|candidate| !known.contains(candidate.problem.as_str()))
        {
            return Err(layout(
                path,
                format!("problem {:?} is not among the given problems", stray.problem),
            ));
        }
    }
    Ok(candidates)
}

/// Imports the published rollout: a JSON list with one list of completions for each problem, in the order of
/// the problems.
pub fn rollout(path: &Path, problems: &[Problem]) -> Result<Vec<Candidate>, ImportError> {
    let rows = record::read_rows::<Vec<String>>(path)?;
    let lists: Result<Vec<Vec<String>>, RecordError> =
        rows.map(|row| row.map(|row| row.value)).collect();
    let lists = lists.map_err(|error| {
        layout(path, format!("{error} (expected a JSON list of lists of strings)"))
    })?;
    if lists.len() != problems.len() {
        let message = format!(
            "{} lists of completions for {} problems; a rollout holds one list for each problem, in their order",
            lists.len(),
            problems.len()
        );
        return Err(layout(path, message));
    }
    let candidates = problems.iter().zip(lists).flat_map(|(problem, completions)| {
        completions.into_iter().enumerate().map(|(index, completion)| Candidate {
            problem: problem.problem.clone(),
            id: index.to_string(),
            completion,
        })
    });
    Ok(candidates.collect())
}

/// Reads the files of one folder as candidates of one problem, sorted by name; a file's name is its id.
pub(super) fn of_problem(folder: &Path, problem: &str) -> Result<Vec<Candidate>, ImportError> {
    let files = entries(folder)?.into_iter().filter(|file| file.is_file() && is_completion(file));
    files
        .map(|file| {
            Ok(Candidate {
                problem: problem.to_owned(),
                id: name_of(&file),
                completion: raw(&file)?,
            })
        })
        .collect()
}

fn of_folder(path: &Path) -> Result<Vec<Candidate>, ImportError> {
    let mut candidates = Vec::new();
    for file in files_under(path)?.into_iter().filter(|file| is_completion(file)) {
        let folder = file.parent().and_then(|folder| folder.strip_prefix(path).ok());
        let parts: Vec<String> =
            folder.into_iter().flatten().map(|part| part.to_string_lossy().into_owned()).collect();
        if parts.is_empty() {
            return Err(layout(
                &file,
                "a candidate's file must stand in a folder named as its problem",
            ));
        }
        candidates.push(Candidate {
            problem: parts.join("/"),
            id: name_of(&file),
            completion: raw(&file)?,
        });
    }
    Ok(candidates)
}

fn is_completion(file: &Path) -> bool {
    file.extension().is_some_and(|kind| ["v", "sv", "txt", "md"].iter().any(|known| kind == *known))
}

/// Reads a completion as it is, a byte order mark included.
fn raw(file: &Path) -> Result<String, ImportError> {
    let bytes = std::fs::read(file)
        .map_err(|source| ImportError::Read { path: file.to_owned(), source })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
