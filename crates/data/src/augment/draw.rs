//! The numbers of one image, drawn from (seed, epoch, index).

use rand_chacha::ChaCha8Rng;
use rand_core::Rng as _;

use super::field::{self, Field};
use super::settings::Augmentation;
use crate::order::{Purpose, stream};

/// Words of the stream that belong to one image: its numbers first, noise in the second half. ChaCha
/// counts blocks in 64 bits, which is enough for 2^32 images.
const WORDS: u128 = 512;
const NOISE: u128 = 256;

/// Words before the elastic distortion's: one for each scalar below.
const SCALARS: usize = 12;

/// The scalars' bytes and two for each number of the finest grid, along x and y.
const BYTES: usize = 4 * SCALARS + 4 * field::knots(field::MAX_CELLS);
const _: () = assert!(BYTES <= 4 * NOISE as usize);

/// What is done to one image.
#[derive(Debug, Clone)]
pub(super) struct Draw {
    /// Radians, counterclockwise as one sees the image.
    pub(super) rotation: f64,
    /// Factors along x and y.
    pub(super) scale: [f64; 2],
    /// Pixels to the right for each pixel downwards.
    pub(super) shear: f64,
    /// Pixels to the right and downwards.
    pub(super) shift: [f64; 2],
    /// The elastic distortion's bound, pixels.
    pub(super) elastic: f64,
    /// Cells of the distortion's grid along each side.
    pub(super) cells: usize,
    /// Whether left and right are exchanged.
    pub(super) mirrored: bool,
    /// Part of the image that is erased, if any.
    pub(super) erased_area: Option<f64>,
    /// Uniform in -1..1: which way round the rectangle lies and how long it is.
    pub(super) erased_form: f64,
    /// Uniform in 0..1: where it lies in the image.
    pub(super) erased_place: [f64; 2],
    /// The stream's bytes, for the distortion.
    bytes: [u8; BYTES],
    rng: ChaCha8Rng,
    position: u128,
}

impl Draw {
    /// Draws for an image; `strength` is in 0..=1.
    pub(super) fn new(of: &Augmentation, strength: f64, seed: u64, epoch: u32, index: u32) -> Self {
        let elastic = limited(of.elastic, Augmentation::MAX_ELASTIC) * strength;
        let cells = field::cells(of.elastic_sigma);
        let mut rng = stream(seed, Purpose::Augmentation, epoch);
        let position = u128::from(index) * WORDS;
        rng.set_word_pos(position);
        let mut bytes = [0; BYTES];
        let needed = if elastic == 0. {
            4 * SCALARS
        } else {
            4 * SCALARS + 4 * field::knots(cells)
        };
        rng.fill_bytes(&mut bytes[..needed]);
        let (words, _) = bytes.as_chunks::<4>();
        let mut words = words.iter().map(|&word| i32::from_le_bytes(word));
        // Uniform in -1..1, and symmetric: the middle of each of 2^32 steps.
        let mut uniform = || (f64::from(words.next().unwrap_or(0)) + 0.5) / f64::from(1_u32 << 31);

        let rotation = limited(of.rotation, Augmentation::MAX_ROTATION) * strength;
        let scale = limited(of.scale, Augmentation::MAX_SCALE) * strength;
        let shear = limited(of.shear, Augmentation::MAX_SHEAR) * strength;
        let shift = limited(of.shift, Augmentation::MAX_SHIFT) * strength;
        let erase = limited(of.erase, 1.) * strength;
        let [least, largest] = of.erase_area.map(|area| limited(area, 1.));
        Self {
            rotation: uniform() * rotation * (std::f64::consts::PI / 180.),
            scale: [1. + uniform() * scale, 1. + uniform() * scale],
            shear: uniform() * shear,
            shift: [uniform() * shift, uniform() * shift],
            erased_area: {
                let (chance, area) = (to_unit(uniform()), to_unit(uniform()));
                (chance < erase).then(|| least + area * (largest.max(least) - least))
            },
            erased_form: uniform(),
            erased_place: [to_unit(uniform()), to_unit(uniform())],
            mirrored: to_unit(uniform()) < limited(of.mirror, 1.),
            elastic,
            cells,
            bytes,
            rng,
            position,
        }
    }

    /// Whether pixels move at all.
    pub(super) fn moves(&self) -> bool {
        self.elastic != 0.
            || self.rotation != 0.
            || self.scale != [1.; 2]
            || self.shear != 0.
            || self.shift != [0.; 2]
    }

    /// The elastic distortion, if there is one.
    pub(super) fn field(&self) -> Option<Field> {
        Field::new(self.elastic, self.cells, self.knots())
    }

    /// A number in the whole range of `i16` for each knot of the distortion's grid.
    pub(super) fn knots(&self) -> impl Iterator<Item = i16> {
        let (numbers, _) = self.bytes.as_chunks::<2>();
        let numbers = numbers.iter().skip(2 * SCALARS);
        numbers.map(|&number| i16::from_le_bytes(number))
    }

    /// Fills a buffer of at most an image with noise.
    pub(super) fn fill_with_noise(&mut self, noise: &mut [u8]) {
        self.rng.set_word_pos(self.position + NOISE);
        self.rng.fill_bytes(noise);
    }
}

/// A magnitude in its range; NaN becomes 0.
pub(super) fn limited(magnitude: f64, max: f64) -> f64 {
    if magnitude > 0. {
        magnitude.min(max)
    } else {
        0.
    }
}

fn to_unit(uniform: f64) -> f64 {
    (uniform + 1.) / 2.
}
