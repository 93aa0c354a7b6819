//! Log-probabilities of tokens, and the losses made of their weighted sums.
//!
//! The head makes of each position as many logits as there are tokens, 152,000 for Qwen2.5: of a pair of two
//! times 2,048 positions 2.5 GB in fp32, several times over in plain autograd. So positions go through the
//! head in pieces ([`score`]), and the gradient with respect to the hidden states is made on the spot: for
//! `sum(w * logp)` it is `w * (onehot - softmax) W`, of the piece that is there anyway.
//!
//! That is possible before the loss is known, because all losses here depend on each sequence by its weighted
//! sum alone: their derivative with respect to a token's log-probability is the token's weight times one
//! number for the sequence, which [`Dpo::of`] gives and the caller multiplies by. They are arithmetic on a few
//! numbers, done in fp64.

use tch::{Kind, Tensor};

/// How many positions go through the head at once: 152,000 logits in fp32 of as many are 156 MB.
pub const POSITIONS: i64 = 256;

/// What the head says of a row of positions.
#[derive(Debug)]
pub struct Scored {
    /// The label's log-probability at each position, fp32.
    pub logps: Tensor,
    /// Gradient of the weighted sum of `logps` with respect to the hidden states, in their precision.
    pub gradient: Option<Tensor>,
}

/// Gives the log-probability of each position's label, and with `weights` the gradient of the weighted sum.
///
/// `head` is `[vocabulary, width]`, `hidden` `[positions, width]`, `labels` and `weights` `[positions]`;
/// `positions` of them go through at once. A position of weight zero has a gradient of exactly zero.
pub fn score(
    head: &Tensor,
    hidden: &Tensor,
    labels: &Tensor,
    weights: Option<&Tensor>,
    positions: i64,
) -> Scored {
    score_and_train(head, hidden, labels, weights, positions, None)
}

/// The same, and adds to `head_gradient` (`[vocabulary, width]`, fp32 or fp64) that of the weighted sum with respect
/// to the head.
pub fn score_and_train(
    head: &Tensor,
    hidden: &Tensor,
    labels: &Tensor,
    weights: Option<&Tensor>,
    positions: i64,
    mut head_gradient: Option<&mut Tensor>,
) -> Scored {
    let _guard = tch::no_grad_guard();
    let wide = if hidden.kind() == Kind::Double { Kind::Double } else { Kind::Float };
    let rows = hidden.size()[0];
    let logps = Tensor::empty([rows], (wide, hidden.device()));
    let gradient = weights.map(|_| hidden.zeros_like());
    for start in (0..rows).step_by(positions as usize) {
        let count = positions.min(rows - start);
        let piece = |tensor: &Tensor| tensor.narrow(0, start, count);
        let labels = piece(labels).unsqueeze(-1);
        let logits = piece(hidden).linear(head, None::<&Tensor>).to_kind(wide);
        let total = logits.logsumexp([-1i64], true);
        let chosen = logits.gather(-1, &labels, false) - &total;
        piece(&logps).copy_(&chosen.squeeze_dim(-1));
        let Some((weights, gradient)) = weights.zip(gradient.as_ref()) else { continue };
        let weights = piece(weights).to_kind(wide).unsqueeze(-1);
        if weights.count_nonzero(None::<i64>).int64_value(&[]) > 0 {
            // In place: the logits become what the gradient needs of them.
            let mut slope = logits;
            let _ = slope.subtract_(&total).exp_().multiply_(&weights.neg());
            let _ = slope.scatter_add_(-1, &labels, &weights);
            if let Some(sum) = head_gradient.as_deref_mut() {
                let _ = sum.addmm_(&slope.tr(), &piece(hidden).to_kind(wide));
            }
            piece(gradient).copy_(&slope.to_kind(head.kind()).matmul(head));
        }
    }
    Scored { logps, gradient }
}

/// A preference loss on pairs of weighted sums of log-probabilities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dpo {
    /// How strongly the reference holds the policy.
    pub beta: f64,
    /// The form of the loss.
    pub form: Form,
    /// Weight of the negative log-likelihood of the chosen tokens, by the sum of their weights.
    pub sft: f64,
}

/// The form of a preference loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form {
    /// `-log sigmoid(beta * margin)`; labels are thought to be wrong with probability `smoothing`.
    Sigmoid {
        /// Between 0 and 1/2.
        smoothing: f64,
    },
    /// `(margin - 1 / (2 beta))^2` of the means by weight. TRL divides by the number of tokens, which is the
    /// same where all weights are 1.
    Ipo,
}

/// Sums of log-probabilities of a sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sums {
    /// Of the tokens that count, by weight.
    pub counted: f64,
    /// Of the completion's other tokens.
    pub rest: f64,
}

/// Sums log-probabilities for each sequence; `weights` has one number for each of them, and `counts` says how many
/// belong to each sequence.
pub fn sums(logps: &Tensor, weights: &[f32], counts: &[usize]) -> Vec<Sums> {
    let logps = logps.to_kind(Kind::Double).to_device(tch::Device::Cpu);
    let logps: Vec<f64> = Vec::try_from(logps).expect("one number for each position");
    let mut at = 0;
    let of_sequence = |count: &usize| {
        let own = at..at + count;
        at = own.end;
        let mut sums = Sums::default();
        for (logp, weight) in logps[own.clone()].iter().zip(&weights[own]) {
            match *weight {
                0.0 => sums.rest += logp,
                weight => sums.counted += f64::from(weight) * logp,
            }
        }
        sums
    };
    counts.iter().map(of_sequence).collect()
}

/// One side of a pair.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Side {
    /// Weighted sum of the policy's log-probabilities.
    pub policy: f64,
    /// The same of the reference's.
    pub reference: f64,
    /// Sum of the weights.
    pub weight: f64,
}

/// The loss of a pair and its derivatives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Loss {
    /// The loss.
    pub loss: f64,
    /// `beta` times how much likelier the policy finds the chosen tokens than the reference does.
    pub chosen_reward: f64,
    /// The same of the rejected tokens.
    pub rejected_reward: f64,
    /// Derivative with respect to the policy's weighted sum of the chosen tokens.
    pub chosen_slope: f64,
    /// The same of the rejected tokens.
    pub rejected_slope: f64,
}

impl Side {
    fn ratio(&self) -> f64 {
        self.policy - self.reference
    }

    /// What a mean by weight divides by; an empty side is zero however it is divided.
    fn divisor(&self) -> f64 {
        if self.weight > 0.0 { self.weight } else { 1.0 }
    }
}

impl Dpo {
    /// Gives the loss of a pair.
    pub fn of(&self, chosen: Side, rejected: Side) -> Loss {
        let (loss, chosen_slope, rejected_slope) = match self.form {
            Form::Sigmoid { smoothing } => {
                let margin = self.beta * (chosen.ratio() - rejected.ratio());
                let loss = (1.0 - smoothing) * softplus(-margin) + smoothing * softplus(margin);
                let slope = smoothing * sigmoid(margin) - (1.0 - smoothing) * sigmoid(-margin);
                (loss, self.beta * slope, -self.beta * slope)
            }
            Form::Ipo => {
                let (one, other) = (chosen.divisor(), rejected.divisor());
                let margin = chosen.ratio() / one - rejected.ratio() / other;
                let off = margin - 1.0 / (2.0 * self.beta);
                (off * off, 2.0 * off / one, -2.0 * off / other)
            }
        };
        Loss {
            loss: loss - self.sft * chosen.policy / chosen.divisor(),
            chosen_reward: self.beta * chosen.ratio(),
            rejected_reward: self.beta * rejected.ratio(),
            chosen_slope: chosen_slope - self.sft / chosen.divisor(),
            rejected_slope,
        }
    }
}

fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 { 1.0 / (1.0 + (-x).exp()) } else { x.exp() / (1.0 + x.exp()) }
}

/// `log(1 + exp(x))`, which is `-log sigmoid(-x)`.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMS: [Form; 3] =
        [Form::Sigmoid { smoothing: 0.0 }, Form::Sigmoid { smoothing: 0.3 }, Form::Ipo];

    fn side(policy: f64, reference: f64, weight: f64) -> Side {
        Side { policy, reference, weight }
    }

    #[test]
    fn a_policy_that_is_its_reference_loses_ln_2() {
        for smoothing in [0.0, 0.1, 0.5] {
            let dpo = Dpo { beta: 0.1, form: Form::Sigmoid { smoothing }, sft: 0.0 };
            let loss = dpo.of(side(-9.0, -9.0, 3.0), side(-700.0, -700.0, 40.0));
            assert!((loss.loss - 2f64.ln()).abs() < 1e-15, "{loss:?}");
            assert_eq!((loss.chosen_reward, loss.rejected_reward), (0.0, 0.0));
        }
    }

    #[test]
    fn slopes_are_the_finite_differences_of_the_loss() {
        let (chosen, rejected, step) = (side(-3.0, -3.5, 2.5), side(-8.0, -6.0, 4.0), 1e-5);
        for (form, sft) in FORMS.into_iter().flat_map(|form| [(form, 0.0), (form, 0.7)]) {
            let dpo = Dpo { beta: 0.4, form, sft };
            let loss = dpo.of(chosen, rejected);
            let at = |chosen_by: f64, rejected_by: f64| {
                let moved = |by: f64, side: Side| Side { policy: side.policy + by, ..side };
                dpo.of(moved(chosen_by, chosen), moved(rejected_by, rejected)).loss
            };
            let chosen_slope = (at(step, 0.0) - at(-step, 0.0)) / (2.0 * step);
            let rejected_slope = (at(0.0, step) - at(0.0, -step)) / (2.0 * step);
            assert!((chosen_slope - loss.chosen_slope).abs() < 1e-8, "{dpo:?}");
            assert!((rejected_slope - loss.rejected_slope).abs() < 1e-8, "{dpo:?}");
        }
    }

    #[test]
    fn margins_beyond_the_range_of_exp_are_finite() {
        for margin in [-1e4, 1e4] {
            let dpo = Dpo { beta: 1.0, form: FORMS[0], sft: 0.0 };
            let loss = dpo.of(side(margin, 0.0, 1.0), side(0.0, 0.0, 1.0));
            assert_eq!(loss.loss, if margin < 0.0 { 1e4 } else { 0.0 });
            assert!(loss.chosen_slope.is_finite());
        }
    }
}
