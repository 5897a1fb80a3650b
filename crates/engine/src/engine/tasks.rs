//! The gradients of the weights over the whole batch, cut into tasks for the threads.

use crate::Isa;
use crate::blocked::finite::all_finite;
use crate::blocked::linear_weight;
use crate::engine::memory::{BatchMemory, Place, conv_gradient, features};
use crate::engine::{Layers, Precision};
use crate::pool::share;
use crate::simd::LANES;

/// Rows of a weight's gradient for one thread to compute.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Task {
    /// Rows of the weight of a linear layer, over the batch.
    Linear {
        index: usize,
        first: usize,
        end: usize,
        precision: Precision,
    },
    /// The numbers of a convolution, added up over the blocks.
    Conv { index: usize },
}

/// All tasks, in the order of the parameters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tasks {
    cost: usize,
    /// Rows that a thread takes at once: as many as a tile has.
    rows: usize,
    precision: Precision,
}

impl Tasks {
    pub(crate) fn of(layers: &Layers, precision: Precision) -> Self {
        let rows = match precision {
            Precision::F32 => 6,
            Precision::Bf16 => 16,
        };
        let tasks = Self::all(layers, rows, precision);
        let cost = tasks.map(|task| task.cost(layers)).sum();
        Self {
            cost,
            rows,
            precision,
        }
    }

    fn all(layers: &Layers, most: usize, precision: Precision) -> impl Iterator<Item = Task> {
        let convs = (0..layers.convs().len()).map(|index| Task::Conv { index });
        let linears = layers.linears().iter().enumerate();
        let linears = linears.flat_map(move |(index, linear)| {
            let rows = linear.out_features;
            (0..rows).step_by(most).map(move |first| Task::Linear {
                index,
                first,
                end: rows.min(first + most),
                precision,
            })
        });
        convs.chain(linears)
    }

    /// The tasks whose middle lies in the thread's part of the whole cost.
    pub(crate) fn share(
        &self,
        layers: &Layers,
        thread: usize,
        threads: usize,
    ) -> impl Iterator<Item = Task> {
        let own = share(2 * self.cost, thread, threads);
        let mut before = 0;
        Self::all(layers, self.rows, self.precision).filter(move |task| {
            let cost = task.cost(layers);
            let middle = 2 * before + cost;
            before += cost;
            own.contains(&middle)
        })
    }
}

impl Task {
    fn cost(self, layers: &Layers) -> usize {
        match self {
            Task::Linear {
                index, first, end, ..
            } => layers.linears()[index].in_features * (end - first),
            Task::Conv { index } => layers.convs()[index].weight_len(),
        }
    }

    /// Whether all gradients are finite.
    ///
    /// # Safety
    /// Nobody else may use the task's part of the gradients, or write to the batch.
    pub(crate) unsafe fn run(
        self,
        isa: Isa,
        layers: &Layers,
        places: &[Place],
        batch: &BatchMemory,
        blocks: usize,
        gradients: *mut f32,
    ) -> bool {
        let mut all = true;
        // SAFETY: the memory is that of the layers.
        unsafe {
            match self {
                Task::Linear {
                    index,
                    first,
                    end,
                    precision,
                } => {
                    let linear = &layers.linears()[index];
                    let parameter = 2 * (layers.convs().len() + index);
                    let operands = linear_weight::Batch {
                        blocks,
                        in_features: linear.in_features,
                        rows: batch.rows[index].as_ptr(),
                        row_stride: linear.in_features.next_multiple_of(LANES),
                        d_output: batch.d_linear[index].as_ptr(),
                        d_stride: features(linear.out_features),
                    };
                    let weight = gradients.add(places[parameter].offset);
                    let bias = gradients.add(places[parameter + 1].offset);
                    match precision {
                        #[cfg(target_arch = "x86_64")]
                        Precision::Bf16 => {
                            let [rows, d_output] = &batch.tiles[index];
                            let tiles = crate::amx::linear::Batch {
                                pairs: blocks.div_ceil(2),
                                in_features: linear.in_features,
                                out_features: linear.out_features,
                                rows: rows.as_ptr().cast(),
                                d_output: d_output.as_ptr().cast(),
                            };
                            crate::amx::linear::weight_gradient(&tiles, first, end, weight);
                            operands.bias_gradient(first, end, bias);
                        }
                        _ => linear_weight::gradient(isa, &operands, first, end, weight, bias),
                    }
                    let row = linear.in_features;
                    all_finite(isa, weight.add(first * row), (end - first) * row, &mut all);
                    all_finite(isa, bias.add(first), end - first, &mut all);
                }
                Task::Conv { index } => {
                    let conv = &layers.convs()[index];
                    let before = layers.convs()[..index]
                        .iter()
                        .map(conv_gradient)
                        .sum::<usize>();
                    let from = &batch.conv_gradients.as_slice()[before..];
                    let [weight, bias] = [2 * index, 2 * index + 1].map(|i| places[i]);
                    for (place, skip) in [(weight, 0), (bias, conv.weight_len())] {
                        let to = gradients.add(place.offset);
                        let to = std::slice::from_raw_parts_mut(to, place.len);
                        to.copy_from_slice(&from[skip..][..place.len]);
                        for block in 1..blocks {
                            let from = &from[block * batch.conv_stride + skip..][..place.len];
                            for (to, from) in std::iter::zip(&mut *to, from) {
                                *to += from;
                            }
                        }
                        all_finite(isa, to.as_ptr(), place.len, &mut all);
                    }
                }
            }
        }
        all
    }
}
