use std::fmt;
use std::str::FromStr;

use godwit_kernel::{Clock, Entropy, NodeId};

/// The serials of leases that no node holds.
const OF_NOBODY: u64 = 1 << 63;

/// A node's unbroken right to speak for its users. A node whose lease has ended gets another one, with another serial:
/// what was reported under the old lease never counts again, so ending it cannot hit what is reported under the new.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lease {
    /// Whose it is.
    pub node_id: NodeId,
    /// Random; tells the leases of one node apart.
    pub serial: u64,
}

impl Lease {
    /// A lease that was never held before.
    pub fn generate(node_id: NodeId, entropy: &dyn Entropy) -> Self {
        Self { node_id, serial: u64::from_be_bytes(entropy.bytes()) & !OF_NOBODY }
    }

    /// A lease that no node can hold: under it are those who left nodes a moment ago.
    pub fn of_nobody(clock: &dyn Clock, entropy: &dyn Entropy) -> Self {
        let node_id = NodeId::generate(clock, entropy);
        Self { node_id, serial: u64::from_be_bytes(entropy.bytes()) | OF_NOBODY }
    }

    /// Whether no node holds it, or did.
    pub const fn is_of_nobody(self) -> bool {
        self.serial & OF_NOBODY != 0
    }
}

impl fmt::Display for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{:016x}", self.node_id, self.serial)
    }
}

/// The text is not a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a lease")]
pub struct InvalidLease;

impl FromStr for Lease {
    type Err = InvalidLease;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (node_id, serial) = text.split_once(':').ok_or(InvalidLease)?;
        let node_id = node_id.parse().map_err(|_| InvalidLease)?;
        let serial = u64::from_str_radix(serial, 16).map_err(|_| InvalidLease)?;
        Ok(Self { node_id, serial })
    }
}

#[cfg(test)]
mod tests {
    use godwit_kernel::{SystemClock, SystemEntropy};

    use super::*;

    #[test]
    fn a_lease_survives_its_text_form() {
        for serial in [0, 1, u64::MAX] {
            let lease = Lease { node_id: NodeId::generate(&SystemClock, &SystemEntropy), serial };
            assert_eq!(lease.to_string().parse(), Ok(lease));
        }
        for text in ["", ":", "a:1", "00000000-0000-7000-8000-000000000000", "00000000-0000-7000-8000-000000000000:x"] {
            assert_eq!(text.parse::<Lease>(), Err(InvalidLease), "{text}");
        }
    }

    #[test]
    fn leases_of_nobody_are_told_from_those_of_nodes() {
        let node_id = NodeId::generate(&SystemClock, &SystemEntropy);
        for _ in 0..100 {
            assert!(!Lease::generate(node_id, &SystemEntropy).is_of_nobody());
            assert!(Lease::of_nobody(&SystemClock, &SystemEntropy).is_of_nobody());
        }
    }

    #[test]
    fn two_leases_of_a_node_differ() {
        let node_id = NodeId::generate(&SystemClock, &SystemEntropy);
        assert_ne!(Lease::generate(node_id, &SystemEntropy), Lease::generate(node_id, &SystemEntropy));
    }
}
