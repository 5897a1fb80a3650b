//! Names of data sets, and paths in their place.

use std::ffi::{OsStr, OsString};

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Arg, Command, Error};
use lenet_data::{Source, registry};

/// The names of the registry, and some beside them.
pub fn dataset_names(others: &[&'static str]) -> PossibleValuesParser {
    let names = registry::ALL.iter().map(|spec| spec.name);
    PossibleValuesParser::new(names.chain(others.iter().copied()))
}

/// Takes a name of the registry or a path; paths need not be UTF-8. Shells complete both.
#[derive(Debug, Clone, Copy)]
pub struct DatasetName;

impl TypedValueParser for DatasetName {
    type Value = OsString;

    fn parse_ref(
        &self,
        command: &Command,
        _: Option<&Arg>,
        value: &OsStr,
    ) -> Result<OsString, Error> {
        match Source::parse(value) {
            Ok(_) => Ok(value.to_owned()),
            Err(error) => {
                Err(Error::raw(ErrorKind::InvalidValue, format!("{error}\n")).with_cmd(command))
            }
        }
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let names = registry::ALL.iter().map(|spec| spec.name);
        Some(Box::new(names.map(PossibleValue::new)))
    }
}
