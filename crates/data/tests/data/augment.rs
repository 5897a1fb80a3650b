//! Augmentation from outside: what it promises of bytes, whoever asks for them and in whatever order.

use lenet_data::Augmentation;
use lenet_picture::IMAGE_PIXELS;
use proptest::prelude::*;

const ALL: Augmentation = Augmentation {
    rotation: 8.,
    scale: 0.08,
    shear: 0.12,
    shift: 1.5,
    elastic: 2.,
    elastic_sigma: 4.,
    mirror: 0.,
    erase: 0.5,
    erase_area: [0.02, 0.2],
};

/// A picture with an edge in every direction.
fn image() -> [u8; IMAGE_PIXELS] {
    std::array::from_fn(|at| {
        let (x, y) = (at % 28, at / 28);
        if (5..22).contains(&x) && (4..25).contains(&y) && x + y > 14 {
            (x * 7 + y * 5) as u8
        } else {
            0
        }
    })
}

fn apply(settings: &Augmentation, strength: f32, epoch: u32, index: u32) -> [u8; IMAGE_PIXELS] {
    let mut out = [99; IMAGE_PIXELS];
    settings.apply(strength, 42, epoch, index, &image(), &mut out);
    out
}

#[test]
fn no_augmentation_gives_the_image() {
    assert!(Augmentation::default().is_none() && Augmentation::NONE.is_none() && !ALL.is_none());
    assert_eq!(apply(&Augmentation::NONE, 1., 1, 7), image());
    for strength in [0., -1., f32::NAN] {
        assert_eq!(apply(&ALL, strength, 1, 7), image());
    }
    assert_eq!(apply(&ALL, 7., 1, 7), apply(&ALL, 1., 1, 7));
    for one in ["rotation", "scale", "shear", "shift", "elastic", "erase"] {
        let settings: Augmentation = toml::from_str(&format!("{one} = 0.5")).unwrap();
        assert!(!settings.is_none(), "{one}");
    }
    for index in 0..100 {
        assert_ne!(apply(&ALL, 1., 1, index), image());
    }
}

/// Other seeds, epochs and indices give other images, and nothing else has a part in it.
#[test]
fn depends_on_seed_epoch_and_index_alone() {
    let mut distinct: Vec<_> = (0..300).map(|index| apply(&ALL, 1., 3, index)).collect();
    std::thread::scope(|scope| {
        let backwards = || {
            (0..300)
                .rev()
                .map(|index| apply(&ALL, 1., 3, index))
                .collect::<Vec<_>>()
        };
        for thread in [scope.spawn(backwards), scope.spawn(backwards)] {
            assert!(thread.join().unwrap().iter().rev().eq(&distinct));
        }
    });
    distinct.extend((0..300).map(|index| apply(&ALL, 1., 4, index)));
    let mut other = [0; IMAGE_PIXELS];
    ALL.apply(1., 43, 3, 0, &image(), &mut other);
    distinct.push(other);
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), 601);
}

/// Runs of this release must be repeatable by the next: the bytes themselves are pinned, by the
/// FNV-1a hash of 64 bits.
#[test]
fn bytes_are_pinned() {
    let hash = |bytes: &[u8]| {
        bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    };
    let mut all = Vec::new();
    for index in [0, 1, 2, 3, 59_999, u32::MAX] {
        all.extend(apply(&ALL, 1., 1, index));
    }
    let coarse = Augmentation {
        elastic_sigma: 8.,
        erase: 1.,
        ..ALL
    };
    all.extend(apply(&coarse, 0.5, u32::MAX, 4));
    let fine = Augmentation {
        elastic_sigma: 2.,
        rotation: 180.,
        ..ALL
    };
    all.extend(apply(&fine, 1., 2, 5));
    assert_eq!(hash(&all), 0x9825_2fcf_6175_c6d1);
}

#[test]
fn settings_are_read_as_they_were_written_and_checked() {
    let text = toml::to_string(&ALL).unwrap();
    assert_eq!(toml::from_str::<Augmentation>(&text).unwrap(), ALL);
    let error = toml::from_str::<Augmentation>("rotate = 8").unwrap_err();
    assert!(error.to_string().contains("unknown field `rotate`"));
    ALL.check().unwrap();
    for (setting, value, range) in [
        ("rotation = 181", "rotation 181", "0 and 180"),
        ("scale = -0.1", "scale -0.1", "0 and 0.5"),
        ("shear = nan", "shear NaN", "0 and 0.5"),
        ("shift = inf", "shift inf", "0 and 14"),
        ("elastic = 15", "elastic 15", "0 and 10"),
        ("elastic_sigma = 1", "elastic_sigma 1", "2 and 20"),
        ("erase = 1.1", "erase 1.1", "0 and 1"),
        ("erase_area = [0.3, 0.2]", "erase_area 0.2", "0.3 and 1"),
    ] {
        let settings: Augmentation = toml::from_str(setting).unwrap();
        let message = format!("{value}: must be between {range}");
        assert_eq!(settings.check().unwrap_err().to_string(), message);
    }
}

/// Noise covers a rectangle of the area that the settings allow, and nothing else changes.
#[test]
fn erasing_covers_a_part() {
    let settings = Augmentation {
        erase: 1.,
        erase_area: [0.1, 0.2],
        ..Augmentation::NONE
    };
    for index in 0..2_000 {
        let (before, after) = (image(), apply(&settings, 1., 1, index));
        let changed: Vec<usize> = (0..IMAGE_PIXELS)
            .filter(|&at| before[at] != after[at])
            .collect();
        let column = |at: &&usize| **at % 28;
        let left = changed.iter().min_by_key(column).unwrap() % 28;
        let right = changed.iter().max_by_key(column).unwrap() % 28;
        let (top, bottom) = (changed[0] / 28, changed[changed.len() - 1] / 28);
        let area = (right + 1 - left) * (bottom + 1 - top);
        // Half a row or column, of 23 pixels at most, to either side; noise may match at an edge.
        assert!((56..=168).contains(&area), "{area}");
        let count = changed.len();
        assert!(count * 20 > area * 19, "{count} of {area}");
    }
}

fn settings() -> impl Strategy<Value = Augmentation> {
    let magnitude = || prop_oneof![4 => 0. ..20., 1 => any::<f64>(), 2 => Just(0.)];
    let numbers = proptest::array::uniform9(magnitude());
    numbers.prop_map(|n| Augmentation {
        rotation: 10. * n[0],
        scale: n[1] / 30.,
        shear: n[2] / 30.,
        shift: n[3],
        elastic: n[4],
        elastic_sigma: n[5],
        mirror: n[1] / 15.,
        erase: n[6] / 15.,
        erase_area: [n[7] / 15., n[8] / 15.],
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever the settings are, also such as `check` refuses, there is an image; without erasing
    /// it has no value that is larger than the largest of the original, and an empty one stays so.
    #[test]
    fn never_panics_and_makes_no_light(
        settings in settings(),
        seed in any::<u64>(),
        epoch in any::<u32>(),
        index in any::<u32>(),
        strength in prop_oneof![0_f32..1., any::<f32>()],
        largest in 0_u8..=255,
        bytes in proptest::collection::vec(any::<u8>(), IMAGE_PIXELS),
    ) {
        let mut image = [0; IMAGE_PIXELS];
        for (pixel, byte) in std::iter::zip(&mut image, bytes) {
            *pixel = byte.min(largest);
        }
        let mut out = [99; IMAGE_PIXELS];
        settings.apply(strength, seed, epoch, index, &image, &mut out);
        let settings = Augmentation { erase: 0., ..settings };
        settings.apply(strength, seed, epoch, index, &image, &mut out);
        prop_assert!(out.iter().all(|pixel| *pixel <= largest));
        settings.apply(strength, seed, epoch, index, &[0; IMAGE_PIXELS], &mut out);
        prop_assert_eq!(out, [0; IMAGE_PIXELS]);
    }
}
