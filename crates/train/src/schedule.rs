//! How the learning rate changes in the course of a training.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use crate::optimizer::Range;
use lenet_run::Epoch;

/// What the learning rate is multiplied with, from step to step.
///
/// Every schedule is a function of the configuration, the step and the epochs that are over, so that
/// a training that is resumed goes on as it would have.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Schedule {
    /// 1 all the time.
    #[default]
    Constant,
    /// Times `factor` after every so many epochs.
    Step {
        /// Epochs.
        #[serde(default = "ten")]
        every: u32,
        /// The factor.
        #[serde(default = "tenth")]
        factor: f64,
    },
    /// Up linearly, then down by half a cosine, Loshchilov and Hutter 2017,
    /// <https://arxiv.org/abs/1608.03983>, without restarts.
    Cosine {
        /// The part of all steps in which it goes up from 0.
        #[serde(default)]
        warmup: f64,
        /// Where it ends.
        #[serde(default)]
        end: f64,
    },
    /// Up linearly from `start` to 1, then down linearly to `end`: Smith and Topin 2018,
    /// <https://arxiv.org/abs/1708.07120>.
    OneCycle {
        /// Where it begins.
        #[serde(default = "start")]
        start: f64,
        /// The part of all steps in which it goes up.
        #[serde(default = "warmup")]
        warmup: f64,
        /// Where it ends.
        #[serde(default = "end")]
        end: f64,
    },
    /// Times `factor` whenever the validation loss has not become less for `patience` epochs.
    Plateau {
        /// The factor.
        #[serde(default = "tenth")]
        factor: f64,
        /// Epochs without a less loss that are borne.
        #[serde(default = "three")]
        patience: u32,
        /// It never falls below this.
        #[serde(default)]
        least: f64,
    },
}

fn ten() -> u32 {
    10
}
fn three() -> u32 {
    3
}
fn tenth() -> f64 {
    0.1
}
fn start() -> f64 {
    0.04
}
fn warmup() -> f64 {
    0.15
}
fn end() -> f64 {
    0.01
}

impl Schedule {
    /// The factor of step `step`, from 0, of `steps` in all; `history` has the epochs that are over.
    pub fn factor(self, step: u64, steps: u64, history: &[Epoch]) -> f64 {
        let at = step as f64 / steps.max(1) as f64;
        match self {
            Self::Constant => 1.,
            Self::Step { every, factor } => {
                let times = history.len() as u64 / u64::from(every.max(1));
                factor.powf(times as f64)
            }
            // The first step moves, too: that is why it counts as one of the way up.
            Self::Cosine { warmup, .. } if at < warmup => {
                (step + 1) as f64 / (warmup * steps as f64).max((step + 1) as f64)
            }
            Self::Cosine { warmup, end } => {
                let way = (at - warmup) / (1. - warmup);
                end + (1. - end) * (1. + (PI * way).cos()) / 2.
            }
            Self::OneCycle { start, warmup, .. } if at < warmup => {
                start + (1. - start) * at / warmup
            }
            Self::OneCycle { warmup, end, .. } => 1. + (end - 1.) * (at - warmup) / (1. - warmup),
            Self::Plateau {
                factor,
                patience,
                least,
            } => plateau(factor, patience, history).max(least),
        }
    }

    /// Name, value and range of the settings, for [`Config::check`](crate::Config::check).
    pub(crate) fn ranges(self) -> Vec<(&'static str, f64, Range)> {
        match self {
            Self::Constant => vec![],
            Self::Step { every, factor } => vec![
                ("schedule.every", f64::from(every), Range::Positive),
                ("schedule.factor", factor, Range::Positive),
            ],
            Self::Cosine { warmup, end } => vec![
                ("schedule.warmup", warmup, Range::BelowOne),
                ("schedule.end", end, Range::UpToOne),
            ],
            Self::OneCycle { start, warmup, end } => vec![
                ("schedule.start", start, Range::UpToOne),
                ("schedule.warmup", warmup, Range::BelowOne),
                ("schedule.end", end, Range::UpToOne),
            ],
            Self::Plateau { factor, least, .. } => vec![
                ("schedule.factor", factor, Range::Positive),
                ("schedule.least", least, Range::UpToOne),
            ],
        }
    }
}

/// The factor after these epochs. Without a validation the loss of the training counts.
fn plateau(factor: f64, patience: u32, history: &[Epoch]) -> f64 {
    let (mut now, mut least, mut borne) = (1., f64::INFINITY, 0);
    for epoch in history {
        let loss = epoch.validation.unwrap_or(epoch.train).loss;
        if loss < least {
            (least, borne) = (loss, 0);
        } else if borne == patience {
            (now, borne) = (now * factor, 0);
        } else {
            borne += 1;
        }
    }
    now
}

#[cfg(test)]
mod tests {
    use super::*;
    use lenet_run::Scores;

    fn epoch(loss: f64) -> Epoch {
        let scores = Scores { loss, accuracy: 0. };
        Epoch {
            epoch: 1,
            train: Scores { loss: 9., ..scores },
            validation: Some(scores),
            learning_rate: 1.,
            seconds: 1.,
            images_per_second: 1.,
            is_best: false,
        }
    }

    fn factors(schedule: Schedule, steps: u64) -> Vec<f64> {
        (0..steps)
            .map(|step| schedule.factor(step, steps, &[]))
            .collect()
    }

    fn assert_close(found: &[f64], expected: &[f64]) {
        let close = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-12;
        assert!(
            found.len() == expected.len() && std::iter::zip(found, expected).all(close),
            "{found:?} {expected:?}"
        );
    }

    #[test]
    fn one_cycle_goes_up_and_down() {
        let schedule = Schedule::OneCycle {
            start: 0.2,
            warmup: 0.2,
            end: 0.1,
        };
        let expected = [
            0.2, 0.6, 1., 0.8875, 0.775, 0.6625, 0.55, 0.4375, 0.325, 0.2125,
        ];
        assert_close(&factors(schedule, 10), &expected);
    }

    #[test]
    fn cosine_starts_above_nothing_and_ends_where_it_should() {
        let schedule = Schedule::Cosine {
            warmup: 0.4,
            end: 0.5,
        };
        let half = 0.5 + 0.25 * (1. + (PI / 3.).cos());
        let expected = [0.25, 0.5, 0.75, 1., 1., 0.5 + 0.25 * (1. + (PI / 6.).cos())];
        assert_close(&factors(schedule, 10)[..6], &expected);
        assert_close(&factors(schedule, 10)[6..7], &[half]);
        let plain = Schedule::Cosine {
            warmup: 0.,
            end: 0.,
        };
        assert_close(&factors(plain, 4)[..1], &[1.]);
        assert_close(&factors(plain, 4)[2..3], &[0.5]);
    }

    #[test]
    fn steps_come_after_epochs() {
        let schedule = Schedule::Step {
            every: 2,
            factor: 0.5,
        };
        let history = vec![epoch(1.); 5];
        let found: Vec<f64> = (0..=5)
            .map(|epochs| schedule.factor(0, 1, &history[..epochs]))
            .collect();
        assert_close(&found, &[1., 1., 0.5, 0.5, 0.25, 0.25]);
    }

    #[test]
    fn a_plateau_is_left_after_patience() {
        let schedule = Schedule::Plateau {
            factor: 0.5,
            patience: 1,
            least: 0.3,
        };
        let history = [3., 2., 2., 2.5, 1., 1., 1., 1., 1., 0.5].map(epoch);
        let found: Vec<f64> = (0..=10)
            .map(|epochs| schedule.factor(0, 1, &history[..epochs]))
            .collect();
        let expected = [1., 1., 1., 1., 0.5, 0.5, 0.5, 0.3, 0.3, 0.3, 0.3];
        assert_close(&found, &expected);
    }
}
