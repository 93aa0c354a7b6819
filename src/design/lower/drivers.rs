//! Nets with several drivers: each driver gets a variable of its own, and a process joins them.
//!
//! Drivers of different bits of a net need no joining; only where two may drive the same bit, or the net is
//! of a kind that resolves or pulls, is it done.

use std::collections::BTreeMap;

use sv_lang::NetKind;

use super::super::program::{Kind, Net, OpKind, PowerUp, Slot, Statement, Target};
use super::{Driver, Lowered, Lowering};

impl Lowering<'_> {
    pub(super) fn join_drivers(&mut self) -> Lowered<()> {
        let mut by_net: BTreeMap<Slot, Vec<Driver>> = BTreeMap::new();
        for driver in std::mem::take(&mut self.drivers) {
            by_net.entry(driver.net).or_default().push(driver);
        }
        for (net, _) in &self.nets {
            by_net.entry(*net).or_default();
        }
        for (net, drivers) in by_net {
            let kind = self.nets.iter().find(|(slot, _)| *slot == net).map(|(_, kind)| *kind);
            let kind = kind.filter(|kind| !matches!(kind, NetKind::Supply0 | NetKind::Supply1));
            let pull = match kind {
                Some(NetKind::Tri0) => Some(false),
                Some(NetKind::Tri1) => Some(true),
                _ => None,
            };
            if overlap(&drivers) || pull.is_some() {
                self.join(net, &drivers, kind, pull)?;
            }
        }
        Ok(())
    }

    fn join(
        &mut self,
        net: Slot,
        drivers: &[Driver],
        kind: Option<NetKind>,
        pull: Option<bool>,
    ) -> Lowered<()> {
        let width = self.build.width(net);
        let mut processes: Vec<usize> = drivers.iter().map(|driver| driver.process).collect();
        processes.dedup();
        let mut own = Vec::new();
        for process in processes {
            let slot = self.build.variable(width, PowerUp::HighImpedance);
            redirect(&mut self.processes[process].body, net, slot);
            own.push(slot);
        }
        let resolution = match kind {
            Some(NetKind::WAnd | NetKind::TriAnd) => Net::And,
            Some(NetKind::WOr | NetKind::TriOr) => Net::Or,
            _ => Net::Wire,
        };
        self.process(Kind::Combinational, true, |lowering| {
            let mut value = None;
            for slot in own {
                value = Some(match value {
                    None => slot,
                    Some(a) => lowering
                        .build
                        .emit(width, OpKind::Resolve { a, b: slot, net: resolution })?,
                });
            }
            let mut value = match value {
                Some(value) => value,
                None => lowering.build.high_impedance(width),
            };
            if let Some(one) = pull {
                value = lowering.build.emit(width, OpKind::Pull { a: value, one })?;
            }
            lowering.build.store(Target::Whole(net), value, false);
            Ok(())
        })?;
        Ok(())
    }
}

/// Whether two processes may drive the same bit.
fn overlap(drivers: &[Driver]) -> bool {
    drivers.iter().enumerate().any(|(at, a)| {
        drivers[at + 1..]
            .iter()
            .any(|b| a.process != b.process && a.lsb < b.lsb + b.width && b.lsb < a.lsb + a.width)
    })
}

/// Lets stores to one variable go to another.
fn redirect(body: &mut [Statement], from: Slot, to: Slot) {
    for statement in body {
        match statement {
            Statement::Store(store) => match &mut store.target {
                Target::Whole(slot)
                | Target::Part { variable: slot, .. }
                | Target::Select { variable: slot, .. }
                    if *slot == from =>
                {
                    *slot = to;
                }
                _ => {}
            },
            Statement::If { then, otherwise, .. } => {
                redirect(then, from, to);
                redirect(otherwise, from, to);
            }
            Statement::Switch(switch) => {
                switch.arms.iter_mut().for_each(|arm| redirect(arm, from, to));
            }
            Statement::Block { body, .. } | Statement::Loop { body } => redirect(body, from, to),
            Statement::Compute(_) | Statement::Exit(_) => {}
        }
    }
}
