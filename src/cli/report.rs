//! What a run tells other programs: an exit code of its own for findings that somebody calls a failure, and a
//! JUnit file.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::junit;
use super::summary::Summary;
use crate::verify::verdict::{Judgement, Status};

/// The exit code of a run that did what it says and found what `--fail-on` names.
const FOUND: u8 = 3;

/// How a finished run is reported.
#[derive(Default, clap::Args)]
pub struct ReportArguments {
    /// End with exit code 3 if the verdicts hold one of these (several: wrong,unchecked)
    #[arg(long, value_enum, value_delimiter = ',')]
    fail_on: Vec<FailOn>,
    /// Also write a JUnit XML file: a test suite for each problem, a test case for each output
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// What may be called a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum FailOn {
    /// An output that differs from the golden module's.
    Wrong,
    /// An output that was never defined, or never moved though it could.
    Unchecked,
    /// A candidate that was not simulated: no code, an error, a timeout.
    NotJudged,
    /// A golden module that cannot be read or judged.
    BadProblem,
}

impl ReportArguments {
    /// Whether anything is to be reported.
    pub fn is_asked(&self) -> bool {
        !self.fail_on.is_empty() || self.junit.is_some()
    }

    /// Reports the finished file `verdicts`, which comes to `summary`. Of a part of a run nothing may be left.
    pub fn report(
        &self,
        verdicts: &Path,
        summary: &Summary,
        is_part: bool,
    ) -> anyhow::Result<ExitCode> {
        if let Some(file) = &self.junit {
            junit::write(verdicts, file)?;
            eprintln!("the JUnit report is in {}", file.display());
        }
        let mut code = ExitCode::SUCCESS;
        if !self.fail_on.is_empty() && summary.candidates == 0 && !is_part {
            // Whatever wrote the candidates has failed, and nothing else would tell.
            eprintln!("failed: there is no candidate");
            code = ExitCode::from(FOUND);
        }
        for what in &self.fail_on {
            let (count, of) = what.count(summary);
            if count > 0 {
                let word = clap::ValueEnum::to_possible_value(what);
                let word = word.as_ref().map_or("", |value| value.get_name());
                eprintln!("failed on {word}: {count} {of}");
                code = ExitCode::from(FOUND);
            }
        }
        Ok(code)
    }

    /// The file that is written beside the verdicts.
    pub fn junit(&self) -> Option<&Path> {
        self.junit.as_deref()
    }
}

impl FailOn {
    fn count(self, summary: &Summary) -> (usize, &'static str) {
        match self {
            FailOn::Wrong => (summary.outputs(Judgement::Wrong), "outputs"),
            FailOn::Unchecked => (summary.outputs(Judgement::Unchecked), "outputs"),
            FailOn::NotJudged => {
                (summary.candidates - summary.status(Status::Judged), "candidates")
            }
            FailOn::BadProblem => (summary.status(Status::BadProblem), "candidates"),
        }
    }
}
