//! `salv bench modules`: random modules in the lanes engine and in Icarus, on the same inputs, compared sample by
//! sample in four states.
//!
//! In: how many, and the seed of the first one; the others follow it. Out: for each module that differs a line, and
//! with `--shrink` a smaller module that still does; how many were accepted by whom, and how quick it was. A module
//! is a function of its number, so `--random 1 --seed N` repeats one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::Context;

use super::select::in_parallel;
use crate::cli::start;
use crate::cli::tools;
use crate::verify::cache::Cache;
use crate::verify::differential::{
    Difference, Families, Family, FourState, RandomModule, Stage, outputs, random_module, reading,
    shrink,
};
use crate::verify::icarus::{Icarus, Played};
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
    let ring = Ring {
        icarus: tools::icarus()?,
        cache: Cache::open(&tools::cache_folder()?.join("bench"))?,
        families,
        config: Config { vectors: arguments.vectors, ..Config::default() },
        tries: arguments.shrink,
        findings: arguments.findings,
        report: Mutex::default(),
    };
    let batches: Vec<&[u64]> = seeds.chunks(arguments.batch.max(1)).collect();
    in_parallel(start::threads(arguments.jobs)?, &batches, |batch| ring.batch(batch))?;
    let report = ring.report.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let seconds = started.elapsed().as_secs_f64();
    for (what, count) in &report.counts {
        eprintln!("{count:>8}  {what}");
    }
    let share = |part: u64| 100.0 * part as f64 / report.bits.0.max(1) as f64;
    eprintln!(
        "{:>8}  bits of outputs compared, {:.1} % of them 0 or 1 and {:.1} % z",
        report.bits.0,
        share(report.bits.1),
        share(report.bits.2)
    );
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

/// What was found so far.
#[derive(Default)]
struct Report {
    counts: BTreeMap<String, u64>,
    /// Bits compared, those that are 0 or 1 in Icarus, and those that are z.
    bits: (u64, u64, u64),
}

/// The two engines and what lies between them.
struct Ring {
    icarus: Icarus,
    cache: Cache,
    families: Families,
    config: Config,
    tries: usize,
    findings: Option<PathBuf>,
    report: Mutex<Report>,
}

/// A module that we take.
struct Contestant {
    module: RandomModule,
    stage: Stage,
}

impl Ring {
    fn count(&self, what: impl Into<String>) {
        let mut report = self.report.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *report.counts.entry(what.into()).or_default() += 1;
    }

    fn batch(&self, seeds: &[u64]) -> anyhow::Result<()> {
        let mut contestants = Vec::new();
        for &seed in seeds {
            let module = random_module(seed, self.families);
            match Stage::new(&module.text, &self.config) {
                Ok(stage) => contestants.push(Contestant { module, stage }),
                Err(why) => {
                    println!("{seed}\trefused by us: {why}");
                    self.count("refused by us");
                }
            }
        }
        let stages: Vec<&Stage> = contestants.iter().map(|one| &one.stage).collect();
        let played = self.theirs(&stages)?;
        for (contestant, theirs) in contestants.iter().zip(played) {
            self.meet(contestant, theirs)?;
        }
        Ok(())
    }

    fn theirs(&self, stages: &[&Stage]) -> anyhow::Result<Vec<Played>> {
        let scratch = self.cache.memory_scratch().map_or_else(|| self.cache.scratch(), Ok)?;
        Ok(Stage::theirs(stages, &self.icarus, scratch.path())?)
    }

    fn meet(&self, contestant: &Contestant, theirs: Played) -> anyhow::Result<()> {
        let Contestant { module, stage } = contestant;
        let seed = module.seed;
        if !stage.lowered.races.is_empty() {
            println!("{seed}\tcalled a race: {}", stage.lowered.races.join(" "));
            self.count("called a race");
        }
        if !stage.starts() {
            println!("{seed}\tnot started by an input");
            self.count("not started by an input");
        }
        let theirs = match theirs {
            Played::Shown(theirs) => theirs,
            Played::Refused(why) => {
                println!("{seed}\trefused by Icarus: {why}");
                self.count("refused by Icarus");
                return Ok(());
            }
            Played::Ended(why) => {
                println!("{seed}\tended in Icarus: {why}");
                self.count("ended in Icarus");
                return Ok(());
            }
        };
        self.weigh(stage, &theirs);
        let ours = match stage.ours() {
            Ok(ours) => ours,
            Err(why) => {
                println!("{seed}\tnot run in lanes: {why}");
                self.count(format!("not run in lanes: {why}"));
                return Ok(());
            }
        };
        match stage.difference(&ours, &theirs) {
            None => self.count("equal"),
            Some(difference) => {
                self.count("different");
                self.show(module, &difference)?;
            }
        }
        Ok(())
    }

    /// Counts the bits that Icarus shows.
    fn weigh(&self, stage: &Stage, theirs: &[FourState]) {
        let mask = outputs(&stage.lowered.interface).mask();
        let mut report = self.report.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for trace in theirs {
            for (at, (value, unknown)) in trace.value.iter().zip(&trace.unknown).enumerate() {
                let mask = mask[at % mask.len()];
                report.bits.0 += u64::from(mask.count_ones());
                report.bits.1 += u64::from((mask & !unknown).count_ones());
                report.bits.2 += u64::from((value & unknown).count_ones());
            }
        }
    }

    fn show(&self, module: &RandomModule, difference: &Difference) -> anyhow::Result<()> {
        println!("{}\tdifferent: {difference}", module.seed);
        let (mut text, mut difference) = (module.text.clone(), difference.clone());
        if self.tries > 0 {
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
        if !text.starts_with("`default_nettype none\n") {
            return None;
        }
        let stage = Stage::new(text, &self.config).ok()?;
        if !stage.lowered.races.is_empty() || !stage.starts() {
            return None;
        }
        let ours = stage.ours().ok()?;
        let Played::Shown(theirs) = self.theirs(&[&stage]).ok()?.pop()? else { return None };
        stage.difference(&ours, &theirs)
    }
}
