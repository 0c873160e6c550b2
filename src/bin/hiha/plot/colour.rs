//! Colour scales: viridis for fields, blue-white-red for differences.

use plotters::style::RGBColor;

/// Viridis (CC0) at nine even steps; perceptually uniform, so straight lines between them do.
const VIRIDIS: [[u8; 3]; 9] = [
    [68, 1, 84],
    [71, 44, 122],
    [59, 81, 139],
    [44, 113, 142],
    [33, 144, 141],
    [39, 173, 129],
    [92, 200, 99],
    [170, 220, 50],
    [253, 231, 37],
];

/// Blue through white to red, of equal lightness on both sides (after ColorBrewer's RdBu).
const DIVERGING: [[u8; 3]; 9] = [
    [5, 48, 97],
    [33, 102, 172],
    [67, 147, 195],
    [146, 197, 222],
    [247, 247, 247],
    [244, 165, 130],
    [214, 96, 77],
    [178, 24, 43],
    [103, 0, 31],
];

/// Missing values.
const MISSING: RGBColor = RGBColor(205, 205, 205);

/// Which colours a map has, and the values at their ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    table: &'static [[u8; 3]; 9],
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Scale {
    /// For fields.
    pub(super) const fn sequential(low: f64, high: f64) -> Self {
        Self { table: &VIRIDIS, low, high }
    }
    /// For differences: white is zero.
    pub(super) const fn diverging(limit: f64) -> Self {
        Self { table: &DIVERGING, low: -limit, high: limit }
    }
    /// Colour of a value; those beyond the ends take the end's.
    pub(super) fn colour(&self, v: f64) -> RGBColor {
        if !v.is_finite() {
            return MISSING;
        }
        let t = if self.high > self.low { ((v - self.low) / (self.high - self.low)).clamp(0.0, 1.0) } else { 0.5 };
        let place = t * (self.table.len() - 1) as f64;
        let i = (place as usize).min(self.table.len() - 2);
        let part = place - i as f64;
        let mix = |c: usize| {
            let (a, b) = (f64::from(self.table[i][c]), f64::from(self.table[i + 1][c]));
            (a + (b - a) * part).round() as u8
        };
        RGBColor(mix(0), mix(1), mix(2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_and_middle() {
        let s = Scale::diverging(2.0);
        assert_eq!(s.colour(-3.0), RGBColor(5, 48, 97));
        assert_eq!(s.colour(0.0), RGBColor(247, 247, 247));
        assert_eq!(s.colour(2.0), RGBColor(103, 0, 31));
        assert_eq!(s.colour(f64::NAN), MISSING);
        assert_eq!(Scale::sequential(1.0, 1.0).colour(1.0), RGBColor(33, 144, 141));
    }
}
