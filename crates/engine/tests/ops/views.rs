//! Views with offsets and strides give the same bits as dense tensors with their numbers.

use candle_core::{DType, Device, Tensor, Var};
use lenet_engine::ops::{self, ConvOptions};
use lenet_engine::reference::activation::Activation::{Relu, Tanh};

use crate::common::Values;
use crate::{floats, scalar, tensor, var};

/// How a tensor becomes another view of its numbers.
type View = fn(&Tensor) -> Tensor;

/// Of (6, 4, 6, 6) and (6, 4, 3, 3): all keep four axes.
const VIEWS: [(&str, View); 6] = [
    ("dense", |x| x.clone()),
    ("offset", |x| x.narrow(0, 2, 4).unwrap()),
    ("narrowed channels", |x| x.narrow(1, 1, 2).unwrap()),
    ("transposed images", |x| x.transpose(2, 3).unwrap()),
    ("channels as images", |x| x.transpose(0, 1).unwrap()),
    ("broadcast", |x| {
        let one = x.narrow(0, 3, 1).unwrap();
        one.broadcast_as((5, 4, x.dims()[2], x.dims()[3])).unwrap()
    }),
];

/// An operation's value and the gradients by its sources, through views and through dense copies.
fn check(what: &str, sources: &[&Var], run: impl Fn(&dyn Fn(Tensor) -> Tensor) -> Tensor) {
    let [viewed, dense] = [false, true].map(|dense| {
        // Times 1 plus 0: new memory, in the order of the axes.
        let y = run(&|view| match dense {
            true => view.affine(1.0, 0.0).unwrap(),
            false => view,
        });
        let store = y.backward().unwrap();
        let gradients = sources.iter().map(|var| floats(store.get(var).unwrap()));
        (floats(&y), gradients.collect::<Vec<_>>())
    });
    assert_eq!(viewed, dense, "{what}");
}

#[test]
fn conv2d_takes_views() {
    let mut values = Values::new(1);
    let x = var(&values.array(&[6, 4, 6, 6]), &[6, 4, 6, 6]);
    let w = var(&values.array(&[6, 4, 3, 3]), &[6, 4, 3, 3]);
    let b = var(&values.array(&[9]), &[9]);
    let d = values.array(&[6 * 6 * 6 * 6]);
    let options = ConvOptions {
        padding: 1,
        activation: Tanh,
        pool: false,
    };
    for (of_x, view_x) in VIEWS {
        for (of_w, view_w) in VIEWS {
            let [inputs, weights] = [view_x(&x), view_w(&w)];
            if inputs.dims()[1] != weights.dims()[1] {
                continue;
            }
            let shape = [inputs.dims()[0], weights.dims()[0], 6, 6];
            let d = tensor(&d[..shape.iter().product()], &shape);
            check(
                &format!("{of_x} input, {of_w} weight"),
                &[&x, &w, &b],
                |own| {
                    let bias = b.narrow(0, 2, shape[1]).unwrap();
                    let y = ops::conv2d(&own(view_x(&x)), &own(view_w(&w)), &own(bias), options);
                    scalar(&y.unwrap(), &d)
                },
            );
        }
    }
}

/// The gradient of a transposed output is a transposed view, that of a sum a number broadcast.
#[test]
fn d_output_may_have_any_strides() {
    let mut values = Values::new(2);
    let x = var(&values.array(&[3, 2, 6, 4]), &[3, 2, 6, 4]);
    let w = var(&values.array(&[5, 2, 3, 3]), &[5, 2, 3, 3]);
    let b = var(&values.array(&[5]), &[5]);
    let d = tensor(&values.array(&[5, 3, 6, 4]), &[5, 3, 6, 4]);
    let options = ConvOptions {
        padding: 1,
        activation: Relu,
        pool: false,
    };
    let y = || ops::conv2d(&x, &w, &b, options).unwrap();
    let gradients = |loss: Tensor| {
        let store = loss.backward().unwrap();
        [&x, &w, &b].map(|var| floats(store.get(var).unwrap()))
    };
    let turned = scalar(&y().transpose(0, 1).unwrap(), &d);
    let straight = scalar(&y(), &d.transpose(0, 1).unwrap());
    assert_eq!(gradients(turned), gradients(straight), "transposed");
    let ones = Tensor::ones((3, 5, 6, 4), DType::F32, &Device::Cpu).unwrap();
    let sum = y().sum_all().unwrap();
    assert_eq!(gradients(sum), gradients(scalar(&y(), &ones)), "broadcast");
}

#[test]
fn linear_takes_views() {
    let mut values = Values::new(3);
    let x = var(&values.array(&[20, 20]), &[20, 20]);
    let w = var(&values.array(&[20, 20]), &[20, 20]);
    let b = var(&values.array(&[30]), &[30]);
    let d = tensor(&values.array(&[20, 20]), &[20, 20]);
    let views: [(&str, View); 4] = [
        ("dense", |x| x.clone()),
        ("transposed", |x| x.t().unwrap()),
        ("broadcast", |x| {
            x.narrow(0, 7, 1).unwrap().broadcast_as((20, 20)).unwrap()
        }),
        ("transposed broadcast", |x| {
            x.narrow(1, 7, 1).unwrap().broadcast_as((20, 20)).unwrap()
        }),
    ];
    for (of_x, view_x) in views {
        for (of_w, view_w) in views {
            check(
                &format!("{of_x} input, {of_w} weight"),
                &[&x, &w, &b],
                |own| {
                    let bias = own(b.narrow(0, 5, 20).unwrap());
                    let y = ops::linear(&own(view_x(&x)), &own(view_w(&w)), &bias, Relu).unwrap();
                    // The gradient of the output is a view as well.
                    scalar(&own(y.t().unwrap()), &d)
                },
            );
        }
    }
}

#[test]
fn cross_entropy_takes_views() {
    let mut values = Values::new(4);
    let z = var(&values.array(&[10, 40]), &[10, 40]);
    let labels = Tensor::new(values.labels(60, 7), &Device::Cpu).unwrap();
    check("transposed and narrowed", &[&z], |own| {
        let logits = own(z.t().unwrap().narrow(1, 2, 7).unwrap());
        let labels = labels.narrow(0, 11, 40).unwrap();
        ops::cross_entropy(&logits, &labels, 0.1).unwrap()
    });
}
