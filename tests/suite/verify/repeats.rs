//! Equal text is judged once, and each of its candidates gets what it would have got alone.

use super::runs::Bench;
use salv::candidate::Candidate;
use salv::problem::Problem;

const GOLDEN: &str = "module inverter(input a, output y); assign y = ~a; endmodule\n";
const WRONG: &str = "module inverter(input a, output y); assign y = a; endmodule\n";
const BROKEN: &str = "module inverter(input a, output y);\nassign y = ;\nendmodule\n";

fn problem(name: &str, golden: &str, top: &str) -> Problem {
    Problem {
        problem: name.into(),
        prompt: String::new(),
        golden: golden.into(),
        golden_top: None,
        top: top.into(),
        testbench: None,
        inputs: Default::default(),
        source: None,
        licence: None,
    }
}

fn bench(rows: &[(&str, String)]) -> Bench {
    let bench = Bench::new(&[]);
    let other = "module buffer(input a, output y); assign y = a; endmodule\n";
    bench.write(
        "problems.jsonl",
        [
            problem("one", GOLDEN, "inverter"),
            problem("again", GOLDEN, "inverter"),
            problem("other", other, "inverter"),
            problem("named", GOLDEN, "turned"),
            problem("bad", "module inverter(; endmodule", "inverter"),
        ]
        .iter(),
    );
    let candidates = rows.iter().enumerate().map(|(number, (problem, completion))| Candidate {
        problem: (*problem).into(),
        id: format!("c{number}"),
        completion: completion.clone(),
    });
    bench.write("candidates.jsonl", candidates);
    bench
}

fn repeated(bench: &Bench, output: &str) -> u64 {
    let timings: serde_json::Value =
        serde_json::from_str(&bench.read(&format!("{output}.timings.json"))).expect("JSON");
    timings["repeated"].as_u64().expect("a count")
}

#[test]
fn equal_text_is_judged_once_and_each_candidate_gets_its_own_verdict() {
    let fenced =
        |lines: usize, code: &str| format!("{}```verilog\n{code}```\n", "Well.\n".repeat(lines));
    let rows = [
        ("one", GOLDEN.to_owned()),
        ("one", fenced(0, WRONG)),
        ("one", fenced(3, WRONG)),
        ("one", fenced(2, BROKEN)),
        ("one", fenced(0, BROKEN)),
        ("one", fenced(7, BROKEN)),
        ("again", WRONG.to_owned()),
        // Under another golden module, or another name, the same text is something else.
        ("other", WRONG.to_owned()),
        ("named", WRONG.to_owned()),
        ("bad", WRONG.to_owned()),
        ("bad", WRONG.to_owned()),
        // Without code there is nothing to compare.
        ("one", "I do not know.".to_owned()),
        ("one", "I do not know.".to_owned()),
        ("one", WRONG.to_owned()),
    ];
    let all = bench(&rows);
    let together = all.verify("verdicts.jsonl", &["--threads", "2"]);
    assert_eq!(repeated(&all, "verdicts.jsonl"), 5);
    assert_eq!(together, all.verify("single.jsonl", &["--threads", "1", "--batch", "1"]));
    assert_eq!(repeated(&all, "single.jsonl"), 5);

    let lines: Vec<&str> = together.lines().collect();
    let message = |row: usize| {
        let verdict: serde_json::Value = serde_json::from_str(lines[row]).expect("a verdict");
        verdict["message"].as_str().unwrap_or_default().to_owned()
    };
    for (row, line) in [(3, "line 5:"), (4, "line 3:"), (5, "line 10:")] {
        assert!(message(row).starts_with(line), "row {row}: {}", message(row));
    }

    // Each row alone, with nothing to be equal to.
    for (number, row) in rows.iter().enumerate() {
        let alone = bench(std::slice::from_ref(row));
        let verdict =
            alone.verify("verdicts.jsonl", &[]).replace("\"c0\"", &format!("\"c{number}\""));
        assert_eq!(verdict.trim_end(), lines[number], "row {number}");
    }
}

/// More rows than are read ahead, nearly all equal: they are written in order while the first is judged.
#[test]
fn a_long_file_of_equal_rows_is_judged_once() {
    let rows: Vec<(&str, String)> = (0..40_000)
        .map(|row| ("one", if row % 20_000 == 7 { GOLDEN.to_owned() } else { WRONG.to_owned() }))
        .collect();
    let bench = bench(&rows);
    let verdicts = bench.verify("verdicts.jsonl", &["--threads", "2"]);
    assert_eq!(repeated(&bench, "verdicts.jsonl"), 40_000 - 2);
    for (row, line) in verdicts.lines().enumerate() {
        assert!(line.contains(&format!("\"candidate\":\"c{row}\"")), "row {row}: {line}");
        assert_eq!(line.contains("\"wrong\""), row % 20_000 != 7, "row {row}: {line}");
    }
    assert_eq!(verdicts.lines().count(), 40_000);
}
