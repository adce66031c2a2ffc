use godwit_outbound::{Gate, Reach, is_localhost};
use url::{Host, Url};

use super::Violation;

const ENDPOINT_BYTES: usize = 2_048;

/// A push resource (RFC 8030): where the push service takes notifications for one device. Whoever knows it can send
/// there, so it is not logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint(Url);

impl Endpoint {
    /// Reads an endpoint: https within reach, or in development http on this machine. A host name is not looked up
    /// here; see `push_service`.
    ///
    /// # Errors
    /// When it is no endpoint that `reach` allows.
    pub fn parse(text: &str, reach: Reach) -> Result<Self, Violation> {
        if text.len() > ENDPOINT_BYTES {
            return Err(Violation("is longer than 2048 bytes"));
        }
        let url = Url::parse(text).map_err(|_| Violation("is not an address"))?;
        if url.as_str().len() > ENDPOINT_BYTES {
            return Err(Violation("is longer than 2048 bytes"));
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(Violation("must have no user, password or fragment"));
        }
        let host = url.host().ok_or(Violation("has no host"))?;
        let is_allowed_scheme = match url.scheme() {
            "https" => true,
            "http" => reach == Reach::Anywhere && is_loopback(&host),
            _ => false,
        };
        if !is_allowed_scheme {
            return Err(Violation("must be an https address"));
        }
        if !Gate::new(reach).admits_host(&url) {
            return Err(Violation("is not on the public internet"));
        }
        Ok(Self(url))
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Scheme, host and port if it is not the scheme's own: the audience of VAPID (RFC 8292, section 2).
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// The host's name and the port, when the host is not an address.
    pub fn name_and_port(&self) -> Option<(&str, u16)> {
        match self.0.host() {
            Some(Host::Domain(name)) => Some((name, self.0.port_or_known_default()?)),
            _ => None,
        }
    }
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => is_localhost(name),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_public_https_address() {
        for text in ["https://push.example.org/a?b=c", "https://1.1.1.1:8443/x", "https://[2606:4700::1]/x"] {
            assert!(Endpoint::parse(text, Reach::PublicOnly).is_ok(), "{text}");
        }
        let refused = [
            "",
            "push",
            "http://push.example.org/",
            "ftp://push.example.org/",
            "https://user@push.example.org/",
            "https://push.example.org/#x",
            "https://localhost/",
            "https://a.localhost./",
            "https://127.0.0.1/",
            "https://0x7f.1/",
            "https://2130706433/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://10.0.0.1/",
        ];
        for text in refused {
            assert!(Endpoint::parse(text, Reach::PublicOnly).is_err(), "{text}");
        }
        let long = format!("https://push.example.org/{}", "x".repeat(ENDPOINT_BYTES));
        assert!(Endpoint::parse(&long, Reach::PublicOnly).is_err());
    }

    #[test]
    fn in_development_this_machine_may_be_plain_http() {
        for text in ["http://localhost:1/", "http://127.0.0.1:1/", "http://[::1]:1/", "https://10.0.0.1/"] {
            assert!(Endpoint::parse(text, Reach::Anywhere).is_ok(), "{text}");
        }
        for text in ["http://10.0.0.1/", "http://push.example.org/"] {
            assert!(Endpoint::parse(text, Reach::Anywhere).is_err(), "{text}");
        }
    }

    #[test]
    fn the_origin_names_a_port_that_is_not_the_schemes() {
        let origin = |text| Endpoint::parse(text, Reach::Anywhere).unwrap().origin();
        assert_eq!(origin("https://push.example.org:443/a"), "https://push.example.org");
        assert_eq!(origin("http://127.0.0.1:8080/a"), "http://127.0.0.1:8080");
    }
}
