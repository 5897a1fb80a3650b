//! How fast MNIST becomes a data set, and a data set becomes batches.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use flate2::Compression;
use flate2::write::GzEncoder;
use lenet_data::registry::mnist;
use lenet_data::{
    Augmentation, Dataset, Origin, Reading, Search, Source, batches, embedded, order,
};
use lenet_picture::{IMAGE_PIXELS, Normalization};

const BATCH_SIZE: usize = 128;

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(5))
        .configure_from_args();
    decode(&mut criterion);
    let train = embedded::mnist().unwrap().train;
    batcher(&mut criterion, &train);
    augment(&mut criterion, &train);
    criterion.final_summary();
}

/// Compressed bytes to a checked data set, in decompressed bytes a second. The files in the folder
/// are read (from the operating system's cache) and their SHA-256 is computed; what is embedded
/// needs neither.
fn decode(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    write_gzip(folder.path());
    let search = Search {
        data_dir: Some(folder.path().to_owned()),
        ..Search::default()
    };

    let load = || {
        let source = Source::Known(mnist());
        source.load(&search, Reading::default()).unwrap()
    };
    let loaded = load();
    assert_eq!(loaded.origin, Origin::Path(folder.path().to_owned()));
    let embedded = embedded::mnist().unwrap();
    assert_eq!(
        (embedded.train.len(), embedded.test.len()),
        (60_000, 10_000)
    );
    // `load` has held the one against the registry's SHA-256, so this verifies the other.
    assert!(embedded.train.iter().eq(loaded.splits.train.iter()));
    assert!(embedded.test.iter().eq(loaded.splits.test.iter()));
    drop((loaded, embedded));

    let bytes: usize = mnist().files.iter().map(|file| file.bytes).sum();
    let mut group = criterion.benchmark_group("decode");
    group.sampling_mode(SamplingMode::Flat);
    group.throughput(Throughput::Bytes(bytes as u64));
    group.bench_function("embedded", |bencher| {
        bencher.iter(|| embedded::mnist().unwrap());
    });
    group.bench_function("gzip_files", |bencher| {
        bencher.iter(load);
    });
    group.finish();
}

/// One batch out of the shuffled set: bytes to floats, image and label by the same index.
fn batcher(criterion: &mut Criterion, train: &Dataset) {
    let order = order(42, 1, train.len());
    let normalization = Normalization::default();

    let batch = batches(train, order.iter().copied(), BATCH_SIZE, normalization)
        .next()
        .unwrap()
        .unwrap();
    let chosen = || {
        order[..BATCH_SIZE]
            .iter()
            .map(|&index| train.get(index as usize).unwrap())
    };
    let pixels: Vec<f32> = chosen()
        .flat_map(|(image, _)| image.map(|pixel| f32::from(pixel) / 255.))
        .collect();
    let labels: Vec<u32> = chosen().map(|(_, label)| u32::from(label)).collect();
    assert_eq!(batch.images.dims(), [BATCH_SIZE, 1, 28, 28]);
    assert_eq!(
        batch
            .images
            .flatten_all()
            .unwrap()
            .to_vec1::<f32>()
            .unwrap(),
        pixels
    );
    assert_eq!(batch.labels.to_vec1::<u32>().unwrap(), labels);

    // Without an end, so that every batch is full.
    let endless = order.iter().copied().cycle();
    let mut batches = batches(train, endless, BATCH_SIZE, normalization);
    let mut group = criterion.benchmark_group("batcher");
    group.throughput(Throughput::Elements(BATCH_SIZE as u64));
    group.bench_function(BenchmarkId::new("images", BATCH_SIZE), |bencher| {
        bencher.iter(|| batches.next().unwrap().unwrap());
    });
    group.finish();
}

/// One image after the other on one thread, with the settings of the recipe for the best accuracy
/// and with parts of them.
fn augment(criterion: &mut Criterion, train: &Dataset) {
    let affine = Augmentation {
        rotation: 8.,
        scale: 0.08,
        shear: 0.12,
        shift: 1.5,
        ..Augmentation::NONE
    };
    let elastic = Augmentation {
        elastic: 2.,
        ..Augmentation::NONE
    };
    let both = Augmentation {
        elastic: 2.,
        ..affine.clone()
    };
    let erase = Augmentation {
        erase: 1.,
        ..Augmentation::NONE
    };
    let count = train.len().min(10_000);
    let mut group = criterion.benchmark_group("augment");
    group.throughput(Throughput::Elements(count as u64));
    for (name, settings) in [
        ("affine", affine),
        ("elastic", elastic),
        ("affine_and_elastic", both),
        ("erase", erase),
    ] {
        let mut out = [0; IMAGE_PIXELS];
        let (image, _) = train.get(0).unwrap();
        settings.apply(1., 42, 1, 0, image, &mut out);
        assert_ne!(*image, out);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for (index, (image, _)) in (0..).zip(train.iter().take(count)) {
                    settings.apply(1., 42, 1, index, image, black_box(&mut out));
                }
            });
        });
    }
    group.finish();
}

/// The four files as the mirrors serve them, made from the embedded ones.
fn write_gzip(folder: &Path) {
    for (file, bytes) in std::iter::zip(&mnist().files, embedded::files().unwrap()) {
        let path = folder.join(format!("{}.gz", file.name));
        let mut encoder = GzEncoder::new(File::create(path).unwrap(), Compression::default());
        encoder.write_all(&bytes).unwrap();
        encoder.finish().unwrap();
    }
}
