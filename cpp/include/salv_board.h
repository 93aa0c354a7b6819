// The line between a simulated board that Verilator generated and the bridge that clocks it: plain C data.
//
// A board is a design with a clock, a receiving and a sending pin; its table says how it is made and clocked. The
// file that holds the table is generated beside the model, since only that file knows the class.
#ifndef SALV_BOARD_H
#define SALV_BOARD_H

#include <cstdint>

namespace salv {

constexpr std::uint32_t BOARD_ABI = 1;

struct BoardTable {
    std::uint32_t abi;
    void* (*create)();
    void (*destroy)(void* model);
    /// Lets one period of the clock pass with this level at the receiving pin; returns the sending pin's.
    std::uint8_t (*clock)(void* model, std::uint8_t receive);
};

}  // namespace salv

#endif
