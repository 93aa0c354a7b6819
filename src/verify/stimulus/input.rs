//! The inputs as the generator needs them: where each lies in a row, what it is used for, which values are
//! legal, which constants it may take and to which inputs it may be close.
//!
//! Settled once for a problem, so that the steps look nothing up. Here the golden module's interface
//! meets the problem's restrictions, and a restriction that cannot be kept is an error.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::design::{Direction, Interface, Level, Port, Role};
use crate::problem::Restriction;

use super::table::Tables;
use super::{INPUT_BITS_MAX, Layout, StimulusError, literal};

/// What the schedule does with an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Clock,
    Reset { active: bool, synchronous: bool },
    Gate { closed: bool },
    Data,
}

/// An input as the generator needs it.
#[derive(Clone, Debug)]
pub(super) struct Input {
    /// Width in bits.
    pub width: u32,
    /// First word in the row.
    pub offset: usize,
    /// What it is used for.
    pub kind: Kind,
    /// Legal values, sorted, of a restricted input.
    pub legal: Option<Vec<Vec<u64>>>,
    /// Its generators among those of all slices.
    pub slices: Range<usize>,
    /// First words and numbers of words of the earlier inputs that it may be close to.
    pub partners: Vec<(usize, usize)>,
}

impl Input {
    /// Words of the row that it takes.
    pub fn words(&self) -> usize {
        self.width.div_ceil(64) as usize
    }
}

pub(super) type Inputs = (Layout, Vec<Input>, Vec<Tables>);

/// The input ports in order, with their places, legal values and constants.
pub(super) fn inputs(
    interface: &Interface,
    restrictions: &BTreeMap<String, Restriction>,
) -> Result<Inputs, StimulusError> {
    let ports: Vec<(usize, &Port)> = interface
        .ports
        .iter()
        .enumerate()
        .filter(|(_, port)| port.direction == Direction::Input)
        .collect();
    let bits = ports.iter().map(|(_, port)| u64::from(port.width)).sum();
    if bits > u64::from(INPUT_BITS_MAX) {
        return Err(StimulusError::InputBits(bits));
    }
    let known = |name: &String| ports.iter().any(|(_, port)| port.name == *name);
    if let Some(name) = restrictions.keys().find(|name| !known(name)) {
        return Err(StimulusError::NoInput(name.clone()));
    }
    let mut layout = Layout { widths: Vec::new(), offsets: Vec::new(), words: 0 };
    let (mut inputs, mut tables) = (Vec::new(), Vec::new());
    let mut slices = 0;
    for (number, port) in ports {
        let legal =
            restrictions.get(&port.name).map(|restriction| legal(port, restriction)).transpose()?;
        let input = Input {
            width: port.width,
            offset: layout.words,
            kind: kind(port, interface.roles[number]),
            legal,
            slices: slices..slices + port.width.div_ceil(32) as usize,
            partners: partners(&inputs, port.width),
        };
        if input.kind == Kind::Clock && input.legal.as_ref().is_some_and(|legal| legal.len() != 2) {
            return Err(StimulusError::Clock(port.name.clone()));
        }
        slices = input.slices.end;
        layout.widths.push(port.width);
        layout.offsets.push(layout.words);
        layout.words += input.words();
        tables.push(Tables::new(port.width, &interface.constants[number], &interface.pool));
        inputs.push(input);
    }
    Ok((layout, inputs, tables))
}

/// What to do with a port; only one bit can be a clock, a reset or a gate, else it is data.
fn kind(port: &Port, role: Role) -> Kind {
    match role {
        Role::Clock { .. } if port.width == 1 => Kind::Clock,
        Role::AsyncReset { active } if port.width == 1 => {
            Kind::Reset { active: active == Level::High, synchronous: false }
        }
        Role::SyncReset { active } if port.width == 1 => {
            Kind::Reset { active: active == Level::High, synchronous: true }
        }
        Role::Gate { closed } => Kind::Gate { closed: closed == Level::High },
        _ => Kind::Data,
    }
}

fn legal(port: &Port, restriction: &Restriction) -> Result<Vec<Vec<u64>>, StimulusError> {
    if restriction.values.is_empty() {
        return Err(StimulusError::NoValues(port.name.clone()));
    }
    let parse = |text: &String| {
        literal::parse(text, port.width).map_err(|source| StimulusError::Value {
            input: port.name.clone(),
            literal: text.clone(),
            source,
        })
    };
    let mut values = restriction.values.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    values.sort();
    values.dedup();
    Ok(values)
}

/// The earlier inputs of the same width, or else all of two bits or more.
fn partners(earlier: &[Input], width: u32) -> Vec<(usize, usize)> {
    let places = |same: bool| -> Vec<(usize, usize)> {
        let fits = |input: &&Input| input.width > 1 && (!same || input.width == width);
        earlier.iter().filter(fits).map(|input| (input.offset, input.words())).collect()
    };
    let same = places(true);
    if same.is_empty() { places(false) } else { same }
}
