//! Ticks: round numbers, and degrees for longitude and latitude.

use hiha::Axis;

/// One axis of a map.
#[derive(Debug, Clone)]
pub(crate) struct MapAxis {
    /// Name of the dimension.
    pub(crate) name: String,
    /// Coordinates, if the file has them.
    pub(crate) values: Option<Vec<f64>>,
}

impl MapAxis {
    /// Coordinates to label with: those of the file when they are monotone, else none.
    fn monotone(&self) -> Option<&[f64]> {
        let values = self.values.as_deref().filter(|v| v.len() > 1)?;
        let up = values[1] > values[0];
        values.windows(2).all(|w| w[1].is_finite() && w[0] != w[1] && (w[1] > w[0]) == up).then_some(values)
    }

    /// Is the first row the southernmost, so that the picture must be turned?
    pub(super) fn starts_in_the_south(&self) -> bool {
        Axis::from_dimension_name(&self.name) == Axis::Latitude && self.monotone().is_some_and(|v| v[1] > v[0])
    }

    /// Ticks as (place in elements from the first element's outer edge, label).
    pub(super) fn ticks(&self, len: usize, wanted: usize) -> Vec<(f64, String)> {
        let index: Vec<f64>;
        let (values, known) = match self.monotone().filter(|v| v.len() == len) {
            Some(values) => (values, true),
            None => {
                index = (0..len).map(|i| i as f64).collect();
                (&index[..], false)
            }
        };
        let (first, last) = (values[0], values[len - 1]);
        let role = Axis::from_dimension_name(&self.name);
        let degrees = known
            && match role {
                Axis::Longitude => first.abs().max(last.abs()) <= 360.0,
                Axis::Latitude => first.abs().max(last.abs()) <= 90.0,
                _ => false,
            };
        let span = (last - first).abs();
        let step = if degrees { degree_step(span, wanted) } else { round_step(span, wanted) };
        let (low, high) = (first.min(last), first.max(last));
        let mut ticks = Vec::new();
        let mut k = (low / step - 1e-9).ceil();
        while k * step <= high + 1e-9 * step {
            let v = k * step;
            let label = if degrees { degree_label(v, role) } else { decimal(v, step) };
            ticks.push((place(values, v) + 0.5, label));
            k += 1.0;
        }
        ticks
    }
}

/// Fractional index of `v` among monotone values.
fn place(values: &[f64], v: f64) -> f64 {
    let up = values[1] > values[0];
    let i = values.partition_point(|&x| if up { x < v } else { x > v }).clamp(1, values.len() - 1);
    (i - 1) as f64 + (v - values[i - 1]) / (values[i] - values[i - 1])
}

fn degree_step(span: f64, wanted: usize) -> f64 {
    let steps = [1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 90.0];
    let fits = steps.into_iter().find(|s| span / s <= wanted as f64);
    if span < wanted as f64 * 0.5 { round_step(span, wanted) } else { fits.unwrap_or(90.0) }
}

fn degree_label(v: f64, role: Axis) -> String {
    let (v, plus, minus) = match role {
        Axis::Longitude => ((v + 180.0).rem_euclid(360.0) - 180.0, "E", "W"),
        _ => (v, "N", "S"),
    };
    let size = format!("{:.2}", v.abs());
    let size = size.trim_end_matches('0').trim_end_matches('.');
    let side = if v == 0.0 || v == -180.0 {
        ""
    } else if v > 0.0 {
        plus
    } else {
        minus
    };
    format!("{size}°{side}")
}

/// 1, 2 or 5 times a power of ten, so that about `wanted` steps span the range.
pub(super) fn round_step(span: f64, wanted: usize) -> f64 {
    let raw = span / wanted as f64;
    if raw <= 0.0 || !raw.is_finite() {
        return 1.0;
    }
    let power = 10f64.powf(raw.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|&s| s >= raw * 0.999).unwrap_or(10.0 * power)
}

/// With as many decimals as the step needs; powers of ten for very large and small numbers.
pub(super) fn decimal(v: f64, step: f64) -> String {
    let v = if v.abs() < step * 1e-6 { 0.0 } else { v };
    let exponent = step.log10().floor();
    if v != 0.0 && (exponent < -4.0 || v.abs() >= 1e6) {
        return number(v);
    }
    format!("{v:.*}", (-exponent).max(0.0) as usize).replace('-', "\u{2212}")
}

/// Three significant digits, in plain or scientific spelling.
pub(crate) fn number(v: f64) -> String {
    if v == 0.0 || !v.is_finite() {
        return v.to_string();
    }
    let exponent = v.abs().log10().floor() as i32;
    let text = if (-3..=4).contains(&exponent) {
        let text = format!("{v:.*}", (2 - exponent).max(0) as usize);
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    } else {
        let mantissa = format!("{:.2}", v / 10f64.powi(exponent));
        format!("{}e{exponent}", mantissa.trim_end_matches('0').trim_end_matches('.'))
    };
    text.replace('-', "\u{2212}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn degrees() {
        let axis = MapAxis { name: "longitude".into(), values: Some((0..360).map(f64::from).collect()) };
        let labels: Vec<String> = axis.ticks(360, 6).into_iter().map(|t| t.1).collect();
        assert_eq!(labels, ["0°", "60°E", "120°E", "180°", "120°W", "60°W"]);
        let axis = MapAxis { name: "lat".into(), values: Some((0..181).map(|i| 90.0 - f64::from(i)).collect()) };
        assert!(!axis.starts_in_the_south());
        assert!(axis.ticks(181, 6).contains(&(60.5, "30°N".to_owned())));
    }

    #[test]
    fn numbers() {
        assert_eq!(
            [number(0.01234), number(-1.5e-9), number(123.456), number(0.0)],
            ["0.0123", "\u{2212}1.5e\u{2212}9", "123", "0"]
        );
        assert_eq!((round_step(100.0, 5), round_step(0.7, 5)), (20.0, 0.2));
        assert_eq!((decimal(0.25, 0.05), decimal(240.0, 20.0)), ("0.25".to_owned(), "240".to_owned()));
    }
}
