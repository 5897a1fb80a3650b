//! Gradient descent with momentum in place, with the formulas of
//! [`reference::sgd`](crate::reference::sgd).

use crate::optimizer::Sgd;
use crate::simd::{Simd, dispatch};

/// Below this a velocity is 0: one whose gradient stays 0 would decay to a denormal number, which
/// takes a hundred times as long as others.
const LEAST_VELOCITY: f32 = 1e-30;

/// A step's settings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    rate: f32,
    momentum: f32,
    nesterov: bool,
    decay: f32,
    /// What the gradient is multiplied with.
    scale: f32,
}

impl Step {
    /// With gradients times `scale`; only weights decay.
    pub(crate) fn new(settings: &Sgd, scale: f32, weights: bool) -> Self {
        Self {
            rate: settings.learning_rate as f32,
            momentum: settings.momentum as f32,
            nesterov: settings.nesterov,
            decay: if weights {
                settings.weight_decay as f32
            } else {
                0.0
            },
            scale,
        }
    }
}

dispatch! {
    /// Updates `count` parameters and their velocity; `count` is a multiple of 16.
    ///
    /// # Safety
    /// All three must hold `count` floats, and no other thread use parameters and velocity.
    pub(crate) fn update(
        step: &Step,
        count: usize,
        gradient: *const f32,
        parameters: *mut f32,
        velocity: *mut f32,
    ) => update_generic
}

#[inline(always)]
unsafe fn update_generic<V: Simd>(
    step: &Step,
    count: usize,
    gradient: *const f32,
    parameters: *mut f32,
    velocity: *mut f32,
) {
    // SAFETY: a register from `i` on lies within `count`, a multiple of 16.
    unsafe {
        let mut i = 0;
        while i < count {
            let p = V::load(parameters.add(i));
            let g = V::load(gradient.add(i))
                .mul(V::splat(step.scale))
                .fma(p, V::splat(step.decay));
            let v = g.fma(V::load(velocity.add(i)), V::splat(step.momentum));
            let v = v.flush_below(LEAST_VELOCITY);
            v.store(velocity.add(i));
            let moved = if step.nesterov {
                g.fma(v, V::splat(step.momentum))
            } else {
                v
            };
            p.sub(moved.mul(V::splat(step.rate)))
                .store(parameters.add(i));
            i += V::WIDTH;
        }
    }
}
