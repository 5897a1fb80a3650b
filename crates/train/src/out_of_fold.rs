//! Each image of a set, judged by a network that has not seen it.

use candle_core::Device;
use lenet_data::{Dataset, order};
use lenet_files::Result;
use lenet_model::LeNet5;
use lenet_run::Mistake;

use crate::recipe::{SMALL, small_epochs};
use crate::{Backend, Draft, Ending, Progress, Training, Watch, fit, inspect};

/// Parts of the set: so many networks, each trained on all parts but one.
const PARTS: usize = 5;

/// The mistakes of five networks on the images that they have not seen, with the images' places in
/// the set; `None` if `watch` stopped a training. The trainings are those of the recipe `small`, or
/// of `fast` for 10,000 images or more.
///
/// # Errors
/// Those of [`fit`] and [`inspect`].
pub fn out_of_fold(
    set: &Dataset,
    backend: &Backend,
    watch: &mut dyn Watch,
) -> Result<Option<Vec<Mistake>>> {
    let mut all = Vec::new();
    let mut parts = vec![0; set.len()];
    for (place, image) in order(0, 0, set.len()).into_iter().enumerate() {
        parts[image as usize] = place % PARTS;
    }
    for part in 0..PARTS {
        let held_out: Vec<bool> = parts.iter().map(|&own| own == part).collect();
        let (train, rest) = set.divide(&held_out);
        if train.is_empty() || rest.is_empty() {
            continue;
        }
        tracing::info!("training {} of {PARTS}: {} images", part + 1, train.len());
        let is_small = train.len() < SMALL;
        let mut config = Draft::recipe(if is_small { "small" } else { "fast" })?.finish()?;
        if is_small {
            config.epochs = small_epochs(train.len(), config.batch_size);
        }
        let architecture = config.architecture(set.classes());
        let model = LeNet5::new(&architecture, config.init, config.seed, &Device::Cpu)?;
        let training = Training {
            model: &model,
            backend,
            config: &config,
            train: &train,
            validation: &train.take(0),
        };
        if fit(&training, &mut Progress::default(), watch)? == Ending::Stopped {
            return Ok(None);
        }
        let mistakes = inspect(&model, backend, &rest, config.normalization())?.mistakes;
        let places: Vec<usize> = (0..set.len()).filter(|&image| held_out[image]).collect();
        all.extend(mistakes.into_iter().map(|found| Mistake {
            index: places[found.index],
            ..found
        }));
    }
    Ok(Some(all))
}
