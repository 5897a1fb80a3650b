//! The fully connected layer with bias and activation.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};

use super::{Slots, floats, with_floats, write_features};
use crate::Isa;
use crate::blocked::linear::{BLOCKS, Features, Finish, Matrix, product};
use crate::blocked::{Lines, linear_weight, pack};
use crate::engine::memory_features as features;
use crate::geometry::LinearLayer;
use crate::pool::{Pool, share};
use crate::reference::activation::{self, Activation};
use crate::simd::LANES;

const OP: &str = "linear";

/// `f(x Wᵀ + b)`: input (N, I), weight (O, I), bias (O), output (N, O).
///
/// The definition is [`reference::linear`](crate::reference::linear), then
/// [`activation`](crate::reference::activation).
///
/// # Errors
/// Tensors that are not f32 on the CPU, and shapes that do not fit to each other.
pub fn linear(
    input: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    activation: Activation,
) -> Result<Tensor> {
    let (batch, in_features) = input.dims2()?;
    let (out_features, weight_features) = weight.dims2()?;
    if weight_features != in_features || bias.dims() != [out_features] {
        candle_core::bail!(
            "{OP}: an input of shape {:?} takes a weight (O, {in_features}) and a bias (O), got {:?} and {:?}",
            input.shape(),
            weight.shape(),
            bias.shape()
        );
    }
    let layer = LinearLayer {
        in_features,
        out_features,
        activation,
    };
    let isa = Isa::current();
    input.apply_op3(weight, bias, Linear { layer, batch, isa })
}

struct Linear {
    layer: LinearLayer,
    batch: usize,
    isa: Isa,
}

impl Linear {
    /// `finish(matrix · x)` for every image: x (N, columns) to (N, rows).
    fn product(&self, matrix: MatrixOf<'_>, x: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
        let MatrixOf { rows, columns, .. } = matrix;
        let mut result = vec![0.0; self.batch * rows];
        let slots = Slots(result.as_mut_ptr());
        let blocks = self.batch.div_ceil(LANES);
        Pool::global().run(&|thread, threads| {
            let mut from = Lines::floats(features(columns) * BLOCKS);
            let mut to = Lines::floats(features(rows) * BLOCKS);
            let mut own = share(blocks, thread, threads);
            while !own.is_empty() {
                let group = own.len().min(BLOCKS);
                let images = |block: usize| LANES.min(self.batch - block * LANES);
                // SAFETY: the memory is that of the sizes; blocks belong to one thread each.
                unsafe {
                    for (index, block) in (own.start..own.start + group).enumerate() {
                        let into = from.as_mut_ptr().add(index * features(columns));
                        write_features(x, columns, block, images(block), into);
                    }
                    let finish = match bias {
                        Some(bias) => Finish::Activate {
                            bias: bias.as_ptr(),
                            activation: self.layer.activation,
                        },
                        None => Finish::Keep,
                    };
                    product(
                        self.isa,
                        matrix.pointers(),
                        group,
                        Features {
                            data: from.as_ptr(),
                            stride: features(columns),
                        },
                        Features {
                            data: to.as_mut_ptr(),
                            stride: features(rows),
                        },
                        finish,
                    );
                    for (index, block) in (own.start..own.start + group).enumerate() {
                        let part = slots.part(block * LANES * rows, images(block) * rows);
                        pack::read_images(to.as_ptr().add(index * features(rows)), rows, part);
                    }
                }
                own.start += group;
            }
        });
        result
    }

    /// The gradients by weight and bias from that before the activation.
    fn weight_gradient(&self, input: &[f32], d_sum: &[f32]) -> [Vec<f32>; 2] {
        let LinearLayer {
            in_features,
            out_features,
            ..
        } = self.layer;
        let blocks = self.batch.div_ceil(LANES);
        let row_stride = in_features.next_multiple_of(LANES);
        let mut rows = Lines::floats(blocks * LANES * row_stride);
        let mut d_output = Lines::floats(blocks * features(out_features));
        for (to, row) in std::iter::zip(
            rows.as_mut_slice().chunks_mut(row_stride.max(1)),
            input.chunks(in_features.max(1)),
        ) {
            to[..in_features].copy_from_slice(row);
        }
        for block in 0..blocks {
            let images = LANES.min(self.batch - block * LANES);
            // SAFETY: there is room for the block's features.
            unsafe {
                let into = d_output.as_mut_ptr().add(block * features(out_features));
                write_features(d_sum, out_features, block, images, into);
            }
        }
        let mut d_weight = vec![0.0; out_features * in_features];
        let mut d_bias = vec![0.0; out_features];
        let batch = Operands(linear_weight::Batch {
            blocks,
            in_features,
            rows: rows.as_ptr(),
            row_stride,
            d_output: d_output.as_ptr(),
            d_stride: features(out_features),
        });
        let (weight, bias) = (Slots(d_weight.as_mut_ptr()), Slots(d_bias.as_mut_ptr()));
        let batch = &batch;
        Pool::global().run(&|thread, threads| {
            let own = share(out_features, thread, threads);
            // SAFETY: the operands have the sizes that they say, and each thread has its own rows.
            unsafe {
                linear_weight::gradient(
                    self.isa,
                    batch.get(),
                    own.start,
                    own.end,
                    weight.part(0, 0).as_mut_ptr(),
                    bias.part(0, 0).as_mut_ptr(),
                );
            }
        });
        [d_weight, d_bias]
    }
}

/// Operands that threads read.
struct Operands(linear_weight::Batch);

// SAFETY: they are only read while the threads have them.
unsafe impl Sync for Operands {}

impl Operands {
    fn get(&self) -> &linear_weight::Batch {
        &self.0
    }
}

/// A weight (O, I), as it is or transposed.
#[derive(Clone, Copy)]
struct MatrixOf<'a> {
    weight: &'a [f32],
    rows: usize,
    columns: usize,
    transposed: bool,
}

impl MatrixOf<'_> {
    fn pointers(&self) -> Matrix {
        let (row_stride, column_stride) = match self.transposed {
            false => (self.columns, 1),
            true => (1, self.rows),
        };
        Matrix {
            data: self.weight.as_ptr(),
            rows: self.rows,
            columns: self.columns,
            row_stride,
            column_stride,
        }
    }
}

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        OP
    }

    fn cpu_fwd(
        &self,
        input: &CpuStorage,
        input_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let input = floats(OP, input, input_layout)?;
        let weight = floats(OP, weight, weight_layout)?;
        let bias = floats(OP, bias, bias_layout)?;
        let matrix = MatrixOf {
            weight: &weight,
            rows: self.layer.out_features,
            columns: self.layer.in_features,
            transposed: false,
        };
        let output = self.product(matrix, &input, Some(&bias));
        let shape = Shape::from((self.batch, self.layer.out_features));
        Ok((CpuStorage::F32(output), shape))
    }

    fn bwd(
        &self,
        input: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        output: &Tensor,
        d_output: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let d_sum = with_floats(OP, output, |y| {
            with_floats(OP, d_output, |d| {
                Ok(activation::backward(self.layer.activation, y, d)?)
            })
        })?;
        let d_input = match input.track_op() {
            true => {
                let d = with_floats(OP, weight, |weight| {
                    let matrix = MatrixOf {
                        weight,
                        rows: self.layer.in_features,
                        columns: self.layer.out_features,
                        transposed: true,
                    };
                    Ok(self.product(matrix, &d_sum, None))
                })?;
                Some(Tensor::from_vec(d, input.shape(), input.device())?)
            }
            false => None,
        };
        let [d_weight, d_bias] = with_floats(OP, input, |x| Ok(self.weight_gradient(x, &d_sum)))?;
        let d_weight = Tensor::from_vec(d_weight, weight.shape(), weight.device())?;
        let d_bias = Tensor::from_vec(d_bias, bias.shape(), bias.device())?;
        Ok((d_input, Some(d_weight), Some(d_bias)))
    }
}
