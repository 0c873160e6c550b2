//! The loaded library that calls us, and the functions it offers.
//!
//! A process may hold several copies of HDF5 (the wheels of h5py and netCDF4 each bring one, loaded
//! privately). Handles of one copy mean nothing to another, so symbols come from the very object that
//! holds the return address of the call, and from no other.

use std::ffi::{CStr, c_void};
use std::mem::MaybeUninit;

/// A loaded library or the main program.
pub(crate) struct Object {
    handle: *mut c_void,
    /// Load address; 0 when the caller is unknown.
    pub(crate) base: usize,
}

fn symbol_info(address: *const c_void) -> Option<libc::Dl_info> {
    let mut info = MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: dladdr takes any address and fills the structure when it returns non-zero.
    (unsafe { libc::dladdr(address, info.as_mut_ptr()) } != 0).then(|| {
        // SAFETY: an all-zero Dl_info is valid, and dladdr has filled it.
        unsafe { info.assume_init() }
    })
}

/// Load address of the object that holds `address`; 0 when there is none.
pub(crate) fn base_of(address: usize) -> usize {
    if address == 0 { 0 } else { symbol_info(address as *const c_void).map_or(0, |i| i.dli_fbase as usize) }
}

impl Object {
    /// The object that holds `address`. 0 (a platform without the trampolines) means the global scope.
    /// The library stays loaded from here on, so that what is found in it stays valid.
    pub(crate) fn holding(address: usize) -> Option<Self> {
        if address == 0 {
            return Some(Self { handle: libc::RTLD_DEFAULT, base: 0 });
        }
        let info = symbol_info(address as *const c_void)?;
        let mut handle = std::ptr::null_mut();
        if !info.dli_fname.is_null() {
            // SAFETY: the name is a NUL-terminated string of the loader; NOLOAD runs no code.
            handle = unsafe { libc::dlopen(info.dli_fname, libc::RTLD_LAZY | libc::RTLD_NOLOAD) };
        }
        if handle.is_null() {
            // The main program is not found by its name. `symbol` checks that it is what we want.
            // SAFETY: a null name asks for the main program.
            handle = unsafe { libc::dlopen(std::ptr::null(), libc::RTLD_LAZY) };
        }
        (!handle.is_null()).then_some(Self { handle, base: info.dli_fbase as usize })
    }

    /// Address of a symbol that this object itself defines.
    pub(crate) fn symbol(&self, name: &CStr) -> Option<*mut c_void> {
        // SAFETY: the handle is open and the name NUL-terminated.
        let found = unsafe { libc::dlsym(self.handle, name.as_ptr()) };
        let ours = !found.is_null() && (self.base == 0 || base_of(found as usize) == self.base);
        ours.then_some(found)
    }
}

/// A table of foreign functions, all from one object.
macro_rules! functions {
    ($(#[$doc:meta])* $name:ident { $($field:ident = $symbol:literal: fn($($arg:ty),*) -> $ret:ty;)* }) => {
        $(#[$doc])*
        pub(crate) struct $name { $(pub(crate) $field: unsafe extern "C" fn($($arg),*) -> $ret),* }
        impl $name {
            /// `None` when the object lacks one of the functions.
            pub(crate) fn load(object: &$crate::object::Object) -> Option<Self> {
                Some(Self { $($field: {
                    let address = object.symbol($symbol)?;
                    // SAFETY: the symbol of this name has this C signature in every supported release.
                    unsafe { std::mem::transmute::<*mut std::ffi::c_void, unsafe extern "C" fn($($arg),*) -> $ret>(address) }
                }),* })
            }
        }
    };
}
pub(crate) use functions;
