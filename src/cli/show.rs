//! `salv show`: one candidate, its outputs marked right and wrong, its code with the cones of these outputs,
//! and the first mismatch replayed; or one pair with its masks. In the terminal, and as a page (`--html`).
//!
//! Ids of candidates may be numbers, so a pair is not the second argument but `--pair N`: it also says what
//! kind of file the first is.

use std::fs::File;
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};

use super::files::{self, Outputs};
use super::vcd;
use super::verify::BackendArguments;
use crate::extract::run::Span;
use crate::verify::verdict::{FirstMismatch, Judgement, MismatchKind, SignalVerdict, Verdict};

mod cones;
mod glyph;
pub mod page;
pub mod pair;
mod replay;
mod sheet;
mod sources;
mod terminal;
mod waves;

use cones::{Cones, Look};
use glyph::clean;
use replay::{Replay, Replayed};
use sheet::Sheet;
use sources::{Sources, find_verdict};
use terminal::{Paint, Style};
use waves::Waves;

/// Show one candidate, what of its code is right and wrong, and its first mismatch; or a pair
#[derive(clap::Args)]
pub struct Arguments {
    /// The verdicts, `verdicts.jsonl`; with --pair, the pairs
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The candidate's id
    #[arg(required_unless_present = "pair")]
    candidate: Option<String>,
    /// Show row N of a file of pairs, from 0
    #[arg(long, value_name = "N", conflicts_with_all = ["candidate", "problem", "signal", "vcd", "steps", "problems", "candidates"])]
    pair: Option<usize>,
    /// The candidate's problem, where an id is not unique
    #[arg(long)]
    problem: Option<String>,
    /// An output whose cone is shown, and whose mismatch is replayed; several may be named, by default all.
    /// Of these the one that goes wrong first is replayed
    #[arg(long)]
    signal: Vec<String>,
    /// Write a page with all of it, for a browser; it needs no network and runs no script
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the waveform of that episode, golden module and candidate side by side
    #[arg(long, value_name = "FILE")]
    vcd: Option<PathBuf>,
    /// Steps to show before the mismatch
    #[arg(long, default_value_t = 11)]
    steps: usize,
    /// Leave no line out, and show long lines whole
    #[arg(long)]
    full: bool,
    /// The problems, if they have moved since the run
    #[arg(long)]
    problems: Option<PathBuf>,
    /// The candidates, if they have moved since the run
    #[arg(long)]
    candidates: Option<PathBuf>,
    #[command(flatten)]
    backend: BackendArguments,
}

/// Wrong outputs whose mismatches are replayed for a page: an episode each, mostly a second for all.
const PAGE_WAVES_MAX: usize = 32;

pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    if let Some(number) = arguments.pair {
        refuse_overwriting(&arguments, &[&arguments.file])?;
        pair::show(&arguments.file, number, arguments.html.as_deref(), arguments.full)?;
        return Ok(ExitCode::SUCCESS);
    }
    candidate(&arguments)?;
    Ok(ExitCode::SUCCESS)
}

fn candidate(arguments: &Arguments) -> anyhow::Result<()> {
    let id = arguments.candidate.as_deref().unwrap_or_default();
    let verdict = find_verdict(&arguments.file, id, arguments.problem.as_deref())?;
    let sources = Sources::find(&arguments.file, &arguments.problems, &arguments.candidates)?;
    let [problems, candidates] = sources.files();
    refuse_overwriting(arguments, &[&arguments.file, problems, candidates])?;
    let candidate = sources.candidate(&verdict)?;
    let problem = sources.problem(&verdict)?;
    let cones = Cones::of(&problem, &candidate, &verdict)?;
    let chosen = cones.chosen(&arguments.signal)?;
    let paint = Paint::of_stdout();
    tell(&head(&verdict, &paint))?;
    tell(&format!("\n{}", code(&candidate.completion, &cones, &chosen, arguments.full, &paint)))?;

    let wrong =
        wrong_outputs(&verdict, |name| chosen.iter().any(|at| cones.list[*at].name == name));
    ensure!(
        arguments.vcd.is_none() || !wrong.is_empty(),
        "no output is wrong, so there is no mismatch to write a waveform of"
    );
    // A page lets its reader choose other outputs.
    let others = arguments.html.iter().flat_map(|_| wrong_outputs(&verdict, |_| true));
    let others: Vec<_> = others.filter(|other| !wrong.contains(other)).collect();
    let mut replay = None;
    if !wrong.is_empty() || !others.is_empty() {
        replay = Some(Replay::open(&sources, &arguments.backend, &problem, &candidate)?);
    }
    if let (Some(replay), Some(first)) = (&replay, wrong.first()) {
        replay_first(arguments, &verdict, replay, *first, &paint)?;
    }
    if let Some(path) = &arguments.html {
        let layers: Vec<&[Span]> = cones.list.iter().map(|cone| &*cone.spans).collect();
        let mut waves = Vec::new();
        let left_out = (wrong.len() + others.len()).saturating_sub(PAGE_WAVES_MAX);
        for (signal, first) in wrong.into_iter().chain(others).take(PAGE_WAVES_MAX) {
            let Some(replay) = &replay else { break };
            waves.push(Waves::new(&replay.run(signal, first)?, signal, first, arguments.steps)?);
        }
        let page = page::candidate::page(&page::candidate::Content {
            verdict: &verdict,
            sources: &sources,
            problem: &problem,
            sheet: &Sheet::new(&candidate.completion, &layers, &cones.code),
            cones: &cones,
            chosen: &chosen,
            waves: &waves,
            left_out,
            note: replay.as_ref().and_then(|replay| replay.note.as_deref()),
        });
        page::write(path, &page)?;
        tell(&format!("page: {}\n", path.display()))?;
    }
    Ok(())
}

/// The first mismatch of all, and the command that shows it again.
fn replay_first(
    arguments: &Arguments,
    verdict: &Verdict,
    replay: &Replay,
    (signal, first): (&SignalVerdict, &FirstMismatch),
    paint: &Paint,
) -> anyhow::Result<()> {
    if let Some(note) = &replay.note {
        tell(&format!("\n{note}\n"))?;
    }
    let replayed = replay.run(signal, first)?;
    let waves = Waves::new(&replayed, signal, first, arguments.steps)?;
    tell(&format!("\n{}", waves.draw(paint)))?;
    tell(&format!("\nreplay: {}\n", replay_command(arguments, verdict)))?;
    if let Some(path) = &arguments.vcd {
        write_vcd(path, &replayed)?;
        tell(&format!("waveform: {}\n", path.display()))?;
    }
    Ok(())
}

/// Prints to somebody who may have read enough: a closed pipe ends no file that is still to be written.
fn tell(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("failed to print")
        }
        _ => Ok(()),
    }
}

fn refuse_overwriting(arguments: &Arguments, inputs: &[&Path]) -> anyhow::Result<()> {
    let others = [&arguments.html, &arguments.vcd].into_iter().flatten();
    let others = others.map(PathBuf::as_path).collect();
    files::expect_apart(inputs, &Outputs { rows: Vec::new(), others })
}

fn write_vcd(path: &Path, replayed: &Replayed) -> anyhow::Result<()> {
    let file = File::create(path).with_context(|| format!("failed to write {}", path.display()))?;
    let mut out = BufWriter::new(file);
    vcd::write(&mut out, &replayed.interface, &replayed.trace)
        .and_then(|()| out.flush())
        .with_context(|| format!("failed to write {}", path.display()))
}

/// The wrong outputs that are meant, the one that goes wrong first before the others.
fn wrong_outputs(
    verdict: &Verdict,
    is_meant: impl Fn(&str) -> bool,
) -> Vec<(&SignalVerdict, &FirstMismatch)> {
    let signals = verdict.signals.iter().filter(|signal| is_meant(&signal.name));
    let mut wrong: Vec<_> =
        signals.filter_map(|signal| Some((signal, signal.first.as_ref()?))).collect();
    wrong.sort_by_key(|(_, first)| (first.episode, first.cycle, first.step));
    wrong
}

/// The candidate's name, status and outputs.
fn head(verdict: &Verdict, paint: &Paint) -> String {
    let mut text = format!(
        "candidate {} of {}: {} ({}, profile {})\n",
        clean(&verdict.candidate),
        clean(&verdict.problem),
        verdict.status.name(),
        verdict.backend,
        verdict.profile
    );
    if let Some(message) = &verdict.message {
        text.push_str(&format!("  {}\n", clean(message)));
    }
    let width = verdict.signals.iter().map(|s| clean(&s.name).chars().count()).max().unwrap_or(0);
    for signal in &verdict.signals {
        let mark = format!("{:11}", judgement_mark(signal));
        let mark = match signal.verdict {
            Judgement::Correct => paint.good(&mark),
            Judgement::Wrong => paint.bad(&mark),
            Judgement::Unchecked => paint.dim(&mark),
        };
        text.push_str(&format!("  {mark} {:width$}  {}\n", clean(&signal.name), evidence(signal)));
    }
    if !verdict.races.is_empty() {
        text.push_str(&format!("  races: {}\n", clean(&verdict.races.join(", "))));
    }
    text
}

fn judgement_mark(signal: &SignalVerdict) -> &'static str {
    match signal.verdict {
        Judgement::Correct => "✓ correct",
        Judgement::Wrong => "✗ wrong",
        Judgement::Unchecked => "· unchecked",
    }
}

fn evidence(signal: &SignalVerdict) -> String {
    let seen = format!("{} bits compared, {} toggled", signal.compared, signal.toggles);
    if signal.verdict == Judgement::Unchecked {
        let why = match signal.compared {
            0 => "the golden module never defines it",
            _ => "the golden module never moves it in the cycles that were run",
        };
        return format!("{why}; {seen}");
    }
    let Some(first) = &signal.first else { return seen };
    let kind = match signal.kind {
        Some(MismatchKind::Unknown) => "by unknown bits only",
        Some(MismatchKind::Order) => "by value in another order of processes",
        _ => "by value",
    };
    let points =
        signal.mismatches.map_or(String::new(), |n| format!("{n} points differ, {kind}; "));
    let FirstMismatch { episode, cycle, step, .. } = first;
    format!("{points}first at episode {episode}, cycle {cycle}, step {step}; {seen}")
}

/// The completion with the chosen cones, under a line that says what the marks mean.
fn code(completion: &str, cones: &Cones, chosen: &[usize], full: bool, paint: &Paint) -> String {
    let layers: Vec<&[Span]> = chosen.iter().map(|at| &*cones.list[*at].spans).collect();
    let sheet = Sheet::new(completion, &layers, &cones.code);
    let look =
        |set: &Vec<usize>| cones.look(&set.iter().map(|layer| chosen[*layer]).collect::<Vec<_>>());
    let mut looks: Vec<Look> = sheet.sets.iter().map(look).collect();
    if looks.len() == 1 {
        looks = vec![Look::Plain];
    }
    let wrong = if looks.iter().any(|look| matches!(look, Look::Right | Look::Both)) {
        " ✗"
    } else {
        "✗"
    };
    let mark = |look: &Look| if *look == Look::Wrong { wrong.into() } else { look.mark().into() };
    let gutter: Vec<String> = looks.iter().map(mark).collect();
    let style = Style {
        paint,
        columns: terminal::columns(),
        full,
        looks: &looks,
        gutter: &gutter,
        marks: ['✓', '✗', '±'],
    };
    caption(cones, chosen, &looks, paint) + &terminal::draw(&sheet, &style)
}

fn caption(cones: &Cones, chosen: &[usize], looks: &[Look], paint: &Paint) -> String {
    let mut parts = Vec::new();
    for look in [Look::Right, Look::Wrong, Look::Both, Look::Unknown] {
        if looks.contains(&look) {
            let words = match look {
                Look::Right => "✓ right outputs",
                Look::Wrong => "✗ wrong outputs",
                Look::Both if paint.colour => "✓✗ both",
                Look::Both => "✓✗ both (± under a line)",
                _ => "· outputs that are not judged right or wrong",
            };
            parts.push(paint.look(words, look));
        }
    }
    let names: Vec<String> = chosen.iter().map(|at| clean(&cones.list[*at].name)).collect();
    let is_part = chosen.len() < cones.list.len();
    let of = if is_part { format!(" of {}", names.join(", ")) } else { String::new() };
    let title = paint.bold(&format!("code{of}"));
    let mut text = match parts.is_empty() {
        true => format!("{title}\n"),
        false => format!("{title}, in the cone of {}\n", parts.join(", ")),
    };
    if let Some(message) = cones.fallback() {
        return text + &format!("  {}\n", clean(&message));
    }
    for cone in chosen.iter().map(|at| &cones.list[*at]) {
        if let Some(why) = &cone.whole_module {
            text.push_str(&format!("  whole module for {}: {}\n", clean(&cone.name), clean(why)));
        }
    }
    text
}

fn replay_command(arguments: &Arguments, verdict: &Verdict) -> String {
    let mut words = vec![
        "salv".into(),
        "show".into(),
        quoted(&arguments.file.display().to_string()),
        quoted(&verdict.candidate),
    ];
    words.extend(arguments.problem.as_deref().map(|p| format!("--problem {}", quoted(p))));
    for (flag, path) in
        [("--problems", &arguments.problems), ("--candidates", &arguments.candidates)]
    {
        words.extend(
            path.iter().map(|path| format!("{flag} {}", quoted(&path.display().to_string()))),
        );
    }
    words.extend(arguments.signal.iter().map(|name| format!("--signal {}", quoted(name))));
    words.push("--vcd mismatch.vcd".into());
    words.join(" ")
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,+@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quoted("a/b.jsonl"), "a/b.jsonl");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
