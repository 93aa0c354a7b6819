//! Cones as byte spans, snippet by snippet.
//!
//! A fixture holds snippets, each under a line `//// OUTPUT: what it shows`. Under each line of code that has
//! bytes in the cone of OUTPUT stands a line `//` with a `^` under each of them. Indentation is not marked.
//! `SALV_MARK=1` writes the marks that are found into the fixtures; read them before you keep them.

use std::ops::Range;
use std::path::Path;

use salv::extract::analyse;

/// Runs `work` on a stack as deep as the parser wants.
fn deep<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(256 << 20);
        thread.spawn_scoped(scope, work).expect("a thread").join().expect("no panic")
    })
}

/// The last module of a text that is called `top`, or the first one.
fn spans(code: &str, output: &str) -> Result<Vec<Range<usize>>, String> {
    deep(|| {
        let analysis = analyse(code, "top")?;
        let cone = analysis.cone(output).ok_or(format!("no output {output}"))?;
        if let Some(why) = cone.whole {
            return Err(why);
        }
        Ok(analysis.spans(&cone))
    })
}

/// Code with a line of marks under each line that has bytes in a span.
fn marked(code: &str, spans: &[Range<usize>]) -> String {
    let mut out = String::new();
    let mut at = 0;
    for line in code.split_inclusive('\n') {
        let is_in = |offset: usize| spans.iter().any(|span| span.contains(&(at + offset)));
        let text = line.trim_end();
        let indent = text.len() - text.trim_start().len();
        let mut marks: String =
            (0..text.len()).map(|o| if o >= indent && is_in(o) { '^' } else { ' ' }).collect();
        out.push_str(line);
        if marks.contains('^') {
            assert!(marks.starts_with("  "), "code is indented by two columns: {line}");
            marks.replace_range(..2, "//");
            out.push_str(marks.trim_end());
            out.push('\n');
        }
        at += line.len();
    }
    out
}

fn check_fixture(name: &str) -> usize {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/extract").join(name);
    let text = std::fs::read_to_string(&path).expect("a fixture");
    let mut wrong = Vec::new();
    let mut all = text.split("//// ").next().unwrap_or("").to_owned();
    let mut count = 0;
    for snippet in text.split("//// ").skip(1) {
        let (title, body) = snippet.split_once('\n').expect("a title");
        let (output, _) = title.split_once(':').expect("OUTPUT: title");
        let is_marks = |line: &&str| line.starts_with("//");
        let code: String =
            body.split_inclusive('\n').filter(|line| !is_marks(line)).collect();
        let found = match spans(&code, output) {
            Ok(spans) => marked(&code, &spans),
            Err(why) => format!("{code}// whole module: {why}\n"),
        };
        all.push_str(&format!("//// {title}\n{found}"));
        if found.trim_end() != body.trim_end() {
            wrong.push(format!("//// {title}\n{found}"));
        }
        count += 1;
    }
    if std::env::var_os("SALV_MARK").is_some() {
        std::fs::write(&path, all).expect("a fixture");
        wrong.clear();
    }
    assert!(wrong.is_empty(), "{name}: found\n{}", wrong.concat());
    count
}

#[test]
fn every_construct_is_cut_where_it_is_marked() {
    let fixtures = ["statements.sv", "declarations.sv", "generate.sv", "hierarchy.sv", "whole.sv"];
    let count: usize = fixtures.into_iter().map(check_fixture).sum();
    assert!(count >= 60, "{count} snippets");
}
#[test]
fn scratch() {
    let text = "module top(input clk); task step; begin y <= y + a; z <= b; end endtask always @(posedge clk) if (a[0]) step; else idle; endmodule";
    deep(|| {
        let tree = salv::verilog::syntax::parse(text).unwrap();
        for node in &tree.nodes { eprintln!("{:?} {:?}", node, node.tokens.clone().map(|t| tree.word(t)).collect::<Vec<_>>().join(" ")); }
    });
}
