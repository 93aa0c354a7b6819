//! A bench whose every print is marked, so that nothing else in the output can be taken for the bench's.
//!
//! In: the text of a bench and a secret. Out: the text with the secret before and after what each printing task
//! prints. The change is made on tokens (a comment or a string that holds `$display` stays as it is) and only adds
//! arguments: `$display("a %d", x)` becomes `$display("\n@secret<", "a %d", x, ">secret@")`. A printing task prints at
//! once, so what stands between the two is the bench's, whatever else writes to the same output.

use crate::verilog::lex::Kind;
use crate::verilog::unit::Scan;

/// The tasks that a bench reports by. `$monitor` prints at times that it does not choose, and no bench reports by it.
const PRINTING: [&str; 2] = ["$display", "$write"];

/// The secret of a run: different for each bench and candidate, the same each time.
pub fn secret(bench: &str, candidate: &str) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("salv 2026 eval: marks of a bench");
    hasher.update(&(bench.len() as u64).to_le_bytes());
    hasher.update(bench.as_bytes());
    hasher.update(candidate.as_bytes());
    hasher.finalize().to_hex()[..32].to_owned()
}

/// The bench with its prints marked.
pub fn marked(bench: &str, secret: &str) -> String {
    let scan = Scan::new(bench);
    let (open, close) = (format!("\"\\n@{secret}<\""), format!("\">{secret}@\\n\""));
    let mut out = String::with_capacity(bench.len() + bench.len() / 4);
    let mut copied = 0;
    let mut insert = |at: usize, text: &str| {
        out.push_str(&bench[copied..at]);
        out.push_str(text);
        copied = at;
    };
    let mut insertions = Vec::new();
    for index in 0..scan.tokens.len() {
        let is_print =
            scan.kind(index) == Some(Kind::SystemName) && PRINTING.contains(&scan.word(index));
        if !is_print {
            continue;
        }
        match closing(&scan, index + 1) {
            None => {
                let at = scan.tokens[index].span.end;
                insertions.push((at, format!("({open}, {close})")));
            }
            Some(end) => {
                let inside = if end == index + 2 { "" } else { ", " };
                insertions.push((scan.tokens[index + 1].span.end, format!("{open}{inside}")));
                insertions.push((scan.tokens[end].span.start, format!(", {close}")));
            }
        }
    }
    insertions.sort_by_key(|(at, _)| *at);
    for (at, text) in &insertions {
        insert(*at, text);
    }
    out.push_str(&bench[copied..]);
    out
}

/// The token that closes the parenthesis at `index`; nothing if none stands there.
fn closing(scan: &Scan, index: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for at in index..scan.tokens.len() {
        // `(*` and `*)` are one token each.
        if scan.kind(at) == Some(Kind::Symbol) {
            for sign in scan.word(at).bytes() {
                match sign {
                    b'(' => depth += 1,
                    b')' => depth = depth.checked_sub(1)?,
                    _ => {}
                }
            }
        }
        if depth == 0 {
            return (at > index).then_some(at);
        }
    }
    None
}

/// What a marked bench printed, one text for each print.
pub fn prints(stdout: &str, secret: &str) -> Vec<String> {
    let (open, close) = (format!("@{secret}<"), format!(">{secret}@"));
    let mut prints = Vec::new();
    let mut rest = stdout;
    while let Some(start) = rest.find(&open) {
        rest = &rest[start + open.len()..];
        let Some(end) = rest.find(&close) else { break };
        prints.push(rest[..end].to_owned());
        rest = &rest[end + close.len()..];
    }
    prints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bench: &str, expected: &str) {
        assert_eq!(marked(bench, "S"), expected);
    }

    #[test]
    fn every_print_gets_its_marks_and_nothing_else_does() {
        check(
            "$display(\"a %d\", f(x, (y)));",
            "$display(\"\\n@S<\", \"a %d\", f(x, (y)), \">S@\\n\");",
        );
        check("$display();", "$display(\"\\n@S<\", \">S@\\n\");");
        check("$display;", "$display(\"\\n@S<\", \">S@\\n\");");
        check("$write(x)", "$write(\"\\n@S<\", x, \">S@\\n\")");
        let untouched = "// $display(1)\n\"$display(2)\" $displayed(3) \\$display (4) $monitor(5)";
        check(untouched, untouched);
        check("$display(\")\", x);", "$display(\"\\n@S<\", \")\", x, \">S@\\n\");");
    }

    #[test]
    fn prints_are_what_stands_between_the_marks() {
        let stdout = "spoof\n@S<one\ntwo>S@\n\n@T<no>T@ x@S<three>S@@S<cut";
        assert_eq!(prints(stdout, "S"), ["one\ntwo", "three"]);
        assert_ne!(secret("ab", "c"), secret("a", "bc"));
    }
}
