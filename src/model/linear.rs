//! A linear layer and the low-rank adapter that may sit in it.

use tch::Tensor;

/// How a pass treats the adapters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// Adapters off: the reference model.
    Reference,
    /// Adapters on, nothing dropped.
    Policy,
    /// Adapters on and, if they have a dropout, inputs dropped as the seed says: the same seed drops the
    /// same, so a layer that is run again for its gradients gives what it gave.
    Training {
        /// Seed of this pass.
        seed: i64,
    },
}

/// `y = W x + b`, and with an adapter `+ scale * B A x`.
#[derive(Debug)]
pub struct Linear {
    /// `[outputs, inputs]`.
    pub weight: Tensor,
    /// `[outputs]`.
    pub bias: Option<Tensor>,
    /// The adapter, if one is attached.
    pub adapter: Option<Adapter>,
}

/// The matrices of a low-rank adapter.
#[derive(Debug)]
pub struct Adapter {
    /// `[rank, inputs]`.
    pub a: Tensor,
    /// `[outputs, rank]`.
    pub b: Tensor,
    /// What the product is multiplied by.
    pub scale: f64,
    /// Share of the inputs that training drops.
    pub dropout: f64,
}

impl Linear {
    /// Width of what it gives.
    pub fn outputs(&self) -> i64 {
        self.weight.size()[0]
    }

    /// Applies the layer to the last dimension.
    pub fn forward(&self, x: &Tensor, pass: Pass) -> Tensor {
        let plain = x.linear(&self.weight, self.bias.as_ref());
        match &self.adapter {
            Some(adapter) if pass != Pass::Reference => adapter.add_to(&plain, x, pass),
            _ => plain,
        }
    }
}

impl Adapter {
    /// The matrices may have another precision than the model (fp32 beside bf16): the product is computed
    /// in theirs and the sum brought back, as in PEFT.
    fn add_to(&self, plain: &Tensor, x: &Tensor, pass: Pass) -> Tensor {
        let mut input = x.to_kind(self.a.kind());
        if let (Pass::Training { .. }, true) = (pass, self.dropout > 0.0) {
            input = input.dropout(self.dropout, true);
        }
        let product = input.linear(&self.a, None::<&Tensor>).linear(&self.b, None::<&Tensor>);
        (plain + product * self.scale).to_kind(plain.kind())
    }

    /// The matrix by which the adapter changes the weight, in fp32.
    pub fn delta(&self) -> Tensor {
        let (a, b) = (self.a.to_kind(tch::Kind::Float), self.b.to_kind(tch::Kind::Float));
        tch::no_grad(|| b.matmul(&a) * self.scale)
    }
}
