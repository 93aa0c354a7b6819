//! Differential testing of simulators: random modules that are legal and leave nothing to the order of processes,
//! played by an engine of ours and by another on the same inputs.
//!
//! [`random_module`] makes a module of a seed, [`crate::verify::icarus::Icarus::play`] plays many of them in few
//! processes, [`first_difference`] compares two traces sample by sample in four states, and [`mod@shrink`] makes
//! what differs small. Every difference is a fault: of ours, of the other, or of the generator, which promises that
//! the standard leaves nothing open. Which one, only a person with the standard can say.

mod draw;
mod family;
mod module;
mod play;
mod shrink;
mod stage;
mod trace;

pub use family::{Families, Family};
pub use module::{RandomModule, TOP, random_module, reading};
pub use play::play;
pub use shrink::shrink;
pub use stage::Stage;
pub use trace::{Difference, FourState, Rule, first_difference, outputs};
