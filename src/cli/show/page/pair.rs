//! The page of a pair: both completions side by side, with their masks.

use super::super::pair::{Side, short};
use super::{details, document, rule, sheet, text};
use crate::pair::Pair;

/// The page.
pub fn page(pair: &Pair, number: usize, sides: &[Side; 2]) -> String {
    let names: Vec<String> =
        pair.signals.iter().map(|name| format!("<code>{}</code>", text(name))).collect();
    let contrasted = match names.len() {
        0 => "no contrasted signal".to_owned(),
        1 => format!("contrasted signal: {}", names[0]),
        _ => format!("contrasted signals: {}", names.join(", ")),
    };
    let mut body = format!(
        "<header>\n<p class=\"crumb\">pair {number}</p>\n<h1>{}</h1>\n<p class=\"state\">{contrasted}</p>\n</header>\n<main class=\"pair\">\n",
        text(&pair.problem)
    );
    let mut css = String::new();
    for side in sides {
        body.push_str(&pane(side));
        css.push_str(&rules(side));
    }
    body.push_str("</main>\n<footer>\n");
    body.push_str(&details("what was asked", &pair.prompt));
    body.push_str("<p class=\"quiet\">The number at a line is the highest weight of its bytes in the mask; what has none is not learnt from.</p>\n</footer>");
    document(&format!("pair {number} of {}: salv", pair.problem), &css, &body)
}

/// A completion with its mask.
pub fn pane(side: &Side) -> String {
    let role = side.role;
    let look = look(side);
    let mark = if look == "right" { "✓" } else { "✗" };
    format!(
        "<section aria-labelledby=\"{role}\">\n<h2 id=\"{role}\"><span class=\"pill {look}\">{mark} {role}</span> {}</h2>\n<p class=\"quiet\">{}</p>\n{}\n</section>\n",
        text(side.id),
        text(&side.summary()),
        sheet(&side.sheet, role, role)
    )
}

fn look(side: &Side) -> &'static str {
    if side.role == "chosen" { "right" } else { "wrong" }
}

/// The style of a completion: the heavier, the deeper the ground.
pub fn rules(side: &Side) -> String {
    let (role, look) = (side.role, look(side));
    let mut css = String::new();
    for (layer, weight) in side.weights.iter().enumerate() {
        let is_heaviest = |set: &[usize]| side.weight(set) == Some(*weight) && set.contains(&layer);
        let share = (weight * 100.0).round();
        let ground = match *weight > 0.0 {
            true => format!(
                "{{color:var(--{look});background:color-mix(in srgb,var(--{look}-bg) {share}%,transparent);text-decoration:underline 1px color-mix(in srgb,var(--{look}) 45%,transparent)}}"
            ),
            false => "{background:none}".into(),
        };
        css.push_str(&rule(
            &format!("#{role}code"),
            &format!("{role}k"),
            &side.sheet,
            is_heaviest,
            &ground,
        ));
        let mark = format!("::after{{content:\"{}\";color:var(--{look})}}", short(*weight));
        css.push_str(&rule(
            &format!("#{role}code"),
            &format!("{role}j"),
            &side.sheet,
            is_heaviest,
            &mark,
        ));
    }
    css
}
