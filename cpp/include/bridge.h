// Loads units of compiled models and drives them with blocks of rows.
//
// Rust calls it a few times for each episode: a block of input rows goes in, a block of output rows
// comes out. Rows are 64-bit words; each port starts on a word of its own. Row 0 is the power-up row:
// it is evaluated and gives no output row.
#ifndef SALV_BRIDGE_H
#define SALV_BRIDGE_H

#include <cstdint>
#include <memory>
#include <vector>

#include "rust/cxx.h"
#include "salv_model.h"

namespace salv {

struct Start;
struct Bounds;

/// A loaded unit. It is never unloaded: the process ends with its batch.
class Unit {
public:
    explicit Unit(void* handle) : handle_{handle} {}
    void* handle() const { return handle_; }

private:
    void* handle_;
};

/// Where a port lies in the root object, and where in a row.
struct Place {
    std::uint32_t offset;
    /// Bytes in the root object.
    std::uint32_t bytes;
    /// Words in a row.
    std::uint32_t words;
    /// Bits of the last word that are the port's.
    std::uint64_t mask;
};

/// A module of a unit.
class Model {
public:
    explicit Model(const ModelTable* table);

    /// Widths in bits of the ports, inputs first.
    rust::Vec<std::uint32_t> input_widths() const;
    rust::Vec<std::uint32_t> output_widths() const;

    /// Runs one episode from one power-up state and fills `outputs`, a row for each step.
    std::uint8_t run(Start start, rust::Slice<const std::uint64_t> rows,
                     rust::Slice<std::uint64_t> outputs, Bounds bounds) const;

    /// Runs one episode from every power-up state in `starts` side by side. `outputs` gets the values
    /// of the first, `defined` the bits in which all agree.
    std::uint8_t run_defined(rust::Slice<const Start> starts,
                             rust::Slice<const std::uint64_t> rows,
                             rust::Slice<std::uint64_t> outputs,
                             rust::Slice<std::uint64_t> defined, Bounds bounds) const;

    std::uint32_t input_words() const { return input_words_; }
    std::uint32_t output_words() const { return output_words_; }

private:
    const ModelTable* table_;
    std::vector<Place> inputs_;
    std::vector<Place> outputs_;
    std::uint32_t input_words_ = 0;
    std::uint32_t output_words_ = 0;
};

/// Loads Verilator's runtime for all units; throws with the loader's message.
void load_runtime(rust::Str path);
/// Loads a unit of models; throws with the loader's message.
std::unique_ptr<Unit> load_unit(rust::Str path);
/// Finds a module by its symbol; throws if the unit lacks it or speaks another version.
std::unique_ptr<Model> find_model(const Unit& unit, rust::Str symbol);

/// Loop iterations that the last run took.
std::uint64_t last_ticks();

}  // namespace salv

#endif
