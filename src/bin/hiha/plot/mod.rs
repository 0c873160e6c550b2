//! Pictures of fields as maps with colour bars: one, or original, decoded and their difference.

mod axis;
mod colour;

pub(crate) use axis::{MapAxis, number};

use anyhow::{Result, anyhow};
use axis::{decimal, round_step};
use colour::Scale;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::path::Path;
use std::sync::Once;

/// What maps have in common.
pub(crate) struct Frame {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) vertical: MapAxis,
    pub(crate) horizontal: MapAxis,
    pub(crate) title: String,
    pub(crate) subtitle: String,
    pub(crate) unit: String,
}

/// One map.
struct Panel<'a> {
    heading: &'a str,
    /// Values row by row; missing ones are NaN.
    values: &'a [f64],
    scale: Scale,
    /// Pixels show the largest value below them, so that no error is hidden; else the mean.
    largest: bool,
}

type Area<'a> = DrawingArea<BitMapBackend<'a>, plotters::coord::Shift>;

const INK: RGBColor = RGBColor(35, 35, 35);
const FAINT: RGBColor = RGBColor(110, 110, 110);
/// Around a map: left for labels, right for the colour bar, above for its heading, below for labels.
const LEFT: i32 = 78;
const RIGHT: i32 = 150;
const ABOVE: i32 = 40;
const BELOW: i32 = 42;
const HEAD: i32 = 92;

/// Draw one field to a PNG.
pub(crate) fn draw_map(frame: &Frame, heading: &str, values: &[f64], path: &Path) -> Result<()> {
    let (low, high) = extent(values);
    draw(frame, &[Panel { heading, values, scale: Scale::sequential(low, high), largest: false }], path)
}

/// Draw two fields and their difference to a PNG.
pub(crate) fn draw_comparison(frame: &Frame, original: &[f64], decoded: &[f64], path: &Path) -> Result<()> {
    let difference: Vec<f64> = decoded.iter().zip(original).map(|(d, o)| d - o).collect();
    let (low, high) = extent(original);
    let worst = difference.iter().filter(|v| v.is_finite()).fold(0f64, |m, v| m.max(v.abs()));
    let scale = Scale::sequential(low, high);
    let panels = [
        Panel { heading: "Original", values: original, scale, largest: false },
        Panel { heading: "Decoded", values: decoded, scale, largest: false },
        Panel {
            heading: "Decoded \u{2212} original",
            values: &difference,
            scale: Scale::diverging(worst),
            largest: true,
        },
    ];
    draw(frame, &panels, path)
}

/// Under a temporary name first.
fn draw(maps: &Frame, panels: &[Panel<'_>], path: &Path) -> Result<()> {
    register_font()?;
    let shape = maps.rows as f64 / maps.columns as f64;
    // Wide maps stand above each other, others side by side.
    let stacked = shape <= 0.75;
    let width = if stacked { 1000 } else { 470 };
    let height = ((f64::from(width) * shape) as i32).clamp(180, 900);
    let (cell_w, cell_h) = (LEFT + width + RIGHT, ABOVE + height + BELOW);
    let n = panels.len() as i32;
    let (total_w, total_h) = if stacked { (cell_w, HEAD + n * cell_h) } else { (n * cell_w, HEAD + cell_h) };

    let temporary = path.with_extension("tmp.png");
    {
        let root = BitMapBackend::new(&temporary, (total_w as u32, total_h as u32 + 10)).into_drawing_area();
        root.fill(&WHITE).map_err(drawing)?;
        text(&root, &maps.title, (LEFT, 20), 30, INK, HPos::Left, VPos::Top)?;
        text(&root, &maps.subtitle, (LEFT, 60), 19, FAINT, HPos::Left, VPos::Top)?;
        for (i, panel) in (0..).zip(panels) {
            let (x, y) = if stacked { (LEFT, HEAD + i * cell_h + ABOVE) } else { (LEFT + i * cell_w, HEAD + ABOVE) };
            let place = Place { x, y, width, height };
            text(&root, panel.heading, (x, y - 10), 22, INK, HPos::Left, VPos::Bottom)?;
            map(&root, maps, panel, place)?;
            axes(&root, maps, place)?;
            colour_bar(&root, panel.scale, &maps.unit, place)?;
        }
        root.present().map_err(drawing)?;
    }
    std::fs::rename(&temporary, path)?;
    Ok(())
}

/// Where a map stands, in pixels.
#[derive(Clone, Copy)]
struct Place {
    x: i32,
    y: i32,
    width: i32,
    height: i32,
}

/// The elements below each pixel.
fn map(root: &Area<'_>, maps: &Frame, panel: &Panel<'_>, place: Place) -> Result<()> {
    let turned = maps.vertical.starts_in_the_south();
    let span = |pixel: i32, pixels: i32, n: usize| {
        let first = pixel as usize * n / pixels as usize;
        let end = ((pixel as usize + 1) * n).div_ceil(pixels as usize);
        // When pixels are smaller than elements, one element; else all that it touches but for the shared last one.
        first..end.min(n).max(first + 1).min(first + (n / pixels as usize).max(1))
    };
    for py in 0..place.height {
        let rows = span(py, place.height, maps.rows);
        for px in 0..place.width {
            let columns = span(px, place.width, maps.columns);
            let (mut sum, mut count, mut extreme) = (0.0, 0.0, 0f64);
            for r in rows.clone() {
                let r = if turned { maps.rows - 1 - r } else { r };
                for v in &panel.values[r * maps.columns..][columns.clone()] {
                    if v.is_finite() {
                        (sum, count) = (sum + v, count + 1.0);
                        extreme = if v.abs() > extreme.abs() { *v } else { extreme };
                    }
                }
            }
            let v = if count == 0.0 {
                f64::NAN
            } else if panel.largest {
                extreme
            } else {
                sum / count
            };
            root.draw_pixel((place.x + px, place.y + py), &panel.scale.colour(v)).map_err(drawing)?;
        }
    }
    let corners = [(place.x - 1, place.y - 1), (place.x + place.width, place.y + place.height)];
    root.draw(&Rectangle::new(corners, INK)).map_err(drawing)
}

fn axes(root: &Area<'_>, maps: &Frame, place: Place) -> Result<()> {
    let (bottom, left) = (place.y + place.height, place.x);
    for (at, label) in maps.horizontal.ticks(maps.columns, (place.width / 110) as usize) {
        let x = left + (at / maps.columns as f64 * f64::from(place.width)) as i32;
        line(root, (x, bottom), (x, bottom + 6))?;
        text(root, &label, (x, bottom + 10), 17, INK, HPos::Center, VPos::Top)?;
    }
    for (at, label) in maps.vertical.ticks(maps.rows, (place.height / 60).max(2) as usize) {
        let part = at / maps.rows as f64;
        let part = if maps.vertical.starts_in_the_south() { 1.0 - part } else { part };
        let y = place.y + (part * f64::from(place.height)) as i32;
        line(root, (left - 7, y), (left - 1, y))?;
        text(root, &label, (left - 11, y), 17, INK, HPos::Right, VPos::Center)?;
    }
    Ok(())
}

fn colour_bar(root: &Area<'_>, scale: Scale, unit: &str, place: Place) -> Result<()> {
    let (x, width) = (place.x + place.width + 22, 20);
    for py in 0..place.height {
        let part = 1.0 - (f64::from(py) + 0.5) / f64::from(place.height);
        let colour = scale.colour(scale.low + part * (scale.high - scale.low));
        root.draw(&Rectangle::new([(x, place.y + py), (x + width, place.y + py + 1)], colour.filled()))
            .map_err(drawing)?;
    }
    let frame = [(x - 1, place.y - 1), (x + width + 1, place.y + place.height)];
    root.draw(&Rectangle::new(frame, INK)).map_err(drawing)?;
    text(root, unit, (x, place.y - 10), 17, FAINT, HPos::Left, VPos::Bottom)?;
    let span = scale.high - scale.low;
    if span <= 0.0 {
        let label = number(scale.low);
        return text(root, &label, (x + width + 10, place.y + place.height / 2), 17, INK, HPos::Left, VPos::Center);
    }
    let step = round_step(span, (place.height / 45).clamp(3, 10) as usize);
    let mut k = (scale.low / step - 1e-9).ceil();
    while k * step <= scale.high + 1e-9 * step {
        let part = (k * step - scale.low) / span;
        let y = place.y + ((1.0 - part) * f64::from(place.height - 1)) as i32;
        line(root, (x + width + 1, y), (x + width + 6, y))?;
        text(root, &decimal(k * step, step), (x + width + 10, y), 17, INK, HPos::Left, VPos::Center)?;
        k += 1.0;
    }
    Ok(())
}

fn line(root: &Area<'_>, from: (i32, i32), to: (i32, i32)) -> Result<()> {
    root.draw(&PathElement::new([from, to], INK)).map_err(drawing)
}

fn text(root: &Area<'_>, what: &str, at: (i32, i32), size: i32, colour: RGBColor, h: HPos, v: VPos) -> Result<()> {
    let style = TextStyle::from((FONT, size).into_font()).color(&colour).pos(Pos::new(h, v));
    root.draw_text(what, &style, at).map_err(drawing)
}

fn extent(values: &[f64]) -> (f64, f64) {
    let finite = values.iter().copied().filter(|v| v.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    if low <= high { (low, high) } else { (0.0, 0.0) }
}

const FONT: &str = "sans-serif";

/// The font is part of the program, so that a picture needs nothing installed.
fn register_font() -> Result<()> {
    static REGISTERED: Once = Once::new();
    let mut result = Ok(());
    REGISTERED.call_once(|| {
        result = plotters::style::register_font(FONT, FontStyle::Normal, include_bytes!("DejaVuSans-subset.ttf"))
            .map_err(|_| anyhow!("the font is damaged"));
    });
    result
}

fn drawing<E: std::error::Error + Send + Sync>(error: DrawingAreaErrorKind<E>) -> anyhow::Error {
    anyhow!("{error}")
}
