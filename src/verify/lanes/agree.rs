//! A module from many random power-up states: what its outputs have in common.

use std::ops::ControlFlow;

use super::golden::{Golden, GoldenRun, Ports};
use super::group::Part;
use super::snapshot::{self, Snapshot};
use super::{Budget, Code, LANES_MAX, Machine, PowerUp, Stop};

/// Runs of a module from several power-up states, of which the first one's is kept.
struct Agreeing<'a> {
    run: &'a GoldenRun,
    golden: &'a Golden,
    ports: &'a Ports,
    budget: &'a Budget,
    agreed: Planes,
    /// What the first one holds at the steps at which [`snapshot::is_due`].
    held: Vec<Option<Snapshot>>,
}

impl Agreeing<'_> {
    /// Runs copies of the lanes side by side until all hold what the first one holds at that step, which is told.
    fn turn(
        &mut self,
        part: &Part<'_>,
        machine: &mut Machine<'_>,
        seeds: &[u64],
        is_first: bool,
    ) -> Result<Option<usize>, Stop> {
        let lanes = self.run.group.lanes();
        let mut met = None;
        let mut checks = 0;
        self.go(part, machine, seeds, |own, step, machine, planes| {
            own.take_in(step, planes, part.copies, is_first);
            if !snapshot::is_due(step) {
                return ControlFlow::Continue(());
            }
            if is_first {
                own.held.push(machine.snapshot(lanes));
            }
            let held = own.held.get(checks).and_then(Option::as_ref);
            checks += 1;
            if held.is_some_and(|held| machine.holds(held)) {
                met = Some(step);
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        Ok(met)
    }

    /// Runs the first one alone and keeps what it does after a step.
    fn go_on(&mut self, machine: &mut Machine<'_>, after: usize) -> Result<(), Stop> {
        let run = self.run;
        self.go(&run.group.whole(), machine, &run.seeds(0), |own, step, machine, planes| {
            if step > after {
                own.take_in(step, planes, 1, true);
                if snapshot::is_due(step) {
                    own.held.push(machine.snapshot(run.group.lanes()));
                }
            }
            ControlFlow::Continue(())
        })
    }

    /// Runs a machine from these power-up states; `see` is given each step and the outputs.
    fn go(
        &mut self,
        part: &Part<'_>,
        machine: &mut Machine<'_>,
        seeds: &[u64],
        mut see: impl FnMut(&mut Self, usize, &Machine<'_>, &Planes) -> ControlFlow<()>,
    ) -> Result<(), Stop> {
        let (outputs, widths) = (&self.golden.outputs, &self.golden.stimulus.inputs().widths);
        let stride = machine.stride();
        let size = outputs.words * stride;
        let mut planes = Planes { value: vec![0; size], defined: vec![0; size] };
        let (budget, ports) = (self.budget, self.ports);
        machine.bound(budget.bounds());
        let how = PowerUp::Random { seeds };
        let done = part.run(machine, &ports.inputs, widths, how, |step, machine| {
            for (&port, &offset) in ports.outputs.iter().zip(&outputs.offsets) {
                let at = offset * stride;
                machine.copy_output(port, &mut planes.value[at..], &mut planes.defined[at..]);
            }
            see(self, step, machine, &planes)
        });
        budget.spend(machine);
        done
    }

    /// Takes in what copies of the lanes have as outputs.
    fn take_in(&mut self, step: usize, planes: &Planes, copies: usize, is_first: bool) {
        let lanes = self.run.group.lanes();
        let words = self.golden.outputs.words;
        let stride = planes.value.len() / words.max(1);
        for word in 0..words {
            let to = (step * words + word) * self.run.stride;
            let own = word * stride..(word + 1) * stride;
            let own = (&planes.value[own.clone()], &planes.defined[own]);
            self.agreed.take_in(to..to + lanes, own, copies, is_first);
        }
    }
}

/// Outputs, laid out as in a [`GoldenRun`].
pub(super) struct Planes {
    pub value: Vec<u64>,
    pub defined: Vec<u64>,
}

impl Planes {
    /// Takes in one word of what the copies of some lanes have; the first of all says what the others agree on.
    fn take_in(
        &mut self,
        place: std::ops::Range<usize>,
        (value, defined): (&[u64], &[u64]),
        copies: usize,
        is_first: bool,
    ) {
        let lanes = place.len();
        for (lane, at) in place.enumerate() {
            if is_first {
                (self.value[at], self.defined[at]) = (value[lane], defined[lane]);
            }
            for copy in 0..copies {
                let from = copy * lanes + lane;
                self.defined[at] &= defined[from] & !(self.value[at] ^ value[from]);
            }
        }
    }
}

impl GoldenRun {
    /// What a module's outputs have in common from so many random power-up states: the value of the first one, and
    /// where it is known and the same from all. As many of them as there is room for run side by side; the others are left
    /// out where `is_enough` says so of what was found by then.
    ///
    /// Once all that run side by side hold what the first one holds, they do what it does, and end; mostly a reset sees to that.
    pub fn agreed(
        &self,
        code: &Code,
        ports: &Ports,
        golden: &Golden,
        (power_ups, budget): (u64, &Budget),
        is_enough: impl Fn(&Planes) -> bool,
    ) -> Result<Planes, Stop> {
        let lanes = self.group.lanes();
        let copies = (LANES_MAX / lanes).clamp(1, power_ups as usize);
        let all: Vec<usize> = (0..lanes).collect();
        let part = self.group.only(&all, copies);
        let size = self.value.len();
        let mut agreeing = Agreeing {
            run: self,
            golden,
            ports,
            budget,
            agreed: Planes { value: vec![0; size], defined: vec![0; size] },
            held: Vec::new(),
        };
        let mut machine = Machine::new(code, part.lanes(), budget.bounds());
        let numbers: Vec<u64> = (0..power_ups).collect();
        for numbers in numbers.chunks(copies) {
            // The copies that are left over in the last turn repeat its last state.
            let number = |copy: usize| numbers[copy.min(numbers.len() - 1)];
            let seeds: Vec<u64> = (0..copies).flat_map(|copy| self.seeds(number(copy))).collect();
            let is_first = numbers[0] == 0;
            let met = agreeing.turn(&part, &mut machine, &seeds, is_first)?;
            if is_first && let Some(step) = met {
                let mut machine = Machine::new(code, lanes, budget.bounds());
                agreeing.go_on(&mut machine, step)?;
            }
            if is_enough(&agreeing.agreed) {
                break;
            }
        }
        Ok(agreeing.agreed)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ops::ControlFlow;

    use super::super::golden::Golden;
    use super::{Budget, Code, Machine, Planes, Ports, PowerUp};
    use crate::design::lower;
    use crate::design::program::Program;
    use crate::verify::stimulus::Config;

    const PORTS: &str = "input clk, rst, input [7:0] d, output [7:0] y, output z";

    /// Modules that hold the same after a reset, only where an input is rare, never, and in a memory.
    const BODIES: [&str; 6] = [
        "reg [7:0] q; always @(posedge clk) if (rst) q <= 0; else q <= q + d; assign y = q; assign z = ^q;",
        "reg [7:0] q; always @(posedge clk or posedge rst) if (rst) q <= 1; else q <= {q[6:0], d[0]}; \
         reg s; always @(posedge clk) if (d == 3) s <= q[0]; assign y = q; assign z = s;",
        "reg [7:0] q; reg s; always @(posedge clk) begin q <= rst ? 0 : d; s <= ~s; end assign y = q; assign z = s;",
        "reg [7:0] m [0:15]; always @(posedge clk) m[d[3:0]] <= d; assign y = m[d[7:4]]; assign z = rst;",
        "reg s; always @(posedge clk) if (rst) s <= 0; else if (d == 77) s <= 1; \
         reg [7:0] unused; always @(posedge clk) unused <= unused + 1; assign y = {8{s}}; assign z = s & d[0];",
        "reg [7:0] q; always @(posedge clk) if (rst) q <= 0; else q <= d / q; assign y = q; assign z = |q;",
    ];

    fn program(body: &str) -> (crate::design::Interface, Program) {
        let lowered = lower(&format!("module top({PORTS}); {body} endmodule"), Some("top"))
            .expect("a legal text");
        (lowered.interface, lowered.program.expect("a program"))
    }

    /// Runs that end when they have met give what runs to the end give.
    #[test]
    fn runs_that_met_stay_together() {
        const POWER_UPS: u64 = 40;
        for golden_body in &BODIES[..2] {
            let (interface, own) = program(golden_body);
            let golden = Golden::new(interface, &own, &BTreeMap::new(), "key", &Config::default())
                .expect("a golden module");
            for body in BODIES {
                let (_, own) = program(body);
                let code = Code::new(&own);
                let ports = Ports::new(&golden.interface, &own).expect("its ports");
                let widths = &golden.stimulus.inputs().widths;
                for run in golden.runs().expect("it ends") {
                    let power_ups = (POWER_UPS, &Budget::of_golden());
                    let met = run.agreed(&code, &ports, &golden, power_ups, |_| false);
                    let met = met.expect("it ends");
                    let lanes = run.group.lanes();
                    let mut machine = Machine::new(&code, lanes, power_ups.1.bounds());
                    let size = run.value.len();
                    let mut all = Planes { value: vec![0; size], defined: vec![0; size] };
                    let width = golden.outputs.words * run.stride;
                    let (mut value, mut defined) = (vec![0; width], vec![0; width]);
                    for number in 0..POWER_UPS {
                        let seeds = run.seeds(number);
                        let how = PowerUp::Random { seeds: &seeds };
                        let part = run.group.whole();
                        let done =
                            part.run(&mut machine, &ports.inputs, widths, how, |step, own| {
                                for (&port, &at) in
                                    ports.outputs.iter().zip(&golden.outputs.offsets)
                                {
                                    let at = at * run.stride;
                                    own.copy_output(port, &mut value[at..], &mut defined[at..]);
                                }
                                for word in 0..golden.outputs.words {
                                    let to = step * width + word * run.stride;
                                    let from = word * run.stride..(word + 1) * run.stride;
                                    let own = (&value[from.clone()], &defined[from]);
                                    all.take_in(to..to + lanes, own, 1, number == 0);
                                }
                                ControlFlow::Continue(())
                            });
                        done.expect("it ends");
                    }
                    assert_eq!(met.value, all.value, "{body}");
                    assert_eq!(met.defined, all.defined, "{body}");
                }
            }
        }
    }
}
