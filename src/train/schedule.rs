//! The learning rate over the steps, as transformers' schedulers have it.

use std::f64::consts::PI;

/// How the rate falls after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decay {
    /// Half a cosine, to 0.
    Cosine,
    /// A straight line, to 0.
    Linear,
    /// It stays.
    Constant,
}

/// The learning rate of each step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// The highest rate.
    pub peak: f64,
    /// Steps in which it rises from 0; the first step of a warm-up has a rate of 0.
    pub warmup: u64,
    /// All steps.
    pub steps: u64,
    /// What follows the warm-up.
    pub decay: Decay,
}

impl Schedule {
    /// A warm-up over a share of the steps, rounded up.
    pub fn new(peak: f64, share: f64, steps: u64, decay: Decay) -> Schedule {
        Schedule { peak, warmup: (share * steps as f64).ceil() as u64, steps, decay }
    }

    /// The rate of a step, counted from 0.
    pub fn rate(&self, step: u64) -> f64 {
        if step < self.warmup {
            return self.peak * step as f64 / self.warmup as f64;
        }
        let all = self.steps.saturating_sub(self.warmup).max(1) as f64;
        let progress = (step - self.warmup) as f64 / all;
        self.peak
            * match self.decay {
                Decay::Cosine => 0.5 * (1.0 + (PI * progress).cos()),
                Decay::Linear => 1.0 - progress,
                Decay::Constant => 1.0,
            }
            .max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(schedule: Schedule, expected: &[f64]) {
        let rates: Vec<f64> = (0..schedule.steps).map(|step| schedule.rate(step)).collect();
        let is_near = |(rate, expected): (&f64, &f64)| (rate - expected).abs() < 1e-12;
        assert!(rates.iter().zip(expected).all(is_near), "{rates:?}");
        assert_eq!(rates.len(), expected.len());
    }

    #[test]
    fn rates_are_those_of_transformers() {
        // get_cosine_schedule_with_warmup and get_linear_schedule_with_warmup of transformers 5.24, by hand.
        let cosine = Schedule::new(2.0, 0.25, 8, Decay::Cosine);
        let half = |share: f64| 1.0 + (PI * share).cos();
        check(
            cosine,
            &[
                0.0,
                1.0,
                2.0,
                half(1.0 / 6.0),
                half(2.0 / 6.0),
                1.0,
                half(4.0 / 6.0),
                half(5.0 / 6.0),
            ],
        );
        check(Schedule::new(4.0, 0.0, 4, Decay::Linear), &[4.0, 3.0, 2.0, 1.0]);
        check(Schedule::new(4.0, 0.26, 4, Decay::Constant), &[0.0, 2.0, 4.0, 4.0]);
        check(Schedule::new(4.0, 1.0, 2, Decay::Cosine), &[0.0, 2.0]);
    }
}
