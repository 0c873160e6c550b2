//! Data flows one way: modules form no cycle, and the decoder does not know the encoder.

use std::path::{Path, PathBuf};

/// Each folder of `src/` and those it may use.
const MAY_USE: [(&str, &[&str]); 6] = [
    ("format", &[]),
    ("arith", &["format"]),
    ("entropy", &["format", "arith"]),
    ("gpu", &["format", "arith"]),
    ("decode", &["format", "entropy", "arith", "gpu"]),
    ("encode", &["format", "entropy", "arith", "gpu", "decode"]),
];

fn sources(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") && !path.to_string_lossy().contains("tests.rs") {
            out.push(path);
        }
    }
}

#[test]
fn modules_form_no_cycle() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (module, allowed) in MAY_USE {
        let mut files = Vec::new();
        sources(&src.join(module), &mut files);
        assert!(!files.is_empty(), "{module} is gone: mend this test");
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            for (other, _) in MAY_USE.iter().filter(|(o, _)| *o != module && !allowed.contains(o)) {
                assert!(!code.contains(&format!("crate::{other}")), "{} uses {other}", file.display());
            }
        }
    }
}

#[test]
fn unsafe_stays_in_the_kernels() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let places = ["src/bin/", "src/arith/kernels/", "src/gpu/launch.rs", "src/gpu/nvrtc_api.rs"];
    let allowed = |f: &&PathBuf| places.iter().any(|place| f.to_string_lossy().contains(place));
    for file in files.iter().filter(|f| !allowed(f)) {
        let text = std::fs::read_to_string(file).unwrap();
        assert!(!text.contains("unsafe "), "{}", file.display());
    }
}
