//! The basis of a Karhunen-Loeve transform along an outer axis, as it is coded.

/// Longest axis that can have one.
pub(crate) const MAX_KLT: usize = 256;

/// Whole numbers from which both sides make the same orthonormal basis.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Klt {
    /// The leading basis vectors; all others have coefficients of 0.
    pub(crate) rows: Vec<Row>,
}

/// A basis vector before it is made orthonormal: `q * 2^-exponent`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Row {
    /// At most 15; no row has more than the row before it.
    pub(crate) exponent: u8,
    /// One for each element of the axis.
    pub(crate) q: Vec<i32>,
}

impl Klt {
    /// The first `n` vectors.
    pub(crate) fn leading(&self, n: usize) -> Self {
        Self { rows: self.rows[..n].to_vec() }
    }
}

impl Row {
    /// Largest exponent.
    pub(crate) const MAX_EXPONENT: u8 = 15;
}
