//! Files of other programs: pairs for other trainers, and verdicts to and from the published pipeline.
//!
//! [`trl`] and [`llama_factory`] write what these trainers read, [`sim_info`] the counts that the published
//! QiMeng-SALV code passes from its simulation to the steps after it. With `sim_info` and the file of
//! [`llama_factory`] the published pipeline can take its simulation, its syntax trees and its pairs from here;
//! each module says from which of its files a format was read.

pub mod llama_factory;
pub mod sim_info;
pub mod trl;
