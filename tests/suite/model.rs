//! The model and the losses against what transformers, PEFT and TRL recorded (`scripts/record-parity`), and
//! against identities; and what is wrong with a folder against the error that says so.

mod folders;
mod identities;
mod text;

use std::path::{Path, PathBuf};
use std::sync::Once;

use salv::model::{Pass, Qwen2, Shard, lora::Lora};
use salv::train::loss::{Dpo, Form, Side, score};
use tch::{Device, Kind, Tensor};

pub const MODELS: [&str; 5] = ["tied", "untied-gqa", "linear", "yarn", "llama3"];
pub const FP32: (Kind, Device) = (Kind::Float, Device::Cpu);

/// In fp32, for logits of about 1 to 10: some tens of their last places.
const LOGITS_OFF_MAX: f64 = 1e-5;

/// A model of the fixtures, its adapter attached, and what was recorded of it.
struct Fixture {
    folder: PathBuf,
    model: Qwen2,
    recorded: Shard,
    ids: Tensor,
    lengths: Vec<i64>,
}

impl Fixture {
    fn open(name: &str) -> Fixture {
        one_thread();
        let folder = fixtures().join(name);
        let mut model = Qwen2::load(&folder, FP32).expect("a model");
        Lora::load(&folder.join("adapter"), &mut model).expect("an adapter");
        let mut recorded = Shard::open(&folder.join("recorded.safetensors")).expect("a recording");
        let mut read = |name: &str| recorded.read(name).expect("recorded").to_kind(Kind::Int64);
        let (ids, lengths) = (read("ids"), Vec::try_from(read("lengths")).expect("lengths"));
        Fixture { folder, model, recorded, ids, lengths }
    }

    fn read(&mut self, name: &str) -> Tensor {
        self.recorded.read(name).expect("recorded")
    }

    fn number(&mut self, name: &str) -> f64 {
        self.read(name).double_value(&[0])
    }

    /// Zeros what padding gives, as it is recorded.
    fn without_padding(&self, of_positions: &Tensor) -> Tensor {
        let longest = self.ids.size()[1];
        let positions = Tensor::arange(longest, (Kind::Int64, Device::Cpu)).unsqueeze(0);
        let keep = positions.lt_tensor(&Tensor::from_slice(&self.lengths).unsqueeze(-1));
        of_positions * keep.to_kind(Kind::Float).unsqueeze(-1)
    }

    /// Log-probabilities of each token given those before it, zero for the first; `[sequences, longest]`,
    /// and the gradient of their weighted sum with respect to the hidden states.
    fn logps(&self, hidden: &Tensor, weights: &Tensor) -> (Tensor, Tensor) {
        let (rows, longest, width) = hidden.size3().expect("three dimensions");
        let flat = |tensor: &Tensor| tensor.narrow(1, 1, longest - 1).reshape([-1]);
        let before = hidden.detach().narrow(1, 0, longest - 1).reshape([-1, width]);
        // Five at a time, so that pieces of unequal size are met.
        let weights = flat(weights);
        let scored = score(self.model.head(), &before, &flat(&self.ids), Some(&weights), 5);
        let shaped = scored.logps.view([rows, longest - 1]).constant_pad_nd([1, 0]);
        let gradient = scored.gradient.expect("a gradient").view([rows, longest - 1, width]);
        (shaped, gradient.constant_pad_nd([0, 0, 0, 1]))
    }
}

pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/model")
}

/// Tests run side by side already.
pub fn one_thread() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tch::set_num_threads(1);
        tch::set_num_interop_threads(1);
    });
}

fn largest(tensor: &Tensor) -> f64 {
    tensor.to_kind(Kind::Double).abs().max().double_value(&[])
}

#[track_caller]
pub fn assert_close(what: &str, found: &Tensor, expected: &Tensor, off_max: f64) {
    assert_eq!(found.size(), expected.size(), "{what}");
    let off = largest(&(found.to_kind(Kind::Double) - expected.to_kind(Kind::Double)));
    assert!(off <= off_max, "{what} differs by {off:.2e}, more than {off_max:.0e}");
}

#[test]
fn logits_are_those_of_transformers_and_peft() {
    for name in MODELS {
        let mut fixture = Fixture::open(name);
        for (pass, recorded) in
            [(Pass::Reference, "logits_reference"), (Pass::Policy, "logits_policy")]
        {
            let logits = fixture.without_padding(&fixture.model.logits(&fixture.ids, pass));
            let expected = fixture.read(recorded);
            assert!(largest(&expected) > 0.5, "{name}: the recording says something");
            assert_close(&format!("{name} {recorded}"), &logits, &expected, LOGITS_OFF_MAX);
        }
        let difference = fixture.read("logits_policy") - fixture.read("logits_reference");
        assert!(largest(&difference) > 0.05, "{name}: the adapter changes something");
    }
}

#[test]
fn in_bf16_logits_are_those_of_transformers_within_its_steps() {
    let mut fixture = Fixture::open("untied-gqa");
    let model = Qwen2::load(&fixture.folder, (Kind::BFloat16, Device::Cpu)).expect("a model");
    let logits = model.logits(&fixture.ids, Pass::Reference);
    assert_eq!(logits.kind(), Kind::BFloat16);
    let logits = fixture.without_padding(&logits.to_kind(Kind::Float));
    let (expected, exact) = (fixture.read("logits_bf16"), fixture.read("logits_reference"));
    // Eight bits of mantissa: a step at the largest logit is 1/256 of it; a few may add up.
    assert_close("bf16", &logits, &expected, largest(&exact) * 4.0 / 256.0);
}

#[test]
fn the_losses_are_those_of_the_formulas_and_of_trl() {
    for name in MODELS {
        let mut fixture = Fixture::open(name);
        let weights = fixture.read("weights");
        let sum = |logps: &Tensor, weights: &Tensor| -> Vec<f64> {
            let sums = (logps * weights).sum_dim_intlist(-1, false, Kind::Double);
            Vec::try_from(sums).expect("a number for each sequence")
        };
        let policy = fixture.model.hidden(&fixture.ids, Pass::Policy);
        let reference = fixture.model.hidden(&fixture.ids, Pass::Reference);
        let (policy, reference) =
            (fixture.logps(&policy, &weights).0, fixture.logps(&reference, &weights).0);
        let keep = fixture.without_padding(&Tensor::ones([4, 24, 1], FP32)).squeeze_dim(-1);
        assert_close(name, &(&policy * &keep), &fixture.read("logps_policy"), LOGITS_OFF_MAX);
        let full = keep.slice_copy(1, 1, 24, 1).constant_pad_nd([1, 0]);
        let sigmoid = Form::Sigmoid { smoothing: 0.0 };
        let cases = [
            ("sigmoid", &weights, Dpo { beta: 0.1, form: sigmoid, sft: 0.0 }),
            (
                "smoothed",
                &weights,
                Dpo { beta: 0.3, form: Form::Sigmoid { smoothing: 0.2 }, sft: 0.0 },
            ),
            ("ipo", &weights, Dpo { beta: 0.1, form: Form::Ipo, sft: 0.0 }),
            ("with_sft", &weights, Dpo { beta: 0.1, form: sigmoid, sft: 0.5 }),
            ("plain", &full, Dpo { beta: 0.1, form: sigmoid, sft: 0.0 }),
            ("trl", &full, Dpo { beta: 0.1, form: sigmoid, sft: 0.0 }),
        ];
        for (case, weights, dpo) in cases {
            let (policy, reference) = (sum(&policy, weights), sum(&reference, weights));
            let totals = sum(&Tensor::ones_like(weights), weights);
            let side = |at: usize| Side {
                policy: policy[at],
                reference: reference[at],
                weight: totals[at],
            };
            let loss = (0..2).map(|at| dpo.of(side(at), side(at + 2)).loss).sum::<f64>() / 2.0;
            let expected = fixture.number(&format!("loss.{case}"));
            assert!(
                (loss - expected).abs() < 2e-6 * expected.abs().max(1.0),
                "{name} {case}: {loss} {expected}"
            );
        }
    }
}

/// The gradient goes from the losses' slopes through the head in pieces, and from there through the layers
/// by autograd, into both matrices of every adapter.
#[test]
fn gradients_of_every_adapter_are_those_of_torch() {
    let sigmoid = Form::Sigmoid { smoothing: 0.0 };
    let cases = [
        ("sigmoid", Dpo { beta: 0.1, form: sigmoid, sft: 0.0 }),
        ("ipo", Dpo { beta: 0.1, form: Form::Ipo, sft: 0.0 }),
        ("with_sft", Dpo { beta: 0.1, form: sigmoid, sft: 0.5 }),
    ];
    for (name, (case, dpo)) in MODELS.iter().flat_map(|name| cases.map(|case| (*name, case))) {
        let mut fixture = Fixture::open(name);
        let weights = fixture.read("weights");
        let reference = fixture.model.hidden(&fixture.ids, Pass::Reference);
        let reference = fixture.logps(&reference, &weights).0;
        let policy = fixture.model.hidden(&fixture.ids, Pass::Policy);
        let (logps, upstream) = fixture.logps(&policy, &weights);
        let sum =
            |of: &Tensor, row: i64| (of * &weights).get(row).sum(Kind::Double).double_value(&[]);
        let side = |row: i64| Side {
            policy: sum(&logps, row),
            reference: sum(&reference, row),
            weight: sum(&Tensor::ones_like(&weights), row),
        };
        let losses = [dpo.of(side(0), side(2)), dpo.of(side(1), side(3))];
        let slopes = [
            losses[0].chosen_slope,
            losses[1].chosen_slope,
            losses[0].rejected_slope,
            losses[1].rejected_slope,
        ]
        .map(|slope| (slope / 2.0) as f32);
        let upstream = upstream * Tensor::from_slice(&slopes).view([4, 1, 1]);
        (policy * upstream).sum(Kind::Float).backward();
        let parameters = salv::model::lora::parameters(&fixture.model);
        assert!(!parameters.is_empty());
        for (parameter, tensor) in parameters {
            let expected = fixture.read(&format!("grad.{case}.{parameter}"));
            let allowed = 1e-4 * largest(&expected).max(1e-2);
            assert_close(&format!("{name} {case} {parameter}"), &tensor.grad(), &expected, allowed);
        }
    }
}

#[test]
fn the_trainer_is_found_beside_salv_and_says_where_it_computes() {
    let run = |arguments: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_salv"))
            .args(arguments)
            .env_remove("LD_LIBRARY_PATH")
            .output()
            .expect("salv");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    let device = run(&["train", "device"]);
    let lines: Vec<&str> = device.lines().collect();
    assert!(lines[0] == "Cpu" || lines[0].starts_with("Cuda"), "{device}");
    assert!(
        lines[0] != "Cpu"
            || (lines[1].contains("cannot be loaded") || lines[1].contains("no card")),
        "{device}"
    );
    assert!(lines[2].ends_with("/libtorch_cpu.so"), "{device}");
    let folder = tempfile::tempdir().expect("a folder");
    let model = fixtures().join("tied");
    let path = |path: &Path| path.to_str().expect("text").to_owned();
    let arguments = [path(&model), path(&model.join("adapter")), path(folder.path())];
    run(&["train", "merge", &arguments[0], &arguments[1], "-o", &arguments[2]]);
    assert!(Qwen2::load(folder.path(), FP32).is_ok());
}
