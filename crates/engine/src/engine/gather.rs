//! What the processes of an [`Exchange`](crate::Exchange) hand to each other after a pass.

use std::sync::Arc;

use super::pass::{Goal, feature_row};
use super::{Engine, block_features};
use crate::buffer::Lines;
use crate::pool::share;
use crate::simd::LANES;

/// Memory for it, which grows to what the largest pass needs.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    own: Vec<f32>,
    lens: Vec<usize>,
    all: Vec<f32>,
    sum: Vec<f32>,
}

impl Engine {
    /// After a pass of which this process computed its own blocks: those of the others too.
    pub(super) fn gather(&mut self, goal: Goal<'_>) {
        let pool = Arc::clone(&self.setup.pool);
        let Some(exchange) = pool.exchange() else {
            return;
        };
        let (rank, ranks) = (exchange.rank(), exchange.ranks());
        let units = self.images.div_ceil(self.unit());
        let len: usize = self.left(goal).map(|(_, len)| len).sum();
        let mut buffers = std::mem::take(&mut self.buffers);
        let Buffers { own, lens, all, .. } = &mut buffers;
        own.clear();
        own.push(0.0);
        for (lines, len) in self.left(goal) {
            let units = share(units, rank, ranks);
            own.extend_from_slice(&lines.as_slice()[units.start * len..units.end * len]);
        }
        lens.clear();
        lens.extend((0..ranks).map(|rank| 1 + len * share(units, rank, ranks).len()));
        all.resize(lens.iter().sum(), 0.0);
        exchange.gather(own, lens, all);
        let mut parts = &all[..];
        for rank in 0..ranks {
            parts = &parts[1..];
            for (lines, len) in self.left(goal) {
                let units = share(units, rank, ranks);
                let part = parts.split_off(..units.len() * len).unwrap_or_default();
                let to = lines.ptr().wrapping_add(units.start * len);
                // SAFETY: the memory of a batch has this many floats for each of its units, and no
                // pass runs meanwhile.
                unsafe { to.copy_from_nonoverlapping(part.as_ptr(), part.len()) }
            }
        }
        self.buffers = buffers;
    }

    /// The sum of everybody's gradients in place of this process's.
    pub(super) fn sum_gradients(&mut self) {
        if let Some(exchange) = self.setup.pool.exchange() {
            let sum = &mut self.buffers.sum;
            sum.resize(self.places.len, 0.0);
            exchange.sum(&self.gradients.as_slice()[..sum.len()], sum);
            self.gradients.as_mut_slice()[..sum.len()].copy_from_slice(sum);
        }
    }

    /// Images of the blocks that stay together.
    pub(super) fn unit(&self) -> usize {
        self.arithmetic.blocks_at_once() * LANES
    }

    /// The memory that a pass leaves its results in, with the floats of a unit.
    fn left(&self, goal: Goal<'_>) -> impl Iterator<Item = (&Lines, usize)> {
        let (batch, layers) = (&self.batch, &self.layers);
        let blocks = self.arithmetic.blocks_at_once();
        let is_back = matches!(goal, Goal::Gradients(_));
        let ends = [(&batch.losses, LANES), (&batch.predicted, LANES)];
        let logits = (!is_back).then(|| (&batch.logits, block_features(layers.classes())));
        let features = matches!(goal, Goal::Features)
            .then(|| (&batch.features, LANES * feature_row(layers.features())));
        // What the gradients of the weights are computed from.
        let factors = (is_back && !self.adds).then(|| {
            let linears = std::iter::zip(&batch.d_linear, layers.linears());
            let linears = linears.map(|(d, linear)| (d, block_features(linear.out_features)));
            linears.chain([(&batch.conv_gradients, batch.conv_stride)])
        });
        let kept = (is_back && !self.adds).then(|| {
            (0..layers.linears().len()).flat_map(|index| self.arithmetic.kept(layers, index))
        });
        let of_blocks = ends.into_iter().chain(logits).chain(features);
        of_blocks
            .chain(factors.into_iter().flatten())
            .map(move |(lines, len)| (lines, len * blocks))
            .chain(kept.into_iter().flatten())
    }
}
