//! A whole network on blocks of 16 images: forward, backward and optimiser, without a tensor
//! between.
//!
//! An [`Engine`] keeps parameters, gradients and moments in flat arrays, each activation where the
//! next layer wants it, and hands every gradient on instead of collecting it. A step allocates
//! nothing.
//!
//! The threads meet three times a step. First each takes blocks of 16 images forward and back. Then
//! the gradients of the linear layers' weights are computed over the whole batch, and those of the
//! convolutions added up, block after block. Last comes the optimiser. No sum depends on which
//! thread had which block: any number of threads computes equal bits.

pub(crate) mod arithmetic;
mod gather;
mod images;
pub(crate) mod memory;
mod pass;
mod update;
mod weight_gradients;

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arithmetic::{Arithmetic, F32};
use candle_core::bail;
use gather::Buffers;
pub use images::{FloatImages, Images, Pixels};
use memory::{BatchMemory, Places, Scratch, block_features};
use pass::{FromLogits, Goal, Group, Pass, feature_row};
use weight_gradients::WeightGradients;

use serde::{Deserialize, Serialize};

use crate::blocked::linear::BLOCKS;
use crate::buffer::Lines;
pub use crate::layers::Layers;
pub use crate::optimizer::Optimizer;
use crate::pool::{Pool, share};
use crate::simd::LANES;
use crate::{Isa, Result};

/// What an engine is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Forward passes alone.
    Inference,
    /// Backward passes and an optimiser, too.
    Training,
}

/// What products are computed in; sums, parameters and moments are f32 in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// f32.
    #[default]
    F32,
    /// The linear layers, and convolutions of 16 channels after the first one, multiply numbers
    /// rounded to bf16, forward and back, on the tiles of Intel's AMX.
    Bf16,
}

impl Precision {
    /// Whether this machine computes in it with the [current](Isa::current) instruction set.
    pub fn is_available(self) -> bool {
        match self {
            Self::F32 => true,
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Self::Bf16 => crate::amx::is_available() && Isa::current() == Isa::fastest(),
            #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
            Self::Bf16 => false,
        }
    }
}

/// How an engine is to run.
#[derive(Clone, Debug)]
pub struct Setup {
    /// What it is made for.
    pub purpose: Purpose,
    /// What products are computed in.
    pub precision: Precision,
    /// Images of the largest pass.
    pub most_images: usize,
    /// The threads. Engines with pools of their own run side by side.
    pub pool: Arc<Pool>,
    /// The instruction set, usually [`Isa::current`].
    pub isa: Isa,
}

/// A network with its parameters, and the memory to run and train it.
#[derive(Debug)]
pub struct Engine {
    layers: Layers,
    setup: Setup,
    places: Places,
    parameters: Lines,
    gradients: Lines,
    first_moments: Lines,
    second_moments: Lines,
    /// The first number of the parameters that the optimiser changes.
    first_trained: usize,
    /// Steps of the optimiser so far.
    step: u64,
    /// Counts the changes of the parameters.
    version: u64,
    /// Images of the last pass.
    images: usize,
    /// Whether processes add their gradients, or gather what they are computed from.
    adds: bool,
    buffers: Buffers,
    /// One for each thread, which alone locks it.
    scratch: Vec<Mutex<Scratch>>,
    batch: BatchMemory,
    arithmetic: Box<dyn Arithmetic>,
}

impl Engine {
    /// A network whose parameters are 0.
    ///
    /// # Errors
    /// A precision that is not [available](Precision::is_available).
    pub fn new(layers: Layers, setup: Setup) -> Result<Self> {
        let training = setup.purpose == Purpose::Training;
        let places = Places::new(&layers);
        let moments = if training { places.len } else { 0 };
        // An even number, for bf16 takes two at once.
        let blocks = setup.most_images.div_ceil(LANES).next_multiple_of(2);
        let trained = if training { blocks } else { 0 };
        let threads = setup.pool.threads();
        let arithmetic: Box<dyn Arithmetic> = match setup.precision {
            Precision::F32 => Box::new(F32::new(setup.isa, &layers, trained)),
            #[cfg(target_arch = "x86_64")]
            Precision::Bf16 if Precision::Bf16.is_available() => Box::new(
                crate::amx::bf16::Bf16::new(setup.isa, &layers, threads, trained),
            ),
            Precision::Bf16 => bail!(
                "bf16 needs a processor with Intel AMX, and Linux; this machine computes in f32"
            ),
        };
        Ok(Self {
            parameters: Lines::floats(places.len),
            gradients: Lines::floats(moments),
            first_moments: Lines::floats(moments),
            second_moments: Lines::floats(moments),
            first_trained: 0,
            step: 0,
            version: 1,
            images: 0,
            adds: false,
            buffers: Buffers::default(),
            scratch: (0..threads)
                .map(|_| Mutex::new(Scratch::new(&layers, training)))
                .collect(),
            batch: BatchMemory::new(&layers, blocks, trained),
            arithmetic,
            places,
            layers,
            setup,
        })
    }

    /// The layers.
    pub fn layers(&self) -> &Layers {
        &self.layers
    }

    /// How it was made.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Sets the parameters, in the order of [`Layers::parameters`].
    ///
    /// # Errors
    /// A parameter with another number of values; then none is set.
    pub fn set_parameters(&mut self, values: &[&[f32]]) -> Result<()> {
        self.layers.check_parameters("the parameters", values)?;
        self.places.set(&mut self.parameters, values);
        self.version += 1;
        Ok(())
    }

    /// The parameters, in the order of [`Layers::parameters`].
    pub fn parameters(&self) -> impl Iterator<Item = &[f32]> {
        self.places.get(&self.parameters)
    }

    /// From now on the optimiser leaves the convolutions as they are.
    pub fn freeze_convolutions(&mut self) {
        // They lie before the linear layers.
        let first = self.places.linears.first();
        self.first_trained = first.map_or(0, |linear| linear.weight.offset);
    }

    /// From now on the processes that share a training add up their gradients: less is sent for large
    /// batches, but the sums depend on the number of processes. Otherwise they gather what the
    /// gradients are computed from, and any number of them computes the bits of one.
    pub fn add_gradients(&mut self) {
        self.adds = true;
    }

    /// The gradients of the last [`Engine::gradients`] or [`Engine::backward`], in the order of the
    /// parameters.
    pub fn last_gradients(&self) -> impl Iterator<Item = &[f32]> {
        self.places.get(&self.gradients)
    }

    /// Runs the network forward. The logits are then in [`Engine::logits`], the classes in
    /// [`Engine::predicted`].
    ///
    /// # Errors
    /// More images than the engine has memory for.
    ///
    /// # Panics
    /// If an image has another number of pixels than the first layer takes.
    pub fn forward(&mut self, images: &dyn Images, count: usize) -> Result<()> {
        self.pass(images, count, Goal::Logits)
    }

    /// Runs the network forward and back: the gradients of the mean cross-entropy of images and
    /// labels are then in [`Engine::last_gradients`], the losses in [`Engine::losses`].
    ///
    /// # Errors
    /// No image, more than the engine has memory for, a label that names no class, and a
    /// `label_smoothing` that is not between 0 and 1.
    ///
    /// # Panics
    /// If the engine is not for [`Purpose::Training`], or as [`Engine::forward`].
    pub fn gradients(
        &mut self,
        images: &dyn Images,
        labels: &[u32],
        label_smoothing: f64,
    ) -> Result<Gradients> {
        assert_eq!(self.setup.purpose, Purpose::Training);
        if !(0.0..=1.0).contains(&label_smoothing) {
            bail!("label smoothing should be between 0 and 1, got {label_smoothing}");
        }
        self.check_labels(labels)?;
        let smoothing = label_smoothing as f32;
        let from = FromLogits::CrossEntropy { labels, smoothing };
        self.pass(images, labels.len(), Goal::Gradients(from))?;
        let finite = self.weight_gradients();
        Ok(Gradients {
            loss: self.mean_loss(),
            finite,
        })
    }

    /// Runs the network forward and back from the gradient of a scalar by the logits, (N, K): the
    /// gradients of that scalar by the parameters are then in [`Engine::last_gradients`]. Returns
    /// whether all are finite.
    ///
    /// # Errors
    /// No image, more than the engine has memory for, and a `d_logits` that is not (N, K).
    ///
    /// # Panics
    /// If the engine is not for [`Purpose::Training`], or as [`Engine::forward`].
    pub fn backward(
        &mut self,
        images: &dyn Images,
        count: usize,
        d_logits: &[f32],
    ) -> Result<bool> {
        assert_eq!(self.setup.purpose, Purpose::Training);
        let classes = self.layers.classes();
        if count == 0 || d_logits.len() != count * classes {
            let found = d_logits.len();
            bail!("the gradient of the logits should be ({count}, {classes}), got {found} values");
        }
        let from = FromLogits::Given(d_logits);
        self.pass(images, count, Goal::Gradients(from))?;
        Ok(self.weight_gradients())
    }

    /// Runs the network forward and returns what goes into its last layer, one row an image: in
    /// LeNet-5 the 84 features. Logits and classes can then be asked for, too.
    ///
    /// The first call reserves memory for these features.
    ///
    /// # Errors
    /// More images than the engine has memory for.
    ///
    /// # Panics
    /// As [`Engine::forward`].
    pub fn features<'a>(
        &'a mut self,
        images: &dyn Images,
        count: usize,
    ) -> Result<impl Iterator<Item = &'a [f32]> + use<'a>> {
        let width = self.layers.features();
        let row = feature_row(width);
        if self.batch.features.len() == 0 {
            let images = self.setup.most_images.next_multiple_of(2 * LANES);
            self.batch.features = Lines::floats(images * row);
        }
        self.pass(images, count, Goal::Features)?;
        let rows = self.batch.features.as_slice().chunks_exact(row);
        Ok(rows.take(count).map(move |row| &row[..width]))
    }

    /// Runs the network forward and returns the mean cross-entropy of images and labels; logits,
    /// classes and losses can then be asked for.
    ///
    /// # Errors
    /// No image, more than the engine has memory for, and a label that names no class.
    ///
    /// # Panics
    /// As [`Engine::forward`].
    pub fn evaluate(&mut self, images: &dyn Images, labels: &[u32]) -> Result<f64> {
        self.check_labels(labels)?;
        self.pass(images, labels.len(), Goal::Losses { labels })?;
        Ok(self.mean_loss())
    }

    /// The logits of the last pass, one row of [`Layers::classes`] numbers an image.
    pub fn logits(&self) -> impl Iterator<Item = impl Iterator<Item = f32>> {
        let classes = self.layers.classes();
        let logits = self.batch.logits.as_slice();
        (0..self.images).map(move |image| {
            let (block, lane) = (image / LANES, image % LANES);
            let block = &logits[block * block_features(classes)..];
            (0..classes).map(move |class| block[class * LANES + lane])
        })
    }

    /// The class with the greatest logit of each image of the last pass, of equal ones the first.
    pub fn predicted(&self) -> &[u32] {
        &self.batch.predicted.as_u32()[..self.images]
    }

    /// The loss of each image of the last [`Engine::gradients`] or [`Engine::evaluate`].
    pub fn losses(&self) -> &[f32] {
        &self.batch.losses.as_slice()[..self.images]
    }

    fn mean_loss(&self) -> f64 {
        let losses = self.losses().iter();
        losses.map(|&loss| f64::from(loss)).sum::<f64>() / self.images as f64
    }

    fn check_labels(&self, labels: &[u32]) -> Result<()> {
        if labels.is_empty() {
            bail!("a batch should hold at least one image");
        }
        let classes = self.layers.classes();
        if let Some(index) = labels.iter().position(|&label| label as usize >= classes) {
            let label = labels[index];
            bail!("label {index} should be below {classes}, got {label}");
        }
        Ok(())
    }

    fn pass(&mut self, images: &dyn Images, count: usize, goal: Goal<'_>) -> Result<()> {
        let most = self.setup.most_images;
        if count > most {
            bail!("the engine takes at most {most} images at once, got {count}");
        }
        self.images = count;
        let pool = &*self.setup.pool;
        self.arithmetic.prepare(
            pool,
            &self.layers,
            &self.places,
            &self.parameters,
            self.version,
        );
        let pass = Pass {
            isa: self.setup.isa,
            arithmetic: &*self.arithmetic,
            layers: &self.layers,
            places: &self.places,
            parameters: &self.parameters,
            version: self.version,
            images,
            count,
            goal,
            batch: &self.batch,
        };
        let blocks = self.own_blocks();
        let at_once = pass.arithmetic.blocks_at_once();
        let scratch = &self.scratch;
        pool.run(&|thread, threads| {
            let own = share(blocks.len().div_ceil(at_once), thread, threads);
            let end = blocks.end.min(blocks.start + own.end * at_once);
            let mut first = blocks.start + own.start * at_once;
            if first >= end {
                return;
            }
            let scratch = scratch[thread].lock();
            let scratch = &mut *scratch.unwrap_or_else(PoisonError::into_inner);
            pass.pack(scratch, thread);
            while first < end {
                let blocks = BLOCKS.min(end - first);
                let group = Group {
                    thread,
                    first,
                    blocks,
                };
                // SAFETY: the shares of the threads are different blocks; all memory was made for
                // the layers and for at least this many images.
                unsafe { pass.group(scratch, group) };
                first += blocks;
            }
            pass.arithmetic.end();
        });
        self.gather(goal);
        Ok(())
    }

    /// The blocks of the last pass that this process computes.
    fn own_blocks(&self) -> Range<usize> {
        let blocks = self.images.div_ceil(LANES);
        let Some(exchange) = self.setup.pool.exchange() else {
            return 0..blocks;
        };
        let at_once = self.arithmetic.blocks_at_once();
        let own = share(
            self.images.div_ceil(self.unit()),
            exchange.rank(),
            exchange.ranks(),
        );
        own.start * at_once..blocks.min(own.end * at_once)
    }

    /// The gradients of the parameters over all blocks of the last pass; whether all are finite.
    fn weight_gradients(&mut self) -> bool {
        let gradients = WeightGradients {
            isa: self.setup.isa,
            arithmetic: &*self.arithmetic,
            layers: &self.layers,
            places: &self.places,
            batch: &self.batch,
            blocks: if self.adds {
                self.own_blocks()
            } else {
                0..self.images.div_ceil(LANES)
            },
            gradients: &self.gradients,
        };
        let finite = AtomicBool::new(true);
        self.setup.pool.run(&|thread, threads| {
            // SAFETY: each thread has another number; no pass runs meanwhile.
            if !unsafe { gradients.run(thread, threads) } {
                finite.store(false, Ordering::Relaxed);
            }
            gradients.arithmetic.end();
        });
        if !self.adds {
            return finite.into_inner();
        }
        self.sum_gradients();
        self.last_gradients()
            .flatten()
            .all(|value| value.is_finite())
    }
}

/// What [`Engine::gradients`] found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gradients {
    /// The mean loss of the images.
    pub loss: f64,
    /// Whether every gradient is a finite number.
    pub finite: bool,
}
