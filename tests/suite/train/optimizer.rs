//! AdamW against what PyTorch recorded (`scripts/record-parity`): bit for bit by the same kernel, within
//! roundings by the plain one; and a state that is saved and read.

use std::path::{Path, PathBuf};
use std::sync::Once;

use salv::model::Shard;
use salv::train::optim::{AdamW, Settings, clip, decays};
use tch::{Device, Kind, Tensor};

const NAMES: [&str; 5] =
    ["layer.weight", "layer.bias", "post_norm.weight", "narrow.weight", "wide.weight"];
const RATES: [f64; 6] = [1e-2, 2e-2, 1.5e-2, 0.0, 1e-2, 5e-3];
const SETTINGS: Settings = Settings { beta1: 0.9, beta2: 0.99, eps: 1e-6, weight_decay: 0.1 };

/// Which of LibTorch's kernels made a recording: that for any processor, or that for vector units.
const KERNELS: [&str; 2] = ["default", "avx2"];

fn recorded(kernel: &str) -> Shard {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tch::set_num_threads(1);
    });
    Shard::open(&folder().join(kernel).with_extension("safetensors")).expect("a recording")
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/model/optimizer")
}

fn read(shard: &mut Shard, what: &str, name: &str) -> Tensor {
    shard.read(&format!("{what}.{name}")).expect("recorded")
}

/// The precision in which a recorded tensor is held here: the narrow one's master is what was recorded.
fn held(name: &str, tensor: &Tensor) -> Tensor {
    if name.starts_with("narrow") { tensor.to_kind(Kind::BFloat16) } else { tensor.copy() }
}

fn begin(shard: &mut Shard) -> AdamW {
    let start = |name: &str| held(name, &read(shard, "start", name)).set_requires_grad(true);
    let names = NAMES.map(str::to_owned);
    let tensors = NAMES.map(start);
    AdamW::new(names.into_iter().zip(tensors).collect(), SETTINGS)
}

fn steps(optimizer: &mut AdamW, shard: &mut Shard, range: std::ops::Range<usize>) {
    for step in range {
        let what = format!("gradient.{step}");
        let gradients = NAMES.map(|name| held(name, &read(shard, &what, name)));
        optimizer.step(&gradients, RATES[step]).expect("a step");
    }
}

fn largest_difference(one: &Tensor, other: &Tensor) -> f64 {
    let wide = |tensor: &Tensor| tensor.to_kind(Kind::Double);
    (wide(one) - wide(other)).abs().max().double_value(&[])
}

#[test]
fn six_steps_are_those_of_pytorch() {
    let mut same = Vec::new();
    for kernel in KERNELS {
        let mut shard = recorded(kernel);
        let mut optimizer = begin(&mut shard);
        steps(&mut optimizer, &mut shard, 0..RATES.len());
        assert_eq!(optimizer.steps(), RATES.len() as u64);
        let is_same = optimizer.parameters().iter().all(|(name, found)| {
            let fused = held(name, &read(&mut shard, "fused", name));
            let plain = read(&mut shard, "plain", name);
            let step_of_precision = if name.starts_with("narrow") { 1.0 / 64.0 } else { 1e-6 };
            let off = largest_difference(found, &plain);
            assert!(off < step_of_precision, "{kernel} {name}: {off:.1e} from the plain one");
            *found == fused
        });
        same.push(is_same);
    }
    // The kernels round differently, so one that is right is not the other.
    let count = same.iter().filter(|is_same| **is_same).count();
    assert_eq!(count, 1, "bit for bit what one of the kernels {KERNELS:?} gave: {same:?}");
}

#[test]
fn weight_decay_is_for_what_transformers_gives_it_to() {
    let text = std::fs::read(folder().join("decays.json")).expect("a recording");
    let names: std::collections::BTreeMap<String, bool> =
        serde_json::from_slice(&text).expect("names");
    assert!(names.len() > 50 && names.values().any(|decays| !decays));
    for (name, expected) in names {
        assert_eq!(decays(&name), expected, "{name}");
    }
}

#[test]
fn clipping_is_pytorchs() {
    let mut shard = recorded("default");
    let names = &NAMES[..4];
    let mut gradients: Vec<Tensor> =
        names.iter().map(|name| read(&mut shard, "gradient.0", name)).collect();
    let norm = shard.read("norm").expect("recorded").double_value(&[0]);
    let before: Vec<Tensor> = gradients.iter().map(Tensor::copy).collect();
    assert!((clip(&mut gradients, None) - norm).abs() < 1e-5 * norm);
    assert!((clip(&mut gradients, Some(norm + 1.0)) - norm).abs() < 1e-5 * norm);
    assert_eq!(gradients, before, "a norm that is small enough changes nothing");
    assert!((clip(&mut gradients, Some(5.0)) - norm).abs() < 1e-5 * norm);
    for (name, gradient) in names.iter().zip(&gradients) {
        let expected = read(&mut shard, "clipped", name);
        assert!(largest_difference(gradient, &expected) < 1e-6, "{name}");
        assert!(norm > 6.0, "there was something to clip");
    }
    assert!(clip(&mut [Tensor::from_slice(&[f32::NAN])], Some(1.0)).is_nan());
    assert_eq!(clip(&mut [], Some(1.0)), 0.0);
}

/// A master moves by steps that its bf16 parameter is too coarse to show one by one.
#[test]
fn small_steps_add_up_in_the_master_of_a_narrow_parameter() {
    recorded("default");
    let parameter = Tensor::ones([4], (Kind::BFloat16, Device::Cpu));
    let mut optimizer =
        AdamW::new(vec![("w".to_owned(), parameter.shallow_clone())], Settings::default());
    let gradients = [Tensor::ones([4], (Kind::BFloat16, Device::Cpu))];
    optimizer.step(&gradients, 1e-3).expect("a step");
    assert_eq!(parameter.double_value(&[0]), 1.0, "1 - 0.001 rounds to 1 in bf16");
    for _ in 0..9 {
        optimizer.step(&gradients, 1e-3).expect("a step");
    }
    assert_eq!(parameter.double_value(&[0]), 0.98828125, "0.99 rounded to bf16");
}

#[test]
fn a_saved_state_goes_on_bit_for_bit() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("optimizer.safetensors");
    let mut shard = recorded("avx2");
    let mut whole = begin(&mut shard);
    steps(&mut whole, &mut shard, 0..6);
    let mut first = begin(&mut shard);
    steps(&mut first, &mut shard, 0..3);
    first.save(&path).expect("saved");
    let parameters = |from: &AdamW| -> Vec<(String, Tensor)> {
        from.parameters().iter().map(|(name, tensor)| (name.clone(), tensor.copy())).collect()
    };
    let mut second = AdamW::new(parameters(&first), SETTINGS);
    second.load(&path).expect("loaded");
    assert_eq!(second.steps(), 3);
    steps(&mut second, &mut shard, 3..6);
    assert_eq!(parameters(&second), parameters(&whole));
    let again = folder.path().join("again.safetensors");
    second.save(&again).expect("saved");
    whole.save(&path).expect("saved");
    assert!(std::fs::read(&path).expect("bytes") == std::fs::read(&again).expect("bytes"));
}

#[test]
fn a_state_of_another_run_is_refused_with_the_cure() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.safetensors");
    recorded("default");
    let make = |name: &str, size: i64, kind: Kind| {
        let tensor = Tensor::ones([size], (kind, Device::Cpu));
        AdamW::new(vec![(name.to_owned(), tensor)], Settings::default())
    };
    make("w", 3, Kind::Float).save(&path).expect("saved");
    let refuse = |mut optimizer: AdamW, message: &str| {
        let error = optimizer.load(&path).expect_err(message).to_string();
        assert!(error.contains(message) && error.contains("state.safetensors"), "{error}");
        assert_eq!(optimizer.steps(), 0);
    };
    refuse(make("v", 3, Kind::Float), "no tensor exp_avg.v");
    refuse(make("w", 4, Kind::Float), "exp_avg.w is [3], not [4]");
    refuse(make("w", 3, Kind::Double), "exp_avg.w is not Double");
    refuse(make("w", 3, Kind::BFloat16), "no tensor master.w");
    make("w", 3, Kind::BFloat16).save(&path).expect("saved");
    refuse(make("w", 3, Kind::Float), "4 tensors, not 3: it is not the optimizer's state of this");
    let whole = std::fs::read(&path).expect("bytes");
    std::fs::write(&path, &whole[..whole.len() - 5]).expect("cut");
    refuse(make("w", 3, Kind::BFloat16), "corrupt or incomplete");
    std::fs::remove_file(&path).expect("removed");
    refuse(make("w", 3, Kind::Float), "failed to read");
}

#[test]
fn a_gradient_that_does_not_fit_moves_nothing() {
    recorded("default");
    let ones = || Tensor::ones([2], (Kind::Float, Device::Cpu));
    let (one, other) = (ones(), ones());
    let named = [("a", &one), ("b", &other)]
        .map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone()));
    let mut optimizer = AdamW::new(named.into(), Settings::default());
    let error = optimizer.step(&[ones(), Tensor::new()], 0.1).expect_err("undefined");
    assert_eq!(error.to_string(), "failed to move parameter b: no gradient reached it");
    let wrong = [ones(), Tensor::ones([3], (Kind::Float, Device::Cpu))];
    let error = optimizer.step(&wrong, 0.1).expect_err("another shape");
    assert!(error.to_string().contains("its gradient is [3], it is [2]"), "{error}");
    assert_eq!((&one, &other, optimizer.steps()), (&ones(), &ones(), 0));
}
