//! Models and adapters on disk: what is written is what was read, and what is wrong is named with its place.

use std::fs;
use std::path::{Path, PathBuf};

use salv::model::{Checkpoint, Error, Pass, Qwen2, Shard, Tokenizer, lora, lora::Lora, save};
use serde_json::Value;
use tch::{Device, Kind, Tensor};
use tempfile::TempDir;

use super::{FP32, Fixture, MODELS, assert_close, fixtures, largest, one_thread};

/// A copy of a model of the fixtures, to be damaged.
fn copy_of(name: &str) -> (TempDir, PathBuf) {
    one_thread();
    let folder = tempfile::tempdir().expect("a folder");
    for from in [fixtures().join(name), fixtures().join(name).join("adapter")] {
        let to = folder.path().join(from.strip_prefix(fixtures().join(name)).expect("below"));
        fs::create_dir_all(&to).expect("a folder");
        for entry in fs::read_dir(&from).expect("a folder").flatten() {
            if entry.path().is_file() {
                fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
            }
        }
    }
    let path = folder.path().to_owned();
    (folder, path)
}

fn change_json(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut value = serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON");
    change(&mut value);
    fs::write(path, value.to_string()).expect("a file");
}

#[track_caller]
fn assert_refused<T>(result: Result<T, Error>, words: &[&str]) {
    let message = result.err().expect("an error").to_string();
    for word in words {
        assert!(message.contains(word), "{word:?} is not in: {message}");
    }
}

/// What it writes stays, so that `scripts/record-parity --read` can load it with PEFT.
#[test]
fn an_adapter_of_ours_is_what_peft_wrote() {
    for name in MODELS {
        let fixture = Fixture::open(name);
        let theirs = fixture.folder.join("adapter");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("adapter").join(name);
        let settings = Lora::read(&theirs).expect("settings");
        settings.save(&folder, &fixture.model, "some/base").expect("an adapter");
        let mut one = Shard::open(&folder.join("adapter_model.safetensors")).expect("ours");
        let mut other = Shard::open(&theirs.join("adapter_model.safetensors")).expect("theirs");
        let names: Vec<String> = one.names().map(str::to_owned).collect();
        assert_eq!(names, other.names().collect::<Vec<_>>());
        for tensor in &names {
            let (one, other) =
                (one.read(tensor).expect("ours"), other.read(tensor).expect("theirs"));
            assert_eq!((one.kind(), &one), (other.kind(), &other), "{tensor}");
        }
        let config = |folder: &Path| -> Value {
            let bytes = fs::read(folder.join("adapter_config.json")).expect("a file");
            serde_json::from_slice(&bytes).expect("JSON")
        };
        let (ours, theirs) = (config(&folder), config(&theirs));
        for key in
            ["peft_type", "task_type", "r", "bias", "use_dora", "use_rslora", "fan_in_fan_out"]
        {
            assert_eq!(ours[key], theirs[key], "{name} {key}");
        }
        for key in ["lora_alpha", "lora_dropout"] {
            assert_eq!(ours[key].as_f64(), theirs[key].as_f64(), "{name} {key}");
        }
        let targets = |config: &Value| {
            let mut names: Vec<String> =
                serde_json::from_value(config["target_modules"].clone()).expect("names");
            names.sort();
            names
        };
        assert_eq!(targets(&ours), targets(&theirs));
    }
}

#[test]
fn a_fresh_adapter_changes_nothing_and_its_seed_decides_it() {
    one_thread();
    let mut model = Qwen2::load(&fixtures().join("tied"), FP32).expect("a model");
    let settings = Lora::new(4, 8.0, &["all"]).expect("settings");
    settings.attach(&mut model, 7);
    let ids = Tensor::from_slice(&[1i64, 2, 3, 4]).unsqueeze(0);
    let logits = [Pass::Policy, Pass::Reference].map(|pass| model.logits(&ids, pass));
    assert_eq!(logits[0], logits[1]);
    let parameters = lora::parameters(&model);
    assert_eq!(parameters.len(), 2 * 2 * 7);
    assert!(parameters.iter().all(|(_, tensor)| tensor.requires_grad()));
    let a = &parameters[0].1;
    assert!(largest(a) > 0.2 && largest(a) <= 0.25, "uniform within 1 / sqrt(16)");
}

#[test]
fn dropout_drops_the_same_for_the_same_seed() {
    let (_guard, folder) = copy_of("tied");
    change_json(&folder.join("adapter/adapter_config.json"), |config| {
        config["lora_dropout"] = 0.5.into()
    });
    let mut model = Qwen2::load(&folder, FP32).expect("a model");
    Lora::load(&folder.join("adapter"), &mut model).expect("an adapter");
    let packing = model.packing(&[4]);
    let hidden = model.embed(&Tensor::from_slice(&[1i64, 2, 3, 4]));
    let policy = model.layer(0, &hidden, &packing, Pass::Policy);
    // The generator is the process's own, and other tests draw from it: a pass may be disturbed, not all.
    let drops = || model.layer(0, &hidden, &packing, Pass::Training { seed: 3 });
    let first = drops();
    assert!((0..50).any(|_| drops() == first), "the same seed drops the same");
    assert_ne!(first, policy);
}

#[test]
fn a_model_that_is_written_is_the_model_that_was_read() {
    for (name, shard_bytes) in [("tied", usize::MAX), ("untied-gqa", 6000), ("untied-gqa", 1)] {
        one_thread();
        let model = Qwen2::load(&fixtures().join(name), FP32).expect("a model");
        let folder = tempfile::tempdir().expect("a folder");
        model.save(folder.path(), shard_bytes).expect("a checkpoint");
        let is_single = folder.path().join("model.safetensors").is_file();
        assert_eq!(is_single, shard_bytes == usize::MAX);
        fs::copy(fixtures().join(name).join("config.json"), folder.path().join("config.json"))
            .expect("a copy");
        let again = Qwen2::load(folder.path(), FP32).expect("a model");
        for ((one, read), (other, written)) in model.weights().into_iter().zip(again.weights()) {
            assert_eq!((one, read), (other, written));
        }
    }
}

#[test]
fn precisions_survive_on_disk() {
    one_thread();
    let folder = tempfile::tempdir().expect("a folder");
    let values = Tensor::from_slice(&[1.5f32, -2.25, 1e-3, 7.0, 0.0, 3.0]).view([2, 3]);
    let tensors: Vec<(String, Tensor)> = [Kind::Float, Kind::BFloat16, Kind::Half, Kind::Double]
        .into_iter()
        .map(|kind| (format!("{kind:?}"), values.to_kind(kind)))
        .chain([
            ("empty".to_owned(), Tensor::zeros([0, 4], FP32)),
            ("transposed".to_owned(), values.tr()),
        ])
        .collect();
    save(folder.path(), &tensors, usize::MAX).expect("a checkpoint");
    let mut shard = Shard::open(&folder.path().join("model.safetensors")).expect("a shard");
    for (name, tensor) in &tensors {
        let read = shard.read(name).expect("a tensor");
        assert_eq!((read.kind(), &read), (tensor.kind(), tensor), "{name}");
    }
    assert!(!folder.path().join("model.safetensors.partial").exists());
}

#[test]
fn a_merged_model_is_the_policy() {
    for name in ["tied", "untied-gqa"] {
        let mut fixture = Fixture::open(name);
        let folder = tempfile::tempdir().expect("a folder");
        lora::merge(&fixture.folder, &fixture.folder.join("adapter"), folder.path())
            .expect("a model");
        let merged = Qwen2::load(folder.path(), FP32).expect("a model");
        let logits = fixture.without_padding(&merged.logits(&fixture.ids, Pass::Reference));
        assert_close(name, &logits, &fixture.read("logits_policy"), 1e-4);
        let files = |folder: &Path| {
            let mut names: Vec<_> = fs::read_dir(folder)
                .expect("a folder")
                .flatten()
                .filter(|entry| entry.path().is_file())
                .map(|entry| entry.file_name())
                .filter(|name| name != "recorded.safetensors")
                .collect();
            names.sort();
            names
        };
        assert_eq!(
            files(folder.path()),
            files(&fixture.folder),
            "the same shards, index, configuration"
        );
    }
}

#[test]
fn a_damaged_shard_is_named_with_what_is_wrong() {
    let (_guard, folder) = copy_of("untied-gqa");
    let path = folder.join("model-00002-of-00004.safetensors");
    let whole = fs::read(&path).expect("a shard");
    let shard = "model-00002-of-00004.safetensors";
    let load = || Qwen2::load(&folder, FP32);
    assert!(load().is_ok());
    for length in [0, 5, 100, whole.len() - 1] {
        fs::write(&path, &whole[..length]).expect("a file");
        assert_refused(load(), &[shard, "corrupt or incomplete"]);
    }
    fs::write(&path, [&whole[..], b"x"].concat()).expect("a file");
    assert_refused(load(), &[shard, "corrupt or incomplete"]);
    let mut garbled = whole.clone();
    garbled[9] = b'!';
    fs::write(&path, garbled).expect("a file");
    assert_refused(load(), &[shard, "header"]);
    let mut endless = whole.clone();
    endless[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    fs::write(&path, endless).expect("a file");
    assert_refused(load(), &[shard, "claims"]);
    fs::remove_file(&path).expect("removed");
    assert_refused(load(), &[shard, "failed to read"]);
}

#[test]
fn an_index_reaches_no_further_than_its_folder() {
    let (_guard, folder) = copy_of("untied-gqa");
    let index = folder.join("model.safetensors.index.json");
    for file in ["../x.safetensors", "/etc/passwd", ".."] {
        change_json(&index, |index| index["weight_map"]["lm_head.weight"] = file.into());
        assert_refused(Checkpoint::open(&folder), &["index.json", file]);
    }
}

#[test]
fn a_tensor_that_lacks_or_has_another_shape_is_named() {
    let (_guard, folder) = copy_of("tied");
    change_json(&folder.join("config.json"), |config| config["num_hidden_layers"] = 3.into());
    let missing = Qwen2::load(&folder, FP32);
    assert_refused(missing, &["model.layers.2.input_layernorm.weight", "download complete"]);
    let (_guard, folder) = copy_of("tied");
    change_json(&folder.join("config.json"), |config| config["intermediate_size"] = 25.into());
    let words =
        ["model.layers.0.mlp.gate_proj.weight", "[24, 16]", "[25, 16]", "model.safetensors"];
    assert_refused(Qwen2::load(&folder, FP32), &words);
    change_json(&folder.join("config.json"), |config| config["model_type"] = "llama".into());
    assert_refused(Qwen2::load(&folder, FP32), &["config.json", "llama"]);
}

#[test]
fn an_adapter_that_does_not_fit_is_refused() {
    let load = |folder: &Path| {
        let mut model = Qwen2::load(&fixtures().join("untied-gqa"), FP32).expect("a model");
        Lora::load(&folder.join("adapter"), &mut model)
    };
    let (_guard, folder) = copy_of("yarn");
    // The feed-forward layers of both models are alike, so this one fits.
    assert!(load(&folder).is_ok());
    change_json(&folder.join("adapter/adapter_config.json"), |config| config["r"] = 5.into());
    assert_refused(load(&folder), &["lora_A", "[2, 16]", "[5, 16]"]);
    let (_guard, folder) = copy_of("llama3");
    assert_refused(load(&folder), &["lora_B", "[48, 2]", "[16, 2]"]);
    let (_guard, folder) = copy_of("yarn");
    change_json(&folder.join("adapter/adapter_config.json"), |config| {
        config["target_modules"] = serde_json::json!(["gate_proj", "up_proj", "q_proj"]);
    });
    assert_refused(load(&folder), &["q_proj.lora_A"]);
    let (_guard, folder) = copy_of("tied");
    let mut model = Qwen2::load(&fixtures().join("untied-gqa"), FP32).expect("a model");
    let deeper = folder.join("adapter/adapter_model.safetensors");
    let stray = [(
        "base_model.model.model.layers.9.mlp.up_proj.lora_A.weight".to_owned(),
        Tensor::zeros([3, 16], FP32),
    )];
    save(&folder, &stray, usize::MAX).expect("a file");
    fs::rename(folder.join("model.safetensors"), deeper).expect("renamed");
    change_json(&folder.join("adapter/adapter_config.json"), |config| {
        config["target_modules"] = "x".into()
    });
    let refused = Lora::load(&folder.join("adapter"), &mut model);
    assert_refused(refused, &["layers.9", "belongs to no linear layer"]);
}

#[test]
fn a_tokenizer_of_another_model_is_refused() {
    let folder = fixtures().join("tokenizer");
    let load = |rows: i64| Tokenizer::load(&folder, rows).map(|_| ());
    assert!(load(1000).is_ok());
    assert_refused(load(64), &["tokenizer.json", "vocab_size is 64", "another model's"]);
    let copy = tempfile::tempdir().expect("a folder");
    fs::copy(folder.join("tokenizer.json"), copy.path().join("tokenizer.json")).expect("a copy");
    let config = copy.path().join("tokenizer_config.json");
    let load = || Tokenizer::load(copy.path(), 1000).map(|_| ());
    fs::write(&config, r#"{"eos_token": "<end>"}"#).expect("a file");
    assert_refused(load(), &["tokenizer_config.json", "<end>"]);
    fs::remove_file(&config).expect("removed");
    assert_refused(load(), &["eos_token"]);
    fs::write(copy.path().join("config.json"), r#"{"eos_token_id": [1, 2]}"#).expect("a file");
    assert!(load().is_ok());
    fs::write(copy.path().join("tokenizer.json"), "{").expect("a file");
    assert_refused(load(), &["tokenizer.json"]);
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error() {
    one_thread();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, "").expect("a file");
    let tensors = [("x".to_owned(), Tensor::zeros([2], (Kind::Float, Device::Cpu)))];
    assert_refused(save(&file, &tensors, usize::MAX), &["failed to write", "file"]);
    // A full disk: the device that has no room.
    let full = folder.path().join("model.safetensors.partial");
    std::os::unix::fs::symlink("/dev/full", &full).expect("a link");
    assert_refused(
        save(folder.path(), &tensors, usize::MAX),
        &["failed to write", "No space left"],
    );
}
