//! Finding the Verilog in a completion.
//!
//! The order of looking: outside of reasoning; in JSON if the answer is JSON; between `[BEGIN]` and `[DONE]`
//! if they are there; then in code blocks. Of the blocks, the last one that declares `top` is the answer,
//! fenced or not; otherwise the last fenced one with any module, then the last one outside of fences. Modules
//! and packages that it uses and does not declare are taken from the other blocks: a reader would paste
//! both. A closed fence is taken as it is; where a side is open, prose before the first and after the last
//! design unit is left out. Macros defined in another block are not looked for.
//!
//! Without any module, a body continues the module head at the end of the prompt. What is left, though it is
//! no module, is given to the parser if it is labelled as Verilog or has the look of it, so that broken
//! Verilog gets the parser's message and is not called prose.
//!
//! Every step is linear in the completion, except that the uses of helpers are looked up once more for each
//! helper taken.

use std::ops::Range;

use super::{answer, body, clean, code::Code, fence, fence::Block, fence::Label, json};
use crate::verilog::lex::is_keyword;
use crate::verilog::unit::{Scan, Unit, uses};

/// Longest completion that is looked at. Published runs sample 2,048 tokens, some 8 KiB; the longest of
/// 32,000 real ones has 254 KB (a model that repeats itself); reasoning of 128k tokens stays below.
pub const COMPLETION_BYTES_MAX: usize = 1 << 20;

/// Helper units taken from other blocks; more is not an answer but an attack.
const HELPERS_MAX: usize = 64;

/// Why a completion gives no code: the candidate's fault, recorded as its status.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoCode {
    /// There is nothing but white space.
    #[error("the completion is empty")]
    Empty,
    /// The completion is longer than [`COMPLETION_BYTES_MAX`].
    #[error("the completion has {bytes} bytes, more than {COMPLETION_BYTES_MAX}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// There is text, but no Verilog in it.
    #[error("the completion holds no Verilog")]
    NoVerilog,
}

/// Finds the Verilog in a completion.
///
/// `prompt` gives the module head that a body may continue, `top` the name that the module should have: it
/// decides between several blocks and refuses none.
pub fn extract_code(completion: &str, prompt: &str, top: &str) -> Result<Code, NoCode> {
    if completion.len() > COMPLETION_BYTES_MAX {
        return Err(NoCode::TooLong { bytes: completion.len() });
    }
    let is_blank = |c: char| c.is_whitespace() || c.is_control() || c == '\u{feff}';
    if completion.chars().all(is_blank) {
        return Err(NoCode::Empty);
    }
    answer::answers(completion)
        .into_iter()
        .find_map(|part| from_answer(completion, part, prompt, top))
        .ok_or(NoCode::NoVerilog)
}

fn from_answer(completion: &str, part: Range<usize>, prompt: &str, top: &str) -> Option<Code> {
    let strings: Vec<Code> = json::strings(completion, part.clone())
        .into_iter()
        .map(|decoded| clean::clean(decoded.into_iter()))
        .filter(|string| !Scan::new(&string.text).units.is_empty())
        .collect();
    if let Some(last) =
        strings.iter().rfind(|string| Scan::new(&string.text).declares(top)).or(strings.last())
    {
        return from_marked(last, prompt, top);
    }
    from_marked(&clean::plain(completion, part), prompt, top)
}

fn from_marked(text: &Code, prompt: &str, top: &str) -> Option<Code> {
    answer::marked(&text.text)
        .into_iter()
        .find_map(|part| {
            let mut inside = Code::default();
            inside.append(text, part);
            from_blocks(&inside, prompt, top)
        })
        .or_else(|| from_blocks(text, prompt, top))
}

/// A block with what was found in it; positions in the scan count from the block's start.
struct Found<'a> {
    block: Block,
    scan: Scan<'a>,
}

fn from_blocks(text: &Code, prompt: &str, top: &str) -> Option<Code> {
    let found: Vec<Found> = fence::split(&text.text)
        .into_iter()
        .map(|block| Found { scan: Scan::new(&text.text[block.range.clone()]), block })
        .collect();
    let fenced = |found: &&Found| found.block.label != Label::Outside;
    let module = |found: &&Found| found.scan.units.iter().any(|unit| unit.is_module);
    let with_top = |found: &&Found| found.scan.declares(top);
    let last = |wanted: &dyn Fn(&&Found) -> bool| found.iter().rev().find(|found| wanted(found));
    if let Some(chosen) = last(&|f| fenced(f) && with_top(f)).or_else(|| last(&|f| with_top(f))) {
        return Some(with_helpers(text, &found, chosen, top));
    }
    // A body that comes before helper modules is told by the `endmodule` that no head belongs to.
    if let Some((chosen, part, ended)) = body_of(&found)
        && let Some(head) = body::open_head(prompt)
    {
        return Some(continue_head(text, head, chosen, part, ended));
    }
    if let Some(chosen) = last(&|f| fenced(f) && module(f)).or_else(|| last(&module)) {
        return Some(with_helpers(text, &found, chosen, top));
    }
    let labelled = |f: &&Found| f.block.label == Label::Verilog && !f.scan.tokens.is_empty();
    let range = last(&labelled)
        .map(|found| found.block.range.clone())
        .or_else(|| without_module(&found))?;
    let mut out = Code::default();
    out.append(text, range);
    Some(out)
}

/// Chooses the block whose body continues the prompt's module: the last fenced one, else the last one.
fn body_of<'a, 'b>(found: &'b [Found<'a>]) -> Option<(&'b Found<'a>, Range<usize>, bool)> {
    let bodies = || {
        found.iter().rev().filter(|found| found.block.label != Label::Other).filter_map(|found| {
            let (range, ended) = body::find(&found.scan)?;
            // Without `endmodule`, a text with modules in it is those modules and not a body before them.
            (ended || found.scan.units.is_empty()).then_some((found, range, ended))
        })
    };
    bodies().find(|(found, ..)| found.block.label != Label::Outside).or_else(|| bodies().next())
}

fn continue_head(text: &Code, head: &str, chosen: &Found, part: Range<usize>, ended: bool) -> Code {
    let start = chosen.block.range.start;
    let head = clean::plain(head, 0..head.len()).text;
    let mut out = Code::default();
    out.add(&head);
    if !head.ends_with('\n') {
        out.add("\n");
    }
    out.append(text, start + part.start..start + part.end);
    if !ended {
        out.add("\nendmodule\n");
    }
    out
}

/// Returns the text of a block and, before it, the units of other blocks that it uses.
fn with_helpers(text: &Code, found: &[Found], chosen: &Found, top: &str) -> Code {
    let mut out = Code::default();
    for (owner, unit) in helpers(found, chosen) {
        let start = owner.block.range.start;
        out.append(text, start + unit.span.start..start + unit.span.end);
        out.add("\n");
    }
    let start = chosen.block.range.start;
    for (index, part) in kept_parts(chosen, top).into_iter().enumerate() {
        if index > 0 {
            out.add("\n");
        }
        out.append(text, start + part.start..start + part.end);
    }
    out
}

/// Finds the units of other blocks that the chosen block uses, directly or not, in the order of the text.
fn helpers<'a, 'b>(found: &'b [Found<'a>], chosen: &Found) -> Vec<(&'b Found<'a>, &'b Unit)> {
    if found.len() == 1 {
        return Vec::new();
    }
    let place = chosen.block.range.start;
    // The latest definition before the chosen block counts, otherwise the first after it.
    let mut known = std::collections::BTreeMap::new();
    for owner in found.iter().filter(|owner| owner.block.range.start != place) {
        for unit in owner.scan.units.iter().filter(|unit| unit.closed) {
            let is_before = owner.block.range.start < place;
            if is_before || !known.contains_key(unit.name.as_str()) {
                known.insert(unit.name.as_str(), (owner, unit));
            }
        }
    }
    for unit in &chosen.scan.units {
        known.remove(unit.name.as_str());
    }
    let mut taken: Vec<(&Found, &Unit)> = Vec::new();
    let mut used = uses(&chosen.scan, 0..chosen.scan.tokens.len());
    while let Some(name) = used.pop() {
        if let Some((owner, unit)) = known.remove(name) {
            taken.push((owner, unit));
            used.extend(uses(&owner.scan, unit.first_token..unit.end_token));
        }
        if taken.len() >= HELPERS_MAX {
            break;
        }
    }
    taken.sort_by_key(|(owner, unit)| owner.block.range.start + unit.span.start);
    taken
}

/// Returns what to keep of the chosen block: all of it between two fences, otherwise without the prose
/// around and between its units.
fn kept_parts(chosen: &Found, top: &str) -> Vec<Range<usize>> {
    let scan = &chosen.scan;
    let whole = 0..scan.text.len();
    if chosen.block.closed && chosen.block.label != Label::Outside {
        return vec![whole];
    }
    // What was cut off after a finished `top` is a test bench or prose.
    let has_top = scan.units.iter().any(|unit| unit.is_module && unit.closed && unit.name == top);
    let kept =
        scan.units.iter().rposition(|unit| unit.closed || !has_top).map_or(0, |last| last + 1);
    let units = &scan.units[..kept];
    let (Some(first), Some(last)) = (units.first(), units.last()) else {
        return vec![whole];
    };
    let fenced = chosen.block.label != Label::Outside;
    let start = if fenced {
        Some(0)
    } else {
        (0..first.first_token).find(|&token| scan.starts_file_item(token))
    };
    let start = start.unwrap_or(first.first_token);
    // Comments before the first token stay; they change nothing and the text is as the model wrote it.
    let mut part_start = if start == 0 { 0 } else { scan.tokens[start].span.start };
    let mut parts = Vec::new();
    for pair in units.windows(2) {
        if pair[0].closed && scan.is_prose(pair[0].end_token..pair[1].first_token) {
            parts.push(part_start..pair[0].span.end);
            part_start = pair[1].span.start;
        }
    }
    let is_all = kept == scan.units.len();
    parts.push(part_start..if is_all { end_of_code(scan, last) } else { last.span.end });
    parts
}

/// Returns where the code ends: with the text if what follows the last unit is Verilog (a directive, or
/// something that begins with a keyword, if only a second `endmodule`: the parser is to see it), otherwise
/// with the unit.
fn end_of_code(scan: &Scan, last: &Unit) -> usize {
    let next = last.end_token;
    let is_code = scan.starts_file_item(next)
        || is_keyword(scan.word(next)) && !scan.is_prose(next..scan.tokens.len());
    if next == scan.tokens.len() || is_code { scan.text.len() } else { last.span.end }
}

/// Returns what may be Verilog though no module can be made out: from a `module` whose head is broken, or
/// from a module item, to the last `endmodule` or `;`.
/// Returns the text from a `module` whose head is broken to the last `endmodule`.
fn without_module(found: &[Found]) -> Option<Range<usize>> {
    found.iter().rev().find_map(|found| {
        let scan = &found.scan;
        let part = match (0..scan.tokens.len())
            .find(|&token| scan.word(token) == "module" && scan.starts_line(token))
        {
            None => body::find(scan)?.0,
            Some(start) => {
                let mut tokens = (start..scan.tokens.len()).rev();
                let end = tokens.find(|&token| matches!(scan.word(token), "endmodule" | ";"))?;
                scan.tokens[start].span.start..scan.tokens[end].span.end
            }
        };
        let block = found.block.range.start;
        Some(block + part.start..block + part.end)
    })
}
