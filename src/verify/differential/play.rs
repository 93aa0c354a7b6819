//! A module's episodes on the engine of [`crate::verify::lanes`], driven just as
//! [`crate::verify::icarus::Icarus::play`] drives Icarus: all x, then all inputs but the clocks, then the clocks, then
//! row after row. Each episode is a lane.

use super::trace::{FourState, outputs};
use crate::design::program::Program;
use crate::design::{Interface, Role};
use crate::verify::lanes::{Bounds, Code, LANES_MAX, Machine, PowerUp, Stop};
use crate::verify::stimulus::{Episode, Layout};

/// Plays the episodes of a module, at most [`LANES_MAX`] of them; a trace for each.
///
/// # Panics
/// If the program lacks a port of the interface.
pub fn play(
    program: &Program,
    interface: &Interface,
    inputs: &Layout,
    episodes: &[Episode],
) -> Result<Vec<FourState>, Stop> {
    assert!(episodes.len() <= LANES_MAX, "{} episodes do not fit a machine", episodes.len());
    let code = Code::new(program);
    let mut machine = Machine::new(&code, episodes.len(), Bounds::default());
    let ports = Ports::new(program, interface);
    let layout = outputs(interface);
    let mut traces = vec![FourState::default(); episodes.len()];
    machine.power_up(PowerUp::Unknown);
    machine.settle()?;
    for clocks in [false, true] {
        ports.set(&mut machine, inputs, episodes, 0, Some(clocks));
        machine.settle()?;
    }
    let points = episodes.iter().map(|episode| episode.steps.len()).max().unwrap_or(0);
    for point in 0..points {
        ports.set(&mut machine, inputs, episodes, point + 1, None);
        machine.settle()?;
        let stride = machine.stride();
        for (output, &number) in ports.outputs.iter().enumerate() {
            let shown = machine.output(number);
            let limbs = layout.widths[output].div_ceil(64) as usize;
            for (lane, episode) in episodes.iter().enumerate() {
                if point < episode.steps.len() {
                    let plane = |words: &[u64]| {
                        (0..limbs).map(|limb| words[limb * stride + lane]).collect::<Vec<_>>()
                    };
                    traces[lane].value.extend(plane(&shown.value));
                    traces[lane].unknown.extend(plane(&shown.unknown));
                }
            }
        }
    }
    Ok(traces)
}

/// Numbers of ports in the program.
struct Ports {
    /// Of each input of the interface, and whether it is a clock.
    inputs: Vec<(usize, bool)>,
    outputs: Vec<usize>,
}

impl Ports {
    fn new(program: &Program, interface: &Interface) -> Ports {
        let mut ports = Ports { inputs: Vec::new(), outputs: Vec::new() };
        for (port, role) in interface.ports.iter().zip(&interface.roles) {
            let find = |among: &[(String, u32)]| {
                among.iter().position(|(name, _)| *name == port.name).expect("a port of the module")
            };
            match port.direction {
                crate::design::Direction::Input => {
                    let is_clock = matches!(role, Role::Clock { .. });
                    ports.inputs.push((find(&program.inputs), is_clock));
                }
                _ => ports.outputs.push(find(&program.outputs)),
            }
        }
        ports
    }

    /// Sets the inputs of a row in all lanes: only clocks, all others, or all. A lane whose episode is over keeps
    /// its last row.
    fn set(
        &self,
        machine: &mut Machine,
        inputs: &Layout,
        episodes: &[Episode],
        row: usize,
        clocks: Option<bool>,
    ) {
        for (&(number, is_clock), range) in self.inputs.iter().zip(inputs.word_ranges()) {
            if clocks.is_some_and(|clocks| clocks != is_clock) {
                continue;
            }
            let of_lane = |word: usize| {
                episodes.iter().map(move |episode| {
                    episode.rows[row.min(episode.steps.len()) * inputs.words + word]
                })
            };
            let values: Vec<u64> = range.flat_map(of_lane).collect();
            machine.set_input(number, &values);
        }
    }
}
