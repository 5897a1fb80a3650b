//! The architecture as a picture in SVG.
use crate::summary::Summary;
pub(crate) fn svg(_summary: &Summary) -> String { String::new() }
