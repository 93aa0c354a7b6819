//! A trace as a value change dump (IEEE 1800-2017, clause 21.7), for GTKWave and Surfer.

use std::io::{self, Write};

use crate::design::{Direction, Interface};
use crate::verify::backend::{Trace, Values};
use crate::verify::stimulus::Layout;

/// Writes inputs, golden outputs and candidate outputs side by side, one time unit for each step.
pub fn write(out: &mut impl Write, interface: &Interface, trace: &Trace) -> io::Result<()> {
    let names = |direction: Direction| -> Vec<&str> {
        let ports = interface.ports.iter().filter(|p| p.direction == direction);
        ports.map(|p| p.name.as_str()).collect()
    };
    let rows = trace.input_rows.len();
    let inputs = Values { value: trace.input_rows.clone(), defined: vec![u64::MAX; rows] };
    let outputs = names(Direction::Output);
    let scopes = [
        Scope {
            name: "inputs",
            names: names(Direction::Input),
            layout: &trace.inputs,
            values: &inputs,
            skip: 1,
        },
        Scope {
            name: "golden",
            names: outputs.clone(),
            layout: &trace.outputs,
            values: &trace.golden,
            skip: 0,
        },
        Scope {
            name: "candidate",
            names: outputs,
            layout: &trace.outputs,
            values: &trace.candidate,
            skip: 0,
        },
    ];
    header(out, &scopes)?;
    let mut last: Vec<String> = Vec::new();
    for step in 0..trace.steps.len() {
        writeln!(out, "#{step}")?;
        let mut code = 0;
        for scope in &scopes {
            for port in 0..scope.names.len() {
                let literal = scope.layout.literal(port, scope.values, step + scope.skip);
                if last.len() <= code {
                    last.push(String::new());
                }
                if last[code] != literal {
                    change(out, &literal, code)?;
                    last[code] = literal;
                }
                code += 1;
            }
        }
    }
    writeln!(out, "#{}", trace.steps.len())
}

struct Scope<'a> {
    name: &'a str,
    names: Vec<&'a str>,
    layout: &'a Layout,
    values: &'a Values,
    /// Rows before the first step.
    skip: usize,
}

fn header(out: &mut impl Write, scopes: &[Scope]) -> io::Result<()> {
    writeln!(out, "$version salv {} $end", env!("CARGO_PKG_VERSION"))?;
    writeln!(out, "$timescale 1 ns $end")?;
    let mut code = 0;
    for scope in scopes {
        writeln!(out, "$scope module {} $end", scope.name)?;
        for (name, width) in scope.names.iter().zip(&scope.layout.widths) {
            // A viewer splits at blanks, which an escaped identifier cannot hold.
            let range = if *width > 1 { format!(" [{}:0]", width - 1) } else { String::new() };
            writeln!(out, "$var wire {width} {} {name}{range} $end", identifier(code))?;
            code += 1;
        }
        writeln!(out, "$upscope $end")?;
    }
    writeln!(out, "$enddefinitions $end")
}

/// `literal` is `8'b01x0…`.
fn change(out: &mut impl Write, literal: &str, code: usize) -> io::Result<()> {
    let bits = literal.split_once('b').map_or(literal, |(_, bits)| bits);
    if bits.len() == 1 {
        writeln!(out, "{bits}{}", identifier(code))
    } else {
        writeln!(out, "b{bits} {}", identifier(code))
    }
}

/// The code of a variable: printable characters from `!` to `~`.
fn identifier(mut code: usize) -> String {
    let mut text = String::new();
    loop {
        text.push(char::from(b'!' + (code % 94) as u8));
        code /= 94;
        if code == 0 {
            return text;
        }
        code -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::identifier;

    #[test]
    fn identifiers_are_distinct() {
        let all: std::collections::BTreeSet<String> = (0..20_000).map(identifier).collect();
        assert_eq!(all.len(), 20_000);
    }
}
