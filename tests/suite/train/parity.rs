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

/// What the issue asks for; seen are 2e-6 at most.
const LOSS_OFF_MAX: f64 = 1e-4;
/// Of log-probabilities and rewards, which are differences of sums of some 50: their absolute error, and that of
/// numbers made from them.
const METRIC_OFF_MAX: f64 = 1e-4;
/// AdamW moves an entry by about the rate, whatever the gradient's size, so where the gradient is noise the move
/// is noise too. Entries whose gradient was always below this share of the largest one are not compared.
const NOISE: f64 = 1e-3;
/// A hundredth of what one step at the full rate moves an entry by.
const PARAMETER_OFF_MAX: f64 = RATE / 100.0;

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

    /// Trains from the recorded start, and compares every step and the parameters after the last one.
    fn compare(&self, objective: &dyn Objective, checkpointing: bool) {
        for model in MODELS {
            let path = fixtures().join("training").join(format!("{model}.{}", self.name));
            let path = path.to_str().expect("a name of text");
            let recorded = fs::read_to_string(format!("{path}.jsonl")).expect("a recording");
            let recorded: Vec<Map<String, Value>> =
                recorded.lines().map(|row| serde_json::from_str(row).expect("a row")).collect();
            let (engine, rows) = self.run(model, objective, checkpointing);
            assert_eq!(rows.len(), self.steps);
            assert_eq!(recorded.len(), self.steps);
            for (step, (row, expected)) in rows.iter().zip(&recorded).enumerate() {
                for (key, expected) in expected {
                    check_value(
                        &format!("{model} {} step {step} {key}", self.name),
                        key,
                        row,
                        expected,
                    );
                }
            }
            let mut after =
                Shard::open(format!("{path}.safetensors").as_ref()).expect("a recording");
            compare_parameters(&format!("{model} {}", self.name), &engine, &mut after);
        }
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

#[track_caller]
fn check_value(what: &str, key: &str, row: &[(String, f64)], expected: &Value) {
    let found = row.iter().find(|(name, _)| name == key);
    let found = found.unwrap_or_else(|| panic!("{what} is not among the metrics")).1;
    let expected = expected.as_f64().expect("a number");
    let allowed = match key {
        "learning_rate" => 1e-12,
        "rewards/accuracies" => 0.0,
        "loss" | "grad_norm" => LOSS_OFF_MAX * expected.abs(),
        _ => METRIC_OFF_MAX,
    };
    assert!((found - expected).abs() <= allowed, "{what}: {found}, recorded {expected}");
}

fn compare_parameters(what: &str, engine: &Engine, recorded: &mut Shard) {
    let mut read = |name: String| recorded.read(&name).expect("recorded").to_kind(Kind::Double);
    let pairs: Vec<(&str, Tensor, Tensor, Tensor)> = engine
        .parameters()
        .iter()
        .map(|(name, tensor)| {
            let (after, rms) = (read(format!("after.{name}")), read(format!("rms.{name}")));
            (name.as_str(), tensor.detach().to_kind(Kind::Double), after, rms)
        })
        .collect();
    let number = |tensor: Tensor| tensor.double_value(&[]);
    let largest = pairs.iter().map(|(.., rms)| number(rms.max())).fold(0.0, f64::max);
    let (mut compared, mut all) = (0.0, 0.0);
    for (name, found, after, rms) in &pairs {
        assert_eq!(found.size(), after.size(), "{what} {name}");
        let is_clear = rms.ge(NOISE * largest).to_kind(Kind::Double);
        let off = number(((found - after).abs() * &is_clear).max());
        assert!(off <= PARAMETER_OFF_MAX, "{what} {name} differs by {off:.2e}");
        compared += number(is_clear.sum(Kind::Double));
        all += found.numel() as f64;
    }
    assert_eq!(pairs.len(), recorded.names().count() / 2, "{what}: parameters that are recorded");
    assert!(compared > 0.9 * all, "{what}: {compared} of {all} entries are above noise");
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

#[test]
fn twenty_steps_of_sft_are_those_of_trl() {
    let recording = Recording::long("sft-lora", Trained::Adapters, 0.0);
    recording.compare(&sft(), false);
    recording.compare(&sft(), true);
}

#[test]
fn twenty_steps_of_sft_on_all_weights_are_those_of_trl() {
    let recording = Recording::long("sft-full", Trained::Weights, WEIGHT_DECAY);
    recording.compare(&sft(), false);
    recording.compare(&sft(), true);
}

#[test]
fn twenty_steps_of_dpo_are_those_of_trl() {
    let recording = Recording::long("dpo-lora", Trained::Adapters, WEIGHT_DECAY);
    let dpo = dpo(Form::Sigmoid { smoothing: 0.0 });
    recording.compare(&dpo, false);
    recording.compare(&dpo, true);
}

#[test]
fn a_step_of_the_other_losses_is_that_of_trl() {
    Recording::single("dpo-ipo").compare(&dpo(Form::Ipo), false);
    Recording::single("dpo-smoothed").compare(&dpo(Form::Sigmoid { smoothing: 0.2 }), false);
}
