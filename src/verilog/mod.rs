//! Source text and its tokens.
