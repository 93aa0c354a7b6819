//! What goes wrong with files shows before anything is done, and costs nothing that was there.

use std::process::Command;

use crate::verify::{Bench, Fixture, succeeded};

const CASES: &str = r"
//# golden gate
module gate(input a, b, output x, y);
  assign x = a & b;
  assign y = a ^ b;
endmodule
//# candidate itself: correct
//# candidate other: x wrong, y correct
//- a & b
//+ a | b
";

/// The two candidates, verified, extracted and paired.
fn bench() -> Bench {
    let bench = Bench::new(&[Fixture::parse("files", CASES)]);
    bench.verify("verdicts.jsonl", &[]);
    succeeded(&mut bench.salv(&["extract", "candidates.jsonl", "--problems", "problems.jsonl"]));
    succeeded(&mut pair(&bench, &[]));
    bench
}

const ALL: [&str; 4] = ["problems.jsonl", "candidates.jsonl", "--verdicts", "verdicts.jsonl"];

fn pair(bench: &Bench, more: &[&str]) -> Command {
    bench.salv(&[&["pair"], &ALL[..], more].concat())
}

fn write(bench: &Bench, file: &str, text: &str) {
    std::fs::write(bench.path(file), text).expect("written");
}

/// Everything in the folder, by name.
fn everything(bench: &Bench) -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<_> = std::fs::read_dir(bench.path("."))
        .expect("the folder")
        .map(|entry| entry.expect("an entry"))
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, std::fs::read(entry.path()).unwrap_or_default())
        })
        .collect();
    all.sort();
    all
}

/// Runs a command that must fail with these words and leave every file as it is.
fn refused(bench: &Bench, command: &mut Command, words: &[&str]) {
    let before = everything(bench);
    let output = command.output().expect("a command that starts");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{command:?}: {text}");
    words.iter().for_each(|word| assert!(text.contains(word), "{word:?} in {text}"));
    assert_eq!(everything(bench), before, "{command:?}");
}

#[test]
fn nothing_that_is_given_or_written_is_overwritten() {
    let bench = bench();
    let verify = ["verify", "problems.jsonl", "candidates.jsonl", "-o", "new.jsonl"];
    let twice = ["would be written twice"];
    for junit in ["new.jsonl", "new.jsonl.meta.json", "new.jsonl.ahead", "./new.jsonl"] {
        let all = [&verify[..], &["--junit", junit]].concat();
        refused(&bench, &mut bench.salv(&all), &twice);
    }
    let all = [&verify[..], &["--junit", "no/report.xml"]].concat();
    refused(&bench, &mut bench.salv(&all), &["has no folder", "make no"]);
    refused(&bench, &mut pair(&bench, &["--report", "pairs.jsonl.meta.json"]), &twice);
    refused(&bench, &mut pair(&bench, &["--report", "verdicts.jsonl"]), &["overwrite an input"]);
    let rows = ["bench", "rows", "candidates.jsonl", "--rows", "3", "-o", "candidates.jsonl"];
    refused(&bench, &mut bench.salv(&rows), &["overwrite an input"]);
    let show = ["show", "verdicts.jsonl", "files/gate/other", "--html", "m", "--vcd", "m"];
    refused(&bench, &mut bench.salv(&show), &twice);
    let to_device = ["verify", "problems.jsonl", "candidates.jsonl", "-o", "/dev/null"];
    refused(&bench, &mut bench.salv(&to_device), &["/dev/null is no file"]);

    for part in ["1/2", "2/2"] {
        let name = format!("part-{}.jsonl", &part[..1]);
        let all = ["verify", "problems.jsonl", "candidates.jsonl", "-o", &name, "--shard", part];
        succeeded(&mut bench.salv(&all));
    }
    let merge = ["merge", "part-1.jsonl", "part-2.jsonl", "-o"];
    let all = [&merge[..], &["whole.jsonl", "--junit", "part-1.jsonl"]].concat();
    refused(&bench, &mut bench.salv(&all), &["overwrite an input"]);
    let all = [&merge[..], &["part-2.jsonl"]].concat();
    refused(&bench, &mut bench.salv(&all), &["overwrite an input"]);
    let all = ["merge", "part-1.jsonl", "part-1.jsonl.meta.json"];
    refused(&bench, &mut bench.salv(&all), &["name the file alone"]);
}

#[test]
fn a_pipe_is_no_input() {
    let bench = bench();
    let script = "cat candidates.jsonl | \"$0\" verify problems.jsonl /dev/stdin -o verdicts.jsonl";
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_salv")]).current_dir(bench.path("."));
    refused(&bench, &mut command, &["/dev/stdin: it is no file", "write it to a file"]);
    let folder = ["verify", ".", "candidates.jsonl"];
    refused(&bench, &mut bench.salv(&folder), &["it is no file"]);
}

#[test]
fn inputs_are_looked_at_before_an_output_is_replaced() {
    let bench = bench();
    let good = bench.read("candidates.jsonl");
    let extract = |bench: &Bench| bench.salv(&["extract", "bad.jsonl", "--problems", ALL[0]]);
    let verify = |bench: &Bench| bench.salv(&["verify", "problems.jsonl", "bad.jsonl"]);
    let both = |text: &str, words: &[&str]| {
        write(&bench, "bad.jsonl", text);
        refused(&bench, &mut extract(&bench), words);
        refused(&bench, &mut verify(&bench), words);
    };
    both(&format!("{good}{{\n"), &["bad.jsonl:3: ", "(column 1)", "cut off"]);
    let strange = r#"{"problem": "nobody", "completion": ""}"#;
    both(&format!("{good}\n{strange}\n"), &["bad.jsonl:4: ", "no problem is called `nobody`"]);
    let first = good.lines().next().expect("a candidate");
    both(&format!("{good}{first}\n"), &["bad.jsonl:3: ", "stands on line 1 too", "an `id`"]);

    write(&bench, "short.jsonl", bench.read("verdicts.jsonl").lines().next().expect("a verdict"));
    std::fs::copy(bench.path("verdicts.jsonl.meta.json"), bench.path("short.jsonl.meta.json"))
        .expect("copied");
    let short = ["pair", "problems.jsonl", "candidates.jsonl", "--verdicts", "short.jsonl"];
    refused(&bench, &mut bench.salv(&short), &["short.jsonl ends before"]);
    let info = ["--problems", "problems.jsonl", "-o", "info.json"];
    let all = [&["export", "sim-info", "short.jsonl"], &info[..]].concat();
    refused(&bench, &mut bench.salv(&all), &["verdicts of 1 of the 2 candidates", "--resume"]);
    let missing = ["pair", "problems.jsonl", "candidates.jsonl", "--verdicts", "nope.jsonl"];
    refused(&bench, &mut bench.salv(&missing), &["nope.jsonl is not there", "salv verify"]);
}

/// What is torn in the middle shows late, and the file that was there stays.
#[test]
fn a_file_that_cannot_be_continued_is_whole_or_as_before() {
    let bench = bench();
    let pairs = bench.read("pairs.jsonl");
    succeeded(&mut bench.salv(&["export", "trl", "pairs.jsonl", "-o", "out.json"]));
    write(&bench, "torn.jsonl", &format!("{pairs}{}", &pairs[..40]));
    let torn = ["export", "trl", "torn.jsonl", "-o", "out.json"];
    refused(&bench, &mut bench.salv(&torn), &["torn.jsonl:", "cut off"]);
    let missing = ["export", "trl", "nope.jsonl", "-o", "out.json"];
    refused(&bench, &mut bench.salv(&missing), &["open nope.jsonl: No such file"]);
    let said = bench.salv(&missing).output().expect("a command that starts").stderr;
    let said = String::from_utf8_lossy(&said);
    assert_eq!(said.matches("No such file").count(), 1, "a cause stands once: {said}");
}

#[test]
fn nothing_to_judge_is_no_success() {
    let bench = bench();
    write(&bench, "empty.jsonl", "");
    let all = ["verify", "problems.jsonl", "empty.jsonl", "-o", "none.jsonl"];
    succeeded(&mut bench.salv(&all));
    let asked = [&all[..], &["--fail-on", "wrong"]].concat();
    let output = bench.salv(&asked).output().expect("a command that starts");
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no candidate"));
    // A part of few rows may have none.
    succeeded(&mut bench.salv(&[&asked[..], &["--shard", "1/2"]].concat()));
}

#[test]
fn flags_without_a_use_are_refused() {
    let bench = bench();
    let verify = |more: &[&str]| {
        bench.salv(&[&["verify", "problems.jsonl", "candidates.jsonl"], more].concat())
    };
    for flag in [["--port", "/dev/null"], ["--programmer", "none"], ["--board", "hx8k"]] {
        refused(&bench, &mut verify(&flag), &["are for --backend fpga"]);
    }
    let extract = ["extract", "candidates.jsonl", "--problems", "problems.jsonl"];
    for flag in [&["--deletions", "3"][..], &["--list"], &["--single"], &["--min-holds", "0.5"]] {
        let all = [&extract[..], flag].concat();
        refused(&bench, &mut bench.salv(&all), &[flag[0], "is for --check"]);
    }
    let check = ["extract", "candidates.jsonl", "--check", "problems.jsonl", "--backend", "fpga"];
    refused(&bench, &mut bench.salv(&check), &["is for `salv verify` alone"]);
    let other = ["bench", "lanes", "problems.jsonl", "candidates.jsonl", "--verdicts"];
    let turned: Vec<String> =
        bench.read("verdicts.jsonl").lines().rev().map(|line| format!("{line}\n")).collect();
    write(&bench, "turned.jsonl", &turned.concat());
    let all = [&other[..], &["turned.jsonl"]].concat();
    refused(&bench, &mut bench.salv(&all), &["are of other candidates"]);
}
