//! What a run was made from, found by what it recorded.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};

use crate::candidate::{self, Candidate};
use crate::problem::{self, Problem};
use crate::record::{self, Meta, meta_path};
use crate::verify::stimulus::Config;
use crate::verify::verdict::Verdict;

/// The files of a run, and how it was configured.
pub struct Sources {
    problems: PathBuf,
    candidates: PathBuf,
    /// The stimulus of the run.
    pub config: Config,
    /// What the run recorded of itself.
    pub meta: Meta,
}

impl Sources {
    /// Finds the sources of `verdicts`; what has moved is named by the caller.
    pub fn find(
        verdicts: &Path,
        problems: &Option<PathBuf>,
        candidates: &Option<PathBuf>,
    ) -> anyhow::Result<Sources> {
        let path = meta_path(verdicts);
        let text = std::fs::read_to_string(&path).with_context(|| {
            format!("failed to read {}, which says what the run was made from", path.display())
        })?;
        let meta: Meta = serde_json::from_str(&text)
            .with_context(|| format!("failed to understand {}", path.display()))?;
        let config = serde_json::from_value(meta.configuration["stimulus"].clone())
            .with_context(|| format!("failed to find the stimulus in {}", path.display()))?;
        let named = |key: &str, given: &Option<PathBuf>| -> anyhow::Result<PathBuf> {
            let hash = meta.configuration[key].as_str().unwrap_or_default();
            let recorded =
                meta.inputs.iter().find(|(_, h)| *h == hash).map(|(path, _)| PathBuf::from(path));
            let path = given
                .clone()
                .or(recorded)
                .with_context(|| format!("name the {key} with --{key}"))?;
            let now = record::file_hash(&path)
                .with_context(|| format!("failed to read the {key} of the run; if they have moved, name them with --{key}"))?;
            ensure!(now == hash, "{} has changed since the run", path.display());
            Ok(path)
        };
        Ok(Sources {
            problems: named("problems", problems)?,
            candidates: named("candidates", candidates)?,
            config,
            meta,
        })
    }

    /// The candidate of a verdict.
    pub fn candidate(&self, verdict: &Verdict) -> anyhow::Result<Candidate> {
        for candidate in candidate::read(&self.candidates)? {
            let candidate = candidate?;
            if candidate.id == verdict.candidate && candidate.problem == verdict.problem {
                return Ok(candidate);
            }
        }
        bail!("{} has no candidate `{}`", self.candidates.display(), verdict.candidate)
    }

    /// Its problem.
    pub fn problem(&self, verdict: &Verdict) -> anyhow::Result<Problem> {
        let mut problems = problem::load(&self.problems)?.into_iter();
        let found = problems.find(|problem| problem.problem == verdict.problem);
        found.with_context(|| {
            format!("{} has no problem `{}`", self.problems.display(), verdict.problem)
        })
    }

    /// The files themselves.
    pub fn files(&self) -> [&Path; 2] {
        [&self.problems, &self.candidates]
    }
}

/// The verdict on one candidate, in a file of verdicts.
pub fn find_verdict(
    verdicts: &Path,
    candidate: &str,
    problem: Option<&str>,
) -> anyhow::Result<Verdict> {
    let mut found: Option<Verdict> = None;
    for row in record::read::<Verdict>(verdicts)? {
        let verdict = row?.value;
        let same = problem.is_none_or(|name| *name == verdict.problem);
        if verdict.candidate != candidate || !same {
            continue;
        }
        if let Some(other) = &found {
            ensure!(
                other.problem != verdict.problem,
                "two candidates of {} have the id `{candidate}`: which is meant cannot be told",
                verdict.problem
            );
            bail!(
                "several candidates have the id `{candidate}` (of {} and of {}): choose one with --problem",
                other.problem,
                verdict.problem
            );
        }
        found = Some(verdict);
    }
    found.with_context(|| {
        let of = problem.map_or_else(String::new, |problem| format!(" of the problem `{problem}`"));
        format!("{} has no candidate `{candidate}`{of}", verdicts.display())
    })
}
