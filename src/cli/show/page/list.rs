//! What pages with tables of results share: sections, tables that a phone can scroll, and bars.

use super::text;

/// The style of lists and bars.
pub const STYLE: &str = include_str!("list.css");

/// A section with its head.
pub fn section(id: &str, title: &str, content: &str) -> String {
    format!(
        "<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{}</h2>\n{content}</section>\n",
        text(title)
    )
}

/// A table that scrolls by itself where it is too wide for a phone; a head that begins with `#` is one of numbers, and one
/// that begins with `!` of drawings, which a phone may have no room for.
pub fn table(label: &str, heads: &[&str], rows: &str) -> String {
    let head = |head: &&str| match (head.strip_prefix('#'), head.strip_prefix('!')) {
        (Some(head), _) => format!("<th class=\"n\">{head}</th>"),
        (_, Some(head)) => format!("<th class=\"draw\">{head}</th>"),
        _ => format!("<th>{head}</th>"),
    };
    let heads: String = heads.iter().map(head).collect();
    format!(
        "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"{label}\"><table class=\"list\">\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n"
    )
}
