//! The decoder: embedding, layers of attention and feed-forward with norms before them, a last norm, a head.

use std::path::Path;

use tch::{Device, Kind, Tensor};

use super::checkpoint::Checkpoint;
use super::config::Config;
use super::kv_cache::ROWS;
use super::linear::{Linear, Pass};
use super::rope::Rope;
use super::{Error, checkpoint};

/// The linear layers of a decoder layer, in the order in which they act, with the module each belongs to.
pub const LINEAR_LAYERS: [(&str, &str); 7] = [
    ("self_attn", "q_proj"),
    ("self_attn", "k_proj"),
    ("self_attn", "v_proj"),
    ("self_attn", "o_proj"),
    ("mlp", "gate_proj"),
    ("mlp", "up_proj"),
    ("mlp", "down_proj"),
];

/// A Qwen2 model.
#[derive(Debug)]
pub struct Qwen2 {
    pub(super) config: Config,
    embedding: Tensor,
    pub(super) layers: Vec<Layer>,
    norm: Tensor,
    head: Option<Tensor>,
}

/// Where the tensors of a model come from, by name and shape.
type Source<'a> = dyn FnMut(&str, &[i64]) -> Result<Tensor, Error> + 'a;

/// One layer; `linear` in the order of [`LINEAR_LAYERS`].
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) input_norm: Tensor,
    linear: [Linear; 7],
    post_norm: Tensor,
}

/// Sequences one behind the other: no padding is computed, and none sees another.
#[derive(Debug)]
pub struct Packing {
    lengths: Vec<i64>,
    pub(super) rope: Rope,
}

impl Packing {
    /// Causal attention within each sequence: `[tokens, heads, head_dim]` to `[tokens, heads * head_dim]`.
    pub(super) fn attend(
        &self,
        config: &Config,
        query: &Tensor,
        key: &Tensor,
        value: &Tensor,
    ) -> Tensor {
        let first = self.lengths.first().copied().unwrap_or(0);
        if self.lengths.iter().all(|length| *length == first) {
            return causal(config, first, query, key, value);
        }
        let mut start = 0;
        let pieces = self.lengths.iter().map(|&length| {
            let piece = |x: &Tensor| x.narrow(0, start, length);
            let mixed = causal(config, length, &piece(query), &piece(key), &piece(value));
            start += length;
            mixed
        });
        Tensor::cat(&pieces.collect::<Vec<Tensor>>(), 0)
    }
}

/// Causal attention within sequences of one length.
fn causal(config: &Config, length: i64, query: &Tensor, key: &Tensor, value: &Tensor) -> Tensor {
    let heads = |x: &Tensor| x.view([-1, length, x.size()[1], config.head_dim]).transpose(1, 2);
    let (none, is_grouped) = (None::<&Tensor>, config.heads != config.key_value_heads);
    let (query, key, value) = (heads(query), heads(key), heads(value));
    let mixed = Tensor::scaled_dot_product_attention(
        &query, &key, &value, none, 0.0, true, None, is_grouped,
    );
    mixed.transpose(1, 2).reshape([-1, config.heads * config.head_dim])
}

impl Qwen2 {
    /// Reads a Hugging Face folder; the tensors get this precision and go to this device.
    pub fn load(folder: &Path, options: (Kind, Device)) -> Result<Qwen2, Error> {
        let config = Config::read(folder)?;
        let mut checkpoint = Checkpoint::open(folder)?;
        Qwen2::assemble(config, &mut |name, shape| checkpoint.read(name, shape, options))
    }

    /// Makes a model that has learnt nothing, as transformers does: matrices drawn from a normal distribution with the
    /// configuration's deviation, biases zero, norms one. The draws depend on the seed and not on the device.
    pub fn fresh(config: Config, seed: i64, (kind, device): (Kind, Device)) -> Qwen2 {
        let deviation = config.initializer_range;
        tch::manual_seed(seed);
        let draw = &mut |name: &str, shape: &[i64]| {
            let mut tensor = Tensor::empty(shape, (Kind::Float, Device::Cpu));
            let drawn = match name.ends_with(".bias") {
                true => tensor.zero_(),
                false if shape.len() == 1 => tensor.fill_(1.0),
                false => tensor.normal_(0.0, deviation),
            };
            Ok(drawn.to_kind(kind).to_device(device))
        };
        Qwen2::assemble(config, draw).expect("nothing is read")
    }

    fn assemble(config: Config, source: &mut Source) -> Result<Qwen2, Error> {
        let width = config.hidden_size;
        let vocabulary = [config.vocab_size, width];
        let embedding = source("model.embed_tokens.weight", &vocabulary)?;
        let layers = (0..config.layers)
            .map(|at| Layer::assemble(&config, at, source))
            .collect::<Result<Vec<Layer>, Error>>()?;
        let norm = source("model.norm.weight", &[width])?;
        let head = match config.tie_word_embeddings {
            true => None,
            false => Some(source("lm_head.weight", &vocabulary)?),
        };
        Ok(Qwen2 { config, embedding, layers, norm, head })
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Precision and device.
    pub fn options(&self) -> (Kind, Device) {
        (self.embedding.kind(), self.embedding.device())
    }

    /// Number of layers.
    pub fn depth(&self) -> usize {
        self.layers.len()
    }

    /// The linear layers by the names of their modules, as `model.layers.0.self_attn.q_proj`.
    pub fn linear_layers(&self) -> impl Iterator<Item = (String, &Linear)> {
        self.layers.iter().enumerate().flat_map(|(at, layer)| {
            layer.linear.iter().enumerate().map(move |(n, linear)| (linear_name(at, n), linear))
        })
    }

    /// The same, to attach adapters.
    pub fn linear_layers_mut(&mut self) -> impl Iterator<Item = (String, &mut Linear)> {
        self.layers.iter_mut().enumerate().flat_map(|(at, layer)| {
            layer.linear.iter_mut().enumerate().map(move |(n, linear)| (linear_name(at, n), linear))
        })
    }

    /// Every weight by its name in the files, in the order of the files of transformers.
    pub fn weights(&self) -> Vec<(String, Tensor)> {
        let mut weights =
            vec![("model.embed_tokens.weight".to_owned(), self.embedding.shallow_clone())];
        for (at, layer) in self.layers.iter().enumerate() {
            let prefix = format!("model.layers.{at}");
            weights.push((
                format!("{prefix}.input_layernorm.weight"),
                layer.input_norm.shallow_clone(),
            ));
            for (n, linear) in layer.linear.iter().enumerate() {
                let name = linear_name(at, n);
                weights.push((format!("{name}.weight"), linear.weight.shallow_clone()));
                if let Some(bias) = &linear.bias {
                    weights.push((format!("{name}.bias"), bias.shallow_clone()));
                }
            }
            let name = format!("{prefix}.post_attention_layernorm.weight");
            weights.push((name, layer.post_norm.shallow_clone()));
        }
        weights.push(("model.norm.weight".to_owned(), self.norm.shallow_clone()));
        weights.extend(
            self.head.iter().map(|head| ("lm_head.weight".to_owned(), head.shallow_clone())),
        );
        weights
    }

    /// Writes the weights into a folder; adapters are not in them.
    pub fn save(&self, folder: &Path, shard_bytes: usize) -> Result<(), Error> {
        checkpoint::save(folder, &self.weights(), shard_bytes)
    }

    /// The matrix that makes logits of hidden states, `[vocabulary, width]`: the head, or the embedding.
    pub fn head(&self) -> &Tensor {
        self.head.as_ref().unwrap_or(&self.embedding)
    }

    /// Lays sequences of these lengths one behind the other.
    pub fn packing(&self, lengths: &[i64]) -> Packing {
        let options = (Kind::Float, self.options().1);
        let positions: Vec<Tensor> =
            lengths.iter().map(|length| Tensor::arange(*length, options)).collect();
        let rope = Rope::at(&self.config, &Tensor::cat(&positions, 0), self.options().0);
        Packing { lengths: lengths.to_vec(), rope }
    }

    /// Embeds token ids, of any shape.
    pub fn embed(&self, ids: &Tensor) -> Tensor {
        Tensor::embedding(&self.embedding, ids, -1, false, false)
    }

    /// Runs one layer on `[tokens, width]`. Each position sees those before it in its own sequence.
    pub fn layer(&self, at: usize, hidden: &Tensor, packing: &Packing, pass: Pass) -> Tensor {
        seed_dropout(pass, at);
        self.layers[at].forward(&self.config, hidden, packing, pass)
    }

    /// The last norm.
    pub fn last_norm(&self, hidden: &Tensor) -> Tensor {
        rms_norm(hidden, &self.norm, self.config.rms_norm_eps)
    }

    /// Hidden states after the last norm, of which [`Qwen2::head`] makes logits, `[batch, length, width]`, of
    /// token ids `[batch, length]`. Padding belongs to the right, where nothing that counts sees it.
    pub fn hidden(&self, ids: &Tensor, pass: Pass) -> Tensor {
        let (batch, length) = (ids.size()[0], ids.size()[1]);
        let packing = self.packing(&vec![length; batch as usize]);
        let layers = 0..self.depth();
        let start = self.embed(&ids.view([-1]));
        let hidden = layers.fold(start, |hidden, at| self.layer(at, &hidden, &packing, pass));
        self.last_norm(&hidden).view([batch, length, -1])
    }

    /// Logits of every position at once, for small inputs: `[batch, length, vocabulary]`.
    pub fn logits(&self, ids: &Tensor, pass: Pass) -> Tensor {
        self.hidden(ids, pass).linear(self.head(), None::<&Tensor>)
    }
}

impl Layer {
    fn assemble(config: &Config, at: usize, source: &mut Source) -> Result<Layer, Error> {
        let width = config.hidden_size;
        let mut norm = |name: &str| source(&format!("model.layers.{at}.{name}.weight"), &[width]);
        let input_norm = norm("input_layernorm")?;
        let post_norm = norm("post_attention_layernorm")?;
        let mut linear = Vec::new();
        for (n, (_, name)) in LINEAR_LAYERS.iter().enumerate() {
            let shape = linear_shape(config, name);
            let module = linear_name(at, n);
            let has_bias = matches!(*name, "q_proj" | "k_proj" | "v_proj");
            let weight = source(&format!("{module}.weight"), &shape)?;
            let bias = has_bias.then(|| source(&format!("{module}.bias"), &shape[..1]));
            linear.push(Linear { weight, bias: bias.transpose()?, adapter: None });
        }
        let linear = linear.try_into().expect("as many as are named");
        Ok(Layer { input_norm, linear, post_norm })
    }

    fn forward(&self, config: &Config, hidden: &Tensor, packing: &Packing, pass: Pass) -> Tensor {
        let eps = config.rms_norm_eps;
        let [query, key, value] =
            self.project(config, &rms_norm(hidden, &self.input_norm, eps), &packing.rope, pass);
        let mixed = packing.attend(config, &query, &key, &value);
        self.after_attention(config, hidden, &mixed, pass)
    }

    /// Queries, keys and values of normed states `[tokens, width]`, each `[tokens, heads, head_dim]`; the first
    /// two are turned.
    pub(super) fn project(
        &self,
        config: &Config,
        x: &Tensor,
        rope: &Rope,
        pass: Pass,
    ) -> [Tensor; 3] {
        let [q, k, v, ..] = &self.linear;
        let heads = |linear: &Linear| {
            linear.forward(x, pass).view([-1, linear.outputs() / config.head_dim, config.head_dim])
        };
        [rope.turn(&heads(q)), rope.turn(&heads(k)), heads(v)]
    }

    /// All of the layer behind the attention; `mixed` is `[tokens, heads * head_dim]`.
    pub(super) fn after_attention(
        &self,
        config: &Config,
        hidden: &Tensor,
        mixed: &Tensor,
        pass: Pass,
    ) -> Tensor {
        let [_, _, _, o, ..] = &self.linear;
        let hidden = hidden + o.forward(mixed, pass);
        &hidden + self.feed_forward(&rms_norm(&hidden, &self.post_norm, config.rms_norm_eps), pass)
    }

    fn feed_forward(&self, x: &Tensor, pass: Pass) -> Tensor {
        let [.., gate, up, down] = &self.linear;
        down.forward(&(silu(&gate.forward(x, pass)) * up.forward(x, pass)), pass)
    }
}

fn linear_name(layer: usize, n: usize) -> String {
    let (module, name) = LINEAR_LAYERS[n];
    format!("model.layers.{layer}.{module}.{name}")
}

fn linear_shape(config: &Config, name: &str) -> [i64; 2] {
    let (width, inner) = (config.hidden_size, config.intermediate_size);
    let queries = config.heads * config.head_dim;
    let keys = config.key_value_heads * config.head_dim;
    match name {
        "q_proj" => [queries, width],
        "k_proj" | "v_proj" => [keys, width],
        "o_proj" => [width, queries],
        "down_proj" => [width, inner],
        _ => [inner, width],
    }
}

/// A row's values must not hang on where it stands among the others (`kv_cache`), but LibTorch's loop over whole vectors
/// rounds the exponential otherwise than the one over what remains. So few rows are given in pieces that leave no rest and
/// that it does not divide among threads, or each by itself.
fn silu(x: &Tensor) -> Tensor {
    const VECTORS: i64 = 64;
    const UNDIVIDED: i64 = 32_768;
    let (rows, width) = (x.size()[0], x.size()[1]);
    let piece = if width % VECTORS == 0 { (UNDIVIDED / width).max(1) } else { 1 };
    if rows > ROWS || rows <= piece {
        return x.silu();
    }
    let pieces: Vec<Tensor> = x.split(piece, 0).iter().map(Tensor::silu).collect();
    Tensor::cat(&pieces, 0)
}

/// In fp32 but for the weight, as transformers has it.
pub(super) fn rms_norm(x: &Tensor, weight: &Tensor, eps: f64) -> Tensor {
    let kind = x.kind();
    let wide = if kind == Kind::Double { x.shallow_clone() } else { x.to_kind(Kind::Float) };
    let mean = wide.square().mean_dim(-1, true, None);
    (wide * (mean + eps).rsqrt()).to_kind(kind) * weight
}

/// Each layer draws from its own seed, so that one can be run again by itself.
fn seed_dropout(pass: Pass, layer: usize) {
    if let Pass::Training { seed } = pass {
        tch::manual_seed(seed.wrapping_mul(0x9e37_79b9).wrapping_add(layer as i64));
    }
}
