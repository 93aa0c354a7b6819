//! Rotary positions: the table of cosines and sines by position, computed in fp32 in the order in which
//! transformers computes it, and then brought to the model's precision.

use std::f64::consts::PI;

use tch::{Device, Kind, Tensor};

use super::config::{Config, RopeScaling};

/// Cosines and sines, each `[positions, 1, head_dim]`.
#[derive(Debug)]
pub struct Rope {
    cos: Tensor,
    sin: Tensor,
}

impl Rope {
    /// Makes the tables for given positions, a vector of fp32.
    pub fn at(config: &Config, positions: &Tensor, kind: Kind) -> Rope {
        let (frequencies, factor) = frequencies(config);
        let angles = positions.unsqueeze(-1) * frequencies.to(positions.device()).unsqueeze(0);
        let angles = Tensor::cat(&[&angles, &angles], -1).unsqueeze(1);
        Rope {
            cos: (angles.cos() * factor).to_kind(kind),
            sin: (angles.sin() * factor).to_kind(kind),
        }
    }

    /// The tables for some of its positions.
    pub fn rows(&self, at: &Tensor) -> Rope {
        Rope { cos: self.cos.index_select(0, at), sin: self.sin.index_select(0, at) }
    }

    /// Turns queries or keys, `[positions, heads, head_dim]`.
    pub fn turn(&self, x: &Tensor) -> Tensor {
        let halves = x.chunk(2, -1);
        let turned = Tensor::cat(&[&halves[1].neg(), &halves[0]], -1);
        x * &self.cos + turned * &self.sin
    }
}

/// Angles per position, `[head_dim / 2]`, and the factor of the tables.
fn frequencies(config: &Config) -> (Tensor, f64) {
    let half = config.head_dim / 2;
    let exponents = Tensor::arange(half, (Kind::Float, Device::Cpu)) * 2.0 / config.head_dim as f64;
    let wavelengths = Tensor::pow_scalar(config.rope_theta, &exponents);
    let plain = wavelengths.reciprocal();
    match &config.rope_scaling {
        RopeScaling::Default => (plain, 1.0),
        RopeScaling::Linear { factor } => (plain / *factor, 1.0),
        RopeScaling::Yarn { factor, attention_factor, .. } => {
            let kept = kept_by_yarn(config, half);
            let interpolated = (wavelengths * *factor).reciprocal();
            let mixed = interpolated * (kept.neg() + 1.0) + plain * kept;
            (mixed, *attention_factor)
        }
        RopeScaling::Llama3 { factor, original, low, high } => {
            let length = plain.reciprocal() * (2.0 * PI);
            let divided = plain.where_self(&length.le(original / low), &(&plain / *factor));
            let smooth = (length.reciprocal() * *original - *low) / (high - low);
            let between = (smooth.neg() + 1.0) * &divided / *factor + smooth * &divided;
            let is_between = length.ge(original / high).logical_and(&length.le(original / low));
            (between.where_self(&is_between, &divided), 1.0)
        }
    }
}

/// For each frequency, how much of it YaRN keeps: 1 for those that turn often within the original context.
fn kept_by_yarn(config: &Config, half: i64) -> Tensor {
    let RopeScaling::Yarn { original, beta_fast, beta_slow, truncate, .. } = config.rope_scaling
    else {
        return Tensor::ones([half], (Kind::Float, Device::Cpu));
    };
    let dim = config.head_dim as f64;
    let at = |rotations: f64| {
        dim * (original / (rotations * 2.0 * PI)).ln() / (2.0 * config.rope_theta.ln())
    };
    let (low, high) = match truncate {
        true => (at(beta_fast).floor(), at(beta_slow).ceil()),
        false => (at(beta_fast), at(beta_slow)),
    };
    let (low, high) = (low.max(0.0), high.min(dim - 1.0));
    let high = if low == high { high + 0.001 } else { high };
    let ramp = (Tensor::arange(half, (Kind::Float, Device::Cpu)) - low) / (high - low);
    ramp.clamp(0.0, 1.0).neg() + 1.0
}
