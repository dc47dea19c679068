//! Credentials from environment variables.
//!
//! `TENCENTCLOUD_SECRET_ID` and `TENCENTCLOUD_SECRET_KEY`, as in all of the vendor's SDKs. For the
//! token of temporary credentials the vendor has two names: `TENCENTCLOUD_SESSION_TOKEN` (the
//! Node.js SDK) and `TENCENTCLOUD_TOKEN` (the command line `tccli`); the first that is set counts.

use std::ffi::OsString;

use super::{
    BoxFuture, Credential, Flaw, Flawed, Found, Outside, Part, Preview, Provider, ProviderError,
    Term,
};

const SECRET_ID: &str = "TENCENTCLOUD_SECRET_ID";
const SECRET_KEY: &str = "TENCENTCLOUD_SECRET_KEY";
const TOKENS: [&str; 2] = ["TENCENTCLOUD_SESSION_TOKEN", "TENCENTCLOUD_TOKEN"];

/// Looks into the environment variables.
#[derive(Debug)]
pub struct Env(pub Outside);

impl Provider for Env {
    fn place(&self) -> String {
        format!("the environment variables {SECRET_ID} and {SECRET_KEY}")
    }

    fn fetch(&self) -> BoxFuture<'_, Result<Option<Found>, ProviderError>> {
        Box::pin(async { self.found() })
    }

    fn preview(&self) -> Preview {
        self.found().into()
    }
}

impl Env {
    fn found(&self) -> Result<Option<Found>, ProviderError> {
        Ok(self.read()?.map(|credential| Found { credential, term: Term::endless() }))
    }

    fn read(&self) -> Result<Option<Credential>, ProviderError> {
        let (secret_id, secret_key) =
            match (self.0.variable(SECRET_ID), self.0.variable(SECRET_KEY)) {
                (None, None) => return Ok(None),
                (Some(secret_id), Some(secret_key)) => (secret_id, secret_key),
                (Some(_), None) => return Err(half(SECRET_ID, SECRET_KEY)),
                (None, Some(_)) => return Err(half(SECRET_KEY, SECRET_ID)),
            };
        let token = TOKENS
            .iter()
            .find_map(|name| Some((*name, self.0.variable(name).filter(|text| !text.is_empty())?)));
        let token_name = token.as_ref().map_or(TOKENS[0], |(name, _)| name);
        let token = token.map(|(name, text)| unicode(name, text)).transpose()?;
        let made = Credential::new(
            unicode(SECRET_ID, secret_id)?,
            unicode(SECRET_KEY, secret_key)?.into(),
            token.map(Into::into),
        );
        made.map(Some).map_err(|Flawed { part, flaw }| {
            let name = match part {
                Part::SecretId => SECRET_ID,
                Part::SecretKey => SECRET_KEY,
                Part::Token => token_name,
            };
            let rather = match flaw {
                Flaw::Empty => format!("set it, or unset both {SECRET_ID} and {SECRET_KEY}"),
                Flaw::WhiteSpace | Flaw::Quoted | Flaw::Unsendable => "set it without".to_owned(),
            };
            ProviderError::permanent(format!("the environment variable {name} {flaw}; {rather}"))
        })
    }
}

fn half(set: &str, unset: &str) -> ProviderError {
    let text = format!("the environment variable {set} is set, but {unset} is not; set both");
    ProviderError::permanent(text)
}

fn unicode(name: &str, text: OsString) -> Result<String, ProviderError> {
    text.into_string().map_err(|_| {
        ProviderError::permanent(format!(
            "the environment variable {name} is not valid UTF-8; set it anew"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<const V: usize>(
        variables: [(&str, &str); V],
    ) -> Result<Option<Credential>, ProviderError> {
        Env(Outside::fake(variables, None, [])).read()
    }

    #[test]
    fn a_pair_and_either_name_of_the_token_are_read() {
        let pair = [(SECRET_ID, "id"), (SECRET_KEY, "key")];
        let token = |variables: &[(&str, &str)]| {
            let mut all = [("", ""); 4];
            all[..2].copy_from_slice(&pair);
            all[2..2 + variables.len()].copy_from_slice(variables);
            read(all).unwrap().unwrap().token.map(|token| token.expose().to_owned())
        };
        assert_eq!(token(&[]), None);
        assert_eq!(token(&[(TOKENS[0], "a")]).as_deref(), Some("a"));
        assert_eq!(token(&[(TOKENS[1], "b")]).as_deref(), Some("b"));
        assert_eq!(token(&[(TOKENS[0], "a"), (TOKENS[1], "b")]).as_deref(), Some("a"));
        assert_eq!(token(&[(TOKENS[0], ""), (TOKENS[1], "b")]).as_deref(), Some("b"));
    }

    #[test]
    fn nothing_set_is_not_ours_and_half_a_pair_is_a_mistake() {
        assert_eq!(read([]), Ok(None));
        assert_eq!(
            read([(SECRET_ID, "id")]).unwrap_err().to_string(),
            "the environment variable TENCENTCLOUD_SECRET_ID is set, \
             but TENCENTCLOUD_SECRET_KEY is not; set both"
        );
        assert_eq!(
            read([(SECRET_ID, "id"), (SECRET_KEY, "key ")]).unwrap_err().to_string(),
            "the environment variable TENCENTCLOUD_SECRET_KEY has white space around it; \
             set it without"
        );
        assert_eq!(
            read([(SECRET_ID, ""), (SECRET_KEY, "key")]).unwrap_err().to_string(),
            "the environment variable TENCENTCLOUD_SECRET_ID is empty; \
             set it, or unset both TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY"
        );
    }
}
