//! Who watches a training beside its event log: the console, the dashboard, TensorBoard.

use std::ops::ControlFlow;

use lenet_data::Dataset;
use lenet_model::LeNet5;
use lenet_picture::Normalization;
use lenet_run::RunFolder;
use lenet_train::{Event, Observer, Progress, TensorBoard};
use tracing::warn;

use crate::arguments::{Records, Verbosity};
use crate::console::Console;
use crate::pictures;
use crate::signals::StopFlag;
use crate::tui::Dashboard;

/// The watchers that the command line asks for.
pub struct Watchers {
    /// Also writes the lines that the dashboard shows.
    console: Console,
    dashboard: Option<Dashboard>,
    board: Option<TensorBoard>,
}

impl Watchers {
    /// Takes the terminal, where a dashboard is asked for. A watcher that cannot be had is warned
    /// of: the training needs none.
    pub fn start(
        records: &Records,
        verbosity: &Verbosity,
        epochs: u32,
        folder: &RunFolder,
        progress: &Progress,
        stop: &StopFlag,
    ) -> Self {
        let board = records.tensorboard.then(|| {
            let board = TensorBoard::create(folder.path());
            board.inspect_err(|error| warn!("nothing for TensorBoard: {error}"))
        });
        let run = folder.path().display().to_string();
        let dashboard = records.tui.then(|| {
            let dashboard = Dashboard::start(run, &progress.history, stop);
            dashboard.inspect_err(|error| warn!("no dashboard, but plain lines: {error}"))
        });
        let dashboard = dashboard.and_then(Result::ok);
        let console = match &dashboard {
            Some(_) => Console::without_bar(epochs),
            None => Console::new(verbosity, epochs),
        };
        Self {
            console,
            dashboard,
            board: board.and_then(Result::ok),
        }
    }

    /// Gives the terminal back; what goes on is TensorBoard's file.
    pub fn into_board(self) -> Option<TensorBoard> {
        self.board
    }
}

impl Observer for Watchers {
    fn notice(&mut self, event: &Event) -> ControlFlow<()> {
        let mut answer = self.console.notice(event);
        if let Some(dashboard) = &mut self.dashboard
            && dashboard.notice(event).is_break()
        {
            answer = ControlFlow::Break(());
        }
        if let Some(board) = &mut self.board
            && board.notice(event).is_break()
        {
            answer = ControlFlow::Break(());
        }
        answer
    }
}

/// Adds what a trained network looks like, and where it is wrong, to TensorBoard's file.
pub fn add_pictures(
    board: Option<TensorBoard>,
    model: &LeNet5,
    validation: &Dataset,
    normalization: Normalization,
    step: u64,
) {
    let Some(mut board) = board else { return };
    let added = pictures::add(&mut board, model, validation, normalization, step);
    if let Err(failure) = added {
        warn!("no pictures for TensorBoard: {failure}");
    }
}
