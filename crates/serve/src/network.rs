//! The thread that classifies: it takes whatever waits, and nothing waits while it is idle.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use lenet_engine::Pixels;
use lenet_engine::engine::{Engine, Images, Precision, Purpose};
use lenet_engine::pool::Pool;
use lenet_engine::single::Single;
use lenet_model::{Metadata, Weights, softmax};
use lenet_picture::{IMAGE_PIXELS, Normalization};
use serde::Serialize;
use tokio::sync::oneshot;

use crate::limits::{BATCH, WAITING};
use crate::metrics::Metrics;
use crate::{Error, Result};

/// From so many images on the engine, which takes 16 at once, is faster than one after the other:
/// 67 us for a block of 16 against 5.7 us for one, on AVX-512.
const ENGINE_FROM: usize = 12;

/// An image as it came.
#[derive(Debug)]
pub enum Image {
    /// As the preprocessing made it of a picture.
    Bytes(Box<[u8; IMAGE_PIXELS]>),
    /// Pixels of 0 to 255, that need not be whole; scaled where they are classified.
    Floats(Box<[f32; IMAGE_PIXELS]>),
}

/// What the API tells of a model.
#[derive(Debug, Serialize)]
pub struct About {
    /// All numbers that were trained.
    parameters: usize,
    #[serde(flatten)]
    metadata: Metadata,
}

impl About {
    /// The classes with their probabilities, by name.
    pub fn by_name<'a>(&'a self, probabilities: &[f32]) -> BTreeMap<&'a str, f32> {
        let names = self.metadata.class_names.iter().map(String::as_str);
        std::iter::zip(names, probabilities.iter().copied()).collect()
    }

    /// The likeliest class, of equal ones the first, and its probability.
    pub fn likeliest<'a>(&'a self, probabilities: &[f32]) -> Option<(&'a str, f32)> {
        let named = std::iter::zip(&self.metadata.class_names, probabilities.iter().copied());
        let likeliest = named.reduce(|best, next| match next.1 > best.1 {
            true => next,
            false => best,
        });
        likeliest.map(|(name, probability)| (name.as_str(), probability))
    }
}

/// What the network says of an image.
#[derive(Debug)]
pub struct Answer {
    /// Of each class.
    pub probabilities: Vec<f32>,
    /// The model that was asked.
    pub about: Arc<About>,
}

/// A model, ready to classify.
#[derive(Debug)]
pub struct Network {
    about: Arc<About>,
    normalization: Normalization,
    table: [f32; 256],
    single: Single,
    engine: Engine,
}

impl Network {
    /// Takes the parameters as they are now.
    ///
    /// # Errors
    /// Parameters that are not f32.
    pub fn new(weights: &Weights) -> Result<Self> {
        let normalization = weights.metadata.input;
        // The other cores have the connections and the pictures to care for.
        let pool = Arc::new(Pool::new(1));
        let engine = weights
            .model
            .to_engine(Purpose::Inference, BATCH, Precision::F32, pool)?;
        Ok(Self {
            about: Arc::new(About {
                parameters: weights.model.parameters().count(),
                metadata: weights.metadata.clone(),
            }),
            normalization,
            table: normalization.table(),
            single: weights.model.to_single()?,
            engine,
        })
    }

    pub fn about(&self) -> &Arc<About> {
        &self.about
    }

    /// The probabilities of each image's classes.
    fn classify(&mut self, images: &mut [Image]) -> Result<Vec<Vec<f32>>, lenet_engine::Error> {
        let Normalization { mean, std } = self.normalization;
        for image in images.iter_mut() {
            if let Image::Floats(pixels) = image {
                // The arithmetic of the table, so that whole numbers give its bits.
                for pixel in pixels.iter_mut() {
                    *pixel = (*pixel / 255. - mean) / std;
                }
            }
        }
        let batch = Batch {
            images,
            table: &self.table,
        };
        if images.len() < ENGINE_FROM {
            let single = &mut self.single;
            let each = batch.images.iter().map(|image| batch.of(image));
            return Ok(each.map(|pixels| softmax(single.logits(pixels))).collect());
        }
        self.engine.forward(&batch, images.len())?;
        let rows = self.engine.logits();
        Ok(rows.map(|row| softmax(&row.collect::<Vec<_>>())).collect())
    }
}

/// Images whose floats are the network's input already.
struct Batch<'a> {
    images: &'a [Image],
    table: &'a [f32; 256],
}

impl<'a> Batch<'a> {
    fn of(&self, image: &'a Image) -> Pixels<'a> {
        match image {
            Image::Bytes(bytes) => Pixels::Bytes(&**bytes, self.table),
            Image::Floats(floats) => Pixels::Floats(&**floats),
        }
    }
}

impl Images for Batch<'_> {
    fn pixels<'a>(&'a self, image: usize, _room: &'a mut [u8]) -> Pixels<'a> {
        self.of(&self.images[image])
    }
}

/// What the thread is told.
enum Order {
    Classify(Image, oneshot::Sender<Answer>),
    /// From now on this network answers.
    Replace(Box<Network>),
}

/// Hands images to the thread that classifies. The thread ends with the last of these.
#[derive(Debug, Clone)]
pub struct Classifier {
    orders: SyncSender<Order>,
}

/// Why an image is not classified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unanswered {
    /// Too many wait already.
    Full,
    /// The network has failed.
    Failed,
}

impl Classifier {
    /// Starts the thread.
    ///
    /// # Errors
    /// [`Error::Thread`].
    pub fn start(network: Network, metrics: Arc<Metrics>) -> Result<Self> {
        let (orders, received) = sync_channel(WAITING);
        let thread = std::thread::Builder::new().name("lenet-classify".to_owned());
        thread
            .spawn(move || work(network, &received, &metrics))
            .map_err(Error::Thread)?;
        Ok(Self { orders })
    }

    /// Classifies an image.
    pub async fn classify(&self, image: Image) -> Result<Answer, Unanswered> {
        let (answer, answered) = oneshot::channel();
        let order = Order::Classify(image, answer);
        self.orders.try_send(order).map_err(|error| match error {
            TrySendError::Full(_) => Unanswered::Full,
            TrySendError::Disconnected(_) => Unanswered::Failed,
        })?;
        answered.await.map_err(|_| Unanswered::Failed)
    }

    /// Lets another network answer what comes from now on.
    ///
    /// # Errors
    /// [`Error::Ended`].
    pub fn replace(&self, network: Network) -> Result<()> {
        let order = Order::Replace(Box::new(network));
        self.orders.send(order).map_err(|_| Error::Ended)
    }
}

fn work(mut network: Network, orders: &Receiver<Order>, metrics: &Metrics) {
    let mut images = Vec::with_capacity(BATCH);
    let mut clients = Vec::with_capacity(BATCH);
    while let Ok(first) = orders.recv() {
        let mut replacement = None;
        let mut next = Some(first);
        while let Some(order) = next {
            match order {
                // Whoever has gone away does not wait.
                Order::Classify(_, client) if client.is_closed() => {}
                Order::Classify(image, client) => {
                    images.push(image);
                    clients.push(client);
                }
                Order::Replace(network) => {
                    replacement = Some(network);
                    break;
                }
            }
            if images.len() == BATCH {
                break;
            }
            next = orders.try_recv().ok();
        }
        if !images.is_empty() {
            metrics.batch(images.len());
            // A panic costs these answers and no more: a pass keeps nothing of the one before.
            let answers = catch_unwind(AssertUnwindSafe(|| network.classify(&mut images)));
            match answers {
                Ok(Ok(answers)) => {
                    for (client, probabilities) in clients.drain(..).zip(answers) {
                        let about = Arc::clone(&network.about);
                        // It may have gone away by now.
                        let _ = client.send(Answer {
                            probabilities,
                            about,
                        });
                    }
                }
                Ok(Err(error)) => tracing::error!("a batch could not be classified: {error}"),
                Err(_) => tracing::error!("a batch could not be classified: the network panicked"),
            }
            images.clear();
            clients.clear();
        }
        if let Some(replacement) = replacement {
            network = *replacement;
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use lenet_model::pretrained;

    use super::*;

    /// Images that differ, with strokes, so that probabilities are neither 0 nor 1.
    fn image(seed: usize) -> [u8; IMAGE_PIXELS] {
        let lit = |at: usize| (at / 28 + seed) % 9 < 3 && (at % 28) / 4 % 3 != seed % 3;
        std::array::from_fn(|at| if lit(at) { (150 + seed) as u8 } else { 0 })
    }

    /// Tolerance: sums in another order differ by some 1e-7, another image by 1e-2.
    fn assert_close(what: usize, together: &[f32], alone: &[f32]) {
        assert_eq!(together.len(), alone.len(), "{what}");
        for (together, alone) in std::iter::zip(together, alone) {
            assert!(
                (together - alone).abs() < 2e-6,
                "{what}: {together} {alone}"
            );
        }
    }

    #[test]
    fn a_batch_of_both_kinds_says_what_each_image_says_alone() {
        let weights = pretrained::mnist(&Device::Cpu).unwrap();
        let mut network = Network::new(&weights).unwrap();
        let alone: Vec<Vec<f32>> = (0..BATCH)
            .flat_map(|seed| {
                network
                    .classify(&mut [Image::Bytes(Box::new(image(seed)))])
                    .unwrap()
            })
            .collect();
        assert!(alone.windows(2).all(|pair| pair[0] != pair[1]));
        for count in [1, 2, ENGINE_FROM - 1, ENGINE_FROM, 16, 17, BATCH] {
            let mut batch: Vec<Image> = (0..count)
                .map(|seed| match seed % 3 {
                    0 => Image::Floats(Box::new(image(seed).map(f32::from))),
                    _ => Image::Bytes(Box::new(image(seed))),
                })
                .collect();
            let together = network.classify(&mut batch).unwrap();
            assert_eq!(together.len(), count);
            for (together, alone) in std::iter::zip(&together, &alone) {
                assert_close(count, together, alone);
            }
        }
    }

    /// Three batches wait, some of whose clients have gone away, and the model is replaced among them.
    #[test]
    fn each_client_gets_the_answer_to_its_own_image() {
        const REPLACED: usize = BATCH + 9;
        let weights = pretrained::mnist(&Device::Cpu).unwrap();
        let network = || Network::new(&weights).unwrap();
        let (orders, received) = sync_channel(3 * BATCH + 1);
        let mut clients = Vec::new();
        for seed in 0..3 * BATCH {
            if seed == REPLACED {
                orders.send(Order::Replace(Box::new(network()))).unwrap();
            }
            let (answer, client) = oneshot::channel();
            let image = Image::Bytes(Box::new(image(seed)));
            orders.send(Order::Classify(image, answer)).unwrap();
            // Who has gone away drops his end.
            clients.push((seed % 5 != 2).then_some(client));
        }
        drop(orders);
        let first = network();
        let about = Arc::clone(first.about());
        work(first, &received, &Metrics::default());
        let mut single = network();
        for (seed, client) in clients.into_iter().enumerate() {
            let Some(mut client) = client else { continue };
            let answer = client.try_recv().unwrap();
            let alone = single.classify(&mut [Image::Bytes(Box::new(image(seed)))]);
            assert_close(seed, &answer.probabilities, &alone.unwrap()[0]);
            let is_first = Arc::ptr_eq(&answer.about, &about);
            assert_eq!(is_first, seed < REPLACED, "{seed}");
        }
    }

    #[test]
    fn the_likeliest_of_equal_classes_is_the_first() {
        let weights = pretrained::mnist(&Device::Cpu).unwrap();
        let network = Network::new(&weights).unwrap();
        let about = network.about();
        let mut probabilities = [0.; 10];
        (probabilities[3], probabilities[7]) = (0.5, 0.5);
        assert_eq!(about.likeliest(&probabilities), Some(("3", 0.5)));
        assert_eq!(about.by_name(&probabilities)["7"], 0.5);
        let json = serde_json::to_value(&**about).unwrap();
        assert_eq!(json["parameters"], 61_706);
        assert_eq!(json["class_names"][9], "9");
    }
}
