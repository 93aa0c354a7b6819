//! Weights on disk: one `model.safetensors`, or shards with an index beside them.
//!
//! A tensor is read piece by piece into its place, so that reading a model takes the memory of the model and
//! one piece; writing goes through a new name and a rename, so that a killed run leaves no half a file under
//! a good name.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::Error;

/// How large a shard becomes at most, as transformers has it.
pub const SHARD_BYTES: usize = 5_000_000_000;

/// How much of a tensor is read at a time.
const PIECE_BYTES: usize = 64 << 20;

/// The longest header that is read: as much as the safetensors crate takes.
const HEADER_BYTES_MAX: u64 = 100_000_000;

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// Which file holds which tensor, as transformers writes it.
#[derive(Deserialize, Serialize)]
struct Index {
    #[serde(default)]
    metadata: serde_json::Value,
    weight_map: BTreeMap<String, String>,
}

/// One file of tensors, opened, its header read and found to fit the file's length.
#[derive(Debug)]
pub struct Shard {
    path: PathBuf,
    file: File,
    data: u64,
    tensors: BTreeMap<String, TensorInfo>,
}

/// All tensors of a model's folder by name.
#[derive(Debug)]
pub struct Checkpoint {
    folder: PathBuf,
    shards: Vec<Shard>,
    homes: BTreeMap<String, usize>,
}

impl Shard {
    /// Opens a file and checks its header.
    pub fn open(path: &Path) -> Result<Shard, Error> {
        let reading = |source| Error::reading(path, source);
        let mut file = File::open(path).map_err(reading)?;
        let length = file.metadata().map_err(reading)?.len();
        let corrupt = |what: String| {
            Error::invalid(
                path,
                format!("{what}: the file is corrupt or incomplete; fetch it again"),
            )
        };
        let mut size = [0; 8];
        if length < 8 {
            return Err(corrupt(format!("it has {length} bytes")));
        }
        file.read_exact(&mut size).map_err(reading)?;
        let header_bytes = u64::from_le_bytes(size);
        if header_bytes > HEADER_BYTES_MAX || header_bytes > length - 8 {
            return Err(corrupt(format!("its header claims {header_bytes} of {length} bytes")));
        }
        let mut header = vec![0; header_bytes as usize];
        file.read_exact(&mut header).map_err(reading)?;
        let metadata: Metadata = serde_json::from_slice(&header)
            .map_err(|error| corrupt(format!("its header cannot be read ({error})")))?;
        let tensors: BTreeMap<String, TensorInfo> =
            metadata.tensors().into_iter().map(|(name, info)| (name, info.clone())).collect();
        let end = tensors.values().map(|info| info.data_offsets.1 as u64).max().unwrap_or(0);
        let data = 8 + header_bytes;
        if data + end != length {
            return Err(corrupt(format!("its header describes {} bytes of {length}", data + end)));
        }
        Ok(Shard { path: path.to_owned(), file, data, tensors })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names of the tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The shape of a tensor.
    pub fn shape(&self, name: &str) -> Option<Vec<i64>> {
        Some(self.tensors.get(name)?.shape.iter().map(|size| *size as i64).collect())
    }

    /// The precision in which a tensor is stored.
    pub fn kind(&self, name: &str) -> Result<Kind, Error> {
        let info = self.tensors.get(name).ok_or_else(|| self.missing(name))?;
        kind_of(info.dtype).ok_or_else(|| {
            let what = info.dtype;
            let message =
                format!("tensor {name} holds {what:?}; bf16, fp16 and fp32 are supported");
            Error::invalid(&self.path, message)
        })
    }

    fn missing(&self, name: &str) -> Error {
        Error::MissingTensor { path: self.path.clone(), name: name.to_owned() }
    }

    /// Reads a tensor as it is stored.
    pub fn read(&mut self, name: &str) -> Result<Tensor, Error> {
        let kind = self.kind(name)?;
        let info = &self.tensors[name];
        let shape: Vec<i64> = info.shape.iter().map(|size| *size as i64).collect();
        let (start, end) = info.data_offsets;
        let fail = |source| Error::reading(&self.path, source);
        self.file.seek(SeekFrom::Start(self.data + start as u64)).map_err(fail)?;
        let width = kind.elt_size_in_bytes();
        let mut flat = Tensor::empty([((end - start) / width) as i64], (kind, Device::Cpu));
        let mut piece = vec![0; PIECE_BYTES.min(end - start)];
        let mut done = 0;
        while done < end - start {
            let bytes = piece.len().min(end - start - done);
            self.file.read_exact(&mut piece[..bytes]).map_err(fail)?;
            let count = (bytes / width) as i64;
            let values = Tensor::from_data_size(&piece[..bytes], &[count], kind);
            flat.narrow(0, (done / width) as i64, count).copy_(&values);
            done += bytes;
        }
        flat = flat.view(shape.as_slice());
        Ok(flat)
    }
}

impl Checkpoint {
    /// Opens the file or the shards of a folder.
    pub fn open(folder: &Path) -> Result<Checkpoint, Error> {
        let index = folder.join(INDEX);
        let mut homes = BTreeMap::new();
        if !index.is_file() {
            let shard = Shard::open(&folder.join(SINGLE))?;
            homes.extend(shard.names().map(|name| (name.to_owned(), 0)));
            return Ok(Checkpoint { folder: folder.to_owned(), shards: vec![shard], homes });
        }
        let text = std::fs::read(&index).map_err(|source| Error::reading(&index, source))?;
        let parsed: Index = serde_json::from_slice(&text)
            .map_err(|error| Error::invalid(&index, error.to_string()))?;
        let mut shards: Vec<Shard> = Vec::new();
        for (name, file) in &parsed.weight_map {
            let path = folder.join(plain_name(&index, file)?);
            let known = shards.iter().position(|shard| shard.path == path);
            let home = match known {
                Some(home) => home,
                None => {
                    shards.push(Shard::open(&path)?);
                    shards.len() - 1
                }
            };
            if !shards[home].tensors.contains_key(name) {
                return Err(Error::MissingTensor { path, name: name.clone() });
            }
            homes.insert(name.clone(), home);
        }
        Ok(Checkpoint { folder: folder.to_owned(), shards, homes })
    }

    /// Whether a tensor is there.
    pub fn has(&self, name: &str) -> bool {
        self.homes.contains_key(name)
    }

    /// The shards, in the order in which the index names them.
    pub fn shards_mut(&mut self) -> &mut [Shard] {
        &mut self.shards
    }

    /// Reads a tensor of a known shape, brought to a precision and a device.
    pub fn read(
        &mut self,
        name: &str,
        shape: &[i64],
        options: (Kind, Device),
    ) -> Result<Tensor, Error> {
        let home = self.homes.get(name).copied().ok_or_else(|| Error::MissingTensor {
            path: self.folder.clone(),
            name: name.to_owned(),
        })?;
        let shard = &mut self.shards[home];
        let found = shard.shape(name).unwrap_or_default();
        if found != shape {
            let (path, name) = (shard.path.clone(), name.to_owned());
            return Err(Error::Shape { path, name, found, expected: shape.to_vec() });
        }
        let stored = shard.read(name)?;
        stored
            .f_to_device(options.1)
            .and_then(|tensor| tensor.f_to_kind(options.0))
            .map_err(|source| Error::Torch { action: format!("place tensor {name}"), source })
    }
}

/// An index may name files of its own folder and nothing else.
fn plain_name<'a>(index: &Path, file: &'a str) -> Result<&'a str, Error> {
    let is_plain = Path::new(file).file_name().is_some_and(|name| name == file);
    let message = || format!("it names {file}, which is no file of this folder");
    if is_plain { Ok(file) } else { Err(Error::invalid(index, message())) }
}

/// Writes tensors into a folder, as one file or as shards of at most `shard_bytes` with their index.
pub fn save(folder: &Path, tensors: &[(String, Tensor)], shard_bytes: usize) -> Result<(), Error> {
    let mut parts: Vec<Vec<&(String, Tensor)>> = vec![Vec::new()];
    let (mut filled, mut total) = (0, 0);
    for entry in tensors {
        let bytes = bytes_of(&entry.1);
        if filled > 0 && filled + bytes > shard_bytes {
            parts.push(Vec::new());
            filled = 0;
        }
        filled += bytes;
        total += bytes;
        parts.last_mut().expect("a part").push(entry);
    }
    let name = |part: usize| match parts.len() {
        1 => SINGLE.to_owned(),
        count => format!("model-{:05}-of-{count:05}.safetensors", part + 1),
    };
    let mut weight_map = BTreeMap::new();
    for (at, part) in parts.iter().enumerate() {
        let views: Vec<(&str, &Tensor)> =
            part.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        write_file(&folder.join(name(at)), &views)?;
        weight_map.extend(part.iter().map(|(tensor, _)| (tensor.clone(), name(at))));
    }
    if parts.len() > 1 {
        let index = Index { metadata: serde_json::json!({ "total_size": total }), weight_map };
        let text = serde_json::to_string_pretty(&index).expect("names and numbers") + "\n";
        write_whole(&folder.join(INDEX), text.as_bytes())?;
    }
    Ok(())
}

/// Writes one file of tensors.
pub(crate) fn write_file(path: &Path, tensors: &[(&str, &Tensor)]) -> Result<(), Error> {
    let entries = tensors.iter().map(|(name, tensor)| (*name, tensor.size(), tensor.kind()));
    let mut writer = ShardWriter::create(path, entries)?;
    for (name, tensor) in tensors {
        writer.write(name, tensor)?;
    }
    writer.finish()
}

/// Writes a file of tensors whose names and shapes are known before the first of them is made.
pub(super) struct ShardWriter {
    path: PathBuf,
    partial: PathBuf,
    file: BufWriter<File>,
    waiting: Vec<(String, Vec<i64>, Kind)>,
}

impl ShardWriter {
    /// Starts a file; the tensors are to be written in this order.
    pub(super) fn create<'a>(
        path: &Path,
        tensors: impl Iterator<Item = (&'a str, Vec<i64>, Kind)>,
    ) -> Result<ShardWriter, Error> {
        let mut waiting: Vec<(String, Vec<i64>, Kind)> =
            tensors.map(|(name, shape, kind)| (name.to_owned(), shape, kind)).collect();
        waiting.reverse();
        let mut infos = Vec::new();
        let mut offset = 0;
        for (name, shape, kind) in waiting.iter().rev() {
            let dtype = dtype_of(*kind).ok_or_else(|| {
                Error::invalid(path, format!("tensor {name} holds {kind:?}, which is not written"))
            })?;
            let count: i64 = shape.iter().product();
            let end = offset + count as usize * kind.elt_size_in_bytes();
            let shape = shape.iter().map(|size| *size as usize).collect();
            infos.push((name.clone(), TensorInfo { dtype, shape, data_offsets: (offset, end) }));
            offset = end;
        }
        let format = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        let metadata = Metadata::new(Some(format), infos)
            .map_err(|error| Error::invalid(path, error.to_string()))?;
        let mut header = serde_json::to_vec(&metadata).expect("names and numbers");
        header.resize(header.len().next_multiple_of(8), b' ');
        let partial = partial_of(path);
        let file = File::create(&partial).map_err(|source| Error::writing(&partial, source))?;
        let mut writer =
            ShardWriter { path: path.to_owned(), partial, file: BufWriter::new(file), waiting };
        writer.put(&(header.len() as u64).to_le_bytes())?;
        writer.put(&header)?;
        Ok(writer)
    }

    /// Writes the next tensor.
    pub(super) fn write(&mut self, name: &str, tensor: &Tensor) -> Result<(), Error> {
        let next = self.waiting.pop();
        let given = (name.to_owned(), tensor.size(), tensor.kind());
        assert_eq!(next, Some(given), "tensors come in the order of the header");
        let flat = tensor.to_device(Device::Cpu).contiguous().view([-1]);
        let step = (PIECE_BYTES / tensor.kind().elt_size_in_bytes()) as i64;
        let mut piece = Vec::new();
        for start in (0..flat.size()[0]).step_by(step as usize) {
            let count = step.min(flat.size()[0] - start);
            piece.resize(count as usize * tensor.kind().elt_size_in_bytes(), 0);
            flat.narrow(0, start, count)
                .f_copy_data_u8(&mut piece, count as usize)
                .map_err(|source| Error::Torch { action: format!("copy tensor {name}"), source })?;
            self.put(&piece)?;
        }
        Ok(())
    }

    /// Gives the file its name once all of it is on the disk.
    pub(super) fn finish(mut self) -> Result<(), Error> {
        assert!(self.waiting.is_empty(), "every tensor of the header was written");
        let fail = |source| Error::writing(&self.partial, source);
        self.file.flush().map_err(fail)?;
        self.file.get_ref().sync_all().map_err(fail)?;
        std::fs::rename(&self.partial, &self.path)
            .map_err(|source| Error::writing(&self.path, source))
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).map_err(|source| Error::writing(&self.partial, source))
    }
}

/// Writes a small file in one go, under its name only when it is whole.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let partial = partial_of(path);
    let fail = |source| Error::writing(&partial, source);
    let mut file = File::create(&partial).map_err(fail)?;
    file.write_all(bytes).map_err(fail)?;
    file.sync_all().map_err(fail)?;
    std::fs::rename(&partial, path).map_err(|source| Error::writing(path, source))
}

fn partial_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    path.with_file_name(name)
}

fn bytes_of(tensor: &Tensor) -> usize {
    tensor.numel() * tensor.kind().elt_size_in_bytes()
}

fn kind_of(dtype: Dtype) -> Option<Kind> {
    match dtype {
        Dtype::F32 => Some(Kind::Float),
        Dtype::BF16 => Some(Kind::BFloat16),
        Dtype::F16 => Some(Kind::Half),
        Dtype::F64 => Some(Kind::Double),
        _ => None,
    }
}

fn dtype_of(kind: Kind) -> Option<Dtype> {
    match kind {
        Kind::Float => Some(Dtype::F32),
        Kind::BFloat16 => Some(Dtype::BF16),
        Kind::Half => Some(Dtype::F16),
        Kind::Double => Some(Dtype::F64),
        _ => None,
    }
}
/// The list of the tensors of shards.
const INDEX_END: &str = ".index.json";

/// Copies what stands beside the weights of a model: configuration, tokenizer, chat template. The index of its shards
/// is another matter ([`copy_index`]).
pub fn copy_others(from: &Path, to: &Path) -> Result<(), Error> {
    copy(from, to, |name| {
        let endings = ["json", "txt", "jinja", "model"].map(|ending| format!(".{ending}"));
        endings.iter().any(|ending| name.ends_with(ending)) && !name.ends_with(INDEX_END)
    })
}

/// Copies the index of a model's shards, for a model with the same shards.
pub fn copy_index(from: &Path, to: &Path) -> Result<(), Error> {
    copy(from, to, |name| name.ends_with(INDEX_END))
}

/// An error where a folder would be written over itself, or over another name of itself.
pub(super) fn refuse_same(from: &Path, to: &Path) -> Result<(), Error> {
    let real = |path: &Path| path.canonicalize().map_err(|source| Error::reading(path, source));
    if real(from)? == real(to)? {
        return Err(Error::invalid(to, "it is the folder that is read; write to another one"));
    }
    Ok(())
}

fn copy(from: &Path, to: &Path, is_wanted: impl Fn(&str) -> bool) -> Result<(), Error> {
    refuse_same(from, to)?;
    let entries = std::fs::read_dir(from).map_err(|source| Error::reading(from, source))?;
    for entry in entries {
        let path = entry.map_err(|source| Error::reading(from, source))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if path.is_file() && is_wanted(name) {
            let target = to.join(name);
            std::fs::copy(&path, &target).map_err(|source| Error::writing(target, source))?;
        }
    }
    Ok(())
}
