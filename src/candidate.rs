//! A candidate: what a model wrote for a problem.
