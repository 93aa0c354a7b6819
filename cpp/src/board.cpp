// See board.h.

#include "board.h"

#include <dlfcn.h>

#include <stdexcept>
#include <string>

#include "salv/src/verify/fpga/bridge.rs.h"
#include "salv_model.h"

namespace salv {
namespace {

/// Start bit, eight data bits, stop bit.
constexpr std::uint32_t FRAME_BITS = 10;

using Guard = Stop (*)(void (*)(void*), void*);

void* find(void* handle, const char* symbol) {
    void* const address = dlsym(handle, symbol);
    const char* const reason = dlerror();
    if (!address) throw std::runtime_error(std::string{symbol} + ": " + (reason ? reason : "not found"));
    return address;
}

/// Runs `body` where what generated code throws is caught.
template <typename Body>
void guarded(Body body) {
    static const Guard guard = reinterpret_cast<Guard>(find(RTLD_DEFAULT, "salv_guard"));
    const Stop stop = guard([](void* argument) { (*static_cast<Body*>(argument))(); }, &body);
    if (stop == Stop::Done) return;
    using Words = const char* (*)();
    const Words words = reinterpret_cast<Words>(find(RTLD_DEFAULT, "salv_last_words"));
    throw std::runtime_error("the model of the board stopped (" + std::to_string(static_cast<int>(stop)) + "): " + words());
}

}  // namespace

Board::Board(const BoardTable* table, std::uint32_t divisor) : table_{table}, divisor_{divisor} {
    guarded([this] { model_ = table_->create(); });
}

Board::~Board() {
    if (model_) table_->destroy(model_);
}

void Board::send(rust::Slice<const std::uint8_t> bytes) {
    outgoing_.insert(outgoing_.end(), bytes.begin(), bytes.end());
}

rust::Vec<std::uint8_t> Board::run(std::uint64_t clocks, std::size_t wanted) {
    guarded([&] {
        for (std::uint64_t i = 0; i < clocks && incoming_.size() < wanted; ++i) tick();
    });
    rust::Vec<std::uint8_t> bytes;
    std::swap(bytes, incoming_);
    return bytes;
}

void Board::tick() {
    listen(table_->clock(model_, next_level()));
    ++clocks_;
}

std::uint8_t Board::next_level() {
    if (frame_bits_ == 0) {
        if (outgoing_.empty()) return 1;
        // The start bit is 0 and goes first, the stop bit is 1 and goes last.
        frame_ = 1u << (FRAME_BITS - 1) | std::uint32_t{outgoing_.front()} << 1;
        outgoing_.pop_front();
        frame_bits_ = FRAME_BITS;
        frame_clocks_ = divisor_;
    }
    const std::uint8_t level = frame_ & 1;
    if (--frame_clocks_ == 0) {
        frame_ >>= 1;
        --frame_bits_;
        frame_clocks_ = divisor_;
    }
    return level;
}

void Board::listen(std::uint8_t level) {
    if (heard_bits_ == 0) {
        if (level) return;
        heard_bits_ = 1;
        // The middle of the first data bit.
        heard_clocks_ = divisor_ + divisor_ / 2;
        return;
    }
    if (--heard_clocks_ != 0) return;
    heard_clocks_ = divisor_;
    if (heard_bits_ <= 8) {
        heard_ = static_cast<std::uint8_t>(heard_ >> 1 | (level & 1) << 7);
        ++heard_bits_;
        return;
    }
    heard_bits_ = 0;
    // As an adapter does, drop what has no stop bit.
    if (level) incoming_.push_back(heard_);
}

std::unique_ptr<Board> load_board(rust::Str path, std::uint32_t divisor) {
    void* const handle = dlopen(std::string{path}.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        const char* const reason = dlerror();
        throw std::runtime_error(std::string{"cannot load the board: "} + (reason ? reason : "unknown reason"));
    }
    const auto* const table = static_cast<const BoardTable*>(find(handle, "salv_board"));
    if (table->abi != BOARD_ABI) throw std::runtime_error("the board is of another version");
    return std::make_unique<Board>(table, divisor);
}

}  // namespace salv
