//! The built program, driven as users do.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

const DEMO: &str = "examples/data/demo_t500_24h_2deg.nc";

fn hiha(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hiha")).args(args).output().unwrap()
}

fn good(args: &[&str]) -> String {
    let out = hiha(args);
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

fn refused(args: &[&str], reason: &str) {
    let out = hiha(args);
    assert_eq!(out.status.code(), Some(2), "{args:?}");
    let message = String::from_utf8_lossy(&out.stderr);
    assert!(message.contains(reason), "{args:?}: {message}");
}

/// A fresh folder for one test.
fn folder(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn run(program: &str, args: &[&str]) -> String {
    let out = Command::new(program).args(args).output().unwrap();
    assert!(out.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

/// `ncdump` without its first line (the file's name) and the history.
fn dump(path: &Path) -> String {
    let all = run("ncdump", &["-p", "9,17", text(path)]);
    let start = all.find(":history = ").unwrap();
    let end = start + all[start..].find(';').unwrap();
    format!("{}{}", &all[all.find('\n').unwrap()..start], &all[end..])
}

/// The numbers of one variable, by ncdump; missing values as NaN.
fn values(path: &Path, variable: &str) -> Vec<f64> {
    let all = run("ncdump", &["-p", "9,17", "-v", variable, text(path)]);
    let data = &all[all.find("\ndata:").unwrap()..];
    let body = &data[data.find(&format!("\n {variable} =")).unwrap()..];
    let body = &body[body.find('=').unwrap() + 1..body.find(';').unwrap()];
    body.split(',').map(|v| v.trim().trim_end_matches('f').parse().unwrap_or(f64::NAN)).collect()
}

fn worst(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let mut worst = 0.0f64;
    for (a, b) in a.iter().zip(b) {
        assert_eq!(a.is_nan(), b.is_nan());
        if !a.is_nan() {
            worst = worst.max((a - b).abs());
        }
    }
    worst
}

#[test]
fn demo_there_and_back() {
    let dir = folder("demo");
    let (packed, plain) = (dir.join("a.nc"), dir.join("b.nc"));
    good(&["compress", DEMO, text(&packed), "--max-abs", "0.05"]);
    good(&["decompress", text(&packed), text(&plain)]);
    let error = worst(&values(Path::new(DEMO), "field"), &values(&plain, "field"));
    // ncdump prints 9 digits of the float.
    assert!(error <= 0.05 + 1e-6, "{error}");
    for coordinate in ["time", "latitude", "longitude"] {
        assert_eq!(values(Path::new(DEMO), coordinate), values(&plain, coordinate));
    }
    let report = good(&["inspect", text(&packed), "--json"]);
    let field = report.lines().find(|l| l.contains("\"var\":\"field\"")).unwrap();
    assert!(field.contains("\"hiha\"") && field.contains("max_abs:0.05"), "{field}");
    assert!(good(&["inspect", text(&plain)]).contains("field"));
}

#[test]
fn cutoffs_are_kept_and_shown() {
    let dir = folder("cutoffs");
    let described = |out: &Path, more: &[&str]| -> serde_json::Value {
        good(&[&["compress", DEMO, text(out), "--nrmse", "1e-2", "--overwrite"], more].concat());
        let report = good(&["inspect", text(out), "--json"]);
        let field = report.lines().find(|l| l.contains("\"var\":\"field\"")).unwrap();
        serde_json::from_str(field).unwrap()
    };
    let share = |report: &serde_json::Value, band: &str| report["split"][band].as_f64().unwrap();
    for name in ["a.nc", "a.zarr"] {
        let out = dir.join(name);
        let plain = described(&out, &[]);
        let wanted = serde_json::json!({"omega": 14.0, "n": 256, "f1": 2.1433, "f2": 6.4299,
            "again": {"omega": 22.0, "n": 128, "f1": 4.7631, "f2": 14.2894}});
        assert_eq!(plain["cutoffs"], wanted, "{name}");
        let other = described(&out, &["--split", "30.5,64,10,32"]);
        let wanted = serde_json::json!({"omega": 30.5, "n": 64, "f1": 9.3387, "f2": 28.016,
            "again": {"omega": 10.0, "n": 32, "f1": 4.3301, "f2": 12.9904}});
        assert_eq!(other["cutoffs"], wanted, "{name}");
        // Planetary waves lie below the wider cut-off, fronts too.
        assert!(
            share(&other, "low") >= share(&plain, "low") && share(&other, "high") < share(&plain, "high"),
            "{other}"
        );
        let sum: f64 = ["low", "middle", "high"].iter().map(|b| share(&other, b)).sum();
        assert!((sum - 1.0).abs() < 0.1, "{other}");
    }
    let wrong = |cutoffs: &str, reason: &str| {
        refused(&["compress", DEMO, "x.nc", "--nrmse", "1e-2", "--split", cutoffs], reason)
    };
    wrong("14", "expected OMEGA,N");
    wrong("14,0", "n must be 1 to 65535");
    wrong("0,256", "omega must be above 0");
}

const CDL: &str = r#"netcdf t {
dimensions: time = UNLIMITED; y = 60; x = 80; n = 3;
variables:
  double time(time); time:units = "hours since 2000-01-01";
  float x(x); x:units = "degrees_east";
  float t(time, y, x); t:_FillValue = -999.f; t:valid_range = -5.f, 5.f; t:coordinates = "lat2d";
  double lat2d(y, x);
  short p(y, x); p:scale_factor = 0.01; p:add_offset = 3.;
  int count(n);
  float scalar;
  string names(n);
  char code(n);
:b = 1b; :s = 2s; :i = 3; :f = 4.f; :d = 5., 6.; :ub = 7ub; :us = 8us; :ui = 9u; :l = 10ll; :ul = 11ull;
string :st = "one", "two"; :Conventions = "CF-1.8"; :history = "made by hand";
data:
 DATA names = "alpha", "", "gamma"; code = "abc"; count = 1, 2, 3; scalar = 2.5;
group: inner {
  dimensions: z = 2;
  variables: float u(z, y, x); u:note = "nested";
  data: u = INNER;
  group: deep { variables: byte flag(z); flag:a = 1b; data: flag = 4, 5; }
}
}"#;

fn list(n: usize, f: impl Fn(usize) -> String) -> String {
    (0..n).map(f).collect::<Vec<_>>().join(", ")
}

fn rich_file(dir: &Path) -> PathBuf {
    let (cdl, nc) = (dir.join("in.cdl"), dir.join("in.nc"));
    let field = |i: usize| match i % 997 {
        7 => "_".to_owned(),
        8 => "NaNf".to_owned(),
        _ => format!("{:.6}f", ((i % 80) as f64 * 0.1).sin() + (i / 4800) as f64),
    };
    let data = format!(
        "t = {};\n lat2d = {};\n p = {};\n time = 0, 6, 12;\n x = {};\n",
        list(3 * 4800, field),
        list(4800, |i| format!("{:.3}", i as f64 * 0.01)),
        list(4800, |i| (i as i64 * 7919 % 30000 - 15000).to_string()),
        list(80, |i| format!("{:.1}", i as f64 * 4.5)),
    );
    let inner = list(9600, |i| format!("{:.5}f", (i as f64 * 0.01).cos()));
    fs::write(&cdl, CDL.replace("DATA", &data).replace("INNER", &inner)).unwrap();
    run("ncgen", &["-4", "-o", text(&nc), text(&cdl)]);
    nc
}

#[test]
fn lossless_keeps_everything() {
    let dir = folder("rich");
    let input = rich_file(&dir);
    let (packed, plain) = (dir.join("a.nc"), dir.join("b.nc"));
    good(&["compress", text(&input), text(&packed), "--lossless"]);
    good(&["decompress", text(&packed), text(&plain)]);
    assert_eq!(dump(&input), dump(&plain));
    let header = run("ncdump", &["-h", text(&plain)]);
    assert!(header.contains("hiha compress") && header.contains("made by hand"), "{header}");
    let report = good(&["inspect", text(&packed), "--json"]);
    for encoded in ["t", "lat2d", "p", "/inner/u"] {
        let line = report.lines().find(|l| l.contains(&format!("\"var\":\"{encoded}\""))).unwrap();
        assert!(line.contains("\"hiha\""), "{line}");
    }
}

#[test]
fn bounds_hold_and_coordinates_stay() {
    let dir = folder("bounds");
    let input = rich_file(&dir);
    let original = values(&input, "t");
    let finite = || original.iter().filter(|v| v.is_finite());
    let range = finite().fold(f64::MIN, |a, &b| a.max(b)) - finite().fold(f64::MAX, |a, &b| a.min(b));
    let (packed, plain) = (dir.join("a.nc"), dir.join("b.nc"));
    // Chunks that do not divide the array, so that edges are padded.
    let rest = ["0.01", "--chunk", "2,50,33", "--overwrite", "--threads", "3"];
    for (kind, allowed) in [("--max-rel", 0.01 * range), ("--nrmse", 0.01 * range), ("--max-abs", 0.01)] {
        good(&[&["compress", text(&input), text(&packed), kind][..], &rest].concat());
        good(&["decompress", text(&packed), text(&plain), "--overwrite"]);
        let decoded = values(&plain, "t");
        let error = if kind == "--nrmse" {
            let pairs = original.iter().zip(&decoded).filter(|(a, _)| a.is_finite());
            (pairs.map(|(a, b)| (a - b).powi(2)).sum::<f64>() / finite().count() as f64).sqrt()
        } else {
            worst(&original, &decoded)
        };
        assert!(error <= allowed + 1e-6, "{kind}: {error} > {allowed}");
        for exact in ["lat2d", "p", "time", "x", "count"] {
            assert_eq!(values(&input, exact), values(&plain, exact), "{exact}");
        }
    }
}

#[test]
fn classic_input() {
    let dir = folder("classic");
    let (classic, packed, plain) = (dir.join("c.nc"), dir.join("a.nc"), dir.join("b.nc"));
    let cdl = dir.join("c.cdl");
    let all = run("ncdump", &["-p", "9,17", DEMO]).replace("500LL", "500");
    fs::write(&cdl, all).unwrap();
    run("ncgen", &["-k", "classic", "-o", text(&classic), text(&cdl)]);
    good(&["compress", text(&classic), text(&packed), "--var", "field=psnr:70", "--effort", "1"]);
    good(&["decompress", text(&packed), text(&plain)]);
    let (a, b) = (values(&classic, "field"), values(&plain, "field"));
    let range = a.iter().fold(f64::MIN, |m, &v| m.max(v)) - a.iter().fold(f64::MAX, |m, &v| m.min(v));
    let mse = a.iter().zip(&b).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / a.len() as f64;
    assert!(20.0 * (range / mse.sqrt()).log10() >= 70.0 - 1e-6);
}

#[test]
fn refusals() {
    let dir = folder("refusals");
    let out = dir.join("a.nc");
    let compress = |rest: &[&str], reason: &str| refused(&[&["compress", DEMO, text(&out)][..], rest].concat(), reason);
    compress(&[], "bound is needed");
    compress(&["--max-abs=-1"], "positive");
    compress(&["--max-abs", "1", "--nrmse", "1"], "cannot be used with");
    compress(&["--max-abs", "1", "--var", "nothing"], "no such variable");
    compress(&["--max-abs", "1", "--chunk", "1,2,3,4,5"], "no variable");
    refused(&["compress", DEMO, DEMO, "--max-abs", "1", "--overwrite"], "same file");
    refused(&["compress", "absent.nc", text(&out), "--max-abs", "1"], "absent.nc");
    refused(&["compress", DEMO, text(&dir.join("a.txt")), "--max-abs", "1"], "extension");
    fs::write(&out, b"keep me").unwrap();
    compress(&["--max-abs", "1"], "exists");
    assert_eq!(fs::read(&out).unwrap(), b"keep me");
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 1, "no temporary is left");
}

#[test]
fn every_missing_value_comes_back() {
    let dir = folder("missing");
    let (cdl, nc, out, back) = (dir.join("m.cdl"), dir.join("m.nc"), dir.join("o.nc"), dir.join("b.nc"));
    let field = list(6000, |i| match i {
        0..100 => "1e20".into(),
        3000..3100 => "-999".into(),
        _ => format!("{:.2}", 280.0 + (i as f64 * 0.01).sin()),
    });
    let text_of = format!(
        "netcdf m {{ dimensions: y = 60; x = 100; none = UNLIMITED; variables:
            float a(y, x); a:_FillValue = 1e20f; a:missing_value = -999.; a:cell_measures = \"area: cells\";
            float cells(y, x); float nothing(none, x);
            float e(y, x); e:units = \"degrees_east\"; data: a = {field}; cells = {field}; e = {field}; }}"
    );
    fs::write(&cdl, text_of).unwrap();
    run("ncgen", &["-4", "-o", text(&nc), text(&cdl)]);
    for bound in [["--max-abs", "1e30"], ["--max-abs", "0.05"], ["--nrmse", "1e-2"]] {
        good(&["compress", text(&nc), text(&out), "--overwrite", bound[0], bound[1]]);
        good(&["decompress", text(&out), text(&back), "--overwrite"]);
        let (before, after) = (values(&nc, "a"), values(&back, "a"));
        let missing = |v: &[f64]| v.iter().map(|v| v.is_nan() || *v == -999.0).collect::<Vec<_>>();
        assert_eq!(missing(&before), missing(&after), "{bound:?}");
        if bound[0] == "--nrmse" {
            good(&["compare", text(&nc), text(&out), "--expect-nrmse", "1e-2", "--var", "a"]);
        }
        // They say where and how large the cells are.
        for name in ["cells", "e"] {
            assert_eq!(worst(&values(&nc, name), &values(&back, name)), 0.0, "{name}");
        }
    }
}

#[test]
fn user_types_are_refused_by_name() {
    let dir = folder("types");
    let (cdl, nc, out) = (dir.join("e.cdl"), dir.join("e.nc"), dir.join("o.nc"));
    let text_of = "netcdf e { types: byte enum sky {clear = 0, cloudy = 1};
        dimensions: n = 2; variables: float a(n); sky cover(n); data: a = 1, 2; cover = clear, cloudy; }";
    fs::write(&cdl, text_of).unwrap();
    run("ncgen", &["-4", "-o", text(&nc), text(&cdl)]);
    refused(&["compress", text(&nc), text(&out), "--lossless"], "variable cover: user-defined types");
    assert!(!out.exists());
}

/// A plain program without HiHa's plugin cannot read the data, but still sees the whole structure, and
/// an unlimited dimension has its length even without a coordinate variable.
#[test]
fn unlimited_dimension_without_coordinate() {
    let dir = folder("unlimited");
    let (cdl, nc, packed, plain) = (dir.join("u.cdl"), dir.join("u.nc"), dir.join("a.nc"), dir.join("b.nc"));
    let numbers = list(5 * 4096, |i| format!("{:.4}f", (i as f64 * 0.01).sin()));
    let text_of = "netcdf u { dimensions: time = UNLIMITED; y = 64; x = 64; variables: float v(time, y, x); data: v =";
    fs::write(&cdl, format!("{text_of} {numbers}; }}")).unwrap();
    run("ncgen", &["-4", "-o", text(&nc), text(&cdl)]);
    good(&["compress", text(&nc), text(&packed), "--max-abs", "0.001", "--chunk", "2,64,64"]);
    assert!(run("ncdump", &["-h", text(&packed)]).contains("time = UNLIMITED ; // (5 currently)"));
    assert!(run("h5ls", &[text(&packed)]).contains("{5/Inf}"));
    good(&["decompress", text(&packed), text(&plain)]);
    assert!(worst(&values(&nc, "v"), &values(&plain, "v")) <= 0.001 + 1e-7);
}

#[test]
fn an_interrupt_leaves_nothing() {
    let dir = folder("interrupt");
    let out = dir.join("a.nc");
    let args = ["compress", DEMO, text(&out), "--max-abs", "1e-4", "--effort", "9", "--chunk", "1,2,2"];
    let mut child = Command::new(env!("CARGO_BIN_EXE_hiha")).args(args).spawn().unwrap();
    // Wait for the temporary to appear, so that there is something to leave behind.
    while fs::read_dir(&dir).unwrap().count() == 0 {
        assert!(child.try_wait().unwrap().is_none(), "ended before it could be interrupted");
    }
    run("kill", &["-INT", &child.id().to_string()]);
    assert!(!child.wait().unwrap().success());
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
}

/// Means of `n` x `n` elements of a demo-sized map.
fn block_means(map: &[f64], rows: usize, columns: usize, n: usize) -> Vec<f64> {
    let mut means = Vec::new();
    for y in (0..rows).step_by(n) {
        for x in (0..columns).step_by(n) {
            let (end_y, end_x) = ((y + n).min(rows), (x + n).min(columns));
            let sum: f64 = (y..end_y).flat_map(|y| (x..end_x).map(move |x| map[y * columns + x])).sum();
            means.push(sum / ((end_y - y) * (end_x - x)) as f64);
        }
    }
    means
}

#[test]
fn previews() {
    let dir = folder("previews");
    let (packed, small, picture) = (dir.join("a.nc"), dir.join("s.nc"), dir.join("p.png"));
    let original = values(Path::new(DEMO), "field");
    // Chunks of the whole field, and chunks that cut maps and are padded at the edges.
    for chunk in ["24,91,180", "7,50,77"] {
        let compress = ["compress", DEMO, text(&packed), "--nrmse", "1e-3", "--chunk", chunk, "--overwrite"];
        good(&compress);
        let look = ["preview", text(&packed), "--var", "field", "--scale", "1/4", "--at", "time=5", "--json"];
        let output = ["--output", text(&small), "--plot", text(&picture), "--overwrite"];
        let report = good(&[&look[..], &output].concat());
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        assert_eq!(report["preview_shape"], serde_json::json!([1, 23, 45]));
        assert_eq!(report["chunks"], if chunk == "24,91,180" { 1 } else { 6 });
        let (read, stored) = (report["bytes_read"].as_u64().unwrap(), report["bytes_stored"].as_u64().unwrap());
        assert!(read < stored, "{report}");
        let expected = block_means(&original[5 * 91 * 180..6 * 91 * 180], 91, 180, 4);
        let found = values(&small, "field");
        let squares: f64 = expected.iter().zip(&found).map(|(a, b)| (a - b).powi(2)).sum();
        let rms = (squares / expected.len() as f64).sqrt();
        // Of a range of 36 K; waves that the coarse image cuts off make the difference.
        assert!(rms < 0.8, "chunk {chunk}: {rms}");
        let step = |name: &str| {
            let v = values(&small, name);
            (v.len(), (v[1] - v[0]).abs())
        };
        assert_eq!([step("latitude"), step("longitude")], [(23, 8.0), (45, 8.0)]);
        assert_eq!(values(&small, "time"), values(Path::new(DEMO), "time")[5..6]);
        assert_eq!(fs::read(&picture).unwrap()[1..4], *b"PNG");
    }
    let plain = good(&["preview", DEMO, "--var", "field", "--scale", "30", "--output", text(&small), "--overwrite"]);
    assert!(plain.contains("24 x 91 x 180 at 1/30, 24 x 4 x 6") && plain.contains("100.0 %"), "{plain}");
    let expected: Vec<f64> = original.chunks(91 * 180).flat_map(|map| block_means(map, 91, 180, 30)).collect();
    assert!(worst(&expected, &values(&small, "field")) < 1e-4);
    let wrong = |rest: &[&str], reason: &str| refused(&[&["preview", text(&packed)][..], rest].concat(), reason);
    wrong(&["--var", "nothing"], "no variable nothing");
    wrong(&["--var", "field", "--scale", "0"], "1/N");
    wrong(&["--var", "field", "--at", "time=24"], "its length is 24");
    wrong(&["--var", "field", "--at", "latitude=1"], "dimension of the map");
    wrong(&["--var", "field", "--output", text(&small)], "exists");
}

#[test]
fn climatologies() {
    let dir = folder("climatology");
    let file = |name: &str| dir.join(name);
    let original = values(Path::new(DEMO), "field");
    let plane = 91 * 180;
    let mean = |i: usize| (0..24).map(|t| original[t * plane + i]).sum::<f64>() / 24.0;
    for (name, shift) in [("mean", 0.0), ("other", 0.5)] {
        let numbers = list(plane, |i| format!("{:.3}f", mean(i) + shift));
        let head = format!(
            "netcdf {name} {{ dimensions: time = 1; y = 91; x = 180; variables: float m(time, y, x); data: m ="
        );
        fs::write(file("m.cdl"), format!("{head} {numbers}; }}")).unwrap();
        run("ncgen", &["-4", "-o", text(&file(&format!("{name}.nc"))), text(&file("m.cdl"))]);
    }
    let climatology = format!("{}:m", text(&file("mean.nc")));
    let known = ["--climatology", &climatology];
    // One chunk a step, and chunks that cut the map and are padded.
    for (name, chunk) in [("a.nc", "1,91,180"), ("b.zarr", "5,50,77")] {
        let (packed, without, plain) = (file(name), file(&format!("without_{name}")), file("plain.nc"));
        let compress = |out: &Path, rest: &[&str]| {
            good(&[&["compress", DEMO, text(out), "--max-abs", "0.5", "--chunk", chunk][..], rest].concat());
            let report = good(&["inspect", text(out), "--json"]);
            let line = report.lines().find(|l| l.contains("\"var\":\"field\"")).unwrap();
            serde_json::from_str::<serde_json::Value>(line).unwrap()
        };
        let (with, plainly) = (compress(&packed, &known), compress(&without, &[]));
        assert!(with["references"].as_array().is_some_and(|r| !r.is_empty()), "{with}");
        assert!(plainly["references"].is_null());
        assert!(with["stored"].as_u64() < plainly["stored"].as_u64(), "{with} {plainly}");

        let decompress = ["decompress", text(&packed), text(&plain), "--overwrite"];
        good(&[&decompress[..], &known].concat());
        assert!(worst(&original, &values(&plain, "field")) <= 0.5 + 1e-6);
        good(&[&["compare", DEMO, text(&packed), "--expect-max-abs", "0.5"][..], &known].concat());
        let small = file("small.nc");
        let look = ["preview", text(&packed), "--var", "field", "--output", text(&small), "--overwrite"];
        good(&[&look[..], &known].concat());
        let expected: Vec<f64> = original.chunks(plane).flat_map(|map| block_means(map, 91, 180, 9)).collect();
        let off = worst(&expected, &values(&small, "field"));
        // Of a range of 36 K, at fronts: a wavelet's cells of 8 elements are shared out among those of 9.
        assert!(off < 5.0, "{off}");

        let other = format!("{}:m", text(&file("other.nc")));
        refused(&[&decompress[..], &["--climatology", &other]].concat(), "the one given has hash");
        refused(&look, "none was given");
    }
    good(&[&["eval", DEMO, "--nrmse", "1e-2", "--chunk", "7,91,180"][..], &known].concat());
    // HDF5's own way in has no climatology, and says so.
    let out = hiha(&["decompress", text(&file("a.nc")), text(&file("plain.nc")), "--overwrite"]);
    let message = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.code() == Some(2) && message.contains("none was given"), "{message}");
    let out = file("c.nc");
    let compress = |climatology: &str, reason: &str| {
        refused(&["compress", DEMO, text(&out), "--max-abs", "1", "--climatology", climatology], reason);
    };
    compress("mean.nc", "FILE:VAR");
    compress(&format!("{}:x", text(&file("mean.nc"))), "no variable x");
    compress(&format!("{DEMO}:latitude"), "fits no lossy variable");
}

#[test]
fn filter_parameters() {
    let spelled = good(&["filter-params", "--max-abs", "1"]);
    let (id, words) = (hiha::HDF5_FILTER_ID, "1,0,1072693248,5,0");
    assert!(spelled.contains(&format!("nccopy -F \"VAR,{id},{words}\"")), "{spelled}");
    assert!(spelled.contains(&format!("VAR:UD={id},0,5,{words}")), "{spelled}");
}

#[test]
fn a_device_that_cannot_be_used_is_an_error() {
    let folder = folder("device");
    let (out, cpu) = (folder.join("out.nc"), folder.join("cpu.nc"));
    refused(&["compress", DEMO, text(&out), "--max-rel", "1e-2", "--device", "cuda:4000"], "cuda:4000");
    refused(&["compress", DEMO, text(&out), "--max-rel", "1e-2", "--device", "gpu"], "expected auto, cpu, cuda");
    assert!(!out.exists());
    good(&["compress", DEMO, text(&cpu), "--max-rel", "1e-2", "--device", "cpu"]);
    // Reading: chunks that this program decodes itself hold what the file's library finds.
    refused(&["decompress", text(&cpu), text(&out), "--device", "cuda:4000"], "cuda:4000");
    refused(&["preview", text(&cpu), "--var", "field", "--device", "cuda:4000"], "cuda:4000");
    let (plain, auto) = (folder.join("plain.nc"), folder.join("auto.nc"));
    good(&["decompress", text(&cpu), text(&plain)]);
    let out = hiha(&["decompress", text(&cpu), text(&auto), "--device", "auto"]);
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{said}");
    assert_eq!(said.contains("the processor does the work"), hiha::Device::Cuda(0).check().is_err(), "{said}");
    good(&["compare", text(&plain), text(&auto), "--expect-lossless"]);
}
