//! The distinct designs of a file of problems: many benchmarks share a golden module under other names.

use std::collections::{BTreeMap, HashSet};

use crate::design::{self, Interface, Mutations};
use crate::problem::Problem;
use crate::verilog::{Kind, lex};

/// A golden module, once for all problems that share it.
pub struct Design {
    /// The first problem that has it, with the golden module's own name as the candidate's and no prompt.
    pub problem: Problem,
    /// Its interface.
    pub interface: Interface,
    /// All its mutants.
    pub mutations: Mutations,
}

impl Design {
    /// The name of the first problem that has it.
    pub fn name(&self) -> &str {
        &self.problem.problem
    }
}

/// Returns the distinct designs in order, and how many cannot be judged, by reason.
pub fn distinct(problems: &[Problem]) -> (Vec<Design>, BTreeMap<String, usize>) {
    let mut seen = HashSet::new();
    let mut designs = Vec::new();
    let mut aside = BTreeMap::new();
    for problem in problems {
        match open(problem) {
            Ok(design) => {
                if seen.insert(normal_text(&problem.golden, &design.interface.top)) {
                    designs.push(design);
                }
            }
            Err(why) => {
                if seen.insert(problem.golden.clone()) {
                    *aside.entry(why).or_default() += 1;
                }
            }
        }
    }
    (designs, aside)
}

fn open(problem: &Problem) -> Result<Design, String> {
    let top = problem.golden_top.as_deref();
    let design = design::elaborate(&problem.golden, top).map_err(|why| why.to_string())?;
    if !design.uses_z.is_empty() {
        return Err("an output may be Z".into());
    }
    let mutations = design::mutations(&problem.golden, top).map_err(|why| why.to_string())?;
    let problem = Problem {
        prompt: String::new(),
        top: mutations.top.clone(),
        golden_top: Some(mutations.top.clone()),
        ..problem.clone()
    };
    Ok(Design { problem, interface: design.interface, mutations })
}

/// The tokens without white space and comments, and without the name of the top module.
fn normal_text(text: &str, top: &str) -> String {
    let mut normal = String::new();
    for token in lex(text).filter(|token| !token.kind.is_trivia()) {
        let word = &text[token.span];
        normal.push_str(if token.kind == Kind::Word && word == top { "" } else { word });
        normal.push('\n');
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_design_under_two_names_and_layouts_is_one() {
        let one = "module a(input x, output y); // first\n assign y = ~x;\nendmodule\n";
        let same = "module b (input x,output y);assign y=~x; endmodule";
        let other = "module b (input x,output y);assign y=x; endmodule";
        assert_eq!(normal_text(one, "a"), normal_text(same, "b"));
        assert_ne!(normal_text(one, "a"), normal_text(other, "b"));
    }
}
