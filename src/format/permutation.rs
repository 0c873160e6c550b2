//! The order in which a stream holds the axes of its array.

use super::wire::{Reader, Writer};
use crate::config::Axis;
use crate::error::{Result, corrupt};

/// Axis `order[k]` of the array is axis `k` of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Permutation(Vec<u8>);

impl Permutation {
    /// Latitude and longitude last, so that planes are maps whatever the array's layout; `None` when its own order serves.
    pub(crate) fn for_axes(axes: &[Axis]) -> Option<Self> {
        let at = |role| axes.iter().position(|&a| a == role);
        let (latitude, longitude) = (at(Axis::Latitude)?, at(Axis::Longitude)?);
        let rest = (0..axes.len()).filter(|&k| k != latitude && k != longitude);
        let order: Vec<u8> = rest.chain([latitude, longitude]).map(|k| k as u8).collect();
        (!order.is_sorted()).then_some(Self(order))
    }

    /// The longest axes last; `None` when they are. Of equal ones the order stays.
    pub(crate) fn longest_last(shape: &[usize]) -> Option<Self> {
        let mut order: Vec<u8> = (0..shape.len()).map(|k| k as u8).collect();
        order.sort_by_key(|&k| shape[usize::from(k)]);
        (!order.is_sorted()).then_some(Self(order))
    }

    /// The array's axis that is the stream's last.
    pub(crate) fn last(&self) -> usize {
        self.0.last().map_or(0, |&k| usize::from(k))
    }

    /// Lengths in the stream's order of an array of this shape.
    pub(crate) fn shape(&self, shape: &[usize]) -> Vec<usize> {
        self.0.iter().filter_map(|&k| shape.get(usize::from(k)).copied()).collect()
    }

    /// Something for each axis, from the stream's order to the array's.
    pub(crate) fn restore<T: Clone>(&self, in_stream: &[T]) -> Vec<T> {
        (0..self.0.len())
            .filter_map(|axis| in_stream.get(self.0.iter().position(|&k| usize::from(k) == axis)?).cloned())
            .collect()
    }

    pub(crate) fn write(&self, w: &mut Writer) {
        w.bytes(&self.0);
    }

    pub(crate) fn read(r: &mut Reader<'_>, ndim: usize) -> Result<Self> {
        let at = r.offset();
        let order = r.bytes(ndim, "axis order")?.to_vec();
        let mut sorted = order.clone();
        sorted.sort_unstable();
        if !sorted.iter().map(|&k| usize::from(k)).eq(0..ndim) {
            return corrupt(at, format!("axis order {order:?} is no permutation of {ndim} axes"));
        }
        Ok(Self(order))
    }

    /// Calls `f(index in the stream, index in the array)` for every element.
    pub(crate) fn for_each(&self, shape: &[usize], mut f: impl FnMut(usize, usize)) {
        let lengths = self.shape(shape);
        let stride = |k: u8| shape.iter().skip(usize::from(k) + 1).product::<usize>();
        let strides: Vec<usize> = self.0.iter().map(|&k| stride(k)).collect();
        let mut index = vec![0; lengths.len()];
        let mut from = 0;
        for to in 0..lengths.iter().product() {
            f(to, from);
            for ((i, &n), &stride) in index.iter_mut().zip(&lengths).zip(&strides).rev() {
                *i += 1;
                from += stride;
                if *i < n {
                    break;
                }
                from -= n * stride;
                *i = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_come_last() {
        use Axis::{Latitude, Longitude, Other, Time};
        assert_eq!(Permutation::for_axes(&[Time, Latitude, Longitude]), None);
        assert_eq!(Permutation::for_axes(&[Latitude, Other]), None);
        let p = Permutation::for_axes(&[Longitude, Latitude, Time]).unwrap();
        assert_eq!(p, Permutation(vec![2, 1, 0]));
        assert_eq!(p.shape(&[4, 3, 2]), [2, 3, 4]);
        let p = Permutation(vec![2, 0, 1]);
        assert_eq!(p.restore(&p.shape(&[4, 3, 2])), [4, 3, 2]);
        let p = Permutation(vec![2, 1, 0]);
        let mut pairs = Vec::new();
        p.for_each(&[4, 3, 2], |to, from| pairs.push((to, from)));
        for (to, from) in pairs {
            let (t, y, x) = (to / 12, to / 4 % 3, to % 4);
            assert_eq!(from, x * 6 + y * 2 + t);
        }
    }

    #[test]
    fn longest_axes_come_last() {
        assert_eq!(Permutation::longest_last(&[2, 3, 3]), None);
        assert_eq!(Permutation::longest_last(&[365, 1, 8, 8]), Some(Permutation(vec![1, 2, 3, 0])));
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(Permutation::read(&mut Reader::new(&[0, 0], 0), 2).is_err());
        assert!(Permutation::read(&mut Reader::new(&[0, 2], 0), 2).is_err());
        assert!(Permutation::read(&mut Reader::new(&[1], 0), 2).is_err());
        assert!(Permutation::read(&mut Reader::new(&[1, 0], 0), 2).is_ok());
    }
}
