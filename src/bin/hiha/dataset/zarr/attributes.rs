//! Attributes as JSON and back, with xarray's spelling of `_FillValue`.

use super::TYPES;
use crate::dataset::{Attribute, DataType, Values};
use anyhow::{Result, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use hiha::{DType, Element};
use serde_json::{Map, Value, json};

/// Attributes that hold values of their variable.
const OF_THE_VARIABLE: [&str; 6] =
    ["missing_value", "valid_min", "valid_max", "valid_range", "flag_values", "flag_masks"];

/// Run `$body` with `$T` bound to the Rust type of a [`DType`].
macro_rules! with_type {
    ($dtype:expr, $T:ident => $body:expr) => {{
        macro_rules! arm {
            ($t:ty) => {{
                type $T = $t;
                $body
            }};
        }
        match $dtype {
            DType::F16 => arm!(half::f16),
            DType::BF16 => arm!(half::bf16),
            DType::F32 => arm!(f32),
            DType::F64 => arm!(f64),
            DType::I8 => arm!(i8),
            DType::U8 => arm!(u8),
            DType::I16 => arm!(i16),
            DType::U16 => arm!(u16),
            DType::I32 => arm!(i32),
            DType::U32 => arm!(u32),
            DType::I64 => arm!(i64),
            DType::U64 => arm!(u64),
        }
    }};
}

/// One element in native byte order as JSON; what is not finite as text, as in Zarr fill values.
fn number_to_json(dtype: DType, bytes: &[u8]) -> Value {
    with_type!(dtype, T => {
        let v: T = bytemuck::pod_read_unaligned(bytes);
        match dtype {
            DType::U64 => json!((v.to_ordinal() as u64) ^ (1 << 63)),
            _ if !dtype.is_float() => json!(v.to_ordinal()),
            _ if v.to_f64().is_nan() => json!("NaN"),
            _ if v.to_f64().is_infinite() => json!(if v.to_f64() > 0.0 { "Infinity" } else { "-Infinity" }),
            _ => json!(v.to_f64()),
        }
    })
}

/// JSON as one element in native byte order.
fn number_from_json(dtype: DType, value: &Value) -> Option<Vec<u8>> {
    let float = match value {
        Value::String(s) => match s.as_str() {
            "NaN" => f64::NAN,
            "Infinity" => f64::INFINITY,
            "-Infinity" => f64::NEG_INFINITY,
            _ => return None,
        },
        Value::Bool(b) => f64::from(u8::from(*b)),
        other => other.as_f64()?,
    };
    with_type!(dtype, T => {
        let element = match (dtype, value.as_i64(), value.as_u64()) {
            (DType::U64, _, Some(v)) => T::from_ordinal((v ^ (1 << 63)) as i64),
            (DType::I64, Some(v), _) => T::from_ordinal(v),
            _ => T::from_f64(float),
        };
        Some(bytemuck::bytes_of(&element).to_vec())
    })
}

/// The type that a JSON value has without further knowledge.
fn inferred(value: &Value) -> DataType {
    match value {
        Value::Bool(_) => DataType::Number(DType::U8),
        Value::Number(n) if n.as_i64().is_some_and(|v| i32::try_from(v).is_ok()) => DataType::Number(DType::I32),
        Value::Number(n) if n.is_i64() => DataType::Number(DType::I64),
        Value::Number(n) if n.is_u64() => DataType::Number(DType::U64),
        Value::Number(_) => DataType::Number(DType::F64),
        Value::Array(items) if !items.is_empty() && items.iter().all(Value::is_string) => DataType::String,
        // The widest of the items, in this order.
        Value::Array(items) if !items.is_empty() && items.iter().all(|v| v.is_number() || v.is_boolean()) => {
            let types: Vec<_> = items.iter().map(inferred).collect();
            let order = [DType::F64, DType::U64, DType::I64, DType::I32, DType::U8];
            let widest = order.into_iter().find(|d| types.contains(&DataType::Number(*d)));
            DataType::Number(widest.unwrap_or(DType::F64))
        }
        _ => DataType::Char,
    }
}

/// Attributes of a variable of that type, or of a group, as JSON.
pub(super) fn to_json(of: &str, attributes: &[Attribute], variable: Option<DataType>) -> Result<Map<String, Value>> {
    let (mut map, mut types) = (Map::new(), Map::new());
    for a in attributes {
        if let ("_FillValue", Some(DataType::Number(d)), Values::Fixed(bytes)) = (&*a.name, variable, &a.values)
            && a.dtype == DataType::Number(d)
            && bytes.len() == d.size()
        {
            map.insert(a.name.clone(), fill_to_json(d, bytes));
            continue;
        }
        let value = match (a.dtype, &a.values) {
            (DataType::Number(d), Values::Fixed(bytes)) => {
                let mut items: Vec<Value> = bytes.chunks_exact(d.size()).map(|b| number_to_json(d, b)).collect();
                if items.len() == 1 { items.remove(0) } else { Value::Array(items) }
            }
            (DataType::Char, Values::Fixed(bytes)) => json!(String::from_utf8_lossy(bytes).trim_end_matches('\0')),
            (DataType::String, Values::Strings(s)) if s.len() == 1 => json!(String::from_utf8_lossy(&s[0])),
            (DataType::String, Values::Strings(s)) => s.iter().map(|s| String::from_utf8_lossy(s)).collect(),
            _ => bail!("{of}: attribute {} has values of another type than it says", a.name),
        };
        let implied = variable.filter(|_| OF_THE_VARIABLE.contains(&&*a.name)).unwrap_or_else(|| inferred(&value));
        if implied != a.dtype {
            types.insert(a.name.clone(), json!(a.dtype.to_string()));
        }
        map.insert(a.name.clone(), value);
    }
    if !types.is_empty() {
        map.insert(TYPES.to_owned(), Value::Object(types));
    }
    Ok(map)
}

/// Attributes from JSON.
pub(super) fn from_json(mut map: Map<String, Value>, variable: Option<DataType>) -> Vec<Attribute> {
    let types = map.remove(TYPES);
    let mut attributes = Vec::with_capacity(map.len());
    for (name, value) in map {
        if value.is_null() {
            continue;
        }
        let recorded = types.as_ref().and_then(|t| t.get(&name)).and_then(Value::as_str).and_then(|t| match t {
            "char" => Some(DataType::Char),
            "string" => Some(DataType::String),
            number => DType::from_name(number).map(DataType::Number),
        });
        let of_variable = variable.filter(|_| name == "_FillValue" || OF_THE_VARIABLE.contains(&&*name));
        let dtype = recorded.or(of_variable).unwrap_or_else(|| inferred(&value));
        let value = if name == "_FillValue" { fill_from_json(dtype, value) } else { value };
        let (dtype, values) = typed(dtype, &value);
        attributes.push(Attribute { name, dtype, values });
    }
    attributes
}

/// Elements of that type; text where the value does not fit it.
fn typed(dtype: DataType, value: &Value) -> (DataType, Values) {
    let one = std::slice::from_ref(value);
    let items = value.as_array().map_or(one, Vec::as_slice);
    let text = || value.as_str().map_or_else(|| value.to_string(), str::to_owned).into_bytes();
    match dtype {
        DataType::Number(d) => {
            if let Some(parts) = items.iter().map(|v| number_from_json(d, v)).collect::<Option<Vec<_>>>() {
                return (dtype, Values::Fixed(parts.concat()));
            }
        }
        DataType::String => {
            if let Some(s) = items.iter().map(|v| Some(v.as_str()?.as_bytes().to_vec())).collect() {
                return (dtype, Values::Strings(s));
            }
        }
        _ => {}
    }
    (DataType::Char, Values::Fixed(text()))
}

/// xarray's spelling in Zarr v3: floats as the base64 of a little-endian double.
fn fill_to_json(dtype: DType, bytes: &[u8]) -> Value {
    if !dtype.is_float() {
        return number_to_json(dtype, bytes);
    }
    let v = with_type!(dtype, T => bytemuck::pod_read_unaligned::<T>(bytes).to_f64());
    json!(BASE64.encode(v.to_le_bytes()))
}

fn fill_from_json(dtype: DataType, value: Value) -> Value {
    let decoded = match (dtype, value.as_str()) {
        (DataType::Number(d), Some(text)) if d.is_float() => BASE64.decode(text).ok(),
        _ => None,
    };
    match decoded.and_then(|b| <[u8; 8]>::try_from(b).ok()) {
        Some(b) => number_to_json(DType::F64, &f64::from_le_bytes(b).to_ne_bytes()),
        None => value,
    }
}

/// The attribute that says the same as a Zarr v2 fill value.
pub(super) fn fill_attribute(dtype: DType, bytes: &[u8]) -> Attribute {
    Attribute { name: "_FillValue".to_owned(), dtype: DataType::Number(dtype), values: Values::Fixed(bytes.to_vec()) }
}
