//! Encode and decode times per field and bound, on the shipped sample and on the development fields when present.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hiha::{ArrayView, Bound, Config};
use std::path::Path;

struct Field {
    name: String,
    shape: Vec<usize>,
    data: Vec<f32>,
}

/// Read the variable `field` of a netCDF file as float32.
fn read(path: &Path) -> Option<Field> {
    let file = netcdf::open(path).ok()?;
    let var = file.variable("field")?;
    let shape = var.dimensions().iter().map(netcdf::Dimension::len).collect();
    let data = var.get_values::<f32, _>(..).ok()?;
    Some(Field { name: path.file_stem()?.to_string_lossy().into_owned(), shape, data })
}

fn fields() -> Vec<Field> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut fields: Vec<Field> = read(&root.join("examples/data/demo_t500_24h_2deg.nc")).into_iter().collect();
    for name in ["era5_t850", "ifs025_10u_20250213_024h", "sim/sim_t500_24h"] {
        fields.extend(read(&root.join(format!("../shared/data/{name}.nc"))));
    }
    assert!(!fields.is_empty(), "the sample under examples/data is missing");
    fields
}

fn codec(c: &mut Criterion) {
    for field in fields() {
        let mut group = c.benchmark_group(&field.name);
        group.sample_size(10).throughput(Throughput::Bytes(size_of_val(&field.data[..]) as u64));
        let view = ArrayView::new(&field.data, &field.shape).expect("shape fits");
        for bound in [Bound::Nrmse(1e-3), Bound::Nrmse(1e-4), Bound::MaxRel(1e-4), Bound::Lossless] {
            let label = format!("{} {}", bound.kind(), bound.value());
            let config = Config::new(bound);
            let stream = hiha::encode(&view, &config).expect("encodes");
            group.bench_function(BenchmarkId::new("encode", &label), |b| b.iter(|| hiha::encode(&view, &config)));
            group.bench_function(BenchmarkId::new("decode", &label), |b| b.iter(|| hiha::decode(&stream)));
        }
        group.finish();
    }
}

/// The harmonic coder's stages at an NRMSE of 1e-3.
fn stages(c: &mut Criterion) {
    for field in fields() {
        let mut group = c.benchmark_group(format!("{} stages", field.name));
        group.sample_size(10).throughput(Throughput::Bytes(size_of_val(&field.data[..]) as u64));
        let (lo, hi) = field.data.iter().fold((f32::MAX, f32::MIN), |(lo, hi), &v| (lo.min(v), hi.max(v)));
        let rmse = 1e-3 * f64::from(hi - lo);
        let f = hiha::stages::Field::new(&field.data, &field.shape, true);
        let analysis = f.analyse(rmse);
        let step = analysis.step(rmse);
        let payload = analysis.encode(step);
        group.bench_function("split", |b| b.iter(|| f.split()));
        group.bench_function("analyse", |b| b.iter(|| f.analyse(rmse)));
        group.bench_function("search the step", |b| b.iter(|| analysis.step(rmse)));
        group.bench_function("reconstruct", |b| b.iter(|| analysis.reconstruct(step)));
        group.bench_function("code", |b| b.iter(|| analysis.encode(step)));
        group.bench_function("decode", |b| b.iter(|| f.decode(&payload)));
        group.finish();
    }
}

criterion_group!(benches, codec, stages);
criterion_main!(benches);
