//! A benchmark sampled from a server and scored, in one command.

use std::collections::BTreeMap;

use super::{Bench, command, folder, has_icarus, report, rows, succeeded};
use crate::sample_server::{Answer, Server, completion, models};

/// A server that knows the answers, and gives each second one wrong.
#[test]
fn a_server_is_sampled_and_scored() {
    if !has_icarus() {
        return;
    }
    let goldens: BTreeMap<&str, String> =
        [("ramp", "Counters"), ("gates", "Logic"), ("blind", "Logic")]
            .into_iter()
            .map(|(name, group)| {
                let path = folder().join(format!("rtllm/{group}/{name}/verified_{name}.v"));
                let text = std::fs::read_to_string(path).expect("a golden module");
                (name, text.replace(&format!("verified_{name}"), name))
            })
            .collect();
    let server = Server::start(move |request, _| {
        if request.head.starts_with("GET") {
            return models(&["student"]);
        }
        let prompt = request.prompt();
        let (name, golden) = goldens
            .iter()
            .find(|(name, _)| prompt.contains(&format!("    {name}\n")))
            .expect("a problem");
        let is_right = request.body["seed"].as_u64().expect("a seed") % 2 == 0;
        let text = if is_right { golden.clone() } else { format!("module {name}; endmodule") };
        Answer::Whole(200, "", completion(&format!("Sure:\n```verilog\n{text}```\n"), "stop"))
    });
    let bench = Bench::new(&[]);
    let arguments = ["--server", &server.url, "-n", "8", "--k", "1,4,8,9", "--seed", "3"];
    let output = succeeded(&mut command(&bench, "rtllm", &arguments));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("temperature 0.8, top-p 0.95"), "{said}");
    let asked = server.requests();
    let bodies: Vec<_> = asked.iter().filter(|request| request.head.starts_with("POST")).collect();
    assert_eq!(bodies.len(), 24);
    assert!(bodies.iter().all(|request| request.body["temperature"] == 0.8));
    let report = report(&bench);
    assert_eq!(report.samples, [8, 8]);
    assert_eq!(report.settings["candidates"]["model"], "student");
    assert_eq!(report.settings["candidates"]["top_p"], 0.95);
    let ks: Vec<usize> = report.scores.iter().step_by(3).map(|score| score.k).collect();
    assert_eq!(ks, [1, 4, 8], "nine of eight cannot be drawn");
    let right = rows(&bench).iter().filter(|row| row.strict.passed()).count();
    let expected = bodies.iter().filter(|request| {
        let is_right = request.body["seed"].as_u64().expect("a seed") % 2 == 0;
        // The bench of `blind` passes what drives nothing; without the ports it does not compile.
        is_right
    });
    assert_eq!(right, expected.count());
}
