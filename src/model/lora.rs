//! Low-rank adapters in PEFT's format: `adapter_config.json` and `adapter_model.safetensors` with its names.
//!
//! What an adapter adapts is read from its tensors; its configuration gives rank, scale and dropout. A kind of
//! adapter that PEFT knows and this does not is refused by name: applied as a plain one it would give other
//! numbers in silence.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

use super::Error;
use super::checkpoint::{self, Checkpoint, Shard, ShardWriter};
use super::linear::Adapter;
use super::qwen2::{LINEAR_LAYERS, Qwen2};

const CONFIG: &str = "adapter_config.json";
/// The file of an adapter's matrices.
pub const WEIGHTS: &str = "adapter_model.safetensors";

/// What PEFT puts before the names of modules.
const PREFIX: &str = "base_model.model.";

/// The settings of an adapter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lora {
    /// Rank of the product.
    pub r: i64,
    /// The product is multiplied by `alpha / r`, or by `alpha / sqrt(r)`.
    pub alpha: f64,
    /// Share of the inputs that training drops.
    pub dropout: f64,
    /// Whether the scale is `alpha / sqrt(r)`.
    pub rslora: bool,
    /// The linear layers that have an adapter, by the ends of their names.
    pub targets: Vec<String>,
}

impl Lora {
    /// Settings for the layers that `targets` names; `all` are all but the head, as PEFT's `all-linear`.
    pub fn new(r: i64, alpha: f64, targets: &[&str]) -> Result<Lora, String> {
        let known = LINEAR_LAYERS.map(|(_, name)| name);
        let targets: Vec<String> = match targets {
            ["all" | "all-linear"] => known.iter().map(|name| (*name).to_owned()).collect(),
            _ => targets.iter().map(|name| (*name).to_owned()).collect(),
        };
        if let Some(other) = targets.iter().find(|name| !known.contains(&name.as_str())) {
            return Err(format!(
                "no linear layer is called {other} (all, or: {})",
                known.join(", ")
            ));
        }
        if targets.is_empty() {
            return Err("an adapter needs a layer".to_owned());
        }
        if r < 1 {
            return Err(format!("the rank is {r}"));
        }
        Ok(Lora { r, alpha, dropout: 0.0, rslora: false, targets })
    }

    /// What the product of the matrices is multiplied by.
    pub fn scale(&self) -> f64 {
        let r = self.r as f64;
        self.alpha / if self.rslora { r.sqrt() } else { r }
    }

    /// Reads the settings of an adapter's folder.
    pub fn read(folder: &Path) -> Result<Lora, Error> {
        let path = folder.join(CONFIG);
        let text = fs::read(&path).map_err(|source| Error::reading(&path, source))?;
        let value: Value = serde_json::from_slice(&text)
            .map_err(|error| Error::invalid(&path, error.to_string()))?;
        settings(&value).map_err(|message| Error::invalid(path, message))
    }

    /// Attaches fresh adapters: A drawn as PEFT draws it, B zero, so that the policy is the reference.
    pub fn attach(&self, model: &mut Qwen2, seed: i64) {
        let (_, device) = model.options();
        tch::manual_seed(seed);
        let layers = model.linear_layers_mut();
        for (_, linear) in layers.filter(|(name, _)| self.covers(name)) {
            let (outputs, inputs) = (linear.weight.size()[0], linear.weight.size()[1]);
            let bound = 1.0 / (inputs as f64).sqrt();
            let a =
                Tensor::empty([self.r, inputs], (Kind::Float, Device::Cpu)).uniform_(-bound, bound);
            let b = Tensor::zeros([outputs, self.r], (Kind::Float, device));
            linear.adapter = Some(self.adapter(a.to_device(device), b));
        }
    }

    /// Attaches the adapters that a folder holds.
    pub fn load(folder: &Path, model: &mut Qwen2) -> Result<Lora, Error> {
        let mut lora = Lora::read(folder)?;
        let mut adapted = Vec::new();
        let mut shard = Shard::open(&folder.join(WEIGHTS))?;
        let mut unused: BTreeSet<String> = shard.names().map(str::to_owned).collect();
        let (_, device) = model.options();
        for (module, linear) in model.linear_layers_mut() {
            let [a, b] = names(&module);
            if !unused.contains(&a) && !lora.covers(&module) {
                continue;
            }
            let shape = linear.weight.size();
            let mut matrix = |name: &str, shape: [i64; 2]| -> Result<Tensor, Error> {
                let found = shard.shape(name).unwrap_or_default();
                if shard.shape(name).is_some() && found != shape {
                    let (path, name) = (shard.path().to_owned(), name.to_owned());
                    return Err(Error::Shape { path, name, found, expected: shape.to_vec() });
                }
                unused.remove(name);
                let stored = shard.read(name)?;
                Ok(stored.to_kind(Kind::Float).to_device(device))
            };
            let (a, b) = (matrix(&a, [lora.r, shape[1]])?, matrix(&b, [shape[0], lora.r])?);
            linear.adapter = Some(lora.adapter(a, b));
            adapted.push(module);
        }
        if lora.targets.is_empty() {
            lora.targets = adapted;
        }
        match unused.first() {
            Some(name) => Err(Error::invalid(
                folder.join(WEIGHTS),
                format!("tensor {name} belongs to no linear layer of this model"),
            )),
            None => Ok(lora),
        }
    }

    /// Writes the adapters of a model; `base` is what the configuration calls the model under them.
    pub fn save(&self, folder: &Path, model: &Qwen2, base: &str) -> Result<(), Error> {
        fs::create_dir_all(folder).map_err(|source| Error::writing(folder, source))?;
        let parameters = parameters(model);
        let tensors: Vec<(&str, &Tensor)> =
            parameters.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        checkpoint::write_file(&folder.join(WEIGHTS), &tensors)?;
        let text =
            serde_json::to_string_pretty(&self.as_peft(base)).expect("names and numbers") + "\n";
        checkpoint::write_whole(&folder.join(CONFIG), text.as_bytes())
    }

    fn as_peft(&self, base: &str) -> Value {
        json!({
            "base_model_name_or_path": base,
            "bias": "none",
            "fan_in_fan_out": false,
            "inference_mode": true,
            "init_lora_weights": true,
            "lora_alpha": self.alpha,
            "lora_dropout": self.dropout,
            "modules_to_save": null,
            "peft_type": "LORA",
            "r": self.r,
            "target_modules": self.targets,
            "task_type": "CAUSAL_LM",
            "use_dora": false,
            "use_rslora": self.rslora,
        })
    }

    fn covers(&self, module: &str) -> bool {
        let ends = |target: &String| module.strip_suffix(target.as_str());
        self.targets.iter().filter_map(ends).any(|rest| rest.is_empty() || rest.ends_with('.'))
    }

    fn adapter(&self, a: Tensor, b: Tensor) -> Adapter {
        let (a, b) = (a.set_requires_grad(true), b.set_requires_grad(true));
        Adapter { a, b, scale: self.scale(), dropout: self.dropout }
    }
}

/// The matrices of all adapters of a model, by their names in PEFT's files, A before B.
pub fn parameters(model: &Qwen2) -> Vec<(String, Tensor)> {
    let mut parameters = Vec::new();
    for (module, linear) in model.linear_layers() {
        if let Some(adapter) = &linear.adapter {
            let [a, b] = names(&module);
            parameters.push((a, adapter.a.shallow_clone()));
            parameters.push((b, adapter.b.shallow_clone()));
        }
    }
    parameters
}

/// Adds an adapter to a model's weights and writes the result as the model was written: the same shards, the
/// same precision, its other files beside them. Takes the memory of one weight at a time.
pub fn merge(model: &Path, adapter: &Path, output: &Path) -> Result<(), Error> {
    let lora = Lora::read(adapter)?;
    let mut matrices = Shard::open(&adapter.join(WEIGHTS))?;
    let mut unused: BTreeSet<String> = matrices.names().map(str::to_owned).collect();
    let mut checkpoint = Checkpoint::open(model)?;
    fs::create_dir_all(output).map_err(|source| Error::writing(output, source))?;
    checkpoint::refuse_same(model, output)?;
    for shard in checkpoint.shards_mut() {
        let path = output.join(shard.path().file_name().unwrap_or_default());
        let mut merged = Merge { lora: &lora, matrices: &mut matrices, unused: &mut unused };
        merged.shard(shard, &path)?;
    }
    if let Some(name) = unused.first() {
        let message = format!("tensor {name} belongs to no weight of {}", model.display());
        return Err(Error::invalid(adapter.join(WEIGHTS), message));
    }
    checkpoint::copy_others(model, output)?;
    checkpoint::copy_index(model, output)
}

/// A merge under way.
struct Merge<'a> {
    lora: &'a Lora,
    matrices: &'a mut Shard,
    unused: &'a mut BTreeSet<String>,
}

impl Merge<'_> {
    fn shard(&mut self, shard: &mut Shard, path: &Path) -> Result<(), Error> {
        let names: Vec<String> = shard.names().map(str::to_owned).collect();
        let mut entries = Vec::new();
        for name in &names {
            let kind = shard.kind(name)?;
            entries.push((name.as_str(), shard.shape(name).unwrap_or_default(), kind));
        }
        let mut writer = ShardWriter::create(path, entries.into_iter())?;
        for name in &names {
            let weight = shard.read(name)?;
            writer.write(name, &self.weight(name, weight)?)?;
        }
        writer.finish()
    }

    fn weight(&mut self, name: &str, weight: Tensor) -> Result<Tensor, Error> {
        let Some(module) = name.strip_suffix(".weight") else { return Ok(weight) };
        let [a, b] = self::names(module);
        if !self.unused.remove(&a) {
            return Ok(weight);
        }
        self.unused.remove(&b);
        let adapter = self.lora.adapter(self.matrices.read(&a)?, self.matrices.read(&b)?);
        let delta = adapter.delta();
        if delta.size() != weight.size() {
            let (path, found) = (self.matrices.path().to_owned(), delta.size());
            return Err(Error::Shape { path, name: b, found, expected: weight.size() });
        }
        Ok((weight.to_kind(Kind::Float) + delta).to_kind(weight.kind()))
    }
}

fn names(module: &str) -> [String; 2] {
    ["lora_A", "lora_B"].map(|matrix| format!("{PREFIX}{module}.{matrix}.weight"))
}

fn settings(value: &Value) -> Result<Lora, String> {
    let kind = value["peft_type"].as_str().unwrap_or("LORA");
    if kind != "LORA" {
        return Err(format!("peft_type is {kind}; only LORA is supported"));
    }
    let is_set = |name: &str| match &value[name] {
        Value::Null | Value::Bool(false) => false,
        Value::Object(map) => !map.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::String(text) => !text.is_empty() && text != "none",
        _ => true,
    };
    let refused = [
        "use_dora",
        "fan_in_fan_out",
        "bias",
        "lora_bias",
        "modules_to_save",
        "rank_pattern",
        "alpha_pattern",
        "trainable_token_indices",
        "target_parameters",
        "layer_replication",
        "megatron_config",
        "alora_invocation_tokens",
    ];
    if let Some(name) = refused.into_iter().find(|name| is_set(name)) {
        return Err(format!("{name} is {}, which is not supported", value[name]));
    }
    let r = value["r"].as_i64().ok_or("r is no number")?;
    let alpha = value["lora_alpha"].as_f64().ok_or("lora_alpha is no number")?;
    let listed: Vec<&str> = match &value["target_modules"] {
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        Value::String(all) if all == "all-linear" => vec!["all"],
        // A pattern over names: the tensors of the file say what it meant.
        _ => Vec::new(),
    };
    // Names may be whole paths; then their last parts are the kinds of layers.
    let kinds: Vec<&str> = listed.iter().filter_map(|name| name.rsplit('.').next()).collect();
    let mut lora = Lora::new(r, alpha, if kinds.is_empty() { &["all"] } else { &kinds })?;
    if listed != ["all"] {
        lora.targets = listed.into_iter().map(str::to_owned).collect();
    }
    lora.dropout = value["lora_dropout"].as_f64().unwrap_or(0.0);
    if !(0.0..1.0).contains(&lora.dropout) {
        return Err(format!("lora_dropout is {}, not 0 or more and below 1", lora.dropout));
    }
    lora.rslora = value["use_rslora"].as_bool().unwrap_or(false);
    Ok(lora)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_kind_of_adapter_is_refused_by_name() {
        let base =
            json!({ "peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"] });
        assert_eq!(settings(&base).map(|lora| lora.scale()), Ok(2.0));
        let changes = [
            ("peft_type", json!("IA3")),
            ("use_dora", json!(true)),
            ("bias", json!("all")),
            ("modules_to_save", json!(["lm_head"])),
            ("rank_pattern", json!({ "q_proj": 8 })),
            ("lora_dropout", json!(1.5)),
        ];
        for (name, value) in changes {
            let mut changed = base.clone();
            changed[name] = value;
            let error = settings(&changed).expect_err(name);
            assert!(error.contains(name), "{error}");
        }
        assert!(
            settings(&json!({ "r": 4, "lora_alpha": 8, "target_modules": ["lm_head"] })).is_err()
        );
    }

    #[test]
    fn the_scale_is_by_rank_or_by_its_root() {
        let mut lora = Lora::new(16, 32.0, &["all"]).expect("settings");
        assert_eq!(lora.targets.len(), 7);
        assert_eq!(lora.scale(), 2.0);
        lora.rslora = true;
        assert_eq!(lora.scale(), 8.0);
        assert!(Lora::new(0, 1.0, &["all"]).is_err());
        assert!(Lora::new(1, 1.0, &["lm_head"]).is_err());
    }
}
