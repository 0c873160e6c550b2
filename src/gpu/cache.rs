//! Compiled kernels on disk. A file's name is a hash of all that its content depends on; files are written whole
//! under another name and then renamed, so that readers never see a part.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use sha2::{Digest, Sha256};

/// A folder of compiled kernels, or none where the user has no place for it.
#[derive(Debug, Clone)]
pub(crate) struct Cache(Option<PathBuf>);

impl Cache {
    /// `$XDG_CACHE_HOME/hiha` or `$HOME/.cache/hiha`.
    pub(crate) fn of_user() -> Self {
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|p: &PathBuf| p.is_absolute());
        let folder = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
        Self(folder.map(|f| f.join("hiha")))
    }

    #[cfg(test)]
    pub(crate) fn at(folder: PathBuf) -> Self {
        Self(Some(folder))
    }

    /// Name of what was compiled from `source` with `options` by the NVRTC `version`.
    pub(crate) fn key(source: &str, options: &[String], target: &str, version: &str) -> String {
        let mut hash = Sha256::new();
        for part in options.iter().map(String::as_str).chain([target, version, source]) {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        hash.finalize().iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    fn path(&self, key: &str) -> Option<PathBuf> {
        Some(self.0.as_ref()?.join(format!("{key}.kernel")))
    }

    /// The image of that name, if it is there and whole.
    pub(crate) fn read(&self, key: &str) -> Option<Vec<u8>> {
        let bytes = fs::read(self.path(key)?).ok()?;
        let (sum, image) = bytes.split_first_chunk::<4>()?;
        (crc32fast::hash(image) == u32::from_le_bytes(*sum)).then(|| image.to_vec())
    }

    /// Keep an image. What goes wrong here costs time at the next start, no more, so it is not reported.
    pub(crate) fn write(&self, key: &str, image: &[u8]) {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let Some(path) = self.path(key) else { return };
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let partial = path.with_extension(format!("{}-{number}.partial", std::process::id()));
        let written = (|| {
            fs::create_dir_all(path.parent().unwrap_or(&path))?;
            let mut file = fs::File::options().write(true).create_new(true).open(&partial)?;
            file.write_all(&crc32fast::hash(image).to_le_bytes())?;
            file.write_all(image)?;
            fs::rename(&partial, &path)
        })();
        if written.is_err() {
            let _ = fs::remove_file(&partial);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Cache;

    #[test]
    fn whole_files_only() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().join("deep").join("er"));
        assert_eq!(cache.read("a"), None);
        std::thread::scope(|s| {
            (0..8).for_each(|_| drop(s.spawn(|| cache.write("a", &[7; 100_000]))));
        });
        assert_eq!(cache.read("a").unwrap(), [7; 100_000]);
        let path = cache.path("a").unwrap();
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing partial is left");
        std::fs::File::options().write(true).open(&path).unwrap().set_len(50_000).unwrap();
        assert_eq!(cache.read("a"), None, "cut");
        cache.write("a", b"new");
        assert_eq!(cache.read("a").unwrap(), b"new");
        Cache(None).write("a", b"nowhere");
        assert_eq!(Cache(None).read("a"), None);
    }

    #[test]
    fn all_inputs_count() {
        let o = |text: &str| vec![text.to_string()];
        let keys = [
            Cache::key("s", &o("a"), "sm_80", "12.9"),
            Cache::key("s", &o("b"), "sm_80", "12.9"),
            Cache::key("s", &o("a"), "sm_90", "12.9"),
            Cache::key("s", &o("a"), "sm_80", "13.0"),
            Cache::key("t", &o("a"), "sm_80", "12.9"),
            Cache::key("s", &["a".into(), String::new()], "sm_80", "12.9"),
        ];
        assert!(keys.iter().enumerate().all(|(i, k)| k.len() == 64 && !keys[..i].contains(k)));
        assert_eq!(keys[0], Cache::key("s", &o("a"), "sm_80", "12.9"));
    }
}
