//! What the coder knows of the slices before.

use crate::arith::run_wide;
use crate::entropy::integer::Integer;
use crate::entropy::residual::level;
use crate::entropy::rows::{PAD, Row, rescaled};

/// The rows around the one that is coded, and the memory behind them.
pub(super) struct Past<Q: Integer> {
    /// Rows y - 1, y, y + 1 of the slice before.
    pub(super) rows: [Row<Q>; 3],
    /// Row y of the slice before that one; in the second slice, of the first.
    pub(super) older: Row<Q>,
    /// The two slices before, the last one first, and levels of the residuals' sizes in that one. They are
    /// replaced row by row as they fall out of use.
    planes: [Vec<Q>; 2],
    sizes: Vec<u8>,
}

impl<Q: Integer> Past<Q> {
    /// For rows of `width` elements and `slices` slices of `plane` elements; one slice needs no memory.
    pub(super) fn new(width: usize, slices: usize, plane: usize) -> Self {
        let width = if slices > 1 { width } else { 0 };
        let plane = |least: usize| if slices > least { plane } else { 0 };
        Self {
            rows: std::array::from_fn(|_| Row::new(width)),
            older: Row::new(width),
            planes: [vec![Q::default(); plane(1)], vec![Q::default(); plane(2)]],
            sizes: vec![0; plane(1)],
        }
    }

    /// Integers are `offset + factor * q` in new units.
    pub(super) fn change(&mut self, (offset, factor): (f64, f64)) {
        run_wide(
            #[inline(always)]
            || {
                for plane in &mut self.planes {
                    plane.iter_mut().for_each(|q| *q = Q::nearest(offset + q.float() * factor));
                }
            },
        );
        let sizes: [u8; 256] = std::array::from_fn(|s| rescaled::<Q::Size>(s as u8, factor));
        self.sizes.iter_mut().for_each(|s| *s = sizes[usize::from(*s)]);
    }

    /// Bring the rows for row `y` of `height` in place, in a slice that is not the first.
    #[inline(always)]
    pub(super) fn open(
        &mut self,
        (y, height): (usize, usize),
        width: usize,
        second: bool,
        close: impl Fn(&mut Row<Q>),
    ) {
        if y > 0 {
            self.rows.rotate_left(1);
        }
        let Self { rows, planes: [last, older], sizes, .. } = self;
        let part = |y: usize| y * width..(y + 1) * width;
        if y == 0 {
            rows[1].load(&last[part(0)], &sizes[part(0)]);
            close(&mut rows[1]);
            rows[0] = rows[1].clone();
        }
        let below = part((y + 1).min(height - 1));
        rows[2].load(&last[below.clone()], &sizes[below]);
        close(&mut rows[2]);
        let older = if second { last } else { older };
        self.older.load(&older[part(y)], &[]);
        close(&mut self.older);
    }

    /// Keep row `y`: that of the slice before is in `rows`, so its memory is free.
    #[inline(always)]
    pub(super) fn keep(&mut self, y: usize, width: usize, row: &Row<Q>) {
        let part = y * width..(y + 1) * width;
        let [last, older] = &mut self.planes;
        if let Some(last) = last.get_mut(part.clone()) {
            if let Some(older) = older.get_mut(part.clone()) {
                older.copy_from_slice(last);
            }
            last.copy_from_slice(&row.q[PAD..PAD + width]);
            for (s, &v) in self.sizes[part].iter_mut().zip(&row.size[PAD..]) {
                *s = level(v.into()) as u8;
            }
        }
    }
}
