use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which addresses may be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The public internet.
    PublicOnly,
    /// For development: this machine and private networks too.
    Anywhere,
}

impl Reach {
    /// Whether this address may be connected to.
    pub fn admits(self, address: IpAddr) -> bool {
        self == Self::Anywhere || is_public(address)
    }
}

/// Whether an address is one of the public internet. Everything that may lead into the operator's own network, or
/// nowhere, is not. See the special-purpose registries of RFC 6890.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// Whether a host's name is one of this machine whatever it resolves to (RFC 6761, section 6.3).
pub fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = match (a, b, c) {
        (0 | 10 | 127, ..) => true, // this network, private, loopback
        (100, 64..=127, _) => true, // shared by carriers (RFC 6598)
        (169, 254, _) => true,      // link-local, and metadata services of clouds
        (172, 16..=31, _) => true,  // private
        (192, 0, 0 | 2) => true,    // protocol assignments, documentation
        (192, 88, 99) => true,      // relays of 6to4
        (192, 168, _) => true,      // private
        (198, 18..=19, _) => true,  // benchmarks
        (198, 51, 100) => true,     // documentation
        (203, 0, 113) => true,      // documentation
        (224.., ..) => true,        // multicast, reserved, broadcast
        _ => false,
    };
    !is_special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    let [a, b, c, d, e, f, y, z] = address.segments();
    let ([one, two], [three, four]) = (y.to_be_bytes(), z.to_be_bytes());
    let carried = Ipv4Addr::new(one, two, three, four);
    match (a, b) {
        // NAT64 carries an IPv4 address (RFC 6052); its local-use prefix 64:ff9b:1::/48 (RFC 8215) is nobody's business.
        (0x64, 0xff9b) => [c, d, e, f] == [0; 4] && is_public_v4(carried),
        // Documentation, Teredo and other assignments of 2001::/23, 6to4: none of them is a host of its own.
        (0x2001, 0x0000..=0x01ff | 0x0db8) | (0x2002 | 0x3fff, _) => false,
        // Global unicast (RFC 4291) is 2000::/3; loopback, unique local, link-local and multicast lie outside. Within it,
        // ISATAP (RFC 5214) carries an IPv4 address.
        _ if a & 0xe000 == 0x2000 => f != 0x5efe || e & 0xfdff != 0 || is_public_v4(carried),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_own_networks_are_not_public() {
        let own = [
            "0.0.0.0",
            "10.1.2.3",
            "127.0.0.1",
            "127.255.255.254",
            "100.64.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1.1.1.1",
            "100::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "2002:a00:1::1",
            "2606:4700::5efe:10.0.0.1",
            "2606:4700::200:5efe:127.0.0.1",
        ];
        for text in own {
            assert!(!is_public(text.parse().unwrap()), "{text}");
            assert!(!Reach::PublicOnly.admits(text.parse().unwrap()), "{text}");
            assert!(Reach::Anywhere.admits(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn addresses_of_the_internet_are_public() {
        for text in [
            "1.1.1.1",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "64:ff9b::1.1.1.1",
            "::ffff:8.8.8.8",
            "2606:4700::5efe:8.8.8.8",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn names_of_this_machine_are_known_in_every_spelling() {
        for name in ["localhost", "LocalHost", "localhost.", "a.b.localhost", "A.LOCALHOST."] {
            assert!(is_localhost(name), "{name}");
        }
        for name in ["", "local", "localhost.example.org", "notlocalhost"] {
            assert!(!is_localhost(name), "{name}");
        }
    }
}
