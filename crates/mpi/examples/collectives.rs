//! Times what a step of a shared training sends: `mpirun -n 2 collectives`. Prints microseconds, the
//! least and the median of many calls, as JSON.

use std::time::Instant;

use lenet_mpi::World;

/// Images of the batch whose factors are gathered, and floats of one of them.
const BATCH: usize = 128;
const FACTORS: usize = 1_027;
/// Parameters of LeNet-5.
const PARAMETERS: usize = 61_706;
const CALLS: usize = 500;

fn main() {
    let Some(world) = World::join() else {
        return;
    };
    let exchange = world.exchange();
    let ranks = exchange.ranks();
    let gather = |words: usize| {
        let mut own = vec![0.0; words];
        let lens = vec![words; ranks];
        let mut all = vec![0.0; words * ranks];
        timed(|| exchange.gather(&mut own, &lens, &mut all))
    };
    let (own, mut sum) = (vec![1.0; PARAMETERS], vec![0.0; PARAMETERS]);
    let times = [
        ("latency", gather(1)),
        ("gather", gather(BATCH / ranks * FACTORS)),
        ("sum", timed(|| exchange.sum(&own, &mut sum))),
    ];
    if exchange.rank() == 0 {
        let times = times.map(|(name, [least, median])| {
            format!("\"{name}\": {{\"least\": {least:.1}, \"median\": {median:.1}}}")
        });
        println!("{{{}}}", times.join(", "));
    }
}

/// The least and the median time of a call.
fn timed(mut call: impl FnMut()) -> [f64; 2] {
    let mut times: Vec<f64> = (0..CALLS)
        .map(|_| {
            let begun = Instant::now();
            call();
            begun.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    [times[0], times[CALLS / 2]]
}
