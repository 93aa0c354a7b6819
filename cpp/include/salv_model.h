// The line between a model that Verilator generated and the bridge that drives it: plain C data.
//
// This header is in every unit of models (as a precompiled header, after verilated.h), in the runtime
// and in the bridge. What is hard-coded here about Verilator 5.48: a port is a member of the root
// class named as in Verilog; it takes 1, 2, 4 or 8 bytes up to 8, 16, 32 or 64 bits and 4 bytes for
// each 32 bits above; the members before `vlSymsp` are the whole state of a flattened design.
#ifndef SALV_MODEL_H
#define SALV_MODEL_H

#include <cstddef>
#include <cstdint>

namespace salv {

constexpr std::uint32_t MODEL_ABI = 3;

/// Where a port lies in the root object.
struct Port {
    std::uint32_t offset;
    std::uint32_t width;
};

/// A function of generated code that takes a root object. It is declared with the type of its own root
/// class; a pointer to a class is passed as any pointer is on the machines that Verilator supports.
using Step = void (*)(void* root);

/// Logic that runs when its word of triggers is not 0.
struct Region {
    /// Null if the module has none.
    Step body;
    /// Where the word lies in the root object.
    std::uint32_t triggers;
};

/// One compiled module.
///
/// Most modules leave the loops around their logic to the runtime: then `eval_settle` and `eval` are null and
/// the regions say what is to be run (`salv_settle`, `salv_eval`).
struct ModelTable {
    std::uint32_t abi;
    std::uint32_t inputs;
    std::uint32_t outputs;
    /// Bytes and alignment of the memory that `create` wants, zeroed.
    std::uint32_t size;
    std::uint32_t align;
    /// Leading bytes of the root object that hold state; 0 if state lies elsewhere too.
    std::uint32_t state_size;
    /// Where the root object keeps its symbol table, if `create` is null.
    std::uint32_t symbols;
    /// The inputs, then the outputs.
    const Port* ports;
    /// Builds the model in `memory`, with its values at power-up, and returns its root object. Null for most:
    /// then zeroed memory is a root object, to which `reset` gives its values at power-up, and nothing is to
    /// be destroyed.
    void* (*create)(void* memory);
    Step reset;
    void (*destroy)(void* memory);
    /// Static initialisers and `initial` blocks; null if there are none.
    Step eval_static;
    Step eval_initial;
    /// The first settling, and evaluation after each change, with Verilator's own loops.
    Step eval_settle;
    Step eval;
    /// Logic that settles once at the start, and logic that follows the inputs.
    Region settle;
    Region follow;
    /// Sees what edges there were, into the word at `edges`; and logic that follows them.
    Step triggers;
    std::uint32_t edges;
    Region clocked;
};

/// Why a run ended.
enum class Stop : std::uint8_t {
    Done = 0,
    /// More loop iterations than allowed, in one step or in all.
    Loop = 1,
    /// A combinational loop that did not settle.
    NotSettled = 2,
    /// `$finish` or `$stop` was reached.
    Finished = 3,
    /// Another fatal error of Verilator's runtime.
    Fatal = 4,
    /// Out of memory.
    Memory = 5,
};

/// Thrown through generated code, caught in the runtime.
struct Stopped {
    Stop stop;
};

/// Values that registers, memories and X literals have at power-up.
enum class PowerUp : std::uint8_t { Zeros = 0, Ones = 1, Random = 2, Complement = 3 };

}  // namespace salv

extern "C" {
/// Loop iterations since they were last set to 0, and how many are allowed.
extern std::uint64_t salv_ticks;
extern std::uint64_t salv_ticks_max;
/// Ends the run; never returns.
bool salv_loop_limit();
std::uint32_t salv_power_up_i(int bits, std::uint64_t salt);
std::uint64_t salv_power_up_q(int bits, std::uint64_t salt);
std::uint32_t* salv_power_up_w(int bits, std::uint32_t* words, std::uint64_t salt);
/// Builds a model in zeroed memory and returns its root object.
void* salv_create(const salv::ModelTable& table, void* memory);
/// Runs a model's static initialisers and `initial` blocks and lets it settle.
void salv_settle(const salv::ModelTable& table, void* root);
/// Evaluates a model after a change.
void salv_eval(const salv::ModelTable& table, void* root);
}

#endif
