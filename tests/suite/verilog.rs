//! Tokens and places.

use salv::verilog::{Kind, Place, lex, lex::is_keyword, unit::sole_top};

/// Compares the tokens of a text, white space left out.
fn check(text: &str, expect: &[(Kind, &str)]) {
    let tokens: Vec<(Kind, &str)> =
        covered(text).into_iter().filter(|(kind, _)| *kind != Kind::Whitespace).collect();
    assert_eq!(tokens, expect, "in {text:?}");
}

/// Returns the tokens and makes sure that they cover the text.
fn covered(text: &str) -> Vec<(Kind, &str)> {
    let mut at = 0;
    let mut out = Vec::new();
    for token in lex(text) {
        assert_eq!(token.span.start, at, "in {text:?}");
        assert!(token.span.end > at, "in {text:?}");
        at = token.span.end;
        out.push((token.kind, &text[token.span]));
    }
    assert_eq!(at, text.len(), "in {text:?}");
    out
}

#[test]
fn tokens() {
    use Kind::*;
    check(
        "a$1 _b \\c+d $e `f",
        &[
            (Word, "a$1"),
            (Word, "_b"),
            (EscapedIdentifier, "\\c+d"),
            (SystemName, "$e"),
            (Directive, "`f"),
        ],
    );
    check(
        "4'b0_x 'sh f '0 8 'd 12",
        &[
            (Number, "4"),
            (Number, "'b0_x"),
            (Number, "'sh f"),
            (Number, "'0"),
            (Number, "8"),
            (Number, "'d 12"),
        ],
    );
    check(
        "1.5e-3 10ns 1step '{1} t'(x)",
        &[
            (Number, "1.5e-3"),
            (Number, "10ns"),
            (Number, "1"),
            (Word, "step"),
            (Symbol, "'"),
            (Symbol, "{"),
            (Number, "1"),
            (Symbol, "}"),
            (Word, "t"),
            (Symbol, "'"),
            (Symbol, "("),
            (Word, "x"),
            (Symbol, ")"),
        ],
    );
    check(
        "\"a\\\"b//\" // c\n/* d\n*/e",
        &[(String, "\"a\\\"b//\""), (LineComment, "// c"), (BlockComment, "/* d\n*/"), (Word, "e")],
    );
    check(
        "@(*) (* k *) a<=b",
        &[
            (Symbol, "@"),
            (Symbol, "("),
            (Symbol, "*)"),
            (Symbol, "(*"),
            (Word, "k"),
            (Symbol, "*)"),
            (Word, "a"),
            (Symbol, "<="),
            (Word, "b"),
        ],
    );
    // What is never closed ends at its line, or with the text.
    check("\"open\nb", &[(String, "\"open"), (Word, "b")]);
    check("/*/ b", &[(BlockComment, "/*/ b")]);
    check("é\u{0}", &[(Unknown, "é"), (Unknown, "\u{0}")]);
    // A comment ends at a lone CR, as slang has it.
    check("// a\rb", &[(LineComment, "// a"), (Word, "b")]);
}

#[test]
fn every_cut_is_covered() {
    let text = "é\\ \"a\\\r\n\\\"/*x*/'h'b 1.e+`$$x(*)'sb\u{feff}1_0e5us\\é\"";
    let cuts: Vec<usize> = (0..=text.len()).filter(|&at| text.is_char_boundary(at)).collect();
    for (index, &start) in cuts.iter().enumerate() {
        for &end in &cuts[index..] {
            covered(&text[start..end]);
        }
    }
}

#[test]
fn keywords() {
    for word in ["accept_on", "endmodule", "module", "wire", "xor"] {
        assert!(is_keyword(word), "{word}");
    }
    for word in ["Module", "modules", "y", ""] {
        assert!(!is_keyword(word), "{word}");
    }
}

#[test]
fn places() {
    let text = "ab\r\ncé\rd\ne";
    let at = |offset| (Place::of(text, offset).line, Place::of(text, offset).column);
    assert_eq!(
        [at(0), at(1), at(4), at(5), at(6), at(7), at(8), at(10), at(99)],
        [(1, 1), (1, 2), (2, 1), (2, 2), (2, 2), (2, 3), (3, 1), (4, 1), (4, 2)]
    );
    assert_eq!(Place::of(text, 5).to_string(), "2:2");
}

#[test]
fn the_top_is_what_nobody_instantiates() {
    let leaf = "module leaf(input a); endmodule\n";
    let top = "module top(input a); leaf #(.N(1)) l(a); endmodule\n";
    assert_eq!(sole_top(&format!("{leaf}{top}")).as_deref(), Some("top"));
    assert_eq!(sole_top(&format!("{top}{leaf}")).as_deref(), Some("top"));
    assert_eq!(sole_top(leaf).as_deref(), Some("leaf"));
    assert_eq!(sole_top(&format!("{leaf}module other; endmodule")), None);
    assert_eq!(sole_top("// module x;"), None);
}
