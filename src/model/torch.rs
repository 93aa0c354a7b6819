//! The device that tensors live on: CUDA if its part of LibTorch can be loaded and finds a card, else the CPU,
//! and why.
//!
//! The program is linked with LibTorch's CPU part only, so one build runs with and without a card. The CUDA
//! part registers itself when it is loaded, which must be before LibTorch is first used: hence before anything
//! else of this module, and through the one bridge to C++ here.

#![expect(unsafe_code, reason = "cxx declares foreign functions so")]

use tch::Device;

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
