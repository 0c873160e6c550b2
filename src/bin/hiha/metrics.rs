//! Error metrics of a decoded array against its original, as running sums: feed any number of
//! slices, then read the numbers. Only elements whose original is finite and not the fill value
//! count; the others must come back exactly and are counted when they do not.

use hiha::{Bound, DType, Element};

/// Run `$body` with `$T` bound to the Rust type of a [`DType`] value.
macro_rules! with_type {
    ($dtype:expr, $T:ident => $body:expr) => {
        with_type!(@ $dtype, $T, $body, F16 half::f16, BF16 half::bf16, F32 f32, F64 f64,
            I8 i8, U8 u8, I16 i16, U16 u16, I32 i32, U32 u32, I64 i64, U64 u64)
    };
    (@ $dtype:expr, $T:ident, $body:expr, $($d:ident $t:ty),*) => {
        match $dtype {
            $(hiha::DType::$d => {
                type $T = $t;
                $body
            })*
        }
    };
}
pub(crate) use with_type;

/// 2^600: brings squares that would overflow or vanish back into range.
const SHIFT: f64 = f64::from_bits((1023 + 600) << 52);
/// Errors above this are squared after division by [`SHIFT`], errors below its inverse after multiplication.
const LARGE: f64 = f64::from_bits((1023 + 500) << 52);

/// Sum of squares that neither overflows nor loses tiny terms.
#[derive(Debug, Clone, Copy, Default)]
struct SquareSum {
    large: f64,
    middle: f64,
    small: f64,
}

impl SquareSum {
    fn add(&mut self, v: f64) {
        if v > LARGE {
            self.large += (v / SHIFT).powi(2);
        } else if v >= 1.0 / LARGE {
            self.middle += v * v;
        } else {
            self.small += (v * SHIFT).powi(2);
        }
    }
    fn merge(&mut self, other: Self) {
        self.large += other.large;
        self.middle += other.middle;
        self.small += other.small;
    }
    /// Root of the sum over `n`.
    fn root_mean(&self, n: f64) -> f64 {
        if self.large > 0.0 {
            ((self.large + self.middle / SHIFT / SHIFT) / n).sqrt() * SHIFT
        } else if self.middle > 0.0 {
            ((self.middle + self.small / SHIFT / SHIFT) / n).sqrt()
        } else {
            (self.small / n).sqrt() / SHIFT
        }
    }
}

/// Running sums over pairs of original and decoded elements.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    /// Elements seen.
    pub(crate) total: u64,
    /// Elements that count: original finite and not fill.
    pub(crate) finite: u64,
    /// Elements that are NaN or infinite in the original.
    pub(crate) non_finite: u64,
    /// NaN or infinite elements that came back as something else, and finite ones that came back so.
    pub(crate) non_finite_mismatches: u64,
    /// Elements that are the fill value in the original.
    pub(crate) fill: u64,
    /// Fill values that came back as something else.
    pub(crate) fill_mismatches: u64,
    /// Elements whose bits differ (NaN payloads aside).
    pub(crate) changed: u64,
    /// Largest distance.
    pub(crate) max_abs: f64,
    min: f64,
    max: f64,
    squares: SquareSum,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            total: 0,
            finite: 0,
            non_finite: 0,
            non_finite_mismatches: 0,
            fill: 0,
            fill_mismatches: 0,
            changed: 0,
            max_abs: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            squares: SquareSum::default(),
        }
    }
}

impl Metrics {
    /// Add pairs given as native-endian bytes of the same type and length, and the fill values, one after the other.
    pub(crate) fn update_bytes(&mut self, dtype: DType, original: &[u8], decoded: &[u8], fills: Option<&[u8]>) {
        with_type!(dtype, T => {
            let elements = |bytes: &[u8]| -> Vec<T> { bytemuck::pod_collect_to_vec(bytes) };
            let fills = elements(fills.unwrap_or_default());
            // A few pages at a time: the bytes may be unaligned, and memory should stay small.
            let step = 1 << 16;
            for (a, b) in original.chunks(step).zip(decoded.chunks(step)) {
                self.update::<T>(&elements(a), &elements(b), &fills);
            }
        });
    }

    /// Add pairs of elements; both slices have the same length.
    pub(crate) fn update<T: Element>(&mut self, original: &[T], decoded: &[T], fills: &[T]) {
        assert_eq!(original.len(), decoded.len());
        let mut squares = SquareSum::default();
        for (&a, &b) in original.iter().zip(decoded) {
            let (x, y) = (a.to_f64(), b.to_f64());
            let same = a.same(b) || x.is_nan() && y.is_nan();
            self.changed += u64::from(!same);
            if fills.iter().any(|f| f.same(a) || x.is_nan() && f.to_f64().is_nan()) {
                self.fill += 1;
                self.fill_mismatches += u64::from(!same);
                continue;
            }
            if !x.is_finite() {
                self.non_finite += 1;
                self.non_finite_mismatches += u64::from(!same);
                continue;
            }
            self.finite += 1;
            self.min = self.min.min(x);
            self.max = self.max.max(x);
            if !y.is_finite() {
                self.non_finite_mismatches += 1;
                continue;
            }
            let error = distance(a, b);
            self.max_abs = self.max_abs.max(error);
            squares.add(error);
        }
        self.total += original.len() as u64;
        self.squares.merge(squares);
    }

    /// Add what another run over other elements has seen.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.total += other.total;
        self.finite += other.finite;
        self.non_finite += other.non_finite;
        self.non_finite_mismatches += other.non_finite_mismatches;
        self.fill += other.fill;
        self.fill_mismatches += other.fill_mismatches;
        self.changed += other.changed;
        self.max_abs = self.max_abs.max(other.max_abs);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.squares.merge(other.squares);
    }

    /// Maximum minus minimum of the original's finite values; 0 when there are none.
    pub(crate) fn range(&self) -> f64 {
        if self.finite == 0 { 0.0 } else { self.max - self.min }
    }
    /// Smallest and largest finite value of the original.
    #[cfg(test)]
    pub(crate) fn extent(&self) -> Option<(f64, f64)> {
        (self.finite > 0).then_some((self.min, self.max))
    }
    /// Root mean square error.
    pub(crate) fn rmse(&self) -> f64 {
        if self.finite == 0 { 0.0 } else { self.squares.root_mean(self.finite as f64) }
    }
    /// RMSE over the range; 0 for no error at all, infinite when a constant field has an error.
    pub(crate) fn nrmse(&self) -> f64 {
        over_range(self.rmse(), self.range())
    }
    /// Largest distance over the range.
    pub(crate) fn max_rel(&self) -> f64 {
        over_range(self.max_abs, self.range())
    }
    /// Peak signal-to-noise ratio in dB with the range as peak; infinite without error.
    pub(crate) fn psnr(&self) -> f64 {
        -20.0 * self.nrmse().log10()
    }
    /// NaN, infinities and fill values that did not come back exactly.
    pub(crate) fn mismatches(&self) -> u64 {
        self.non_finite_mismatches + self.fill_mismatches
    }

    /// What the bound limits, as measured: the error in the bound's own unit.
    pub(crate) fn achieved(&self, bound: &Bound) -> f64 {
        match bound {
            Bound::MaxAbs(_) => self.max_abs,
            Bound::MaxRel(_) => self.max_rel(),
            Bound::Rmse(_) => self.rmse(),
            Bound::Nrmse(_) => self.nrmse(),
            Bound::Psnr(_) => self.psnr(),
            Bound::Lossless => self.changed as f64,
        }
    }

    /// Does the bound hold, and did every non-finite and fill value come back? Sums of squares may
    /// differ in their last bits with the order of summation, so mean errors get 1e-12 of slack;
    /// largest errors get none.
    pub(crate) fn holds(&self, bound: &Bound) -> bool {
        const SLACK: f64 = 1.0 + 1e-12;
        let limit = bound.value();
        self.mismatches() == 0
            && match bound {
                Bound::MaxAbs(_) | Bound::Lossless => self.achieved(bound) <= limit,
                Bound::MaxRel(_) => self.max_abs <= limit * self.range(),
                Bound::Rmse(_) => self.rmse() <= limit * SLACK,
                Bound::Nrmse(_) => self.rmse() <= limit * self.range() * SLACK,
                Bound::Psnr(_) => self.rmse() <= 10f64.powf(-limit / 20.0) * self.range() * SLACK,
            }
    }
}

fn over_range(error: f64, range: f64) -> f64 {
    if error == 0.0 { 0.0 } else { error / range }
}

/// |a - b|, exact for integers up to the last rounding.
fn distance<T: Element>(a: T, b: T) -> f64 {
    if T::DTYPE.is_float() {
        (a.to_f64() - b.to_f64()).abs()
    } else {
        i128::from(a.to_ordinal()).abs_diff(i128::from(b.to_ordinal())) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A repeatable sequence in [0, 1).
    fn noise(n: usize, seed: u64) -> Vec<f64> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        (0..n).map(|_| next()).collect()
    }

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() <= 1e-12 * b.abs(), "{a} is not {b}");
    }

    #[test]
    fn agrees_with_the_formulas() {
        let original: Vec<f64> = noise(10_007, 1).iter().map(|v| 200.0 + 100.0 * v).collect();
        let decoded: Vec<f64> = original.iter().zip(noise(10_007, 2)).map(|(a, n)| a + (n - 0.5) * 0.02).collect();
        let mut m = Metrics::default();
        for (a, b) in original.chunks(999).zip(decoded.chunks(999)) {
            m.update(a, b, &[]);
        }
        let mut merged = Metrics::default();
        for (a, b) in original.chunks(4000).zip(decoded.chunks(4000)) {
            let mut part = Metrics::default();
            part.update(a, b, &[]);
            merged.merge(&part);
        }
        close(merged.rmse(), m.rmse());
        assert_eq!((merged.total, merged.max_abs, merged.extent()), (m.total, m.max_abs, m.extent()));
        let n = original.len() as f64;
        let range =
            original.iter().copied().fold(f64::MIN, f64::max) - original.iter().copied().fold(f64::MAX, f64::min);
        let errors: Vec<f64> = original.iter().zip(&decoded).map(|(a, b)| (a - b).abs()).collect();
        let rmse = (errors.iter().map(|e| e * e).sum::<f64>() / n).sqrt();
        let max = errors.iter().copied().fold(0.0, f64::max);
        close(m.range(), range);
        close(m.rmse(), rmse);
        close(m.nrmse(), rmse / range);
        close(m.psnr(), 20.0 * (range / rmse).log10());
        close(m.max_abs, max);
        close(m.max_rel(), max / range);
        assert_eq!((m.total, m.finite, m.mismatches()), (10_007, 10_007, 0));
    }

    #[test]
    fn bytes_and_elements_agree() {
        let original: Vec<f32> = noise(70_000, 3).iter().map(|&v| v as f32).collect();
        let decoded: Vec<f32> = original.iter().map(|v| v + 1e-3).collect();
        let (mut by_element, mut by_byte) = (Metrics::default(), Metrics::default());
        by_element.update(&original, &decoded, &[]);
        let mut unaligned = vec![0u8];
        unaligned.extend_from_slice(bytemuck::cast_slice(&original));
        by_byte.update_bytes(DType::F32, &unaligned[1..], bytemuck::cast_slice(&decoded), None);
        close(by_byte.rmse(), by_element.rmse());
        assert_eq!(by_byte.max_abs, by_element.max_abs);
        assert_eq!(by_byte.total, 70_000);
    }

    #[test]
    fn non_finite_and_fill_do_not_count_but_must_match() {
        let original = [1.0f32, f32::NAN, f32::INFINITY, -9e9, 3.0, f32::NEG_INFINITY];
        let mut m = Metrics::default();
        m.update(&original, &[1.5, f32::NAN, f32::INFINITY, -9e9, 3.0, f32::NEG_INFINITY], &[-9e9]);
        assert_eq!((m.finite, m.non_finite, m.fill, m.mismatches()), (2, 3, 1, 0));
        assert_eq!((m.range(), m.max_abs), (2.0, 0.5));
        assert!(m.holds(&Bound::MaxAbs(0.5)) && !m.holds(&Bound::MaxAbs(0.49)));

        let mut m = Metrics::default();
        m.update(&original, &[f32::NAN, 0.0, f32::NEG_INFINITY, -8e9, 3.0, 0.0], &[-9e9]);
        assert_eq!((m.non_finite_mismatches, m.fill_mismatches), (4, 1));
        assert!(!m.holds(&Bound::MaxAbs(1e30)));
    }

    #[test]
    fn lossless_sees_the_sign_of_zero() {
        let mut m = Metrics::default();
        m.update(&[0.0f64, 1.0], &[-0.0, 1.0], &[]);
        assert_eq!((m.max_abs, m.changed), (0.0, 1));
        assert!(!m.holds(&Bound::Lossless) && m.holds(&Bound::MaxAbs(1e-300)));
    }

    #[test]
    fn wide_integers_are_compared_exactly() {
        let mut m = Metrics::default();
        m.update(&[i64::MAX, i64::MIN], &[i64::MAX - 1, i64::MIN], &[]);
        assert_eq!(m.max_abs, 1.0);
        let mut m = Metrics::default();
        m.update(&[u64::MAX], &[0u64], &[]);
        assert_eq!(m.max_abs, u64::MAX as f64);
    }

    #[test]
    fn extreme_errors_neither_overflow_nor_vanish() {
        for scale in [1e-300, 1e-160, 1.0, 1e160, 1e300] {
            let mut m = Metrics::default();
            m.update(&[0.0f64, 3.0 * scale, 0.0, 0.0], &[scale, 3.0 * scale, scale, scale], &[]);
            close(m.rmse(), scale * 0.75f64.sqrt());
            close(m.nrmse(), 0.75f64.sqrt() / 3.0);
        }
    }

    #[test]
    fn nothing_finite_means_no_error() {
        let mut m = Metrics::default();
        m.update(&[f64::NAN; 3], &[f64::NAN; 3], &[]);
        assert_eq!((m.range(), m.rmse(), m.nrmse(), m.max_rel()), (0.0, 0.0, 0.0, 0.0));
        assert!(m.extent().is_none() && m.psnr() == f64::INFINITY && m.holds(&Bound::Nrmse(1e-3)));
    }
}
