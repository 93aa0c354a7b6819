//! The trainer against what TRL recorded, and against itself.

mod parity;
