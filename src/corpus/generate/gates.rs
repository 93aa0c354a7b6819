//! Gates: each output is a small function of a few bits. The second version is its truth table, computed here from
//! the function and not from its text.

use super::chance::Chance;
use super::draft::Draft;
use super::sketch::{Part, Sketch, part};

/// A function of the inputs, by their numbers.
enum Gate {
    Input(usize),
    Not(Box<Gate>),
    /// Word in prompts, operator, whether the result is inverted, the operands.
    Join(&'static str, char, bool, Vec<Gate>),
}

const JOINS: [(&str, char, bool); 6] = [
    ("AND", '&', false),
    ("OR", '|', false),
    ("XOR", '^', false),
    ("NAND", '&', true),
    ("NOR", '|', true),
    ("XNOR", '^', true),
];

impl Gate {
    fn draw(inputs: usize, depth: u32, chance: &mut Chance) -> Gate {
        if depth == 0 || depth == 1 && chance.percent(35) {
            let input = Gate::Input(chance.below(inputs));
            return if chance.percent(25) { Gate::Not(Box::new(input)) } else { input };
        }
        let (word, sign, inverted) = JOINS[chance.below(if depth > 1 { 3 } else { 6 })];
        let operands =
            vec![Gate::draw(inputs, depth - 1, chance), Gate::draw(inputs, depth - 1, chance)];
        Gate::Join(word, sign, inverted, operands)
    }

    fn value(&self, row: usize) -> bool {
        match self {
            Gate::Input(at) => row >> at & 1 == 1,
            Gate::Not(inner) => !inner.value(row),
            Gate::Join(_, sign, inverted, operands) => {
                let mut values = operands.iter().map(|operand| operand.value(row));
                let value = match sign {
                    '&' => values.all(|value| value),
                    '|' => values.any(|value| value),
                    _ => values.filter(|value| *value).count() % 2 == 1,
                };
                value != *inverted
            }
        }
    }

    /// Adds the inputs that are named in it.
    fn mark(&self, named: &mut u32) {
        match self {
            Gate::Input(at) => *named |= 1 << at,
            Gate::Not(inner) => inner.mark(named),
            Gate::Join(_, _, _, operands) => operands.iter().for_each(|one| one.mark(named)),
        }
    }

    /// Whether each input that is named in it matters, so that it is not a smaller gate in disguise.
    fn is_plain(&self, inputs: usize) -> bool {
        let mut named = 0;
        self.mark(&mut named);
        let matters =
            |at: usize| (0..1 << inputs).any(|row| self.value(row) != self.value(row ^ 1 << at));
        (0..inputs).all(|at| named >> at & 1 == 0 || matters(at))
    }

    fn code(&self, names: &[String]) -> String {
        match self {
            Gate::Input(at) => names[*at].clone(),
            Gate::Not(inner) => format!("~{}", inner.code(names)),
            Gate::Join(_, sign, inverted, operands) => {
                let operands = operands.iter().map(|operand| match operand {
                    Gate::Join(_, _, false, _) => format!("({})", operand.code(names)),
                    _ => operand.code(names),
                });
                let joined = operands.collect::<Vec<_>>().join(&format!(" {sign} "));
                if *inverted { format!("~({joined})") } else { joined }
            }
        }
    }

    fn said(&self, names: &[String]) -> String {
        match self {
            Gate::Input(at) => names[*at].clone(),
            Gate::Not(inner) => format!("NOT {}", inner.said(names)),
            Gate::Join(word, _, _, operands) => {
                let operands = operands.iter().map(|operand| match operand {
                    Gate::Join(..) => format!("({})", operand.said(names)),
                    _ => operand.said(names),
                });
                operands.collect::<Vec<_>>().join(&format!(" {word} "))
            }
        }
    }
}

pub(super) fn draw(chance: &mut Chance) -> Draft {
    let mut sketch =
        Sketch::new("gates", &["gates", "logic_unit", "bool_fn", "comb", "gate_net"], chance);
    let count = 2 + sketch.chance.below(3);
    let sets: [[&str; 4]; 4] = [
        ["a", "b", "c", "d"],
        ["x", "y", "z", "w"],
        ["p", "q", "r", "s"],
        ["in0", "in1", "in2", "in3"],
    ];
    let set = sets[sketch.chance.below(4)];
    let names: Vec<String> = set[..count].iter().map(|name| sketch.input(&[name], 1)).collect();
    let mut pool: Vec<Part> = Vec::new();
    let mut tables = std::collections::BTreeSet::new();
    let mut tries = 0;
    while tries < 40 || pool.is_empty() {
        tries += 1;
        let depth = 1 + sketch.chance.below(2) as u32;
        let gate = Gate::draw(count, depth, sketch.chance);
        let rows = 1 << count;
        let table = (0..rows).filter(|row| gate.value(*row)).map(|row| 1 << row).sum::<u32>();
        let is_new = gate.is_plain(count) && matches!(gate, Gate::Join(..));
        if is_new && tables.insert(table) && pool.len() < 8 {
            let said = gate.said(&names);
            let index: Vec<&str> = names.iter().rev().map(String::as_str).collect();
            pool.push(part(
                (
                    format!("{table:x}"),
                    &["y", "f", "out", "g", "y0", "y1", "y2", "f0", "f1", "f2", "o1", "o2"],
                    1,
                ),
                &[&format!("is {said}"), &format!("equals {said}"), &format!("= {said}")],
                gate.code(&names),
                format!("{rows}'h{table:x} >> {{{}}}", index.join(", ")),
            ));
        }
    }
    majority(&names, &mut pool);
    sketch.outputs(pool)
}

/// Functions of all inputs that have a name.
fn majority(names: &[String], pool: &mut Vec<Part>) {
    let all = names.join(", ");
    let sum = names.iter().map(|name| format!("{{2'b0, {name}}}")).collect::<Vec<_>>().join(" + ");
    if let [a, b, c] = names {
        pool.push(part(
            ("majority", &["maj", "vote", "most"], 1),
            &[
                &format!("is high when at least two of {all} are high"),
                &format!("is the majority of {all}"),
            ],
            format!("({a} & {b}) | ({a} & {c}) | ({b} & {c})"),
            format!("({sum}) >= 3'd2"),
        ));
    }
    if names.len() > 2 {
        let others = |at: usize| {
            let terms = names.iter().enumerate();
            let terms = terms
                .map(|(other, name)| if other == at { name.clone() } else { format!("~{name}") });
            format!("({})", terms.collect::<Vec<_>>().join(" & "))
        };
        pool.push(part(
            ("one", &["one", "single", "only"], 1),
            &[&format!("is high when exactly one of {all} is high")],
            (0..names.len()).map(others).collect::<Vec<_>>().join(" | "),
            format!("({sum}) == 3'd1"),
        ));
        pool.push(part(
            ("same", &["same", "equal", "agree"], 1),
            &[&format!("is high when {all} are all equal")],
            format!("({}) | ~({})", names.join(" & "), names.join(" | ")),
            format!("({sum}) == 3'd0 || ({sum}) == 3'd{}", names.len()),
        ));
    }
}
