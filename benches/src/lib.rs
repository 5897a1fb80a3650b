//! What the benches and the program that measures scaling share.
#![forbid(unsafe_code)]

use plotters::style::{FontStyle, register_font};

/// The family that criterion writes its pictures in.
pub const FAMILY: &str = "sans-serif";

static FONT: &[u8] = include_bytes!("../../crates/report/fonts/inter-latin-regular.otf");

/// Gives plotters a typeface. It takes none from the system here, and would panic at the first
/// letter.
///
/// # Panics
/// If the typeface is broken.
pub fn register_typeface() {
    if register_font(FAMILY, FontStyle::Normal, FONT).is_err() {
        panic!("the typeface is broken");
    }
}
