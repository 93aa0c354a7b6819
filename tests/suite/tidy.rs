//! The rules of the house, checked so that no one needs to remember them: which module may import which,
//! who may name slang, touch memory or print, how long a function and a file may be, that no test file is
//! forgotten, that scripts stop at the first error, and that no large file slips in.
//!
//! A rule is a function from a file's path and text to complaints, so each is tried on a bad snippet
//! beside the real tree: a rule that cannot fail says nothing.

#![expect(clippy::print_stderr, reason = "long files are reported, not refused")]

mod paths;
mod tokens;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use paths::paths;
use tokens::{Token, item_end, tokens, without_tests};

/// What each module of the crate may import of ours, besides itself; `*` is everything. A new arrow is an
/// expensive line: argue for it where you add it.
const IMPORTS: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    ("lib", &[]),
    ("verilog", &[]),
    ("record", &[]),
    ("worker", &[]),
    ("problem", &["verilog", "record"]),
    ("candidate", &["verilog", "record"]),
    ("corpus", &["verilog", "problem", "candidate", "record"]),
    ("design", &["verilog"]),
    // Spans are in the completion, and a body without a head takes its head from the prompt: hence
    // `candidate` and `problem`.
    ("extract", &["verilog", "worker", "candidate", "problem"]),
    ("verify", &["verilog", "worker", "design", "problem", "candidate", "record"]),
    // The check that cones are right judges blanked texts as candidates.
    ("prove", &["verilog", "extract", "verify", "candidate", "problem"]),
    // A prompt is half of a pair, and says where the code of a completion begins: hence `problem`.
    ("pair", &["verilog", "problem", "candidate", "verify", "extract", "record"]),
    // Files of other programs, in and out.
    ("exchange", &["problem", "candidate", "verify", "pair", "record"]),
    ("model", &[]),
    // Samples to be learnt are `corpus`'s.
    ("train", &["model", "pair", "corpus", "record"]),
    ("sample", &["model", "problem", "candidate", "record"]),
    // Benchmarks are read by `corpus`, and tried by the interfaces that `design` finds.
    (
        "eval",
        &["verilog", "worker", "design", "problem", "candidate", "corpus", "verify", "record"],
    ),
    // It starts the stages as programs; their files are what it reads for its report.
    ("run", &["problem", "verify", "pair", "eval", "record"]),
    ("cli", &["*"]),
    ("bin", &["cli"]),
];

/// Names that only some files may use: the first segments of a path, or a keyword or macro alone.
const RESERVED: &[(&str, &[&str])] = &[
    // `design` asks what a text means, and one module of `verilog` what its form is.
    ("sv_lang", &["src/design/", "src/verilog/syntax"]),
    ("cxx", BRIDGES),
    ("petgraph", &["src/extract/"]),
    ("tch", &["src/model/", "src/train/", "src/sample/", "src/cli/trainer", "src/cli/sampler"]),
    ("tokenizers", &["src/model/", "src/exchange/"]),
    ("minijinja", &["src/model/"]),
    ("safetensors", &["src/model/"]),
    ("ureq", &["src/sample/client"]),
    ("unsafe", BRIDGES),
    ("std::env", &["src/cli/"]),
    ("print!", &["src/cli/"]),
    ("println!", &["src/cli/"]),
    ("eprint!", &["src/cli/"]),
    ("eprintln!", &["src/cli/"]),
];

/// The bridges to C++: to compiled models and simulated boards, to the loader of CUDA's part of LibTorch, and to what LibTorch has
/// and its Rust bindings lack.
const BRIDGES: &[&str] = &[
    "src/verify/verilator/bridge.rs",
    "src/verify/fpga/bridge.rs",
    "src/model/torch.rs",
    "src/train/bridge.rs",
];

const FUNCTION_LINES_MAX: usize = 70;
const FILE_LINES_MAX: usize = 1000;
const FILE_LINES_REPORTED: usize = 600;
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Characters that make a reader see other text than the compiler does.
const BIDIRECTIONAL: std::ops::RangeInclusive<char> = '\u{202a}'..='\u{202e}';
const ISOLATES: std::ops::RangeInclusive<char> = '\u{2066}'..='\u{2069}';

#[test]
fn modules_import_downwards_only() {
    assert_tidy(|path| path.starts_with("src/") && path.ends_with(".rs"), imports);
}

#[test]
fn reserved_names_stay_where_they_belong() {
    assert_tidy(|path| path.starts_with("src/") && path.ends_with(".rs"), reserved);
}

#[test]
fn functions_and_files_are_short() {
    assert_tidy(|path| path.ends_with(".rs"), long_functions);
    assert_tidy(is_source, long_file);
}

#[test]
fn sources_are_plain_text() {
    assert_tidy(is_source, plain_text);
}

#[test]
fn scripts_stop_at_the_first_error() {
    assert_tidy(|_| true, script);
}

#[test]
fn every_test_file_is_registered() {
    let main = read("tests/suite/main.rs");
    assert_tidy(|path| path.starts_with("tests/suite/"), |path, _| registered(path, &main));
}

#[test]
fn no_large_file_is_tracked() {
    let large: Vec<String> =
        tracked_files().into_iter().filter(|path| size(path) > FILE_BYTES_MAX).collect();
    assert!(large.is_empty(), "over {FILE_BYTES_MAX} bytes: {large:?}");
}

fn imports(path: &str, source: &str) -> Vec<String> {
    let module = module_of(path);
    let own =
        module.first().copied().unwrap_or(if path.ends_with("main.rs") { "main" } else { "lib" });
    let Some((_, allowed)) = IMPORTS.iter().find(|(name, _)| *name == own) else {
        return vec![format!("{path}: module {own} has no row in IMPORTS (tests/suite/tidy.rs)")];
    };
    let is_ours = |name: &str| {
        name != "main" && name != "lib" && IMPORTS.iter().any(|(module, _)| *module == name)
    };
    let found = paths(source, &module)
        .into_iter()
        .filter(|path| matches!(path.segments[0].as_str(), "crate" | "salv"));
    found
        .filter(|found| is_ours(&found.segments[1]) && found.segments[1] != own)
        .filter(|found| !allowed.contains(&"*") && !allowed.contains(&found.segments[1].as_str()))
        .map(|found| format!("{path}:{}: {own} may not import {}", found.line, found.segments[1]))
        .collect()
}

fn reserved(path: &str, source: &str) -> Vec<String> {
    let named = paths(source, &module_of(path))
        .into_iter()
        .map(|path| (path.segments.join("::"), path.line));
    let code = without_tests(&tokens(source));
    let single = code.windows(2).filter_map(|pair| match pair[1].text.as_str() {
        "!" => Some((format!("{}!", pair[0].text), pair[0].line)),
        _ if pair[0].text == "unsafe" => Some(("unsafe".to_owned(), pair[0].line)),
        _ => None,
    });
    let uses: Vec<(String, usize)> = named.chain(single).collect();
    let mut complaints = Vec::new();
    let elsewhere = |homes: &[&str]| !homes.iter().any(|home| path.starts_with(home));
    for (name, homes) in RESERVED.iter().filter(|(_, homes)| elsewhere(homes)) {
        let is_name = |text: &str| {
            text == *name || text.strip_prefix(name).is_some_and(|rest| rest.starts_with("::"))
        };
        let strays = uses.iter().filter(|(text, _)| is_name(text));
        complaints.extend(
            strays.map(|(_, line)| format!("{path}:{line}: only {homes:?} may use {name}")),
        );
    }
    complaints
}

fn long_functions(path: &str, source: &str) -> Vec<String> {
    let tokens = tokens(source);
    let is_name = |token: &Token| token.text.starts_with(|c: char| c.is_alphabetic() || c == '_');
    let starts =
        tokens.windows(2).enumerate().filter(|(_, pair)| pair[0].text == "fn" && is_name(&pair[1]));
    let lengths = starts.map(|(at, pair)| {
        let end = item_end(&tokens, at).saturating_sub(1);
        (&pair[1].text, pair[0].line, tokens[end].line - pair[0].line + 1)
    });
    lengths
        .filter(|(_, _, lines)| *lines > FUNCTION_LINES_MAX)
        .map(|(name, line, lines)| {
            format!("{path}:{line}: {name} has {lines} lines, more than {FUNCTION_LINES_MAX}")
        })
        .collect()
}

fn long_file(path: &str, text: &str) -> Vec<String> {
    let lines = text.lines().count();
    if lines > FILE_LINES_REPORTED {
        eprintln!("{path} has {lines} lines: look whether it is one thing");
    }
    let message = format!("{path}: {lines} lines, more than {FILE_LINES_MAX}");
    if lines > FILE_LINES_MAX { vec![message] } else { Vec::new() }
}

/// Prose may hold arrows and accents; code may not, and nothing holds what hides code from a reader.
fn plain_text(path: &str, text: &str) -> Vec<String> {
    let is_hidden = |c: char| BIDIRECTIONAL.contains(&c) || ISOLATES.contains(&c);
    let mut complaints: Vec<String> = Vec::new();
    for (at, line) in text.split('\n').enumerate() {
        let blemishes = [
            (line.contains('\r'), "a carriage return"),
            (line.contains('\t'), "a tab"),
            (line.ends_with([' ', '\t']), "a blank at the end"),
            (line.contains(is_hidden), "a bidirectional control character"),
        ];
        let found = blemishes.iter().filter(|(is_there, _)| *is_there);
        complaints.extend(found.map(|(_, what)| format!("{path}:{}: {what}", at + 1)));
    }
    if !text.is_empty() && !text.ends_with('\n') {
        complaints.push(format!("{path}: no newline at the end"));
    }
    if path.ends_with(".rs") {
        let foreign = tokens(text).into_iter().filter(|token| !token.text.is_ascii());
        complaints.extend(
            foreign.map(|token| format!("{path}:{}: {} is not ASCII", token.line, token.text)),
        );
    }
    complaints
}

fn script(path: &str, text: &str) -> Vec<String> {
    if !text.starts_with("#!") {
        return Vec::new();
    }
    let mut complaints = Vec::new();
    if text.lines().next().is_some_and(|line| line.contains("bash"))
        && !text.lines().any(|line| line == "set -euo pipefail")
    {
        complaints.push(format!("{path}: no line `set -euo pipefail`"));
    }
    let mode = std::fs::metadata(root().join(path)).map_or(0o755, |data| data.permissions().mode());
    if mode & 0o111 == 0 {
        complaints.push(format!("{path}: begins with #! and is not executable"));
    }
    complaints
}

/// A file directly in `tests/suite` is a module of `main.rs`; one deeper is for its parent to name, which
/// the compiler does not check either.
fn registered(path: &str, main: &str) -> Vec<String> {
    let relative = path.strip_prefix("tests/suite/").unwrap_or(path);
    let Some(name) = relative.strip_suffix(".rs").filter(|name| *name != "main") else {
        return Vec::new();
    };
    let (parent, module) = match name.strip_suffix("/mod").unwrap_or(name).rsplit_once('/') {
        None => (main.to_owned(), name.strip_suffix("/mod").unwrap_or(name)),
        Some((folder, module)) => {
            let beside = format!("tests/suite/{folder}.rs");
            let within = format!("tests/suite/{folder}/mod.rs");
            (read(if root().join(&beside).is_file() { &beside } else { &within }), module)
        }
    };
    let is_named =
        tokens(&parent).windows(2).any(|pair| pair[0].text == "mod" && pair[1].text == module);
    if is_named { Vec::new() } else { vec![format!("{path}: nothing says `mod {module};`")] }
}

/// `src/a/b.rs` and `src/a/b/mod.rs` are `["a", "b"]`; `src/lib.rs` and `src/main.rs` are the root.
fn module_of(path: &str) -> Vec<&str> {
    let inner = path.strip_prefix("src/").unwrap_or(path).strip_suffix(".rs").unwrap_or(path);
    inner.split('/').filter(|part| !matches!(*part, "mod" | "lib" | "main")).collect()
}

fn is_source(path: &str) -> bool {
    [".rs", ".cpp", ".h", ".sv", ".svh", ".bash"].iter().any(|ending| path.ends_with(ending))
        && !path.contains("/fixtures/")
}

/// Runs `rule` on every tracked text file that `select` takes, and shows all complaints at once.
fn assert_tidy(select: impl Fn(&str) -> bool, rule: impl Fn(&str, &str) -> Vec<String>) {
    let selected: Vec<String> = tracked_files()
        .into_iter()
        .filter(|path| select(path) && size(path) <= FILE_BYTES_MAX)
        .collect();
    assert!(!selected.is_empty(), "no file is selected: the rule would hold of anything");
    let text = |path: &str| {
        String::from_utf8(std::fs::read(root().join(path)).expect("a tracked file")).ok()
    };
    let complaints: Vec<String> =
        selected.iter().filter_map(|path| Some(rule(path, &text(path)?))).flatten().collect();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// What git tracks or would (new files that are not ignored), as far as it exists.
fn tracked_files() -> Vec<String> {
    let arguments =
        ["-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").args(arguments).current_dir(root()).output().expect("git");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(output.stdout).expect("file names in UTF-8");
    names.split('\0').filter(|name| root().join(name).is_file()).map(str::to_owned).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn size(path: &str) -> u64 {
    std::fs::metadata(root().join(path)).map_or(0, |data| data.len())
}

/// Each rule on text that breaks it, and on text that looks as if it did.
mod rules {
    use super::*;

    #[track_caller]
    fn check(rule: fn(&str, &str) -> Vec<String>, path: &str, text: &str, complaints: usize) {
        let found = rule(path, text);
        assert_eq!(found.len(), complaints, "{path}: {text}: {found:?}");
    }

    #[test]
    fn an_upward_import_is_caught() {
        check(imports, "src/record.rs", "use crate::problem::Problem;\n", 1);
        check(imports, "src/design/ports.rs", "fn f(x: crate::verify::X) {}\n", 1);
        check(imports, "src/verify/mod.rs", "use crate::{cli::run, design};\n", 1);
        check(imports, "src/verify/lanes/mod.rs", "use super::super::super::corpus;\n", 1);
        check(imports, "src/novelty.rs", "", 1);
        check(imports, "src/model/mod.rs", "use crate::record::Meta;\n", 1);
        check(imports, "src/bin/salv-train.rs", "use salv::train::loss;\n", 1);
        check(
            imports,
            "src/verify/compare.rs",
            "use crate::design::Port;\nuse super::verdict::Verdict;\n",
            0,
        );
        check(
            imports,
            "src/record.rs",
            "//! See crate::problem::Problem.\nconst S: &str = \"crate::problem::x\";\n",
            0,
        );
        check(
            imports,
            "src/record.rs",
            "#[cfg(test)]\nmod tests { use crate::problem::Problem; }\n",
            0,
        );
    }

    #[test]
    fn a_reserved_name_elsewhere_is_caught() {
        check(reserved, "src/verify/mod.rs", "use sv_lang::Session;\n", 1);
        check(reserved, "src/verify/mod.rs", "fn f() { unsafe { g() } }\n", 1);
        check(reserved, "src/model/qwen2.rs", "fn f() { unsafe { g() } }\n", 1);
        check(reserved, "src/verify/mod.rs", "fn f(x: tch::Tensor) {}\n", 1);
        check(reserved, "src/train/loss.rs", "fn f(x: tch::Tensor) {}\n", 0);
        check(reserved, "src/verify/mod.rs", "fn f() { println!(\"x\") }\n", 1);
        check(reserved, "src/verify/mod.rs", "use std::{env, fs};\n", 1);
        check(
            reserved,
            "src/verify/mod.rs",
            "fn f() { std::env::var(\"X\"); cxx::let_cxx_string!(x = y); }\n",
            2,
        );
        check(reserved, "src/design/mod.rs", "use sv_lang::Session;\n", 0);
        check(
            reserved,
            "src/verify/verilator/bridge.rs",
            "#[cxx::bridge] mod ffi { unsafe extern \"C++\" {} }\n",
            0,
        );
        check(
            reserved,
            "src/verify/mod.rs",
            "fn f(cxx: &Path) { cxx.join(env!(\"X\")) } // unsafe println!\n",
            0,
        );
    }

    #[test]
    fn a_long_function_is_caught() {
        let body = "    g();\n".repeat(FUNCTION_LINES_MAX - 2);
        check(long_functions, "src/x.rs", &format!("fn f() {{\n{body}}}\n"), 0);
        check(long_functions, "src/x.rs", &format!("fn f() {{\n    g();\n{body}}}\n"), 1);
        check(long_functions, "src/x.rs", &format!("trait T {{\n    fn f();\n{body}{body}}}\n"), 0);
    }

    #[test]
    fn a_long_file_is_caught() {
        check(long_file, "src/x.rs", &"x\n".repeat(FILE_LINES_MAX), 0);
        check(long_file, "src/x.rs", &"x\n".repeat(FILE_LINES_MAX + 1), 1);
    }

    #[test]
    fn text_that_is_not_plain_is_caught() {
        check(plain_text, "src/x.rs", "a\r\nb\tc\nd \n", 3);
        check(plain_text, "src/x.rs", "let \u{3b1} = 1;\n", 1);
        check(plain_text, "src/x.rs", "// \u{202e} reversed\n", 1);
        check(plain_text, "src/x.rs", "no newline", 1);
        check(plain_text, "src/x.rs", "// an arrow \u{2192} in prose\n", 0);
    }

    #[test]
    fn a_script_that_goes_on_after_an_error_is_caught() {
        check(script, "scripts/none", "#!/usr/bin/env bash\nset -e\n", 1);
        check(script, "scripts/none", "#!/usr/bin/env bash\nset -euo pipefail\n", 0);
        check(script, "tests/suite/main.rs", "#!/usr/bin/env bash\nset -euo pipefail\n", 1);
    }

    #[test]
    fn a_forgotten_test_file_is_caught() {
        let forgotten = |path: &str, main: &str| registered(path, main).len();
        assert_eq!(forgotten("tests/suite/verify.rs", "mod tidy;\n// mod verify;\n"), 1);
        assert_eq!(forgotten("tests/suite/verify.rs", "mod tidy;\nmod verify;\n"), 0);
        assert_eq!(forgotten("tests/suite/tidy/tokens.rs", ""), 0);
        assert_eq!(forgotten("tests/suite/tidy/missing.rs", ""), 1);
    }
}
