//! The page of a run: one file that opens everywhere, asks nothing of the network and holds no script.
//!
//! In the order in which a reader asks: did it help, what was there to learn from, how did the training go, what does a
//! pair look like, what did it take. All of it is from `report.json` but the times, which are from `timings.json`.

use serde_json::Value;

use super::chart::{Line, figure};
use super::timings::Timings;
use crate::cli::show::page::list::{self, section, table};
use crate::cli::show::page::pair::{pane, rules};
use crate::cli::show::page::{document, text};
use crate::cli::show::pair::Side;
use crate::eval::passk::Estimate;
use crate::run::report::{Report, Scores};

const STYLE: &str = include_str!("page.css");

/// A line of the table of scores.
pub struct Row {
    /// What is measured.
    pub name: String,
    /// Before the training.
    pub before: Estimate,
    /// After it.
    pub after: Estimate,
    /// The difference, problem by problem.
    pub change: Estimate,
}

/// The scores, line by line.
pub fn rows(report: &Report) -> Vec<Row> {
    let Report { before, after, change, .. } = report;
    let row = |name: String, of: &dyn Fn(&Scores) -> Estimate| Row {
        name,
        before: of(before),
        after: of(after),
        change: of(change),
    };
    let passes = before.pass.iter().enumerate();
    let mut rows: Vec<Row> =
        passes.map(|(at, (k, _))| row(format!("pass@{k}"), &|scores| scores.pass[at].1)).collect();
    rows.push(row("right outputs".into(), &|scores| scores.right_outputs));
    rows.push(row("judged".into(), &|scores| scores.judged));
    rows
}

/// The page; `steps` are the names of the steps in their order.
pub fn page(report: &Report, steps: &[&str], timings: &Timings) -> anyhow::Result<String> {
    let mut body = format!(
        "<header>\n<p class=\"crumb\">salv run</p>\n<h1>{}</h1>\n<p class=\"lead\">{}</p>\n</header>\n<main>\n",
        text(report.recipe["model"].as_str().unwrap_or("a model")),
        text(&lead(report))
    );
    body += &scores(report);
    body += &pairs(&report.pairs);
    body += &curves(report);
    let (example, css) = example(report)?;
    body += &example;
    body += &times(steps, timings);
    body += "</main>\n<footer>\n<details><summary>the recipe</summary><pre>";
    body += &text(&format!("{:#}", report.recipe));
    body += "</pre></details>\n<p class=\"quiet\"><b>right outputs</b>: the share of the outputs of a candidate that behave as the golden module's, over candidates and then over problems. <b>judged</b>: candidates that are modules with the right ports. Intervals are 95 % bootstraps over problems; the change is taken problem by problem.</p>\n</footer>";
    Ok(document("salv run", &format!("{}{STYLE}{css}", list::STYLE), &body))
}

fn lead(report: &Report) -> String {
    let pairs = report.pairs["pairs_written"].as_u64().unwrap_or(0);
    format!(
        "{} candidates for each of {} held-out problems, before and after a training on {pairs} pairs",
        report.samples, report.problems
    )
}

fn scores(report: &Report) -> String {
    let mut lines = String::new();
    for Row { name, before, after, change } in rows(report) {
        let tone = match () {
            () if change.low > 0.0 => "yes",
            () if change.high < 0.0 => "no",
            () => "quiet",
        };
        lines += &format!(
            "<tr class=\"top\"><td class=\"what\" rowspan=\"2\">{name}</td>{}<td class=\"n\" rowspan=\"2\"><b class=\"{tone}\">{:+.2}</b><br><span class=\"quiet\">{:+.2} to {:+.2}</span></td></tr>\n<tr class=\"under\">{}</tr>\n",
            share("before", before),
            100.0 * change.mean,
            100.0 * change.low,
            100.0 * change.high,
            share("after", after)
        );
    }
    let heads = ["", "", "!", "#share, %", "#95 % interval", "#change, points"];
    section("scores", "Held-out problems", &table("held-out problems", &heads, &lines))
}

fn share(name: &str, share: Estimate) -> String {
    let [mean, low, high] = [share.mean, share.low, share.high].map(|share| 100.0 * share);
    format!(
        "<td class=\"quiet\">{name}</td><td class=\"draw {name}\"><span class=\"bar\"><i style=\"width:{mean:.2}%\"></i><b style=\"left:{low:.2}%;width:{:.2}%\"></b></span></td><td class=\"n\">{mean:.2}</td><td class=\"n\">{low:.2} to {high:.2}</td>",
        high - low
    )
}

/// What is learnt from where outputs are judged, against what there would be if modules were.
fn pairs(pairs: &Value) -> String {
    let of = |mode: &str, path: &[&str]| {
        path.iter().fold(&pairs["modes"][mode], |value, key| &value[*key]).as_u64().unwrap_or(0)
    };
    let bytes = |mode: &str| {
        let part = |name: &str| {
            let side = |at: usize| pairs["modes"][mode][name][at].as_f64().unwrap_or(0.0);
            side(0) + side(1)
        };
        let all = part("completion_bytes");
        if all == 0.0 { "-".into() } else { format!("{:.1} %", 100.0 * part("mask_bytes") / all) }
    };
    let mut lines = String::new();
    for (title, key) in [
        ("pairs", "pairs"),
        ("problems with a pair", "problems"),
        ("candidates that are chosen", "chosen_candidates"),
        ("candidates that are rejected", "rejected_candidates"),
    ] {
        let [signal, module] = ["signal", "module"].map(|mode| of(mode, &[key]));
        lines += &format!(
            "<tr><td>{title}</td><td class=\"n\">{signal}</td><td class=\"n\">{module}</td></tr>\n"
        );
    }
    lines += &format!(
        "<tr><td>share of the text in the masks</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n",
        bytes("signal"),
        bytes("module")
    );
    let count = |key: &str| pairs["candidates"][key].as_u64().unwrap_or(0);
    let content = format!(
        "<p>Of {} candidates {} are right in every output and {} are wrong as a whole; of the wrong ones with several outputs ({}), {} have a right output, and {} are chosen in a pair for it.</p>\n{}",
        count("all"),
        count("correct"),
        count("wrong"),
        count("wrong_with_several_outputs"),
        count("wrong_with_a_right_output"),
        count("wrong_chosen"),
        table("pairs", &["", "#outputs judged", "#modules judged"], &lines)
    );
    section("pairs", "What there is to learn from", &content)
}

fn curves(report: &Report) -> String {
    let points = |name: &str| report.curves.get(name).map(Vec::as_slice).unwrap_or_default();
    let line = |name, tone, key| Line { name, tone, points: points(key) };
    let figures = [
        figure("loss", &[line("loss", "loss", "loss")]),
        figure("margin of the rewards", &[line("margin", "loss", "rewards/margins")]),
        figure(
            "accuracy: pairs whose chosen side is rewarded more",
            &[line("accuracy", "loss", "rewards/accuracies")],
        ),
        figure(
            "log-probability of the masked code",
            &[
                line("chosen", "chosen", "logps/chosen"),
                line("rejected", "rejected", "logps/rejected"),
            ],
        ),
    ];
    let content = format!("<div class=\"figures\">\n{}</div>\n", figures.concat());
    section("training", "The training", &content)
}

/// A pair with its masks, and the style that belongs to it.
fn example(report: &Report) -> anyhow::Result<(String, String)> {
    let Some(example) = &report.example else { return Ok((String::new(), String::new())) };
    let pair = &example.pair;
    let sides = Side::both(pair)?;
    let names: Vec<String> =
        pair.signals.iter().map(|name| format!("<code>{}</code>", text(name))).collect();
    let content = format!(
        "<p>Row {} of the pairs, of the problem <code>{}</code>: the chosen candidate has {} right and the rejected one wrong. Only what is marked is learnt from.</p>\n<details><summary>what was asked</summary><pre>{}</pre></details>\n<div class=\"pair\">\n{}</div>\n",
        example.number,
        text(&pair.problem),
        names.join(", "),
        text(&pair.prompt),
        sides.iter().map(pane).collect::<String>()
    );
    Ok((section("example", "A pair", &content), sides.iter().map(rules).collect()))
}

fn times(steps: &[&str], timings: &Timings) -> String {
    let mut lines = String::new();
    for (name, time) in steps.iter().filter_map(|name| Some((name, timings.of(name)?))) {
        let (unit, rate) = match &time.unit {
            Some(unit) if time.working > 0.0 && time.count > 0.0 => (
                format!("{:.0} {unit}", time.count),
                format!("{:.1} a second", time.count / time.working),
            ),
            _ => (String::new(), String::new()),
        };
        lines += &format!(
            "<tr><td>{}</td><td class=\"n\">{:.1}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n",
            text(name),
            time.seconds,
            text(&unit),
            text(&rate)
        );
    }
    let heads = ["step", "#seconds", "#done", "#throughput"];
    let content = format!(
        "{}<p class=\"quiet\">Wall time of the process that brought a step to its end; the throughput is without its start.</p>\n",
        table("times", &heads, &lines)
    );
    section("times", "What it took", &content)
}
