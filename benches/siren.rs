//! Bases of fields.
use hiha::stages::siren::{Settings, fit_network};
fn cpu() -> f64 {
    let s = std::fs::read_to_string("/proc/self/schedstat").unwrap();
    s.split(" ").next().unwrap().parse::<f64>().unwrap() * 1e-9
}

fn read(path: &str) -> Vec<f32> {
    std::fs::read(path).unwrap().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

fn sphere(h: usize, w: usize, s: usize, field: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let (hh, ww) = (h / s, w / s);
    let n = hh * ww;
    let mut points = vec![0.0; 3 * n];
    let mut t = vec![0.0; n];
    for i in 0..hh {
        for j in 0..ww {
            let lat = (90.0 - 180.0 * (i as f64 * s as f64 + (s - 1) as f64 / 2.0) / (h - 1) as f64).to_radians();
            let lon = (360.0 * (j as f64 * s as f64 + (s - 1) as f64 / 2.0) / w as f64).to_radians();
            let k = i * ww + j;
            points[k] = (lat.cos() * lon.cos()) as f32;
            points[n + k] = (lat.cos() * lon.sin()) as f32;
            points[2 * n + k] = lat.sin() as f32;
            let mut sum = 0.0f64;
            for y in 0..s {
                for x in 0..s {
                    sum += f64::from(field[(i * s + y) * w + j * s + x]);
                }
            }
            t[k] = (sum / (s * s) as f64) as f32;
        }
    }
    (points, t)
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let num =
        |k: &str, d: f64| args.iter().find_map(|a| a.strip_prefix(&format!("{k}="))).map_or(d, |v| v.parse().unwrap());
    let s = num("s", 16.0) as usize;
    for name in args.iter().filter(|a| !a.contains('=')) {
        let f = read(name);
        let (h, w) = (721, 1440);
        let (points, mut t) = sphere(h, w, s, &f);
        let (full, ft) = sphere(h, w, 1, &f);
        let mean = t.iter().map(|&v| f64::from(v)).sum::<f64>() / t.len() as f64;
        let (lo, hi) = f.iter().fold((f32::MAX, f32::MIN), |(a, b), &v| (a.min(v), b.max(v)));
        let scale = t.iter().fold(0f64, |m, &v| m.max((f64::from(v) - mean).abs()));
        t.iter_mut().for_each(|v| *v = ((f64::from(*v) - mean) / scale) as f32);
        for seed in 0..num("seeds", 3.0) as u64 {
            let w0 = num("w0", 12.0) as f32;
            let settings = Settings {
                frequencies: vec![w0 / 3.0; 3],
                gain: num("gain", 1.0) as f32,
                seed: seed * 100,
                starts: num("starts", 2.0) as u64,
                points: num("np", 1000.0) as usize,
                steps: num("steps", 30.0) as usize,
                adam: num("adam", 600.0) as usize,
                rate: num("rate", 1e-2) as f32,
                damping: num("damp", 1.0),
            };
            let at = cpu();
            let net = fit_network(&points, &t, [3, num("d", 2.0) as usize, num("width", 16.0) as usize, 1], &settings);
            let time = cpu() - at;
            let mut out = vec![0.0; ft.len()];
            let at = cpu();
            net.evaluate(&full, &mut out);
            let etime = cpu() - at;
            let e: f64 =
                out.iter().zip(&ft).map(|(o, t)| (f64::from(*o) * scale + mean - f64::from(*t)).powi(2)).sum::<f64>()
                    / ft.len() as f64;
            println!(
                "{name} {args:?} seed {seed}: points {} coarse {:.3e} full nrmse {:.3e} fit {time:.3}s eval {etime:.4}s",
                t.len(),
                (net.loss / t.len() as f64).sqrt() * scale / f64::from(hi - lo),
                e.sqrt() / f64::from(hi - lo)
            );
            if num("q", 1.0) == 0.0 {
                continue;
            }
            for x in [30.0, 60.0, 100.0, 200.0, 400.0, 1000.0] {
                let at = cpu();
                let r = net.quantise(&points, &t, x);
                let time = cpu() - at;
                r.fitted.evaluate(&full, &mut out);
                let e: f64 = out
                    .iter()
                    .zip(&ft)
                    .map(|(o, t)| (f64::from(*o) * scale + mean - f64::from(*t)).powi(2))
                    .sum::<f64>()
                    / ft.len() as f64;
                println!(
                    "   exchange {x}: {} bytes, coarse {:.3e} full {:.3e}, {time:.3} s",
                    r.bytes,
                    (r.fitted.loss / t.len() as f64).sqrt() * scale / f64::from(hi - lo),
                    e.sqrt() / f64::from(hi - lo)
                );
            }
        }
    }
}
