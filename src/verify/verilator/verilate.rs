//! One module for Verilator: the text with a wrapper that has fixed port names, and the command line.
//!
//! Each module is verilated by itself. One verilation of many modules shares some boilerplate, but then
//! they share a scheduler too: one that oscillates or never ends takes the others with it, and helper
//! modules of the same name have to be renamed. With the boilerplate cut here the cost is the same
//! (see `harvest`), no name is ever changed, and what one module does cannot reach another.

use std::path::Path;

use crate::design::{Direction, Interface, Port};
use crate::verilog::{Kind, Token, lex};

/// The first error in Verilator's messages, without the path of `file`.
pub fn refusal(messages: &str, file: &str) -> String {
    let first = messages.lines().find(|line| line.starts_with("%Error"));
    let line = first.unwrap_or("it gave no reason").replace(&format!("{file}:"), "line ");
    format!("verilator refuses it: {}", line.trim_start_matches("%Error: ").trim())
}

/// Prefix of a module's C++ names: its content decides it, never a position in a batch.
pub fn prefix(source: &str, golden: &Interface, top: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(wrapper(golden, top, "salv").as_bytes());
    hasher.update(source.as_bytes());
    format!("S{}", &hasher.finalize().to_hex()[..20])
}

/// The Verilog text given to Verilator: the module and a wrapper around it named as `prefix`.
///
/// The wrapper has the golden interface with the ports `i0, i1, …` and `o0, o1, …`, so that no port of a
/// candidate can collide with a name of ours or of C++, and extra outputs stay open.
pub fn text(source: &str, golden: &Interface, top: &str, prefix: &str) -> String {
    // The line break ends a comment or a directive that the source leaves open.
    without_reserved(format!("{source}\n{}", wrapper(golden, top, prefix)))
}

/// The one name that Verilator keeps for itself: no module may have it.
const RESERVED: &str = "TOP";

/// Writes another word, which the text does not hold, for each identifier [`RESERVED`], if a module has it.
fn without_reserved(text: String) -> String {
    let named = |token: &Token| {
        let word = &text[token.span.clone()];
        token.kind == Kind::Word && word == RESERVED
            || token.kind == Kind::EscapedIdentifier && word.strip_prefix('\\') == Some(RESERVED)
    };
    let tokens: Vec<Token> = lex(&text).collect();
    let plain = || tokens.iter().filter(|token| !token.kind.is_trivia());
    let is_head =
        |(head, name): (&Token, &Token)| text[head.span.clone()].ends_with("module") && named(name);
    if !plain().zip(plain().skip(1)).any(is_head) {
        return text;
    }
    let mut other = format!("{RESERVED}_");
    while text.contains(&other) {
        other.push('_');
    }
    // The blank that ends an escaped identifier is not part of it.
    tokens
        .iter()
        .map(|token| if named(token) { &other } else { &text[token.span.clone()] })
        .collect()
}

/// Arguments of Verilator for one module, the files last.
pub fn arguments(prefix: &str, folder: &Path, file: &Path) -> Vec<String> {
    let mut arguments: Vec<String> = ARGUMENTS.iter().map(|&a| a.into()).collect();
    arguments.extend([
        "--prefix".into(),
        prefix.into(),
        "--top-module".into(),
        prefix.into(),
        "--Mdir".into(),
        folder.display().to_string(),
        file.display().to_string(),
    ]);
    arguments
}

/// Warnings are off, for slang has judged the text; those that are errors by default and that Icarus
/// accepts are off by name.
pub const ARGUMENTS: &[&str] = &[
    "--cc",
    "--no-timing",
    "--no-assert",
    "--no-std",
    "--flatten",
    "--quiet",
    "--x-initial",
    "unique",
    "--x-assign",
    "unique",
    "--converge-limit",
    "1000",
    "-Wno-fatal",
    "-Wno-lint",
    "-Wno-style",
    "-Wno-BLKANDNBLK",
    "-Wno-ENUMVALUE",
    "-Wno-MULTIDRIVEN",
    "-Wno-TIMESCALEMOD",
];

fn wrapper(golden: &Interface, top: &str, name: &str) -> String {
    let mut ports = Vec::new();
    let mut connections = Vec::new();
    let (mut inputs, mut outputs) = (0, 0);
    for port in &golden.ports {
        let (word, local) = match port.direction {
            Direction::Input => ("input", numbered('i', &mut inputs)),
            _ => ("output", numbered('o', &mut outputs)),
        };
        ports.push(format!("{word} wire {}{local}", range(port)));
        connections.push(format!(".\\{} ({local})", port.name));
    }
    let (ports, connections) = (ports.join(", "), connections.join(", "));
    format!("module {name}({ports});\n\\{top} u({connections});\nendmodule\n")
}

fn numbered(letter: char, count: &mut u32) -> String {
    *count += 1;
    format!("{letter}{}", *count - 1)
}

fn range(port: &Port) -> String {
    if port.width == 1 { String::new() } else { format!("[{}:0] ", port.width - 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_named_as_verilator_names_its_own_is_renamed() {
        let text = "module TOP(input a); endmodule // TOP\nmodule m(input TOP_); \\TOP \\TOP (TOP_); endmodule\n";
        let other = "module TOP__(input a); endmodule // TOP\nmodule m(input TOP_); TOP__ TOP__ (TOP_); endmodule\n";
        assert_eq!(without_reserved(text.into()), other);
        let text = "module m(input TOP); endmodule\n";
        assert_eq!(without_reserved(text.into()), text);
    }

    #[test]
    fn a_refusal_names_the_line_and_not_our_file() {
        let messages =
            "%Warning-X: /tmp/m.sv:1:1: w\n%Error: /tmp/m.sv:6:12: Duplicate declaration\n";
        let text = refusal(messages, "/tmp/m.sv");
        assert_eq!(text, "verilator refuses it: line 6:12: Duplicate declaration");
    }
}
