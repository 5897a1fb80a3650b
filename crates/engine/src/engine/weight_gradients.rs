//! The gradients of the parameters over the whole batch, cut into tasks for the threads.

use std::ops::Range;

use super::arithmetic::{Arithmetic, WeightGradient};
use super::memory::{BatchMemory, Places, conv_gradient};
use crate::Isa;
use crate::blocked::finite::all_finite;
use crate::buffer::Lines;
use crate::layers::Layers;
use crate::pool::share;

/// Parameters whose gradients one thread computes.
#[derive(Clone, Copy, Debug)]
enum Task {
    /// Rows of a linear layer's weight and bias, over the batch.
    Linear {
        index: usize,
        first: usize,
        end: usize,
    },
    /// A convolution, added up over the blocks.
    Conv { index: usize },
}

/// What all threads read, and the gradients of which each writes its own.
#[derive(Clone, Debug)]
pub(crate) struct WeightGradients<'a> {
    pub(crate) isa: Isa,
    pub(crate) arithmetic: &'a dyn Arithmetic,
    pub(crate) layers: &'a Layers,
    pub(crate) places: &'a Places,
    pub(crate) batch: &'a BatchMemory,
    /// Blocks of the batch.
    pub(crate) blocks: Range<usize>,
    pub(crate) gradients: &'a Lines,
}

impl WeightGradients<'_> {
    /// Computes a thread's part; returns whether all its gradients are finite.
    ///
    /// # Safety
    /// No other thread may run as this one. All memory must be made for the layers, and nothing
    /// write to the batch meanwhile.
    pub(crate) unsafe fn run(&self, thread: usize, threads: usize) -> bool {
        let cost: usize = self.tasks().map(|task| self.cost(task)).sum();
        // A thread has the tasks whose middle lies in its part of the whole cost.
        let own = share(2 * cost, thread, threads);
        let mut before = 0;
        let mut finite = true;
        for task in self.tasks() {
            let cost = self.cost(task);
            let middle = 2 * before + cost;
            before += cost;
            if own.contains(&middle) {
                // SAFETY: each task belongs to one thread, and writes to gradients of its own.
                finite &= unsafe { self.compute(task) };
            }
        }
        finite
    }

    /// All tasks, in the order of the parameters.
    fn tasks(&self) -> impl Iterator<Item = Task> {
        let most = self.arithmetic.rows_at_once();
        let convs = (0..self.layers.convs().len()).map(|index| Task::Conv { index });
        let linears = self.layers.linears().iter().enumerate();
        convs.chain(linears.flat_map(move |(index, linear)| {
            let rows = linear.out_features;
            (0..rows).step_by(most).map(move |first| Task::Linear {
                index,
                first,
                end: rows.min(first + most),
            })
        }))
    }

    fn cost(&self, task: Task) -> usize {
        match task {
            Task::Linear { index, first, end } => {
                self.layers.linears()[index].in_features * (end - first)
            }
            Task::Conv { index } => self.layers.convs()[index].weight_len(),
        }
    }

    /// Whether all gradients are finite.
    ///
    /// # Safety
    /// No other thread may use the task's part of the gradients.
    unsafe fn compute(&self, task: Task) -> bool {
        let mut finite = true;
        match task {
            Task::Linear { index, first, end } => {
                let layer = &self.layers.linears()[index];
                let places = &self.places.linears[index];
                let d_weight = places.weight.ptr(self.gradients);
                let d_bias = places.bias.ptr(self.gradients);
                let operands = WeightGradient {
                    layer,
                    blocks: self.blocks.clone(),
                    d_output: self.batch.d_linear[index].as_ptr(),
                    rows: first..end,
                    d_weight,
                    d_bias,
                };
                let row = layer.in_features;
                let (isa, rows) = (self.isa, end - first);
                // SAFETY: rows `first..end` are this task's, and lie in the layer's weight and bias.
                unsafe {
                    self.arithmetic.weight_gradient(index, operands);
                    all_finite(isa, d_weight.add(first * row), rows * row, &mut finite);
                    all_finite(isa, d_bias.add(first), rows, &mut finite);
                }
            }
            Task::Conv { index } => {
                let convs = self.layers.convs();
                let weight_len = convs[index].weight_len();
                let before: usize = convs[..index].iter().map(conv_gradient).sum();
                let from = &self.batch.conv_gradients.as_slice()[before..];
                let places = self.places.convs[index];
                for (place, skip) in [(places.weight, 0), (places.bias, weight_len)] {
                    let of_block =
                        |block| &from[block * self.batch.conv_stride + skip..][..place.len];
                    let to = place.ptr(self.gradients);
                    // SAFETY: the place's numbers are this task's.
                    let to = unsafe { std::slice::from_raw_parts_mut(to, place.len) };
                    let mut blocks = self.blocks.clone();
                    match blocks.next() {
                        Some(first) => to.copy_from_slice(of_block(first)),
                        None => to.fill(0.0),
                    }
                    for block in blocks {
                        for (to, from) in std::iter::zip(&mut *to, of_block(block)) {
                            *to += from;
                        }
                    }
                    // SAFETY: a slice has as many floats as it is long.
                    unsafe { all_finite(self.isa, to.as_ptr(), to.len(), &mut finite) }
                }
            }
        }
        finite
    }
}
