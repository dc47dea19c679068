//! `${VAR}` and `${VAR:-default}` in the texts of the configuration.
//!
//! Replacement happens after the TOML is parsed and only inside text values, so that no value can
//! change the structure of the file. `$$` is a dollar sign.

/// Looks a variable up. Tests give their own, so that they need not touch the environment.
pub(crate) type Variables<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Why a text could not be completed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct InterpolateError {
    pub(super) problem: String,
    pub(super) right: String,
}

/// The text with its variables replaced.
///
/// # Errors
///
/// A variable that is not set and has no default, a `${` without its `}`, or a `$` that begins
/// neither a variable nor a `$$`.
pub(super) fn interpolate(
    text: &str,
    variables: &Variables<'_>,
) -> Result<String, InterpolateError> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let inside = rest.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let Some((expression, after)) = inside else {
            return Err(InterpolateError {
                problem: "has a \"$\" that begins no variable".to_owned(),
                right: "${NAME}, ${NAME:-default}, or $$ for a dollar sign".to_owned(),
            });
        };
        let (name, default) = match expression.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (expression, None),
        };
        match variables(name).filter(|value| !value.is_empty()).or(default.map(str::to_owned)) {
            Some(value) => out.push_str(&value),
            None => {
                return Err(InterpolateError {
                    problem: format!("needs the environment variable {name}, which is not set"),
                    right: format!("set {name}, or give a default: ${{{name}:-default}}"),
                });
            }
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}
