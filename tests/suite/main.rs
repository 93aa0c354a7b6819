//! The one integration-test binary: a module for each stage.
mod design;
