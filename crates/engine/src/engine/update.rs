//! The optimiser's step on the engine's parameters.

use super::memory::{Place, check_lengths, get, set};
use super::shared::Pointers;
use super::{Engine, Purpose};
use crate::Result;
use crate::blocked::{adam, sgd};
use crate::pool::share;
use crate::reference;
use crate::simd::LANES;

/// An optimiser with its settings. Weight decay concerns weights; biases never decay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Optimizer {
    /// Adam, and with weight decay AdamW.
    Adam(reference::adam::Settings),
    /// Gradient descent, with momentum in the first moments.
    Sgd(reference::sgd::Settings),
}

impl Engine {
    /// The optimiser's steps so far and its moments, first and second, in the order of the
    /// parameters.
    pub fn moments(
        &self,
    ) -> (
        u64,
        impl Iterator<Item = &[f32]>,
        impl Iterator<Item = &[f32]>,
    ) {
        let first = get(&self.places, &self.first_moments);
        (self.step, first, get(&self.places, &self.second_moments))
    }

    /// Sets what [`Engine::moments`] gives.
    ///
    /// # Errors
    /// [`Error::Length`](crate::Error::Length) where one has another number of values, before any is
    /// set.
    pub fn set_moments(&mut self, step: u64, first: &[&[f32]], second: &[&[f32]]) -> Result<()> {
        check_lengths(&self.places, "first moments", first)?;
        check_lengths(&self.places, "second moments", second)?;
        set(&self.places, &mut self.first_moments, first);
        set(&self.places, &mut self.second_moments, second);
        self.step = step;
        Ok(())
    }

    /// The Euclidean norm of the last gradients, all parameters together. The sum runs in one order,
    /// whatever the number of threads.
    pub fn gradient_norm(&self) -> f64 {
        let mut sums = [0.0_f64; LANES];
        let (lines, _) = self.gradients.as_slice().as_chunks::<LANES>();
        for line in lines {
            for (sum, &gradient) in std::iter::zip(&mut sums, line) {
                *sum += f64::from(gradient) * f64::from(gradient);
            }
        }
        sums.iter().sum::<f64>().sqrt()
    }

    /// One step of Adam with the gradients of the last [`Engine::gradients`].
    ///
    /// # Panics
    /// If the engine is not for [`Purpose::Training`].
    pub fn adam(&mut self, settings: &reference::adam::Settings) {
        self.update(&Optimizer::Adam(*settings), 1.0);
    }

    /// One step with `scale` times the gradients of the last [`Engine::gradients`]; a scale below 1
    /// clips them.
    ///
    /// # Panics
    /// If the engine is not for [`Purpose::Training`].
    pub fn update(&mut self, optimizer: &Optimizer, scale: f32) {
        assert_eq!(self.purpose, Purpose::Training);
        self.step += 1;
        self.version += 1;
        let lines = self.gradients.as_slice().len() / LANES;
        let arrays = Pointers([
            self.gradients.as_mut_ptr(),
            self.parameters.as_mut_ptr(),
            self.first_moments.as_mut_ptr(),
            self.second_moments.as_mut_ptr(),
        ]);
        let (isa, step, places) = (self.isa, self.step, &*self.places);
        self.pool.run(&|thread, threads| {
            let own = share(lines, thread, threads);
            let own = own.start * LANES..own.end * LANES;
            // Weights and biases take turns, each in lines of its own.
            for (index, Place { offset, len }) in places.iter().enumerate() {
                let first = own.start.max(*offset);
                let end = own.end.min(offset + len.next_multiple_of(LANES));
                if first >= end {
                    continue;
                }
                let [gradients, parameters, first_moments, second] = arrays.at(first);
                let (count, weights) = (end - first, index % 2 == 0);
                // SAFETY: the arrays are equally long, and each thread has lines of its own.
                unsafe {
                    match optimizer {
                        Optimizer::Adam(settings) => {
                            let step = adam::Step::new(settings, step, scale, weights);
                            let state = adam::State {
                                parameters,
                                first: first_moments,
                                second,
                            };
                            adam::update(isa, &step, count, gradients, state);
                        }
                        Optimizer::Sgd(settings) => {
                            let step = sgd::Step::new(settings, scale, weights);
                            sgd::update(isa, &step, count, gradients, parameters, first_moments);
                        }
                    }
                }
            }
        });
    }
}
