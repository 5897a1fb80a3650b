//! How the training scales: images a second and memory against threads, batch size and number of
//! images, as a table and as a picture. `cargo xtask bench --scaling`.
//!
//! Each figure is measured by a process of its own, this program called with `--child`, so that one
//! cannot raise the peak of memory of another.
#![forbid(unsafe_code)]

mod plot;

use std::error::Error;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Instant;

use candle_core::Device;
use lenet_data::{Dataset, embedded, order};
use lenet_engine::engine::{Images, Precision, Purpose};
use lenet_engine::pool::{Pool, cores, physical_cores};
use lenet_engine::reference::adam::Settings;
use lenet_engine::{Isa, Pixels};
use lenet_model::{Architecture, Init, LeNet5};
use lenet_picture::Normalization;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Every configuration is measured so often, in turns, and the median taken.
const ROUNDS: usize = 3;
/// Whole epochs of a child take at least so long.
const SECONDS: f64 = 1.0;
/// Images where their number is not what differs: full batches, whatever their size.
const IMAGES: usize = 20_480;

/// What a child is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Setting {
    threads: usize,
    batch: usize,
    images: usize,
}

/// What it has found.
#[derive(Clone, Copy, Debug)]
struct Found {
    images_per_second: f64,
    /// Peak of the resident memory while training, in MB; images and program included.
    training_mb: f64,
    /// The same from the start: decoding the images included.
    peak_mb: f64,
}

/// Settings that differ in one number.
struct Series {
    title: &'static str,
    x: fn(&Setting) -> usize,
    settings: Vec<Setting>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["--child", threads, batch, images] => child(threads, batch, images),
        [] => compare(PathBuf::from("target/scaling")),
        // The last one counts.
        [.., "--output", folder] if words.len().is_multiple_of(2) => compare(folder.into()),
        _ => Err("usage: scaling [--output FOLDER]".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn series() -> Vec<Series> {
    let usual = Setting {
        threads: physical_cores(),
        batch: 128,
        images: IMAGES,
    };
    let threads = (1..=cores() + 1).map(|threads| Setting { threads, ..usual });
    let batches = [1, 16, 64, 128, 256, 512, 1_024].map(|batch| Setting { batch, ..usual });
    let images = [1_000, 2_000, 5_000, 10_000, 30_000, 60_000];
    let images = images.map(|images| Setting { images, ..usual });
    vec![
        Series {
            title: "threads",
            x: |setting| setting.threads,
            settings: threads.collect(),
        },
        Series {
            title: "batch size",
            x: |setting| setting.batch,
            settings: batches.into(),
        },
        Series {
            title: "training images",
            x: |setting| setting.images,
            settings: images.into(),
        },
    ]
}

/// Measures all settings, in rounds, and writes table and pictures.
fn compare(output: PathBuf) -> Result<()> {
    let series = series();
    let mut found: Vec<Vec<Vec<Found>>> = Vec::new();
    for one in &series {
        found.push(vec![Vec::new(); one.settings.len()]);
    }
    for round in 0..ROUNDS {
        eprintln!("round {} of {ROUNDS}", round + 1);
        for (one, found) in std::iter::zip(&series, &mut found) {
            for (setting, found) in std::iter::zip(&one.settings, found) {
                found.push(measure(*setting)?);
            }
        }
    }
    let medians = |all: &Vec<Vec<Found>>| all.iter().map(|rounds| median(rounds)).collect();
    let found: Vec<Vec<Found>> = found.iter().map(medians).collect();

    println!(
        "{} cores, {}, {ROUNDS} rounds; MB resident",
        cores(),
        Isa::current()
    );
    for (one, found) in std::iter::zip(&series, &found) {
        println!(
            "\n| {} | images/s | training MB | peak MB |\n|---:|---:|---:|---:|",
            one.title
        );
        for (setting, found) in std::iter::zip(&one.settings, found) {
            let Found {
                images_per_second,
                training_mb,
                peak_mb,
            } = found;
            let x = (one.x)(setting);
            println!("| {x} | {images_per_second:.0} | {training_mb:.1} | {peak_mb:.1} |");
        }
    }
    let lines = std::iter::zip(&series, &found).map(|(one, found)| plot::Line {
        x_label: one.title,
        x: one
            .settings
            .iter()
            .map(|setting| (one.x)(setting) as f64)
            .collect(),
        speed: found.iter().map(|found| found.images_per_second).collect(),
        memory: found.iter().map(|found| found.training_mb).collect(),
    });
    std::fs::create_dir_all(&output)?;
    plot::write(&lines.collect::<Vec<_>>(), &output)?;
    println!("\npictures: {}", output.join("scaling.{svg,png}").display());
    Ok(())
}

/// Has a child measure a setting.
fn measure(setting: Setting) -> Result<Found> {
    let Setting {
        threads,
        batch,
        images,
    } = setting;
    let arguments = [threads, batch, images].map(|number| number.to_string());
    let mut command = Command::new(std::env::current_exe()?);
    let output = command.arg("--child").args(arguments).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<f64> = text.split_whitespace().flat_map(str::parse).collect();
    match numbers[..] {
        [images_per_second, training_mb, peak_mb] if output.status.success() => Ok(Found {
            images_per_second,
            training_mb,
            peak_mb,
        }),
        _ => {
            let errors = String::from_utf8_lossy(&output.stderr);
            Err(format!("{setting:?}: {}: {errors}", output.status).into())
        }
    }
}

/// The median of each figure.
fn median(rounds: &[Found]) -> Found {
    let middle = |figure: fn(&Found) -> f64| {
        let mut all: Vec<f64> = rounds.iter().map(figure).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    Found {
        images_per_second: middle(|found| found.images_per_second),
        training_mb: middle(|found| found.training_mb),
        peak_mb: middle(|found| found.peak_mb),
    }
}

/// Trains whole epochs and prints images a second of the median epoch, and the peaks of memory.
fn child(threads: &str, batch: &str, images: &str) -> Result<()> {
    let (threads, batch): (usize, usize) = (threads.parse()?, batch.parse()?);
    let train = embedded::mnist()?.train.take(images.parse()?);
    let decoded = peak_mb();
    // Linux then counts the peak anew; elsewhere there is neither this file nor a peak.
    let _ = std::fs::write("/proc/self/clear_refs", "5");

    let model = LeNet5::new(&Architecture::default(), Init::default(), 42, &Device::Cpu)?;
    let pool = Arc::new(Pool::exactly(threads));
    let mut engine = model.to_engine(Purpose::Training, batch, Precision::F32, pool)?;
    let table = Normalization::default().table();
    let mut labels = Vec::new();
    let mut seconds = Vec::new();
    let mut loss = Vec::new();
    while seconds.iter().sum::<f64>() < SECONDS {
        let begun = Instant::now();
        let order = order(42, 1 + seconds.len() as u32, train.len());
        for rows in order.chunks(batch) {
            let images = Rows {
                dataset: &train,
                rows,
                table: &table,
            };
            labels.clear();
            let label = |&row: &u32| train.get(row as usize).map(|(_, label)| u32::from(label));
            labels.extend(rows.iter().flat_map(label));
            loss.push(engine.gradients(&images, &labels, 0.)?.loss);
            engine.adam(&Settings::default());
        }
        seconds.push(begun.elapsed().as_secs_f64());
    }
    // What does not learn is not worth timing.
    let last = &loss[loss.len() - train.len().div_ceil(batch)..];
    let mean = last.iter().sum::<f64>() / last.len() as f64;
    if mean.is_nan() || mean >= loss[0] {
        return Err(format!("the loss went from {} to {mean}", loss[0]).into());
    }
    seconds.sort_by(f64::total_cmp);
    let speed = train.len() as f64 / seconds[seconds.len() / 2];
    let training = peak_mb();
    println!("{speed} {training} {}", training.max(decoded));
    Ok(())
}

/// Images of a set by their place in a batch.
struct Rows<'a> {
    dataset: &'a Dataset,
    rows: &'a [u32],
    table: &'a [f32; 256],
}

impl Images for Rows<'_> {
    fn pixels<'a>(&'a self, image: usize, _: &'a mut [u8]) -> Pixels<'a> {
        match self.dataset.get(self.rows[image] as usize) {
            Some((pixels, _)) => Pixels::Bytes(pixels, self.table),
            None => Pixels::Bytes(&[], self.table),
        }
    }

    fn prefetch(&self, image: usize) {
        self.pixels(image, &mut []).prefetch();
    }
}

/// The peak of this process's resident memory in MB, as Linux tells it; elsewhere no number.
fn peak_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.map_or(f64::NAN, |kib| kib * 1024. / 1e6)
}
