// Loads a simulated board and speaks with it as a serial adapter would.
//
// Rust gives bytes and an amount of time in clocks; the board gets the bytes bit by bit at its receiving pin, and what
// its sending pin says comes back as bytes. Nothing but the two pins and the clock is touched.
#ifndef SALV_BOARD_BRIDGE_H
#define SALV_BOARD_BRIDGE_H

#include <cstdint>
#include <deque>
#include <memory>

#include "rust/cxx.h"
#include "salv_board.h"

namespace salv {

class Board {
public:
    Board(const BoardTable* table, std::uint32_t divisor);
    Board(const Board&) = delete;
    Board& operator=(const Board&) = delete;
    ~Board();

    /// Takes bytes to be sent to the board, one after the other.
    void send(rust::Slice<const std::uint8_t> bytes);
    /// Lets time pass until `wanted` bytes have come or so many clocks have passed; returns the bytes. Throws if the
    /// model fails.
    rust::Vec<std::uint8_t> run(std::uint64_t clocks, std::size_t wanted);
    /// Clocks since power-up.
    std::uint64_t clocks() const { return clocks_; }

private:
    void tick();
    std::uint8_t next_level();
    void listen(std::uint8_t level);

    const BoardTable* table_;
    std::uint32_t divisor_;
    void* model_ = nullptr;
    std::uint64_t clocks_ = 0;
    // Sending: the frame that is on the line, its bits that are left, and the clocks that its present bit stays.
    std::deque<std::uint8_t> outgoing_;
    std::uint32_t frame_ = 0;
    std::uint32_t frame_bits_ = 0;
    std::uint32_t frame_clocks_ = 0;
    // Receiving: bits seen of a byte (0 is none), clocks to the middle of the next, and the byte.
    std::uint32_t heard_bits_ = 0;
    std::uint32_t heard_clocks_ = 0;
    std::uint8_t heard_ = 0;
    rust::Vec<std::uint8_t> incoming_;
};

/// Loads a board; throws with the loader's message. The runtime must be loaded.
std::unique_ptr<Board> load_board(rust::Str path, std::uint32_t divisor);

}  // namespace salv

#endif
