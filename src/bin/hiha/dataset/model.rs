//! What a file holds, whatever its format: groups, dimensions, attributes, variables.

use anyhow::{Result, bail};
use hiha::DType;
use std::fmt;

/// Type of a variable or an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DataType {
    /// A number the codec knows.
    Number(DType),
    /// One byte of text (netCDF `char`).
    Char,
    /// Text of any length.
    String,
}

/// Elements of a variable or an attribute.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Values {
    /// Elements of fixed size, one after the other, native byte order (numbers, chars).
    Fixed(Vec<u8>),
    /// Strings.
    Strings(Vec<Vec<u8>>),
}

impl Values {
    /// The bytes of elements of fixed size.
    ///
    /// # Errors
    /// For strings.
    pub(crate) fn fixed(self) -> Result<Vec<u8>> {
        match self {
            Self::Fixed(bytes) => Ok(bytes),
            Self::Strings(_) => bail!("expected numbers, found strings"),
        }
    }
}

/// A named dimension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dimension {
    pub(crate) name: String,
    pub(crate) len: usize,
    pub(crate) unlimited: bool,
}

/// Which dimension: its group and its place there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DimId {
    pub(crate) group: usize,
    pub(crate) index: usize,
}

/// A named attribute.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Attribute {
    pub(crate) name: String,
    pub(crate) dtype: DataType,
    pub(crate) values: Values,
}

impl Attribute {
    /// The text of a char or single string attribute, without trailing NULs.
    pub(crate) fn text(&self) -> Option<String> {
        let bytes = match (&self.values, self.dtype) {
            (Values::Fixed(b), DataType::Char) => b,
            (Values::Strings(s), _) if s.len() == 1 => &s[0],
            _ => return None,
        };
        Some(String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned())
    }

    /// A text attribute.
    pub(crate) fn from_text(name: &str, text: &str) -> Self {
        Self { name: name.to_owned(), dtype: DataType::Char, values: Values::Fixed(text.as_bytes().to_vec()) }
    }
}

/// A group; `path` is `/` for the root and `/a/b` below.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Group {
    pub(crate) path: String,
    pub(crate) dims: Vec<Dimension>,
    pub(crate) attributes: Vec<Attribute>,
}

/// A compression filter of the file: its name (`hiha`, `deflate`, an HDF5 id) and parameters as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) name: String,
    pub(crate) parameters: String,
}

/// A variable.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Variable {
    /// `name` in the root group, `/group/name` elsewhere.
    pub(crate) path: String,
    pub(crate) name: String,
    pub(crate) group: usize,
    pub(crate) dtype: DataType,
    pub(crate) dims: Vec<DimId>,
    /// Lengths of the dimensions.
    pub(crate) shape: Vec<usize>,
    /// Shape of the stored chunks; `None` when contiguous.
    pub(crate) chunks: Option<Vec<usize>>,
    pub(crate) filters: Vec<Filter>,
    /// The fill value in force, declared or the format's default: one element in native byte order.
    pub(crate) fill: Option<Vec<u8>>,
    pub(crate) attributes: Vec<Attribute>,
}

impl Variable {
    /// Number of elements.
    pub(crate) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// The attribute of that name.
    pub(crate) fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|a| a.name == name)
    }

    /// The numeric type, if it is one.
    pub(crate) const fn number(&self) -> Option<DType> {
        match self.dtype {
            DataType::Number(d) => Some(d),
            _ => None,
        }
    }

    /// True when its chunks hold HiHa streams.
    pub(crate) fn is_hiha(&self) -> bool {
        self.filters.iter().any(|f| f.name == "hiha")
    }
}

/// Everything about a file but the values of its variables.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Model {
    /// Parents before children; the first is the root.
    pub(crate) groups: Vec<Group>,
    /// In file order.
    pub(crate) variables: Vec<Variable>,
}

impl Model {
    /// The dimension meant by `id`.
    pub(crate) fn dimension(&self, id: DimId) -> &Dimension {
        &self.groups[id.group].dims[id.index]
    }

    /// Names of a variable's dimensions.
    pub(crate) fn dim_names(&self, variable: &Variable) -> Vec<&str> {
        variable.dims.iter().map(|&d| self.dimension(d).name.as_str()).collect()
    }

    /// The variable of that path (`name`, `/name` or `/group/name`).
    pub(crate) fn find(&self, path: &str) -> Option<usize> {
        let wanted = path.trim_start_matches('/');
        self.variables.iter().position(|v| v.path.trim_start_matches('/') == wanted)
    }

    /// The 1-D coordinate variable of a dimension, if there is one.
    pub(crate) fn coordinate(&self, id: DimId) -> Option<usize> {
        let name = &self.dimension(id).name;
        self.variables.iter().position(|v| v.dims == [id] && v.group == id.group && &v.name == name)
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(d) => write!(f, "{d}"),
            Self::Char => f.write_str("char"),
            Self::String => f.write_str("string"),
        }
    }
}
