//! Tokens to a completion: where it ends, and what of it is text.

use super::{Finish, Settings};
use crate::model::Tokenizer;

/// What a byte that belongs to no character becomes, as in Python's decoder.
const NO_CHARACTER: char = '\u{fffd}';

/// How many tokens more than a stop text has bytes are decoded to look for it: a token has a byte at least, unless
/// it is one that stands for nothing.
const TOKENS_MORE: usize = 4;

/// Whether the tokens so far end a completion, the last of them being new.
pub(super) fn ends(
    tokenizer: &Tokenizer,
    settings: &Settings,
    tokens: &[u32],
) -> Result<bool, String> {
    let Some(last) = tokens.last() else { return Ok(false) };
    if settings.ends.contains(last) {
        return Ok(true);
    }
    let Some(longest) = settings.stop.iter().map(String::len).max() else { return Ok(false) };
    let tail = tokenizer.decode(&tokens[tokens.len().saturating_sub(longest + TOKENS_MORE)..])?;
    Ok(settings.stop.iter().any(|stop| tail.contains(stop.as_str())))
}

/// The text of a completion, without what ended it.
///
/// Bytes of the model that form no character are U+FFFD, as transformers has it. A character of which the limit of
/// tokens cut the rest off is left out: it is no fault of the model's.
pub(super) fn completion(
    tokenizer: &Tokenizer,
    settings: &Settings,
    tokens: &[u32],
    finish: Finish,
) -> Result<String, String> {
    let last = tokens.last().filter(|last| settings.ends.contains(last));
    let mut text = tokenizer.decode(&tokens[..tokens.len() - usize::from(last.is_some())])?;
    if last.is_none() {
        let found = settings.stop.iter().filter_map(|stop| text.find(stop.as_str())).min();
        text.truncate(found.unwrap_or(text.len()));
    }
    if finish == Finish::Length && text.ends_with(NO_CHARACTER) {
        let whole = tokenizer.encode(NO_CHARACTER.encode_utf8(&mut [0; 4]))?.ids;
        if !tokens.ends_with(&whole) {
            text.pop();
        }
    }
    Ok(text)
}
