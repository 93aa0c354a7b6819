//! The page: one file that opens everywhere, asks nothing of the network and holds no script.
//!
//! Choosing a signal is done by radio buttons and `:has()`, so the page's policy forbids all scripts: what a
//! candidate wrote could not run even if it were not escaped, and it is. Every byte of a completion is in the
//! page as text; what cannot be seen has its name beside it, drawn by the style sheet. The one exception is NUL,
//! which HTML cannot hold: U+FFFD stands for it.

use std::path::Path;

use anyhow::Context;

use super::cones::Look;
use super::glyph::{clean, name, stand_in};
use super::sheet::{SetId, Sheet};

pub mod candidate;
pub mod list;
pub mod pair;

const STYLE: &str = include_str!("page/page.css");

/// Writes a page.
pub fn write(path: &Path, page: &str) -> anyhow::Result<()> {
    std::fs::write(path, page).with_context(|| format!("failed to write {}", path.display()))
}

/// A whole document; `rules` is style that belongs to this content alone.
pub fn document(title: &str, rules: &str, body: &str) -> String {
    format!(
        r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>{}</title>
<style>
{STYLE}{rules}</style>
</head>
<body>
{body}
</body>
</html>
"#,
        attribute(&clean(title))
    )
}

/// A text as HTML; what cannot be seen stands in an element that shows its name.
pub fn text(raw: &str) -> String {
    let mut html = String::with_capacity(raw.len() + raw.len() / 8);
    for (at, c) in raw.char_indices() {
        match c {
            '\t' => html.push_str("<i class=\"t\">\t</i>"),
            // Half of a line end is layout.
            '\r' if raw[at..].starts_with("\r\n") => html.push_str("<i class=\"x\">&#13;</i>"),
            _ if stand_in(c).is_some() => {
                let own = match c {
                    '\0' => "\u{fffd}".into(),
                    '\r' => "&#13;".into(),
                    _ => c.to_string(),
                };
                html.push_str(&format!(r#"<i class="x" data-c="{}">{own}</i>"#, name(c)));
            }
            _ => push(&mut html, c),
        }
    }
    html
}

/// A text in an attribute or a title.
fn attribute(raw: &str) -> String {
    let mut html = String::with_capacity(raw.len());
    raw.chars().for_each(|c| push(&mut html, c));
    html
}

fn push(html: &mut String, c: char) {
    match c {
        '&' => html.push_str("&amp;"),
        '<' => html.push_str("&lt;"),
        '>' => html.push_str("&gt;"),
        '"' => html.push_str("&quot;"),
        '\'' => html.push_str("&#39;"),
        _ => html.push(c),
    }
}

/// The lines of a sheet. A piece of set 3 has the class `k3`, a line of it `j3`, both after `prefix`, for
/// rules to name.
fn sheet(sheet: &Sheet, prefix: &str, label: &str) -> String {
    let digits = sheet.lines.len().to_string().len().max(2);
    // Where nothing is marked nothing stands back.
    let plain = if sheet.sets.len() == 1 { " plain" } else { "" };
    let mut html = format!(
        r#"<div class="sheet d{digits}{plain}" id="{prefix}code" role="region" aria-label="{}"><code>"#,
        attribute(label)
    );
    for (index, line) in sheet.lines.iter().enumerate() {
        let (number, set) = (index + 1, line.set);
        html.push_str(&format!(r#"<span class="l {prefix}j{set}" data-n="{number}">"#));
        let mut is_start = true;
        for piece in &line.pieces {
            let own = &sheet.text[piece.range.clone()];
            // An indentation is in the cone like any other byte, and drawn without ground.
            let blank =
                if is_start { own.len() - own.trim_start_matches([' ', '\t']).len() } else { 0 };
            is_start &= blank == own.len();
            for (own, extra) in [(&own[..blank], " b"), (&own[blank..], "")] {
                match piece.set {
                    _ if own.is_empty() => {}
                    0 => html.push_str(&text(own)),
                    set => html.push_str(&format!(
                        r#"<span class="{prefix}k{set}{extra}">{}</span>"#,
                        text(own)
                    )),
                }
            }
        }
        html.push_str("</span>");
    }
    html + "</code></div>"
}

/// A rule for all sets that `is_meant`; nothing if there are none.
fn rule(
    condition: &str,
    prefix: &str,
    sheet: &Sheet,
    is_meant: impl Fn(&[usize]) -> bool,
    tail: &str,
) -> String {
    let sets = sheet.sets.iter().enumerate().filter(|(_, set)| is_meant(set));
    let names: Vec<String> = sets.map(|(id, _): (SetId, _)| format!(".{prefix}{id}")).collect();
    if names.is_empty() {
        return String::new();
    }
    format!("{condition} :is({}){tail}\n", names.join(","))
}

/// The class in which a look is drawn.
fn class(look: Look) -> &'static str {
    match look {
        Look::Plain => "plain",
        Look::Outside => "outside",
        Look::Right => "right",
        Look::Wrong => "wrong",
        Look::Both => "both",
        Look::Unknown => "unknown",
    }
}

/// What draws a look; the variables are the style sheet's.
fn declarations(look: Look) -> String {
    let name = class(look);
    format!(
        "{{color:var(--{name});background:var(--{name}-bg);text-decoration:var(--{name}-line)}}"
    )
}

/// A part that is closed until somebody opens it.
fn details(title: &str, content: &str) -> String {
    if content.trim().is_empty() {
        return String::new();
    }
    format!("<details><summary>{}</summary><pre>{}</pre></details>\n", text(title), text(content))
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn markup_in_a_text_stays_text() {
        assert_eq!(text(r#"<b a="1" c='2'>&"#), "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;");
        assert_eq!(
            text("a\u{202e}\r"),
            "a<i class=\"x\" data-c=\"U+202E\">\u{202e}</i><i class=\"x\" data-c=\"CR\">&#13;</i>"
        );
    }
}
