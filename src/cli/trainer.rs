//! The command line of `salv-train`: the only part of `cli` that uses LibTorch.

mod dpo;
mod dry_run;
mod fit;
mod job;
mod progress;
mod session;
mod sft;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tch::{Device, Kind};

pub use progress::peak_memory;

use crate::model::{Config, Qwen2, SHARD_BYTES, Tokenizer, copy_others, lora, torch};

/// Train language models on pairs, or merge what was trained.
#[derive(Parser)]
#[command(name = "salv train", bin_name = "salv train", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Sft(Box<sft::Arguments>),
    Dpo(Box<dpo::Arguments>),
    Merge(Merge),
    Init(Init),
    /// Say on which device models would run, and why
    Device,
}

/// Add an adapter to a model's weights, and write a model
#[derive(clap::Args)]
struct Merge {
    /// The model's folder
    model: PathBuf,
    /// The adapter's folder, in PEFT's format
    adapter: PathBuf,
    /// The new model's folder: the same shards in the same precision, the other files beside them
    #[arg(short, long, value_name = "FOLDER")]
    output: PathBuf,
}

/// Make a model that has learnt nothing, to be trained from the start
#[derive(clap::Args)]
struct Init {
    /// A folder with config.json, tokenizer.json and what else is to stand beside the weights
    folder: PathBuf,
    /// The new model's folder
    #[arg(short, long, value_name = "FOLDER")]
    output: PathBuf,
    /// Decides the weights
    #[arg(long, default_value_t = 0)]
    seed: i64,
}

/// Runs the command line and returns its exit code.
pub fn run() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Sft(arguments) => sft::run(&arguments),
        Command::Dpo(arguments) => dpo::run(&arguments),
        Command::Merge(arguments) => merge(&arguments),
        Command::Init(arguments) => init(&arguments),
        Command::Device => device(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", super::describe(&error));
            ExitCode::FAILURE
        }
    }
}

fn merge(arguments: &Merge) -> anyhow::Result<()> {
    lora::merge(&arguments.model, &arguments.adapter, &arguments.output)?;
    eprintln!("the merged model is in {}", arguments.output.display());
    Ok(())
}

fn init(arguments: &Init) -> anyhow::Result<()> {
    let Init { folder, output, seed } = arguments;
    let config = Config::read(folder)?;
    Tokenizer::load(folder, config.vocab_size)?;
    std::fs::create_dir_all(output)?;
    copy_others(folder, output)?;
    let model = Qwen2::fresh(config, *seed, (Kind::BFloat16, Device::Cpu));
    model.save(output, SHARD_BYTES)?;
    let size: usize = model.weights().iter().map(|(_, weight)| weight.numel()).sum();
    eprintln!("a model of {size} parameters is in {}", output.display());
    Ok(())
}

fn device() -> anyhow::Result<()> {
    let choice = torch::choose_device();
    torch::probe(choice.device)?;
    println!("{:?}", choice.device);
    println!("{}", choice.reason);
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let library = maps.lines().find_map(|line| {
        Some(&line[line.find('/')?..]).filter(|path| path.ends_with("/libtorch_cpu.so"))
    });
    println!("{}", library.unwrap_or("libtorch_cpu is loaded, from where is not known"));
    Ok(())
}
