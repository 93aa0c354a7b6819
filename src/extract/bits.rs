//! Parts of vectors and memories: a constant select is a symbol of its own.
//!
//! `v[3:2]` needs what drives bits 3 and 2, what drives all of `v`, and what drives an index of `v` that is
//! not constant; of `v[0] = a; y = v[1];` the first statement is not in the cone of `y`. An index counts in
//! the outermost dimension, as the first select of a name does: bits of a vector, words of a memory,
//! elements of an array. Two selects have nothing in common if their indices have not, whatever range the
//! name is declared with; the rest of a path (`m[2][3:0]`, `m[2].field`) is not looked at.
//!
//! A constant is a literal, a parameter whose value is known whoever instantiates the module, or a sum,
//! difference or product of these. All else counts as an access to the whole.

use std::ops::Range;

use petgraph::graph::NodeIndex;

use super::draft::{Draft, ScopeId, Symbol, SymbolId};
use crate::verilog::Kind;

/// Indices from the first to the last, both included.
pub(super) type Bits = (i64, i64);

/// Different selects of one name; past that all are accesses to the whole.
const PARTS_MAX: usize = 256;

/// Parameters whose values are named by parameters, and brackets in brackets.
const DEPTH_MAX: usize = 16;

/// A range of indices that a constant select names.
#[derive(Debug)]
pub(super) struct Part {
    bits: Bits,
    /// What an access that reads it needs.
    read: NodeIndex<u32>,
    /// What needs the items that drive it, and no others.
    drivers: NodeIndex<u32>,
}

/// Where the value of a parameter stands.
#[derive(Clone, Debug)]
pub(super) struct Constant {
    /// The tokens before its name: keyword and type.
    pub head: Range<usize>,
    /// The tokens behind `=`.
    pub value: Range<usize>,
}

/// A value that is not negative, and the bits in which it is computed.
#[derive(Clone, Copy)]
struct Number {
    value: i64,
    width: u32,
}

impl Number {
    /// A number that fits its width.
    fn new(value: i64, width: u32) -> Option<Number> {
        let fits = value >= 0 && (width >= 63 || value >> width == 0);
        fits.then_some(Number { value, width })
    }
}

impl Symbol {
    /// The vertices of which one at least is needed by whatever reads the symbol or a part of it.
    pub fn read_vertices(&self) -> impl Iterator<Item = NodeIndex<u32>> + '_ {
        std::iter::once(self.value).chain(self.parts.iter().map(|part| part.read))
    }
}

impl Draft<'_> {
    /// The vertex that an access needs which reads these bits of a symbol, or all of it.
    pub fn read_vertex(&mut self, symbol: SymbolId, bits: Option<Bits>) -> NodeIndex<u32> {
        let part = bits.and_then(|bits| self.part(symbol, bits));
        part.map_or(self.symbols[symbol].value, |part| self.symbols[symbol].parts[part].read)
    }

    /// The vertex that needs the items which drive these bits of a symbol, or all of it.
    pub fn drivers_vertex(&mut self, symbol: SymbolId, bits: Option<Bits>) -> NodeIndex<u32> {
        let part = bits.and_then(|bits| self.part(symbol, bits));
        part.map_or(self.symbols[symbol].drivers, |part| self.symbols[symbol].parts[part].drivers)
    }

    /// The part of a symbol with these bits, which is made if there is none.
    fn part(&mut self, symbol: SymbolId, bits: Bits) -> Option<usize> {
        let parts = &self.symbols[symbol].parts;
        if let Some(known) = parts.iter().position(|part| part.bits == bits) {
            return Some(known);
        }
        if parts.len() == PARTS_MAX {
            return None;
        }
        let (read, drivers) = (self.graph.add_node(()), self.graph.add_node(()));
        let record = &mut self.symbols[symbol];
        let mut edges =
            vec![(read, record.declared), (read, record.drivers), (record.value, drivers)];
        record.parts.push(Part { bits, read, drivers });
        for other in &record.parts {
            if other.bits.0 <= bits.1 && bits.0 <= other.bits.1 {
                edges.extend([(read, other.drivers), (other.read, drivers)]);
            }
        }
        for (from, to) in edges {
            self.graph.add_edge(from, to, ());
        }
        Some(self.symbols[symbol].parts.len() - 1)
    }

    /// The indices that the select behind a name picks, if they are constant.
    pub fn select(&mut self, scope: ScopeId, token: usize, end: usize) -> Option<Bits> {
        if self.word(token + 1) != "[" {
            return None;
        }
        let close = self.closing(token + 1, end);
        let inside = token + 2..close;
        let Some(colon) = self.find(inside.clone(), ":") else {
            let Number { value, .. } = self.constant(scope, inside, 0)?;
            return Some((value, value));
        };
        let is_indexed = colon > inside.start && matches!(self.word(colon - 1), "+" | "-");
        let first = inside.start..colon - usize::from(is_indexed);
        let Number { value: first, .. } = self.constant(scope, first, 0)?;
        let Number { value: second, .. } = self.constant(scope, colon + 1..close, 0)?;
        let bits = match self.word(colon - 1) {
            _ if !is_indexed => (first.min(second), first.max(second)),
            "+" => (first, first.checked_add(second)?.checked_sub(1)?),
            _ => (first.checked_sub(second)?.checked_add(1)?, first),
        };
        (bits.0 <= bits.1).then_some(bits)
    }

    /// The value of an expression, if it is the same in every instance.
    fn constant(&mut self, scope: ScopeId, tokens: Range<usize>, depth: usize) -> Option<Number> {
        if depth == DEPTH_MAX {
            return None;
        }
        // The last operator of the weakest kind: what stands before it is computed first.
        for operators in [["+", "-"], ["*", "*"]] {
            let Some(last) = self.last_of(tokens.clone(), &operators) else { continue };
            let one = self.constant(scope, tokens.start..last, depth + 1)?;
            let other = self.constant(scope, last + 1..tokens.end, depth + 1)?;
            let value = match self.word(last) {
                "+" => one.value.checked_add(other.value),
                "-" => one.value.checked_sub(other.value),
                _ => one.value.checked_mul(other.value),
            };
            return Number::new(value?, one.width.max(other.width));
        }
        if self.word(tokens.start) == "("
            && self.closing(tokens.start, tokens.end) + 1 == tokens.end
        {
            return self.constant(scope, tokens.start + 1..tokens.end - 1, depth + 1);
        }
        match tokens.len() {
            1 if self.is_name(tokens.start) => self.parameter(scope, tokens.start, depth),
            1 | 2 => self.literal(tokens),
            _ => None,
        }
    }

    /// The last token of a range that is one of these words and stands in no bracket of it.
    fn last_of(&self, tokens: Range<usize>, words: &[&str]) -> Option<usize> {
        let mut last = None;
        let mut rest = tokens;
        while !rest.is_empty() {
            let at = match self.word(rest.start) {
                "(" | "[" | "{" => self.closing(rest.start, rest.end),
                word => {
                    last = if words.contains(&word) { Some(rest.start) } else { last };
                    rest.start
                }
            };
            rest.start = at + 1;
        }
        last
    }

    /// `5`, `3'd5`, `'h1f`; nothing that is signed in its base, or undefined.
    fn literal(&self, tokens: Range<usize>) -> Option<Number> {
        let is_number =
            |token: usize| self.tree.tokens.get(token).is_some_and(|t| t.kind == Kind::Number);
        if !tokens.clone().all(is_number) {
            return None;
        }
        let digits = self.word(tokens.end - 1).replace('_', "").to_ascii_lowercase();
        let Some(based) = digits.strip_prefix('\'') else {
            let value = digits.parse().ok().filter(|_| tokens.len() == 1)?;
            return Number::new(value, 32);
        };
        let width = match tokens.len() {
            1 => 32,
            _ => self.word(tokens.start).replace('_', "").parse().ok()?,
        };
        let radix = match based.chars().next()? {
            'b' => 2,
            'o' => 8,
            'd' => 10,
            'h' => 16,
            _ => return None,
        };
        Number::new(i64::from_str_radix(based[1..].trim(), radix).ok()?, width)
    }

    fn parameter(&mut self, scope: ScopeId, token: usize, depth: usize) -> Option<Number> {
        let symbol = self.lookup(scope, self.name(token), None)?;
        let record = &self.symbols[symbol];
        let (scope, Constant { head, value }) = (record.scope, record.constant.clone()?);
        if self.is_overridden(symbol) {
            return None;
        }
        let number = self.constant(scope, value, depth + 1)?;
        Number::new(number.value, self.width(scope, head, number.width, depth)?)
    }

    /// Whether an instance may give a parameter another value. (A `defparam` makes all cones whole modules.)
    fn is_overridden(&self, symbol: SymbolId) -> bool {
        let Some(of) = self.modules.iter().position(|m| m.parameters.contains(&symbol)) else {
            return false;
        };
        let sets = |instance: &&super::draft::Instance| {
            instance.positional_parameters || !instance.parameters.is_empty()
        };
        let mut setting = self.instances.iter().filter(sets);
        setting.any(|instance| self.module_names.get(&instance.of) == Some(&of))
    }

    /// The bits of a parameter with this keyword and type, whose value has `own` bits.
    fn width(&mut self, scope: ScopeId, head: Range<usize>, own: u32, depth: usize) -> Option<u32> {
        let range = self.find(head.clone(), "[").unwrap_or(head.end);
        let words = (head.start..range).map(|token| self.word(token));
        let mut width = own;
        for word in words {
            width = match word {
                "parameter" | "localparam" | "unsigned" => continue,
                "integer" | "int" => 32,
                "logic" | "bit" | "reg" => 1,
                _ => return None,
            };
        }
        if range == head.end {
            return Some(width);
        }
        let close = self.closing(range, head.end);
        let colon = self.find(range + 1..close, ":").filter(|_| close + 1 == head.end)?;
        let first = self.constant(scope, range + 1..colon, depth + 1)?.value;
        let last = self.constant(scope, colon + 1..close, depth + 1)?.value;
        u32::try_from(first.abs_diff(last)).ok()?.checked_add(1)
    }
}
