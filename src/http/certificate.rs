//! What a server's certificate says.

use std::time::SystemTime;

use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use crate::time;

/// What a server's certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certified {
    /// Whose it is, such as `CN=*.tencentcloudapi.com`.
    pub subject: String,
    /// Who made it.
    pub issuer: String,
    /// Until when it is good.
    pub until: SystemTime,
}

impl Certified {
    /// Reads a certificate in DER; `None` if it is none.
    pub(super) fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let until = u64::try_from(certificate.validity().not_after.timestamp()).ok()?;
        Some(Self {
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            until: time::from_unix_seconds(until),
        })
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

    use super::*;

    #[test]
    fn a_certificate_tells_whose_it_is_and_until_when() {
        let mut params = CertificateParams::new(["vod.example.com".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "vod.example.com");
        params.not_after = date_time_ymd(2031, 5, 6);
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let read = Certified::read(made.der()).unwrap();
        assert!(read.subject.contains("CN=vod.example.com"), "{read:?}");
        assert_eq!(read.issuer, read.subject);
        assert_eq!(time::utc_date(read.until), "2031-05-06");
        assert_eq!(Certified::read(b"no certificate"), None);
    }
}
