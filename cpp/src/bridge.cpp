// See bridge.h.

#include "bridge.h"

#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "salv/src/verify/verilator/bridge.rs.h"

namespace salv {
namespace {

/// The runtime's side of the line, found once when it is loaded.
struct Runtime {
    void (*set_power_up)(PowerUp, std::uint64_t) = nullptr;
    Stop (*guard)(void (*)(void*), void*) = nullptr;
    void* (*create)(const ModelTable&, void*) = nullptr;
    void (*settle)(const ModelTable&, void*) = nullptr;
    void (*eval)(const ModelTable&, void*) = nullptr;
    std::uint64_t* ticks = nullptr;
    std::uint64_t* ticks_max = nullptr;
};

Runtime runtime;
std::uint64_t ticks_of_last_run = 0;

[[noreturn]] void fail(const char* what) {
    const char* const reason = dlerror();
    throw std::runtime_error(std::string{what} + ": " + (reason ? reason : "unknown reason"));
}

template <typename T>
void find(void* handle, const char* symbol, T& place) {
    void* const address = dlsym(handle, symbol);
    if (!address) fail(symbol);
    std::memcpy(&place, &address, sizeof(place));
}

std::uint32_t words_of(std::uint32_t width) { return (width + 63) / 64; }

/// Bytes that Verilator keeps for a port.
std::uint32_t bytes_of(std::uint32_t width) {
    if (width <= 8) return 1;
    if (width <= 16) return 2;
    if (width <= 32) return 4;
    if (width <= 64) return 8;
    return 4 * ((width + 31) / 32);
}

/// Lets generated code that is no evaluation loop as it likes.
void uncounted() {
    *runtime.ticks = 0;
    *runtime.ticks_max = ~std::uint64_t{0};
}

/// Reads a port of up to 64 bits, of which no more than `mask` are the port's.
inline std::uint64_t load(const void* from, const Place& place) {
    // A number is read as a whole: to put bytes into a word and read that stalls the processor.
    const void* const port = static_cast<const char*>(from) + place.offset;
    std::uint8_t byte;
    std::uint16_t half;
    std::uint32_t word;
    std::uint64_t all;
    switch (place.bytes) {
    case 1: std::memcpy(&byte, port, 1); return byte & place.mask;
    case 2: std::memcpy(&half, port, 2); return half & place.mask;
    case 4: std::memcpy(&word, port, 4); return word & place.mask;
    default: std::memcpy(&all, port, 8); return all & place.mask;
    }
}

/// Writes a port of up to 64 bits.
inline void store(void* to, const Place& place, std::uint64_t value) {
    void* const port = static_cast<char*>(to) + place.offset;
    switch (place.bytes) {
    case 1: std::memcpy(port, &value, 1); break;
    case 2: std::memcpy(port, &value, 2); break;
    case 4: std::memcpy(port, &value, 4); break;
    default: std::memcpy(port, &value, 8);
    }
}

/// One living model.
class Instance {
public:
    Instance(const ModelTable& table, const Start& start) : table_{table} {
        const std::size_t size = (table.size + table.align - 1) / table.align * table.align;
        memory_ = std::aligned_alloc(table.align, size);
        if (!memory_) throw std::bad_alloc{};
        std::memset(memory_, 0, size);
        runtime.set_power_up(static_cast<PowerUp>(start.kind), start.seed);
        uncounted();
        root_ = runtime.create(table, memory_);
    }
    Instance(Instance&& other) noexcept
        : table_{other.table_}, memory_{other.memory_}, root_{other.root_} {
        other.memory_ = nullptr;
    }
    Instance(const Instance&) = delete;
    Instance& operator=(const Instance&) = delete;
    ~Instance() {
        if (!memory_) return;
        // A destructor runs while a run that looped is being left: it must not be stopped too.
        uncounted();
        if (table_.destroy) table_.destroy(memory_);
        std::free(memory_);
    }

    void drive(const std::vector<Place>& places, const std::uint64_t* row) {
        for (const Place& place : places) {
            if (place.words == 1) {
                store(root_, place, *row);
            } else {
                std::memcpy(static_cast<char*>(root_) + place.offset, row, place.bytes);
            }
            row += place.words;
        }
    }
    void start() { runtime.settle(table_, root_); }
    void eval() { runtime.eval(table_, root_); }
    void sample(const std::vector<Place>& places, std::uint64_t* row) const {
        for (const Place& place : places) {
            if (place.words == 1) {
                *row = load(root_, place);
            } else {
                row[place.words - 1] = 0;
                std::memcpy(row, static_cast<const char*>(root_) + place.offset, place.bytes);
                row[place.words - 1] &= place.mask;
            }
            row += place.words;
        }
    }
    bool same_state(const Instance& other) const {
        return table_.state_size && !std::memcmp(root_, other.root_, table_.state_size);
    }

private:
    const ModelTable& table_;
    void* memory_ = nullptr;
    void* root_ = nullptr;
};

/// The step after which only some power-up states go on, if that is asked for.
constexpr std::size_t STEPS_OF_ALL = 64;

/// What one run works on; passed through the guard.
struct Run {
    const ModelTable& table;
    const std::vector<Place>& inputs;
    const std::vector<Place>& outputs;
    std::size_t input_words;
    std::size_t output_words;
    rust::Slice<const Start> starts;
    rust::Slice<const std::uint64_t> rows;
    rust::Slice<std::uint64_t> values;
    std::uint64_t* defined;
    const Bounds& bounds;
    std::uint64_t ticks = 0;
};

/// Lets `body` run under the two limits on loop iterations.
template <typename Body>
void counted(Run& run, Body body) {
    *runtime.ticks = 0;
    const std::uint64_t rest = run.bounds.ticks_of_run - run.ticks;
    *runtime.ticks_max = rest < run.bounds.ticks_of_step ? rest : run.bounds.ticks_of_step;
    body();
    run.ticks += *runtime.ticks;
    ticks_of_last_run = run.ticks;
}

/// Takes the instances' outputs into row `step`: values of the first, and the bits in which all agree.
void sample(const Run& run, const std::vector<Instance>& instances, std::size_t step,
            std::vector<std::uint64_t>& other) {
    std::uint64_t* const value = run.values.data() + step * run.output_words;
    instances[0].sample(run.outputs, value);
    if (!run.defined) return;
    std::uint64_t* const defined = run.defined + step * run.output_words;
    for (std::size_t w = 0; w < run.output_words; ++w) defined[w] = ~std::uint64_t{0};
    for (std::size_t i = 1; i < instances.size(); ++i) {
        instances[i].sample(run.outputs, other.data());
        for (std::size_t w = 0; w < run.output_words; ++w) defined[w] &= ~(other[w] ^ value[w]);
    }
}

void drop_equal(std::vector<Instance>& instances) {
    for (std::size_t i = 1; i < instances.size(); ++i) {
        if (!instances[i].same_state(instances[0])) return;
    }
    while (instances.size() > 1) instances.pop_back();
}

/// A step in which no input changes needs no evaluation: nothing in a model without delays can move.
bool unchanged(const Run& run, std::size_t row) {
    if (row < 2) return false;  // Before the first step nothing was sampled.
    const std::uint64_t* const now = run.rows.data() + row * run.input_words;
    return std::memcmp(now, now - run.input_words, run.input_words * 8) == 0;
}

void repeat(const Run& run, std::size_t step) {
    const std::size_t size = run.output_words * 8;
    std::uint64_t* const value = run.values.data() + step * run.output_words;
    std::memcpy(value, value - run.output_words, size);
    if (!run.defined) return;
    std::uint64_t* const defined = run.defined + step * run.output_words;
    std::memcpy(defined, defined - run.output_words, size);
}

void run_body(void* argument) {
    Run& run = *static_cast<Run*>(argument);
    const std::size_t steps = run.values.size() / run.output_words;
    std::vector<std::uint64_t> other(run.output_words);
    std::vector<Instance> instances;
    instances.reserve(run.starts.size());
    for (const Start& start : run.starts) {
        instances.emplace_back(run.table, start);
        instances.back().drive(run.inputs, run.rows.data());
        counted(run, [&] { instances.back().start(); });
        counted(run, [&] { instances.back().eval(); });
    }
    for (std::size_t step = 0; step < steps; ++step) {
        const std::size_t row = step + 1;
        if (step == STEPS_OF_ALL && run.bounds.starts_kept) {
            while (instances.size() > run.bounds.starts_kept) instances.pop_back();
        }
        if (unchanged(run, row)) {
            repeat(run, step);
            continue;
        }
        for (Instance& instance : instances) {
            instance.drive(run.inputs, run.rows.data() + row * run.input_words);
            counted(run, [&] { instance.eval(); });
        }
        sample(run, instances, step, other);
        // Once a cycle is often enough: looking costs about as much as a step.
        if (step % 4 == 3 && instances.size() > 1) drop_equal(instances);
    }
}

std::vector<Place> places(const Port* ports, std::uint32_t count) {
    std::vector<Place> result;
    for (const Port* port = ports; port != ports + count; ++port) {
        const std::uint32_t rest = port->width % 64;
        const std::uint64_t mask = rest ? (std::uint64_t{1} << rest) - 1 : ~std::uint64_t{0};
        result.push_back({port->offset, bytes_of(port->width), words_of(port->width), mask});
    }
    return result;
}

std::uint32_t sum_words(const std::vector<Place>& places) {
    std::uint32_t words = 0;
    for (const Place& place : places) words += place.words;
    return words;
}

rust::Vec<std::uint32_t> widths(const Port* ports, std::uint32_t count) {
    rust::Vec<std::uint32_t> result;
    for (std::uint32_t i = 0; i < count; ++i) result.push_back(ports[i].width);
    return result;
}

}  // namespace

Model::Model(const ModelTable* table)
    : table_{table},
      inputs_{places(table->ports, table->inputs)},
      outputs_{places(table->ports + table->inputs, table->outputs)},
      input_words_{sum_words(inputs_)},
      output_words_{sum_words(outputs_)} {}

rust::Vec<std::uint32_t> Model::input_widths() const {
    return widths(table_->ports, table_->inputs);
}

rust::Vec<std::uint32_t> Model::output_widths() const {
    return widths(table_->ports + table_->inputs, table_->outputs);
}

std::uint8_t Model::run(Start start, rust::Slice<const std::uint64_t> rows,
                        rust::Slice<std::uint64_t> outputs, Bounds bounds) const {
    const rust::Slice<const Start> starts{&start, 1};
    Run run{*table_, inputs_, outputs_, input_words_, output_words_, starts,
            rows,    outputs, nullptr,  bounds};
    return static_cast<std::uint8_t>(runtime.guard(run_body, &run));
}

std::uint8_t Model::run_defined(rust::Slice<const Start> starts,
                                rust::Slice<const std::uint64_t> rows,
                                rust::Slice<std::uint64_t> outputs,
                                rust::Slice<std::uint64_t> defined, Bounds bounds) const {
    Run run{*table_, inputs_, outputs_,       input_words_, output_words_, starts,
            rows,    outputs, defined.data(), bounds};
    return static_cast<std::uint8_t>(runtime.guard(run_body, &run));
}

void load_runtime(rust::Str path) {
    void* const handle = dlopen(std::string{path}.c_str(), RTLD_NOW | RTLD_GLOBAL);
    if (!handle) fail("cannot load the runtime");
    find(handle, "salv_set_power_up", runtime.set_power_up);
    find(handle, "salv_guard", runtime.guard);
    find(handle, "salv_create", runtime.create);
    find(handle, "salv_settle", runtime.settle);
    find(handle, "salv_eval", runtime.eval);
    find(handle, "salv_ticks", runtime.ticks);
    find(handle, "salv_ticks_max", runtime.ticks_max);
}

std::unique_ptr<Unit> load_unit(rust::Str path) {
    void* const handle = dlopen(std::string{path}.c_str(), RTLD_LAZY | RTLD_LOCAL);
    if (!handle) fail("cannot load the unit of models");
    return std::make_unique<Unit>(handle);
}

std::unique_ptr<Model> find_model(const Unit& unit, rust::Str symbol) {
    const ModelTable* table = nullptr;
    find(unit.handle(), std::string{symbol}.c_str(), table);
    if (table->abi != MODEL_ABI) throw std::runtime_error("the unit is of another version");
    return std::make_unique<Model>(table);
}

std::uint64_t last_ticks() { return ticks_of_last_run; }

}  // namespace salv
