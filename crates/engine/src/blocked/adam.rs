//! Adam in place, with the formulas of [`reference::adam`](crate::reference::adam).

use crate::optimizer::Adam;
use crate::simd::{Simd, dispatch};

/// Below this a gradient counts as 0: its square would be a denormal number, which takes a
/// hundred times as long as others, and beside ε = 1e-8 it moves nothing.
const LEAST_GRADIENT: f32 = 1e-17;
/// Below this a first moment is 0: one whose gradient stays 0 would decay to a denormal number and
/// stay there.
const LEAST_FIRST: f32 = 1e-30;
/// The same for a second moment.
const LEAST_SECOND: f32 = 1e-36;

/// A step's settings, with the corrections of step t worked in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    keep1: f32,
    take1: f32,
    keep2: f32,
    take2: f32,
    /// α / (1 - β₁ᵗ).
    rate: f32,
    /// 1 / √(1 - β₂ᵗ).
    correction: f32,
    epsilon: f32,
    /// What the gradient is multiplied with.
    scale: f32,
    /// What the parameters are multiplied with: 1 - αλ.
    kept: f32,
}

impl Step {
    /// Step `t`, from 1, with gradients times `scale`; only weights decay.
    pub(crate) fn new(settings: &Adam, t: u64, scale: f32, weights: bool) -> Self {
        let decay = if weights { settings.weight_decay } else { 0.0 };
        // In f64: in f32, 1 - 0.999 has lost three of its seven digits.
        let correction1 = 1.0 - settings.beta1.powf(t as f64);
        let correction2 = 1.0 - settings.beta2.powf(t as f64);
        Self {
            keep1: settings.beta1 as f32,
            take1: (1.0 - settings.beta1) as f32,
            keep2: settings.beta2 as f32,
            take2: (1.0 - settings.beta2) as f32,
            rate: (settings.learning_rate / correction1) as f32,
            correction: (1.0 / correction2.sqrt()) as f32,
            epsilon: settings.epsilon as f32,
            scale,
            kept: (1.0 - settings.learning_rate * decay) as f32,
        }
    }
}

/// `count` floats each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct State {
    pub(crate) parameters: *mut f32,
    pub(crate) first: *mut f32,
    pub(crate) second: *mut f32,
}

dispatch! {
    /// Updates `count` parameters and their moments; `count` is a multiple of 16.
    ///
    /// # Safety
    /// All four must hold `count` floats, and no other thread use those of the state.
    pub(crate) fn update(
        step: &Step,
        count: usize,
        gradient: *const f32,
        state: State,
    ) => update_generic
}

#[inline(always)]
unsafe fn update_generic<V: Simd>(step: &Step, count: usize, gradient: *const f32, state: State) {
    for i in (0..count).step_by(V::WIDTH) {
        // SAFETY: a register from `i` on lies within `count`, a multiple of 16.
        unsafe {
            let parameters = state.parameters.add(i);
            let [first, second] = [state.first.add(i), state.second.add(i)];
            let g = V::load(gradient.add(i))
                .mul(V::splat(step.scale))
                .flush_below(LEAST_GRADIENT);
            let m = V::load(first)
                .mul(V::splat(step.keep1))
                .fma(g, V::splat(step.take1));
            let v = V::load(second)
                .mul(V::splat(step.keep2))
                .fma(g.mul(g), V::splat(step.take2));
            let m = m.flush_below(LEAST_FIRST);
            let v = v.flush_below(LEAST_SECOND);
            m.store(first);
            v.store(second);
            let denominator = V::splat(step.epsilon).fma(v.sqrt(), V::splat(step.correction));
            let moved = m.mul(V::splat(step.rate)).div(denominator);
            V::load(parameters)
                .mul(V::splat(step.kept))
                .sub(moved)
                .store(parameters);
        }
    }
}
