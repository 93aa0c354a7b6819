//! What came of a run: the content of `report.json`. It is made of the artefacts alone and holds no time.
//!
//! Shares are means over problems, so that a problem counts once however many outputs it has, and their intervals are
//! bootstraps over problems ([`crate::eval::passk`]). A candidate that was not judged has no right output and does not
//! pass; an output that is `unchecked` is not right. The change is paired: the same problems and the same seed of the
//! sampler, before and after.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Error;
use super::plan::{METRICS, PAIR_REPORT, PAIRS, VERDICTS, sources};
use super::recipe::Recipe;
use crate::eval::passk::{Estimate, estimate, pass_at_k};
use crate::pair::{Kind, Pair};
use crate::problem;
use crate::record;
use crate::verify::verdict::{Judgement, Status, Verdict};

/// Points of a curve; longer ones are means of neighbours.
const POINTS_MAX: usize = 250;

/// What the training is drawn by, of what it measures.
pub const CURVES: [&str; 6] = [
    "loss",
    "rewards/margins",
    "rewards/accuracies",
    "logps/chosen",
    "logps/rejected",
    "mask/chosen",
];

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The program's version.
    pub salv: String,
    /// The recipe as it was run.
    pub recipe: Value,
    /// Problems that were measured on.
    pub problems: usize,
    /// Candidates of each.
    pub samples: usize,
    /// What the model did before.
    pub before: Scores,
    /// What it did after.
    pub after: Scores,
    /// The difference, problem by problem.
    pub change: Scores,
    /// What `salv pair` says.
    pub pairs: Value,
    /// Curves of the training: points `[step, value]` by name.
    pub curves: BTreeMap<String, Vec<[f64; 2]>>,
    /// A pair to look at; none if there is none of signals.
    pub example: Option<Example>,
}

/// Shares, by what they are shares of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// pass@k, by k.
    pub pass: Vec<(usize, Estimate)>,
    /// Outputs that are right.
    pub right_outputs: Estimate,
    /// Candidates that are modules with the right ports.
    pub judged: Estimate,
}

/// A pair and its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Example {
    /// Row in the file of pairs, from 0.
    pub number: usize,
    /// The pair.
    pub pair: Pair,
}

/// Makes the report of a run in `folder`.
pub fn report(folder: &Path, recipe: &Recipe) -> Result<Report, Error> {
    let sources = sources(recipe);
    let names: Vec<String> = problem::load(&folder.join(&sources.held_out))?
        .into_iter()
        .map(|problem| problem.problem)
        .collect();
    let [before, after] = sources.verdicts.map(|path| tally(&folder.join(path), &names));
    let (before, after) = (before?, after?);
    let samples = before.iter().map(|one| one.samples).min().unwrap_or(0);
    let pass: Vec<usize> = recipe.pass.iter().copied().filter(|k| *k <= samples).collect();
    let path = folder.join(PAIR_REPORT);
    let pairs = std::fs::read(&path).map_err(Error::reading(&path))?;
    let mut settings = serde_json::to_value(recipe).unwrap_or_default();
    // Where the model lies is the machine's affair.
    settings["model"] = recipe.model.file_name().map(|name| name.to_string_lossy()).into();
    Ok(Report {
        salv: env!("CARGO_PKG_VERSION").to_owned(),
        recipe: settings,
        problems: names.len(),
        samples,
        change: scores(&pass, recipe.seed, |share| {
            let pairs = before.iter().zip(&after);
            pairs.map(|(before, after)| share(after) - share(before)).collect()
        })?,
        before: scores(&pass, recipe.seed, |share| before.iter().map(share).collect())?,
        after: scores(&pass, recipe.seed, |share| after.iter().map(share).collect())?,
        pairs: serde_json::from_slice(&pairs).map_err(|error| Error::content(path, error))?,
        curves: curves(&folder.join(METRICS))?,
        example: example(folder)?,
    })
}

/// What the candidates of a problem came to.
#[derive(Clone, Debug, Default, PartialEq)]
struct Tally {
    samples: usize,
    passed: usize,
    judged: usize,
    /// Sum over candidates of the share of outputs that are right.
    right: f64,
}

fn tally(path: &Path, problems: &[String]) -> Result<Vec<Tally>, Error> {
    let mut by_name: BTreeMap<&str, Tally> =
        problems.iter().map(|name| (name.as_str(), Tally::default())).collect();
    for verdict in record::read::<Verdict>(path)? {
        let verdict = verdict?.value;
        let Some(tally) = by_name.get_mut(verdict.problem.as_str()) else {
            let message = format!("problem {:?} is not among those to measure on", verdict.problem);
            return Err(Error::content(path, message));
        };
        tally.add(&verdict);
    }
    if let Some((name, _)) = by_name.iter().find(|(_, tally)| tally.samples == 0) {
        return Err(Error::content(path, format!("problem {name:?} has no candidate")));
    }
    Ok(problems.iter().filter_map(|name| by_name.remove(name.as_str())).collect())
}

impl Tally {
    fn add(&mut self, verdict: &Verdict) {
        self.samples += 1;
        if verdict.status != Status::Judged {
            return;
        }
        let count =
            |judgement| verdict.signals.iter().filter(|signal| signal.verdict == judgement).count();
        let (right, wrong) = (count(Judgement::Correct), count(Judgement::Wrong));
        self.judged += 1;
        self.passed += usize::from(wrong == 0 && right > 0);
        self.right += right as f64 / verdict.signals.len().max(1) as f64;
    }
}

/// The scores of what `values` gives for the share of a problem.
fn scores(
    pass: &[usize],
    seed: u64,
    values: impl Fn(&dyn Fn(&Tally) -> f64) -> Vec<f64>,
) -> Result<Scores, Error> {
    let of = |share: &dyn Fn(&Tally) -> f64| {
        estimate(&values(share), seed).ok_or_else(|| Error::Recipe("held-out: no problem".into()))
    };
    let passing =
        |k: usize| move |one: &Tally| pass_at_k(one.samples, one.passed, k).unwrap_or(0.0);
    let pass: Result<Vec<_>, Error> = pass.iter().map(|k| Ok((*k, of(&passing(*k))?))).collect();
    Ok(Scores {
        pass: pass?,
        right_outputs: of(&|one| one.right / one.samples as f64)?,
        judged: of(&|one| one.judged as f64 / one.samples as f64)?,
    })
}

fn curves(path: &Path) -> Result<BTreeMap<String, Vec<[f64; 2]>>, Error> {
    let mut curves: BTreeMap<String, Vec<[f64; 2]>> = BTreeMap::new();
    for row in record::read::<Value>(path)? {
        let row = row?.value;
        let Some(step) = row["step"].as_f64() else { continue };
        for name in CURVES {
            if let Some(value) = row[name].as_f64() {
                curves.entry(name.to_owned()).or_default().push([step, value]);
            }
        }
    }
    Ok(curves.into_iter().map(|(name, points)| (name, thinned(&points))).collect())
}

/// Means of neighbours, so that a curve is no longer than [`POINTS_MAX`].
fn thinned(points: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let size = points.len().div_ceil(POINTS_MAX).max(1);
    let mean = |points: &[[f64; 2]]| {
        [0, 1].map(|at| points.iter().map(|point| point[at]).sum::<f64>() / points.len() as f64)
    };
    points.chunks(size).map(mean).collect()
}

/// The first pair whose chosen candidate has a wrong output too, which a judgement of modules would never choose; else
/// the first of signals.
fn example(folder: &Path) -> Result<Option<Example>, Error> {
    let mut wrong = std::collections::HashSet::new();
    for verdict in record::read::<Verdict>(&folder.join(VERDICTS))? {
        let verdict = verdict?.value;
        if verdict.signals.iter().any(|signal| signal.verdict == Judgement::Wrong) {
            wrong.insert((verdict.problem, verdict.candidate));
        }
    }
    let mut first = None;
    for (number, row) in record::read::<Pair>(&folder.join(PAIRS))?.enumerate() {
        let pair = row?.value;
        if pair.kind != Kind::Signal {
            continue;
        }
        if wrong.contains(&(pair.problem.clone(), pair.chosen_id.clone())) {
            return Ok(Some(Example { number, pair }));
        }
        first.get_or_insert(Example { number, pair });
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_curve_becomes_means_of_neighbours() {
        let points: Vec<[f64; 2]> =
            (0..1000).map(|at| [f64::from(at), f64::from(2 * at)]).collect();
        let thin = thinned(&points);
        assert_eq!((thin.len(), thin[0], thin[249]), (250, [1.5, 3.0], [997.5, 1995.0]));
        assert_eq!(thinned(&points[..3]), &points[..3]);
    }

    /// Two problems of two samples: one goes from nothing to all, the other stays with one right sample of two.
    #[test]
    fn the_change_is_taken_problem_by_problem() {
        let tally = |passed, right| Tally { samples: 2, passed, judged: 2, right };
        let (before, after) = ([tally(0, 0.0), tally(1, 1.0)], [tally(2, 2.0), tally(1, 1.0)]);
        let change = scores(&[1, 2], 0, |share| {
            before.iter().zip(&after).map(|(before, after)| share(after) - share(before)).collect()
        });
        let change = change.expect("scores");
        assert_eq!((change.pass[0].1.mean, change.pass[1].1.mean), (0.5, 0.5));
        assert_eq!(change.right_outputs.mean, 0.5);
        assert_eq!((change.right_outputs.low, change.right_outputs.high), (0.0, 1.0));
    }
}
