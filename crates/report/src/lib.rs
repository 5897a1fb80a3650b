//! Draws the curves, the confusion matrix and the page of a training run from its files.
#![forbid(unsafe_code)]
