//! E5 and E7 from inside: many clients at once, each answer checked; an end under load.

use std::sync::Arc;
use std::time::Duration;

use candle_core::Device;
use lenet_model::pretrained;

use crate::client::{Plan, Question, Sent, Tally, ask, questions};
use crate::{HANGS, memory, metric, nightly, server};

fn asked(sent: Sent) -> Arc<Vec<Question>> {
    Arc::new(questions(&pretrained::mnist(&Device::Cpu).unwrap(), sent))
}

fn run(plan: Plan, questions: Arc<Vec<Question>>) -> Tally {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build();
    runtime.unwrap().block_on(ask(plan, questions))
}

/// Open descriptors of this process, where the system tells them.
fn descriptors() -> Option<usize> {
    Some(std::fs::read_dir("/proc/self/fd").ok()?.count())
}

/// Many clients: none gets a wrong answer, and as long as there is a place for each, each gets one.
/// Nightly there are more of them than places: a client that is slow may then lose its place, and how
/// slow they are depends on the machine.
#[test]
fn e5_many_clients() {
    let server = server();
    let address = server.address();
    let plan = Plan {
        address,
        clients: if nightly() { 1_000 } else { 240 },
        warm_up: Duration::ZERO,
        time: Duration::from_secs(if nightly() { 60 } else { 1 }),
    };
    for sent in [Sent::Json, Sent::Picture] {
        let mut tally = run(plan, asked(sent));
        assert_eq!(tally.wrong, 0, "{sent:?}: {:?}", tally.first_wrong);
        if !nightly() {
            assert_eq!(tally.lost, 0, "{sent:?}: {:?}", tally.first_lost);
        }
        let answered = tally.latencies.len();
        assert!(answered + tally.busy as usize >= plan.clients && answered > 0);
        if nightly() {
            let p99 = tally.quantile(0.99);
            println!(
                "{sent:?}: {answered} answers, {} busy, {} lost, p99 {p99} ms",
                tally.busy, tally.lost
            );
            assert!(
                memory().is_none_or(|memory| memory < 200),
                "{:?} MiB",
                memory()
            );
        }
    }
    assert!(metric(address, "lenet_batch_size_count") > 0);
    if let Some(before) = descriptors() {
        // Its own listener and what the last request leaves; other tests open some, too.
        server.stop(Duration::from_secs(5));
        let after = descriptors().unwrap_or_default();
        if nightly() {
            assert!(
                after <= before,
                "{after} descriptors, {before} before the end"
            );
        }
    }
}

/// Requests that have begun are answered before the end, however many there are.
#[test]
fn e7_an_end_under_load() {
    let server = server();
    let address = server.address();
    let plan = Plan {
        address,
        clients: 32,
        warm_up: Duration::ZERO,
        // The end of the server comes first.
        time: HANGS,
    };
    let clients = std::thread::spawn(move || run(plan, asked(Sent::Json)));
    while metric(address, "lenet_batch_size_sum") < 64 {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(server.stop(HANGS), 0);
    let tally = clients.join().unwrap();
    assert!(tally.latencies.len() > 32, "{}", tally.latencies.len());
    assert_eq!((tally.wrong, tally.busy), (0, 0), "{:?}", tally.first_wrong);
    // From then on nobody listens; whoever was connected has seen an end between two requests, or
    // has sent one into it.
    let refused = tally.first_lost.unwrap();
    assert!(tally.lost >= 32 && !refused.contains("200"), "{refused}");
}
