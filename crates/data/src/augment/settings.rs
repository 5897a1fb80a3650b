//! How strongly images are altered.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How strongly images are altered. Each magnitude is the end of a range that is drawn from
/// uniformly for each image and epoch; 0 switches it off, and by default all are off.
///
/// A mirrored image is mirrored first. Then, about the centre of the image, in this order: scale,
/// shear, rotation, shift. Then the elastic distortion, which moves the place that a pixel is fetched
/// from, and last the erasing. What comes from beyond the image's edge is background, 0.
///
/// ```
/// use lenet_data::Augmentation;
/// use lenet_picture::IMAGE_PIXELS;
///
/// let augmentation = Augmentation { rotation: 10., shift: 2., ..Augmentation::NONE };
/// augmentation.check()?;
/// let image = [0; IMAGE_PIXELS];
/// let mut altered = [0; IMAGE_PIXELS];
/// augmentation.apply(1., 42, 1, 7, &image, &mut altered);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augmentation {
    /// Rotation by up to this many degrees, either way. A positive one turns counterclockwise.
    pub rotation: f64,
    /// Each axis is scaled by a factor of its own between 1 - `scale` and 1 + `scale`.
    pub scale: f64,
    /// Each row is moved by up to `shear` pixels for each pixel that it is below the centre. A
    /// positive shear moves the lower rows to the right.
    pub shear: f64,
    /// Shift along each axis by up to this many pixels. A positive one moves right and down.
    pub shift: f64,
    /// Elastic distortion: each place is displaced along each axis by less than this many pixels.
    ///
    /// After Simard, Steinkraus and Platt (2003), "Best Practices for Convolutional Neural Networks
    /// Applied to Visual Document Analysis", whose field is uniform noise of ±1 a pixel, smoothed by
    /// a Gaussian of standard deviation σ and multiplied by α. Here the noise, ±`elastic` pixels, is
    /// at the knots of a coarse grid, and cubic B-splines interpolate it: as smooth if the knots
    /// are σ√3 apart, for then both have the autocovariance of a bell of standard deviation σ√2;
    /// and as strong where α = 1.70 · σ · `elastic`, which is when both have the standard
    /// deviation of 0.277 · `elastic` pixels. Simard's σ = 4 and α = 34 are `elastic` = 5.
    pub elastic: f64,
    /// Simard's σ: how far in pixels one displacement is felt. It is rounded to one of 2.0, 2.3,
    /// 2.7, 3.2, 4.0, 5.4, 8.1 and 16.2, at which a whole number of grid cells spans the image.
    pub elastic_sigma: f64,
    /// Probability that left and right are exchanged. For clothes, not for digits and letters.
    pub mirror: f64,
    /// Probability of random erasing, after Zhong et al. (2017), <https://arxiv.org/abs/1708.04896>:
    /// a rectangle at a random place becomes noise, each pixel uniform in 0..=255. Its longer side
    /// is up to 10/3 of the shorter one, the bound of the paper.
    pub erase: f64,
    /// The least and the largest part of the image that the rectangle covers, up to half a row of
    /// its pixels.
    pub erase_area: [f64; 2],
}

impl Default for Augmentation {
    fn default() -> Self {
        Self::NONE
    }
}

impl Augmentation {
    /// No augmentation. The smoothness is Simard's, the area of erasing that of Zhong et al.; they
    /// have no effect as long as `elastic` and `erase` are 0.
    pub const NONE: Self = Self {
        rotation: 0.,
        scale: 0.,
        shear: 0.,
        shift: 0.,
        elastic: 0.,
        elastic_sigma: 4.,
        mirror: 0.,
        erase: 0.,
        erase_area: [0.02, 0.4],
    };

    /// The largest rotation, degrees.
    pub const MAX_ROTATION: f64 = 180.;
    /// The largest deviation of a scale from 1.
    pub const MAX_SCALE: f64 = 0.5;
    /// The largest shear.
    pub const MAX_SHEAR: f64 = 0.5;
    /// The largest shift, half an image, in pixels.
    pub const MAX_SHIFT: f64 = 14.;
    /// The largest displacement of the elastic distortion, pixels.
    pub const MAX_ELASTIC: f64 = 10.;
    /// The bounds of the smoothness, pixels.
    pub const ELASTIC_SIGMA: [f64; 2] = [2., 20.];

    /// Whether images stay as they are.
    pub fn is_none(&self) -> bool {
        [
            self.rotation,
            self.scale,
            self.shear,
            self.shift,
            self.elastic,
            self.mirror,
            self.erase,
        ]
        .iter()
        .all(|&magnitude| magnitude == 0.)
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    /// [`Kind::Usage`](lenet_files::Kind::Usage) with the first value that is not, and its range.
    pub fn check(&self) -> Result<()> {
        let [least, largest] = self.erase_area;
        for (name, value, low, high) in [
            ("rotation", self.rotation, 0., Self::MAX_ROTATION),
            ("scale", self.scale, 0., Self::MAX_SCALE),
            ("shear", self.shear, 0., Self::MAX_SHEAR),
            ("shift", self.shift, 0., Self::MAX_SHIFT),
            ("elastic", self.elastic, 0., Self::MAX_ELASTIC),
            (
                "elastic_sigma",
                self.elastic_sigma,
                Self::ELASTIC_SIGMA[0],
                Self::ELASTIC_SIGMA[1],
            ),
            ("mirror", self.mirror, 0., 1.),
            ("erase", self.erase, 0., 1.),
            ("erase_area", least, 0., 1.),
            ("erase_area", largest, least, 1.),
        ] {
            if !(low..=high).contains(&value) {
                return Err(Error::usage(format!(
                    "{name} {value}: must be between {low} and {high}"
                )));
            }
        }
        Ok(())
    }
}
