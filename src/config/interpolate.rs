//! `${VAR}` and `${VAR:-default}` in the texts of the configuration.
//!
//! Replacement happens after the TOML is parsed and only inside text values, so that no value can
//! change the structure of the file. What a variable holds is not looked at again: a `$` in it is
//! a dollar sign. `$$` in the file is a dollar sign too.

/// Looks a variable up. Tests give their own, so that they need not touch the environment.
pub(super) type Variables<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Why a text could not be completed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct InterpolateError {
    pub(super) problem: String,
    pub(super) right: String,
}

/// The text with its variables replaced. An empty variable counts as one that is not set.
///
/// # Errors
///
/// A variable that is not set and has no default, a `${` without its `}`, a name that no variable
/// can have, or a `$` that begins neither a variable nor a `$$`. The text itself may be a secret,
/// so the error quotes nothing of it but the name of a variable.
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
        let Some(inside) = rest.strip_prefix('{') else {
            return Err(malformed("has a \"$\" that begins no variable"));
        };
        let Some((expression, after)) = inside.split_once('}') else {
            return Err(malformed("has a \"${\" without its \"}\""));
        };
        out.push_str(&evaluate(expression, variables)?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// What stands between `${` and `}`, by value.
fn evaluate(expression: &str, variables: &Variables<'_>) -> Result<String, InterpolateError> {
    let (name, default) = match expression.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (expression, None),
    };
    if !is_name(name) {
        return Err(malformed("has a \"${\" that is not followed by the name of a variable"));
    }
    if default.is_some_and(|default| default.contains("${")) {
        return Err(malformed("has a variable inside the default of another"));
    }
    let value = variables(name).filter(|value| !value.is_empty());
    value.or_else(|| default.map(str::to_owned)).ok_or_else(|| InterpolateError {
        problem: format!("needs the environment variable {name}, which is empty or not set"),
        right: format!("set {name}, or give a default: ${{{name}:-default}}"),
    })
}

fn is_name(text: &str) -> bool {
    !text.starts_with(|first: char| first.is_ascii_digit())
        && !text.is_empty()
        && text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

fn malformed(problem: &str) -> InterpolateError {
    let right = "${NAME}, ${NAME:-default}, or $$ for a dollar sign";
    InterpolateError { problem: problem.to_owned(), right: right.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(name: &str) -> Option<String> {
        match name {
            "HOST" => Some("example.com".to_owned()),
            "EMPTY" => Some(String::new()),
            "NESTED" => Some("${HOST} $ $$".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn variables_defaults_and_dollar_signs_are_replaced() {
        let cases = [
            ("", ""),
            ("plain", "plain"),
            ("${HOST}", "example.com"),
            ("https://${HOST}/vod", "https://example.com/vod"),
            ("${HOST}${HOST}", "example.comexample.com"),
            ("${HOST:-other}", "example.com"),
            ("${GONE:-other}", "other"),
            ("${GONE:-}", ""),
            ("${GONE:-a:-b}", "a:-b"),
            ("${EMPTY:-other}", "other"),
            ("${GONE:-$}", "$"),
            ("$$", "$"),
            ("$${HOST}", "${HOST}"),
            ("$$$${HOST}", "$${HOST}"),
            ("转${HOST}码", "转example.com码"),
            // What a variable holds is not looked at again.
            ("${NESTED}", "${HOST} $ $$"),
        ];
        for (text, expected) in cases {
            assert_eq!(interpolate(text, &variables).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_replaced_is_named() {
        let cases = [
            ("${GONE}", "needs the environment variable GONE, which is empty or not set"),
            ("${EMPTY}", "needs the environment variable EMPTY, which is empty or not set"),
            ("$HOST", "has a \"$\" that begins no variable"),
            ("price: 5$", "has a \"$\" that begins no variable"),
            ("${HOST", "has a \"${\" without its \"}\""),
            ("${", "has a \"${\" without its \"}\""),
            ("${}", "has a \"${\" that is not followed by the name of a variable"),
            ("${se-cret}", "has a \"${\" that is not followed by the name of a variable"),
            ("${1}", "has a \"${\" that is not followed by the name of a variable"),
            ("${GONE:-${HOST}}", "has a variable inside the default of another"),
        ];
        for (text, expected) in cases {
            let error = interpolate(text, &variables).unwrap_err();
            assert_eq!(error.problem, expected, "{text}");
        }
    }
}
