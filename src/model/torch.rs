//! The device that tensors live on: CUDA if its part of LibTorch can be loaded and finds a card, else the CPU,
//! and why.
//!
//! The program is linked with LibTorch's CPU part only, so one build runs with and without a card. The CUDA
//! part registers itself when it is loaded, which must be before LibTorch is first used: hence before anything
//! else of this module, and through the one bridge to C++ here.

#![expect(unsafe_code, reason = "cxx declares foreign functions so")]

use tch::{Device, Kind, Tensor};

use super::Error;

#[cxx::bridge(namespace = "salv")]
mod ffi {
    unsafe extern "C++" {
        include!("library.h");

        fn load_globally(name: &str) -> Result<()>;
    }
}

/// The CUDA part of LibTorch; found beside the CPU part, or by `LD_LIBRARY_PATH`.
const CUDA_PART: &str = "libtorch_cuda.so";

/// A device, and why it is this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Where tensors are to live.
    pub device: Device,
    /// Why.
    pub reason: String,
}

/// Chooses the device. To be called once, before any other use of LibTorch.
pub fn choose_device() -> Choice {
    let on_cpu = |reason: String| Choice { device: Device::Cpu, reason };
    if let Err(error) = ffi::load_globally(CUDA_PART) {
        return on_cpu(format!("CUDA's part of LibTorch cannot be loaded: {}", error.what()));
    }
    if !tch::Cuda::is_available() {
        return on_cpu(format!("{CUDA_PART} is loaded, and finds no card that it can use"));
    }
    let cards = tch::Cuda::device_count();
    let plural = if cards == 1 { "" } else { "s" };
    Choice { device: Device::Cuda(0), reason: format!("{cards} card{plural}") }
}

/// Multiplies two small matrices on a device: a driver that loads may still not compute.
pub fn probe(device: Device) -> Result<(), Error> {
    let identity = Tensor::f_eye(2, (Kind::Float, device));
    let product = identity.and_then(|matrix| matrix.f_matmul(&matrix)?.f_sum(Kind::Float));
    let sum = product.and_then(|sum| sum.f_double_value(&[]));
    match sum {
        Ok(2.0) => Ok(()),
        Ok(other) => Err(Error::Device { device, message: format!("it computes {other} for 2") }),
        Err(source) => Err(Error::Torch { action: format!("multiply on {device:?}"), source }),
    }
}
