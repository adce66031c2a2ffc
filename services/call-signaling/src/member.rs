//! A replica of the call group as an operator names it.

use std::str::FromStr;

use crate::raft::NodeId;

/// A replica's number, and where the others call it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Within the group; it never changes.
    pub number: NodeId,
    /// As `http://host:port`.
    pub address: String,
}

/// The text names no replica.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not number=address")]
pub struct InvalidMember(String);

impl FromStr for Member {
    type Err = InvalidMember;

    fn from_str(text: &str) -> Result<Self, InvalidMember> {
        let parts = text.split_once('=').and_then(|(number, address)| Some((number.trim().parse().ok()?, address)));
        let (number, address) = parts.ok_or_else(|| InvalidMember(text.to_owned()))?;
        Ok(Self { number, address: address.trim().to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_a_number_and_an_address() {
        let named = Member { number: 2, address: "http://call-1:9090".to_owned() };
        for text in ["2=http://call-1:9090", " 2 = http://call-1:9090\n"] {
            assert_eq!(text.parse(), Ok(named.clone()), "{text:?}");
        }
        for wrong in ["", "2", "http://call-1:9090", "two=http://call-1:9090", "-1=http://call-1:9090"] {
            assert_eq!(wrong.parse::<Member>(), Err(InvalidMember(wrong.to_owned())));
        }
    }
}
