//! Draws what was measured: a bar a line, from the median to nothing, with a mark at the 99th percentile.

use std::path::Path;

use anyhow::Context;
use plotters::prelude::*;

use crate::figures::Section;

const WIDTH: u32 = 1000;
const BAR: u32 = 24;
const FRAME: u32 = 90;
const LABELS: u32 = 430;

const MEDIAN: RGBColor = RGBColor(31, 119, 180);
const TAIL: RGBColor = RGBColor(214, 39, 40);

/// One chart a chapter, below each other, times on a logarithmic axis.
///
/// # Errors
/// If the file can't be written.
pub(crate) fn draw(path: &Path, sections: &[Section]) -> anyhow::Result<()> {
    let heights: Vec<_> = sections.iter().map(height).collect();
    let root = SVGBackend::new(path, (WIDTH, heights.iter().sum())).into_drawing_area();
    root.fill(&WHITE).context("the picture")?;
    let mut below = root;
    for (section, height) in sections.iter().zip(heights) {
        let (area, rest) = below.split_vertically(height);
        chart(&area, section).with_context(|| format!("drawing {}", section.title()))?;
        below = rest;
    }
    below.present().with_context(|| format!("writing {}", path.display()))?;
    Ok(())
}

fn height(section: &Section) -> u32 {
    // Nobody measures thousands of millions of things.
    FRAME + BAR * u32::try_from(section.bars().count()).unwrap_or(u32::MAX / BAR)
}

fn chart<B: DrawingBackend>(
    area: &DrawingArea<B, plotters::coord::Shift>,
    section: &Section,
) -> anyhow::Result<()>
where
    B::ErrorType: 'static,
{
    let bars: Vec<_> = section.bars().collect();
    let count = i32::try_from(bars.len())?;
    let least = bars.iter().map(|bar| bar.1).fold(f64::INFINITY, f64::min) / 2.0;
    let most = bars.iter().map(|bar| bar.2).fold(0.0, f64::max) * 1.5;
    let mut chart = ChartBuilder::on(area)
        .caption(section.title(), ("sans-serif", 18))
        .margin(8)
        .y_label_area_size(LABELS)
        .x_label_area_size(30)
        .build_cartesian_2d((least..most).log_scale(), (0..count).into_segmented())?;
    // The first line is the topmost.
    let at = |row: i32| bars.get(usize::try_from(count - 1 - row).ok()?);
    let label = |value: &SegmentValue<i32>| match value {
        SegmentValue::CenterOf(row) | SegmentValue::Exact(row) => {
            at(*row).map(|(label, p50, _)| format!("{}  {}", label.replace("**", ""), millis(*p50)))
        }
        SegmentValue::Last => None,
    };
    chart
        .configure_mesh()
        .disable_y_mesh()
        .x_desc("ms; bar: median, mark: 99th percentile")
        .x_label_formatter(&|value| millis(*value))
        .y_labels(bars.len())
        .y_label_formatter(&|value| label(value).unwrap_or_default())
        .label_style(("sans-serif", 12))
        .draw()?;
    for (row, (_, p50, p99)) in (0..count).rev().zip(&bars) {
        let (from, to) = (SegmentValue::Exact(row), SegmentValue::Exact(row + 1));
        let mut bar = Rectangle::new([(least, from.clone()), (*p50, to.clone())], MEDIAN.filled());
        bar.set_margin(3, 3, 0, 0);
        chart.draw_series([bar])?;
        chart.draw_series([PathElement::new([(*p99, from), (*p99, to)], TAIL.stroke_width(2))])?;
    }
    Ok(())
}

/// A time as short as it is exact.
fn millis(time: f64) -> String {
    match time {
        ..0.1 => format!("{time:.3}"),
        ..1.0 => format!("{time:.2}"),
        ..10.0 => format!("{time:.1}"),
        _ => format!("{time:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Series;

    #[test]
    fn a_picture_has_every_line_of_every_chapter() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("figures.svg");
        let series = Series::of_millis([0.5, 1.0, 200.0]).unwrap();
        let mut one = Section::new("One", "first", &series);
        one.line("**first**", &series);
        one.line("second", &series);
        let mut two = Section::new("Two", "third", &series);
        two.line("third", &series);
        draw(&path, &[one, two]).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        for label in ["One", "Two", "first  1.0", "second  1.0", "third  1.0"] {
            assert_eq!(text.matches(label).count(), 1, "{label} in {text}");
        }
    }
}
