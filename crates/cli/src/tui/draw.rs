//! The dashboard as a picture of a [`State`]. It fits terminals of any size: what there is no room
//! for is left out, the curves first.

use lenet_train::{Epoch, Started, Step};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style, Stylize as _};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Block, Chart, Dataset, GraphType};

use super::curve::Curve;
use super::state::{Curves, SHOWN_LINES, State};
use crate::output::{decimal, percent};

const TRAIN: Color = Color::Cyan;
const VALIDATION: Color = Color::Yellow;

/// A chart of fewer rows shows nothing.
const LEAST_CHART: u16 = 7;

/// From this width on the two charts stand side by side.
const TWO_COLUMNS: u16 = 80;

/// Draws the dashboard.
pub fn dashboard(frame: &mut Frame, state: &State) {
    let mut rows = Rows(frame.area());
    let hint = match state.is_stopping {
        true => "stopping; once more: at once".bold(),
        false => "q: stop".dim(),
    };
    let title = Span::from(state.run.as_str()).bold();
    put(
        frame,
        rows.take(1),
        Line::from_iter([title, "  ".into(), hint]),
    );
    let sizes = state.sizes.as_ref();
    put(
        frame,
        rows.take(1),
        epoch_bar(sizes, state.step.as_ref(), rows.0.width),
    );
    put(
        frame,
        rows.take(1),
        training_bar(sizes, state.step.as_ref(), rows.0.width),
    );
    put(frame, rows.take(1), speed(state).into());
    put(frame, rows.take(1), best(state.best.as_ref()).into());

    let left = rows.0.height;
    let log = match left.checked_sub(LEAST_CHART) {
        // The log has a third, the charts have the rest.
        Some(beside) => (left / 3).min(beside).min(SHOWN_LINES as u16),
        None => left,
    };
    charts(frame, rows.take(left - log), state);
    let skipped = state.lines.len().saturating_sub(usize::from(log));
    for line in state.lines.iter().skip(skipped) {
        put(frame, rows.take(1), Line::from(line.as_str()).dim());
    }
}

/// The rows that are left of an area.
struct Rows(Rect);

impl Rows {
    /// The next rows, as many as there are.
    fn take(&mut self, rows: u16) -> Rect {
        let taken = Rect {
            height: rows.min(self.0.height),
            ..self.0
        };
        self.0.y += taken.height;
        self.0.height -= taken.height;
        taken
    }
}

fn put(frame: &mut Frame, area: Rect, line: Line) {
    frame.render_widget(line, area);
}

fn epoch_bar(sizes: Option<&Started>, step: Option<&Step>, width: u16) -> Line<'static> {
    let (Some(sizes), Some(step)) = (sizes, step) else {
        return "".into();
    };
    let steps = step.steps_per_epoch;
    let text = format!(
        "epoch {}/{}, step {}/{steps}",
        step.epoch, sizes.epochs, step.step
    );
    bar(text, step.step as f64, steps as f64, width)
}

fn training_bar(sizes: Option<&Started>, step: Option<&Step>, width: u16) -> Line<'static> {
    let (Some(sizes), Some(step)) = (sizes, step) else {
        return "".into();
    };
    let steps = sizes.steps_per_epoch as f64 * f64::from(sizes.epochs);
    let text = format!(
        "training {:.0} %",
        100. * part(step.global_step as f64, steps)
    );
    bar(text, step.global_step as f64, steps, width)
}

/// Text, and a bar in the rest of the line.
fn bar(text: String, done: f64, all: f64, width: u16) -> Line<'static> {
    const TEXT: usize = 32;
    let text = format!("{text:<TEXT$} ");
    let width = usize::from(width).saturating_sub(TEXT + 1);
    let full = (part(done, all) * width as f64).round() as usize;
    let full = full.min(width);
    Line::from_iter([
        Span::from(text),
        Span::from("━".repeat(full)).fg(Color::Green),
        Span::from("─".repeat(width - full)).dim(),
    ])
}

fn part(done: f64, all: f64) -> f64 {
    if all > 0. {
        (done / all).clamp(0., 1.)
    } else {
        0.
    }
}

fn speed(state: &State) -> String {
    let Some(step) = &state.step else {
        return "before the first step".to_owned();
    };
    format!(
        "{:.0} images/s, {} gone, {} left, learning rate {}",
        step.images_per_second,
        clock(state.seconds as f64),
        state.seconds_left().map_or("?".to_owned(), clock),
        step.learning_rate,
    )
}

fn best(best: Option<&Epoch>) -> String {
    match best.map(|best| (best.epoch, best.validation)) {
        None => String::new(),
        Some((epoch, None)) => format!("epoch {epoch} was the last"),
        Some((epoch, Some(scores))) => format!(
            "best epoch {epoch}: validation accuracy {}, loss {:.4}",
            percent(Some(scores.accuracy)),
            scores.loss
        ),
    }
}

fn clock(seconds: f64) -> String {
    let seconds = seconds as u64;
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    match hours {
        0 => format!("{minutes}:{:02}", seconds % 60),
        _ => format!("{hours}:{minutes:02}:{:02}", seconds % 60),
    }
}

fn charts(frame: &mut Frame, area: Rect, state: &State) {
    let loss = Plot {
        name: "loss",
        curve: |curves| &curves.loss,
        of_epoch: |step| step.epoch_loss,
        // Losses fall by orders of magnitude.
        scale: |loss| loss.max(1e-9).log10(),
        value: |y| format!("{:.3}", 10_f64.powf(y)),
        top: None,
        text: decimal,
    };
    let accuracy = Plot {
        name: "accuracy",
        curve: |curves| &curves.accuracy,
        of_epoch: |step| step.epoch_accuracy,
        scale: |accuracy| accuracy,
        value: |y| format!("{:.1} %", 100. * y),
        top: Some(1.),
        text: percent,
    };
    let (width, height) = (area.width / 2, area.height / 2);
    if area.height < LEAST_CHART {
    } else if area.width >= TWO_COLUMNS {
        let left = Rect { width, ..area };
        let right = Rect {
            x: area.x + width,
            width: area.width - width,
            ..area
        };
        loss.draw(frame, left, state);
        accuracy.draw(frame, right, state);
    } else if height >= LEAST_CHART {
        let upper = Rect { height, ..area };
        let lower = Rect {
            y: area.y + height,
            height: area.height - height,
            ..area
        };
        loss.draw(frame, upper, state);
        accuracy.draw(frame, lower, state);
    } else {
        accuracy.draw(frame, area, state);
    }
}

/// How a figure is plotted.
struct Plot {
    name: &'static str,
    curve: fn(&Curves) -> &Curve,
    /// The training's figure of the epoch so far.
    of_epoch: fn(&Step) -> f64,
    /// From the figure to the ordinate.
    scale: fn(f64) -> f64,
    /// From the ordinate to the text at the axis.
    value: fn(f64) -> String,
    /// The upper end of the axis, where it is not the highest figure.
    top: Option<f64>,
    /// The text of a figure.
    text: fn(Option<f64>) -> String,
}

impl Plot {
    fn draw(&self, frame: &mut Frame, area: Rect, state: &State) {
        let epochs = state.sizes.as_ref().map_or(1, |sizes| sizes.epochs.max(1));
        let end = f64::from(epochs);
        let curves = [(&state.train, TRAIN), (&state.validation, VALIDATION)];
        let scaled = curves.map(|(curves, colour)| {
            let points = (self.curve)(curves).by_column(area.width, end);
            let points = points.into_iter().map(|(x, y)| (x, (self.scale)(y)));
            let points: Vec<_> = points.collect();
            (points, colour)
        });
        let [bottom, top] = self.bounds(scaled.each_ref().map(|(points, _)| points.as_slice()));
        let data = scaled.iter().map(|(points, colour)| {
            Dataset::default()
                .data(points)
                .graph_type(GraphType::Line)
                .marker(Marker::Braille)
                .style(Style::new().fg(*colour))
        });
        let middle = (self.value)((bottom + top) / 2.);
        let chart = Chart::new(data.collect())
            .block(Block::bordered().title(self.title(state)))
            .legend_position(None)
            .x_axis(
                Axis::default()
                    .bounds([0., end])
                    .labels(["0".to_owned(), format!("{epochs} epochs")]),
            )
            .y_axis(Axis::default().bounds([bottom, top]).labels([
                (self.value)(bottom),
                middle,
                (self.value)(top),
            ]));
        frame.render_widget(chart, area);
    }

    fn title(&self, state: &State) -> Line<'static> {
        let train = (self.text)(state.step.as_ref().map(self.of_epoch));
        let validation = (self.curve)(&state.validation).points().last();
        let validation = (self.text)(validation.map(|point| point.1));
        Line::from_iter([
            Span::from(format!(" {}: ", self.name)),
            Span::from(format!("train {train}")).fg(TRAIN),
            ", ".into(),
            Span::from(format!("val. {validation} ")).fg(VALIDATION),
        ])
    }

    /// The ends of the ordinate. Its lower end leaves out the lowest twentieth of the points where
    /// the upper one is fixed: an accuracy begins far below where it is of interest.
    fn bounds(&self, curves: [&[(f64, f64)]; 2]) -> [f64; 2] {
        let mut values: Vec<f64> = curves.into_iter().flatten().map(|point| point.1).collect();
        values.sort_unstable_by(f64::total_cmp);
        let lowest = match self.top {
            Some(_) => values.get(values.len() / 20),
            None => values.first(),
        };
        let (bottom, top) = match (lowest, values.last()) {
            (Some(bottom), Some(top)) => (*bottom, self.top.unwrap_or(*top)),
            _ => (0., 1.),
        };
        // A single value, or several equal ones, must not make an axis without length.
        if top - bottom > 1e-6 {
            [bottom, top]
        } else {
            [bottom - 0.05, top]
        }
    }
}
