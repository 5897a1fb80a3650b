//! Convolution, activation and pooling against the three references one behind the other.

use lenet_engine::ConvLayer;
use lenet_engine::ops::{self, ConvOptions};
use lenet_engine::reference::activation::Activation::{self, Identity, Relu, Tanh};
use proptest::prelude::*;

use crate::common::layers::{conv_backward, conv_forward};
use crate::common::{EQUAL, Values, assert_close};
use crate::{floats, scalar, scale, slopes, tensor, var};

/// Conv1 of LeNet-5.
const CONV1: ConvLayer = ConvLayer {
    in_channels: 1,
    height: 28,
    width: 28,
    out_channels: 6,
    kernel: 5,
    padding: 2,
    activation: Relu,
    pool: true,
};

/// Conv2 of LeNet-5, where conv1 has padding.
const CONV2: ConvLayer = ConvLayer {
    in_channels: 6,
    height: 14,
    width: 14,
    out_channels: 16,
    padding: 0,
    ..CONV1
};

const CHOICES: [(Activation, bool); 6] = [
    (Relu, true),
    (Relu, false),
    (Tanh, true),
    (Tanh, false),
    (Identity, true),
    (Identity, false),
];

#[test]
fn conv2d_of_lenet_5() {
    for activation in [Relu, Tanh] {
        let [conv1, conv2] = [CONV1, CONV2].map(|layer| ConvLayer {
            activation,
            ..layer
        });
        check(&conv1, 33, 1);
        check(&conv2, 33, 2);
        // Without padding conv1 gives 12 x 12.
        check(
            &ConvLayer {
                padding: 0,
                ..conv1
            },
            5,
            3,
        );
        check(
            &ConvLayer {
                height: 12,
                width: 12,
                ..conv2
            },
            17,
            4,
        );
    }
}

/// Widths that are multiples of a strip of the input's gradient, with two strips and with inner ones;
/// channels that fill tiles of 3, 2 and 1; heights down to the kernel's.
#[test]
fn conv2d_of_widths_in_strips() {
    for (index, width) in [12, 14, 16, 18, 21, 24, 28, 32].into_iter().enumerate() {
        for kernel in [3, 5] {
            for (in_channels, (activation, pool)) in std::iter::zip(1.., CHOICES) {
                let layer = ConvLayer {
                    in_channels,
                    height: kernel + (index + in_channels) % 4 + usize::from(pool),
                    width,
                    out_channels: 1 + (index + in_channels) % 3,
                    kernel,
                    padding: 0,
                    activation,
                    pool,
                };
                check(&layer, 2, width as u64);
            }
        }
    }
}

/// Maps too large for the gradient of the weight to unpool at once, with an odd row behind the last.
#[test]
fn conv2d_of_maps_in_chunks() {
    for size in [19, 20] {
        for (activation, pool) in CHOICES {
            let layer = ConvLayer {
                in_channels: 2,
                height: size,
                width: size + 1,
                out_channels: 7,
                kernel: 3,
                padding: 1,
                activation,
                pool,
            };
            check(&layer, 3, 5);
        }
    }
}

/// Sizes at which a transposition would not show in the shapes, and corners.
#[test]
fn conv2d_of_corner_shapes() {
    let layer = |[c, h, w]: [usize; 3], [k, kernel, padding]: [usize; 3]| ConvLayer {
        in_channels: c,
        height: h,
        width: w,
        out_channels: k,
        kernel,
        padding,
        ..CONV1
    };
    let corners = [
        ("all sizes 1", layer([1, 1, 1], [1, 1, 0])),
        ("C == H == W == K == R", layer([5, 5, 5], [5, 5, 2])),
        ("C == H == W == K", layer([7, 7, 7], [7, 3, 0])),
        (
            "a kernel larger than the image",
            layer([2, 2, 1], [3, 5, 2]),
        ),
        (
            "a kernel as large as the image",
            layer([3, 6, 6], [2, 6, 0]),
        ),
        (
            "padding beyond the kernel's reach",
            layer([2, 3, 4], [3, 3, 4]),
        ),
        ("padding that only pads", layer([2, 2, 3], [4, 1, 3])),
        ("an image that is narrow", layer([1, 9, 1], [2, 1, 0])),
        ("an odd map", layer([2, 7, 9], [6, 3, 0])),
        (
            "a map of one window and a half",
            layer([2, 5, 5], [13, 3, 0]),
        ),
    ];
    for (name, layer) in corners {
        println!("{name}");
        for (activation, pool) in CHOICES {
            let layer = ConvLayer {
                activation,
                pool,
                ..layer
            };
            let [_, rows, columns] = layer.output();
            if rows * columns > 0 {
                check(&layer, 17, 6);
            }
        }
    }
}

/// As in PyTorch: no image in, none out, and gradients of 0.
#[test]
fn conv2d_of_no_image() {
    for (activation, pool) in CHOICES {
        check(
            &ConvLayer {
                activation,
                pool,
                ..CONV2
            },
            0,
            7,
        );
    }
}

proptest! {
    // Failures are reproduced from the printed layer and seed, not from files.
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn conv2d_of_random_shapes((layer, batch) in layers(), seed: u64) {
        check(&layer, batch, seed);
    }
}

/// Any layer whose kernel and window fit, and a batch of which the reference can bear the sight.
fn layers() -> impl Strategy<Value = (ConvLayer, usize)> {
    let image = (1..=9_usize, 1..=15_usize, 1..=15_usize);
    let kernel = prop_oneof![Just(5_usize), Just(3), 1..=7_usize];
    let weight = (1..=9_usize, kernel, 0..=4_usize);
    let choice = prop::sample::select(CHOICES.to_vec());
    let batch = 0..6_usize;
    (image, weight, choice, batch)
        .prop_filter(
            "fits",
            |((_, height, width), (_, kernel, padding), (_, pool), _)| {
                kernel + usize::from(*pool) <= *height.min(width) + 2 * padding
            },
        )
        .prop_map(
            |((c, h, w), (k, kernel, padding), (activation, pool), batch)| {
                let layer = ConvLayer {
                    in_channels: c,
                    height: h,
                    width: w,
                    out_channels: k,
                    kernel,
                    padding,
                    activation,
                    pool,
                };
                let batches = [33, 17, 16, 15, 2, 1];
                let bearable = |batch: &usize| batch * layer.multiply_adds() <= 2_000_000;
                let batch = batches[batch..].iter().copied().find(bearable);
                (layer, batch.unwrap_or(1))
            },
        )
}

fn check(layer: &ConvLayer, batch: usize, seed: u64) {
    let what = format!("{layer:?}, {batch} images, seed {seed}");
    let [k, rows, columns] = layer.output();
    let in_shape = [batch, layer.in_channels, layer.height, layer.width];
    let out_shape = [batch, k, rows, columns];
    let taps = layer.in_channels * layer.kernel * layer.kernel;
    let mut values = Values::new(seed);
    let input = values.eighths(&in_shape);
    let mut weight = values.eighths(&layer.weight());
    let bias = values.eighths(&[k]);
    let d_output = values.eighths(&out_shape);
    if layer.activation == Tanh {
        weight.iter_mut().for_each(|w| *w *= scale(taps));
    }

    let expected = conv_forward(layer, batch, [&input, &weight, &bias]);
    let gradients = conv_backward(layer, batch, &expected, [&input, &weight, &d_output]);

    let x = var(&input, &in_shape);
    let w = var(&weight, &layer.weight());
    let b = var(&bias, &[k]);
    let d = tensor(&d_output, &out_shape);
    let options = ConvOptions {
        padding: layer.padding,
        activation: layer.activation,
        pool: layer.pool,
    };
    let tolerance = |terms| match layer.activation {
        Tanh => slopes(terms),
        Relu | Identity => EQUAL,
    };
    let positions = batch
        * layer.reference(1).output().unwrap()[2..]
            .iter()
            .product::<usize>();
    // Whether the input's gradient is wanted decides over how the weight's is computed.
    for wanted in [true, false] {
        let x = if wanted {
            x.as_tensor().clone()
        } else {
            x.detach()
        };
        let y = ops::conv2d(&x, &w, &b, options).unwrap();
        assert_eq!(y.dims(), out_shape, "{what}");
        assert_close(
            &format!("y, {what}"),
            &floats(&y),
            &expected.output,
            tolerance(1),
        );
        let store = scalar(&y, &d).backward().unwrap();
        let checks = [
            ("d_w", w.as_tensor(), &gradients.d_weight, positions),
            ("d_b", b.as_tensor(), &gradients.d_bias, positions),
            (
                "d_x",
                &x,
                &gradients.d_input,
                k * layer.kernel * layer.kernel,
            ),
        ];
        for (name, of, expected, terms) in &checks[..if wanted { 3 } else { 2 }] {
            let actual = floats(store.get(of).unwrap());
            assert_close(
                &format!("{name}, {what}"),
                &actual,
                expected,
                tolerance(*terms),
            );
        }
        if !wanted {
            assert!(store.get(&x).is_none(), "{what}");
        }
    }
}
