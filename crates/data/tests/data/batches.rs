//! From a set to batches: splits, orders, and images that keep their labels.

use std::collections::BTreeSet;

use lenet_data::{Batch, Dataset, batches, order};
use lenet_picture::Normalization;
use proptest::prelude::*;

/// A set whose images tell their number and their label: pixel 0 and 1 are the number, the last is
/// the label.
fn marked(count: usize) -> Dataset {
    let label = |image: usize| (image * 7 % 10) as u8;
    let pixels = (0..count).flat_map(|image| {
        let mut pixels = [0; 784];
        pixels[0] = (image / 256) as u8;
        pixels[1] = (image % 256) as u8;
        pixels[783] = label(image);
        pixels
    });
    let classes = (0..10).map(|class| class.to_string());
    Dataset::new(pixels.collect(), (0..count).map(label).collect(), classes).unwrap()
}

/// The numbers of a set's images.
fn numbers(set: &Dataset) -> Vec<usize> {
    set.iter()
        .map(|(image, label)| {
            assert_eq!(image[783], label);
            usize::from(image[0]) * 256 + usize::from(image[1])
        })
        .collect()
}

/// The numbers of a batch's images; fails where one has lost its label.
fn batch_numbers(batch: &Batch) -> Vec<usize> {
    let count = batch.len();
    assert_eq!(batch.images.dims(), [count, 1, 28, 28]);
    let images = batch
        .images
        .flatten_from(1)
        .unwrap()
        .to_vec2::<f32>()
        .unwrap();
    let labels = batch.labels.to_vec1::<u32>().unwrap();
    std::iter::zip(images, labels)
        .map(|(image, label)| {
            let byte = |index: usize| (image[index] * 255.).round() as usize;
            assert_eq!(byte(783), label as usize);
            byte(0) * 256 + byte(1)
        })
        .collect()
}

#[test]
fn split_is_a_partition_that_depends_on_the_seed() {
    let set = marked(1_000);
    let (train, held_out) = set.split(100, 42);
    assert_eq!((train.len(), held_out.len()), (900, 100));
    let all: BTreeSet<usize> = [numbers(&train), numbers(&held_out)]
        .concat()
        .into_iter()
        .collect();
    assert_eq!(all.len(), 1_000);
    assert!(numbers(&train).is_sorted() && numbers(&held_out).is_sorted());

    assert_eq!(numbers(&set.split(100, 42).1), numbers(&held_out));
    assert_ne!(numbers(&set.split(100, 43).1), numbers(&held_out));
    // A larger split with the same seed contains the smaller one.
    let larger: BTreeSet<usize> = numbers(&set.split(200, 42).1).into_iter().collect();
    assert!(
        numbers(&held_out)
            .iter()
            .all(|number| larger.contains(number))
    );
}

#[test]
fn split_of_all_or_nothing() {
    let set = marked(3);
    assert_eq!(set.split(0, 1).0.len(), 3);
    assert!(set.split(0, 1).1.is_empty());
    // One image at least is trained on.
    assert_eq!(set.split(3, 1).0.len(), 1);
    assert_eq!(set.split(99, 1).1.len(), 2);
}

#[test]
fn parts_of_parts() {
    let (train, _) = marked(100).split(50, 1);
    let first = numbers(&train)[..10].to_vec();
    assert_eq!(numbers(&train.take(10)), first);
    assert_eq!(train.take(1_000).len(), 50);
    assert_eq!(train.get(50), None);
}

/// Whichever way a batch takes from bytes to floats, it has the numbers of the table, bit by bit.
#[test]
fn batches_have_the_numbers_of_the_table() {
    let pixels = (0..784).map(|pixel| (pixel % 256) as u8).collect();
    let set = Dataset::new(pixels, vec![0], ["a"]).unwrap();
    for normalization in [Normalization::default(), Normalization::MNIST] {
        let table = normalization.table();
        let mut batches = batches(&set, 0..1, 1, normalization);
        let images = batches.next().unwrap().unwrap().images;
        let images = images.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for (pixel, value) in images.iter().enumerate() {
            assert_eq!(value.to_bits(), table[pixel % 256].to_bits(), "{pixel}");
        }
    }
}

proptest! {
    /// Every epoch shows every image once, with its own label, in the order asked for.
    #[test]
    fn an_epoch_is_the_set(
        count in 1_usize..300,
        batch_size in 1_usize..70,
        held_out in 0_usize..50,
        seed in 0_u64..1_000,
        epoch in 0_u32..50,
    ) {
        let (set, _) = marked(count).split(held_out, seed);
        let order = order(seed, epoch, set.len());
        let wanted: Vec<usize> = order.iter().map(|&i| numbers(&set)[i as usize]).collect();
        let mut seen = Vec::new();
        let mut sizes = Vec::new();
        for batch in batches(&set, order, batch_size, Normalization::default()) {
            let batch = batch.unwrap();
            sizes.push(batch.len());
            seen.extend(batch_numbers(&batch));
        }
        prop_assert_eq!(seen, wanted);
        let last = sizes.pop().unwrap();
        prop_assert!(sizes.iter().all(|&size| size == batch_size) && last <= batch_size);
    }
}
