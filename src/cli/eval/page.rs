//! The page of an evaluation: one file that opens everywhere, asks nothing of the network and holds no script.
//!
//! It shows what `report.json` holds, in the order in which a reader asks: the scores with their intervals, what the
//! benchmark itself has wrong, how often the marks agree, each problem, and each candidate on which they differ. What
//! candidates and benches printed is text here, whatever it was.

use serde_json::Value;

use crate::cli::show::page::list::{self, section, table};
use crate::cli::show::page::{document, text};
use crate::eval::audit::Audit;
use crate::eval::report::{Agreement, Line, Report, Score};
use crate::eval::{Mark, Row};

const STYLE: &str = include_str!("page.css");

/// Candidates on which the marks differ that are shown; `report.json` has all.
const DIFFERENCES_MAX: usize = 400;

/// The page.
pub fn page(report: &Report) -> String {
    let name = report.benchmark.name();
    let mut body = format!(
        "<header>\n<p class=\"crumb\">salv eval</p>\n<h1>{name}</h1>\n<p class=\"lead\">{}</p>\n</header>\n<main>\n",
        text(&lead(report))
    );
    body += &scores(report);
    body += &flaws(
        "Problems that cannot be passed",
        "Their own golden module, in a candidate's place, fails.",
        &report.cannot_be_passed,
        |audit| if audit.official.passed() { &audit.strict } else { &audit.official },
    );
    body += &flaws(
        "Problems that cannot be failed",
        "A module with the right ports and nothing inside passes officially.",
        &report.cannot_be_failed,
        |audit| audit.undriven.as_ref().unwrap_or(&audit.official),
    );
    body += &flaws(
        "Problems that are hardly looked at",
        "Their golden module is undefined in nine of ten samples or more, which the bench takes for right. What a module with nothing inside gets:",
        &report.hardly_looked_at,
        |audit| audit.undriven.as_ref().unwrap_or(&audit.official),
    );
    body += &agreement(&report.agreement);
    body += &problems(&report.table);
    body += &differences(&report.differences);
    body += "</main>\n<footer>\n";
    body += &settings(&report.settings);
    body += "<p class=\"quiet\"><b>official</b>: the benchmark's own bench, flags and rule. <b>strict</b>: the same, and the line that passes was printed by the bench, of as many samples as for the golden module, with a candidate that reaches nothing outside of itself. <b>verdict</b>: no output is wrong under salv's own random inputs.</p>\n</footer>";
    document(&format!("{name}: salv eval"), &format!("{}{STYLE}", list::STYLE), &body)
}

fn lead(report: &Report) -> String {
    let [fewest, most] = report.samples;
    let each = match fewest == most {
        true => format!("{most} of each"),
        false => format!("{fewest} to {most} of each"),
    };
    let candidates = count(report.candidates, "candidate");
    match report.attempted == report.problems {
        true => format!("{candidates} of {}, {each}", count(report.problems, "problem")),
        false => format!(
            "{candidates} of {} of the {}, {each}; the other problems are left out of every figure",
            report.attempted,
            count(report.problems, "problem")
        ),
    }
}

fn count(number: usize, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}

fn scores(report: &Report) -> String {
    let mut rows = String::new();
    let mut group = |title: &str, scores: &[Score]| {
        if report.sound.is_some() {
            rows += &format!("<tr class=\"head\"><td colspan=\"4\">{}</td></tr>\n", text(title));
        }
        for score in scores {
            rows += &score_row(score);
        }
    };
    group(&format!("all {}", report.attempted), &report.scores);
    if let Some(sound) = &report.sound {
        let title = format!("the {} that can be passed and can be failed", sound.problems);
        group(&title, &sound.scores);
    }
    let mut content = table("scores", &["mark", "", "#share", "#95 % interval"], &rows);
    for one_more in report.with_one_more.iter().flatten() {
        content += &format!(
            "<p class=\"message\">As RTLLM's own script divides, by one problem more than there are: official pass@{} {:.2} %.</p>\n",
            one_more.k,
            100.0 * one_more.mean
        );
    }
    section("scores", "Scores", &content)
}

fn score_row(score: &Score) -> String {
    let [mean, low, high] =
        [score.estimate.mean, score.estimate.low, score.estimate.high].map(|share| 100.0 * share);
    format!(
        "<tr class=\"{mark}\"><td>{mark} pass@{}</td><td><span class=\"bar\"><i style=\"width:{mean:.2}%\"></i><b style=\"left:{low:.2}%;width:{:.2}%\"></b></span></td><td class=\"n\">{mean:.2} %</td><td class=\"n\">{low:.2} to {high:.2}</td></tr>\n",
        score.k,
        high - low,
        mark = score.mark,
    )
}

fn flaws(title: &str, what: &str, audits: &[Audit], mark: impl Fn(&Audit) -> &Mark) -> String {
    if audits.is_empty() {
        return String::new();
    }
    let row = |audit: &Audit| {
        format!(
            "<tr><td class=\"name\">{}</td><td>{}</td></tr>\n",
            text(&audit.problem),
            mark_text(mark(audit))
        )
    };
    let rows: String = audits.iter().map(row).collect();
    let content = format!("<p>{what}</p>\n{}", table(title, &["problem", "evidence"], &rows));
    section(&title.to_lowercase().replace(' ', "-"), title, &content)
}

fn mark_text(mark: &Mark) -> String {
    let tone = if mark.passed() { "yes" } else { "no" };
    let detail = mark.detail.as_deref().unwrap_or_default();
    format!(
        "<span class=\"{tone}\">{}</span> <span class=\"quiet\">{}</span>",
        mark.outcome.name(),
        text(detail)
    )
}

fn yes_no(is: bool) -> &'static str {
    if is { "<td class=\"yes\">✓ passes</td>" } else { "<td class=\"no\">✗ fails</td>" }
}

fn agreement(lines: &[Agreement]) -> String {
    let row = |line: &Agreement| {
        format!(
            "<tr>{}{}{}<td class=\"n\">{}</td></tr>\n",
            yes_no(line.official),
            yes_no(line.strict),
            yes_no(line.verdict),
            line.rows
        )
    };
    let rows: String = lines.iter().map(row).collect();
    let heads = ["official", "strict", "verdict", "#candidates"];
    section("agreement", "Agreement", &table("agreement", &heads, &rows))
}

fn problems(lines: &[Line]) -> String {
    let share = |passed: usize, samples: usize, mark: &str| {
        let percent = if samples == 0 { 0.0 } else { 100.0 * passed as f64 / samples as f64 };
        format!(
            "<td class=\"n {mark}\"><span class=\"bar small\"><i style=\"width:{percent:.1}%\"></i></span>{passed}</td>"
        )
    };
    let row = |line: &Line| {
        let mut flags = String::new();
        if !line.can_pass {
            flags += "<span class=\"flag\">cannot be passed</span>";
        }
        if !line.can_fail {
            flags += "<span class=\"flag\">cannot be failed</span>";
        }
        format!(
            "<tr><td class=\"name\">{}{flags}</td><td class=\"n\">{}</td>{}{}{}</tr>\n",
            text(&line.problem),
            line.samples,
            share(line.official, line.samples, "official"),
            share(line.strict, line.samples, "strict"),
            share(line.verdict, line.samples, "verdict"),
        )
    };
    let rows: String = lines.iter().map(row).collect();
    let heads = ["problem", "#samples", "#official", "#strict", "#verdict"];
    section("problems", "Problems", &table("problems", &heads, &rows))
}

fn differences(rows: &[Row]) -> String {
    if rows.is_empty() {
        return section(
            "differences",
            "Differences",
            "<p>The marks agree on every candidate.</p>\n",
        );
    }
    let row = |row: &Row| {
        let verdict = &row.verdict;
        let tone = if verdict.passed() { "yes" } else { "no" };
        format!(
            "<tr><td class=\"name\">{}<br><span class=\"quiet\">{}</span></td><td>{}</td><td>{}</td><td><span class=\"{tone}\">{}</span> <span class=\"quiet\">{} right, {} wrong, {} unchecked</span></td></tr>\n",
            text(&row.problem),
            text(&row.candidate),
            mark_text(&row.official),
            mark_text(&row.strict),
            verdict.status.name(),
            verdict.correct,
            verdict.wrong,
            verdict.unchecked
        )
    };
    let shown: String = rows.iter().take(DIFFERENCES_MAX).map(row).collect();
    let mut content = format!(
        "<p>{} on which the marks differ.</p>\n{}",
        count(rows.len(), "candidate"),
        table("differences", &["candidate", "official", "strict", "verdict"], &shown)
    );
    if rows.len() > DIFFERENCES_MAX {
        content += &format!(
            "<p class=\"quiet\">{} more are in <code>report.json</code>.</p>\n",
            rows.len() - DIFFERENCES_MAX
        );
    }
    section("differences", "Differences", &content)
}

/// How it was done: names and values, as far as they go.
fn settings(settings: &Value) -> String {
    let mut items = String::new();
    let mut item = |name: &str, value: &Value| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        items += &format!("<dt>{}</dt><dd>{}</dd>\n", text(&name.replace('_', " ")), text(&value));
    };
    for (name, value) in settings.as_object().into_iter().flatten() {
        match value.as_object() {
            Some(inner) => inner.iter().for_each(|(name, value)| item(name, value)),
            None => item(name, value),
        }
    }
    format!("<dl>\n{items}</dl>\n")
}
