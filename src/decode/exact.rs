//! Points held exactly: count, then gap to the next index and difference of ordinals for each.

use crate::array::Element;
use crate::error::{Result, corrupt};
use crate::format::Reader;

/// Put the points into `out`.
pub(crate) fn apply<T: Element>(mut r: Reader<'_>, out: &mut [T]) -> Result<()> {
    let count = r.count(out.len(), "exact points")?;
    let mut next = 0usize;
    for _ in 0..count {
        let at = r.offset();
        let gap = r.count(out.len(), "gap")?;
        let difference = r.svarint("difference")?;
        let Some(o) = next.checked_add(gap).and_then(|i| out.get_mut(i)) else {
            return corrupt(at, format!("exact point {next} + {gap} past the last element"));
        };
        *o = T::from_ordinal(o.to_ordinal().wrapping_add(difference));
        next += gap + 1;
    }
    if !r.rest().is_empty() {
        return corrupt(r.offset(), "bytes after the last exact point");
    }
    Ok(())
}
