use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use super::Pepper;

/// The IP address that a request came from. Personal data: shown to its owner and to a security team, never logged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(IpAddr);

impl ClientAddress {
    /// The address in its one spelling: an IPv4 address in IPv6 clothes is that IPv4 address.
    pub fn new(address: IpAddr) -> Self {
        Self(address.to_canonical())
    }

    /// What failures are counted by: the whole of an IPv4 address, the /64 of an IPv6 address, which is what one
    /// customer has. A keyed hash, so that the table of failures holds no address.
    pub fn throttle_key(&self, pepper: &Pepper) -> [u8; 32] {
        match self.0 {
            IpAddr::V4(address) => pepper.hash("address-throttle-v4", &[&address.octets()]),
            IpAddr::V6(address) => {
                let network = Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX));
                pepper.hash("address-throttle-v6", &[&network.octets()])
            }
        }
    }

    /// As people write it.
    pub fn to_text(self) -> String {
        self.0.to_string()
    }
}

impl fmt::Debug for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientAddress(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> [u8; 32] {
        ClientAddress::new(text.parse().unwrap()).throttle_key(&Pepper::new(&[7; 32]))
    }

    #[test]
    fn an_ipv6_network_counts_as_one() {
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
        assert_eq!(key("192.0.2.1"), key("::ffff:192.0.2.1"));
    }

    #[test]
    fn an_address_has_no_debug_text() {
        let address = ClientAddress::new("192.0.2.1".parse().unwrap());
        assert_eq!(
            (format!("{address:?}"), address.to_text()),
            ("ClientAddress(…)".to_owned(), "192.0.2.1".to_owned())
        );
    }
}
