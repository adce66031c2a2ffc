use std::str::FromStr;

use godwit_kernel::{DeviceId, SessionId, UserId};
use http::HeaderMap;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Request, Status};

use crate::error::plain_status;

const USER: &str = "godwit-user-id";
const SESSION: &str = "godwit-session-id";
const DEVICE: &str = "godwit-device-id";

/// The person on whose behalf a call is made, as the gateway verified them. Travels as metadata, which services take
/// only over their internal listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The account.
    pub user_id: UserId,
    /// The login.
    pub session_id: SessionId,
    /// The installation that logged in.
    pub device_id: DeviceId,
}

impl Caller {
    /// The caller of a request.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` when the request names none.
    pub fn of<T>(request: &Request<T>) -> Result<Self, Status> {
        Self::of_metadata(request.metadata())
            .ok_or_else(|| plain_status(Code::Unauthenticated, "UNAUTHENTICATED", "An access token is needed."))
    }

    /// Makes a request on this caller's behalf.
    pub fn attach<T>(&self, request: &mut Request<T>) {
        let metadata = request.metadata_mut();
        for (name, value) in self.pairs() {
            if let Ok(value) = MetadataValue::try_from(value) {
                metadata.insert(name, value);
            }
        }
    }

    pub(crate) fn insert_headers(&self, headers: &mut HeaderMap) {
        for (name, value) in self.pairs() {
            if let Ok(value) = value.try_into() {
                headers.insert(name, value);
            }
        }
    }

    fn pairs(&self) -> [(&'static str, String); 3] {
        [(USER, self.user_id.to_string()), (SESSION, self.session_id.to_string()), (DEVICE, self.device_id.to_string())]
    }

    fn of_metadata(metadata: &MetadataMap) -> Option<Self> {
        Some(Self {
            user_id: parsed(metadata, USER)?,
            session_id: parsed(metadata, SESSION)?,
            device_id: parsed(metadata, DEVICE)?,
        })
    }
}

fn parsed<T: FromStr>(metadata: &MetadataMap, name: &str) -> Option<T> {
    metadata.get(name)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use godwit_kernel::{SystemClock, SystemEntropy};

    use super::*;

    #[test]
    fn a_caller_survives_a_request() {
        let caller = Caller {
            user_id: UserId::generate(&SystemClock, &SystemEntropy),
            session_id: SessionId::generate(&SystemClock, &SystemEntropy),
            device_id: DeviceId::generate(&SystemClock, &SystemEntropy),
        };
        let mut request = Request::new(());
        assert_eq!(Caller::of(&request).unwrap_err().code(), Code::Unauthenticated);
        caller.attach(&mut request);
        assert_eq!(Caller::of(&request).unwrap(), caller);
    }
}
