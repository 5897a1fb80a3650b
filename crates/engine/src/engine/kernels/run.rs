//! The calls of the kernels, each with the operands that a pass gives it.

use super::{Kernel, Kernels, LAST};
use crate::blocked::cross_entropy::{self, cross_entropy};
use crate::blocked::extents::Extents;
use crate::blocked::linear::{BLOCKS, Features, Finish, Matrix, product};
use crate::blocked::unpool::Incoming;
use crate::blocked::{adam, conv_forward, conv_input, conv_weight, linear_weight, pack};
use crate::engine::memory::{conv_gradient, features};
use crate::simd::LANES;

impl Kernels {
    /// Calls a kernel, which computes anew what the engine's pass has left.
    pub fn run(&mut self, kernel: Kernel) {
        // SAFETY: the memory is that of the engine's layers, and borrowed mutably; a pass has
        // checked labels and images.
        unsafe {
            match kernel {
                Kernel::WriteImages => self.write_images(),
                Kernel::ConvForward(index) => self.conv_forward(index),
                Kernel::ConvWeight(index) => self.conv_weight(index),
                Kernel::ConvInput(index) => self.conv_input(index),
                Kernel::LinearForward(index) => self.linear_forward(index),
                Kernel::LinearInput(index) => self.linear_input(index),
                Kernel::ToRows(index) => self.transpose_rows(index),
                Kernel::LinearWeight(index) => self.linear_weight(index),
                Kernel::CrossEntropy => self.cross_entropy(),
                Kernel::Adam => self.update(),
            }
        }
    }

    unsafe fn write_images(&mut self) {
        let engine = &mut self.engine;
        let conv = &engine.layers.convs()[0];
        let place = pack::Place {
            channels: conv.in_channels,
            height: conv.height,
            width: conv.width,
            padding: conv.padding,
        };
        let first = self.block * LANES;
        let input = engine.scratch[0].input(&engine.layers, 0, LAST);
        let images = &self.images;
        let images: [_; LANES] = std::array::from_fn(|lane| images.bytes_of(first + lane));
        // SAFETY: the caller's.
        unsafe { pack::write_images(&images, &place, input) }
    }

    unsafe fn conv_forward(&mut self, index: usize) {
        let engine = &mut self.engine;
        let (layers, scratch) = (&engine.layers, &mut engine.scratch[0]);
        let bias = engine.places[2 * index + 1].offset;
        // SAFETY: the caller's.
        unsafe {
            conv_forward::forward(
                engine.isa,
                &layers.convs()[index],
                scratch.input(layers, index, LAST),
                scratch.packed[index].as_ptr(),
                engine.parameters.as_ptr().add(bias),
                scratch.target(layers, index, LAST),
                scratch.saved(layers, index, LAST),
                // All the work: a rate counts what is nominally to do.
                Extents::UNKNOWN,
            );
        }
    }

    unsafe fn conv_weight(&mut self, index: usize) {
        let engine = &mut self.engine;
        let (layers, scratch) = (&engine.layers, &mut engine.scratch[0]);
        let convs = layers.convs();
        let before: usize = convs[..index].iter().map(conv_gradient).sum();
        let to = self.block * engine.batch.conv_stride + before;
        let d_output = match scratch.d_inputs.get(index + 1) {
            Some(d_input) => d_input.as_ptr(),
            None => {
                let features = features(layers.linears()[0].in_features);
                scratch.d_features.as_slice()[LAST * features..].as_ptr()
            }
        };
        let incoming = Incoming {
            d_output,
            saved: scratch.saved(layers, index, LAST),
            output: scratch.target(layers, index, LAST),
        };
        // SAFETY: the caller's.
        unsafe {
            conv_weight::gradient(
                engine.isa,
                &convs[index],
                index > 0,
                scratch.input(layers, index, LAST),
                Extents::UNKNOWN,
                incoming,
                self.d_maps[index].as_mut_ptr(),
                scratch.sums.as_mut_ptr(),
                engine.batch.conv_gradients.as_mut_ptr().add(to),
            );
        }
    }

    unsafe fn conv_input(&mut self, index: usize) {
        let engine = &mut self.engine;
        let scratch = &mut engine.scratch[0];
        // SAFETY: the caller's.
        unsafe {
            conv_input::gradient(
                engine.isa,
                &engine.layers.convs()[index],
                scratch.packed_turned[index].as_ptr(),
                self.d_maps[index].as_ptr(),
                scratch.border.as_mut_ptr(),
                scratch.d_inputs[index].as_mut_ptr(),
            );
        }
    }

    unsafe fn linear_forward(&mut self, index: usize) {
        let engine = &mut self.engine;
        let scratch = &mut engine.scratch[0];
        let linear = engine.layers.linears()[index];
        let parameter = 2 * (engine.layers.convs().len() + index);
        let stride = features(linear.out_features);
        // SAFETY: the caller's.
        unsafe {
            let at = |parameter: usize| {
                let offset = engine.places[parameter].offset;
                engine.parameters.as_ptr().add(offset)
            };
            let matrix = Matrix {
                data: at(parameter),
                rows: linear.out_features,
                columns: linear.in_features,
                row_stride: linear.in_features,
                column_stride: 1,
            };
            let from = Features {
                data: scratch.features[index].as_ptr(),
                stride: features(linear.in_features),
            };
            let data = match scratch.features.get_mut(index + 1) {
                Some(next) => next.as_mut_ptr(),
                None => engine
                    .batch
                    .logits
                    .as_mut_ptr()
                    .add(self.group.start * stride),
            };
            let finish = Finish::Activate {
                bias: at(parameter + 1),
                activation: linear.activation,
            };
            product(
                engine.isa,
                matrix,
                BLOCKS,
                from,
                Features { data, stride },
                finish,
            );
        }
    }

    unsafe fn linear_input(&mut self, index: usize) {
        let engine = &mut self.engine;
        let scratch = &mut engine.scratch[0];
        let linears = engine.layers.linears();
        let linear = linears[index];
        let parameter = 2 * (engine.layers.convs().len() + index);
        let [from, to] = [linear.out_features, linear.in_features].map(features);
        let first = self.group.start;
        // SAFETY: the caller's.
        unsafe {
            let matrix = Matrix {
                data: engine
                    .parameters
                    .as_ptr()
                    .add(engine.places[parameter].offset),
                rows: linear.in_features,
                columns: linear.out_features,
                row_stride: 1,
                column_stride: linear.in_features,
            };
            let (data, finish) = match index {
                0 => (scratch.d_features.as_mut_ptr(), Finish::Keep),
                _ => (
                    engine.batch.d_linear[index - 1]
                        .as_mut_ptr()
                        .add(first * to),
                    Finish::Chain {
                        output: scratch.features[index].as_ptr(),
                        activation: linears[index - 1].activation,
                    },
                ),
            };
            let d_output = Features {
                data: engine.batch.d_linear[index].as_ptr().add(first * from),
                stride: from,
            };
            let to = Features { data, stride: to };
            product(engine.isa, matrix, BLOCKS, d_output, to, finish);
        }
    }

    unsafe fn transpose_rows(&mut self, index: usize) {
        let engine = &mut self.engine;
        let count = engine.layers.linears()[index].in_features;
        let row = count.next_multiple_of(LANES);
        let from = LAST * features(count);
        let from = engine.scratch[0].features[index].as_slice()[from..].as_ptr();
        let to = self.block * LANES * row;
        // SAFETY: the caller's.
        unsafe {
            let to = engine.batch.rows[index].as_mut_ptr().add(to);
            pack::to_rows(engine.isa, count, from, to, row);
        }
    }

    unsafe fn linear_weight(&mut self, index: usize) {
        let engine = &mut self.engine;
        let linear = engine.layers.linears()[index];
        let parameter = 2 * (engine.layers.convs().len() + index);
        let operands = linear_weight::Batch {
            blocks: self.group.end,
            in_features: linear.in_features,
            rows: engine.batch.rows[index].as_ptr(),
            row_stride: linear.in_features.next_multiple_of(LANES),
            d_output: engine.batch.d_linear[index].as_ptr(),
            d_stride: features(linear.out_features),
        };
        let gradients = engine.gradients.as_mut_ptr();
        // SAFETY: the caller's.
        unsafe {
            let weight = gradients.add(engine.places[parameter].offset);
            let bias = gradients.add(engine.places[parameter + 1].offset);
            linear_weight::gradient(engine.isa, &operands, 0, linear.out_features, weight, bias);
        }
    }

    unsafe fn cross_entropy(&mut self) {
        let engine = &mut self.engine;
        let classes = engine.layers.classes();
        let (own, stride) = (self.block, features(classes));
        let last = engine.layers.linears().len() - 1;
        let batch = &mut engine.batch;
        // SAFETY: the caller's.
        unsafe {
            let block = cross_entropy::Block {
                classes,
                logits: batch.logits.as_ptr().add(own * stride),
                labels: batch.labels.as_ptr().add(own * LANES),
                images: LANES,
                smoothing: 0.0,
                scale: 1.0 / engine.images as f32,
            };
            let d_logits = batch.d_linear[last].as_mut_ptr().add(own * stride);
            let losses = batch.losses.as_mut_ptr().add(own * LANES);
            cross_entropy(engine.isa, &block, d_logits, losses);
        }
    }

    unsafe fn update(&mut self) {
        let gradients = &self.engine.gradients;
        let [parameters, first, second] = &mut self.state;
        let state = adam::State {
            parameters: parameters.as_mut_ptr(),
            first: first.as_mut_ptr(),
            second: second.as_mut_ptr(),
        };
        let count = gradients.as_slice().len();
        // SAFETY: the caller's.
        unsafe {
            adam::update(
                self.engine.isa,
                &self.adam,
                count,
                gradients.as_ptr(),
                state,
            )
        }
    }
}
