//! Training: sequences with a weight for each token in, gradients out.
//!
//! [`batch`] makes of texts and byte spans the tokens and weights that [`loss`] sums over. Spans come from the
//! extraction of the code that implements a signal; nothing here knows Verilog.

pub mod batch;
pub mod loss;
