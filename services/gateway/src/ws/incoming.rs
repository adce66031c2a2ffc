//! What a client's bytes say (RFC 6455). No IO: whoever reads puts bytes in and takes events out.

use bytes::{Buf as _, Bytes, BytesMut};
use bytestring::ByteString;
use godwit_kernel::limits::CLIENT_FRAME_BYTES;
use std::io::Cursor;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::frames::Received;
use super::outbox::Close;

/// The longest payload of a control frame (RFC 6455, section 5.5).
const CONTROL_BYTES_MAX: usize = 125;
/// The code that stands for none (RFC 6455, section 7.4.1).
const NO_CODE: u16 = 1005;

/// What a frame came to.
#[derive(Debug)]
pub enum Event {
    /// A whole message.
    Message(Received),
    /// A part of a message that goes on.
    Fragment,
    /// To be answered with a pong of the same bytes.
    Ping(Bytes),
    /// An answer to a ping.
    Pong,
}

/// The incoming half of the protocol. Holds what is not whole yet: at most one message within the limit, and nothing
/// while the client is silent.
#[derive(Default)]
pub struct Incoming {
    /// Bytes behind the last frame that was taken.
    buffer: BytesMut,
    /// Of the frame whose payload is on its way: how many bytes that has.
    header: Option<(FrameHeader, usize)>,
    /// The message whose fragments come.
    message: Option<Message>,
}

struct Message {
    is_text: bool,
    payload: BytesMut,
}

impl Incoming {
    /// One that has these bytes already. They are copied, because they mostly are none in a buffer for a whole HTTP request.
    pub fn new(early: &[u8]) -> Self {
        Self { buffer: BytesMut::from(early), ..Self::default() }
    }

    /// Adds what was read.
    pub fn put(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether a frame or message was begun and is not whole.
    pub fn is_within_message(&self) -> bool {
        self.message.is_some() || self.header.is_some() || !self.buffer.is_empty()
    }

    /// Whether some fragments of a message have come.
    pub fn has_fragments(&self) -> bool {
        self.message.is_some()
    }

    /// The next event; `None` when more bytes are needed.
    ///
    /// # Errors
    /// When the connection is over: the client closes it, or its bytes must end it. A length over the limit shows as soon
    /// as it is announced.
    pub fn next(&mut self) -> Result<Option<Event>, Close> {
        let Some((header, length)) = self.header()? else { return Ok(None) };
        if self.buffer.len() < length {
            self.header = Some((header, length));
            return Ok(None);
        }
        let mut payload = self.buffer.split_to(length);
        if self.buffer.is_empty() {
            // An idle connection keeps no buffer.
            self.buffer = BytesMut::new();
        }
        unmask(&mut payload, header.mask.ok_or(Close::Protocol)?);
        match header.opcode {
            OpCode::Control(Control::Ping) => Ok(Some(Event::Ping(payload.freeze()))),
            OpCode::Control(Control::Pong) => Ok(Some(Event::Pong)),
            OpCode::Control(Control::Close) => Err(close(&payload)),
            OpCode::Data(data) => self.take_data(data, header.is_final, payload).map(Some),
            OpCode::Control(Control::Reserved(_)) => Err(Close::Protocol),
        }
    }

    /// The header of the frame that comes, once it is whole and may be.
    fn header(&mut self) -> Result<Option<(FrameHeader, usize)>, Close> {
        if let Some(known) = self.header.take() {
            return Ok(Some(known));
        }
        let mut cursor = Cursor::new(&self.buffer);
        let Some((header, length)) = FrameHeader::parse(&mut cursor).map_err(|_| Close::Protocol)? else {
            return Ok(None);
        };
        let header_bytes = usize::try_from(cursor.position()).map_err(|_| Close::Protocol)?;
        let length = self.check(&header, usize::try_from(length).unwrap_or(usize::MAX))?;
        self.buffer.advance(header_bytes);
        Ok(Some((header, length)))
    }

    /// Whether a frame may come now, and be so long.
    fn check(&self, header: &FrameHeader, length: usize) -> Result<usize, Close> {
        // No extension is ever agreed on, so nothing gives the reserved bits a meaning: compressed frames end here.
        if header.rsv1 || header.rsv2 || header.rsv3 || header.mask.is_none() {
            return Err(Close::Protocol);
        }
        let begun_bytes = match (header.opcode, &self.message) {
            (OpCode::Control(_), _) if header.is_final && length <= CONTROL_BYTES_MAX => return Ok(length),
            (OpCode::Data(Data::Continue), Some(message)) => message.payload.len(),
            (OpCode::Data(Data::Text | Data::Binary), None) => 0,
            _ => return Err(Close::Protocol),
        };
        if length > CLIENT_FRAME_BYTES.saturating_sub(begun_bytes) { Err(Close::FrameTooBig) } else { Ok(length) }
    }

    fn take_data(&mut self, data: Data, is_final: bool, payload: BytesMut) -> Result<Event, Close> {
        let message = match self.message.take() {
            Some(mut message) => {
                message.payload.extend_from_slice(&payload);
                message
            }
            None => Message { is_text: data == Data::Text, payload },
        };
        if !is_final {
            self.message = Some(message);
            return Ok(Event::Fragment);
        }
        let Message { is_text, payload } = message;
        let payload = payload.freeze();
        let received = match is_text {
            true => Received::Text(ByteString::try_from(payload).map_err(|_| Close::InvalidText)?),
            false => Received::Binary(payload),
        };
        Ok(Event::Message(received))
    }
}

/// What the client's close frame says, which is said back to it (RFC 6455, section 5.5.1).
fn close(payload: &[u8]) -> Close {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return if payload.is_empty() { Close::ByClient(NO_CODE) } else { Close::Protocol };
    };
    match u16::from_be_bytes(*code) {
        code @ (1000..=1003 | 1007..=1013 | 3000..=4999) if std::str::from_utf8(reason).is_ok() => {
            Close::ByClient(code)
        }
        1000..=1003 | 1007..=1013 | 3000..=4999 => Close::InvalidText,
        _ => Close::Protocol,
    }
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let (words, rest) = payload.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(mask)).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(mask) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use proptest::prelude::*;
    use tungstenite::protocol::{Role, WebSocketConfig};
    use tungstenite::{Error, WebSocket};

    use super::*;

    /// What came of some bytes: the messages and pings, and how it ended if it did.
    #[derive(Debug, Default, PartialEq)]
    struct Heard {
        messages: Vec<tungstenite::Message>,
        end: Option<Close>,
    }

    /// By this implementation, from pieces of these lengths.
    fn ours(bytes: &[u8], pieces: &[usize]) -> Heard {
        let (mut incoming, mut heard) = (Incoming::default(), Heard::default());
        let mut pieces = pieces.iter().cycle();
        let mut rest = bytes;
        while !rest.is_empty() {
            let (piece, left) = rest.split_at((*pieces.next().unwrap()).min(rest.len()));
            incoming.put(piece);
            rest = left;
            loop {
                match incoming.next() {
                    Ok(None) => break,
                    Ok(Some(Event::Message(Received::Text(text)))) => {
                        heard.messages.push(tungstenite::Message::text(text.to_string()));
                    }
                    Ok(Some(Event::Message(Received::Binary(bytes)))) => {
                        heard.messages.push(tungstenite::Message::binary(bytes));
                    }
                    Ok(Some(Event::Ping(bytes))) => heard.messages.push(tungstenite::Message::Ping(bytes)),
                    Ok(Some(Event::Pong | Event::Fragment)) => {}
                    Err(close) => return Heard { end: Some(close), ..heard },
                }
            }
            assert!(incoming.buffer.len() <= CLIENT_FRAME_BYTES + bytes.len().min(8 * 1024));
        }
        heard
    }

    /// Bytes to read, and nothing that is written.
    struct OneWay<'a>(&'a [u8]);

    impl Read for OneWay<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(into)
        }
    }

    impl Write for OneWay<'_> {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// By another implementation.
    fn theirs(bytes: &[u8]) -> Heard {
        let limit = Some(CLIENT_FRAME_BYTES);
        let mut config = WebSocketConfig::default();
        (config.max_frame_size, config.max_message_size) = (limit, limit);
        let mut socket = WebSocket::from_raw_socket(OneWay(bytes), Role::Server, Some(config));
        let mut heard = Heard::default();
        loop {
            match socket.read() {
                Ok(tungstenite::Message::Pong(_)) => {}
                Ok(tungstenite::Message::Close(frame)) => {
                    let code = frame.map_or(NO_CODE, |frame| frame.code.into());
                    return Heard { end: Some(Close::ByClient(code)), ..heard };
                }
                Ok(message) => heard.messages.push(message),
                Err(Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake)) => return heard,
                Err(Error::Utf8(_)) => return Heard { end: Some(Close::InvalidText), ..heard },
                Err(Error::Capacity(_)) => return Heard { end: Some(Close::FrameTooBig), ..heard },
                Err(_) => return Heard { end: Some(Close::Protocol), ..heard },
            }
        }
    }

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first];
        match u16::try_from(payload.len()) {
            Ok(length @ 0..126) => bytes.push(0x80 | u8::try_from(length).unwrap()),
            Ok(length) => {
                bytes.push(0x80 | 126);
                bytes.extend(length.to_be_bytes());
            }
            Err(_) => {
                bytes.push(0x80 | 127);
                bytes.extend(u64::try_from(payload.len()).unwrap().to_be_bytes());
            }
        }
        let mask = [7, 77, 177, 27];
        bytes.extend(mask);
        bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
        bytes
    }

    /// Frames that mostly make sense one after the other, with some bytes changed.
    fn conversations() -> impl Strategy<Value = Vec<u8>> {
        let payload = prop_oneof![
            "[a-zä€\u{1F600}]{0,40}".prop_map(String::into_bytes),
            proptest::collection::vec(any::<u8>(), 0..130),
            (CLIENT_FRAME_BYTES - 2..CLIENT_FRAME_BYTES + 2).prop_map(|length| vec![b'x'; length]),
        ];
        let firsts = [0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8a, 0x80, 0x81, 0x82, 0x88];
        let frames =
            (proptest::sample::select(firsts.to_vec()), payload).prop_map(|(first, bytes)| frame(first, &bytes));
        let changes = proptest::collection::vec((any::<usize>(), any::<u8>()), 0..2);
        (proptest::collection::vec(frames, 1..8), changes).prop_map(|(frames, changes)| {
            let mut bytes = frames.concat();
            for (place, value) in changes {
                let place = place % bytes.len();
                *bytes.get_mut(place).unwrap() = value;
            }
            bytes
        })
    }

    proptest! {
        /// Both agree on what is said and on what ends a connection, but for the moment: a header that can come to nothing good
        /// is refused here before the payload is there, a text there before its last fragment is.
        #[test]
        fn two_implementations_hear_the_same(
            bytes in conversations(),
            pieces in proptest::collection::vec(1..9_000_usize, 1..5),
        ) {
            let (ours, theirs) = (ours(&bytes, &pieces), theirs(&bytes));
            let both = ours.messages.len().min(theirs.messages.len());
            prop_assert_eq!(&ours.messages[..both], &theirs.messages[..both]);
            match (ours.end, theirs.end) {
                (None, None) => prop_assert_eq!(ours.messages.len(), theirs.messages.len()),
                (None, Some(end)) => prop_assert_eq!(end, Close::InvalidText, "{:?}", ours),
                (Some(end), None) => prop_assert!(!matches!(end, Close::ByClient(_) | Close::InvalidText), "{:?}", end),
                (Some(Close::ByClient(code)), Some(end)) => prop_assert_eq!(Close::ByClient(code), end),
                (Some(_), Some(_)) => {}
            }
        }
    }

    #[test]
    fn nothing_is_kept_of_what_was_said() {
        let mut incoming = Incoming::new(&BytesMut::with_capacity(8 * 1024));
        assert_eq!(incoming.buffer.capacity(), 0);
        incoming.put(&frame(0x82, &vec![1; CLIENT_FRAME_BYTES]));
        assert!(matches!(incoming.next(), Ok(Some(Event::Message(Received::Binary(_))))));
        assert_eq!((incoming.buffer.capacity(), incoming.is_within_message()), (0, false));
    }

    #[test]
    fn a_length_over_the_limit_shows_before_the_bytes_come() {
        let mut incoming = Incoming::default();
        incoming.put(&[0x82, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 1, 2, 3]);
        assert!(matches!(incoming.next(), Ok(None)), "its header is not whole");
        incoming.put(&[4]);
        assert_eq!(incoming.next().unwrap_err(), Close::FrameTooBig);
    }
}
