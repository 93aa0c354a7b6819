//! A curve as inline SVG: no script, and colours from the page.

use crate::cli::show::page::text;

const WIDTH: f64 = 340.0;
const HEIGHT: f64 = 150.0;
/// Room for the numbers at the left and under the curve.
const LEFT: f64 = 46.0;
const BELOW: f64 = 18.0;
const ABOVE: f64 = 8.0;

/// A curve with its name and the class of its colour.
pub struct Line<'p> {
    /// What it is.
    pub name: &'p str,
    /// The class.
    pub tone: &'static str,
    /// Points, from left to right.
    pub points: &'p [[f64; 2]],
}

/// A figure of curves over the steps of a training; nothing if there is no point.
pub fn figure(title: &str, lines: &[Line]) -> String {
    let all = || lines.iter().flat_map(|line| line.points);
    let (Some(steps), Some(values)) = (range(all().map(|p| p[0])), range(all().map(|p| p[1])))
    else {
        return String::new();
    };
    let x = |step: f64| LEFT + (step - steps.0) / (steps.1 - steps.0) * (WIDTH - LEFT - 6.0);
    let y = |value: f64| {
        HEIGHT - BELOW - (value - values.0) / (values.1 - values.0) * (HEIGHT - BELOW - ABOVE)
    };
    let mut svg = format!(
        "<figure><figcaption>{}</figcaption>\n<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n",
        caption(title, lines),
        text(&label(title, lines))
    );
    for share in [0.0, 0.5, 1.0] {
        let value = values.0 + share * (values.1 - values.0);
        let at = y(value);
        svg += &format!(
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n",
            LEFT - 5.0,
            at + 3.5,
            short(value)
        );
    }
    for (step, anchor) in [(steps.0, "start"), (steps.1, "end")] {
        let (at, below) = (x(step), HEIGHT - 4.0);
        svg += &format!(
            "<text x=\"{at:.1}\" y=\"{below}\" text-anchor=\"{anchor}\">step {step:.0}</text>\n"
        );
    }
    for line in lines {
        let points: Vec<String> =
            line.points.iter().map(|p| format!("{:.1},{:.1}", x(p[0]), y(p[1]))).collect();
        svg += &format!("<polyline class=\"{}\" points=\"{}\"/>\n", line.tone, points.join(" "));
    }
    svg + "</svg></figure>\n"
}

/// Smallest and largest value, apart from each other.
fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let (low, high) = values
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    match high - low {
        width if width > 0.0 => Some((low, high)),
        0.0 => Some((low - 0.5, high + 0.5)),
        _ => None,
    }
}

fn caption(title: &str, lines: &[Line]) -> String {
    match lines {
        [_] => text(title),
        _ => {
            let names = lines.iter().map(|line| {
                format!("<span class=\"key {}\">{}</span>", line.tone, text(line.name))
            });
            format!("{}: {}", text(title), names.collect::<Vec<_>>().join(" "))
        }
    }
}

/// What the figure says, for who does not see it.
fn label(title: &str, lines: &[Line]) -> String {
    let of = |line: &Line| {
        let (first, last) = (line.points.first()?, line.points.last()?);
        Some(format!("{} from {} to {}", line.name, short(first[1]), short(last[1])))
    };
    format!("{title}: {}", lines.iter().filter_map(of).collect::<Vec<_>>().join(", "))
}

/// A number in few characters.
fn short(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 0.1 || size == 0.0 => 2,
        _ => 4,
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_stays_within_its_frame() {
        let points = [[1.0, -3.0], [2.0, 5.0], [3.0, 1.0]];
        let svg = figure("loss", &[Line { name: "loss", tone: "right", points: &points }]);
        let (_, line) = svg.split_once("points=\"").expect("a line");
        let numbers: Vec<f64> = line
            .split('"')
            .next()
            .into_iter()
            .flat_map(|points| points.split([' ', ',']))
            .map(|number| number.parse().expect("a number"))
            .collect();
        assert_eq!(numbers, [46.0, 132.0, 190.0, 8.0, 334.0, 70.0]);
        assert_eq!(figure("nothing", &[]), "");
    }
}
