//! Supervised fine-tuning: the mean negative log-likelihood of answers.

use tch::Tensor;

use super::batch::{Batch, Sequence};
use super::engine::{Engine, Gradients};
use super::loss::{POSITIONS, score, score_and_train, sums};
use super::run::{Objective, Step};
use crate::model::Pass;

/// What the sum over tokens is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mean {
    /// The tokens of the step: each token counts the same.
    Tokens,
    /// The tokens of the sequence, and the sequences of the step: each answer counts the same.
    Sequences,
}

/// Sequences to be learnt.
#[derive(Debug)]
pub struct Sft {
    /// The sequences.
    pub sequences: Vec<Sequence>,
    /// The line of each in its file.
    pub lines: Vec<usize>,
    /// How they are averaged.
    pub mean: Mean,
}

// What is summed over sequences.
const LOSS: usize = 0;
const DIVISOR: usize = 1;
const COUNTED: usize = 2;
const TOKENS: usize = 3;

impl Sft {
    fn batch(&self, engine: &Engine, rows: &[usize]) -> Batch {
        let sequences: Vec<&Sequence> = rows.iter().map(|row| &self.sequences[*row]).collect();
        Batch::new(&sequences, engine.model().options().1)
    }

    /// What a sequence adds to the divisor.
    fn share(&self, sequence: &Sequence) -> f64 {
        match self.mean {
            Mean::Tokens => sequence.weight(),
            Mean::Sequences => 1.0,
        }
    }

    /// What the log-probabilities of a sequence are multiplied by, before the divisor.
    fn factor(&self, sequence: &Sequence) -> f64 {
        match self.mean {
            Mean::Tokens => 1.0,
            Mean::Sequences => 1.0 / sequence.weight(),
        }
    }

    fn tally(&self, rows: &[usize], logps: &Tensor, batch: &Batch) -> Vec<f64> {
        let mut tally = vec![0.0; self.width()];
        let sums = sums(logps, &batch.weights, &batch.counts);
        for (sums, sequence) in sums.iter().zip(rows.iter().map(|row| &self.sequences[*row])) {
            tally[LOSS] -= self.factor(sequence) * sums.counted;
            tally[DIVISOR] += self.share(sequence);
            tally[COUNTED] +=
                sequence.weights.iter().filter(|weight| **weight > 0.0).count() as f64;
            tally[TOKENS] += sequence.ids.len() as f64;
        }
        tally
    }
}

impl Objective for Sft {
    fn rows(&self) -> usize {
        self.sequences.len()
    }

    fn line(&self, row: usize) -> usize {
        self.lines[row]
    }

    fn tokens(&self, row: usize) -> usize {
        self.sequences[row].ids.len()
    }

    fn width(&self) -> usize {
        4
    }

    fn divisor(&self, rows: &[usize]) -> f64 {
        rows.iter().map(|row| self.share(&self.sequences[*row])).sum()
    }

    fn learn(
        &self,
        engine: &Engine,
        rows: &[usize],
        step: Step,
        gradients: &mut Gradients,
    ) -> Vec<f64> {
        let batch = self.batch(engine, rows);
        let forward = engine.forward(&batch, Pass::Training { seed: step.seed });
        let mut slopes = Vec::with_capacity(batch.weights.len());
        let mut weights = batch.weights.iter();
        for (row, count) in rows.iter().zip(&batch.counts) {
            let factor = -self.factor(&self.sequences[*row]) / step.divisor;
            slopes.extend(weights.by_ref().take(*count).map(|weight| factor * f64::from(*weight)));
        }
        let slopes = Tensor::from_slice(&slopes).to_device(batch.labels.device());
        let (head, hidden) = (engine.model().head(), &forward.hidden);
        let head_gradient = engine.head_parameter().map(|at| &mut gradients.tensors_mut()[at]);
        let scored =
            score_and_train(head, hidden, &batch.labels, Some(&slopes), POSITIONS, head_gradient);
        if let Some(gradient) = &scored.gradient {
            engine.backward(forward, &batch, gradient, gradients);
        }
        self.tally(rows, &scored.logps, &batch)
    }

    fn measure(&self, engine: &Engine, rows: &[usize]) -> Vec<f64> {
        let batch = self.batch(engine, rows);
        let forward = engine.measure(&batch, Pass::Policy);
        let logps =
            score(engine.model().head(), &forward.hidden, &batch.labels, None, POSITIONS).logps;
        self.tally(rows, &logps, &batch)
    }

    fn report(&self, sums: &[f64]) -> Vec<(&'static str, f64)> {
        vec![
            ("loss", sums[LOSS] / sums[DIVISOR]),
            ("tokens", sums[TOKENS]),
            ("mask", sums[COUNTED] / sums[TOKENS]),
        ]
    }
}
