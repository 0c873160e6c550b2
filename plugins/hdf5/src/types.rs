//! HDF5's description of an element type as ours.

use crate::abi::{H5T_FLOAT, H5T_INTEGER, H5T_ORDER_BE, H5T_ORDER_LE, H5T_SGN_NONE, Hid};
use crate::hdf5::Functions;
use hiha::{ByteOrder, DType};

/// Element type and byte order of an HDF5 type; `None` for what the codec does not hold.
pub(crate) fn describe(h5: &Functions, type_id: Hid) -> Option<(DType, ByteOrder)> {
    // SAFETY: the id is the one HDF5 gave to the callback; these calls only read it.
    let (class, size) = unsafe { ((h5.type_class)(type_id), (h5.type_size)(type_id)) };
    let dtype = match class {
        H5T_INTEGER => integer(h5, type_id, size)?,
        H5T_FLOAT => float(h5, type_id, size)?,
        _ => return None,
    };
    // SAFETY: as above.
    let order = match unsafe { (h5.type_order)(type_id) } {
        H5T_ORDER_LE => ByteOrder::Little,
        H5T_ORDER_BE => ByteOrder::Big,
        // One byte has no order.
        _ if size == 1 => ByteOrder::NATIVE,
        _ => return None,
    };
    Some((dtype, order))
}

fn integer(h5: &Functions, type_id: Hid, size: usize) -> Option<DType> {
    // SAFETY: as in `describe`.
    let (sign, precision) = unsafe { ((h5.type_sign)(type_id), (h5.type_precision)(type_id)) };
    // Padding bits would be part of the number for us.
    if precision != size * 8 {
        return None;
    }
    Some(match (size, sign == H5T_SGN_NONE) {
        (1, false) => DType::I8,
        (1, true) => DType::U8,
        (2, false) => DType::I16,
        (2, true) => DType::U16,
        (4, false) => DType::I32,
        (4, true) => DType::U32,
        (8, false) => DType::I64,
        (8, true) => DType::U64,
        _ => return None,
    })
}

/// Only the IEEE layouts and bfloat16: sign on top, exponent, then mantissa, no padding.
fn float(h5: &Functions, type_id: Hid, size: usize) -> Option<DType> {
    let (mut sign, mut exp, mut exp_bits, mut man, mut man_bits) = (0, 0, 0, 0, 0);
    // SAFETY: the out pointers are valid, the rest as in `describe`.
    let (rc, bias) = unsafe {
        let rc = (h5.float_fields)(type_id, &mut sign, &mut exp, &mut exp_bits, &mut man, &mut man_bits);
        (rc, (h5.exponent_bias)(type_id))
    };
    if rc < 0 || man != 0 || exp != man_bits || sign != exp + exp_bits || sign + 1 != size * 8 {
        return None;
    }
    Some(match (exp_bits, man_bits, bias) {
        (5, 10, 15) => DType::F16,
        (8, 7, 127) => DType::BF16,
        (8, 23, 127) => DType::F32,
        (11, 52, 1023) => DType::F64,
        _ => return None,
    })
}
