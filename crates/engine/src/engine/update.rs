//! The optimiser's step on the engine's parameters.

use super::{Engine, Purpose};
use crate::Result;
use crate::blocked::{adam, sgd};
use crate::optimizer::Optimizer;
use crate::pool::share;
use crate::simd::LANES;

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
        let first = self.places.get(&self.first_moments);
        let second = self.places.get(&self.second_moments);
        (self.step, first, second)
    }

    /// Sets what [`Engine::moments`] returns.
    ///
    /// # Errors
    /// A moment with another number of values; then none is set.
    pub fn set_moments(&mut self, step: u64, first: &[&[f32]], second: &[&[f32]]) -> Result<()> {
        self.layers.check_parameters("the first moments", first)?;
        self.layers.check_parameters("the second moments", second)?;
        self.places.set(&mut self.first_moments, first);
        self.places.set(&mut self.second_moments, second);
        self.step = step;
        Ok(())
    }

    /// The Euclidean norm of the last gradients, all parameters together that are not frozen. The sum runs in one order,
    /// whatever the number of threads.
    pub fn gradient_norm(&self) -> f64 {
        let mut sums = [0.0_f64; LANES];
        let (lines, _) = self.gradients.as_slice()[self.first_trained..].as_chunks::<LANES>();
        for line in lines {
            for (sum, &gradient) in std::iter::zip(&mut sums, line) {
                *sum += f64::from(gradient) * f64::from(gradient);
            }
        }
        sums.iter().sum::<f64>().sqrt()
    }

    /// One step with `scale` times the gradients of the last [`Engine::gradients`]; a scale below 1
    /// clips them.
    ///
    /// # Panics
    /// If the engine is not for [`Purpose::Training`].
    pub fn update(&mut self, optimizer: &Optimizer, scale: f32) {
        assert_eq!(self.setup.purpose, Purpose::Training);
        self.step += 1;
        self.version += 1;
        let (isa, step) = (self.setup.isa, self.step);
        let this = &*self;
        self.setup.pool.run(&|thread, threads| {
            let own = share(this.places.len / LANES, thread, threads);
            let own = (own.start * LANES).max(this.first_trained)..own.end * LANES;
            for place in this.places.iter() {
                let first = own.start.max(place.offset);
                let end = own
                    .end
                    .min(place.offset + place.len.next_multiple_of(LANES));
                if first >= end {
                    continue;
                }
                let arrays = [
                    &this.gradients,
                    &this.parameters,
                    &this.first_moments,
                    &this.second_moments,
                ];
                let [gradient, parameters, first_moments, second_moments] =
                    arrays.map(|array| array.ptr().wrapping_add(first));
                let count = end - first;
                // SAFETY: `first..end` lies in all four arrays, which are equally long, and in the
                // lines that are this thread's.
                unsafe {
                    match optimizer {
                        Optimizer::Adam(settings) => {
                            let step = adam::Step::new(settings, step, scale, place.is_weight);
                            let state = adam::State {
                                parameters,
                                first: first_moments,
                                second: second_moments,
                            };
                            adam::update(isa, &step, count, gradient, state);
                        }
                        Optimizer::Sgd(settings) => {
                            let step = sgd::Step::new(settings, scale, place.is_weight);
                            sgd::update(isa, &step, count, gradient, parameters, first_moments);
                        }
                    }
                }
            }
        });
    }
}
