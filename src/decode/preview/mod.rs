//! A small version of an array, from the front of its stream.

mod image;

use super::mask::Mask;
use super::{DecodeOptions, MUCH, base, fill, harmonic, section};
use crate::arith::Isa;
use crate::array::{Array, DType, Element, with_element};
use crate::cells::CellMeans;
use crate::entropy::values::{class, special};
use crate::error::{Error, Result, invalid};
use crate::format::pyramid::{Level, levels};
use crate::format::{Geometry, HarmonicParams, Method, Reader, Section, SectionId, Stream};
use image::{Image, flat_field, unit_borders};

/// A small version of an array.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Preview {
    /// One value for each cell of the whole array, close to the mean over it, in its element type.
    pub array: Array,
    /// For each dimension the borders of the cells, in elements of the whole array: from 0 to its length.
    pub cells: Vec<Vec<f64>>,
    /// Bytes of the stream that this took, counted from its start. No later byte makes a difference.
    pub bytes_read: usize,
}

impl Preview {
    /// Elements of the whole array that one of the preview stands for, along the dimension where they are most.
    #[must_use]
    pub fn scale(&self) -> f64 {
        let along = |b: &Vec<f64>| b.last().map_or(1.0, |n| n / (b.len() - 1) as f64);
        self.cells.iter().map(along).fold(1.0, f64::max)
    }
}

/// A version of the array with about one element for `scale` along each of the last two axes (latitude and
/// longitude where the encoder knew them; of small maps in long series the longest two, as [`Preview::cells`] tells);
/// other axes keep their length. A masked element of it is mostly masked.
///
/// A harmonic stream is read from its front to the coarsest level of the pyramid that is fine enough (each is
/// 2 or about 3 times smaller than the one before; up to an eighth coarser than asked counts as fine enough), so that
/// `stream` may end after that: its checksum is not verified, and corrections and exact points are ignored. **A
/// preview keeps no bound.** Against means over the same cells it differs by some thousandths of the range in the lapped pyramid (root mean
/// square, on fields of T850 and wind at 1/9: 0.3 and 0.5 percent), by about one percent in a wavelet (temperature over land at
/// 1/4 and 1/8: 0.8 and 1.3 percent), whose low samples are weighted means over more than their cell. Streams of other methods are verified, decoded whole and averaged.
///
/// # Errors
/// As [`decode`](crate::decode()); `InvalidArgument` for a scale of 0.
pub fn preview(stream: &[u8], scale: usize, options: &DecodeOptions) -> Result<Preview> {
    if scale == 0 {
        return invalid("a preview's scale must be 1 or more");
    }
    let front = Stream::read_front(stream)?;
    if front.header.method == Method::Harmonic {
        return with_element!(front.header.dtype, T => from_pyramid::<T>(&front, scale, options));
    }
    let whole = Stream::read(stream)?;
    super::check_limit(&whole, options)?;
    with_element!(whole.header.dtype, T => averaged::<T>(&whole, scale, stream.len(), options))
}

/// Decode the pyramid's coarse levels only.
fn from_pyramid<T: Element>(stream: &Stream<'_>, scale: usize, options: &DecodeOptions) -> Result<Preview> {
    let geometry = stream.header.geometry();
    // Tables of blocks and lines of the whole array's length.
    let tables = axes(&geometry).saturating_mul(8);
    at_most(tables, "a preview's tables", options)?;
    if tables > MUCH && Vec::<u8>::new().try_reserve_exact(tables).is_err() {
        return Err(Error::Limit { what: "a preview's tables", needed: tables as u64, limit: options.max_bytes });
    }
    let detail = section(stream, SectionId::Detail).unwrap_or_else(|| Reader::new(&[], 0));
    let basis = HarmonicParams::read(&mut detail.clone(), &geometry)?.basis;
    let levels = levels(basis, geometry.height, geometry.width);
    let finer = finer_levels(&levels, scale);
    let (height, width) = levels.get(finer).map_or((1, 1), |l| (l.height, l.width));
    let coarse = Geometry { height, width, ..geometry.clone() };
    let looks_at_all = [SectionId::Mask, SectionId::Reference, SectionId::Low, SectionId::Mid, SectionId::Time]
        .iter()
        .any(|&id| stream.section(id).is_some());
    check_memory(&coarse, looks_at_all.then_some(&geometry), T::DTYPE, options)?;
    let (field, read) = harmonic::decode(detail, &coarse, finer, None, Isa::detect(), options.threads)?;
    let mut bytes = 0;
    if let Some(s) = stream.section(SectionId::Detail) {
        bytes = s.offset + available(s, read.min(s.len), "detail of a preview")?;
    }
    let mask = match stream.section(SectionId::Mask) {
        Some(s) => {
            bytes = bytes.max(s.offset + available(s, s.len, "mask")?);
            Some(Mask::<T>::read(Reader::new(s.payload, s.offset), &geometry, stream.header.len())?)
        }
        None => None,
    };
    let small = Image::of_pyramid(coarse, &levels[..finer]);
    let flat = flat_field(&levels[..finer]);
    let base = base::of_stream(stream, options)?.map(|base| {
        let mut means = CellMeans::new(small.borders());
        means.add(&unit_borders(&geometry), |i| base[i].into());
        means.finish()
    });
    let classes = mask.as_ref().map(|mask| coarse_classes(|i| mask.missing(i), &geometry, &small));
    let apart = mask.as_ref().map(|mask| Apart::new(mask, &geometry, &small));
    let value = |i: usize| match (&mask, &classes) {
        (Some(mask), Some(coarse)) if coarse[i] != 0 => mask.value(coarse[i]),
        _ => {
            let detail = field.mean + field.step * f64::from(field.field[i]) / flat;
            let v = base.as_ref().map_or(detail, |base| detail + base[i]);
            let v = apart.as_ref().map_or(v, |apart| (1.0 - apart.shares[i]) * v + apart.sums[i]);
            T::from_f64(if v.is_nan() { 0.0 } else { v })
        }
    };
    small.finish(stream, value, bytes)
}

/// `needed` bytes of a section, if the stream goes that far.
fn available(section: &Section<'_>, needed: usize, what: &'static str) -> Result<usize> {
    let (offset, available) = (section.offset, section.payload.len());
    if needed > available { Err(Error::Truncated { offset, what, needed, available }) } else { Ok(needed) }
}

/// How many of the finest levels need not be decoded.
fn finer_levels(levels: &[Level], scale: usize) -> usize {
    let Some(whole) = levels.first() else { return 0 };
    let enough = |whole: usize, small: usize| whole as f64 <= small as f64 * scale as f64 * 1.125;
    let fine = levels.iter().take_while(|l| enough(whole.height, l.height) && enough(whole.width, l.width));
    fine.count().max(1) - 1
}

/// Decode everything and take means.
fn averaged<T: Element>(stream: &Stream<'_>, scale: usize, bytes: usize, options: &DecodeOptions) -> Result<Preview> {
    let geometry = stream.header.geometry();
    let small = Image::of_equal_cells(&geometry, scale);
    check_memory(&small.geometry, Some(&geometry), T::DTYPE, options)?;
    let mut values = vec![T::zeroed(); stream.header.len()];
    fill(stream, &mut values, options)?;
    let mask = match section(stream, SectionId::Mask) {
        Some(r) => Some(Mask::<T>::read(r, &geometry, values.len())?),
        None => None,
    };
    let class_of = |i: usize| mask.as_ref().map_or_else(|| not_finite(values[i]), |m| m.missing(i));
    let mut means = CellMeans::new(small.borders());
    means.add(&unit_borders(&geometry), |i| if class_of(i) == 0 { values[i].to_f64() } else { f64::NAN });
    let means = means.finish();
    let coarse = coarse_classes(class_of, &geometry, &small);
    let value = |i: usize| match (coarse[i], &mask) {
        (0, _) => T::from_f64(if means[i].is_nan() { 0.0 } else { means[i] }),
        (class, Some(mask)) => mask.value(class),
        (class, None) => special(class, &[]),
    };
    small.finish(stream, value, bytes)
}

/// Class of a value in an array without a mask.
fn not_finite<T: Element>(v: T) -> u8 {
    match v.to_f64() {
        f if f.is_nan() => class::NAN,
        f if f == f64::INFINITY => class::PLUS_INFINITY,
        f if f == f64::NEG_INFINITY => class::MINUS_INFINITY,
        _ => 0,
    }
}

/// How much of each cell of the small image is so.
fn shares(is: impl Fn(usize) -> bool, whole: &Geometry, small: &Image) -> Vec<f64> {
    let mut means = CellMeans::new(small.borders());
    means.add(&unit_borders(whole), |i| f64::from(u8::from(is(i))));
    means.finish()
}

/// Values that the encoder set apart, in cells of the small image.
struct Apart {
    /// How much of a cell they have.
    shares: Vec<f64>,
    /// What they add to its mean.
    sums: Vec<f64>,
}

impl Apart {
    fn new<T: Element>(mask: &Mask<T>, whole: &Geometry, small: &Image) -> Self {
        let n = small.geometry.slices() * small.geometry.plane();
        let mut apart = Self { shares: vec![0.0; n], sums: vec![0.0; n] };
        for c in mask.apart() {
            let value = mask.value(c).to_f64();
            let more = shares(|i| mask.classes[i] == c, whole, small);
            for ((share, sum), more) in apart.shares.iter_mut().zip(&mut apart.sums).zip(more) {
                (*share, *sum) = (*share + more, *sum + more * value);
            }
        }
        apart
    }
}

/// The class of most of the masked part of each cell that is more masked than not; 0 elsewhere.
fn coarse_classes(class_of: impl Fn(usize) -> u8, whole: &Geometry, small: &Image) -> Vec<u8> {
    let n = small.geometry.slices() * small.geometry.plane();
    let (mut masked, mut most) = (vec![0.0; n], vec![(0.0, 0u8); n]);
    let len = whole.slices() * whole.plane();
    for c in 1..=class::LAST {
        if !(0..len).any(|i| class_of(i) == c) {
            continue;
        }
        let shares = shares(|i| class_of(i) == c, whole, small);
        for ((sum, most), share) in masked.iter_mut().zip(&mut most).zip(shares) {
            *sum += share;
            *most = if share > most.0 { (share, c) } else { *most };
        }
    }
    masked.iter().zip(most).map(|(&share, (_, c))| if share > 0.5 { c } else { 0 }).collect()
}

/// Refuse previews that are larger than the caller allows, or whose working memory cannot be had: 42 bytes for each
/// element of the small image, and what `whole` needs where all of it is looked at.
fn check_memory(small: &Geometry, whole: Option<&Geometry>, dtype: DType, options: &DecodeOptions) -> Result<()> {
    let elements = |g: &Geometry| g.outer.iter().fold(g.height.saturating_mul(g.width), |n, &d| n.saturating_mul(d));
    at_most(elements(small).saturating_mul(dtype.size()), "output", options)?;
    at_most(whole.map_or(0, elements), "mask", options)?;
    let whole =
        whole.map_or(0, |g| elements(g).saturating_mul(9 + dtype.size()).saturating_add(axes(g).saturating_mul(64)));
    let all = elements(small).saturating_mul(42 + dtype.size()).saturating_add(whole);
    if all > MUCH && Vec::<u8>::new().try_reserve_exact(all).is_err() {
        return Err(Error::Limit { what: "a preview", needed: all as u64, limit: options.max_bytes });
    }
    Ok(())
}

/// Elements along all axes.
fn axes(g: &Geometry) -> usize {
    g.outer.iter().chain([&g.height, &g.width]).fold(0, |n, &d| n.saturating_add(d))
}

fn at_most(needed: usize, what: &'static str, options: &DecodeOptions) -> Result<()> {
    let (needed, limit) = (needed as u64, options.max_bytes);
    if needed > limit { Err(Error::Limit { what, needed, limit }) } else { Ok(()) }
}
