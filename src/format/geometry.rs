//! How an array of any dimensions is laid out for the detail coders.

/// Axes longer than 1, split into outer axes and a last two-dimensional plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// Lengths of the outer axes (time, level, channel), outermost first; may be empty.
    pub(crate) outer: Vec<usize>,
    /// Rows of a plane (latitude); 1 for one-dimensional arrays.
    pub(crate) height: usize,
    /// Columns of a plane (longitude).
    pub(crate) width: usize,
    /// True when the last column's neighbour is the first column.
    pub(crate) periodic: bool,
}

impl Geometry {
    pub(crate) fn new(shape: &[usize], periodic: bool) -> Self {
        let mut axes: Vec<usize> = shape.iter().copied().filter(|&d| d > 1).collect();
        let width = axes.pop().unwrap_or(1);
        let height = axes.pop().unwrap_or(1);
        // An axis that was dropped cannot have been the longitude.
        let periodic = periodic && shape.last() == Some(&width) && width > 1;
        Self { outer: axes, height, width, periodic }
    }
    /// Number of planes.
    pub(crate) fn slices(&self) -> usize {
        self.outer.iter().product()
    }
    /// Elements of a plane.
    pub(crate) const fn plane(&self) -> usize {
        self.height * self.width
    }
}

#[cfg(test)]
mod tests {
    use super::Geometry;

    #[test]
    fn axes_of_length_one_vanish() {
        let g = Geometry::new(&[1, 24, 1, 7, 9], true);
        assert_eq!((g.outer.as_slice(), g.height, g.width, g.periodic), (&[24][..], 7, 9, true));
        let g = Geometry::new(&[5, 1], true);
        assert_eq!((g.slices(), g.plane(), g.periodic), (1, 5, false));
        assert_eq!(Geometry::new(&[1], false).plane(), 1);
    }
}
