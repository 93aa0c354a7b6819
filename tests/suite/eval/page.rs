//! The page, opened in a browser at two widths and in both schemes: it asks for nothing, holds no script, does not
//! scroll sideways, and what candidates and benches wrote stays text.

use std::path::Path;

use serde_json::json;

use super::{Bench, command, has_icarus, report, run, succeeded};
use crate::show::browser::{self, Browser};

/// A candidate whose name and whose refusal hold markup.
fn hostile() -> Bench {
    let bench = Bench::new(&[]);
    let attack =
        "<script>window.hacked=1</script><img src=http://192.0.2.1/x onerror=window.hacked=2>";
    let text = format!(
        "module gates (input a, input b, output both, output any); initial $display(\"pass {attack}\"); endmodule"
    );
    let row = json!({ "problem": "rtllm-2.0/gates", "id": attack, "completion": text });
    bench.write("in.jsonl", std::iter::once(row));
    succeeded(&mut command(&bench, "rtllm", &["--candidates", "in.jsonl", "--partial"]));
    bench
}

fn check(browser: &mut Browser, file: &Path, name: &str) {
    for (width, scheme) in [(1280, "light"), (390, "light"), (1280, "dark"), (390, "dark")] {
        browser.open(file, width, scheme);
        browser.picture(&format!("eval-{name}-{width}-{scheme}"));
        let outside: Vec<&String> =
            browser.requests.iter().filter(|url| !url.starts_with("data:,")).collect();
        assert_eq!(outside, [&format!("file://{}", file.display())], "{name} at {width}");
        assert_eq!(browser.complaints, [""; 0], "{name} at {width}");
        let wide = "[document.documentElement.scrollWidth, innerWidth]";
        assert_eq!(browser.value(wide), json!([width, width]), "{name} scrolls at {width}");
        let harm = "[typeof window.hacked, document.scripts.length, document.images.length]";
        assert_eq!(browser.value(harm), json!(["undefined", 0, 0]), "{name} was taken over");
        let bars = "[...document.querySelectorAll('.bar:not(.small)')].filter(e => e.getBoundingClientRect().width < 40).length";
        assert_eq!(browser.value(bars), 0, "{name} has bars that cannot be seen at {width}");
        let cut = "[...document.querySelectorAll('.wide:not([aria-label=differences])')].filter(e => e.scrollWidth > e.clientWidth).map(e => e.ariaLabel)";
        assert_eq!(browser.value(cut), json!([]), "{name} hides columns at {width}");
    }
}

#[test]
fn a_page_shows_the_report_and_asks_for_nothing() {
    let Some(program) = browser::find() else { return };
    if !has_icarus() {
        return;
    }
    let mut browser = Browser::start(&program);
    let hostile = hostile();
    check(&mut browser, &hostile.path("out/report.html"), "hostile");
    let shown = browser.value("document.querySelector('#differences + p').textContent");
    assert!(shown.as_str().expect("text").starts_with("1 candidate"), "{shown}");
    let bench = run("rtllm");
    check(&mut browser, &bench.path("out/report.html"), "rtllm");
    let report = report(bench);
    // The scores are those of the report, in its order.
    let cells = browser.value("[...document.querySelectorAll('tr.official td:nth-child(3), tr.strict td:nth-child(3), tr.verdict td:nth-child(3)')].map(e => e.textContent)");
    let sound = report.sound.iter().flat_map(|sound| &sound.scores);
    let expected: Vec<String> = report
        .scores
        .iter()
        .chain(sound)
        .map(|score| format!("{:.2} %", 100.0 * score.estimate.mean))
        .collect();
    assert_eq!(cells, json!(expected));
    let lines =
        browser.value("document.querySelectorAll('[aria-labelledby=problems] tbody tr').length");
    assert_eq!(lines, report.table.len());
}
