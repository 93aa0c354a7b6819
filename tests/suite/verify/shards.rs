//! Parts of a run and their merge: the bytes of an undivided run, or an error that names the file and the cure.

use super::fixture::Fixture;
use super::runs::{Bench, succeeded};

/// Candidates without identifiers, so that each has the number of its row.
fn bench() -> Bench {
    let fixture = Fixture::load("printing");
    let bench = Bench::new(&[Fixture::load("printing")]);
    let rows = fixture.cases.iter().map(|case| &case.candidate);
    bench.write(
        "candidates.jsonl",
        rows.map(|row| serde_json::json!({ "problem": row.problem, "completion": row.completion })),
    );
    bench
}

/// Makes the parts `part-K.jsonl` of `of`.
fn parts(bench: &Bench, of: usize) {
    for part in 1..=of {
        let shard = format!("{part}/{of}");
        bench.verify(&format!("part-{part}.jsonl"), &["--shard", &shard]);
    }
}

#[test]
fn parts_merge_to_the_bytes_of_one_run() {
    let bench = bench();
    let whole = bench.verify("whole.jsonl", &[]);
    assert!(whole.lines().count() > 8, "each of three parts has rows");
    assert!(whole.contains("\"candidate\":\"7\""), "rows are named by their number");
    parts(&bench, 3);
    let sizes: Vec<usize> =
        (1..=3).map(|part| bench.read(&format!("part-{part}.jsonl")).lines().count()).collect();
    assert_eq!(sizes.iter().sum::<usize>(), whole.lines().count());
    assert!(sizes.iter().max().expect("three") - sizes.iter().min().expect("three") <= 1);
    let files = ["part-2.jsonl", "part-3.jsonl", "part-1.jsonl"];
    succeeded(&mut bench.salv(&[&["merge"], &files[..], &["-o", "merged.jsonl"]].concat()));
    assert_eq!(whole, bench.read("merged.jsonl"));
    assert_eq!(bench.read("whole.jsonl.meta.json"), bench.read("merged.jsonl.meta.json"));
}

#[test]
fn more_parts_than_rows_leave_some_empty() {
    let bench = bench();
    let first: Vec<String> =
        bench.read("candidates.jsonl").lines().take(2).map(|line| line.to_owned() + "\n").collect();
    std::fs::write(bench.path("candidates.jsonl"), first.concat()).expect("two rows");
    let whole = bench.verify("whole.jsonl", &[]);
    parts(&bench, 3);
    let files = ["merge", "part-1.jsonl", "part-2.jsonl", "part-3.jsonl", "-o", "merged.jsonl"];
    succeeded(&mut bench.salv(&files));
    assert_eq!(whole, bench.read("merged.jsonl"));
}

#[test]
fn a_stopped_part_is_continued_and_only_as_itself() {
    let bench = bench();
    parts(&bench, 2);
    let part = bench.read("part-2.jsonl");
    let first = part.lines().next().expect("a row").to_owned() + "\n{\"prob";
    std::fs::write(bench.path("part-2.jsonl"), first).expect("a torn part");
    let error = refused(&bench, &["merge", "part-1.jsonl", "part-2.jsonl", "-o", "merged.jsonl"]);
    assert!(error.contains("part-2.jsonl") && error.contains("--shard 2/2 --resume"), "{error}");
    for other in [&["--shard", "1/2"][..], &["--shard", "2/3"], &[]] {
        let output = bench.command("part-2.jsonl", other).arg("--resume").output().expect("a run");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && stderr.contains("shard"), "{other:?}: {stderr}");
    }
    assert_eq!(part, bench.verify("part-2.jsonl", &["--shard", "2/2", "--resume"]));
}

#[test]
fn what_is_not_one_run_is_not_merged() {
    let bench = bench();
    parts(&bench, 3);
    bench.verify("other.jsonl", &["--shard", "3/3", "--seed", "7"]);
    bench.verify("half.jsonl", &["--shard", "2/2"]);
    bench.verify("whole.jsonl", &[]);
    let copy = |from: &str, to: &str, text: String| {
        std::fs::write(bench.path(to), text).expect("a copy");
        let meta = bench.read(&format!("{from}.meta.json"));
        std::fs::write(bench.path(&format!("{to}.meta.json")), meta).expect("its provenance");
    };
    let third = bench.read("part-3.jsonl");
    copy("part-3.jsonl", "long.jsonl", third.clone() + &third);
    copy("part-3.jsonl", "zeros.jsonl", third.replacen('{', "\0", 1));
    std::fs::write(bench.path("bare.jsonl"), &third).expect("a part without provenance");
    for (last, words) in [
        (&["part-2.jsonl"][..], &["part 3 of 3 is missing", "--shard 3/3"][..]),
        (&["part-2.jsonl", "part-3.jsonl", "part-2.jsonl"], &["part-2.jsonl", "leave one out"]),
        (&["part-2.jsonl", "other.jsonl"], &["other.jsonl", "seed", "7", "same settings"]),
        (&["half.jsonl"], &["half.jsonl", "shard.of = 2", "with 3"]),
        (&["part-2.jsonl", "whole.jsonl"], &["whole.jsonl", "--shard"]),
        (&["part-2.jsonl", "long.jsonl"], &["long.jsonl", "a row too many", "part 3/3"]),
        (&["part-2.jsonl", "zeros.jsonl"], &["zeros.jsonl", "line 1"]),
        (&["part-2.jsonl", "bare.jsonl"], &["bare.jsonl.meta.json"]),
        (&["part-2.jsonl", "part-3.jsonl", "-o", "part-1.jsonl"], &["part-1.jsonl", "overwrite"]),
    ] {
        let first = bench.read("part-1.jsonl");
        let arguments = [&["merge", "part-1.jsonl"], last, &["-o", "merged.jsonl"]].concat();
        let end = if last.contains(&"-o") { arguments.len() - 2 } else { arguments.len() };
        let error = refused(&bench, &arguments[..end]);
        for word in words {
            assert!(error.contains(word), "{last:?}: no {word} in: {error}");
        }
        assert!(!bench.path("merged.jsonl").exists(), "{last:?}: nothing is left of it");
        assert_eq!(first, bench.read("part-1.jsonl"));
    }
    for (shard, word) in
        [("0/3", "from 1"), ("4/3", "from 1"), ("3", "third of eight"), ("1/0", "")]
    {
        let output = bench.command("no.jsonl", &["--shard", shard]).output().expect("a run");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && stderr.contains(word), "{shard}: {stderr}");
    }
}

/// Runs what must fail and returns what it said.
fn refused(bench: &Bench, arguments: &[&str]) -> String {
    let output = bench.salv(arguments).output().expect("a command that starts");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
    stderr
}
