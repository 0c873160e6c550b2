//! The host's HDF5, found at run time; one table for each copy in the process.

use crate::abi::Hid;
use crate::object::{Object, base_of, functions};
use std::collections::HashMap;
use std::ffi::{CString, c_char, c_int, c_uint, c_void};
use std::sync::{Mutex, PoisonError};

functions! {
    /// The functions of HDF5 that `can_apply` and `set_local` need.
    Functions {
        modify_filter = c"H5Pmodify_filter": fn(Hid, c_int, c_uint, usize, *const c_uint) -> c_int;
        filter_by_id = c"H5Pget_filter_by_id2": fn(Hid, c_int, *mut c_uint, *mut usize, *mut c_uint, usize, *mut c_char, *mut c_uint) -> c_int;
        filter_at = c"H5Pget_filter2": fn(Hid, c_uint, *mut c_uint, *mut usize, *mut c_uint, usize, *mut c_char, *mut c_uint) -> c_int;
        n_filters = c"H5Pget_nfilters": fn(Hid) -> c_int;
        chunk = c"H5Pget_chunk": fn(Hid, c_int, *mut u64) -> c_int;
        fill_defined = c"H5Pfill_value_defined": fn(Hid, *mut c_int) -> c_int;
        fill_value = c"H5Pget_fill_value": fn(Hid, Hid, *mut c_void) -> c_int;
        type_class = c"H5Tget_class": fn(Hid) -> c_int;
        type_size = c"H5Tget_size": fn(Hid) -> usize;
        type_order = c"H5Tget_order": fn(Hid) -> c_int;
        type_sign = c"H5Tget_sign": fn(Hid) -> c_int;
        type_precision = c"H5Tget_precision": fn(Hid) -> usize;
        float_fields = c"H5Tget_fields": fn(Hid, *mut usize, *mut usize, *mut usize, *mut usize, *mut usize) -> c_int;
        exponent_bias = c"H5Tget_ebias": fn(Hid) -> usize;
    }
}

type Push = unsafe extern "C" fn(Hid, *const c_char, *const c_char, c_uint, Hid, Hid, Hid, *const c_char, ...) -> c_int;

/// HDF5's error stack: `H5Epush2` and the ids under which we push.
struct ErrorStack {
    push: Push,
    /// Addresses of `H5E_ERR_CLS_g`, `H5E_PLINE_g`, `H5E_CANTFILTER_g`.
    ids: [*const Hid; 3],
}

/// One copy of HDF5.
pub(crate) struct Hdf5 {
    pub(crate) functions: Functions,
    errors: Option<ErrorStack>,
}
// SAFETY: the pointers lead into a library that is never unloaded; HDF5 serialises its own calls.
unsafe impl Send for Hdf5 {}
// SAFETY: as above.
unsafe impl Sync for Hdf5 {}

impl Hdf5 {
    /// The HDF5 that holds the return address `caller`. `None` when its functions cannot be seen, as in
    /// a program that links HDF5 statically.
    pub(crate) fn of_caller(caller: usize) -> Option<&'static Self> {
        static FOUND: Mutex<Option<HashMap<usize, Option<&'static Hdf5>>>> = Mutex::new(None);
        let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
        *found.get_or_insert_default().entry(base_of(caller)).or_insert_with(|| {
            let object = Object::holding(caller)?;
            let hdf5 = Self { functions: Functions::load(&object)?, errors: ErrorStack::load(&object) };
            // One small table for each copy of HDF5 in the process, for good.
            Some(Box::leak(Box::new(hdf5)))
        })
    }

    /// Put a message on HDF5's error stack; false when that cannot be done.
    pub(crate) fn push_error(&self, message: &str) -> bool {
        let Some(stack) = &self.errors else { return false };
        let Ok(text) = CString::new(message.replace('\0', " ")) else { return false };
        // SAFETY: the three symbols are hid_t variables of HDF5, set before any filter runs.
        let [class, major, minor] = stack.ids.map(|p| unsafe { p.read() });
        // SAFETY: strings are NUL-terminated; the format takes exactly one string.
        let rc = unsafe {
            (stack.push)(
                0,
                c"hiha".as_ptr(),
                c"libh5zhiha".as_ptr(),
                0,
                class,
                major,
                minor,
                c"%s".as_ptr(),
                text.as_ptr(),
            )
        };
        rc >= 0
    }
}

impl ErrorStack {
    fn load(object: &Object) -> Option<Self> {
        let push = object.symbol(c"H5Epush2")?;
        let id = |name| object.symbol(name).map(|p| p.cast::<Hid>().cast_const());
        Some(Self {
            // SAFETY: H5Epush2 has this signature since HDF5 1.10.
            push: unsafe { std::mem::transmute::<*mut c_void, Push>(push) },
            ids: [id(c"H5E_ERR_CLS_g")?, id(c"H5E_PLINE_g")?, id(c"H5E_CANTFILTER_g")?],
        })
    }
}
