//! From a recipe to steps: command lines of `salv`, what each reads and writes, in order.
//!
//! The names of files stand here and nowhere else. They are seen from the run's folder.

use std::path::{Path, PathBuf};

use toml::Value;

use super::recipe::{Flags, Recipe, is_set, named, words};

/// The pairs.
pub const PAIRS: &str = "pairs.jsonl";
/// What `salv pair` says of them.
pub const PAIR_REPORT: &str = "pairs.report.json";
/// The folder of the preference training.
pub const DPO: &str = "dpo";
/// What the preference training measures in each step.
pub const METRICS: &str = "dpo/metrics.jsonl";
/// What was judged of the problems that pairs are made of.
pub const VERDICTS: &str = "verdicts.jsonl";
/// The report as data.
pub const REPORT: &str = "report.json";
/// The report as a page.
pub const PAGE: &str = "report.html";

const HELD_OUT: &str = "held-out.jsonl";
const PROBLEMS: &str = "problems.jsonl";
const CANDIDATES: &str = "candidates.jsonl";
const SPANS: &str = "spans.jsonl";
const SFT: &str = "sft";
/// The model that is sampled and that preferences are taught, where an adapter was merged to get it.
const POLICY: &str = "policy";

/// What a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Problems are written.
    Corpus,
    /// A model is taught by samples.
    Sft,
    /// An adapter becomes part of a model.
    Merge,
    /// A model is asked.
    Sample,
    /// Candidates are judged.
    Verify,
    /// The code of outputs is found.
    Extract,
    /// Pairs are made.
    Pair,
    /// A model is taught by pairs.
    Dpo,
}

/// A command and its files.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its name, unique in a plan.
    pub name: &'static str,
    /// What it is.
    pub stage: Stage,
    /// The words after `salv`.
    pub command: Vec<String>,
    /// What it reads: files, and folders of models.
    pub inputs: Vec<PathBuf>,
    /// What it writes.
    pub outputs: Vec<PathBuf>,
    /// The table of its settings.
    pub flags: Flags,
}

impl Step {
    /// Whether the command takes `--resume`; others take seconds and are done again.
    pub fn resumes(&self) -> bool {
        !matches!(self.stage, Stage::Corpus | Stage::Merge | Stage::Pair)
    }
}

impl Step {
    /// What is removed before the step begins anew.
    pub fn leftovers(&self) -> Vec<PathBuf> {
        let folder = match self.stage {
            Stage::Sft => SFT,
            Stage::Dpo => DPO,
            Stage::Merge => POLICY,
            _ => {
                let beside = |path: &PathBuf| {
                    ["", ".meta.json", ".timings.json", ".ahead"]
                        .map(|ending| PathBuf::from(format!("{}{ending}", path.display())))
                };
                return self.outputs.iter().flat_map(beside).collect();
            }
        };
        vec![PathBuf::from(folder)]
    }

    /// The folder of a training, in which checkpoints lie.
    pub fn training(&self) -> Option<&'static str> {
        match self.stage {
            Stage::Sft => Some(SFT),
            Stage::Dpo => Some(DPO),
            _ => None,
        }
    }
}

/// The steps of a recipe; the report, which is no command, comes after them.
pub fn plan(recipe: &Recipe) -> Vec<Step> {
    let planner = Planner { recipe };
    let held_out = planner.problems(&recipe.held_out, HELD_OUT);
    let problems = planner.problems(&recipe.problems, PROBLEMS);
    let mut steps = Vec::new();
    if named(&recipe.held_out, "file").is_none() {
        steps.push(planner.generate("held-out", &recipe.held_out, ("held-out", HELD_OUT), None));
    }
    if named(&recipe.problems, "file").is_none() {
        let generate = ("pairs", PROBLEMS);
        steps.push(planner.generate("problems", &recipe.problems, generate, Some(&held_out)));
    }
    let mut model = recipe.model.clone();
    if let Some(flags) = &recipe.sft {
        steps.push(planner.sft(flags));
        let taught = Path::new(SFT).join("last");
        if is_set(flags, "full") {
            model = taught;
        } else {
            steps.push(planner.merge(&taught));
            model = PathBuf::from(POLICY);
        }
    }
    steps.extend(planner.measure(
        ["before/sample", "before/verify"],
        "before",
        (&model, None),
        &held_out,
    ));
    steps.push(planner.sample(
        "sample",
        &recipe.sample,
        (&model, None),
        &problems,
        Path::new(CANDIDATES),
    ));
    steps.push(planner.verify("verify", &problems, Path::new("")));
    steps.push(planner.extract(&problems));
    steps.push(planner.pair(&problems));
    steps.push(planner.dpo(&model));
    let taught = Path::new(DPO).join("last");
    let after = match is_set(&recipe.dpo, "full") {
        true => (taught.as_path(), None),
        false => (model.as_path(), Some(taught.as_path())),
    };
    steps.extend(planner.measure(["after/sample", "after/verify"], "after", after, &held_out));
    steps
}

/// The files that a report of a recipe is made of.
pub struct Sources {
    /// The problems to measure on.
    pub held_out: PathBuf,
    /// The verdicts on them, before and after.
    pub verdicts: [PathBuf; 2],
}

/// Where a recipe's held-out problems and their verdicts are.
pub fn sources(recipe: &Recipe) -> Sources {
    let verdicts = ["before", "after"].map(|folder| Path::new(folder).join(VERDICTS));
    Sources { held_out: Planner { recipe }.problems(&recipe.held_out, HELD_OUT), verdicts }
}

struct Planner<'r> {
    recipe: &'r Recipe,
}

/// A model's folder, and that of an adapter for it.
type Policy<'a> = (&'a Path, Option<&'a Path>);

impl Planner<'_> {
    fn problems(&self, flags: &Flags, made: &str) -> PathBuf {
        named(flags, "file").map_or_else(|| PathBuf::from(made), Path::to_owned)
    }

    fn generate(
        &self,
        name: &'static str,
        flags: &Flags,
        (split, output): (&str, &str),
        against: Option<&Path>,
    ) -> Step {
        let mut flags = flags.clone();
        flags.entry("seed".into()).or_insert(self.seed());
        flags.entry("split".into()).or_insert(Value::String(split.into()));
        let mut command = strings(&["corpus", "generate", "-o", output]);
        command.extend(against.into_iter().flat_map(|path| strings(&["--against", &shown(path)])));
        self.step(name, Stage::Corpus, command, flags, against.into_iter(), &[output])
    }

    fn sft(&self, flags: &Flags) -> Step {
        let mut flags = self.defaults(flags, true);
        let rows = flags.remove("rows").and_then(|rows| rows.as_str().map(PathBuf::from));
        let rows = rows.unwrap_or_default();
        let model = &self.recipe.model;
        let command =
            strings(&["train", "sft", &shown(model), &shown(&rows), "-o", SFT, "--no-tensorboard"]);
        self.step(
            "sft",
            Stage::Sft,
            command,
            flags,
            [model.as_path(), &rows].into_iter(),
            &["sft/last", "sft/metrics.jsonl"],
        )
    }

    fn merge(&self, adapter: &Path) -> Step {
        let model = &self.recipe.model;
        let command = strings(&["train", "merge", &shown(model), &shown(adapter), "-o", POLICY]);
        let inputs = [model.as_path(), adapter].into_iter();
        self.step("merge", Stage::Merge, command, Flags::new(), inputs, &[POLICY])
    }

    fn measure(
        &self,
        [sample, verify]: [&'static str; 2],
        folder: &str,
        policy: Policy,
        problems: &Path,
    ) -> [Step; 2] {
        let folder = Path::new(folder);
        let output = folder.join(CANDIDATES);
        [
            self.sample(sample, &self.recipe.measuring(), policy, problems, &output),
            self.verify(verify, problems, folder),
        ]
    }

    fn sample(
        &self,
        name: &'static str,
        flags: &Flags,
        (model, adapter): Policy,
        problems: &Path,
        output: &Path,
    ) -> Step {
        let output = shown(output);
        let mut command = strings(&["sample", &shown(model), &shown(problems), "-o", &output]);
        command.extend(adapter.into_iter().flat_map(|path| strings(&["--adapter", &shown(path)])));
        let inputs = [model, problems].into_iter().chain(adapter);
        self.step(name, Stage::Sample, command, self.defaults(flags, true), inputs, &[&output])
    }

    fn verify(&self, name: &'static str, problems: &Path, folder: &Path) -> Step {
        let (candidates, output) = (folder.join(CANDIDATES), shown(&folder.join(VERDICTS)));
        let command = strings(&["verify", &shown(problems), &shown(&candidates), "-o", &output]);
        // The stimulus is an instrument and the same for every seed of the loop.
        let flags = self.defaults(&self.recipe.verify, false);
        self.step(
            name,
            Stage::Verify,
            command,
            flags,
            [problems, &candidates].into_iter(),
            &[&output],
        )
    }

    fn extract(&self, problems: &Path) -> Step {
        let command =
            strings(&["extract", CANDIDATES, "--problems", &shown(problems), "-o", SPANS]);
        let flags = self.defaults(&Flags::new(), false);
        let inputs = [Path::new(CANDIDATES), problems].into_iter();
        self.step("extract", Stage::Extract, command, flags, inputs, &[SPANS])
    }

    fn pair(&self, problems: &Path) -> Step {
        let command = strings(&[
            "pair",
            &shown(problems),
            CANDIDATES,
            "--verdicts",
            VERDICTS,
            "--spans",
            SPANS,
            "-o",
            PAIRS,
            "--report",
            PAIR_REPORT,
        ]);
        let flags = self.defaults(&self.recipe.pair, true);
        let inputs = [problems, Path::new(CANDIDATES), Path::new(VERDICTS), Path::new(SPANS)];
        self.step("pair", Stage::Pair, command, flags, inputs.into_iter(), &[PAIRS, PAIR_REPORT])
    }

    fn dpo(&self, model: &Path) -> Step {
        let command =
            strings(&["train", "dpo", &shown(model), PAIRS, "-o", DPO, "--no-tensorboard"]);
        let flags = self.defaults(&self.recipe.dpo, true);
        self.step(
            "dpo",
            Stage::Dpo,
            command,
            flags,
            [model, Path::new(PAIRS)].into_iter(),
            &["dpo/last", METRICS],
        )
    }

    /// A table with the recipe's own threads and, where something is drawn, its seed.
    fn defaults(&self, flags: &Flags, draws: bool) -> Flags {
        let mut flags = flags.clone();
        if draws {
            flags.entry("seed".into()).or_insert(self.seed());
        }
        if let Some(threads) = self.recipe.threads {
            flags.entry("threads".into()).or_insert(Value::Integer(threads as i64));
        }
        flags
    }

    fn seed(&self) -> Value {
        Value::Integer(self.recipe.seed as i64)
    }

    fn step<'a>(
        &self,
        name: &'static str,
        stage: Stage,
        mut command: Vec<String>,
        flags: Flags,
        inputs: impl Iterator<Item = &'a Path>,
        outputs: &[&str],
    ) -> Step {
        command.extend(words(&flags));
        let inputs = inputs.map(Path::to_owned).collect();
        let outputs = outputs.iter().map(PathBuf::from).collect();
        Step { name, stage, command, inputs, outputs, flags }
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
