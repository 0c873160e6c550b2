//! The host side of the GPU code, end to end, on an emulated GPU: `kernels/host/driver.cpp` and `nvrtc.cpp` stand in for
//! the driver and NVRTC and run the same kernels on this processor. On a real GPU `benches/gpu/run` does these checks.

use std::path::Path;
use std::process::Command;

use hiha::stages::gpu::{Bench, Training};
use hiha::{ArrayView, Bound, Coder, Config, DecodeOptions, Device, Error, Stage};

/// The emulator in `folder`, and in its folder `other` another NVRTC.
fn build(folder: &Path) {
    let host = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels/host");
    std::fs::create_dir(folder.join("other")).unwrap();
    for (source, library, major) in
        [("driver.cpp", "libcuda.so", 0), ("nvrtc.cpp", "libnvrtc.so", 12), ("nvrtc.cpp", "other/libnvrtc.so", 11)]
    {
        let output = Command::new(std::env::var_os("CXX").unwrap_or_else(|| "c++".into()))
            .args(["-std=c++17", "-O1", "-shared", "-fPIC"])
            .arg(format!("-DSHIM=\"{}\"", host.join("shim.h").display()))
            .arg(format!("-DMAJOR={major}"))
            .arg(host.join(source))
            .arg("-o")
            .arg(folder.join(library))
            .output()
            .expect("a C++ compiler: set CXX");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Run one of the ignored tests below in a process that finds the emulator first. FOLDER in a value is the emulator's.
fn run(test: &str, variables: &[(&str, &str)]) {
    let folder = tempfile::tempdir().unwrap();
    build(folder.path());
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "--nocapture", test]);
    command.env("LD_LIBRARY_PATH", folder.path()).env("XDG_CACHE_HOME", folder.path().join("cache"));
    command.env_remove("HIHA_NVRTC");
    command.envs(variables.iter().map(|(name, v)| (name, v.replace("FOLDER", &folder.path().to_string_lossy()))));
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {text}\n{}", output.status, String::from_utf8_lossy(&output.stdout));
    if test == "on_the_emulator" {
        let kept = std::fs::read_dir(folder.path().join("cache/hiha")).unwrap().count();
        assert!(kept >= 4, "compiled kernels are kept, not {kept}");
    }
}

#[test]
fn evaluates_and_fits() {
    run("on_the_emulator", &[]);
}

#[test]
fn out_of_memory_is_an_error() {
    run("on_a_small_emulator", &[("EMULATED_MEMORY", "300000")]);
    run("on_a_larger_emulator", &[("EMULATED_MEMORY", "2000000")]);
}

#[test]
fn a_gpu_that_breaks_down_is_an_error_where_it_was_asked_for() {
    for launches in ["0", "2"] {
        run("on_an_emulator_that_breaks_down", &[("EMULATED_LAUNCHES", launches)]);
    }
    run("on_an_emulator_that_breaks_down", &[("EMULATED_MEMORY", "1000")]);
}

#[test]
fn without_a_compiler_there_is_a_message() {
    run("without_a_compiler", &[("CXX", "false")]);
}

/// What is missing is said; `auto` goes on without.
#[test]
fn a_gpu_that_cannot_be_used_says_why() {
    for (variable, value, says) in [
        ("EMULATED_VERSION", "11080", "the NVIDIA driver serves CUDA 11.8; CUDA 12.0 or newer is needed"),
        ("EMULATED_DEVICES", "0", "there is no GPU 0: the driver knows 0"),
        ("EMULATED_CAPABILITY", "75", "emulated GPU has compute capability 7.5; 8.0 or newer is needed"),
        ("HIHA_NVRTC", "/nowhere/libnvrtc.so", "no NVRTC, which compiles the kernels"),
        ("EMULATED_CAPABILITY", "90", "the driver refuses what NVRTC 12.1 compiled"),
    ] {
        run("on_an_emulator_that_cannot_be_used", &[(variable, value), ("SAYS", says)]);
    }
}

#[test]
fn the_compiler_that_was_named_is_taken() {
    run("with_a_compiler", &[("SAYS", "NVRTC 12.1")]);
    run("with_a_compiler", &[("HIHA_NVRTC", "FOLDER/other/libnvrtc.so"), ("SAYS", "NVRTC 11.1")]);
}

#[test]
#[ignore = "run by `the_compiler_that_was_named_is_taken`"]
fn with_a_compiler() {
    let bench = Bench::open(0).unwrap();
    assert_eq!(bench.compiler(), std::env::var("SAYS").unwrap());
    bench.same_bits([3, 1, 8, 1], 10).unwrap();
}

#[test]
#[ignore = "run by `a_gpu_that_cannot_be_used_says_why`"]
fn on_an_emulator_that_cannot_be_used() {
    let says = std::env::var("SAYS").unwrap();
    // Twice: it is asked once.
    for _ in 0..2 {
        match encoded(0, Device::Cuda(0)) {
            Err(Error::Device { device: Device::Cuda(0), what }) => assert!(what.contains(&says), "{what}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(encoded(0, Device::Auto).unwrap(), encoded(0, Device::Cpu).unwrap());
}

#[test]
#[ignore = "run by `evaluates_and_fits`"]
fn on_the_emulator() {
    Device::Cuda(0).check().unwrap();
    let error = Device::Cuda(1).check().unwrap_err().to_string();
    assert!(error.contains("there is no GPU 1"), "{error}");
    let bench = Bench::open(0).unwrap();
    assert_eq!(bench.name(), "emulated GPU");
    // Host threads share the context.
    std::thread::scope(|s| {
        for n in [1, 700] {
            let bench = &bench;
            s.spawn(move || bench.same_bits([3, 2, 16, 2], n).unwrap());
        }
    });
    let training = |shape: [usize; 4], networks, samples, batch| Training {
        shape,
        networks,
        samples,
        batch,
        steps: 3,
        tensor_cores: shape[2] >= 64,
    };
    // One network on several blocks, drawn batches; several networks, whole batches; tensor cores.
    for training in
        [training([3, 2, 16, 1], 1, 500, 300), training([2, 1, 9, 2], 3, 150, 200), training([3, 2, 64, 1], 2, 90, 80)]
    {
        let (first, second) = (bench.train(&training).unwrap().1, bench.train(&training).unwrap().1);
        assert!(first.iter().all(|p| p.is_finite()) && first.iter().any(|&p| p != 0.0));
        assert_eq!(first, second, "{:?}", training.shape);
    }
    // A chunk with a low band, fitted here and evaluated there: the same bits.
    let stream = encoded(0, Device::Cuda(0)).unwrap();
    // Fits that threads bring at the same time go together, and nobody sees it in the bytes.
    std::thread::scope(|s| {
        let others: Vec<_> = (0..2).map(|k| s.spawn(move || encoded(k, Device::Cuda(0)).unwrap())).collect();
        let streams: Vec<_> = others.into_iter().map(|o| o.join().unwrap()).collect();
        assert!(streams[0] == stream && streams[1] != stream);
    });
    let on = |device| decoded(&stream, device).unwrap();
    assert_eq!(on(Device::Cuda(0)), on(Device::Cpu));
    assert!(hiha::inspect(&stream).unwrap().stages.iter().any(|s| s.0 == "low"), "a low band");
    // A whole fit through the encoder's trait; fails if the GPU gave up.
    let fits = bench.fits([2, 1, 8, 1], 200, 2, 2).unwrap();
    assert!((0.7..1.4).contains(&fits.error), "{}", fits.error);
}

/// A chunk with a low band.
fn encoded(phase: u8, device: Device) -> hiha::Result<Vec<u8>> {
    let (h, w) = (24, 46);
    let wave = |y: f32, x: f32| (0.2 * y + f32::from(phase)).sin() * 30.0 + (0.14 * x).cos();
    let field: Vec<f32> = (0..h * w).map(|i| wave((i / w) as f32, (i % w) as f32)).collect();
    let mut config = Config { low: Stage::On, device, ..Config::new(Bound::Nrmse(1e-3)) };
    config.coder = Coder::Harmonic;
    hiha::encode(&ArrayView::new(&field, &[h, w]).unwrap(), &config)
}

fn decoded(stream: &[u8], device: Device) -> hiha::Result<Vec<f32>> {
    let array = hiha::decode_with(stream, &DecodeOptions { device, ..DecodeOptions::default() })?;
    Ok(array.as_slice::<f32>().unwrap().to_vec())
}

#[test]
#[ignore = "run by `a_gpu_that_breaks_down_is_an_error_where_it_was_asked_for`"]
fn on_an_emulator_that_breaks_down() {
    Device::Cuda(0).check().unwrap();
    let stream = encoded(0, Device::Cpu).unwrap();
    let cause = if std::env::var_os("EMULATED_MEMORY").is_some() { "out of memory" } else { "launch failure" };
    let names = |result: hiha::Result<()>| match result {
        Err(Error::Device { device: Device::Cuda(0), what }) => assert!(what.contains(cause), "{what}"),
        other => panic!("{other:?}"),
    };
    names(encoded(0, Device::Cuda(0)).map(drop));
    // What `auto` leaves to the processor comes out as there.
    assert_eq!(encoded(0, Device::Auto).unwrap(), stream);
    names(decoded(&stream, Device::Cuda(0)).map(drop));
    assert_eq!(decoded(&stream, Device::Auto).unwrap(), decoded(&stream, Device::Cpu).unwrap());
}

#[test]
#[ignore = "run by `out_of_memory_is_an_error`"]
fn on_a_small_emulator() {
    let bench = Bench::open(0).unwrap();
    bench.same_bits([3, 1, 8, 1], 1000).unwrap();
    let error = bench.same_bits([3, 1, 8, 1], 30_000).unwrap_err().to_string();
    assert!(error.contains("out of memory on the GPU"), "{error}");
    // What was taken before the failure was given back.
    bench.same_bits([3, 1, 8, 1], 1000).unwrap();
}

#[test]
#[ignore = "run by `out_of_memory_is_an_error`"]
fn on_a_larger_emulator() {
    // 3.2 MB at once do not fit; two halves do.
    Bench::open(0).unwrap().same_bits([3, 1, 8, 1], 200_000).unwrap();
}

#[test]
#[ignore = "run by `without_a_compiler_there_is_a_message`"]
fn without_a_compiler() {
    let error = Bench::open(0).unwrap().same_bits([3, 1, 8, 1], 10).unwrap_err().to_string();
    assert!(error.contains("the kernel was not compiled"), "{error}");
}

/// zarrs calls the codec for the chunks of a shard: what it reads with follows `decode_on`.
#[cfg(feature = "zarr")]
#[test]
fn shards_are_read_on_the_device() {
    run("shards", &[]);
    run("shards", &[("EMULATED_LAUNCHES", "0"), ("SAYS", "launch failure")]);
}

#[cfg(feature = "zarr")]
#[test]
#[ignore = "run by `shards_are_read_on_the_device`"]
fn shards() {
    use std::sync::Arc;
    use zarrs::array::codec::array_to_bytes::sharding::ShardingCodecBuilder;
    use zarrs::array::{Array, ArrayBuilder, data_type};

    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(zarrs::filesystem::FilesystemStore::new(folder.path()).unwrap());
    let config = Config { low: Stage::On, coder: Coder::Harmonic, ..Config::new(Bound::MaxAbs(0.05)) };
    let inner = vec![24.try_into().unwrap(), 46.try_into().unwrap()];
    let mut sharding = ShardingCodecBuilder::new(inner, &data_type::float32());
    sharding.array_to_bytes_codec(Arc::new(hiha::zarr::HihaCodec::new(config).unwrap()));
    let array = ArrayBuilder::new(vec![24, 92], vec![24, 92], data_type::float32(), f32::NAN)
        .array_to_bytes_codec(Arc::new(sharding.build()))
        .build(store.clone(), "/s")
        .unwrap();
    let wave = |y: usize, x: usize| (0.2 * y as f32).sin() * 30.0 + (0.14 * x as f32).cos();
    let values: Vec<f32> = (0..24 * 92).map(|i| wave(i / 92, i % 92)).collect();
    array.store_metadata().unwrap();
    array.store_array_subset(&array.subset_all(), &values).unwrap();
    let array = Array::open(store, "/s").unwrap();
    let read = || array.retrieve_array_subset::<Vec<f32>>(&array.subset_all());
    let here = read().unwrap();
    hiha::zarr::decode_on(Device::Cuda(0)).unwrap();
    match std::env::var("SAYS") {
        Ok(says) => {
            let error = read().unwrap_err().to_string();
            assert!(error.contains(&says), "{error}");
        }
        Err(_) => assert_eq!(read().unwrap(), here),
    }
}
