//! The verilator backend.
