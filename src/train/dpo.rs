//! Direct preference optimisation on the tokens that count: the signal-masked loss.
//!
//! The whole of both completions is read, and the loss sees each by the sum of its log-probabilities over the tokens
//! of the contrasted signals, under the policy and under the reference:
//!
//! `-log sigmoid(beta * ((policy - reference)(chosen) - (policy - reference)(rejected)))`
//!
//! The reference is the model without its adapter, run beside the policy, or numbers that were computed before.

use tch::{Device, Tensor};

use super::batch::{Batch, Pairing, Sequence};
use super::engine::{Engine, Forward, Gradients};
use super::loss::{Dpo as DpoLoss, Loss, POSITIONS, Side, Sums, score, score_and_train, sums};
use super::run::{Objective, Step};
use crate::model::{Pass, Qwen2};

/// Pairs to be learnt from.
#[derive(Debug)]
pub struct Dpo {
    /// The pairs.
    pub pairs: Vec<Pairing>,
    /// The line of each in its file.
    pub lines: Vec<usize>,
    /// The loss.
    pub loss: DpoLoss,
    /// What the reference says of the chosen and the rejected one of each pair; none if that is computed in each
    /// step with the adapter off.
    pub reference: Option<Vec<[Sums; 2]>>,
}

// What is summed over pairs.
const PAIRS: usize = 0;
const LOSS: usize = 1;
const REWARDS: [usize; 2] = [2, 3];
const ACCURATE: usize = 4;
const LOGPS: [usize; 2] = [5, 6];
const REST: [usize; 2] = [7, 8];
const COUNTED: [usize; 2] = [9, 10];
const COMPLETION: [usize; 2] = [11, 12];
const TOKENS: usize = 13;

impl Dpo {
    /// The chosen sequences of some pairs, then the rejected ones.
    fn batch(&self, rows: &[usize], device: Device) -> Batch {
        let pairs = || rows.iter().map(|row| &self.pairs[*row]);
        let sequences: Vec<&Sequence> =
            pairs().map(|pair| &pair.chosen).chain(pairs().map(|pair| &pair.rejected)).collect();
        Batch::new(&sequences, device)
    }

    fn reference(&self, engine: &Engine, rows: &[usize], batch: &Batch) -> Vec<Sums> {
        match &self.reference {
            Some(known) => [0, 1]
                .into_iter()
                .flat_map(|side| rows.iter().map(move |row| known[*row][side]))
                .collect(),
            None => {
                let forward = engine.measure(batch, Pass::Reference);
                sums(&logps(engine.model(), &forward, batch), &batch.weights, &batch.counts)
            }
        }
    }

    /// What a model says of all sequences of some pairs: `[chosen, rejected]` of each.
    pub fn sums(&self, engine: &Engine, rows: &[usize], pass: Pass) -> Vec<[Sums; 2]> {
        let batch = self.batch(rows, engine.model().options().1);
        let forward = engine.measure(&batch, pass);
        let sums = sums(&logps(engine.model(), &forward, &batch), &batch.weights, &batch.counts);
        let (chosen, rejected) = sums.split_at(rows.len());
        chosen.iter().zip(rejected).map(|(chosen, rejected)| [*chosen, *rejected]).collect()
    }

    fn losses(&self, rows: &[usize], policy: &[Sums], reference: &[Sums]) -> Vec<Loss> {
        let side = |at: usize, sequence: &Sequence| Side {
            policy: policy[at].counted,
            reference: reference[at].counted,
            weight: sequence.weight(),
        };
        let pairs = rows.iter().map(|row| &self.pairs[*row]).enumerate();
        pairs
            .map(|(at, pair)| {
                self.loss.of(side(at, &pair.chosen), side(rows.len() + at, &pair.rejected))
            })
            .collect()
    }

    fn tally(&self, rows: &[usize], policy: &[Sums], losses: &[Loss]) -> Vec<f64> {
        let mut tally = vec![0.0; self.width()];
        for (at, (row, loss)) in rows.iter().zip(losses).enumerate() {
            tally[PAIRS] += 1.0;
            tally[LOSS] += loss.loss;
            tally[REWARDS[0]] += loss.chosen_reward;
            tally[REWARDS[1]] += loss.rejected_reward;
            tally[ACCURATE] += f64::from(loss.chosen_reward > loss.rejected_reward);
            let Pairing { chosen, rejected } = &self.pairs[*row];
            for (side, sequence) in [chosen, rejected].into_iter().enumerate() {
                let sums = policy[side * rows.len() + at];
                tally[LOGPS[side]] += sums.counted;
                tally[REST[side]] += sums.rest;
                let counted = sequence.weights.iter().filter(|weight| **weight > 0.0).count();
                tally[COUNTED[side]] += counted as f64;
                tally[COMPLETION[side]] += (sequence.ids.len() - sequence.prompt) as f64;
                tally[TOKENS] += sequence.ids.len() as f64;
            }
        }
        tally
    }
}

impl Objective for Dpo {
    fn rows(&self) -> usize {
        self.pairs.len()
    }

    fn line(&self, row: usize) -> usize {
        self.lines[row]
    }

    fn tokens(&self, row: usize) -> usize {
        self.pairs[row].chosen.ids.len() + self.pairs[row].rejected.ids.len()
    }

    fn width(&self) -> usize {
        TOKENS + 1
    }

    fn divisor(&self, rows: &[usize]) -> f64 {
        rows.len() as f64
    }

    fn learn(
        &self,
        engine: &Engine,
        rows: &[usize],
        step: Step,
        gradients: &mut Gradients,
    ) -> Vec<f64> {
        let device = engine.model().options().1;
        let batch = self.batch(rows, device);
        let reference = self.reference(engine, rows, &batch);
        let forward = engine.forward(&batch, Pass::Training { seed: step.seed });
        let (head, hidden) = (engine.model().head(), &forward.hidden);
        // Where the head is fixed, one walk over the logits gives the gradient of the sum, and the loss says
        // afterwards how much of it. The head's own gradient needs to know that before.
        let weights = Tensor::from_slice(&batch.weights).to_device(device);
        let head_parameter = engine.head_parameter();
        let first = head_parameter.is_none().then_some(&weights);
        let scored = score(head, hidden, &batch.labels, first, POSITIONS);
        let policy = sums(&scored.logps, &batch.weights, &batch.counts);
        let losses = self.losses(rows, &policy, &reference);
        let of_chosen = losses.iter().map(|loss| loss.chosen_slope);
        let of_rejected = losses.iter().map(|loss| loss.rejected_slope);
        let slopes: Vec<f64> = of_chosen
            .chain(of_rejected)
            .zip(&batch.counts)
            .flat_map(|(slope, count)| std::iter::repeat_n(slope / step.divisor, *count))
            .collect();
        let slopes = Tensor::from_slice(&slopes).to_device(device);
        let gradient = match (scored.gradient, head_parameter) {
            (Some(gradient), _) => {
                let slopes = slopes.to_kind(gradient.kind()).unsqueeze(-1);
                Some(gradient * slopes)
            }
            (None, at) => {
                let sum = at.map(|at| &mut gradients.tensors_mut()[at]);
                let weights = Some(weights * slopes);
                score_and_train(head, hidden, &batch.labels, weights.as_ref(), POSITIONS, sum)
                    .gradient
            }
        };
        if let Some(gradient) = gradient {
            engine.backward(forward, &batch, &gradient, gradients);
        }
        self.tally(rows, &policy, &losses)
    }

    fn measure(&self, engine: &Engine, rows: &[usize]) -> Vec<f64> {
        let batch = self.batch(rows, engine.model().options().1);
        let reference = self.reference(engine, rows, &batch);
        let forward = engine.measure(&batch, Pass::Policy);
        let policy = sums(&logps(engine.model(), &forward, &batch), &batch.weights, &batch.counts);
        let losses = self.losses(rows, &policy, &reference);
        self.tally(rows, &policy, &losses)
    }

    fn report(&self, sums: &[f64]) -> Vec<(&'static str, f64)> {
        let mean = |at: usize| sums[at] / sums[PAIRS];
        vec![
            ("loss", mean(LOSS)),
            ("rewards/chosen", mean(REWARDS[0])),
            ("rewards/rejected", mean(REWARDS[1])),
            ("rewards/margins", mean(REWARDS[0]) - mean(REWARDS[1])),
            ("rewards/accuracies", mean(ACCURATE)),
            ("logps/chosen", mean(LOGPS[0])),
            ("logps/rejected", mean(LOGPS[1])),
            ("logps/chosen_rest", mean(REST[0])),
            ("logps/rejected_rest", mean(REST[1])),
            ("mask/chosen", sums[COUNTED[0]] / sums[COMPLETION[0]]),
            ("mask/rejected", sums[COUNTED[1]] / sums[COMPLETION[1]]),
            ("tokens", sums[TOKENS]),
        ]
    }
}

fn logps(model: &Qwen2, forward: &Forward, batch: &Batch) -> Tensor {
    score(model.head(), &forward.hidden, &batch.labels, None, POSITIONS).logps
}
