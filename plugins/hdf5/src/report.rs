//! Where errors go: HDF5's error stack, or else one line on stderr.

use crate::hdf5::Hdf5;
use std::sync::Once;

/// An error of the codec as it leaves through C.
#[allow(clippy::needless_pass_by_value)]
pub(crate) fn text(error: hiha::Error) -> String {
    error.to_string()
}

/// Report an error to the HDF5 that holds the return address `caller`. Without its error stack the
/// first message of the process goes to stderr and the rest are dropped: a damaged file may have
/// thousands of bad chunks.
pub(crate) fn error(caller: usize, message: &str) {
    if Hdf5::of_caller(caller).is_some_and(|h| h.push_error(message)) {
        return;
    }
    static FIRST: Once = Once::new();
    FIRST.call_once(|| eprintln!("hiha: {message}"));
}
