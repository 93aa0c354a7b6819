//! What a command reads and what it writes, looked at before it does either: nothing that is given is overwritten, no
//! long run ends in a folder that is not there, and none at a row that could have been seen before.

use std::collections::{HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{bail, ensure};

use crate::candidate::{self, Candidate};
use crate::problem::Problem;
use crate::record::{self, Shard, ShardOf};

/// What stands beside a file of rows under its name, and belongs to it.
const BESIDE: [&str; 6] =
    ["", ".draft", ".meta.json", ".meta.json.draft", ".timings.json", ".ahead"];

/// The same of a file that is written at once.
const BESIDE_OTHERS: [&str; 2] = ["", ".draft"];

/// What a command writes.
#[derive(Default)]
pub struct Outputs<'a> {
    /// Files of rows: what stands beside them is written as well, and they are read again.
    pub rows: Vec<&'a Path>,
    /// Reports and pages.
    pub others: Vec<&'a Path>,
}

/// Refuses outputs that are an input, that are one another, or that have no folder.
pub fn expect_apart(inputs: &[&Path], outputs: &Outputs<'_>) -> anyhow::Result<()> {
    let mut taken: Vec<Identity> = Vec::new();
    let rows = outputs.rows.iter().map(|path| (*path, &BESIDE[..]));
    for (output, suffixes) in
        rows.chain(outputs.others.iter().map(|path| (*path, &BESIDE_OTHERS[..])))
    {
        expect_writable(output, suffixes == &BESIDE[..])?;
        let own: Vec<PathBuf> =
            suffixes.iter().map(|suffix| record::beside(output, suffix)).collect();
        ensure!(
            !own.iter().any(|own| inputs.iter().any(|input| is_same(own, input))),
            "the output {} would overwrite an input: choose another",
            output.display()
        );
        let own: Vec<Identity> = own.iter().map(|path| Identity::of(path)).collect();
        ensure!(
            own.iter().all(|own| !taken.contains(own)),
            "{} would be written twice: choose another file",
            output.display()
        );
        taken.extend(own);
    }
    Ok(())
}

/// A file with a folder to be in.
fn expect_writable(output: &Path, is_of_rows: bool) -> anyhow::Result<()> {
    match std::fs::metadata(output) {
        Ok(found) if found.is_dir() => bail!("the output {} is a folder", output.display()),
        Ok(found) => ensure!(
            found.is_file() || !is_of_rows || is_linked(output),
            "the output {} is no file (a pipe, a device?): it could not be continued, nor be read again",
            output.display()
        ),
        Err(_) => ensure!(
            folder(output).is_dir(),
            "the output {} has no folder to be in: make {}, or choose another",
            output.display(),
            folder(output).display()
        ),
    }
    Ok(())
}

/// Whether somebody made a link to what is no file; the system's own, such as `/dev/stdout`, are none.
fn is_linked(output: &Path) -> bool {
    let is_link = std::fs::symlink_metadata(output).is_ok_and(|found| found.is_symlink());
    let folder = folder(output).canonicalize().unwrap_or_default();
    is_link && !["/dev", "/proc"].iter().any(|system| folder.starts_with(system))
}

/// Looks at each candidate of a part of the rows, by default of all, so that what is wrong with a file shows before
/// anything is done with it.
pub fn survey(path: &Path, problems: &[Problem], part: Option<ShardOf>) -> anyhow::Result<Shard> {
    let total = candidate::read(path)?.pass(usize::MAX)?;
    let rows = part.unwrap_or(ShardOf { number: 1, of: 1 }).cut(total);
    let names: HashSet<&str> = problems.iter().map(|problem| problem.problem.as_str()).collect();
    let mut candidates = candidate::read(path)?;
    candidates.pass(rows.start)?;
    // A hash of each, since a file may have millions.
    let mut seen: HashMap<[u8; 16], usize> = HashMap::new();
    for _ in rows.range() {
        let Some(candidate) = candidates.next() else { break };
        let Candidate { problem, id, .. } = candidate?;
        let (shown, line) = (path.display(), candidates.line());
        ensure!(
            names.contains(problem.as_str()),
            "{shown}:{line}: candidate {id}: no problem is called `{problem}` (are these the problems that the candidates were made for?)"
        );
        let hash = blake3::hash(format!("{}:{problem}{id}", problem.len()).as_bytes());
        let (key, _) =
            hash.as_bytes().split_first_chunk().unwrap_or_else(|| unreachable!("32 bytes"));
        if let Some(first) = seen.insert(*key, line) {
            bail!(
                "{shown}:{line}: candidate {id} of `{problem}` stands on line {first} too: each of a problem needs an `id` of its own (without any, the number of its row is taken)"
            );
        }
    }
    Ok(rows)
}

/// Whether two paths are one file; a file that is not there is none.
fn is_same(one: &Path, other: &Path) -> bool {
    let found = |path: &Path| std::fs::metadata(path).map(|found| (found.dev(), found.ino())).ok();
    found(one).is_some_and(|one| found(other) == Some(one))
}

/// Which file a path is, whether it is there or not.
#[derive(PartialEq, Eq)]
enum Identity {
    There(u64, u64),
    Not(PathBuf),
}

impl Identity {
    fn of(path: &Path) -> Identity {
        match std::fs::metadata(path) {
            Ok(found) => Identity::There(found.dev(), found.ino()),
            Err(_) => {
                let folder = folder(path).canonicalize().unwrap_or_else(|_| folder(path));
                Identity::Not(folder.join(path.file_name().unwrap_or_default()))
            }
        }
    }
}

fn folder(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_or_written_already_is_not_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        for name in ["in.jsonl", "in.jsonl.meta.json", "old.jsonl"] {
            std::fs::write(path(name), name).expect("a file");
        }
        std::fs::hard_link(path("in.jsonl"), path("link.jsonl")).expect("a link");
        std::os::unix::fs::symlink(path("in.jsonl"), path("soft.jsonl")).expect("a link");
        let input = path("in.jsonl");
        let said = |rows: &[&str], others: &[&str]| {
            let all = |names: &[&str]| names.iter().map(|name| path(name)).collect::<Vec<_>>();
            let (rows, others) = (all(rows), all(others));
            let outputs = Outputs {
                rows: rows.iter().map(PathBuf::as_path).collect(),
                others: others.iter().map(PathBuf::as_path).collect(),
            };
            let done = expect_apart(&[&input], &outputs);
            done.err().map_or_else(String::new, |error| error.to_string())
        };
        assert_eq!(said(&["new.jsonl", "old.jsonl"], &["report.json"]), "");
        for own in ["in.jsonl", "link.jsonl", "soft.jsonl", "./in.jsonl"] {
            assert!(said(&["new.jsonl", own], &[]).contains("overwrite an input"), "{own}");
            assert!(said(&["new.jsonl"], &[own]).contains("overwrite an input"), "{own}");
        }
        for twice in ["a.jsonl", "./a.jsonl", "a.jsonl.meta.json", "a.jsonl.ahead", "a.jsonl.draft"]
        {
            assert!(said(&["a.jsonl"], &[twice]).contains("written twice"), "{twice}");
            assert!(said(&[twice, "a.jsonl"], &[]).contains("written twice"), "{twice}");
        }
        assert!(said(&["old.jsonl"], &["old.jsonl"]).contains("written twice"));
        assert_eq!(said(&[], &["a.jsonl", "a.jsonl.meta.json"]), "");
        assert!(said(&["no/a.jsonl"], &[]).contains("has no folder"));
        assert!(said(&[], &["no/a.html"]).contains("has no folder"));
        assert!(said(&["."], &[]).contains("is a folder"));
    }

    #[test]
    fn rows_do_not_go_where_they_cannot_be_continued() {
        let folder = tempfile::tempdir().expect("a folder");
        let to = |rows: &[&Path], others: &[&Path]| {
            expect_apart(&[], &Outputs { rows: rows.to_vec(), others: others.to_vec() })
        };
        let device = Path::new("/dev/null");
        let error = to(&[device], &[]).expect_err("a device");
        assert!(error.to_string().contains("is no file"), "{error}");
        to(&[], &[device]).expect("a report may be thrown away");
        let link = folder.path().join("full.jsonl");
        std::os::unix::fs::symlink("/dev/null", &link).expect("a link");
        to(&[&link], &[]).expect("somebody wants it so");
    }

    /// What would be written beside an output may be an input too.
    #[test]
    fn what_stands_beside_an_output_is_its_own() {
        let folder = tempfile::tempdir().expect("a folder");
        let [input, output] = ["a.jsonl.meta.json", "a.jsonl"].map(|name| folder.path().join(name));
        std::fs::write(&input, "{}").expect("a file");
        let outputs = Outputs { rows: vec![&output], others: Vec::new() };
        let error = expect_apart(&[&input], &outputs).expect_err("an input");
        assert!(error.to_string().contains("overwrite an input"), "{error}");
    }
}
