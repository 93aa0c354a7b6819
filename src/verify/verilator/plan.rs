//! What is still to be simulated, and what came of the rest: a batch goes on when a worker dies.
//!
//! The first death of a worker makes the module whose code was running a suspect, and the rest goes on
//! without it. When nothing else is open, each suspect runs once more, alone and with twice the time; if the
//! worker dies again, that is the outcome.

use std::collections::BTreeMap;

use super::marker::Marker;
use super::simulate::JobTask;
use crate::verify::backend::{Module, Outcome, Subject, Task, TaskOutcome};
use crate::verify::worker::{Event, Judging};
use crate::worker::{Answer, Worker, WorkerError};

/// The symbol of a module in the unit, or why it is not in it.
pub(super) type Symbol = Result<String, String>;

/// A unit, and where each task's modules are in it.
pub(super) struct Built {
    pub(super) runtime: String,
    pub(super) unit: String,
    pub(super) symbols: Vec<(Symbol, Vec<Symbol>)>,
}

/// What is still to be simulated, and what came of the rest.
pub(super) struct Plan {
    outcomes: Vec<Slot>,
    /// Whose code was running when a worker died: to be tried once more, alone.
    suspects: Vec<Suspect>,
    alone: Option<Suspect>,
    deaths: BTreeMap<Suspect, u32>,
}

/// Deaths after which code is labelled even if it was never alone: its golden module may die beside it.
const DEATHS_MAX: u32 = 3;

/// A task on its way.
struct Slot {
    done: Option<TaskOutcome>,
    /// Outcomes of the candidates that are known by themselves.
    known: Vec<Option<Outcome>>,
    /// Candidates in the worker's list, by their index in the task.
    asked: Vec<usize>,
}

/// A task and its candidate, or its golden module.
type Suspect = (usize, Option<usize>);

impl Plan {
    pub(super) fn new(tasks: &[Task], built: &Built) -> Plan {
        let slot = |(task, (golden, candidates)): (&Task, &(Symbol, Vec<Symbol>))| {
            let known: Vec<Option<Outcome>> = candidates
                .iter()
                .map(|symbol| symbol.as_ref().err().map(|why| Outcome::Unsupported(why.clone())))
                .collect();
            let done = match golden {
                Err(why) => Some(TaskOutcome::BadGolden(why.clone())),
                Ok(_) if task.candidates.is_empty() => Some(TaskOutcome::Candidates(vec![])),
                Ok(_) => None,
            };
            Slot { done, known, asked: Vec::new() }
        };
        let outcomes = tasks.iter().zip(&built.symbols).map(slot).collect();
        Plan { outcomes, suspects: Vec::new(), alone: None, deaths: BTreeMap::new() }
    }

    /// The tasks for the next worker: all that is open, then the suspects one by one.
    pub(super) fn next_round(&mut self, tasks: &[Task], built: &Built) -> Option<Vec<JobTask>> {
        self.alone = None;
        let suspects = self.suspects.clone();
        let mut jobs = Vec::new();
        for (index, slot) in self.outcomes.iter_mut().enumerate() {
            if slot.done.is_some() || suspects.contains(&(index, None)) {
                continue;
            }
            let open =
                |&c: &usize| slot.known[c].is_none() && !suspects.contains(&(index, Some(c)));
            let asked: Vec<usize> = (0..slot.known.len()).filter(open).collect();
            if !asked.is_empty() {
                slot.asked = asked;
                jobs.extend(job_task(tasks, built, index, &slot.asked));
            }
        }
        while jobs.is_empty() {
            let (index, candidate) = self.suspects.pop()?;
            let slot = &mut self.outcomes[index];
            if slot.done.is_some() {
                continue;
            }
            self.alone = Some((index, candidate));
            // A golden module is tried again with all of its candidates that are not suspects.
            let open = |&c: &usize| match candidate {
                Some(only) => only == c,
                None => slot.known[c].is_none() && !suspects.contains(&(index, Some(c))),
            };
            slot.asked = (0..slot.known.len()).filter(open).collect();
            jobs.extend(job_task(tasks, built, index, &slot.asked));
        }
        Some(jobs)
    }

    pub(super) fn patience(&self) -> u64 {
        if self.alone.is_some() { 2 } else { 1 }
    }

    /// Takes in what a worker says until it ends or dies.
    pub(super) fn listen(
        &mut self,
        worker: &mut Worker<Judging>,
        marker: &Marker,
    ) -> Result<(), WorkerError> {
        loop {
            match worker.hear()? {
                Answer::Event(Event::Task { index, outcome }) => self.outcomes[index].take(outcome),
                Answer::Event(Event::End) => break,
                Answer::Event(other) => return Err(WorkerError::unexpected(other)),
                Answer::Panicked(said) => return Err(WorkerError::Failed(said)),
                Answer::Died(how) => {
                    self.blame_marked(marker, &how)?;
                    break;
                }
                // Only native code leaves like that: what this program does itself, it says.
                Answer::Left(status) => {
                    self.blame_marked(marker, &format!("ended the process ({status})"))?;
                    break;
                }
            }
        }
        Ok(())
    }

    /// Blames whose code was running.
    fn blame_marked(&mut self, marker: &Marker, how: &str) -> Result<(), WorkerError> {
        let Some((index, candidate)) = marker.read()? else {
            return Err(WorkerError::Failed(format!("it {how} before it ran anything")));
        };
        // The mark is written by a process that runs native code: it may say anything.
        let asked = self.outcomes.get(index).map(|slot| &slot.asked);
        let known = match candidate {
            None => asked.map(|_| None),
            Some(c) => asked.and_then(|asked| asked.get(c)).map(|&c| Some(c)),
        };
        let Some(candidate) = known else {
            return Err(WorkerError::Protocol(format!("a mark of task {index}, which is none")));
        };
        self.blame((index, candidate), how);
        Ok(())
    }

    /// A first death makes a suspect; one alone is an outcome.
    fn blame(&mut self, suspect: Suspect, how: &str) {
        let deaths = self.deaths.entry(suspect).or_default();
        *deaths += 1;
        let alone = self.alone == Some(suspect);
        if let Some(other) = self.alone.filter(|_| !alone) {
            self.suspects.push(other);
        }
        if !alone && *deaths < DEATHS_MAX {
            self.suspects.push(suspect);
            return;
        }
        let slot = &mut self.outcomes[suspect.0];
        match suspect.1 {
            None => slot.done = Some(TaskOutcome::BadGolden(format!("the golden module {how}"))),
            Some(candidate) => slot.known[candidate] = Some(Outcome::Crash(how.into())),
        }
    }

    pub(super) fn finish(self) -> Vec<TaskOutcome> {
        let finish = |slot: Slot| {
            slot.done.unwrap_or_else(|| {
                let all = slot.known.into_iter().map(|outcome| {
                    outcome.unwrap_or_else(|| unreachable!("every candidate has an outcome by now"))
                });
                TaskOutcome::Candidates(all.collect())
            })
        };
        self.outcomes.into_iter().map(finish).collect()
    }
}

impl Slot {
    fn take(&mut self, outcome: TaskOutcome) {
        match outcome {
            TaskOutcome::BadGolden(why) => self.done = Some(TaskOutcome::BadGolden(why)),
            TaskOutcome::Candidates(all) => {
                for (outcome, &candidate) in all.into_iter().zip(&self.asked) {
                    self.known[candidate] = Some(outcome);
                }
            }
        }
    }
}

/// The tasks in two lists, each with half of the candidates and with its tasks' indices; `None` where there is
/// but one candidate.
pub(super) fn halves(tasks: &[Task]) -> Option<[(Vec<usize>, Vec<Task>); 2]> {
    let total: usize = tasks.iter().map(|task| task.candidates.len()).sum();
    if total < 2 {
        return None;
    }
    let part = |wanted: std::ops::Range<usize>| {
        let mut next = 0;
        let mut cut = |task: &Task| {
            let mut task = task.clone();
            task.candidates.retain(|_| {
                next += 1;
                wanted.contains(&(next - 1))
            });
            task
        };
        let tasks = tasks.iter().map(&mut cut).enumerate();
        tasks.filter(|(_, task)| !task.candidates.is_empty()).unzip()
    };
    Some([part(0..total / 2), part(total / 2..total)])
}

/// The outcomes of so many tasks from those of their [`halves`], with the tasks' indices.
pub(super) fn joined(
    tasks: usize,
    halves: impl IntoIterator<Item = (usize, TaskOutcome)>,
) -> Vec<TaskOutcome> {
    let mut joined = vec![TaskOutcome::Candidates(Vec::new()); tasks];
    for (index, outcome) in halves {
        let whole = &mut joined[index];
        match (&mut *whole, outcome) {
            (TaskOutcome::Candidates(whole), TaskOutcome::Candidates(part)) => whole.extend(part),
            (_, bad @ TaskOutcome::BadGolden(_)) => *whole = bad,
            (TaskOutcome::BadGolden(_), TaskOutcome::Candidates(_)) => {}
        }
    }
    joined
}

fn job_task(tasks: &[Task], built: &Built, index: usize, candidates: &[usize]) -> Option<JobTask> {
    let (golden, all) = &built.symbols[index];
    let symbols: Option<Vec<String>> =
        candidates.iter().map(|&c| all[c].as_ref().ok().cloned()).collect();
    Some(JobTask {
        index,
        task: bare(&tasks[index], candidates),
        golden: golden.as_ref().ok()?.clone(),
        candidates: symbols?,
    })
}

/// The task without the modules' text, which a worker that has the unit does not need.
pub(super) fn bare(task: &Task, candidates: &[usize]) -> Task {
    let module = Module { top: String::new(), source: String::new() };
    let subject = |&c: &usize| Subject {
        module: module.clone(),
        constants: task.candidates[c].constants.clone(),
    };
    Task {
        interface: task.interface.clone(),
        restrictions: task.restrictions.clone(),
        key: task.key.clone(),
        golden: module.clone(),
        candidates: candidates.iter().map(subject).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::design::Interface;

    /// Tasks with so many candidates each, and the unit that holds them.
    fn tasks(candidates: &[usize]) -> (Vec<Task>, Built) {
        let module = Module { top: String::new(), source: String::new() };
        let interface = Interface {
            top: String::new(),
            ports: Vec::new(),
            roles: Vec::new(),
            constants: Vec::new(),
            pool: Vec::new(),
            durations: Vec::new(),
            sequential: false,
            initialised: true,
        };
        let task = |&count: &usize| Task {
            interface: interface.clone(),
            restrictions: BTreeMap::new(),
            key: String::new(),
            golden: module.clone(),
            candidates: vec![Subject { module: module.clone(), constants: Vec::new() }; count],
        };
        let symbols = |&count: &usize| (Ok("golden".into()), vec![Ok("candidate".into()); count]);
        let symbols = candidates.iter().map(symbols).collect();
        (
            candidates.iter().map(task).collect(),
            Built { runtime: String::new(), unit: String::new(), symbols },
        )
    }

    fn said(text: &str) -> Outcome {
        Outcome::Unsupported(text.into())
    }

    #[test]
    fn one_death_makes_a_suspect_and_a_second_alone_an_outcome() {
        let (tasks, built) = tasks(&[2]);
        let mut plan = Plan::new(&tasks, &built);
        let round = plan.next_round(&tasks, &built).expect("all that is open");
        assert_eq!(round[0].candidates.len(), 2);
        plan.blame((0, Some(1)), "dies");
        let round = plan.next_round(&tasks, &built).expect("the other");
        assert_eq!((round[0].candidates.len(), plan.patience()), (1, 1));
        plan.outcomes[0].take(TaskOutcome::Candidates(vec![said("fine")]));
        plan.next_round(&tasks, &built).expect("the suspect alone");
        assert_eq!((plan.alone, plan.patience()), (Some((0, Some(1))), 2));
        plan.blame((0, Some(1)), "dies");
        assert!(plan.next_round(&tasks, &built).is_none());
        let outcomes = vec![said("fine"), Outcome::Crash("dies".into())];
        assert_eq!(plan.finish(), [TaskOutcome::Candidates(outcomes)]);
    }

    #[test]
    fn what_dies_in_company_and_not_alone_is_judged() {
        let (tasks, built) = tasks(&[1, 1]);
        let mut plan = Plan::new(&tasks, &built);
        plan.next_round(&tasks, &built).expect("both");
        plan.blame((1, Some(0)), "needs more memory than allowed");
        plan.next_round(&tasks, &built).expect("the other");
        plan.outcomes[0].take(TaskOutcome::Candidates(vec![said("one")]));
        plan.next_round(&tasks, &built).expect("the suspect alone");
        plan.outcomes[1].take(TaskOutcome::Candidates(vec![said("two")]));
        assert!(plan.next_round(&tasks, &built).is_none());
        let each = |text| TaskOutcome::Candidates(vec![said(text)]);
        assert_eq!(plan.finish(), [each("one"), each("two")]);
    }

    #[test]
    fn halves_hold_every_candidate_once_and_are_joined_in_order() {
        let (mut tasks, _) = tasks(&[2, 0, 3]);
        for (number, subject) in tasks.iter_mut().flat_map(|task| &mut task.candidates).enumerate()
        {
            subject.module.top = number.to_string();
        }
        let halves = halves(&tasks).expect("two halves");
        let sizes = halves.each_ref().map(|(indices, half)| {
            let sizes: Vec<usize> = half.iter().map(|task| task.candidates.len()).collect();
            (indices.clone(), sizes)
        });
        assert_eq!(sizes, [(vec![0], vec![2]), (vec![2], vec![3])]);
        let outcomes = halves.into_iter().flat_map(|(indices, half)| {
            let of = |task: Task| {
                let said = task.candidates.iter().map(|subject| said(&subject.module.top));
                TaskOutcome::Candidates(said.collect())
            };
            indices.into_iter().zip(half.into_iter().map(of)).collect::<Vec<_>>()
        });
        let each =
            |texts: &[&str]| TaskOutcome::Candidates(texts.iter().map(|t| said(t)).collect());
        let whole = joined(3, outcomes);
        assert_eq!(whole, [each(&["0", "1"]), each(&[]), each(&["2", "3", "4"])]);
        assert!(super::halves(&only_one()).is_none());
        let bad = [(0, TaskOutcome::BadGolden("bad".into())), (0, each(&["0"]))];
        assert_eq!(joined(1, bad), [TaskOutcome::BadGolden("bad".into())]);
    }

    fn only_one() -> Vec<Task> {
        tasks(&[1, 0]).0
    }
}
