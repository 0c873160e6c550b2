//! Zarr stores in a directory: v3 is written, v3 and v2 are read.

mod attributes;
mod reader;
mod writer;

pub(crate) use reader::Reader;
pub(crate) use writer::Writer;

/// Group attribute: names of its unlimited dimensions, which Zarr has no place for.
const UNLIMITED: &str = "_hiha_unlimited_dimensions";
/// Attribute: types of the attributes beside it that JSON does not tell.
const TYPES: &str = "_hiha_attribute_types";
/// Array attribute: `char` when the bytes are text.
const ELEMENT: &str = "_hiha_type";
