use std::sync::OnceLock;

use bytes::Bytes;
use bytestring::ByteString;
use godwit_contract::json;
use godwit_contract::v1::server_frame::Frame;
use godwit_contract::v1::{ClientFrame, ErrorFrame, ServerFrame};
use godwit_rpc::Failure;
use prost::Message as _;

/// The longest id of a client frame, in bytes.
const FRAME_ID_BYTES: usize = 64;

/// How frames travel: the subprotocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `godwit.v1.json`: ProtoJSON in text frames.
    Json,
    /// `godwit.v1.proto`: encoded messages in binary frames.
    Binary,
}

impl Encoding {
    /// The subprotocols, the default first.
    pub const PROTOCOLS: [&str; 2] = ["godwit.v1.json", "godwit.v1.proto"];

    /// Of the subprotocol that was agreed on, if any.
    pub fn of_protocol(protocol: Option<&str>) -> Self {
        if protocol == Some("godwit.v1.proto") { Self::Binary } else { Self::Json }
    }
}

/// A frame ready to be written; a clone costs no copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wire {
    /// JSON.
    Text(ByteString),
    /// Protobuf.
    Binary(Bytes),
}

impl Wire {
    /// `frame` in this encoding.
    pub fn encode(frame: &ServerFrame, encoding: Encoding) -> Self {
        match encoding {
            Encoding::Json => Self::Text(to_json(frame)),
            Encoding::Binary => Self::Binary(frame.encode_to_vec().into()),
        }
    }

    /// Its size.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }
}

fn to_json(frame: &ServerFrame) -> ByteString {
    // Fails only for a timestamp outside of the years that JSON can write, which no service of ours makes.
    serde_json::to_string(frame)
        .inspect_err(|error| tracing::error!(%error, "a frame cannot be written as JSON"))
        .unwrap_or_else(|_| "{}".to_owned())
        .into()
}

/// An event from a live channel: the encoded frame as it came, and its JSON, which is made once for all JSON clients
/// of this node, when the first of them gets it.
#[derive(Debug)]
pub struct LiveFrame {
    binary: Bytes,
    text: OnceLock<Option<ByteString>>,
}

impl LiveFrame {
    /// An event whose frame is encoded already.
    pub fn new(binary: Bytes) -> Self {
        Self { binary, text: OnceLock::new() }
    }

    /// The frame for a client; `None` when it cannot be read.
    pub fn wire(&self, encoding: Encoding) -> Option<Wire> {
        match encoding {
            Encoding::Binary => Some(Wire::Binary(self.binary.clone())),
            Encoding::Json => self.text.get_or_init(|| self.to_json()).clone().map(Wire::Text),
        }
    }

    fn to_json(&self) -> Option<ByteString> {
        metrics::counter!("gateway_live_json_encodings_total").increment(1);
        let frame = ServerFrame::decode(self.binary.clone());
        let frame = frame.inspect_err(|error| tracing::error!(%error, "a live frame cannot be read")).ok()?;
        Some(to_json(&frame))
    }
}

/// What a client sent in one WebSocket message.
#[derive(Clone, Debug)]
pub enum Received {
    /// A text message.
    Text(ByteString),
    /// A binary message.
    Binary(Bytes),
}

/// A message that is no frame, with as much of its id as could be read.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The id to answer with.
    pub id: String,
    /// What is wrong.
    pub failure: Failure,
}

impl Malformed {
    fn new(id: String, reason: &str, detail: impl Into<String>) -> Self {
        Self { id, failure: Failure::new(tonic::Code::InvalidArgument, reason, detail) }
    }
}

/// Reads a frame.
///
/// # Errors
/// When the message is none.
pub fn decode(received: &Received, encoding: Encoding) -> Result<ClientFrame, Malformed> {
    let frame = match (encoding, received) {
        // What a newer client added to a frame is ignored, as the binary encoding does.
        (Encoding::Json, Received::Text(text)) => json::read(text.as_bytes())
            .map_err(|error| Malformed::new(id_of(text), "MALFORMED_FRAME", error.to_string()))?,
        (Encoding::Binary, Received::Binary(bytes)) => ClientFrame::decode(bytes.clone())
            .map_err(|error| Malformed::new(String::new(), "MALFORMED_FRAME", error.to_string()))?,
        (Encoding::Json, Received::Binary(_)) => {
            return Err(Malformed::new(String::new(), "WRONG_FRAME_TYPE", "This connection takes text frames."));
        }
        (Encoding::Binary, Received::Text(_)) => {
            return Err(Malformed::new(String::new(), "WRONG_FRAME_TYPE", "This connection takes binary frames."));
        }
    };
    if frame.id.len() > FRAME_ID_BYTES {
        let detail = format!("id: at most {FRAME_ID_BYTES} bytes");
        return Err(Malformed::new(String::new(), "INVALID_ARGUMENT", detail));
    }
    Ok(frame)
}

/// The id of a JSON object that is no frame, so that its sender can tell what was refused.
fn id_of(text: &str) -> String {
    let value: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let id = value.as_ref().and_then(|value| value.get("id")?.as_str());
    id.filter(|id| id.len() <= FRAME_ID_BYTES).unwrap_or_default().to_owned()
}

/// The answer to the frame `id`.
pub fn answer(id: &str, frame: Frame) -> ServerFrame {
    ServerFrame { id: id.to_owned(), frame: Some(frame) }
}

/// What the server says by itself.
pub fn notice(frame: Frame) -> ServerFrame {
    answer("", frame)
}

/// A refusal of the frame `id`.
pub fn error(id: &str, failure: &Failure) -> ServerFrame {
    let retry_after_ms = failure.retry_after.map_or(0, |pause| u32::try_from(pause.as_millis()).unwrap_or(u32::MAX));
    answer(
        id,
        Frame::Error(ErrorFrame {
            reason: failure.reason.clone(),
            detail: failure.detail.clone(),
            status: failure.http_status().into(),
            retry_after_ms,
        }),
    )
}

#[cfg(test)]
mod tests {
    use godwit_contract::v1::{PingFrame, ResyncFrame};

    use super::*;

    #[test]
    fn an_event_is_one_text_for_all_json_clients_and_as_it_came_for_binary_ones() {
        let encoded = Bytes::from(notice(Frame::Resync(ResyncFrame::default())).encode_to_vec());
        let frame = LiveFrame::new(encoded.clone());
        let (Some(Wire::Text(one)), Some(Wire::Text(other))) = (frame.wire(Encoding::Json), frame.wire(Encoding::Json))
        else {
            panic!("JSON clients get texts");
        };
        assert_eq!((one.as_ref() as &str, one.as_ptr()), (r#"{"resync":{}}"#, other.as_ptr()));
        assert_eq!(frame.wire(Encoding::Binary), Some(Wire::Binary(encoded)));
    }

    #[test]
    fn both_encodings_of_a_frame_are_read() {
        let frame = decode(&Received::Text(r#"{"id":"1","pong":{}}"#.into()), Encoding::Json).unwrap();
        let binary = Received::Binary(frame.encode_to_vec().into());
        assert_eq!(decode(&binary, Encoding::Binary).unwrap(), frame);
    }

    #[test]
    fn what_is_no_frame_is_refused_under_its_id() {
        let long = "x".repeat(65);
        for (text, id, reason) in [
            ("{", "", "MALFORMED_FRAME"),
            (r#"{"id":"7","send_message":{"chat_id":1}}"#, "7", "MALFORMED_FRAME"),
            (r#"[{"id":"7"}]"#, "", "MALFORMED_FRAME"),
            (&format!(r#"{{"id":"{long}","pong":{{}}}}"#), "", "INVALID_ARGUMENT"),
        ] {
            let refused = decode(&Received::Text(text.to_owned().into()), Encoding::Json).unwrap_err();
            assert_eq!((refused.id.as_str(), refused.failure.reason.as_str()), (id, reason), "{text}");
        }
        let binary = decode(&Received::Binary(Bytes::from_static(&[0xff])), Encoding::Binary).unwrap_err();
        assert_eq!(binary.failure.reason, "MALFORMED_FRAME");
        let wrong = decode(&Received::Text("{}".into()), Encoding::Binary).unwrap_err();
        assert_eq!(wrong.failure.reason, "WRONG_FRAME_TYPE");
    }

    #[test]
    fn what_a_newer_client_added_is_ignored_in_both_encodings() {
        let pong = decode(&Received::Text(r#"{"id":"1","pong":{}}"#.into()), Encoding::Json).unwrap();
        let added = decode(&Received::Text(r#"{"id":"1","trace":[{}],"pong":{"at":1}}"#.into()), Encoding::Json);
        assert_eq!(added.unwrap(), pong);
        // Field 100, a varint.
        let binary = [pong.encode_to_vec(), vec![0xa0, 0x06, 1]].concat();
        assert_eq!(decode(&Received::Binary(binary.into()), Encoding::Binary).unwrap(), pong);
        let unknown = decode(&Received::Text(r#"{"id":"1","fly":{}}"#.into()), Encoding::Json).unwrap();
        assert_eq!((unknown.id.as_str(), unknown.frame), ("1", None));
    }

    #[test]
    fn an_error_frame_has_the_status_of_rest() {
        let mut failure = Failure::new(tonic::Code::Unavailable, "OVERLOADED", "later");
        failure.retry_after = Some(std::time::Duration::from_millis(1_500));
        let Some(Frame::Error(frame)) = error("9", &failure).frame else { panic!("an error frame") };
        assert_eq!((frame.status, frame.retry_after_ms), (503, 1_500));
        assert_eq!(notice(Frame::Ping(PingFrame {})).id, "");
    }
}
