#include "optimizer.h"

#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/full.h>

#include "plainly.h"
#include "salv/src/train/bridge.rs.h"

namespace salv {

void fused_adamw(rust::Slice<const AdamwRow> rows, double steps, const AdamwSettings& settings) {
    if (rows.empty()) return;
    std::vector<at::Tensor> parameters, gradients, means, squares;
    for (const AdamwRow& row : rows) {
        parameters.push_back(*row.parameter);
        gradients.push_back(*row.gradient);
        means.push_back(*row.mean);
        squares.push_back(*row.square);
    }
    plainly([&] {
        const auto place = parameters[0].options().dtype(at::kFloat).requires_grad(false);
        // The kernel wants a counter for each parameter, and only reads them: here they are all one.
        const std::vector<at::Tensor> counters(rows.size(), at::full({}, steps, place));
        at::_fused_adamw_(parameters, gradients, means, squares, {}, counters, settings.rate,
                          settings.beta1, settings.beta2, settings.weight_decay, settings.eps,
                          /*amsgrad=*/false, /*maximize=*/false);
    });
}

}  // namespace salv
