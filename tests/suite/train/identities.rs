//! Gradients: what they are by finite differences, and what does not change them.

use salv::model::{Config, Qwen2, lora::Lora};
use salv::train::batch::{Pairing, Sequence};
use salv::train::dpo::Dpo;
use salv::train::engine::{Engine, Gradients, Trained};
use salv::train::loss::{Dpo as Loss, Form, Sums};
use salv::train::run::{Objective, Step};
use salv::train::sft::{Mean, Sft};
use tch::{Device, Kind, Tensor};

use super::{config, largest};
use crate::model::one_thread;

const SIGMOID: Loss = Loss { beta: 0.3, form: Form::Sigmoid { smoothing: 0.1 }, sft: 0.0 };

/// A model of two layers; adapters with both matrices drawn, since at B = 0 the gradient of A vanishes.
fn engine(tied: bool, trained: Trained, kind: Kind, checkpointing: bool) -> Engine {
    one_thread();
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("config.json"), config(tied).to_string()).expect("a file");
    let config = Config::read(folder.path()).expect("a configuration");
    let mut model = Qwen2::fresh(config, 5, (Kind::Float, Device::Cpu));
    if kind == Kind::Double {
        let folder = tempfile::tempdir().expect("a folder");
        model.save(folder.path(), 1 << 20).expect("weights");
        std::fs::write(folder.path().join("config.json"), super::config(tied).to_string())
            .expect("a file");
        model = Qwen2::load(folder.path(), (kind, Device::Cpu)).expect("a model");
    }
    if trained == Trained::Adapters {
        Lora::new(2, 4.0, &["all"]).expect("settings").attach(&mut model, 3);
        for (at, (_, linear)) in model.linear_layers_mut().enumerate() {
            let adapter = linear.adapter.as_mut().expect("an adapter");
            let size = adapter.b.numel() as i64;
            let drawn =
                (Tensor::arange(size, (Kind::Float, Device::Cpu)) * 1.7 + at as f64).sin() * 0.2;
            tch::no_grad(|| adapter.b.copy_(&drawn.view_as(&adapter.b)));
        }
    }
    Engine::new(model, trained, checkpointing)
}

/// A sequence of numbers that a key decides; `counts` says which of its completion's tokens count, and how much.
fn sequence(key: u32, prompt: usize, length: usize, counts: impl Fn(usize) -> f32) -> Sequence {
    let ids = (0..length as u32).map(|at| (key * 97 + at * 31 + at * at) % 384).collect();
    let weights = (0..length).map(|at| if at < prompt { 0.0 } else { counts(at) }).collect();
    Sequence { ids, prompt, weights, cut: 0 }
}

fn pairs(lengths: &[(usize, usize)]) -> Vec<Pairing> {
    let counts = |at: usize| [0.0, 1.0, 0.5, 1.0][at % 4];
    let pair = |(at, (chosen, rejected)): (usize, &(usize, usize))| Pairing {
        chosen: sequence(2 * at as u32, 3, *chosen, counts),
        rejected: sequence(2 * at as u32 + 1, 3, *rejected, counts),
    };
    lengths.iter().enumerate().map(pair).collect()
}

fn dpo(pairs: Vec<Pairing>, loss: Loss) -> Dpo {
    let lines = (1..=pairs.len()).collect();
    Dpo { pairs, lines, loss, reference: None }
}

/// What the reference says of pairs, where it is not the model without adapters.
fn with_reference(mut dpo: Dpo) -> Dpo {
    let sums = |at: usize| Sums { counted: -20.0 - at as f64, rest: -3.0 };
    dpo.reference = Some((0..dpo.pairs.len()).map(|at| [sums(at), sums(at + 1)]).collect());
    dpo
}

fn sft(mean: Mean) -> Sft {
    let sequences = vec![
        sequence(1, 2, 9, |_| 1.0),
        sequence(2, 4, 6, |at| (at % 2) as f32),
        sequence(3, 0, 12, |_| 0.5),
    ];
    Sft { lines: vec![1, 2, 3], sequences, mean }
}

/// The gradient of all rows, in pieces of `rows_at_once`.
fn gradient(
    engine: &Engine,
    objective: &dyn Objective,
    rows_at_once: usize,
) -> (Vec<f64>, Gradients) {
    let rows: Vec<usize> = (0..objective.rows()).collect();
    let step = Step { divisor: objective.divisor(&rows), seed: 1 };
    let mut gradients = Gradients::zeros(engine);
    let mut sums = vec![0.0; objective.width()];
    for piece in rows.chunks(rows_at_once) {
        let more = objective.learn(engine, piece, step, &mut gradients);
        sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
    }
    (sums, gradients)
}

fn loss(engine: &Engine, objective: &dyn Objective) -> f64 {
    let rows: Vec<usize> = (0..objective.rows()).collect();
    objective.report(&objective.measure(engine, &rows))[0].1
}

/// Moves some entries of each parameter and compares how the loss follows.
#[track_caller]
fn check_by_differences(engine: &Engine, objective: &dyn Objective) {
    let (_, gradients) = gradient(engine, objective, 8);
    let step = 1e-5;
    for ((name, parameter), gradient) in engine.parameters().iter().zip(gradients.tensors()) {
        let flat = parameter.detach().view([-1]);
        let gradient = gradient.view([-1]);
        let count = flat.numel() as i64;
        let largest_at = gradient.abs().argmax(0, false).int64_value(&[]);
        for at in [0, count / 3, count - 1, largest_at] {
            let value = flat.double_value(&[at]);
            let at_value = |value: f64| {
                let _ = flat.get(at).fill_(value);
                loss(engine, objective)
            };
            let slope = (at_value(value + step) - at_value(value - step)) / (2.0 * step);
            at_value(value);
            let found = gradient.double_value(&[at]);
            assert!(
                (slope - found).abs() < 1e-8 + 1e-6 * slope.abs(),
                "{name}[{at}]: {slope} by differences, {found}"
            );
        }
    }
}

#[test]
fn in_fp64_every_gradient_is_that_of_finite_differences() {
    for tied in [true, false] {
        for checkpointing in [true, false] {
            let whole = engine(tied, Trained::Weights, Kind::Double, checkpointing);
            let dpo = with_reference(dpo(pairs(&[(9, 7), (12, 14)]), SIGMOID));
            check_by_differences(&whole, &dpo);
            check_by_differences(&whole, &sft(Mean::Tokens));
        }
    }
    let whole = engine(true, Trained::Weights, Kind::Double, false);
    let ipo = Loss { form: Form::Ipo, sft: 0.5, ..SIGMOID };
    check_by_differences(&whole, &with_reference(dpo(pairs(&[(9, 7), (12, 14)]), ipo)));
    check_by_differences(&whole, &sft(Mean::Sequences));
}

#[track_caller]
fn assert_same_gradients(what: &str, one: &Gradients, other: &Gradients, off_max: f64) {
    for (one, other) in one.tensors().iter().zip(other.tensors()) {
        let off = largest(&(one - other)) / (largest(one) + 1e-12);
        assert!(off <= off_max, "{what}: {off:.2e}");
    }
    assert!(
        one.tensors().iter().any(|one| largest(one) > 1e-6),
        "{what}: there is something to compare"
    );
}

#[test]
fn layers_that_are_run_again_give_the_same_bits() {
    for trained in [Trained::Adapters, Trained::Weights] {
        let dpo = with_reference(dpo(pairs(&[(9, 7), (12, 14)]), SIGMOID));
        let [(_, plain), (_, again)] = [false, true].map(|checkpointing| {
            gradient(&engine(false, trained, Kind::Float, checkpointing), &dpo, 8)
        });
        assert_same_gradients("checkpointing", &plain, &again, 0.0);
    }
}

#[test]
fn pieces_and_packing_change_gradients_by_rounding_alone() {
    let pairs = pairs(&[(9, 7), (12, 14), (5, 30), (21, 6), (8, 8), (8, 8), (17, 11), (6, 5)]);
    let dpo = dpo(pairs, SIGMOID);
    let engine = engine(true, Trained::Adapters, Kind::Float, false);
    let (sums, at_once) = gradient(&engine, &dpo, 8);
    for rows in [1, 3] {
        let (other, pieces) = gradient(&engine, &dpo, rows);
        assert_same_gradients("accumulated", &at_once, &pieces, 1e-5);
        for (one, other) in sums.iter().zip(other) {
            assert!((one - other).abs() < 1e-4, "{sums:?}");
        }
    }
}

#[test]
fn a_policy_that_is_its_reference_loses_ln_2_whatever_counts() {
    let engine = engine(true, Trained::Adapters, Kind::Float, false);
    let sigmoid = Loss { form: Form::Sigmoid { smoothing: 0.0 }, ..SIGMOID };
    let mut dpo = dpo(pairs(&[(9, 7), (12, 14)]), sigmoid);
    // The policy as it is, adapters and all.
    dpo.reference = Some(dpo.sums(&engine, &[0, 1], salv::model::Pass::Policy));
    let (sums, gradients) = gradient(&engine, &dpo, 8);
    let report = dpo.report(&sums);
    let value = |wanted: &str| report.iter().find(|(name, _)| *name == wanted).expect(wanted).1;
    assert!((value("loss") - 2f64.ln()).abs() < 1e-9, "{report:?}");
    assert!(value("rewards/margins").abs() < 1e-9 && value("rewards/accuracies") == 0.0);
    assert!(gradients.tensors().iter().any(|gradient| largest(gradient) > 1e-6));
}

#[test]
fn where_nothing_counts_there_is_no_gradient() {
    let engine = engine(false, Trained::Adapters, Kind::Float, true);
    let nothing = |key: u32| sequence(key, 3, 11, |_| 0.0);
    let dpo = dpo(vec![Pairing { chosen: nothing(1), rejected: nothing(2) }], SIGMOID);
    let (_, gradients) = gradient(&engine, &dpo, 8);
    assert!(gradients.tensors().iter().all(|gradient| largest(gradient) == 0.0));
}

#[test]
fn a_full_mask_is_plain_dpo() {
    // Plain DPO, by autograd over the logits of every position.
    let engine = engine(true, Trained::Adapters, Kind::Float, false);
    let pair =
        Pairing { chosen: sequence(1, 3, 12, |_| 1.0), rejected: sequence(2, 3, 9, |_| 1.0) };
    let log_probability = |sequence: &Sequence, pass: salv::model::Pass| {
        let ids: Vec<i64> = sequence.ids.iter().map(|id| i64::from(*id)).collect();
        let ids = Tensor::from_slice(&ids).unsqueeze(0);
        let logps = engine.model().logits(&ids, pass).log_softmax(-1, None).squeeze_dim(0);
        let count = sequence.ids.len() - sequence.prompt;
        let labels = ids.squeeze_dim(0).narrow(0, sequence.prompt as i64, count as i64);
        let rows = logps.narrow(0, sequence.prompt as i64 - 1, count as i64);
        rows.gather(-1, &labels.unsqueeze(-1), false).sum(Kind::Float)
    };
    let ratio = |sequence: &Sequence| {
        let reference = tch::no_grad(|| log_probability(sequence, salv::model::Pass::Reference));
        log_probability(sequence, salv::model::Pass::Policy) - reference
    };
    let margin = (ratio(&pair.chosen) - ratio(&pair.rejected)) * SIGMOID.beta;
    let plain = -margin.log_sigmoid() * 0.9 - (-margin).log_sigmoid() * 0.1;
    let leaves: Vec<&Tensor> = engine.parameters().iter().map(|(_, tensor)| tensor).collect();
    let expected = Tensor::run_backward(&[&plain], &leaves, false, false);
    let dpo = dpo(vec![pair], SIGMOID);
    let (sums, found) = gradient(&engine, &dpo, 8);
    assert!((dpo.report(&sums)[0].1 - plain.double_value(&[])).abs() < 1e-5);
    for (found, expected) in found.tensors().iter().zip(expected) {
        assert!(largest(&(found - &expected)) < 1e-5 * (1.0 + largest(&expected)));
    }
}
