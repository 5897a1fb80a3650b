//! The turns of the comparison, and whether what was timed was done.

use std::thread;
use std::time::Duration;

use anyhow::Result;

use crate::peers::Options;
use crate::peers::machine::Load;
use crate::peers::process::{Pairs, Process};

/// The training images of MNIST.
const TRAIN_IMAGES: usize = 60_000;
/// A turn of training takes about so long, unless that is more than an epoch.
const TRAIN_SECONDS: f64 = 4.;
const INFER_SECONDS: f64 = 1.;
const LATENCIES: usize = 2_000;
/// Between turns: ONNX Runtime's threads were seen to spin for 20 ms after their work.
const SETTLE: Duration = Duration::from_millis(100);
/// For a first estimate of the speed, and the whole turn where it shall be quick.
const FEW_STEPS: usize = 20;
const FEW_BATCHES: usize = 8;

/// How well a network must classify that has made at least so many steps of 128 images or more.
const BARS: [Bar; 3] = [
    Bar {
        steps: 400,
        loss: 0.5,
        accuracy: 0.95,
    },
    Bar {
        steps: 150,
        loss: 1.,
        accuracy: 0.8,
    },
    // A guess has ln 10 = 2.303 and 0.1.
    Bar {
        steps: 40,
        loss: 2.28,
        accuracy: 0.2,
    },
];

struct Bar {
    steps: usize,
    loss: f64,
    accuracy: f64,
}

/// What is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Measure {
    Train,
    Infer,
    Latency,
}

impl Measure {
    pub const ALL: [Self; 3] = [Self::Train, Self::Infer, Self::Latency];

    /// The figure of an answer.
    pub fn key(self) -> &'static str {
        match self {
            Self::Train | Self::Infer => "images_per_second",
            Self::Latency => "median_us",
        }
    }

    /// How many times as fast the first is as the second.
    fn ratio(self, first: f64, second: f64) -> f64 {
        match self {
            Self::Train | Self::Infer => first / second,
            Self::Latency => second / first,
        }
    }
}

/// All runs of one measure.
#[derive(Debug, Default)]
pub struct Runs {
    pub figures: Vec<f64>,
    /// Ours to this peer's, each from neighbouring turns.
    pub ratios: Vec<f64>,
    /// The 99th percentiles of latency.
    pub p99: Vec<f64>,
}

/// A peer in the contest.
pub struct Entrant {
    pub name: &'static str,
    pub about: Pairs,
    pub runs: [Runs; 3],
    pub loss: Option<f64>,
    pub accuracy: Option<f64>,
    pub peak_rss_mb: Option<f64>,
    /// Why its figures are not to be believed, or end early.
    pub fault: Option<String>,
    /// The steps that it has made and the driver knows of.
    pub steps_done: usize,
    process: Process,
    lines: [String; 3],
    steps: usize,
}

impl Entrant {
    /// Takes a peer that is ready and finds out how much it can do in a turn.
    pub fn new(
        name: &'static str,
        process: Process,
        about: Pairs,
        options: &Options,
    ) -> Result<Self> {
        let mut entrant = Self {
            name,
            about,
            runs: Default::default(),
            loss: None,
            accuracy: None,
            peak_rss_mb: None,
            fault: None,
            steps_done: 0,
            process,
            lines: [
                format!("train {FEW_STEPS}"),
                format!("infer {FEW_BATCHES}"),
                format!("latency {FEW_STEPS}"),
            ],
            steps: FEW_STEPS,
        };
        // Twice, for the first is part of the warming up.
        for _ in 0..2 {
            for measure in Measure::ALL {
                let Some(answer) = entrant.turn(measure)? else {
                    continue;
                };
                let figure = answer.number(measure.key())?;
                let batches = |seconds: f64| (seconds * figure / options.batch as f64) as usize;
                let epoch = (TRAIN_IMAGES / options.batch).max(FEW_STEPS);
                let line = match measure {
                    _ if options.quick => continue,
                    Measure::Train => {
                        entrant.steps = batches(TRAIN_SECONDS).clamp(FEW_STEPS, epoch);
                        format!("train {}", entrant.steps)
                    }
                    Measure::Infer => format!("infer {}", batches(INFER_SECONDS).max(FEW_BATCHES)),
                    Measure::Latency => format!("latency {LATENCIES}"),
                };
                entrant.lines[measure as usize] = line;
            }
        }
        Ok(entrant)
    }

    /// One turn; nothing where the peer cannot do that.
    fn turn(&mut self, measure: Measure) -> Result<Option<Pairs>> {
        let answer = self.process.ask(&self.lines[measure as usize])?;
        if let Some(answer) = answer.as_ref().filter(|_| measure == Measure::Train) {
            self.loss = Some(answer.number("loss")?);
            self.steps_done += self.steps;
        }
        Ok(answer)
    }

    /// One turn whose figure counts.
    fn scored_turn(&mut self, measure: Measure, load: &mut Load) -> Result<Option<f64>> {
        thread::sleep(SETTLE);
        let mark = load.begin(self.process.id());
        let Some(answer) = self.turn(measure)? else {
            return Ok(None);
        };
        load.end(mark);
        let figure = answer.number(measure.key())?;
        let runs = &mut self.runs[measure as usize];
        runs.figures.push(figure);
        if measure == Measure::Latency {
            runs.p99.push(answer.number("p99_us")?);
        }
        eprintln!("{:<18} {measure:?}: {}", self.name, answer.shown());
        Ok(Some(figure))
    }

    /// Asks for what is told only once, and whether the training was one.
    fn verify(&mut self, options: &Options) -> Result<()> {
        if let Some(answer) = self.process.ask("memory")? {
            self.peak_rss_mb = Some(answer.number("peak_rss_mb")?);
        }
        if let Some(answer) = self.process.ask("accuracy")? {
            self.accuracy = Some(answer.number("accuracy")?);
        }
        self.fault = doubt(self.steps_done, options.batch, self.loss.zip(self.accuracy));
        Ok(())
    }
}

/// What is wrong with the loss and accuracy that a peer has come to, if it trains at all.
fn doubt(steps: usize, batch: usize, came_to: Option<(f64, f64)>) -> Option<String> {
    let (loss, accuracy) = came_to?;
    if !loss.is_finite() {
        return Some(format!("its loss is {loss}"));
    }
    let comparable = if batch < 128 {
        steps * batch / 128
    } else {
        steps
    };
    let bar = BARS.iter().find(|bar| comparable >= bar.steps)?;
    // The loss of a batch of few images says little.
    if batch >= 32 && loss >= bar.loss {
        let most = bar.loss;
        return Some(format!(
            "after {steps} steps its loss is {loss:.3}, not below {most}"
        ));
    }
    let least = bar.accuracy;
    (accuracy <= least)
        .then(|| format!("after {steps} steps its accuracy is {accuracy:.4}, not above {least}"))
}

/// All who take part.
pub struct Contest {
    pub ours: Entrant,
    pub peers: Vec<Entrant>,
    /// Peers that could not be had, and why.
    pub left_out: Vec<(String, String)>,
    pub load: Load,
}

impl Contest {
    pub fn new(ours: Entrant) -> Self {
        Self {
            ours,
            peers: Vec::new(),
            left_out: Vec::new(),
            load: Load::default(),
        }
    }

    pub fn enter(&mut self, peer: Entrant) {
        self.peers.push(peer);
    }

    /// All rounds. Ours runs before and after each peer, so that whatever slows the machine for
    /// some seconds slows neighbours, and the mean of the two is what the peer is compared with.
    pub fn run(&mut self, options: &Options) -> Result<()> {
        for round in 1..=options.rounds {
            for measure in Measure::ALL {
                eprintln!("round {round} of {}, {measure:?}", options.rounds);
                let mut before = self.ours.scored_turn(measure, &mut self.load)?;
                for peer in self.peers.iter_mut().filter(|peer| peer.fault.is_none()) {
                    let theirs = match peer.scored_turn(measure, &mut self.load) {
                        Ok(Some(figure)) => figure,
                        Ok(None) => continue,
                        Err(error) => {
                            eprintln!("{}: {error:#}", peer.name);
                            peer.fault = Some(format!("{error:#}"));
                            continue;
                        }
                    };
                    let after = self.ours.scored_turn(measure, &mut self.load)?;
                    if let (Some(before), Some(after)) = (before, after) {
                        let ratio = measure.ratio((before + after) / 2., theirs);
                        peer.runs[measure as usize].ratios.push(ratio);
                    }
                    before = after;
                }
            }
        }
        Ok(())
    }

    /// Memory, and whether all that trained has learned.
    pub fn verify(&mut self, options: &Options) -> Result<()> {
        self.ours.verify(options)?;
        for peer in self.peers.iter_mut().filter(|peer| peer.fault.is_none()) {
            if let Err(error) = peer.verify(options) {
                peer.fault = Some(format!("{error:#}"));
            }
        }
        Ok(())
    }

    /// Ours first.
    pub fn entrants(&self) -> impl Iterator<Item = &Entrant> {
        std::iter::once(&self.ours).chain(&self.peers)
    }

    /// Whether a figure is not to be believed.
    pub fn wrong(&self) -> bool {
        self.entrants().any(|entrant| entrant.fault.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_who_does_not_learn_is_found() {
        let doubts = |steps, loss, accuracy| doubt(steps, 128, Some((loss, accuracy)));
        assert_eq!(doubts(400, 0.1, 0.96), None);
        assert!(doubts(400, 0.6, 0.96).unwrap().contains("0.600"));
        assert!(doubts(400, 0.1, 0.94).unwrap().contains("0.9400"));
        assert_eq!(doubts(150, 0.6, 0.85), None);
        assert!(doubts(40, 2.31, 0.3).is_some());
        assert!(doubts(40, 1.9, 0.0980).is_some());
        assert_eq!(doubts(39, 2.31, 0.1), None);
        assert!(doubts(1, f64::NAN, 0.1).is_some());
        // Who trains nothing has nothing to show; one image's loss says nothing.
        assert_eq!(doubt(400, 128, None), None);
        assert_eq!(doubt(60_000, 1, Some((3., 0.96))), None);
    }

    #[test]
    fn a_ratio_says_how_many_times_as_fast() {
        assert_eq!(Measure::Train.ratio(300., 100.), 3.);
        assert_eq!(Measure::Latency.ratio(10., 30.), 3.);
    }

    /// A peer in the language of the shell, which answers without doing anything.
    #[cfg(unix)]
    fn sham(name: &'static str, answers: &str, options: &Options) -> Entrant {
        let script = format!("echo ready; while read c n; do case $c in {answers} esac; done");
        let log = format!("xtask-sham-{}-{name}", std::process::id());
        let (process, about) = Process::start(
            std::process::Command::new("sh").args(["-c", &script]),
            &std::env::temp_dir().join(log),
        )
        .unwrap();
        Entrant::new(name, process, about, options).unwrap()
    }

    #[test]
    #[cfg(unix)]
    fn turns_are_compared_with_their_neighbours() {
        let arguments = ["--quick", "--rounds", "2"].map(Into::into);
        let options = Options::parse(&arguments).unwrap();
        let ours = "train) echo images_per_second 300 loss 0.1;; \
                    infer) echo images_per_second 500;; \
                    latency) echo median_us 10 p99_us 12;; \
                    memory) echo peak_rss_mb 7;; \
                    accuracy) echo accuracy 0.99;;";
        let trainer = "train) echo images_per_second 100 loss 2.4;; \
                       latency) echo median_us 20 p99_us 25;; \
                       memory) echo peak_rss_mb 9;; \
                       accuracy) echo accuracy 0.1;; \
                       *) echo unsupported;;";
        let mut contest = Contest::new(sham("ours", ours, &options));
        contest.enter(sham("trainer", trainer, &options));
        // It ends in its first turn after the four trials of what it cannot do.
        let fails = "latency) echo median_us 5 p99_us 6;; *) i=$((i+1)); \
                     if [ $i -gt 4 ]; then exit; fi; echo unsupported;;";
        contest.enter(sham("quitter", fails, &options));
        contest.run(&options).unwrap();
        contest.verify(&options).unwrap();

        assert_eq!(contest.ours.runs[0].figures.len(), 2 * 2);
        let [trainer, quitter] = &contest.peers[..] else {
            panic!("two peers entered");
        };
        assert_eq!(trainer.runs[0].ratios, [3., 3.]);
        assert!(trainer.runs[1].figures.is_empty() && trainer.runs[1].ratios.is_empty());
        assert_eq!(trainer.runs[2].ratios, [2., 2.]);
        assert_eq!(trainer.peak_rss_mb, Some(9.));
        assert!(
            trainer.fault.as_ref().unwrap().contains("2.4"),
            "{:?}",
            trainer.fault
        );
        assert!(
            quitter.fault.as_ref().unwrap().contains("ended"),
            "{:?}",
            quitter.fault
        );
        assert_eq!(contest.ours.fault, None);
        assert!(contest.wrong());
    }
}
