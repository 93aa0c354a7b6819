// Processes that train one model together, by LibTorch's own store and communication library.
#ifndef SALV_RANKS_H
#define SALV_RANKS_H

#include <cstdint>
#include <memory>

#include "rust/cxx.h"

// Declared, not included: see optimizer.h.
namespace at {
class Tensor;
}

namespace salv {

/// Where ranks meet: names and values that one process keeps and all can read.
class Store {
public:
    struct Inside;
    explicit Store(std::unique_ptr<Inside> inside);
    ~Store();

    /// Counts up the number under a name, and gives the new number.
    std::int64_t count(rust::Str name) const;
    void put(rust::Str name, std::uint64_t number) const;
    /// Gives the number under a name; waits until it is there.
    std::uint64_t get(rust::Str name, std::uint64_t timeout_ms) const;

    const Inside& inside() const { return *inside_; }

private:
    std::unique_ptr<Inside> inside_;
};

/// Ranks that are connected to each other. All call the same functions in the same order.
class Ranks {
public:
    struct Inside;
    explicit Ranks(std::unique_ptr<Inside> inside);
    ~Ranks();

    /// Replaces a tensor in the CPU's memory by its sum over all ranks.
    void sum(const at::Tensor& tensor) const;
    /// Replaces a tensor in the CPU's memory by that of rank 0.
    void broadcast(const at::Tensor& tensor) const;
    /// Returns when all ranks have called it.
    void barrier() const;

private:
    std::unique_ptr<Inside> inside_;
};

/// Opens the store at an address, and keeps it there if it `serves`. Names begin with `prefix`.
std::unique_ptr<Store> open_store(rust::Str address, std::uint16_t port, bool serves,
                                  rust::Str prefix, std::uint64_t timeout_ms);

/// Connects this rank to all others: by a network interface, or from a host's address, or, if both are empty,
/// from that of this machine's name. Each later call takes at most `timeout_ms` for each thing it waits for.
std::unique_ptr<Ranks> join_ranks(const Store& store, std::int32_t rank, std::int32_t size,
                                  rust::Str interface, rust::Str host, std::uint64_t timeout_ms);

}  // namespace salv

#endif
