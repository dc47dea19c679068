//! The getters for addresses of the network.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::super::spelling::quoted;
use super::Section;

impl Section<'_> {
    /// An IP address and a port to listen at, such as `"127.0.0.1:8080"`.
    pub fn listen(&self, key: &str, default: &str) -> Option<SocketAddr> {
        let text = self.string_or(key, default);
        let address = text.parse().ok();
        if address.is_none() && self.is_right(key) {
            let problem = format!("{} is no IP address with a port", quoted(&text));
            self.mistake(key, &problem, &format!("for example \"{default}\""));
        }
        address
    }

    /// A list of IP addresses and ranges of them, such as `"10.0.0.0/8"`.
    pub fn networks(&self, key: &str) -> Option<Vec<IpNet>> {
        let right = "for example [\"10.0.0.0/8\", \"192.0.2.7\"]";
        let texts = self.strings(key, right)?;
        if texts.is_empty() && self.is_right(key) {
            self.mistake(key, "is empty", &format!("leave it out to trust all, or {right}"));
        }
        let mut networks = Vec::with_capacity(texts.len());
        for text in texts {
            let single = text.parse::<IpAddr>().map(IpNet::from);
            match single.or_else(|_| text.parse::<IpNet>()) {
                Ok(network) => networks.push(network),
                Err(_) => {
                    let problem =
                        format!("holds {}, which is no address and no range", quoted(&text));
                    self.mistake(key, &problem, right);
                }
            }
        }
        Some(networks)
    }
}

#[cfg(test)]
mod tests {
    use crate::config::fixture::read;

    #[test]
    fn where_to_listen() {
        let get = |keys: &str| read(keys, |s| s.listen("k", "127.0.0.1:8080"));
        let shown = |keys: &str| get(keys).0.map(|address| address.to_string());
        assert_eq!(shown("").as_deref(), Some("127.0.0.1:8080"));
        assert_eq!(shown("k = '[::]:0'").as_deref(), Some("[::]:0"));
        let right = "(for example \"127.0.0.1:8080\")";
        for (keys, problem) in [
            ("k = '127.0.0.1'", "\"127.0.0.1\" is no IP address with a port"),
            ("k = ':8080'", "\":8080\" is no IP address with a port"),
            ("k = 'a.example:80'", "\"a.example:80\" is no IP address with a port"),
        ] {
            assert_eq!(get(keys), (None, format!("2:5: sinks.app.k: {problem} {right}")));
        }
        assert_eq!(get("k = 80").1, "2:5: sinks.app.k: is a whole number (text in quotes)");
    }

    #[test]
    fn networks_are_addresses_and_ranges() {
        let get = |keys: &str| read(keys, |s| s.networks("k"));
        assert_eq!(get(""), (None, String::new()));
        let (networks, mistakes) = get("k = ['192.0.2.7', '10.0.0.0/8', '2001:db8::/32']");
        let shown: Vec<_> = networks.unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["192.0.2.7/32", "10.0.0.0/8", "2001:db8::/32"]);
        assert_eq!(mistakes, "");
        let right = "for example [\"10.0.0.0/8\", \"192.0.2.7\"]";
        for (keys, problem) in [
            ("k = []", format!("is empty (leave it out to trust all, or {right})")),
            (
                "k = ['10.0.0.0/33']",
                format!("holds \"10.0.0.0/33\", which is no address and no range ({right})"),
            ),
        ] {
            assert_eq!(get(keys).1, format!("2:5: sinks.app.k: {problem}"));
        }
    }
}
