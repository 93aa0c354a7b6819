//! A candidate beside the golden module: its outputs are compared after every step, lane by lane.
//!
//! A candidate runs once from unknown state. A bit that is x where the golden one is defined differs by `unknown`, a
//! wrong 0 or 1 by `value`. Where an unknown bit decided something after the reset (`if (x)` takes the `else`), four states say
//! neither what hardware does nor that it is unknown: then the candidate is run from random power-up states, as compiled
//! models are, and a wrong bit is wrong by `value` if it is the same from all of them. What a run does after that is settled
//! does not count, a loop that does not end included.

use std::ops::ControlFlow;

use super::agree::Planes;
use super::engine::each_lane;
use super::golden::{Golden, GoldenRun, Ports};
use super::{Budget, Code, LANES_MAX, Machine, PowerUp, Stop};
use crate::design::Bits;
use crate::design::program::Program;
use crate::verify::backend::{Count, Outcome, Values};
use crate::verify::stimulus::{Layout, StepAt};
use crate::verify::verdict::{FirstMismatch, MismatchKind};

/// Judges a candidate, whose interface the golden one accepts; `constants` are those of its text that the golden text lacks. An error
/// says why another backend is to judge it.
pub fn judge(
    golden: &Golden,
    program: &Program,
    constants: &[Bits],
    budget: &Budget,
) -> Result<Outcome, String> {
    let ports = Ports::new(&golden.interface, program)
        .ok_or_else(|| "a port that goes both ways".to_owned())?;
    let code = Code::new(program);
    if program.is_stateless
        && let Some(tallies) = by_rows(golden, &code, &ports, constants, budget)
    {
        return Ok(Outcome::Counted(counts(golden, tallies)));
    }
    let mut judging = Judging {
        golden,
        code: &code,
        ports,
        counts: vec![Tally::default(); golden.outputs.widths.len()],
        budget,
    };
    // Where the golden module itself does not get through a candidate's own episodes, it is judged without them.
    let own = golden.own_runs(constants).unwrap_or_default();
    let runs = golden.runs().map_err(|stop| format!("golden: {stop}"))?;
    for run in runs.chain(&own) {
        match judging.run(run) {
            Ok(()) => {}
            Err(stop @ Stop::Work) => return Err(stop.to_string()),
            Err(stop) => return Ok(Outcome::Timeout(stop.to_string())),
        }
    }
    Ok(Outcome::Counted(counts(golden, judging.counts)))
}

/// What is found in all rows, the candidate's own included, where neither side keeps anything.
fn by_rows(
    golden: &Golden,
    code: &Code,
    ports: &Ports,
    constants: &[Bits],
    budget: &Budget,
) -> Option<Vec<Tally>> {
    let (first, more) = golden.rows.split_first()?;
    let own = golden.own_rows(constants)?;
    let mut tallies = first.judge(golden, code, ports, budget)?;
    for rows in more.iter().chain(&own) {
        for (tally, found) in tallies.iter_mut().zip(rows.judge(golden, code, ports, budget)?) {
            let compared = found.compared;
            tally.add(found, compared);
        }
    }
    Some(tallies)
}

/// Power-up states that tell a wrong value from an unknown one.
const POWER_UPS: u64 = 16;

/// What is found of an output.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub compared: u64,
    pub mismatches: u64,
    pub by_value: bool,
    pub first: Option<FirstMismatch>,
}

impl Tally {
    /// Adds what is found in other episodes.
    fn add(&mut self, other: Tally, compared: u64) {
        self.compared += compared;
        self.mismatches += other.mismatches;
        self.by_value |= other.by_value;
        let is_earlier = |first: &FirstMismatch| {
            self.first.as_ref().is_none_or(|known| first.episode < known.episode)
        };
        if other.first.as_ref().is_some_and(is_earlier) {
            self.first = other.first;
        }
    }
}

struct Judging<'a> {
    golden: &'a Golden,
    code: &'a Code,
    ports: Ports,
    counts: Vec<Tally>,
    budget: &'a Budget,
}

impl Judging<'_> {
    fn run(&mut self, run: &GoldenRun) -> Result<(), Stop> {
        let mut machine = Machine::new(self.code, run.group.lanes(), self.budget.bounds());
        let mut found = self.none();
        let is_optimistic = self.compare(run, &mut machine, PowerUp::Unknown, &mut found)?;
        if is_optimistic {
            found = self.at_random(run, &mut machine)?;
        }
        for ((count, found), compared) in self.counts.iter_mut().zip(found).zip(&run.compared) {
            count.add(found, *compared);
        }
        Ok(())
    }

    /// Compares from a random power-up state, and from more where that differs: a bit that is wrong and the same from all
    /// of them is wrong by `value`.
    fn at_random(&self, run: &GoldenRun, machine: &mut Machine<'_>) -> Result<Vec<Tally>, Stop> {
        let mut found = self.none();
        let seeds = run.seeds(0);
        self.compare(run, machine, PowerUp::Random { seeds: &seeds }, &mut found)?;
        if found.iter().all(|tally| tally.mismatches == 0) {
            return Ok(found);
        }
        let wrong: Vec<usize> =
            (0..found.len()).filter(|&output| found[output].mismatches > 0).collect();
        let open = self.without_witness(run, &found, wrong.clone());
        let agreed = match &open[..] {
            [] => None,
            open => {
                let is_enough =
                    |own: &Planes| !open.iter().any(|&o| self.differs_by_value(run, own, o));
                let power_ups = (POWER_UPS, self.budget);
                Some(run.agreed(self.code, &self.ports, self.golden, power_ups, is_enough)?)
            }
        };
        for output in wrong {
            found[output].by_value = !open.contains(&output)
                || agreed.as_ref().is_some_and(|own| self.differs_by_value(run, own, output));
        }
        Ok(found)
    }

    /// Of these outputs, which are wrong, those for which no bit is found that is wrong and the same from all power-up states
    /// in the first episode of each, of four of them at most. Mostly one is found, and soon, which spares running all
    /// episodes to their ends from all states; for the outputs that are left that is done.
    fn without_witness(
        &self,
        run: &GoldenRun,
        found: &[Tally],
        mut open: Vec<usize>,
    ) -> Vec<usize> {
        let copies = POWER_UPS as usize;
        let lane = |&output: &usize| {
            let first = found[output].first.as_ref()?;
            run.group.episodes.iter().position(|episode| episode.index == first.episode)
        };
        let mut lanes: Vec<usize> = open.iter().filter_map(lane).collect();
        lanes.sort_unstable();
        lanes.dedup();
        lanes.truncate(LANES_MAX / copies);
        let part = run.group.only(&lanes, copies);
        let seeds: Vec<u64> = (0..POWER_UPS).flat_map(|n| run.seeds_of(&lanes, n)).collect();
        let mut machine = Machine::new(self.code, part.lanes(), self.budget.bounds());
        let widths = &self.golden.stimulus.inputs().widths;
        let how = PowerUp::Random { seeds: &seeds };
        // Whether it stops later on, or is too much work, is for the run of all episodes to say.
        let _ = part.run(&mut machine, &self.ports.inputs, widths, how, |step, machine| {
            open.retain(|&output| !self.is_witness(run, machine, &lanes, step, output));
            if open.is_empty() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        self.budget.spend(&machine);
        open
    }

    /// Whether the copies of one of these lanes agree on a wrong bit of an output now.
    fn is_witness(
        &self,
        run: &GoldenRun,
        machine: &Machine<'_>,
        lanes: &[usize],
        step: usize,
        output: usize,
    ) -> bool {
        let outputs = &self.golden.outputs;
        let first = step * outputs.words + outputs.offsets[output];
        (0..outputs.widths[output].div_ceil(64) as usize).any(|limb| {
            let (value, unknown) = machine.word(self.ports.outputs[output], limb);
            lanes.iter().enumerate().any(|(place, &lane)| {
                let at = (first + limb) * run.stride + lane;
                let copies = (place..value.len()).step_by(lanes.len());
                let wrong = (run.value[at] ^ value[place]) & run.defined[at];
                let agree =
                    |bits, copy: usize| bits & !unknown[copy] & !(value[place] ^ value[copy]);
                copies.fold(wrong, agree) != 0
            })
        })
    }

    fn differs_by_value(&self, run: &GoldenRun, own: &Planes, output: usize) -> bool {
        let outputs = &self.golden.outputs;
        let row = outputs.words * run.stride;
        let words = outputs.widths[output].div_ceil(64) as usize * run.stride;
        (0..run.group.steps).any(|step| {
            let at = step * row + outputs.offsets[output] * run.stride;
            (at..at + words)
                .any(|at| (run.value[at] ^ own.value[at]) & run.defined[at] & own.defined[at] != 0)
        })
    }

    fn none(&self) -> Vec<Tally> {
        vec![Tally::default(); self.counts.len()]
    }

    /// Runs a group and compares; tells whether an unknown bit decided something that counts, and stops there: what was
    /// found does not count then.
    fn compare(
        &self,
        run: &GoldenRun,
        machine: &mut Machine<'_>,
        how: PowerUp<'_>,
        found: &mut [Tally],
    ) -> Result<bool, Stop> {
        let outputs = &self.golden.outputs;
        let widths = &self.golden.stimulus.inputs().widths;
        let row = outputs.words * run.stride;
        let mut is_optimistic = false;
        // In how many lanes each output was wrong in the last step.
        let mut wrong = vec![0; found.len()];
        machine.bound(self.budget.bounds());
        let part = run.group.whole();
        let done = part.run(machine, &self.ports.inputs, widths, how, |step, machine| {
            let is_same = run.is_same[step] && machine.is_quiet();
            for (output, (tally, wrong)) in found.iter_mut().zip(&mut wrong).enumerate() {
                if is_same {
                    tally.mismatches += *wrong;
                    continue;
                }
                let at = step * row + outputs.offsets[output] * run.stride;
                let words = outputs.widths[output].div_ceil(64) as usize * run.stride;
                let (golden, defined) = (&run.value[at..at + words], &run.defined[at..at + words]);
                let (by_value, at_all) =
                    machine.differs(self.ports.outputs[output], golden, defined);
                *wrong = u64::from(at_all.count_ones());
                if at_all != 0 {
                    tally.mismatches += *wrong;
                    tally.by_value |= by_value != 0;
                    self.note_first(run, machine, output, step, at_all, tally);
                }
            }
            is_optimistic |= how == PowerUp::Unknown && run.is_optimistic(machine, step);
            if is_optimistic { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        self.budget.spend(machine);
        done.map(|()| is_optimistic)
    }

    /// Keeps the first mismatch of the lowest episode.
    fn note_first(
        &self,
        run: &GoldenRun,
        machine: &Machine<'_>,
        output: usize,
        step: usize,
        lanes: u64,
        tally: &mut Tally,
    ) {
        for lane in each_lane(lanes) {
            let episode = &run.group.episodes[lane];
            if tally.first.as_ref().is_some_and(|known| known.episode <= episode.index) {
                continue;
            }
            let outputs = &self.golden.outputs;
            let width = outputs.widths[output];
            let at = (step * outputs.words + outputs.offsets[output]) * run.stride;
            let end = at + width.div_ceil(64) as usize * run.stride;
            let planes = (&run.value[at..end], &run.defined[at..end]);
            let port = self.ports.outputs[output];
            let (golden, candidate) = literals(machine, port, width, lane, planes);
            let StepAt { cycle, step } = episode.steps[step];
            let episode = episode.index;
            tally.first = Some(FirstMismatch { episode, cycle, step, golden, candidate });
        }
    }
}

/// The value of an output in one lane, as the golden module has it (known bits, and which they are, laid out as in
/// [`super::Output`]) and as it is in the machine.
pub(super) fn literals(
    machine: &Machine<'_>,
    port: usize,
    width: u32,
    lane: usize,
    golden: (&[u64], &[u64]),
) -> (String, String) {
    let shown = Layout::new(vec![width]);
    let stride = machine.stride();
    let column = |plane: &[u64]| plane.iter().skip(lane).step_by(stride).copied().collect();
    let values = |(value, defined): (&[u64], &[u64])| Values {
        value: column(value),
        defined: column(defined),
    };
    let (mut value, mut defined) = (vec![0; golden.0.len()], vec![0; golden.0.len()]);
    machine.copy_output(port, &mut value, &mut defined);
    let own = values((&value, &defined));
    (shown.literal(0, &values(golden), 0), shown.literal(0, &own, 0))
}

/// What a verdict is made of.
fn counts(golden: &Golden, tallies: Vec<Tally>) -> Vec<Count> {
    let exhaustive = golden.stimulus.exhaustive();
    let count = |(tally, &toggles): (Tally, &u32)| Count {
        compared: tally.compared,
        toggles,
        exhaustive,
        mismatches: Some(tally.mismatches),
        kind: match (tally.mismatches, tally.by_value) {
            (0, _) => None,
            (_, true) => Some(MismatchKind::Value),
            (_, false) => Some(MismatchKind::Unknown),
        },
        first: tally.first,
    };
    tallies.into_iter().zip(&golden.toggles).map(count).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Budget, Code, Golden, Judging, Machine, POWER_UPS, Ports, PowerUp, Tally};
    use crate::design::lower;
    use crate::design::program::Program;
    use crate::verify::stimulus::Config;

    const PORTS: &str = "input clk, rst, input [7:0] d, output [7:0] y, output z";

    /// Candidates that are wrong by value, by what they power up with, and by value only where an input is rare.
    const CANDIDATES: [&str; 5] = [
        "reg [7:0] q; always @(posedge clk) if (rst) q <= 0; else q <= d + 1; assign y = q; assign z = 1;",
        "reg [7:0] q; always @(posedge clk) q <= q + d; assign y = q; assign z = q[0];",
        "reg [7:0] q; reg s; always @(posedge clk) begin if (rst) q <= 0; else q <= d; if (d == 77) s <= 1; end \
         assign y = s ? ~q : q; assign z = s;",
        "reg [7:0] q; reg s; always @(posedge clk) begin if (rst) q <= 0; else q <= d; if (rst & d == 7) s <= 0; end \
         assign y = q; assign z = s ^ q[0];",
        "reg [7:0] q; reg [3:0] n; always @(posedge clk) begin q <= d; n <= rst ? 0 : n + 1; end \
         assign y = &n ? 0 : q; assign z = ^q;",
    ];

    fn program(body: &str) -> (crate::design::Interface, Program) {
        let text = format!("module top({PORTS}); {body} endmodule");
        let lowered = lower(&text, Some("top")).expect("a legal text");
        (lowered.interface, lowered.program.expect("a program"))
    }

    /// A witness in a few episodes says of an output what all episodes say.
    #[test]
    fn witnesses_do_not_lie() {
        let body = "reg [7:0] q; always @(posedge clk) if (rst) q <= 0; else q <= d; assign y = q; assign z = ^q;";
        let (interface, own) = program(body);
        let golden = Golden::new(interface, &own, &BTreeMap::new(), "key", &Config::default())
            .expect("a golden module");
        let mut seen = [0; 3];
        for body in CANDIDATES {
            let (_, own) = program(body);
            let code = Code::new(&own);
            let ports = Ports::new(&golden.interface, &own).expect("its ports");
            let counts = vec![Tally::default(); 2];
            let budget = Budget::of_candidate();
            let judging = Judging { golden: &golden, code: &code, ports, counts, budget: &budget };
            for run in golden.runs().expect("it ends") {
                let mut machine = Machine::new(&code, run.group.lanes(), judging.budget.bounds());
                let mut found = judging.none();
                let seeds = run.seeds(0);
                let how = PowerUp::Random { seeds: &seeds };
                judging.compare(run, &mut machine, how, &mut found).expect("it ends");
                let wrong: Vec<usize> = (0..2).filter(|&o| found[o].mismatches > 0).collect();
                let open = judging.without_witness(run, &found, wrong.clone());
                let power_ups = (POWER_UPS, judging.budget);
                let all = run.agreed(&code, &judging.ports, &golden, power_ups, |_| false);
                let all = all.expect("it ends");
                for output in wrong {
                    let by_value = judging.differs_by_value(run, &all, output);
                    let has_witness = !open.contains(&output);
                    assert!(by_value || !has_witness, "{body}: output {output}");
                    seen[usize::from(by_value) + usize::from(has_witness)] += 1;
                }
                let searched = judging.at_random(run, &mut machine).expect("it ends");
                for (output, tally) in searched.iter().enumerate() {
                    let by_value = judging.differs_by_value(run, &all, output);
                    assert_eq!(tally.by_value, tally.mismatches > 0 && by_value, "{body}");
                }
            }
        }
        let [by_unknown, _, with_witness] = seen;
        assert!(by_unknown > 0 && with_witness > by_unknown, "{seen:?}");
    }
}
