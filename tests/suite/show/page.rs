//! Pages, opened in a browser: the completion is there byte for byte, the marks are the cones of `salv extract`,
//! nothing is asked of the network, and what a hostile candidate wrote stays text.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use salv::extract::run::{Row, Span};
use salv::pair::{Pair, WeightedSpan};
use serde_json::{Value, json};

use super::browser::{self, Browser};
use super::{bench, show, spans};
use crate::verify::{Bench, Fixture, succeeded};

/// Marked bytes of the element `ID`: those of another colour than the text beside the marks.
const MARKED: &str = r"(() => {
  const root = document.getElementById(ID), plain = getComputedStyle(root).color;
  const encoder = new TextEncoder(), spans = [];
  const walk = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  let at = 0;
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    const end = at + encoder.encode(node.data).length;
    let owner = node.parentElement;
    while (owner.localName === 'i') owner = owner.parentElement;
    if (getComputedStyle(owner).color !== plain) {
      const last = spans[spans.length - 1];
      if (last && last[1] === at) last[1] = end; else spans.push([at, end]);
    }
    at = end;
  }
  return spans;
})()";

/// A candidate that attacks who looks at it: markup, scripts, requests, and characters that hide or reorder.
/// NUL stands at the end, since a page has three bytes for it.
const HOSTILE: &str = "<think>\r\n\rwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww</code></pre></textarea><script>window.hacked=1</script><img src=\"http://192.0.2.1/x.png\" onerror=\"window.hacked=2\"></think>
```verilog
module alarm(input clk, input [3:0] a, output reg [3:0] \\q\"><b> , output y, output z);
\t// </span><svg onload=\"window.hacked=3\"> é 中 \u{1f600} \u{202e}desrever\u{202c} \u{200b} \u{1b}[31m \u{5d0}\u{5d1}
\talways @(posedge clk) \\q\"><b> <= a;\r
\tassign y = a[0] & a[1]; assign z = /* ' */ a[0] & a[2]; // ]]> --> &amp; &lt;
endmodule
```
<style>*{display:none}</style><meta http-equiv=\"refresh\" content=\"0;url=http://192.0.2.1/\"><a href=\"javascript:window.hacked=4\">\0";

const GOLDEN: &str = "
//# golden alarm
module alarm(input clk, input [3:0] a, output reg [3:0] \\q\"><b> , output y, output z);
  always @(posedge clk) \\q\"><b> <= a;
  assign y = a[0] & a[1];
  assign z = a[0] | a[2];
endmodule
//# candidate <script>window.hacked=5</script>: correct
";

fn hostile() -> Bench {
    let mut fixture = Fixture::parse("show", GOLDEN);
    fixture.problems[0].prompt = "<script>window.hacked=6</script>".to_owned();
    fixture.cases[0].candidate.completion = HOSTILE.to_owned();
    let bench = Bench::new(&[fixture]);
    bench.verify("verdicts.jsonl", &[]);
    bench
}

fn page(bench: &Bench, arguments: &[&str]) -> PathBuf {
    succeeded(bench.salv(&["show"]).args(arguments).args(["--html", "page.html"]));
    bench.path("page.html")
}

/// What holds of every page, at every width and in both schemes.
fn check(browser: &mut Browser, file: &Path, name: &str, look: impl Fn(&mut Browser)) {
    for (width, scheme) in [(1280, "light"), (390, "light"), (1280, "dark"), (390, "dark")] {
        browser.open(file, width, scheme);
        look(browser);
        browser.picture(&format!("{name}-{width}-{scheme}"));
        let outside: Vec<&String> =
            browser.requests.iter().filter(|url| !url.starts_with("data:,")).collect();
        assert_eq!(outside, [&format!("file://{}", file.display())], "{name} at {width}");
        assert_eq!(browser.complaints, [""; 0], "{name} at {width}");
        let wide = "[document.documentElement.scrollWidth, innerWidth]";
        assert_eq!(browser.value(wide), json!([width, width]), "{name} scrolls at {width}");
        let cut = "[...document.querySelectorAll('.sheet')].filter(e => e.scrollWidth > e.clientWidth).length";
        assert_eq!(browser.value(cut), 0, "{name} hides the end of a line at {width}");
        let harm = "[typeof window.hacked, document.scripts.length, document.images.length, document.querySelectorAll('svg, a, body style, body meta, b b').length]";
        assert_eq!(browser.value(harm), json!(["undefined", 0, 0, 0]), "{name} was taken over");
    }
}

fn marked(browser: &mut Browser, id: &str) -> Vec<Span> {
    let spans = browser.value(&MARKED.replace("ID", &json!(id).to_string()));
    serde_json::from_value(spans).expect("spans")
}

fn text_of(browser: &mut Browser, id: &str) -> Value {
    browser.value(&format!("document.getElementById({}).textContent", json!(id)))
}

#[test]
fn a_page_holds_the_completion_and_marks_the_cones_even_of_a_hostile_candidate() {
    let Some(program) = browser::find() else { return };
    let bench = hostile();
    let rows: Vec<Row> = spans(&bench);
    let cones: BTreeMap<&str, &Vec<Span>> =
        rows[0].signals.iter().map(|signal| (signal.name.as_str(), &signal.spans)).collect();
    assert!(cones["y"] != cones["z"] && cones["y"].len() > 1, "{cones:?}");
    let file = page(&bench, &["verdicts.jsonl", "show/alarm/<script>window.hacked=5</script>"]);
    let mut browser = Browser::start(&program);
    check(&mut browser, &file, "hostile", |browser| {
        let text = text_of(browser, "code");
        assert_eq!(text.as_str().expect("text"), HOSTILE.replace('\0', "\u{fffd}"));
        for (at, name) in ["q\"><b>", "y", "z"].iter().enumerate() {
            assert_eq!(
                browser
                    .value(&format!("document.querySelector('label:has(#s{at}) b').textContent")),
                *name
            );
            browser.click(&format!("label:has(#s{at})"));
            assert_eq!(&marked(browser, "code"), cones[name], "the cone of {name}");
            let is_wrong = *name == "z";
            let shown = "(() => { const e = document.querySelector('.wave'); return getComputedStyle(e).display; })()";
            assert_eq!(browser.value(shown), if is_wrong { "block" } else { "none" }, "{name}");
            let gutter = "[...new Set([...document.querySelectorAll('.l')].map(l => getComputedStyle(l, '::after').content))].sort()";
            let mark = if is_wrong { "\"✗\"" } else { "\"✓\"" };
            assert_eq!(browser.value(gutter), json!([mark, "none"]), "the gutter of {name}");
        }
        browser.click("label:has(#all)");
        let all = marked(browser, "code");
        for cone in cones.values() {
            let is_in =
                |span: &&Span| all.iter().any(|(start, end)| *start <= span.0 && span.1 <= *end);
            assert_eq!(cone.iter().filter(is_in).count(), cone.len(), "{all:?}");
        }
        let hidden = "[...document.querySelectorAll('#code .x')].map(e => getComputedStyle(e, '::before').content).join('')";
        let hidden = browser.value(hidden);
        for stand_in in ["U+202E", "U+200B", "ESC", "U+05D0", "CR", "NUL"] {
            assert!(hidden.as_str().expect("text").contains(stand_in), "{stand_in} in {hidden}");
        }
    });
}

#[test]
fn a_page_has_the_verdicts_the_mismatch_and_the_chosen_signal() {
    let Some(program) = browser::find() else { return };
    let file = bench().path("early.html");
    let output = file.to_str().expect("a path");
    show(&["show/counter/tick_early", "--signal", "tick", "--html", output]);
    let rows: Vec<Row> = spans(bench());
    let row = rows.iter().find(|row| row.candidate == "show/counter/tick_early").expect("a row");
    let tick = row.signals.iter().find(|signal| signal.name == "tick").expect("the output");
    let mut browser = Browser::start(&program);
    check(&mut browser, &file, "early", |browser| {
        assert_eq!(browser.value("document.querySelector(':checked').id"), "s1");
        assert_eq!(marked(browser, "code"), tick.spans);
        let words = browser.value("document.body.innerText");
        let words = words.as_str().expect("text");
        for word in [
            "✓ correct",
            "✗ wrong",
            "1 of 2 outputs right",
            "First mismatch of tick",
            "points differ",
        ] {
            assert!(words.contains(word), "no {word} in {words}");
        }
        let last = "[...document.querySelectorAll('#w1 .last')].map(e => e.textContent).slice(-2)";
        let (golden, candidate) = (
            super::first("show/counter/tick_early", "tick").golden,
            super::first("show/counter/tick_early", "tick").candidate,
        );
        let bit = |literal: &str| literal.strip_prefix("1'b").expect("a bit").to_owned();
        assert_eq!(browser.value(last), json!([bit(&golden), bit(&candidate)]));
    });
}

#[test]
fn a_candidate_that_was_not_judged_has_a_page_too() {
    let Some(program) = browser::find() else { return };
    let file = bench().path("finish.html");
    show(&["show/counter/finish", "--html", file.to_str().expect("a path")]);
    let mut browser = Browser::start(&program);
    check(&mut browser, &file, "finish", |browser| {
        let text = text_of(browser, "code");
        assert_eq!(text.as_str(), Some(super::completion("show/counter/finish").as_str()));
        let words = browser.value("document.body.innerText");
        let words = words.as_str().expect("text");
        assert!(words.contains("forbidden") && words.contains("$finish"), "{words}");
    });
}

/// A pair made by hand from two candidates of the run: the head of the module with half the weight, and `tick`.
pub fn pair() -> Pair {
    let side = |id: &str| -> (String, Vec<WeightedSpan>) {
        let text = super::completion(id);
        let tick = text.find("assign tick").expect("tick");
        let end = tick + text[tick..].find('\n').expect("a line end");
        (text, vec![(0, "module counter".len(), 0.5), (tick, end, 1.0)])
    };
    let (chosen, chosen_spans) = side("show/counter/itself");
    let (rejected, rejected_spans) = side("show/counter/tick_early");
    Pair {
        problem: "show/counter".into(),
        prompt: "A counter.".into(),
        chosen_id: "show/counter/itself".into(),
        chosen,
        rejected_id: "show/counter/tick_early".into(),
        rejected,
        kind: salv::pair::Kind::Signal,
        signals: vec!["tick".into()],
        chosen_spans,
        rejected_spans,
    }
}

#[test]
fn a_pair_stands_side_by_side_with_its_masks() {
    let Some(program) = browser::find() else { return };
    let pair = pair();
    let mut hostile = pair.clone();
    hostile.problem = "<img src=x onerror=window.hacked=7>".into();
    hostile.signals = vec!["<script>window.hacked=8</script>".into()];
    bench().write("page-pairs.jsonl", [&hostile, &pair].into_iter());
    let mut browser = Browser::start(&program);
    for (number, pair) in [&hostile, &pair].iter().enumerate() {
        let file = page(bench(), &["page-pairs.jsonl", "--pair", &number.to_string()]);
        check(&mut browser, &file, &format!("pair-{number}"), |browser| {
            let state = browser.value("document.querySelector('.state').textContent");
            assert_eq!(state, format!("contrasted signal: {}", pair.signals[0]));
            for (role, text, spans) in [
                ("chosencode", &pair.chosen, &pair.chosen_spans),
                ("rejectedcode", &pair.rejected, &pair.rejected_spans),
            ] {
                assert_eq!(text_of(browser, role), **text);
                let spans: Vec<Span> = spans.iter().map(|(start, end, _)| (*start, *end)).collect();
                assert_eq!(marked(browser, role), spans, "{role}");
                let weights = format!(
                    "[...new Set([...document.querySelectorAll('#{role} .l')].map(l => getComputedStyle(l, '::after').content))].sort()"
                );
                assert_eq!(browser.value(&weights), json!(["\"0.5\"", "\"1\"", "none"]), "{role}");
            }
            let places = "['chosencode', 'rejectedcode'].map(id => document.getElementById(id).getBoundingClientRect()).map(r => [r.x, r.y])";
            let places: [[f64; 2]; 2] =
                serde_json::from_value(browser.value(places)).expect("places");
            let is_wide = browser.value("innerWidth >= 900") == true;
            let [[left, top], [right, other_top]] = places;
            assert_eq!((left < right, top == other_top), (is_wide, is_wide), "{places:?}");
        });
    }
}
