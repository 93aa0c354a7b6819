//! The rows of the three files come in together, candidate by candidate; the pairs of a problem go out when its
//! last candidate has come.

use std::collections::HashMap;

use super::label::{is_failed, label};
use super::plan::{Draft, Member, Mode, Options, Output, Plan, failed, plan};
use super::report::Report;
use super::{Pair, WeightedSpan, mask};
use crate::candidate::{Candidate, extract_code};
use crate::extract::run::{Row, Span};
use crate::problem::Problem;
use crate::verify::verdict::{Status, Verdict};

/// What stops a run; never a candidate's fault.
#[derive(Debug, thiserror::Error)]
pub enum PairError {
    /// A candidate names no known problem.
    #[error(
        "candidate {candidate}: no problem is called `{problem}` (are these the problems that the candidates were made for?)"
    )]
    UnknownProblem {
        /// The candidate's identifier.
        candidate: String,
        /// The name that is not known.
        problem: String,
    },
    /// A row is for another candidate.
    #[error(
        "row {row} of the {file} is for {found}, and the candidates have {wanted} there; the {file} must have a row for each candidate, in their order: make them again from this file with `salv {stage}`"
    )]
    Misplaced {
        /// Row, from 1.
        row: usize,
        /// Which file: `verdicts` or `spans`.
        file: &'static str,
        /// The subcommand that makes it.
        stage: &'static str,
        /// The candidate, with its problem.
        wanted: String,
        /// That of the row.
        found: String,
    },
    /// A span does not fit the completion.
    #[error(
        "spans of candidate {candidate:?} of {problem:?}: {start}..{end} does not fit a completion of {bytes} bytes; make them again with `salv extract`"
    )]
    Span {
        /// The candidate's problem.
        problem: String,
        /// The candidate.
        candidate: String,
        /// Its start.
        start: usize,
        /// Its end.
        end: usize,
        /// Length of the completion.
        bytes: usize,
    },
    /// Two candidates of a problem cannot be told apart.
    #[error(
        "problem {problem:?} has two candidates with the id {candidate:?}; each must have its own"
    )]
    Duplicate {
        /// The problem.
        problem: String,
        /// The id.
        candidate: String,
    },
    /// There are more candidates of a problem than there were when they were counted.
    #[error("the candidates changed while they were read: more of {problem:?} than at first")]
    Changed {
        /// The problem.
        problem: String,
    },
}

/// An output with equal code in two candidates, judged right in one and wrong in the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// The problem.
    pub problem: String,
    /// The candidate that has it right.
    pub right: String,
    /// The candidate that has it wrong.
    pub wrong: String,
    /// The output.
    pub signal: String,
}

/// How many candidates each problem has, by its index, and whether a problem's candidates stand together.
pub struct Survey {
    counts: Vec<usize>,
    /// Whether no problem comes back after another one.
    pub is_grouped: bool,
}

/// Counts candidates, named by problem and id.
pub fn survey<E: From<PairError>>(
    problems: &[Problem],
    candidates: impl Iterator<Item = Result<Candidate, E>>,
) -> Result<Survey, E> {
    let by_name = by_name(problems);
    let mut survey = Survey { counts: vec![0; problems.len()], is_grouped: true };
    let mut last = None;
    for candidate in candidates {
        let Candidate { problem, id, .. } = candidate?;
        let Some(&index) = by_name.get(problem.as_str()) else {
            return Err(PairError::UnknownProblem { candidate: id, problem }.into());
        };
        survey.is_grouped &= last == Some(index) || survey.counts[index] == 0;
        survey.counts[index] += 1;
        last = Some(index);
    }
    Ok(survey)
}

/// A run: candidates are pushed, pairs come back.
pub struct Pairing<'a> {
    problems: &'a [Problem],
    by_name: HashMap<&'a str, usize>,
    options: &'a Options,
    /// Candidates still to come, by problem.
    left: Vec<usize>,
    open: HashMap<usize, Vec<Member>>,
    rows: usize,
    report: Report,
    contradictions: Vec<Contradiction>,
}

/// Contradictions that are kept to be shown; all are counted.
const CONTRADICTIONS_MAX: usize = 20;

impl<'a> Pairing<'a> {
    /// A run over the candidates that were counted.
    pub fn new(problems: &'a [Problem], survey: &Survey, options: &'a Options) -> Pairing<'a> {
        Pairing {
            problems,
            by_name: by_name(problems),
            options,
            left: survey.counts.clone(),
            open: HashMap::new(),
            rows: 0,
            report: Report::new(*options),
            contradictions: Vec::new(),
        }
    }

    /// Takes a candidate with its rows; returns the pairs of its problem if it is the last one of it.
    pub fn push(
        &mut self,
        candidate: Candidate,
        verdict: &Verdict,
        row: &Row,
    ) -> Result<Vec<Pair>, PairError> {
        self.rows += 1;
        self.check_place(&candidate, "verdicts", "verify", &verdict.problem, &verdict.candidate)?;
        self.check_place(&candidate, "spans", "extract", &row.problem, &row.candidate)?;
        let Some(&index) = self.by_name.get(candidate.problem.as_str()) else {
            let Candidate { problem, id: candidate, .. } = candidate;
            return Err(PairError::UnknownProblem { candidate, problem });
        };
        let problem = &self.problems[index];
        let Some(left) = self.left[index].checked_sub(1) else {
            return Err(PairError::Changed { problem: candidate.problem });
        };
        let member = member(problem, candidate, verdict, row, self.options)?;
        self.left[index] = left;
        let members = self.open.entry(index).or_default();
        members.push(member);
        if left > 0 {
            return Ok(Vec::new());
        }
        let mut members = self.open.remove(&index).unwrap_or_default();
        // Numbers by value, and whatever else there is in some order that is always the same.
        members.sort_by(|one, other| (one.id.len(), &one.id).cmp(&(other.id.len(), &other.id)));
        if let Some(twins) = members.windows(2).find(|two| two[0].id == two[1].id) {
            let (problem, candidate) = (problem.problem.clone(), twins[0].id.clone());
            return Err(PairError::Duplicate { problem, candidate });
        }
        Ok(self.pairs_of(problem, &members))
    }

    /// What the run came to, and the contradictions that were found (at most a screen of them).
    pub fn finish(self) -> (Report, Vec<Contradiction>) {
        (self.report, self.contradictions)
    }

    fn check_place(
        &self,
        candidate: &Candidate,
        file: &'static str,
        stage: &'static str,
        found_problem: &str,
        found_candidate: &str,
    ) -> Result<(), PairError> {
        if candidate.problem == found_problem && candidate.id == found_candidate {
            return Ok(());
        }
        let name = |problem: &str, id: &str| format!("candidate {id:?} of {problem:?}");
        Err(PairError::Misplaced {
            row: self.rows,
            file,
            stage,
            wanted: name(&candidate.problem, &candidate.id),
            found: name(found_problem, found_candidate),
        })
    }

    fn pairs_of(&mut self, problem: &Problem, members: &[Member]) -> Vec<Pair> {
        let name = &problem.problem;
        let mut written = Plan::default();
        for mode in [Mode::Signal, Mode::Module, Mode::Unfiltered] {
            let plan = plan(name, members, mode, self.options);
            if mode == Mode::Signal {
                self.report.add_problem(members, &plan);
                self.contradict(name, members, &plan);
            }
            self.report.modes.entry(mode.kind().name()).or_default().add(members, &plan);
            if mode == self.options.mode {
                written = plan;
            }
        }
        let mut drafts = written.drafts;
        if self.options.failed {
            let plan = failed(name, members, is_failed, self.options, drafts.len());
            self.report.failed.add(members, &plan);
            drafts.extend(plan.drafts);
        }
        self.report.pairs_written += drafts.len();
        drafts.iter().map(|draft| pair(problem, members, draft)).collect()
    }

    fn contradict(&mut self, problem: &str, members: &[Member], plan: &Plan) {
        self.report.contradictions += plan.contradictions.len();
        for (chosen, rejected, signal) in &plan.contradictions {
            if self.contradictions.len() < CONTRADICTIONS_MAX {
                self.contradictions.push(Contradiction {
                    problem: problem.to_owned(),
                    right: members[*chosen].id.clone(),
                    wrong: members[*rejected].id.clone(),
                    signal: signal.clone(),
                });
            }
        }
    }
}

fn by_name(problems: &[Problem]) -> HashMap<&str, usize> {
    problems.iter().enumerate().map(|(at, problem)| (problem.problem.as_str(), at)).collect()
}

/// A candidate as pairs see it.
fn member(
    problem: &Problem,
    candidate: Candidate,
    verdict: &Verdict,
    row: &Row,
    options: &Options,
) -> Result<Member, PairError> {
    let Candidate { problem: name, id, completion } = candidate;
    let all = row.signals.iter().flat_map(|signal| &signal.spans).chain(&row.code);
    if let Some(&(start, end)) = all.into_iter().find(|span| !fits(&completion, **span)) {
        let (problem, candidate, bytes) = (name, id, completion.len());
        return Err(PairError::Span { problem, candidate, start, end, bytes });
    }
    // A candidate that was judged elsewhere may be read in another way there.
    let text = extract_code(&completion, &problem.prompt, &problem.top).unwrap_or_default();
    let frames = if options.without_frame { mask::frames(&text) } else { Vec::new() };
    let inside = |spans: &[Span]| match frames.is_empty() {
        true => spans.to_vec(),
        false => mask::without(&completion, spans, &frames),
    };
    let whole = mask::trimmed(&completion, &row.code);
    let code = inside(&whole);
    let fences = if options.with_fences { mask::fences(&completion, &whole) } else { Vec::new() };
    let is_judged = verdict.status == Status::Judged;
    let code_tokens = if is_judged {
        mask::fingerprint(&text, &code)
    } else {
        mask::fingerprint_of_text(&completion)
    };
    let judged = verdict.signals.iter().filter(|_| is_judged);
    let outputs = judged.map(|signal| {
        let cone = row.signals.iter().find(|cone| cone.name == signal.name);
        let cone = cone.filter(|cone| cone.whole_module.is_none());
        let spans = cone.map(|cone| inside(&cone.spans));
        let tokens = spans.as_ref().map(|spans| mask::fingerprint(&text, spans));
        Output {
            name: signal.name.clone(),
            label: label(verdict, signal, &options.rules),
            is_whole: cone.is_none(),
            spans: spans.unwrap_or_else(|| code.clone()),
            tokens: tokens.unwrap_or_else(|| code_tokens.clone()),
        }
    });
    let outputs = outputs.collect();
    Ok(Member { id, completion, status: verdict.status, code, fences, code_tokens, outputs })
}

fn fits(completion: &str, (start, end): Span) -> bool {
    start < end && completion.get(start..end).is_some()
}

fn pair(problem: &Problem, members: &[Member], draft: &Draft) -> Pair {
    let (chosen, rejected) = (&members[draft.chosen], &members[draft.rejected]);
    let masks = draft.masks(members);
    let weighted = |spans: Vec<Span>| -> Vec<WeightedSpan> {
        spans.into_iter().map(|(start, end)| (start, end, 1.0)).collect()
    };
    let names = draft.signals.iter().map(|&(own, _)| chosen.outputs[own].name.clone());
    Pair {
        problem: problem.problem.clone(),
        prompt: problem.prompt.clone(),
        chosen_id: chosen.id.clone(),
        chosen: chosen.completion.clone(),
        rejected_id: rejected.id.clone(),
        rejected: rejected.completion.clone(),
        kind: draft.kind,
        signals: names.collect(),
        chosen_spans: weighted(masks.0),
        rejected_spans: weighted(masks.1),
    }
}
