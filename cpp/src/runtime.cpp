// Verilator's runtime and the little that salv adds, compiled once per machine and loaded before any
// unit of models.
//
// Errors that end a process in Verilator's own runtime end the run of one model here: they are thrown
// through the generated code and caught in `salv_guard`.

#define VL_USER_FINISH
#define VL_USER_STOP
#define VL_USER_FATAL
#define VL_USER_WARN

#include "verilated.cpp"
#include "verilated_threads.cpp"

#include "salv_unit.h"

// Loops are counted in generated code alone.
#undef while

#include <cstdio>
#include <cstring>

namespace {

salv::PowerUp power_up_kind = salv::PowerUp::Zeros;
std::uint64_t power_up_seed = 0;
std::uint64_t power_up_draws = 0;

/// What Verilator's runtime said last before it gave up.
char last_words[256] = "";

/// SplitMix64's finaliser: every bit of the input changes half of the output's bits.
std::uint64_t mix(std::uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

/// 64 bits for the next variable or element; the count of draws tells the elements of a memory apart.
std::uint64_t draw(std::uint64_t salt) {
    ++power_up_draws;
    switch (power_up_kind) {
    case salv::PowerUp::Zeros: return 0;
    case salv::PowerUp::Ones: return ~std::uint64_t{0};
    case salv::PowerUp::Random: break;
    case salv::PowerUp::Complement: break;
    }
    const std::uint64_t value
        = mix(power_up_seed ^ mix(salt + power_up_draws * 0x9e3779b97f4a7c15ULL));
    return power_up_kind == salv::PowerUp::Complement ? ~value : value;
}

/// Evaluations in a row after which a model does not settle: Verilator's `--converge-limit`.
constexpr int CONVERGE_MAX = 1000;

std::uint64_t& word(void* root, std::uint32_t place) {
    return *reinterpret_cast<std::uint64_t*>(static_cast<char*>(root) + place);
}

/// Runs a region whose one trigger is that it is its turn: a second look would find nothing.
void run_once(const salv::Region& region, void* root) {
    word(root, region.triggers) = 1;
    region.body(root);
    word(root, region.triggers) = 0;
}

/// Runs the logic that edges start until there are no more edges.
void run_clocked(const salv::ModelTable& table, void* root) {
    std::uint64_t& edges = word(root, table.edges);
    std::uint64_t& triggers = word(root, table.clocked.triggers);
    for (int turn = 0;; ++turn) {
        if (turn > CONVERGE_MAX) throw salv::Stopped{salv::Stop::NotSettled};
        table.triggers(root);
        triggers |= edges;
        if (!triggers) return;
        table.clocked.body(root);
        triggers = 0;
    }
}

std::uint64_t mask(int bits) { return bits >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1; }

}  // namespace

salv_symbols salv_symbol_table{Verilated::threadContextp()};

extern "C" {

std::uint64_t salv_ticks = 0;
std::uint64_t salv_ticks_max = 0;

bool salv_loop_limit() { throw salv::Stopped{salv::Stop::Loop}; }

std::uint32_t salv_power_up_i(int bits, std::uint64_t salt) {
    return static_cast<std::uint32_t>(draw(salt) & mask(bits));
}

std::uint64_t salv_power_up_q(int bits, std::uint64_t salt) { return draw(salt) & mask(bits); }

std::uint32_t* salv_power_up_w(int bits, std::uint32_t* words, std::uint64_t salt) {
    for (int done = 0; done < bits; done += 32) {
        const int rest = bits - done;
        words[done / 32] = static_cast<std::uint32_t>(draw(salt) & mask(rest < 32 ? rest : 32));
    }
    return words;
}

/// What Verilator's runtime said last before it gave up; of a board, an assertion that failed.
const char* salv_last_words() { return last_words; }

/// Sets what the next model created powers up with.
void salv_set_power_up(salv::PowerUp kind, std::uint64_t seed) {
    power_up_kind = kind;
    power_up_seed = seed;
    power_up_draws = 0;
}

void* salv_create(const salv::ModelTable& table, void* memory) {
    if (table.create) return table.create(memory);
    salv_symbols* const symbols = &salv_symbol_table;
    std::memcpy(static_cast<char*>(memory) + table.symbols, &symbols, sizeof(symbols));
    table.reset(memory);
    return memory;
}

void salv_settle(const salv::ModelTable& table, void* root) {
    if (table.eval_static) table.eval_static(root);
    if (table.eval_initial) table.eval_initial(root);
    if (table.eval_settle) table.eval_settle(root);
    if (table.settle.body) run_once(table.settle, root);
}

void salv_eval(const salv::ModelTable& table, void* root) {
    if (table.eval) return table.eval(root);
    if (table.follow.body) run_once(table.follow, root);
    if (table.triggers) run_clocked(table, root);
}

/// Calls `body(argument)` and says how it ended. Generated code runs nowhere else.
salv::Stop salv_guard(void (*body)(void*), void* argument) {
    try {
        body(argument);
        return salv::Stop::Done;
    } catch (const salv::Stopped& stopped) {
        return stopped.stop;
    } catch (const std::bad_alloc&) {
        return salv::Stop::Memory;
    } catch (const std::exception& error) {
        std::strncpy(last_words, error.what(), sizeof(last_words) - 1);
        return salv::Stop::Fatal;
    } catch (...) {
        return salv::Stop::Fatal;
    }
}
}

void vl_finish(const char*, int, const char*) { throw salv::Stopped{salv::Stop::Finished}; }

// Assertions that fail end here too.
void vl_stop(const char* file, int line, const char*) {
    std::snprintf(last_words, sizeof(last_words), "it stops at %s:%d", file, line);
    throw salv::Stopped{salv::Stop::Finished};
}

void vl_fatal(const char*, int, const char*, const char* message) {
    const bool loop = std::strncmp(message, "DIDNOTCONVERGE", 14) == 0;
    std::strncpy(last_words, message, sizeof(last_words) - 1);
    throw salv::Stopped{loop ? salv::Stop::NotSettled : salv::Stop::Fatal};
}

void vl_warn(const char*, int, const char*, const char*) {}
