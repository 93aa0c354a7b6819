//! From a batch to gradients: a forward pass, and a backward pass from the gradient at its end.
//!
//! The head is no part of either ([`super::loss::score`] takes its place), so the passes end at the hidden states of the
//! positions that predict a completion's token: no others are normed or meet the head.
//!
//! With `checkpointing` a forward pass keeps the input of each layer and nothing else, and the backward pass
//! runs each layer again: a third more computation for the memory of one layer. Both give the same bits.

use tch::Tensor;

use super::batch::Batch;
use crate::model::{Packing, Pass, Qwen2, lora};

/// What is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trained {
    /// The matrices of the adapters.
    Adapters,
    /// All weights.
    Weights,
}

/// A model, and those of its tensors that are trained.
#[derive(Debug)]
pub struct Engine {
    model: Qwen2,
    trained: Trained,
    parameters: Vec<(String, Tensor)>,
    /// Which parameters are in each layer.
    in_layer: Vec<Vec<usize>>,
    checkpointing: bool,
}

/// A forward pass.
#[derive(Debug)]
pub struct Forward {
    /// Hidden states after the last norm, `[places, width]`, without a graph.
    pub hidden: Tensor,
    packing: Packing,
    pass: Pass,
    kept: Kept,
}

#[derive(Debug)]
enum Kept {
    Nothing,
    /// The hidden states with their graph.
    Graph(Tensor),
    /// The input of each layer, and the output of the last.
    Inputs(Vec<Tensor>),
}

/// Sums of gradients, one for each parameter.
#[derive(Debug)]
pub struct Gradients(Vec<Tensor>);

impl Engine {
    /// Takes a model for training; what is trained requires gradients from now on, and nothing else.
    pub fn new(model: Qwen2, trained: Trained, checkpointing: bool) -> Engine {
        let parameters = match trained {
            Trained::Adapters => lora::parameters(&model),
            Trained::Weights => model.weights(),
        };
        for (_, parameter) in &parameters {
            let _ = parameter.set_requires_grad(true);
        }
        let is_in = |name: &str, layer: usize| name.contains(&format!("model.layers.{layer}."));
        let in_layer = (0..model.depth())
            .map(|layer| {
                (0..parameters.len()).filter(|at| is_in(&parameters[*at].0, layer)).collect()
            })
            .collect();
        Engine { model, trained, parameters, in_layer, checkpointing }
    }

    /// The model.
    pub fn model(&self) -> &Qwen2 {
        &self.model
    }

    /// What is trained.
    pub fn trained(&self) -> Trained {
        self.trained
    }

    /// The tensors that are trained, by their names in the files.
    pub fn parameters(&self) -> &[(String, Tensor)] {
        &self.parameters
    }

    /// The parameter that is the head, if it is trained: the head itself, or the embedding where it is tied.
    pub fn head_parameter(&self) -> Option<usize> {
        let head = self.model.head().data_ptr();
        let is_head = |(_, tensor): &(String, Tensor)| tensor.data_ptr() == head;
        self.parameters.iter().position(is_head)
    }

    /// Runs the model without keeping what gradients need.
    pub fn measure(&self, batch: &Batch, pass: Pass) -> Forward {
        tch::no_grad(|| {
            let packing = self.model.packing(&batch.lengths);
            let layers = 0..self.model.depth();
            let last = layers.fold(self.model.embed(&batch.ids), |hidden, at| {
                self.model.layer(at, &hidden, &packing, pass)
            });
            let hidden = self.top(&last, batch);
            Forward { hidden, packing, pass, kept: Kept::Nothing }
        })
    }

    /// Runs the model and keeps what [`Engine::backward`] needs.
    pub fn forward(&self, batch: &Batch, pass: Pass) -> Forward {
        let packing = self.model.packing(&batch.lengths);
        if self.checkpointing {
            return tch::no_grad(|| {
                let mut inputs = vec![self.model.embed(&batch.ids)];
                for at in 0..self.model.depth() {
                    let hidden = self.model.layer(at, &inputs[at], &packing, pass);
                    inputs.push(hidden);
                }
                let hidden = self.top(&inputs[inputs.len() - 1], batch);
                Forward { hidden, packing, pass, kept: Kept::Inputs(inputs) }
            });
        }
        let layers = 0..self.model.depth();
        let last = layers.fold(self.model.embed(&batch.ids), |hidden, at| {
            self.model.layer(at, &hidden, &packing, pass)
        });
        let hidden = self.top(&last, batch);
        Forward { hidden: hidden.detach(), packing, pass, kept: Kept::Graph(hidden) }
    }

    /// Adds to `gradients` those of `sum(forward.hidden * slopes)`; `slopes` is `[places, width]`.
    pub fn backward(
        &self,
        forward: Forward,
        batch: &Batch,
        slopes: &Tensor,
        gradients: &mut Gradients,
    ) {
        match forward.kept {
            Kept::Nothing => {}
            Kept::Graph(hidden) => {
                // The head's own gradient does not come this way.
                let is_reached = |at: &usize| self.parameters[*at].0 != "lm_head.weight";
                let reached: Vec<usize> = (0..self.parameters.len()).filter(is_reached).collect();
                self.differentiate(&(hidden * slopes), &reached, None, gradients);
            }
            Kept::Inputs(inputs) => {
                let Forward { packing, pass, .. } = forward;
                self.backward_by_layer(inputs, &packing, pass, batch, slopes, gradients);
            }
        }
    }

    fn backward_by_layer(
        &self,
        mut inputs: Vec<Tensor>,
        packing: &Packing,
        pass: Pass,
        batch: &Batch,
        slopes: &Tensor,
        gradients: &mut Gradients,
    ) {
        let named = |name: &str| self.parameters.iter().position(|(known, _)| known == name);
        let leaf = |tensor: Option<Tensor>| {
            tensor.expect("an input for each layer").detach().set_requires_grad(true)
        };
        let last = leaf(inputs.pop());
        let norm = Vec::from_iter(named("model.norm.weight"));
        let top = self.top(&last, batch) * slopes;
        let mut slope = self.differentiate(&top, &norm, Some(&last), gradients);
        drop(last);
        for at in (0..self.model.depth()).rev() {
            // What is below the first layer is trained only where all is.
            let is_end = at == 0 && self.trained == Trained::Adapters;
            let input = leaf(inputs.pop()).set_requires_grad(!is_end);
            let output = self.model.layer(at, &input, packing, pass);
            let Some(above) = slope else { return };
            let input = (!is_end).then_some(&input);
            slope = self.differentiate(&(output * above), &self.in_layer[at], input, gradients);
        }
        let embedding = Vec::from_iter(named("model.embed_tokens.weight"));
        if let (false, Some(above)) = (embedding.is_empty(), slope) {
            let output = self.model.embed(&batch.ids) * above;
            self.differentiate(&output, &embedding, None, gradients);
        }
    }

    /// Adds the gradients of the sum of a tensor, and returns that with respect to `input`.
    fn differentiate(
        &self,
        of: &Tensor,
        parameters: &[usize],
        input: Option<&Tensor>,
        gradients: &mut Gradients,
    ) -> Option<Tensor> {
        let mut leaves: Vec<&Tensor> =
            parameters.iter().map(|at| &self.parameters[*at].1).collect();
        leaves.extend(input);
        if leaves.is_empty() {
            return None;
        }
        // Of a tensor that is no scalar, this differentiates the sum.
        let mut found = Tensor::run_backward(&[of], &leaves, false, false);
        let slope = if input.is_some() { found.pop() } else { None };
        for (at, gradient) in parameters.iter().zip(&found) {
            gradients.add(*at, gradient);
        }
        slope
    }

    /// The last norm of the places of a batch.
    fn top(&self, hidden: &Tensor, batch: &Batch) -> Tensor {
        self.model.last_norm(&hidden.index_select(0, &batch.places))
    }
}

impl Gradients {
    /// Zeros for each parameter of an engine, in fp32 at least.
    pub fn zeros(engine: &Engine) -> Gradients {
        let zeros = |(_, parameter): &(String, Tensor)| {
            let kind = match parameter.kind() {
                tch::Kind::Double => tch::Kind::Double,
                _ => tch::Kind::Float,
            };
            Tensor::zeros(parameter.size(), (kind, parameter.device()))
        };
        Gradients(engine.parameters().iter().map(zeros).collect())
    }

    /// Makes all of them zero again.
    pub fn clear(&mut self) {
        for gradient in &mut self.0 {
            let _ = gradient.zero_();
        }
    }

    /// Adds to the gradient of a parameter.
    pub fn add(&mut self, parameter: usize, gradient: &Tensor) {
        tch::no_grad(|| {
            let _ = self.0[parameter].g_add_(gradient);
        });
    }

    /// The sums, in the order of the parameters.
    pub fn tensors(&self) -> &[Tensor] {
        &self.0
    }

    /// The same, to be scaled.
    pub fn tensors_mut(&mut self) -> &mut [Tensor] {
        &mut self.0
    }
}
