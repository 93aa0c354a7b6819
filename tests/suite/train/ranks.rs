//! Ranks as real processes on loopback: sums, what they agree on, and what becomes of them when one is missing,
//! dies, hangs or was started wrongly.
//!
//! A rank is this test binary again, which runs [`as_a_rank`] with its part named by the environment.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use salv::train::Error;
use salv::train::optim::{AdamW, Settings};
use salv::train::parallel::{Group, Rendezvous};
use tch::{Device, Kind, Tensor};

/// What a rank does; the name of one of the functions below.
const PART: &str = "SALV_TEST_RANK_PART";
/// Where it writes what it found.
const ANSWER: &str = "SALV_TEST_RANK_ANSWER";
/// Its patience in milliseconds.
const PATIENCE: &str = "SALV_TEST_RANK_PATIENCE";

/// Longer than a rank takes to start on a loaded machine.
const PATIENT_MS: u64 = 60_000;

type Part = fn(&Group) -> Result<String, Error>;

const PARTS: &[(&str, Part)] =
    &[("sums", sums), ("train", train), ("leave", leave), ("hang", hang), ("differ", differ)];

#[test]
#[ignore = "the tests below run it as a process of its own"]
fn as_a_rank() {
    let variable = |name: &str| std::env::var(name).ok();
    let (Some(part), Some(answer)) = (variable(PART), variable(ANSWER)) else { return };
    tch::set_num_threads(1);
    let patience = variable(PATIENCE).and_then(|text| text.parse().ok()).expect("milliseconds");
    let act = PARTS.iter().find(|(name, _)| *name == part).expect("a part").1;
    let rendezvous = Rendezvous::from_variables(variable, Duration::from_millis(patience));
    let told = match rendezvous {
        Ok(at) => Group::join(&at.expect("variables of a rank")).and_then(|group| act(&group)),
        Err(error) => Err(error),
    };
    std::fs::write(answer, told.unwrap_or_else(|error| format!("error: {error}")))
        .expect("written");
}

fn values(rank: usize, shape: &[i64], kind: Kind) -> Tensor {
    tch::manual_seed(rank as i64 + 1);
    Tensor::randn(shape, (Kind::Float, Device::Cpu)).to_kind(kind)
}

fn bits(tensors: &[Tensor]) -> String {
    let words = tensors.iter().flat_map(|tensor| {
        let flat = tensor.to_kind(Kind::Double).contiguous().view([-1]);
        Vec::<f64>::try_from(flat).expect("numbers")
    });
    words.map(|value| format!("{:x} ", value.to_bits())).collect()
}

/// Sums, broadcasts and numbers, with a bucket that overflows, a transposed tensor and every precision.
fn sums(group: &Group) -> Result<String, Error> {
    let own = |shape: &[i64], kind: Kind| values(group.rank(), shape, kind);
    let large = own(&[7 << 20], Kind::Float);
    let tensors = [
        own(&[3, 5], Kind::Float),
        own(&[4, 2], Kind::Float).transpose(0, 1),
        own(&[33], Kind::BFloat16),
        own(&[2], Kind::Double),
        own(&[], Kind::Float),
        large.shallow_clone(),
    ];
    group.sum(&tensors)?;
    let mut told = bits(&tensors[..5]);
    let thinned = large.slice(0, 0, None::<i64>, 100_000);
    told += &bits(&[large.sum(Kind::Double), thinned]);
    let tensors = [own(&[3, 5], Kind::Float).transpose(0, 1), own(&[9], Kind::BFloat16)];
    group.broadcast(&tensors)?;
    told += &format!("broadcast {}", bits(&tensors));
    let mut numbers = [group.rank() as f64 + 0.5, 1e300];
    group.sum_numbers(&mut numbers)?;
    group.barrier()?;
    Ok(told + &format!("numbers {numbers:?}"))
}

/// Some steps on a share of 12 rows of a least-squares problem.
fn train(group: &Group) -> Result<String, Error> {
    let weights = values(100, &[6], Kind::Float).set_requires_grad(true);
    let mut optimizer =
        AdamW::new(vec![("w".to_owned(), weights.shallow_clone())], Settings::default());
    let mut told = String::new();
    for step in 0..5 {
        let rows = values(200 + step, &[12, 6], Kind::Float);
        let share = rows.chunk(group.size() as i64, 0)[group.rank()].copy();
        let loss = (share.matmul(&weights) - 1.0).square().sum(Kind::Float) / 12.0;
        let gradients = Tensor::run_backward(&[&loss], &[&weights], false, false);
        group.sum(&gradients)?;
        let mut losses = [loss.double_value(&[])];
        group.sum_numbers(&mut losses)?;
        optimizer.step(&gradients, 0.1)?;
        told += &format!("{} ", losses[0]);
    }
    Ok(told)
}

/// Rank 1 dies without a word; the others go on to a sum.
fn leave(group: &Group) -> Result<String, Error> {
    if group.rank() == 1 {
        std::process::abort();
    }
    group.sum(&[values(0, &[8], Kind::Float)])?;
    Ok("summed with a dead rank".to_owned())
}

/// Rank 1 is there and says nothing.
fn hang(group: &Group) -> Result<String, Error> {
    if group.rank() == 1 {
        std::thread::sleep(Duration::from_millis(PATIENT_MS));
    }
    group.sum(&[values(0, &[8], Kind::Float)])?;
    Ok("summed with a silent rank".to_owned())
}

/// Ranks hold tensors of different shapes.
fn differ(group: &Group) -> Result<String, Error> {
    group.sum(&[values(0, &[8 + group.rank() as i64], Kind::Float)])?;
    Ok("summed what differs".to_owned())
}

/// A rank that was started, ended with the test.
struct Started {
    process: Child,
    answer: std::path::PathBuf,
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Stage {
    folder: tempfile::TempDir,
    port: u16,
    patience_ms: u64,
}

impl Stage {
    fn new(patience_ms: u64) -> Stage {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|held| held.local_addr());
        let folder = tempfile::tempdir().expect("a folder");
        Stage { folder, port: port.expect("a port").port(), patience_ms }
    }

    fn start(&self, part: &str, rank: usize, size: usize) -> Started {
        let answer = self.folder.path().join(format!("{rank}-of-{size}"));
        let process = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "train::ranks::as_a_rank", "--ignored"])
            .env(PART, part)
            .env(ANSWER, &answer)
            .env(PATIENCE, self.patience_ms.to_string())
            .env("RANK", rank.to_string())
            .env("WORLD_SIZE", size.to_string())
            .env("MASTER_ADDR", "127.0.0.1")
            .env("MASTER_PORT", self.port.to_string())
            .env_remove("TORCHELASTIC_USE_AGENT_STORE")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Started { process: process.expect("a process"), answer }
    }

    fn play(&self, part: &str, size: usize) -> Vec<Started> {
        (0..size).map(|rank| self.start(part, rank, size)).collect()
    }
}

/// What a rank found, once it has ended.
#[track_caller]
fn told(started: &mut Started) -> String {
    started.process.wait().expect("an end");
    read(&started.answer)
}

#[track_caller]
fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("an answer")
}

#[test]
fn every_rank_has_the_same_sums_bit_for_bit_and_each_run_gives_them() {
    for size in [2, 3] {
        let runs: Vec<Vec<String>> = (0..2)
            .map(|_| Stage::new(PATIENT_MS).play("sums", size).iter_mut().map(told).collect())
            .collect();
        let first = &runs[0][0];
        assert!(!first.starts_with("error"), "{first}");
        assert!(runs.iter().flatten().all(|told| told == first), "{size} ranks tell the same");
        check_sums(first, size);
    }
}

/// The sums as one process makes them. Two numbers have one sum in any order; three are added in an order that
/// depends on the place.
fn check_sums(told: &str, size: usize) {
    let of = |shape: &[i64], kind: Kind| -> Tensor {
        let ranks = (0..size).map(|rank| values(rank, shape, kind).to_kind(Kind::Double));
        ranks.reduce(|sum, tensor| sum + tensor).expect("ranks")
    };
    let number = |word: &str| f64::from_bits(u64::from_str_radix(word, 16).expect("bits"));
    let found: Vec<f64> =
        told.split(" broadcast ").next().expect("sums").split_whitespace().map(number).collect();
    let expected = [
        (of(&[3, 5], Kind::Float), 1e-6),
        (of(&[4, 2], Kind::Float).transpose(0, 1), 1e-6),
        (of(&[33], Kind::BFloat16), 1.0 / 64.0),
        (of(&[2], Kind::Double), 1e-15),
        (of(&[], Kind::Float), 1e-6),
    ];
    let mut at = 0;
    for (tensor, off_max) in expected {
        let numbers = Vec::<f64>::try_from(tensor.contiguous().view([-1])).expect("numbers");
        for number in numbers {
            assert!((found[at] - number).abs() <= off_max, "{} {number}", found[at]);
            at += 1;
        }
    }
    let large = of(&[7 << 20], Kind::Float);
    assert!((found[at] - large.sum(Kind::Double).double_value(&[])).abs() < 0.1);
    let own = [values(0, &[3, 5], Kind::Float).transpose(0, 1), values(0, &[9], Kind::BFloat16)];
    assert!(told.contains(&format!("broadcast {}numbers", bits(&own))), "rank 0's");
    let ranks: f64 = (0..size).map(|rank| rank as f64 + 0.5).sum();
    assert!(told.ends_with(&format!("numbers {:?}", [ranks, size as f64 * 1e300])), "numbers");
}

#[test]
fn ranks_train_as_one_process_with_the_whole_batch_does() {
    tch::set_num_threads(1);
    let alone = train(&Group::alone()).expect("alone");
    let numbers = |text: &str| -> Vec<f64> {
        text.split_whitespace().map(|word| word.parse().expect("a loss")).collect()
    };
    let expected = numbers(&alone);
    assert!(expected[0] != expected[4], "steps change the loss");
    for size in [2, 3] {
        let answers: Vec<String> =
            Stage::new(PATIENT_MS).play("train", size).iter_mut().map(told).collect();
        assert!(answers.iter().all(|told| *told == answers[0]), "{answers:?}");
        for (found, expected) in numbers(&answers[0]).iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-5 * expected.abs(), "{found} {expected}");
        }
    }
}

#[test]
fn a_dead_peer_is_an_error_at_once() {
    let stage = Stage::new(PATIENT_MS);
    let mut ranks = stage.play("leave", 3);
    let dead = ranks.remove(1);
    let begun = Instant::now();
    for rank in &mut ranks {
        let told = told(rank);
        assert!(told.contains("has lost another rank"), "{told}");
    }
    assert!(begun.elapsed() < Duration::from_millis(PATIENT_MS / 2), "before the timeout");
    drop(dead);
}

#[test]
fn a_silent_peer_is_an_error_at_the_timeout() {
    let stage = Stage::new(3_000);
    let mut ranks = stage.play("hang", 2);
    let told = told(&mut ranks[0]);
    // On a machine that takes seconds to start a process they may not even meet.
    assert!(told.contains("lost another rank") || told.contains("did not come"), "{told}");
    assert!(ranks[1].process.try_wait().expect("a state").is_none(), "the other sleeps");
}

#[test]
fn a_missing_peer_is_an_error_at_the_timeout_that_names_it() {
    let stage = Stage::new(3_000);
    let mut ranks = [stage.start("sums", 0, 3), stage.start("sums", 1, 3)];
    let answers = ranks.each_mut().map(told);
    assert!(answers[0].contains(" of 3 did not come within 3s"), "{}", answers[0]);
    assert!(answers[1].starts_with("error:"), "{}", answers[1]);
    let nobody = Stage::new(1_500);
    let told = told(&mut nobody.start("sums", 1, 2));
    assert!(told.contains("is rank 0 running"), "{told}");
}

#[test]
fn ranks_that_were_started_wrongly_are_told_so() {
    let stage = Stage::new(PATIENT_MS);
    let mut ranks = [stage.start("sums", 0, 2), stage.start("sums", 1, 3)];
    let answers = ranks.each_mut().map(told);
    assert!(answers.iter().all(|told| told.starts_with("error: failed to")), "{answers:?}");
    assert!(answers.iter().any(|told| told.contains("set the same WORLD_SIZE")), "{answers:?}");

    let stage = Stage::new(PATIENT_MS);
    let held = TcpListener::bind(("0.0.0.0", stage.port)).expect("the port");
    let told_by_0 = told(&mut stage.start("sums", 0, 2));
    assert!(told_by_0.contains("choose another MASTER_PORT"), "{told_by_0}");
    drop(held);

    let answers: Vec<String> =
        Stage::new(PATIENT_MS).play("differ", 2).iter_mut().map(told).collect();
    let message = "tensors of different shapes or precisions";
    assert!(answers.iter().all(|told| told.contains(message)), "{answers:?}");
}

#[test]
fn the_launchers_variables_are_read_or_refused() {
    let read = |set: &[(&str, &str)]| {
        let set: Vec<(String, String)> =
            set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let variable = move |name: &str| {
            set.iter().find(|(set, _)| set == name).map(|(_, value)| value.clone())
        };
        Rendezvous::from_variables(variable, Duration::from_secs(1))
    };
    assert_eq!(read(&[]).expect("nothing"), None);
    assert_eq!(read(&[("WORLD_SIZE", "1")]).expect("one"), None);
    let mut set =
        vec![("WORLD_SIZE", "4"), ("RANK", "1"), ("MASTER_ADDR", "h"), ("MASTER_PORT", "29500")];
    let at = read(&set).expect("variables").expect("ranks");
    assert_eq!((at.rank, at.size, at.port, at.restarts), (1, 4, 29500, None));
    set.extend([("TORCHELASTIC_USE_AGENT_STORE", "True"), ("TORCHELASTIC_RESTART_COUNT", "2")]);
    assert_eq!(read(&set).expect("variables").expect("ranks").restarts, Some(2));
    let error = read(&[("WORLD_SIZE", "2")]).expect_err("no rank").to_string();
    assert!(error.contains("RANK is not set"), "{error}");
    set[3] = ("MASTER_PORT", "99999");
    let error = read(&set).expect_err("no port").to_string();
    assert!(error.contains("MASTER_PORT is 99999"), "{error}");
    let beyond = Group::join(&Rendezvous { rank: 4, ..at }).err().expect("no such rank");
    assert!(beyond.to_string().contains("rank 4 is not one of 4"), "{beyond}");
}
