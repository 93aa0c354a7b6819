//! Contamination: which samples hold what a benchmark's problems ask or answer.
//!
//! In go the problems of the benchmarks and one sample after the other; out comes, for a sample, the nearest
//! problem and why it is too near. Four ways to be near, the surest first:
//!
//! 1. The same code: the tokens of a golden module, whatever its comments, white space and module names.
//! 2. The same code with other names: the same tokens when names are numbered as they appear.
//! 3. The same prompt: the same words, whatever case, punctuation and module name.
//! 4. Similar code or a similar prompt: the Jaccard index (common parts over all parts of both) of their
//!    shingles, the runs of [`CODE_SHINGLE`] tokens and [`PROMPT_SHINGLE`] words in them.
//!
//! Code is looked at in every answer and every prompt of the sample, as a whole and module by module, so that
//! a golden module among helpers and test benches is found. Within a shingle of code names are numbered as
//! they appear: renaming everything changes no shingle, and code with other names is as near as the original.
//!
//! The Jaccard index is exact: an inverted index of the shingles of some hundred short texts answers a
//! sample in a pass over its own. MinHash would estimate what can be counted here, with a seed and an error.
//!
//! What is not found: an independent implementation of the same task under another description (that is no
//! copy), the same circuit with its statements in another order or rewritten in other constructs, a golden
//! module with most of its constants changed, and a prompt in other words or another language.

mod view;

use std::collections::{HashMap, HashSet};

use super::sft::{Reason, Sample};
use crate::candidate::extract_code;
use crate::problem::Problem;
use crate::verilog::unit::{Scan, sole_top};
use view::{Code, Shingles};

/// Tokens in a shingle of code.
///
/// Measured on the goldens of VerilogEval and RTLLM: shorter shingles make different designs similar (with 4
/// tokens 30 of 100 designs have another one above 0.6, with 8 tokens 14), longer ones lose more to one change.
pub const CODE_SHINGLE: usize = 8;

/// Words in a shingle of a prompt.
pub const PROMPT_SHINGLE: usize = 5;

/// From which similarity on a sample is too near.
///
/// A half by default, for both. Measured on 420 problems of VerilogEval, RTLLM and VeriGen (the test
/// `planted_goldens_of_benchmarks` prints the table): of copies with one constant or one operator changed, 98 in
/// 100 are found at 0.5, and 94 and 82 at 0.6. The price is that 3 in 100 answers of language models to another
/// design of the benchmarks are called near, mostly to a sibling of it (`fsm1` and `fsm1s`, `count10` and
/// `count15`). A sample that is missing costs next to nothing; a problem that was trained on falsifies the
/// benchmark.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// Of code.
    pub code: f64,
    /// Of prompts.
    pub prompt: f64,
}

impl Default for Thresholds {
    fn default() -> Thresholds {
        Thresholds { code: 0.5, prompt: 0.5 }
    }
}

/// The problem that a sample is too near to.
#[derive(Clone, Debug, PartialEq)]
pub struct Contamination {
    /// The way.
    pub reason: Reason,
    /// Index among the problems.
    pub problem: usize,
    /// 1 for the same; otherwise the Jaccard index.
    pub similarity: f64,
}

/// From a text to the problems that have it, in order.
type Known = HashMap<String, Vec<usize>>;

/// The problems of the benchmarks, ready to be searched.
pub struct Benchmarks {
    thresholds: Thresholds,
    /// Names that the problems ask for: in a prompt they say nothing.
    names: HashSet<String>,
    same_code: Known,
    renamed_code: Known,
    same_prompt: Known,
    code: Neighbours,
    prompts: Neighbours,
}

impl Benchmarks {
    /// Prepares the problems.
    pub fn new(problems: &[Problem], thresholds: Thresholds) -> Benchmarks {
        let names = problems.iter().flat_map(|problem| {
            [Some(&problem.top), problem.golden_top.as_ref()].into_iter().flatten().cloned()
        });
        let mut all = Benchmarks {
            thresholds,
            names: names.collect(),
            same_code: Known::new(),
            renamed_code: Known::new(),
            same_prompt: Known::new(),
            code: Neighbours::default(),
            prompts: Neighbours::default(),
        };
        for (index, problem) in problems.iter().enumerate() {
            for golden in goldens(problem) {
                all.same_code.entry(golden.text()).or_default().push(index);
                all.renamed_code.entry(golden.renamed()).or_default().push(index);
                all.code.add(index, &golden.shingles(CODE_SHINGLE));
            }
            for prompt in [problem.prompt.as_str(), without_head(&problem.prompt)] {
                let words = view::words(prompt, |word| all.names.contains(word));
                if !words.is_empty() {
                    all.same_prompt.entry(words.join(" ")).or_default().push(index);
                    all.prompts.add(index, &view::word_shingles(&words, PROMPT_SHINGLE));
                }
            }
        }
        all
    }

    /// Returns the nearest problem, if it is too near; of equally near ones the first.
    pub fn find(&self, sample: &Sample) -> Option<Contamination> {
        self.find_among(sample, |_| true)
    }

    /// Returns the nearest problem of those that `among` takes, by their indices.
    pub fn find_among(
        &self,
        sample: &Sample,
        among: impl Fn(usize) -> bool,
    ) -> Option<Contamination> {
        let codes = codes(sample);
        let same = |reason, problem| Contamination { reason, problem, similarity: 1.0 };
        let first = |known: &Known, texts: &[String]| {
            let found = texts.iter().filter_map(|text| known.get(text)).flatten().copied();
            found.filter(|problem| among(*problem)).min()
        };
        let texts: Vec<String> = codes.iter().map(Code::text).collect();
        if let Some(problem) = first(&self.same_code, &texts) {
            return Some(same(Reason::SameCode, problem));
        }
        let texts: Vec<String> = codes.iter().map(Code::renamed).collect();
        if let Some(problem) = first(&self.renamed_code, &texts) {
            return Some(same(Reason::RenamedCode, problem));
        }
        let prompts = self.prompts_of(sample, &codes);
        let texts: Vec<String> = prompts.iter().map(|words| words.join(" ")).collect();
        if let Some(problem) = first(&self.same_prompt, &texts) {
            return Some(same(Reason::SamePrompt, problem));
        }
        let code = codes.iter().map(|code| code.shingles(CODE_SHINGLE));
        let words = prompts.iter().map(|words| view::word_shingles(words, PROMPT_SHINGLE));
        let code = self.code.nearest(code, self.thresholds.code, &among);
        let prompt = || self.prompts.nearest(words, self.thresholds.prompt, &among);
        let found = code.map(|found| (Reason::SimilarCode, found));
        let found = found.or_else(|| prompt().map(|found| (Reason::SimilarPrompt, found)));
        found.map(|(reason, (problem, similarity))| Contamination { reason, problem, similarity })
    }

    /// Returns the words of a sample's prompts, without the names that the problems ask for, and once more
    /// without those of its own modules: one of them is what a copy was told to write instead.
    fn prompts_of(&self, sample: &Sample, codes: &[Code]) -> Vec<Vec<String>> {
        let own: HashSet<&str> = codes.iter().flat_map(|code| code.modules()).collect();
        let mut prompts = Vec::new();
        for (prompt, _) in sample.turns() {
            let all = view::words(prompt, |word| self.names.contains(word));
            let without =
                view::words(prompt, |word| self.names.contains(word) || own.contains(word));
            if without != all {
                prompts.push(without);
            }
            prompts.push(all);
        }
        prompts
    }
}

/// Returns the similarity of two modules, as it is compared with [`Thresholds::code`].
pub fn code_similarity(one: &str, other: &str) -> f64 {
    let shingles = |text| Code::whole(&Scan::new(text)).shingles(CODE_SHINGLE);
    jaccard(&shingles(one), &shingles(other))
}

/// Returns the similarity of two prompts, as it is compared with [`Thresholds::prompt`]; `names` are modules
/// whose names do not count.
pub fn prompt_similarity(one: &str, other: &str, names: &[&str]) -> f64 {
    let shingles = |text| {
        view::word_shingles(&view::words(text, |word| names.contains(&word)), PROMPT_SHINGLE)
    };
    jaccard(&shingles(one), &shingles(other))
}

fn jaccard(one: &Shingles, other: &Shingles) -> f64 {
    index(one.intersection(other).count(), one.len(), other.len())
}

fn index(common: usize, one: usize, other: usize) -> f64 {
    if common == 0 { 0.0 } else { common as f64 / (one + other - common) as f64 }
}

/// Returns the code in all texts of a sample, whole and module by module.
fn codes(sample: &Sample) -> Vec<Code> {
    let mut codes = Vec::new();
    for (prompt, completion) in sample.turns() {
        let asked = Scan::new(prompt);
        codes.extend(Code::modules_of(&asked));
        if let Ok(code) = extract_code(completion, prompt, "") {
            let scan = Scan::new(&code.text);
            codes.push(Code::whole(&scan));
            if scan.units.len() > 1 {
                codes.extend(Code::modules_of(&scan));
            }
        }
    }
    codes
}

/// Returns the code of a golden module with its helpers and, where it has some, without them.
fn goldens(problem: &Problem) -> Vec<Code> {
    let scan = Scan::new(&problem.golden);
    let mut codes = vec![Code::whole(&scan)];
    let top = problem.golden_top.clone().or_else(|| sole_top(&problem.golden));
    if let Some(top) = top.filter(|_| scan.units.len() > 1) {
        let modules = Code::modules_of(&scan);
        codes.extend(modules.into_iter().filter(|code| code.modules().any(|name| *name == top)));
    }
    codes
}

/// Returns a prompt without the module head at its end, which not every copy of the prompt has.
fn without_head(prompt: &str) -> &str {
    match Scan::new(prompt).units.last() {
        Some(unit) if !unit.closed => &prompt[..unit.span.start],
        _ => prompt,
    }
}

/// An inverted index: from each shingle to the texts that have it.
#[derive(Default)]
struct Neighbours {
    postings: HashMap<u64, Vec<u32>>,
    /// Of each text, the problem and the number of shingles.
    texts: Vec<(usize, usize)>,
}

impl Neighbours {
    fn add(&mut self, problem: usize, shingles: &Shingles) {
        let text = self.texts.len() as u32;
        self.texts.push((problem, shingles.len()));
        for shingle in shingles {
            self.postings.entry(*shingle).or_default().push(text);
        }
    }

    /// Returns the nearest problem of all queries and its similarity, if that reaches `threshold`; of equally
    /// near ones the first.
    fn nearest(
        &self,
        queries: impl Iterator<Item = Shingles>,
        threshold: f64,
        among: &impl Fn(usize) -> bool,
    ) -> Option<(usize, f64)> {
        let mut best: Option<(usize, f64)> = None;
        for query in queries {
            let mut common = vec![0; self.texts.len()];
            let lists = query.iter().filter_map(|shingle| self.postings.get(shingle));
            lists.flatten().for_each(|text| common[*text as usize] += 1);
            for (common, (problem, length)) in common.into_iter().zip(&self.texts) {
                let similarity = index(common, query.len(), *length);
                let is_nearer = best.is_none_or(|(first, nearest)| {
                    similarity > nearest || similarity == nearest && *problem < first
                });
                if common > 0 && similarity >= threshold && is_nearer && among(*problem) {
                    best = Some((*problem, similarity));
                }
            }
        }
        best
    }
}
