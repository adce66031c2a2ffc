use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};
use tonic::Request;

use crate::Caller;
use crate::call::REQUEST_ID;

const CLIENT_ADDRESS: &str = "godwit-client-address";
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The longest `Idempotency-Key` that is passed on, in bytes.
const IDEMPOTENCY_KEY_BYTES: usize = 128;

/// What the edge vouches for when it passes a request of the outside on.
#[derive(Clone, Copy, Debug)]
pub struct EdgeRequest<'a> {
    /// Whose access token was verified; `None` on open routes.
    pub caller: Option<Caller>,
    /// The id that logs, traces and answers share.
    pub request_id: &'a str,
    /// Where the request came from.
    pub client_address: Option<IpAddr>,
}

impl EdgeRequest<'_> {
    /// The metadata of the inner call. It starts empty, so nothing of the outside can pass for what the edge vouches
    /// for; of the incoming headers only `idempotency-key` is taken over.
    pub fn metadata(&self, incoming: &HeaderMap) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(caller) = &self.caller {
            caller.insert_headers(&mut headers);
        }
        if let Ok(id) = HeaderValue::from_str(self.request_id) {
            headers.insert(REQUEST_ID, id);
        }
        if let Some(address) = self.client_address.and_then(|a| HeaderValue::from_str(&a.to_string()).ok()) {
            headers.insert(CLIENT_ADDRESS, address);
        }
        if let Some(key) = incoming.get(IDEMPOTENCY_KEY).filter(|key| key.len() <= IDEMPOTENCY_KEY_BYTES) {
            headers.insert(IDEMPOTENCY_KEY, key.clone());
        }
        headers
    }
}

/// The address of the client behind a call that came in through the edge, for limits by address. Never logged.
pub fn client_address<T>(request: &Request<T>) -> Option<IpAddr> {
    request.metadata().get(CLIENT_ADDRESS)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_in_the_headers_of_the_outside_is_not_believed() {
        let mut incoming = HeaderMap::new();
        for name in ["godwit-user-id", "godwit-session-id", "godwit-device-id"] {
            incoming.insert(name, HeaderValue::from_static("00000000-0000-7000-8000-000000000000"));
        }
        incoming.insert("godwit-client-address", HeaderValue::from_static("127.0.0.1"));
        incoming.insert("idempotency-key", HeaderValue::from_static("k1"));
        let edge = EdgeRequest { caller: None, request_id: "r1", client_address: None };

        let metadata = tonic::metadata::MetadataMap::from_headers(edge.metadata(&incoming));
        let request = Request::from_parts(metadata, tonic::Extensions::new(), ());
        assert!(Caller::of(&request).is_err());
        assert_eq!(client_address(&request), None);
        assert_eq!(request.metadata().get("idempotency-key").unwrap(), "k1");
        assert_eq!(request.metadata().len(), 2);
    }
}
