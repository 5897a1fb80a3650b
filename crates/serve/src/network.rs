//! The thread that classifies: it takes whatever waits, and nothing waits while it is idle.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::body::Bytes;
use lenet_engine::Pixels;
use lenet_engine::engine::{Engine, Images, Precision, Purpose};
use lenet_engine::pool::Pool;
use lenet_engine::single::Single;
use lenet_model::{Familiarity, Seen, Weights, roughness_of_floats, softmax};
use lenet_picture::{IMAGE_PIXELS, Normalization, Preparation};
use serde::Serialize;
use tokio::sync::oneshot;

use crate::limits::BATCH;
use crate::metrics::Metrics;
use crate::page;

/// From this many images on the engine, which takes 16 at once, is faster than one after the other:
/// 67 us for a block of 16 against 5.7 us for one, on AVX-512.
const ENGINE_FROM: usize = 12;

/// Pixels from 0 to 255, which need not be whole.
pub type Image = Box<[f32; IMAGE_PIXELS]>;

/// What the API says of a model.
#[derive(Debug, Serialize)]
pub struct About {
    #[serde(flatten)]
    model: lenet_model::About,
    /// The weights file, with its entity tag.
    #[serde(skip)]
    pub file: (Bytes, String),
}

impl About {
    /// How pictures become the model's images.
    pub fn preparation(&self) -> Preparation {
        self.model.metadata.preparation.unwrap_or_default()
    }

    /// The classes' names with these values.
    pub fn by_name<'a>(&'a self, values: &[f32]) -> impl Iterator<Item = (&'a str, f32)> {
        let names = self.model.metadata.class_names.iter().map(String::as_str);
        std::iter::zip(names, values.iter().copied())
    }

    /// Whether each class is a single character, so that a picture of two is of none.
    pub fn has_single_characters(&self) -> bool {
        self.model.metadata.has_single_characters()
    }

    /// The class with the largest value, the first of equal ones, and that value.
    pub fn likeliest<'a>(&'a self, values: &[f32]) -> Option<(&'a str, f32)> {
        let named = self.by_name(values);
        named.reduce(|best, next| if next.1 > best.1 { next } else { best })
    }
}

/// The probability of each class, and the model that says so.
#[derive(Debug)]
pub struct Answer {
    pub values: Vec<f32>,
    /// Whether the image resembles those of the training, if the model knows.
    pub familiar: Option<bool>,
    pub about: Arc<About>,
}

/// The probability of each class, and [`Answer::familiar`].
type Verdict = (Vec<f32>, Option<bool>);

/// A model, ready to classify.
#[derive(Debug)]
pub struct Network {
    about: Arc<About>,
    normalization: Normalization,
    familiarity: Option<Familiarity>,
    single: Single,
    engine: Engine,
}

impl Network {
    /// Takes the parameters as they are now.
    ///
    /// # Errors
    /// Parameters that are not f32.
    pub fn new(weights: &Weights) -> lenet_files::Result<Self> {
        let file = weights.to_bytes()?;
        let tag = page::tag([file.as_slice()]);
        // The other cores have the connections and the pictures to care for.
        let pool = Arc::new(Pool::new(1));
        let model = &weights.model;
        Ok(Self {
            about: Arc::new(About {
                model: weights.about(),
                file: (file.into(), tag),
            }),
            normalization: weights.metadata.input,
            familiarity: weights.metadata.familiarity.clone(),
            single: model.to_single()?,
            engine: model.to_engine(Purpose::Inference, BATCH, Precision::F32, pool)?,
        })
    }

    /// The probabilities of each image's classes, and whether it is familiar.
    fn classify(&mut self, images: &mut [Image]) -> Result<Vec<Verdict>, lenet_engine::Error> {
        let familiarity = self.familiarity.as_ref();
        let rough = |image: &Image| familiarity.map_or(0., |_| roughness_of_floats(&image[..]));
        let rough: Vec<f32> = images.iter().map(rough).collect();
        let verdict = |logits: &[f32], features: &[f32], roughness: f32| {
            let seen = Seen {
                features,
                logits,
                roughness,
            };
            let familiar = familiarity.map(|familiarity| familiarity.is_familiar(seen));
            (softmax(logits), familiar)
        };
        let Normalization { mean, std } = self.normalization;
        for pixel in images.iter_mut().flat_map(|image| image.iter_mut()) {
            // The arithmetic of `Normalization::table`, so that whole numbers give its bits.
            *pixel = (*pixel / 255. - mean) / std;
        }
        if images.len() < ENGINE_FROM {
            let single = &mut self.single;
            let verdicts = std::iter::zip(images, rough).map(|(image, rough)| {
                let logits = single.logits(Pixels::Floats(&**image)).to_vec();
                verdict(&logits, &single.features(), rough)
            });
            return Ok(verdicts.collect());
        }
        let features = self.engine.features(&Batch(images), images.len())?;
        let features: Vec<Vec<f32>> = features.map(<[f32]>::to_vec).collect();
        let rows = self.engine.logits().zip(&features).zip(rough);
        let verdicts = rows.map(|((logits, features), rough)| {
            verdict(&logits.collect::<Vec<_>>(), features, rough)
        });
        Ok(verdicts.collect())
    }
}

/// Images that are the network's input already.
struct Batch<'a>(&'a [Image]);

impl Images for Batch<'_> {
    fn pixels<'a>(&'a self, image: usize, _buffer: &'a mut [u8]) -> Pixels<'a> {
        Pixels::Floats(&*self.0[image])
    }
}

/// An image, and the client that waits for the answer.
type Job = (Image, oneshot::Sender<Answer>);

/// The model that answers from the next batch on.
#[derive(Debug)]
struct Current {
    about: Arc<About>,
    /// Until the thread takes it.
    network: Option<Network>,
}

/// Hands images to the thread that classifies. The thread ends when this is dropped.
#[derive(Debug)]
pub struct Classifier {
    jobs: Sender<Job>,
    current: Arc<Mutex<Current>>,
}

impl Classifier {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system has no thread to spare.
    pub fn start(network: Network, metrics: Arc<Metrics>) -> io::Result<Self> {
        // Those who send hold a place of `limits::WAITING`, which bounds the channel.
        let (jobs, received) = channel();
        let current = Arc::new(Mutex::new(Current {
            about: Arc::clone(&network.about),
            network: None,
        }));
        let next = Arc::clone(&current);
        std::thread::Builder::new()
            .name("lenet-classify".to_owned())
            .spawn(move || work(network, &received, &next, &metrics))?;
        Ok(Self { jobs, current })
    }

    /// Hands over an image; its answer comes later, or an error if the network fails.
    pub fn classify(&self, image: Image) -> oneshot::Receiver<Answer> {
        let (client, answer) = oneshot::channel();
        // Without a thread the answer is an error, for its sender is dropped.
        let _ = self.jobs.send((image, client));
        answer
    }

    /// Replaces the model from the next batch on.
    pub fn replace(&self, network: Network) {
        *lock(&self.current) = Current {
            about: Arc::clone(&network.about),
            network: Some(network),
        };
    }

    pub fn about(&self) -> Arc<About> {
        Arc::clone(&lock(&self.current).about)
    }
}

fn lock(current: &Mutex<Current>) -> MutexGuard<'_, Current> {
    current.lock().unwrap_or_else(PoisonError::into_inner)
}

fn work(mut network: Network, jobs: &Receiver<Job>, current: &Mutex<Current>, metrics: &Metrics) {
    while let Ok(first) = jobs.recv() {
        if let Some(next) = lock(current).network.take() {
            network = next;
        }
        // Clients that have disconnected are skipped.
        let waiting = std::iter::once(first).chain(jobs.try_iter());
        let waiting = waiting.filter(|(_, client)| !client.is_closed());
        let (mut images, clients): (Vec<Image>, Vec<_>) = waiting.take(BATCH).unzip();
        if images.is_empty() {
            continue;
        }
        metrics.batch(images.len());
        // A panic costs these answers and no more: a pass keeps nothing of the one before.
        let answers = catch_unwind(AssertUnwindSafe(|| network.classify(&mut images)));
        match answers {
            Ok(Ok(answers)) => {
                for (client, (values, familiar)) in clients.into_iter().zip(answers) {
                    let about = Arc::clone(&network.about);
                    // The client may have disconnected by now.
                    let _ = client.send(Answer {
                        values,
                        familiar,
                        about,
                    });
                }
            }
            Ok(Err(error)) => tracing::error!("a batch could not be classified: {error}"),
            Err(_) => tracing::error!("a batch could not be classified: the network panicked"),
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use lenet_model::pretrained;

    use super::*;

    /// Images that differ, with strokes, so that probabilities are neither 0 nor 1.
    fn image(seed: usize) -> Image {
        let lit = |at: usize| (at / 28 + seed) % 9 < 3 && (at % 28) / 4 % 3 != seed % 3;
        let pixel = |at| if lit(at) { (150 + seed) as f32 } else { 0. };
        Box::new(std::array::from_fn(pixel))
    }

    /// One that knows some of the images.
    fn network() -> Network {
        let mut weights = pretrained::mnist(&Device::Cpu).unwrap();
        let table = weights.metadata.input.table();
        let mut single = weights.model.to_single().unwrap();
        let seen = (100..1_100).map(|seed| {
            let image = image(seed);
            let bytes = image.map(|pixel| pixel as u8);
            let logits = single.logits(Pixels::Bytes(&bytes, &table)).to_vec();
            (logits, single.features(), roughness_of_floats(&image[..]))
        });
        let seen: Vec<_> = seen.collect();
        let seen: Vec<_> = seen
            .iter()
            .map(|(logits, features, roughness)| {
                let (features, roughness) = (features.as_slice(), *roughness);
                let logits = logits.as_slice();
                let seen = Seen {
                    features,
                    logits,
                    roughness,
                };
                (seen, 3)
            })
            .collect();
        weights.metadata.familiarity = Familiarity::fit(10, &seen, &seen);
        Network::new(&weights).unwrap()
    }

    /// Tolerance: sums in another order differ by some 1e-7, another image by 1e-2.
    fn assert_close(what: usize, together: &[f32], alone: &[f32]) {
        assert_eq!(together.len(), alone.len(), "{what}");
        for (together, alone) in std::iter::zip(together, alone) {
            let difference = (together - alone).abs();
            assert!(difference < 2e-6, "{what}: {together} {alone}");
        }
    }

    #[test]
    fn a_batch_says_what_each_image_says_alone() {
        let mut network = network();
        let alone: Vec<Verdict> = (0..BATCH)
            .flat_map(|seed| network.classify(&mut [image(seed)]).unwrap())
            .collect();
        assert!(alone.windows(2).all(|pair| pair[0].0 != pair[1].0));
        let familiar = alone.iter().filter(|(_, familiar)| *familiar == Some(true));
        assert!((1..BATCH).contains(&familiar.count()));
        for count in [1, 2, ENGINE_FROM - 1, ENGINE_FROM, 16, 17, BATCH] {
            let mut batch: Vec<Image> = (0..count).map(image).collect();
            let together = network.classify(&mut batch).unwrap();
            assert_eq!(together.len(), count);
            for (together, alone) in std::iter::zip(&together, &alone) {
                assert_close(count, &together.0, &alone.0);
                assert_eq!(together.1, alone.1);
            }
        }
    }

    /// Three batches wait, some of whose clients have disconnected.
    #[test]
    fn each_client_gets_the_answer_to_its_own_image() {
        let (jobs, received) = channel();
        let mut clients = Vec::new();
        for seed in 0..3 * BATCH {
            let (client, answer) = oneshot::channel();
            jobs.send((image(seed), client)).unwrap();
            clients.push((seed % 5 != 2).then_some(answer));
        }
        drop(jobs);
        let (first, second) = (network(), network());
        let about = Arc::clone(&second.about);
        let current = Mutex::new(Current {
            about: Arc::clone(&about),
            network: Some(second),
        });
        work(first, &received, &current, &Metrics::default());
        let mut single = network();
        for (seed, client) in clients.into_iter().enumerate() {
            let Some(mut client) = client else { continue };
            let answer = client.try_recv().unwrap();
            let alone = single.classify(&mut [image(seed)]).unwrap();
            assert_close(seed, &answer.values, &alone[0].0);
            assert_eq!(answer.familiar, alone[0].1);
            assert!(Arc::ptr_eq(&answer.about, &about), "{seed}");
        }
    }
}
