//! A recipe: a TOML file with a table for each stage.
//!
//! The keys of a table are the flags of the stage's command (`top-p = 0.95` is `--top-p 0.95`, `n = 5` is `-n 5`,
//! `full = true` is `--full`, a list is a flag that is repeated), so that there is one list of settings and one place
//! that explains them, the stage's `--help`. Flags that say where things lie or how to go on belong to the loop and are
//! refused. Paths are seen from the recipe's folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::Error;

/// The settings of a stage, by flag without its hyphens.
pub type Flags = BTreeMap<String, Value>;

/// Flags that the loop itself gives.
const OWN: [&str; 19] = [
    "output",
    "o",
    "out",
    "resume",
    "dry-run",
    "shard",
    "adapter",
    "reference",
    "verdicts",
    "spans",
    "report",
    "against",
    "sft",
    "versions",
    "no-tensorboard",
    "server",
    "eval",
    "junit",
    "help",
];

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Recipe {
    /// The model's folder.
    pub model: PathBuf,
    /// The seed of every stage whose table has no other.
    #[serde(default)]
    pub seed: u64,
    /// Threads of every stage whose table has no other; on a CPU sums depend on it.
    pub threads: Option<u64>,
    /// pass@k is reported for these k.
    #[serde(default = "default_pass")]
    pub pass: Vec<usize>,
    /// The problems to sample pairs for: a `file`, or the flags of `salv corpus generate`.
    pub problems: Flags,
    /// The problems to measure on, in the same way.
    pub held_out: Flags,
    /// `salv train sft` before all, on `rows`; absent where the model is taken as it is.
    pub sft: Option<Flags>,
    /// `salv sample`, of the problems.
    #[serde(default)]
    pub sample: Flags,
    /// `salv verify`.
    #[serde(default)]
    pub verify: Flags,
    /// `salv pair`.
    #[serde(default)]
    pub pair: Flags,
    /// `salv train dpo`.
    #[serde(default)]
    pub dpo: Flags,
    /// `salv sample`, of the problems to measure on, before and after: what differs from `sample`.
    #[serde(default)]
    pub measure: Flags,
}

fn default_pass() -> Vec<usize> {
    vec![1, 5]
}

impl Recipe {
    /// Reads a recipe; `changes` are settings that count in place of its own, such as `dpo.rate=1e-4`.
    pub fn read(path: &Path, changes: &[String]) -> Result<Recipe, Error> {
        let text = std::fs::read_to_string(path).map_err(Error::reading(path))?;
        let mut table: Table = text.parse().map_err(|error| Error::content(path, error))?;
        for change in changes {
            let parsed: Table = change.parse().map_err(|error: toml::de::Error| {
                Error::Recipe(format!("--set {change}: {} (say TABLE.KEY=VALUE)", error.message()))
            })?;
            merge(&mut table, parsed);
        }
        let mut recipe: Recipe = table.try_into().map_err(|error| Error::content(path, error))?;
        recipe.check()?;
        let place = path.parent().unwrap_or(Path::new("")).to_owned();
        recipe.see_from(&place)?;
        Ok(recipe)
    }

    /// The flags of a sampling that measures.
    pub fn measuring(&self) -> Flags {
        let mut flags = self.sample.clone();
        flags.extend(self.measure.clone());
        flags
    }

    /// The tables by name.
    fn tables(&self) -> [(&'static str, &Flags); 8] {
        static NONE: Flags = Flags::new();
        [
            ("problems", &self.problems),
            ("held-out", &self.held_out),
            ("sft", self.sft.as_ref().unwrap_or(&NONE)),
            ("sample", &self.sample),
            ("verify", &self.verify),
            ("pair", &self.pair),
            ("dpo", &self.dpo),
            ("measure", &self.measure),
        ]
    }

    fn check(&self) -> Result<(), Error> {
        for (name, flags) in self.tables() {
            if let Some(own) = flags.keys().find(|key| OWN.contains(&key.as_str())) {
                return Err(Error::Recipe(format!("[{name}] {own}: the loop itself decides this")));
            }
            if let Some((key, _)) = flags.iter().find(|(_, value)| texts(value).is_none()) {
                let message = format!("[{name}] {key}: no flag can hold such a value");
                return Err(Error::Recipe(message));
            }
            let is_file = flags.contains_key("file");
            if is_file && flags.len() > 1 {
                let message =
                    format!("[{name}] file: nothing else can be said of problems that are there");
                return Err(Error::Recipe(message));
            }
        }
        if self.sft.as_ref().is_some_and(|sft| !sft.contains_key("rows")) {
            return Err(Error::Recipe("[sft] rows: the file of samples is missing".into()));
        }
        if self.pass.is_empty() || self.pass.contains(&0) {
            return Err(Error::Recipe("pass: numbers of 1 or more are needed".into()));
        }
        Ok(())
    }

    /// Makes all paths absolute: the commands are run elsewhere.
    fn see_from(&mut self, place: &Path) -> Result<(), Error> {
        let absolute = |path: &Path| {
            let path = place.join(path);
            path.canonicalize().map_err(Error::reading(&path))
        };
        self.model = absolute(&self.model)?;
        let tables = [Some(&mut self.problems), Some(&mut self.held_out), self.sft.as_mut()];
        for (flags, key) in tables.into_iter().zip(["file", "file", "rows"]) {
            if let Some(Value::String(path)) = flags.and_then(|flags| flags.get_mut(key)) {
                *path = absolute(Path::new(path))?.display().to_string();
            }
        }
        Ok(())
    }
}

/// Puts the values of one table into another, table by table.
fn merge(into: &mut Table, from: Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(into)), Value::Table(from)) => merge(into, from),
            (_, value) => _ = into.insert(key, value),
        }
    }
}

/// A file that a table names.
pub fn named<'f>(flags: &'f Flags, key: &str) -> Option<&'f Path> {
    flags.get(key).and_then(Value::as_str).map(Path::new)
}

/// A number that a table gives under one of its names.
pub fn number(flags: &Flags, keys: &[&str]) -> Option<f64> {
    let value = keys.iter().find_map(|key| flags.get(*key))?;
    value.as_float().or_else(|| value.as_integer().map(|number| number as f64))
}

/// Whether a flag is set.
pub fn is_set(flags: &Flags, key: &str) -> bool {
    flags.get(key) == Some(&Value::Boolean(true))
}

/// Flags as they are typed.
pub fn words(flags: &Flags) -> Vec<String> {
    let mut words = Vec::new();
    for (key, value) in flags {
        let flag = if key.len() == 1 { format!("-{key}") } else { format!("--{key}") };
        match value {
            Value::Boolean(true) => words.push(flag),
            Value::Boolean(false) => {}
            value => {
                for text in texts(value).unwrap_or_default() {
                    words.extend([flag.clone(), text]);
                }
            }
        }
    }
    words
}

/// The values of a flag as they are typed; none if no flag can hold them.
fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Integer(number) => Some(vec![number.to_string()]),
        Value::Float(number) => Some(vec![number.to_string()]),
        Value::Boolean(_) => Some(Vec::new()),
        Value::Array(values) => {
            let texts: Option<Vec<Vec<String>>> = values.iter().map(texts).collect();
            texts.map(|texts| texts.concat())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(text: &str, changes: &[&str]) -> Result<Recipe, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("recipe.toml");
        let whole = format!("model = '.'\n{text}");
        std::fs::write(&path, whole).expect("a recipe");
        std::fs::write(folder.path().join("p.jsonl"), "").expect("a file");
        let changes: Vec<String> = changes.iter().map(|change| (*change).to_owned()).collect();
        Recipe::read(&path, &changes).map_err(|error| error.to_string())
    }

    const SMALL: &str =
        "[problems]\nn = 3\nfamily = ['gates', 'alu']\n[held-out]\nfile = 'p.jsonl'\n";

    #[test]
    fn a_table_is_the_flags_of_its_stage() {
        let recipe =
            recipe(&format!("{SMALL}[dpo]\nrate = 5e-6\nfull = true\nin-order = false\n"), &[]);
        let recipe = recipe.expect("a recipe");
        assert_eq!(words(&recipe.problems), ["--family", "gates", "--family", "alu", "-n", "3"]);
        assert_eq!(words(&recipe.dpo), ["--full", "--rate", "0.000005"]);
        assert!(named(&recipe.held_out, "file").is_some_and(|path| path.is_absolute()));
    }

    #[test]
    fn settings_can_be_changed_where_it_is_run() {
        let changed =
            recipe(SMALL, &["dpo.rate=1e-4", "seed=7", "measure.n=10"]).expect("a recipe");
        assert_eq!((number(&changed.dpo, &["rate"]), changed.seed), (Some(1e-4), 7));
        assert_eq!(number(&changed.measuring(), &["samples", "n"]), Some(10.0));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_place() {
        let cases = [
            ("[dpo]\noutput = 'x'\n", "[dpo] output"),
            ("[sample]\nstop = { a = 1 }\n", "[sample] stop"),
            ("[sft]\nfull = true\n", "[sft] rows"),
            ("[train]\n", "unknown field"),
        ];
        for (text, words) in cases {
            let said = recipe(&format!("{SMALL}{text}"), &[]).err().unwrap_or_default();
            assert!(said.contains(words), "{text}: {said}");
        }
        let said = recipe(SMALL, &["problems.file='p.jsonl'"]).err().unwrap_or_default();
        assert!(said.contains("[problems] file"), "{said}");
    }
}
