//! Data-parallel ranks: processes that each hold the whole model and a share of every batch, and sum gradients.
//!
//! A launcher starts them (`torchrun`, or whatever sets the same variables); they meet at an address, through
//! the store of LibTorch, and talk through its Gloo. Nothing here is a transport of its own. Gloo works in the
//! CPU's memory: a tensor on a card is brought there and back.
//!
//! Every rank gets the same bits from a sum: each part of it is added up along a fixed ring of the ranks, once,
//! and handed around. Another number of ranks adds in another order.
//!
//! All ranks call the same functions in the same order. Before tensors are exchanged, ranks compare what they
//! are about to send, because Gloo ends the process where lengths differ. A peer that dies is an error at once,
//! for its connections close; one that is silent is an error at the timeout. After an error a group is of no
//! more use: end the run, and resume it.
//!
//! The store asks nobody who he is: use loopback or a network of trusted machines.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use tch::{Device, Kind, Tensor};

use super::Error;
use super::bridge::{Exception, Ranks, Store, UniquePtr, join_ranks, open_store};

/// How many bytes of tensors are exchanged at once, as PyTorch's data-parallel modules have it.
const BUCKET_BYTES: usize = 25 << 20;

/// The ranks of a run, as one of them sees them.
pub struct Group {
    rank: usize,
    size: usize,
    /// None where there is no other rank.
    ranks: Option<UniquePtr<Ranks>>,
}

/// Where the ranks of a run meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendezvous {
    /// Which rank this is, from 0.
    pub rank: usize,
    /// How many ranks there are.
    pub size: usize,
    /// The host of rank 0.
    pub address: String,
    /// A free port of it.
    pub port: u16,
    /// How long ranks wait for each other, at the beginning and in every call: more than one of them may take
    /// alone, as for a checkpoint.
    pub timeout: Duration,
    /// The network interface between the ranks; without one it is loopback if `address` is, and else that of
    /// this machine's name.
    pub interface: Option<String>,
    /// Set where the launcher keeps the store, not rank 0: how often it has restarted the run.
    pub restarts: Option<u32>,
}

impl Rendezvous {
    /// Reads what a launcher sets, through a function that gives the value of an environment variable: `RANK`,
    /// `WORLD_SIZE`, `MASTER_ADDR`, `MASTER_PORT`; of PyTorch's other variables `GLOO_SOCKET_IFNAME`,
    /// `TORCHELASTIC_USE_AGENT_STORE` and `TORCHELASTIC_RESTART_COUNT`. None where `WORLD_SIZE` is 1 or not set.
    pub fn from_variables(
        variable: impl Fn(&str) -> Option<String>,
        timeout: Duration,
    ) -> Result<Option<Rendezvous>, Error> {
        if variable("WORLD_SIZE").is_none_or(|size| size == "1") {
            return Ok(None);
        }
        let served = variable("TORCHELASTIC_USE_AGENT_STORE").is_some_and(|value| value == "True");
        Ok(Some(Rendezvous {
            rank: number(&variable, "RANK")?,
            size: number(&variable, "WORLD_SIZE")?,
            address: text(&variable, "MASTER_ADDR")?,
            port: number(&variable, "MASTER_PORT")?,
            timeout,
            interface: variable("GLOO_SOCKET_IFNAME"),
            restarts: served
                .then(|| number(&variable, "TORCHELASTIC_RESTART_COUNT"))
                .transpose()?,
        }))
    }

    fn is_loopback(&self) -> bool {
        let is_loopback = |address: IpAddr| address.is_loopback();
        self.address == "localhost" || self.address.parse().is_ok_and(is_loopback)
    }
}

fn text(variable: &impl Fn(&str) -> Option<String>, name: &str) -> Result<String, Error> {
    let message =
        || format!("{name} is not set, and WORLD_SIZE is (launch with torchrun, or unset it)");
    variable(name)
        .ok_or_else(|| Error::Ranks { action: "read the launcher's variables", message: message() })
}

fn number<T: std::str::FromStr>(
    variable: &impl Fn(&str) -> Option<String>,
    name: &str,
) -> Result<T, Error> {
    let value = text(variable, name)?;
    value.parse().map_err(|_| Error::Ranks {
        action: "read the launcher's variables",
        message: format!("{name} is {value}, which is no number that it can be"),
    })
}

impl Group {
    /// The group of a run that is one process.
    pub fn alone() -> Group {
        Group { rank: 0, size: 1, ranks: None }
    }

    /// Meets the other ranks. Returns when all are there, or an error within about the timeout; twice that where
    /// nobody keeps the store, since LibTorch tries again.
    pub fn join(at: &Rendezvous) -> Result<Group, Error> {
        if at.rank >= at.size {
            return Err(failed_to_meet(format!("rank {} is not one of {}", at.rank, at.size)));
        }
        if at.size == 1 {
            return Ok(Group::alone());
        }
        let end = Instant::now() + at.timeout;
        let store = open(at)?;
        meet(&store, at, end)?;
        let host = if at.is_loopback() { &at.address } else { "" };
        let interface = at.interface.as_deref().unwrap_or_default();
        let (rank, size) = (at.rank as i32, at.size as i32);
        let ranks = join_ranks(&store, rank, size, interface, host, milliseconds(at.timeout))
            .map_err(|error| {
                failed_to_meet(format!(
                    "{} (if the ranks reach each other by another network, name its interface in \
                     GLOO_SOCKET_IFNAME)",
                    error.what()
                ))
            })?;
        let group = Group { rank: at.rank, size: at.size, ranks: Some(ranks) };
        group.barrier()?;
        Ok(group)
    }

    /// Which rank this is.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// How many ranks there are.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Replaces each tensor by its sum over all ranks. Tensors of 16 bits are summed in fp32 and rounded once.
    pub fn sum(&self, tensors: &[Tensor]) -> Result<(), Error> {
        let exchange = |ranks: &Ranks, bucket: &Tensor| ranks.sum_tensor(bucket);
        self.exchange("sum tensors over the ranks", tensors, wide, exchange)
    }

    /// Replaces each number by its sum over all ranks; all have as many of them.
    pub fn sum_numbers(&self, numbers: &mut [f64]) -> Result<(), Error> {
        let Some(ranks) = &self.ranks else { return Ok(()) };
        let tensor = Tensor::from_slice(numbers);
        ranks
            .sum_tensor(&tensor)
            .map_err(|error| self.lost("sum numbers over the ranks", error))?;
        tensor.copy_data(numbers, numbers.len());
        Ok(())
    }

    /// Replaces each tensor by that of rank 0.
    pub fn broadcast(&self, tensors: &[Tensor]) -> Result<(), Error> {
        let exchange = |ranks: &Ranks, bucket: &Tensor| {
            ranks.broadcast_tensor(&bucket.view_dtype(Kind::Uint8))
        };
        self.exchange("broadcast tensors", tensors, |kind| kind, exchange)
    }

    /// Returns when all ranks have called it.
    pub fn barrier(&self) -> Result<(), Error> {
        let Some(ranks) = &self.ranks else { return Ok(()) };
        ranks.barrier().map_err(|error| self.lost("wait for the ranks", error))
    }

    /// Exchanges tensors in flat buckets in the CPU's memory, each of one precision, which `kind_of` chooses.
    fn exchange(
        &self,
        action: &'static str,
        tensors: &[Tensor],
        kind_of: impl Fn(Kind) -> Kind,
        exchange: impl Fn(&Ranks, &Tensor) -> Result<(), Exception>,
    ) -> Result<(), Error> {
        let Some(ranks) = &self.ranks else { return Ok(()) };
        let _guard = tch::no_grad_guard();
        self.agree(action, tensors)?;
        for bucket in buckets(tensors) {
            let kind = kind_of(bucket[0].kind());
            let flat = |tensor: &&Tensor| tensor.to_device(Device::Cpu).to_kind(kind).reshape([-1]);
            let joined = Tensor::cat(&bucket.iter().map(flat).collect::<Vec<_>>(), 0);
            exchange(ranks, &joined).map_err(|error| self.lost(action, error))?;
            let mut start = 0;
            for tensor in bucket {
                let count = tensor.numel() as i64;
                let part = joined.narrow(0, start, count).view(tensor.size().as_slice());
                tensor.shallow_clone().copy_(&part);
                start += count;
            }
        }
        Ok(())
    }

    /// An error on every rank where something is not the same on all; `what` it is, in the plural.
    pub fn check_same(&self, what: &str, value: impl Hash) -> Result<(), Error> {
        if self.is_same(value)? {
            return Ok(());
        }
        let message = format!("the ranks have different {what}");
        Err(Error::Ranks { action: "train on several ranks", message })
    }

    /// Whether something is the same on all ranks: whatever they hold, all get the same two sums, and by Cauchy and
    /// Schwarz equality is there exactly where all agree.
    fn is_same(&self, value: impl Hash) -> Result<bool, Error> {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        // 20 bits: squares and their sums over ranks are exact.
        let own = (hasher.finish() >> 44) as f64;
        let mut sums = [own, own * own];
        self.sum_numbers(&mut sums)?;
        Ok(sums[0] * sums[0] == self.size as f64 * sums[1])
    }

    /// An error on every rank where kinds and shapes of the tensors are not the same on all.
    fn agree(&self, action: &'static str, tensors: &[Tensor]) -> Result<(), Error> {
        let shapes: Vec<_> =
            tensors.iter().map(|tensor| (tensor.kind() as i32, tensor.size())).collect();
        if self.is_same(&shapes)? {
            return Ok(());
        }
        let message = "the ranks hold tensors of different shapes or precisions (are model, adapter and \
                       settings the same on all machines?)";
        Err(Error::Ranks { action, message: message.to_owned() })
    }

    fn lost(&self, action: &'static str, error: Exception) -> Error {
        let (rank, size) = (self.rank, self.size);
        let message = format!(
            "rank {rank} of {size} has lost another rank, whose own message says why: {}",
            error.what()
        );
        Error::Ranks { action, message }
    }
}

fn wide(kind: Kind) -> Kind {
    if matches!(kind, Kind::BFloat16 | Kind::Half) { Kind::Float } else { kind }
}

/// Cuts a row of tensors where the precision changes or a bucket is full.
fn buckets(tensors: &[Tensor]) -> Vec<Vec<&Tensor>> {
    let mut buckets: Vec<Vec<&Tensor>> = Vec::new();
    let mut filled = 0;
    for tensor in tensors {
        let bytes = tensor.numel() * tensor.kind().elt_size_in_bytes();
        match buckets.last_mut() {
            Some(last) if last[0].kind() == tensor.kind() && filled + bytes <= BUCKET_BYTES => {
                last.push(tensor);
                filled += bytes;
            }
            _ => {
                buckets.push(vec![tensor]);
                filled = bytes;
            }
        }
    }
    buckets
}

fn open(at: &Rendezvous) -> Result<UniquePtr<Store>, Error> {
    let Rendezvous { rank, address, port, .. } = at;
    let serves = *rank == 0 && at.restarts.is_none();
    let prefix = format!("salv/{}", at.restarts.unwrap_or_default());
    open_store(address, *port, serves, &prefix, milliseconds(at.timeout)).map_err(|error| {
        let hint = if serves {
            "is the port in use? choose another MASTER_PORT"
        } else {
            "is rank 0 running, and are MASTER_ADDR and MASTER_PORT right?"
        };
        failed_to_meet(format!("rank {rank} at {address}:{port}: {} ({hint})", error.what()))
    })
}

/// Finds that every rank is there once, and that all count as many.
fn meet(store: &Store, at: &Rendezvous, end: Instant) -> Result<(), Error> {
    let Rendezvous { rank, size, .. } = at;
    let lost = |error: Exception| failed_to_meet(error.what().to_owned());
    if store.count(&format!("claims/{rank}")).map_err(lost)? > 1 {
        return Err(failed_to_meet(format!(
            "two processes say that they are rank {rank} (is another run using this port?)"
        )));
    }
    store.put(&format!("size/{rank}"), *size as u64).map_err(lost)?;
    for other in (0..*size).filter(|other| other != rank) {
        let left = end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let theirs = store.get(&format!("size/{other}"), milliseconds(left)).map_err(|error| {
            failed_to_meet(format!(
                "rank {other} of {size} did not come within {:?} (was it started?): {}",
                at.timeout,
                error.what()
            ))
        })?;
        if theirs != *size as u64 {
            return Err(failed_to_meet(format!(
                "rank {other} was started as one of {theirs}, rank {rank} as one of {size} (set the same \
                 WORLD_SIZE)"
            )));
        }
    }
    Ok(())
}

fn failed_to_meet(message: String) -> Error {
    Error::Ranks { action: "meet the other ranks", message }
}

fn milliseconds(duration: Duration) -> u64 {
    duration.as_millis() as u64
}
