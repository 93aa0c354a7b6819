//! Pairs of modules that are equal by the standard: either is judged right beside the other.

use std::collections::{BTreeMap, HashSet};

use salv::verify::backend::Outcome;
use salv::verify::lanes::job::{Job, Lanes, Verdict};
use salv::verify::stimulus::Config;

const PAIRS: &str = include_str!("../../fixtures/lanes/equal.sv");

/// Name and both texts of each pair.
fn pairs() -> Vec<(&'static str, [&'static str; 2])> {
    let pairs = PAIRS.split("\n//# ").skip(1);
    let pairs = pairs.map(|pair| {
        let (name, texts) = pair.split_once('\n').expect("texts after the name");
        let (one, other) = texts.split_once("\n//=\n").expect("two texts");
        (name, [one, other])
    });
    pairs.collect()
}

#[test]
fn what_is_equal_by_the_standard_is_judged_so() {
    let pairs = pairs();
    let names: HashSet<&str> = pairs.iter().map(|(name, _)| *name).collect();
    assert!(pairs.len() > 300 && names.len() == pairs.len(), "{} pairs", pairs.len());
    let mut lanes = Lanes::default();
    let mut wrong = Vec::new();
    for (name, [one, other]) in pairs {
        for (number, (golden, candidate)) in [(one, other), (other, one)].into_iter().enumerate() {
            let job = Job {
                golden: golden.to_owned(),
                golden_top: Some("top".to_owned()),
                restrictions: BTreeMap::new(),
                key: format!("{name} {number}"),
                config: Config { vectors: 512, ..Config::default() },
                candidate: candidate.to_owned(),
                top: "top".to_owned(),
            };
            let verdict = lanes.answer(&job);
            let is_right = match &verdict {
                Verdict::Judged { outcome: Outcome::Counted(counts), .. } => {
                    counts.iter().all(|count| count.compared > 0 && count.mismatches == Some(0))
                }
                _ => false,
            };
            if !is_right {
                wrong.push(format!("{}: {verdict:?}", job.key));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
