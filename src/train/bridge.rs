//! The bridge to what LibTorch has and its Rust bindings lack.
//!
//! A tensor of the bindings is a pointer to LibTorch's own, which is lent for a call.

#![expect(unsafe_code, reason = "cxx declares foreign functions so, and pointers cross the line")]

use tch::Tensor;

use super::Error;

#[cxx::bridge(namespace = "salv")]
mod ffi {
    /// A parameter's tensors.
    struct AdamwRow {
        parameter: *const Tensor,
        gradient: *const Tensor,
        mean: *const Tensor,
        square: *const Tensor,
    }

    /// The numbers of a step.
    #[derive(Clone, Copy, Debug)]
    struct AdamwSettings {
        rate: f64,
        beta1: f64,
        beta2: f64,
        eps: f64,
        weight_decay: f64,
    }

    unsafe extern "C++" {
        include!("optimizer.h");

        #[namespace = "at"]
        type Tensor;

        unsafe fn fused_adamw(
            rows: &[AdamwRow],
            steps: f64,
            settings: &AdamwSettings,
        ) -> Result<()>;
    }
}

pub(super) use ffi::AdamwSettings;

fn lent(tensor: &Tensor) -> *const ffi::Tensor {
    tensor.as_ptr().cast()
}

/// Moves parameters in place by one step of AdamW. A row is a parameter, its gradient and the running means of
/// the gradient and of its square; all are of one shape, all rows of one precision and on one device. `steps`
/// counts this step.
pub(super) fn fused_adamw(
    rows: &[[&Tensor; 4]],
    steps: f64,
    settings: &AdamwSettings,
) -> Result<(), Error> {
    let rows: Vec<ffi::AdamwRow> = rows
        .iter()
        .map(|[parameter, gradient, mean, square]| ffi::AdamwRow {
            parameter: lent(parameter),
            gradient: lent(gradient),
            mean: lent(mean),
            square: lent(square),
        })
        .collect();
    // SAFETY: each pointer is to a tensor that is borrowed until the call is over.
    let done = unsafe { ffi::fused_adamw(&rows, steps, settings) };
    done.map_err(|error| Error::Torch {
        action: "move parameters",
        message: error.what().to_owned(),
    })
}
