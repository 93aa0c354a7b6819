//! Statements of a process, a function or a task, one or more lines each.
//!
//! A process writes its own targets alone; what it may read is given. A combinational one gives each target a
//! value first, so that nothing is latched by accident. Loops have constant bounds.

use super::super::family::Family;
use super::expression::{Function, Value, View, amount, member, value};
use super::literal;
use super::pen::{Pen, either};
use super::select;
use super::shape::{Atom, Shape};

/// A task that may be called: widths of its inputs, and of the one output that comes last.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) name: String,
    pub(super) inputs: usize,
}

/// What statements may do.
#[derive(Clone)]
pub(super) struct Body<'a> {
    /// What they read.
    pub(super) atoms: Vec<Atom>,
    pub(super) functions: &'a [Function],
    pub(super) tasks: &'a [Task],
    /// What they write.
    pub(super) targets: Vec<Atom>,
    /// Whether by `<=`.
    pub(super) nonblocking: bool,
    /// Whether `return` is allowed: in a function or a task.
    pub(super) returns: Option<String>,
    /// Blocks around that can be left.
    pub(super) blocks: Vec<String>,
    /// The body of the loop around, and the loop with what is around it: for `continue` and `break`.
    pub(super) jumps: Option<(String, String)>,
    /// Loops around.
    pub(super) loops: u32,
}

impl Body<'_> {
    pub(super) fn view(&self) -> View<'_> {
        View { atoms: &self.atoms, functions: self.functions }
    }
}

const STATEMENTS: &[(usize, Family)] = &[
    (8, Family::If),
    (4, Family::Case),
    (2, Family::CaseZ),
    (2, Family::CaseX),
    (1, Family::CaseInside),
    (4, Family::For),
    (1, Family::While),
    (1, Family::Repeat),
    (1, Family::Jump),
    (1, Family::Return),
    (2, Family::Disable),
    (2, Family::Compound),
    (1, Family::ConcatTarget),
    (1, Family::LocalVariable),
    (2, Family::Task),
    (1, Family::UniqueIf),
];

/// Lines of code.
pub(super) type Lines = Vec<String>;

/// Some statements, one after the other, of at most `depth` levels.
pub(super) fn sequence(pen: &mut Pen, body: &Body, depth: u32) -> Lines {
    let count = 1 + pen.draw.below(2);
    (0..count).flat_map(|_| statement(pen, body, depth)).collect()
}

/// One statement of at most `depth` levels.
pub(super) fn statement(pen: &mut Pen, body: &Body, depth: u32) -> Lines {
    if depth == 0 || body.targets.is_empty() || pen.draw.percent(45) {
        return assignment(pen, body);
    }
    let Some(family) = pen.choose(STATEMENTS) else { return assignment(pen, body) };
    match family {
        Family::If | Family::UniqueIf => conditional(pen, body, depth, family),
        Family::Case | Family::CaseZ | Family::CaseX | Family::CaseInside => {
            selection(pen, body, depth, family)
        }
        Family::For | Family::While | Family::Repeat if body.loops < 2 => {
            repetition(pen, body, depth, family)
        }
        Family::Jump => jump(pen, body),
        Family::Return => leave(pen, body, body.returns.clone()),
        Family::Disable => {
            let block = body.blocks.last().map(|name| format!("disable {name};"));
            leave(pen, body, block)
        }
        Family::Compound if !body.nonblocking => compound(pen, body),
        Family::ConcatTarget => concatenated(pen, body),
        Family::LocalVariable if !body.nonblocking => local(pen, body, depth),
        Family::Task => call(pen, body),
        _ => assignment(pen, body),
    }
}

/// `if (c) begin`, what is in it, `end`.
pub(super) fn block(head: &str, inner: Lines) -> Lines {
    let mut lines = vec![format!("{head}begin")];
    lines.extend(inner.into_iter().map(|line| format!("  {line}")));
    lines.push("end".into());
    lines
}

fn assign(body: &Body) -> &'static str {
    if body.nonblocking { "<=" } else { "=" }
}

pub(super) fn assignment(pen: &mut Pen, body: &Body) -> Lines {
    if body.targets.is_empty() {
        return vec![";".into()];
    }
    let atom = pen.draw.pick(&body.targets).clone();
    let source = source(pen, body, &atom.shape, 3);
    let target = select::target(pen, body.view(), &atom, body.nonblocking);
    vec![format!("{} {} {source};", target.text, assign(body))]
}

/// What a variable of a shape may be given.
pub(super) fn source(pen: &mut Pen, body: &Body, shape: &Shape, depth: u32) -> String {
    source_value(pen, body, shape, depth).text
}

/// The same with its width and sign; those of a member of an enumeration and of a fill literal are not told.
pub(super) fn source_value(pen: &mut Pen, body: &Body, shape: &Shape, depth: u32) -> Value {
    if let Some(member) = member(pen, shape) {
        return Value::new(member, 1, false);
    }
    if pen.may(Family::FillLiteral, 3) {
        let fill = *pen.draw.pick(&["'0", "'1", "'x", "'z"]);
        return Value::new(fill.to_owned(), 1, false);
    }
    let depth = 1 + pen.draw.below(depth as usize) as u32;
    value(pen, body.view(), depth)
}

fn condition(pen: &mut Pen, body: &Body) -> String {
    let depth = pen.draw.below(3) as u32;
    value(pen, body.view(), depth).text
}

fn conditional(pen: &mut Pen, body: &Body, depth: u32, family: Family) -> Lines {
    let word = if family == Family::UniqueIf {
        either(&format!("{} if", pen.draw.pick(&["unique", "unique0", "priority"])), "if")
    } else {
        "if".to_owned()
    };
    let mut lines =
        block(&format!("{word} ({}) ", condition(pen, body)), sequence(pen, body, depth - 1));
    for _ in 0..pen.draw.below(2) {
        let head = format!("else if ({}) ", condition(pen, body));
        lines.extend(block(&head, sequence(pen, body, depth - 1)));
    }
    if pen.draw.percent(60) {
        lines.extend(block("else ", sequence(pen, body, depth - 1)));
    }
    lines
}

/// A selector as it may stand. Of a conditional that it folds, or `$unsigned`, Icarus 11.0 extends the operand by its own sign
/// where all items need fewer bits than the selector, against 12.5 and 11.8.2, but not in braces.
fn as_selector(selector: &Value) -> String {
    let Value { text, is_unsized, .. } = selector;
    match text.contains('?') || text.contains("unsigned") {
        true if *is_unsized => format!("({text} | 1'sb0)"),
        true => format!("{{{text}}}"),
        false => text.clone(),
    }
}

/// A `case`, of constants or, seldom, of what is none.
fn selection(pen: &mut Pen, body: &Body, depth: u32, family: Family) -> Lines {
    let inverse = family == Family::Case && pen.draw.percent(12);
    let (selector, width, signed) = if inverse {
        ("1'b1".to_owned(), 1, false)
    } else {
        let depth = pen.draw.below(2) as u32;
        let selector = value(pen, body.view(), depth);
        (as_selector(&selector), selector.width.min(80), selector.signed)
    };
    let mut arms: Vec<(String, Lines)> = Vec::new();
    for _ in 0..1 + pen.draw.below(3) {
        let count = 1 + pen.draw.below(2);
        let item = |pen: &mut Pen| match family {
            Family::CaseZ => literal::pattern(pen, width, &['?', 'z']),
            Family::CaseX => literal::pattern(pen, width, &['?', 'x', 'z']),
            Family::CaseInside => literal::pattern(pen, width, &['?', 'x']),
            // Beside a wider constant Icarus 11.0 extends a signed selector by its sign though an item is unsigned, against 12.5.
            _ if inverse || !signed && pen.draw.percent(15) => value(pen, body.view(), 1).text,
            _ => literal::sized(pen, width, false),
        };
        let items: Vec<String> = (0..count).map(|_| item(pen)).collect();
        arms.push((items.join(", "), sequence(pen, body, depth - 1)));
    }
    let default = pen.draw.percent(70).then(|| sequence(pen, body, depth - 1));
    if family == Family::CaseInside {
        // Both sides unsigned and equally wide.
        let text = format!("{width}'(({selector}))");
        return case_inside(&format!("{{{text}}}"), arms, default);
    }
    let word = match family {
        Family::CaseZ => "casez",
        Family::CaseX => "casex",
        _ => "case",
    };
    let unique = *pen.draw.pick(&["unique ", "unique0 ", "priority "]);
    let unique = if pen.may(Family::UniqueCase, 15) { unique } else { "" };
    let mut lines = vec![format!("{unique}{word} ({selector})")];
    let default = default.map(|lines| ("default".to_owned(), lines));
    for (items, inner) in arms.into_iter().chain(default) {
        let arm = block(&format!("{items}: "), inner);
        lines.extend(arm.into_iter().map(|line| format!("  {line}")));
    }
    lines.push("endcase".into());
    lines
}

/// `case … inside`, and for Icarus a chain of `if`.
fn case_inside(selector: &str, arms: Vec<(String, Lines)>, default: Option<Lines>) -> Lines {
    let mut lines = vec![either(&format!("case ({selector}) inside"), "")];
    let mut otherwise = "";
    for (items, inner) in arms {
        let tests: Vec<String> =
            items.split(", ").map(|item| format!("({selector} ==? {item})")).collect();
        let plain = format!("{otherwise}if ({}) ", tests.join(" || "));
        lines.extend(block(&either(&format!("{items}: "), &plain), inner));
        otherwise = "else ";
    }
    if let Some(inner) = default {
        lines.extend(block(&either("default: ", "else "), inner));
    }
    lines.push(either("endcase", ""));
    lines
}

fn repetition(pen: &mut Pen, body: &Body, depth: u32, family: Family) -> Lines {
    let count = 1 + pen.draw.below(if body.loops == 0 { 6 } else { 3 });
    let (outer, inner) = (pen.fresh("b"), pen.fresh("b"));
    let variable = pen.fresh("i");
    let mut within = body.clone();
    within.loops += 1;
    within.jumps = Some((inner.clone(), outer.clone()));
    if family != Family::Repeat {
        let shape = Shape::Word { keyword: "int", width: 32, signed: true };
        within.atoms.push(Atom { name: variable.clone(), shape });
    }
    let mut lines = sequence(pen, &within, depth - 1);
    // For `continue` and `break` Icarus needs blocks with names to leave.
    let named = lines.iter().any(|line| line.contains("disable"));
    let (inner, outer) = if named {
        (either("", &format!(" : {inner}")), either("", &format!(" : {outer}")))
    } else {
        Default::default()
    };
    match family {
        Family::For => {
            let step = *pen.draw.pick(&["++", " = {} + 1", " += 1"]);
            let step = step.replace("{}", &variable);
            let head = if pen.draw.percent(70) {
                format!("for (int {variable} = 0; {variable} < {count}; {variable}{step}) ")
            } else {
                format!("for (int {variable} = {count}; {variable} > 0; {variable}--) ")
            };
            let head = head.replace("--", &format!(" = {variable} - 1"));
            let head =
                head.replace(&format!("{variable}++"), &format!("{variable} = {variable} + 1"));
            lines = rename_begin(block(&head, lines), &inner);
        }
        Family::While => {
            let name = pen.fresh("b");
            lines.insert(0, format!("{variable} = {variable} + 1;"));
            let test = format!("({variable} < {count})");
            lines = if pen.draw.percent(50) {
                rename_begin(block(&format!("while {test} "), lines), &inner)
            } else {
                let mut lines = rename_begin(block("do ", lines), &inner);
                *lines.last_mut().unwrap_or_else(|| unreachable!("a block ends")) =
                    format!("end while {test};");
                lines
            };
            lines.insert(0, format!("{variable} = 0;"));
            lines.insert(0, format!("int {variable};"));
            lines = rename_begin(block("", lines), &format!(" : {name}"));
        }
        _ => lines = rename_begin(block(&format!("repeat ({count}) "), lines), &inner),
    }
    if named { rename_begin(block("", lines), &outer) } else { lines }
}

/// Puts a name after the first `begin`.
fn rename_begin(mut lines: Lines, name: &str) -> Lines {
    lines[0].push_str(name);
    lines
}

/// `break` or `continue`; Icarus leaves the loop or its body by name.
fn jump(pen: &mut Pen, body: &Body) -> Lines {
    let Some((inner, outer)) = &body.jumps else { return assignment(pen, body) };
    let jump = if pen.draw.percent(50) {
        either("break;", &format!("disable {outer};"))
    } else {
        either("continue;", &format!("disable {inner};"))
    };
    leave(pen, body, Some(jump))
}

/// Leaves something under a condition.
fn leave(pen: &mut Pen, body: &Body, how: Option<String>) -> Lines {
    let Some(how) = how else { return assignment(pen, body) };
    let mut lines = block(&format!("if ({}) ", condition(pen, body)), vec![how]);
    lines.extend(assignment(pen, body));
    lines
}

fn compound(pen: &mut Pen, body: &Body) -> Lines {
    // Of a type of two states Icarus 11.0 takes the right side's x for 0 before the operation, against 11.4.1.
    let plain = |atom: &&Atom| {
        matches!(
            atom.shape,
            Shape::Vector { two_state: false, .. } | Shape::Word { keyword: "integer", .. }
        )
    };
    let targets: Vec<&Atom> = body.targets.iter().filter(plain).collect();
    if targets.is_empty() {
        return assignment(pen, body);
    }
    let name = &pen.draw.pick(&targets).name;
    if pen.draw.percent(25) {
        let sign = *pen.draw.pick(&["++", "--"]);
        return vec![format!("{name}{sign};")];
    }
    let operators = ["+=", "-=", "*=", "&=", "|=", "^=", "<<=", ">>=", "<<<=", ">>>=", "/=", "%="];
    let operator = *pen.draw.pick(&operators);
    let is_shift = operator.len() > 2;
    let value = match is_shift {
        true => amount(pen, body.view(), 30),
        false => value(pen, body.view(), 2).operand(pen),
    };
    // Icarus 11.0 cuts the right side to the width of the left one, and takes a shift's sign for its own.
    let full = format!("{name} {operator} {};", value.text);
    let bare = operator.trim_end_matches('=');
    vec![either(&full, &format!("{name} = ({name} {bare} ({}));", value.text))]
}

fn concatenated(pen: &mut Pen, body: &Body) -> Lines {
    // Of a target concatenation Icarus 11.0 takes the type of the last member for all, against 6.3.1.
    let plain = |atom: &&Atom| {
        matches!(atom.shape, Shape::Vector { two_state: false, .. } | Shape::Packed { .. })
    };
    let names: Vec<&str> =
        body.targets.iter().filter(plain).map(|atom| atom.name.as_str()).collect();
    if names.len() < 2 {
        return assignment(pen, body);
    }
    let first = pen.draw.below(names.len() - 1);
    let source = value(pen, body.view(), 2).text;
    vec![format!("{{{}, {}}} {} {source};", names[first], names[first + 1], assign(body))]
}

/// A block with a variable of its own, which is set before it is read.
fn local(pen: &mut Pen, body: &Body, depth: u32) -> Lines {
    let (name, block_name) = (pen.fresh("v"), pen.fresh("b"));
    let (width, signed) = (super::expression::width(pen), pen.draw.percent(30));
    let atom = Atom { name, shape: Shape::vector(width, signed) };
    let mut lines = vec![format!("{};", atom.shape.variable(&atom.name))];
    lines.push(format!("{} = {};", atom.name, source(pen, body, &atom.shape, 2)));
    let mut within = body.clone();
    within.atoms.push(atom.clone());
    within.blocks.push(block_name.clone());
    lines.extend(sequence(pen, &within, depth - 1));
    rename_begin(block("", lines), &format!(" : {block_name}"))
}

fn call(pen: &mut Pen, body: &Body) -> Lines {
    let plain = |atom: &&Atom| matches!(atom.shape, Shape::Vector { .. });
    let targets: Vec<&Atom> = body.targets.iter().filter(plain).collect();
    if body.tasks.is_empty() || targets.is_empty() || body.nonblocking {
        return assignment(pen, body);
    }
    let task = pen.draw.pick(body.tasks).clone();
    let target = pen.draw.pick(&targets).name.clone();
    let mut arguments: Vec<String> =
        (0..task.inputs).map(|_| value(pen, body.view(), 2).text).collect();
    arguments.push(target);
    vec![format!("{}({});", task.name, arguments.join(", "))]
}
