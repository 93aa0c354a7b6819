//! Files of rows to tokens: `pairs.jsonl` and `sft.jsonl` in, sequences out, and what was left out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::de::DeserializeOwned;

use super::Error;
use super::batch::{Dropped, Mask, Pairing, Sequence, Settings};
use super::order::Draw;
use crate::corpus::sft::Sample;
use crate::model::{ChatTemplate, Message, Tokenizer};
use crate::pair::{Kind, Pair};
use crate::record::{self, Line};

/// Rows that are read before they are made into tokens: some ten MB of text.
const ROWS_AT_ONCE: usize = 4096;

/// How a model is asked.
pub struct Asker<'a> {
    /// Its tokenizer.
    pub tokenizer: &'a Tokenizer,
    /// Its chat template; without one a prompt is the text itself.
    pub template: Option<&'a ChatTemplate>,
    /// What the system is told to be, where a row says nothing; without it the template's own default.
    pub system: Option<&'a str>,
}

impl Asker<'_> {
    /// The tokens of a conversation that the model is to answer: its turns, the last without its answer.
    pub fn ask(&self, system: Option<&str>, turns: &[(&str, &str)]) -> Result<Vec<u32>, String> {
        let message =
            |role: &str, content: &str| Message { role: role.into(), content: content.into() };
        let system = system.or(self.system);
        let text = match self.template {
            Some(template) => {
                let mut messages: Vec<Message> =
                    system.iter().map(|system| message("system", system)).collect();
                for (prompt, answer) in turns {
                    messages.extend([message("user", prompt), message("assistant", answer)]);
                }
                messages.pop();
                template.render(&messages, true)?
            }
            None if system.is_some() || turns.len() > 1 => {
                return Err("the model has no chat template, so it can be told neither a system \
                            prompt nor earlier turns"
                    .to_owned());
            }
            None => turns.last().map(|(prompt, _)| (*prompt).to_owned()).unwrap_or_default(),
        };
        Ok(self.tokenizer.encode(&text)?.ids)
    }
}

/// What of a pair is learnt from, and of which kinds of pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The code of the contrasted signals: the method.
    Signal,
    /// Whole modules, of pairs that `salv pair --mode module` made.
    Module,
    /// Whole completions, of pairs with contrasted signals.
    Unfiltered,
    /// All but the code of the contrasted signals: what the published code trains on as released.
    Inverted,
    /// As many tokens as the code of the contrasted signals has, anywhere in the completion.
    Random,
}

impl Mode {
    /// The mask, and whether the token that ends the answer is in it.
    pub fn mask(self, seed: u64) -> (Mask, bool) {
        match self {
            Mode::Signal => (Mask::Spans, false),
            Mode::Module => (Mask::Spans, true),
            Mode::Unfiltered => (Mask::Completion, true),
            Mode::Inverted => (Mask::Inverted, false),
            Mode::Random => (Mask::Random { seed }, false),
        }
    }

    fn check(self, pair: &Pair) -> Result<(), String> {
        let fits = match self {
            Mode::Signal | Mode::Inverted | Mode::Random => pair.kind == Kind::Signal,
            Mode::Module => pair.kind == Kind::Module,
            Mode::Unfiltered => matches!(pair.kind, Kind::Signal | Kind::Unfiltered),
        };
        if fits || pair.kind == Kind::Failed {
            return Ok(());
        }
        let wanted = if self == Mode::Module { "module" } else { "signal" };
        Err(format!(
            "its kind is {}, which this mode does not learn from (make pairs with `salv pair --mode {wanted}`)",
            pair.kind.name()
        ))
    }
}

/// Rows as tokens.
#[derive(Debug)]
pub struct Loaded<T> {
    /// Those that can be learnt from.
    pub rows: Vec<T>,
    /// The line of each, from 1.
    pub lines: Vec<usize>,
    /// What each belongs to: its problem, or itself.
    pub groups: Vec<String>,
    /// How many were left out, and why.
    pub dropped: BTreeMap<Dropped, usize>,
    /// How many lost tokens to the cutoff, and how many tokens.
    pub cut: (usize, usize),
}

/// Reads pairs. Those of the other kind than `mode` learns from are an error.
pub fn pairs(
    path: &Path,
    asker: &Asker,
    (mode, settings): (Mode, Settings),
    threads: usize,
) -> Result<Loaded<Pairing>, Error> {
    load(path, threads, |pair: &Pair| {
        mode.check(pair)?;
        let prompt = asker.ask(None, &[(&pair.prompt, "")])?;
        let made = Pairing::new(pair, &prompt, asker.tokenizer, settings)?;
        Ok((pair.problem.clone(), made.map(|made| (made.chosen.cut + made.rejected.cut, made))))
    })
}

/// Reads samples for fine-tuning; all of an answer is learnt, with its end.
pub fn samples(
    path: &Path,
    asker: &Asker,
    cutoff: usize,
    threads: usize,
) -> Result<Loaded<Sequence>, Error> {
    let settings = Settings { mask: Mask::Completion, end_counts: true, cutoff };
    load(path, threads, |sample: &Sample| {
        let turns: Vec<(&str, &str)> = sample.turns().collect();
        let prompt = asker.ask(sample.system.as_deref(), &turns)?;
        let completion = asker.tokenizer.encode(&sample.completion)?;
        let made = Sequence::new(&prompt, &completion, &[], asker.tokenizer.end(), settings);
        Ok((sample.id.clone(), made.map(|made| (made.cut, made))))
    })
}

/// What becomes of a row: its group, and the tokens that a cutoff took with what is left, or why nothing is.
type Made<T> = (String, Result<(usize, T), Dropped>);

fn load<R: DeserializeOwned + Sync, T: Send>(
    path: &Path,
    threads: usize,
    make: impl Fn(&R) -> Result<Made<T>, String> + Sync,
) -> Result<Loaded<T>, Error> {
    let mut loaded = Loaded {
        rows: Vec::new(),
        lines: Vec::new(),
        groups: Vec::new(),
        dropped: BTreeMap::new(),
        cut: (0, 0),
    };
    let mut lines = record::read::<R>(path)?;
    loop {
        let some: Vec<Line<R>> = lines.by_ref().take(ROWS_AT_ONCE).collect::<Result<_, _>>()?;
        if some.is_empty() {
            break;
        }
        let share = some.len().div_ceil(threads.max(1));
        let made: Vec<Result<Made<T>, String>> = crossbeam::thread::scope(|scope| {
            let make = &make;
            let work = |rows: &'_ [Line<R>]| rows.iter().map(|row| make(&row.value)).collect();
            let workers: Vec<_> = some
                .chunks(share)
                .map(|rows| scope.spawn(move |_| -> Vec<Result<Made<T>, String>> { work(rows) }))
                .collect();
            workers.into_iter().flat_map(|worker| worker.join().expect("no panic")).collect()
        })
        .expect("all are joined");
        for (line, made) in some.iter().map(|row| row.line).zip(made) {
            let failed = |message| Error::Row { path: path.to_owned(), line, message };
            loaded.take(line, made.map_err(failed)?);
        }
    }
    if loaded.rows.is_empty() {
        return Err(Error::NoRows { path: path.to_owned(), why: loaded.why() });
    }
    Ok(loaded)
}

impl<T> Loaded<T> {
    fn take(&mut self, line: usize, (group, made): Made<T>) {
        match made {
            Ok((cut, row)) => {
                self.cut = (self.cut.0 + usize::from(cut > 0), self.cut.1 + cut);
                self.rows.push(row);
                self.lines.push(line);
                self.groups.push(group);
            }
            Err(why) => *self.dropped.entry(why).or_default() += 1,
        }
    }

    /// What was left out and what was cut, in a sentence.
    pub fn why(&self) -> String {
        if self.dropped.is_empty() && self.rows.is_empty() {
            return "it has none".to_owned();
        }
        let mut parts: Vec<String> =
            self.dropped.iter().map(|(why, count)| format!("{count} left out: {why}")).collect();
        if self.cut.0 > 0 {
            let (rows, tokens) = self.cut;
            parts.push(format!("{rows} lost {tokens} tokens to the cutoff"));
        }
        parts.join("; ")
    }

    /// Takes about a share of the groups out for evaluation, drawn by the seed; all rows of a group stay together.
    pub fn split(self, share: f64, seed: u64) -> (Loaded<T>, Loaded<T>) {
        let drawn = |group: &str| Draw::new(&[b"split", &seed.to_le_bytes(), group.as_bytes()]);
        let all: BTreeSet<&str> = self.groups.iter().map(String::as_str).collect();
        let held: BTreeSet<String> = all
            .into_iter()
            .filter(|group| drawn(group).unit() < share)
            .map(str::to_owned)
            .collect();
        let Loaded { rows, lines, groups, dropped, cut } = self;
        let empty = || Loaded {
            rows: Vec::new(),
            lines: Vec::new(),
            groups: Vec::new(),
            dropped: BTreeMap::new(),
            cut: (0, 0),
        };
        let (mut rest, mut evaluation) = (Loaded { dropped, cut, ..empty() }, empty());
        for ((row, line), group) in rows.into_iter().zip(lines).zip(groups) {
            let part = if held.contains(&group) { &mut evaluation } else { &mut rest };
            part.rows.push(row);
            part.lines.push(line);
            part.groups.push(group);
        }
        (rest, evaluation)
    }
}

impl Loaded<Pairing> {
    /// Exchanges chosen and rejected in half of the pairs, drawn by the seed: a control that keeps the texts and
    /// not what they were judged.
    pub fn shuffle_labels(&mut self, seed: u64) {
        for (pair, line) in self.rows.iter_mut().zip(&self.lines) {
            let key = [seed.to_le_bytes(), (*line as u64).to_le_bytes()];
            if Draw::new(&[b"labels", &key[0], &key[1]]).unit() < 0.5 {
                std::mem::swap(&mut pair.chosen, &mut pair.rejected);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(groups: &[&str]) -> Loaded<usize> {
        Loaded {
            rows: (0..groups.len()).collect(),
            lines: (1..=groups.len()).collect(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            dropped: BTreeMap::from([(Dropped::CutMask, 2)]),
            cut: (1, 7),
        }
    }

    #[test]
    fn groups_are_held_out_whole() {
        let names: Vec<String> = (0..200).map(|at| format!("p{}", at / 2)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (rest, held) = loaded(&names).split(0.2, 3);
        assert_eq!(rest.rows.len() + held.rows.len(), 200);
        assert!((20..60).contains(&held.rows.len()), "{}", held.rows.len());
        assert!(held.groups.iter().all(|group| !rest.groups.contains(group)));
        assert_eq!(held.rows.iter().map(|row| row + 1).collect::<Vec<_>>(), held.lines);
        let (again, _) = loaded(&names).split(0.2, 3);
        assert_eq!(again.rows, rest.rows);
        assert_eq!(
            rest.why(),
            "2 left out: all that is to be learnt from lies behind the cutoff; 1 lost 7 tokens to the cutoff"
        );
    }
}
