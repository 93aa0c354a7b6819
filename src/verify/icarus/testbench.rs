//! The test bench of a case: uniform random vectors in one sequence, as the published scripts do.
//!
//! Resets are active for two cycles at the start and inactive after it; the other inputs get new values for
//! each vector, then every clock rises and falls, and the outputs are compared once. An output differs
//! unless `golden === (golden ^ candidate ^ golden)`, as in the benchmarks' own benches: X in the golden
//! module matches anything.

use std::fmt::Write as _;

use super::Case;
use crate::design::{Direction, Interface, Level, Port, Role};
use crate::record::content_hash;
use crate::verilog::lex::is_keyword;

/// Names of our own in the compiled text begin with this.
pub const PREFIX: &str = "salv_bench_";

/// Name of the test bench's module.
pub(super) const TOP: &str = "salv_bench_top";

/// What begins each line of our own; a candidate cannot know it.
pub(super) fn tag(case: &Case, purpose: &str) -> String {
    let hash = content_hash(format!("{purpose} {} {}", case.golden, case.candidate).as_bytes());
    format!("{PREFIX}{} ", &hash[..16])
}

/// The bench with the modules of the case after it.
pub(super) fn with_modules(mut text: String, case: &Case) -> String {
    for part in [&case.candidate, &case.golden] {
        text.push_str("`resetall\n");
        text.push_str(part);
        text.push('\n');
    }
    text
}

/// A text to compile.
#[derive(Clone, Debug)]
pub struct Testbench {
    /// Test bench, candidate and golden module.
    pub text: String,
    /// What begins each line with a counter; a candidate cannot know it.
    pub tag: String,
}

/// Writes the text for a case.
pub fn testbench(case: &Case, vectors: u32, seed: u32) -> Testbench {
    let tag = tag(case, &seed.to_string());
    let mut text = String::new();
    write_bench(&mut text, case, vectors, seed, &tag)
        .unwrap_or_else(|_| unreachable!("writing to a string does not fail"));
    Testbench { text: with_modules(text, case), tag }
}

/// A port and the words that it is written with.
pub(super) struct Wire<'a> {
    pub(super) port: &'a Port,
    role: Role,
    pub(super) number: usize,
}

/// The ports in order.
pub(super) fn wires(interface: &Interface) -> Vec<Wire<'_>> {
    let ports = interface.ports.iter().zip(&interface.roles).enumerate();
    ports.map(|(number, (port, &role))| Wire { port, role, number }).collect()
}

impl Wire<'_> {
    pub(super) fn range(&self) -> String {
        format!("[{}:0]", self.port.width.max(1) - 1)
    }

    /// An expression of 32-bit draws that is at least as wide as the port.
    fn random(&self) -> String {
        let draws = self.port.width.div_ceil(32).max(1) as usize;
        format!("{{{}}}", vec!["$random(seed)"; draws].join(", "))
    }

    /// The name as it can stand after the dot of a connection.
    pub(super) fn name(&self) -> String {
        let name = &self.port.name;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$';
        let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let simple = first && name.chars().all(plain) && !is_keyword(name);
        if simple { name.clone() } else { format!("\\{name} ") }
    }
}

/// The statements of each part of a run.
struct Statements {
    /// Drive all inputs but clocks and resets with new values.
    data: String,
    /// Let every clock rise and fall; nothing but time without clocks.
    pulse: String,
    /// Drive clocks low and resets to the active level.
    reset: String,
    /// Drive resets to the inactive level.
    release: String,
    /// Count the outputs that differ.
    check: String,
    /// Print the counters.
    report: String,
}

fn write_bench(
    out: &mut String,
    case: &Case,
    vectors: u32,
    seed: u32,
    tag: &str,
) -> std::fmt::Result {
    let wires = wires(&case.interface);
    writeln!(out, "`resetall\nmodule {TOP};\n  integer seed, i;")?;
    for wire in &wires {
        let (range, n) = (wire.range(), wire.number);
        match wire.port.direction {
            Direction::Input => writeln!(out, "  reg {range} in_{n};")?,
            _ => writeln!(out, "  wire {range} golden_{n}, candidate_{n};\n  integer wrong_{n};")?,
        }
    }
    writeln!(out, "  {} golden({});", case.interface.top, connections(&wires, "golden"))?;
    writeln!(out, "  {} candidate({});", case.top, connections(&wires, "candidate"))?;
    let Statements { data, pulse, reset, release, check, report } = statements(&wires, tag);
    write!(
        out,
        "  initial begin
    seed = {seed};
    {reset}{data}#1;
    repeat (2) begin {pulse}end
    {release}
    for (i = 0; i < {vectors}; i = i + 1) begin
      {data}
      {pulse}
      {check}
    end
    {report}
    $finish;
  end
endmodule
",
        seed = seed & 0x7fff_ffff,
    )
}

pub(super) fn connections(wires: &[Wire], side: &str) -> String {
    let connect = |wire: &Wire| match wire.port.direction {
        Direction::Input => format!(".{}(in_{})", wire.name(), wire.number),
        _ => format!(".{}({side}_{})", wire.name(), wire.number),
    };
    wires.iter().map(connect).collect::<Vec<_>>().join(", ")
}

fn statements(wires: &[Wire], tag: &str) -> Statements {
    let [mut data, mut rise, mut fall, mut reset, mut release, mut check, mut report] =
        [const { String::new() }; 7];
    for wire in wires {
        let n = wire.number;
        if wire.port.direction != Direction::Input {
            reset += &format!("wrong_{n} = 0; ");
            check += &format!(
                "if (golden_{n} !== (golden_{n} ^ candidate_{n} ^ golden_{n})) wrong_{n} = wrong_{n} + 1; "
            );
            report += &format!("$display(\"{tag}%0d\", wrong_{n}); ");
            continue;
        }
        match wire.role {
            Role::Clock { .. } => {
                reset += &format!("in_{n} = 0; ");
                rise += &format!("in_{n} = 1; ");
                fall += &format!("in_{n} = 0; ");
            }
            Role::AsyncReset { active } | Role::SyncReset { active } => {
                let level = u8::from(active == Level::High);
                reset += &format!("in_{n} = {level}; ");
                release += &format!("in_{n} = {}; ", 1 - level);
            }
            Role::Gate { .. } | Role::Data => data += &format!("in_{n} = {}; ", wire.random()),
        }
    }
    let pulse = if rise.is_empty() { "#1; ".into() } else { format!("#1 {rise}#1 {fall}#1; ") };
    Statements { data, pulse, reset, release, check, report }
}
