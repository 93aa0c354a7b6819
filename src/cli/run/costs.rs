//! `salv run --dry-run`: the steps and what they take, for a person.

use std::path::Path;
use std::process::ExitCode;

use indicatif::HumanBytes;

use crate::run::estimate::{costs, parameters};
use crate::run::ledger::{Ledger, Standing};
use crate::run::plan::Step;
use crate::run::recipe::Recipe;

/// Shows the steps of a recipe; none of them is done.
pub fn show(recipe: &Recipe, steps: &[Step], folder: &Path) -> anyhow::Result<ExitCode> {
    let costs = costs(recipe, steps)?;
    let names: Vec<&str> = steps.iter().map(|step| step.name).collect();
    let mut ledger = Ledger::open(folder, &names)?;
    println!("{}: {} parameters", recipe.model.display(), parameters(recipe)?);
    println!("{:<15}{:>28}{:>16}{:>12}{:>12}", "step", "", "tokens", "memory", "disk");
    let (mut tokens, mut memory, mut disk) = (0, 0, 0_u64);
    for (step, cost) in steps.iter().zip(&costs) {
        let state = match ledger.standing(step)? {
            Standing::Done => "  done",
            Standing::Begun => "  begun",
            Standing::New => "",
        };
        println!(
            "{:<15}{:>28}{:>16}{:>12}{:>12}{state}",
            cost.step,
            cost.rows,
            cost.tokens,
            HumanBytes(cost.memory).to_string(),
            HumanBytes(cost.disk).to_string()
        );
        println!("    salv {}", step.command.join(" "));
        tokens += cost.tokens;
        memory = memory.max(cost.memory);
        disk = disk.saturating_add(cost.disk);
    }
    println!(
        "{:<15}{:>28}{tokens:>16}{:>12}{:>12}",
        "all, at most",
        "",
        HumanBytes(memory).to_string(),
        HumanBytes(disk).to_string()
    );
    println!(
        "Every figure is an upper bound: no completion is longer than its limit, and no row than its cutoff."
    );
    Ok(ExitCode::SUCCESS)
}
