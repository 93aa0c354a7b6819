//! What must hold whatever the numbers are.

use salv::model::{Pass, Qwen2};
use salv::train::loss::score;
use tch::{Device, Kind, Tensor};

use super::{fixtures, largest, one_thread};

const POSITIONS: i64 = 13;
const WIDTH: i64 = 6;
const TOKENS: i64 = 31;

/// Head, hidden states, labels and weights, of which every third is zero.
fn drawn(kind: Kind) -> (Tensor, Tensor, Tensor, Tensor) {
    one_thread();
    let values = |rows: i64, seed: i64| {
        // No global generator: other tests draw from it at the same time.
        let at = Tensor::arange(rows * WIDTH, (Kind::Double, Device::Cpu)) + seed;
        (at * 12.9898).sin().view([rows, WIDTH]).to_kind(kind)
    };
    let labels = Tensor::arange(POSITIONS, (Kind::Int64, Device::Cpu)) * 7;
    let labels = labels.remainder(TOKENS);
    let at = Tensor::arange(POSITIONS, (Kind::Double, Device::Cpu));
    let is_counted = Tensor::arange(POSITIONS, (Kind::Int64, Device::Cpu)).remainder(3).ne(0);
    let weights = (at * 0.37).cos() * is_counted.to_kind(Kind::Double);
    (values(TOKENS, 1), values(POSITIONS, 500), labels, weights.to_kind(kind))
}

#[test]
fn pieces_of_any_size_give_the_same() {
    let (head, hidden, labels, weights) = drawn(Kind::Double);
    let whole = score(&head, &hidden, &labels, Some(&weights), POSITIONS);
    let expected = hidden.linear(&head, None::<&Tensor>).log_softmax(-1, None);
    let expected = expected.gather(-1, &labels.unsqueeze(-1), false).squeeze_dim(-1);
    assert!(largest(&(&whole.logps - expected)) < 1e-12);
    for positions in [1, 4, 12, 100] {
        let pieces = score(&head, &hidden, &labels, Some(&weights), positions);
        assert!(largest(&(&pieces.logps - &whole.logps)) < 1e-12);
        let gradients =
            pieces.gradient.expect("a gradient") - whole.gradient.as_ref().expect("one");
        assert!(largest(&gradients) < 1e-12);
    }
    assert!(score(&head, &hidden, &labels, None, 4).gradient.is_none());
}

#[test]
fn the_gradient_is_that_of_finite_differences_and_of_autograd() {
    let (head, hidden, labels, weights) = drawn(Kind::Double);
    let gradient = score(&head, &hidden, &labels, Some(&weights), 5).gradient.expect("a gradient");
    let sum = |hidden: &Tensor| {
        let logps = score(&head, hidden, &labels, None, 5).logps;
        (logps * &weights).sum(Kind::Double).double_value(&[])
    };
    let step = 1e-6;
    for (row, column) in (0..POSITIONS).flat_map(|row| (0..WIDTH).map(move |column| (row, column)))
    {
        let moved = |by: f64| {
            let moved = hidden.copy();
            let _ = moved.get(row).get(column).g_add_scalar_(by);
            sum(&moved)
        };
        let slope = (moved(step) - moved(-step)) / (2.0 * step);
        let found = gradient.double_value(&[row, column]);
        assert!((slope - found).abs() < 1e-7, "{row} {column}: {slope} {found}");
    }
    let leaf = hidden.copy().set_requires_grad(true);
    let logps = leaf.linear(&head, None::<&Tensor>).log_softmax(-1, None);
    let chosen = logps.gather(-1, &labels.unsqueeze(-1), false).squeeze_dim(-1);
    (chosen * &weights).sum(Kind::Double).backward();
    assert!(largest(&(leaf.grad() - gradient)) < 1e-12);
}

#[test]
fn positions_without_weight_have_a_gradient_of_exactly_zero() {
    let (head, hidden, labels, weights) = drawn(Kind::Float);
    let gradient = score(&head, &hidden, &labels, Some(&weights), 4).gradient.expect("a gradient");
    for row in 0..POSITIONS {
        let is_zero = weights.double_value(&[row]) == 0.0;
        assert_eq!(largest(&gradient.get(row)) == 0.0, is_zero, "{row}");
    }
    let none = score(&head, &hidden, &labels, Some(&weights.zeros_like()), 4);
    assert_eq!(largest(&none.gradient.expect("a gradient")), 0.0);
}

#[test]
fn tokens_after_the_last_one_that_counts_change_nothing() {
    one_thread();
    let model =
        Qwen2::load(&fixtures().join("untied-gqa"), (Kind::Float, Device::Cpu)).expect("a model");
    let ids = |last: [i64; 3]| {
        let common = [3, 14, 15, 9, 26, 5, 35, 8];
        Tensor::from_slice(&[&common[..], &last].concat()).unsqueeze(0)
    };
    let seen = |ids: &Tensor| model.hidden(ids, Pass::Policy).narrow(1, 0, 8);
    let difference = seen(&ids([1, 2, 3])) - seen(&ids([63, 0, 40]));
    assert_eq!(largest(&difference), 0.0);
}
