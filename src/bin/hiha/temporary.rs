//! Output under a temporary name beside its final one. It disappears on error and on SIGINT,
//! SIGTERM or SIGHUP.

use anyhow::{Context, Result, bail, ensure};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Held while the output is written, so that the signal thread never removes it under a writer.
static CURRENT: Mutex<Option<PathBuf>> = Mutex::new(None);

fn gate() -> MutexGuard<'static, Option<PathBuf>> {
    CURRENT.lock().unwrap_or_else(PoisonError::into_inner)
}

fn remove(path: &Path) {
    let result = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    if let Err(e) = result.or_else(|e| if e.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(e) }) {
        eprintln!("hiha: {}: cannot remove it: {e}", path.display());
    }
}

/// The output of a verb while it is being written.
pub(crate) struct Temporary {
    path: PathBuf,
    target: PathBuf,
}

impl Temporary {
    /// Choose the temporary name for `target`, after checking that it may be written.
    ///
    /// # Errors
    /// When it exists and `overwrite` is false, or is the input.
    pub(crate) fn new(input: &Path, target: &Path, overwrite: bool) -> Result<Self> {
        if target.exists() {
            let same = std::fs::canonicalize(input).ok() == std::fs::canonicalize(target).ok();
            ensure!(!same, "{}: input and output are the same file", target.display());
            ensure!(overwrite, "{}: exists; --overwrite replaces it", target.display());
        }
        let name = target.file_name().with_context(|| format!("{}: not a file name", target.display()))?;
        let path = target.with_file_name(format!(".{}.{}.tmp", name.to_string_lossy(), std::process::id()));
        watch_signals()?;
        *gate() = Some(path.clone());
        Ok(Self { path, target: target.to_owned() })
    }

    /// The temporary name.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Do `write` while no signal may remove the output.
    pub(crate) fn guarded<T>(&self, write: impl FnOnce() -> Result<T>) -> Result<T> {
        let _gate = gate();
        write()
    }

    /// Give the finished output its name.
    ///
    /// # Errors
    /// When the rename fails; the temporary is removed then.
    pub(crate) fn keep(self) -> Result<()> {
        let mut current = gate();
        // rename(2) replaces files but no directory that holds something.
        if self.target.is_dir() {
            let marked = self.target.join("zarr.json").exists() || self.target.join(".zgroup").exists();
            if !marked {
                drop(current);
                bail!("{}: a directory that is no Zarr store is in the way", self.target.display());
            }
            std::fs::remove_dir_all(&self.target)?;
        }
        std::fs::rename(&self.path, &self.target).with_context(|| self.target.display().to_string())?;
        *current = None;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let mut current = gate();
        if current.take().is_some() {
            remove(&self.path);
        }
    }
}

fn watch_signals() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            let current = gate();
            if let Some(path) = &*current {
                remove(path);
            }
            // Ends the process as the signal would have; the gate stays shut until then.
            let _ = signal_hook::low_level::emulate_default_handler(signal);
            std::process::abort();
        }
    });
    Ok(())
}
