//! A whole network on blocks of 16 images: forward, backward and optimiser, without a tensor
//! between.
//!
//! The operations on tensors in [`ops`](crate::ops) are for any network; they allocate their results
//! and go through a graph. An [`Engine`] is for a network that is a list of layers. It keeps
//! parameters, gradients and moments in flat arrays, each activation where the next layer wants it,
//! and hands every gradient on instead of collecting it. A step allocates nothing.
//!
//! The threads meet three times a step. First each takes blocks of 16 images forward and back. Then
//! the gradients of the linear layers' weights are computed over the whole batch, and those of the
//! convolutions added up, block after block. Last comes the optimiser. No sum depends on which thread had
//! which block: any number of threads gives equal bits.

mod images;
#[cfg(feature = "measure")]
pub(crate) mod kernels;
mod layers;
mod memory;
mod pass;
mod shared;
mod tasks;
#[cfg(target_arch = "x86_64")]
mod tiles;
mod update;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use images::{FloatImages, Images};
pub use layers::Layers;
pub(crate) use memory::features as memory_features;
use memory::{BatchMemory, Place, Scratch, check_lengths, features, get, places, set};
use pass::{BatchPointers, Extent, FromLogits, Pass, feature_row};
use shared::{Pointers, Shared};
use tasks::Tasks;
pub use update::Optimizer;

use crate::blocked::Lines;
use crate::blocked::linear::BLOCKS;
use crate::error::{check_label_smoothing, check_labels, check_length};
use crate::pool::{Pool, share};
use crate::simd::LANES;
use crate::{Error, Isa, Result};

/// What an engine is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Forward passes alone.
    Inference,
    /// Backward passes and an optimiser, too.
    Training,
}

/// What products are computed in; sums, parameters and moments are f32 in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// f32.
    #[default]
    F32,
    /// The linear layers, and convolutions of 16 channels behind the first one, multiply numbers
    /// rounded to bf16, forward and back, on the tiles of Intel's AMX.
    Bf16,
}

impl Precision {
    /// Whether this machine computes in it, and `LENET_ISA` does not keep it from AVX-512.
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

/// A network with its parameters, and the memory to run and train it.
#[derive(Debug)]
pub struct Engine {
    layers: Layers,
    purpose: Purpose,
    precision: Precision,
    isa: Isa,
    pool: Arc<Pool>,
    places: Vec<Place>,
    parameters: Lines,
    gradients: Lines,
    first_moments: Lines,
    second_moments: Lines,
    /// Steps of the optimiser so far.
    step: u64,
    /// Counts the changes of the parameters.
    version: u64,
    most_images: usize,
    /// Images of the last pass.
    images: usize,
    scratch: Vec<Scratch>,
    batch: BatchMemory,
    /// The input of the last layer, an image a row, where it was asked for.
    features: Lines,
    pointers: BatchPointers,
    #[cfg(target_arch = "x86_64")]
    weights: Option<tiles::Weights>,
}

// SAFETY: the pointers lead into the engine's own memory, which moves with it.
unsafe impl Send for Engine {}
// SAFETY: whatever uses the pointers borrows the engine mutably.
unsafe impl Sync for Engine {}

impl Engine {
    /// A network whose parameters are 0, for passes over up to `most_images` images.
    pub fn new(
        layers: Layers,
        purpose: Purpose,
        most_images: usize,
        pool: Arc<Pool>,
        isa: Isa,
    ) -> Self {
        Self::build(Precision::F32, layers, purpose, most_images, pool, isa)
    }

    /// As [`Engine::new`], on the fastest instruction set, in another precision.
    ///
    /// # Errors
    /// [`Error::Precision`] where the machine has no means to compute in it.
    pub fn with_precision(
        precision: Precision,
        layers: Layers,
        purpose: Purpose,
        most_images: usize,
        pool: Arc<Pool>,
    ) -> Result<Self> {
        if !precision.is_available() {
            return Err(Error::Precision);
        }
        let isa = Isa::fastest();
        Ok(Self::build(
            precision,
            layers,
            purpose,
            most_images,
            pool,
            isa,
        ))
    }

    fn build(
        precision: Precision,
        layers: Layers,
        purpose: Purpose,
        most_images: usize,
        pool: Arc<Pool>,
        isa: Isa,
    ) -> Self {
        let training = purpose == Purpose::Training;
        let (places, len) = places(&layers);
        let kept = if training { len } else { 0 };
        let mut batch = BatchMemory::new(&layers, most_images.div_ceil(LANES), training, precision);
        let pointers = BatchPointers {
            rows: batch.rows.iter_mut().map(Lines::as_mut_ptr).collect(),
            d_linear: batch.d_linear.iter_mut().map(Lines::as_mut_ptr).collect(),
            conv_gradients: batch.conv_gradients.as_mut_ptr(),
            conv_stride: batch.conv_stride,
            logits: batch.logits.as_mut_ptr(),
            losses: batch.losses.as_mut_ptr(),
            predicted: batch.predicted.as_mut_ptr(),
            labels: batch.labels.as_mut_ptr(),
            #[cfg(target_arch = "x86_64")]
            tiles: batch
                .tiles
                .iter_mut()
                .map(|kept| kept.each_mut().map(|kept| kept.as_mut_ptr().cast()))
                .collect(),
        };
        Self {
            purpose,
            precision,
            isa,
            parameters: Lines::floats(len),
            gradients: Lines::floats(kept),
            first_moments: Lines::floats(kept),
            second_moments: Lines::floats(kept),
            step: 0,
            version: 1,
            most_images,
            images: 0,
            scratch: (0..pool.threads())
                .map(|_| Scratch::new(&layers, training, precision))
                .collect(),
            #[cfg(target_arch = "x86_64")]
            weights: (precision == Precision::Bf16).then(|| tiles::Weights::new(&layers)),
            pool,
            places,
            layers,
            batch,
            features: Lines::default(),
            pointers,
        }
    }

    /// The layers.
    pub fn layers(&self) -> &Layers {
        &self.layers
    }

    /// The instruction set that it runs on.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Images that a pass may have.
    pub fn most_images(&self) -> usize {
        self.most_images
    }

    /// Makes room for passes over this many images, if there is less. The parameters stay; gradients
    /// and moments begin at 0 if there was less.
    pub(crate) fn reserve(&mut self, images: usize) {
        if images <= self.most_images {
            return;
        }
        let grown = Self::build(
            self.precision,
            self.layers.clone(),
            self.purpose,
            images,
            Arc::clone(&self.pool),
            self.isa,
        );
        let old = std::mem::replace(self, grown);
        self.parameters = old.parameters;
    }

    /// Sets the parameters, in the order of [`Layers::parameters`].
    ///
    /// # Errors
    /// [`Error::Length`] where one has another number of values, before any is set.
    pub fn set_parameters(&mut self, values: &[&[f32]]) -> Result<()> {
        check_lengths(&self.places, "parameters", values)?;
        set(&self.places, &mut self.parameters, values);
        self.version += 1;
        Ok(())
    }

    /// The parameters, in the order of [`Layers::parameters`].
    pub fn parameters(&self) -> impl Iterator<Item = &[f32]> {
        get(&self.places, &self.parameters)
    }

    /// The gradients of the last [`Engine::gradients`], in the order of the parameters.
    pub fn last_gradients(&self) -> impl Iterator<Item = &[f32]> {
        get(&self.places, &self.gradients)
    }

    /// Runs the network forward. The logits are then in [`Engine::logits`], the classes in
    /// [`Engine::predicted`].
    ///
    /// # Errors
    /// [`Error::TooManyImages`].
    ///
    /// # Panics
    /// If an image has another number of pixels than the first layer takes.
    pub fn forward(&mut self, images: &dyn Images, count: usize) -> Result<()> {
        self.pass(images, count, Extent::Logits)
    }

    /// Runs the network forward and back: the gradients of the mean cross-entropy of images and
    /// labels are then in [`Engine::last_gradients`], the losses in [`Engine::losses`].
    ///
    /// # Errors
    /// [`Error::EmptyBatch`] without a label, [`Error::TooManyImages`], [`Error::Label`], and
    /// [`Error::Setting`] where `label_smoothing` is not between 0 and 1.
    ///
    /// # Panics
    /// If the engine is not for [`Purpose::Training`], or as [`Engine::forward`].
    pub fn gradients(
        &mut self,
        images: &dyn Images,
        labels: &[u32],
        label_smoothing: f64,
    ) -> Result<Gradients> {
        assert_eq!(self.purpose, Purpose::Training);
        check_label_smoothing("gradients", label_smoothing)?;
        self.take_labels("gradients", labels)?;
        let smoothing = label_smoothing as f32;
        let from = FromLogits::CrossEntropy { smoothing };
        self.pass(images, labels.len(), Extent::Backward(from))?;
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
    /// [`Error::EmptyBatch`] without an image, [`Error::TooManyImages`], and [`Error::Length`] where
    /// `d_logits` is not (N, K).
    ///
    /// # Panics
    /// If the engine is not for [`Purpose::Training`], or as [`Engine::forward`].
    pub fn backward(
        &mut self,
        images: &dyn Images,
        count: usize,
        d_logits: &[f32],
    ) -> Result<bool> {
        assert_eq!(self.purpose, Purpose::Training);
        if count == 0 {
            return Err(Error::EmptyBatch { op: "backward" });
        }
        let shape = [count, self.layers.classes()];
        check_length("backward", "d_logits", &shape, d_logits)?;
        let from = FromLogits::Given(d_logits);
        self.pass(images, count, Extent::Backward(from))?;
        Ok(self.weight_gradients())
    }

    /// Runs the network forward and returns what goes into its last layer, one row an image: in
    /// LeNet-5 the 84 features. The logits and classes can then be asked for, too.
    ///
    /// The first call reserves memory for these features.
    ///
    /// # Errors
    /// [`Error::TooManyImages`].
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
        if self.features.as_slice().is_empty() {
            self.features = Lines::floats(self.most_images.next_multiple_of(LANES) * row);
        }
        let rows = self.features.as_mut_ptr();
        self.pass(images, count, Extent::Features(rows))?;
        let rows = self.features.as_slice().chunks_exact(row);
        Ok(rows.take(count).map(move |row| &row[..width]))
    }

    /// Runs the network forward and gives the mean cross-entropy of images and labels; logits,
    /// classes and losses can then be asked for.
    ///
    /// # Errors
    /// [`Error::EmptyBatch`] without a label, [`Error::TooManyImages`] and [`Error::Label`].
    ///
    /// # Panics
    /// As [`Engine::forward`].
    pub fn evaluate(&mut self, images: &dyn Images, labels: &[u32]) -> Result<f64> {
        self.take_labels("evaluate", labels)?;
        self.pass(images, labels.len(), Extent::Losses)?;
        Ok(self.mean_loss())
    }

    /// The logits of the last pass, one row of [`Layers::classes`] numbers an image.
    pub fn logits(&self) -> impl Iterator<Item = impl Iterator<Item = f32>> {
        let classes = self.layers.classes();
        let logits = self.batch.logits.as_slice();
        (0..self.images).map(move |image| {
            let (block, lane) = (image / LANES, image % LANES);
            let block = &logits[block * features(classes)..];
            (0..classes).map(move |class| block[class * LANES + lane])
        })
    }

    /// The class with the greatest logit of each image of the last pass, of equal ones the first.
    pub fn predicted(&self) -> &[u32] {
        &self.batch.predicted[..self.images]
    }

    /// The loss of each image of the last [`Engine::gradients`].
    pub fn losses(&self) -> &[f32] {
        &self.batch.losses.as_slice()[..self.images]
    }

    fn mean_loss(&self) -> f64 {
        let losses = self.losses().iter();
        losses.map(|&loss| f64::from(loss)).sum::<f64>() / self.images as f64
    }

    /// Checks labels and copies them to where the threads look for them.
    fn take_labels(&mut self, op: &'static str, labels: &[u32]) -> Result<()> {
        if labels.is_empty() {
            return Err(Error::EmptyBatch { op });
        }
        check_labels(op, labels, self.layers.classes())?;
        if let Some(room) = self.batch.labels.get_mut(..labels.len()) {
            room.copy_from_slice(labels);
        }
        Ok(())
    }

    fn pass(&mut self, images: &dyn Images, count: usize, extent: Extent<'_>) -> Result<()> {
        if count > self.most_images {
            return Err(Error::TooManyImages {
                op: "forward",
                most: self.most_images,
                got: count,
            });
        }
        self.images = count;
        #[cfg(target_arch = "x86_64")]
        self.pack_weights();
        let pass = Pass {
            isa: self.isa,
            layers: &self.layers,
            places: &self.places,
            parameters: self.parameters.as_ptr(),
            images,
            count,
            extent,
            batch: &self.pointers,
            #[cfg(target_arch = "x86_64")]
            weights: self.weights.as_ref(),
        };
        let parameters = self.parameters.as_slice();
        let scratch = Shared(self.scratch.as_mut_ptr());
        let blocks = count.div_ceil(LANES);
        let version = self.version;
        let precision = self.precision;
        self.pool.run(&|thread, threads| {
            let mut own = match precision {
                Precision::F32 => share(blocks, thread, threads),
                // Tiles take two blocks.
                Precision::Bf16 => {
                    let pairs = share(blocks.div_ceil(2), thread, threads);
                    2 * pairs.start..blocks.min(2 * pairs.end)
                }
            };
            if own.is_empty() {
                return;
            }
            // SAFETY: there is a scratch for each thread of the pool, and this one is its own.
            let scratch = unsafe { &mut *scratch.at(thread) };
            scratch.pack(pass.isa, pass.layers, pass.places, parameters, version);
            while !own.is_empty() {
                let group = own.len().min(BLOCKS);
                // SAFETY: the shares of the threads are different blocks.
                unsafe { pass.group(scratch, own.start, group) };
                own.start += group;
            }
            end_of_tiles(precision);
        });
        Ok(())
    }

    /// Packs the weights of the linear layers for tiles, if they are other ones than last time.
    #[cfg(target_arch = "x86_64")]
    fn pack_weights(&mut self) {
        let Some(weights) = &mut self.weights else {
            return;
        };
        if weights.version == self.version {
            return;
        }
        weights.version = self.version;
        let (weights, layers, places) = (&*weights, &self.layers, &self.places);
        let parameters = self.parameters.as_slice();
        self.pool.run(&|thread, threads| {
            // SAFETY: weights exist only where AMX is available, and nobody reads them before all
            // threads are done.
            unsafe { weights.pack(layers, places, parameters, thread, threads) }
        });
    }

    /// The gradients of the weights over all blocks; whether all are finite.
    fn weight_gradients(&mut self) -> bool {
        let blocks = self.images.div_ceil(LANES);
        let gradients = Pointers([self.gradients.as_mut_ptr()]);
        let finite = AtomicBool::new(true);
        let (isa, layers, places, batch) = (self.isa, &self.layers, &self.places, &self.batch);
        let precision = self.precision;
        let tasks = Tasks::of(layers, self.precision);
        self.pool.run(&|thread, threads| {
            let mut all = true;
            for task in tasks.share(layers, thread, threads) {
                // SAFETY: tasks write to rows of their own; the blocks are no longer written to.
                all &= unsafe { task.run(isa, layers, places, batch, blocks, gradients.at(0)[0]) };
            }
            end_of_tiles(precision);
            if !all {
                finite.store(false, Ordering::Relaxed);
            }
        });
        finite.into_inner()
    }
}

/// Ends a thread's use of tiles, if it had any.
fn end_of_tiles(precision: Precision) {
    #[cfg(target_arch = "x86_64")]
    if precision == Precision::Bf16 {
        // SAFETY: an engine has this precision only where AMX is available.
        unsafe { crate::amx::release() }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = precision;
}

/// What [`Engine::gradients`] found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gradients {
    /// The mean loss of the images.
    pub loss: f64,
    /// Whether every gradient is a finite number.
    pub finite: bool,
}
