//! `salv run`: a recipe in, all stages in their order as commands of this program, and a report.
//!
//! A stage is a process of its own, as if it had been typed, because the half that trains is another program
//! ([`super::torch`]) and because then nothing can differ from what the commands do. The process ends with this one,
//! however that ends. It inherits the lock of the folder: who starts the run again waits until the last stage is gone.
//!
//! Wall times go to `timings.json`, and from there to the page; no other file has any.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};

use super::{start, tools, torch};
use crate::run::ledger::{Ledger, Standing, replace};
use crate::run::plan::{PAGE, REPORT, Step, plan};
use crate::run::recipe::Recipe;
use crate::run::report::{Report, report};

mod chart;
mod costs;
mod page;
mod timings;

use timings::{TIMINGS, Timings};

/// Run the whole loop as a recipe says: problems, candidates, verdicts, pairs, training, and a report of what it did
///
/// The same command goes on where it was stopped or killed, and does nothing twice. A recipe's tables are the stages,
/// their keys the flags of `salv corpus generate`, `train sft`, `sample`, `verify`, `pair` and `train dpo`; see
/// scripts/recipes.
#[derive(clap::Args)]
pub struct Arguments {
    /// What is to be done: a TOML file
    recipe: PathBuf,
    /// The folder for everything that is written
    #[arg(short, long, value_name = "FOLDER", default_value = "run")]
    output: PathBuf,
    /// A setting in place of the recipe's, such as `dpo.rate=1e-4`, `seed=3` or `model="FOLDER"`; can be repeated
    #[arg(long, value_name = "TABLE.KEY=VALUE")]
    set: Vec<String>,
    /// Only show the steps with their tokens, memory and disk, and which are done
    #[arg(long)]
    dry_run: bool,
}

/// The exit code of a run that was stopped.
const STOPPED: u8 = 130;
/// How often it is looked whether a stage has ended.
const LOOK: Duration = Duration::from_millis(20);
/// How long the last stage of a killed run may take to go.
const WAIT: Duration = Duration::from_secs(20);

/// Runs the command.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let recipe = Recipe::read(&arguments.recipe, &arguments.set)?;
    let steps = plan(&recipe);
    if arguments.dry_run {
        check_what_is_there(&steps)?;
        return costs::show(&recipe, &steps, &arguments.output);
    }
    let stop = start::stop_flag()?;
    std::fs::create_dir_all(&arguments.output)
        .with_context(|| format!("failed to make the folder {}", arguments.output.display()))?;
    let folder = arguments.output.canonicalize()?;
    let lock = lock(&folder)?;
    for step in &steps {
        check(step, &folder)?;
    }
    let names: Vec<&str> = steps.iter().map(|step| step.name).collect();
    let mut ledger = Ledger::open(&folder, &names)?;
    let mut timings = Timings::open(&folder)?;
    for (number, step) in steps.iter().enumerate() {
        let standing = ledger.standing(step)?;
        let title = format!("step {} of {}: {}", number + 1, steps.len(), step.name);
        if standing == Standing::Done {
            eprintln!("{title}: done");
            continue;
        }
        eprintln!("{title}{}", if standing == Standing::Begun { ": goes on" } else { "" });
        if standing == Standing::New {
            clear(step, &folder)?;
        }
        ledger.begin(step, &names)?;
        let started = Instant::now();
        if !execute(step, standing, &folder, &lock, &stop)? {
            eprintln!("stopped; the same command goes on from there");
            return Ok(ExitCode::from(STOPPED));
        }
        tidy(step, &folder)?;
        // First the times: a run that is killed here does the step's end again and keeps them.
        let is_rest = standing == Standing::Begun;
        timings.add(step, &folder, (started.elapsed(), is_rest))?;
        ledger.end(step)?;
    }
    finish(&folder, &recipe, (&names, &timings))
}

/// Takes the folder for this run and its stages.
fn lock(folder: &Path) -> anyhow::Result<File> {
    let path = folder.join("run.lock");
    let file = File::options().create(true).truncate(false).read(true).write(true).open(&path);
    let file = file.with_context(|| format!("failed to open {}", path.display()))?;
    let started = Instant::now();
    while let Err(error) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
        if matches!(error, rustix::io::Errno::NOLCK | rustix::io::Errno::OPNOTSUPP) {
            break;
        }
        ensure!(
            error == rustix::io::Errno::WOULDBLOCK && started.elapsed() < WAIT,
            "another run is at work in {} (wait for its end, or choose another folder with -o)",
            folder.display()
        );
        std::thread::sleep(LOOK);
    }
    Ok(file)
}

/// The same for a run that is only shown: what `salv-train` is given cannot be looked at where it is not there.
fn check_what_is_there(steps: &[Step]) -> anyhow::Result<()> {
    let is_there = torch::find().is_ok();
    let mut checked = steps.iter().filter(|step| is_there || !torch::is_meant(&step.command));
    checked.try_for_each(|step| check(step, Path::new(".")))?;
    if !is_there && steps.iter().any(|step| torch::is_meant(&step.command)) {
        eprintln!("note: salv-train is not there, so the settings of its steps are not looked at");
    }
    Ok(())
}

/// Lets the stage's own parser see its flags: what is mistyped shows before anything slow. With `--help` it does
/// nothing else.
fn check(step: &Step, folder: &Path) -> anyhow::Result<()> {
    if torch::is_meant(&step.command) {
        torch::find()?;
    }
    let mut command = Command::new(tools::own_program()?);
    command.args(&step.command).arg("--help").current_dir(folder).stdin(Stdio::null());
    let output = command.output().context("failed to start this program again")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!(
            "the recipe's settings of {}: {}",
            step.name,
            said.trim().trim_start_matches("error: ")
        );
    }
    Ok(())
}

/// Removes what another run of a step left.
fn clear(step: &Step, folder: &Path) -> anyhow::Result<()> {
    for path in step.leftovers().iter().map(|path| folder.join(path)) {
        let removed = match path.is_dir() {
            true => std::fs::remove_dir_all(&path),
            false if path.exists() => std::fs::remove_file(&path),
            false => Ok(()),
        };
        removed.with_context(|| format!("failed to remove {}", path.display()))?;
    }
    Ok(())
}

/// Does a step; tells whether it came to its end, or was stopped.
fn execute(
    step: &Step,
    standing: Standing,
    folder: &Path,
    lock: &File,
    stop: &AtomicBool,
) -> anyhow::Result<bool> {
    for parent in
        step.outputs.iter().filter_map(|path| folder.join(path).parent().map(Path::to_owned))
    {
        std::fs::create_dir_all(&parent)
            .with_context(|| format!("failed to make {}", parent.display()))?;
    }
    let mut command = Command::new(tools::own_program()?);
    command.args(["--follow", &std::process::id().to_string()]).args(&step.command);
    if standing == Standing::Begun && step.resumes() {
        command.arg("--resume");
    }
    let mut child = command
        .current_dir(folder)
        .stdin(Stdio::from(lock.try_clone()?))
        .stdout(Stdio::from(std::io::stderr()))
        .spawn()
        .context("failed to start this program again")?;
    let is_stopped = wait(&mut child, stop)?;
    let status = child.wait()?;
    if is_stopped || status.code() == Some(i32::from(STOPPED)) {
        return Ok(false);
    }
    ensure!(
        status.success(),
        "the step {} failed ({status}); its own message stands above. In {}: salv {}",
        step.name,
        folder.display(),
        step.command.join(" ")
    );
    Ok(true)
}

/// Waits for the end of a stage, and hands on the wish to stop; tells whether there was one.
fn wait(child: &mut Child, stop: &AtomicBool) -> anyhow::Result<bool> {
    let mut is_told = false;
    while child.try_wait()?.is_none() {
        if stop.load(Ordering::Relaxed) && !is_told {
            is_told = true;
            let process = Pid::from_raw(child.id() as i32).context("a stage has no process")?;
            kill_process(process, Signal::TERM).context("failed to stop the stage")?;
        }
        std::thread::sleep(LOOK);
    }
    Ok(is_told)
}

/// Removes the checkpoints of a training that has ended: they are for going on, and large.
fn tidy(step: &Step, folder: &Path) -> anyhow::Result<()> {
    let Some(training) = step.training() else { return Ok(()) };
    let place = folder.join(training);
    for entry in std::fs::read_dir(&place)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_draft = [".new", ".old"].iter().any(|ending| name.ends_with(ending));
        if path.is_dir() && (name.starts_with("step-") || is_draft) {
            std::fs::remove_dir_all(&path)
                .with_context(|| format!("failed to remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// Writes the report anew: it takes no time, and is a function of the files and of the times.
fn finish(
    folder: &Path,
    recipe: &Recipe,
    (steps, timings): (&[&str], &Timings),
) -> anyhow::Result<ExitCode> {
    let report = report(folder, recipe)?;
    replace(&folder.join(REPORT), format!("{:#}\n", serde_json::to_value(&report)?).as_bytes())?;
    replace(&folder.join(PAGE), page::page(&report, steps, timings)?.as_bytes())?;
    print!("{}", summary(&report));
    eprintln!(
        "the report is in {} and {}, the times are in {TIMINGS} beside them",
        folder.join(REPORT).display(),
        folder.join(PAGE).display()
    );
    Ok(ExitCode::SUCCESS)
}

/// The scores as text.
fn summary(report: &Report) -> String {
    let mut text = format!(
        "{} candidates of each of {} held-out problems; 95 % intervals\n{:<15}{:>28}{:>28}{:>32}\n",
        report.samples, report.problems, "", "before", "after", "change"
    );
    for row in page::rows(report) {
        let [before, after, change] = [row.before, row.after, row.change].map(|share| {
            let [mean, low, high] = [share.mean, share.low, share.high].map(|share| 100.0 * share);
            (mean, low, high)
        });
        text += &format!(
            "{:<15}{:>9.2} % ({:>5.2} to {:>5.2}){:>9.2} % ({:>5.2} to {:>5.2}){:>+11.2} % ({:>+6.2} to {:>+6.2})\n",
            row.name,
            before.0,
            before.1,
            before.2,
            after.0,
            after.1,
            after.2,
            change.0,
            change.1,
            change.2
        );
    }
    text
}
