//! `salv show`: one candidate, its outputs marked right and wrong, and the first mismatch replayed.

use std::fs::File;
use std::io::{BufWriter, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, bail, ensure};

use super::vcd;
use super::verify::BackendArguments;
use crate::candidate::{self, Candidate};
use crate::design::{Direction, Interface};
use crate::problem::{self, Problem};
use crate::record::{self, Meta, meta_path};
use crate::verify::backend::{Backend, Outcome, Task, Trace, Values};
use crate::verify::run::{self, Parallelism, Run};
use crate::verify::stimulus::Config;
use crate::verify::verdict::{FirstMismatch, Judgement, MismatchKind, SignalVerdict, Verdict};

/// Show one candidate with its outputs marked right and wrong, and replay its first mismatch
#[derive(clap::Args)]
pub struct Arguments {
    /// The verdicts, `verdicts.jsonl`
    verdicts: PathBuf,
    /// The candidate's id
    candidate: String,
    /// The candidate's problem, where an id is not unique
    #[arg(long)]
    problem: Option<String>,
    /// The output to replay; by default the one that goes wrong first
    #[arg(long)]
    signal: Option<String>,
    /// Write the waveform of that episode, golden module and candidate side by side
    #[arg(long, value_name = "FILE")]
    vcd: Option<PathBuf>,
    /// Steps to show before the mismatch
    #[arg(long, default_value_t = 11)]
    steps: usize,
    /// The problems, if they have moved since the run
    #[arg(long)]
    problems: Option<PathBuf>,
    /// The candidates, if they have moved since the run
    #[arg(long)]
    candidates: Option<PathBuf>,
    #[command(flatten)]
    backend: BackendArguments,
}

pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let verdict = find_verdict(&arguments)?;
    let sources = Sources::find(&arguments)?;
    let candidate = sources.candidate(&verdict)?;
    let paint =
        Paint { colour: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() };
    print!("{}", head(&verdict, &paint));
    println!("\n{}", numbered(&candidate.completion, &paint));
    let signal = match &arguments.signal {
        Some(name) => Some(named_signal(&verdict, name)?),
        None => first_wrong(&verdict),
    };
    let first = signal.and_then(|signal| signal.first.as_ref().map(|first| (signal, first)));
    let Some((signal, first)) = first else {
        ensure!(
            arguments.vcd.is_none(),
            "no output is wrong, so there is no mismatch to write a waveform of"
        );
        return Ok(ExitCode::SUCCESS);
    };
    let (task, trace) = sources.replay(&arguments.backend, &candidate, signal, first)?;
    print!("{}", mismatch(&task.interface, &trace, signal, first, arguments.steps, &paint)?);
    println!("\nreplay: {}", replay_command(&arguments, &verdict, &signal.name));
    if let Some(path) = &arguments.vcd {
        write_vcd(path, &task.interface, &trace)?;
        println!("waveform: {}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn write_vcd(path: &Path, interface: &Interface, trace: &Trace) -> anyhow::Result<()> {
    let file = File::create(path).with_context(|| format!("failed to write {}", path.display()))?;
    let mut out = BufWriter::new(file);
    vcd::write(&mut out, interface, trace)
        .and_then(|()| std::io::Write::flush(&mut out))
        .with_context(|| format!("failed to write {}", path.display()))
}

fn find_verdict(arguments: &Arguments) -> anyhow::Result<Verdict> {
    let mut found: Option<Verdict> = None;
    for row in record::read::<Verdict>(&arguments.verdicts)? {
        let verdict = row?.value;
        let same = arguments.problem.as_ref().is_none_or(|name| *name == verdict.problem);
        if verdict.candidate != arguments.candidate || !same {
            continue;
        }
        if let Some(other) = &found {
            bail!(
                "several candidates have the id `{}` (of {} and of {}): choose one with --problem",
                arguments.candidate,
                other.problem,
                verdict.problem
            );
        }
        found = Some(verdict);
    }
    found.with_context(|| {
        format!("{} has no candidate `{}`", arguments.verdicts.display(), arguments.candidate)
    })
}

fn named_signal<'a>(verdict: &'a Verdict, name: &str) -> anyhow::Result<&'a SignalVerdict> {
    let found = verdict.signals.iter().find(|signal| signal.name == name);
    found.with_context(|| {
        let names: Vec<&str> = verdict.signals.iter().map(|s| s.name.as_str()).collect();
        format!("no output is called `{name}` (there are: {})", names.join(", "))
    })
}

fn first_wrong(verdict: &Verdict) -> Option<&SignalVerdict> {
    let place = |signal: &&SignalVerdict| {
        signal.first.as_ref().map(|first| (first.episode, first.cycle, first.step))
    };
    verdict.signals.iter().filter(|signal| signal.first.is_some()).min_by_key(place)
}

/// The files that a run was made from, found by what it recorded.
struct Sources {
    problems: PathBuf,
    candidates: PathBuf,
    config: Config,
}

impl Sources {
    fn find(arguments: &Arguments) -> anyhow::Result<Sources> {
        let path = meta_path(&arguments.verdicts);
        let text = std::fs::read_to_string(&path).with_context(|| {
            format!("failed to read {}, which says what the run was made from", path.display())
        })?;
        let meta: Meta = serde_json::from_str(&text)
            .with_context(|| format!("failed to understand {}", path.display()))?;
        let config = serde_json::from_value(meta.configuration["stimulus"].clone())
            .with_context(|| format!("failed to find the stimulus in {}", path.display()))?;
        let named = |key: &str, given: &Option<PathBuf>| -> anyhow::Result<PathBuf> {
            let hash = meta.configuration[key].as_str().unwrap_or_default();
            let recorded =
                meta.inputs.iter().find(|(_, h)| *h == hash).map(|(path, _)| PathBuf::from(path));
            let path = given
                .clone()
                .or(recorded)
                .with_context(|| format!("name the {key} with --{key}"))?;
            let now = record::file_hash(&path)
                .with_context(|| format!("failed to read the {key} of the run; if they have moved, name them with --{key}"))?;
            ensure!(now == hash, "{} has changed since the run", path.display());
            Ok(path)
        };
        Ok(Sources {
            problems: named("problems", &arguments.problems)?,
            candidates: named("candidates", &arguments.candidates)?,
            config,
        })
    }

    fn candidate(&self, verdict: &Verdict) -> anyhow::Result<Candidate> {
        for candidate in candidate::read(&self.candidates)? {
            let candidate = candidate?;
            if candidate.id == verdict.candidate && candidate.problem == verdict.problem {
                return Ok(candidate);
            }
        }
        bail!("{} has no candidate `{}`", self.candidates.display(), verdict.candidate)
    }

    /// Runs the episode of the signal's first mismatch again.
    fn replay(
        &self,
        backend: &BackendArguments,
        candidate: &Candidate,
        signal: &SignalVerdict,
        first: &FirstMismatch,
    ) -> anyhow::Result<(Task, Trace)> {
        let problems: Vec<Problem> = problem::load(&self.problems)?
            .into_iter()
            .filter(|problem| problem.problem == candidate.problem)
            .collect();
        let (backend, workers) = backend.open()?;
        let job = Run {
            problems: &problems,
            backend: &backend,
            workers: &workers,
            config: &self.config,
            parallelism: Parallelism { threads: 1, batch: 1 },
            stop: &AtomicBool::new(false),
        };
        let task = match run::task_of(&job, candidate)? {
            Ok(mut task) => {
                // The backend follows the first; the text in another order comes after it.
                let reordered = signal.kind == Some(MismatchKind::Order);
                task.candidates.drain(..usize::from(reordered && task.candidates.len() > 1));
                task
            }
            Err((status, message)) => bail!("the candidate is now {}: {message}", status.name()),
        };
        match backend.trace(&task, &self.config, first.episode)? {
            Ok(trace) => Ok((task, trace)),
            Err(Outcome::Unsupported(why) | Outcome::Timeout(why) | Outcome::Crash(why)) => {
                bail!("the replay did not end: {why}")
            }
            Err(Outcome::Counted(_)) => bail!("the backend gave counts and no trace"),
        }
    }
}

/// Colours, if anybody can see them.
struct Paint {
    colour: bool,
}

impl Paint {
    fn good(&self, text: &str) -> String {
        self.wrap(text, "32")
    }

    fn bad(&self, text: &str) -> String {
        self.wrap(text, "1;31")
    }

    fn dim(&self, text: &str) -> String {
        self.wrap(text, "2")
    }

    fn wrap(&self, text: &str, code: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.into() }
    }
}

/// The candidate's name, status and outputs.
fn head(verdict: &Verdict, paint: &Paint) -> String {
    let mut text = format!(
        "candidate {} of {}: {} ({}, profile {})\n",
        verdict.candidate,
        verdict.problem,
        verdict.status.name(),
        verdict.backend,
        verdict.profile
    );
    if let Some(message) = &verdict.message {
        text.push_str(&format!("  {message}\n"));
    }
    let width = verdict.signals.iter().map(|s| s.name.chars().count()).max().unwrap_or(0);
    for signal in &verdict.signals {
        let (mark, line) = (mark(signal, paint), evidence(signal));
        text.push_str(&format!("  {mark} {:width$}  {line}\n", signal.name));
    }
    if !verdict.races.is_empty() {
        text.push_str(&format!("  races: {}\n", verdict.races.join(", ")));
    }
    text
}

fn mark(signal: &SignalVerdict, paint: &Paint) -> String {
    match signal.verdict {
        Judgement::Correct => paint.good("✓ correct  "),
        Judgement::Wrong => paint.bad("✗ wrong    "),
        Judgement::Unchecked => paint.dim("· unchecked"),
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

/// The completion with line numbers; a control character, which could command the terminal, is shown as a
/// picture of itself.
fn numbered(completion: &str, paint: &Paint) -> String {
    let shown = |c: char| match c {
        '\t' => c,
        _ if c.is_control() => {
            char::from_u32(0x2400 + u32::from(c)).filter(|_| c < ' ').unwrap_or('\u{fffd}')
        }
        _ => c,
    };
    let line = |(i, line): (usize, &str)| {
        let text: String = line.chars().map(shown).collect();
        format!("{} {text}\n", paint.dim(&format!("{:4}", i + 1)))
    };
    completion.lines().enumerate().map(line).collect()
}

/// The last steps before the mismatch: a line for each input, then the output on both sides.
fn mismatch(
    interface: &Interface,
    trace: &Trace,
    signal: &SignalVerdict,
    first: &FirstMismatch,
    steps: usize,
    paint: &Paint,
) -> anyhow::Result<String> {
    let at = trace.steps.iter().position(|s| (s.cycle, s.step) == (first.cycle, first.step));
    let at =
        at.context("the replayed episode has no such step: was it recorded by another version?")?;
    let shown = at.saturating_sub(steps)..at + 1;
    let port = interface.outputs().position(|port| port.name == signal.name);
    let port = port.context("the golden module has no such output any more")?;
    let inputs =
        Values { value: trace.input_rows.clone(), defined: vec![u64::MAX; trace.input_rows.len()] };
    let mut table = Table::default();
    let label = |step: usize| format!("{}.{}", trace.steps[step].cycle, trace.steps[step].step);
    table.line("cycle.step", shown.clone().map(label).collect());
    let names = interface.ports.iter().filter(|p| p.direction == Direction::Input);
    for (index, input) in names.enumerate() {
        let value = |step| short(&trace.inputs.literal(index, &inputs, step + 1));
        table.line(&input.name, shown.clone().map(value).collect());
    }
    let side = |values: &Values| {
        shown.clone().map(|step| short(&trace.outputs.literal(port, values, step))).collect()
    };
    table.line(&format!("{} golden", signal.name), side(&trace.golden));
    table.line(&format!("{} candidate", signal.name), side(&trace.candidate));
    let caption = format!(
        "first mismatch of `{}`: episode {}, cycle {}, step {}\n",
        signal.name, first.episode, first.cycle, first.step
    );
    let replayed =
        [&trace.golden, &trace.candidate].map(|side| trace.outputs.literal(port, side, at));
    Ok(caption + &table.render(paint) + &contradiction(first, &replayed))
}

/// A sentence if the replay does not show what the run recorded: then another version of a tool, or of this
/// program, made the record. A bit that either side of a comparison has as x does not count, since how many
/// power-up states say so is not the same in a run and in a replay.
fn contradiction(first: &FirstMismatch, [golden, candidate]: &[String; 2]) -> String {
    let differ = |recorded: &str, replayed: &str| {
        let mut bits = recorded.chars().zip(replayed.chars());
        recorded.len() != replayed.len() || bits.any(|(a, b)| a != b && a != 'x' && b != 'x')
    };
    if !differ(&first.golden, golden) && !differ(&first.candidate, candidate) {
        return String::new();
    }
    format!(
        "the record says golden {}, candidate {} here: it was made by other versions (see its .meta.json); judge the candidates again\n",
        first.golden, first.candidate
    )
}

/// `1'b0` as `0`, up to 8 bits in binary, above in hexadecimal; a long one keeps its low end.
fn short(literal: &str) -> String {
    let bits = literal.split_once('b').map_or(literal, |(_, bits)| bits);
    if bits.len() <= 8 {
        return bits.into();
    }
    let padded = format!("{}{bits}", "0".repeat((4 - bits.len() % 4) % 4));
    let nibble = |four: &[u8]| {
        let text = std::str::from_utf8(four).unwrap_or("xxxx");
        u8::from_str_radix(text, 2).map_or_else(
            |_| if text == "xxxx" { 'x' } else { 'X' },
            |value| char::from_digit(u32::from(value), 16).unwrap_or('x'),
        )
    };
    let digits: String = padded.as_bytes().chunks(4).map(nibble).collect();
    let long = digits.len() > 16;
    if long { format!("…{}", &digits[digits.len() - 15..]) } else { digits }
}

/// Lines with a name and cells, aligned.
#[derive(Default)]
struct Table {
    lines: Vec<(String, Vec<String>)>,
}

impl Table {
    fn line(&mut self, name: &str, cells: Vec<String>) {
        self.lines.push((name.into(), cells));
    }

    /// The last column of the last two lines is where they differ.
    fn render(&self, paint: &Paint) -> String {
        let length = |text: &String| text.chars().count();
        let names = self.lines.iter().map(|(name, _)| length(name)).max().unwrap_or(0);
        let columns = self.lines.first().map_or(0, |(_, cells)| cells.len());
        let width = |column: usize| {
            self.lines.iter().map(|(_, cells)| length(&cells[column])).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for (index, (name, cells)) in self.lines.iter().enumerate() {
            text.push_str(&format!("  {name:names$} "));
            for (column, cell) in cells.iter().enumerate() {
                let padded = format!(" {cell:>width$}", width = widths[column]);
                let last = column + 1 == columns;
                text.push_str(&match self.lines.len() - index {
                    1 if last => paint.bad(&padded),
                    2 if last => paint.good(&padded),
                    _ => padded,
                });
            }
            text.push('\n');
        }
        text
    }
}

fn replay_command(arguments: &Arguments, verdict: &Verdict, signal: &str) -> String {
    let mut words = vec![
        "salv".into(),
        "show".into(),
        quoted(&arguments.verdicts.display().to_string()),
        quoted(&verdict.candidate),
    ];
    words.extend(arguments.problem.as_deref().map(|p| format!("--problem {}", quoted(p))));
    words.push(format!("--signal {}", quoted(signal)));
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
    use super::{FirstMismatch, contradiction, quoted, short};

    #[test]
    fn values_are_short() {
        assert_eq!(short("1'b0"), "0");
        assert_eq!(short("8'b0000x111"), "0000x111");
        assert_eq!(short("9'b1_0000_1111".replace('_', "").as_str()), "10f");
        assert_eq!(short("12'bxxxx0x001010"), "xXa");
        assert_eq!(short(&format!("128'b{}", "1010".repeat(32))), format!("…{}", "a".repeat(15)));
    }

    #[test]
    fn a_replay_that_shows_other_values_than_the_record_says_so() {
        let first = FirstMismatch {
            episode: 0,
            cycle: 0,
            step: 0,
            golden: "2'b0x".into(),
            candidate: "2'b11".into(),
        };
        let said = |golden: &str, candidate: &str| {
            contradiction(&first, &[golden.to_owned(), candidate.to_owned()])
        };
        assert_eq!(said("2'b01", "2'b1x"), "");
        assert!(said("2'b11", "2'b11").contains("golden 2'b0x, candidate 2'b11"));
        assert!(said("2'b00", "2'b10").contains("other versions"));
        assert!(said("2'b00", "3'b011").contains("other versions"));
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quoted("a/b.jsonl"), "a/b.jsonl");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
