//! The engine that runs lowered modules over many lanes, on programs made by hand: each operator against evaluators
//! that share nothing with it, control flow, the order of events, and lanes that must not know of each other.

mod build;
mod equal;
mod events;
mod operators;
mod oracle;
mod random;
mod reference;
mod scopes;
mod speed;
mod unroll;
