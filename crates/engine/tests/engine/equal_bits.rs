//! What must change nothing, not even a bit: the number of threads, AVX2 instead of AVX-512, bytes
//! instead of floats.

use std::io::Write as _;

use lenet_engine::Activation::{Relu, Tanh};
use lenet_engine::engine::{Engine, Images, Purpose};
use lenet_engine::optimizer::{Adam, Optimizer};
use lenet_engine::pool::Pool;
use lenet_engine::{Isa, Pixels};

use crate::network::Network;
use crate::threads::among;
use crate::{Batch, bits, engine, engine_on, flat};

/// Bits of every gradient and parameter after some steps, whose batches end with a tail.
fn train(engine: &mut Engine, network: &Network) -> [Vec<u32>; 2] {
    for (seed, images) in [(1, 70), (2, 33), (3, 1), (4, 64), (5, 69)] {
        let batch = Batch::new(network, images, seed);
        engine
            .gradients(&batch.images(), &batch.labels, 0.1)
            .unwrap();
        engine.update(&Optimizer::Adam(Adam::default()), 1.0);
    }
    [
        bits(&flat(engine.last_gradients())),
        bits(&flat(engine.parameters())),
    ]
}

fn networks() -> [Network; 2] {
    [
        Network::lenet_5(true, Relu, 6),
        Network::lenet_5(false, Tanh, 7),
    ]
}

#[test]
fn any_number_of_threads() {
    for network in networks() {
        for isa in Isa::available() {
            let [one, others @ ..] = [1, 2, 3, 5]
                .map(|threads| train(&mut engine(&network, 70, threads, isa), &network));
            for (threads, other) in std::iter::zip([2, 3, 5], others) {
                assert!(one == other, "{isa}, {threads} threads");
            }
        }
    }
}

/// More processes than the smaller batches have blocks: some of them have nothing to do.
#[test]
fn any_number_of_processes() {
    /// All that other passes leave behind.
    fn look(engine: &mut Engine, network: &Network) -> [Vec<u32>; 4] {
        let batch = Batch::new(network, 69, 7);
        let features: Vec<f32> = engine
            .features(&batch.images(), 69)
            .unwrap()
            .flatten()
            .copied()
            .collect();
        engine.evaluate(&batch.images(), &batch.labels).unwrap();
        let logits: Vec<f32> = engine.logits().flatten().collect();
        let losses = bits(engine.losses());
        [
            bits(&features),
            bits(&logits),
            losses,
            engine.predicted().to_vec(),
        ]
    }
    for network in networks() {
        let isa = Isa::fastest();
        let alone = &mut engine(&network, 70, 1, isa);
        let expected = (train(alone, &network), look(alone, &network));
        for ranks in [1, 2, 3, 6] {
            let all = among(ranks, |exchange| {
                let pool = Pool::exactly(1 + ranks % 2).among(exchange);
                let mut engine = engine_on(pool, Purpose::Training, &network, 70, isa);
                (train(&mut engine, &network), look(&mut engine, &network))
            });
            for (rank, found) in all.iter().enumerate() {
                assert!(*found == expected, "rank {rank} of {ranks}");
            }
        }
    }
}

/// Added up, gradients differ in their last bits alone, and are the same for every process.
#[test]
fn added_gradients_are_nearly_those_of_one_process() {
    let network = &networks()[0];
    let isa = Isa::fastest();
    for images in [70, 33, 1] {
        let batch = &Batch::new(network, images, 1);
        let step = |engine: &mut Engine| {
            let found = engine.gradients(&batch.images(), &batch.labels, 0.1);
            (found.unwrap(), flat(engine.last_gradients()))
        };
        let (expected, gradients) = step(&mut engine(network, 70, 1, isa));
        let all = among(3, |exchange| {
            let pool = Pool::exactly(1).among(exchange);
            let mut engine = engine_on(pool, Purpose::Training, network, 70, isa);
            engine.add_gradients();
            step(&mut engine)
        });
        let largest = gradients.iter().fold(0_f32, |a, b| a.max(b.abs()));
        for (found, own) in &all {
            assert_eq!(*found, expected, "{images}");
            assert!(bits(own) == bits(&all[0].1));
            for (a, b) in std::iter::zip(own, &gradients) {
                assert!(
                    (a - b).abs() <= 4.0 * f32::EPSILON * largest,
                    "{images}: {a} {b}"
                );
            }
        }
    }
}

/// Both multiply and add in one rounding, and every sum runs in the same order. NEON would, too, but
/// no machine has both.
#[test]
fn avx2_and_avx512() {
    let names = ["avx2", "avx512"].map(|name| name.parse::<Isa>());
    let [Ok(avx2), Ok(avx512)] = names else {
        // Past the test runner, which keeps what a passing test prints.
        let reason = "skipped: avx2_and_avx512: this machine has not both";
        return writeln!(std::io::stdout(), "{reason}").unwrap();
    };
    for network in networks() {
        let [narrow, wide] =
            [avx2, avx512].map(|isa| train(&mut engine(&network, 70, 2, isa), &network));
        assert!(narrow == wide);
    }
}

/// Images of bytes with the number that each stands for.
struct ByteImages<'a> {
    bytes: &'a [u8],
    table: &'a [f32; 256],
    size: usize,
}

impl Images for ByteImages<'_> {
    fn pixels<'a>(&'a self, image: usize, _: &'a mut [u8]) -> Pixels<'a> {
        Pixels::Bytes(&self.bytes[image * self.size..][..self.size], self.table)
    }
}

#[test]
fn bytes_and_floats() {
    let network = Network::lenet_5(true, Relu, 8);
    // As images of digits are normalised, so that each byte is another number, none of them 0.
    let mut table = [0.0; 256];
    for (byte, number) in table.iter_mut().enumerate() {
        *number = (byte as f32 / 255.0 - 0.1307) / 0.3081;
    }
    let mut batch = Batch::new(&network, 35, 9);
    let bytes: Vec<u8> = (0..35 * 784_u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    batch.pixels = bytes.iter().map(|&byte| table[usize::from(byte)]).collect();
    let images = ByteImages {
        bytes: &bytes,
        table: &table,
        size: 784,
    };
    for isa in Isa::available() {
        let mut engine = engine(&network, 35, 2, isa);
        let [from_bytes, from_floats] = [&images as &dyn Images, &batch.images()].map(|images| {
            let loss = engine.gradients(images, &batch.labels, 0.0).unwrap().loss;
            (loss, bits(&flat(engine.last_gradients())))
        });
        assert!(from_bytes == from_floats, "{isa}");
    }
}
