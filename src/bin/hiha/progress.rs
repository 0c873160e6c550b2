//! A progress bar on stderr; hidden when that is no terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over `bytes` bytes.
pub(crate) fn bar(bytes: u64) -> ProgressBar {
    let bar = ProgressBar::new(bytes);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta} {msg}") {
        bar.set_style(style);
    }
    bar
}
