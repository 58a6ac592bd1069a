//! The results as a picture: how many calls took how long, warm and cold below each other on one axis.
//!
//! It is drawn once, as SVG; the PNG is that picture in dots. The letters of the PNG are of a font in this program, so that
//! it looks the same on a machine that has none.

use std::{fs, path::Path};

use anyhow::{Context, anyhow};
use indicatif::HumanCount;
use plotters::{
    coord::Shift,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};
use resvg::{tiny_skia, usvg};

use super::{
    Results,
    buckets::{Bucket, buckets},
    figures::{Figures, calls, digits},
};

const WIDTH: u32 = 1000;
const HEADING: u32 = 74;
const PANEL: u32 = 300;

/// Dots of the PNG for one of the picture: sharp on a screen that has many.
const DOTS: u32 = 2;

/// Labels of the axis at most.
const LABELS: usize = 14;

/// Enough round ones to do without others.
const ROUND_LABELS: usize = 4;

/// Classes at most: bars of some ten dots each.
const CLASSES: usize = 90;

const FONT: &str = "DejaVu Sans, Verdana, sans-serif";
const INK: RGBColor = RGBColor(40, 44, 52);
const FAINT: RGBColor = RGBColor(120, 126, 136);
const LINES: RGBColor = RGBColor(230, 232, 236);
const WARM: RGBColor = RGBColor(217, 119, 6);
const COLD: RGBColor = RGBColor(37, 99, 175);
const MARK: RGBColor = RGBColor(185, 28, 28);

/// A picture as SVG.
#[derive(Debug)]
pub(in super::super) struct Picture(String);

/// Calls of one kind.
struct Panel {
    name: &'static str,
    colour: RGBColor,
    classes: Vec<Bucket>,
    figures: Figures,
}

impl Picture {
    /// Draws it.
    ///
    /// # Errors
    /// If it can't be drawn, which is a defect.
    pub(in super::super) fn of(results: &Results) -> anyhow::Result<Self> {
        let latencies = results.tally.latencies();
        let [warm, cold] = buckets([&latencies.warm, &latencies.cold], CLASSES);
        let panels = [
            Panel { name: "warm", colour: WARM, classes: warm, figures: Figures::of(&latencies.warm) },
            Panel { name: "cold", colour: COLD, classes: cold, figures: Figures::of(&latencies.cold) },
        ];
        let panels: Vec<_> = panels.iter().filter(|panel| panel.figures.count > 0).collect();
        let mut svg = String::new();
        {
            let height = HEADING + PANEL * u32::try_from(panels.len().max(1))?;
            let root = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
            root.fill(&WHITE)?;
            let (top, mut below) = root.split_vertically(HEADING);
            heading(&top, results)?;
            if panels.is_empty() {
                let style = (FONT, 16).into_font().color(&FAINT).pos(Pos::new(HPos::Center, VPos::Center));
                below.draw(&Text::new("no call was answered", (500, 140), style))?;
            }
            for panel in panels {
                let (area, rest) = below.split_vertically(PANEL);
                panel.draw(&area).with_context(|| format!("drawing the {} calls", panel.name))?;
                below = rest;
            }
            root.present()?;
        }
        Ok(Self(svg))
    }

    /// The same in dots.
    fn to_png(&self) -> anyhow::Result<Vec<u8>> {
        let mut options = usvg::Options::default();
        options.fontdb_mut().load_font_data(dejavu::sans::regular().to_vec());
        let tree = usvg::Tree::from_str(&self.0, &options)?;
        let size = tree.size().to_int_size();
        let mut dots = tiny_skia::Pixmap::new(size.width() * DOTS, size.height() * DOTS)
            .ok_or_else(|| anyhow!("a picture without a size"))?;
        let scale = DOTS as f32;
        resvg::render(&tree, tiny_skia::Transform::from_scale(scale, scale), &mut dots.as_mut());
        Ok(dots.encode_png()?)
    }
}

/// Writes it as SVG.
pub(in super::super) fn write_svg(picture: &Picture, path: &Path) -> anyhow::Result<()> {
    fs::write(path, &picture.0).with_context(|| format!("writing {}", path.display()))
}

/// Writes it as PNG.
pub(in super::super) fn write_png(picture: &Picture, path: &Path) -> anyhow::Result<()> {
    let png = picture.to_png().context("drawing the PNG")?;
    fs::write(path, png).with_context(|| format!("writing {}", path.display()))
}

type Area<'a, 'b> = DrawingArea<SVGBackend<'a>, Shift>;

fn heading(area: &Area<'_, '_>, results: &Results) -> anyhow::Result<()> {
    let tally = &results.tally;
    let title = (FONT, 20).into_font().color(&INK);
    let facts = (FONT, 14).into_font().color(&FAINT);
    area.draw(&Text::new(results.load.clone(), (24, 20), title))?;
    let failed = match tally.missed() {
        0 => "none failed".to_owned(),
        missed => format!("{} failed", HumanCount(missed)),
    };
    let line = format!(
        "{} answered in {:.1} s, {:.1} a second; {failed}",
        calls(tally.answered()),
        tally.elapsed.as_secs_f64(),
        tally.rate()
    );
    area.draw(&Text::new(line, (24, 48), facts))?;
    Ok(())
}

/// Over which the bars of a panel are: one wide for each class, and so logarithmic.
type Chart<'a, 'b> = ChartContext<
    'a,
    SVGBackend<'b>,
    Cartesian2d<plotters::coord::types::RangedCoordf64, plotters::coord::types::RangedCoordf64>,
>;

impl Panel {
    fn draw(&self, area: &Area<'_, '_>) -> anyhow::Result<()> {
        let most = self.classes.iter().map(|class| class.count).max().unwrap_or(1).max(1);
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .margin_right(30)
            .margin_top(76)
            .y_label_area_size(64)
            .x_label_area_size(38)
            .build_cartesian_2d(0.0..self.classes.len() as f64, 0.0..most as f64 * 1.05)?;
        let label = (FONT, 12).into_font().color(&INK);
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(LINES)
            .axis_style(FAINT)
            .x_labels(0)
            .y_labels(5)
            .x_desc("milliseconds")
            .y_label_formatter(&|value| whole(*value))
            .label_style(label.clone())
            .axis_desc_style((FONT, 12).into_font().color(&FAINT))
            .draw()?;
        let bars = self.classes.iter().enumerate().filter(|(_, class)| class.count > 0);
        chart.draw_series(bars.map(|(at, class)| {
            let corners = [(at as f64, 0.0), ((at + 1) as f64, class.count as f64)];
            let mut bar = Rectangle::new(corners, self.colour.filled());
            bar.set_margin(0, 0, 0, 1);
            bar
        }))?;
        self.borders(area, &chart)?;
        self.percentiles(area, &chart)?;
        let name = format!(
            "{}: {}, {} to {} ms",
            self.name,
            calls(self.figures.count),
            digits(self.figures.min),
            digits(self.figures.max)
        );
        area.draw(&Text::new(name, (24, 8), (FONT, 15).into_font().color(&self.colour)))?;
        Ok(())
    }

    /// A few borders of classes, below the axis.
    fn borders(&self, area: &Area<'_, '_>, chart: &Chart<'_, '_>) -> anyhow::Result<()> {
        let style = (FONT, 12).into_font().color(&INK).pos(Pos::new(HPos::Center, VPos::Top));
        let last = self.classes.last().map(|class| class.to);
        let borders: Vec<_> = self.classes.iter().map(|class| class.from).chain(last).enumerate().collect();
        let round: Vec<_> = borders.iter().filter(|(_, border)| is_round(*border)).copied().collect();
        let named = if round.len() < ROUND_LABELS { borders } else { round };
        let every = named.len().div_ceil(LABELS).max(1);
        for (at, border) in named.into_iter().step_by(every) {
            let (x, y) = within(area, chart.backend_coord(&(at as f64, 0.0)));
            area.draw(&PathElement::new([(x, y), (x, y + 4)], FAINT))?;
            area.draw(&Text::new(digits(border / 1e3), (x, y + 7), style.clone()))?;
        }
        Ok(())
    }

    /// Lines where percentiles are. Their names stand one below the other, since they are often close.
    fn percentiles(&self, area: &Area<'_, '_>, chart: &Chart<'_, '_>) -> anyhow::Result<()> {
        let Figures { p50, p90, p99, .. } = self.figures;
        for (row, (name, value)) in [("p50", p50), ("p90", p90), ("p99", p99)].into_iter().enumerate() {
            let (x, bottom) = within(area, chart.backend_coord(&(self.place(value * 1e3), 0.0)));
            let y = 30 + 15 * i32::try_from(row)?;
            area.draw(&PathElement::new([(x, y), (x, bottom)], MARK.stroke_width(1)))?;
            // To the side where there is room.
            let (side, x) = if x > 850 { (HPos::Right, x - 5) } else { (HPos::Left, x + 5) };
            let style = (FONT, 12).into_font().color(&MARK).pos(Pos::new(side, VPos::Top));
            area.draw(&Text::new(format!("{name} {} ms", digits(value)), (x, y - 2), style))?;
        }
        Ok(())
    }

    /// Where a latency in microseconds is on the axis.
    fn place(&self, micros: f64) -> f64 {
        let at = self.classes.partition_point(|class| class.to <= micros);
        let Some(class) = self.classes.get(at) else { return self.classes.len() as f64 };
        at as f64 + ((micros / class.from).ln() / (class.to / class.from).ln()).clamp(0.0, 1.0)
    }
}

/// A count of calls; of a part of one nothing is told.
fn whole(value: f64) -> String {
    if value.fract() == 0.0 { HumanCount(value as u64).to_string() } else { String::new() }
}

/// Whether it is 1, 2 or 5, or ten, a hundred … times that.
fn is_round(micros: f64) -> bool {
    let leading = micros / 10_f64.powf(micros.log10().floor());
    [1.0, 2.0, 5.0, 10.0].iter().any(|round| (leading - round).abs() < 1e-6)
}

/// A point of the whole picture as one of this part of it.
fn within(area: &Area<'_, '_>, (x, y): (i32, i32)) -> (i32, i32) {
    let (across, down) = area.get_pixel_range();
    (x - across.start, y - down.start)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::commands::bench::{load::Answer, tally::Tally};

    fn results(calls: &[(u64, bool)]) -> Results {
        let mut tally = Tally::new(1);
        for &(micros, is_cold) in calls {
            tally.count(0, Duration::from_micros(micros), Duration::ZERO, Answer::Returned { is_cold });
        }
        tally.elapsed = Duration::from_secs(10);
        Results {
            load: "a <name> & more".to_owned(),
            mode: "closed",
            names: vec!["a".to_owned()],
            tally,
            is_open: false,
            top: 10,
            was_stopped: false,
        }
    }

    #[test]
    fn a_picture_has_a_panel_for_warm_calls_and_one_for_cold_ones() {
        let picture = Picture::of(&results(&[(500, false), (700, false), (180_000, true)])).unwrap();
        for part in
            ["warm: 2 calls", "cold: 1 call,", "p99 180 ms", "3 calls answered", "a &lt;name&gt; &amp; more"]
        {
            assert!(picture.0.contains(part), "{part}: {}", picture.0);
        }
        let warm_only = Picture::of(&results(&[(500, false)])).unwrap();
        assert!(!warm_only.0.contains("cold: "), "{}", warm_only.0);
        assert!(Picture::of(&results(&[])).unwrap().0.contains("no call was answered"));
    }

    #[test]
    fn the_dots_are_those_of_the_picture_and_have_its_letters() {
        let picture = Picture::of(&results(&[(500, false), (180_000, true)])).unwrap();
        let dots = tiny_skia::Pixmap::decode_png(&picture.to_png().unwrap()).unwrap();
        assert_eq!((dots.width(), dots.height()), (DOTS * WIDTH, DOTS * (HEADING + 2 * PANEL)));
        // Nothing but letters is in the heading.
        let heading = dots.pixels().iter().take((DOTS * DOTS * WIDTH * HEADING) as usize);
        let dark = heading.filter(|dot| dot.red() < 128).count();
        assert!((500..50_000).contains(&dark), "{dark} dark dots");
    }

    #[test]
    fn an_outlier_far_away_is_drawn() {
        assert!(Picture::of(&results(&[(1, false), (1 << 40, true)])).is_ok());
    }
}
