//! Draws the series side by side: speed above, memory below.

use std::path::Path;

use image::RgbImage;
use image::imageops::{FilterType, resize};
use lenet_benches::{FAMILY, register_typeface};
use plotters::coord::Shift;
use plotters::coord::combinators::IntoLogRange as _;
use plotters::prelude::*;

use crate::Result;

/// The pixels of the SVG; the PNG has twice as many a side.
const SIZE: (u32, u32) = (1260, 720);
/// plotters does not smooth edges: the PNG is drawn this much larger than it will be.
const OVERSAMPLING: u32 = 2;
const PNG_SCALE: u32 = 2;

const INK: RGBColor = RGBColor(28, 33, 40);
const GRID: RGBColor = RGBColor(230, 233, 238);
/// Blue and vermilion of Okabe and Ito's palette.
const BLUE: RGBColor = RGBColor(0, 114, 178);
const VERMILION: RGBColor = RGBColor(213, 94, 0);

/// One series.
pub struct Line {
    pub x_label: &'static str,
    pub x: Vec<f64>,
    /// Images a second.
    pub speed: Vec<f64>,
    /// MB.
    pub memory: Vec<f64>,
}

/// Writes `scaling.svg` and `scaling.png`.
pub fn write(lines: &[Line], folder: &Path) -> Result<()> {
    register_typeface();
    let svg = folder.join("scaling.svg");
    draw(SVGBackend::new(&svg, SIZE).into_drawing_area(), lines, 1)?;

    let scale = PNG_SCALE * OVERSAMPLING;
    let (width, height) = (SIZE.0 * scale, SIZE.1 * scale);
    let mut pixels = vec![0; 3 * (width * height) as usize];
    let bitmap = BitMapBackend::with_buffer(&mut pixels, (width, height));
    draw(bitmap.into_drawing_area(), lines, scale)?;
    let large = RgbImage::from_raw(width, height, pixels).ok_or("a bitmap of another size")?;
    let (width, height) = (SIZE.0 * PNG_SCALE, SIZE.1 * PNG_SCALE);
    resize(&large, width, height, FilterType::Triangle).save(folder.join("scaling.png"))?;
    Ok(())
}

fn draw<B: DrawingBackend>(area: DrawingArea<B, Shift>, lines: &[Line], scale: u32) -> Result<()>
where
    B::ErrorType: 'static,
{
    area.fill(&WHITE)?;
    let panels = area.split_evenly((2, lines.len()));
    let (speed, memory) = panels.split_at(lines.len());
    for (panel, line) in std::iter::zip(speed, lines) {
        chart(
            panel,
            line,
            &line.speed,
            "1,000 images/s",
            1e-3,
            BLUE,
            scale,
        )?;
    }
    for (panel, line) in std::iter::zip(memory, lines) {
        chart(
            panel,
            line,
            &line.memory,
            "peak memory, MB",
            1.,
            VERMILION,
            scale,
        )?;
    }
    area.present()?;
    Ok(())
}

/// A line through points, each with its own tick: few numbers, far apart on a logarithmic axis.
fn chart<B: DrawingBackend>(
    panel: &DrawingArea<B, Shift>,
    line: &Line,
    values: &[f64],
    y_label: &str,
    unit: f64,
    colour: RGBColor,
    scale: u32,
) -> Result<()>
where
    B::ErrorType: 'static,
{
    let size = |pixels: u32| (pixels * scale) as i32;
    let font = |pixels: u32| (FAMILY, size(pixels)).into_font().color(&INK);
    let values: Vec<f64> = values.iter().map(|value| value * unit).collect();
    let (first, last) = (line.x[0], line.x[line.x.len() - 1]);
    let ends = first / 1.2..last * 1.2;
    let highest = values.iter().fold(0_f64, |most, value| most.max(*value));
    let top = if highest > 0. { 1.15 * highest } else { 1. };
    let mut chart = ChartBuilder::on(panel)
        .margin(size(16))
        .margin_right(size(30))
        .x_label_area_size(size(46))
        .y_label_area_size(size(60))
        .build_cartesian_2d(ends.log_scale().with_key_points(line.x.clone()), 0_f64..top)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(GRID.stroke_width(scale))
        .light_line_style(TRANSPARENT)
        .axis_style(INK.stroke_width(scale))
        .x_desc(line.x_label)
        .y_desc(y_label)
        .axis_desc_style(font(15))
        .label_style(font(13))
        .set_all_tick_mark_size(size(5))
        .x_labels(line.x.len())
        .y_labels(6)
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .draw()?;
    let points: Vec<(f64, f64)> = std::iter::zip(line.x.clone(), values).collect();
    chart.draw_series(LineSeries::new(
        points.clone(),
        colour.stroke_width(2 * scale),
    ))?;
    let dots = points
        .into_iter()
        .map(|at| Circle::new(at, size(4), colour.filled()));
    chart.draw_series(dots)?;
    Ok(())
}
