// One step of AdamW by LibTorch's fused kernel, which its Rust bindings lack.
#ifndef SALV_OPTIMIZER_H
#define SALV_OPTIMIZER_H

#include "rust/cxx.h"

// Declared, not included: only what uses a tensor needs LibTorch's headers, which take seconds to read.
namespace at {
class Tensor;
}

namespace salv {

struct AdamwRow;
struct AdamwSettings;

/// Moves parameters and their moments by one step, in place; throws with LibTorch's message. All tensors of
/// the rows are of one precision and on one device, and `steps` counts this step.
void fused_adamw(rust::Slice<const AdamwRow> rows, double steps, const AdamwSettings& settings);

}  // namespace salv

#endif
