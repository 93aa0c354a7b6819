//! A run: prompts in, rows out in their order.
//!
//! The slots of a cache are filled with the next sequences as they become free. A sequence whose prompt was read for
//! the sample before it takes a copy. Rows that are ready before their turn wait, and are shown to the sink, which
//! may keep them for a run that goes on after this one was stopped.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use super::draw::{self, NotFinite, Numbers};
use super::{Drawing, Finish, Row, Settings, text};
use crate::model::kv_cache::{Attention, KvCache, Prefix};
use crate::model::{self, Config, Pass, Qwen2, Tokenizer};

/// Tokens of prompts that are read together on a card.
const PACKED_TOKENS_MAX: usize = 16_384;

/// What is asked, in tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The problem's identifier.
    pub problem: String,
    /// Tokens of the prompt, at least one.
    pub prompt: Vec<u32>,
}

/// What a run needs.
pub struct Run<'a> {
    /// The model.
    pub model: &'a Qwen2,
    /// Whether its adapter counts.
    pub pass: Pass,
    /// Its tokenizer.
    pub tokenizer: &'a Tokenizer,
    /// What decides the completions.
    pub settings: &'a Settings,
    /// The problems; row `r` is sample `r % samples` of problem `r / samples`.
    pub tasks: &'a [Task],
    /// Sequences that are generated at a time.
    pub batch: usize,
    /// How they attend; [`Attention::on`] says what is right for a device.
    pub attention: Attention,
    /// Threads that draw.
    pub threads: usize,
    /// Becomes true when the run is to end early.
    pub stop: &'a AtomicBool,
}

/// What stops a run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A prompt that leaves no room.
    #[error(
        "problem {problem}: its prompt has {tokens} tokens, and the model's context of {context} leaves no room for an answer (leave the problem out, or shorten its prompt)"
    )]
    LongPrompt {
        /// The problem.
        problem: String,
        /// Tokens of its prompt.
        tokens: usize,
        /// `max_position_embeddings` of the model.
        context: usize,
    },
    /// A prompt without a token.
    #[error("problem {problem}: its prompt has no token")]
    NoPrompt {
        /// The problem.
        problem: String,
    },
    /// The model gives something else than numbers.
    #[error(
        "problem {problem}, sample {sample}, token {position}: {what}; {place} gives it first (damaged weights, an adapter of another model, or a precision that is too narrow: try --precision fp32)"
    )]
    NotFinite {
        /// The problem.
        problem: String,
        /// The sample.
        sample: usize,
        /// The token that was to be drawn, from 0.
        position: usize,
        /// Which logit.
        what: NotFinite,
        /// Which part of the model.
        place: String,
    },
    /// The tokenizer refuses.
    #[error("problem {problem}: failed to decode: {message}")]
    Decode {
        /// The problem.
        problem: String,
        /// What it says.
        message: String,
    },
    /// The model cannot go on.
    #[error(transparent)]
    Model(#[from] model::Error),
    /// The rows cannot be written.
    #[error(transparent)]
    Stream(Box<dyn std::error::Error + Send + Sync>),
}

/// Where rows go.
pub trait Sink {
    /// Takes the next row in order.
    fn write(&mut self, row: Row) -> Result<(), RunError>;

    /// Is shown a row that must wait for earlier ones.
    fn keep(&mut self, _number: usize, _row: &Row) -> Result<(), RunError> {
        Ok(())
    }

    /// The model has made one token more for so many sequences; rows are better handed on now than later.
    fn settle(&mut self, _tokens: usize) -> Result<(), RunError> {
        Ok(())
    }
}

/// A sequence that is being generated.
struct Sequence<'a> {
    row: usize,
    task: &'a Task,
    sample: usize,
    numbers: Numbers,
    tokens: Vec<u32>,
    limit: usize,
    /// Tokens of the prompt and the answer, where a penalty asks for them.
    seen: HashSet<u32>,
}

/// Refuses prompts that cannot be answered, before anything is generated.
pub fn check(config: &Config, tasks: &[Task]) -> Result<(), RunError> {
    let context = context(config);
    for Task { problem, prompt } in tasks {
        let problem = problem.clone();
        if prompt.is_empty() {
            return Err(RunError::NoPrompt { problem });
        }
        if prompt.len() >= context {
            return Err(RunError::LongPrompt { problem, tokens: prompt.len(), context });
        }
    }
    Ok(())
}

/// The most positions that a sequence of these tasks can have.
pub fn longest(config: &Config, tasks: &[Task], settings: &Settings) -> usize {
    let prompt = tasks.iter().map(|task| task.prompt.len()).max().unwrap_or(0);
    (prompt + settings.max_tokens).min(context(config))
}

fn context(config: &Config) -> usize {
    config.max_position_embeddings as usize
}

/// Generates the rows of `rows` that are not `known` and gives all of them to `sink`, in order.
///
/// Returns early, with all rows given so far in order, when `run.stop` becomes true.
pub fn sample(
    run: &Run,
    rows: Range<usize>,
    known: BTreeMap<usize, Row>,
    sink: &mut impl Sink,
) -> Result<(), RunError> {
    let config = run.model.config();
    check(config, run.tasks)?;
    let length = longest(config, run.tasks, run.settings) as i64;
    let mut cache = KvCache::new(run.model, run.batch, length, run.attention);
    let mut waiting = rows.clone().filter(|row| !known.contains_key(row)).collect();
    let mut prompts = Prompts { run, read: VecDeque::new() };
    let mut order = Order { next: rows.start, ready: known, sink };
    order.settle(0)?;
    let mut slots: Vec<Option<Sequence>> = (0..run.batch).map(|_| None).collect();
    while !run.stop.load(Ordering::Relaxed) {
        fill(run, &mut slots, &mut cache, &mut waiting, &mut prompts, &mut order)?;
        let tokens: Vec<Option<u32>> =
            slots.iter().map(|slot| slot.as_ref()?.tokens.last().copied()).collect();
        let active = tokens.iter().flatten().count();
        if active == 0 {
            break;
        }
        let logits = run.model.step(&mut cache, &tokens, run.pass)?;
        extend_all(run, &mut slots, logits)?;
        for (slot, held) in slots.iter_mut().enumerate() {
            if let Some(row) = held.as_ref().map_or(Ok(None), |held| held.row(run))? {
                let number = held.take().map_or(0, |held| held.row);
                cache.leave(slot);
                order.put(number, row)?;
            }
        }
        order.settle(active)?;
    }
    Ok(())
}

/// Puts the next sequences into free slots. One that ends with its first token never takes a slot.
fn fill<'a>(
    run: &Run<'a>,
    slots: &mut [Option<Sequence<'a>>],
    cache: &mut KvCache,
    waiting: &mut VecDeque<usize>,
    prompts: &mut Prompts,
    order: &mut Order<impl Sink>,
) -> Result<(), RunError> {
    let mut begun = 0;
    for slot in 0..slots.len() {
        while slots[slot].is_none() {
            let free = slots[slot..].iter().filter(|slot| slot.is_none()).count();
            let Some(number) = waiting.pop_front() else { break };
            let prefix = prompts.of(number, waiting, free);
            let mut sequence = Sequence::new(run, number);
            let outcome = sequence.extend(&run.settings.drawing, prefix.logits.clone());
            outcome.map_err(|what| sequence.not_finite(run, what))?;
            begun += 1;
            match sequence.row(run)? {
                Some(row) => order.put(number, row)?,
                None => {
                    cache.enter(slot, prefix)?;
                    slots[slot] = Some(sequence);
                }
            }
        }
    }
    if begun > 0 { order.settle(begun) } else { Ok(()) }
}

/// Draws a token for each sequence, on as many threads as are allowed.
fn extend_all(
    run: &Run,
    slots: &mut [Option<Sequence>],
    logits: Vec<Option<Vec<f32>>>,
) -> Result<(), RunError> {
    let drawing = &run.settings.drawing;
    let mut work: Vec<Drawn> = slots
        .iter_mut()
        .zip(logits)
        .filter_map(|(slot, logits)| Some((slot.as_mut()?, logits?, Ok(()))))
        .collect();
    let share = work.len().div_ceil(run.threads.max(1)).max(1);
    let extend = |part: &mut [Drawn]| {
        for (sequence, logits, outcome) in part {
            *outcome = sequence.extend(drawing, std::mem::take(logits));
        }
    };
    let (own, others) = work.split_at_mut(share);
    std::thread::scope(|scope| {
        for part in others.chunks_mut(share) {
            scope.spawn(move || extend(part));
        }
        extend(own);
    });
    let outcomes = work
        .into_iter()
        .map(|(sequence, _, outcome)| outcome.map_err(|what| sequence.not_finite(run, what)));
    outcomes.collect()
}

/// A sequence, the logits of its next token, and what came of drawing it.
type Drawn<'a, 'b> = (&'a mut Sequence<'b>, Vec<f32>, Result<(), NotFinite>);

impl<'a> Sequence<'a> {
    fn new(run: &Run<'a>, row: usize) -> Sequence<'a> {
        let settings = run.settings;
        let (task, sample) = (&run.tasks[row / settings.samples], row % settings.samples);
        let has_penalty = settings.drawing.repetition_penalty != 1.0;
        Sequence {
            row,
            task,
            sample,
            numbers: Numbers::new(settings.seed, &task.problem, sample),
            tokens: Vec::new(),
            limit: settings.max_tokens.min(context(run.model.config()) - task.prompt.len()),
            seen: task.prompt.iter().copied().filter(|_| has_penalty).collect(),
        }
    }

    /// Draws the next token.
    fn extend(&mut self, drawing: &Drawing, mut logits: Vec<f32>) -> Result<(), NotFinite> {
        draw::penalise(&mut logits, &self.seen, drawing);
        let token = draw::draw(&logits, drawing, self.numbers.at(self.tokens.len()))?;
        self.tokens.push(token);
        if drawing.repetition_penalty != 1.0 {
            self.seen.insert(token);
        }
        Ok(())
    }

    fn not_finite(&self, run: &Run, what: NotFinite) -> RunError {
        let ids = [self.task.prompt.as_slice(), &self.tokens].concat();
        let place = run.model.first_not_finite(&ids, run.pass);
        RunError::NotFinite {
            problem: self.task.problem.clone(),
            sample: self.sample,
            position: self.tokens.len(),
            what,
            place: place.unwrap_or_else(|| "the sum over cached positions".to_owned()),
        }
    }

    /// The row, if the last token ended it.
    fn row(&self, run: &Run) -> Result<Option<Row>, RunError> {
        let decode = |message| RunError::Decode { problem: self.task.problem.clone(), message };
        let finish = match text::ends(run.tokenizer, run.settings, &self.tokens).map_err(decode)? {
            true => Finish::Stop,
            false if self.tokens.len() >= self.limit => Finish::Length,
            false => return Ok(None),
        };
        let completion = text::completion(run.tokenizer, run.settings, &self.tokens, finish);
        Ok(Some(Row {
            problem: self.task.problem.clone(),
            id: format!("{}/{}", self.task.problem, self.sample),
            completion: completion.map_err(decode)?,
            sample: self.sample,
            tokens: self.tokens.len(),
            finish,
        }))
    }
}

/// Prompts that were read and are not yet done with.
struct Prompts<'a> {
    run: &'a Run<'a>,
    read: VecDeque<(usize, Prefix)>,
}

impl Prompts<'_> {
    /// The prompt of a row. On a card those of the rows behind it that have a slot are read with it.
    fn of(&mut self, row: usize, waiting: &VecDeque<usize>, free: usize) -> &Prefix {
        let run = self.run;
        let task = row / run.settings.samples;
        self.read.retain(|(read, _)| *read >= task);
        if self.read.front().is_none_or(|(read, _)| *read != task) {
            let mut next = vec![task];
            let mut tokens = run.tasks[task].prompt.len();
            if run.attention == Attention::Masked {
                let behind = waiting.iter().take(free - 1).map(|row| row / run.settings.samples);
                for other in behind {
                    tokens += run.tasks[other].prompt.len();
                    if tokens <= PACKED_TOKENS_MAX && next.last() != Some(&other) {
                        next.push(other);
                    }
                }
            }
            let ids: Vec<&[u32]> = next.iter().map(|task| &run.tasks[*task].prompt[..]).collect();
            let read = run.model.prefill(&ids, run.pass);
            self.read = next.into_iter().zip(read).collect();
        }
        &self.read[0].1
    }
}

/// Puts rows into their order.
struct Order<'a, S> {
    next: usize,
    ready: BTreeMap<usize, Row>,
    sink: &'a mut S,
}

impl<S: Sink> Order<'_, S> {
    fn put(&mut self, number: usize, row: Row) -> Result<(), RunError> {
        if number != self.next {
            self.sink.keep(number, &row)?;
        }
        self.ready.insert(number, row);
        Ok(())
    }

    fn settle(&mut self, tokens: usize) -> Result<(), RunError> {
        while let Some(row) = self.ready.remove(&self.next) {
            self.next += 1;
            self.sink.write(row)?;
        }
        self.sink.settle(tokens)
    }
}
