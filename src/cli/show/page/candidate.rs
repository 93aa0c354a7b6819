//! The page of a candidate: its verdicts, the steps before its mismatches, and its code with the cones.

use super::super::cones::{Cones, Look};
use super::super::glyph::clean;
use super::super::sheet::Sheet;
use super::super::sources::Sources;
use super::super::waves::{Side, Waves, short};
use super::super::{evidence, judgement_mark};
use super::{attribute, class, declarations, details, document, rule, sheet, text};
use crate::problem::Problem;
use crate::verify::verdict::{Judgement, SignalVerdict, Status, Verdict};

/// Columns of the longest name that stands on one line.
const NAME_COLUMNS_MAX: usize = 16;

/// All that the page shows.
pub struct Content<'a> {
    /// The verdict.
    pub verdict: &'a Verdict,
    /// What it was made from.
    pub sources: &'a Sources,
    /// What was asked, and the golden module.
    pub problem: &'a Problem,
    /// The completion, with a layer for each cone.
    pub sheet: &'a Sheet<'a>,
    /// The cones.
    pub cones: &'a Cones,
    /// Places of the cones that are shown at first.
    pub chosen: &'a [usize],
    /// The first mismatches of wrong outputs.
    pub waves: &'a [Waves],
    /// How many more there are.
    pub left_out: usize,
    /// Sentences about versions.
    pub note: Option<&'a str>,
}

/// The page.
pub fn page(content: &Content) -> String {
    let Content { verdict, problem, .. } = content;
    let mut body = header(content);
    body.push_str("<main>\n");
    if !content.cones.list.is_empty() {
        body.push_str(&format!(
            "<div class=\"left\">\n{}{}</div>\n",
            outputs(content),
            waves(content)
        ));
    }
    body.push_str(&code(content));
    body.push_str("</main>\n<footer>\n");
    body.push_str(&details("what was asked", &problem.prompt));
    body.push_str(&details("the golden module", &problem.golden));
    body.push_str(&provenance(content));
    body.push_str("</footer>");
    document(&format!("{}: salv", verdict.candidate), &rules(content), &body)
}

fn header(content: &Content) -> String {
    let verdict = content.verdict;
    let right = verdict.signals.iter().filter(|s| s.verdict == Judgement::Correct).count();
    let all = verdict.signals.len();
    let status = match (verdict.status, right) {
        (Status::Judged, _) if right == all => "right",
        (Status::Judged, 0) => "wrong",
        (Status::Judged, _) => "both",
        _ => "unknown",
    };
    let mut html = format!(
        "<header>\n<p class=\"crumb\">candidate of <b>{}</b></p>\n<h1>{}</h1>\n<p class=\"state\"><span class=\"pill {status}\">{}</span>",
        text(&verdict.problem),
        text(&verdict.candidate),
        verdict.status.name()
    );
    if verdict.status == Status::Judged {
        html.push_str(&format!(" {right} of {all} outputs right"));
    }
    html.push_str("</p>\n");
    if let Some(message) = &verdict.message {
        html.push_str(&format!("<p class=\"message\">{}</p>\n", text(message)));
    }
    for note in content.note.into_iter().flat_map(str::lines) {
        html.push_str(&format!("<p class=\"message\">{}</p>\n", text(note)));
    }
    html + "<p class=\"message old\">This browser does not know the CSS selector :has(), by which signals are chosen here.</p>\n</header>\n"
}

/// The verdicts, each with the button that shows its cone.
fn outputs(content: &Content) -> String {
    let (cones, chosen) = (content.cones, content.chosen);
    let mut html = String::from(
        "<section aria-labelledby=\"outputs\">\n<h2 id=\"outputs\">Outputs</h2>\n<table class=\"outputs\">\n<thead><tr><th>output</th><th>verdict</th><th>evidence</th></tr></thead>\n<tbody>\n",
    );
    let is_single = chosen.len() == 1 && cones.list.len() > 1;
    let group: Vec<usize> =
        if is_single { (0..cones.list.len()).collect() } else { chosen.to_vec() };
    let names = match group.len() == cones.list.len() {
        true => "all outputs".to_owned(),
        false => group.iter().map(|at| text(&cones.list[*at].name)).collect::<Vec<_>>().join(", "),
    };
    let checked = |is: bool| if is { " checked" } else { "" };
    html.push_str(&format!(
        "<tr class=\"every\"><td colspan=\"3\"><label><input type=\"radio\" name=\"signal\" id=\"all\"{}> {names}</label></td></tr>\n",
        checked(!is_single)
    ));
    for (at, cone) in cones.list.iter().enumerate() {
        let signal = content.verdict.signals.iter().find(|signal| signal.name == cone.name);
        let is_checked = checked(is_single && chosen == [at]);
        html.push_str(&format!(
            "<tr><td><label><input type=\"radio\" name=\"signal\" id=\"s{at}\"{is_checked}> <b>{}</b></label></td>",
            text(&cone.name)
        ));
        html.push_str(&verdict_cells(signal, at, content));
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody>\n</table>\n");
    if !content.verdict.races.is_empty() {
        let races = text(&content.verdict.races.join(", "));
        html.push_str(&format!("<p class=\"message\">races: {races}</p>\n"));
    }
    html + "</section>\n"
}

fn verdict_cells(signal: Option<&SignalVerdict>, at: usize, content: &Content) -> String {
    let cone = &content.cones.list[at];
    let look = class(content.cones.look(&[at]));
    let word = signal.map_or("not judged".into(), |signal| judgement_mark(signal).to_owned());
    let seen = signal.map(|signal| text(&evidence(signal))).unwrap_or_default();
    let part = match &cone.whole_module {
        Some(why) => format!("whole module: {}", text(why)),
        None if cone.spans.is_empty() => "no cone".into(),
        None => {
            let bytes: usize = cone.spans.iter().map(|(start, end)| end - start).sum();
            let code: usize = content.cones.code.iter().map(|(start, end)| end - start).sum();
            format!("cone: {bytes} of the code's {code} bytes")
        }
    };
    let line = if seen.is_empty() { String::new() } else { "<br>".into() };
    format!(
        "<td><label for=\"s{at}\" class=\"{look}\">{word}</label></td><td><label for=\"s{at}\">{seen}{line}<span class=\"quiet\">{part}</span></label></td>"
    )
}

/// The first mismatch of each wrong output; one is shown at a time.
fn waves(content: &Content) -> String {
    let mut html = String::new();
    for wave in content.waves {
        let Some(at) = content.cones.list.iter().position(|c| c.name == wave.signal) else {
            continue;
        };
        let first = &wave.first;
        html.push_str(&format!(
            "<section class=\"wave\" id=\"w{at}\">\n<h2>First mismatch of <code>{}</code></h2>\n<p class=\"quiet\">episode {}, cycle {}, step {}: golden <code>{}</code>, candidate <code>{}</code></p>\n",
            text(&wave.signal), first.episode, first.cycle, first.step, text(&first.golden), text(&first.candidate)
        ));
        html.push_str(&wave_table(wave));
        if let Some([golden, candidate]) = &wave.contradiction {
            html.push_str(&format!(
                "<p class=\"message\">The replay has golden {}, candidate {} here: the record was made by other versions.</p>\n",
                text(golden), text(candidate)
            ));
        }
        html.push_str("</section>\n");
    }
    if content.left_out > 0 {
        html.push_str(&format!(
            "<p class=\"quiet\">The first mismatches of {} more outputs are left out; <code>salv show --signal</code> shows them.</p>\n",
            content.left_out
        ));
    }
    html
}

fn wave_table(wave: &Waves) -> String {
    let mut html = String::from(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"waveform\"><table class=\"waves\">\n<thead><tr><th>cycle.step</th>",
    );
    for (cycle, step) in &wave.steps {
        html.push_str(&format!("<th>{cycle}<small>.{step}</small></th>"));
    }
    html.push_str("</tr></thead>\n<tbody>\n");
    for row in &wave.rows {
        let (side, word) = match row.side {
            Side::Input => ("input", ""),
            Side::Golden => ("golden", " golden"),
            Side::Candidate => ("candidate", " candidate"),
        };
        html.push_str(&format!(
            "<tr class=\"{side}\"><th>{}<small>{word}</small></th>",
            text(&row.name)
        ));
        for (column, value) in row.values.iter().enumerate() {
            let before = column.checked_sub(1).map(|at| &row.values[at]);
            let edge = if before.is_some_and(|before| before != value) { " e" } else { "" };
            let last = if column + 1 == row.values.len() { " last" } else { "" };
            let shape = match value.as_str() {
                "1'b0" => "lo",
                "1'b1" => "hi",
                _ if value.contains('x') => "un",
                _ => "bus",
            };
            html.push_str(&format!(
                "<td class=\"{shape}{edge}{last}\" title=\"{}\">{}</td>",
                attribute(value),
                text(&short(value))
            ));
        }
        html.push_str("</tr>\n");
    }
    html + "</tbody>\n</table></div>\n"
}

fn code(content: &Content) -> String {
    let mut html =
        String::from("<section aria-labelledby=\"codehead\">\n<h2 id=\"codehead\">Code</h2>\n");
    if let Some(message) = content.cones.fallback() {
        html.push_str(&format!("<p class=\"message\">{}</p>\n", text(&message)));
    }
    let looks: Vec<Look> = content.sheet.sets.iter().map(|set| content.cones.look(set)).collect();
    let words = [
        (Look::Right, "right outputs"),
        (Look::Wrong, "wrong outputs"),
        (Look::Both, "both"),
        (Look::Unknown, "outputs that are not judged right or wrong"),
    ];
    let mut legend = String::new();
    for (look, words) in words.iter().filter(|(look, _)| looks.contains(look)) {
        let (name, mark) = (class(*look), look.mark());
        legend.push_str(&format!(
            "<span><b>{mark}</b> <span class=\"{name}\">{words}</span></span> "
        ));
    }
    if !legend.is_empty() {
        html.push_str(&format!(
            "<p class=\"legend\">in the cone of {legend}<span class=\"outside\">none</span></p>\n"
        ));
    }
    html.push_str(&sheet(content.sheet, "", "completion"));
    html + "\n</section>\n"
}

fn provenance(content: &Content) -> String {
    let (config, meta) = (&content.sources.config, &content.sources.meta);
    let mut parts = vec![
        format!("seed {}", config.seed),
        format!("{} vectors", config.vectors),
        format!("profile {}", content.verdict.profile),
        format!("backend {}", content.verdict.backend),
    ];
    parts.extend(meta.stimulus.map(|version| format!("stimulus {version}")));
    let tools = meta.tools.iter().filter(|(name, _)| *name != "stimulus");
    parts.extend(tools.map(|(name, version)| format!("{name} {version}")));
    format!("<p class=\"quiet\">judged with {}</p>\n", text(&parts.join(", ")))
}

/// What depends on which button is pressed.
fn rules(content: &Content) -> String {
    let Content { cones, sheet, chosen, .. } = content;
    let is_single = chosen.len() == 1 && cones.list.len() > 1;
    let in_group = |at: &usize| is_single || chosen.contains(at);
    let group = |set: &[usize]| {
        let set: Vec<usize> = set.iter().copied().filter(in_group).collect();
        cones.look(&set)
    };
    let names = cones.list.iter().map(|cone| clean(&cone.name).chars().count());
    let columns = names.max().unwrap_or(0).min(NAME_COLUMNS_MAX);
    let mut css = format!(".outputs{{--name:{columns}ch}}\n");
    for look in [Look::Right, Look::Wrong, Look::Both, Look::Unknown] {
        let all = "body:has(#all:checked)";
        css.push_str(&rule(all, "k", sheet, |set| group(set) == look, &declarations(look)));
        let mark = format!("::after{{content:\"{}\";color:var(--{})}}", look.mark(), class(look));
        css.push_str(&rule(all, "j", sheet, |set| group(set) == look, &mark));
    }
    for (at, _) in cones.list.iter().enumerate() {
        let condition = format!("body:has(#s{at}:checked)");
        let look = cones.look(&[at]);
        let is_in = |set: &[usize]| set.contains(&at);
        css.push_str(&rule(&condition, "k", sheet, is_in, &declarations(look)));
        let mark = format!("::after{{content:\"{}\";color:var(--{})}}", look.mark(), class(look));
        css.push_str(&rule(&condition, "j", sheet, is_in, &mark));
    }
    css.push_str("@supports selector(:has(*)){.old,.wave{display:none}\n");
    for (index, wave) in content.waves.iter().enumerate() {
        let Some(at) = cones.list.iter().position(|c| c.name == wave.signal) else { continue };
        let or_all = if index == 0 && in_group(&at) {
            format!(",body:has(#all:checked) #w{at}")
        } else {
            String::new()
        };
        css.push_str(&format!("body:has(#s{at}:checked) #w{at}{or_all}{{display:block}}\n"));
    }
    css + "}\n"
}
