//! Twenty optimizer steps of SFT and of DPO, and single ones of other losses, beside those of TRL's trainers from the
//! same models, adapters and rows (`record_training` in `scripts/record-parity`, whose settings stand here again).

use std::fs;
use std::sync::atomic::AtomicBool;

use salv::model::{Qwen2, Shard, lora::Lora};
use salv::train::batch::{Pairing, Sequence};
use salv::train::dpo::Dpo;
use salv::train::engine::{Engine, Trained};
use salv::train::folder::State;
use salv::train::loss::{Dpo as DpoLoss, Form};
use salv::train::optim::{self, AdamW};
use salv::train::parallel::Group;
use salv::train::run::{End, Objective, Run, Seen, Settings};
use salv::train::schedule::{Decay, Schedule};
use salv::train::sft::{Mean, Sft};
use serde::Deserialize;
use serde_json::{Map, Value};
use tch::{Kind, Tensor};

use crate::model::{FP32, fixtures, one_thread};

const MODELS: [&str; 2] = ["tied", "untied-gqa"];
const STEPS: usize = 20;
const BATCH: usize = 8;
const RATE: f64 = 1e-2;
const WEIGHT_DECAY: f64 = 0.01;

/// How far a loss or the norm of a gradient may be from the recorded one, as a share of it.
const LOSS_OFF_MAX: f64 = 1e-4;
/// How far rewards and log-probabilities may be: sums of some 50 in fp32, and differences of such.
const METRIC_OFF_MAX: f64 = 1e-4;
/// How far an entry of a parameter may be: a hundredth of what a step at the full rate moves it by.
const PARAMETER_OFF_MAX: f64 = RATE / 100.0;
/// AdamW moves an entry by about the rate, whatever the gradient's size, so where the gradient is noise the move
/// is noise too. Entries whose gradient is below this share of the largest one are not compared.
const NOISE: f64 = 1e-3;

/// Token ids of a row; completions end with the token that ends an answer.
#[derive(Deserialize)]
struct Row {
    prompt: Vec<u32>,
    chosen: Vec<u32>,
    rejected: Vec<u32>,
}

impl Row {
    fn sequence(&self, completion: &[u32]) -> Sequence {
        let mut weights = vec![0.0; self.prompt.len()];
        weights.resize(self.prompt.len() + completion.len(), 1.0);
        let ids = [&self.prompt, completion].concat();
        Sequence { ids, prompt: self.prompt.len(), weights, cut: 0 }
    }
}

/// A recorded run: what is trained and how.
struct Recording {
    name: &'static str,
    trained: Trained,
    steps: usize,
    schedule: Schedule,
    weight_decay: f64,
}

impl Recording {
    fn long(name: &'static str, trained: Trained, weight_decay: f64) -> Recording {
        let schedule = Schedule::new(RATE, 0.1, STEPS as u64, Decay::Cosine);
        Recording { name, trained, steps: STEPS, schedule, weight_decay }
    }

    fn single(name: &'static str) -> Recording {
        let schedule = Schedule::new(RATE, 0.0, 1, Decay::Constant);
        Recording { name, trained: Trained::Adapters, steps: 1, schedule, weight_decay: 0.0 }
    }

    /// Trains each model from the recorded start, and holds every step and the parameters after the last one
    /// against what was recorded.
    #[track_caller]
    fn check(&self, objective: &dyn Objective, checkpointing: bool) {
        for model in MODELS {
            let off = self.compare(model, objective, checkpointing);
            assert!(off.loss <= LOSS_OFF_MAX, "{model} {off:?}");
            assert!(off.metric <= METRIC_OFF_MAX, "{model} {off:?}");
            assert!(off.parameter <= PARAMETER_OFF_MAX, "{model} {off:?}");
        }
    }

    fn compare(&self, model: &str, objective: &dyn Objective, checkpointing: bool) -> Off {
        let path = fixtures().join("training").join(format!("{model}.{}", self.name));
        let path = path.to_str().expect("a name of text");
        let recorded = fs::read_to_string(format!("{path}.jsonl")).expect("a recording");
        let recorded: Vec<Map<String, Value>> =
            recorded.lines().map(|row| serde_json::from_str(row).expect("a row")).collect();
        let (engine, rows) = self.run(model, objective, checkpointing);
        assert_eq!((rows.len(), recorded.len()), (self.steps, self.steps));
        let mut off = Off::default();
        for (row, expected) in rows.iter().zip(&recorded) {
            for (key, expected) in expected {
                let found = row.iter().find(|(name, _)| name == key);
                let found = found.unwrap_or_else(|| panic!("{key} is not among the metrics")).1;
                off.add(key, found, expected.as_f64().expect("a number"));
            }
        }
        let mut after = Shard::open(format!("{path}.safetensors").as_ref()).expect("a recording");
        off.parameter = parameters_off(&engine, &mut after);
        off
    }

    fn run(
        &self,
        model: &str,
        objective: &dyn Objective,
        checkpointing: bool,
    ) -> (Engine, Vec<Vec<(String, f64)>>) {
        one_thread();
        let folder = fixtures().join(model);
        let mut model = Qwen2::load(&folder, FP32).expect("a model");
        if self.trained == Trained::Adapters {
            Lora::load(&folder.join("adapter"), &mut model).expect("an adapter");
        }
        let engine = Engine::new(model, self.trained, checkpointing);
        let parameters =
            engine.parameters().iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone()));
        let adamw = optim::Settings { weight_decay: self.weight_decay, ..Default::default() };
        let mut optimizer = AdamW::new(parameters.collect(), adamw);
        let settings = Settings {
            steps: self.steps as u64,
            batch: BATCH,
            // Several pieces a step, as the recorded runs had two.
            tokens_at_once: 100,
            clip: Some(1.0),
            schedule: self.schedule,
            seed: 0,
            shuffle: false,
            eval_every: None,
            save_every: STEPS as u64,
        };
        let mut rows = Vec::new();
        let run = Run {
            engine: &engine,
            optimizer: &mut optimizer,
            objective,
            evaluation: None,
            settings: &settings,
            group: &Group::alone(),
            folder: None,
            watch: &mut |seen: &Seen| rows.push(seen.values.to_vec()),
            stop: &AtomicBool::new(false),
        };
        assert_eq!(run.run(State::default()).expect("a run"), End::Done);
        (engine, rows)
    }
}

/// The largest differences from a recording.
#[derive(Debug, Default)]
struct Off {
    /// Of losses and norms of gradients, as shares of the recorded ones.
    loss: f64,
    /// Of rewards and log-probabilities.
    metric: f64,
    /// Of the parameters after the last step, where gradients are above noise.
    parameter: f64,
}

impl Off {
    fn add(&mut self, key: &str, found: f64, expected: f64) {
        let off = (found - expected).abs();
        match key {
            "learning_rate" => assert!(off < 1e-12, "{key}: {found}, recorded {expected}"),
            "loss" | "grad_norm" => self.loss = self.loss.max(off / expected.abs()),
            _ => self.metric = self.metric.max(off),
        }
    }
}

fn parameters_off(engine: &Engine, recorded: &mut Shard) -> f64 {
    let mut read = |name: String| recorded.read(&name).expect("recorded").to_kind(Kind::Double);
    let number = |tensor: Tensor| tensor.double_value(&[]);
    let parameters = engine.parameters();
    let noise: Vec<Tensor> =
        parameters.iter().map(|(name, _)| read(format!("rms.{name}"))).collect();
    let largest = noise.iter().map(|rms| number(rms.max())).fold(0.0, f64::max);
    let (mut off, mut compared, mut all) = (0.0f64, 0.0, 0.0);
    for ((name, found), rms) in parameters.iter().zip(noise) {
        let after = read(format!("after.{name}"));
        assert_eq!(found.size(), after.size(), "{name}");
        let is_clear = rms.ge(NOISE * largest).to_kind(Kind::Double);
        let difference = found.detach().to_kind(Kind::Double) - after;
        off = off.max(number((difference.abs() * &is_clear).max()));
        compared += number(is_clear.sum(Kind::Double));
        all += found.numel() as f64;
    }
    assert_eq!(2 * parameters.len(), recorded.names().count(), "all that is recorded is compared");
    assert!(compared > 0.9 * all, "{compared} of {all} entries have a gradient above noise");
    off
}

fn rows() -> Vec<Row> {
    let text = fs::read_to_string(fixtures().join("training/pairs.json")).expect("rows");
    serde_json::from_str(&text).expect("rows")
}

fn sft() -> Sft {
    let sequences: Vec<Sequence> = rows().iter().map(|row| row.sequence(&row.chosen)).collect();
    let lines = (1..=sequences.len()).collect();
    Sft { sequences, lines, mean: Mean::Tokens }
}

fn dpo(form: Form) -> Dpo {
    let pair = |row: &Row| Pairing {
        chosen: row.sequence(&row.chosen),
        rejected: row.sequence(&row.rejected),
    };
    let pairs: Vec<Pairing> = rows().iter().map(pair).collect();
    let lines = (1..=pairs.len()).collect();
    Dpo { pairs, lines, loss: DpoLoss { beta: 0.1, form, sft: 0.0 }, reference: None }
}

const SIGMOID: Form = Form::Sigmoid { smoothing: 0.0 };

#[test]
fn twenty_steps_of_sft_are_those_of_trl() {
    let recording = Recording::long("sft-lora", Trained::Adapters, 0.0);
    recording.check(&sft(), false);
    recording.check(&sft(), true);
}

#[test]
fn twenty_steps_of_sft_on_all_weights_are_those_of_trl() {
    let recording = Recording::long("sft-full", Trained::Weights, WEIGHT_DECAY);
    recording.check(&sft(), false);
    recording.check(&sft(), true);
}

#[test]
fn twenty_steps_of_dpo_are_those_of_trl() {
    let recording = Recording::long("dpo-lora", Trained::Adapters, WEIGHT_DECAY);
    recording.check(&dpo(SIGMOID), false);
    recording.check(&dpo(SIGMOID), true);
}

#[test]
fn a_step_of_the_other_losses_is_that_of_trl() {
    Recording::single("dpo-ipo").check(&dpo(Form::Ipo), false);
    Recording::single("dpo-smoothed").check(&dpo(Form::Sigmoid { smoothing: 0.2 }), false);
}

#[test]
fn other_settings_are_told_apart() {
    // Without the decay, which alone moves an entry of 1 by a thousandth.
    let off =
        Recording::long("dpo-lora", Trained::Adapters, 0.0).compare("tied", &dpo(SIGMOID), false);
    assert!(off.parameter > PARAMETER_OFF_MAX, "{off:?}");
    // Steps whose gradient is the mean over answers and not over tokens.
    let by_sequence = Sft { mean: Mean::Sequences, ..sft() };
    let off =
        Recording::long("sft-lora", Trained::Adapters, 0.0).compare("tied", &by_sequence, false);
    assert!(off.loss > LOSS_OFF_MAX, "{off:?}");
    let off = Recording::single("dpo-smoothed").compare("tied", &dpo(SIGMOID), false);
    assert!(off.loss > LOSS_OFF_MAX, "{off:?}");
}
