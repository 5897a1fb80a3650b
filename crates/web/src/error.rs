//! What went wrong, in JavaScript's terms.

use std::fmt;

use lenet_files::Kind;
use wasm_bindgen::JsValue;

/// An error for the page: a sentence, and a name by which the page distinguishes errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    name: &'static str,
    message: String,
}

impl Error {
    /// The name if the format is not decoded here; the browser may know it.
    pub const FORMAT: &str = "PictureFormat";
    /// The name if the picture has too many pixels; the browser can shrink it.
    pub const TOO_LARGE: &str = "PictureTooLarge";

    /// The name.
    pub fn name(&self) -> &'static str {
        self.name
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<lenet_files::Error> for Error {
    fn from(error: lenet_files::Error) -> Self {
        let name = match error.kind() {
            Kind::PictureFormat => Self::FORMAT,
            Kind::PictureTooLarge => Self::TOO_LARGE,
            Kind::Internal => "Network",
            _ => "Picture",
        };
        let message = error.to_string();
        Self { name, message }
    }
}

impl From<Error> for JsValue {
    fn from(error: Error) -> Self {
        let value = js_sys::Error::new(&error.message);
        value.set_name(error.name);
        value.into()
    }
}
