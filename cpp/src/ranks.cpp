#include "ranks.h"

#include <chrono>
#include <string>
#include <utility>
#include <vector>

// LibTorch is built with Gloo; its headers want to be told.
#define USE_C10D_GLOO
#include <c10/util/Logging.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "plainly.h"

namespace salv {

namespace {

std::string text(rust::Str str) { return std::string{str.data(), str.size()}; }

}  // namespace

struct Store::Inside {
    c10::intrusive_ptr<c10d::Store> store;
};

Store::Store(std::unique_ptr<Inside> inside) : inside_{std::move(inside)} {}
Store::~Store() = default;

std::int64_t Store::count(rust::Str name) const {
    return plainly([&] { return inside_->store->add(text(name), 1); });
}

void Store::put(rust::Str name, std::uint64_t number) const {
    plainly([&] { inside_->store->set(text(name), std::to_string(number)); });
}

std::uint64_t Store::get(rust::Str name, std::uint64_t timeout_ms) const {
    return plainly([&] {
        inside_->store->wait({text(name)}, std::chrono::milliseconds{timeout_ms});
        return static_cast<std::uint64_t>(std::stoull(inside_->store->get_to_str(text(name))));
    });
}

std::unique_ptr<Store> open_store(rust::Str address, std::uint16_t port, bool serves,
                                  rust::Str prefix, std::uint64_t timeout_ms) {
    // What goes wrong is thrown; LibTorch would also print it, with the stack.
    FLAGS_caffe2_log_level = c10::GLOG_FATAL;
    return plainly([&] {
        c10d::TCPStoreOptions options;
        options.port = port;
        options.isServer = serves;
        // Who is there is asked for by name later, so that who is not can be named.
        options.waitWorkers = false;
        options.timeout = std::chrono::milliseconds{timeout_ms};
        const auto store = c10::make_intrusive<c10d::TCPStore>(text(address), options);
        auto inside = std::make_unique<Store::Inside>();
        inside->store = c10::make_intrusive<c10d::PrefixStore>(text(prefix), store);
        return std::make_unique<Store>(std::move(inside));
    });
}

struct Ranks::Inside {
    c10::intrusive_ptr<c10d::ProcessGroupGloo> group;
};

Ranks::Ranks(std::unique_ptr<Inside> inside) : inside_{std::move(inside)} {}
Ranks::~Ranks() = default;

void Ranks::sum(const at::Tensor& tensor) const {
    std::vector<at::Tensor> tensors{tensor};
    plainly([&] { inside_->group->allreduce(tensors)->wait(); });
}

void Ranks::broadcast(const at::Tensor& tensor) const {
    std::vector<at::Tensor> tensors{tensor};
    plainly([&] { inside_->group->broadcast(tensors)->wait(); });
}

void Ranks::barrier() const {
    plainly([&] { inside_->group->barrier()->wait(); });
}

std::unique_ptr<Ranks> join_ranks(const Store& store, std::int32_t rank, std::int32_t size,
                                  rust::Str interface, rust::Str host, std::uint64_t timeout_ms) {
    using c10d::ProcessGroupGloo;
    return plainly([&] {
        const std::chrono::milliseconds timeout{timeout_ms};
        const auto options = ProcessGroupGloo::Options::create(timeout);
        options->devices.push_back(
            !interface.empty() ? ProcessGroupGloo::createDeviceForInterface(text(interface))
            : !host.empty()    ? ProcessGroupGloo::createDeviceForHostname(text(host))
                               : ProcessGroupGloo::createDefaultDevice());
        auto inside = std::make_unique<Ranks::Inside>();
        inside->group = c10::make_intrusive<ProcessGroupGloo>(store.inside().store, rank, size, options);
        return std::make_unique<Ranks>(std::move(inside));
    });
}

}  // namespace salv
