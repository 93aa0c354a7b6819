//! The stimulus keeps its promises: which inputs change when, that the budget is met, that legal values
//! and exhaustive walks are kept, and that version 2 gives the rows it has always given.

use std::collections::{BTreeMap, BTreeSet};

use salv::design::{Bits, Direction, Interface, Level, Port, Role};
use salv::problem::Restriction;
use salv::verify::stimulus::{Config, Episode, Profile, Stimulus, StimulusError};

const CLOCK: Role = Role::Clock { rising: true, falling: false };

/// An interface of inputs `name:width:role`, with `clock`, `async` and `sync` (active high), `areset_n`
/// (asynchronous, active low), `gate` (closed at low), `gate_high` and `data`; one output.
fn interface(sequential: bool, inputs: &str) -> Interface {
    let mut ports = Vec::new();
    let mut roles = Vec::new();
    for input in inputs.split_whitespace() {
        let [name, width, role] = input.split(':').collect::<Vec<_>>()[..] else {
            panic!("{input} is not name:width:role");
        };
        ports.push(port(name, Direction::Input, width.parse().expect("a width")));
        roles.push(match role {
            "clock" => CLOCK,
            "async" => Role::AsyncReset { active: Level::High },
            "areset_n" => Role::AsyncReset { active: Level::Low },
            "sync" => Role::SyncReset { active: Level::High },
            "gate" => Role::Gate { closed: Level::Low },
            "gate_high" => Role::Gate { closed: Level::High },
            _ => Role::Data,
        });
    }
    ports.push(port("q", Direction::Output, 4));
    roles.push(Role::Data);
    let constants = vec![Vec::new(); ports.len()];
    Interface {
        top: "dut".into(),
        ports,
        roles,
        constants,
        pool: Vec::new(),
        durations: Vec::new(),
        sequential,
        initialised: false,
    }
}

fn port(name: &str, direction: Direction, width: u32) -> Port {
    Port { name: name.into(), direction, width, signed: false }
}

fn config(vectors: u32) -> Config {
    Config { vectors, ..Config::default() }
}

fn stimulus(interface: &Interface, vectors: u32) -> Stimulus {
    Stimulus::new(interface, &BTreeMap::new(), b"golden", &config(vectors)).expect("a stimulus")
}

fn restricted(name: &str, values: &[&str]) -> BTreeMap<String, Restriction> {
    let values = values.iter().map(|value| value.to_string()).collect();
    BTreeMap::from([(name.to_owned(), Restriction { values })])
}

fn base(stimulus: &Stimulus) -> Vec<Episode> {
    (0..stimulus.base_episodes()).map(|index| stimulus.episode(index)).collect()
}

/// The base, deep (the first six) and candidate's episodes.
fn all(stimulus: &Stimulus) -> Vec<Episode> {
    let mut episodes = base(stimulus);
    episodes.extend((0..6).map_while(|k| stimulus.deep_episode(k)));
    episodes.extend(stimulus.candidate_episodes(&[bits(16, 0xbeef)]));
    episodes
}

fn bits(width: u32, value: u64) -> Bits {
    Bits { width, words: vec![value] }
}

/// The rows of an episode, each of its row's words.
fn rows<'a>(stimulus: &Stimulus, episode: &'a Episode) -> Vec<&'a [u64]> {
    let words = stimulus.inputs().words;
    assert_eq!(episode.rows.len(), (episode.steps.len() + 1) * words);
    if words == 0 {
        vec![&[]; episode.steps.len() + 1]
    } else {
        episode.rows.chunks(words).collect()
    }
}

/// Calls `see(step, before, after)` for every step of every episode.
fn changes(stimulus: &Stimulus, episodes: &[Episode], mut see: impl FnMut(u8, &[u64], &[u64])) {
    for episode in episodes {
        for (pair, at) in rows(stimulus, episode).windows(2).zip(&episode.steps) {
            see(at.step, pair[0], pair[1]);
        }
    }
}

#[test]
fn budget_is_met_exactly() {
    let design = interface(true, "clk:1:clock rst:1:async d:8:data");
    for vectors in [1, 15, 16, 100, 255, 1000, 1024, 2048, 10_007, 50_000] {
        let stimulus = stimulus(&design, vectors);
        let episodes = base(&stimulus);
        let steps: usize = episodes.iter().map(|episode| episode.steps.len()).sum();
        assert_eq!(steps, 4 * vectors as usize);
        assert!(vectors < 1000 || episodes.len() >= 16, "{} episodes", episodes.len());
        assert!(episodes.iter().zip(0..).all(|(episode, index)| episode.index == index));
        let power_ups: BTreeSet<u64> = episodes.iter().map(|episode| episode.power_up).collect();
        assert_eq!(power_ups.len(), episodes.len());
    }
}

#[test]
fn one_clock_has_its_edges_alone() {
    let design = interface(true, "d:8:data clk:1:clock rst:1:async s:1:sync w:200:data");
    let stimulus = stimulus(&design, 2048);
    let mut changed = [0u32; 4];
    changes(&stimulus, &all(&stimulus), |step, before, after| {
        assert_eq!(after[1], u64::from(step == 1 || step == 2), "clock after step {step}");
        let same = before[0] == after[0] && before[2..] == after[2..];
        assert!(same || step % 2 == 0, "data changed in step {step}");
        changed[step as usize] += u32::from(!same);
    });
    assert!(changed[0] > 1000, "{changed:?}");
    assert!(changed[2] > 700, "{changed:?}");
    for episode in all(&stimulus) {
        let first = rows(&stimulus, &episode)[0];
        assert_eq!(
            (first[1], first[2], first[3]),
            (0, 0, 0),
            "power-up of episode {}",
            episode.index
        );
    }
}

#[test]
fn gates_change_only_when_closed() {
    let design = interface(true, "clk:1:clock en:1:gate hold:1:gate_high d:1:data");
    let stimulus = stimulus(&design, 2048);
    let mut changed = [0; 2];
    changes(&stimulus, &all(&stimulus), |step, before, after| {
        assert!(before[1] == after[1] || step == 0, "en changed in step {step}");
        assert!(before[2] == after[2] || step == 2, "hold changed in step {step}");
        changed[0] += u32::from(before[1] != after[1]);
        changed[1] += u32::from(before[2] != after[2]);
    });
    assert!(changed.iter().all(|&count| count > 100), "{changed:?}");
}

#[test]
fn several_clocks_toggle_one_by_one_and_together() {
    let design = interface(true, "a:1:clock b:1:clock c:1:clock en:1:gate rst:1:async d:4:data");
    let stimulus = stimulus(&design, 4096);
    let mut toggles = [0u32; 4];
    let mut levels = BTreeSet::new();
    changes(&stimulus, &base(&stimulus), |step, before, after| {
        let count = (0..3).filter(|&clock| before[clock] != after[clock]).count();
        if step % 2 == 0 {
            assert_eq!(count, 0, "a clock changed with the data");
            assert!(before[3] == after[3] || before[..3] == [0; 3], "a gate changed while open");
        } else {
            assert_eq!(before[3..], after[3..], "data changed with a clock");
            assert_ne!(count, 0);
            toggles[count] += 1;
            levels.insert(after[..3].to_vec());
        }
    });
    assert_eq!(levels.len(), 8);
    assert!(toggles[1] > 2 * (toggles[2] + toggles[3]), "{toggles:?}");
    assert!(toggles[2] > 100 && toggles[3] > 100, "{toggles:?}");
}

#[test]
fn resets_start_most_episodes_and_pulse_seldom() {
    let design = interface(true, "clk:1:clock rst_n:1:areset_n s:1:sync");
    let stimulus = stimulus(&design, 4096);
    let (mut started, mut as_data, mut half_cycle, mut later) = (0, 0, 0, 0);
    let episodes = base(&stimulus);
    for episode in &episodes {
        let rows = rows(&stimulus, episode);
        assert_eq!(rows[0], [0, 1, 0]);
        let edge_in_reset = |row: &&[u64]| row[0] == 1 && row[1] == 0 && row[2] == 1;
        started += u32::from(rows[1..13].iter().any(edge_in_reset));
        let low = rows.iter().filter(|row| row[1] == 0).count();
        as_data += u32::from(low * 4 > rows.len());
        later += u32::from(rows[40..].iter().any(|row| row[1] == 0));
        half_cycle +=
            rows.windows(4).filter(|w| w[0][1] == 1 && w[1][1] == 0 && w[3][1] == 1).count();
    }
    let count = episodes.len() as u32;
    assert!(started * 5 > count * 4 - 5, "{started} of {count} start in reset");
    assert!(as_data >= 1, "no episode has resets as data");
    assert!(later * 4 > count && later < count, "{later} of {count} reset later");
    assert!(half_cycle > 0, "no pulse lives half a cycle");
    for k in 0..3 {
        let deep = stimulus.deep_episode(k).expect("a deep episode");
        assert!(
            rows(&stimulus, &deep)[40..].iter().all(|row| row[1..] == [1, 0]),
            "reset in deep {k}"
        );
    }
}

#[test]
fn inputs_stay_for_long_and_for_short() {
    let design = interface(true, "clk:1:clock a:1:data b:1:data w:16:data");
    let stimulus = stimulus(&design, 16_384);
    let mut rates = Vec::new();
    for episode in base(&stimulus) {
        let mut changed = 0;
        changes(&stimulus, std::slice::from_ref(&episode), |_, before, after| {
            changed += u32::from(before[3] != after[3]);
        });
        rates.push(f64::from(changed) / (episode.steps.len() / 4) as f64);
    }
    let share = |low: f64, high: f64| {
        rates.iter().filter(|&&rate| low <= rate && rate < high).count() as f64 / rates.len() as f64
    };
    // A quiet eighth; else always 5/16, 1/2 5/16, 1/8 4/16, 1/64 2/16, never 1/16 (three sixteenths are
    // timed where that can be), at one or two steps a cycle. So never to rarely 1/8 + 7/8 * 3/16 = 29 %,
    // seldom 22 %, about once a cycle 7/8 * (5/32 + 5/64) = 20 %, about twice 14 %.
    assert!((0.1..0.4).contains(&share(0.0, 0.06)), "{rates:?}");
    assert!((0.08..0.4).contains(&share(0.06, 0.3)), "{rates:?}");
    assert!(share(0.7, 1.01) > 0.12, "{rates:?}");
    assert!(share(1.3, 2.01) > 0.05, "{rates:?}");
}

/// A fall of exactly so many cycles as a counter is compared with: what no plain hold finds.
#[test]
fn inputs_stay_for_as_long_as_a_constant_says() {
    let mut design = interface(true, "clk:1:clock ground:1:data");
    design.pool = vec![bits(5, 20), bits(3, 1), bits(16, 999)];
    let stays = |design: &Interface| {
        let stimulus = stimulus(design, 8192);
        let mut counts = vec![0u32; 600];
        for episode in base(&stimulus) {
            let mut stay = 0;
            for row in rows(&stimulus, &episode).chunks(4).map(|cycle| cycle[0]) {
                if row[1] == 0 {
                    stay += 1;
                } else {
                    counts[stay] += 1;
                    stay = 0;
                }
            }
        }
        counts[19..=22].iter().sum::<u32>()
    };
    let with = stays(&design);
    design.pool.clear();
    let without = stays(&design);
    assert!(with > 20 + 2 * without, "{with} with the constant, {without} without");
}

/// A synchronous reset that comes and goes between active edges tells it from an asynchronous one.
#[test]
fn synchronous_resets_glitch_away_from_the_active_edge() {
    let mut design = interface(true, "clk:1:clock s:1:sync d:1:data");
    for (role, edge) in [(CLOCK, 1), (Role::Clock { rising: false, falling: true }, 3)] {
        design.roles[0] = role;
        let stimulus = stimulus(&design, 2048);
        let (mut glitches, mut edges_in_reset) = (0, 0);
        for episode in base(&stimulus).iter().filter(|episode| episode.steps.len() == 4 * 512) {
            let rows = rows(&stimulus, episode);
            for (at, pair) in episode.steps.iter().zip(rows.windows(2)).skip(16) {
                let glitch = pair[0][1] == 0 && pair[1][1] == 1;
                glitches += u32::from(glitch);
                edges_in_reset += u32::from(at.step == edge && pair[1][1] == 1);
            }
        }
        assert!(glitches > 60, "{glitches} glitches, edge in step {edge}");
        assert!(edges_in_reset < 40, "{edges_in_reset} edges in reset, edge in step {edge}");
    }
}

#[test]
fn one_bit_inputs_are_biased_both_ways() {
    let design = interface(true, "clk:1:clock a:1:data");
    let stimulus = stimulus(&design, 16_384);
    let mut kinds = BTreeSet::new();
    for episode in base(&stimulus).iter().filter(|episode| episode.steps.len() >= 160) {
        let ones = rows(&stimulus, episode).iter().filter(|row| row[1] == 1).count();
        kinds.insert(ones * 8 / (episode.steps.len() + 2));
    }
    assert!(kinds.len() >= 6, "eighths of ones: {kinds:?}");
    assert!(kinds.contains(&0));
    assert!(kinds.contains(&7));
}

#[test]
fn corners_and_constants_come() {
    let mut design = interface(true, "clk:1:clock a:16:data b:16:data");
    design.constants[1] = vec![bits(16, 0xe06b)];
    design.pool = vec![bits(16, 0x1234)];
    let stimulus = stimulus(&design, 2048);
    let (mut seen, mut steps_up, mut near) = (BTreeSet::new(), 0, 0);
    changes(&stimulus, &base(&stimulus), |step, before, after| {
        seen.insert(after[1]);
        steps_up += u32::from(after[1] == before[1] + 1);
        near +=
            u32::from(step % 2 == 0 && after[2] != before[2] && after[1].abs_diff(after[2]) <= 1);
    });
    for corner in
        [0, 0xffff, 0x7fff, 0x8000, 0xe06a, 0xe06b, 0xe06c, 0x1234, 1 << 9, !(1 << 9) & 0xffff]
    {
        assert!(seen.contains(&corner), "{corner:#x} never comes");
    }
    assert!(steps_up > 20, "{steps_up} increments");
    assert!(near > 40, "{near} values near another input's");
    assert!(seen.len() > 800, "{} values", seen.len());
}

#[test]
fn wide_inputs_have_independent_slices() {
    let design = interface(true, "clk:1:clock w:200:data");
    let stimulus = stimulus(&design, 2048);
    let mut seen = [BTreeSet::new(), BTreeSet::new(), BTreeSet::new(), BTreeSet::new()];
    let mut equal_halves = 0;
    changes(&stimulus, &base(&stimulus), |step, before, after| {
        assert_eq!(after[4] >> 8, 0, "bits above the width");
        for (word, seen) in after[1..5].iter().zip(&mut seen) {
            seen.insert(*word);
        }
        let uniform = step % 2 == 0 && before != after && after[1].count_ones().abs_diff(32) < 12;
        equal_halves += u32::from(uniform && after[1] >> 32 == after[1] & 0xffff_ffff);
    });
    assert!(seen[..3].iter().all(|values| values.len() > 700));
    assert!(seen[3].len() > 240);
    assert_eq!(equal_halves, 0);
}

#[test]
fn small_input_spaces_are_walked() {
    let design = interface(false, "a:1:data b:5:data c:6:data");
    for vectors in [2048, 2100, 4096] {
        let stimulus = stimulus(&design, vectors);
        let mut seen = BTreeSet::new();
        let mut far = 0;
        changes(&stimulus, &base(&stimulus), |_, before, after| {
            seen.insert(after.to_vec());
            let distance: u32 = before.iter().zip(after).map(|(b, a)| (b ^ a).count_ones()).sum();
            far += u32::from(distance > 3);
        });
        assert_eq!(seen.len(), 4096);
        assert!(far > 1000, "{far} steps change more than three bits");
        assert!(stimulus.deep_episode(0).is_none());
        assert!(stimulus.candidate_episodes(&[bits(4, 3)]).is_empty());
    }
    // One bit more than the budget: no walk, so there is something left for depth.
    assert!(stimulus(&design, 2047).deep_episode(0).is_some());
}

#[test]
fn every_input_width_is_walked_to_its_budget() {
    for width in 1..=11 {
        let design = interface(false, &format!("a:{width}:data"));
        let stimulus = stimulus(&design, 1024);
        let mut seen = BTreeSet::new();
        changes(&stimulus, &base(&stimulus), |_, _, after| {
            seen.insert(after[0]);
        });
        assert_eq!(seen.len(), 1 << width);
    }
}

#[test]
fn restricted_inputs_keep_to_their_values() {
    let legal = restricted("state", &["4'b0001", "4'd2", "4'h4", "'b1000", "8"]);
    for (sequential, ports) in [
        (true, "clk:1:clock rst:1:async state:4:data w:8:data"),
        (false, "u:1:data v:1:data state:4:data w:8:data"),
        (false, "u:1:data v:1:data state:4:data w:80:data"),
    ] {
        let design = interface(sequential, ports);
        let stimulus =
            Stimulus::new(&design, &legal, b"golden", &config(2048)).expect("a stimulus");
        let mut seen = BTreeSet::new();
        for episode in all(&stimulus) {
            seen.extend(rows(&stimulus, &episode).iter().map(|row| row[2]));
        }
        assert_eq!(seen, BTreeSet::from([1, 2, 4, 8]));
    }
}

#[test]
fn a_walk_takes_every_legal_value_with_every_other() {
    let design = interface(false, "state:10:data x:6:data");
    let legal = restricted("state", &["1", "2", "4", "8", "16"]);
    let stimulus = Stimulus::new(&design, &legal, b"golden", &config(1024)).expect("a stimulus");
    let mut seen = BTreeSet::new();
    changes(&stimulus, &base(&stimulus), |_, _, after| {
        seen.insert(after.to_vec());
    });
    assert_eq!(seen.len(), 5 * 64);
}

#[test]
fn restrictions_that_cannot_be_kept_are_errors() {
    let design = interface(true, "clk:1:clock a:4:data");
    let check = |name: &str, values: &[&str], expect: &str| {
        let error = Stimulus::new(&design, &restricted(name, values), b"", &config(1000))
            .expect_err(expect);
        assert_eq!(error.to_string(), expect);
    };
    check("a", &["4'b1x00"], "legal value 4'b1x00 of input a: it has an undefined digit");
    check("a", &["16"], "legal value 16 of input a: it does not fit in 4 bits");
    check("a", &[], "input a has an empty list of legal values");
    check("q", &["1"], "q has legal values but is no input of the golden module");
    check("clk", &["0"], "clock clk needs both 0 and 1 among its legal values");
}

#[test]
fn modules_with_few_or_no_inputs() {
    let clock_alone = stimulus(&interface(true, "clk:1:clock"), 1000);
    changes(&clock_alone, &base(&clock_alone), |step, _, after| {
        assert_eq!(after, [u64::from(step == 1 || step == 2)]);
    });
    for sequential in [false, true] {
        let nothing = stimulus(&interface(sequential, ""), 1000);
        assert_eq!(nothing.inputs().words, 0);
        let steps: usize = base(&nothing).iter().map(|episode| episode.steps.len()).sum();
        assert_eq!(steps, 2000);
        assert!(base(&nothing).iter().all(|episode| episode.rows.is_empty()));
    }
}

#[test]
fn without_clocks_there_are_two_steps() {
    let latch = stimulus(&interface(true, "en:1:data d:8:data"), 1000);
    let mut changed = [0; 3];
    changes(&latch, &base(&latch), |step, before, after| {
        assert!(step == 0 || step == 2);
        changed[step as usize] += u32::from(before[1] != after[1]);
    });
    assert!(changed[0] > 200 && changed[2] > 200, "{changed:?}");
}

#[test]
fn deep_episodes_grow_and_let_the_design_run() {
    let design = interface(true, "clk:1:clock rst:1:sync ena:1:data ground:1:data n:8:data");
    let stimulus = stimulus(&design, 2048);
    let lengths: Vec<usize> = (0..)
        .map_while(|k| stimulus.deep_episode(k))
        .map(|episode| episode.steps.len() / 4)
        .collect();
    let long = [16_384, 16_384, 16_384, 65_536, 65_536, 65_536];
    assert_eq!(
        lengths,
        [[1024; 4], [4096; 4]].concat().into_iter().chain(long).collect::<Vec<_>>()
    );
    let run = stimulus.deep_episode(11).expect("the longest");
    assert_eq!(run.index, stimulus.base_episodes() + 11);
    assert!(rows(&stimulus, &run).iter().all(|row| row[2..4] == [1, 1]), "an enable is off");
    let slow = stimulus.deep_episode(5).expect("a slow one");
    let changes_of_ground =
        rows(&stimulus, &slow).windows(2).filter(|pair| pair[0][3] != pair[1][3]).count();
    assert!((8..100).contains(&changes_of_ground), "{changes_of_ground}");
    let pulse = stimulus.deep_episode(6).expect("a pulsed one");
    let ones = rows(&stimulus, &pulse).iter().filter(|row| row[2] == 1).count();
    assert!(ones > 0 && ones < pulse.rows.len() / 5, "{ones}");
    for depth_max in [0, 100, 3000] {
        let config = Config { depth_max, ..Config::default() };
        let bounded = Stimulus::new(&design, &BTreeMap::new(), b"", &config).expect("a stimulus");
        let longest =
            (0..).map_while(|k| bounded.deep_episode(k)).map(|e| e.steps.len() as u32 / 4).max();
        assert_eq!(longest.unwrap_or(0), depth_max);
    }
}

#[test]
fn a_candidates_constants_come_in_episodes_of_their_own() {
    let design = interface(true, "clk:1:clock rst:1:sync word:32:data");
    let stimulus = stimulus(&design, 2048);
    assert!(stimulus.candidate_episodes(&[]).is_empty());
    let episodes = stimulus.candidate_episodes(&[bits(32, 0xdead_beef), bits(6, 0x2b)]);
    let (mut whole, mut top_field) = (0, 0);
    changes(&stimulus, &episodes, |_, before, after| {
        whole += u32::from(before[2] != after[2] && after[2] == 0xdead_beef);
        top_field += u32::from(before[2] != after[2] && after[2] >> 26 == 0x2b);
    });
    assert!(whole >= 4, "{whole} times the whole word");
    assert!(top_field >= 2, "{top_field} times the field");
    let deep = (0..).map_while(|k| stimulus.deep_episode(k)).count() as u32;
    assert_eq!(episodes[0].index, stimulus.base_episodes() + deep);
}

#[test]
fn synchronous_profile_changes_inputs_after_the_active_edge() {
    let config = Config { profile: Profile::Synchronous, ..config(1000) };
    let make = |design: &Interface| Stimulus::new(design, &BTreeMap::new(), b"golden", &config);
    let mut design = interface(true, "clk:1:clock rst:1:async d:8:data");
    for (role, change, compare) in
        [(CLOCK, 2, 0), (Role::Clock { rising: false, falling: true }, 0, 2)]
    {
        design.roles[0] = role;
        let stimulus = make(&design).expect("a stimulus");
        changes(&stimulus, &base(&stimulus), |step, before, after| {
            assert!(before[1..] == after[1..] || step == change, "a change in step {step}");
        });
        let points = base(&stimulus).into_iter().flat_map(|episode| episode.steps);
        assert!(points.filter(|&at| stimulus.compares(at)).all(|at| at.step == compare));
    }
    for other in ["a:1:data", "a:1:clock b:1:clock", "a:1:clock g:1:gate"] {
        assert_eq!(make(&interface(true, other)).err(), Some(StimulusError::NotSynchronous));
    }
}

#[test]
fn the_seed_and_the_golden_text_decide_and_nothing_else() {
    let design = interface(true, "clk:1:clock rst:1:async d:40:data e:3:data");
    let make = |seed, key: &[u8]| {
        let config = Config { seed, ..config(1000) };
        Stimulus::new(&design, &BTreeMap::new(), key, &config).expect("a stimulus")
    };
    let stimulus = make(7, b"golden");
    let forwards = base(&stimulus);
    let mut backwards: Vec<Episode> = (0..stimulus.base_episodes())
        .rev()
        .map(|index| make(7, b"golden").episode(index))
        .collect();
    backwards.reverse();
    assert_eq!(forwards, backwards);
    assert_eq!(stimulus.deep_episode(2), make(7, b"golden").deep_episode(2));
    assert_ne!(forwards[0], make(8, b"golden").episode(0));
    assert_ne!(forwards[0], make(7, b"other").episode(0));
    assert_ne!(forwards[0].rows, forwards[4].rows[..forwards[0].rows.len()]);
}

/// Pins version 2. If this fails because the definition changed on purpose, raise
/// `stimulus::VERSION`, correct its description and record the new values: verdict files made with
/// different versions must not be mixed, and the RTL twin has to follow.
#[test]
fn version_2_gives_these_rows() {
    assert_eq!(salv::verify::stimulus::VERSION, 2);
    let mut design = interface(true, "clk:1:clock rst:1:async en:1:data d:8:data w:72:data");
    design.constants[3] = vec![bits(8, 0x42)];
    design.pool = vec![bits(12, 0xabc)];
    let sequential = stimulus(&design, 1024);
    let combinational = stimulus(&interface(false, "a:4:data b:4:data"), 1024);
    let clocks = stimulus(&interface(true, "a:1:clock b:1:clock d:2:data"), 1024);
    let hash = |stimulus: &Stimulus| {
        let mut hasher = blake3::Hasher::new();
        for episode in all(stimulus) {
            hasher.update(&episode.power_up.to_le_bytes());
            for word in &episode.rows {
                hasher.update(&word.to_le_bytes());
            }
        }
        hasher.finalize().to_hex()[..16].to_owned()
    };
    let last = sequential.episode(0).rows.into_iter().rev().take(6);
    let expect = [0, 0, 0, 7, 0xfff8_8845_6f44_6ee8, 0xad];
    assert!(last.rev().eq(expect), "the last row of episode 0");
    let hashes = [hash(&sequential), hash(&combinational), hash(&clocks)];
    assert_eq!(hashes, ["934f8c517b01a8f8", "fc2a1f1186b73444", "56423627b65bb29b"]);
}

/// Where a counter counts, each one-bit input in turn stays for as long as it counts, in episodes that every
/// candidate runs.
#[test]
fn inputs_lead_where_counters_count() {
    let mut design = interface(true, "clk:1:clock rst:1:sync left:1:data ground:1:data");
    design.durations = vec![20];
    let stimulus = stimulus(&design, 2048);
    let led: Vec<Episode> = (0..)
        .take_while(|&k| stimulus.requires(k))
        .map(|k| stimulus.deep_episode(k).expect("a led episode"))
        .collect();
    assert_eq!(led.len(), 24);
    assert!(led.iter().all(|episode| episode.steps.len() == 4 * 84));
    for (number, episode) in led.iter().enumerate() {
        let leader = 2 + number % 2;
        let values: Vec<u64> =
            rows(&stimulus, episode).chunks(4).map(|cycle| cycle[0][leader]).collect();
        let stays: Vec<usize> = values.chunk_by(|a, b| a == b).map(<[u64]>::len).collect();
        assert!(stays.iter().all(|&stay| stay <= 23), "{stays:?}");
        assert!(stays.iter().any(|&stay| (19..=22).contains(&stay)), "{stays:?}");
    }
    // 2 * 999 cycles are more than any base episode has: those of 4,096 are for every candidate.
    design.durations = vec![20, 999];
    let stimulus = Stimulus::new(&design, &BTreeMap::new(), b"golden", &config(2048));
    let stimulus = stimulus.expect("a stimulus");
    let required: Vec<usize> = (24..stimulus.deep_episodes())
        .filter(|&k| stimulus.requires(k))
        .map(|k| stimulus.deep_episode(k).expect("an episode").steps.len() / 4)
        .collect();
    assert_eq!(required, [4096; 4]);
}

/// Before the first reset of a module whose registers have no initial values, nothing is compared.
#[test]
fn the_first_reset_settles() {
    let mut design = interface(true, "clk:1:clock rst:1:async d:1:data");
    let unsettled = stimulus(&design, 2048);
    for episode in base(&unsettled) {
        let settled = unsettled.settled_from(&episode);
        let in_reset = |row: &&[u64]| row[1] == 1;
        let first = rows(&unsettled, &episode)[1..].iter().position(in_reset);
        assert_eq!(settled, first.unwrap_or(episode.steps.len()), "episode {}", episode.index);
    }
    design.initialised = true;
    let settled = stimulus(&design, 2048);
    assert!(base(&settled).iter().all(|episode| settled.settled_from(episode) == 0));
}
