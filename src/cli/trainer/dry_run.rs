//! `--dry-run`: what would be learnt from, for a person to look at, and what it would cost.

use std::time::{Duration, Instant};

use console::{Style, colors_enabled};

use super::job::Job;
use super::progress::peak_memory;
use crate::model::Tokenizer;
use crate::train::batch::Sequence;
use crate::train::engine::{Engine, Gradients};
use crate::train::order::{Order, pieces};
use crate::train::run::{Settings, Step};

/// A sequence to be shown.
pub struct Example<'a> {
    /// What it is.
    pub title: &'static str,
    /// Its tokens and weights.
    pub sequence: &'a Sequence,
}

/// Shows the first rows with their masks, counts, and what one step tells of memory and time.
pub fn show(
    job: &Job,
    engine: &Engine,
    settings: &Settings,
    tokenizer: &Tokenizer,
) -> anyhow::Result<()> {
    for example in &job.examples {
        let sequence = example.sequence;
        let counted = sequence.weights.iter().filter(|weight| **weight > 0.0).count();
        println!(
            "{}: {} tokens, {} of the prompt, {counted} learnt from{}",
            example.title,
            sequence.ids.len(),
            sequence.prompt,
            if sequence.cut > 0 { format!(", {} cut off", sequence.cut) } else { String::new() }
        );
        println!("{}\n", painted(sequence, tokenizer)?);
    }
    let rows = job.objective.rows();
    let tokens: usize = (0..rows).map(|row| job.objective.tokens(row)).sum();
    let longest = (0..rows).map(|row| job.objective.tokens(row)).max().unwrap_or(0);
    println!("rows              {rows}");
    println!("tokens            {tokens}, at most {longest} in a row");
    if let Some(evaluation) = job.evaluation {
        println!("to evaluate on    {} rows", evaluation.rows());
    }
    println!("steps             {} of {} rows", settings.steps, settings.batch);
    estimate(job, engine, settings, tokens as f64 / rows as f64);
    Ok(())
}

/// Runs one step without applying it.
fn estimate(job: &Job, engine: &Engine, settings: &Settings, mean: f64) {
    let rows = Order::new(job.objective.rows(), Some(settings.seed)).step(0, settings.batch);
    let tokens: Vec<usize> = rows.iter().map(|row| job.objective.tokens(*row)).collect();
    let mut gradients = Gradients::zeros(engine);
    let started = Instant::now();
    let step = Step { divisor: job.objective.divisor(&rows), seed: 0 };
    for range in pieces(&tokens, settings.tokens_at_once) {
        job.objective.learn(engine, &rows[range], step, &mut gradients);
    }
    let seconds = started.elapsed().as_secs_f64();
    let rate = tokens.iter().sum::<usize>() as f64 / seconds;
    let whole = mean * settings.batch as f64 * settings.steps as f64 / rate;
    println!("one step          {seconds:.2} s, {rate:.0} tokens a second");
    println!(
        "all steps         about {}, without evaluations",
        indicatif::HumanDuration(Duration::from_secs_f64(whole))
    );
    let moments: usize = engine.parameters().iter().map(|(_, tensor)| 12 * tensor.numel()).sum();
    if let Some(memory) = peak_memory() {
        println!(
            "memory            {} at the peak of this step, and {} for the optimizer{}",
            indicatif::HumanBytes(memory),
            indicatif::HumanBytes(moments as u64),
            if engine.model().options().1.is_cuda() {
                " (of the host; a card's is not seen)"
            } else {
                ""
            }
        );
    }
}

/// The decoded text: what is learnt from in green, or between ⟦ and ⟧ where there are no colours; the prompt dim.
fn painted(sequence: &Sequence, tokenizer: &Tokenizer) -> anyhow::Result<String> {
    let (dim, learnt) = (Style::new().dim(), Style::new().green().bold());
    let mut text = String::new();
    let mut start = 0;
    let kind = |at: usize| (at < sequence.prompt, sequence.weights[at] > 0.0);
    while start < sequence.ids.len() {
        let end = (start..sequence.ids.len()).find(|at| kind(*at) != kind(start));
        let end = end.unwrap_or(sequence.ids.len());
        let piece = tokenizer.decode(&sequence.ids[start..end]).map_err(anyhow::Error::msg)?;
        text += &match kind(start) {
            (true, _) => dim.apply_to(piece).to_string(),
            (_, true) if colors_enabled() => learnt.apply_to(piece).to_string(),
            (_, true) => format!("⟦{piece}⟧"),
            _ => piece,
        };
        start = end;
    }
    Ok(text)
}
