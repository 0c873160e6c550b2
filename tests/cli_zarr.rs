//! The program on Zarr stores, driven as users do.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use zarrs::array::Array;
use zarrs::filesystem::FilesystemStore;

const DEMO: &str = "examples/data/demo_t500_24h_2deg.nc";
const CHILD: &str = "HIHA_TEST_STORE";

fn run(program: &str, args: &[&str]) -> String {
    let out = Command::new(program).args(args).output().unwrap();
    assert!(out.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

fn hiha(args: &[&str]) -> String {
    run(env!("CARGO_BIN_EXE_hiha"), args)
}

/// A fresh folder for one test.
fn folder(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The data section of one variable, by ncdump.
fn dump(path: &Path, variable: &str) -> Vec<f64> {
    let all = run("ncdump", &["-p", "9,17", "-v", variable, text(path)]);
    let data = &all[all.find("\ndata:").unwrap()..];
    let body = &data[data.find(&format!("\n {variable} =")).unwrap()..];
    let body = &body[body.find('=').unwrap() + 1..body.find(';').unwrap()];
    body.split(',').map(|v| v.trim().trim_end_matches('f').parse().unwrap_or(f64::NAN)).collect()
}

fn assert_within(a: &[f64], b: &[f64], bound: f64) {
    assert_eq!(a.len(), b.len());
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        assert!((a - b).abs() <= bound || a.is_nan() && b.is_nan(), "value {i}: {a} became {b}");
    }
}

/// The lines of `ncdump -h`, sorted (a store keeps no order), without the file's name and the history.
fn header(path: &Path) -> Vec<String> {
    let all = run("ncdump", &["-h", text(path)]);
    let lines =
        all.lines().skip(1).filter(|l| !l.trim().is_empty() && !l.contains(":history") && !l.contains("// global"));
    let mut lines: Vec<String> = lines.map(str::to_owned).collect();
    lines.sort();
    lines
}

/// Does nothing but in the process that `netcdf_to_zarr_and_back` starts.
#[test]
fn child_reads_the_store() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    // Registers the codec: without a use of it the linker would drop the crate.
    assert_eq!(hiha::zarr::NAME, "hiha");
    let store = Arc::new(FilesystemStore::new(path).unwrap());
    let array = Array::open(store, "/field").unwrap();
    let values: Vec<f32> = array.retrieve_array_subset(&array.subset_all()).unwrap();
    let values: Vec<f64> = values.into_iter().map(f64::from).collect();
    assert_within(&dump(Path::new(DEMO), "field"), &values, 0.0501);
    println!("child read {} values", values.len());
}

#[test]
fn netcdf_to_zarr_and_back() {
    let dir = folder("zarr_demo");
    let [first, second, plain, back] = ["a.zarr", "b.zarr", "plain.zarr", "back.nc"].map(|n| dir.join(n));
    hiha(&["compress", DEMO, text(&first), "--max-abs", "0.05"]);
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_reads_the_store", "--nocapture"])
        .env(CHILD, &first)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && said.contains("child read"), "{said}");

    // Zarr to Zarr, the second time losslessly; then to stores and files that need no HiHa.
    hiha(&["compress", text(&first), text(&second), "--lossless"]);
    hiha(&["decompress", text(&second), text(&plain)]);
    hiha(&["decompress", text(&plain), text(&back)]);
    assert_within(&dump(Path::new(DEMO), "field"), &dump(&back, "field"), 0.0501);
    for coordinate in ["latitude", "longitude", "time"] {
        assert_eq!(dump(Path::new(DEMO), coordinate), dump(&back, coordinate));
    }
    let mut names: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["a.zarr", "b.zarr", "back.nc", "plain.zarr"], "nothing temporary is left");
}

const CDL: &str = r#"netcdf small {
dimensions: time = UNLIMITED ; x = 5 ; n = 4 ;
variables:
  double time(time) ; time:units = "hours since 2000-01-01" ;
  float t(time, x) ; t:_FillValue = -999.f ; t:valid_range = -50.f, 50.f ; t:levels = 1, 2, 3 ;
    t:scale = 0.1 ; t:short_one = 7s ;
  short packed(time, x) ; packed:_FillValue = -1s ; packed:scale_factor = 0.01 ; packed:add_offset = 3.f ;
  char name(x, n) ;
  int64 big ;
data:
  time = 0, 6, 12 ;
  t = 1, 2, 3, 4, _, 5, 6, 7, 8, 9, 10, 11, _, 13, 14 ;
  packed = 1, 2, 3, 4, _, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14 ;
  name = "ab", "cdef", "g", "", "hi" ;
  big = 9007199254740993 ;
group: inner {
  dimensions: y = 2 ;
  variables: int v(y, x) ; v:note = "in a group" ;
  data: v = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 ;
}
}"#;

#[test]
fn structure_survives() {
    let dir = folder("zarr_structure");
    let [cdl, source, store, back] = ["a.cdl", "small.nc", "a.zarr", "small2.nc"].map(|n| dir.join(n));
    std::fs::write(&cdl, CDL).unwrap();
    run("ncgen", &["-4", "-o", text(&source), text(&cdl)]);
    hiha(&["compress", text(&source), text(&store), "--max-abs", "0.001"]);
    hiha(&["decompress", text(&store), text(&back)]);
    assert_eq!(header(&source), header(&back));
    assert_within(&dump(&source, "t"), &dump(&back, "t"), 0.001);
    for exact in ["time", "packed", "big", "/inner/v"] {
        let of = |path: &Path| {
            let all = run("ncdump", &["-v", exact, text(path)]);
            all[all.find("data:").unwrap()..].to_owned()
        };
        assert_eq!(of(&source), of(&back), "{exact}");
    }
}

/// What zarr-python and xarray make of our stores, and we of theirs.
const PYTHON: &str = r#"
import sys, warnings
import numpy as np, xarray as xr, zarr
warnings.simplefilter("ignore")
folder, verb = sys.argv[1:]
source = xr.open_dataset(folder + "/small.nc").drop_vars("name")
if verb == "read":
    group = zarr.open_group(folder + "/plain.zarr", mode="r")
    assert np.array_equal(group["inner/v"][:], np.arange(1, 11).reshape(2, 5)), group["inner/v"][:]
    assert group["inner/v"].metadata.dimension_names == ("y", "x")
    ours = xr.open_zarr(folder + "/plain.zarr").drop_vars("name")
    for name in source.variables:
        assert np.allclose(ours[name].values.astype("f8"), source[name].values.astype("f8"), atol=0.0011, equal_nan=True), name
    assert np.isnan(ours.t.values).sum() == 2 and ours.packed.dtype == source.packed.dtype
    assert zarr.open_group(folder + "/a.zarr", mode="r").attrs["history"]
else:
    for version in (2, 3):
        source.to_zarr(f"{folder}/x{version}.zarr", mode="w", zarr_format=version)
"#;

#[test]
fn with_zarr_python_and_xarray() {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    if !Command::new(&python).args(["-c", "import xarray, zarr, netCDF4"]).output().is_ok_and(|o| o.status.success()) {
        eprintln!("skipped: {python} has no xarray, zarr and netCDF4 (set PYTHON)");
        return;
    }
    let dir = folder("zarr_python");
    let [cdl, source, store, plain] = ["a.cdl", "small.nc", "a.zarr", "plain.zarr"].map(|n| dir.join(n));
    std::fs::write(&cdl, CDL).unwrap();
    run("ncgen", &["-4", "-o", text(&source), text(&cdl)]);
    hiha(&["compress", text(&source), text(&store), "--max-abs", "0.001"]);
    hiha(&["decompress", text(&store), text(&plain)]);
    run(&python, &["-c", PYTHON, text(&dir), "read"]);
    run(&python, &["-c", PYTHON, text(&dir), "write"]);
    for version in [2, 3] {
        let theirs = dir.join(format!("x{version}.zarr"));
        let back = dir.join(format!("x{version}.nc"));
        hiha(&["compress", text(&theirs), text(&back), "--lossless"]);
        let plain = dir.join(format!("p{version}.nc"));
        hiha(&["decompress", text(&back), text(&plain)]);
        for variable in ["t", "packed", "big"] {
            assert_eq!(format!("{:?}", dump(&source, variable)), format!("{:?}", dump(&plain, variable)));
        }
    }
}

/// The same chunks, read from a store and from a netCDF file, look the same; a store can be written as well.
#[test]
fn previews_of_stores() {
    let dir = folder("zarr_previews");
    let look = |source: &Path, small: &Path| {
        let args = ["preview", text(source), "--var", "field", "--json", "--output", text(small)];
        let report: serde_json::Value = serde_json::from_str(&hiha(&args)).unwrap();
        assert!(report["bytes_read"].as_u64() < report["bytes_stored"].as_u64(), "{report}");
        (report["bytes_read"].clone(), report["decoded_scale"].clone())
    };
    let (nc, store) = (dir.join("a.nc"), dir.join("a.zarr"));
    for packed in [&nc, &store] {
        hiha(&["compress", DEMO, text(packed), "--nrmse", "1e-3"]);
    }
    let (from_nc, from_store, as_store, back) =
        (dir.join("n.nc"), dir.join("z.nc"), dir.join("z.zarr"), dir.join("b.nc"));
    assert_eq!(look(&nc, &from_nc), look(&store, &from_store));
    look(&store, &as_store);
    hiha(&["decompress", text(&as_store), text(&back)]);
    let small = dump(&from_nc, "field");
    assert_eq!(small.len(), 24 * 11 * 20);
    assert_within(&small, &dump(&from_store, "field"), 0.0);
    assert_within(&small, &dump(&back, "field"), 0.0);
}
