// LibTorch's exceptions without the addresses of the functions that they came through.
#ifndef SALV_PLAINLY_H
#define SALV_PLAINLY_H

#include <stdexcept>

#include <c10/util/Exception.h>

namespace salv {

/// Gives what a function gives; what LibTorch throws is thrown on as its message alone.
template <typename Function>
auto plainly(Function function) -> decltype(function()) {
    try {
        return function();
    } catch (const c10::Error& error) {
        throw std::runtime_error(error.what_without_backtrace());
    }
}

}  // namespace salv

#endif
