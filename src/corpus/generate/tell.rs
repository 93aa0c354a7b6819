//! A drawn design in English: who the ports are, when registers change, what each output is.
//!
//! The same facts come in several layouts and words. Everything that decides the behaviour is said: a reader who has
//! only the prompt can write the module.

use super::chance::Chance;
use super::draft::{Clock, Draft, Value};
use super::write::inputs;

/// Words that may stand for others, each drawn anew where it stands.
const SYNONYMS: &[(&str, &[&str])] = &[
    ("is high", &["is high", "is high", "is 1", "is asserted"]),
    (" when ", &[" when ", " when ", " if "]),
    (" the complement of ", &[" the complement of ", " the inverse of "]),
];

/// Returns the prompt.
pub(super) fn prompt(draft: &Draft, chance: &mut Chance) -> String {
    let mut text = ports(draft, chance);
    if let Some(clock) = &draft.clock {
        text.push('\n');
        text += &clocking(clock, draft, chance);
    }
    for about in &draft.about {
        text.push('\n');
        text += &format!("{}.", vary(about, chance));
    }
    let mut says = draft.says.clone();
    if chance.percent(20) {
        chance.shuffle(&mut says);
    }
    let dashes = chance.percent(40);
    for (at, said) in says.iter().filter(|said| !said.is_empty()).enumerate() {
        let said = vary(said, chance);
        text += match (dashes, at) {
            (true, _) => "\n- ",
            (false, 0) => "\n",
            (false, _) => " ",
        };
        text += &format!("{said}.");
    }
    text.push('\n');
    text
}

/// Draws a wording for each word that has several.
fn vary(text: &str, chance: &mut Chance) -> String {
    let mut text = text.to_owned();
    for (word, others) in SYNONYMS {
        let pieces: Vec<&str> = text.split(word).collect();
        let mut varied = pieces[0].to_owned();
        for piece in &pieces[1..] {
            varied += chance.pick(others);
            varied += piece;
        }
        text = varied;
    }
    text.replace(" a 8-bit", " an 8-bit")
}

/// Introduces the module and lists its ports.
fn ports(draft: &Draft, chance: &mut Chance) -> String {
    let name = &draft.module;
    let inputs = inputs(draft);
    let outputs: Vec<(&str, u32)> =
        draft.outputs.iter().map(|output| (output.name.as_str(), output.width)).collect();
    let (open, close) = *chance.pick(&[&(" (", " bits)"), &(": ", " bits"), &(" [", ":0]")]);
    let list = |ports: &[(&str, u32)]| -> String {
        let one = |(name, width): &(&str, u32)| match (*width, close) {
            (1, _) => (*name).to_owned(),
            (width, ":0]") => format!("{name}{open}{}{close}", width - 1),
            (width, _) => format!("{name}{open}{width}{close}"),
        };
        ports.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    let verb = chance.pick(&["Write", "Implement", "Design", "Create"]);
    match chance.below(3) {
        0 => format!(
            "{verb} a Verilog module {name}.\nInputs: {}.\nOutputs: {}.",
            list(&inputs),
            list(&outputs)
        ),
        1 => format!(
            "{verb} the module {name} in Verilog, with the inputs {} and the \
             outputs {}.",
            list(&inputs),
            list(&outputs)
        ),
        _ => {
            let mut text = format!("{verb} a Verilog module named {name} with these ports:");
            let lists = [("input", &inputs), ("output", &outputs)];
            for (word, (name, width)) in lists
                .into_iter()
                .flat_map(|(word, ports)| ports.iter().map(move |port| (word, port)))
            {
                let range = if *width == 1 { String::new() } else { format!("[{}:0] ", width - 1) };
                text += &format!("\n- {word} {range}{name}");
            }
            text
        }
    }
}

/// Says when registers change and what reset does.
fn clocking(clock: &Clock, draft: &Draft, chance: &mut Chance) -> String {
    let name = &clock.name;
    let edge = match (clock.falling, chance.percent(50)) {
        (false, true) => "rising edge",
        (false, false) => "positive edge",
        (true, true) => "falling edge",
        (true, false) => "negative edge",
    };
    let when = match chance.below(3) {
        0 => format!("Registers change on the {edge} of {name}"),
        1 => format!("Everything is clocked by the {edge} of {name}"),
        _ => format!("The clock {name} is active on its {edge}"),
    };
    let Some(reset) = &clock.reset else {
        return format!("{when}; there is no reset.");
    };
    let kind = if reset.asynchronous { "asynchronous" } else { "synchronous" };
    let level = if reset.low { "low" } else { "high" };
    let name = &reset.name;
    let how = match chance.below(3) {
        0 => format!("{name} is an {kind} reset, active {level}").replace("an syn", "a syn"),
        1 => format!("The {kind} reset {name} is active {level}"),
        _ => format!("The active-{level} {name} resets {kind}ly"),
    };
    format!("{when}. {how}; {}.", cleared(draft))
}

/// Says what reset sets; what is inside and has no other value than 0 is not named.
fn cleared(draft: &Draft) -> String {
    let mut set = Vec::new();
    for signal in draft.inner.iter().chain(&draft.outputs) {
        if let Value::Register(Some(value), _) = &signal.golden {
            let number = value.split_once("'d").map_or(value.as_str(), |(_, number)| number);
            if !number.trim_matches('0').is_empty() && !number.ends_with("'b0") {
                set.push(format!("{} to {number}", signal.name));
            }
        }
    }
    let others = "clears all registers";
    match set.is_empty() {
        true => format!("it {others}"),
        false => format!("it sets {} and clears all other registers", set.join(", ")),
    }
}
