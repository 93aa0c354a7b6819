// Precompiled before every unit of models: Verilator's header, then what we change of it.
//
// - Every loop of generated code counts its iterations, so that an endless loop is a count and no wall
//   time. The runtime's own loops were parsed before and are not touched.
// - Power-up values come from our generator, so that they depend on the seed and the variable alone,
//   and can be all 0, all 1 or the complement of another run.
// - Models share one symbol table.
#ifndef SALV_UNIT_H
#define SALV_UNIT_H

#include "verilated.h"

#include <functional>
#include <new>

#include "salv_model.h"

/// What generated code asks of the symbol table of a model that has no class but its root.
struct salv_symbols {
    VerilatedContext* _vm_contextp__;
    const char* name() const { return "salv"; }
};

/// One for all models.
extern salv_symbols salv_symbol_table;

#define VL_SCOPED_RAND_RESET_I(bits, scope, salt) salv_power_up_i(bits, salt)
#define VL_SCOPED_RAND_RESET_Q(bits, scope, salt) salv_power_up_q(bits, salt)
#define VL_SCOPED_RAND_RESET_W(bits, words, scope, salt) salv_power_up_w(bits, words, salt)
#define VL_SCOPED_RAND_RESET_ASSIGN_I(bits, scope, salt) salv_power_up_i(bits, salt)
#define VL_SCOPED_RAND_RESET_ASSIGN_Q(bits, scope, salt) salv_power_up_q(bits, salt)
#define VL_SCOPED_RAND_RESET_ASSIGN_W(bits, words, scope, salt) salv_power_up_w(bits, words, salt)

#define while(...) while ((++salv_ticks <= salv_ticks_max || salv_loop_limit()) && (__VA_ARGS__))

#endif
