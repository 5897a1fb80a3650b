//! How the learning rate changes during a training.

use std::f64::consts::PI;

use lenet_files::Result;
use lenet_run::Epoch;
use serde::{Deserialize, Serialize};

use crate::range::Range;

/// The factor of the learning rate at each step.
///
/// Every schedule is a function of the configuration, the step and the epochs that are over, so that
/// a resumed training continues as it would have.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Schedule {
    /// Always 1.
    #[default]
    Constant,
    /// Multiplied by `factor` every few epochs.
    Step {
        /// Epochs between two changes.
        #[serde(default = "ten")]
        every: u32,
        /// The factor.
        #[serde(default = "tenth")]
        factor: f64,
    },
    /// Up linearly, then down by half a cosine, Loshchilov and Hutter 2017,
    /// <https://arxiv.org/abs/1608.03983>, without restarts.
    Cosine {
        /// The fraction of the steps in which it rises from 0.
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
        /// The fraction of the steps in which it rises.
        #[serde(default = "warmup")]
        warmup: f64,
        /// Where it ends.
        #[serde(default = "end")]
        end: f64,
    },
    /// Multiplied by `factor` when the validation loss has not improved for more than `patience`
    /// epochs.
    Plateau {
        /// The factor.
        #[serde(default = "tenth")]
        factor: f64,
        /// Epochs without improvement to tolerate.
        #[serde(default = "three")]
        patience: u32,
        /// Its minimum.
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
                factor.powf((history.len() as u64 / u64::from(every.max(1))) as f64)
            }
            // The first step moves too, which is why it counts as one of the warm-up.
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

    /// Checks that every setting is in its range.
    pub(crate) fn check(self) -> Result<()> {
        match self {
            Self::Constant => Ok(()),
            Self::Step { every, factor } => {
                Range::Positive.check("schedule.every", f64::from(every))?;
                Range::Positive.check("schedule.factor", factor)
            }
            Self::Cosine { warmup, end } => {
                Range::BelowOne.check("schedule.warmup", warmup)?;
                Range::UpToOne.check("schedule.end", end)
            }
            Self::OneCycle { start, warmup, end } => {
                Range::UpToOne.check("schedule.start", start)?;
                Range::BelowOne.check("schedule.warmup", warmup)?;
                Range::UpToOne.check("schedule.end", end)
            }
            Self::Plateau { factor, least, .. } => {
                Range::Positive.check("schedule.factor", factor)?;
                Range::UpToOne.check("schedule.least", least)
            }
        }
    }
}

/// The factor after these epochs. Without a validation the training loss counts.
fn plateau(factor: f64, patience: u32, history: &[Epoch]) -> f64 {
    let (mut now, mut least, mut tolerated) = (1., f64::INFINITY, 0);
    for epoch in history {
        let loss = epoch.validation.unwrap_or(epoch.train).loss;
        if loss < least {
            (least, tolerated) = (loss, 0);
        } else if tolerated == patience {
            (now, tolerated) = (now * factor, 0);
        } else {
            tolerated += 1;
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

    #[test]
    fn factors_of_each_step() {
        let cosine = |part: f64| 0.5 + 0.25 * (1. + (PI * part).cos());
        let one_cycle = Schedule::OneCycle {
            start: 0.2,
            warmup: 0.2,
            end: 0.1,
        };
        let warm = Schedule::Cosine {
            warmup: 0.4,
            end: 0.5,
        };
        let plain = Schedule::Cosine {
            warmup: 0.,
            end: 0.,
        };
        for (schedule, steps, expected) in [
            (
                one_cycle,
                10,
                vec![
                    0.2, 0.6, 1., 0.8875, 0.775, 0.6625, 0.55, 0.4375, 0.325, 0.2125,
                ],
            ),
            (
                warm,
                10,
                vec![0.25, 0.5, 0.75, 1., 1., cosine(1. / 6.), cosine(1. / 3.)],
            ),
            (plain, 4, vec![1., 0.5 + 0.125_f64.sqrt(), 0.5]),
        ] {
            for (step, expected) in expected.into_iter().enumerate() {
                let found = schedule.factor(step as u64, steps, &[]);
                assert!(
                    (found - expected).abs() < 1e-12,
                    "{schedule:?}, step {step}: {found}"
                );
            }
        }
    }

    #[test]
    fn factors_after_each_epoch() {
        let step = Schedule::Step {
            every: 2,
            factor: 0.5,
        };
        let plateau = Schedule::Plateau {
            factor: 0.5,
            patience: 1,
            least: 0.3,
        };
        let history = [3., 2., 2., 2.5, 1., 1., 1., 1., 1., 0.5].map(epoch);
        let factors = |schedule: Schedule| -> Vec<f64> {
            (0..=history.len())
                .map(|epochs| schedule.factor(0, 1, &history[..epochs]))
                .collect()
        };
        assert_eq!(factors(step)[..6], [1., 1., 0.5, 0.5, 0.25, 0.25]);
        let expected = [1., 1., 1., 1., 0.5, 0.5, 0.5, 0.3, 0.3, 0.3, 0.3];
        assert_eq!(factors(plateau), expected);
    }
}
