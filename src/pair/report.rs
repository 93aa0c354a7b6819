//! What a run comes to: the pairs that each rule made and dropped, and how dense the reward is.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;

use serde::Serialize;

use super::label::{Doubt, Label, is_failed};
use super::mask;
use super::plan::{Member, Mode, Options, Plan};
use crate::verify::verdict::Status;

/// Counts over all problems of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// How the pairs were made.
    pub options: Options,
    /// Problems with a candidate.
    pub problems: usize,
    /// Problems whose golden module has several outputs, as far as a candidate was judged.
    pub problems_with_several_outputs: usize,
    /// The candidates.
    pub candidates: Candidates,
    /// Outputs of judged candidates.
    pub outputs: Outputs,
    /// Pairs by mode, each as if it were the only one.
    pub modes: BTreeMap<&'static str, Counts>,
    /// Pairs with failed candidates, in the room that the pairs of the written mode leave.
    pub failed: Counts,
    /// Rows written.
    pub pairs_written: usize,
    /// Signals with equal code and unequal verdicts; each is an error of ours.
    pub contradictions: usize,
}

/// What the candidates are to the pairs.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Candidates {
    /// All.
    pub all: usize,
    /// By status.
    pub statuses: BTreeMap<Status, usize>,
    /// Right in every output.
    pub correct: usize,
    /// Wrong in some output: wrong as a whole.
    pub wrong: usize,
    /// Judged, and neither: an output is open and none is wrong.
    pub open: usize,
    /// Wrong as a whole, of a golden module with several outputs.
    pub wrong_with_several_outputs: usize,
    /// Wrong as a whole, with a right output.
    pub wrong_with_a_right_output: usize,
    /// Wrong as a whole, and chosen in a signal pair that was found.
    pub wrong_chosen_found: usize,
    /// Wrong as a whole, and chosen in a signal pair that is kept.
    pub wrong_chosen: usize,
}

/// Outputs of judged candidates, by what they are to the pairs.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Outputs {
    /// Right.
    pub correct: usize,
    /// Wrong.
    pub wrong: usize,
    /// Verdict `unchecked`.
    pub unchecked: usize,
    /// Left aside for a race.
    pub race: usize,
    /// Left aside as wrong by undefined bits only.
    pub power_up: usize,
    /// Right on too little evidence.
    pub evidence: usize,
    /// With the whole module for a cone.
    pub whole_module: usize,
}

/// The pairs of one mode: `found - empty_masks - near_duplicates - over_cap = pairs`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Contrasted signals that are no part of any pair since the whole module stands for a cone.
    pub contrasts_whole_module: usize,
    /// Contrasted signals that are no part of any pair since a cone has no byte in its completion.
    pub contrasts_empty: usize,
    /// Pairs that the mode allows.
    pub found: usize,
    /// Dropped: nothing to learn from on one side.
    pub empty_masks: usize,
    /// Dropped: another pair repeats it.
    pub near_duplicates: usize,
    /// Dropped: over the cap of the problem.
    pub over_cap: usize,
    /// Kept.
    pub pairs: usize,
    /// Problems with a pair.
    pub problems: usize,
    /// Pairs of problems with several outputs: those in which a signal can be told from its module.
    pub pairs_with_several_outputs: usize,
    /// Problems with several outputs and a pair.
    pub problems_with_several_outputs: usize,
    /// Candidates that are chosen in a pair.
    pub chosen_candidates: usize,
    /// Candidates that are rejected in a pair.
    pub rejected_candidates: usize,
    /// Contrasted signals in all pairs.
    pub signals: usize,
    /// Bytes in the chosen and in the rejected masks.
    pub mask_bytes: (usize, usize),
    /// Tokens of Verilog in the chosen and in the rejected masks.
    pub mask_tokens: (usize, usize),
    /// Bytes of the chosen and of the rejected completions.
    pub completion_bytes: (usize, usize),
}

impl Report {
    /// A report without rows.
    pub fn new(options: Options) -> Report {
        let modes = [Mode::Signal, Mode::Module, Mode::Unfiltered];
        Report {
            options,
            problems: 0,
            problems_with_several_outputs: 0,
            candidates: Candidates::default(),
            outputs: Outputs::default(),
            modes: modes.into_iter().map(|mode| (mode.kind().name(), Counts::default())).collect(),
            failed: Counts::default(),
            pairs_written: 0,
            contradictions: 0,
        }
    }

    /// Counts a problem's candidates; `signal` is its plan in that mode.
    pub fn add_problem(&mut self, members: &[Member], signal: &Plan) {
        self.problems += 1;
        let several = |member: &Member| member.outputs.len() > 1;
        self.problems_with_several_outputs += usize::from(members.iter().any(several));
        let chosen: HashSet<usize> = signal.drafts.iter().map(|draft| draft.chosen).collect();
        let counts = &mut self.candidates;
        for (index, member) in members.iter().enumerate() {
            counts.all += 1;
            *counts.statuses.entry(member.status).or_default() += 1;
            let (is_correct, is_wrong) = (member.is_correct(), member.is_wrong());
            counts.correct += usize::from(is_correct);
            counts.wrong += usize::from(is_wrong);
            let is_open = member.status == Status::Judged && !is_correct && !is_wrong;
            counts.open += usize::from(is_open);
            if is_wrong {
                let right = member.outputs.iter().any(|output| output.label == Label::Correct);
                counts.wrong_with_several_outputs += usize::from(several(member));
                counts.wrong_with_a_right_output += usize::from(right);
                counts.wrong_chosen_found += usize::from(signal.chosen_found.contains(&index));
                counts.wrong_chosen += usize::from(chosen.contains(&index));
            }
            for output in &member.outputs {
                let counts = &mut self.outputs;
                let count = match output.label {
                    Label::Correct => &mut counts.correct,
                    Label::Wrong => &mut counts.wrong,
                    Label::Open(Doubt::Unchecked) => &mut counts.unchecked,
                    Label::Open(Doubt::Race) => &mut counts.race,
                    Label::Open(Doubt::PowerUp) => &mut counts.power_up,
                    Label::Open(Doubt::Evidence) => &mut counts.evidence,
                };
                *count += 1;
                counts.whole_module += usize::from(output.is_whole);
            }
        }
    }

    /// Candidates that failed in a way that may be rejected.
    fn failed_candidates(&self) -> usize {
        let statuses = self.candidates.statuses.iter();
        statuses.filter(|(status, _)| is_failed(**status)).map(|(_, count)| count).sum()
    }

    /// The report as text.
    pub fn render(&self) -> String {
        let mut text = String::new();
        let Candidates { all, correct, wrong, open, .. } = self.candidates;
        let failed = self.failed_candidates();
        let _ = writeln!(
            text,
            "{all} candidates of {} problems, {} of these with several outputs",
            self.problems, self.problems_with_several_outputs
        );
        let rest = all - correct - wrong - open - failed;
        let _ = writeln!(
            text,
            "  right in every output {correct}, wrong in one {wrong}, undecided {open}, failed {failed}, not judged {rest}"
        );
        let Outputs { correct, wrong, unchecked, race, power_up, evidence, whole_module } =
            self.outputs;
        let _ = writeln!(
            text,
            "  outputs: right {correct}, wrong {wrong}; left aside: unchecked {unchecked}, race {race}, power-up {power_up}, evidence {evidence}; whole-module cones {whole_module}"
        );
        text.push_str(&self.table());
        let counts = &self.candidates;
        let _ = writeln!(
            text,
            "of {} candidates that are wrong as a whole {} have several outputs; of these {} ({}) have a right one and {} ({}) give a chosen signal, {} after duplicates and cap",
            counts.wrong,
            counts.wrong_with_several_outputs,
            counts.wrong_with_a_right_output,
            percent(counts.wrong_with_a_right_output, counts.wrong_with_several_outputs),
            counts.wrong_chosen_found,
            percent(counts.wrong_chosen_found, counts.wrong_with_several_outputs),
            counts.wrong_chosen
        );
        if self.contradictions > 0 {
            let _ = writeln!(text, "contradictions: {}", self.contradictions);
        }
        text
    }

    /// The modes side by side.
    fn table(&self) -> String {
        let mut columns: Vec<(&str, &Counts)> = vec![];
        for name in ["signal", "module", "unfiltered"] {
            columns.extend(self.modes.get(name).map(|counts| (name, counts)));
        }
        columns.push(("failed", &self.failed));
        let rows: [(&str, Cell); 17] = [
            ("contrasts dropped: whole module", |c| c.contrasts_whole_module.to_string()),
            ("contrasts dropped: empty cone", |c| c.contrasts_empty.to_string()),
            ("pairs found", |c| c.found.to_string()),
            ("  dropped: empty mask", |c| c.empty_masks.to_string()),
            ("  dropped: near-duplicate", |c| c.near_duplicates.to_string()),
            ("  dropped: over the cap", |c| c.over_cap.to_string()),
            ("pairs", |c| c.pairs.to_string()),
            ("  with several outputs", |c| c.pairs_with_several_outputs.to_string()),
            ("problems with a pair", |c| c.problems.to_string()),
            ("  with several outputs", |c| c.problems_with_several_outputs.to_string()),
            ("candidates chosen", |c| c.chosen_candidates.to_string()),
            ("candidates rejected", |c| c.rejected_candidates.to_string()),
            ("contrasted signals", |c| c.signals.to_string()),
            ("chosen mask, tokens", |c| c.mask_tokens.0.to_string()),
            ("rejected mask, tokens", |c| c.mask_tokens.1.to_string()),
            ("chosen mask, bytes", |c| share(c.mask_bytes.0, c.completion_bytes.0)),
            ("rejected mask, bytes", |c| share(c.mask_bytes.1, c.completion_bytes.1)),
        ];
        let mut text = format!("{:<34}", "");
        columns.iter().for_each(|(name, _)| text.push_str(&format!("{name:>18}")));
        text.push('\n');
        for (title, value) in rows {
            text.push_str(&format!("{title:<34}"));
            for (_, counts) in &columns {
                text.push_str(&format!("{:>18}", value(counts)));
            }
            text.push('\n');
        }
        text
    }
}

/// What a row of the table shows of a mode.
type Cell = fn(&Counts) -> String;

impl Counts {
    /// Counts a problem's plan.
    pub fn add(&mut self, members: &[Member], plan: &Plan) {
        self.contrasts_whole_module += plan.whole_modules;
        self.contrasts_empty += plan.empty_cones;
        self.found += plan.found;
        self.empty_masks += plan.empty_masks;
        self.near_duplicates += plan.duplicates;
        self.over_cap += plan.over_cap;
        self.pairs += plan.drafts.len();
        self.problems += usize::from(!plan.drafts.is_empty());
        if members.iter().any(|member| member.outputs.len() > 1) {
            self.pairs_with_several_outputs += plan.drafts.len();
            self.problems_with_several_outputs += usize::from(!plan.drafts.is_empty());
        }
        let distinct =
            |indices: &mut dyn Iterator<Item = usize>| indices.collect::<HashSet<_>>().len();
        self.chosen_candidates += distinct(&mut plan.drafts.iter().map(|draft| draft.chosen));
        self.rejected_candidates += distinct(&mut plan.drafts.iter().map(|draft| draft.rejected));
        for draft in &plan.drafts {
            self.signals += draft.signals.len();
            let masks = draft.masks(members);
            let texts = (&members[draft.chosen].completion, &members[draft.rejected].completion);
            let bytes = |spans: &[(usize, usize)]| spans.iter().map(|s| s.1 - s.0).sum::<usize>();
            self.mask_bytes.0 += bytes(&masks.0);
            self.mask_bytes.1 += bytes(&masks.1);
            self.mask_tokens.0 += mask::tokens(texts.0, &masks.0);
            self.mask_tokens.1 += mask::tokens(texts.1, &masks.1);
            self.completion_bytes.0 += texts.0.len();
            self.completion_bytes.1 += texts.1.len();
        }
    }
}

fn percent(count: usize, of: usize) -> String {
    if of == 0 { "-".into() } else { format!("{:.1} %", 100.0 * count as f64 / of as f64) }
}

fn share(count: usize, of: usize) -> String {
    format!("{count} ({})", percent(count, of))
}
