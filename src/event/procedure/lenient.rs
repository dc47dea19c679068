//! Reads what can be read, and leaves out what cannot.
//!
//! VOD prints a missing value as null, as an empty list or not at all, ids as strings or as numbers,
//! and some samples in its documentation have a list where the interface has a number. None of that
//! may cost the reader the rest of the event.

use serde::de::DeserializeOwned;
use serde::{Deserialize as _, Deserializer};
use serde_json::value::RawValue;

use crate::json;

/// What can be made of the text of one JSON value.
pub(super) trait FromJson: Sized {
    /// The value, or `None` if the text is null or something else.
    fn from_json(text: &str) -> Option<Self>;
}

impl FromJson for String {
    /// A number counts as its digits: ids have more of them than a floating-point number keeps.
    fn from_json(text: &str) -> Option<Self> {
        json::scalar(text).map(Into::into)
    }
}

impl FromJson for i64 {
    fn from_json(text: &str) -> Option<Self> {
        json::scalar(text)?.parse().ok()
    }
}

impl FromJson for f64 {
    fn from_json(text: &str) -> Option<Self> {
        json::scalar(text)?.parse().ok().filter(|number: &Self| number.is_finite())
    }
}

/// JSON text that is kept as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw(pub Box<str>);

impl FromJson for Raw {
    fn from_json(text: &str) -> Option<Self> {
        (text != "null").then(|| Self(text.into()))
    }
}

/// A member that is never an error.
pub(super) trait Field: Default {
    fn read(text: &str) -> Self;
}

impl<T: FromJson> Field for Option<T> {
    fn read(text: &str) -> Self {
        T::from_json(text)
    }
}

impl<T: FromJson> Field for Vec<T> {
    fn read(text: &str) -> Self {
        json::elements(text).filter_map(T::from_json).collect()
    }
}

/// Reads a member, for `#[serde(deserialize_with)]`.
pub(super) fn field<'de, T: Field, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    Ok(T::read(Box::<RawValue>::deserialize(from)?.get()))
}

/// Reads an object; of anything else there is nothing to be had.
pub(super) fn object<T: DeserializeOwned>(text: &str) -> Option<T> {
    // A struct could also be read from an array, by position, which VOD never means.
    text.starts_with('{').then(|| serde_json::from_str(text).ok()).flatten()
}

/// Declares structures whose members are named as in VOD's interface, are all optional, and are
/// left out where they cannot be read.
macro_rules! structures {
    ($(
        $(#[$of_struct:meta])*
        $name:ident {
            $( $(#[$of_field:meta])* $field:ident: $kind:ty, )*
        }
    )*) => { $(
        $(#[$of_struct])*
        #[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
        #[serde(rename_all = "PascalCase", default)]
        pub struct $name {
            $(
                $(#[$of_field])*
                #[serde(deserialize_with = "crate::event::procedure::lenient::field")]
                pub $field: $kind,
            )*
        }

        impl crate::event::procedure::lenient::FromJson for $name {
            fn from_json(text: &str) -> Option<Self> {
                crate::event::procedure::lenient::object(text)
            }
        }
    )* };
}

pub(super) use structures;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_texts_are_read_from_either() {
        assert_eq!(i64::from_json("60"), Some(60));
        assert_eq!(i64::from_json("\"60\""), Some(60));
        assert_eq!(i64::from_json("[3,6,9]"), None);
        assert_eq!(f64::from_json("60"), Some(60.0));
        assert_eq!(f64::from_json("59.990001678467"), Some(59.990001678467));
        assert_eq!(f64::from_json("1e999"), None);
        assert_eq!(f64::from_json("\"NaN\""), None);
        assert_eq!(String::from_json("5285485487985271490").unwrap(), "5285485487985271490");
        assert_eq!(String::from_json("null"), None);
    }

    #[test]
    fn a_null_list_is_empty_and_odd_elements_are_left_out() {
        let cases: [(&str, &[i64]); 3] =
            [("null", &[]), ("[1, null, {}, 2]", &[1, 2]), ("{\"a\":1}", &[])];
        for (text, expected) in cases {
            assert_eq!(Vec::<i64>::read(text), expected, "{text}");
        }
    }
}
