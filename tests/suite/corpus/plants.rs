//! Changes that copies of a module or a prompt have gone through, made token by token.

use std::collections::BTreeMap;

use salv::verilog::Kind;
use salv::verilog::lex::is_keyword;
use salv::verilog::unit::Scan;

/// What was done to a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Every token in a line of its own.
    Reformatted,
    /// A comment after every semicolon, and in front.
    Commented,
    /// Modules have other names.
    ModuleRenamed,
    /// All names are others, those of modules and ports too.
    AllRenamed,
    /// Formatting, comments and all names.
    Disguised,
    /// Disguised, between a helper and a test bench.
    DisguisedAmongOthers,
    /// One number is another.
    OneConstant,
    /// One operator is another.
    OneOperator,
    /// A declaration is added.
    Addition,
    /// Disguised, and one number is another.
    DisguisedOneConstant,
    /// Every number is another.
    AllConstants,
}

/// All changes, the mild ones first.
pub const CHANGES: [Change; 11] = [
    Change::Reformatted,
    Change::Commented,
    Change::ModuleRenamed,
    Change::AllRenamed,
    Change::Disguised,
    Change::DisguisedAmongOthers,
    Change::OneConstant,
    Change::OneOperator,
    Change::Addition,
    Change::DisguisedOneConstant,
    Change::AllConstants,
];

/// Returns the units of `golden` after a change; `None` where there is nothing to change.
pub fn plant(golden: &str, change: Change) -> Option<String> {
    let mut words = words(golden);
    let mut separator = " ";
    match change {
        Change::Reformatted => separator = "\n",
        Change::Commented => comment(&mut words),
        Change::ModuleRenamed => rename(&mut words, &modules(golden)),
        Change::AllRenamed => rename_all(&mut words),
        Change::Disguised | Change::DisguisedAmongOthers => {
            rename_all(&mut words);
            comment(&mut words);
            separator = "\n";
        }
        Change::OneConstant => change_number(&mut words)?,
        Change::OneOperator => {
            let operator = |word: &(Kind, String)| matches!(word.1.as_str(), "&" | "|" | "+" | "^");
            let at = words.iter().position(operator)?;
            words[at].1 = if words[at].1 == "&" { "|" } else { "&" }.to_owned();
        }
        Change::Addition => {
            let end = words.iter().rposition(|word| word.1 == "endmodule")?;
            words.insert(end, (Kind::Word, "wire [3:0] added = 4'd5;".to_owned()));
        }
        Change::DisguisedOneConstant => {
            change_number(&mut words)?;
            rename_all(&mut words);
            comment(&mut words);
        }
        Change::AllConstants => {
            let numbers = words.iter_mut().filter(|word| word.0 == Kind::Number);
            numbers.for_each(|word| word.1 = other_number(&word.1));
        }
    }
    let text: Vec<&str> = words.iter().map(|word| word.1.as_str()).collect();
    let text = text.join(separator) + "\n";
    let between = change == Change::DisguisedAmongOthers;
    let helper = "module helper (input p, output q);\n  assign q = !p;\nendmodule\n";
    let bench =
        "module bench;\n  reg r;\n  initial begin r = 0; #10 r = 1; #10 $finish; end\nendmodule\n";
    Some(if between { format!("{helper}\n{text}\n{bench}") } else { text })
}

/// The tokens of all units, without comments and white space.
fn words(golden: &str) -> Vec<(Kind, String)> {
    let scan = Scan::new(golden);
    let inside = scan.units.iter().flat_map(|unit| unit.first_token..unit.end_token);
    inside.map(|at| (scan.tokens[at].kind, scan.word(at).to_owned())).collect()
}

fn modules(golden: &str) -> BTreeMap<String, String> {
    let units = Scan::new(golden).units;
    units.into_iter().map(|unit| (unit.name.clone(), format!("my_{}", unit.name))).collect()
}

fn rename(words: &mut [(Kind, String)], names: &BTreeMap<String, String>) {
    for (_, word) in words {
        if let Some(name) = names.get(word.as_str()) {
            word.clone_from(name);
        }
    }
}

fn rename_all(words: &mut [(Kind, String)]) {
    let is_name = |word: &(Kind, String)| word.0 == Kind::Word && !is_keyword(&word.1);
    let names: std::collections::BTreeSet<String> =
        words.iter().filter(|word| is_name(word)).map(|word| word.1.clone()).collect();
    // In another order than that of the text, so that no numbering agrees by chance.
    let others =
        names.iter().enumerate().map(|(at, name)| (name.clone(), format!("w{}_", 977 - at)));
    rename(words, &others.collect());
}

fn comment(words: &mut [(Kind, String)]) {
    let ends = words.iter_mut().filter(|word| word.1 == ";");
    ends.enumerate().for_each(|(at, word)| word.1 = format!("; // remark {at}: y = a & b;\n"));
    if let Some(first) = words.first_mut() {
        first.1.insert_str(0, "/* module other; endmodule */\n");
    }
}

fn change_number(words: &mut [(Kind, String)]) -> Option<()> {
    let numbers: Vec<usize> = (0..words.len()).filter(|&at| words[at].0 == Kind::Number).collect();
    let at = *numbers.get(numbers.len() / 2)?;
    words[at].1 = other_number(&words[at].1);
    Some(())
}

fn other_number(number: &str) -> String {
    let (head, last) = number.split_at(number.len() - 1);
    format!("{head}{}", if last == "1" { "0" } else { "1" })
}
