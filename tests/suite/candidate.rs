//! What is taken for Verilog in a completion.

use salv::candidate::extract_code;

#[test]
fn probe() {
    let data = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let data = if data.exists() { data } else { "/work/shared/data".into() };
    let problems: std::collections::HashMap<_, _> =
        salv::problem::load(&data.join("problems.jsonl")).unwrap().into_iter().map(|p| (p.problem.clone(), p)).collect();
    #[derive(serde::Deserialize)]
    struct Row { problem: String, completion: String, iverilog: String }
    for name in ["candidates.jsonl", "candidates_more.jsonl.gz"] {
        let start = std::time::Instant::now();
        let (mut n, mut none) = (0, 0);
        let mut cut = std::collections::BTreeMap::new();
        for row in salv::record::read::<Row>(&data.join(name)).unwrap() {
            let row = row.unwrap().value;
            n += 1;
            let p = &problems[&row.problem];
            match extract_code(&row.completion, &p.prompt, &p.top) {
                Err(e) => { none += 1; if row.iverilog == "ok" { println!("!! none ok {e} {}", row.problem) }
                    if none % 20 == 1 { println!("NONE {} {e} {:?}", row.problem, &row.completion.chars().take(200).collect::<String>()); } }
                Ok(code) => {
                    let raw = row.completion.replace("\r\n", "\n");
                    if code.text.trim() != raw.trim() {
                        let k = cut.entry(row.iverilog.clone()).or_insert(0);
                        *k += 1;
                        if row.iverilog == "ok" || row.iverilog == "elab" || *k % 25 == 1 {
                            println!("CUT {} {} {} of {}\n   {:?}\n   {:?} ... {:?}", row.iverilog, row.problem, code.text.len(), row.completion.len(),
                            row.completion.chars().take(150).collect::<String>(), code.text.chars().take(100).collect::<String>(), code.text.chars().rev().take(60).collect::<String>().chars().rev().collect::<String>());
                        }
                    }
                }
            }
        }
        println!("{name}: {n} rows, {none} without code, cut {cut:?}, {:?}", start.elapsed());
    }
}
