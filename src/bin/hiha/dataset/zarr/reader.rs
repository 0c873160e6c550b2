//! A Zarr v3 or v2 store open for reading.

use super::{ELEMENT, UNLIMITED, attributes};
use crate::dataset::{DataType, Dataset, DimId, Dimension, Filter, Group, Model, Values, Variable};
use anyhow::{Context, Result, anyhow, bail};
use hiha::DType;
use serde_json::{Map, Value};
use std::{path::Path, sync::Arc};
use zarrs::array::{Array, ArrayBytes, ArrayMetadata, ArraySubset, ChunkShapeTraits};
use zarrs::filesystem::FilesystemStore;
use zarrs::metadata::GroupMetadata;
use zarrs::node::{Node, NodeMetadata};
use zarrs::plugin::ZarrVersion;
use zarrs::storage::{ReadableStorageTraits, byte_range::ByteRange};

/// See the module.
pub(crate) struct Reader {
    store: Arc<FilesystemStore>,
    model: Model,
    arrays: Vec<Array<FilesystemStore>>,
}

impl Reader {
    /// Open the store and read all metadata.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let context = || path.display().to_string();
        if !path.is_dir() {
            bail!("{}: no such Zarr store", context());
        }
        let store = Arc::new(FilesystemStore::new(path).with_context(context)?);
        let root = Node::open(&store, "/").with_context(context)?;
        let mut reader = Self { store, model: Model::default(), arrays: Vec::new() };
        reader.node(&root, None).with_context(context)?;
        Ok(reader)
    }

    /// Take a node and what is below it; arrays before groups, so that parents' dimensions come first.
    fn node(&mut self, node: &Node, parent: Option<usize>) -> Result<()> {
        let NodeMetadata::Group(metadata) = node.metadata() else {
            if parent.is_none() {
                bail!("the store holds a single array; expected a group");
            }
            return Ok(());
        };
        let mut map: Map<String, Value> = match metadata {
            GroupMetadata::V3(m) => m.attributes.clone(),
            GroupMetadata::V2(m) => m.attributes.clone(),
        };
        let unlimited = map.remove(UNLIMITED).unwrap_or_default();
        let group = self.model.groups.len();
        self.model.groups.push(Group {
            path: node.path().as_str().to_owned(),
            dims: Vec::new(),
            attributes: attributes::from_json(map, None),
        });
        let mut children: Vec<&Node> = node.children().iter().collect();
        children.sort_by_key(|c| c.path().as_str().to_owned());
        for child in children.iter().filter(|c| matches!(c.metadata(), NodeMetadata::Array(_))) {
            let path = child.path().as_str();
            self.array(path, group).with_context(|| format!("variable {path}"))?;
        }
        for dim in &mut self.model.groups[group].dims {
            dim.unlimited = unlimited.as_array().is_some_and(|names| names.iter().any(|n| *n == *dim.name));
        }
        for child in children.iter().filter(|c| matches!(c.metadata(), NodeMetadata::Group(_))) {
            self.node(child, Some(group))?;
        }
        Ok(())
    }

    fn array(&mut self, path: &str, group: usize) -> Result<()> {
        let array = Array::open(self.store.clone(), path)?;
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        let mut map = array.attributes().clone();
        let names = dimension_names(&array, &mut map);
        let is_char = map.remove(ELEMENT).is_some_and(|e| e == "char");
        let zarr_type = array.data_type().name(ZarrVersion::V3).unwrap_or_default();
        let dtype = match (&*zarr_type, DType::from_name(&zarr_type)) {
            (_, Some(DType::U8)) if is_char => DataType::Char,
            (_, Some(d)) => DataType::Number(d),
            ("bool", _) => DataType::Number(DType::U8),
            ("string", _) => DataType::String,
            _ => bail!("data type {zarr_type} is not supported"),
        };
        let shape = array.shape().iter().map(|&n| usize::try_from(n)).collect::<Result<Vec<_>, _>>()?;
        let dims = (0..shape.len()).map(|i| self.dimension(group, names.get(i).cloned().flatten(), shape[i])).collect();
        let fill = (dtype != DataType::String).then(|| array.fill_value().as_ne_bytes().to_vec());
        let mut attributes = attributes::from_json(map, Some(dtype));
        if let (ArrayMetadata::V2(m), DataType::Number(d), Some(fill)) = (array.metadata(), dtype, &fill) {
            // In v2 the array's own fill value plays the part of the attribute, as xarray has it.
            if !m.fill_value.is_null() && !attributes.iter().any(|a| a.name == "_FillValue") {
                attributes.push(attributes::fill_attribute(d, fill));
            }
        }
        let chunks = array.chunk_shape(&vec![0; shape.len()]).ok();
        self.model.variables.push(Variable {
            path: if group == 0 { name.clone() } else { path.to_owned() },
            name,
            group,
            dtype,
            dims,
            shape,
            chunks: chunks.map(|c| c.to_array_shape().iter().map(|&n| n as usize).collect()),
            filters: filters(&array),
            fill,
            attributes,
        });
        self.arrays.push(array);
        Ok(())
    }

    /// Place in the chunk grid of the chunk whose first element is at `offset`.
    fn chunk_indices(&self, variable: usize, offset: &[usize]) -> Vec<u64> {
        let chunks = self.model.variables[variable].chunks.as_deref().unwrap_or_default();
        offset.iter().zip(chunks).map(|(&o, &c)| (o / c.max(1)) as u64).collect()
    }

    /// The dimension of that name and length in the group or above it; else a new one.
    fn dimension(&mut self, group: usize, name: Option<String>, len: usize) -> DimId {
        let mut name = name.unwrap_or_else(|| format!("dim_{len}"));
        let mut path = self.model.groups[group].path.clone();
        loop {
            if let Some(g) = self.model.groups.iter().position(|g| g.path == path)
                && let Some(index) = self.model.groups[g].dims.iter().position(|d| d.name == name)
            {
                if self.model.groups[g].dims[index].len == len {
                    return DimId { group: g, index };
                }
                if g == group {
                    // Zarr lets arrays disagree about a dimension; netCDF does not.
                    name = format!("{name}_{len}");
                    continue;
                }
                break;
            }
            match path.rfind('/') {
                _ if path == "/" => break,
                Some(0) | None => path = "/".to_owned(),
                Some(i) => path.truncate(i),
            }
        }
        let dims = &mut self.model.groups[group].dims;
        dims.push(Dimension { name, len, unlimited: false });
        DimId { group, index: dims.len() - 1 }
    }
}

/// Names from v3 metadata, or from xarray's attribute in v2.
fn dimension_names(array: &Array<FilesystemStore>, map: &mut Map<String, Value>) -> Vec<Option<String>> {
    let attribute = map.remove("_ARRAY_DIMENSIONS");
    match (array.dimension_names(), attribute) {
        (Some(names), _) => names.clone(),
        (None, Some(Value::Array(names))) => names.iter().map(|n| n.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    }
}

/// The codecs of an array; `hiha` only where a chunk is one stream.
fn filters(array: &Array<FilesystemStore>) -> Vec<Filter> {
    let json = serde_json::to_value(array.metadata()).unwrap_or_default();
    let mut codecs: Vec<Value> = Vec::new();
    for key in ["codecs", "filters"] {
        codecs.extend(json[key].as_array().into_iter().flatten().cloned());
    }
    codecs.extend(json.get("compressor").filter(|c| !c.is_null()).cloned());
    let alone = codecs.len() == 1;
    let named = codecs.into_iter().filter_map(|mut codec| {
        let object = codec.as_object_mut()?;
        let name = object.remove("name").or_else(|| object.remove("id"))?.as_str()?.to_owned();
        let parameters = object.remove("configuration").unwrap_or_else(|| Value::Object(object.clone()));
        Some(Filter { name, parameters: parameters.to_string() })
    });
    named
        .filter(|f| f.name != "bytes")
        .map(|f| if f.name == "hiha" && !alone { Filter { name: "hiha (inside other codecs)".into(), ..f } } else { f })
        .collect()
}

impl Dataset for Reader {
    fn model(&self) -> &Model {
        &self.model
    }

    fn read(&self, variable: usize, start: &[usize], count: &[usize]) -> Result<Values> {
        let array = &self.arrays[variable];
        let context = || format!("reading {}", array.path());
        let ranges: Vec<_> = start.iter().zip(count).map(|(&s, &c)| s as u64..(s + c) as u64).collect();
        let subset = ArraySubset::new_with_ranges(&ranges);
        if self.model.variables[variable].dtype == DataType::String {
            let strings: Vec<String> = array.retrieve_array_subset(&subset).with_context(context)?;
            return Ok(Values::Strings(strings.into_iter().map(String::into_bytes).collect()));
        }
        let bytes: ArrayBytes<'_> = array.retrieve_array_subset(&subset).with_context(context)?;
        Ok(Values::Fixed(bytes.into_fixed().map_err(|e| anyhow!("{}: {e}", context()))?.into_owned()))
    }

    fn stored_bytes(&self, variable: usize) -> Result<u64> {
        let array = &self.arrays[variable];
        let mut total = 0;
        for indices in &ArraySubset::new_with_shape(array.chunk_grid_shape().to_vec()).indices() {
            total += self.store.size_key(&array.chunk_key(&indices))?.unwrap_or(0);
        }
        Ok(total)
    }

    fn raw_chunk(&self, variable: usize, offset: &[usize]) -> Result<Option<Vec<u8>>> {
        let array = &self.arrays[variable];
        let indices = self.chunk_indices(variable, offset);
        array.retrieve_encoded_chunk(&indices).with_context(|| format!("reading {} chunk {indices:?}", array.path()))
    }

    fn chunk_front(&self, variable: usize, offset: &[usize], bytes: u64) -> Result<Option<(Vec<u8>, u64)>> {
        let key = self.arrays[variable].chunk_key(&self.chunk_indices(variable, offset));
        let Some(size) = self.store.size_key(&key)? else { return Ok(None) };
        let front = ByteRange::FromStart(0, Some(bytes.min(size)));
        let bytes = self.store.get_partial(&key, front).with_context(|| format!("reading {key}"))?;
        Ok(bytes.map(|b| (b.to_vec(), size)))
    }
}
