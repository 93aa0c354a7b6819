//! The bridge to compiled models: the one file with `unsafe`.
//!
//! Native code made from a candidate runs behind these functions, so they are called in a worker process
//! only. Rows cross the line in blocks (see `cpp/include/bridge.h`).

#![expect(unsafe_code, reason = "compiled models are reached through C++")]

#[cxx::bridge(namespace = "salv")]
mod ffi {
    /// What a model powers up with.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Start {
        /// 0 zeros, 1 ones, 2 random, 3 the complement of random.
        kind: u8,
        /// Seed of the two random kinds.
        seed: u64,
    }

    /// How far a model may go.
    #[derive(Clone, Copy, Debug)]
    struct Bounds {
        /// In one evaluation.
        ticks_of_step: u64,
        /// In one call of `run`.
        ticks_of_run: u64,
        /// Of several power-up states, how many go on after the first 64 steps; 0 for all.
        starts_kept: u32,
    }

    unsafe extern "C++" {
        include!("bridge.h");

        type Unit;
        type Model;

        fn load_runtime(path: &str) -> Result<()>;
        fn load_unit(path: &str) -> Result<UniquePtr<Unit>>;
        fn find_model(unit: &Unit, symbol: &str) -> Result<UniquePtr<Model>>;
        fn last_ticks() -> u64;

        fn input_widths(self: &Model) -> Vec<u32>;
        fn output_widths(self: &Model) -> Vec<u32>;
        fn input_words(self: &Model) -> u32;
        fn output_words(self: &Model) -> u32;
        fn run(self: &Model, start: Start, rows: &[u64], outputs: &mut [u64], bounds: Bounds)
        -> u8;
        fn run_defined(
            self: &Model,
            starts: &[Start],
            rows: &[u64],
            outputs: &mut [u64],
            defined: &mut [u64],
            bounds: Bounds,
        ) -> u8;
    }
}

pub use ffi::{Bounds, Start};

/// A loaded unit of models; it stays loaded until the process ends.
pub struct Unit(cxx::UniquePtr<ffi::Unit>);

/// A module of a loaded unit.
pub struct Model(cxx::UniquePtr<ffi::Model>);

/// Why a run ended before its last step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// More loop iterations than allowed.
    Loop,
    /// A combinational loop did not settle.
    NotSettled,
    /// `$finish` or `$stop` was reached.
    Finished,
    /// A fatal error of Verilator's runtime.
    Fatal,
    /// Out of memory.
    Memory,
}

/// Loads Verilator's runtime, which every unit needs.
pub fn load_runtime(path: &str) -> Result<(), cxx::Exception> {
    ffi::load_runtime(path)
}

impl Unit {
    /// Loads the shared object at `path`.
    pub fn load(path: &str) -> Result<Unit, cxx::Exception> {
        ffi::load_unit(path).map(Unit)
    }

    /// Finds a module by its symbol.
    pub fn model(&self, symbol: &str) -> Result<Model, cxx::Exception> {
        ffi::find_model(&self.0, symbol).map(Model)
    }
}

impl Model {
    /// Widths of the inputs and of the outputs in bits.
    pub fn widths(&self) -> (Vec<u32>, Vec<u32>) {
        (self.0.input_widths(), self.0.output_widths())
    }

    /// Runs an episode from `start` and fills `outputs` with a row for each step.
    ///
    /// # Panics
    ///
    /// Panics if the blocks do not fit the model: `rows` holds one row more than `outputs`.
    pub fn run(
        &self,
        start: Start,
        rows: &[u64],
        outputs: &mut [u64],
        bounds: Bounds,
    ) -> Result<(), Stop> {
        self.check(rows, outputs);
        stop(self.0.run(start, rows, outputs, bounds))
    }

    /// Runs an episode from all `starts`: values of the first, and the bits in which all agree.
    ///
    /// # Panics
    ///
    /// Panics if the blocks do not fit the model or if `starts` is empty.
    pub fn run_defined(
        &self,
        starts: &[Start],
        rows: &[u64],
        outputs: &mut [u64],
        defined: &mut [u64],
        bounds: Bounds,
    ) -> Result<(), Stop> {
        self.check(rows, outputs);
        assert_eq!(outputs.len(), defined.len());
        assert!(!starts.is_empty());
        stop(self.0.run_defined(starts, rows, outputs, defined, bounds))
    }

    fn check(&self, rows: &[u64], outputs: &[u64]) {
        let width = self.0.output_words() as usize;
        assert!(width > 0, "a module without outputs has nothing to run for");
        let steps = outputs.len() / width;
        assert_eq!(outputs.len(), steps * width);
        assert_eq!(rows.len(), (steps + 1) * self.0.input_words() as usize);
    }
}

/// Loop iterations that the last run took.
pub fn last_ticks() -> u64 {
    ffi::last_ticks()
}

fn stop(code: u8) -> Result<(), Stop> {
    match code {
        0 => Ok(()),
        1 => Err(Stop::Loop),
        2 => Err(Stop::NotSettled),
        3 => Err(Stop::Finished),
        4 => Err(Stop::Fatal),
        5 => Err(Stop::Memory),
        _ => unreachable!("the bridge knows six endings"),
    }
}
