//! Pairs for TRL's `DPOTrainer`: JSON lines with `prompt`, `chosen` and `rejected`.
//!
//! The three fields are those of TRL's preference data, as texts ("standard") or as lists of messages
//! ("conversational", to which the trainer applies the model's chat template). TRL knows no masks of a user's
//! and ignores further columns: `chosen_spans`, `rejected_spans`, `signals`, `kind` and the names stand beside
//! them for a loss that does. Spans are byte offsets into the completion, in both forms.

use serde::Serialize;

use crate::pair::{Kind, Pair, WeightedSpan};

/// A row of TRL's preference data.
#[derive(Debug, Serialize)]
pub struct Row<'p> {
    prompt: Text<'p>,
    chosen: Text<'p>,
    rejected: Text<'p>,
    problem: &'p str,
    chosen_id: &'p str,
    rejected_id: &'p str,
    kind: Kind,
    signals: &'p [String],
    chosen_spans: &'p [WeightedSpan],
    rejected_spans: &'p [WeightedSpan],
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Text<'p> {
    Plain(&'p str),
    Chat([Message<'p>; 1]),
}

#[derive(Debug, Serialize)]
struct Message<'p> {
    role: &'static str,
    content: &'p str,
}

/// The row of a pair, as messages if `is_chat`.
pub fn row(pair: &Pair, is_chat: bool) -> Row<'_> {
    let text = |role, content| match is_chat {
        true => Text::Chat([Message { role, content }]),
        false => Text::Plain(content),
    };
    Row {
        prompt: text("user", &pair.prompt),
        chosen: text("assistant", &pair.chosen),
        rejected: text("assistant", &pair.rejected),
        problem: &pair.problem,
        chosen_id: &pair.chosen_id,
        rejected_id: &pair.rejected_id,
        kind: pair.kind,
        signals: &pair.signals,
        chosen_spans: &pair.chosen_spans,
        rejected_spans: &pair.rejected_spans,
    }
}
