//! Extraction: which code of a module implements which of its outputs.
//!
//! In goes a candidate's code and the name of its top module; out comes, for each output, the *cone*: the
//! byte spans of everything the output's value depends on. That is every assignment to what it reads, in
//! whatever depth; the heads of the `if`, `case`, loop and event control around them; the declarations,
//! parameters, types, functions, tasks and macros they use; the instances with what of their module feeds
//! the port; and the frame of the module. A cone is cut finer than lines: of `{cout, sum} = a + b; z = c;` one
//! statement, of a declaration of three names one.
//!
//! The order is: [`crate::verilog::expand`] takes the directives away, [`crate::verilog::syntax`] gives a
//! tree, [`units`], [`declarations`] and [`statements`] walk it once and collect items, names and uses
//! ([`draft`]), [`resolve`] and [`hierarchy`] make edges of them, [`cone`] walks the graph backwards from an
//! output, and [`span`] turns items into bytes. All but the last walk is done once for a text.
//!
//! Dependence is by names and constant selects ([`bits`]), and without regard to order: of
//! `t = a; y = t; t = b;` all three statements are in the cone of `y`; of `v[0] = a; y = v[1];` only the second
//! is, and of `v[i] = a; y = v[1];` both. That errs on one side only: a cone may hold what is not needed, and
//! lacks nothing that is. What cannot be followed (a `bind`, a path into another hierarchy, a text that
//! slang does not take) is an explicit whole module with its reason, never a silent guess.
//!
//! How much too wide a cone is: by simulation, `salv extract --check` takes statements out and tells what they
//! do; by structure, `salv bench cones` compares with Yosys's fan-in. What is left is the order of a process (a
//! value that is overwritten before it is read), conditions that are constant, and states that one output does
//! not tell apart.
//!
//! Attributes (`(* … *)`) are in no cone. Of a conditional (`` `ifdef ``) the directives are in no cone and
//! the branch that is not taken is not there.

mod bits;
mod cone;
mod declarations;
mod draft;
mod hierarchy;
mod resolve;
mod span;
mod statements;
mod units;

pub mod run;
pub mod worker;

use crate::verilog::Place;
use crate::verilog::expand::expand;
use crate::verilog::syntax::{self, ParseError};

pub use cone::{Analysis, Cone, Kept};

use draft::Draft;

/// Reads `code` and makes the graph of its module `top`; the error says why its outputs have no cones.
///
/// The parser is recursive: call it on a thread with [`syntax::STACK_BYTES`], and in a process that may die
/// if the text is not trusted.
pub fn analyse<'c>(code: &'c str, top: &str) -> Result<Analysis<'c>, String> {
    let expanded = expand(code).map_err(|error| error.to_string())?;
    let tree = syntax::parse(&expanded.text).map_err(|error| match error {
        ParseError::Refused { offset, .. } => {
            format!("{error} ({})", Place::of(code, expanded.source_of(offset)))
        }
        ParseError::TooLarge(_) => error.to_string(),
    })?;
    let mut draft = Draft::new(&tree);
    draft.walk();
    draft.resolve();
    draft.connect_instances();
    if let Some(why) = draft.global.take() {
        return Err(why);
    }
    let analysis = Analysis::new(code, top, draft, &expanded);
    analysis.ok_or_else(|| format!("no module `{top}` in the text"))
}
