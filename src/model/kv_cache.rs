//! Generation: keys and values of what was read are kept, so that a further token costs one position.
//!
//! A cache has slots; each holds one sequence, and a sequence may leave and another enter while the rest go on.
//! [`Qwen2::prefill`] reads prompts once, [`KvCache::enter`] gives one to as many slots as it has samples, and
//! [`Qwen2::step`] moves every sequence on by a token.
//!
//! On the CPU the logits of a sequence are the same bits whatever stands in the other slots, and whatever number of
//! slots there are. That takes some care, since LibTorch chooses its way of summing by the shape of its operands:
//!
//! - Linear layers always see [`ROWS`] rows, missing ones being computed in vain: for a fixed number of rows a row's
//!   product does not depend on its place or on the other rows, for different numbers it does.
//! - Attention is computed for each sequence by itself, over just its positions (`past`).
//! - A prompt is read by itself, and exponentials are taken of pieces that leave no rest behind whole vectors.
//!
//! With a thread more or less, or on another machine, the bits may differ. On a card neither is asked for: all slots
//! are one batch, attention is over the longest with a mask, and prompts may be packed.

use std::sync::{Arc, OnceLock};

use tch::{Device, Kind, Tensor};

use super::linear::Pass;
use super::past::{self, Heads, Past};
use super::qwen2::{Qwen2, rms_norm};
use super::rope::Rope;
use super::{Config, Error};

/// Rows of a step on the CPU: as many slots are computed at once. What a step costs beside the attention hardly grows with
/// them until there are so many.
pub const ROWS: i64 = 64;

/// The cache becomes longer by so many positions at a time.
const GROWTH: i64 = 256;

/// How the sequences of a step attend to their pasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attention {
    /// Each to its own length, so that no other sequence matters.
    Alone,
    /// All to the length of the longest, with a mask: one call for all.
    Masked,
}

impl Attention {
    /// What is right for a device.
    pub fn on(device: Device) -> Attention {
        if device == Device::Cpu { Attention::Alone } else { Attention::Masked }
    }
}

/// Keys and values of the sequences in its slots.
#[derive(Debug)]
pub struct KvCache {
    kept: Kept,
    /// Positions that each slot holds.
    lengths: Vec<i64>,
    heads: Heads,
    /// The angles of all positions that may come.
    rope: Rope,
}

/// What is kept, for each layer.
#[derive(Debug)]
enum Kept {
    /// By slot; for [`Attention::Alone`].
    Alone(Vec<Vec<Past>>),
    /// For [`Attention::Masked`].
    Masked {
        /// Keys and values, `[slots, key_value_heads, capacity, head_dim]`.
        layers: Vec<[Tensor; 2]>,
        capacity: i64,
    },
}

/// A prompt that was read.
#[derive(Debug)]
pub struct Prefix {
    /// For each layer, keys and values, `[tokens, key_value_heads, head_dim]`.
    layers: Vec<[Tensor; 2]>,
    length: i64,
    /// The same for slots that attend alone, once one has taken it.
    shared: OnceLock<Vec<Arc<past::KeysValues>>>,
    /// What the model thinks of each token as the next one, `[vocabulary]` in fp32.
    pub logits: Vec<f32>,
}

impl KvCache {
    /// The most bytes that a cache takes, once a sequence has `length` positions.
    pub fn bytes_max(
        config: &Config,
        kind: Kind,
        attention: Attention,
        slots: usize,
        length: i64,
    ) -> u64 {
        let (bytes, length) = match attention {
            // A vector that grows has room for twice what it holds.
            Attention::Alone => (size_of::<f32>(), 2 * length as u64),
            Attention::Masked => {
                (kind.elt_size_in_bytes(), (length as u64).next_multiple_of(GROWTH as u64))
            }
        };
        let width = (config.key_value_heads * config.head_dim) as u64 * bytes as u64;
        2 * config.layers as u64 * width * length * slots as u64
    }

    /// An empty cache for sequences of at most `length` positions.
    pub fn new(model: &Qwen2, slots: usize, length: i64, attention: Attention) -> KvCache {
        let (config, (kind, device)) = (&model.config, model.options());
        let layers = 0..config.layers;
        let kept = match attention {
            Attention::Alone => Kept::Alone(layers.map(|_| vec![Past::default(); slots]).collect()),
            Attention::Masked => {
                let shape = [slots as i64, config.key_value_heads, 0, config.head_dim];
                let empty = || Tensor::empty(shape, (kind, device));
                Kept::Masked { layers: layers.map(|_| [empty(), empty()]).collect(), capacity: 0 }
            }
        };
        let positions = Tensor::arange(length, (Kind::Float, device));
        let rope = Rope::at(config, &positions, kind);
        KvCache { kept, lengths: vec![0; slots], heads: Heads::of(config), rope }
    }

    /// Puts a prompt into a slot.
    pub fn enter(&mut self, slot: usize, prefix: &Prefix) -> Result<(), Error> {
        self.make_room(prefix.length)?;
        match &mut self.kept {
            Kept::Alone(layers) => {
                let shared = prefix.shared.get_or_init(|| prefix.by_head(self.heads));
                for (kept, prompt) in layers.iter_mut().zip(shared) {
                    kept[slot] = Past { prompt: prompt.clone(), own: past::KeysValues::default() };
                }
            }
            Kept::Masked { layers, .. } => {
                for (kept, read) in layers.iter().flatten().zip(prefix.layers.iter().flatten()) {
                    let place = kept.get(slot as i64).narrow(1, 0, prefix.length);
                    place.shallow_clone().copy_(&read.transpose(0, 1));
                }
            }
        }
        self.lengths[slot] = prefix.length;
        Ok(())
    }

    /// Empties a slot.
    pub fn leave(&mut self, slot: usize) {
        self.lengths[slot] = 0;
        if let Kept::Alone(layers) = &mut self.kept {
            for kept in layers {
                kept[slot] = Past::default();
            }
        }
    }

    /// Makes room for this many positions; what is added is zero, since a mask multiplies it by zero.
    fn make_room(&mut self, positions: i64) -> Result<(), Error> {
        let Kept::Masked { layers, capacity } = &mut self.kept else { return Ok(()) };
        if positions <= *capacity {
            return Ok(());
        }
        let more = (positions as u64).next_multiple_of(GROWTH as u64) as i64;
        for kept in layers.iter_mut().flatten() {
            let size = kept.size();
            let added = [size[0], size[1], more - *capacity, size[3]];
            let longer = Tensor::f_zeros(added, (kept.kind(), kept.device()))
                .and_then(|added| Tensor::f_cat(&[&*kept, &added], 2));
            *kept = longer.map_err(|source| Error::Torch {
                action: format!(
                    "make room for {} sequences of {more} tokens (fewer at a time take less memory)",
                    self.lengths.len()
                ),
                source,
            })?;
        }
        *capacity = more;
        Ok(())
    }
}

impl Prefix {
    fn by_head(&self, heads: Heads) -> Vec<Arc<past::KeysValues>> {
        let of_layer = |[keys, values]: &[Tensor; 2]| {
            let mut kept = past::KeysValues::default();
            heads.extend(&mut kept, &floats(keys), &floats(values));
            Arc::new(kept)
        };
        self.layers.iter().map(of_layer).collect()
    }
}

impl Qwen2 {
    /// Reads prompts, none of them empty. They are packed: on the CPU, where the logits of a prompt must not depend
    /// on others, give one at a time.
    pub fn prefill(&self, prompts: &[&[u32]], pass: Pass) -> Vec<Prefix> {
        tch::no_grad(|| self.read(prompts, pass))
    }

    fn read(&self, prompts: &[&[u32]], pass: Pass) -> Vec<Prefix> {
        let lengths: Vec<i64> = prompts.iter().map(|prompt| prompt.len() as i64).collect();
        let ids: Vec<i64> = prompts.iter().copied().flatten().map(|id| i64::from(*id)).collect();
        let packing = self.packing(&lengths);
        let mut hidden = self.embed(&Tensor::from_slice(&ids).to_device(self.options().1));
        let mut kept = Vec::new();
        for layer in &self.layers {
            let normed = rms_norm(&hidden, &layer.input_norm, self.config.rms_norm_eps);
            let [query, key, value] = layer.project(&self.config, &normed, &packing.rope, pass);
            let mixed = packing.attend(&self.config, &query, &key, &value);
            hidden = layer.after_attention(&self.config, &hidden, &mixed, pass);
            kept.push([key, value]);
        }
        let mut start = 0;
        let prefix = |&length: &i64| {
            let of_prompt = |x: &Tensor| x.narrow(0, start, length).contiguous();
            let layers = kept.iter().map(|[key, value]| [of_prompt(key), of_prompt(value)]);
            let layers = layers.collect();
            start += length;
            let logits = self.next_logits(&hidden.narrow(0, start - 1, 1));
            Prefix { layers, length, shared: OnceLock::new(), logits: floats(&logits) }
        };
        lengths.iter().map(prefix).collect()
    }

    /// Adds a token to the sequence of each slot that is given one, and returns the logits of the next token for
    /// these slots, `[vocabulary]` in fp32, and nothing for the others.
    pub fn step(
        &self,
        cache: &mut KvCache,
        tokens: &[Option<u32>],
        pass: Pass,
    ) -> Result<Vec<Option<Vec<f32>>>, Error> {
        let slots = cache.lengths.len();
        assert_eq!(tokens.len(), slots, "a token or none for each slot");
        let longest = cache.lengths.iter().max().copied().unwrap_or(0);
        cache.make_room(longest + 1)?;
        let rows = match cache.kept {
            Kept::Alone(_) => ROWS as usize,
            Kept::Masked { .. } => slots,
        };
        let mut logits = Vec::with_capacity(slots);
        for first in (0..slots).step_by(rows) {
            let block = &tokens[first..slots.min(first + rows)];
            if block.iter().all(Option::is_none) {
                logits.extend(block.iter().map(|_| None));
                continue;
            }
            let of_rows = tch::no_grad(|| {
                self.next_logits(&self.step_block(cache, first, block, rows, pass))
            });
            let of_rows = of_rows.to_device(Device::Cpu);
            logits.extend(
                block
                    .iter()
                    .enumerate()
                    .map(|(row, token)| token.map(|_| floats(&of_rows.get(row as i64)))),
            );
        }
        for (length, token) in cache.lengths.iter_mut().zip(tokens) {
            *length += i64::from(token.is_some());
        }
        Ok(logits)
    }

    /// Hidden states `[rows, width]` after the last layer, for neighbouring slots and as many more rows as are asked
    /// for. A row without a token goes along, and nothing of it is kept.
    fn step_block(
        &self,
        cache: &mut KvCache,
        first: usize,
        tokens: &[Option<u32>],
        rows: usize,
        pass: Pass,
    ) -> Tensor {
        let device = self.options().1;
        let padded = |numbers: &[i64]| {
            let mut numbers = numbers.to_vec();
            numbers.resize(rows, 0);
            Tensor::from_slice(&numbers).to_device(device)
        };
        let lengths = &cache.lengths[first..first + tokens.len()];
        let ids: Vec<i64> = tokens.iter().map(|token| token.map_or(0, i64::from)).collect();
        let positions = padded(lengths);
        let rope = cache.rope.rows(&positions);
        let places = Places::new(lengths, &positions, first);
        let mut hidden = self.embed(&padded(&ids));
        for (at, layer) in self.layers.iter().enumerate() {
            let normed = rms_norm(&hidden, &layer.input_norm, self.config.rms_norm_eps);
            let row = layer.project(&self.config, &normed, &rope, pass);
            let mixed = match &mut cache.kept {
                Kept::Alone(layers) => {
                    let pasts = &mut layers[at][first..first + tokens.len()];
                    attend_alone(&self.config, &row, tokens, pasts)
                }
                Kept::Masked { layers, .. } => places.attend(&self.config, &row, &layers[at]),
            };
            hidden = layer.after_attention(&self.config, &hidden, &mixed, pass);
        }
        hidden
    }

    /// Logits in fp32 of states that the last layer gave.
    fn next_logits(&self, hidden: &Tensor) -> Tensor {
        self.last_norm(hidden).linear(self.head(), None::<&Tensor>).to_kind(Kind::Float)
    }

    /// Where the numbers of a sequence stop being numbers: the first layer that gives a NaN or an infinity, in
    /// words; `None` if all are finite.
    pub fn first_not_finite(&self, ids: &[u32], pass: Pass) -> Option<String> {
        let _guard = tch::no_grad_guard();
        let is_finite = |x: &Tensor| x.isfinite().all().int64_value(&[]) == 1;
        let packing = self.packing(&[ids.len() as i64]);
        let ids: Vec<i64> = ids.iter().map(|id| i64::from(*id)).collect();
        let mut hidden = self.embed(&Tensor::from_slice(&ids).to_device(self.options().1));
        if !is_finite(&hidden) {
            return Some("the embedding".to_owned());
        }
        for at in 0..self.depth() {
            hidden = self.layer(at, &hidden, &packing, pass);
            if !is_finite(&hidden) {
                return Some(format!("model.layers.{at}"));
            }
        }
        (!is_finite(&self.next_logits(&hidden))).then(|| "the head".to_owned())
    }
}

/// Adds keys and values of each row that has a token to its past, and lets it attend to that: queries, keys and values
/// `[rows, heads, head_dim]` to `[rows, heads * head_dim]`, zero for the other rows.
fn attend_alone(
    config: &Config,
    row: &[Tensor; 3],
    tokens: &[Option<u32>],
    pasts: &mut [Past],
) -> Tensor {
    let heads = Heads::of(config);
    let [queries, keys, values] = row.each_ref().map(floats);
    let pieces = keys.chunks(heads.kept()).zip(values.chunks(heads.kept()));
    for ((token, past), (key, value)) in tokens.iter().zip(&mut *pasts).zip(pieces) {
        if token.is_some() {
            heads.extend(&mut past.own, key, value);
        }
    }
    let mut mixed = vec![0.0; queries.len()];
    heads.attend(&queries, pasts, &mut mixed, tch::get_num_threads() as usize);
    let shape = [-1, heads.width() as i64];
    Tensor::from_slice(&mixed).view(shape).to_kind(row[0].kind()).to_device(row[0].device())
}

/// Where the rows of a masked step stand.
struct Places {
    /// Slot, nothing, and position, as an index of keys and values.
    index: [Option<Tensor>; 3],
    /// Which positions each row may see: its past and the one that is added; `[slots, 1, 1, longest]`.
    mask: Tensor,
    longest: i64,
}

impl Places {
    fn new(lengths: &[i64], positions: &Tensor, first: usize) -> Places {
        let (count, device) = (lengths.len() as i64, positions.device());
        let longest = lengths.iter().max().copied().unwrap_or(0) + 1;
        let slots = Tensor::arange_start(first as i64, first as i64 + count, (Kind::Int64, device));
        let all = Tensor::arange(longest, (Kind::Int64, device)).view([1, 1, 1, -1]);
        let own = positions.narrow(0, 0, count);
        let mask = all.le_tensor(&own.view([-1, 1, 1, 1]));
        Places { index: [Some(slots), None, Some(own)], mask, longest }
    }

    /// Queries, keys and values `[slots, heads, head_dim]` to `[slots, heads * head_dim]`. Query heads that share keys
    /// stand where positions usually do, so the keys are read once for all of them.
    fn attend(&self, config: &Config, row: &[Tensor; 3], [keys, values]: &[Tensor; 2]) -> Tensor {
        let [query, key, value] = row;
        let _ = keys.shallow_clone().index_put_(&self.index, key, false);
        let _ = values.shallow_clone().index_put_(&self.index, value, false);
        let sharing = config.heads / config.key_value_heads;
        let query = query.reshape([-1, config.key_value_heads, sharing, config.head_dim]);
        let seen = |x: &Tensor| x.narrow(2, 0, self.longest);
        let mixed = Tensor::scaled_dot_product_attention(
            &query,
            &seen(keys),
            &seen(values),
            Some(&self.mask),
            0.0,
            false,
            None,
            false,
        );
        mixed.reshape([-1, config.heads * config.head_dim])
    }
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    let flat = tensor.to_kind(Kind::Float).to_device(Device::Cpu).contiguous().view([-1]);
    let mut numbers = vec![0.0; flat.numel()];
    flat.copy_data(&mut numbers, flat.numel());
    numbers
}
