//! A module from many random power-up states: what its outputs have in common.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::golden::{Golden, GoldenRun, Ports};
use super::group::Part;
use super::snapshot::{self, Snapshot};
use super::{Budget, Code, LANES_MAX, Machine, PowerUp, Stop};

/// Outputs, laid out as in a [`GoldenRun`].
pub(super) struct Planes {
    pub value: Vec<u64>,
    pub defined: Vec<u64>,
}

impl Planes {
    /// Takes in one word of what copies of some lanes have; lane `l` of it is at `to + l` here. The first copy of all says what
    /// the others agree on.
    fn take_in(
        &mut self,
        (to, lanes): (usize, &[usize]),
        (value, defined): (&[u64], &[u64]),
        is_first: bool,
    ) {
        let copies = value.chunks_exact(lanes.len()).zip(defined.chunks_exact(lanes.len()));
        for (copy, (value, defined)) in copies.enumerate() {
            for ((&lane, &value), &defined) in lanes.iter().zip(value).zip(defined) {
                let at = to + lane;
                if is_first && copy == 0 {
                    (self.value[at], self.defined[at]) = (value, defined);
                } else {
                    self.defined[at] &= defined & !(self.value[at] ^ value);
                }
            }
        }
    }
}

/// Power-up states for which there is room beside each other, of so many lanes.
fn copies(lanes: usize) -> usize {
    LANES_MAX / lanes
}

impl GoldenRun {
    /// What a module's outputs have in common from so many random power-up states: the value of the first one, and
    /// where it is known and the same from all; nothing in lanes in which nothing is compared. As many as there is room
    /// for run side by side; the others are left out where `is_enough` says so of what was found by then.
    ///
    /// Runs that hold what the first one holds do what it does from there on, and end; mostly a reset sees to that. Lanes in
    /// which this comes at the same time are run together, so that none runs on because of another.
    pub fn agreed(
        &self,
        code: &Code,
        ports: &Ports,
        golden: &Golden,
        (power_ups, budget): (u64, &Budget),
        is_enough: impl Fn(&Planes) -> bool,
    ) -> Result<Planes, Stop> {
        let size = self.value.len();
        let is_compared =
            |&lane: &usize| self.group.settled[lane] < self.group.episodes[lane].steps.len();
        let lanes: Vec<usize> = (0..self.group.lanes()).filter(is_compared).collect();
        let mut agreeing = Agreeing {
            run: self,
            code,
            ports,
            golden,
            budget,
            agreed: Planes { value: vec![0; size], defined: vec![0; size] },
            held: Vec::new(),
        };
        if lanes.is_empty() {
            return Ok(agreeing.agreed);
        }
        let numbers: Vec<u64> = (0..power_ups).collect();
        let (first, rest) = numbers.split_at(copies(lanes.len()).min(numbers.len()));
        let met = agreeing.turn(&lanes, first, true)?;
        if met.iter().all(|&step| step != NEVER) {
            agreeing.go_on(&lanes, met.iter().copied().max().unwrap_or(0))?;
        }
        let mut sets: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (&lane, &step) in lanes.iter().zip(&met) {
            sets.entry(step).or_default().push(lane);
        }
        for set in sets.values() {
            for numbers in rest.chunks(copies(set.len())) {
                if is_enough(&agreeing.agreed) {
                    return Ok(agreeing.agreed);
                }
                agreeing.turn(set, numbers, false)?;
            }
        }
        Ok(agreeing.agreed)
    }
}

/// The step at which runs meet that do not.
const NEVER: usize = usize::MAX;

/// Runs of a module from several power-up states, of which the first one's is kept.
struct Agreeing<'a> {
    run: &'a GoldenRun,
    code: &'a Code,
    ports: &'a Ports,
    golden: &'a Golden,
    budget: &'a Budget,
    agreed: Planes,
    /// What the first one holds at the steps at which [`snapshot::is_due`].
    held: Vec<Option<Snapshot>>,
}

impl Agreeing<'_> {
    /// Runs some lanes from these power-up states, of which the first is the first of all if that is so, until all hold what
    /// the first of all holds; the step at which that is seen of each lane is told.
    fn turn(
        &mut self,
        lanes: &[usize],
        numbers: &[u64],
        is_first: bool,
    ) -> Result<Vec<usize>, Stop> {
        let run = self.run;
        let part = run.group.only(lanes, numbers.len());
        let seeds: Vec<u64> = numbers.iter().flat_map(|&n| run.seeds_of(lanes, n)).collect();
        let mut met = vec![NEVER; lanes.len()];
        let mut checks = 0;
        self.go(&part, &seeds, |own, step, machine, planes| {
            own.take_in(step, planes, lanes, numbers.len(), is_first);
            if !snapshot::is_due(step) {
                return ControlFlow::Continue(());
            }
            if is_first {
                own.held.push(machine.snapshot(lanes));
            }
            if let Some(Some(held)) = own.held.get(checks) {
                let holding = machine.holding(held, lanes);
                for (met, lane) in met.iter_mut().zip(lanes) {
                    if holding >> lane & 1 == 1 {
                        *met = step.min(*met);
                    }
                }
            }
            checks += 1;
            if met.contains(&NEVER) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(met)
    }

    /// Runs the first one alone and keeps what it does after a step.
    fn go_on(&mut self, lanes: &[usize], after: usize) -> Result<(), Stop> {
        let part = self.run.group.only(lanes, 1);
        self.go(&part, &self.run.seeds_of(lanes, 0), |own, step, machine, planes| {
            if step > after {
                own.take_in(step, planes, lanes, 1, true);
                if snapshot::is_due(step) {
                    own.held.push(machine.snapshot(lanes));
                }
            }
            ControlFlow::Continue(())
        })
    }

    /// Runs lanes from these power-up states; `see` is given each step and the outputs.
    fn go(
        &mut self,
        part: &Part<'_>,
        seeds: &[u64],
        mut see: impl FnMut(&mut Self, usize, &Machine<'_>, &Planes) -> ControlFlow<()>,
    ) -> Result<(), Stop> {
        let (outputs, widths) = (&self.golden.outputs, &self.golden.stimulus.inputs().widths);
        let (budget, ports) = (self.budget, self.ports);
        let mut machine = Machine::new(self.code, part.lanes(), budget.bounds());
        let stride = machine.stride();
        let size = outputs.words * stride;
        let mut planes = Planes { value: vec![0; size], defined: vec![0; size] };
        let how = PowerUp::Random { seeds };
        let done = part.run(&mut machine, &ports.inputs, widths, how, |step, machine| {
            for (&port, &offset) in ports.outputs.iter().zip(&outputs.offsets) {
                let at = offset * stride;
                machine.copy_output(port, &mut planes.value[at..], &mut planes.defined[at..]);
            }
            see(self, step, machine, &planes)
        });
        budget.spend(&machine);
        done
    }

    /// Takes in what copies of the lanes have as outputs.
    fn take_in(
        &mut self,
        step: usize,
        planes: &Planes,
        lanes: &[usize],
        copies: usize,
        is_first: bool,
    ) {
        let words = self.golden.outputs.words;
        let stride = planes.value.len() / words.max(1);
        for word in 0..words {
            let to = (step * words + word) * self.run.stride;
            let own = word * stride..word * stride + copies * lanes.len();
            let own = (&planes.value[own.clone()], &planes.defined[own]);
            self.agreed.take_in((to, lanes), own, is_first);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::ops::ControlFlow;

    use super::super::golden::{Golden, GoldenRun};
    use super::{Agreeing, Budget, Code, Machine, NEVER, Planes, Ports, PowerUp};
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
        "reg [7:0] m [0:4095]; always @(posedge clk) m[{d, d[3:0]}] <= d; assign y = m[{d[3:0], d}]; assign z = rst;",
        "reg s; always @(posedge clk) if (rst) s <= 0; else if (d == 77) s <= 1; \
         reg [7:0] unused; always @(posedge clk) unused <= unused + 1; assign y = {8{s}}; assign z = s & d[0];",
        "reg [7:0] q; always @(posedge clk) if (rst) q <= 0; else q <= d / q; assign y = q; assign z = |q;",
    ];

    fn program(body: &str) -> (crate::design::Interface, Program) {
        let lowered = lower(&format!("module top({PORTS}); {body} endmodule"), Some("top"))
            .expect("a legal text");
        (lowered.interface, lowered.program.expect("a program"))
    }

    /// Power-up states that are compared.
    const POWER_UPS: u64 = 40;

    /// What all have in common, each run to its end by itself.
    fn to_the_end(run: &GoldenRun, golden: &Golden, code: &Code, ports: &Ports) -> Planes {
        let (outputs, widths) = (&golden.outputs, &golden.stimulus.inputs().widths);
        let lanes: Vec<usize> = (0..run.group.lanes()).collect();
        let mut machine = Machine::new(code, lanes.len(), Budget::of_golden().bounds());
        let size = run.value.len();
        let mut all = Planes { value: vec![0; size], defined: vec![0; size] };
        let width = outputs.words * run.stride;
        let (mut value, mut defined) = (vec![0; width], vec![0; width]);
        for number in 0..POWER_UPS {
            let seeds = run.seeds(number);
            let (how, part) = (PowerUp::Random { seeds: &seeds }, run.group.whole());
            let done = part.run(&mut machine, &ports.inputs, widths, how, |step, own| {
                for (&port, &at) in ports.outputs.iter().zip(&outputs.offsets) {
                    let at = at * run.stride;
                    own.copy_output(port, &mut value[at..], &mut defined[at..]);
                }
                for word in 0..outputs.words {
                    let to = step * width + word * run.stride;
                    let from = word * run.stride..word * run.stride + lanes.len();
                    let own = (&value[from.clone()], &defined[from]);
                    all.take_in((to, &lanes), own, number == 0);
                }
                ControlFlow::Continue(())
            });
            done.expect("it ends");
        }
        all
    }

    /// The steps at which two runs of each lane meet.
    fn steps(run: &GoldenRun, golden: &Golden, code: &Code, ports: &Ports) -> Vec<usize> {
        let size = run.value.len();
        let agreed = Planes { value: vec![0; size], defined: vec![0; size] };
        let budget = &Budget::of_golden();
        let mut agreeing = Agreeing { run, code, ports, golden, budget, agreed, held: Vec::new() };
        let lanes: Vec<usize> = (0..run.group.lanes()).collect();
        agreeing.turn(&lanes, &[0, 1], true).expect("it ends")
    }

    /// Runs that end when they have met give what runs to the end give.
    #[test]
    fn runs_that_met_stay_together() {
        // Lanes that meet before the end, groups in which they do so at several steps, lanes that never do.
        let mut seen = [0; 3];
        for golden_body in &BODIES[..2] {
            let (interface, own) = program(golden_body);
            let golden = Golden::new(interface, &own, &BTreeMap::new(), "key", &Config::default())
                .expect("a golden module");
            for body in BODIES {
                let (_, own) = program(body);
                let code = Code::new(&own);
                let ports = Ports::new(&golden.interface, &own).expect("its ports");
                for run in golden.runs().expect("it ends") {
                    let power_ups = (POWER_UPS, &Budget::of_golden());
                    let met = run.agreed(&code, &ports, &golden, power_ups, |_| false);
                    let met = met.expect("it ends");
                    let all = to_the_end(run, &golden, &code, &ports);
                    // What is compared is all that counts.
                    for at in 0..run.value.len() {
                        let both = [&met, &all].map(|own| own.defined[at] & run.defined[at]);
                        assert_eq!(both[0], both[1], "{body}");
                        assert_eq!(met.value[at] & both[0], all.value[at] & both[1], "{body}");
                    }
                    let steps = steps(run, &golden, &code, &ports);
                    let early = steps.iter().filter(|step| **step < run.group.steps);
                    seen[0] += early.clone().count();
                    seen[1] += usize::from(early.collect::<BTreeSet<_>>().len() > 1);
                    seen[2] += steps.iter().filter(|step| **step == NEVER).count();
                }
            }
        }
        assert!(seen.iter().all(|&count| count > 2), "{seen:?}");
    }
}
