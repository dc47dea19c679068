//! Looks whether the endpoint can be reached.

use super::Config;
use super::client::settings;
use crate::exit;
use crate::http;
use crate::sink::Probed;

/// Opens a connection to the endpoint, as a delivery would, and sends no request on it: whatever a
/// request asks for, it would be the first that the application hears of this.
pub(super) async fn probe(config: &Config) -> Probed {
    let url = http::shown(&config.url);
    let connected = match settings(config) {
        Ok(settings) => http::connect(settings, &config.url).await,
        Err(error) => Err(error),
    };
    let way = http::proxy(&config.url).map(|proxy| format!(" through the proxy {proxy}"));
    let way = way.unwrap_or_default();
    match connected {
        Ok(Ok(took)) => {
            let took = took.as_millis();
            Probed::Fine { found: format!("{url}{way} takes connections ({took} ms)") }
        }
        Ok(Err(cause)) => Probed::Failing {
            found: format!("{url}{way}: {cause}"),
            mend: "start the application, or mend url, ca_file, the proxy or the firewall".into(),
            code: exit::UNREACHABLE,
        },
        Err(error) => Probed::Failing {
            found: error.to_string(),
            mend: "name files in ca_file, client_cert_file and client_key_file that can be used"
                .into(),
            code: exit::CONFIG,
        },
    }
}
