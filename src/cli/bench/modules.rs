//! `salv bench modules`: random modules in the lanes engine and in Icarus, on the same inputs, compared sample by
//! sample in four states.
//!
//! In: how many, and the seed of the first one; the others follow it. Out: for each module that differs a line, and
//! with `--shrink` a smaller module that still does; how many were accepted by whom, and how quick it was. A module
//! is a function of its number, so `--random 1 --seed N` repeats one.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;

use super::ring::{Contestant, Ring};
use super::select::in_parallel;
use crate::cli::start;
use crate::verify::differential::{
    Difference, Families, Family, RandomModule, Stage, TOP, random_module, reading, shrink,
};
use crate::verify::icarus::Played;
use crate::verify::stimulus::Config;

/// Compare random modules in the lanes engine with Icarus, in four states
#[derive(clap::Args)]
pub struct Arguments {
    /// Modules
    #[arg(long, default_value_t = 1000)]
    random: u64,
    /// Number of the first one
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Cycles for each module, over all episodes
    #[arg(long, default_value_t = 64)]
    vectors: u32,
    /// Threads; by default one for each core
    #[arg(long)]
    jobs: Option<usize>,
    /// Modules in one process of Icarus
    #[arg(long, default_value_t = 200)]
    batch: usize,
    /// Families of constructs to leave out, with commas between
    #[arg(long, value_delimiter = ',')]
    without: Vec<String>,
    /// List the families, with what Icarus says of those it refuses, and do nothing else
    #[arg(long)]
    families: bool,
    /// Print the module of each number and do nothing else
    #[arg(long)]
    print: bool,
    /// Make each module that differs small, trying so many cuts
    #[arg(long, default_value_t = 0)]
    shrink: usize,
    /// Write each module that differs to a file in this folder
    #[arg(long)]
    findings: Option<PathBuf>,
}

pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    if arguments.families {
        for &family in Family::ALL {
            println!("{}\t{}", family.name(), family.refused().unwrap_or(""));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let families = families(&arguments.without)?;
    let seeds: Vec<u64> = (0..arguments.random).map(|at| arguments.seed + at).collect();
    if arguments.print {
        for &seed in &seeds {
            println!("// {seed}\n{}", random_module(seed, families).full());
        }
        return Ok(ExitCode::SUCCESS);
    }
    let started = Instant::now();
    let game = Game {
        ring: Ring::open()?,
        families,
        config: Config { vectors: arguments.vectors, ..Config::default() },
        tries: arguments.shrink,
        findings: arguments.findings,
    };
    let batches: Vec<&[u64]> = seeds.chunks(arguments.batch.max(1)).collect();
    in_parallel(start::threads(arguments.jobs)?, &batches, |batch| game.batch(batch))?;
    let seconds = started.elapsed().as_secs_f64();
    eprint!("{}", game.ring.render());
    eprintln!("{seconds:.1} s, {:.1} modules/s", seeds.len() as f64 / seconds);
    Ok(ExitCode::SUCCESS)
}

fn families(without: &[String]) -> anyhow::Result<Families> {
    let mut families = Families::all();
    for name in without {
        let family = Family::ALL.iter().find(|family| family.name() == name);
        families = families.without(
            *family.with_context(|| format!("no family is called {name} (see --families)"))?,
        );
    }
    Ok(families)
}

/// Random modules in the ring.
struct Game {
    ring: Ring,
    families: Families,
    config: Config,
    tries: usize,
    findings: Option<PathBuf>,
}

impl Game {
    fn batch(&self, seeds: &[u64]) -> anyhow::Result<()> {
        let mut contestants = Vec::new();
        for &seed in seeds {
            let module = random_module(seed, self.families);
            match Stage::new(&module.text, TOP, &self.config) {
                Ok(stage) => {
                    contestants.push((module, Contestant { name: seed.to_string(), stage }));
                }
                Err(why) => self.ring.note(&seed.to_string(), "refused by us", &why),
            }
        }
        let stages: Vec<&Stage> = contestants.iter().map(|(_, one)| &one.stage).collect();
        let played = self.ring.theirs(&stages)?;
        for ((module, contestant), theirs) in contestants.iter().zip(played) {
            if !contestant.stage.starts() {
                println!("{}\tnot started by an input", contestant.name);
                self.ring.count("not started by an input");
            }
            if let Some(difference) = self.ring.meet(contestant, theirs) {
                self.show(module, &difference)?;
            }
        }
        Ok(())
    }

    fn show(&self, module: &RandomModule, difference: &Difference) -> anyhow::Result<()> {
        let (mut text, mut difference) = (module.text.clone(), difference.clone());
        // One with a race, or that is not sure to stay within its dimensions, is shown as it is.
        if self.tries > 0 && self.differs(&text).is_some() {
            text = shrink(&text, self.tries, |text| self.differs(text).is_some());
            difference = self.differs(&text).context("what was shrunk does not differ any more")?;
        }
        if let Some(folder) = &self.findings {
            std::fs::create_dir_all(folder)?;
            let plain = reading(&text, true);
            let text = reading(&text, false);
            let plain = match plain == text {
                true => String::new(),
                false => format!("\nFor Icarus:\n\n```verilog\n{plain}```\n"),
            };
            let page = format!(
                "`salv bench modules --random 1 --seed {} --vectors {}`: {difference}\n\n```verilog\n{text}```\n{plain}",
                module.seed, self.config.vectors
            );
            let file = folder.join(format!("{}.md", module.seed));
            std::fs::write(&file, page)
                .with_context(|| format!("failed to write {}", file.display()))?;
        }
        Ok(())
    }

    /// Whether a text is legal, without a race, and differs.
    fn differs(&self, text: &str) -> Option<Difference> {
        if !text.starts_with("`default_nettype none\n") || !stays_within(text) {
            return None;
        }
        let stage = Stage::new(text, TOP, &self.config).ok()?;
        if !stage.lowered.races.is_empty() || !stage.starts() {
            return None;
        }
        let ours = stage.ours().ok()?;
        let Played::Shown(theirs) = self.ring.theirs(&[&stage]).ok()?.pop()? else { return None };
        stage.difference(&ours, &theirs)
    }
}

/// Whether what follows an index in brackets is a number or cut to fit, as the generator writes the index of a second
/// dimension: a cut must not make another fault of Icarus of the one that was found.
fn stays_within(text: &str) -> bool {
    text.match_indices("][").all(|(at, _)| {
        let next = &text[at + 2..];
        next.starts_with("$unsigned(") || next.starts_with(|c: char| c.is_ascii_digit())
    })
}
