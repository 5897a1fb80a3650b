//! TensorBoard's event files, read back by a reader that shares nothing with the writer.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use common::{network, small};
use lenet_train::{Backend, Config, Event, Observer, Progress, TensorBoard, fit};

/// A field of a message: its number and its value.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Varint(u64),
    Fixed(Vec<u8>),
    Bytes(Vec<u8>),
}

/// An event of a file, as far as the tests look at it.
#[derive(Debug, Default, PartialEq)]
struct Read {
    step: u64,
    version: Option<String>,
    session: Option<u64>,
    scalars: Vec<(String, f32)>,
    images: Vec<(String, [u64; 3], Vec<u8>)>,
}

/// CRC-32C, bit by bit.
fn crc_32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 * (crc & 1));
        }
    }
    !crc
}

#[track_caller]
fn check_crc(bytes: &[u8], masked: &[u8]) {
    let crc = crc_32c(bytes);
    let expected = crc.rotate_right(15).wrapping_add(0xa282_ead8);
    assert_eq!(masked, expected.to_le_bytes());
}

fn records(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        check_crc(&bytes[..8], &bytes[8..12]);
        let message = &bytes[12..12 + length];
        check_crc(message, &bytes[12 + length..16 + length]);
        records.push(message.to_vec());
        bytes = &bytes[16 + length..];
    }
    records
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let length = 1 + bytes.iter().position(|byte| byte & 0x80 == 0).unwrap();
    let (own, rest) = bytes.split_at(length);
    *bytes = rest;
    own.iter()
        .rev()
        .fold(0, |sum, byte| sum << 7 | u64::from(byte & 0x7f))
}

fn fields(mut bytes: &[u8]) -> Vec<(u64, Value)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let mut take = |length: usize| {
            let (own, rest) = bytes.split_at(length);
            bytes = rest;
            own.to_vec()
        };
        let value = match key & 7 {
            1 => Value::Fixed(take(8)),
            5 => Value::Fixed(take(4)),
            0 => Value::Varint(varint(&mut bytes)),
            2 => {
                let length = varint(&mut bytes) as usize;
                let (own, rest) = bytes.split_at(length);
                bytes = rest;
                Value::Bytes(own.to_vec())
            }
            other => panic!("wire type {other}"),
        };
        fields.push((key >> 3, value));
    }
    fields
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

fn event(record: &[u8]) -> Read {
    let mut read = Read::default();
    for field in fields(record) {
        match field {
            (1, Value::Fixed(time)) => {
                let time = f64::from_le_bytes(time.try_into().unwrap());
                // Seconds of this century, not milliseconds.
                assert!((1.7e9..4.1e9).contains(&time), "{time}");
            }
            (2, Value::Varint(step)) => read.step = step,
            (3, Value::Bytes(version)) => read.version = Some(text(version)),
            (5, Value::Bytes(summary)) => {
                for value in fields(&summary) {
                    let (1, Value::Bytes(value)) = value else {
                        panic!("{value:?}");
                    };
                    add_value(&mut read, fields(&value));
                }
            }
            (7, Value::Bytes(session)) => {
                let (1, Value::Varint(status)) = fields(&session)[0] else {
                    panic!("{session:?}");
                };
                read.session = Some(status);
            }
            other => panic!("{other:?}"),
        }
    }
    read
}

fn add_value(read: &mut Read, value: Vec<(u64, Value)>) {
    let [(1, Value::Bytes(tag)), value] = value.as_slice() else {
        panic!("{value:?}");
    };
    let tag = text(tag.clone());
    match value {
        (2, Value::Fixed(number)) => {
            let number = f32::from_le_bytes(number.as_slice().try_into().unwrap());
            read.scalars.push((tag, number));
        }
        (4, Value::Bytes(image)) => {
            let mut sizes = [0; 3];
            for field in fields(image) {
                match field {
                    (at @ 1..=3, Value::Varint(size)) => sizes[at as usize - 1] = size,
                    (4, Value::Bytes(png)) => read.images.push((tag.clone(), sizes, png)),
                    other => panic!("{other:?}"),
                }
            }
        }
        other => panic!("{other:?}"),
    }
}

/// The events of each file of a folder, in the order of their names.
fn files(folder: &Path) -> Vec<Vec<Read>> {
    let entries = fs::read_dir(folder).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path| {
        let records = records(&fs::read(path).unwrap());
        records.iter().map(|record| event(record)).collect()
    };
    paths.iter().map(read).collect()
}

/// The points of a series of one file.
fn series(file: &[Read], tag: &str) -> Vec<(u64, f32)> {
    let points = file.iter().flat_map(|read| {
        let own = read.scalars.iter().filter(|(name, _)| name == tag);
        own.map(|(_, number)| (read.step, *number))
    });
    points.collect()
}

/// Trains, and stops after so many steps; what TensorBoard should be told.
fn train(folder: &Path, progress: &mut Progress, config: &Config, stop: u64) -> Vec<Event> {
    let (train, validation, _) = small();
    let model = network(config);
    let mut board = TensorBoard::create(folder).unwrap();
    let mut events = Vec::new();
    let mut observer = |event: &Event| {
        events.push(event.clone());
        match event {
            Event::Step(step) if step.global_step == stop => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    };
    let mut save = |_: &_, _: &Progress| Ok(());
    let mut observers: [&mut dyn Observer; 2] = [&mut board, &mut observer];
    fit(
        &model,
        &Backend::default(),
        &train,
        &validation,
        config,
        progress,
        &mut save,
        &mut observers,
    )
    .unwrap();
    events
}

#[test]
fn every_figure_of_a_training_and_of_its_resumption() {
    let folder = tempfile::tempdir().unwrap();
    let (_, _, config) = small();
    let mut progress = Progress::default();
    // An epoch has four steps.
    let mut events = train(folder.path(), &mut progress, &config, 6);
    assert_eq!(progress.steps_done, 6);
    events.extend(train(folder.path(), &mut progress, &config, 0));

    let files = files(folder.path());
    assert_eq!(files.len(), 2);
    for (file, first_step) in std::iter::zip(&files, [1, 7]) {
        assert_eq!(file[0].version.as_deref(), Some("brain.Event:2"));
        assert_eq!((file[1].session, file[1].step), (Some(1), first_step));
        let starts = file.iter().filter(|read| read.session.is_some());
        assert_eq!(starts.count(), 1);
    }
    let read: Vec<Read> = files.into_iter().flatten().collect();
    let steps = events.iter().filter_map(|event| match event {
        Event::Step(step) => Some((step.global_step, step.loss as f32)),
        _ => None,
    });
    assert_eq!(series(&read, "loss/train"), steps.collect::<Vec<_>>());
    assert_eq!(series(&read, "loss/train").len(), 12);
    for (tag, figure) in [
        (
            "loss/train_epoch",
            (|epoch| Some(epoch.train.loss)) as fn(&lenet_train::Epoch) -> Option<f64>,
        ),
        ("accuracy/train", |epoch| Some(epoch.train.accuracy)),
        ("loss/validation", |epoch| Some(epoch.validation?.loss)),
        ("accuracy/validation", |epoch| {
            Some(epoch.validation?.accuracy)
        }),
        ("learning_rate", |epoch| Some(epoch.learning_rate)),
        ("images_per_second", |epoch| Some(epoch.images_per_second)),
    ] {
        let expected = events.iter().filter_map(|event| match event {
            Event::Epoch(epoch) => {
                Some((u64::from(epoch.epoch) * 4, figure(epoch).unwrap() as f32))
            }
            _ => None,
        });
        let expected: Vec<_> = expected.collect();
        assert_eq!(expected.len(), 3);
        assert_eq!(series(&read, tag), expected, "{tag}");
    }
}

/// However long a training is, its file has a thousand steps, at the same places when it goes on.
#[test]
fn steps_are_thinned() {
    let started = |steps_done| {
        Event::Started(lenet_train::Started {
            train_images: 55_000,
            validation_images: 0,
            classes: 10,
            parameters: 61_706,
            epochs: 100,
            batch_size: 128,
            steps_per_epoch: 430,
            steps_done,
        })
    };
    let step = |global_step| {
        Event::Step(lenet_train::Step {
            epoch: 1,
            step: 1,
            steps_per_epoch: 430,
            global_step,
            loss: 0.5,
            epoch_loss: 0.5,
            epoch_accuracy: 0.5,
            learning_rate: 0.001,
            images_per_second: 1.,
        })
    };
    let folder = tempfile::tempdir().unwrap();
    for (from, to) in [(0, 20_000), (20_000, 43_000)] {
        let mut board = TensorBoard::create(folder.path()).unwrap();
        let _ = board.notice(&started(from));
        for number in from + 1..=to {
            let _ = board.notice(&step(number));
        }
    }
    let read: Vec<Read> = files(folder.path()).into_iter().flatten().collect();
    let steps = series(&read, "loss/train")
        .into_iter()
        .map(|(step, _)| step);
    let expected: Vec<u64> = std::iter::once(1)
        .chain((43..=43_000).step_by(43))
        .collect();
    assert_eq!(steps.collect::<Vec<_>>(), expected);
}

#[test]
fn pictures() {
    let folder = tempfile::tempdir().unwrap();
    let mut board = TensorBoard::create(folder.path()).unwrap();
    // The header of a PNG file of 28 columns and 14 rows of gray pixels.
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x1c\0\0\0\x0e\x08\0\0\0\0and so on";
    board.add_image(430, "filters/conv1", png);
    board.add_image(430, "filters/conv2", b"GIF89a");
    drop(board);
    let read: Vec<Read> = files(folder.path()).into_iter().flatten().collect();
    assert_eq!(read.len(), 2);
    assert_eq!(read[1].step, 430);
    let expected = ("filters/conv1".to_owned(), [14, 28, 1], png.to_vec());
    assert_eq!(read[1].images, [expected]);
}
