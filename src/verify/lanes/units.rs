//! Which processes run together.
//!
//! Starting a process, comparing what it wrote and starting what watches it costs more than most processes do. So
//! small pure ones that follow each other, none of which reads what a later one writes, make one unit: it runs them
//! all, in order, when any is started, and what only its own processes watch is not compared. Triggered processes that
//! follow each other and wait for the same make one unit too.

use crate::design::program::{Kind, Process, Program, Statement, Trigger, Watch};

/// Statements of processes that are run together at most: beyond that, running what need not run would cost more than
/// is saved.
const STATEMENTS_MAX: usize = 80;

/// Processes that run together.
#[derive(Debug)]
pub(super) struct Group {
    /// Their numbers.
    pub members: Vec<usize>,
    pub kind: Kind,
    pub is_pure: bool,
    pub restarts_itself: bool,
    /// Whether an edge starts it; its members wait for the same.
    pub waits_for_edge: bool,
    size: usize,
}

/// The groups: what runs once at the start, then the others, in order of their first members.
pub(super) fn groups(program: &Program) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    // The last group of each kind, if more may join it.
    let mut last: [Option<usize>; 2] = [None, None];
    for (number, process) in program.processes.iter().enumerate() {
        let size = statements(&process.body);
        let of_kind = match process.kind {
            Kind::Combinational => Some(&mut last[0]),
            Kind::Triggered => Some(&mut last[1]),
            Kind::Declaration | Kind::Initial => None,
        };
        let is_pure = process.is_pure && !loops(&process.body);
        if let Some(&mut Some(at)) = of_kind
            && joins(program, &groups[at], process, is_pure, size)
        {
            groups[at].members.push(number);
            groups[at].size += size;
            continue;
        }
        let kind = process.kind;
        // A pure process reads nothing that it writes, and in a unit each stands after what it reads.
        let restarts_itself = process.restarts_itself && !is_pure;
        if let Some(last) = of_kind {
            *last = Some(groups.len());
        }
        let is_edge = |trigger: &Trigger| matches!(trigger.watch, Watch::Edge { .. });
        let waits_for_edge = process.triggers.iter().any(is_edge);
        let members = vec![number];
        groups.push(Group { members, kind, is_pure, restarts_itself, waits_for_edge, size });
    }
    groups.sort_by_key(|group| !matches!(group.kind, Kind::Declaration | Kind::Initial));
    groups
}

fn joins(program: &Program, group: &Group, process: &Process, is_pure: bool, size: usize) -> bool {
    if group.size + size > STATEMENTS_MAX || group.is_pure != is_pure {
        return false;
    }
    let members = || group.members.iter().map(|&member| &program.processes[member]);
    match group.kind {
        Kind::Combinational => is_pure && members().all(|member| !process.starts(member)),
        _ => {
            let is_plain = |process: &Process| {
                !process.restarts_itself
                    && !process.starts(process)
                    && process.triggers.iter().all(|trigger| trigger.watch != Watch::Memory)
            };
            !is_pure
                && is_plain(process)
                && members().all(|member| is_plain(member) && member.triggers == process.triggers)
        }
    }
}

/// Statements, with those within others.
pub(super) fn statements(body: &[Statement]) -> usize {
    body.iter()
        .map(|statement| match statement {
            Statement::If { then, otherwise, .. } => 2 + statements(then) + statements(otherwise),
            Statement::Switch(switch) => {
                2 + switch.arms.iter().map(|arm| 1 + statements(arm)).sum::<usize>()
            }
            Statement::Block { body, .. } | Statement::Loop { body } => 2 + statements(body),
            Statement::Compute(_) | Statement::Store(_) | Statement::Exit(_) => 1,
        })
        .sum()
}

fn loops(body: &[Statement]) -> bool {
    body.iter().any(|statement| match statement {
        Statement::Loop { .. } => true,
        Statement::If { then, otherwise, .. } => loops(then) || loops(otherwise),
        Statement::Switch(switch) => switch.arms.iter().any(|arm| loops(arm)),
        Statement::Block { body, .. } => loops(body),
        Statement::Compute(_) | Statement::Store(_) | Statement::Exit(_) => false,
    })
}
