//! WebSockets: one socket is a [`connection`] with its [`outbox`]; the [`hub`] knows all of them and what they follow.

mod actions;
mod admission;
mod connection;
mod drain;
mod ended_sessions;
mod frames;
mod handshake;
mod inbound;
mod incoming;
mod notices;
mod outbox;
mod outgoing;
mod requests;
mod writer;

mod feeds;
mod hub;
mod interest;
mod people;
mod probes;
mod socket;
mod typing;

mod live;
mod presence;
mod upkeep;

pub use admission::Admission;
pub use drain::drain;
pub use handshake::{configure, upgrade};
pub use hub::Hub;
pub use live::start;

#[cfg(test)]
mod tests {
    use super::outbox::Close;

    #[test]
    fn every_close_code_is_documented() {
        let document: serde_json::Value = serde_json::from_str(godwit_contract::ASYNCAPI_JSON).unwrap();
        let documented = document.pointer("/channels/me/x-close-codes").unwrap().as_object().unwrap();
        let closes = [
            Close::Protocol,
            Close::InvalidText,
            Close::Restart,
            Close::TryAgain,
            Close::Unauthenticated,
            Close::Forbidden,
            Close::TooSlow,
            Close::Replaced,
            Close::FrameTooBig,
            Close::Flooding,
        ];
        let codes: std::collections::BTreeSet<_> = closes.map(|close| close.code().to_string()).into();
        assert_eq!(codes, documented.keys().cloned().collect());
    }
}
