//! Text that was Verilog: cut, spliced, nested and sprinkled with bytes, as a seed says. What reads text of candidates must
//! survive it ([`super::extract_damage`], [`super::verify`]).

use std::ops::Range;

use salv::verilog::{lex, lex::is_keyword};

/// Numbers from a seed: xorshift64*.
pub struct Draw(u64);

impl Draw {
    pub fn new(seed: u64, round: u64) -> Draw {
        Draw(
            (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
                ^ (round + 1).wrapping_mul(0xbf58_476d_1ce4_e5b9)
                | 1,
        )
    }

    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let draw = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(draw).expect("31 bits") % limit.max(1)
    }

    fn range(&mut self, length: usize) -> Range<usize> {
        let (one, other) = (self.below(length + 1), self.below(length + 1));
        // Mostly short: what is damaged everywhere is refused at once.
        let start = one.min(other);
        start..one.max(other).min(start + 1 + self.below(12)).min(length)
    }
}

const PAIRS: [(&str, &str); 12] = [
    ("(", ")"),
    ("{", "}"),
    ("[", "]"),
    ("begin ", " end "),
    ("(* ", " *)"),
    ("if (a) ", ";"),
    ("case (a) 0: ", " endcase "),
    ("generate ", " endgenerate "),
    ("module inner; ", " endmodule "),
    ("function f; ", " endfunction "),
    ("/* ", " */"),
    ("`define M(x) ", "\n`M(a)"),
];

/// A text made of `texts` by a few kinds of damage.
pub fn damaged(texts: &[String], draw: &mut Draw) -> String {
    let tokens =
        |text: &str| -> Vec<String> { lex(text).map(|t| text[t.span].to_owned()).collect() };
    let mut words = tokens(&texts[draw.below(texts.len())]);
    for _ in 0..=draw.below(3) {
        let range = draw.range(words.len());
        match draw.below(16) {
            0 => drop(words.drain(range)),
            1 => {
                let other = tokens(&texts[draw.below(texts.len())]);
                let part = draw.range(other.len());
                words.splice(range, other[part].iter().cloned());
            }
            2 => {
                let copy = words[range.clone()].to_vec();
                let copies = 1 + draw.below(30);
                words.splice(range.start..range.start, std::iter::repeat_n(copy, copies).flatten());
            }
            3 => {
                let (open, close) = PAIRS[draw.below(PAIRS.len())];
                let levels = 1 + draw.below(40);
                words.insert(range.end, close.repeat(levels));
                words.insert(range.start, open.repeat(levels));
            }
            4 => words.truncate(range.end),
            5 if range.len() > 1 => words.swap(range.start, range.end - 1),
            6 if words.len() > 1 => words.insert(range.start, "\u{e9}\u{1f600}\0\r".into()),
            7 => return bytes_flipped(&words.concat(), draw),
            kind => still_verilog(&mut words, kind, draw),
        }
    }
    words.concat()
}

/// Damage that most often leaves a module: a name for another name, a name in brackets, a statement twice or
/// gone.
fn still_verilog(words: &mut Vec<String>, kind: usize, draw: &mut Draw) {
    let is_name = |word: &String| word.starts_with(char::is_alphabetic) && !is_keyword(word);
    let names: Vec<usize> = (0..words.len()).filter(|&at| is_name(&words[at])).collect();
    let ends: Vec<usize> = (0..words.len()).filter(|&at| words[at] == ";").collect();
    if names.is_empty() || ends.len() < 2 {
        return;
    }
    let (name, other) = (names[draw.below(names.len())], names[draw.below(names.len())]);
    let at = draw.below(ends.len() - 1);
    let statement = ends[at] + 1..ends[at + 1] + 1;
    match kind % 4 {
        0 => words[name] = words[other].clone(),
        1 => {
            let levels = 1 + draw.below(20);
            words[name] = "(".repeat(levels) + &words[name] + &")".repeat(levels);
        }
        2 => {
            let copy = words[statement.clone()].to_vec();
            words.splice(statement.start..statement.start, copy);
        }
        _ => drop(words.drain(statement)),
    }
}

/// The text with some bytes replaced by any others.
fn bytes_flipped(text: &str, draw: &mut Draw) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=draw.below(4) {
        let at = draw.below(bytes.len());
        if let Some(byte) = bytes.get_mut(at) {
            *byte = u8::try_from(draw.below(256)).expect("a byte");
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A number from the environment.
pub fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name}={value}")))
}
