//! The cones of one candidate's outputs, each with its verdict.

use std::sync::atomic::AtomicBool;

use anyhow::{Context, bail};

use crate::candidate::Candidate;
use crate::extract::run::{self, Row, Run, Span, Status};
use crate::problem::Problem;
use crate::verify::verdict::{Judgement, Verdict};

/// A candidate's code and what of it implements which output.
pub struct Cones {
    /// Where the Verilog stands in the completion.
    pub code: Vec<Span>,
    /// The outputs, in the golden order of ports; of a candidate that was not judged its own.
    pub list: Vec<Cone>,
    /// Why the code as a whole cannot be followed.
    pub whole_module: Option<String>,
    /// Why there is no code.
    pub no_code: Option<String>,
}

/// The cone of one output.
pub struct Cone {
    /// The output.
    pub name: String,
    /// The verdict on it, if there is one.
    pub verdict: Option<Judgement>,
    /// Byte spans of the completion.
    pub spans: Vec<Span>,
    /// Why they are the whole module's.
    pub whole_module: Option<String>,
}

/// How the bytes of some cones are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Look {
    /// Nothing is marked, so nothing stands back.
    Plain,
    /// In no cone.
    Outside,
    /// In cones of right outputs only.
    Right,
    /// In cones of wrong outputs only.
    Wrong,
    /// In both.
    Both,
    /// In cones of outputs of which nothing is known.
    Unknown,
}

impl Look {
    /// The look of bytes in cones with these verdicts.
    pub fn of(verdicts: impl Iterator<Item = Option<Judgement>> + Clone) -> Look {
        let has = |wanted| verdicts.clone().any(|verdict| verdict == Some(wanted));
        match (has(Judgement::Correct), has(Judgement::Wrong)) {
            (true, true) => Look::Both,
            (true, false) => Look::Right,
            (false, true) => Look::Wrong,
            (false, false) if verdicts.count() > 0 => Look::Unknown,
            (false, false) => Look::Outside,
        }
    }

    /// What tells it without colour.
    pub fn mark(self) -> &'static str {
        match self {
            Look::Plain | Look::Outside => "",
            Look::Right => "✓",
            Look::Wrong => "✗",
            Look::Both => "✓✗",
            Look::Unknown => "·",
        }
    }
}

impl Cones {
    /// Extracts the cones of `candidate` in a worker process.
    pub fn of(
        problem: &Problem,
        candidate: &Candidate,
        verdict: &Verdict,
    ) -> anyhow::Result<Cones> {
        let program = std::env::current_exe().context("failed to find this program's own file")?;
        let job = Run {
            problems: std::slice::from_ref(problem),
            program: &program,
            threads: 1,
            proof: None,
            stop: &AtomicBool::new(false),
        };
        let mut row = None;
        run::extract(&job, std::iter::once(Ok(candidate.clone())), |extracted| {
            row = Some(extracted.row());
            Ok(())
        })
        .context("failed to extract the cones")?;
        Ok(Cones::with_verdicts(row.context("the extraction gave no row")?, verdict))
    }

    fn with_verdicts(row: Row, verdict: &Verdict) -> Cones {
        let whole = (row.status == Status::WholeModule).then(|| row.message.clone()).flatten();
        let judged = verdict.signals.iter().map(|signal| (&signal.name, Some(signal.verdict)));
        let own = row.signals.iter().map(|signal| (&signal.name, None));
        let names: Vec<_> =
            if verdict.signals.is_empty() { own.collect() } else { judged.collect() };
        let cone = |(name, verdict): (&String, Option<Judgement>)| {
            let found = row.signals.iter().find(|signal| signal.name == *name);
            Cone {
                name: name.clone(),
                verdict,
                spans: match (found, &whole) {
                    (Some(signal), _) => signal.spans.clone(),
                    (None, Some(_)) => row.code.clone(),
                    (None, None) => Vec::new(),
                },
                whole_module: found.map_or(whole.clone(), |signal| signal.whole_module.clone()),
            }
        };
        Cones {
            list: names.into_iter().map(cone).collect(),
            no_code: (row.status == Status::NoCode).then(|| row.message.unwrap_or_default()),
            code: row.code,
            whole_module: whole,
        }
    }

    /// The places in `list` of the named outputs, or of all.
    pub fn chosen(&self, names: &[String]) -> anyhow::Result<Vec<usize>> {
        if names.is_empty() {
            return Ok((0..self.list.len()).collect());
        }
        let place = |name: &String| {
            let at = self.list.iter().position(|cone| cone.name == *name);
            at.ok_or_else(|| {
                let known: Vec<&str> = self.list.iter().map(|cone| cone.name.as_str()).collect();
                (name.clone(), known.join(", "))
            })
        };
        let mut places = Vec::new();
        for name in names {
            match place(name) {
                Ok(at) if places.contains(&at) => {}
                Ok(at) => places.push(at),
                Err((name, known)) if known.is_empty() => {
                    bail!("no output is called `{name}`: the candidate has no outputs to show")
                }
                Err((name, known)) => bail!("no output is called `{name}` (there are: {known})"),
            }
        }
        places.sort_unstable();
        Ok(places)
    }

    /// A sentence where nothing finer than the whole text is known.
    pub fn fallback(&self) -> Option<String> {
        let whole = self.whole_module.as_ref();
        let of = if self.list.is_empty() { "" } else { " for every output" };
        let whole = whole.map(|why| format!("whole module{of}: {why}"));
        whole.or(self.no_code.as_ref().map(|why| format!("no cones: {why}")))
    }

    /// The look of a set of cones.
    pub fn look(&self, set: &[usize]) -> Look {
        Look::of(set.iter().map(|at| self.list[*at].verdict))
    }
}
