//! The bridge to simulated boards: the one file of this folder with `unsafe`.
//!
//! What a board's model does is native code made from candidates, so these functions are called in a worker
//! process only ([`super::board`]).

#![expect(unsafe_code, reason = "compiled models are reached through C++")]

#[cxx::bridge(namespace = "salv")]
mod ffi {
    unsafe extern "C++" {
        include!("board.h");

        type Board;

        fn load_board(path: &str, divisor: u32) -> Result<UniquePtr<Board>>;
        fn send(self: Pin<&mut Board>, bytes: &[u8]);
        fn run(self: Pin<&mut Board>, clocks: u64, wanted: usize) -> Result<Vec<u8>>;
        fn clocks(self: &Board) -> u64;
    }
}

/// A loaded board, powered up.
pub struct Model(cxx::UniquePtr<ffi::Board>);

impl Model {
    /// Loads the board at `path`, whose bits last `divisor` clocks. Verilator's runtime must be loaded.
    pub fn load(path: &str, divisor: u32) -> Result<Model, cxx::Exception> {
        ffi::load_board(path, divisor).map(Model)
    }

    /// Puts bytes on the line to the board, after those that are on it.
    pub fn send(&mut self, bytes: &[u8]) {
        self.0.pin_mut().send(bytes);
    }

    /// Lets time pass until so many bytes have come, or so many clocks have passed.
    pub fn run(&mut self, clocks: u64, wanted: usize) -> Result<Vec<u8>, cxx::Exception> {
        self.0.pin_mut().run(clocks, wanted)
    }

    /// Clocks since power-up.
    pub fn clocks(&self) -> u64 {
        self.0.clocks()
    }
}
