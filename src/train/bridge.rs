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
        include!("ranks.h");

        #[namespace = "at"]
        type Tensor;

        unsafe fn fused_adamw(
            rows: &[AdamwRow],
            steps: f64,
            settings: &AdamwSettings,
        ) -> Result<()>;

        type Store;
        fn open_store(
            address: &str,
            port: u16,
            serves: bool,
            prefix: &str,
            timeout_ms: u64,
        ) -> Result<UniquePtr<Store>>;
        fn count(self: &Store, name: &str) -> Result<i64>;
        fn put(self: &Store, name: &str, number: u64) -> Result<()>;
        fn get(self: &Store, name: &str, timeout_ms: u64) -> Result<u64>;

        type Ranks;
        fn join_ranks(
            store: &Store,
            rank: i32,
            size: i32,
            interface: &str,
            host: &str,
            timeout_ms: u64,
        ) -> Result<UniquePtr<Ranks>>;
        fn sum(self: &Ranks, tensor: &Tensor) -> Result<()>;
        fn broadcast(self: &Ranks, tensor: &Tensor) -> Result<()>;
        fn barrier(self: &Ranks) -> Result<()>;
    }
}

pub(super) use cxx::{Exception, UniquePtr};
pub(super) use ffi::{AdamwSettings, Ranks, Store, join_ranks, open_store};

impl Ranks {
    /// Replaces a tensor in the CPU's memory by its sum over all ranks.
    pub(super) fn sum_tensor(&self, tensor: &Tensor) -> Result<(), Exception> {
        // SAFETY: the pointer is to a tensor that is borrowed until the call is over.
        self.sum(unsafe { &*lent(tensor) })
    }

    /// Replaces a tensor in the CPU's memory by that of rank 0.
    pub(super) fn broadcast_tensor(&self, tensor: &Tensor) -> Result<(), Exception> {
        // SAFETY: as above.
        self.broadcast(unsafe { &*lent(tensor) })
    }
}

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
