use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};
use tonic::Request;

use crate::call::REQUEST_ID;
use crate::{Caller, InvalidField};

const CLIENT_ADDRESS: &str = "godwit-client-address";
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The longest id that a client chooses, in bytes.
const CLIENT_ID_BYTES: usize = 64;

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
        if let Some(key) = incoming.get(IDEMPOTENCY_KEY) {
            headers.insert(IDEMPOTENCY_KEY, key.clone());
        }
        headers
    }
}

/// The address of the client behind a call that came in through the edge, for limits by address. Never logged.
pub fn client_address<T>(request: &Request<T>) -> Option<IpAddr> {
    request.metadata().get(CLIENT_ADDRESS)?.to_str().ok()?.parse().ok()
}

/// What a client calls its request, so that a repeat is known: the `Idempotency-Key` header, with or without the quotes that
/// draft-ietf-httpapi-idempotency-key-header wants; `None` when there is none. It holds where a body has no such id.
///
/// # Errors
/// When it is not 1 to 64 of `A-Z a-z 0-9 _ -`.
pub fn idempotency_key<T>(request: &Request<T>) -> Result<Option<String>, InvalidField> {
    let Some(value) = request.metadata().get(IDEMPOTENCY_KEY.as_str()) else { return Ok(None) };
    let key = value.to_str().unwrap_or_default();
    let key = key.strip_prefix('"').and_then(|key| key.strip_suffix('"')).unwrap_or(key);
    if is_client_id(key) {
        Ok(Some(key.to_owned()))
    } else {
        Err(InvalidField::new("idempotency-key", "must be 1 to 64 of A-Z a-z 0-9 _ -"))
    }
}

/// Whether a text is an id as clients choose them: 1 to 64 of `A-Z a-z 0-9 _ -`.
pub fn is_client_id(text: &str) -> bool {
    let is_one = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=CLIENT_ID_BYTES).contains(&text.len()) && text.bytes().all(is_one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_taken_with_or_without_quotes_and_nothing_else_is() {
        let key_of = |text: &'static str| {
            let mut request = Request::new(());
            request.metadata_mut().insert("idempotency-key", text.parse().unwrap());
            idempotency_key(&request).map_err(|invalid| invalid.field)
        };
        for text in ["a-1_B", "\"a-1_B\""] {
            assert_eq!(key_of(text), Ok(Some("a-1_B".to_owned())));
        }
        for text in
            ["", "\"", "\"\"", "a b", "a\"", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]
        {
            assert_eq!(key_of(text), Err("idempotency-key"), "{text}");
        }
        assert_eq!(idempotency_key(&Request::new(())), Ok(None));
    }

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
