//! A Zarr v3 store being written.

use super::{ELEMENT, UNLIMITED, attributes};
use crate::dataset::{DataType, Model, Output, Storage, Values, Variable};
use anyhow::{Context, Result, bail};
use hiha::zarr::HihaCodec;
use serde_json::json;
use std::{path::Path, sync::Arc};
use zarrs::array::{Array, ArrayBuilder, ArrayBytes, ArrayMetadataOptions, ArraySubset, FillValue, data_type};
use zarrs::filesystem::FilesystemStore;
use zarrs::group::{Group, GroupBuilder};
use zarrs::metadata_ext::group::consolidated_metadata::ConsolidatedMetadata;
use zarrs::node::Node;
use zarrs::storage::WritableStorageTraits;

/// Most elements of a chunk where the source has none.
const PLAIN_CHUNK: usize = 1 << 20;

/// See the module.
pub(crate) struct Writer {
    store: Arc<FilesystemStore>,
    variables: Vec<(Array<FilesystemStore>, Vec<usize>)>,
    consolidate: bool,
}

impl Writer {
    /// Create the folder and all metadata.
    pub(crate) fn create(path: &Path, model: &Model, storage: &[Storage]) -> Result<Self> {
        let store = Arc::new(FilesystemStore::new(path).with_context(|| path.display().to_string())?);
        for group in &model.groups {
            let mut map = attributes::to_json(&group.path, &group.attributes, None)?;
            let unlimited: Vec<&str> = group.dims.iter().filter(|d| d.unlimited).map(|d| d.name.as_str()).collect();
            if !unlimited.is_empty() {
                map.insert(UNLIMITED.to_owned(), json!(unlimited));
            }
            let group = GroupBuilder::new().attributes(map).build(store.clone(), &group.path)?;
            group.store_metadata()?;
        }
        let mut variables = Vec::with_capacity(storage.len());
        for (variable, storage) in model.variables.iter().zip(storage) {
            let made = array(&store, model, variable, storage);
            variables.push(made.with_context(|| format!("{}: variable {}", path.display(), variable.path))?);
        }
        // Readers without the codec refuse a whole store whose consolidated metadata names it.
        let consolidate = storage.iter().all(|s| matches!(s, Storage::Plain { .. }));
        Ok(Self { store, variables, consolidate })
    }
}

/// Absolute path of a variable's array.
fn node_path(model: &Model, variable: &Variable) -> String {
    format!("{}/{}", model.groups[variable.group].path.trim_end_matches('/'), variable.name)
}

fn array(
    store: &Arc<FilesystemStore>,
    model: &Model,
    variable: &Variable,
    storage: &Storage,
) -> Result<(Array<FilesystemStore>, Vec<usize>)> {
    let (dtype, fill) = match variable.dtype {
        DataType::Number(d) => (d.name(), variable.fill.clone().unwrap_or_else(|| vec![0; d.size()])),
        DataType::Char => ("uint8", vec![0]),
        DataType::String => ("string", Vec::new()),
    };
    let mut map = attributes::to_json(&variable.path, &variable.attributes, Some(variable.dtype))?;
    if variable.dtype == DataType::Char {
        map.insert(ELEMENT.to_owned(), json!("char"));
    }
    let chunks = match storage {
        Storage::Plain { chunks: Some(chunks) } | Storage::Hiha { chunks, .. } => chunks.clone(),
        Storage::Plain { chunks: None } => plain_chunks(&variable.shape),
    };
    let chunks: Vec<usize> = chunks.into_iter().map(|c| c.max(1)).collect();
    let as_u64 = |lengths: &[usize]| lengths.iter().map(|&l| l as u64).collect::<Vec<u64>>();
    let mut builder = ArrayBuilder::new(as_u64(&variable.shape), as_u64(&chunks), dtype, FillValue::new(fill));
    builder.attributes(map).dimension_names(Some(model.dim_names(variable)));
    if let Storage::Hiha { config, .. } = storage {
        builder.array_to_bytes_codec(Arc::new(HihaCodec::new(config.clone())?));
    }
    let array = builder.build(store.clone(), &node_path(model, variable))?;
    array.store_metadata_opt(&ArrayMetadataOptions::default().with_include_zarrs_metadata(false))?;
    Ok((array, chunks))
}

/// Leading dimensions cut until a chunk is small.
fn plain_chunks(shape: &[usize]) -> Vec<usize> {
    let mut chunks = shape.to_vec();
    for i in 0..chunks.len() {
        let inner: usize = chunks[i + 1..].iter().product();
        chunks[i] = chunks[i].min((PLAIN_CHUNK / inner.max(1)).max(1));
    }
    chunks
}

impl Output for Writer {
    fn write(&mut self, variable: usize, start: &[usize], count: &[usize], values: &Values) -> Result<()> {
        if count.contains(&0) {
            return Ok(());
        }
        let (array, _) = &self.variables[variable];
        let ranges: Vec<_> = start.iter().zip(count).map(|(&s, &c)| s as u64..(s + c) as u64).collect();
        let subset = ArraySubset::new_with_ranges(&ranges);
        let context = || format!("writing {}", array.path());
        match values {
            Values::Fixed(bytes) if *array.data_type() != data_type::string() => {
                array.store_array_subset(&subset, ArrayBytes::new_flen(bytes.as_slice())).with_context(context)
            }
            Values::Strings(strings) => {
                let strings: Vec<String> = strings.iter().map(|s| String::from_utf8_lossy(s).into_owned()).collect();
                array.store_array_subset(&subset, &strings).with_context(context)
            }
            _ => bail!("{}: values of another type", context()),
        }
    }

    fn write_chunk(&mut self, variable: usize, offset: &[usize], stream: &[u8]) -> Result<()> {
        let (array, chunks) = &self.variables[variable];
        let indices: Vec<u64> = offset.iter().zip(chunks).map(|(&o, &c)| (o / c) as u64).collect();
        self.store
            .set(&array.chunk_key(&indices), stream.to_vec().into())
            .with_context(|| format!("writing {} chunk {indices:?}", array.path()))
    }

    fn finish(self: Box<Self>) -> Result<()> {
        if self.consolidate {
            let metadata = Node::open(&self.store, "/")?.consolidate_metadata().unwrap_or_default();
            let mut root = Group::open(self.store.clone(), "/")?;
            root.set_consolidated_metadata(Some(ConsolidatedMetadata { metadata, ..Default::default() }));
            root.store_metadata()?;
        }
        Ok(())
    }
}
