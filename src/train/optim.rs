//! AdamW as PyTorch has it: gradients in, parameters moved in place.
//!
//! The arithmetic is LibTorch's fused kernel, one pass over a parameter's four tensors, which the CPU and CUDA
//! both have. Parameters of 8 or 11 bits of mantissa would lose most steps to rounding: of those an fp32
//! master is kept, the step is made on it, and the parameter is its rounding.
//!
//! The state is one file of tensors by PyTorch's names, so that a run that was stopped goes on bit for bit.

use std::path::Path;

use tch::{Kind, Tensor};

use super::Error;
use super::bridge::{AdamwSettings, fused_adamw};
use crate::model::{self, Shard, write_shard};

/// The settings of an optimizer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// How much of the gradients' mean a step keeps.
    pub beta1: f64,
    /// How much of the squares' mean a step keeps.
    pub beta2: f64,
    /// Added to the root of the squares' mean.
    pub eps: f64,
    /// Share of a parameter that a step at rate 1 takes away, if the parameter [`decays`].
    pub weight_decay: f64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0 }
    }
}

/// Parameters and what AdamW remembers of them.
#[derive(Debug)]
pub struct AdamW {
    settings: Settings,
    parameters: Vec<(String, Tensor)>,
    states: Vec<State>,
    steps: u64,
}

/// What is remembered of a parameter.
#[derive(Debug)]
struct State {
    /// The parameter in fp32, if it has less.
    master: Option<Tensor>,
    /// Running mean of the gradients.
    mean: Tensor,
    /// Running mean of their squares.
    square: Tensor,
}

/// The number of steps in a state's file.
const STEPS: &str = "step";

/// Whether weight decay is for a parameter: for matrices, and not for biases and norms, which transformers'
/// trainer tells by these names.
pub fn decays(name: &str) -> bool {
    let name = name.to_lowercase();
    let is_norm = |part: &str| part == "norm" || part.ends_with("_norm");
    !["bias", "layernorm", "rmsnorm"].iter().any(|word| name.contains(word))
        && !name.split('.').any(is_norm)
}

/// Scales gradients in place so that the norm of all of them together is at most `most`, as PyTorch's
/// `clip_grad_norm_`, and gives the norm before. A gradient that is not finite makes the norm so, and with
/// `most` all gradients: look at the norm before a step.
pub fn clip(gradients: &mut [Tensor], most: Option<f64>) -> f64 {
    let _guard = tch::no_grad_guard();
    if gradients.is_empty() {
        return 0.0;
    }
    let norms: Vec<Tensor> =
        gradients.iter().map(|gradient| gradient.norm().to_kind(Kind::Float)).collect();
    let norm = Tensor::stack(&norms, 0).norm();
    if let Some(most) = most {
        let scale = (most * (&norm + 1e-6).reciprocal()).clamp_max(1.0);
        for gradient in gradients {
            let _ = gradient.multiply_(&scale);
        }
    }
    norm.double_value(&[])
}

impl AdamW {
    /// Starts with moments of zero. The tensors are shared with the model, which sees each step.
    pub fn new(parameters: Vec<(String, Tensor)>, settings: Settings) -> AdamW {
        let _guard = tch::no_grad_guard();
        let state = |(_, parameter): &(String, Tensor)| {
            let is_narrow = matches!(parameter.kind(), Kind::BFloat16 | Kind::Half);
            let master = is_narrow.then(|| parameter.detach().to_kind(Kind::Float));
            let wide = master.as_ref().unwrap_or(parameter);
            State { mean: wide.zeros_like(), square: wide.zeros_like(), master }
        };
        let states = parameters.iter().map(state).collect();
        AdamW { settings, parameters, states, steps: 0 }
    }

    /// The parameters with their names.
    pub fn parameters(&self) -> &[(String, Tensor)] {
        &self.parameters
    }

    /// How many steps were made.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Makes one step at a learning rate. The gradients are in the order of the parameters and of their shapes,
    /// in any precision; one that does not fit is an error before anything is moved. Where LibTorch itself fails,
    /// the state is lost.
    pub fn step(&mut self, gradients: &[Tensor], rate: f64) -> Result<(), Error> {
        assert_eq!(gradients.len(), self.parameters.len(), "a gradient for each parameter");
        let _guard = tch::no_grad_guard();
        let gradients = self.fitting(gradients)?;
        let rows: Vec<[&Tensor; 4]> = (self.parameters.iter().zip(&self.states).zip(&gradients))
            .map(|(((_, parameter), state), gradient)| {
                [state.master.as_ref().unwrap_or(parameter), gradient, &state.mean, &state.square]
            })
            .collect();
        // What one call of the kernel takes.
        let group = |at: usize| {
            let wide = rows[at][0];
            (wide.kind(), wide.device(), decays(&self.parameters[at].0))
        };
        let mut groups: Vec<(_, Vec<[&Tensor; 4]>)> = Vec::new();
        for (at, row) in rows.iter().enumerate() {
            match groups.iter_mut().find(|(of, _)| *of == group(at)) {
                Some((_, rows)) => rows.push(*row),
                None => groups.push((group(at), vec![*row])),
            }
        }
        self.steps += 1;
        for ((_, _, decays), rows) in groups {
            let Settings { beta1, beta2, eps, weight_decay } = self.settings;
            let weight_decay = if decays { weight_decay } else { 0.0 };
            let numbers = AdamwSettings { rate, beta1, beta2, eps, weight_decay };
            fused_adamw(&rows, self.steps as f64, &numbers)?;
        }
        self.round();
        Ok(())
    }

    /// The gradients in the precision of the moments, each found to be one of its parameter.
    fn fitting(&self, gradients: &[Tensor]) -> Result<Vec<Tensor>, Error> {
        let fit =
            |(((name, parameter), state), gradient): ((&(String, Tensor), &State), &Tensor)| {
                let unfit = |message: String| Error::Gradient { name: name.clone(), message };
                if !gradient.defined() {
                    return Err(unfit("no gradient reached it".to_owned()));
                }
                if gradient.size() != parameter.size() {
                    let (found, expected) = (gradient.size(), parameter.size());
                    return Err(unfit(format!("its gradient is {found:?}, it is {expected:?}")));
                }
                Ok(gradient.to_kind(state.mean.kind()).contiguous())
            };
        self.parameters.iter().zip(&self.states).zip(gradients).map(fit).collect()
    }

    /// Makes each narrow parameter the rounding of its master.
    fn round(&mut self) {
        for ((_, parameter), state) in self.parameters.iter_mut().zip(&self.states) {
            if let Some(master) = &state.master {
                parameter.copy_(master);
            }
        }
    }

    /// Writes all but the parameters themselves: the number of steps, moments and masters.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let steps = Tensor::from_slice(&[self.steps as f64]);
        let named = self.parameters.iter().zip(&self.states).flat_map(|((name, _), state)| {
            let tensors = names(name).into_iter().zip(state.tensors());
            tensors.filter_map(|(name, tensor)| Some((name, tensor?)))
        });
        let mut tensors = vec![(STEPS.to_owned(), &steps)];
        tensors.extend(named);
        let views: Vec<(&str, &Tensor)> =
            tensors.iter().map(|(name, tensor)| (name.as_str(), *tensor)).collect();
        Ok(write_shard(path, &views)?)
    }

    /// Goes on from a file that [`AdamW::save`] wrote for the same parameters. Those with a master take its
    /// values; the others are the model's to load. After an error the optimizer is as it was.
    pub fn load(&mut self, path: &Path) -> Result<(), Error> {
        let _guard = tch::no_grad_guard();
        let mut shard = Shard::open(path)?;
        let mut expected = 1;
        let steps = read(&mut shard, STEPS, &[1], Kind::Double)?.double_value(&[0]);
        let mut states = Vec::new();
        for ((name, parameter), state) in self.parameters.iter().zip(&self.states) {
            let kind = state.mean.kind();
            let mut next = |name: &str| -> Result<Tensor, Error> {
                expected += 1;
                let stored = read(&mut shard, name, &parameter.size(), kind)?;
                Ok(stored.to_device(parameter.device()))
            };
            let [mean, square, master] = names(name);
            states.push(State {
                mean: next(&mean)?,
                square: next(&square)?,
                master: state.master.as_ref().map(|_| next(&master)).transpose()?,
            });
        }
        let found = shard.names().count();
        if found != expected {
            return Err(other_run(path, format!("it has {found} tensors, not {expected}")));
        }
        (self.states, self.steps) = (states, steps as u64);
        self.round();
        Ok(())
    }
}

impl State {
    fn tensors(&self) -> [Option<&Tensor>; 3] {
        [Some(&self.mean), Some(&self.square), self.master.as_ref()]
    }
}

/// The names of a parameter's [`State`] in a file.
fn names(parameter: &str) -> [String; 3] {
    ["exp_avg", "exp_avg_sq", "master"].map(|what| format!("{what}.{parameter}"))
}

fn read(shard: &mut Shard, name: &str, shape: &[i64], kind: Kind) -> Result<Tensor, Error> {
    let path = shard.path().to_owned();
    let Some(found) = shard.shape(name) else {
        return Err(other_run(&path, format!("it has no tensor {name}")));
    };
    if found != shape {
        return Err(other_run(&path, format!("tensor {name} is {found:?}, not {shape:?}")));
    }
    if shard.kind(name)? != kind {
        return Err(other_run(&path, format!("tensor {name} is not {kind:?}")));
    }
    Ok(shard.read(name)?)
}

fn other_run(path: &Path, what: String) -> Error {
    let message = format!(
        "{what}: it is not the optimizer's state of this model, adapter and precision; resume with the settings \
         that the run was begun with, or begin anew"
    );
    model::Error::invalid(path, message).into()
}
