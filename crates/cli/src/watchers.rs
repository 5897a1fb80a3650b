//! Who watches a training beside its event log: the console and TensorBoard.

use std::ops::ControlFlow;

use lenet_data::{Dataset, Normalization};
use lenet_model::LeNet5;
use lenet_train::{Event, Observer, RunFolder, TensorBoard};
use tracing::warn;

use crate::arguments::{Records, Verbosity};
use crate::console::Console;
use crate::pictures;

/// The watchers that the command line asks for.
pub struct Watchers {
    console: Console,
    board: Option<TensorBoard>,
}

impl Watchers {
    /// A watcher that cannot be had is warned of: the training needs none.
    pub fn start(
        records: &Records,
        verbosity: &Verbosity,
        epochs: u32,
        folder: &RunFolder,
    ) -> Self {
        let board = records.tensorboard.then(|| {
            let board = TensorBoard::create(folder.path());
            board.inspect_err(|error| warn!("nothing for TensorBoard: {error}"))
        });
        Self {
            console: Console::new(verbosity, epochs),
            board: board.and_then(Result::ok),
        }
    }

    /// Ends the console's line; what goes on is TensorBoard's file.
    pub fn into_board(self) -> Option<TensorBoard> {
        self.board
    }
}

impl Observer for Watchers {
    fn notice(&mut self, event: &Event) -> ControlFlow<()> {
        let mut answer = self.console.notice(event);
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
